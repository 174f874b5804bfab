"""Finds what any gradient that disagrees with its slopes may show: a wrong shape, a factor,
axes exchanged. The patterns are those of `_diagnosis`, here with a single case, and for a
large array with slopes along a few directions only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .. import _diagnosis
from .._diagnosis import Diagnosis, Pair
from .._specification import Case
from ._measured import Measured
from ._slopes import Array


def likely_cause(
    output: str, measured: Measured, sizes: Mapping[str, float]
) -> Diagnosis | None:
    """Return the pattern that the gradient shows, if there is one; `sizes` may turn up
    as a wrong factor."""
    got = measured.got
    assert got is not None
    case = Case("", (), sizes=sizes)
    if got.shape != measured.shape:
        return _cause_of_shape(output, measured, case)
    if not got.any():
        return _diagnosis.zeros(output, [Pair(case, got, got)], [])
    if measured.numeric is None:
        return _along_directions(output, measured, case)
    pair = Pair(case, got, measured.numeric)
    for pattern in _diagnosis.PATTERNS:
        found = pattern(output, [pair], [])
        if found is not None and found.cause == "factor":
            return factor(output, pair)
        if found is not None:
            return found
    return None


def factor(output: str, pair: Pair) -> Diagnosis | None:
    """Look for a constant factor. With a single case, a 2 is likelier a 2 than the root of
    a 4."""
    found = _diagnosis.factor(output, [pair], [])
    if found is not None and any(
        text in found.why for text in ("root of", " * ", " - 1")
    ):
        plain = _diagnosis.factor(output, [pair._replace(case=Case("", ()))], [])
        if plain is not None and " times too " in plain.why:
            return plain
    return found


def _along_directions(output: str, measured: Measured, case: Case) -> Diagnosis | None:
    got = measured.got
    assert got is not None
    pair = Pair(case, *measured.as_vectors(got))
    if len(pair.got) > 2 and (found := factor(output, pair)):
        return found
    if got.ndim > 1 and measured.agrees(np.swapaxes(got, -1, -2)):
        pair = Pair(case, got, np.swapaxes(got, -1, -2))
        return _diagnosis.transposed(output, [pair], [])
    for axis in range(got.ndim):
        if measured.agrees(np.flip(got, axis)):
            return Diagnosis(
                "order", f"`{output}` is right, but reversed along axis {axis}."
            )
    return None


def _cause_of_shape(output: str, measured: Measured, case: Case) -> Diagnosis:
    got, expected = measured.got, measured.numeric
    assert got is not None
    if expected is None:
        # The pattern is to see the candidate that agrees, if there is one.
        expected = next(
            (one for one in _reshaped(got, measured.shape) if measured.agrees(one)),
            np.full(measured.shape, np.nan),
        )
    found = _diagnosis.shape(output, [Pair(case, got, expected)], [])
    return found or Diagnosis(
        "shape", "The gradient has exactly the shape of what it belongs to."
    )


def _reshaped(got: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield what a gradient of a wrong shape may become."""
    if got.T.shape == shape:
        yield got.T
    if got.size == np.prod(shape, dtype=int):
        yield got.reshape(shape)
    for axis in range(got.ndim):
        for keepdims in (False, True):
            summed = got.sum(axis, keepdims=keepdims)
            if summed.shape == shape:
                yield summed
