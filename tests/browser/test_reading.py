"""Reading: glimpses of what links point to, the place in a chapter, figures that open large, paper."""

from __future__ import annotations

import json

import pytest

CHAPTER = "book/chapters/04-dropout.html"
LINK = ".bd-article p a.reference.internal"


def glimpse(page):
    """Return the text of the glimpse that is shown, once its formulas are typeset."""
    page.wait_for_selector("#glimpse:not([hidden])")
    page.wait_for_function(
        """() => {
            const box = document.querySelector('#glimpse');
            return !box.querySelector('.math') || box.querySelector('mjx-container');
        }"""
    )
    return page.inner_text("#glimpse")


@pytest.mark.parametrize("from_file", [False, True], ids=["served", "file"])
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("bibliography.html#", "Geman"),
        ("#equation-eq-do-sum", "(4."),
        ("#fig-do-felt", "Figure 4."),
        ("glossary.html#term-regularization", "penalty on the size of its weights"),
        ("#ch-fully-connected", "derive the backward pass of an affine layer"),
    ],
)
def test_a_link_shows_what_it_points_to(open_page, target, words, from_file):
    opened = open_page(CHAPTER, from_file=from_file)
    opened.page.locator(f"{LINK}[href*='{target}']").first.hover()
    assert words in glimpse(opened.page)
    assert opened.outside == []
    assert opened.complaints == []


def test_a_glimpse_comes_with_the_focus_and_goes_with_escape(open_page, violations):
    page = open_page(CHAPTER, scheme="dark").page
    link = page.locator(f"{LINK}[href='#fig-do-felt']").first
    page.keyboard.press("Tab")  # a reader at the keyboard
    link.focus()
    assert "Figure 4." in glimpse(page)
    described = link.get_attribute("aria-describedby")
    assert page.locator(f"#{described}").get_attribute("role") == "tooltip"
    page.keyboard.press("Escape")
    assert page.locator("#glimpse").is_hidden()
    assert link.get_attribute("aria-describedby") is None
    link.blur()
    link.focus()
    assert "Figure 4." in glimpse(page)
    assert violations(page) == []


def test_on_a_touch_screen_the_first_tap_shows_and_the_second_goes(open_page):
    page = open_page(CHAPTER, width=390).page
    link = page.locator(f"{LINK}[href*='glossary.html#term-regularization']").first
    page.locator(".bd-article .admonition-title").first.tap()
    page.wait_for_function("() => window.nndlPreviews")
    link.tap()
    assert "penalty" in glimpse(page)
    assert "glossary" not in page.url
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    page.locator(".glimpse-go").tap()
    page.wait_for_url("**/glossary.html#term-regularization")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_long_chapter_says_where_you_are(open_page, width):
    page = open_page(CHAPTER, width=width).page
    assert page.locator("a.here").is_hidden()
    page.evaluate("document.querySelector('#dropout-as-a-penalty').scrollIntoView()")
    page.wait_for_function(
        "() => document.querySelector('a.here').textContent.includes('as a penalty')"
    )
    assert page.locator("a.here").get_attribute("href") == "#dropout-as-a-penalty"
    box, bar = (
        page.locator(selector).bounding_box()
        for selector in ("a.here", ".bd-header-article")
    )
    assert box["y"] >= bar["y"]
    assert box["y"] + box["height"] <= bar["y"] + bar["height"]
    read = page.evaluate(
        """() => {
            const bar = document.querySelector('.progress-read').getBoundingClientRect();
            return bar.width / document.querySelector('.bd-header-article').clientWidth;
        }"""
    )
    assert 0.1 < read < 0.9


def test_a_figure_opens_large_and_closes_again(open_page, violations):
    page = open_page(CHAPTER, width=390).page
    picture = page.locator("figure#fig-do-felt img").first
    small = picture.bounding_box()["width"]
    button = page.locator("figure#fig-do-felt .enlarge")
    assert button.get_attribute("aria-label").startswith("Enlarge Figure 4.")
    button.focus()
    page.keyboard.press("Enter")
    large = page.locator("dialog.enlarged img")
    assert large.bounding_box()["width"] > 1.5 * small
    assert large.get_attribute("alt") == picture.get_attribute("alt")
    page.keyboard.press("Escape")
    assert page.locator("dialog.enlarged").is_hidden()
    assert page.evaluate("document.activeElement.className") == "enlarge"
    page.keyboard.press("Enter")
    assert violations(page) == []


def test_the_button_on_top_downloads_the_pages_notebook(open_page, html):
    page = open_page(CHAPTER).page
    with page.expect_download() as download:
        page.click("a.btn-notebook-button")
    notebook = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert download.value.suggested_filename == "04-dropout.ipynb"
    assert notebook["nbformat"] == 4
    assert "# Dropout" in "".join(notebook["cells"][0]["source"])


@pytest.mark.parametrize(
    ("name", "letter"), [("calculus", "A"), ("precision", "B"), ("glossary", "C")]
)
def test_an_appendix_counts_by_its_letter(open_page, name, letter):
    page = open_page(f"book/appendices/{name}.html").page
    numbers = page.locator("h1 .section-number, figcaption .caption-number, .eqno")
    texts = numbers.all_inner_texts()
    assert texts[0].startswith(f"{letter}.")
    assert all(f"{letter}." in text for text in texts)


def test_on_paper_code_is_wrapped_and_answers_are_open(open_page):
    page = open_page("book/chapters/06-making-it-fast.html", width=590).page
    page.emulate_media(media="print")
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.bd-article pre')]
            .filter((pre) => pre.offsetParent && pre.scrollWidth > pre.clientWidth + 1)
            .map((pre) => pre.textContent.slice(0, 60))"""
    )
    assert cut == []
    hidden = page.evaluate(
        """() => [...document.querySelectorAll('.question > p:not(.admonition-title)')]
            .filter((answer) => !answer.offsetParent).length"""
    )
    assert hidden == 0
    assert page.locator(".bd-header-article").is_hidden()
    assert page.locator(".bd-sidebar-primary").is_hidden()
    assert page.locator(".bd-article h1").is_visible()
