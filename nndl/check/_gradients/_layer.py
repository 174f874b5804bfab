"""The layer that the reader wrote: a forward and a backward pass, called on copies."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._calls import Trouble, check_signature, guarded, muted
from .._compare import as_array
from ._slopes import Array, Slopes

Function = Callable[..., Any]


def has_gradient(one: Any) -> bool:
    """Return whether an input is an array of floats."""
    return isinstance(one, np.ndarray) and one.dtype.kind == "f"


class Layer:
    """The reader's two functions, and what they are called with, in float64."""

    def __init__(
        self,
        forward: Function,
        backward: Function,
        inputs: Sequence[Any],
        seconds: float,
        rng: np.random.Generator,
    ) -> None:
        self.forward, self.backward = forward, backward
        self.seconds, self.rng = seconds, rng
        self.inputs = [
            one.astype(np.float64) if has_gradient(one) else copy.deepcopy(one)
            for one in inputs
        ]
        self.names = _names(forward, len(inputs))
        #: Which inputs have a gradient.
        self.wanted = [i for i, one in enumerate(inputs) if has_gradient(one)]
        self.converted = [
            self.names[i] for i in self.wanted if inputs[i].dtype != np.float64
        ]
        self.dout: Array = np.ones(())
        self.has_cache = False

    def fresh(self) -> list[Any]:
        """Return copies of the inputs."""
        return copy.deepcopy(self.inputs)

    def sizes(self) -> dict[str, float]:
        """Return numbers that may turn up as a wrong factor."""
        sizes: dict[str, float] = {}
        arrays = {self.names[i]: self.inputs[i] for i in self.wanted}
        for name, array in (*arrays.items(), ("out", self.dout)):
            for axis, length in enumerate(np.shape(array)):
                if length > 1 and float(length) not in sizes.values():
                    sizes[f"{name}.shape[{axis}]"] = float(length)
        return sizes

    # ---- forward ---------------------------------------------------------------------

    def call_forward(self, arguments: Sequence[Any]) -> tuple[Array, Any]:
        """Return the output, and whatever `forward` returned."""
        check_signature(self.forward, self.names)
        with guarded(self.forward, self.seconds, "forward"):
            result = self.forward(*arguments)
        self.has_cache = isinstance(result, tuple)
        return _out_of(result), result

    def slopes(self, inputs: Sequence[Any], i: int) -> Slopes:
        """Return what measures the slopes with respect to input `i`, which is moved."""
        others = [j for j in range(len(inputs)) if j not in self.wanted]
        arguments = list(inputs)

        def evaluate() -> Any:
            # A dict of settings may collect running averages: always the same one.
            for j in others:
                arguments[j] = copy.deepcopy(inputs[j])
            result = self.forward(*arguments)
            return result[0] if isinstance(result, tuple) else result

        return Slopes(arguments[i], evaluate, self.dout)

    # ---- backward --------------------------------------------------------------------

    def call_backward(self, dout: Array, result: Any) -> list[Array | None]:
        """Return the gradients, one for each wanted input."""
        names = ("dout", "cache") if self.has_cache else ("dout",)
        try:
            check_signature(self.backward, names)
        except Trouble:
            returned = (
                "(out, cache)" if self.has_cache else "out alone: return (out, cache)"
            )
            raise Trouble(
                "signature",
                f"backward is called as ({', '.join(names)}), which its parameters "
                f"{inspect.signature(self.backward)} do not take",
                f"forward returned {returned}, or change what backward takes.",
            ) from None
        with guarded(self.backward, self.seconds, "backward"):
            gradients = self.backward(dout, *result[1:] if self.has_cache else ())
        return [
            self._as_gradient(i, one)
            for i, one in zip(self.wanted, self._one_each(gradients), strict=True)
        ]

    def gradients(
        self, dout: Array, inputs: Sequence[Any] | None = None
    ) -> list[Array | None]:
        """Return the gradients of a new forward and backward pass."""
        arguments = self.fresh() if inputs is None else copy.deepcopy(list(inputs))
        with muted():
            _, result = self.call_forward(arguments)
            return self.call_backward(dout.copy(), result)

    def _one_each(self, gradients: Any) -> Sequence[Any]:
        """Return what `backward` returned as one thing for each wanted input."""
        wanted = ", ".join(f"d{self.names[i]}" for i in self.wanted)
        if gradients is None:
            raise Trouble(
                "arity",
                f"backward returned None, and must return {wanted}",
                "A function without a `return` at its end returns None.",
            )
        if not isinstance(gradients, tuple | list):
            if len(self.wanted) > 1:
                raise Trouble(
                    "arity",
                    f"backward returned one {type(gradients).__name__}, and must return "
                    f"{len(self.wanted)} things: {wanted}",
                    "Return None for an input whose gradient is not wanted.",
                )
            return [gradients]
        others = [i for i in range(len(self.inputs)) if i not in self.wanted]
        if len(gradients) == len(self.inputs) and all(
            gradients[i] is None for i in others
        ):
            return [gradients[i] for i in self.wanted]
        if len(gradients) != len(self.wanted):
            raise Trouble(
                "arity",
                f"backward returned {len(gradients)} things, and must return {len(self.wanted)}: "
                f"{wanted}",
                "It returns one gradient for each input that is an array of floats, and None for one "
                "that is not wanted.",
            )
        return gradients

    def _as_gradient(self, i: int, gradient: Any) -> Array | None:
        array = as_array(gradient)
        if array is None and gradient is not None:
            raise Trouble(
                "shape",
                f"`d{self.names[i]}` must be an array of numbers, but is a "
                f"{type(gradient).__name__}",
            )
        return None if array is None else array.astype(np.float64)


def _out_of(result: Any) -> Array:
    """Return the output among what `forward` returned."""
    if isinstance(result, tuple):
        if len(result) != 2:
            raise Trouble(
                "arity",
                f"forward returned {len(result)} things, and must return out or (out, cache)",
                "Put all that backward needs into one tuple, the cache.",
            )
        result = result[0]
    if result is None:
        raise Trouble(
            "arity",
            "forward returned None, and must return out or (out, cache)",
            "A function without a `return` at its end returns None.",
        )
    out = as_array(result)
    if out is None or out.dtype.kind != "f":
        kind = type(result).__name__ if out is None else f"of {out.dtype}"
        raise Trouble(
            "dtype",
            f"`out` must be an array of floats or a float, but is {kind}",
            "Only numbers that can change a little have a slope.",
        )
    return out


def _names(function: Function, count: int) -> list[str]:
    """Return the names of a function's first parameters."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [
        one.name
        for one in parameters
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ][:count]
    return names + [f"input{i}" for i in range(len(names), count)]
