"""Sandwiches: layers that are nearly always used together, under one name."""

from __future__ import annotations

from typing import Any

from ._arguments import Array, takes
from .layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward_alt,
    batchnorm_forward,
    relu_backward,
    relu_forward,
)

__all__ = [
    "affine_bn_relu_backward",
    "affine_bn_relu_forward",
    "affine_relu_backward",
    "affine_relu_forward",
]


def affine_relu_forward(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    """Compute an affine layer followed by a ReLU.

    Parameters
    ----------
    x : array, shape (N, d_1, ..., d_k)
    w : array, shape (D, M)
    b : array, shape (M,)

    Returns
    -------
    out : array, shape (N, M)
    cache : tuple
        For `affine_relu_backward`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.layers.affine_forward`.
    """
    a, affine_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (affine_cache, relu_cache)


@takes(cache="affine_cache, relu_cache")
def affine_relu_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Compute the gradients of affine - ReLU.

    Parameters
    ----------
    dout : array, shape (N, M)
    cache : tuple
        From `affine_relu_forward`.

    Returns
    -------
    dx, dw, db : arrays
        In the shapes of `x`, `w` and `b`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.layers.affine_backward`.
    """
    affine_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    return affine_backward(da, affine_cache)


def affine_bn_relu_forward(
    x: Array, w: Array, b: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Compute an affine layer, batch normalization and a ReLU.

    Parameters
    ----------
    x : array, shape (N, d_1, ..., d_k)
    w : array, shape (D, M)
    b, gamma, beta : arrays, shape (M,)
    bn_param : dict
        As for `nndl.layers.batchnorm_forward`.

    Returns
    -------
    out : array, shape (N, M)
    cache : tuple
        For `affine_bn_relu_backward`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.layers.affine_forward` and `nndl.layers.batchnorm_forward`.
    """
    a, affine_cache = affine_forward(x, w, b)
    normalized, bn_cache = batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(normalized)
    return out, (affine_cache, bn_cache, relu_cache)


@takes(cache="affine_cache, bn_cache, relu_cache")
def affine_bn_relu_backward(
    dout: Array, cache: Any
) -> tuple[Array, Array, Array, Array, Array]:
    """Compute the gradients of affine - batch normalization - ReLU.

    Parameters
    ----------
    dout : array, shape (N, M)
    cache : tuple
        From `affine_bn_relu_forward`.

    Returns
    -------
    dx, dw, db, dgamma, dbeta : arrays
        In the shapes of `x`, `w`, `b`, `gamma` and `beta`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.layers.affine_backward` and `nndl.layers.batchnorm_backward_alt`.
    """
    affine_cache, bn_cache, relu_cache = cache
    dnormalized = relu_backward(dout, relu_cache)
    da, dgamma, dbeta = batchnorm_backward_alt(dnormalized, bn_cache)
    dx, dw, db = affine_backward(da, affine_cache)
    return dx, dw, db, dgamma, dbeta
