"""Checkpoints: a file of arrays and JSON that is whole and unchanged, or is refused.

A checkpoint is an `.npz` file, which `numpy.load` can read: arrays, and what is not an
array as the member `checkpoint.json`. The file ends in a SHA-256 sum over all of its
bytes. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
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

#: What arrays may hold: NumPy's letters for booleans, integers, floats, complex numbers.
NUMBERS = "biufc"

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
        # Without the time of day: the same training makes the same file.
        archive.writestr(zipfile.ZipInfo(_JSON), text)
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


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and the facts of a checkpoint.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    ValueError
        If it is no checkpoint, is cut off or damaged, or was written by a newer version
        of the package; which, the message says.
    """
    name = os.fspath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        what = "a folder" if os.path.isdir(path) else "no ordinary file"
        raise ValueError(f"{name} is not a checkpoint: it is {what}.")
    data = Path(path).read_bytes()
    if not data.startswith(b"PK\x03\x04"):
        raise ValueError(f"{name} is not a checkpoint: it is no .npz file.")
    if data[-_SUM_LENGTH:-64] != _SUM:
        if _is_foreign(data):
            raise ValueError(f"{name} is not a checkpoint, but another kind of file.")
        raise ValueError(f"{name} is not a whole checkpoint: its end is missing.")
    if signed(data) != data:
        raise ValueError(f"{name} is damaged: its content does not match its checksum.")
    # Whoever can write a file can also sign it, so nothing in it is taken on trust.
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            facts = json.loads(_stored(archive, archive.getinfo(_JSON)))
            version = facts.pop("nndl checkpoint")
            is_newer = version > VERSION
            arrays = {} if is_newer else _arrays(archive, len(data))
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(makes_no_sense(name, error)) from error
    if is_newer:
        raise ValueError(
            f"{name} is a checkpoint of format {version}, but this version of nndl knows formats "
            f"up to {VERSION}: it was written by a newer one."
        )
    return arrays, facts


def makes_no_sense(name: str, error: Exception) -> str:
    """Return the sentence for a file that has its checksum, but cannot be understood."""
    said = f"{type(error).__name__}: {error}"
    return f"{name} is damaged: its content makes no sense ({said})."


def _is_foreign(data: bytes) -> bool:
    """Say whether a file is a whole archive, but not one of ours."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _JSON not in archive.namelist()
    except Exception:
        return False


def _arrays(archive: zipfile.ZipFile, size: int) -> dict[str, Array]:
    """Return all arrays of an archive of this size, in bytes."""
    members = [m for m in archive.infolist() if m.filename != _JSON]
    # Several may be the same bytes, or have the same name.
    if sum(member.compress_size for member in members) > size or len(members) > len(
        {member.filename for member in members}
    ):
        raise ValueError("it has members that share a place or a name")
    return {
        member.filename.removesuffix(".npy"): _array(
            member.filename, _stored(archive, member)
        )
        for member in members
    }


def _stored(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a member that is stored as it is: what is compressed may unpack to a
    thousand times its size."""
    if (
        member.compress_type != zipfile.ZIP_STORED
        or member.compress_size != member.file_size
    ):
        raise ValueError(f"{member.filename} is compressed")
    return archive.read(member)


def _array(name: str, content: bytes) -> Array:
    """Return the array in a member, without a copy. What its header says is believed
    once its length agrees."""
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} has an unknown format")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file, 1000)
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in NUMBERS or size != len(content) - file.tell():
        raise ValueError(f"{name} is no array of numbers")
    array = np.frombuffer(content, dtype, math.prod(shape), file.tell())
    return array.reshape(shape, order="F" if is_fortran else "C")
