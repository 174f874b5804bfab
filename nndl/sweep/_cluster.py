"""The Dask cluster on which a search runs: this machine, or one that is there already."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import Any

from .._interrupts import starting_processes, uninterrupted
from .._threads import _default_threads
from ._trial import host_of, kernel_threads

#: How long to look for a scheduler and for its first worker.
_PATIENCE = 30


def check_dask() -> None:
    """Import Dask, or say how to install it."""
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "A search runs on Dask, which cannot be imported "
            f"({error}). Install it: pip install 'nndl[sweep]'"
        ) from error


@contextlib.contextmanager
def existing(address: str) -> Iterator[Any]:
    """Connect to a scheduler, and yield the client."""
    from distributed import Client

    with _dask_logs(logging.WARNING):
        try:
            client = Client(address, timeout=_PATIENCE, set_as_default=False)
        except OSError as error:
            raise ConnectionError(
                "`scheduler` must be the address of a Dask scheduler, but none answers at "
                f"{address} ({error})."
            ) from error
        with client:
            try:
                client.wait_for_workers(1, timeout=_PATIENCE)
            except TimeoutError:
                raise TimeoutError(
                    f"The scheduler at {address} has no workers; start some: dask worker {address}"
                ) from None
            yield client


@contextlib.contextmanager
def local(workers: int | None, threads_per_worker: int | None) -> Iterator[Any]:
    """Start a cluster on this machine, yield a client, and end it."""
    import dask
    from distributed import Client, LocalCluster

    if getattr(multiprocessing.current_process(), "_inheriting", False):
        # A worker imports the script that started it.
        sys.exit(
            "In a script, `search` must be called below: if __name__ == '__main__':"
        )
    threads = threads_per_worker or 1
    workers = workers or max(1, _default_threads() // threads)
    # A trial that has killed two workers is suspect: see `_search`.
    settings = {"distributed.scheduler.allowed-failures": 1}
    with (
        _dask_logs(logging.CRITICAL),
        _environment(OPENBLAS_NUM_THREADS=str(kernel_threads(workers * threads))),
        dask.config.set(settings),
    ):
        with uninterrupted():
            # Left to the cluster, this would let Ctrl-C through to its threads again.
            resource_tracker.ensure_running()
            # To its threads Ctrl-C means nothing, nor to the processes that they start,
            # now or when one has died.
            with starting_processes():
                cluster = _started(LocalCluster, workers, threads)
        try:
            with Client(cluster, set_as_default=False) as client:
                yield client
        except BaseException:
            _kill_workers(cluster)  # whatever they are doing, nobody waits for it
            raise
        finally:
            with uninterrupted():
                cluster.close()


def _started(kind: Any, workers: int, threads: int) -> Any:
    try:
        return kind(
            n_workers=workers,
            threads_per_worker=threads,
            memory_limit=None,
            # Without a dashboard, and at any port: 8787 may be taken.
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise RuntimeError(f"No workers could be started: {error}") from None


@contextlib.contextmanager
def _dask_logs(least: int) -> Iterator[None]:
    """Let Dask show only what is at least this serious: how workers come and go, and
    which connections an interrupt cuts, a search says in its own words.

    ``silence_logs`` alone ends before the cluster's last messages. A filter, unlike a
    level, may be taken away in any order where searches overlap.
    """

    def serious(record: logging.LogRecord) -> bool:
        return record.levelno >= least

    handlers = list(logging.getLogger("distributed").handlers)
    for handler in handlers:
        handler.addFilter(serious)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(serious)


def _kill_workers(cluster: Any) -> None:
    with uninterrupted():
        for nanny in cluster.workers.values():
            nanny.auto_restart = False
            if nanny.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(nanny.pid, signal.SIGKILL)


@contextlib.contextmanager
def _environment(**defaults: str) -> Iterator[None]:
    """Set what is not set, and put everything back afterwards: Dask sets variables for
    its processes in this one."""
    before = dict(os.environ)
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


def tasks_per_host(client: Any) -> dict[str, int]:
    """Return how many trials the workers of each host run at once."""
    tasks: dict[str, int] = {}
    for address, threads in client.nthreads().items():
        host = host_of(address)
        tasks[host] = tasks.get(host, 0) + threads
    return tasks
