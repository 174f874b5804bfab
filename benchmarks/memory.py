"""The row of memory: how much four training steps of N2 add, in a fresh process each.

What is counted is the most memory that the process held (its resident set) during the
steps, less what it held before the first, when the model and the minibatch were there:
gradients, Adam's averages, caches and workspaces.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from . import networks
from .fresh_process import in_a_fresh_process
from .pytorch import torch
from .results import Row
from .timing import Effort

NETWORK = "N2"
STEPS = 4


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
