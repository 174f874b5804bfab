"""Checkpoints: a file of arrays and JSON that is whole and unchanged, or is refused.

A checkpoint is an `.npz` file, which `numpy.load` can read: arrays, and what is not an
array as the member `checkpoint.json`. The file ends in a SHA-256 sum over all of its
bytes. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._arguments import Array
from ._files import replacing

#: Raised whenever a reader of older files could misunderstand a newer one.
VERSION = 1

_JSON = "checkpoint.json"
_SUM = b"sha256:"
_SUM_LENGTH = len(_SUM) + 64


def write(path: Path, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
    """Write a checkpoint that takes the place of `path` once it is whole and on disk.

    Raises
    ------
    OSError
        If it cannot be written, for want of space say; what was at `path` is still
        there.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps({"nndl checkpoint": VERSION, **facts})
        archive.writestr(_JSON, text)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
        archive.comment = _SUM + b"0" * 64
    try:
        with replacing(path) as file:
            file.write(signed(content.getvalue()))
    except OSError as error:
        raise OSError(
            error.errno,
            f"The checkpoint could not be written ({error.strerror or error}); what was saved there "
            "before is still whole",
            os.fspath(path),
        ) from error


def signed(content: bytes) -> bytes:
    """Return a file whose last 64 bytes are the checksum over it, with zeros in their
    place."""
    content = content[:-64] + b"0" * 64
    return content[:-64] + hashlib.sha256(content).hexdigest().encode()


def _is_ours(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return _JSON in archive.namelist()


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and the facts of a checkpoint.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no checkpoint, is cut off or damaged, or was written by a newer version
        of the package; which, the message says.
    """
    data = Path(path).read_bytes()
    name = os.fspath(path)
    if not data.startswith(b"PK\x03\x04"):
        raise ValueError(f"{name} is not a checkpoint: it is no .npz file.")
    if data[-_SUM_LENGTH:-64] != _SUM:
        if zipfile.is_zipfile(io.BytesIO(data)) and not _is_ours(data):
            raise ValueError(f"{name} is not a checkpoint, but another kind of file.")
        raise ValueError(f"{name} is not a whole checkpoint: its end is missing.")
    if signed(data) != data:
        raise ValueError(f"{name} is damaged: its content does not match its checksum.")
    try:
        facts = _facts(data)
        version = facts.pop("nndl checkpoint")
        if version > VERSION:
            raise ValueError(
                f"{name} is a checkpoint of format {version}, but this version of nndl knows formats "
                f"up to {VERSION}: it was written by a newer one."
            )
        return _arrays(data), facts
    except (KeyError, TypeError, zipfile.BadZipFile, _NoArray) as error:
        raise ValueError(f"{name} is damaged: {error}.") from error


class _NoArray(Exception):
    """A member is something else than numbers stored as they are."""


def _facts(data: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        facts: dict[str, Any] = json.loads(archive.read(_JSON))
    return facts


def _arrays(data: bytes) -> dict[str, Array]:
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            if member.filename == _JSON:
                continue
            if member.compress_type != zipfile.ZIP_STORED:
                raise _NoArray(f"{member.filename} is compressed")
            try:
                with archive.open(member) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
            except ValueError as error:
                raise _NoArray(f"{member.filename} is no array of numbers") from error
            arrays[member.filename.removesuffix(".npy")] = array
    return arrays
