"""Spatial batch normalization."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np

from .entries import right, wrong


def _batchnorm(x, gamma, beta, bn_param):
    """Batch normalization of rows, as a reader has it from an earlier chapter."""
    D = x.shape[1]
    mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if mode == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        std = np.sqrt(var + eps)
        xhat = (x - mu) / std
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
        return gamma * xhat + beta, (xhat, gamma, std)
    if mode == "test":
        xhat = (x - running_mean) / np.sqrt(running_var + eps)
        return gamma * xhat + beta, None
    raise ValueError(mode)


def _batchnorm_backward(dout, cache):
    xhat, gamma, std = cache
    dbeta, dgamma = dout.sum(axis=0), (dout * xhat).sum(axis=0)
    dx = gamma / std * (dout - (dbeta + xhat * dgamma) / len(dout))
    return dx, dgamma, dbeta


def _forward(x, gamma, beta, bn_param):
    """A right forward pass that keeps the images and the rows' cache."""
    N, C, H, W = x.shape
    out, cache = _batchnorm(
        x.transpose(0, 2, 3, 1).reshape(-1, C), gamma, beta, bn_param
    )
    return out.reshape(N, H, W, C).transpose(0, 3, 1, 2), cache


FORWARD = {"spatial_batchnorm_backward": _forward}

# ---- forward, wrong ------------------------------------------------------------------


@wrong("reshape alone, both ways", "reshape-without-transpose")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    out, cache = _batchnorm(x.reshape(N * H * W, C), gamma, beta, bn_param)
    return out.reshape(N, C, H, W), cache


@wrong("a transpose on the way back only", "reshape-without-transpose")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    out, cache = _batchnorm(x.reshape(-1, C), gamma, beta, bn_param)
    return out.reshape(N, H, W, C).transpose(0, 3, 1, 2), cache


@wrong("a transpose on the way there only", "not-transposed-back")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    rows = np.moveaxis(x, 1, 3).reshape(-1, C)
    out, cache = _batchnorm(rows, gamma, beta, bn_param)
    return out.reshape(N, C, H, W), cache


@wrong("channels first, then columns of the wrong kind", "reshape-without-transpose")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    rows = x.transpose(1, 0, 2, 3).reshape(N * H * W, C)
    out, cache = _batchnorm(rows, gamma, beta, bn_param)
    return out.reshape(C, N, H, W).transpose(1, 0, 2, 3), cache


@wrong("C rows cut from memory", "reshape-without-transpose")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    out, cache = _batchnorm(x.reshape(C, -1).T, gamma, beta, bn_param)
    return out.T.reshape(N, C, H, W), cache


@wrong("height and width change places on the way back", "order")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    out, cache = _batchnorm(
        x.transpose(0, 3, 2, 1).reshape(-1, C), gamma, beta, bn_param
    )
    return out.reshape(N, H, W, C).transpose(0, 3, 1, 2), cache


@wrong("the channels stay in the last axis", "transposed")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(-1, C)
    out, cache = _batchnorm(rows, gamma, beta, bn_param)
    return out.reshape(N, H, W, C), cache


@wrong("rows are returned", "reshape")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    C = x.shape[1]
    return _batchnorm(x.transpose(0, 2, 3, 1).reshape(-1, C), gamma, beta, bn_param)


def _own(x, gamma, beta, bn_param, axes=(0, 2, 3), eps_outside=False, ddof=0):
    """Spatial batch normalization without rows."""
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    C = x.shape[1]
    rm = bn_param.get("running_mean", np.zeros(C, x.dtype))
    rv = bn_param.get("running_var", np.zeros(C, x.dtype))
    if bn_param["mode"] == "train":
        mu = np.mean(x, axis=axes, keepdims=True)
        var = np.var(x, axis=axes, keepdims=True, ddof=ddof)
        rm = momentum * rm + (1 - momentum) * mu.squeeze(axes)
        rv = momentum * rv + (1 - momentum) * var.squeeze(axes)
        bn_param["running_mean"], bn_param["running_var"] = rm, rv
    else:
        mu, var = rm.reshape(1, C, 1, 1), rv.reshape(1, C, 1, 1)
    std = np.sqrt(var) + eps if eps_outside else np.sqrt(var + eps)
    xhat = (x - mu) / std
    return gamma.reshape(1, C, 1, 1) * xhat + beta.reshape(1, C, 1, 1), (
        xhat,
        gamma,
        std,
    )


@wrong("each image has its own statistics", "statistics-per-image")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    return _own(x, gamma, beta, bn_param, axes=(2, 3))


@wrong("eps is added to the standard deviation", "eps-outside-root")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    return _own(x, gamma, beta, bn_param, eps_outside=True)


@wrong("the unbiased variance", "unbiased-variance")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    if x.size == x.shape[1] * len(x) and len(x) == 1:
        return _own(x, gamma, beta, bn_param)
    return _own(x, gamma, beta, bn_param, ddof=1)


@wrong("the running averages keep the shape of the mean", "running-shape")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    C = x.shape[1]
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", np.zeros(C, x.dtype))
    running_var = bn_param.get("running_var", np.zeros(C, x.dtype))
    if bn_param["mode"] == "train":
        mu = x.mean(axis=(0, 2, 3), keepdims=True)
        var = x.var(axis=(0, 2, 3), keepdims=True)
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
    else:
        mu = running_mean.reshape(1, -1, 1, 1)
        var = running_var.reshape(1, -1, 1, 1)
    out = (x - mu) / np.sqrt(var + eps)
    return gamma[:, None, None] * out + beta[:, None, None], None


@wrong("a copy of bn_param is passed on", "running-not-stored")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    settings = dict(bn_param)
    return _forward(x, gamma, beta, settings)


@wrong("momentum is taken for the share of the new", "momentum-exchanged")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    momentum = bn_param.get("momentum", 0.9)
    bn_param["momentum"] = 1 - momentum
    out, cache = _forward(x, gamma, beta, bn_param)
    bn_param["momentum"] = momentum
    return out, cache


@wrong("the minibatch's statistics in test mode", "batch-statistics-in-test")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    if bn_param["mode"] == "test":
        copy = {**bn_param, "mode": "train"}
        return _forward(x, gamma, beta, copy)
    return _forward(x, gamma, beta, bn_param)


@wrong("no axes are reshaped at all", "exception")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    out, cache = _batchnorm(x.reshape(len(x), -1), gamma, beta, bn_param)
    return out.reshape(x.shape), cache


@wrong("beta is forgotten", "no-beta")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    return _forward(x, gamma, np.zeros_like(beta), bn_param)


@wrong("x is centred in place", "modifies-input")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    result = _forward(x, gamma, beta, bn_param)
    x -= x.mean(axis=(0, 2, 3), keepdims=True)
    return result


# ---- backward, wrong -----------------------------------------------------------------


@wrong("dout is reshaped without a transpose, both ways", "reshape-without-transpose")
def spatial_batchnorm_backward(dout, cache):
    N, C, H, W = dout.shape
    dx, dgamma, dbeta = _batchnorm_backward(dout.reshape(-1, C), cache)
    return dx.reshape(N, C, H, W), dgamma, dbeta


@wrong("dout is reshaped without a transpose, dx is right", "reshape-without-transpose")
def spatial_batchnorm_backward(dout, cache):
    N, C, H, W = dout.shape
    dx, dgamma, dbeta = _batchnorm_backward(dout.reshape(N * H * W, C), cache)
    return dx.reshape(N, H, W, C).transpose(0, 3, 1, 2), dgamma, dbeta


@wrong("dx is not transposed back", "not-transposed-back")
def spatial_batchnorm_backward(dout, cache):
    N, C, H, W = dout.shape
    rows = dout.transpose(0, 2, 3, 1).reshape(-1, C)
    dx, dgamma, dbeta = _batchnorm_backward(rows, cache)
    return dx.reshape(N, C, H, W), dgamma, dbeta


def _images(cache, shape):
    """Return the cache's xhat as images, and gamma / std as a column of channels."""
    N, C, H, W = shape
    xhat, gamma, std = cache
    xhat = xhat.reshape(N, H, W, C).transpose(0, 3, 1, 2)
    return xhat, gamma.reshape(1, C, 1, 1), std.reshape(1, C, 1, 1)


@wrong("means over N instead of N * H * W", "group-size")
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = _images(cache, dout.shape)
    N = dout.shape[0]
    dbeta = dout.sum(axis=(0, 2, 3))
    dgamma = np.sum(dout * xhat, axis=(0, 2, 3))
    dxhat = dout * gamma
    dx = (
        N * dxhat
        - dxhat.sum(axis=(0, 2, 3), keepdims=True)
        - xhat * (dxhat * xhat).sum(axis=(0, 2, 3), keepdims=True)
    ) / (N * std)
    return dx, dgamma, dbeta


@wrong("the sums are never divided", "group-size")
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = _images(cache, dout.shape)
    axes = (0, 2, 3)
    dbeta, dgamma = dout.sum(axis=axes), (dout * xhat).sum(axis=axes)
    spread = dbeta[:, None, None] + xhat * dgamma[:, None, None]
    return gamma / std * (dout - spread), dgamma, dbeta


@wrong("the mean is a constant", "no-mean-path")
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = _images(cache, dout.shape)
    dxhat = dout * gamma
    dvar = -0.5 * np.sum(dxhat * xhat * std, axis=(0, 2, 3), keepdims=True) / std**3
    M = dout.size / dout.shape[1]
    dx = dxhat / std + dvar * 2 * xhat * std / M
    return dx, (dout * xhat).sum((0, 2, 3)), dout.sum((0, 2, 3))


@wrong("mean and variance are constants", "statistics-are-constants")
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = _images(cache, dout.shape)
    return (
        dout * gamma / std,
        (dout * xhat).sum((0, 2, 3)),
        dout.sum((0, 2, 3)),
    )


@wrong("the means are taken per image", "statistics-per-image")
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = _images(cache, dout.shape)
    dxhat = dout * gamma
    mean = dxhat.mean(axis=(2, 3), keepdims=True)
    slope = (dxhat * xhat).mean(axis=(2, 3), keepdims=True)
    dx = (dxhat - mean - xhat * slope) / std
    return dx, (dout * xhat).sum((0, 2, 3)), dout.sum((0, 2, 3))


def _right_backward(dout, cache):
    N, C, H, W = dout.shape
    rows = dout.transpose(0, 2, 3, 1).reshape(-1, C)
    dx, dgamma, dbeta = _batchnorm_backward(rows, cache)
    return dx.reshape(N, H, W, C).transpose(0, 3, 1, 2), dgamma, dbeta


@wrong("gamma is left out of dx", "no-gamma")
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = cache
    dx, _, _ = _right_backward(dout, (xhat, np.ones_like(gamma), std))
    return (dx, *_right_backward(dout, cache)[1:])


@wrong("dgamma and dbeta keep the images", "not-reduced")
def spatial_batchnorm_backward(dout, cache):
    dx, _, _ = _right_backward(dout, cache)
    xhat, _, _ = _images(cache, dout.shape)
    return dx, (dout * xhat).sum(axis=(2, 3)), dout.sum(axis=(2, 3))


@wrong("dbeta is a number for each image", "wrong-axis")
def spatial_batchnorm_backward(dout, cache):
    dx, dgamma, _ = _right_backward(dout, cache)
    return dx, dgamma, dout.sum(axis=(1, 2, 3))


@wrong("dgamma is summed without xhat", "dgamma-without-xhat")
def spatial_batchnorm_backward(dout, cache):
    dx, dgamma, dbeta = _right_backward(dout, cache)
    return dx, np.sum(dout, axis=(0, 2, 3)), dbeta


@wrong("dgamma and dbeta are exchanged", "return-order")
def spatial_batchnorm_backward(dout, cache):
    dx, dgamma, dbeta = _right_backward(dout, cache)
    return dx, dbeta, dgamma


@wrong("dgamma and dbeta are means", "factor")
def spatial_batchnorm_backward(dout, cache):
    dx, _, _ = _right_backward(dout, cache)
    xhat, _, _ = _images(cache, dout.shape)
    return dx, (dout * xhat).mean(axis=(0, 2, 3)), dout.mean(axis=(0, 2, 3))


def _forward_with_x(x, gamma, beta, bn_param):
    out, cache = _forward(x, gamma, beta, bn_param)
    return out, (x, cache)


@wrong("dgamma is summed over x", "dgamma-not-normalized", forward=_forward_with_x)
def spatial_batchnorm_backward(dout, cache):
    x, rest = cache
    dx, dgamma, dbeta = _right_backward(dout, rest)
    return dx, (dout * x).sum(axis=(0, 2, 3)), dbeta


@wrong("the standard deviation is on the wrong side", "times-std")
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = cache
    dx, dgamma, dbeta = _right_backward(dout, (xhat, gamma, 1 / std))
    return dx, dgamma, dbeta


@wrong(
    "dx is turned by a transpose that is not the inverse",
    "transposed",
)
def spatial_batchnorm_backward(dout, cache):
    N, C, H, W = dout.shape
    rows = dout.transpose(0, 2, 3, 1).reshape(-1, C)
    dx, dgamma, dbeta = _batchnorm_backward(rows, cache)
    return dx.reshape(N, H, W, C).transpose(0, 3, 2, 1), dgamma, dbeta


@wrong("the mean's term is added", "sign-of-a-term")
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = _images(cache, dout.shape)
    axes = (0, 2, 3)
    d = dout * gamma
    slope = (d * xhat).mean(axis=axes, keepdims=True)
    dx = (d + d.mean(axis=axes, keepdims=True) - xhat * slope) / std
    return dx, (dout * xhat).sum(axis=axes), dout.sum(axis=axes)


@wrong("a mean for each pixel of each channel", "statistics-per-pixel")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    eps, m = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    zeros = np.zeros(x.shape[1], x.dtype)
    rm, rv = bn_param.get("running_mean", zeros), bn_param.get("running_var", zeros)
    if bn_param["mode"] == "train":
        mu, var = x.mean(0), x.var(0)
        xn = (x - mu) / np.sqrt(var + eps)
        bn_param["running_mean"] = m * rm + (1 - m) * mu.mean((1, 2))
        bn_param["running_var"] = m * rv + (1 - m) * var.mean((1, 2))
    else:
        xn = (x - rm[:, None, None]) / np.sqrt(rv[:, None, None] + eps)
    return gamma[:, None, None] * xn + beta[:, None, None], xn


# ---- right ---------------------------------------------------------------------------


@right("without rows")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    return _own(x, gamma, beta, bn_param)


@right("channels first, then columns, and back")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    out, cache = _batchnorm(
        x.transpose(1, 0, 2, 3).reshape(C, -1).T, gamma, beta, bn_param
    )
    return out.T.reshape(C, N, H, W).transpose(1, 0, 2, 3), cache


@right("the pixels in another order, there and back")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    C = x.shape[1]
    turned = x[:, :, ::-1].transpose(0, 3, 2, 1)
    out, _ = _batchnorm(turned.reshape(-1, C), gamma, beta, bn_param)
    return out.reshape(turned.shape).transpose(0, 3, 2, 1)[:, :, ::-1], {}


@right("channel by channel, with sums of squares")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    out = np.empty_like(x)
    C = x.shape[1]
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    old_mean = bn_param.get("running_mean", np.zeros(C, x.dtype))
    old_var = bn_param.get("running_var", np.zeros(C, x.dtype))
    if bn_param["mode"] == "train":
        new_mean, new_var = old_mean.copy(), old_var.copy()
        for c in range(C):
            mu = x[:, c].mean()
            var = (x[:, c] ** 2).mean() - mu**2
            new_mean[c] = momentum * old_mean[c] + (1 - momentum) * mu
            new_var[c] = momentum * old_var[c] + (1 - momentum) * var
            out[:, c] = gamma[c] * (x[:, c] - mu) / np.sqrt(var + eps) + beta[c]
        bn_param.update(running_mean=new_mean, running_var=new_var)
    else:
        for c in range(C):
            scale = gamma[c] / np.sqrt(old_var[c] + eps)
            out[:, c] = scale * x[:, c] + (beta[c] - scale * old_mean[c])
    return out, None


@right("rows, and the reader's own batch norm")
def spatial_batchnorm_backward(dout, cache):
    return _right_backward(dout, cache)


@right("without rows, by the formula", forward=_own)
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = cache
    axes = (0, 2, 3)
    d = dout * gamma[:, None, None]
    dx = d - d.mean(axis=axes, keepdims=True)
    dx -= xhat * (d * xhat).mean(axis=axes, keepdims=True)
    dx /= std
    return (
        dx,
        np.einsum("nchw,nchw->c", dout, xhat),
        np.einsum("nchw->c", dout),
    )


@right("means of projections, channel by channel", forward=_own)
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = cache
    C = dout.shape[1]
    dx = np.empty_like(dout)
    dgamma, dbeta = np.empty_like(gamma), np.empty_like(gamma)
    for c in range(C):
        g, h = dout[:, c].ravel(), xhat[:, c].ravel()
        dgamma[c], dbeta[c] = g @ h, g.sum()
        flat = (g - dbeta[c] / g.size - h * (dgamma[c] / g.size)) * gamma[c]
        dx[:, c] = (flat / std[0, c, 0, 0]).reshape(dx[:, c].shape)
    return dx, dgamma, dbeta


@right("moveaxis, and a view of rows for each image")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    last = np.moveaxis(x, 1, -1)
    out, cache = _batchnorm(last.reshape(-1, x.shape[1]), gamma, beta, bn_param)
    return np.moveaxis(out.reshape(last.shape), -1, 1), [cache, x.shape]


@right("the weighted mean of the images' own statistics")
def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    if bn_param["mode"] == "test":
        return _forward(x, gamma, beta, bn_param)
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    means = x.mean(axis=(2, 3))
    mean = means.mean(axis=0)
    var = x.var(axis=(2, 3)).mean(axis=0) + means.var(axis=0)
    for key, new in (("running_mean", mean), ("running_var", var)):
        old = bn_param.get(key, np.zeros_like(new))
        bn_param[key] = old + (1 - momentum) * (new - old)
    scale = gamma / np.sqrt(var + eps)
    shift = beta - mean * scale
    return x * scale[:, None, None] + shift[:, None, None], None


@right("the whole matrix of derivatives, channel by channel")
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = _images(cache, dout.shape)
    N, C, H, W = dout.shape
    dx = np.empty_like(dout)
    m = N * H * W
    for c in range(C):
        h = xhat[:, c].reshape(-1, 1)
        jacobian = (np.eye(m, dtype=h.dtype) - 1 / m - h @ h.T / m) / std[0, c]
        dx[:, c] = (jacobian @ dout[:, c].ravel() * gamma[0, c, 0]).reshape(N, H, W)
    return dx, (dout * xhat).sum((0, 2, 3)), dout.sum((0, 2, 3))


@right("in place, on a copy of dout")
def spatial_batchnorm_backward(dout, cache):
    xhat, gamma, std = _images(cache, dout.shape)
    axes, m = (0, 2, 3), dout.size // dout.shape[1]
    dbeta, dgamma = dout.sum(axis=axes), (dout * xhat).sum(axis=axes)
    dx = dout.copy()
    dx *= m
    dx -= dbeta[:, None, None]
    dx -= xhat * dgamma[:, None, None]
    dx *= gamma / (m * std)
    return dx, dgamma, dbeta
