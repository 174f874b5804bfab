"""Layer normalization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import layers
from .._specification import (
    EDGE_CASES,
    VALUES,
    Case,
    Forward,
    Mistake,
    backward,
    numbers,
)
from .batchnorm import (
    NORMALIZATIONS,
    SCALINGS,
    Normalize,
    Scale,
    backward_mistakes,
    gradients,
    normalized,
    scale_of,
    scaled,
)

Array = np.ndarray
Settings = dict[str, Any]
Results = tuple[Any, ...]
Statistic = Callable[[Array], Any]


def _case(name: str, x: Array, stage: str = VALUES, **settings: float) -> Case:
    N, D = x.shape
    arguments = x, scale_of(D), numbers(D, seed=3), settings
    return Case(name, arguments, stage, {"N": N, "D": D})


def _x(N: int, D: int) -> Array:
    return numbers(N, D) + 0.7


def _one_constant() -> Array:
    x = _x(3, 4)
    x[1] = 2
    return x


CASES = (
    _case("3 examples of 5 features", _x(3, 5), eps=0.3),
    _case("4 examples of 2 features", _x(4, 2), eps=0.3),
    _case("2 examples of 3 features", _x(2, 3), eps=0.8),
    _case("a batch of one", _x(1, 4), EDGE_CASES, eps=0.3),
    _case("as many examples as features", _x(3, 3), EDGE_CASES, eps=0.3),
    _case(
        "an example of equal features, with the default eps",
        _one_constant(),
        EDGE_CASES,
    ),
    _case("a single feature", _x(4, 1), EDGE_CASES, eps=0.3),
)

# ---- forward -------------------------------------------------------------------------


def _mean(x: Array) -> Any:
    return x.mean(axis=1, keepdims=True)


def _var(x: Array) -> Any:
    return x.var(axis=1, keepdims=True)


def _twin(
    mean: Statistic = _mean,
    var: Statistic = _var,
    normalize: Normalize = normalized,
    scale: Scale = scaled,
) -> Any:
    def twin(x: Array, gamma: Array, beta: Array, ln_param: Settings) -> Results:
        xhat = normalize(x, mean(x), var(x), ln_param.get("eps", 1e-5))
        return scale(xhat, gamma, beta), None

    return twin


def _over_axis_0(x: Array, gamma: Array, beta: Array, ln_param: Settings) -> Results:
    return layers.batchnorm_forward(x, gamma, beta, {"mode": "train", **ln_param})


FORWARD = Forward(
    "layernorm_forward",
    ("x", "gamma", "beta", "ln_param"),
    ("out", "cache"),
    layers.layernorm_forward,
    CASES,
    (
        Mistake(
            "wrong-axis",
            "Mean and variance were taken over the examples (axis 0), as in batch normalization; layer "
            "normalization takes them over the features of each example (axis 1).",
            _over_axis_0,
        ),
        *(
            Mistake(cause, why, _twin(normalize=normalize))
            for cause, why, normalize in NORMALIZATIONS
        ),
        *(Mistake(cause, why, _twin(scale=scale)) for cause, why, scale in SCALINGS),
        Mistake(
            "unbiased-variance",
            "The variance was divided by D - 1 (ddof=1); layer normalization divides by D.",
            _twin(var=lambda x: x.var(axis=1, keepdims=True, ddof=1)),
        ),
        Mistake(
            "wrong-axis",
            "Mean and variance were taken over all numbers of x: each example has its own, over axis 1.",
            _twin(np.mean, np.var),
        ),
        Mistake(
            "wrong-axis",
            "The mean is that of the features, over axis 0, but the variance that of the examples: "
            "both go over axis 1.",
            _twin(mean=lambda x: x.mean(axis=0)),
        ),
        Mistake(
            "wrong-axis",
            "The variance is that of the features, over axis 0, but the mean that of the examples: "
            "both go over axis 1.",
            _twin(var=lambda x: x.var(axis=0)),
        ),
        Mistake(
            "mean-of-squares",
            "The variance is the mean of x ** 2 here: the mean has to be subtracted before squaring.",
            _twin(var=lambda x: _mean(x**2)),
        ),
        Mistake(
            "variance-not-averaged",
            "The squared deviations were summed and not divided by D: the variance is their mean.",
            _twin(var=lambda x: x.shape[1] * _var(x)),
        ),
        Mistake(
            "divided-by-N",
            "The sums over the features were divided by N, the number of examples; a mean over the "
            "features divides by D.",
            _twin(
                lambda x: x.sum(axis=1, keepdims=True) / len(x),
                lambda x: (
                    ((x - x.sum(axis=1, keepdims=True) / len(x)) ** 2).sum(
                        axis=1, keepdims=True
                    )
                    / len(x)
                ),
            ),
        ),
    ),
    {
        "out": "out = gamma * (x - mean) / sqrt(var + eps) + beta\n"
        "mean and var over axis 1, with keepdims=True"
    },
    'chapter 3, section "Layer normalization"',
)

# ---- backward ------------------------------------------------------------------------


def _shares(mean: bool, var: bool) -> Any:
    """Return a twin that divides by N what has to be divided by D."""

    def twin(dout: Array, cache: Any) -> Results:
        N, D = dout.shape
        wrong = gradients(
            1, lambda n, std: (1, D / N if mean else 1, D / N if var else 1)
        )
        result: Results = wrong(dout, cache)
        return result

    return twin


def _gamma_last(dout: Array, cache: Any) -> Results:
    xhat, gamma, _ = cache
    plain, dgamma, dbeta = layers.layernorm_backward(
        dout, (xhat, np.ones_like(gamma), cache[2])
    )
    return gamma * plain, dgamma, dbeta


_MEANS_OVER_0 = (
    "The means in dx were taken over the examples (axis 0), as in batch normalization; here the "
    "statistics go over the features (axis 1), and so do the means."
)

BACKWARD = backward(
    FORWARD,
    "layernorm_backward",
    ("dx", "dgamma", "dbeta"),
    layers.layernorm_backward,
    (
        Mistake("wrong-axis", _MEANS_OVER_0, gradients(0)),
        Mistake(
            "gamma-after-means",
            "gamma was multiplied in at the end: here it differs along the axis of the means, so dout "
            "has to be multiplied by it before they are taken.",
            _gamma_last,
        ),
        *(
            Mistake(
                "divided-by-N",
                "In dx something is divided by N, the number of examples; means over the features "
                "divide by D.",
                _shares(mean, var),
            )
            for mean, var in ((True, True), (True, False), (False, True))
        ),
        *backward_mistakes(1, layers.layernorm_forward, False),
        Mistake(
            "wrong-axis",
            "The mean over all numbers of dxhat was taken: each example has its own means, over axis 1.",
            lambda dout, cache: _all_means(dout, *cache),
        ),
    ),
    {
        "dx": "dxhat = dout * gamma\n"
        "dx = (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)) / sqrt(var + eps), means over axis 1",
        "dgamma": "dgamma = sum over axis 0 of dout * xhat",
        "dbeta": "dbeta = sum over axis 0 of dout",
    },
    'chapter 3, section "Layer normalization"',
)


def _all_means(dout: Array, xhat: Array, gamma: Array, std: Array) -> Results:
    dxhat = dout * gamma
    dx = (dxhat - dxhat.mean() - xhat * (dxhat * xhat).mean()) / std
    return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)


ALL = (FORWARD, BACKWARD)
