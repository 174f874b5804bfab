"""Serve MathJax from the built book, so that reading it needs no network.

The files come out of the wheel ``sphinx-mathjax-offline``; its own Sphinx extension is not used,
because it copies every variant of MathJax. One component and one font format are enough.
"""

import importlib.util
import shutil
from pathlib import Path

COMPONENT = "tex-chtml-full.js"
FONTS = "output/chtml/fonts/woff-v2"


def mathjax_folder():
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None:
        raise ImportError("the book needs `pip install sphinx-mathjax-offline`")
    return Path(spec.submodule_search_locations[0]) / "static" / "mathjax"


def use_local_path(app, config):
    config.mathjax_path = f"mathjax/{COMPONENT}"


def copy_mathjax(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir) / "_static" / "mathjax"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source / COMPONENT, target / COMPONENT)
    shutil.copytree(source / FONTS, target / FONTS, dirs_exist_ok=True)


def setup(app):
    app.connect("config-inited", use_local_path)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
