"""Every page of the book, wide and narrow, light and dark, as a reader meets it."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

import pytest

# Formulas that were not typeset, or that MathJax did not understand.
RAW_FORMULAS = r"""() => {
    const left = [...document.querySelectorAll(".math")]
        .filter((math) => !math.querySelector("mjx-container"))
        .map((math) => math.textContent);
    const wrong = [...document.querySelectorAll("mjx-merror")]
        .map((error) => error.textContent);
    const raw = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        if (!node.parentElement.closest("pre, code, script, style, mjx-container")
            && /\\\(|\\\[|\$\$|\\begin\{/.test(node.data)) raw.push(node.data);
    }
    return [...left, ...wrong, ...raw];
}"""

# A picture far down is loaded only once it comes near; `decode` waits for it.
MISSING_PICTURES = """async () => {
    const missing = [];
    for (const image of document.images) {
        image.loading = "eager";
        try { await image.decode(); } catch { missing.push(image.src); }
    }
    return missing;
}"""

# Icons that the theme's script did not know, or has not drawn.
MISSING_ICONS = """() => [...document.querySelectorAll("svg:has(.missing), i.fa-solid")]
    .map((icon) => icon.outerHTML.slice(0, 150))"""

# What reaches over the right edge, unless a box around it scrolls or cuts it off.
STICKING_OUT = """(width) => {
    if (document.documentElement.scrollWidth <= width) return [];
    const held = (element) => {
        for (let box = element.parentElement; box; box = box.parentElement) {
            if (box === document.body) return false;
            if (getComputedStyle(box).overflowX !== "visible") return true;
        }
        return true;
    };
    const found = [...document.body.querySelectorAll("*")]
        .filter((element) => element.getBoundingClientRect().right > width + 0.5)
        .filter((element) => !held(element))
        .map((element) => element.outerHTML.slice(0, 150));
    return [`${document.documentElement.scrollWidth} px wide`, ...found.slice(-3)];
}"""

# Buttons fade from one scheme to the other; nobody wants to read them in between.
COLOURS_CHANGED = """async (scheme) => {
    for (let wait = 0; wait < 60; wait++) {
        await new Promise(requestAnimationFrame);
        if (document.documentElement.dataset.theme === scheme) break;
    }
    document.getAnimations().forEach((animation) => animation.finish());
}"""

# Which scheme a page is opened and pictured in, by width; it is switched to the other then,
# which axe judges by the colours around the text: those of the text it judges at the other
# width.
FIRST_SCHEME = {1280: "light", 390: "dark"}


@dataclass
class Visit:
    """What a reader of a page in one mode came across."""

    theme: str
    sticking_out: list[str]
    missing_pictures: list[str]
    missing_icons: list[str]
    raw_formulas: list[str]
    complaints: list[str]
    requests: int
    outside: list[str]
    violations: list[str]


@pytest.fixture(scope="session")
def visits(opener, violations, screenshots):
    """Return a function that looks at a page in both schemes, once; each test below asks
    for one thing that was seen. The wide page comes from a server, the narrow one from a
    file, as of a book that was taken along."""

    @functools.cache
    def look(address: str, width: int) -> dict[str, Visit]:
        first = FIRST_SCHEME[width]
        opened = opener(address, width, first, from_file=width == 390)
        opened.page.wait_for_load_state("networkidle")
        page = opened.page
        missing = page.evaluate(MISSING_PICTURES)
        raw = page.evaluate(RAW_FORMULAS)  # now: axe's turn takes formulas out
        name = f"{address.removesuffix('.html').replace('/', '-')}-{width}-{first}.jpg"
        if os.environ.get("NNDL_SCREENSHOTS"):
            page.screenshot(
                path=screenshots / name, type="jpeg", quality=40, full_page=True
            )
        seen = {}
        for scheme in (first, "light" if first == "dark" else "dark"):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(COLOURS_CHANGED, scheme)
            seen[scheme] = Visit(
                theme=page.evaluate("document.documentElement.dataset.theme"),
                sticking_out=page.evaluate(STICKING_OUT, width),
                missing_pictures=missing,
                missing_icons=page.evaluate(MISSING_ICONS),
                raw_formulas=raw,
                complaints=list(opened.complaints),
                requests=len(opened.requests),
                outside=list(opened.outside),
                violations=violations(page, only_colours_around=scheme != first),
            )
        page.context.close()
        return seen

    return look


@pytest.fixture
def visit(visits, address, mode):
    """What a reader of a page in one mode came across."""
    return visits(address, mode.width)[mode.scheme]


def test_the_page_follows_the_colours_that_the_reader_prefers(visit, mode):
    assert visit.theme == mode.scheme


def test_nothing_is_wider_than_the_page(visit):
    assert visit.sticking_out == []


def test_every_picture_is_loaded(visit):
    assert visit.missing_pictures == []


def test_every_icon_is_drawn(visit):
    assert visit.missing_icons == []


def test_every_formula_is_typeset(visit):
    assert visit.raw_formulas == []


def test_axe_finds_no_violation(visit):
    assert visit.violations == []


def test_the_browser_has_no_complaint(visit):
    assert visit.complaints == []


def test_no_request_leaves_the_book(visit):
    assert visit.requests > 0
    assert visit.outside == []
