"""Where random numbers come from."""

from __future__ import annotations

import numpy as np
import pytest

from nndl._random import random_generator


def test_a_generator_is_returned_as_it_is():
    for rng in (np.random.default_rng(0), np.random.RandomState(0)):
        assert random_generator(rng) is rng


@pytest.mark.parametrize("seed", [0, 7, np.int64(7), np.uint8(7)])
def test_a_seed_gives_the_numbers_of_numpys_default_generator(seed):
    expected = np.random.default_rng(int(seed)).random(5)
    np.testing.assert_array_equal(random_generator(seed).random(5), expected)


def test_without_a_generator_the_numbers_follow_numpys_global_state():
    np.random.seed(3)
    ours = random_generator(None).random(5)
    np.random.seed(3)
    np.testing.assert_array_equal(ours, np.random.random(5))


@pytest.mark.parametrize(
    "rng", [None, 0, np.random.RandomState(0)], ids=["global", "seed", "old"]
)
def test_every_source_has_the_methods_that_the_package_uses(rng):
    source = random_generator(rng)
    assert source.random((2, 3)).shape == (2, 3)
    assert source.standard_normal((2, 3)).shape == (2, 3)
    assert sorted(source.permutation(5)) == [0, 1, 2, 3, 4]
    assert len(set(source.choice(5, 3, replace=False).tolist())) == 3


@pytest.mark.parametrize("rng", ["0", 1.0, True, np.True_, [1], np.random], ids=repr)
def test_anything_else_is_a_type_error(rng):
    with pytest.raises(
        TypeError,
        match=r"`rng` must be a numpy\.random\.Generator, an int seed or None",
    ):
        random_generator(rng)


def test_a_negative_seed_is_a_value_error():
    with pytest.raises(ValueError, match="`rng` must be at least 0, but is -1"):
        random_generator(-1)
