"""Writes down what a run came to, and with what: the results that the book shows."""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from .. import _machine, _solver_state, get_num_threads
from .._files import replacing
from ..data import cifar10
from ._evaluate import Evaluation
from ._experiment import Experiment


class Outcome(Protocol):
    """What is recorded of a training: that of a `Run`, or of another framework's."""

    experiment: Experiment
    seed: int
    seconds: float
    epochs: list[dict[str, Any]]
    validation: Evaluation
    test: Evaluation | None

    @property
    def best_val_acc(self) -> float: ...

    @property
    def data(self) -> Mapping[str, Any]: ...


def record(
    path: Path,
    run: Outcome,
    folder: Path,
    *,
    framework: str = "nndl",
    versions: Mapping[str, str] = MappingProxyType({}),
    **details: Any,
) -> None:
    """Put a run into the file of its experiment's results.

    `folder` lies in the project whose revision counts. Of another framework, `versions`
    are recorded beside ours, and `details` as they are.

    Raises
    ------
    ValueError
        If the file holds the results of other settings.
    """
    entry = {
        "framework": framework,
        "seed": run.seed,
        "seconds": round(run.seconds, 2),
        "best_val_acc": run.best_val_acc,
        "validation": summary(run.validation),
        "test": None if run.test is None else summary(run.test),
        "epochs": run.epochs,
        "peak_memory_mb": round(_machine.peak_memory() / 1e6),
        **circumstances(run.data, folder, versions),
        **details,
    }
    add(path, run.experiment, entry)


def record_steps(
    path: Path,
    experiment: Experiment,
    data: Mapping[str, Any],
    folder: Path,
    seconds: Mapping[str, float],
    versions: Mapping[str, str],
    **details: Any,
) -> None:
    """Put the `seconds` that a step takes, by framework, into the file of an experiment's
    results. `folder`, `versions` and `details` are as for `record`.

    Raises
    ------
    ValueError
        If the file holds the results of other settings.
    """
    steps = {
        "seconds": {framework: round(s, 5) for framework, s in seconds.items()},
        **circumstances(data, folder, versions),
        **details,
    }
    _write(path, check(path, experiment) | {"steps": steps})


def check(path: Path, experiment: Experiment) -> dict[str, Any]:
    """Return what a file of results holds; an empty one where there is none.

    Raises
    ------
    ValueError
        If it holds something else, or the results of other settings.
    """
    settings = json.loads(json.dumps(experiment.tables))
    if not path.exists():
        return {"experiment": experiment.name, "settings": settings, "runs": []}
    try:
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = results["settings"] == settings
        results["runs"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} holds no results of an experiment: {error}."
        ) from error
    if not same:
        raise ValueError(
            f"{path} holds the results of other settings than {experiment.name} has now: remove it, or "
            "name another file."
        )
    return results


def add(path: Path, experiment: Experiment, entry: dict[str, Any]) -> None:
    """Put the results of one run into a file, in place of those of the same framework and
    seed."""
    results = check(path, experiment)
    same = entry["framework"], entry["seed"]
    kept = [r for r in results["runs"] if (r["framework"], r["seed"]) != same]
    results["runs"] = sorted(
        [*kept, entry], key=lambda run: (run["framework"], run["seed"])
    )
    _write(path, results)


def _write(path: Path, results: Mapping[str, Any]) -> None:
    with replacing(path) as file:
        file.write(json.dumps(results, indent=1).encode() + b"\n")


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """Return the numbers of an evaluation."""
    return {
        "images": int(evaluation.confusion.sum()),
        "accuracy": evaluation.accuracy,
        "confusion": evaluation.confusion.tolist(),
    }


def circumstances(
    data: Mapping[str, Any], folder: Path, versions: Mapping[str, str]
) -> dict[str, Any]:
    """Return with what a run was made."""
    return {
        "data": {
            "name": data["name"],
            "origin": origin(data),
            "training": _solver_state.fingerprint(data["X_train"], data["y_train"]),
        },
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "revision": revision(folder),
        "machine": {
            "processor": _machine.processor(),
            "cores": _machine.cores(),
            "threads": get_num_threads(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {
            "nndl": version("nndl"),
            "python": platform.python_version(),
            "numpy": np.__version__,
            **versions,
        },
    }


def origin(data: Mapping[str, Any]) -> str:
    """Say whether these are the official images."""
    if data["name"] != "cifar10":
        return "drawn by nndl.data"
    if cifar10.are_official():
        return "CIFAR-10"
    return "CIFAR-10 in the official layout, its images re-encoded (not the official pixels)"


def revision(folder: Path) -> str | None:
    """Return the commit that is checked out where `folder` lies, with ``-dirty`` where
    files differ from it; None where there is none."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() or None
