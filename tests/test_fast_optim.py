"""The compiled update rules are the readable ones, bit for bit.

`test_optim.py` holds what is true of every rule, and the finer points of `adam_fast`.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
from fast_cases import (
    LAYOUTS,
    assert_same_bits,
    float_types,
    normal,
    read_only,
)

import nndl
from nndl import optim

RULES = {
    "sgd": (),
    "sgd_momentum": ("velocity",),
    "sgd_nesterov_momentum": ("velocity",),
    "rmsprop": ("cache",),
    "adam": ("m", "v"),
    "adamw": ("m", "v"),
}
every_rule = pytest.mark.parametrize("name", RULES)

pytestmark = pytest.mark.usefixtures("default_threads")


def twins(name):
    return getattr(optim, name), getattr(optim, name + "_fast")


def memory_for(name, shape, dtype):
    """Return what the rule remembers, as after some steps."""
    memory = {
        key: np.abs(normal(8 + i, *shape, dtype=dtype))
        for i, key in enumerate(RULES[name])
    }
    return memory | ({"t": 3} if "adam" in name else {})


def assert_twins_agree(name, w, gradients, config=None, layout=np.copy):
    """Take the same steps by both rules, arguments in the given layout, and compare the
    bits of the parameters and of the memory."""
    results = []
    for rule in twins(name):
        point, state = w, copy.deepcopy(config or {})
        path = []
        for dw in gradients:
            for key in RULES[name]:
                if key in state:
                    state[key] = layout(np.asarray(state[key]))
            given_w, given_dw = layout(np.asarray(point)), layout(dw)
            before = given_w.tobytes(), given_dw.tobytes()
            point, state = rule(given_w, given_dw, state)
            assert (given_w.tobytes(), given_dw.tobytes()) == before
            assert not np.may_share_memory(point, given_w)
            path.append(np.array(point))
        results.append((path, state))
    (path, state), (fast_path, fast_state) = results
    assert_same_bits(fast_path, path)
    assert set(fast_state) == set(state)
    for key, value in state.items():
        assert_same_bits(np.asarray(fast_state[key]), np.asarray(value))


@every_rule
@float_types
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_fast_rule_equals_its_twin_in_every_layout(name, dtype, layout):
    gradients = normal(1, 2, 3, 5, 7, dtype=dtype)
    memory = memory_for(name, (3, 5, 7), dtype)
    assert_twins_agree(name, normal(0, 3, 5, 7, dtype=dtype), gradients, memory, layout)


@every_rule
@float_types
@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (7,), (3, 0, 2), (191, 173)], ids=str
)
def test_a_fast_rule_equals_its_twin_over_shapes(name, dtype, shape):
    gradients = [normal(seed, *shape, dtype=dtype) for seed in (1, 2)]
    assert_twins_agree(name, np.asarray(normal(0, *shape), dtype), gradients)


@every_rule
@float_types
@pytest.mark.parametrize("size", [5, 32767, 32769, 100_003])
def test_a_fast_rule_equals_its_twin_whatever_the_number_of_threads(name, dtype, size):
    for threads in (1, 2, 3):
        nndl.set_num_threads(threads)
        assert_twins_agree(
            name, normal(0, size, dtype=dtype), normal(1, 2, size, dtype=dtype)
        )


@every_rule
@float_types
def test_a_fast_rule_equals_its_twin_over_settings(name, dtype):
    settings = [
        {
            "learning_rate": 1 / 3,
            "momentum": 0.99,
            "decay_rate": 0.5,
            "beta1": 0.3,
            "weight_decay": 0.7,
        },
        {"learning_rate": 0, "momentum": 0, "decay_rate": 0, "beta1": 0, "beta2": 0},
        {"learning_rate": np.float32(0.1), "epsilon": 1e-2, "beta2": 0.9999},
    ]
    for config in settings:
        assert_twins_agree(
            name, normal(0, 1001, dtype=dtype), normal(1, 3, 1001, dtype=dtype), config
        )


@every_rule
@float_types
def test_a_fast_rule_equals_its_twin_from_tiny_to_huge_gradients(name, dtype):
    """Subnormal numbers are not flushed to zero, and nothing is rounded in a wider
    type."""
    info = np.finfo(dtype)
    first, last = np.log2(info.smallest_subnormal), np.log2(info.max) / 2 - 1
    sizes = np.exp2(np.linspace(first, last, 2003))
    dw = (sizes * np.where(np.arange(2003) % 2, 1, -1)).astype(dtype)
    with np.errstate(under="ignore"):
        assert_twins_agree(name, normal(0, 2003, dtype=dtype), [dw, dw[::-1].copy()])


@every_rule
@float_types
@pytest.mark.parametrize("other", [np.float32, np.float64, ">f8", np.int64], ids=str)
def test_a_fast_rule_equals_its_twin_with_a_gradient_of_another_type(
    name, dtype, other
):
    gradients = [(10 * normal(seed, 50)).astype(other) for seed in (1, 2)]
    assert_twins_agree(name, normal(0, 50, dtype=dtype), gradients)


@every_rule
def test_a_fast_rule_equals_its_twin_on_nan_and_infinity(name):
    dw = np.array([np.nan, np.inf, -np.inf, 1.0])
    with np.errstate(invalid="ignore"):
        (expected, state), (found, fast_state) = (
            rule(np.zeros(4), dw, {}) for rule in twins(name)
        )
    np.testing.assert_array_equal(found, expected)
    for key in RULES[name]:
        np.testing.assert_array_equal(fast_state[key], state[key])


@every_rule
@float_types
def test_a_fast_rule_equals_its_twin_where_a_parameter_is_nan_infinite_or_0(
    name, dtype
):
    """Weight decay makes NaN of infinity and 0 of -0.0; the other rules do neither."""
    w = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype)
    config = {"learning_rate": 0.1, "weight_decay": 0}
    with np.errstate(invalid="ignore"):
        (expected, _), (found, _) = (
            rule(w, np.zeros_like(w), dict(config)) for rule in twins(name)
        )
    np.testing.assert_array_equal(found, expected)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(
        np.signbit(found)[finite], np.signbit(expected)[finite]
    )
    np.testing.assert_array_equal(np.isinf(found), np.isinf(w) & (name != "adamw"))


@every_rule
def test_a_fast_rule_does_not_write_into_read_only_memory_or_its_inputs(name, frozen):
    memory = {key: read_only(np.ones(5)) for key in RULES[name]}
    w = np.ones(5)
    before = frozen([memory, w])
    twins(name)[1](w, w, dict(memory))
    shared = dict.fromkeys(RULES[name], w)
    expected, _ = twins(name)[0](w, w, dict(shared))
    found, _ = twins(name)[1](w, w, dict(shared))
    assert_same_bits(found, expected)
    assert frozen([memory, w]) == before


@every_rule
@pytest.mark.parametrize(
    ("w", "dw", "config"),
    [
        (np.ones(2), np.ones(3), None),
        (np.ones(2), np.ones((2, 1)), None),
        (np.ones(2, complex), np.ones(2), None),
        (np.ones(2), None, None),
        (np.ones(2), np.ones(2), [0.1]),
        (np.ones(2), np.ones(2), {"learning_rate": -1}),
        (np.ones(2), np.ones(2), {"learning_rate": "fast"}),
    ],
    ids=range(7),
)
def test_a_fast_rule_refuses_what_its_twin_refuses_in_the_same_words(
    name, w, dw, config
):
    errors = []
    for rule in twins(name):
        with pytest.raises((TypeError, ValueError)) as error:
            rule(w, dw, copy.deepcopy(config))
        errors.append((error.type, str(error.value)))
    assert errors[0] == errors[1]


@every_rule
def test_the_twins_may_take_turns_on_one_config(name):
    gradients = normal(1, 6, 7, 3, dtype=np.float32)
    paths = []
    for rules in ([0] * 6, [0, 1] * 3, [1, 0] * 3):
        w, config = normal(0, 7, 3, dtype=np.float32), {}
        for rule, dw in zip(rules, gradients, strict=True):
            w, config = twins(name)[rule](w, dw, config)
        paths.append(w)
    assert_same_bits(paths[1:], paths[:1] * 2)
