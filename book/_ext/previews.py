"""What links point to, in short, for `previews.js` to show before they are followed.

Pages opened from a disk may not read one another, but may load a script: so the glimpses of all
targets within the book stand in one, which a page loads when the reader first points at a link.
"""

import json
import posixpath
import re
from pathlib import Path
from urllib.parse import unquote

from bs4 import BeautifulSoup, SoupStrainer

SCRIPT = "_static/preview-data.js"
# Links that say where they lead, or that are no part of the text.
NOT_THESE = ".headerlink, .viewcode-link, .viewcode-back, .sd-stretched-link"
PRE = re.compile("<pre>.*?</pre>", re.DOTALL)
LONGEST_TABLE = 8
LONGEST_TEXT = 900


def pages_with_text(app):
    """Return the body of each written page, under its address."""
    folder, articles = Path(app.outdir), {}
    for docname in sorted(app.env.found_docs):
        address = app.builder.get_target_uri(docname)
        path = folder / address
        if path.is_file():
            # Code is never shown, and is most of a page.
            html = PRE.sub("", path.read_text(encoding="utf-8"))
            articles[address] = BeautifulSoup(
                html, "html.parser", parse_only=SoupStrainer("article")
            )
    return articles


def targets(address, article):
    """Return the places within the book that a page points to, as address#anchor."""
    for link in article.select("a.reference.internal[href*='#']"):
        if not link.css.match(NOT_THESE):
            page, _, anchor = link["href"].partition("#")
            page = (
                posixpath.normpath(posixpath.join(posixpath.dirname(address), page))
                if page
                else address
            )
            yield page, unquote(anchor)


def first(parent, *selectors):
    """Return the first child of `parent` that matches, in the order of the page."""
    for child in parent.find_all(recursive=False):
        if any(child.css.match(selector) for selector in selectors):
            return child
    return None


def parts_of(target):
    """Return the elements that make up the glimpse of a target, or None."""
    if target.name == "span" and target.parent.name == "section":
        target = target.parent  # a label stands in front of the heading that it names
    if target.name in ("figure", "table"):
        rows = target.select("tbody tr")
        if len(rows) > LONGEST_TABLE:
            caption = target.caption
            caption.name = "p"
            return [caption]
        return [target]
    if target.css.match("div.math, div.citation, .citation p"):
        return [target]
    if target.name == "dt":
        details = target.find_next_sibling("dd")
        sentence = first(details, "p") if details else None
        return [target, *([sentence] if sentence else [])]
    if target.css.match("div.admonition"):
        body = first(target, "section") or target
        return [first(target, ".admonition-title"), first(body, "p:not([class])")]
    if target.name == "section":
        heading = first(target, "h1", "h2", "h3", "h4")
        return [heading, first(target, "p", "div.admonition")]
    return None


def glimpse(address, target):
    """Return the HTML of a target without what makes sense only in its place."""
    parts = parts_of(target)
    if not parts:
        return None
    soup = BeautifulSoup("".join(str(part) for part in parts if part), "html.parser")
    for needless in soup.select(
        ".headerlink, .viewcode-link, .label, .backrefs, .cell"
    ):
        needless.decompose()
    for link in soup.find_all("a"):
        link.unwrap()
    for title in soup.select("h1, h2, h3, h4, dt, .admonition-title"):
        if title.css.match("dt.sig"):
            title.string = title.get_text().strip()
        title.name, title["class"] = "p", "glimpse-title"
    for element in soup.find_all(True):
        element.attrs.pop("id", None)
    for image in soup.find_all("img"):  # from the book's root; the page knows its own
        folder = posixpath.dirname(address)
        path = posixpath.normpath(posixpath.join(folder, image["src"]))
        image.attrs = {"data-src": path, "alt": image["alt"]}
    if len(soup.get_text()) > LONGEST_TEXT and not soup.find(["figure", "table"]):
        return None
    return str(soup).strip()


def write_previews(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    articles = pages_with_text(app)
    wanted = {
        place for address, article in articles.items()
        for place in targets(address, article)
    }  # fmt: skip
    glimpses = {}
    for address, anchor in sorted(wanted):
        target = address in articles and articles[address].find(id=anchor)
        html = target and glimpse(address, target)
        if html:
            glimpses[f"{address}#{anchor}"] = html
    script = f"window.nndlPreviews = {json.dumps(glimpses, ensure_ascii=False)};\n"
    (Path(app.outdir) / SCRIPT).write_text(script, encoding="utf-8")


def setup(app):
    app.connect("build-finished", write_previews)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
