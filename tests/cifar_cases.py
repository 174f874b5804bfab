"""CIFAR-10 with four records a file, its archive, and a server that gives it away, or
something else.

    python tests/cifar_cases.py URL SHA256 [FOLDER]

is the command `nndl data fetch cifar10` for this small set.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import io
import socket
import struct
import sys
import tarfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nndl import cli, data
from nndl.data import _records, cifar10

RECORDS = 4
FILE_SIZE = RECORDS * 3073
FOLDER = "cifar-10-batches-bin"


def make_small(change: Callable[[Any, str, Any], None] = setattr) -> None:
    """Make the data set small: 4 records a file, the last two training records for
    validation. `change` sets an attribute, as `setattr` does."""
    layout = _records.Layout(cifar10.CLASS_NAMES, 18, 20, 24)
    change(cifar10, "_RECORDS_PER_FILE", RECORDS)
    change(cifar10, "LAYOUT", layout)
    change(data, "_LAYOUTS", data._LAYOUTS | {"cifar10": layout})
    change(cifar10, "_PAUSE", 0.0)


def contents() -> dict[str, bytes]:
    """Return the content of each file."""
    rng = np.random.default_rng(0)
    files = {}
    for file in cifar10._FILES:
        block = rng.integers(0, 256, (RECORDS, 3073), dtype=np.uint8)
        block[:, 0] %= 10
        files[file] = block.tobytes()
    return files


def write(folder: Path) -> Path:
    """Write the files into a new folder."""
    folder.mkdir(parents=True)
    for file, content in contents().items():
        (folder / file).write_bytes(content)
    return folder


def records() -> np.ndarray:
    return np.frombuffer(b"".join(contents().values()), np.uint8).reshape(-1, 3073)


def left_in(folder: Path) -> list[str]:
    """Return all that is in a folder, hidden files too."""
    if not folder.exists():
        return []
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# ---- archives ------------------------------------------------------------------------

#: A member of an archive: its name or all that tar knows of it, and its content.
Member = tuple[str | tarfile.TarInfo, bytes]


def archive(files: Mapping[str, bytes], extra: Sequence[Member] = ()) -> bytes:
    """Return a packed tar file of the data's files, and of extra members."""
    members: list[Member] = [(f"{FOLDER}/{f}", content) for f, content in files.items()]
    return gzip.compress(tar([*members, *extra]), compresslevel=1)


def tar(members: Sequence[Member]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as file:
        for info, content in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
                info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return raw.getvalue()


# ---- the server ----------------------------------------------------------------------

Handler = http.server.BaseHTTPRequestHandler
Answer = Callable[[Handler, bytes], None]


class Server:
    """Serves `body` at any path of 127.0.0.1, or what the next of its `answers` says."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.answers: list[Answer] = []
        self.requests: list[dict[str, str]] = []
        self.ended = threading.Event()
        outer = self

        class Handling(Handler):
            server_outer = outer

            def do_GET(self) -> None:
                outer.requests.append(dict(self.headers))
                answer = outer.answers.pop(0) if outer.answers else whole
                with contextlib.suppress(ConnectionError):
                    answer(self, outer.body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handling)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self.server.server_port}/cifar-10-binary.tar.gz"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def fetch(self, folder: Path | None = None) -> Path:
        return cifar10.fetch(folder, self.url, _sha256=self.sha256)


def whole(handler: Handler, body: bytes) -> None:
    """Serve the body, or the part of it that is asked for."""
    start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
    if start >= len(body):
        status(416)(handler, body)
        return
    handler.send_response(206 if start else 200)
    if start:
        where = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.send_header("Content-Range", where)
    handler.send_header("Content-Length", str(len(body) - start))
    handler.end_headers()
    handler.wfile.write(body[start:])


def status(code: int, **headers: str) -> Answer:
    """Answer with a status and headers, and a word for the body."""

    def answer(handler: Handler, body: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "5")
        handler.end_headers()
        handler.wfile.write(b"sorry")

    return answer


def sending(
    change: Callable[[bytes], bytes], length: int | None = 0, **headers: str
) -> Answer:
    """Serve a changed body, under a length that is wrong by so many bytes, or none."""

    def answer(handler: Handler, body: bytes) -> None:
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(len(body) + length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(change(body))

    return answer


def cut(handler: Handler, body: bytes) -> None:
    """Serve the first half and close the connection."""
    sending(lambda body: body[: len(body) // 2])(handler, body)


def reset(handler: Handler, body: bytes) -> None:
    """Serve the first half and break the connection off."""
    cut(handler, body)
    handler.wfile.flush()
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def stall(handler: Handler, body: bytes) -> None:
    """Serve the first half and then nothing, until the test is over."""
    cut(handler, body)
    handler.wfile.flush()
    handler.server_outer.ended.wait(60)  # type: ignore[attr-defined]


def stall_at_once(handler: Handler, body: bytes) -> None:
    handler.server_outer.ended.wait(60)  # type: ignore[attr-defined]


def raw(content: bytes) -> Answer:
    """Answer with bytes that need not be HTTP."""

    def answer(handler: Handler, body: bytes) -> None:
        handler.wfile.write(content)

    return answer


def endless(handler: Handler, body: bytes) -> None:
    """Serve for ever."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")


if __name__ == "__main__":
    url, sha256, *folder = sys.argv[1:]
    make_small()
    cifar10.fetch.__kwdefaults__["_sha256"] = sha256
    options = ["--folder", folder[0]] if folder else []
    sys.exit(cli.main(["data", "fetch", "cifar10", "--mirror", url, *options]))
