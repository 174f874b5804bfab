"""Spatial batch normalization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import conv_layers, layers
from .._specification import (
    EDGE_CASES,
    TEST_MODE,
    Case,
    Forward,
    Mistake,
    backward,
    numbers,
)

Array = np.ndarray
Param = dict[str, Any]
Shape = tuple[int, ...]


def _case(name: str, shape: Shape, stage: str = "values", **settings: Any) -> Case:
    N, C, H, W = shape
    x, gamma = numbers(*shape) / 10, 1 + numbers(C, seed=2) / 2
    bn_param = {"mode": "train", "eps": 0.3} | settings
    sizes = {"N": N, "C": C, "H * W": H * W}
    return Case(name, (x, gamma, numbers(C, seed=3), bn_param), stage, sizes)


def _running(C: int) -> Param:
    return {
        "running_mean": numbers(C, seed=4),
        "running_var": 1 + numbers(C, seed=5) ** 2,
    }


def _constant(case: Case) -> Case:
    """Return the case with the same number everywhere in its first channel."""
    case.arguments[0][:, 0] = 2.0
    return case


CASES = (
    _case("2 images of 3 channels, 4x5 pixels", (2, 3, 4, 5), **_running(3)),
    _case(
        "3 images of 4 channels, 2x5 pixels", (3, 4, 2, 5), momentum=0.6, **_running(4)
    ),
    _case("the first call, without running averages", (4, 2, 5, 3)),
    _case(
        "running averages, in test mode",
        (2, 3, 4, 5),
        TEST_MODE,
        mode="test",
        **_running(3),
    ),
    _case("a single image", (1, 3, 4, 2), EDGE_CASES, **_running(3)),
    _case(
        "as many channels as rows and columns", (2, 3, 3, 3), EDGE_CASES, **_running(3)
    ),
    _case("images of one pixel", (4, 3, 1, 1), EDGE_CASES, **_running(3)),
    _constant(_case("a channel that never changes", (2, 3, 4, 5), EDGE_CASES)),
)

# ---- images and rows -----------------------------------------------------------------

Rows = Callable[[Array], Array]
Images = Callable[[Array, Shape], Array]


def _rows(images: Array) -> Array:
    """Return one row of channels for each pixel."""
    return images.transpose(0, 2, 3, 1).reshape(-1, images.shape[1])


def _images(rows: Array, shape: Shape) -> Array:
    N, C, H, W = shape
    return rows.reshape(N, H, W, C).transpose(0, 3, 1, 2)


def _torn(images: Array) -> Array:
    """Return rows of C numbers as they follow one another in memory."""
    return images.reshape(-1, images.shape[1])


def _as_they_follow(rows: Array, shape: Shape) -> Array:
    return rows.reshape(shape)


def _channels_first(images: Array) -> Array:
    """Return rows of C numbers, torn from images with their channels in front."""
    return images.swapaxes(0, 1).reshape(-1, images.shape[1])


def _from_channels_first(rows: Array, shape: Shape) -> Array:
    N, C, H, W = shape
    return rows.reshape(C, N, H, W).swapaxes(0, 1)


def _in_columns(images: Array) -> Array:
    """Return C columns, cut from memory without regard for the images."""
    return images.reshape(images.shape[1], -1).T


def _from_columns(rows: Array, shape: Shape) -> Array:
    return rows.T.reshape(shape)


# ---- forward -------------------------------------------------------------------------


def _arranged(rows: Rows, images: Images = _images) -> Callable[..., Any]:
    """Return batch normalization of rows that were made, or put back, in another way."""

    def twin(x: Array, gamma: Array, beta: Array, bn_param: Param) -> Any:
        out, cache = layers.batchnorm_forward(rows(x), gamma, beta, bn_param)
        return images(out, x.shape), cache

    return twin


def _root(var: Array, eps: float) -> Array:
    return np.asarray(np.sqrt(var + eps))


def _normalized(
    axes: tuple[int, ...] = (0, 2, 3),
    std: Callable[[Array, float], Array] = _root,
    *,
    unbiased: bool = False,
    swapped: bool = False,
    kept: bool = True,
    keepdims: bool = False,
    test: bool = True,
    learns_in_test: bool = False,
    scale: Callable[[Array], Array] = lambda gamma: gamma,
    shift: Callable[[Array], Array] = lambda beta: beta,
) -> Callable[..., Any]:
    """Return the function with one thing different: the axes of its statistics, the
    divisor, the variance, the running averages, what is done in test mode."""

    def twin(x: Array, gamma: Array, beta: Array, bn_param: Param) -> Any:
        eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        mean, var = (
            x.mean(axis=axes, keepdims=True),
            x.var(axis=axes, keepdims=True, ddof=int(unbiased)),
        )
        training = bn_param["mode"] == "train"
        old = [
            np.asarray(bn_param.get(key, np.zeros(x.shape[1], x.dtype)))
            for key in ("running_mean", "running_var")
        ]
        if kept and (training or learns_in_test):
            weight = 1 - momentum if swapped else momentum
            for key, before, now in zip(
                ("running_mean", "running_var"), old, (mean, var), strict=True
            ):
                flat = now if keepdims else now.squeeze(axis=axes)
                bn_param[key] = weight * before + (1 - weight) * flat
        if not training and test:
            mean, var = (before[:, None, None] for before in old)
        xhat = (x - mean) / std(var, eps)
        return scale(gamma)[:, None, None] * xhat + shift(beta)[:, None, None], None

    return twin


def _one_for_all(x: Array, gamma: Array, beta: Array, bn_param: Param) -> Any:
    """Normalize with the mean and variance of all channels together."""
    axes = (0, 1, 2, 3)
    C = x.shape[1]
    out, cache = _normalized(axes)(x, gamma, beta, bn_param)
    for key in ("running_mean", "running_var"):
        if key in bn_param:
            bn_param[key] = np.broadcast_to(bn_param[key], C)
    return out, cache


_TORN = (
    "`x` was reshaped to C columns without a transpose: reshape only cuts memory into rows, so "
    "pixels of different channels land in one column. Bring the channels to the last axis first."
)
_NOT_BACK = (
    "The rows were reshaped to images without the way back: reshape to (N, H, W, C) first, then "
    "bring the channels to axis 1."
)

FORWARD = Forward(
    "spatial_batchnorm_forward",
    ("x", "gamma", "beta", "bn_param"),
    ("out", "cache"),
    conv_layers.spatial_batchnorm_forward,
    CASES,
    (
        Mistake("reshape-without-transpose", _TORN, _arranged(_torn, _as_they_follow)),
        Mistake("not-transposed-back", _NOT_BACK, _arranged(_rows, _as_they_follow)),
        Mistake("reshape-without-transpose", _TORN, _arranged(_torn)),
        Mistake(
            "reshape-without-transpose",
            "With the channels in front, reshape to (C, -1) and transpose that: reshaped to (-1, "
            "C), the columns are no channels.",
            _arranged(_channels_first, _from_channels_first),
        ),
        Mistake(
            "reshape-without-transpose",
            "`x` was reshaped to (C, -1) as it is, which mixes the channels of the images: bring "
            "the channels to the front first.",
            _arranged(_in_columns, _from_columns),
        ),
        Mistake(
            "statistics-per-image",
            "Every image is normalized by itself: the mean and the variance of a channel are over "
            "all images as well, the axes (0, 2, 3).",
            _normalized((2, 3)),
        ),
        Mistake(
            "statistics-per-image",
            "Every image is normalized by itself, and over all its channels: that is layer "
            "normalization. A channel's statistics are over the axes (0, 2, 3).",
            _normalized((1, 2, 3)),
        ),
        Mistake(
            "statistics-per-pixel",
            "Every pixel has a mean and a variance of its own: those of a channel are over its pixels "
            "as well, the axes (0, 2, 3).",
            _normalized((0,), kept=False),
        ),
        Mistake(
            "one-mean-for-all",
            "All channels share one mean and one variance: each has its own, over the axes (0, 2, 3).",
            _one_for_all,
        ),
        Mistake(
            "eps-outside-root",
            "eps was added to the standard deviation; it belongs under the root, to the variance.",
            _normalized(std=lambda var, eps: np.sqrt(var) + eps),
        ),
        Mistake(
            "no-eps",
            "eps is left out, or is not the one in bn_param.",
            _normalized(std=lambda var, eps: np.sqrt(var + 1e-5)),
        ),
        Mistake(
            "divided-by-variance",
            "x was divided by the variance, not by its root, the standard deviation.",
            _normalized(std=lambda var, eps: var + eps),
        ),
        Mistake(
            "unbiased-variance",
            "The variance is divided by one less than the number of pixels: here it is the plain "
            "mean of the squares.",
            _normalized(unbiased=True),
        ),
        Mistake(
            "momentum-exchanged",
            "momentum and 1 - momentum are exchanged: momentum is the share of the old running average.",
            _normalized(swapped=True),
        ),
        Mistake(
            "running-not-stored",
            "The running averages never reach bn_param: store them there, or pass bn_param itself on.",
            _normalized(kept=False),
        ),
        Mistake(
            "running-shape",
            "The mean was kept in its shape (1, C, 1, 1) for the running average, which has shape (C,).",
            _normalized(keepdims=True),
        ),
        Mistake(
            "batch-statistics-in-test",
            "In test mode it still normalizes with the minibatch: use the running averages.",
            _normalized(test=False),
        ),
        Mistake(
            "running-updated-in-test",
            "The running averages change in test mode: only training may move them.",
            _normalized(learns_in_test=True),
        ),
        Mistake("no-gamma", "`gamma` is never used.", _normalized(scale=np.ones_like)),
        Mistake("no-beta", "`beta` is never added.", _normalized(shift=np.zeros_like)),
    ),
    {
        "out": "out = gamma * (x - mean) / sqrt(var + eps) + beta, for each channel\n"
        "mean and var over the axes (0, 2, 3)",
        "running_mean": "running_mean = momentum * running_mean + (1 - momentum) * mean",
        "running_var": "running_var = momentum * running_var + (1 - momentum) * var",
    },
    'chapter 7, section "Derivation"',
    stores=("running_mean", "running_var"),
)

# ---- backward ------------------------------------------------------------------------


def _rearranged(
    rows: Rows, images: Images = _images, xhat_rows: Rows = _rows
) -> Callable[..., Any]:
    """Return the backward pass of rows that were made, or put back, in another way."""

    def twin(dout: Array, cache: Any) -> Any:
        xhat, gamma, std, mode = cache
        dx, dgamma, dbeta = layers.batchnorm_backward_alt(
            rows(dout), (xhat_rows(xhat), gamma, std, mode)
        )
        return images(dx, dout.shape), dgamma, dbeta

    return twin


def _formula(
    axes: tuple[int, ...] = (0, 2, 3),
    *,
    count: Callable[[int, int, int, int], int] | None = None,
    mean: float = 1,
    variance: float = 1,
    by_xhat: bool = True,
    scale: Callable[[Array], Array] = lambda gamma: gamma,
    inverse: Callable[[Array], Array] = lambda std: 1 / std,
    outside: bool = False,
) -> Callable[..., Any]:
    """Return the backward pass whose dx has other means, `count` numbers in them, or
    only some of its terms."""

    def twin(dout: Array, cache: Any) -> Any:
        xhat, gamma, std, mode = cache
        share = [dout, dout * xhat]
        sums = [one.sum(axis=axes, keepdims=True) for one in share]
        m = count(*dout.shape) if count else dout.size // sums[0].size
        factor = (scale(gamma) * inverse(std))[:, None, None]
        slope = variance * (xhat if by_xhat else 1)
        dx = factor * (dout - mean * sums[0] / m - slope * sums[1] / m)
        return dx, None, None

    return twin


def _parameters(
    dgamma: Callable[[Array, Array, Array, Array], Array] | None,
    dbeta: Callable[[Array, Array, Array, Array], Array] | None = None,
) -> Callable[..., Any]:
    """Return a backward pass of which only dgamma or dbeta is of interest, as functions
    of dout, xhat, and gamma and std in the shape (C, 1, 1)."""

    def twin(dout: Array, cache: Any) -> Any:
        xhat, gamma, std, _ = cache
        arguments = dout, xhat, gamma[:, None, None], std[:, None, None]
        return None, dgamma and dgamma(*arguments), dbeta and dbeta(*arguments)

    return twin


def _keeping_x(x: Array, gamma: Array, beta: Array, bn_param: Param) -> Any:
    """Return a forward pass with nothing but x in its cache."""
    out, _ = conv_layers.spatial_batchnorm_forward(x, gamma, beta, bn_param)
    return out, (x,)


_DOUT_TORN = (
    "`dout` was reshaped to C columns without a transpose: it must go to rows just as `x` does in the "
    "forward pass."
)
_GROUP = "The sums over a channel must be divided by the number of its values, N * H * W, not by {}."
_PIXELS = (0, 2, 3)
_AXES = "`{}` is summed over the wrong axes: each channel's is a sum over the axes (0, 2, 3)."

BACKWARD = backward(
    FORWARD,
    "spatial_batchnorm_backward",
    ("dx", "dgamma", "dbeta"),
    conv_layers.spatial_batchnorm_backward,
    (
        Mistake(
            "reshape-without-transpose", _DOUT_TORN, _rearranged(_torn, _as_they_follow)
        ),
        Mistake("reshape-without-transpose", _DOUT_TORN, _rearranged(_torn)),
        Mistake(
            "reshape-without-transpose",
            _DOUT_TORN,
            _rearranged(_torn, _as_they_follow, _torn),
        ),
        Mistake(
            "reshape-without-transpose",
            "`dout` was reshaped to (C, -1) as it is, which mixes the channels of the images: bring the "
            "channels to the front first.",
            _rearranged(_in_columns, _from_columns),
        ),
        Mistake(
            "not-transposed-back",
            "The rows of `dx` were reshaped to images without the way back: reshape to (N, H, W, "
            "C) first, then bring the channels to axis 1.",
            _rearranged(_rows, _as_they_follow),
        ),
        Mistake("group-size", _GROUP.format("N"), _formula(count=lambda N, C, H, W: N)),
        Mistake(
            "group-size",
            _GROUP.format("H * W"),
            _formula(count=lambda N, C, H, W: H * W),
        ),
        Mistake(
            "group-size",
            "The sums over a channel must be divided by the number of its values, N * H * W.",
            _formula(count=lambda N, C, H, W: 1),
        ),
        Mistake(
            "no-mean-path",
            "The path through the mean is missing: x also moves the mean, which moves every xhat of its "
            "channel.",
            _formula(mean=0),
        ),
        Mistake(
            "no-variance-path",
            "The path through the variance is missing: x also moves the variance, which moves "
            "every xhat of its channel.",
            _formula(variance=0),
        ),
        Mistake(
            "statistics-are-constants",
            "The mean and the variance are treated as constants: both depend on x, and add a term each.",
            _formula(mean=0, variance=0),
        ),
        Mistake(
            "statistics-per-image",
            "The means in `dx` are over each image by itself: they are over the axes (0, 2, 3).",
            _formula((2, 3)),
        ),
        Mistake(
            "statistics-per-pixel",
            "The means in `dx` are over the images only, for each pixel: they are over the axes "
            "(0, 2, 3).",
            _formula((0,)),
        ),
        Mistake(
            "no-gamma", "`gamma` is missing in `dx`.", _formula(scale=np.ones_like)
        ),
        Mistake(
            "no-std",
            "The division by the standard deviation is missing in `dx`.",
            _formula(inverse=np.ones_like),
        ),
        Mistake(
            "divided-by-variance",
            "`dx` is divided by the variance, not by its root, the standard deviation.",
            _formula(inverse=lambda std: std**-2),
        ),
        Mistake(
            "sign-of-a-term",
            "The term of the mean has the wrong sign in `dx`: both terms are subtracted.",
            _formula(mean=-1),
        ),
        Mistake(
            "sign-of-a-term",
            "The term of the variance has the wrong sign in `dx`: both terms are subtracted.",
            _formula(variance=-1),
        ),
        Mistake(
            "sign-of-a-term",
            "Both terms have the wrong sign in `dx`: they are subtracted.",
            _formula(mean=-1, variance=-1),
        ),
        Mistake(
            "term-without-xhat",
            "The variance's term in `dx` must be multiplied by xhat: a value far from the mean moves "
            "the variance more.",
            _formula(by_xhat=False),
        ),
        Mistake(
            "times-std",
            "`dx` is multiplied by the standard deviation: it must be divided by it.",
            _formula(inverse=lambda std: std),
        ),
        Mistake(
            "dgamma-without-xhat",
            "`dgamma` must be summed over dout * xhat: gamma multiplies xhat.",
            _parameters(lambda dout, xhat, gamma, std: dout.sum(axis=_PIXELS)),
        ),
        Mistake(
            "dgamma-not-normalized",
            "`dgamma` is summed over dout * (x - mean): gamma multiplies xhat, which is divided by the "
            "standard deviation.",
            _parameters(
                lambda dout, xhat, gamma, std: (dout * xhat * std).sum(axis=_PIXELS)
            ),
        ),
        Mistake(
            "dgamma-not-normalized",
            "`dgamma` is summed over dout * x: gamma multiplies xhat, the normalized x.",
            lambda dout, cache: (None, (dout * cache[0]).sum(axis=_PIXELS), None),
            _keeping_x,
        ),
        Mistake(
            "times-gamma",
            "`gamma` does not belong into `dgamma`: out is gamma * xhat + beta.",
            _parameters(
                lambda dout, xhat, gamma, std: (dout * xhat * gamma).sum(axis=_PIXELS)
            ),
        ),
        Mistake(
            "times-gamma",
            "`gamma` does not belong into `dbeta`: out is gamma * xhat + beta.",
            _parameters(
                None, lambda dout, xhat, gamma, std: (dout * gamma).sum(axis=_PIXELS)
            ),
        ),
        Mistake(
            "wrong-axis",
            _AXES.format("dgamma"),
            _parameters(
                lambda dout, xhat, gamma, std: (dout * xhat).sum(axis=(1, 2, 3))
            ),
        ),
        Mistake(
            "wrong-axis",
            _AXES.format("dbeta"),
            _parameters(None, lambda dout, xhat, gamma, std: dout.sum(axis=(1, 2, 3))),
        ),
    ),
    {
        "dx": "dx = gamma / sqrt(var + eps) * (dout - dbeta / m - xhat * dgamma / m)\n"
        "with m = N * H * W",
        "dgamma": "dgamma = sum of dout * xhat over the axes (0, 2, 3)",
        "dbeta": "dbeta = sum of dout over the axes (0, 2, 3)",
    },
    'chapter 7, section "Backward"',
    # Nothing is learned in test mode, so a backward pass need not know it.
    tuple(case for case in CASES if case.stage != TEST_MODE),
)

ALL = (FORWARD, BACKWARD)
