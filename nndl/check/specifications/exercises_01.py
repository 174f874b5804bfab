"""The exercises of chapter 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import layers
from .._specification import (
    EDGE_CASES,
    VALUES,
    Case,
    Forward,
    Function,
    Mistake,
    Plain,
    backward,
    numbers,
)
from . import losses

Array = np.ndarray
LossAndGradient = tuple[float, Array]

# ---- leaky ReLU ----------------------------------------------------------------------


def leaky_relu_forward(x: Array, alpha: float) -> tuple[Array, Any]:
    return np.where(x > 0, x, alpha * x), (x, alpha)


def leaky_relu_backward(dout: Array, cache: Any) -> Array:
    x, alpha = cache
    return np.where(x > 0, dout, alpha * dout)


def _leaky_case(name: str, x: Array, alpha: float, stage: str = VALUES) -> Case:
    return Case(f"{name}, alpha = {alpha:g}", (x, alpha), stage, {"N": len(x)})


#: No input is 0 here, where any number between the two slopes may be taken for one.
_SMOOTH = (
    _leaky_case("5 examples of 3 numbers", 5 * numbers(5, 3), 0.2),
    _leaky_case("2 examples of 4 numbers", numbers(2, 4), 0.01),
    _leaky_case("images of shape (3, 2, 4)", numbers(2, 3, 2, 4), 0.3, EDGE_CASES),
    _leaky_case("no input above 0", -np.abs(numbers(3, 4)), 0.1, EDGE_CASES),
    _leaky_case("a batch of one", numbers(1, 4), 0.1, EDGE_CASES),
    _leaky_case("an ordinary ReLU", numbers(3, 4), 0.0, EDGE_CASES),
)
_AT_ZERO = _leaky_case(
    "inputs of exactly 0", np.array([[0.0, 1.0, -1.0], [2.0, 0.0, 0.0]]), 0.1, EDGE_CASES
)  # fmt: skip

_READ_RELU = 'chapter 1, section "The rectified linear unit"'


def _leaky(of: Any) -> Function:
    return lambda x, alpha: (of(x, alpha), None)


LEAKY_FORWARD = Forward(
    "leaky_relu_forward",
    ("x", "alpha"),
    ("out", "cache"),
    leaky_relu_forward,
    (*_SMOOTH, _AT_ZERO),
    (
        Mistake(
            "alpha-left-out",
            "Negative numbers became 0, as in an ordinary ReLU; a leaky one multiplies them by alpha.",
            _leaky(lambda x, alpha: np.maximum(0, x)),
        ),
        *(
            Mistake(
                "alpha-not-read",
                f"Negative numbers are always multiplied by {slope}: take alpha from the argument.",
                _leaky(lambda x, alpha, slope=slope: np.where(x > 0, x, slope * x)),
            )
            for slope in (0.01, 0.1, 0.2)
        ),
        Mistake(
            "alpha-for-product",
            "x was compared with alpha, np.maximum(alpha, x); it is alpha * x that takes the place of a "
            "negative x.",
            _leaky(lambda x, alpha: np.maximum(alpha, x)),
        ),
        Mistake(
            "alpha-for-product",
            "Negative numbers became alpha itself; they become alpha * x.",
            _leaky(lambda x, alpha: np.where(x > 0, x, alpha)),
        ),
        Mistake(
            "alpha-everywhere",
            "All numbers were multiplied by alpha; where x is positive, out is x.",
            _leaky(lambda x, alpha: alpha * x),
        ),
        Mistake(
            "positive-part-lost",
            "Positive numbers became 0: this is the negative part alone, to which the positive one is "
            "still to be added.",
            _leaky(lambda x, alpha: alpha * np.minimum(0, x)),
        ),
        Mistake(
            "reversed",
            "The positive numbers were multiplied by alpha and the negative ones kept; it is the other "
            "way round.",
            _leaky(lambda x, alpha: np.where(x > 0, alpha * x, x)),
        ),
        Mistake(
            "sign-of-slope",
            "Negative numbers came out positive: alpha * x has the sign of x.",
            _leaky(lambda x, alpha: np.where(x > 0, x, -alpha * x)),
        ),
        Mistake(
            "alpha-subtracted",
            "alpha was subtracted from the negative numbers, or added to them; it multiplies them.",
            _leaky(lambda x, alpha: np.where(x > 0, x, x - alpha)),
        ),
        Mistake(
            "alpha-subtracted",
            "alpha was subtracted from the negative numbers, or added to them; it multiplies them.",
            _leaky(lambda x, alpha: np.where(x > 0, x, x + alpha)),
        ),
    ),
    {"out": "out = x where x > 0, and alpha * x elsewhere"},
    _READ_RELU,
)

LEAKY_BACKWARD = backward(
    LEAKY_FORWARD,
    "leaky_relu_backward",
    ("dx",),
    leaky_relu_backward,
    (
        Mistake(
            "alpha-left-out",
            "The gradient is 0 where x was negative, as in an ordinary ReLU; the slope there is alpha.",
            lambda dout, cache: np.where(cache[0] > 0, dout, 0),
        ),
        Mistake(
            "mask-of-dout",
            "dout was multiplied by alpha where dout is negative; what counts is where the input x was.",
            lambda dout, cache: np.where(dout > 0, dout, cache[1] * dout),
        ),
        Mistake(
            "no-dout",
            "dout was left out: these are the slopes, 1 and alpha, which the chain rule multiplies by "
            "dout.",
            lambda dout, cache: np.where(cache[0] > 0, 1, cache[1]),
        ),
        Mistake(
            "no-dout",
            "Where x was negative dout was left out: alpha is the slope there, and dx is alpha * dout.",
            lambda dout, cache: np.where(cache[0] > 0, dout, cache[1]),
        ),
        Mistake(
            "forward-again",
            "Where x was negative stands alpha * x, as in the forward pass; dx is alpha * dout there.",
            lambda dout, cache: np.where(cache[0] > 0, dout, cache[1] * cache[0]),
        ),
        Mistake(
            "times-x",
            "dout was multiplied by the output; the slope is 1 or alpha, however large x is.",
            lambda dout, cache: dout * leaky_relu_forward(*cache)[0],
        ),
        *(
            Mistake(
                "alpha-not-read",
                f"The slope is always {slope} where x was negative: put alpha into the cache and take "
                "it from there.",
                lambda dout, cache, slope=slope: np.where(
                    cache[0] > 0, dout, slope * dout
                ),
            )
            for slope in (0.01, 0.1, 0.2)
        ),
        Mistake(
            "alpha-everywhere",
            "The whole gradient was multiplied by alpha; where x was positive, the slope is 1.",
            lambda dout, cache: cache[1] * dout,
        ),
        Mistake(
            "reversed",
            "The gradient was multiplied by alpha where x was positive; it is to be where x was "
            "negative.",
            lambda dout, cache: np.where(cache[0] > 0, cache[1] * dout, dout),
        ),
        Mistake(
            "sign-of-slope",
            "The gradient was turned round where x was negative: the slope there is alpha, not -alpha.",
            lambda dout, cache: np.where(cache[0] > 0, dout, -cache[1] * dout),
        ),
    ),
    {"dx": "dx = dout where x > 0, and alpha * dout elsewhere"},
    _READ_RELU,
    _SMOOTH,
)

# ---- the squared hinge ---------------------------------------------------------------


def squared_hinge_loss(x: Array, y: Array) -> LossAndGradient:
    rows = np.arange(len(x))
    margins = np.maximum(0, x - x[rows, y][:, None] + 1)
    margins[rows, y] = 0
    dx = 2 * margins / len(x)
    dx[rows, y] -= dx.sum(axis=1)
    return np.sum(margins**2) / len(x), dx


def _hinge(loss: Any = None, dx: Any = None) -> Function:
    """Return a twin whose loss or gradient, or both, are computed from the margins, before
    they are averaged; the margin of the right class is 0, and `right` is 1 there."""

    def twin(x: Array, y: Array) -> LossAndGradient:
        right = np.eye(x.shape[1])[y]
        margins = (x - (x * right).sum(axis=1, keepdims=True) + 1) * (1 - right)
        results = squared_hinge_loss(x, y)
        return (
            results[0] if loss is None else loss(margins) / len(x),
            results[1] if dx is None else dx(margins, right) / len(x),
        )

    return twin


def _positive(margins: Array) -> Array:
    return np.maximum(0, margins)


def _pulled(slopes: Array, right: Array) -> Array:
    """Return the slopes, with their negated sum at each right class."""
    return slopes - right * slopes.sum(axis=1, keepdims=True)


_RIGHT_CLASS_COUNTED = (
    "The right class was counted too: its margin is always 1, so set it to 0 before the margins are "
    "squared and summed."
)

SQUARED_HINGE = Plain(
    "squared_hinge_loss",
    ("x", "y"),
    ("loss", "dx"),
    squared_hinge_loss,
    (
        Case(
            "one example with the margins 4 and 1.5",
            (np.array([[0.0, 3.0, 0.5]]), np.array([0])),
            VALUES,
            {"N": 1, "C": 3},
        ),
        *losses.CASES,
    ),
    (
        Mistake(
            "not-squared",
            "The margins were added up as they are, as in the SVM's ordinary loss: square each, and "
            "take the slope of the square.",
            layers.svm_loss,
        ),
        Mistake(
            "slope-of-hinge",
            "dx is that of the ordinary loss, whose slope is 1 where a margin is above 0; the slope of "
            "m**2 is 2 * m.",
            _hinge(dx=lambda m, right: _pulled(m > 0, right)),
        ),
        Mistake(
            "no-two",
            "The 2 is missing in the gradient: the slope of m**2 is 2 * m.",
            _hinge(dx=lambda m, right: _pulled(_positive(m), right)),
        ),
        Mistake(
            "halved",
            "Half of each square was taken; this loss has no factor 1/2.",
            _hinge(
                lambda m: (_positive(m) ** 2).sum() / 2,
                lambda m, right: _pulled(_positive(m), right),
            ),
        ),
        Mistake(
            "no-maximum",
            "Negative margins were squared as well, and their squares are positive: cut them off at 0 "
            "before you square.",
            _hinge(lambda m: (m**2).sum(), lambda m, right: _pulled(2 * m, right)),
        ),
        Mistake(
            "no-maximum",
            "Negative margins were squared as well, and their squares are positive: cut them off at 0 "
            "before you square.",
            _hinge(lambda m: (m**2).sum()),
        ),
        Mistake(
            "square-of-sum",
            "The margins of an example were summed first and squared then; each is squared by itself.",
            _hinge(lambda m: (_positive(m).sum(axis=1) ** 2).sum()),
        ),
        *(
            Mistake(
                "right-class-counted",
                _RIGHT_CLASS_COUNTED,
                _hinge(
                    lambda m: (_positive(m) ** 2).sum() + len(m),
                    lambda m, right, extra=extra: (
                        _pulled(2 * _positive(m), right) + extra * right
                    ),
                ),
            )
            for extra in (0, -2, 2)
        ),
        Mistake(
            "right-class-left-out",
            "The right classes have no gradient here; each margin that is above 0 also pulls at its "
            "example's right class.",
            _hinge(dx=lambda m, right: 2 * _positive(m)),
        ),
        Mistake(
            "right-class-sign",
            "At the right class the slopes of the others were added; they are subtracted, for a higher "
            "score of the right class lowers the loss.",
            _hinge(dx=lambda m, right: _pulled(2 * _positive(m), -right)),
        ),
        Mistake(
            "right-class-counts-margins",
            "At the right class stands the number of margins above 0, as in the ordinary loss; here it "
            "is the sum of the slopes, 2 * m each, that is subtracted.",
            _hinge(
                dx=lambda m, right: (
                    2 * _positive(m) - right * (m > 0).sum(axis=1, keepdims=True)
                )
            ),
        ),
        *losses._common(squared_hinge_loss),
    ),
    {
        "loss": "loss = mean over n of the sum over j != y[n] of max(0, x[n, j] - x[n, y[n]] + 1)**2",
        "dx": "dx[n, j] = 2 * margin[n, j] / N, where the margin is cut off at 0;\n"
        "dx[n, y[n]] = -(sum of the others in the row)",
    },
    'chapter 1, section "The support vector machine\'s loss"',
)  # fmt: skip

ALL = (LEAKY_FORWARD, LEAKY_BACKWARD, SQUARED_HINGE)
