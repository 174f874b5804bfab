"""The exercises of chapter 3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._specification import (
    EDGE_CASES,
    VALUES,
    Case,
    Forward,
    Function,
    Mistake,
    Plain,
    backward,
    numbers,
)
from .batchnorm import scale_of

Array = np.ndarray
Settings = dict[str, Any]
Results = tuple[Any, ...]

# ---- folding batch normalization -----------------------------------------------------


def fold(
    w: Array, b: Array, gamma: Array, beta: Array, bn_param: Settings
) -> tuple[Array, Array]:
    factor = gamma / np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))
    return w * factor, (b - bn_param["running_mean"]) * factor + beta


def _fold_case(
    name: str, D: int, M: int, stage: str = VALUES, **settings: float
) -> Case:
    bn_param = {
        "mode": "test",
        "running_mean": numbers(M, seed=4),
        "running_var": 0.05 + numbers(M, seed=5) ** 2,
    }
    arguments = (
        numbers(D, M),
        numbers(M, seed=1) + 0.05,
        scale_of(M),
        numbers(M, seed=3),
        bn_param | settings,
    )
    return Case(name, arguments, stage, {"D": D, "M": M})


def _folded(
    factor: Callable[[Array, Array, float], Any] | None = None,
    bias: Callable[..., Any] | None = None,
) -> Function:
    """Return a twin with another factor, or another bias made of b, the running mean, the
    factor and beta."""

    def twin(
        w: Array, b: Array, gamma: Array, beta: Array, bn_param: Settings
    ) -> Results:
        mean, var = bn_param["running_mean"], bn_param["running_var"]
        eps = bn_param.get("eps", 1e-5)
        by = gamma / np.sqrt(var + eps)
        if factor is not None:
            by = factor(gamma, var, eps)
        return w * by, (b - mean) * by + beta if bias is None else bias(
            b, mean, by, beta
        )

    return twin


def _by_rows(
    w: Array, b: Array, gamma: Array, beta: Array, bn_param: Settings
) -> Results:
    factor = gamma / np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))
    return w * factor[:, None], fold(w, b, gamma, beta, bn_param)[1]


_BIAS_TOO = "The weights are right, but the bias is not: "

FOLD = Plain(
    "fold",
    ("w", "b", "gamma", "beta", "bn_param"),
    ("w_folded", "b_folded"),
    fold,
    (
        # First, since with sizes that differ a wrong product of shapes only raises an exception.
        _fold_case("3 inputs and 3 outputs, eps = 0.1", 3, 3, eps=0.1),
        _fold_case("4 inputs and 3 outputs, eps = 0.2", 4, 3, eps=0.2),
        _fold_case("2 inputs and 5 outputs, eps = 0.3", 2, 5, eps=0.3),
        _fold_case("without an eps in bn_param", 3, 2),
        _fold_case("a single output", 4, 1, EDGE_CASES, eps=0.1),
    ),
    (
        Mistake(
            "mean-not-subtracted",
            _BIAS_TOO + "the running mean has to be subtracted from b before b is scaled.",
            _folded(bias=lambda b, mean, by, beta: b * by + beta),
        ),
        Mistake(
            "mean-not-scaled",
            _BIAS_TOO + "the running mean is divided by the standard deviation and multiplied by gamma "
            "too; scale b - running_mean as a whole.",
            _folded(bias=lambda b, mean, by, beta: b * by - mean + beta),
        ),
        Mistake(
            "mean-added",
            _BIAS_TOO + "the running mean was added; it is subtracted.",
            _folded(bias=lambda b, mean, by, beta: (b + mean) * by + beta),
        ),
        Mistake(
            "b-not-scaled",
            _BIAS_TOO + "b goes through the normalization like the rest of the affine layer's output: "
            "scale it as well.",
            _folded(bias=lambda b, mean, by, beta: b - mean * by + beta),
        ),
        Mistake(
            "b-not-scaled",
            _BIAS_TOO + "b - running_mean is still to be multiplied by gamma / sqrt(running_var + eps).",
            _folded(bias=lambda b, mean, by, beta: b - mean + beta),
        ),
        Mistake(
            "b-forgotten",
            _BIAS_TOO + "b itself was left out.",
            _folded(bias=lambda b, mean, by, beta: beta - mean * by),
        ),
        Mistake(
            "no-beta",
            _BIAS_TOO + "beta is still to be added.",
            _folded(bias=lambda b, mean, by, beta: (b - mean) * by),
        ),
        Mistake(
            "beta-inside",
            _BIAS_TOO + "beta was added before the scaling; it is added after it.",
            _folded(bias=lambda b, mean, by, beta: (b - mean + beta) * by),
        ),
        Mistake(
            "not-per-column",
            "gamma / sqrt(running_var + eps) multiplied the rows of w; each output is a column of w.",
            _by_rows,
        ),
        *(
            Mistake(
                cause,
                f"{why} The factor is gamma / sqrt(running_var + eps), for each column of w.",
                _folded(factor),
            )
            for cause, why, factor in (
                (
                    "divided-by-variance",
                    "The root is missing.",
                    lambda gamma, var, eps: gamma / (var + eps),
                ),
                (
                    "eps-forgotten",
                    "eps was left out.",
                    lambda gamma, var, eps: gamma / np.sqrt(var),
                ),
                (
                    "eps-outside-root",
                    "eps was added to the standard deviation; it belongs under the root.",
                    lambda gamma, var, eps: gamma / (np.sqrt(var) + eps),
                ),
                (
                    "eps-not-read",
                    "eps is always 1e-5 here: take it from bn_param, where it may be another.",
                    lambda gamma, var, eps: gamma / np.sqrt(var + 1e-5),
                ),
                (
                    "no-gamma",
                    "gamma was left out.",
                    lambda gamma, var, eps: 1 / np.sqrt(var + eps),
                ),
                (
                    "not-divided",
                    "The division by the standard deviation is missing.",
                    lambda gamma, var, eps: gamma,
                ),
                (
                    "multiplied-by-std",
                    "The standard deviation was multiplied in; it divides.",
                    lambda gamma, var, eps: gamma * np.sqrt(var + eps),
                ),
            )
        ),
    ),
    {
        "w_folded": "w_folded = w * gamma / sqrt(running_var + eps)",
        "b_folded": "b_folded = (b - running_mean) * gamma / sqrt(running_var + eps) + beta",
    },
    'chapter 3, section "At test time"',
)  # fmt: skip

# ---- RMSNorm -------------------------------------------------------------------------


def rmsnorm_forward(x: Array, gamma: Array, eps: float) -> tuple[Array, Any]:
    rms = np.sqrt(np.mean(x**2, axis=1, keepdims=True) + eps)
    xhat = x / rms
    return gamma * xhat, (xhat, gamma, rms)


def rmsnorm_backward(dout: Array, cache: Any) -> tuple[Array, Array]:
    xhat, gamma, rms = cache
    dxhat = dout * gamma
    dx = (dxhat - xhat * np.mean(dxhat * xhat, axis=1, keepdims=True)) / rms
    return dx, (dout * xhat).sum(axis=0)


def _rms_case(
    name: str, N: int, D: int, eps: float, stage: str = VALUES, zeros: bool = False
) -> Case:
    x = numbers(N, D) + 0.7
    if zeros:
        x[1] = 0
    return Case(name, (x, scale_of(D), eps), stage, {"N": N, "D": D})


def _normed(
    rms: Callable[[Array, float], Any] | None = None,
    xhat: Callable[[Array, Any], Any] = lambda x, rms: x / rms,
    scale: Callable[[Array, Any], Any] = lambda xhat, gamma: gamma * xhat,
) -> Function:
    def twin(x: Array, gamma: Array, eps: float) -> Results:
        by = rmsnorm_forward(x, gamma, eps)[1][2] if rms is None else rms(x, eps)
        return scale(xhat(x, by), gamma), None

    return twin


def _mean_square(x: Array) -> Any:
    return np.mean(x**2, axis=1, keepdims=True)


def _layer_norm(x: Array, gamma: Array, eps: float) -> Results:
    return rmsnorm_forward(x - x.mean(axis=1, keepdims=True), gamma, eps)


_SIZE = "The mean square of each example's out / gamma must be nearly 1. "

RMSNORM_FORWARD = Forward(
    "rmsnorm_forward",
    ("x", "gamma", "eps"),
    ("out", "cache"),
    rmsnorm_forward,
    (
        _rms_case("3 examples of 5 features, eps = 0.3", 3, 5, 0.3),
        _rms_case("4 examples of 2 features, eps = 0.8", 4, 2, 0.8),
        _rms_case("4 examples of 6 features, eps = 1e-5", 4, 6, 1e-5),
        _rms_case("a batch of one", 1, 4, 0.3, EDGE_CASES),
        _rms_case("as many examples as features", 3, 3, 0.3, EDGE_CASES),
        _rms_case("an example of zeros", 3, 4, 0.1, EDGE_CASES, zeros=True),
    ),
    (
        Mistake(
            "mean-subtracted",
            "The mean was subtracted, as in layer normalization. RMSNorm has no mean: out must change "
            "if x is shifted.",
            _layer_norm,
        ),
        Mistake(
            "mean-subtracted",
            "x was divided by the standard deviation, in which the mean is subtracted; RMSNorm takes "
            "the mean of x**2 itself.",
            _normed(lambda x, eps: np.sqrt(x.var(axis=1, keepdims=True) + eps)),
        ),
        Mistake(
            "wrong-axis",
            "The mean of squares was taken over the examples (axis 0); each example has its own, over "
            "its features (axis 1).",
            _normed(lambda x, eps: np.sqrt(np.mean(x**2, axis=0) + eps)),
        ),
        Mistake(
            "wrong-axis",
            "The mean of squares was taken over all numbers; each example has its own, over axis 1.",
            _normed(lambda x, eps: np.sqrt(np.mean(x**2) + eps)),
        ),
        Mistake(
            "no-root",
            _SIZE + "x was divided by the mean of squares, not by its root.",
            _normed(lambda x, eps: _mean_square(x) + eps),
        ),
        Mistake(
            "sum-of-squares",
            _SIZE + "x was divided by the root of the sum of squares; it is that of their mean.",
            _normed(lambda x, eps: np.sqrt(x.shape[1] * _mean_square(x) + eps)),
        ),
        Mistake(
            "not-squared",
            _SIZE + "x was divided by the mean of the absolute values; it is the root of the mean of "
            "squares.",
            _normed(lambda x, eps: np.abs(x).mean(axis=1, keepdims=True) + eps),
        ),
        Mistake(
            "eps-outside-root",
            "eps was added to the root; it belongs under it.",
            _normed(lambda x, eps: np.sqrt(_mean_square(x)) + eps),
        ),
        Mistake(
            "eps-forgotten",
            "eps was left out: it is added to the mean of squares, under the root.",
            _normed(lambda x, eps: np.sqrt(_mean_square(x))),
        ),
        Mistake(
            "gamma-forgotten",
            "The output is xhat itself: it is still to be multiplied by gamma.",
            _normed(scale=lambda xhat, gamma: xhat),
        ),
        Mistake(
            "multiplied-by-rms",
            _SIZE + "x was multiplied by the root of the mean of squares; it is divided by it.",
            _normed(xhat=lambda x, rms: x * rms),
        ),
    ),
    {"out": "out = gamma * x / sqrt(mean(x**2) + eps), the mean over axis 1, with keepdims=True"},
    'chapter 3, section "Layer normalization"',
)  # fmt: skip


def _gradients(
    dx: Callable[..., Any] | None = None, dgamma: Callable[..., Any] | None = None
) -> Function:
    """Return a twin with another dx, made of dout, xhat, gamma and rms, or dgamma."""

    def twin(dout: Array, cache: Any) -> Results:
        right = rmsnorm_backward(dout, cache)
        return (
            right[0] if dx is None else dx(dout, *cache),
            right[1] if dgamma is None else dgamma(dout, *cache),
        )

    return twin


def _mean(values: Array, axis: int | None = 1) -> Any:
    return np.mean(values, axis=axis, keepdims=True)


def _as_layer_norm(g: Array, xhat: Array, gamma: Array, rms: Array) -> Any:
    dxhat = g * gamma
    return (dxhat - _mean(dxhat) - xhat * _mean(dxhat * xhat)) / rms


RMSNORM_BACKWARD = backward(
    RMSNORM_FORWARD,
    "rmsnorm_backward",
    ("dx", "dgamma"),
    rmsnorm_backward,
    (
        Mistake(
            "path-forgotten",
            "The way through the mean of squares is missing: every x changes it, and so every output of "
            "its example.",
            _gradients(lambda g, xhat, gamma, rms: g * gamma / rms),
        ),
        Mistake(
            "mean-path-kept",
            "This is layer normalization's dx: there is no mean here, so nothing is projected away "
            "along the vector of ones.",
            _gradients(_as_layer_norm),
        ),
        Mistake(
            "mean-path-kept",
            "The projection along the vector of ones is here, which belongs to the mean; the one along "
            "xhat is missing.",
            _gradients(lambda g, xhat, gamma, rms: (g * gamma - _mean(g * gamma)) / rms),
        ),
        Mistake(
            "gamma-forgotten",
            "gamma is missing from dx: the gradient of xhat is dout * gamma.",
            _gradients(lambda g, xhat, gamma, rms: (g - xhat * _mean(g * xhat)) / rms),
        ),
        Mistake(
            "gamma-after-mean",
            "gamma was multiplied in at the end: it differs along the axis of the mean, so dout has to "
            "be multiplied by it before the mean is taken.",
            _gradients(
                lambda g, xhat, gamma, rms: gamma * (g - xhat * _mean(g * xhat)) / rms
            ),
        ),
        *(
            Mistake(
                "wrong-axis",
                "The mean in dx is that of each example, over its features (axis 1), like the mean of "
                "squares.",
                _gradients(
                    lambda g, xhat, gamma, rms, axis=axis: (
                        (g * gamma - xhat * _mean(g * gamma * xhat, axis)) / rms
                    )
                ),
            )
            for axis in (0, None)
        ),
        Mistake(
            "sum-for-mean",
            "The sum in dx is not divided by the number of features: the way goes through a mean.",
            _gradients(
                lambda g, xhat, gamma, rms: (
                    (g * gamma - xhat.shape[1] * xhat * _mean(g * gamma * xhat)) / rms
                )
            ),
        ),
        Mistake(
            "path-sign",
            "The way through the mean of squares has the wrong sign: it is subtracted.",
            _gradients(
                lambda g, xhat, gamma, rms: (
                    (g * gamma + xhat * _mean(g * gamma * xhat)) / rms
                )
            ),
        ),
        Mistake(
            "x-for-xhat",
            "x stands where xhat belongs in the way through the mean of squares: its two factors are "
            "both divided by the root.",
            _gradients(
                lambda g, xhat, gamma, rms: (
                    (g * gamma - rms**2 * xhat * _mean(g * gamma * xhat)) / rms
                )
            ),
        ),
        Mistake(
            "not-divided-by-rms",
            "The division by the root of the mean of squares is missing from dx.",
            _gradients(
                lambda g, xhat, gamma, rms: g * gamma - xhat * _mean(g * gamma * xhat)
            ),
        ),
        Mistake(
            "x-for-xhat",
            "dgamma was computed with x; gamma multiplies xhat.",
            _gradients(
                dgamma=lambda g, xhat, gamma, rms: (g * xhat * rms).sum(axis=0)
            ),
        ),
        Mistake(
            "xhat-forgotten",
            "dgamma is the sum of dout alone: what gamma multiplies in the forward pass is missing.",
            _gradients(dgamma=lambda g, xhat, gamma, rms: g.sum(axis=0)),
        ),
        Mistake(
            "averaged",
            "dgamma is a sum over the examples; a mean divides by N, which is the loss's affair.",
            _gradients(dgamma=lambda g, xhat, gamma, rms: (g * xhat).mean(axis=0)),
        ),
        Mistake(
            "wrong-axis",
            "dgamma was summed over the features (axis 1); gamma serves all examples, so it is those "
            "that are summed over (axis 0).",
            _gradients(dgamma=lambda g, xhat, gamma, rms: (g * xhat).sum(axis=1)),
        ),
        Mistake(
            "gamma-in-sum",
            "gamma is in the sum of its own gradient: dgamma comes from dout, not from dout * gamma.",
            _gradients(
                dgamma=lambda g, xhat, gamma, rms: (g * gamma * xhat).sum(axis=0)
            ),
        ),
    ),
    {
        "dx": "dxhat = dout * gamma\n"
        "dx = (dxhat - xhat * mean(dxhat * xhat)) / sqrt(mean(x**2) + eps), means over axis 1",
        "dgamma": "dgamma = sum over axis 0 of dout * xhat",
    },
    'chapter 3, section "Layer normalization"',
)  # fmt: skip

ALL = (FOLD, RMSNORM_FORWARD, RMSNORM_BACKWARD)
