"""Arrays, numbers and other things that nobody expects a function to be given, for
`hypothesis` to choose from.

What is chosen is not the thing itself but its recipe, a `Hostile` or an `Odd`: the
`repr` of a recipe is Python code, which makes the same thing again in another process.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from fast_cases import LAYOUTS
from hypothesis import strategies as st

FLOATS = ("f4", "f8")
#: What a function of floats takes besides, and what it must refuse.
CONVERTED = (">f4", ">f8", "?", "i1", "u1", ">i4", "i8", "u8")
REFUSED = ("f2", "g", "F", "D", "S3", "U2", "m8[s]", "M8[s]", "O", "V5", "f4, i8", "T")


# ---- arrays --------------------------------------------------------------------------


@dataclass(frozen=True)
class Hostile:
    """How an array is made: what is in it, and how it lies in memory."""

    shape: tuple[int, ...]
    dtype: str = "f8"
    values: str = "normal"
    layout: str = "plain"
    read_only: bool = False
    seed: int = 0

    def make(self) -> Any:
        array = self.filled()
        if self.layout in VALUE_CHANGING:
            array = VALUE_CHANGING[self.layout](array, self._rng())
        return self.laid_out(array)

    def filled(self) -> np.ndarray:
        dtype = np.dtype(self.dtype) if self.dtype != "T" else np.dtypes.StringDType()
        if dtype.kind == "f" and dtype.itemsize in (4, 8):
            values = FLOAT_VALUES[self.values](self._rng(), self.shape, dtype)
            return np.asarray(values, dtype)
        if dtype.kind in "iub":
            if self.values in ("huge", "limits") and dtype.kind != "b":
                limits = np.iinfo(dtype)
                values = self._rng().choice([limits.min, limits.max, 1, 0], self.shape)
                return np.asarray(values, dtype)
            return np.asarray(self._rng().integers(0, 3, self.shape)).astype(dtype)
        return np.zeros(self.shape, dtype)

    def laid_out(self, array: np.ndarray) -> Any:
        """Return equal numbers that lie in memory as the recipe says."""
        if array.dtype.hasobject:  # what refers to memory cannot be moved about
            return array
        if array.ndim and self.layout in LAYOUTS:
            array = LAYOUTS[self.layout](array)
        elif self.layout in PLACED:
            array = PLACED[self.layout](array, self._rng())
        if self.read_only and isinstance(array, np.ndarray):
            array = array.view()
            array.flags.writeable = False
        return array

    def _rng(self) -> np.random.Generator:
        words = (self.dtype, self.values, self.layout, self.seed, *self.shape)
        return np.random.default_rng(zlib.crc32(repr(words).encode()))


@dataclass(frozen=True)
class Labels(Hostile):
    """How an array of class labels is made."""

    dtype: str = "i8"
    classes: int = 1

    def filled(self) -> np.ndarray:
        labels = self._rng().integers(0, max(1, self.classes), self.shape)
        return np.asarray(labels).astype(self.dtype)


def _with(some: tuple[float, ...], share: float = 0.1) -> Callable[..., np.ndarray]:
    """Return a filling: ordinary numbers, and here and there one of `some`."""

    def fill(rng: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        values = np.asarray(rng.standard_normal(shape))
        places = np.asarray(rng.random(shape)) < share
        return np.where(places, rng.choice(some, shape), values)

    return fill


def _scaled(power: float) -> Callable[..., np.ndarray]:
    """Return a filling with the largest number to this power, times ordinary ones."""

    def fill(rng: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return (
            np.asarray(rng.standard_normal(shape)) * float(np.finfo(dtype).max) ** power
        )

    return fill


def _of_all_sizes(rng: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    info = np.finfo(dtype)
    powers = rng.uniform(info.minexp - info.nmant, info.maxexp - 1, shape)
    return rng.choice([-1.0, 1.0], shape) * np.exp2(powers)


def _limits(rng: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    info = np.finfo(dtype)
    most, least, tiny = map(float, (info.max, info.smallest_subnormal, info.tiny))
    values = [most, -most, least, -least, tiny, -tiny, 0.0, -0.0, 1.0, -1.0]
    return np.asarray(rng.choice(values, shape))


FLOAT_VALUES: dict[str, Callable[..., Any]] = {
    "normal": lambda rng, shape, _: rng.standard_normal(shape),
    "whole": lambda rng, shape, _: rng.integers(-3, 4, shape),
    "zeros": lambda rng, shape, _: np.zeros(shape),
    "ones": lambda rng, shape, _: np.ones(shape),
    "far": lambda rng, shape, _: rng.standard_normal(shape) + 1e4,
    "nan": _with((math.nan,)),
    "infinite": _with((math.inf, -math.inf), 0.03),
    "neither": _with((math.nan, math.inf, -math.inf, 0.0, -0.0)),
    "large": _scaled(0.25),
    "small": _scaled(-0.25),
    "huge": _scaled(0.9),
    "denormal": _scaled(-1.03),
    "all sizes": _of_all_sizes,
    "limits": _limits,
}
ORDINARY = ("normal", "whole", "zeros", "ones", "far")
EXTREME = tuple(name for name in FLOAT_VALUES if name not in ORDINARY)


def anywhere(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the array in memory that ends with it: its axes in any order, with gaps,
    backwards, and beginning at any byte."""
    strides, size = [0] * array.ndim, array.itemsize
    for axis in rng.permutation(array.ndim):
        step = int(rng.choice([1, 1, 2, 3])) * size
        strides[axis] = int(rng.choice([1, 1, -1])) * step
        size = step * max(1, array.shape[axis])
    first = int(rng.integers(0, 16))
    last = [(n - 1) * stride for n, stride in zip(array.shape, strides, strict=True)]
    before = sum(-there for there in last if there < 0) if array.size else 0
    after = sum(there for there in last if there > 0) if array.size else 0
    memory = np.full(first + before + after + array.itemsize, 255, np.uint8)
    view = np.ndarray(array.shape, array.dtype, memory, first + before, strides)
    view[...] = array
    return view


class Subclass(np.ndarray):
    """What a library may have made of an array; no operation on it is expected."""

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the subclass was asked to compute")


#: Layouts that depend on the seed, and things that hold an array.
PLACED: dict[str, Callable[[np.ndarray, np.random.Generator], Any]] = {
    "anywhere": anywhere,
    "list": lambda array, _: array.tolist(),
    "masked": lambda array, rng: np.ma.masked_array(
        array, rng.random(array.shape) < 0.5
    ),
    "matrix": lambda array, _: np.matrix(array) if array.ndim == 2 else array,
    "subclass": lambda array, _: array.view(Subclass),
}


def _repeated(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a view in which some axes have one entry only, at every place."""
    kept = tuple(
        slice(None) if rng.random() < 0.5 else slice(0, 1) for _ in array.shape
    )
    return np.broadcast_to(array[kept], array.shape) if array.size else array


def _overlapping(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a view in which every axis moves on by one number, as a window does."""
    flat = np.resize(array, sum(array.shape) + 1)
    strides = (array.itemsize,) * array.ndim
    return np.lib.stride_tricks.as_strided(flat, array.shape, strides)


#: Views of fewer numbers than they show.
VALUE_CHANGING = {"repeated": _repeated, "overlapping": _overlapping}
ALL_LAYOUTS = (*LAYOUTS, *PLACED, *VALUE_CHANGING)
STRANGE_LAYOUTS = tuple(name for name in ALL_LAYOUTS if name != "plain")


# ---- what is no array ----------------------------------------------------------------


@dataclass(frozen=True)
class Odd:
    """Something that is no array of numbers, by its name."""

    name: str

    def make(self) -> Any:
        return ODD_THINGS[self.name]()


class _Refuses:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise ValueError("this is no array")


ODD_THINGS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "a word": lambda: "x",
    "bytes": lambda: b"12345678",
    "an object": object,
    "a function": lambda: len,
    "a type": lambda: float,
    "a dict": lambda: {"x": 1},
    "a set": lambda: {1, 2},
    "nothing in a list": list,
    "a ragged list": lambda: [[1.0, 2.0], [3.0]],
    "large integers": lambda: [10**30, 1],
    "an iterator": lambda: iter([1.0, 2.0]),
    "what refuses": _Refuses,
    "a complex number": lambda: 1j,
    "a truth": lambda: True,
    "a number": lambda: 1.5,
}


def made(recipe: Any) -> Any:
    """Make what a recipe says, and everything in it that is a recipe."""
    if isinstance(recipe, (Hostile, Odd)):
        return recipe.make()
    if isinstance(recipe, dict):
        return {key: made(value) for key, value in recipe.items()}
    return recipe


# ---- strategies ----------------------------------------------------------------------

seeds = st.integers(0, 999)
#: Mostly not 0, for an array without numbers makes a dull example.
sizes = st.one_of(st.integers(1, 17), st.integers(1, 6), st.integers(0, 17))
#: Beyond the kernels' panels and blocks; for arrays of two axes, which stay small.
wide_sizes = st.one_of(sizes, sizes, sizes, st.sampled_from([31, 63, 64, 65, 130, 257]))


@st.composite
def arrays(
    draw: Any,
    shape: tuple[int, ...],
    dtypes: tuple[str, ...] = FLOATS,
    values: tuple[str, ...] = ORDINARY,
) -> Hostile:
    """Draw an array of numbers of this shape, however it may lie in memory."""
    layout = draw(st.sampled_from(("plain", "anywhere", *ALL_LAYOUTS)))
    return Hostile(
        shape,
        draw(st.sampled_from(dtypes)),
        draw(st.sampled_from(values)),
        layout,
        draw(st.booleans()),
        draw(seeds),
    )


#: What no function of floats can take.
no_floats = st.one_of(
    st.sampled_from([Odd(name) for name in ODD_THINGS]),
    st.builds(
        Hostile,
        st.lists(st.integers(0, 3), max_size=5).map(tuple),
        st.sampled_from(REFUSED),
        layout=st.sampled_from(("plain", "anywhere", "repeated")),
        seed=seeds,
    ),
)

#: A change for `other_shape`, and the axis that it is made to.
shape_changes = st.tuples(
    st.sampled_from(("more", "less", "new axis", "no axis", "turned", "none")),
    st.integers(0, 4),
)


def other_shape(shape: tuple[int, ...], change: tuple[str, int]) -> tuple[int, ...]:
    """Return a shape that is nearly the one given."""
    how, axis = change
    if how == "none":
        return ()
    if how == "new axis" or not shape:
        return (*shape[:axis], axis, *shape[axis:])
    if how == "turned":
        return shape[::-1]
    axis %= len(shape)
    sizes = {
        "no axis": (),
        "more": (shape[axis] + 1,),
        "less": (max(0, shape[axis] - 1),),
    }
    return (*shape[:axis], *sizes[how], *shape[axis + 1 :])


#: Numbers for any setting, nearly all of them wrong for most.
odd_numbers = st.one_of(
    st.sampled_from(
        [
            0,
            -1,
            1.0,
            1.5,
            -0.0,
            math.nan,
            math.inf,
            -math.inf,
            1e-320,
            1e300,
            True,
            1j,
            2**31 - 1,
            2**31,
            2**32 + 1,
            2**63 - 1,
            2**63,
            2**64,
            -(2**63),
            10**30,
            np.int8(2),
            np.uint64(3),
            np.float32(0.5),
            np.float64(2),
            np.bool(True),
        ]
    ),
    st.builds(
        Hostile, st.sampled_from([(), (1,), (2, 2)]), st.sampled_from(("i8", "f8"))
    ),
    st.sampled_from([Odd(name) for name in ODD_THINGS]),
)
