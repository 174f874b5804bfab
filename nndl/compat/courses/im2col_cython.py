"""The functions of the courses' Cython module, in NumPy: nothing has to be compiled.

Filters that are not square, which the original placed wrongly, are right here.
"""

from __future__ import annotations

import numpy as np

from ..._arguments import Array, as_numbers, whole_number
from .im2col import _add_windows, col2im_indices, im2col_indices


def im2col_cython(
    x: Array, field_height: int, field_width: int, padding: int, stride: int
) -> Array:
    """Copy every window of a minibatch (N, C, H, W) into a column of a matrix
    (C * HH * WW, H_out * W_out * N)."""
    return np.ascontiguousarray(
        im2col_indices(x, field_height, field_width, padding, stride)
    )


def col2im_cython(
    cols: Array,
    N: int,
    C: int,
    H: int,
    W: int,
    field_height: int,
    field_width: int,
    padding: int,
    stride: int,
) -> Array:
    """Add every column to its window of a minibatch (N, C, H, W): the gradient of
    `im2col_cython`."""
    return col2im_indices(
        cols, (N, C, H, W), field_height, field_width, padding, stride
    )


def col2im_6d_cython(
    cols: Array,
    N: int,
    C: int,
    H: int,
    W: int,
    HH: int,
    WW: int,
    pad: int,
    stride: int,
) -> Array:
    """Add windows (C, HH, WW, N, H_out, W_out) to where they came from in a minibatch
    (N, C, H, W)."""
    pad = whole_number("pad", pad, at_least=0)
    stride = whole_number("stride", stride, at_least=1)
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride
    cols = as_numbers("cols", cols)
    if cols.shape != (C, HH, WW, N, H_out, W_out):
        raise ValueError(
            f"`cols` must have shape {(C, HH, WW, N, H_out, W_out)}, but its shape is {cols.shape}."
        )
    return _add_windows(cols, (N, C, H, W), pad, stride)
