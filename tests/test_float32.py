"""A float32 network makes no float64 arrays, be they there for a moment only.

NumPy's own allocator is replaced by one that notes every piece of memory. All sizes of
the networks here are odd: a float32 array of any of their shapes has 4 times an odd
number of bytes, a float64 one 8 times an odd number, so that the size tells the type.
Statistics of which there are two for each feature or each group of an example are not
looked at: they are few, and the compiled normalizations keep them in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy_memory import Allocation, noted

from nndl import _twins, fast_layers, optim
from nndl._fast import _memory
from nndl.cnn import ConvNet, ThreeLayerConvNet
from nndl.fc_net import FullyConnectedNet, TwoLayerNet
from nndl.solver import Solver

pytestmark = pytest.mark.usefixtures("one_thread")

#: Bytes from which an array counts.
WORTH_NAMING = 1000
N, SHAPE, CLASSES = 11, (3, 7, 7), 11
POOL = "pool 3x3 stride 2"
NETWORKS = {
    "two layers": lambda **o: TwoLayerNet(147, 37, CLASSES, rng=0, **o),
    "fully connected": lambda **o: FullyConnectedNet(
        [37, 29], 147, CLASSES, rng=0, weight_scale="he", **o
    ),
    "batchnorm, dropout": lambda **o: FullyConnectedNet(
        [37, 29], 147, CLASSES, 0.7, "batchnorm", rng=0, weight_scale="he", **o
    ),
    "layernorm, dropout": lambda **o: FullyConnectedNet(
        [37, 29], 147, CLASSES, 0.7, "layernorm", rng=0, weight_scale="he", **o
    ),
    "three layers": lambda **o: ThreeLayerConvNet(SHAPE, 5, 3, 29, CLASSES, rng=0, **o),
    "three layers, batchnorm": lambda **o: ThreeLayerConvNet(
        SHAPE, 5, 3, 29, CLASSES, use_batchnorm=True, rng=0, **o
    ),
    "conv": lambda **o: ConvNet(
        f"conv 5 - relu - {POOL} - affine 29 - relu", SHAPE, CLASSES, rng=0, **o
    ),
    "conv, batchnorm": lambda **o: ConvNet(
        f"conv 5 - bn - relu - {POOL} - affine 29 - bn - relu", SHAPE, CLASSES, rng=0, **o
    ),
    "conv, everything": lambda **o: ConvNet(
        f"conv 5 - gn 5 - relu - dropout 0.7 - {POOL} - affine 29 - ln - relu - dropout 0.7",
        SHAPE, CLASSES, loss="svm", rng=0, **o,
    ),
}  # fmt: skip
every_network = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
fast_or_not = pytest.mark.parametrize("fast", [False, True], ids=["readable", "fast"])


@pytest.fixture(autouse=True)
def small_and_by_numpy(monkeypatch):
    """Let no memory be kept for later arrays, which is not NumPy's."""
    monkeypatch.setattr(_memory, "WORTH_KEEPING", 1 << 60)
    # What compiled dropout draws at once fits into a cache, but would be seen in networks so small.
    monkeypatch.setattr(fast_layers, "_NUMBERS_AT_ONCE", 101)


def minibatch(dtype: Any = np.float32) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((N, *SHAPE)).astype(dtype), rng.integers(CLASSES, size=N)


def doubles(allocations: list[Allocation]) -> list[Allocation]:
    """Return what may be float64 arrays: whatever has 8 times a whole number of bytes."""
    return [a for a in allocations if a.size >= WORTH_NAMING and a.size % 8 == 0]


def run(net: Any, dtype: Any = np.float32) -> list[Allocation]:
    """Run a network in training and in test mode."""
    X, y = minibatch(dtype)
    with noted() as allocations:
        net.loss(X, y)
        net.loss(X)
    return allocations


def arrays_in(value: Any) -> Iterator[np.ndarray]:
    """Yield every array in nested tuples, lists and dicts."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        yield from arrays_in(list(value.values()))
    elif isinstance(value, (tuple, list)):
        for entry in value:
            yield from arrays_in(entry)


def assert_no_float64(value: Any) -> None:
    for array in arrays_in(value):
        assert array.dtype != np.float64 or array.nbytes < WORTH_NAMING, array.shape


# ---- layers --------------------------------------------------------------------------


@every_network
def test_the_readable_layers_make_no_float64_array_but_dropouts_random_numbers(make):
    """These are the same for a network of float64, and so are the masks."""
    allocations = run(make(dtype=np.float32, reg=0.1, fast=False))
    assert len([a for a in allocations if a.size >= WORTH_NAMING]) > 10
    assert {a.where.split(",")[0] for a in doubles(allocations)} <= {
        "nndl.layers.dropout_forward"
    }


@every_network
def test_the_compiled_layers_make_no_float64_array(make):
    """Nor do they where the kernels' own memory, which is laid out for vectors, has an even
    size: it would have the same size in a network of float64."""
    allocations = run(make(dtype=np.float32, reg=0.1, fast=True))
    in_float64 = {
        a.size for a in run(make(dtype=np.float64, reg=0.1, fast=True), np.float64)
    }
    shapes = {a.size // 4 for a in allocations if a.size % 8 == 4}
    assert len(shapes) > 5
    for found in doubles(allocations):
        assert found.size // 8 not in shapes, found
        assert found.size not in in_float64, found


@fast_or_not
@every_network
def test_no_layer_returns_or_keeps_float64(make, fast, layer_calls):
    net = make(dtype=np.float32, reg=0.1, fast=fast)
    X, y = minibatch()
    loss, grads = net.loss(X, y)
    scores = net.loss(X)
    assert len(layer_calls) > 5
    assert any(True for call in layer_calls for _ in arrays_in(call.result))
    for call in layer_calls:
        assert_no_float64(call.result)
    assert type(loss) is float
    for array in arrays_in([grads, scores, net.params, net.bn_params]):
        assert array.dtype == np.float32


# ---- training ------------------------------------------------------------------------


@pytest.mark.parametrize("rule", optim.__all__)
def test_no_update_rule_makes_a_float64_array(rule):
    rng = np.random.default_rng(0)
    w, dw = rng.standard_normal((2, 243, 37)).astype(np.float32)
    config: dict[str, Any] = {}
    with noted() as allocations:
        for _ in range(3):
            w, config = getattr(optim, rule)(w, dw, config)
    assert any(a.size == w.nbytes for a in allocations)
    assert doubles(allocations) == []
    for array in arrays_in([w, config]):
        assert array.dtype == np.float32


@fast_or_not
@pytest.mark.parametrize(
    "rule", [name for name in optim.__all__ if name[-5:] != "_fast"]
)
@pytest.mark.parametrize("name", ["fully connected", "conv, batchnorm"])
def test_a_training_makes_no_float64_array(name, rule, fast):
    """From the minibatch to the accuracies, with the readable rule or its twin."""
    X, y = minibatch()
    data = {"X_train": X, "y_train": y, "X_val": X[:7], "y_val": y[:7]}
    net = NETWORKS[name](dtype=np.float32, reg=0.1, fast=fast)
    trained = Solver(
        net, data, update_rule=rule if fast else getattr(optim, rule),
        batch_size=5, num_epochs=1, verbose=False, rng=0,
    )  # fmt: skip
    with noted() as allocations:
        trained.train()
    assert trained.iteration == 2
    if fast:  # the kernels' own memory has even sizes, see above
        shapes = {a.size // 4 for a in allocations if a.size % 8 == 4}
        assert not [a for a in doubles(allocations) if a.size // 8 in shapes]
    else:
        assert doubles(allocations) == []
    for array in arrays_in([trained.best_params, trained.optim_configs, net.bn_params]):
        assert array.dtype == np.float32


def test_images_in_another_type_are_converted_once():
    X, y = minibatch(np.uint8)
    net = NETWORKS["two layers"](dtype=np.float32, fast=False)
    with noted() as allocations:
        net.loss(X, y)
    assert {a.where.split(",")[0] for a in doubles(allocations)} <= {
        "nndl._arguments.as_float_array"
    }


# ---- the watch itself ----------------------------------------------------------------


def by_a_cast(layer: Any) -> Any:
    def forward(x: Any, *others: Any) -> Any:
        out, cache = layer(x, *others)
        return (out.astype(np.float64) * 2 / 2).astype(np.float32), cache

    return forward


def by_a_numpy_scalar(layer: Any) -> Any:
    def forward(x: Any, *others: Any) -> Any:
        out, cache = layer(x, *others)
        return (out * np.float64(1)).astype(x.dtype), cache

    return forward


def by_a_sum(layer: Any) -> Any:
    def forward(x: Any, *others: Any) -> Any:
        out, cache = layer(x, *others)
        out.var(axis=0, dtype=np.float64)
        return out, cache

    return forward


@fast_or_not
@pytest.mark.parametrize("spoil", [by_a_cast, by_a_numpy_scalar, by_a_sum])
def test_a_layer_that_computes_in_float64_for_a_moment_is_caught(
    spoil, fast, monkeypatch
):
    """What it returns and keeps is float32."""
    functions = _twins.layers(fast)
    monkeypatch.setattr(
        functions, "affine_relu_forward", spoil(functions.affine_relu_forward)
    )
    found = doubles(run(NETWORKS["two layers"](dtype=np.float32, fast=fast)))
    assert f"{__name__}.forward" in {a.where.split(",")[0] for a in found}
    assert 8 * N * 37 in {a.size for a in found}
