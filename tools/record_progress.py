"""Measures what each chapter's best network reaches on both image sets, and writes it down.

    python tools/record_progress.py book/chapters/*.ipynb

A chapter names its best network, `best_network`, and that network's validation accuracy,
`best_val_acc`, in some cell before the one that calls `plot_progress`. The results go to
`progress.json` beside the notebooks; the records of other chapters stay. CIFAR-10 must be
on the machine: `nndl data fetch cifar10`, or `NNDL_DATA`.
"""

from __future__ import annotations

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


def record(path: Path) -> dict[str, Any]:
    """Return the record of the chapter at `path`."""
    result: dict[str, Any] = {"chapter": int(path.name.split("-")[0])}
    for image_set in SETS:
        result["network"], result[image_set] = measure(path, image_set)
    return result


def store(new: dict[str, Any], path: Path) -> None:
    """Put a record into the file at `path`, in one step."""
    records = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    by_chapter = {item["chapter"]: item for item in [*records, new]}
    lines = [json.dumps(by_chapter[chapter]) for chapter in sorted(by_chapter)]
    part = path.with_suffix(".part")
    part.write_text("[\n  " + ",\n  ".join(lines) + "\n]\n", encoding="utf-8")
    os.replace(part, path)


def main(paths: list[str]) -> int:
    if not paths:
        print(__doc__)
        return 2
    for path in map(Path, paths):
        result = record(path)
        print(result, flush=True)
        store(result, path.parent / "progress.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
