"""What becomes of numbers that are very large, all alike, NaN or infinite, in the
readable layers and in their compiled twins: what the docstrings of the modules promise.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from fast_cases import (
    LAYERS,
    SANDWICHES,
    SMALL,
    arguments,
    convert,
    fast_layer,
    normal,
    readable_layer,
    run_fast,
    run_readable,
)

from nndl import conv_layers, fast_layers, layers, optim, solver
from nndl.cnn import ConvNet, ThreeLayerConvNet
from nndl.fc_net import FullyConnectedNet, TwoLayerNet
from nndl.gradient_check import rel_error
from nndl.solver import Solver

pytestmark = pytest.mark.usefixtures("one_thread")

both_twins = pytest.mark.parametrize("twin", ["readable", "fast"])
both_runs = pytest.mark.parametrize(
    "run", [run_readable, run_fast], ids=["readable", "fast"]
)


@pytest.fixture(autouse=True)
def no_warnings():
    """NumPy warns of NaN, of infinity and of overflow; here they are meant."""
    with np.errstate(all="ignore"):
        yield


def forward_of(name: str, twin: str) -> Any:
    return (fast_layer if twin == "fast" else readable_layer)(name)[0]


def small_cases(*names: str) -> list[Any]:
    return [
        pytest.param(*SMALL[case], id=case) for case in SMALL if SMALL[case][0] in names
    ]


def scaled(given: dict[str, Any], size: float) -> dict[str, Any]:
    """Return arguments with an `x` whose largest number is `size`, and with weights whose
    sums are at most 1."""
    given = copy.deepcopy(given)
    given["x"] = (given["x"] / np.abs(given["x"]).max() * size).astype(given["x"].dtype)
    if "w" in given:
        given["w"] /= np.abs(given["w"]).sum()
    return given


# ---- large numbers: losses -----------------------------------------------------------

LOSSES = [layers.svm_loss, layers.softmax_loss, fast_layers.softmax_loss_fast]
every_loss = pytest.mark.parametrize("loss_function", LOSSES)
SMOOTHED = [layers.smoothed_softmax_loss, fast_layers.smoothed_softmax_loss_fast]


def exact_loss(loss_function: Any, x: np.ndarray, y: np.ndarray) -> float:
    """Compute a loss in double precision, by another formula."""
    from scipy.special import logsumexp

    x = x.astype(np.float64)
    right = x[np.arange(len(y)), y]
    if loss_function is layers.svm_loss:
        margins = [
            max(0, s - r + 1) for row, r in zip(x, right, strict=True) for s in row
        ]
        return (sum(margins) - len(y)) / len(y)
    return float(np.mean(logsumexp(x, axis=1) - right))


@every_loss
@pytest.mark.parametrize("size", [1e4, 1e18, 1e30, 1e34])
@pytest.mark.parametrize("N", [1, 2, 1000])
def test_the_loss_of_large_float32_scores_is_finite_and_right(loss_function, size, N):
    rng = np.random.default_rng(N)
    x = (size * rng.uniform(-1, 1, (N, 10))).astype(np.float32)
    y = rng.integers(10, size=N)
    loss, dx = loss_function(x, y)
    assert loss == pytest.approx(exact_loss(loss_function, x, y), rel=1e-5)
    assert dx.dtype == np.float32
    assert np.isfinite(dx).all()
    assert np.abs(dx).max() <= 9.0001 / N


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loss_is_finite_up_to_the_largest_difference_that_there_is(
    loss_function, dtype
):
    most = float(np.finfo(dtype).max)
    for scores in ([most, 0], [0, -most], [most / 2, -most / 2]):
        loss, dx = loss_function(np.array([scores], dtype), [1])
        assert 0.999 * most <= loss < math.inf
        np.testing.assert_array_equal(dx, [[1, -1]])
        loss, dx = loss_function(np.array([scores], dtype), [0])
        assert loss == 0
        assert not dx.any()


@every_loss
def test_scores_that_are_all_alike_have_the_loss_of_guessing(loss_function):
    guessing = 2.0 if loss_function is layers.svm_loss else math.log(3)
    for score in (0, 1 / 3, -1e4, 1e30, 3.4e38):
        loss, _ = loss_function(np.full((5, 3), score, np.float32), [0, 1, 2, 0, 1])
        assert loss == pytest.approx(guessing, rel=1e-6)


@pytest.mark.parametrize("loss_function", SMOOTHED)
@pytest.mark.parametrize("size", [1e4, 1e18, 1e30, 1e34])
@pytest.mark.parametrize("N", [1, 2, 1000])
def test_the_smoothed_loss_of_large_float32_scores_is_finite_and_right(
    loss_function, size, N
):
    from scipy.special import log_softmax

    rng = np.random.default_rng(N)
    x = (size * rng.uniform(-1, 1, (N, 10))).astype(np.float32)
    y = rng.integers(10, size=N)
    q = 0.9 * np.eye(10)[y] + 0.01
    expected = -np.mean(np.sum(q * log_softmax(x.astype(np.float64), axis=1), axis=1))
    loss, dx = loss_function(x, y)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert dx.dtype == np.float32
    assert np.abs(dx).max() <= 1 / N


@pytest.mark.parametrize("loss_function", SMOOTHED)
def test_the_smoothed_loss_does_not_change_where_all_scores_are_far_from_0(
    loss_function,
):
    x = np.float32([[1, 2, 3], [3, 1, 0]])
    near, far = (loss_function(x + offset, [0, 2])[0] for offset in (0, 2**20))
    assert near == far


# ---- large numbers: layers -----------------------------------------------------------


@both_runs
@pytest.mark.parametrize("size", [1e4, 1e18, 1e30])
@pytest.mark.parametrize(("name", "sizes"), small_cases(*LAYERS))
def test_every_layer_of_large_float32_numbers_is_finite_forward_and_backward(
    name, sizes, size, run
):
    given = scaled(arguments(name, np.float32, **sizes), size)
    out, gradients, *_ = run(name, copy.deepcopy(given))
    assert np.isfinite(out).all()
    for key, gradient in gradients.items():
        assert np.isfinite(gradient).all(), key


NORMALIZATIONS = ("batchnorm", "layernorm", "spatial_batchnorm", "spatial_groupnorm")
TRAINED = [p for p in small_cases(*NORMALIZATIONS) if "test" not in str(p.id)]


@both_runs
@pytest.mark.parametrize("size", [1e4, 1e18])
@pytest.mark.parametrize(("name", "sizes"), TRAINED)
def test_a_normalization_is_right_as_long_as_squares_fit(name, sizes, size, run):
    given = scaled(arguments(name, np.float32, **sizes), size)
    exact = convert(given, lambda a: a.astype(np.float64))
    expected, gradients, dout = run_readable(name, exact)
    out, found, *_ = run(name, given, dout.astype(np.float32))
    np.testing.assert_allclose(out, expected, atol=1e-4)
    for key, gradient in gradients.items():
        largest = np.abs(gradient).max()
        np.testing.assert_allclose(found[key], gradient, atol=1e-3 * largest, rtol=0)


@both_runs
@pytest.mark.parametrize("size", [1e22, 1e30])
@pytest.mark.parametrize(("name", "sizes"), TRAINED)
def test_beyond_it_a_normalized_number_is_0(name, sizes, size, run):
    """So that out is beta; nothing is NaN."""
    given = scaled(arguments(name, np.float32, **sizes), size)
    out, gradients, *_ = run(name, given)
    assert np.abs(given["x"]).min() > 0
    beta = given["beta"].reshape(1, -1, *[1] * (out.ndim - 2))
    np.testing.assert_array_equal(out, np.broadcast_to(beta, out.shape))
    assert not gradients["x"].any()


@both_runs
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0, 1 / 3, -5, 100, 1e4])
@pytest.mark.parametrize(("name", "sizes"), TRAINED)
def test_a_constant_is_normalized_to_beta(name, sizes, value, dtype, run):
    given = arguments(name, dtype, **sizes)
    given["x"][:] = value
    out, gradients, *_ = run(name, given)
    beta = given["beta"].reshape(1, -1, *[1] * (out.ndim - 2))
    np.testing.assert_allclose(out, np.broadcast_to(beta, out.shape), atol=1e-3)
    for gradient in gradients.values():
        assert np.isfinite(gradient).all()


ALONE = {
    "batchnorm": [(1, 7), (1, 1), (5, 1)],
    "layernorm": [(5, 1), (1, 1), (1, 7)],
    "spatial_batchnorm": [(1, 3, 1, 1), (1, 1, 1, 1), (1, 3, 2, 2)],
    "spatial_groupnorm": [(1, 3, 1, 1), (1, 1, 1, 1), (4, 3, 1, 1)],
}


@both_runs
@pytest.mark.parametrize(
    ("name", "shape"), [(name, shape) for name in ALONE for shape in ALONE[name]]
)
def test_one_example_or_one_feature_is_enough(name, shape, run):
    given = arguments(name, np.float32, x=shape, G=shape[1])
    out, gradients, *_ = run(name, copy.deepcopy(given))
    assert np.isfinite(out).all()
    for key, gradient in gradients.items():
        assert gradient.shape == given[key].shape
        assert np.isfinite(gradient).all()
    axes = {"layernorm": (1,), "spatial_groupnorm": (2, 3)}.get(
        name, (0, 2, 3)[: len(shape) - 1]
    )
    if math.prod(shape[axis] for axis in axes) == 1:  # alone with its mean
        beta = given["beta"].reshape(1, -1, *[1] * (len(shape) - 2))
        np.testing.assert_allclose(out, np.broadcast_to(beta, shape), rtol=1e-5)


@both_runs
@pytest.mark.parametrize(
    "eps", [0, -1e-5, 0.0, -0.0, math.nan, math.inf, 1e-46, 1e-300]
)
@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_an_eps_that_is_0_or_negative_is_refused(name, eps, run):
    """Also one that is 0 as soon as a float32 array meets it."""
    sizes = next(sizes for layer, sizes in SMALL.values() if layer == name)
    given = arguments(name, np.float32, **sizes)
    (param,) = {"bn_param", "ln_param", "gn_param"} & given.keys()
    given[param]["eps"] = eps
    with pytest.raises(ValueError, match=rf"`{param}\['eps'\]` must be"):
        run(name, given)


@both_twins
@pytest.mark.parametrize("eps", [2e-45, 1e-38])
def test_the_smallest_eps_keeps_a_constant_from_being_divided_by_0(eps, twin):
    out, _ = forward_of("layernorm", twin)(
        np.full((2, 3), 5, np.float32), np.ones(3), np.zeros(3), {"eps": eps}
    )
    np.testing.assert_array_equal(out, 0)


@pytest.mark.parametrize("name", ["conv", "conv_relu", "conv_relu_pool"])
@pytest.mark.parametrize("kernel", [(3, 3), (5, 5)], ids=str)
def test_a_compiled_convolution_is_finite_where_its_twin_is(name, kernel):
    """Whichever algorithm the size of the layer would choose."""
    given = arguments(name, np.float32, x=(2, 16, 12, 10), w=(16, 16, *kernel))
    given = scaled(given, 3e38)
    given["b"][:] = 0
    double = convert(given, lambda a: a.astype(np.float64))
    expected, gradients = run_fast(name, double)
    dout = 1e-3 * normal(99, *expected.shape)
    expected, gradients = run_fast(name, double, dout)
    out, found = run_fast(name, given, dout.astype(np.float32))
    assert np.isfinite(expected.astype(np.float32)).all()
    np.testing.assert_allclose(
        out, expected, rtol=0, atol=1e-5 * np.abs(expected).max()
    )
    largest = np.abs(gradients["x"]).max()
    np.testing.assert_allclose(found["x"], gradients["x"], rtol=0, atol=1e-5 * largest)


# ---- large numbers: networks and update rules ----------------------------------------

NETWORKS = {
    "two layers": lambda **o: TwoLayerNet(48, 5, 3, rng=0, **o),
    "fully connected": lambda **o: FullyConnectedNet([6, 5], 48, 3, rng=0, **o),
    "batchnorm": lambda **o: FullyConnectedNet(
        [6, 5], 48, 3, normalization="batchnorm", rng=0, **o
    ),
    "layernorm": lambda **o: FullyConnectedNet(
        [6, 5], 48, 3, normalization="layernorm", dropout_keep_ratio=0.8, rng=0, **o
    ),
    "three layers": lambda **o: ThreeLayerConvNet((3, 4, 4), 4, 3, 5, 3, rng=0, **o),
    "three layers, batchnorm": lambda **o: ThreeLayerConvNet(
        (3, 4, 4), 4, 3, 5, 3, use_batchnorm=True, rng=0, **o
    ),
    "any": lambda **o: ConvNet(
        "conv 4 - gn 2 - relu - pool - affine 5 - ln - relu - dropout 0.8", (3, 4, 4), 3, rng=0, **o
    ),
    "any, svm": lambda **o: ConvNet(
        "conv 4 - bn - relu - affine 5 - relu", (3, 4, 4), 3, loss="svm", rng=0, **o
    ),
}  # fmt: skip
every_network = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
fast_or_not = pytest.mark.parametrize("fast", [False, True], ids=["readable", "fast"])
IMAGES, CLASSES = normal(0, 6, 3, 4, 4), np.arange(6) % 3


@fast_or_not
@every_network
@pytest.mark.parametrize("size", [1e4, 1e15])
def test_a_float32_network_has_a_finite_loss_for_large_images(make, size, fast):
    net = make(dtype=np.float32, reg=0.1, fast=fast)
    images = (size * IMAGES).astype(np.float32)
    for N in (6, 1):
        loss, grads = net.loss(images[:N], CLASSES[:N])
        assert math.isfinite(loss)
        assert all(np.isfinite(grad).all() for grad in grads.values())
        assert np.isfinite(net.loss(images[:N])).all()


@every_network
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_penalty_of_large_weights_is_finite_and_right(make, dtype):
    net = make(dtype=dtype, reg=1e-3)
    plain, _ = net.loss(IMAGES[:2], CLASSES[:2])
    large = 1e30 if dtype == np.float32 else 1e150
    last = max(name for name in net.params if name.startswith("W"))
    net.params[last] = np.zeros_like(net.params[last])
    net.params[last].flat[:2] = 3 * large, -4 * large
    loss, grads = net.loss(0 * IMAGES[:2], CLASSES[:2])
    assert loss == pytest.approx(0.5 * 1e-3 * 25 * large * large, rel=1e-6)
    assert np.isfinite(grads[last]).all()
    assert math.isfinite(plain)


every_rule = pytest.mark.parametrize("rule", optim.__all__)


@every_rule
def test_a_gradient_whose_square_overflows_leaves_the_parameters_finite(rule):
    w, config = np.ones(2, np.float32), {"weight_decay": 0}
    for dw in (np.float32([1e30, 1]), np.float32([1, 1])):
        w, config = getattr(optim, rule)(w, dw, config)
        assert np.isfinite(w).all()
    squares = "cache" if "rmsprop" in rule else "v" if "adam" in rule else None
    if squares:
        assert w[0] == 1  # for good: the average of the squares is infinite
        np.testing.assert_array_equal(np.isinf(config[squares]), [True, False])


# ---- NaN and infinity: how far they go -----------------------------------------------


def windows_with(where: np.ndarray, size: tuple[int, int], stride: int) -> np.ndarray:
    """Say which windows of images hold one of the pixels."""
    windows = np.lib.stride_tricks.sliding_window_view(where, size, axis=(2, 3))
    return windows[:, :, ::stride, ::stride].any(axis=(4, 5))


def reached(name: str, given: dict[str, Any], where: np.ndarray) -> np.ndarray:
    """Say which outputs of a layer a NaN at `where` reaches."""
    if name == "affine":
        rows = where.reshape(len(where), -1).any(axis=1)
        return np.broadcast_to(rows[:, None], (len(where), given["w"].shape[1]))
    if name in ("relu", "dropout"):
        return where
    if name in ("batchnorm", "spatial_batchnorm"):
        if given["bn_param"]["mode"] == "test":
            return where
        axes = (0, *range(2, where.ndim))
        return np.broadcast_to(where.any(axis=axes, keepdims=True), where.shape)
    if name == "layernorm":
        return np.broadcast_to(where.any(axis=1, keepdims=True), where.shape)
    if name == "spatial_groupnorm":
        N, C, H, W = where.shape
        groups = where.reshape(N, given["G"], -1)
        groups = np.broadcast_to(groups.any(axis=2, keepdims=True), groups.shape)
        return groups.reshape(where.shape)
    if name == "max_pool":
        param = given["pool_param"]
        size = param["pool_height"], param["pool_width"]
        return windows_with(where, size, param["stride"])
    pad, stride = given["conv_param"]["pad"], given["conv_param"]["stride"]
    padded = np.pad(where, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    any_channel = padded.any(axis=1, keepdims=True)
    windows = windows_with(any_channel, given["w"].shape[2:], stride)
    return np.broadcast_to(windows, (len(where), len(given["w"]), *windows.shape[2:]))


ALONE_LAYERS = [name for name in LAYERS if name not in SANDWICHES]


@both_twins
@pytest.mark.parametrize(("name", "sizes"), small_cases(*ALONE_LAYERS))
def test_a_nan_reaches_what_is_computed_from_it_and_nothing_else(name, sizes, twin):
    given = arguments(name, **sizes)
    where = np.zeros(given["x"].shape, bool)
    where[tuple(size // 2 for size in where.shape)] = True
    given["x"][where] = np.nan
    expected = reached(name, given, where)
    out, _ = forward_of(name, twin)(**given)
    np.testing.assert_array_equal(np.isnan(out), expected)
    assert expected.any()
    assert not expected.all()


@both_twins
@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize(("name", "sizes"), TRAINED)
def test_an_infinity_makes_nan_of_all_that_shares_its_mean(name, sizes, value, twin):
    given = arguments(name, **sizes)
    where = np.zeros(given["x"].shape, bool)
    where[(-1,) * where.ndim] = True
    given["x"][where] = value
    expected = reached(name, given, where)
    out, _ = forward_of(name, twin)(**given)
    np.testing.assert_array_equal(np.isnan(out), expected)


@both_twins
@pytest.mark.parametrize("name", ["batchnorm", "spatial_batchnorm"])
def test_a_running_average_that_has_met_a_nan_stays_nan(name, twin):
    shape = (4, 3) if name == "batchnorm" else (4, 3, 2, 2)
    x, bn_param = normal(0, *shape), {"mode": "train"}
    forward = forward_of(name, twin)
    spoilt = x.copy()
    spoilt[0, 1] = np.nan
    for images in (spoilt, x, x):
        forward(images, np.ones(3), np.zeros(3), bn_param)
    for key in ("running_mean", "running_var"):
        np.testing.assert_array_equal(np.isnan(bn_param[key]), [False, True, False])
    out, _ = forward(x, np.ones(3), np.zeros(3), bn_param | {"mode": "test"})
    assert np.isnan(out[:, 1]).all()
    assert np.isfinite(out[:, ::2]).all()


@both_twins
def test_relu_keeps_nan_and_infinity_and_gives_nan_the_gradient_0(twin):
    forward, backward = (fast_layer if twin == "fast" else readable_layer)("relu")
    out, cache = forward(np.array([np.nan, np.inf, -np.inf, 1, 0, -1]))
    np.testing.assert_array_equal(out, [np.nan, np.inf, 0, 1, 0, 0])
    np.testing.assert_array_equal(backward(np.full(6, 5.0), cache), [0, 5, 0, 5, 0, 0])


@both_twins
def test_dropout_hides_no_nan(twin):
    settings = {"mode": "train", "p": 0.5, "seed": 0}
    out, _ = forward_of("dropout", twin)(np.full(50, np.nan), settings)
    assert np.isnan(out).all()
    kept, _ = forward_of("dropout", twin)(np.full(50, np.inf), settings)
    assert set(np.isinf(kept)) == {False, True}
    assert (np.isinf(kept) | np.isnan(kept)).all()


@both_twins
def test_max_pooling_takes_nan_for_the_largest_and_the_first_takes_the_gradient(twin):
    forward, backward = (fast_layer if twin == "fast" else readable_layer)("max_pool")
    x = np.array([[[[1, np.nan, np.inf, -np.inf], [np.nan, 9, 2, np.inf]]]])
    out, cache = forward(x, {"pool_height": 2, "pool_width": 2, "stride": 2})
    np.testing.assert_array_equal(out, [[[[np.nan, np.inf]]]])
    dx = backward(np.array([[[[5.0, 7.0]]]]), cache)
    np.testing.assert_array_equal(dx, [[[[0, 5, 7, 0], [0, 0, 0, 0]]]])


@pytest.mark.parametrize("loss_function", LOSSES + SMOOTHED)
@pytest.mark.parametrize("label", [0, 1])
def test_a_loss_with_a_nan_score_is_nan_and_spares_the_gradients_of_the_others(
    loss_function, label
):
    x = np.array([[np.nan, 1, 2], [0, 1, 2]])
    loss, dx = loss_function(x, [label, 2])
    assert math.isnan(loss)
    _, alone = loss_function(x[1:], [2])
    np.testing.assert_allclose(dx[1], alone[0] / 2)
    if loss_function is layers.svm_loss:
        assert dx[0, 0] == 0
    else:
        assert np.isnan(dx[0]).all()


@pytest.mark.parametrize("softmax", LOSSES[1:])
def test_softmax_takes_a_score_of_infinity_for_nan_and_of_minus_infinity_for_probability_0(
    softmax,
):
    loss, dx = softmax(np.array([[np.inf, 0.0, 0.0]]), [0])
    assert math.isnan(loss)
    assert np.isnan(dx).all()
    loss, dx = softmax(np.array([[-np.inf, 0.0, 0.0]]), [1])
    assert loss == pytest.approx(math.log(2))
    np.testing.assert_allclose(dx, [[0, -0.5, 0.5]], atol=1e-15)
    loss, dx = softmax(np.array([[-np.inf, 0.0, 0.0]]), [0])
    assert loss == math.inf
    np.testing.assert_allclose(dx, [[-1, 0.5, 0.5]], atol=1e-15)


@pytest.mark.parametrize("loss_function", SMOOTHED)
def test_a_smoothed_label_makes_the_loss_of_a_score_of_minus_infinity_infinite(
    loss_function,
):
    loss, dx = loss_function(np.array([[-np.inf, 0.0, 0.0]]), [1], 0.3)
    assert loss == math.inf
    np.testing.assert_allclose(dx, [[-0.1, -0.3, 0.4]], atol=1e-15)
    assert math.isnan(loss_function(np.array([[np.inf, 0.0, 0.0]]), [0])[0])


def test_the_readable_layers_warn_as_numpy_does_and_the_compiled_ones_do_not():
    x = np.array([[np.inf, 1.0], [1.0, 2.0]])
    ones, zeros = np.ones(2), np.zeros(2)
    with np.errstate(all="warn"):
        with pytest.warns(RuntimeWarning, match="invalid value"):
            layers.batchnorm_forward(x, ones, zeros, {"mode": "train"})
        fast_layers.batchnorm_forward_fast(x, ones, zeros, {"mode": "train"})
        fast_layers.softmax_loss_fast(x, [0, 1])


# ---- NaN and infinity: networks, update rules, training ------------------------------


@fast_or_not
@every_network
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_returns_the_loss_that_comes_out(make, value, fast):
    """It is a Solver that stops there."""
    net = make(dtype=np.float32, fast=fast)
    images = IMAGES.astype(np.float32)
    images[0, 0, 0, 0] = value
    loss, grads = net.loss(images, CLASSES)
    assert not math.isfinite(loss)
    assert set(grads) == set(net.params)


@every_rule
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_update_rule_takes_nan_and_infinity_into_the_parameters_for_good(
    rule, value
):
    w, config = np.ones(3), {}
    for dw in (np.array([1, value, 1]), np.ones(3)):
        w, config = getattr(optim, rule)(w, dw, config)
        np.testing.assert_array_equal(np.isfinite(w), [True, False, True])


def blobs() -> dict[str, np.ndarray]:
    X, y = normal(3, 60, 4), np.arange(60) % 3
    X[np.arange(60), y] += 4
    return {"X_train": X[:40], "y_train": y[:40], "X_val": X[40:], "y_val": y[40:]}


def small_solver(data: dict[str, Any], **options: Any) -> Solver:
    options = {"num_epochs": 2, "batch_size": 10, "verbose": False, "rng": 0} | options
    return Solver(TwoLayerNet(4, 6, 3, rng=0), data, **options)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_solver_stops_at_a_loss_that_is_not_finite_and_keeps_what_it_has(value):
    data = blobs()
    data["X_train"][3, 0] = value
    trained = small_solver(data)
    with pytest.raises(FloatingPointError, match=r"the loss is .* at iteration"):
        trained.train()
    assert len(trained.loss_history) == trained.iteration < 4
    for array in (trained.loss_history, *trained.model.params.values()):
        assert np.isfinite(array).all()


def test_accuracy_is_not_taken_of_scores_that_are_nan():
    """NaN would count as the first class."""
    trained = small_solver(blobs())
    trained.model.params["b2"][1] = np.nan
    with pytest.raises(FloatingPointError, match="scores hold NaN after 0 iterations"):
        trained.check_accuracy(trained.X_val, trained.y_val)
    trained.model.params["b2"][1] = np.inf
    share = float(np.mean(trained.y_val == 1))
    assert trained.check_accuracy(trained.X_val, trained.y_val) == share


def test_parameters_that_became_nan_in_the_last_step_are_not_kept_as_the_best():
    """The loss of that step is finite: only the accuracy sees them."""

    def spoiling(w: np.ndarray, dw: np.ndarray, config: Any) -> Any:
        config["t"] = config.get("t", 0) + 1
        return (w - 0.1 * dw if config["t"] < 4 else w * np.nan), config

    data = blobs()
    data["y_val"] = np.zeros_like(data["y_val"])  # as NaN would be classified
    trained = small_solver(data, update_rule=spoiling, num_epochs=1)
    with pytest.raises(FloatingPointError, match="scores hold NaN"):
        trained.train()
    assert trained.iteration == 4
    assert len(trained.val_acc_history) == 1
    assert all(np.isfinite(w).all() for w in trained.best_params.values())


def test_a_relative_error_with_nan_or_infinity_is_nan():
    for value in (np.nan, np.inf):
        assert math.isnan(rel_error(np.array([1, value]), np.array([1, value])))


@pytest.mark.parametrize(
    "documented",
    [
        layers, conv_layers, fast_layers, optim, layers.softmax_loss, layers.svm_loss,
        conv_layers.max_pool_forward_naive, rel_error, Solver.check_accuracy,
    ],
    ids=lambda thing: thing.__name__,
)  # fmt: skip
def test_the_docstrings_say_what_becomes_of_nan(documented):
    text = documented.__doc__.lower()
    assert any(word in text for word in ("nan", "infinity", "not a number"))


def test_the_docstring_of_training_says_where_it_stops():
    assert "infinite or not a number" in (solver.Solver.train.__doc__ or "")
