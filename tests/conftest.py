"""What several test files share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """The independent oracle; tests that ask for it are skipped where it is not
    installed."""
    return pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")


@pytest.fixture
def default_threads() -> Iterator[None]:
    """Put the number of threads back to the default after a test that sets it."""
    import nndl

    yield
    nndl.set_num_threads(None)


@pytest.fixture
def figures() -> Iterator[ModuleType]:
    """Return `matplotlib.pyplot`, drawing into memory, and close every figure
    afterwards."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with mpl.rc_context():
        yield plt
    plt.close("all")


@pytest.fixture
def frozen() -> Callable[[Any], Any]:
    """Return a function that describes nested data down to the bytes of its arrays."""

    def describe(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tobytes()
        if isinstance(value, dict):
            return {key: describe(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [describe(entry) for entry in value]
        return copy.deepcopy(value)

    return describe
