"""Settings of `pytest` that need code."""

from __future__ import annotations

import os

import pytest

# For the tests and the notebooks' kernels, before NumPy starts; the Makefile says why.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# pytest-xdist's workers share the cores: with more threads than cores, threads that have
# work wait for threads that have none. (The number of threads changes no result.)
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if WORKERS > 1:
    threads = max((os.cpu_count() or 1) // WORKERS, 1)
    os.environ.setdefault("NNDL_NUM_THREADS", str(threads))


def pytest_configure(config: pytest.Config) -> None:
    """Make the path of the nbval settings absolute, so that `pytest` works from any folder."""
    if config.option.nbval_sanitize_with:
        config.option.nbval_sanitize_with = (
            config.rootpath / config.option.nbval_sanitize_with
        )
