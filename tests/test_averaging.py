"""Averaged weights: what is averaged, without which bias, and that a net gets its own
back."""

from __future__ import annotations

import numpy as np
import pytest
from training_cases import trained_net

from nndl.averaging import WeightAverage


def wander(net, steps, seed=0):
    """Give a net other weights again and again; yield all that it has learned."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for w in net.params.values():
            w[...] = rng.standard_normal(w.shape)
        for bn_param in net.bn_params:
            for key in ("running_mean", "running_var"):
                bn_param[key] = rng.standard_normal(bn_param[key].shape) ** 2
        yield state(net)


def state(net):
    learned = {f"params.{name}": w.copy() for name, w in net.params.items()}
    for i, bn_param in enumerate(net.bn_params):
        for key in ("running_mean", "running_var"):
            learned[f"bn_params.{i}.{key}"] = bn_param[key].copy()
    return learned


@pytest.mark.parametrize("keep", [0, 0.5, 0.9])
def test_the_average_weighs_each_state_by_its_age(keep):
    net = trained_net(dtype=np.float64)
    average = WeightAverage(net, keep)
    states = []
    for learned in wander(net, 6):
        states.append(learned)
        average.update()
    weights = keep ** np.arange(5, -1, -1.0)
    weights /= weights.sum()
    averages = average.averages()
    assert averages.keys() == states[0].keys()
    for name, array in averages.items():
        expected = sum(w * s[name] for w, s in zip(weights, states, strict=True))
        np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-14)


def test_what_stays_as_it_is_is_its_own_average():
    net = trained_net()
    average = WeightAverage(net, 0.99)
    for _ in range(3):
        average.update()
    for name, array in average.averages().items():
        np.testing.assert_allclose(array, state(net)[name], rtol=1e-5)
        assert array.dtype == np.float32


def test_averages_of_noise_have_the_variance_of_the_formula():
    net = trained_net(hidden_dims=[2000], dtype=np.float64)
    average = WeightAverage(net, 0.8)
    for _ in wander(net, 60):
        average.update()
    variance = average.averages()["params.W1"].var()
    assert variance == pytest.approx((1 - 0.8) / (1 + 0.8), rel=0.1)


def test_a_net_has_its_averages_for_a_block_and_then_its_own_weights_again():
    net = trained_net()
    average = WeightAverage(net, 0.5)
    for _ in wander(net, 3):
        average.update()
    before, params = state(net), net.params
    X = np.random.default_rng(1).standard_normal((5, 4))
    own = net.loss(X)
    with average.applied():
        inside = state(net)
        assert np.abs(net.loss(X) - own).max() > 1e-3
    for name, array in average.averages().items():
        np.testing.assert_array_equal(inside[name], array)
    with pytest.raises(KeyboardInterrupt), average.applied():
        raise KeyboardInterrupt
    assert net.params is params
    for name, array in state(net).items():
        np.testing.assert_array_equal(array, before[name])


def test_without_an_update_there_is_no_average():
    average = WeightAverage(trained_net())
    with pytest.raises(ValueError, match="before the first `update`"):
        average.averages()


@pytest.mark.parametrize("keep", [1, -0.1, "much", None])
def test_keep_must_be_a_fraction(keep):
    with pytest.raises((TypeError, ValueError), match="`keep` must be"):
        WeightAverage(trained_net(), keep)


def test_a_net_must_have_parameters():
    with pytest.raises(TypeError, match="`model` must have a dict `params`"):
        WeightAverage(object())
