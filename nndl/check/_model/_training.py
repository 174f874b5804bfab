"""The last stage: whether ten examples are learned by heart."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from .._calls import Trouble
from ._network import Network
from ._state import Array, State

#: Seconds of training with one learning rate.
SECONDS = 0.4
#: Steps of training after which nothing can be said yet, and the most that are taken.
FEW, MOST = 40, 300


class Training(NamedTuple):
    """What came of training for a while."""

    first: float
    last: float
    steps: int
    #: Whether the examples are learned.
    learned: bool


def check_training(network: Network) -> None:
    _restore_without_noise(network)
    X, y = network.all_X[:10], network.all_y[:10]
    own = {name: value.copy() for name, value in network.params.items()}
    for rate, start in ((1e-2, own), (1e-3, own), (1e-2, network.point)):
        for name in network.names:
            network.params[name] = start[name].astype(own[name].dtype)
        first, last, steps, learned = _train(network, X, y, rate)
        if learned:
            if start is network.point:
                network.notes.append(
                    "It learns ten examples from weights with standard deviation sqrt(2 / inputs), "
                    "but not from its own: these are too small or too large."
                )
            return
        if not np.isfinite(last):
            raise Trouble(
                "not-finite",
                f"the loss is {last} after {steps} steps of Adam (rate {rate:g})",
                "Something is divided by 0, or a logarithm or an exponential goes out of bounds.",
            )
        if steps < FEW:
            network.notes.append(
                f"There was time for {steps} steps of training only, too few to say whether it learns."
            )
            return
    if last < 0.8 * first:
        network.notes.append(
            f"The loss on {len(X)} examples falls, from {first:.4g} to {last:.4g} in {steps} steps "
            "of Adam, but they are not yet learned by heart: dropout or a penalty may be in the way."
        )
        return
    raise Trouble(
        "does-not-learn",
        f"after {steps} steps of Adam on {len(X)} examples the loss is {last:.4g}; it began at "
        f"{first:.4g}",
        "A network that can learn at all learns ten examples by heart. Its gradients are right, so "
        "look at what limits it: weights that are all 0, too few units, too much dropout.",
    )


def _restore_without_noise(network: Network) -> None:
    """Put the model back as it was, but for what hides whether the loss falls: a penalty
    and dropout."""
    network.state.restore()
    network.put_reg(0.0)
    for param in State(network.model).dicts:
        if "mode" in param and isinstance(param.get("p"), float):
            param["p"] = 1.0


def _train(network: Network, X: Array, y: Array, rate: float) -> Training:
    """Train with Adam for a while."""
    loss_of, params = network.model.loss, network.params
    m = {name: np.zeros_like(params[name]) for name in network.names}
    v = {name: np.zeros_like(params[name]) for name in network.names}
    until, first = time.thread_time() + SECONDS, 0.0
    recent: list[float] = []
    with network.many_calls(10 * SECONDS):
        for t in range(1, MOST + 1):
            loss, grads = loss_of(X, y)
            loss = float(loss)
            first = first or loss
            recent = [*recent[-4:], loss]
            mean = float(np.mean(recent))
            if not np.isfinite(loss):
                return Training(first, loss, t, False)
            if len(recent) == 5 and mean < 0.3 * first:
                return Training(first, mean, t, True)
            if t % 25 == 0 and np.array_equal(np.argmax(loss_of(X), axis=1), y):
                return Training(first, mean, t, True)
            if time.thread_time() > until and t > 5:
                break
            for name in network.names:
                g = np.asarray(grads[name])
                m[name] = 0.9 * m[name] + 0.1 * g
                v[name] = 0.99 * v[name] + 0.01 * g * g
                m_unbiased, v_unbiased = m[name] / (1 - 0.9**t), v[name] / (1 - 0.99**t)
                step = m_unbiased / (np.sqrt(v_unbiased) + 1e-8)
                params[name] = (params[name] - rate * step).astype(params[name].dtype)
    return Training(first, mean, t, mean < 0.3 * first)
