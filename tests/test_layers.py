"""The readable layers: against PyTorch, numeric gradients, closed forms, and their
properties.

The course's tolerances for numeric gradients (relative error, float64): affine and ReLU
1e-9, batch and layer normalization 1e-8, dropout 1e-10. PyTorch must agree to 1e-10.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from nndl.gradient_check import (
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    rel_error,
)
from nndl.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    dropout_backward,
    dropout_forward,
    layernorm_backward,
    layernorm_forward,
    relu_backward,
    relu_forward,
    smoothed_softmax_loss,
    softmax_loss,
    svm_loss,
)

BATCHNORM_BACKWARDS = [batchnorm_backward, batchnorm_backward_alt]
LOSSES = [svm_loss, softmax_loss, smoothed_softmax_loss]
FLOATS = [np.float32, np.float64]
float_types = pytest.mark.parametrize("dtype", FLOATS, ids=["float32", "float64"])
every_loss = pytest.mark.parametrize("loss_function", LOSSES)
both_batchnorm_backwards = pytest.mark.parametrize("backward", BATCHNORM_BACKWARDS)


def normal(seed, *shape, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def normalization_case(dtype=np.float64, N=6, D=5):
    """Return x, gamma, beta, dout with a scale and an offset worth normalizing."""
    x = (3 * normal(0, N, D) + 2).astype(dtype)
    return (
        x,
        normal(1, D, dtype=dtype),
        normal(2, D, dtype=dtype),
        normal(3, N, D, dtype=dtype),
    )


def batchnorm_settings(mode, dtype=np.float64, D=5):
    return {
        "mode": mode,
        "eps": np.float64(1e-5),
        "momentum": np.float64(0.7),
        "running_mean": normal(4, D, dtype=dtype),
        "running_var": normal(5, D, dtype=dtype) ** 2 + 0.5,
    }


# Every layer as (forward, backwards, its arguments in a dtype). Settings are NumPy scalars of float64,
# which would turn a float32 array into float64 if a layer let them.
def layers(dtype):
    x, gamma, beta, _ = normalization_case(dtype)
    affine = [
        normal(0, 4, 2, 3, dtype=dtype),
        normal(1, 6, 5, dtype=dtype),
        normal(2, 5, dtype=dtype),
    ]
    p = np.float64(0.6)
    return {
        "affine": (affine_forward, [affine_backward], affine),
        "relu": (relu_forward, [relu_backward], [x]),
        "batchnorm train": (
            batchnorm_forward,
            BATCHNORM_BACKWARDS,
            [x, gamma, beta, batchnorm_settings("train", dtype)],
        ),
        "batchnorm test": (
            batchnorm_forward,
            BATCHNORM_BACKWARDS,
            [x, gamma, beta, batchnorm_settings("test", dtype)],
        ),
        "layernorm": (
            layernorm_forward,
            [layernorm_backward],
            [x, gamma, beta, {"eps": np.float64(1e-5)}],
        ),
        "dropout train": (
            dropout_forward,
            [dropout_backward],
            [x, {"mode": "train", "p": p, "seed": 3}],
        ),
        "dropout test": (
            dropout_forward,
            [dropout_backward],
            [x, {"mode": "test", "p": p}],
        ),
    }


every_layer = pytest.mark.parametrize("name", layers(np.float64))


def as_tuple(gradients):
    return gradients if isinstance(gradients, tuple) else (gradients,)


# ---- what holds for every layer ------------------------------------------------------


@every_layer
@float_types
def test_a_layer_keeps_the_float_type_and_the_shapes(name, dtype):
    forward, backwards, args = layers(dtype)[name]
    out, cache = forward(*args)
    assert out.dtype == dtype
    arrays = [arg for arg in args if isinstance(arg, np.ndarray)]
    for backward in backwards:
        gradients = as_tuple(backward(np.ones_like(out), cache))
        assert [g.dtype for g in gradients] == [dtype] * len(arrays)
        assert [g.shape for g in gradients] == [a.shape for a in arrays]


@every_layer
def test_a_layer_leaves_its_arguments_as_they_were(name, frozen):
    forward, backwards, args = layers(np.float64)[name]
    before = frozen(args)
    if name == "batchnorm train":  # the documented exception
        args[3] = dict(args[3])
    out, cache = forward(*args)
    if name == "batchnorm train":
        args[3] = layers(np.float64)[name][2][3]
    dout = normal(9, *out.shape)
    kept = frozen([dout, cache])
    for backward in backwards:
        backward(dout, cache)
    assert frozen([dout, cache]) == kept
    assert frozen(args) == before


@every_layer
def test_a_layer_converts_integers_and_lists_to_float64(name):
    forward, backwards, args = layers(np.float64)[name]
    rounded = [np.rint(a * 3) if isinstance(a, np.ndarray) else a for a in args]
    expected, cache = forward(*copy.deepcopy(rounded))
    dout = np.arange(float(expected.size)).reshape(expected.shape)
    for convert in (lambda a: a.astype(np.int16), lambda a: a.astype(int).tolist()):
        given = [
            convert(a) if isinstance(a, np.ndarray) else copy.deepcopy(a)
            for a in rounded
        ]
        out, _ = forward(*given)
        assert out.dtype == np.float64
        np.testing.assert_array_equal(out, expected)
        for backward in backwards:
            results = as_tuple(backward(convert(dout), cache))
            for ours, theirs in zip(
                results, as_tuple(backward(dout, cache)), strict=True
            ):
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
    forward, backwards, args = layers(np.float64)[name]
    expected, cache = forward(*copy.deepcopy(args))
    out, other_cache = forward(
        *(layout(a) if isinstance(a, np.ndarray) else a for a in args)
    )
    # Another layout may sum in another order: a few roundings, no more.
    np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-14)
    assert out.dtype == np.float64
    assert out.dtype.isnative
    dout = normal(9, *out.shape)
    for backward in backwards:
        ours = as_tuple(backward(layout(dout), other_cache))
        for gradient, theirs in zip(ours, as_tuple(backward(dout, cache)), strict=True):
            np.testing.assert_allclose(gradient, theirs, rtol=1e-13, atol=1e-13)


@every_layer
def test_a_layer_works_on_read_only_arrays(name):
    forward, backwards, args = layers(np.float64)[name]
    for a in args:
        if isinstance(a, np.ndarray):
            a.flags.writeable = False
    out, cache = forward(*args)
    dout = np.ones_like(out)
    dout.flags.writeable = False
    for backward in backwards:
        assert all(np.isfinite(g).all() for g in as_tuple(backward(dout, cache)))


@every_layer
def test_a_wrong_dout_is_refused(name):
    forward, backwards, args = layers(np.float64)[name]
    out, cache = forward(*args)
    for backward in backwards:
        if (
            name != "dropout test"
        ):  # whose cache holds no mask, hence no shape to compare with
            with pytest.raises(ValueError, match="`dout` must have"):
                backward(np.ones((out.shape[0] + 1, out.shape[1])), cache)
        with pytest.raises(TypeError, match="`dout` must be an array of float32"):
            backward(np.full(out.shape, 1j), cache)


@every_layer
def test_a_wrong_cache_is_refused(name):
    forward, backwards, args = layers(np.float64)[name]
    out, _ = forward(*args)
    for backward in backwards:
        for cache in (None, (), "cache", (None,) * 7):
            with pytest.raises(
                (TypeError, ValueError), match=r"`cache` must be what .*_forward"
            ):
                backward(np.ones_like(out), cache)


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


# ---- affine --------------------------------------------------------------------------


def test_affine_forward_equals_sums_done_by_hand():
    out, _ = affine_forward([[1, 2], [3, 4]], [[1, 0, 2], [0, 1, 3]], [10, 20, 30])
    assert out.tolist() == [[11, 22, 38], [13, 24, 48]]


def test_affine_equals_pytorch(torch):
    x, w, b, dout = normal(0, 7, 2, 3), normal(1, 6, 5), normal(2, 5), normal(3, 7, 5)
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    theirs = torch.nn.functional.linear(tensors[0].flatten(1), tensors[1].T, tensors[2])
    theirs.backward(torch.tensor(dout))
    out, cache = affine_forward(x, w, b)
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    for gradient, tensor in zip(affine_backward(dout, cache), tensors, strict=True):
        np.testing.assert_allclose(
            gradient, tensor.grad.numpy(), rtol=1e-10, atol=1e-10
        )


def test_affine_backward_equals_numeric_gradients():
    x, w, b, dout = normal(0, 10, 2, 3), normal(1, 6, 5), normal(2, 5), normal(3, 10, 5)
    _, cache = affine_forward(x, w, b)
    for gradient, a in zip(affine_backward(dout, cache), (x, w, b), strict=True):
        numeric = eval_numerical_gradient_array(
            lambda _: affine_forward(x, w, b)[0], a, dout
        )
        assert rel_error(gradient, numeric) < 1e-9


@pytest.mark.parametrize(
    ("x", "w", "b", "message"),
    [
        ((4, 7), (6, 5), (5,), r"`w` must have shape \(D, M\) with D = 7"),
        ((4, 6), (6, 5), (6,), r"`b` must have shape \(M,\) with M = 5"),
        ((4, 6), (6, 5), (), r"`b` must have shape \(M,\)"),
        ((4, 6), (30,), (5,), r"`w` must have shape \(D, M\)"),
        ((), (1, 5), (5,), r"`x` must have shape \(N, D...\)"),
    ],
)
def test_affine_forward_refuses_shapes_that_do_not_fit(x, w, b, message):
    with pytest.raises(ValueError, match=message):
        affine_forward(np.ones(x), np.ones(w), np.ones(b))


@pytest.mark.parametrize("shape", [(0, 2, 3), (0, 6)])
def test_affine_works_on_an_empty_minibatch(shape):
    out, cache = affine_forward(np.ones(shape), np.ones((6, 5)), np.ones(5))
    dx, dw, db = affine_backward(out, cache)
    assert out.shape == (0, 5)
    assert dx.shape == shape
    assert not dw.any()
    assert dw.shape == (6, 5)
    assert not db.any()
    assert db.shape == (5,)


# ---- ReLU ----------------------------------------------------------------------------


def test_relu_passes_what_is_positive_and_has_gradient_0_at_0():
    x = [[-1, 0, 2]]
    out, cache = relu_forward(x)
    assert out.tolist() == [[0, 0, 2]]
    assert relu_backward([[5, 5, 5]], cache).tolist() == [[0, 0, 5]]


def test_relu_equals_pytorch(torch):
    x, dout = normal(0, 5, 4, 3), normal(1, 5, 4, 3)
    x[0] = 0
    tensor = torch.tensor(x, requires_grad=True)
    theirs = torch.nn.functional.relu(tensor)
    theirs.backward(torch.tensor(dout))
    out, cache = relu_forward(x)
    np.testing.assert_array_equal(out, theirs.detach().numpy())
    np.testing.assert_array_equal(relu_backward(dout, cache), tensor.grad.numpy())


def test_relu_backward_equals_numeric_gradients():
    x, dout = normal(0, 10, 10), normal(1, 10, 10)
    assert np.abs(x).min() > 1e-4  # no step crosses the kink
    numeric = eval_numerical_gradient_array(lambda a: relu_forward(a)[0], x, dout)
    assert rel_error(relu_backward(dout, relu_forward(x)[1]), numeric) < 1e-9


@pytest.mark.parametrize("shape", [(0, 3), (), (2, 0, 3)])
def test_relu_works_on_any_shape(shape):
    out, cache = relu_forward(np.ones(shape))
    assert out.shape == shape
    assert relu_backward(np.ones(shape), cache).shape == shape


def test_relu_lets_a_nan_be_seen():
    out, _ = relu_forward([np.nan, 1.0])
    assert np.isnan(out[0])


# ---- batch normalization -------------------------------------------------------------


def test_batchnorm_in_training_gives_each_feature_the_mean_beta_and_the_deviation_gamma():
    x = 4 * normal(0, 200, 3) @ normal(1, 3, 3) + 7
    gamma, beta = np.array([1.0, 2.0, 3.0]), np.array([11.0, 12.0, 13.0])
    out, _ = batchnorm_forward(x, gamma, beta, {"mode": "train"})
    np.testing.assert_allclose(out.mean(axis=0), beta, rtol=1e-12)
    # eps is part of the deviation: sqrt(var / (var + eps)) differs from 1 by about eps / var / 2.
    np.testing.assert_allclose(out.std(axis=0), gamma, rtol=1e-5)


def test_batchnorm_in_test_mode_after_warming_up_is_close_to_normalized():
    weights = normal(0, 50, 60), normal(1, 60, 3)
    settings = {"mode": "train"}
    rng = np.random.default_rng(2)
    for _ in range(50):
        hidden = np.maximum(0, rng.standard_normal((200, 50)) @ weights[0]) @ weights[1]
        batchnorm_forward(hidden, np.ones(3), np.zeros(3), settings)
    settings["mode"] = "test"
    hidden = np.maximum(0, rng.standard_normal((200, 50)) @ weights[0]) @ weights[1]
    out, _ = batchnorm_forward(hidden, np.ones(3), np.zeros(3), settings)
    # Another 200 examples than those of the averages: the course calls 0.1 to 0.2 close.
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=0.25)
    np.testing.assert_allclose(out.std(axis=0), 1, atol=0.2)


@pytest.mark.parametrize("momentum", [0, 0.3, 0.9, 1])
def test_batchnorm_keeps_running_averages_of_the_mean_and_the_biased_variance(momentum):
    settings = {"mode": "train", "momentum": momentum}
    mean, var = np.zeros(5), np.zeros(5)
    for seed in range(3):
        x = normal(seed, 6, 5)
        batchnorm_forward(x, np.ones(5), np.zeros(5), settings)
        mean = momentum * mean + (1 - momentum) * x.mean(axis=0)
        var = (
            momentum * var
            + (1 - momentum) * ((x - x.mean(axis=0)) ** 2).sum(axis=0) / 6
        )
    np.testing.assert_allclose(settings["running_mean"], mean, rtol=1e-13)
    np.testing.assert_allclose(settings["running_var"], var, rtol=1e-13)


def test_batchnorm_defaults_are_eps_1e_5_and_momentum_0_9():
    x, gamma, beta, _ = normalization_case()
    short, full = {"mode": "train"}, {"mode": "train", "eps": 1e-5, "momentum": 0.9}
    np.testing.assert_array_equal(
        batchnorm_forward(x, gamma, beta, short)[0],
        batchnorm_forward(x, gamma, beta, full)[0],
    )
    np.testing.assert_array_equal(short["running_mean"], full["running_mean"])
    np.testing.assert_array_equal(short["running_var"], full["running_var"])


def test_batchnorm_in_test_mode_leaves_the_running_averages_alone(frozen):
    x, gamma, beta, _ = normalization_case()
    settings = batchnorm_settings("test")
    before = frozen(settings)
    batchnorm_forward(x, gamma, beta, settings)
    assert frozen(settings) == before


def test_batchnorm_replaces_the_running_averages_instead_of_writing_into_them(frozen):
    x, gamma, beta, _ = normalization_case()
    settings = batchnorm_settings("train")
    mean, var = settings["running_mean"], settings["running_var"]
    before = frozen([mean, var])
    batchnorm_forward(x, gamma, beta, settings)
    assert frozen([mean, var]) == before


@float_types
def test_batchnorm_running_averages_keep_the_float_type(dtype):
    x, gamma, beta, _ = normalization_case(dtype)
    for settings in ({"mode": "train"}, batchnorm_settings("train", dtype)):
        batchnorm_forward(x, gamma, beta, settings)
        assert settings["running_mean"].dtype == dtype
        assert settings["running_var"].dtype == dtype


@pytest.mark.parametrize("mode", ["train", "test"])
@both_batchnorm_backwards
def test_batchnorm_equals_pytorch(torch, mode, backward):
    x, gamma, beta, dout = normalization_case()
    settings = batchnorm_settings(mode)
    running = [torch.tensor(settings[key]) for key in ("running_mean", "running_var")]
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    theirs = torch.nn.functional.batch_norm(
        tensors[0],
        *running,
        *tensors[1:],
        training=mode == "train",
        momentum=0.3,
        eps=1e-5,
    )  # PyTorch's momentum is the weight of the new value, 1 minus ours
    theirs.backward(torch.tensor(dout))
    out, cache = batchnorm_forward(x, gamma, beta, settings)
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    for gradient, tensor in zip(backward(dout, cache), tensors, strict=True):
        np.testing.assert_allclose(
            gradient, tensor.grad.numpy(), rtol=1e-10, atol=1e-10
        )


def test_batchnorm_running_averages_equal_pytorchs_but_for_its_unbiased_variance(torch):
    """PyTorch averages the unbiased variance, N / (N - 1) times the biased one that we
    average."""
    x, gamma, beta, _ = normalization_case()
    settings = batchnorm_settings("train")
    before = settings["running_var"].copy()
    mean, var = (torch.tensor(settings[key]) for key in ("running_mean", "running_var"))
    torch.nn.functional.batch_norm(
        torch.tensor(x), mean, var, training=True, momentum=0.3
    )
    batchnorm_forward(x, gamma, beta, settings)
    np.testing.assert_allclose(
        settings["running_mean"], mean.numpy(), rtol=1e-10, atol=1e-10
    )
    N = len(x)
    added = (var.numpy() - 0.7 * before) * (N - 1) / N
    np.testing.assert_allclose(
        settings["running_var"], 0.7 * before + added, rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("mode", ["train", "test"])
@both_batchnorm_backwards
def test_batchnorm_backward_equals_numeric_gradients(mode, backward):
    x, gamma, beta, dout = normalization_case()

    def forward(_):
        return batchnorm_forward(x, gamma, beta, batchnorm_settings(mode))[0]

    _, cache = batchnorm_forward(x, gamma, beta, batchnorm_settings(mode))
    for gradient, a in zip(backward(dout, cache), (x, gamma, beta), strict=True):
        assert (
            rel_error(gradient, eval_numerical_gradient_array(forward, a, dout)) < 1e-8
        )


@pytest.mark.parametrize("mode", ["train", "test"])
@pytest.mark.parametrize(("N", "D"), [(2, 3), (100, 500), (7, 1)])
def test_both_batchnorm_backwards_agree(mode, N, D):
    x, gamma, beta, dout = normalization_case(N=N, D=D)
    _, cache = batchnorm_forward(x, gamma, beta, batchnorm_settings(mode, D=D))
    for first, second in zip(
        batchnorm_backward(dout, cache),
        batchnorm_backward_alt(dout, cache),
        strict=True,
    ):
        # Relative to the largest entry: in small ones, differences of large numbers remain.
        assert np.abs(first - second).max() <= 1e-13 * np.abs(first).max()


def test_batchnorm_output_does_not_change_when_a_feature_is_shifted_and_scaled():
    x, gamma, beta, _ = normalization_case()
    settings = {"mode": "train", "eps": 1e-300}  # eps alone breaks the invariance
    out, _ = batchnorm_forward(x, gamma, beta, settings)
    moved = x * [1, 10, 0.1, 3, 7] + [5, -100, 0, 0.25, 1]
    other, _ = batchnorm_forward(moved, gamma, beta, settings)
    np.testing.assert_allclose(out, other, rtol=1e-9, atol=1e-9)


@both_batchnorm_backwards
def test_batchnorm_input_gradient_is_blind_to_shift_and_scale(backward):
    x, gamma, beta, dout = normalization_case()
    _, cache = batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": 1e-300})
    dx, _, _ = backward(dout, cache)
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose((dx * x).sum(axis=0), 0, atol=1e-13)


@both_batchnorm_backwards
def test_batchnorm_of_one_example_or_a_constant_feature_is_beta_with_gradient_0(
    backward,
):
    for x in (normal(0, 1, 3), np.full((4, 3), 5.0)):
        out, cache = batchnorm_forward(x, np.ones(3), np.arange(3.0), {"mode": "train"})
        np.testing.assert_allclose(
            out, np.broadcast_to(np.arange(3.0), x.shape), atol=1e-12
        )
        dx, _, _ = backward(np.ones_like(x), cache)
        np.testing.assert_allclose(dx, 0, atol=1e-10)


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ({"mode": "Train"}, ValueError, r"`bn_param\['mode'\]` must be 'train' or 'test', but is"),
        ({"mode": None}, ValueError, r"`bn_param\['mode'\]` must be"),
        ({"mode": 1}, ValueError, r"`bn_param\['mode'\]` must be"),
        ({"eps": 0}, ValueError, r"`bn_param\['eps'\]` must be above 0, but is 0"),
        ({"eps": -1e-5}, ValueError, r"`bn_param\['eps'\]`"),
        ({"eps": math.nan}, ValueError, r"`bn_param\['eps'\]`"),
        ({"eps": "small"}, TypeError, r"`bn_param\['eps'\]` must be a number"),
        ({"momentum": 1.5}, ValueError, r"`bn_param\['momentum'\]` must be at least 0 and at most 1"),
        ({"momentum": -0.1}, ValueError, r"`bn_param\['momentum'\]`"),
        ({"momentum": None}, TypeError, r"`bn_param\['momentum'\]`"),
        ({"running_mean": np.ones(4)}, ValueError, r"\['running_mean'\]` must have shape \(5,\)"),
        ({"running_var": np.ones((1, 5))}, ValueError, r"`bn_param\['running_var'\]` must have shape"),
        ({"running_mean": ["a"] * 5}, TypeError, r"`bn_param\['running_mean'\]`"),
        ({"running_var": np.full(5, 1j)}, TypeError, r"`bn_param\['running_var'\]`"),
    ],
)  # fmt: skip
def test_batchnorm_refuses_a_wrong_setting_and_names_it(wrong, kind, message):
    x, gamma, beta, _ = normalization_case()
    with pytest.raises(kind, match=message):
        batchnorm_forward(x, gamma, beta, {"mode": "train"} | wrong)


@pytest.mark.parametrize(
    ("forward", "name"),
    [(batchnorm_forward, "bn_param"), (layernorm_forward, "ln_param")],
)
@pytest.mark.parametrize("wrong", [None, "train", 0.5])
def test_normalization_refuses_settings_that_are_no_dict(forward, name, wrong):
    with pytest.raises(TypeError, match=f"`{name}` must be a dict"):
        forward(np.ones((2, 3)), np.ones(3), np.ones(3), wrong)


@pytest.mark.parametrize("forward", [batchnorm_forward, layernorm_forward])
@pytest.mark.parametrize(
    ("x", "gamma", "beta", "message"),
    [
        ((4, 5), (4,), (5,), r"`gamma` must have shape \(D,\) with D = 5"),
        ((4, 5), (5,), (1,), r"`beta` must have shape \(D,\) with D = 5"),
        ((4, 5), (1, 5), (5,), "`gamma` must have shape"),
        ((4, 5, 1), (5,), (5,), "`x` must have shape"),
        ((5,), (5,), (5,), "`x` must have shape"),
    ],
)
def test_normalization_refuses_shapes_that_do_not_fit(forward, x, gamma, beta, message):
    with pytest.raises(ValueError, match=message):
        forward(np.ones(x), np.ones(gamma), np.ones(beta), {"mode": "train"})


@pytest.mark.parametrize("mode", ["train", "test"])
def test_batchnorm_refuses_an_empty_minibatch(mode):
    with pytest.raises(ValueError, match="`x` must have N > 0"):
        batchnorm_forward(np.ones((0, 3)), np.ones(3), np.ones(3), {"mode": mode})


# ---- layer normalization -------------------------------------------------------------


def test_layernorm_gives_each_example_mean_0_and_deviation_1():
    x = 4 * normal(0, 4, 60) + 7
    out, _ = layernorm_forward(x, np.full(60, 3.0), np.full(60, 5.0), {})
    np.testing.assert_allclose(out.mean(axis=1), 5, rtol=1e-12)
    # eps is part of the deviation: sqrt(var / (var + eps)) differs from 1 by about eps / var / 2.
    np.testing.assert_allclose(out.std(axis=1), 3, rtol=1e-5)


def test_layernorm_equals_pytorch(torch):
    x, gamma, beta, dout = normalization_case()
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    theirs = torch.nn.functional.layer_norm(tensors[0], (5,), *tensors[1:], eps=1e-3)
    theirs.backward(torch.tensor(dout))
    out, cache = layernorm_forward(x, gamma, beta, {"eps": 1e-3})
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    for gradient, tensor in zip(layernorm_backward(dout, cache), tensors, strict=True):
        np.testing.assert_allclose(
            gradient, tensor.grad.numpy(), rtol=1e-10, atol=1e-10
        )


def test_layernorm_backward_equals_numeric_gradients():
    x, gamma, beta, dout = normalization_case()
    _, cache = layernorm_forward(x, gamma, beta, {})
    for gradient, a in zip(
        layernorm_backward(dout, cache), (x, gamma, beta), strict=True
    ):
        numeric = eval_numerical_gradient_array(
            lambda _: layernorm_forward(x, gamma, beta, {})[0], a, dout
        )
        assert rel_error(gradient, numeric) < 1e-8


def test_layernorm_treats_each_example_alone():
    x, gamma, beta, _ = normalization_case()
    out, _ = layernorm_forward(x, gamma, beta, {})
    alone, _ = layernorm_forward(x[2:3], gamma, beta, {})
    np.testing.assert_allclose(out[2:3], alone, rtol=1e-14)


def test_layernorm_output_does_not_change_when_an_example_is_shifted_and_scaled():
    x, gamma, beta, _ = normalization_case()
    out, _ = layernorm_forward(
        x, gamma, beta, {"eps": 1e-300}
    )  # eps alone breaks the invariance
    moved = (
        x * np.array([[1, 10, 0.1, 3, 7, 2]]).T + np.array([[5, -100, 0, 0.25, 1, 9]]).T
    )
    other, _ = layernorm_forward(moved, gamma, beta, {"eps": 1e-300})
    np.testing.assert_allclose(out, other, rtol=1e-9, atol=1e-9)


def test_layernorm_works_on_an_empty_minibatch():
    out, cache = layernorm_forward(np.ones((0, 3)), np.ones(3), np.ones(3), {})
    assert out.shape == (0, 3)
    assert [g.shape for g in layernorm_backward(out, cache)] == [(0, 3), (3,), (3,)]


def test_layernorm_refuses_examples_without_features():
    with pytest.raises(ValueError, match="`x` must have D > 0"):
        layernorm_forward(np.ones((3, 0)), np.ones(0), np.ones(0), {})


@pytest.mark.parametrize(
    ("eps", "kind"), [(0, ValueError), (-1, ValueError), ("a", TypeError)]
)
def test_layernorm_refuses_a_wrong_eps(eps, kind):
    with pytest.raises(kind, match=r"`ln_param\['eps'\]` must be"):
        layernorm_forward(np.ones((2, 3)), np.ones(3), np.ones(3), {"eps": eps})


# ---- dropout -------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.3, 0.6, 0.75])
def test_dropout_zeroes_the_share_1_minus_p_and_keeps_the_mean(p):
    x = np.random.default_rng(0).standard_normal((500, 500)) + 10
    out, _ = dropout_forward(
        x, {"mode": "train", "p": p, "rng": np.random.default_rng(1)}
    )
    # The standard deviation of the share is below 0.001, that of the mean below 0.031 at p = 0.3.
    assert (out == 0).mean() == pytest.approx(1 - p, abs=0.005)
    assert out.mean() == pytest.approx(10, abs=0.1)


def test_dropout_keeps_a_unit_or_zeroes_it_and_divides_what_it_keeps_by_p():
    x = normal(0, 20, 30)
    out, _ = dropout_forward(x, {"mode": "train", "p": 0.25, "seed": 0})
    kept = out != 0
    assert 0 < kept.sum() < kept.size
    np.testing.assert_allclose(out[kept], x[kept] / 0.25, rtol=1e-15)


def test_dropout_in_test_mode_is_the_identity():
    x = normal(0, 20, 30)
    out, cache = dropout_forward(x, {"mode": "test", "p": 0.25})
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(dropout_backward(x, cache), x)


def test_dropout_that_keeps_everything_is_the_identity():
    x = normal(0, 20, 30)
    out, _ = dropout_forward(x, {"mode": "train", "p": 1})
    np.testing.assert_array_equal(out, x)


@pytest.mark.parametrize("p", [0.25, 0.8])
def test_dropout_equals_pytorch_under_the_mask_read_from_our_output(torch, p):
    x, dout = normal(0, 20, 30), normal(1, 20, 30)
    out, cache = dropout_forward(x, {"mode": "train", "p": p, "seed": 0})
    tensor = torch.tensor(x, requires_grad=True)
    theirs = tensor * torch.tensor(out != 0) / p
    theirs.backward(torch.tensor(dout))
    np.testing.assert_allclose(out, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(
        dropout_backward(dout, cache), tensor.grad.numpy(), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("mode", ["train", "test"])
def test_dropout_backward_equals_numeric_gradients(mode):
    x, dout = normal(0, 10, 10) + 10, normal(1, 10, 10)
    settings = {"mode": mode, "p": 0.2, "seed": 123}
    _, cache = dropout_forward(x, settings)
    numeric = eval_numerical_gradient_array(
        lambda a: dropout_forward(a, settings)[0].copy(), x, dout, h=1e-1
    )  # the function is linear, so a large step has no error but rounding, and little of that
    assert rel_error(dropout_backward(dout, cache), numeric) < 1e-10


def test_dropout_with_a_seed_draws_the_same_mask_at_every_call():
    x = np.ones((20, 30))
    masks = [
        dropout_forward(x, {"mode": "train", "p": 0.5, "seed": s})[0] for s in (0, 0, 1)
    ]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()


def test_dropout_without_a_seed_draws_another_mask_at_every_call():
    x = np.ones((20, 30))
    settings = {"mode": "train", "p": 0.5, "rng": np.random.default_rng(0)}
    assert (dropout_forward(x, settings)[0] != dropout_forward(x, settings)[0]).any()


@pytest.mark.parametrize("settings", [{}, {"rng": None}, {"seed": None}])
def test_dropout_without_a_generator_follows_numpys_global_state(settings):
    outs = []
    for _ in range(2):
        np.random.seed(7)
        outs.append(
            dropout_forward(np.ones((20, 30)), {"mode": "train", "p": 0.5, **settings})[
                0
            ]
        )
    np.testing.assert_array_equal(*outs)


def test_dropout_draws_the_same_mask_for_both_float_types():
    settings = {"mode": "train", "p": 0.5, "seed": 0}
    outs = [dropout_forward(np.ones((20, 30), dtype), settings)[0] for dtype in FLOATS]
    np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize("mode", ["train", "test"])
@pytest.mark.parametrize("shape", [(0, 3), (7,), (2, 3, 4, 5), ()])
def test_dropout_works_on_any_shape(mode, shape):
    out, cache = dropout_forward(np.ones(shape), {"mode": mode, "p": 0.5, "seed": 0})
    assert out.shape == shape
    assert dropout_backward(np.ones(shape), cache).shape == shape


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ({"mode": "eval"}, ValueError, r"`dropout_param\['mode'\]` must be 'train' or 'test'"),
        ({"mode": None}, ValueError, r"`dropout_param\['mode'\]` must be"),
        ({"p": 0}, ValueError, r"`dropout_param\['p'\]` must be above 0 and at most 1, but is 0"),
        ({"p": 1.5}, ValueError, r"`dropout_param\['p'\]`"),
        ({"p": -0.5}, ValueError, r"`dropout_param\['p'\]`"),
        ({"p": None}, TypeError, r"`dropout_param\['p'\]` must be a number"),
        ({"p": True}, TypeError, r"`dropout_param\['p'\]` must be a number"),
        ({"seed": -1}, ValueError, r"`dropout_param\['seed'\]` must be at least 0"),
        ({"seed": "a"}, TypeError, r"`dropout_param\['seed'\]`"),
        ({"seed": 1.5}, TypeError, r"`dropout_param\['seed'\]`"),
        ({"rng": "a"}, TypeError, r"`dropout_param\['rng'\]`"),
    ],
)  # fmt: skip
def test_dropout_refuses_a_wrong_setting_and_names_it(wrong, kind, message):
    with pytest.raises(kind, match=message):
        dropout_forward(np.ones((2, 3)), {"mode": "train", "p": 0.5} | wrong)


@pytest.mark.parametrize("wrong", [None, "train", 0.5])
def test_dropout_refuses_settings_that_are_no_dict(wrong):
    with pytest.raises(TypeError, match="`dropout_param` must be a dict"):
        dropout_forward(np.ones((2, 3)), wrong)


# ---- losses --------------------------------------------------------------------------


def scores_and_labels(dtype=np.float64, N=20, C=7):
    return normal(0, N, C, dtype=dtype), np.random.default_rng(1).integers(C, size=N)


def test_svm_loss_equals_sums_done_by_hand():
    loss, dx = svm_loss([[3, 1, 2.5], [0, 0, 0]], [0, 2])
    assert loss == pytest.approx((0.5 + 2) / 2, rel=1e-15)
    assert dx.tolist() == [[-0.5, 0, 0.5], [0.5, 0.5, -1]]


def test_softmax_loss_equals_probabilities_done_by_hand():
    loss, dx = softmax_loss(np.log([[1, 2, 5], [1, 1, 2]]), [2, 0])
    assert loss == pytest.approx(-(math.log(5 / 8) + math.log(1 / 4)) / 2, rel=1e-15)
    np.testing.assert_allclose(
        dx, [[1 / 16, 1 / 8, -3 / 16], [-3 / 8, 1 / 8, 1 / 4]], rtol=1e-14
    )


def test_softmax_loss_equals_pytorch(torch):
    x, y = scores_and_labels()
    tensor = torch.tensor(x, requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(tensor, torch.tensor(y))
    theirs.backward()
    loss, dx = softmax_loss(x, y)
    assert loss == pytest.approx(theirs.item(), rel=1e-10)
    np.testing.assert_allclose(dx, tensor.grad.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("epsilon", [0, 0.1, 0.5, 1])
def test_smoothed_softmax_loss_equals_pytorch(torch, epsilon):
    x, y = scores_and_labels()
    tensor = torch.tensor(x, requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(
        tensor, torch.tensor(y), label_smoothing=epsilon
    )
    theirs.backward()
    loss, dx = smoothed_softmax_loss(x, y, epsilon)
    assert loss == pytest.approx(theirs.item(), rel=1e-10)
    np.testing.assert_allclose(dx, tensor.grad.numpy(), rtol=1e-10, atol=1e-10)


def test_smoothed_softmax_loss_is_lowest_where_the_probabilities_are_the_labels():
    """Which for ten classes and epsilon 0.1 is a lead of log 91."""
    scores = np.zeros((1, 10))
    scores[0, 3] = math.log(91)
    loss, dx = smoothed_softmax_loss(scores, [3])
    np.testing.assert_allclose(dx, 0, atol=1e-15)
    entropy = -(0.91 * math.log(0.91) + 0.09 * math.log(0.01))
    assert loss == pytest.approx(entropy, rel=1e-14)
    for lead in (4.4, 4.6):
        scores[0, 3] = lead
        assert smoothed_softmax_loss(scores, [3])[0] > loss


@pytest.mark.parametrize(
    ("epsilon", "kind"), [(-0.1, ValueError), (1.1, ValueError), ("a", TypeError)]
)
def test_smoothed_softmax_loss_names_a_wrong_epsilon(epsilon, kind):
    with pytest.raises(kind, match="`epsilon` must be"):
        smoothed_softmax_loss(*scores_and_labels(), epsilon)


def test_svm_loss_equals_pytorchs_times_the_number_of_classes(torch):
    """PyTorch divides the sum of an example's margins by C, the course does not."""
    x, y = scores_and_labels()
    tensor = torch.tensor(x, requires_grad=True)
    theirs = torch.nn.functional.multi_margin_loss(tensor, torch.tensor(y)) * x.shape[1]
    theirs.backward()
    loss, dx = svm_loss(x, y)
    assert loss == pytest.approx(theirs.item(), rel=1e-10)
    np.testing.assert_allclose(dx, tensor.grad.numpy(), rtol=1e-10, atol=1e-10)


@every_loss
def test_a_loss_gradient_equals_the_numeric_gradient(loss_function):
    x, y = scores_and_labels(N=10)
    numeric = eval_numerical_gradient(lambda a: loss_function(a, y)[0], x)
    # The course's bounds for losses, since one loss sums all entries and loses a digit or two.
    np.testing.assert_allclose(loss_function(x, y)[1], numeric, rtol=0, atol=1e-9)


def test_small_scores_give_the_loss_of_guessing():
    x, y = 1e-3 * normal(0, 50, 10), np.arange(50) % 10
    assert softmax_loss(x, y)[0] == pytest.approx(math.log(10), abs=1e-2)
    assert svm_loss(x, y)[0] == pytest.approx(9, abs=1e-2)


@every_loss
def test_a_loss_does_not_change_when_an_example_s_scores_are_shifted(loss_function):
    x, y = scores_and_labels()
    shift = np.random.default_rng(2).integers(-500, 500, size=(20, 1))
    loss, dx = loss_function(x, y)
    shifted_loss, shifted_dx = loss_function(x + shift, y)
    # The sum x + shift keeps about 13 digits of x.
    assert shifted_loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(shifted_dx, dx, rtol=0, atol=1e-13)


@every_loss
def test_the_gradient_of_a_loss_sums_to_0_over_the_classes(loss_function):
    x, y = scores_and_labels()
    np.testing.assert_allclose(loss_function(x, y)[1].sum(axis=1), 0, atol=1e-16)


@every_loss
@float_types
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_a_loss_of_large_scores_is_finite(loss_function, dtype, size):
    x = np.array([[size, -size, 0], [-size, size, size], [size, size, size]], dtype)
    for y in ([0, 1, 2], [1, 0, 0]):
        loss, dx = loss_function(x, y)
        assert math.isfinite(loss)
        assert np.isfinite(dx).all()


@every_loss
@float_types
def test_a_loss_is_a_python_float_and_its_gradient_keeps_the_float_type(
    loss_function, dtype
):
    x, y = scores_and_labels(dtype)
    loss, dx = loss_function(x, y)
    assert type(loss) is float
    assert dx.dtype == dtype
    assert dx.shape == x.shape


@every_loss
def test_a_loss_of_float32_scores_is_that_of_float64_to_float32_precision(
    loss_function,
):
    x, y = scores_and_labels(np.float32, N=500)
    loss, dx = loss_function(x, y)
    expected_loss, expected_dx = loss_function(x.astype(np.float64), y)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-5, atol=1e-9)


@every_loss
def test_a_loss_leaves_its_arguments_as_they_were(loss_function, frozen):
    x, y = scores_and_labels()
    x.flags.writeable = y.flags.writeable = False
    before = frozen([x, y])
    loss_function(x, y)
    assert frozen([x, y]) == before


@every_loss
def test_a_loss_takes_lists_and_integers_of_any_type(loss_function):
    x, y = [[3, 1, 2], [0, 1, 1]], [0, 2]
    loss, dx = loss_function(np.float64(x), np.int64(y))
    for other in (y, tuple(y), np.uint8(y), np.array(y, ">i2"), np.uint64(y)):
        other_loss, other_dx = loss_function(x, other)
        assert other_loss == loss
        np.testing.assert_array_equal(other_dx, dx)


@every_loss
def test_a_single_class_has_loss_0(loss_function):
    loss, dx = loss_function(np.array([[3.0], [4.0]]), [0, 0])
    assert loss == 0
    assert not dx.any()


@every_loss
@pytest.mark.parametrize(
    ("x", "y", "kind", "message"),
    [
        (np.ones((0, 3)), np.zeros(0, int), ValueError, "`x` must have N > 0"),
        (np.ones((2, 0)), [0, 0], ValueError, "`x` must have C > 0"),
        (np.ones(3), [0, 0, 0], ValueError, "`x` must have shape"),
        (np.ones((2, 3, 1)), [0, 0], ValueError, "`x` must have shape"),
        (np.ones((2, 3)), [0], ValueError, r"`y` must have shape \(N,\) with N = 2"),
        (np.ones((2, 3)), [[0], [1]], ValueError, "`y` must have shape"),
        (
            np.ones((2, 3)),
            [0, 3],
            ValueError,
            "`y` must hold labels from 0 to 2.*holds 3",
        ),
        (
            np.ones((2, 3)),
            [-1, 0],
            ValueError,
            "`y` must hold labels from 0 to 2.*holds -1",
        ),
        (
            np.ones((2, 3)),
            [0.0, 1.0],
            TypeError,
            "`y` must be an array of integer class labels",
        ),
        (
            np.ones((2, 3)),
            [True, False],
            TypeError,
            "`y` must be an array of integer class labels",
        ),
        (
            np.ones((2, 3)),
            None,
            TypeError,
            "`y` must be an array of integer class labels",
        ),
        (
            np.ones((2, 3), complex),
            [0, 1],
            TypeError,
            "`x` must be an array of float32",
        ),
    ],
)
def test_a_loss_refuses_wrong_arguments_and_names_them(
    loss_function, x, y, kind, message
):
    with pytest.raises(kind, match=message):
        loss_function(x, y)
