"""Trains an experiment: with a log, checkpoints, and a way to go on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from .._arguments import as_path, flag, shown, whole_number
from ..solver import Solver
from ._evaluate import Evaluation, evaluate_network
from ._experiment import Experiment

LOG, CHECKPOINT = "log.jsonl", "checkpoint"


@dataclass
class Run:
    """A training that has ended.

    Attributes
    ----------
    experiment : Experiment
    seed : int
    seconds : float
        Wall-clock time of training, with the accuracies taken after each epoch; that of
        earlier parts included, where it was resumed.
    epochs : list of dict
        For each epoch: ``epoch``, ``loss`` (mean over its iterations), ``learning_rate``,
        ``train_acc`` (of 1,000 training images), ``val_acc``, ``seconds`` so far.
    best_val_acc : float
        The best of the epochs.
    validation : Evaluation
        Of the best network, as the experiment's [evaluation] says.
    test : Evaluation or None
        The same on the test images, if they were asked for.
    solver : nndl.solver.Solver
        With the best network.
    data : dict
        What it was trained on.
    """

    experiment: Experiment
    seed: int
    seconds: float
    epochs: list[dict[str, Any]]
    validation: Evaluation
    test: Evaluation | None
    solver: Solver = field(repr=False)
    data: Mapping[str, Any] = field(repr=False)

    @property
    def best_val_acc(self) -> float:
        return self.solver.best_val_acc


def run(
    experiment: Experiment,
    *,
    seed: int | None = None,
    epochs: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    checkpoint_every: int | None = None,
    quiet: bool = False,
    test: bool = False,
    data: Mapping[str, Any] | None = None,
) -> Run:
    """Train; see `Experiment.run`."""
    training = experiment.tables["training"]
    seed = training["seed"] if seed is None else whole_number("seed", seed, at_least=0)
    if epochs is None:
        epochs = training["epochs"]
    epochs = whole_number("epochs", epochs, at_least=1)
    if checkpoint_every is not None:
        checkpoint_every = whole_number(
            "checkpoint_every", checkpoint_every, at_least=1
        )
    quiet, test, resume = (
        flag("quiet", quiet),
        flag("test", test),
        flag("resume", resume),
    )
    if not isinstance(data, Mapping | None):
        raise TypeError(f"`data` must be a dict, but is {shown(data)}.")
    if folder is not None:
        folder = as_path("folder", folder)
        _check_folder(folder, resume)
    elif resume or checkpoint_every is not None:
        raise ValueError(
            "`folder` must be given with `resume` or `checkpoint_every`, but is None."
        )

    if data is None:
        data = experiment.load_data(num_test=None if test else 1)
    per_epoch = max(len(data["X_train"]) // training["batch_size"], 1)
    options = {"num_epochs": epochs, "verbose": not quiet, "print_every": per_epoch}
    if folder is not None:
        options["checkpoint_name"] = folder / CHECKPOINT
        options["checkpoint_every"] = checkpoint_every or per_epoch
    solver = experiment._solver(data, seed, **options)
    solver._notes["experiment"]["seed"] = seed
    if resume:
        solver.resume()

    with _Log(None if folder is None else folder / LOG, solver) as log:
        solver.after_epoch = log.add
        solver.train()
    mirrored = experiment.tables.get("evaluation", {}).get("mirrored", False)
    looks = {
        part: evaluate_network(solver.model, data, part, mirrored)
        for part in (["val", "test"] if test else ["val"])
    }
    return Run(
        experiment, seed, log.seconds, log.epochs, looks["val"], looks.get("test"),
        solver, data,
    )  # fmt: skip


def _check_folder(folder: Path, resume: bool) -> None:
    """Check that there is a training to go on with, or that none is overwritten."""
    last = Path(f"{folder / CHECKPOINT}_last.npz")
    if resume and not last.exists():
        raise FileNotFoundError(
            f"There is no training to go on with: {last} is missing."
        )
    if not resume and (last.exists() or (folder / LOG).exists()):
        raise FileExistsError(
            f"There is a training in {folder} already: go on with it (--resume), or take another "
            "folder."
        )


class _Log:
    """What a training has got to after each epoch: in memory and, line by line, in a
    file."""

    def __init__(self, path: Path | None, solver: Solver) -> None:
        self.path = path
        self.epochs = [] if path is None else _lines_up_to(path, solver.epoch)
        self._before = self.epochs[-1]["seconds"] if self.epochs else 0.0
        self._file: IO[str] | None = None

    def __enter__(self) -> _Log:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # What follows the checkpoint will be done, and logged, again.
            self.path.write_text("".join(map(_as_line, self.epochs)), encoding="utf-8")
            self._file = open(self.path, "a", encoding="utf-8")
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = self._now()
        if self._file is not None:
            self._file.close()

    def add(self, solver: Solver) -> None:
        """Note an epoch that has just ended."""
        losses = solver.loss_history[-solver.iterations_per_epoch :]
        rates = [c["learning_rate"] for c in solver.optim_configs.values()]
        entry = {
            "epoch": solver.epoch,
            "loss": sum(losses) / len(losses),
            "learning_rate": rates[0],
            "train_acc": solver.train_acc_history[-1],
            "val_acc": solver.val_acc_history[-1],
            "seconds": self._now(),
        }
        self.epochs.append(entry)
        if self._file is not None:
            self._file.write(_as_line(entry))
            self._file.flush()

    def _now(self) -> float:
        return round(self._before + time.perf_counter() - self._start, 3)


def _lines_up_to(path: Path, epoch: int) -> list[dict[str, Any]]:
    """Return the entries of a log that end with an epoch; none where it is the first."""
    if epoch == 0 or not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        entries = [json.loads(line) for line in lines[:epoch]]
        if [entry["epoch"] for entry in entries] != [*range(1, epoch + 1)]:
            raise ValueError("its epochs are not those of the checkpoint")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}.") from error
    return entries


def _as_line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"
