"""Holds a backward pass of the reader's own against the slopes of its forward pass.

A slope is measured along a direction, which is a single entry of an array or a random
mixture of all of them: ``(f(x + h d) - f(x - h d)) / 2h`` for several h. Where the first
does not agree with the gradient, the others tell a wrong gradient, whose slopes converge to
something else, from a kink, whose slopes on the left and on the right do not converge to
one another, and from a jump.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._arguments import number, whole_number
from .._random import random_generator
from . import _diagnosis
from ._calls import (
    OutOfTime,
    Trouble,
    _muted,
    check_signature,
    line_of,
    time_limit,
)
from ._compare import as_array, same
from ._diagnosis import Diagnosis, Pair
from ._result import Finding, Result, Stage
from ._specification import Case

Array = np.ndarray
Function = Callable[..., Any]
Index = tuple[int, ...]

#: Above so many numbers, an array is checked along random directions.
LARGE = 400
#: Relative to the gradient's size. The best step leaves an error of about 1e-10.
WITHIN = 1e-5
#: What a first look takes, and what a second one takes, from the finest to the coarsest.
STEP, STEPS = 1e-5, (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)

READ = 'chapter 1, section "Checking gradients against numbers"'
_EPSILON = float(np.finfo(np.float64).eps)


def check_gradients(
    forward: Function,
    backward: Function,
    *inputs: Any,
    hint: int = 2,
    time_limit: float = 5.0,
    rng: Any = 0,
) -> Result:
    r"""Check the backward pass of a layer of your own against its forward pass.

    For a random `dout`, each gradient is compared with the slopes of
    :math:`\sum_j \mathrm{dout}_j \, \mathrm{out}_j`, in float64: entry by entry, or, for
    an array of more than 400 numbers, along random directions.

    Parameters
    ----------
    forward : callable
        ``forward(*inputs)`` returns ``out`` or ``(out, cache)``; `out` is an array, or
        one number: a loss.
    backward : callable
        ``backward(dout, cache)``, or ``backward(dout)`` if there is no cache, returns
        the gradients with respect to those inputs that are arrays of floats, in their
        order; None for one that is not wanted. `dout` has the shape of `out`, and is 1
        if that is one number.
    *inputs
        What `forward` is called with. Every call gets copies.
    hint : {1, 2, 3}, optional
        How much the result shows: where it is wrong; why it most likely is; the formula
        too.
    time_limit : float, optional
        Seconds after which a single call is stopped.
    rng : numpy.random.Generator, int or None, optional
        Where `dout` and the directions are drawn from.

    Returns
    -------
    Result
        Kinks, where the slopes on the left and on the right differ and no gradient can
        agree with both, are no findings but notes; there, the gradient is checked
        beside the kink as well.

    Raises
    ------
    ValueError
        If none of the inputs is an array of floats, `hint` is not 1, 2 or 3, or
        `time_limit` is not above 0.
    TypeError
        If `forward` or `backward` cannot be called.

    Examples
    --------
    >>> import numpy as np
    >>> from nndl.check import check_gradients
    >>> def square(x):
    ...     return x * x, x
    >>> def square_backward(dout, x):
    ...     return x * dout
    >>> check_gradients(square, square_backward, np.array([1.0, 2.0, 3.0])).passed
    False
    """
    for called, function in (("forward", forward), ("backward", backward)):
        if not callable(function):
            raise TypeError(f"`{called}` must be a function, but is {function!r}.")
    hint = whole_number("hint", hint, at_least=1)
    if hint > 3:
        raise ValueError(f"`hint` must be 1, 2 or 3, but is {hint}.")
    seconds = number("time_limit", time_limit, above=0)
    if not any(_is_wanted(one) for one in inputs):
        raise ValueError(
            "`inputs` must hold at least one array of floats, whose gradient can be checked, but "
            f"holds {', '.join(type(one).__name__ for one in inputs) or 'nothing'}."
        )
    layer = _Layer(forward, backward, inputs, seconds, random_generator(rng))
    findings, stages, notes = _Examination(layer).run()
    name = getattr(backward, "__name__", "backward")
    if name == "<lambda>":
        name = getattr(forward, "__name__", "forward")
    return Result(
        "gradients" if name == "<lambda>" else name, findings, stages, notes, hint
    )


def _is_wanted(one: Any) -> bool:
    return isinstance(one, np.ndarray) and one.dtype.kind == "f"


# ---- slopes --------------------------------------------------------------------------


class Probe(NamedTuple):
    """What was measured along one direction."""

    #: 'right', 'wrong', 'kink', 'jump', 'edge' (not finite on one side) or 'unclear'.
    status: str
    got: float
    slope: float
    left: float = 0.0
    right: float = 0.0


class Slopes:
    """Measures how an output changes with one array.

    Parameters
    ----------
    x : float64 array
        Moved while `evaluate` runs, and put back.
    evaluate : callable
        ``evaluate()`` returns the output, which depends on `x`.
    dout : array
        The output's gradient: slopes are those of ``sum(dout * output)``.
    """

    def __init__(self, x: Array, evaluate: Callable[[], Any], dout: Any) -> None:
        self.x, self.evaluate, self.dout = x, evaluate, np.asarray(dout)
        here = np.array(evaluate())
        self.here = here.astype(np.float64)
        precision = max(
            _EPSILON,
            float(np.finfo(here.dtype).eps) if here.dtype.kind == "f" else 0.0,
        )
        #: The rounding of one evaluation.
        self.noise = precision * float(np.abs(self.here * self.dout).sum())
        #: A step is relative to this.
        self.scale = max(1.0, float(np.abs(x).max(initial=0.0)))
        self._wrong = 0

    def moved(self, direction: Index | Array, by: float) -> Array:
        """Return the output for `x` moved along a direction."""
        if isinstance(direction, tuple):
            kept = self.x[direction]
            try:
                self.x[direction] = kept + by
                return np.array(self.evaluate(), np.float64)
            finally:
                self.x[direction] = kept
        before = self.x.copy()
        try:
            self.x += by * direction
            return np.array(self.evaluate(), np.float64)
        finally:
            self.x[...] = before

    def change(self, direction: Index | Array, h: float) -> Array:
        """Return the centred difference of the output."""
        h = h * self.scale
        return (self.moved(direction, h) - self.moved(direction, -h)) / (2 * h)

    def centred(self, direction: Index | Array, h: float = STEP) -> float:
        return float(np.sum(self.change(direction, h) * self.dout))

    def probe(self, direction: Index | Array, got: float, size: float) -> Probe:
        """Compare the gradient's claim, `got`, with the slope along a direction; `size`
        is that of the gradients around it."""
        slope = self.centred(direction)
        if self._near(got, slope, STEP, size):
            return Probe("right", got, slope)
        if self._wrong >= 20:  # it is known by now that the gradient is wrong
            finer = self.centred(direction, STEP / 10)
            if (
                abs(finer - slope)
                <= 1e-3 * abs(slope) + 20 * self.noise / STEP / self.scale
            ):
                return Probe("wrong", got, slope)
        found = self._second_look(direction, got, size)
        self._wrong += found.status == "wrong"
        return found

    def _near(self, got: float, slope: float, h: float, size: float) -> bool:
        within = WITHIN * (abs(slope) + min(size, 1e3 * abs(slope) + 1e3 * abs(got)))
        return abs(got - slope) <= within + 2 * self.noise / (h * self.scale)

    def _second_look(self, direction: Index | Array, got: float, size: float) -> Probe:
        """Measure with all steps, on both sides."""
        left: list[float] = []
        right: list[float] = []
        for step in STEPS:
            h = step * self.scale
            for side, sign in ((right, 1), (left, -1)):
                change = self.moved(direction, sign * h) - self.here
                side.append(float(np.sum(change * self.dout)) / (sign * h))
        lefts, rights = np.array(left), np.array(right)
        slopes, gaps = (lefts + rights) / 2, np.abs(rights - lefts)
        steps = np.array(STEPS) * self.scale
        if not np.isfinite(gaps[:2]).all():
            return Probe("edge", got, slopes[0], lefts[0], rights[0])
        noise = self.noise
        rounding = 2 * noise / steps
        for slope, step, rounded in zip(slopes, STEPS, rounding, strict=True):
            precise = rounded <= 1e-3 * (abs(slope) + size)
            if precise and self._near(got, float(slope), step, size):
                return Probe("right", got, float(slope))
        # The gap of a smooth function is h f'', that of a kink is the same for every h, and
        # that of a jump grows as h falls.
        apart = gaps[0] > max(1e-4 * (abs(lefts[0]) + abs(rights[0])), 10 * rounding[0])
        if apart and gaps[0] > 3 * gaps[1]:
            height = float(gaps[0] * steps[0])
            if height > 1e-5 * float(np.abs(self.here * self.dout).sum()):
                return Probe("jump", got, slopes[0], lefts[0], rights[0])
            noise = max(noise, height)  # no jump but coarse arithmetic, float32 say
        elif apart and gaps[0] > 0.3 * gaps[1]:
            return Probe("kink", got, slopes[0], lefts[0], rights[0])
        # Two neighbours that agree, and what remains of their error once that of h ** 2 is taken out.
        steady = (
            np.abs(np.diff(slopes)) + 2 * noise / steps[:-1] + 2 * noise / steps[1:]
        )
        best = int(np.argmin(np.where(np.isfinite(steady), steady, np.inf)))
        slope = float((100 * slopes[best] - slopes[best + 1]) / 99)
        doubt = float(steady[best])
        if abs(got - slope) <= WITHIN * (abs(slope) + size) + 3 * doubt:
            clear = doubt <= 0.01 * (abs(slope) + size)
            return Probe("right" if clear else "unclear", got, slope)
        if doubt > 0.3 * max(abs(slope), abs(got)):
            return Probe("unclear", got, slope)
        return Probe("wrong", got, slope)


class Measured:
    """The slopes with respect to one array, beside the gradient that should give
    them."""

    def __init__(self, slopes: Slopes, got: Array | None) -> None:
        self.slopes, self.got = slopes, got
        self.shape = slopes.x.shape
        self.entries: dict[Index, Probe] = {}
        self.directions: list[tuple[Array, Probe]] = []
        #: The whole numeric gradient, where every entry was measured.
        self.numeric: Array | None = None
        #: By entry, the change of every output, where that is not too much.
        self.jacobian: Array | None = None

    @property
    def probes(self) -> list[Probe]:
        return [*self.entries.values(), *(probe for _, probe in self.directions)]

    def with_status(self, *statuses: str) -> list[Probe]:
        return [probe for probe in self.probes if probe.status in statuses]

    @property
    def wrong(self) -> bool:
        return bool(self.with_status("wrong"))

    def agrees(self, candidate: Array) -> bool:
        """Return whether another gradient would have been right."""
        if candidate.shape != self.shape:
            return False
        if self.numeric is not None:
            return same(candidate, self.numeric)
        projections, slopes = self.as_vectors(candidate)
        return len(slopes) > 0 and same(projections, slopes)

    def as_vectors(self, candidate: Array) -> tuple[Array, Array]:
        """Return a gradient's claims along the directions, and the slopes there."""
        kept = [(d, p.slope) for d, p in self.directions if p.status != "kink"]
        claims = [float(np.sum(candidate * d)) for d, _ in kept]
        return np.array(claims), np.array([slope for _, slope in kept])

    def every_entry(self) -> None:
        """Measure entry by entry."""
        got, x = self.got, self.slopes.x
        size = 0.0 if got is None else float(np.abs(got).max(initial=0.0))
        self.numeric = np.zeros(self.shape)
        if x.size * self.slopes.here.size <= 10**6:
            self.jacobian = np.zeros((*self.shape, *self.slopes.here.shape))
        for index in np.ndindex(self.shape):
            if got is None:
                self.numeric[index] = self.slopes.centred(index)
                continue
            probe = self.slopes.probe(index, float(got[index]), size)
            self.entries[index] = probe
            self.numeric[index] = probe.slope if probe.status == "wrong" else probe.got

    def fill_jacobian(self) -> Array | None:
        """Measure how every entry changes every output."""
        if self.jacobian is not None:
            for index in np.ndindex(self.shape):
                self.jacobian[index] = self.slopes.change(index, STEP)
        return self.jacobian

    def random_directions(
        self, rng: np.random.Generator, directions: int, entries: int = 0
    ) -> None:
        """Measure along random directions, and at a few entries: the largest and some
        others."""
        got, x = self.got, self.slopes.x
        size = 0.0 if got is None else float(np.linalg.norm(got))
        for _ in range(directions):
            if x.size > 10_000:  # signs are drawn much faster
                direction = rng.integers(0, 2, self.shape, np.int8) * 2.0 - 1
            else:
                direction = rng.standard_normal(self.shape)
            if got is None:
                probe = Probe("right", 0.0, self.slopes.centred(direction))
            else:
                claim = float(np.sum(got * direction))
                probe = self.slopes.probe(direction, claim, size)
            self.directions.append((direction, probe))
        if got is None or not entries:
            return
        flat = [int(np.argmax(np.abs(got))), *rng.integers(0, x.size, entries - 1)]
        largest = float(np.abs(got).max())
        for one in {int(k) for k in flat}:
            index = tuple(int(i) for i in np.unravel_index(one, self.shape))
            self.entries[index] = self.slopes.probe(index, float(got[index]), largest)

    def worst(self, rng: np.random.Generator) -> tuple[Index, Probe] | None:
        """Return the entry that is most wrong; for a large array, search it by halves."""
        wrong = [
            (index, probe)
            for index, probe in self.entries.items()
            if probe.status == "wrong"
        ]
        if self.numeric is None and self.got is not None:
            index = self._by_halves(rng, self._disagreement)
            largest = float(np.abs(self.got).max())
            probe = self.slopes.probe(index, float(self.got[index]), largest)
            if probe.status == "wrong":
                wrong.append((index, probe))
        return max(wrong, key=lambda one: abs(one[1].got - one[1].slope), default=None)

    def a_kink(self, rng: np.random.Generator) -> tuple[Index, Probe] | None:
        """Return an entry that sits on a kink, a jump or an edge."""
        kinks = ("kink", "jump", "edge")
        for index, probe in self.entries.items():
            if probe.status in kinks:
                return index, probe
        if self.got is None or not self.with_status(*kinks):
            return None
        index = self._by_halves(rng, self._bend)
        largest = float(np.abs(self.got).max())
        probe = self.slopes.probe(index, float(self.got[index]), largest)
        return (index, probe) if probe.status in kinks else None

    def _by_halves(
        self, rng: np.random.Generator, weight: Callable[[Array], float]
    ) -> Index:
        """Return an entry, found by going on with the half where `weight` is larger."""
        entries = rng.permutation(self.slopes.x.size)
        while len(entries) > 1:
            halves = np.array_split(entries, 2)
            weights = []
            for half in halves:
                direction = np.zeros(self.slopes.x.size)
                direction[half] = rng.choice([-1.0, 1.0], len(half))
                weights.append(weight(direction.reshape(self.shape)))
            entries = halves[int(np.argmax(np.nan_to_num(weights)))]
        return tuple(int(i) for i in np.unravel_index(int(entries[0]), self.shape))

    def _disagreement(self, direction: Array) -> float:
        assert self.got is not None
        return abs(
            self.slopes.centred(direction, STEP / 10)
            - float(np.sum(self.got * direction))
        )

    def _bend(self, direction: Array) -> float:
        h = 1e-6 * self.slopes.scale
        change = (
            self.slopes.moved(direction, h)
            + self.slopes.moved(direction, -h)
            - 2 * self.slopes.here
        )
        return abs(float(np.sum(change * self.slopes.dout)))


# ---- the likely cause ----------------------------------------------------------------


def likely_cause(
    output: str, measured: Measured, sizes: Mapping[str, float]
) -> Diagnosis | None:
    """Return what any gradient of a wrong shape or size may show, as `diagnose` does."""
    got = measured.got
    assert got is not None
    case = Case("", (), sizes=sizes)
    if got.shape != measured.shape:
        return _cause_of_shape(output, measured, case)
    if not got.any():
        return _diagnosis.zeros(output, [Pair(case, got, got)], [])
    if measured.numeric is None:
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
    pair = Pair(case, got, measured.numeric)
    for pattern in _diagnosis.PATTERNS:
        found = pattern(output, [pair], [])
        if found is not None and found.cause == "factor":
            return factor(output, pair)
        if found is not None and found.cause != "one-case":
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


def _cause_of_shape(output: str, measured: Measured, case: Case) -> Diagnosis:
    got = measured.got
    assert got is not None
    expected = measured.numeric
    if (
        expected is None
    ):  # let the pattern see the candidate that agrees, if there is one
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


# ---- a layer -------------------------------------------------------------------------


@contextlib.contextmanager
def guarded(function: Function, seconds: float, what: str = "") -> Iterator[None]:
    """Turn what may go wrong while `function` runs into `Trouble`, and keep it quiet."""
    try:
        with np.errstate(all="ignore"), _no_warnings(), time_limit(seconds):
            yield
    except OutOfTime as error:
        raise Trouble(
            "time-limit",
            f"{what}had not returned after {seconds:g} s",
            "A loop probably never ends, or the arrays are too large: take smaller ones.",
            line_of(error, function),
        ) from None
    except Trouble:
        raise
    except (Exception, SystemExit) as error:
        message = str(error).strip() or "without a message"
        raise Trouble(
            "exception",
            f"{what}raised {type(error).__name__}: {message}",
            "",
            line_of(error, function),
        ) from error


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Layer:
    """The reader's two functions, called on copies."""

    def __init__(
        self,
        forward: Function,
        backward: Function,
        inputs: Sequence[Any],
        seconds: float,
        rng: np.random.Generator,
    ) -> None:
        self.forward, self.backward = forward, backward
        self.seconds, self.rng = seconds, rng
        self.inputs = [
            one.astype(np.float64) if _is_wanted(one) else copy.deepcopy(one)
            for one in inputs
        ]
        self.converted = [
            name
            for name, one in zip(_names(forward, len(inputs)), inputs, strict=True)
            if _is_wanted(one) and one.dtype != np.float64
        ]
        self.names = _names(forward, len(inputs))
        self.wanted = [i for i, one in enumerate(inputs) if _is_wanted(one)]
        self.dout: Array = np.ones(())
        self.has_cache = False

    def fresh(self) -> list[Any]:
        return copy.deepcopy(self.inputs)

    def out_of(self, result: Any) -> Array:
        """Return the output among what `forward` returned."""
        if isinstance(result, tuple):
            if len(result) != 2:
                raise Trouble(
                    "arity",
                    f"forward returned {len(result)} things, and must return out or (out, cache)",
                    "Put all that backward needs into one tuple, the cache.",
                )
            result = result[0]
        if result is None:
            raise Trouble(
                "arity",
                "forward returned None, and must return out or (out, cache)",
                "A function without a `return` at its end returns None.",
            )
        out = as_array(result)
        if out is None or out.dtype.kind != "f":
            kind = type(result).__name__ if out is None else f"of {out.dtype}"
            raise Trouble(
                "dtype",
                f"`out` must be an array of floats or a float, but is {kind}",
                "Only numbers that can change a little have a slope.",
            )
        return out

    def call_forward(self, arguments: Sequence[Any]) -> tuple[Array, Any]:
        """Return the output, and whatever `forward` returned."""
        check_signature(self.forward, self.names)
        with guarded(self.forward, self.seconds, "forward "):
            result = self.forward(*arguments)
        self.has_cache = isinstance(result, tuple)
        return self.out_of(result), result

    def call_backward(self, dout: Array, result: Any) -> list[Array | None]:
        """Return the gradients, one for each array."""
        arguments = (dout, result[1]) if self.has_cache else (dout,)
        try:
            check_signature(
                self.backward, ("dout", "cache") if self.has_cache else ("dout",)
            )
        except Trouble:
            call, why = "(dout)", "forward returned out alone: return (out, cache)"
            if self.has_cache:
                call, why = "(dout, cache)", "forward returned (out, cache)"
            raise Trouble(
                "signature",
                f"backward is called as {call}, which its parameters "
                f"{inspect.signature(self.backward)} do not take",
                f"{why}, or change what backward takes.",
            ) from None
        with guarded(self.backward, self.seconds, "backward "):
            gradients = self.backward(*arguments)
        return self._one_each(gradients)

    def _one_each(self, gradients: Any) -> list[Array | None]:
        wanted = ", ".join(f"d{self.names[i]}" for i in self.wanted)
        if gradients is None:
            raise Trouble(
                "arity",
                f"backward returned None, and must return {wanted}",
                "A function without a `return` at its end returns None.",
            )
        if not isinstance(gradients, tuple | list):
            if len(self.wanted) > 1:
                raise Trouble(
                    "arity",
                    f"backward returned one {type(gradients).__name__}, and must return "
                    f"{len(self.wanted)} things: {wanted}",
                    "Return None for an input whose gradient is not wanted.",
                )
            gradients = [gradients]
        others = [i for i in range(len(self.inputs)) if i not in self.wanted]
        if len(gradients) == len(self.inputs) and all(
            gradients[i] is None for i in others
        ):
            gradients = [gradients[i] for i in self.wanted]
        if len(gradients) != len(self.wanted):
            raise Trouble(
                "arity",
                f"backward returned {len(gradients)} things, and must return {len(self.wanted)}: "
                f"{wanted}",
                "It returns one gradient for each input that is an array of floats, and None for one "
                "that is not wanted.",
            )
        found: list[Array | None] = []
        for i, gradient in zip(self.wanted, gradients, strict=True):
            array = as_array(gradient)
            if array is None and gradient is not None:
                raise Trouble(
                    "shape",
                    f"`d{self.names[i]}` must be an array of numbers, but is a "
                    f"{type(gradient).__name__}",
                )
            found.append(None if array is None else array.astype(np.float64))
        return found

    def gradients(self, dout: Array, inputs: Sequence[Any] | None = None) -> Any:
        """Return the gradients of a new forward and backward pass."""
        arguments = self.fresh() if inputs is None else copy.deepcopy(list(inputs))
        with _muted():
            _, result = self.call_forward(arguments)
            return self.call_backward(dout.copy(), result)

    def slopes(self, inputs: Sequence[Any], i: int) -> Slopes:
        """Return what measures the slopes with respect to input `i`, which is moved."""
        others = [j for j in range(len(inputs)) if j not in self.wanted]
        arguments = list(inputs)

        def evaluate() -> Any:
            # A dict of settings may collect running averages: always the same one.
            for j in others:
                arguments[j] = copy.deepcopy(inputs[j])
            result = self.forward(*arguments)
            return result[0] if isinstance(result, tuple) else result

        return Slopes(arguments[i], evaluate, self.dout)


def _names(function: Function, count: int) -> list[str]:
    """Return the names of a function's first parameters."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [
        one.name
        for one in parameters
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ][:count]
    return names + [f"input{i}" for i in range(len(names), count)]


class _Examination:
    """One check of a backward pass. The stages are its methods, in their order."""

    #: Seconds that all the measuring may take, if nothing is wrong.
    BUDGET = 1.2

    def __init__(self, layer: _Layer) -> None:
        self.layer = layer
        self.notes: list[str] = []
        self.got: list[Array | None] = []
        self.changed: list[str] = []
        self.call_seconds = 0.0
        self.measured: dict[int, Measured] = {}

    def run(self) -> tuple[tuple[Finding, ...], tuple[Stage, ...], tuple[str, ...]]:
        stages: list[Stage] = []
        findings: list[Finding] = []
        for name, look, looked_at in (
            ("call", self.call, "forward, then backward on a random dout"),
            ("repeatable", self.repeatable, "two calls with the same inputs"),
            ("inputs", self.inputs, "are left as they were"),
            ("shapes", self.shapes, "of every gradient"),
            ("gradients", self.gradients, self._looked_at()),
        ):
            if findings:
                stages.append(Stage(name, "not reached"))
                continue
            try:
                findings = look()
            except Trouble as trouble:
                findings = [self._finding(name, trouble)]
            stages.append(Stage(name, "failed" if findings else "passed", looked_at))
        if self.layer.converted:
            names = ", ".join(f"`{name}`" for name in self.layer.converted)
            self.notes.append(
                f"{names}: converted to float64, in which alone slopes can be measured well."
            )
        return tuple(findings), tuple(stages), tuple(self.notes)

    def _looked_at(self) -> str:
        told = []
        for i in self.layer.wanted:
            large = self.layer.inputs[i].size > LARGE
            how = "along random directions" if large else "entry by entry"
            told.append(f"d{self.layer.names[i]} {how}")
        return "; ".join(told)

    # ---- the stages ------------------------------------------------------------------

    def call(self) -> list[Finding]:
        layer = self.layer
        arguments = layer.fresh()
        start = time.perf_counter()
        out, result = layer.call_forward(arguments)
        self.call_seconds = time.perf_counter() - start
        if not np.isfinite(out).all():
            raise Trouble(
                "not-finite",
                "`out` holds NaN or infinity",
                "Something is divided by 0, or is the logarithm or the root of a number that may not "
                "be: a gradient can be checked only where the output is finite.",
            )
        self._note_changes(arguments, "forward")
        if out.dtype != np.float64:
            self.notes.append(
                f"forward returns {out.dtype} for float64 inputs, which leaves only a few digits of a "
                "slope."
            )
        if out.ndim:
            layer.dout = layer.rng.standard_normal(out.shape)
        dout = layer.dout.copy()
        self.got = layer.call_backward(dout, result)
        if not np.array_equal(dout, layer.dout):
            self.changed.append("`dout` (by backward)")
        if not self.changed:
            self._note_changes(arguments, "backward, through the cache")
        return []

    def _note_changes(self, arguments: Sequence[Any], by: str) -> None:
        for i, name in enumerate(self.layer.names):
            before = self.layer.inputs[i]
            if isinstance(before, np.ndarray) and not np.array_equal(
                before, arguments[i], equal_nan=before.dtype.kind == "f"
            ):
                self.changed.append(f"`{name}` (by {by})")

    def repeatable(self) -> list[Finding]:
        with _muted():
            start = time.perf_counter()
            first, _ = self.layer.call_forward(self.layer.fresh())
            first = first.copy()
            self.call_seconds = min(self.call_seconds, time.perf_counter() - start)
            second, _ = self.layer.call_forward(self.layer.fresh())
        if first.shape == second.shape and np.allclose(first, second, 1e-12, 1e-12):
            return []
        raise Trouble(
            "stochastic",
            "two calls of forward with the same inputs give different outputs",
            "It draws random numbers, or remembers something of earlier calls, so it has no slope to "
            "compare with. Give it a seed (`rng = np.random.default_rng(0)` inside the call), so that "
            "every call draws the same.",
        )

    def inputs(self) -> list[Finding]:
        if not self.changed:
            return []
        raise Trouble(
            "modifies-input",
            f"the call changes {', '.join(self.changed)}, which belongs to the caller",
            "An operation in place (`-=`, `*=`, `a[mask] = 0`) ran on an argument, or on a view of it: "
            "work on a copy.",
        )

    def shapes(self) -> list[Finding]:
        findings = []
        for i, got in zip(self.layer.wanted, self.got, strict=True):
            x, name = self.layer.inputs[i], f"d{self.layer.names[i]}"
            if got is None or got.shape == x.shape:
                continue
            measured = Measured(self._slopes(self.layer.inputs, i), None)
            with self._guarded():
                if self._is_large(x):
                    measured.random_directions(self.layer.rng, 6)
                else:
                    measured.every_entry()
            measured.got = got
            cause = self._special_cause(i, measured, self.got) or likely_cause(
                name, measured, {}
            )
            assert cause is not None
            problem = f"`{name}` has shape {got.shape}; it must be that of `{name[1:]}`, {x.shape}"
            findings.append(
                self._finding("shapes", Trouble(cause.cause, problem, cause.why), name)
            )
        return findings

    def gradients(self) -> list[Finding]:
        layer = self.layer
        if all(got is None for got in self.got):
            raise Trouble("zeros", "every gradient is None: there is nothing to check")
        findings = self._measure(layer.inputs, self.got)
        bent = {
            i: measured
            for i, measured in self.measured.items()
            if measured.with_status("kink", "jump", "edge")
        }
        if findings or not bent:
            return findings
        # Between the two slopes of a kink, everything is right; so the gradient is looked at again
        # where there is no kink.
        findings = [
            finding
            for i, measured in bent.items()
            if (finding := self._told_kink(i, measured)) is not None
        ]
        if findings:
            return findings
        beside = layer.fresh()
        for i in layer.wanted:
            x = beside[i]
            size = 0.01 * max(1.0, float(np.abs(x).max(initial=0.0)))
            x += (
                size
                * layer.rng.uniform(0.5, 1.0, x.shape)
                * layer.rng.choice([-1.0, 1.0], x.shape)
            )
        got = layer.gradients(layer.dout, beside)
        only = {i: layer.wanted.index(i) for i in bent}
        self.measured = {}
        return self._measure(
            beside, [got[layer.wanted.index(i)] if i in only else None for i in layer.wanted],
            "these inputs, moved a little off their kinks",
        )  # fmt: skip

    def _measure(
        self, inputs: Sequence[Any], gradients: Sequence[Array | None], case: str = ""
    ) -> list[Finding]:
        """Compare gradients with slopes, each by itself."""
        layer, findings = self.layer, []
        unclear = []
        for i, got in zip(layer.wanted, gradients, strict=True):
            name = f"d{layer.names[i]}"
            if got is None:
                continue
            if not np.isfinite(got).all():
                index = _first(~np.isfinite(got))
                trouble = Trouble(
                    "not-finite",
                    f"`{name}` is {got[index]}{_at(index)}",
                    "Something is divided by 0, or is the logarithm or the root of a number that may "
                    "not be.",
                )
                findings.append(self._finding("gradients", trouble, name, case))
                continue
            if got.size == 0:
                continue
            measured = Measured(self._slopes(inputs, i), got)
            self.measured[i] = measured
            with self._guarded():
                if self._is_large(got):
                    measured.random_directions(layer.rng, *self._counts())
                else:
                    measured.every_entry()
                if measured.wrong:
                    findings.append(self._told(i, measured, gradients, case))
            if measured.with_status("unclear") or (
                case and measured.with_status("kink", "jump", "edge")
            ):
                unclear.append(f"`{name}`")
        if unclear:
            self.notes.append(
                f"Some slopes for {', '.join(unclear)} could not be measured: the output changes in "
                "small jumps, or so much that no step is small enough. They were left out."
            )
        return findings

    def _counts(self) -> tuple[int, int]:
        """Return how many directions and entries there is time for."""
        share = self.BUDGET / max(len(self.layer.wanted), 1)
        calls = int(share / max(2 * self.call_seconds, 1e-6))
        return max(3, min(12, calls)), max(1, min(6, calls - 12))

    def _is_large(self, x: Array) -> bool:
        share = self.BUDGET / max(len(self.layer.wanted), 1)
        return x.size > LARGE or 2 * x.size * self.call_seconds > share

    def _slopes(self, inputs: Sequence[Any], i: int) -> Slopes:
        with self._guarded():
            return self.layer.slopes([copy.deepcopy(one) for one in inputs], i)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Run many calls of `forward`, quietly."""
        seconds = self.layer.seconds + 10 * self.BUDGET
        with _muted(), guarded(self.layer.forward, seconds, "forward "):
            yield

    # ---- what is told ----------------------------------------------------------------

    def _told(
        self, i: int, measured: Measured, gradients: Sequence[Array | None], case: str
    ) -> Finding:
        name = f"d{self.layer.names[i]}"
        worst = measured.worst(self.layer.rng)
        where = self._where(name, measured, worst)
        cause = (
            self._special_cause(i, measured, gradients)
            or likely_cause(name, measured, self._sizes())
            or Diagnosis(
                "unknown",
                "None of the patterns known here gives these numbers. Follow the derivation by hand for "
                "one entry: every path from the input to the output adds a term.",
            )
        )
        return self._finding(
            "gradients", Trouble(cause.cause, where, cause.why), name, case
        )

    def _where(
        self, name: str, measured: Measured, worst: tuple[Index, Probe] | None
    ) -> str:
        if measured.numeric is not None:
            count = len(measured.with_status("wrong"))
            told = (
                f"`{name}` is wrong in {count} of {measured.numeric.size} numbers, most"
            )
            if measured.numeric.ndim == 0:
                told = f"`{name}` is wrong"
        else:
            count = sum(p.status == "wrong" for _, p in measured.directions)
            told = f"`{name}` is wrong along {count} of {len(measured.directions)} random directions"
            if worst is not None:
                told += ", and"
        if worst is None:
            return told
        index, probe = worst
        return f"{told}{_at(index)}: yours is {probe.got + 0:.6g}, the slope is {probe.slope + 0:.6g}"

    def _special_cause(
        self, i: int, measured: Measured, gradients: Sequence[Array | None]
    ) -> Diagnosis | None:
        """Look for what a backward pass, in particular, gets wrong."""
        layer, got = self.layer, measured.got
        name = f"d{layer.names[i]}"
        assert got is not None
        for j, other in zip(layer.wanted, gradients, strict=True):
            if j != i and other is not None and other.any() and measured.agrees(other):
                return Diagnosis(
                    "exchanged",
                    f"What is returned as d{layer.names[j]} is {name}: the gradients must come in the "
                    "order of the inputs.",
                )
        if got.shape != measured.shape or not got.any():
            return None
        if layer.dout.ndim:
            twice = self._at(i, 2 * layer.dout)
            if twice is not None and same(twice, got):
                return Diagnosis(
                    "ignores-dout",
                    f"`{name}` does not change with dout: by the chain rule, every gradient is a "
                    "product with it.",
                )
            if twice is not None and not same(twice, 2 * got):
                return Diagnosis(
                    "not-linear",
                    f"Twice the dout does not give twice the `{name}`: a gradient is linear in dout, so "
                    "dout must stand in every term exactly once.",
                )
        if got.shape == layer.dout.shape and layer.dout.ndim and same(got, layer.dout):
            return Diagnosis(
                "no-derivative",
                f"`{name}` is dout itself: the derivative of the layer is missing.",
            )
        return (
            self._one_sided(name, i, measured)
            or self._not_accumulated(name, measured)
            or self._missing_factor(name, measured)
        )

    def _at(self, i: int, dout: Array) -> Array | None:
        try:
            gradients = self.layer.gradients(dout)
        except Trouble:
            return None
        found: Array | None = gradients[self.layer.wanted.index(i)]
        return found

    def _one_sided(self, name: str, i: int, measured: Measured) -> Diagnosis | None:
        if not measured.entries or measured.numeric is None:
            return None
        x, wrong = self.layer.inputs[i], np.zeros(measured.shape, bool)
        for index, probe in measured.entries.items():
            wrong[index] = probe.status == "wrong"
        if wrong.sum() < 2 or wrong.all():
            return None
        for text, mask in (
            ("negative", x < 0),
            ("positive", x > 0),
            ("above 1", x > 1),
            ("outside -1 to 1", np.abs(x) > 1),
            ("between -1 and 1", np.abs(x) < 1),
        ):
            if np.array_equal(wrong, mask):
                return Diagnosis(
                    "one-sided",
                    f"`{name}` is wrong exactly where `{name[1:]}` is {text}, and right elsewhere: look "
                    "at the condition in backward, and at its other branch.",
                )
        return None

    def _not_accumulated(self, name: str, measured: Measured) -> Diagnosis | None:
        dout, got = self.layer.dout, measured.got
        jacobian = measured.fill_jacobian() if dout.ndim else None
        if jacobian is None:
            return None
        for axis in range(dout.ndim):
            if dout.shape[axis] < 2:
                continue
            for which, k in (("last", -1), ("first", 0)):
                part = np.zeros_like(dout)
                chosen = (slice(None),) * axis + (k,)
                part[chosen] = dout[chosen]
                if part.any() and same(
                    got, np.tensordot(jacobian, part, axes=dout.ndim)
                ):
                    return Diagnosis(
                        "not-accumulated",
                        f"`{name}` holds only what comes from the {which} of dout's axis {axis}: add up "
                        "in the loop (`+=`), or sum over all of them.",
                    )
        return None

    def _missing_factor(self, name: str, measured: Measured) -> Diagnosis | None:
        got = measured.got
        assert got is not None
        layer = self.layer
        factors = {layer.names[j]: layer.inputs[j] for j in layer.wanted}
        factors["out"] = measured.slopes.here
        for called, factor in factors.items():
            if factor.ndim > got.ndim or np.ptp(factor) == 0:
                continue
            try:
                fits = np.broadcast_shapes(factor.shape, got.shape) == got.shape
            except ValueError:
                continue
            if not fits:
                continue
            for text, value in ((called, factor), (f"(1 - {called})", 1 - factor)):
                if measured.agrees(got * value):
                    return Diagnosis(
                        "missing-factor",
                        f"`{name}` would be right if multiplied by {text}: that factor of the "
                        "derivative is missing.",
                    )
                if np.all(value != 0) and measured.agrees(got / value):
                    return Diagnosis(
                        "extra-factor",
                        f"`{name}` would be right if divided by {text}: that factor is one too many.",
                    )
        return None

    def _told_kink(self, i: int, measured: Measured) -> Finding | None:
        """Say in a note where a kink is; return a finding if the gradient lies on neither
        side of it."""
        layer, name = self.layer, f"d{self.layer.names[i]}"
        with self._guarded():
            one = measured.a_kink(layer.rng)
        if one is None:
            self.notes.append(
                f"`{name[1:]}` sits on kinks: the slopes of forward on their two sides differ. `{name}` "
                "was checked beside them."
            )
            return None
        for index, probe in measured.entries.items():
            low, high = sorted((probe.left, probe.right))
            margin = 1e-4 * (abs(low) + abs(high)) + 1e-8
            if (
                probe.status == "kink"
                and not low - margin <= probe.got <= high + margin
            ):
                one = index, probe
                trouble = Trouble(
                    "kink",
                    f"`{name}` is {probe.got:.6g}{_at(index)}, on a kink: the slope is {probe.left:.6g} "
                    f"on the left and {probe.right:.6g} on the right",
                    "At a kink any number between the two slopes will do, but this one is outside: look "
                    "at what backward does with equal numbers, or with 0.",
                )
                return self._finding("gradients", trouble, name)
        index, probe = one
        place = f"`{name[1:]}{_at(index).removeprefix(' at ')}`"
        if measured.numeric is not None:
            count = len(measured.with_status("kink", "jump", "edge"))
            place += f" (and {count - 1} more)" if count > 1 else ""
        if probe.status == "jump":
            told = f"At {place} forward jumps, so it has no slope there."
        elif probe.status == "edge":
            told = f"Beside {place} forward is not finite, so there is no slope to measure."
        else:
            told = (
                f"At {place} forward has a kink: its slope is {probe.left + 0:.6g} on the left and "
                f"{probe.right + 0:.6g} on the right. Yours is {probe.got + 0:.6g}; anything between "
                "is right."
            )
        self.notes.append(f"{told} `{name}` was checked beside it as well.")
        return None

    def _sizes(self) -> dict[str, float]:
        """Return numbers that may turn up as a wrong factor."""
        sizes: dict[str, float] = {}
        arrays = {self.layer.names[i]: self.layer.inputs[i] for i in self.layer.wanted}
        for name, array in (*arrays.items(), ("out", self.layer.dout)):
            for axis, length in enumerate(np.shape(array)):
                if length > 1 and float(length) not in sizes.values():
                    sizes[f"{name}.shape[{axis}]"] = float(length)
        return sizes

    def _finding(
        self, stage: str, trouble: Trouble, output: str = "", case: str = ""
    ) -> Finding:
        formula = ""
        if stage in ("gradients", "shapes") and output:
            formula = f"{output} = sum over all numbers of out of dout * (d out / d {output[1:]})"
        return Finding(
            stage, output, case, trouble.problem, trouble.cause, trouble.why, formula, READ,
            trouble.line,
        )  # fmt: skip


def _first(mask: Array) -> Index:
    return tuple(int(i) for i in np.argwhere(mask)[0])


def _at(index: Index) -> str:
    return f" at [{', '.join(map(str, index))}]" if index else ""
