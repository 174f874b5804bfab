"""The whole benchmark: which sections there are, and their way from the clock to the
table and to the JSON file."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import adam, layers, machine, memory, networks
from .pytorch import torch
from .results import PEERS, TORCH_WAYS, Row
from .table import Table, heading
from .timing import QUICK, THOROUGH, Effort


@dataclass(frozen=True)
class Section:
    title: str
    unit: str
    peers: tuple[str, ...]
    rows: Callable[[Collection[str], Effort], Iterator[Row]]
    barred: tuple[str, ...] = ("torch",)
    has_rates: bool = False


SECTIONS = (
    Section(
        "Convolution and max pooling",
        "ms",
        ("nndl", "torch", "ch_last", "classic", "naive"),
        layers.single_layers,
        barred=("torch", "classic"),
        has_rates=True,
    ),
    Section(
        "Convolution, ReLU and 2x2 max pooling, fused",
        "ms",
        ("nndl", "torch", "ch_last"),
        layers.conv_relu_pools,
    ),
    Section(
        "Spatial batch norm and ReLU, of the convolutions' outputs",
        "ms",
        ("nndl", "torch", "ch_last"),
        layers.bn_relus,
    ),
    Section(
        "One step of Adam, by number of parameters",
        "ms",
        ("nndl", "fused", "readable"),
        adam.steps,
        barred=(),
    ),
    Section(
        "Whole training steps: forward, loss, backward, Adam",
        "ms",
        ("nndl", "torch", "fused", "fused_cl"),
        networks.steps,
    ),
    Section(
        "Memory of four training steps: the most during them, less what was held before",
        "MB",
        ("nndl", "torch"),
        memory.growth,
    ),
    Section(
        "Memory of a long training (2,000 steps; --quick: 300): growth after the first 100",
        "MB",
        ("nndl",),
        memory.soak,
        barred=(),
    ),
)


def run(names: Collection[str], quick: bool, json_file: Path | None) -> None:
    """Measure the work named, print the table, and write the JSON file."""
    others = machine.OtherPrograms()
    description, peak = machine.description(), machine.peak()
    print("\n".join([*description, machine.peak_line(peak)]))
    _explain()
    measured: list[dict[str, Any]] = []
    rows: list[Row] = []
    for section in SECTIONS:
        found = list(_print_rows(section, names, QUICK if quick else THOROUGH, peak))
        rows += found
        if found:
            entries = [row.as_json() for row in found]
            measured.append(
                {"title": section.title, "unit": section.unit, "rows": entries}
            )
    _sum_up(rows)
    elsewhere = others.share()
    if elsewhere is not None:
        trust = "" if elsewhere < 0.1 else ": do not rely on these numbers"
        print(f"Other programs took {elsewhere:.0%} of the CPUs' time{trust}.")
    if json_file is not None:
        results = {
            "machine": description,
            "peak_gflops": peak,
            "quick": quick,
            "share_of_other_programs": elsewhere,
            "peers": PEERS,
            "sections": measured,
        }
        json_file.write_text(json.dumps(results, indent=1) + "\n")


def _print_rows(
    section: Section, names: Collection[str], effort: Effort, peak: dict[str, float]
) -> Iterator[Row]:
    """Print the section's table, which has a heading only if it has rows."""
    peers = [peer for peer in section.peers if torch or peer not in TORCH_WAYS]
    table = None
    for row in section.rows(names, effort):
        if table is None:
            rates = peak if section.has_rates else None
            table = Table(section.title, section.unit, peers, section.barred, rates)
        table.add(row)
        yield row


def _explain() -> None:
    print()
    for peer, meaning in PEERS.items():
        if torch is not None or peer not in TORCH_WAYS:
            print(f"{heading(peer):<9} {meaning}")
    print(
        "x/ours is x's median divided by ours (torch: its quickest way), and the bar what "
        "it should be at least.\nGFLOP/s counts the operations of the definition; "
        "Winograd's method does fewer."
    )
    if torch is None:
        print("PyTorch is not installed, so its columns are missing: make oracle")


def _sum_up(rows: list[Row]) -> None:
    """Say how many bars are met, and name those that are not."""
    verdicts = [
        (f"{row.work} against {rival}", f"{row.ratios[rival]:.2f} of {bar.at_least:g}")
        for row in rows
        for rival, (bar, verdict) in row.bars.items()
        if verdict == "missed"
    ]
    verdicts += [
        (row.work, f"{row.values['nndl']:.2f}, at most {limit.at_most:g}")
        for row in rows
        if row.limit
        for limit, verdict in [row.limit]
        if verdict == "missed"
    ]
    total = sum(len(row.bars) + bool(row.limit) for row in rows)
    if total:
        print(f"\nBars met: {total - len(verdicts)} of {total}.")
        for name, ratio in verdicts:
            print(f"missed: {name}, {ratio}")
