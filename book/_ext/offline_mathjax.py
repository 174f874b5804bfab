"""Serve MathJax from the built book, so that reading it needs no network.

The files come out of the wheel ``sphinx-mathjax-offline``; its own Sphinx extension is not used,
because it copies every variant of MathJax. Here the components that the book needs are put into one
file, half as large as the smallest variant that has them. It leaves out MathJax's menu, which would
make each formula a stop of the Tab key, and keeps the MathML that screen readers read.
"""

import importlib.util
import shutil
from pathlib import Path

COMPONENTS = [
    "startup",
    "core",
    "input/tex",
    "output/chtml",
    "output/chtml/fonts/tex",
    "a11y/assistive-mml",
]
BUNDLE = "mathjax/mathjax.js"
FONTS = "output/chtml/fonts/woff-v2"


def mathjax_folder():
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None:
        raise ImportError("the book needs `pip install sphinx-mathjax-offline`")
    return Path(spec.submodule_search_locations[0]) / "static" / "mathjax"


def use_bundle(app, config):
    config.mathjax_path = BUNDLE


def write_bundle(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir) / "_static" / BUNDLE
    target.parent.mkdir(parents=True, exist_ok=True)
    scripts = [(source / f"{name}.js").read_text("utf-8") for name in COMPONENTS]
    target.write_text("\n".join(scripts), "utf-8")
    shutil.copytree(source / FONTS, target.parent / FONTS, dirs_exist_ok=True)


def setup(app):
    app.connect("config-inited", use_bundle)
    app.connect("build-finished", write_bundle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
