"""Finding one's way: the first page, the search, the keyboard, motion, no JavaScript."""

import pytest

CHAPTER = "book/chapters/04-dropout.html"

# A word that a reader might look for, and the chapter in which it must be found.
TERMS = {
    "softmax": "01-fully-connected-nets",
    "momentum": "02-training",
    "minibatch": "03-batch-and-layer-normalization",
    "inverted": "04-dropout",
    "stride": "05-convolution",
    "im2col": "06-making-it-fast",
    "channels": "07-normalization-for-images",
    "confusion": "08-training-a-convolutional-network",
    "augmentation": "09-going-further",
}

# Pages of every kind: words, a chapter, an exercise, a reference, source, lists.
KINDS = [
    "book/intro.html",
    CHAPTER,
    "book/appendices/glossary.html",
    "book/api/layers.html",
    "_modules/nndl/optim.html",
    "search.html",
]

# Marks what a reader with a mouse can use, and returns how many there are.
MARK_TARGETS = """() => {
    const usable = "a[href], button, input, select, textarea, summary, [onclick]";
    const targets = [...document.querySelectorAll(usable)].filter((element) =>
        element.checkVisibility({ visibilityProperty: true, opacityProperty: true })
        && !element.disabled && !element.closest("[inert]"));
    targets.forEach((element, number) => { element.dataset.target = number; });
    return targets.map((element) => element.outerHTML.slice(0, 150));
}"""

# What has the focus, and whether it can be seen to have it.
FOCUSED = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    return {
        number: element.dataset.target ?? null,
        html: element.outerHTML.slice(0, 150),
        outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0
            || style.boxShadow !== "none",
        onScreen: box.bottom > 0 && box.top < innerHeight
            && box.right > 0 && box.left < innerWidth,
    };
}"""

# Whatever moves for longer than an instant, by animation, transition or smooth scrolling.
MOVING = """() => [...document.querySelectorAll("*")].filter((element) => {
    const style = getComputedStyle(element);
    const longest = (times) => Math.max(...times.split(",").map(parseFloat));
    return longest(style.transitionDuration) > 0.01
        || style.animationName !== "none" && longest(style.animationDuration) > 0.01
        || style.scrollBehavior === "smooth";
}).map((element) => element.outerHTML.slice(0, 100)).slice(0, 10)"""

# Milliseconds from the request to the first words, and to the last formula.
TIMES = """() => {
    const [{ startTime }] = performance.getEntriesByName("first-contentful-paint");
    return [startTime, performance.now()];
}"""


def test_the_address_of_the_book_leads_to_its_first_page(open_page):
    opened = open_page("search.html")
    opened.page.goto(opened.home)
    opened.page.wait_for_url("**/book/intro.html")


@pytest.mark.parametrize("from_file", [False, True], ids=["server", "file"])
@pytest.mark.parametrize(("term", "chapter"), TERMS.items(), ids=str)
def test_search_finds_a_term_of_each_chapter(open_page, term, chapter, from_file):
    opened = open_page(f"search.html?q={term}", from_file=from_file)
    found = opened.page.locator(f'#search-results a[href*="{chapter}"]')
    found.first.wait_for(timeout=10_000)
    opened.page.locator("#search-results .search-summary").filter(
        has_text="found"
    ).wait_for()
    assert opened.complaints == []
    assert opened.outside == []


def test_search_is_reached_from_a_chapter(open_page):
    page = open_page(CHAPTER).page
    page.keyboard.press("Control+k")
    page.keyboard.type("backpropagation")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=backpropagation")
    page.locator("#search-results a").first.wait_for()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", KINDS)
def test_the_keyboard_reaches_everything_and_shows_where_it_is(open_page, kind, width):
    page = open_page(kind, width=width, reduced_motion="reduce").page
    targets = page.evaluate(MARK_TARGETS)
    missed, unseen = dict(enumerate(targets)), []
    for _ in range(3 * len(targets) + 100):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None:  # past the last one, the browser's own buttons follow
            break
        if focused["number"] is not None:
            missed.pop(int(focused["number"]), None)
        if not (focused["outlined"] and focused["onScreen"]):
            unseen.append(focused["html"])
    assert missed == {}
    assert unseen == []


def test_the_first_key_offers_to_skip_to_the_text(open_page):
    page = open_page(CHAPTER, reduced_motion="reduce").page
    page.keyboard.press("Tab")
    link = page.locator("#pst-skip-link a")
    assert link.evaluate("link => link === document.activeElement")
    assert link.bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_moves_for_readers_who_want_less_motion(open_page, kind):
    page = open_page(kind, reduced_motion="reduce").page
    assert page.evaluate(MOVING) == []


def test_a_solution_opens_and_closes_by_the_keyboard(open_page):
    page = open_page(CHAPTER).page
    button = page.locator(".solution.dropdown button.toggle-button").first
    body = page.locator(".solution.dropdown section").first
    assert not body.is_visible()
    button.focus()
    page.keyboard.press("Enter")
    assert body.is_visible()
    page.keyboard.press("Enter")
    assert not body.is_visible()


def test_the_book_can_be_read_without_javascript(html, browser, server):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(server + CHAPTER)
        assert page.locator("main h1").last.is_visible()
        assert page.locator("main p").first.is_visible()
        assert page.locator(".solution section").first.is_visible()


@pytest.mark.parametrize("kind", KINDS)
def test_how_long_until_a_page_is_readable(open_page, kind, record_property):
    """Measured and printed, not judged: the time is the machine's as much as ours."""
    words, formulas = open_page(kind).page.evaluate(TIMES)
    record_property(
        "until readable", f"{words:.0f} ms, {formulas:.0f} ms with formulas"
    )
    assert 0 < words <= formulas
