"""The exercises of chapter 5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ... import conv_layers
from .._specification import (
    EDGE_CASES,
    VALUES,
    Case,
    Forward,
    Mistake,
    Plain,
    backward,
    numbers,
)
from .pooling import CASES as MAX_POOL_CASES
from .pooling import TIES, _pooled, _scattered

Array = np.ndarray
Param = dict[str, Any]
Results = tuple[Any, ...]

# ---- average pooling -----------------------------------------------------------------

POOL_CASES = tuple(case for case in MAX_POOL_CASES if case.name != TIES)


def average_pool_forward(x: Array, pool_param: Param) -> Results:
    window = pool_param["pool_height"], pool_param["pool_width"]
    stride = pool_param["stride"]
    windows = sliding_window_view(x, window, axis=(2, 3))
    out = windows[:, :, ::stride, ::stride].mean(axis=(-1, -2))
    return out, (x, pool_param)


def _mean(windows: Array) -> Array:
    return np.asarray(windows.mean(axis=(-1, -2)))


def _divided(by: Callable[[Param], float]) -> Callable[..., Any]:
    """Return a pooling that divides the sums of its windows by `by(pool_param)`."""

    def twin(x: Array, pool_param: Param) -> Results:
        out, cache = average_pool_forward(x, pool_param)
        K = pool_param["pool_height"] * pool_param["pool_width"]
        return out * (K / by(pool_param)), cache

    return twin


_STRIDE = "The windows do not follow the stride: window i begins at pixel i * stride, not at pixel i."
_NEXT_TO = (
    "The windows lie next to one another, as if the stride were their size: the step from one to "
    "the next is pool_param['stride']."
)
_EXCHANGED = (
    "pool_height and pool_width are exchanged: the height goes with the rows, axis 2."
)
_SQUARE = (
    "pool_height is used for the width as well: a window may be wider than it is high."
)

AVERAGE_FORWARD = Forward(
    "average_pool_forward",
    ("x", "pool_param"),
    ("out", "cache"),
    average_pool_forward,
    POOL_CASES,
    (
        Mistake(
            "max-not-mean",
            "The largest number of each window is kept: average pooling keeps the mean.",
            _pooled(),
        ),
        Mistake(
            "sum-not-mean",
            "The numbers of a window are summed: divide by how many there are, "
            "pool_height * pool_width.",
            _divided(lambda param: 1),
        ),
        Mistake(
            "wrong-count",
            "The sum of a window is divided by pool_height squared: it has pool_height * pool_width "
            "numbers.",
            _divided(lambda param: param["pool_height"] ** 2),
        ),
        Mistake(
            "wrong-count",
            "The sum of a window is divided by the stride squared: it has pool_height * pool_width "
            "numbers, whatever the step.",
            _divided(lambda param: param["stride"] ** 2),
        ),
        Mistake("stride-ignored", _STRIDE, _pooled(_mean, step=("", ""), cut=True)),
        Mistake(
            "stride-ignored",
            "The output is as large as with stride 1: its height and width must be divided by the "
            "stride.",
            _pooled(_mean, step=("", "")),
        ),
        Mistake(
            "stride-is-window",
            _NEXT_TO,
            _pooled(_mean, step=("pool_height", "pool_width")),
        ),
        Mistake(
            "window-exchanged",
            _EXCHANGED,
            _pooled(_mean, size=("pool_width", "pool_height")),
        ),
        Mistake(
            "window-exchanged",
            _EXCHANGED,
            _pooled(_mean, size=("pool_width", "pool_height"), cut=True),
        ),
        Mistake(
            "square-assumed",
            _SQUARE,
            _pooled(_mean, size=("pool_height", "pool_height")),
        ),
        Mistake(
            "square-assumed",
            _SQUARE,
            _pooled(_mean, size=("pool_height", "pool_height"), cut=True),
        ),
        Mistake(
            "not-reduced",
            "The mean is taken along the rows of a window only: it is over both of its axes.",
            _pooled(lambda windows: windows.mean(axis=-1)),
        ),
        Mistake(
            "over-channels",
            "The mean is taken over all channels: each channel of each image has means of its own.",
            _pooled(
                lambda windows: np.broadcast_to(
                    _mean(windows).mean(axis=1, keepdims=True), windows.shape[:4]
                )
            ),
        ),
        Mistake(
            "last-window",
            "The last window of each row and column is left out: the first one takes no step, so there "
            "is one place more than steps.",
            _pooled(_mean, after=lambda out, x: out[:, :, :-1, :-1]),
        ),
    ),
    {
        "out": "out[n, c, i, j] = mean(x[n, c, rows, columns])\n"
        "rows = i*stride : i*stride+pool_height, columns = j*stride : j*stride+pool_width",
    },
    'chapter 5, section "Pooling"',
)


def _shared(
    share: Callable[[Param, tuple[int, ...]], float] = lambda param, places: (
        1 / (param["pool_height"] * param["pool_width"])
    ),
    *,
    size: tuple[str, str] = ("pool_height", "pool_width"),
    step: tuple[str, str] = ("stride", "stride"),
    overwrite: bool = False,
) -> Callable[..., Any]:
    """Return a backward pass that hands every pixel of a window the same share, which
    may depend on the settings and on the number of places; `step` is as in `_pooled`."""

    def twin(dout: Array, cache: Any) -> Array:
        x, pool_param = cache
        height, width = (pool_param[key] for key in size)
        down, right = (pool_param.get(key, 1) for key in step)
        dx = np.zeros_like(x)
        for i, j in np.ndindex(*dout.shape[2:]):
            rows = slice(i * down, i * down + height)
            columns = slice(j * right, j * right + width)
            given = dout[:, :, i, j, None, None] * share(pool_param, dout.shape)
            if overwrite:
                dx[:, :, rows, columns] = given
            else:
                dx[:, :, rows, columns] += given
        return dx

    return twin


AVERAGE_BACKWARD = backward(
    AVERAGE_FORWARD,
    "average_pool_backward",
    ("dx",),
    _shared(),
    (
        Mistake(
            "not-divided",
            "Every pixel of a window gets the whole gradient: each of its K numbers has the derivative "
            "1/K, so a window shares its gradient out.",
            _shared(lambda param, places: 1),
        ),
        Mistake(
            "not-accumulated",
            "A window overwrites what windows before it left there: where windows overlap, their shares "
            "add up (`+=`).",
            _shared(overwrite=True),
        ),
        Mistake(
            "to-the-maximum",
            "Only the largest pixel of each window gets the gradient, as in max pooling: the mean "
            "depends on every pixel, so each gets its share.",
            _scattered(),
        ),
        Mistake(
            "wrong-count",
            "The gradient is divided by pool_height squared: a window has pool_height * pool_width "
            "numbers.",
            _shared(lambda param, places: 1 / param["pool_height"] ** 2),
        ),
        Mistake(
            "wrong-count",
            "The gradient is divided by the stride squared: a window has pool_height * pool_width "
            "numbers, whatever the step.",
            _shared(lambda param, places: 1 / param["stride"] ** 2),
        ),
        Mistake(
            "wrong-count",
            "The gradient is divided by the number of windows: divide by the numbers in one window, "
            "pool_height * pool_width.",
            _shared(lambda param, shape: 1 / (shape[2] * shape[3])),
        ),
        Mistake(
            "stride-ignored",
            "The stride is ignored on the way back: the window of dout[n, c, i, j] begins at pixel "
            "(i * stride, j * stride).",
            _shared(step=("", "")),
        ),
        Mistake(
            "stride-is-window",
            "The windows lie next to one another on the way back, as if the stride were their size.",
            _shared(step=("pool_height", "pool_width")),
        ),
        Mistake(
            "window-exchanged", _EXCHANGED, _shared(size=("pool_width", "pool_height"))
        ),
    ),
    {"dx": "dx[n, c, rows, columns] += dout[n, c, i, j] / (pool_height * pool_width)"},
    'chapter 5, section "Pooling"',
)

# ---- 1x1 convolution -----------------------------------------------------------------


def _pixel_case(
    name: str, x: tuple[int, int, int, int], F: int, stage: str = VALUES
) -> Case:
    N, C, H, W = x
    arguments = numbers(*x), numbers(F, C, 1, 1, seed=2), numbers(F, seed=3)
    return Case(name, arguments, stage, {"N": N, "C": C, "F": F, "H * W": H * W})


PIXEL_CASES = (
    _pixel_case("2 images of 3 channels, 4 filters", (2, 3, 2, 2), 4),
    _pixel_case("3 images of 2 channels, 5 filters", (3, 2, 3, 4), 5),
    _pixel_case("images higher than wide", (2, 3, 4, 2), 2, EDGE_CASES),
    _pixel_case("as many filters as channels", (2, 3, 2, 3), 3, EDGE_CASES),
    _pixel_case("a single image, channel and filter", (1, 1, 3, 2), 1, EDGE_CASES),
)


def conv_1x1(x: Array, w: Array, b: Array) -> Array:
    out = np.einsum("nchw,fc->nfhw", x, w[:, :, 0, 0])
    return np.asarray(out + b[:, None, None])


def conv_1x1_backward(dout: Array, x: Array, w: Array) -> Results:
    dx = np.einsum("nfhw,fc->nchw", dout, w[:, :, 0, 0])
    dw = np.einsum("nfhw,nchw->fc", dout, x)
    return dx, dw[:, :, None, None], dout.sum(axis=(0, 2, 3))


def _rows(x: Array) -> Array:
    """Return every pixel as a row of channels."""
    return x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1])


def _cut_up(x: Array) -> Array:
    """Return what a reshape without a transposition takes for the pixels."""
    return x.reshape(-1, x.shape[1])


def _images(rows: Array, like: Array) -> Array:
    N, _, H, W = like.shape
    return rows.reshape(N, H, W, -1).transpose(0, 3, 1, 2)


def _cut_up_again(rows: Array, like: Array) -> Array:
    N, _, H, W = like.shape
    return rows.reshape(N, -1, H, W)


def _product(
    to_rows: Callable[[Array], Array] = _rows,
    to_images: Callable[[Array, Array], Array] = _images,
) -> Callable[..., Any]:
    """Return the layer as a product of matrices, with other ways there and back."""
    return lambda x, w, b: to_images(to_rows(x) @ w[:, :, 0, 0].T + b, x)


_MIXED = (
    "Pixels and channels are mixed up by a reshape: it goes through the numbers in their order in "
    "memory, in which a pixel's channels are far apart. Put the channels last (transpose) before it"
)
_MIXED_BACK = (
    "The rows are right, and pixels and filters are mixed up on the way back: reshape to (N, H, W, F) "
    "first, then move the last axis."
)

ONE_FORWARD = Plain(
    "conv_1x1",
    ("x", "w", "b"),
    ("out",),
    conv_1x1,
    PIXEL_CASES,
    (
        Mistake(
            "mixed-by-reshape",
            f"{_MIXED}, and back after the product.",
            _product(_cut_up, _cut_up_again),
        ),
        Mistake("mixed-by-reshape", f"{_MIXED}.", _product(_cut_up)),
        Mistake(
            "mixed-by-reshape", _MIXED_BACK, _product(to_images=_cut_up_again)
        ),
        Mistake(
            "height-width-exchanged",
            "Rows and columns of the images are exchanged: transpose to (N, H, W, C), in this order.",
            _product(lambda x: x.transpose(0, 3, 2, 1).reshape(-1, x.shape[1])),
        ),
        Mistake(
            "no-bias",
            "Only the bias is wrong: it is never added.",
            lambda x, w, b: conv_1x1(x, w, 0 * b),
        ),
        Mistake(
            "wrong-bias",
            "Only the bias is wrong: every filter gets that of the first one.",
            lambda x, w, b: conv_1x1(x, w, b[0] + 0 * b),
        ),
        Mistake(
            "bias-too-often",
            "Only the bias is wrong: it is added once for each channel; add it once, after the sum over "
            "the channels.",
            lambda x, w, b: conv_1x1(x, w, w.shape[1] * b),
        ),
        Mistake(
            "one-channel",
            "Only one channel is used: each output is a sum over all channels of its pixel.",
            lambda x, w, b: conv_1x1(x[:, :1], w[:, :1], b),
        ),
        Mistake(
            "mean-not-sum",
            "The channels are averaged: they must be summed.",
            lambda x, w, b: conv_1x1(x, w / w.shape[1], b),
        ),
    ),
    {"out": "out[n, f, i, j] = sum over c of w[f, c, 0, 0] * x[n, c, i, j] + b[f]"},
    'chapter 5, section "The layer, with channels, stride and padding"',
)  # fmt: skip


def _gradients(
    to_rows: Callable[[Array], Array] = _rows,
    to_images: Callable[[Array, Array], Array] = _images,
    dw: Callable[[Array, Array], Array] = lambda g, rows: g.T @ rows,
    db: Callable[[Array], Array] = lambda g: g.sum(axis=0),
) -> Callable[..., Any]:
    """Return the backward pass as products of matrices, with something else in one."""

    def twin(dout: Array, x: Array, w: Array) -> Results:
        g, rows = to_rows(dout), to_rows(x)
        dx = to_images(g @ w[:, :, 0, 0], x)
        return dx, dw(g, rows).reshape(w.shape), db(g)

    return twin


def _backward_case(case: Case) -> Case:
    x, w, _ = case.arguments
    dout = numbers(len(x), len(w), *x.shape[2:], seed=1)
    return Case(case.name, (dout, x, w), case.stage, case.sizes)


ONE_BACKWARD = Plain(
    "conv_1x1_backward",
    ("dout", "x", "w"),
    ("dx", "dw", "db"),
    conv_1x1_backward,
    tuple(_backward_case(case) for case in PIXEL_CASES),
    (
        Mistake("mixed-by-reshape", f"{_MIXED}.", _gradients(_cut_up)),
        Mistake(
            "mixed-by-reshape",
            f"{_MIXED}, and back after the product.",
            _gradients(_cut_up, _cut_up_again),
        ),
        Mistake(
            "mixed-by-reshape",
            _MIXED_BACK.replace("F)", "C)").replace("filters", "channels"),
            _gradients(to_images=_cut_up_again),
        ),
        Mistake(
            "dw-transposed",
            "`dw` was computed for filters of shape (C, F) and reshaped to (F, C, 1, 1), which mixes "
            "them up: transpose it first.",
            _gradients(dw=lambda g, rows: rows.T @ g),
        ),
        Mistake(
            "averaged",
            "`dw` is a mean over the pixels of all images: it is their sum.",
            _gradients(dw=lambda g, rows: g.T @ rows / len(g)),
        ),
        Mistake(
            "averaged",
            "`db` is a mean over the pixels of all images: it is their sum.",
            _gradients(db=lambda g: g.mean(axis=0)),
        ),
        Mistake(
            "last-image-only",
            "Only the last image counts: the gradients of all images add up.",
            lambda dout, x, w: (
                conv_1x1_backward(dout, x, w)[0],
                *conv_1x1_backward(dout[-1:], x[-1:], w)[1:],
            ),
        ),
        Mistake(
            "first-image-only",
            "Only the first image counts: the gradients of all images add up.",
            lambda dout, x, w: (
                conv_1x1_backward(dout, x, w)[0],
                *conv_1x1_backward(dout[:1], x[:1], w)[1:],
            ),
        ),
        Mistake(
            "wrong-axis",
            "`b` is used for every image and every pixel: `db` is summed over the axes (0, 2, 3).",
            _gradients(db=lambda g: g.sum(axis=1)),
        ),
    ),
    {
        "dx": "dx[n, c, i, j] = sum over f of w[f, c, 0, 0] * dout[n, f, i, j]",
        "dw": "dw[f, c, 0, 0] = sum over n, i, j of dout[n, f, i, j] * x[n, c, i, j]",
        "db": "db[f] = sum over n, i, j of dout[n, f, i, j]",
    },
    'chapter 5, section "By index"',
)  # fmt: skip

# ---- dilated convolution -------------------------------------------------------------


def _dilated_case(
    name: str,
    d: int,
    x: tuple[int, int, int, int],
    filters: tuple[int, int, int],
    stride: int = 1,
    pad: int = 0,
    stage: str = VALUES,
) -> Case:
    F, HH, WW = filters
    arguments = (
        numbers(*x), numbers(F, x[1], HH, WW, seed=2), numbers(F, seed=3),
        {"stride": stride, "pad": pad}, d,
    )  # fmt: skip
    return Case(name, arguments, stage, {"N": x[0], "C": x[1], "F": F})


DILATED_CASES = (
    _dilated_case("d = 1, the usual convolution", 1, (2, 3, 5, 6), (2, 3, 3)),
    _dilated_case("d = 2, 3x3 filters", 2, (2, 2, 6, 6), (3, 3, 3)),
    _dilated_case("d = 2, a stride of 2 and pad = 1", 2, (2, 3, 7, 8), (2, 3, 2), 2, 1),
    _dilated_case("d = 3", 3, (1, 2, 7, 8), (2, 2, 3), stage=EDGE_CASES),
    _dilated_case("filters of 1x1, with nothing to skip", 2, (2, 2, 3, 4), (2, 1, 1), stage=EDGE_CASES),
    _dilated_case("a stride of 3 and pad = 2", 2, (1, 1, 5, 6), (1, 2, 2), 3, 2, EDGE_CASES),
)  # fmt: skip


def _spread(
    to: Callable[[Array, int], Array],
    *,
    x: Callable[[Array, int], Array] = lambda x, d: x,
    param: Callable[[Param, int], Param] = lambda param, d: param,
) -> Callable[..., Any]:
    """Return a convolution with other filters, images or settings."""

    def twin(x_: Array, w: Array, b: Array, conv_param: Param, d: int) -> Any:
        filters, settings = to(w, d), param(conv_param, d)
        return conv_layers.conv_forward_naive(x(x_, d), filters, b, settings)[0]

    return twin


def _holes(w: Array, d: int, down: bool = True, right: bool = True) -> Array:
    """Put d - 1 zeros between the weights."""
    F, C, HH, WW = w.shape
    row, column = d if down else 1, d if right else 1
    spread = np.zeros((F, C, row * (HH - 1) + 1, column * (WW - 1) + 1), w.dtype)
    spread[:, :, ::row, ::column] = w
    return spread


def _blocks(w: Array, d: int) -> Array:
    """Repeat every weight in a block of d x d."""
    return w.repeat(d, axis=2).repeat(d, axis=3)


def _zeros_behind(w: Array, d: int) -> Array:
    """Put d - 1 zeros behind every weight, the last one too."""
    F, C, HH, WW = w.shape
    spread = np.zeros((F, C, d * HH, d * WW), w.dtype)
    spread[:, :, ::d, ::d] = w
    return spread


def dilated_conv(x: Array, w: Array, b: Array, conv_param: Param, d: int) -> Array:
    """Slide filters that look at every d-th pixel only."""
    return conv_layers.conv_forward_naive(x, _holes(w, d), b, conv_param)[0]


_ONE_WAY = (
    "The filter skips {}, and not {}: spread the weights both down and to the right."
)

DILATED = Plain(
    "dilated_conv",
    ("x", "w", "b", "conv_param", "d"),
    ("out",),
    dilated_conv,
    DILATED_CASES,
    (
        Mistake(
            "d-ignored",
            "d is not used, so the filter skips no pixels: put d - 1 zeros between its weights.",
            _spread(lambda w, d: w),
        ),
        Mistake(
            "zeros-behind",
            "There are zeros behind the last weight too, which makes the filter larger and the output "
            "smaller: a spread filter has d * (HH - 1) + 1 lines.",
            _spread(_zeros_behind),
        ),
        Mistake(
            "weights-repeated",
            "Every weight is repeated d times, so no pixel is skipped: put zeros between the weights.",
            _spread(_blocks),
        ),
        Mistake(
            "one-zero-too-many",
            "There are d zeros between two weights: with d - 1, the weights stand d pixels apart.",
            _spread(lambda w, d: _holes(w, d + 1)),
        ),
        Mistake(
            "d-for-stride",
            "d was taken for a stride: it says how far apart the pixels under one filter are, and not "
            "how far the filter moves.",
            _spread(lambda w, d: w, param=lambda param, d: param | {"stride": d}),
        ),
        Mistake(
            "d-for-stride",
            "d was multiplied with the stride: it says how far apart the pixels under one filter are, "
            "and not how far the filter moves.",
            _spread(
                lambda w, d: w,
                param=lambda param, d: param | {"stride": d * param["stride"]},
            ),
        ),
        Mistake(
            "pixels-left-out",
            "Pixels of the images are left out for good: the filter skips them at one place, and meets "
            "them at the next.",
            _spread(lambda w, d: w, x=lambda x, d: x[:, :, ::d, ::d]),
        ),
        Mistake(
            "one-direction",
            _ONE_WAY.format("lines", "columns"),
            _spread(lambda w, d: _holes(w, d, right=False)),
        ),
        Mistake(
            "one-direction",
            _ONE_WAY.format("columns", "lines"),
            _spread(lambda w, d: _holes(w, d, down=False)),
        ),
        Mistake(
            "settings-ignored",
            "conv_param is not used: hand its stride and pad on to the convolution.",
            _spread(_holes, param=lambda param, d: {"stride": 1, "pad": 0}),
        ),
        Mistake(
            "pad-spread",
            "The padding was multiplied by d: it stays as conv_param says.",
            _spread(_holes, param=lambda param, d: param | {"pad": d * param["pad"]}),
        ),
        Mistake(
            "no-bias",
            "The bias is never added.",
            lambda x, w, b, param, d: dilated_conv(x, w, 0 * b, param, d),
        ),
    ),
    {
        "out": "out[n, f, i, j] = sum over c, p, q of\n"
        "    w[f, c, p, q] * padded[n, c, i*stride + d*p, j*stride + d*q] + b[f]\n"
        "spread = zeros of shape (F, C, d*(HH-1)+1, d*(WW-1)+1), spread[:, :, ::d, ::d] = w",
    },
    'chapter 5, section "The layer, with channels, stride and padding"',
)  # fmt: skip

ALL = (AVERAGE_FORWARD, AVERAGE_BACKWARD, ONE_FORWARD, ONE_BACKWARD, DILATED)
