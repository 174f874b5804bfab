"""Notebooks in the manner of the courses' editions run from beginning to end, and the
errors that they print are small."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

from compat.course_names import ROWS
from nndl.cli import main
from nndl.compat._notebook import run_notebook

pytestmark = pytest.mark.filterwarnings("default")  # of Jupyter's own libraries

FOLDER = Path(__file__).parent / "notebooks"
ROOT = Path(__file__).parents[2]


class Edition(NamedTuple):
    """What running a notebook must come to."""

    #: How many errors its cells print, and what none may exceed.
    errors: int
    bound: float = 1e-5
    #: The numbers of the cells that only Colab or a compiler could run.
    passed_over: tuple[int, ...] = ()
    dropout_p: str = "keep"


EDITIONS = {
    "cs231n_2017": Edition(38, passed_over=(10,), dropout_p="drop"),
    "cs231n_2020": Edition(47),
    "cs231n_2025": Edition(35, passed_over=(1, 8)),
    "cse493g1": Edition(21, passed_over=(1, 7)),
    "c147_2018": Edition(37, bound=1e-4),
    "c147_2022": Edition(13, dropout_p="drop"),
}
#: This one is run from the command line.
COMMANDED = "c147_2022"


def code_of(name):
    """Return the sources of a notebook's code cells."""
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [
        "".join(cell["source"])
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


@pytest.mark.parametrize("name", sorted(set(EDITIONS) - {COMMANDED}))
def test_a_notebook_of_an_edition_runs_unchanged(name):
    edition = EDITIONS[name]
    report = run_notebook(
        FOLDER / f"{name}.ipynb", data="shapes", dropout_p=edition.dropout_p
    )
    assert report.failed == 0, str(report)
    states = {cell.number: cell.state for cell in report.cells}
    assert len(states) == len(code_of(name))
    assert [n for n, state in states.items() if state == "passed over"] == list(
        edition.passed_over
    )
    assert set(states.values()) <= {"run", "passed over"}
    errors = [value for cell in report.cells for _, value in cell.errors]
    assert len(errors) == edition.errors
    assert max(errors) < edition.bound
    assert f"{edition.errors} relative errors were printed, 0 above 0.01" in str(report)


def test_a_notebook_runs_from_the_command_line(tmp_path, capsys):
    edition, out = EDITIONS[COMMANDED], tmp_path / "out.ipynb"
    arguments = ["--data", "shapes", "--dropout-p", edition.dropout_p, "-o", str(out)]
    assert main(["run-notebook", str(FOLDER / f"{COMMANDED}.ipynb"), *arguments]) == 0
    table = capsys.readouterr().out
    cells = len(code_of(COMMANDED))
    assert f"{cells} run, 0 passed over, 0 failed, in " in table
    assert "without `%cd /content/drive/MyDrive/C147` and 1 more" in table
    assert f"{edition.errors} relative errors were printed, 0 above 0.01" in table
    setup, *done = (
        cell for cell in nbformat.read(out, 4).cells if cell.cell_type == "code"
    )
    assert "dropout_p='drop'" in setup.source
    assert len(done) == cells
    printed = "".join(
        output.text
        for cell in done
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stdout"
    )
    errors = re.findall(r"(?:error|difference): *(\S+)", printed)
    assert len(errors) == edition.errors
    assert max(map(float, errors)) < edition.bound
    pictures = [
        o for cell in done for o in cell.outputs if "image/png" in o.get("data", {})
    ]
    assert len(pictures) == 2


# ---- what the notebooks hold ---------------------------------------------------------


def test_every_notebook_has_its_expectations():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(EDITIONS)


@pytest.fixture(scope="module")
def used():
    """The names that the notebooks' code reads."""
    sources = [source for name in EDITIONS for source in code_of(name)]
    python = [
        re.sub(r"^(\s*)[%!].*", r"\1pass", s, flags=re.MULTILINE) for s in sources
    ]
    return {
        node.id
        for source in python
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


@pytest.mark.parametrize("name", sorted({row.name for row in ROWS}))
def test_every_name_is_used_in_a_notebook(used, name):
    assert name in used


@pytest.mark.parametrize(
    "module", sorted({module for row in ROWS for module in row.modules})
)
def test_every_module_is_imported_from_one_course_or_another(module):
    _, _, helper = module.partition(".")
    sources = "\n".join(source for edition in EDITIONS for source in code_of(edition))
    assert re.search(rf"^from \w+\.{re.escape(helper)} import ", sources, re.MULTILINE)


def test_the_notebooks_are_kept_without_outputs():
    for name in EDITIONS:
        for cell in json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]:
            if cell["cell_type"] == "code":
                assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_plain_pytest_does_not_collect_the_notebooks():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", str(FOLDER)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 5, done.stdout  # no tests


def test_nbval_is_only_told_of_the_book():
    for file in ("Makefile", ".ci/run"):
        told = re.findall(r"--nbval(?:-lax)?\s+(\S+)", (ROOT / file).read_text())
        assert told
        assert set(told) <= {"book/", "book/chapters"}
