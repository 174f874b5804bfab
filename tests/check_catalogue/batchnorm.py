"""Batch normalization."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np

from .entries import right, wrong


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
