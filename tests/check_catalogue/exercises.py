"""The functions that the exercises ask for."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import heapq

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from nndl import conv_layers, layer_utils, layers

from .entries import right, wrong

# ---- chapter 7 -----------------------------------------------------------------------


@wrong("one mean for each map", "over-pixels")
def channel_norm_forward(x, gamma, beta):
    mu = x.mean(axis=(2, 3), keepdims=True)
    var = ((x - mu) ** 2).mean(axis=(2, 3), keepdims=True)
    xhat = (x - mu) / (var + 1e-5) ** 0.5
    return gamma[:, None, None] * xhat + beta[:, None, None], None


@wrong("gamma lines up with the width", "not-per-channel")
def channel_norm_forward(x, gamma, beta):
    rows = x.transpose(0, 2, 3, 1)
    rows = rows - rows.mean(axis=-1, keepdims=True)
    xhat = rows / np.sqrt((rows**2).mean(axis=-1, keepdims=True) + 1e-5)
    xhat = xhat.transpose(0, 3, 1, 2)
    return xhat * gamma + beta, (xhat, gamma)


@wrong("without keepdims", "exception")
def channel_norm_forward(x, gamma, beta):
    xhat = (x - x.mean(axis=1)) / np.sqrt(x.var(axis=1) + 1e-5)
    return gamma.reshape(1, -1, 1, 1) * xhat + beta.reshape(1, -1, 1, 1), xhat


@right("layer norm on the pixels, one a row")
def channel_norm_forward(x, gamma, beta):
    N, C, H, W = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(-1, C)
    out, cache = layers.layernorm_forward(rows, gamma, beta, {})
    return out.reshape(N, H, W, C).transpose(0, 3, 1, 2), (cache, x.shape)


def _channels_by_hand(x, gamma, beta):
    off = x - x.mean(axis=1, keepdims=True)
    scale = 1 / np.sqrt(np.square(off).mean(axis=1, keepdims=True) + 1e-5)
    g, b = gamma[:, None, None], beta[:, None, None]
    return g * off * scale + b, {"off": off, "scale": scale, "g": g}


@wrong("the mean's way is left out", "no-mean-path", forward=_channels_by_hand)
def channel_norm_backward(dout, cache):
    off, scale, g = cache["off"], cache["scale"], cache["g"]
    d = dout * g
    dscale = (d * off).sum(axis=1, keepdims=True)
    dvar = -0.5 * dscale * scale**3
    dx = d * scale + 2 * dvar * off / off.shape[1]
    return dx, (dout * off * scale).sum((0, 2, 3)), dout.sum((0, 2, 3))


@wrong("dgamma and dbeta of every picture", "not-reduced", forward=_channels_by_hand)
def channel_norm_backward(dout, cache):
    xhat = cache["off"] * cache["scale"]
    d = dout * cache["g"]
    dx = d - d.mean(1, keepdims=True) - xhat * (d * xhat).mean(1, keepdims=True)
    return dx * cache["scale"], (dout * xhat).sum((2, 3)), dout.sum((2, 3))


@right("the graph, node by node", forward=_channels_by_hand)
def channel_norm_backward(dout, cache):
    off, scale, g = cache["off"], cache["scale"], cache["g"]
    d = dout * g
    dscale = (d * off).sum(axis=1, keepdims=True)
    dvar = -0.5 * dscale * scale**3
    doff = d * scale + 2 * dvar * off / off.shape[1]
    dx = doff - doff.mean(axis=1, keepdims=True)
    return dx, np.einsum("nchw,nchw->c", dout, off * scale), dout.sum((0, 2, 3))


@wrong("plain means of means and variances", "not-weighted")
def combine_statistics(counts, means, variances):
    mean = np.mean(means, axis=0)
    return mean, np.mean(variances + (means - mean) ** 2, axis=0)


@wrong("the weighted mean of the variances", "no-spread-between")
def combine_statistics(counts, means, variances):
    weights = counts / np.sum(counts)
    return weights @ means, weights @ variances


@wrong("divided by the number of workers", "factor")
def combine_statistics(counts, means, variances):
    n = counts[:, None]
    mean = (n * means).sum(axis=0) / counts.sum()
    squares = n * (variances + (means - mean) ** 2)
    return mean, squares.sum(axis=0) / len(counts)


@right("by the mean of the squares")
def combine_statistics(counts, means, variances):
    mean = np.average(means, axis=0, weights=counts)
    squares = np.average(variances + means**2, axis=0, weights=counts)
    return mean, squares - mean**2


@right("one worker after the other")
def combine_statistics(counts, means, variances):
    n, mean, variance = 0, np.zeros_like(means[0]), np.zeros_like(variances[0])
    for count, m, v in zip(counts, means, variances, strict=True):
        total, gap = n + count, m - mean
        variance = (n * variance + count * v + n * count / total * gap**2) / total
        mean = mean + gap * (count / total)
        n = total
    return mean, variance


@wrong("the fold of the chapter", "fold-after")
def fold_before(w, b, gamma, beta, mean, var, eps):
    scale = gamma / (var + eps) ** 0.5
    return w * scale[:, None, None, None], scale * (b - mean) + beta


@wrong("the scale on the filters", "scale-of-filters")
def fold_before(w, b, gamma, beta, mean, var, eps):
    s = gamma / np.sqrt(var + eps)
    shift = np.einsum("fcij,c->f", w, beta - s * mean)
    return np.einsum("fcij,f->fcij", w, s), b + shift


@wrong("the shift is added to the bias as it is", "shift-not-filtered")
def fold_before(w, b, gamma, beta, mean, var, eps):
    s = gamma / np.sqrt(var + eps)
    return s[:, None, None] * w, b + (beta - s * mean)


@wrong("the shift of the filters' middle alone", "part-of-filter")
def fold_before(w, b, gamma, beta, mean, var, eps):
    s = gamma / np.sqrt(var + eps)
    F, C, HH, WW = w.shape
    middle = w[:, :, HH // 2, WW // 2]
    return s[:, None, None] * w, b + middle @ (beta - s * mean)


@right("loops over filters and channels")
def fold_before(w, b, gamma, beta, mean, var, eps):
    w, b = w.copy(), b.copy()
    std = (var + eps) ** 0.5
    for f in range(len(w)):
        for c in range(len(mean)):
            b[f] += (w[f, c] * (beta[c] - gamma[c] * mean[c] / std[c])).sum()
            w[f, c] *= gamma[c] / std[c]
    return w, b


# ---- chapter 4 -----------------------------------------------------------------------


@wrong("the inverted dropout of the book", "divided-by-p")
def vanilla_forward(x, dropout_param):
    if dropout_param["mode"] == "test":
        return x.copy(), None
    rng = np.random.RandomState(dropout_param["seed"])
    keep = rng.uniform(size=x.shape) < dropout_param["p"]
    return np.where(keep, x / dropout_param["p"], 0).astype(x.dtype), keep


@wrong("test mode leaves x alone", "identity-in-test-mode")
def vanilla_forward(x, dropout_param):
    out = x.copy()
    if dropout_param["mode"] == "train":
        np.random.seed(dropout_param["seed"])
        out[np.random.rand(*x.shape) >= dropout_param["p"]] = 0
    return out, out


@wrong("no seed", "seed-ignored")
def vanilla_forward(x, dropout_param):
    p = dropout_param["p"]
    if dropout_param["mode"] == "test":
        return p * x, p
    mask = np.random.default_rng().random(x.shape) < p
    return mask * x, mask


def _vanilla_that_repeats(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    np.random.seed(dropout_param["seed"])
    keep = np.random.binomial(1, p, x.shape).astype(x.dtype)
    return (x * keep if mode == "train" else x * p), {
        "keep": keep,
        "mode": mode,
        "p": p,
    }


@right("a Bernoulli draw, and a dict for a cache")
def vanilla_forward(x, dropout_param):
    return _vanilla_that_repeats(x, dropout_param)


@wrong("the mask in both modes", "active-in-test-mode", forward=_vanilla_that_repeats)
def vanilla_backward(dout, cache):
    return dout * cache["keep"]


@wrong("nothing in test mode", "identity-in-test-mode", forward=_vanilla_that_repeats)
def vanilla_backward(dout, cache):
    return dout * cache["keep"] if cache["mode"] == "train" else dout


@wrong("divided by p", "divided-by-p", forward=_vanilla_that_repeats)
def vanilla_backward(dout, cache):
    if cache["mode"] == "test":
        return dout * cache["p"]
    return np.where(cache["keep"], dout / cache["p"], 0).astype(dout.dtype)


@right("the gradient in place, on a copy", forward=_vanilla_that_repeats)
def vanilla_backward(dout, cache):
    dx = dout.copy()
    if cache["mode"] == "train":
        dx[cache["keep"] == 0] = 0
        return dx
    dx *= cache["p"]
    return dx


@wrong("dropout of the inputs", "units-dropped")
def dropconnect_forward(x, w, b, p, rng):
    keep = rng.random(x.shape) < p
    return ((np.where(keep, x, 0) / p) @ w + b).astype(x.dtype), keep


@wrong("an rng of its own", "drawn-otherwise")
def dropconnect_forward(x, w, b, p, rng):
    mask = np.random.default_rng(0).random(w.shape) < p
    return x @ np.where(mask, w / p, 0).astype(w.dtype) + b, mask


@wrong("the mean is too small", "not-divided-by-p")
def dropconnect_forward(x, w, b, p, rng):
    dropped = w * (rng.random(w.shape) < p)
    return np.dot(x, dropped) + b, dropped


def _connected_by_loops(x, w, b, p, rng):
    left = np.zeros_like(w)
    drawn = rng.random(w.shape)
    for place in np.ndindex(*w.shape):
        if drawn[place] < p:
            left[place] = w[place] / p
    out = np.einsum("nd,dm->nm", x, left)
    out += b
    return out, [x, left, drawn < p, p]


@right("weight by weight")
def dropconnect_forward(x, w, b, p, rng):
    return _connected_by_loops(x, w, b, p, rng)


@wrong("dw of the masked weights", "mask-forgotten", forward=_connected_by_loops)
def dropconnect_backward(dout, cache):
    x, left, _, _ = cache
    return dout @ left.T, x.T @ dout, dout.sum(0)


@wrong("dw without 1 / p", "not-divided-by-p", forward=_connected_by_loops)
def dropconnect_backward(dout, cache):
    x, left, kept, _ = cache
    dw = x.T @ dout
    dw[~kept] = 0
    return dout @ left.T, dw, dout.sum(axis=0)


@right("einsum, and a product with ones", forward=_connected_by_loops)
def dropconnect_backward(dout, cache):
    x, left, kept, p = cache
    dw = np.where(kept, np.einsum("nd,nm->dm", x, dout) / p, 0).astype(dout.dtype)
    ones = np.ones(len(x), dout.dtype)
    return np.einsum("nm,dm->nd", dout, left), dw, ones @ dout


# ---- chapter 5 -----------------------------------------------------------------------


def _window(pool_param, i, j):
    top, left = i * pool_param["stride"], j * pool_param["stride"]
    return (
        ...,
        slice(top, top + pool_param["pool_height"]),
        slice(left, left + pool_param["pool_width"]),
    )


def _average(x, pool_param, reduce=np.mean):
    s = pool_param["stride"]
    H_out = (x.shape[2] - pool_param["pool_height"]) // s + 1
    W_out = (x.shape[3] - pool_param["pool_width"]) // s + 1
    out = np.empty((*x.shape[:2], H_out, W_out), x.dtype)
    for i, j in np.ndindex(H_out, W_out):
        out[:, :, i, j] = reduce(x[_window(pool_param, i, j)], axis=(2, 3))
    return out, (x.shape, pool_param)


@wrong("the maximum", "max-not-mean")
def average_pool_forward(x, pool_param):
    return _average(x, pool_param, np.max)


@wrong("the sum", "sum-not-mean")
def average_pool_forward(x, pool_param):
    return _average(x, pool_param, np.sum)


@wrong("divided by the height alone", "wrong-count", "factor")
def average_pool_forward(x, pool_param):
    out, cache = _average(x, pool_param, np.sum)
    return out / pool_param["pool_height"] ** 2, cache


@right("a sum of shifted slices")
def average_pool_forward(x, pool_param):
    s, h, w = (pool_param[key] for key in ("stride", "pool_height", "pool_width"))
    H_out, W_out = (x.shape[2] - h) // s + 1, (x.shape[3] - w) // s + 1
    out = 0
    for p, q in np.ndindex(h, w):
        out = out + x[:, :, p : p + s * H_out : s, q : q + s * W_out : s]
    return out / (h * w), None


@wrong("the whole gradient to every pixel", "not-divided", forward=_average)
def average_pool_backward(dout, cache):
    dx = np.zeros(cache[0], dout.dtype)
    for i, j in np.ndindex(*dout.shape[2:]):
        dx[_window(cache[1], i, j)] += dout[:, :, i, j][..., None, None]
    return dx


@wrong("windows overwrite one another", "not-accumulated", forward=_average)
def average_pool_backward(dout, cache):
    shape, param = cache
    dx = np.zeros(shape, dout.dtype)
    for i, j in np.ndindex(*dout.shape[2:]):
        window = _window(param, i, j)
        size = dx[window][0, 0].size
        dx[window] = dout[:, :, i, j][..., None, None] / size
    return dx


@right("a repetition, place by place of the window", forward=_average)
def average_pool_backward(dout, cache):
    shape, param = cache
    s, h, w = (param[key] for key in ("stride", "pool_height", "pool_width"))
    dx = np.zeros(shape, dout.dtype)
    for p, q in np.ndindex(h, w):
        rows = slice(p, p + s * dout.shape[2], s)
        dx[:, :, rows, q : q + s * dout.shape[3] : s] += dout / (h * w)
    return dx


@wrong("a reshape where a transposition is needed", "mixed-by-reshape")
def conv_1x1(x, w, b):
    N, C, H, W = x.shape
    out = x.reshape(-1, C) @ w.reshape(-1, C).T + b
    return out.reshape(N, -1, H, W)


@wrong("channels stay last", "transposed")
def conv_1x1(x, w, b):
    return x.transpose(0, 2, 3, 1) @ w[:, :, 0, 0].T + b


@wrong("no bias", "no-bias")
def conv_1x1(x, w, b):
    return np.einsum("fcpq,nchw->nfhw", w, x)


@right("one product for each image")
def conv_1x1(x, w, b):
    N, C, H, W = x.shape
    out = w[:, :, 0, 0] @ x.reshape(N, C, H * W) + b[:, None]
    return out.reshape(N, len(w), H, W)


@wrong("dw the other way round", "dw-transposed")
def conv_1x1_backward(dout, x, w):
    g = dout.transpose(0, 2, 3, 1).reshape(-1, len(w))
    rows = x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1])
    dx = np.einsum("fc,nfhw->nchw", w[..., 0, 0], dout)
    return dx, (rows.T @ g).reshape(w.shape), g.sum(0)


@wrong("db of every image", "not-reduced")
def conv_1x1_backward(dout, x, w):
    dx = np.einsum("fc,nfhw->nchw", w[..., 0, 0], dout)
    dw = np.einsum("nfhw,nchw->fc", dout, x).reshape(w.shape)
    return dx, dw, dout.sum((2, 3))


@wrong("dx by reshapes", "mixed-by-reshape")
def conv_1x1_backward(dout, x, w):
    (F, C), flat = w.shape[:2], w[:, :, 0, 0]
    dx = (dout.reshape(-1, F) @ flat).reshape(x.shape)
    dw = np.tensordot(dout, x, ((0, 2, 3), (0, 2, 3))).reshape(F, C, 1, 1)
    return dx, dw, dout.sum(axis=(0, 2, 3))


@right("tensordot")
def conv_1x1_backward(dout, x, w):
    dx = np.tensordot(dout, w[:, :, 0, 0], (1, 0)).transpose(0, 3, 1, 2)
    dw = np.tensordot(dout, x, ([0, 2, 3], [0, 2, 3]))[..., None, None]
    return dx, dw, np.einsum("nfhw->f", dout)


@wrong("zeros behind the last weight", "zeros-behind")
def dilated_conv(x, w, b, conv_param, d):
    hole = np.zeros((d, d), w.dtype)
    hole[0, 0] = 1
    return conv_layers.conv_forward_naive(x, np.kron(w, hole), b, conv_param)[0]


@wrong("repeated weights", "weights-repeated")
def dilated_conv(x, w, b, conv_param, d):
    block = np.kron(w, np.ones((d, d), w.dtype))
    return conv_layers.conv_forward_naive(x, block, b, conv_param)[0]


@wrong("d moves the filter", "d-for-stride")
def dilated_conv(x, w, b, conv_param, d):
    param = {"pad": conv_param["pad"], "stride": conv_param["stride"] * d}
    return conv_layers.conv_forward_naive(x, w, b, param)[0]


@right("windows with a step")
def dilated_conv(x, w, b, conv_param, d):
    s, p = conv_param["stride"], conv_param["pad"]
    size = [d * (k - 1) + 1 for k in w.shape[2:]]
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    views = sliding_window_view(xp, size, axis=(2, 3))[:, :, ::s, ::s, ::d, ::d]
    return np.einsum("ncijpq,fcpq->nfij", views, w) + b.reshape(-1, 1, 1)


# ---- chapter 6 -----------------------------------------------------------------------


def _pixels(x_shape, HH, WW, stride, pad):
    """Return the row and the column of the padded image that each copy was taken from."""
    H_out = (x_shape[2] + 2 * pad - HH) // stride + 1
    W_out = (x_shape[3] + 2 * pad - WW) // stride + 1
    row = np.arange(HH)[:, None, None, None] + stride * np.arange(H_out)[:, None]
    column = np.arange(WW)[:, None, None] + stride * np.arange(W_out)
    return np.broadcast_arrays(row, column)


def _col2im(dcols, x_shape, HH, WW, stride, pad, add=np.add.at, cut=True):
    N, C, H, W = x_shape
    rows, columns = _pixels(x_shape, HH, WW, stride, pad)
    dpadded = np.zeros((N, C, H + 2 * pad, W + 2 * pad), dcols.dtype)
    copies = dcols.reshape(C, HH, WW, N, *rows.shape[2:])
    for n, c in np.ndindex(N, C):
        add(dpadded[n, c], (rows, columns), copies[c, :, :, n])
    return dpadded[:, :, pad : pad + H, pad : pad + W] if cut else dpadded


def _set(array, places, numbers):
    array[places] += numbers  # a place that stands there twice is served once


@wrong("fancy indices add once", "not-accumulated", "unknown")
def col2im(dcols, x_shape, HH, WW, stride, pad):
    return _col2im(dcols, x_shape, HH, WW, stride, pad, _set)


@wrong("the padding stays", "pad-not-stripped")
def col2im(dcols, x_shape, HH, WW, stride, pad):
    return _col2im(dcols, x_shape, HH, WW, stride, pad, cut=False)


@wrong("the images are taken for the last axis", "reshape-order")
def col2im(dcols, x_shape, HH, WW, stride, pad):
    N = x_shape[0]
    moved = dcols.reshape(len(dcols), -1, N).transpose(0, 2, 1).reshape(dcols.shape)
    return _col2im(moved, x_shape, HH, WW, stride, pad)


@right("add.at")
def col2im(dcols, x_shape, HH, WW, stride, pad):
    return _col2im(dcols, x_shape, HH, WW, stride, pad)


@wrong("dout is reshaped as it lies", "axes-not-swapped")
def conv_backward_im2col(dout, x, w, conv_param):
    F, _, HH, WW = w.shape
    s, p = conv_param["stride"], conv_param["pad"]
    rows = dout.reshape(F, -1)
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    views = sliding_window_view(xp, (HH, WW), axis=(2, 3))[:, :, ::s, ::s]
    cols = views.transpose(1, 4, 5, 0, 2, 3).reshape(w[0].size, -1)
    dx = _col2im(w.reshape(F, -1).T @ rows, x.shape, HH, WW, s, p)
    return dx, (rows @ cols.T).reshape(w.shape), rows.sum(axis=1)


@wrong("dw stays a matrix", "reshape")
def conv_backward_im2col(dout, x, w, conv_param):
    dx, dw, db = conv_layers.conv_backward_naive(
        dout, (x, w, np.zeros(len(w), w.dtype), conv_param)
    )
    return dx, dw.reshape(len(w), -1), db


@wrong("the places are averaged", "averaged")
def conv_backward_im2col(dout, x, w, conv_param):
    dx, dw, db = conv_layers.conv_backward_naive(
        dout, (x, w, np.zeros(len(w), w.dtype), conv_param)
    )
    return dx, dw, dout.mean(axis=(0, 2, 3))


@right("the book's loops")
def conv_backward_im2col(dout, x, w, conv_param):
    none = np.zeros(len(w), w.dtype)
    return conv_layers.conv_backward_naive(dout, (x, w, none, conv_param))


@wrong("the most multiply-adds", "most-work")
def best_tile(registers):
    return registers - 2, 1


@wrong("squares alone", "square-only")
def best_tile(registers):
    m = 1
    while (m + 1) * (m + 1) + (m + 1) + 1 <= registers:
        m += 1
    return m, m


@wrong("rows and vectors exchanged", "exchanged")
def best_tile(registers):
    v = max(
        range(1, registers - 1), key=lambda v: _per_load((registers - v - 1) // v, v)
    )
    return v, (registers - v - 1) // v


def _per_load(m, v):
    return m * v / (m + v)


@right("the most rows for each number of vectors, as an array")
def best_tile(registers):
    v = np.arange(1, (registers - 1) // 2 + 1)
    m = (registers - 1 - v) // v
    best = np.argmax(_per_load(m, v))
    return [m[best], v[best]]


@wrong("a loop over all windows", "loop-over-places")
def pool_by_slices(x):
    out = np.empty((*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2), x.dtype)
    for n, c, i, j in np.ndindex(*out.shape):
        out[n, c, i, j] = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max()
    return out


@wrong("quarters of the image", "quarters-not-corners")
def pool_by_slices(x):
    upper, lower = np.split(x, 2, axis=2)
    return np.maximum.reduce([*np.split(upper, 2, axis=3), *np.split(lower, 2, axis=3)])


@wrong("the lower right corner is missing", "corner-forgotten")
def pool_by_slices(x):
    above = np.maximum(x[..., ::2, ::2], x[..., ::2, 1::2])
    return np.maximum(above, x[..., 1::2, ::2])


@right("two more axes")
def pool_by_slices(x):
    N, C, H, W = x.shape
    return x.reshape(N, C, H // 2, 2, W // 2, 2).max(axis=(3, 5))


def _winograd(x, w, b, pad=1, weave=True):
    """F(2, 3), written out with a pencil."""

    def there(d):  # the first axis, of four pixels
        d0, d1, d2, d3 = d
        return np.stack([d0 - d2, (d1 + d2) / 2, (d2 - d1) / 2, d3 - d1])

    def taps(g):
        g0, g1, g2 = g
        return np.stack([g0, g0 + g1 + g2, g0 - g1 + g2, g2])

    def back(m):
        m0, m1, m2, m3 = m
        return np.stack([m0 + m1 + m2, m1 - m2 + m3])

    def twice(f, a):
        return f(f(a).swapaxes(0, 1)).swapaxes(0, 1)

    xp = np.pad(x, ((0, 0), (0, 0), (pad, 2 - pad), (pad, 2 - pad)))
    d = sliding_window_view(xp, (4, 4), axis=(2, 3))[:, :, ::2, ::2]
    d = twice(there, d.transpose(4, 5, 0, 1, 2, 3))
    m = np.einsum("pqncij,pqfc->pqnfij", d, twice(taps, w.transpose(2, 3, 0, 1)))
    y = twice(back, m)
    N, F, rows, columns = y.shape[2:]
    y = y.transpose(2, 3, 4, 0, 5, 1) if weave else y.transpose(2, 3, 4, 5, 0, 1)
    return y.reshape(N, F, 2 * rows, 2 * columns) + b[:, None, None]


@wrong("padded at one side", "padding-one-side")
def conv_forward_winograd(x, w, b):
    return _winograd(x, w, b, pad=0)


@wrong("tiles one after another", "tiles-not-woven")
def conv_forward_winograd(x, w, b):
    return _winograd(x, w, b, weave=False)


@wrong("filters turned", "filter-flipped")
def conv_forward_winograd(x, w, b):
    return _winograd(x, w[..., ::-1, ::-1], b)


@right("the formulas one by one")
def conv_forward_winograd(x, w, b):
    return _winograd(x, w, b)


# ---- chapter 1 -----------------------------------------------------------------------


@wrong("the slope of the paper, not the argument", "alpha-not-read")
def leaky_relu_forward(x, alpha):
    return np.where(x > 0, x, 0.01 * x), (x, alpha)


@wrong("np.maximum with alpha", "alpha-for-product")
def leaky_relu_forward(x, alpha):
    out = np.maximum(alpha, x)
    return out, (x, alpha)


@wrong("an ordinary ReLU", "alpha-left-out")
def leaky_relu_forward(x, alpha):
    out = x * (x > 0)
    return out, (x, alpha)


@wrong("in place", "modifies-input")
def leaky_relu_forward(x, alpha):
    cache = (x, alpha)
    x[x < 0] *= alpha
    return x, cache


@wrong("only the negative part", "positive-part-lost")
def leaky_relu_forward(x, alpha):
    out = alpha * np.minimum(0, x)
    return out, (x, alpha)


@right("the sum of both parts")
def leaky_relu_forward(x, alpha):
    positive = np.clip(x, 0, None)
    return positive + alpha * (x - positive), {"x": x, "alpha": alpha}


@right("np.maximum of both lines")
def leaky_relu_forward(x, alpha):
    return np.maximum(x, alpha * x), x >= 0


def leaky(x, alpha):
    return np.where(x > 0, x, alpha * x), (x, alpha)


@wrong("0 where x is negative", "alpha-left-out", forward=leaky)
def leaky_relu_backward(dout, cache):
    x, alpha = cache
    return dout * (x > 0)


@wrong("alpha alone where x is negative", "no-dout", forward=leaky)
def leaky_relu_backward(dout, cache):
    x, alpha = cache
    dx = dout.copy()
    dx[x < 0] = alpha
    return dx


@wrong("the sign of dout decides", "mask-of-dout", forward=leaky)
def leaky_relu_backward(dout, cache):
    x, alpha = cache
    dx = dout.copy()
    dx[dout < 0] *= alpha
    return dx


@wrong("slopes in float64", "dtype", forward=leaky)
def leaky_relu_backward(dout, cache):
    x, alpha = cache
    return dout * np.where(x > 0, 1, alpha)


@wrong("the other way round", "reversed", forward=leaky)
def leaky_relu_backward(dout, cache):
    x, alpha = cache
    return dout * (x < 0) + alpha * dout * (x > 0)


@right("by a loop", forward=leaky)
def leaky_relu_backward(dout, cache):
    x, alpha = cache
    dx = dout.copy()
    for index in np.ndindex(x.shape):
        if not x[index] > 0:
            dx[index] *= alpha
    return dx


@wrong("the gradient of the ordinary loss", "slope-of-hinge")
def squared_hinge_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    loss = (margins**2).sum() / N
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= (margins > 0).sum(axis=1)
    return loss, dx / N


@wrong("the right class stays", "right-class-counted")
def squared_hinge_loss(x, y):
    rows = np.arange(len(y))
    margins = np.maximum(0, x - x[rows, y].reshape(-1, 1) + 1)
    dx = 2 * margins
    dx[rows, y] -= dx.sum(axis=1)
    return np.mean((margins**2).sum(axis=1)), dx / len(y)


@wrong("squared before the maximum", "no-maximum")
def squared_hinge_loss(x, y):
    rows = np.arange(len(y))
    margins = x - x[rows, y][:, None] + 1
    margins[rows, y] = 0
    loss = np.maximum(0, margins**2).sum() / len(y)
    dx = 2 * margins / len(y)
    dx[rows, y] = -dx.sum(axis=1)
    return loss, dx


@wrong("the 2 of the slope is forgotten", "no-two")
def squared_hinge_loss(x, y):
    rows = np.arange(len(y))
    m = np.maximum(0, x - x[rows, y][:, None] + 1)
    m[rows, y] = 0
    dx = m / len(y)
    dx[rows, y] = -dx.sum(axis=1)
    return (m * m).sum() / len(y), dx


@wrong("summed over the examples", "not-averaged")
def squared_hinge_loss(x, y):
    loss, dx = 0.0, np.zeros_like(x)
    for n in range(len(x)):
        for j in range(x.shape[1]):
            margin = x[n, j] - x[n, y[n]] + 1
            if j != y[n] and margin > 0:
                loss += margin**2
                dx[n, j] += 2 * margin
                dx[n, y[n]] -= 2 * margin
    return loss, dx


@right("by loops")
def squared_hinge_loss(x, y):
    N, dx = len(x), np.zeros_like(x)
    loss = 0.0
    for n, right_one in enumerate(y):
        for j in set(range(x.shape[1])) - {right_one}:
            margin = max(0, x[n, j] - x[n, right_one] + 1)
            loss += margin**2 / N
            dx[n, [j, right_one]] += 2 * margin / N, -2 * margin / N
    return loss, dx


@right("with one-hot labels")
def squared_hinge_loss(x, y):
    right_ones = np.eye(x.shape[1], dtype=x.dtype)[y]
    scores = (x * right_ones).sum(axis=1, keepdims=True)
    m = np.maximum(x - scores + 1, 0) * (1 - right_ones)
    pull = -2 * m.sum(axis=1, keepdims=True) * right_ones
    return np.einsum("nc,nc->", m, m) / len(x), (2 * m + pull) / len(x)


# ---- chapter 2 -----------------------------------------------------------------------


@wrong("averaged as in RMSProp", "average-not-sum")
def adagrad(w, dw, config=None):
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("epsilon", 1e-8)
    cache = config.get("cache", np.zeros_like(w))
    config["cache"] = 0.99 * cache + 0.01 * dw**2
    step = dw / (np.sqrt(config["cache"]) + config["epsilon"])
    return w - config["learning_rate"] * step, config


@wrong("the sum is not stored", "memory-lost")
def adagrad(w, dw, config=None):
    config = {} if config is None else config
    lr, eps = config.get("learning_rate", 1e-2), config.get("epsilon", 1e-8)
    cache = config.get("cache", 0) + dw**2
    return w - lr * dw / (np.sqrt(cache) + eps), config


@wrong("kept as a running sum", "other-key")
def adagrad(w, dw, config=None):
    config = {} if config is None else config
    lr, eps = config.get("learning_rate", 1e-2), config.get("epsilon", 1e-8)
    config["G"] = config.get("G", 0) + dw * dw
    return w - lr * dw / (np.sqrt(config["G"]) + eps), config


@wrong("epsilon under the root", "epsilon-under-root")
def adagrad(w, dw, config=None):
    c = {"learning_rate": 1e-2, "epsilon": 1e-8, "cache": np.zeros_like(w)}
    c |= config or {}
    c["cache"] = c["cache"] + dw**2
    return w - c["learning_rate"] * dw / np.sqrt(c["cache"] + c["epsilon"]), c


@wrong("no default for epsilon", "no-default")
def adagrad(w, dw, config=None):
    config = config or {}
    config.setdefault("learning_rate", 1e-2)
    config["cache"] = config.get("cache", 0) + dw**2
    step = dw / (np.sqrt(config["cache"]) + config["epsilon"])
    return w - config["learning_rate"] * step, config


@wrong("w is moved in place", "modifies-input")
def adagrad(w, dw, config=None):
    config = config or {}
    config["cache"] = config.get("cache", 0) + dw**2
    eps = config.get("epsilon", 1e-8)
    w -= config.get("learning_rate", 1e-2) * dw / (np.sqrt(config["cache"]) + eps)
    return w, config


@right("the memory in place, in an array of its own")
def adagrad(w, dw, config=None):
    config = dict(config or {})
    memory = np.array(config.get("cache", np.zeros_like(dw)))
    memory += np.square(dw)
    config["cache"] = memory
    scale = np.power(memory, 0.5) + config.get("epsilon", 1e-8)
    return w - config.setdefault("learning_rate", 0.01) * (dw / scale), config


@wrong("np.clip on the entries", "entries-clipped")
def clipped(rule, max_norm):
    def new_rule(w, dw, config):
        return rule(w, np.clip(dw, -max_norm, max_norm), config)

    return new_rule


@wrong("every gradient is brought to the limit", "always-scaled")
def clipped(rule, max_norm):
    def new_rule(w, dw, config):
        norm = np.sqrt(np.sum(dw**2)) + 1e-8
        return rule(w, dw / norm * max_norm, config)

    return new_rule


@wrong("the rule is called at once", "exception")
def clipped(rule, max_norm):
    dw = np.ones(3)
    norm = np.linalg.norm(dw)
    return rule(dw * min(1, max_norm / norm))


@wrong("a step comes back, not a rule", "no-function")
def clipped(rule, max_norm):
    return max_norm


@wrong("the config is not handed back", "arity")
def clipped(rule, max_norm):
    def new_rule(w, dw, config):
        norm = np.linalg.norm(dw)
        if norm > max_norm:
            dw = dw * (max_norm / norm)
        next_w, config = rule(w, dw, config)
        return next_w

    return new_rule


@wrong("dw is scaled in place", "modifies-input")
def clipped(rule, max_norm):
    def new_rule(w, dw, config):
        norm = np.linalg.norm(dw)
        if norm > max_norm:
            dw *= max_norm / norm
        return rule(w, dw, config)

    return new_rule


@wrong("the square of the norm", "no-root")
def clipped(rule, max_norm):
    def new_rule(w, dw, config):
        squares = np.sum(dw * dw)
        if squares > max_norm:
            dw = dw * max_norm / squares
        return rule(w, dw, config)

    return new_rule


@wrong("longer ones are made as long as 1", "norm-one")
def clipped(rule, max_norm):
    def new_rule(w, dw, config):
        length = np.linalg.norm(dw)
        return rule(w, dw / length if length > max_norm else dw, config)

    return new_rule


@right("an object that can be called")
def clipped(rule, max_norm):
    class Rule:
        def __call__(self, w, dw, config=None):
            length = max(np.linalg.norm(dw.ravel()), max_norm)
            return rule(w, dw / length * max_norm, config)

    return Rule()


@right("a lambda")
def clipped(rule, max_norm):
    return lambda w, dw, config: rule(
        w, dw * min(1.0, max_norm / (float(np.sqrt((dw**2).sum())) + 1e-12)), config
    )


# ---- chapter 3 -----------------------------------------------------------------------


@wrong("the running mean is forgotten", "mean-not-subtracted")
def fold(w, b, gamma, beta, bn_param):
    std = np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))
    return w * gamma / std, b * gamma / std + beta


@wrong("the bias stays as it is", "b-not-scaled")
def fold(w, b, gamma, beta, bn_param):
    std = np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))
    scale = gamma / std
    return w * scale, b + beta - scale * bn_param["running_mean"]


@wrong("w in place", "modifies-input")
def fold(w, b, gamma, beta, bn_param):
    scale = gamma / np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))
    w *= scale
    return w, (b - bn_param["running_mean"]) * scale + beta


@wrong("eps is left out", "eps-forgotten")
def fold(w, b, gamma, beta, bn_param):
    scale = gamma / bn_param["running_var"] ** 0.5
    return w * scale, (b - bn_param["running_mean"]) * scale + beta


@wrong("the rows are scaled", "not-per-column")
def fold(w, b, gamma, beta, bn_param):
    scale = gamma / np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))
    return w * scale[:, None], (b - bn_param["running_mean"]) * scale + beta


@right("by running unit vectors through both layers")
def fold(w, b, gamma, beta, bn_param):
    def both(x):
        out = x @ w + b
        std = np.sqrt(bn_param["running_var"] + bn_param.get("eps", 1e-5))
        return gamma * ((out - bn_param["running_mean"]) / std) + beta

    zero = both(np.zeros((1, len(w)), w.dtype))
    return both(np.eye(len(w), dtype=w.dtype)) - zero, zero[0]


@wrong("the mean is subtracted after all", "mean-subtracted")
def rmsnorm_forward(x, gamma, eps):
    x = x - x.mean(axis=1, keepdims=True)
    rms = np.sqrt((x**2).mean(axis=1, keepdims=True) + eps)
    return gamma * x / rms, (x, gamma, rms)


@wrong("over the examples", "wrong-axis")
def rmsnorm_forward(x, gamma, eps):
    rms = ((x**2).mean(axis=0) + eps) ** 0.5
    return gamma * (x / rms), (x, gamma, rms)


@wrong("the norm in place of the root mean square", "sum-of-squares")
def rmsnorm_forward(x, gamma, eps):
    norm = np.sqrt((x**2).sum(axis=-1, keepdims=True) + eps)
    return x / norm * gamma, (x, gamma, norm)


@wrong("no keepdims", "exception")
def rmsnorm_forward(x, gamma, eps):
    rms = np.sqrt(np.mean(x**2, axis=1) + eps)
    return gamma * x / rms, (x, gamma, rms)


@wrong("eps after the root", "eps-outside-root")
def rmsnorm_forward(x, gamma, eps):
    rms = np.sqrt(np.mean(x**2, axis=1, keepdims=True)) + eps
    return gamma * x / rms, (x, gamma, rms)


@right("by np.linalg.norm")
def rmsnorm_forward(x, gamma, eps):
    squares = np.linalg.norm(x, axis=1) ** 2 / x.shape[1]
    inverse = 1 / np.sqrt(squares + eps)
    return np.einsum("nd,n,d->nd", x, inverse, gamma), (x, inverse, gamma)


def rms(x, gamma, eps):
    root = np.sqrt(np.mean(x**2, axis=1, keepdims=True) + eps)
    return gamma * (x / root), (x / root, gamma, root)


@wrong("the root is taken for a constant", "path-forgotten", forward=rms)
def rmsnorm_backward(dout, cache):
    xhat, gamma, root = cache
    return dout * gamma / root, np.sum(dout * xhat, axis=0)


@wrong("as in layer normalization", "mean-path-kept", forward=rms)
def rmsnorm_backward(dout, cache):
    xhat, gamma, root = cache
    g = dout * gamma
    D = g.shape[1]
    one, two = g.sum(axis=1)[:, None], (g * xhat).sum(axis=1)[:, None]
    return (D * g - one - xhat * two) / (D * root), np.sum(dout * xhat, axis=0)


@wrong("gamma comes last", "gamma-after-mean", forward=rms)
def rmsnorm_backward(dout, cache):
    xhat, gamma, root = cache
    part = (dout * xhat).mean(axis=1, keepdims=True)
    return (dout - part * xhat) * gamma / root, (dout * xhat).sum(axis=0)


@wrong("dgamma is averaged", "averaged", forward=rms)
def rmsnorm_backward(dout, cache):
    xhat, gamma, root = cache
    g = dout * gamma
    dx = (g - (g * xhat).mean(axis=1, keepdims=True) * xhat) / root
    return dx, np.mean(dout * xhat, axis=0)


@wrong("dgamma is not summed", "not-reduced", forward=rms)
def rmsnorm_backward(dout, cache):
    xhat, gamma, root = cache
    g = dout * gamma
    dx = (g - (g * xhat).mean(axis=1, keepdims=True) * xhat) / root
    return dx, dout * xhat


@right("by the Jacobian of each example", forward=rms)
def rmsnorm_backward(dout, cache):
    xhat, gamma, root = cache
    dx = np.empty_like(dout)
    for n, (row, size) in enumerate(zip(xhat, root[:, 0], strict=True)):
        jacobian = np.eye(len(row), dtype=row.dtype) - np.outer(row, row) / len(row)
        dx[n] = jacobian @ (gamma * dout[n]) / size
    return dx, np.einsum("nd,nd->d", dout, xhat)


# ---- chapter 8 -----------------------------------------------------------------------


@wrong("the last row and column are never reached", "never-at-the-edge")
def erase(X, size, rng):
    out = X.copy()
    N, _, H, W = X.shape
    for n in range(N):
        top = rng.integers(H - size) if size < H else 0
        left = rng.integers(W - size) if size < W else 0
        out[n, :, top : top + size, left : left + size] = 0
    return out


@wrong("centres anywhere", "beyond-the-edge")
def erase(X, size, rng):
    out = X.copy()
    for image in out:
        row, column = rng.integers(X.shape[2]), rng.integers(X.shape[3])
        image[:, row : row + size, column : column + size] = 0
    return out


@wrong("in the caller's array", "modifies-input")
def erase(X, size, rng):
    for image in X:
        top = rng.integers(X.shape[2] - size + 1)
        left = rng.integers(X.shape[3] - size + 1)
        image[:, top : top + size, left : left + size] = 0
    return X


@wrong("NumPy's own random numbers", "rng-not-used")
def erase(X, size, rng):
    out, (N, _, H, W) = X.copy(), X.shape
    for n in range(N):
        top = np.random.randint(H - size + 1)
        left = np.random.randint(W - size + 1)
        out[n, :, top : top + size, left : left + size] = 0
    return out


@wrong("one corner for all", "one-for-all")
def erase(X, size, rng):
    top, left = rng.integers(0, [X.shape[2] - size + 1, X.shape[3] - size + 1])
    out = np.copy(X)
    out[..., top : top + size, left : left + size] = 0
    return out


@wrong("a place for each channel", "each-channel-by-itself")
def erase(X, size, rng):
    out = X.copy()
    H, W = X.shape[2:]
    for image in out:
        for channel in image:
            top, left = rng.integers(H - size + 1), rng.integers(W - size + 1)
            channel[top : top + size, left : left + size] = 0
    return out


@wrong("grey, not black", "not-zero")
def erase(X, size, rng):
    out = X.copy()
    H, W = X.shape[2:]
    for image in out:
        left, top = rng.integers(W - size + 1), rng.integers(H - size + 1)
        image[:, top : top + size, left : left + size] = X.mean()
    return out


@wrong("through float64", "dtype")
def erase(X, size, rng):
    out = np.ones(X.shape)
    H, W = X.shape[2:]
    for image in out:
        left, top = rng.integers(W - size + 1), rng.integers(H - size + 1)
        image[:, top : top + size, left : left + size] = 0
    return X * out


@right("by a mask, without a loop")
def erase(X, size, rng):
    N, _, H, W = X.shape
    left = rng.integers(0, W - size, N, endpoint=True)[:, None]
    top = rng.integers(0, H - size, N, endpoint=True)[:, None]
    rows = (np.arange(H) >= top) & (np.arange(H) < top + size)
    columns = (np.arange(W) >= left) & (np.arange(W) < left + size)
    hole = rows[:, None, :, None] & columns[:, None, None, :]
    return np.where(hole, X.dtype.type(0), X)


@right("by uniform numbers")
def erase(X, size, rng):
    out = np.array(X, copy=True)
    for n in reversed(range(len(X))):
        top = int(rng.random() * (X.shape[2] - size + 1))
        left = int(rng.random() * (X.shape[3] - size + 1))
        out[n][:, top : top + size, left : left + size] *= 0
    return out


def _forward_of(net, X):
    p = net.params
    first = layer_utils.conv_relu_pool_forward(
        X, p["W1"], p["b1"], net.conv_param, net.pool_param
    )
    second = layer_utils.affine_relu_forward(first[0], p["W2"], p["b2"])
    third = layers.affine_forward(second[0], p["W3"], p["b3"])
    return third[0], (first[1], second[1], third[1])


def _back_from(dscores, caches, need_dx=True):
    conv, hidden, last = caches
    dout = layers.affine_backward(dscores, last)[0]
    dout = layer_utils.affine_relu_backward(dout, hidden)[0]
    return layer_utils.conv_relu_pool_backward(dout, conv, need_dx=need_dx)[0]


@wrong("begins with the loss", "gradient-of-the-loss")
def saliency(net, X, y):
    scores, caches = _forward_of(net, X)
    return _back_from(layers.softmax_loss(scores, y)[1], caches)


@wrong("nobody asks for dx", "arity")
def saliency(net, X, y):
    scores, caches = _forward_of(net, X)
    dscores = (np.arange(scores.shape[1]) == y[:, None]).astype(scores.dtype)
    return _back_from(dscores, caches, need_dx=False)


@wrong("the class that wins", "predicted-class")
def saliency(net, X, y):
    scores, caches = _forward_of(net, X)
    dscores = (scores == scores.max(axis=1, keepdims=True)).astype(float)
    return _back_from(dscores, caches)


@wrong("marks whole columns", "index-of-columns")
def saliency(net, X, y):
    scores, caches = _forward_of(net, X)
    dscores = np.zeros(scores.shape)
    for c in y:
        dscores[:, c] = 1.0
    return _back_from(dscores, caches)


@wrong("for the picture that one sees", "absolute")
def saliency(net, X, y):
    scores, caches = _forward_of(net, X)
    dX = _back_from(np.eye(scores.shape[1])[y], caches)
    return np.where(dX < 0, -dX, dX)


@right("a picture at a time")
def saliency(net, X, y):
    dX = []
    for picture, label in zip(X, y, strict=True):
        scores, caches = _forward_of(net, picture[None])
        dscores = np.zeros_like(scores)
        dscores[0, label] = 1
        dX.append(_back_from(dscores, caches))
    return np.concatenate(dX)


@right("from two gradients of losses")
def saliency(net, X, y):
    scores, caches = _forward_of(net, X)
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    of_loss = _back_from(p - np.eye(scores.shape[1])[y], caches)
    return _back_from(p, caches) - of_loss


# ---- chapter 9 -----------------------------------------------------------------------


@wrong("all of epsilon to the wrong classes", "over-wrong-classes")
def smoothed_softmax_loss(x, y, epsilon):
    N, C = x.shape
    x = x - x.max(axis=1, keepdims=True)
    log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    q = np.full((N, C), epsilon / (C - 1), x.dtype)
    q[range(N), y] = 1 - epsilon
    return -np.mean(np.sum(q * log_p, axis=1)), (np.exp(log_p) - q) / N


@wrong("the right class loses its share", "target-does-not-sum-to-1")
def smoothed_softmax_loss(x, y, epsilon):
    N, C = x.shape
    x = x - x.max(axis=1, keepdims=True)
    log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    q = np.full((N, C), epsilon / C, x.dtype)
    q[range(N), y] = 1 - epsilon
    return -np.mean(np.sum(q * log_p, axis=1)), (np.exp(log_p) - q) / N


@wrong("the gradient of the usual loss", "not-smoothed")
def smoothed_softmax_loss(x, y, epsilon):
    loss, dx = layers.softmax_loss(x, y)
    right_score = x[np.arange(len(y)), y]
    return loss + epsilon * (right_score.mean() - x.mean()), dx


@wrong("large scores overflow", "no-max-shift")
def smoothed_softmax_loss(x, y, epsilon):
    N, C = x.shape
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    q = np.full_like(p, epsilon / C)
    q[np.arange(N), y] += 1 - epsilon
    return -(q * np.log(p)).sum() / N, (p - q) / N


@right("two terms, one example after the other")
def smoothed_softmax_loss(x, y, epsilon):
    loss, dx = 0.0, np.empty_like(x)
    for n, (s, label) in enumerate(zip(x, y, strict=True)):
        top = s.max()
        e = np.exp(s - top)
        loss += np.log(e.sum()) + top - s[label] + epsilon * (s[label] - s.mean())
        dx[n] = e / e.sum() - epsilon / len(s)
        dx[n, label] -= 1 - epsilon
    return loss / len(x), dx / len(x)


@wrong("every descent as long", "equal-lengths")
def restarts(s, cycles):
    return 0.5 + 0.5 * np.cos(np.pi * (s * cycles % 1)) if s < 1 else 0.0


@wrong("restarts at the end", "restart-at-the-end")
def restarts(s, cycles):
    ends = (2.0 ** np.arange(cycles + 1) - 1) / (2**cycles - 1)
    k = np.searchsorted(ends, s, side="right") - 1
    if k == cycles:
        return 1.0
    return 0.5 * (1 + np.cos(np.pi * (s - ends[k]) / (ends[k + 1] - ends[k])))


@wrong("a whole period of the cosine", "down-and-up")
def restarts(s, cycles):
    place, length = s * (2**cycles - 1), 1
    while place >= length and length < 2 ** (cycles - 1):
        place -= length
        length *= 2
    return (1 + np.cos(2 * np.pi * place / length)) / 2


@right("by a logarithm")
def restarts(s, cycles):
    place = s * (2**cycles - 1) + 1
    k = min(int(np.log2(place)), cycles - 1)
    return np.cos(np.pi / 2 * (place / 2**k - 1)) ** 2


@wrong("too large", "not-a-square-of-that-size")
def cutout(X, rng, size):
    out = X.copy()
    for image in out:
        top = rng.integers(X.shape[2] - size + 1)
        left = rng.integers(X.shape[3] - size + 1)
        image[:, top : top + size + 1, left : left + size + 1] = 0
    return out


@wrong("row and column are one", "diagonal")
def cutout(X, rng, size):
    out = X.copy()
    for image in out:
        i = rng.integers(min(X.shape[2:]) - size + 1)
        image[:, i : i + size, i : i + size] = 0
    return out


@wrong("a generator of its own", "rng-not-used")
def cutout(X, rng, size):
    rng = np.random.default_rng(42)
    out, (N, _, H, W) = X.copy(), X.shape
    corners = rng.integers(0, [H - size + 1, W - size + 1], (N, 2))
    for image, (top, left) in zip(out, corners, strict=True):
        image[:, top : top + size, left : left + size] = 0
    return out


@right("a corner from one number")
def cutout(X, rng, size):
    N, _, H, W = X.shape
    places = rng.choice((H - size + 1) * (W - size + 1), N)
    out = X.copy()
    for n, (top, left) in enumerate(zip(*np.divmod(places, W - size + 1), strict=True)):
        out[n, :, top : top + size, left : left + size] = 0
    return out


def _finished(durations, workers):
    free = [0.0] * workers
    for minutes in durations:
        k = free.index(min(free))
        free[k] += minutes
    return max(free)


@wrong("sorted in place", "reorders-the-list")
def expected_minutes(durations, workers):
    durations.sort()
    durations.reverse()
    return _finished(durations, workers)


@wrong("the shortest first", "shortest-first")
def expected_minutes(durations, workers):
    return _finished(np.sort(durations), workers)


@wrong("without a plan", "bound-not-result")
def expected_minutes(durations, workers):
    return np.maximum(np.sum(durations) / workers, np.max(durations))


@right("by a heap")
def expected_minutes(durations, workers):
    free = [0.0] * workers
    for minutes in -np.sort(-np.asarray(durations)):
        heapq.heappushpop(free, free[0] + minutes)
    return max(free)
