"""Runs the tests of the compiled code in a build whose machine code watches itself.

GCC's AddressSanitizer stops a program that touches memory which is not its own, its
UndefinedBehaviorSanitizer one that does arithmetic which C does not define. The build
has a folder of its own, and nothing here touches the package that is installed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "sanitized"
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
OPTIONS = [
    "--prefix=/", "-Dpython.platlibdir=site", "-Dpython.purelibdir=site",
    # As optimized as can be compiled in a minute.
    "-Doptimization=g", "-Ddebug=false",
    "-Db_sanitize=address,undefined", "-Db_lundef=false",
    f"-Dc_args={SANITIZE[1]} -g1 -fno-var-tracking -fno-omit-frame-pointer",
]  # fmt: skip
# Where no such memory can be had, NumPy says so itself. What Python never frees hides any leak.
ADDRESS = "detect_leaks=0:allocator_may_return_null=1"
FAST_TESTS = sorted(f"tests/{path.name}" for path in ROOT.glob("tests/test_fast_*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, help="hostile calls; 3000, quick 600")
    parser.add_argument("--quick", action="store_true", help="fewer of the tests")
    options = parser.parse_args()
    if shutil.which("gcc") is None:
        sys.exit("The sanitizers are those of GCC: install gcc.")
    build()
    environment = os.environ | {
        "LD_PRELOAD": said_by("gcc", "-print-file-name=libasan.so"),
        "ASAN_OPTIONS": ADDRESS,
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",  # or Python would take memory in large pieces
        "PYTHONPATH": os.pathsep.join(
            [str(BUILD / "root" / "site"), sysconfig.get_path("purelib")]
        ),
    }
    # Without `site`, which would import the installed package, and the current folder.
    python = [sys.executable, "-S", "-P"]
    run(
        [*python, "-c", "import nndl; print(nndl.__file__); nndl.show_config()"],
        environment,
    )
    examples = options.examples or (600 if options.quick else 3000)
    fuzz = ["--examples", str(examples), "--patience", "600"]
    run([*python, "tools/fuzz.py", *fuzz], environment)
    # Less optimized, the instruction sets round alike.
    pytest = ["-m", "pytest", "-q", "-k", "not different_code"]
    tests = ["tests/test_fast_kernels.py"] if options.quick else FAST_TESTS
    run([*python, *pytest, *tests], environment)
    kernels = ["-k", "gcc and 32" if options.quick else "gcc", "tests/test_kernels.py"]
    run(
        [sys.executable, "-m", "pytest", "-q", *kernels],
        os.environ | {"NNDL_KERNEL_FLAGS": " ".join(SANITIZE)},
    )
    print("The sanitizers have nothing to report.")


def build() -> None:
    """Compile the package and install it inside the build's folder."""
    gcc = os.environ | {"CC": "gcc"}
    if not (BUILD / "build.ninja").exists():
        run(["meson", "setup", str(BUILD), *OPTIONS], gcc, quiet=True)
    run(["meson", "install", "-C", str(BUILD), "--destdir", "root"], gcc, quiet=True)


def run(command: list[str], environment: dict[str, str], quiet: bool = False) -> None:
    """Run a command, say so, and give up if it fails."""
    start = time.monotonic()
    print("+", shlex.join(command), flush=True)
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        print(done.stdout or "", end="")
        sys.exit(f"failed with {done.returncode}: {shlex.join(command)}")
    print(f"  {time.monotonic() - start:.0f} s\n", flush=True)


def said_by(*command: str) -> str:
    return subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
