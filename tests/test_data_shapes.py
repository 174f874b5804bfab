"""The embedded set: what is drawn, and that every machine draws the same."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from nndl.data import _records, shapes


@pytest.fixture(scope="module")
def drawn():
    return shapes.draw(shapes.NUM_IMAGES)


def test_the_embedded_set_has_the_same_bytes_on_every_machine(drawn):
    assert hashlib.sha256(_records.pack(*drawn)).hexdigest() == shapes.SHA256


def test_draw_returns_bytes_and_integer_labels(drawn):
    images, labels = drawn
    assert images.shape == (12_000, 3, 32, 32)
    assert images.dtype == np.uint8
    assert labels.shape == (12_000,)
    assert labels.dtype == np.int64


def test_any_ten_pictures_from_a_multiple_of_ten_hold_each_class_once(drawn):
    _, labels = drawn
    assert (np.sort(labels.reshape(-1, 10), axis=1) == np.arange(10)).all()


def test_the_order_of_the_classes_varies(drawn):
    _, labels = drawn
    first = np.bincount(labels[::10], minlength=10)
    assert first.min() > 80
    assert first.max() < 170


def test_no_picture_is_blank_and_none_comes_twice(drawn):
    images, _ = drawn
    flat = images.reshape(len(images), -1)
    assert flat.std(axis=1).min() > 5
    assert len({picture.tobytes() for picture in flat}) == len(flat)


def test_the_pictures_use_the_whole_range_of_brightness(drawn):
    images, _ = drawn
    assert 100 < images.mean() < 150
    assert 50 < images.std() < 75
    saturated = ((images == 0) | (images == 255)).mean()
    assert saturated < 0.08


@pytest.mark.parametrize("count", [1, 7, 50, 77, 1003])
def test_a_smaller_draw_is_the_start_of_a_larger_one(drawn, count):
    images, labels = shapes.draw(count)
    np.testing.assert_array_equal(images, drawn[0][:count])
    np.testing.assert_array_equal(labels, drawn[1][:count])


def test_another_seed_draws_other_pictures():
    assert (shapes.draw(20, seed=1)[0] != shapes.draw(20, seed=2)[0]).mean() > 0.9


def test_drawing_leaves_numpys_global_random_state_alone():
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    shapes.draw(10)
    assert np.random.random() == expected


def test_drawing_nothing_gives_empty_arrays():
    images, labels = shapes.draw(0)
    assert images.shape == (0, 3, 32, 32)
    assert labels.shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": -1}, ValueError, "`n` must be at least 0, but is -1"),
        ({"n": 2.5}, TypeError, "`n` must be an integer, but is 2.5"),
        ({"n": 2, "seed": -3}, ValueError, "`seed` must be at least 0, but is -3"),
        ({"n": 2, "seed": "x"}, TypeError, "`seed` must be an integer, but is 'x'"),
    ],
)
def test_a_wrong_argument_of_draw_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        shapes.draw(**arguments)


def test_there_are_ten_names_and_no_two_are_alike():
    assert len(set(shapes.CLASS_NAMES)) == len(shapes.CLASS_NAMES) == 10


@pytest.mark.parametrize("label", range(10))
def test_a_figure_is_drawn_around_its_own_centre_and_about_fills_the_unit_circle(label):
    axis = np.linspace(-1.3, 1.3, 105, dtype=np.float32)
    u, v = np.meshgrid(axis, axis)
    inside = shapes._KINDS[label].outline(u, v) < 0
    radius = np.sqrt(u * u + v * v)
    assert radius[inside].max() < 1.15
    assert radius[inside].max() > 0.8
    assert 0.6 < inside.sum() * (2.6 / 104) ** 2 < 2.6
    assert abs(u[inside].mean()) < 0.4
    assert abs(v[inside].mean()) < 0.4


def test_nearest_neighbours_on_pixels_find_the_class_of_few_pictures(drawn):
    images, labels = drawn
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat[:10_000].mean(axis=0)
    train, test = flat[:10_000], flat[10_000:11_000]
    distance = (train * train).sum(axis=1) - 2 * test @ train.T
    found = labels[distance.argmin(axis=1)]
    assert 0.15 < (found == labels[10_000:11_000]).mean() < 0.40
