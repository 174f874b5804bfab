"""Image records on disk and in memory: reading, caching, splitting.

A record is CIFAR-10's: one byte for the label, then 1,024 bytes each of red, green and
blue, row by row. A block is an array of records, uint8 (count, 3073).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._arguments import whole_number
from .._files import replacing

Block = npt.NDArray[np.uint8]

IMAGE_SHAPE = (3, 32, 32)
RECORD_SIZE = 1 + 3 * 32 * 32
NUM_CLASSES = 10


def cache_folder() -> Path:
    """Return the folder for files that can be made or fetched again: `NNDL_CACHE`, or
    the user's."""
    chosen = os.environ.get("NNDL_CACHE")
    if chosen:
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("nndl")


def pack(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> Block:
    """Return the records of images (n, 3, 32, 32) with labels (n,)."""
    return np.concatenate(
        [labels.astype(np.uint8)[:, None], images.reshape(len(images), -1)], axis=1
    )


def read(path: Path, count: int) -> Block:
    """Read a file of `count` records.

    Raises
    ------
    ValueError
        If the file has another size, or a label that is no class.
    """
    expected, actual = count * RECORD_SIZE, path.stat().st_size
    if actual != expected:
        raise ValueError(
            f"{path} must have {expected} bytes ({count} records), but has {actual}: it is damaged."
        )
    block = np.fromfile(path, dtype=np.uint8).reshape(count, RECORD_SIZE)
    if block[:, 0].max() >= NUM_CLASSES:
        row = int(np.argmax(block[:, 0] >= NUM_CLASSES))
        raise ValueError(
            f"{path} must have labels from 0 to {NUM_CLASSES - 1}, but record {row} has "
            f"{block[row, 0]}: it is damaged."
        )
    return block


def cached(path: Path, count: int, sha256: str, make: Callable[[], Block]) -> Block:
    """Return the records in the file at `path`; make them, and the file, unless it is
    there whole."""
    with contextlib.suppress(OSError, ValueError):
        block = read(path, count)
        if hashlib.sha256(block.data).hexdigest() == sha256:
            return block
    block = make()
    # A cache only saves time: where it cannot be written, every run makes the records.
    with contextlib.suppress(OSError), replacing(path) as file:
        file.write(block.data)
    return block


class Layout(NamedTuple):
    """A data set's class names, and the records at which its parts end, in the order of
    the parts."""

    class_names: tuple[str, ...]
    train_end: int
    val_end: int
    test_end: int

    def ranges(self, **counts: int | None) -> dict[str, range]:
        """Return the first rows of train, val and test: three counts by name, None for
        all rows."""
        ranges, start = {}, 0
        for part, end, (name, count) in zip(
            ("train", "val", "test"), self[1:], counts.items(), strict=True
        ):
            most = end - start
            size = (
                most
                if count is None
                else whole_number(name, count, at_least=1, at_most=most)
            )
            ranges[part] = range(start, start + size)
            start = end
        return ranges


def split(
    blocks: Iterable[Block], ranges: dict[str, range], subtract_mean: bool
) -> dict[str, Any]:
    """Return the arrays of some ranges of records, and the mean image of the range
    "train".

    Blocks are taken one at a time and each array is allocated once, so that little more
    memory than the result's own is in use.
    """
    data: dict[str, Any] = {}
    for part, rows in ranges.items():
        data[f"X_{part}"] = np.empty((len(rows), *IMAGE_SHAPE), dtype=np.float32)
        data[f"y_{part}"] = np.empty(len(rows), dtype=np.int64)
    # Integers, so that the mean is exact: 50,000 images of 255 stay far below 2**32.
    total = np.zeros(RECORD_SIZE - 1, dtype=np.uint32)
    start = 0
    for block in blocks:
        stop = start + len(block)
        for part, rows in ranges.items():
            first, last = max(start, rows.start), min(stop, rows.stop)
            if first >= last:
                continue
            records = block[first - start : last - start]
            place = slice(first - rows.start, last - rows.start)
            data[f"X_{part}"].reshape(len(rows), -1)[place] = records[:, 1:]
            data[f"y_{part}"][place] = records[:, 0]
            if part == "train":
                total += records[:, 1:].sum(axis=0, dtype=np.uint32)
        start = stop
    data["mean_image"] = (
        (total / len(ranges["train"])).astype(np.float32).reshape(IMAGE_SHAPE)
    )
    if subtract_mean:
        for part in ranges:
            data[f"X_{part}"] -= data["mean_image"]
    return data
