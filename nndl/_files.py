"""Writes files that are either whole or not there."""

from __future__ import annotations

import contextlib
import glob
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once it is whole and on disk, and not
    before.

    Readers see the old file or the new one, never a part; of two writers the later one
    wins. A symbolic link at `path` is replaced, and what it points to left alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_up(path)
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, so that a new file is still under its own
    after a power failure; where the system cannot, it does so itself after a while."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _clear_up(path: Path) -> None:
    """Remove the parts that processes left behind which were killed while writing."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        writer = part.name.split(".")[-2].partition("-")[0]
        if writer.isdecimal() and not _is_running(int(writer)):
            with contextlib.suppress(OSError):  # it is somebody else's
                part.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # somebody else's, but running
    return True
