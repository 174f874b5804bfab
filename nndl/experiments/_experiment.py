"""An experiment: all that decides how a training goes, checked."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import augmentation, schedules
from .._arguments import Array, as_path, as_text, whole_number
from ..cnn import ConvNet
from ..data import load, whiten
from ..solver import Solver
from . import _tables

if TYPE_CHECKING:
    from ._run import Run


@dataclass(frozen=True)
class Experiment:
    """A training that `read` or `parse` has found to make sense.

    Attributes
    ----------
    name : str
        The name of its file, without ``.toml``.
    tables : dict
        The tables of the file with their entries, those that it left out filled in.
    """

    name: str
    tables: dict[str, dict[str, Any]]

    def load_data(self, num_test: int | None = 1) -> dict[str, Any]:
        """Load the images, each channel whitened or the mean image subtracted.

        Parameters
        ----------
        num_test : int or None, optional
            How many test images; None for all. Training needs none.

        Returns
        -------
        dict
            As `nndl.data.load`.

        Raises
        ------
        FileNotFoundError
            If the data are absent.
        ValueError, TypeError
            If `num_test` is not as described, or a file of the data is damaged.
        """
        table = self.tables["data"]
        whitened = table["whiten"]
        data = load(
            table["name"],
            num_train=table.get("training"),
            num_val=table.get("validation"),
            num_test=num_test,
            subtract_mean=not whitened,
        )
        return whiten(data) if whitened else data

    def network(self, seed: int | None = None) -> ConvNet:
        """Make the network with its initial weights.

        Parameters
        ----------
        seed : int, optional
            In place of that of the file.

        Returns
        -------
        nndl.cnn.ConvNet

        Raises
        ------
        ValueError, TypeError
            If `seed` is no integer from 0 on.
        """
        table = self.tables["network"]
        settings = {key: value for key, value in table.items() if key != "spec"}
        return ConvNet(table["spec"], **settings, rng=self._rng(seed, "network"))

    def _solver(
        self, data: Mapping[str, Any], seed: int | None = None, **options: Any
    ) -> Solver:
        """Make the Solver that trains a new network on `data`; `options` are further
        arguments of it."""
        training = self.tables["training"]
        optimizer = dict(self.tables["optimizer"])
        settings = {
            "update_rule": optimizer.pop("rule"),
            "optim_config": optimizer,
            "lr_decay": training["lr_decay"],
            "schedule": self.schedule,
            "augment": self.augment,
            "averaging": training.get("averaging"),
            "batch_size": training["batch_size"],
            "num_epochs": training["epochs"],
            "rng": self._rng(seed, "solver"),
        }
        solver = Solver(self.network(seed), data, **settings | options)
        solver._notes = {"experiment": {"name": self.name, "tables": self.tables}}
        return solver

    @property
    def schedule(self) -> functools.partial[float] | None:
        """The learning rate as a share of its peak, as a function of the share of
        training done; None where it is constant or decays by epochs."""
        table = dict(self.tables.get("schedule", {}))
        if not table:
            return None
        return functools.partial(getattr(schedules, table.pop("name")), **table)

    @property
    def augment(self) -> functools.partial[Array] | None:
        """What changes a minibatch at random; None where nothing does. What comes in
        from beyond an edge is 0, the mean of the training images."""
        table = self.tables.get("augmentation", {})
        return (
            functools.partial(_flip_and_crop, **table) if any(table.values()) else None
        )

    def run(
        self,
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
        """Train, and say what came out; see `nndl.experiments.Run`.

        Parameters
        ----------
        seed : int, optional
            In place of that of the file.
        epochs : int, optional
            In place of those of the file.
        folder : path, optional
            Where log and checkpoints go; without it, none are written.
        resume : bool, optional
            Whether to go on from the checkpoint in `folder`.
        checkpoint_every : int, optional
            Iterations between two checkpoints; an epoch unless given.
        quiet : bool, optional
            Whether to print nothing.
        test : bool, optional
            Whether to look at the test images in the end: once, when everything has been
            chosen.
        data : dict, optional
            As `load_data` returns, where they have been loaded before.

        Returns
        -------
        Run

        Raises
        ------
        FileExistsError
            If there is a training in `folder` already, and `resume` is False.
        FileNotFoundError
            If there is none, and `resume` is True; or the data are absent.
        FloatingPointError
            If a loss or a score is not a finite number.
        ValueError, TypeError
            If an argument is not as described, or the checkpoint is damaged or of another
            training.
        """
        from ._run import run

        return run(
            self, seed=seed, epochs=epochs, folder=folder, resume=resume,
            checkpoint_every=checkpoint_every, quiet=quiet, test=test, data=data,
        )  # fmt: skip

    def _rng(self, seed: int | None, use: str) -> np.random.Generator:
        """Return the source of random numbers for one use."""
        if seed is None:
            seed = self.tables["training"]["seed"]
        seed = whole_number("seed", seed, at_least=0)
        return np.random.default_rng([("network", "solver").index(use), seed])


def _flip_and_crop(images: Array, rng: Any, *, flip: bool, crop: int) -> Array:
    """Mirror and shift a minibatch at random."""
    if flip:
        images = augmentation.flip(images, rng)
    if crop:
        images = augmentation.crop(images, rng, crop)
    return images


def parse(tables: Mapping[str, Any], name: str = "experiment") -> Experiment:
    """Check the tables of an experiment.

    Parameters
    ----------
    tables : dict
        Tables of entries, as they stand in a file: ``{"data": {"name": "shapes"}, ...}``.
    name : str, optional
        What to call it.

    Returns
    -------
    Experiment

    Raises
    ------
    ValueError
        If there is a table or an entry that does not exist, one is missing, or is not as
        it must be.
    TypeError
        If `tables` is no dict, or `name` no string.
    """
    experiment = Experiment(as_text("name", name), _tables.check(tables))
    try:
        experiment.network()
    except (TypeError, ValueError) as error:
        raise _tables.WrongEntry("network", "spec", error) from error
    return experiment


def read(path: str | os.PathLike[str]) -> Experiment:
    """Read the file of an experiment.

    Parameters
    ----------
    path : path
        A TOML file.

    Returns
    -------
    Experiment

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no TOML, or `parse` refuses what it says; the message shows the line.
    TypeError
        If `path` is no path.
    """
    path = as_path("path", path)
    return parse_text(path.read_bytes(), path.name)


def parse_text(content: bytes, name: str) -> Experiment:
    """Return the experiment that a file of this content and name describes."""
    text, tables = tables_in(content, name)
    with showing_lines(text, name):
        return parse(tables, Path(name).stem)


def tables_in(content: bytes, name: str) -> tuple[str, dict[str, Any]]:
    """Return the text of a TOML file and its tables, not checked yet."""
    try:
        text = content.decode()
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no text in UTF-8: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise ValueError(f"{_line(name, text, line)}: {error}.") from error


@contextlib.contextmanager
def showing_lines(text: str, name: str) -> Iterator[None]:
    """Let the error for a wrong entry show the line of the file."""
    try:
        yield
    except _tables.WrongEntry as error:
        line = _place(text, error.table, error.entry)
        raise ValueError(f"{_line(name, text, line)}: {error}") from error


def _line(name: str, text: str, line: int) -> str:
    """Name a line of a file, and show it."""
    lines = text.splitlines()
    shown = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    return f"{name}, line {line}, {shown!r}" if shown else f"{name}"


def _place(text: str, table: str, entry: str | None) -> int:
    """Return the number of the line in which an entry stands, or its table begins; 0 if
    neither is found."""
    found, here = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line)
        if header:
            here = header[1].strip("\"'")
            if here == table:
                found = number
            continue
        key, _, _ = line.partition("=")
        key = re.sub(r"[\s\"']", "", key)
        if (here == table and key == entry) or (not here and key == f"{table}.{entry}"):
            return number
        if not here and key.partition(".")[0] == table:
            found = found or number
    return found
