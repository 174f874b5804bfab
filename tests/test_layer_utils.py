"""The sandwiches equal the chains of their layers; the course allows their gradients
3e-8."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from nndl import layer_utils
from nndl.conv_layers import (
    conv_forward_naive,
    max_pool_forward_naive,
    spatial_batchnorm_forward,
)
from nndl.fast_layers import FastCache
from nndl.gradient_check import eval_numerical_gradient_array
from nndl.layers import affine_forward, batchnorm_forward, relu_forward


class Sandwich(NamedTuple):
    """A sandwich, its arrays by name, and its settings by name."""

    name: str
    arrays: dict[str, tuple[int, ...]]
    settings: dict[str, dict]

    @property
    def forward(self) -> Callable:
        return getattr(layer_utils, f"{self.name}_forward")

    @property
    def backward(self) -> Callable:
        return getattr(layer_utils, f"{self.name}_backward")

    def arguments(self, dtype=np.float64):
        """Return new arrays and settings, in the order that the sandwich wants."""
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(shape) for shape in self.arrays.values()]
        arrays = [array.astype(dtype) for array in arrays]
        return arrays, copy.deepcopy(list(self.settings.values()))


AFFINE = {"x": (5, 3, 4), "w": (12, 10), "b": (10,)}
CONV = {"x": (3, 2, 7, 6), "w": (4, 2, 3, 3), "b": (4,)}


def scale_and_shift(size):
    return {"gamma": (size,), "beta": (size,)}


def batchnorm_settings(size, mode):
    averages = {"running_mean": np.ones(size), "running_var": np.full(size, 2.0)}
    return {"bn_param": {"mode": mode} | averages}


def conv_settings(stride, pad):
    return {"conv_param": {"stride": stride, "pad": pad}}


def pool_settings(height, width, stride):
    sizes = {"pool_height": height, "pool_width": width, "stride": stride}
    return {"pool_param": sizes}


SANDWICHES = [
    Sandwich("affine_relu", AFFINE, {}),
    *(
        Sandwich(
            "affine_bn_relu", AFFINE | scale_and_shift(10), batchnorm_settings(10, mode)
        )
        for mode in ("train", "test")
    ),
    Sandwich("conv_relu", CONV, conv_settings(1, 1)),
    Sandwich("conv_relu", CONV, conv_settings(2, 0)),
    *(
        Sandwich(
            "conv_bn_relu",
            CONV | scale_and_shift(4),
            conv_settings(1, 1) | batchnorm_settings(4, mode),
        )
        for mode in ("train", "test")
    ),
    Sandwich("conv_relu_pool", CONV, conv_settings(1, 1) | pool_settings(2, 2, 2)),
    Sandwich("conv_relu_pool", CONV, conv_settings(1, 1) | pool_settings(3, 2, 1)),
    Sandwich("conv_relu_pool", CONV, conv_settings(2, 2) | pool_settings(2, 2, 2)),
]


def title(sandwich):
    numbers = [
        str(value)
        for settings in sandwich.settings.values()
        for value in settings.values()
        if not isinstance(value, np.ndarray)
    ]
    return "-".join([sandwich.name, *numbers])


every_sandwich = pytest.mark.parametrize("sandwich", SANDWICHES, ids=title)
#: Those for which a setting more or less makes no difference.
one_of_each = pytest.mark.parametrize(
    "sandwich", [SANDWICHES[i] for i in (0, 1, 3, 5, 7)], ids=lambda s: s.name
)
both_kinds = pytest.mark.parametrize("fast", [True, False], ids=["fast", "readable"])


def chain(sandwich, arrays, settings):
    """Compute a sandwich layer by layer."""
    settings = dict(zip(sandwich.settings, settings, strict=True))
    x, w, b, *gamma_beta = arrays
    is_conv = sandwich.name.startswith("conv")
    if is_conv:
        out, _ = conv_forward_naive(x, w, b, settings["conv_param"])
    else:
        out, _ = affine_forward(x, w, b)
    if gamma_beta:
        normalize = spatial_batchnorm_forward if is_conv else batchnorm_forward
        out, _ = normalize(out, *gamma_beta, settings["bn_param"])
    out, _ = relu_forward(out)
    if "pool_param" in settings:
        out, _ = max_pool_forward_naive(out, settings["pool_param"])
    return out


def dout_like(out):
    return np.random.default_rng(1).standard_normal(out.shape).astype(out.dtype)


@both_kinds
@every_sandwich
def test_a_sandwich_is_the_chain_of_its_layers(sandwich, fast):
    arrays, settings = sandwich.arguments()
    _, others = sandwich.arguments()
    out, _ = sandwich.forward(*arrays, *settings, fast=fast)
    expected = chain(sandwich, arrays, others)
    if fast:
        np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-13)
    else:
        np.testing.assert_array_equal(out, expected)
    for entries, other in zip(settings, others, strict=True):
        assert entries.keys() == other.keys()
        for key in entries.keys() & {"running_mean", "running_var"}:
            np.testing.assert_allclose(entries[key], other[key], rtol=1e-12)


@both_kinds
@every_sandwich
def test_gradients_of_a_sandwich_equal_numeric_ones(sandwich, fast, one_thread):
    arrays, settings = sandwich.arguments()

    def forward(_=None):
        return sandwich.forward(*arrays, *copy.deepcopy(settings), fast=fast)

    out, cache = forward()
    dout = dout_like(out)
    gradients = sandwich.backward(dout, cache)
    for name, gradient, a in zip(sandwich.arrays, gradients, arrays, strict=True):
        numeric = eval_numerical_gradient_array(lambda _: forward()[0], a, dout)
        # 1e-9 is what numeric gradients near 0 can be trusted to.
        np.testing.assert_allclose(
            gradient, numeric, rtol=3e-8, atol=2e-9, err_msg=name
        )


@both_kinds
@every_sandwich
def test_a_sandwich_equals_pytorch(torch, sandwich, fast):
    F = torch.nn.functional
    arrays, settings = sandwich.arguments()
    out, cache = sandwich.forward(*arrays, *settings, fast=fast)
    dout = dout_like(out)

    _, settings = sandwich.arguments()
    settings = dict(zip(sandwich.settings, settings, strict=True))
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    x, w, b, *gamma_beta = tensors
    if "conv_param" in settings:
        param = settings["conv_param"]
        theirs = F.conv2d(x, w, b, stride=param["stride"], padding=param["pad"])
    else:
        theirs = F.linear(x.flatten(1), w.T, b)
    if "bn_param" in settings:
        param = settings["bn_param"]
        averages = [torch.tensor(param[k]) for k in ("running_mean", "running_var")]
        theirs = F.batch_norm(theirs, *averages, *gamma_beta, param["mode"] == "train")
    theirs = torch.relu(theirs)
    if "pool_param" in settings:
        height, width, stride = settings["pool_param"].values()
        theirs = F.max_pool2d(theirs, (height, width), stride)
    theirs.backward(torch.tensor(dout))

    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    gradients = sandwich.backward(dout, cache)
    for gradient, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_allclose(
            gradient, tensor.grad.numpy(), rtol=1e-10, atol=1e-10
        )


@every_sandwich
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)]
)
def test_the_gradients_of_both_kinds_agree(sandwich, dtype, tolerance):
    results = []
    for fast in (True, False):
        arrays, settings = sandwich.arguments(dtype)
        out, cache = sandwich.forward(*arrays, *settings, fast=fast)
        results.append([out, *sandwich.backward(dout_like(out), cache)])
    for ours, readable in zip(*results, strict=True):
        np.testing.assert_allclose(ours, readable, rtol=tolerance, atol=tolerance)


@both_kinds
@one_of_each
def test_the_backward_function_follows_the_cache(sandwich, fast):
    arrays, settings = sandwich.arguments()
    out, cache = sandwich.forward(*arrays, *settings, fast=fast)
    assert isinstance(cache, FastCache) == fast
    twin = getattr(layer_utils.fast_layers, f"{sandwich.name}_backward_fast")
    if fast:
        expected = twin(dout_like(out), cache)
        for gradient, other in zip(
            sandwich.backward(dout_like(out), cache), expected, strict=True
        ):
            np.testing.assert_array_equal(gradient, other)
    else:
        with pytest.raises(TypeError, match="`cache` must be"):
            twin(dout_like(out), cache)


def test_a_sandwich_is_fast_unless_it_is_told_otherwise():
    for sandwich in SANDWICHES:
        arrays, settings = sandwich.arguments()
        _, cache = sandwich.forward(*arrays, *settings)
        assert isinstance(cache, FastCache)


@both_kinds
@every_sandwich
def test_without_dx_the_other_gradients_stay_the_same(sandwich, fast):
    arrays, settings = sandwich.arguments()
    out, cache = sandwich.forward(*arrays, *settings, fast=fast)
    dx, *gradients = sandwich.backward(dout_like(out), cache)
    nothing, *others = sandwich.backward(dout_like(out), cache, need_dx=False)
    assert dx.shape == arrays[0].shape
    assert nothing is None
    for gradient, other in zip(gradients, others, strict=True):
        np.testing.assert_array_equal(gradient, other)


@both_kinds
@one_of_each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sandwich_keeps_the_float_type_and_its_inputs(sandwich, dtype, fast, frozen):
    arrays, settings = sandwich.arguments(dtype)
    before = frozen(arrays)
    out, cache = sandwich.forward(*arrays, *settings, fast=fast)
    dout = dout_like(out)
    dout_before = frozen(dout)
    gradients = sandwich.backward(dout, cache)
    assert {a.dtype for a in (out, *gradients)} == {np.dtype(dtype)}
    assert [g.shape for g in gradients] == [a.shape for a in arrays]
    assert frozen(arrays) == before
    assert frozen(dout) == dout_before


@both_kinds
def test_a_sandwich_without_batchnorm_works_on_an_empty_minibatch(fast):
    for sandwich in SANDWICHES:
        arrays, settings = sandwich.arguments()
        if "bn_param" not in sandwich.settings:
            arrays[0] = arrays[0][:0]
            out, cache = sandwich.forward(*arrays, *settings, fast=fast)
            gradients = sandwich.backward(out, cache)
            assert [g.shape for g in gradients] == [a.shape for a in arrays]


@both_kinds
@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("affine_bn_relu", {"w": np.ones((11, 10))}, r"`w` must have shape \(D, M\) with D = 12"),
        ("affine_bn_relu", {"b": np.ones(9)}, r"`b` must have shape \(M,\) with M = 10"),
        ("affine_bn_relu", {"gamma": np.ones(9)}, r"`gamma` must have shape .* = 10"),
        ("affine_bn_relu", {"beta": np.ones(9)}, r"`beta` must have shape .* = 10"),
        ("affine_bn_relu", {"bn_param": {"mode": "training"}}, r"`bn_param\['mode'\]` must be"),
        ("conv_bn_relu", {"w": np.ones((4, 3, 3, 3))}, "`w` must have shape .* with C = 2"),
        ("conv_bn_relu", {"w": np.ones((4, 2, 10, 3))}, "`w` has filters of 10x3"),
        ("conv_bn_relu", {"gamma": np.ones(3)}, "`gamma` must have shape .* = 4"),
        ("conv_bn_relu", {"conv_param": {"stride": 1}}, "`conv_param` must have the key 'pad'"),
        ("conv_bn_relu", {"bn_param": {}}, r"`bn_param\['mode'\]` must be"),
        ("conv_relu", {"b": np.ones(3)}, r"`b` must have shape \(F,\) with F = 4"),
        ("conv_relu_pool", {"x": np.ones((3, 2, 7))}, "`x` must have shape"),
        ("conv_relu_pool", {"pool_param": {"stride": 2}}, "`pool_param` must have the key"),
        ("conv_relu_pool", {"conv_param": {"stride": 0, "pad": 1}}, "must be at least 1"),
    ],
)  # fmt: skip
def test_a_sandwich_passes_on_its_layers_errors(name, change, message, fast):
    sandwich = next(s for s in SANDWICHES if s.name == name)
    arrays, settings = sandwich.arguments()
    names = [*sandwich.arrays, *sandwich.settings]
    arguments = dict(zip(names, [*arrays, *settings], strict=True)) | change
    with pytest.raises(ValueError, match=message):
        sandwich.forward(*arguments.values(), fast=fast)


@both_kinds
@every_sandwich
def test_a_sandwich_refuses_a_dout_of_another_shape(sandwich, fast):
    arrays, settings = sandwich.arguments()
    out, cache = sandwich.forward(*arrays, *settings, fast=fast)
    for wrong in (out[:-1], out[:, :-1], out[..., :-1], out[..., None]):
        with pytest.raises(ValueError, match="`dout` must have"):
            sandwich.backward(wrong, cache)


@one_of_each
@pytest.mark.parametrize("cache", [None, (), "ab", (None, None), (None,) * 3], ids=str)
def test_a_sandwich_refuses_a_wrong_cache(sandwich, cache):
    arrays, settings = sandwich.arguments()
    out, _ = sandwich.forward(*arrays, *settings)
    with pytest.raises((TypeError, ValueError), match="`cache` must be"):
        sandwich.backward(dout_like(out), cache)


def test_a_sandwich_refuses_the_cache_of_another():
    fast, readable = (
        [
            sandwich.forward(*arrays, *settings, fast=kind)
            for sandwich in SANDWICHES
            for arrays, settings in [sandwich.arguments()]
        ]
        for kind in (True, False)
    )
    for results in (fast, readable):
        for sandwich, (out, _) in zip(SANDWICHES, results, strict=True):
            for other, (_, cache) in zip(SANDWICHES, results, strict=True):
                if other.name != sandwich.name:
                    with pytest.raises((TypeError, ValueError), match=r"`\w+` must"):
                        sandwich.backward(dout_like(out), cache)
