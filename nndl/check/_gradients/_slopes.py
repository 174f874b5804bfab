"""Measures how an output changes along one direction of an array.

A direction is a single entry of the array or a random mixture of all of them, and the slope
along it is ``(f(x + h d) - f(x - h d)) / 2h``. Where the first slope does not agree with
the gradient, those for other h tell a wrong gradient, whose slopes converge to something
else, from a kink, whose slopes on the left and on the right do not converge to one another,
and from a jump.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray
Index = tuple[int, ...]

#: Relative to the gradient's size. The best step leaves an error of about 1e-10.
WITHIN = 1e-5
#: What a first look takes, and what a second one takes, from the finest to the coarsest.
STEP, STEPS = 1e-5, (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
#: So many wrong slopes after which it is known that the gradient is wrong.
ENOUGH = 20
#: The statuses of places that have no slope.
BENT = ("kink", "jump", "edge")

_EPSILON = float(np.finfo(np.float64).eps)


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
        own = float(np.finfo(here.dtype).eps) if here.dtype.kind == "f" else 0.0
        self._size = float(np.abs(self.here * self.dout).sum())
        #: The rounding of one evaluation.
        self.noise = max(_EPSILON, own) * self._size
        #: A step is relative to this.
        self.scale = max(1.0, float(np.abs(x).max(initial=0.0)))
        self._wrong = 0

    # ---- one slope -------------------------------------------------------------------

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
        """Return the slope, as a centred difference."""
        return float(np.sum(self.change(direction, h) * self.dout))

    # ---- a slope and the gradient that claims it -------------------------------------

    def probe(self, direction: Index | Array, got: float, size: float) -> Probe:
        """Compare the gradient's claim, `got`, with the slope along a direction; `size`
        is that of the gradients around it."""
        slope = self.centred(direction)
        if self._near(got, slope, STEP, size):
            return Probe("right", got, slope)
        if self._wrong >= ENOUGH:
            finer = self.centred(direction, STEP / 10)
            rounding = 20 * self.noise / STEP / self.scale
            if abs(finer - slope) <= 1e-3 * abs(slope) + rounding:
                return Probe("wrong", got, slope)
        found = self._second_look(direction, got, size)
        self._wrong += found.status == "wrong"
        return found

    def _near(self, got: float, slope: float, h: float, size: float) -> bool:
        within = WITHIN * (abs(slope) + min(size, 1e3 * abs(slope) + 1e3 * abs(got)))
        return abs(got - slope) <= within + 2 * self.noise / (h * self.scale)

    def _second_look(self, direction: Index | Array, got: float, size: float) -> Probe:
        """Measure with all steps, on both sides."""
        lefts, rights = self._one_sided(direction)
        slopes = (lefts + rights) / 2
        if not np.isfinite(rights[:2] - lefts[:2]).all():
            return Probe("edge", got, slopes[0], lefts[0], rights[0])
        for slope, h in zip(slopes.tolist(), STEPS, strict=True):
            rounding = 2 * self.noise / (h * self.scale)
            precise = rounding <= 1e-3 * (abs(slope) + size)
            if precise and self._near(got, slope, h, size):
                return Probe("right", got, slope)
        bend, noise = self._bend(lefts, rights)
        if bend:
            return Probe(bend, got, slopes[0], lefts[0], rights[0])
        slope, doubt = self._limit(slopes, noise)
        if abs(got - slope) <= WITHIN * (abs(slope) + size) + 3 * doubt:
            clear = doubt <= 0.01 * (abs(slope) + size)
            return Probe("right" if clear else "unclear", got, slope)
        if doubt > 0.3 * max(abs(slope), abs(got)):
            return Probe("unclear", got, slope)
        return Probe("wrong", got, slope)

    def _one_sided(self, direction: Index | Array) -> tuple[Array, Array]:
        """Return the slopes on the left and on the right, one for each step."""
        sides: dict[int, list[float]] = {-1: [], 1: []}
        for step in STEPS:
            for sign in (1, -1):
                h = sign * step * self.scale
                change = self.moved(direction, h) - self.here
                sides[sign].append(float(np.sum(change * self.dout)) / h)
        return np.array(sides[-1]), np.array(sides[1])

    def _bend(self, lefts: Array, rights: Array) -> tuple[str, float]:
        """Return whether this is a 'kink', a 'jump' or neither, '', and the rounding of
        one evaluation.

        The gap between the slopes on the left and on the right is h f'' where f is
        smooth; at a kink it is the same for every h, and at a jump it grows as h falls.
        """
        fine, coarse = np.abs(rights - lefts)[:2].tolist()
        h = STEPS[0] * self.scale
        slight = max(1e-4 * (abs(lefts[0]) + abs(rights[0])), 20 * self.noise / h)
        if fine <= max(slight, 0.3 * coarse):
            return "", self.noise
        if fine <= 3 * coarse:
            return "kink", self.noise
        if fine * h > 1e-5 * self._size:
            return "jump", self.noise
        return "", max(self.noise, fine * h)  # coarse arithmetic only, float32 say

    def _limit(self, slopes: Array, noise: float) -> tuple[float, float]:
        """Return what the slopes converge to, and how far from it that may be."""
        # Two neighbours that agree, and what remains of their error once that of h ** 2 is taken out.
        rounding = 2 * noise / (np.array(STEPS) * self.scale)
        doubts = np.abs(np.diff(slopes)) + rounding[:-1] + rounding[1:]
        best = int(np.argmin(np.where(np.isfinite(doubts), doubts, np.inf)))
        limit = (100 * slopes[best] - slopes[best + 1]) / 99
        return float(limit), float(doubts[best])
