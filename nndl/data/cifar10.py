"""CIFAR-10 in its official binary version: finding, reading and fetching it.

Krizhevsky, "Learning multiple layers of features from tiny images", technical report,
2009.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._arguments import as_path, as_text, flag
from . import _records

__all__ = ["CLASS_NAMES", "OFFICIAL_URL", "fetch", "find", "get_CIFAR10_data"]

CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
OFFICIAL_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
LAYOUT = _records.Layout(CLASS_NAMES, 49_000, 50_000, 60_000)

_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9dddda3db29a59bca1dd"
_ARCHIVE_SIZE = 170_052_171
_FOLDER = "cifar-10-batches-bin"
_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
_RECORDS_PER_FILE = 10_000
_TIMEOUT = 30  # seconds without a byte before a download is given up


def _places() -> list[Path]:
    places = []
    chosen = os.environ.get("NNDL_DATA")
    if chosen:
        places += [Path(chosen) / _FOLDER, Path(chosen)]
    return [*places, _records.cache_folder() / _FOLDER]


def find() -> Path | None:
    """Return the folder that holds the batch files, or None: `NNDL_DATA` first, then
    the cache."""
    for place in _places():
        if any((place / file).is_file() for file in _FILES):
            return place
    return None


def blocks() -> Iterator[_records.Block]:
    """Yield the records of each file: 50,000 for training, then 10,000 for testing.

    Raises
    ------
    FileNotFoundError
        If the data, or one of the files, are absent.
    ValueError
        If a file has another size, or a label above 9.
    """
    folder = find()
    if folder is None:
        looked = ", ".join(str(place) for place in _places())
        raise FileNotFoundError(
            f"CIFAR-10 is not here (looked at {looked}). Fetch it with: nndl data fetch cifar10"
        )
    for file in _FILES:
        if not (folder / file).is_file():
            raise FileNotFoundError(
                f"{folder / file} is missing. Fetch CIFAR-10 again with: nndl data fetch cifar10"
            )
    for file in _FILES:
        yield _records.read(folder / file, _RECORDS_PER_FILE)


def get_CIFAR10_data(
    num_training: int = 49000,
    num_validation: int = 1000,
    num_test: int = 1000,
    subtract_mean: bool = True,
) -> dict[str, Any]:
    """Load CIFAR-10 as the courses do: 49,000 images for training, 1,000 each to
    validate and test.

    Parameters
    ----------
    num_training, num_validation, num_test
        How many images, from the start of the first 49,000 training images, of the last
        1,000 training images, and of the 10,000 test images.
    subtract_mean
        Whether to subtract the mean of the training images from every image.

    Returns
    -------
    dict
        `X_train`, `X_val`, `X_test`: float32 (N, 3, 32, 32) in pixel units; `y_train`,
        `y_val`, `y_test`: int64 (N,).

    Raises
    ------
    TypeError, ValueError
        If a count is not as described, or a file is damaged.
    FileNotFoundError
        If the data are absent.
    """
    subtract_mean = flag("subtract_mean", subtract_mean)
    ranges = LAYOUT.ranges(
        num_training=num_training, num_validation=num_validation, num_test=num_test
    )
    data = _records.split(blocks(), ranges, subtract_mean)
    del data["mean_image"]
    return data


def fetch(
    folder: str | os.PathLike[str] | None = None,
    url: str = OFFICIAL_URL,
    *,
    _sha256: str = _SHA256,
) -> Path:
    """Download CIFAR-10 (170 MB), check its SHA-256 and unpack it (184 MB), unless it
    is there.

    Parameters
    ----------
    folder
        Where to put the folder ``cifar-10-batches-bin``; None takes `NNDL_DATA`, and
        the user's cache folder where that is not set.
    url
        The archive's address; a mirror must serve the official archive, byte for byte.

    Returns
    -------
    Path
        The folder that holds the batch files.

    Raises
    ------
    OSError
        If the archive cannot be downloaded or the files cannot be written.
    ValueError
        If the archive is not the official one.
    TypeError
        If `folder` is no path, or `url` no string.
    """
    url = as_text("url", url)
    if folder is None:
        parent = Path(os.environ.get("NNDL_DATA") or _records.cache_folder())
    else:
        parent = as_path("folder", folder)
    for place in (parent / _FOLDER, parent):
        if all(_is_whole(place / file) for file in _FILES):
            print(f"CIFAR-10 is already in {place}.")
            return place
    parent.mkdir(parents=True, exist_ok=True)
    # A folder beside the target, so that moving the files is a renaming; it goes, whatever happens.
    with tempfile.TemporaryDirectory(dir=parent, prefix=".cifar10-") as workshop:
        archive = _download(url, _sha256, Path(workshop))
        unpacked = _unpack(archive, Path(workshop) / _FOLDER)
        target = parent / _FOLDER
        target.mkdir(exist_ok=True)
        for file in _FILES:
            os.replace(unpacked / file, target / file)
    print(f"CIFAR-10 is in {target}.")
    if find() != target:
        print(f"Set NNDL_DATA={parent} for nndl to find it there.")
    return target


def _is_whole(path: Path) -> bool:
    return (
        path.is_file()
        and path.stat().st_size == _RECORDS_PER_FILE * _records.RECORD_SIZE
    )


def _download(url: str, sha256: str, folder: Path) -> Path:
    import pooch
    from requests import RequestException
    from tqdm import tqdm

    pooch.get_logger().setLevel("ERROR")
    with tqdm(
        total=_ARCHIVE_SIZE, desc="CIFAR-10", unit="B", unit_scale=True, disable=None
    ) as bar:
        downloader = pooch.HTTPDownloader(progressbar=bar, timeout=_TIMEOUT)
        name = "cifar-10-binary.tar.gz"
        try:
            pooch.retrieve(url, f"sha256:{sha256}", name, folder, downloader=downloader)
        except RequestException as error:
            raise OSError(
                f"{url} could not be downloaded ({error}). Try again, or name another address with "
                "--mirror."
            ) from error
        except ValueError as error:
            raise ValueError(
                f"{url} is not the official archive, or was cut short: its SHA-256 is not {sha256}."
            ) from error
    return folder / name


def _unpack(archive: Path, target: Path) -> Path:
    """Copy the batch files, and nothing else, out of the archive into a new folder."""
    target.mkdir()
    size = _RECORDS_PER_FILE * _records.RECORD_SIZE
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                folder, _, file = member.name.rpartition("/")
                if folder != _FOLDER or file not in _FILES:
                    continue
                source = members.extractfile(member) if member.isreg() else None
                if source is None or member.size != size:
                    raise ValueError(
                        f"{member.name} in the archive must be a file of {size} bytes."
                    )
                with open(target / file, "wb") as destination:
                    shutil.copyfileobj(source, destination)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(f"The archive cannot be unpacked: {error}.") from error
    for file in _FILES:
        if not _is_whole(target / file):
            raise ValueError(
                f"The archive must have {_FOLDER}/{file} whole, but has not."
            )
    return target
