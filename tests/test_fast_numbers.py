"""What the compiled layers make of difficult numbers: NaN, infinity, ties, large means,
settings at their limits; and what they draw at random. As everywhere, what their twins
make of them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from fast_cases import (
    DIFFERENTIABLE,
    LAYOUTS,
    SMALL,
    arguments,
    assert_close,
    assert_same_bits,
    assert_twins_agree,
    convert,
    every_instruction_set,
    fast_layer,
    float_types,
    inside_larger,
    normal,
    readable_layer,
    run_fast,
    run_readable,
)

import nndl
from nndl import fast_layers, layers

pytestmark = pytest.mark.usefixtures("one_thread")


# ---- NaN and infinity ----------------------------------------------------------------

WHERE_NAN = {
    "conv": SMALL["conv"],
    "conv stride with gaps": (
        "conv",
        {"x": (2, 3, 11, 9), "w": (4, 3, 2, 2), "stride": 3},
    ),
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
    "conv_relu_pool overlapping": (
        "conv_relu_pool",
        {"x": (2, 3, 7, 9), "w": (5, 3, 3, 3), "window": (3, 3), "pool_stride": 2},
    ),
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


@float_types
@pytest.mark.parametrize("epsilon", [0, 0.1, 1])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (1003, 10), (3, 1000)], ids=str)
def test_smoothed_softmax_loss_equals_its_twin(shape, epsilon, dtype):
    x, y = 3 * normal(0, *shape, dtype=dtype), labels_for(*shape)
    expected, gradient = layers.smoothed_softmax_loss(x, y, epsilon)
    before = copy.deepcopy([x, y])
    loss, dx = fast_layers.smoothed_softmax_loss_fast(x, y, epsilon)
    assert type(loss) is float
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert loss == pytest.approx(expected, rel=tolerance, abs=tolerance)
    assert_close("dx", dx, gradient)
    assert_same_bits([x, y], before)


@every_instruction_set
def test_a_nan_in_one_example_makes_the_loss_nan_and_spares_the_other_gradients(
    instruction_set,
):
    x = normal(0, 9, 10)
    x[4, 2] = np.nan
    loss, dx = fast_layers.softmax_loss_fast(x, labels_for(9, 10))
    assert np.isnan(loss)
    np.testing.assert_array_equal(np.isnan(dx).any(axis=1), np.arange(9) == 4)
