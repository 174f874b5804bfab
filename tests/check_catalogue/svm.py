"""The support vector machine's loss."""
# Every function bears the name of the one that it means to be.
# ruff: noqa: F811

from __future__ import annotations

import numpy as np

from .entries import right, wrong

# ---- wrong ---------------------------------------------------------------------------


@wrong("the sum over the examples", "not-averaged")
def svm_loss(x, y):
    N = x.shape[0]
    correct = x[np.arange(N), y]
    margins = np.maximum(0, x - correct[:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins)
    num_pos = np.sum(margins > 0, axis=1)
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= num_pos
    return loss, dx


@wrong("the gradient is not averaged, the loss is", "not-averaged")
def svm_loss(x, y):
    N, C = x.shape
    loss, dx = 0.0, np.zeros_like(x)
    for i in range(N):
        for j in range(C):
            if j == y[i]:
                continue
            margin = x[i, j] - x[i, y[i]] + 1
            if margin > 0:
                loss += margin
                dx[i, j] += 1
                dx[i, y[i]] -= 1
    loss /= N
    return loss, dx


@wrong("the mean over the whole array", "averaged-over-classes")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[range(N), y].reshape(-1, 1) + 1)
    margins[range(N), y] = 0
    loss = margins.mean()
    dx = (margins > 0).astype(x.dtype)
    dx[range(N), y] = -dx.sum(axis=1)
    return loss, dx / N


@wrong("divided by the number of classes", "divided-by-classes")
def svm_loss(x, y):
    N, C = x.shape
    rows = np.arange(N)
    margins = np.maximum(0, x - x[rows, y][:, None] + 1)
    margins[rows, y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[rows, y] = -dx.sum(axis=1)
    return margins.sum() / C, dx / C


@wrong("the loop does not leave out the right class", "right-class-counted")
def svm_loss(x, y):
    N, C = x.shape
    loss, dx = 0.0, np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            margin = x[n, c] - x[n, y[n]] + 1
            if margin > 0:
                loss += margin / N
                dx[n, c] += 1 / N
                dx[n, y[n]] -= 1 / N
    return loss, dx


@wrong("margins of the right class in the count", "right-class-counted")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    loss = margins.sum() / N - 1
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] = -dx.sum(axis=1)
    return loss, dx / N


@wrong("the right class has no gradient", "right-class-left-out")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = np.zeros_like(x)
    dx[margins > 0] = 1 / N
    return np.sum(margins) / N, dx


@wrong("1 is subtracted once", "right-class-once")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= 1
    return np.sum(margins) / N, dx / N


@wrong("the loop assigns where it should subtract", "right-class-once")
def svm_loss(x, y):
    N, C = x.shape
    loss, dx = 0.0, np.zeros_like(x)
    for i in range(N):
        for j in range(C):
            margin = x[i, j] - x[i, y[i]] + 1
            if j != y[i] and margin > 0:
                loss += margin
                dx[i, j] = 1
                dx[i, y[i]] = -1
    return loss / N, dx / N


@wrong("the right class is pushed the wrong way", "right-class-sign")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] += np.sum(margins > 0, axis=1)
    return np.sum(margins) / N, dx / N


@wrong("margins instead of ones in the gradient", "margins-for-mask")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N
    dx = margins
    dx[np.arange(N), y] = -np.sum(dx, axis=1)
    return loss, dx / N


@wrong("margins are summed for the right class", "margins-for-mask")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = np.where(margins > 0, 1, 0).astype(x.dtype)
    dx[np.arange(N), y] -= np.sum(margins, axis=1)
    return np.sum(margins) / N, dx / N


@wrong("margins of exactly 0 are counted", "all-margins")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    mask = (margins >= 0).astype(x.dtype)
    mask[np.arange(N), y] = 0
    mask[np.arange(N), y] = -mask.sum(axis=1)
    return np.sum(margins) / N, mask / N


@wrong("no margin", "no-margin")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None])
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)
    return np.sum(margins) / N, dx / N


@wrong("the margin is subtracted", "margin-subtracted")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] - 1)
    margins[np.arange(N), y] = 0
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)
    return np.sum(margins) / N, dx / N


@wrong("the difference is turned round", "scores-exchanged")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x[np.arange(N), y][:, None] - x + 1)
    margins[np.arange(N), y] = 0
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)
    return np.sum(margins) / N, dx / N


@wrong("negative margins count", "no-maximum")
def svm_loss(x, y):
    N = x.shape[0]
    margins = x - x[np.arange(N), y][:, None] + 1
    margins[np.arange(N), y] = 0
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)
    return np.sum(margins) / N, dx / N


@wrong("the worst class only", "largest-margin-only")
def svm_loss(x, y):
    N = x.shape[0]
    loss, dx = 0.0, np.zeros_like(x)
    for n in range(N):
        others = [c for c in range(x.shape[1]) if c != y[n]]
        worst = max(others, key=lambda c: x[n, c])
        if x[n, worst] - x[n, y[n]] + 1 > 0:
            loss += x[n, worst] - x[n, y[n]] + 1
            dx[n, worst] += 1
            dx[n, y[n]] -= 1
    return loss / N, dx / N


@wrong("squared margins", "squared")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = 2 * margins
    dx[np.arange(N), y] = -dx.sum(axis=1)
    return np.sum(margins**2) / N, dx / N


@wrong("one half of the squared margins", "squared")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = margins.copy()
    dx[np.arange(N), y] = -dx.sum(axis=1)
    return 0.5 * np.sum(margins**2) / N, dx / N


@wrong("columns are set to 0", "columns-not-entries")
def svm_loss(x, y):
    N = x.shape[0]
    correct = x[np.arange(N), y].reshape(N, 1)
    margins = np.maximum(0, x - correct + 1)
    margins[:, y] = 0
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)
    return np.sum(margins) / N, dx / N


@wrong("the right scores are not a column", "exception")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y] + 1)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return margins.sum() / N, dx / N


@wrong("everything has the wrong sign", "sign")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    mask = (margins > 0).astype(x.dtype)
    mask[np.arange(N), y] -= mask.sum(axis=1)
    return margins.sum() / N, -mask / N


@wrong("a loss for each example", "not-reduced")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    mask = (margins > 0).astype(x.dtype)
    mask[np.arange(N), y] -= mask.sum(axis=1)
    return margins.sum(axis=1), mask / N


@wrong("the difference for the right class is not stored", "right-class-left-out")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    mask = np.asarray(margins > 0, dtype=x.dtype)
    counts = mask.sum(axis=1)
    np.subtract(mask[np.arange(N), y], counts)
    return margins.sum() / N, mask / N


@wrong("the right class of a copy is changed", "right-class-left-out")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    mask = (margins > 0).astype(x.dtype)
    right_ones = mask[np.arange(N), y]
    right_ones -= mask.sum(axis=1)
    return margins.sum() / N, mask / N


@wrong("the gradient is in float64", "dtype")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = np.zeros(x.shape)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)
    return np.sum(margins) / N, dx / N


@wrong("the scores become the margins", "modifies-input")
def svm_loss(x, y):
    N = x.shape[0]
    x -= x[np.arange(N), y][:, None]
    x += 1
    margins = np.maximum(0, x)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return margins.sum() / N, dx / N


@wrong("labels are taken to start at 1", "labels-shifted")
def svm_loss(x, y):
    rows, labels = np.arange(x.shape[0]), y - 1
    margins = np.maximum(0, x - x[rows, labels][:, None] + 1)
    margins[rows, labels] = 0
    active = (margins > 0).astype(x.dtype)
    active[rows, labels] -= active.sum(axis=1)
    return margins.sum() / len(rows), active / len(rows)


@wrong("the loop ends after the first example", "returned-too-early")
def svm_loss(x, y):
    N, C = x.shape
    loss, dx = 0.0, np.zeros_like(x)
    for n in range(N):
        margins = np.maximum(0, x[n] - x[n, y[n]] + 1)
        margins[y[n]] = 0
        dx[n] = margins > 0
        dx[n, y[n]] -= dx[n].sum()
        loss += margins.sum()
        return loss / N, dx / N


@wrong(
    "the right class is counted in the mask, not in the number", "right-class-counted"
)
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    margins[np.arange(N), y] = 0
    dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)
    return margins.sum() / N, dx / N


@wrong("each class against all others", "one-against-all")
def svm_loss(x, y):
    N = x.shape[0]
    signs = -np.ones_like(x)
    signs[np.arange(N), y] = 1
    margins = np.maximum(0, 1 - signs * x)
    return margins.sum() / N, -signs * (margins > 0) / N


@wrong("the absolute values of the margins", "absolute")
def svm_loss(x, y):
    N = x.shape[0]
    margins = x - x[np.arange(N), y][:, None] + 1
    margins[np.arange(N), y] = 0
    dx = np.sign(margins)
    dx[np.arange(N), y] = -dx.sum(axis=1)
    return np.abs(margins).sum() / N, dx / N


@wrong("the mean over the wrong classes", "averaged-over-classes")
def svm_loss(x, y):
    N, C = x.shape
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return margins.sum() / (N * (C - 1)), dx / (N * (C - 1))


@wrong("averaged twice", "averaged-twice")
def svm_loss(x, y):
    N, C = x.shape
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype) / N
    dx[np.arange(N), y] -= dx.sum(axis=1)
    dx /= N
    return margins.sum() / N, dx


@wrong(
    "no average, and the right class counts",
    "right-class-counted",
)
def svm_loss(x, y):
    N, C = x.shape
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return margins.sum(), dx


@wrong("the margins are counted", "margins-counted")
def svm_loss(x, y):
    N, C = x.shape
    positive = (x - x[np.arange(N), y][:, None] + 1) > 0
    positive[np.arange(N), y] = False
    dx = positive.astype(x.dtype)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return positive.sum() / N, dx / N


@wrong("the columns of all labels are the right scores", "exception")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[:, y] + 1)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return margins.sum() / N, dx / N


@wrong("0 for the right class after the sum", "right-class-counted")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    loss = margins.sum() / N
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return loss, dx / N


@wrong("the margins of whole rows are set to 0", "rows-not-entries")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return margins.sum() / N, dx / N


@wrong("the loop ends at the right class", "break-not-continue")
def svm_loss(x, y):
    N, C = x.shape
    loss, dx = 0.0, np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            if c == y[n]:
                break
            margin = x[n, c] - x[n, y[n]] + 1
            if margin > 0:
                loss += margin
                dx[n, c] += 1
                dx[n, y[n]] -= 1
    return loss / N, dx / N


@wrong("a margin of one half", "other-margin")
def svm_loss(x, y):
    N, delta = x.shape[0], 0.5
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + delta)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return margins.sum() / N, dx / N


@wrong("cut at 0 after the sum", "maximum-after-sum")
def svm_loss(x, y):
    N = x.shape[0]
    margins = x - x[np.arange(N), y][:, None] + 1
    margins[np.arange(N), y] = 0
    loss = np.mean(np.maximum(0, np.sum(margins, axis=1)))
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return loss, dx / N


@wrong("the axis is forgotten in the count", "counted-over-all")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] -= np.sum(margins > 0)
    return margins.sum() / N, dx / N


@wrong("the mask is divided, the count is not", "divided-too-early")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype) / N
    dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)
    return margins.sum() / N, dx


@wrong("the count is subtracted from whole columns", "columns-not-entries")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[:, y] -= np.sum(margins > 0, axis=1)
    return margins.sum() / N, dx / N


@wrong("the highest score is taken for the right one", "labels-not-used")
def svm_loss(x, y):
    N = x.shape[0]
    rows, best = np.arange(N), np.argmax(x, axis=1)
    margins = np.maximum(0, x - x[rows, best][:, None] + 1)
    margins[rows, best] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[rows, best] -= dx.sum(axis=1)
    return margins.sum() / N, dx / N


# ---- right ---------------------------------------------------------------------------


@right("the margins in two loops")
def svm_loss(x, y):
    N, C = x.shape
    loss, dx = 0.0, np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            margin = x[n, c] - x[n, y[n]] + 1
            if c != y[n] and margin > 0:
                loss += margin
                dx[n, c] += 1
                dx[n, y[n]] -= 1
    return loss / N, dx / N


@right("1 is taken off the loss, and the right class cancels in the gradient")
def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, None] + 1)
    mask = (margins > 0).astype(x.dtype)
    mask[np.arange(N), y] -= mask.sum(axis=1)
    return margins.sum() / N - 1, mask / N


@right("einsum and a one-hot array")
def svm_loss(x, y):
    N, C = x.shape
    target = np.eye(C, dtype=x.dtype)[y]
    right_scores = np.einsum("nc,nc->n", x, target)
    active = (x - right_scores[:, None] + 1 > 0) & (target == 0)
    loss = np.einsum("nc,nc->", x - right_scores[:, None] + 1, active) / N
    dx = active - target * active.sum(axis=1, keepdims=True)
    return loss, (dx / N).astype(x.dtype)


@right("the right class is deleted first")
def svm_loss(x, y):
    N, C = x.shape
    others = np.ones((N, C), dtype=bool)
    others[np.arange(N), y] = False
    margins = x[others].reshape(N, C - 1) - x[~others][:, None] + 1
    dx = np.zeros_like(x)
    dx[others] = (margins > 0).ravel()
    dx[~others] = -(margins > 0).sum(axis=1)
    dx /= N
    return margins[margins > 0].sum() / N, dx


@right("np.add.at over the pairs that cost")
def svm_loss(x, y):
    N = x.shape[0]
    margins = x - np.take_along_axis(x, y[:, None], axis=1) + 1
    np.put_along_axis(margins, y[:, None], 0, axis=1)
    n, c = np.nonzero(margins > 0)
    dx = np.zeros_like(x)
    np.add.at(dx, (n, c), 1 / N)
    np.add.at(dx, (n, y[n]), -1 / N)
    return margins[n, c].sum() / N, dx


@right("in place on a copy of its own")
def svm_loss(x, y):
    N, rows = len(y), range(len(y))
    margins = x.copy()
    margins -= margins[rows, y].copy()[:, None]
    margins += 1
    margins[rows, y] = 0
    np.clip(margins, 0, None, out=margins)
    loss = margins.sum() / N
    margins[margins > 0] = 1
    margins[rows, y] = -margins.sum(axis=1)
    margins /= N
    return loss, margins


@right("half of the margin plus its absolute value, and its sign")
def svm_loss(x, y):
    N = x.shape[0]
    margins = x - x[np.arange(N), y][:, None] + 1
    margins[np.arange(N), y] = 0
    dx = (np.sign(margins) + 1) // 2
    dx[np.arange(N), y] = 0
    dx[np.arange(N), y] = -dx.sum(axis=1)
    return (margins + np.abs(margins)).sum() / 2 / N, dx / N


@right("through float32, and the loss as an array without axes")
def svm_loss(x, y):
    N = x.shape[0]
    single = x.astype(np.float32)
    margins = np.maximum(0, single - single[np.arange(N), y][:, None] + 1)
    margins[np.arange(N), y] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y] -= dx.sum(axis=1)
    return np.asarray(margins.sum() / N), dx / N


@right("column by column, from the last")
def svm_loss(x, y):
    N, C = x.shape
    right_scores = x[np.arange(N), y]
    columns, loss = [], 0
    for c in reversed(range(C)):
        margin = np.where(y == c, 0, x[:, c] - right_scores + 1)
        loss = loss + np.maximum(margin, 0).sum()
        columns.append((margin > 0).astype(x.dtype))
    dx = np.stack(columns[::-1], axis=1)
    dx -= (np.arange(C) == y[:, None]) * dx.sum(axis=1, keepdims=True)
    return float(loss / N), dx / N


@right("views with negative strides, and a list is returned")
def svm_loss(x, y):
    N = len(x)
    rows = np.arange(N)[::-1]
    margins = np.maximum(0, x[::-1] - x[rows, y[::-1]][:, None] + 1)
    margins[np.arange(N), y[::-1]] = 0
    dx = (margins > 0).astype(x.dtype)
    dx[np.arange(N), y[::-1]] -= dx.sum(axis=1)
    return [margins.sum() / N, dx[::-1] / N]


@right("margins of exactly 0 are counted, which is a subgradient as well")
def svm_loss(x, y):
    N = x.shape[0]
    margins = x - x[np.arange(N), y][:, None] + 1
    active = (margins >= 0).astype(x.dtype)
    active[np.arange(N), y] = 0
    loss = (margins * active).sum() / N
    active[np.arange(N), y] = -active.sum(axis=1)
    return loss, active / N


@right("the number of positive margins is counted first")
def svm_loss(x, y):
    N = x.shape[0]
    scores_of_right = x[range(N), y]
    hinges = np.maximum(0.0, (x.T - scores_of_right).T + 1.0)
    hinges[range(N), y] = 0
    positive = np.count_nonzero(hinges, axis=1)
    dx = np.zeros_like(x)
    dx[np.nonzero(hinges)] = 1
    dx[range(N), y] -= positive
    return hinges.sum() / N, np.divide(dx, N)
