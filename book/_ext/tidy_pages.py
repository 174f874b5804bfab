"""Small corrections to what the extensions put on a page.

sphinx-exercise marks the body of each gated exercise and solution ``id="solution-content"``: twice on
a page is invalid HTML. Links point to the box around it, so the inner id can go.

napoleon heads the attributes of a class with "Variables", the name of the field it uses.
"""

from docutils import nodes

REPEATED_IDS = {"solution-content", "exercise-content"}


def tidy(app, doctree, docname):
    for section in doctree.findall(nodes.section):
        section["ids"] = [i for i in section["ids"] if i not in REPEATED_IDS]
    for name in doctree.findall(nodes.field_name):
        if name.astext() == "Variables":
            name.children = [nodes.Text("Attributes")]


def setup(app):
    app.connect("doctree-resolved", tidy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
