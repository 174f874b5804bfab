"""What the numbers were measured with: the machine, the libraries, and how fast matrix
products can be here."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nndl import get_num_threads, show_config
from nndl._machine import processor

from .pytorch import torch


def description() -> list[str]:
    """Return lines on the package, the libraries and the processor."""
    config = io.StringIO()
    with contextlib.redirect_stdout(config):
        show_config()
    return [
        *config.getvalue().splitlines(),
        f"Python    {platform.python_version()}, NumPy {np.__version__}, "
        f"PyTorch {torch.__version__ if torch is not None else 'not installed'}",
        f"machine   {processor()} ({platform.machine()})",
    ]


def peak(size: int = 1536, runs: int = 7) -> dict[str, float]:
    """Return the best rate of a matrix product in GFLOP/s, by dtype: NumPy's or
    PyTorch's."""
    rates = {}
    for dtype in ("float32", "float64"):
        a, b = np.random.default_rng(0).standard_normal((2, size, size), dtype)
        out = np.empty_like(a)
        products: list[Callable[[], Any]] = [lambda: np.matmul(a, b, out=out)]  # noqa: B023
        if torch is not None:
            ta, tb, tout = (torch.from_numpy(array) for array in (a, b, out))
            products.append(lambda: torch.mm(ta, tb, out=tout))  # noqa: B023
        best = min(_quickest(product, runs) for product in products)
        rates[dtype] = 2 * size**3 / best / 1e9
    return rates


def peak_line(rates: dict[str, float]) -> str:
    return (
        f"peak      {rates['float32']:.0f} GFLOP/s in float32, "
        f"{rates['float64']:.0f} in float64: the best matrix product of NumPy and "
        f"PyTorch, {get_num_threads()} threads"
    )


class OtherPrograms:
    """How much of the processor other programs took since this was made."""

    def __init__(self) -> None:
        self._start = self._now()

    def share(self) -> float | None:
        """Return their share of the time of all CPUs, if the system tells."""
        if self._start is None or (now := self._now()) is None:
            return None
        total, busy, ours = (b - a for a, b in zip(self._start, now, strict=True))
        return max(0.0, busy - ours) / total if total else None

    @staticmethod
    def _now() -> tuple[float, float, float] | None:
        """Return seconds since the start: of all CPUs, busy ones, and busy for us."""
        stat = Path("/proc/stat")
        if not stat.exists():
            return None
        # user nice system idle iowait irq softirq steal
        ticks = [int(field) for field in stat.read_text().split()[1:9]]
        unit = os.sysconf("SC_CLK_TCK")
        total, idle = sum(ticks) / unit, (ticks[3] + ticks[4]) / unit
        return total, total - idle, sum(os.times()[:4])


def _quickest(function: Callable[[], Any], runs: int) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
