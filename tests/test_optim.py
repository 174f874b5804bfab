"""The update rules: against PyTorch and their formulas; and the compiled ones against the
readable."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest

import nndl
from nndl import optim
from nndl.optim import (
    adam,
    adam_fast,
    adamw,
    adamw_fast,
    rmsprop,
    rmsprop_fast,
    sgd,
    sgd_fast,
    sgd_momentum,
    sgd_momentum_fast,
    sgd_nesterov_momentum,
    sgd_nesterov_momentum_fast,
)

TWINS = {
    sgd: sgd_fast,
    sgd_momentum: sgd_momentum_fast,
    sgd_nesterov_momentum: sgd_nesterov_momentum_fast,
    rmsprop: rmsprop_fast,
    adam: adam_fast,
    adamw: adamw_fast,
}
RULES = [*TWINS, *TWINS.values()]
ADAMS = [adam, adam_fast]
ADAMWS = [adamw, adamw_fast]
MEMORY = {
    sgd: (),
    sgd_momentum: ("velocity",),
    sgd_nesterov_momentum: ("velocity",),
    rmsprop: ("cache",),
    adam: ("m", "v"),
    adamw: ("m", "v"),
}
MEMORY |= {fast: MEMORY[readable] for readable, fast in TWINS.items()}
every_rule = pytest.mark.parametrize("rule", RULES)
both_adamws = pytest.mark.parametrize("rule", ADAMWS)
both_adams = pytest.mark.parametrize("rule", ADAMS)
float_types = pytest.mark.parametrize(
    "dtype", [np.float32, np.float64], ids=["float32", "float64"]
)


def normal(seed, *shape, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def steps(rule, w, gradients, config):
    """Return the parameters after each step."""
    path = []
    for dw in gradients:
        w, config = rule(w, dw, config)
        path.append(w)
    return np.array(path)


# ---- against PyTorch -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "config", "name", "options"),
    [
        (sgd, {"learning_rate": 0.1}, "SGD", {"lr": 0.1}),
        (
            sgd_momentum,
            {"learning_rate": 0.1, "momentum": 0.8},
            "SGD",
            {"lr": 0.1, "momentum": 0.8},
        ),
        (
            sgd_nesterov_momentum,
            {"learning_rate": 0.1, "momentum": 0.8},
            "SGD",
            {"lr": 0.1, "momentum": 0.8, "nesterov": True},
        ),
        (rmsprop, {"learning_rate": 0.1}, "RMSprop", {"lr": 0.1, "alpha": 0.99}),
        (
            rmsprop,
            {"learning_rate": 0.1, "decay_rate": 0.9, "epsilon": 1e-3},
            "RMSprop",
            {"lr": 0.1, "alpha": 0.9, "eps": 1e-3},
        ),
        (adam, {}, "Adam", {"lr": 1e-3}),
        (sgd_fast, {"learning_rate": 0.1}, "SGD", {"lr": 0.1}),
        (rmsprop_fast, {"learning_rate": 0.1}, "RMSprop", {"lr": 0.1, "alpha": 0.99}),
        (adam_fast, {}, "Adam", {"lr": 1e-3}),
        (
            adam,
            {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3},
            "Adam",
            {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3},
        ),
        (adamw, {}, "AdamW", {"lr": 1e-3, "weight_decay": 1e-2}),
        (adamw_fast, {}, "AdamW", {"lr": 1e-3, "weight_decay": 1e-2}),
        (
            adamw,
            {"learning_rate": 0.1, "weight_decay": 0.5, "beta1": 0.8, "epsilon": 1e-3},
            "AdamW",
            {"lr": 0.1, "weight_decay": 0.5, "betas": (0.8, 0.999), "eps": 1e-3},
        ),
    ],
)
def test_a_rule_equals_pytorchs_over_20_steps_at_a_constant_rate(
    torch, rule, config, name, options
):
    w = normal(0, 4, 5)
    gradients = normal(1, 20, 4, 5)
    theirs = torch.tensor(w, requires_grad=True)
    optimizer = getattr(torch.optim, name)([theirs], **options)
    path = []
    for dw in gradients:
        theirs.grad = torch.tensor(dw)
        optimizer.step()
        path.append(theirs.detach().numpy().copy())
    ours = steps(rule, w, gradients, dict(config))
    np.testing.assert_allclose(ours, path, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_at_a_changing_rate_follows_our_formula_and_not_pytorchs(
    torch, nesterov
):
    """Our velocity has the learning rate of its time multiplied in; PyTorch multiplies
    the whole velocity by the present rate. Both are in use; they differ as soon as the
    rate changes.
    """
    rule = sgd_nesterov_momentum if nesterov else sgd_momentum
    w, gradients, mu = normal(0, 5), normal(1, 6, 5), 0.9
    theirs = torch.tensor(w, requires_grad=True)
    optimizer = torch.optim.SGD([theirs], lr=0.1, momentum=mu, nesterov=nesterov)
    expected, v, ours = w.copy(), np.zeros(5), w
    config = {"momentum": mu}
    for i, dw in enumerate(gradients):
        rate = 0.1 / (i + 1)
        config["learning_rate"] = optimizer.param_groups[0]["lr"] = rate
        ours, config = rule(ours, dw, config)
        theirs.grad = torch.tensor(dw)
        optimizer.step()
        new_v = mu * v - rate * dw
        expected = expected + (new_v + mu * (new_v - v) if nesterov else new_v)
        v = new_v
    np.testing.assert_allclose(ours, expected, rtol=1e-13)
    assert np.abs(ours - theirs.detach().numpy()).max() > 1e-2


# ---- against the formulas ------------------------------------------------------------


def test_sgd_follows_its_formula():
    next_w, config = sgd([1, 2], [10, -10], {"learning_rate": 0.5})
    assert next_w.tolist() == [-4, 7]
    assert config == {"learning_rate": 0.5}


def test_nesterov_momentum_takes_the_gradient_at_the_look_ahead_point():
    """With u the point before the look-ahead, w = u + mu v: u' = u + v', v' = mu v -
    eta g(w)."""
    eta, mu = 0.1, 0.9
    u, v = 3.0, 0.0
    w, config = np.array(3.0), {"learning_rate": eta, "momentum": mu}
    for _ in range(10):
        v = mu * v - eta * 2 * (u + mu * v)
        u += v
        w, config = sgd_nesterov_momentum(w, 2 * w, config)
    assert float(w) == pytest.approx(u + mu * v, rel=1e-12)


def test_rmsprop_follows_its_formula_from_a_given_cache():
    config = {
        "learning_rate": 0.1,
        "decay_rate": 0.5,
        "epsilon": 1.0,
        "cache": np.array([8.0]),
    }
    next_w, config = rmsprop([1.0], [2.0], config)
    assert config["cache"].tolist() == [6.0]
    assert next_w.tolist() == [1 - 0.1 * 2 / (math.sqrt(6) + 1)]


@both_adams
def test_adam_s_first_step_is_the_learning_rate_in_the_direction_of_the_gradient(rule):
    dw = np.array([1e-3, -5.0, 1e4])
    next_w, config = rule(np.zeros(3), dw, {"learning_rate": 0.1})
    # epsilon = 1e-8 takes 1e-5 of the smallest.
    np.testing.assert_allclose(next_w, -0.1 * np.sign(dw), rtol=2e-5)
    assert config["t"] == 1


@both_adams
def test_adam_follows_its_formula_in_the_middle_of_training(rule):
    m, v = np.array([0.3, -0.2]), np.array([0.1, 0.4])
    config = {
        "m": m.copy(),
        "v": v.copy(),
        "t": 5,
        "beta1": 0.8,
        "beta2": 0.9,
        "epsilon": 1e-4,
    }
    dw = np.array([1.0, 2.0])
    next_w, config = rule(np.array([1.0, 1.0]), dw, config | {"learning_rate": 0.1})
    m, v = 0.8 * m + 0.2 * dw, 0.9 * v + 0.1 * dw**2
    expected = 1 - 0.1 * (m / (1 - 0.8**6)) / (np.sqrt(v / (1 - 0.9**6)) + 1e-4)
    np.testing.assert_allclose(next_w, expected, rtol=1e-14)
    np.testing.assert_allclose(config["m"], m, rtol=1e-15)
    np.testing.assert_allclose(config["v"], v, rtol=1e-15)
    assert config["t"] == 6


@both_adamws
def test_adamw_shrinks_every_parameter_alike_whatever_its_gradient_has_been(rule):
    """Which a penalty in the loss would not, as Adam divides by the gradient's size."""
    w, dw = np.array([2.0, 2.0]), np.array([1e-3, 1e3])
    config = {"learning_rate": 0.1, "weight_decay": 0.5}
    plain, _ = adam(w, dw, {"learning_rate": 0.1})
    decayed, _ = rule(w, dw, config)
    np.testing.assert_allclose(plain - decayed, 0.1 * 0.5 * w, rtol=1e-12)


@both_adamws
@float_types
def test_adamw_without_weight_decay_is_adam(rule, dtype):
    w, gradients = normal(0, 50, dtype=dtype), normal(1, 5, 50, dtype=dtype)
    path = steps(rule, w, gradients, {"weight_decay": 0})
    assert_same_bits(path, steps(adam, w, gradients, {}))


@pytest.mark.parametrize(
    ("rule", "defaults"),
    [
        (sgd, {"learning_rate": 1e-2}),
        (sgd_momentum, {"learning_rate": 1e-2, "momentum": 0.9}),
        (sgd_nesterov_momentum, {"learning_rate": 1e-2, "momentum": 0.9}),
        (rmsprop, {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8}),
        (adam, {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}),
        (
            adam_fast,
            {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
        ),
        *[
            (rule, {"learning_rate": 1e-3, "weight_decay": 1e-2, "beta2": 0.999})
            for rule in ADAMWS
        ],
    ],
)
def test_a_rule_s_defaults_are_those_of_its_docstring(rule, defaults):
    w, gradients = normal(0, 5), normal(1, 3, 5)
    np.testing.assert_array_equal(
        steps(rule, w, gradients, None), steps(rule, w, gradients, dict(defaults))
    )
    _, config = rule(w, gradients[0])
    assert {name: config[name] for name in defaults} == defaults


# ---- what holds for every rule -------------------------------------------------------


@every_rule
def test_a_rule_goes_down_a_bowl(rule):
    w, config = np.array([3.0, -2.0]), {"learning_rate": 0.05}
    for _ in range(300):
        w, config = rule(w, 2 * w, config)
    assert np.abs(w).max() < 0.1


@every_rule
@float_types
def test_a_rule_keeps_the_float_type_whatever_the_type_of_its_settings(rule, dtype):
    config = {
        name: np.float64(0.5) for name in ("learning_rate", "momentum", "decay_rate")
    }
    config |= {
        "beta1": np.float64(0.5),
        "beta2": np.float64(0.5),
        "epsilon": np.float64(1e-8),
    }
    w = normal(0, 4, 5, dtype=dtype)
    for seed in (1, 2):
        w, config = rule(w, normal(seed, 4, 5, dtype=dtype), config)
        assert w.dtype == dtype
        assert [config[name].dtype for name in MEMORY[rule]] == [dtype] * len(
            MEMORY[rule]
        )


@every_rule
def test_a_rule_gives_w_s_float_type_when_the_gradient_has_another(rule):
    next_w, config = rule(normal(0, 5, dtype=np.float32), normal(1, 5), None)
    assert next_w.dtype == np.float32
    assert [config[name].dtype for name in MEMORY[rule]] == [np.float32] * len(
        MEMORY[rule]
    )


@every_rule
def test_a_rule_leaves_w_and_dw_as_they_were(rule, frozen):
    w, dw, config = normal(0, 4, 5), normal(1, 4, 5), None
    w.flags.writeable = dw.flags.writeable = False
    before = frozen([w, dw])
    for _ in range(3):
        next_w, config = rule(w, dw, config)
        assert not np.may_share_memory(next_w, w)
    assert frozen([w, dw]) == before


@pytest.mark.parametrize(
    "rule", [sgd_momentum, sgd_nesterov_momentum, rmsprop, adam, adamw]
)
def test_a_readable_rule_replaces_its_memory_instead_of_writing_into_it(rule, frozen):
    memory = {name: np.abs(normal(2, 5)) for name in MEMORY[rule]}
    before = frozen(memory)
    rule(normal(0, 5), normal(1, 5), dict(memory))
    assert frozen(memory) == before


@every_rule
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3), (2, 3, 4)])
def test_a_rule_works_on_any_shape(rule, shape):
    w, dw, config = np.ones(shape), np.full(shape, 0.5), None
    for _ in range(2):
        w, config = rule(w, dw, config)
    assert w.shape == shape
    assert (w < 1).all()


@every_rule
def test_a_rule_takes_lists_and_integers(rule):
    next_w, config = rule([1, 2], [3, -4], None)
    expected, _ = rule(np.array([1.0, 2.0]), np.array([3.0, -4.0]), None)
    assert next_w.dtype == np.float64
    np.testing.assert_array_equal(next_w, expected)
    config = {name: [1, 2] for name in MEMORY[rule]}
    assert rule([1, 2], [3, -4], config)[0].dtype == np.float64


@every_rule
def test_a_rate_of_0_moves_nothing(rule):
    w = normal(0, 5)
    np.testing.assert_array_equal(rule(w, normal(1, 5), {"learning_rate": 0})[0], w)


@every_rule
def test_a_rule_returns_the_config_that_it_was_given(rule):
    config = {"learning_rate": 0.1, "note": "mine"}
    _, returned = rule(np.ones(2), np.ones(2), config)
    assert returned is config
    assert returned["note"] == "mine"


BAD_SETTINGS = [
    (RULES, {"learning_rate": -1}, ValueError),
    (RULES, {"learning_rate": math.nan}, ValueError),
    (RULES, {"learning_rate": math.inf}, ValueError),
    (RULES, {"learning_rate": "fast"}, TypeError),
    (RULES, {"learning_rate": None}, TypeError),
    (RULES, {"learning_rate": [0.1, 0.2]}, TypeError),
    ([sgd_momentum, sgd_nesterov_momentum], {"momentum": 1.5}, ValueError),
    ([sgd_momentum, sgd_nesterov_momentum], {"momentum": 1}, ValueError),
    ([sgd_momentum, sgd_nesterov_momentum], {"momentum": -0.1}, ValueError),
    ([sgd_momentum, sgd_nesterov_momentum], {"velocity": np.ones(3)}, ValueError),
    ([sgd_momentum, sgd_nesterov_momentum], {"velocity": np.full(2, 1j)}, TypeError),
    ([rmsprop], {"decay_rate": 1}, ValueError),
    ([rmsprop], {"decay_rate": "a"}, TypeError),
    ([rmsprop], {"cache": np.ones((2, 1))}, ValueError),
    ([rmsprop, *ADAMS], {"epsilon": -1e-8}, ValueError),
    (ADAMS, {"beta1": 1}, ValueError),
    (ADAMS, {"beta1": 1.5}, ValueError),
    (ADAMS, {"beta2": -0.1}, ValueError),
    (ADAMS, {"beta2": "a"}, TypeError),
    (ADAMWS, {"weight_decay": -1e-2}, ValueError),
    (ADAMWS, {"weight_decay": math.inf}, ValueError),
    (ADAMWS, {"weight_decay": "a"}, TypeError),
    (ADAMS, {"t": -1}, ValueError),
    (ADAMS, {"t": 1.5}, TypeError),
    (ADAMS, {"t": None}, TypeError),
    (ADAMS, {"m": np.ones(3)}, ValueError),
    (ADAMS, {"m": np.ones(())}, ValueError),
    (ADAMS, {"v": np.ones((1, 2))}, ValueError),
    (ADAMS, {"v": ["a", "b"]}, TypeError),
    (ADAMS, {"m": np.ones(2, np.float16)}, TypeError),
]


@pytest.mark.parametrize(
    ("rule", "config", "kind"),
    [(rule, config, kind) for rules, config, kind in BAD_SETTINGS for rule in rules],
)
def test_a_bad_setting_is_an_error_that_names_it(rule, config, kind):
    with pytest.raises(
        kind, match=rf"`config\['{next(iter(config))}'\]` must (be|have)"
    ):
        rule(np.ones(2), np.ones(2), config)


@every_rule
@pytest.mark.parametrize(
    ("w", "dw", "config", "kind", "message"),
    [
        (
            np.ones(2),
            np.ones(3),
            None,
            ValueError,
            r"`dw` must have the shape of `w`, \(2,\)",
        ),
        (
            np.ones(2),
            np.ones((2, 1)),
            None,
            ValueError,
            "`dw` must have the shape of `w`",
        ),
        (np.ones(2), 1.0, None, ValueError, "`dw` must have the shape of `w`"),
        (
            np.ones(2, complex),
            np.ones(2),
            None,
            TypeError,
            "`w` must be an array of float32",
        ),
        (np.ones(2), ["a", "b"], None, TypeError, "`dw` must be an array of float32"),
        (np.ones(2), None, None, TypeError, "`dw` must be an array of float32"),
        (np.ones(2), np.ones(2), [0.1], TypeError, "`config` must be a dict or None"),
        (np.ones(2), np.ones(2), 0.1, TypeError, "`config` must be a dict or None"),
    ],
)
def test_a_rule_refuses_wrong_arguments_and_names_them(
    rule, w, dw, config, kind, message
):
    with pytest.raises(kind, match=message):
        rule(w, dw, config)


def test_all_names_every_rule():
    assert sorted(optim.__all__) == sorted(rule.__name__ for rule in RULES)


# ---- the compiled rules are the readable ones, bit for bit ---------------------------


def misaligned(array):
    memory = bytearray(array.nbytes + 1)
    view = (
        np.frombuffer(memory, np.uint8, offset=1).view(array.dtype).reshape(array.shape)
    )
    view[...] = array
    return view


def read_only(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


LAYOUTS = {
    "plain": np.copy,
    "fortran": np.asfortranarray,
    "negative strides": lambda a: np.flip(np.flip(a).copy()),
    "every other": lambda a: np.stack([a, a], axis=-1)[..., 0],
    "zero strides": lambda a: np.broadcast_to(
        a.ravel()[:1].sum(dtype=a.dtype), a.shape
    ),
    "one row broadcast": lambda a: (
        np.broadcast_to(a[:1], a.shape) if a.ndim else a.copy()
    ),
    "read-only": read_only,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "misaligned": misaligned,
}
SHAPES = [(), (0,), (1,), (7,), (3, 0, 2), (3, 5, 7), (32767,), (32768,), (191, 173)]


def assert_same_bits(first, second):
    first, second = np.asarray(first), np.asarray(second)
    assert first.dtype == second.dtype
    assert first.shape == second.shape
    assert first.tobytes() == second.tobytes()


@float_types
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("rule", TWINS)
def test_a_compiled_rule_equals_its_readable_twin(
    dtype, threads, layout, rule, default_threads
):
    nndl.set_num_threads(threads)
    for shape in ((), (0,), (3, 5, 7), (191, 173)):
        points, configs = [normal(0, *shape, dtype=dtype)] * 2, [{}, {}]
        for seed in (1, 2, 3):
            dw = normal(seed, *shape, dtype=dtype)
            for i, twin in enumerate((rule, TWINS[rule])):
                points[i], configs[i] = twin(layout(points[i]), layout(dw), configs[i])
            assert_same_bits(*points)
            assert configs[0].keys() == configs[1].keys()
            for name in MEMORY[rule]:
                assert_same_bits(configs[0][name], configs[1][name])
            points = [np.asarray(point) for point in points]


@pytest.mark.parametrize("rule", TWINS)
def test_a_compiled_rule_equals_its_readable_twin_on_nan_infinity_and_integers(rule):
    dw = np.array([np.nan, np.inf, -np.inf, 1.0])
    with np.errstate(invalid="ignore"):
        for w in (np.zeros(4), np.arange(4)):
            expected, found = (twin(w, dw, {})[0] for twin in (rule, TWINS[rule]))
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype == np.float64


def assert_twins_agree(w, gradients, config=None, layout=np.copy):
    """Take the same steps by both rules, each argument in the given layout, and compare
    the bits."""
    configs = [copy.copy(config) if config else {} for _ in ADAMS]
    points = [w, w]
    for dw in gradients:
        for config in configs:
            config |= {
                name: layout(config[name]) for name in ("m", "v") if name in config
            }
        for i, rule in enumerate(ADAMS):
            points[i], configs[i] = rule(layout(points[i]), layout(dw), configs[i])
        assert_same_bits(*points)
        for name in ("m", "v"):
            assert_same_bits(configs[0][name], configs[1][name])
            assert configs[1][name].dtype.isnative
        assert configs[0]["t"] == configs[1]["t"]
        points = [np.asarray(point) for point in points]
        for config in configs:
            config |= {name: np.asarray(config[name]) for name in ("m", "v")}


@float_types
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_adam_fast_equals_adam_over_shapes_and_layouts(dtype, layout, shape):
    memory = {
        "m": normal(8, *shape, dtype=dtype),
        "v": normal(9, *shape, dtype=dtype) ** 2,
        "t": 3,
    }
    gradients = [normal(seed, *shape, dtype=dtype) for seed in (1, 2)]
    assert_twins_agree(normal(0, *shape, dtype=dtype), gradients, memory, layout)


@float_types
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [5, 32767, 32768, 32769, 100_003])
def test_adam_fast_equals_adam_whatever_the_number_of_threads(
    dtype, threads, size, default_threads
):
    nndl.set_num_threads(threads)
    assert_twins_agree(normal(0, size, dtype=dtype), normal(1, 2, size, dtype=dtype))


@float_types
@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.3, "beta1": 0.5, "beta2": 0.25, "epsilon": 1e-2},
        {"learning_rate": 1 / 3, "beta1": 0, "beta2": 0},
        {"beta1": 0.99999, "beta2": 0.9999999, "t": 12345},
        {"learning_rate": 0},
        {"learning_rate": 1, "beta1": np.float32(0.9), "epsilon": np.float64(1e-8)},
        {"epsilon": 1e-50, "t": 10**9},
    ],
    ids=str,
)
def test_adam_fast_equals_adam_over_settings(dtype, settings):
    assert_twins_agree(
        normal(0, 1001, dtype=dtype), normal(1, 3, 1001, dtype=dtype), settings
    )


@float_types
def test_adam_fast_equals_adam_from_tiny_to_huge_gradients(dtype):
    """Subnormal numbers are not flushed to zero, and nothing is rounded in a wider
    type."""
    info = np.finfo(dtype)
    exponents = np.linspace(
        np.log2(info.smallest_subnormal), np.log2(info.max) / 2 - 1, 2003
    )
    dw = (np.exp2(exponents) * np.where(np.arange(2003) % 2, 1, -1)).astype(dtype)
    with np.errstate(under="ignore"):
        assert_twins_agree(normal(0, 2003, dtype=dtype), [dw, dw[::-1]])


def test_adam_fast_equals_adam_on_nan_and_infinity():
    dw = np.array([np.nan, np.inf, -np.inf, 1.0])
    with np.errstate(invalid="ignore"):
        (expected, first), (found, second) = (
            rule(np.zeros(4), dw, {}) for rule in ADAMS
        )
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(second["m"], first["m"])
    np.testing.assert_array_equal(second["v"], first["v"])


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool])
def test_adam_fast_equals_adam_on_integers(dtype):
    w = np.array([0, 1, 1, 0, 1]).astype(dtype)
    results = [rule(w, w[::-1], {"t": np.int64(2)}) for rule in ADAMS]
    assert results[0][0].dtype == np.float64
    assert_same_bits(results[0][0], results[1][0])


@float_types
@pytest.mark.parametrize("other", [np.float32, np.float64, ">f4", ">f8", np.int64])
def test_adam_fast_equals_adam_with_memory_and_gradient_of_another_type(dtype, other):
    memory = {
        "m": (10 * normal(2, 50)).astype(other),
        "v": (10 * normal(3, 50) ** 2).astype(other),
    }
    w, dw = normal(0, 50, dtype=dtype), (10 * normal(1, 50)).astype(other)
    (expected, first), (found, second) = (rule(w, dw, dict(memory)) for rule in ADAMS)
    assert_same_bits(expected, found)
    assert expected.dtype == dtype
    for name in ("m", "v"):
        assert_same_bits(first[name], second[name])


def test_adam_fast_equals_adam_when_m_and_v_are_one_array():
    shared = np.abs(normal(2, 50))
    (expected, first), (found, second) = (
        rule(normal(0, 50), normal(1, 50), {"m": array, "v": array})
        for rule, array in ((adam, shared), (adam_fast, shared.copy()))
    )
    assert_same_bits(expected, found)
    assert_same_bits(first["m"], second["m"])
    assert_same_bits(first["v"], second["v"])


def test_adam_fast_equals_adam_when_m_and_v_overlap():
    memories = [np.abs(normal(2, 60)) for _ in ADAMS]
    (expected, first), (found, second) = (
        rule(normal(0, 50), normal(1, 50), {"m": a[:50], "v": a[10:]})
        for rule, a in zip(ADAMS, memories, strict=True)
    )
    assert_same_bits(expected, found)
    assert_same_bits(first["m"], second["m"])
    assert_same_bits(first["v"], second["v"])


@pytest.mark.parametrize("name", ["m", "v"])
@pytest.mark.parametrize("owner", ["w", "dw"])
def test_adam_fast_equals_adam_when_its_memory_is_one_of_its_inputs(
    name, owner, frozen
):
    inputs = {"w": np.abs(normal(0, 50)), "dw": np.abs(normal(1, 50))}
    before = frozen(inputs)
    results = [rule(inputs["w"], inputs["dw"], {name: inputs[owner]}) for rule in ADAMS]
    assert_same_bits(results[0][0], results[1][0])
    assert_same_bits(results[0][1][name], results[1][1][name])
    assert frozen(inputs) == before


def test_adam_fast_equals_adam_when_w_is_the_gradient():
    w = normal(0, 50)
    assert_same_bits(*(rule(w, w, None)[0] for rule in ADAMS))


def test_adam_fast_updates_its_memory_in_place_and_adam_does_not():
    for rule, in_place in ((adam, False), (adam_fast, True)):
        m, v = np.zeros(5), np.zeros(5)
        _, config = rule(np.ones(5), np.ones(5), {"m": m, "v": v})
        assert (config["m"] is m) == in_place
        assert (config["v"] is v) == in_place


def test_adam_fast_does_not_write_into_read_only_memory(frozen):
    memory = {name: read_only(np.ones(5)) for name in ("m", "v")}
    before = frozen(memory)
    adam_fast(np.ones(5), np.ones(5), dict(memory))
    assert frozen(memory) == before


@pytest.mark.parametrize(
    "order", [[adam, adam_fast] * 3, [adam_fast, adam] * 3], ids=["slow", "fast"]
)
def test_the_two_adams_may_take_turns_on_one_config(order):
    w, gradients = (
        normal(0, 7, 3, dtype=np.float32),
        normal(1, 6, 7, 3, dtype=np.float32),
    )
    expected = steps(adam, w, gradients, {})
    config = {}
    for rule, dw in zip(order, gradients, strict=True):
        w, config = rule(w, dw, config)
    assert_same_bits(w, expected[-1])


@both_adams
def test_adam_continues_from_a_config_that_was_written_to_a_file(rule, tmp_path):
    w, gradients = normal(0, 7), normal(1, 4, 7)
    expected = steps(rule, w, gradients, {})
    config = {}
    for dw in gradients[:2]:
        w, config = rule(w, dw, config)
    np.savez(tmp_path / "state.npz", m=config.pop("m"), v=config.pop("v"))
    config = json.loads(json.dumps(config))
    with np.load(tmp_path / "state.npz", allow_pickle=False) as arrays:
        config |= dict(arrays)
    for dw in gradients[2:]:
        w, config = rule(w, dw, config)
    assert_same_bits(w, expected[-1])
