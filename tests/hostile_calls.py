"""Strategies for calls of the compiled functions with hostile arguments.

A call is data, a `Call`: which function, and the recipes of its arguments. Most
calls are right, so that they reach the kernels with whatever numbers and layouts; the
rest is spoiled in one place or two. `hostile_checks` makes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from fast_cases import ARGUMENTS, LAYERS, parts_of
from hostile_arrays import (
    CONVERTED,
    EXTREME,
    FLOATS,
    ORDINARY,
    Hostile,
    Labels,
    Odd,
    arrays,
    no_floats,
    odd_numbers,
    other_shape,
    seeds,
    shape_changes,
    sizes,
    wide_sizes,
)
from hypothesis import strategies as st

from nndl._fast import _kernels


@dataclass(frozen=True)
class Tampering:
    """What is done to a cache between the forward and the backward pass."""

    how: str
    entry: int
    thing: Any


@dataclass(frozen=True)
class Alias:
    """The very array that another argument is."""

    name: str


@dataclass(frozen=True)
class Call:
    """A function, its arguments, and what is done besides."""

    function: str
    given: dict[str, Any]
    #: How many arguments were made wrong on purpose.
    spoiled: int = 0
    #: The gradient for the backward function, but for its shape, and a change to that.
    dout: Any = None
    dout_change: tuple[str, int] | None = None
    need_dx: bool = True
    tampering: Tampering | None = None
    instruction_set: str = "baseline"
    threads: int = 1
    steps: int = 1


few = st.sampled_from([0] * 13 + [1, 1, 2])
instruction_sets = st.sampled_from(_kernels.available())
threads = st.integers(1, 3)


def one_in(n: int) -> st.SearchStrategy[bool]:
    """True in one of `n` cases; False is the simpler."""
    return st.integers(0, n - 1).map(lambda k: k == n - 1)


# ---- layers --------------------------------------------------------------------------


@st.composite
def whole(draw: Any, least: int, most: int) -> Any:
    """Draw an integer, sometimes one of NumPy's."""
    value = draw(st.integers(least, max(least, most)))
    return draw(st.sampled_from([int, int, int, np.int8, np.uint64]))(value)


@st.composite
def fitting_shapes(
    draw: Any, name: str
) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
    """Draw the shapes of a layer's arrays, and the settings that depend on them."""
    parts, settings = parts_of(name), {}
    if name in ("relu", "dropout"):
        return {"x": tuple(draw(st.lists(sizes, max_size=5)))}, settings
    if name in ("batchnorm", "layernorm"):
        shapes = {"x": (draw(wide_sizes), draw(wide_sizes))}
        features = shapes["x"][1]
    elif parts[0] == "affine":
        axes = tuple(draw(st.lists(sizes, max_size=3)))
        examples, features = draw(wide_sizes), draw(wide_sizes)
        if not axes and draw(st.booleans()):
            axes = (draw(st.sampled_from([130, 513, 1030])),)
        shapes = {"x": (examples, *axes), "w": (math.prod(axes), features)}
    else:
        shapes = {"x": tuple(draw(sizes) for _ in range(4))}
        features = shapes["x"][1]
    if "conv" in parts:
        shapes, settings["conv_param"] = draw(convolutions())
        features = shapes["w"][0]
    if "max_pool" in parts:
        settings["pool_param"] = draw(pools(*_pooled_size(shapes, settings)))
    if "spatial_groupnorm" in parts:
        divisors = [G for G in range(1, max(1, features) + 1) if features % G == 0]
        settings["G"] = draw(st.sampled_from(divisors))
    kept = (*ARGUMENTS["conv"], *ARGUMENTS["batchnorm"])
    for key in ("b", "gamma", "beta"):
        if any(key in ARGUMENTS[part] for part in parts) and key in kept:
            shapes[key] = (features,)
            if name == "spatial_groupnorm" and draw(st.booleans()):
                shapes[key] = (1, features, 1, 1)
    return shapes, settings


@st.composite
def convolutions(draw: Any) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
    """Draw the shapes and settings of a convolution; every third fits Winograd's
    algorithm."""
    if draw(one_in(3)):
        kernel, N = draw(st.sampled_from([3, 5])), draw(st.integers(1, 4))
        pad = draw(st.integers(0, kernel - 1))
        least = max(1, kernel - 2 * pad)
        H, W = draw(st.integers(least, 17)), draw(st.integers(least, 17))
        C, F = draw(st.sampled_from([16, 17])), draw(st.sampled_from([16, 17]))
        shapes = {"x": (N, C, H, W), "w": (F, C, kernel, kernel)}
        return shapes, {"stride": 1, "pad": pad}
    N, C, H, W = (draw(sizes) for _ in range(4))
    pad = draw(st.sampled_from([0, 0, 1, 1, 2, 3, 8]))
    sides = [draw(st.integers(1, min(17, max(1, n + 2 * pad)))) for n in (H, W)]
    shapes = {"x": (N, C, H, W), "w": (draw(sizes), C, *sides)}
    stride = draw(st.one_of(whole(1, 1), whole(2, 2), whole(1, 17)))
    return shapes, {"stride": stride, "pad": type(stride)(pad)}


def _pooled_size(shapes: dict[str, Any], settings: dict[str, Any]) -> tuple[int, int]:
    """Return the height and width of what a pooling pools."""
    H, W = shapes["x"][2:]
    if "w" not in shapes:
        return H, W
    pad, stride = (int(settings["conv_param"][key]) for key in ("pad", "stride"))
    HH, WW = shapes["w"][2:]
    return 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride


@st.composite
def pools(draw: Any, H: int, W: int) -> dict[str, Any]:
    H, W = max(1, H), max(1, W)
    size = whole(1, H), whole(1, W), whole(1, 4)
    if draw(st.booleans()):
        size = whole(2, 2), whole(2, 2), whole(2, 2)
    elif draw(one_in(9)):
        size = whole(1, 17), whole(1, 17), whole(1, 17)
    keys = "pool_height", "pool_width", "stride"
    return {key: draw(n) for key, n in zip(keys, size, strict=True)}


@st.composite
def norm_settings(draw: Any, features: int, batch: bool) -> dict[str, Any]:
    """Draw the settings of a normalization; those left out have defaults."""
    eps = [1e-5, 1e-8, 1e-3, 1, np.float32(1e-5), 1e-30, 1e-44, 1e10, 1e300]
    chosen: dict[str, Any] = {}
    if draw(st.booleans()):
        chosen["eps"] = draw(st.sampled_from(eps))
    if not batch:
        return chosen
    chosen["mode"] = draw(st.sampled_from(["train", "test"]))
    if draw(st.booleans()):
        momentum = [0, 1, 0.9, np.float64(0.7), np.float32(0.1), 1e-300]
        chosen["momentum"] = draw(st.sampled_from(momentum))
    for key in ("running_mean", "running_var"):
        if draw(st.booleans()):
            chosen[key] = draw(arrays((features,), (*FLOATS, *CONVERTED)))
            if key == "running_var":
                chosen[key] = replace(chosen[key], values="ones")
    return chosen


dropout_settings = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["train", "train", "test"]),
        "p": st.sampled_from([0.5, 1, 1e-3, np.float32(0.3), 1e-40]),
    },
    optional={"seed": st.sampled_from([0, 7, np.int64(3), 2**70])},
)


@st.composite
def layer_calls(draw: Any, name: str) -> Call:
    """Draw a call of a layer's forward function, and then of its backward one."""
    shapes, settings = draw(fitting_shapes(name))
    # Numbers that are all wild make a result that is all NaN: most often only one
    # array has such numbers, or none.
    wild = draw(st.sampled_from([None, None, None, *shapes, "all", "dout"]))
    dtype = draw(st.sampled_from(FLOATS))
    dtypes = (dtype,) if draw(st.booleans()) else (dtype, dtype, *FLOATS, *CONVERTED)

    def values(key: str) -> tuple[str, ...]:
        return (*ORDINARY, *EXTREME, *EXTREME) if wild in (key, "all") else ORDINARY

    given: dict[str, Any] = {
        key: draw(arrays(shape, dtypes, values(key))) for key, shape in shapes.items()
    }
    parts = parts_of(name)
    if any("bn_param" in ARGUMENTS[part] for part in parts):
        given["bn_param"] = draw(norm_settings(shapes["gamma"][0], True))
    for key, part in (("ln_param", "layernorm"), ("gn_param", "spatial_groupnorm")):
        if part in parts:
            given[key] = draw(norm_settings(0, False))
    if "dropout" in parts:
        given["dropout_param"] = {"seed": 0} | draw(dropout_settings)
    given |= settings

    spoiled = draw(few)
    for _ in range(spoiled):
        given = draw(spoilt(given))
    dout = draw(arrays((), dtypes, values("dout")))
    dout_change, tampering = None, None
    if draw(one_in(8)):
        if draw(st.booleans()):
            dout = draw(no_floats)
        else:
            dout_change = draw(shape_changes)
    elif draw(one_in(3)):
        tampering = draw(tamperings)
    return Call(
        name, given, spoiled, dout, dout_change, draw(st.booleans()), tampering,
        draw(instruction_sets), draw(threads),
    )  # fmt: skip


@st.composite
def spoilt(draw: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Draw a change of one argument, or of one setting, that makes it wrong."""
    key = draw(st.sampled_from(sorted(given)))
    value = given[key]
    if isinstance(value, dict) and draw(one_in(4)):
        return given | {key: draw(no_floats)}
    if isinstance(value, dict) and value:
        entry = draw(st.sampled_from(sorted(value)))
        if entry != "seed" and draw(one_in(6)):  # without a seed, no two calls agree
            return given | {key: {k: v for k, v in value.items() if k != entry}}
        odd = st.sampled_from(["Train", "TEST", b"train", ""])
        wrong = draw(st.one_of(odd, odd_numbers, no_floats))
        return given | {key: value | {entry: wrong}}
    if isinstance(value, Hostile) and draw(st.booleans()):
        other = other_shape(value.shape, draw(shape_changes))
        return given | {key: replace(value, shape=other)}
    wrong = no_floats if isinstance(value, Hostile) else odd_numbers
    return given | {key: draw(wrong)}


tamperings = st.builds(
    Tampering,
    st.sampled_from(
        [
            "copied",
            "pickled",
            "of another layer",
            "plain",
            "dropped",
            "added",
            "swapped",
        ]
        + ["replaced", "reshaped", "retyped", "turned", "overwritten", "set"] * 2
    ),
    st.integers(0, 11),
    st.one_of(
        odd_numbers,
        no_floats,
        st.builds(
            Hostile, st.tuples(sizes, sizes), st.sampled_from((*FLOATS, *CONVERTED))
        ),
        st.sampled_from(["train", "test"]),
    ),
)


# ---- the loss ------------------------------------------------------------------------


@st.composite
def softmax_calls(draw: Any) -> Call:
    N, C = draw(wide_sizes), draw(wide_sizes)
    values = (*ORDINARY, *ORDINARY, *EXTREME)
    x = draw(arrays((N, C), (*FLOATS, *FLOATS, *CONVERTED), values))
    kinds = st.sampled_from(["i8", "i8", "i4", ">i8", "u1", "u8", "i1"])
    layout, classes = draw(arrays((N,))).layout, min(C, 128)
    y: Any = Labels((N,), draw(kinds), "normal", layout, False, draw(seeds), classes)
    given: dict[str, Any] = {"x": x, "y": y}
    spoiled = draw(few)
    for _ in range(spoiled):
        if draw(one_in(3)):
            given["y"] = replace(y, values="limits", classes=C + 1)
        else:
            given = draw(spoilt(given))
    return Call(
        "softmax_loss", given, spoiled,
        instruction_set=draw(instruction_sets), threads=draw(threads),
    )  # fmt: skip


# ---- update rules --------------------------------------------------------------------

#: What each rule remembers, and its settings.
RULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sgd": ((), ()),
    "sgd_momentum": (("velocity",), ("momentum",)),
    "sgd_nesterov_momentum": (("velocity",), ("momentum",)),
    "rmsprop": (("cache",), ("decay_rate", "epsilon")),
    "adam": (("m", "v"), ("beta1", "beta2", "epsilon", "t")),
    "adamw": (("m", "v"), ("weight_decay", "beta1", "beta2", "epsilon", "t")),
}


@st.composite
def rule_calls(draw: Any, name: str) -> Call:
    """Draw some steps of an update rule, each with the config that the last one
    returned."""
    shape = tuple(draw(st.lists(sizes, max_size=4)))
    dtypes = draw(st.sampled_from([("f4",), ("f8",), (*FLOATS, *FLOATS, *CONVERTED)]))
    values = draw(st.sampled_from([ORDINARY, (*ORDINARY, *EXTREME)]))
    given: dict[str, Any] = {
        key: draw(arrays(shape, dtypes, values)) for key in ("w", "dw")
    }
    memory, settings = RULES[name]
    config: dict[str, Any] = {}
    for key in memory:
        if draw(st.booleans()):
            config[key] = draw(arrays(shape, dtypes, values))
            if draw(one_in(5)):
                config[key] = draw(
                    st.sampled_from([Alias("w"), Alias("dw"), Odd("None")])
                )
    if config.keys() >= {"m", "v"} and draw(one_in(5)):
        config["v"] = Alias("m")
    fractions = [0, 0.5, 0.9, 0.999, np.float32(0.3), 1 - 1e-12, 1e-300]
    for key in ("learning_rate", *settings):
        if draw(st.booleans()):
            config[key] = draw(st.sampled_from(fractions))
            if key == "epsilon":
                config[key] = draw(
                    st.sampled_from([1e-8, 1e-300, 1, np.float32(1e-3), 1e300])
                )
            elif key == "t":
                config[key] = draw(st.sampled_from([0, 1, 1000, np.int64(5), 2**63]))
    if config or draw(st.booleans()):
        given["config"] = config
    spoiled = draw(few)
    for _ in range(spoiled):
        given = draw(spoilt(given))
    return Call(
        name, given, spoiled, threads=draw(threads), steps=draw(st.integers(1, 3))
    )


# ---- the courses' windows as columns -------------------------------------------------


@st.composite
def column_calls(draw: Any) -> Call:
    """Draw a call of `im2col_indices` and the like, which are not compiled but stand in
    for what was."""
    N, C, stride, pad = draw(sizes), draw(sizes), draw(whole(1, 5)), draw(whole(0, 5))
    fields = draw(sizes), draw(sizes)
    # The windows must fill the padded images.
    H, W = (
        max(0, field - 2 * int(pad) + int(stride) * draw(st.integers(0, 4)))
        for field in fields
    )
    given: dict[str, Any] = {
        "x": draw(arrays((N, C, H, W), (*FLOATS, *FLOATS, *CONVERTED))),
        "field_height": fields[0],
        "field_width": fields[1],
        "pad": pad,
        "stride": stride,
    }
    spoiled = draw(few)
    for _ in range(spoiled):
        given = draw(spoilt(given))
    return Call("im2col", given, spoiled)


CALLS: dict[str, st.SearchStrategy[Call]] = {
    **{name: layer_calls(name) for name in LAYERS},
    "softmax_loss": softmax_calls(),
    **{name: rule_calls(name) for name in RULES},
    "im2col": column_calls(),
}
