"""The command ``nndl sweep``: a search around the experiment in a TOML file."""

from __future__ import annotations

import argparse
import copy
import functools
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._arguments import shown
from ..experiments import parse
from ..experiments._experiment import showing_lines, tables_in
from ..experiments._tables import WrongEntry
from ._results import SearchResult
from ._search import checked_budgets, search
from ._space import Distribution, checked_space, described_space, distribution_of, zoom

_SETTINGS = ("trials", "epochs", "factor", "seed")
#: A search sets them itself.
_TAKEN = ("training.epochs", "training.seed")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        metavar="CONFIG.toml",
        help="an experiment, with two more tables: [search] and [space]",
    )
    parser.add_argument(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="a Dask scheduler with workers (default: this machine)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes on this machine (default: one for each core)",
    )
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="where results go, and from where an interrupted search goes on "
        "(default: runs/CONFIG-sweep.jsonl)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Search, and print the best trials and the space around them."""
    path = Path(arguments.config)
    space, settings = read(path)
    log = Path(arguments.log or f"runs/{path.stem}-sweep.jsonl")
    try:
        result = search(
            train, space, **settings, scheduler=arguments.scheduler,
            workers=arguments.workers, log=log,
        )  # fmt: skip
    except KeyboardInterrupt:
        if log.exists():
            print(f"nndl: the same command goes on with {log}", file=sys.stderr)
        raise
    _print(result, space)
    print(f"\nlog  {log}")


def train(config: Mapping[str, Any], budget: int, seed: int) -> dict[str, Any]:
    """The objective: train the experiment that a configuration describes, for so many
    epochs."""
    experiment = parse(_tables(config))
    data = _data(json.dumps(experiment.tables["data"]))
    done = experiment.run(seed=seed, epochs=budget, quiet=True, data=data)
    return {"score": done.best_val_acc, "loss": done.epochs[-1]["loss"]}


@functools.lru_cache(maxsize=1)
def _data(table: str) -> dict[str, Any]:
    """Load images once for all trials of a process."""
    anything = {"network": {"spec": "affine 1"}, "optimizer": {"learning_rate": 0}}
    tables = {"data": json.loads(table), **anything, "training": {"epochs": 1}}
    return parse(tables).load_data()


def _tables(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tables of an experiment with entries like ``'training.epochs'``."""
    tables: dict[str, dict[str, Any]] = {}
    for name, value in config.items():
        table, _, entry = name.partition(".")
        tables.setdefault(table, {})[entry] = copy.deepcopy(value)
    return tables


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the space in the file of a search, the rest of its experiment in it as
    constants, and its settings: `trials`, `budgets`, `factor`, `seed`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no TOML, or an entry is not as it must be; the message shows the
        line.
    """
    text, tables = tables_in(path.read_bytes(), path.name)
    with showing_lines(text, path.name):
        settings = _settings(tables.pop("search", None))
        varied = _distributions(tables.pop("space", None))
        settings.setdefault("budgets", parse(tables).tables["training"]["epochs"])
        fixed = {
            f"{table}.{entry}": value
            for table, entries in tables.items()
            for entry, value in entries.items()
        }
        for name, distribution in varied.items():
            for value in distribution._extremes():
                try:
                    parse(_tables(fixed | {name: value}))
                except (TypeError, ValueError) as error:
                    raise WrongEntry("space", name, error) from error
    return checked_space("space", fixed | varied), settings


def _settings(table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise WrongEntry("search", None, "a table [search] with `trials` is missing.")
    for entry in table:
        if entry not in _SETTINGS:
            listed = ", ".join(f"`{name}`" for name in _SETTINGS)
            problem = f"[search] has no entry `{entry}`; there are {listed}."
            raise WrongEntry("search", entry, problem)
    if "trials" not in table:
        raise WrongEntry("search", None, "[search] must have an entry `trials`.")
    settings = dict(table)
    if "epochs" in settings:
        try:
            budgets = checked_budgets(settings.pop("epochs"))
        except (TypeError, ValueError) as error:
            problem = str(error).replace("`budgets`", "`epochs`")
            raise WrongEntry("search", "epochs", problem) from error
        if any(isinstance(budget, float) for budget in budgets):
            problem = f"`epochs` must be whole numbers, but are {budgets}."
            raise WrongEntry("search", "epochs", problem)
        settings["budgets"] = budgets
    return settings


def _distributions(table: Any) -> dict[str, Distribution]:
    if not isinstance(table, dict) or not table:
        problem = 'a table [space] with entries like "network.reg" is missing.'
        raise WrongEntry("space", None, problem)
    found = {}
    for name, described in table.items():
        if name in _TAKEN:
            problem = f"`{name}` cannot be varied: the search itself sets it."
            raise WrongEntry("space", name, problem)
        if name.count(".") != 1 or not isinstance(described, dict):
            problem = (
                'must be like "network.reg" = {log_uniform = [1e-5, 1e-2]}, but is '
                f"{name!r} = {shown(described)}."
            )
            raise WrongEntry("space", name, problem)
        try:
            found[name] = distribution_of(described)
        except (TypeError, ValueError) as error:
            raise WrongEntry("space", name, f"`{name}`: {error}") from error
    return found


def _print(result: SearchResult, space: Mapping[str, Any]) -> None:
    best, ranked = result.best, result.ranked()
    varied = [name for name in space if isinstance(space[name], Distribution)]
    failed = sum(record.score is None for record in ranked)
    print(
        f"{len(ranked)} trials, {failed} of them failed; the best, by validation accuracy:"
    )
    for record in ranked[:10]:
        if record.score is not None:
            values = ", ".join(
                f"{name} = {_text(record.config[name])}" for name in varied
            )
            print(f"  {record.score:.4f} after {record.budget:3} epochs: {values}")
    print(
        f"\nThe best one's seed is {best.seed}. Around the best five, for the next search:"
    )
    print("\n[space]")
    narrower = zoom(space, result)
    for name, described in described_space({n: narrower[n] for n in varied}).items():
        ((kind, arguments),) = described.items()
        listed = ", ".join(map(_text, arguments))
        print(f'"{name}" = {{{kind} = [{listed}]}}')


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)
