"""Shows the installed package's own code, so that a page of the book cannot drift from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Source:
    """The source text of some functions; a notebook shows it as highlighted code."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}\n```"


def show(*functions: Callable[..., Any], docstring: bool = False) -> Source:
    """Return the source of functions or classes as installed, for a notebook to display.

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
    if not functions:
        raise TypeError("show() needs at least one function or class.")
    return Source("\n\n\n".join(_source_of(function, docstring) for function in functions))


def _source_of(function: Callable[..., Any], docstring: bool) -> str:
    import inspect
    import textwrap

    try:
        text = textwrap.dedent(inspect.getsource(function)).strip()
    except (OSError, TypeError) as error:
        raise TypeError(f"there is no Python source for {function!r}.") from error
    return text if docstring else _without_docstrings(text)


def _without_docstrings(text: str) -> str:
    import ast

    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, (ast.FunctionDef, ast.ClassDef))
            and ast.get_docstring(node) is not None
        ):
            first = node.body[0]
            assert first.end_lineno is not None
            for number in range(first.lineno - 1, first.end_lineno):
                lines[number] = "\0"
            after = first.end_lineno
            if (
                isinstance(node, ast.FunctionDef)
                and after < len(lines)
                and not lines[after].strip()
            ):
                lines[after] = "\0"
    return "\n".join(line for line in lines if line != "\0")
