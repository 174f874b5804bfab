"""Loads the script of each widget on the pages that have it.

A widget begins as a figure of class ``widget``, so that without JavaScript, on paper and in a raw
notebook a picture with its caption stands there. The picture's name, ``widgets/filter.svg``, is the
script's: ``widgets/filter.js`` puts the live widget in the picture's place.
"""

from pathlib import Path

from docutils import nodes
from sphinx.util import logging

FOLDER = Path(__file__).parent.parent / "_static" / "widgets"

logger = logging.getLogger(__name__)


def is_widget(node):
    return isinstance(node, nodes.figure) and "widget" in node["classes"]


def mark(app, doctree):
    """Give the figure a class with the widget's name, which its script looks for."""
    for figure in doctree.findall(is_widget):
        name = Path(next(figure.findall(nodes.image))["uri"]).stem
        if not (FOLDER / f"{name}.js").is_file():
            logger.warning("there is no widget %r", name, location=figure)
        figure["classes"].append(f"widget-{name}")
        figure["widget"] = name


def load(app, pagename, templatename, context, doctree):
    if doctree is None:
        return
    names = dict.fromkeys(figure["widget"] for figure in doctree.findall(is_widget))
    if names:
        app.add_css_file("widgets/widgets.css")
        for name in ("common", *names):
            app.add_js_file(f"widgets/{name}.js", loading_method="defer")


def setup(app):
    app.connect("doctree-read", mark)
    app.connect("html-page-context", load)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
