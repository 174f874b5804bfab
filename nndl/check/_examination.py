"""Takes a reader's function through the stages of a check, and stops where going on
would only confuse."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ._calls import Guarded, Trouble, check_signature
from ._compare import Difference, as_array, at, difference, same
from ._diagnosis import Observed, diagnose, diagnose_exception, forget_twins
from ._result import Finding, Result, Stage
from ._specification import (
    EDGE_CASES,
    TEST_MODE,
    VALUES,
    Backward,
    Case,
    Outputs,
    Specification,
)

Function = Callable[..., Any]

#: What a stage looks at, where that is the same for all functions.
LOOKED_AT = {
    "signature": "can be called as the book calls it",
    "call": "returns what it must, without an exception",
    "shapes": "of every result",
    "dtype": "float32 in, float32 out",
    "inputs": "are left as they were",
}


class Examination:
    """One check of one function. The stages are its methods, in their order."""

    def __init__(
        self,
        specification: Specification,
        function: Function,
        forward: Function | None,
        seconds: float,
    ) -> None:
        self.specification, self.raw_function = specification, function
        self.function = Guarded(
            function, specification.parameters, specification.returns, seconds
        )
        self.forward: Function | None = None
        self.notes: list[str] = []
        if isinstance(specification, Backward):
            self.forward = self._forward(specification, forward, seconds)
        self.observed: list[Observed] = []
        self.troubles: list[tuple[Case, Trouble]] = []
        self.first: Outputs = {}

    def _forward(
        self, specification: Backward, forward: Function | None, seconds: float
    ) -> Function:
        """Return what makes the cache: the reader's function of that name, else the
        book's."""
        name = specification.forward_name
        if forward is None:
            self.notes.append(
                f"There is no {name} beside it, so the cache is that of nndl's own: "
                "name yours with forward=."
            )
            return specification.forward_reference
        if forward is specification.forward_reference:
            return forward
        belongs = specification.forward_specification
        return Guarded(forward, belongs.parameters, belongs.returns, seconds)

    def run(self) -> tuple[tuple[Finding, ...], tuple[Stage, ...], tuple[str, ...]]:
        """Return what was found, how far the stages got, and the notes."""
        stages: list[Stage] = []
        findings: list[Finding] = []
        beside: list[Finding] = []
        for name, look in self._stages().items():
            looked_at = self._looked_at(name)
            if looked_at is None:
                continue
            if findings:
                stages.append(Stage(name, "not reached"))
                continue
            found = look()
            stages.append(Stage(name, "failed" if found else "passed", looked_at))
            if all(finding.cause == "dtype" for finding in found):
                # The values can be judged all the same, and matter more.
                beside += found
            else:
                findings = found
        return (*findings, *beside), tuple(stages), tuple(self.notes)

    def _stages(self) -> dict[str, Callable[[], list[Finding]]]:
        """Return how each stage looks, in their order."""
        return {
            "signature": self.signature,
            "cache": self.cache,
            "call": self.call,
            "shapes": self.shapes,
            "dtype": self.dtype,
            "inputs": self.inputs,
            VALUES: functools.partial(self.results, VALUES),
            TEST_MODE: functools.partial(self.results, TEST_MODE),
            EDGE_CASES: functools.partial(self.results, EDGE_CASES),
        }

    def _looked_at(self, stage: str) -> str | None:
        """Return what a stage looks at, in words; None if it has nothing to look at."""
        if stage == "cache":
            if self.forward is self.specification.reference_forward():
                return None
            return f"of your {self.specification.forward_name}"
        if stage in (VALUES, TEST_MODE, EDGE_CASES):
            names = [
                case.name for case in self.specification.cases if case.stage == stage
            ]
            return "; ".join(names) or None
        return LOOKED_AT[stage]

    # ---- the stages ------------------------------------------------------------------

    def signature(self) -> list[Finding]:
        try:
            check_signature(self.raw_function, self.specification.parameters)
        except Trouble as trouble:
            return [self._finding("signature", trouble)]
        return []

    def cache(self) -> list[Finding]:
        """The forward pass must be right before its cache can serve."""
        assert isinstance(self.specification, Backward)
        belongs = self.specification.forward_specification
        for case in self.specification.cases:
            try:
                got = belongs.observe(self.forward, None, case)  # type: ignore[arg-type]
            except Trouble as trouble:
                wrong = Trouble(
                    "forward",
                    f"your {belongs.name}, which makes the cache, {trouble.problem}",
                    f"Check {belongs.name} first.",
                    trouble.line,
                )
                return [self._finding("cache", wrong, case)]
            for output, expected in belongs.expected(case).items():
                if not same(got.get(output), expected):
                    wrong = Trouble(
                        "forward",
                        f"your {belongs.name}, which makes the cache, gives a wrong `{output}`",
                        f"Check {belongs.name} first: the backward pass starts from its cache.",
                    )
                    return [self._finding("cache", wrong, case)]
        return []

    def call(self) -> list[Finding]:
        """Call the function on every case, and remember what came out."""
        for case in self.specification.cases:
            try:
                got = self.specification.observe(self.function, self.forward, case)
            except Trouble as trouble:
                self.troubles.append((case, trouble))
                # What fails at once fails later too; a second endless loop tells nothing new.
                if case.stage == VALUES or trouble.cause == "time-limit":
                    break
                continue
            self.first = self.first or got
            expected = self.specification.expected(case)
            self.observed.append(Observed(case, _kept(got), expected))
        for case, first in self.troubles:
            if case.stage == VALUES or first.cause in ("arity", "time-limit"):
                return [self._finding("call", self._explained(first, case), case)]
        return []

    def _known(self, trouble: Trouble, case: Case) -> Trouble | None:
        """Return the trouble with the known mistake that raises the same exception."""
        known = diagnose_exception(
            self.specification, self.observed, case, trouble.__cause__
        )
        if known is None:
            return None
        return Trouble(known.cause, trouble.problem, known.why, trouble.line)

    def _explained(self, trouble: Trouble, case: Case) -> Trouble:
        """Return the trouble with a guess at why, where a known mistake or a foreign
        cache may be the reason."""
        known = self._known(trouble, case)
        if known is not None:
            return known
        if trouble.cause == "exception" and self.notes:
            name = self.specification.forward_name
            why = (
                f"If it unpacks the cache of a {name} of yours, pass that: forward=..."
            )
            return Trouble(trouble.cause, trouble.problem, why, trouble.line)
        return trouble

    def shapes(self) -> list[Finding]:
        findings = []
        for output in self._outputs():
            for case, got, expected in self.observed:
                array, right = as_array(got.get(output)), np.asarray(expected[output])
                if array is not None and array.shape == right.shape:
                    continue
                if array is None:
                    found = _what_instead(got.get(output))
                    problem = f"`{output}` is {found}; it must have shape {right.shape}"
                else:
                    problem = (
                        f"`{output}` has shape {array.shape}; it must be {right.shape}"
                    )
                findings.append(self._wrong("shapes", output, case, problem))
                break
        return findings

    def dtype(self) -> list[Finding]:
        case = self.specification.cases[0].in_float32()
        try:
            got = self.specification.observe(self.function, self.forward, case)
        except Trouble as trouble:
            return [self._finding("dtype", trouble, case)]
        expected = self.specification.expected(case)
        findings = []
        for output, right in expected.items():
            array = as_array(got.get(output))
            if (
                np.ndim(right) == 0
                or array is None
                or array.dtype == np.asarray(right).dtype
            ):
                continue
            where = f"`{output}` is of {array.dtype} where all inputs are of {np.asarray(right).dtype}"
            if array.dtype.kind == "f":
                wrong = Trouble(
                    "dtype",
                    where,
                    "An array was made without a dtype (`np.zeros(shape)` is float64): make it with the "
                    "dtype of an input, or with `np.zeros_like`. Or a number of NumPy's own took part, "
                    "which is float64 too: `np.power(0.9, 2)`, where `0.9**2` is Python's.",
                )
            else:
                wrong = Trouble(
                    "not-floats",
                    where,
                    "What is written into an array of integers or booleans loses its fraction: make the "
                    "array with the dtype of an input.",
                )
            findings.append(self._finding("dtype", wrong, case, output))
        return findings

    def inputs(self) -> list[Finding]:
        changed = sorted(self.function.changed)
        if changed:
            names = ", ".join(changed)
            wrong = Trouble(
                "modifies-input",
                f"the call changes {names}, which belongs to the caller",
                "An operation in place (`-=`, `*=`, `a[mask] = 0`) ran on an argument, or on a view "
                "of it: work on a copy.",
            )
            return [self._finding("inputs", wrong)]
        case, before, expected = self.observed[0]
        try:
            again = self.specification.observe(self.function, self.forward, case)
        except Trouble as trouble:
            return [self._finding("inputs", self._unsteady(trouble.problem), case)]
        for output, right in expected.items():
            if same(before.get(output), right) and not same(again.get(output), right):
                wrong = self._unsteady(f"`{output}` is right at first, and wrong")
                return [self._finding("inputs", wrong, case, output)]
        for output, array in self.first.items():
            other = again.get(output)
            if not (isinstance(array, np.ndarray) and isinstance(other, np.ndarray)):
                continue
            if np.shares_memory(array, other):
                wrong = Trouble(
                    "aliasing",
                    f"two calls return one array as their `{output}`: the later call changes what the "
                    "earlier one returned",
                    "The array is made once and filled in every call: make a new one each time.",
                )
                return [self._finding("inputs", wrong, case, output)]
        return []

    def _unsteady(self, problem: str) -> Trouble:
        return Trouble(
            "not-repeatable",
            f"{problem} when it is called with the same inputs once more",
            "Something outlives the call and comes into the next one: a global variable, a default "
            "value such as `config={}` that is changed, or `np.empty`, which holds whatever was in "
            "memory before.",
        )

    def results(self, stage: str) -> list[Finding]:
        """Compare every result of the stage's cases with the reference's."""
        findings, lines = [], set()
        for case, trouble in self.troubles:
            if case.stage == stage and (trouble.cause, trouble.line) not in lines:
                lines.add((trouble.cause, trouble.line))  # one line is told of once
                findings.append(
                    self._finding(stage, self._special(trouble, case), case)
                )
        for output in self._outputs():
            for case, got, expected in self.observed:
                if case.stage != stage:
                    continue
                found = difference(got[output], expected[output])
                if found is not None:
                    problem = self._told(output, found, np.asarray(expected[output]))
                    findings.append(self._wrong(stage, output, case, problem))
                    break
        return findings

    # ---- findings --------------------------------------------------------------------

    def _told(self, output: str, found: Difference, expected: np.ndarray) -> str:
        """Return what is wrong, in the specification's own words where it has some."""
        wording = self.specification.wording.get(output)
        if wording is None:
            return _described(output, found, expected)
        return wording.format(got=found.got, expected=found.expected)

    def _outputs(self) -> list[str]:
        return list(self.observed[0].expected) if self.observed else []

    def _special(self, trouble: Trouble, case: Case) -> Trouble:
        """Return the trouble with a guess at why, where only a special case is in
        trouble."""
        why = trouble.why or f"It runs in the ordinary cases, and not for {case.name}."
        return self._known(trouble, case) or Trouble(
            trouble.cause, trouble.problem, why, trouble.line
        )

    def _wrong(self, stage: str, output: str, case: Case, problem: str) -> Finding:
        cause = diagnose(self.specification, output, self.observed, case)
        trouble = Trouble(cause.cause, problem, cause.why)
        return self._finding(stage, trouble, case, output)

    def _finding(
        self, stage: str, trouble: Trouble, case: Case | None = None, output: str = ""
    ) -> Finding:
        return Finding(
            stage=stage,
            output=output,
            case=case.name if case else "",
            where=trouble.problem,
            cause=trouble.cause,
            why=trouble.why,
            formula=self.specification.formulas.get(output, ""),
            read=self.specification.read,
            line=trouble.line,
        )


def _described(output: str, found: Difference, expected: np.ndarray) -> str:
    """Return what is wrong with an array in a sentence."""
    if expected.ndim == 0:
        return f"`{output}` is {found.got:.6g}; it should be {found.expected:.6g}"
    return (
        f"`{output}` is wrong in {found.size} of {expected.size} numbers, most{at(found.worst)}: "
        f"yours is {found.got:.6g}, it should be {found.expected:.6g}"
    )


def _kept(got: Outputs) -> Outputs:
    """Return copies: what was returned may be filled anew by the next call, and some
    things cannot be copied but as the array of numbers that they are, or are not."""
    return {
        name: value if value is None else _Strange.unless_array(value)
        for name, value in got.items()
    }


class _Strange:
    """Stands for something that is no array of numbers."""

    def __init__(self, value: Any) -> None:
        self.kind = f"a {type(value).__name__}"
        if isinstance(value, np.ndarray):
            self.kind = f"an array of dtype {value.dtype}"

    @classmethod
    def unless_array(cls, value: Any) -> Any:
        array = as_array(value)
        return cls(value) if array is None else np.array(array)


def _what_instead(value: _Strange | None) -> str:
    if value is None:
        return "missing"
    return f"not an array of numbers but {value.kind}"


def examine(
    specification: Specification,
    function: Function,
    forward: Function | None,
    hint: int,
    seconds: float,
) -> Result:
    """Check `function` against its specification."""
    forget_twins()
    examination = Examination(specification, function, forward, seconds)
    findings, stages, notes = examination.run()
    name = getattr(function, "__name__", specification.name)
    return Result(name, findings, stages, notes, hint)
