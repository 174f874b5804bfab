"""The compiled layers equal their readable twins.

Over types, layouts, shapes, instruction sets and numbers of threads. `fast_cases` holds
the cases and says what equal means: to the last bit for ReLU, max pooling and dropout,
to 1e-10 of the largest value in float64 and 1e-4 in float32 for what sums in another
order.
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
    LAYOUTS,
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

pytestmark = pytest.mark.usefixtures("one_thread")


# ---- names ---------------------------------------------------------------------------


def test_every_readable_layer_but_three_has_a_compiled_twin():
    """The SVM loss has none, nor has global average pooling, which is quick as it is; and
    the two backward functions of batch normalization share one."""
    readable = {*layers.__all__, *conv_layers.__all__}
    expected = {name.removesuffix("_naive") + "_fast" for name in readable}
    expected -= {"svm_loss_fast", "batchnorm_backward_alt_fast"}
    expected -= {f"global_avg_pool_{way}_fast" for way in ("forward", "backward")}
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


@pytest.mark.parametrize("stride", [2, 3, 100])
@pytest.mark.parametrize("size", [2, 3])
def test_a_fast_pooling_may_step_over_the_edge_of_its_images(size, stride):
    window = {"pool_height": 2, "pool_width": 2, "stride": stride}
    x = normal(0, 2, 3, size, size)
    assert_twins_agree("max_pool", {"x": x, "pool_param": window})


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
