"""Takes a check through its stages, and stops where going on would only confuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ._calls import Trouble
from ._result import Finding, Stage


class Look(NamedTuple):
    """How a stage looks, and what it looks at, in words."""

    stage: str
    look: Callable[[], list[Finding]]
    looked_at: str


def go_through(
    looks: Iterable[Look], told: Callable[[str, Trouble], Finding]
) -> tuple[tuple[Finding, ...], tuple[Stage, ...]]:
    """Return what the first stage that fails has found, and how far the stages got;
    `told` makes a finding of what a stage has raised."""
    findings: list[Finding] = []
    stages: list[Stage] = []
    for stage, look, looked_at in looks:
        if findings:
            stages.append(Stage(stage, "not reached"))
            continue
        try:
            findings = look()
        except Trouble as trouble:
            findings = [told(stage, trouble)]
        stages.append(Stage(stage, "failed" if findings else "passed", looked_at))
    return tuple(findings), tuple(stages)
