"""Runs a function in a Python process that has just begun."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Generic, ParamSpec, TypeVar

from nndl._interrupts import end_at_interrupts, starting_processes

P = ParamSpec("P")
R = TypeVar("R")


def in_a_fresh_process(
    function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Return what a function of a module returns when a new process calls it.

    The process has the environment of this one as it is now: what libraries read when
    they are loaded can be set before.
    """
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            with starting_processes():
                result = pool.submit(_Call(function), *args, **kwargs)
            return result.result()
        except KeyboardInterrupt:
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
            raise


class _Call(Generic[P, R]):
    """A function that, in its own process, Ctrl-C may end."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        end_at_interrupts()
        return self.function(*args, **kwargs)
