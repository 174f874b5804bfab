"""Files that are whole or not there: parts that were left behind, and power failures."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nndl._files import replacing


def write(path, content=b"new"):
    with replacing(path) as file:
        file.write(content)


@pytest.fixture(scope="module")
def dead_process():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def test_parts_of_dead_processes_are_removed_and_others_stay(tmp_path, dead_process):
    dead = [f".a.npz.{dead_process}-7.part", f".a.npz.{10**30}-7.part"]
    stay = [
        f".a.npz.{os.getppid()}-7.part",
        f".b.npz.{dead_process}-7.part",
        ".a.npz.²-7.part",  # a digit, but no number
        ".a.npz.part",
    ]
    for name in dead + stay:
        (tmp_path / name).write_bytes(b"a part")
    write(tmp_path / "a.npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["a.npz", *stay])


def test_a_part_that_cannot_be_removed_is_no_error(tmp_path, dead_process):
    (tmp_path / f".a.npz.{dead_process}-7.part").mkdir()
    write(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == b"new"


def test_a_file_and_then_its_name_are_brought_to_the_disk(tmp_path, monkeypatch):
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("this system does not say which file a descriptor means")
    events = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor):
        events.append(os.path.realpath(f"/proc/self/fd/{descriptor}"))
        real_fsync(descriptor)

    def replace(part, path):
        events.append("replace")
        real_replace(part, path)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write(tmp_path / "a.npz")
    part, renamed, folder = events
    assert part.endswith(".part")
    assert renamed == "replace"
    assert folder == os.path.realpath(tmp_path)


def test_a_file_system_that_cannot_sync_a_folder_is_no_error(tmp_path, monkeypatch):
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    write(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == b"new"
    assert len(calls) == 2
