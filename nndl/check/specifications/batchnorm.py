"""Batch normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import layers
from .._specification import (
    EDGE_CASES,
    TEST_MODE,
    Case,
    Forward,
    Mistake,
    backward,
    numbers,
)

Array = np.ndarray
Param = dict[str, Any]


def _case(name: str, N: int, D: int, stage: str = "values", **settings: Any) -> Case:
    x, gamma = numbers(N, D), 1 + numbers(D, seed=2) / 2
    beta = numbers(D, seed=3)
    bn_param = {"mode": "train", "eps": 0.3} | settings
    return Case(name, (x, gamma, beta, bn_param), stage, {"N": N, "D": D})


def _running(D: int) -> Param:
    return {
        "running_mean": numbers(D, seed=4),
        "running_var": 1 + numbers(D, seed=5) ** 2,
    }


_constant = Case(
    "a feature that never changes",
    (np.tile([1.0, 2.0, 3.0], (4, 1)), np.ones(3), numbers(3), {"mode": "train"}),
    EDGE_CASES,
    {"N": 4, "D": 3},
)

CASES = (
    _case("5 examples of 3 features", 5, 3, **_running(3)),
    _case("4 examples of 2 features", 4, 2, momentum=0.6, **_running(2)),
    _case("the first call, without running averages", 3, 4),
    _case(
        "running averages, in test mode", 5, 3, TEST_MODE, mode="test", **_running(3)
    ),
    _case("a batch of one", 1, 3, EDGE_CASES, **_running(3)),
    _constant,
)

# ---- forward -------------------------------------------------------------------------


def _statistics(
    bn_param: Param, x: Array, mean: Array, var: Array, running_var: Array | None = None
) -> tuple[Array, Array, float]:
    """Return the mean and variance to normalize with, and eps; store the running averages."""
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    old_mean = bn_param.get("running_mean", np.zeros(x.shape[1], x.dtype))
    old_var = bn_param.get("running_var", np.zeros(x.shape[1], x.dtype))
    if bn_param["mode"] == "test":
        return old_mean, old_var, eps
    new = var if running_var is None else running_var
    bn_param["running_mean"] = momentum * old_mean + (1 - momentum) * mean
    bn_param["running_var"] = momentum * old_var + (1 - momentum) * new
    return mean, var, eps


def _eps_outside_root(x: Array, gamma: Array, beta: Array, bn_param: Param) -> Any:
    mean, var, eps = _statistics(bn_param, x, x.mean(axis=0), x.var(axis=0))
    return gamma * (x - mean) / (np.sqrt(var) + eps) + beta, None


def _divided_by_variance(x: Array, gamma: Array, beta: Array, bn_param: Param) -> Any:
    mean, var, eps = _statistics(bn_param, x, x.mean(axis=0), x.var(axis=0))
    return gamma * (x - mean) / (var + eps) + beta, None


FORWARD = Forward(
    "batchnorm_forward",
    ("x", "gamma", "beta", "bn_param"),
    ("out", "cache"),
    layers.batchnorm_forward,
    CASES,
    (
        Mistake(
            "eps-outside-root",
            "eps was added to the standard deviation; it belongs under the root, to the variance.",
            _eps_outside_root,
        ),
        Mistake(
            "divided-by-variance",
            "x was divided by the variance, not by its root, the standard deviation.",
            _divided_by_variance,
        ),
    ),
    {
        "out": "out = gamma * (x - mean) / sqrt(var + eps) + beta, over axis 0",
        "running_mean": "running_mean = momentum * running_mean + (1 - momentum) * mean",
        "running_var": "running_var = momentum * running_var + (1 - momentum) * var",
    },
    "",
    stores=("running_mean", "running_var"),
)

# ---- backward ------------------------------------------------------------------------


def _no_mean_path(dout: Array, cache: Any) -> Any:
    xhat, gamma, std, mode = cache
    dx = gamma / std * dout
    if mode == "train":
        dx = dx - gamma / std * xhat * (dout * xhat).mean(axis=0)
    return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)


BACKWARD = backward(
    FORWARD,
    "batchnorm_backward",
    ("dx", "dgamma", "dbeta"),
    layers.batchnorm_backward,
    (
        Mistake(
            "no-mean-path",
            "The path through the mean is missing: x also moves the mean, which moves every xhat.",
            _no_mean_path,
        ),
    ),
    {
        "dx": "dx = gamma / std * (dout - mean(dout) - xhat * mean(dout * xhat)), means over axis 0",
        "dgamma": "dgamma = sum over axis 0 of dout * xhat",
        "dbeta": "dbeta = sum over axis 0 of dout",
    },
    "",
    # Nothing is learned in test mode, so a backward pass need not know it.
    tuple(case for case in CASES if case.stage != TEST_MODE),
)

ALL = (FORWARD, BACKWARD)
