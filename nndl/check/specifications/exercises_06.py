"""The exercises of chapter 6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ... import conv_layers
from .._calls import Trouble
from .._compare import as_array
from .._specification import (
    EDGE_CASES,
    VALUES,
    Case,
    Function,
    Mistake,
    Outputs,
    Plain,
    numbers,
)

Array = np.ndarray
Param = dict[str, Any]
Results = tuple[Any, ...]

_BACKWARD = 'chapter 6, section "Backward"'

# ---- im2col and its way back ---------------------------------------------------------


def _places(
    x_shape: tuple[int, ...], HH: int, WW: int, stride: int, pad: int
) -> tuple[int, int]:
    H, W = x_shape[2:]
    return 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride


def _im2col(x: Array, HH: int, WW: int, stride: int, pad: int) -> Array:
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(padded, (HH, WW), axis=(2, 3))
    columns = windows[:, :, ::stride, ::stride].transpose(1, 4, 5, 0, 2, 3)
    return columns.reshape(x.shape[1] * HH * WW, -1)


Windows = Callable[[Array, tuple[int, ...], int, int, int, int], Array]


def _windows(
    dcols: Array, x_shape: tuple[int, ...], HH: int, WW: int, H_out: int, W_out: int
) -> Array:
    """Return the columns as windows, with the axes (n, c, p, q, i, j)."""
    N, C = x_shape[:2]
    return dcols.reshape(C, HH, WW, N, H_out, W_out).transpose(3, 0, 1, 2, 4, 5)


def _stripped(dpadded: Array, x_shape: tuple[int, ...], pad: int) -> Array:
    return dpadded[:, :, pad : pad + x_shape[2], pad : pad + x_shape[3]]


def _back(
    windows: Windows = _windows,
    strip: Callable[[Array, tuple[int, ...], int], Array] = _stripped,
    *,
    stride: int | None = None,
    overwrite: bool = False,
    averaged: bool = False,
    turned: bool = False,
) -> Callable[..., Any]:
    """Return col2im, with columns read in another way, with another stride, with copies
    that overwrite one another or are averaged, or with windows turned round."""

    def twin(
        dcols: Array, x_shape: tuple[int, ...], HH: int, WW: int, s: int, pad: int
    ) -> Array:
        H_out, W_out = _places(x_shape, HH, WW, s, pad)
        copies = windows(dcols, x_shape, HH, WW, H_out, W_out)
        step = stride or s
        N, C, H, W = x_shape
        dpadded = np.zeros((N, C, H + 2 * pad, W + 2 * pad), dcols.dtype)
        count = np.zeros_like(dpadded)
        for p, q in np.ndindex(HH, WW):
            rows = slice(p, p + step * H_out, step)
            columns = slice(q, q + step * W_out, step)
            given = copies[:, :, -1 - p, -1 - q] if turned else copies[:, :, p, q]
            if overwrite:
                dpadded[:, :, rows, columns] = 0
            dpadded[:, :, rows, columns] += given
            count[:, :, rows, columns] += 1
        if averaged:
            dpadded /= np.maximum(count, 1)
        return strip(dpadded, x_shape, pad)

    return twin


def col2im(
    dcols: Array, x_shape: tuple[int, ...], HH: int, WW: int, stride: int, pad: int
) -> Array:
    """Add every window's numbers where the window lay; return them without the padding."""
    return _back()(dcols, x_shape, HH, WW, stride, pad)


def _col_case(
    name: str,
    x_shape: tuple[int, int, int, int],
    filters: tuple[int, int],
    stride: int = 1,
    pad: int = 0,
    stage: str = EDGE_CASES,
) -> Case:
    H_out, W_out = _places(x_shape, *filters, stride, pad)
    N, C = x_shape[:2]
    K, M = C * filters[0] * filters[1], N * H_out * W_out
    arguments = numbers(K, M), x_shape, *filters, stride, pad
    return Case(name, arguments, stage, {"N": N, "HH * WW": filters[0] * filters[1]})


COL_CASES = (
    _col_case("2 images of 3 channels, 3x3 windows", (2, 3, 4, 4), (3, 3), stage=VALUES),
    _col_case("3 images of 2 channels, pad = 1", (3, 2, 4, 5), (3, 3), 1, 1, VALUES),
    _col_case("a stride of 2 and pad = 1", (2, 3, 5, 7), (3, 3), 2, 1),
    _col_case("windows higher than wide", (2, 3, 5, 4), (3, 2)),
    _col_case("a stride that leaves pixels over", (2, 1, 6, 6), (3, 3), 2),
    _col_case("a stride larger than the windows", (2, 3, 5, 5), (2, 2), 3),
    _col_case("pad = 2", (1, 2, 3, 4), (3, 3), 1, 2),
)  # fmt: skip

_NOT_ADDED = (
    "Copies overwrite one another: a pixel gets the sum of what all its copies get, so add them up "
    "(`+=`)."
)
_PAD_LEFT = (
    "The padding is still around it: cut it off, so that `dx` has the shape of `x`."
)
_PAD_EMPTY = "With pad = 0 the slice [pad:-pad] is empty: cut from pad to pad + H, and to pad + W."
_STRIDE = (
    "The stride is ignored on the way back: place (p, q) of window (i, j) is the pixel "
    "(i * stride + p, j * stride + q)."
)
_ORDER = (
    "The axes of dcols are taken apart in another order than im2col put them together: reshape to "
    "(C, HH, WW, N, H_out, W_out), and transpose only then."
)

COL2IM = Plain(
    "col2im",
    ("dcols", "x_shape", "HH", "WW", "stride", "pad"),
    ("dx",),
    col2im,
    COL_CASES,
    (
        Mistake("not-accumulated", _NOT_ADDED, _back(overwrite=True)),
        Mistake(
            "averaged",
            "The copies of a pixel are averaged: the chain rule adds up what they get.",
            _back(averaged=True),
        ),
        Mistake(
            "pad-not-stripped", _PAD_LEFT, _back(strip=lambda dpadded, shape, pad: dpadded)
        ),
        Mistake(
            "pad-slice-empty",
            _PAD_EMPTY,
            _back(strip=lambda dpadded, shape, pad: dpadded[:, :, pad:-pad, pad:-pad]),
        ),
        Mistake(
            "pad-stripped-wrongly",
            "The padding is cut off at the bottom and the right only: the image begins at pixel "
            "(pad, pad).",
            _back(
                strip=lambda dpadded, shape, pad: dpadded[:, :, : shape[2], : shape[3]]
            ),
        ),
        Mistake("stride-ignored", _STRIDE, _back(stride=1)),
        Mistake(
            "reshape-order",
            _ORDER + " Here the images came last.",
            _back(
                lambda dcols, shape, HH, WW, H_out, W_out: dcols.reshape(
                    shape[1], HH, WW, H_out, W_out, shape[0]
                ).transpose(5, 0, 1, 2, 3, 4)
            ),
        ),
        Mistake(
            "reshape-order",
            _ORDER + " Here it was reshaped straight to (N, C, HH, WW, H_out, W_out).",
            _back(
                lambda dcols, shape, HH, WW, H_out, W_out: dcols.reshape(
                    shape[0], shape[1], HH, WW, H_out, W_out
                )
            ),
        ),
        Mistake(
            "reshape-order",
            _ORDER + " Here the places came before the windows.",
            _back(
                lambda dcols, shape, HH, WW, H_out, W_out: dcols.reshape(
                    shape[0], H_out, W_out, shape[1], HH, WW
                ).transpose(0, 3, 4, 5, 1, 2)
            ),
        ),
        Mistake(
            "reshape-order",
            _ORDER + " Here dcols was transposed first, and p and q were exchanged.",
            _back(
                lambda dcols, shape, HH, WW, H_out, W_out: dcols.reshape(
                    shape[1], WW, HH, shape[0], H_out, W_out
                ).transpose(3, 0, 2, 1, 4, 5)
            ),
        ),
        Mistake(
            "window-turned",
            "The windows are turned round: place (p, q) of a window goes back to the pixel (p, q) of "
            "it, as im2col took it.",
            _back(turned=True),
        ),
    ),
    {"dx": "dpadded[n, c, i*stride + p, j*stride + q] += dcols[(c, p, q), (n, i, j)]\n"
     "dx = dpadded[:, :, pad : pad+H, pad : pad+W]"},
    _BACKWARD,
)  # fmt: skip

# ---- the backward pass by im2col -----------------------------------------------------


def _swapped(dout: Array) -> Array:
    return dout.swapaxes(0, 1).reshape(dout.shape[1], -1)


def _by_im2col(
    rows: Callable[[Array], Array] = _swapped,
    dw: Callable[[Array, Array], Array] = lambda rows, cols: rows @ cols.T,
    db: Callable[[Array], Array] = lambda rows: rows.sum(axis=1),
    filters: Callable[[Array], Array] = lambda w: w.reshape(len(w), -1),
    back: Callable[..., Any] = col2im,
) -> Callable[..., Any]:
    """Return the backward pass with something else in one of its steps."""

    def twin(dout: Array, x: Array, w: Array, conv_param: Param) -> Results:
        HH, WW, stride, pad = *w.shape[2:], conv_param["stride"], conv_param["pad"]
        flat = rows(dout)
        cols = _im2col(x, HH, WW, stride, pad)
        dx = back(filters(w).T @ flat, x.shape, HH, WW, stride, pad)
        return dx, dw(flat, cols).reshape(w.shape), db(flat)

    return twin


def _conv_case(
    name: str,
    x: tuple[int, int, int, int],
    filters: tuple[int, int, int],
    stride: int = 1,
    pad: int = 0,
    stage: str = EDGE_CASES,
) -> Case:
    (N, C), (F, HH, WW) = x[:2], filters
    H_out, W_out = _places(x, HH, WW, stride, pad)
    arguments = (
        numbers(N, F, H_out, W_out, seed=1), numbers(*x),
        numbers(F, C, HH, WW, seed=2), {"stride": stride, "pad": pad},
    )  # fmt: skip
    sizes = {"N": N, "C": C, "F": F, "H_out * W_out": H_out * W_out}
    return Case(name, arguments, stage, sizes)


IM2COL_CASES = (
    _conv_case("4 filters of 3x3, 2 images of 3 channels", (2, 3, 4, 4), (4, 3, 3), stage=VALUES),
    _conv_case("5 filters, 3 images of 2 channels, pad = 1", (3, 2, 4, 5), (5, 3, 3), 1, 1, VALUES),
    _conv_case("a stride of 2 and pad = 1", (2, 3, 5, 7), (4, 3, 3), 2, 1),
    _conv_case("filters higher than wide", (2, 3, 5, 4), (4, 3, 2)),
    _conv_case("a stride that leaves pixels over", (2, 1, 6, 6), (3, 3, 3), 2),
    _conv_case("a stride larger than the filters", (2, 3, 5, 5), (4, 2, 2), 3),
    _conv_case("a single image, channel and filter", (1, 1, 4, 4), (1, 2, 2)),
)  # fmt: skip

BY_IM2COL = Plain(
    "conv_backward_im2col",
    ("dout", "x", "w", "conv_param"),
    ("dx", "dw", "db"),
    _by_im2col(),
    IM2COL_CASES,
    (
        Mistake(
            "axes-not-swapped",
            "dout was reshaped to (F, M) without exchanging its axes N and F first, which mixes images "
            "and filters: dout.swapaxes(0, 1) comes before the reshape.",
            _by_im2col(lambda dout: dout.reshape(dout.shape[1], -1)),
        ),
        Mistake(
            "axes-not-swapped",
            "dout was made a matrix of shape (M, F) and reshaped to (F, M): transpose it.",
            _by_im2col(
                lambda dout: dout.transpose(0, 2, 3, 1).reshape(dout.shape[1], -1)
            ),
        ),
        Mistake("not-accumulated", _NOT_ADDED, _by_im2col(back=_back(overwrite=True))),
        Mistake(
            "pad-not-stripped",
            _PAD_LEFT,
            _by_im2col(back=_back(strip=lambda dpadded, shape, pad: dpadded)),
        ),
        Mistake(
            "pad-slice-empty",
            _PAD_EMPTY,
            _by_im2col(
                back=_back(
                    strip=lambda dpadded, shape, pad: dpadded[:, :, pad:-pad, pad:-pad]
                )
            ),
        ),
        Mistake("stride-ignored", _STRIDE, _by_im2col(back=_back(stride=1))),
        Mistake(
            "filters-mixed",
            "The filters were reshaped to (K, F) in place of being transposed, which mixes them up: "
            "w.reshape(F, -1).T.",
            _by_im2col(filters=lambda w: w.reshape(-1, len(w)).T),
        ),
        Mistake(
            "filter-flipped",
            "The filters are turned round: with columns, dcols is w.reshape(F, -1).T @ dout, with the "
            "filters as they lie.",
            _by_im2col(filters=lambda w: w[:, :, ::-1, ::-1].reshape(len(w), -1)),
        ),
        Mistake(
            "dw-transposed",
            "`dw` was computed with the shape (K, F) and reshaped, which mixes the filters up: it is "
            "dout @ cols.T, of shape (F, K).",
            _by_im2col(dw=lambda rows, cols: cols @ rows.T),
        ),
        Mistake(
            "averaged",
            "`dw` is a mean over all places: it is their sum.",
            _by_im2col(dw=lambda rows, cols: rows @ cols.T / rows.shape[1]),
        ),
        Mistake(
            "averaged",
            "`db` is a mean over all places: it is their sum.",
            _by_im2col(db=lambda rows: rows.mean(axis=1)),
        ),
        Mistake(
            "wrong-axis",
            "`b` is used for every image and every place: `db` is the sum over the axis M of dout as "
            "(F, M), or over the axes (0, 2, 3).",
            _by_im2col(db=lambda rows: rows.sum(axis=0)),
        ),
    ),
    {
        "dx": "dx = col2im(w.reshape(F, -1).T @ rows, ...), where rows is dout as (F, M)",
        "dw": "dw = rows @ cols.T, reshaped to (F, C, HH, WW)",
        "db": "db = rows.sum(axis=1)",
    },
    _BACKWARD,
)  # fmt: skip

# ---- tiles ---------------------------------------------------------------------------

_WHOLE, _OVER, _LOADS = "whole numbers", "registers too many", "multiply-adds a load"


class Tile(Plain):
    """The choice of a tile, of which there may be several that are equally good."""

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        (registers,) = case.fresh()
        chosen = [as_array(size) for size in function(registers)]
        best = _loads(*best_tile(registers))
        seen: Outputs = {_WHOLE: 1.0, _OVER: 0.0, _LOADS: best}
        if any(size is None or size.size != 1 for size in chosen):
            return seen | {_WHOLE: 0.0}
        m, v = (float(size.item()) for size in chosen if size is not None)
        if not (m >= 1 and v >= 1 and m == int(m) and v == int(v)):
            return seen | {_WHOLE: 0.0}
        seen[_OVER] = max(0.0, _registers(m, v) - registers)
        if not seen[_OVER]:
            seen[_LOADS] = _loads(m, v)
        return seen


def _registers(m: float, v: float) -> float:
    return m * v + v + 1


def _loads(m: float, v: float) -> float:
    return m * v / (m + v)


def _chosen(
    fits: Callable[[int, int, int], bool] = lambda m, v, registers: (
        _registers(m, v) <= registers
    ),
    worth: Callable[[int, int], float] = _loads,
    order: int = 1,
) -> Callable[..., Any]:
    """Return a choice of tiles, with another condition or another aim."""

    def twin(registers: int) -> Any:
        tiles = [
            (m, v)
            for m in range(1, registers)
            for v in range(1, registers)
            if fits(m, v, registers)
        ]
        return max(tiles, key=lambda tile: worth(*tile))[::order]

    return twin


def best_tile(registers: int) -> tuple[int, int]:
    """Return the tile with the most sums for each number loaded, of those that fit."""
    m, v = _chosen()(registers)
    return m, v


_NEEDS = "a tile of m x v needs m * v + v + 1 registers"

TILE = Tile(
    "best_tile",
    ("registers",),
    ("m", "v"),
    best_tile,
    tuple(
        Case(f"{registers} registers", (registers,), stage)
        for registers, stage in ((16, VALUES), (32, VALUES), (4, EDGE_CASES), (3, EDGE_CASES))
    ),
    (
        Mistake(
            "not-whole",
            "A tile has whole rows and whole vectors: go through all pairs of whole numbers that fit.",
            lambda registers: (np.sqrt(registers), 0.5),
        ),
        Mistake(
            "exchanged",
            "m and v are exchanged: m counts the rows and v the vectors, and only the v loaded vectors "
            "need registers besides the tile's own.",
            _chosen(order=-1),
        ),
        Mistake(
            "registers-miscounted",
            f"Only the m * v sums were counted; {_NEEDS}.",
            _chosen(lambda m, v, registers: m * v <= registers),
        ),
        Mistake(
            "registers-miscounted",
            f"The last register, for the number that is broadcast, was not counted; {_NEEDS}.",
            _chosen(lambda m, v, registers: m * v + v <= registers),
        ),
        Mistake(
            "registers-miscounted",
            f"m + v registers were counted for what is loaded; {_NEEDS}.",
            _chosen(lambda m, v, registers: m * v + m + v <= registers),
        ),
        Mistake(
            "one-register-unused",
            "A tile may use all registers: compare with <=, not with <.",
            _chosen(lambda m, v, registers: _registers(m, v) < registers),
        ),
        Mistake(
            "most-work",
            "This is the tile with the most multiply-adds, m * v: it is to have the most of them for "
            "each load, m * v / (m + v).",
            _chosen(worth=lambda m, v: m * v),
        ),
        Mistake(
            "fewest-loads",
            "This is the tile with the fewest loads: it is to have the most multiply-adds for each of "
            "them, m * v / (m + v).",
            _chosen(worth=lambda m, v: -(m + v)),
        ),
        Mistake(
            "square-only",
            "Only square tiles were tried: m and v may differ.",
            _chosen(lambda m, v, registers: m == v and _registers(m, v) <= registers),
        ),
    ),
    dict.fromkeys((_OVER, _LOADS), "maximize m * v / (m + v), where m * v + v + 1 <= registers"),
    'chapter 6, section "The register tile"',
    wording={
        _WHOLE: "m and v must be whole numbers, at least 1",
        _OVER: "the tile needs {got:.0f} registers more than there are",
        _LOADS: "the tile makes {got:.2f} multiply-adds a load; {expected:.2f} are possible",
    },
)  # fmt: skip

# ---- pooling by slices ---------------------------------------------------------------

_MANY = "a million windows, within a second"


@dataclass(frozen=True)
class QuickPooling(Plain):
    """Pooling without a loop over places, which is known by its time."""

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        try:
            return super().observe(function, forward, case)
        except Trouble as trouble:
            if trouble.cause != "time-limit" or not case.name.startswith(_MANY):
                raise
            raise Trouble(
                "loop-over-places",
                "had not returned after the time limit, on a million windows",
                "A loop over the places takes far longer than four slices, each with one corner of all "
                "windows.",
                trouble.line,
            ) from None


def _even_case(name: str, x: Array, stage: str = EDGE_CASES) -> Case:
    return Case(name, (x,), stage, {"N": len(x), "C": x.shape[1]})


def _slices(
    join: Callable[[list[Array]], Any] = lambda corners: np.max(corners, axis=0),
    corners: tuple[tuple[int, int], ...] = ((0, 0), (0, 1), (1, 0), (1, 1)),
) -> Callable[..., Any]:
    """Return a pooling of some corners of each window."""
    return lambda x: join([x[:, :, p::2, q::2] for p, q in corners])


def pool_by_slices(x: Array) -> Array:
    above = np.maximum(x[:, :, ::2, ::2], x[:, :, ::2, 1::2])
    below = np.maximum(x[:, :, 1::2, ::2], x[:, :, 1::2, 1::2])
    return np.asarray(np.maximum(above, below))


POOL = QuickPooling(
    "pool_by_slices",
    ("x",),
    ("out",),
    pool_by_slices,
    (
        _even_case("2 images of 3 channels, of 4x4", numbers(2, 3, 4, 4), VALUES),
        _even_case("3 images of 2 channels, of 6x6", numbers(3, 2, 6, 6), VALUES),
        _even_case("images wider than high", numbers(2, 3, 2, 6)),
        _even_case("nothing but negative numbers", numbers(2, 3, 4, 4) - 6),
        _even_case("a single window", numbers(1, 1, 2, 2)),
        _even_case(_MANY, np.tile(numbers(1, 1, 64, 64).astype("float32"), (64, 16, 1, 1))),
    ),
    (
        Mistake(
            "corner-forgotten",
            "One corner of the windows, the lower right one, is left out: a window has four.",
            _slices(corners=((0, 0), (0, 1), (1, 0))),
        ),
        Mistake(
            "corner-forgotten",
            "Only two corners of the windows are compared, those on the diagonal: a window has four.",
            _slices(corners=((0, 0), (1, 1))),
        ),
        Mistake(
            "one-direction",
            "Only the upper row of each window is looked at: compare with the lower one as well.",
            _slices(corners=((0, 0), (0, 1))),
        ),
        Mistake(
            "one-direction",
            "Only the left column of each window is looked at: compare with the right one as well.",
            _slices(corners=((0, 0), (1, 0))),
        ),
        Mistake(
            "not-compared",
            "This is every second pixel of every second line, one corner of each window: the four "
            "corners are still to be compared.",
            _slices(corners=((0, 0),)),
        ),
        Mistake(
            "mean-not-max",
            "The numbers of a window are averaged: max pooling keeps the largest.",
            _slices(lambda corners: np.mean(corners, axis=0)),
        ),
        Mistake(
            "min-not-max",
            "The smallest number of each window is kept: it must be the largest.",
            _slices(lambda corners: np.min(corners, axis=0)),
        ),
        Mistake(
            "starts-at-zero",
            "Negative maxima are lost: was an array of zeros among what is compared?",
            _slices(lambda corners: np.maximum(np.max(corners, axis=0), 0)),
        ),
        Mistake(
            "quarters-not-corners",
            "Far pixels are compared with each other: the images were cut into quarters. The corners of "
            "all windows are slices with step 2, x[:, :, p::2, q::2].",
            lambda x: np.max(
                [
                    x[:, :, rows, columns]
                    for rows in (slice(x.shape[2] // 2), slice(x.shape[2] // 2, None))
                    for columns in (slice(x.shape[3] // 2), slice(x.shape[3] // 2, None))
                ],
                axis=0,
            ),
        ),
    ),
    {"out": "out = maximum of x[:, :, p::2, q::2] over p and q in (0, 1)"},
    'chapter 5, section "Pooling"',
)  # fmt: skip

# ---- Winograd ------------------------------------------------------------------------

_A = np.array([[1.0, 0], [1, 1], [1, -1], [0, 1]])
_G = np.array([[1.0, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]])
_B = np.array([[1.0, 0, 0, 0], [0, 0.5, -0.5, -1], [-1, 0.5, 0.5, 0], [0, 0, 0, 1]])


def _by_winograd(
    filters: Callable[[Array], Array] = lambda w: _G @ w @ _G.T,
    padding: tuple[tuple[int, int], tuple[int, int]] = ((1, 1), (1, 1)),
    put: Callable[[Array], Array] = lambda tiles: tiles.transpose(0, 1, 2, 4, 3, 5),
    sum_over: str = "ncijkl,fckl->nfijkl",
    bias: Callable[[Array], Any] = lambda b: b[:, None, None],
    transform: Array = _B,
    mode: Any = "constant",
) -> Callable[..., Any]:
    """Return a convolution by F(2, 3), with something else in one of its steps."""

    def twin(x: Array, w: Array, b: Array) -> Array:
        padded = np.pad(x, ((0, 0), (0, 0), *padding), mode)
        patches = sliding_window_view(padded, (4, 4), axis=(2, 3))[:, :, ::2, ::2]
        spectra = transform.T @ patches @ transform
        tiles = _A.T @ np.einsum(sum_over, spectra, filters(w)) @ _A
        N, F, rows, columns = tiles.shape[:4]
        out = put(tiles).reshape(N, F, 2 * rows, 2 * columns) + bias(b)
        return np.asarray(out).astype(x.dtype)

    return twin


def _image_case(
    name: str, x: tuple[int, int, int, int], F: int, stage: str = VALUES
) -> Case:
    arguments = numbers(*x), numbers(F, x[1], 3, 3, seed=2), numbers(F, seed=3)
    return Case(name, arguments, stage, {"N": x[0], "C": x[1], "F": F})


WINOGRAD = Plain(
    "conv_forward_winograd",
    ("x", "w", "b"),
    ("out",),
    lambda x, w, b: conv_layers.conv_forward_naive(
        x, w, b, {"stride": 1, "pad": 1}
    )[0],
    (
        _image_case("4 filters, 2 images of 3 channels", (2, 3, 6, 6), 4),
        _image_case("5 filters, 3 images of 2 channels", (3, 2, 4, 6), 5),
        _image_case("images higher than wide", (2, 3, 6, 4), 2, EDGE_CASES),
        _image_case("images of 2x2, which are all border", (2, 2, 2, 2), 3, EDGE_CASES),
        _image_case("a single image, channel and filter", (1, 1, 4, 4), 1, EDGE_CASES),
    ),
    (
        Mistake(
            "filter-flipped",
            "The filters are turned round: this layer multiplies window and filter as they lie.",
            _by_winograd(lambda w: _G @ w[:, :, ::-1, ::-1] @ _G.T),
        ),
        Mistake(
            "filter-transposed",
            "Rows and columns of the filters are exchanged: G @ w @ G.T, with w as it is.",
            _by_winograd(lambda w: _G @ w.swapaxes(2, 3) @ _G.T),
        ),
        Mistake(
            "tiles-not-woven",
            "The tiles lie one after another: move their rows between those of the places, from "
            "(N, F, H/2, W/2, 2, 2) to (N, F, H/2, 2, W/2, 2), before the reshape.",
            _by_winograd(put=lambda tiles: tiles),
        ),
        Mistake(
            "tiles-transposed",
            "Every tile is transposed: its rows (axis 4) go between the rows of the places (axis 2).",
            _by_winograd(put=lambda tiles: tiles.transpose(0, 1, 2, 5, 3, 4)),
        ),
        Mistake(
            "no-bias", "The bias is never added.", _by_winograd(bias=lambda b: 0)
        ),
        Mistake(
            "transform-transposed",
            "The inner transform is the wrong way round: the patches become B.T @ d @ B.",
            _by_winograd(transform=_B.T),
        ),
        Mistake(
            "padding-one-side",
            "It is right but moved by a pixel: the padding is at the bottom and the right only, and it "
            "belongs on all four sides.",
            _by_winograd(padding=((0, 2), (0, 2))),
        ),
        Mistake(
            "padding-one-side",
            "It is right but moved by a pixel: the padding is at the top and the left only, and it "
            "belongs on all four sides.",
            _by_winograd(padding=((2, 0), (2, 0))),
        ),
        Mistake(
            "pad-forgotten",
            "The output is smaller than the images: pad them by one pixel of zeros on all four sides.",
            _by_winograd(padding=((0, 0), (0, 0))),
        ),
        Mistake(
            "pad-not-zeros",
            "The padding repeats the pixels of the border: it must be of zeros.",
            _by_winograd(mode="edge"),
        ),
        Mistake(
            "channels-not-paired",
            "Channels were summed on their own, and filters on theirs: each channel meets its own slice "
            "of the filter, and only the products are summed.",
            _by_winograd(sum_over="ncijkl,fdkl->nfijkl"),
        ),
    ),
    {"out": "Y[f] = A.T @ (sum over c of (G @ w[f, c] @ G.T) * (B.T @ d[c] @ B)) @ A + b[f]\n"
     "d[c] = 4x4 patch of channel c of the padded image, at every second row and column"},
    'chapter 6, section "Two dimensions, many channels"',
)  # fmt: skip

ALL = (COL2IM, BY_IM2COL, TILE, POOL, WINOGRAD)
