"""Prints the built book into one PDF, with Chromium.

python tools/print_book.py [--html _build/html] [--out _build/forward-and-backward.pdf]

All pages are joined into one, in the order of the table of contents; solutions move behind the
chapters. Chromium prints it twice: the first time shows on which page everything falls, the second
has these numbers in its contents, its index and beside its exercises.
"""

from __future__ import annotations

import argparse
import html
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import matplotlib
from bs4 import BeautifulSoup
from pypdf import PdfReader, PdfWriter

ROOT = Path(__file__).resolve().parent.parent
TITLE = "Forward and Backward"
SUBTITLE = "Neural networks that run, in readable NumPy"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# What a reader clicks, and what only the notebook needs: on paper it is in the way.
NOT_ON_PAPER = (
    ".headerlink, .viewcode-link, .sd-stretched-link, details.hide, script, dialog, "
    ".cover, .on-screen"
)
PAGE_OF = "{{page of %s}}"
FIRST_PAGE = "book/intro.html"
SHORT_CODE = 16  # lines that are kept together
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FACES = [  # (family, style, weight, file): the fonts that come with matplotlib are everywhere the same
    ("Book", "normal", 400, "STIXGeneral.ttf"),
    ("Book", "italic", 400, "STIXGeneralItalic.ttf"),
    ("Book", "normal", 700, "STIXGeneralBol.ttf"),
    ("Book", "italic", 700, "STIXGeneralBolIta.ttf"),
    ("Book Code", "normal", 400, "DejaVuSansMono.ttf"),
    ("Book Code", "italic", 400, "DejaVuSansMono-Oblique.ttf"),
    ("Book Code", "normal", 700, "DejaVuSansMono-Bold.ttf"),
]


# pypdf remarks on a count in the files that Chromium writes, which harms nobody.
logging.getLogger("pypdf").setLevel(logging.ERROR)


class Entry(NamedTuple):
    """A line of the table of contents."""

    depth: int  # 0: a part of the book, without a page; 1: a chapter; 2: a section
    title: str
    anchor: str


def parsed(path: Path) -> Any:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def find_chromium() -> str:
    """Return the path of Chromium, or end with a sentence that says what to install."""
    for name in CHROMIUM:
        if path := shutil.which(name):
            return path
    sys.exit(
        "`make pdf` prints the book with Chromium, and found none: install it "
        "(on Debian and Ubuntu, `apt-get install chromium`), then try again."
    )


# ---- One page of all pages --------------------------------------------------------------


def contents_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (part, address) for each page, in order; "" until the first part begins."""
    start = folder / FIRST_PAGE
    part = ""
    menu = parsed(start).select_one("nav.bd-links")
    for element in menu.select("p.caption, a"):
        if element.name == "p":
            part = element.get_text(strip=True)
        else:
            target = element["href"].partition("#")[0]
            path = (start.parent / target).resolve() if target else start
            yield part, path.relative_to(folder.resolve()).as_posix()


def anchor_of(address: str, anchor: str = "") -> str:
    """Return what an anchor of a page is called in the whole: unique, and without dots."""
    place = f"{address.removesuffix('.html')}--{anchor}" if anchor else address
    return re.sub(r"[^\w-]", "-", place.removesuffix(".html"))


def place_of(target: str, address: str, folder: Path) -> tuple[str, str]:
    """Return (address, anchor) of a link's target; ("", "") if it is outside the book."""
    path, _, anchor = target.partition("#")
    if "://" in path:
        return "", ""
    file = (folder / address).parent / path if path else folder / address
    try:
        return file.resolve().relative_to(folder).as_posix(), unquote(anchor)
    except ValueError:
        return "", ""


def text_of(address: str, addresses: list[str], folder: Path) -> Any:
    """Return the text of a page, ready to stand beside those at the other addresses."""
    article = parsed(folder / address).select_one("article.bd-article")
    for needless in article.select(NOT_ON_PAPER):
        needless.decompose()
    for element in article.find_all(id=True):
        if not element.find_parent("svg"):
            element["id"] = anchor_of(address, element["id"])
    for image in article.find_all("img"):
        image["src"] = (folder / address).parent.joinpath(image["src"]).as_uri()
    for link in article.select("a.internal, a[href^='#'], .genindextable a"):
        other, anchor = place_of(link["href"], address, folder)
        if other in addresses:
            link["href"] = "#" + anchor_of(other, anchor)
        else:
            link.unwrap()  # such as the listings of the package's source
    for code in article.find_all("pre"):
        if code.get_text().count("\n") <= SHORT_CODE:
            code["class"] = [*code.get("class", []), "short"]
    if address == FIRST_PAGE:
        article.h1.string = "About this book"  # its own title is the book's
    article.name = "section"
    article["class"], article["id"] = ["page"], anchor_of(address)
    return article


def take_out_solutions(articles: dict[str, Any]) -> tuple[str, list[Entry]]:
    """Move the solutions out of the chapters, leaving the number of their page behind.

    Return them as a chapter of their own, with its lines of the contents.
    """
    text, entries = [], [Entry(1, "Solutions to the exercises", "solutions")]
    for address, article in articles.items():
        solutions = article.select("div.solution.admonition")
        if not solutions:
            continue
        title = article.h1.get_text()
        anchor = f"solutions-{anchor_of(address)}"
        entries.append(Entry(2, title, anchor))
        text.append(f'<h2 id="{anchor}">{html.escape(title)}</h2>')
        for solution in solutions:
            text.append(str(solution))
            exercise = solution.select_one(".admonition-title a")
            exercise = exercise and article.find(id=exercise["href"][1:])
            if exercise:
                there = solution["id"]
                link = f'<a href="#{there}">Solution on page {PAGE_OF % there}</a>'
                note = BeautifulSoup(
                    f'<p class="to-solution">{link}</p>', "html.parser"
                )
                exercise.append(note)
            solution.decompose()
    heading = f"<h1>{entries[0].title}</h1>{''.join(text)}"
    return (
        f'<section class="page" id="{entries[0].anchor}">{heading}</section>',
        entries,
    )


def number_the_index(article: Any) -> None:
    """Put page numbers where the index of a web page has links with words or [1]."""
    for table in article.select("table.genindextable"):
        for item in table.select("li"):
            links = item.find_all("a", recursive=False)
            if not links:
                continue
            words = links[0].decode_contents()
            for child in list(item.children):
                if child.name != "ul":
                    child.extract()
            numbers = (
                f'<a href="{link["href"]}">{PAGE_OF % link["href"][1:]}</a>'
                for link in links
            )
            line = f'<span class="index-line">{words}, {", ".join(numbers)}</span>'
            item.insert(0, BeautifulSoup(line, "html.parser"))
        lists = table.select("td > ul")
        table.name, table["class"] = "div", ["index-letter"]
        table.attrs.pop("style", None)
        table.clear()
        table.extend(lists)
    for jump in article.select(".genindex-jumpbox"):
        jump.decompose()
    for letter in article.find_all("h2"):
        letter.name = "h3"  # not a line of the contents


def entries_of(article: Any) -> list[Entry]:
    """Return the lines that a page has in the table of contents: its own, its sections'."""
    entries = []
    for heading in article.select("h1, h2"):
        box = heading.find_parent("section", id=True)
        if box is None or heading.find_parent(class_="admonition"):
            continue
        depth = int(heading.name[1])
        anchor = article["id"] if depth == 1 else box["id"]
        entries.append(Entry(depth, heading.get_text().strip(), anchor))
    return entries


def contents_page(entries: list[Entry]) -> str:
    lines = []
    for entry in entries:
        title = html.escape(entry.title)
        if entry.depth == 0:
            lines.append(f'<p class="contents-0">{title}</p>')
            continue
        lines.append(
            f'<p class="contents-{entry.depth}"><a href="#{entry.anchor}">'
            f"<span>{title}</span><span>{PAGE_OF % entry.anchor}</span></a></p>"
        )
    return f'<section class="page contents"><h1>Contents</h1>{"".join(lines)}</section>'


def title_page(folder: Path) -> str:
    cover = (folder / "_static" / "cover-light.png").resolve().as_uri()
    return f"""<section class="title-page">
<h1>{TITLE}</h1><p class="subtitle">{SUBTITLE}</p>
<img src="{cover}" alt="">
<p>The nndl authors</p><p class="edition">Version {version("nndl")}. Text and figures: CC BY 4.0.
Code: BSD 3-Clause.</p></section>"""


def running_heads(entries: list[Entry]) -> str:
    """Return styles that put a chapter's title on top of each of its pages."""
    rules = []
    for entry in entries:
        if entry.depth == 1:
            title = entry.title.replace("\\", "").replace('"', '\\"')
            name = f"p-{entry.anchor}"
            rules.append(
                f'@page {name} {{ @top-left {{ content: "{title}" }} }}'
                f"#{entry.anchor} {{ page: {name} }}"
            )
    return "\n".join(rules)


def whole_book(folder: Path) -> tuple[str, list[Entry]]:
    """Return the HTML of the whole book, with blanks for page numbers, and its contents."""
    listed = list(contents_of(folder))
    addresses = [address for _, address in listed]
    articles = {address: text_of(address, addresses, folder) for address in addresses}
    solutions, solution_entries = take_out_solutions(articles)
    entries: list[Entry] = []
    last_part = ""
    body = []
    for part, address in listed:
        article = articles[address]
        if address == "genindex.html":
            number_the_index(article)
        if part != last_part:
            if part == "Appendices":
                body.append(solutions)
                entries += solution_entries
            entries.append(Entry(0, part, ""))
            last_part = part
        entries += entries_of(article)
        body.append(str(article))

    start = folder / FIRST_PAGE
    head = parsed(start).head
    for element in head.select("link[href], script[src]"):
        name = "href" if element.name == "link" else "src"
        path = start.parent / element[name].partition("?")[0]
        element[name] = path.resolve().as_uri()
    styles = "".join(map(str, head.select("link[rel=stylesheet]")))
    scripts = (str(script) for script in head.find_all("script"))
    mathjax = "".join(script for script in scripts if "mathjax" in script.lower())
    faces = "".join(
        f"@font-face {{ font-family: '{family}'; font-style: {style}; font-weight: {weight};"
        f" src: url('{(FONTS / name).as_uri()}') }}\n"
        for family, style, weight, name in FACES
    )
    return (
        f"""<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8">
<title>{TITLE}</title>{styles}<style>{faces}{running_heads(entries)}</style>{mathjax}</head>
<body class="whole-book"><main class="bd-main"><div class="bd-content"><div
class="bd-article-container"><article class="bd-article">
{title_page(folder)}{contents_page(entries)}{"".join(body)}
</article></div></div></main></body></html>""",
        entries,
    )


# ---- On paper ---------------------------------------------------------------------------


def numbered(text: str, pages: Mapping[str, int]) -> str:
    """Fill the blanks with page numbers; before they are known, with a number as wide."""
    blank = re.escape(PAGE_OF).replace("%s", "([^}]+)")
    return re.sub(blank, lambda match: str(pages.get(match[1], 888)), text)


def print_page(chromium: str, page: Path, pdf: Path) -> None:
    """Let Chromium print a page, once its formulas are typeset."""
    command = [
        chromium, "--headless", "--disable-gpu", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--no-pdf-header-footer",
        "--virtual-time-budget=10000", f"--print-to-pdf={pdf}", page.as_uri(),
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.insert(1, "--no-sandbox")  # root has no sandbox
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not pdf.is_file():
        sys.exit(f"Chromium could not print the book:\n{done.stderr[-2000:]}")


def pages_of_anchors(pdf: Path) -> dict[str, int]:
    reader = PdfReader(pdf)
    return {
        name.removeprefix("/"): reader.get_destination_page_number(place) + 1
        for name, place in reader.named_destinations.items()
    }


def add_outline(pdf: Path, out: Path, entries: list[Entry]) -> int:
    """Store the PDF with bookmarks and a title; return how many pages it has."""
    pages = pages_of_anchors(pdf)
    writer = PdfWriter(clone_from=pdf)
    above: dict[int, Any] = {}
    for entry in entries:
        if entry.depth == 0 or entry.anchor not in pages:
            continue
        place = pages[entry.anchor] - 1
        above[entry.depth] = writer.add_outline_item(
            title=entry.title,
            page_number=place,
            parent=above.get(entry.depth - 1),
        )
    writer.add_metadata(
        {"/Title": f"{TITLE}: {SUBTITLE}", "/Author": "The nndl authors"}
    )
    writer.page_mode = "/UseOutlines"
    writer.write(out)
    return len(writer.pages)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "_build" / "forward-and-backward.pdf"
    )
    options = parser.parse_args(arguments)
    chromium = find_chromium()
    if not (options.html / FIRST_PAGE).is_file():
        sys.exit(f"There is no built book in {options.html}: run `make book` first.")
    text, entries = whole_book(options.html.resolve())
    with tempfile.TemporaryDirectory() as scratch:
        page, pdf = Path(scratch, "book.html"), Path(scratch, "book.pdf")
        pages: dict[str, int] = {}
        for _ in range(3):  # the third only if the numbers moved a line
            page.write_text(numbered(text, pages), encoding="utf-8")
            print_page(chromium, page, pdf)
            before, pages = pages, pages_of_anchors(pdf)
            if pages == before:
                break
        count = add_outline(pdf, options.out, entries)
    print(f"{count} pages: {options.out}")


if __name__ == "__main__":
    main()
