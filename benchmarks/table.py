"""Prints a section of the benchmark as a table, each row as soon as it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .results import TORCH_WAYS, Row


class Table:
    """Columns: each peer's median; how many times ours each rival takes, with the bar;
    our rate, where it is counted.

    Parameters
    ----------
    title : str
    unit : str
        Of the medians.
    peers : sequence of str
        Those with a column, ours first; PyTorch's ways share one ratio.
    barred : sequence of str
        Rivals with a column for the bar.
    peak : mapping or None
        GFLOP/s of the machine by dtype, if rows have a rate.
    """

    def __init__(
        self,
        title: str,
        unit: str,
        peers: Sequence[str],
        barred: Sequence[str],
        peak: Mapping[str, float] | None,
    ) -> None:
        self.peers = peers
        self.barred = barred
        self.peak = peak
        self.rivals = [peer for peer in peers[1:] if peer not in TORCH_WAYS]
        if any(peer in TORCH_WAYS for peer in peers):
            self.rivals.insert(0, "torch")

        cells = [f"{unit:<26}", *(f"{heading(peer):>10}" for peer in peers)]
        for rival in self.rivals:
            cells.append(f"{heading(rival) + '/ours':>14}")
            cells.append(f"  {'bar':<11}" if rival in barred else "")
        if peak:
            cells.append(f"{'GFLOP/s':>10}{'of peak':>9}")
        print(f"\n{title}\n{_line(cells)}")

    def add(self, row: Row) -> None:
        cells = [f"{row.work:<26}"]
        cells += [_number(row.values.get(peer), 10) for peer in self.peers]
        bars = row.bars
        for rival in self.rivals:
            cells.append(_number(row.ratios.get(rival), 14))
            if rival in bars:
                bar, verdict = bars[rival]
                cells.append(f"  {f'{bar.at_least:g} {verdict}':<11}")
            elif rival in self.barred:
                cells.append(" " * 13)
        if row.limit:
            limit, verdict = row.limit
            cells.append(f"  at most {limit.at_most:g}: {verdict}")
        if self.peak and row.gflops is not None:
            share = row.gflops / self.peak[row.dtype]
            cells.append(f"{row.gflops:>10.0f}{share:>9.0%}")
        print(_line(cells))


def heading(peer: str) -> str:
    """Return the peer's name as tables show it."""
    return "naive*" if peer == "naive" else peer


def _number(value: float | None, width: int) -> str:
    """Three digits that matter, or a blank."""
    if value is None:
        return " " * width
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:>{width},.{decimals}f}"


def _line(cells: Sequence[str]) -> str:
    return "".join(cells).rstrip()
