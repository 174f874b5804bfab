"""The checks that stand in front of every layer."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

from nndl._arguments import (
    as_array,
    as_float_array,
    as_numbers,
    as_path,
    flag,
    number,
    one_of,
    shown,
    takes,
    whole_number,
)


@takes(x="(N, D...)", w="(D, M)", b="(M,)")
def product(x: Any, w: Any, b: Any = 0) -> Any:
    """Return what came through the checks."""
    return x, w, b


@takes(cache="x (N, D), w (D,), mode", dout="like x")
def three_backward(dout: Any, cache: Any) -> Any:
    return dout


@takes(cache="x (...)", dout="like x")
def one_backward_alt(dout: Any, cache: Any) -> Any:
    return dout


@takes(x="(N>0, C>2)", y="labels (N,) of C")
def labelled(x: Any, y: Any) -> Any:
    return x, y


@takes(x="(N, C)", gamma="(1, C) or (C,)")
def scaled(x: Any, gamma: Any) -> Any:
    return gamma


@takes(cache="gamma (1, C) or (C,), settings dict", dout="(N, C)")
def scaled_backward(dout: Any, cache: Any) -> Any:
    return dout


# ---- shapes --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 6), (4, 2, 3), (4, 6, 1), (4, 1, 2, 3)])
def test_an_open_axis_stands_for_the_product_of_all_that_remain(shape):
    x, _, _ = product(np.ones(shape), np.ones((6, 5)), np.ones(5))
    assert x.shape == shape


def test_an_open_axis_may_stand_for_no_axes_at_all():
    x, _, _ = product(np.ones(4), np.ones((1, 5)), np.ones(5))
    assert x.shape == (4,)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            [(4, 7), (6, 5), (5,)],
            "`w` must have shape (D, M) with D = 7, but its shape is (6, 5) (x: (4, 7)).",
        ),
        (
            [(4, 6), (6, 5), (4,)],
            "`b` must have shape (M,) with M = 5, but its shape is (4,) (w: (6, 5)).",
        ),
        ([(4, 6), (6, 5), (5, 1)], "`b` must have shape (M,)"),
        ([(4, 6), (6,), (5,)], "`w` must have shape (D, M) with D = 6"),
        ([(4, 6), (6, 5, 1), (5,)], "`w` must have shape (D, M)"),
        ([(), (6, 5), (5,)], "`x` must have shape (N, D...), but its shape is ()."),
    ],
)
def test_a_wrong_shape_names_the_argument_and_both_shapes(shapes, message):
    with pytest.raises(ValueError, match="`") as error:
        product(*(np.ones(shape) for shape in shapes))
    assert message in str(error.value)


def test_arguments_are_checked_by_keyword_too():
    with pytest.raises(ValueError, match="`w` must have shape"):
        product(b=np.ones(5), w=np.ones((3, 5)), x=np.ones((4, 6)))


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((1,), {}),
        ((1, 2, 3, 4), {}),
        ((1, 2), {"x": 3}),
        ((1, 2), {"nothing": 3}),
    ],
)
def test_a_wrong_call_gives_the_error_of_the_function_itself(args, kwargs):
    with pytest.raises(TypeError, match=r"product\(\)"):
        product(*args, **kwargs)


def test_checking_keeps_the_name_the_docstring_and_the_signature():
    assert product.__name__ == "product"
    assert product.__doc__ == "Return what came through the checks."
    assert list(inspect.signature(product).parameters) == ["x", "w", "b"]


@pytest.mark.parametrize("shape", [(0, 3), (2, 2), (0, 0)])
def test_an_axis_with_a_minimum_refuses_smaller_sizes(shape):
    with pytest.raises(ValueError, match=r"`x` must have [NC] > [02]"):
        labelled(np.ones(shape), np.zeros(shape[0], int))


@pytest.mark.parametrize("shape", [(1, 3), (3,)])
def test_an_array_may_have_any_of_the_shapes_that_are_declared(shape):
    assert scaled(np.ones((4, 3)), np.ones(shape)).shape == shape


@pytest.mark.parametrize("shape", [(3, 1), (2, 3), (1, 4), (4,), (1, 1, 3), ()])
def test_a_shape_that_is_none_of_those_declared_names_them_all(shape):
    with pytest.raises(ValueError, match="`gamma` must have shape") as error:
        scaled(np.ones((4, 3)), np.ones(shape))
    assert str(error.value) == (
        f"`gamma` must have shape (1, C) or (C,) with C = 3, but its shape is {shape} (x: (4, 3))."
    )


# ---- dtypes --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int16, np.uint64, ">i4"])
def test_integers_and_booleans_become_float64(dtype):
    array = as_float_array("x", np.array([0, 1], dtype=dtype))
    assert array.dtype == np.float64
    assert array.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_passed_on_without_a_copy(dtype):
    array = np.ones(3, dtype)
    assert as_float_array("x", array) is array


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f4", "<f8"])
def test_the_byte_order_becomes_native(dtype):
    array = as_float_array("x", np.array([1.5, -2.0], dtype=dtype))
    assert array.dtype.isnative
    assert array.dtype.itemsize == np.dtype(dtype).itemsize
    assert array.tolist() == [1.5, -2.0]


@pytest.mark.parametrize("value", [[1, 2], (1.0, 2.0), [[True]], 3])
def test_lists_and_numbers_become_arrays(value):
    array = as_float_array("x", value)
    assert array.dtype == np.float64
    assert array.tolist() == np.array(value, float).tolist()


@pytest.mark.parametrize(
    "value",
    [
        np.float16([1]),
        np.longdouble([1]),
        [1j],
        ["a"],
        [None],
        np.array(["2020"], "M8[Y]"),
    ],
)
def test_other_dtypes_are_a_type_error_that_names_the_argument(value):
    with pytest.raises(
        TypeError, match=r"`x` must be an array of float32, float64 or integers"
    ):
        as_float_array("x", value)


@pytest.mark.parametrize("value", [[[1, 2], [3]], [np.ones(2), np.ones(3)], [1, [2]]])
def test_rows_of_different_lengths_are_an_error_that_names_the_argument(value):
    for convert in (as_array, as_float_array, as_numbers):
        with pytest.raises(
            ValueError, match=r"`x` must be an array, but NumPy .* list"
        ):
            convert("x", value)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16, np.longdouble, ">i4"])
def test_an_array_of_any_real_numbers_is_passed_on_as_it_is(dtype):
    array = np.ones(3, dtype)
    assert as_numbers("x", array) is array


# ---- caches --------------------------------------------------------------------------


def test_a_cache_settles_the_sizes_for_dout():
    cache = np.ones((2, 3)), np.ones(3), "train"
    assert three_backward([[1, 2, 3], [4, 5, 6]], cache).dtype == np.float64
    with pytest.raises(
        ValueError, match=r"`dout` must have the shape of `x`, \(2, 3\), but"
    ):
        three_backward(np.ones((3, 2)), cache)


@pytest.mark.parametrize(
    ("cache", "kind", "message"),
    [
        (
            None,
            TypeError,
            "`cache` must be what three_forward returned as its cache, x, w, mode",
        ),
        ([1, 2, 3], TypeError, "type list"),
        (np.ones(3), TypeError, "type ndarray"),
        ((np.ones((2, 3)), np.ones(3)), ValueError, "has 2 entries"),
        ((np.ones((2, 3)), "w", "train"), TypeError, "its w is of type str"),
        (
            (np.ones((2, 3)), np.ones(4), "train"),
            ValueError,
            r"`w` must have shape \(D,\)",
        ),
    ],
)
def test_a_wrong_cache_names_the_forward_function(cache, kind, message):
    with pytest.raises(kind, match=message):
        three_backward(np.ones((2, 3)), cache)


@pytest.mark.parametrize("shape", [(1, 3), (3,)])
def test_a_cache_may_hold_settings_and_arrays_of_several_shapes(shape):
    dout = np.ones((4, 3))
    assert scaled_backward(dout, (np.ones(shape), {})) is dout
    with pytest.raises(ValueError, match=r"`dout` must have shape \(N, C\) with C = 3"):
        scaled_backward(np.ones((4, 2)), (np.ones(shape), {}))


@pytest.mark.parametrize("settings", [None, 3, np.ones(3)])
def test_settings_in_a_cache_that_are_no_dict_are_a_type_error(settings):
    with pytest.raises(
        TypeError, match=r"what scaled_forward returned .* but its settings is of type"
    ):
        scaled_backward(np.ones((4, 3)), (np.ones(3), settings))


def test_a_cache_of_one_array_is_that_array_itself():
    assert one_backward_alt(np.ones(3), np.ones(3)).tolist() == [1, 1, 1]
    with pytest.raises(
        TypeError, match="what one_forward returned as its cache, x, but its x is"
    ):
        one_backward_alt(np.ones(3), (np.ones(3),))


# ---- labels --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y", [[0, 2], (0, 2), np.uint8([0, 2]), np.array([0, 2], ">i8"), np.uint64([0, 2])]
)
def test_labels_may_be_any_integers(y):
    _, labels = labelled(np.ones((2, 3)), y)
    assert labels.tolist() == [0, 2]


@pytest.mark.parametrize("wrong", [-1, 3, 1000])
def test_a_label_out_of_range_is_named(wrong):
    with pytest.raises(
        ValueError,
        match=rf"`y` must hold labels from 0 to 2, .* 3 classes of `x`, .* {wrong}\.",
    ):
        labelled(np.ones((2, 3)), [0, wrong])


@pytest.mark.parametrize("y", [[0.0, 1.0], [True, False], ["0", "1"], [None, 1]])
def test_labels_of_another_type_are_a_type_error(y):
    with pytest.raises(TypeError, match="`y` must be an array of integer class labels"):
        labelled(np.ones((2, 3)), y)


@pytest.mark.parametrize("y", [[0], [0, 1, 2], [[0], [1]], 1])
def test_labels_must_be_one_for_each_example(y):
    with pytest.raises(ValueError, match=r"`y` must have shape \(N,\) with N = 2"):
        labelled(np.ones((2, 3)), y)


# ---- numbers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [1, 1.0, np.float32(1), np.float64(1), np.int8(1), np.array(1.0)]
)
def test_a_number_comes_back_as_a_python_float(value):
    assert type(number("p", value)) is float
    assert number("p", value) == 1.0


@pytest.mark.parametrize(
    "value",
    [
        None,
        "1",
        True,
        np.True_,
        [1],
        np.ones(1),
        1j,
        np.complex128(1),
        np.array("a"),
        np.bytes_("1"),
    ],
    ids=repr,
)
def test_what_is_not_a_number_is_a_type_error(value):
    with pytest.raises(TypeError, match="`p` must be a number"):
        number("p", value)


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, {"above": 0}, "`p` must be above 0, but is 0."),
        (
            1.5,
            {"at_least": 0, "at_most": 1},
            "`p` must be at least 0 and at most 1, but is 1.5.",
        ),
        (
            1,
            {"at_least": 0, "below": 1},
            "`p` must be at least 0 and below 1, but is 1.",
        ),
        (math.nan, {}, "`p` must be a finite number, but is nan."),
        (math.nan, {"above": 0}, "but is nan."),
    ],
)
def test_a_number_out_of_bounds_is_a_value_error(value, bounds, message):
    with pytest.raises(ValueError, match="`p` must be") as error:
        number("p", value, **bounds)
    assert message in str(error.value)


def test_an_infinite_number_is_refused_with_a_reason_that_holds():
    with pytest.raises(ValueError, match=r"`p` must be .*finite"):
        number("p", math.inf, at_least=0)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_a_whole_number_comes_back_as_an_int(value):
    assert type(whole_number("n", value, at_least=1)) is int
    assert whole_number("n", value, at_least=1) == 3


@pytest.mark.parametrize(
    "value",
    [3.0, np.float64(3), "3", None, True, np.True_, np.array(3.7), np.array([3, 4])],
    ids=repr,
)
def test_what_is_not_a_whole_number_is_a_type_error(value):
    with pytest.raises(TypeError, match="`n` must be an integer"):
        whole_number("n", value, at_least=1)


def test_a_whole_number_too_small_is_a_value_error():
    with pytest.raises(ValueError, match="`n` must be at least 1, but is 0"):
        whole_number("n", 0, at_least=1)


@pytest.mark.parametrize("value", [None, "batchnorm"])
def test_one_of_the_options_is_returned(value):
    assert one_of("mode", value, None, "batchnorm") == value


def test_a_string_from_a_numpy_array_is_one_of_the_options():
    assert one_of("mode", np.array(["train"])[0], "train", "test") == "train"


@pytest.mark.parametrize(
    "value", ["Train", "", 0, None, np.array(["train", "test"])], ids=repr
)
def test_what_is_none_of_the_options_is_a_value_error(value):
    with pytest.raises(ValueError, match="`mode` must be 'train' or 'test', but is"):
        one_of("mode", value, "train", "test")


# ---- numbers that are too large or too small -----------------------------------------


@pytest.mark.parametrize("value", [10**30, -(10**30), 2**64])
def test_an_int_too_large_for_numpys_integers_is_a_number(value):
    assert number("p", value) == float(value)


@pytest.mark.parametrize("value", [10**400, -(10**400), 10**5000], ids="abc")
def test_an_int_too_large_for_a_float_is_not_finite(value):
    with pytest.raises(ValueError, match="`p` must be a finite number, but is"):
        number("p", value)


@takes(x="(N,)", param="dict")
def with_settings(x: Any, param: Any) -> Any:
    return param


@pytest.mark.parametrize("eps", [1e-46, 1e-300, np.float64(1e-50)])
def test_an_eps_that_float32_takes_for_0_is_refused_where_the_array_is_float32(eps):
    with pytest.raises(
        ValueError, match=r"`param\['eps'\]` must be above 0 in float32"
    ):
        with_settings(np.ones(2, np.float32), {"eps": eps})
    for x, settings in (
        (np.ones(2), {"eps": eps}),
        (np.ones(2, np.float32), {"eps": 2e-45}),
        (np.ones(2, np.float32), {"eps": "a"}),  # which the layer itself refuses
    ):
        assert with_settings(x, settings) is settings


# ---- what is no array and no number --------------------------------------------------


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (True, True),
        (False, False),
        (np.True_, True),
        (1, True),
        (0, False),
        (np.int8(1), True),
    ],
)
def test_a_flag_is_true_or_false_or_1_or_0(value, meaning):
    assert flag("f", value) is meaning


@takes(x="(N,)", doubled="flag")
def maybe_doubled(x: Any, doubled: bool = False) -> Any:
    return 2 * x if doubled else x


def test_a_declared_flag_is_checked_and_may_be_left_out():
    assert maybe_doubled([1.0]).tolist() == [1]
    assert maybe_doubled([1.0], doubled=np.True_).tolist() == [2]
    with pytest.raises(TypeError, match="`doubled` must be True or False, but is 'no'"):
        maybe_doubled([1.0], "no")


def test_a_path_may_be_a_string_or_a_path_object(tmp_path):
    assert as_path("p", str(tmp_path)) == as_path("p", tmp_path) == tmp_path


def test_an_error_shows_what_came_as_it_is_unless_it_is_long():
    for value in (3, "x", [1.5, None], {"a": (1, 2)}, np.float32(2)):
        assert shown(value) == repr(value)
    for value in (
        list(range(10**5)),
        "x" * 10**5,
        10**1000,
        {i: i for i in range(999)},
    ):
        assert 10 < len(shown(value)) < 300
        assert "..." in shown(value)
    assert shown(10**5000) == "of type int"
