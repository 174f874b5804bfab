"""What a search has found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Record:
    """One trial at one rung: a configuration, and what came of it.

    Attributes
    ----------
    trial : int
        The trial's number, from 0.
    rung : int
        Its rung of successive halving, from 0.
    budget : int or float
        What it was trained with, epochs for example.
    config : dict
        The configuration that was drawn.
    seed : int
        The seed that the objective was given.
    score : float or None
        What the objective returned, higher is better; None if it failed.
    error : str or None
        What went wrong, if it failed.
    extra : dict
        What else the objective returned.
    seconds : float
        How long it took.
    worker : str
        The address of the worker that did it; empty if it killed its workers.
    """

    trial: int
    rung: int
    budget: float
    config: Mapping[str, Any]
    seed: int
    score: float | None
    error: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    worker: str = ""


@dataclass(frozen=True)
class SearchResult:
    """All records of a search, and the ranking of its trials.

    Attributes
    ----------
    records : tuple of Record
        By rung, then by trial.
    settings : dict
        The search itself: ``objective``, ``space``, ``seed``, ``trials``, ``budgets``
        and ``factor``, as they stand in the log's first line.
    """

    records: Sequence[Record]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ordered = sorted(self.records, key=lambda record: (record.rung, record.trial))
        object.__setattr__(self, "records", tuple(ordered))

    def ranked(self) -> list[Record]:
        """Return the last record of each trial, best first.

        A trial that went further comes before one that was stopped earlier, whatever
        their scores; failed ones come last.

        Returns
        -------
        list of Record
        """
        last = {record.trial: record for record in self.records}
        return sorted(last.values(), key=rank)

    @property
    def best(self) -> Record:
        """The best record of the highest rung.

        Raises
        ------
        ValueError
            If no trial has a score.
        """
        ranked = self.ranked()
        if not ranked or ranked[0].score is None:
            raise ValueError(
                f"none of the {len(ranked)} trials has a score"
                + (f"; the first error: {ranked[0].error}" if ranked else ".")
            )
        return ranked[0]


def rank(record: Record) -> tuple[bool, int, float, int]:
    """Return what sorts records, the best first."""
    score = -math.inf if record.score is None else record.score
    return record.score is None, -record.rung, -score, record.trial


def promoted(records: Sequence[Record], factor: int) -> list[int]:
    """Return the trials of a finished rung that go on to the next: the best of every
    `factor`, at least one; never one that failed. Of equal ones the earlier go."""
    scored = sorted((r for r in records if r.score is not None), key=rank)
    return sorted(r.trial for r in scored[: max(1, len(records) // factor)])
