"""The C kernels without Python: every compiler found here, every width of vector, and
another processor under an emulator."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from nndl._fast import _kernels

HERE = Path(__file__).parent
KERNELS = HERE.parent / "nndl" / "_fast"
FLAGS = [
    "-std=c11",
    "-O2",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    *os.environ.get("NNDL_KERNEL_FLAGS", "").split(),  # of tools/sanitize.py
]
# bytes in a vector, and the shapes of the register tiles, as in nndl/_fast/meson.build
WIDTHS = {16: (4, 2, 4, 2), 32: (6, 2, 4, 3), 64: (8, 2, 8, 2)}
number_types = pytest.mark.parametrize("number_type", ["float", "double"])


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def build(compiler, number_type, width, folder, *flags):
    rows, vecs, conv_rows, conv_vecs = WIDTHS[width]
    size = 4 if number_type == "float" else 8
    defined = {
        "T": number_type, "T_BYTES": size, "VB": width, "TILE_ROWS": rows, "TILE_VECS": vecs,
        "CONV_ROWS": conv_rows, "CONV_VECS": conv_vecs, "KERNELS_TYPE": f"kernels_{number_type}",
        "BUILD": "build",
    }  # fmt: skip
    program = folder / "check"
    command = [
        compiler, *FLAGS, *flags, *(f"-D{name}={value}" for name, value in defined.items()),
        "-Wno-psabi", f"-I{KERNELS}", str(HERE / "kernels" / "check.c"), "-o", str(program), "-lm",
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=300)
    return program


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@number_types
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_kernels_equal_plain_loops(compiler, width, number_type, tmp_path):
    """A compiler turns vectors wider than the machine's into several, so that the
    widest build is tested on any machine."""
    need(compiler)
    done = run(build(compiler, number_type, width, tmp_path))
    assert done.returncode == 0, done.stdout
    assert "0 failures" in done.stdout


@number_types
@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the flags are those of x86-64"
)
def test_the_kernels_equal_plain_loops_with_fused_multiply_adds(number_type, tmp_path):
    need("gcc")
    if "avx2" not in _kernels.available():
        pytest.skip("this machine has no AVX2")
    done = run(build("gcc", number_type, 64, tmp_path, "-mavx2", "-mfma"))
    assert done.returncode == 0, done.stdout


@number_types
def test_the_baseline_kernels_run_on_a_64_bit_arm(number_type, tmp_path):
    need("aarch64-linux-gnu-gcc", "qemu-aarch64")
    program = build("aarch64-linux-gnu-gcc", number_type, 16, tmp_path, "-static")
    done = run("qemu-aarch64", program)
    assert done.returncode == 0, done.stdout
