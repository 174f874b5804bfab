"""The third stage: the loss of scores that are all 0, which tells its kind, and its
agreement with the scores."""

from __future__ import annotations

import math

import numpy as np

from ... import layers
from .._calls import Trouble
from .._diagnosis import Diagnosis
from ._network import Network
from ._state import Array


def check_loss(network: Network) -> None:
    network.put({name: np.zeros_like(p) for name, p in network.point.items()})
    if np.all(network.scores(network.X) == 0):
        _check_loss_of_zeros(network)
    network.put(network.point)
    _check_against_scores(network)
    _check_dropout(network)
    _check_large_scores(network)
    _note_first_loss(network)
    network.put(network.point)


# ---- scores of 0 ---------------------------------------------------------------------


def _check_loss_of_zeros(network: Network) -> None:
    loss, N, C = network.loss(), len(network.X), network.classes
    softmax, svm = math.log(C), C - 1.0
    for kind, value, told in (
        ("softmax", softmax, "a softmax: log C"), ("SVM", svm, "an SVM: C - 1"),
    ):  # fmt: skip
        if math.isclose(loss, value, rel_tol=1e-4):
            network.loss_kind = kind
            network.notes.append(
                f"The loss is that of {told} = {value:.4g} for scores of 0, with C = {C} classes."
            )
            return
    cause = _cause_of_loss_of_zeros(loss, N, C)
    raise Trouble(
        cause.cause,
        f"the loss is {loss:.6g} where all scores are 0 (N = {N} examples, C = {C} classes); it "
        f"should be log C = {softmax:.6g} for softmax, or C - 1 = {svm:g} for an SVM",
        cause.why,
    )


def _cause_of_loss_of_zeros(loss: float, N: int, C: int) -> Diagnosis:
    softmax, svm = math.log(C), C - 1.0
    for cause, values, why in (
        ("summed", (N * softmax, N * svm, N * (svm + 1)),
         "It is a sum over the examples: divide it by N (and its gradient too)."),
        ("divided-twice", (softmax / N, svm / N), "It is divided by N twice."),
        ("wrong-axis", (math.log(N), N * math.log(N), C / N * math.log(N)),
         "It is log N, so the softmax runs over the examples: it belongs over the classes, axis 1, "
         "with keepdims=True."),
        ("divided-by-classes", (softmax / C, N * softmax / C, svm / C),
         "It is divided by the number of classes: the mean is over the N examples."),
        ("correct-class-counted", (svm + 1,),
         "It is C, not C - 1: the margin of the correct class must not be counted."),
        ("sign", (-softmax, -N * softmax), "The minus sign of -log p is missing."),
        ("log-base", (math.log2(C), math.log10(C)),
         "The logarithm is not the natural one, `np.log`."),
        ("not-a-logarithm", (1 / C, -1 / C, 1 - 1 / C),
         "It is made of the probability itself: the loss is minus its logarithm."),
        ("zero-loss", (0.0,), "Nothing is added to the loss."),
    ):  # fmt: skip
        if any(math.isclose(loss, one, rel_tol=1e-4, abs_tol=1e-9) for one in values):
            return Diagnosis(cause, why)
    return Diagnosis("loss", "Neither the softmax nor the SVM loss gives this number.")


# ---- other scores --------------------------------------------------------------------


def _loss_of(network: Network, scores: Array, y: Array) -> float:
    """Return what the book's own function gives."""
    svm = network.loss_kind == "SVM"
    loss = layers.svm_loss if svm else layers.softmax_loss
    return float(loss(scores, y)[0])


def _check_against_scores(network: Network) -> None:
    """Compare the loss with that of the scores, where training and test are the same."""
    if not network.loss_kind or network.has_dropout() or network.averages():
        return
    X, y, within = network.X, network.y, network.within
    loss = network.loss()
    alone = [network.loss(X[i : i + 1], y[i : i + 1]) for i in range(len(X))]
    if not math.isclose(float(np.mean(alone)), loss, rel_tol=10 * within):
        return
    scores = network.scores(X)
    expected = _loss_of(network, scores, y)
    if math.isclose(loss, expected, rel_tol=10 * within, abs_tol=within):
        return
    cause = _cause_of_loss(network, loss, scores)
    problem = f"the loss is {loss:.6g}; that of its scores is {expected:.6g}"
    if (
        cause.cause == "loss"
        and loss > expected
        and getattr(network.model, "reg", 1) != 0
    ):
        network.notes.append(
            f"With random weights, {problem}. If the rest is a penalty, call its strength `reg`, so "
            "that it can be looked at."
        )
        return
    raise Trouble(cause.cause, problem, cause.why)


def _cause_of_loss(network: Network, loss: float, scores: Array) -> Diagnosis:
    """Return why the loss is not that of the scores."""
    y, C = network.y, network.classes
    shifted = "The labels are shifted by one."
    turned = "The loss does not follow the scores: their sign is wrong."
    for cause, other_scores, other_y, why in (
        ("relu-on-scores", np.maximum(scores, 0), y,
         "The loss runs on scores whose negative ones were set to 0: no ReLU belongs after the last "
         "layer."),
        ("scores", 0 * scores, y, turned),
        ("scores", -scores, y, turned),
        ("labels", scores, (y + 1) % C, shifted),
        ("labels", scores, (y - 1) % C, shifted),
    ):  # fmt: skip
        if math.isclose(loss, _loss_of(network, other_scores, other_y), rel_tol=1e-5):
            return Diagnosis(cause, why)
    return Diagnosis(
        "loss",
        f"It is not the {network.loss_kind} loss of the scores that loss(X) returns: it takes other "
        "scores, other labels, or another formula.",
    )


def _check_dropout(network: Network) -> None:
    """A loss with dropout is not that of the scores in test mode."""
    if not network.has_dropout() or not network.loss_kind or network.averages():
        return
    expected = _loss_of(network, network.scores(network.X), network.y)
    if math.isclose(network.loss(), expected, rel_tol=1e-9):
        raise Trouble(
            "trains-in-test-mode",
            f"loss(X, y) is {expected:.6g}, just as without dropout",
            "Dropout does nothing in training: with y, its mode must be 'train', and the network "
            "must apply it.",
        )


def _check_large_scores(network: Network) -> None:
    largest = _enlarge_scores(network)
    if largest is None:
        return
    loss = network.loss()
    if np.isnan(loss):
        raise Trouble(
            "overflow",
            f"the loss is NaN where the scores are as large as {largest:.4g}",
            "The exponential overflows: subtract each row's largest score before it.",
        )
    if np.isinf(loss):
        network.notes.append(
            f"The loss is infinite where the scores are as large as {largest:.4g}: log p of a "
            "probability that was rounded to 0. Write it as scores - log(sum(exp(scores)))."
        )


def _enlarge_scores(network: Network) -> float | None:
    """Scale all weights until the scores are large, and return the largest; None where
    they do not become so, or too large."""
    params = network.point
    for _ in range(8):
        params = {name: 8 * value for name, value in params.items()}
        network.put(params)
        largest = float(np.abs(network.scores(network.X)).max())
        if not np.isfinite(largest) or largest > 1e9:
            return None
        if largest > 2000:
            return largest
    return None


# ---- the model's own weights ---------------------------------------------------------


def _note_first_loss(network: Network) -> None:
    """Note initial weights that are too large."""
    C = network.classes
    usual = {"softmax": math.log(C), "SVM": C - 1.0}.get(network.loss_kind)
    if usual is None:
        return
    loss = _first_loss(network)
    if loss > 2 * usual + 1:
        network.notes.append(
            f"With its own weights the loss begins at {loss:.4g}, far above {usual:.4g}: if they "
            "are the initial ones, they are too large."
        )


def _first_loss(network: Network) -> float:
    """Return the loss with the model's own parameters."""
    now = {name: value.copy() for name, value in network.params.items()}
    network.state.restore()
    network.put_in_float64(network.params)
    loss = network.loss()
    network.put_in_float64(now)
    return loss
