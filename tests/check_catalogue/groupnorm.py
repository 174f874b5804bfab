"""Group normalization."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np

from .entries import right, wrong


def _forward(x, gamma, beta, G, gn_param):
    """A right forward pass with rows, one for each group."""
    eps = gn_param.get("eps", 1e-5)
    N, C, H, W = x.shape
    rows = x.reshape(N * G, -1)
    mu, var = rows.mean(axis=1, keepdims=True), rows.var(axis=1, keepdims=True)
    std = np.sqrt(var + eps)
    xhat = ((rows - mu) / std).reshape(N, C, H, W)
    return gamma * xhat + beta, {"xhat": xhat, "std": std, "gamma": gamma, "G": G}


FORWARD = {"spatial_groupnorm_backward": _forward}

# ---- forward, wrong ------------------------------------------------------------------


@wrong("the minibatch is normalized together", "over-batch")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    eps = gn_param.get("eps", 1e-5)
    g = x.reshape(N, G, C // G, H, W)
    mean = g.mean(axis=(0, 2, 3, 4), keepdims=True)
    var = g.var(axis=(0, 2, 3, 4), keepdims=True)
    g = (g - mean) / np.sqrt(var + eps)
    return g.reshape(N, C, H, W) * gamma + beta, None


@wrong("groups of channels that are G apart", "groups-interleaved")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    eps = gn_param.get("eps", 1e-5)
    out = np.empty_like(x)
    for k in range(G):
        part = x[:, k::G]
        mu = part.mean(axis=(1, 2, 3), keepdims=True)
        var = part.var(axis=(1, 2, 3), keepdims=True)
        out[:, k::G] = (part - mu) / np.sqrt(var + eps)
    return out * gamma + beta, None


@wrong("G channels in each group", "G-is-size")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    eps = gn_param.get("eps", 1e-5)
    out = np.empty_like(x)
    for start in range(0, C, G):
        part = x[:, start : start + G]
        mu = part.mean(axis=(1, 2, 3), keepdims=True)
        var = part.var(axis=(1, 2, 3), keepdims=True)
        out[:, start : start + G] = (part - mu) / np.sqrt(var + eps)
    return out * gamma + beta, None


@wrong("instance normalization", "per-channel")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-5)
    mu, var = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    return gamma * (x - mu) / np.sqrt(var + eps) + beta, None


@wrong("layer normalization", "groups-ignored")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-5)
    mu, var = x.mean((1, 2, 3), keepdims=True), x.var((1, 2, 3), keepdims=True)
    return gamma * (x - mu) / np.sqrt(var + eps) + beta, None


@wrong("the mean is that of the pixel's channels", "per-pixel")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    eps = gn_param.get("eps", 1e-5)
    g = x.reshape(N, G, C // G, H, W)
    mu, var = g.mean(axis=2, keepdims=True), g.var(axis=2, keepdims=True)
    return gamma * ((g - mu) / np.sqrt(var + eps)).reshape(x.shape) + beta, None


@wrong("rows of groups, averaged over the rows", "wrong-axis")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    eps = gn_param.get("eps", 1e-5)
    rows = x.reshape(N * G, C // G * H * W)
    rows = (rows - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + eps)
    return gamma * rows.reshape(N, C, H, W) + beta, None


@wrong("G rows for the whole minibatch", "mixed-images")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-5)
    rows = x.reshape(G, -1)
    mu, std = rows.mean(1, keepdims=True), np.sqrt(rows.var(1, keepdims=True) + eps)
    return gamma * ((rows - mu) / std).reshape(x.shape) + beta, None


def _grouped(x, gamma, beta, G, std_of, ddof=0):
    N, C, H, W = x.shape
    g = x.reshape(N, G, C // G, H, W)
    mu = g.mean(axis=(2, 3, 4), keepdims=True)
    var = g.var(axis=(2, 3, 4), keepdims=True, ddof=ddof)
    return gamma * ((g - mu) / std_of(var)).reshape(x.shape) + beta, None


@wrong("eps outside the root", "eps-outside-root")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-5)
    return _grouped(x, gamma, beta, G, lambda var: np.sqrt(var) + eps)


@wrong("eps is always 1e-5", "no-eps")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    return _grouped(x, gamma, beta, G, lambda var: np.sqrt(var + 1e-5))


@wrong("divided by the variance", "divided-by-variance")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    return _grouped(x, gamma, beta, G, lambda var: var + gn_param["eps"])


@wrong("gamma and beta of the group's first channel", "gamma-per-group")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    ones, zeros = np.ones_like(gamma), np.zeros_like(beta)
    out, _ = _forward(x, ones, zeros, G, gn_param)
    out = out.reshape(N, G, C // G, H, W)
    out *= gamma.reshape(1, G, -1)[:, :, 0].reshape(1, G, 1, 1, 1)
    out += beta.reshape(1, G, -1)[:, :, 0].reshape(1, G, 1, 1, 1)
    return out.reshape(N, C, H, W), None


@wrong("gamma is applied before the groups are undone", "exception")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    g = x.reshape(N, G, C // G, H, W)
    mu = g.mean(axis=(2, 3, 4), keepdims=True)
    var = g.var(axis=(2, 3, 4), keepdims=True)
    g = gamma * (g - mu) / np.sqrt(var + gn_param["eps"]) + beta
    return g.reshape(N, C, H, W), None


@wrong("the groups are never undone", "reshape")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    out, cache = _forward(x, gamma, beta, G, gn_param)
    N, C, H, W = x.shape
    return out.reshape(N, G, C // G, H, W), cache


@wrong("running averages in test mode", "test-mode")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    if gn_param.get("mode", "train") == "train":
        return _forward(x, gamma, beta, G, gn_param)
    mean = gn_param.get("running_mean", 0.0)
    var = gn_param.get("running_var", 1.0)
    return gamma * (x - mean) / np.sqrt(var + gn_param["eps"]) + beta, None


@wrong("a mode is demanded", "exception")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    if gn_param["mode"] == "train":
        return _forward(x, gamma, beta, G, gn_param)
    return x, None


@wrong("beta is subtracted", "input-added")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    return _forward(x, gamma, -beta, G, gn_param)


# ---- backward, wrong -----------------------------------------------------------------


def _parts(dout, cache):
    N, C, H, W = dout.shape
    G = cache["G"]
    shape = (N, G, C // G, H, W)
    dxhat = (dout * cache["gamma"]).reshape(shape)
    return dxhat, cache["xhat"].reshape(shape), cache["std"].reshape(N, G, 1, 1, 1)


def _dx(dout, cache, M, axes=(2, 3, 4)):
    dxhat, xhat, std = _parts(dout, cache)
    dx = (
        M * dxhat
        - dxhat.sum(axis=axes, keepdims=True)
        - xhat * (dxhat * xhat).sum(axis=axes, keepdims=True)
    ) / (M * std)
    return dx.reshape(dout.shape)


def _parameters(dout, cache):
    dgamma = (dout * cache["xhat"]).sum(axis=(0, 2, 3), keepdims=True)
    return dgamma, dout.sum(axis=(0, 2, 3), keepdims=True)


def _right_backward(dout, cache):
    M = dout[0].size // cache["G"]
    return (_dx(dout, cache, M), *_parameters(dout, cache))


@wrong("H * W for the group's size", "group-size")
def spatial_groupnorm_backward(dout, cache):
    M = dout.shape[2] * dout.shape[3]
    return (_dx(dout, cache, M), *_parameters(dout, cache))


@wrong("N for the group's size, as in batch norm", "group-size")
def spatial_groupnorm_backward(dout, cache):
    return (_dx(dout, cache, dout.shape[0]), *_parameters(dout, cache))


@wrong("all channels for the group's size", "group-size")
def spatial_groupnorm_backward(dout, cache):
    return (_dx(dout, cache, dout[0].size), *_parameters(dout, cache))


@wrong("N * H * W for the group's size", "group-size")
def spatial_groupnorm_backward(dout, cache):
    M = dout.size // dout.shape[1]
    return (_dx(dout, cache, M), *_parameters(dout, cache))


@wrong("the sums go over the batch", "over-batch")
def spatial_groupnorm_backward(dout, cache):
    M = dout.size // cache["G"]
    dx = _dx(dout, cache, M, axes=(0, 2, 3, 4))
    return (dx, *_parameters(dout, cache))


@wrong("the sums stay within a channel", "per-channel")
def spatial_groupnorm_backward(dout, cache):
    M = dout.shape[2] * dout.shape[3]
    return (_dx(dout, cache, M, axes=(3, 4)), *_parameters(dout, cache))


@wrong("gamma comes last, as in batch norm", "gamma-afterwards")
def spatial_groupnorm_backward(dout, cache):
    plain = {**cache, "gamma": np.ones_like(cache["gamma"])}
    dx = cache["gamma"] * _right_backward(dout, plain)[0]
    return (dx, *_parameters(dout, cache))


@wrong("gamma is left out", "no-gamma")
def spatial_groupnorm_backward(dout, cache):
    plain = {**cache, "gamma": np.ones_like(cache["gamma"])}
    return (_right_backward(dout, plain)[0], *_parameters(dout, cache))


@wrong("the mean is a constant", "no-mean-path")
def spatial_groupnorm_backward(dout, cache):
    dxhat, xhat, std = _parts(dout, cache)
    slope = (dxhat * xhat).mean(axis=(2, 3, 4), keepdims=True)
    dx = (dxhat - xhat * slope) / std
    return (dx.reshape(dout.shape), *_parameters(dout, cache))


@wrong("the variance is a constant", "no-variance-path")
def spatial_groupnorm_backward(dout, cache):
    dxhat, xhat, std = _parts(dout, cache)
    dx = (dxhat - dxhat.mean(axis=(2, 3, 4), keepdims=True)) / std
    return (dx.reshape(dout.shape), *_parameters(dout, cache))


@wrong("dgamma is summed without xhat", "dgamma-without-xhat")
def spatial_groupnorm_backward(dout, cache):
    dx, dgamma, dbeta = _right_backward(dout, cache)
    return dx, dbeta.copy(), dbeta


@wrong("dgamma has lost its axes", "reshape")
def spatial_groupnorm_backward(dout, cache):
    dx, dgamma, dbeta = _right_backward(dout, cache)
    return dx, dgamma.ravel(), dbeta.ravel()


@wrong("dgamma and dbeta keep the images", "not-reduced")
def spatial_groupnorm_backward(dout, cache):
    dx, _, _ = _right_backward(dout, cache)
    dgamma = (dout * cache["xhat"]).sum(axis=(2, 3), keepdims=True)
    return dx, dgamma, dout.sum(axis=(2, 3), keepdims=True)


@wrong("dgamma and dbeta are exchanged", "return-order")
def spatial_groupnorm_backward(dout, cache):
    dx, dgamma, dbeta = _right_backward(dout, cache)
    return dx, dbeta, dgamma


@wrong("dx keeps the groups", "reshape")
def spatial_groupnorm_backward(dout, cache):
    dx, dgamma, dbeta = _right_backward(dout, cache)
    N, C, H, W = dx.shape
    return dx.reshape(N, cache["G"], -1, H, W), dgamma, dbeta


@wrong("only dx is returned", "arity")
def spatial_groupnorm_backward(dout, cache):
    return _right_backward(dout, cache)[0]


@wrong("the statistics are constants", "statistics-are-constants")
def spatial_groupnorm_backward(dout, cache):
    dxhat, xhat, std = _parts(dout, cache)
    return ((dxhat / std).reshape(dout.shape), *_parameters(dout, cache))


@wrong("dbeta is one number", "reduced-too-far")
def spatial_groupnorm_backward(dout, cache):
    dx, dgamma, _ = _right_backward(dout, cache)
    return dx, dgamma, dout.sum()


@wrong("the groups of channels are G apart", "groups-interleaved")
def spatial_groupnorm_backward(dout, cache):
    N, C, H, W = dout.shape
    G = cache["G"]
    dxhat = (dout * cache["gamma"]).reshape(N, -1, G, H, W)
    xhat = cache["xhat"].reshape(dxhat.shape)
    dx = dxhat - dxhat.mean(axis=(1, 3, 4), keepdims=True)
    dx -= xhat * (dxhat * xhat).mean(axis=(1, 3, 4), keepdims=True)
    dx = dx.reshape(N, G, -1, H, W) / cache["std"].reshape(N, G, 1, 1, 1)
    return (dx.reshape(dout.shape), *_parameters(dout, cache))


@wrong("the variance's term is not multiplied by xhat", "term-without-xhat")
def spatial_groupnorm_backward(dout, cache):
    dxhat, xhat, std = _parts(dout, cache)
    axes = (2, 3, 4)
    dx = dxhat - dxhat.mean(axis=axes, keepdims=True)
    dx -= (dxhat * xhat).mean(axis=axes, keepdims=True)
    return ((dx / std).reshape(dout.shape), *_parameters(dout, cache))


@wrong("gamma is never used", "no-gamma")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    out, cache = _forward(x, np.ones_like(gamma), beta, G, gn_param)
    return out, cache


def _rows_of_groups(x, gamma, beta, G, gn_param):
    rows = x.reshape(x.shape[0] * G, -1)
    std = np.sqrt(rows.var(1, keepdims=True) + gn_param.get("eps", 1e-5))
    xhat = ((rows - rows.mean(1, keepdims=True)) / std).reshape(x.shape)
    shape = 1, -1, 1, 1
    out = gamma.reshape(shape) * xhat + beta.reshape(shape)
    return out, (xhat, std, gamma, G)


@wrong("each image keeps its own dgamma", "not-reduced", forward=_rows_of_groups)
def spatial_groupnorm_backward(dout, cache):
    xhat, std, gamma, G = cache
    N, C = dout.shape[:2]
    d = (dout * gamma.reshape(1, C, 1, 1)).reshape(N * G, -1)
    z = xhat.reshape(N * G, -1)
    means = d.mean(1, keepdims=True), (d * z).mean(1, keepdims=True)
    dx = (d - means[0] - z * means[1]) / std
    return dx.reshape(dout.shape), (dout * xhat).sum((2, 3)), dout.sum((2, 3))


# ---- right ---------------------------------------------------------------------------


@right("rows, one for each group")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    return _forward(x, gamma, beta, G, gn_param)


@right("image by image, group by group")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-5)
    out = np.empty_like(x)
    size = x.shape[1] // G
    for n in range(len(x)):
        for g in range(G):
            part = x[n, g * size : (g + 1) * size]
            centred = part - np.sum(part) / part.size
            out[n, g * size : (g + 1) * size] = centred / np.sqrt(
                np.vdot(centred, centred) / part.size + eps
            )
    out *= gamma
    out += beta
    return out, None


@right("np.split, and no reshape")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-5)
    parts = [
        (p - p.mean((1, 2, 3), keepdims=True))
        * (p.var((1, 2, 3), keepdims=True) + eps) ** -0.5
        for p in np.split(x, G, axis=1)
    ]
    return np.concatenate(parts, axis=1) * gamma + beta, {"parts": parts}


@right("einsum, and scale and shift in one")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-5)
    N, C, H, W = x.shape
    g = x.reshape(N, G, -1)
    m = g.shape[2]
    mean = np.einsum("ngm->ng", g) / m
    var = np.einsum("ngm,ngm->ng", g, g) / m - mean**2
    inverse = 1 / np.sqrt(var + eps)
    scale = np.repeat(inverse, C // G, axis=1)[..., None, None] * gamma
    shift = beta - scale * np.repeat(mean, C // G, axis=1)[..., None, None]
    return x * scale + shift, None


@right("the formula in groups")
def spatial_groupnorm_backward(dout, cache):
    return _right_backward(dout, cache)


@right("node by node")
def spatial_groupnorm_backward(dout, cache):
    dxhat, xhat, std = _parts(dout, cache)
    m = xhat[0, 0].size
    axes = (2, 3, 4)
    centred = xhat * std
    dvar = (dxhat * centred * -0.5 * std**-3).sum(axis=axes, keepdims=True)
    dmean = (-dxhat / std).sum(axis=axes, keepdims=True)
    dmean += dvar * (-2 * centred).mean(axis=axes, keepdims=True)
    dx = dxhat / std + dvar * 2 * centred / m + dmean / m
    return (dx.reshape(dout.shape), *_parameters(dout, cache))


@right("group by group, with projections")
def spatial_groupnorm_backward(dout, cache):
    N, C = dout.shape[:2]
    G = cache["G"]
    size = C // G
    dx = np.empty_like(dout)
    for n in range(N):
        for g in range(G):
            k = slice(g * size, (g + 1) * size)
            d = (dout[n, k] * cache["gamma"][0, k]).ravel()
            h = cache["xhat"][n, k].ravel()
            flat = d - d.mean() - h * (h @ d) / h.size
            dx[n, k] = (flat / cache["std"][n * G + g]).reshape(dx[n, k].shape)
    return (dx, *_parameters(dout, cache))


@right("sums over a matrix that says which channel is in which group")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    member = (np.arange(C)[:, None] // (C // G) == np.arange(G)).astype(x.dtype)
    m = C // G * H * W
    mean = x.sum(axis=(2, 3)) @ member / m @ member.T
    centred = x - mean[:, :, None, None]
    var = (centred**2).sum(axis=(2, 3)) @ member / m @ member.T
    std = np.sqrt(var + gn_param.get("eps", 1e-5))[:, :, None, None]
    return gamma * (centred / std) + beta, (centred, std)


@right("gamma and beta in groups")
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    g = x.reshape(N, G, C // G, H * W)
    g = g - g.mean(axis=(2, 3), keepdims=True)
    g /= np.sqrt((g * g).mean(axis=(2, 3), keepdims=True) + gn_param["eps"])
    g = g * gamma.reshape(1, G, -1, 1) + beta.reshape(1, G, -1, 1)
    return g.reshape(x.shape), {}


@right("everything is computed again from x", forward=lambda *a: (_forward(*a)[0], a))
def spatial_groupnorm_backward(dout, cache):
    return _right_backward(dout, _forward(*cache)[1])


@right("the whole matrix of derivatives, group by group")
def spatial_groupnorm_backward(dout, cache):
    dxhat, xhat, std = _parts(dout, cache)
    dx = np.empty_like(dxhat)
    m = xhat[0, 0].size
    for n, g in np.ndindex(*dxhat.shape[:2]):
        h = xhat[n, g].ravel()
        jacobian = (np.eye(m, dtype=h.dtype) - (1 + np.outer(h, h)) / m) / std[
            n, g, 0, 0, 0
        ]
        dx[n, g] = (jacobian @ dxhat[n, g].ravel()).reshape(dx[n, g].shape)
    return (dx.reshape(dout.shape), *_parameters(dout, cache))
