"""The whole book as one PDF, printed by `make pdf`."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "print_book.py"


@pytest.fixture(scope="module")
def reader(html):
    """The printed book, which stays beside the HTML to be looked at."""
    pypdf = pytest.importorskip("pypdf", reason="the extra `book` is not installed")
    if shutil.which("chromium") is None and shutil.which("google-chrome") is None:
        pytest.skip("Chromium is not installed")
    out = html.parent / "forward-and-backward.pdf"
    command = [sys.executable, TOOL, "--html", html, "--out", out]
    subprocess.run(command, check=True, timeout=1500)
    return pypdf.PdfReader(out)


@pytest.fixture(scope="module")
def words(reader):
    """Return a function that reads a page, counted from 1: reading all takes minutes."""

    @functools.cache
    def read(page):
        text = reader.pages[page - 1].extract_text()
        for joined, apart in (("ﬁ", "fi"), ("ﬂ", "fl"), ("ﬀ", "ff"), ("ﬃ", "ffi")):
            text = text.replace(joined, apart)
        return re.sub(r"\s+", " ", text)

    return read


@pytest.fixture(scope="module")
def sample(reader):
    """Pages from all over the book."""
    return range(2, len(reader.pages), 9)


def bookmarks(reader):
    """Return the page, counted from 1, of each title on the outline's first level."""
    return {
        item.title: reader.get_destination_page_number(item) + 1
        for item in reader.outline
        if not isinstance(item, list)
    }


def closed_up(text):
    """Return a text without its spaces, which depend on how it was set."""
    return text.replace(" ", "")


def test_the_book_has_hundreds_of_pages_of_one_size(reader):
    assert len(reader.pages) > 300
    sizes = {tuple(round(float(x)) for x in page.mediabox[2:]) for page in reader.pages}
    assert sizes == {(595, 842)}


def test_every_chapter_and_appendix_is_bookmarked_and_begins_on_its_page(reader, words):
    found = bookmarks(reader)
    numbered = [title for title in found if re.match(r"[1-9A-D]\. ", title)]
    assert [title[0] for title in numbered] == list("123456789ABCD")
    assert {"Solutions to the exercises", "Bibliography", "Index"} <= set(found)
    for title in numbered:
        assert closed_up(title) in closed_up(words(found[title]))


def test_the_contents_give_the_pages_on_which_chapters_begin(reader, words):
    contents = closed_up(" ".join(map(words, range(2, 9))))
    for title, page in bookmarks(reader).items():
        assert f"{closed_up(title)}{page}" in contents


def test_an_exercise_names_the_page_of_its_solution(reader, words):
    sections = [
        item for part in reader.outline if isinstance(part, list) for item in part
    ]
    starts = [
        reader.get_destination_page_number(item) + 1
        for item in sections
        if re.fullmatch(r"\w\.\d+\. Exercises", item.title)
    ]
    assert len(starts) == 11  # nine chapters, two appendices
    for start in starts:
        text = words(start) + words(start + 1)
        pages = set(map(int, re.findall(r"Solution on page (\d+)", text)))
        assert pages
        for page in pages:
            assert "Solution to Exercise" in words(page)


def test_no_formula_was_left_as_it_was_typed(words, sample):
    typed = re.compile(r"\\\(|\\\[|\\begin\{|\\frac\{")
    assert [page for page in sample if typed.search(words(page))] == []


def test_no_blank_was_left_for_a_page_number(reader, words):
    for page in (2, 3, len(reader.pages)):
        assert "{{" not in words(page)
        assert " 888" not in words(page)
