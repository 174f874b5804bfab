"""Who is timed: for every kind of layer, each peer's forward and backward pass.

Each function here returns the chains ``(forward, backward)`` by the peer's name. A
forward pass returns what its backward pass needs, and every backward pass computes all
gradients. PyTorch runs in both of its memory layouts, if it is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nndl import conv_layers, fast_layers

from . import classic
from .pytorch import LAYOUTS, tensor, torch
from .timing import Chain
from .workloads import Convolution, Pooling

Array = np.ndarray

POOL = {"pool_height": 2, "pool_width": 2, "stride": 2}


def convolution(shape: Convolution) -> dict[str, Chain]:
    x, w, b, dout = _convolution_arrays(shape)
    param = {"stride": shape.stride, "pad": shape.pad}

    def torch_forward(x: Any, w: Any, b: Any) -> Any:
        return torch.nn.functional.conv2d(x, w, b, shape.stride, shape.pad)

    return {
        "nndl": _layer(
            fast_layers.conv_forward_fast,
            fast_layers.conv_backward_fast,
            (x, w, b, param),
            dout,
        ),
        **_in_torch(torch_forward, (x, w, b), dout),
        "classic": _layer(
            classic.conv_forward, classic.conv_backward, (x, w, b, param), dout
        ),
    }


def naive_convolution(shape: Convolution, images: int) -> Chain:
    """The readable loops, on the first few images."""
    x, w, b, dout = _convolution_arrays(shape)
    return _layer(
        conv_layers.conv_forward_naive,
        conv_layers.conv_backward_naive,
        (x[:images], w, b, {"stride": shape.stride, "pad": shape.pad}),
        dout[:images],
    )


def pooling(shape: Pooling) -> dict[str, Chain]:
    x, dout = _pooling_arrays(shape)

    def torch_forward(x: Any) -> Any:
        return torch.nn.functional.max_pool2d(x, 2)

    return {
        "nndl": _layer(
            fast_layers.max_pool_forward_fast,
            fast_layers.max_pool_backward_fast,
            (x, POOL),
            dout,
        ),
        **_in_torch(torch_forward, (x,), dout),
        "classic": _layer(
            classic.max_pool_forward, classic.max_pool_backward, (x, POOL), dout
        ),
    }


def naive_pooling(shape: Pooling, images: int) -> Chain:
    """The readable loops, on the first few images."""
    x, dout = _pooling_arrays(shape)
    return _layer(
        conv_layers.max_pool_forward_naive,
        conv_layers.max_pool_backward_naive,
        (x[:images], POOL),
        dout[:images],
    )


def conv_relu_pool(shape: Convolution) -> dict[str, Chain]:
    x, w, b, dout = _convolution_arrays(shape)
    param = {"stride": shape.stride, "pad": shape.pad}
    dpooled = np.ascontiguousarray(dout[:, :, ::2, ::2])

    def torch_forward(x: Any, w: Any, b: Any) -> Any:
        F = torch.nn.functional
        return F.max_pool2d(F.relu(F.conv2d(x, w, b, shape.stride, shape.pad)), 2)

    return {
        "nndl": _layer(
            fast_layers.conv_relu_pool_forward_fast,
            fast_layers.conv_relu_pool_backward_fast,
            (x, w, b, param, POOL),
            dpooled,
        ),
        **_in_torch(torch_forward, (x, w, b), dpooled),
    }


def bn_relu(shape: Convolution) -> dict[str, Chain]:
    """Batch norm and ReLU of a convolution's output; ours as `conv_bn_relu` runs it."""
    _, _, beta, dout = _convolution_arrays(shape)
    x = dout[::-1].copy()
    gamma = np.ones_like(beta)
    bn_param: dict[str, Any] = {"mode": "train"}
    averages = [] if torch is None else [torch.zeros(shape.F), torch.ones(shape.F)]

    def forward() -> Any:
        return fast_layers._batchnorm_forward(x, gamma, beta, bn_param, relu=True)

    def backward(result: Any) -> Any:
        return fast_layers._batchnorm_backward(dout, True, *result[1])

    def torch_forward(x: Any, gamma: Any, beta: Any) -> Any:
        F = torch.nn.functional
        return F.relu(F.batch_norm(x, *averages, gamma, beta, training=True))

    return {
        "nndl": (forward, backward),
        **_in_torch(torch_forward, (x, gamma, beta), dout),
    }


def _layer(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arguments: tuple[Any, ...],
    dout: Array,
) -> Chain:
    """The chain of two functions of the book: forward returns ``(out, cache)``."""
    return lambda: forward(*arguments), lambda result: backward(dout, result[1])


def _in_torch(
    forward: Callable[..., Any], arrays: Sequence[Array], dout: Array
) -> dict[str, Chain]:
    """The chains of a function of tensors, in the default layout and channels_last."""

    def chain(layout: Any) -> Chain:
        tensors = [tensor(array, layout).requires_grad_() for array in arrays]
        gradient = tensor(dout, layout)
        return (
            lambda: forward(*tensors),
            lambda out: torch.autograd.grad(out, tensors, gradient),
        )

    return {name: chain(layout) for name, layout in LAYOUTS.items()}


def _convolution_arrays(shape: Convolution) -> tuple[Array, Array, Array, Array]:
    """Return random `x`, `w`, `b` and `dout`."""
    rng = np.random.default_rng(0)
    s = shape
    sizes = (
        (s.N, s.C, s.H, s.H),
        (s.F, s.C, s.HH, s.HH),
        (s.F,),
        (s.N, s.F, s.out, s.out),
    )
    x, w, b, dout = (rng.standard_normal(size, s.dtype) for size in sizes)
    return x, w, b, dout


def _pooling_arrays(shape: Pooling) -> tuple[Array, Array]:
    """Return random `x` and `dout`."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((shape.N, shape.C, shape.H, shape.H), shape.dtype)
    dout = rng.standard_normal(
        (shape.N, shape.C, shape.H // 2, shape.H // 2), shape.dtype
    )
    return x, dout
