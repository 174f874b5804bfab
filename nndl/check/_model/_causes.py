"""Finds the most likely reason why a parameter's gradient is wrong: of the gradient by
itself, else of its place in the network.

What is wrong at a layer goes on to all layers before it, and what is right there says that
all after it is right. Parts of the network are put out of action to see whether the gradient
becomes right without them: dropout, and the ReLUs, by parameters that keep every unit active.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from .._calls import Trouble
from .._diagnosis import Diagnosis
from .._gradients._measured import Measured
from .._gradients._patterns import likely_cause
from .._gradients._slopes import Slopes
from .._specification import Case
from ._network import Network, is_bias


def cause_of(
    network: Network, name: str, wrong: list[str], measured: dict[str, Measured]
) -> Diagnosis:
    """Return the likely cause of a wrong gradient, to which none of the `wrong` ones is
    nearer to the scores."""
    return (
        _exchanged(name, measured)
        or _of_dropout(network, name)
        or _pattern(network, name, measured[name])
        or _of_its_place(network, name, wrong, measured)
    )


def case_of(network: Network) -> Case:
    """Return a case with the numbers that may turn up as a wrong factor."""
    sizes = {"N": float(len(network.X))}
    if network.classes != len(network.X):
        sizes["C"] = float(network.classes)
    for one in network.dropouts():
        if 0 < one["p"] < 1:
            sizes["p"] = float(one["p"])
    return Case("", (), sizes=sizes)


# ---- the gradient by itself ----------------------------------------------------------


def _exchanged(name: str, measured: dict[str, Measured]) -> Diagnosis | None:
    for other, found in measured.items():
        if other != name and found.got is not None and measured[name].agrees(found.got):
            return Diagnosis(
                "exchanged",
                f"grads[{other!r}] holds the gradient of {name}: the two are exchanged.",
            )
    return None


def _of_dropout(network: Network, name: str) -> Diagnosis | None:
    if not network.has_dropout():
        return None
    with _without_dropout(network):
        if not _is_right(network, name):
            return None
    return Diagnosis(
        "dropout-backward",
        "Without dropout this gradient is right, so dropout's backward pass is missing or "
        f"wrong after {name}: dout must be multiplied by the mask that the forward pass used.",
    )


def _pattern(network: Network, name: str, one: Measured) -> Diagnosis | None:
    assert one.got is not None
    found = likely_cause(f"grads[{name!r}]", one, case_of(network).sizes)
    # Between one or two numbers there is soon a factor.
    by_chance = found is not None and found.cause == "factor" and one.got.size < 3
    return None if by_chance else found


# ---- its place in the network --------------------------------------------------------


def _of_its_place(
    network: Network, name: str, wrong: list[str], measured: dict[str, Measured]
) -> Diagnosis:
    k = network.layer_of(name)
    right = [n for n in measured if network.layer_of(n) == k and n not in wrong]
    later = [n for n in measured if network.layer_of(n) > k]
    found = _of_its_layer(network, name, right, measured)
    if found is not None:
        return found
    if later and _is_right_where_active(network, name):
        return Diagnosis(
            "relu-backward",
            "Where every unit is active this gradient is right, so the ReLU's backward pass is "
            f"missing or wrong after {name}: dout must be set to 0 where the ReLU's input was "
            "negative.",
        )
    if right:
        return Diagnosis(
            "backward-between",
            f"The gradients of {' and '.join(right)} are right: the mistake lies between them and "
            f"{name}, in the backward pass of the normalization.",
        )
    if later:
        next_layer = min(network.layer_of(n) for n in later)
        names = [n for n in later if network.layer_of(n) == next_layer]
        return Diagnosis(
            "backward-between",
            f"The gradients of {' and '.join(names)} are right: the mistake lies between them and "
            f"{name}, in a backward pass on the way, or in what is passed on to it.",
        )
    return Diagnosis(
        "loss-gradient",
        "It is the last layer, so what arrives from the loss, dscores, is wrong: for softmax it is "
        "(probabilities - 1 at the correct class) / N.",
    )


def _of_its_layer(
    network: Network, name: str, right: list[str], measured: dict[str, Measured]
) -> Diagnosis | None:
    """Return what the `right` gradients of the same layer tell."""
    weights = network.weights()
    if name not in weights:
        weight = next((n for n in right if n in weights), None)
        if weight is None:
            return None
        return Diagnosis(
            "bias-sum",
            f"grads[{weight!r}] is right, so the gradient that arrives here is; it is summed "
            "wrongly. The bias is added to every example (and every pixel): sum dout over all of "
            "them.",
        )
    bias = next((n for n in right if _tells(n, measured[n])), None)
    if bias is None:
        return None
    is_first = network.layer_of(name) == min(map(network.layer_of, network.names))
    if not is_first and _is_right_where_active(network, name):
        x = "the hidden values after the ReLU, not before it."
    else:
        x = "the output of the layer before, after its activation."
    return Diagnosis(
        "wrong-input",
        f"grads[{bias!r}] is right, so the gradient that arrives here is; what it is "
        "multiplied with is not. dW is x.T @ dout, where x is what the forward pass multiplied "
        f"with W: {x}",
    )


def _tells(name: str, one: Measured) -> bool:
    """Return whether this is a bias whose gradient, being right, says that what arrives
    at its layer is. Before a normalization it is 0 whatever arrives."""
    return is_bias(name) and one.got is not None and float(np.abs(one.got).max()) > 1e-9


# ---- a network that was changed ------------------------------------------------------


def _is_right(network: Network, name: str) -> bool:
    """Return whether a gradient, not 0 everywhere, is right in the network as it is."""
    try:
        grad = network.grads()[name]
        if not np.abs(grad).max() > 1e-9:
            return False
        with network.many_calls():
            one = Measured(Slopes(network.params[name], network.evaluate, 1.0), grad)
            one.random_directions(network.rng, 3, 2)
    except Trouble:
        return False
    return not one.with_status("wrong", "unclear")


def _is_right_where_active(network: Network, name: str) -> bool:
    """Return whether a gradient is right where the input of every ReLU is above 0."""
    params = {}
    for other, value in network.point.items():
        if network.is_weight(other):
            params[other] = 0.1 * value
        elif other.startswith("beta"):
            params[other] = np.full_like(value, 5.0)
        elif is_bias(other):
            params[other] = 1 + 0.1 * value
        else:
            params[other] = value
    try:
        network.put(params)
        return _is_right(network, name)
    finally:
        network.put(network.point)


@contextlib.contextmanager
def _without_dropout(network: Network) -> Iterator[None]:
    kept = [(param, param["p"]) for param in network.dropouts()]
    try:
        for param, _ in kept:
            param["p"] = 1.0
        network.put(network.point)
        yield
    finally:
        for param, p in kept:
            param["p"] = p
        network.put(network.point)
