"""CIFAR-10: reading the official layout, and fetching it from a server of the test's
own."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

import nndl
from nndl import data, data_utils
from nndl.data import _records, cifar10

RECORDS = 4  # a file, in the small copies that most of these tests make
FOLDER = "cifar-10-batches-bin"


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Keep the user's own folders out, and talk to 127.0.0.1 without a proxy."""
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NNDL_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def small(monkeypatch):
    """Make the data set small: 4 records a file, the last two training records for
    validation."""
    monkeypatch.setattr(cifar10, "_RECORDS_PER_FILE", RECORDS)
    layout = _records.Layout(cifar10.CLASS_NAMES, 18, 20, 24)
    monkeypatch.setattr(cifar10, "LAYOUT", layout)
    monkeypatch.setitem(data._LAYOUTS, "cifar10", layout)


def _contents():
    rng = np.random.default_rng(0)
    files = {}
    for file in cifar10._FILES:
        block = rng.integers(0, 256, (RECORDS, 3073), dtype=np.uint8)
        block[:, 0] %= 10
        files[file] = block.tobytes()
    return files


def _make(folder):
    folder.mkdir(parents=True)
    for file, content in _contents().items():
        (folder / file).write_bytes(content)
    return folder


def _records_of(contents):
    return np.frombuffer(b"".join(contents.values()), np.uint8).reshape(-1, 3073)


# --- Reading --------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("place", ["parent", "folder itself", "cache"])
def test_the_data_are_found(tmp_path, monkeypatch, place):
    folder = _make(tmp_path / "cache" / FOLDER)
    if place != "cache":
        monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "empty"))
        monkeypatch.setenv(
            "NNDL_DATA", str(folder.parent if place == "parent" else folder)
        )
    assert cifar10.find() == folder


@pytest.mark.usefixtures("small")
def test_the_parts_are_the_customary_ones(tmp_path):
    _make(tmp_path / "cache" / FOLDER)
    records = _records_of(_contents())
    loaded = data.load("cifar10", num_val=None, num_test=None, subtract_mean=False)
    for part, rows in (
        ("train", slice(0, 18)),
        ("val", slice(18, 20)),
        ("test", slice(20, 24)),
    ):
        images = records[rows, 1:].reshape(-1, 3, 32, 32)
        np.testing.assert_array_equal(loaded[f"X_{part}"], images)
        np.testing.assert_array_equal(loaded[f"y_{part}"], records[rows, 0])
    assert loaded["class_names"][3] == "cat"


@pytest.mark.usefixtures("small")
def test_the_mean_image_over_several_files_is_exact(tmp_path):
    _make(tmp_path / "cache" / FOLDER)
    records = _records_of(_contents())
    loaded = data.load("cifar10", num_train=11, num_val=2, num_test=3)
    exact = (records[:11, 1:].sum(axis=0, dtype=np.int64) / 11).astype(np.float32)
    np.testing.assert_array_equal(loaded["mean_image"].ravel(), exact)
    np.testing.assert_array_equal(
        loaded["X_test"].reshape(3, -1), records[20:23, 1:].astype(np.float32) - exact
    )


@pytest.mark.usefixtures("small")
def test_the_courses_function_returns_the_six_arrays(tmp_path):
    _make(tmp_path / "cache" / FOLDER)
    course = data_utils.get_CIFAR10_data(num_training=6, num_validation=1, num_test=2)
    ours = data.load("cifar10", num_train=6, num_val=1, num_test=2)
    assert set(course) == {"X_train", "y_train", "X_val", "y_val", "X_test", "y_test"}
    for key, array in course.items():
        np.testing.assert_array_equal(array, ours[key])


def test_the_courses_function_names_a_wrong_count():
    with pytest.raises(
        ValueError, match="`num_validation` must be an integer from 1 to 1000"
    ):
        data_utils.get_CIFAR10_data(num_validation=2000)


def test_absent_data_are_an_error_that_says_where_it_looked_and_what_to_do(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("NNDL_DATA", str(tmp_path / "mine"))
    with pytest.raises(FileNotFoundError) as caught:
        data.load("cifar10")
    message = str(caught.value)
    assert "nndl data fetch cifar10" in message
    for place in (
        tmp_path / "mine" / FOLDER,
        tmp_path / "mine",
        tmp_path / "cache" / FOLDER,
    ):
        assert str(place) in message


@pytest.mark.usefixtures("small")
def test_a_missing_batch_is_named(tmp_path):
    missing = _make(tmp_path / "cache" / FOLDER) / "data_batch_4.bin"
    missing.unlink()
    with pytest.raises(FileNotFoundError, match=f"{missing} is missing"):
        data.load("cifar10", num_val=1, num_test=1)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("size", [0, RECORDS * 3073 - 1, RECORDS * 3073 + 1])
def test_a_file_of_another_size_is_named(tmp_path, size):
    path = _make(tmp_path / "cache" / FOLDER) / "data_batch_2.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(
        ValueError, match=f"{path} must have 12292 bytes .* but has {size}"
    ):
        data.load("cifar10", num_val=1, num_test=1)


@pytest.mark.usefixtures("small")
def test_a_label_above_nine_is_named(tmp_path):
    path = _make(tmp_path / "cache" / FOLDER) / "test_batch.bin"
    content = bytearray(path.read_bytes())
    content[2 * 3073] = 10
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=f"{path} must have labels from 0 to 9, but record 2 has 10"
    ):
        data.load("cifar10", num_val=1, num_test=1)


# --- Fetching -------------------------------------------------------------------------


def _archive(contents, extra=()):
    """A tar.gz of the files, and of extra members, in bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        members = [(f"{FOLDER}/{file}", content) for file, content in contents.items()]
        for name, content in [*members, *extra]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), compresslevel=1)


class Server:
    """Serves `body` at any path of 127.0.0.1, with the trouble that the test asks
    for."""

    def __init__(self, body):
        self.body, self.status, self.cut, self.requests = body, 200, False, 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests += 1
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(
                    outer.body[: len(outer.body) // 2] if outer.cut else outer.body
                )

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/cifar-10-binary.tar.gz"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def fetch(self, folder=None):
        sha256 = hashlib.sha256(self.body).hexdigest()
        return cifar10.fetch(folder, self.url, _sha256=sha256)


@pytest.fixture
def server(small):
    running = Server(_archive(_contents()))
    yield running
    running.stop()


def _left_in(folder):
    return (
        sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))
        if folder.exists()
        else []
    )


def test_fetch_puts_the_files_and_nothing_else_into_the_cache(server, tmp_path):
    assert server.fetch() == tmp_path / "cache" / FOLDER
    wanted = sorted([FOLDER, *(f"{FOLDER}/{file}" for file in cifar10._FILES)])
    assert _left_in(tmp_path / "cache") == wanted
    loaded = data.load("cifar10", num_val=2, num_test=4, subtract_mean=False)
    np.testing.assert_array_equal(loaded["y_test"], _records_of(_contents())[20:24, 0])


def test_fetch_follows_the_variable_for_data(server, tmp_path, monkeypatch):
    monkeypatch.setenv("NNDL_DATA", str(tmp_path / "mine"))
    assert server.fetch() == cifar10.find() == tmp_path / "mine" / FOLDER


def test_fetch_into_another_folder_says_how_to_have_it_found(server, tmp_path, capsys):
    server.fetch(tmp_path / "mine")
    assert f"Set NNDL_DATA={tmp_path / 'mine'}" in capsys.readouterr().out


def test_data_that_are_there_are_not_fetched_again(server, tmp_path, capsys):
    first = server.fetch()
    capsys.readouterr()
    assert server.fetch() == first
    assert server.requests == 1
    assert capsys.readouterr().out == f"CIFAR-10 is already in {first}.\n"


def test_a_damaged_copy_is_replaced(server, tmp_path):
    folder = server.fetch()
    (folder / "data_batch_1.bin").write_bytes(b"short")
    (folder / "test_batch.bin").unlink()
    server.fetch()
    assert {
        file: (folder / file).read_bytes() for file in cifar10._FILES
    } == _contents()


@pytest.mark.parametrize("trouble", ["checksum", "404", "cut short"])
def test_a_failed_download_leaves_nothing_behind_and_the_next_try_works(
    server, tmp_path, trouble
):
    right, sha256 = server.body, hashlib.sha256(server.body).hexdigest()
    if trouble == "checksum":
        server.body = right[:-1] + bytes([right[-1] ^ 1])
        error, message = ValueError, "is not the official archive"
    elif trouble == "404":
        server.status, error, message = 404, OSError, "could not be downloaded.*404"
    else:
        server.cut, error, message = True, OSError, "could not be downloaded"
    with pytest.raises(error, match=message):
        cifar10.fetch(None, server.url, _sha256=sha256)
    assert _left_in(tmp_path / "cache") == []
    server.body, server.status, server.cut = right, 200, False
    assert server.fetch() == cifar10.find()


def test_a_server_that_is_not_there_is_an_error_with_its_address(small, tmp_path):
    stopped = Server(b"")
    stopped.stop()
    with pytest.raises(OSError, match=f"{stopped.url} could not be downloaded"):
        stopped.fetch()
    assert _left_in(tmp_path / "cache") == []


@pytest.mark.parametrize(
    "name", ["../evil.bin", f"{FOLDER}/../../evil.bin", "/tmp/evil-nndl.bin"]
)
def test_a_member_that_points_outside_is_never_unpacked(server, tmp_path, name):
    server.body = _archive(
        _contents(), extra=[(name, b"evil"), (f"{FOLDER}/readme.html", b"hi")]
    )
    folder = server.fetch()
    assert sorted(path.name for path in folder.iterdir()) == sorted(cifar10._FILES)
    assert not list(tmp_path.rglob("evil*"))
    assert not Path("/tmp/evil-nndl.bin").exists()


def test_an_archive_with_a_link_in_place_of_a_file_is_refused(server, tmp_path):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        link = tarfile.TarInfo(f"{FOLDER}/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    server.body = raw.getvalue()
    with pytest.raises(
        ValueError, match=r"test_batch\.bin in the archive must be a file of 12292"
    ):
        server.fetch()
    assert _left_in(tmp_path / "cache") == []


def test_an_archive_with_a_file_of_another_size_is_refused(server, tmp_path):
    server.body = _archive(_contents() | {"data_batch_3.bin": b"short"})
    with pytest.raises(
        ValueError, match=r"data_batch_3\.bin in the archive must be a file of 12292"
    ):
        server.fetch()
    assert _left_in(tmp_path / "cache") == []


def test_an_archive_without_one_of_the_files_is_refused(server, tmp_path):
    contents = _contents()
    del contents["data_batch_5.bin"]
    server.body = _archive(contents)
    with pytest.raises(
        ValueError, match=r"must have cifar-10-batches-bin/data_batch_5\.bin whole"
    ):
        server.fetch()
    assert _left_in(tmp_path / "cache") == []


@pytest.mark.parametrize(
    "damage", [lambda body: body[: len(body) // 2], lambda body: b"no archive"]
)
def test_an_archive_that_cannot_be_unpacked_is_refused(server, tmp_path, damage):
    server.body = damage(server.body)
    with pytest.raises(ValueError, match="The archive cannot be unpacked"):
        server.fetch()
    assert _left_in(tmp_path / "cache") == []


# --- The whole data set ---------------------------------------------------------------

REAL = os.environ.get("NNDL_DATA", "")
needs_cifar10 = pytest.mark.skipif(
    not any(Path(REAL, sub, "test_batch.bin").is_file() for sub in ("", FOLDER))
    or not REAL,
    reason="NNDL_DATA names no folder that holds CIFAR-10",
)


@needs_cifar10
def test_loading_all_of_cifar10_needs_less_than_a_gigabyte():
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not say how much memory a process has held")
    # Not `ru_maxrss`, which a process inherits from the one that started it.
    code = (
        "import re\n"
        "from nndl.data_utils import get_CIFAR10_data\n"
        "data = get_CIFAR10_data()\n"
        "assert data['X_train'].shape == (49000, 3, 32, 32)\n"
        "status = open('/proc/self/status').read()\n"
        "print(1024 * int(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1]))"
    )
    root = str(Path(nndl.__file__).parents[1])
    environment = {**os.environ, "NNDL_DATA": REAL, "PYTHONPATH": root}
    peak = subprocess.check_output(
        [sys.executable, "-c", code], env=environment, text=True
    )
    assert int(peak) < 1.0e9


@needs_cifar10
def test_the_training_images_of_cifar10_have_mean_zero_once_it_is_subtracted(
    monkeypatch,
):
    monkeypatch.setenv("NNDL_DATA", REAL)
    loaded = data.load("cifar10", num_train=10_000, num_test=None)
    assert abs(loaded["X_train"].mean(axis=0, dtype=np.float64)).max() < 1e-3
    assert len(loaded["y_test"]) == 10_000
    assert (np.bincount(loaded["y_test"]) == 1_000).all()
