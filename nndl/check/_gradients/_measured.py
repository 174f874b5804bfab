"""Measures the slopes with respect to a whole array, beside the gradient that should give
them, and finds where the two disagree most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._compare import at, index_of, same
from ._slopes import BENT, STEP, Array, Index, Probe, Slopes


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

    # ---- measuring -------------------------------------------------------------------

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
        chosen = [int(np.argmax(np.abs(got))), *rng.integers(0, x.size, entries - 1)]
        for flat in {int(k) for k in chosen}:
            index = index_of(flat, self.shape)
            self.entries[index] = self._probe(index)

    def _probe(self, index: Index) -> Probe:
        assert self.got is not None
        largest = float(np.abs(self.got).max())
        return self.slopes.probe(index, float(self.got[index]), largest)

    def fill_jacobian(self) -> Array | None:
        """Measure how every entry changes every output."""
        if self.jacobian is not None:
            for index in np.ndindex(self.shape):
                self.jacobian[index] = self.slopes.change(index, STEP)
        return self.jacobian

    # ---- what was measured -----------------------------------------------------------

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
        claims, slopes = self.as_vectors(candidate)
        return len(slopes) > 0 and same(claims, slopes)

    def as_vectors(self, candidate: Array) -> tuple[Array, Array]:
        """Return a gradient's claims along the directions, and the slopes there."""
        kept = [(d, p.slope) for d, p in self.directions if p.status != "kink"]
        claims = [float(np.sum(candidate * d)) for d, _ in kept]
        return np.array(claims), np.array([slope for _, slope in kept])

    # ---- where it is wrong -----------------------------------------------------------

    def where(self, output: str, rng: np.random.Generator) -> str:
        """Say where the gradient, which the reader knows as `output`, is wrong."""
        worst = self._worst(rng)
        if self.numeric is None:
            count = sum(probe.status == "wrong" for _, probe in self.directions)
            told = f"{output} is wrong along {count} of {len(self.directions)} random directions"
            told += ", and" if worst else ""
        elif self.numeric.ndim == 0:
            told = f"{output} is wrong"
        else:
            count = len(self.with_status("wrong"))
            told = f"{output} is wrong in {count} of {self.numeric.size} numbers, most"
        if worst is None:
            return told
        index, probe = worst
        return f"{told}{at(index)}: yours is {probe.got + 0:.6g}, the slope is {probe.slope + 0:.6g}"

    def _worst(self, rng: np.random.Generator) -> tuple[Index, Probe] | None:
        """Return the entry that is most wrong; for a large array, search it by halves."""
        wrong = {
            i: probe for i, probe in self.entries.items() if probe.status == "wrong"
        }
        if self.numeric is None:
            index = self._by_halves(rng, self._disagreement)
            probe = self._probe(index)
            if probe.status == "wrong":
                wrong[index] = probe
        return max(
            wrong.items(), key=lambda one: abs(one[1].got - one[1].slope), default=None
        )

    def a_kink(self, rng: np.random.Generator) -> tuple[Index, Probe] | None:
        """Return an entry that sits on a kink, a jump or an edge."""
        for index, probe in self.entries.items():
            if probe.status in BENT:
                return index, probe
        if not self.with_status(*BENT):
            return None
        index = self._by_halves(rng, self._bend)
        probe = self._probe(index)
        return (index, probe) if probe.status in BENT else None

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
        return index_of(entries[0], self.shape)

    def _disagreement(self, direction: Array) -> float:
        assert self.got is not None
        slope = self.slopes.centred(direction, STEP / 10)
        return abs(slope - float(np.sum(self.got * direction)))

    def _bend(self, direction: Array) -> float:
        slopes, h = self.slopes, 1e-6 * self.slopes.scale
        change = slopes.moved(direction, h) + slopes.moved(direction, -h)
        return abs(float(np.sum((change - 2 * slopes.here) * slopes.dout)))
