"""The log of a search: a line of JSON for the search, then one for each finished trial.

Each line is on disk before the next begins, so a search that is killed loses at most the
line that it was writing.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from .._arguments import as_path, shown
from .._files import sync_folder
from .._interrupts import uninterrupted
from ._results import Record, SearchResult

#: Raised whenever a reader of older logs could misunderstand a newer one.
VERSION = 1

_FIRST = "nndl sweep"
_VERSIONS = "versions"


class Log:
    """A log that is open for this search alone."""

    def __init__(
        self, settings: dict[str, Any], records: list[Record], file: BinaryIO | None
    ) -> None:
        self.settings, self.records, self._file = settings, records, file

    def add(self, record: Record) -> None:
        """Write a record to the disk."""
        with uninterrupted():
            self.records.append(record)
            if self._file is not None:
                _write(self._file, dataclasses.asdict(record))


@contextmanager
def opened(path: Path | None, wanted: Mapping[str, Any]) -> Iterator[Log]:
    """Open the log of a search, old or new; without a path, one that is only in memory.

    Raises
    ------
    OSError
        If the file cannot be written, or another search is writing it (BlockingIOError).
    ValueError
        If it is the log of another search, or none.
    """
    settings: dict[str, Any] = json.loads(
        json.dumps(wanted)
    )  # as they are when they are read again
    if path is None:
        yield Log(settings, [], None)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                error.errno, "Another search is writing this log", os.fspath(path)
            ) from None
        file.seek(0)
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if whole:
            written, records = _parsed(path, whole)
            _check_same(path, written, settings)
        elif content and not _begins_a_log(content):
            raise ValueError(f"{path} is not the log of a search.")
        file.truncate(len(whole))
        if not whole:
            records = []
            _write(file, {_FIRST: VERSION, **settings, _VERSIONS: _versions()})
            sync_folder(path.parent)
        yield Log(settings, records, file)


def read_log(path: str | os.PathLike[str]) -> SearchResult:
    """Read the log of a search, which may be running still.

    Parameters
    ----------
    path : path
        The file that `search` was given as its `log`.

    Returns
    -------
    SearchResult
        What had been finished when it was read. A last line that was cut off is left
        out.

    Raises
    ------
    OSError
        If the file cannot be read.
    TypeError
        If `path` is no path.
    ValueError
        If it is no log of a search, is damaged, or was written by a newer version.
    """
    path = as_path("path", path)
    content = path.read_bytes()
    settings, records = _parsed(path, content[: content.rfind(b"\n") + 1])
    return SearchResult(records, settings)


def _write(file: BinaryIO, line: Mapping[str, Any]) -> None:
    file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("nndl", "numpy", "distributed")}
    return {"python": platform.python_version(), **packages}


def _begins_a_log(content: bytes) -> bool:
    begin = json.dumps({_FIRST: VERSION})[:-1].encode()
    return content.startswith(begin) or begin.startswith(content)


def _parsed(path: Path, content: bytes) -> tuple[dict[str, Any], list[Record]]:
    """Return the settings and the records in whole lines."""
    first, *rest = content.splitlines() or [b""]
    try:
        settings = json.loads(first)
        found = settings.pop(_FIRST)
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ValueError(f"{path} is not the log of a search.") from None
    if found != VERSION:
        raise ValueError(
            f"{path} is a log of format {shown(found)}, but this version of nndl knows format "
            f"{VERSION}."
        )
    settings.pop(_VERSIONS, None)
    records = []
    for n, line in enumerate(rest, start=2):
        try:
            records.append(Record(**json.loads(line)))
        except (ValueError, TypeError):
            raise ValueError(
                f"{path} is damaged: its line {n} is no record of a trial."
            ) from None
    return settings, records


def _check_same(
    path: Path, written: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    for key in wanted:
        if written.get(key) == wanted[key]:
            continue
        before, now = written.get(key), wanted[key]
        if isinstance(before, dict) and isinstance(now, dict):
            name = next(
                name for name in {**before, **now} if before.get(name) != now.get(name)
            )
            key, before, now = (
                f"{key}[{name!r}]",
                before.get(name, "absent"),
                now.get(name, "absent"),
            )
        raise ValueError(
            f"`log` must be a new file or the log of this search, but {path} is that of another: "
            f"its {key} is {shown(before)}, not {shown(now)}."
        )
