"""Each widget, driven as a reader drives it, and its result read."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PAGES = {
    "graph": "book/chapters/01-fully-connected-nets.html",
    "optimizers": "book/chapters/02-training.html",
    "dropout": "book/chapters/04-dropout.html",
    "output-size": "book/chapters/05-convolution.html",
    "filter": "book/chapters/05-convolution.html",
    "receptive-field": "book/chapters/05-convolution.html",
    "norms": "book/chapters/07-normalization-for-images.html",
    "step-size": "book/appendices/precision.html",
}


@pytest.fixture
def open_page(html: Path, server: str, browser: Browser) -> Iterator[Callable]:
    """Return a function that opens a page without its formulas, which take long to
    typeset and matter to no widget. `body` may take the place of the page's own."""
    contexts = []

    def open_one(
        address: str,
        body: str | None = None,
        width: int = 1280,
        from_file: bool = False,
        **options: Any,
    ) -> Page:
        narrow = width < 600
        context = browser.new_context(
            viewport={"width": width, "height": 844},
            has_touch=narrow,
            is_mobile=narrow,
            **options,
        )
        contexts.append(context)
        context.route("**/mathjax/**", lambda route: route.abort())
        if body is not None:
            head = (html / address).read_text(encoding="utf-8").split("<body", 1)[0]
            context.route(
                f"**/{address}",
                lambda route: route.fulfill(body=head + body, content_type="text/html"),
            )
        page = context.new_page()
        home = f"{html.as_uri()}/" if from_file else server
        page.goto(home + address, wait_until="domcontentloaded")
        return page

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def widget(html: Path, open_page: Callable[..., Page]) -> Callable[..., Locator]:
    """Return a function that opens a widget, alone on its page, which is quicker than
    the whole chapter."""

    def find(name: str, scheme: str = "light", **options: Any) -> Locator:
        text = (html / PAGES[name]).read_text(encoding="utf-8")
        (figure,) = re.findall(
            rf"<figure[^>]*widget-{name}[ \"].*?</figure>", text, re.S
        )
        body = f'<body><main class="bd-content"><h1>{name}</h1>{figure}</main></body>'
        page = open_page(PAGES[name], body=body, **options)
        found = page.locator("figure")
        if options.get("java_script_enabled", True):
            page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
            found.locator("output").wait_for()  # until it has been drawn
        return found

    return find


def result(figure: Locator) -> str:
    return " ".join(figure.locator("output").inner_text().split())


def button(figure: Locator, name: str) -> Locator:
    return figure.get_by_role("button", name=name, exact=True)


def slider(figure: Locator, name: str) -> Locator:
    return figure.get_by_role("slider", name=name, exact=True)


# ---- what holds for all of them ------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_without_javascript_the_picture_stands_there(widget, name):
    figure = widget(name, java_script_enabled=False)
    figure.locator("img").wait_for()
    assert figure.locator(".legend").is_visible()
    assert figure.locator(".widget-stage").count() == 0


@pytest.mark.parametrize("name", PAGES)
def test_its_scripts_are_loaded_on_its_page_alone(html, name):
    script = f"widgets/{name}.js"
    pages = {
        path.relative_to(html).as_posix()
        for path in html.rglob("*.html")
        if script in path.read_text(encoding="utf-8")
    }
    assert pages == {PAGES[name]}


@pytest.mark.parametrize("name", PAGES)
def test_it_lives_in_its_chapter_and_the_picture_stays_on_paper(
    open_page, screenshots, name
):
    page = open_page(PAGES[name], from_file=True)
    figure = page.locator(f"figure.widget-{name}")
    figure.locator("output").wait_for()
    assert result(figure)
    assert not figure.locator("img").is_visible()
    assert not figure.locator(".legend").is_visible()

    for width, scheme in itertools.product((1280, 390), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 1300})
        page.emulate_media(color_scheme=scheme)
        page.locator(f"html[data-theme={scheme}]").wait_for(state="attached")
        path = screenshots / f"widget-{name}-{width}-{scheme}.png"
        figure.screenshot(path=path)
        assert path.stat().st_size > 5_000

    page.emulate_media(media="print")
    assert figure.locator("img").is_visible()
    assert figure.locator(".legend").is_visible()
    assert not figure.locator(".widget-stage").is_visible()


BOXES = """(all) => all.map((element) => {
    const box = (element.closest("label") ?? element).getBoundingClientRect();
    return [box.width, box.height];
})"""
NAMES = """(all) => all.map(
    (element) => (element.ariaLabel || element.labels?.[0]?.textContent || element.textContent).trim()
)"""
RIGHTS = "(all) => all.map((element) => element.getBoundingClientRect().right)"


@pytest.mark.parametrize("name", PAGES)
def test_it_fits_a_phone_and_a_finger(widget, name):
    figure = widget(name, width=390)
    stage = figure.locator(".widget-stage")
    box = stage.bounding_box()
    assert box["width"] <= 390
    # What a drawing holds beyond its own edge is cut off.
    rights = stage.locator(":not(svg *)").evaluate_all(RIGHTS)
    assert max(rights) <= box["x"] + box["width"]

    controls = stage.locator(":is(button, select, input)")
    names = controls.evaluate_all(NAMES)
    assert names
    assert all(names)
    # A box in a label is touched by way of the label.
    assert min(min(size) for size in controls.evaluate_all(BOXES)) >= 24


@pytest.mark.parametrize("name", PAGES)
def test_the_focus_is_seen_and_nothing_offends_a_screen_reader(widget, name):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe-playwright-python is not installed",
    )
    figure = widget(name, scheme="dark")
    first = figure.locator(".widget-stage :is(button, select, input):enabled").first
    first.focus()
    figure.page.keyboard.press("Tab")
    figure.page.keyboard.press("Shift+Tab")
    outline = first.evaluate("(control) => getComputedStyle(control).outline")
    assert "solid" in outline
    assert "3px" in outline
    found = axe.Axe().run(figure.page, context="figure")
    assert found.response["violations"] == []


# ---- one by one ----------------------------------------------------------------------


def test_filter_by_keyboard(widget):
    figure = widget("filter")
    assert result(figure) == "The sum at (2, 1) is 14."
    place = slider(figure, "window at")
    place.focus()
    place.press("ArrowRight")
    assert result(figure) == "The sum at (2, 2) is 19."
    place.press("ArrowDown")
    assert result(figure) == "The sum at (3, 2) is 20."
    place.press("Home")
    assert result(figure) == "The sum at (0, 0) is −17."
    assert place.get_attribute("aria-valuetext") == "(0, 0)"


def test_filter_spells_out_the_sum_of_its_own_weights(widget):
    figure = widget("filter")
    for row in (1, 2, 3):
        for column in (1, 2, 3):
            weight = figure.get_by_label(f"weight, row {row}, column {column}")
            weight.fill(str(row * column - 4))
    lines = figure.locator(".widget-sum li").all_inner_texts()
    assert [line.lstrip("+ ") for line in lines] == [
        "(−3) · 1 + (−2) · 1 + (−1) · 2",
        "(−2) · 1 + 0 · 1 + 2 · 7",
        "(−1) · 1 + 2 · 1 + 5 · 8",
    ]
    assert result(figure) == "The sum at (2, 1) is 46."
    assert figure.locator("select").input_value() == "your own"
    figure.locator("select").select_option("copy")
    assert result(figure) == "The sum at (2, 1) is 1."


@pytest.mark.parametrize("width", [1280, 390])
def test_filter_by_touch_or_mouse(widget, width):
    figure = widget("filter", width=width)
    output = figure.locator("svg").nth(1)
    cell = output.bounding_box()["width"] / 8
    point = {"x": 6.5 * cell, "y": 0.5 * cell}
    if width == 390:
        output.tap(position=point)
    else:
        output.click(position=point)
    assert result(figure) == "The sum at (0, 6) is 13."


def test_filter_slides_at_once_where_motion_is_not_wanted(widget):
    figure = widget("filter", reduced_motion="reduce")
    button(figure, "Slide").click()
    assert result(figure) == "The sum at (7, 7) is 1."


def test_filter_slides_and_can_be_stopped(widget):
    figure = widget("filter")
    button(figure, "Slide").click()
    figure.locator("output", has_text="(2, 3)").wait_for()
    button(figure, "Pause").click()
    stopped = result(figure)
    figure.page.wait_for_timeout(400)
    assert result(figure) == stopped


def test_output_size_by_keyboard(widget):
    figure = widget("output-size")
    assert result(figure) == "H_out = 1 + ⌊(7 + 2·1 − 3) / 2⌋ = 4."
    slider(figure, "stride s").press("ArrowLeft")
    assert result(figure).endswith("= 7. As many as there were pixels: “same” padding.")
    slider(figure, "pad P").press("Home")
    slider(figure, "stride s").press("End")
    assert result(figure).endswith("= 2. No window reaches the 1 with a dashed frame.")
    slider(figure, "pixels H").press("ArrowRight")
    assert result(figure).endswith("= 2. No window reaches the 2 with a dashed frame.")
    slider(figure, "pixels H").press("Home")
    assert result(figure).startswith("The filter does not fit")


def test_norms_by_keyboard(widget):
    figure = widget("norms")
    assert "12 numbers of channel 2 of all pictures" in result(figure)
    assert result(figure).endswith("= −0.35.")
    for name, shared, out in (
        ("layer norm", "16 numbers of picture 1", "0.18"),
        ("instance norm", "4 numbers of channel 2 of picture 1", "−1.41"),
        ("group norm, G = 2", "8 numbers of channels 1 to 2 of picture 1", "0.47"),
    ):
        figure.get_by_label(name, exact=True).check()
        assert shared in result(figure)
        assert result(figure).endswith(f"= {out}.")
    chosen = figure.locator("button[aria-pressed=true]")
    chosen.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown"):
        figure.page.keyboard.press(key)
    assert (
        chosen.get_attribute("aria-label") == "picture 2, channel 3, row 1, column 1: 1"
    )
    assert figure.locator("button.shared").count() == 8
    assert figure.locator("button[tabindex='0']").count() == 1


def test_norms_by_touch(widget):
    figure = widget("norms", width=390)
    figure.get_by_role("button", name="picture 3, channel 4, row 1, column 2: 9").tap()
    assert result(figure).startswith("This 9 shares its statistics with the 12 numbers")


def test_dropout_means_come_to_the_input(widget):
    figure = widget("dropout")
    assert "on average over 1 mask;" in result(figure)
    for _ in range(5):
        button(figure, "Draw 100").click()
    words = result(figure)
    assert "over 501 masks; expected are 21 ± 9.54" in words
    mean = float(words.split("mask, ")[1].split(" on average")[0])
    assert abs(mean - 21) < 4 * 9.54 / 501**0.5
    figure.get_by_label("divide by p").uncheck()
    assert "expected are 10.5 ± 4.77" in result(figure)
    slider(figure, "keep probability p").press("End")
    assert "receives 21 under this mask, 21 on average" in result(figure)


def test_optimizers_race_by_keyboard(widget):
    figure = widget("optimizers", reduced_motion="reduce")
    rate = slider(figure, "learning rate η")
    button(figure, "Run").click()
    assert "step 60" in result(figure)
    rate.press("End")
    assert "Above the start: SGD, momentum, Nesterov" in result(figure)
    losses = dict(
        line.split("\n")
        for line in figure.locator(".widget-runners li").all_inner_texts()
    )
    assert losses["SGD"] == "diverges"
    assert float(losses["Adam"]) < 70
    for name in ("RMSProp", "Adam"):
        figure.get_by_label(name, exact=True).uncheck()
    assert "leads with" in result(figure)
    assert "Adam" not in result(figure)
    assert figure.locator("polyline").count() == 3


def test_graph_step_by_step(widget):
    figure = widget("graph")
    step = button(figure, "Step")
    assert button(figure, "Back").is_disabled()
    for _ in range(9):
        step.focus()
        figure.page.keyboard.press("Enter")
    assert result(figure).endswith("dw = 5 · 2 = 10, dx = 5 · 3 = 15.")
    assert step.is_disabled()
    figure.get_by_role("spinbutton", name="w =").fill("-3")
    assert result(figure).endswith("dw = 0 · 2 = 0, dx = 0 · (−3) = 0.")
    button(figure, "Back").click()
    button(figure, "Back").click()
    assert "0, its input is not above 0" in result(figure)
    button(figure, "Start over").click()
    assert result(figure).startswith("0 of 9.")


def test_step_size_by_keyboard(widget):
    figure = widget("step-size")
    step = slider(figure, "step h")
    assert "off by 2.2 · 10⁻¹¹" in result(figure)
    step.press("Home")
    assert step.get_attribute("aria-valuetext") == "10⁻¹⁴"
    assert "off by 10⁻²" in result(figure) or "· 10⁻³" in result(figure)
    figure.get_by_label("float32").check()
    assert result(figure).endswith("The two values are equal: no digit is left.")
    figure.locator("select").select_option("x²")
    step.press("End")
    assert "the centred difference is off by 0, the one-sided by 5 · 10⁻¹" in result(
        figure
    )


def test_receptive_field_by_buttons(widget):
    figure = widget("receptive-field")
    assert result(figure) == "r = 4 + (3 − 1)·2 = 8 pixels, t = 1·2 = 2."
    button(figure, "+ pool 2").click()
    assert result(figure).startswith("r = 8 + (2 − 1)·2 = 10 pixels, t = 2·2 = 4.")
    button(figure, "+ conv 3").click()
    assert result(figure).startswith("r = 10 + (3 − 1)·4 = 18 pixels")
    assert button(figure, "+ conv 5").is_disabled()
    slider(figure, "value of the last layer").press("Home")
    assert "outside, in the padding" in result(figure)
    for _ in range(4):
        button(figure, "Remove the last").click()
    assert result(figure) == "r = 1 + (3 − 1)·1 = 3 pixels, t = 1·1 = 1."
