"""The gradients of every layer and every network in 200 random configurations.

In each, all arguments (all parameters) move at once along a random direction, and the
slope of the output is compared with the gradients' share of it: one number that every
entry of every gradient takes part in. The slope is a central difference of the readable
twin in float64; the gradients are those of both twins.

Where a ReLU, a maximum or a margin switches on the way there is no slope, and another
direction is drawn: what switches is watched, not guessed.
"""

from __future__ import annotations

import copy
import math
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fast_cases import (
    ARGUMENTS,
    DIFFERENTIABLE,
    LAYERS,
    arguments,
    as_tuple,
    fast_layer,
    parts_of,
    readable_layer,
)

from nndl import _twins, fast_layers, layer_utils, layers
from nndl.cnn import ConvNet, ThreeLayerConvNet
from nndl.fc_net import FullyConnectedNet, TwoLayerNet

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIGURATIONS = 200
#: How far the arguments move to either side: rounding costs about 1e-9 of the slope, the
#: curvature less.
STEP = 1e-6
#: The largest difference, of the size that slopes in random directions have.
TOLERANCE = 1e-6

Arrays = dict[str, np.ndarray]


def seeds(name: str) -> Iterator[np.random.Generator]:
    """Yield a generator for each configuration, others for each name."""
    for i in range(CONFIGURATIONS):
        yield np.random.default_rng([zlib.crc32(name.encode()), i])


def assert_slope(
    evaluate: Callable[[Arrays, list[Any]], float],
    at: Arrays,
    gradients: list[Arrays],
    rng: np.random.Generator,
    what: Any,
) -> None:
    """Compare gradients with the slope of `evaluate` along a random direction, which
    notes in its second argument what has switched."""
    for _ in range(50):
        direction = {key: rng.standard_normal(a.shape) for key, a in at.items()}
        values, switched = [], []
        for step in (STEP, -STEP):
            notes: list[Any] = []
            moved = {key: a + step * direction[key] for key, a in at.items()}
            values.append(evaluate(moved, notes))
            switched.append(b"".join(np.ascontiguousarray(n).tobytes() for n in notes))
        if switched[0] == switched[1]:
            break
    else:
        raise AssertionError(f"something switches in every direction: {what}")
    slope = (values[0] - values[1]) / (2 * STEP)
    for twin in gradients:
        assert set(twin) == set(at), what
        size = math.sqrt(sum(float(np.sum(g * g)) for g in twin.values()))
        share = sum(float(np.sum(twin[key] * direction[key])) for key in at)
        assert abs(share - slope) <= TOLERANCE * max(size, 1), (
            what,
            share,
            slope,
            size,
        )


def winners(x: np.ndarray, pool_param: dict[str, int]) -> np.ndarray:
    """Say which pixel of each window is the largest."""
    size = pool_param["pool_height"], pool_param["pool_width"]
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))
    windows = windows[:, :, :: pool_param["stride"], :: pool_param["stride"]]
    return windows.reshape(*windows.shape[:4], math.prod(size)).argmax(axis=-1)


# ---- the check itself ----------------------------------------------------------------


def test_a_slope_across_a_kink_is_not_taken():
    """At 0 a ReLU switches whatever the direction."""

    def evaluate(moved: Arrays, notes: list[Any]) -> float:
        notes.append(moved["x"] > 0)
        return float(np.maximum(0, moved["x"]).sum())

    x, rng = np.zeros(3), np.random.default_rng(0)
    with pytest.raises(AssertionError, match="something switches in every direction"):
        assert_slope(evaluate, {"x": x}, [{"x": np.zeros(3)}], rng, "relu")


@pytest.mark.parametrize("key", ["x", "w", "b"])
def test_one_entry_that_is_wrong_by_a_thousandth_is_found(key):
    given = arguments("conv", x=(2, 3, 5, 4), w=(4, 3, 3, 3))
    at = {name: given[name] for name in ("x", "w", "b")}
    out, caches = run("conv", given, [])
    dout = np.random.default_rng(0).standard_normal(out.shape)
    gradients = dict(zip(at, back(caches, dout), strict=True))

    def evaluate(moved: Arrays, notes: list[Any]) -> float:
        return float(np.sum(run("conv", given | moved, notes)[0] * dout))

    assert_slope(evaluate, at, [gradients], np.random.default_rng(1), "right")
    gradients[key].flat[1] *= 1.001
    with pytest.raises(AssertionError, match="wrong"):
        assert_slope(evaluate, at, [gradients], np.random.default_rng(1), "wrong")


# ---- layers --------------------------------------------------------------------------


def whole(rng: np.random.Generator, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def random_sizes(name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Draw the shapes and settings of a layer for `fast_cases.arguments`."""
    N, C, F = whole(rng, 1, 4), whole(rng, 1, 4), whole(rng, 1, 4)
    sizes: dict[str, Any] = {"seed": whole(rng, 0, 2**31), "mode": "train"}
    if any("bn_param" in ARGUMENTS[p] for p in parts_of(name)) and rng.random() < 0.3:
        sizes["mode"] = "test"
    if name == "dropout":
        sizes |= {"p": rng.uniform(0.2, 1), "mode": rng.choice(["train", "test"])}
    if "affine" in name:
        more = tuple(whole(rng, 1, 3) for _ in range(whole(rng, 0, 2)))
        return sizes | {
            "x": (N, C, *more),
            "w": (C * math.prod(more), whole(rng, 1, 6)),
        }
    if name in ("relu", "dropout"):
        return sizes | {"x": tuple(whole(rng, 1, 5) for _ in range(whole(rng, 1, 4)))}
    if name in ("batchnorm", "layernorm"):
        return sizes | {"x": (whole(rng, 1, 8), whole(rng, 1, 8))}
    H, W = whole(rng, 1, 6), whole(rng, 1, 6)
    if "conv" in name:
        pad = whole(rng, 0, 2)
        K, L = whole(rng, 1, min(4, H + 2 * pad)), whole(rng, 1, min(4, W + 2 * pad))
        sizes |= {"w": (F, C, K, L), "stride": whole(rng, 1, 3), "pad": pad}
        sizes["x"] = N, C, H, W
        H, W = (1 + (n + 2 * pad - k) // sizes["stride"] for n, k in ((H, K), (W, L)))
    else:
        sizes["x"] = N, C, H, W
    if "pool" in name:
        sizes["window"] = whole(rng, 1, min(3, H)), whole(rng, 1, min(3, W))
        sizes["pool_stride"] = whole(rng, 1, 3)
    if "groupnorm" in name:
        sizes["G"] = int(rng.choice([G for G in range(1, C + 1) if C % G == 0]))
    return sizes


def run(name: str, given: dict[str, Any], notes: list[Any]) -> tuple[Any, list[Any]]:
    """Run the readable twin, a sandwich as the chain of its layers, forward."""
    a, caches = given["x"], []
    for part in parts_of(name):
        if part == "relu":
            notes.append(a > 0)
        if part == "max_pool":
            notes.append(winners(a, given["pool_param"]))
        settings = copy.deepcopy([given[key] for key in ARGUMENTS[part]])
        a, cache = readable_layer(part)[0](a, *settings)
        caches.append((part, cache))
    return a, caches


def back(caches: list[Any], d: np.ndarray) -> tuple[np.ndarray, ...]:
    """Run the readable twin backward."""
    gradients: tuple[np.ndarray, ...] = ()
    for part, cache in reversed(caches):
        d, *rest = as_tuple(readable_layer(part)[1](d, cache))
        gradients = (*rest, *gradients)
    return d, *gradients


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradients_of_a_layer_are_its_slopes(name):
    for rng in seeds(name):
        sizes = random_sizes(name, rng)
        given = arguments(name, **sizes)
        for param in ("bn_param", "ln_param", "gn_param"):
            if param in given:
                given[param]["eps"] = 10 ** rng.uniform(-5, 0)
        at = {key: given[key] for key in DIFFERENTIABLE if key in given}
        out, caches = run(name, given, [])
        dout = rng.standard_normal(out.shape)
        found = [back(caches, dout)]
        if name == "batchnorm":
            found.append(layers.batchnorm_backward(dout, caches[0][1]))
        forward, backward = fast_layer(name)
        _, cache = forward(**copy.deepcopy(given))
        found.append(as_tuple(backward(dout, cache)))

        def evaluate(
            moved: Arrays, notes: list[Any], given: Any = given, dout: Any = dout
        ) -> float:
            return float(np.sum(run(name, given | moved, notes)[0] * dout))

        gradients = [dict(zip(at, twin, strict=True)) for twin in found]
        assert_slope(evaluate, at, gradients, rng, (name, sizes))


@pytest.mark.parametrize("name", ["softmax_loss", "smoothed_softmax_loss", "svm_loss"])
def test_the_gradient_of_a_loss_is_its_slope(name):
    twins = [getattr(layers, name)]
    if name != "svm_loss":
        twins.append(getattr(fast_layers, f"{name}_fast"))
    for rng in seeds(name):
        N, C = whole(rng, 1, 8), whole(rng, 1 + (rng.random() < 0.9), 8)
        x = 10 ** rng.uniform(-1, 1) * rng.standard_normal((N, C))
        y = rng.integers(C, size=N)

        def evaluate(moved: Arrays, notes: list[Any], y: Any = y) -> float:
            notes.append(margins(moved["x"], y))
            return twins[0](moved["x"], y)[0]

        gradients = [{"x": loss(x, y)[1]} for loss in twins]
        assert_slope(evaluate, {"x": x}, gradients, rng, (name, N, C))


def margins(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Say which margins of the SVM loss are violated."""
    return x - x[np.arange(len(y)), y][:, None] + 1 > 0


# ---- networks ------------------------------------------------------------------------


@pytest.fixture
def switches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list to which the readable twins will add what may switch."""
    notes: list[Any] = []

    def watch(holder: Any, name: str, see: Callable[..., Any]) -> None:
        original = getattr(holder, name)

        def watched(*args: Any) -> Any:
            notes.append(see(*args))
            return original(*args)

        monkeypatch.setattr(holder, name, watched)

    alone = _twins.layers(False)
    watch(alone, "relu_forward", lambda x: x > 0)
    watch(alone, "max_pool_forward", winners)
    watch(alone, "svm_loss", margins)
    watch(layer_utils, "relu_forward", lambda x: x > 0)
    watch(layer_utils, "max_pool_forward_naive", winners)
    return notes


def two_layer_net(rng: np.random.Generator) -> Any:
    shape = tuple(whole(rng, 1, 3) for _ in range(whole(rng, 1, 3)))
    net = TwoLayerNet(
        math.prod(shape),
        whole(rng, 1, 8),
        whole(rng, 1, 6),
        reg=penalty(rng),
        rng=rng,
    )
    return net, shape


def fully_connected_net(rng: np.random.Generator) -> Any:
    shape = tuple(whole(rng, 1, 3) for _ in range(whole(rng, 1, 3)))
    net = FullyConnectedNet(
        [whole(rng, 1, 7) for _ in range(whole(rng, 0, 4))],
        math.prod(shape),
        whole(rng, 1, 6),
        dropout_keep_ratio=rng.choice([1, rng.uniform(0.3, 1)]),
        normalization=rng.choice([None, "batchnorm", "layernorm"]),
        reg=penalty(rng),
        dtype=np.float64,
        seed=whole(rng, 0, 100),
        rng=rng,
    )
    return net, shape


def three_layer_net(rng: np.random.Generator) -> Any:
    size = whole(rng, 1, 4)
    shape = whole(rng, 1, 2), whole(rng, 3, 5), whole(rng, 3, 5)
    net = ThreeLayerConvNet(
        shape,
        num_filters=whole(rng, 1, 3),
        filter_size=size,
        hidden_dim=whole(rng, 1, 6),
        num_classes=whole(rng, 1, 6),
        reg=penalty(rng),
        dtype=np.float64,
        use_batchnorm=bool(rng.integers(2)),
        rng=rng,
    )
    return net, shape


def conv_net(rng: np.random.Generator) -> Any:
    shape = whole(rng, 1, 3), whole(rng, 1, 5), whole(rng, 1, 5)
    while True:
        try:
            net = ConvNet(
                random_spec(rng),
                shape,
                whole(rng, 1, 6),
                reg=penalty(rng),
                dtype=np.float64,
                loss=str(rng.choice(["softmax", "svm"])),
                seed=whole(rng, 0, 100),
                rng=rng,
            )
        except ValueError:
            continue  # a layer that does not fit the one before it
        return net, shape


def random_spec(rng: np.random.Generator) -> str:
    spec: list[str] = []
    for _ in range(whole(rng, 0, 3)):
        K, L = whole(rng, 1, 3), whole(rng, 1, 3)
        stride, pad = whole(rng, 1, 2), whole(rng, 0, 2)
        spec.append(f"conv {whole(rng, 1, 3)} {K}x{L} stride {stride} pad {pad}")
        spec += some_of(rng, ["bn", f"gn {whole(rng, 1, 2)}"])
        spec += sometimes(
            rng, "relu", f"pool {whole(rng, 1, 2)}x{whole(rng, 1, 3)} stride 2"
        )
        spec += sometimes(rng, "dropout 0.7", likely=0.2)
    for _ in range(whole(rng, 0, 2)):
        spec.append(f"affine {whole(rng, 1, 6)}")
        spec += some_of(rng, ["bn", "ln"])
        spec += sometimes(rng, "relu")
        spec += sometimes(rng, "dropout 0.6", likely=0.2)
    return " - ".join(spec)


def some_of(rng: np.random.Generator, options: list[str]) -> list[str]:
    return [str(rng.choice(options))] if rng.random() < 0.5 else []


def sometimes(rng: np.random.Generator, *texts: str, likely: float = 0.6) -> list[str]:
    return [text for text in texts if rng.random() < likely]


def penalty(rng: np.random.Generator) -> float:
    return float(rng.choice([0, rng.uniform(0, 1)]))


NETWORKS = (two_layer_net, fully_connected_net, three_layer_net, conv_net)


@pytest.mark.parametrize("make", NETWORKS)
def test_the_gradients_of_a_network_are_its_slopes(make, switches):
    for rng in seeds(make.__name__):
        net, shape = make(rng)
        at = {
            name: w + 0.5 * rng.standard_normal(w.shape)
            for name, w in net.params.items()
        }
        N = whole(rng, 1, 3)
        X = rng.standard_normal((N, *shape))
        C = len(at[f"b{sum(name[0] == 'W' for name in at)}"])
        y = rng.integers(C, size=N)

        def evaluate(
            moved: Arrays, notes: list[Any], net: Any = net, X: Any = X, y: Any = y
        ) -> float:
            net.params, net.fast = moved, False
            switches.clear()
            loss, _ = net.loss(X, y)
            notes += switches
            return float(loss)

        found = []
        for fast in (False, True):
            net.params, net.fast = at, fast
            found.append(net.loss(X, y))
        np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-10)
        what = (make.__name__, str(net), N)
        assert_slope(evaluate, at, [grads for _, grads in found], rng, what)
