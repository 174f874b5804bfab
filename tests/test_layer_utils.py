"""The sandwiches equal the chains of their layers; the course allows their gradients
3e-8."""

from __future__ import annotations

import numpy as np
import pytest

from nndl.gradient_check import eval_numerical_gradient_array, rel_error
from nndl.layer_utils import (
    affine_bn_relu_backward,
    affine_bn_relu_forward,
    affine_relu_backward,
    affine_relu_forward,
)
from nndl.layers import affine_forward, batchnorm_forward, relu_forward


def arguments(dtype=np.float64):
    """Return x, w, b, gamma, beta, and dout of an affine layer from (3, 4) to 10
    units."""
    rng = np.random.default_rng(0)
    shapes = [(5, 3, 4), (12, 10), (10,), (10,), (10,), (5, 10)]
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def batchnorm_settings():
    return {
        "mode": "train",
        "running_mean": np.ones(10),
        "running_var": np.full(10, 2.0),
    }


def test_affine_relu_is_an_affine_layer_followed_by_a_relu():
    x, w, b, *_ = arguments()
    out, _ = affine_relu_forward(x, w, b)
    np.testing.assert_array_equal(out, relu_forward(affine_forward(x, w, b)[0])[0])


def test_affine_relu_backward_equals_numeric_gradients():
    x, w, b, _, _, dout = arguments()
    _, cache = affine_relu_forward(x, w, b)
    for gradient, a in zip(affine_relu_backward(dout, cache), (x, w, b), strict=True):
        numeric = eval_numerical_gradient_array(
            lambda _: affine_relu_forward(x, w, b)[0], a, dout
        )
        assert rel_error(gradient, numeric) < 3e-8


@pytest.mark.parametrize("mode", ["train", "test"])
def test_affine_bn_relu_is_the_chain_of_its_three_layers(mode):
    x, w, b, gamma, beta, _ = arguments()
    settings, other = (batchnorm_settings() | {"mode": mode} for _ in range(2))
    out, _ = affine_bn_relu_forward(x, w, b, gamma, beta, settings)
    a, _ = affine_forward(x, w, b)
    np.testing.assert_array_equal(
        out, relu_forward(batchnorm_forward(a, gamma, beta, other)[0])[0]
    )
    np.testing.assert_array_equal(settings["running_mean"], other["running_mean"])
    np.testing.assert_array_equal(settings["running_var"], other["running_var"])


@pytest.mark.parametrize("mode", ["train", "test"])
def test_affine_bn_relu_backward_equals_numeric_gradients(mode):
    x, w, b, gamma, beta, dout = arguments()

    def forward(_):
        settings = batchnorm_settings() | {"mode": mode}
        return affine_bn_relu_forward(x, w, b, gamma, beta, settings)

    names = ("x", "w", "b", "gamma", "beta")
    gradients = affine_bn_relu_backward(dout, forward(None)[1])
    for name, gradient, a in zip(names, gradients, (x, w, b, gamma, beta), strict=True):
        numeric = eval_numerical_gradient_array(lambda a: forward(a)[0], a, dout)
        if mode == "train" and name == "b":
            # The mean takes any bias away, so the gradient is 0 and its relative error says nothing.
            np.testing.assert_allclose(gradient, 0, atol=1e-13)
            np.testing.assert_allclose(numeric, 0, atol=1e-9)
        else:
            assert rel_error(gradient, numeric) < 3e-8, name


def test_affine_bn_relu_equals_pytorch(torch):
    arrays = arguments()
    x, w, b, gamma, beta = tensors = [
        torch.tensor(a, requires_grad=True) for a in arrays[:5]
    ]
    a = torch.nn.functional.linear(x.flatten(1), w.T, b)
    normalized = torch.nn.functional.batch_norm(
        a, None, None, gamma, beta, training=True, eps=1e-5
    )
    theirs = torch.relu(normalized)
    theirs.backward(torch.tensor(arrays[5]))
    out, cache = affine_bn_relu_forward(*arrays[:5], batchnorm_settings())
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    for gradient, tensor in zip(
        affine_bn_relu_backward(arrays[5], cache), tensors, strict=True
    ):
        np.testing.assert_allclose(
            gradient, tensor.grad.numpy(), rtol=1e-10, atol=1e-10
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sandwich_keeps_the_float_type_and_its_inputs(dtype, frozen):
    *arrays, dout = arguments(dtype)
    before = frozen([arrays, dout])
    for forward, backward, args in (
        (affine_relu_forward, affine_relu_backward, arrays[:3]),
        (affine_bn_relu_forward, affine_bn_relu_backward, [*arrays, {"mode": "train"}]),
    ):
        out, cache = forward(*args)
        gradients = backward(dout, cache)
        assert {a.dtype for a in (out, *gradients)} == {np.dtype(dtype)}
        assert [g.shape for g in gradients] == [
            a.shape for a in args if isinstance(a, np.ndarray)
        ]
    assert frozen([arrays, dout]) == before


def test_affine_relu_works_on_an_empty_minibatch():
    out, cache = affine_relu_forward(np.ones((0, 6)), np.ones((6, 5)), np.ones(5))
    assert [g.shape for g in affine_relu_backward(out, cache)] == [(0, 6), (6, 5), (5,)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({1: np.ones((11, 10))}, r"`w` must have shape \(D, M\) with D = 12"),
        ({2: np.ones(9)}, r"`b` must have shape \(M,\) with M = 10"),
        ({3: np.ones(9)}, r"`gamma` must have shape \(D,\) with D = 10"),
        ({4: np.ones(9)}, r"`beta` must have shape \(D,\) with D = 10"),
        ({5: {"mode": "training"}}, r"`bn_param\['mode'\]` must be 'train' or 'test'"),
    ],
)
def test_a_sandwich_passes_on_its_layers_errors(change, message):
    args = dict(enumerate([*arguments()[:5], {"mode": "train"}]))
    with pytest.raises(ValueError, match=message):
        affine_bn_relu_forward(*(args | change).values())


@pytest.mark.parametrize(
    ("forward", "backward", "number"),
    [
        (affine_relu_forward, affine_relu_backward, 3),
        (affine_bn_relu_forward, affine_bn_relu_backward, 6),
    ],
)
def test_a_sandwich_refuses_a_dout_of_another_shape(forward, backward, number):
    args = [*arguments()[:5], {"mode": "train"}][:number]
    _, cache = forward(*args)
    with pytest.raises(ValueError, match="`dout` must have the shape of `x`"):
        backward(np.ones((4, 10)), cache)


@pytest.mark.parametrize("backward", [affine_relu_backward, affine_bn_relu_backward])
@pytest.mark.parametrize("cache", [None, (), "ab", (None, None)])
def test_a_sandwich_refuses_a_wrong_cache(backward, cache):
    with pytest.raises((TypeError, ValueError), match="`cache` must be"):
        backward(np.ones((5, 10)), cache)
