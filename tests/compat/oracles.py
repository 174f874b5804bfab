"""What must come back from a call of the courses', computed by loops and NumPy alone.

`CASES` has a function for each name of `course_names.ROWS`. It gives the words of the
call a meaning, and judges what came back.
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.special import logsumexp

Arrays = dict[str, Any]


class Scene(NamedTuple):
    """What the words of a call mean, and who judges the result."""

    names: dict[str, Any]
    #: Takes the result and what the call printed.
    judge: Callable[[Any, str], None]


def _close(found: Any, expected: Any, dtype: Any = np.float64) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    exact = np.dtype(dtype) == np.float64
    rtol, atol = (1e-6, 1e-8) if exact else (2e-3, 2e-4)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


# ---- layers, in loops ----------------------------------------------------------------


def affine(x, w, b):
    rows = [image.ravel() for image in x]
    return np.array(
        [[math.fsum(row * w[:, m]) + b[m] for m in range(len(b))] for row in rows]
    )


def relu(x):
    return np.array([max(0.0, number) for number in x.flat]).reshape(x.shape)


def _normalized(numbers):
    mean = math.fsum(numbers.flat) / numbers.size
    variance = math.fsum((numbers.ravel() - mean) ** 2) / numbers.size
    return (numbers - mean) / math.sqrt(variance + 1e-5)


def batchnorm(x, gamma, beta, bn_param=None):
    columns = [gamma[d] * _normalized(x[:, d]) + beta[d] for d in range(x.shape[1])]
    return np.array(columns).T


def layernorm(x, gamma, beta, ln_param=None):
    return np.array([gamma * _normalized(row) + beta for row in x])


def dropout(x, dropout_param):
    keep = dropout_param["p"]
    kept = np.random.RandomState(dropout_param["seed"]).rand(*x.shape) < keep
    return np.where(kept, x / keep, 0)


def conv(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    (N, _, H, W), (F, _, HH, WW) = x.shape, w.shape
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros(
        (N, F, 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride)
    )
    for row, column in np.ndindex(out.shape[2:]):
        top, left = stride * row, stride * column
        window = x[:, :, top : top + HH, left : left + WW]
        out[:, :, row, column] = np.tensordot(window, w, ([1, 2, 3], [1, 2, 3])) + b
    return out


def max_pool(x, pool_param):
    HH, WW = pool_param["pool_height"], pool_param["pool_width"]
    stride = pool_param["stride"]
    H_out = 1 + (x.shape[2] - HH) // stride
    W_out = 1 + (x.shape[3] - WW) // stride
    out = np.zeros((*x.shape[:2], H_out, W_out))
    for row, column in np.ndindex(H_out, W_out):
        top, left = stride * row, stride * column
        window = x[:, :, top : top + HH, left : left + WW]
        out[:, :, row, column] = window.max(axis=(2, 3))
    return out


def spatial_batchnorm(x, gamma, beta, bn_param=None):
    out = np.empty(x.shape)
    for c in range(x.shape[1]):
        out[:, c] = gamma[c] * _normalized(x[:, c]) + beta[c]
    return out


def spatial_groupnorm(x, gamma, beta, G, gn_param):
    out, size = np.empty(x.shape), x.shape[1] // G
    for n in range(len(x)):
        for g in range(G):
            out[n, g * size : (g + 1) * size] = _normalized(
                x[n, g * size : (g + 1) * size]
            )
    return gamma * out + beta


def affine_relu(x, w, b):
    return relu(affine(x, w, b))


def affine_bn_relu(x, w, b, gamma, beta, bn_param):
    return relu(batchnorm(affine(x, w, b), gamma, beta))


def conv_relu(x, w, b, conv_param):
    return relu(conv(x, w, b, conv_param))


def conv_relu_pool(x, w, b, conv_param, pool_param):
    return max_pool(conv_relu(x, w, b, conv_param), pool_param)


def conv_bn_relu(x, w, b, gamma, beta, conv_param, bn_param):
    return relu(spatial_batchnorm(conv(x, w, b, conv_param), gamma, beta))


_CONV = {"x": (2, 3, 5, 7), "w": (4, 3, 3, 5), "b": (4,)}
_CONV_PARAM = {"conv_param": {"stride": 2, "pad": 1}}
_POOL_PARAM = {"pool_param": {"pool_height": 2, "pool_width": 2, "stride": 2}}
_FINE_CONV_PARAM = {"conv_param": {"stride": 1, "pad": 1}}
_SEEDED = {"mode": "train", "p": 0.6, "seed": 123}

#: By the stem of a name: the layer in loops, its arrays' shapes, its other arguments.
LAYERS: dict[str, tuple[Callable[..., Any], dict[str, tuple[int, ...]], Arrays]] = {
    "affine": (affine, {"x": (3, 2, 3), "w": (6, 4), "b": (4,)}, {}),
    "relu": (relu, {"x": (3, 7)}, {}),
    "batchnorm": (
        batchnorm,
        {"x": (5, 3), "gamma": (3,), "beta": (3,)},
        {"bn_param": {"mode": "train"}},
    ),
    "layernorm": (
        layernorm,
        {"x": (4, 5), "gamma": (5,), "beta": (5,)},
        {"ln_param": {"mode": "train"}},
    ),
    "dropout": (dropout, {"x": (6, 7)}, {"dropout_param": _SEEDED}),
    "conv": (conv, _CONV, _CONV_PARAM),
    "max_pool": (max_pool, {"x": (2, 3, 4, 6)}, _POOL_PARAM),
    "spatial_batchnorm": (
        spatial_batchnorm,
        {"x": (2, 3, 2, 3), "gamma": (3,), "beta": (3,)},
        {"bn_param": {"mode": "train"}},
    ),
    "spatial_groupnorm": (
        spatial_groupnorm,
        {"x": (2, 4, 2, 3), "gamma": (1, 4, 1, 1), "beta": (1, 4, 1, 1)},
        {"G": 2, "gn_param": {}},
    ),
    "affine_relu": (affine_relu, {"x": (3, 2, 3), "w": (6, 4), "b": (4,)}, {}),
    "affine_bn_relu": (
        affine_bn_relu,
        {"x": (4, 6), "w": (6, 3), "b": (3,), "gamma": (3,), "beta": (3,)},
        {"bn_param": {"mode": "train"}},
    ),
    "conv_relu": (conv_relu, _CONV, _CONV_PARAM),
    "conv_relu_pool": (
        conv_relu_pool,
        {"x": (2, 3, 4, 4), "w": (2, 3, 3, 3), "b": (2,)},
        _FINE_CONV_PARAM | _POOL_PARAM,
    ),
    "conv_bn_relu": (
        conv_bn_relu,
        {"x": (2, 3, 4, 4), "w": (2, 3, 3, 3), "b": (2,), "gamma": (2,), "beta": (2,)},
        _FINE_CONV_PARAM | {"bn_param": {"mode": "train"}},
    ),
}


def _fresh(arguments: Arrays) -> Arrays:
    """Return a copy, since `bn_param` is written to."""
    return {
        name: value.copy() if isinstance(value, (dict, np.ndarray)) else value
        for name, value in arguments.items()
    }


@functools.cache
def _layer(stem: str, dtype: Any) -> tuple[Arrays, Any, Any, dict[str, Any]]:
    """Return a layer's arguments, what it must return, a gradient of the loss with
    respect to that, and the numeric gradients with respect to the layer's arrays."""
    layer, shapes, others = LAYERS[stem]
    rng = np.random.default_rng(7)
    arrays = {
        name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()
    }
    exact = {name: array.astype(np.float64) for name, array in arrays.items()}
    out = layer(**exact, **others)
    dout = rng.standard_normal(out.shape).astype(dtype)
    gradients = {}
    for name, array in exact.items():
        gradient = gradients[name] = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            before, step = array[index], 1e-5
            array[index] = before + step
            above = layer(**exact, **others)
            array[index] = before - step
            below = layer(**exact, **others)
            array[index] = before
            gradient[index] = np.sum((above - below) * dout) / (2 * step)
    return arrays | others, out, dout, gradients


def _stem(name: str) -> str:
    return re.split("_(?:forward|backward)", name)[0]


def _layer_forward(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    arguments, expected, _, _ = _layer(_stem(name), dtype)
    given = _fresh(arguments)

    def judge(result: Any, printed: str) -> None:
        out, _ = result
        assert out.dtype == dtype
        _close(out, expected, dtype)
        for argument, value in arguments.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(given[argument], value)
        if "bn_param" in arguments and name in {
            "batchnorm_forward",
            "spatial_batchnorm_forward",
        }:
            x = arguments["x"].astype(np.float64)
            mean = x.mean(axis=(0, 2, 3)[: x.ndim - 1])
            _close(given["bn_param"]["running_mean"], 0.1 * mean, dtype)

    return Scene(given, judge)


def _layer_backward(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    arguments, _, dout, gradients = _layer(_stem(name), dtype)
    forward = name.replace("backward_alt", "backward").replace("backward", "forward")
    _, cache = getattr(module, forward)(**_fresh(arguments))

    def judge(result: Any, printed: str) -> None:
        found = (result,) if len(gradients) == 1 else result
        assert len(found) == len(gradients)
        for gradient, expected in zip(found, gradients.values(), strict=True):
            assert gradient.dtype == dtype
            _close(gradient, expected, dtype)

    return Scene({"dout": dout.copy(), "cache": cache}, judge)


# ---- losses --------------------------------------------------------------------------


def svm(x, y):
    return sum(
        max(0.0, x[n, j] - x[n, y[n]] + 1)
        for n in range(len(x))
        for j in range(x.shape[1])
        if j != y[n]
    ) / len(x)


def softmax(x, y):
    return float(np.mean(logsumexp(x, axis=1) - x[np.arange(len(x)), y]))


def _loss(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    loss = {"svm_loss": svm, "softmax_loss": softmax}[name]
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal((5, 4)).astype(dtype), rng.integers(4, size=5)

    def judge(result: Any, printed: str) -> None:
        found, dx = result
        exact = x.astype(np.float64)
        _close(found, loss(exact, y), dtype)
        _close(dx, numeric_gradient(lambda: loss(exact, y), exact), dtype)

    return Scene({"x": x, "y": y}, judge)


def numeric_gradient(f: Callable[[], float], x: Any) -> Any:
    """Return the gradient of a function that reads the array `x`."""
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        before, step = x[index], 1e-5
        x[index] = before + step
        above = f()
        x[index] = before - step
        below = f()
        x[index] = before
        gradient[index] = (above - below) / (2 * step)
    return gradient


# ---- networks ------------------------------------------------------------------------


def fully_connected(
    params: Arrays,
    X: Any,
    *,
    train: bool,
    normalization: str | None = None,
    keep: float = 1,
    seed: int | None = None,
) -> Any:
    """Return the scores of a fully connected network with any number of layers."""
    depth = sum(name.startswith("W") for name in params)
    h = X.reshape(len(X), -1)
    for i in range(1, depth):
        h = h @ params[f"W{i}"] + params[f"b{i}"]
        if normalization is not None:
            axis = {"batchnorm": 0, "layernorm": 1}[normalization]
            h = (h - h.mean(axis, keepdims=True)) / np.sqrt(
                h.var(axis, keepdims=True) + 1e-5
            )
            h = params[f"gamma{i}"] * h + params[f"beta{i}"]
        h = np.maximum(h, 0)
        if train and keep != 1:
            # Every layer starts again from the same seed.
            h = h * (np.random.RandomState(seed).rand(*h.shape) < keep) / keep
    return h @ params[f"W{depth}"] + params[f"b{depth}"]


def convolutional(params: Arrays, X: Any) -> Any:
    """Return the scores of conv - relu - pool - affine - relu - affine."""
    pad = (params["W1"].shape[2] - 1) // 2
    h = np.maximum(conv(X, params["W1"], params["b1"], {"stride": 1, "pad": pad}), 0)
    h = max_pool(h, _POOL_PARAM["pool_param"]).reshape(len(X), -1)
    h = np.maximum(h @ params["W2"] + params["b2"], 0)
    return h @ params["W3"] + params["b3"]


def penalty(params: Arrays, reg: float) -> float:
    """Return the L2 penalty on the weight matrices."""
    return (
        0.5 * reg * sum(np.sum(w * w) for name, w in params.items() if name[0] == "W")
    )


def judge_network(
    net: Any,
    X: Any,
    y: Any,
    reg: float,
    scores: Callable[..., Any],
    *,
    scores_are_known: bool = True,
) -> None:
    """Hold a network's scores, loss and gradients against those of a function of its
    parameters, of the images, and of whether it trains."""
    dtype = next(iter(net.params.values())).dtype
    exact = {name: w.astype(np.float64) for name, w in net.params.items()}

    def loss(params: Arrays) -> float:
        return softmax(scores(params, X, train=True), y) + penalty(params, reg)

    if scores_are_known:
        _close(net.loss(X), scores(exact, X, train=False), dtype)
    found, grads = net.loss(X, y)
    assert found == _about(loss(exact), dtype)
    assert set(grads) == set(net.params)
    rng = np.random.default_rng(9)
    for name, w in exact.items():
        assert grads[name].shape == w.shape
        direction = rng.standard_normal(w.shape) / math.sqrt(w.size)
        above = loss(exact | {name: w + 1e-6 * direction})
        below = loss(exact | {name: w - 1e-6 * direction})
        slope = float(np.sum(grads[name] * direction))
        exactly = dtype == np.float64
        np.testing.assert_allclose(
            slope,
            (above - below) / 2e-6,
            rtol=1e-5 if exactly else 2e-3,
            atol=1e-7 if exactly else 1e-4,
            err_msg=name,
        )


def _about(expected: float, dtype: Any) -> Any:
    return pytest.approx(expected, rel=1e-9 if dtype == np.float64 else 1e-4)


def _network(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    D, H, H2, C, std = 15, 20, 12, 7, 5e-2
    sizes = expects.get("sizes", (D, H, C))
    kind = expects.get("normalization")
    dtype = expects.get("dtype", "float64")
    rng = np.random.default_rng(10)
    X = rng.standard_normal((5, 3, 32, 32) if sizes[0] == 3072 else (5, D))
    y = rng.integers(sizes[-1], size=5)

    def judge(net: Any, printed: str) -> None:
        depth = len(sizes) - 1
        shapes = {f"W{i}": sizes[i - 1 : i + 1] for i in range(1, depth + 1)}
        shapes |= {f"b{i}": sizes[i : i + 1] for i in range(1, depth + 1)}
        for i in range(1, depth if kind else 0):
            shapes |= {f"gamma{i}": sizes[i : i + 1], f"beta{i}": sizes[i : i + 1]}
        assert {key: w.shape for key, w in net.params.items()} == shapes
        assert net.reg == expects.get("reg", 0.0)
        for key, w in net.params.items():
            assert w.dtype == dtype
            if key[0] == "W":
                assert 0 < np.std(w) < 0.1
                net.params[key] = rng.standard_normal(w.shape).astype(
                    dtype
                ) / math.sqrt(len(w))
            else:
                assert np.all(w == (1 if key.startswith("gamma") else 0))
                net.params[key] = rng.uniform(0.5, 1.5, w.shape).astype(dtype)
        dropped = {key: expects[key] for key in ("keep", "seed") if key in expects}
        scores = functools.partial(fully_connected, normalization=kind, **dropped)
        known = kind != "batchnorm"  # running averages decide, which have not run yet
        judge_network(net, X, y, net.reg, scores, scores_are_known=known)
        net.reg = 1.0  # the notebooks set it afterwards
        judge_network(net, X, y, 1.0, scores, scores_are_known=known)

    names = {"D": D, "H": H, "H2": H2, "C": C, "std": std}
    return Scene(names, judge)


def _three_layers(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    F, _, size, _ = filters = expects["filters"]
    hidden, reg = expects["hidden"], expects.get("reg", 0.0)
    side = 32 if F == 32 else 8
    rng = np.random.default_rng(11)
    X, y = rng.standard_normal((2, 3, side, side)), rng.integers(10, size=2)

    def judge(net: Any, printed: str) -> None:
        shapes = {
            "W1": filters,
            "b1": (F,),
            "W2": (F * (side // 2) ** 2, hidden),
            "b2": (hidden,),
            "W3": (hidden, 10),
            "b3": (10,),
        }
        assert {key: w.shape for key, w in net.params.items()} == shapes
        assert net.reg == reg
        dtype = np.float32 if side == 32 else np.float64
        for key, w in net.params.items():
            assert w.dtype == dtype
            net.params[key] = (
                rng.standard_normal(w.shape) / math.sqrt(w.size / w.shape[-1])
                if key[0] == "W"
                else rng.uniform(-0.5, 0.5, w.shape)
            ).astype(dtype)
        scores = lambda params, X, train: convolutional(params, X)  # noqa: E731
        if side == 8:
            judge_network(net, X, y, reg, scores)
        else:  # so large that only its loss is worth the time
            exact = {key: w.astype(np.float64) for key, w in net.params.items()}
            expected = convolutional(exact, X)
            _close(net.loss(X), expected, dtype)
            loss, grads = net.loss(X, y)
            assert set(grads) == set(shapes)
            assert loss == _about(softmax(expected, y) + penalty(exact, reg), dtype)

    return Scene({}, judge)


def _trains_itself(
    name: str, module: ModuleType, dtype: Any, expects: Any, *, ucla: bool
) -> Scene:
    D, H, C = 6, 8, 4
    rng = np.random.default_rng(12)
    X, y = rng.standard_normal((20, D)), rng.integers(C, size=20)
    half = 0.5 if ucla else 1.0

    def loss(params: Arrays, X: Any, y: Any, reg: float) -> float:
        weights = [params["W1"], params["W2"]]
        W1, W2 = (w.T for w in weights) if ucla else weights
        named = {"W1": W1, "b1": params["b1"], "W2": W2, "b2": params["b2"]}
        scores = fully_connected(named, X, train=False)
        return softmax(scores, y) + half * reg * sum(np.sum(w * w) for w in weights)

    def gradients(params: Arrays, X: Any, y: Any, reg: float) -> Arrays:
        return {
            key: numeric_gradient(lambda: loss(params, X, y, reg), w)
            for key, w in params.items()
        }

    def judge(net: Any, printed: str) -> None:
        shapes = {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
        if ucla:
            shapes |= {"W1": (H, D), "W2": (C, H)}
        assert {key: w.shape for key, w in net.params.items()} == shapes
        for key, w in net.params.items():
            net.params[key] = 0.5 * rng.standard_normal(w.shape)
        exact = {key: w.copy() for key, w in net.params.items()}
        found, grads = net.loss(X, y, reg=0.3)
        assert found == _about(loss(exact, X, y, 0.3), np.float64)
        assert net.loss(X, y)[0] == _about(loss(exact, X, y, 0.0), np.float64)
        assert net.loss(X, y, 0.3)[0] == found
        expected = gradients(exact, X, y, 0.3)
        assert set(grads) == set(expected)
        for key in expected:
            _close(grads[key], expected[key])
        predicted = net.predict(X)
        np.testing.assert_array_equal(predicted, np.argmax(net.loss(X), axis=1))
        assert len(set(predicted)) > 1

        settings = {
            "learning_rate": 0.1,
            "learning_rate_decay": 0.5,
            "reg": 0.2,
            "num_iters": 5,
            "batch_size": 10,
        }
        np.random.seed(3)
        said = _printed(
            lambda: histories.update(net.train(X, y, X, y, verbose=True, **settings))
        )
        assert "iteration 0 / 5: loss" in said
        np.random.seed(3)
        rate, losses = 0.1, []
        for iteration in range(5):
            batch = np.random.choice(20, 10)
            losses.append(loss(exact, X[batch], y[batch], 0.2))
            for key, gradient in gradients(exact, X[batch], y[batch], 0.2).items():
                exact[key] -= rate * gradient
            rate *= 0.5 if iteration % 2 == 0 else 1
        np.testing.assert_allclose(histories["loss_history"], losses, rtol=1e-6)
        for key in exact:
            np.testing.assert_allclose(
                net.params[key], exact[key], rtol=1e-5, atol=1e-7
            )
        for part in ("train_acc_history", "val_acc_history"):
            assert len(histories[part]) == 3
        quiet = _printed(lambda: net.train(X, y, X, y, num_iters=1, batch_size=5))
        assert quiet == ""

    histories: dict[str, Any] = {}
    return Scene({"D": D, "H": H, "C": C}, judge)


def _printed(action: Callable[[], Any]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        action()
    return out.getvalue()


# ---- training ------------------------------------------------------------------------


def sgd(w, dw, rate, memory):
    return w - rate * dw, {}


def sgd_momentum(w, dw, rate, memory):
    velocity = 0.9 * memory["velocity"] - rate * dw
    return w + velocity, {"velocity": velocity}


def sgd_nesterov_momentum(w, dw, rate, memory):
    velocity = 0.9 * memory["velocity"] - rate * dw
    return w + velocity + 0.9 * (velocity - memory["velocity"]), {"velocity": velocity}


def rmsprop(w, dw, rate, memory):
    cache = 0.99 * memory["cache"] + 0.01 * dw * dw
    return w - rate * dw / (np.sqrt(cache) + 1e-8), {"cache": cache}


def adam(w, dw, rate, memory):
    m = 0.9 * memory["m"] + 0.1 * dw
    v = 0.999 * memory["v"] + 0.001 * dw * dw
    t = memory["t"] + 1
    step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w - rate * step, {"m": m, "v": v, "t": t}


#: Each rule with the names of what it remembers.
RULES = {
    "sgd": (sgd, ()),
    "sgd_momentum": (sgd_momentum, ("velocity",)),
    "sgd_nesterov_momentum": (sgd_nesterov_momentum, ("velocity",)),
    "rmsprop": (rmsprop, ("cache",)),
    "adam": (adam, ("m", "v", "t")),
}


def _rule(
    name: str, module: ModuleType, dtype: Any, expects: Any, theirs: Any = None
) -> Scene:
    """`theirs` are UCLA's names of what a rule remembers, by CS231n's."""
    rule, keys = RULES[name]
    rng = np.random.default_rng(13)
    w, dw = rng.standard_normal((2, 4, 5)).astype(dtype)
    first = expects.get("first", False)
    rate = (1e-3 if name == "adam" else 1e-2) if first else 0.02
    memory = {key: rng.uniform(0.5, 1, (4, 5)).astype(dtype) for key in keys}
    if first:
        memory = {key: np.zeros((4, 5)) for key in keys}
    if "t" in memory:
        memory["t"] = 0 if first else 5
    theirs = theirs or {key: key for key in keys}
    config = {"learning_rate": rate}
    config |= {theirs[key]: value for key, value in _fresh(memory).items()}
    w_given = w.copy()

    def judge(result: Any, printed: str) -> None:
        next_w, returned = result
        exact = {key: np.asarray(value, float) for key, value in memory.items()}
        expected, remembered = rule(w.astype(float), dw.astype(float), rate, exact)
        assert next_w.dtype == dtype
        _close(next_w, expected, dtype)
        # The notebooks read what is remembered from the dict that they passed.
        found = returned if first else config
        assert first or returned is config
        assert found["learning_rate"] == rate
        for key, value in remembered.items():
            _close(found[theirs[key]], value, dtype)
        np.testing.assert_array_equal(w_given, w)

    return Scene({"w": w_given, "dw": dw.copy(), "config": config}, judge)


class Bowl:
    """A model whose training can be foretold: half the square of one vector is its loss,
    and it puts every image into class 0."""

    def __init__(self) -> None:
        self.params = {"w": np.array([3.0, -4.0])}

    def loss(self, X: Any, y: Any = None) -> Any:
        if y is None:
            return np.tile([1.0, 0.0], (len(X), 1))
        w = self.params["w"]
        return 0.5 * float(w @ w), {"w": w.copy()}


def _solver(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    data = {
        "X_train": np.zeros((30, 2)),
        "y_train": np.arange(30) % 2,
        "X_val": np.zeros((6, 2)),
        "y_val": np.array([0, 0, 0, 0, 1, 1]),
        "X_test": np.zeros((6, 2)),
        "y_test": np.zeros(6, dtype=int),
    }
    small_data = {key: data[key] for key in ("X_train", "y_train", "X_val", "y_val")}
    per_epoch = max(30 // expects["batch"], 1)
    epochs, decay = expects["epochs"], expects.get("decay", 1.0)

    def judge(solver: Any, printed: str) -> None:
        assert printed == ""
        said = _printed(solver.train)
        w, losses = np.array([3.0, -4.0]), []
        for iteration in range(epochs * per_epoch):
            losses.append(0.5 * float(w @ w))
            w = w * (1 - expects["rate"] * decay ** (iteration // per_epoch))
        np.testing.assert_allclose(solver.loss_history, losses, rtol=1e-12)
        stocks = epochs + (per_epoch > 1)
        assert solver.train_acc_history == [0.5] * stocks
        assert solver.val_acc_history == [4 / 6] * stocks
        assert solver.best_val_acc == 4 / 6
        assert set(solver.best_params) == {"w"}
        assert solver.epoch == epochs
        labels = np.array([0, 1, 0, 0, 0])
        images = np.zeros((5, 2))
        assert solver.check_accuracy(images, labels) == 0.8
        assert (
            solver.check_accuracy(images, labels, num_samples=None, batch_size=2) == 0.8
        )
        assert solver.check_accuracy(images, labels, num_samples=3) in (2 / 3, 1.0)
        if expects.get("said"):
            assert (
                f"(Epoch {epochs} / {epochs}) train acc: 0.500000; val_acc: 0.666667"
                in said
            )
            assert f"(Iteration 1 / {epochs * per_epoch}) loss: 12.500000" in said
        else:
            assert said == ""

    return Scene({"model": Bowl(), "data": data, "small_data": small_data}, judge)


# ---- helpers -------------------------------------------------------------------------


def _numerical_gradient(
    name: str, module: ModuleType, dtype: Any, expects: Any
) -> Scene:
    x = np.random.default_rng(14).standard_normal((3, 2))
    before = x.copy()

    def judge(result: Any, printed: str) -> None:
        _close(result, 3 * before**2)
        np.testing.assert_array_equal(x, before)
        assert len(printed.splitlines()) == (6 if expects.get("said") else 0)

    return Scene({"f": lambda x: np.sum(x**3), "x": x}, judge)


def _numerical_gradient_array(
    name: str, module: ModuleType, dtype: Any, expects: Any
) -> Scene:
    x, df = np.random.default_rng(15).standard_normal((2, 3, 2))

    def judge(result: Any, printed: str) -> None:
        _close(result, df * np.cos(x))
        assert printed == ""

    return Scene({"g": np.sin, "x": x, "df": df}, judge)


def _blobs(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    p, q, diffs = np.random.default_rng(16).standard_normal((3, 2, 3))
    inputs = [SimpleNamespace(vals=array.copy(), diffs=None) for array in (p, q)]
    output = SimpleNamespace(vals=np.zeros((2, 3)), diffs=diffs)

    def into_blob(first: Any, second: Any, out: Any) -> None:
        out.vals[...] = first.vals * np.sin(second.vals)

    net = SimpleNamespace(forward=lambda: into_blob(*inputs, output))

    def judge(result: Any, printed: str) -> None:
        assert len(result) == 2
        _close(result[0], diffs * np.sin(q))
        _close(result[1], diffs * p * np.cos(q))
        for blob, before in zip(inputs, (p, q), strict=True):
            np.testing.assert_array_equal(blob.vals, before)

    names = {"p": inputs[0], "q": inputs[1], "output": output}
    return Scene(names | {"into_blob": into_blob, "net": net}, judge)


def _sparse(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    x = np.random.default_rng(17).uniform(1, 2, (4, 5))

    def judge(result: Any, printed: str) -> None:
        lines = printed.splitlines()
        assert len(lines) == expects["checks"]
        for line in lines:
            numeric, analytic, error = map(float, re.findall(r": ([-\d.e+]+)", line))
            # Half a gradient was given for the true one: |a - 2a| / (a + 2a).
            assert numeric == _about(2 * analytic, np.float32)
            assert error == _about(1 / 3, np.float32)

    names = {"f": lambda x: np.sum(x**3), "x": x, "analytic_grad": 1.5 * x**2}
    return Scene(names, judge)


RECORDS_PER_FILE = 10
TRAIN, VAL, TEST = 40, 10, 10
RECORDS = np.random.default_rng(18).integers(0, 256, (60, 3073), dtype=np.uint8)
RECORDS[:, 0] %= 10
IMAGES = RECORDS[:, 1:].reshape(-1, 3, 32, 32).astype(np.float64)
LABELS = RECORDS[:, 0].astype(np.int64)
BATCHES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


def write_cifar(folder: Path) -> None:
    """Write a CIFAR-10 of 60 images."""
    folder.mkdir(parents=True)
    for i, file in enumerate(BATCHES):
        rows = slice(i * RECORDS_PER_FILE, (i + 1) * RECORDS_PER_FILE)
        (folder / file).write_bytes(RECORDS[rows].tobytes())


def _cifar(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    def judge(result: Any, printed: str) -> None:
        keys = ["X_train", "y_train", "X_val", "y_val", "X_test", "y_test"]
        assert list(result) == keys
        parts = {"train": slice(0, 30), "val": slice(30, 34), "test": slice(50, 55)}
        mean = 0 if expects.get("raw") else IMAGES[parts["train"]].mean(axis=0)
        for part, rows in parts.items():
            X = result[f"X_{part}"]
            assert X.dtype.kind == "f"
            assert X.flags.writeable
            np.testing.assert_allclose(X, IMAGES[rows] - mean, atol=1e-4)
            np.testing.assert_array_equal(result[f"y_{part}"], LABELS[rows])

    return Scene({}, judge)


def _load_cifar(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    def judge(result: Any, printed: str) -> None:
        Xtr, Ytr, Xte, Yte = result
        shown = IMAGES.transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(Xtr, shown[:50])
        np.testing.assert_array_equal(Ytr, LABELS[:50])
        np.testing.assert_array_equal(Xte, shown[50:])
        np.testing.assert_array_equal(Yte, LABELS[50:])
        Xtr -= np.mean(
            Xtr, axis=0
        )  # which the notebooks do: it must be writable floats
        assert abs(float(Xtr[:, 3, 4, 1].sum())) < 1e-2

    return Scene({}, judge)


def _load_batch(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    def judge(result: Any, printed: str) -> None:
        X, Y = result
        np.testing.assert_array_equal(X, IMAGES[10:20].transpose(0, 2, 3, 1))
        np.testing.assert_array_equal(Y, LABELS[10:20])

    return Scene({}, judge)


def _framed(images: Any, side: tuple[int, int], frame: float, padding: int) -> Any:
    """Put images beside each other, with lines of one brightness after each."""
    _, H, W, C = images.shape
    rows, columns = side
    grid = np.full((rows * (H + padding), columns * (W + padding), C), float(frame))
    for n, image in enumerate(images):
        for y, x, c in np.ndindex(image.shape):
            row, column = divmod(n, columns)
            grid[row * (H + padding) + y, column * (W + padding) + x, c] = image[
                y, x, c
            ]
    return grid


_PICTURES = np.random.default_rng(19).uniform(-3, 0.5, (5, 4, 3, 3))


def _grid(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    def judge(result: Any, printed: str) -> None:
        stretched = np.array(
            [(image - image.min()) / (image.max() - image.min()) for image in _PICTURES]
        )
        padding = expects["padding"]
        expected = _framed(expects["ubound"] * stretched, (3, 3), 0, padding)
        _close(result, expected[:-padding, :-padding])

    return Scene({"images": _PICTURES.copy()}, judge)


def _plain_grid(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    """`vis_grid` frames with the darkest value there is, `vis_nn` with 1."""
    if name == "vis_grid":
        expected = _framed(_PICTURES, (3, 3), _PICTURES.min(), 1)
    else:
        expected = _framed(_PICTURES[:4], (2, 2), 1, 1)

    def judge(result: Any, printed: str) -> None:
        low, high = expected.min(), expected.max()
        _close(result, (expected - low) / (high - low))

    rows = [list(_PICTURES[:2]), list(_PICTURES[2:4])]
    return Scene({"images": _PICTURES.copy(), "rows": rows}, judge)


# ---- windows as columns --------------------------------------------------------------


def _places(x_shape: Any, window: Any) -> Any:
    """Yield, for every entry of every window, its row and column in the matrix, the
    image, channel, pixel row and pixel column in the padded image, and its place among
    windows (C, HH, WW, N, OH, OW)."""
    N, C, H, W = x_shape
    HH, WW, pad, stride = window
    OH, OW = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    for c, p, q, oy, ox, n in np.ndindex(C, HH, WW, OH, OW, N):
        row, column = (c * HH + p) * WW + q, (oy * OW + ox) * N + n
        yield row, column, n, c, stride * oy + p, stride * ox + q, (c, p, q, n, oy, ox)


_IMAGES_SHAPE = (2, 3, 5, 7)


def _im2col(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    window = expects["window"]
    HH, WW, pad, stride = window
    N, C, H, W = _IMAGES_SHAPE
    x = np.random.default_rng(20).standard_normal(_IMAGES_SHAPE).astype(dtype)
    padded = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    padded[:, :, pad : pad + H, pad : pad + W] = x
    OH, OW = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride

    def judge(result: Any, printed: str) -> None:
        if name == "get_im2col_indices":
            k, i, j = result
            assert k.shape == (C * HH * WW, 1)
            assert i.shape == j.shape == (C * HH * WW, OH * OW)
            for row, column, _, c, y, x_, _ in _places(_IMAGES_SHAPE, window):
                place = column // N
                assert (k[row, 0], i[row, place], j[row, place]) == (c, y, x_)
            assert padded[:, k, i, j].shape == (N, C * HH * WW, OH * OW)
            return
        expected = np.zeros((C * HH * WW, OH * OW * N))
        for row, column, n, c, y, x_, _ in _places(_IMAGES_SHAPE, window):
            expected[row, column] = padded[n, c, y, x_]
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)

    return Scene({"x": x, "x_shape": _IMAGES_SHAPE}, judge)


def _col2im(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    window = expects["window"]
    HH, WW, pad, stride = window
    N, C, H, W = _IMAGES_SHAPE
    OH, OW = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    six = name == "col2im_6d_cython"
    shape = (C, HH, WW, N, OH, OW) if six else (C * HH * WW, OH * OW * N)
    cols = np.random.default_rng(21).standard_normal(shape).astype(dtype)
    padded = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    for row, column, n, c, y, x, place in _places(_IMAGES_SHAPE, window):
        padded[n, c, y, x] += cols[place] if six else cols[row, column]

    def judge(result: Any, printed: str) -> None:
        assert result.dtype == dtype
        _close(result, padded[:, :, pad : pad + H, pad : pad + W], dtype)

    names = {"cols": cols, "x_shape": _IMAGES_SHAPE, "N": N, "C": C, "H": H, "W": W}
    return Scene(names, judge)


def _printed_errors(name: str, module: ModuleType, dtype: Any, expects: Any) -> Scene:
    at_least = {"fc_net_test": 12, "affine_backward_test": 3, "affine_relu_test": 3}

    def judge(result: Any, printed: str) -> None:
        assert result is None
        found = re.findall(r"(?:error|difference): (\S+)", printed)
        assert len(found) == at_least.get(name, 1)
        bound = 1e-4 if name == "fc_net_test" else 1e-8
        assert all(0 <= float(error) < bound for error in found)

    return Scene({}, judge)


# ---- the table -----------------------------------------------------------------------

Case = Callable[[str, ModuleType, Any, dict[str, Any]], Scene]

CASES: dict[str, Case] = {
    "svm_loss": _loss,
    "softmax_loss": _loss,
    "network": _network,
    "ThreeLayerConvNet": _three_layers,
    "neural_net": functools.partial(_trains_itself, ucla=False),
    "ucla_neural_net": functools.partial(_trains_itself, ucla=True),
    **dict.fromkeys(RULES, _rule),
    "ucla_rmsprop": functools.partial(_rule, theirs={"cache": "a"}),
    "ucla_adam": functools.partial(_rule, theirs={"m": "v", "v": "a", "t": "t"}),
    "Solver": _solver,
    "eval_numerical_gradient": _numerical_gradient,
    "eval_numerical_gradient_array": _numerical_gradient_array,
    "eval_numerical_gradient_blobs": _blobs,
    "eval_numerical_gradient_net": _blobs,
    "grad_check_sparse": _sparse,
    "get_CIFAR10_data": _cifar,
    "load_CIFAR10": _load_cifar,
    "load_CIFAR_batch": _load_batch,
    "visualize_grid": _grid,
    "vis_grid": _plain_grid,
    "vis_nn": _plain_grid,
    "get_im2col_indices": _im2col,
    "im2col_indices": _im2col,
    "im2col_cython": _im2col,
    "col2im_indices": _col2im,
    "col2im_cython": _col2im,
    "col2im_6d_cython": _col2im,
    "test": _printed_errors,
}

#: The cases whose arrays come in both precisions; so do all layers.
IN_BOTH_PRECISIONS = {
    "svm_loss",
    "softmax_loss",
    *RULES,
    "ucla_rmsprop",
    "ucla_adam",
    "im2col_indices",
    "im2col_cython",
    "col2im_indices",
    "col2im_cython",
    "col2im_6d_cython",
}


def case_of(row: Any) -> Case:
    """Return the function that sets a row's scene."""
    if row.case or row.name in CASES:
        return CASES[row.case or row.name]
    return _layer_backward if "_backward" in row.name else _layer_forward


def precisions_of(row: Any) -> list[type]:
    """Return the precisions in which a row is called."""
    layer = not row.case and row.name not in CASES
    both = layer or (row.case or row.name) in IN_BOTH_PRECISIONS
    return [np.float64, np.float32] if both else [np.float64]
