"""The whole book as one PDF, printed by `make pdf`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "print_book.py"

pytestmark = pytest.mark.xdist_group("pdf")  # printed once, by one process


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
def texts(reader):
    """The words on each page."""
    return [re.sub(r"\s+", " ", page.extract_text()) for page in reader.pages]


def bookmarks(reader, items=None):
    """Yield (title, page number from 1) of the first level of the outline."""
    for item in reader.outline if items is None else items:
        if not isinstance(item, list):
            yield item.title, reader.get_destination_page_number(item) + 1


def test_the_book_has_hundreds_of_pages_of_one_size(reader):
    assert len(reader.pages) > 300
    sizes = {tuple(round(float(x)) for x in page.mediabox[2:]) for page in reader.pages}
    assert sizes == {(595, 842)} or sizes == {(594, 841)} or sizes == {(596, 842)}


def test_every_chapter_and_appendix_is_bookmarked_and_begins_on_its_page(reader, texts):
    found = dict(bookmarks(reader))
    numbered = [title for title in found if re.match(r"[1-9A-D]\. ", title)]
    assert [title[0] for title in numbered] == list("123456789ABCD")
    assert {"Solutions to the exercises", "Bibliography", "Index"} <= set(found)
    for title in numbered:
        assert title.replace(" ", "") in letters(texts[found[title] - 1])


def letters(text):
    """Return a text without spaces and ligatures, which differ from font to font."""
    for joined, apart in (("ﬁ", "fi"), ("ﬂ", "fl"), ("ﬀ", "ff"), ("ﬃ", "ffi")):
        text = text.replace(joined, apart)
    return text.replace(" ", "")


def test_the_contents_give_the_pages_on_which_chapters_begin(reader, texts):
    contents = letters(" ".join(texts[1:8]))
    for title, page in bookmarks(reader):
        assert f"{title.replace(' ', '')}{page}" in contents


def test_an_exercise_names_the_page_of_its_solution(texts):
    noted = [re.search(r"Solution on page (\d+)", text) for text in texts]
    pages = {int(match[1]) for match in noted if match}
    assert len(pages) > 30
    for page in pages:
        assert "Solution to Exercise" in texts[page - 1]


def test_no_formula_was_left_as_it_was_typed(texts):
    raw = [text for text in texts if re.search(r"\\\(|\\\[|\\begin\{|\\frac\{", text)]
    assert raw == []


def test_no_blank_was_left_for_a_page_number(texts):
    assert not any("page of" in text and "{{" in text for text in texts)
    assert " 888" not in texts[1]
