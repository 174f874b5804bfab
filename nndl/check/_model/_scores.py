"""The second stage: that each example has scores of its own, and that training and test
mode are what they must be."""

from __future__ import annotations

import copy

import numpy as np

from .._calls import Trouble
from ._network import Network
from ._state import Array


def check_scores(network: Network) -> None:
    for _ in range(3):  # so that there are running averages
        network.call(network.X, network.y)
    network.keep()
    scores = network.scores(network.X)
    before = copy.deepcopy(network.averages())
    if not _near(scores, network.scores(network.X), network.within):
        raise Trouble(
            "random-in-test-mode",
            "two calls of loss(X) with the same X give different scores",
            "Dropout is active in test mode: without y, its mode must be 'test'.",
        )
    _check_examples_alone(network, scores)
    _check_averages(network, before)
    _check_randomness(network)
    _check_mode_is_set(network)


def _check_examples_alone(network: Network, scores: Array) -> None:
    for i in (0, len(network.X) - 1):
        alone = network.scores(network.X[i : i + 1])
        if alone.shape != (1, network.classes):
            raise Trouble(
                "batch-of-one",
                f"the scores of one example have shape {alone.shape}; it must be "
                f"(1, {network.classes})",
                "`squeeze`, or an index without a slice, drops the axis of the examples.",
            )
        if not _near(alone[0], scores[i], network.within):
            j = int(np.argmax(np.abs(alone[0] - scores[i])))
            raise Trouble(
                "depends-on-batch",
                f"the score [{i}, {j}] is {scores[i, j]:.6g} in the minibatch, and "
                f"{alone[0, j]:.6g} for that example alone",
                "In test mode an example's scores must not depend on the others: normalize with "
                "the running averages (mode 'test' when y is None), and sum over no examples.",
            )


def _check_averages(network: Network, before: list[dict[str, Array]]) -> None:
    """Running averages must be collected in training only."""
    if not _same(before, network.averages()):
        raise Trouble(
            "updates-in-test-mode",
            "loss(X), without y, changes the running averages",
            "Running averages are collected in training only: without y, the mode must be 'test'.",
        )
    network.still.restore()
    network.call(network.X, network.y)
    if before and _same(before, network.averages()):
        raise Trouble(
            "trains-in-test-mode",
            "loss(X, y) leaves the running averages as they were",
            "Batch normalization runs in test mode in training: with y, its mode must be 'train'.",
        )


def _check_randomness(network: Network) -> None:
    """The same random numbers must give the same loss, or no slope can be measured."""
    loss, again = network.loss(), network.loss()
    if abs(again - loss) > 1e-12 * (abs(loss) + 1) and not _seeded(network):
        raise Trouble(
            "stochastic",
            f"two calls of loss(X, y) give {loss:.6g} and {again:.6g}, though random numbers began "
            "anew",
            "The masks of dropout come from a generator that is made without a seed in each call: "
            "give it one, or keep one generator in the model.",
        )


def _seeded(network: Network) -> bool:
    """Give each dropout a seed, and return whether that makes the loss repeatable."""
    for i, param in enumerate(network.dropouts()):
        param["seed"] = 100 + i
    network.keep()
    return network.loss() == network.loss()


def _check_mode_is_set(network: Network) -> None:
    """A call in test mode must not change the next one in training mode."""
    loss = network.loss()
    network.still.restore()
    network.call(network.X)
    network.still.rewind()
    after = float(network.call(network.X, network.y)[0])
    if abs(after - loss) > network.within * (abs(loss) + 1):
        raise Trouble(
            "mode-stuck",
            f"loss(X, y) is {loss:.6g}, but {after:.6g} right after a call of loss(X)",
            "The mode stays 'test' after a call without y: set it at the beginning of every call.",
        )


def _near(one: Array, other: Array, within: float) -> bool:
    scale = float(np.abs(other).max(initial=0.0))
    return one.shape == other.shape and bool(
        np.all(np.abs(one - other) <= within * scale + 1e-12)
    )


def _same(one: list[dict[str, Array]], other: list[dict[str, Array]]) -> bool:
    return len(one) == len(other) and all(
        a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)
        for a, b in zip(one, other, strict=True)
    )
