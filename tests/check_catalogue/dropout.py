"""Dropout."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np

from .entries import right, wrong


def _forward(x, dropout_param):
    """The courses' forward pass, finished rightly; most functions below use it."""
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    out = x
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    cache = (dropout_param, mask)
    out = out.astype(x.dtype, copy=False)
    return out, cache


def _forward_with_bools(x, dropout_param):
    p = dropout_param["p"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    if dropout_param["mode"] == "test":
        return x, (dropout_param, None)
    mask = np.random.random(x.shape) < p
    return (x * mask / p).astype(x.dtype), (dropout_param, mask)


FORWARD = {"dropout_backward": _forward}

# ---- forward -------------------------------------------------------------------------


@wrong("not divided by p", "not-divided-by-p")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    if mode == "train":
        mask = np.random.rand(*x.shape) < p
        out = x * mask
    else:
        mask, out = None, x
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


@wrong("p is the probability of dropping", "p-for-dropping")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    rng = np.random.default_rng(dropout_param.get("seed"))
    if mode == "train":
        keep = 1 - p if p < 1 else 1
        mask = (rng.random(x.shape) < keep) / keep
        return (x * mask).astype(x.dtype), (dropout_param, mask)
    return x, (dropout_param, None)


@wrong("the comparison is the wrong way round", "p-for-dropping")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask, out = None, x
    if mode == "train":
        mask = (np.random.rand(*x.shape) > p) / p
        out = x * mask
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


@wrong("divided by 1 - p", "divided-by-1-p")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if dropout_param.get("seed") is not None:
        np.random.seed(dropout_param["seed"])
    if mode == "test":
        return x, (dropout_param, None)
    mask = np.random.binomial(1, p, size=x.shape)
    out = x * mask / (1 - p) if p < 1 else x
    return out.astype(x.dtype), (dropout_param, mask)


@wrong("randn instead of rand", "randn")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask, out = None, x
    if mode == "train":
        mask = (np.random.randn(*x.shape) < p) / p
        out = x * mask
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


@wrong("the random numbers themselves are the mask", "not-compared")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask, out = None, x
    if mode == "train":
        mask = np.random.rand(*x.shape) / p
        out = x * mask
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


@wrong("dropout is active in test mode", "active-in-test-mode")
def dropout_forward(x, dropout_param):
    p = dropout_param["p"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = (np.random.rand(*x.shape) < p) / p
    return (x * mask).astype(x.dtype, copy=False), (dropout_param, mask)


@wrong(
    "in test mode units are dropped and not divided by p",
    "active-in-test-mode",
    "test-mode",
)
def dropout_forward(x, dropout_param):
    out, cache = _forward(x, dropout_param)
    if dropout_param["mode"] == "test":
        out = x * (np.random.uniform(size=x.shape) < dropout_param["p"])
    return out, cache


@wrong("test mode multiplies by p as well", "scaled-in-test-mode")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    elif mode == "test":
        mask = None
        out = x * p
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


@wrong("the dropout of 2014", "scaled-at-test-time")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    if mode == "train":
        mask = np.random.rand(*x.shape) < p
        return x * mask, (dropout_param, mask)
    return p * x, (dropout_param, None)


@wrong("one mask for all examples", "one-mask-for-all")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask, out = None, x
    if mode == "train":
        mask = (np.random.rand(x.shape[-1]) < p) / p
        out = x * mask
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


@wrong("a number for each example", "whole-examples")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    out = x.copy()
    if mode == "train":
        for n in range(x.shape[0]):
            if np.random.rand() >= p:
                out[n] = 0
        out /= p
    return out, None


@wrong("one number for everything", "everything-dropped", "nothing-dropped")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask, out = None, x
    if mode == "train":
        mask = (np.random.rand() < p) / p
        out = x * mask
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


@wrong("the seed is not used", "seed-ignored")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    mask, out = None, x
    if mode == "train":
        mask = (np.random.default_rng().random(x.shape) < p) / p
        out = (x * mask).astype(x.dtype)
    return out, (dropout_param, mask)


@wrong("always seeded with 0", "always-seeded")
def dropout_forward(x, dropout_param):
    np.random.seed(0)
    p, mode = dropout_param["p"], dropout_param["mode"]
    mask, out = None, x
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = (x * mask).astype(x.dtype)
    return out, (dropout_param, mask)


@wrong("seeded with 0 unless there is a seed", "always-seeded")
def dropout_forward(x, dropout_param):
    rng = np.random.default_rng(dropout_param.get("seed", 0))
    if dropout_param["mode"] == "test":
        return x, None
    mask = rng.random(x.shape) < dropout_param["p"]
    return np.where(mask, x / dropout_param["p"], 0).astype(x.dtype), mask


@wrong("multiplied by p", "multiplied-by-p")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask, out = None, x
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) * p
        out = x * mask
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


@wrong("a mask of float64", "dtype")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    out = x
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    return out, (dropout_param, mask)


@wrong("units are dropped in x itself", "modifies-input")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    if mode == "test":
        return x, None
    mask = np.random.rand(*x.shape) >= p
    x[mask] = 0
    return x / p, mask


@wrong("a mask for two axes only", "exception", "special-case")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask, out = None, x
    if mode == "train":
        mask = (np.random.rand(x.shape[0], x.shape[1]) < p) / p
        out = x * mask
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


@wrong("the mask is returned for the output", "mask-returned")
def dropout_forward(x, dropout_param):
    out, cache = _forward(x, dropout_param)
    if dropout_param["mode"] == "train":
        out = cache[1].astype(x.dtype)
    return out, cache


@wrong("an integer mask", "everything-dropped", "nothing-dropped")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    if mode == "test":
        return x, None
    mask = np.random.rand(*x.shape).astype(int) < p
    return (x * mask / p).astype(x.dtype), mask


@wrong("p as dropping in test mode's scaling too", "p-for-dropping")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    if mode == "test":
        return (x * (1 - p)).astype(x.dtype), None
    mask = np.random.rand(*x.shape) > p
    return x * mask, mask


@right("as the courses' notebooks have it")
def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    out = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    elif mode == "test":
        out = x
    cache = (dropout_param, mask)
    out = out.astype(x.dtype, copy=False)
    return out, cache


@right("the generator, where, and a dict for a cache")
def dropout_forward(x, dropout_param):
    p = dropout_param["p"]
    if dropout_param["mode"] == "test":
        return x.copy(), {}
    drop = np.random.default_rng(dropout_param.get("seed")).uniform(size=x.shape) >= p
    return np.where(drop, 0, x / p).astype(x.dtype), {"drop": drop, "p": p}


@right("a Bernoulli draw in a loop, in place on a copy")
def dropout_forward(x, dropout_param):
    out = x.copy()
    if dropout_param["mode"] == "train":
        source = np.random.RandomState(dropout_param.get("seed"))
        for index in np.ndindex(*x.shape):
            keep = source.binomial(1, dropout_param["p"])
            out[index] = out[index] / dropout_param["p"] if keep else 0
    return out, None


@right("choice, and the settings dict carries the mask")
def dropout_forward(x, dropout_param):
    p = dropout_param["p"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    dropout_param["mask"] = np.random.choice([0.0, 1 / p], size=x.shape, p=[1 - p, p])
    if dropout_param["mode"] == "test":
        dropout_param["mask"] = np.ones(x.shape)
    return (x * dropout_param["mask"]).astype(x.dtype), dropout_param


@right("a mask in float32 from the other end of the interval")
def dropout_forward(x, dropout_param):
    p = np.float32(dropout_param["p"])
    if dropout_param["mode"] != "train":
        return x, (None, None)
    rng = np.random.default_rng(dropout_param.get("seed"))
    mask = np.floor(p + rng.random(x.shape, dtype=np.float32)).astype(x.dtype)
    return x / x.dtype.type(p) * mask, (mask, p)


# ---- backward ------------------------------------------------------------------------


@wrong("divided by p once more", "divided-again")
def dropout_backward(dout, cache):
    dropout_param, mask = cache
    if dropout_param["mode"] == "train":
        return dout * mask / dropout_param["p"]
    return dout


@wrong("a mask of bools, without p", "not-divided-by-p", forward=_forward_with_bools)
def dropout_backward(dout, cache):
    dropout_param, mask = cache
    return dout * mask if dropout_param["mode"] == "train" else dout


@wrong("a mask of bools times p", "multiplied-by-p", forward=_forward_with_bools)
def dropout_backward(dout, cache):
    dropout_param, mask = cache
    dx = dout
    if dropout_param["mode"] == "train":
        dx = dout * mask * dropout_param["p"]
    return dx


@wrong("a mask drawn anew", "mask-redrawn")
def dropout_backward(dout, cache):
    dropout_param, _ = cache
    p = dropout_param["p"]
    if dropout_param["mode"] == "test":
        return dout
    return dout * ((np.random.rand(*dout.shape) < p) / p)


_STORE = {}


def _forward_with_global(x, dropout_param):
    out, (_, _STORE["mask"]) = _forward(x, dropout_param)
    return out, dropout_param


@wrong("the mask is global", "mask-redrawn", forward=_forward_with_global)
def dropout_backward(dout, cache):
    if cache["mode"] == "test":
        return dout
    return dout * _STORE["mask"]


@wrong("no mask at all", "mask-forgotten")
def dropout_backward(dout, cache):
    return dout


@wrong("p and no mask", "mask-forgotten")
def dropout_backward(dout, cache):
    dropout_param, mask = cache
    dx = dout / dropout_param["p"] if mask is not None else dout
    return dx


@wrong("the gradient of the dropped units", "mask-inverted")
def dropout_backward(dout, cache):
    dropout_param, mask = cache
    dx = dout.copy()
    if dropout_param["mode"] == "train":
        dx[mask > 0] = 0
    return dx


@wrong("no thought of test mode", "exception")
def dropout_backward(dout, cache):
    _, mask = cache
    return dout * mask


@wrong("nothing in test mode", "zero-in-test-mode")
def dropout_backward(dout, cache):
    dropout_param, mask = cache
    dx = np.zeros_like(dout)
    if dropout_param["mode"] == "train":
        dx = dout * mask
    return dx


@wrong("None in test mode", "arity")
def dropout_backward(dout, cache):
    dropout_param, mask = cache
    dx = None
    if dropout_param["mode"] == "train":
        dx = mask * dout
    return dx


@wrong("scaled in test mode", "scaled-in-test-mode")
def dropout_backward(dout, cache):
    dropout_param, mask = cache
    if mask is None:
        return dout * dropout_param["p"]
    return dout * mask


@wrong("dout is masked in place", "modifies-input")
def dropout_backward(dout, cache):
    _, mask = cache
    if mask is not None:
        dout *= mask.astype(dout.dtype)
    return dout


@wrong("divided by 1 - p", "divided-by-1-p", forward=_forward_with_bools)
def dropout_backward(dout, cache):
    dropout_param, mask = cache
    p = dropout_param["p"]
    if mask is None or p == 1:
        return dout
    return dout * mask / (1 - p)


@right("as the courses' notebooks have it")
def dropout_backward(dout, cache):
    dropout_param, mask = cache
    mode = dropout_param["mode"]
    dx = None
    if mode == "train":
        dx = dout * mask
    elif mode == "test":
        dx = dout
    return dx


def _forward_with_indices(x, dropout_param):
    out, (_, mask) = _forward(x, dropout_param)
    dropped = np.flatnonzero(mask == 0) if mask is not None else np.array([], int)
    return out, [dropped, 1 if mask is None else dropout_param["p"]]


@right("the places of dropped units", forward=_forward_with_indices)
def dropout_backward(dout, cache):
    dropped, p = cache
    dx = (dout / p).ravel()
    dx[dropped] = 0
    return dx.reshape(dout.shape)


@right("where, with a mask of bools", forward=_forward_with_bools)
def dropout_backward(dout, cache):
    param, mask = cache
    return dout.copy() if mask is None else np.where(mask, dout / param["p"], 0)


def _forward_that_repeats(x, dropout_param):
    out, (_, mask) = _forward(x, dropout_param)
    return out, (x, out, dropout_param)


@right("the mask is found from input and output", forward=_forward_that_repeats)
def dropout_backward(dout, cache):
    x, out, _ = cache
    return dout * (out / x)
