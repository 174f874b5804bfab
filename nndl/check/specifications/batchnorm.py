"""Batch normalization.

What goes wrong in the same way in layer normalization, `layernorm` takes from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ... import layers
from .._specification import (
    EDGE_CASES,
    TEST_MODE,
    VALUES,
    Case,
    Forward,
    Mistake,
    backward,
    numbers,
)

Array = np.ndarray
Settings = dict[str, Any]
Results = tuple[Any, ...]

# ---- cases ---------------------------------------------------------------------------


def _case(
    name: str,
    N: int,
    D: int,
    stage: str = VALUES,
    running: bool = True,
    **settings: Any,
) -> Case:
    averages = {
        "running_mean": numbers(D, seed=4),
        "running_var": 0.05 + numbers(D, seed=5) ** 2,
    }
    bn_param = {"mode": "train", "eps": 0.3} | (averages if running else {}) | settings
    arguments = numbers(N, D) + 0.7, scale_of(D), numbers(D, seed=3), bn_param
    return Case(name, arguments, stage, {"N": N, "D": D})


def scale_of(D: int) -> Array:
    """Return a gamma for D features: numbers around 1, none of them 1."""
    return 1 + 2 * numbers(D, seed=2)


def _constant(case: Case) -> Case:
    x, *others = case.arguments
    x[:, 1] = 2
    del others[-1]["eps"]
    return replace(case, arguments=(x, *others))


CASES = (
    _case("5 examples of 3 features", 5, 3),
    _case("4 examples of 2 features, momentum 0.6", 4, 2, momentum=0.6),
    _case(
        "3 examples of 4 features, without running averages",
        3, 4, running=False, momentum=0.7,
    ),
    _case("5 examples of 3 features, in test mode", 5, 3, TEST_MODE, mode="test"),
    _case("a single example, in test mode", 1, 4, TEST_MODE, mode="test"),
    _case("a batch of one", 1, 3, EDGE_CASES),
    _constant(
        _case("a feature that never changes, with the default eps", 4, 3, EDGE_CASES)
    ),
)  # fmt: skip

# ---- forward, whatever is normalized over --------------------------------------------

Normalize = Callable[[Array, Any, Any, float], Any]
Scale = Callable[[Array, Array, Array], Any]

#: Wrong ways from x, mean, var and eps to xhat.
NORMALIZATIONS: tuple[tuple[str, str, Normalize], ...] = (
    (
        "eps-outside-root",
        "eps was added to the standard deviation; it belongs under the root, to the variance.",
        lambda x, mean, var, eps: (x - mean) / (np.sqrt(var) + eps),
    ),
    (
        "eps-forgotten",
        "eps was left out: it is added to the variance, under the root.",
        lambda x, mean, var, eps: (x - mean) / np.sqrt(var),
    ),
    (
        "eps-not-read",
        "eps is always 1e-5 in your function: take it from the settings, where it may be another.",
        lambda x, mean, var, eps: (x - mean) / np.sqrt(var + 1e-5),
    ),
    (
        "divided-by-variance",
        "x was divided by the variance, not by its root, the standard deviation.",
        lambda x, mean, var, eps: (x - mean) / (var + eps),
    ),
    (
        "mean-not-subtracted",
        "The mean was not subtracted from x before the division.",
        lambda x, mean, var, eps: x / np.sqrt(var + eps),
    ),
    (
        "not-divided",
        "The mean was subtracted, and the division by the standard deviation is missing.",
        lambda x, mean, var, eps: x - mean,
    ),
    (
        "brackets",
        "Only the mean was divided by the standard deviation: (x - mean) needs its brackets.",
        lambda x, mean, var, eps: x - mean / np.sqrt(var + eps),
    ),
    (
        "multiplied-by-std",
        "(x - mean) was multiplied by the standard deviation; it is divided by it.",
        lambda x, mean, var, eps: (x - mean) * np.sqrt(var + eps),
    ),
    (
        "eps-squared",
        "eps was squared, as if it were a standard deviation: it is added to the variance as it is.",
        lambda x, mean, var, eps: (x - mean) / np.sqrt(var + eps**2),
    ),
)

#: Wrong ways from xhat, gamma and beta to the output.
SCALINGS: tuple[tuple[str, str, Scale], ...] = (
    (
        "gamma-beta-forgotten",
        "The output is xhat itself: it is still to be scaled by gamma and shifted by beta.",
        lambda xhat, gamma, beta: xhat,
    ),
    (
        "no-beta",
        "beta was left out: it is added after the multiplication by gamma.",
        lambda xhat, gamma, beta: gamma * xhat,
    ),
    (
        "no-gamma",
        "gamma was left out: xhat is multiplied by it before beta is added.",
        lambda xhat, gamma, beta: xhat + beta,
    ),
    (
        "beta-inside",
        "beta was added before the multiplication by gamma; it is added after it.",
        lambda xhat, gamma, beta: gamma * (xhat + beta),
    ),
    (
        "gamma-beta-exchanged",
        "gamma and beta have changed places: gamma multiplies, beta is added.",
        lambda xhat, gamma, beta: beta * xhat + gamma,
    ),
    (
        "beta-subtracted",
        "beta was subtracted; it is added.",
        lambda xhat, gamma, beta: gamma * xhat - beta,
    ),
)


def normalized(x: Array, mean: Any, var: Any, eps: float) -> Any:
    return (x - mean) / np.sqrt(var + eps)


def scaled(xhat: Array, gamma: Array, beta: Array) -> Any:
    return gamma * xhat + beta


# ---- forward -------------------------------------------------------------------------

Average = Callable[[Array, Array, float, Array], Any]


def _in_both_modes(normalize: Normalize = normalized, scale: Scale = scaled) -> Any:
    """Return a twin with another formula for the output, and the right averages."""

    def twin(x: Array, gamma: Array, beta: Array, bn_param: Settings) -> Results:
        layers.batchnorm_forward(x, gamma, beta, bn_param)  # stores the averages
        if bn_param["mode"] == "train":
            mean, var = x.mean(axis=0), x.var(axis=0)
        else:
            mean, var = bn_param["running_mean"], bn_param["running_var"]
        return scale(normalize(x, mean, var, _eps(bn_param)), gamma, beta), None

    return twin


def _in_test_mode(normalize: Normalize = normalized, scale: Scale = scaled) -> Any:
    """Return a twin with another formula for the output in test mode alone."""
    wrong = _in_both_modes(normalize, scale)

    def twin(x: Array, gamma: Array, beta: Array, bn_param: Settings) -> Results:
        test = bn_param["mode"] == "test"
        forward = wrong if test else layers.batchnorm_forward
        result: Results = forward(x, gamma, beta, bn_param)
        return result

    return twin


def _with_statistics(mean: Callable[[Array], Any], var: Callable[[Array], Any]) -> Any:
    """Return a twin with other statistics in training, for the output and the
    averages."""

    def twin(x: Array, gamma: Array, beta: Array, bn_param: Settings) -> Results:
        averages = _averages(bn_param, x)
        if bn_param["mode"] == "test":
            return layers.batchnorm_forward(x, gamma, beta, bn_param)
        momentum = bn_param.get("momentum", 0.9)
        for key, new in (("running_mean", mean(x)), ("running_var", var(x))):
            bn_param[key] = momentum * averages[key] + (1 - momentum) * new
        xhat = normalized(x, mean(x), var(x), _eps(bn_param))
        return scaled(xhat, gamma, beta), None

    return twin


def _eps(settings: Settings) -> float:
    eps: float = settings.get("eps", 1e-5)
    return eps


def _averages(bn_param: Settings, x: Array) -> Settings:
    zeros = np.zeros(x.shape[1], x.dtype)
    return {key: bn_param.get(key, zeros) for key in ("running_mean", "running_var")}


def _averaging(of_mean: Average | None = None, of_var: Average | None = None) -> Any:
    """Return a twin that stores other averages; a rule is given the old average, the
    batch's statistic, the momentum and x."""

    def twin(x: Array, gamma: Array, beta: Array, bn_param: Settings) -> Results:
        old, momentum = _averages(bn_param, x), bn_param.get("momentum", 0.9)
        result = layers.batchnorm_forward(x, gamma, beta, bn_param)
        if bn_param["mode"] == "train":
            for key, rule, new in (
                ("running_mean", of_mean, x.mean(axis=0)),
                ("running_var", of_var, x.var(axis=0)),
            ):
                if rule is not None:
                    bn_param[key] = rule(old[key], new, momentum, x)
        return result

    return twin


def _continuing(key: str, other: str) -> Any:
    """Return a twin in which an average goes on from the other one's old value."""

    def twin(x: Array, gamma: Array, beta: Array, bn_param: Settings) -> Results:
        old, momentum = _averages(bn_param, x), bn_param.get("momentum", 0.9)
        result = layers.batchnorm_forward(x, gamma, beta, bn_param)
        if bn_param["mode"] == "train":
            bn_param[key] = bn_param[key] + momentum * (old[other] - old[key])
        return result

    return twin


def _same_rule(rule: Average) -> Any:
    return _averaging(rule, rule)


def _with_settings(**changed: Any) -> Any:
    """Return a twin for which the settings are others; it stores the averages all the
    same."""

    def twin(x: Array, gamma: Array, beta: Array, bn_param: Settings) -> Results:
        other = bn_param | changed
        result = layers.batchnorm_forward(x, gamma, beta, other)
        bn_param |= _averages(other, x)
        return result

    return twin


def _not_stored(x: Array, gamma: Array, beta: Array, bn_param: Settings) -> Results:
    return layers.batchnorm_forward(x, gamma, beta, dict(bn_param))


def _averages_in_training(
    x: Array, gamma: Array, beta: Array, bn_param: Settings
) -> Results:
    layers.batchnorm_forward(x, gamma, beta, bn_param)
    return layers.batchnorm_forward(x, gamma, beta, bn_param | {"mode": "test"})


def _old_averages_in_training(
    x: Array, gamma: Array, beta: Array, bn_param: Settings
) -> Results:
    old = bn_param | {"mode": "test"}
    layers.batchnorm_forward(x, gamma, beta, bn_param)
    return layers.batchnorm_forward(x, gamma, beta, old)


def _batch_in_test_mode(
    x: Array, gamma: Array, beta: Array, bn_param: Settings
) -> Results:
    if bn_param["mode"] == "test":
        bn_param = bn_param | {"mode": "train"}
    return layers.batchnorm_forward(x, gamma, beta, bn_param)


def _updated_in_test_mode(
    x: Array, gamma: Array, beta: Array, bn_param: Settings
) -> Results:
    result = layers.batchnorm_forward(x, gamma, beta, bn_param)
    if bn_param["mode"] == "test":
        other = bn_param | {"mode": "train"}
        layers.batchnorm_forward(x, gamma, beta, other)
        bn_param |= _averages(other, x)
    return result


_IN_TEST_MODE = "In test mode, "

FORWARD = Forward(
    "batchnorm_forward",
    ("x", "gamma", "beta", "bn_param"),
    ("out", "cache"),
    layers.batchnorm_forward,
    CASES,
    (
        *(
            Mistake(cause, why, _in_both_modes(normalize=normalize))
            for cause, why, normalize in NORMALIZATIONS
        ),
        *(
            Mistake(cause, why, _in_both_modes(scale=scale))
            for cause, why, scale in SCALINGS
        ),
        Mistake(
            "unbiased-variance",
            "The variance was divided by N - 1 (ddof=1); batch normalization divides by N.",
            _with_statistics(lambda x: x.mean(axis=0), lambda x: x.var(axis=0, ddof=1)),
        ),
        Mistake(
            "wrong-axis",
            "Mean and variance were taken over the features of each example (axis 1); batch "
            "normalization takes them over the examples (axis 0).",
            _with_statistics(
                lambda x: x.mean(axis=1, keepdims=True),
                lambda x: x.var(axis=1, keepdims=True),
            ),
        ),
        Mistake(
            "wrong-axis",
            "Mean and variance were taken over all numbers of x: say axis=0, so that each feature "
            "has its own.",
            _with_statistics(np.mean, np.var),
        ),
        Mistake(
            "mean-of-squares",
            "The variance is the mean of x ** 2 here: the mean has to be subtracted before squaring.",
            _with_statistics(lambda x: x.mean(axis=0), lambda x: (x**2).mean(axis=0)),
        ),
        Mistake(
            "variance-not-averaged",
            "The squared deviations were summed and not divided by N: the variance is their mean.",
            _with_statistics(
                lambda x: x.mean(axis=0), lambda x: len(x) * x.var(axis=0)
            ),
        ),
        Mistake(
            "running-averages-in-training",
            "Training used the running averages; it must use the mean and variance of this very "
            "batch, and only update the averages.",
            _averages_in_training,
        ),
        Mistake(
            "running-averages-in-training",
            "Training used the running averages (as they were before the call); it must use the "
            "mean and variance of this very batch.",
            _old_averages_in_training,
        ),
        Mistake(
            "batch-statistics-in-test-mode",
            "Test mode used the mean and variance of the batch; it must use running_mean and "
            "running_var.",
            _batch_in_test_mode,
        ),
        Mistake(
            "momentum-reversed",
            "The momentum is the wrong way round: it weights the old average, and (1 - momentum) "
            "the batch's statistic.",
            _same_rule(lambda old, new, momentum, x: (1 - momentum) * old + momentum * new),
        ),
        Mistake(
            "running-not-stored",
            "The new running averages were not stored: put them back into bn_param, or they are "
            "lost when the function returns.",
            _not_stored,
        ),
        Mistake(
            "running-var-unbiased",
            "running_var was updated with the unbiased variance (divided by N - 1); the book, like "
            "the normalization itself, uses the one divided by N.",
            _averaging(
                None,
                lambda old, new, momentum, x: momentum * old
                + (1 - momentum) * x.var(axis=0, ddof=1),
            ),
        ),
        Mistake(
            "running-std",
            "running_var was updated with the standard deviation; it is an average of variances.",
            _averaging(
                None,
                lambda old, new, momentum, x: momentum * old + (1 - momentum) * new**0.5,
            ),
        ),
        Mistake(
            "running-std",
            "running_var was updated with the standard deviation (and eps in it); it is an average of "
            "variances.",
            _averaging(
                None,
                lambda old, new, momentum, x: momentum * old + (1 - momentum) * (new + 0.3) ** 0.5,
            ),
        ),
        *(
            Mistake(
                "running-averages-mixed",
                f"The new {key} was made from the old {other}: each average continues its own.",
                _continuing(key, other),
            )
            for key, other in (
                ("running_var", "running_mean"),
                ("running_mean", "running_var"),
            )
        ),
        Mistake(
            "running-eps",
            "running_var was updated with var + eps: eps is added when x is normalized, and not "
            "to the average.",
            _averaging(
                None,
                lambda old, new, momentum, x: momentum * old + (1 - momentum) * (new + 0.3),
            ),
        ),
        Mistake(
            "momentum-not-read",
            "The momentum is always 0.9 in your function: take it from bn_param, where it may be "
            "another.",
            _with_settings(momentum=0.9),
        ),
        Mistake(
            "running-overwritten",
            "The running average is replaced by the batch's statistic; it must keep the part "
            "momentum of its old value.",
            _same_rule(lambda old, new, momentum, x: new),
        ),
        Mistake(
            "running-not-weighted",
            "The batch's statistic was added in full: its weight in the average is (1 - momentum).",
            _same_rule(lambda old, new, momentum, x: momentum * old + new),
        ),
        Mistake(
            "running-not-decayed",
            "The old average was kept in full: its weight is the momentum.",
            _same_rule(lambda old, new, momentum, x: old + (1 - momentum) * new),
        ),
        Mistake(
            "running-not-updated",
            "The running average stays as it was: training must update it at every call.",
            _same_rule(lambda old, new, momentum, x: old),
        ),
        Mistake(
            "running-start",
            "The first call stored the batch's statistic as it is: without an average in bn_param "
            "the old one is 0, and is averaged with as ever.",
            _same_rule(
                lambda old, new, momentum, x: momentum * old + (1 - momentum) * new
                if old.any()
                else new
            ),
        ),
        Mistake(
            "running-mixed-up",
            "running_mean and running_var have changed places on their way into bn_param.",
            _averaging(
                lambda old, new, momentum, x: momentum * old
                + (1 - momentum) * x.var(axis=0),
                lambda old, new, momentum, x: momentum * old
                + (1 - momentum) * x.mean(axis=0),
            ),
        ),
        Mistake(
            "updated-in-test-mode",
            "Test mode changed the running averages; only training updates them.",
            _updated_in_test_mode,
        ),
        Mistake(
            "std-in-test-mode",
            "In test mode running_var was taken for a standard deviation: the root is missing.",
            _in_test_mode(lambda x, mean, var, eps: (x - mean) / (var + eps)),
        ),
        Mistake(
            "std-in-test-mode",
            "In test mode running_var was taken for a standard deviation: the root, and eps under "
            "it, are missing.",
            _in_test_mode(lambda x, mean, var, eps: (x - mean) / var),
        ),
        *(
            Mistake(cause, _IN_TEST_MODE + why[0].lower() + why[1:], _in_test_mode(normalize))
            for cause, why, normalize in NORMALIZATIONS
            if cause.startswith("eps")
        ),
        *(
            Mistake(cause, _IN_TEST_MODE + why[0].lower() + why[1:], _in_test_mode(scale=scale))
            for cause, why, scale in SCALINGS
        ),
        Mistake(
            "identity-in-test-mode",
            "In test mode x was returned as it is: it must be normalized with the running averages.",
            _in_test_mode(lambda x, *_: x, lambda xhat, *_: xhat),
        ),
    ),
    {
        "out": "out = gamma * (x - mean) / sqrt(var + eps) + beta\n"
        "mean and var over axis 0 in training; running_mean and running_var in test mode",
        "running_mean": "running_mean = momentum * running_mean + (1 - momentum) * mean",
        "running_var": "running_var = momentum * running_var + (1 - momentum) * var",
    },
    'chapter 3, section "Forward"',
    stores=("running_mean", "running_var"),
)  # fmt: skip

# ---- backward, whatever is normalized over -------------------------------------------

Weights = Callable[[int, Any], tuple[Any, Any, Any]]
OfGamma = Callable[[Array], Any]
Sum = Callable[[Array, Array, Array], Any]

#: Wrong ways to put dx together from its three paths. `weights` is given the number of
#: numbers normalized over, n, and the standard deviation, and returns what the path of
#: x - mean, the path through the mean and the path through the variance are multiplied
#: by; all 1 is right.
PATHS: tuple[tuple[str, str, Weights], ...] = (
    (
        "no-mean-path",
        "The path through the mean is missing: x also moves the mean, which moves every xhat.",
        lambda n, std: (1, 0, 1),
    ),
    (
        "no-variance-path",
        "The path through the variance is missing: x also moves the standard deviation, which moves "
        "every xhat.",
        lambda n, std: (1, 1, 0),
    ),
    (
        "statistics-constant",
        "Mean and variance were taken for constants: both depend on x, and the gradient flows "
        "through them too.",
        lambda n, std: (1, 0, 0),
    ),
    (
        "variance-path-sign",
        "The path through the variance has the wrong sign: 1 / std falls as the variance grows, so "
        "its derivative is negative.",
        lambda n, std: (1, 1, -1),
    ),
    (
        "variance-path-half",
        "The path through the variance is twice too large: the derivative of the root has a factor "
        "1/2.",
        lambda n, std: (1, 1, 2),
    ),
    (
        "variance-path-two",
        "The path through the variance is half of what it should be: the derivative of "
        "(x - mean) ** 2 has a factor 2.",
        lambda n, std: (1, 1, 0.5),
    ),
    (
        "mean-path-not-averaged",
        "The path through the mean is too large: a mean's gradient is shared out, so it is divided "
        "by the number of terms.",
        lambda n, std: (1, n, 1),
    ),
    (
        "variance-path-not-averaged",
        "The path through the variance is too large: the variance is a mean, so its gradient is "
        "divided by the number of terms.",
        lambda n, std: (1, 1, n),
    ),
    (
        "sums-for-means",
        "The sums in dx are not divided by the number of terms: both paths through the statistics go "
        "through a mean.",
        lambda n, std: (1, n, n),
    ),
    (
        "dout-not-weighted",
        "Inside the brackets, dout must be multiplied by the number of terms if the whole is divided "
        "by it.",
        lambda n, std: (1 / n, 1, 1),
    ),
    (
        "mean-path-sign",
        "The path through the mean has the wrong sign: x - mean falls as the mean grows.",
        lambda n, std: (1, -1, 1),
    ),
    (
        "statistics-sign",
        "Both paths through the statistics have the wrong sign: they are subtracted.",
        lambda n, std: (1, -1, -1),
    ),
    (
        "variance-path-power",
        "The path through the variance is off by the variance itself: the derivative of 1 / sqrt(v) has "
        "v ** (-3/2); and it is xhat, not x - mean, that stands in the short formula.",
        lambda n, std: (1, 1, std**2),
    ),
    (
        "variance-path-power",
        "The path through the variance is off by the standard deviation: look at the power of "
        "std in its derivative, and at xhat, which is not x - mean.",
        lambda n, std: (1, 1, std),
    ),
    (
        "variance-path-power",
        "The path through the variance was divided by the standard deviation once too often.",
        lambda n, std: (1, 1, 1 / std),
    ),
    (
        "variance-path-power",
        "The path through the variance was divided by the variance once too often.",
        lambda n, std: (1, 1, 1 / std**2),
    ),
    (
        "unbiased-variance",
        "The path through the variance was divided by one less than the number of terms: the variance "
        "here is the mean of the squares.",
        lambda n, std: (1, 1, n / (n - 1) if n > 1 else np.inf),
    ),
    (
        "not-divided-by-std",
        "The division by the standard deviation is missing from dx.",
        lambda n, std: (std, std, std),
    ),
    (
        "not-divided-by-std",
        "The gradient of x - mean was not divided by the standard deviation.",
        lambda n, std: (std, std, 1),
    ),
    (
        "not-divided-by-std",
        "The path that goes straight to x was not divided by the standard deviation.",
        lambda n, std: (std, 1, 1),
    ),
    (
        "not-divided-by-std",
        "The path through the mean was not divided by the standard deviation.",
        lambda n, std: (1, std, 1),
    ),
    (
        "multiplied-by-std",
        "dx was multiplied by the standard deviation; it is divided by it.",
        lambda n, std: (std**2, std**2, std**2),
    ),
    (
        "divided-by-variance",
        "dx was divided by the variance, not by its root, the standard deviation.",
        lambda n, std: (1 / std, 1 / std, 1 / std),
    ),
    (
        "path-lost",
        "The path that goes straight to x is missing: was it overwritten where the others are added?",
        lambda n, std: (0, 1, 1),
    ),
    (
        "path-lost",
        "Only the path through the mean is left in dx: the gradients of all three paths are added.",
        lambda n, std: (0, 1, 0),
    ),
    (
        "path-lost",
        "Only the path through the variance is left in dx: the gradients of all three paths are added.",
        lambda n, std: (0, 0, 1),
    ),
    (
        "mean-path-twice",
        "The path through the mean is in dx twice.",
        lambda n, std: (1, 2, 1),
    ),
)


def sum_dgamma(dout: Array, xhat: Array, gamma: Array) -> Any:
    return (dout * xhat).sum(axis=0)


def sum_dbeta(dout: Array, xhat: Array, gamma: Array) -> Any:
    return dout.sum(axis=0)


def _summed_over_features(keepdims: bool, with_xhat: bool) -> Sum:
    return lambda dout, xhat, gamma: (dout * xhat if with_xhat else dout).sum(
        axis=1, keepdims=keepdims
    )


#: Wrong ways from dout, xhat and gamma to dgamma and dbeta.
SUMS: tuple[tuple[str, str, Sum, Sum], ...] = (
    (
        "averaged",
        "The gradients of gamma and beta are sums over the examples; a mean divides by N, which is "
        "the loss's affair.",
        lambda dout, xhat, gamma: (dout * xhat).mean(axis=0),
        lambda dout, xhat, gamma: dout.mean(axis=0),
    ),
    (
        "return-order",
        "dgamma and dbeta have changed places: they are returned in the order dx, dgamma, dbeta.",
        sum_dbeta,
        sum_dgamma,
    ),
    (
        "gamma-in-sums",
        "gamma is in the sum of a gradient that it is not in: dgamma and dbeta come from dout, not "
        "from dxhat = dout * gamma.",
        lambda dout, xhat, gamma: (dout * gamma * xhat).sum(axis=0),
        lambda dout, xhat, gamma: (dout * gamma).sum(axis=0),
    ),
    (
        "dout-forgotten",
        "dgamma must contain dout: it is the gradient that arrives, times what gamma multiplies.",
        lambda dout, xhat, gamma: xhat.sum(axis=0),
        sum_dbeta,
    ),
    (
        "xhat-forgotten",
        "dgamma is the sum of dout alone: the number that gamma multiplies in the forward pass is "
        "missing.",
        sum_dbeta,
        sum_dbeta,
    ),
)


#: gamma and beta have a number for each feature, whatever is normalized over.
SUMS += tuple(
    (
        "wrong-axis",
        "dgamma and dbeta were summed over the features (axis 1); gamma and beta serve all examples, so "
        "it is those that are summed over (axis 0).",
        _summed_over_features(keepdims, True),
        _summed_over_features(keepdims, False),
    )
    for keepdims in (False, True)
)


def gradients(
    axis: int,
    weights: Weights = lambda n, std: (1, 1, 1),
    to_dxhat: OfGamma = lambda gamma: gamma,
    dgamma: Sum = sum_dgamma,
    dbeta: Sum = sum_dbeta,
) -> Any:
    """Return a backward twin of what is normalized over `axis`."""

    def twin(dout: Array, cache: Any) -> Results:
        xhat, gamma, std = cache[:3]
        direct, mean, var = weights(dout.shape[axis], std)
        dxhat = dout * to_dxhat(gamma)
        mean_path = dxhat.mean(axis=axis, keepdims=True)
        var_path = xhat * (dxhat * xhat).mean(axis=axis, keepdims=True)
        dx = (direct * dxhat - mean * mean_path - var * var_path) / std
        return dx, dgamma(dout, xhat, gamma), dbeta(dout, xhat, gamma)

    return twin


def backward_mistakes(
    axis: int, forward: Callable[..., Results], has_mode: bool
) -> tuple[Mistake, ...]:
    """Return what goes wrong in the backward pass of batch and layer normalization
    alike."""

    def with_x(x: Array, gamma: Array, beta: Array, param: Settings) -> Results:
        out, cache = forward(x, gamma, beta, param)
        return out, (*cache, x, out)

    def without_eps(x: Array, gamma: Array, beta: Array, param: Settings) -> Results:
        out, (xhat, gamma, std, *mode) = forward(x, gamma, beta, param)
        return out, (xhat, gamma, np.sqrt(np.maximum(std**2 - _eps(param), 0)), *mode)

    def never_eps(x: Array, gamma: Array, beta: Array, param: Settings) -> Results:
        out, cache = forward(x, gamma, beta, param)
        xhat = x - x.mean(axis=axis, keepdims=True)
        std = x.std(axis=axis, keepdims=axis == 1)
        return out, (xhat / std, gamma, std, *cache[3:])

    def dgamma_from(place: int) -> Any:
        # The short formula goes on with dgamma, which then spoils dx as well.
        def twin(dout: Array, cache: Any) -> Results:
            xhat, gamma, std = cache[:3]
            multiplied = cache[place] if place else xhat * std
            dgamma, dbeta = (dout * multiplied).sum(axis=0), dout.sum(axis=0)
            if axis == 0:
                N = len(dout)
                dx = gamma / std * (dout - dbeta / N - xhat * dgamma / N)
            else:
                dx, _, _ = gradients(axis)(dout, cache)
            return dx, dgamma, dbeta

        return twin

    first_extra = 4 if has_mode else 3
    return (
        *(Mistake(cause, why, gradients(axis, weights)) for cause, why, weights in PATHS),
        Mistake(
            "gamma-forgotten",
            "gamma is missing from dx: the gradient of xhat is dout * gamma.",
            gradients(axis, to_dxhat=lambda gamma: 1),
        ),
        Mistake(
            "gamma-twice",
            "gamma was multiplied into dx twice: once with dout, to make dxhat, is enough.",
            gradients(axis, to_dxhat=lambda gamma: gamma**2),
        ),
        Mistake(
            "gamma-divided",
            "dx was divided by gamma; the gradient of xhat is dout * gamma.",
            gradients(axis, to_dxhat=lambda gamma: 1 / gamma),
        ),
        *(
            Mistake(cause, why, gradients(axis, dgamma=dgamma, dbeta=dbeta))
            for cause, why, dgamma, dbeta in SUMS
        ),
        Mistake(
            "x-for-xhat",
            "dgamma was computed with x; gamma multiplies the normalized xhat.",
            dgamma_from(first_extra),
            with_x,
        ),
        Mistake(
            "x-for-xhat",
            "dgamma was computed with x - mean; gamma multiplies xhat, which is divided by the "
            "standard deviation as well.",
            dgamma_from(0),
        ),
        Mistake(
            "out-for-xhat",
            "dgamma was computed with the output of the layer; gamma multiplies xhat.",
            dgamma_from(first_extra + 1),
            with_x,
        ),
        Mistake(
            "eps-forgotten",
            "The standard deviation of the backward pass lacks eps: it must be the same sqrt(var + eps) "
            "as in the forward pass.",
            gradients(axis),
            without_eps,
        ),
        Mistake(
            "eps-forgotten",
            "The backward pass normalizes without eps: xhat and std must be those of the forward pass.",
            gradients(axis),
            never_eps,
        ),
    )  # fmt: skip


# ---- backward ------------------------------------------------------------------------

BACKWARD = backward(
    FORWARD,
    "batchnorm_backward",
    ("dx", "dgamma", "dbeta"),
    layers.batchnorm_backward,
    (
        *backward_mistakes(0, layers.batchnorm_forward, True),
        Mistake(
            "wrong-axis",
            "The means in dx were taken over the features (axis 1); the statistics are over the "
            "examples (axis 0), and so are the means.",
            gradients(1),
        ),
    ),
    {
        "dx": "dxhat = dout * gamma\n"
        "dx = (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)) / sqrt(var + eps), means over axis 0",
        "dgamma": "dgamma = sum over axis 0 of dout * xhat",
        "dbeta": "dbeta = sum over axis 0 of dout",
    },
    'chapter 3, section "Backward, node by node"',
    # Nothing is learned in test mode, so a backward pass need not know it.
    tuple(case for case in CASES if case.stage != TEST_MODE),
)

BACKWARD_ALT = replace(
    BACKWARD,
    name="batchnorm_backward_alt",
    reference=layers.batchnorm_backward_alt,
    read='chapter 3, section "Backward, on paper"',
)

ALL = (FORWARD, BACKWARD, BACKWARD_ALT)
