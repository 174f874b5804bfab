"""Trains in a process that gets Ctrl-C at random moments, and calls `train` again.

    python tests/interrupt_and_continue.py FOLDER SEED INTERRUPTS

A timer sends SIGINT after a random time of work, wherever the training happens to be
then: in a layer, between two updates, in the middle of writing a checkpoint. After each
one, everything that the Solver holds must be whole, the checkpoint on disk too, and
nothing half-made be left. Each training that comes to its end must be, to the last bit,
the one that nobody interrupted; then the next one begins. Prints counts.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import traceback
from pathlib import Path

import numpy as np
from kill_and_resume import SETTINGS, make_net, result_of
from training_cases import blobs

from nndl import _checkpoints
from nndl.solver import Solver


def make_solver(folder: Path) -> Solver:
    """Return a Solver; the random numbers of its dropout are NumPy's own."""
    np.random.seed(1)
    settings = SETTINGS | {"num_epochs": 20, "checkpoint_every": 3}
    return Solver(
        make_net(rng=None), blobs(), checkpoint_name=folder / "run", **settings
    )


def outcome(solver: Solver, folder: Path) -> dict[str, object]:
    """Return all that a training leaves behind: in memory, on disk, of random numbers."""
    files = {}
    for file in sorted(folder.iterdir()):
        arrays, facts = _checkpoints.read(file)
        files[file.name] = facts, {k: a.tobytes().hex() for k, a in arrays.items()}
    numbers = (
        np.random.get_state()[1].tobytes().hex(),
        str(solver.rng.bit_generator.state),
    )
    return {"result": result_of(solver), "files": files, "random": numbers}


def check(solver: Solver, folder: Path) -> None:
    """Check that an interrupted training is whole."""
    assert len(solver.loss_history) == solver.iteration
    assert len(solver.train_acc_history) == len(solver.val_acc_history)
    averages = [
        b[k] for b in solver.model.bn_params for k in ("running_mean", "running_var")
    ]
    assert all(np.isfinite(a).all() for a in [*solver.model.params.values(), *averages])
    assert {config.get("t", 0) for config in solver.optim_configs.values()} == {
        solver.iteration
    }
    for file in folder.iterdir():
        assert file.name in ("run_last.npz", "run_best.npz"), file
        _checkpoints.read(file)


class Interruptions:
    """Sends SIGINT to this process after random times, and counts where it was then."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.interrupted = 0
        self.inside = {"_save": 0, "_step": 0, "_take_stock": 0}
        self.armed = False
        signal.signal(signal.SIGINT, self._interrupt)
        # Its timer counts the time of work, so that other programs change little.
        signal.signal(signal.SIGPROF, lambda *_: os.kill(os.getpid(), signal.SIGINT))

    def _interrupt(self, *_: object) -> None:
        if self.armed:  # or the training came to its end first
            raise KeyboardInterrupt

    def train(self, solver: Solver) -> bool:
        """Train until it is done or interrupted; say whether it is done."""
        try:
            self.armed = True
            signal.setitimer(signal.ITIMER_PROF, self.chance.uniform(1e-4, 0.02))
            solver.train()
            self.armed = False
        except KeyboardInterrupt as interrupt:
            self.armed = False
            self.interrupted += 1
            for frame in traceback.extract_tb(interrupt.__traceback__):
                if frame.name in self.inside:
                    self.inside[frame.name] += 1
        signal.setitimer(signal.ITIMER_PROF, 0)
        return solver.iteration > 0 and not solver._unfinished


def main(folder: Path, seed: int, interrupts: int) -> dict[str, int]:
    (folder / "whole").mkdir()
    whole = make_solver(folder / "whole")
    whole.train()
    expected = outcome(whole, folder / "whole")
    interruptions = Interruptions(seed)
    trainings = 0
    while interruptions.interrupted < interrupts:
        run = folder / f"run {trainings}"
        run.mkdir()
        solver = make_solver(run)
        while not interruptions.train(solver):
            check(solver, run)
        assert outcome(solver, run) == expected, f"training {trainings}"
        trainings += 1
    counts = {"interrupted": interruptions.interrupted, "trainings": trainings}
    return counts | interruptions.inside


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
