"""Two buttons on top of a page: download the notebook that it is made from, and print it.

The theme hides both in a menu, beside the source text of pages that are not to be run.
"""


def take_along(app, pagename, templatename, context, doctree):
    buttons = context["header_buttons"]
    for menu in [b for b in buttons if b.get("label") == "download-buttons"]:
        buttons.remove(menu)
        buttons.insert(
            0,
            {
                "type": "javascript",
                "javascript": "window.print()",
                "icon": "fas fa-print",
                "text": "Print",
                "tooltip": "Print this page",
                "label": "print-button",
                "classes": "pst-navbar-icon",
            },
        )
        if context.get("page_source_suffix") == ".ipynb":
            source = f"{context['pathto']('_sources', 1)}/{context['sourcename']}"
            buttons.insert(
                0,
                {
                    "type": "link",
                    "url": source,
                    "icon": "fas fa-download",
                    "text": "Notebook",
                    "tooltip": "Download this page as a notebook",
                    "label": "notebook-button",
                    "classes": "pst-navbar-icon",
                },
            )


def setup(app):
    # After the theme has put in its own (501).
    app.connect("html-page-context", take_along, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
