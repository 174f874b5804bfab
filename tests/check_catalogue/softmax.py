"""Softmax and cross-entropy."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np

from .entries import right, wrong

# ---- wrong ---------------------------------------------------------------------------


@wrong("the sum over the examples", "not-averaged")
def softmax_loss(x, y):
    N = x.shape[0]
    shifted = x - np.max(x, axis=1, keepdims=True)
    probs = np.exp(shifted) / np.sum(np.exp(shifted), axis=1, keepdims=True)
    loss = -np.sum(np.log(probs[np.arange(N), y]))
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    return loss, dx


@wrong("the gradient is not averaged, the loss is", "not-averaged")
def softmax_loss(x, y):
    N = x.shape[0]
    logits = x - x.max(axis=1).reshape(-1, 1)
    Z = np.sum(np.exp(logits), axis=1, keepdims=True)
    log_probs = logits - np.log(Z)
    loss = -np.mean(log_probs[range(N), y])
    dx = np.exp(log_probs)
    dx[range(N), y] -= 1
    return loss, dx


@wrong("nothing is subtracted before the exponential", "overflow")
def softmax_loss(x, y):
    N = len(x)
    exps = np.exp(x)
    probs = exps / exps.sum(axis=1, keepdims=True)
    loss = -np.log(probs[np.arange(N), y]).sum() / N
    probs[np.arange(N), y] -= 1
    return loss, probs / N


@wrong("no shift, and the loss as a logarithm of the sum", "overflow")
def softmax_loss(x, y):
    N = x.shape[0]
    loss, dx = 0.0, np.zeros_like(x)
    for i in range(N):
        total = np.sum(np.exp(x[i]))
        loss += np.log(total) - x[i, y[i]]
        for j in range(x.shape[1]):
            dx[i, j] = np.exp(x[i, j]) / total - (j == y[i])
    return loss / N, dx / N


@wrong("no shift and no average", "not-averaged")
def softmax_loss(x, y):
    scores = np.exp(x)
    probs = scores / np.sum(scores, axis=1, keepdims=True)
    loss = np.sum(-np.log(probs[np.arange(len(y)), y]))
    dx = probs
    dx[np.arange(len(y)), y] -= 1
    return loss, dx


@wrong("the largest score of all is subtracted", "largest-of-all")
def softmax_loss(x, y):
    N = x.shape[0]
    x = x - np.max(x)
    p = np.exp(x) / np.exp(x).sum(axis=1)[:, None]
    loss = -np.log(p[np.arange(N), y]).mean()
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("the largest of each column is subtracted", "largest-over-wrong-axis")
def softmax_loss(x, y):
    N = x.shape[0]
    shifted = x - np.amax(x, axis=0)
    e = np.exp(shifted)
    p = e / np.sum(e, axis=1, keepdims=True)
    loss = -np.sum(np.log(p[np.arange(N), y])) / N
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("each column sums to 1", "normalized-over-examples")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=0)
    loss = -np.sum(np.log(p[np.arange(N), y])) / N
    dx = p.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


@wrong("the whole array sums to 1", "normalized-over-all")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e)
    loss = -np.sum(np.log(p[np.arange(N), y])) / N
    dx = p.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


@wrong("keepdims is forgotten", "exception")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1))
    p = e / np.sum(e, axis=1)
    loss = -np.sum(np.log(p[np.arange(N), y])) / N
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("whole columns are taken for the right classes", "columns-not-entries")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    loss = -np.sum(np.log(p[range(N), y])) / N
    dx = p.copy()
    dx[:, y] -= 1
    dx /= N
    return loss, dx


@wrong("rows are taken for the right classes", "rows-not-entries")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    loss = -np.mean(np.log(p[range(N), y]))
    p[y] -= 1
    return loss, p / N


@wrong("the logarithm is forgotten", "no-log")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    loss = -np.sum(p[np.arange(N), y]) / N
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("the minus is forgotten", "sign")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    loss = np.mean(np.log(p[np.arange(N), y]))
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("the logarithm of base 10", "log-base")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    loss = -np.mean(np.log10(p[np.arange(N), y]))
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("a loss for each example", "not-reduced")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y])
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("a small number keeps the logarithm from 0", "log-clipped")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    loss = -np.sum(np.log(p[np.arange(N), y] + 1e-8)) / N
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("probabilities are clipped as in a library", "log-clipped")
def softmax_loss(x, y):
    p = np.exp(x - np.max(x, axis=1, keepdims=True))
    p /= np.sum(p, axis=1, keepdims=True)
    one_hot = np.zeros_like(x)
    one_hot[np.arange(y.shape[0]), y] = 1
    loss = -np.sum(one_hot * np.log(np.clip(p, 1e-7, 1 - 1e-7))) / y.shape[0]
    return loss, (p - one_hot) / y.shape[0]


@wrong("the loss is the mean over a one-hot array", "averaged-over-classes")
def softmax_loss(x, y):
    N, C = x.shape
    shifted = x - x.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    target = np.eye(C, dtype=x.dtype)[y]
    return -np.mean(target * log_p), (np.exp(log_p) - target) / N


@wrong("all classes are in the loss", "all-classes-counted")
def softmax_loss(x, y):
    N, C = x.shape
    shifted = x - x.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dx = np.exp(log_p)
    dx[np.arange(N), y] -= 1
    return -log_p.sum() / N, dx / N


@wrong("1 is never subtracted", "right-class-not-subtracted")
def softmax_loss(x, y):
    N = x.shape[0]
    shifted = x - np.max(x, axis=1, keepdims=True)
    e = np.exp(shifted)
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean()
    return loss, p / N


@wrong("divided before 1 is subtracted", "divided-too-early")
def softmax_loss(x, y):
    N = x.shape[0]
    shifted = x - np.max(x, axis=1, keepdims=True)
    e = np.exp(shifted)
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean()
    dx = p / N
    dx[np.arange(N), y] -= 1
    return loss, dx


@wrong("the gradient has the opposite sign", "sign")
def softmax_loss(x, y):
    N = x.shape[0]
    shifted = x - np.max(x, axis=1, keepdims=True)
    e = np.exp(shifted)
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean()
    dx = -p
    dx[np.arange(N), y] += 1
    return loss, dx / N


@wrong("only the right classes have a gradient", "right-class-only")
def softmax_loss(x, y):
    N = x.shape[0]
    loss, dx = 0, np.zeros_like(x)
    for n in range(N):
        p = np.exp(x[n] - x[n].max())
        p /= p.sum()
        loss -= np.log(p[y[n]])
        dx[n, y[n]] = p[y[n]] - 1
    return loss / N, dx / N


@wrong("exponentials in place of probabilities in the gradient", "not-normalized")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    loss = -np.log(e[np.arange(N), y] / e.sum(axis=1)).mean()
    dx = e
    dx[np.arange(N), y] -= 1
    return loss, dx / N


@wrong("the scores are shifted in place", "modifies-input")
def softmax_loss(x, y):
    N = x.shape[0]
    x -= np.max(x, axis=1, keepdims=True)
    p = np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean()
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("the gradient is made in float64", "dtype")
def softmax_loss(x, y):
    N, C = x.shape
    loss, dx = 0.0, np.zeros((N, C))
    for n in range(N):
        p = np.exp(x[n] - np.max(x[n]))
        p = p / p.sum()
        loss += -np.log(p[y[n]]) / N
        dx[n] = p / N
        dx[n, y[n]] -= 1 / N
    return loss, dx


@wrong("the gradient is written over the probabilities first", "log-of-negative")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    dx = p
    dx[np.arange(N), y] -= 1
    dx /= N
    loss = -np.mean(np.log(p[np.arange(N), y]))
    return loss, dx


@wrong("only the loss", "arity")
def softmax_loss(x, y):
    shifted = x - x.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), y])


@wrong("the gradient first", "return-order")
def softmax_loss(x, y):
    N = len(y)
    shifted = x - x.max(axis=1, keepdims=True)
    p = np.exp(shifted)
    p /= p.sum(axis=1, keepdims=True)
    dx = p.copy()
    dx[np.arange(N), y] -= 1
    return dx / N, -np.log(p[np.arange(N), y]).mean()


@wrong("every step runs over the wrong axis", "normalized-over-examples")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x, axis=0, keepdims=True))
    p = e / np.sum(e, axis=0, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean()
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("each column sums to 1, and nothing is subtracted", "normalized-over-examples")
def softmax_loss(x, y):
    N = x.shape[0]
    p = np.exp(x) / np.exp(x).sum(axis=0)
    loss = -np.log(p[np.arange(N), y]).sum() / N
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("the whole array is one softmax", "normalized-over-all")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - np.max(x))
    p = e / e.sum()
    loss = -np.log(p[np.arange(N), y]).sum() / N
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("the scores are taken for logarithms of probabilities", "not-normalized")
def softmax_loss(x, y):
    N = x.shape[0]
    loss = -x[np.arange(N), y].mean()
    dx = np.exp(x)
    dx[np.arange(N), y] -= 1
    return loss, dx / N


@wrong("the gradient holds exponentials of the scores", "not-normalized")
def softmax_loss(x, y):
    N = x.shape[0]
    loss = (np.logaddexp.reduce(x, axis=1) - x[np.arange(N), y]).mean()
    dx = np.exp(x)
    dx[np.arange(N), y] -= 1
    return loss, dx / N


@wrong("a loss for each class on its own", "binary-cross-entropy")
def softmax_loss(x, y):
    N, C = x.shape
    target = np.eye(C)[y]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.sum(target * np.log(p) + (1 - target) * np.log(1 - p)) / N
    return loss, ((p - target) / N).astype(x.dtype)


@wrong("the slope of a sigmoid", "derivative-of-probability")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(N), y]).mean(), p * (1 - p) / N


@wrong("the mean over the columns of all labels", "columns-not-entries")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[:, y]))
    dx = p.copy()
    dx[range(N), y] -= 1
    return loss, dx / N


@wrong("the return stands in the loop", "returned-too-early")
def softmax_loss(x, y):
    N, loss, dx = len(x), 0, np.zeros_like(x)
    for n in range(N):
        e = np.exp(x[n] - max(x[n]))
        dx[n] = e / e.sum()
        loss -= np.log(dx[n, y[n]])
        dx[n, y[n]] -= 1
        return loss / N, dx / N


@wrong("the loss is set anew for every example", "not-accumulated")
def softmax_loss(x, y):
    N, dx = len(x), np.zeros_like(x)
    for n in range(N):
        e = np.exp(x[n] - max(x[n]))
        dx[n] = e / e.sum()
        loss = -np.log(dx[n, y[n]])
        dx[n, y[n]] -= 1
    return loss / N, dx / N


@wrong("divided by C and not shifted", "divided-by-classes")
def softmax_loss(x, y):
    N, C = x.shape
    p = np.exp(x)
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).sum() / C
    p[np.arange(N), y] -= 1
    return loss, p / C


@wrong("labels are taken to start at 1", "labels-shifted")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y - 1]).mean()
    p[np.arange(N), y - 1] -= 1
    return loss, p / N


@wrong("1 is added at the right class", "one-added")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean()
    p[np.arange(N), y] += 1
    return loss, p / N


@wrong("the labels are subtracted", "exception")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean()
    return loss, (p - y) / N


@wrong("the smallest score is subtracted", "overflow")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - x.min(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean()
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("scores are clipped against overflow", "special-case")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(np.clip(x, -50, 50))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean()
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("the predicted class takes the place of the label", "labels-not-used")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(np.max(p, axis=1)).mean()
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("1 is subtracted everywhere", "one-subtracted-everywhere")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean()
    p -= 1
    return loss, p / N


@wrong("the logarithm of the sum is added", "log-sum-added")
def softmax_loss(x, y):
    N = x.shape[0]
    shifted = x - x.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    loss = -np.sum(shifted[range(N), y] + log_sum) / N
    dx = np.exp(shifted - log_sum[:, None])
    dx[range(N), y] -= 1
    return loss, dx / N


@wrong("neither minus nor average", "factor")
def softmax_loss(x, y):
    N = x.shape[0]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = np.log(p[np.arange(N), y]).sum()
    p[np.arange(N), y] -= 1
    return loss, p


@wrong("a hundredth under the logarithm", "log-clipped")
def softmax_loss(x, y):
    p = np.exp(x - x.max(1)[:, None])
    p /= p.sum(1)[:, None]
    N = len(x)
    loss = -np.log(p[np.arange(N), y] + 1e-2).mean()
    p[np.arange(N), y] -= 1
    return loss, p / N


@wrong("the right class's score as it came, the others shifted", "half-shifted")
def softmax_loss(x, y):
    N, C = x.shape
    e = np.exp(x - x.max(1, keepdims=True))
    loss = (-x[np.arange(N), y] + np.log(e.sum(1))).mean()
    p = e / e.sum(1, keepdims=True)
    p[np.arange(N), y] -= 1
    return loss, p / N


# ---- right ---------------------------------------------------------------------------


@right("logarithms of probabilities, as one would write it first")
def softmax_loss(x, y):
    probs = np.exp(x - np.max(x, axis=1, keepdims=True))
    probs /= np.sum(probs, axis=1, keepdims=True)
    N = x.shape[0]
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


@right("logaddexp, reduced over the classes")
def softmax_loss(x, y):
    N = len(x)
    log_p = x - np.logaddexp.reduce(x, axis=1, keepdims=True)
    dx = np.exp(log_p) / N
    dx[np.arange(N), y] -= 1 / N
    return -log_p[np.arange(N), y].mean(), dx


@right("a one-hot array and einsum")
def softmax_loss(x, y):
    N, C = x.shape
    target = np.eye(C, dtype=x.dtype)[y]
    shifted = x - x.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.einsum("nc->n", np.exp(shifted)))[:, None]
    return -np.einsum("nc,nc->", log_p, target) / N, (np.exp(log_p) - target) / N


@right("two loops")
def softmax_loss(x, y):
    N, C = x.shape
    loss, dx = 0.0, np.zeros_like(x)
    for n in range(N):
        largest = max(x[n])
        total = sum(np.exp(x[n, c] - largest) for c in range(C))
        for c in range(C):
            p = np.exp(x[n, c] - largest) / total
            if c == y[n]:
                loss -= np.log(p)
                p -= 1
            dx[n, c] = p / N
    return loss / N, dx


@right("in place on a copy of its own")
def softmax_loss(x, y):
    x = x.copy()
    x -= x.max(axis=1, keepdims=True)
    N = x.shape[0]
    right_scores = x[np.arange(N), y].copy()
    np.exp(x, out=x)
    sums = x.sum(axis=1)
    x /= sums[:, None]
    x[np.arange(N), y] -= 1
    x /= N
    return (np.log(sums) - right_scores).mean(), x


@right("the right score is subtracted instead of the largest, by parts")
def softmax_loss(x, y):
    N = len(y)
    rows = np.arange(N)
    margins = x - x[rows, y][:, None]
    loss = np.logaddexp.reduce(margins, axis=1).sum() / N
    dx = np.exp(margins - np.logaddexp.reduce(margins, axis=1)[:, None])
    dx[rows, y] = 0
    dx[rows, y] = -dx.sum(axis=1)
    return loss, dx / N


@right("the loss as an array without axes")
def softmax_loss(x, y):
    N = x.shape[0]
    shifted = x - x.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    picked = np.take_along_axis(log_p, y[:, None], axis=1)
    dx = np.exp(log_p)
    np.put_along_axis(
        dx, y[:, None], np.take_along_axis(dx, y[:, None], axis=1) - 1, axis=1
    )
    return np.array(-picked.mean()), dx / N


@right("np.add.at for the right classes, and a list is returned")
def softmax_loss(x, y):
    N = x.shape[0]
    shifted = x - x.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    p = e / e.sum(axis=1, keepdims=True)
    np.add.at(p, (np.arange(N), y), -1)
    log_sum = np.log(e.sum(axis=1))
    return [float(np.mean(log_sum - shifted[np.arange(N), y])), p / N]


@right("through float32")
def softmax_loss(x, y):
    N = x.shape[0]
    single = x.astype(np.float32)
    single = single - single.max(axis=1, keepdims=True)
    log_p = single - np.log(np.exp(single).sum(axis=1, keepdims=True))
    dx = np.exp(log_p).astype(x.dtype)
    dx[np.arange(N), y] -= 1
    return -log_p[np.arange(N), y].mean(), dx / N


@right("the classes turned round, in Fortran's order")
def softmax_loss(x, y):
    N, C = x.shape
    turned, labels = np.asfortranarray(x[:, ::-1]), C - 1 - y
    shifted = turned - turned.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    mask = np.arange(C) == labels[:, None]
    dx = (np.exp(log_p) - mask) / N
    return -(log_p[mask]).sum() / N, dx[:, ::-1].astype(x.dtype)


@right("flat indices")
def softmax_loss(x, y):
    N, C = x.shape
    places = np.arange(N) * C + y
    shifted = (x.T - x.max(axis=1)).T
    e = np.exp(shifted)
    p = (e.T / e.sum(axis=1)).T.copy()
    loss = -np.log(p.ravel()[places]).mean()
    p.ravel()[places] -= 1
    return loss, p / N


@right("a one-hot array times the logarithms of the probabilities")
def softmax_loss(x, y):
    N, C = x.shape
    e = np.exp(x - np.max(x, axis=1)[:, np.newaxis])
    p = e / np.sum(e, axis=1)[:, np.newaxis]
    one_hot = np.zeros_like(x)
    one_hot[np.arange(N), y] = 1
    loss = np.sum(-one_hot * np.log(p)) / N
    return loss, (p - one_hot) / N
