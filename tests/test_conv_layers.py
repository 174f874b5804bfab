"""The readable layers of a convolutional network: against the course's values, SciPy,
PyTorch, numeric gradients, closed forms, and their properties.

The course's tolerances for numeric gradients (relative error, float64): convolution
1e-8, pooling 1e-11, spatial batch normalization 1e-6 (dx) and 1e-10 (dgamma, dbeta),
group normalization 1e-7. PyTorch must agree to 1e-10.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import scipy.signal

from nndl.conv_layers import (
    conv_backward_naive,
    conv_forward_naive,
    global_avg_pool_backward,
    global_avg_pool_forward,
    max_pool_backward_naive,
    max_pool_forward_naive,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
    spatial_groupnorm_backward,
    spatial_groupnorm_forward,
)
from nndl.gradient_check import eval_numerical_gradient_array, rel_error
from nndl.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
)

FLOATS = [np.float32, np.float64]
float_types = pytest.mark.parametrize("dtype", FLOATS, ids=["float32", "float64"])
both_modes = pytest.mark.parametrize("mode", ["train", "test"])


def normal(seed, *shape, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def distinct(seed, *shape):
    """Return the numbers 0, 1, 2 and so on, shuffled: no window has two maxima."""
    size = math.prod(shape)
    numbers = np.random.default_rng(seed).permutation(size)
    return numbers.reshape(shape).astype(np.float64)


def windows(height, width, stride):
    return {"pool_height": height, "pool_width": width, "stride": stride}


# The shapes of x and w, the stride, the padding.
CONVOLUTIONS = {
    "same size": ((2, 3, 5, 4), (4, 3, 3, 3), 1, 1),
    "3x5 filter": ((2, 3, 6, 7), (3, 3, 3, 5), 1, 1),
    "5x2 filter, stride 2": ((2, 2, 8, 7), (3, 2, 5, 2), 2, 1),
    "pixels left over": ((2, 2, 8, 6), (3, 2, 3, 3), 2, 0),
    "stride larger than the filter": ((2, 2, 8, 7), (3, 2, 2, 2), 3, 1),
    "filter as large as the image": ((3, 2, 4, 5), (4, 2, 4, 5), 1, 0),
    "filter as large as the padded image": ((2, 2, 3, 2), (3, 2, 5, 4), 2, 1),
    "padding larger than the filter": ((2, 2, 3, 3), (2, 2, 2, 2), 1, 3),
    "1x1 map": ((3, 4, 1, 1), (5, 4, 1, 1), 1, 0),
    "1x1 map, padded": ((2, 3, 1, 1), (2, 3, 3, 3), 1, 1),
    "one channel, one filter": ((2, 1, 4, 4), (1, 1, 2, 2), 1, 0),
    "one row": ((2, 2, 1, 8), (3, 2, 1, 3), 2, 0),
}
every_convolution = pytest.mark.parametrize("case", CONVOLUTIONS)


def convolution(case):
    """Return x, w, b, conv_param, dout."""
    x_shape, w_shape, stride, pad = CONVOLUTIONS[case]
    x, w, b = normal(0, *x_shape), normal(1, *w_shape), normal(2, w_shape[0])
    conv_param = {"stride": stride, "pad": pad}
    dout = normal(3, *conv_forward_naive(x, w, b, conv_param)[0].shape)
    return x, w, b, conv_param, dout


# The shape of x, the window's height and width, the stride.
POOLINGS = {
    "2x2 tiles": ((2, 3, 4, 6), 2, 2, 2),
    "pixels left over": ((2, 2, 5, 7), 2, 2, 2),
    "overlapping": ((2, 2, 6, 7), 3, 3, 2),
    "every place": ((2, 2, 4, 5), 3, 2, 1),
    "wide windows": ((2, 2, 5, 8), 1, 4, 2),
    "stride larger than the window": ((2, 2, 7, 8), 2, 2, 3),
    "window as large as the image": ((3, 2, 4, 5), 4, 5, 1),
    "1x1 map": ((3, 4, 1, 1), 1, 1, 1),
    "1x1 window": ((2, 2, 3, 4), 1, 1, 1),
}
every_pooling = pytest.mark.parametrize("case", POOLINGS)


def pooling(case):
    """Return x, pool_param, dout."""
    x_shape, height, width, stride = POOLINGS[case]
    x, pool_param = distinct(0, *x_shape), windows(height, width, stride)
    dout = normal(1, *max_pool_forward_naive(x, pool_param)[0].shape)
    return x, pool_param, dout


def normalization_case(dtype=np.float64, N=3, C=6, H=4, W=5):
    """Return x, gamma, beta, dout with a scale and an offset worth normalizing."""
    x = (3 * normal(0, N, C, H, W) + 2).astype(dtype)
    gamma, beta = normal(1, C, dtype=dtype), normal(2, C, dtype=dtype)
    return x, gamma, beta, normal(3, N, C, H, W, dtype=dtype)


def batchnorm_settings(mode, dtype=np.float64, C=6):
    return {
        "mode": mode,
        "eps": np.float64(1e-5),
        "momentum": np.float64(0.7),
        "running_mean": normal(4, C, dtype=dtype),
        "running_var": normal(5, C, dtype=dtype) ** 2 + 0.5,
    }


# Every layer as (forward, backward, its arguments in a dtype). Settings are NumPy scalars, which would
# turn a float32 array into float64 if a layer let them.
def layers(dtype):
    x, gamma, beta, _ = normalization_case(dtype)
    filters = normal(6, 4, 6, 3, 2, dtype=dtype), normal(7, 4, dtype=dtype)
    images = gamma.reshape(1, 6, 1, 1), beta.reshape(1, 6, 1, 1)
    eps = {"eps": np.float64(1e-5)}
    return {
        "convolution": (
            conv_forward_naive,
            conv_backward_naive,
            [x, *filters, {"stride": np.int64(2), "pad": np.uint8(1)}],
        ),
        "max pooling": (
            max_pool_forward_naive,
            max_pool_backward_naive,
            [x, windows(np.int64(3), np.int32(2), np.uint8(1))],
        ),
        "batchnorm train": (
            spatial_batchnorm_forward,
            spatial_batchnorm_backward,
            [x, gamma, beta, batchnorm_settings("train", dtype)],
        ),
        "batchnorm test": (
            spatial_batchnorm_forward,
            spatial_batchnorm_backward,
            [x, gamma, beta, batchnorm_settings("test", dtype)],
        ),
        "groupnorm": (
            spatial_groupnorm_forward,
            spatial_groupnorm_backward,
            [x, *images, np.int64(3), eps],
        ),
        "groupnorm, flat": (
            spatial_groupnorm_forward,
            spatial_groupnorm_backward,
            [x, gamma, beta, np.int64(2), eps],
        ),
    }


every_layer = pytest.mark.parametrize("name", layers(np.float64))


def as_tuple(gradients):
    return gradients if isinstance(gradients, tuple) else (gradients,)


def backward_of_torch(torch, function, arrays, dout):
    """Return PyTorch's output and gradients, as arrays."""
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    out = function(*tensors)
    out.backward(torch.tensor(dout))
    return out.detach().numpy(), [tensor.grad.numpy() for tensor in tensors]


# ---- what holds for every layer ------------------------------------------------------


@every_layer
@float_types
def test_a_layer_keeps_the_float_type_and_the_shapes(name, dtype):
    forward, backward, args = layers(dtype)[name]
    out, cache = forward(*args)
    assert out.dtype == dtype
    arrays = [arg for arg in args if isinstance(arg, np.ndarray)]
    gradients = as_tuple(backward(np.ones_like(out), cache))
    assert [g.dtype for g in gradients] == [dtype] * len(arrays)
    assert [g.shape for g in gradients] == [a.shape for a in arrays]


@every_layer
def test_a_layer_in_float32_is_that_in_float64_to_float32_precision(name):
    forward, backward, args = layers(np.float32)[name]
    out, cache = forward(*args)
    dout = normal(9, *out.shape, dtype=np.float32)
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in args]
    expected, wide_cache = forward(*wide)
    found = out, *as_tuple(backward(dout, cache))
    references = expected, *as_tuple(backward(dout.astype(np.float64), wide_cache))
    for ours, reference in zip(found, references, strict=True):
        assert np.abs(ours - reference).max() <= 1e-5 * np.abs(reference).max()


@every_layer
def test_a_layer_leaves_its_arguments_as_they_were(name, frozen):
    forward, backward, args = layers(np.float64)[name]
    before = frozen(args)
    given = list(args)
    if name == "batchnorm train":  # the documented exception
        given[3] = dict(args[3])
    out, cache = forward(*given)
    dout = normal(9, *out.shape)
    kept = frozen([dout, cache])
    backward(dout, cache)
    assert frozen([dout, cache]) == kept
    assert frozen(args) == before


@every_layer
def test_a_layer_converts_integers_and_lists_to_float64(name):
    forward, backward, args = layers(np.float64)[name]
    rounded = [np.rint(a * 3) if isinstance(a, np.ndarray) else a for a in args]
    expected, cache = forward(*copy.deepcopy(rounded))
    dout = np.arange(float(expected.size)).reshape(expected.shape)
    for convert in (lambda a: a.astype(np.int16), lambda a: a.astype(int).tolist()):
        given = [
            convert(a) if isinstance(a, np.ndarray) else copy.deepcopy(a)
            for a in rounded
        ]
        out, other_cache = forward(*given)
        assert out.dtype == np.float64
        np.testing.assert_array_equal(out, expected)
        results = as_tuple(backward(convert(dout), other_cache))
        for ours, theirs in zip(results, as_tuple(backward(dout, cache)), strict=True):
            assert ours.dtype == np.float64
            np.testing.assert_array_equal(ours, theirs)


@every_layer
@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda a: np.flip(np.flip(a).copy()),
        lambda a: np.stack([a, a], axis=-1)[..., 0],
        lambda a: a.astype(a.dtype.newbyteorder(">")),
    ],
    ids=["fortran", "negative strides", "every other", "big-endian"],
)
def test_a_layer_does_not_depend_on_the_layout_of_its_arguments(name, layout):
    forward, backward, args = layers(np.float64)[name]
    expected, cache = forward(*copy.deepcopy(args))
    given = [layout(a) if isinstance(a, np.ndarray) else a for a in args]
    out, other_cache = forward(*given)
    # Another layout may sum in another order: a few roundings, no more.
    np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-13)
    assert out.dtype == np.float64
    assert out.dtype.isnative
    dout = normal(9, *out.shape)
    ours = as_tuple(backward(layout(dout), other_cache))
    for gradient, theirs in zip(ours, as_tuple(backward(dout, cache)), strict=True):
        np.testing.assert_allclose(gradient, theirs, rtol=1e-13, atol=1e-13)


@every_layer
def test_a_layer_works_on_read_only_arrays(name):
    forward, backward, args = layers(np.float64)[name]
    for a in args:
        if isinstance(a, np.ndarray):
            a.flags.writeable = False
    out, cache = forward(*args)
    dout = np.ones_like(out)
    dout.flags.writeable = False
    assert all(np.isfinite(g).all() for g in as_tuple(backward(dout, cache)))


@every_layer
def test_a_layer_takes_its_arguments_by_keyword(name):
    forward, backward, args = layers(np.float64)[name]
    names = forward.__wrapped__.__code__.co_varnames[: len(args)]
    expected, _ = forward(*copy.deepcopy(args))
    out, cache = forward(**dict(zip(names, args, strict=True)))
    np.testing.assert_array_equal(out, expected)
    by_keyword = as_tuple(backward(cache=cache, dout=out))
    for ours, theirs in zip(by_keyword, as_tuple(backward(out, cache)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@every_layer
@pytest.mark.parametrize("axis", range(4))
def test_a_dout_of_another_size_is_refused(name, axis):
    forward, backward, args = layers(np.float64)[name]
    out, cache = forward(*args)
    for change in (-1, 1):
        shape = list(out.shape)
        shape[axis] += change
        with pytest.raises(ValueError, match="`dout` must have"):
            backward(np.ones(shape), cache)


@every_layer
def test_a_dout_of_another_rank_or_type_is_refused(name):
    forward, backward, args = layers(np.float64)[name]
    out, cache = forward(*args)
    for wrong in (out[0], out[None], out.ravel(), 1.0):
        with pytest.raises(ValueError, match="`dout` must have shape"):
            backward(wrong, cache)
    with pytest.raises(TypeError, match="`dout` must be an array of float32"):
        backward(np.full(out.shape, 1j), cache)


@every_layer
def test_a_wrong_cache_is_refused(name):
    forward, backward, args = layers(np.float64)[name]
    out, cache = forward(*args)
    wrong_caches = [None, (), "cache", (None,) * 7, (None,) * len(cache), list(cache)]
    for wrong in wrong_caches:
        with pytest.raises(
            (TypeError, ValueError),
            match=rf"`cache` must be what {forward.__name__} returned as its cache, x",
        ):
            backward(np.ones_like(out), wrong)


@pytest.mark.parametrize(
    ("name", "setting"), [("convolution", "conv_param"), ("max pooling", "pool_param")]
)
def test_a_cache_whose_settings_are_no_dict_is_refused(name, setting):
    forward, backward, args = layers(np.float64)[name]
    out, cache = forward(*args)
    with pytest.raises(TypeError, match=f"but its {setting} is of type int"):
        backward(out, (*cache[:-1], 3))


@every_layer
def test_a_layer_refuses_arrays_that_are_not_numbers(name):
    forward, _, args = layers(np.float64)[name]
    for wrong in (
        np.array([["a"]]),
        np.ones((2, 2), complex),
        np.ones((2, 2), np.float16),
    ):
        with pytest.raises(
            TypeError, match="`x` must be an array of float32, float64 or integers"
        ):
            forward(wrong, *args[1:])


@every_layer
@pytest.mark.parametrize("shape", [(), (6,), (6, 4, 5), (2, 3, 6, 4, 5)])
def test_a_layer_refuses_what_is_not_a_minibatch_of_images(name, shape):
    forward, _, args = layers(np.float64)[name]
    with pytest.raises(ValueError, match=r"`x` must have shape \(N, C, H, W\), but"):
        forward(np.ones(shape), *args[1:])


@every_layer
@pytest.mark.parametrize("wrong", [None, "train", 1, [("stride", 1)]])
def test_a_layer_refuses_settings_that_are_no_dict(name, wrong):
    forward, _, args = layers(np.float64)[name]
    with pytest.raises(TypeError, match=r"`\w+_param` must be a dict, but is"):
        forward(*args[:-1], wrong)


@pytest.mark.parametrize("name", [n for n in layers(np.float64) if "train" not in n])
def test_a_layer_treats_each_image_alone(name):
    forward, backward, args = layers(np.float64)[name]
    out, cache = forward(*args)
    dout = normal(9, *out.shape)
    dx = as_tuple(backward(dout, cache))[0]
    for n in range(len(out)):
        alone, cache = forward(args[0][n : n + 1], *args[1:])
        np.testing.assert_allclose(alone[0], out[n], rtol=1e-14, atol=1e-14)
        dx_alone = as_tuple(backward(dout[n : n + 1], cache))[0]
        np.testing.assert_allclose(dx_alone[0], dx[n], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", [n for n in layers(np.float64) if "batch" not in n])
@float_types
def test_a_layer_works_on_an_empty_minibatch(name, dtype):
    forward, backward, args = layers(dtype)[name]
    full, _ = forward(*args)
    out, cache = forward(args[0][:0], *args[1:])
    assert out.shape == (0, *full.shape[1:])
    assert out.dtype == dtype
    dx, *others = as_tuple(backward(out, cache))
    assert dx.shape == (0, *args[0].shape[1:])
    for gradient, arg in zip(others, args[1:], strict=False):
        assert gradient.shape == arg.shape
        assert gradient.dtype == dtype
        assert not gradient.any()


# ---- convolution ---------------------------------------------------------------------


def test_conv_forward_gives_the_values_of_the_course():
    x = np.linspace(-0.1, 0.5, num=2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    w = np.linspace(-0.2, 0.3, num=3 * 3 * 4 * 4).reshape(3, 3, 4, 4)
    b = np.linspace(-0.1, 0.2, num=3)
    out, _ = conv_forward_naive(x, w, b, {"stride": 2, "pad": 1})
    expected = [
        [[[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]],
         [[0.21027089, 0.21661097], [0.22847626, 0.23004637]],
         [[0.50813986, 0.54309974], [0.64082444, 0.67101435]]],
        [[[-0.98053589, -1.03143541], [-1.19128892, -1.24695841]],
         [[0.69108355, 0.66880383], [0.59480972, 0.56776003]],
         [[2.36270298, 2.36904306], [2.38090835, 2.38247847]]],
    ]  # fmt: skip
    assert rel_error(out, expected) < 3e-8  # eight decimals were printed


def test_conv_forward_equals_sums_done_by_hand():
    x = [[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]
    w = [[[[1, 10], [100, 1000]]]]
    out, _ = conv_forward_naive(x, w, [0.5], {"stride": 1, "pad": 0})
    assert out.tolist() == [[[[5421.5, 6532.5], [8754.5, 9865.5]]]]


def test_conv_backward_equals_sums_done_by_hand():
    x = [[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]
    w = [[[[1, 10], [100, 1000]]]]
    _, cache = conv_forward_naive(x, w, [0], {"stride": 1, "pad": 0})
    dx, dw, db = conv_backward_naive([[[[1, 2], [0, 3]]]], cache)
    assert dx.tolist() == [[[[1, 12, 20], [100, 1203, 2030], [0, 300, 3000]]]]
    assert dw.tolist() == [[[[1 + 4 + 15, 2 + 6 + 18], [4 + 10 + 24, 5 + 12 + 27]]]]
    assert db.tolist() == [6]


@every_convolution
def test_conv_forward_equals_scipy(case):
    x, w, b, conv_param, _ = convolution(case)
    stride, pad = conv_param["stride"], conv_param["pad"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    expected = [
        [
            # Valid along the channels too, which leaves one.
            scipy.signal.correlate(image, kernel, mode="valid", method="direct")[0]
            for kernel in w
        ]
        for image in padded
    ]
    expected = np.array(expected)[:, :, ::stride, ::stride] + b[:, None, None]
    out, _ = conv_forward_naive(x, w, b, conv_param)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-13)


@every_convolution
def test_conv_equals_pytorch(torch, case):
    x, w, b, conv_param, dout = convolution(case)
    expected, gradients = backward_of_torch(
        torch,
        lambda x, w, b: torch.nn.functional.conv2d(
            x, w, b, stride=conv_param["stride"], padding=conv_param["pad"]
        ),
        (x, w, b),
        dout,
    )
    out, cache = conv_forward_naive(x, w, b, conv_param)
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-10)
    ours = conv_backward_naive(dout, cache)
    for gradient, theirs in zip(ours, gradients, strict=True):
        np.testing.assert_allclose(gradient, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "case", ["3x5 filter", "5x2 filter, stride 2", "stride larger than the filter"]
)
def test_conv_backward_equals_numeric_gradients(case):
    x, w, b, conv_param, dout = convolution(case)
    _, cache = conv_forward_naive(x, w, b, conv_param)
    ours = conv_backward_naive(dout, cache)
    for gradient, a in zip(ours, (x, w, b), strict=True):
        # The output is linear in each: a large step has no error but rounding.
        numeric = eval_numerical_gradient_array(
            lambda _: conv_forward_naive(x, w, b, conv_param)[0], a, dout, h=1e-2
        )
        # Some pixels lie in no window: their gradient is exactly 0.
        assert rel_error(gradient, numeric) < 1e-8


@every_convolution
def test_conv_backward_is_the_adjoint_of_conv_forward(case):
    """<conv(x), dout> = <x, dx> without biases, and likewise for w and b."""
    x, w, b, conv_param, dout = convolution(case)
    out, cache = conv_forward_naive(x, w, np.zeros_like(b), conv_param)
    dx, dw, db = conv_backward_naive(dout, cache)
    product = pytest.approx((out * dout).sum(), rel=1e-12, abs=1e-12)
    assert (x * dx).sum() == product
    assert (w * dw).sum() == product
    biases, _ = conv_forward_naive(0 * x, w, b, conv_param)
    assert (b * db).sum() == pytest.approx((biases * dout).sum(), rel=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("axis", [2, 3])
def test_shifting_the_image_by_the_stride_shifts_the_output_by_one(stride, axis):
    x, w, b = normal(0, 2, 3, 9, 10), normal(1, 4, 3, 3, 2), normal(2, 4)
    conv_param = {"stride": stride, "pad": 0}
    out, _ = conv_forward_naive(x, w, b, conv_param)
    shifted = np.delete(x, np.s_[:stride], axis=axis)
    moved, _ = conv_forward_naive(shifted, w, b, conv_param)
    np.testing.assert_array_equal(moved, np.delete(out, 0, axis=axis))


def test_a_filter_with_a_single_1_in_the_middle_returns_the_image():
    x = normal(0, 2, 3, 5, 6)
    w = np.zeros((3, 3, 3, 5))
    w[range(3), range(3), 1, 2] = 1
    out, _ = conv_forward_naive(x, w, np.zeros(3), {"stride": 1, "pad": 2})
    np.testing.assert_array_equal(out[:, :, 1:-1], x)


def test_a_filter_as_large_as_the_image_is_an_affine_layer():
    x, w, b, conv_param, dout = convolution("filter as large as the image")
    out, cache = conv_forward_naive(x, w, b, conv_param)
    flat, affine_cache = affine_forward(x, w.reshape(4, -1).T, b)
    np.testing.assert_allclose(out[:, :, 0, 0], flat, rtol=1e-12, atol=1e-13)
    dx, dw, db = conv_backward_naive(dout, cache)
    expected = affine_backward(dout[:, :, 0, 0], affine_cache)
    np.testing.assert_allclose(dx, expected[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(
        dw, expected[1].T.reshape(w.shape), rtol=1e-12, atol=1e-13
    )
    np.testing.assert_allclose(db, expected[2], rtol=1e-12, atol=1e-13)


def test_a_1x1_convolution_is_an_affine_layer_on_every_pixel():
    x, w, b = normal(0, 2, 3, 4, 5), normal(1, 6, 3, 1, 1), normal(2, 6)
    out, _ = conv_forward_naive(x, w, b, {"stride": 1, "pad": 0})
    for i in range(4):
        for j in range(5):
            pixel, _ = affine_forward(x[:, :, i, j], w[:, :, 0, 0].T, b)
            np.testing.assert_allclose(out[:, :, i, j], pixel, rtol=1e-13, atol=1e-14)


def test_padding_is_the_same_as_zeros_around_the_image():
    x, w, b, conv_param, dout = convolution("5x2 filter, stride 2")
    out, cache = conv_forward_naive(x, w, b, conv_param)
    surrounded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected, other = conv_forward_naive(surrounded, w, b, {"stride": 2, "pad": 0})
    np.testing.assert_array_equal(out, expected)
    dx, dw, _ = conv_backward_naive(dout, cache)
    dsurrounded, other_dw, _ = conv_backward_naive(dout, other)
    np.testing.assert_array_equal(dx, dsurrounded[:, :, 1:-1, 1:-1])
    np.testing.assert_array_equal(dw, other_dw)


def test_pixels_that_no_window_reaches_have_gradient_0():
    x, w, b = normal(0, 2, 3, 6, 6), normal(1, 4, 3, 2, 2), normal(2, 4)
    out, cache = conv_forward_naive(x, w, b, {"stride": 3, "pad": 0})
    dx, _, _ = conv_backward_naive(np.ones_like(out), cache)
    reached = np.array([True, True, False, True, True, False])
    assert (dx != 0).all(axis=(0, 1)).tolist() == np.outer(reached, reached).tolist()


def test_conv_spreads_a_nan_to_the_windows_that_hold_it_and_no_further():
    x, w, b = normal(0, 2, 2, 6, 6), normal(1, 3, 2, 3, 3), normal(2, 3)
    x[1, 0, 2, 3] = np.nan
    out, cache = conv_forward_naive(x, w, b, {"stride": 1, "pad": 0})
    expected = np.zeros(out.shape, bool)
    expected[1, :, 0:3, 1:4] = True
    np.testing.assert_array_equal(np.isnan(out), expected)
    dx, dw, db = conv_backward_naive(np.ones_like(out), cache)
    assert np.isfinite(dx).all()
    assert np.isnan(dw[:, 0]).all()
    assert np.isfinite(dw[:, 1]).all()
    assert np.isfinite(db).all()


def test_conv_of_no_channels_is_its_biases():
    out, cache = conv_forward_naive(
        np.ones((2, 0, 4, 4)), np.ones((3, 0, 3, 3)), [1, 2, 3], {"stride": 1, "pad": 0}
    )
    np.testing.assert_array_equal(
        out, np.broadcast_to(np.reshape([1, 2, 3], (3, 1, 1)), (2, 3, 2, 2))
    )
    shapes = [gradient.shape for gradient in conv_backward_naive(out, cache)]
    assert shapes == [(2, 0, 4, 4), (3, 0, 3, 3), (3,)]


def test_conv_of_no_filters_has_an_empty_output_and_no_input_gradient():
    out, cache = conv_forward_naive(
        np.ones((2, 3, 4, 4)), np.ones((0, 3, 3, 3)), [], {"stride": 1, "pad": 0}
    )
    assert out.shape == (2, 0, 2, 2)
    dx, dw, db = conv_backward_naive(out, cache)
    assert not dx.any()
    assert dx.shape == (2, 3, 4, 4)
    assert dw.shape == (0, 3, 3, 3)
    assert db.shape == (0,)


def test_conv_of_an_empty_image_sees_only_the_padding():
    x, w, b = np.ones((2, 3, 0, 0)), normal(0, 4, 3, 2, 2), normal(1, 4)
    out, cache = conv_forward_naive(x, w, b, {"stride": 1, "pad": 1})
    np.testing.assert_array_equal(
        out, np.broadcast_to(b.reshape(4, 1, 1), (2, 4, 1, 1))
    )
    dx, dw, _ = conv_backward_naive(out, cache)
    assert dx.shape == x.shape
    assert not dw.any()


def test_conv_of_mixed_float_types_is_float64():
    x, w, b = normal(0, 1, 2, 3, 3, dtype=np.float32), normal(1, 2, 2, 2, 2), np.ones(2)
    out, cache = conv_forward_naive(x, w, b, {"stride": 1, "pad": 0})
    assert out.dtype == np.float64
    assert {g.dtype for g in conv_backward_naive(out, cache)} == {np.dtype(np.float64)}


@pytest.mark.parametrize(
    ("x", "w", "b", "message"),
    [
        ((2, 3, 8, 8), (5, 4, 3, 3), (5,),
         r"`w` must have shape \(F, C, HH, WW\) with C = 3, but its shape is \(5, 4, 3, 3\) "
         r"\(x: \(2, 3, 8, 8\)\)\."),
        ((2, 3, 8, 8), (5, 3, 3, 3), (4,),
         r"`b` must have shape \(F,\) with F = 5, but its shape is \(4,\) \(w: \(5, 3, 3, 3\)\)\."),
        ((2, 3, 8, 8), (5, 3, 3, 3), (5, 1), r"`b` must have shape \(F,\)"),
        ((2, 3, 8, 8), (5, 3, 3, 3), (), r"`b` must have shape \(F,\)"),
        ((2, 3, 8, 8), (3, 3, 3), (3,), r"`w` must have shape \(F, C, HH, WW\) with C = 3"),
        ((2, 3, 8, 8), (5, 3, 0, 3), (5,), "`w` must have HH > 0 in its shape"),
        ((2, 3, 8, 8), (5, 3, 3, 0), (5,), "`w` must have WW > 0 in its shape"),
        ((2, 3, 2, 8), (5, 3, 5, 3), (5,),
         r"`w` has filters of 5x3, but the padded `x` is only 4x10 \(x: \(2, 3, 2, 8\), "
         r"w: \(5, 3, 5, 3\), pad: 1\)\."),
        ((2, 3, 8, 2), (5, 3, 3, 5), (5,), "`w` has filters of 3x5, but the padded `x` is only 10x4"),
    ],
)  # fmt: skip
def test_conv_forward_refuses_shapes_that_do_not_fit(x, w, b, message):
    with pytest.raises(ValueError, match=message):
        conv_forward_naive(np.ones(x), np.ones(w), np.ones(b), {"stride": 1, "pad": 1})


@pytest.mark.parametrize(
    ("conv_param", "kind", "message"),
    [
        ({}, ValueError, r"`conv_param` must have the key 'stride', but is \{\}\."),
        ({"pad": 1}, ValueError, r"`conv_param` must have the key 'stride', but is \{'pad': 1\}\."),
        ({"stride": 1}, ValueError, "`conv_param` must have the key 'pad', but is"),
        ({"stride": 0, "pad": 1}, ValueError, r"`conv_param\['stride'\]` must be at least 1, but is 0"),
        ({"stride": -1, "pad": 1}, ValueError, r"`conv_param\['stride'\]` must be at least 1"),
        ({"stride": 1, "pad": -1}, ValueError, r"`conv_param\['pad'\]` must be at least 0, but is -1\."),
        ({"stride": 1.5, "pad": 1}, TypeError, r"`conv_param\['stride'\]` must be an integer, but is 1"),
        ({"stride": 2.0, "pad": 1}, TypeError, r"`conv_param\['stride'\]` must be an integer"),
        ({"stride": (1, 1), "pad": 1}, TypeError, r"`conv_param\['stride'\]` must be an integer"),
        ({"stride": None, "pad": 1}, TypeError, r"`conv_param\['stride'\]` must be an integer"),
        ({"stride": 1, "pad": "same"}, TypeError, r"`conv_param\['pad'\]` must be an integer, but is"),
        ({"stride": 1, "pad": 0.5}, TypeError, r"`conv_param\['pad'\]` must be an integer"),
        ({"stride": 1, "pad": True}, TypeError, r"`conv_param\['pad'\]` must be an integer"),
    ],
)  # fmt: skip
def test_conv_refuses_a_wrong_setting_and_names_it(conv_param, kind, message):
    x, w, b = np.ones((2, 3, 4, 4)), np.ones((5, 3, 3, 3)), np.ones(5)
    with pytest.raises(kind, match=message):
        conv_forward_naive(x, w, b, conv_param)
    with pytest.raises(kind, match=message):
        conv_backward_naive(np.ones((2, 5, 4, 4)), (x, w, b, conv_param))


def test_conv_backward_names_the_size_that_dout_must_have():
    x, w, b, conv_param, dout = convolution("3x5 filter")
    _, cache = conv_forward_naive(x, w, b, conv_param)
    with pytest.raises(
        ValueError,
        match="`dout` must have H_out = 6 and W_out = 5, the output's height and width, "
        r"but its shape is \(2, 3, 5, 6\)\.",
    ):
        conv_backward_naive(dout.transpose(0, 1, 3, 2), cache)


# ---- max pooling ---------------------------------------------------------------------


def test_max_pool_forward_gives_the_values_of_the_course():
    x = np.linspace(-0.3, 0.4, num=2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    out, _ = max_pool_forward_naive(x, windows(2, 2, 2))
    expected = [
        [[[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]],
         [[-0.14526316, -0.13052632], [-0.08631579, -0.07157895]],
         [[-0.02736842, -0.01263158], [0.03157895, 0.04631579]]],
        [[[0.09052632, 0.10526316], [0.14947368, 0.16421053]],
         [[0.20842105, 0.22315789], [0.26736842, 0.28210526]],
         [[0.32631579, 0.34105263], [0.38526316, 0.4]]],
    ]  # fmt: skip
    assert rel_error(out, expected) < 5e-8  # eight decimals were printed


def test_max_pool_hands_each_gradient_to_the_maximum_of_its_window():
    x = [[[[1, 5, 2, 0], [3, 4, 8, 1]]]]
    out, cache = max_pool_forward_naive(x, windows(2, 2, 2))
    assert out.tolist() == [[[[5, 8]]]]
    dx = max_pool_backward_naive([[[[10, 20]]]], cache)
    assert dx.tolist() == [[[[0, 10, 0, 0], [0, 0, 20, 0]]]]


def test_a_pixel_that_is_the_maximum_of_several_windows_gets_all_their_gradients():
    x = [[[[0, 1, 0], [2, 9, 3], [0, 4, 0]]]]
    out, cache = max_pool_forward_naive(x, windows(2, 2, 1))
    assert out.tolist() == [[[[9, 9], [9, 9]]]]
    dx = max_pool_backward_naive([[[[1, 10], [100, 1000]]]], cache)
    assert dx.tolist() == [[[[0, 0, 0], [0, 1111, 0], [0, 0, 0]]]]


@pytest.mark.parametrize(
    ("window", "first"),
    [
        ([[7, 7], [7, 7]], (0, 0)),
        ([[1, 7], [7, 7]], (0, 1)),
        ([[1, 2], [7, 7]], (1, 0)),
        ([[-0.0, 0.0], [0.0, 0.0]], (0, 0)),
        ([[-np.inf, -np.inf], [-np.inf, -np.inf]], (0, 0)),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_of_equal_maxima_the_first_takes_the_gradient(window, first, order):
    x = np.array([[window]], dtype=float, order=order)
    _, cache = max_pool_forward_naive(x, windows(2, 2, 1))
    expected = np.zeros((2, 2))
    expected[first] = 3
    dx = max_pool_backward_naive([[[[3]]]], cache)
    np.testing.assert_array_equal(dx[0, 0], expected)


@pytest.mark.parametrize(
    ("window", "first"),
    [
        ([[1, np.nan], [9, 2]], (0, 1)),
        ([[np.inf, 1], [np.nan, np.nan]], (1, 0)),
        ([[np.nan, np.nan], [np.nan, np.nan]], (0, 0)),
    ],
)
def test_a_window_with_a_nan_gives_nan_and_the_first_nan_takes_the_gradient(
    window, first
):
    x = np.array([[window]])
    out, cache = max_pool_forward_naive(x, windows(2, 2, 1))
    assert np.isnan(out).all()
    expected = np.zeros((2, 2))
    expected[first] = 3
    dx = max_pool_backward_naive([[[[3]]]], cache)
    np.testing.assert_array_equal(dx[0, 0], expected)


def test_max_pool_spreads_a_nan_to_the_windows_that_hold_it_and_no_further():
    x = normal(0, 2, 2, 4, 4)
    x[1, 0, 2, 3] = np.nan
    out, _ = max_pool_forward_naive(x, windows(2, 2, 2))
    assert np.argwhere(np.isnan(out)).tolist() == [[1, 0, 1, 1]]


@every_pooling
def test_max_pool_forward_equals_the_maxima_of_numpys_windows(case):
    x, pool_param, _ = pooling(case)
    size, stride = (
        (pool_param["pool_height"], pool_param["pool_width"]),
        pool_param["stride"],
    )
    views = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))
    expected = views[:, :, ::stride, ::stride].max(axis=(4, 5))
    out, _ = max_pool_forward_naive(x, pool_param)
    np.testing.assert_array_equal(out, expected)


@every_pooling
@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
def test_max_pool_equals_pytorch(torch, case, ties):
    x, pool_param, dout = pooling(case)
    x = x % 3 if ties else x
    expected, (gradient,) = backward_of_torch(
        torch,
        lambda x: torch.nn.functional.max_pool2d(
            x,
            (pool_param["pool_height"], pool_param["pool_width"]),
            stride=pool_param["stride"],
        ),
        [x],
        dout,
    )
    out, cache = max_pool_forward_naive(x, pool_param)
    np.testing.assert_array_equal(out, expected)
    dx = max_pool_backward_naive(dout, cache)
    np.testing.assert_allclose(dx, gradient, rtol=1e-13, atol=1e-15)


@every_pooling
def test_max_pool_backward_equals_numeric_gradients(case):
    x, pool_param, dout = pooling(case)
    _, cache = max_pool_forward_naive(x, pool_param)
    # Distinct integers: a step of 1/4 changes no maximum, and has no error but rounding.
    numeric = eval_numerical_gradient_array(
        lambda a: max_pool_forward_naive(a, pool_param)[0], x, dout, h=0.25
    )
    assert rel_error(max_pool_backward_naive(dout, cache), numeric) < 1e-11


@every_pooling
def test_max_pool_backward_keeps_the_sum_of_each_channel_s_gradient(case):
    x, pool_param, dout = pooling(case)
    _, cache = max_pool_forward_naive(x, pool_param)
    dx = max_pool_backward_naive(dout, cache)
    np.testing.assert_allclose(dx.sum(axis=(2, 3)), dout.sum(axis=(2, 3)), atol=1e-13)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("axis", [2, 3])
def test_shifting_the_image_by_the_stride_shifts_the_maxima_by_one(stride, axis):
    x = normal(0, 2, 3, 9, 10)
    out, _ = max_pool_forward_naive(x, windows(3, 2, stride))
    shifted = np.delete(x, np.s_[:stride], axis=axis)
    moved, _ = max_pool_forward_naive(shifted, windows(3, 2, stride))
    np.testing.assert_array_equal(moved, np.delete(out, 0, axis=axis))


def test_max_pool_commutes_with_a_function_that_keeps_the_order():
    x = normal(0, 2, 3, 6, 6)
    out, _ = max_pool_forward_naive(x, windows(3, 2, 2))
    other, _ = max_pool_forward_naive(np.exp(x), windows(3, 2, 2))
    np.testing.assert_array_equal(other, np.exp(out))


def test_max_pool_of_no_channels_is_empty():
    out, cache = max_pool_forward_naive(np.ones((2, 0, 4, 4)), windows(2, 2, 2))
    assert out.shape == (2, 0, 2, 2)
    assert max_pool_backward_naive(out, cache).shape == (2, 0, 4, 4)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 2, 4),
         r"`pool_param` has windows of 3x2, but `x` is only 2x4 \(x: \(2, 3, 2, 4\)\)\."),
        ((2, 3, 4, 1), "`pool_param` has windows of 3x2, but `x` is only 4x1"),
        ((2, 3, 0, 0), "`pool_param` has windows of 3x2, but `x` is only 0x0"),
    ],
)  # fmt: skip
def test_max_pool_refuses_a_window_larger_than_the_image(shape, message):
    with pytest.raises(ValueError, match=message):
        max_pool_forward_naive(np.ones(shape), windows(3, 2, 1))


@pytest.mark.parametrize("key", ["pool_height", "pool_width", "stride"])
@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (0, ValueError, "must be at least 1, but is 0"),
        (-2, ValueError, "must be at least 1, but is -2"),
        (2.0, TypeError, "must be an integer, but is 2.0"),
        ("2", TypeError, "must be an integer, but is '2'"),
        (None, TypeError, "must be an integer, but is None"),
        (True, TypeError, "must be an integer, but is True"),
    ],
)
def test_max_pool_refuses_a_wrong_setting_and_names_it(key, value, kind, message):
    x, pool_param = np.ones((2, 3, 4, 4)), windows(2, 2, 2) | {key: value}
    with pytest.raises(kind, match=rf"`pool_param\['{key}'\]` {message}"):
        max_pool_forward_naive(x, pool_param)
    with pytest.raises(kind, match=rf"`pool_param\['{key}'\]` {message}"):
        max_pool_backward_naive(np.ones((2, 3, 2, 2)), (x, pool_param))


@pytest.mark.parametrize("key", ["pool_height", "pool_width", "stride"])
def test_max_pool_names_a_setting_that_is_missing(key):
    pool_param = windows(2, 2, 2)
    del pool_param[key]
    with pytest.raises(ValueError, match=f"`pool_param` must have the key '{key}'"):
        max_pool_forward_naive(np.ones((2, 3, 4, 4)), pool_param)


def test_max_pool_backward_names_the_size_that_dout_must_have():
    _, cache = max_pool_forward_naive(np.ones((2, 3, 4, 6)), windows(2, 2, 2))
    with pytest.raises(ValueError, match="`dout` must have H_out = 2 and W_out = 3"):
        max_pool_backward_naive(np.ones((2, 3, 3, 2)), cache)


# ---- global average pooling ----------------------------------------------------------


def test_global_avg_pool_equals_means_done_by_hand():
    x = [[[[1, 2], [3, 6]], [[0, 0], [0, -2]]]]
    out, cache = global_avg_pool_forward(x)
    assert out.tolist() == [[3, -0.5]]
    dx = global_avg_pool_backward([[4, 8]], cache)
    assert dx.tolist() == [[[[1, 1], [1, 1]], [[2, 2], [2, 2]]]]


@pytest.mark.parametrize("shape", [(3, 4, 5, 7), (2, 1, 1, 1), (0, 3, 2, 2)], ids=str)
def test_global_avg_pool_equals_pytorch(torch, shape):
    x, dout = normal(0, *shape), normal(1, *shape[:2])
    tensor = torch.tensor(x, requires_grad=True)
    theirs = torch.nn.functional.adaptive_avg_pool2d(tensor, 1)[:, :, 0, 0]
    theirs.backward(torch.tensor(dout))
    out, cache = global_avg_pool_forward(x)
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    dx = global_avg_pool_backward(dout, cache)
    np.testing.assert_allclose(dx, tensor.grad.numpy(), rtol=1e-10, atol=1e-10)


def test_global_avg_pool_backward_equals_numeric_gradients():
    x, dout = normal(0, 2, 3, 4, 5), normal(1, 2, 3)
    numeric = eval_numerical_gradient_array(
        lambda a: global_avg_pool_forward(a)[0], x, dout
    )
    dx = global_avg_pool_backward(dout, global_avg_pool_forward(x)[1])
    np.testing.assert_allclose(dx, numeric, rtol=0, atol=1e-10)


def test_global_avg_pool_does_not_see_where_a_pixel_is():
    x = normal(0, 2, 3, 4, 5)
    shuffled = np.random.default_rng(1).permuted(x.reshape(2, 3, 20), axis=2)
    out, _ = global_avg_pool_forward(shuffled.reshape(x.shape))
    np.testing.assert_allclose(out, global_avg_pool_forward(x)[0], rtol=1e-12)


@float_types
def test_global_avg_pool_keeps_the_float_type_and_its_arguments(dtype, frozen):
    x, dout = normal(0, 2, 3, 4, 5, dtype=dtype), normal(1, 2, 3, dtype=dtype)
    x.flags.writeable = dout.flags.writeable = False
    before = frozen([x, dout])
    out, cache = global_avg_pool_forward(x)
    dx = global_avg_pool_backward(dout, cache)
    assert out.dtype == dx.dtype == dtype
    assert out.shape == (2, 3)
    assert dx.shape == x.shape
    dx += 1  # its memory is its own
    assert frozen([x, dout]) == before


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 0, 4), (2, 3, 4, 0)])
def test_global_avg_pool_refuses_what_has_no_mean_and_names_it(shape):
    with pytest.raises(ValueError, match="`x` must have"):
        global_avg_pool_forward(np.ones(shape))
    _, cache = global_avg_pool_forward(np.ones((2, 3, 4, 5)))
    with pytest.raises(ValueError, match="`dout` must have shape"):
        global_avg_pool_backward(np.ones((*shape, 1, 1, 1)), cache)


# ---- spatial batch normalization -----------------------------------------------------


def test_spatial_batchnorm_in_training_gives_each_channel_mean_beta_and_deviation_gamma():
    x = 4 * normal(0, 2, 3, 4, 5) + 10
    gamma, beta = np.array([3.0, 4.0, 5.0]), np.array([6.0, 7.0, 8.0])
    out, _ = spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), beta, rtol=1e-12)
    # eps is part of the deviation: sqrt(var / (var + eps)) differs from 1 by about eps / var / 2.
    np.testing.assert_allclose(out.std(axis=(0, 2, 3)), gamma, rtol=1e-5)


def test_spatial_batchnorm_in_test_mode_after_warming_up_is_close_to_normalized():
    settings = {"mode": "train"}
    rng = np.random.default_rng(0)
    for _ in range(50):
        x = 2.3 * rng.standard_normal((10, 4, 11, 12)) + 13
        spatial_batchnorm_forward(x, np.ones(4), np.zeros(4), settings)
    settings["mode"] = "test"
    x = 2.3 * rng.standard_normal((10, 4, 11, 12)) + 13
    out, _ = spatial_batchnorm_forward(x, np.ones(4), np.zeros(4), settings)
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=0.15)
    np.testing.assert_allclose(out.std(axis=(0, 2, 3)), 1, atol=0.1)


@both_modes
def test_spatial_batchnorm_equals_pytorch(torch, mode):
    x, gamma, beta, dout = normalization_case()
    settings = batchnorm_settings(mode)
    running = [torch.tensor(settings[key]) for key in ("running_mean", "running_var")]
    expected, gradients = backward_of_torch(
        torch,
        # PyTorch's momentum is the weight of the new value, 1 minus ours.
        lambda x, gamma, beta: torch.nn.functional.batch_norm(
            x, *running, gamma, beta, training=mode == "train", momentum=0.3, eps=1e-5
        ),
        (x, gamma, beta),
        dout,
    )
    out, cache = spatial_batchnorm_forward(x, gamma, beta, settings)
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-10)
    ours = spatial_batchnorm_backward(dout, cache)
    for gradient, theirs in zip(ours, gradients, strict=True):
        np.testing.assert_allclose(gradient, theirs, rtol=1e-10, atol=1e-10)


@both_modes
def test_spatial_batchnorm_backward_equals_numeric_gradients(mode):
    x, gamma, beta, dout = normalization_case(C=3)

    def forward(_):
        settings = batchnorm_settings(mode, C=3)
        return spatial_batchnorm_forward(x, gamma, beta, settings)[0]

    _, cache = spatial_batchnorm_forward(x, gamma, beta, batchnorm_settings(mode, C=3))
    dx, dgamma, dbeta = spatial_batchnorm_backward(dout, cache)
    assert rel_error(dx, eval_numerical_gradient_array(forward, x, dout)) < 1e-6
    # The output is linear in gamma and beta: a large step has no error but rounding.
    for gradient, a in ((dgamma, gamma), (dbeta, beta)):
        numeric = eval_numerical_gradient_array(forward, a, dout, h=1e-2)
        assert rel_error(gradient, numeric) < 1e-10


@both_modes
def test_spatial_batchnorm_of_1x1_maps_is_batchnorm(mode):
    x, gamma, beta, dout = normalization_case(N=20, H=1, W=1)
    ours, theirs = batchnorm_settings(mode), batchnorm_settings(mode)
    out, cache = spatial_batchnorm_forward(x, gamma, beta, ours)
    flat, flat_cache = batchnorm_forward(x[:, :, 0, 0], gamma, beta, theirs)
    np.testing.assert_allclose(out[:, :, 0, 0], flat, rtol=1e-12, atol=1e-13)
    for key in ("running_mean", "running_var"):
        np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-13)
    dx, dgamma, dbeta = spatial_batchnorm_backward(dout, cache)
    expected = batchnorm_backward(dout[:, :, 0, 0], flat_cache)
    np.testing.assert_allclose(dx[:, :, 0, 0], expected[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dgamma, expected[1], rtol=1e-12)
    np.testing.assert_allclose(dbeta, expected[2], rtol=1e-12)


def test_spatial_batchnorm_cannot_tell_where_a_pixel_is():
    x, gamma, beta, _ = normalization_case()
    out, _ = spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})
    order = np.random.default_rng(0).permutation(20)
    shuffled = x.reshape(3, 6, 20)[:, :, order].reshape(x.shape)
    other, _ = spatial_batchnorm_forward(shuffled, gamma, beta, {"mode": "train"})
    np.testing.assert_allclose(
        other.reshape(3, 6, 20), out.reshape(3, 6, 20)[:, :, order], rtol=1e-12
    )


def test_spatial_batchnorm_output_does_not_change_when_a_channel_is_shifted_and_scaled():
    x, gamma, beta, _ = normalization_case()
    settings = {"mode": "train", "eps": 1e-300}  # eps alone breaks the invariance
    out, _ = spatial_batchnorm_forward(x, gamma, beta, settings)
    scale, shift = [1, 10, 0.1, 3, 7, 2], [5, -100, 0, 0.25, 1, 9]
    moved = x * np.reshape(scale, (6, 1, 1)) + np.reshape(shift, (6, 1, 1))
    other, _ = spatial_batchnorm_forward(moved, gamma, beta, settings)
    np.testing.assert_allclose(out, other, rtol=1e-9, atol=1e-9)


def test_spatial_batchnorm_averages_each_channel_s_mean_and_biased_variance():
    x, gamma, beta, _ = normalization_case()
    settings = {"mode": "train", "momentum": 0.8}
    spatial_batchnorm_forward(x, gamma, beta, settings)
    mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
    np.testing.assert_allclose(settings["running_mean"], 0.2 * mean, rtol=1e-12)
    np.testing.assert_allclose(settings["running_var"], 0.2 * var, rtol=1e-12)


def test_spatial_batchnorm_in_test_mode_leaves_the_running_averages_alone(frozen):
    x, gamma, beta, _ = normalization_case()
    settings = batchnorm_settings("test")
    before = frozen(settings)
    spatial_batchnorm_forward(x, gamma, beta, settings)
    assert frozen(settings) == before


@both_modes
@pytest.mark.parametrize(
    ("shape", "letter"), [((0, 6, 4, 5), "N"), ((3, 6, 0, 5), "H"), ((3, 6, 4, 0), "W")]
)
def test_spatial_batchnorm_refuses_an_empty_minibatch(mode, shape, letter):
    message = rf"`x` must have {letter} > 0 in its shape \(N, C, H, W\), but"
    with pytest.raises(ValueError, match=message):
        spatial_batchnorm_forward(
            np.ones(shape), np.ones(6), np.ones(6), {"mode": mode}
        )


@pytest.mark.parametrize(
    ("gamma", "beta", "message"),
    [
        ((5,), (6,), r"`gamma` must have shape \(C,\) with C = 6, but its shape is \(5,\)"),
        ((6,), (4,), r"`beta` must have shape \(C,\) with C = 6"),
        ((1, 6, 1, 1), (6,), r"`gamma` must have shape \(C,\) with C = 6"),
    ],
)  # fmt: skip
def test_spatial_batchnorm_refuses_shapes_that_do_not_fit(gamma, beta, message):
    x = np.ones((3, 6, 4, 5))
    with pytest.raises(ValueError, match=message):
        spatial_batchnorm_forward(x, np.ones(gamma), np.ones(beta), {"mode": "train"})


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ({"mode": "eval"}, ValueError, r"`bn_param\['mode'\]` must be 'train' or 'test', but is 'eval'"),
        ({"eps": 0}, ValueError, r"`bn_param\['eps'\]` must be above 0, but is 0"),
        ({"momentum": 2}, ValueError, r"`bn_param\['momentum'\]` must be at least 0 and at most 1"),
        ({"running_mean": np.ones(4)}, ValueError,
         r"`bn_param\['running_mean'\]` must have shape \(6,\), .*, but its shape is \(4,\)\.$"),
        ({"running_var": ["a"] * 6}, TypeError, r"`bn_param\['running_var'\]` must be an array"),
    ],
)  # fmt: skip
def test_spatial_batchnorm_refuses_a_wrong_setting_and_names_it(wrong, kind, message):
    x, gamma, beta, _ = normalization_case()
    with pytest.raises(kind, match=message):
        spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"} | wrong)


# ---- group normalization -------------------------------------------------------------


@pytest.mark.parametrize("G", [1, 2, 3, 6])
def test_groupnorm_gives_each_group_of_each_image_mean_0_and_deviation_1(G):
    x = 4 * normal(0, 2, 6, 4, 5) + 10
    out, _ = spatial_groupnorm_forward(x, np.ones(6), np.zeros(6), G, {})
    for image in out:
        for group in np.split(image, G):
            assert group.mean() == pytest.approx(0, abs=1e-12)
            # eps is part of the deviation: it differs from 1 by about eps / var / 2.
            assert group.std() == pytest.approx(1, rel=1e-5)


def test_groupnorm_scales_and_shifts_each_channel():
    x, gamma, beta, _ = normalization_case()
    out, _ = spatial_groupnorm_forward(x, gamma, beta, 2, {})
    plain, _ = spatial_groupnorm_forward(x, np.ones(6), np.zeros(6), 2, {})
    expected = plain * gamma.reshape(6, 1, 1) + beta.reshape(6, 1, 1)
    np.testing.assert_allclose(out, expected, rtol=1e-13)


@pytest.mark.parametrize("G", [1, 2, 3, 6])
def test_groupnorm_equals_pytorch(torch, G):
    x, gamma, beta, dout = normalization_case()
    expected, gradients = backward_of_torch(
        torch,
        lambda x, gamma, beta: torch.nn.functional.group_norm(x, G, gamma, beta, 1e-3),
        (x, gamma, beta),
        dout,
    )
    out, cache = spatial_groupnorm_forward(x, gamma, beta, G, {"eps": 1e-3})
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-10)
    ours = spatial_groupnorm_backward(dout, cache)
    for gradient, theirs in zip(ours, gradients, strict=True):
        np.testing.assert_allclose(gradient, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("G", [1, 2, 4])
@pytest.mark.parametrize("shape", [(4,), (1, 4, 1, 1)])
def test_groupnorm_backward_equals_numeric_gradients(G, shape):
    x, gamma, beta, dout = normalization_case(N=2, C=4, H=3, W=4)
    gamma, beta = gamma.reshape(shape), beta.reshape(shape)
    _, cache = spatial_groupnorm_forward(x, gamma, beta, G, {})
    ours = spatial_groupnorm_backward(dout, cache)
    for gradient, a in zip(ours, (x, gamma, beta), strict=True):
        numeric = eval_numerical_gradient_array(
            lambda _: spatial_groupnorm_forward(x, gamma, beta, G, {})[0], a, dout
        )
        assert rel_error(gradient, numeric) < 1e-7


def test_groupnorm_of_one_group_is_layer_normalization_of_whole_images():
    x, gamma, beta, dout = normalization_case()
    flat_gamma, flat_beta = np.repeat(gamma, 4 * 5), np.repeat(beta, 4 * 5)
    out, cache = spatial_groupnorm_forward(x, gamma, beta, 1, {})
    flat, flat_cache = layernorm_forward(x.reshape(3, -1), flat_gamma, flat_beta, {})
    np.testing.assert_allclose(out, flat.reshape(x.shape), rtol=1e-12, atol=1e-13)
    dx, dgamma, dbeta = spatial_groupnorm_backward(dout, cache)
    expected = layernorm_backward(dout.reshape(3, -1), flat_cache)
    np.testing.assert_allclose(dx, expected[0].reshape(x.shape), rtol=1e-10, atol=1e-12)
    # There, each pixel has its own gamma and beta; here, a channel's pixels share theirs.
    np.testing.assert_allclose(dgamma, expected[1].reshape(6, 20).sum(1), rtol=1e-12)
    np.testing.assert_allclose(dbeta, expected[2].reshape(6, 20).sum(1), rtol=1e-12)


def test_groupnorm_with_a_group_for_each_channel_is_instance_normalization():
    """That is spatial batch normalization of each image for itself."""
    x, gamma, beta, dout = normalization_case()
    out, cache = spatial_groupnorm_forward(x, gamma, beta, 6, {})
    dx, dgamma, dbeta = spatial_groupnorm_backward(dout, cache)
    sums = np.zeros(6), np.zeros(6)
    for n in range(3):
        here = slice(n, n + 1)
        alone, alone_cache = spatial_batchnorm_forward(
            x[here], gamma, beta, {"mode": "train"}
        )
        np.testing.assert_allclose(out[here], alone, rtol=1e-12, atol=1e-13)
        dx_alone, *others = spatial_batchnorm_backward(dout[here], alone_cache)
        np.testing.assert_allclose(dx[here], dx_alone, rtol=1e-10, atol=1e-12)
        sums = tuple(a + b for a, b in zip(sums, others, strict=True))
    np.testing.assert_allclose(dgamma, sums[0], rtol=1e-12)
    np.testing.assert_allclose(dbeta, sums[1], rtol=1e-12)


def test_groupnorm_treats_each_group_alone():
    x, gamma, beta, _ = normalization_case()
    out, _ = spatial_groupnorm_forward(x, gamma, beta, 3, {})
    alone, _ = spatial_groupnorm_forward(x[:, 2:4], gamma[2:4], beta[2:4], 1, {})
    np.testing.assert_allclose(out[:, 2:4], alone, rtol=1e-13)


def test_groupnorm_output_does_not_change_when_a_group_is_shifted_and_scaled():
    x, gamma, beta, _ = normalization_case()
    settings = {"eps": 1e-300}  # eps alone breaks the invariance
    out, _ = spatial_groupnorm_forward(x, gamma, beta, 3, settings)
    moved = x.copy()
    moved[1, 2:4] = 7 * moved[1, 2:4] - 100
    other, _ = spatial_groupnorm_forward(moved, gamma, beta, 3, settings)
    np.testing.assert_allclose(out, other, rtol=1e-9, atol=1e-9)


def test_groupnorm_input_gradient_is_blind_to_shift_and_scale():
    x, gamma, beta, dout = normalization_case()
    _, cache = spatial_groupnorm_forward(x, gamma, beta, 3, {"eps": 1e-300})
    dx, _, _ = spatial_groupnorm_backward(dout, cache)
    groups = dx.reshape(3, 3, 40)
    np.testing.assert_allclose(groups.sum(axis=2), 0, atol=1e-13)
    np.testing.assert_allclose(
        (groups * x.reshape(3, 3, 40)).sum(axis=2), 0, atol=1e-12
    )


@pytest.mark.parametrize("G", [1, 2, 6])
def test_groupnorm_of_constant_groups_is_beta_with_gradient_0(G):
    x, beta = np.full((2, 6, 3, 3), 5.0), np.arange(6.0)
    out, cache = spatial_groupnorm_forward(x, np.ones(6), beta, G, {})
    np.testing.assert_allclose(out, np.broadcast_to(beta.reshape(6, 1, 1), x.shape))
    dx, _, _ = spatial_groupnorm_backward(np.ones_like(x), cache)
    np.testing.assert_allclose(dx, 0, atol=1e-10)


def test_groupnorm_of_1x1_maps_with_a_group_for_each_channel_is_beta():
    x, gamma, beta, _ = normalization_case(H=1, W=1)
    out, _ = spatial_groupnorm_forward(x, gamma, beta, 6, {})
    np.testing.assert_array_equal(out[:, :, 0, 0], np.broadcast_to(beta, (3, 6)))


@pytest.mark.parametrize("gamma_shape", [(6,), (1, 6, 1, 1)])
@pytest.mark.parametrize("beta_shape", [(6,), (1, 6, 1, 1)])
def test_groupnorm_takes_both_shapes_and_gives_gradients_in_the_shape_given(
    gamma_shape, beta_shape
):
    x, gamma, beta, dout = normalization_case()
    expected, expected_cache = spatial_groupnorm_forward(x, gamma, beta, 2, {})
    out, cache = spatial_groupnorm_forward(
        x, gamma.reshape(gamma_shape), beta.reshape(beta_shape), 2, {}
    )
    np.testing.assert_array_equal(out, expected)
    dx, dgamma, dbeta = spatial_groupnorm_backward(dout, cache)
    flat = spatial_groupnorm_backward(dout, expected_cache)
    np.testing.assert_array_equal(dx, flat[0])
    np.testing.assert_array_equal(dgamma, flat[1].reshape(gamma_shape))
    np.testing.assert_array_equal(dbeta, flat[2].reshape(beta_shape))


def test_groupnorm_has_eps_1e_5_by_default():
    x, gamma, beta, _ = normalization_case()
    np.testing.assert_array_equal(
        spatial_groupnorm_forward(x, gamma, beta, 2, {})[0],
        spatial_groupnorm_forward(x, gamma, beta, 2, {"eps": 1e-5})[0],
    )


def test_groupnorm_keeps_a_nan_within_its_group():
    x, gamma, beta, _ = normalization_case()
    x[1, 2, 0, 0] = np.nan
    out, _ = spatial_groupnorm_forward(x, gamma, beta, 3, {})
    expected = np.zeros(x.shape, bool)
    expected[1, 2:4] = True
    np.testing.assert_array_equal(np.isnan(out), expected)


@pytest.mark.parametrize("G", [4, 5, 7, 12])
def test_groupnorm_refuses_groups_that_do_not_divide_the_channels_and_names_both(G):
    x, gamma, beta, _ = normalization_case()
    with pytest.raises(
        ValueError,
        match=rf"`G` must divide .* but {G} groups do not divide 6 channels \(x: \(3, 6, 4, 5\)\)\.",
    ):
        spatial_groupnorm_forward(x, gamma, beta, G, {})


@pytest.mark.parametrize(
    ("G", "kind", "message"),
    [
        (0, ValueError, "`G` must be at least 1, but is 0"),
        (-2, ValueError, "`G` must be at least 1, but is -2"),
        (2.0, TypeError, "`G` must be an integer, but is 2.0"),
        (None, TypeError, "`G` must be an integer, but is None"),
        (True, TypeError, "`G` must be an integer, but is True"),
    ],
)
def test_groupnorm_refuses_a_number_of_groups_that_is_none(G, kind, message):
    x, gamma, beta, _ = normalization_case()
    with pytest.raises(kind, match=message):
        spatial_groupnorm_forward(x, gamma, beta, G, {})


@pytest.mark.parametrize(
    ("x", "gamma", "beta", "message"),
    [
        ((3, 6, 4, 5), (5,), (6,),
         r"`gamma` must have shape \(1, C, 1, 1\) or \(C,\) with C = 6, but its shape is \(5,\) "
         r"\(x: \(3, 6, 4, 5\)\)\."),
        ((3, 6, 4, 5), (1, 5, 1, 1), (6,), r"`gamma` must have shape .* its shape is \(1, 5, 1, 1\)"),
        ((3, 6, 4, 5), (6,), (6, 1, 1, 1), r"`beta` must have shape \(1, C, 1, 1\) or \(C,\) with C"),
        ((3, 6, 4, 5), (6,), (1, 6, 4, 5), r"`beta` must have shape \(1, C, 1, 1\) or \(C,\)"),
        ((3, 6, 4, 5), (6, 1), (6,), r"`gamma` must have shape \(1, C, 1, 1\) or \(C,\) with C = 6"),
        ((3, 0, 4, 5), (0,), (0,), r"`x` must have C > 0 in its shape \(N, C, H, W\)"),
        ((3, 6, 0, 5), (6,), (6,), r"`x` must have H > 0 in its shape \(N, C, H, W\)"),
        ((3, 6, 4, 0), (6,), (6,), r"`x` must have W > 0 in its shape \(N, C, H, W\)"),
    ],
)  # fmt: skip
def test_groupnorm_refuses_shapes_that_do_not_fit(x, gamma, beta, message):
    with pytest.raises(ValueError, match=message):
        spatial_groupnorm_forward(np.ones(x), np.ones(gamma), np.ones(beta), 2, {})


@pytest.mark.parametrize(
    ("eps", "kind"), [(0, ValueError), (-1, ValueError), ("a", TypeError)]
)
def test_groupnorm_refuses_a_wrong_eps(eps, kind):
    with pytest.raises(kind, match=r"`gn_param\['eps'\]` must be"):
        spatial_groupnorm_forward(
            np.ones((2, 4, 3, 3)), np.ones(4), np.ones(4), 2, {"eps": eps}
        )
