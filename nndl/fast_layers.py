"""The compiled twins of the layers: same signatures, same results, many times the
speed.

Each function here has a readable twin in `nndl.layers` or `nndl.conv_layers` (or, for
the sandwiches, `nndl.layer_utils`), which is the one to read. This module checks what it
is given and makes arrays contiguous; the kernels in `nndl._fast` compute, on as many
threads as `nndl.set_num_threads` says. Results are equal to the readable twin's up to
rounding, and to the last bit the same for any number of threads.

Three things differ. A cache is a `FastCache`, whatever the readable twin keeps in its
own, and goes to the compiled backward function of the same layer, not to the readable
one. The backward functions of affine and convolutional layers take ``need_dx=False``,
which saves the work of a gradient that a network's first layer does not need, and return
None for it. And arrays of different float types are computed in the wider one.

NaN and infinity get as far as in the readable twin and no further, but nothing warns of
them.

Fresh memory costs more than filling it, so the memory of a large result is kept when
the array dies, for the next one of its size; at most 512 MB wait so.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import conv_layers, layers
from ._arguments import Array, FastCache, compiled_twin_of, number, takes
from ._fast import _kernels
from ._fast._memory import empty
from ._threads import get_num_threads
from ._windows import check_output_size, conv_windows, pool_windows
from .conv_layers import _groupnorm_settings
from .layers import _batchnorm_settings, _dropout_settings

__all__ = [
    "FastCache",
    "affine_backward_fast",
    "affine_bn_relu_backward_fast",
    "affine_bn_relu_forward_fast",
    "affine_forward_fast",
    "affine_relu_backward_fast",
    "affine_relu_forward_fast",
    "batchnorm_backward_fast",
    "batchnorm_forward_fast",
    "conv_backward_fast",
    "conv_bn_relu_backward_fast",
    "conv_bn_relu_forward_fast",
    "conv_forward_fast",
    "conv_relu_backward_fast",
    "conv_relu_forward_fast",
    "conv_relu_pool_backward_fast",
    "conv_relu_pool_forward_fast",
    "dropout_backward_fast",
    "dropout_forward_fast",
    "layernorm_backward_fast",
    "layernorm_forward_fast",
    "max_pool_backward_fast",
    "max_pool_forward_fast",
    "relu_backward_fast",
    "relu_forward_fast",
    "smoothed_softmax_loss_fast",
    "softmax_loss_fast",
    "spatial_batchnorm_backward_fast",
    "spatial_batchnorm_forward_fast",
    "spatial_groupnorm_backward_fast",
    "spatial_groupnorm_forward_fast",
]

# What a layer keeps for its backward pass, in the notation of `takes`.
_AFFINE = "x (N, D...), w (D, M), b (M,)"
_CONV = "x (N, C, H, W), w (F, C, HH>0, WW>0), conv_param dict"
_NORM = "gamma ({0},), beta ({0},), statistics float64 ({0}, 2), eps float, mode str"


def _ready(*arrays: Array) -> list[Array]:
    """Return the arrays in their common float type, each contiguous and aligned."""
    dtype = arrays[0].dtype
    if any(array.dtype != dtype for array in arrays):
        dtype = np.result_type(*arrays)
    return [
        array
        if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned
        else np.require(array, dtype, ["C", "A"])
        for array in arrays
    ]


def _check_fit(fits: bool) -> None:
    """Check that the entries of a cache still belong together, where their shapes alone
    do not tell."""
    if not fits:
        raise ValueError(
            "`cache` must be what the forward function returned as its cache, but its "
            "entries do not belong together."
        )


# ---- affine --------------------------------------------------------------------------


@compiled_twin_of(layers.affine_forward)
def affine_forward_fast(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    out, cache = _affine_forward(x, w, b, relu=False)
    return out, FastCache("affine_forward_fast", *cache)


@compiled_twin_of(layers.affine_backward, cache=_AFFINE, need_dx="flag")
def affine_backward_fast(dout: Array, cache: Any, need_dx: bool = True) -> Any:
    return _affine_backward(dout, need_dx, *cache)


def _affine_forward(x: Array, w: Array, b: Array, relu: bool) -> tuple[Array, Any]:
    x, w, b = _ready(x, w, b)
    out = empty((len(x), len(b)), x.dtype)
    rows = x.reshape(len(x), len(w))
    _kernels.product(rows, w, out, b, relu, get_num_threads())
    return out, (x, w, b)


def _affine_backward(
    dout: Array,
    need_dx: bool,
    x: Array,
    w: Array,
    b: Array,
    passed: Array | None = None,
) -> tuple[Array | None, Array, Array]:
    """Compute the gradients of an affine layer, or of affine - ReLU if `passed` is
    given."""
    threads = get_num_threads()
    dout, x, w = _ready(dout, x, w)
    if passed is not None:
        dout = _masked(dout, passed)
    rows = x.reshape(len(x), len(w))
    dx, dw, db = None, empty(w.shape, x.dtype), empty(b.shape, x.dtype)
    if need_dx:
        dx = empty(x.shape, x.dtype)
        _kernels.product(dout, w.T, dx.reshape(rows.shape), None, False, threads)
    _kernels.product(rows.T, dout, dw, None, False, threads)
    _kernels.column_sums(dout, db, threads)
    return dx, dw, db


# ---- ReLU and dropout ----------------------------------------------------------------


@compiled_twin_of(layers.relu_forward)
def relu_forward_fast(x: Array) -> tuple[Array, Any]:
    (x,) = _ready(x)
    out = empty(x.shape, x.dtype)
    _kernels.relu(x.reshape(-1), out.reshape(-1), get_num_threads())
    return out, FastCache("relu_forward_fast", _passed(x))


@compiled_twin_of(layers.relu_backward, cache="x uint8 (...)")
def relu_backward_fast(dout: Array, cache: Any) -> Array:
    (passed,) = cache
    (dout,) = _ready(dout)
    return _masked(dout, passed)


def _passed(x: Array) -> Array:
    """Return where `x` is positive, in bytes: what a ReLU lets pass.

    It is kept rather than the ReLU's output, which the caller may change.
    """
    passed = empty(x.shape, np.uint8)
    _kernels.positive(x.reshape(-1), passed.reshape(-1), get_num_threads())
    return passed


def _masked(dout: Array, passed: Array) -> Array:
    dx = empty(dout.shape, dout.dtype)
    _kernels.masked(
        dout.reshape(-1), passed.reshape(-1), dx.reshape(-1), get_num_threads()
    )
    return dx


#: What dropout draws before it makes a part of its mask: few enough for a cache, and for
#: one thread, which is not worth waking others.
_NUMBERS_AT_ONCE = 1 << 14


@compiled_twin_of(layers.dropout_forward)
def dropout_forward_fast(x: Array, dropout_param: dict[str, Any]) -> tuple[Array, Any]:
    mode, p, rng = _dropout_settings(dropout_param)
    if mode == "test":
        return x, FastCache("dropout_forward_fast", None)
    (x,) = _ready(x)
    mask, out = empty(x.shape, x.dtype), empty(x.shape, x.dtype)
    # Drawn block by block: the numbers are float64, and as many as `x` has would take twice the
    # room of a float32 array. A generator of another kind may begin anew at every call.
    whole = type(rng) not in (np.random.Generator, np.random.RandomState)
    block = max(x.size, 1) if whole else _NUMBERS_AT_ONCE
    for start in range(0, x.size, block):
        here = slice(start, start + block)
        x_here, mask_here, out_here = (a.reshape(-1)[here] for a in (x, mask, out))
        drawn = rng.random(x_here.size)
        _kernels.dropout(x_here, drawn, p, mask_here, out_here, get_num_threads())
    return out, FastCache("dropout_forward_fast", mask)


@compiled_twin_of(layers.dropout_backward, cache="mask? (...)")
def dropout_backward_fast(dout: Array, cache: Any) -> Array:
    (mask,) = cache
    return dout if mask is None else dout * mask


# ---- batch, layer and group normalization --------------------------------------------


@compiled_twin_of(layers.batchnorm_forward)
def batchnorm_forward_fast(
    x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]
) -> tuple[Array, Any]:
    out, cache = _batchnorm_forward(x, gamma, beta, bn_param, relu=False)
    return out, FastCache("batchnorm_forward_fast", *cache)


@compiled_twin_of(
    layers.batchnorm_backward,
    cache=f"x (N>0, D), {_NORM.format('D')}",
    dout="(N, D)",
)
def batchnorm_backward_fast(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    return _batchnorm_backward(dout, False, *cache)


@compiled_twin_of(conv_layers.spatial_batchnorm_forward)
def spatial_batchnorm_forward_fast(
    x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]
) -> tuple[Array, Any]:
    out, cache = _batchnorm_forward(x, gamma, beta, bn_param, relu=False)
    return out, FastCache("spatial_batchnorm_forward_fast", *cache)


@compiled_twin_of(
    conv_layers.spatial_batchnorm_backward,
    cache=f"x (N>0, C, H>0, W>0), {_NORM.format('C')}",
    dout="(N, C, H, W)",
)
def spatial_batchnorm_backward_fast(
    dout: Array, cache: Any
) -> tuple[Array, Array, Array]:
    return _batchnorm_backward(dout, False, *cache)


def _batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any], relu: bool
) -> tuple[Array, Any]:
    """Normalize the features or channels, the second axis of `x`."""
    x, gamma, beta = _ready(x, gamma, beta)
    mode, eps, momentum, *running = _batchnorm_settings(bn_param, _features(x))
    statistics = np.empty((x.shape[1], 2))
    if mode == "test":
        statistics[:, 0], statistics[:, 1] = running
    out = _kernels.batchnorm_forward(
        _planes(x),
        gamma,
        beta,
        eps,
        relu,
        statistics,
        mode == "test",
        get_num_threads(),
    )
    if mode == "train":
        for key, average, batch in zip(
            ("running_mean", "running_var"), running, statistics.T, strict=True
        ):
            bn_param[key] = momentum * average + (1 - momentum) * batch.astype(x.dtype)
    return out.reshape(x.shape), (x, gamma, beta, statistics, eps, mode)


def _batchnorm_backward(
    dout: Array, relu: bool, x: Array, gamma: Array, beta: Array, statistics: Array, eps: float,
    mode: str,
) -> tuple[Array, Array, Array]:  # fmt: skip
    dout, x, gamma, beta = _ready(dout, x, gamma, beta)
    dx, dgamma, dbeta = _kernels.batchnorm_backward(
        _planes(dout), _planes(x), gamma, beta, eps, relu, statistics, mode == "test",
        get_num_threads(),
    )  # fmt: skip
    return dx.reshape(x.shape), dgamma, dbeta


@compiled_twin_of(layers.layernorm_forward)
def layernorm_forward_fast(
    x: Array, gamma: Array, beta: Array, ln_param: dict[str, Any]
) -> tuple[Array, Any]:
    eps = number("ln_param['eps']", ln_param.get("eps", 1e-5), above=0)
    x, gamma, beta = _ready(x, gamma, beta)
    out, statistics = _kernels.groupnorm_forward(
        _planes(x), gamma, beta, 1, eps, get_num_threads()
    )
    return out.reshape(x.shape), FastCache(
        "layernorm_forward_fast", x, gamma, statistics, eps
    )


@compiled_twin_of(
    layers.layernorm_backward,
    cache="x (N, D>0), gamma (D,), statistics float64 (N, 2), eps float",
)
def layernorm_backward_fast(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    x, gamma, statistics, eps = cache
    dout, x, gamma = _ready(dout, x, gamma)
    dx, dgamma, dbeta = _kernels.groupnorm_backward(
        _planes(dout), _planes(x), gamma, 1, eps, statistics, get_num_threads()
    )
    return dx.reshape(x.shape), dgamma, dbeta


@compiled_twin_of(conv_layers.spatial_groupnorm_forward)
def spatial_groupnorm_forward_fast(
    x: Array, gamma: Array, beta: Array, G: int, gn_param: dict[str, Any]
) -> tuple[Array, Any]:
    G, eps = _groupnorm_settings(G, gn_param, x)
    x, gamma, beta = _ready(x, gamma, beta)
    out, statistics = _kernels.groupnorm_forward(
        _planes(x), gamma.reshape(-1), beta.reshape(-1), G, eps, get_num_threads()
    )
    cache = x, gamma, beta, statistics, G, eps
    return out.reshape(x.shape), FastCache("spatial_groupnorm_forward_fast", *cache)


@compiled_twin_of(
    conv_layers.spatial_groupnorm_backward,
    cache="x (N, C>0, H>0, W>0), gamma (1, C, 1, 1) or (C,), beta (1, C, 1, 1) or (C,), "
    "statistics float64 (S, 2), G int, eps float",
)
def spatial_groupnorm_backward_fast(
    dout: Array, cache: Any
) -> tuple[Array, Array, Array]:
    x, gamma, beta, statistics, G, eps = cache
    _check_fit(G > 0 and x.shape[1] % G == 0 and len(statistics) == len(x) * G)
    dout, x, gamma = _ready(dout, x, gamma)
    dx, dgamma, dbeta = _kernels.groupnorm_backward(
        _planes(dout),
        _planes(x),
        gamma.reshape(-1),
        G,
        eps,
        statistics,
        get_num_threads(),
    )
    return dx.reshape(x.shape), dgamma.reshape(gamma.shape), dbeta.reshape(beta.shape)


def _planes(x: Array) -> Array:
    """Return `x` as (N, C, numbers of each channel)."""
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _features(x: Array) -> Array:
    """Return one number of each channel, (N, C)."""
    return x if x.ndim == 2 else x[:, :, 0, 0]


# ---- convolution and pooling ---------------------------------------------------------


@compiled_twin_of(conv_layers.conv_forward_naive)
def conv_forward_fast(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any]
) -> tuple[Array, Any]:
    out, cache = _conv_forward(x, w, b, conv_param)
    return out, FastCache("conv_forward_fast", *cache[:3])


@compiled_twin_of(conv_layers.conv_backward_naive, cache=_CONV, need_dx="flag")
def conv_backward_fast(dout: Array, cache: Any, need_dx: bool = True) -> Any:
    return _conv_backward(dout, need_dx, *cache)


def _conv_forward(
    x: Array,
    w: Array,
    b: Array,
    conv_param: dict[str, Any],
    relu: bool = False,
    pool: bool = False,
) -> tuple[Array, Any]:
    """Compute conv, conv - ReLU, or conv - ReLU - 2x2 max pool, in one go."""
    stride, pad, _, _ = conv_windows(x.shape, w.shape, conv_param)
    x, w, b = _ready(x, w, b)
    threads = get_num_threads()
    moves = min(stride, _beyond(x, w, pad))
    out, code = _kernels.conv_forward(x, w, b, pad, moves, relu, pool, threads)
    passed = _passed(out) if relu and not pool else None
    return out, (x, w, {"stride": stride, "pad": pad}, passed, code)


def _conv_backward(
    dout: Array, need_dx: bool, x: Array, w: Array, conv_param: dict[str, Any],
    passed: Array | None = None, code: Array | None = None,
) -> tuple[Array | None, Array, Array]:  # fmt: skip
    stride, pad, H_out, W_out = conv_windows(x.shape, w.shape, conv_param)
    pooled = 1 if code is None else 2
    check_output_size(dout, H_out // pooled, W_out // pooled)
    fused = passed if code is None else code
    _check_fit(dout.shape[:2] == (len(x), len(w)))
    _check_fit(fused is None or fused.shape == dout.shape)
    dout, x, w = _ready(dout, x, w)
    stride = min(stride, _beyond(x, w, pad))
    threads = get_num_threads()
    return _kernels.conv_backward(
        dout, x, w, passed, code, pad, stride, need_dx, threads
    )


def _beyond(x: Array, w: Array, pad: int) -> int:
    """Return a stride that leads out of every padded image; any larger one means the
    same."""
    size = max(x.shape[2:]) + 2 * pad + 1
    if size**2 * w.size > 2**60:
        raise MemoryError(f"no memory for images padded by {pad} (x: {x.shape}).")
    return size


@compiled_twin_of(conv_layers.max_pool_forward_naive)
def max_pool_forward_fast(x: Array, pool_param: dict[str, Any]) -> tuple[Array, Any]:
    height, width, stride, _, _ = pool_windows(x.shape, pool_param)
    stride = min(stride, max(x.shape[2:]))  # a larger one means the same
    pool_param = {"pool_height": height, "pool_width": width, "stride": stride}
    (x,) = _ready(x)
    if x.shape[2] * x.shape[3] > 2**31:
        raise ValueError(
            f"`x` must have at most 2**31 pixels in a plane (x: {x.shape})."
        )
    out, winners = _kernels.pool_forward(x, height, width, stride, get_num_threads())
    return out, FastCache("max_pool_forward_fast", winners, x.shape, pool_param)


@compiled_twin_of(
    conv_layers.max_pool_backward_naive,
    cache="winners uint8|int32 (N, C, H_out, W_out), x_shape tuple, pool_param dict",
)
def max_pool_backward_fast(dout: Array, cache: Any) -> Array:
    winners, x_shape, pool_param = cache
    _check_fit(len(x_shape) == 4 and all(type(size) is int for size in x_shape))
    *sizes, H_out, W_out = pool_windows(x_shape, pool_param)
    _check_fit(winners.shape == (*x_shape[:2], H_out, W_out))
    H, W = x_shape[2:]
    _check_fit((winners.dtype == np.uint8) == (sizes == [2, 2, 2]) and H * W <= 2**31)
    if winners.dtype == np.int32 and winners.size:
        _check_fit(winners.min() >= 0 and winners.max() < H * W)
    (dout,) = _ready(dout)
    return _kernels.pool_backward(dout, winners, H, W, get_num_threads())


# ---- sandwiches ----------------------------------------------------------------------


@takes(x="(N, D...)", w="(D, M)", b="(M,)")
def affine_relu_forward_fast(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    """Compiled twin of `nndl.layer_utils.affine_relu_forward`: bias and ReLU inside the
    product."""
    out, cache = _affine_forward(x, w, b, relu=True)
    return out, FastCache("affine_relu_forward_fast", *cache, _passed(out))


@takes(cache=f"{_AFFINE}, passed uint8 (N, M)", dout="(N, M)", need_dx="flag")
def affine_relu_backward_fast(dout: Array, cache: Any, need_dx: bool = True) -> Any:
    """Compiled twin of `nndl.layer_utils.affine_relu_backward`."""
    return _affine_backward(dout, need_dx, *cache)


@takes(
    x="(N>0, D...)", w="(D, M)", b="(M,)", gamma="(M,)", beta="(M,)", bn_param="dict"
)
def affine_bn_relu_forward_fast(
    x: Array, w: Array, b: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Compiled twin of `nndl.layer_utils.affine_bn_relu_forward`: the ReLU inside the
    normalization."""
    a, affine = _affine_forward(x, w, b, relu=False)
    out, batchnorm = _batchnorm_forward(a, gamma, beta, bn_param, relu=True)
    return out, FastCache("affine_bn_relu_forward_fast", *affine, *batchnorm)


@takes(
    cache=f"{_AFFINE}, out (N>0, M), {_NORM.format('M')}",
    dout="(N, M)",
    need_dx="flag",
)
def affine_bn_relu_backward_fast(dout: Array, cache: Any, need_dx: bool = True) -> Any:
    """Compiled twin of `nndl.layer_utils.affine_bn_relu_backward`."""
    affine, batchnorm = cache[:3], cache[3:]
    da, dgamma, dbeta = _batchnorm_backward(dout, True, *batchnorm)
    return *_affine_backward(da, need_dx, *affine), dgamma, dbeta


@takes(x="(N, C, H, W)", w="(F, C, HH>0, WW>0)", b="(F,)", conv_param="dict")
def conv_relu_forward_fast(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Compiled twin of `nndl.layer_utils.conv_relu_forward`: bias and ReLU inside the
    convolution."""
    out, cache = _conv_forward(x, w, b, conv_param, relu=True)
    return out, FastCache("conv_relu_forward_fast", *cache[:4])


@takes(
    cache=f"{_CONV}, passed uint8 (N, F, H_out, W_out)",
    dout="(N, F, H_out, W_out)",
    need_dx="flag",
)
def conv_relu_backward_fast(dout: Array, cache: Any, need_dx: bool = True) -> Any:
    """Compiled twin of `nndl.layer_utils.conv_relu_backward`."""
    return _conv_backward(dout, need_dx, *cache)


@takes(
    x="(N>0, C, H, W)", w="(F, C, HH>0, WW>0)", b="(F,)", gamma="(F,)", beta="(F,)",
    conv_param="dict", bn_param="dict",
)  # fmt: skip
def conv_bn_relu_forward_fast(
    x: Array, w: Array, b: Array, gamma: Array, beta: Array, conv_param: dict[str, Any],
    bn_param: dict[str, Any],
) -> tuple[Array, Any]:  # fmt: skip
    """Compiled twin of `nndl.layer_utils.conv_bn_relu_forward`: the ReLU inside the
    normalization."""
    a, conv = _conv_forward(x, w, b, conv_param)
    out, batchnorm = _batchnorm_forward(a, gamma, beta, bn_param, relu=True)
    return out, FastCache("conv_bn_relu_forward_fast", *conv[:3], *batchnorm)


@takes(
    cache=f"{_CONV}, out (N>0, F, H_out>0, W_out>0), {_NORM.format('F')}",
    dout="(N, F, H_out, W_out)",
    need_dx="flag",
)
def conv_bn_relu_backward_fast(dout: Array, cache: Any, need_dx: bool = True) -> Any:
    """Compiled twin of `nndl.layer_utils.conv_bn_relu_backward`."""
    conv, batchnorm = cache[:3], cache[3:]
    da, dgamma, dbeta = _batchnorm_backward(dout, True, *batchnorm)
    return *_conv_backward(da, need_dx, *conv), dgamma, dbeta


@takes(
    x="(N, C, H, W)",
    w="(F, C, HH>0, WW>0)",
    b="(F,)",
    conv_param="dict",
    pool_param="dict",
)
def conv_relu_pool_forward_fast(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any], pool_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Compiled twin of `nndl.layer_utils.conv_relu_pool_forward`.

    With windows of 2x2 and stride 2, convolution, bias, ReLU and pooling are one
    kernel: the large output in between is never stored.
    """
    _, _, H_out, W_out = conv_windows(x.shape, w.shape, conv_param)
    between = (len(x), len(w), H_out, W_out)
    if pool_windows(between, pool_param)[:3] == (2, 2, 2):
        out, conv = _conv_forward(x, w, b, conv_param, relu=True, pool=True)
        return out, FastCache("conv_relu_pool_forward_fast", *conv, None)
    a, conv = _conv_forward(x, w, b, conv_param, relu=True)
    out, pool = max_pool_forward_fast(a, pool_param)
    return out, FastCache("conv_relu_pool_forward_fast", *conv, pool)


@takes(
    cache=f"{_CONV}, passed? uint8 (N, F, H_out, W_out), "
    "code? uint8 (N, F, H_pooled, W_pooled), pool?",
    dout="(N, F, H_pooled, W_pooled)",
    need_dx="flag",
)
def conv_relu_pool_backward_fast(dout: Array, cache: Any, need_dx: bool = True) -> Any:
    """Compiled twin of `nndl.layer_utils.conv_relu_pool_backward`."""
    *conv, pool = cache
    if pool is not None:
        dout = max_pool_backward_fast(dout, pool)
    return _conv_backward(dout, need_dx, *conv)


# ---- loss ----------------------------------------------------------------------------


@compiled_twin_of(layers.softmax_loss)
def softmax_loss_fast(x: Array, y: Array) -> tuple[float, Array]:
    (x,) = _ready(x)
    dx = empty(x.shape, x.dtype)
    losses = _kernels.softmax_loss(
        x, np.require(y, np.intp, ["C", "A"]), dx, get_num_threads()
    )
    return float(losses.sum() / len(x)), dx


@compiled_twin_of(layers.smoothed_softmax_loss)
def smoothed_softmax_loss_fast(
    x: Array, y: Array, epsilon: float = 0.1
) -> tuple[float, Array]:
    epsilon = number("epsilon", epsilon, at_least=0, at_most=1)
    N, C = x.shape
    rows = np.arange(N)
    loss, dx = softmax_loss_fast(x, y)
    loss += epsilon * float((x[rows, y][:, None] - x).mean(dtype=np.float64))
    dx -= epsilon / (N * C)
    dx[rows, y] += epsilon / N
    return loss, dx
