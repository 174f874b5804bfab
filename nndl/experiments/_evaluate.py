"""What a trained network gets right, and what it confuses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checkpoints
from .._arguments import Array, as_path, flag, one_of
from ..evaluation import confusion_matrix, predict_scores, worst_mistakes
from ..solver import load_checkpoint

if TYPE_CHECKING:
    from ._experiment import Experiment


@dataclass(frozen=True)
class Evaluation:
    """How a network did on a part of the data.

    Attributes
    ----------
    part : str
        ``"val"`` or ``"test"``.
    accuracy : float
        The share of images that it put into their class.
    confusion : array, int64, shape (C, C)
        How many images of class `i` were taken for `j`.
    class_names : tuple of str
    mistakes : integer array
        The places of the twenty images that it was surest of, and wrong; the surest
        first.
    predicted : integer array, shape (N,)
        What it took each image for.
    """

    part: str
    accuracy: float
    confusion: Array
    class_names: tuple[str, ...]
    mistakes: Array = field(repr=False)
    predicted: Array = field(repr=False)

    def __str__(self) -> str:
        """Return the accuracy, and a table of the confusions."""
        width = max(max(map(len, self.class_names)), len(str(self.confusion.max())))
        short = [name[:5] for name in self.class_names]
        columns = max(5, len(str(self.confusion.max())))
        lines = [
            f"{_PARTS[self.part]} accuracy {self.accuracy:.2%} of {self.confusion.sum():,} images",
            "row: the class; column: what it was taken for",
            " " * width + "".join(f" {name:>{columns}}" for name in short),
        ]
        for name, row in zip(self.class_names, self.confusion, strict=True):
            lines.append(
                f"{name:{width}}" + "".join(f" {n or '.':>{columns}}" for n in row)
            )
        return "\n".join(lines)


_PARTS = {"val": "validation", "test": "test"}


def evaluate_network(
    model: Any, data: Mapping[str, Any], part: str, mirrored: bool
) -> Evaluation:
    """Look at a network's answers on one part of the data."""
    X, y = data[f"X_{part}"], data[f"y_{part}"]
    scores = predict_scores(model, X, mirrored=mirrored)
    predicted = scores.argmax(axis=1)
    return Evaluation(
        part,
        float(np.mean(predicted == y)),
        confusion_matrix(y, predicted, scores.shape[1]),
        tuple(data["class_names"]),
        worst_mistakes(scores, y, 20),
        predicted,
    )


def evaluate(
    checkpoint: str | os.PathLike[str],
    part: str = "val",
    *,
    mirrored: bool | None = None,
) -> tuple[Evaluation, Experiment, dict[str, Any]]:
    """Look at what a checkpoint of an experiment has learned.

    Parameters
    ----------
    checkpoint : path
        Written by `Experiment.run` or ``nndl train``.
    part : 'val' or 'test', optional
        Of the experiment's data.
    mirrored : bool, optional
        Whether to average two looks at each image; None does as the experiment says.

    Returns
    -------
    evaluation : Evaluation
    experiment : Experiment
        What the checkpoint is of.
    data : dict
        The images, as `Experiment.load_data` returns them.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or the data are absent.
    ValueError
        If it is no checkpoint, is damaged, or is not that of an experiment.
    TypeError
        If an argument is of the wrong type.
    """
    from ._experiment import parse

    path = as_path("checkpoint", checkpoint)
    part = one_of("part", part, *_PARTS)
    if mirrored is not None:
        mirrored = flag("mirrored", mirrored)
    _, facts = _checkpoints.read(path)
    try:
        notes = facts["notes"]["experiment"]
        experiment = parse(notes["tables"], notes["name"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not say of which experiment it is ({error}): only those that `nndl train` "
            "or `Experiment.run` writes do."
        ) from error
    if mirrored is None:
        mirrored = experiment.tables.get("evaluation", {}).get("mirrored", False)
    model = experiment.network()
    load_checkpoint(path, model)
    data = experiment.load_data(num_test=None if part == "test" else 1)
    return evaluate_network(model, data, part, mirrored), experiment, data
