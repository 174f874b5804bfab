"""Every page of the book, wide and narrow, light and dark, as a reader meets it."""

from __future__ import annotations

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

# Each width and each scheme once: pictures of long pages take longer than all the rest.
PICTURED = [(1280, "light"), (390, "dark")]


@dataclass
class Visit:
    """What a reader of a page in one mode came across."""

    theme: str
    sticking_out: list[str]
    missing_pictures: list[str]
    missing_icons: list[str]
    raw_formulas: list[str]
    complaints: list[str]
    outside: list[str]
    violations: list[str]


@pytest.fixture(scope="session")
def visit(opener, violations, screenshots, address, mode):
    """Look at a page once; each test below asks for one thing that was seen."""
    opened = opener(address, **mode._asdict())
    page = opened.page
    missing = page.evaluate(MISSING_PICTURES)
    if mode in PICTURED:
        name = f"{address.removesuffix('.html').replace('/', '-')}-{mode}.jpg"
        path = screenshots / name
        page.screenshot(path=path, type="jpeg", quality=40, full_page=True)
    seen = Visit(
        theme=page.evaluate("document.documentElement.dataset.theme"),
        sticking_out=page.evaluate(STICKING_OUT, mode.width),
        missing_pictures=missing,
        missing_icons=page.evaluate(MISSING_ICONS),
        raw_formulas=page.evaluate(RAW_FORMULAS),
        complaints=list(opened.complaints),  # before axe, whose own requests may fail
        outside=opened.outside,
        violations=violations(page),
    )
    page.context.close()
    return seen


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
    assert visit.outside == []
