"""Windows of images as the columns of a matrix, and back.

A column holds one window, in the order (C, HH, WW); the columns are in the order
(H_out, W_out, N), the image running fastest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._arguments import Array, as_numbers, whole_number

Indices = tuple[Any, Any, Any]
Shape = tuple[int, int, int, int]


def get_im2col_indices(
    x_shape: Shape,
    field_height: int,
    field_width: int,
    padding: int = 1,
    stride: int = 1,
) -> Indices:
    """Return where the entries of every column lie in a padded image.

    Returns
    -------
    k, i, j : integer arrays
        Channel (C * HH * WW, 1), row and pixel (C * HH * WW, H_out * W_out), so that
        ``x_padded[:, k, i, j]`` has shape (N, C * HH * WW, H_out * W_out).

    Raises
    ------
    ValueError
        If the windows do not fit the padded image an integer number of times.
    """
    _, C, H, W = _sizes(x_shape)
    HH, H_out = _fits("height", H, field_height, padding, stride)
    WW, W_out = _fits("width", W, field_width, padding, stride)
    k, p, q = np.indices((C, HH, WW)).reshape(3, C * HH * WW, 1)
    i, j = int(stride) * np.indices((H_out, W_out)).reshape(2, 1, H_out * W_out)
    return k, p + i, q + j


def im2col_indices(
    x: Array, field_height: int, field_width: int, padding: int = 1, stride: int = 1
) -> Array:
    """Copy every window of a minibatch (N, C, H, W) into a column of a matrix
    (C * HH * WW, H_out * W_out * N)."""
    x = as_numbers("x", x)
    k, i, j = get_im2col_indices(x.shape, field_height, field_width, padding, stride)
    columns = _padded(x, padding)[:, k, i, j]
    N, entries, places = columns.shape
    return columns.transpose(1, 2, 0).reshape(entries, places * N)


def col2im_indices(
    cols: Array,
    x_shape: Shape,
    field_height: int = 3,
    field_width: int = 3,
    padding: int = 1,
    stride: int = 1,
) -> Array:
    """Add every column of a matrix (C * HH * WW, H_out * W_out * N) to its window of a
    minibatch (N, C, H, W): the gradient of `im2col_indices`."""
    N, C, H, W = _sizes(x_shape)
    HH, H_out = _fits("height", H, field_height, padding, stride)
    WW, W_out = _fits("width", W, field_width, padding, stride)
    cols, shape = as_numbers("cols", cols), (C * HH * WW, H_out * W_out * N)
    if cols.shape != shape:
        raise ValueError(
            f"`cols` must have shape {shape}, but its shape is {cols.shape}."
        )
    windows = cols.reshape(C, HH, WW, H_out, W_out, N)
    return _add_windows(windows.transpose(0, 1, 2, 5, 3, 4), x_shape, padding, stride)


def _add_windows(windows: Array, x_shape: Shape, padding: int, stride: int) -> Array:
    """Add windows (C, HH, WW, N, H_out, W_out) to where they came from, without the
    padding."""
    N, C, H, W = x_shape
    _, HH, WW, _, H_out, W_out = windows.shape
    padding, stride = int(padding), int(stride)
    x = np.zeros((C, N, H + 2 * padding, W + 2 * padding), windows.dtype)
    # The same pixel of all windows at once: they do not overlap.
    for p, q in np.ndindex(HH, WW):
        rows = slice(p, p + stride * H_out, stride)
        pixels = slice(q, q + stride * W_out, stride)
        x[:, :, rows, pixels] += windows[:, p, q]
    x = x[:, :, padding : padding + H, padding : padding + W]
    return np.ascontiguousarray(x.transpose(1, 0, 2, 3))


def _padded(x: Array, padding: int) -> Array:
    around = (int(padding), int(padding))
    return np.pad(x, ((0, 0), (0, 0), around, around))


def _sizes(x_shape: Shape) -> Shape:
    """Return the sizes of a minibatch after checking that they are some."""
    if not isinstance(x_shape, (tuple, list)) or len(x_shape) != 4:
        raise ValueError(
            f"`x` must have shape (N, C, H, W), but its shape is {x_shape}."
        )
    N, C, H, W = (whole_number("x_shape", size, at_least=0) for size in x_shape)
    return N, C, H, W


def _fits(
    what: str, size: int, field: int, padding: int, stride: int
) -> tuple[int, int]:
    """Return a window's height or width, and how many windows fit into the image's."""
    field = whole_number(f"field_{what}", field, at_least=1)
    padding = whole_number("padding", padding, at_least=0)
    stride = whole_number("stride", stride, at_least=1)
    places, left = divmod(size + 2 * padding - field, stride)
    if left or places < 0:
        raise ValueError(
            f"`field_{what}` {field} with stride {stride} must fit the padded {what}, "
            f"{size + 2 * padding}, an integer number of times."
        )
    return field, places + 1
