"""`nndl exercises`: the chapters' exercises, without their solutions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nndl.cli import main
from nndl.exercises import (
    exercise_notebook,
    names_of,
    plain,
    read_exercises,
    write_exercises,
)

CHAPTERS = Path(__file__).resolve().parent.parent / "book" / "chapters"
beside_the_book = pytest.mark.skipif(
    not CHAPTERS.is_dir(), reason="the book is not here: only the tests were copied"
)


def cell(kind, source):
    return {"cell_type": kind, "metadata": {}, "source": source, "outputs": []}


CELLS = [
    cell("markdown", "(ch-x)=\n# Things\n"),
    cell("code", "import math"),
    cell("code", "unused = 1"),
    cell("code", "size = 2\ndef area(r):\n    return math.pi * r**2 * size"),
    cell("code", "size = 3"),
    cell(
        "markdown",
        "Text.\n\n```{exercise} By {term}`hand`\n:label: ex-x-hand\nWork out $1 + 1$.\n```\n\n"
        "```{solution-start} ex-x-hand\n:class: dropdown\n```",
    ),
    cell("markdown", "It is SECRET."),
    cell("code", "print('SECRET', area(1))"),
    cell(
        "markdown",
        "```{solution-end}\n```\n\n```{exercise} In code\n:label: ex-x-code\nWrite `f`.\n```",
    ),
    cell("code", "def f():\n    ...\n\ncheck(f)"),
    cell("markdown", "```{solution-start} ex-x-code\n```"),
    cell("code", "def f():\n    return 'SECRET'"),
    cell("markdown", "```{solution-end}\n```\n## Summary"),
    cell("code", "print('after')"),
]


@pytest.fixture
def chapters(tmp_path):
    folder = tmp_path / "chapters"
    folder.mkdir()
    text = json.dumps(
        {"cells": CELLS, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}
    )
    (folder / "03-things.ipynb").write_text(text)
    (folder / "notes.ipynb").write_text("{}")
    return folder


def sources(notebook, kind):
    return [c["source"] for c in notebook["cells"] if c["cell_type"] == kind]


def test_the_solutions_are_left_out_and_the_rest_of_an_exercise_stays(chapters):
    notebook = exercise_notebook(chapters / "03-things.ipynb")
    assert "SECRET" not in json.dumps(notebook)
    text = "\n".join(sources(notebook, "markdown"))
    assert "# Things: the exercises of chapter 3" in text
    assert "## Exercise 3.1: By hand\n\nWork out $1 + 1$." in text
    assert "## Exercise 3.2: In code" in text
    assert sources(notebook, "code")[-2:] == ["", "def f():\n    ...\n\ncheck(f)"]


def test_only_the_cells_that_the_exercises_need_come_before_them(chapters):
    code = sources(exercise_notebook(chapters / "03-things.ipynb"), "code")
    assert code[:-2] == [CELLS[1]["source"], CELLS[3]["source"]]


def test_the_notebook_is_a_valid_one(chapters):
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    (path,) = write_exercises(chapters.parent / "out", chapters)
    nbformat.validate(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_set_of_notebooks_is_written_whole_or_not_at_all(
    chapters, monkeypatch, broken
):
    """What a full disk leaves of it would be taken for somebody's work."""
    text = (chapters / "03-things.ipynb").read_text()
    for number in (4, 5):
        (chapters / f"0{number}-things.ipynb").write_text(text)
    out = chapters.parent / "out"
    replace, writes = os.replace, iter(range(3))

    def full(part, path):
        if next(writes) == broken:
            raise OSError(28, "No space left on device")
        replace(part, path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            write_exercises(out, chapters)
    assert list(out.iterdir()) == []
    assert len(write_exercises(out, chapters)) == 3


def test_work_that_is_there_is_never_overwritten(chapters, capsys):
    out = chapters.parent / "out"
    assert main(["exercises", str(out), "--chapters", str(chapters)]) == 0
    assert capsys.readouterr().out.strip() == str(out / "03-things.ipynb")
    (out / "03-things.ipynb").write_text("my work")
    assert main(["exercises", str(out), "--chapters", str(chapters)]) == 1
    assert "already holds 03-things.ipynb" in capsys.readouterr().err
    assert (out / "03-things.ipynb").read_text() == "my work"


def test_a_folder_without_chapters_is_named(tmp_path, capsys):
    assert main(["exercises", str(tmp_path / "out"), "--chapters", str(tmp_path)]) == 1
    assert "There are no chapters in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "bound", "used"),
    [
        ("x = y + 1", {"x"}, {"y"}),
        ("x = x + 1", {"x"}, {"x"}),
        ("x += 1", {"x"}, {"x"}),
        ("for i in r:\n    print(i)", {"i"}, {"r"}),
        ("def f(a):\n    b = a + g\n    return b", {"f"}, {"g"}),
        ("import a.b as c, d.e\nd.e(c)", {"c", "d"}, set()),
        ("[i for i in z]", set(), {"z"}),
        ("with o() as f:\n    f.read(k)", {"f"}, {"o", "k"}),
        ("class A(B):\n    c = d", {"A"}, {"B", "d"}),
    ],
)
def test_the_names_that_a_cell_binds_and_needs(source, bound, used):
    assert names_of(source) == (bound, used)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a {term}`ReLU` and {term}`ReLUs <ReLU>`", "a ReLU and ReLUs"),
        ("{index}`folded <single: folding>` away", "folded away"),
        ("{cite:p}`zhang2019`", "[zhang2019]"),
        ("by {eq}`eq-x`", "by the chapter's equation `eq-x`"),
    ],
)
def test_the_books_roles_become_plain_text(text, expected):
    assert plain(text) == expected


@beside_the_book
@pytest.mark.parametrize(
    "path", sorted(CHAPTERS.glob("*.ipynb")), ids=lambda p: p.stem[:2]
)
def test_every_chapter_gives_its_exercises_with_all_that_they_need(path):
    _, exercises = read_exercises(json.loads(path.read_text())["cells"])
    assert len(exercises) >= 6
    assert all(exercise.solution or exercise.text for exercise in exercises)
    notebook = exercise_notebook(path)
    text = json.dumps(notebook)
    assert "solution-start" not in text
    assert not any(output for c in notebook["cells"] for output in c.get("outputs", []))
    names = [names_of(source) for source in sources(notebook, "code")]
    known = {"__name__"}.union(*(bound for bound, _ in names))
    assert set().union(*(used for _, used in names)) <= known
