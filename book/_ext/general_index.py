"""Puts the index, which Sphinx makes from the index entries of all pages, into the table of contents.

`_toc.yml` can name only pages that exist as files, and the index does not.
"""

from sphinx import addnodes


def add_index(app, doctree):
    if app.env.docname == app.config.root_doc:
        *_, last_part = doctree.findall(addnodes.toctree)
        last_part["entries"].append(("Index", "genindex"))


def setup(app):
    # After sphinx-external-toc has put in the contents (100), before Sphinx collects them (500).
    app.connect("doctree-read", add_index, priority=200)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
