"""Batch normalization."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from .entries import right, wrong


def _forward(x, gamma, beta, bn_param):
    """A right forward pass whose cache holds everything; most functions below use it."""
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if bn_param["mode"] == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    else:
        mu, var = running_mean, running_var
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    x_hat = (x - mu) / np.sqrt(var + eps)
    return gamma * x_hat + beta, (x, x_hat, mu, var, gamma, beta, eps)


FORWARD = {"batchnorm_backward": _forward, "batchnorm_backward_alt": _forward}

# ---- forward -------------------------------------------------------------------------


@wrong("eps is added to the standard deviation", "eps-outside-root")
def batchnorm_forward(x, gamma, beta, bn_param):
    mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if mode == "train":
        mu, var = np.mean(x, axis=0), np.var(x, axis=0)
        out = gamma * (x - mu) / (np.sqrt(var) + eps) + beta
        cache = (x, mu, var, gamma, eps)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    else:
        out = gamma * (x - running_mean) / (np.sqrt(running_var) + eps) + beta
        cache = None
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    return out, cache


@wrong("x is divided by the variance", "divided-by-variance")
def batchnorm_forward(x, gamma, beta, bn_param):
    mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if mode == "train":
        mu = np.sum(x, axis=0) / N
        xmu = x - mu
        sigma = np.sum(xmu**2, axis=0) / N  # this is the variance
        xhat = xmu / (sigma + eps)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * sigma
    else:
        xhat = (x - running_mean) / np.sqrt(running_var + eps)
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    return gamma * xhat + beta, xhat


@wrong("the unbiased variance, for everything", "unbiased-variance")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if bn_param["mode"] == "train":
        mu, var = x.mean(0), x.var(0, ddof=1)
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
    else:
        mu, var = running_mean, running_var
    x_hat = (x - mu) / np.sqrt(var + eps)
    return gamma * x_hat + beta, x_hat


@wrong("running_var is unbiased, as in PyTorch", "running-var-unbiased")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, m = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    N, D = x.shape
    rm = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    rv = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if bn_param["mode"] == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        bn_param["running_mean"] = m * rm + (1 - m) * mu
        unbiased = var * N / (N - 1) if N > 1 else var
        bn_param["running_var"] = m * rv + (1 - m) * unbiased
    else:
        mu, var = rm, rv
    return gamma * ((x - mu) / np.sqrt(var + eps)) + beta, None


@wrong("the momentum is the wrong way round", "momentum-reversed")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", np.zeros(x.shape[1], dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(x.shape[1], dtype=x.dtype))
    if bn_param["mode"] == "train":
        mean = x.mean(axis=0)
        var = ((x - mean) ** 2).mean(axis=0)
        running_mean = momentum * mean + (1 - momentum) * running_mean
        running_var = momentum * var + (1 - momentum) * running_var
        z = (x - mean) / np.sqrt(var + eps)
    elif bn_param["mode"] == "test":
        z = (x - running_mean) / np.sqrt(running_var + eps)
    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return z * gamma + beta, (z,)


@wrong("the running averages are never stored", "running-not-stored")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if bn_param["mode"] == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    else:
        mu, var = running_mean, running_var
    x_hat = (x - mu) / np.sqrt(var + eps)
    return gamma * x_hat + beta, (x, x_hat)


@wrong("training normalizes with the running averages", "running-averages-in-training")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if bn_param["mode"] == "train":
        running_mean = momentum * running_mean + (1 - momentum) * np.mean(x, axis=0)
        running_var = momentum * running_var + (1 - momentum) * np.var(x, axis=0)
        bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    x_hat = (x - running_mean) / np.sqrt(running_var + eps)
    return gamma * x_hat + beta, None


@wrong("test mode uses the batch's statistics", "batch-statistics-in-test-mode")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    rm = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    rv = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    mu, var = x.mean(axis=0), x.var(axis=0)
    if bn_param["mode"] == "train":
        rm = momentum * rm + (1 - momentum) * mu
        rv = momentum * rv + (1 - momentum) * var
    xn = (x - mu) / np.sqrt(var + eps)
    bn_param.update(running_mean=rm, running_var=rv)
    return gamma * xn + beta, xn


@wrong("test mode updates the running averages", "updated-in-test-mode")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    rm = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    rv = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    mu, var = x.mean(axis=0), x.var(axis=0)
    bn_param["running_mean"] = momentum * rm + (1 - momentum) * mu
    bn_param["running_var"] = momentum * rv + (1 - momentum) * var
    if bn_param["mode"] == "test":
        mu, var = rm, rv
    return gamma * (x - mu) / np.sqrt(var + eps) + beta, None


@wrong("running_var is an average of standard deviations", "running-std")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if bn_param["mode"] == "train":
        mean, std = np.mean(x, axis=0), np.std(x, axis=0)
        out = gamma * (x - mean) / np.sqrt(std**2 + eps) + beta
        running_mean = momentum * running_mean + (1 - momentum) * mean
        running_var = momentum * running_var + (1 - momentum) * std
    else:
        out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    return out, None


@wrong("the statistics of each example", "wrong-axis")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if bn_param["mode"] == "train":
        mu, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    else:
        mu, var = running_mean, running_var
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    return gamma * (x - mu) / np.sqrt(var + eps) + beta, None


@wrong("the mean of all numbers: axis=0 forgotten", "wrong-axis")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if bn_param["mode"] == "train":
        mu = np.mean(x)
        var = np.var(x)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    else:
        mu, var = running_mean, running_var
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    return gamma * (x - mu) / np.sqrt(var + eps) + beta, None


@wrong("the statistics of each example, without keepdims", "exception", "wrong-axis")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if bn_param["mode"] == "train":
        mu, var = x.mean(axis=1), x.var(axis=1)
        x_hat = (x - mu) / np.sqrt(var + eps)
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
    else:
        x_hat = (x - running_mean) / np.sqrt(running_var + eps)
    return gamma * x_hat + beta, None


@wrong("x is centred in place", "modifies-input")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if bn_param["mode"] == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    else:
        mu, var = running_mean, running_var
    x -= mu
    x /= np.sqrt(var + eps)
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    return gamma * x + beta, (x, gamma)


@wrong("the caller's running averages are changed in place, and float64", "dtype")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    N, D = x.shape
    out, x_hat = np.zeros((N, D)), np.zeros((N, D))
    running_mean = bn_param.get("running_mean", np.zeros(D))
    running_var = bn_param.get("running_var", np.zeros(D))
    for d in range(D):
        mu, var = running_mean[d], running_var[d]
        if bn_param["mode"] == "train":
            mu, var = x[:, d].mean(), x[:, d].var()
            running_mean[d] = momentum * running_mean[d] + (1 - momentum) * mu
            running_var[d] = momentum * running_var[d] + (1 - momentum) * var
        for n in range(N):
            x_hat[n, d] = (x[n, d] - mu) / np.sqrt(var + eps)
            out[n, d] = gamma[d] * x_hat[n, d] + beta[d]
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    return out, x_hat


@wrong("gamma and beta are forgotten in test mode", "gamma-beta-forgotten")
def batchnorm_forward(x, gamma, beta, bn_param):
    out, cache = _forward(x, gamma, beta, bn_param)
    if bn_param["mode"] == "test":
        eps = bn_param.get("eps", 1e-5)
        out = x - bn_param["running_mean"]
        out /= np.sqrt(bn_param["running_var"] + eps)
    return out, cache


@wrong("eps outside the root, and test mode without the root", "eps-outside-root")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if bn_param["mode"] == "train":
        mu, std = x.mean(axis=0), x.std(axis=0)
        out = gamma * (x - mu) / (std + eps) + beta
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * std**2
    else:
        out = gamma * (x - running_mean) / (running_var + eps) + beta
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    return out, None


@wrong("eps is always 1e-5", "eps-not-read")
def batchnorm_forward(x, gamma, beta, bn_param):
    return _forward(x, gamma, beta, _without(bn_param, "eps"))


@wrong("the momentum is always 0.9", "momentum-not-read")
def batchnorm_forward(x, gamma, beta, bn_param):
    return _forward(x, gamma, beta, _without(bn_param, "momentum"))


def _without(bn_param, key):
    class Settings(dict):
        """What is stored goes into the caller's dict as well."""

        def __setitem__(self, name, value):
            bn_param[name] = value

    return Settings({name: value for name, value in bn_param.items() if name != key})


@wrong("the cache is forgotten in the return", "arity")
def batchnorm_forward(x, gamma, beta, bn_param):
    out, _ = _forward(x, gamma, beta, bn_param)
    return out


@wrong("there is no branch for test mode", "exception", "test-mode")
def batchnorm_forward(x, gamma, beta, bn_param):
    if bn_param["mode"] == "train":
        out, cache = _forward(x, gamma, beta, bn_param)
    return out, cache


@wrong("the first call stores the batch's statistics as they are", "running-start")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    if bn_param["mode"] == "test":
        mu, var = bn_param["running_mean"], bn_param["running_var"]
        return gamma * (x - mu) / np.sqrt(var + eps) + beta, None
    mu, var = x.mean(axis=0), x.var(axis=0)
    for key, value in [("running_mean", mu), ("running_var", var)]:
        if key in bn_param:
            value = momentum * bn_param[key] + (1 - momentum) * value
        bn_param[key] = value
    return gamma * (x - mu) / np.sqrt(var + eps) + beta, None


@wrong("the mean of another axis in a loop over examples", "wrong-axis")
def batchnorm_forward(x, gamma, beta, bn_param):
    out, cache = _forward(x, gamma, beta, bn_param)
    if bn_param["mode"] == "train":
        eps = bn_param.get("eps", 1e-5)
        out = np.empty_like(x)
        for i, row in enumerate(x):
            out[i] = gamma * (row - row.mean()) / np.sqrt(row.var() + eps) + beta
    return out, cache


@wrong("the average of the root, eps and all", "running-std")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, m = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    zeros = np.zeros(x.shape[1], x.dtype)
    rm, rv = bn_param.get("running_mean", zeros), bn_param.get("running_var", zeros)
    if bn_param["mode"] == "train":
        mu, std = x.mean(0), np.sqrt(x.var(0) + eps)
        bn_param["running_mean"] = m * rm + (1 - m) * mu
        bn_param["running_var"] = m * rv + (1 - m) * std
        xn = (x - mu) / std
    else:
        xn = (x - rm) / np.sqrt(rv + eps)
    return gamma * xn + beta, xn


@wrong("a slip of the pen between the averages", "running-averages-mixed")
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, m = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    zeros = np.zeros(x.shape[1], x.dtype)
    rm, rv = bn_param.get("running_mean", zeros), bn_param.get("running_var", zeros)
    if bn_param["mode"] == "train":
        mu, std = x.mean(0), np.sqrt(x.var(0) + eps)
        bn_param["running_mean"] = m * rm + (1 - m) * mu
        bn_param["running_var"] = m * rm + (1 - m) * x.var(0)
        xn = (x - mu) / std
    else:
        xn = (x - rm) / np.sqrt(rv + eps)
    return gamma * xn + beta, xn


@right("everything in one expression, with einsum")
def batchnorm_forward(x, gamma, beta, bn_param):
    N, D = x.shape
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    old = [
        bn_param.get(key, np.zeros(D, x.dtype))
        for key in ("running_mean", "running_var")
    ]
    if bn_param["mode"] == "test":
        return gamma * (x - old[0]) * (old[1] + eps) ** -0.5 + beta, None
    mean = np.einsum("nd->d", x) / N
    centred = x - mean
    var = np.einsum("nd,nd->d", centred, centred) / N
    bn_param["running_mean"] = old[0] * momentum + mean * (1 - momentum)
    bn_param["running_var"] = old[1] * momentum + var * (1 - momentum)
    return centred * (gamma / np.sqrt(var + eps)) + beta, {"centred": centred}


@right("loops over features, transposed and in place on a copy")
def batchnorm_forward(x, gamma, beta, bn_param):
    columns = x.T.copy()
    D = len(columns)
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    for key in ("running_mean", "running_var"):
        bn_param[key] = bn_param.get(key, np.zeros(D, x.dtype)).copy()
    for d in range(D):
        mean, var = bn_param["running_mean"][d], bn_param["running_var"][d]
        if bn_param["mode"] == "train":
            mean, var = columns[d].mean(), columns[d].var()
            bn_param["running_mean"][d] *= momentum
            bn_param["running_mean"][d] += (1 - momentum) * mean
            bn_param["running_var"][d] *= momentum
            bn_param["running_var"][d] += (1 - momentum) * var
        columns[d] -= mean
        columns[d] /= np.sqrt(var + eps)
        columns[d] = columns[d] * gamma[d] + beta[d]
    return columns.T, None


@right("the variance as the mean of squares minus the squared mean")
def batchnorm_forward(x, gamma, beta, bn_param):
    param = {"eps": 1e-5, "momentum": 0.9} | bn_param
    zeros = np.zeros_like(gamma)
    if param["mode"] == "train":
        mean = x.mean(axis=0)
        var = np.maximum((x * x).mean(axis=0) - mean * mean, 0)
        keep, take = param["momentum"], 1 - param["momentum"]
        bn_param["running_mean"] = keep * param.get("running_mean", zeros) + take * mean
        bn_param["running_var"] = keep * param.get("running_var", zeros) + take * var
    else:
        mean, var = param["running_mean"], param["running_var"]
    slope = gamma / np.sqrt(var + param["eps"])
    return x * slope + (beta - mean * slope), SimpleNamespace(slope=slope)


@right("float32 steps on the way")
def batchnorm_forward(x, gamma, beta, bn_param):
    dtype = x.dtype
    out, cache = _forward(x.astype(np.float32), gamma, beta, bn_param)
    for key in ("running_mean", "running_var"):
        bn_param[key] = bn_param[key].astype(dtype)
    return out.astype(dtype), cache


# ---- backward ------------------------------------------------------------------------


@wrong("no path through the mean", "no-mean-path")
def batchnorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    N = x.shape[0]
    dgamma = np.sum(dout * x_hat, axis=0)
    dbeta = np.sum(dout, axis=0)
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * (x - mu) * -0.5 * (var + eps) ** -1.5, axis=0)
    dx = dx_hat / np.sqrt(var + eps) + dvar * 2 * (x - mu) / N
    return dx, dgamma, dbeta


@wrong("no path through the variance", "no-variance-path")
def batchnorm_backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    dx_hat = dout * gamma
    inverse = 1 / np.sqrt(var + eps)
    dmu = np.sum(-dx_hat * inverse, axis=0)
    dx = dx_hat * inverse + dmu / dout.shape[0]
    return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)


@wrong("dvar without the minus", "variance-path-sign")
def batchnorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    N = x.shape[0]
    dx_hat = dout * gamma
    std = np.sqrt(var + eps)
    dvar = np.sum(dx_hat * (x - mu) * 0.5 * (var + eps) ** (-3 / 2), axis=0)
    dmu = np.sum(-dx_hat / std, axis=0) + dvar * np.mean(-2 * (x - mu), axis=0)
    dx = dx_hat / std + dvar * 2 * (x - mu) / N + dmu / N
    return dx, (dout * x_hat).sum(0), dout.sum(0)


@wrong("dvar without the 1/2", "variance-path-half")
def batchnorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    N = x.shape[0]
    dx_hat = dout * gamma
    std = np.sqrt(var + eps)
    dstd = np.sum(dx_hat * (x - mu), axis=0) * -1 / std**2
    dvar = dstd / std
    dxmu = dx_hat / std + 2 * (x - mu) * dvar / N
    dx = dxmu - np.sum(dxmu, axis=0) / N
    return dx, (dout * x_hat).sum(0), dout.sum(0)


@wrong("dvar to the power of -1/2", "variance-path-power")
def batchnorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    N = x.shape[0]
    dx_hat = dout * gamma
    std = np.sqrt(var + eps)
    dvar = np.sum(dx_hat * (x - mu), axis=0) * -0.5 * (var + eps) ** -0.5
    dmu = -np.sum(dx_hat / std, axis=0)
    dx = dx_hat / std + dvar * 2 * (x - mu) / N + dmu / N
    return dx, (dout * x_hat).sum(0), dout.sum(0)


@wrong("1/N is missing from the path through the mean", "mean-path-not-averaged")
def batchnorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    N = x.shape[0]
    dx_hat = dout * gamma
    std = np.sqrt(var + eps)
    dxmu1 = dx_hat / std
    divar = np.sum(dx_hat * (x - mu), axis=0)
    dsq = -divar / std**3 / 2 / N * np.ones_like(x)
    dxmu2 = 2 * (x - mu) * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = np.ones_like(x) * dmu
    return dx1 + dx2, (dout * x_hat).sum(0), dout.sum(0)


@wrong("1/N is missing from both sums", "sums-for-means")
def batchnorm_backward_alt(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    dbeta = dout.sum(axis=0)
    dgamma = (x_hat * dout).sum(axis=0)
    dx = gamma / np.sqrt(var + eps) * (dout - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta


@wrong("1/N is missing before the brackets", "factor")
def batchnorm_backward_alt(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (x_hat * dout).sum(axis=0)
    dx = gamma * (var + eps) ** -0.5 * (N * dout - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta


@wrong("N is missing before dout", "dout-not-weighted")
def batchnorm_backward_alt(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    N = dout.shape[0]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(x_hat * dout, axis=0)
    dx = (1 / N) * gamma * (var + eps) ** -0.5 * (dout - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta


@wrong("x - mu in the short formula, where x_hat must be", "variance-path-power")
def batchnorm_backward_alt(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    N = dout.shape[0]
    dgamma = np.sum(dout * x_hat, axis=0)
    dbeta = np.sum(dout, axis=0)
    dx = (gamma / np.sqrt(var + eps) / N) * (N * dout - dbeta - (x - mu) * dgamma)
    return dx, dgamma, dbeta


@wrong("gamma is missing from dx", "gamma-forgotten")
def batchnorm_backward_alt(dout, cache):
    _x, x_hat, _mu, var, _gamma, _beta, eps = cache
    dx = dout - dout.mean(axis=0) - x_hat * (dout * x_hat).mean(axis=0)
    dx /= np.sqrt(var + eps)
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


@wrong("gamma is multiplied in twice", "gamma-twice")
def batchnorm_backward_alt(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    N = len(dout)
    dxhat = dout * gamma
    dx = gamma / np.sqrt(var + eps) / N
    dx = dx * (N * dxhat - dxhat.sum(0) - x_hat * (dxhat * x_hat).sum(0))
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


@wrong("dgamma with x, and dx made of it", "x-for-xhat")
def batchnorm_backward_alt(dout, cache):
    x, x_hat, _mu, var, gamma, _beta, eps = cache
    N = len(dout)
    dgamma, dbeta = np.sum(dout * x, axis=0), np.sum(dout, axis=0)
    dx = gamma / np.sqrt(var + eps) / N * (N * dout - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta


@wrong("dgamma with the output", "out-for-xhat")
def batchnorm_backward(dout, cache):
    dx, _, dbeta = _backward(dout, cache)
    _x, x_hat, _mu, _var, gamma, beta, _eps = cache
    out = gamma * x_hat + beta
    return dx, (dout * out).sum(axis=0), dbeta


@wrong("dgamma is not summed", "not-reduced")
def batchnorm_backward(dout, cache):
    dx, _, dbeta = _backward(dout, cache)
    return dx, dout * cache[1], dbeta


@wrong("dbeta is summed over the features", "wrong-axis")
def batchnorm_backward(dout, cache):
    dx, dgamma, _ = _backward(dout, cache)
    return dx, dgamma, np.sum(dout, axis=1)


@wrong("dgamma and dbeta are means", "averaged", "factor")
def batchnorm_backward(dout, cache):
    dx, _, _ = _backward(dout, cache)
    return dx, (dout * cache[1]).mean(axis=0), dout.mean(axis=0)


@wrong("dbeta comes before dgamma", "return-order")
def batchnorm_backward(dout, cache):
    dx, dgamma, dbeta = _backward(dout, cache)
    return dx, dbeta, dgamma


@wrong("the backward pass forgets eps", "eps-forgotten")
def batchnorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, _eps = cache
    N = len(x)
    std = np.sqrt(var)
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * (x - mu), axis=0) * -0.5 * std**-3
    dmu = np.sum(dx_hat * -1 / std, axis=0)
    dx = dx_hat / std + dvar * 2 * (x - mu) / N + dmu / N
    return dx, (dout * x_hat).sum(0), dout.sum(0)


@wrong("dx is overwritten instead of added to", "path-lost")
def batchnorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    N = x.shape[0]
    dx_hat = dout * gamma
    std = np.sqrt(var + eps)
    dx = dx_hat / std
    dvar = np.sum(dx_hat * (x - mu), axis=0) * -0.5 / std**3
    dmu = -dx.sum(axis=0)
    dx = dvar * 2 * (x - mu) / N
    dx += dmu / N
    return dx, (dout * x_hat).sum(0), dout.sum(0)


@wrong("the means go over the features", "wrong-axis")
def batchnorm_backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    dx_hat = dout * gamma
    m1 = dx_hat.mean(axis=1, keepdims=True)
    m2 = (dx_hat * x_hat).mean(axis=1, keepdims=True)
    dx = (dx_hat - m1 - x_hat * m2) / np.sqrt(var + eps)
    return dx, (dout * x_hat).sum(0), dout.sum(0)


@wrong("dout is scaled in place", "modifies-input")
def batchnorm_backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    dgamma, dbeta = (dout * x_hat).sum(0), dout.sum(0)
    dout *= gamma
    dx = dout - dout.mean(0) - x_hat * (dout * x_hat).mean(0)
    return dx / np.sqrt(var + eps), dgamma, dbeta


@wrong(
    "the path through the variance over 2, and dgamma with x - mu", "variance-path-two"
)
def batchnorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    N = len(x)
    dx_hat = dout * gamma
    std = np.sqrt(var + eps)
    dvar = np.sum(dx_hat * (x - mu), axis=0) * -0.5 / std**3
    dx = dx_hat / std + dvar * (x - mu) / N - np.mean(dx_hat / std, axis=0)
    return dx, (dout * (x - mu)).sum(0), dout.sum(0)


@wrong("the cache is unpacked in another order", "exception")
def batchnorm_backward(dout, cache):
    x_hat, gamma, var, eps = cache
    dx = gamma / np.sqrt(var + eps) * (dout - dout.mean(0))
    return dx, (dout * x_hat).sum(0), dout.sum(0)


@wrong("dx in a buffer that all calls share", "aliasing")
def batchnorm_backward(dout, cache):
    dx, dgamma, dbeta = _backward(dout, cache)
    buffer = _BUFFERS.setdefault((dx.shape[1], dx.dtype), np.zeros(100, dx.dtype))
    view = buffer[: dx.size].reshape(dx.shape)
    view[...] = dx
    return view, dgamma, dbeta


_BUFFERS: dict = {}


def _backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    dx_hat = dout * gamma
    dx = dx_hat - dx_hat.mean(0) - x_hat * (dx_hat * x_hat).mean(0)
    return dx / np.sqrt(var + eps), (dout * x_hat).sum(0), dout.sum(0)


@right("node by node, every node in a variable")
def batchnorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    N, D = dout.shape
    xmu, sqrtvar = x - mu, np.sqrt(var + eps)
    ivar = 1.0 / sqrtvar
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * x_hat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / (sqrtvar**2) * divar
    dvar = 0.5 * 1.0 / np.sqrt(var + eps) * dsqrtvar
    dsq = 1.0 / N * np.ones((N, D), dtype=dout.dtype) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1.0 / N * np.ones((N, D), dtype=dout.dtype) * dmu
    return dx1 + dx2, dgamma, dbeta


@right("without the second term of dmean, which is always 0")
def batchnorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    N = len(x)
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * (x - mu), axis=0) * -0.5 * (var + eps) ** -1.5
    dmu = np.sum(-dx_hat / np.sqrt(var + eps), axis=0)
    dx = dx_hat / np.sqrt(var + eps) + dvar * 2 * (x - mu) / N + dmu / N
    return [dx, np.einsum("nd,nd->d", dout, x_hat), dout.sum(0)]


def _forward_with_object(x, gamma, beta, bn_param):
    out, cache = _forward(x, gamma, beta, bn_param)
    return out, SimpleNamespace(inputs=(x, gamma, beta), eps=cache[-1], unused=None)


@right("everything is recomputed from x", forward=_forward_with_object)
def batchnorm_backward(dout, cache):
    x, gamma, _ = cache.inputs
    rows = x[::-1]  # a negative stride
    centred = rows - rows.mean(axis=0)
    std = (np.square(centred).mean(axis=0) + cache.eps) ** 0.5
    x_hat = centred / std
    d = dout[::-1]
    dx = gamma / std * (d - d.mean(axis=0) - x_hat * np.mean(d * x_hat, axis=0))
    return dx[::-1], np.sum(d * x_hat, axis=0), np.ones(len(d), d.dtype) @ d


def _forward_with_dict(x, gamma, beta, bn_param):
    out, cache = _forward(x, gamma, beta, bn_param)
    return out, {"x_hat": cache[1], "scale": gamma / np.sqrt(cache[3] + cache[6])}


@right("a projection matrix for every feature", forward=_forward_with_dict)
def batchnorm_backward(dout, cache):
    x_hat, N = cache["x_hat"], len(dout)
    dx = np.empty_like(dout)
    for d in range(dout.shape[1]):
        column = x_hat[:, d]
        jacobian = np.eye(N) - 1 / N - np.outer(column, column) / N
        dx[:, d] = cache["scale"][d] * (jacobian @ dout[:, d])
    return dx, (dout * x_hat).sum(axis=0), np.add.reduce(dout, axis=0)


@right("one formula over N")
def batchnorm_backward_alt(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    N = dout.shape[0]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(x_hat * dout, axis=0)
    dx = (gamma * (var + eps) ** (-1 / 2) / N) * (N * dout - x_hat * dgamma - dbeta)
    return dx, dgamma, dbeta


@right("all steps in float32, where all is small")
def batchnorm_backward_alt(dout, cache):
    dtype = dout.dtype
    small = tuple(np.asarray(one, dtype=np.float32) for one in cache)
    return tuple(one.astype(dtype) for one in _backward(dout.astype(np.float32), small))


def _forward_with_mode(x, gamma, beta, bn_param):
    out, cache = _forward(x, gamma, beta, bn_param)
    return out, (bn_param["mode"], None, cache)


@right("that knows no test mode", forward=_forward_with_mode)
def batchnorm_backward_alt(dout, cache):
    mode, _, inner = cache
    if mode == "test":
        raise NotImplementedError("nothing is learned in test mode")
    return _backward(dout, inner)
