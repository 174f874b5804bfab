"""Settings of `pytest` that need code."""

from __future__ import annotations

import os

import pytest

# For the tests and the notebooks' kernels, before NumPy starts; the Makefile says why.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Make the path of the nbval settings absolute, so that `pytest` works from any folder."""
    if config.option.nbval_sanitize_with:
        config.option.nbval_sanitize_with = (
            config.rootpath / config.option.nbval_sanitize_with
        )
