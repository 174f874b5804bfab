"""Trains in processes that are killed at random moments, and goes on in new ones.

    python tests/kill_and_resume.py FOLDER SEED KILLS

Each process goes on from the last checkpoint, if there is one, and kills itself with
SIGKILL after a random number of calls and returns, wherever it happens to be then: in
a layer, between two updates; every second one counts from the beginning of a random
write on, and dies in the middle of it or shortly after. The process after the last kill
is let finish. Prints counts, and whether everything is as in a run that was never
killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
from pathlib import Path
from types import FrameType

import numpy as np
from training_cases import blobs, jittered

from nndl._files import replacing
from nndl.fc_net import FullyConnectedNet
from nndl.schedules import one_cycle
from nndl.solver import Solver

#: The code in which a file is written (inside the context manager that wraps it).
_WRITE = replacing.__wrapped__.__code__

#: A few hundred iterations; a checkpoint after every seven.
SETTINGS = {
    "update_rule": "adam",
    "optim_config": {"learning_rate": 1e-2},
    "schedule": one_cycle,
    "augment": jittered,
    "averaging": 0.9,
    "batch_size": 10,
    "num_epochs": 40,
    "num_train_samples": 20,
    "checkpoint_every": 7,
    "verbose": False,
    "rng": 3,
}


def make_net(rng: int | None) -> FullyConnectedNet:
    return FullyConnectedNet(
        [8, 8],
        input_dim=4,
        num_classes=3,
        weight_scale=0.1,
        normalization="batchnorm",
        dropout_keep_ratio=0.8,
        rng=rng,
    )


def make_solver(folder: Path) -> Solver:
    return Solver(make_net(rng=1), blobs(), checkpoint_name=folder / "run", **SETTINGS)


def train(folder: Path, executioner: Executioner | None) -> dict[str, object]:
    """Train to the end, or die before."""
    solver = make_solver(folder)
    sys.setprofile(executioner)
    with contextlib.suppress(FileNotFoundError):
        solver.resume()
    solver.train()
    sys.setprofile(None)
    return result_of(solver)


class Executioner:
    """Ends the process after a number of calls and returns.

    Parameters
    ----------
    calls
        Their number.
    writes
        How many writes must have begun before they are counted.
    """

    def __init__(self, calls: int, writes: int = 0) -> None:
        self.left, self.writes = calls, writes

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if self.writes:
            self.writes -= event == "call" and frame.f_code is _WRITE
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def result_of(solver: Solver) -> dict[str, object]:
    """Return everything that training leaves behind, in a form that keeps every bit."""
    arrays = dict(solver.model.params)
    for i, bn_param in enumerate(solver.model.bn_params):
        for key in ("running_mean", "running_var"):
            arrays[f"{key}{i}"] = bn_param[key]
    return {
        "loss_history": [loss.hex() for loss in solver.loss_history],
        "train_acc_history": [acc.hex() for acc in solver.train_acc_history],
        "val_acc_history": [acc.hex() for acc in solver.val_acc_history],
        "best_val_acc": float(solver.best_val_acc).hex(),
        "arrays": {name: np.asarray(a).tobytes().hex() for name, a in arrays.items()},
    }


def in_a_child(folder: Path, executioner: Executioner | None) -> bool:
    """Train in a process of its own; say whether it was killed."""
    child = os.fork()
    if child == 0:
        (folder / "result.json").write_text(json.dumps(train(folder, executioner)))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return True
    assert status == 0, status
    return False


def main(folder: Path, seed: int, kills: int) -> None:
    killed = inside = finished = 0
    chance = random.Random(seed)
    (folder / "whole").mkdir()
    assert not in_a_child(folder / "whole", None)
    whole = json.loads((folder / "whole" / "result.json").read_text())
    run = folder / "killed"
    run.mkdir()
    while killed < kills:
        parts = set(run.glob(".*.part"))
        if killed % 2:
            executioner = Executioner(chance.randrange(1, 40), chance.randrange(1, 6))
        else:
            executioner = Executioner(chance.randrange(1, 12_000))
        if in_a_child(run, executioner):
            killed += 1
            inside += bool(set(run.glob(".*.part")) - parts)
        else:  # it came to its end first: once more, from the beginning
            finished += 1
            assert json.loads((run / "result.json").read_text()) == whole
            for file in run.glob("run_*.npz"):
                file.unlink()
    assert not in_a_child(run, None)
    after = json.loads((run / "result.json").read_text())
    leftovers = len(list(run.glob(".*.part")))
    counts = {"killed": killed, "inside": inside, "finished": finished}
    print(json.dumps({**counts, "same": after == whole, "leftovers": leftovers}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
