"""Remembers all that a model holds, so that it can be put back as it was."""

from __future__ import annotations

import copy
import functools
import math
import random
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Array = np.ndarray


class State:
    """All that an object holds, found by following its attributes, to be put back: the
    same arrays with the same numbers, the same dicts with the same entries, and where
    random numbers had come to.

    Parameters
    ----------
    root : object
    leave : iterable of arrays
        Whose numbers are not to be put back.
    random_of : State
        To whose random numbers to go back, where it knows them.
    """

    #: An object that leads to more than this is more than a model.
    _MOST = 20_000

    def __init__(
        self, root: Any, leave: Iterable[Array] = (), random_of: State | None = None
    ) -> None:
        self._largest = math.inf if random_of is None else 100_000
        self._seen: dict[int, Any] = {}
        self._back: list[Callable[[], Any]] = []
        self._random: list[Callable[[], Any]] = [
            functools.partial(np.random.set_state, np.random.get_state()),
            functools.partial(random.setstate, random.getstate()),
        ]
        #: Every dict, attributes of objects included.
        self.dicts: list[dict[Any, Any]] = []
        for array in leave:
            self._seen[id(array)] = array
        waiting = [
            root,
            getattr(root, "params", None),
            getattr(root, "bn_params", None),
        ]
        while waiting and len(self._seen) < self._MOST:
            one = waiting.pop()
            if id(one) not in self._seen:
                self._seen[id(one)] = one
                waiting.extend(self._remember(one))
        if random_of is not None:
            self._random += random_of._random

    def _remember(self, one: Any) -> list[Any]:
        """Remember one object's state, and return what it leads to."""
        if one is None or isinstance(one, type | types.ModuleType | str | bytes | int):
            return []
        if isinstance(one, np.ndarray):
            # A copy of a data set that the model keeps, for each call, would cost too much.
            if one.flags.writeable and one.size <= self._largest:
                self._back.append(functools.partial(np.copyto, one, one.copy()))
            return []
        if isinstance(one, np.random.Generator | np.random.BitGenerator):
            bits: Any = getattr(one, "bit_generator", one)
            self._random.append(
                functools.partial(setattr, bits, "state", copy.deepcopy(bits.state))
            )
            return []
        if isinstance(one, np.random.RandomState):
            self._random.append(functools.partial(one.set_state, one.get_state()))
            return []
        if isinstance(one, random.Random):
            self._random.append(functools.partial(one.setstate, one.getstate()))
            return []
        if isinstance(one, dict):
            self.dicts.append(one)
            self._back.append(functools.partial(_refill, one, dict(one)))
            return list(one.values())
        if isinstance(one, list):
            self._back.append(functools.partial(one.__setitem__, slice(None), one[:]))
            return list(one)
        if isinstance(one, tuple):
            return list(one)
        if isinstance(one, types.MethodType):
            return [one.__self__]
        if isinstance(one, types.FunctionType):
            return [_content(cell) for cell in one.__closure__ or ()]
        if isinstance(one, functools.partial):
            return [one.func, one.args, one.keywords]
        attributes = getattr(one, "__dict__", None)
        return [attributes] if isinstance(attributes, dict) else []

    def rewind(self) -> None:
        """Put back where random numbers had come to."""
        for back in self._random:
            back()

    def restore(self) -> None:
        """Put everything back."""
        for back in self._back:
            back()
        self.rewind()


def _refill(one: dict[Any, Any], content: dict[Any, Any]) -> None:
    if list(one) != list(content) or any(
        one[key] is not content[key] for key in content
    ):
        one.clear()
        one.update(content)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet filled
        return None
