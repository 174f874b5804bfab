"""The two-layer network of UCLA's third homework: CS231n's, with a unit a row in the
weights, and half its penalty."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._arguments import Array
from . import neural_net


class TwoLayerNet(neural_net.TwoLayerNet):
    """A network affine - ReLU - affine - softmax with ``W1`` (H, D) and ``W2``
    (C, H)."""

    _PENALTY = 0.5

    def _shape(self, inputs: int, outputs: int) -> tuple[int, int]:
        return outputs, inputs

    def _weights(self, name: str) -> Array:
        return self.params[name].T

    def _named(self, dW1: Array, db1: Array, dW2: Array, db2: Array) -> dict[str, Any]:
        return {"W1": dW1.T, "b1": db1, "W2": dW2.T, "b2": db2}
