"""Runs notebooks in place, and leaves in them nothing that changes from run to run.

    python tools/execute_notebooks.py book/chapters/*.ipynb

A notebook is written only when it ran to its end, and then in one step, so an error
leaves the old one as it was. Times of execution, versions and the like are left out:
what `git diff` shows after a run is what the chapter now says differently.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
KEPT_CELL_METADATA = ("mystnb", "tags")


def execute(path: Path) -> None:
    """Run the notebook at `path` in its own folder and write it back."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name=KERNEL["name"],
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    remove_volatile_metadata(notebook)
    part = path.with_suffix(".part")
    nbformat.write(notebook, part)
    os.replace(part, path)


def remove_volatile_metadata(notebook: nbformat.NotebookNode) -> None:
    """Keep of the metadata only what the book's build reads."""
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(
            {
                key: cell.metadata[key]
                for key in KEPT_CELL_METADATA
                if key in cell.metadata
            }
        )


def main(paths: list[str]) -> int:
    if not paths:
        print(__doc__)
        return 2
    for path in map(Path, paths):
        print(path, flush=True)
        try:
            execute(path)
        except CellExecutionError as error:
            print(f"{path} was left as it was:\n{error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
