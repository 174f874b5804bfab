"""The fully connected networks: gradients, options, and what they promise the
solver."""

from __future__ import annotations

import copy
import inspect
import itertools
import math

import numpy as np
import pytest

from nndl.fast_layers import FastCache
from nndl.fc_net import FullyConnectedNet, TwoLayerNet
from nndl.layers import affine_forward, batchnorm_forward, relu_forward, softmax_loss

NORMALIZATIONS = [None, "batchnorm", "layernorm"]
every_normalization = pytest.mark.parametrize("normalization", NORMALIZATIONS)
float_types = pytest.mark.parametrize(
    "dtype", [np.float32, np.float64], ids=["float32", "float64"]
)


def batch(N=6, D=15, C=10):
    rng = np.random.default_rng(0)
    return rng.standard_normal((N, D)), rng.integers(C, size=N)


def small_net(hidden_dims=(9, 8), **options):
    options = {"weight_scale": 0.3, "dtype": np.float64, "rng": 1} | options
    net = FullyConnectedNet(list(hidden_dims), input_dim=15, num_classes=10, **options)
    rng = np.random.default_rng(2)
    for (
        name,
        w,
    ) in net.params.items():  # at 0 and 1, biases, beta and gamma would hide mistakes
        if not name.startswith("W"):
            w += 0.3 * rng.standard_normal(w.shape)
    return net


# ---- gradients -----------------------------------------------------------------------


@pytest.mark.parametrize("reg", [0, 3.14])
def test_gradients_of_the_two_layer_net_equal_numeric_ones(
    reg, assert_gradients_are_numeric
):
    net = TwoLayerNet(
        input_dim=15, hidden_dim=9, num_classes=10, weight_scale=0.3, reg=reg, rng=1
    )
    net.params["b1"] += np.linspace(-0.5, 0.5, 9)
    assert_gradients_are_numeric(net, *batch())


@every_normalization
@pytest.mark.parametrize("reg", [0, 3.14])
def test_gradients_of_a_deeper_net_equal_numeric_ones(
    normalization, reg, assert_gradients_are_numeric
):
    assert_gradients_are_numeric(
        small_net(normalization=normalization, reg=reg), *batch()
    )


@every_normalization
@pytest.mark.parametrize("keep", [0.75, 0.5])
def test_gradients_through_dropout_with_a_seed_equal_numeric_ones(
    normalization, keep, assert_gradients_are_numeric
):
    net = small_net(normalization=normalization, dropout_keep_ratio=keep, seed=123)
    assert_gradients_are_numeric(net, *batch())


def test_gradients_of_a_net_without_hidden_layers_equal_numeric_ones(
    assert_gradients_are_numeric,
):
    assert_gradients_are_numeric(small_net(hidden_dims=(), reg=0.1), *batch())


@every_normalization
@pytest.mark.parametrize("keep", [1, 0.6])
def test_loss_and_gradients_equal_pytorchs(torch, normalization, keep):
    F = torch.nn.functional
    net = small_net(
        normalization=normalization, dropout_keep_ratio=keep, seed=5, reg=0.7
    )
    X, y = batch()
    loss, grads = net.loss(X, y)

    params = {
        name: torch.tensor(w, requires_grad=True) for name, w in net.params.items()
    }
    out = torch.tensor(X)
    for i in (1, 2):
        out = F.linear(out, params[f"W{i}"].T, params[f"b{i}"])
        if normalization == "batchnorm":
            out = F.batch_norm(
                out, None, None, params[f"gamma{i}"], params[f"beta{i}"], True, eps=1e-5
            )
        if normalization == "layernorm":
            out = F.layer_norm(
                out, out.shape[1:], params[f"gamma{i}"], params[f"beta{i}"], eps=1e-5
            )
        out = F.relu(out)
        if keep != 1:
            mask = (
                np.random.default_rng(net.dropout_params[i - 1]["seed"]).random(
                    out.shape
                )
                < keep
            )
            out = out * torch.tensor(mask) / keep
    scores = F.linear(out, params["W3"].T, params["b3"])
    theirs = F.cross_entropy(scores, torch.tensor(y))
    theirs = theirs + 0.35 * sum((params[f"W{i}"] ** 2).sum() for i in (1, 2, 3))
    theirs.backward()
    assert loss == pytest.approx(theirs.item(), rel=1e-10)
    for name, gradient in grads.items():
        np.testing.assert_allclose(
            gradient, params[name].grad.numpy(), rtol=1e-10, atol=1e-10, err_msg=name
        )


# ---- the loss ------------------------------------------------------------------------


@pytest.mark.parametrize("C", [2, 10])
@every_normalization
def test_the_initial_loss_is_log_c(C, normalization):
    X, y = batch(N=50, C=C)
    net = FullyConnectedNet(
        [20, 30], 15, C, normalization=normalization, weight_scale=1e-3, rng=0
    )
    assert net.loss(X, y)[0] == pytest.approx(math.log(C), abs=2e-2)
    assert TwoLayerNet(15, 20, C, rng=0).loss(X, y)[0] == pytest.approx(
        math.log(C), abs=1e-3
    )


def test_the_penalty_is_half_reg_times_the_squares_of_the_weights_alone():
    X, y = batch()
    for normalization in NORMALIZATIONS:
        nets = [small_net(normalization=normalization, reg=reg) for reg in (0, 2)]
        (plain, plain_grads), (loss, grads) = (net.loss(X, y) for net in nets)
        weights = {
            name: w for name, w in nets[0].params.items() if name.startswith("W")
        }
        assert len(weights) == 3
        penalty = 0.5 * 2 * sum((w**2).sum() for w in weights.values())
        assert loss - plain == pytest.approx(penalty, rel=1e-12)
        for name in grads:
            added = 2 * weights[name] if name in weights else 0
            np.testing.assert_allclose(
                grads[name] - plain_grads[name], added, rtol=1e-12, atol=1e-13
            )


def test_the_strength_of_the_penalty_may_be_changed_later():
    X, y = batch()
    changed, made = small_net(reg=0), small_net(reg=0.5)
    changed.reg = 0.5
    assert changed.loss(X, y)[0] == made.loss(X, y)[0]


def test_the_scores_of_the_two_layer_net_are_those_of_its_formula():
    net = TwoLayerNet(
        input_dim=15, hidden_dim=9, num_classes=10, weight_scale=0.3, rng=1
    )
    X, _ = batch()
    p = net.params
    expected = np.maximum(0, X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    np.testing.assert_allclose(net.loss(X), expected, rtol=1e-13, atol=1e-14)


def test_images_are_flattened():
    net = small_net()
    X, y = batch()
    images = X.reshape(6, 3, 1, 5)
    np.testing.assert_array_equal(net.loss(images), net.loss(X))
    assert net.loss(images, y)[0] == net.loss(X, y)[0]


@pytest.mark.parametrize("dropout_keep_ratio", [1, 0.5])
@every_normalization
def test_without_labels_the_net_is_in_test_mode(
    normalization, dropout_keep_ratio, frozen
):
    net = small_net(normalization=normalization, dropout_keep_ratio=dropout_keep_ratio)
    X, y = batch()
    for _ in range(3):
        net.loss(X, y)
    averages = frozen([(p["running_mean"], p["running_var"]) for p in net.bn_params])
    scores = net.loss(X)
    np.testing.assert_array_equal(net.loss(X), scores)
    # In test mode no example depends on the others, but for the rounding of another product.
    np.testing.assert_allclose(net.loss(X[2:3]), scores[2:3], rtol=1e-12, atol=1e-13)
    assert (
        frozen([(p["running_mean"], p["running_var"]) for p in net.bn_params])
        == averages
    )
    assert {p["mode"] for p in net.bn_params + net.dropout_params} <= {"test"}


def test_with_labels_batch_normalization_updates_its_running_averages():
    net = small_net(normalization="batchnorm")
    X, y = batch()
    net.loss(X, y)
    a = X @ net.params["W1"] + net.params["b1"]
    np.testing.assert_allclose(
        net.bn_params[0]["running_mean"], 0.1 * a.mean(axis=0), rtol=1e-12
    )
    np.testing.assert_allclose(
        net.bn_params[0]["running_var"], 0.1 * a.var(axis=0), rtol=1e-12
    )


# ---- fast and readable layers --------------------------------------------------------


def two_layer_net(**options):
    options = {"weight_scale": 0.3, "dtype": np.float64, "rng": 1} | options
    return TwoLayerNet(15, 9, 10, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"normalization": normalization, "dropout_keep_ratio": keep, "seed": 3}
        for normalization in NORMALIZATIONS
        for keep in (1, 0.6)
    ]
    + [{"hidden_dims": ()}, None],
    ids=str,
)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)]
)
def test_a_fast_net_equals_its_readable_twin(options, dtype, tolerance):
    X, y = batch()
    fast, readable = (
        two_layer_net(reg=0.3, dtype=dtype, fast=fast)
        if options is None
        else small_net(**options, reg=0.3, dtype=dtype, fast=fast)
        for fast in (True, False)
    )
    (loss, grads), (expected, others) = fast.loss(X, y), readable.loss(X, y)
    assert loss == pytest.approx(expected, rel=tolerance)
    assert list(grads) == list(others)
    for name, gradient in grads.items():
        np.testing.assert_allclose(
            gradient, others[name], rtol=tolerance, atol=tolerance, err_msg=name
        )
    # In test mode scores depend on the running averages of the step before.
    np.testing.assert_allclose(
        fast.loss(X), readable.loss(X), rtol=tolerance, atol=tolerance
    )


def test_a_readable_net_computes_its_formula_to_the_last_bit():
    net = small_net(normalization="batchnorm", fast=False)
    X, y = batch()
    p, bn_params = net.params, copy.deepcopy(net.bn_params)
    out = X
    for i in (1, 2):
        out, _ = affine_forward(out, p[f"W{i}"], p[f"b{i}"])
        gamma, beta = p[f"gamma{i}"], p[f"beta{i}"]
        out, _ = batchnorm_forward(out, gamma, beta, bn_params[i - 1])
        out, _ = relu_forward(out)
    scores, _ = affine_forward(out, p["W3"], p["b3"])
    assert net.loss(X, y)[0] == softmax_loss(scores, y)[0]


@pytest.mark.parametrize("make", [small_net, two_layer_net])
def test_fast_may_be_changed_later(make, layer_calls):
    X, y = batch()
    net = make()
    assert net.fast is True
    net.loss(X, y)
    net.fast = False
    net.loss(X, y)
    caches = [call.result[1] for call in layer_calls if "forward" in call.name]
    kinds = [isinstance(cache, FastCache) for cache in caches]
    half = len(kinds) // 2
    assert kinds == [True] * half + [False] * half


@pytest.mark.parametrize("fast", [True, False])
@every_normalization
@pytest.mark.parametrize("hidden_dims", [(), (9,), (9, 8)])
def test_the_gradient_with_respect_to_the_input_is_not_asked_for(
    hidden_dims, normalization, fast, layer_calls
):
    small_net(hidden_dims, normalization=normalization, fast=fast).loss(*batch())
    asked = [
        call.options["need_dx"]
        for call in layer_calls
        if call.name.startswith("affine") and call.name.endswith("backward")
    ]
    assert asked == [True] * len(hidden_dims) + [False]
    assert layer_calls[-1].result[0] is None


# ---- options -------------------------------------------------------------------------


def test_parameters_have_the_names_and_shapes_of_the_course():
    net = FullyConnectedNet(
        [4, 5], input_dim=3, num_classes=2, normalization="batchnorm", rng=0
    )
    assert {name: w.shape for name, w in net.params.items()} == {
        "W1": (3, 4), "b1": (4,), "gamma1": (4,), "beta1": (4,),
        "W2": (4, 5), "b2": (5,), "gamma2": (5,), "beta2": (5,),
        "W3": (5, 2), "b3": (2,),
    }  # fmt: skip
    net = TwoLayerNet(input_dim=3, hidden_dim=4, num_classes=2, rng=0)
    assert {name: w.shape for name, w in net.params.items()} == {
        "W1": (3, 4), "b1": (4,), "W2": (4, 2), "b2": (2,),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("net", "names", "defaults"),
    [
        (
            TwoLayerNet,
            ["input_dim", "hidden_dim", "num_classes", "weight_scale", "reg"],
            (3072, 100, 10, 1e-3, 0.0),
        ),
        (
            FullyConnectedNet,
            ["input_dim", "num_classes", "dropout_keep_ratio", "normalization", "reg",
             "weight_scale", "dtype", "seed"],
            (3072, 10, 1, None, 0.0, 1e-2, np.float32, None),
        ),
    ],
)  # fmt: skip
def test_arguments_have_the_order_and_the_defaults_of_the_course(net, names, defaults):
    parameters = inspect.signature(net).parameters
    order = [name for name in parameters if name in names]
    assert order == names
    assert tuple(parameters[name].default for name in names) == defaults
    positional = [
        p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    first = ["hidden_dims"] if net is FullyConnectedNet else []
    assert positional[: len(names) + len(first)] == first + names


def test_initial_weights_have_the_scale_asked_for_and_the_others_start_at_0_and_1():
    net = FullyConnectedNet(
        [400, 300], 500, 10, normalization="layernorm", weight_scale=0.05, rng=0
    )
    # 120,000 draws: the standard deviation of their deviation is 0.2 %.
    assert net.params["W2"].std() == pytest.approx(0.05, rel=0.01)
    assert net.params["W2"].mean() == pytest.approx(0, abs=0.001)
    for i in (1, 2, 3):
        assert not net.params[f"b{i}"].any()
    for i in (1, 2):
        assert (net.params[f"gamma{i}"] == 1).all()
        assert not net.params[f"beta{i}"].any()


def test_he_initialization_scales_each_layer_by_its_inputs():
    net = FullyConnectedNet([400, 300], 500, 100, weight_scale="he", rng=0)
    for name, inputs in (("W1", 500), ("W2", 400), ("W3", 300)):
        assert net.params[name].std() == pytest.approx(math.sqrt(2 / inputs), rel=0.02)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"use_batchnorm": True}, {"normalization": "batchnorm"}),
        ({"use_batchnorm": False}, {"normalization": None}),
        ({"dropout": 0.8}, {"dropout_keep_ratio": 0.8}),
        ({"dropout": 0}, {"dropout_keep_ratio": 1}),
        ({"dropout": 1}, {"dropout_keep_ratio": 1}),
        (
            {"use_batchnorm": True, "dropout": 0.8},
            {"normalization": "batchnorm", "dropout_keep_ratio": 0.8},
        ),
    ],
)
def test_the_older_spelling_means_the_same(older, newer):
    X, y = batch()
    (loss, grads), (expected, others) = (
        small_net(seed=3, **options).loss(X, y) for options in (older, newer)
    )
    assert loss == expected
    assert set(grads) == set(others)


@pytest.mark.parametrize(
    "options",
    [
        {"use_batchnorm": True, "normalization": "layernorm"},
        {"dropout": 0.8, "dropout_keep_ratio": 0.5},
        {"dropout": 0, "dropout_keep_ratio": 0.5},
    ],
    ids=str,
)
def test_the_two_spellings_must_not_contradict_each_other(options):
    with pytest.raises(ValueError, match=r"use_batchnorm|dropout"):
        small_net(**options)


def test_normalization_may_come_from_a_numpy_array():
    assert (
        small_net(normalization=np.array(["batchnorm"])[0]).normalization == "batchnorm"
    )


def test_dropout_keeps_about_the_share_asked_for():
    net = small_net(hidden_dims=(2000,), dropout_keep_ratio=0.8, seed=0)
    net.params["b1"][:] = 100.0  # no ReLU is at 0
    net.params["W2"][:] = 1e-4
    kept = (
        net.loss(*batch(N=10))[1]["W2"][:, 0] != 0
    )  # a unit dropped for all ten has no gradient
    assert kept.all()
    _, grads = net.loss(*batch(N=1))
    assert (grads["W2"][:, 0] != 0).mean() == pytest.approx(0.8, abs=0.03)


def test_a_seed_gives_the_same_masks_at_every_call_and_others_in_every_layer():
    net = small_net(hidden_dims=(50, 50), dropout_keep_ratio=0.5, seed=0)
    X, y = batch()
    first, second = net.loss(X, y), net.loss(X, y)
    assert first[0] == second[0]
    seeds = [param["seed"] for param in net.dropout_params]
    assert len(set(seeds)) == 2


def test_without_a_seed_dropout_draws_new_masks_from_the_generator():
    X, y = batch()
    net = small_net(hidden_dims=(50,), dropout_keep_ratio=0.5, rng=4)
    losses = [net.loss(X, y)[0] for _ in range(3)]
    assert len(set(losses)) == 3
    again = small_net(hidden_dims=(50,), dropout_keep_ratio=0.5, rng=4)
    assert [again.loss(X, y)[0] for _ in range(3)] == losses


def test_the_same_generator_gives_the_same_weights_in_both_float_types():
    nets = [
        FullyConnectedNet([5], 4, 3, dtype=dtype, rng=0)
        for dtype in (np.float32, np.float64)
    ]
    for name, w in nets[1].params.items():
        np.testing.assert_array_equal(nets[0].params[name], w.astype(np.float32))


@pytest.mark.parametrize(
    "make", [lambda: TwoLayerNet(4, 5, 3), lambda: FullyConnectedNet([5], 4, 3)]
)
def test_without_a_generator_the_weights_follow_numpys_global_state(make):
    weights = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        weights.append(make().params["W1"])
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).all()


# ---- float types and inputs ----------------------------------------------------------


@float_types
@every_normalization
@pytest.mark.parametrize("keep", [1, np.float64(0.5)])
@pytest.mark.parametrize("fast", [True, False])
def test_a_net_keeps_its_float_type_whatever_it_is_given(
    dtype, normalization, keep, fast, layer_calls
):
    net = FullyConnectedNet(
        [9, 8], 15, 10, keep, normalization, reg=np.float64(0.1), weight_scale=np.float64(0.1),
        dtype=dtype, rng=0, fast=fast,
    )  # fmt: skip
    X, y = batch()
    for inputs in (X.astype(np.float32), X, X.astype(">f4"), (10 * X).astype(np.int8)):
        assert net.loss(inputs).dtype == dtype
        loss, grads = net.loss(inputs, y)
        assert type(loss) is float
        assert {g.dtype for g in grads.values()} == {np.dtype(dtype)}
    assert {w.dtype for w in net.params.values()} == {np.dtype(dtype)}
    seen = {array.dtype for call in layer_calls for array in call.arrays}
    assert seen == {np.dtype(dtype)}
    averages = [
        p[key] for p in net.bn_params for key in ("running_mean", "running_var")
    ]
    assert {a.dtype for a in averages} <= {np.dtype(dtype)}


@float_types
def test_the_two_layer_net_keeps_its_float_type_whatever_it_is_given(dtype):
    net = TwoLayerNet(15, 9, 10, np.float64(0.1), np.float64(0.1), dtype=dtype, rng=0)
    X, y = batch()
    for inputs in (X.astype(np.float32), X):
        assert net.loss(inputs).dtype == dtype
        loss, grads = net.loss(inputs, y)
        assert type(loss) is float
        assert {g.dtype for g in [*grads.values(), *net.params.values()]} == {
            np.dtype(dtype)
        }


@every_normalization
def test_every_update_rule_keeps_a_float32_net_in_float32(normalization):
    from nndl import optim

    X, y = batch()
    for name in optim.__all__:
        net = small_net(normalization=normalization, dtype=np.float32, reg=0.1)
        configs = {key: {"learning_rate": np.float64(1e-3)} for key in net.params}
        for _ in range(2):
            _, grads = net.loss(X, y)
            for key, w in net.params.items():
                net.params[key], configs[key] = getattr(optim, name)(
                    w, grads[key], configs[key]
                )
        assert {w.dtype for w in net.params.values()} == {np.dtype(np.float32)}
        state = itertools.chain.from_iterable(
            config.values() for config in configs.values()
        )
        assert {v.dtype for v in state if isinstance(v, np.ndarray)} <= {
            np.dtype(np.float32)
        }


@every_normalization
def test_the_loss_leaves_data_and_parameters_as_they_were(normalization, frozen):
    net = small_net(normalization=normalization, dropout_keep_ratio=0.5, reg=0.3)
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


def test_data_may_be_lists():
    net = small_net()
    X, y = batch()
    assert net.loss(X.tolist(), y.tolist())[0] == net.loss(X, y)[0]


def test_an_empty_minibatch_has_scores_but_no_loss():
    net = small_net()
    assert net.loss(np.ones((0, 15))).shape == (0, 10)
    with pytest.raises(ValueError, match="`x` must have N > 0"):
        net.loss(np.ones((0, 15)), np.zeros(0, int))


# ---- errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (
            {"normalization": "batch"},
            ValueError,
            "`normalization` must be None or 'batchnorm'",
        ),
        ({"dropout_keep_ratio": 0}, ValueError, "`dropout_keep_ratio` must be above 0"),
        ({"dropout_keep_ratio": 1.5}, ValueError, "`dropout_keep_ratio` must be"),
        (
            {"dropout_keep_ratio": None},
            TypeError,
            "`dropout_keep_ratio` must be a number",
        ),
        ({"dropout": -0.5}, ValueError, "`dropout` must be"),
        ({"dropout": 2}, ValueError, "`dropout` must be"),
        ({"dropout": "a"}, TypeError, "`dropout` must be"),
        ({"reg": -1}, ValueError, "`reg` must be at least 0"),
        ({"reg": "a"}, TypeError, "`reg` must be a number"),
        ({"weight_scale": -1}, ValueError, "`weight_scale` must be"),
        ({"weight_scale": "xavier"}, ValueError, "`weight_scale` must be .*'he'"),
        ({"weight_scale": None}, TypeError, "`weight_scale` must be"),
        (
            {"dtype": np.float16},
            ValueError,
            "`dtype` must be float32 or float64, but is float16",
        ),
        ({"dtype": int}, ValueError, "`dtype` must be float32 or float64"),
        ({"dtype": "real"}, TypeError, "`dtype` must be float32 or float64"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0"),
        ({"seed": 1.5}, TypeError, "`seed` must be an integer"),
        ({"rng": "a"}, TypeError, "`rng` must be"),
        ({"hidden_dims": 5}, TypeError, "`hidden_dims` must be a list of integers"),
        ({"hidden_dims": [5, 0]}, ValueError, "`hidden_dims` must be at least 1"),
        ({"hidden_dims": [5, 2.5]}, TypeError, "`hidden_dims` must be an integer"),
        ({"input_dim": 0}, ValueError, "`input_dim` must be at least 1"),
        ({"input_dim": (3, 32, 32)}, TypeError, "`input_dim` must be an integer"),
        ({"num_classes": 0}, ValueError, "`num_classes` must be at least 1"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(options, kind, message):
    with pytest.raises(kind, match=message):
        FullyConnectedNet(
            **{"hidden_dims": [5], "input_dim": 4, "num_classes": 3, "rng": 0} | options
        )


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"input_dim": 0}, ValueError),
        ({"hidden_dim": 2.5}, TypeError),
        ({"num_classes": -1}, ValueError),
        ({"weight_scale": "a"}, ValueError),
        ({"reg": -1}, ValueError),
        ({"dtype": np.int64}, ValueError),
        ({"rng": 1.5}, TypeError),
    ],
)
def test_a_wrong_option_of_the_two_layer_net_is_an_error_that_names_it(options, kind):
    with pytest.raises(kind, match=f"`{next(iter(options))}` must be"):
        TwoLayerNet(**{"input_dim": 4, "hidden_dim": 5, "num_classes": 3} | options)


@pytest.mark.parametrize("make", [small_net, lambda: TwoLayerNet(15, 9, 10, rng=0)])
@pytest.mark.parametrize(
    ("X", "y", "kind", "message"),
    [
        (np.ones((6, 14)), None, ValueError, r"\(6, 14\)"),
        (np.ones((6, 15)), np.zeros(5, int), ValueError, "`y` must have shape"),
        (
            np.ones((6, 15)),
            np.full(6, 10),
            ValueError,
            "`y` must hold labels from 0 to 9",
        ),
        (np.ones((6, 15)), np.zeros(6), TypeError, "`y` must be an array of integer"),
        (np.ones((6, 15), complex), None, TypeError, "`X` must be an array of float32"),
        ("images", None, TypeError, "`X` must be an array of float32"),
    ],
)
def test_data_that_do_not_fit_are_an_error_that_says_why(make, X, y, kind, message):
    with pytest.raises(kind, match=message):
        make().loss(X, y)
