"""Measures what each chapter's best network reaches on both image sets, and writes it down.

    python tools/record_progress.py [--note "re-encoded as JPEG"] book/chapters/*.ipynb

A chapter names its best network, `best_network`, and that network's validation accuracy,
`best_val_acc`, in some cell before the one that calls `plot_progress`. The results go to
`progress.json` beside the notebooks; the records of other chapters stay. CIFAR-10 must be
on the machine: `nndl data fetch cifar10`, or `NNDL_DATA`. If its files are not the official
ones, say so with `--note`, which is recorded and shown.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

SETS = ("shapes", "cifar10")
ASK = "import json; print(json.dumps([best_network, round(float(best_val_acc), 3)]))"


def cells_to_the_figure(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the cells before the one that draws the progress."""
    for count, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and "plot_progress(" in cell.source:
            return list(notebook.cells[:count])
    raise ValueError("no cell calls plot_progress")


def measure(path: Path, image_set: str) -> tuple[str, float]:
    """Run the chapter at `path` on a set of images; return its best network and accuracy."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [*cells_to_the_figure(notebook), nbformat.v4.new_code_cell(ASK)]
    client = NotebookClient(
        notebook,
        timeout=3600,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute(env=os.environ | {"NNDL_DATASET": image_set})
    network, accuracy = json.loads(notebook.cells[-1].outputs[-1].text)
    return network, accuracy


def record(path: Path, note: str | None) -> dict[str, Any]:
    """Return the record of the chapter at `path`."""
    result: dict[str, Any] = {"chapter": int(path.name.split("-")[0])}
    for image_set in SETS:
        result["network"], result[image_set] = measure(path, image_set)
    if note:
        result["cifar10_note"] = note
    return result


def store(new: dict[str, Any], path: Path) -> None:
    """Put a record into the file at `path`, in one step."""
    records = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    by_chapter = {item["chapter"]: item for item in [*records, new]}
    lines = [json.dumps(by_chapter[chapter]) for chapter in sorted(by_chapter)]
    part = path.with_suffix(".part")
    part.write_text("[\n  " + ",\n  ".join(lines) + "\n]\n", encoding="utf-8")
    os.replace(part, path)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chapters", nargs="+", type=Path, help="notebooks")
    parser.add_argument("--note", help="what is special about this copy of CIFAR-10")
    asked = parser.parse_args(arguments)
    for path in asked.chapters:
        result = record(path, asked.note)
        print(result, flush=True)
        store(result, path.parent / "progress.json")


if __name__ == "__main__":
    main(sys.argv[1:])
