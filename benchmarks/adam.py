"""The rows of one step of Adam: the compiled kernel, its readable twin, and PyTorch's
fused kernel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from nndl import optim

from .pytorch import torch
from .results import Row
from .timing import Chain, Effort, interleaved_medians

SIZES = (10_000, 300_000, 8_000_000)


def steps(names: Collection[str], effort: Effort) -> Iterator[Row]:
    if "adam" not in names:
        return
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        for size in SIZES:
            w, dw = rng.standard_normal((2, size), dtype)
            chains: dict[str, Chain] = {
                "nndl": [_rule(optim.adam_fast, w, dw)],
                "readable": [_rule(optim.adam, w, dw)],
            }
            if torch is not None:
                chains["fused"] = [_torch_adam(w, dw)]
            medians = interleaved_medians(chains, effort)
            yield Row(
                work=f"{size:,} {dtype}",
                values={peer: 1e3 * seconds for peer, [seconds] in medians.items()},
                dtype=dtype,
            )


def _rule(
    rule: Callable[..., Any], w: np.ndarray, dw: np.ndarray
) -> Callable[[], None]:
    """Return a function that takes one step each time it is called."""
    state = {"w": w, "config": {"learning_rate": 1e-3}}

    def run() -> None:
        state["w"], state["config"] = rule(state["w"], dw, state["config"])

    return run


def _torch_adam(w: np.ndarray, dw: np.ndarray) -> Callable[[], None]:
    parameter = torch.nn.Parameter(torch.from_numpy(w.copy()))
    parameter.grad = torch.from_numpy(dw.copy())
    return torch.optim.Adam([parameter], lr=1e-3, fused=True).step
