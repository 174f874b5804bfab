"""Convolution."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from nndl import conv_layers

from .entries import right, wrong


def _forward(x, w, b, conv_param):
    """A right forward pass, with a cache of its own kind."""
    s, p = conv_param["stride"], conv_param["pad"]
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    views = sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::s, ::s]
    out = np.einsum("ncijpq,fcpq->nfij", views, w) + b.reshape(1, -1, 1, 1)
    return out, (x, xp, w, s, p)


FORWARD = {"conv_backward_naive": _forward}


# ---- forward, wrong ------------------------------------------------------------------


@wrong("the images are never padded", "pad-forgotten")
def conv_forward_naive(x, w, b, conv_param):
    stride = conv_param["stride"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    H_out, W_out = (H - HH) // stride + 1, (W - WW) // stride + 1
    out = np.zeros((N, F, H_out, W_out), dtype=x.dtype)
    for i in range(H_out):
        for j in range(W_out):
            patch = x[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            for f in range(F):
                out[:, f, i, j] = np.sum(patch * w[f], axis=(1, 2, 3)) + b[f]
    return out, (x, w, b, conv_param)


@wrong("the windows begin at i and j", "stride-ignored")
def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    x_pad = np.pad(x, ((0,), (0,), (pad,), (pad,)), mode="constant")
    H_new = 1 + (H + 2 * pad - HH) // stride
    W_new = 1 + (W + 2 * pad - WW) // stride
    out = np.zeros((N, F, H_new, W_new), dtype=x.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(H_new):
                for j in range(W_new):
                    out[n, f, i, j] = (
                        np.sum(x_pad[n, :, i : i + HH, j : j + WW] * w[f]) + b[f]
                    )
    return out, (x, w, b, conv_param)


@wrong("the output's size does not know the stride", "stride-ignored")
def conv_forward_naive(x, w, b, conv_param):
    pad = conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    H_out, W_out = H + 2 * pad - HH + 1, W + 2 * pad - WW + 1
    out = np.empty((N, F, H_out, W_out), x.dtype)
    for r in range(H_out):
        for c in range(W_out):
            window = padded[:, :, r : r + HH, c : c + WW].reshape(N, -1)
            out[:, :, r, c] = window @ w.reshape(F, -1).T + b
    return out, None


@wrong("the stride is used for the rows only", "stride-ignored")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    out = np.zeros(
        (N, F, 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s), x.dtype
    )
    for n in range(N):
        for f in range(F):
            for i in range(out.shape[2]):
                top = i * s
                for j in range(out.shape[3]):
                    out[n, f, i, j] = np.sum(
                        xp[n, :, top : top + HH, j : j + WW] * w[f]
                    )
            out[n, f] += b[f]
    return out, None


@wrong("the bias sits inside the sum", "bias-too-often")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    patch = xp[n, :, i * s : i * s + HH, j * s : j * s + WW]
                    out[n, f, i, j] = np.sum(patch * w[f] + b[f])
    return out, (x, w, b, conv_param)


@wrong("the bias is added inside the loop over channels", "bias-too-often")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    for n in range(N):
        for f in range(F):
            for c in range(C):
                for i in range(Ho):
                    for j in range(Wo):
                        patch = xp[n, c, i * s : i * s + HH, j * s : j * s + WW]
                        out[n, f, i, j] += np.sum(patch * w[f, c]) + b[f]
    return out, None


@wrong("the bias is forgotten", "no-bias")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    views = sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::s, ::s]
    return np.tensordot(views, w, axes=((1, 4, 5), (1, 2, 3))).transpose(
        0, 3, 1, 2
    ), None


@wrong("each example adds its own bias", "wrong-bias")
def conv_forward_naive(x, w, b, conv_param):
    out, cache = _forward(x, w, np.zeros_like(b), conv_param)
    for n in range(len(x)):
        out[n] += b[n]
    return out, cache


@wrong("a mathematician's convolution", "filter-flipped")
def conv_forward_naive(x, w, b, conv_param):
    return _forward(x, np.rot90(w, 2, axes=(2, 3)), b, conv_param)


@wrong("the channels overwrite one another", "one-channel")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    for n in range(N):
        for f in range(F):
            for c in range(C):
                for i in range(Ho):
                    for j in range(Wo):
                        patch = xp[n, c, i * s : i * s + HH, j * s : j * s + WW]
                        out[n, f, i, j] = np.sum(patch * w[f, c]) + b[f]
    return out, None


@wrong("np.mean where np.sum is meant", "mean-not-sum")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    for f in range(F):
        for i in range(Ho):
            for j in range(Wo):
                patch = xp[:, :, i * s : i * s + HH, j * s : j * s + WW]
                out[:, f, i, j] = (patch * w[f]).mean(axis=(1, 2, 3)) + b[f]
    return out, None


@wrong("no + 1 in the output's size", "last-window")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    Ho, Wo = (H + 2 * p - HH) // s, (W + 2 * p - WW) // s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    for i in range(Ho):
        for j in range(Wo):
            patch = xp[:, :, i * s : i * s + HH, j * s : j * s + WW]
            out[:, :, i, j] = np.einsum("ncpq,fcpq->nf", patch, w) + b
    return out, None


@wrong("the padding repeats the border", "pad-not-zeros")
def conv_forward_naive(x, w, b, conv_param):
    p = conv_param["pad"]
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), mode="edge")
    return _forward(padded, w, b, {"stride": conv_param["stride"], "pad": 0})


@wrong("the padding is counted once", "pad-one-side")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    Ho, Wo = 1 + (H + p - HH) // s, 1 + (W + p - WW) // s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    for i in range(Ho):
        for j in range(Wo):
            patch = xp[:, :, i * s : i * s + HH, j * s : j * s + WW]
            out[:, :, i, j] = np.einsum("ncpq,fcpq->nf", patch, w) + b
    return out, None


@wrong("W_out is H_out", "square-assumed")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    size = 1 + (H + 2 * p - HH) // s
    out = np.zeros((N, F, size, size), x.dtype)
    for i in range(size):
        for j in range(size):
            patch = xp[:, :, i * s : i * s + HH, j * s : j * s + WW]
            out[:, :, i, j] = np.einsum("ncpq,fcpq->nf", patch, w) + b
    return out, None


@wrong("rows and columns of the output are exchanged", "transposed")
def conv_forward_naive(x, w, b, conv_param):
    out, cache = _forward(x, w, b, conv_param)
    return out.transpose(0, 1, 3, 2), cache


@wrong("the filters' axis comes last", "transposed")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    views = sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::s, ::s]
    return np.tensordot(views, w, axes=((1, 4, 5), (1, 2, 3))) + b, None


@wrong("the columns of im2col are put back in the wrong order", "order")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    columns = [
        xp[n, :, i * s : i * s + HH, j * s : j * s + WW].ravel()
        for n in range(N)
        for i in range(Ho)
        for j in range(Wo)
    ]
    out = w.reshape(F, -1) @ np.array(columns).T + b[:, None]
    return out.reshape(N, F, Ho, Wo), None


@wrong("the output is of integers", "not-floats")
def conv_forward_naive(x, w, b, conv_param):
    out, cache = _forward(x, w, b, conv_param)
    return out.astype(int), cache


@wrong("the output is float64 whatever comes in", "dtype")
def conv_forward_naive(x, w, b, conv_param):
    right_one, cache = _forward(x, w, b, conv_param)
    out = np.zeros(right_one.shape)
    out += right_one
    return out, cache


@wrong("the cache is forgotten", "arity")
def conv_forward_naive(x, w, b, conv_param):
    return _forward(x, w, b, conv_param)[0]


@wrong("the division leaves a float for range", "exception")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    Ho, Wo = 1 + (H + 2 * p - HH) / s, 1 + (W + 2 * p - WW) / s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    return out, None


@wrong("the filters are made zero-mean in place", "modifies-input")
def conv_forward_naive(x, w, b, conv_param):
    out, cache = _forward(x, w, b, conv_param)
    w -= w.mean(axis=(1, 2, 3), keepdims=True)
    return out, cache


@wrong("np.pad pads all four axes", "padding")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, p)
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    patch = xp[n, :, i * s : i * s + HH, j * s : j * s + WW]
                    out[n, f, i, j] = np.sum(patch * w[f]) + b[f]
    return out, None


@wrong("the size knows of the padding, the windows do not", "padding")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    patch = x[n, :, i * s : i * s + HH, j * s : j * s + WW]
                    out[n, f, i, j] = (patch * w[f]).sum() + b[f]
    return out, None


@wrong("HH and WW are read in the wrong order", "window-exchanged")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, WW, HH = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    patch = xp[n, :, i * s : i * s + HH, j * s : j * s + WW]
                    out[n, f, i, j] = np.sum(patch * w[f]) + b[f]
    return out, None


@wrong("the loops over rows and columns are exchanged", "places-exchanged")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(Wo):
                for j in range(Ho):
                    patch = xp[n, :, i * s : i * s + HH, j * s : j * s + WW]
                    out[n, f, i, j] = np.sum(patch * w[f]) + b[f]
    return out, None


@wrong("the stride is ignored and the bias added for each channel", "stride-ignored")
def conv_forward_naive(x, w, b, conv_param):
    pad = conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    H_out, W_out = H + 2 * pad - HH + 1, W + 2 * pad - WW + 1
    out = np.zeros((N, F, H_out, W_out), x.dtype)
    for c in range(C):
        for i in range(H_out):
            for j in range(W_out):
                patch = xp[:, c, i : i + HH, j : j + WW]
                out[:, :, i, j] += np.einsum("npq,fpq->nf", patch, w[:, c]) + b
    return out, None


@wrong("the padding is above and to the left", "pad-one-side")
def conv_forward_naive(x, w, b, conv_param):
    p = conv_param["pad"]
    padded = np.pad(x, ((0, 0), (0, 0), (2 * p, 0), (2 * p, 0)))
    return _forward(padded, w, b, {"stride": conv_param["stride"], "pad": 0})


@wrong("the padding is of ones", "borders")
def conv_forward_naive(x, w, b, conv_param):
    p = conv_param["pad"]
    widths = ((0, 0), (0, 0), (p, p), (p, p))
    padded = np.pad(x, widths, constant_values=1)
    return _forward(padded, w, b, {"stride": conv_param["stride"], "pad": 0})


# ---- backward, wrong -----------------------------------------------------------------


@wrong("dx keeps its padding", "pad-not-stripped")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    dx, dw, db = np.zeros_like(xp), np.zeros_like(w), dout.sum((0, 2, 3))
    for n in range(dout.shape[0]):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    r, c = i * s, j * s
                    dw[f] += dout[n, f, i, j] * xp[n, :, r : r + HH, c : c + WW]
                    dx[n, :, r : r + HH, c : c + WW] += dout[n, f, i, j] * w[f]
    return dx, dw, db


@wrong("the padding is cut off with a negative index", "pad-slice-empty")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), dout.sum((0, 2, 3))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            r, c = i * s, j * s
            g = dout[:, :, i, j]
            dw += np.tensordot(g, xp[:, :, r : r + HH, c : c + WW], axes=(0, 0))
            dxp[:, :, r : r + HH, c : c + WW] += np.tensordot(g, w, axes=(1, 0))
    return dxp[:, :, p:-p, p:-p], dw, db


@wrong("dx is assigned in four loops", "not-accumulated")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), np.zeros(F, x.dtype)
    for n in range(N):
        for f in range(F):
            db[f] += dout[n, f].sum()
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    r, c = i * s, j * s
                    dw[f] += dout[n, f, i, j] * xp[n, :, r : r + HH, c : c + WW]
                    dxp[n, :, r : r + HH, c : c + WW] = dout[n, f, i, j] * w[f]
    return dxp[:, :, p : p + H, p : p + W], dw, db


@wrong("dx is assigned, the filters summed at once", "not-accumulated")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), dout.sum((0, 2, 3))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            r, c = i * s, j * s
            g = dout[:, :, i, j]
            dw += np.tensordot(g, xp[:, :, r : r + HH, c : c + WW], axes=(0, 0))
            dxp[:, :, r : r + HH, c : c + WW] = np.tensordot(g, w, axes=(1, 0))
    return dxp[:, :, p : p + H, p : p + W], dw, db


@wrong("dw is assigned in four loops", "not-accumulated")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), dout.sum((0, 2, 3))
    for n in range(N):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    r, c = i * s, j * s
                    dw[f] = dout[n, f, i, j] * xp[n, :, r : r + HH, c : c + WW]
                    dxp[n, :, r : r + HH, c : c + WW] += dout[n, f, i, j] * w[f]
    return dxp[:, :, p : p + H, p : p + W], dw, db


@wrong("dw and db begin anew with every image", "last-image-only")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape
    dxp = np.zeros_like(xp)
    for n in range(N):
        dw, db = np.zeros_like(w), dout[n].sum(axis=(1, 2))
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    r, c = i * s, j * s
                    dw[f] += dout[n, f, i, j] * xp[n, :, r : r + HH, c : c + WW]
                    dxp[n, :, r : r + HH, c : c + WW] += dout[n, f, i, j] * w[f]
    return dxp[:, :, p : p + H, p : p + W], dw, db


@wrong("the stride is forgotten on the way back", "stride-ignored")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), dout.sum((0, 2, 3))
    for n in range(N):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    dw[f] += dout[n, f, i, j] * xp[n, :, i : i + HH, j : j + WW]
                    dxp[n, :, i : i + HH, j : j + WW] += dout[n, f, i, j] * w[f]
    return dxp[:, :, p : p + H, p : p + W], dw, db


@wrong("a full convolution whose filter is not turned", "filter-flipped")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape
    _, dw, db = _right_backward(dout, cache)
    Ho, Wo = dout.shape[2:]
    spread = np.zeros((N, F, xp.shape[2] + HH - 1, xp.shape[3] + WW - 1), dout.dtype)
    spread[:, :, HH - 1 :: s, WW - 1 :: s][:, :, :Ho, :Wo] = dout
    views = sliding_window_view(spread, (HH, WW), axis=(2, 3))
    dxp = np.einsum("nfijpq,fcpq->ncij", views, w)
    return dxp[:, :, p : p + H, p : p + W], dw, db


@wrong("the padding is cut off at the end only", "pad-stripped-wrongly")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    _, dw, db = _right_backward(dout, cache)
    dxp, _, _ = _right_backward(dout, (xp, xp, w, s, 0))
    H, W = x.shape[2:]
    return dxp[:, :, :H, :W], dw, db


@wrong("db is summed over the examples only", "not-reduced")
def conv_backward_naive(dout, cache):
    dx, dw, _ = _right_backward(dout, cache)
    return dx, dw, dout.sum(axis=0)


@wrong("db is a number for each example", "wrong-axis")
def conv_backward_naive(dout, cache):
    dx, dw, _ = _right_backward(dout, cache)
    return dx, dw, np.sum(dout, axis=(1, 2, 3))


@wrong("db is a single number", "wrong-axis")
def conv_backward_naive(dout, cache):
    dx, dw, _ = _right_backward(dout, cache)
    return dx, dw, np.sum(dout)


@wrong("db is added up in the innermost loop", "factor")
def conv_backward_naive(dout, cache):
    dx, dw, _ = _right_backward(dout, cache)
    N, F, Ho, Wo = dout.shape
    db = np.zeros(F, dout.dtype)
    for n in range(N):
        for f in range(F):
            for _i in range(Ho):
                for _j in range(Wo):
                    db[f] += dout[n, f].sum()
    return dx, dw, db


@wrong("all gradients are divided by the number of images", "factor")
def conv_backward_naive(dout, cache):
    dx, dw, db = _right_backward(dout, cache)
    N = dout.shape[0]
    return dx, dw / N, db / N


@wrong("dx and dw are returned in the wrong order", "return-order")
def conv_backward_naive(dout, cache):
    dx, dw, db = _right_backward(dout, cache)
    return dw, dx, db


@wrong("the last windows are left out", "last-window")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), dout.sum((0, 2, 3))
    for i in range(dout.shape[2] - 1):
        for j in range(dout.shape[3] - 1):
            g = dout[:, :, i, j]
            place = np.s_[:, :, i * s : i * s + HH, j * s : j * s + WW]
            dw += np.tensordot(g, xp[place], axes=(0, 0))
            dxp[place] += np.tensordot(g, w, axes=(1, 0))
    return dxp[:, :, p : p + H, p : p + W], dw, db


@wrong("dw is made of filters that are transposed", "transposed")
def conv_backward_naive(dout, cache):
    dx, dw, db = _right_backward(dout, cache)
    return dx, dw.transpose(0, 1, 3, 2), db


@wrong("the gradient of a loss that falls", "sign")
def conv_backward_naive(dout, cache):
    dx, dw, db = _right_backward(dout, cache)
    return -dx, -dw, -db


@wrong("dw is never filled in", "zeros")
def conv_backward_naive(dout, cache):
    dx, dw, db = _right_backward(dout, cache)
    return dx, np.zeros_like(dw), db


@wrong("dout is scaled in place", "modifies-input")
def conv_backward_naive(dout, cache):
    result = _right_backward(dout, cache)
    dout *= 2
    return result


@wrong("the windows of dw lie on x, not on the padded x", "padding")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), dout.sum((0, 2, 3))
    for n in range(N):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    r, c = i * s, j * s
                    dw[f] += dout[n, f, i, j] * x[n, :, r : r + HH, c : c + WW]
                    dxp[n, :, r : r + HH, c : c + WW] += dout[n, f, i, j] * w[f]
    return dxp[:, :, p : p + H, p : p + W], dw, db


@wrong("one line of padding is cut off, always", "pad-stripped-wrongly")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    dxp, dw, db = _right_backward(dout, (xp, xp, w, s, 0))
    return dxp[:, :, 1:-1, 1:-1], dw, db


@wrong("db keeps its axes", "reshape")
def conv_backward_naive(dout, cache):
    dx, dw, _ = _right_backward(dout, cache)
    return dx, dw, dout.sum(axis=(0, 2, 3), keepdims=True)


@wrong("dw is computed from the first image", "first-image-only")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    dx, dw, db = _right_backward(dout, cache)
    dw = np.zeros_like(w)
    for f in range(F):
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                patch = xp[0, :, i * s : i * s + HH, j * s : j * s + WW]
                dw[f] += dout[0, f, i, j] * patch
    return dx, dw, db


@wrong("dx keeps its padding, and db its axes", "pad-not-stripped")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    dxp, dw, _ = _right_backward(dout, (xp, xp, w, s, 0))
    return dxp, dw, dout.sum(axis=0)


@wrong("every axis is padded, and the first images and channels are taken", "padding")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, p, "constant")
    H_out, W_out = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.zeros((N, F, H_out, W_out), x.dtype)
    for n, f, i, j in np.ndindex(*out.shape):
        window = xp[n, :C, i * s : i * s + HH, j * s : j * s + WW]
        out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def _summed(x, w, b, conv_param):
    out, _ = _forward(x, w, b, conv_param)
    return out, (x, w, b, conv_param)


@wrong("one sum for all of db", "summed-to-one-number", forward=_summed)
def conv_backward_naive(dout, cache):
    dx, dw, db = conv_layers.conv_backward_naive(dout, cache)
    db[:] = dout.sum()
    return dx, dw, db


@wrong("a ReLU at its end", "cut-at-zero")
def conv_forward_naive(x, w, b, conv_param):
    out, cache = _forward(x, w, b, conv_param)
    return out * (out > 0), cache


@wrong("weight decay in dw, half of w", "penalty-included", forward=_summed)
def conv_backward_naive(dout, cache):
    dx, dw, db = conv_layers.conv_backward_naive(dout, cache)
    return dx, dw + 0.5 * cache[1], db


# ---- right ---------------------------------------------------------------------------


def _right_backward(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    H, W = x.shape[2:]
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            g = dout[:, :, i, j]
            place = np.s_[:, :, i * s : i * s + HH, j * s : j * s + WW]
            dw += np.tensordot(g, xp[place], axes=(0, 0))
            dxp[place] += np.tensordot(g, w, axes=(1, 0))
    return dxp[:, :, p : p + H, p : p + W], dw, dout.sum(axis=(0, 2, 3))


@right("windows as a view, and einsum")
def conv_forward_naive(x, w, b, conv_param):
    return _forward(x, w, b, conv_param)


@right("seven loops without a slice")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.empty((N, F, Ho, Wo), x.dtype)
    for n, f, i, j in np.ndindex(N, F, Ho, Wo):
        total = b[f]
        for c in range(C):
            for q in range(max(0, p - i * s), min(HH, H + p - i * s)):
                for r in range(max(0, p - j * s), min(WW, W + p - j * s)):
                    total += w[f, c, q, r] * x[n, c, i * s + q - p, j * s + r - p]
        out[n, f, i, j] = total
    return out, {"x": x, "w": w, "b": b, "settings": conv_param}


@right("im2col with stride tricks and one matrix product")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.ascontiguousarray(np.pad(x, ((0, 0), (0, 0), (p, p), (p, p))))
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    sn, sc, sh, sw = xp.strides
    columns = as_strided(
        xp, (C, HH, WW, N, Ho, Wo), (sc, sh, sw, sn, s * sh, s * sw)
    ).reshape(C * HH * WW, -1)
    out = (w.reshape(F, -1) @ columns + b[:, None]).reshape(F, N, Ho, Wo)
    return out.swapaxes(0, 1), None


@right("a sum of shifted images, one for each weight")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.zeros((N, F, Ho, Wo), x.dtype)
    out += b[None, :, None, None]
    for q in range(HH):
        for r in range(WW):
            seen = xp[:, :, q : q + s * Ho : s, r : r + s * Wo : s][:, :, :Ho, :Wo]
            out += np.einsum("nchw,fc->nfhw", seen, w[:, :, q, r])
    return out, [x, w, conv_param, b]


@right("a cache that is a function, and dx as a full convolution")
def conv_forward_naive(x, w, b, conv_param):
    out, _ = _forward(x, w, b, conv_param)
    return out, lambda: (x.copy(), w.copy(), conv_param)


@right(
    "everything is computed again from the arguments",
    forward=lambda x, w, b, conv_param: (
        _forward(x, w, b, conv_param)[0],
        {"arguments": (x, w, b, conv_param)},
    ),
)
def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache["arguments"]
    _, again = _forward(x, w, b, conv_param)
    return _right_backward(dout, again)


@right("dx as a full convolution with turned filters")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape
    Ho, Wo = dout.shape[2:]
    spread = np.zeros((N, F, xp.shape[2] + HH - 1, xp.shape[3] + WW - 1), dout.dtype)
    spread[:, :, HH - 1 :: s, WW - 1 :: s][:, :, :Ho, :Wo] = dout
    views = sliding_window_view(spread, (HH, WW), axis=(2, 3))
    dxp = np.einsum("nfijpq,fcpq->ncij", views, w[:, :, ::-1, ::-1])
    seen = sliding_window_view(xp, (HH, WW), axis=(2, 3))[:, :, ::s, ::s]
    dw = np.tensordot(dout, seen, axes=((0, 2, 3), (0, 2, 3)))
    return dxp[:, :, p : p + H, p : p + W], dw, np.einsum("nfij->f", dout)


@right("np.add.at, pixel by pixel")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape
    Ho, Wo = dout.shape[2:]
    rows = (s * np.arange(Ho))[:, None] + np.arange(HH)
    columns = (s * np.arange(Wo))[:, None] + np.arange(WW)
    share = np.einsum("nfij,fcpq->ncipjq", dout, w)
    dxp = np.zeros_like(xp)
    where = (slice(None), slice(None), rows[:, :, None, None], columns)
    np.add.at(dxp, where, share)
    seen = xp[where]
    dw = np.einsum("nfij,ncipjq->fcpq", dout, seen)
    return dxp[:, :, p : p + H, p : p + W], dw, dout.sum((0, 2, 3))


@right("a list of gradients, and work on a copy of dout")
def conv_backward_naive(dout, cache):
    dout = dout.copy()
    dout *= -1
    dx, dw, db = _right_backward(dout, cache)
    dx, dw, db = -dx, -dw, -db
    return [dx, dw, db]


@right("weight by weight, into strided views of dx")
def conv_backward_naive(dout, cache):
    x, xp, w, s, p = cache
    F, C, HH, WW = w.shape
    Ho, Wo = dout.shape[2:]
    dxp, dw = np.zeros_like(xp), np.empty_like(w)
    for q in range(HH):
        for r in range(WW):
            place = np.s_[
                :, :, q : q + s * (Ho - 1) + 1 : s, r : r + s * (Wo - 1) + 1 : s
            ]
            dxp[place] += np.tensordot(dout, w[:, :, q, r], (1, 0)).transpose(
                0, 3, 1, 2
            )
            dw[:, :, q, r] = np.tensordot(dout, xp[place], ((0, 2, 3), (0, 2, 3)))
    H, W = x.shape[2:]
    return dxp[:, :, p : p + H, p : p + W], dw, np.add.reduce(dout, (0, 2, 3))


@right("by the Fourier transform")
def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    size = xp.shape[2:]
    X = np.fft.rfft2(xp)
    V = np.conj(np.fft.rfft2(w, size))
    whole = np.fft.irfft2(np.einsum("nchw,fchw->nfhw", X, V), size)
    kept = whole[:, :, : size[0] - w.shape[2] + 1, : size[1] - w.shape[3] + 1]
    out = kept[:, :, ::s, ::s] + b[:, None, None]
    return out.astype(x.dtype), (x, w)
