"""The book's table of contents, its notebooks and its bibliography fit together."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "book" / "chapters").glob("*.ipynb"))
NOTEBOOKS = sorted((ROOT / "book").glob("*/*.ipynb"))
chapters = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
notebooks = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


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
        *(ROOT / "book").glob("*/*.md"),
        *NOTEBOOKS,
    ]
    assert {
        page.relative_to(ROOT).with_suffix("").as_posix() for page in pages
    } <= listed


def test_no_reference_is_listed_twice():
    keys = keys_in_bibliography()
    assert len(keys) == len(set(keys))


def test_every_citation_is_in_the_bibliography():
    known = set(keys_in_bibliography())
    pages = [*(ROOT / "book").glob("*.md"), *(ROOT / "book").glob("*/*.md")]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    texts += [text_of(cell) for notebook in NOTEBOOKS for cell in cells(notebook)]
    for text in texts:
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text):
            assert {key.strip() for key in keys.split(",")} <= known


@notebooks
def test_every_picture_has_a_description(notebook):
    for number, cell in enumerate(cells(notebook)):
        outputs = cell.get("outputs", [])
        if any("image/png" in output.get("data", {}) for output in outputs):
            image = cell["metadata"].get("mystnb", {}).get("image", {})
            assert image.get("alt"), (
                f"cell {number} draws a picture without mystnb.image.alt"
            )


@notebooks
def test_no_output_loads_anything_from_the_network(notebook):
    allowed = {"text/plain", "text/markdown", "text/html", "text/latex", "image/png"}
    for number, cell in enumerate(cells(notebook)):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            assert set(data) <= allowed, f"cell {number}"
            assert "<script" not in "".join(data.get("text/html", [])), f"cell {number}"


@notebooks
def test_exercises_and_their_solutions_are_closed_and_paired(notebook):
    text = "\n".join(
        text_of(cell) for cell in cells(notebook) if cell["cell_type"] == "markdown"
    )
    for kind in ("exercise", "solution"):
        starts = re.findall(rf"\{{{kind}-start\}}", text)
        assert len(starts) == len(re.findall(rf"\{{{kind}-end\}}", text))
    exercises = re.findall(r"\{exercise(?:-start)?\}[^\n]*\n:label: (\S+)", text)
    solutions = re.findall(r"\{solution(?:-start)?\} (\S+)", text)
    assert len(exercises) == len(set(exercises))
    assert set(solutions) <= set(exercises)


@chapters
def test_a_chapter_has_at_least_six_exercises_and_a_solution_for_each(chapter):
    text = "\n".join(
        text_of(cell) for cell in cells(chapter) if cell["cell_type"] == "markdown"
    )
    exercises = re.findall(r"\{exercise(?:-start)?\}[^\n]*\n:label: (\S+)", text)
    solutions = re.findall(r"\{solution(?:-start)?\} (\S+)", text)
    assert len(exercises) >= 6
    assert sorted(exercises) == sorted(solutions)


def test_no_label_is_used_twice_in_the_book():
    labels = []
    for notebook in NOTEBOOKS:
        for cell in cells(notebook):
            text = text_of(cell)
            if cell["cell_type"] == "markdown":
                labels += re.findall(
                    r"^:(?:label|name): (\S+)", text, flags=re.MULTILINE
                )
                labels += re.findall(r"^\((\S+)\)=$", text, flags=re.MULTILINE)
                labels += re.findall(r"^\$\$ \((\S+)\)$", text, flags=re.MULTILINE)
            figure = cell["metadata"].get("mystnb", {}).get("figure", {})
            labels += [figure["name"]] if "name" in figure else []
    assert len(labels) > 100
    assert len(labels) == len(set(labels))


def test_every_chapter_has_its_record_in_the_growing_figure():
    path = ROOT / "book" / "chapters" / "progress.json"
    records = json.loads(path.read_text(encoding="utf-8"))
    numbers = [int(chapter.stem.split("-")[0]) for chapter in CHAPTERS]
    assert [record["chapter"] for record in records] == numbers
    for record in records:
        assert 0.1 < record["shapes"] < 1
        assert 0.1 < record["cifar10"] < 1


@chapters
def test_every_chapter_stands_in_the_introduction_and_the_readme(chapter):
    introduction = (ROOT / "book" / "intro.md").read_text(encoding="utf-8")
    assert f":link: chapters/{chapter.stem}\n" in introduction
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"(book/chapters/{chapter.name})" in readme


def test_every_term_of_the_glossary_that_the_chapters_use_is_linked_or_defined_there():
    glossary = (ROOT / "book" / "appendices" / "glossary.md").read_text("utf-8")
    terms = re.findall(r"^([^\s:(#].*)\n  \S", glossary, flags=re.MULTILINE)
    text = "\n".join(text_of(cell) for path in NOTEBOOKS for cell in cells(path))
    marked = " ".join(re.findall(r"\{(?:term|index)\}`([^`]+)`", text)).lower()
    used = {term for term in terms if re.search(rf"\b{re.escape(term)}", text)}
    assert len(used) > 70
    assert {term for term in used if term.lower() not in marked} == set()


def test_no_formula_shows_the_backslash_before_an_underscore():
    for notebook in NOTEBOOKS:
        for cell in cells(notebook):  # MathJax takes \texttt, unlike \mathtt, literally
            assert not re.search(r"\\text(tt)?\{[^}$]*\\_", text_of(cell)), notebook
