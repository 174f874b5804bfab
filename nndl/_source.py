"""Shows the installed package's own code, so that a page of the book cannot drift from
it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._arguments import flag, shown


class Source:
    """The source text of some functions; a notebook shows it as highlighted code."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}\n```"


def show(*functions: Callable[..., Any], docstring: bool = False) -> Source:
    """Return the source of functions or classes as installed, for a notebook to
    display.

    Parameters
    ----------
    *functions : callable
        Functions, methods or classes written in Python.
    docstring : bool, optional
        Whether to keep the docstrings, which the API reference shows too.

    Returns
    -------
    Source
        Displayed as highlighted code in a notebook, as plain text elsewhere.

    Raises
    ------
    TypeError
        If there is no function, or no Python source for one of them.
    """
    docstring = flag("docstring", docstring)
    if not functions:
        raise TypeError(
            "`functions` must not be empty: show() needs at least one function or class."
        )
    return Source(
        "\n\n\n".join(_source_of(function, docstring) for function in functions)
    )


def _source_of(function: Callable[..., Any], docstring: bool) -> str:
    import inspect
    import textwrap

    try:
        text = textwrap.dedent(inspect.getsource(function)).strip()
    except (OSError, TypeError) as error:
        raise TypeError(
            "`functions` must be written in Python, but there is no Python source for "
            f"{shown(function)}."
        ) from error
    return text if docstring else _without_docstrings(text)


def _without_docstrings(text: str) -> str:
    import ast

    lines = text.splitlines()
    dropped: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if ast.get_docstring(node) is None:
            continue
        docstring = node.body[0]
        first, last = (
            docstring.lineno - 1,
            (docstring.end_lineno or docstring.lineno) - 1,
        )
        before = lines[first][: docstring.col_offset]
        if len(node.body) == 1 or before.strip():
            # A body must remain: an ellipsis takes the docstring's place.
            lines[first] = before + "..." + lines[last][docstring.end_col_offset :]
            dropped.update(range(first + 1, last + 1))
        else:
            dropped.update(range(first, last + 1))
            if not isinstance(node, ast.ClassDef) and not lines[last + 1].strip():
                dropped.add(last + 1)
    return "\n".join(line for number, line in enumerate(lines) if number not in dropped)
