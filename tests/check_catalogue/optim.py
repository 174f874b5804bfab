"""Update rules."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import math

import numpy as np

from nndl import optim

from .entries import right, wrong

# ---- SGD -----------------------------------------------------------------------------


@wrong("w is changed in place", "modifies-input")
def sgd(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    w -= config["learning_rate"] * dw
    return w, config


@wrong("plus instead of minus", "uphill")
def sgd(w, dw, config=None):
    config = config or {}
    lr = config.get("learning_rate", 0.01)
    return w + lr * dw, config


@wrong("another default", "default")
def sgd(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-3)
    next_w = w - config["learning_rate"] * dw
    return next_w, config


@wrong("the rate is written into the rule", "settings-not-read")
def sgd(w, dw, config=None):
    learning_rate = 1e-2
    return w - learning_rate * dw, config or {}


@wrong("only next_w is returned", "arity")
def sgd(w, dw, config=None):
    config = {"learning_rate": 1e-2} if config is None else config
    return w - config["learning_rate"] * dw


@wrong("config=None is not expected", "config-none")
def sgd(w, dw, config=None):
    config.setdefault("learning_rate", 1e-2)
    return w - config["learning_rate"] * dw, config


@wrong("no default learning rate", "no-default")
def sgd(w, dw, config=None):
    if config is None:
        config = {}
    return w - config["learning_rate"] * dw, config


@wrong("half the gradient, as from a penalty", "step-factor")
def sgd(w, dw, config=None):
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    return w - 0.5 * config["learning_rate"] * dw, config


@wrong("the gradient is averaged over the rows of w", "step-factor")
def sgd(w, dw, config=None):
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    return w - config["learning_rate"] * dw / w.shape[0], config


@wrong("decay of the weights", "weight-decay")
def sgd(w, dw, config=None):
    if config is None:
        config = {}
    lr = config.setdefault("learning_rate", 1e-2)
    next_w = w - lr * dw - lr * 0.02 * w
    return next_w, config


@wrong("config and next_w exchanged", "return-order")
def sgd(w, dw, config=None):
    config = config if config is not None else {}
    lr = config.get("learning_rate", 1e-2)
    return config, w - lr * dw


@wrong("the sum of the gradient, not the gradient", "gradient-summed")
def sgd(w, dw, config=None):
    config = config if config is not None else {}
    return w - config.get("learning_rate", 1e-2) * dw.sum(), config


@right("the given dict is left alone, a new one is returned")
def sgd(w, dw, config=None):
    config = {"learning_rate": 1e-2, **(config or {})}
    return np.add(w, np.multiply(-config["learning_rate"], dw)), config


@right("element by element")
def sgd(w, dw, config=None):
    if config is None:
        config = {}
    rate = config.setdefault("learning_rate", 1e-2)
    next_w = np.empty_like(w)
    for i in np.ndindex(w.shape):
        next_w[i] = w[i] - rate * dw[i]
    return next_w, config


# ---- momentum ------------------------------------------------------------------------


@wrong("the velocity is not stored", "memory-lost")
def sgd_momentum(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v - config["learning_rate"] * dw
    next_w = w + v
    return next_w, config


@wrong("minus momentum", "velocity-sign")
def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    v = config.get("velocity", np.zeros_like(w))
    v = -mu * v - lr * dw
    config["velocity"] = v
    return w + v, config


@wrong("the velocity is subtracted", "uphill")
def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    v = config.get("velocity", np.zeros_like(w))
    config["velocity"] = mu * v - lr * dw
    return w - config["velocity"], config


@wrong("the gradient is added to the velocity", "uphill")
def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    v = config.get("velocity", np.zeros_like(w))
    v = mu * v + lr * dw
    next_w = w + v
    config["velocity"] = v
    return next_w, config


@wrong("an average of gradients instead of a sum", "dampened")
def sgd_momentum(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    beta = config["momentum"]
    velocity = config.get("velocity", np.zeros(w.shape, w.dtype))
    velocity = beta * velocity - (1 - beta) * config["learning_rate"] * dw
    config["velocity"] = velocity
    return w + velocity, config


@wrong("the velocity before this step is added", "old-velocity")
def sgd_momentum(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    next_w = w + v
    config["velocity"] = config["momentum"] * v - config["learning_rate"] * dw
    return next_w, config


@wrong("config['velocity'] without a beginning", "no-initial-memory")
def sgd_momentum(w, dw, config=None):
    if config is None:
        config = {"learning_rate": 1e-2, "momentum": 0.9}
    v = config["momentum"] * config["velocity"] - config["learning_rate"] * dw
    config["velocity"] = v
    return w + v, config


@wrong("the velocity is a global variable", "global-memory")
def sgd_momentum(w, dw, config=None):
    global VELOCITY
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    before = VELOCITY if np.shape(VELOCITY) == w.shape else np.zeros_like(w)
    VELOCITY = mu * before - lr * dw
    return w + VELOCITY, config


VELOCITY = 0


@wrong("only the velocity comes back", "settings-lost")
def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    v = config.get("velocity", 0) * config.get("momentum", 0.9)
    v = v - config.get("learning_rate", 0.01) * dw
    return w + v, {"velocity": v}


@wrong("the velocity comes back in place of config", "config-not-returned")
def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    v = config.get("velocity", 0) * config.get("momentum", 0.9)
    v = v - config.get("learning_rate", 0.01) * dw
    return w + v, v


@wrong("a velocity of another sign, under the book's key", "velocity-other-sign")
def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    config["velocity"] = mu * config.get("velocity", np.zeros_like(w)) + lr * dw
    return w - config["velocity"], config


@wrong("a velocity without the rate, under the book's key", "velocity-without-rate")
def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    config["velocity"] = mu * config.get("velocity", np.zeros_like(w)) + dw
    return w - lr * config["velocity"], config


@wrong("a velocity of 64 bits beside weights of 32", "dtype")
def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    config["velocity"] = mu * config.get("velocity", np.zeros(w.shape)) - lr * dw
    return w + config["velocity"], config


@wrong("the velocity begins at w", "memory-not-from-zero")
def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    v = config.setdefault("velocity", w)
    config["velocity"] = mu * v - lr * dw
    return w + config["velocity"], config


@wrong("mu = config['momentum'] or 0.9", "special-case")
def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr = config.get("learning_rate") or 1e-2
    mu = config.get("momentum") or 0.9
    v = mu * config.get("velocity", np.zeros_like(w)) - lr * dw
    config["velocity"] = v
    return w + v, config


@right("a velocity of another unit and another sign, under another key")
def sgd_momentum(w, dw, config=None):
    config = {} if config is None else dict(config)
    buffer = config.get("momentum", 0.9) * config.get("buffer", 0) + dw
    config["buffer"] = buffer
    return w - config.get("learning_rate", 1e-2) * buffer, config


@right("the velocity is updated in place")
def sgd_momentum(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.setdefault("velocity", np.zeros_like(w))
    v *= config["momentum"]
    v -= config["learning_rate"] * dw
    return w + v, config


@right("a copy of w is changed in place")
def sgd_momentum(w, dw, config=None):
    config = {"learning_rate": 1e-2, "momentum": 0.9} | (config or {})
    w = w.copy()
    v = config["momentum"] * config.get("velocity", np.zeros_like(w))
    v -= config["learning_rate"] * dw
    w += v
    config["velocity"] = v
    return w, config


# ---- Nesterov ------------------------------------------------------------------------


@wrong("the old velocity is the array that changes", "plain-momentum")
def sgd_nesterov_momentum(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    mu = config["momentum"]
    v = config.get("velocity", np.zeros_like(w))
    v_old = v
    v *= mu
    v -= config["learning_rate"] * dw
    next_w = w + v + mu * (v - v_old)
    config["velocity"] = v
    return next_w, config


@wrong("the gradient's step and the old velocity", "plain-momentum")
def sgd_nesterov_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    v = config.get("velocity", np.zeros_like(w))
    next_w = w + mu * v - lr * dw
    config["velocity"] = mu * v - lr * dw
    return next_w, config


@wrong("-mu * v + (1 + mu) * v_prev", "velocities-exchanged")
def sgd_nesterov_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    v_prev = config.get("velocity", np.zeros_like(w))
    v = mu * v_prev - lr * dw
    config["velocity"] = v
    return w - mu * v + (1 + mu) * v_prev, config


@wrong("(1 + mu) times the new velocity alone", "old-velocity-not-subtracted")
def sgd_nesterov_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    config["velocity"] = mu * config.get("velocity", np.zeros_like(w)) - lr * dw
    return w + (1 + mu) * config["velocity"], config


@wrong("the new velocity once", "one-plus-momentum")
def sgd_nesterov_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    old = config.get("velocity", np.zeros_like(w))
    new = mu * old - lr * dw
    config["velocity"] = new
    return w - mu * old + new, config


@wrong("plus mu times the old velocity", "old-velocity-sign")
def sgd_nesterov_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    old = config.get("velocity", np.zeros_like(w))
    new = mu * old - lr * dw
    config["velocity"] = new
    return w + mu * old + (1 + mu) * new, config


@wrong("the velocity is never stored", "memory-lost")
def sgd_nesterov_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    old = config.get("velocity", np.zeros_like(w))
    new = mu * old - lr * dw
    return w - mu * old + (1 + mu) * new, config


@wrong("the learning rate is forgotten", "no-learning-rate")
def sgd_nesterov_momentum(w, dw, config=None):
    config = {} if config is None else config
    mu = config.setdefault("momentum", 0.9)
    old = config.get("velocity", np.zeros_like(w))
    new = mu * old - dw
    config["velocity"] = new
    return w + new + mu * (new - old), config


@wrong("a parameter called velocity", "signature")
def sgd_nesterov_momentum(w, dw, velocity, config):
    new = config["momentum"] * velocity - config["learning_rate"] * dw
    return w + new + config["momentum"] * (new - velocity), config


@right("mu * new velocity, and the gradient's step")
def sgd_nesterov_momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("momentum", 0.9),
    )
    v = mu * config.get("velocity", np.zeros_like(w)) - lr * dw
    config["velocity"] = v
    return w + mu * v - lr * dw, config


@right("the course's form")
def sgd_nesterov_momentum(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v_old = v
    v = config["momentum"] * v - config["learning_rate"] * dw
    next_w = w - config["momentum"] * v_old + (1 + config["momentum"]) * v
    config["velocity"] = v
    return next_w, config


# ---- RMSProp -------------------------------------------------------------------------


@wrong("epsilon under the root", "epsilon-under-root")
def rmsprop(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("decay_rate", 0.99)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("cache", np.zeros_like(w))
    rho = config["decay_rate"]
    config["cache"] = rho * config["cache"] + (1 - rho) * dw * dw
    step = config["learning_rate"] * dw / np.sqrt(config["cache"] + config["epsilon"])
    return w - step, config


@wrong("without 1 - decay_rate", "no-one-minus-decay")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho, eps = config.setdefault("decay_rate", 0.99), config.setdefault("epsilon", 1e-8)
    config["cache"] = rho * config.get("cache", np.zeros_like(w)) + dw**2
    return w - lr * dw / (np.sqrt(config["cache"]) + eps), config


@wrong("AdaGrad", "no-decay")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr, eps = (
        config.setdefault("learning_rate", 1e-2),
        config.setdefault("epsilon", 1e-8),
    )
    cache = config.get("cache", np.zeros_like(w))
    cache += dw**2
    config["cache"] = cache
    return w - lr * dw / (np.sqrt(cache) + eps), config


@wrong("the cache is overwritten", "memory-lost")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho, eps = config.setdefault("decay_rate", 0.99), config.setdefault("epsilon", 1e-8)
    config["cache"] = (1 - rho) * dw**2
    return w - lr * dw / (np.sqrt(config["cache"]) + eps), config


@wrong("the cache is updated after the step", "cache-late")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho, eps = config.setdefault("decay_rate", 0.99), config.setdefault("epsilon", 1e-8)
    cache = config.get("cache", np.zeros_like(w))
    next_w = w - lr * dw / (np.sqrt(cache) + eps)
    config["cache"] = rho * cache + (1 - rho) * dw**2
    return next_w, config


@wrong("the gradient is not squared", "not-squared")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho, eps = config.setdefault("decay_rate", 0.99), config.setdefault("epsilon", 1e-8)
    config["cache"] = rho * config.get("cache", np.zeros_like(w)) + (1 - rho) * dw
    return w - lr * dw / (np.sqrt(config["cache"]) + eps), config


@wrong("no root", "no-root")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho, eps = config.setdefault("decay_rate", 0.99), config.setdefault("epsilon", 1e-8)
    config["cache"] = rho * config.get("cache", 0) + (1 - rho) * dw**2
    return w - lr * dw / (config["cache"] + eps), config


@wrong("rho and 1 - rho exchanged", "decay-exchanged")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho, eps = config.setdefault("decay_rate", 0.99), config.setdefault("epsilon", 1e-8)
    config["cache"] = (1 - rho) * config.get("cache", 0) + rho * dw**2
    return w - lr * dw / (np.sqrt(config["cache"]) + eps), config


@wrong("no epsilon", "no-epsilon")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho = config.setdefault("decay_rate", 0.99)
    config["cache"] = rho * config.get("cache", 0) + (1 - rho) * dw**2
    return w - lr * dw / np.sqrt(config["cache"]), config


@wrong("a default decay of 0.9", "default")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho, eps = config.setdefault("decay_rate", 0.9), config.setdefault("epsilon", 1e-8)
    config["cache"] = rho * config.get("cache", 0) + (1 - rho) * dw**2
    return w - lr * dw / (np.sqrt(config["cache"]) + eps), config


@wrong("a default epsilon of 1e-6", "default")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho, eps = config.setdefault("decay_rate", 0.99), config.setdefault("epsilon", 1e-6)
    config["cache"] = rho * config.get("cache", 0) + (1 - rho) * dw**2
    return w - lr * dw / (np.sqrt(config["cache"]) + eps), config


@wrong("a parenthesis too few", "epsilon-outside")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho, eps = config.setdefault("decay_rate", 0.99), config.setdefault("epsilon", 1e-8)
    config["cache"] = rho * config.get("cache", 0) + (1 - rho) * dw**2
    return w - lr * dw / np.sqrt(config["cache"]) + eps, config


@wrong("the norm of the gradient", "one-average")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho, eps = config.setdefault("decay_rate", 0.99), config.setdefault("epsilon", 1e-8)
    config["cache"] = rho * config.get("cache", 0) + (1 - rho) * np.linalg.norm(dw) ** 2
    return w - lr * dw / (math.sqrt(config["cache"]) + eps), config


@right("a cache called a, and np.square")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.get("learning_rate", 1e-2)
    beta, nu = config.get("decay_rate", 0.99), config.get("epsilon", 1e-8)
    config["a"] = beta * config.get("a", np.zeros_like(w)) + (1 - beta) * np.square(dw)
    return w - np.multiply(lr / (np.sqrt(config["a"]) + nu), dw), config


@right("the cache moves towards the square")
def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr = config.setdefault("learning_rate", 1e-2)
    rho, eps = config.setdefault("decay_rate", 0.99), config.setdefault("epsilon", 1e-8)
    cache = config.get("cache")
    if cache is None:
        cache = 0 * w
    cache = cache + (1 - rho) * (dw * dw - cache)
    config["cache"] = cache
    return w - lr * dw / (cache**0.5 + eps), config


# ---- Adam ----------------------------------------------------------------------------


@wrong("no bias correction", "no-bias-correction")
def adam(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("m", np.zeros_like(w))
    config.setdefault("v", np.zeros_like(w))
    config.setdefault("t", 0)
    b1, b2 = config["beta1"], config["beta2"]
    config["m"] = b1 * config["m"] + (1 - b1) * dw
    config["v"] = b2 * config["v"] + (1 - b2) * (dw**2)
    step = config["learning_rate"] * config["m"]
    next_w = w - step / (np.sqrt(config["v"]) + config["epsilon"])
    return next_w, config


def _open(w, config):
    """Return the settings and the memory, as most of the following begin."""
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("m", np.zeros_like(w))
    config.setdefault("v", np.zeros_like(w))
    config.setdefault("t", 0)
    keys = ("learning_rate", "beta1", "beta2", "epsilon", "m", "v", "t")
    return config, *(config[key] for key in keys)


@wrong("t is raised at the end", "t-late")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    mt, vt = m / (1 - b1**t), v / (1 - b2**t)
    next_w = w - lr * mt / (np.sqrt(vt) + eps)
    config["m"], config["v"], config["t"] = m, v, t + 1
    return next_w, config


@wrong("t is never raised", "t-not-incremented")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    config["m"] = b1 * m + (1 - b1) * dw
    config["v"] = b2 * v + (1 - b2) * dw**2
    m_hat = config["m"] / (1 - b1**t)
    v_hat = config["v"] / (1 - b2**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), config


@wrong("t is raised and not stored", "t-not-stored")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    config["m"] = m = b1 * m + (1 - b1) * dw
    config["v"] = v = b2 * v + (1 - b2) * dw**2
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("t begins at 1 and is raised at once", "t-ahead")
def adam(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("t", 1)
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t = t + 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("t is raised twice", "t-ahead")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, _ = _open(w, config)
    m = b1 * m + (1 - b1) * dw
    config["t"] += 1
    mt = m / (1 - b1 ** config["t"])
    v = b2 * v + (1 - b2) * dw**2
    config["t"] += 1
    vt = v / (1 - b2 ** config["t"])
    config["m"], config["v"] = m, v
    return w - lr * mt / (np.sqrt(vt) + eps), config


@wrong("t counts from 1, under the book's key", "t-counted-from-1")
def adam(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("t", 1)
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t + 1)
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("t is a global variable", "global-memory")
def adam(w, dw, config=None):
    global STEPS
    config, lr, b1, b2, eps, m, v, _ = _open(w, config)
    STEPS += 1
    config["m"] = m = b1 * m + (1 - b1) * dw
    config["v"] = v = b2 * v + (1 - b2) * dw**2
    m_hat, v_hat = m / (1 - b1**STEPS), v / (1 - b2**STEPS)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), config


STEPS = 0


@wrong("beta1 and beta2 exchanged", "betas-exchanged")
def adam(w, dw, config=None):
    config, lr, b2, b1, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("beta1 in both corrections", "one-beta")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    correction = 1 - b1**t
    return w - lr * m / correction / (np.sqrt(v / correction) + eps), config


@wrong("epsilon under the root", "epsilon-under-root")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1**t)) / np.sqrt(v / (1 - b2**t) + eps), config


@wrong("the paper's shorter form, with the same epsilon", "epsilon-before-correction")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    rate = lr * math.sqrt(1 - b2**t) / (1 - b1**t)
    return w - rate * m / (np.sqrt(v) + eps), config


@wrong("v of the gradient itself", "v-not-squared")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("m_hat, but v", "m-hat-only")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    m_hat = m / (1 - b1**t)
    return w - lr * m_hat / (np.sqrt(v) + eps), config


@wrong("the corrected averages are kept", "hats-stored")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    m /= 1 - b1**t
    v /= 1 - b2**t
    config.update(m=m, v=v, t=t)
    return w - lr * m / (np.sqrt(v) + eps), config


@wrong("one array of zeros for both averages", "one-array")
def adam(w, dw, config=None):
    if config is None:
        config = {}
    if "m" not in config:
        config["m"] = config["v"] = np.zeros_like(w)
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m *= b1
    m += (1 - b1) * dw
    v *= b2
    v += (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("m is computed and not stored", "m-not-stored")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    config["t"] = t = t + 1
    m = b1 * m + (1 - b1) * dw
    config["v"] = v = b2 * v + (1 - b2) * dw**2
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("beta without the power t", "beta-without-power")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t + 1)
    return w - lr * (m / (1 - b1)) / (np.sqrt(v / (1 - b2)) + eps), config


@wrong("(1 - beta) to the power t", "power-of-difference")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1) ** t) / (np.sqrt(v / (1 - b2) ** t) + eps), config


@wrong("the gradient in place of m_hat", "m-not-used")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr * dw / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("the parentheses of (1 - beta2) * dw squared", "squared-outside")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + ((1 - b2) * dw) ** 2
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("plus, and no bias correction", "uphill")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, _ = _open(w, config)
    config["m"] = b1 * m + (1 - b1) * dw
    config["v"] = b2 * v + (1 - b2) * dw**2
    return w + lr * config["m"] / (np.sqrt(config["v"]) + eps), config


@wrong("epsilon under the root, and no bias correction", "no-bias-correction")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, _ = _open(w, config)
    config["m"] = m = m - (1 - b1) * (m - dw)
    config["v"] = v = v - (1 - b2) * (v - dw**2)
    return w - lr * m / (v + eps) ** 0.5, config


@wrong("the old average is not multiplied by beta1", "m-not-decayed")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("the learning rate is divided by t", "later-steps")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr / t * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("w itself comes back", "w-returned")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    next_w = w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
    config.update(m=m, v=v, t=t, next_w=next_w)
    return w, config


@wrong("SGD's learning rate as the default", "default")
def adam(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("0.99 as the default of beta2", "default")
def adam(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("beta2", 0.99)
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("a penalty's gradient is added to dw", "weight-decay")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    dw = dw + 0.01 * w
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("dw is clipped in place", "modifies-input")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    np.clip(dw, -1, 1, out=dw)
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), config


@wrong("NumPy's power makes float64 of float32", "dtype")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    m_hat, v_hat = m / (1 - np.power(b1, t)), v / (1 - np.power(b2, t))
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), config


@wrong("matrices only", "exception")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    rows, columns = w.shape
    t += 1
    next_w = np.zeros_like(w)
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    for i in range(rows):
        for j in range(columns):
            step = m[i, j] / (1 - b1**t) / (np.sqrt(v[i, j] / (1 - b2**t)) + eps)
            next_w[i, j] = w[i, j] - lr * step
    config.update(m=m, v=v, t=t)
    return next_w, config


@right("the paper's shorter form, with its epsilon converted")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    root = math.sqrt(1 - b2**t)
    return w - lr * root / (1 - b1**t) * m / (np.sqrt(v) + eps * root), config


@right("another course's keys: v is the first average, a the second")
def adam(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("v", np.zeros_like(w))
    config.setdefault("a", np.zeros_like(w))
    config.setdefault("t", 0)
    beta1, beta2 = config["beta1"], config["beta2"]
    config["t"] += 1
    config["v"] = beta1 * config["v"] + (1 - beta1) * dw
    config["a"] = beta2 * config["a"] + (1 - beta2) * dw * dw
    v_u = config["v"] / (1 - beta1 ** config["t"])
    a_u = config["a"] / (1 - beta2 ** config["t"])
    next_w = w - config["learning_rate"] / (np.sqrt(a_u) + config["epsilon"]) * v_u
    return next_w, config


@right("the powers of beta are kept instead of t")
def adam(w, dw, config=None):
    given = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    given |= {"powers": (1.0, 1.0), "averages": (0.0, 0.0)} | (config or {})
    betas = given["beta1"], given["beta2"]
    powers = tuple(p * beta for p, beta in zip(given["powers"], betas, strict=True))
    averages = tuple(
        beta * old + (1 - beta) * new
        for beta, old, new in zip(betas, given["averages"], (dw, dw * dw), strict=True)
    )
    m, v = (a / (1 - p) for a, p in zip(averages, powers, strict=True))
    given |= {"powers": powers, "averages": averages}
    return w - given["learning_rate"] * m / (v**0.5 + given["epsilon"]), given


@right("averages in place, and flat")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    config["t"] = t + 1
    m, v, g = m.reshape(-1), v.reshape(-1), dw.reshape(-1)
    m += (1 - b1) * (g - m)
    v += (1 - b2) * (g * g - v)
    m_hat, v_hat = m / (1 - b1 ** (t + 1)), v / (1 - b2 ** (t + 1))
    step = lr * m_hat / (np.sqrt(v_hat) + eps)
    config["m"], config["v"] = m.reshape(w.shape), v.reshape(w.shape)
    return (w.ravel() - step).reshape(w.shape), config


@right("in single precision on the way, kept in the dtype of w")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    t += 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    config.update(m=m, v=v, t=t)
    step = (m / (1 - b1**t)).astype(np.float32)
    root = np.sqrt((v / (1 - b2**t)).astype(np.float32))
    return w - (lr * step / (root + np.float32(eps))).astype(w.dtype), config


for rule in ("sgd", "sgd_momentum", "sgd_nesterov_momentum", "rmsprop", "adam"):
    right("the book's own, compiled", name=rule)(getattr(optim, f"{rule}_fast"))


@wrong("a first step without correction, then with t one too small", "t-late")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    mb = m / (1 - b1**t) if t else m
    vb = v / (1 - b2**t) if t else v
    config.update(m=m, v=v, t=t + 1)
    return w - lr * mb / (np.sqrt(vb) + eps), config


@wrong("t is stored, m and v are not", "memory-lost")
def adam(w, dw, config=None):
    config, lr, b1, b2, eps, m, v, t = _open(w, config)
    config["t"] = t = t + 1
    m = b1 * m + (1 - b1) * dw
    v = b2 * v + (1 - b2) * dw**2
    step = lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
    return w - step, config
