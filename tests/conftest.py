"""What several test files share."""

from __future__ import annotations

import copy
import math
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

# So that several test files can import `fast_cases`, what they share.
sys.path.insert(0, str(Path(__file__).parent))

# Where a shell runs the tests in the background, it has Ctrl-C ignored, which some of them press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """The independent oracle; tests that ask for it are skipped where it is not
    installed."""
    return pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")


@pytest.fixture
def default_threads() -> Iterator[None]:
    """Wake the threads for the smallest arrays, and after a test that sets their number
    put it back to the default."""
    import nndl
    from nndl._fast import _kernels

    before = _kernels.wake_for(0)
    yield
    _kernels.wake_for(before)
    nndl.set_num_threads(None)


@pytest.fixture
def one_thread(default_threads: None) -> None:
    """Run the kernels of a test in one thread: many small calls, or no use for more."""
    import nndl

    nndl.set_num_threads(1)


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """Return a folder in which this process, for once, has an ordinary user's rights."""
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chmod(folder, 0o777)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


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


@pytest.fixture
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test with one of the instruction sets that the kernels were compiled for."""
    from nndl._fast import _kernels

    before = _kernels.isa()
    assert _kernels.choose(request.param) == request.param == _kernels.isa()
    yield request.param
    _kernels.choose(before)


@pytest.fixture
def assert_gradients_are_numeric(
    one_thread: None,
) -> Callable[[Any, np.ndarray, np.ndarray], None]:
    """Return a function that compares every gradient of a network with the numeric one.

    A loss near 10 is known to about 1e-15 and is divided by 2e-5, so 1e-9 is what a
    numeric gradient can be trusted to; relative errors would only measure the smallest
    entries.
    """
    from nndl.gradient_check import eval_numerical_gradient

    def check(net: Any, X: np.ndarray, y: np.ndarray) -> None:
        loss, grads = net.loss(X, y)
        assert math.isfinite(loss)
        assert list(grads) != []
        assert set(grads) == set(net.params)
        for name, w in net.params.items():
            numeric = eval_numerical_gradient(lambda _: net.loss(X, y)[0], w)
            np.testing.assert_allclose(
                grads[name], numeric, rtol=1e-7, atol=2e-9, err_msg=name
            )

    return check


class LayerCall(NamedTuple):
    """A call of a layer's function by a network."""

    name: str
    options: dict[str, Any]
    result: Any

    @property
    def arrays(self) -> list[np.ndarray]:
        """The arrays that it returned; a cache is none."""
        results = self.result if isinstance(self.result, tuple) else (self.result,)
        return [value for value in results if isinstance(value, np.ndarray)]


@pytest.fixture
def layer_calls(monkeypatch: pytest.MonkeyPatch) -> list[LayerCall]:
    """Return a list to which every call of a layer by a network will be added."""
    from nndl import _twins

    calls: list[LayerCall] = []
    original = _twins.layers

    def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **options: Any) -> Any:
            calls.append(LayerCall(name, options, function(*args, **options)))
            return calls[-1].result

        return noted

    def layers(fast: bool) -> SimpleNamespace:
        functions = vars(original(fast))
        return SimpleNamespace(
            **{name: noting(name, f) for name, f in functions.items()}
        )

    monkeypatch.setattr(_twins, "layers", layers)
    return calls
