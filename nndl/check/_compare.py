"""Says whether two results are equal, and where they differ most."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

#: Far above the rounding of any sensible order of operations, float32 steps on the way
#: included, and far below what a wrong formula gives on numbers of about 1.
TOLERANCE = {"float64": 1e-5, "float32": 1e-3}


class Difference(NamedTuple):
    """Where two arrays of one shape differ."""

    wrong: np.ndarray  # of booleans
    worst: tuple[int, ...]
    got: float
    expected: float

    @property
    def size(self) -> int:
        return int(self.wrong.sum())


def as_array(value: Any) -> np.ndarray | None:
    """Return a result as an array of numbers, or None if it is not one."""
    if value is None:
        return None
    try:
        array = np.asarray(value)
    except Exception:  # of ragged lists NumPy's own, of a strange object any
        return None
    return array if array.dtype.kind in "fiub" else None


def tolerance(dtype: Any) -> float:
    return TOLERANCE.get(np.dtype(dtype).name, TOLERANCE["float64"])


def difference(got: Any, expected: Any) -> Difference | None:
    """Return where `got` differs from `expected`, arrays of one shape; None if it does
    not.

    What counts is the difference relative to the number itself and to the largest one
    of the array. A NaN equals a NaN here, and an infinity itself.
    """
    got, expected = np.asarray(got), np.asarray(expected)
    within = tolerance(expected.dtype if expected.dtype.kind == "f" else "float64")
    got, expected = got.astype("float64"), expected.astype("float64")
    finite = np.isfinite(expected)
    scale = np.abs(expected[finite]).max(initial=0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(got - expected)
        near = distance <= within * (np.abs(expected) + scale) + 1e-10
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    wrong = ~(same | (near & finite))
    if not wrong.any():
        return None
    rank = np.where(wrong, np.where(np.isfinite(distance), distance, np.inf), -1.0)
    worst = index_of(np.argmax(rank), rank.shape)
    return Difference(wrong, worst, float(got[worst]), float(expected[worst]))


def same(got: Any, expected: Any) -> bool:
    """Return whether two results are equal: their shapes, and their numbers up to
    rounding."""
    left, right = as_array(got), as_array(expected)
    if left is None or right is None:
        return left is None and right is None
    return left.shape == right.shape and difference(left, right) is None


# ---- places in an array --------------------------------------------------------------


def index_of(flat: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of the number that is the `flat`-th of an array."""
    return tuple(int(i) for i in np.unravel_index(int(flat), shape))


def first(mask: np.ndarray) -> tuple[int, ...]:
    """Return the first index at which `mask` is true."""
    return index_of(np.argmax(mask), mask.shape)


def at(index: tuple[int, ...]) -> str:
    """Return an index in words; nothing for that of a single number."""
    return f" at [{', '.join(map(str, index))}]" if index else ""
