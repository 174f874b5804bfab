"""What came out of a check."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from .._arguments import shown, whole_number
from . import _render


class CheckFailed(AssertionError):
    """Raised by `Result.raise_for_failure`; its text is the result's."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    stage : str
        The stage it was found in: 'signature', 'shapes', 'values', ...
    output : str
        Which result is wrong, 'dx' say; '' where it is the call itself.
    case : str
        For which inputs: 'five examples of three features'.
    where : str
        What is wrong, with the worst index and both numbers.
    cause : str
        A short name of the most likely cause, for programs.
    why : str
        That cause in a sentence.
    formula : str
        What it should be.
    read : str
        Where the book explains it.
    line : str
        The line of the reader's own code, where an exception was raised.
    """

    stage: str
    output: str
    case: str
    where: str
    cause: str
    why: str
    formula: str = ""
    read: str = ""
    line: str = ""


@dataclass(frozen=True)
class Stage:
    """One stage of a check: what was looked at, and how it ended."""

    name: str
    #: 'passed', 'failed' or 'not reached'.
    status: str
    #: What was looked at, in words.
    looked_at: str = ""


@dataclass(frozen=True)
class Result:
    """What a check found.

    It shows itself as a table in a notebook and as text elsewhere.

    Attributes
    ----------
    name : str
        What was checked.
    passed : bool
    findings : tuple of Finding
        What is wrong, the most telling first; empty if the check passed.
    stages : tuple of Stage
        What was looked at, in order.
    notes : tuple of str
        What else the reader should know.
    hint : int
        How much is shown: 1 where it is wrong, 2 the likely cause as well, 3 the formula
        too.
    """

    name: str
    findings: tuple[Finding, ...] = ()
    stages: tuple[Stage, ...] = ()
    notes: tuple[str, ...] = ()
    hint: int = field(default=2, compare=False)

    @property
    def passed(self) -> bool:
        return not self.findings

    def raise_for_failure(self) -> None:
        """Raise `CheckFailed`, an `AssertionError`, unless the check passed."""
        if not self.passed:
            raise CheckFailed(_render.as_text(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the result as dicts, lists, strings and booleans; nothing is left out,
        whatever `hint` is."""
        return {"name": self.name, "passed": self.passed} | {
            key: value
            for key, value in asdict(self).items()
            if key not in ("name", "hint")
        }

    def to_json(self) -> str:
        """Return the result as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, told: dict[str, Any], hint: int = 2) -> Result:
        """Return the result that `to_dict` has told.

        Raises
        ------
        ValueError
            If `told` is something else, or `hint` is not 1, 2 or 3.
        """
        hint = level_of(hint)
        try:
            return cls(
                told["name"],
                tuple(Finding(**finding) for finding in told["findings"]),
                tuple(Stage(**stage) for stage in told["stages"]),
                tuple(told["notes"]),
                hint,
            )
        except (IndexError, KeyError, TypeError) as error:
            raise ValueError(
                f"`told` must be what `to_dict` has told, but is {shown(told)}."
            ) from error

    def __repr__(self) -> str:
        return _render.as_text(self)

    def __str__(self) -> str:
        return _render.as_text(self, colour=_render.terminal_has_colour())

    def _repr_html_(self) -> str:
        return _render.as_html(self)


def level_of(hint: Any) -> int:
    """Return the argument `hint` of a check."""
    level = whole_number("hint", hint, at_least=1)
    if level > 3:
        raise ValueError(f"`hint` must be 1, 2 or 3, but is {level}.")
    return level
