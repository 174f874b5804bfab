"""What a worker does: one trial."""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._arguments import shown
from .._threads import _default_threads, set_num_threads


def run_trial(
    objective: Callable[..., Any],
    config: Mapping[str, Any],
    budget: float,
    seed: int,
    tasks: Mapping[str, int],
) -> dict[str, Any]:
    """Return what the objective says of a configuration, or how it failed.

    `tasks` says how many trials run at once on each host: each has its share of the
    cores.
    """
    from distributed import get_worker

    _let_tqdm_make_no_semaphore()
    worker = get_worker().address
    set_num_threads(kernel_threads(tasks.get(host_of(worker), 1)))
    begin = time.perf_counter()
    try:
        # That a learning rate is too high is found out by trying.
        with np.errstate(over="ignore", invalid="ignore"):
            outcome = _outcome(objective(dict(config), budget, seed))
    except (Exception, SystemExit) as error:
        message = f"{type(error).__name__}: {_message(error)}"
        outcome = {"score": None, "error": message}
    seconds = time.perf_counter() - begin
    return {**outcome, "seconds": round(seconds, 6), "worker": worker}


@functools.cache
def _let_tqdm_make_no_semaphore() -> None:
    """A worker that is killed would leave it behind, and Python complain about it."""
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())


def kernel_threads(tasks: int) -> int:
    """Return how many threads each of so many tasks on this machine may use."""
    return max(1, _default_threads() // tasks)


def host_of(address: str) -> str:
    """Return the host in an address like ``tcp://10.0.0.1:8786``."""
    return address.partition("://")[2].rpartition(":")[0]


def _outcome(returned: Any) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    score = returned
    if isinstance(returned, Mapping):
        if "score" not in returned:
            raise ValueError(
                f"the objective must return a 'score', but returned {shown(returned)}."
            )
        extra = {str(key): _plain(value) for key, value in returned.items()}
        score = returned["score"]
        del extra["score"]
    plain = _plain(score)
    if isinstance(plain, bool) or not isinstance(plain, (int, float)):
        # What is not finite has become None.
        if isinstance(score, (float, np.floating)) or (
            isinstance(score, np.ndarray) and score.dtype.kind == "f" and not score.ndim
        ):
            raise ValueError(f"the score is {float(score)}.")
        raise TypeError(f"the score must be a number, but is {shown(score)}.")
    return {"score": float(plain), "error": None, "extra": extra}


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it; None for a number that is not finite."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise TypeError(
        f"the objective must return numbers, but returned {shown(value)} among them."
    )


def _message(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())
    except Exception:
        return "without a message"
