"""The extension of the book that thins out the theme's script of icons."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

EXTENSION = Path(__file__).parents[1] / "book" / "_ext" / "light_icons.py"
pytestmark = pytest.mark.skipif(
    not EXTENSION.exists(), reason="the book is not here: only the tests were copied"
)

SCRIPT = (
    '(()=>{var icons={"arrow-up":[384,512,[8593],"f062","M214.6 41.4z"],'
    'search:[512,512,["magnifying-glass"],"f002","M416 208z"],'
    'ghost:[384,512,[],"f6e2",["M40.1z","M10z"]]};draw(icons)})()'
)


@pytest.fixture
def light_icons():
    spec = importlib.util.spec_from_file_location("light_icons", EXTENSION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_icons_are_kept_by_any_of_their_names(light_icons):
    thin = light_icons.without_others(SCRIPT, {"magnifying-glass", "arrow-up"})
    assert '"arrow-up":[' in thin
    assert "search:[" in thin
    assert "ghost" not in thin
    assert thin.endswith("};draw(icons)})()")


def test_a_built_book_keeps_what_its_pages_show_and_no_source_maps(
    light_icons, tmp_path
):
    scripts = tmp_path / "_static" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "fontawesome.js").write_text(SCRIPT)
    (scripts / "fontawesome.js.map").write_text("{}")
    (tmp_path / "page.html").write_text('<i class="fa-solid fa-ghost"></i>')
    light_icons.lighten(SimpleNamespace(outdir=tmp_path), None)
    left = (scripts / "fontawesome.js").read_text()
    assert "ghost:[" in left
    assert "search:[" not in left
    assert not (scripts / "fontawesome.js.map").exists()
