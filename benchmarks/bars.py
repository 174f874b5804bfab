"""How much longer than ours a peer should take: at least, and what we aim at. And what
must not be exceeded, whatever others do.

The rows are named as in the table that is printed. PyTorch stands for the quickest of
its ways; memory counts like time.
"""

from __future__ import annotations

from typing import NamedTuple


class Bar(NamedTuple):
    at_least: float
    aim: float

    def verdict(self, ratio: float) -> str:
        if ratio < self.at_least:
            return "missed"
        return "aim" if ratio >= self.aim else "met"


class Limit(NamedTuple):
    at_most: float

    def verdict(self, value: float) -> str:
        return "met" if value <= self.at_most else "missed"


AGAINST_PYTORCH = {
    "S1 conv forward": Bar(1.4, 2.0),
    "S1 conv backward": Bar(1.5, 2.0),
    "S2 pool forward": Bar(5.0, 8.0),
    "S2 pool backward": Bar(4.0, 8.0),
    "T1 conv forward": Bar(0.95, 1.1),
    "T1 conv backward": Bar(2.0, 2.5),
    "T2 conv forward": Bar(1.5, 2.0),
    "T2 conv backward": Bar(2.3, 3.0),
    "T3 conv forward": Bar(1.4, 1.7),
    "T3 conv backward": Bar(1.3, 1.7),
    "T4 conv forward": Bar(1.3, 1.7),
    "T4 conv backward": Bar(1.6, 2.0),
    "T5 conv forward": Bar(1.4, 1.7),
    "T5 conv backward": Bar(1.3, 1.7),
    "W5 conv forward": Bar(0.9, 1.2),
    "W5 conv backward": Bar(0.9, 1.2),
    "T1 conv-relu-pool forward": Bar(1.2, 2.0),
    "T1 conv-relu-pool backward": Bar(1.2, 2.0),
    "T2 conv-relu-pool forward": Bar(1.2, 8.0),
    "T2 conv-relu-pool backward": Bar(1.2, 8.0),
    **{f"T{i} bn-relu forward": Bar(1.8, 3.0) for i in range(1, 6)},
    **{f"T{i} bn-relu backward": Bar(1.5, 2.5) for i in range(1, 6)},
    "N1 step": Bar(2.3, 2.7),
    "N2 step": Bar(3.0, 3.8),
    "N3 step": Bar(1.5, 2.0),
    "N4 step": Bar(1.15, 1.4),
    "N2 memory": Bar(3.0, 5.0),
}

AGAINST_CLASSIC = {
    f"{name} conv {direction}": Bar(2.0, 4.0)
    for name in ("S1", "T1", "T2", "T3", "T4", "T5", "W5")
    for direction in ("forward", "backward")
}

LIMITS = {"N1 soak": Limit(1.0)}
