"""Finds the most likely reason why a layer's gradient is wrong: first what a backward pass
in particular gets wrong, then what any gradient may show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._calls import Trouble
from .._compare import same
from .._diagnosis import Diagnosis
from ._layer import Layer
from ._measured import Measured
from ._patterns import likely_cause
from ._slopes import Array

Gradients = Sequence[Array | None]


def cause_of(
    layer: Layer, i: int, measured: Measured, gradients: Gradients
) -> Diagnosis:
    """Return why the gradient of input `i`, one of `gradients`, is wrong."""
    return (
        _exchanged(layer, i, measured, gradients)
        or _of_a_backward_pass(layer, i, measured)
        or likely_cause(f"d{layer.names[i]}", measured, layer.sizes())
        or Diagnosis(
            "unknown",
            "None of the patterns known here gives these numbers. Follow the derivation by hand for "
            "one entry: every path from the input to the output adds a term.",
        )
    )


def _exchanged(
    layer: Layer, i: int, measured: Measured, gradients: Gradients
) -> Diagnosis | None:
    """Look for a gradient that stands in the place of another."""
    for j, other in zip(layer.wanted, gradients, strict=True):
        if j != i and other is not None and other.any() and measured.agrees(other):
            return Diagnosis(
                "exchanged",
                f"What is returned as d{layer.names[j]} is d{layer.names[i]}: the gradients must come "
                "in the order of the inputs.",
            )
    return None


def _of_a_backward_pass(layer: Layer, i: int, measured: Measured) -> Diagnosis | None:
    got = measured.got
    if got is None or got.shape != measured.shape or not got.any():
        return None
    name = f"d{layer.names[i]}"
    return (
        _use_of_dout(layer, name, i, got)
        or _one_branch(layer, name, i, measured)
        or _not_accumulated(layer, name, measured)
        or _factor_of_derivative(layer, name, measured)
    )


def _use_of_dout(layer: Layer, name: str, i: int, got: Array) -> Diagnosis | None:
    """Look for a gradient that is not dout times a derivative."""
    if not layer.dout.ndim:
        return None
    try:
        twice = layer.gradients(2 * layer.dout)[layer.wanted.index(i)]
    except Trouble:
        twice = None
    if twice is not None and same(twice, got):
        return Diagnosis(
            "ignores-dout",
            f"`{name}` does not change with dout: by the chain rule, every gradient is a product with "
            "it.",
        )
    if twice is not None and not same(twice, 2 * got):
        return Diagnosis(
            "not-linear",
            f"Twice the dout does not give twice the `{name}`: a gradient is linear in dout, so dout "
            "must stand in every term exactly once.",
        )
    if same(got, layer.dout):
        return Diagnosis(
            "no-derivative",
            f"`{name}` is dout itself: the derivative of the layer is missing.",
        )
    return None


def _one_branch(
    layer: Layer, name: str, i: int, measured: Measured
) -> Diagnosis | None:
    """Look for a gradient that is wrong in one branch of a condition."""
    if not measured.entries or measured.numeric is None:
        return None
    x, wrong = layer.inputs[i], np.zeros(measured.shape, bool)
    for index, probe in measured.entries.items():
        wrong[index] = probe.status == "wrong"
    if wrong.sum() < 2 or wrong.all():
        return None
    for text, mask in (
        ("negative", x < 0),
        ("positive", x > 0),
        ("above 1", x > 1),
        ("outside -1 to 1", np.abs(x) > 1),
        ("between -1 and 1", np.abs(x) < 1),
    ):
        if np.array_equal(wrong, mask):
            return Diagnosis(
                "one-sided",
                f"`{name}` is wrong exactly where `{name[1:]}` is {text}, and right elsewhere: look "
                "at the condition in backward, and at its other branch.",
            )
    return None


def _not_accumulated(layer: Layer, name: str, measured: Measured) -> Diagnosis | None:
    """Look for a loop that keeps its first or its last term only."""
    dout = layer.dout
    jacobian = measured.fill_jacobian() if dout.ndim else None
    if jacobian is None:
        return None
    for axis in range(dout.ndim):
        if dout.shape[axis] < 2:
            continue
        for which, k in (("last", -1), ("first", 0)):
            part = np.zeros_like(dout)
            chosen = (slice(None),) * axis + (k,)
            part[chosen] = dout[chosen]
            alone = np.tensordot(jacobian, part, axes=dout.ndim)
            if part.any() and same(measured.got, alone):
                return Diagnosis(
                    "not-accumulated",
                    f"`{name}` holds only what comes from the {which} of dout's axis {axis}: add up "
                    "in the loop (`+=`), or sum over all of them.",
                )
    return None


def _factor_of_derivative(
    layer: Layer, name: str, measured: Measured
) -> Diagnosis | None:
    """Look for a factor, made of an input or of the output, that is missing or too
    much."""
    got = measured.got
    assert got is not None
    factors = {layer.names[j]: layer.inputs[j] for j in layer.wanted}
    factors["out"] = measured.slopes.here
    for called, factor in factors.items():
        if not _stretches(factor.shape, got.shape) or np.ptp(factor) == 0:
            continue
        for text, value in ((called, factor), (f"(1 - {called})", 1 - factor)):
            if measured.agrees(got * value):
                return Diagnosis(
                    "missing-factor",
                    f"`{name}` would be right if multiplied by {text}: that factor of the "
                    "derivative is missing.",
                )
            if np.all(value != 0) and measured.agrees(got / value):
                return Diagnosis(
                    "extra-factor",
                    f"`{name}` would be right if divided by {text}: that factor is one too many.",
                )
    return None


def _stretches(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Return whether an array of one shape is stretched to another by broadcasting."""
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False
