"""The book's table of contents, its notebooks and its bibliography fit together."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "book" / "chapters").glob("*.ipynb"))
chapters = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


def pages_in_contents():
    text = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    return re.findall(r"^\s*(?:root:|-?\s*file:)\s*(\S+)", text, flags=re.MULTILINE)


def cells(chapter):
    return json.loads(chapter.read_text(encoding="utf-8"))["cells"]


def text_of(cell):
    return "".join(cell["source"])


def keys_in_bibliography():
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    return re.findall(r"^@\w+\{([^,\s]+),", text, flags=re.MULTILINE)


def test_every_page_in_the_contents_exists():
    for page in pages_in_contents():
        assert any(
            (ROOT / f"{page}{suffix}").exists() for suffix in (".md", ".ipynb")
        ), page


def test_every_page_of_the_book_is_in_the_contents():
    listed = set(pages_in_contents())
    pages = [
        *(ROOT / "book").glob("*.md"),
        *(ROOT / "book" / "api").glob("*.md"),
        *CHAPTERS,
    ]
    assert {
        page.relative_to(ROOT).with_suffix("").as_posix() for page in pages
    } <= listed


def test_no_reference_is_listed_twice():
    keys = keys_in_bibliography()
    assert len(keys) == len(set(keys))


def test_every_citation_is_in_the_bibliography():
    known = set(keys_in_bibliography())
    texts = [page.read_text(encoding="utf-8") for page in (ROOT / "book").glob("*.md")]
    texts += [text_of(cell) for chapter in CHAPTERS for cell in cells(chapter)]
    for text in texts:
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text):
            assert {key.strip() for key in keys.split(",")} <= known


@chapters
def test_every_picture_has_a_description(chapter):
    for number, cell in enumerate(cells(chapter)):
        outputs = cell.get("outputs", [])
        if any("image/png" in output.get("data", {}) for output in outputs):
            image = cell["metadata"].get("mystnb", {}).get("image", {})
            assert image.get("alt"), (
                f"cell {number} draws a picture without mystnb.image.alt"
            )


@chapters
def test_no_output_loads_anything_from_the_network(chapter):
    allowed = {"text/plain", "text/markdown", "text/html", "text/latex", "image/png"}
    for number, cell in enumerate(cells(chapter)):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            assert set(data) <= allowed, f"cell {number}"
            assert "<script" not in "".join(data.get("text/html", [])), f"cell {number}"


@chapters
def test_exercises_and_their_solutions_are_closed_and_paired(chapter):
    text = "\n".join(
        text_of(cell) for cell in cells(chapter) if cell["cell_type"] == "markdown"
    )
    for kind in ("exercise", "solution"):
        starts = re.findall(rf"\{{{kind}-start\}}", text)
        assert len(starts) == len(re.findall(rf"\{{{kind}-end\}}", text))
    exercises = re.findall(r"\{exercise(?:-start)?\}[^\n]*\n:label: (\S+)", text)
    solutions = re.findall(r"\{solution(?:-start)?\} (\S+)", text)
    assert len(exercises) == len(set(exercises))
    assert set(solutions) <= set(exercises)
