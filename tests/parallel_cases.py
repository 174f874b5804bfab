"""Every compiled function on arguments that keep several threads busy, for tests that
call them from several Python threads and processes at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import fast_cases
import numpy as np

from nndl import fast_layers, optim

RULES = ["sgd", "sgd_momentum", "sgd_nesterov_momentum", "rmsprop", "adam", "adamw"]


def digest(value: Any) -> str:
    """Return a checksum over the bits of nested arrays."""
    sums = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, dict):
            for key in sorted(value):
                sums.update(key.encode())
                add(value[key])
        elif isinstance(value, tuple | list):
            for entry in value:
                add(entry)
        elif isinstance(value, np.ndarray | np.generic | float):
            sums.update(np.asarray(value).tobytes())

    add(value)
    return sums.hexdigest()


def _layer(name: str, settings: dict[str, Any], dtype: Any) -> Callable[[], str]:
    given = fast_cases.arguments(name, dtype, **settings)

    def run() -> str:
        mine = fast_cases.convert(given, np.copy)  # running averages change in place
        return digest((*fast_cases.run_fast(name, mine), mine.get("bn_param")))

    return run


def _rule(name: str) -> Callable[[], str]:
    w, *dws = fast_cases.normal(1, 4, 150, 401, dtype=np.float32)

    def run() -> str:
        next_w, config = w, {}
        for dw in dws:
            next_w, config = getattr(optim, f"{name}_fast")(next_w, dw, config)
        return digest((next_w, config))

    return run


def _loss() -> str:
    x = fast_cases.normal(2, 3000, 10, dtype=np.float32)
    return digest(fast_layers.softmax_loss_fast(x, np.arange(3000) % 10))


def cases() -> dict[str, Callable[[], str]]:
    """Return functions that each run one compiled function, forward and backward, and
    return a checksum of its results."""
    found: dict[str, Callable[[], str]] = {"softmax loss": _loss}
    for size, layers in (("large", fast_cases.LARGE), ("small", fast_cases.SMALL)):
        for case, (name, settings) in layers.items():
            dtype = np.float64 if "stride" in case else np.float32
            found[f"{size} {case}"] = _layer(name, settings, dtype)
    return found | {rule: _rule(rule) for rule in RULES}


def digests(order: int = 0) -> dict[str, str]:
    """Run every case, from number `order` on and around, and return its checksum."""
    every = list(cases().items())
    start = order % len(every)
    return {name: run() for name, run in every[start:] + every[:start]}
