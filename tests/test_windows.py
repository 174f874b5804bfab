"""Where the windows of a convolution or a pooling lie.

How the settings are refused is tested where they are given, in the tests of the layers.
"""

from __future__ import annotations

import itertools

from nndl._windows import conv_windows, pool_windows


def places(size, window, stride):
    """Count the places at which a window fits, by trying them all."""
    return sum(start + window <= size for start in range(0, size, stride))


def test_a_convolution_has_an_output_for_every_place_where_a_filter_fits():
    for H, HH, stride, pad in itertools.product(
        range(1, 9), range(1, 9), range(1, 5), range(4)
    ):
        padded = H + 2 * pad
        if padded >= HH:
            param = {"stride": stride, "pad": pad}
            found = conv_windows((2, 3, H, 20), (4, 3, HH, 2), param)
            expected = places(padded, HH, stride), places(20 + 2 * pad, 2, stride)
            assert found == (stride, pad, *expected)


def test_a_pooling_has_an_output_for_every_place_where_a_window_fits():
    for W, width, stride in itertools.product(range(1, 9), range(1, 9), range(1, 5)):
        if width <= W:
            param = {"pool_height": 2, "pool_width": width, "stride": stride}
            found = pool_windows((2, 3, 20, W), param)
            expected = places(20, 2, stride), places(W, width, stride)
            assert found == (2, width, stride, *expected)


def test_settings_that_a_layer_does_not_know_are_left_alone():
    param = {"stride": 1, "pad": 0, "note": "kept"}
    assert conv_windows((1, 1, 3, 3), (1, 1, 3, 3), param) == (1, 0, 1, 1)
    assert param == {"stride": 1, "pad": 0, "note": "kept"}
