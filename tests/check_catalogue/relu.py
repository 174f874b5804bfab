"""The rectified linear unit."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np

from nndl import layers

from .entries import right, wrong

FORWARD = {"relu_backward": layers.relu_forward}

# ---- forward, wrong ------------------------------------------------------------------


@wrong("np.max instead of np.maximum", "max-not-maximum")
def relu_forward(x):
    out = np.max(x, axis=0)
    return out, x


@wrong("np.max with 0 first", "exception")
def relu_forward(x):
    return np.max(0, x), x


@wrong("Python's max", "exception")
def relu_forward(x):
    out = max(0, x)
    cache = x
    return out, cache


@wrong("x is set to 0 in place", "modifies-input")
def relu_forward(x):
    cache = x
    x[x < 0] = 0
    return x, cache


@wrong("a leaky ReLU", "leaky")
def relu_forward(x):
    return np.maximum(0.01 * x, x), x


@wrong("the mask", "mask-returned")
def relu_forward(x):
    mask = np.zeros_like(x)
    mask[x > 0] = 1
    return mask, x


@wrong("negative numbers are turned round", "absolute")
def relu_forward(x):
    out = x.copy()
    out[out < 0] *= -1
    return out, x


@wrong("positive numbers are removed", "minimum")
def relu_forward(x):
    return x * (x < 0), x


@wrong("flattened by a loop", "reshape")
def relu_forward(x):
    out = np.array([value if value > 0 else 0 for value in x.ravel()], dtype=x.dtype)
    return out, x


@wrong("a loop into float64", "dtype")
def relu_forward(x):
    out = np.zeros(x.shape)
    for index, value in np.ndenumerate(x):
        if value > 0:
            out[index] = value
    return out, x


@wrong("two axes only", "exception")
def relu_forward(x):
    rows, columns = x.shape
    out = np.zeros_like(x)
    for i in range(rows):
        for j in range(columns):
            out[i, j] = x[i, j] if x[i, j] > 0 else 0
    return out, x


@wrong("the array of an earlier call is filled again", "aliasing")
def relu_forward(x):
    key = (x.shape, x.dtype.name)
    out = BUFFERS.setdefault(key, np.empty_like(x))
    whole = BUFFERS.setdefault("whole", np.zeros(1000))
    if x.dtype == np.float64:
        out = whole[: x.size].reshape(x.shape)
    np.maximum(x, 0, out=out)
    return out, x


BUFFERS = {}


@wrong("a sigmoid", "other-function")
def relu_forward(x):
    out = np.exp(x) / (np.exp(x) + 1)
    return out, out


@wrong("kept between 0 and 6", "cut-above")
def relu_forward(x):
    return np.minimum(np.maximum(x, 0), 6), x


# ---- backward, wrong -----------------------------------------------------------------


@wrong("the mask is that of dout", "mask-of-dout")
def relu_backward(dout, cache):
    dx = dout.copy()
    dx[dout < 0] = 0
    return dx


@wrong("dout is changed in place", "modifies-input")
def relu_backward(dout, cache):
    x = cache
    dout[x <= 0] = 0
    return dout


@wrong("the slope alone", "no-dout")
def relu_backward(dout, cache):
    dx = np.zeros_like(cache)
    dx[cache > 0] = 1
    return dx


@wrong("times the output", "times-x")
def relu_backward(dout, cache):
    x = cache
    out = np.maximum(0, x)
    return dout * out


@wrong("the mask is turned round", "mask-reversed")
def relu_backward(dout, cache):
    mask = cache < 0
    return dout * mask


@wrong("dout is passed on", "unchanged")
def relu_backward(dout, cache):
    dx = dout[:]
    dx = np.where(dx > 0, dx, dout)
    return dx


@wrong("guided: dout and x must be positive", "both-masks")
def relu_backward(dout, cache):
    dx = np.maximum(dout, 0) * (cache > 0)
    return dx


@wrong("by the ratio of output and input, which is 0 / 0 at 0", "not-finite")
def relu_backward(dout, cache):
    x = cache
    return dout * np.maximum(x, 0) / x


@wrong("summed over the examples", "reduced-too-far")
def relu_backward(dout, cache):
    return np.sum(dout * (cache > 0), axis=0)


@wrong("the cache is returned as well", "arity")
def relu_backward(dout, cache):
    dx = dout * (cache > 0)
    return dx, cache


@wrong("nothing is returned", "arity")
def relu_backward(dout, cache):
    dx = dout.copy()
    dx[cache < 0] = 0


@wrong("minus the gradient", "sign")
def relu_backward(dout, cache):
    return -1 * dout * (cache > 0)


@wrong("a leaky slope", "leaky")
def relu_backward(dout, cache):
    slope = np.where(cache < 0, 0.01, 1.0).astype(dout.dtype)
    return slope * dout


@wrong("the gradient is never stored", "zeros")
def relu_backward(dout, cache):
    dx = np.zeros_like(dout)
    dx[cache > 0].fill(1)
    return dx


# ---- right ---------------------------------------------------------------------------


@right("times the mask")
def relu_forward(x):
    return x * (x > 0), (x > 0)


@right("half of x plus its absolute value")
def relu_forward(x):
    return (x + np.abs(x)) / 2, x


@right("clipped")
def relu_forward(x):
    return x.clip(min=0), x


@right("in place on its own copy")
def relu_forward(x):
    out = np.array(x)
    out[out < 0] = 0
    return out, (out, None)


@right("a nested function over each number")
def relu_forward(x):
    keep = np.vectorize(lambda value: value if value > 0 else 0.0, otypes=[x.dtype])
    return keep(x), {"input": x}


@right("the slope at 0 is 1")
def relu_backward(dout, cache):
    dx = np.array(dout, copy=True)
    dx[cache < 0] = 0
    return dx


@right("the slope at 0 is one half")
def relu_backward(dout, cache):
    return dout * np.heaviside(cache, 0.5).astype(dout.dtype)


def with_a_mask(x):
    mask = x > 0
    return np.where(mask, x, 0), mask


@right("a mask in the cache", forward=with_a_mask)
def relu_backward(dout, cache):
    return np.multiply(dout, cache)


def with_the_output(x):
    out = np.fmax(x, 0)
    return out, {"out": out}


@right("the output in the cache", forward=with_the_output)
def relu_backward(dout, cache):
    return dout * np.sign(cache["out"])


def with_indices(x):
    return np.maximum(x, 0), (np.flatnonzero(x > 0), x.shape)


@right("places in the cache, and np.add.at", forward=with_indices)
def relu_backward(dout, cache):
    places, shape = cache
    dx = np.zeros(dout.size, dtype=dout.dtype)
    np.add.at(dx, places, dout.ravel()[places])
    return dx.reshape(shape)


@right("a loop over every number")
def relu_backward(dout, cache):
    dx = np.empty_like(dout)
    for index in np.ndindex(dout.shape):
        dx[index] = dout[index] if cache[index] > 0 else 0
    return dx


@right("through float32")
def relu_backward(dout, cache):
    return (dout.astype(np.float32) * (cache > 0)).astype(dout.dtype)
