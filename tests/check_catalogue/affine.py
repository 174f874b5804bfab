"""The affine layer."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np

from nndl import layers

from .entries import right, wrong

FORWARD = {"affine_backward": layers.affine_forward}

# ---- forward, wrong ------------------------------------------------------------------


@wrong("x is used in the shape it came with", "not-flattened")
def affine_forward(x, w, b):
    out = x.dot(w) + b
    cache = (x, w, b)
    return out, cache


@wrong("the bias is forgotten", "no-bias")
def affine_forward(x, w, b):
    N = x.shape[0]
    x_flat = x.reshape(N, -1)
    out = np.dot(x_flat, w)
    return out, (x, w, b)


@wrong("x is reshaped to (D, N) and transposed", "examples-mixed")
def affine_forward(x, w, b):
    D = w.shape[0]
    rows = np.reshape(x, (D, x.shape[0])).T
    out = rows @ w + b
    return out, (x, w, b)


@wrong("flattened in Fortran's order", "flattened-in-other-order")
def affine_forward(x, w, b):
    flat = np.array([image.ravel(order="F") for image in x])
    return flat @ w + b, (x, w, b)


@wrong("a sum of all biases", "bias-summed")
def affine_forward(x, w, b):
    out = np.zeros((x.shape[0], w.shape[1]), dtype=x.dtype)
    for i in range(x.shape[0]):
        for j in range(w.shape[1]):
            out[i, j] = np.sum(x[i].flatten() * w[:, j])
            for k in range(len(b)):
                out[i, j] += b[k]
    return out, (x, w, b)


@wrong("the bias is added within the loop over the features", "input-added")
def affine_forward(x, w, b):
    N, M = x.shape[0], w.shape[1]
    flat = x.reshape(N, -1)
    out = np.zeros((N, M), dtype=x.dtype)
    for d in range(flat.shape[1]):
        out += np.outer(flat[:, d], w[d]) + b
    return out, (x, w, b)


@wrong("the weights are transposed", "exception")
def affine_forward(x, w, b):
    x_row = x.reshape(x.shape[0], -1)
    out = x_row.dot(w.T) + b
    return out, (x, w, b)


@wrong("the output is transposed", "transposed")
def affine_forward(x, w, b):
    columns = x.reshape(x.shape[0], -1).T
    out = w.T @ columns + b[:, np.newaxis]
    return out, (x, w, b)


@wrong("the output is squeezed", "reshape")
def affine_forward(x, w, b):
    out = x.reshape(len(x), -1) @ w + b
    return np.squeeze(out), (x, w, b)


@wrong("only the output is returned", "arity")
def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1) @ w + b
    return out


@wrong("filled into float64", "dtype")
def affine_forward(x, w, b):
    N, M = x.shape[0], w.shape[1]
    out = np.zeros((N, M))
    flat = x.reshape(N, -1)
    for n in range(N):
        out[n] = flat[n] @ w + b
    return out, (x, w, b)


@wrong("the weights are scaled in place", "modifies-input")
def affine_forward(x, w, b):
    x = x.reshape(x.shape[0], -1)
    w /= np.sqrt(len(w))
    out = x @ w + b
    return out, (x, w, b)


@wrong("a ReLU is built in", "relu-included")
def affine_forward(x, w, b):
    scores = x.reshape(x.shape[0], -1).dot(w) + b
    scores[scores < 0] = 0
    return scores, (x, w, b)


@wrong("the bias is a factor as well: (x + 1) w", "offset")
def affine_forward(x, w, b):
    N = x.shape[0]
    extended = np.ones_like(x.reshape(N, -1)) + x.reshape(N, -1)
    return extended @ w + b, (x, w, b)


@wrong("one parameter too few", "signature")
def affine_forward(x, w):
    return x.reshape(len(x), -1) @ w, (x, w)


@wrong("only the last axis is kept", "not-flattened")
def affine_forward(x, w, b):
    rows = x.reshape(-1, x.shape[-1])
    return rows @ w + b, (x, w, b)


@wrong("the bias is a column", "exception")
def affine_forward(x, w, b):
    N = x.shape[0]
    out = np.matmul(x.reshape(N, -1), w) + b.reshape(-1, 1)
    return out, (x, w, b)


@wrong("the number of examples is a fixed one", "exception")
def affine_forward(x, w, b):
    out = np.dot(x.reshape(5, -1), w) + b
    return out, (x, w, b)


# ---- backward, wrong -----------------------------------------------------------------


@wrong("dx keeps the flat shape", "not-reshaped")
def affine_backward(dout, cache):
    x, w, b = cache
    N = x.shape[0]
    x_flat = np.reshape(x, (N, -1))
    dx = dout.dot(w.T)
    dw = x_flat.T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def flat_in_the_cache(x, w, b):
    flat = x.reshape(x.shape[0], -1)
    return flat @ w + b, (flat, w)


@wrong("its own cache holds x flattened", "not-reshaped", forward=flat_in_the_cache)
def affine_backward(dout, cache):
    flat, w = cache
    dx = (dout @ w.T).reshape(flat.shape)
    return dx, flat.T @ dout, dout.sum(0)


@wrong("x is not flattened for dw", "x-not-flattened")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = np.dot(dout, w.T).reshape(*x.shape)
    dw = np.dot(x.T, dout)
    db = dout.sum(axis=0)
    return dx, dw, db


@wrong("db is summed over axis 1", "wrong-axis")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=1)
    return dx, dw, db


@wrong("db is summed over everything", "summed-to-one-number")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout)
    return dx, dw, db


@wrong("db is not summed", "not-reduced")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = dout * 1.0
    return dx, dw, db


@wrong("db keeps its summed axis", "reshape")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=0, keepdims=True)
    return dx, dw, db


@wrong("dw and db are averaged", "divided-by-n")
def affine_backward(dout, cache):
    x, w, b = cache
    N = x.shape[0]
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(N, -1).T @ dout / N
    db = np.mean(dout, axis=0)
    return dx, dw, db


@wrong("x is reshaped to (D, N)", "reshaped-not-transposed")
def affine_backward(dout, cache):
    x, w, b = cache
    N, D = x.shape[0], w.shape[0]
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(D, N).dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


@wrong("w is reshaped to (M, D)", "reshaped-not-transposed")
def affine_backward(dout, cache):
    x, w, b = cache
    D, M = w.shape
    dx = (dout @ np.reshape(w, (M, D))).reshape(x.shape)
    dw = x.reshape(len(x), D).T @ dout
    return dx, dw, dout.sum(axis=0)


@wrong("the gradients come in the order dw, db, dx", "return-order")
def affine_backward(dout, cache):
    x, w, b = cache
    dw = x.reshape(x.shape[0], -1).T @ dout
    db = dout.sum(axis=0)
    dx = (dout @ w.T).reshape(x.shape)
    return dw, db, dx


@wrong("dw is transposed", "transposed")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = dout.T @ x.reshape(x.shape[0], -1)
    db = dout.sum(axis=0)
    return dx, dw, db


@wrong("a loop that overwrites dw", "not-accumulated")
def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    for n in range(x.shape[0]):
        dx[n] = w.dot(dout[n]).reshape(x[n].shape)
        dw = np.outer(x[n].ravel(), dout[n])
        db += dout[n]
    return dx, dw, db


@wrong("dx and dw of the first example only", "not-accumulated")
def affine_backward(dout, cache):
    x, w, b = cache
    dw = np.outer(x[0].ravel(), dout[0])
    dx = np.dot(dout, w.T).reshape(x.shape)
    return dx, dw, dout.sum(axis=0)


@wrong("the gradients of a sum of the outputs, without dout", "no-dout")
def affine_backward(dout, cache):
    x, w, b = cache
    N, M = dout.shape
    dx = np.tile(w.sum(axis=1), (N, 1)).reshape(x.shape)
    dw = np.tile(x.reshape(N, -1).sum(axis=0), (M, 1)).T
    db = np.full(M, N, dtype=dout.dtype)
    return dx, dw, db


@wrong("db is left at zero", "zeros")
def affine_backward(dout, cache):
    x, w, b = cache
    N = len(x)
    db = np.zeros_like(b)
    for n in range(N):
        db + dout[n]
    return (dout @ w.T).reshape(x.shape), x.reshape(N, -1).T @ dout, db


@wrong("descends already", "sign")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = -x.reshape(len(x), -1).T @ dout
    db = -dout.sum(axis=0)
    return dx, dw, db


@wrong("dw has the average, db the wrong axis", "wrong-axis")
def affine_backward(dout, cache):
    x, w, b = cache
    N = len(x)
    dx = (dout @ w.T).reshape(x.shape)
    dw = np.dot(x.reshape(N, -1).T, dout) / N
    db = dout.sum(axis=-1)
    return dx, dw, db


@wrong("dx is multiplied with w, not with its transpose", "exception")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w).reshape(x.shape)
    dw = x.reshape(len(x), -1).T.dot(dout)
    return dx, dw, dout.sum(axis=0)


@wrong("w is scaled in place", "modifies-input")
def affine_backward(dout, cache):
    x, w, b = cache
    flat = x.reshape(len(x), -1)
    dw = flat.T @ dout
    w -= 0.1 * dw
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(axis=0)


@wrong("dout is summed in place", "modifies-input")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    db = dout[0]
    for row in dout[1:]:
        db += row
    return dx, dw, db


@wrong("dw is a loop in float64", "dtype")
def affine_backward(dout, cache):
    x, w, b = cache
    flat = x.reshape(len(x), -1)
    dw = np.zeros(w.shape)
    for d in range(w.shape[0]):
        for m in range(w.shape[1]):
            dw[d, m] = sum(flat[n, d] * dout[n, m] for n in range(len(x)))
    return (dout @ w.T).reshape(x.shape), dw, dout.sum(axis=0)


@wrong("waits for a gradient to vanish", "time-limit")
def affine_backward(dout, cache):
    x, w, b = cache
    dx, n = np.zeros_like(x), 0
    while n < len(x):
        dx[n] = (w @ dout[n]).reshape(x.shape[1:])
    return dx, x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


@wrong("dw is summed once more", "reduced-too-far")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = np.sum(x.reshape(len(x), -1).T.dot(dout), axis=0)
    return dx, dw, np.sum(dout, axis=0)


@wrong("dx is divided by the number of examples", "divided-by-n")
def affine_backward(dout, cache):
    x, w, b = cache
    N = len(x)
    dx = np.einsum("nm,dm->nd", dout, w).reshape(x.shape) / N
    return dx, x.reshape(N, -1).T @ dout, dout.sum(axis=0)


@wrong("db is the mean of everything", "summed-to-one-number")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    return dx, x.reshape(len(x), -1).T.dot(dout), np.mean(dout)


@wrong("db is divided by the number of units", "factor")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    db = dout.sum(axis=0) / dout.shape[1]
    return dx, x.reshape(len(x), -1).T.dot(dout), db


@wrong("dx is flat, and db not summed", "not-reshaped")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout @ w.T
    dw = x.reshape(len(x), -1).T @ dout
    db = dout
    return dx, dw, db


@wrong("dw comes before dx", "return-order")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T.dot(dout)
    return dw, dx, dout.sum(axis=0)


@wrong("only the gradients of the parameters", "arity")
def affine_backward(dout, cache):
    x, w, b = cache
    return x.reshape(len(x), -1).T.dot(dout), dout.sum(axis=0)


def unpacked_otherwise(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (w, x, b)


@wrong(
    "the cache is unpacked in another order", "exception", forward=unpacked_otherwise
)
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    return dx, x.reshape(len(x), -1).T.dot(dout), dout.sum(axis=0)


@wrong("a loop that ends after the first example", "not-accumulated")
def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    for n in range(len(x)):
        dx[n] = (w @ dout[n]).reshape(x[n].shape)
        dw += np.outer(x[n], dout[n])
        db += dout[n]
        return dx, dw, db


@wrong("dx is multiplied by x", "times-itself")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = x * dout.dot(w.T).reshape(x.shape)
    return dx, x.reshape(len(x), -1).T.dot(dout), dout.sum(axis=0)


@wrong("dw is left to do", "missing")
def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = None, None, None
    dx = dout.dot(w.T).reshape(x.shape)
    db = dout.sum(axis=0)
    return dx, dw, db


@wrong("dx as columns, reshaped", "order")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = w.dot(dout.T).reshape(x.shape)
    return dx, x.reshape(len(x), -1).T.dot(dout), dout.sum(axis=0)


# ---- forward, right ------------------------------------------------------------------


@wrong("the sum over the features is overwritten", "not-accumulated")
def affine_forward(x, w, b):
    rows = x.reshape(x.shape[0], -1)
    out = np.zeros((rows.shape[0], w.shape[1]), x.dtype)
    for d in range(rows.shape[1]):
        out = np.outer(rows[:, d], w[d])
    return out + b, (x, w, b)


@wrong("weight decay in dw", "penalty-included")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T.dot(dout) + 0.1 * w
    return dx, dw, dout.sum(0)


@wrong("the mean of all of dout for db", "same-number")
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T.dot(dout)
    return dx, dw, np.zeros_like(b) + dout.mean()


@right("einsum, and a cache without b")
def affine_forward(x, w, b):
    flat = x.reshape(x.shape[0], -1)
    return np.einsum("nd,dm->nm", flat, w) + b, {"x": x, "w": w}


@right("three loops")
def affine_forward(x, w, b):
    N, (D, M) = x.shape[0], w.shape
    out = np.empty((N, M), dtype=x.dtype)
    for n in range(N):
        features = x[n].flatten()
        for m in range(M):
            total = b[m]
            for d in range(D):
                total += features[d] * w[d, m]
            out[n, m] = total
    return out, [x, w, b]


@right("a column of ones for the bias")
def affine_forward(x, w, b):
    N = x.shape[0]
    extended = np.hstack([x.reshape(N, -1), np.ones((N, 1), dtype=x.dtype)])
    return extended @ np.vstack([w, b]), (x, w, b)


@right("tensordot over the axes of w, put into x's shape")
def affine_forward(x, w, b):
    axes = x.ndim - 1
    out = np.tensordot(x, w.reshape(*x.shape[1:], -1), axes=axes)
    out += b
    return out, None


@right("float32 within")
def affine_forward(x, w, b):
    single = [array.astype(np.float32) for array in (x.reshape(len(x), -1), w, b)]
    out = (single[0] @ single[1] + single[2]).astype(x.dtype)
    return out, (x, w, b)


@right("transposed twice, so that the output is not contiguous")
def affine_forward(x, w, b):
    columns = x.reshape(len(x), -1).T
    return (w.T @ columns + b[:, None]).T, (x, w, b)


# ---- backward, right -----------------------------------------------------------------


@right("einsum on the axes as they are")
def affine_backward(dout, cache):
    x, w, b = cache
    shaped = w.reshape((*x.shape[1:], w.shape[1]))
    dx = np.einsum("nm,...m->n...", dout, shaped)
    dw = np.einsum("nd,nm->dm", x.reshape(len(x), -1), dout)
    return dx, dw, np.einsum("nm->m", dout)


class Kept:
    def __init__(self, **named):
        self.__dict__.update(named)


def with_an_object(x, w, b):
    flat = x.reshape(len(x), -1)
    return flat @ w + b, Kept(flat=flat, shape=x.shape, w=w)


@right("a cache that is an object", forward=with_an_object)
def affine_backward(dout, cache):
    dx = (dout @ cache.w.T).reshape(cache.shape)
    return [dx, cache.flat.T @ dout, dout.sum(axis=0)]


def with_a_closure(x, w, b):
    def gradients(dout):
        flat = x.reshape(len(x), -1)
        return (dout @ w.T).reshape(x.shape), flat.T @ dout, dout.sum(axis=0)

    return x.reshape(len(x), -1) @ w + b, gradients


@right("a cache that is a function", forward=with_a_closure)
def affine_backward(dout, cache):
    return cache(dout)


@right("accumulated in a loop over the examples")
def affine_backward(dout, cache):
    x, w, _ = cache
    dx, dw = np.empty_like(x), np.zeros_like(w)
    db = np.zeros(w.shape[1], dtype=w.dtype)
    for example, (row, gradient) in enumerate(zip(x, dout, strict=True)):
        dx[example] = (w * gradient).sum(axis=1).reshape(row.shape)
        dw += row.reshape(-1, 1) * gradient
        db += gradient
    return dx, dw, db


@right("db as a product with ones")
def affine_backward(dout, cache):
    x, w, b = cache
    N = dout.shape[0]
    db = np.ones(N, dtype=dout.dtype) @ dout
    dw = (dout.T @ x.reshape(N, -1)).T
    dx = (w @ dout.T).T.reshape(x.shape)
    return dx, dw, db


def with_views(x, w, b):
    cache = {"x": x[::-1], "w": w[:, ::-1], "b": None}
    return x.reshape(x.shape[0], -1) @ w + b, cache


@right("a cache of views with negative strides", forward=with_views)
def affine_backward(dout, cache):
    turned = dout[::-1, ::-1]
    x, w = cache["x"], cache["w"]
    dx = (turned @ w.T).reshape(x.shape)[::-1]
    dw = (x.reshape(len(x), -1).T @ turned)[:, ::-1]
    return dx, dw, turned.sum(axis=0)[::-1]
