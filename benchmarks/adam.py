"""One step of Adam: the compiled kernel against its NumPy twin, and against PyTorch's
if installed.

    python -m benchmarks.adam

Prints medians in milliseconds of interleaved runs in this process, and ratios to the
compiled kernel (above 1: the kernel is quicker).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from benchmarks.timing import interleaved_medians
from nndl import get_num_threads, optim, show_config

SIZES = (10_000, 300_000, 8_000_000)


def rule(step: Callable[..., Any], w: np.ndarray, dw: np.ndarray) -> Callable[[], None]:
    """Return a function that takes one step each time it is called."""
    state = {"w": w, "config": {"learning_rate": 1e-3}}

    def run() -> None:
        state["w"], state["config"] = step(state["w"], dw, state["config"])

    return run


def torch_adam(w: np.ndarray, dw: np.ndarray) -> Callable[[], None]:
    import torch

    torch.set_num_threads(get_num_threads())
    parameter = torch.nn.Parameter(torch.from_numpy(w.copy()))
    parameter.grad = torch.from_numpy(dw.copy())
    return torch.optim.Adam([parameter], lr=1e-3, fused=True).step


def main() -> None:
    show_config()
    print(f"\n{'parameters':>12} {'dtype':>8} {'adam_fast':>10}   peers (ms, ratio)")
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        for size in SIZES:
            w, dw = rng.standard_normal((2, size)).astype(dtype)
            functions = {
                "adam_fast": rule(optim.adam_fast, w, dw),
                "adam": rule(optim.adam, w, dw),
            }
            with suppress(ImportError):
                functions["torch fused"] = torch_adam(w, dw)
            medians = interleaved_medians(functions)
            ours = medians.pop("adam_fast")
            peers = "   ".join(
                f"{name} {1e3 * time:.3f} ({time / ours:.2f})"
                for name, time in medians.items()
            )
            print(
                f"{size:>12,} {np.dtype(dtype).name:>8} {1e3 * ours:>10.3f}   {peers}"
            )


if __name__ == "__main__":
    main()
