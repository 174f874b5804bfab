"""Sandwiches."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np

from nndl import layer_utils
from nndl.conv_layers import (
    conv_backward_naive,
    conv_forward_naive,
    max_pool_forward_naive,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)
from nndl.fast_layers import (
    conv_backward_fast,
    conv_forward_fast,
    max_pool_backward_fast,
    max_pool_forward_fast,
)
from nndl.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    layernorm_forward,
    relu_backward,
    relu_forward,
)

from .entries import right, wrong


# A reader's own chains, which make the caches of the backward functions below.
def chained_affine_relu(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)


def chained_affine_bn_relu(x, w, b, gamma, beta, bn_param):
    a, fc_cache = affine_forward(x, w, b)
    a_bn, bn_cache = batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(a_bn)
    return out, (fc_cache, bn_cache, relu_cache)


def chained_conv_relu(x, w, b, conv_param):
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    out, relu_cache = relu_forward(a)
    return out, (conv_cache, relu_cache)


def chained_conv_bn_relu(x, w, b, gamma, beta, conv_param, bn_param):
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    an, bn_cache = spatial_batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(an)
    return out, (conv_cache, bn_cache, relu_cache)


def chained_conv_relu_pool(x, w, b, conv_param, pool_param):
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    s, relu_cache = relu_forward(a)
    out, pool_cache = max_pool_forward_fast(s, pool_param)
    return out, (conv_cache, relu_cache, pool_cache)


def readable_conv_relu_pool(x, w, b, conv_param, pool_param):
    a, conv_cache = conv_forward_naive(x, w, b, conv_param)
    s, relu_cache = relu_forward(a)
    out, pool_cache = max_pool_forward_naive(s, pool_param)
    return out, (conv_cache, relu_cache, pool_cache)


FORWARD = {
    "affine_relu_backward": chained_affine_relu,
    "affine_bn_relu_backward": chained_affine_bn_relu,
    "conv_relu_backward": chained_conv_relu,
    "conv_bn_relu_backward": chained_conv_bn_relu,
    "conv_relu_pool_backward": chained_conv_relu_pool,
}

# ---- affine - ReLU -------------------------------------------------------------------


@wrong("the ReLU is forgotten", "no-relu")
def affine_relu_forward(x, w, b):
    out, fc_cache = affine_forward(x, w, b)
    _, relu_cache = relu_forward(out)
    return out, (fc_cache, relu_cache)


@wrong("the ReLU comes first", "relu-first")
def affine_relu_forward(x, w, b):
    activated, relu_cache = relu_forward(x)
    out, fc_cache = affine_forward(activated, w, b)
    return out, (relu_cache, fc_cache)


@wrong("the bias is added at the end", "relu-before-bias")
def affine_relu_forward(x, w, b):
    rows = x.reshape(x.shape[0], -1)
    z = rows @ w
    z[z < 0] = 0
    return z + b, (x, w, b, z)


@wrong("the examples are not flattened", "exception")
def affine_relu_forward(x, w, b):
    a = np.dot(x, w) + b
    return np.maximum(a, 0), (x, w, b, a)


@wrong("without the cache", "arity")
def affine_relu_forward(x, w, b):
    a, _ = affine_forward(x, w, b)
    return relu_forward(a)[0]


@wrong("x is clipped in place", "modifies-input")
def affine_relu_forward(x, w, b):
    x[x < 0] = 0
    out, cache = affine_forward(x, w, b)
    return np.maximum(0, out), cache


@wrong("a leak", "leaky-relu")
def affine_relu_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    return np.where(a > 0, a, a / 100), (fc_cache, a)


@wrong("the ReLU is forgotten", "no-relu")
def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    dx, dw, db = affine_backward(dout, fc_cache)
    return dx, dw, db


@wrong("da is computed and not used", "no-relu")
def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)  # noqa: F841
    dx, dw, db = affine_backward(dout, fc_cache)
    return dx, dw, db


@wrong("the mask of the gradient", "mask-from-dout")
def affine_relu_backward(dout, cache):
    fc_cache, _ = cache
    da = dout.copy()
    da[dout <= 0] = 0
    return affine_backward(da, fc_cache)


@wrong("the mask on dx alone", "relu-for-dx-only")
def affine_relu_backward(dout, cache):
    (x, w, b), a = cache
    dx = ((dout * (a > 0)) @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db


@wrong("dw first", "return-order")
def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    dx, dw, db = affine_backward(relu_backward(dout, relu_cache), fc_cache)
    return dw, db, dx


@wrong("in the order of the forward pass", "forward-order")
def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    dx, dw, db = affine_backward(dout, fc_cache)
    dx = relu_backward(dx, fc_cache[0])
    return dx, dw, db


@wrong("the caches are exchanged", "exception")
def affine_relu_backward(dout, cache):
    relu_cache, fc_cache = cache
    da = relu_backward(dout, relu_cache)
    return affine_backward(da, fc_cache)


@wrong("times the output of the ReLU", "multiplied-by-output")
def affine_relu_backward(dout, cache):
    fc_cache, a = cache
    return affine_backward(dout * np.maximum(a, 0), fc_cache)


@wrong("the mean of the gradient", "factor")
def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache) / len(dout)
    return affine_backward(da, fc_cache)


@wrong("dout is masked in place", "modifies-input")
def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    dout[relu_cache <= 0] = 0
    return affine_backward(dout, fc_cache)


@wrong("the gradient where the unit is silent", "mask-wrong-side")
def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = np.where(relu_cache > 0, 0, dout)
    return affine_backward(da, fc_cache)


@wrong("db is the sum of dout", "relu-not-for-db")
def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    dx, dw, _ = affine_backward(relu_backward(dout, relu_cache), fc_cache)
    return dx, dw, np.sum(dout, axis=0)


@wrong("b comes back as db", "input-returned")
def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    x, w, b = fc_cache
    dx, dw, db = affine_backward(relu_backward(dout, relu_cache), fc_cache)
    return dx, dw, b


@right("one expression, its output as mask")
def affine_relu_forward(x, w, b):
    out = np.clip(np.einsum("nd,dm->nm", x.reshape(len(x), -1), w) + b, 0, None)
    return out, {"x": x, "w": w, "active": out > 0}


@right("one expression, its output as mask", forward=affine_relu_forward)
def affine_relu_backward(dout, cache):
    x, w = cache["x"], cache["w"]
    da = np.where(cache["active"], dout, dout.dtype.type(0))
    dw = np.einsum("nd,nm->dm", x.reshape(len(x), -1), da)
    return np.einsum("nm,dm->nd", da, w).reshape(x.shape), dw, np.einsum("nm->m", da)


@right("the unit at 0 counts as active, recomputed from x")
def affine_relu_backward(dout, cache):
    (x, w, b), _ = cache
    rows = x.reshape(x.shape[0], w.shape[0])
    da = dout * (rows @ w + b >= 0)
    return da.dot(w.T).reshape(*x.shape), rows.T.dot(da), da.sum(0)


@right("a class with slots as cache")
def affine_relu_forward(x, w, b):
    a = x.reshape(len(x), -1) @ w + b
    return a * (a > 0), _Kept(a, x, w, b)


class _Kept:
    __slots__ = ("arrays",)

    def __init__(self, *arrays):
        self.arrays = arrays


@right("a class with slots as cache", forward=affine_relu_forward)
def affine_relu_backward(dout, cache):
    a, x, w, b = cache.arrays
    dx, dw, db = affine_backward(relu_backward(dout, a), (x, w, b))
    return [dx, dw, db]


# ---- affine - batch normalization - ReLU ---------------------------------------------


@wrong("the normalization comes after the ReLU", "bn-after-relu")
def affine_bn_relu_forward(x, w, b, gamma, beta, bn_param):
    a, fc_cache = affine_forward(x, w, b)
    r, relu_cache = relu_forward(a)
    out, bn_cache = batchnorm_forward(r, gamma, beta, bn_param)
    return out, (fc_cache, relu_cache, bn_cache)


@wrong("no ReLU", "no-relu")
def affine_bn_relu_forward(x, w, b, gamma, beta, bn_param):
    a, fc_cache = affine_forward(x, w, b)
    out, bn_cache = batchnorm_forward(a, gamma, beta, bn_param)
    return out, (fc_cache, bn_cache)


@wrong("a copy of bn_param", "running-averages-lost")
def affine_bn_relu_forward(x, w, b, gamma, beta, bn_param):
    a, fc_cache = affine_forward(x, w, b)
    normed, bn_cache = batchnorm_forward(a, gamma, beta, bn_param.copy())
    out, relu_cache = relu_forward(normed)
    return out, (fc_cache, bn_cache, relu_cache)


@wrong("only the mode is passed on", "bn-param-lost")
def affine_bn_relu_forward(x, w, b, gamma, beta, bn_param):
    a, fc_cache = affine_forward(x, w, b)
    normed, bn_cache = batchnorm_forward(a, gamma, beta, {"mode": bn_param["mode"]})
    out, relu_cache = relu_forward(normed)
    return out, (fc_cache, bn_cache, relu_cache)


@wrong("always in training mode", "always-train")
def affine_bn_relu_forward(x, w, b, gamma, beta, bn_param):
    a = x.reshape(x.shape[0], -1).dot(w) + b
    mu, var = a.mean(0), a.var(0)
    momentum = bn_param.get("momentum", 0.9)
    for key, batch in (("running_mean", mu), ("running_var", var)):
        old = bn_param.get(key, np.zeros_like(batch))
        bn_param[key] = momentum * old + (1 - momentum) * batch
    xhat = (a - mu) / np.sqrt(var + bn_param.get("eps", 1e-5))
    out = np.maximum(0, gamma * xhat + beta)
    return out, (x, w, b, a, xhat, gamma, out)


@wrong("gamma and beta exchanged", "gamma-beta-exchanged")
def affine_bn_relu_forward(x, w, b, gamma, beta, bn_param):
    a, fc_cache = affine_forward(x, w, b)
    normed, bn_cache = batchnorm_forward(a, beta, gamma, bn_param)
    out, relu_cache = relu_forward(normed)
    return out, (fc_cache, bn_cache, relu_cache)


@wrong("without the bias, which the normalization removes", "bias-forgotten")
def affine_bn_relu_forward(x, w, b, gamma, beta, bn_param):
    a = x.reshape(len(x), -1) @ w
    normed, bn_cache = batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(normed)
    return out, ((x, w, b), bn_cache, relu_cache)


@wrong("layer normalization", "normalized-each-example")
def affine_bn_relu_forward(x, w, b, gamma, beta, bn_param):
    a, fc_cache = affine_forward(x, w, b)
    normed, ln_cache = layernorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(normed)
    return out, (fc_cache, ln_cache, relu_cache)


@wrong("the ReLU before the normalization, a copy of bn_param", "running-averages-lost")
def affine_bn_relu_forward(x, w, b, gamma, beta, bn_param):
    a, affine_relu_cache = chained_affine_relu(x, w, b)
    out, bn_cache = batchnorm_forward(a, gamma, beta, {**bn_param})
    return out, (affine_relu_cache, bn_cache)


@wrong("no ReLU on the way back", "no-relu")
def affine_bn_relu_backward(dout, cache):
    fc_cache, bn_cache, relu_cache = cache
    da, dgamma, dbeta = batchnorm_backward_alt(dout, bn_cache)
    dx, dw, db = affine_backward(da, fc_cache)
    return dx, dw, db, dgamma, dbeta


@wrong("ReLU last of the two", "forward-order")
def affine_bn_relu_backward(dout, cache):
    fc_cache, bn_cache, relu_cache = cache
    dbn, dgamma, dbeta = batchnorm_backward(dout, bn_cache)
    da = relu_backward(dbn, relu_cache)
    dx, dw, db = affine_backward(da, fc_cache)
    return dx, dw, db, dgamma, dbeta


@wrong("past the normalization", "no-bn")
def affine_bn_relu_backward(dout, cache):
    fc_cache, bn_cache, relu_cache = cache
    dnormed = relu_backward(dout, relu_cache)
    _, dgamma, dbeta = batchnorm_backward(dnormed, bn_cache)
    dx, dw, db = affine_backward(dnormed, fc_cache)
    return dx, dw, db, dgamma, dbeta


@wrong("gamma before b", "return-order")
def affine_bn_relu_backward(dout, cache):
    fc_cache, bn_cache, relu_cache = cache
    dnormed = relu_backward(dout, relu_cache)
    da, dgamma, dbeta = batchnorm_backward(dnormed, bn_cache)
    return *affine_backward(da, fc_cache), dbeta, dgamma


@wrong("the mask of what enters the normalization", "mask-before-bn")
def affine_bn_relu_backward(dout, cache):
    fc_cache, bn_cache, _ = cache
    x, w, b = fc_cache
    a = affine_forward(x, w, b)[0]
    da, dgamma, dbeta = batchnorm_backward(relu_backward(dout, a), bn_cache)
    return *affine_backward(da, fc_cache), dgamma, dbeta


@wrong("without the gradients of gamma and beta", "arity")
def affine_bn_relu_backward(dout, cache):
    fc_cache, bn_cache, relu_cache = cache
    da, _, _ = batchnorm_backward(relu_backward(dout, relu_cache), bn_cache)
    return affine_backward(da, fc_cache)


@wrong("statistics as constants", "statistics-constant")
def affine_bn_relu_backward(dout, cache):
    (x, w, b), (xhat, gamma, std, mode), y = cache
    dy = dout * (y > 0)
    da = dy * gamma / std
    dgamma, dbeta = np.sum(dy * xhat, axis=0), np.sum(dy, axis=0)
    return *affine_backward(da, (x, w, b)), dgamma, dbeta


@right("the mask of the output, the normalization by its formula")
def affine_bn_relu_backward(dout, cache):
    (x, w, b), (xhat, gamma, std, _), y = cache
    dy = np.where(y > 0, dout, 0)
    dxhat = dy * gamma
    da = (dxhat - dxhat.mean(0) - xhat * np.mean(dxhat * xhat, axis=0)) / std
    dw = x.reshape(len(x), -1).T @ da
    dx = (da @ w.T).reshape(x.shape)
    return dx, dw, da.sum(0), (dy * xhat).sum(0), dy.sum(0)


@right("a dict of caches")
def affine_bn_relu_forward(x, w, b, gamma, beta, bn_param):
    cache = {}
    out, cache["fc"] = affine_forward(x, w, b)
    out, cache["bn"] = batchnorm_forward(out, gamma, beta, bn_param)
    out, cache["relu"] = relu_forward(out)
    cache["dropout"] = None
    return out, cache


@right("a dict of caches", forward=affine_bn_relu_forward)
def affine_bn_relu_backward(dout, cache):
    dout = relu_backward(dout, cache["relu"])
    dout, dgamma, dbeta = batchnorm_backward(dout, cache["bn"])
    return (*affine_backward(dout, cache["fc"]), dgamma, dbeta)


# ---- convolution - ReLU --------------------------------------------------------------


@wrong("conv_param is made anew", "conv-param-lost")
def conv_relu_forward(x, w, b, conv_param):
    conv_param = {"stride": 1, "pad": (w.shape[2] - 1) // 2}
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    out, relu_cache = relu_forward(a)
    return out, (conv_cache, relu_cache)


@wrong("no ReLU", "no-relu")
def conv_relu_forward(x, w, b, conv_param):
    out, conv_cache = conv_forward_naive(x, w, b, conv_param)
    return out, (conv_cache, out)


@wrong("the ReLU comes first", "relu-first")
def conv_relu_forward(x, w, b, conv_param):
    r, relu_cache = relu_forward(x)
    out, conv_cache = conv_forward_fast(r, w, b, conv_param)
    return out, (relu_cache, conv_cache)


@wrong("the padding is lost", "pad-ignored")
def conv_relu_forward(x, w, b, conv_param):
    param = {"stride": conv_param["stride"], "pad": 0}
    a, conv_cache = conv_forward_fast(x, w, b, param)
    return np.maximum(a, 0), (conv_cache, a)


@wrong("the stride is lost", "stride-ignored")
def conv_relu_forward(x, w, b, conv_param):
    a, conv_cache = conv_forward_fast(x, w, b, dict(conv_param, stride=1))
    return np.maximum(a, 0), (conv_cache, a)


@wrong("conv_param is not a parameter", "signature")
def conv_relu_forward(x, w, b):
    a, conv_cache = conv_forward_fast(x, w, b, {"stride": 1, "pad": 1})
    return np.maximum(a, 0), (conv_cache, a)


@wrong("no ReLU on the way back", "no-relu")
def conv_relu_backward(dout, cache):
    conv_cache, relu_cache = cache
    return conv_backward_fast(dout, conv_cache)


@wrong("the mask of the gradient", "mask-from-dout")
def conv_relu_backward(dout, cache):
    conv_cache, relu_cache = cache
    da = relu_backward(dout, dout)
    return conv_backward_fast(da, conv_cache)


@wrong("in the order of the forward pass", "exception")
def conv_relu_backward(dout, cache):
    conv_cache, relu_cache = cache
    dx, dw, db = conv_backward_fast(dout, conv_cache)
    return relu_backward(dx, relu_cache), dw, db


@wrong("the ReLU of dx", "forward-order")
def conv_relu_backward(dout, cache):
    conv_cache, relu_cache = cache
    dx, dw, db = conv_backward_fast(dout, conv_cache)
    dx = np.maximum(dx, 0)
    return dx, dw, db


@wrong("the slope without dout", "mask-only")
def conv_relu_backward(dout, cache):
    conv_cache, a = cache
    return conv_backward_fast(np.asarray(a > 0, dtype=dout.dtype), conv_cache)


@wrong("db over the minibatch alone", "not-reduced")
def conv_relu_backward(dout, cache):
    conv_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    dx, dw, _ = conv_backward_fast(da, conv_cache)
    return dx, dw, da.sum(axis=0)


@right("the mask alone is kept")
def conv_relu_forward(x, w, b, conv_param):
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    active = a > 0
    a *= active
    return a, (conv_cache, active)


@right("the mask alone is kept, dout on a copy", forward=conv_relu_forward)
def conv_relu_backward(dout, cache):
    conv_cache, active = cache
    da = np.array(dout)
    da[~active] = 0
    return conv_backward_fast(da, conv_cache)


# ---- convolution - batch normalization - ReLU ----------------------------------------


@wrong("statistics for every pixel", "not-spatial")
def conv_bn_relu_forward(x, w, b, gamma, beta, conv_param, bn_param):
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    N, F, H, W = a.shape
    flat = a.reshape(N, -1)
    wide = dict(bn_param)
    for key in ("running_mean", "running_var"):
        if key in wide:
            wide[key] = np.repeat(wide[key], H * W)
    scale, shift = np.repeat(gamma, H * W), np.repeat(beta, H * W)
    out, bn_cache = batchnorm_forward(flat, scale, shift, wide)
    for key in ("running_mean", "running_var"):
        bn_param[key] = wide[key].reshape(F, -1).mean(axis=1)
    out, relu_cache = relu_forward(out.reshape(N, F, H, W))
    return out, (conv_cache, bn_cache, relu_cache)


@wrong("the plain normalization, which takes no images", "exception")
def conv_bn_relu_forward(x, w, b, gamma, beta, conv_param, bn_param):
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    normed, bn_cache = batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(normed)
    return out, (conv_cache, bn_cache, relu_cache)


@wrong("the two dicts are exchanged", "parameter-order")
def conv_bn_relu_forward(x, w, b, gamma, beta, bn_param, conv_param):
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    normed, bn_cache = spatial_batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(normed)
    return out, (conv_cache, bn_cache, relu_cache)


@wrong("the ReLU between convolution and normalization", "bn-after-relu")
def conv_bn_relu_forward(x, w, b, gamma, beta, conv_param, bn_param):
    a, relu_cache = chained_conv_relu(x, w, b, conv_param)
    out, bn_cache = spatial_batchnorm_forward(a, gamma, beta, bn_param)
    return out, (relu_cache, bn_cache)


@wrong("the default eps", "eps-lost")
def conv_bn_relu_forward(x, w, b, gamma, beta, conv_param, bn_param):
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    eps = 1e-5
    momentum = bn_param.get("momentum", 0.9)
    mean, var = a.mean(axis=(0, 2, 3)), a.var(axis=(0, 2, 3))
    old_mean = bn_param.get("running_mean", np.zeros_like(mean))
    old_var = bn_param.get("running_var", np.zeros_like(var))
    if bn_param["mode"] == "train":
        bn_param["running_mean"] = momentum * old_mean + (1 - momentum) * mean
        bn_param["running_var"] = momentum * old_var + (1 - momentum) * var
    else:
        mean, var = old_mean, old_var
    scale = (gamma / np.sqrt(var + eps))[:, None, None]
    y = (a - mean[:, None, None]) * scale + beta[:, None, None]
    return np.maximum(0, y), (conv_cache, a, scale, y)


@wrong("a new bn_param", "running-averages-lost")
def conv_bn_relu_forward(x, w, b, gamma, beta, conv_param, bn_param):
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    param = {"mode": bn_param["mode"], "eps": bn_param["eps"]}
    normed, bn_cache = spatial_batchnorm_forward(a, gamma, beta, param)
    out, relu_cache = relu_forward(normed)
    return out, (conv_cache, bn_cache, relu_cache)


@wrong("no ReLU on the way back", "no-relu")
def conv_bn_relu_backward(dout, cache):
    conv_cache, bn_cache, relu_cache = cache
    da, dgamma, dbeta = spatial_batchnorm_backward(dout, bn_cache)
    return *conv_backward_fast(da, conv_cache), dgamma, dbeta


@wrong("dgamma and dbeta first", "return-order")
def conv_bn_relu_backward(dout, cache):
    conv_cache, bn_cache, relu_cache = cache
    dan = relu_backward(dout, relu_cache)
    da, dgamma, dbeta = spatial_batchnorm_backward(dan, bn_cache)
    dx, dw, db = conv_backward_fast(da, conv_cache)
    return dgamma, dbeta, dx, dw, db


@wrong("the normalization is left out", "no-bn")
def conv_bn_relu_backward(dout, cache):
    conv_cache, bn_cache, relu_cache = cache
    dan = relu_backward(dout, relu_cache)
    da, dgamma, dbeta = spatial_batchnorm_backward(dan, bn_cache)
    dx, dw, db = conv_backward_fast(dan, conv_cache)
    return dx, dw, db, dgamma, dbeta


@wrong("dgamma and dbeta of dout", "params-from-dout")
def conv_bn_relu_backward(dout, cache):
    conv_cache, bn_cache, relu_cache = cache
    da, _, _ = spatial_batchnorm_backward(relu_backward(dout, relu_cache), bn_cache)
    xhat = bn_cache[0]
    dgamma, dbeta = np.sum(dout * xhat, axis=(0, 2, 3)), np.sum(dout, axis=(0, 2, 3))
    return *conv_backward_fast(da, conv_cache), dgamma, dbeta


@wrong("gamma is forgotten on the way back", "no-gamma")
def conv_bn_relu_backward(dout, cache):
    conv_cache, (xhat, gamma, std, mode), y = cache
    dy = dout * (y > 0)
    axes, std = (0, 2, 3), std[:, None, None]
    means = dy.mean(axes, keepdims=True), (dy * xhat).mean(axes, keepdims=True)
    da = (dy - means[0] - xhat * means[1]) / std
    dgamma, dbeta = (dy * xhat).sum(axes), dy.sum(axes)
    return *conv_backward_fast(da, conv_cache), dgamma, dbeta


@right("the mask of the output, the normalization by its formula")
def conv_bn_relu_backward(dout, cache):
    conv_cache, (xhat, gamma, std, mode), y = cache
    dy = (y > 0) * dout
    dbeta, dgamma = np.einsum("nfhw->f", dy), np.einsum("nfhw,nfhw->f", dy, xhat)
    count = dy.size / dy.shape[1]
    inner = dy - (dbeta[:, None, None] + xhat * dgamma[:, None, None]) / count
    da = (gamma / std)[:, None, None] * inner
    return *conv_backward_fast(da, conv_cache), dgamma, dbeta


# ---- convolution - ReLU - pooling ----------------------------------------------------


@wrong("no ReLU", "no-relu")
def conv_relu_pool_forward(x, w, b, conv_param, pool_param):
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    out, pool_cache = max_pool_forward_fast(a, pool_param)
    return out, (conv_cache, pool_cache)


@wrong("no pooling", "no-pool")
def conv_relu_pool_forward(x, w, b, conv_param, pool_param):
    return chained_conv_relu(x, w, b, conv_param)


@wrong("pool_param is made anew", "pool-param-lost")
def conv_relu_pool_forward(x, w, b, conv_param, pool_param):
    a, conv_cache = chained_conv_relu(x, w, b, conv_param)
    pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
    out, pool_cache = max_pool_forward_fast(a, pool_param)
    return out, (*conv_cache, pool_cache)


@wrong("the images are pooled first", "pool-first")
def conv_relu_pool_forward(x, w, b, conv_param, pool_param):
    pooled, pool_cache = max_pool_forward_naive(x, pool_param)
    out, cache = chained_conv_relu(pooled, w, b, conv_param)
    return out, (*cache, pool_cache)


@wrong("the means of the windows", "average-pool")
def conv_relu_pool_forward(x, w, b, conv_param, pool_param):
    a, cache = chained_conv_relu(x, w, b, conv_param)
    HH, WW, s = (pool_param[k] for k in ("pool_height", "pool_width", "stride"))
    N, F, H, W = a.shape
    out = np.zeros((N, F, 1 + (H - HH) // s, 1 + (W - WW) // s), dtype=a.dtype)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = a[:, :, i * s : i * s + HH, j * s : j * s + WW]
            out[:, :, i, j] = window.mean(axis=(2, 3))
    return out, cache


@wrong("conv_param for both", "exception")
def conv_relu_pool_forward(x, w, b, conv_param, pool_param):
    a, cache = chained_conv_relu(x, w, b, conv_param)
    out, pool_cache = max_pool_forward_fast(a, conv_param)
    return out, (*cache, pool_cache)


@wrong("no ReLU on the way back", "no-relu")
def conv_relu_pool_backward(dout, cache):
    conv_cache, relu_cache, pool_cache = cache
    ds = max_pool_backward_fast(dout, pool_cache)
    return conv_backward_fast(ds, conv_cache)


@wrong("the ReLU's mask before the pooling's", "exception")
def conv_relu_pool_backward(dout, cache):
    conv_cache, relu_cache, pool_cache = cache
    da = relu_backward(dout, relu_cache)
    ds = max_pool_backward_fast(da, pool_cache)
    return conv_backward_fast(ds, conv_cache)


@wrong("the mask of the gradient", "mask-from-dout")
def conv_relu_pool_backward(dout, cache):
    conv_cache, relu_cache, pool_cache = cache
    ds = max_pool_backward_fast(dout, pool_cache)
    ds[ds < 0] = 0
    return conv_backward_fast(ds, conv_cache)


@wrong("all pixels of a window", "no-pool")
def conv_relu_pool_backward(dout, cache):
    conv_cache, relu_cache, _ = cache
    N, F, H, W = relu_cache.shape
    ratio = H // dout.shape[2], W // dout.shape[3]
    if ratio == (2, 2):
        ds = dout.repeat(2, axis=2).repeat(2, axis=3)[:, :, :H, :W]
    else:  # windows that overlap or are not square
        h, w, s = _window_of(relu_cache.shape, dout.shape)
        ds = np.zeros_like(relu_cache)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                at = np.s_[:, :, i * s : i * s + h, j * s : j * s + w]
                ds[at] += dout[:, :, i : i + 1, j : j + 1]
    return conv_backward_fast(relu_backward(ds, relu_cache), conv_cache)


def _window_of(images, pooled):
    """Return the windows of the three cases in which they are not 2x2."""
    known = {(3, 4): (2, 3, 1), (4, 4): (2, 1, 2), (5, 5): (3, 3, 2)}
    return known[images[2:]]


@wrong(
    "the windows' gradients overwrite each other",
    "not-accumulated",
    forward=readable_conv_relu_pool,
)
def conv_relu_pool_backward(dout, cache):
    (x, w, b, conv_param), a, (s, pool_param) = cache
    ds = np.zeros_like(s)
    height, width = pool_param["pool_height"], pool_param["pool_width"]
    step = pool_param["stride"]
    for n, f, i, j in np.ndindex(dout.shape):
        top, left = i * step, j * step
        window = s[n, f, top : top + height, left : left + width]
        p, q = np.unravel_index(np.argmax(window), window.shape)
        ds[n, f, top + p, left + q] = dout[n, f, i, j]
    return conv_backward_naive(relu_backward(ds, a), (x, w, b, conv_param))


@right("pooled before the ReLU")
def conv_relu_pool_forward(x, w, b, conv_param, pool_param):
    a, conv_cache = conv_forward_fast(x, w, b, conv_param)
    pooled, pool_cache = max_pool_forward_fast(a, pool_param)
    out, relu_cache = relu_forward(pooled)
    return out, (conv_cache, pool_cache, relu_cache)


@right("pooled before the ReLU", forward=conv_relu_pool_forward)
def conv_relu_pool_backward(dout, cache):
    conv_cache, pool_cache, relu_cache = cache
    dpooled = relu_backward(dout, relu_cache)
    return conv_backward_fast(max_pool_backward_fast(dpooled, pool_cache), conv_cache)


@right("every largest number of a window is marked")
def conv_relu_pool_forward(x, w, b, conv_param, pool_param):
    a, conv_cache = conv_forward_naive(x, w, b, conv_param)
    relu = np.maximum(a, 0)
    out, _ = max_pool_forward_naive(relu, pool_param)
    return out, [conv_cache, relu, out, dict(pool_param)]


@right("every largest number of a window is marked", forward=conv_relu_pool_forward)
def conv_relu_pool_backward(dout, cache):
    conv_cache, relu, out, pool_param = cache
    s = pool_param["stride"]
    drelu = np.zeros_like(relu)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            rows = slice(i * s, i * s + pool_param["pool_height"])
            columns = slice(j * s, j * s + pool_param["pool_width"])
            top = relu[:, :, rows, columns] == out[:, :, i, j][..., None, None]
            drelu[:, :, rows, columns] += top * dout[:, :, i, j][..., None, None]
    return conv_backward_naive(drelu * (relu > 0), conv_cache)


def readable_conv_relu(x, w, b, conv_param):
    a, conv_cache = conv_forward_naive(x, w, b, conv_param)
    return relu_forward(a)[0], (conv_cache, a)


@right("the readable layers", forward=readable_conv_relu)
def conv_relu_backward(dout, cache):
    conv_cache, relu_cache = cache
    return conv_backward_naive(relu_backward(dout, relu_cache), conv_cache)


@right(
    "a ReLU by the sign, the pooling's gradient with np.add.at",
    forward=chained_conv_relu_pool,
)
def conv_relu_pool_backward(dout, cache):
    conv_cache, a, pool_cache = cache
    da = max_pool_backward_fast(dout, pool_cache)
    out = np.zeros_like(a)
    places = np.nonzero(np.sign(a) == 1)
    np.add.at(out, places, da[places])
    return conv_backward_fast(out, conv_cache)


def called(function):
    """Return the function as one of this module's."""
    return lambda *arguments: function(*arguments)


for sandwich in layer_utils.__all__:
    book = getattr(layer_utils, sandwich)
    forward = getattr(layer_utils, sandwich.replace("backward", "forward"))
    right("the book's own, compiled", name=sandwich, forward=forward)(called(book))
