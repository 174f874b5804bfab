"""Convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ... import conv_layers
from .._specification import EDGE_CASES, Case, Forward, Mistake, backward, numbers

Array = np.ndarray
Param = dict[str, Any]


def _case(
    name: str,
    x: tuple[int, int, int, int],
    filters: tuple[int, int, int],
    stride: int = 1,
    pad: int = 0,
    stage: str = EDGE_CASES,
) -> Case:
    """Return a case with images of shape `x` and filters of shape (F, HH, WW)."""
    N, C, H, W = x
    F, HH, WW = filters
    places = (1 + (H + 2 * pad - HH) // stride) * (1 + (W + 2 * pad - WW) // stride)
    arguments = (
        numbers(*x), numbers(F, C, HH, WW, seed=2), numbers(F, seed=3),
        {"stride": stride, "pad": pad},
    )  # fmt: skip
    sizes = {"N": N, "C": C, "F": F, "H_out * W_out": places, "HH * WW": HH * WW}
    return Case(name, arguments, stage, sizes)


CASES = (
    _case("4 filters of 3x3, 2 images of 3 channels", (2, 3, 4, 4), (4, 3, 3), stage="values"),
    _case("5 filters, 3 images of 2 channels, pad = 1", (3, 2, 4, 4), (5, 3, 3), 1, 1, "values"),
    _case("a stride of 2", (2, 3, 5, 5), (4, 3, 3), 2, 1),
    _case("images wider than high", (2, 2, 3, 6), (3, 3, 3), 1, 1),
    _case("filters higher than wide", (2, 3, 5, 5), (4, 3, 2)),
    _case("a stride that leaves pixels over", (2, 1, 6, 6), (3, 3, 3), 2),
    _case("a stride larger than the filters", (2, 3, 5, 5), (4, 2, 2), 3),
    _case("pad = 2 and a stride of 2", (2, 1, 4, 4), (3, 3, 3), 2, 2),
    _case("a single image, channel and filter", (1, 1, 4, 4), (1, 2, 2)),
)  # fmt: skip


def _padded(x: Array, pad: int, mode: Any = "constant") -> Array:
    return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode)


# ---- forward -------------------------------------------------------------------------


def _like(
    change: Callable[[Array, Array, Array, Param], tuple[Array, Array, Array, Param]],
) -> Callable[..., Any]:
    """Return the book's function, called with other arguments."""

    def twin(x: Array, w: Array, b: Array, conv_param: Param) -> Any:
        return conv_layers.conv_forward_naive(*change(x, w, b, conv_param))

    return twin


def _then(
    change: Callable[[Array, Array, Array, Array, Param], Array],
) -> Callable[..., Any]:
    """Return the book's function with something done to its output afterwards."""

    def twin(x: Array, w: Array, b: Array, conv_param: Param) -> Any:
        out, cache = conv_layers.conv_forward_naive(x, w, b, conv_param)
        return change(out, x, w, b, conv_param), cache

    return twin


def _at_strides(rows: bool, columns: bool, cut: bool = True) -> Callable[..., Any]:
    """Return a convolution that obeys its stride down, to the right, or not at all, and
    whose output still has the right size unless `cut` is false."""

    def twin(x: Array, w: Array, b: Array, conv_param: Param) -> Any:
        stride = conv_param["stride"]
        views = sliding_window_view(
            _padded(x, conv_param["pad"]), w.shape[2:], axis=(2, 3)
        )
        right = views[:, :, ::stride, ::stride].shape[2:4]
        views = views[:, :, :: stride if rows else 1, :: stride if columns else 1]
        if cut:
            views = views[:, :, : right[0], : right[1]]
        return np.einsum("ncijpq,fcpq->nfij", views, w) + b[:, None, None], None

    return twin


def _last_left_out(
    out: Array, x: Array, w: Array, b: Array, conv_param: Param
) -> Array:
    out[:, :, -1], out[:, :, :, -1] = 0, 0
    return out


def _padded_once_in_size(
    out: Array, x: Array, w: Array, b: Array, conv_param: Param
) -> Array:
    """Return only as much of the output as padding on one side makes room for."""
    H_out, W_out = (
        1 + (size + conv_param["pad"] - k) // conv_param["stride"]
        for size, k in zip(x.shape[2:], w.shape[2:], strict=True)
    )
    return out[:, :, :H_out, :W_out]


def _cut(
    padded: Callable[[Array, int], Array], *, window: int = 1, places: int = 1
) -> Callable[..., Any]:
    """Return a convolution with windows cut from `padded(x, pad)`, with HH and WW exchanged
    if `window` is -1, H_out and W_out if `places` is. It ends at a window that does not
    fit the filters."""

    def twin(x: Array, w: Array, b: Array, conv_param: Param) -> Any:
        out, cache = conv_layers.conv_forward_naive(x, w, b, conv_param)
        stride, (HH, WW) = conv_param["stride"], w.shape[2:][::window]
        images = padded(x, conv_param["pad"])
        for i, j in np.ndindex(*out.shape[2:][::places]):
            rows = slice(i * stride, i * stride + HH)
            columns = slice(j * stride, j * stride + WW)
            products = np.einsum("ncpq,fcpq->nf", images[:, :, rows, columns], w)
            out[:, :, i, j] = products + b
        return out, cache

    return twin


_PADDING = (
    "The windows do not fit the filters when there is padding: either `x` was never padded, or np.pad "
    "padded its axes N and C as well; it wants ((0, 0), (0, 0), (pad, pad), (pad, pad))."
)
_WINDOW_EXCHANGED = (
    "HH and WW are exchanged: HH belongs to the rows, WW to the columns."
)
_PLACES_EXCHANGED = (
    "H_out and W_out are exchanged in a loop or a shape: axis 2 has H_out rows, axis 3 has W_out "
    "columns."
)
_PAD_FORGOTTEN = (
    "The zeros around the images are missing: `x` must be padded before the windows are "
    "cut."
)
_STRIDE_IGNORED = (
    "The windows do not follow the stride: window i begins at pixel i * stride, not at "
    "pixel i."
)
_STRIDE_SIZE = (
    "The output is as large as with stride 1: its height and width must be divided by the "
    "stride."
)
_LAST_WINDOW = (
    "The last window of each row and column is left out: the first one takes no step, so there is "
    "one place more than steps."
)
_ONE_CHANNEL = (
    "Only one channel is used: each output is a sum over all channels of the window."
)

FORWARD = Forward(
    "conv_forward_naive",
    ("x", "w", "b", "conv_param"),
    ("out", "cache"),
    conv_layers.conv_forward_naive,
    CASES,
    (
        Mistake(
            "pad-forgotten",
            _PAD_FORGOTTEN,
            _like(lambda x, w, b, p: (x, w, b, p | {"pad": 0})),
        ),
        Mistake("stride-ignored", _STRIDE_IGNORED, _at_strides(False, False)),
        Mistake("stride-ignored", _STRIDE_SIZE, _at_strides(False, False, cut=False)),
        Mistake(
            "stride-ignored",
            "The windows follow the stride downwards and not to the right: column j begins at j * "
            "stride.",
            _at_strides(True, False),
        ),
        Mistake(
            "stride-ignored",
            "The windows follow the stride to the right and not downwards: row i begins at i * stride.",
            _at_strides(False, True),
        ),
        Mistake(
            "no-bias",
            "The bias is never added.",
            _like(lambda x, w, b, p: (x, w, 0 * b, p)),
        ),
        Mistake(
            "bias-too-often",
            "The bias is added to every product of the window before they are summed: add it "
            "once, to the sum.",
            _like(lambda x, w, b, p: (x, w, b * w[0].size, p)),
        ),
        Mistake(
            "bias-too-often",
            "The bias is added once for each channel: add it once, after the sum over all channels.",
            _like(lambda x, w, b, p: (x, w, b * w.shape[1], p)),
        ),
        Mistake(
            "wrong-bias",
            "The bias is chosen by the example, and not by the filter: every filter has one of its own.",
            _then(
                lambda out, x, w, b, p: out + (b[: len(x), None] - b)[:, :, None, None]
            ),
        ),
        Mistake(
            "wrong-bias",
            "Every filter gets the bias of the first one: each has one of its own.",
            _like(lambda x, w, b, p: (x, w, b[0] + 0 * b, p)),
        ),
        Mistake(
            "filter-flipped",
            "The filters are turned round before they are applied: this layer multiplies window "
            "and filter as they lie.",
            _like(lambda x, w, b, p: (x, w[:, :, ::-1, ::-1], b, p)),
        ),
        Mistake(
            "filter-transposed",
            "Rows and columns of the filters are exchanged: HH goes with the height, WW with the width.",
            _like(lambda x, w, b, p: (x, w.swapaxes(2, 3), b, p)),
        ),
        Mistake(
            "one-channel",
            _ONE_CHANNEL,
            _like(lambda x, w, b, p: (x[:, :1], w[:, :1], b, p)),
        ),
        Mistake(
            "one-channel",
            _ONE_CHANNEL + " Is the output overwritten for each of them?",
            _like(lambda x, w, b, p: (x[:, -1:], w[:, -1:], b, p)),
        ),
        Mistake(
            "mean-not-sum",
            "The products of a window are averaged: they must be summed.",
            _like(lambda x, w, b, p: (x, w / w[0].size, b, p)),
        ),
        Mistake(
            "last-window",
            _LAST_WINDOW,
            _then(lambda out, x, w, b, p: out[:, :, :-1, :-1]),
        ),
        Mistake("last-window", _LAST_WINDOW, _then(_last_left_out)),
        Mistake(
            "pad-one-side",
            "The output's size counts the padding once: there is padding on both sides, 2 * pad in all.",
            _then(_padded_once_in_size),
        ),
        Mistake(
            "pad-one-side",
            "The padding is at the bottom and the right only: it belongs on all four sides.",
            _like(
                lambda x, w, b, p: (
                    np.pad(x, ((0, 0), (0, 0), (0, 2 * p["pad"]), (0, 2 * p["pad"]))),
                    w,
                    b,
                    p | {"pad": 0},
                )
            ),
        ),
        Mistake(
            "pad-one-side",
            "The padding is at the top and the left only: it belongs on all four sides.",
            _like(
                lambda x, w, b, p: (
                    np.pad(x, ((0, 0), (0, 0), (2 * p["pad"], 0), (2 * p["pad"], 0))),
                    w,
                    b,
                    p | {"pad": 0},
                )
            ),
        ),
        Mistake(
            "settings-ignored",
            "One line of padding is added whatever conv_param says.",
            _like(lambda x, w, b, p: (x, w, b, p | {"pad": 1})),
        ),
        Mistake(
            "pad-not-zeros",
            "The padding repeats the pixels of the border: it must be of zeros.",
            _like(
                lambda x, w, b, p: (_padded(x, p["pad"], "edge"), w, b, p | {"pad": 0})
            ),
        ),
        Mistake("padding", _PADDING, _cut(lambda x, pad: x)),
        Mistake(
            "padding",
            "np.pad with a single number pads the axes N and C as well, so an image and a channel of "
            "zeros come first: give it a pair for each axis, ((0, 0), (0, 0), (pad, pad), (pad, pad)).",
            _like(
                lambda x, w, b, p: (
                    np.pad(x, p["pad"])[: len(x), : x.shape[1]],
                    w,
                    b,
                    p | {"pad": 0},
                )
            ),
        ),
        Mistake("window-exchanged", _WINDOW_EXCHANGED, _cut(_padded, window=-1)),
        Mistake("places-exchanged", _PLACES_EXCHANGED, _cut(_padded, places=-1)),
        Mistake(
            "square-assumed",
            "The output is as wide as it is high: compute W_out from W and WW, as H_out from H and HH.",
            _then(lambda out, x, w, b, p: out[:, :, :, : out.shape[2]]),
        ),
    ),
    {
        "out": "out[n, f, i, j] = sum(window * w[f]) + b[f]\n"
        "window = padded[n, :, i*stride : i*stride+HH, j*stride : j*stride+WW]\n"
        "H_out = 1 + (H + 2 * pad - HH) // stride, and W_out likewise",
    },
    'chapter 5, section "The layer, with channels, stride and padding"',
)


# ---- backward ------------------------------------------------------------------------


def _slid(
    dout: Array, cache: Any, *, stride: int | None = None, overwrite: bool = False
) -> tuple[Array, Array]:
    """Return dx and dw, window by window, with another stride or with windows that
    overwrite what lay below them."""
    x, w, b, conv_param = cache
    pad, stride = conv_param["pad"], stride or conv_param["stride"]
    HH, WW = w.shape[2:]
    padded = _padded(x, pad)
    dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
    for i, j in np.ndindex(*dout.shape[2:]):
        rows = slice(i * stride, i * stride + HH)
        columns = slice(j * stride, j * stride + WW)
        here = dout[:, :, i, j]
        dw += np.einsum("nf,ncpq->fcpq", here, padded[:, :, rows, columns])
        share = np.einsum("nf,fcpq->ncpq", here, w)
        if not overwrite:
            share += dpadded[:, :, rows, columns]
        dpadded[:, :, rows, columns] = share
    return dpadded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], dw


def _in_images(change: Callable[[Array, int, Array], Array]) -> Callable[..., Any]:
    """Return a backward pass whose dx is `change(dpadded, pad, x)`."""

    def twin(dout: Array, cache: Any) -> Any:
        x, w, b, conv_param = cache
        pad = conv_param["pad"]
        within = _padded(x, pad), w, b, conv_param | {"pad": 0}
        dpadded, dw, db = conv_layers.conv_backward_naive(dout, within)
        return change(dpadded, pad, x), dw, db

    return twin


def _from(
    change: Callable[[Array, Array, Array], tuple[Array, Array, Array]],
) -> Callable[..., Any]:
    """Return the book's function, called with another dout, x and w."""

    def twin(dout: Array, cache: Any) -> Any:
        x, w, b, conv_param = cache
        dout, x, w = change(dout, x, w)
        return conv_layers.conv_backward_naive(dout, (x, w, b, conv_param))

    return twin


def _bias(db: Callable[[Array], Array]) -> Callable[..., Any]:
    """Return a backward pass of which only db is of interest."""
    return lambda dout, cache: (None, None, db(dout))


def _stride_ignored(dout: Array, cache: Any) -> Any:
    return *_slid(dout, cache, stride=1), None


def _overwritten(dout: Array, cache: Any) -> Any:
    return _slid(dout, cache, overwrite=True)[0], None, None


def _overwritten_by_filters(dout: Array, cache: Any) -> Any:
    x, w, b, conv_param = cache
    last = x, w[-1:], b[-1:], conv_param
    dx, dw = _slid(dout[:, -1:], last, overwrite=True)
    return dx, None, None


def _only_last_place(dout: Array, cache: Any) -> Any:
    """Keep what the last window of the last image gives."""
    kept = np.zeros_like(dout)
    kept[-1:, :, -1:, -1:] = dout[-1:, :, -1:, -1:]
    return conv_layers.conv_backward_naive(kept, cache)


def _without_last_windows(dout: Array, cache: Any) -> Any:
    kept = dout.copy()
    kept[:, :, -1], kept[:, :, :, -1] = 0, 0
    return conv_layers.conv_backward_naive(kept, cache)


def _only(dout: Array, n: Any = slice(None), f: Any = slice(None)) -> Array:
    """Return `dout` with zeros everywhere but for some images and filters."""
    kept = np.zeros_like(dout)
    kept[n, f] = dout[n, f]
    return kept


def _without_padding(dout: Array, cache: Any) -> Any:
    """Take what lies outside the image for nothing, with windows that start in the image."""
    x, w, b, conv_param = cache
    pad = conv_param["pad"]
    shifted = np.pad(x, ((0, 0), (0, 0), (0, 2 * pad), (0, 2 * pad)))
    within = shifted, w, b, conv_param | {"pad": 0}
    dx, dw, db = conv_layers.conv_backward_naive(dout, within)
    return dx[:, :, : x.shape[2], : x.shape[3]], dw, db


def _seen(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a backward pass that cuts the same windows as `forward`, and fails with it."""

    def twin(dout: Array, cache: Any) -> Any:
        forward(*cache)
        return conv_layers.conv_backward_naive(dout, cache)

    return twin


_NOT_ADDED = (
    "The gradient of a window overwrites what windows before it left there: where they overlap, "
    "and over all filters, it must be added (`+=`)."
)
_DB = "`b` is used for every example and every place: `db` is summed over the axes (0, 2, 3)."

BACKWARD = backward(
    FORWARD,
    "conv_backward_naive",
    ("dx", "dw", "db"),
    conv_layers.conv_backward_naive,
    (
        Mistake(
            "pad-not-stripped",
            "`dx` still has the padding around it: cut it off, so that `dx` has the shape of `x`.",
            _in_images(lambda dpadded, pad, x: dpadded),
        ),
        Mistake(
            "pad-slice-empty",
            "With pad = 0 the slice [pad:-pad] is empty: cut from pad to pad + H, and to pad + W.",
            _in_images(lambda dpadded, pad, x: dpadded[:, :, pad:-pad, pad:-pad]),
        ),
        Mistake("not-accumulated", _NOT_ADDED, _overwritten),
        Mistake("not-accumulated", _NOT_ADDED, _overwritten_by_filters),
        Mistake(
            "not-accumulated",
            "Only the last window of the last image counts: a filter and its bias are used at every "
            "place of every image, and what each gives must be added (`+=`).",
            _only_last_place,
        ),
        Mistake(
            "last-image-only",
            "Only the last image counts: the gradients of all images must be added up, not overwritten.",
            _from(lambda dout, x, w: (_only(dout, n=-1), x, w)),
        ),
        Mistake(
            "first-image-only",
            "Only the first image counts: the gradients of all images must be added up.",
            _from(lambda dout, x, w: (_only(dout, n=0), x, w)),
        ),
        Mistake(
            "one-filter",
            "Only one filter counts: every filter saw the image, and all their gradients add up "
            "in `dx`.",
            _from(lambda dout, x, w: (_only(dout, f=-1), x, w)),
        ),
        Mistake(
            "one-filter",
            "Only one filter counts: every filter saw the image, and all their gradients add up "
            "in `dx`.",
            _from(lambda dout, x, w: (_only(dout, f=0), x, w)),
        ),
        Mistake(
            "stride-ignored",
            "The stride is ignored on the way back: the window of dout[n, f, i, j] begins at pixel "
            "(i * stride, j * stride).",
            _stride_ignored,
        ),
        Mistake(
            "filter-flipped",
            "The filters lie the wrong way round in `dx`: each window gets `w[f]` as it lies. (In the "
            "form of a full convolution it is turned, once.)",
            _from(lambda dout, x, w: (dout, x, w[:, :, ::-1, ::-1])),
        ),
        Mistake(
            "filter-transposed",
            "Rows and columns of the filters are exchanged in `dx`.",
            _from(lambda dout, x, w: (dout, x, w.swapaxes(2, 3))),
        ),
        Mistake(
            "filter-flipped",
            "`dw` is upside down: its place (p, q) belongs to the pixel (p, q) of each window.",
            lambda dout, cache: (
                None,
                conv_layers.conv_backward_naive(dout, cache)[1][:, :, ::-1, ::-1],
                None,
            ),
        ),
        Mistake(
            "pad-stripped-wrongly",
            "The padding is cut off at the bottom and the right only: the image begins at pixel "
            "(pad, pad).",
            _in_images(
                lambda dpadded, pad, x: dpadded[:, :, : x.shape[2], : x.shape[3]]
            ),
        ),
        Mistake(
            "pad-stripped-wrongly",
            "The padding is cut off at the top and the left only: the image ends at pixel "
            "(pad + H, pad + W).",
            _in_images(lambda dpadded, pad, x: dpadded[:, :, pad:, pad:]),
        ),
        Mistake(
            "pad-stripped-wrongly",
            "Too much is cut off `dx`: the padding is `pad` pixels on each side, at top and "
            "bottom, left and right.",
            _in_images(lambda dpadded, pad, x: dpadded[:, :, 2 * pad :, 2 * pad :]),
        ),
        Mistake(
            "pad-stripped-wrongly",
            "One line is cut off on each side whatever `pad` is: cut off `pad` of them.",
            _in_images(lambda dpadded, pad, x: dpadded[:, :, 1:-1, 1:-1]),
        ),
        Mistake("padding", _PADDING, _seen(_cut(lambda x, pad: x))),
        Mistake("window-exchanged", _WINDOW_EXCHANGED, _seen(_cut(_padded, window=-1))),
        Mistake("places-exchanged", _PLACES_EXCHANGED, _seen(_cut(_padded, places=-1))),
        Mistake(
            "pad-forgotten",
            "The padding is forgotten on the way back: the windows lie on the padded images.",
            _without_padding,
        ),
        Mistake(
            "last-window",
            "The last row and column of windows are left out: loop over all of dout.shape[2] and "
            "dout.shape[3].",
            _without_last_windows,
        ),
        Mistake("wrong-axis", _DB, _bias(lambda dout: dout.sum(axis=(1, 2, 3)))),
        Mistake("wrong-axis", _DB, _bias(lambda dout: dout.sum(axis=(0, 1, 2)))),
        Mistake("wrong-axis", _DB, _bias(lambda dout: dout.sum(axis=(0, 1, 3)))),
        Mistake("wrong-axis", _DB, _bias(lambda dout: dout.sum(axis=(0, 1)))),
        Mistake("wrong-axis", _DB, _bias(lambda dout: dout.sum())),
    ),
    {
        "dx": "dpadded[n, :, rows, columns] += dout[n, f, i, j] * w[f]\n"
        "rows = i*stride : i*stride+HH, columns = j*stride : j*stride+WW\n"
        "dx = dpadded[:, :, pad : pad+H, pad : pad+W]",
        "dw": "dw[f] += dout[n, f, i, j] * padded[n, :, rows, columns]\n"
        "rows = i*stride : i*stride+HH, columns = j*stride : j*stride+WW",
        "db": "db[f] = sum of dout[n, f, i, j] over n, i and j",
    },
    'chapter 5, section "By index"',
)

ALL = (FORWARD, BACKWARD)
