"""Runs every C kernel, and the Cython code around them, under valgrind.

Memcheck sees reads of memory that was never written, which the sanitizers do not, and
touches of memory that is not the program's own. The kernels are run by the C programs of
tests/kernels, with vectors of every width; for AVX-512's instructions valgrind has no
emulation, so that the widest are made of narrower ones.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEMCHECK = ["valgrind", "--error-exitcode=9", "--leak-check=full", "--error-limit=no"]
LAYERS = """
import numpy as np
from fast_cases import SMALL, arguments, run_fast
from nndl import set_num_threads
from nndl._fast import _kernels
set_num_threads(1)
for instruction_set in _kernels.available():
    _kernels.choose(instruction_set)
    for name, sizes in SMALL.values():
        for dtype in (np.float32, np.float64):
            run_fast(name, arguments(name, dtype, **sizes))
"""


def main() -> None:
    if shutil.which("valgrind") is None:
        sys.exit(
            "Valgrind is not installed (on Debian and Ubuntu, the package valgrind)."
        )
    sys.path.insert(0, str(ROOT / "tests"))
    from test_kernels import WIDTHS, build

    from nndl._fast import _kernels

    builds = {"baseline": ["-g", "-O1"]}
    if "avx2" in _kernels.available():
        builds["avx2"] = ["-g", "-O1", "-mavx2", "-mfma"]
    for flags in builds.values():
        for number_type in ("float", "double"):
            for width in WIDTHS:
                with tempfile.TemporaryDirectory() as folder:
                    program = build("gcc", number_type, width, Path(folder), *flags)
                    what = f"kernels of {number_type}, {width} bytes, {' '.join(flags)}"
                    check(what, [*MEMCHECK, str(program)])
    check_layers()
    print("Valgrind has nothing to report.")


def check(what: str, command: list[str]) -> None:
    """Run a C program and give up if valgrind or the program finds anything wrong."""
    print(what, flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}")


def check_layers() -> None:
    """Run small layers, and give up if an error has to do with the compiled modules.

    Python, NumPy and the dynamic linker make valgrind complain of themselves.
    """
    print("layers called from Python", flush=True)
    # In frames of this depth, the modules are seen below what they call.
    command = [
        "valgrind",
        "--error-limit=no",
        "--num-callers=40",
        sys.executable,
        "-c",
        LAYERS,
    ]
    environment = os.environ | {
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(ROOT / "tests"),
    }
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    errors = re.split(r"\n==\d+== \n", done.stderr)
    ours = [error for error in errors if "/_fast/" in error]
    if done.returncode or ours:
        sys.exit("\n\n".join(ours) or done.stderr[-4000:])


if __name__ == "__main__":
    main()
