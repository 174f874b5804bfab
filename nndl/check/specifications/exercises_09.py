"""The exercises of chapter 9."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import layers
from .._specification import (
    EDGE_CASES,
    Case,
    Function,
    Mistake,
    Outputs,
    Plain,
    numbers,
)
from .exercises_08 import ERASE, HOLES, HOLES_MISTAKES, Holes, cut_holes

Array = np.ndarray

# ---- labels that leave a doubt -------------------------------------------------------


def _smoothed_case(
    name: str,
    N: int,
    C: int,
    epsilon: float,
    stage: str = "values",
    times: float = 1.0,
) -> Case:
    y = (np.arange(N) * 2 + 1) % C
    sizes = {"N": N, "C": C, "epsilon": epsilon} if epsilon else {"N": N, "C": C}
    return Case(name, (times * numbers(N, C), y, epsilon), stage, sizes)


def _smoothed(
    of_loss: Callable[..., Any] = lambda x, own, epsilon: (
        epsilon * (own - x.mean(axis=1))
    ),
    of_gradient: Callable[..., Any] = lambda onehot, C, epsilon: (
        epsilon * (onehot - 1 / C)
    ),
    each: bool = True,
) -> Any:
    """Return the loss with another term added to it, or to its gradient; both terms are
    those of one example."""

    def twin(x: Array, y: Array, epsilon: float) -> Any:
        N, C = x.shape
        loss, dx = layers.softmax_loss(x, y)
        onehot = np.eye(C, dtype=x.dtype)[y]
        loss += float(np.mean(of_loss(x, x[np.arange(N), y], epsilon)))
        dx = dx + of_gradient(onehot, C, epsilon) / (N if each else 1)
        return loss, dx.astype(x.dtype)

    return twin


def _with_target(target: Callable[..., Any], divide: bool = True) -> Any:
    """Return the cross-entropy with another target."""

    def twin(x: Array, y: Array, epsilon: float) -> Any:
        N, C = x.shape
        shifted = x - x.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        q = target(np.eye(C, dtype=x.dtype)[y], C, epsilon)
        count = N if divide else 1
        return float(-(q * log_p).sum()) / count, (np.exp(log_p) - q) / count

    return twin


def _naively(x: Array, y: Array, epsilon: float) -> Any:
    N, C = x.shape
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    q = (1 - epsilon) * np.eye(C)[y] + epsilon / C
    return float(-(q * np.log(p)).sum()) / N, (p - q) / N


SMOOTHED = Plain(
    "smoothed_softmax_loss",
    ("x", "y", "epsilon"),
    ("loss", "dx"),
    _smoothed(),
    (
        _smoothed_case("3 examples, 4 classes, epsilon = 0.2", 3, 4, 0.2),
        _smoothed_case("5 examples, 3 classes, epsilon = 0.1", 5, 3, 0.1),
        _smoothed_case("2 examples, 6 classes, epsilon = 0.4", 2, 6, 0.4),
        _smoothed_case("epsilon = 0, the usual loss", 4, 3, 0.0, EDGE_CASES),
        _smoothed_case("epsilon = 1, where no class is right", 3, 4, 1.0, EDGE_CASES),
        _smoothed_case("a single example", 1, 5, 0.1, EDGE_CASES),
        _smoothed_case("large scores", 3, 4, 0.1, EDGE_CASES, times=1000),
    ),
    (
        Mistake(
            "no-max-shift",
            "Large scores overflow in the exponential: subtract each row's largest score first, or let "
            "softmax_loss do its part.",
            _naively,
        ),
        Mistake(
            "over-wrong-classes",
            "epsilon was spread over the C - 1 wrong classes; here all C classes share it, the right "
            "one too.",
            _with_target(
                lambda onehot, C, epsilon: np.where(onehot > 0, 1 - epsilon, epsilon / (C - 1))
            ),
        ),
        Mistake(
            "target-does-not-sum-to-1",
            "The right class has the target 1 - epsilon; it has its share of epsilon as well, 1 - "
            "epsilon + epsilon / C, so that the targets sum to 1.",
            _with_target(
                lambda onehot, C, epsilon: np.where(onehot > 0, 1 - epsilon, epsilon / C)
            ),
        ),
        Mistake(
            "target-does-not-sum-to-1",
            "The right class still has all of its 1 beside its share of epsilon: take epsilon away from "
            "it first.",
            _with_target(lambda onehot, C, epsilon: onehot + epsilon / C),
        ),
        Mistake(
            "epsilon-not-shared",
            "Every class got all of epsilon: they share it, epsilon / C each.",
            _with_target(lambda onehot, C, epsilon: (1 - epsilon) * onehot + epsilon),
        ),
        Mistake(
            "not-smoothed",
            "This is the usual loss with its gradient: epsilon has no effect.",
            lambda x, y, epsilon: layers.softmax_loss(x, y),
        ),
        Mistake(
            "not-smoothed",
            "epsilon has no effect on the loss: add epsilon * (s_y - mean of the scores) for each "
            "example.",
            _smoothed(of_loss=lambda x, own, epsilon: 0 * own),
        ),
        Mistake(
            "not-smoothed",
            "epsilon has no effect on the gradient, which is p - q with the smoothed target q.",
            _smoothed(of_gradient=lambda onehot, C, epsilon: 0 * onehot),
        ),
        Mistake(
            "not-averaged",
            "The terms with epsilon in the gradient were not divided by N, as the usual gradient is.",
            _smoothed(each=False),
        ),
        Mistake(
            "not-averaged",
            "The examples' losses were added up: the loss is their mean, and the gradient too is "
            "divided by N.",
            _with_target(lambda onehot, C, epsilon: (1 - epsilon) * onehot + epsilon / C, divide=False),
        ),
        Mistake(
            "sum-not-mean-of-scores",
            "The pull compares the right score with the sum of all scores; it is their mean.",
            _smoothed(of_loss=lambda x, own, epsilon: epsilon * (own - x.sum(axis=1))),
        ),
        Mistake(
            "pull-reversed",
            "The pull has the opposite sign: smoothing adds epsilon for each unit by which the right "
            "score exceeds the mean.",
            _smoothed(
                lambda x, own, epsilon: -epsilon * (own - x.mean(axis=1)),
                lambda onehot, C, epsilon: -epsilon * (onehot - 1 / C),
            ),
        ),
        Mistake(
            "own-class-only",
            "The gradient's share of every class, - epsilon / C, is missing; only the right class's was "
            "changed.",
            _smoothed(of_gradient=lambda onehot, C, epsilon: epsilon * onehot),
        ),
        Mistake(
            "every-class-only",
            "The right class's + epsilon is missing from the gradient; only the share of every class "
            "was taken away.",
            _smoothed(of_gradient=lambda onehot, C, epsilon: 0 * onehot - epsilon / C),
        ),
    ),
    {
        "loss": "loss = softmax_loss(x, y)[0] + epsilon * mean(x[n, y[n]] - mean(x[n]))",
        "dx": "dx = (p - q) / N, with q = (1 - epsilon) * onehot(y) + epsilon / C",
    },
    'chapter 9, section "Labels that leave a doubt"',
)  # fmt: skip

# ---- warm restarts -------------------------------------------------------------------


def _restart_case(name: str, s: float, cycles: int, stage: str = "values") -> Case:
    return Case(name, (s, cycles), stage)


Lengths = Callable[[int], list[float]]
Shape = Callable[[float], float]


def _doubling(cycles: int) -> list[float]:
    return [2.0**k for k in range(cycles)]


def _down(s: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * s))


def _restarting(
    lengths: Lengths = _doubling,
    shape: Shape = _down,
    peak: Callable[[int], float] = lambda k: 1.0,
    last: bool = True,
) -> Any:
    """Return the schedule with other lengths or another descent; `last` says whether its end
    belongs to the last descent."""

    def restarts(s: float, cycles: int) -> float:
        parts = lengths(cycles)
        place = s * sum(parts)
        for k, length in enumerate(parts):
            if place < length or (k == len(parts) - 1 and last):
                return peak(k) * shape(place / length)
            place -= length
        return 1.0

    return restarts


def _two_to_the_cycles(s: float, cycles: int) -> float:
    """2**cycles instead of 2**cycles - 1 parts."""
    place, length = s * 2**cycles, 1
    for _ in range(cycles - 1):
        if place < length:
            break
        place, length = place - length, 2 * length
    return _down(place / length)


def _three(part: str, s: float, stage: str = "values") -> Case:
    return _restart_case(f"3 descents, {part}, s = {s:.3g}", s, 3, stage)


# Three descents take 1/7, 2/7 and 4/7 of the training.
RESTARTS = Plain(
    "restarts",
    ("s", "cycles"),
    ("rate",),
    _restarting(),
    (
        _restart_case("one descent, at the start", 0.0, 1),
        _restart_case("one descent, s = 0.3", 0.3, 1),
        _restart_case("one descent, s = 0.8", 0.8, 1),
        _three("at the start", 0.0),
        _three("half way down the first", 1 / 14),
        _three("in the first", 0.1),
        _three("just after the first restart", 1 / 7 + 1e-9),
        _three("half way down the second", 2 / 7),
        _three("in the second", 0.4),
        _three("just after the second restart", 3 / 7 + 1e-9),
        _three("half way down the third", 5 / 7),
        _three("in the third", 0.9),
        _restart_case("2 descents, s = 0.5", 0.5, 2),
        _three("at the end", 1.0, EDGE_CASES),
        _restart_case("one descent, at the end", 1.0, 1, EDGE_CASES),
        _restart_case("5 descents, s = 0.02", 0.02, 5, EDGE_CASES),
    ),
    (
        Mistake(
            "equal-lengths",
            "All descents take equally long; each must take twice as long as the one before.",
            _restarting(lambda cycles: [1.0] * cycles),
        ),
        Mistake(
            "no-restarts",
            "This is a single descent: after a restart it must be 1 again.",
            _restarting(lambda cycles: [1.0]),
        ),
        Mistake(
            "ever-shorter",
            "Each descent takes half as long as the one before; it must take twice as long.",
            _restarting(lambda cycles: _doubling(cycles)[::-1]),
        ),
        Mistake(
            "lengths-1-2-3",
            "The descents take 1, 2, 3, ... parts; each must take twice as long as the one before: 1, "
            "2, 4, ...",
            _restarting(lambda cycles: [1.0 + k for k in range(cycles)]),
        ),
        Mistake(
            "number-of-parts",
            "Training was divided into 2**cycles parts; the lengths 1, 2, 4, ... add up to 2**cycles "
            "- 1.",
            _two_to_the_cycles,
        ),
        Mistake(
            "linear",
            "The descents are straight lines; each must be the cosine, 0.5 * (1 + cos(pi * s)).",
            _restarting(shape=lambda s: 1 - s),
        ),
        Mistake(
            "half-of-the-descent",
            "The cosine is not scaled to lie between 0 and 1: 0.5 * (1 + cos(pi * s)).",
            _restarting(shape=lambda s: math.cos(math.pi * s)),
        ),
        Mistake(
            "half-of-the-descent",
            "Only the first half of the cosine's descent was used, cos(pi * s / 2): half way down it "
            "must be 0.5.",
            _restarting(shape=lambda s: math.cos(math.pi * s / 2)),
        ),
        Mistake(
            "down-and-up",
            "Each cycle goes down and up again: a cycle takes pi, and not 2 * pi, of the cosine.",
            _restarting(shape=lambda s: _down(2 * s)),
        ),
        Mistake(
            "upwards",
            "It rises from 0 to 1; it must begin at 1, and be 0 at the end.",
            _restarting(shape=lambda s: 1 - _down(s)),
        ),
        Mistake(
            "lower-peaks",
            "Each descent begins at half the height of the one before; after a restart it must be 1.",
            _restarting(peak=lambda k: 0.5**k),
        ),
        Mistake(
            "restart-at-the-end",
            "At the end of training it restarts once more: at s = 1 it must be 0.",
            _restarting(last=False),
        ),
    ),
    {
        "rate": "a descent of length l that begins at place b is 0.5 * (1 + cos(pi * (p - b) / l)),\n"
        "with p = s * (2**cycles - 1) and lengths 1, 2, 4, ..."
    },
    'chapter 9, section "The learning rate over time"',
)  # fmt: skip

# ---- a hole in the picture -----------------------------------------------------------


def _rng_second(twin: Function) -> Function:
    return lambda X, rng, size: twin(X, size, rng)


CUTOUT = Holes(
    "cutout",
    ("X", "rng", "size"),
    ("out",),
    _rng_second(cut_holes),
    HOLES,
    tuple(
        Mistake(mistake.cause, mistake.why, _rng_second(mistake.twin))
        for mistake in HOLES_MISTAKES
    ),
    ERASE.formulas,
    'chapter 9, section "Mirrors and shifts: what a picture may do without changing its class"',
    wording=ERASE.wording,
    rng_first=True,
)

# ---- longest first -------------------------------------------------------------------

_AFTER = "durations after the call"


def _longest_case(
    name: str, durations: Sequence[float], workers: int, stage: str = "values"
) -> Case:
    return Case(name, (list(durations), workers), stage)


@dataclass(frozen=True)
class LongestFirst(Plain):
    """A number, and a list that must stay as it was."""

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        durations, workers = case.fresh()
        minutes = function(durations, workers)
        return {self.returns[0]: minutes, _AFTER: np.array(durations, dtype=float)}


def _makespan(durations: Sequence[float], workers: int) -> float:
    """Return when the last trial ends if each free worker takes the next trial."""
    free_at = np.zeros(workers)
    for duration in durations:
        free_at[free_at.argmin()] += duration
    return float(free_at.max())


def _longest_first(durations: Sequence[float], workers: int) -> float:
    return _makespan(sorted(durations, reverse=True), workers)


def _sorted_in_place(durations: list[float], workers: int) -> float:
    durations.sort(reverse=True)
    return _makespan(durations, workers)


def _shortest_in_place(durations: list[float], workers: int) -> float:
    durations.sort()
    return _makespan(durations, workers)


_MANY_TRIALS = np.random.default_rng(0).lognormal(0, 0.8, 60).round(2).tolist()

EXPECTED_MINUTES = LongestFirst(
    "expected_minutes",
    ("durations", "workers"),
    ("minutes",),
    _longest_first,
    (
        _longest_case("trials of 1, 1, 1, 1, 4 on 2 workers", [1, 1, 1, 1, 4], 2),
        _longest_case("trials of 2, 3, 2, 3, 2 on 2 workers", [2, 3, 2, 3, 2], 2),
        _longest_case("trials of 5, 1, 7, 3, 6, 3 on 3 workers", [5, 1, 7, 3, 6, 3], 3),
        _longest_case("60 trials on 7 workers", _MANY_TRIALS, 7),
        _longest_case("three equal trials on 3 workers", [3, 3, 3], 3, EDGE_CASES),
        _longest_case("a single trial on 8 workers", [2], 8, EDGE_CASES),
        _longest_case("a single worker", [2, 1, 5], 1, EDGE_CASES),
    ),
    (
        Mistake(
            "order-given",
            "The trials are started in the order given: start the longest first.",
            _makespan,
        ),
        Mistake(
            "shortest-first",
            "This is what comes out with the shortest first, or if sorted trials are dealt out in turn: "
            "start the longest first, sorted(..., reverse=True), each with whoever is free first.",
            lambda durations, workers: _makespan(sorted(durations), workers),
        ),
        Mistake(
            "reorders-the-list",
            "The list that was given has been reordered, and it belongs to the caller: `sorted` makes a "
            "new one, where `.sort()` changes it.",
            _sorted_in_place,
        ),
        Mistake(
            "reorders-the-list",
            "The list that was given has been reordered, and it belongs to the caller: use `sorted`, "
            "and with reverse=True, for it begins with the shortest.",
            _shortest_in_place,
        ),
        Mistake(
            "work-divided",
            "This is the work divided by the workers: a trial cannot be divided, so some worker ends "
            "later.",
            lambda durations, workers: sum(durations) / workers,
        ),
        Mistake(
            "bound-not-result",
            "This is the lower bound of the chapter, the larger of the mean load and the longest trial; "
            "what is asked for is reached by a plan, with makespan.",
            lambda durations, workers: max(sum(durations) / workers, max(durations)),
        ),
        Mistake(
            "bound-not-result",
            "This is the upper bound of the chapter; what is asked for is reached by a plan, with "
            "makespan.",
            lambda durations, workers: (
                (sum(durations) - max(durations)) / workers + max(durations)
            ),
        ),
        Mistake(
            "longest-only",
            "This is the longest trial alone; the workers have others to do before or after it.",
            lambda durations, workers: max(durations),
        ),
    ),
    {
        "minutes": "makespan(sorted(durations, reverse=True), workers)",
        _AFTER: "the list is left in the order in which it was given",
    },
    'chapter 9, section "What a search costs, and where machines stop helping"',
    wording={_AFTER: "the list that was given has been reordered by the call"},
)  # fmt: skip

ALL = (SMOOTHED, RESTARTS, CUTOUT, EXPECTED_MINUTES)
