"""The fast layers under all the names that the courses gave to their ways of computing
them.

``*_fast`` is the package's compiled code. The others compute as their names say, with
NumPy alone; their caches differ, so each backward pass belongs to its own forward pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._arguments import Array
from ..._windows import conv_windows, pool_windows
from ...fast_layers import (
    conv_backward_fast,
    conv_forward_fast,
    max_pool_backward_fast,
    max_pool_forward_fast,
)
from .im2col import col2im_indices, im2col_indices
from .im2col_cython import col2im_6d_cython

# ---- convolution: a matrix product over copied windows -------------------------------


def conv_forward_im2col(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Compute a convolution as the product of the filters, one a row, and the windows,
    one a column."""
    stride, pad, H_out, W_out = conv_windows(x.shape, w.shape, conv_param)
    F, _, HH, WW = w.shape
    x_cols = im2col_indices(x, HH, WW, pad, stride)
    out = w.reshape(F, -1) @ x_cols + b[:, None]
    out = out.reshape(F, H_out, W_out, len(x)).transpose(3, 0, 1, 2)
    return out, (x, w, b, conv_param, x_cols)


def conv_backward_im2col(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Compute the gradients of `conv_forward_im2col`: two more products."""
    x, w, _, conv_param, x_cols = cache
    stride, pad, _, _ = conv_windows(x.shape, w.shape, conv_param)
    F, _, HH, WW = w.shape
    dout_rows = dout.transpose(1, 2, 3, 0).reshape(F, -1)
    dw = (dout_rows @ x_cols.T).reshape(w.shape)
    dx_cols = w.reshape(F, -1).T @ dout_rows
    dx = col2im_indices(dx_cols, x.shape, HH, WW, pad, stride)
    return dx, dw, dout.sum(axis=(0, 2, 3))


# ---- convolution: the same product over windows that are only looked at --------------


def conv_forward_strides(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Compute a convolution over a view in which every window has axes of its own."""
    stride, pad, H_out, W_out = conv_windows(x.shape, w.shape, conv_param)
    F, _, HH, WW = w.shape
    around = (pad, pad)
    x_padded = np.pad(x, ((0, 0), (0, 0), around, around))
    windows = np.lib.stride_tricks.sliding_window_view(x_padded, (HH, WW), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride].transpose(1, 4, 5, 0, 2, 3)
    x_cols = windows.reshape(w[0].size, -1)
    out = w.reshape(F, -1) @ x_cols + b[:, None]
    out = out.reshape(F, len(x), H_out, W_out).transpose(1, 0, 2, 3)
    return np.ascontiguousarray(out), (x, w, b, conv_param, x_cols)


def conv_backward_strides(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Compute the gradients of `conv_forward_strides`."""
    x, w, _, conv_param, x_cols = cache
    stride, pad, H_out, W_out = conv_windows(x.shape, w.shape, conv_param)
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    dout_rows = dout.transpose(1, 0, 2, 3).reshape(F, -1)
    dw = (dout_rows @ x_cols.T).reshape(w.shape)
    dx_cols = (w.reshape(F, -1).T @ dout_rows).reshape(C, HH, WW, N, H_out, W_out)
    dx = col2im_6d_cython(dx_cols, N, C, H, W, HH, WW, pad, stride)
    return dx, dw, dout.sum(axis=(0, 2, 3))


# ---- pooling: windows that fill the image without overlap, as axes of their own ------


def max_pool_forward_reshape(x: Array, pool_param: dict[str, Any]) -> tuple[Array, Any]:
    """Compute max pooling over square windows that lie side by side.

    Raises
    ------
    AssertionError
        If the windows are not square, overlap, or do not fill the image.
    """
    size, pool_width, stride, H_out, W_out = pool_windows(x.shape, pool_param)
    assert size == pool_width == stride, "the windows must be square and side by side"
    assert x.shape[2] % size == x.shape[3] % size == 0, "the windows must fill `x`"
    x_reshaped = x.reshape(*x.shape[:2], H_out, size, W_out, size)
    out = x_reshaped.max(axis=3).max(axis=4)
    return out, (x, x_reshaped, out)


def max_pool_backward_reshape(dout: Array, cache: Any) -> Array:
    """Compute the gradient of `max_pool_forward_reshape`. Where several entries of a
    window are the largest, each gets an equal part."""
    x, x_reshaped, out = cache
    mask = x_reshaped == out[:, :, :, None, :, None]
    ties = mask.sum(axis=(3, 5), keepdims=True, dtype=dout.dtype)
    parts = dout[:, :, :, None, :, None] / ties
    return (mask * parts).reshape(x.shape)


# ---- pooling: the largest entry of every column --------------------------------------


def max_pool_forward_im2col(x: Array, pool_param: dict[str, Any]) -> tuple[Array, Any]:
    """Compute max pooling as the largest entry of each column of copied windows."""
    HH, WW, stride, H_out, W_out = pool_windows(x.shape, pool_param)
    N, C, H, W = x.shape
    x_cols = im2col_indices(x.reshape(N * C, 1, H, W), HH, WW, 0, stride)
    argmax = x_cols.argmax(axis=0)
    out = x_cols[argmax, np.arange(x_cols.shape[1])]
    out = out.reshape(H_out, W_out, N, C).transpose(2, 3, 0, 1)
    return out, (x, x_cols, argmax, pool_param)


def max_pool_backward_im2col(dout: Array, cache: Any) -> Array:
    """Compute the gradient of `max_pool_forward_im2col`: a tie goes to the first."""
    x, x_cols, argmax, pool_param = cache
    HH, WW, stride, _, _ = pool_windows(x.shape, pool_param)
    N, C, H, W = x.shape
    dx_cols = np.zeros(x_cols.shape, dout.dtype)
    dx_cols[argmax, np.arange(len(argmax))] = dout.transpose(2, 3, 0, 1).ravel()
    return col2im_indices(dx_cols, (N * C, 1, H, W), HH, WW, 0, stride).reshape(x.shape)
