"""Layer normalization."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np

from .entries import right, wrong


def _forward(x, gamma, beta, ln_param):
    """A right forward pass whose cache holds everything; most functions below use it."""
    eps = ln_param.get("eps", 1e-5)
    mu = x.mean(axis=1, keepdims=True)
    var = x.var(axis=1, keepdims=True)
    x_hat = (x - mu) / np.sqrt(var + eps)
    return gamma * x_hat + beta, (x, x_hat, mu, var, gamma, beta, eps)


FORWARD = {"layernorm_backward": _forward}

# ---- forward -------------------------------------------------------------------------


@wrong("batch normalization copied", "wrong-axis")
def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    mu = np.mean(x, axis=0)
    var = np.var(x, axis=0)
    x_hat = (x - mu) / np.sqrt(var + eps)
    out = gamma * x_hat + beta
    return out, (x_hat, gamma, var, eps)


@wrong("keepdims is forgotten", "exception")
def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    mu = np.mean(x, axis=1)
    var = np.var(x, axis=1)
    x_hat = (x - mu) / np.sqrt(var + eps)
    return gamma * x_hat + beta, (x_hat, gamma, var, eps)


@wrong("transposed, and gamma applied before it is transposed back", "exception")
def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    xt = x.T
    mu, var = xt.mean(axis=0), xt.var(axis=0)
    out = gamma * (xt - mu) / np.sqrt(var + eps) + beta
    return out.T, None


@wrong("never transposed back", "transposed")
def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    xt = x.T
    mu, var = xt.mean(axis=0), xt.var(axis=0)
    xn = (xt - mu) / np.sqrt(var + eps)
    return gamma[:, None] * xn + beta[:, None], None


@wrong("eps is added to the standard deviation", "eps-outside-root")
def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    mu = x.mean(1).reshape(-1, 1)
    std = x.std(1).reshape(-1, 1)
    return gamma * ((x - mu) / (std + eps)) + beta, (mu, std)


@wrong("eps is always 1e-5", "eps-not-read")
def layernorm_forward(x, gamma, beta, ln_param):
    return _forward(x, gamma, beta, {})


@wrong("no eps at all", "eps-forgotten")
def layernorm_forward(x, gamma, beta, ln_param):
    x_hat = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
    return gamma * x_hat + beta, x_hat


@wrong("the unbiased variance", "unbiased-variance")
def layernorm_forward(x, gamma, beta, ln_param):
    D = x.shape[1]
    centred = x - x.sum(axis=1, keepdims=True) / D
    var = (centred**2).sum(axis=1, keepdims=True) / (D - 1)
    return gamma * centred / np.sqrt(var + ln_param.get("eps", 1e-5)) + beta, None


@wrong("the variance without its mean", "variance-not-averaged")
def layernorm_forward(x, gamma, beta, ln_param):
    centred = x - x.mean(axis=-1)[:, np.newaxis]
    var = (centred**2).sum(axis=-1)[:, np.newaxis]
    return gamma * centred / np.sqrt(var + ln_param.get("eps", 1e-5)) + beta, None


@wrong("x is divided by the variance", "divided-by-variance")
def layernorm_forward(x, gamma, beta, ln_param):
    mu = x.mean(axis=1, keepdims=True)
    sigma2 = x.var(axis=1, keepdims=True) + ln_param.get("eps", 1e-5)
    return gamma * (x - mu) / sigma2 + beta, None


@wrong("the settings of batch normalization are read", "exception")
def layernorm_forward(x, gamma, beta, ln_param):
    eps, momentum = ln_param["eps"], ln_param["momentum"]
    mu, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    ln_param["running_mean"] = momentum * mu
    return gamma * (x - mu) / np.sqrt(var + eps) + beta, None


@wrong("beta is inside the brackets", "beta-inside")
def layernorm_forward(x, gamma, beta, ln_param):
    _, cache = _forward(x, gamma, beta, ln_param)
    return gamma * (cache[1] + beta), cache


@wrong("mean and variance of all numbers", "wrong-axis")
def layernorm_forward(x, gamma, beta, ln_param):
    x_hat = (x - np.mean(x)) / np.sqrt(np.var(x) + ln_param.get("eps", 1e-5))
    return gamma * x_hat + beta, None


@wrong("the sum over the features is divided by N", "divided-by-N")
def layernorm_forward(x, gamma, beta, ln_param):
    N, _D = x.shape
    mu = (np.sum(x, axis=1) / N).reshape(N, 1)
    xmu = x - mu
    var = (np.sum(xmu**2, axis=1) / N).reshape(N, 1)
    return gamma * xmu / np.sqrt(var + ln_param.get("eps", 1e-5)) + beta, None


@wrong("a loop into an array of float64", "dtype")
def layernorm_forward(x, gamma, beta, ln_param):
    out = np.zeros(x.shape)
    for n in range(len(x)):
        row = x[n]
        std = np.sqrt(row.var() + ln_param.get("eps", 1e-5))
        out[n] = gamma * (row - row.mean()) / std + beta
    return out, None


@wrong("a loop over the examples that writes into x", "modifies-input")
def layernorm_forward(x, gamma, beta, ln_param):
    for n in range(len(x)):
        x[n] = (x[n] - x[n].mean()) / np.sqrt(x[n].var() + ln_param.get("eps", 1e-5))
    return gamma * x + beta, x


@wrong("the mean is subtracted from the last example twice", "offset")
def layernorm_forward(x, gamma, beta, ln_param):
    out, cache = _forward(x, gamma, beta, ln_param)
    out[-1] -= cache[2][-1]
    return out, cache


@right("loops over rows of a copy")
def layernorm_forward(x, gamma, beta, ln_param):
    out = np.array(x, order="F")
    for row in out:
        row -= sum(row) / len(row)
        row /= (np.dot(row, row) / len(row) + ln_param.get("eps", 1e-5)) ** 0.5
        row *= gamma
        row += beta
    return out, {"x": x}


@right("transposed there and back")
def layernorm_forward(x, gamma, beta, ln_param):
    xt = x.T
    xt = (xt - xt.mean(axis=0)) / np.sqrt(xt.var(axis=0) + ln_param.get("eps", 1e-5))
    return (gamma.reshape(-1, 1) * xt + beta.reshape(-1, 1)).T, None


@right("einsum and stored in the settings too")
def layernorm_forward(x, gamma, beta, ln_param):
    D = x.shape[1]
    mean = np.einsum("nd->n", x) / D
    var = np.einsum("nd,nd->n", x, x) / D - mean**2
    ln_param["mean"] = mean
    scale = 1 / np.sqrt(np.maximum(var, 0) + ln_param.get("eps", 1e-5))
    x_hat = np.einsum("nd,n->nd", x - mean[:, None], scale)
    return np.einsum("nd,d->nd", x_hat, gamma) + beta, [x_hat]


@right("a matrix that centres")
def layernorm_forward(x, gamma, beta, ln_param):
    D = x.shape[1]
    centred = x @ (np.eye(D, dtype=x.dtype) - np.full((D, D), 1 / D, dtype=x.dtype))
    norm = np.linalg.norm(centred, axis=1)[:, None]
    std = np.hypot(norm / np.sqrt(D), np.sqrt(ln_param.get("eps", 1e-5)))
    return (gamma * (centred / std) + beta).astype(x.dtype), None


# ---- backward ------------------------------------------------------------------------


def _backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    dxhat = dout * gamma
    dx = dxhat - dxhat.mean(1, keepdims=True)
    dx = dx - x_hat * (dxhat * x_hat).mean(1, keepdims=True)
    return dx / np.sqrt(var + eps), (dout * x_hat).sum(0), dout.sum(0)


@wrong("batch normalization's formula as it is", "wrong-axis")
def layernorm_backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    N = len(dout)
    dbeta, dgamma = dout.sum(axis=0), (dout * x_hat).sum(axis=0)
    dx = gamma / np.sqrt(var + eps) / N * (N * dout - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta


@wrong("batch normalization's formula with axis 1, gamma outside", "gamma-after-means")
def layernorm_backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    D = dout.shape[1]
    sum1 = dout.sum(axis=1, keepdims=True)
    sum2 = (dout * x_hat).sum(axis=1, keepdims=True)
    dx = gamma / (D * np.sqrt(var + eps)) * (D * dout - sum1 - x_hat * sum2)
    return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)


@wrong("divided by N where D is meant", "divided-by-N")
def layernorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    N, _D = dout.shape
    dxhat = dout * gamma
    std = np.sqrt(var + eps)
    dvar = np.sum(dxhat * (x - mu) * -0.5 / std**3, axis=1, keepdims=True)
    dmu = np.sum(-dxhat / std, axis=1, keepdims=True)
    dx = dxhat / std + dvar * 2 * (x - mu) / N + dmu / N
    return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)


@wrong("dgamma and dbeta over axis 1 too", "wrong-axis")
def layernorm_backward(dout, cache):
    dx, _, _ = _backward(dout, cache)
    return dx, np.sum(dout * cache[1], axis=1), np.sum(dout, axis=1)


@wrong("dgamma and dbeta over axis 1 with keepdims", "wrong-axis")
def layernorm_backward(dout, cache):
    dx, _, _ = _backward(dout, cache)
    dgamma = np.sum(dout * cache[1], axis=1, keepdims=True)
    return dx, dgamma, np.sum(dout, axis=1, keepdims=True)


@wrong("keepdims is forgotten", "exception")
def layernorm_backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    D = dout.shape[1]
    dxhat = dout * gamma
    dx = D * dxhat - dxhat.sum(axis=1) - x_hat * (dxhat * x_hat).sum(axis=1)
    return dx / D / np.sqrt(var + eps), (dout * x_hat).sum(0), dout.sum(0)


@wrong("no path through the mean", "no-mean-path")
def layernorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    D = dout.shape[1]
    dxhat = dout * gamma
    dvar = (dxhat * (x - mu)).sum(axis=1, keepdims=True) * -0.5 * (var + eps) ** -1.5
    dx = dxhat / np.sqrt(var + eps) + 2 * dvar * (x - mu) / D
    return dx, (dout * x_hat).sum(0), dout.sum(0)


@wrong("the statistics are taken for constants", "statistics-constant")
def layernorm_backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    return dout * gamma / np.sqrt(var + eps), (dout * x_hat).sum(0), dout.sum(0)


@wrong("1/D is missing before the brackets", "factor")
def layernorm_backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    D = dout.shape[1]
    g = dout * gamma
    bracket = (
        D * g - g.sum(1, keepdims=True) - x_hat * (g * x_hat).sum(1, keepdims=True)
    )
    return bracket / np.sqrt(var + eps), (dout * x_hat).sum(0), dout.sum(0)


@wrong("a plus for a minus before the second mean", "variance-path-sign")
def layernorm_backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    g = dout * gamma
    dx = g - g.mean(1, keepdims=True) + x_hat * (g * x_hat).mean(1, keepdims=True)
    return dx / np.sqrt(var + eps), (dout * x_hat).sum(0), dout.sum(0)


@wrong("the division by the standard deviation is missing", "not-divided-by-std")
def layernorm_backward(dout, cache):
    _x, x_hat, _mu, _var, gamma, _beta, _eps = cache
    g = dout * gamma
    dx = g - g.mean(1, keepdims=True) - x_hat * (g * x_hat).mean(1, keepdims=True)
    return dx, (dout * x_hat).sum(0), dout.sum(0)


@wrong("gamma is missing", "gamma-forgotten")
def layernorm_backward(dout, cache):
    return _backward(dout, (*cache[:4], np.ones_like(cache[4]), *cache[5:]))


@wrong("dgamma from dxhat", "gamma-in-sums")
def layernorm_backward(dout, cache):
    dx, _, dbeta = _backward(dout, cache)
    dxhat = dout * cache[4]
    return dx, np.sum(dxhat * cache[1], axis=0), dbeta


@wrong("dx with the opposite sign", "sign")
def layernorm_backward(dout, cache):
    dx, dgamma, dbeta = _backward(dout, cache)
    return -dx, dgamma, dbeta


@wrong("dbeta is one number", "reduced-too-far")
def layernorm_backward(dout, cache):
    dx, dgamma, _ = _backward(dout, cache)
    return dx, dgamma, dout.sum()


@wrong("dx is forgotten in the return", "arity")
def layernorm_backward(dout, cache):
    _, dgamma, dbeta = _backward(dout, cache)
    return dgamma, dbeta


@right("node by node")
def layernorm_backward(dout, cache):
    x, x_hat, mu, var, gamma, _beta, eps = cache
    D = dout.shape[1]
    istd = 1 / np.sqrt(var + eps)
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * (x - mu) * -0.5 * istd**3, axis=1, keepdims=True)
    dmu = np.sum(dx_hat * -istd, axis=1, keepdims=True)
    dmu = dmu + dvar * np.mean(-2 * (x - mu), axis=1, keepdims=True)
    dx = dx_hat * istd + dvar * 2 * (x - mu) / D + dmu / D
    return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)


@right("through batch normalization's formula, transposed")
def layernorm_backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    d, xh = (dout * gamma).T, x_hat.T
    D = len(d)
    dx = (D * d - d.sum(0) - xh * (d * xh).sum(0)) / D / np.sqrt(var + eps).T
    return dx.T, np.einsum("nd,nd->d", dout, x_hat), np.einsum("nd->d", dout)


@right("the Jacobian of every example")
def layernorm_backward(dout, cache):
    _x, x_hat, _mu, var, gamma, _beta, eps = cache
    N, D = dout.shape
    dx, dgamma = np.empty_like(dout), np.zeros_like(gamma)
    for n in range(N):
        jacobian = np.eye(D) - 1 / D - np.outer(x_hat[n], x_hat[n]) / D
        dx[n] = jacobian.dot(gamma * dout[n]) / np.sqrt(var[n] + eps)
        np.add.at(dgamma, np.arange(D), dout[n] * x_hat[n])
    return dx, dgamma, dout.sum(axis=0)


def _forward_with_few(x, gamma, beta, ln_param):
    out, (_, x_hat, _, var, _, _, eps) = _forward(x, gamma, beta, ln_param)
    return out, {
        "x_hat": x_hat,
        "rest": [gamma, None],
        "std": np.sqrt(var + eps).ravel(),
    }


@right("a cache of another layout", forward=_forward_with_few)
def layernorm_backward(dout, cache):
    x_hat, std = cache["x_hat"], cache["std"].reshape(-1, 1)
    d = dout * cache["rest"][0]
    d = d - np.average(d, axis=1)[:, None]
    d = d - x_hat * np.average(d * x_hat, axis=1)[:, None]
    return d / std, (dout * x_hat).sum(0), dout.sum(0)
