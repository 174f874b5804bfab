"""What may stand in the file of an experiment: its tables, their entries, and the checks.

A check takes the full name of an entry and its value, and returns the value or raises an
error that says what it must be.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import optim, schedules
from .._arguments import as_text, flag, number, one_of, shown, whole_number
from ..data import NAMES

Check = Callable[[str, Any], Any]
Table = dict[str, Any]


class Entry(NamedTuple):
    """An entry of a table, and what it is where the file does not say it."""

    check: Check
    default: Any = None
    needed: bool = False


class WrongEntry(ValueError):
    """An entry that is not as it must be."""

    def __init__(self, table: str, entry: str | None, problem: object) -> None:
        super().__init__(str(problem))
        self.table, self.entry = table, entry


def _count(name: str, value: Any) -> int:
    return whole_number(name, value, at_least=1)


def _at_least_0(name: str, value: Any) -> float:
    return number(name, value, at_least=0)


def _share(name: str, value: Any) -> float:
    return number(name, value, at_least=0, below=1)


def _positive(name: str, value: Any) -> float:
    return number(name, value, above=0)


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"`{name}` must be true or false, but is {shown(value)}.")
    return flag(name, value)


def _weight_scale(name: str, value: Any) -> float | str:
    return "he" if value == "he" else number(name, value, at_least=0)


def _among(*options: str) -> Check:
    return lambda name, value: one_of(name, value, *options)


RULES = tuple(name for name in optim.__all__ if not name.endswith("_fast"))
SCHEDULES = tuple(schedules.__all__)

TABLES: dict[str, dict[str, Entry]] = {
    "data": {
        "name": Entry(_among(*NAMES), needed=True),
        "training": Entry(_count),
        "validation": Entry(_count),
        "whiten": Entry(_switch, True),
    },
    "network": {
        "spec": Entry(as_text, needed=True),
        "weight_scale": Entry(_weight_scale, "he"),
        "reg": Entry(_at_least_0, 0.0),
        "label_smoothing": Entry(_share, 0.0),
    },
    "optimizer": {
        "rule": Entry(_among(*RULES), "adam"),
        "learning_rate": Entry(_at_least_0, needed=True),
    },
    "schedule": {"name": Entry(_among(*SCHEDULES), needed=True)},
    "augmentation": {
        "flip": Entry(_switch, False),
        "crop": Entry(lambda name, value: whole_number(name, value, at_least=0), 0),
    },
    "training": {
        "epochs": Entry(_count, needed=True),
        "batch_size": Entry(_count, 100),
        "lr_decay": Entry(_positive, 1.0),
        "averaging": Entry(_share),
        "seed": Entry(lambda name, value: whole_number(name, value, at_least=0), 0),
    },
    "evaluation": {"mirrored": Entry(_switch, False)},
}
#: They may be left out as a whole.
OPTIONAL = ("schedule", "augmentation", "evaluation")


def check(tables: Any) -> dict[str, Table]:
    """Return the tables of an experiment with everything that was left out filled in.

    Raises
    ------
    WrongEntry
        If there is a table or an entry that does not exist, one is missing, or is not as
        it must be.
    """
    if not isinstance(tables, Mapping):
        raise TypeError(f"`tables` must be a dict, but is {shown(tables)}.")
    for name, table in tables.items():
        if name not in TABLES:
            raise WrongEntry(
                name, None, f"there is no [{name}]; {_meant(name, TABLES)}"
            )
        if not isinstance(table, Mapping):
            raise WrongEntry(name, None, f"`{name}` must be a table, [{name}].")
    checked = {}
    for name, entries in TABLES.items():
        if name in tables:
            extra = _settings_of(name, tables[name])
            checked[name] = _fill_in(name, entries | extra, tables[name])
        elif name not in OPTIONAL:
            raise WrongEntry(name, None, f"the table [{name}] is missing.")
    _check_settings(checked)
    if "schedule" in checked and checked["training"]["lr_decay"] != 1:
        problem = "`training.lr_decay` must be 1 where there is a [schedule]."
        raise WrongEntry("training", "lr_decay", problem)
    return checked


def _fill_in(
    name: str, entries: Mapping[str, Entry], table: Mapping[str, Any]
) -> Table:
    """Return one table, complete."""
    for entry in table:
        if entry not in entries:
            problem = f"[{name}] has no entry `{entry}`; {_meant(entry, entries)}"
            raise WrongEntry(name, entry, problem)
    complete: Table = {}
    for entry, (check_value, default, needed) in entries.items():
        if entry in table:
            try:
                complete[entry] = check_value(f"{name}.{entry}", table[entry])
            except (TypeError, ValueError) as error:
                raise WrongEntry(name, entry, error) from error
        elif needed:
            raise WrongEntry(name, None, f"[{name}] must have an entry `{entry}`.")
        elif default is not None:
            complete[entry] = default
    return complete


def _check_settings(tables: Mapping[str, Table]) -> None:
    """Let the rule and the schedule say whether their settings are within their range."""
    config, nothing = dict(tables["optimizer"]), np.zeros(1)
    try:
        getattr(optim, config.pop("rule"))(nothing, nothing, config)
    except ValueError as error:
        problem = re.sub(r"config\['(\w+)'\]", r"optimizer.\1", str(error))
        entry = next(
            (name for name in config if f"`optimizer.{name}`" in problem), None
        )
        raise WrongEntry("optimizer", entry, problem) from error
    settings = dict(tables.get("schedule", {"name": "constant"}))
    try:
        getattr(schedules, settings.pop("name"))(0.0, **settings)
    except ValueError as error:
        entry = next((name for name in settings if f"`{name}" in str(error)), None)
        raise WrongEntry("schedule", entry, error) from error


def _settings_of(name: str, table: Mapping[str, Any]) -> dict[str, Entry]:
    """Return the entries that a table has because of the rule or schedule it names."""
    which = {"optimizer": ("rule", "adam"), "schedule": ("name", None)}
    if name not in which:
        return {}
    entry, default = which[name]
    called = table.get(entry, default)
    if called is None:
        return {}  # which is missed later
    try:
        TABLES[name][entry].check(f"{name}.{entry}", called)
    except ValueError as error:
        raise WrongEntry(name, entry, error) from error
    if name == "optimizer":
        settings = rule_settings(called)
        del settings["learning_rate"]
    else:
        settings = schedule_settings(called)
    return {
        setting: Entry(_shares if isinstance(value, tuple) else number, value)
        for setting, value in settings.items()
    }


def rule_settings(rule: str) -> Table:
    """Return the settings of an update rule with their default values."""
    nothing = np.zeros(1)
    config = getattr(optim, rule)(nothing, nothing, {})[1]
    return {name: value for name, value in config.items() if isinstance(value, float)}


def schedule_settings(name: str) -> Table:
    """Return the settings of a schedule with their default values."""
    _, *parameters = inspect.signature(getattr(schedules, name)).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def _shares(name: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"`{name}` must be a list of numbers, but is {shown(value)}.")
    return tuple(number(name, share, at_least=0, at_most=1) for share in value)


def _meant(name: str, known: Iterable[str]) -> str:
    """Say which of the known names may have been meant."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, 1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"there are {', '.join(f'`{other}`' for other in known)}."
