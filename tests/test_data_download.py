"""Fetching CIFAR-10 from a server that does everything wrong: each time an error that
says what to do, nothing half-made, and the next try works."""

from __future__ import annotations

import copy
import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

import cifar_cases as cases
import numpy as np
import pytest
from cifar_cases import FILE_SIZE, FOLDER, Server, archive, contents, left_in

from nndl import cli, data
from nndl.data import cifar10

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Keep the user's own folders out, and talk to this machine without a proxy."""
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NNDL_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    cases.make_small(monkeypatch.setattr)


@pytest.fixture
def server():
    running = Server(archive(contents()))
    yield running
    running.stop()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def assert_the_data_are_whole(folder):
    """Check that there is nothing but the files, and read them."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == contents()
    assert [p for p in left_in(folder.parent) if p.startswith(".")] == []
    loaded = data.load("cifar10", num_val=2, num_test=4, subtract_mean=False)
    np.testing.assert_array_equal(
        loaded["X_test"].reshape(4, -1), cases.records()[20:, 1:]
    )


def assert_refused(server, cache, kind, message):
    """Check that fetching ends in an error and leaves nothing, and that the next try
    works."""
    sha256 = server.sha256
    with pytest.raises(kind, match=message):
        cifar10.fetch(None, server.url, _sha256=sha256)
    assert left_in(cache) == []
    server.answers = []
    assert_the_data_are_whole(cifar10.fetch(None, server.url, _sha256=sha256))


# ---- when all is well ----------------------------------------------------------------


def test_fetch_puts_the_files_and_nothing_else_into_the_cache(server, cache):
    assert server.fetch() == cache / FOLDER
    wanted = sorted([FOLDER, *(f"{FOLDER}/{file}" for file in cifar10._FILES)])
    assert left_in(cache) == wanted
    assert_the_data_are_whole(cache / FOLDER)


def test_fetch_follows_the_variable_for_data(server, tmp_path, monkeypatch):
    monkeypatch.setenv("NNDL_DATA", str(tmp_path / "mine"))
    assert server.fetch() == cifar10.find() == tmp_path / "mine" / FOLDER


def test_fetch_into_another_folder_says_how_to_have_it_found(server, tmp_path, capsys):
    server.fetch(tmp_path / "mine")
    assert f"Set NNDL_DATA={tmp_path / 'mine'}" in capsys.readouterr().out


def test_data_that_are_there_are_not_fetched_again(server, capsys):
    first = server.fetch()
    capsys.readouterr()
    assert server.fetch() == first
    assert len(server.requests) == 1
    assert capsys.readouterr().out == f"CIFAR-10 is already in {first}.\n"


# ---- what comes over the network -----------------------------------------------------


def flipped(body):
    return body[:-1] + bytes([body[-1] ^ 1])


LOGIN = b"<html><body>Welcome to the hotel! Please log in.</body></html>"

#: What a server may answer, the error, and how often it is asked.
REFUSED = {
    "wrong checksum": (cases.sending(flipped), ValueError, r"is not the official archive", 1),
    "cut, and no length": (
        cases.sending(lambda body: body[:5000], None), ValueError, r"cut short: 5000 bytes came", 1,
    ),
    "cut, as its length says": (
        cases.sending(lambda body: body, -10), ValueError, r"is not the official archive", 1,
    ),
    "a page to log in": (
        cases.sending(lambda body: LOGIN, None, Content_Type="text/html"),
        ValueError, r"A network that wants you to log in", 1,
    ),
    "nothing": (cases.sending(lambda body: b"", None), ValueError, "0 bytes came", 1),
    "too much": (cases.endless, ValueError, r"is not the official archive", 1),
    "packed once more": (
        cases.sending(gzip.compress, None, Content_Encoding="gzip"),
        ValueError, r"is not the official archive", 1,
    ),
    "400": (cases.status(400), ConnectionError, r"could not be downloaded \(400", 1),
    "401": (cases.status(401), ConnectionError, r"could not be downloaded \(401", 1),
    "403": (cases.status(403), ConnectionError, r"could not be downloaded \(403", 1),
    "404": (cases.status(404), ConnectionError, r"could not be downloaded \(404", 1),
    "500": (cases.status(500), ConnectionError, r"could not be downloaded \(500", 3),
    "503": (cases.status(503), ConnectionError, r"could not be downloaded \(503", 3),
    "cut": (cases.cut, ConnectionError, r"could not be downloaded \(.*more expected", 3),
    "reset": (cases.reset, ConnectionError, r"could not be downloaded \(.*reset by peer", 3),
    "a stall": (cases.stall, ConnectionError, r"could not be downloaded \(timed out", 3),
    "a stall at once": (
        cases.stall_at_once, ConnectionError, r"could not be downloaded \(timed out", 3,
    ),
    "no answer": (
        cases.raw(b""), ConnectionError, r"could not be downloaded \(Remote end closed", 3,
    ),
    "no HTTP": (cases.raw(b"\0\1\2 nonsense\r\n\r\n"), ConnectionError, r"could not be downloaded", 3),
    "a length that is no number": (
        cases.raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nfew"),
        (ConnectionError, ValueError), "could not be downloaded|not the official", 1,
    ),
    "a thousand headers": (
        cases.raw(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000 + b"\r\n"),
        ConnectionError, r"could not be downloaded", 3,
    ),
    "a broken chunk": (
        cases.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        ConnectionError, r"could not be downloaded", 3,
    ),
    "redirected to a file": (
        cases.status(302, Location="file:///etc/passwd"),
        ConnectionError, r"could not be downloaded \(No connection adapters", 1,
    ),
    "redirected to no address": (
        cases.status(302, Location="http://[::1"), ConnectionError, r"could not be downloaded", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_answer_is_an_error_and_the_next_try_works(
    server, cache, monkeypatch, name
):
    answer, kind, message, asked = REFUSED[name]
    monkeypatch.setattr(cifar10, "_TIMEOUT", 1.0 if "stall" in name else 20)
    monkeypatch.setattr(cifar10, "_ARCHIVE_SIZE", 2 * len(server.body))
    server.answers = [answer] * 3
    assert_refused(server, cache, kind, message)
    assert len(server.requests) == asked + 1


#: What a server may answer before it answers well.
PASSING = {
    "500": [cases.status(500)],
    "429 and 503": [cases.status(429), cases.status(503)],
    "reset": [cases.reset],
    "reset twice": [cases.reset, cases.reset],
    "cut": [cases.cut],
    "a stall": [cases.stall],
    "no answer": [cases.raw(b"")],
}


@pytest.mark.parametrize("name", PASSING)
def test_trouble_that_passes_is_no_error(server, monkeypatch, name):
    monkeypatch.setattr(cifar10, "_TIMEOUT", 1.0 if "stall" in name else 20)
    server.answers = list(PASSING[name])
    assert_the_data_are_whole(server.fetch())
    assert len(server.requests) == len(PASSING[name]) + 1


def test_a_broken_download_goes_on_where_it_broke(server):
    server.answers = [cases.cut]
    assert_the_data_are_whole(server.fetch())
    assert [headers.get("Range") for headers in server.requests] == [
        None,
        f"bytes={len(server.body) // 2}-",
    ]


def test_it_begins_anew_where_the_server_does_not_send_parts(server):
    server.answers = [cases.cut, cases.sending(lambda body: body)]
    assert_the_data_are_whole(server.fetch())


def test_another_part_than_was_asked_for_does_not_pass_for_it(server, cache):
    def other_part(handler, body):
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 7-{len(body) - 1}/{len(body)}")
        handler.send_header("Content-Length", str(len(body) - 7))
        handler.end_headers()
        handler.wfile.write(body[7:])

    server.answers = [cases.cut, other_part]
    assert_refused(server, cache, ValueError, "is not the official archive")


def test_a_length_that_is_too_large_does_no_harm_to_what_came_whole(server):
    server.answers = [cases.sending(lambda body: body, +10)]
    assert_the_data_are_whole(server.fetch())


def test_a_server_that_calls_the_archive_a_packed_tar_is_understood(server):
    server.answers = [cases.sending(lambda body: body, 0, Content_Encoding="x-gzip")]
    assert_the_data_are_whole(server.fetch())


def test_the_waits_between_tries_are_short_and_grow(server, cache, monkeypatch):
    waits = []
    monkeypatch.setattr(cifar10, "_PAUSE", 1.0)
    monkeypatch.setattr(time, "sleep", waits.append)
    server.answers = [cases.status(503)] * 3
    with pytest.raises(ConnectionError):
        server.fetch()
    assert waits == [1, 2]


def test_no_more_is_taken_than_the_archive_has(server, cache, monkeypatch):
    """An endless answer fills no disk."""
    sizes = []
    monkeypatch.setattr(cifar10, "_ARCHIVE_SIZE", 300_000)
    unlink = tempfile.TemporaryDirectory.cleanup

    def cleanup(folder):
        sizes.extend(path.stat().st_size for path in Path(folder.name).iterdir())
        unlink(folder)

    monkeypatch.setattr(tempfile.TemporaryDirectory, "cleanup", cleanup)
    server.answers = [cases.endless]
    with pytest.raises(ValueError, match="is not the official archive"):
        server.fetch()
    assert 300_000 < max(sizes) < 400_000


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirection_to_another_host_is_followed(server, code):
    """The checksum protects, wherever the archive comes from."""
    other = Server(b"no archive")
    port = server.server.server_port
    try:
        elsewhere = f"http://localhost:{port}/elsewhere.tar.gz"
        other.answers = [cases.status(code, Location=elsewhere)]
        folder = cifar10.fetch(None, other.url, _sha256=server.sha256)
    finally:
        other.stop()
    assert_the_data_are_whole(folder)
    assert server.requests[0]["Host"] == f"localhost:{port}"


def test_a_redirection_in_circles_is_an_error(server, cache):
    server.answers = [cases.status(302, Location=server.url)] * 40
    assert_refused(server, cache, ConnectionError, "Exceeded 30 redirects")


def test_a_server_that_is_not_there_is_an_error_with_its_address(cache):
    stopped = Server(b"")
    stopped.stop()
    with pytest.raises(
        ConnectionError, match=rf"{stopped.url} could not be downloaded \(.*refused"
    ):
        stopped.fetch()
    assert left_in(cache) == []


@pytest.mark.parametrize(
    "url",
    ["", "archive.tar.gz", "ftp://127.0.0.1/a", "file:///etc/passwd", "http://", "http://[",
     "http://a b/", "http://127.0.0.1:99999/", "http://" + 300 * "a" + ".example/", "http://\0/"],
)  # fmt: skip
def test_an_address_that_is_none_is_an_error(cache, url):
    with pytest.raises(ConnectionError, match=r"could not be downloaded \(.*--mirror"):
        cifar10.fetch(None, url)
    assert left_in(cache) == []


# ---- what is in the archive ----------------------------------------------------------


def member(name, kind=tarfile.REGTYPE, size=FILE_SIZE, **more):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size if kind == tarfile.REGTYPE else 0
    for key, value in more.items():
        setattr(info, key, value)
    return info


def renamed(info, name):
    info = copy.copy(info)
    info.name = name
    return info


def serve(server, members):
    """Give the server an archive of these members, with a right checksum."""
    server.body = gzip.compress(cases.tar(members), compresslevel=1)


FILES = [(f"{FOLDER}/{file}", content) for file, content in contents().items()]


def assert_archive_refused(server, cache, message):
    """Check that an archive with a right checksum is refused, and the next one taken."""
    with pytest.raises(ValueError, match=message):
        server.fetch()
    assert left_in(cache) == []
    server.body = archive(contents())
    assert_the_data_are_whole(server.fetch())


OUTSIDE = ["../evil.bin", f"{FOLDER}/../../evil.bin", "/tmp/evil-nndl.bin",
           f"{FOLDER}/sub/test_batch.bin", f"../{FOLDER}/test_batch.bin",
           f"/{FOLDER}/test_batch.bin", f"{FOLDER}\\..\\evil.bin"]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_member_with_another_name_is_never_unpacked(server, tmp_path, name):
    readme = (f"{FOLDER}/readme.html", b"hi")
    serve(server, [(name, b"evil" * 1000), *FILES, readme, (name, b"evil" * 1000)])
    assert_the_data_are_whole(server.fetch())
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]
    assert not Path("/tmp/evil-nndl.bin").exists()


KINDS = {
    "symbolic link": member("", tarfile.SYMTYPE, linkname="/etc/hostname"),
    "symbolic link upwards": member("", tarfile.SYMTYPE, linkname="../../evil"),
    "hard link": member("", tarfile.LNKTYPE, linkname="/etc/hostname"),
    "hard link inside": member(
        "", tarfile.LNKTYPE, linkname=f"{FOLDER}/data_batch_1.bin"
    ),
    "character device": member("", tarfile.CHRTYPE, devmajor=1, devminor=5),
    "block device": member("", tarfile.BLKTYPE, devmajor=7, devminor=0),
    "pipe": member("", tarfile.FIFOTYPE),
    "folder": member("", tarfile.DIRTYPE),
    "unknown": member("", b"Z"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_refused_in_a_file_s_place(server, cache, kind):
    info = renamed(KINDS[kind], f"{FOLDER}/test_batch.bin")
    serve(server, [*FILES[:5], (info, b"")])
    assert_archive_refused(
        server, cache, r"test_batch\.bin in the archive must be a file of 12292 bytes"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_never_made_under_another_name(server, tmp_path, kind):
    serve(server, [(renamed(KINDS[kind], "evil"), b""), *FILES])
    assert_the_data_are_whole(server.fetch())
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("size", [0, 1, FILE_SIZE - 1, FILE_SIZE + 1])
def test_a_file_of_another_size_in_the_archive_is_refused(server, cache, size):
    serve(server, [*FILES[:2], (FILES[2][0], bytes(size)), *FILES[3:]])
    assert_archive_refused(
        server, cache, r"data_batch_3\.bin in the archive must be a file of 12292"
    )


def test_an_archive_with_a_file_twice_is_refused(server, cache):
    serve(server, [*FILES, FILES[1]])
    assert_archive_refused(server, cache, r"data_batch_2\.bin once, but has it twice")


@pytest.mark.parametrize("missing", range(6))
def test_an_archive_without_one_of_the_files_is_refused(server, cache, missing):
    serve(server, [f for i, f in enumerate(FILES) if i != missing])
    name = FILES[missing][0]
    assert_archive_refused(server, cache, f"The archive must have {name} whole")


def test_an_archive_with_a_label_of_no_class_is_refused(server, cache):
    name, content = FILES[4]
    serve(server, [*FILES[:4], (name, b"\x0a" + content[1:]), FILES[5]])
    assert_archive_refused(server, cache, r"The archive must have .*data_batch_5\.bin")


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: b"no archive",
        lambda body: gzip.decompress(body),  # a tar file, but not packed
        lambda body: body[: len(body) // 2],
        lambda body: body[:20] + b"\0" * 50 + body[70:],
        lambda body: gzip.compress(b"packed, but no tar file"),
        lambda body: gzip.compress(gzip.decompress(body)[:40_000]),
        lambda body: gzip.compress(b"\0" * 2000 + gzip.decompress(body)),
    ],
    ids=range(7),
)
def test_an_archive_that_cannot_be_unpacked_is_refused(server, cache, damage):
    server.body = damage(server.body)
    assert_archive_refused(server, cache, "The archive (cannot be unpacked|must have)")


def header_of(name, kind, size):
    """Return a header that announces so many bytes, whether they come or not."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(format=tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "kind",
    [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE],
)
def test_a_small_archive_that_unpacks_to_gigabytes_is_refused_after_little(
    server, cache, monkeypatch, kind
):
    zeros = gzip.compress(bytes(1 << 24), compresslevel=9)
    start = gzip.compress(header_of("zeros", kind, 1 << 32))
    server.body = start + zeros * 64  # one gigabyte in one megabyte; four are announced
    assert len(server.body) < 1_100_000
    unpacked = 0
    read = gzip.GzipFile.read

    def counted(file, size=-1):
        nonlocal unpacked
        content = read(file, size)
        unpacked += len(content)
        return content

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    with pytest.raises(ValueError, match="cannot be unpacked: it unpacks to more"):
        server.fetch()
    assert unpacked < 1_300_000  # one megabyte is left for what is not looked at
    assert left_in(cache) == []


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE])
def test_a_member_that_announces_more_than_there_is_does_not_hang(server, cache, kind):
    """tarfile would look for the end of exabytes block by block."""
    server.body = gzip.compress(header_of("zeros", kind, 1 << 62))
    assert_archive_refused(server, cache, "cannot be unpacked: its end is missing")


def test_a_map_of_holes_that_is_none_is_refused(server, cache):
    """Of which tarfile says only what it could not make a number of."""
    info = member(f"{FOLDER}/data_batch_1.bin", size=FILE_SIZE)
    info.pax_headers = {"GNU.sparse.map": "0,nonsense", "GNU.sparse.size": "9"}
    serve(server, [(info, FILES[0][1]), *FILES[1:]])
    assert_archive_refused(server, cache, "The archive cannot be unpacked: invalid")


def test_no_spoilt_archive_does_anything_else_than_fail(server, cache, tmp_path):
    """Bytes of the tar file changed at random, in its headers above all."""
    chance = random.Random(1)
    good = gzip.decompress(server.body)
    headers = [i for i in range(0, len(good), 512) if good[i : i + 5] == b"cifar"]
    refused = 0
    for _ in range(60):
        spoilt = bytearray(good)
        for _ in range(chance.choice([1, 1, 3, 10])):
            place = chance.choice(headers) + chance.randrange(512)
            spoilt[place] = chance.choice(
                [0, 0xFF, 0x80, *b"0179LKxgS 5", chance.randrange(256)]
            )
        if chance.random() < 0.7:  # so that the checksums of headers are right again
            for place in headers:
                head = spoilt[place : place + 512]
                total = sum(head[:148]) + 8 * 32 + sum(head[156:])
                spoilt[place + 148 : place + 156] = b"%06o\0 " % total
        packed = tmp_path / "archive"
        packed.write_bytes(gzip.compress(bytes(spoilt), compresslevel=1))
        target = tmp_path / "unpacked"
        try:
            cifar10._unpack(packed, target)
        except ValueError as error:
            refused += 1
            assert "rchive" in str(error), error  # noqa: PT017
        assert sorted(left_in(target)) == sorted({*left_in(target)} & {*cifar10._FILES})
        shutil.rmtree(target)
    assert 15 < refused < 55


# ---- the disk ------------------------------------------------------------------------


def test_a_disk_without_room_is_noticed_before_the_download(server, monkeypatch):
    room = shutil.disk_usage("/")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: room._replace(free=1000))
        with pytest.raises(
            OSError, match=r"cannot be put into .*No space left.*170 MB"
        ) as error:
            server.fetch()
    assert error.value.errno == 28
    assert server.requests == []
    assert_the_data_are_whole(server.fetch())


#: Fetches with a limit on the size of a file, which has the effect of a full disk, then
#: without.
LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import cifar_cases
from nndl.data import cifar10
cifar_cases.make_small()
url, sha256, limit = sys.argv[2], sys.argv[3], int(sys.argv[4])
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
try:
    cifar10.fetch(None, url, _sha256=sha256)
except OSError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
print(cifar_cases.left_in(Path(sys.argv[5])))
cifar10.fetch(None, url, _sha256=sha256)
"""


@pytest.mark.parametrize("during", ["the download", "the unpacking"])
def test_a_disk_that_fills_up_is_an_error_and_the_next_try_works(server, cache, during):
    limit = 10_000
    if during == "the unpacking":  # an archive that is smaller than the files in it
        files = {name: bytes(FILE_SIZE) for name in contents()}
        server.body = archive(files)
        assert len(server.body) < limit < FILE_SIZE
    command = [
        sys.executable,
        "-c",
        LIMITED,
        TESTS,
        server.url,
        server.sha256,
        str(limit),
        cache,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stdout.splitlines()
    assert "cannot be put into" in first
    assert "File too large" in first
    assert "--folder names another place" in first
    assert second == "[]"
    assert sorted(path.name for path in (cache / FOLDER).iterdir()) == sorted(
        cifar10._FILES
    )


def test_a_full_file_system_is_an_error_and_the_next_try_works(
    server, tmp_path, monkeypatch
):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may make a file system that is full")
    monkeypatch.setattr(cifar10, "_ARCHIVE_SIZE", 0)  # that there is room is believed
    monkeypatch.setenv("NNDL_DATA", str(disk))
    try:
        with monkeypatch.context() as patch:
            patch.setattr(cifar10, "_ARCHIVE_SIZE", 10**6)
            patch.setattr(cifar10, "_needed_space", lambda: 0)
            with pytest.raises(OSError, match="No space left on device"):
                server.fetch()
        assert left_in(disk) == []
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        monkeypatch.setattr(cifar10, "_ARCHIVE_SIZE", 10**5)
        assert_the_data_are_whole(server.fetch())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("place", ["NNDL_DATA", "above it", "the target"])
def test_a_file_in_a_folder_s_place_is_an_error_that_names_it(
    server, tmp_path, monkeypatch, place
):
    folder = tmp_path / "mine"
    if place == "the target":
        folder.mkdir()
        (folder / FOLDER).write_text("in the way")
    else:
        folder.write_text("in the way")
    where = folder / "deep" if place == "above it" else folder
    monkeypatch.setenv("NNDL_DATA", str(where))
    with pytest.raises(OSError, match=f"cannot be put into {where}.*--folder"):
        server.fetch()
    (folder / FOLDER if place == "the target" else folder).unlink()
    assert_the_data_are_whole(server.fetch())


def test_a_folder_in_a_file_s_place_is_an_error_that_names_it(server, cache):
    obstacle = cache / FOLDER / "data_batch_3.bin"
    obstacle.mkdir(parents=True)
    with pytest.raises(
        FileNotFoundError, match=r"data_batch_3\.bin is missing|not here"
    ):
        data.load("cifar10", num_val=1, num_test=1)
    with pytest.raises(OSError, match=rf"Is a directory.*{obstacle}"):
        server.fetch()
    assert [name for name in left_in(cache) if name.startswith(".")] == []
    obstacle.rmdir()
    assert_the_data_are_whole(server.fetch())


def test_a_link_in_a_file_s_place_is_replaced_and_its_target_left_alone(
    server, cache, tmp_path
):
    (tmp_path / "mine").write_text("not to be touched")
    (cache / FOLDER).mkdir(parents=True)
    (cache / FOLDER / "test_batch.bin").symlink_to(tmp_path / "mine")
    (cache / FOLDER / "data_batch_1.bin").symlink_to("nowhere")
    assert_the_data_are_whole(server.fetch())
    assert (tmp_path / "mine").read_text() == "not to be touched"


def test_a_folder_that_may_not_be_written_is_an_error_that_names_it(
    server, ordinary_user, monkeypatch
):
    locked = ordinary_user / "locked"
    locked.mkdir(mode=0o500)
    monkeypatch.setenv("NNDL_DATA", str(locked))
    with pytest.raises(
        OSError, match=f"cannot be put into {locked}.*Permission denied"
    ):
        server.fetch()
    locked.chmod(0o700)
    assert_the_data_are_whole(server.fetch())


def test_a_file_that_may_not_be_read_is_an_error_that_names_it(
    server, ordinary_user, monkeypatch
):
    monkeypatch.setenv("NNDL_DATA", str(ordinary_user))
    path = server.fetch() / "data_batch_2.bin"
    path.chmod(0)
    with pytest.raises(PermissionError, match=str(path)):
        data.load("cifar10", num_val=1, num_test=1)
    assert_the_data_are_whole(server.fetch())  # which puts another in its place


# ---- a copy that was damaged ---------------------------------------------------------


DAMAGES = {
    "missing": Path.unlink,
    "short": lambda path: path.write_bytes(bytes(FILE_SIZE - 1)),
    "long": lambda path: path.write_bytes(bytes(FILE_SIZE + 1)),
    "empty": lambda path: path.write_bytes(b""),
    "a label of no class": lambda path: path.write_bytes(b"\x0a" * FILE_SIZE),
}


@pytest.mark.parametrize("file", cifar10._FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_copy_says_what_to_do_and_doing_it_helps(server, damage, file):
    path = server.fetch() / file
    DAMAGES[damage](path)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        data.load("cifar10", num_val=1, num_test=1)
    assert str(path) in str(error.value)
    assert "Fetch CIFAR-10 again with: nndl data fetch cifar10" in str(error.value)
    assert_the_data_are_whole(server.fetch())


# ---- processes -----------------------------------------------------------------------


def started(server, folder, **options):
    """Start the command in a process of its own."""
    command = [
        sys.executable,
        TESTS / "cifar_cases.py",
        server.url,
        server.sha256,
        folder,
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_of_two_processes_the_second_waits_for_the_first(server, tmp_path, monkeypatch):
    go_on = threading.Event()

    def slow(handler, body):
        go_on.wait(30)
        cases.whole(handler, body)

    folder = tmp_path / "both"
    monkeypatch.setenv("NNDL_DATA", str(folder))
    server.answers = [slow]
    first = started(server, folder)
    wait_for(lambda: server.requests)
    second = started(server, folder)
    line = second.stdout.readline()
    assert len(server.requests) == 1
    assert first.poll() is None  # it is said while the first one is at work
    assert line == f"Waiting for another process that fetches CIFAR-10 into {folder}.\n"
    go_on.set()
    assert [p.communicate(timeout=30)[1] for p in (first, second)] == ["", ""]
    assert [first.returncode, second.returncode] == [0, 0]
    assert len(server.requests) == 1
    assert_the_data_are_whole(folder / FOLDER)


def test_two_processes_that_start_at_once_both_have_the_data(
    server, tmp_path, monkeypatch
):
    folder = tmp_path / "both"
    monkeypatch.setenv("NNDL_DATA", str(folder))
    processes = [started(server, folder) for _ in range(3)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert len(server.requests) == 1
    assert_the_data_are_whole(folder / FOLDER)


def test_after_a_kill_the_next_try_clears_up_and_works(server, tmp_path, monkeypatch):
    folder = tmp_path / "killed"
    monkeypatch.setenv("NNDL_DATA", str(folder))
    server.answers = [cases.stall]
    process = started(server, folder)
    wait_for(lambda: server.requests and list(folder.glob(".cifar10-*/*.tar.gz")))
    process.kill()
    process.communicate()
    assert [name for name in left_in(folder) if name.startswith(".cifar10-")]
    assert cifar10.find() is None
    assert_the_data_are_whole(server.fetch(folder))
    assert left_in(folder) == sorted(
        [FOLDER, *(f"{FOLDER}/{f}" for f in cifar10._FILES)]
    )


#: Ends itself when it has replaced so many of the files.
KILLED_WHILE_MOVING = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import cifar_cases
from nndl.data import cifar10
cifar_cases.make_small()
replace, left = os.replace, int(sys.argv[4])
def counted(*args):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    replace(*args)
os.replace = counted
cifar10.fetch(None, sys.argv[2], _sha256=sys.argv[3])
"""


@pytest.mark.parametrize("moved", [0, 1, 5])
def test_a_copy_that_was_killed_in_the_making_is_never_taken_for_whole(
    server, cache, moved
):
    command = [
        sys.executable,
        "-c",
        KILLED_WHILE_MOVING,
        TESTS,
        server.url,
        server.sha256,
    ]
    done = subprocess.run([*command, str(moved)], capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(FileNotFoundError, match="nndl data fetch cifar10"):
        data.load("cifar10", num_val=1, num_test=1)
    assert_the_data_are_whole(server.fetch())


# ---- the command line ----------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["404", "wrong checksum", "reset", "redirected to no address"]
)
def test_the_command_ends_with_one_sentence_and_status_1(server, cache, capsys, name):
    server.answers = [REFUSED[name][0]] * 3
    assert cli.main(["data", "fetch", "cifar10", "--mirror", server.url]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"nndl: {server.url} ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    assert "0x" not in captured.err  # no address of an object of Python's
    assert left_in(cache) == []


def test_the_command_works_in_a_process_of_its_own(server, tmp_path, monkeypatch):
    monkeypatch.setenv("NNDL_DATA", str(tmp_path / "mine"))
    process = started(server, tmp_path / "mine")
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert out == f"CIFAR-10 is in {tmp_path / 'mine' / FOLDER}.\n"
    assert_the_data_are_whole(tmp_path / "mine" / FOLDER)
