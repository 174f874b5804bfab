"""The extension of the book that makes its pictures smaller."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest

EXTENSION = Path(__file__).parents[1] / "book" / "_ext" / "light_pictures.py"
pytestmark = pytest.mark.skipif(
    not EXTENSION.exists(), reason="the book is not here: only the tests were copied"
)
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.fixture
def lighter():
    spec = importlib.util.spec_from_file_location("light_pictures", EXTENSION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.lighter


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"), dtype=float)


def test_a_figure_becomes_smaller_and_looks_the_same(figures, lighter):
    figure, axes = figures.subplots()
    axes.plot(np.sin(np.linspace(0, 9)), label="a curve")
    axes.legend()
    file = io.BytesIO()
    figure.savefig(file)
    small = lighter(file.getvalue())
    assert len(small) < 0.7 * len(file.getvalue())
    assert np.sqrt(np.mean((pixels(small) - pixels(file.getvalue())) ** 2)) < 1


def test_a_picture_of_many_colours_stays_exact(lighter):
    many = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    before = png(many)
    after = lighter(before)
    assert len(after) <= len(before)
    np.testing.assert_array_equal(pixels(after), pixels(before))


def test_what_shines_through_a_picture_is_kept(lighter):
    clear = np.full((32, 32, 4), 255, dtype=np.uint8)
    clear[:16, :, 3] = 100
    np.testing.assert_array_equal(pixels(lighter(png(clear))), pixels(png(clear)))
