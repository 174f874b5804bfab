"""CIFAR-10 in its official binary version: finding, reading and fetching it.

Krizhevsky, "Learning multiple layers of features from tiny images", technical report,
2009.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from .._arguments import as_path, as_text, flag
from .._files import sync_folder
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
# Red, green and blue at both ends of the first training image's first row.
_ENDS = (0, 1, 2, 29, 30, 31)
_FIRST_ROW = (
    (59, 43, 50, 158, 152, 148),
    (62, 46, 48, 132, 125, 124),
    (63, 45, 43, 108, 102, 103),
)
_WORKSHOP = ".cifar10-"  # how the names of folders begin in which a download is made

# A download is tried again where the connection or the server had trouble that may pass.
_TRIES = 3
_PAUSE = 1.0  # seconds before the second try, and twice as many before the third
_TIMEOUT = 30.0  # seconds without a byte that are trouble
_PASSING = (429, 500, 502, 503, 504)  # statuses
_FETCH_AGAIN = "Fetch CIFAR-10 again with: nndl data fetch cifar10"


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
            raise FileNotFoundError(f"{folder / file} is missing. {_FETCH_AGAIN}")
    for file in _FILES:
        try:
            block = _records.read(folder / file, _RECORDS_PER_FILE)
        except ValueError as error:
            raise ValueError(f"{error} {_FETCH_AGAIN}") from error
        yield block


def are_official() -> bool:
    """Say whether the images are those of the official files, as far as a few pixels of
    the first one tell: where they were re-encoded, hardly one pixel is the same.

    Raises
    ------
    FileNotFoundError
        If the data are absent.
    """
    first = next(iter(blocks()))[0]
    row = first[1:].reshape(_records.IMAGE_SHAPE)[:, 0, _ENDS]
    return bool((row == _FIRST_ROW).all())


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

    Redirections are followed, to other hosts too: the checksum says whether the right
    archive came. Where the connection breaks, or the server has trouble that may pass,
    the download is tried three times, and goes on where it broke if the server can do
    that. Of two processes that fetch into one folder, the second waits for the first.

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
    ConnectionError
        If the archive cannot be downloaded.
    OSError
        If the files cannot be written.
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
    try:
        target = _whole_copy(parent)
        if target is None:
            parent.mkdir(parents=True, exist_ok=True)
            with _alone(parent):
                target = _whole_copy(parent) or _make(parent, url, _sha256)
    except ConnectionError:
        raise
    except OSError as error:
        raise OSError(
            error.errno,
            f"CIFAR-10 cannot be put into {parent}: {error}. It takes {_needed_space() / 1e6:.0f} MB "
            "there while it is unpacked; --folder names another place.",
        ) from error
    if find() != target:
        print(f"Set NNDL_DATA={parent} for nndl to find it there.")
    return target


def _whole_copy(parent: Path) -> Path | None:
    """Return where the files already are, all of them whole."""
    for place in (parent / _FOLDER, parent):
        if all(_is_whole(place / file) for file in _FILES):
            print(f"CIFAR-10 is already in {place}.")
            return place
    return None


def _is_whole(path: Path) -> bool:
    try:
        _records.read(path, _RECORDS_PER_FILE)
    except (OSError, ValueError):
        return False
    return True


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for other processes that fetch into this folder, and clear away what those
    have left behind that were killed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if _lock(descriptor, folder):
            for leftover in folder.glob(f"{_WORKSHOP}*"):
                shutil.rmtree(leftover, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> bool:
    """Lock an open folder; the system unlocks it when the process ends, however it ends.
    Say whether that worked: some network file systems know no locks."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(
            f"Waiting for another process that fetches CIFAR-10 into {folder}.",
            flush=True,  # before the wait, wherever it is written to
        )
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _needed_space() -> int:
    """Return the bytes of the archive and of all files in it."""
    return _ARCHIVE_SIZE + len(_FILES) * _RECORDS_PER_FILE * _records.RECORD_SIZE


def _make(parent: Path, url: str, sha256: str) -> Path:
    """Download the archive, unpack it, and put the files where they belong."""
    if shutil.disk_usage(parent).free < _needed_space():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    # A folder beside the target, so that moving the files is a renaming; it goes, whatever happens.
    with tempfile.TemporaryDirectory(dir=parent, prefix=_WORKSHOP) as workshop:
        archive = Path(workshop, "cifar-10-binary.tar.gz")
        _download(url, sha256, archive)
        unpacked = _unpack(archive, Path(workshop, _FOLDER))
        target = parent / _FOLDER
        target.mkdir(exist_ok=True)
        for file in _FILES:
            os.replace(unpacked / file, target / file)
    sync_folder(target)
    print(f"CIFAR-10 is in {target}.")
    return target


# ---- downloading ---------------------------------------------------------------------


def _download(url: str, sha256: str, path: Path) -> None:
    """Download the archive into a new file, in several tries if need be."""
    from requests import RequestException
    from tqdm import tqdm
    from urllib3.exceptions import HTTPError

    with (
        open(path, "w+b") as file,
        tqdm(
            total=_ARCHIVE_SIZE,
            desc="CIFAR-10",
            unit="B",
            unit_scale=True,
            disable=None,
        ) as bar,
    ):
        for tries in range(1, _TRIES + 1):
            trouble: Exception | None = None
            try:
                _receive(url, file, bar)
            # A redirection to an address that is none raises a ValueError of Python's.
            except (RequestException, HTTPError, ValueError) as error:
                trouble = error
            came = file.seek(0, os.SEEK_END)
            file.seek(0)
            if came and hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return
            if trouble is None:
                raise ValueError(
                    f"{url} is not the official archive, or was cut short: {came} bytes came, "
                    f"whose SHA-256 is not {sha256}. (A network that wants you to log in answers with a "
                    "page of its own.) Try again, or name another address with --mirror."
                )
            if tries == _TRIES or not _may_pass(trouble):
                raise ConnectionError(
                    f"{url} could not be downloaded ({_reason(trouble)}). Try again, or name another "
                    "address with --mirror."
                ) from trouble
            time.sleep(tries * _PAUSE)


def _receive(url: str, file: BinaryIO, bar: Any) -> None:
    """Append to a file what it lacks of the archive; all of it where the server does
    not send parts. More than the archive's size is never taken."""
    import requests

    file.seek(0, os.SEEK_END)
    # "identity": the archive itself, not packed once more.
    headers = {"Accept-Encoding": "identity"}
    if file.tell() > 0:
        headers["Range"] = f"bytes={file.tell()}-"
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        response.raise_for_status()
        part = response.headers.get("Content-Range", "")
        if not part.startswith(f"bytes {file.tell()}-"):
            file.seek(0)
            file.truncate()
        bar.reset()
        bar.update(file.tell())
        # As they come: some servers call the archive a packed tar file, to be unpacked.
        for chunk in response.raw.stream(1 << 16, decode_content=False):
            bar.update(file.write(chunk))
            if file.tell() > _ARCHIVE_SIZE:
                return


def _may_pass(trouble: Exception) -> bool:
    """Say whether another try could help."""
    from requests import HTTPError, TooManyRedirects

    if isinstance(trouble, HTTPError):
        return getattr(trouble.response, "status_code", None) in _PASSING
    # Addresses that are none are ValueErrors.
    return not isinstance(trouble, TooManyRedirects | ValueError)


def _reason(error: BaseException) -> str:
    """Return what lies behind an error, without the layers of software around it."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


# ---- unpacking -----------------------------------------------------------------------


class _AtMost(gzip.GzipFile):
    """A packed file with an end to what it may unpack to, which can be a thousand times
    its own size, and to how often it may be read behind its end: tarfile looks for the
    end of a member block by block, even if that is to be exabytes away."""

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path, "rb")
        self.left, self.looks_behind_the_end = most, 10

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.left -= len(data)
        self.looks_behind_the_end -= not data
        if self.left < 0:
            raise tarfile.ReadError("it unpacks to more than CIFAR-10 has")
        if self.looks_behind_the_end < 0:
            raise tarfile.ReadError("its end is missing")
        return data


class _NotTheFiles(ValueError):
    """An archive does not hold what it should."""


def _unpack(archive: Path, target: Path) -> Path:
    """Copy the batch files, and nothing else, out of the archive into a new folder."""
    target.mkdir()
    size = _RECORDS_PER_FILE * _records.RECORD_SIZE
    try:
        with (
            _AtMost(archive, len(_FILES) * size + (1 << 20)) as unpacked,
            tarfile.open(fileobj=unpacked, mode="r|") as members,
        ):
            for member in members:
                folder, _, file = member.name.rpartition("/")
                if folder != _FOLDER or file not in _FILES:
                    continue
                source = members.extractfile(member) if member.isreg() else None
                if source is None or member.size != size:
                    raise _NotTheFiles(
                        f"{member.name} in the archive must be a file of {size} bytes."
                    )
                if (target / file).exists():
                    raise _NotTheFiles(
                        f"The archive must have {member.name} once, but has it twice."
                    )
                with open(target / file, "wb") as destination:
                    shutil.copyfileobj(source, destination)
                    destination.flush()
                    os.fsync(destination.fileno())
    except _NotTheFiles:
        raise
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError) as e:
        raise ValueError(f"The archive cannot be unpacked: {e}.") from e
    for file in _FILES:
        if not _is_whole(target / file):
            raise ValueError(
                f"The archive must have {_FOLDER}/{file} whole, but has not."
            )
    return target
