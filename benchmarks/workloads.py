"""What is timed: the shapes of the layers, and the networks.

S1 and S2 are the shapes of the courses' notebooks, T1 to T5 the layers of small
networks, W5 a wide layer with large windows. This file needs no NumPy, so that the
command line can name the work before NumPy is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FloatType = Literal["float32", "float64"]


@dataclass(frozen=True)
class Convolution:
    """Square images and filters; `x` is (N, C, H, H), `w` is (F, C, HH, HH)."""

    N: int
    C: int
    H: int
    F: int
    HH: int
    stride: int
    pad: int
    dtype: FloatType

    @property
    def out(self) -> int:
        """Height and width of the output."""
        return 1 + (self.H + 2 * self.pad - self.HH) // self.stride

    @property
    def flops(self) -> dict[str, float]:
        """Multiplications and additions of the definition, whatever the method.

        The backward pass has two products of the forward's size: `dx` and `dw`.
        """
        products = self.N * self.F * self.out**2 * self.C * self.HH**2
        return {"forward": 2.0 * products, "backward": 4.0 * products}


@dataclass(frozen=True)
class Pooling:
    """2x2 windows, stride 2; `x` is (N, C, H, H)."""

    N: int
    C: int
    H: int
    dtype: FloatType


@dataclass(frozen=True)
class Network:
    """A training step on random images (N, 3, 32, 32) of ten classes, in float32."""

    N: int
    title: str


CONVOLUTIONS = {
    "S1": Convolution(100, 3, 31, 25, 3, stride=2, pad=1, dtype="float64"),
    "T1": Convolution(50, 3, 32, 32, 7, stride=1, pad=3, dtype="float32"),
    "T2": Convolution(500, 3, 32, 64, 3, stride=1, pad=1, dtype="float32"),
    "T3": Convolution(100, 64, 16, 64, 3, stride=1, pad=1, dtype="float32"),
    "T4": Convolution(100, 32, 32, 64, 3, stride=1, pad=1, dtype="float32"),
    "T5": Convolution(100, 128, 8, 128, 3, stride=1, pad=1, dtype="float32"),
    "W5": Convolution(100, 32, 16, 32, 5, stride=1, pad=2, dtype="float32"),
}

POOLINGS = {"S2": Pooling(100, 3, 32, dtype="float64")}

#: The convolutions that are also timed inside a sandwich.
SANDWICHED = ("T1", "T2", "T3", "T4", "T5")

NETWORKS = {
    "N1": Network(50, "ThreeLayerConvNet, 32 filters 7x7, hidden 100"),
    "N2": Network(500, "ThreeLayerConvNet, 64 filters 3x3, hidden 500"),
    "N3": Network(100, "four convolutions 3x3 with batch norm, hidden 256"),
    "N4": Network(100, "five hidden layers of 100 with batch norm"),
}

#: What `--only` accepts.
NAMES = (*CONVOLUTIONS, *POOLINGS, *NETWORKS, "adam", "memory", "soak")
