"""The compiled layers against others than their twins: the course's printed values,
SciPy, PyTorch, numeric gradients, and the properties that must hold."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import scipy.signal
from fast_cases import (
    LARGE,
    LAYERS,
    SMALL,
    TOLERANCE,
    arguments,
    as_tuple,
    assert_same_bits,
    every_instruction_set,
    fast_layer,
    float_types,
    normal,
    quick_conv_backward,
    quick_conv_forward,
    quick_max_pool_backward,
    quick_max_pool_forward,
    run_fast,
    run_readable,
)

from nndl.fast_layers import (
    conv_backward_fast,
    conv_forward_fast,
    max_pool_backward_fast,
    max_pool_forward_fast,
    relu_forward_fast,
)
from nndl.gradient_check import rel_error

pytestmark = pytest.mark.usefixtures("one_thread")

# ---- the course's values -------------------------------------------------------------


def ramp(first, last, *shape):
    return np.linspace(first, last, np.prod(shape)).reshape(shape)


@every_instruction_set
def test_the_courses_convolution_gives_the_courses_numbers(instruction_set):
    x, w = ramp(-0.1, 0.5, 2, 3, 4, 4), ramp(-0.2, 0.3, 3, 3, 4, 4)
    out, _ = conv_forward_fast(x, w, ramp(-0.1, 0.2, 3), {"stride": 2, "pad": 1})
    expected = np.array(
        [
            [
                [[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]],
                [[0.21027089, 0.21661097], [0.22847626, 0.23004637]],
                [[0.50813986, 0.54309974], [0.64082444, 0.67101435]],
            ],
            [
                [[-0.98053589, -1.03143541], [-1.19128892, -1.24695841]],
                [[0.69108355, 0.66880383], [0.59480972, 0.56776003]],
                [[2.36270298, 2.36904306], [2.38090835, 2.38247847]],
            ],
        ]
    )
    assert rel_error(out, expected) < 5e-8


@every_instruction_set
def test_the_courses_pooling_gives_the_courses_numbers(instruction_set):
    x = ramp(-0.3, 0.4, 2, 3, 4, 4)
    pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
    out, _ = max_pool_forward_fast(x, pool_param)
    expected = np.array(
        [
            [
                [[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]],
                [[-0.14526316, -0.13052632], [-0.08631579, -0.07157895]],
                [[-0.02736842, -0.01263158], [0.03157895, 0.04631579]],
            ],
            [
                [[0.09052632, 0.10526316], [0.14947368, 0.16421053]],
                [[0.20842105, 0.22315789], [0.26736842, 0.28210526]],
                [[0.32631579, 0.34105263], [0.38526316, 0.4]],
            ],
        ]
    )
    assert rel_error(out, expected) < 5e-8


def test_on_the_courses_large_convolution_the_twins_differ_by_less_than_1e_9():
    given = arguments("conv", x=(100, 3, 31, 31), w=(25, 3, 3, 3), stride=2)
    out, cache = conv_forward_fast(**given)
    expected, quick_cache = quick_conv_forward(**given)
    dout = normal(1, *out.shape)
    pairs = zip(
        (out, *conv_backward_fast(dout, cache)),
        (expected, *quick_conv_backward(dout, quick_cache)),
        strict=True,
    )
    assert max(np.abs(found - wanted).max() for found, wanted in pairs) < 1e-9


def test_on_the_courses_large_pooling_the_twins_do_not_differ():
    given = arguments("max_pool", x=(100, 3, 32, 32))
    out, cache = max_pool_forward_fast(**given)
    expected, quick_cache = quick_max_pool_forward(**given)
    np.testing.assert_array_equal(out, expected)
    dout = normal(1, *out.shape)
    dx = quick_max_pool_backward(dout, quick_cache)
    np.testing.assert_array_equal(max_pool_backward_fast(dout, cache), dx)


# ---- SciPy ---------------------------------------------------------------------------


@every_instruction_set
@float_types
@pytest.mark.parametrize(
    "sizes",
    [
        {"x": (2, 3, 9, 8), "w": (4, 3, 3, 5), "pad": 0},
        {"x": (2, 3, 9, 8), "w": (4, 3, 4, 3), "pad": 2, "stride": 3},
        {"x": (2, 17, 9, 8), "w": (18, 17, 3, 3)},
        {"x": (2, 17, 9, 8), "w": (18, 17, 5, 5), "pad": 2},
    ],
    ids=lambda sizes: str(sizes["w"]),
)
def test_a_convolution_equals_scipys_correlation(sizes, dtype, instruction_set):
    given = arguments("conv", dtype, **sizes)
    x, w, b = (given[key].astype(np.float64) for key in ("x", "w", "b"))
    pad, stride = given["conv_param"]["pad"], given["conv_param"]["stride"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    expected = np.array(
        [
            [
                scipy.signal.correlate(image, filter_, "valid")[0] + bias
                for filter_, bias in zip(w, b, strict=True)
            ]
            for image in padded
        ]
    )[:, :, ::stride, ::stride]
    out, _ = conv_forward_fast(**given)
    assert np.abs(out - expected).max() <= TOLERANCE[out.dtype] * np.abs(expected).max()


# ---- PyTorch -------------------------------------------------------------------------


def by_pytorch(torch, name, x, w=None, b=None, gamma=None, beta=None, **settings):
    """The same layer in PyTorch's words."""
    torch.set_num_threads(1)  # its threads and ours would wait for each other
    F = torch.nn.functional
    if "affine" in name:
        x = F.linear(x.flatten(1), w.T, b)
    if "conv" in name:
        conv_param = settings["conv_param"]
        x = F.conv2d(x, w, b, conv_param["stride"], conv_param["pad"])
    if "bn" in name or "batchnorm" in name:
        bn_param = settings["bn_param"]
        x = F.batch_norm(
            x,
            *(torch.tensor(bn_param[key]) for key in ("running_mean", "running_var")),
            gamma,
            beta,
            training=bn_param["mode"] == "train",
            eps=bn_param["eps"],
        )
    if name == "layernorm":
        x = F.layer_norm(x, x.shape[1:], gamma, beta, settings["ln_param"]["eps"])
    if name == "spatial_groupnorm":
        x = F.group_norm(x, settings["G"], gamma, beta, settings["gn_param"]["eps"])
    if "relu" in name:
        x = F.relu(x)
    if "pool" in name:
        pool_param = settings["pool_param"]
        window = pool_param["pool_height"], pool_param["pool_width"]
        x = F.max_pool2d(x, window, pool_param["stride"])
    return x


ORACLE_CASES = {case: SMALL[case] for case in SMALL if SMALL[case][0] != "dropout"} | {
    case: LARGE[case]
    for case in (
        "conv 3x3, 64 channels",
        "conv 5x5, 32 channels",
        "conv stride 2",
        "spatial_batchnorm",
        "conv_bn_relu 32 channels",
        "conv_relu_pool 16 channels",
    )
}


@every_instruction_set
@float_types
@pytest.mark.parametrize("case", ORACLE_CASES)
def test_a_fast_layer_equals_pytorch(torch, case, dtype, instruction_set):
    name, sizes = ORACLE_CASES[case]
    given = arguments(name, dtype, **sizes)
    _, _, dout = run_readable(name, copy.deepcopy(given))  # 0 near the kinks
    tensors = {
        key: torch.tensor(a, requires_grad=True) if isinstance(a, np.ndarray) else a
        for key, a in given.items()
    }
    theirs = by_pytorch(torch, name, **tensors)
    theirs.backward(torch.tensor(dout))
    out, gradients = run_fast(name, given, dout)
    pairs = [(out, theirs.detach())]
    pairs += [(gradient, tensors[key].grad) for key, gradient in gradients.items()]
    scale = max(np.abs(gradient).max() for gradient in gradients.values())
    for (found, expected), key in zip(pairs, ["out", *gradients], strict=True):
        expected = expected.numpy()
        assert found.dtype == expected.dtype == dtype
        # A batch norm takes away what a bias before it adds: db = 0 but for roundings.
        largest = scale if key == "b" else np.abs(expected).max()
        assert np.abs(found - expected).max() <= TOLERANCE[found.dtype] * largest, key


# ---- numeric gradients ---------------------------------------------------------------


@every_instruction_set
@pytest.mark.parametrize("case", SMALL)
def test_gradients_equal_numeric_ones_along_random_directions(case, instruction_set):
    """One difference of losses for each argument, however many numbers it holds."""
    name, sizes = SMALL[case]
    given = arguments(name, **sizes)
    _, _, dout = run_readable(name, copy.deepcopy(given))

    def loss(key, moved):
        out, _ = fast_layer(name)[0](**copy.deepcopy(given) | {key: moved})
        return (out * dout).sum()

    _, gradients = run_fast(name, copy.deepcopy(given), dout)
    for key, gradient in gradients.items():
        direction = normal(5, *gradient.shape)
        h = 1e-6
        above, below = (loss(key, given[key] + s * h * direction) for s in (1, -1))
        numeric = (above - below) / (2 * h)
        # Roundings of the losses, of size 1e-15 |out| |dout|, are divided by h.
        assert abs((gradient * direction).sum() - numeric) < 1e-7 * (
            1 + abs(numeric)
        ), key


LINEAR = [case for case, (name, _) in SMALL.items() if name in ("affine", "conv")]


@every_instruction_set
@pytest.mark.parametrize(
    ("name", "sizes"),
    [SMALL[case] for case in LINEAR]
    + [LARGE["conv 3x3, 64 channels"], LARGE["conv stride 2"], LARGE["conv 7x7"]],
    ids=str,
)
def test_the_backward_pass_of_a_linear_layer_is_the_adjoint_of_its_forward_pass(
    name, sizes, instruction_set
):
    """<forward(v), dout> = <v, backward(dout)> for x, w and b, to the last digits."""
    given = arguments(name, **sizes)
    out, gradients = run_fast(name, given)
    dout = normal(99, *out.shape)
    forward = fast_layer(name)[0]
    for key, gradient in gradients.items():
        v = normal(7, *gradient.shape)
        without_bias = given if key == "b" else given | {"b": 0 * given["b"]}
        moved, _ = forward(**without_bias | {key: v})
        if key == "b":
            moved = moved - forward(**given | {"b": 0 * v})[0]
        left, right = (moved * dout).sum(), (v * gradient).sum()
        size = np.linalg.norm(moved) * np.linalg.norm(dout)
        assert abs(left - right) < 1e-12 * size, key


# ---- properties ----------------------------------------------------------------------

CONVOLUTIONS = {
    "few channels": {"x": (3, 3, 11, 13), "w": (5, 3, 3, 3)},
    "16 channels": {"x": (3, 16, 11, 13), "w": (17, 16, 3, 3)},
    "5x5": {"x": (3, 17, 11, 13), "w": (16, 17, 5, 5), "pad": 2},
    "stride 2": {"x": (3, 3, 11, 13), "w": (5, 3, 3, 3), "stride": 2},
}
every_convolution = pytest.mark.parametrize(
    "sizes", CONVOLUTIONS.values(), ids=CONVOLUTIONS
)


@every_instruction_set
@every_convolution
def test_a_convolution_is_linear_in_the_image_and_in_the_filter(sizes, instruction_set):
    given = arguments("conv", **sizes)
    given["b"][:] = 0
    for key in ("x", "w"):
        other = normal(3, *given[key].shape)
        out, _ = conv_forward_fast(**given)
        out_other, _ = conv_forward_fast(**given | {key: other})
        mixed, _ = conv_forward_fast(**given | {key: 2 * given[key] - 3 * other})
        np.testing.assert_allclose(mixed, 2 * out - 3 * out_other, rtol=0, atol=1e-12)


@every_instruction_set
@every_convolution
@float_types
@pytest.mark.parametrize("scale", [2.0**-90, 2.0**40])
def test_an_image_scaled_by_a_power_of_two_gives_the_output_scaled_exactly(
    scale, dtype, sizes, instruction_set
):
    """From 2 ** 45 on, Winograd's algorithm does not take it any more."""
    given = arguments("conv", dtype, **sizes)
    given["b"][:] = 0
    out, _ = conv_forward_fast(**given)
    scaled, _ = conv_forward_fast(**given | {"x": given["x"] * dtype(scale)})
    np.testing.assert_array_equal(scaled, out * dtype(scale))


@every_instruction_set
@every_convolution
def test_a_shifted_image_gives_the_output_shifted(sizes, instruction_set):
    """By one window down and two to the right, on an image that ends in zeros."""
    given = arguments("conv", **sizes)
    stride = given["conv_param"]["stride"]
    x = given["x"]
    x[:, :, -4 - stride :] = 0
    x[:, :, :, -4 - 2 * stride :] = 0
    x[:, :, :3] = 0
    x[:, :, :, :3] = 0
    moved = np.roll(x, (stride, 2 * stride), axis=(2, 3))
    out, _ = conv_forward_fast(**given)
    out_moved, _ = conv_forward_fast(**given | {"x": moved})
    assert np.abs(out).max() > 0.1
    np.testing.assert_allclose(
        out_moved[:, :, 1:, 2:], out[:, :, :-1, :-2], rtol=0, atol=1e-12
    )


@every_instruction_set
@every_convolution
def test_turning_image_and_filter_around_turns_the_output_around(
    sizes, instruction_set
):
    given = arguments("conv", **sizes)
    turned = given | {key: given[key][:, :, ::-1, ::-1] for key in ("x", "w")}
    out, _ = conv_forward_fast(**given)
    out_turned, _ = conv_forward_fast(**turned)
    np.testing.assert_allclose(out_turned[:, :, ::-1, ::-1], out, rtol=0, atol=1e-12)


@every_instruction_set
@every_convolution
def test_exchanging_rows_and_columns_exchanges_them_in_the_output(
    sizes, instruction_set
):
    given = arguments("conv", **sizes)
    turned = given | {key: given[key].swapaxes(2, 3) for key in ("x", "w")}
    out, _ = conv_forward_fast(**given)
    out_turned, _ = conv_forward_fast(**turned)
    np.testing.assert_allclose(out_turned.swapaxes(2, 3), out, rtol=0, atol=1e-12)


ONE_BY_ONE = [
    case
    for case, (name, _) in SMALL.items()
    if not ("batchnorm" in name or "bn" in name or name == "dropout")
]


@every_instruction_set
@pytest.mark.parametrize("case", ONE_BY_ONE)
def test_an_image_does_not_see_the_others_of_its_batch(case, instruction_set):
    name, sizes = SMALL[case]
    given = arguments(name, **sizes)
    together, gradients = run_fast(name, given)
    forward, backward = fast_layer(name)
    dout = normal(99, *together.shape)
    for n in range(len(together)):
        out, cache = forward(**given | {"x": given["x"][n : n + 1]})
        dx = as_tuple(backward(dout[n : n + 1], cache))[0]
        np.testing.assert_allclose(out[0], together[n], rtol=0, atol=1e-12)
        np.testing.assert_allclose(dx[0], gradients["x"][n], rtol=0, atol=1e-12)


@every_instruction_set
@float_types
def test_a_filter_with_a_single_one_copies_the_image(dtype, instruction_set):
    """Exactly: there is nothing to round."""
    x = normal(0, 2, 3, 8, 9, dtype=dtype)
    w = np.zeros((3, 3, 3, 5), dtype)
    w[range(3), range(3), 1, 2] = 1
    out, _ = conv_forward_fast(x, w, np.zeros(3, dtype), {"stride": 1, "pad": 2})
    np.testing.assert_array_equal(out[:, :, 1:-1], x)


@every_instruction_set
@float_types
@pytest.mark.parametrize(("window", "stride"), [(2, 2), (2, 1), (3, 2), (3, 1)])
def test_pooling_hands_on_all_of_the_gradient(window, stride, dtype, instruction_set):
    """Exactly, in integers."""
    given = arguments(
        "max_pool", dtype, x=(3, 4, 12, 14), window=(window, window), pool_stride=stride
    )
    out, cache = max_pool_forward_fast(**given)
    dout = np.rint(9 * normal(1, *out.shape, dtype=dtype))
    dx = max_pool_backward_fast(dout, cache)
    np.testing.assert_array_equal(dx.sum(axis=(2, 3)), dout.sum(axis=(2, 3)))


@every_instruction_set
@float_types
def test_relu_of_relu_is_relu_and_x_is_the_difference_of_two(dtype, instruction_set):
    x = normal(0, 7, 53, dtype=dtype)
    out, _ = relu_forward_fast(x)
    assert_same_bits(relu_forward_fast(out)[0], out)
    np.testing.assert_array_equal(out - relu_forward_fast(-x)[0], x)


@every_instruction_set
@pytest.mark.parametrize("name", ["batchnorm", "spatial_batchnorm"])
def test_the_input_gradient_of_batch_norm_is_blind_to_shift_and_scale(
    name, instruction_set
):
    shape = (9, 35) if name == "batchnorm" else (3, 35, 4, 5)
    given = arguments(name, x=shape)
    given["bn_param"]["eps"] = 1e-300  # eps alone breaks the invariance
    out, gradients = run_fast(name, given)
    others = tuple(axis for axis in range(len(shape)) if axis != 1)
    assert np.abs(gradients["x"]).max() > 0.01
    np.testing.assert_allclose(gradients["x"].sum(axis=others), 0, atol=1e-12)
    scale = (gradients["x"] * given["x"]).sum(axis=others)
    np.testing.assert_allclose(scale, 0, atol=1e-12)


def test_every_layer_is_differentiated_numerically():
    assert {name for name, _ in SMALL.values()} == set(LAYERS)
