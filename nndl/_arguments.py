"""Checks the arrays that a layer is given against the shapes it declares.

A layer states its shapes once, above its definition::

    @takes(x="(N, D...)", w="(D, M)", b="(M,)")
    def affine_forward(x, w, b): ...

    @takes(cache="x (N, D...), w (D, M), b (M,)", dout="(N, M)")
    def affine_backward(dout, cache): ...

A letter stands for one size and must mean the same size wherever it appears; ``D...``
stands for all the remaining axes and their product; ``N>0`` refuses an empty axis;
``(...)`` accepts any shape, and ``like x`` the shape of `x`; a number stands for itself,
and ``(1, C) or (C,)`` leaves the choice. ``labels (N,) of C`` is an array of `N`
integers from 0 to C - 1, ``dict`` a dict of settings, ``flag`` an argument that is True
or False. A `cache` is the tuple that the forward pass returned, or, where one array is
named, that array itself; an entry marked ``?`` may be None. Between the name of an entry
and its shape, or alone, stands the type that it must have: ``eps float``, ``passed uint8
(N, M)``. Arrays in a cache for compiled code are of floats if nothing else is said.

The functions below `takes` check what is no array: each returns what it was given, in
the type that it stands for, or raises an error that names it and says what came.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
import os
import re
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

Array = np.ndarray
Function = TypeVar("Function", bound=Callable[..., Any])


def takes(**declared: str) -> Callable[[Function], Function]:
    """Check and convert a function's arrays before it runs; see the module's docstring.

    Integers and booleans become float64; float32 and float64 stay as they are.
    """

    def decorate(function: Function) -> Function:
        names = list(inspect.signature(function).parameters)
        # Shapes that were found to fit: a network calls its layers with the same ones
        # again and again.
        fitting: set[tuple[Any, ...]] = set()
        flags = [name for name, form in declared.items() if form == "flag"]
        dicts = [name for name, form in declared.items() if form == "dict"]
        labels = [name for name, form in declared.items() if form.startswith("labels")]
        arrays = [
            name for name in declared if name not in (*flags, *dicts, *labels, "cache")
        ]
        needed = declared.keys() - set(flags)

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            given = dict(zip(names, args, strict=False)) | kwargs
            wrong = len(given) < len(args) + len(kwargs)
            if wrong or not needed <= given.keys():
                # A wrong call: Python's own error says it best.
                return function(*args, **kwargs)
            for name in flags:
                if name in given:
                    given[name] = flag(name, given[name])
            for name in dicts:
                _check_dict(name, given[name])
            for name in arrays:
                given[name] = as_float_array(name, given[name])
            for name in dicts if arrays else ():
                _check_eps(name, given[name], given[arrays[0]])
            shapes = [given[name].shape for name in arrays]
            if "cache" in declared:
                shapes += _shapes_of(given["cache"])
            if not labels and tuple(shapes) in fitting:
                return function(**given)
            known = _Known()
            for name, declaration in declared.items():
                if name == "cache":
                    _check_cache(function.__name__, declaration, given[name], known)
                elif name in labels:
                    given[name] = _as_labels(name, declaration, given[name], known)
                elif name in arrays:
                    known.match(name, declaration, given[name].shape)
            if not labels and len(fitting) < 1000:
                fitting.add(tuple(shapes))
            return function(**given)

        checked.declared = declared  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return decorate


def _shapes_of(cache: Any) -> list[Any]:
    """Return all that the check of a cache looks at."""
    entries = cache if isinstance(cache, tuple) else (cache,)
    return [
        type(cache),
        cache.layer if isinstance(cache, FastCache) else None,
        *[
            (e.shape, e.dtype, e.flags.num) if type(e) is np.ndarray else type(e)
            for e in entries
        ],
    ]


def compiled_twin_of(
    readable: Callable[..., Any], **changed: str
) -> Callable[[Function], Function]:
    """Give a compiled function the documentation of its readable twin, and its checks,
    some of them `changed`."""

    def decorate(function: Function) -> Function:
        summary, parameters, rest = (readable.__doc__ or "").partition(
            "    Parameters\n"
        )
        twin = f"{readable.__module__}.{readable.__name__}"
        name = function.__name__
        if "_forward" in name:  # what a readable layer keeps is not what its twin keeps
            backward = name.replace("_forward", "_backward")
            rest = re.sub(
                r"    cache : .*\n(?:        .*\n)+",
                f"    cache : FastCache\n        For `{backward}`.\n",
                rest,
            )
        else:
            forward = readable.__name__.replace("backward", "forward")
            fast_forward = name.replace("_backward", "_forward")
            rest = re.sub(r"    cache : \w+\n", "    cache : FastCache\n", rest)
            rest = rest.replace(f"`{forward}`", f"`{fast_forward}`")
        if "need_dx" in inspect.signature(function).parameters:
            rest = rest.replace(
                "\n    Returns\n",
                "    need_dx : bool, optional\n"
                "        If False, None is returned in place of `dx`, as the first layer of a\n"
                "        network needs none.\n\n"
                "    Returns\n",
            )
        function.__doc__ = (
            f"Compiled twin of `{twin}`, which is the one to read.\n\n"
            + parameters
            + rest
        )
        declared = getattr(readable, "declared", {}) | changed
        return takes(**declared)(function) if declared else function

    return decorate


class FastCache(tuple[Any, ...]):
    """What a compiled forward pass keeps for its backward pass; `layer` names the
    former."""

    layer: str

    def __new__(cls, layer: str, *entries: Any) -> FastCache:
        cache = super().__new__(cls, entries)
        cache.layer = as_text("layer", layer)
        return cache

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return what a copy is made of."""
        return self.layer, *self


_FLOAT_TYPES = (np.dtype(np.float32), np.dtype(np.float64))


def as_float_array(name: str, value: Any) -> Array:
    """Return `value` as an array of float32 or float64 in this machine's byte order."""
    if type(value) is np.ndarray and value.dtype in _FLOAT_TYPES:
        return value
    array = as_array(name, value)
    if array.dtype.kind in "biu":
        return array.astype(np.float64)
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise TypeError(
            f"`{name}` must be an array of float32, float64 or integers, but its dtype is "
            f"{array.dtype}."
        )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def as_array(name: str, value: Any) -> Array:
    """Return `value` as an array of any type."""
    try:
        return np.asarray(value)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be an array, but NumPy cannot make one of this "
            f"{type(value).__name__}: {error}"
        ) from error


def as_numbers(name: str, value: Any) -> Array:
    """Return `value` as an array of any type of real numbers, which is not changed."""
    array = as_array(name, value)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"`{name}` must be an array of numbers, but its dtype is {array.dtype}."
        )
    return array


class _Known:
    """The sizes and shapes met so far, and which argument each came from."""

    def __init__(self) -> None:
        # Numbers stand for themselves and come from no argument.
        self.sizes: dict[str, tuple[int, str]] = {"1": (1, ""), "2": (2, "")}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def match(self, name: str, declaration: str, shape: tuple[int, ...]) -> None:
        """Compare a shape with its declaration, and remember the sizes that it
        settles."""
        if declaration.startswith("like "):
            other = declaration.removeprefix("like ")
            expected = self.shapes.get(other)
            if expected is not None and shape != expected:
                raise ValueError(
                    f"`{name}` must have the shape of `{other}`, {expected}, but its shape is {shape}."
                )
        elif declaration != "(...)":
            self._match_axes(name, declaration, shape)
        self.shapes[name] = shape

    def _match_axes(self, name: str, declaration: str, shape: tuple[int, ...]) -> None:
        axes = _axes(declaration, len(shape))
        open_ended = bool(axes) and axes[-1].open_ended
        if len(shape) != len(axes) and not (open_ended and len(shape) >= len(axes) - 1):
            raise ValueError(self._complaint(name, declaration, shape))
        for i, axis in enumerate(axes):
            size = math.prod(shape[i:]) if axis.open_ended else shape[i]
            if size <= axis.above:
                raise ValueError(
                    f"`{name}` must have {axis.letter} > {axis.above} in its shape "
                    f"{_bare(declaration)}, but its shape is {shape}."
                )
            if self.sizes.setdefault(axis.letter, (size, name))[0] != size:
                raise ValueError(self._complaint(name, declaration, shape))

    def _complaint(self, name: str, declaration: str, shape: tuple[int, ...]) -> str:
        settled = {
            axis.letter: self.sizes[axis.letter]
            for axis in _axes(declaration, len(shape))
            if axis.letter in self.sizes
            and self.sizes[axis.letter][1] not in (name, "")
        }
        sizes = " and ".join(
            f"{letter} = {size}" for letter, (size, _) in settled.items()
        )
        sources = dict.fromkeys(source for _, source in settled.values())
        context = ", ".join(f"{source}: {self.shapes[source]}" for source in sources)
        return (
            f"`{name}` must have shape {_bare(declaration)}"
            + (f" with {sizes}" if sizes else "")
            + f", but its shape is {shape}"
            + (f" ({context})." if context else ".")
        )


class _Axis(NamedTuple):
    """One axis of a declared shape: ``N``, ``D...`` or ``N>0``."""

    letter: str
    open_ended: bool
    above: int


@functools.cache
def _axes(declaration: str, ndim: int) -> list[_Axis]:
    """Return the axes of a declaration; of several forms, those of the one with `ndim`
    axes if there is one, else of the first."""
    forms = [re.findall(r"[^(), ]+", form) for form in declaration.split(" or ")]
    form = next((form for form in forms if len(form) == ndim), forms[0])
    return [
        _Axis(
            re.split(r"[.>]", axis)[0],
            axis.endswith("..."),
            int(axis.partition(">")[2] or -1),
        )
        for axis in form
    ]


def _bare(declaration: str) -> str:
    """Return a declaration as a reader would write the shape."""
    return re.sub(r">\d+", "", declaration)


def _check_dict(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise TypeError(f"`{name}` must be a dict, but is {shown(value)}.")


class _Entry(NamedTuple):
    """One entry of a declared cache: ``x (N, D)``, ``eps float``, ``passed? uint8 (N,
    D)``."""

    name: str
    optional: str
    kind: str
    axes: str


def _check_eps(name: str, settings: dict[str, Any], x: Array) -> None:
    """Check that an eps is not 0 as soon as it meets the array: float32 takes 1e-50 for
    0, and what is constant would be divided by it."""
    eps = settings.get("eps")
    if (
        isinstance(eps, (float, np.floating))
        and x.dtype == np.float32
        and 0 < eps < 1e-37
        and np.float32(eps) == 0
    ):
        raise ValueError(
            f"`{name}['eps']` must be above 0 in float32, the type of the array, but is {eps}."
        )


@functools.cache
def _cache_entries(declaration: str) -> list[_Entry]:
    form = r"\([^)]*\)"
    found = re.findall(
        rf"(\w+)(\??)(?: (\w[\w|]*))?(?: ({form}(?: or {form})*))?(?:, |$)", declaration
    )
    return [_Entry(*groups) for groups in found]


def _check_cache(function: str, declaration: str, cache: Any, known: _Known) -> None:
    entries = _cache_entries(declaration)
    names = ", ".join(entry.name for entry in entries)
    forward = function.replace("_backward_alt", "_backward").replace(
        "_backward", "_forward"
    )
    wanted = f"`cache` must be what {forward} returned as its cache, {names}"
    layer = cache.layer if isinstance(cache, FastCache) else None
    if function.endswith("_fast") and layer != forward:
        came = (
            f"of type {type(cache).__name__}" if layer is None else f"that of {layer}"
        )
        raise TypeError(f"{wanted}, but is {came}.")
    if layer is not None and not function.endswith("_fast"):
        raise TypeError(f"{wanted}, but is that of {layer}.")
    if len(entries) == 1 and layer is None:
        cache = (cache,)
    elif not isinstance(cache, tuple):
        raise TypeError(f"{wanted}, but is of type {type(cache).__name__}.")
    if len(cache) != len(entries):
        raise ValueError(f"{wanted}, but has {len(cache)} entries.")
    for entry, value in zip(entries, cache, strict=True):
        if (entry.optional and value is None) or not (entry.kind or entry.axes):
            continue
        fault = _fault_in(entry, value, for_kernels=layer is not None)
        if fault:
            raise TypeError(f"{wanted}, but its {entry.name} {fault}.")
        if entry.axes:
            try:
                known.match(entry.name, entry.axes, value.shape)
            except ValueError as error:
                raise ValueError(f"{wanted}: {error}") from None


_TYPES = {kind.__name__: kind for kind in (dict, float, int, str, tuple)}


def _fault_in(entry: _Entry, value: Any, for_kernels: bool) -> str:
    """Say what is wrong with an entry of a cache, apart from its shape."""
    if not entry.axes:
        right = isinstance(value, _TYPES[entry.kind])
    elif for_kernels:
        right = type(value) is np.ndarray
    else:
        right = isinstance(value, (np.ndarray, np.generic))
    if not right:
        return f"is of type {type(value).__name__}"
    if not (entry.axes and for_kernels):
        return ""
    if value.dtype not in (entry.kind or "float32|float64").split("|"):
        return f"is an array of {value.dtype}"
    if not (value.flags.c_contiguous and value.flags.aligned):
        return "lies in memory otherwise"
    return ""


def _as_labels(name: str, declaration: str, value: Any, known: _Known) -> Array:
    axes, classes = declaration.removeprefix("labels ").split(" of ")
    labels = as_array(name, value)
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"`{name}` must be an array of integer class labels, but its dtype is {labels.dtype}."
        )
    known.match(name, axes, labels.shape)
    count, source = known.sizes[classes]
    if labels.size and (labels.min() < 0 or labels.max() >= count):
        wrong = labels[(labels < 0) | (labels >= count)][0]
        raise ValueError(
            f"`{name}` must hold labels from 0 to {count - 1}, one of the {count} classes of "
            f"`{source}`, but holds {wrong}."
        )
    return labels


def number(
    name: str,
    value: Any,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
) -> float:
    """Return `value` as a Python float after checking that it is finite and within the
    bounds.

    A Python float, unlike a NumPy one, does not turn a float32 array that it meets into
    float64.
    """
    if type(value) is float:
        result = value
    elif type(value) is int:
        try:
            result = float(value)
        except OverflowError:
            result = math.inf if value > 0 else -math.inf
    else:
        try:
            array = np.asarray(value)
        except (RuntimeError, TypeError, ValueError):
            array = np.asarray(None)
        if array.ndim or array.dtype.kind not in "iuf":
            raise TypeError(f"`{name}` must be a number, but is {shown(value)}.")
        result = float(array)
    if not math.isfinite(result):
        came = shown(value) if type(value) is int else result
        raise ValueError(f"`{name}` must be a finite number, but is {came}.")
    if not (at_least <= result <= at_most and above < result < below):
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (
                ("at least", at_least),
                ("above", above),
                ("at most", at_most),
                ("below", below),
            )
            if math.isfinite(bound)
        ]
        raise ValueError(f"`{name}` must be {' and '.join(bounds)}, but is {value}.")
    return result


def whole_number(
    name: str, value: Any, *, at_least: int, at_most: int | None = None
) -> int:
    """Return `value` as an int after checking that it is one, neither too small nor too
    large."""
    try:
        if type(value) is int:
            result = value
        elif isinstance(value, (bool, np.bool)) or (
            isinstance(value, np.ndarray) and value.ndim
        ):
            raise TypeError
        else:
            result = operator.index(value)
    except TypeError:
        raise TypeError(
            f"`{name}` must be an integer, but is {shown(value)}."
        ) from None
    if result < at_least or (at_most is not None and result > at_most):
        bounds = (
            f"at least {at_least}"
            if at_most is None
            else f"an integer from {at_least} to {at_most}"
        )
        raise ValueError(f"`{name}` must be {bounds}, but is {shown(result)}.")
    return result


def flag(name: str, value: Any) -> bool:
    """Return `value` as a bool after checking that it is True or False, or 1 or 0."""
    if not isinstance(value, (bool, np.bool, int, np.integer)) or value not in (0, 1):
        raise TypeError(f"`{name}` must be True or False, but is {shown(value)}.")
    return bool(value)


def one_of(name: str, value: Any, *options: str | None) -> Any:
    """Return `value` after checking that it is one of the options."""
    if not any(
        value is option or (isinstance(value, str) and value == option)
        for option in options
    ):
        listed = " or ".join(repr(option) for option in options)
        raise ValueError(f"`{name}` must be {listed}, but is {shown(value)}.")
    return value


def as_text(name: str, value: Any) -> str:
    """Return `value` after checking that it is a string."""
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be a string, but is {shown(value)}.")
    return value


def as_function(name: str, value: Any) -> Callable[..., Any]:
    """Return `value` after checking that it can be called."""
    if not callable(value):
        raise TypeError(f"`{name}` must be a function, but is {shown(value)}.")
    return value


def as_path(name: str, value: Any) -> Path:
    """Return `value` as a path after checking that it is one, or a string that can be
    one."""
    try:
        found = os.fspath(value)
    except TypeError:
        found = None
    if not isinstance(found, str):
        raise TypeError(f"`{name}` must be a path, but is {shown(value)}.")
    if not found or "\0" in found:
        raise ValueError(
            f"`{name}` must be a path, not empty and without null characters, but is {found!r}."
        )
    return Path(found)


class _Shown(reprlib.Repr):
    """How an error shows what came: as it is, unless that would fill the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 20
        self.maxstring = self.maxother = 200
        self.maxlong = 60


def shown(value: Any) -> str:
    """Return a text of `value` for an error."""
    try:
        return _Shown().repr(value)
    except Exception:
        # Some objects cannot say what they are, and no error may hide the one to be told.
        return f"of type {type(value).__name__}"
