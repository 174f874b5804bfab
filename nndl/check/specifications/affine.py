"""The affine (fully connected) layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import layers
from .._specification import (
    EDGE_CASES,
    VALUES,
    Case,
    Forward,
    Mistake,
    backward,
    numbers,
)

Array = np.ndarray
Results = tuple[Any, ...]

_READ = 'chapter 1, section "The affine layer"'


def _case(name: str, shape: tuple[int, ...], M: int, stage: str = VALUES) -> Case:
    N, D = shape[0], math.prod(shape[1:])
    arguments = numbers(*shape), numbers(D, M, seed=2), numbers(M, seed=3)
    return Case(name, arguments, stage, {"N": N, "D": D, "M": M})


CASES = (
    _case("5 examples of 3 features, 2 units", (5, 3), 2),
    _case("2 examples of 4 features, 3 units", (2, 4), 3),
    _case("3 examples of shape (2, 4), 5 units", (3, 2, 4), 5, EDGE_CASES),
    _case("2 images of shape (3, 4, 5), 6 units", (2, 3, 4, 5), 6, EDGE_CASES),
    _case("a batch of one", (1, 4), 3, EDGE_CASES),
    _case("a single unit", (4, 3), 1, EDGE_CASES),
)


def _flat_columns_first(x: Array) -> Array:
    return x.reshape(len(x), -1, order="F")


def _flat_across_examples(x: Array) -> Array:
    """Return an array of the right shape whose rows are mixed from several examples."""
    return x.reshape(-1, len(x)).T


# ---- forward -------------------------------------------------------------------------


def _with_bias(change: Any) -> Any:
    return lambda x, w, b: layers.affine_forward(x, w, change(b))


def _flattened_by(flatten: Any) -> Any:
    return lambda x, w, b: layers.affine_forward(flatten(x), w, b)


def _not_flattened(x: Array, w: Array, b: Array) -> Results:
    return x @ w + b, None


def _bias_on_weights(x: Array, w: Array, b: Array) -> Results:
    return layers.affine_forward(x, w + b, 0 * b)


def _w_reshaped(x: Array, w: Array, b: Array) -> Results:
    return layers.affine_forward(x, w.reshape(w.shape[::-1]).T, b)


def _last_feature(x: Array, w: Array, b: Array) -> Results:
    return x.reshape(len(x), -1)[:, -1:] @ w[-1:] + b, None


def _with_relu(x: Array, w: Array, b: Array) -> Results:
    return np.maximum(0, layers.affine_forward(x, w, b)[0]), None


FORWARD = Forward(
    "affine_forward",
    ("x", "w", "b"),
    ("out", "cache"),
    layers.affine_forward,
    CASES,
    (
        Mistake(
            "not-flattened",
            "The examples were not flattened: an example of any shape, such as (2, 4), has to become "
            "one row of D numbers before the product with w.",
            _not_flattened,
        ),
        Mistake("no-bias", "The bias b was left out.", _with_bias(lambda b: 0 * b)),
        Mistake(
            "examples-mixed",
            "Reshaping x has put numbers of different examples into one row: keep the axis of the "
            "examples first, and let the reshape join only the axes after it.",
            _flattened_by(_flat_across_examples),
        ),
        Mistake(
            "flattened-in-other-order",
            "Each example was flattened with its first axis running fastest; NumPy's ordinary order, "
            "the last axis fastest, is meant.",
            _flattened_by(_flat_columns_first),
        ),
        Mistake(
            "not-accumulated",
            "Only the last feature counts: a loop over the features overwrites the sum where it should "
            "add to it (+=).",
            _last_feature,
        ),
        Mistake(
            "bias-subtracted",
            "The bias b was subtracted; it is added.",
            _with_bias(lambda b: -b),
        ),
        Mistake(
            "bias-twice",
            "The bias b was added twice.",
            _with_bias(lambda b: 2 * b),
        ),
        Mistake(
            "bias-summed",
            "Every unit was given the sum of all biases; unit m has its own, b[m].",
            _with_bias(lambda b: np.full_like(b, b.sum())),
        ),
        Mistake(
            "bias-first-only",
            "Every unit was given the same bias, b[0]; unit m has its own, b[m].",
            _with_bias(lambda b: np.full_like(b, b[0])),
        ),
        Mistake(
            "bias-on-weights",
            "The bias was added to the weights, before the product; it is added to the product.",
            _bias_on_weights,
        ),
        Mistake(
            "w-reshaped",
            "The weights were reshaped where they should be used as they are (or transposed): a "
            "reshape leaves the numbers in their old order.",
            _w_reshaped,
        ),
        Mistake(
            "relu-included",
            "Negative outputs were set to 0: that is the ReLU, a layer of its own.",
            _with_relu,
        ),
    ),
    {"out": "out = x @ w + b, with x flattened to shape (N, D)"},
    _READ,
)  # fmt: skip

# ---- backward ------------------------------------------------------------------------


def _gradients(dout: Array, cache: Any, **changed: Any) -> Results:
    """Return the right gradients but for those that have `changed`."""
    names = ("dx", "dw", "db")
    right = dict(zip(names, layers.affine_backward(dout, cache), strict=True))
    return tuple((right | changed).values())


def _not_reshaped(dout: Array, cache: Any) -> Results:
    _, w, _ = cache
    return _gradients(dout, cache, dx=dout @ w.T)


def _x_not_flattened(dout: Array, cache: Any) -> Results:
    x, _, _ = cache
    return _gradients(dout, cache, dw=x.T @ dout)


def _divided(dout: Array, cache: Any) -> Results:
    return layers.affine_backward(dout / len(dout), cache)


def _reshaped_not_transposed(dout: Array, cache: Any) -> Results:
    x, w, _ = cache
    dx = dout @ w.reshape(w.shape[::-1])
    dw = x.reshape(-1, len(x)) @ dout
    return _gradients(dout, cache, dx=dx.reshape(x.shape), dw=dw)


def _columns_first(dout: Array, cache: Any) -> Results:
    x, w, _ = cache
    dx = (dout @ w.T).reshape(x.shape, order="F")
    return _gradients(dout, cache, dx=dx, dw=_flat_columns_first(x).T @ dout)


def _without_dout(dout: Array, cache: Any) -> Results:
    return layers.affine_backward(np.ones_like(dout), cache)


def _one_example(which: slice) -> Any:
    def twin(dout: Array, cache: Any) -> Results:
        x, w, b = cache
        dx = np.zeros_like(x)
        dx[which], dw, db = layers.affine_backward(dout[which], (x[which], w, b))
        return dx, dw, db

    return twin


def _times_itself(dout: Array, cache: Any) -> Results:
    x, w, _ = cache
    dx, dw, db = layers.affine_backward(dout, cache)
    return dx * x, dw * w, db


def _db(of: Any) -> Any:
    return lambda dout, cache: _gradients(dout, cache, db=of(dout, cache[2]))


BACKWARD = backward(
    FORWARD,
    "affine_backward",
    ("dx", "dw", "db"),
    layers.affine_backward,
    (
        Mistake(
            "not-reshaped",
            "dx was left with its examples flattened: give it the shape that x came with.",
            _not_reshaped,
        ),
        Mistake(
            "x-not-flattened",
            "dw was computed from x in the shape it came with: flatten the examples to (N, D) first, "
            "as in the forward pass.",
            _x_not_flattened,
        ),
        Mistake(
            "wrong-axis",
            "db was summed over the units, axis 1; a bias serves all the examples, so sum over them, "
            "axis 0.",
            _db(lambda dout, b: dout.sum(axis=1)),
        ),
        Mistake(
            "summed-to-one-number",
            "db was summed, or averaged, over both axes; each unit has its own bias, so sum over the "
            "examples only.",
            _db(lambda dout, b: dout.sum()),
        ),
        Mistake(
            "summed-to-one-number",
            "db was averaged over both axes; each unit has its own bias, and its gradient is a sum over "
            "the examples.",
            _db(lambda dout, b: dout.mean()),
        ),
        Mistake(
            "divided-by-n",
            "It was divided by the number of examples: the loss takes the mean, so dout already holds "
            "that 1/N, and the layer only sums.",
            _divided,
        ),
        Mistake(
            "reshaped-not-transposed",
            "An array was reshaped where it should be transposed: a reshape gives the right shape "
            "with the numbers in the wrong places.",
            _reshaped_not_transposed,
        ),
        Mistake(
            "not-accumulated",
            "Only the last example counts: a loop over the examples overwrites the gradient where it "
            "should add to it (+=).",
            _one_example(slice(-1, None)),
        ),
        Mistake(
            "not-accumulated",
            "Only the first example counts: it must be summed over all the examples.",
            _one_example(slice(1)),
        ),
        Mistake(
            "no-dout",
            "dout was left out: this is the layer's own derivative, which the chain rule multiplies "
            "by dout.",
            _without_dout,
        ),
        Mistake(
            "flattened-in-other-order",
            "The examples were flattened, or dx was given its shape, with the first axis running "
            "fastest; NumPy's ordinary order, the last axis fastest, is meant.",
            _columns_first,
        ),
        Mistake(
            "times-itself",
            "It was multiplied by the very array whose gradient it is; the gradient with respect to one "
            "factor of a product holds the other factor.",
            _times_itself,
        ),
        Mistake(
            "times-b",
            "db was multiplied by b: b enters the output by a sum, whose derivative is 1.",
            _db(lambda dout, b: dout.sum(axis=0) * b),
        ),
    ),
    {
        "dx": "dx = dout @ w.T, in the shape of x",
        "dw": "dw = x.T @ dout, with x flattened to shape (N, D)",
        "db": "db = sum of dout over axis 0",
    },
    _READ,
)  # fmt: skip

ALL = (FORWARD, BACKWARD)
