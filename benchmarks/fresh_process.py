"""Runs a function in a Python process that has just begun."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

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
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args, **kwargs).result()
