"""Random search with successive halving."""

from __future__ import annotations

import functools
import os
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .._arguments import (
    as_function,
    as_path,
    as_text,
    flag,
    number,
    shown,
    whole_number,
)
from . import _cluster, _log
from ._results import Record, SearchResult, promoted, rank
from ._space import Space, checked_space, described_space, drawn
from ._trial import run_trial

_KILLED = {
    "score": None,
    "error": "its worker died whenever it ran, at last with no other trial beside it",
}

_LOST = "The scheduler is lost; with a log, the same search goes on where it was."

#: A function of a configuration, a budget and a seed.
Objective = Callable[[dict[str, Any], Any, int], Any]


def search(
    objective: Objective,
    space: Space,
    *,
    trials: int,
    budgets: float | Sequence[float] = 1,
    factor: int = 3,
    seed: int = 0,
    scheduler: str | None = None,
    workers: int | None = None,
    threads_per_worker: int | None = None,
    log: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> SearchResult:
    """Search a space at random, and stop the worse trials early.

    All `trials` configurations are trained with the first of the `budgets`; the best
    ``1 / factor`` of them with the second, and so on: successive halving. One
    budget is plain random search. Each time a trial is trained from scratch. What
    is drawn, and the seed of each trial, depend on `seed`, `space` and the trial's
    number only; the number of workers and what happens to them changes no result.

    The trials run on Dask. A trial whose worker dies runs again; one that keeps killing
    its workers, even when it runs alone, has failed, as has one that raises an exception
    or whose score is not finite. A failed trial is recorded and goes no further.

    Ctrl-C ends a search at once (on workers that others have started, after the trials
    that they are running). With a `log`, the same call continues it.

    Parameters
    ----------
    objective : callable
        ``objective(config, budget, seed)`` trains a network and returns its validation
        accuracy, or a dict with that as ``'score'`` and other numbers. Higher is better.
        Scheduler and workers import the module that it is defined in; functions of a
        notebook or a script are sent to them. It should load its data itself, on the worker.
    space : dict
        How each entry of a configuration is drawn (`log_uniform`, `uniform`, `integers`,
        `choice`), or a constant.
    trials : int
        How many configurations to draw.
    budgets : number or list of numbers, optional
        What to train with on each rung, increasing: epochs for example.
    factor : int, optional
        One in how many trials goes on to the next rung; at least 2.
    seed : int, optional
        Seed of the search.
    scheduler : str or None, optional
        Address of a Dask scheduler, ``'tcp://host:port'``. None starts workers on this
        machine, for the time of the search. If all workers of a given scheduler leave,
        the search waits for others.
    workers : int or None, optional
        Processes to start on this machine; None starts one for each of the threads that
        compiled kernels would use (see `nndl.get_num_threads`).
    threads_per_worker : int or None, optional
        Trials that each of these processes runs at once; None means 1. The kernels of
        all trials that run on a machine at once share its cores evenly, on a given
        `scheduler` too.
    log : path or None, optional
        File of JSON lines: one for the search, then one for each finished trial. If it
        exists, the search continues there and repeats nothing.
    progress : bool, optional
        Whether to show a progress bar, on a terminal.

    Returns
    -------
    SearchResult

    Raises
    ------
    ImportError
        If Dask is not installed.
    OSError
        If no scheduler answers, it has no workers or is lost, the log cannot be written,
        or another search is writing it.
    RuntimeError
        If the scheduler or the workers cannot load the objective.
    TypeError, ValueError
        If an argument is of the wrong type or out of its range, or the log is that of
        another search; which, the message says.

    References
    ----------
    Bergstra, Bengio. Random search for hyper-parameter optimization. JMLR 13, 2012.
    Jamieson, Talwalkar. Non-stochastic best arm identification and hyperparameter
    optimization. AISTATS 2016, figure 1.
    """
    objective = as_function("objective", objective)
    space = checked_space("space", space)
    settings = {
        "objective": _name(objective),
        "space": described_space(space),
        "seed": whole_number("seed", seed, at_least=0),
        "trials": whole_number("trials", trials, at_least=1),
        "budgets": checked_budgets(budgets),
        "factor": whole_number("factor", factor, at_least=2),
    }
    if scheduler is not None:
        scheduler = _checked_address(scheduler)
        for name, value in (
            ("workers", workers),
            ("threads_per_worker", threads_per_worker),
        ):
            if value is not None:
                raise ValueError(
                    f"`{name}` must be None where `scheduler` is given, but is {shown(value)}."
                )
    if workers is not None:
        workers = whole_number("workers", workers, at_least=1, at_most=1024)
    if threads_per_worker is not None:
        threads_per_worker = whole_number(
            "threads_per_worker", threads_per_worker, at_least=1, at_most=1024
        )
    path = None if log is None else as_path("log", log)
    progress = flag("progress", progress)
    _cluster.check_dask()

    with _log.opened(path, settings) as journal:
        halving = _Halving(objective, space, settings, journal)
        if halving.remaining():
            cluster = (
                _cluster.local(workers, threads_per_worker)
                if scheduler is None
                else _cluster.existing(scheduler)
            )
            with cluster as client:
                halving.run(client, progress)
        return SearchResult(journal.records, journal.settings)


class _Halving:
    """Successive halving: what is to be done next, and how it is done."""

    def __init__(
        self,
        objective: Objective,
        space: Space,
        settings: Mapping[str, Any],
        log: _log.Log,
    ) -> None:
        self.objective, self.space, self.log = objective, space, log
        self.seed, self.trials = settings["seed"], settings["trials"]
        self.budgets, self.factor = settings["budgets"], settings["factor"]
        self.best = min(log.records, key=rank, default=None)

    def remaining(self) -> tuple[int, list[int]] | None:
        """Return the rung that is not finished and its trials that are missing."""
        entered = list(range(self.trials))
        for rung in range(len(self.budgets)):
            done = [record for record in self.log.records if record.rung == rung]
            missing = sorted(set(entered) - {record.trial for record in done})
            if missing:
                return rung, missing
            entered = promoted(done, self.factor)
        return None

    def run(self, client: Any, progress: bool) -> None:
        """Run all that remains."""
        from tqdm import tqdm

        self.bar = tqdm(
            total=self._planned(),
            initial=len(self.log.records),
            leave=False,
            disable=None if progress else True,
            unit="run",
        )
        with self.bar:
            while (next_up := self.remaining()) is not None:
                rung, missing = next_up
                # Dask gives a task up after some workers have died with it, and cannot
                # say whether it killed them or only was there. So each of those runs
                # again in the end, with nothing beside it.
                for suspect in self._run(client, rung, missing):
                    if self._run(client, rung, [suspect]):
                        self._note(suspect, rung, _KILLED)

    def _run(self, client: Any, rung: int, trials: Sequence[int]) -> list[int]:
        """Run trials, note what comes of them, and return those that Dask gave up."""
        from distributed import as_completed

        search, budget = uuid.uuid4().hex, self.budgets[rung]
        tasks = _cluster.tasks_per_host(client)
        futures = {}
        for trial in trials:
            config, seed = self._drawn(trial)
            key = f"nndl-sweep-{search}-{rung}-{trial}"
            future = client.submit(
                run_trial, self.objective, config, budget, seed, tasks, key=key
            )
            futures[future] = trial
        given_up = []
        try:
            for batch in as_completed(list(futures), loop=client.loop).batches():
                finished = [future for future in batch if future.status == "finished"]
                outcomes = _gathered(client, finished)
                for future, outcome in zip(finished, outcomes, strict=True):
                    self._note(futures.pop(future), rung, outcome)
                for future in batch:
                    if future in futures:
                        _check_killed(future)
                        given_up.append(futures.pop(future))
        finally:
            if futures and client.status == "running":
                client.cancel(list(futures), force=True)
        return sorted(given_up)

    def _note(self, trial: int, rung: int, outcome: Mapping[str, Any]) -> None:
        config, seed = self._drawn(trial)
        record = Record(trial, rung, self.budgets[rung], config, seed, **outcome)
        self.log.add(record)
        self.best = min(self.best or record, record, key=rank)
        if self.best.score is not None:
            self.bar.set_postfix(rung=self.best.rung, best=f"{self.best.score:.4f}")
        self.bar.update()

    def _planned(self) -> int:
        rungs = range(len(self.budgets))
        return sum(max(1, self.trials // self.factor**rung) for rung in rungs)

    def _drawn(self, trial: int) -> tuple[dict[str, Any], int]:
        """Return the configuration and the seed of a trial."""
        source = np.random.SeedSequence(self.seed, spawn_key=(trial,))
        for_config, for_objective = source.spawn(2)
        config = drawn(self.space, np.random.default_rng(for_config))
        return config, int(for_objective.generate_state(1)[0])


def _gathered(client: Any, finished: Sequence[Any]) -> list[dict[str, Any]]:
    from distributed import CancelledError

    try:
        return client.gather(finished)
    except (CancelledError, OSError) as error:
        raise ConnectionError(_LOST) from error


def _check_killed(future: Any) -> None:
    """Raise an error unless workers have died with a task."""
    from distributed import KilledWorker

    if future.cancelled():
        raise ConnectionError(_LOST)
    error = future.exception()
    if not isinstance(error, KilledWorker):
        cause = error.__cause__ or error  # Dask puts words of its own around it
        raise RuntimeError(
            "The scheduler or a worker cannot load the objective: "
            f"{type(cause).__name__}: {cause}"
        ) from error


def _checked_address(scheduler: Any) -> str:
    address = as_text("scheduler", scheduler)
    if not re.fullmatch(r"\w+://\S+:\d+", address):
        raise ValueError(
            f"`scheduler` must be an address like 'tcp://host:port', but is {shown(address)}."
        )
    return address


def checked_budgets(budgets: Any) -> list[float]:
    """Return increasing numbers above 0; ints where they are whole."""
    listed = list(budgets) if isinstance(budgets, (list, tuple)) else [budgets]
    if not listed:
        raise ValueError(f"`budgets` must be at least one number, but is {budgets}.")
    checked: list[float] = []
    for budget in listed:
        value = number("budgets", budget, above=checked[-1] if checked else 0)
        checked.append(int(value) if value.is_integer() else value)
    return checked


def _name(objective: Any) -> str:
    """Return what a log calls an objective."""
    if isinstance(objective, functools.partial):
        fixed = [shown(value) for value in objective.args]
        fixed += [f"{key}={shown(value)}" for key, value in objective.keywords.items()]
        return f"{_name(objective.func)}({', '.join(fixed)})"
    if hasattr(objective, "__qualname__"):
        return f"{objective.__module__}.{objective.__qualname__}"
    if type(objective).__repr__ is not object.__repr__:
        return repr(objective)
    return f"{type(objective).__module__}.{type(objective).__qualname__}"
