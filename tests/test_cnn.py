"""The convolutional networks: gradients, specs, both kinds of layers, and what they
promise the solver."""

from __future__ import annotations

import copy
import doctest
import inspect
import math
import pickle
import re

import numpy as np
import pytest

import nndl.cnn
from nndl import layer_utils, optim
from nndl.cnn import ConvNet, ThreeLayerConvNet
from nndl.fc_net import FullyConnectedNet
from nndl.solver import Solver, load_checkpoint

SHAPE = (2, 6, 6)  # of the images here, small enough for loops
both_kinds = pytest.mark.parametrize("fast", [True, False], ids=["fast", "readable"])
with_or_without_batchnorm = pytest.mark.parametrize("use_batchnorm", [False, True])

#: Every kind of layer, in every place where a sandwich begins or ends.
SPECS = [
    "",
    "relu - pool",
    "conv 3",
    "conv 3 - relu",
    "conv 3 - relu - pool",
    "conv 3 - bn - relu - pool",
    "conv 3 - pool - relu - affine 5 - relu",
    "[conv 3 - relu - conv 2 - relu - pool] x 2 - affine 4",
    "[conv 3 - bn - relu - conv 2 - bn - relu - pool]x2 - [affine 4 - bn - relu]x2",
    "conv 4 3x5 pad 2 - gn 2 - relu - pool 3x2 stride 1 - affine 5 - ln - relu",
    "conv 3 5x5 stride 2 - bn - pool 2x1 - affine 5 - relu - bn",
    "conv 3 1x1 - relu - bn - conv 2 2x2 stride 2 pad 0 - gn 1 - relu",
    "conv 2 - dropout 0.8 - [affine 6 - bn - relu - dropout 0.6] x 2",
    "pool 3x3 stride 1 - affine 4 - bn - dropout 0.5",
    "skip [conv 2 - relu - conv 2] - relu - gap",
    "conv 3 - bn - relu - skip [conv 3 - bn - relu - skip [relu - conv 3]] - pool - gap",
    "affine 6 - [skip [affine 6 - ln - relu] x 2 - relu] x 2",
]
every_spec = pytest.mark.parametrize("spec", SPECS)


def batch(N=4, shape=SHAPE, C=5):
    rng = np.random.default_rng(0)
    return rng.standard_normal((N, *shape)), rng.integers(C, size=N)


def away_from_the_start(net):
    """Move a net's biases, `beta` and `gamma` away from 0 and 1, where they would hide
    mistakes."""
    rng = np.random.default_rng(2)
    for name, w in net.params.items():
        if not name.startswith("W"):
            w += 0.3 * rng.standard_normal(w.shape)
    return net


def small_net(spec="conv 3 - bn - relu - pool - affine 5 - relu", **options):
    options = {"dtype": np.float64, "rng": 1, "seed": 3} | options
    return away_from_the_start(ConvNet(spec, SHAPE, num_classes=5, **options))


def three_layer_net(**options):
    options = {
        "num_filters": 3,
        "filter_size": 3,
        "hidden_dim": 7,
        "weight_scale": "he",
        "dtype": np.float64,
        "rng": 1,
    } | options
    return away_from_the_start(ThreeLayerConvNet(SHAPE, num_classes=5, **options))


# ---- gradients -----------------------------------------------------------------------


@with_or_without_batchnorm
@pytest.mark.parametrize("reg", [0, 3.14])
def test_gradients_of_the_three_layer_net_equal_numeric_ones(
    use_batchnorm, reg, assert_gradients_are_numeric
):
    net = three_layer_net(use_batchnorm=use_batchnorm, reg=reg)
    assert_gradients_are_numeric(net, *batch())


@every_spec
@pytest.mark.parametrize("loss", ["softmax", "svm"])
def test_gradients_of_a_net_of_any_layers_equal_numeric_ones(
    spec, loss, assert_gradients_are_numeric
):
    assert_gradients_are_numeric(small_net(spec, loss=loss, reg=0.5), *batch())


def test_gradients_of_a_readable_net_equal_numeric_ones(assert_gradients_are_numeric):
    assert_gradients_are_numeric(small_net(fast=False, reg=0.5), *batch(N=3))


def torch_output(torch, layers, X, params, masks):
    """Compute what a net gives, from the layers' texts, in PyTorch."""
    F = torch.nn.functional
    out, i = X, 0
    inputs = []
    for text in layers:
        kind, *words = text.split()
        numbers = dict(re.findall(r"(stride|pad) (\d+)", text))
        sizes = [tuple(map(int, word.split("x"))) for word in words if "x" in word]
        stride = int(numbers.get("stride", 1 if kind == "conv" else 2))
        if kind in ("conv", "affine"):
            i += 1
            W, b = params[f"W{i}"], params[f"b{i}"]
        if kind in ("bn", "ln", "gn"):
            scale_and_shift = params[f"gamma{i}"], params[f"beta{i}"]
        if kind == "conv":
            same = (W.shape[2] - 1) // 2
            out = F.conv2d(out, W, b, stride, int(numbers.get("pad", same)))
        elif kind == "affine":
            out = F.linear(out.flatten(1), W.T, b)
        elif kind == "pool":
            out = F.max_pool2d(out, *(sizes or [2]), stride)
        elif kind == "relu":
            out = F.relu(out)
        elif kind == "gap":
            out = F.adaptive_avg_pool2d(out, 1).flatten(1)
        elif kind == "skip":
            inputs.append(out)
        elif kind == "]":
            out = out + inputs.pop()
        elif kind == "bn":
            out = F.batch_norm(out, None, None, *scale_and_shift, True)
        elif kind == "ln":
            out = F.layer_norm(out, out.shape[1:], *scale_and_shift)
        elif kind == "gn":
            out = F.group_norm(out, int(words[0]), *scale_and_shift)
        elif kind == "dropout":
            keep = float(words[0])
            mask = np.random.default_rng(next(masks)).random(tuple(out.shape)) < keep
            out = out * torch.tensor(mask) / keep
    return out


def assert_net_equals_pytorch(torch, net, layers, loss_name, dtype=np.float64):
    """Compare scores, loss and gradients with PyTorch's in float64."""
    X, y = batch()
    params = {
        name: torch.tensor(w.astype(np.float64), requires_grad=True)
        for name, w in net.params.items()
    }
    masks = iter([param["seed"] for param in net.dropout_params])
    scores = torch_output(torch, layers, torch.tensor(X), params, masks)
    F, labels = torch.nn.functional, torch.tensor(y)
    if loss_name == "softmax":
        theirs = F.cross_entropy(scores, labels)
    else:
        theirs = F.multi_margin_loss(scores, labels) * scores.shape[1]
    weights = [w for name, w in params.items() if name.startswith("W")]
    theirs = theirs + 0.5 * net.reg * sum((w**2).sum() for w in weights)
    theirs.backward()

    loss, grads = net.loss(X, y)
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    assert loss == pytest.approx(theirs.item(), rel=tolerance)
    assert set(grads) == set(params)
    for name, gradient in grads.items():
        expected = params[name].grad.numpy()
        np.testing.assert_allclose(
            gradient, expected, rtol=tolerance, atol=tolerance, err_msg=name
        )
    if not net.bn_params and not net.dropout_params:
        np.testing.assert_allclose(
            net.loss(X), scores.detach().numpy(), rtol=tolerance, atol=tolerance
        )


@both_kinds
@with_or_without_batchnorm
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_three_layer_net_equals_pytorchs(torch, fast, use_batchnorm, dtype):
    net = three_layer_net(use_batchnorm=use_batchnorm, reg=0.7, fast=fast, dtype=dtype)
    bn = ["bn"] if use_batchnorm else []
    layers = ["conv 3", *bn, "relu", "pool", "affine 7", *bn, "relu", "affine 5"]
    assert_net_equals_pytorch(torch, net, layers, "softmax", dtype)


@both_kinds
@every_spec
@pytest.mark.parametrize("loss", ["softmax", "svm"])
def test_a_net_of_any_layers_equals_pytorchs(torch, spec, loss, fast):
    net = small_net(spec, loss=loss, reg=0.7, fast=fast)
    layers = [layer.text for layer in net.layers]
    assert_net_equals_pytorch(torch, net, layers, loss)


@both_kinds
def test_smoothed_labels_are_pytorchs(torch, fast):
    net = small_net("conv 3 - relu - gap", label_smoothing=0.2, fast=fast)
    X, y = batch()
    scores = torch.tensor(net.loss(X), requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(
        scores, torch.tensor(y), label_smoothing=0.2
    )
    theirs.backward()
    loss, grads = net.loss(X, y)
    assert loss == pytest.approx(theirs.item(), rel=1e-12)
    b = f"b{net.num_layers}"
    np.testing.assert_allclose(grads[b], scores.grad.sum(axis=0), atol=1e-12)


def test_gradients_with_smoothed_labels_equal_numeric_ones(
    assert_gradients_are_numeric,
):
    net = small_net("conv 3 - bn - relu - pool", label_smoothing=0.3, reg=0.5)
    assert_gradients_are_numeric(net, *batch())


def test_a_residual_connection_around_nothing_learned_changes_nothing():
    plain = small_net("conv 3 - relu - gap")
    bridged = ConvNet(
        "conv 3 - relu - skip [conv 3] x 4 - gap", SHAPE, 5, dtype=np.float64
    )
    last = bridged.num_layers
    for name in ("W1", "b1"):
        bridged.params[name] = plain.params[name]
    for kind in ("W", "b"):
        bridged.params[f"{kind}{last}"] = plain.params[f"{kind}2"]
        for i in range(2, last):
            bridged.params[f"{kind}{i}"][...] = 0
    X, _ = batch()
    np.testing.assert_array_equal(bridged.loss(X), plain.loss(X))


# ---- the loss ------------------------------------------------------------------------


def test_the_initial_loss_is_that_of_the_course():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 3, 32, 32)), rng.integers(10, size=50)
    losses = [ThreeLayerConvNet(reg=reg, rng=0).loss(X, y)[0] for reg in (0, 0.5)]
    assert losses[0] == pytest.approx(math.log(10), abs=1e-4)
    assert losses[1] == pytest.approx(2.508, abs=2e-3)


def test_the_initial_svm_loss_is_one_for_each_wrong_class():
    X, y = batch()
    net = small_net("conv 3 - relu", weight_scale=0, loss="svm")
    for w in net.params.values():
        w[...] = 0
    assert net.loss(X, y)[0] == 4


@pytest.mark.parametrize("make", [small_net, three_layer_net])
def test_the_penalty_is_half_reg_times_the_squares_of_the_weights_alone(make):
    X, y = batch()
    nets = [make(reg=reg) for reg in (0, 2)]
    (plain, plain_grads), (loss, grads) = (net.loss(X, y) for net in nets)
    weights = {k: w for k, w in nets[0].params.items() if k.startswith("W")}
    assert len(weights) == 3
    penalty = sum((w**2).sum() for w in weights.values())
    assert loss - plain == pytest.approx(penalty, rel=1e-12)
    for name in grads:
        added = 2 * weights[name] if name in weights else 0
        np.testing.assert_allclose(
            grads[name] - plain_grads[name], added, rtol=1e-12, atol=1e-13
        )


@both_kinds
@pytest.mark.parametrize("make", [small_net, three_layer_net])
def test_without_labels_the_net_is_in_test_mode(make, fast, frozen):
    options = {"use_batchnorm": True} if make is three_layer_net else {}
    if make is small_net:
        options["spec"] = "conv 3 - bn - relu - affine 6 - bn - relu - dropout 0.5"
    net = make(fast=fast, **options)
    X, y = batch()
    for _ in range(3):
        net.loss(X, y)

    def averages():
        return frozen([(p["running_mean"], p["running_var"]) for p in net.bn_params])

    before = averages()
    scores = net.loss(X)
    np.testing.assert_array_equal(net.loss(X), scores)
    # In test mode no example depends on the others, but for the rounding of another product.
    np.testing.assert_allclose(net.loss(X[2:3]), scores[2:3], rtol=1e-12, atol=1e-13)
    assert averages() == before
    assert {p["mode"] for p in net.bn_params + net.dropout_params} == {"test"}


@both_kinds
def test_with_labels_batch_normalization_updates_its_running_averages(fast):
    net = small_net("conv 3 1x1 - bn - relu - affine 4 - bn", fast=fast)
    X, y = batch()
    net.loss(X, y)
    W, b = net.params["W1"][:, :, 0, 0], net.params["b1"]
    a = np.einsum("nchw,fc->nfhw", X, W) + b[:, None, None]
    mean, var = a.mean(axis=(0, 2, 3)), a.var(axis=(0, 2, 3))
    first = net.bn_params[0]
    np.testing.assert_allclose(first["running_mean"], 0.1 * mean, rtol=1e-10)
    np.testing.assert_allclose(first["running_var"], 0.1 * var, rtol=1e-10)
    assert net.bn_params[1]["running_mean"].shape == (4,)
    assert net.bn_params[1]["running_mean"].any()


@both_kinds
@pytest.mark.parametrize("make", [small_net, three_layer_net])
def test_an_empty_minibatch_has_scores_but_no_loss(make, fast):
    options = {"spec": "conv 3 - relu - pool - affine 5"} if make is small_net else {}
    net = make(fast=fast, **options)
    assert net.loss(np.ones((0, *SHAPE))).shape == (0, 5)
    with pytest.raises(ValueError, match="`x` must have N > 0"):
        net.loss(np.ones((0, *SHAPE)), np.zeros(0, int))


# ---- fast and readable layers --------------------------------------------------------


def assert_both_kinds_agree(make):
    X, y = batch()
    fast, readable = make(fast=True), make(fast=False)
    (loss, grads), (expected, others) = fast.loss(X, y), readable.loss(X, y)
    assert loss == pytest.approx(expected, rel=1e-10)
    assert list(grads) == list(others)
    for name, gradient in grads.items():
        np.testing.assert_allclose(
            gradient, others[name], rtol=1e-10, atol=1e-10, err_msg=name
        )
    # The scores in test mode depend on the running averages of the step before.
    np.testing.assert_allclose(fast.loss(X), readable.loss(X), rtol=1e-10, atol=1e-10)


@every_spec
def test_a_fast_net_equals_its_readable_twin(spec):
    assert_both_kinds_agree(lambda fast: small_net(spec, fast=fast, reg=0.3))


@with_or_without_batchnorm
def test_a_fast_three_layer_net_equals_its_readable_twin(use_batchnorm):
    options = {"use_batchnorm": use_batchnorm, "reg": 0.3}
    assert_both_kinds_agree(lambda fast: three_layer_net(fast=fast, **options))


@pytest.mark.parametrize("make", [small_net, three_layer_net])
def test_fast_may_be_changed_later(make, monkeypatch):
    X, y = batch()
    net = make(fast=True)
    expected = net.loss(X, y)[0]
    net.fast = False
    called = []

    def spy(*args):
        called.append(args)
        return original(*args)

    original = layer_utils.conv_forward_naive
    monkeypatch.setattr(layer_utils, "conv_forward_naive", spy)
    assert net.loss(X, y)[0] == pytest.approx(expected, rel=1e-12)
    assert called


def steps_of(spec):
    return [step.function for step in small_net(spec)._steps]


def test_neighbours_run_as_sandwiches_and_all_else_alone():
    assert steps_of("conv 3 - relu - pool - conv 3 - relu - conv 3 - pool") == [
        "conv_relu_pool", "conv_relu", "conv", "max_pool", "affine",
    ]  # fmt: skip
    assert steps_of("conv 3 - bn - relu - pool - affine 4 - bn - relu - affine 4") == [
        "conv_bn_relu", "max_pool", "affine_bn_relu", "affine", "affine",
    ]  # fmt: skip
    assert steps_of("conv 4 - gn 2 - relu - affine 4 - ln - relu - dropout 0.5") == [
        "conv", "spatial_groupnorm", "relu", "affine", "layernorm", "relu", "dropout",
        "affine",
    ]  # fmt: skip
    assert steps_of("conv 4 - relu - bn - affine 4 - relu - bn") == [
        "conv_relu", "spatial_batchnorm", "affine_relu", "batchnorm", "affine",
    ]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS[2:12])
def test_the_gradient_with_respect_to_the_images_is_not_asked_for(spec, layer_calls):
    small_net(spec).loss(*batch())
    asked = [
        call.options.get("need_dx", True)
        for call in layer_calls
        if call.name.endswith("_backward")
    ]
    assert asked == [True] * (len(asked) - 1) + [False]


@with_or_without_batchnorm
def test_the_three_layer_net_does_not_ask_for_it_either(use_batchnorm, layer_calls):
    three_layer_net(use_batchnorm=use_batchnorm).loss(*batch())
    assert layer_calls[-1].options == {"need_dx": False}
    assert layer_calls[-1].result[0] is None


# ---- specs ---------------------------------------------------------------------------


def shapes_of(net):
    return {name: w.shape for name, w in net.params.items()}


def test_parameters_have_the_names_and_shapes_of_the_course():
    assert shapes_of(ThreeLayerConvNet(use_batchnorm=True, rng=0)) == {
        "W1": (32, 3, 7, 7), "b1": (32,), "W2": (8192, 100), "b2": (100,),
        "W3": (100, 10), "b3": (10,), "gamma1": (32,), "beta1": (32,),
        "gamma2": (100,), "beta2": (100,),
    }  # fmt: skip
    net = ThreeLayerConvNet((1, 5, 7), 4, 3, 6, 2, rng=0)
    assert shapes_of(net) == {
        "W1": (4, 1, 3, 3), "b1": (4,), "W2": (4 * 2 * 3, 6), "b2": (6,),
        "W3": (6, 2), "b3": (2,),
    }  # fmt: skip


def test_parameters_are_numbered_by_the_layers_with_weights():
    spec = "conv 4 - relu - conv 6 5x5 - gn 3 - relu - pool - affine 7 - ln - relu"
    assert shapes_of(ConvNet(spec, (3, 8, 10), num_classes=2, rng=0)) == {
        "W1": (4, 3, 3, 3), "b1": (4,),
        "W2": (6, 4, 5, 5), "b2": (6,), "gamma2": (6,), "beta2": (6,),
        "W3": (6 * 4 * 5, 7), "b3": (7,), "gamma3": (7,), "beta3": (7,),
        "W4": (7, 2), "b4": (2,),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("conv 4", (4, 9, 12)),
        ("conv 4 5x5", (4, 9, 12)),
        ("conv 4 1x1", (4, 9, 12)),
        ("conv 4 stride 2", (4, 5, 6)),
        ("conv 4 pad 0", (4, 7, 10)),
        ("conv 4 3x5 pad 2", (4, 11, 12)),
        ("conv 4 2x2 stride 2 pad 0", (4, 4, 6)),
        ("conv 4 9x12 pad 0", (4, 1, 1)),
        ("pool", (3, 4, 6)),
        ("pool 3x3", (3, 4, 5)),
        ("pool 3x3 stride 1", (3, 7, 10)),
        ("pool 9x2 stride 3", (3, 1, 4)),
        ("relu", (3, 9, 12)),
        ("affine 7", (7,)),
    ],
)
def test_a_layer_makes_the_shape_that_it_says(layer, shape):
    net = ConvNet(layer, (3, 9, 12), dtype=np.float64, rng=0)
    assert net.layers[0].output == shape
    assert net.params[f"W{net.num_layers}"].shape == (math.prod(shape), 10)
    assert net.loss(np.ones((2, 3, 9, 12))).shape == (2, 10)


def test_a_group_is_repeated_in_its_place():
    written = "relu - [conv 2 - bn] x 2 - pool - [affine 3 - relu]x3 - dropout 0.5"
    written_out = (
        "relu - conv 2 - bn - conv 2 - bn - pool - affine 3 - relu - affine 3 - relu - "
        "affine 3 - relu - dropout 0.5"
    )
    short, long = (
        [layer.text for layer in small_net(s).layers] for s in (written, written_out)
    )
    assert short == long == [*written_out.split(" - "), "affine 5"]


@pytest.mark.parametrize(
    "spec",
    [
        "[conv 3 3x3 - bn - relu] x 2 - affine 5",
        "[conv 3 3x3-bn-relu]x2-affine 5",
        "  [ conv  3   3x3 -bn- relu ]  x  2 -\n  affine 5 ",
        "conv 3 - bn - relu - [conv 3 stride 1 pad 1 - bn - relu] x 1 - affine 5",
    ],
)
def test_spaces_and_what_may_be_left_out_change_nothing(spec):
    X, y = batch()
    expected = small_net("[conv 3 - bn - relu] x 2 - affine 5").loss(X, y)
    loss, grads = small_net(spec).loss(X, y)
    assert loss == expected[0]
    assert grads.keys() == expected[1].keys()


def test_the_three_layer_net_is_one_of_the_nets_that_a_spec_describes():
    X, y = batch()
    for use_batchnorm in (False, True):
        bn = "bn - " if use_batchnorm else ""
        spec = f"conv 3 - {bn}relu - pool - affine 7 - {bn}relu"
        net, other = three_layer_net(use_batchnorm=use_batchnorm), small_net(spec)
        other.params = {name: net.params[name] for name in other.params}
        (loss, grads), (expected, others) = net.loss(X, y), other.loss(X, y)
        assert loss == expected
        for name, gradient in grads.items():
            np.testing.assert_array_equal(gradient, others[name])


def test_without_convolutions_the_net_is_a_fully_connected_one():
    X, y = batch()
    options = {"rng": 3, "seed": 5, "weight_scale": 0.1, "dtype": np.float64}
    net = ConvNet("[affine 9 - bn - relu - dropout 0.7] x 2", SHAPE, 5, **options)
    twin = FullyConnectedNet(
        [9, 9], 72, 5, dropout_keep_ratio=0.7, normalization="batchnorm", **options
    )
    (loss, grads), (expected, others) = net.loss(X, y), twin.loss(X, y)
    assert loss == expected
    for name, gradient in others.items():
        np.testing.assert_array_equal(gradient, grads[name])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("conf 32", r"'conf 32' as layer 1: a layer must be one of conv F \[KxL\]"),
        ("conv 3 - relu 2", "'relu 2' as layer 2: .* must be written as relu"),
        ("conv 3 -- relu", "'' as layer 2: a layer must be one of"),
        ("relu -", "'' as layer 2"),
        ("conv", r"'conv' as layer 1: .* must be written as conv F \[KxL\]"),
        ("conv 3 3", "'conv 3 3' as layer 1: .* must be written as"),
        ("conv 3 pad 1 stride 2", "'conv 3 pad 1 stride 2' as layer 1"),
        ("conv 3 3x3x3", "'conv 3 3x3x3' as layer 1"),
        ("conv relu", "'conv relu' as layer 1"),
        ("conv 0", "'conv 0' as layer 1: `F` must be at least 1"),
        ("conv 2.5", "'conv 2.5' as layer 1: `F` must be an integer"),
        ("conv 3 0x0", "`K` must be at least 1"),
        ("conv 3 stride 0", "`S` must be at least 1"),
        ("affine 0", "`M` must be at least 1"),
        ("affine", "must be written as affine M"),
        ("dropout 0", "`KEEP` must be above 0 and at most 1, but is 0"),
        ("dropout 1.5", "`KEEP` must be above 0 and at most 1, but is 1.5"),
        ("dropout 0.5.5", "`KEEP` must be a number, but is 0.5.5"),
        ("conv 3 3x5", "'conv 3 3x5' as layer 1: a filter of 3x5 needs its padding"),
        ("conv 3 2x2", "a filter of 2x2 needs its padding"),
        ("conv 3 7x7 pad 0", "'conv 3 7x7 pad 0' as layer 1: .* 7x7, but .* only 6x6"),
        ("pool - pool - pool", "'pool' as layer 3: .* windows of 2x2, but .* only 1x1"),
        ("[pool] x 3", "'pool' as layer 3"),
        ("pool 3x7", "'pool 3x7' as layer 1: .* windows of 3x7"),
        ("affine 5 - conv 3", "'conv 3' as layer 2: conv takes images"),
        ("affine 5 - relu - pool", "'pool' as layer 3: pool takes images"),
        ("affine 4 - gn 2", "'gn 2' as layer 2: gn takes images"),
        ("conv 4 - ln", "'ln' as layer 2: ln must come after an affine layer"),
        ("conv 4 - gn 3", "'gn 3' as layer 2: 3 groups do not divide 4 channels"),
        ("bn - conv 3", "'bn' as layer 1: bn must come after a convolution or affine"),
        ("conv 3 - bn - relu - bn", "'bn' as layer 4: .* at most one normalization"),
        ("conv 4 - gn 2 - bn", "'bn' as layer 3: .* at most one normalization"),
        ("[conv 3 - relu] x 0", r"at least once, but has '\[conv 3 - relu\] x 0'"),
        ("[conv 3 - relu]", "`spec` must have its groups written as"),
        ("[[conv 3] - relu] x 2", "`spec` must have its groups written as"),
        ("[[[[conv 3] x 99] x 99] x 99] x 99", "`spec` must have at most 10,000 layers"),
        ("skip [conv 3 - relu] x 0", "at least once, but has 'skip"),
        ("skip conv 3", "'skip conv 3' as layer 1: a layer must be one of"),
        ("conv 3 - skip [conv 4]", r"'\]' as layer 4: .* takes, \(3, 6, 6\), but gives"),
        ("conv 3 - skip [pool - relu]", r"'\]' as layer 5: .* give back the shape"),
        ("conv 3 - )", "must have its groups written as"),
        ("conv 3 - skip (", "must have its groups written as"),
        ("affine 4 - gap", "'gap' as layer 2: gap takes images"),
        ("gap - pool", "'pool' as layer 2: pool takes images"),
        ("conv 3 - relu] x 2", "`spec` must have its groups written as"),
        ("[conv 3 - relu] x 2 pool", "'relu pool' as layer 4"),
        ("Conv 3", "'Conv 3' as layer 1: a layer must be one of"),
    ],
)  # fmt: skip
def test_an_error_in_a_spec_names_the_layer_and_says_what_is_allowed(spec, message):
    with pytest.raises(ValueError, match=r"`spec` (has|must)") as info:
        small_net(spec)
    info.match(message)


def test_a_net_prints_as_the_table_in_its_docstring():
    results = doctest.testmod(nndl.cnn)
    assert results.attempted == 2
    assert results.failed == 0


# ---- options -------------------------------------------------------------------------


def test_arguments_have_the_order_and_the_defaults_of_the_course():
    parameters = inspect.signature(ThreeLayerConvNet).parameters
    positional = {
        p.name: p.default
        for p in parameters.values()
        if p.kind is p.POSITIONAL_OR_KEYWORD
    }
    assert list(positional.items()) == [
        ("input_dim", (3, 32, 32)), ("num_filters", 32), ("filter_size", 7),
        ("hidden_dim", 100), ("num_classes", 10), ("weight_scale", 1e-3),
        ("reg", 0.0), ("dtype", np.float32), ("use_batchnorm", False),
    ]  # fmt: skip


def test_initial_weights_have_the_scale_asked_for_and_the_others_start_at_0_and_1():
    net = ConvNet("conv 64 5x5 - bn - relu - affine 50 - ln", weight_scale=0.05, rng=0)
    for i, draws in ((1, 64 * 75), (2, 64 * 1024 * 50)):
        W = net.params[f"W{i}"]
        assert W.std() == pytest.approx(0.05, rel=4 / math.sqrt(draws))
        assert W.mean() == pytest.approx(0, abs=4 * 0.05 / math.sqrt(draws))
        assert (net.params[f"gamma{i}"] == 1).all()
        assert not net.params[f"beta{i}"].any()
        assert not net.params[f"b{i}"].any()


@pytest.mark.parametrize(
    "net",
    [
        ConvNet("conv 128 5x5 - relu - affine 100", (3, 8, 8), rng=0),
        ThreeLayerConvNet(
            (3, 16, 16), 128, 5, 100, weight_scale="he", use_batchnorm=True, rng=0
        ),
    ],
    ids=["spec", "three layers"],
)
def test_he_initialization_scales_each_layer_by_its_inputs(net):
    for name, inputs in (("W1", 75), ("W2", 128 * 64), ("W3", 100)):
        assert net.params[name].std() == pytest.approx(math.sqrt(2 / inputs), rel=0.05)


def test_he_initialization_keeps_the_size_of_the_signal_through_many_layers():
    X = np.random.default_rng(0).standard_normal((8, 3, 8, 8))
    he, small = (
        ConvNet("[conv 32 - relu] x 8", (3, 8, 8), weight_scale=scale, rng=0)
        for scale in ("he", 1e-2)
    )
    assert 0.1 < he.loss(X).std() < 10
    assert small.loss(X).std() < 1e-4


def test_the_same_seeds_give_the_same_numbers():
    X, y = batch()
    spec = "conv 3 - bn - relu - dropout 0.7 - affine 5 - relu - dropout 0.5"
    nets = [small_net(spec, seed=None, rng=rng) for rng in (4, 4, 5)]
    one, two, three = ([net.loss(X, y)[0] for _ in range(3)] for net in nets)
    assert one == two
    assert (
        len(set(one + three)) == 6
    )  # new masks at every call, others for another seed
    nets = [three_layer_net(rng=rng) for rng in (4, 4, 5)]
    one, two, three = (net.loss(X, y)[0] for net in nets)
    assert one == two != three


def test_a_seed_gives_the_same_masks_at_every_call_and_others_in_every_layer():
    net = small_net("conv 3 - dropout 0.5 - relu - dropout 0.5", seed=0)
    X, y = batch()
    assert net.loss(X, y)[0] == net.loss(X, y)[0]
    assert len({param["seed"] for param in net.dropout_params}) == 2


def test_none_follows_numpys_global_state():
    losses = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        net = ConvNet("conv 3 - relu - dropout 0.5", SHAPE, 5)
        losses.append(net.loss(*batch())[0])
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("make", [small_net, three_layer_net])
def test_the_same_generator_gives_the_same_weights_in_both_float_types(make):
    single, double = (make(dtype=dtype, rng=0) for dtype in (np.float32, np.float64))
    for name, w in double.params.items():
        if name.startswith("W"):
            np.testing.assert_array_equal(single.params[name], w.astype(np.float32))


@pytest.mark.parametrize(
    "kind", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
@pytest.mark.parametrize("make", [small_net, three_layer_net])
def test_a_copy_is_a_net_of_its_own(make, kind):
    net = make()
    X, y = batch()
    loss, grads = net.loss(X, y)
    twin = kind(net)
    for w in net.params.values():
        w[...] = 0
    other, others = twin.loss(X, y)
    assert other == loss
    for name, gradient in grads.items():
        np.testing.assert_array_equal(gradient, others[name])


# ---- float types and inputs ----------------------------------------------------------


@both_kinds
@every_spec
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_net_keeps_its_float_type_from_input_to_gradient(
    spec, dtype, fast, layer_calls
):
    net = small_net(spec, dtype=dtype, fast=fast, reg=0.3)
    X, y = batch()
    for images in (X.astype(np.float32), X, X.astype(">f4"), (10 * X).astype(np.int8)):
        loss, grads = net.loss(images, y)
        assert type(loss) is float
        assert {a.dtype for a in (net.loss(images), *grads.values())} == {
            np.dtype(dtype)
        }
    assert len(layer_calls) >= 8
    seen = {array.dtype for call in layer_calls for array in call.arrays}
    assert seen == {np.dtype(dtype)}
    averages = [p[k] for p in net.bn_params for k in ("running_mean", "running_var")]
    assert {average.dtype for average in averages} <= {np.dtype(dtype)}


@both_kinds
@pytest.mark.parametrize("make", [small_net, three_layer_net])
def test_the_loss_leaves_data_and_parameters_as_they_were(make, fast, frozen):
    net = make(reg=0.3, fast=fast)
    X, y = batch()
    before = frozen([X, y, net.params])
    net.loss(X, y)
    net.loss(X)
    assert frozen([X, y, net.params]) == before


def test_a_gradient_is_not_a_parameter_itself():
    net = small_net(reg=0.3)
    _, grads = net.loss(*batch())
    for name, gradient in grads.items():
        assert not np.may_share_memory(gradient, net.params[name])


@pytest.mark.parametrize("make", [small_net, three_layer_net])
def test_data_may_be_lists_or_a_view_or_read_only(make):
    net = make()
    X, y = batch(N=8)
    expected = make().loss(X[::-2].copy(), y[::-2].copy())[0]
    assert net.loss(X[::-2].tolist(), y[::-2].tolist())[0] == expected
    assert net.loss(X[::-2], y[::-2])[0] == expected
    X.flags.writeable = y.flags.writeable = False
    assert net.loss(X[::-2], y[::-2])[0] == expected


# ---- training ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: ThreeLayerConvNet((3, 8, 8), 8, 3, 20, weight_scale="he", rng=0),
        lambda: ThreeLayerConvNet((3, 8, 8), 8, 3, 20, use_batchnorm=True, rng=0),
        lambda: ConvNet("[conv 8 - bn - relu - pool] x 2 - affine 20", (3, 8, 8), rng=0),
        lambda: ConvNet("conv 8 - relu - pool - affine 20 - relu", (3, 8, 8), loss="svm", rng=0),
    ],
    ids=["three layers", "with batchnorm", "deeper", "svm"],
)  # fmt: skip
def test_a_net_overfits_twenty_small_images(make, one_thread):
    rng = np.random.default_rng(0)
    X, y = (
        rng.standard_normal((20, 3, 8, 8)).astype(np.float32),
        rng.integers(10, size=20),
    )
    data = {"X_train": X, "y_train": y, "X_val": X, "y_val": y}
    solver = Solver(
        make(), data, update_rule="adam", optim_config={"learning_rate": 1e-2},
        batch_size=10, num_epochs=80, verbose=False, rng=0,
    )  # fmt: skip
    solver.train()
    assert max(solver.train_acc_history) == 1.0
    assert solver.loss_history[-1] < 0.1 * solver.loss_history[0]


def test_the_solver_gives_back_the_running_averages_of_the_best_epoch(frozen):
    net = small_net("conv 3 - relu - conv 3 - bn - relu - pool", dtype=np.float32)
    X, y = batch(N=20)
    data = {"X_train": X, "y_train": y, "X_val": X, "y_val": y}
    options = {"update_rule": "adam", "verbose": False, "batch_size": 5, "rng": 0}
    solver = Solver(net, data, num_epochs=6, num_train_samples=None, **options)
    solver.train()
    # What was the best while training is what the net has now.
    assert solver.check_accuracy(X, y) == solver.best_val_acc
    net.loss(X, y)
    assert frozen(net.bn_params) != frozen(solver._best_bn_params)


@pytest.mark.parametrize(
    "spec",
    [
        "conv 3 - bn - relu - affine 6 - bn - relu",
        "conv 3 - relu - conv 2 - bn - relu",  # the first with weights is not normalized
        "conv 4 - gn 2 - relu - affine 6 - bn - relu",
    ],
)
def test_a_checkpoint_brings_a_net_and_its_running_averages_back(spec, tmp_path):
    X, y = batch(N=20)
    data = {"X_train": X, "y_train": y, "X_val": X, "y_val": y}
    net = small_net(spec, dtype=np.float32)
    Solver(
        net, data, num_epochs=1, batch_size=5, checkpoint_name=tmp_path / "net",
        verbose=False, rng=0,
    ).train()  # fmt: skip
    fresh = small_net(spec, dtype=np.float32, rng=9)
    assert (fresh.loss(X) != net.loss(X)).any()
    load_checkpoint(tmp_path / "net_epoch_1.npz", fresh)
    for name, w in fresh.params.items():
        assert w.dtype == np.float32, name
    saved, loaded = tmp_path / "net_epoch_1.npz", fresh
    with np.load(saved) as arrays:
        for name, w in loaded.params.items():
            np.testing.assert_array_equal(w, arrays[f"params.{name}"])
        for i, bn_param in enumerate(loaded.bn_params):
            for key in ("running_mean", "running_var"):
                expected = arrays[f"bn_params.{i}.{key}"]
                assert expected.any()
                np.testing.assert_array_equal(bn_param[key], expected)
                assert bn_param[key].dtype == np.float32


def test_a_checkpoint_may_be_loaded_into_a_three_layer_net(tmp_path):
    X, y = batch(N=20)
    data = {"X_train": X, "y_train": y, "X_val": X, "y_val": y}
    net = three_layer_net(use_batchnorm=True)
    options = {"checkpoint_name": tmp_path / "net", "verbose": False, "rng": 0}
    Solver(net, data, num_epochs=1, batch_size=5, **options).train()
    fresh = three_layer_net(use_batchnorm=True, rng=9)
    load_checkpoint(tmp_path / "net_epoch_1.npz", fresh)
    assert fresh.bn_params[0]["running_var"].any()
    with pytest.raises(ValueError, match="does not fit the network"):
        load_checkpoint(tmp_path / "net_epoch_1.npz", three_layer_net())


@pytest.mark.parametrize("rule", optim.__all__)
def test_every_update_rule_keeps_a_float32_net_in_float32(rule):
    net = small_net(dtype=np.float32, reg=0.1)
    _, grads = net.loss(*batch())
    for name, w in net.params.items():
        net.params[name], _ = getattr(optim, rule)(w, grads[name], {})
    assert {w.dtype for w in net.params.values()} == {np.dtype(np.float32)}
    assert net.loss(*batch())[1]["W1"].dtype == np.float32


# ---- errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"spec": 5}, TypeError, "`spec` must be a string such as"),
        ({"input_dim": 3072}, TypeError, "`input_dim` must be three integers"),
        ({"input_dim": (3, 32)}, TypeError, "`input_dim` must be three integers"),
        ({"input_dim": (3, 32, 0)}, ValueError, "`input_dim` must be at least 1"),
        ({"input_dim": (3, 32, 1.5)}, TypeError, "`input_dim` must be an integer"),
        ({"input_dim": "abc"}, TypeError, "`input_dim` must be"),
        ({"num_classes": 0}, ValueError, "`num_classes` must be at least 1"),
        ({"weight_scale": -1}, ValueError, "`weight_scale` must be"),
        ({"weight_scale": "xavier"}, ValueError, "`weight_scale` must be .*'he'"),
        ({"reg": -1}, ValueError, "`reg` must be at least 0"),
        ({"dtype": np.float16}, ValueError, "`dtype` must be float32 or float64"),
        ({"loss": "hinge"}, ValueError, "`loss` must be 'softmax' or 'svm'"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0"),
        ({"seed": 1.5}, TypeError, "`seed` must be an integer"),
        ({"rng": "a"}, TypeError, "`rng` must be"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(options, kind, message):
    with pytest.raises(kind, match=message):
        ConvNet(**{"spec": "conv 3", "input_dim": SHAPE, "rng": 0} | options)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"input_dim": (3, 32)}, TypeError, "`input_dim` must be three integers"),
        ({"num_filters": 0}, ValueError, "`num_filters` must be at least 1"),
        ({"filter_size": 2.5}, TypeError, "`filter_size` must be an integer"),
        ({"hidden_dim": 0}, ValueError, "`hidden_dim` must be at least 1"),
        ({"num_classes": "ten"}, TypeError, "`num_classes` must be an integer"),
        ({"weight_scale": None}, TypeError, "`weight_scale` must be"),
        ({"reg": math.nan}, ValueError, "`reg` must be a finite number"),
        ({"dtype": int}, ValueError, "`dtype` must be float32 or float64"),
        ({"rng": -1}, ValueError, "`rng` must be at least 0"),
        ({"input_dim": (3, 1, 8)}, ValueError, "windows of 2x2, but .* only 1x8"),
        ({"input_dim": (3, 2, 2), "filter_size": 8}, ValueError, "windows of 2x2"),
        ({"input_dim": (3, 1, 1), "filter_size": 2}, ValueError, "filters of 2x2"),
    ],
)  # fmt: skip
def test_a_wrong_option_of_the_three_layer_net_is_an_error_that_names_it(
    options, kind, message
):
    with pytest.raises(kind, match=message):
        ThreeLayerConvNet(**{"rng": 0} | options)


@pytest.mark.parametrize("make", [small_net, three_layer_net])
@pytest.mark.parametrize(
    ("X", "y", "kind", "message"),
    [
        (np.ones((4, 3, 6, 6)), None, ValueError, r"`X` must have shape \(N, 2, 6, 6\)"),
        (np.ones((4, 2, 7, 6)), None, ValueError, r"but its shape is \(4, 2, 7, 6\)"),
        (np.ones((4, 72)), None, ValueError, "`X` must have shape"),
        (np.ones((4, *SHAPE)), np.zeros(3, int), ValueError, "`y` must have shape"),
        (np.ones((4, *SHAPE)), np.full(4, 5), ValueError, "`y` must hold labels from 0 to 4"),
        (np.ones((4, *SHAPE)), np.zeros(4), TypeError, "`y` must be an array of integer"),
        (np.ones((4, *SHAPE), complex), None, TypeError, "`X` must be an array of float32"),
        ("images", None, TypeError, "`X` must be an array of float32"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit_are_an_error_that_says_why(make, X, y, kind, message):
    with pytest.raises(kind, match=message):
        make().loss(X, y)
