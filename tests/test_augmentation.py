"""Mirrors and shifts: every outcome is one that there may be, and as likely as it has to
be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nndl.augmentation import crop, flip

float_types = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=str)
both = pytest.mark.parametrize("augment", [flip, crop])


def images(*shape, dtype=np.float64):
    """Return images without two equal numbers, none of them 0."""
    return (1 + np.arange(np.prod(shape))).reshape(shape).astype(dtype)


def places(image, most, fill=0.0):
    """Return every window that `crop` may cut out of an image, by NumPy's padding."""
    C, H, W = image.shape
    channels = [
        np.pad(channel, most, constant_values=value)
        for channel, value in zip(image, np.broadcast_to(fill, C), strict=True)
    ]
    padded = np.stack(channels)
    offsets = itertools.product(range(2 * most + 1), repeat=2)
    return [padded[:, i : i + H, j : j + W] for i, j in offsets]


# ---- flip ----------------------------------------------------------------------------


def test_flip_mirrors_left_to_right_or_leaves_an_image_as_it_is():
    X = images(50, 3, 4, 5)
    seen = set()
    for image, found in zip(X, flip(X, 0), strict=True):
        mirrored = np.array_equal(found, np.flip(image, axis=2))
        assert mirrored or np.array_equal(found, image)
        seen.add(mirrored)
    assert seen == {False, True}


def test_flip_mirrors_half_of_the_images_each_by_itself():
    X = np.tile(images(1, 1, 1, 2), (10_000, 1, 1, 1))
    mirrored = flip(X, 0)[:, 0, 0, 0] == 2
    assert abs(mirrored.mean() - 0.5) < 0.02  # four standard deviations
    assert abs(np.corrcoef(mirrored[:-1], mirrored[1:])[0, 1]) < 0.04


# ---- crop ----------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0, 1, 2])
@pytest.mark.parametrize("fill", [0.0, -7.5, [-1.0, -2.0, -3.0]], ids=str)
def test_crop_cuts_every_window_out_of_the_padded_image_equally_often(most, fill):
    X = np.tile(images(1, 3, 4, 5), (2500, 1, 1, 1))
    expected = [window.tobytes() for window in places(X[0], most, fill)]
    assert len(set(expected)) == (2 * most + 1) ** 2
    found = [window.tobytes() for window in crop(X, 0, most, fill)]
    counts = [found.count(window) for window in expected]
    assert sum(counts) == len(X)
    mean = len(X) / len(expected)
    assert np.abs(np.array(counts) - mean).max() <= 4 * np.sqrt(mean)


def test_crop_moves_each_image_by_itself():
    X = images(40, 2, 6, 6)
    for image, found in zip(X, crop(X, 3), strict=True):
        assert any(np.array_equal(found, window) for window in places(image, 4))


def test_crop_fills_each_channel_with_its_own_number_in_the_type_of_the_images():
    X = np.zeros((200, 2, 3, 3), np.float32)
    found = crop(X, 0, 3, np.array([0.1, 0.2]))
    for channel, value in enumerate((0.1, 0.2)):
        assert set(np.unique(found[:, channel])) == {0, np.float32(value)}


@pytest.mark.parametrize(
    ("most", "fill", "kind", "message"),
    [
        (-1, 0.0, ValueError, "`most` must be an integer from 0 to 4"),
        (5, 0.0, ValueError, "`most` must be an integer from 0 to 4"),
        (1.5, 0.0, TypeError, "`most` must be an integer"),
        (1, [0.0, 1.0], ValueError, r"`fill` must be a number or have shape \(3,\)"),
        (1, "black", TypeError, "`fill` must be an array"),
    ],
)
def test_crop_names_a_wrong_argument(most, fill, kind, message):
    with pytest.raises(kind, match=message):
        crop(images(2, 3, 4, 5), 0, most, fill)


# ---- both ----------------------------------------------------------------------------


@both
@float_types
def test_the_images_are_left_alone_and_the_result_is_new_and_of_their_type(
    augment, dtype, frozen
):
    X = images(7, 3, 5, 6, dtype=dtype)
    X.flags.writeable = False
    before = frozen(X)
    found = augment(X, 0)
    assert found.dtype == dtype
    assert found.shape == X.shape
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert not np.may_share_memory(found, X)
    assert frozen(X) == before


@both
def test_a_seed_decides_and_a_generator_goes_on(augment):
    X = images(30, 1, 4, 4)
    np.testing.assert_array_equal(augment(X, 5), augment(X, 5))
    assert not np.array_equal(augment(X, 5), augment(X, 6))
    rng = np.random.default_rng(5)
    np.testing.assert_array_equal(augment(X, rng), augment(X, 5))
    assert not np.array_equal(augment(X, rng), augment(X, 5))


@both
def test_without_a_source_numpys_global_state_decides(augment):
    X = images(30, 1, 4, 4)
    np.random.seed(1)
    first = augment(X)
    np.random.seed(1)
    np.testing.assert_array_equal(augment(X), first)
    np.testing.assert_array_equal(augment(X, np.random.RandomState(1)), first)


@both
@pytest.mark.parametrize(
    "layout", [np.asfortranarray, np.flip], ids=["columns", "back"]
)
def test_the_layout_of_the_images_in_memory_makes_no_difference(augment, layout):
    X = layout(images(9, 3, 5, 6))
    np.testing.assert_array_equal(augment(X, 2), augment(np.ascontiguousarray(X), 2))


@both
def test_no_images_give_no_images(augment):
    assert augment(np.zeros((0, 3, 4, 4)), 0).shape == (0, 3, 4, 4)


@both
@pytest.mark.parametrize("shape", [(3, 4, 4), (2, 3, 4, 4, 1), ()])
def test_images_of_another_shape_are_refused_by_name(augment, shape):
    with pytest.raises(ValueError, match=r"`X` must have shape \(N, C, H, W\)"):
        augment(np.zeros(shape))
