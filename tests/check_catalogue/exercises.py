"""The functions that the exercises ask for."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np

from nndl import layers

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
