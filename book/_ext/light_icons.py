"""Leave in the theme's script of icons only those that the book shows.

The script holds two thousand icons, 1.5 MB that a browser reads anew for each page. The book shows
some fifteen of them; which, its pages and scripts say by classes such as ``fa-bars``. The theme's source
maps, which only its authors need, are left out too: 3.4 MB.
"""

import re
from pathlib import Path

# name:[width,height,[other names],"character","outline" or two outlines]
ICON = re.compile(
    r'"?([a-z0-9-]+)"?:\[\d+,\d+,(\[[^\]]*\]),"[0-9a-f]+",(?:"[^"]*"|\[[^\]]*\])\],?'
)


def shown_icons(folder):
    """Return the names after ``fa-`` in all pages and in the scripts and styles of the book."""
    pages = [*folder.rglob("*.html"), *(folder / "_static").glob("**/*.js")]
    texts = (page.read_text("utf-8") for page in pages if page.name != "fontawesome.js")
    return {name for text in texts for name in re.findall(r"\bfa-([a-z0-9-]+)", text)}


def without_others(script, shown):
    def keep(icon):
        names = {icon[1], *re.findall(r'"([a-z0-9-]+)"', icon[2])}
        return icon[0] if names & shown else ""

    # The last entry that is left may be followed by a comma, which JavaScript allows.
    return ICON.sub(keep, script)


def lighten(app, exception):
    script = Path(app.outdir) / "_static" / "scripts" / "fontawesome.js"
    if exception is None and script.exists():
        shown = shown_icons(Path(app.outdir))
        text = script.read_text("utf-8")
        script.write_text(without_others(text, shown), "utf-8")
        for source_map in (Path(app.outdir) / "_static").rglob("*.map"):
            source_map.unlink()


def setup(app):
    app.connect("build-finished", lighten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
