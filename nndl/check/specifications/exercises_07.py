"""The exercises of chapter 7."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._compare import as_array
from .._specification import (
    EDGE_CASES,
    Case,
    Forward,
    Function,
    Mistake,
    Outputs,
    Plain,
    backward,
    numbers,
)
from .batchnorm import NORMALIZATIONS, SCALINGS, normalized, scaled

Array = np.ndarray
Shape = tuple[int, ...]

# ---- each pixel, normalized over its channels ----------------------------------------

_EPS = 1e-5


def _normed_case(
    name: str, shape: Shape, stage: str = "values", size: float = 0.3
) -> Case:
    N, C, H, W = shape
    arguments = (
        size * numbers(*shape), 1 + numbers(C, seed=2) / 2, numbers(C, seed=3),
    )  # fmt: skip
    return Case(name, arguments, stage, {"N": N, "C": C, "H * W": H * W})


def _constant(case: Case) -> Case:
    """Return the case with the same number in all channels of the first pixel."""
    case.arguments[0][0, :, 0, 0] = 2.0
    return case


_NORMED = (
    _normed_case("2 images of 3 channels, 2x3 pixels", (2, 3, 2, 3)),
    _normed_case("3 images of 5 channels, 4x2 pixels", (3, 5, 4, 2)),
    _normed_case("images of small numbers, 4 channels of 3x2 pixels", (2, 4, 3, 2), size=2e-4),
    _normed_case("a single image", (1, 4, 2, 3), EDGE_CASES),
    _normed_case("images of one pixel", (3, 4, 1, 1), EDGE_CASES),
    _constant(_normed_case("a pixel with the same number in all channels", (2, 4, 2, 3), EDGE_CASES)),
)  # fmt: skip


def _per_channel(parameter: Array) -> Array:
    return parameter.reshape(1, -1, 1, 1)


def _normalizing(
    axes: tuple[int, ...] = (1,),
    normalize: Callable[..., Any] = normalized,
    scale: Callable[..., Any] = scaled,
    unbiased: bool = False,
) -> Any:
    """Return the forward pass with other statistics, another formula or another scale."""

    def twin(x: Array, gamma: Array, beta: Array) -> Any:
        mean = x.mean(axis=axes, keepdims=True)
        var = x.var(axis=axes, keepdims=True, ddof=int(unbiased))
        xhat = normalize(x, mean, var, _EPS)
        out = scale(xhat, _per_channel(gamma), _per_channel(beta))
        return out, (xhat, np.sqrt(var + _EPS), gamma)

    return twin


def _along_the_width(x: Array, gamma: Array, beta: Array) -> Any:
    one, zero = np.ones_like(gamma), np.zeros_like(beta)
    xhat, cache = _normalizing()(x, one, zero)
    return gamma * xhat + beta, cache


_IN_ONE_FUNCTION = 'chapter 7, section "In one function"'

CHANNEL_NORM = Forward(
    "channel_norm_forward",
    ("x", "gamma", "beta"),
    ("out", "cache"),
    _normalizing(),
    _NORMED,
    (
        Mistake(
            "over-batch",
            "The statistics were taken at each pixel over the images: that is the mistake at the "
            "chapter's beginning, and moving one picture changes more than the place of its output.",
            _normalizing((0,)),
        ),
        Mistake(
            "over-batch",
            "This is batch norm, one mean for each channel: the mean over the channels of a pixel must "
            "be 0, and the variance 1.",
            _normalizing((0, 2, 3)),
        ),
        Mistake(
            "over-pixels",
            "This is instance norm, one mean for each map: here each pixel has a mean of its own, over "
            "its channels, axis 1.",
            _normalizing((2, 3)),
        ),
        Mistake(
            "over-pixels",
            "This is layer norm, one mean for each picture: here each pixel has a mean of its own, over "
            "its channels, axis 1.",
            _normalizing((1, 2, 3)),
        ),
        Mistake(
            "not-per-channel",
            "gamma or beta is not applied per channel: an array of shape (C,) lines up with the width; "
            "reshape it to (1, C, 1, 1).",
            _along_the_width,
        ),
        *(
            Mistake(cause, why, _normalizing(normalize=normalize))
            for cause, why, normalize in NORMALIZATIONS
            if cause != "eps-not-read"
        ),
        *(
            Mistake(cause, why, _normalizing(scale=scale))
            for cause, why, scale in SCALINGS
        ),
        Mistake(
            "unbiased-variance",
            "The variance was divided by C - 1 (ddof=1); it is divided by C.",
            _normalizing(unbiased=True),
        ),
    ),
    {
        "out": "mean and var over axis 1, with keepdims=True\n"
        "out = gamma * (x - mean) / sqrt(var + 1e-5) + beta, gamma and beta of shape (1, C, 1, 1)"
    },
    _IN_ONE_FUNCTION,
)  # fmt: skip


def _normalizing_back(
    axes: tuple[int, ...] = (1,),
    *,
    of_mean: bool = True,
    of_spread: bool = True,
    with_gamma: bool = True,
    average: Callable[..., Any] = np.mean,
    power: int = 1,
    dgamma_of: Callable[[Array, Array], Any] = lambda dout, xhat: dout * xhat,
) -> Any:
    """Return the backward pass with terms left out, or with other means."""

    def twin(dout: Array, cache: Any) -> Any:
        xhat, std, gamma = cache
        dxhat = dout * _per_channel(gamma) if with_gamma else dout
        dx = dxhat.copy()
        if of_mean:
            dx -= average(dxhat, axis=axes, keepdims=True)
        if of_spread:
            dx -= xhat * average(dxhat * xhat, axis=axes, keepdims=True)
        dgamma = dgamma_of(dout, xhat).sum(axis=(0, 2, 3))
        return dx / std**power, dgamma, dout.sum(axis=(0, 2, 3))

    return twin


_DX = (
    "dxhat = dout * gamma, per channel\n"
    "dx = (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)) / sqrt(var + 1e-5), means over axis 1"
)

CHANNEL_NORM_BACK = backward(
    CHANNEL_NORM,
    "channel_norm_backward",
    ("dx", "dgamma", "dbeta"),
    _normalizing_back(),
    (
        Mistake(
            "only-direct-path",
            "Only the direct way from x to xhat was followed: x also changes the mean and the standard "
            "deviation.",
            _normalizing_back(of_mean=False, of_spread=False),
        ),
        Mistake(
            "no-mean-path",
            "The way through the mean is missing: subtract the mean of dxhat over the channels.",
            _normalizing_back(of_mean=False),
        ),
        Mistake(
            "no-variance-path",
            "The way through the variance is missing: subtract xhat times the mean of dxhat * xhat over "
            "the channels.",
            _normalizing_back(of_spread=False),
        ),
        Mistake(
            "over-batch",
            "The means in dx were taken over the images and pixels, as in batch norm; the backward pass "
            "has its means over the same axis as the forward pass, axis 1.",
            _normalizing_back((0, 2, 3)),
        ),
        Mistake(
            "sums-not-means",
            "The two terms that are subtracted in dx are sums over the channels; they are means: divide "
            "them by C.",
            _normalizing_back(average=np.sum),
        ),
        Mistake(
            "no-gamma",
            "gamma was left out of dx: the gradient of xhat is dout * gamma, per channel.",
            _normalizing_back(with_gamma=False),
        ),
        Mistake(
            "divided-by-variance",
            "dx was divided by var + eps; it is divided by its root.",
            _normalizing_back(power=2),
        ),
        Mistake(
            "no-xhat",
            "dgamma is the sum of dout alone, which is dbeta: gamma multiplies xhat, so dout is "
            "multiplied by xhat before it is summed.",
            _normalizing_back(dgamma_of=lambda dout, xhat: dout),
        ),
    ),
    {
        "dx": _DX,
        "dgamma": "dgamma = sum(dout * xhat) over the axes (0, 2, 3)",
        "dbeta": "dbeta = sum(dout) over the axes (0, 2, 3)",
    },
    _IN_ONE_FUNCTION,
)  # fmt: skip

# ---- statistics of many workers ------------------------------------------------------


def _workers(
    name: str, counts: list[int], C: int, stage: str = "values", seed: int = 0
) -> Case:
    K = len(counts)
    means, spreads = numbers(K, C, seed=seed), numbers(K, C, seed=seed + 1)
    sizes = {"K": float(K), "the number of all numbers": float(sum(counts))}
    return Case(name, (np.array(counts), means, spreads**2), stage, sizes)


@dataclass(frozen=True)
class Statistics(Plain):
    """Two arrays of floats of any precision: whole numbers times float32 give float64 in
    NumPy, and whoever keeps to float32 is right as well."""

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        found = super().observe(function, forward, case)
        arrays = {name: as_array(value) for name, value in found.items()}
        return {
            name: found[name] if array is None else array.astype(np.float64)
            for name, array in arrays.items()
        }


def combine_statistics(counts: Array, means: Array, variances: Array) -> Any:
    """Return the mean and the variance of all workers' numbers together."""
    share = (counts / counts.sum())[:, None]
    mean = (share * means).sum(axis=0)
    return mean, (share * (variances + (means - mean) ** 2)).sum(axis=0)


def _combining(
    of_mean: Callable[[Array, Array], Any] = lambda share, means: (share * means).sum(
        axis=0
    ),
    inside: Callable[[Array, Array], Any] = lambda share, variances: (
        share * variances
    ).sum(axis=0),
    between: Callable[[Array, Array], Any] = lambda share, off: (share * off**2).sum(
        axis=0
    ),
) -> Any:
    """Return the function with another mean, or another part of the variance."""

    def twin(counts: Array, means: Array, variances: Array) -> Any:
        share = (counts / counts.sum())[:, None]
        mean = of_mean(share, means)
        return mean, inside(share, variances) + between(share, means - mean)

    return twin


def _unbiased(counts: Array, means: Array, variances: Array) -> Any:
    mean, variance = combine_statistics(counts, means, variances)
    return mean, variance * counts.sum() / (counts.sum() - 1)


def _mean_not_squared_away(counts: Array, means: Array, variances: Array) -> Any:
    mean, variance = combine_statistics(counts, means, variances)
    return mean, variance + mean**2


COMBINE_STATISTICS = Statistics(
    "combine_statistics",
    ("counts", "means", "variances"),
    ("mean", "variance"),
    combine_statistics,
    (
        _workers("3 workers with 1, 2 and 5 numbers, 2 channels", [1, 2, 5], 2),
        _workers("2 workers with 40 and 10 numbers, 3 channels", [40, 10], 3, seed=2),
        _workers("4 workers with equally many numbers", [6, 6, 6, 6], 3, EDGE_CASES),
        _workers("one worker", [7], 3, EDGE_CASES),
    ),
    (
        Mistake(
            "not-weighted",
            "All workers were given the same weight, whatever they hold: weight the means by their "
            "counts.",
            _combining(
                lambda share, means: means.mean(axis=0),
                lambda share, variances: variances.mean(axis=0),
                lambda share, off: (off**2).mean(axis=0),
            ),
        ),
        Mistake(
            "not-weighted",
            "Weight the means by their counts: a worker with more numbers counts for more.",
            _combining(lambda share, means: means.mean(axis=0)),
        ),
        Mistake(
            "no-spread-between",
            "This is the mean of the variances. The workers' means differ: their spread belongs to the "
            "variance too.",
            _combining(between=lambda share, off: 0.0),
        ),
        Mistake(
            "not-weighted",
            "Neither the means nor the variances were weighted by the counts; the spread between the "
            "workers is missing as well.",
            _combining(
                lambda share, means: means.mean(axis=0),
                lambda share, variances: variances.mean(axis=0),
                lambda share, off: 0.0,
            ),
        ),
        Mistake(
            "not-weighted",
            "The spread between the workers' means was not weighted by the counts.",
            _combining(between=lambda share, off: (off**2).mean(axis=0)),
        ),
        Mistake(
            "not-weighted",
            "The variances were not weighted by the counts.",
            _combining(inside=lambda share, variances: variances.mean(axis=0)),
        ),
        Mistake(
            "no-variance-inside",
            "This is the spread of the workers' means alone: what varies within each worker belongs to "
            "the variance too.",
            _combining(inside=lambda share, variances: 0.0),
        ),
        Mistake(
            "mean-not-subtracted",
            "The square of the common mean is still in the variance: subtract it from "
            "the mean of the squares.",
            _mean_not_squared_away,
        ),
        Mistake(
            "unbiased-variance",
            "The variance was divided by the number of all numbers less 1; the workers' variances are "
            "biased, and so is the common one.",
            _unbiased,
        ),
    ),
    {
        "mean": "mean = sum(counts[:, None] * means, axis=0) / sum(counts)",
        "variance": "variance = sum(counts[:, None] * (variances + (means - mean)**2), axis=0) / "
        "sum(counts)",
    },
    'chapter 7, section "Few pictures, noisy statistics"',
)  # fmt: skip

# ---- batch norm before a convolution -------------------------------------------------


def _fold_case(name: str, F: int, C: int, HH: int, WW: int, **other: Any) -> Case:
    arguments = (
        numbers(F, C, HH, WW) / 10, numbers(F, seed=1), 1 + numbers(C, seed=2) / 2,
        numbers(C, seed=3), 0.3 + numbers(C, seed=4), 0.05 + numbers(C, seed=5) ** 2, 0.3,
    )  # fmt: skip
    return Case(name, arguments, **other)


def _folding(
    scale: Callable[..., Any] = lambda gamma, var, eps: gamma / np.sqrt(var + eps),
    shift: Callable[..., Any] = lambda s, beta, mean: beta - s * mean,
    bias: Callable[..., Any] = lambda w, b, s, t: (
        b + (w * _per_channel(t)).sum(axis=(1, 2, 3))
    ),
    weights: Callable[..., Any] = lambda w, s: w * _per_channel(s),
) -> Any:
    """Return the function with another scale, shift, bias or other weights."""

    def twin(
        w: Array, b: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float
    ) -> Any:  # fmt: skip
        s = scale(gamma, var, eps)
        return weights(w, s), bias(w, b, s, shift(s, beta, mean))

    return twin


def _fold_after(
    w: Array, b: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float
) -> Any:
    s = gamma / np.sqrt(var + eps)
    return w * s.reshape(-1, 1, 1, 1), beta + s * (b - mean)


FOLD_BEFORE = Plain(
    "fold_before",
    ("w", "b", "gamma", "beta", "mean", "var", "eps"),
    ("w", "b"),
    _folding(),
    (
        _fold_case("2 filters on 2 channels, 2x3 pixels", 2, 2, 2, 3),
        _fold_case("4 filters on 3 channels, 3x3 pixels", 4, 3, 3, 3),
        _fold_case("filters of one pixel", 3, 2, 1, 1, stage=EDGE_CASES),
        _fold_case("one filter on one channel", 1, 1, 3, 2, stage=EDGE_CASES),
    ),
    (
        Mistake(
            "fold-after",
            "This folds a batch norm that stands behind the convolution, as in the chapter; here it "
            "stands before it, and its channels are the convolution's inputs.",
            _fold_after,
        ),
        Mistake(
            "scale-of-filters",
            "w is wrong: the scale belongs to the input channels, axis 1, and not to the filters, "
            "axis 0.",
            _folding(weights=lambda w, s: w * s.reshape(-1, 1, 1, 1)),
        ),
        Mistake(
            "w-not-scaled",
            "w came back as it was: each input channel's weights are multiplied by its gamma / sqrt(var "
            "+ eps).",
            _folding(weights=lambda w, s: w.copy()),
        ),
        Mistake(
            "b-unchanged",
            "b came back as it was: the shift of each channel passes through the filter, so sum the "
            "shift over the whole filter.",
            _folding(bias=lambda w, b, s, t: b.copy()),
        ),
        Mistake(
            "shift-not-filtered",
            "The shift was added to b without the filter: multiply it by w, and sum the shift over the "
            "whole filter.",
            _folding(bias=lambda w, b, s, t: b + t),
        ),
        Mistake(
            "shift-not-filtered",
            "The shifts of all channels were added to b without their weights: multiply them by w, and "
            "sum the shift over the whole filter.",
            _folding(bias=lambda w, b, s, t: b + t.sum()),
        ),
        Mistake(
            "part-of-filter",
            "The shift was multiplied by the pixel in the middle of each filter alone: sum the "
            "shift over the whole filter, its height and width too.",
            _folding(bias=lambda w, b, s, t: b + w[:, :, w.shape[2] // 2, w.shape[3] // 2] @ t),
        ),
        Mistake(
            "scaled-twice",
            "The shift was multiplied by the weights that are scaled already: it is multiplied by the "
            "old w.",
            _folding(bias=lambda w, b, s, t: b + (w * _per_channel(s * t)).sum(axis=(1, 2, 3))),
        ),
        Mistake(
            "mean-forgotten",
            "The running mean was left out of the shift, which is beta - gamma * mean / "
            "sqrt(var + eps).",
            _folding(shift=lambda s, beta, mean: beta),
        ),
        Mistake(
            "mean-not-scaled",
            "The running mean was subtracted from beta as it is: it is scaled too, as the inputs are.",
            _folding(shift=lambda s, beta, mean: beta - mean),
        ),
        Mistake(
            "beta-forgotten",
            "beta was left out of the shift, which is beta - gamma * mean / sqrt(var + eps).",
            _folding(shift=lambda s, beta, mean: -s * mean),
        ),
        Mistake(
            "b-lost",
            "The convolution's own bias got lost: the shifts are added to it.",
            _folding(bias=lambda w, b, s, t: (w * _per_channel(t)).sum(axis=(1, 2, 3))),
        ),
        Mistake(
            "eps-forgotten",
            "eps was left out: it is added to the variance, under the root.",
            _folding(lambda gamma, var, eps: gamma / np.sqrt(var)),
        ),
        Mistake(
            "eps-outside-root",
            "eps was added to the standard deviation; it belongs under the root, to the variance.",
            _folding(lambda gamma, var, eps: gamma / (np.sqrt(var) + eps)),
        ),
        Mistake(
            "divided-by-variance",
            "gamma was divided by the variance, not by its root, the standard deviation.",
            _folding(lambda gamma, var, eps: gamma / (var + eps)),
        ),
        Mistake(
            "no-gamma",
            "gamma was left out: batch norm scales by gamma / sqrt(var + eps).",
            _folding(lambda gamma, var, eps: 1 / np.sqrt(var + eps)),
        ),
    ),
    {
        "w": "w * s, with s = gamma / sqrt(var + eps) along axis 1",
        "b": "b + sum(w * t, axis=(1, 2, 3)), with t = beta - s * mean along axis 1",
    },
    'chapter 7, section "Folding batch norm away"',
)  # fmt: skip

ALL = (CHANNEL_NORM, CHANNEL_NORM_BACK, COMBINE_STATISTICS, FOLD_BEFORE)
