"""Max pooling."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .entries import right, wrong


def _settings(x, pool_param):
    ph, pw = pool_param["pool_height"], pool_param["pool_width"]
    s = pool_param["stride"]
    return ph, pw, s, (x.shape[2] - ph) // s + 1, (x.shape[3] - pw) // s + 1


def _forward(x, pool_param):
    """A right forward pass, with a cache of its own kind."""
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    views = sliding_window_view(x, (ph, pw), axis=(2, 3))[:, :, ::s, ::s]
    return views.max(axis=(4, 5)), (x, ph, pw, s)


FORWARD = {"max_pool_backward_naive": _forward}

# ---- forward, wrong ------------------------------------------------------------------


@wrong("the windows begin at i and j", "stride-ignored")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    N, C, H, W = x.shape
    out = np.zeros((N, C, Ho, Wo), x.dtype)
    for n in range(N):
        for c in range(C):
            for i in range(Ho):
                for j in range(Wo):
                    out[n, c, i, j] = x[n, c, i : i + ph, j : j + pw].max()
    return out, (x, pool_param)


@wrong("a reshape that takes the stride for granted", "stride-is-window")
def max_pool_forward_naive(x, pool_param):
    ph, pw = pool_param["pool_height"], pool_param["pool_width"]
    N, C, H, W = x.shape
    x = x[:, :, : H // ph * ph, : W // pw * pw]
    out = x.reshape(N, C, H // ph, ph, W // pw, pw).max(axis=3).max(axis=4)
    return out, (x, pool_param)


@wrong("height and width are exchanged", "window-exchanged")
def max_pool_forward_naive(x, pool_param):
    pw, ph = pool_param["pool_height"], pool_param["pool_width"]
    s = pool_param["stride"]
    N, C, H, W = x.shape
    Ho, Wo = 1 + (H - ph) // s, 1 + (W - pw) // s
    out = np.zeros((N, C, Ho, Wo), x.dtype)
    for i in range(Ho):
        for j in range(Wo):
            window = x[:, :, i * s : i * s + ph, j * s : j * s + pw]
            out[:, :, i, j] = window.max(axis=(2, 3))
    return out, None


@wrong("pool_height for both", "square-assumed")
def max_pool_forward_naive(x, pool_param):
    size, s = pool_param["pool_height"], pool_param["stride"]
    N, C, H, W = x.shape
    Ho, Wo = 1 + (H - size) // s, 1 + (W - size) // s
    out = np.zeros((N, C, Ho, Wo), x.dtype)
    for i in range(Ho):
        for j in range(Wo):
            window = x[:, :, i * s : i * s + size, j * s : j * s + size]
            out[:, :, i, j] = np.amax(window, axis=(2, 3))
    return out, None


@wrong("the channels are not kept apart", "over-channels")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    N, C, H, W = x.shape
    out = np.zeros((N, C, Ho, Wo), x.dtype)
    for n in range(N):
        for i in range(Ho):
            for j in range(Wo):
                window = x[n, :, i * s : i * s + ph, j * s : j * s + pw]
                out[n, :, i, j] = np.max(window)
    return out, (x, pool_param)


@wrong("the images are not kept apart", "over-images")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    N, C, H, W = x.shape
    out = np.zeros((N, C, Ho, Wo), x.dtype)
    for c in range(C):
        for i in range(Ho):
            for j in range(Wo):
                window = x[:, c, i * s : i * s + ph, j * s : j * s + pw]
                out[:, c, i, j] = np.max(window)
    return out, None


@wrong("average pooling", "mean-not-max")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    views = sliding_window_view(x, (ph, pw), axis=(2, 3))[:, :, ::s, ::s]
    return views.mean(axis=(4, 5)), None


@wrong("a running maximum that begins at 0", "starts-at-zero")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    out = np.zeros((*x.shape[:2], Ho, Wo), x.dtype)
    for n, c, i, j in np.ndindex(*out.shape):
        for a in range(ph):
            for b in range(pw):
                if x[n, c, i * s + a, j * s + b] > out[n, c, i, j]:
                    out[n, c, i, j] = x[n, c, i * s + a, j * s + b]
    return out, None


@wrong("the maximum of the absolute values", "absolute")
def max_pool_forward_naive(x, pool_param):
    out, cache = _forward(np.abs(x), pool_param)
    return out, cache


@wrong("no + 1 in the output's size", "last-window")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s = (pool_param[k] for k in ("pool_height", "pool_width", "stride"))
    N, C, H, W = x.shape
    Ho, Wo = (H - ph) // s, (W - pw) // s
    out = np.zeros((N, C, Ho, Wo), x.dtype)
    for i in range(Ho):
        for j in range(Wo):
            window = x[:, :, i * s : i * s + ph, j * s : j * s + pw]
            out[:, :, i, j] = window.max(axis=(2, 3))
    return out, None


@wrong("the loops stop one window early", "last-window")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    out = np.zeros((*x.shape[:2], Ho, Wo), x.dtype)
    for i in range(Ho - 1):
        for j in range(Wo - 1):
            window = x[:, :, i * s : i * s + ph, j * s : j * s + pw]
            out[:, :, i, j] = window.max(axis=(2, 3))
    return out, None


@wrong("the output's size is rounded up", "hangs-over")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s = (pool_param[k] for k in ("pool_height", "pool_width", "stride"))
    N, C, H, W = x.shape
    Ho = int(np.ceil((H - ph) / s)) + 1
    Wo = int(np.ceil((W - pw) / s)) + 1
    out = np.zeros((N, C, Ho, Wo), x.dtype)
    for i in range(Ho):
        for j in range(Wo):
            window = x[:, :, i * s : i * s + ph, j * s : j * s + pw]
            out[:, :, i, j] = window.max(axis=(2, 3))
    return out, None


@wrong("rows and columns of the output are exchanged", "transposed")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    out = np.zeros((*x.shape[:2], Wo, Ho), x.dtype)
    for i in range(Ho):
        for j in range(Wo):
            window = x[:, :, i * s : i * s + ph, j * s : j * s + pw]
            out[:, :, j, i] = window.max(axis=(2, 3))
    return out, None


@wrong("only one axis of the window is maximized", "not-reduced")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    views = sliding_window_view(x, (ph, pw), axis=(2, 3))[:, :, ::s, ::s]
    return views.max(axis=-1), None


@wrong("x is used as a scratch pad", "modifies-input")
def max_pool_forward_naive(x, pool_param):
    out, _ = _forward(x, pool_param)
    x[x < 0] = 0
    return out, None


@wrong("the loop never ends", "time-limit")
def max_pool_forward_naive(x, pool_param):
    s, i = pool_param["stride"], 0
    while i <= x.shape[2]:
        j = 0
        while j <= x.shape[3]:
            j += s
    return x, None


@wrong("the windows begin at i * pool_height", "stride-is-window")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    out = np.zeros((*x.shape[:2], Ho, Wo), x.dtype)
    for n, c, i, j in np.ndindex(*out.shape):
        window = x[n, c, i * ph : i * ph + ph, j * pw : j * pw + pw]
        out[n, c, i, j] = np.max(window)
    return out, None


@wrong("windows are of 2x2 pixels, always", "settings-ignored")
def max_pool_forward_naive(x, pool_param):
    s = pool_param["stride"]
    N, C, H, W = x.shape
    Ho, Wo = (H - 2) // s + 1, (W - 2) // s + 1
    out = np.zeros((N, C, Ho, Wo), x.dtype)
    for i in range(Ho):
        for j in range(Wo):
            window = x[:, :, i * s : i * s + 2, j * s : j * s + 2]
            out[:, :, i, j] = window.max(axis=(2, 3))
    return out, None


# ---- backward, wrong -----------------------------------------------------------------


@wrong("windows that overlap overwrite one another", "not-accumulated")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    N, C, Ho, Wo = dout.shape
    for n in range(N):
        for c in range(C):
            for i in range(Ho):
                for j in range(Wo):
                    window = x[n, c, i * s : i * s + ph, j * s : j * s + pw]
                    a, b = np.unravel_index(window.argmax(), window.shape)
                    dx[n, c, i * s + a, j * s + b] = dout[n, c, i, j]
    return dx


@wrong("a mask is assigned where windows overlap", "not-accumulated")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        here = np.s_[n, c, i * s : i * s + ph, j * s : j * s + pw]
        dx[here] = (x[here] == x[here].max()) * dout[n, c, i, j]
    return dx


@wrong("the stride is forgotten on the way back", "stride-ignored")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        window = x[n, c, i : i + ph, j : j + pw]
        a, b = np.unravel_index(window.argmax(), window.shape)
        dx[n, c, i + a, j + b] += dout[n, c, i, j]
    return dx


@wrong("average pooling's gradient", "all-pixels")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            dx[:, :, i * s : i * s + ph, j * s : j * s + pw] += dout[
                :, :, i : i + 1, j : j + 1
            ] / (ph * pw)
    return dx


@wrong("the maximum is that of all channels", "over-channels")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    N, C, Ho, Wo = dout.shape
    for n in range(N):
        for i in range(Ho):
            for j in range(Wo):
                window = x[n, :, i * s : i * s + ph, j * s : j * s + pw]
                mask = window == np.max(window)
                dx[n, :, i * s : i * s + ph, j * s : j * s + pw] += (
                    mask * dout[n, :, i, j][:, None, None]
                )
    return dx


@wrong("every channel's gradient goes to the largest of all channels", "over-channels")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    N, C, Ho, Wo = dout.shape
    for n in range(N):
        for c in range(C):
            for i in range(Ho):
                for j in range(Wo):
                    window = x[n, :, i * s : i * s + ph, j * s : j * s + pw]
                    at = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, at[0], i * s + at[1], j * s + at[2]] += dout[n, c, i, j]
    return dx


@wrong("argmax over the whole minibatch", "over-images")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = x[:, :, i * s : i * s + ph, j * s : j * s + pw]
            mask = window == window.max()
            dx[:, :, i * s : i * s + ph, j * s : j * s + pw] += (
                mask * dout[:, :, i, j][:, :, None, None]
            )
    return dx


@wrong("rows and columns of argmax are exchanged", "argmax-order")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        flat = np.argmax(x[n, c, i * s : i * s + ph, j * s : j * s + pw])
        column, row = divmod(flat, pw)
        dx[n, c, i * s + row, j * s + column] += dout[n, c, i, j]
    return dx


@wrong("the maximum is compared with the whole image", "max-of-image")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        largest = x[n, c, i * s : i * s + ph, j * s : j * s + pw].max()
        dx[n, c][x[n, c] == largest] += dout[n, c, i, j]
    return dx


@wrong("pool_height and pool_width are exchanged", "window-exchanged")
def max_pool_backward_naive(dout, cache):
    x, pw, ph, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        here = np.s_[n, c, i * s : i * s + ph, j * s : j * s + pw]
        dx[here] += (x[here] == x[here].max()) * dout[n, c, i, j]
    return dx


@wrong("the window multiplies the mask", "times-x")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        here = np.s_[n, c, i * s : i * s + ph, j * s : j * s + pw]
        dx[here] += x[here] * (x[here] == x[here].max()) * dout[n, c, i, j]
    return dx


@wrong("the mask itself is returned", "no-dout")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        here = np.s_[n, c, i * s : i * s + ph, j * s : j * s + pw]
        dx[here] += x[here] == x[here].max()
    return dx


@wrong("the last windows are left out", "last-window")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n in range(dout.shape[0]):
        for c in range(dout.shape[1]):
            for i in range(dout.shape[2] - 1):
                for j in range(dout.shape[3] - 1):
                    here = np.s_[n, c, i * s : i * s + ph, j * s : j * s + pw]
                    dx[here] += (x[here] == x[here].max()) * dout[n, c, i, j]
    return dx


@wrong("half of the gradient is lost on ties", "ties")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        here = np.s_[n, c, i * s : i * s + ph, j * s : j * s + pw]
        mask = x[here] == x[here].max()
        dx[here] += mask * dout[n, c, i, j] / mask.sum() ** 2
    return dx


@wrong("a tuple is returned", "arity")
def max_pool_backward_naive(dout, cache):
    return _right_backward(dout, cache), None


@wrong("dx is divided by the number of images", "factor")
def max_pool_backward_naive(dout, cache):
    return _right_backward(dout, cache) / len(dout)


@wrong("one dx for all calls", "aliasing")
def max_pool_backward_naive(dout, cache, kept={}):  # noqa: B006
    dx = _right_backward(dout, cache)
    buffer = kept.setdefault((dx.shape, dx.dtype), np.empty_like(dx))
    buffer[...] = dx
    return buffer


@wrong("the maxima are enlarged and compared", "exception")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    out = x.reshape(*x.shape[:2], x.shape[2] // ph, ph, x.shape[3] // pw, pw)
    out = out.max(axis=(3, 5))
    block = np.ones((ph, pw), x.dtype)
    return (x == np.kron(out, block)) * np.kron(dout, block)


@wrong("the slices of a window end one too early", "window-short")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s = (pool_param[k] for k in ("pool_height", "pool_width", "stride"))
    N, C, H, W = x.shape
    out = np.zeros((N, C, 1 + (H - ph) // s, 1 + (W - pw) // s), x.dtype)
    for i, j in np.ndindex(*out.shape[2:]):
        window = x[:, :, i * s : i * s + ph - 1, j * s : j * s + pw - 1]
        out[:, :, i, j] = window.max(axis=(2, 3))
    return out, None


@wrong(
    "the place in the window is taken for that in the image", "window-place-forgotten"
)
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        window = x[n, c, i * s : i * s + ph, j * s : j * s + pw]
        row, column = np.unravel_index(window.argmax(), window.shape)
        dx[n, c, row, column] += dout[n, c, i, j]
    return dx


# ---- right ---------------------------------------------------------------------------


def _right_backward(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        here = np.s_[n, c, i * s : i * s + ph, j * s : j * s + pw]
        at = np.unravel_index(np.argmax(x[here]), (ph, pw))
        dx[here][at] += dout[n, c, i, j]
    return dx


@right("windows as a view")
def max_pool_forward_naive(x, pool_param):
    return _forward(x, pool_param)


@right("the largest of shifted images")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    out = np.full((*x.shape[:2], Ho, Wo), -np.inf, x.dtype)
    for a in range(ph):
        for b in range(pw):
            seen = x[:, :, a::s, b::s][:, :, :Ho, :Wo]
            np.maximum(out, seen, out=out)
    return out, {"x": x}


@right("loops with a comparison of single numbers")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    out = np.empty((*x.shape[:2], Ho, Wo), x.dtype)
    for n, c, i, j in np.ndindex(*out.shape):
        best = x[n, c, i * s, j * s]
        for a in range(ph):
            for b in range(pw):
                best = max(best, x[n, c, i * s + a, j * s + b])
        out[n, c, i, j] = best
    return out, None


@right("columns sorted, and the last one taken")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    views = sliding_window_view(x, (ph, pw), axis=(2, 3))[:, :, ::s, ::s]
    flat = np.sort(views.reshape(*views.shape[:4], -1), axis=-1)
    return flat[..., -1], [x]


@right("every tie gets the gradient, by a mask")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        here = np.s_[n, c, i * s : i * s + ph, j * s : j * s + pw]
        dx[here] += (x[here] == np.max(x[here])) * dout[n, c, i, j]
    return dx


@right("ties share the gradient")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            here = np.s_[:, :, i * s : i * s + ph, j * s : j * s + pw]
            mask = (x[here] == x[here].max(axis=(2, 3), keepdims=True)).astype(x.dtype)
            mask /= mask.sum(axis=(2, 3), keepdims=True)
            dx[here] += mask * dout[:, :, i, j, None, None]
    return dx


@right("the last of the ties takes all")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        window = x[n, c, i * s : i * s + ph, j * s : j * s + pw]
        flat = window.size - 1 - int(np.argmax(window.ravel()[::-1]))
        dx[n, c, i * s + flat // pw, j * s + flat % pw] += dout[n, c, i, j]
    return dx


def _with_places(x, pool_param):
    """Store the places of the maxima, as indices into the flat array."""
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    places = np.arange(x.size).reshape(x.shape)
    flat_x, flat_places = (
        sliding_window_view(one, (ph, pw), axis=(2, 3))[:, :, ::s, ::s].reshape(
            *x.shape[:2], Ho, Wo, -1
        )
        for one in (x, places)
    )
    best = flat_x.argmax(axis=-1)[..., None]
    out = np.take_along_axis(flat_x, best, -1)[..., 0]
    return out, (x.shape, np.take_along_axis(flat_places, best, -1)[..., 0])


@right("np.add.at with places from the forward pass", forward=_with_places)
def max_pool_backward_naive(dout, cache):
    shape, places = cache
    dx = np.zeros(int(np.prod(shape)), dout.dtype)
    np.add.at(dx, places, dout)
    return dx.reshape(shape)


@right("first the rows, then the columns")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    rows = np.stack(
        [x[:, :, i * s : i * s + ph].max(axis=2) for i in range(Ho)], axis=2
    )
    return np.stack(
        [rows[..., j * s : j * s + pw].max(axis=3) for j in range(Wo)], axis=3
    ), (rows,)


@right("the smallest of the negated numbers")
def max_pool_forward_naive(x, pool_param):
    ph, pw, s, Ho, Wo = _settings(x, pool_param)
    views = sliding_window_view(-x, (ph, pw), axis=(2, 3))[:, :, ::s, ::s]
    return -np.min(views, axis=(-2, -1)), None


@right("pixel by pixel of the window, compared with the output")
def max_pool_backward_naive(dout, cache):
    x, ph, pw, s = cache
    Ho, Wo = dout.shape[2:]
    views = sliding_window_view(x, (ph, pw), axis=(2, 3))[:, :, ::s, ::s]
    out = views.max(axis=(4, 5))
    dx, left = np.zeros_like(x), dout.copy()
    for a in range(ph):
        for b in range(pw):
            hit = views[..., a, b] == out
            place = np.s_[
                :, :, a : a + s * (Ho - 1) + 1 : s, b : b + s * (Wo - 1) + 1 : s
            ]
            dx[place] += np.where(hit, left, 0)
            left[hit] = 0
    return dx
