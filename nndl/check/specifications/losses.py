"""The two losses: softmax with cross-entropy, and the support vector machine's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import layers
from .._specification import EDGE_CASES, VALUES, Case, Function, Mistake, Plain, numbers

Array = np.ndarray
LossAndGradient = tuple[float, Array]


def _case(name: str, x: Array, y: list[int], stage: str = VALUES) -> Case:
    N, C = x.shape
    return Case(name, (x, np.array(y)), stage, {"N": N, "C": C})


def _scores(N: int, C: int) -> Array:
    # Multiples of 0.15 that differ by multiples of 0.3: no margin is exactly 0, where the SVM's
    # loss has no derivative.
    return 1.5 * numbers(N, C)


# Halves are exact in float32 even when 10000 is added to them.
_HALVES = np.array([[0.5, 2.0, -1.0, 1.5], [1.5, 0.0, 3.0, -0.5], [0.0, 2.5, 1.0, 2.0]])

CASES = (
    _case("5 examples of 3 classes", _scores(5, 3), [0, 2, 1, 2, 0]),
    _case("4 examples of 6 classes", _scores(4, 6), [2, 5, 2, 1]),
    _case("two classes", _scores(3, 2), [1, 0, 1], EDGE_CASES),
    _case("a single example", _scores(1, 4), [2], EDGE_CASES),
    _case("equal scores", np.zeros((2, 5)), [3, 1], EDGE_CASES),
    _case(
        "a tie for the highest score",
        np.array([[2.5, 0.0, 2.5], [1.0, 4.0, 4.0]]), [2, 1], EDGE_CASES,
    ),
    _case("large scores (about 10000)", 1e4 + _HALVES, [1, 3, 0], EDGE_CASES),
    _case(
        "large scores of both signs (about 10000 and -10000)",
        _HALVES + np.array([[1e4], [-1e4], [0]]), [1, 3, 0], EDGE_CASES,
    ),
)  # fmt: skip


def _times(reference: Function, of_sizes: Any) -> Function:
    """Return a twin whose loss and gradient are wrong by a factor that depends on N and C."""

    def twin(x: Array, y: Array) -> LossAndGradient:
        loss, dx = reference(x, y)
        return loss * of_sizes(*x.shape), dx * of_sizes(*x.shape)

    return twin


def _one_example(reference: Function, which: int, divided: bool = True) -> Function:
    """Return a twin in which only one example counts."""

    def twin(x: Array, y: Array) -> LossAndGradient:
        one = slice(which, which + 1 or None)
        loss, dx = reference(x[one], y[one])
        divisor = len(x) if divided else 1
        whole = np.zeros_like(x)
        whole[one] = dx / divisor
        return loss / divisor, whole

    return twin


def _a_loss_for_each(reference: Function) -> Function:
    def twin(x: Array, y: Array) -> tuple[Array, Array]:
        each = [reference(x[n : n + 1], y[n : n + 1])[0] for n in range(len(x))]
        return np.array(each), reference(x, y)[1]

    return twin


def _common(reference: Function) -> tuple[Mistake, ...]:
    """Return the mistakes in averaging and indexing that both losses share."""
    return (
        Mistake(
            "not-averaged",
            "It is the sum over the examples: divide by their number N, the gradient as well as the "
            "loss.",
            _times(reference, lambda N, C: N),
        ),
        Mistake(
            "averaged-over-classes",
            "It was divided by N * C, as the mean over a whole (N, C) array is; the loss is a mean "
            "over the N examples only.",
            _times(reference, lambda N, C: 1 / C),
        ),
        Mistake(
            "divided-by-classes",
            "It was divided by the number of classes, x.shape[1], instead of the number of examples, "
            "x.shape[0].",
            _times(reference, lambda N, C: N / C),
        ),
        Mistake(
            "averaged-twice",
            "It was divided by N twice.",
            _times(reference, lambda N, C: 1 / N),
        ),
        Mistake(
            "not-reduced",
            "This is a loss for each example; the loss is their mean, a single number.",
            _a_loss_for_each(reference),
        ),
        *(
            Mistake(
                "returned-too-early",
                "Only the first example counts: the `return` probably stands inside the loop over "
                "the examples.",
                _one_example(reference, 0, divided),
            )
            for divided in (True, False)
        ),
        *(
            Mistake(
                "not-accumulated",
                "Only the last example counts: the loop over the examples sets the loss anew each "
                "time, where it should add to it (+=).",
                _one_example(reference, -1, divided),
            )
            for divided in (True, False)
        ),
        Mistake(
            "labels-shifted",
            "The labels were taken to start at 1; they start at 0.",
            lambda x, y: reference(x, (y - 1) % x.shape[1]),
        ),
        Mistake(
            "labels-not-used",
            "The class with the highest score was taken for the right one; which one is right, y says.",
            lambda x, y: reference(x, x.argmax(axis=1)),
        ),
    )


# ---- softmax -------------------------------------------------------------------------


def _cross_entropy(p: Array, y: Array, log_p: Array | None = None) -> LossAndGradient:
    """Return the loss and gradient that follow from probabilities, right or wrong."""
    rows = np.arange(len(p))
    log_p = np.log(p) if log_p is None else log_p
    dx = p.copy()
    dx[rows, y] -= 1
    return -log_p[rows, y].mean(), dx / len(p)


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _shifted_by(largest: Any) -> Function:
    def twin(x: Array, y: Array) -> LossAndGradient:
        e = np.exp(x - largest(x))
        return _cross_entropy(e / e.sum(axis=1, keepdims=True), y)

    return twin


def _shifted_by_largest_of_class(x: Array, y: Array) -> LossAndGradient:
    return layers.softmax_loss(x - x.max(axis=0), y)


def _log_without_shift(x: Array, y: Array) -> LossAndGradient:
    log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    return _cross_entropy(np.exp(log_p), y, log_p)


def _normalized_over(axis: int | None, shifted_over: int | None) -> Function:
    def twin(x: Array, y: Array) -> LossAndGradient:
        e = np.exp(x - x.max(axis=shifted_over, keepdims=True))
        return _cross_entropy(e / e.sum(axis=axis, keepdims=True), y)

    return twin


def _loss(of: Any) -> Function:
    """Return a twin whose loss is computed from all probabilities and the right classes'."""

    def twin(x: Array, y: Array) -> LossAndGradient:
        p = _softmax(x)
        return of(p, p[np.arange(len(x)), y]), layers.softmax_loss(x, y)[1]

    return twin


def _gradient(of: Any) -> Function:
    """Return a twin whose gradient, before it is averaged, is computed from the probabilities
    and the array that is 1 at the right classes and 0 elsewhere."""

    def twin(x: Array, y: Array) -> LossAndGradient:
        loss, _ = layers.softmax_loss(x, y)
        return loss, of(_softmax(x), np.eye(x.shape[1])[y]) / len(x)

    return twin


def _not_normalized(shifted: bool) -> Function:
    """Return a twin that takes the exponentials for probabilities, in the loss and in dx."""

    def twin(x: Array, y: Array) -> LossAndGradient:
        log_e = x - shifted * x.max(axis=1, keepdims=True)
        return _cross_entropy(np.exp(log_e), y, log_e)

    return twin


def _columns(mean: Any) -> Function:
    def twin(x: Array, y: Array) -> LossAndGradient:
        p = _softmax(x)
        loss = -mean(np.log(p[:, y]))
        p[:, y] -= 1
        return loss, p / len(x)

    return twin


def _rows(x: Array, y: Array) -> LossAndGradient:
    loss, dx = layers.softmax_loss(x, y)[0], _softmax(x)
    dx[y] -= 1
    return loss, dx / len(x)


def _log_of_the_sum_added(x: Array, y: Array) -> LossAndGradient:
    shifted = x - x.max(axis=1, keepdims=True)
    wrong = shifted + np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -wrong[np.arange(len(x)), y].mean(), layers.softmax_loss(x, y)[1]


def _half_shifted(x: Array, y: Array) -> LossAndGradient:
    loss, dx = layers.softmax_loss(x, y)
    return loss - x.max(axis=1).mean(), dx


def _binary_cross_entropy(x: Array, y: Array) -> LossAndGradient:
    p, right = _softmax(x), np.eye(x.shape[1])[y]
    logs = np.log(np.where(right == 1, p, 1 - p))
    return -logs.sum() / len(x), layers.softmax_loss(x, y)[1]


def _divided_too_early(x: Array, y: Array) -> LossAndGradient:
    loss, dx = layers.softmax_loss(x, y)
    N, rows = len(x), np.arange(len(x))
    dx[rows, y] += 1 / N - 1
    return loss, dx


SOFTMAX = Plain(
    "softmax_loss",
    ("x", "y"),
    ("loss", "dx"),
    layers.softmax_loss,
    (
        *CASES,
        # The difference of 60 leaves p = exp(-60), which float32 still holds: whoever takes the
        # logarithm of p itself is right here too.
        _case(
            "a large score for a wrong class",
            np.array([[0.0, 60.0, 1.0], [2.0, 0.0, 62.0]]), [0, 0], EDGE_CASES,
        ),
        # exp(720) overflows, and exp(-720) is not yet 0, of which a one-hot array times the
        # logarithms would make NaN.
        _case(
            "a large score for the right class",
            np.array([[720.0, 0.0, 3.0], [1.0, 2.0, 721.0], [2.0, 0.0, 1.0]]), [0, 2, 1], EDGE_CASES,
        ),
    ),
    (
        *_common(layers.softmax_loss),
        *(
            Mistake(
                "overflow",
                "exp overflows for large scores (and is 0 throughout for very negative ones): subtract "
                "each row's largest score first, which changes no probability.",
                twin,
            )
            for twin in (_shifted_by(lambda x: 0), _log_without_shift)
        ),
        Mistake(
            "largest-of-all",
            "The largest score of the whole array was subtracted; a row far below it becomes all "
            "zeros, so subtract each row's own largest (axis=1, keepdims=True).",
            _shifted_by(np.max),
        ),
        Mistake(
            "largest-over-wrong-axis",
            "The largest score of each class (axis 0) was subtracted, which changes the probabilities; "
            "subtract each example's largest (axis 1).",
            _shifted_by_largest_of_class,
        ),
        # With the largest number of the same axis subtracted, which is as if none were, or with
        # that of each row.
        *(
            Mistake(
                "normalized-over-examples",
                "The exponentials were divided by their sum over the examples (axis 0); the "
                "probabilities of one example's classes (axis 1) must sum to 1.",
                _normalized_over(0, shifted_over),
            )
            for shifted_over in (0, 1)
        ),
        *(
            Mistake(
                "normalized-over-all",
                "The exponentials were divided by the sum of the whole array; each row needs its own "
                "sum (axis=1, keepdims=True).",
                _normalized_over(None, shifted_over),
            )
            for shifted_over in (None, 1)
        ),
        *(
            Mistake(
                "columns-not-entries",
                "The right classes were indexed as [:, y], which takes whole columns; "
                "[np.arange(N), y] takes one number in each row.",
                _columns(mean),
            )
            for mean in (lambda log_p: log_p.sum() / len(log_p), np.mean)
        ),
        Mistake(
            "rows-not-entries",
            "The right classes were indexed as [y], which takes whole rows; [np.arange(N), y] takes "
            "one number in each row.",
            _rows,
        ),
        *(
            Mistake(
                "log-base",
                f"The logarithm is that of base {base}; the natural one, np.log, is meant.",
                _loss(lambda p, right, base=base: -np.log(right).mean() / np.log(base)),
            )
            for base in (10, 2)
        ),
        Mistake(
            "no-log",
            "The logarithm is missing: this is the mean probability of the right classes, negated.",
            _loss(lambda p, right: -right.mean()),
        ),
        Mistake(
            "log-of-mean",
            "The mean over the examples was taken before the logarithm; take the logarithm of each "
            "example's probability first.",
            _loss(lambda p, right: -np.log(right.mean())),
        ),
        Mistake(
            "all-classes-counted",
            "The logarithms of all classes were added up; only the right class of each example counts.",
            _loss(lambda p, right: -np.log(p).sum() / len(p)),
        ),
        Mistake(
            "log-sum-added",
            "The logarithm of the sum has the wrong sign: log p is the shifted score minus that "
            "logarithm.",
            _log_of_the_sum_added,
        ),
        Mistake(
            "binary-cross-entropy",
            "Every class was given a loss of its own, with log(1 - p) for the wrong ones; here only "
            "the right class of each example counts.",
            _binary_cross_entropy,
        ),
        *(
            Mistake(
                "not-normalized",
                "The exponentials were taken for probabilities: divide them by their sum (in "
                "logarithms: subtract that of the sum).",
                _not_normalized(shifted),
            )
            for shifted in (True, False)
        ),
        *(
            Mistake(
                "log-clipped",
                "A small number was added to the probability before the logarithm, or the probability "
                "was clipped, so a confident mistake costs too little: compute log p as the shifted "
                "score minus the logarithm of the sum.",
                _loss(lambda p, right, eps=eps: -np.log(right + eps).mean()),
            )
            for eps in (1e-8, 1e-10, 1e-12, 1e-15, 1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
        ),
        Mistake(
            "half-shifted",
            "The largest score was subtracted in the sum of the exponentials, and not from the right "
            "class's own score: both need the shifted scores.",
            _half_shifted,
        ),
        Mistake(
            "log-of-negative",
            "The logarithm was taken of a negative number: is 1 subtracted at the right class, for dx, "
            "before the loss is computed? `dx = probs` makes no copy, so it changes both.",
            _loss(lambda p, right: np.log(right - 1).mean()),
        ),
        Mistake(
            "right-class-not-subtracted",
            "dx holds the probabilities only: 1 has to be subtracted at each example's right class.",
            _gradient(lambda p, right: p),
        ),
        Mistake(
            "divided-too-early",
            "1 was subtracted at the right class after the division by N: subtract first, then divide "
            "everything.",
            _divided_too_early,
        ),
        Mistake(
            "one-subtracted-everywhere",
            "1 was subtracted from all probabilities; it is subtracted at the right class of each "
            "example only.",
            _gradient(lambda p, right: p - 1),
        ),
        Mistake(
            "one-added",
            "1 was added at the right class; it is subtracted.",
            _gradient(lambda p, right: p + right),
        ),
        Mistake(
            "right-class-only",
            "Only the right classes have a gradient here; the others' scores change the loss too, "
            "through the sum.",
            _gradient(lambda p, right: (p - 1) * right),
        ),
        Mistake(
            "log-not-probability",
            "dx starts from the logarithms of the probabilities; it starts from the probabilities.",
            _gradient(lambda p, right: np.log(p) - right),
        ),
        Mistake(
            "derivative-of-probability",
            "This is the gradient of the right class's probability itself; the loss is its logarithm, "
            "whose derivative divides by it.",
            _gradient(
                lambda p, right: (p * right).sum(axis=1, keepdims=True) * (p - right)
            ),
        ),
        Mistake(
            "derivative-of-probability",
            "p * (1 - p) is the slope of a probability; dx is the gradient of the loss, which is a "
            "logarithm of one.",
            _gradient(lambda p, right: p * (1 - p)),
        ),
    ),
    {
        "loss": "loss = -mean over the examples of log p[n, y[n]],\n"
        "p = exp(shifted) / sum over axis 1 of exp(shifted), shifted = x - largest of the row",
        "dx": "dx = (p, with 1 subtracted at each right class) / N",
    },
    'chapter 1, section "Softmax and cross-entropy"',
)  # fmt: skip

# ---- support vector machine ----------------------------------------------------------


def _svm(loss: Any = None, dx: Any = None) -> Function:
    """Return a twin whose loss or gradient, or both, are computed from the margins, before they
    are averaged; the margin of the right class is 0, and `right` is 1 there and 0 elsewhere."""

    def twin(x: Array, y: Array) -> LossAndGradient:
        right = np.eye(x.shape[1])[y]
        margins = (x - (x * right).sum(axis=1, keepdims=True) + 1) * (1 - right)
        results = layers.svm_loss(x, y)
        return (
            results[0] if loss is None else loss(margins) / len(x),
            results[1] if dx is None else dx(margins, right) / len(x),
        )

    return twin


def _loss_of_scores(change: Any) -> Function:
    """Return the twin that is right for other scores, computed from those given and from the
    array that is 1 at the right classes."""
    return lambda x, y: layers.svm_loss(change(x, np.eye(x.shape[1])[y]), y)


def _positive(margins: Array) -> Array:
    return np.maximum(0, margins)


def _count(margins: Array) -> Array:
    return (margins > 0).sum(axis=1, keepdims=True)


def _pulled(slopes: Array, right: Array) -> Array:
    """Return the slopes, with their negated sum at each right class."""
    return slopes - right * slopes.sum(axis=1, keepdims=True)


def _right_class_counted(pull: int) -> Function:
    """Return a twin that has 1 too much in the loss of each example, and at its right class in
    the number of margins or in their mask."""

    def twin(x: Array, y: Array) -> LossAndGradient:
        loss, dx = layers.svm_loss(x, y)
        dx[np.arange(len(x)), y] += pull / len(x)
        return loss + 1, dx

    return twin


def _up_to_right_class(x: Array, y: Array) -> LossAndGradient:
    after = np.arange(x.shape[1]) > y[:, None]
    return layers.svm_loss(np.where(after, -np.inf, x), y)


def _columns_pulled(x: Array, y: Array) -> LossAndGradient:
    loss, dx = layers.svm_loss(x, y)
    dx[np.arange(len(x)), y] = 0
    dx[:, y] -= (dx > 0).sum(axis=1) / len(x)
    return loss, dx


def _one_against_all(x: Array, y: Array) -> LossAndGradient:
    signs = 2 * np.eye(x.shape[1])[y] - 1
    margins = _positive(1 - signs * x)
    return margins.sum() / len(x), -signs * (margins > 0) / len(x)


def _zeroed(places: Any) -> Function:
    """Return a twin that sets the margins at wrong places to 0."""

    def twin(x: Array, y: Array) -> LossAndGradient:
        rows = np.arange(len(x))
        margins = _positive(x - x[rows, y][:, None] + 1)
        margins[places(y)] = 0
        dx = (margins > 0) / len(x)
        dx[rows, y] -= dx.sum(axis=1)
        return margins.sum() / len(x), dx

    return twin


SVM = Plain(
    "svm_loss",
    ("x", "y"),
    ("loss", "dx"),
    layers.svm_loss,
    CASES,
    (
        *_common(layers.svm_loss),
        *(
            Mistake(
                "right-class-counted",
                "The right class was counted too: its margin is always 1, so set it to 0 before the "
                "sum.",
                _right_class_counted(pull),
            )
            for pull in (-1, 1)
        ),
        Mistake(
            "right-class-counted",
            "The right class was counted too, whose margin is always 1; and the sum was not divided by "
            "the number of examples.",
            _times(_right_class_counted(0), lambda N, C: N),
        ),
        Mistake(
            "averaged-over-classes",
            "It was divided by the number of the wrong classes, C - 1, as well; the loss is a mean "
            "over the N examples only.",
            _times(layers.svm_loss, lambda N, C: 1 / (C - 1)),
        ),
        Mistake(
            "right-class-left-out",
            "The right classes have no gradient here; each margin that is above 0 also pulls at its "
            "example's right class.",
            _svm(dx=lambda margins, right: margins > 0),
        ),
        Mistake(
            "right-class-once",
            "1 was subtracted at the right class; subtract 1 for each of the row's margins that is "
            "above 0.",
            _svm(dx=lambda margins, right: (margins > 0) - right),
        ),
        Mistake(
            "right-class-once",
            "The right class has -1 however many margins are above 0; subtract 1 for each of them.",
            _svm(dx=lambda margins, right: (margins > 0) - right * (_count(margins) > 0)),
        ),
        Mistake(
            "right-class-sign",
            "The number of margins above 0 was added at the right class; it is subtracted, for a "
            "higher score of the right class lowers the loss.",
            _svm(dx=lambda margins, right: (margins > 0) + right * _count(margins)),
        ),
        Mistake(
            "margins-for-mask",
            "dx holds the margins themselves; the slope of a margin that is above 0 is 1, however "
            "large it is.",
            _svm(dx=lambda m, right: _pulled(_positive(m), right)),
        ),
        Mistake(
            "divided-too-early",
            "At the right class the number of margins was subtracted after the division by N: subtract "
            "first, then divide everything.",
            _svm(dx=lambda m, right: (m > 0) - right * _count(m) * len(m)),
        ),
        Mistake(
            "counted-over-all",
            "At the right class stands the number of margins above 0 of all examples; each row needs "
            "its own (axis=1).",
            _svm(dx=lambda m, right: (m > 0) - right * (m > 0).sum()),
        ),
        Mistake(
            "margins-for-mask",
            "At the right class stands the sum of the margins; it is the number of margins above 0 "
            "that is subtracted there.",
            _svm(dx=lambda m, right: (m > 0) - right * _positive(m).sum(axis=1, keepdims=True)),
        ),
        Mistake(
            "margins-for-mask",
            "dx holds the margins themselves; the slope of a margin that is above 0 is 1, however "
            "large it is.",
            _svm(dx=lambda m, right: _positive(m) - right * _count(m)),
        ),
        Mistake(
            "all-margins",
            "Every class counts here; only those whose margin is above 0 have a gradient (margins "
            "that were cut at 0 are >= 0 everywhere).",
            _svm(dx=lambda m, right: 1 - right * right.shape[1]),
        ),
        Mistake(
            "no-margin",
            "The margin 1 was left out: a score that is only just below the right one costs too.",
            _loss_of_scores(lambda x, right: x + right),
        ),
        Mistake(
            "margin-subtracted",
            "The margin 1 was subtracted; it is added to the difference of the scores.",
            _loss_of_scores(lambda x, right: x + 2 * right),
        ),
        *(
            Mistake(
                "other-margin",
                f"The margin is {margin:g} here; it must be 1.",
                _loss_of_scores(lambda x, right, m=margin: x + (1 - m) * right),
            )
            for margin in (0.5, 0.1, 2, 10)
        ),
        Mistake(
            "scores-exchanged",
            "The difference was taken the wrong way round: the right class's score is subtracted from "
            "the others.",
            _loss_of_scores(lambda x, right: -x),
        ),
        Mistake(
            "no-maximum",
            "Negative margins were added up as well; each must be cut off at 0 before the sum.",
            _svm(loss=np.sum),
        ),
        Mistake(
            "maximum-after-sum",
            "The margins were summed before they were cut off at 0; each must be cut off by itself.",
            _svm(loss=lambda margins: _positive(margins.sum(axis=1)).sum()),
        ),
        Mistake(
            "break-not-continue",
            "Only the classes before the right one count: the loop ends there, where it should go on "
            "with the next class (continue, not break).",
            _up_to_right_class,
        ),
        Mistake(
            "largest-margin-only",
            "Only the largest margin of each example was counted; the loss is the sum of them all.",
            _svm(
                loss=lambda margins: margins.max(axis=1).sum(),
                dx=lambda m, right: _pulled(
                    (m > 0) & (m == m.max(axis=1, keepdims=True)), right
                ),
            ),
        ),
        *(
            Mistake(
                "squared",
                "The margins were squared; this loss adds them up as they are.",
                _svm(
                    loss=lambda m, part=part: part * (_positive(m) ** 2).sum(),
                    dx=lambda m, right, part=part: 2 * part * _pulled(_positive(m), right),
                ),
            )
            for part in (1, 0.5)
        ),
        Mistake(
            "margins-counted",
            "The margins above 0 were counted; the loss is the sum of their sizes.",
            _svm(loss=lambda margins: (margins > 0).sum()),
        ),
        Mistake(
            "columns-not-entries",
            "The right classes were indexed as [:, y], which takes whole columns; [np.arange(N), y] "
            "takes one number in each row.",
            _zeroed(lambda y: (slice(None), y)),
        ),
        Mistake(
            "rows-not-entries",
            "The right classes were indexed as [y], which takes whole rows; [np.arange(N), y] takes "
            "one number in each row.",
            _zeroed(lambda y: y),
        ),
        Mistake(
            "columns-not-entries",
            "The right classes were indexed as [:, y], which takes whole columns; [np.arange(N), y] "
            "takes one number in each row.",
            _columns_pulled,
        ),
        Mistake(
            "one-against-all",
            "Each score was held against 1 or -1 on its own; this loss compares the score of every "
            "class with that of the right one.",
            _one_against_all,
        ),
        Mistake(
            "absolute",
            "The absolute values of the margins were added up; negative margins cost nothing.",
            _svm(
                loss=lambda margins: np.abs(margins).sum(),
                dx=lambda margins, right: _pulled(np.sign(margins), right),
            ),
        ),
    ),
    {
        "loss": "loss = mean over n of the sum over j != y[n] of max(0, x[n, j] - x[n, y[n]] + 1)",
        "dx": "dx[n, j] = 1 / N where the margin of j is above 0;\n"
        "dx[n, y[n]] = -(number of those margins) / N",
    },
    'chapter 1, section "The support vector machine\'s loss"',
)  # fmt: skip

ALL = (SOFTMAX, SVM)
