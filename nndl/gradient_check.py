"""Numeric gradients, to hold the derived ones against.

The centred difference ``(f(x + h) - f(x - h)) / 2h`` needs two evaluations of `f` for
every number in `x`: far too slow to train with, and simple enough to trust.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._arguments import (
    Array,
    as_float_array,
    as_function,
    as_numbers,
    flag,
    number,
    whole_number,
)
from ._random import RandomSource, random_generator

__all__ = [
    "eval_numerical_gradient",
    "eval_numerical_gradient_array",
    "grad_check_sparse",
    "rel_error",
]


def rel_error(x: Any, y: Any) -> float:
    r"""Return the largest relative difference of two arrays.

    .. math:: \max_i \frac{|x_i - y_i|}{\max(10^{-8},\; |x_i| + |y_i|)}

    Parameters
    ----------
    x, y : arrays of one shape, or numbers

    Returns
    -------
    float
        0 for equal (or empty) arrays, at most 1; NaN if either holds a NaN or an
        infinity.

    Raises
    ------
    ValueError
        If the shapes differ: arrays that merely broadcast against each other are not
        equal.
    TypeError
        If `x` or `y` is not of float32, float64, integers or booleans.
    """
    x, y = as_float_array("x", x), as_float_array("y", y)
    if x.shape != y.shape:
        raise ValueError(
            f"`x` and `y` must have one shape, but have {x.shape} and {y.shape}."
        )
    if x.size == 0:
        return 0.0
    with np.errstate(invalid="ignore"):
        return float(np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y))))


def eval_numerical_gradient(
    f: Callable[[Array], Any], x: Array, verbose: bool = False, h: float = 1e-5
) -> Array:
    """Return the numeric gradient of a function with one number as its value.

    Parameters
    ----------
    f : callable
        ``f(x)`` returns a number. It may also read the array `x` from elsewhere, a
        network's parameters say: `x` itself is changed while `f` runs, and restored
        afterwards.
    x : float array
        Where to take the gradient; float64, since float32 leaves hardly any digits.
    verbose : bool, optional
        Whether to print each entry.
    h : float, optional
        Half the distance between the two evaluations.

    Returns
    -------
    array, the shape of `x`

    Raises
    ------
    TypeError
        If `x` is not an array of floats, or `f` is no function or returns no numbers.
    ValueError
        If `x` is read-only, `h` is not above 0, or `f` returns more than one number.
    """
    h = _check(f, x, h)
    verbose = flag("verbose", verbose)
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        gradient[index] = _slope(f, x, index, h)
        if verbose:
            print(index, gradient[index])
    return gradient


def eval_numerical_gradient_array(
    f: Callable[[Array], Array], x: Array, df: Array | float, h: float = 1e-5
) -> Array:
    r"""Return the numeric gradient of a loss that reaches `x` only through an array
    ``f(x)``.

    .. math:: \frac{\partial L}{\partial x_i} =
              \sum_j \frac{\partial L}{\partial f_j} \frac{\partial f_j}{\partial x_i}

    Parameters
    ----------
    f : callable
        ``f(x)`` returns an array.
    x : float array
        Where to take the gradient. It is changed while `f` runs, and restored
        afterwards.
    df : array, the shape of ``f(x)``
        The gradient of the loss with respect to ``f(x)``; in a layer's check, `dout`.
    h : float, optional
        Half the distance between the two evaluations.

    Returns
    -------
    array, the shape of `x`

    Raises
    ------
    TypeError
        If `x` is not an array of floats, or `f` is no function or returns no numbers.
    ValueError
        If `x` is read-only, `h` is not above 0, or `df` has another shape than
        ``f(x)``.
    """
    h = _check(f, x, h)
    df = as_numbers("df", df)
    shape = as_numbers("f(x)", f(x)).shape
    if df.shape != shape:
        raise ValueError(
            f"`df` must have the shape of f(x), {shape}, but its shape is {df.shape}."
        )
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        change = _nudged(f, x, index, h) - _nudged(f, x, index, -h)
        gradient[index] = np.sum(change * df) / (2 * h)
    return gradient


def grad_check_sparse(
    f: Callable[[Array], Any],
    x: Array,
    analytic_grad: Array,
    num_checks: int = 10,
    h: float = 1e-5,
    rng: RandomSource = None,
) -> float:
    """Compare an analytic gradient with the numeric one at a few random entries, and
    print them.

    Parameters
    ----------
    f : callable
        ``f(x)`` returns a number.
    x : float array
        Where to take the gradient. It is changed while `f` runs, and restored
        afterwards.
    analytic_grad : array, the shape of `x`
        The gradient to check.
    num_checks : int, optional
        How many entries to draw.
    h : float, optional
        Half the distance between the two evaluations.
    rng : numpy.random.Generator, int or None, optional
        Where the entries are drawn from; None follows NumPy's global state.

    Returns
    -------
    float
        The largest relative error among the entries.

    Raises
    ------
    TypeError
        If `x` is not an array of floats, or `f` is no function or returns no numbers.
    ValueError
        If `x` is read-only or empty, `h` is not above 0, `num_checks` is less than 1,
        or `analytic_grad` has another shape than `x`.
    """
    h = _check(f, x, h)
    num_checks = whole_number("num_checks", num_checks, at_least=1)
    analytic_grad = as_numbers("analytic_grad", analytic_grad)
    if analytic_grad.shape != x.shape:
        raise ValueError(
            f"`analytic_grad` must have the shape of `x`, {x.shape}, but its shape is "
            f"{analytic_grad.shape}."
        )
    if x.size == 0:
        raise ValueError(
            f"`x` must hold at least one number, but its shape is {x.shape}."
        )
    errors = []
    for flat in random_generator(rng).choice(x.size, num_checks):
        index = tuple(int(i) for i in np.unravel_index(flat, x.shape))
        numeric = _slope(f, x, index, h)
        error = rel_error(numeric, analytic_grad[index])
        print(
            f"numerical: {numeric:f} analytic: {analytic_grad[index]:f}, relative error: {error:e}"
        )
        errors.append(error)
    return float(np.max(errors))


def _check(f: Callable[[Array], Any], x: Array, h: float) -> float:
    as_function("f", f)
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        found = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(
            f"`x` must be an array of floats, since a small step is added to it, but is {found}."
        )
    if not x.flags.writeable:
        raise ValueError(
            "`x` must be writable, since a small step is added to it, but is read-only."
        )
    return number("h", h, above=0)


def _slope(
    f: Callable[[Array], Any], x: Array, index: tuple[int, ...], h: float
) -> Any:
    """Return the centred difference of a function with one number as its value."""
    change = _nudged(f, x, index, h) - _nudged(f, x, index, -h)
    if change.size != 1:
        raise ValueError(
            f"`f` must return one number, but returned an array of shape {change.shape}."
        )
    return change.reshape(()) / (2 * h)


def _nudged(
    f: Callable[[Array], Any], x: Array, index: tuple[int, ...], step: float
) -> Any:
    """Evaluate `f` with one entry of `x` moved by `step`, and put the entry back."""
    original = x[index]
    try:
        x[index] = original + step
        value = as_numbers("f(x)", f(x))
        # Integers would wrap around where the smaller is subtracted from the larger.
        dtype = value.dtype if value.dtype.kind == "f" else np.float64
        # A copy, taken before the entry goes back: `f` may return `x` itself, or one array each time.
        return np.array(value, dtype)
    finally:
        x[index] = original
