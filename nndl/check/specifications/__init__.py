"""Every function that can be checked, by name."""

from __future__ import annotations

import difflib
import functools
import importlib

from .._specification import Specification

#: A module for each kind of layer and for each chapter's exercises; each names its
#: specifications in `ALL`.
_MODULES = (
    "affine",
    "batchnorm",
    "layernorm",
    "dropout",
    "losses",
    "relu",
    "convolution",
    "pooling",
    "spatial_batchnorm",
    "groupnorm",
    "optim",
    "sandwiches",
    "exercises_01",
    "exercises_02",
    "exercises_03",
    "exercises_04",
    "exercises_05",
    "exercises_06",
    "exercises_07",
    "exercises_08",
    "exercises_09",
)
#: Which names are known, in a sentence.
KNOWN = (
    "Known are the functions of nndl.layers, nndl.conv_layers, nndl.layer_utils and nndl.optim, and "
    "those that the exercises ask for."
)
#: What a function's name may end in and still mean the same function.
_ENDINGS = ("", "_naive", "_fast", "_alt")


@functools.cache
def all_specifications() -> dict[str, Specification]:
    """Return all specifications by the name of their function."""
    found = {}
    for module in _MODULES:
        for one in importlib.import_module(f"{__name__}.{module}").ALL:
            found[one.name] = one
    return found


def other_names(name: str) -> list[str]:
    """Return the names under which the function called `name` may be known."""
    stem = name
    for ending in _ENDINGS[1:]:
        stem = stem.removesuffix(ending)
    return list(dict.fromkeys([name, *(stem + ending for ending in _ENDINGS)]))


def find(name: str) -> Specification:
    """Return the specification of the function called `name`, whatever it ends in."""
    known = all_specifications()
    for other in other_names(name):
        if other in known:
            return known[other]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(
        f"`name` must be that of a function of the book, but there is none called {name!r}.{hint} "
        f"{KNOWN}"
    )
