"""Takes a layer through the stages of the check of its backward pass."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .._calls import Trouble, guarded, muted
from .._compare import at, first
from .._result import Finding, Stage
from .._stages import Look, go_through
from ._causes import Gradients, cause_of
from ._layer import Layer
from ._measured import Measured
from ._slopes import BENT, Array, Index, Probe, Slopes

#: Where the book explains it.
READ = 'chapter 1, section "Checking gradients against numbers"'

#: Above so many numbers, an array is checked along random directions.
LARGE = 400
#: Seconds that all the measuring may take, if nothing is wrong.
BUDGET = 1.2


class Examination:
    """One check of a backward pass. The stages are its methods, in their order."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.notes: list[str] = []
        self.got: Gradients = []
        self.changed: list[str] = []
        self.call_seconds = 0.0

    def run(self) -> tuple[tuple[Finding, ...], tuple[Stage, ...], tuple[str, ...]]:
        """Return what was found, how far the stages got, and the notes."""
        findings, stages = go_through(
            (
                Look("call", self.call, "forward, then backward on a random dout"),
                Look("repeatable", self.repeatable, "two calls with the same inputs"),
                Look("inputs", self.inputs, "are left as they were"),
                Look("shapes", self.shapes, "of every gradient"),
                Look("gradients", self.gradients, self._looked_at()),
            ),
            _finding,
        )
        if self.layer.converted:
            names = ", ".join(f"`{name}`" for name in self.layer.converted)
            self.notes.append(
                f"{names}: converted to float64, in which alone slopes can be measured well."
            )
        return findings, stages, tuple(self.notes)

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
        start = time.thread_time()
        out, result = layer.call_forward(arguments)
        self.call_seconds = time.thread_time() - start
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
        layer = self.layer
        with muted():
            start = time.thread_time()
            out = layer.call_forward(layer.fresh())[0].copy()
            # The very first call may have had to import or compile something.
            self.call_seconds = min(self.call_seconds, time.thread_time() - start)
            again, _ = layer.call_forward(layer.fresh())
        if out.shape == again.shape and np.allclose(out, again, 1e-12, 1e-12):
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
            x, name = self.layer.inputs[i], self.layer.names[i]
            if got is None or got.shape == x.shape:
                continue
            measured = Measured(self._slopes(self.layer.inputs, i), None)
            with self._many_calls():
                if self._is_large(x):
                    measured.random_directions(self.layer.rng, 6)
                else:
                    measured.every_entry()
            measured.got = got
            cause = cause_of(self.layer, i, measured, self.got)
            problem = f"`d{name}` has shape {got.shape}; it must be that of `{name}`, {x.shape}"
            trouble = Trouble(cause.cause, problem, cause.why)
            findings.append(_finding("shapes", trouble, f"d{name}"))
        return findings

    def gradients(self) -> list[Finding]:
        layer = self.layer
        if all(got is None for got in self.got):
            raise Trouble("zeros", "every gradient is None: there is nothing to check")
        findings, measured = self._measure(layer.inputs, self.got)
        bent = {i: one for i, one in measured.items() if one.with_status(*BENT)}
        if findings or not bent:
            return findings
        for i, one in bent.items():
            findings += self._on_kinks(i, one)
        if findings:
            return findings
        # Between the two slopes of a kink, everything is right; so the gradient is looked at again
        # where there is no kink.
        beside = layer.fresh()
        for i in layer.wanted:
            x = beside[i]
            size = 0.01 * max(1.0, float(np.abs(x).max(initial=0.0)))
            distance = size * layer.rng.uniform(0.5, 1.0, x.shape)
            x += distance * layer.rng.choice([-1.0, 1.0], x.shape)
        every = zip(layer.wanted, layer.gradients(layer.dout, beside), strict=True)
        got = [gradient if i in bent else None for i, gradient in every]
        case = "these inputs, moved a little off their kinks"
        return self._measure(beside, got, case)[0]

    # ---- measuring -------------------------------------------------------------------

    def _measure(
        self, inputs: Sequence[Any], gradients: Gradients, case: str = ""
    ) -> tuple[list[Finding], dict[int, Measured]]:
        """Compare gradients with slopes, each by itself; return what is wrong, and what
        was measured."""
        layer = self.layer
        findings: list[Finding] = []
        found: dict[int, Measured] = {}
        unclear = []
        for i, got in zip(layer.wanted, gradients, strict=True):
            name = f"d{layer.names[i]}"
            if got is None or got.size == 0:
                continue
            if not np.isfinite(got).all():
                trouble = _not_finite(name, got)
                findings.append(_finding("gradients", trouble, name, case))
                continue
            found[i] = measured = Measured(self._slopes(inputs, i), got)
            with self._many_calls():
                if self._is_large(got):
                    measured.random_directions(layer.rng, *self._counts())
                else:
                    measured.every_entry()
                if measured.wrong:
                    where = measured.where(f"`{name}`", layer.rng)
                    cause = cause_of(layer, i, measured, gradients)
                    trouble = Trouble(cause.cause, where, cause.why)
                    findings.append(_finding("gradients", trouble, name, case))
            # Beside its kinks, there should be no others.
            if measured.with_status("unclear", *(BENT if case else ())):
                unclear.append(f"`{name}`")
        if unclear:
            self.notes.append(
                f"Some slopes for {', '.join(unclear)} could not be measured: the output changes in "
                "small jumps, or so much that no step is small enough. They were left out."
            )
        return findings, found

    def _slopes(self, inputs: Sequence[Any], i: int) -> Slopes:
        with self._many_calls():
            return self.layer.slopes(copy.deepcopy(list(inputs)), i)

    def _counts(self) -> tuple[int, int]:
        """Return how many directions and entries there is time for."""
        calls = int(self._share() / max(2 * self.call_seconds, 1e-6))
        return max(3, min(12, calls)), max(1, min(6, calls - 12))

    def _is_large(self, x: Array) -> bool:
        return x.size > LARGE or 2 * x.size * self.call_seconds > self._share()

    def _share(self) -> float:
        """Return the seconds that there are for one gradient."""
        return BUDGET / max(len(self.layer.wanted), 1)

    @contextlib.contextmanager
    def _many_calls(self) -> Iterator[None]:
        """Run many calls of `forward`, quietly."""
        seconds = self.layer.seconds + 10 * BUDGET
        with muted(), guarded(self.layer.forward, seconds, "forward"):
            yield

    # ---- kinks -----------------------------------------------------------------------

    def _on_kinks(self, i: int, measured: Measured) -> list[Finding]:
        """Say in a note where a kink is; return a finding if the gradient lies on neither
        side of it."""
        x = self.layer.names[i]
        with self._many_calls():
            one = measured.a_kink(self.layer.rng)
        if one is None:
            self.notes.append(
                f"`{x}` sits on kinks: the slopes of forward on their two sides differ. `d{x}` was "
                "checked beside them."
            )
            return []
        for index, probe in measured.entries.items():
            if _is_outside(probe):
                trouble = Trouble(
                    "kink",
                    f"`d{x}` is {probe.got:.6g}{at(index)}, on a kink: the slope is {probe.left:.6g} "
                    f"on the left and {probe.right:.6g} on the right",
                    "At a kink any number between the two slopes will do, but this one is outside: look "
                    "at what backward does with equal numbers, or with 0.",
                )
                return [_finding("gradients", trouble, f"d{x}")]
        others = 0 if measured.numeric is None else len(measured.with_status(*BENT)) - 1
        told = _told_bend(x, *one, others)
        self.notes.append(f"{told} `d{x}` was checked beside it as well.")
        return []


def _is_outside(probe: Probe) -> bool:
    """Return whether a gradient at a kink lies outside the slopes on its two sides."""
    low, high = sorted((probe.left, probe.right))
    margin = 1e-4 * (abs(low) + abs(high)) + 1e-8
    return probe.status == "kink" and not low - margin <= probe.got <= high + margin


def _told_bend(x: str, index: Index, probe: Probe, others: int) -> str:
    """Say what is at a place that has no slope."""
    place = f"`{x}{at(index).removeprefix(' at ')}`"
    place += f" (and {others} more)" if others else ""
    if probe.status == "jump":
        return f"At {place} forward jumps, so it has no slope there."
    if probe.status == "edge":
        return f"Beside {place} forward is not finite, so there is no slope to measure."
    return (
        f"At {place} forward has a kink: its slope is {probe.left + 0:.6g} on the left and "
        f"{probe.right + 0:.6g} on the right. Yours is {probe.got + 0:.6g}; anything between "
        "is right."
    )


def _not_finite(name: str, got: Array) -> Trouble:
    index = first(~np.isfinite(got))
    return Trouble(
        "not-finite",
        f"`{name}` is {got[index]}{at(index)}",
        "Something is divided by 0, or is the logarithm or the root of a number that may not be.",
    )


def _finding(stage: str, trouble: Trouble, output: str = "", case: str = "") -> Finding:
    formula = ""
    if output:
        formula = (
            f"{output} = sum over all numbers of out of dout * (d out / d {output[1:]})"
        )
    return Finding(
        stage, output, case, trouble.problem, trouble.cause, trouble.why, formula, READ,
        trouble.line,
    )  # fmt: skip
