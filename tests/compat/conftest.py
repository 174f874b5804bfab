"""The courses' modules, for the time of a test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

import nndl.compat


@pytest.fixture
def installed() -> Iterator[Callable[..., None]]:
    """Serve the courses' modules; the function that comes back changes a setting."""
    nndl.compat.install()
    yield nndl.compat.install
    nndl.compat.uninstall()


@pytest.fixture
def fresh_imports() -> Iterator[None]:
    """Forget afterwards what the test has imported under the courses' names."""
    yield
    nndl.compat.uninstall()
    for name in list(sys.modules):
        if name.split(".")[0] in ("cs231n", "cse493g1", "utils"):
            del sys.modules[name]
