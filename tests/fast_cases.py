"""The layers that have compiled twins, arguments to try them on, and what "equal" means.

What the tests of `nndl.fast_layers` share; they come in several files.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from nndl import conv_layers, fast_layers, layers
from nndl._arguments import takes
from nndl._fast import _kernels
from nndl._windows import check_output_size, conv_windows, pool_windows

#: The arguments of each layer besides `x`, which all of them take.
ARGUMENTS = {
    "affine": ("w", "b"),
    "relu": (),
    "batchnorm": ("gamma", "beta", "bn_param"),
    "layernorm": ("gamma", "beta", "ln_param"),
    "dropout": ("dropout_param",),
    "conv": ("w", "b", "conv_param"),
    "max_pool": ("pool_param",),
    "spatial_batchnorm": ("gamma", "beta", "bn_param"),
    "spatial_groupnorm": ("gamma", "beta", "G", "gn_param"),
}
#: The layers that each fused sandwich consists of.
SANDWICHES = {
    "affine_relu": ("affine", "relu"),
    "affine_bn_relu": ("affine", "batchnorm", "relu"),
    "conv_relu": ("conv", "relu"),
    "conv_bn_relu": ("conv", "spatial_batchnorm", "relu"),
    "conv_relu_pool": ("conv", "relu", "max_pool"),
}
LAYERS = [*ARGUMENTS, *SANDWICHES]
#: The layers whose twins do the same arithmetic in the same order.
EXACT = {"relu", "max_pool", "dropout"}
#: The largest difference over the largest value of the readable twin's result.
TOLERANCE = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-10}
DIFFERENTIABLE = ("x", "w", "b", "gamma", "beta")

float_types = pytest.mark.parametrize(
    "dtype", [np.float32, np.float64], ids=["float32", "float64"]
)
every_layer = pytest.mark.parametrize("name", LAYERS)
every_instruction_set = pytest.mark.parametrize(
    "instruction_set", _kernels.available(), indirect=True
)


def normal(seed, *shape, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# ---- arguments -----------------------------------------------------------------------

# One or more small cases for each layer: its name, and what `arguments` needs to know.
SMALL = {
    "affine": ("affine", {"x": (5, 2, 3), "w": (6, 7)}),
    "relu": ("relu", {"x": (5, 3, 7)}),
    "batchnorm train": ("batchnorm", {"x": (9, 7)}),
    "batchnorm test": ("batchnorm", {"x": (9, 7), "mode": "test"}),
    "layernorm": ("layernorm", {"x": (5, 11)}),
    "dropout train": ("dropout", {"x": (5, 3, 7)}),
    "dropout test": ("dropout", {"x": (5, 3, 7), "mode": "test"}),
    "conv": ("conv", {"x": (2, 3, 7, 6), "w": (4, 3, 3, 3)}),
    "conv stride 2": ("conv", {"x": (2, 3, 8, 7), "w": (4, 3, 3, 3), "stride": 2}),
    "conv 16 channels": ("conv", {"x": (2, 16, 9, 7), "w": (17, 16, 3, 3)}),
    "conv 5x5 16 channels": (
        "conv",
        {"x": (2, 17, 9, 7), "w": (16, 17, 5, 5), "pad": 2},
    ),
    "max_pool": ("max_pool", {"x": (2, 3, 6, 8)}),
    "max_pool overlapping": (
        "max_pool",
        {"x": (2, 3, 7, 6), "window": (3, 2), "pool_stride": 1},
    ),
    "spatial_batchnorm train": ("spatial_batchnorm", {"x": (3, 5, 4, 3)}),
    "spatial_batchnorm test": (
        "spatial_batchnorm",
        {"x": (3, 5, 4, 3), "mode": "test"},
    ),
    "spatial_groupnorm": ("spatial_groupnorm", {"x": (3, 6, 4, 3), "G": 2}),
    "affine_relu": ("affine_relu", {"x": (5, 2, 3), "w": (6, 7)}),
    "affine_bn_relu": ("affine_bn_relu", {"x": (9, 2, 3), "w": (6, 7)}),
    "conv_relu": ("conv_relu", {"x": (2, 3, 7, 6), "w": (4, 3, 3, 3)}),
    "conv_bn_relu": ("conv_bn_relu", {"x": (3, 3, 7, 6), "w": (4, 3, 3, 3)}),
    "conv_relu_pool": ("conv_relu_pool", {"x": (2, 3, 8, 6), "w": (4, 3, 3, 3)}),
    "conv_relu_pool 16 channels": (
        "conv_relu_pool",
        {"x": (2, 16, 10, 8), "w": (17, 16, 3, 3)},
    ),
}
every_small_case = pytest.mark.parametrize("case", SMALL)

# Large enough that the kernels cut them into pieces and share these among threads.
LARGE = {
    "affine": ("affine", {"x": (70, 3, 131), "w": (393, 100)}),
    "affine one example": ("affine", {"x": (1, 3000), "w": (3000, 100)}),
    "relu": ("relu", {"x": (70, 3, 33, 31)}),
    "batchnorm": ("batchnorm", {"x": (257, 100)}),
    "layernorm": ("layernorm", {"x": (257, 100)}),
    "dropout": ("dropout", {"x": (70, 3, 33, 31)}),
    "conv 7x7": ("conv", {"x": (11, 3, 32, 32), "w": (33, 3, 7, 7), "pad": 3}),
    "conv stride 2": ("conv", {"x": (37, 3, 31, 31), "w": (25, 3, 3, 3), "stride": 2}),
    "conv one image larger than a band": (
        "conv",
        {"x": (1, 3, 120, 130), "w": (20, 3, 3, 3)},
    ),
    "conv images larger than a band, 5x5": (
        "conv",
        {"x": (3, 3, 90, 130), "w": (20, 3, 5, 5), "pad": 2},
    ),
    "conv one image larger than a band, 16 channels": (
        "conv",
        {"x": (1, 16, 90, 130), "w": (20, 16, 3, 3)},
    ),
    "conv 3x3, 64 channels": ("conv", {"x": (9, 64, 16, 16), "w": (64, 64, 3, 3)}),
    "conv 3x3, many small images": (
        "conv",
        {"x": (67, 33, 8, 8), "w": (16, 33, 3, 3)},
    ),
    "conv 5x5, 32 channels": (
        "conv",
        {"x": (9, 32, 16, 16), "w": (33, 32, 5, 5), "pad": 2},
    ),
    "conv 1x1": ("conv", {"x": (9, 32, 16, 16), "w": (48, 32, 1, 1), "pad": 0}),
    "max_pool": ("max_pool", {"x": (37, 3, 32, 32)}),
    "max_pool overlapping": (
        "max_pool",
        {"x": (11, 5, 31, 29), "window": (3, 3), "pool_stride": 2},
    ),
    "spatial_batchnorm": ("spatial_batchnorm", {"x": (31, 17, 16, 15)}),
    "spatial_groupnorm": ("spatial_groupnorm", {"x": (31, 16, 16, 15), "G": 4}),
    "affine_relu": ("affine_relu", {"x": (70, 393), "w": (393, 100)}),
    "affine_bn_relu": ("affine_bn_relu", {"x": (257, 100), "w": (100, 100)}),
    "conv_relu": ("conv_relu", {"x": (9, 32, 16, 16), "w": (33, 32, 3, 3)}),
    "conv_bn_relu": ("conv_bn_relu", {"x": (21, 3, 32, 32), "w": (32, 3, 3, 3)}),
    "conv_bn_relu 32 channels": (
        "conv_bn_relu",
        {"x": (9, 32, 16, 16), "w": (33, 32, 3, 3)},
    ),
    "conv_relu_pool 7x7": (
        "conv_relu_pool",
        {"x": (11, 3, 32, 32), "w": (32, 3, 7, 7), "pad": 3},
    ),
    "conv_relu_pool 3x3": (
        "conv_relu_pool",
        {"x": (11, 3, 32, 32), "w": (64, 3, 3, 3)},
    ),
    "conv_relu_pool 16 channels": (
        "conv_relu_pool",
        {"x": (11, 16, 18, 18), "w": (16, 16, 3, 3)},
    ),
}
every_large_case = pytest.mark.parametrize("case", LARGE)


def parts_of(name):
    return SANDWICHES.get(name, (name,))


def arguments(
    name, dtype=np.float64, *, x, w=None, stride=1, pad=1, window=(2, 2), pool_stride=2,
    mode="train", p=0.6, G=1, seed=0,
):  # fmt: skip
    """Return the arguments of a layer by their names, drawn for an `x` and a `w` of
    these shapes.

    The settings are NumPy scalars of float64, which would turn a float32 array into
    float64 if a layer let them.
    """
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return np.asarray(rng.standard_normal(shape))

    wanted = {"x", *(a for part in parts_of(name) for a in ARGUMENTS[part])}
    given = {"x": np.asarray(1.5 * draw(*x) + 0.5)}
    features = x[1] if len(x) > 1 else 0
    if "w" in wanted:
        axis = 0 if "conv_param" in wanted else 1
        features = w[axis]
        given["w"] = draw(*w) / math.sqrt(max(1, math.prod(w)) / max(1, features))
        given["b"] = draw(features)
    given |= {"gamma": draw(features), "beta": draw(features)}
    given = {key: a.astype(dtype) for key, a in given.items()}
    given["bn_param"] = {
        "mode": mode,
        "eps": np.float64(1e-5),
        "momentum": np.float64(0.7),
        "running_mean": draw(features).astype(dtype),
        "running_var": (draw(features) ** 2 + 0.5).astype(dtype),
    }
    given["ln_param"] = given["gn_param"] = {"eps": np.float64(1e-3)}
    given["dropout_param"] = {"mode": mode, "p": np.float64(p), "seed": 3}
    given["conv_param"] = {"stride": stride, "pad": pad}
    given["pool_param"] = {
        "pool_height": window[0],
        "pool_width": window[1],
        "stride": pool_stride,
    }
    given["G"] = G
    return {key: value for key, value in given.items() if key in wanted}


def convert(given, change):
    """Return the arguments with `change` applied to every array, also to those in
    settings."""
    if isinstance(given, np.ndarray):
        return change(given)
    if isinstance(given, dict):
        return {key: convert(value, change) for key, value in given.items()}
    return given


# ---- layouts in memory --------------------------------------------------------------


def misaligned(array):
    memory = bytearray(array.nbytes + 1)
    view = np.frombuffer(memory, np.uint8, offset=1).view(array.dtype)
    view = view.reshape(array.shape)
    view[...] = array
    return view


def read_only(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


def inside_larger(array):
    """Return the array as the middle of one that is larger along every axis."""
    larger = np.full([size + 3 for size in array.shape], np.nan, array.dtype)
    middle = larger[tuple(slice(1, size + 1) for size in array.shape)]
    middle[...] = array
    return middle


def rows_far_apart(array):
    """Return the array with the axes in memory turned around by one."""
    return np.moveaxis(np.moveaxis(array, -1, 0).copy(), 0, -1)


LAYOUTS = {
    "plain": np.copy,
    "fortran": np.asfortranarray,
    "channels last": rows_far_apart,
    "negative strides": lambda a: np.flip(np.flip(a).copy()),
    "every other": lambda a: np.stack([a, a], axis=-1)[..., 0],
    "inside a larger array": inside_larger,
    "read-only": read_only,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "misaligned": misaligned,
}


# ---- the readable twins --------------------------------------------------------------


def _checked_like(readable):
    """Give the quick form of a layer the checks of the readable one."""

    def decorate(quick):
        quick.__name__ = readable.__name__
        return takes(**readable.declared)(quick)

    return decorate


@_checked_like(conv_layers.conv_forward_naive)
def quick_conv_forward(x, w, b, conv_param):
    """The convolution as one product of matrices, where the loops would take too
    long."""
    conv_windows(x.shape, w.shape, conv_param)
    windows = _windows(x, w.shape[2:], conv_param)
    out = _contracted(windows, w, [1, 4, 5], [1, 2, 3])
    return np.ascontiguousarray((out + b).transpose(0, 3, 1, 2)), (x, w, b, conv_param)


@_checked_like(conv_layers.conv_backward_naive)
def quick_conv_backward(dout, cache):
    x, w, b, conv_param = cache
    stride, pad, H_out, W_out = conv_windows(x.shape, w.shape, conv_param)
    check_output_size(dout, H_out, W_out)
    windows = _windows(x, w.shape[2:], conv_param)
    dw = _contracted(dout, windows, [0, 2, 3], [0, 2, 3])

    N, C, H, W = x.shape
    dpadded = np.zeros((N, C, H + 2 * pad, W + 2 * pad), np.result_type(dout, w))
    for i, j in np.ndindex(w.shape[2:]):
        rows = slice(i, i + stride * H_out, stride)
        columns = slice(j, j + stride * W_out, stride)
        part = _contracted(dout, w[:, :, i, j], [1], [0])
        dpadded[:, :, rows, columns] += part.transpose(0, 3, 1, 2)
    dx = dpadded[:, :, pad : pad + H, pad : pad + W]
    return dx, dw, dout.sum(axis=(0, 2, 3))


@_checked_like(conv_layers.max_pool_forward_naive)
def quick_max_pool_forward(x, pool_param):
    """The max pooling with all windows at once, where the loops would take too long."""
    height, width, *_ = pool_windows(x.shape, pool_param)
    windows = _windows(x, (height, width), pool_param)
    windows = windows.reshape(*windows.shape[:4], height * width)
    return windows.max(axis=-1), (x, pool_param)


@_checked_like(conv_layers.max_pool_backward_naive)
def quick_max_pool_backward(dout, cache):
    x, pool_param = cache
    height, width, stride, H_out, W_out = pool_windows(x.shape, pool_param)
    check_output_size(dout, H_out, W_out)
    windows = _windows(x, (height, width), pool_param)
    first = windows.reshape(*windows.shape[:4], height * width).argmax(axis=-1)
    n, c, i, j = np.indices(dout.shape)
    stride = min(stride, max(x.shape))  # or it would be too large for an array
    dx = np.zeros(x.shape, dout.dtype)
    np.add.at(dx, (n, c, i * stride + first // width, j * stride + first % width), dout)
    return dx


def _contracted(a, b, a_axes, b_axes):
    """Return `numpy.tensordot(a, b, (a_axes, b_axes))`, for which 0 times NaN is NaN
    also where only one number is multiplied."""
    a, b = (
        np.moveaxis(a, a_axes, range(-len(a_axes), 0)),
        np.moveaxis(b, b_axes, range(len(b_axes))),
    )
    kept_a, kept_b = a.shape[: a.ndim - len(a_axes)], b.shape[len(b_axes) :]
    terms = math.prod(b.shape[: len(b_axes)])
    rows, columns = (
        a.reshape(math.prod(kept_a), terms),
        b.reshape(terms, math.prod(kept_b)),
    )
    return (rows @ columns).reshape(*kept_a, *kept_b)


def _windows(x, size, param):
    """Return every window of every image, (N, C, H_out, W_out, HH, WW)."""
    stride, pad = int(param["stride"]), int(param.get("pad", 0))
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(2, 3))
    return windows[:, :, ::stride, ::stride]


def readable_layer(name):
    """Return the forward and the backward function of one layer, no sandwich."""
    if name == "batchnorm":
        return layers.batchnorm_forward, layers.batchnorm_backward_alt
    module = conv_layers if hasattr(conv_layers, name + "_forward") else layers
    if name in ("conv", "max_pool"):
        name, module = name + "_{}_naive", conv_layers
    else:
        name += "_{}"
    return getattr(module, name.format("forward")), getattr(
        module, name.format("backward")
    )


def _affordable_layer(name, x, given):
    """Return the readable layer, or its quick form where the loops would be slow."""
    places = _size(x, slice(1)) * _size(x, slice(2, None))
    if name == "conv" and places * _size(given["w"], slice(1)) > 200:
        return quick_conv_forward, quick_conv_backward
    if name == "max_pool" and _size(x) > 500:
        return quick_max_pool_forward, quick_max_pool_backward
    return readable_layer(name)


def _size(value, axes=slice(None)):
    """Return the product of an array's sizes along some axes; 0 if it is none."""
    try:
        return math.prod(np.shape(value)[axes])
    except ValueError:
        return 0


def run_readable(name, given, dout=None):
    """Run a layer forward and backward by its readable twin.

    Returns the output, the gradients by name, and the `dout` that was given or drawn: it
    is 0 where a rounding could decide which way a ReLU or a maximum goes.
    """
    out, caches, sure = forward_readable(name, given)
    if dout is None:
        dout = normal(99, *out.shape, dtype=out.dtype)
        if name in SANDWICHES:
            dout *= sure
    return out, backward_readable(given, dout, caches), dout


def forward_readable(name, given, rounded=None):
    """Run a layer forward by its readable twin.

    Returns the output, what `backward_readable` needs, and where no rounding can decide
    which way a sandwich's ReLU or maximum goes. `rounded(a, size)` may change what each
    part computed by adding up numbers of this `size` that cancelled out.
    """
    a, caches, before_relu, blur = given["x"], [], None, 0
    with np.errstate(all="ignore"):
        for part in parts_of(name):
            if part == "relu":
                before_relu = a
            forward, backward = _affordable_layer(part, a, given)
            before = a
            a, cache = forward(before, *(given[key] for key in ARGUMENTS[part]))
            if "norm" in part:
                gamma, over_std = _scales(part, cache)
                size = _largest(before) * over_std
                blur = 1e-4 * gamma * size
            if rounded and "norm" in part:
                cache = rounded(cache[0], size), *cache[1:]
                a = rounded(a, gamma * size)
            elif rounded:
                a = rounded(a, 0)
            caches.append((part, backward, cache))
        sure = True
        if name in SANDWICHES:
            sure = _is_sure(before_relu, given.get("pool_param"), blur)
    return a, caches, sure


def backward_readable(given, dout, caches, rounded=None):
    """Return the gradients by name, by the readable twin."""
    gradients, d = (), dout
    with np.errstate(all="ignore"):
        for part, backward, cache in reversed(caches):
            before = d
            d, *rest = as_tuple(backward(before, cache))
            if rounded and "norm" in part:
                gamma, over_std = _scales(part, cache)
                size = np.nan_to_num(np.abs(before * gamma * over_std), posinf=0)
                over = (0, 2, 3) if "batch" in part else (1, 2, 3)
                over = over[: size.ndim - 1]
                d = rounded(d, size.max(axis=over, initial=0, keepdims=True))
            elif rounded:
                d = rounded(d, 0)
            gradients = (*rest, *gradients)
    return named_gradients(given, (d, *gradients))


def _scales(part, cache):
    """Return the scale of a normalization and one over its deviations, in shapes that fit
    its output."""
    xhat, gamma, std = cache[0], cache[1], cache[3 if "group" in part else 2]
    if part == "spatial_groupnorm":
        each = xhat.shape[1] // std.shape[1]
        std = std[:, :, 0].repeat(each, axis=1)
    elif part == "spatial_batchnorm":
        std = std[:, None, None]
    if xhat.ndim == 4:
        gamma = gamma.reshape(-1, 1, 1)
    return np.abs(gamma), 1 / std


def _is_sure(a, pool_param, blur):
    """Say where `a`, the largest `a` of the window if it is pooled, is clearly positive
    or negative, and in a window clearly the largest, though it be off by `blur`."""
    margin = 1e-3 * _largest(a) + blur
    if pool_param is None:
        return np.abs(a) > margin
    size = int(pool_param["pool_height"]), int(pool_param["pool_width"])
    windows = _windows(a, size, pool_param)
    ranked = np.sort(windows.reshape(*windows.shape[:4], math.prod(size)), axis=-1)
    first = ranked[..., -1]
    second = ranked[..., -2] if ranked.shape[-1] > 1 else -np.inf
    return (first < -margin) | ((first > margin) & (first - second > margin))


def _largest(a):
    """Return the largest finite size in an array, 0 if there is none."""
    a = np.asarray(a)
    return np.abs(a[np.isfinite(a)]).max(initial=0)


def as_tuple(gradients):
    return gradients if isinstance(gradients, tuple) else (gradients,)


def named_gradients(given, gradients):
    names = [key for key in DIFFERENTIABLE if key in given]
    return dict(zip(names, gradients, strict=True))


# ---- the compiled twins --------------------------------------------------------------


def fast_layer(name):
    return (
        getattr(fast_layers, f"{name}_forward_fast"),
        getattr(fast_layers, f"{name}_backward_fast"),
    )


def run_fast(name, given, dout=None):
    """Run a layer forward and backward by its compiled twin."""
    forward, backward = fast_layer(name)
    out, cache = forward(**given)
    if dout is None:
        dout = normal(99, *out.shape, dtype=out.dtype)
    return out, named_gradients(given, as_tuple(backward(dout, cache)))


# ---- equality ------------------------------------------------------------------------


def assert_twins_agree(name, given, change=None, dout=None, readable=None):
    """Run both twins, the compiled one on arguments with `change` applied to them, and
    compare everything that they return and every argument that they changed.

    Returns what the compiled one returned, and `dout`. `readable` is what `run_readable`
    gave for these arguments, and these as it left them, if that is known already.
    """
    changed = convert(given, change) if change else copy.deepcopy(given)
    before = copy.deepcopy(changed)
    if readable is None:
        given = copy.deepcopy(given)
        expected, gradients, dout = run_readable(name, given, dout)
    else:
        (expected, gradients, dout), given = readable
    fast_dout = change(dout) if change else dout
    dout_before = copy.deepcopy(fast_dout)
    out, fast_gradients = run_fast(name, changed, fast_dout)

    assert_results_agree(name, out, fast_gradients, expected, gradients)
    assert_same_settings(changed, given, before)
    for key, value in before.items():
        if key != "bn_param":
            assert_same_bits(changed[key], value)
    assert_same_bits(fast_dout, dout_before)
    return out, fast_gradients, dout


def assert_results_agree(name, out, gradients, expected, expected_gradients):
    """Compare what the compiled and the readable twin returned."""
    exact = name in EXACT
    assert_close("out", out, expected, exact)
    assert list(gradients) == list(expected_gradients)
    for key, gradient in expected_gradients.items():
        # A batch norm takes away what a bias before it adds, so that db = 0 but for
        # roundings, and these are as large as those of dw.
        through_norm = key == "b" and "gamma" in gradients
        scale = _largest(expected_gradients["w"]) if through_norm else 0
        assert_close(f"d{key}", gradients[key], gradient, exact, scale)


def assert_same_settings(found, expected, before):
    """Compare the running averages that the twins left in their settings."""
    if "bn_param" not in expected:
        return
    found, expected = found["bn_param"], expected["bn_param"]
    assert list(found) == list(expected)
    for key, value in expected.items():
        if not isinstance(value, np.ndarray):
            assert found[key] == value
        elif expected["mode"] == "train":
            assert_close(f"bn_param[{key!r}]", found[key], value)
        else:
            assert_same_bits(found[key], before["bn_param"][key])


def assert_close(what, found, expected, exact=False, scale=0):
    """Compare two arrays: type, shape, the places of NaN and infinity, and the numbers,
    by the largest difference over the largest value, or `scale` if that is larger."""
    if expected.ndim:
        assert isinstance(found, np.ndarray), what
    assert found.dtype == expected.dtype, (what, found.dtype, expected.dtype)
    assert found.dtype.isnative, what
    assert found.shape == expected.shape, (what, found.shape, expected.shape)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected), err_msg=what)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(
        np.where(finite, 0, found), np.where(finite, 0, expected), err_msg=what
    )
    if exact:
        np.testing.assert_array_equal(found, expected, err_msg=what)
        zeros = expected == 0
        signs = np.signbit(found[zeros]), np.signbit(expected[zeros])
        np.testing.assert_array_equal(*signs, err_msg=f"{what}: signs of zeros")
        return
    assert np.isfinite(found[finite]).all(), what
    error = np.abs(found[finite] - expected[finite]).max(initial=0)
    limit = TOLERANCE[expected.dtype] * max(_largest(expected), scale)
    assert error <= limit, f"{what}: differs by {error:.3g}, more than {limit:.3g}"


def assert_same_bits(found, expected):
    """Compare nested arrays and settings, the arrays to the last bit."""
    if isinstance(found, (np.ndarray, np.generic)):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()
    elif isinstance(found, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_same_bits(found[key], value)
    elif isinstance(found, (tuple, list)):
        assert len(found) == len(expected)
        for ours, theirs in zip(found, expected, strict=True):
            assert_same_bits(ours, theirs)
    elif isinstance(found, (np.random.Generator, np.random.RandomState)):
        pass  # a draw changes its state
    else:
        assert found == expected
