"""Reads the description of a convolutional network, and works out its layers.

A spec names the layers in their order, with ``-`` between them; a group in brackets is
repeated, and what stands behind ``skip`` is added to its own input::

    [conv 32 3x3 - bn - relu] x 2 - pool - skip [conv 32 - bn - relu] - gap
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from ._arguments import number, shown
from ._networks import size
from ._windows import conv_windows, pool_windows

Shape = tuple[int, ...]

#: How each kind of layer is written. Capitals stand for numbers; what stands in brackets
#: may be left out.
FORMS = {
    "conv": "conv F [KxL] [stride S] [pad P]",
    "pool": "pool [KxL] [stride S]",
    "gap": "gap",
    "affine": "affine M",
    "bn": "bn",
    "ln": "ln",
    "gn": "gn G",
    "relu": "relu",
    "dropout": "dropout KEEP",
}
#: A group that is added to its own input is marked at its beginning and its end.
_MARKS = {"skip [": "skip", "]": "add"}
_GROUP = re.compile(r"(\bskip\s*)?\[([^][]*)\](?:\s*x\s*(\d+))?")
#: More than any network has, and few enough to be written out at once.
_MOST_LAYERS = 10_000
_LEFT_OUT = {"conv": {"K": 3, "L": 3, "S": 1}, "pool": {"K": 2, "L": 2, "S": 2}}
_NORMALIZATIONS = ("bn", "ln", "gn")


class Layer(NamedTuple):
    """What is known of a layer before it runs."""

    #: As the spec has it, ``conv 32 3x3``.
    text: str
    #: The first word of the text.
    kind: str
    #: The numbers in the text, under the capitals of its form.
    numbers: dict[str, Any]
    #: What runs it, ``conv`` for `conv_forward` and `conv_backward`; ``skip`` and ``add``
    #: are the network's own affair.
    function: str
    #: Names and shapes of its parameters, in the order in which the function takes them.
    params: dict[str, Shape]
    #: What the function takes after them. Those of ``bn`` and ``dropout`` change during
    #: training, so the network holds them.
    settings: tuple[Any, ...]
    #: The shape of what it makes of one example.
    output: Shape


def plan(spec: str, input_dim: Shape, num_classes: int) -> list[Layer]:
    """Return the layers from images of shape `input_dim` to the scores, of which the
    last is not in the spec.

    Raises
    ------
    ValueError
        If the spec holds something that is not a layer, or a layer that does not fit
        what comes before it.
    TypeError
        If the spec is not a string.
    """
    if not isinstance(spec, str):
        raise TypeError(
            f"`spec` must be a string such as 'conv 32 - relu - pool', but is {shown(spec)}."
        )
    layers: list[Layer] = []
    shape, i = input_dim, 0  # i counts the layers with weights
    bridged: list[Shape] = []  # the inputs of the ``skip`` groups not yet closed
    for text in [*_write_out(spec), f"affine {num_classes}"]:
        try:
            if text in _MARKS:
                _check_bridge(text, shape, bridged)
                layer = Layer(text, _MARKS[text], {}, _MARKS[text], {}, (), shape)
            else:
                kind, numbers = _read(text)
                i += kind in ("conv", "affine")
                _check_place(kind, shape, i, layers)
                layer = Layer(text, kind, numbers, *_fit(kind, numbers, shape, i))
        except ValueError as error:
            raise ValueError(
                f"`spec` has {text!r} as layer {len(layers) + 1}: {error}"
            ) from None
        layers.append(layer)
        shape = layer.output
    return layers


def _write_out(spec: str) -> list[str]:
    """Return the texts of all layers: ``[a - b] x 2`` becomes a, b, a, b, and a group
    behind ``skip`` stands between two marks."""
    wrong = (
        "`spec` must have its groups written as '[layer - layer] x 2' or 'skip [layer - layer]', "
        f"but is {spec!r}."
    )

    def written_out(group: re.Match[str]) -> str:
        inside, times = group[2], int(group[3] or 1)
        if times < 1:
            raise ValueError(
                f"`spec` must repeat a group at least once, but has {group[0]!r}."
            )
        if times * (inside.count("-") + 1) > _MOST_LAYERS:
            raise ValueError(
                f"`spec` must have at most {_MOST_LAYERS:,} layers, but repeats a group {times} times."
            )
        if group[1]:
            inside = f"skip ( - {inside} - )"
        elif group[3] is None:
            raise ValueError(wrong)
        return "-".join([inside] * times)

    text, groups = spec, 1
    while groups:  # from the inside out
        text, groups = _GROUP.subn(written_out, text)
    if "[" in text or "]" in text or "(" in spec or ")" in spec:
        raise ValueError(wrong)
    if not text.strip():
        return []
    marks = {"skip (": "skip [", ")": "]"}
    texts = [" ".join(part.split()) for part in text.split("-")]
    return [marks.get(part, part) for part in texts]


def _read(text: str) -> tuple[str, dict[str, Any]]:
    """Return the kind of a layer and its numbers."""
    kind = text.partition(" ")[0]
    if kind not in FORMS:
        raise ValueError(f"a layer must be one of {'; '.join(FORMS.values())}.")
    pattern = re.sub(r" \[(.*?)\]", r"(?: \1)?", FORMS[kind])
    pattern = re.sub(r"([A-Z]+)", r"(?P<\1>[0-9.]+)", pattern)
    match = re.fullmatch(pattern, text)
    if match is None:
        raise ValueError(f"this kind of layer must be written as {FORMS[kind]}.")
    numbers: dict[str, Any] = dict(_LEFT_OUT.get(kind, {}))
    for name, digits in match.groupdict().items():
        if digits is not None:
            numbers[name] = _value(name, digits)
    return kind, numbers


def _value(name: str, digits: str) -> float:
    try:
        value = float(digits) if "." in digits else int(digits)
    except ValueError:
        raise ValueError(f"`{name}` must be a number, but is {digits}.") from None
    if name == "KEEP":
        return number(name, value, above=0, at_most=1)
    try:
        if name == "P" and value == 0:
            return 0
        return size(name, value)
    except TypeError as error:
        raise ValueError(error) from None


def _check_bridge(text: str, shape: Shape, bridged: list[Shape]) -> None:
    """Check that a ``skip`` group gives back the shape that it takes."""
    if _MARKS[text] == "skip":
        bridged.append(shape)
        return
    taken = bridged.pop()
    if shape != taken:
        raise ValueError(
            f"what stands in skip [...] must give back the shape that it takes, {taken}, but gives "
            f"{shape}."
        )


def _check_place(kind: str, shape: Shape, i: int, layers: list[Layer]) -> None:
    """Check that a layer may stand after `layers`, the last of which gives `shape`."""
    if kind in ("conv", "pool", "gap", "gn") and len(shape) == 1:
        raise ValueError(f"{kind} takes images, but an affine layer comes before it.")
    if kind == "ln" and len(shape) == 3:
        raise ValueError(
            "ln must come after an affine layer; after a convolution, use gn 1, which normalizes "
            "each image over all its channels."
        )
    if kind in _NORMALIZATIONS:
        if i == 0:
            raise ValueError(f"{kind} must come after a convolution or affine layer.")
        if any(f"gamma{i}" in layer.params for layer in layers):
            raise ValueError(
                "a convolution or affine layer must have at most one normalization after it."
            )


def _fit(
    kind: str, numbers: dict[str, Any], shape: Shape, i: int
) -> tuple[str, dict[str, Shape], tuple[Any, ...], Shape]:
    """Return a layer's function, parameters, settings and output for inputs of a given
    shape."""
    match kind:
        case "conv":
            F, pad = numbers["F"], _pad(numbers)
            w_shape = (F, shape[0], numbers["K"], numbers["L"])
            conv_param = {"stride": numbers["S"], "pad": pad}
            *_, H_out, W_out = conv_windows((1, *shape), w_shape, conv_param)
            weights = {f"W{i}": w_shape, f"b{i}": (F,)}
            return "conv", weights, (conv_param,), (F, H_out, W_out)
        case "pool":
            names = {"pool_height": "K", "pool_width": "L", "stride": "S"}
            pool_param = {key: numbers[name] for key, name in names.items()}
            *_, H_out, W_out = pool_windows((1, *shape), pool_param)
            return "max_pool", {}, (pool_param,), (shape[0], H_out, W_out)
        case "gap":
            return "global_avg_pool", {}, (), shape[:1]
        case "affine":
            M = numbers["M"]
            weights = {f"W{i}": (math.prod(shape), M), f"b{i}": (M,)}
            return "affine", weights, (), (M,)
        case "bn":
            function = "batchnorm" if len(shape) == 1 else "spatial_batchnorm"
            return function, _scale_and_shift(shape, i), (), shape
        case "ln":
            return "layernorm", _scale_and_shift(shape, i), ({},), shape
        case "gn":
            G = numbers["G"]
            if shape[0] % G:
                raise ValueError(f"{G} groups do not divide {shape[0]} channels.")
            return "spatial_groupnorm", _scale_and_shift(shape, i), (G, {}), shape
        case _:  # relu and dropout
            return kind, {}, (), shape


def _pad(numbers: dict[str, Any]) -> int:
    """Return the padding of a convolution: unless it is given, what keeps the size of
    the image at stride 1."""
    K, L = numbers["K"], numbers["L"]
    if "P" not in numbers and (K != L or K % 2 == 0):
        raise ValueError(
            f"a filter of {K}x{L} needs its padding written, as in 'pad 1'; only square filters of "
            f"odd size have one that keeps the size of the image."
        )
    pad: int = numbers.get("P", (K - 1) // 2)
    return pad


def _scale_and_shift(shape: Shape, i: int) -> dict[str, Shape]:
    return {f"gamma{i}": shape[:1], f"beta{i}": shape[:1]}
