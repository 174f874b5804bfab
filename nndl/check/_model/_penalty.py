"""The fourth stage: the L2 penalty on the weights, and its gradient."""

from __future__ import annotations

import math

import numpy as np

from .._calls import Trouble
from .._compare import at, index_of
from .._diagnosis import Diagnosis
from ._network import Network, is_bias
from ._state import Array

STRENGTH = 0.7


def check_penalty(network: Network) -> dict[str, Trouble]:
    network.put(network.point)
    loss, grads = network.loss(), network.grads()
    network.put(network.point, STRENGTH)
    if getattr(network.model, "reg", None) != STRENGTH:
        network.notes.append("`reg` cannot be set, so the penalty was not looked at.")
        return {}
    grown = network.loss() - loss
    added = {name: grad - grads[name] for name, grad in network.grads().items()}
    network.put(network.point)
    _check_loss(network, grown)
    wrong = {}
    for name in network.names:
        right = STRENGTH * network.point[name] * network.is_weight(name)
        scale = float(np.abs(grads[name]).max()) + float(np.abs(right).max())
        gap = np.abs(added[name] - right)
        if gap.max() <= 10 * network.within * scale:
            continue
        index = index_of(np.argmax(gap), gap.shape)
        cause = _cause_of_gradient(network, name, added[name], right)
        wrong[f"grads[{name!r}]"] = Trouble(
            cause.cause,
            f"with reg = {STRENGTH}, grads[{name!r}] grows by {added[name][index]:.6g}{at(index)}; it "
            f"should grow by {right[index]:.6g}",
            cause.why,
        )
    return wrong


# ---- the loss ------------------------------------------------------------------------


def _check_loss(network: Network, grown: float) -> None:
    squares = sum(float(np.sum(network.point[k] ** 2)) for k in network.weights())
    expected = 0.5 * STRENGTH * squares
    if not math.isclose(grown, expected, rel_tol=10 * network.within):
        cause = _cause_of_penalty(network, grown / STRENGTH)
        raise Trouble(
            cause.cause,
            f"with reg = {STRENGTH} the loss grows by {grown:.6g}; it should grow by "
            f"0.5 * reg * sum(W ** 2) = {expected:.6g}",
            cause.why,
        )


def _cause_of_penalty(network: Network, grown: float) -> Diagnosis:
    """Return why the loss grows by `grown` times reg."""
    squares = {name: float(np.sum(p * p)) for name, p in network.point.items()}
    if abs(grown) < 1e-9 * sum(squares.values()) or grown == 0:
        return Diagnosis("reg-missing", "The penalty is not added to the loss at all.")
    N = len(network.X)
    of_weights = 0.5 * sum(squares[name] for name in network.weights())
    if _is(grown, 2 * of_weights):
        return Diagnosis("reg-half", "The 0.5 of 0.5 * reg * sum(W ** 2) is missing.")
    if _is(grown, -of_weights):
        return Diagnosis("reg-sign", "The penalty is subtracted; it belongs added.")
    found = _other_parameters(network, grown, squares)
    if found is not None:
        return found
    for times, text in ((1 / N, "N"), (2 / N, "N"), (N, "1 / N")):
        if _is(grown, times * of_weights):
            return Diagnosis(
                "reg-times-n",
                f"The penalty is divided by {text}: it is added after the mean over the examples.",
            )
    return _other_power(network, grown) or Diagnosis(
        "reg", "Neither a missing 0.5 nor the wrong parameters give this number."
    )


def _is(grown: float, value: float) -> bool:
    return math.isclose(grown, value, rel_tol=1e-4, abs_tol=1e-12)


def _other_parameters(
    network: Network, grown: float, squares: dict[str, float]
) -> Diagnosis | None:
    """Look for a penalty that takes too many parameters, or too few."""
    weights = network.weights()
    others = [name for name in network.names if name not in weights]
    biases = [name for name in others if is_bias(name)]
    scales = [name for name in others if not is_bias(name)]
    for times in (1.0, 2.0):
        rest = "" if times == 1 else " The 0.5 is missing as well."
        for cause, names, told in _choices(weights, biases, scales):
            if _is(grown, 0.5 * times * sum(squares[name] for name in names)):
                return Diagnosis(cause, f"The penalty {told}.{rest}")
    return None


def _choices(
    weights: list[str], biases: list[str], scales: list[str]
) -> list[tuple[str, list[str], str]]:
    """Return which parameters a penalty may take by mistake."""
    only = "it belongs to the weights W only"
    choices = []
    if biases:
        told = f"is taken over the biases too; {only}"
        choices.append(("reg-on-biases", [*weights, *biases], told))
    if scales:
        told = f"is taken over every parameter; {only}"
        choices.append(("reg-on-all", [*weights, *biases, *scales], told))
        told = f"is taken over gamma and beta too; {only}"
        choices.append(("reg-on-gamma-beta", [*weights, *scales], told))
    if len(weights) > 1:
        cause = "reg-misses-a-layer"
        for name in weights:
            rest = [other for other in weights if other != name]
            choices.append((cause, rest, f"leaves out {name}"))
        choices += [(cause, [name], f"takes {name} alone") for name in weights]
    return choices


def _other_power(network: Network, grown: float) -> Diagnosis | None:
    """Look for a penalty that is not made of squares."""
    weights = [network.point[name] for name in network.weights()]
    absolute = sum(float(np.abs(w).sum()) for w in weights)
    norms = sum(float(np.linalg.norm(w)) for w in weights)
    squared_sum = sum(float(w.sum()) for w in weights) ** 2
    for value, why in (
        (0.5 * absolute, "It is made of |W|, not of W ** 2."),
        (0.5 * norms, "It is made of the norm of W, a root: take sum(W ** 2)."),
        (absolute, "It is made of |W|, not of W ** 2."),
        (norms, "It is made of the norm of W, a root: take sum(W ** 2)."),
        (0.5 * squared_sum, "The sum is squared: square first, then sum."),
    ):
        if math.isclose(grown, value, rel_tol=1e-4):
            return Diagnosis("reg-not-squared", why)
    return None


# ---- its gradient --------------------------------------------------------------------


def _cause_of_gradient(
    network: Network, name: str, added: Array, right: Array
) -> Diagnosis:
    if not right.any():
        return Diagnosis(
            "reg-on-biases" if is_bias(name) else "reg-on-gamma-beta",
            f"{name} has no part in the penalty of the loss, so its gradient has none either.",
        )
    for times, cause, why in (
        (0.0, "reg-gradient-missing",
         f"The penalty is in the loss but not in its gradient: add reg * {name}."),
        (2.0, "reg-gradient-factor",
         f"The 0.5 of the penalty and the 2 of the square make 1: its gradient is reg * {name}."),
        (0.5, "reg-gradient-factor",
         f"The 0.5 of the penalty cancels the 2 of the square: its gradient is reg * {name}."),
        (1 / len(network.X), "reg-gradient-factor",
         "It is divided by N, but the penalty is not part of the mean over the examples."),
        (-1.0, "reg-gradient-sign", "It is subtracted; it belongs added."),
    ):  # fmt: skip
        if np.allclose(added, times * right, rtol=1e-4, atol=1e-8):
            return Diagnosis(cause, why)
    return Diagnosis(
        "reg-gradient",
        f"The gradient of 0.5 * reg * sum({name} ** 2) is reg * {name}.",
    )
