"""Times functions against each other in one process, so that a noisy machine is noisy
for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any


def interleaved_medians(
    functions: Mapping[str, Callable[[], Any]], seconds: float = 3.0, warm_up: int = 2
) -> dict[str, float]:
    """Call the functions in turn for about `seconds`, and return each one's median time
    in seconds."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(warm_up):
        for function in functions.values():
            function()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < 5:
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}
