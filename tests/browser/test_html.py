"""What can be read from the built files without a browser."""

import functools
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import pytest

# What a page may point to elsewhere: links, which readers follow if they like.
FETCHED = {
    ("audio", "src"),
    ("embed", "src"),
    ("form", "action"),
    ("iframe", "src"),
    ("img", "src"),
    ("img", "srcset"),
    ("link", "href"),
    ("object", "data"),
    ("script", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("video", "src"),
}
# No picture says less in words, and a screen reader takes a breath after this many.
ALT_LENGTHS = range(15, 700)


class Reading(HTMLParser):
    """The links, the names to link to, what is fetched and the pictures of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.names, self.fetched, self.pictures = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "img":
            self.pictures.append(found)
        if found.get("id"):
            self.names.append(found["id"])
        self.fetched += [
            value for name, value in attributes if (tag, name) in FETCHED and value
        ]


@functools.cache
def read(path):
    return Reading(path.read_text(encoding="utf-8"))


def test_every_link_leads_somewhere(html, address):
    broken = []
    for link in read(html / address).links:
        target = urlsplit(urljoin(address, link))
        if target.scheme or target.netloc:
            continue
        path, anchor = html / unquote(target.path), unquote(target.fragment)
        if not path.is_file() or (
            anchor and path.suffix == ".html" and anchor not in read(path).names
        ):
            broken.append(link)
    assert broken == []


def test_no_name_is_given_twice(html, address):
    names = read(html / address).names
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_nothing_is_fetched_from_elsewhere(html, address):
    elsewhere = [
        value
        for value in read(html / address).fetched
        if urlsplit(value).netloc and not value.startswith("data:")
    ]
    assert elsewhere == []


@pytest.mark.parametrize("suffix", [".css", ".js"])
def test_styles_and_scripts_of_the_book_fetch_nothing_from_elsewhere(html, suffix):
    for path in (html / "_static").rglob(f"nndl*{suffix}"):
        assert "//" not in re.sub(
            r"(?m)^\s*//.*$|/\*.*?\*/", "", path.read_text(encoding="utf-8")
        )


def test_every_picture_is_described_in_words(html, address):
    for picture in read(html / address).pictures:
        words = picture.get("alt")
        if "logo__image" in picture.get("class", ""):
            continue  # its name stands beside it
        assert words is not None, picture["src"]
        assert len(words) in ALT_LENGTHS, words
        assert "_images/" not in words, words
        assert picture["src"] not in words


def test_a_page_and_its_own_pictures_weigh_less_than_two_megabytes(html, address):
    page = html / address
    own = {
        page.parent.joinpath(picture["src"]).resolve()
        for picture in read(page).pictures
        if not picture["src"].startswith("data:")
    }
    assert page.stat().st_size + sum(path.stat().st_size for path in own) < 2_000_000
