"""The command line of the benchmark, for `python -m benchmarks` and for `nndl bench`.

Nothing here loads NumPy: how many threads its matrix products use, and how long these
wait in a busy loop, is settled when it is loaded.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path

from .workloads import NAMES


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="fewer repetitions: under a minute"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=NAMES,
        default=NAMES,
        metavar="NAME",
        help=f"only this work: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--threads", type=_threads, default=2, help="for everyone; 2 if not given"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the results there, too"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the benchmark in a fresh process, as the options say."""
    from .fresh_process import in_a_fresh_process

    if arguments.json is not None:
        arguments.json.touch()  # now, rather than after minutes, is the time to fail
    threads = str(arguments.threads)
    os.environ.update(
        NNDL_NUM_THREADS=threads,
        OMP_NUM_THREADS=threads,
        MKL_NUM_THREADS=threads,
        OPENBLAS_NUM_THREADS=threads,
        OPENBLAS_THREAD_TIMEOUT="4",  # the shortest busy waiting, 2**4 cycles
    )
    in_a_fresh_process(_run, arguments.only, arguments.quick, arguments.json)


def _run(names: tuple[str, ...], quick: bool, json_file: Path | None) -> None:
    from . import suite

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # each row as it is measured
    suite.run(names, quick, json_file)


def _threads(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 1 to 1024, but is {text!r}"
        )
    return int(text)
