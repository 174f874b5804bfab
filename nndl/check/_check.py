"""The function `check`: finds what a function must do, and has it examined."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .._arguments import as_function, as_text, number
from . import _examination, specifications
from ._result import Result, level_of
from ._specification import Specification


def check(
    function: Callable[..., Any],
    name: str | None = None,
    *,
    forward: Callable[..., Any] | None = None,
    hint: int = 2,
    time_limit: float = 1.0,
) -> Result:
    """Check a function of your own against the book's function of the same name.

    The function is called by position, on copies of small arrays. What its first call
    prints is shown, what the later ones print is not.

    Parameters
    ----------
    function : callable
        Your function.
    name : str, optional
        The book's name for it, ``"batchnorm_backward"``; by default its own name.
    forward : callable, optional
        For a backward function, your forward function, whose cache it is given. By
        default the function of that name beside it, in the same notebook or module; if
        there is none, `nndl`'s own.
    hint : {1, 2, 3}, optional
        How much the result shows: where it is wrong; why it most likely is; the formula
        too.
    time_limit : float, optional
        Seconds after which a single call is stopped.

    Returns
    -------
    Result
        A small table in a notebook, text elsewhere; ``.passed``, ``.findings``, and
        ``.raise_for_failure()``.

    Raises
    ------
    ValueError
        If no function of that name is known, `hint` is not 1, 2 or 3, or `time_limit` is
        not above 0.
    TypeError
        If `function` or `forward` cannot be called, or `name` is no string.
    """
    as_function("function", function)
    if forward is not None:
        as_function("forward", forward)
    if name is not None:
        name = as_text("name", name)
    hint = level_of(hint)
    time_limit = number("time_limit", time_limit, above=0)
    specification = specifications.find(name or str(getattr(function, "__name__", "")))
    if forward is None and specification.forward_name:
        forward = _beside(function, specification)
    return _examination.examine(specification, function, forward, hint, time_limit)


def _beside(
    function: Callable[..., Any], specification: Specification
) -> Callable[..., Any] | None:
    """Return the forward function in the module or notebook of `function`."""
    names = getattr(inspect.unwrap(function), "__globals__", {})
    for called in specifications.other_names(specification.forward_name):
        found: Callable[..., Any] | None = names.get(called)
        if not callable(found):
            continue
        if _of_the_book(found) and not _of_the_book(function):
            # Imported from the book, and perhaps compiled: the readable one makes the cache.
            return specification.reference_forward()
        return found
    return None


def _of_the_book(function: Callable[..., Any]) -> bool:
    return str(getattr(function, "__module__", "")).startswith("nndl.")
