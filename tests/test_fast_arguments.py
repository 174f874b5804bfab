"""A bad argument is the same error from both twins, and names the argument; never a
crash, never a wrong number."""

from __future__ import annotations

import copy
import math
import pickle
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from fast_cases import (
    ARGUMENTS,
    DIFFERENTIABLE,
    LAYERS,
    SANDWICHES,
    SMALL,
    arguments,
    assert_same_bits,
    every_layer,
    fast_layer,
    named_gradients,
    normal,
    parts_of,
    readable_layer,
    run_fast,
)

from nndl import layers
from nndl.fast_layers import (
    FastCache,
    conv_forward_fast,
    max_pool_forward_fast,
    softmax_loss_fast,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def small(name):
    """Return the arguments of the first small case of a layer."""
    return arguments(
        name, **next(sizes for layer, sizes in SMALL.values() if layer == name)
    )


def readable_forward(name, given):
    """Run a layer, or a sandwich as the chain of its layers, and return its output."""
    a = given["x"]
    for part in parts_of(name):
        a, _ = readable_layer(part)[0](a, *(given[key] for key in ARGUMENTS[part]))
    return a


def outcome(function, *args, **kwargs):
    """Return what a function gives, or the error that it raises, as comparable data."""
    try:
        return "result", function(*args, **kwargs)
    except (TypeError, ValueError) as error:
        return type(error), str(error)


def changed(given, path, value):
    """Return the arguments with one of them, or one of its settings, replaced; `MISSING`
    takes it away."""
    given = copy.deepcopy(given)
    *settings, key = path
    target = given[settings[0]] if settings else given
    if value is MISSING:
        del target[key]
    else:
        target[key] = value
    return given


MISSING = object()


# ---- forward -------------------------------------------------------------------------

NOT_FLOATS = [
    (np.ones((2, 2), complex), TypeError),
    (np.full((2, 2), None), TypeError),
    (np.array([["a", "b"]]), TypeError),
    (np.ones((2, 2), np.float16), TypeError),
    (np.ones((2, 2), np.longdouble), TypeError),
    (np.ones((2, 2), "m8[s]"), TypeError),
    (None, TypeError),
    ("x", TypeError),
]
NOT_DICTS = [
    (None, TypeError),
    ([1, 2], TypeError),
    ("train", TypeError),
    (2, TypeError),
]
NOT_WHOLE = [
    (0, ValueError),
    (-1, ValueError),
    (1.5, TypeError),
    (1.0, TypeError),
    (np.float64(2), TypeError),
    ("1", TypeError),
    (None, TypeError),
    (True, TypeError),
    ((1, 1), TypeError),
    (np.array([1]), TypeError),
    (math.nan, TypeError),
    (MISSING, ValueError),
]
NOT_PADS = [(-1, ValueError), (-(10**30), ValueError), *NOT_WHOLE[2:]]
NOT_MODES = [
    ("Train", ValueError),
    (None, ValueError),
    (0, ValueError),
    (MISSING, ValueError),
]
NOT_EPS = [
    (0, ValueError),
    (-1e-5, ValueError),
    (math.nan, ValueError),
    (math.inf, ValueError),
    ("a", TypeError),
    (None, TypeError),
]
NOT_MOMENTUM = [
    (1.5, ValueError),
    (-0.1, ValueError),
    ("a", TypeError),
    (None, TypeError),
]
NOT_AVERAGES = [
    (np.ones(3), ValueError),
    (np.ones(()), ValueError),
    (np.full(7, 1j), TypeError),
    (["a"] * 7, TypeError),
]
NOT_KEEP = [
    (0, ValueError),
    (1.5, ValueError),
    (math.nan, ValueError),
    (True, TypeError),
    (None, TypeError),
    (MISSING, TypeError),
]
NOT_SEEDS = [(-1, ValueError), ("a", TypeError), (1.5, TypeError)]
SETTINGS = {
    ("conv_param",): NOT_DICTS,
    ("conv_param", "stride"): NOT_WHOLE,
    ("conv_param", "pad"): NOT_PADS,
    ("pool_param",): NOT_DICTS,
    ("pool_param", "stride"): NOT_WHOLE,
    ("pool_param", "pool_height"): [(100, ValueError), *NOT_WHOLE],
    ("pool_param", "pool_width"): [(10**30, ValueError), *NOT_WHOLE],
    ("bn_param",): NOT_DICTS,
    ("bn_param", "mode"): NOT_MODES,
    ("bn_param", "eps"): NOT_EPS,
    ("bn_param", "momentum"): NOT_MOMENTUM,
    ("bn_param", "running_mean"): NOT_AVERAGES,
    ("bn_param", "running_var"): NOT_AVERAGES,
    ("ln_param",): NOT_DICTS,
    ("ln_param", "eps"): NOT_EPS,
    ("gn_param",): NOT_DICTS,
    ("gn_param", "eps"): NOT_EPS,
    ("G",): [(4, ValueError), (7, ValueError), (10**30, ValueError), *NOT_WHOLE[:-1]],
    ("dropout_param",): NOT_DICTS,
    ("dropout_param", "mode"): NOT_MODES,
    ("dropout_param", "p"): NOT_KEEP,
    ("dropout_param", "seed"): NOT_SEEDS,
    ("dropout_param", "rng"): [],  # only used without a seed
}
# Arrays whose shapes do not fit, as changes of the shape that does.
WRONG_SHAPES = {
    "one more": lambda a: np.ones((*a.shape[:-1], a.shape[-1] + 1)),
    "one axis more": lambda a: np.ones((*a.shape, 1)),
    "one axis less": lambda a: np.ones(a.shape[1:]),
    "another first axis": lambda a: np.ones((a.shape[0] + 1, *a.shape[1:])),
    "another second axis": lambda a: np.ones((*a.shape[:1], 2, *a.shape[2:])),
    "scalar": lambda a: np.ones(()),
    "empty": lambda a: np.ones((0,)),
}


def bad_calls():
    """Give the layer, its arguments with one of them wrong, and the error to come."""
    for name in LAYERS:
        good = small(name)
        for key in good:
            if key in DIFFERENTIABLE:
                for value, kind in NOT_FLOATS:
                    yield pytest.param(name, (key,), value, kind)
        for path, values in SETTINGS.items():
            if path[0] in good:
                for value, kind in values:
                    yield pytest.param(name, path, value, kind)


@pytest.mark.parametrize(("name", "path", "value", "kind"), list(bad_calls()))
def test_a_bad_argument_is_an_error_that_names_it_and_the_same_from_both_twins(
    name, path, value, kind, frozen
):
    given = changed(small(name), path, value)
    expected = outcome(readable_forward, name, copy.deepcopy(given))
    before = copy.deepcopy(given.get("bn_param"))
    found = outcome(fast_layer(name)[0], **given)
    assert found == expected
    assert found[0] is kind
    assert "`" + path[0] in found[1]
    assert path[-1] in found[1] or path[-1].startswith("pool_")
    assert frozen(given.get("bn_param")) == frozen(before)


def wrong_shapes():
    for name in LAYERS:
        for key, array in small(name).items():
            if key in DIFFERENTIABLE:
                for label, change in WRONG_SHAPES.items():
                    value = change(array)
                    if value.shape != array.shape:
                        yield pytest.param(name, key, value, id=f"{name}-{key}-{label}")


@pytest.mark.parametrize(("name", "key", "value"), list(wrong_shapes()))
def test_another_shape_gives_the_result_or_the_error_that_the_twin_gives(
    name, key, value
):
    given = changed(small(name), (key,), value)
    kind, expected = outcome(readable_forward, name, copy.deepcopy(given))
    found_kind, found = outcome(fast_layer(name)[0], **given)
    assert found_kind == kind, found
    if kind == "result":
        np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-10)
    elif name in SANDWICHES:  # which knows arrays that its layers do not know
        assert re.match(r"`\w+` (must have|has)", found)
    else:
        assert found == expected
        assert found.startswith(f"`{key}`") or f"({key}: " in found


@pytest.mark.parametrize(
    ("x", "w", "b", "pad", "message"),
    [
        ((2, 3, 5, 5), (4, 3, 6, 5), (4,), 0, "`w`"),
        ((2, 3, 5, 5), (4, 3, 5, 6), (4,), 0, "`w`"),
        ((2, 3, 5, 5), (4, 3, 8, 8), (4,), 1, "`w`"),
        ((2, 16, 2, 5), (16, 16, 3, 3), (16,), 0, "`w`"),
        ((2, 16, 0, 5), (16, 16, 3, 3), (16,), 1, "`w`"),
        ((2, 3, 5, 5), (4, 2, 3, 3), (4,), 1, "`w`"),
        ((2, 3, 5, 5), (4, 3, 3, 3), (3,), 1, "`b`"),
        ((2, 3, 5, 5), (4, 3, 3, 3), (1,), 1, "`b`"),
        ((2, 3, 5, 5), (4, 3, 0, 3), (4,), 1, "`w`"),
        ((2, 3, 5, 5), (4, 3, 3, 0), (4,), 1, "`w`"),
        ((3, 5, 5), (4, 3, 3, 3), (4,), 1, "`x`"),
        ((2, 3, 5, 5), (4, 3, 9), (4,), 1, "`w`"),
        ((2, 3, 5, 5), (4, 3, 3, 3), (4, 1), 1, "`b`"),
    ],
)
@pytest.mark.parametrize("name", [name for name in LAYERS if "conv" in name])
def test_a_convolution_refuses_shapes_that_do_not_fit(name, x, w, b, pad, message):
    given = small(name) | {"x": np.ones(x), "w": np.ones(w), "b": np.ones(b)}
    given["conv_param"] = {"stride": 1, "pad": pad}
    if "gamma" in given:
        given |= {"gamma": np.ones(w[0]), "beta": np.ones(w[0])}
    expected = outcome(readable_forward, name, given)
    found = outcome(fast_layer(name)[0], **given)
    assert found == expected
    assert found[0] is ValueError
    assert message in found[1]


EMPTY = [
    ("conv", {"x": (2, 3, 0, 5), "w": (4, 3, 2, 2)}),
    ("conv", {"x": (2, 3, 5, 0), "w": (4, 3, 1, 2)}),
    ("conv", {"x": (0, 0, 3, 3), "w": (4, 0, 2, 2)}),
    ("conv", {"x": (2, 3, 5, 5), "w": (0, 3, 2, 2)}),
    ("conv", {"x": (2, 0, 5, 5), "w": (16, 0, 3, 3)}),
    ("conv_relu", {"x": (2, 3, 5, 5), "w": (0, 3, 2, 2)}),
    ("conv_relu_pool", {"x": (2, 0, 5, 5), "w": (3, 0, 2, 2)}),
    ("conv_relu_pool", {"x": (2, 3, 0, 5), "w": (3, 3, 2, 2)}),
    ("conv_bn_relu", {"x": (0, 3, 5, 5), "w": (3, 3, 3, 3)}),
    ("conv_bn_relu", {"x": (2, 3, 5, 5), "w": (0, 3, 3, 3)}),
    ("max_pool", {"x": (2, 3, 0, 5)}),
    ("max_pool", {"x": (2, 3, 5, 0)}),
    ("spatial_batchnorm", {"x": (0, 3, 5, 5)}),
    ("spatial_batchnorm", {"x": (2, 0, 5, 5)}),
    ("spatial_batchnorm", {"x": (2, 3, 0, 5)}),
    ("spatial_batchnorm", {"x": (0, 3, 5, 5), "mode": "test"}),
    ("spatial_groupnorm", {"x": (2, 0, 5, 5)}),
    ("spatial_groupnorm", {"x": (2, 4, 0, 5), "G": 2}),
    ("batchnorm", {"x": (0, 3)}),
    ("batchnorm", {"x": (3, 0)}),
    ("batchnorm", {"x": (0, 3), "mode": "test"}),
    ("layernorm", {"x": (3, 0)}),
    ("affine", {"x": (0, 0), "w": (0, 3)}),
    ("affine_relu", {"x": (3, 0), "w": (0, 3)}),
    ("affine_relu", {"x": (3, 2), "w": (2, 0)}),
    ("affine_bn_relu", {"x": (0, 2), "w": (2, 3)}),
    ("affine_bn_relu", {"x": (3, 0), "w": (0, 4)}),
    ("affine_bn_relu", {"x": (3, 2), "w": (2, 0)}),
]


@pytest.mark.parametrize(("name", "sizes"), EMPTY, ids=str)
def test_an_empty_axis_gives_the_result_or_the_error_that_the_twin_gives(name, sizes):
    given = arguments(name, **sizes)
    kind, expected = outcome(readable_forward, name, copy.deepcopy(given))
    found_kind, found = outcome(fast_layer(name)[0], **given)
    assert found_kind == kind, found
    if kind == "result":
        out, cache = found
        assert (out.shape, out.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12)
        gradients = fast_layer(name)[1](np.ones(out.shape), cache)
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        for key, gradient in named_gradients(given, gradients).items():
            assert gradient.shape == given[key].shape
    else:
        assert name in SANDWICHES or found == expected
        assert re.match(r"`\w+` (must have|has)", found)


@pytest.mark.parametrize("given", [{}, {"w": 1}, {"y": 1}], ids=str)
@every_layer
def test_a_call_that_does_not_fit_the_signature_is_a_type_error(name, given):
    with pytest.raises(TypeError, match=r"argument"):
        fast_layer(name)[0](**given)


def test_settings_beyond_all_machines_are_errors_and_not_crashes():
    """In a process of its own, which a crash would end."""
    script = """
        import numpy as np
        from nndl.fast_layers import conv_forward_fast, conv_relu_pool_forward_fast
        x, w, b = np.ones((2, 16, 6, 6)), np.ones((16, 16, 3, 3)), np.ones(16)
        pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
        for pad in (2**30, 2**31, 2**40, 2**61, 2**62, 2**63, 2**64, 10**30):
            for forward, more in (
                (conv_forward_fast, ()), (conv_relu_pool_forward_fast, (pool_param,))
            ):
                try:
                    forward(x, w, b, {"stride": 1, "pad": pad}, *more)
                except (TypeError, ValueError, MemoryError, OverflowError):
                    continue
                raise SystemExit(f"{forward} has a result for {pad}")
        print("survived")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "survived\n", (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("stride", [7, 2**31, 2**32 + 1, 2**63, 2**64, 10**30])
def test_a_stride_beyond_the_image_leaves_one_window(stride):
    x, w, b = normal(0, 2, 3, 5, 5), normal(1, 4, 3, 3, 3), normal(2, 4)
    out, cache = conv_forward_fast(x, w, b, {"stride": stride, "pad": 1})
    near, near_cache = conv_forward_fast(x, w, b, {"stride": 6, "pad": 1})
    np.testing.assert_allclose(out, near, rtol=0, atol=1e-12)
    dout = normal(3, *out.shape)
    backward = fast_layer("conv")[1]
    for gradient, other in zip(
        backward(dout, cache), backward(dout, near_cache), strict=True
    ):
        np.testing.assert_allclose(gradient, other, rtol=0, atol=1e-12)

    pool_param = {"pool_height": 2, "pool_width": 3, "stride": stride}
    out, _ = max_pool_forward_fast(x, pool_param)
    np.testing.assert_array_equal(out[:, :, 0, 0], x[:, :, :2, :3].max(axis=(2, 3)))


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.int16])
def test_settings_may_be_numpy_integers(kind):
    given = small("conv_relu_pool")
    out, gradients = run_fast("conv_relu_pool", given)
    for param in ("conv_param", "pool_param"):
        given[param] = {key: kind(value) for key, value in given[param].items()}
    assert_same_bits(run_fast("conv_relu_pool", given), (out, gradients))


# ---- softmax -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones((2, 3)), [0, 3]),
        (np.ones((2, 3)), [-1, 0]),
        (np.ones((2, 3)), [0, 2**40]),
        (np.ones((2, 3)), [0.0, 1.0]),
        (np.ones((2, 3)), [True, False]),
        (np.ones((2, 3)), [0]),
        (np.ones((2, 3)), [[0], [1]]),
        (np.ones((2, 3)), 0),
        (np.ones((2, 3)), None),
        (np.ones((2, 3)), ["a", "b"]),
        (np.ones((0, 3)), np.zeros(0, int)),
        (np.ones((2, 0)), [0, 0]),
        (np.ones(3), [0]),
        (np.ones((2, 3), complex), [0, 1]),
        (None, [0, 1]),
    ],
    ids=str,
)
def test_softmax_loss_refuses_what_its_twin_refuses_in_the_same_words(x, y):
    expected = outcome(layers.softmax_loss, x, y)
    assert outcome(softmax_loss_fast, x, y) == expected
    assert issubclass(expected[0], (TypeError, ValueError))
    assert "`x`" in expected[1] or "`y`" in expected[1]


# ---- backward ------------------------------------------------------------------------

# Without a mask, dropout in test mode has no shape to compare `dout` with.
WRONG_DOUTS = {
    "one more": lambda out: np.ones((*out.shape[:-1], out.shape[-1] + 1)),
    "one less": lambda out: np.ones((*out.shape[:-1], out.shape[-1] - 1)),
    "one axis more": lambda out: np.ones((1, *out.shape)),
    "one axis less": lambda out: np.ones(out.shape[1:]),
    "another batch": lambda out: np.ones((len(out) + 1, *out.shape[1:])),
    "one row": lambda out: np.ones((1, *out.shape[1:])),
    "turned": lambda out: np.ones(out.shape[::-1]),
    "scalar": lambda out: 1.0,
    "empty": lambda out: np.ones((0, *out.shape[1:])),
}


@every_layer
@pytest.mark.parametrize("change", WRONG_DOUTS.values(), ids=WRONG_DOUTS)
def test_a_dout_of_another_shape_is_an_error_that_names_it_and_its_shape(name, change):
    forward, backward = fast_layer(name)
    out, cache = forward(**small(name))
    dout = change(out)
    with pytest.raises(ValueError, match="`dout` must") as error:
        backward(dout, cache)
    assert f"but its shape is {np.shape(dout)}" in str(error.value)
    if name in ARGUMENTS:
        readable, readable_backward = readable_layer(name)
        with pytest.raises(ValueError, match="`dout` must"):
            readable_backward(dout, readable(**small(name))[1])


@every_layer
@pytest.mark.parametrize(("dout", "kind"), NOT_FLOATS)
def test_a_dout_that_is_no_array_of_floats_is_an_error_that_names_it(name, dout, kind):
    forward, backward = fast_layer(name)
    _, cache = forward(**small(name))
    with pytest.raises(kind, match="`dout` must be an array of float32, float64"):
        backward(dout, cache)


@every_layer
@pytest.mark.parametrize(
    "cache",
    [
        None,
        (),
        "cache",
        3,
        {},
        (None,) * 2,
        (None,) * 4,
        np.ones((2, 3)),
        [1, 2],
        object(),
    ],
)
def test_what_is_no_cache_is_an_error_that_names_it(name, cache):
    forward, backward = fast_layer(name)
    out, _ = forward(**small(name))
    with pytest.raises((TypeError, ValueError), match="`cache` must be what"):
        backward(np.ones(out.shape), cache)


@pytest.mark.parametrize("other", LAYERS)
@every_layer
def test_the_cache_of_another_layer_is_an_error_that_names_it(name, other):
    if name == other:
        other = "conv" if name != "conv" else "max_pool"
    forward, backward = fast_layer(name)
    out, _ = forward(**small(name))
    other_out, cache = fast_layer(other)[0](**small(other))
    for shape in (out.shape, other_out.shape):
        with pytest.raises((TypeError, ValueError), match="`cache` must be what"):
            backward(np.ones(shape), cache)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_cache_of_the_readable_twin_is_an_error_or_right(name):
    """They are not interchangeable; where one is taken, it has to work."""
    given = small(name)
    readable_out, cache = readable_layer(name)[0](**copy.deepcopy(given))
    dout = normal(99, *readable_out.shape)
    _, expected = run_fast(name, given, dout)
    found = outcome(fast_layer(name)[1], dout, cache)
    if found[0] == "result":
        gradients = found[1] if isinstance(found[1], tuple) else (found[1],)
        for gradient, wanted in zip(gradients, expected.values(), strict=True):
            np.testing.assert_allclose(gradient, wanted, rtol=0, atol=1e-10)
    else:
        assert "`cache` must be what" in found[1]


@pytest.mark.parametrize("name", SANDWICHES)
def test_the_cache_of_a_sandwich_says_that_it_is_a_fast_one(name):
    _, cache = fast_layer(name)[0](**small(name))
    assert isinstance(cache, FastCache)


@pytest.mark.parametrize("name", ["affine", "conv", *SANDWICHES])
def test_backward_checks_its_arguments_without_dx_too(name):
    forward, backward = fast_layer(name)
    out, cache = forward(**small(name))
    with pytest.raises(ValueError, match="`dout` must"):
        backward(np.ones((len(out) + 1, *out.shape[1:])), cache, need_dx=False)
    with pytest.raises((TypeError, ValueError), match="`cache` must be what"):
        backward(out, None, need_dx=False)


@every_layer
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_of_a_cache_serves_as_well(name, duplicate):
    forward, backward = fast_layer(name)
    out, cache = forward(**small(name))
    dout = normal(99, *out.shape)
    assert_same_bits(backward(dout, duplicate(cache)), backward(dout, cache))


# What a program may have done to a cache, each by the place of the entry it changes. Read
# as they are, the kernels would look where there is nothing, or write there.
TAMPERED = {
    "affine, x of integers": ("affine", 0, lambda x: x.astype(int)),
    "affine, w of another byte order": ("affine", 1, lambda w: w.astype(">f8")),
    "affine, w in another memory order": ("affine", 1, np.asfortranarray),
    "affine, x of complex numbers": ("affine", 0, lambda x: x.astype(complex)),
    "relu, a mask of floats": ("relu", 0, lambda passed: passed.astype(float)),
    "relu, every other byte": (
        "relu",
        0,
        lambda passed: np.repeat(passed, 2, -1)[..., ::2],
    ),
    "dropout, a mask of objects": ("dropout", 0, lambda mask: mask.astype(object)),
    "batchnorm, no examples": ("batchnorm", 0, lambda x: x[:0]),
    "batchnorm, float32 statistics": ("batchnorm", 3, lambda s: s.astype(np.float32)),
    "batchnorm, eps in words": ("batchnorm", 4, str),
    "spatial_batchnorm, no pixels": (
        "spatial_batchnorm",
        0,
        lambda x: x[..., :0].copy(),
    ),
    "spatial_groupnorm, no pixels": (
        "spatial_groupnorm",
        0,
        lambda x: x[..., :0].copy(),
    ),
    "spatial_groupnorm, more groups": ("spatial_groupnorm", 4, lambda G: 3),
    "spatial_groupnorm, no group": ("spatial_groupnorm", 4, lambda G: 0),
    "spatial_groupnorm, fewer statistics": ("spatial_groupnorm", 3, lambda s: s[:1]),
    "layernorm, no features": ("layernorm", 0, lambda x: x[:, :0].copy()),
    "max_pool, smaller images": (
        "max_pool",
        1,
        lambda shape: (*shape[:3], shape[3] - 2),
    ),
    "max_pool, images of no size": ("max_pool", 1, lambda shape: shape[:2]),
    "max_pool, sizes in words": ("max_pool", 1, lambda shape: (*shape[:2], "6", "8")),
    "max_pool, winners of floats": (
        "max_pool",
        0,
        lambda winners: winners.astype(float),
    ),
    "conv, no stride": ("conv", 2, lambda param: {"pad": 1}),
    "conv, filters of no size": ("conv", 1, lambda w: w[:, :, :0]),
    "conv_relu, a smaller mask": (
        "conv_relu",
        3,
        lambda passed: passed[:, :, 1:].copy(),
    ),
    "conv_relu_pool, more codes": (
        "conv_relu_pool",
        4,
        lambda code: np.repeat(code, 2, 2),
    ),
    "conv_relu_pool, no codes": ("conv_relu_pool", 4, lambda code: None),
    "conv_bn_relu, fewer channels": ("conv_bn_relu", 3, lambda out: out[:, 1:].copy()),
    "affine_bn_relu, fewer statistics": ("affine_bn_relu", 6, lambda s: s[1:]),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_a_cache_that_was_tampered_with_is_an_error_that_names_it(case):
    name, place, change = TAMPERED[case]
    forward, backward = fast_layer(name)
    out, cache = forward(**small(name))
    entries = [change(e) if i == place else e for i, e in enumerate(cache)]
    with pytest.raises((TypeError, ValueError), match=r"`(cache|dout|conv_param)`"):
        backward(np.ones(out.shape), FastCache(cache.layer, *entries))


@pytest.mark.parametrize("wrong", [-1, 48, 2**31 - 1, -(2**31)])
def test_winners_of_a_pool_that_lie_outside_the_image_are_an_error(wrong):
    sizes = {"window": (3, 2), "pool_stride": 1}
    out, cache = max_pool_forward_fast(**arguments("max_pool", x=(2, 3, 6, 8), **sizes))
    cache[0][1, 2, 3, 4] = wrong
    with pytest.raises(ValueError, match="`cache` must be what"):
        fast_layer("max_pool")[1](np.ones(out.shape), cache)


def test_the_cache_of_a_fused_pool_with_that_of_another_pool_is_an_error():
    """Its convolution has another output than the pool is of."""
    forward, backward = fast_layer("conv_relu_pool")
    given = small("conv_relu_pool")
    given["pool_param"] = {"pool_height": 2, "pool_width": 2, "stride": 1}
    out, cache = forward(**given)
    _, other = max_pool_forward_fast(np.ones((3, *out.shape[1:])), given["pool_param"])
    with pytest.raises(ValueError, match=r"`(dout|cache)` must"):
        backward(np.ones(out.shape), FastCache(cache.layer, *cache[:-1], other))
