"""Opens the built book in Chromium, for the tests in this folder.

They build nothing: `make book` does, into `_build/html`, or `NNDL_HTML` names another
folder of built pages. They skip where the book, Playwright or Chromium is missing.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

ROOT = Path(__file__).parents[2]
HTML = Path(os.environ.get("NNDL_HTML", ROOT / "_build" / "html")).resolve()

# Nothing but the test's own server is reachable, whatever a page or Chromium asks for.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

SETTLED = """async () => {
    await window.MathJax?.startup?.promise;
    await document.fonts.ready;
}"""

# A chapter has thousands of coloured words of code, and contrast is slow to judge: one word
# of each colour in each kind of box says as much as all of them. The glyphs of formulas are
# drawn by CSS, which axe does not see; what it judges is the MathML beside them.
TAKE_OUT_WHAT_REPEATS = """() => {
    const kind = (element) => element === document.body
        ? "" : `${kind(element.parentElement)}/${element.className}`;
    const seen = new Set();
    document.querySelectorAll("pre span:not(:has(*))").forEach((word) => {
        const colour = `${kind(word)} ${word.getAttribute("style")}`;
        if (seen.has(colour)) word.remove();
        seen.add(colour);
    });
    document.querySelectorAll("mjx-math > *").forEach((glyphs) => glyphs.remove());
}"""

# The rules whose answer may be another in another colour scheme; of the rest, a page is as
# good in one as in the other.
RULES_OF_COLOURS = ["color-contrast", "link-in-text-block"]


class Mode(NamedTuple):
    """How a reader looks at a page."""

    width: int
    scheme: str

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}"


MODES = [Mode(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]


class Opened:
    """A page in the browser, with all that it asked for and complained of since."""

    def __init__(self, context: BrowserContext, home: str) -> None:
        self.home = home
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        context.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def go(self, address: str) -> None:
        """Open a page of the book, such as `search.html?q=momentum`, and wait for it."""
        self.page.goto(self.home + address)
        self.settle()

    def settle(self) -> None:
        """Wait until the formulas are typeset and the fonts loaded."""
        self.page.evaluate(SETTLED)

    @property
    def outside(self) -> list[str]:
        """The requests that left the book."""
        inside = (self.home, "data:", "blob:")
        return [url for url in self.requests if not url.startswith(inside)]


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """A server that does not mind a browser that leaves in the middle."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@functools.cache
def addresses() -> list[str]:
    """Every page that is read, so neither redirects nor what themes keep for
    themselves."""
    files = (path for path in HTML.rglob("*.html") if path.is_file())
    return sorted(
        path.relative_to(HTML).as_posix()
        for path in files
        if "_static" not in path.relative_to(HTML).parts
        and 'http-equiv="refresh"' not in path.read_text(encoding="utf-8").lower()
    )


def modes(address: str) -> list[Mode]:
    """How a page is looked at. Listings of source code differ in nothing but the code:
    some of them are, on a phone, where there is less room for it."""
    if not address.startswith("_modules/"):
        return MODES
    narrow = min(mode.width for mode in MODES)
    looked_at = address in extreme_listings()
    return [mode for mode in MODES if looked_at and mode.width == narrow]


@functools.cache
def extreme_listings() -> set[str]:
    """The listing with the longest name, that with the most code, and the list of all."""
    listings = [page for page in addresses() if page.startswith("_modules/")]
    if not listings:
        return set()
    longest = max(listings, key=len)
    largest = max(listings, key=lambda page: (HTML / page).stat().st_size)
    return {longest, largest, "_modules/index.html"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for an `address` on every page, in every `mode` it asks for."""
    pages = addresses() or ["index.html"]  # which then skips, with the reason
    if {"address", "mode"} <= set(metafunc.fixturenames):
        looks = [
            pytest.param(page, mode, id=f"{page}-{mode}")
            for page in pages
            for mode in modes(page)
        ]
        metafunc.parametrize(("address", "mode"), looks, scope="session")
    elif "address" in metafunc.fixturenames:
        metafunc.parametrize("address", pages, scope="session")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let one process run all tests of a page, which it then opens once, and one those of
    the PDF, which it prints once. (Marks of pytest-xdist 3.8 do nothing in pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class ByPage(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            page = re.search(r"\[(.+\.html)", test)
            if page:
                return page[1]
            return file if file.endswith("test_pdf.py") else nodeid

    return ByPage(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests measured and did not judge."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name}: {value}")


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built book."""
    if not addresses():
        pytest.skip(f"there is no built book in {HTML}: run `make book`")
    return HTML


@pytest.fixture(scope="session")
def screenshots(html: Path) -> Path:
    """The folder in which pictures of pages are kept, to be looked at. Those of whole
    pages take a while: they are taken where `NNDL_SCREENSHOTS` is set."""
    folder = html.parent / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def server(html: Path) -> Iterator[str]:
    """The address of a server of the book on this machine."""
    handler = functools.partial(QuietHandler, directory=str(html))
    with Server(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed"
    )
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def opener(html: Path, server: str, browser: Browser) -> Callable[..., Opened]:
    """Return a function that opens a page in a browser window of its own: `width` wide
    (a phone's, if narrow), in the `scheme` "light" or "dark".

    Further options are those of Playwright's `new_context`, `reduced_motion="reduce"`
    for one. Whoever calls it closes the window: `opened.page.context.close()`.
    """

    def open_page(
        address: str,
        width: int = 1280,
        scheme: str = "light",
        from_file: bool = False,
        **options: Any,
    ) -> Opened:
        narrow = width < 600
        context = browser.new_context(
            viewport={"width": width, "height": 844 if narrow else 800},
            color_scheme=scheme,
            has_touch=narrow,
            is_mobile=narrow,
            **options,
        )
        context.set_default_timeout(60_000)  # a machine may have other things to do
        opened = Opened(context, f"{html.as_uri()}/" if from_file else server)
        opened.go(address)
        return opened

    return open_page


@pytest.fixture
def open_page(opener: Callable[..., Opened]) -> Iterator[Callable[..., Opened]]:
    """Return a function that opens a page; its windows are closed after the test."""
    windows: list[Opened] = []

    def open_one(address: str, **options: Any) -> Opened:
        windows.append(opener(address, **options))
        return windows[-1]

    yield open_one
    for opened in windows:
        opened.page.context.close()


@pytest.fixture(scope="session")
def violations() -> Callable[..., list[str]]:
    """Return a function that lists what axe-core has against a page, or only against the
    colours of what stands around its text.

    It is the last thing to do with a page, for it takes code and formulas out of it.
    """
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe-playwright-python is not installed",
    )

    def examine(page: Page, only_colours_around: bool = False) -> list[str]:
        page.evaluate(TAKE_OUT_WHAT_REPEATS)
        context = {"exclude": [["article"]]} if only_colours_around else None
        options: dict[str, Any] = {"preload": False}  # no rule wants the style sheets
        if only_colours_around:
            options["runOnly"] = RULES_OF_COLOURS
        found = axe.Axe().run(page, context=context, options=options)
        return [
            f"{violation['id']}: {node['target']} {node['html'][:200]}"
            for violation in found.response["violations"]
            for node in violation["nodes"]
        ]

    return examine
