"""Times functions against each other in one process, so that a noisy machine is noisy
for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

#: A first function, and others that take what the one before returned; for example a
#: forward pass that returns its cache, and the backward pass.
Chain = Sequence[Callable[..., Any]]


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    #: About how long to repeat one comparison.
    seconds: float
    #: How often to repeat it at least.
    rounds: int
    #: How many images the naive loops go through.
    naive_images: int
    #: For how many steps to train when memory is watched.
    soak_steps: int


THOROUGH = Effort(seconds=4.0, rounds=7, naive_images=2, soak_steps=2000)
QUICK = Effort(seconds=0.2, rounds=2, naive_images=1, soak_steps=300)


def interleaved_medians(
    peers: Mapping[str, Chain], effort: Effort
) -> dict[str, list[float]]:
    """Run the chains in turn, and return the median time in seconds of each function.

    A chain's first function runs once untimed before it is timed. So every peer starts
    with its own threads awake and those of the others asleep: thread pools wait in a
    busy loop for a while after their work, which would fall into the next one's time.
    """
    times: dict[str, list[list[float]]] = {name: [] for name in peers}
    rounds, end = 0, time.perf_counter() + effort.seconds
    while rounds < effort.rounds or time.perf_counter() < end:
        rounds += 1
        for name, chain in peers.items():
            chain[0]()
            times[name].append(run_once(chain))
    return {
        name: [median(each) for each in zip(*laps, strict=True)]
        for name, laps in times.items()
    }


def run_once(chain: Chain) -> list[float]:
    """Run a chain, and return the time in seconds of each of its functions."""
    times: list[float] = []
    state: tuple[Any, ...] = ()
    for function in chain:
        start = time.perf_counter()
        result = function(*state)
        times.append(time.perf_counter() - start)
        state = (result,)
    return times
