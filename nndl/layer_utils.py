"""Sandwiches: layers that are nearly always used together, under one name.

Each is written below as the chain of its readable layers, which ``fast=False`` runs.
Otherwise its compiled twin runs, which is one kernel where the chain is several. A
backward function follows its cache: what the twin began, the twin ends.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import fast_layers
from ._arguments import Array, flag, takes
from .conv_layers import (
    conv_backward_naive,
    conv_forward_naive,
    max_pool_backward_naive,
    max_pool_forward_naive,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)
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
    "conv_bn_relu_backward",
    "conv_bn_relu_forward",
    "conv_relu_backward",
    "conv_relu_forward",
    "conv_relu_pool_backward",
    "conv_relu_pool_forward",
]


def _follows_cache(chain: Callable[..., Any]) -> Callable[..., Any]:
    """Let the compiled twin of a backward function run where the cache is the twin's;
    leave out `dx` where it is not needed."""
    twin = getattr(fast_layers, f"{chain.__name__}_fast")

    @functools.wraps(chain)
    def backward(dout: Array, cache: Any, need_dx: bool = True) -> Any:
        need_dx = flag("need_dx", need_dx)
        if isinstance(cache, fast_layers.FastCache):
            return twin(dout, cache, need_dx=need_dx)
        return chain(dout, cache, need_dx)

    return backward


def affine_relu_forward(
    x: Array, w: Array, b: Array, *, fast: bool = True
) -> tuple[Array, Any]:
    """Compute an affine layer followed by a ReLU.

    Parameters
    ----------
    x : array, shape (N, d_1, ..., d_k)
    w : array, shape (D, M)
    b : array, shape (M,)
    fast : bool, optional
        Whether the compiled twin runs, or the chain of readable layers.

    Returns
    -------
    out : array, shape (N, M)
    cache : tuple or FastCache
        For `affine_relu_backward`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.layers.affine_forward`.
    """
    if fast:
        return fast_layers.affine_relu_forward_fast(x, w, b)
    a, affine_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (affine_cache, relu_cache)


@_follows_cache
@takes(cache="affine_cache, relu_cache")
def affine_relu_backward(
    dout: Array, cache: Any, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """Compute the gradients of affine - ReLU.

    Parameters
    ----------
    dout : array, shape (N, M)
    cache : tuple or FastCache
        From `affine_relu_forward`.
    need_dx : bool, optional
        If False, None is returned in place of `dx`, as the first layer of a network
        needs none.

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
    dx, dw, db = affine_backward(da, affine_cache)
    return (dx if need_dx else None), dw, db


def affine_bn_relu_forward(
    x: Array,
    w: Array,
    b: Array,
    gamma: Array,
    beta: Array,
    bn_param: dict[str, Any],
    *,
    fast: bool = True,
) -> tuple[Array, Any]:
    """Compute an affine layer, batch normalization and a ReLU.

    Parameters
    ----------
    x : array, shape (N, d_1, ..., d_k)
    w : array, shape (D, M)
    b, gamma, beta : arrays, shape (M,)
    bn_param : dict
        As for `nndl.layers.batchnorm_forward`.
    fast : bool, optional
        Whether the compiled twin runs, or the chain of readable layers.

    Returns
    -------
    out : array, shape (N, M)
    cache : tuple or FastCache
        For `affine_bn_relu_backward`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.layers.affine_forward` and `nndl.layers.batchnorm_forward`.
    """
    if fast:
        return fast_layers.affine_bn_relu_forward_fast(x, w, b, gamma, beta, bn_param)
    a, affine_cache = affine_forward(x, w, b)
    normalized, bn_cache = batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(normalized)
    return out, (affine_cache, bn_cache, relu_cache)


@_follows_cache
@takes(cache="affine_cache, bn_cache, relu_cache")
def affine_bn_relu_backward(
    dout: Array, cache: Any, need_dx: bool = True
) -> tuple[Array | None, Array, Array, Array, Array]:
    """Compute the gradients of affine - batch normalization - ReLU.

    Parameters
    ----------
    dout : array, shape (N, M)
    cache : tuple or FastCache
        From `affine_bn_relu_forward`.
    need_dx : bool, optional
        If False, None is returned in place of `dx`, as the first layer of a network
        needs none.

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
    return (dx if need_dx else None), dw, db, dgamma, dbeta


def conv_relu_forward(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any], *, fast: bool = True
) -> tuple[Array, Any]:
    """Compute a convolution followed by a ReLU.

    Parameters
    ----------
    x : array, shape (N, C, H, W)
    w : array, shape (F, C, HH, WW)
    b : array, shape (F,)
    conv_param : dict
        As for `nndl.conv_layers.conv_forward_naive`.
    fast : bool, optional
        Whether the compiled twin runs, or the chain of readable layers.

    Returns
    -------
    out : array, shape (N, F, H_out, W_out)
    cache : tuple or FastCache
        For `conv_relu_backward`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.conv_layers.conv_forward_naive`.
    """
    if fast:
        return fast_layers.conv_relu_forward_fast(x, w, b, conv_param)
    a, conv_cache = conv_forward_naive(x, w, b, conv_param)
    out, relu_cache = relu_forward(a)
    return out, (conv_cache, relu_cache)


@_follows_cache
@takes(cache="conv_cache, relu_cache")
def conv_relu_backward(
    dout: Array, cache: Any, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """Compute the gradients of convolution - ReLU.

    Parameters
    ----------
    dout : array, shape (N, F, H_out, W_out)
    cache : tuple or FastCache
        From `conv_relu_forward`.
    need_dx : bool, optional
        If False, None is returned in place of `dx`, as the first layer of a network
        needs none.

    Returns
    -------
    dx, dw, db : arrays
        In the shapes of `x`, `w` and `b`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.conv_layers.conv_backward_naive`.
    """
    conv_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    dx, dw, db = conv_backward_naive(da, conv_cache)
    return (dx if need_dx else None), dw, db


def conv_bn_relu_forward(
    x: Array,
    w: Array,
    b: Array,
    gamma: Array,
    beta: Array,
    conv_param: dict[str, Any],
    bn_param: dict[str, Any],
    *,
    fast: bool = True,
) -> tuple[Array, Any]:
    """Compute a convolution, spatial batch normalization and a ReLU.

    Parameters
    ----------
    x : array, shape (N, C, H, W)
    w : array, shape (F, C, HH, WW)
    b, gamma, beta : arrays, shape (F,)
    conv_param : dict
        As for `nndl.conv_layers.conv_forward_naive`.
    bn_param : dict
        As for `nndl.conv_layers.spatial_batchnorm_forward`.
    fast : bool, optional
        Whether the compiled twin runs, or the chain of readable layers.

    Returns
    -------
    out : array, shape (N, F, H_out, W_out)
    cache : tuple or FastCache
        For `conv_bn_relu_backward`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.conv_layers.conv_forward_naive` and
        `nndl.conv_layers.spatial_batchnorm_forward`.
    """
    if fast:
        return fast_layers.conv_bn_relu_forward_fast(
            x, w, b, gamma, beta, conv_param, bn_param
        )
    a, conv_cache = conv_forward_naive(x, w, b, conv_param)
    normalized, bn_cache = spatial_batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = relu_forward(normalized)
    return out, (conv_cache, bn_cache, relu_cache)


@_follows_cache
@takes(cache="conv_cache, bn_cache, relu_cache")
def conv_bn_relu_backward(
    dout: Array, cache: Any, need_dx: bool = True
) -> tuple[Array | None, Array, Array, Array, Array]:
    """Compute the gradients of convolution - spatial batch normalization - ReLU.

    Parameters
    ----------
    dout : array, shape (N, F, H_out, W_out)
    cache : tuple or FastCache
        From `conv_bn_relu_forward`.
    need_dx : bool, optional
        If False, None is returned in place of `dx`, as the first layer of a network
        needs none.

    Returns
    -------
    dx, dw, db, dgamma, dbeta : arrays
        In the shapes of `x`, `w`, `b`, `gamma` and `beta`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.conv_layers.conv_backward_naive` and
        `nndl.conv_layers.spatial_batchnorm_backward`.
    """
    conv_cache, bn_cache, relu_cache = cache
    dnormalized = relu_backward(dout, relu_cache)
    da, dgamma, dbeta = spatial_batchnorm_backward(dnormalized, bn_cache)
    dx, dw, db = conv_backward_naive(da, conv_cache)
    return (dx if need_dx else None), dw, db, dgamma, dbeta


def conv_relu_pool_forward(
    x: Array,
    w: Array,
    b: Array,
    conv_param: dict[str, Any],
    pool_param: dict[str, Any],
    *,
    fast: bool = True,
) -> tuple[Array, Any]:
    """Compute a convolution, a ReLU and a max pooling.

    Parameters
    ----------
    x : array, shape (N, C, H, W)
    w : array, shape (F, C, HH, WW)
    b : array, shape (F,)
    conv_param : dict
        As for `nndl.conv_layers.conv_forward_naive`.
    pool_param : dict
        As for `nndl.conv_layers.max_pool_forward_naive`.
    fast : bool, optional
        Whether the compiled twin runs, or the chain of readable layers.

    Returns
    -------
    out : array, shape (N, F, H_pooled, W_pooled)
    cache : tuple or FastCache
        For `conv_relu_pool_backward`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.conv_layers.conv_forward_naive` and
        `nndl.conv_layers.max_pool_forward_naive`.
    """
    if fast:
        return fast_layers.conv_relu_pool_forward_fast(x, w, b, conv_param, pool_param)
    a, conv_cache = conv_forward_naive(x, w, b, conv_param)
    activated, relu_cache = relu_forward(a)
    out, pool_cache = max_pool_forward_naive(activated, pool_param)
    return out, (conv_cache, relu_cache, pool_cache)


@_follows_cache
@takes(cache="conv_cache, relu_cache, pool_cache")
def conv_relu_pool_backward(
    dout: Array, cache: Any, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """Compute the gradients of convolution - ReLU - max pooling.

    Parameters
    ----------
    dout : array, shape (N, F, H_pooled, W_pooled)
    cache : tuple or FastCache
        From `conv_relu_pool_forward`.
    need_dx : bool, optional
        If False, None is returned in place of `dx`, as the first layer of a network
        needs none.

    Returns
    -------
    dx, dw, db : arrays
        In the shapes of `x`, `w` and `b`.

    Raises
    ------
    ValueError, TypeError
        As `nndl.conv_layers.max_pool_backward_naive` and
        `nndl.conv_layers.conv_backward_naive`.
    """
    conv_cache, relu_cache, pool_cache = cache
    dactivated = max_pool_backward_naive(dout, pool_cache)
    da = relu_backward(dactivated, relu_cache)
    dx, dw, db = conv_backward_naive(da, conv_cache)
    return (dx if need_dx else None), dw, db


def _checks_fast(sandwich: Callable[..., Any]) -> Callable[..., Any]:
    """Check the argument `fast` of a forward function."""

    @functools.wraps(sandwich)
    def forward(*args: Any, fast: bool = True, **kwargs: Any) -> Any:
        return sandwich(*args, fast=flag("fast", fast), **kwargs)

    return forward


# Here and not above each function, where readers would ask what it is for.
for _name in __all__:
    if _name.endswith("_forward"):
        globals()[_name] = _checks_fast(globals()[_name])
