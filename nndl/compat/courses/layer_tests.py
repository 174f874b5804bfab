"""UCLA's tests of the first layers, which print relative errors.

The gradients are held against numeric ones. Whoever writes a layer learns more from
`nndl.check`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._arguments import Array
from ...gradient_check import rel_error as _rel_error
from .fc_net import *
from .fc_net import FullyConnectedNet
from .gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from .layer_utils import (
    affine_backward,
    affine_forward,
    affine_relu_backward,
    affine_relu_forward,
    relu_backward,
    relu_forward,
)


def affine_forward_test() -> None:
    """Compare the affine layer with one number at a time."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 5, 6))
    w, b = rng.standard_normal((120, 3)), rng.standard_normal(3)
    expected = [
        [sum(row * w[:, m]) + b[m] for m in range(3)] for row in x.reshape(2, -1)
    ]
    print("affine_forward, which should differ by less than 1e-9:")
    _say("difference", affine_forward(x, w, b)[0], np.array(expected))


def affine_backward_test() -> None:
    """Check the affine layer's gradients."""
    print("affine_backward, whose errors should be less than 1e-9:")
    rng = np.random.default_rng(1)
    shapes = {"x": (10, 2, 3), "w": (6, 5), "b": (5,)}
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    _say_gradients(affine_forward, affine_backward, arrays, (10, 5))


def relu_forward_test() -> None:
    """Compare ReLU with the larger of each number and 0."""
    x = np.linspace(-0.5, 0.5, num=12).reshape(3, 4)
    expected = np.array([[max(0.0, number) for number in row] for row in x])
    print("relu_forward, which should not differ:")
    _say("difference", relu_forward(x)[0], expected)


def relu_backward_test() -> None:
    """Check ReLU's gradient."""
    print("relu_backward, whose error should be less than 1e-9:")
    x = np.random.default_rng(2).standard_normal((10, 10))
    _say_gradients(relu_forward, relu_backward, {"x": x}, x.shape)


def affine_relu_test() -> None:
    """Check the gradients of the affine layer with ReLU."""
    print("affine_relu_backward, whose errors should be less than 1e-9:")
    rng = np.random.default_rng(3)
    shapes = {"x": (2, 3, 4), "w": (12, 10), "b": (10,)}
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    _say_gradients(affine_relu_forward, affine_relu_backward, arrays, (2, 10))


def fc_net_test() -> None:
    """Check the gradients of a network with two hidden layers."""
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((2, 15)), rng.integers(10, size=2)
    for reg in (0, 3.14):
        print("Running check with reg =", reg)
        model = FullyConnectedNet(
            [20, 30], input_dim=15, reg=reg, weight_scale=5e-2, dtype=np.float64, rng=4
        )
        loss, grads = model.loss(X, y)
        print("Initial loss:", loss)
        for name in sorted(grads):
            loss_of = functools.partial(_loss, model, X, y)
            numeric = eval_numerical_gradient(
                loss_of, model.params[name], verbose=False
            )
            _say(f"{name} relative error", numeric, grads[name])


def _loss(model: Any, X: Array, y: Array, _: Array) -> float:
    return float(model.loss(X, y)[0])


def _say(what: str, found: Array, expected: Array) -> None:
    print(f"{what}: {_rel_error(found, expected)}")


def _say_gradients(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arrays: dict[str, Array],
    shape: tuple[int, ...],
) -> None:
    """Print the relative error of each gradient."""
    dout = np.random.default_rng(5).standard_normal(shape)
    gradients = backward(dout, forward(*arrays.values())[1])
    if len(arrays) == 1:
        gradients = (gradients,)
    for (name, array), gradient in zip(arrays.items(), gradients, strict=True):
        numeric = eval_numerical_gradient_array(
            lambda _: forward(*arrays.values())[0], array, dout
        )
        _say(f"d{name} error", gradient, numeric)
