"""Letters in place of numbers for the appendices: section A.2, figure B.1, equation (A.3).

Sphinx counts the pages under every numbered part of the table of contents: after nine chapters
the first appendix is its tenth. What it wrote down is put right here before a page is written.
"""

from string import ascii_uppercase

from docutils import nodes
from sphinx import addnodes

PART = "Appendices"


def appendices(env):
    """Return the pages of the part, in order."""
    for part in env.get_doctree(env.config.root_doc).findall(addnodes.toctree):
        if part.get("caption") == PART:
            return [page for _, page in part["entries"]]
    return []


def letter_the_appendices(app, env):
    pages = appendices(env)
    for letter, page in zip(ascii_uppercase, pages, strict=False):

        def lettered(number, letter=letter):
            return number and (letter, *number[1:])

        for numbers in (
            env.toc_secnumbers.get(page, {}),
            *env.toc_fignumbers.get(page, {}).values(),
        ):
            for anchor, number in numbers.items():
                numbers[anchor] = lettered(number)
        titles = [env.titles[page], *env.tocs[page].findall(nodes.reference)]
        for title in titles:
            if "secnumber" in title:
                title["secnumber"] = lettered(title["secnumber"])
    return pages


def setup(app):
    # After Sphinx has counted (500).
    app.connect("env-get-updated", letter_the_appendices, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
