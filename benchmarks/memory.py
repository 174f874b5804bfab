"""The rows of memory, in a fresh process each: how much four training steps of N2 add,
and how much a long training of N1 grows.

What is counted of N2 is the most memory that the process held (its resident set) during
the steps, less what it held before the first, when the model and the minibatch were
there: gradients, Adam's averages, caches and workspaces.

N1 is trained by the Solver, with all that it does beside the steps: new permutations,
accuracies, copies of the best parameters. Whatever is forgotten in each step, however
small, is there in the end.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from nndl.solver import Solver

from . import networks
from .fresh_process import in_a_fresh_process
from .pytorch import torch
from .results import Row
from .timing import Effort

NETWORK = "N2"
STEPS = 4

SOAKED = "N1"
#: Memory is looked at every so many steps, first when so many have been taken.
BETWEEN_LOOKS = 100


def growth(names: Collection[str], effort: Effort) -> Iterator[Row]:
    if "memory" in names:
        peers = ["nndl"] if torch is None else ["nndl", "torch"]
        values = {peer: in_a_fresh_process(_growth, peer) for peer in peers}
        yield Row(work=f"{NETWORK} memory", values=values)


def _growth(peer: str) -> float:
    """Train for a few steps, and return the growth in MB."""
    X, y = networks.batch(NETWORK)
    if peer == "nndl":
        step = networks.nndl_step(networks.NNDL_NETWORKS[NETWORK](), X, y)
    else:
        model = networks.torch_network(NETWORK)
        step = networks.torch_step(model, X, y, *networks.torch_ways(NETWORK)[peer])
    gc.collect()
    before = _resident()
    _forget_the_most()
    for _ in range(STEPS):
        step()
    return _most_resident() - before


#: Where Linux says how much memory the process holds, and has held at most. Its
#: `ru_maxrss` would not do: a process inherits it from the one that started it.
STATUS = Path("/proc/self/status")


def soak(names: Collection[str], effort: Effort) -> Iterator[Row]:
    if "soak" in names:
        grown = in_a_fresh_process(_growth_in_the_long_run, effort.soak_steps)
        yield Row(work=f"{SOAKED} soak", values={"nndl": grown})


def _growth_in_the_long_run(steps: int) -> float:
    """Train for many steps, and return by how many MB memory ever exceeded what it was
    after the first hundred."""
    X, y = networks.batch(SOAKED)
    rng = np.random.default_rng(2)
    data = {
        "X_train": rng.standard_normal((10 * len(X), *X.shape[1:]), np.float32),
        "y_train": np.tile(y, 10),
        "X_val": X,
        "y_val": y,
    }
    solver = Solver(
        networks.NNDL_NETWORKS[SOAKED](),
        data,
        update_rule="adam",
        batch_size=len(X),
        num_epochs=BETWEEN_LOOKS // 10,
        num_train_samples=len(X),
        verbose=False,
        rng=0,
    )
    looks = []
    while solver.iteration < steps:
        solver.train()
        gc.collect()
        looks.append(_resident())
    return max(looks) - looks[0]


def _resident() -> float:
    """Return how many MB the process holds, or where this is unknown, has ever held."""
    return _megabytes("VmRSS") if STATUS.exists() else _most_resident()


def _most_resident() -> float:
    """Return how many MB the process has ever held."""
    if STATUS.exists():
        return _megabytes("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _megabytes(field: str) -> float:
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return 1024 * int(lines[field].split()[0]) / 1e6


def _forget_the_most() -> None:
    """Let Linux count the most from now on, and not from building the model."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
