"""What the networks share: named parameters, their initial values, and the penalty."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ._arguments import Array, as_float_array, flag, number, one_of, shown, whole_number

Params = dict[str, Array]
Shape = tuple[int, ...]

#: Of a layer, an image or a filter. Products of two sizes still fit into 64 bits.
LARGEST_SIZE = 2**31 - 1


class Network:
    """A dict of parameters and what every network does with it; which layers use them,
    a subclass says.

    Attributes
    ----------
    params : dict
        ``W1``, ``b1``, ``W2``, ``b2``, ... and, where there is normalization,
        ``gamma1``, ``beta1``, ...
    bn_params : list of dict
        The settings and running averages of each batch normalization.
    dropout_params : list of dict
        The settings of each dropout.
    reg : float
        Strength of the L2 penalty.
    dtype : numpy.dtype
        float32 or float64.
    fast : bool
        Whether the compiled twins of the layers run.
    """

    def __init__(self, reg: float, dtype: DTypeLike, fast: bool) -> None:
        self.params: Params = {}
        self.bn_params: list[dict[str, Any]] = []
        self.dropout_params: list[dict[str, Any]] = []
        self.reg = number("reg", reg, at_least=0)
        self.dtype = _float_type(dtype)
        self.fast = flag("fast", fast)

    def _add_weights(
        self, i: int, shape: Shape, weight_scale: float | str, rng: Any
    ) -> None:
        """Draw ``W{i}`` from a normal distribution, (D, M) for an affine layer or
        (F, C, HH, WW) for a convolution, and set ``b{i}`` to 0."""
        is_affine = len(shape) == 2
        if math.prod(shape) * np.dtype(np.float64).itemsize > sys.maxsize:
            raise MemoryError(f"no memory for `W{i}`, whose shape would be {shape}.")
        inputs = shape[0] if is_affine else math.prod(shape[1:])  # of one unit
        outputs = shape[1] if is_affine else shape[0]
        if isinstance(weight_scale, str):
            one_of("weight_scale", weight_scale, "he")
            scale = math.sqrt(2 / inputs)
        else:
            scale = number("weight_scale", weight_scale, at_least=0)
        W = scale * rng.standard_normal(shape)
        self.params[f"W{i}"] = W.astype(self.dtype)
        self.params[f"b{i}"] = np.zeros(outputs, self.dtype)

    def _add_scale_and_shift(self, i: int, size: int) -> None:
        """Set ``gamma{i}`` and ``beta{i}`` of a normalization to 1 and 0."""
        self.params[f"gamma{i}"] = np.ones(size, self.dtype)
        self.params[f"beta{i}"] = np.zeros(size, self.dtype)

    def _add_running_averages(self, size: int) -> None:
        """Begin the settings of a batch normalization."""
        average = {
            key: np.zeros(size, self.dtype) for key in ("running_mean", "running_var")
        }
        self.bn_params.append({"mode": "train"} | average)

    def _add_dropout(self, keep: float, seed: int | None, rng: Any) -> None:
        """Begin the settings of a dropout layer."""
        if seed is not None:
            # Every layer its own seed, or layers of one size would drop the same units.
            seed = whole_number("seed", seed, at_least=0) + len(self.dropout_params) + 1
        self.dropout_params.append(
            {"mode": "train", "p": keep, "seed": seed, "rng": rng}
        )

    def _set_mode(self, mode: str) -> None:
        """Set all layers that behave differently in training and test to one of
        them."""
        for param in self.bn_params + self.dropout_params:
            param["mode"] = mode

    def _as_input(self, X: Any, shape: Shape | None = None) -> Array:
        """Return a minibatch in the network's float type, after checking that an example
        has the shape given or, if none is, as many numbers as ``W1`` has rows."""
        X = as_float_array("X", X).astype(self.dtype, copy=False)
        if shape is not None and X.shape[1:] != shape:
            raise ValueError(
                f"`X` must have shape (N, {', '.join(map(str, shape))}), but its shape is {X.shape}."
            )
        if shape is None:
            D = len(self.params["W1"])
            if X.ndim == 0 or math.prod(X.shape[1:]) != D:
                raise ValueError(
                    f"`X` must have shape (N, d_1, ..., d_k) with {D} numbers in an example, but its "
                    f"shape is {X.shape}."
                )
        return X

    def _add_l2(self, grads: Params) -> float:
        """Add the L2 penalty's gradient to that of every weight matrix, and return the
        penalty."""
        penalty = 0.0
        for name in grads:
            if name.startswith("W") and self.reg:
                W = self.params[name]
                penalty += 0.5 * self.reg * _sum_of_squares(W)
                grads[name] += self.reg * W
        return penalty


def _sum_of_squares(W: Array) -> float:
    """Return the sum of the squares of all weights, also where one of these is too large
    for the array's float type."""
    with np.errstate(over="ignore"):
        total = float(np.sum(W * W))
    largest = float(np.abs(W).max()) if math.isinf(total) else 0.0
    if 0 < largest < math.inf:
        total = float(np.sum((W / largest) ** 2)) * largest * largest
    return total


def as_network(model: Any) -> Any:
    """Return `model` after checking that it has what training asks of a network."""
    params = getattr(model, "params", None)
    if not isinstance(params, dict) or not callable(getattr(model, "loss", None)):
        raise TypeError(
            f"`model` must have a dict `params` and a method `loss`, but is {shown(model)}."
        )
    return model


def size(name: str, value: Any) -> int:
    """Return the size of a layer: an integer from 1 on, as long as arrays may be."""
    result = whole_number(name, value, at_least=1)
    if result > LARGEST_SIZE:
        raise ValueError(
            f"`{name}` must be at most {LARGEST_SIZE}, but is {shown(result)}."
        )
    return result


def _float_type(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`dtype` must be float32 or float64, but is {dtype!r}."
        ) from error
    if dtype is None or found not in (np.float32, np.float64):
        raise ValueError(
            f"`dtype` must be float32 or float64, but is {None if dtype is None else found}."
        )
    return found
