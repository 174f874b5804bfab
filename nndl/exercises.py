"""Makes notebooks of the book's exercises, without the solutions.

An exercise keeps its text, its blank cells and its checks. Before them come the cells of
the chapter that it needs, no others: which ones is read from the names that the exercise
and its solution use.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import re
import symtable
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ._arguments import as_path
from ._files import replacing
from ._interrupts import uninterrupted

__all__ = ["write_exercises"]

_EXERCISE = re.compile(
    r"^```\{exercise\}[ ]*(?P<title>.*?)\n(?::label: (?P<label>\S+)\n)?(?P<text>.*?)^```\n?",
    re.MULTILINE | re.DOTALL,
)
_SOLUTION_START, _SOLUTION_END = "```{solution-start}", "```{solution-end}"


class Exercise(NamedTuple):
    """One exercise of a chapter."""

    title: str
    text: str
    #: The code cells that stand between the exercise and its solution.
    given: list[str]
    #: The code cells of the solution.
    solution: list[str]


def write_exercises(
    folder: str | os.PathLike[str], chapters: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Write, for every chapter, a notebook with its exercises and without their
    solutions.

    Parameters
    ----------
    folder : path
        Where to write; made if it does not exist. A notebook that is there already is
        never overwritten: it may hold somebody's work.
    chapters : path, optional
        The folder of the chapters' notebooks; by default the one beside the package,
        where it was installed from a copy of the project.

    Returns
    -------
    list of Path
        The notebooks that were written.

    Raises
    ------
    FileNotFoundError
        If there are no chapters.
    FileExistsError
        If one of the notebooks exists already; then nothing is written.
    TypeError
        If `folder` or `chapters` is no path.
    """
    folder = as_path("folder", folder)
    where = _chapters() if chapters is None else as_path("chapters", chapters)
    sources = sorted(where.glob("[0-9][0-9]-*.ipynb"))
    if not sources:
        raise FileNotFoundError(
            f"There are no chapters in {where}. The exercises are made from the book's notebooks: name "
            "their folder, book/chapters in a copy of the project."
        )
    made = {folder / source.name: exercise_notebook(source) for source in sources}
    there = [path.name for path in made if path.exists()]
    if there:
        raise FileExistsError(
            f"{folder} already holds {', '.join(there)}, perhaps somebody's work: name another folder."
        )
    written: list[Path] = []
    with uninterrupted():
        try:
            for path, notebook in made.items():
                with replacing(path) as file:
                    file.write((json.dumps(notebook, indent=1) + "\n").encode())
                written.append(path)
        except BaseException:
            for path in written:  # or they would be taken for somebody's work
                path.unlink()
            raise
    return written


def _chapters() -> Path:
    return Path(__file__).resolve().parents[1] / "book" / "chapters"


def exercise_notebook(chapter: Path) -> dict[str, Any]:
    """Return the notebook of a chapter's exercises."""
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    title = re.search(r"^# (.*)$", _source(cells[0]), re.MULTILINE)
    assert title is not None, f"{chapter.name} has no title"
    before, exercises = read_exercises(cells)
    number = int(chapter.name.split("-")[0])
    made = [
        _markdown(
            f"# {title[1]}: the exercises of chapter {number}\n\n"
            "Each has a blank for your code and, where it can be judged, a check. The solutions are in "
            "the chapter, folded."
        )
    ]
    needed = _needed(before, exercises)
    if needed:
        made.append(
            _markdown("## From the chapter\n\nWhat the exercises use. Run it first.")
        )
        made += [
            _code(source, {"jupyter": {"source_hidden": True}}) for source in needed
        ]
    for count, exercise in enumerate(exercises, start=1):
        made.append(
            _markdown(
                f"## Exercise {number}.{count}: {plain(exercise.title)}\n\n{plain(exercise.text)}"
            )
        )
        made += [_code(source) for source in exercise.given or [""]]
    for count, cell in enumerate(made):
        cell["id"] = f"exercise-{number:02}-{count:03}"
    return {
        "cells": made,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }  # fmt: skip


# ---- reading a chapter ---------------------------------------------------------------


def read_exercises(
    cells: Sequence[dict[str, Any]],
) -> tuple[list[str], list[Exercise]]:
    """Return the code before the first exercise, and the exercises.

    An exercise's own code stands between its text and `solution-start`, the code of its
    solution from there to `solution-end`.
    """
    before: list[str] = []
    exercises: list[Exercise] = []
    in_solution = False
    for cell in cells:
        source = _source(cell)
        if cell["cell_type"] == "code":
            if not exercises:
                before.append(source)
            elif in_solution:
                exercises[-1].solution.append(source)
            elif not exercises[-1].solution:
                exercises[-1].given.append(source)
            continue
        # One cell of text may end a solution, hold an exercise, and start its solution.
        for kind, match in _marks(source):
            if kind == "exercise":
                exercises.append(
                    Exercise(match["title"], match["text"].strip(), [], [])
                )
            in_solution = kind == "start"
    return before, exercises


def _marks(source: str) -> Iterator[tuple[str, Any]]:
    """Yield the exercises and the bounds of solutions in a cell of text, in order."""
    found = [(match.start(), "exercise", match) for match in _EXERCISE.finditer(source)]
    for kind, text in (("start", _SOLUTION_START), ("end", _SOLUTION_END)):
        found += [
            (match.start(), kind, match)
            for match in re.finditer(re.escape(text), source)
        ]
    for _, kind, match in sorted(found, key=lambda item: item[0]):
        yield kind, match


# ---- what an exercise needs of its chapter -------------------------------------------


def _needed(before: Sequence[str], exercises: Sequence[Exercise]) -> list[str]:
    """Return the cells of the chapter that define what the exercises use, in order."""
    known = [names_of(source) for source in before]
    keep: set[int] = set()
    open_questions: list[tuple[int, str]] = []
    own: set[str] = set()
    for exercise in exercises:
        for source in (*exercise.given, *exercise.solution):
            bound, used = names_of(source)
            open_questions += [(len(before), name) for name in used - own]
            own |= bound
    while open_questions:
        cell, name = open_questions.pop()
        earlier = [i for i in range(cell) if name in known[i][0]]
        # A function may use what is defined after it, when it is called later still.
        later = [i for i in range(cell + 1, len(before)) if name in known[i][0]]
        for i in earlier[-1:] or later[:1]:
            if i not in keep:
                keep.add(i)
                open_questions += [(i, other) for other in known[i][1]]
    return [before[i] for i in sorted(keep)]


def names_of(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell binds, and those that it takes from cells before
    it."""
    table = symtable.symtable(source, "cell", "exec")
    bound = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported()
    }
    used = set(_global_names(table)) - set(dir(builtins))
    used |= {  # `x += 1` needs an `x`
        node.target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
    }
    # A name that the cell itself binds is taken from before only if it is used earlier than bound.
    return bound, {
        name for name in used if name not in bound or _used_first(source, name)
    }


def _global_names(table: symtable.SymbolTable) -> Iterator[str]:
    """Yield the names of the notebook that a cell or one of its functions refers to."""
    for symbol in table.get_symbols():
        top = table.get_type() == "module"
        if symbol.is_referenced() and (top or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _global_names(inner)


def _used_first(source: str, name: str) -> bool:
    """Return whether a cell uses `name` before it has bound it."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            if statement.name == name:
                return False
            continue  # it runs when it is called, by then the name is bound
        if isinstance(statement, ast.Import | ast.ImportFrom):
            if name in _bound_by_import(statement):
                return False
            continue
        nodes = [
            node
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and node.id == name
        ]
        if not nodes:
            continue
        if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign):
            # The right side is worked out first.
            return any(isinstance(node.ctx, ast.Load) for node in nodes) or isinstance(
                statement, ast.AugAssign
            )
        first = min(nodes, key=lambda node: (node.lineno, node.col_offset))
        return isinstance(first.ctx, ast.Load)
    return False


def _bound_by_import(statement: ast.Import | ast.ImportFrom) -> set[str]:
    return {alias.asname or alias.name.split(".")[0] for alias in statement.names}


# ---- text ----------------------------------------------------------------------------


def plain(text: str) -> str:
    """Return a text of the book as Markdown that any notebook program shows."""
    text = re.sub(r"\{(?:term|index)\}`([^`<]*?)\s*(?:<[^`]*>)?`", r"\1", text)
    text = re.sub(r"\{cite:[tp]\}`([^`]*)`", r"[\1]", text)
    text = re.sub(r"\{(?:ref|doc)\}`([^`<]+?)\s*<[^`]*>`", r"\1", text)
    text = re.sub(r"\{eq\}`([^`]*)`", r"the chapter's equation `\1`", text)
    text = re.sub(r"\{numref\}`([^`]*)`", r"the chapter's `\1`", text)
    return re.sub(r"\{ref\}`([^`]*)`", r"`\1` (see the book)", text)


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def _code(source: str, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "cell_type": "code", "execution_count": None, "metadata": metadata or {},
        "outputs": [], "source": source,
    }  # fmt: skip
