"""One line of the benchmark, and what follows from its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .bars import AGAINST_CLASSIC, AGAINST_PYTORCH, LIMITS, Bar, Limit

#: What the peers' names stand for.
PEERS = {
    "nndl": "ours, compiled",
    "torch": "PyTorch as it comes",
    "ch_last": "PyTorch, tensors in channels_last layout",
    "fused": "PyTorch with fused Adam",
    "fused_cl": "PyTorch with both",
    "classic": "im2col, matrix product, col2im in NumPy; pooling as tiles",
    "naive": "the readable loops, timed on a few images and scaled to all",
    "readable": "the readable NumPy twin",
}

#: PyTorch's ways of doing the same; ours is compared with the best of them.
TORCH_WAYS = ("torch", "ch_last", "fused", "fused_cl")


@dataclass(frozen=True)
class Row:
    """The medians of all peers for one piece of work."""

    #: As in `bars`: "T1 conv forward".
    work: str
    #: By peer, in milliseconds (memory: MB); ours is under "nndl".
    values: Mapping[str, float]
    #: Multiplications and additions of the definition, where they are counted.
    flops: float | None = None
    dtype: str = "float32"

    @property
    def ratios(self) -> dict[str, float]:
        """How many times ours each peer takes; "torch" is the best of its ways."""
        against = dict(self.values)
        ours = against.pop("nndl")
        ways = [against.pop(way) for way in TORCH_WAYS if way in against]
        if ways:
            against = {"torch": min(ways), **against}
        return {peer: value / ours for peer, value in against.items()}

    @property
    def bars(self) -> dict[str, tuple[Bar, str]]:
        """The bars that concern this row, by peer, and whether each is met."""
        found = {
            "torch": AGAINST_PYTORCH.get(self.work),
            "classic": AGAINST_CLASSIC.get(self.work),
        }
        return {
            peer: (bar, bar.verdict(self.ratios[peer]))
            for peer, bar in found.items()
            if bar is not None and peer in self.ratios
        }

    @property
    def limit(self) -> tuple[Limit, str] | None:
        """The limit on our value, if there is one, and whether it is met."""
        found = LIMITS.get(self.work)
        return found and (found, found.verdict(self.values["nndl"]))

    @property
    def gflops(self) -> float | None:
        """Our rate in GFLOP/s."""
        return None if self.flops is None else self.flops / self.values["nndl"] / 1e6

    def as_json(self) -> dict[str, Any]:
        return {
            "work": self.work,
            "dtype": self.dtype,
            "values": dict(self.values),
            "ratios": self.ratios,
            "bars": {
                peer: {**bar._asdict(), "verdict": verdict}
                for peer, (bar, verdict) in self.bars.items()
            },
            "limit": self.limit
            and {"at_most": self.limit[0].at_most, "verdict": self.limit[1]},
            "gflops": self.gflops,
        }
