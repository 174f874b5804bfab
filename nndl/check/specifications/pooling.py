"""Max pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ... import conv_layers
from .._compare import as_array, same
from .._diagnosis import Diagnosis, Pair
from .._specification import (
    EDGE_CASES,
    Backward,
    Case,
    Forward,
    Function,
    Mistake,
    Outputs,
    gradient_for,
    numbers,
)

Array = np.ndarray
Param = dict[str, Any]


def _case(
    name: str,
    x: Array,
    window: tuple[int, int],
    stride: int,
    stage: str = EDGE_CASES,
) -> Case:
    height, width = window
    pool_param = {"pool_height": height, "pool_width": width, "stride": stride}
    N, C = x.shape[:2]
    sizes = {"N": N, "C": C, "pool_height * pool_width": height * width}
    return Case(name, (x, pool_param), stage, sizes)


TIES = "equal numbers in a window"
#: Every maximum stands in its window twice, and in other windows too.
_equal = np.array(
    [[5.0, 5, 2, 2], [1, 0, 5, 5], [3, 1, 0, 3], [2, 3, 3, 1]]
) - np.array([0, 1]).reshape(2, 1, 1, 1)

CASES = (
    _case(
        "2x2 windows, 2 images of 3 channels", numbers(2, 3, 4, 4), (2, 2), 2, "values"
    ),
    _case(
        "3x3 windows, 3 images of 2 channels", numbers(3, 2, 6, 6), (3, 3), 3, "values"
    ),
    _case("images wider than high", numbers(2, 3, 4, 6), (2, 2), 2),
    _case("windows wider than high", numbers(2, 3, 6, 8), (2, 3), 3),
    _case("windows higher than wide", numbers(2, 1, 6, 4, seed=6), (3, 2), 3),
    _case("windows that overlap", numbers(2, 3, 5, 5), (3, 3), 2),
    _case("windows that overlap, at stride 1", numbers(2, 1, 4, 4), (2, 2), 1),
    _case("a stride that leaves pixels over", numbers(2, 3, 5, 5), (2, 2), 2),
    _case("a stride larger than the windows", numbers(2, 1, 5, 5), (2, 2), 3),
    _case(TIES, _equal, (2, 2), 2),
    _case("nothing but negative numbers", numbers(2, 3, 4, 4) - 6, (2, 2), 2),
    _case("a single image of one channel", numbers(1, 1, 4, 4), (2, 2), 2),
)

# ---- forward -------------------------------------------------------------------------


def _pooled(
    reduce: Callable[[Array], Array] = lambda windows: windows.max(axis=(-1, -2)),
    *,
    size: tuple[str, str] = ("pool_height", "pool_width"),
    step: tuple[str, str] = ("stride", "stride"),
    cut: bool = False,
    after: Callable[[Array, Array], Array] = lambda out, x: out,
) -> Callable[..., Any]:
    """Return a pooling in which `reduce` makes one number of each window, with the keys
    of `pool_param` that give a window's size and step ('' for a step of 1); `cut` gives
    its output the right size nevertheless."""

    def twin(x: Array, pool_param: Param) -> Any:
        height, width = (pool_param[key] for key in size)
        down, right = (pool_param.get(key, 1) for key in step)
        windows = sliding_window_view(x, (height, width), axis=(2, 3))
        out = reduce(windows[:, :, ::down, ::right])
        if cut:
            shape = conv_layers.max_pool_forward_naive(x, pool_param)[0].shape
            out = out[:, :, : shape[2], : shape[3]]
        return after(np.array(out), x), None

    return twin


def _over(axis: int | tuple[int, ...]) -> Callable[[Array], Array]:
    """Return a maximum over a window and over further axes."""
    return lambda windows: np.broadcast_to(
        windows.max(axis=(-1, -2)).max(axis=axis, keepdims=True), windows.shape[:4]
    )


def _next_to_one_another(x: Array, pool_param: Param) -> Any:
    """Cut as many windows as there must be, each a window's size after the last."""
    out, cache = conv_layers.max_pool_forward_naive(x, pool_param)
    height, width = pool_param["pool_height"], pool_param["pool_width"]
    for i, j in np.ndindex(*out.shape[2:]):
        rows = slice(i * height, (i + 1) * height)
        columns = slice(j * width, (j + 1) * width)
        out[:, :, i, j] = x[:, :, rows, columns].max(axis=(2, 3))
    return out, cache


def _places_exchanged(x: Array, pool_param: Param) -> Any:
    """Go through W_out rows and H_out columns."""
    out, cache = conv_layers.max_pool_forward_naive(x, pool_param)
    for j, i in np.ndindex(*out.shape[2:]):
        out[:, :, i, j] += 0
    return out, cache


def _last_is_zero(out: Array, x: Array) -> Array:
    out[:, :, -1], out[:, :, :, -1] = 0, 0
    return out


def _partly(x: Array, pool_param: Param) -> Any:
    """Let windows hang over the right and lower border, so that no pixel is left out."""
    stride = pool_param["stride"]
    window = pool_param["pool_height"], pool_param["pool_width"]
    over = [
        max(0, -(size - k) % stride)
        for size, k in zip(x.shape[2:], window, strict=True)
    ]
    room = ((0, 0), (0, 0), (0, over[0]), (0, over[1]))
    wider = np.pad(x, room, constant_values=-np.inf)
    return conv_layers.max_pool_forward_naive(wider, pool_param)


_STRIDE = "The windows do not follow the stride: window i begins at pixel i * stride, not at pixel i."
_NEXT_TO = (
    "The windows lie next to one another, as if the stride were their size: the step from one to "
    "the next is pool_param['stride']."
)
_LAST = (
    "The last window of each row and column is left out: the first one takes no step, so there is "
    "one place more than steps."
)
_EXCHANGED = (
    "pool_height and pool_width are exchanged: the height goes with the rows, axis 2."
)
_PLACES_EXCHANGED = (
    "H_out and W_out are exchanged in a loop or a shape: axis 2 has H_out rows, axis 3 has W_out "
    "columns."
)
_MORE_THAN_A_WINDOW = (
    "The maximum is taken over all {}: each channel of each image has maxima of its "
    "own."
)

FORWARD = Forward(
    "max_pool_forward_naive",
    ("x", "pool_param"),
    ("out", "cache"),
    conv_layers.max_pool_forward_naive,
    CASES,
    (
        Mistake("stride-ignored", _STRIDE, _pooled(step=("", ""), cut=True)),
        Mistake(
            "stride-ignored",
            "The output is as large as with stride 1: its height and width must be divided by the "
            "stride.",
            _pooled(step=("", "")),
        ),
        Mistake(
            "stride-is-window", _NEXT_TO, _pooled(step=("pool_height", "pool_width"))
        ),
        Mistake(
            "stride-is-window", _NEXT_TO, _pooled(step=("pool_height", "pool_height"))
        ),
        Mistake("stride-is-window", _NEXT_TO, _next_to_one_another),
        Mistake("places-exchanged", _PLACES_EXCHANGED, _places_exchanged),
        Mistake(
            "window-exchanged", _EXCHANGED, _pooled(size=("pool_width", "pool_height"))
        ),
        Mistake(
            "window-exchanged",
            _EXCHANGED,
            _pooled(size=("pool_width", "pool_height"), cut=True),
        ),
        Mistake(
            "square-assumed",
            "pool_height is used for the width as well: a window may be wider than it is high.",
            _pooled(size=("pool_height", "pool_height")),
        ),
        Mistake(
            "square-assumed",
            "pool_height is used for the width as well: a window may be wider than it is high.",
            _pooled(size=("pool_height", "pool_height"), cut=True),
        ),
        Mistake(
            "square-assumed",
            "pool_width is used for the height as well: a window may be wider than it is high.",
            _pooled(size=("pool_width", "pool_width")),
        ),
        Mistake(
            "square-assumed",
            "The output is as wide as it is high: compute W_out from W and pool_width, as H_out "
            "from H and pool_height.",
            _pooled(after=lambda out, x: out[:, :, :, : out.shape[2]]),
        ),
        Mistake(
            "over-channels", _MORE_THAN_A_WINDOW.format("channels"), _pooled(_over(1))
        ),
        Mistake("over-images", _MORE_THAN_A_WINDOW.format("images"), _pooled(_over(0))),
        Mistake(
            "over-channels",
            _MORE_THAN_A_WINDOW.format("images and channels"),
            _pooled(_over((0, 1))),
        ),
        Mistake(
            "mean-not-max",
            "The numbers of a window are averaged: max pooling keeps the largest.",
            _pooled(lambda windows: windows.mean(axis=(-1, -2))),
        ),
        Mistake(
            "mean-not-max",
            "The numbers of a window are summed: max pooling keeps the largest.",
            _pooled(lambda windows: windows.sum(axis=(-1, -2))),
        ),
        Mistake(
            "settings-ignored",
            "The windows are of 2x2 pixels whatever pool_param says.",
            lambda x, pool_param: conv_layers.max_pool_forward_naive(
                x, pool_param | {"pool_height": 2, "pool_width": 2}
            ),
        ),
        Mistake(
            "settings-ignored",
            "The stride is 2 whatever pool_param says.",
            lambda x, pool_param: conv_layers.max_pool_forward_naive(
                x, pool_param | {"stride": 2}
            ),
        ),
        Mistake(
            "not-reduced",
            "The maximum is taken along the rows of a window only: it is over both of its axes.",
            _pooled(lambda windows: windows.max(axis=-1)),
        ),
        Mistake(
            "not-reduced",
            "The maximum is taken along the columns of a window only: it is over both of its axes.",
            _pooled(lambda windows: windows.max(axis=-2)),
        ),
        Mistake(
            "min-not-max",
            "The smallest number of each window is kept: it must be the largest.",
            _pooled(lambda windows: windows.min(axis=(-1, -2))),
        ),
        Mistake(
            "starts-at-zero",
            "The search for the maximum begins at 0, so negative numbers are lost: begin with the "
            "window's first number.",
            _pooled(lambda windows: np.maximum(windows.max(axis=(-1, -2)), 0)),
        ),
        Mistake(
            "window-short",
            "The last row and column of each window are left out: a slice ends before its second "
            "number, so it goes to i * stride + pool_height.",
            _pooled(lambda windows: windows[..., :-1, :-1].max(axis=(-1, -2))),
        ),
        Mistake(
            "absolute",
            "The largest absolute value is kept: a large negative number is a small one.",
            _pooled(lambda windows: np.abs(windows).max(axis=(-1, -2))),
        ),
        Mistake(
            "last-window", _LAST, _pooled(after=lambda out, x: out[:, :, :-1, :-1])
        ),
        Mistake("last-window", _LAST, _pooled(after=_last_is_zero)),
        Mistake(
            "hangs-over",
            "There are windows that hang over the border: pixels that no whole window reaches are left "
            "out, so the division by the stride rounds down.",
            _partly,
        ),
    ),
    {
        "out": "out[n, c, i, j] = max(x[n, c, rows, columns])\n"
        "rows = i*stride : i*stride+pool_height, columns = j*stride : j*stride+pool_width\n"
        "H_out = 1 + (H - pool_height) // stride, and W_out likewise",
    },
    'chapter 5, section "Pooling"',
)

# ---- backward ------------------------------------------------------------------------


class PoolingBackward(Backward):
    """The backward pass, in which equal maxima may be served as the reader likes.

    Among equal maxima no derivative exists, and each convention in use passes: all to one of
    them, a share to each (numbers that add up to dout's), or all of it to each (what the
    mask `window == window.max()` does). What no convention allows is a gradient anywhere
    else, or another amount. Where a window of the reader's `dx` keeps one of them, it is
    replaced by the book's own.
    """

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        outputs = super().observe(function, forward, case)
        if case.name.startswith(TIES):
            outputs["dx"] = _first_takes_all(outputs["dx"], *case.fresh())
        return outputs


def _first_takes_all(dx: Any, x: Array, pool_param: Param) -> Any:
    """Return `dx` with the gradient of fairly served windows moved to their first
    maximum."""
    array = as_array(dx)
    if array is None or array.shape != x.shape:
        return dx
    out, cache = conv_layers.max_pool_forward_naive(x, pool_param)
    dout = gradient_for(out)
    book = conv_layers.max_pool_backward_naive(dout, cache)
    moved = array.copy()
    height, width = pool_param["pool_height"], pool_param["pool_width"]
    for n, c, i, j in np.ndindex(*out.shape):
        rows = slice(i * pool_param["stride"], i * pool_param["stride"] + height)
        columns = slice(j * pool_param["stride"], j * pool_param["stride"] + width)
        here = n, c, rows, columns
        largest, given = x[here] == out[n, c, i, j], dout[n, c, i, j]
        at = array[here][largest]
        whole = same(at, np.full_like(at, given))
        if not array[here][~largest].any() and (whole or same(at.sum(), given)):
            moved[here] = book[here]
    return moved


def _only_on_ties(
    output: str, wrong: list[Pair], right: list[Pair]
) -> Diagnosis | None:
    """Look for a gradient that is right as long as the maxima are single."""
    if not right or not wrong or any(pair.case.name != TIES for pair in wrong):
        return None
    return Diagnosis(
        "ties",
        "It is right where a window has one largest number, and wrong where it has two: either of them "
        "takes the gradient or they share it, and nothing else gets any.",
    )


Place = Callable[[Array], tuple[int, int]]


def _first_largest(window: Array) -> tuple[int, int]:
    row, column = np.unravel_index(int(np.argmax(window)), window.shape)
    return int(row), int(column)


def _scattered(
    place: Place = _first_largest,
    *,
    size: tuple[str, str] = ("pool_height", "pool_width"),
    step: tuple[str, str] = ("stride", "stride"),
    overwrite: bool = False,
    value: Callable[[Any, Any], Any] = lambda dout, x: dout,
) -> Callable[..., Any]:
    """Return a backward pass that puts `value(dout, x)` at one pixel of each window."""

    def twin(dout: Array, cache: Any) -> Array:
        x, pool_param = cache
        height, width = (pool_param[key] for key in size)
        down, right = (pool_param.get(key, 1) for key in step)
        dx = np.zeros_like(x)
        for n, c, i, j in np.ndindex(*dout.shape):
            rows = slice(i * down, i * down + height)
            columns = slice(j * right, j * right + width)
            there = dx[n, c, rows, columns]
            at = place(x[n, c, rows, columns])
            given = value(dout[n, c, i, j], x[n, c, rows, columns][at])
            there[at] = given if overwrite else there[at] + given
        return dx

    return twin


def _spread(
    mask: Callable[[Array, tuple[Any, ...]], Array],
    all_channels: bool = False,
    overwrite: bool = False,
) -> Callable[..., Any]:
    """Return a backward pass that multiplies dout with `mask(x, window)` for each window,
    in its own channel or in all of them."""

    def twin(dout: Array, cache: Any) -> Array:
        x, pool_param = cache
        stride = pool_param["stride"]
        height, width = pool_param["pool_height"], pool_param["pool_width"]
        dx = np.zeros_like(x)
        for n, c, i, j in np.ndindex(*dout.shape):
            rows = slice(i * stride, i * stride + height)
            columns = slice(j * stride, j * stride + width)
            window = n, slice(None) if all_channels else c, rows, columns
            given = mask(x, (n, c, rows, columns)) * dout[n, c, i, j]
            dx[window] = given if overwrite else dx[window] + given
        return dx

    return twin


def _in_the_corner(dout: Array, cache: Any) -> Array:
    """Hand the gradients to places counted from the image's corner, not the window's."""
    x, pool_param = cache
    stride = pool_param["stride"]
    height, width = pool_param["pool_height"], pool_param["pool_width"]
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        rows = slice(i * stride, i * stride + height)
        columns = slice(j * stride, j * stride + width)
        row, column = _first_largest(x[n, c, rows, columns])
        dx[n, c, row, column] += dout[n, c, i, j]
    return dx


def _wherever_in_image(dout: Array, cache: Any) -> Array:
    """Hand the gradient to every pixel of the image that equals the maximum."""
    x, pool_param = cache
    out, _ = conv_layers.max_pool_forward_naive(x, pool_param)
    equal = x[:, :, None, None] == out[:, :, :, :, None, None]
    return np.einsum("ncijhw,ncij->nchw", equal, dout)


def _largest_of_window(x: Array, window: tuple[Any, ...]) -> Array:
    return np.asarray(x[window] == x[window].max())


def _largest_of_channels(x: Array, window: tuple[Any, ...]) -> Array:
    """Mark where the window is the largest of all channels, in its own channel."""
    n, c, rows, columns = window
    return np.asarray(x[window] == x[n, :, rows, columns].max())


def _largest_of_images(x: Array, window: tuple[Any, ...]) -> Array:
    n, c, rows, columns = window
    return np.asarray(x[window] == x[:, c, rows, columns].max())


def _largest_of_all(x: Array, window: tuple[Any, ...]) -> Array:
    n, c, rows, columns = window
    return np.asarray(x[window] == x[:, :, rows, columns].max())


def _into_the_channel(x: Array, window: tuple[Any, ...]) -> Array:
    """Mark where the window is the largest of all channels, in any of them."""
    n, c, rows, columns = window
    every = x[n, :, rows, columns]
    return np.asarray(every == every.max())


def _without_last_windows(dout: Array, cache: Any) -> Array:
    kept = dout.copy()
    kept[:, :, -1], kept[:, :, :, -1] = 0, 0
    return conv_layers.max_pool_backward_naive(kept, cache)


_ALL_PIXELS = (
    "Every pixel of a window gets a gradient: only the largest moved the output, so only it gets one, "
    "and the others get none."
)
_OF_CHANNELS = (
    "The maximum is looked for in all channels at once: each channel has a maximum of its own, "
    "and hands its own gradient to it."
)
_OF_IMAGES = (
    "The maximum is looked for in all images at once: each image has maxima of its own."
)

BACKWARD = PoolingBackward(
    "max_pool_backward_naive",
    ("dout", "cache"),
    ("dx",),
    conv_layers.max_pool_backward_naive,
    CASES,
    (
        Mistake(
            "not-accumulated",
            "A pixel can be the maximum of several windows that overlap: their gradients must be added "
            "(`+=`), and yours overwrite one another.",
            _scattered(overwrite=True),
        ),
        Mistake(
            "not-accumulated",
            "A window's mask is assigned to `dx`, zeros and all: where windows overlap, it wipes "
            "out what the others left there. Add it (`+=`).",
            _spread(_largest_of_window, overwrite=True),
        ),
        Mistake(
            "stride-ignored",
            "The stride is ignored on the way back: the window of dout[n, c, i, j] begins at pixel "
            "(i * stride, j * stride).",
            _scattered(step=("", "")),
        ),
        Mistake(
            "window-place-forgotten",
            "All gradients land in the upper left corner: the maximum's row and column count from its "
            "window's first pixel, (i * stride, j * stride), which is to be added.",
            _in_the_corner,
        ),
        Mistake(
            "stride-is-window",
            "The windows lie next to one another on the way back, as if the stride were their size.",
            _scattered(step=("pool_height", "pool_width")),
        ),
        Mistake(
            "all-pixels",
            _ALL_PIXELS,
            _spread(lambda x, window: np.ones(x[window].shape)),
        ),
        Mistake(
            "all-pixels",
            _ALL_PIXELS,
            _spread(lambda x, window: np.ones(x[window].shape) / x[window].size),
        ),
        Mistake(
            "max-of-image",
            "Every pixel of the image that equals a maximum gets its gradient: look for it in the "
            "window alone.",
            _wherever_in_image,
        ),
        Mistake("over-channels", _OF_CHANNELS, _spread(_largest_of_channels)),
        Mistake(
            "over-channels", _OF_CHANNELS, _spread(_into_the_channel, all_channels=True)
        ),
        Mistake("over-images", _OF_IMAGES, _spread(_largest_of_images)),
        Mistake(
            "over-images",
            "The maximum is looked for in all images and channels at once: each channel of each "
            "image has maxima of its own.",
            _spread(_largest_of_all),
        ),
        Mistake(
            "argmax-order",
            "The flat index of argmax is taken apart in the wrong order: it runs along the rows, so the "
            "row is index // pool_width and the column index % pool_width.",
            _scattered(lambda window: _first_largest(window)[::-1]),
        ),
        Mistake(
            "window-exchanged",
            _EXCHANGED,
            _scattered(size=("pool_width", "pool_height")),
        ),
        Mistake(
            "square-assumed",
            "pool_height is used for the width as well: a window may be wider than it is high.",
            _scattered(size=("pool_height", "pool_height")),
        ),
        Mistake(
            "times-x",
            "The gradient is multiplied by the maximum itself: the maximum passes it on as it is.",
            _scattered(value=lambda dout, x: dout * x),
        ),
        Mistake(
            "no-dout",
            "`dout` is not used: the maximum of a window gets that window's number of `dout`.",
            _scattered(value=lambda dout, x: 1),
        ),
        Mistake(
            "no-dout",
            "`dx` holds the maxima themselves: the maximum of a window gets that window's number "
            "of `dout`.",
            _scattered(value=lambda dout, x: x),
        ),
        Mistake(
            "min-not-max",
            "The smallest pixel of each window gets the gradient: it belongs to the largest.",
            _scattered(lambda window: _first_largest(-window)),
        ),
        Mistake(
            "absolute",
            "The pixel with the largest absolute value gets the gradient: it belongs to the "
            "largest number.",
            _scattered(lambda window: _first_largest(np.abs(window))),
        ),
        Mistake(
            "first-pixel",
            "The first pixel of each window gets the gradient: it belongs to the largest.",
            _scattered(lambda window: (0, 0)),
        ),
        Mistake(
            "last-window",
            "The last row and column of windows are left out: loop over all of dout.shape[2] and "
            "dout.shape[3].",
            _without_last_windows,
        ),
    ),
    {
        "dx": "dx[n, c, at the maximum of its window (i, j)] += dout[n, c, i, j]",
    },
    'chapter 5, section "Pooling"',
    forward_name="max_pool_forward_naive",
    forward_reference=conv_layers.max_pool_forward_naive,
    forward_specification=FORWARD,
    patterns=(_only_on_ties,),
)

ALL = (FORWARD, BACKWARD)
