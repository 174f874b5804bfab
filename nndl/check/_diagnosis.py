"""Finds the most likely reason why a result is wrong.

First the specification's known mistakes: does a wrong twin give the reader's own numbers,
in every case? Then, for what no twin explains, patterns that any array may show: a constant
factor, a sign, a transposition, an axis not summed over, wrong only at the borders.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._compare import as_array, difference, same
from ._specification import (
    EDGE_CASES,
    TEST_MODE,
    VALUES,
    Case,
    Mistake,
    Outputs,
    Specification,
)


class Observed(NamedTuple):
    """What a case gave, and what it must give."""

    case: Case
    got: Outputs
    expected: Outputs


class Diagnosis(NamedTuple):
    """A cause, by its short name and in a sentence."""

    cause: str
    why: str


class Pair(NamedTuple):
    """One output in one case, as arrays."""

    case: Case
    got: np.ndarray
    expected: np.ndarray

    @property
    def right(self) -> bool:
        return same(self.got, self.expected)


def diagnose(
    specification: Specification,
    output: str,
    observed: Sequence[Observed],
    reported: Case | None = None,
) -> Diagnosis:
    """Return the most likely reason why `output` is wrong in some of the cases; in the
    reported one in any case."""
    swapped = _exchanged(specification, output, observed, with_each_other=True)
    if swapped is not None:
        return swapped
    known = _known_mistake(specification, output, observed, reported)
    if known is not None:
        return known
    pairs = []
    for case, got, expected in observed:
        left, right = as_array(got.get(output)), as_array(expected[output])
        if left is not None and right is not None:
            pairs.append(Pair(case, left, right))
    misplaced = _exchanged(specification, output, observed) or _input_returned(
        specification, output, observed
    )
    if misplaced is not None:
        return misplaced
    # A second mistake, in an edge case, must not hide the pattern of the first.
    for stages in _stages_with(reported):
        chosen = [pair for pair in pairs if pair.case.stage in stages]
        wrongs = [pair for pair in chosen if not pair.right]
        rights = [pair for pair in chosen if pair.right]
        for pattern in (*specification.patterns, *PATTERNS):
            found = pattern(output, wrongs, rights)
            if found is not None and found.cause != "offset":
                return found
        found = _multiple_of_input(specification, output, wrongs) or offset(
            output, wrongs, rights
        )
        if found is not None:
            return found
    known = _mistake_of_that_shape(specification, output, observed)
    if known is not None:
        return known
    strange = [got.get(output) for _, got, _ in observed]
    if any(one is not None and as_array(one) is None for one in strange):
        return Diagnosis(
            "not-an-array",
            f"`{output}` must be an array of numbers, or a single number: no list of unequal rows, no "
            "text, no complex numbers, no function that was not called.",
        )
    if any(one is None for one in strange):
        return Diagnosis(
            "missing",
            f"`{output}` is None: it was never computed, or another name was returned in its place.",
        )
    return Diagnosis(
        "unknown",
        "None of the mistakes known here gives these numbers. Follow the smallest case by hand, and "
        "compare every step.",
    )


# ---- known mistakes ------------------------------------------------------------------


def _stages_with(reported: Case | None) -> list[tuple[str, ...]]:
    """Return the stages to be explained together, all of them first; the reported case
    belongs to each."""
    together = [
        (VALUES, TEST_MODE, EDGE_CASES), (VALUES, TEST_MODE), (VALUES,),
    ]  # fmt: skip
    return [one for one in together if reported is None or reported.stage in one]


def _known_mistake(
    specification: Specification,
    output: str,
    observed: Sequence[Observed],
    reported: Case | None = None,
) -> Diagnosis | None:
    """Return the mistake whose twin gives the reader's results in every case, and the
    most wrong ones.

    Who makes a second mistake, in test mode or in an edge case, is told the first one: if no
    twin gives all results, those of the earlier stages alone are looked at.
    """
    for stages in _stages_with(reported):
        chosen = [one for one in observed if one.case.stage in stages]
        best, most = None, (0, 0)
        for mistake in specification.mistakes:
            explained = _explained(specification, mistake, output, chosen)
            if explained > most:
                best, most = mistake, explained
        if best is not None:
            return Diagnosis(best.cause, best.why)
    return None


def _mistake_of_that_shape(
    specification: Specification, output: str, observed: Sequence[Observed]
) -> Diagnosis | None:
    """Return the mistake whose twin gives the reader's shapes, some of which are wrong.

    Who makes two mistakes, one in the numbers and one in the shape, is told the latter.
    """
    got = [_shape_of(one.got.get(output)) for one in observed]
    if None in got or got == [_shape_of(one.expected[output]) for one in observed]:
        return None
    for mistake in specification.mistakes:
        twins = (_outputs_of_twin(specification, mistake, one.case) for one in observed)
        if all(
            _shape_of(twin.get(output)) == shape
            for twin, shape in zip(twins, got, strict=True)
        ):
            return Diagnosis(mistake.cause, mistake.why)
    return None


def _shape_of(value: Any) -> tuple[int, ...] | None:
    array = as_array(value)
    return None if array is None else array.shape


def _explained(
    specification: Specification,
    mistake: Mistake,
    output: str,
    observed: Sequence[Observed],
) -> tuple[int, int]:
    """Return how many wrong results of `output` a mistake explains, none if it fails to
    explain one; and how often the other outputs agree."""
    wrong, others = 0, 0
    for case, got, expected in observed:
        twin = _outputs_of_twin(specification, mistake, case)
        if not same(got.get(output), twin.get(output)):
            return 0, 0
        wrong += not same(twin.get(output), expected[output])
        others += sum(
            same(got.get(other), twin.get(other))
            for other in expected
            if other != output
        )
    return (wrong, others) if wrong else (0, 0)


def _outputs_of_twin(
    specification: Specification, mistake: Mistake, case: Case
) -> Outputs:
    """Return what a wrong twin gives; nothing where it fails altogether."""
    key = id(specification), id(mistake), id(case)
    if key not in _of_twins:
        forward = mistake.forward or specification.reference_forward()
        outputs: Outputs = {}
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                outputs = specification.observe(mistake.twin, forward, case)
        except Exception:
            outputs = {}
        _of_twins[key] = outputs, (specification, mistake, case)
    return _of_twins[key][0]


#: What the twins gave in this examination, with what the keys are made of, so that no other
#: object can take its place in memory.
_of_twins: dict[tuple[int, int, int], tuple[Outputs, Any]] = {}


def forget_twins() -> None:
    """Forget what the twins of an earlier examination gave."""
    _of_twins.clear()


def _exchanged(
    specification: Specification,
    output: str,
    observed: Sequence[Observed],
    with_each_other: bool = False,
) -> Diagnosis | None:
    """Look for a result that stands in the place of another, and which the other one
    stands in the place of as well if it is to be `with_each_other`."""
    wrong = [
        one for one in observed if not same(one.got.get(output), one.expected[output])
    ]
    for other in specification.returns:
        if (
            other != output
            and wrong
            and all(
                other in expected
                and same(got.get(output), expected[other])
                and (not with_each_other or same(got.get(other), expected.get(output)))
                for _, got, expected in wrong
            )
        ):
            return Diagnosis(
                "return-order",
                f"What stands in the place of `{output}` is `{other}`: the results must be returned in "
                f"the order {', '.join(specification.returns)}.",
            )
    return None


def diagnose_exception(
    specification: Specification,
    observed: Sequence[Observed],
    failed: Case,
    error: BaseException | None,
) -> Diagnosis | None:
    """Return the mistake whose twin fails where the reader's function failed, by the same
    exception, and gives its results elsewhere."""
    for mistake in specification.mistakes if observed else ():
        if type(error) is not _exception_of_twin(specification, mistake, failed):
            continue
        for case, got, expected in observed:
            twin = _outputs_of_twin(specification, mistake, case)
            if not all(same(got.get(output), twin.get(output)) for output in expected):
                break
        else:
            return Diagnosis(mistake.cause, mistake.why)
    return None


def _exception_of_twin(
    specification: Specification, mistake: Mistake, case: Case
) -> type[BaseException] | None:
    """Return what kind of exception a wrong twin raises, if it does."""
    forward = mistake.forward or specification.reference_forward()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            specification.observe(mistake.twin, forward, case)
    except Exception as error:
        return type(error)
    return None


def _input_returned(
    specification: Specification, output: str, observed: Sequence[Observed]
) -> Diagnosis | None:
    """Look for an input that comes back as a result."""
    wrong = [
        one for one in observed if not same(one.got.get(output), one.expected[output])
    ]
    belongs = getattr(specification, "forward_specification", specification)
    for place, name in enumerate(belongs.parameters):
        if wrong and all(
            place < len(case.arguments)
            and isinstance(case.arguments[place], np.ndarray)
            and same(got.get(output), case.arguments[place])
            for case, got, _ in wrong
        ):
            return Diagnosis(
                "input-returned",
                f"What comes back as `{output}` is the input `{name}`, as it came.",
            )
    return None


def _multiple_of_input(
    specification: Specification, output: str, wrong: list[Pair]
) -> Diagnosis | None:
    """Look for a result to which a multiple of an input was added, or lacks it."""
    belongs = getattr(specification, "forward_specification", specification)
    for place, name in enumerate(belongs.parameters):
        times = [_times_input(pair, place) for pair in wrong]
        if not times or None in times:
            continue
        found = [one for one in times if one is not None]
        size = f"a multiple of `{name}` that depends on the sizes"
        if all(math.isclose(one, found[0], rel_tol=1e-3) for one in found):
            size = f"{abs(found[0]):.3g} times `{name}`"
        if output == f"d{name}":
            return Diagnosis(
                "penalty-included",
                f"`{output}` is right but for {size}, added to it. That is the gradient of a penalty on "
                "the weights (regularization), which belongs to the network and not to the layer.",
            )
        what = "added to" if found[0] > 0 else "missing from"
        return Diagnosis(
            "input-added",
            f"`{output}` is right but for {size}, {what} it: does `{name}` come in as often as it must, "
            "and with the right sign?",
        )
    return None


def _times_input(pair: Pair, place: int) -> float | None:
    """Return how many times an input must be taken from what was got to make it right."""
    case, got, expected = pair
    given = case.arguments[place] if place < len(case.arguments) else None
    if (
        not isinstance(given, np.ndarray) or given.dtype.kind != "f" or got.size < 2
        or got.shape != expected.shape or not np.isfinite(got).all()
    ):  # fmt: skip
        return None
    try:
        spread = np.broadcast_to(given, got.shape)
    except ValueError:
        return None
    return _ratio(got.astype("float64") - expected, spread)


# ---- patterns ------------------------------------------------------------------------
# Each is given the wrong results and the right ones, and returns a diagnosis or None.


def shape(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for a transposition, a flattening, an axis too many or too few."""
    pairs = [pair for pair in wrong if pair.got.shape != pair.expected.shape]
    if not pairs:
        return None
    if all(same(got.T, expected) for _, got, expected in pairs):
        return Diagnosis(
            "transposed",
            f"`{output}` is right, but transposed: its axes are in the opposite order.",
        )
    moved = _moved_axes(pairs)
    if moved is not None:
        return Diagnosis(
            "transposed",
            f"The numbers of `{output}` are right, but its axes are in another order: transpose{moved} "
            "puts them right.",
        )
    if all(got.size == expected.size for _, got, expected in pairs):
        if all(
            same(got.reshape(expected.shape), expected) for _, got, expected in pairs
        ):
            return Diagnosis(
                "reshape",
                f"The numbers of `{output}` are right, but in another shape: reshape them.",
            )
        return Diagnosis(
            "reshape",
            f"`{output}` has as many numbers as it must, but in another shape.",
        )
    axes = [_summed_axes(got, expected) for _, got, expected in pairs]
    if all(axis is not None and axis == axes[0] for axis in axes):
        return Diagnosis(
            "not-reduced",
            f"`{output}` is right before its last step: it still has to be summed over "
            f"{_axes(axes[0] or ())}.",
        )
    if all(got.ndim > expected.ndim for _, got, expected in pairs):
        return Diagnosis(
            "not-reduced", f"`{output}` has axes that should have been summed over."
        )
    if all(got.size >= expected.size for _, got, expected in pairs) and any(
        got.ndim < expected.ndim and got.size > expected.size
        for _, got, expected in pairs
    ):
        return Diagnosis(
            "not-reduced",
            f"`{output}` has too many numbers: an axis is left that should have been summed over.",
        )
    if all(got.ndim < expected.ndim for _, got, expected in pairs):
        return Diagnosis(
            "reduced-too-far",
            f"`{output}` has lost axes: it was summed, or flattened, over too many.",
        )
    if all(got.ndim == expected.ndim == 1 for _, got, expected in pairs):
        return Diagnosis(
            "wrong-axis",
            f"`{output}` has the length of another axis: it was probably summed over the wrong one.",
        )
    return None


def _moved_axes(pairs: list[Pair]) -> tuple[int, ...] | None:
    """Return the order of axes that makes every `got` right."""
    if len({pair.got.ndim for pair in pairs} | {p.expected.ndim for p in pairs}) > 1:
        return None
    for moved in itertools.permutations(range(pairs[0].got.ndim)):
        if all(same(got.transpose(moved), expected) for _, got, expected in pairs):
            return moved
    return None


def _summed_axes(got: np.ndarray, expected: np.ndarray) -> tuple[int, ...] | None:
    """Return the axes of `got` whose sum is `expected`."""
    for count in range(1, got.ndim + 1):
        for axes in itertools.combinations(range(got.ndim), count):
            for keepdims in (False, True):
                if same(got.sum(axis=axes, keepdims=keepdims), expected):
                    return axes
    return None


def _axes(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"the axes {axes}"


def half_precision(
    output: str, wrong: list[Pair], right: list[Pair]
) -> Diagnosis | None:
    """Look for numbers that are right to three digits, which is all that float16 holds."""
    if wrong and all(
        got.dtype == np.float16
        and got.shape == expected.shape
        and np.allclose(got, expected, 5e-3, 1e-2)
        for _, got, expected in wrong
    ):
        return Diagnosis(
            "half-precision",
            f"`{output}` is of float16, which holds three digits: make it with the dtype of an input.",
        )
    return None


def zeros(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for an array that was never filled in."""
    if wrong and all(got.size and not got.any() for _, got, _ in wrong):
        return Diagnosis(
            "zeros", f"`{output}` is all zeros: was it made and never filled in?"
        )
    return None


def overflow(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for numbers that are not finite where they must be."""
    if not wrong or not all(
        got.dtype.kind == "f" and not np.isfinite(got[_finite(got, expected)]).all()
        for _, got, expected in wrong
    ):
        return None
    if all("large" in case.name for case, _, _ in wrong):
        return Diagnosis(
            "overflow",
            "Large numbers overflow on the way: subtract the largest one before an exponential, and "
            "divide before you square.",
        )
    return Diagnosis(
        "not-finite",
        f"`{output}` holds NaN or infinity: something is divided by 0, or is the logarithm or the root "
        "of a number that may not be.",
    )


def _finite(got: np.ndarray, expected: np.ndarray) -> Any:
    return np.isfinite(expected) if got.shape == expected.shape else slice(None)


def factor(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for a constant factor, and for the size that it is."""
    factors = [_ratio(got, expected) for _, got, expected in wrong]
    if not factors or any(found is None for found in factors):
        return None
    # Between two single numbers there is always a factor: then it must be the same for several.
    single = all(expected.size == 1 for _, _, expected in wrong)
    found = [float(one) for one in factors if one is not None]
    if all(math.isclose(one, -1, rel_tol=1e-4) for one in found):
        return Diagnosis("sign", f"`{output}` has the opposite sign everywhere.")
    sign = ", and has the opposite sign" if all(one < 0 for one in found) else ""
    for name, values in _candidates([case for case, _, _ in wrong]):
        if all(
            math.isclose(-one if sign else one, value, rel_tol=1e-4)
            for one, value in zip(found, values, strict=True)
        ):
            return Diagnosis("factor", f"`{output}` is {name} everywhere{sign}.")
    if single and len(found) == 1:
        return None
    if all(math.isclose(one, found[0], rel_tol=1e-4) for one in found):
        return Diagnosis(
            "factor",
            f"`{output}` is {found[0]:.4g} times what it should be, everywhere.",
        )
    if single:
        return None
    return Diagnosis(
        "factor",
        f"`{output}` is wrong by one factor for all its numbers, which depends on the sizes.",
    )


def _ratio(got: np.ndarray, expected: np.ndarray) -> float | None:
    """Return the factor between two arrays, if there is just one."""
    if got.shape != expected.shape or not np.isfinite(got).all() or not expected.any():
        return None
    got, expected = got.astype("float64"), expected.astype("float64")
    place = np.unravel_index(np.argmax(np.abs(expected)), expected.shape)
    ratio = float(got[place] / expected[place])
    return ratio if ratio != 0 and same(got, ratio * expected) else None


def _candidates(cases: list[Case]) -> Iterator[tuple[str, list[float]]]:
    """Yield factors in words, each with its value in every case."""
    names = [
        name for name in cases[0].sizes if all(name in case.sizes for case in cases)
    ]
    products: list[tuple[str, ...]] = [(name,) for name in names]
    products += itertools.combinations(names, 2)
    for product in products:
        values = [math.prod(case.sizes[name] for name in product) for case in cases]
        text = " * ".join(product)
        if all(value in (0, 1) for value in values):
            continue
        if all(
            value < 1 for value in values
        ):  # probabilities make smaller, sizes larger
            yield f"too small, as if multiplied by {text},", values
            yield f"too large, as if divided by {text},", [1 / v for v in values]
            root = [math.sqrt(v) for v in values]
            yield f"too small, as if multiplied by the root of {text},", root
            yield (
                f"too large, as if divided by the root of {text},",
                [1 / v for v in root],
            )
            continue
        yield f"too large by the factor {text} (divide by {text})", values
        yield (
            f"too small by the factor {text} (it was divided by {text})",
            [1 / v for v in values],
        )
        yield f"too large by the root of {text}", [math.sqrt(v) for v in values]
        yield f"too small by the root of {text}", [1 / math.sqrt(v) for v in values]
    for name in names:
        values = [case.sizes[name] for case in cases]
        if all(value > 1 for value in values):
            yield f"too large by {name} / ({name} - 1)", [v / (v - 1) for v in values]
            yield f"too small by ({name} - 1) / {name}", [(v - 1) / v for v in values]
    for number in (2, 3, 4):
        yield f"{number} times too large", [float(number)] * len(cases)
        yield f"{number} times too small", [1 / number] * len(cases)


def one_number(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for arrays that hold one number everywhere, the sum of the right ones perhaps."""
    arrays = [pair for pair in wrong if pair.got.size > 1]
    if len(arrays) < 2 or any(
        got.shape != expected.shape or not same(got, np.full_like(got, got.flat[0]))
        for _, got, expected in arrays
    ):
        return None
    for of, name in ((np.sum, "sum"), (np.mean, "mean")):
        if all(same(got.flat[0], of(expected)) for _, got, expected in arrays):
            return Diagnosis(
                "summed-to-one-number",
                f"Every number of `{output}` is the {name} of them all: one axis too many was summed "
                "over.",
            )
    return Diagnosis(
        "same-number",
        f"All numbers of `{output}` are the same, and they should differ: was it summed, or averaged, "
        "over too many axes?",
    )


def cut_at_zero(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for results that are right where they are positive, and 0 elsewhere."""
    if wrong and all(
        got.shape == expected.shape and got.any() and same(got, np.maximum(0, expected))
        for _, got, expected in wrong
    ):
        return Diagnosis(
            "cut-at-zero",
            f"`{output}` is right where it is positive, and 0 where it should be negative: a ReLU has "
            "no place here, it is a layer of its own.",
        )
    return None


def transposed(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for right numbers along the wrong axes."""
    if not wrong or any(
        got.shape != expected.shape or got.ndim < 2 for _, got, expected in wrong
    ):
        return None
    if all(same(np.swapaxes(got, -1, -2), expected) for _, got, expected in wrong):
        return Diagnosis(
            "transposed", f"`{output}` is right with its last two axes exchanged."
        )
    return None


def order(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for right numbers in wrong places."""
    if wrong and all(
        got.shape == expected.shape
        and got.size > 1
        and same(np.sort(got, axis=None), np.sort(expected, axis=None))
        for _, got, expected in wrong
    ):
        return Diagnosis(
            "order",
            f"`{output}` holds the right numbers in the wrong places: look at the order of the axes in "
            "a reshape or transpose.",
        )
    return None


def borders(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for images that are wrong only along their edges."""
    for _, got, expected in wrong:
        if got.shape != expected.shape or got.ndim != 4 or min(got.shape[2:]) < 3:
            return None
        found = difference(got, expected)
        if found is None or found.wrong[:, :, 1:-1, 1:-1].any():
            return None
    if not wrong:
        return None
    return Diagnosis(
        "borders",
        f"`{output}` is right inside the images and wrong along their borders: look at the padding, and "
        "at the first and the last window.",
    )


def one_case(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for a result that is right on ordinary inputs and wrong on special ones."""
    if (
        not right
        or not wrong
        or any(p.case.stage not in (TEST_MODE, EDGE_CASES) for p in wrong)
    ):
        return None
    if all(case.stage == TEST_MODE for case, _, _ in wrong):
        return Diagnosis(
            "test-mode", "It is right in training, and wrong in test mode only."
        )
    names = _enumeration([case.name for case, _, _ in wrong])
    return Diagnosis(
        "special-case",
        f"It is right in the ordinary cases, and wrong only for {names}.",
    )


def offset(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for a term that is missing, or too much, and is the same along an axis."""
    if not wrong or any(
        got.shape != expected.shape or got.size < 2 or not np.isfinite(got).all()
        for _, got, expected in wrong
    ):
        return None
    gaps = [got.astype("float64") - expected for _, got, expected in wrong]
    if all(same(gap, np.full_like(gap, gap.flat[0])) for gap in gaps):
        return Diagnosis(
            "offset",
            f"`{output}` is off by the same amount everywhere: a term was left out, or added twice.",
        )
    for axis in range(max(gap.ndim for gap in gaps)):
        # An axis of length 1 says nothing.
        if any(gap.ndim > axis and gap.shape[axis] > 1 for gap in gaps) and all(
            gap.ndim > axis
            and same(gap, np.broadcast_to(gap.take([0], axis), gap.shape))
            for gap in gaps
        ):
            return Diagnosis(
                "offset",
                f"`{output}` is off by an amount that does not change along axis {axis}: a term that "
                "is the same for all of them was left out, or added twice.",
            )
    return None


def _enumeration(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


PATTERNS = (
    shape, half_precision, zeros, overflow, factor, one_number, cut_at_zero, transposed, order,
    borders, one_case, offset,
)  # fmt: skip
