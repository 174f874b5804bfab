"""How the catalogue's functions are marked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Function = Callable[..., Any]


class Entry(NamedTuple):
    """One function of the catalogue."""

    family: str
    name: str  # of the function that it means to be
    title: str  # what is special about it
    function: Function
    causes: tuple[str, ...]  # the right ones; none where the function is right
    forward: Function | None

    @property
    def wrong(self) -> bool:
        return bool(self.causes)


ENTRIES: list[Entry] = []


def wrong(
    title: str, *causes: str, name: str | None = None, forward: Function | None = None
) -> Callable[[Function], Function]:
    """Mark a wrong function; `causes` are those of which a check must name one."""
    assert causes, "a wrong function has a cause"
    return _marked(title, causes, name, forward)


def right(
    title: str, *, name: str | None = None, forward: Function | None = None
) -> Callable[[Function], Function]:
    """Mark a right function that a check must not reject."""
    return _marked(title, (), name, forward)


def _marked(
    title: str, causes: tuple[str, ...], name: str | None, forward: Function | None
) -> Callable[[Function], Function]:
    def mark(function: Function) -> Function:
        family = function.__module__.rsplit(".", 1)[-1]
        ENTRIES.append(
            Entry(family, name or function.__name__, title, function, causes, forward)
        )
        return function

    return mark
