"""Objectives of searches, which worker processes import, and a search to interrupt."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from pathlib import Path

import nndl
from nndl import sweep

LR = sweep.log_uniform(1e-5, 1e-1)


def parabola(config, budget, seed):
    """Best at a learning rate of 1e-3; better with more budget; noisy."""
    distance = math.log10(config["lr"]) + 3
    return -(distance**2) + 0.1 * budget + 1e-3 * (seed % 1000) / 1000


#: How many trials end while a search is held: with two workers, two more have begun.
FREE = 7


def told(config, budget, seed):
    """The parabola, taking its time, and noting in a file each time that it begins.

    All but the first of these trials wait while there is a file named "held".
    """
    mine, file = f"{seed} {budget} {os.getpid()}", Path(config["file"])
    with file.open("a", encoding="utf-8") as notes:
        notes.write(f"{mine}\n")
    time.sleep(config["seconds"])
    if file.read_text("utf-8").splitlines().index(mine) >= FREE:
        while file.with_name("held").exists():
            time.sleep(0.01)
    return {"score": parabola(config, budget, seed), "budget": budget}


def begun(folder):
    """Return the seed, the budget and the process of each call of `told`."""
    path = Path(folder) / "begun"
    text = path.read_text("utf-8") if path.exists() else ""
    return [tuple(map(int, line.split())) for line in text.splitlines()]


def in_trouble(config, budget, seed):
    """As the configuration says."""
    trouble = config["trouble"]
    if trouble == "raises":
        raise ZeroDivisionError("one by\nnothing")
    if trouble == "exits":
        sys.exit(3)
    if trouble == "kills":
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble == "slow":
        time.sleep(0.5)
    answers = {
        "nan": math.nan,
        "infinite": math.inf,
        "text": "0.5",
        "none": None,
        "no score": {"accuracy": 0.5},
        "no number": {"score": 0.5, "model": nndl},
    }
    return answers.get(trouble, config["lr"])


def threads(config, budget, seed):
    """How many threads a trial may use."""
    time.sleep(0.05)
    blas = int(os.environ["OPENBLAS_NUM_THREADS"])
    return {"score": nndl.get_num_threads(), "blas": blas, "pid": os.getpid()}


class Unloadable:
    """An objective that no worker can load."""

    def __reduce__(self):
        return _refuse, ()

    def __call__(self, config, budget, seed):
        return 0.0


def _refuse():
    raise ImportError("not on this machine")


def search_of(folder, seconds=0.2, **options):
    folder = Path(folder)
    space = {"lr": LR, "file": str(folder / "begun"), "seconds": seconds}
    return sweep.search(
        told, space, trials=12, budgets=(1, 3), log=folder / "log.jsonl", **options
    )


def lines(folder):
    """Return the records in the log of `search_of`, as they stand there."""
    path = Path(folder) / "log.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[1:-1]]


def main(folder):
    """Run the search on this machine; the exit status says whether it was interrupted."""
    try:
        search_of(folder, workers=2)
    except KeyboardInterrupt:
        sys.exit(7)
