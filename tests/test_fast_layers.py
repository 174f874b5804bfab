"""The compiled layers equal their readable twins.

Over types, layouts, shapes, instruction sets and numbers of threads; on NaN, infinity,
ties and settings at their limits. `fast_cases` holds the cases and says what equal
means: to the last bit for ReLU, max pooling and dropout, to 1e-10 of the largest value
in float64 and 1e-4 in float32 for what sums in another order.
"""

from __future__ import annotations

import copy
import functools
import inspect

import numpy as np
import pytest
from fast_cases import (
    ARGUMENTS,
    DIFFERENTIABLE,
    LARGE,
    LAYERS,
    SANDWICHES,
    SMALL,
    arguments,
    as_tuple,
    assert_close,
    assert_results_agree,
    assert_same_bits,
    assert_twins_agree,
    convert,
    every_instruction_set,
    every_large_case,
    every_layer,
    every_small_case,
    fast_layer,
    float_types,
    normal,
    quick_conv_backward,
    quick_conv_forward,
    quick_max_pool_backward,
    quick_max_pool_forward,
    readable_layer,
    run_fast,
    run_readable,
)

import nndl
from nndl import conv_layers, fast_layers, layers
from nndl._fast import _kernels

pytestmark = pytest.mark.usefixtures("one_thread")


# ---- names ---------------------------------------------------------------------------


def test_every_readable_layer_but_two_has_a_compiled_twin():
    """The SVM loss has none, and the two backward functions of batch normalization
    share one."""
    readable = {*layers.__all__, *conv_layers.__all__}
    expected = {name.removesuffix("_naive") + "_fast" for name in readable}
    expected -= {"svm_loss_fast", "batchnorm_backward_alt_fast"}
    expected |= {
        f"{n}_{way}_fast" for n in SANDWICHES for way in ("forward", "backward")
    }
    missing = expected - set(fast_layers.__all__)
    assert not missing


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_fast_layer_has_the_signature_of_its_twin(name):
    for fast, readable in zip(fast_layer(name), readable_layer(name), strict=True):
        parameters = dict(inspect.signature(fast).parameters)
        if name in ("affine", "conv") and "dout" in parameters:
            assert parameters.pop("need_dx").default is True
        assert list(parameters) == list(inspect.signature(readable).parameters)


# ---- the quick forms of two readable layers, with which large cases are compared -----


@pytest.mark.parametrize("seed", range(10))
def test_the_quick_convolution_of_these_tests_equals_the_loops(seed):
    given = random_convolution(seed)
    expected, cache = conv_layers.conv_forward_naive(**given)
    out, quick_cache = quick_conv_forward(**given)
    assert_close("out", out, expected)
    dout = normal(seed, *out.shape)
    for found, gradient in zip(
        quick_conv_backward(dout, quick_cache),
        conv_layers.conv_backward_naive(dout, cache),
        strict=True,
    ):
        assert_close("gradient", found, gradient)


@pytest.mark.parametrize("seed", range(10))
def test_the_quick_pooling_of_these_tests_equals_the_loops(seed):
    given = random_pooling(seed)
    expected, cache = conv_layers.max_pool_forward_naive(**given)
    out, quick_cache = quick_max_pool_forward(**given)
    assert_close("out", out, expected, exact=True)
    dout = normal(seed, *out.shape)
    dx = conv_layers.max_pool_backward_naive(dout, cache)
    assert_close("dx", quick_max_pool_backward(dout, quick_cache), dx, exact=True)


# ---- types and layouts ---------------------------------------------------------------


def misaligned(array):
    memory = bytearray(array.nbytes + 1)
    view = np.frombuffer(memory, np.uint8, offset=1).view(array.dtype)
    view = view.reshape(array.shape)
    view[...] = array
    return view


def read_only(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


def inside_larger(array):
    """Return the array as the middle of one that is larger along every axis."""
    larger = np.full([size + 3 for size in array.shape], np.nan, array.dtype)
    middle = larger[tuple(slice(1, size + 1) for size in array.shape)]
    middle[...] = array
    return middle


def rows_far_apart(array):
    """Return the array with the axes in memory turned around by one."""
    return np.moveaxis(np.moveaxis(array, -1, 0).copy(), 0, -1)


LAYOUTS = {
    "plain": np.copy,
    "fortran": np.asfortranarray,
    "channels last": rows_far_apart,
    "negative strides": lambda a: np.flip(np.flip(a).copy()),
    "every other": lambda a: np.stack([a, a], axis=-1)[..., 0],
    "inside a larger array": inside_larger,
    "read-only": read_only,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "misaligned": misaligned,
}


@every_small_case
@float_types
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_fast_layer_equals_its_twin_in_every_layout(case, dtype, layout):
    name, sizes = SMALL[case]
    assert_twins_agree(name, arguments(name, dtype, **sizes), layout)


@every_small_case
@float_types
def test_a_fast_layer_equals_its_twin_on_one_row_seen_many_times(case, dtype):
    """Strides of zero."""
    name, sizes = SMALL[case]
    given = arguments(name, dtype, **sizes)
    given["x"] = np.broadcast_to(given["x"][:1], given["x"].shape)
    if "batchnorm" in name or "bn" in name:
        given["bn_param"]["mode"] = "test"  # a batch without variance has no gradient
    assert_twins_agree(name, given, lambda a: np.broadcast_to(a, a.shape))


@every_small_case
@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, ">i4"])
def test_a_fast_layer_converts_integers_to_float64(case, dtype):
    name, sizes = SMALL[case]
    given = convert(arguments(name, **sizes), lambda a: np.abs(np.rint(3 * a)))
    _, _, dout = run_readable(name, copy.deepcopy(given))
    out, gradients, _ = assert_twins_agree(
        name, given, lambda a: a.astype(dtype), dout=np.abs(np.rint(3 * dout))
    )
    assert out.dtype == np.float64
    assert {g.dtype for g in gradients.values()} == {np.dtype(np.float64)}


@every_small_case
@pytest.mark.parametrize("kind", [bool, list])
def test_a_fast_layer_takes_lists_and_booleans(case, kind):
    name, sizes = SMALL[case]
    given = convert(arguments(name, **sizes), lambda a: (a > 0).astype(float))
    change = np.ndarray.tolist if kind is list else lambda a: a.astype(bool)
    changed = convert(given, change)
    expected, gradients, dout = run_readable(name, given)
    out, found = run_fast(name, changed, dout.tolist() if kind is list else dout)
    assert_results_agree(name, out, found, expected, gradients)


MIXED = [
    (case, odd_one)
    for case, (name, sizes) in SMALL.items()
    for odd_one in (*arguments(name, **sizes), "dout")
    if odd_one in (*DIFFERENTIABLE, "dout")
]


@pytest.mark.parametrize(("case", "odd_one"), MIXED)
def test_a_fast_layer_computes_mixed_float_types_in_the_wider_one(case, odd_one):
    """Its output has the type that the twin's has, which is the wider one too."""
    name, sizes = SMALL[case]
    given = arguments(name, np.float32, **sizes)
    _, _, dout = run_readable(name, copy.deepcopy(given))
    if odd_one == "dout":
        dout = dout.astype(np.float64)
    else:
        given[odd_one] = given[odd_one].astype(np.float64)
    expected, gradients, _ = run_readable(name, copy.deepcopy(given), dout)
    out, found = run_fast(name, given, dout)
    assert out.dtype == expected.dtype
    for key, gradient in gradients.items():
        assert gradient.dtype <= found[key].dtype
    single = [
        convert(results, lambda a: a.astype(np.float32))
        for results in (out, found, expected, gradients)
    ]
    assert_results_agree(name, *single)


@every_small_case
@float_types
def test_what_a_fast_layer_returns_is_an_ordinary_array_of_its_own(case, dtype):
    name, sizes = SMALL[case]
    given = arguments(name, dtype, **sizes)
    out, gradients = run_fast(name, given)
    results = [out, *gradients.values()]
    for array in results:
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert array.flags.writeable
    if case == "dropout test":  # the identity, which may hand through what it gets
        return
    inputs = [a for a in given.values() if isinstance(a, np.ndarray)]
    for i, array in enumerate(results):
        for other in results[:i] + inputs:
            assert not np.may_share_memory(array, other)


# ---- shapes, instruction sets and threads --------------------------------------------

# Cases that sit at an edge of some kernel; the small and the large ones come on top.
EDGES = {
    "affine no example": ("affine", {"x": (0, 2, 3), "w": (6, 7)}),
    "affine one number": ("affine", {"x": (1, 1), "w": (1, 1)}),
    "affine 17 by 33 by 9": ("affine", {"x": (17, 33), "w": (33, 9)}),
    "affine no feature": ("affine", {"x": (3, 0), "w": (0, 4)}),
    "affine no unit": ("affine", {"x": (3, 5), "w": (5, 0)}),
    "relu scalar": ("relu", {"x": ()}),
    "relu empty": ("relu", {"x": (2, 0, 3)}),
    "relu one axis": ("relu", {"x": (1037,)}),
    "batchnorm 67 features": ("batchnorm", {"x": (5, 67)}),
    "batchnorm many examples": ("batchnorm", {"x": (1003, 3)}),
    "batchnorm one feature": ("batchnorm", {"x": (33, 1)}),
    "layernorm no example": ("layernorm", {"x": (0, 3)}),
    "layernorm 67 features": ("layernorm", {"x": (3, 67)}),
    "layernorm one example": ("layernorm", {"x": (1, 1003)}),
    "dropout scalar": ("dropout", {"x": ()}),
    "dropout empty": ("dropout", {"x": (0, 3)}),
    "dropout keeps all": ("dropout", {"x": (37, 5), "p": 1}),
    "dropout keeps few": ("dropout", {"x": (37, 5), "p": 0.1}),
    "conv no image": ("conv", {"x": (0, 3, 5, 5), "w": (4, 3, 3, 3)}),
    "conv no image, 16 channels": ("conv", {"x": (0, 16, 5, 5), "w": (16, 16, 3, 3)}),
    "conv no channel": ("conv", {"x": (2, 0, 5, 5), "w": (4, 0, 3, 3)}),
    "conv no filter": ("conv", {"x": (2, 3, 5, 5), "w": (0, 3, 3, 3)}),
    "conv 3x5": ("conv", {"x": (2, 3, 8, 9), "w": (4, 3, 3, 5)}),
    "conv 5x1": ("conv", {"x": (2, 3, 8, 9), "w": (4, 3, 5, 1), "pad": 2}),
    "conv 1x7": ("conv", {"x": (2, 3, 8, 9), "w": (4, 3, 1, 7), "pad": 0}),
    "conv 2x2, no padding": ("conv", {"x": (2, 3, 8, 9), "w": (4, 3, 2, 2), "pad": 0}),
    "conv 4x4 stride 2": (
        "conv",
        {"x": (2, 3, 8, 9), "w": (5, 3, 4, 4), "stride": 2},
    ),
    "conv stride with gaps": (
        "conv",
        {"x": (2, 3, 11, 9), "w": (4, 3, 2, 2), "stride": 3},
    ),
    "conv stride beyond the image": (
        "conv",
        {"x": (2, 3, 6, 5), "w": (4, 3, 3, 3), "stride": 1000},
    ),
    "conv 3x5 stride 2": (
        "conv",
        {"x": (2, 3, 8, 9), "w": (4, 3, 3, 5), "stride": 2, "pad": 2},
    ),
    "conv padding wider than the kernel": (
        "conv",
        {"x": (2, 3, 4, 5), "w": (4, 3, 2, 3), "pad": 4},
    ),
    "conv 3x3, 16 channels, wide padding": (
        "conv",
        {"x": (2, 16, 4, 5), "w": (16, 16, 3, 3), "pad": 4},
    ),
    "conv 1x1 maps": ("conv", {"x": (5, 7, 1, 1), "w": (6, 7, 1, 1), "pad": 0}),
    "conv 1x1 maps, 3x3": ("conv", {"x": (5, 7, 1, 1), "w": (6, 7, 3, 3)}),
    "conv 1x1 maps, 3x3, 16 channels": (
        "conv",
        {"x": (5, 16, 1, 1), "w": (17, 16, 3, 3)},
    ),
    "conv kernel as large as the image": (
        "conv",
        {"x": (2, 3, 5, 4), "w": (4, 3, 5, 4), "pad": 0},
    ),
    "conv kernel as large as the padded image": (
        "conv",
        {"x": (2, 3, 5, 4), "w": (4, 3, 9, 8), "pad": 2},
    ),
    "conv 3x3, 16 channels, kernel as large as the image": (
        "conv",
        {"x": (2, 16, 3, 3), "w": (16, 16, 3, 3), "pad": 0},
    ),
    "conv 5x5, 16 channels, kernel as large as the image": (
        "conv",
        {"x": (2, 16, 5, 5), "w": (16, 16, 5, 5), "pad": 0},
    ),
    "conv images of one row": ("conv", {"x": (2, 3, 1, 37), "w": (4, 3, 3, 3)}),
    "conv images of one column": ("conv", {"x": (2, 16, 37, 1), "w": (16, 16, 3, 3)}),
    "conv 1 channel": ("conv", {"x": (2, 1, 9, 10), "w": (1, 1, 3, 3)}),
    "conv 3x3 15 to 16 channels": ("conv", {"x": (2, 15, 9, 10), "w": (16, 15, 3, 3)}),
    "conv 3x3 16 to 15 channels": ("conv", {"x": (2, 16, 9, 10), "w": (15, 16, 3, 3)}),
    "conv 3x3 17 to 33 channels": ("conv", {"x": (3, 17, 6, 11), "w": (33, 17, 3, 3)}),
    "conv 3x3 33 to 17 channels": (
        "conv",
        {"x": (3, 33, 7, 5), "w": (17, 33, 3, 3), "pad": 0},
    ),
    "conv 3x3 64 to 64 channels": (
        "conv",
        {"x": (1, 64, 8, 8), "w": (64, 64, 3, 3), "pad": 2},
    ),
    "conv 3x3 16 channels stride 2": (
        "conv",
        {"x": (2, 16, 9, 10), "w": (16, 16, 3, 3), "stride": 2},
    ),
    "conv 3x5 16 channels": ("conv", {"x": (2, 16, 9, 10), "w": (16, 16, 3, 5)}),
    "conv 5x5 17 to 33 channels": (
        "conv",
        {"x": (3, 17, 6, 11), "w": (33, 17, 5, 5), "pad": 2},
    ),
    "conv 5x5 33 to 16 channels, no padding": (
        "conv",
        {"x": (2, 33, 9, 8), "w": (16, 33, 5, 5), "pad": 0},
    ),
    "conv 7x7 16 channels": (
        "conv",
        {"x": (2, 16, 9, 10), "w": (16, 16, 7, 7), "pad": 3},
    ),
    "max_pool no image": ("max_pool", {"x": (0, 3, 4, 4)}),
    "max_pool no channel": ("max_pool", {"x": (2, 0, 4, 4)}),
    "max_pool odd images": ("max_pool", {"x": (2, 3, 7, 9)}),
    "max_pool one window": ("max_pool", {"x": (2, 3, 2, 2)}),
    "max_pool 67 columns": ("max_pool", {"x": (2, 3, 4, 67)}),
    "max_pool whole image": ("max_pool", {"x": (2, 3, 5, 7), "window": (5, 7)}),
    "max_pool 1x1": ("max_pool", {"x": (2, 3, 5, 7), "window": (1, 1)}),
    "max_pool 2x2 stride 1": ("max_pool", {"x": (2, 3, 5, 7), "pool_stride": 1}),
    "max_pool 2x2 stride 3": ("max_pool", {"x": (2, 3, 9, 8), "pool_stride": 3}),
    "max_pool 3x3 stride 2": (
        "max_pool",
        {"x": (2, 3, 9, 8), "window": (3, 3), "pool_stride": 2},
    ),
    "max_pool 1x4": ("max_pool", {"x": (2, 3, 5, 9), "window": (1, 4)}),
    "max_pool stride beyond the image": (
        "max_pool",
        {"x": (2, 3, 5, 9), "pool_stride": 1000},
    ),
    "spatial_batchnorm one channel": ("spatial_batchnorm", {"x": (3, 1, 5, 7)}),
    "spatial_batchnorm 1x1 maps": ("spatial_batchnorm", {"x": (9, 5, 1, 1)}),
    "spatial_batchnorm one image": ("spatial_batchnorm", {"x": (1, 17, 5, 7)}),
    "spatial_groupnorm no image": ("spatial_groupnorm", {"x": (0, 6, 3, 3), "G": 3}),
    "spatial_groupnorm one group": ("spatial_groupnorm", {"x": (3, 6, 5, 7)}),
    "spatial_groupnorm as many groups as channels": (
        "spatial_groupnorm",
        {"x": (3, 6, 5, 7), "G": 6},
    ),
    "affine_relu no example": ("affine_relu", {"x": (0, 6), "w": (6, 7)}),
    "affine_relu 17 by 33 by 9": ("affine_relu", {"x": (17, 33), "w": (33, 9)}),
    "affine_bn_relu test": (
        "affine_bn_relu",
        {"x": (9, 6), "w": (6, 67), "mode": "test"},
    ),
    "conv_relu no image": ("conv_relu", {"x": (0, 3, 5, 5), "w": (4, 3, 3, 3)}),
    "conv_relu stride 2": (
        "conv_relu",
        {"x": (2, 3, 8, 9), "w": (4, 3, 5, 3), "stride": 2, "pad": 2},
    ),
    "conv_relu 5x5 16 channels": (
        "conv_relu",
        {"x": (2, 16, 8, 9), "w": (17, 16, 5, 5), "pad": 2},
    ),
    "conv_bn_relu test": (
        "conv_bn_relu",
        {"x": (2, 3, 8, 9), "w": (4, 3, 3, 3), "mode": "test"},
    ),
    "conv_bn_relu 16 channels": (
        "conv_bn_relu",
        {"x": (3, 16, 8, 9), "w": (17, 16, 3, 3)},
    ),
    "conv_relu_pool no image": (
        "conv_relu_pool",
        {"x": (0, 3, 6, 6), "w": (4, 3, 3, 3)},
    ),
    "conv_relu_pool odd images": (
        "conv_relu_pool",
        {"x": (2, 3, 7, 9), "w": (5, 3, 3, 3)},
    ),
    "conv_relu_pool odd images, 16 channels": (
        "conv_relu_pool",
        {"x": (2, 16, 7, 9), "w": (17, 16, 3, 3)},
    ),
    "conv_relu_pool overlapping": (
        "conv_relu_pool",
        {"x": (2, 3, 7, 9), "w": (5, 3, 3, 3), "window": (3, 3), "pool_stride": 2},
    ),
    "conv_relu_pool overlapping, 16 channels": (
        "conv_relu_pool",
        {"x": (2, 16, 7, 9), "w": (16, 16, 3, 3), "window": (2, 3), "pool_stride": 1},
    ),
    "conv_relu_pool not tiling": (
        "conv_relu_pool",
        {"x": (2, 3, 9, 9), "w": (5, 3, 3, 3), "pool_stride": 3},
    ),
    "conv_relu_pool stride 2": (
        "conv_relu_pool",
        {"x": (2, 3, 12, 11), "w": (5, 3, 5, 5), "stride": 2, "pad": 2},
    ),
    "conv_relu_pool 3x5": (
        "conv_relu_pool",
        {"x": (2, 3, 8, 12), "w": (5, 3, 3, 5), "pad": 2},
    ),
    "conv_relu_pool one window": (
        "conv_relu_pool",
        {"x": (2, 3, 2, 2), "w": (5, 3, 3, 3)},
    ),
    "conv_relu_pool pool 1x1": (
        "conv_relu_pool",
        {"x": (2, 3, 4, 5), "w": (5, 3, 3, 3), "window": (1, 1), "pool_stride": 1},
    ),
}
ALL_CASES = SMALL | EDGES | LARGE


@every_instruction_set
@pytest.mark.parametrize("case", SMALL | EDGES)
@float_types
def test_a_fast_layer_equals_its_twin_over_shapes(case, dtype, instruction_set):
    name, sizes = (SMALL | EDGES)[case]
    given = arguments(name, dtype, **sizes)
    nndl.set_num_threads(2)
    out, gradients, dout = assert_twins_agree(name, given)
    nndl.set_num_threads(1)
    assert_same_bits(run_fast(name, copy.deepcopy(given), dout), (out, gradients))


@every_instruction_set
@every_large_case
@float_types
def test_a_fast_layer_equals_its_twin_on_large_arrays_and_any_number_of_threads(
    case, dtype, instruction_set
):
    name, sizes = LARGE[case]
    given = arguments(name, dtype, **sizes)
    nndl.set_num_threads(2)
    readable = readable_results(case, dtype)
    out, gradients, dout = assert_twins_agree(name, given, readable=readable)
    for threads in (1, 3):
        nndl.set_num_threads(threads)
        found = run_fast(name, copy.deepcopy(given), dout)
        assert_same_bits(found, (out, gradients))


@functools.lru_cache(maxsize=1)
def readable_results(case, dtype):
    """Run the readable twin once for all instruction sets."""
    name, sizes = LARGE[case]
    given = arguments(name, dtype, **sizes)
    return run_readable(name, given), given


def random_convolution(seed, channels=(1, 6), kernels=(1, 6), strides=(1, 4)):
    rng = np.random.default_rng(seed)
    HH, WW = rng.integers(*kernels, size=2)
    pad = int(rng.integers(0, 4))
    H, W = (int(rng.integers(max(1, k - 2 * pad), 13)) for k in (HH, WW))
    N, C, F = int(rng.integers(1, 4)), *rng.integers(*channels, size=2)
    stride = int(rng.integers(*strides))
    return arguments(
        "conv", x=(N, C, H, W), w=(F, C, HH, WW), stride=stride, pad=pad, seed=seed
    )


@pytest.mark.parametrize("seed", range(40))
def test_a_fast_convolution_equals_its_twin_on_random_shapes(seed):
    assert_twins_agree("conv", random_convolution(seed))


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("seed", range(10))
def test_a_wide_fast_convolution_equals_its_twin_on_random_shapes(seed, size):
    given = random_convolution(seed, (16, 40), (size, size + 1), (1, 2))
    assert given["w"].shape[2:] == (size, size)
    assert_twins_agree("conv", given)


def random_pooling(seed):
    """With ties, in small integers."""
    rng = np.random.default_rng(seed)
    window, stride = rng.integers(1, 5, size=2), int(rng.integers(1, 5))
    H, W = (int(rng.integers(k, 14)) for k in window)
    x = rng.integers(-2, 3, size=(2, 3, H, W)).astype(float)
    sizes = zip(("pool_height", "pool_width"), window, strict=True)
    pool_param = {key: int(size) for key, size in sizes} | {"stride": stride}
    return {"x": x, "pool_param": pool_param}


@pytest.mark.parametrize("seed", range(30))
def test_a_fast_pooling_equals_its_twin_on_random_shapes_and_ties(seed):
    assert_twins_agree("max_pool", random_pooling(seed))


@pytest.mark.parametrize("seed", range(20))
def test_a_fast_conv_relu_pool_equals_its_twin_on_random_shapes(seed):
    rng = np.random.default_rng(seed)
    given = random_convolution(seed)
    (H, W), (HH, WW) = given["x"].shape[2:], given["w"].shape[2:]
    stride, pad = given["conv_param"]["stride"], given["conv_param"]["pad"]
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride
    given["pool_param"] = {
        "pool_height": int(rng.integers(1, min(4, H_out) + 1)),
        "pool_width": int(rng.integers(1, min(4, W_out) + 1)),
        "stride": int(rng.integers(1, 4)),
    }
    assert_twins_agree("conv_relu_pool", given)


# ---- NaN and infinity ----------------------------------------------------------------

WHERE_NAN = {
    "conv": SMALL["conv"],
    "conv stride with gaps": EDGES["conv stride with gaps"],
    "conv 3x3 16 channels": ("conv", {"x": (3, 16, 13, 11), "w": (17, 16, 3, 3)}),
    "conv 5x5 16 channels": (
        "conv",
        {"x": (3, 17, 13, 11), "w": (16, 17, 5, 5), "pad": 2},
    ),
    "conv large": ("conv", {"x": (3, 3, 40, 40), "w": (9, 3, 7, 7), "pad": 3}),
    "affine": ("affine", {"x": (17, 33), "w": (33, 19)}),
    "batchnorm train": SMALL["batchnorm train"],
    "batchnorm test": SMALL["batchnorm test"],
    "layernorm": SMALL["layernorm"],
    "spatial_batchnorm train": SMALL["spatial_batchnorm train"],
    "spatial_groupnorm": SMALL["spatial_groupnorm"],
    "dropout": ("dropout", {"x": (7, 37)}),
    "relu": ("relu", {"x": (7, 37)}),
    "max_pool": ("max_pool", {"x": (2, 3, 8, 40)}),
    "max_pool overlapping": SMALL["max_pool overlapping"],
    "affine_relu": SMALL["affine_relu"],
    "affine_bn_relu": SMALL["affine_bn_relu"],
    "conv_relu": SMALL["conv_relu"],
    "conv_relu 16 channels": (
        "conv_relu",
        {"x": (3, 16, 13, 11), "w": (17, 16, 3, 3)},
    ),
    "conv_bn_relu": SMALL["conv_bn_relu"],
    "conv_relu_pool": ("conv_relu_pool", {"x": (2, 3, 12, 14), "w": (5, 3, 3, 3)}),
    "conv_relu_pool overlapping": EDGES["conv_relu_pool overlapping"],
    "conv_relu_pool 16 channels": (
        "conv_relu_pool",
        {"x": (3, 16, 14, 12), "w": (17, 16, 3, 3)},
    ),
}


# Infinity becomes NaN in a normalization at a place that depends on the order of its
# operations, so only NaN is put there.
PLACES = [
    (case, where, value)
    for case, (name, sizes) in WHERE_NAN.items()
    for given in [arguments(name, **sizes)]
    for where in (*given, "dout")
    if where in (*DIFFERENTIABLE, "dout")
    for value in ((np.nan,) if "gamma" in given else (np.nan, -np.inf))
]


@every_instruction_set
@pytest.mark.parametrize(("case", "where", "value"), PLACES)
def test_a_nan_or_infinity_spreads_as_far_as_in_the_twin_and_no_further(
    case, where, value, instruction_set
):
    name, sizes = WHERE_NAN[case]
    given = arguments(name, **sizes)
    with np.errstate(all="ignore"):
        out, _, _ = run_readable(name, copy.deepcopy(given))
    dout = normal(98, *out.shape)
    target = dout if where == "dout" else given[where]
    target[tuple(size // 2 for size in target.shape)] = value
    assert_twins_agree(name, given, dout=dout)


@every_instruction_set
@float_types
def test_max_pool_gives_nan_for_a_window_with_nan_and_its_first_takes_the_gradient(
    dtype, instruction_set
):
    x = normal(0, 2, 2, 8, 36, dtype=dtype)
    x[np.random.default_rng(1).random(x.shape) < 0.3] = np.nan
    x[np.random.default_rng(2).random(x.shape) < 0.1] = np.inf
    x[np.random.default_rng(3).random(x.shape) < 0.3] = -np.inf
    for size, stride in ((2, 2), (3, 1), (3, 2), (4, 4)):
        pool_param = {"pool_height": size, "pool_width": size, "stride": stride}
        assert_twins_agree("max_pool", {"x": x, "pool_param": pool_param})


@every_instruction_set
@float_types
def test_relu_passes_nan_and_gives_it_the_gradient_0(dtype, instruction_set):
    x = np.tile(np.array([np.nan, -1, 1, np.inf, -np.inf, 0], dtype), 11)
    out, gradients, _ = assert_twins_agree("relu", {"x": x}, dout=np.full_like(x, 5))
    np.testing.assert_array_equal(out[:6], [np.nan, 0, 1, np.inf, 0, 0])
    np.testing.assert_array_equal(gradients["x"][:6], [0, 0, 5, 5, 0, 0])


@every_instruction_set
def test_affine_relu_gives_a_nan_the_gradient_0(instruction_set):
    given = {"x": np.array([[np.nan], [1.0]]), "w": np.ones((1, 20)), "b": np.zeros(20)}
    out, gradients = run_fast("affine_relu", given, np.ones((2, 20)))
    assert np.isnan(out[0]).all()
    np.testing.assert_array_equal(gradients["b"], np.ones(20))


# ---- ties ----------------------------------------------------------------------------


@every_instruction_set
@float_types
@pytest.mark.parametrize(
    ("window", "stride"), [((2, 2), 2), ((2, 2), 1), ((3, 3), 2), ((2, 5), 3)], ids=str
)
def test_of_equal_maxima_the_first_takes_the_gradient(
    window, stride, dtype, instruction_set
):
    x = np.random.default_rng(0).integers(0, 3, size=(3, 4, 11, 37)).astype(dtype)
    pool_param = {"pool_height": window[0], "pool_width": window[1], "stride": stride}
    assert_twins_agree("max_pool", {"x": x, "pool_param": pool_param})


@every_instruction_set
@pytest.mark.parametrize("sizes", [{}, {"window": (3, 3)}, {"pool_stride": 1}], ids=str)
def test_of_equal_maxima_in_conv_relu_pool_the_first_takes_the_gradient(
    sizes, instruction_set
):
    """With small integers every sum is exact, so that ties are ties in both twins."""
    given = arguments(
        "conv_relu_pool", x=(3, 2, 12, 14), w=(5, 2, 1, 1), pad=0, **sizes
    )
    given = convert(given, np.rint)
    out, _, _ = run_readable("conv_relu_pool", copy.deepcopy(given))
    assert (out == 0).any()
    dout = np.rint(3 * normal(1, *out.shape))
    expected, gradients, _ = run_readable("conv_relu_pool", copy.deepcopy(given), dout)
    found, fast_gradients = run_fast("conv_relu_pool", given, dout)
    np.testing.assert_array_equal(found, expected)
    for key, gradient in gradients.items():
        np.testing.assert_array_equal(fast_gradients[key], gradient, err_msg=key)


@every_instruction_set
@pytest.mark.parametrize("name", ["affine_relu", "conv_relu"])
def test_the_gradient_of_a_sandwich_at_exactly_0_is_0(name, instruction_set):
    sizes = {"x": (5, 6), "w": (6, 40)}
    if name == "conv_relu":
        sizes = {"x": (2, 3, 6, 6), "w": (4, 3, 3, 3)}
    given = arguments(name, **sizes)
    given["b"][:] = 0
    given["w"][:] = 0
    out, gradients = run_fast(name, given)
    for array in (out, *gradients.values()):
        np.testing.assert_array_equal(array, 0)


# ---- normalization -------------------------------------------------------------------

NORMALIZED = {
    "batchnorm": {"x": (1000, 5)},
    "spatial_batchnorm": {"x": (20, 5, 8, 7)},
    "affine_bn_relu": {"x": (1000, 5), "w": (5, 5)},
    "conv_bn_relu": {"x": (20, 5, 8, 7), "w": (5, 5, 1, 1), "pad": 0},
}
every_batchnorm = pytest.mark.parametrize("name", NORMALIZED)


@every_batchnorm
@float_types
@pytest.mark.parametrize("momentum", [0, 1, 0.9, np.float64(0.25)])
def test_running_averages_are_those_of_the_twin_after_several_steps(
    name, momentum, dtype
):
    settings = [{"mode": "train", "momentum": momentum} for _ in range(2)]
    for seed in range(3):
        given = arguments(name, dtype, **NORMALIZED[name], seed=seed)
        run_readable(name, given | {"bn_param": settings[0]})
        run_fast(name, given | {"bn_param": settings[1]})
    assert list(settings[0]) == list(settings[1])
    for key in ("running_mean", "running_var"):
        assert_close(key, settings[1][key], settings[0][key])


@every_batchnorm
@float_types
def test_running_averages_are_replaced_and_not_written_into(name, dtype):
    given = arguments(name, dtype, **NORMALIZED[name])
    averages = {key: given["bn_param"][key] for key in ("running_mean", "running_var")}
    before = copy.deepcopy(averages)
    run_fast(name, given)
    assert_same_bits(averages, before)
    for key, average in averages.items():
        assert not np.array_equal(given["bn_param"][key], average)


@every_batchnorm
def test_the_twins_may_take_turns_on_one_dict_of_settings(name):
    settings = {"mode": "train"}
    expected = {"mode": "train"}
    for seed in range(4):
        given = arguments(name, np.float32, **NORMALIZED[name], seed=seed)
        run_readable(name, given | {"bn_param": expected})
        if seed % 2:
            run_fast(name, given | {"bn_param": settings})
        else:
            run_readable(name, given | {"bn_param": settings})
    for key in ("running_mean", "running_var"):
        assert_close(key, settings[key], expected[key])
    settings["mode"] = expected["mode"] = "test"
    out, _, _ = run_readable(name, given | {"bn_param": expected})
    assert_close("out", run_fast(name, given | {"bn_param": settings})[0], out)


@pytest.mark.parametrize("name", ["batchnorm", "spatial_batchnorm"])
@pytest.mark.parametrize("key", ["running_mean", "running_var"])
@pytest.mark.parametrize("dtype", [">f8", np.float32, np.int64], ids=str)
@pytest.mark.parametrize("mode", ["train", "test"])
def test_running_averages_may_come_in_another_type(name, key, dtype, mode):
    given = arguments(name, **NORMALIZED[name], mode=mode)
    average = np.array([2, 1, 3, 1, 2]).astype(dtype)
    given["bn_param"][key] = average
    other = copy.deepcopy(given)
    expected, _, dout = run_readable(name, given)
    out, _ = run_fast(name, other, dout)
    assert_close("out", out, expected)
    if mode == "train":
        assert_close(key, other["bn_param"][key], given["bn_param"][key])


@every_instruction_set
@pytest.mark.parametrize("name", ["batchnorm", "spatial_batchnorm"])
@pytest.mark.parametrize("mean", [0, 1e4])
def test_float32_statistics_are_as_accurate_as_those_of_the_twin(
    name, mean, instruction_set
):
    """Also where the mean is ten thousand deviations: a sum of squares would lose all
    digits."""
    x = (normal(0, *NORMALIZED[name]["x"]) + mean).astype(np.float32)
    rows = np.moveaxis(x, 1, -1).reshape(-1, 5).astype(np.float64)
    exact = {"running_mean": rows.mean(axis=0), "running_var": rows.var(axis=0)}
    errors = []
    for forward in (readable_layer(name)[0], fast_layer(name)[0]):
        settings = {"mode": "train", "momentum": 0}
        out, _ = forward(x, np.ones(5, np.float32), np.zeros(5, np.float32), settings)
        std = np.sqrt(exact["running_var"] + 1e-5)
        normalized = (rows - exact["running_mean"]) / std
        found = np.moveaxis(out, 1, -1).reshape(-1, 5)
        errors.append(
            [np.abs(settings[key] / exact[key] - 1).max() for key in exact]
            + [np.abs(found - normalized).max()]
        )
    readable, fast = np.array(errors)
    assert (fast <= 4 * readable + 1e-6).all(), (readable, fast)


@every_instruction_set
@pytest.mark.parametrize("name", ["layernorm", "spatial_groupnorm"])
def test_a_float32_example_with_a_large_mean_is_normalized_as_accurately_as_by_the_twin(
    name, instruction_set
):
    shape, G = ((20, 500), 1) if name == "layernorm" else ((20, 6, 8, 7), 2)
    given = arguments(name, np.float32, x=shape, G=G)
    given["x"] = (normal(0, *shape) + 1e4).astype(np.float32)
    double = convert(given, lambda a: a.astype(np.float64))
    exact, _, dout = run_readable(name, double)
    dout = dout.astype(np.float32)
    expected, _, _ = run_readable(name, given, dout)
    out, _ = run_fast(name, given, dout)
    largest = np.abs(expected - exact).max()
    assert np.abs(out - exact).max() <= 4 * largest + 1e-5


@every_instruction_set
@float_types
@pytest.mark.parametrize(
    "shape", [(1, 5), (1, 40), (1, 5, 1, 1), (1, 40, 1, 1)], ids=str
)
def test_a_batch_of_one_number_a_feature_is_beta_with_gradient_0(
    shape, dtype, instruction_set
):
    name = "batchnorm" if len(shape) == 2 else "spatial_batchnorm"
    given = arguments(name, dtype, x=shape)
    beta = given["beta"].reshape(shape)
    out, gradients = run_fast(name, given)
    np.testing.assert_allclose(out, beta, rtol=1e-6)
    np.testing.assert_allclose(gradients["x"], 0, atol=1e-4)
    np.testing.assert_allclose(gradients["gamma"], 0, atol=1e-4)


@every_instruction_set
@float_types
def test_a_constant_feature_is_beta(dtype, instruction_set):
    for name, shape in (("batchnorm", (9, 40)), ("spatial_batchnorm", (3, 40, 3, 2))):
        given = arguments(name, dtype, x=shape)
        given["x"][:] = 5
        out, _ = run_fast(name, given)
        beta = given["beta"].reshape(1, 40, *[1] * (len(shape) - 2))
        np.testing.assert_allclose(out, np.broadcast_to(beta, shape), atol=1e-4)


@float_types
@pytest.mark.parametrize("G", [1, 2, 3, 6])
@pytest.mark.parametrize(
    "shapes", [[(6,), (1, 6, 1, 1)], [(1, 6, 1, 1), (6,)]], ids=str
)
def test_group_norm_gradients_come_back_in_the_shapes_given(shapes, G, dtype):
    given = arguments("spatial_groupnorm", dtype, x=(3, 6, 4, 5), G=G)
    for key, shape in zip(("gamma", "beta"), shapes, strict=True):
        given[key] = given[key].reshape(shape)
    _, gradients, _ = assert_twins_agree("spatial_groupnorm", given)
    assert [gradients[key].shape for key in ("gamma", "beta")] == shapes


def test_normalization_settings_may_be_left_out():
    for name, key in (
        ("batchnorm", "bn_param"),
        ("layernorm", "ln_param"),
        ("spatial_batchnorm", "bn_param"),
        ("spatial_groupnorm", "gn_param"),
    ):
        shape = (7, 5) if name in ("batchnorm", "layernorm") else (3, 5, 4, 4)
        given = arguments(name, x=shape)
        given[key] = {"mode": "train"} if key == "bn_param" else {}
        assert_twins_agree(name, given)


# ---- dropout -------------------------------------------------------------------------


@every_instruction_set
@float_types
@pytest.mark.parametrize("p", [0.1, 0.5, 0.75, 1 / 3, 1, np.float32(0.3)], ids=str)
@pytest.mark.parametrize(
    "source",
    [{"seed": 7}, {"rng": np.random.default_rng(5)}, {"rng": np.random.RandomState(5)}],
    ids=["seed", "generator", "legacy generator"],
)
def test_dropout_draws_the_mask_of_its_twin(p, source, dtype, instruction_set):
    x = normal(0, 43, 41, dtype=dtype)
    given = {"x": x, "dropout_param": {"mode": "train", "p": p} | source}
    out, _, _ = assert_twins_agree("dropout", given)
    assert ((out == 0).sum() > 0) == (p < 1)


def test_dropout_leaves_the_generator_where_its_twin_leaves_it():
    states = []
    for forward in (layers.dropout_forward, fast_layers.dropout_forward_fast):
        rng = np.random.default_rng(5)
        forward(np.ones((13, 7)), {"mode": "train", "p": 0.5, "rng": rng})
        states.append(rng.random())
    assert states[0] == states[1]


@pytest.mark.parametrize("settings", [{}, {"rng": None}, {"seed": None}], ids=str)
def test_dropout_without_a_generator_follows_numpys_global_state(settings):
    outs = []
    for forward in (layers.dropout_forward, fast_layers.dropout_forward_fast):
        np.random.seed(7)
        out, _ = forward(np.ones((20, 30)), {"mode": "train", "p": 0.5, **settings})
        outs.append(out)
    np.testing.assert_array_equal(*outs)


@float_types
def test_dropout_in_test_mode_is_the_identity(dtype):
    x = normal(0, 20, 30, dtype=dtype)
    out, gradients = run_fast(
        "dropout", {"x": x, "dropout_param": {"mode": "test", "p": 0.3}}, x
    )
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(gradients["x"], x)


# ---- softmax -------------------------------------------------------------------------


def assert_losses_agree(x, y, fast_x=None, fast_y=None):
    expected, gradient = layers.softmax_loss(x, y)
    fast_x, fast_y = (
        (x if fast_x is None else fast_x),
        (y if fast_y is None else fast_y),
    )
    before = copy.deepcopy([fast_x, fast_y])
    loss, dx = fast_layers.softmax_loss_fast(fast_x, fast_y)
    assert type(loss) is float
    tolerance = 1e-5 if dx.dtype == np.float32 else 1e-12
    assert loss == pytest.approx(expected, rel=tolerance, abs=tolerance)
    assert_close("dx", dx, gradient)
    assert_same_bits([fast_x, fast_y], before)
    return loss, dx


def labels_for(N, C):
    return np.random.default_rng(1).integers(C, size=N)


@every_instruction_set
@float_types
@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 2), (5, 3), (50, 10), (33, 67), (1003, 10), (3, 1000)],
    ids=str,
)
def test_softmax_loss_equals_its_twin_over_shapes(shape, dtype, instruction_set):
    x, y = 3 * normal(0, *shape, dtype=dtype), labels_for(*shape)
    results = []
    for threads in (1, 2, 3):
        nndl.set_num_threads(threads)
        results.append(assert_losses_agree(x, y))
    assert_same_bits(results[1:], results[:1] * 2)


@float_types
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_softmax_loss_equals_its_twin_in_every_layout(layout, dtype):
    x, y = normal(0, 17, 10, dtype=dtype), labels_for(17, 10)
    fast_y = y if layout is inside_larger else layout(y)
    assert_losses_agree(x, y, layout(x), fast_y)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.uint64, ">i2", list], ids=str)
def test_softmax_loss_takes_labels_of_any_integer_type(kind):
    x, y = normal(0, 17, 10), labels_for(17, 10)
    assert_losses_agree(x, y, x, y.tolist() if kind is list else y.astype(kind))


@every_instruction_set
@float_types
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_softmax_loss_of_large_scores_is_finite_and_that_of_the_twin(
    size, dtype, instruction_set
):
    x = np.array([[size, -size, 0], [-size, size, size], [size, size, size]], dtype)
    for y in ([0, 1, 2], [1, 0, 0]):
        assert_losses_agree(x, np.array(y))


@every_instruction_set
@float_types
def test_softmax_loss_of_confident_scores_is_accurate(dtype, instruction_set):
    """Where the loss is tiny, and where a probability is below the smallest float."""
    for gap in (5, 20, 60, 90, 104, 120, 700, 745, 800):
        x = np.zeros((4, 10), dtype)
        x[:, 3] = gap
        loss, _ = assert_losses_agree(x, np.array([3, 3, 3, 1]))
        assert loss == pytest.approx(gap / 4 + np.log1p(9 * np.exp(-gap)), rel=1e-6)


@every_instruction_set
def test_a_nan_in_one_example_makes_the_loss_nan_and_spares_the_other_gradients(
    instruction_set,
):
    x = normal(0, 9, 10)
    x[4, 2] = np.nan
    loss, dx = fast_layers.softmax_loss_fast(x, labels_for(9, 10))
    assert np.isnan(loss)
    np.testing.assert_array_equal(np.isnan(dx).any(axis=1), np.arange(9) == 4)


# ---- what a backward pass needs and leaves -------------------------------------------


@pytest.mark.parametrize("name", ["affine", "conv", *SANDWICHES])
@float_types
def test_without_dx_the_other_gradients_are_the_same(name, dtype):
    for case, (layer, sizes) in ALL_CASES.items():
        if layer != name or case in LARGE:
            continue
        forward, backward = fast_layer(name)
        out, cache = forward(**arguments(name, dtype, **sizes))
        dout = normal(1, *out.shape, dtype=dtype)
        expected = backward(dout, cache)
        nothing, *gradients = backward(dout, cache, need_dx=False)
        assert nothing is None
        assert_same_bits(gradients, list(expected[1:]))
        assert_same_bits(backward(dout, cache, need_dx=True), expected)


@every_small_case
def test_a_cache_may_be_used_again(case):
    name, sizes = SMALL[case]
    forward, backward = fast_layer(name)
    out, cache = forward(**arguments(name, np.float32, **sizes))
    first, other = normal(1, 2, *out.shape, dtype=np.float32)
    expected = copy.deepcopy(backward(first, cache))
    backward(other, cache)
    assert_same_bits(backward(first, cache), expected)


@every_layer
def test_caches_of_several_calls_do_not_disturb_each_other(name):
    """As when one layer is used at several places of a network."""
    cases = [sizes for layer, sizes in SMALL.values() if layer == name]
    many = [arguments(name, seed=s, **sizes) for sizes in cases for s in range(4)]
    forward, backward = fast_layer(name)
    passes = [forward(**given) for given in copy.deepcopy(many)]
    found = []
    for out, cache in reversed(passes):
        dout = normal(99, *out.shape)
        found.append((out, as_tuple(backward(dout, cache))))
    for given, (out, gradients) in zip(many, reversed(found), strict=True):
        expected, expected_gradients = run_fast(name, given)
        assert_same_bits(out, expected)
        assert_same_bits(list(gradients), list(expected_gradients.values()))


@pytest.mark.parametrize("case", sorted(set(SMALL) - {"dropout test"}))
def test_changing_the_output_does_not_change_the_gradients(case):
    """The readable layers keep nothing that they hand out, but for dropout in test
    mode."""
    name, sizes = SMALL[case]
    expected = run_fast(name, arguments(name, **sizes))[1]
    forward, backward = fast_layer(name)
    out, cache = forward(**arguments(name, **sizes))
    dout = normal(99, *out.shape)
    out[...] = 0
    assert_same_bits(list(as_tuple(backward(dout, cache))), list(expected.values()))


def test_every_layer_has_a_small_case():
    assert {name for name, _ in SMALL.values()} == set(LAYERS)
    assert _kernels.isa() == _kernels.available()[0]
