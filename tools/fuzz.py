"""Makes hostile calls of the compiled functions, until some break their promise or all
are made.

The calls are those of tests/test_fuzz.py, in numbers. They are made in processes of
their own, which write down each call before they make it: one that crashes or hangs is
reported with the call that did it, and the others go on.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import faulthandler
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: Examples for one process: few enough that a crash costs little.
PORTION = 2500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--examples", type=int, default=100_000, help="of all functions"
    )
    parser.add_argument("--seed", type=int, default=None, help="random if not given")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--patience", type=int, default=60, help="seconds for a call")
    parser.add_argument("--only", nargs="*", help="names of functions")
    parser.add_argument("--call", help="make this one call, as a report prints it")
    parser.add_argument("--portion", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    if options.portion:
        make_portion(*options.portion, options)
    elif options.call:
        print(make_call(options.call))
    else:
        sys.exit(make_all(options))


# ---- in a process of its own ---------------------------------------------------------


def make_portion(name: str, examples: str, number: str, options: Any) -> None:
    """Make some calls of one function, and print what came of them."""
    from hostile_checks import attack

    faulthandler.enable()
    with open(os.environ["NNDL_LAST_CALL"], "r+b", buffering=0) as file:

        def write_down(call: Any) -> None:
            file.seek(0)
            file.truncate()
            file.write(repr(call).encode())
            faulthandler.dump_traceback_later(options.patience, exit=True)

        came = attack(name, int(examples), int(number), write_down)
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps(came))


def make_call(text: str) -> str:
    """Make the call that a report has printed."""
    import hostile_arrays
    import hostile_calls
    import numpy as np
    from hostile_checks import check

    names = {"np": np, "nan": np.nan, "inf": np.inf}
    return check(eval(text, vars(hostile_arrays) | vars(hostile_calls) | names))


# ---- all of them ---------------------------------------------------------------------


def make_all(options: argparse.Namespace) -> int:
    """Make the calls of all functions and print a line for each; return 1 if a promise
    was broken."""
    from hostile_calls import CALLS
    from hostile_checks import REFUSED

    names = options.only or list(CALLS)
    start = time.monotonic()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"{options.examples} hostile calls of {len(names)} functions, SEED={seed}")
    portions = []
    for i, name in enumerate(names):
        left = (options.examples + len(names) - 1 - i) // len(names)
        while left > 0:
            portions.append((name, min(left, PORTION), seed * 1000 + len(portions)))
            left -= PORTION
    came: dict[str, Counter[str]] = {name: Counter() for name in names}
    broken = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(run_portion, *portion, options) for portion in portions]
        for (name, _, _), future in zip(portions, futures, strict=True):
            counts, report = future.result()
            came[name] += counts
            if report:
                broken += 1
                print(f"\n{name}: {report}\n", flush=True)
            elif (
                future is futures[-1] or portions[futures.index(future) + 1][0] != name
            ):
                print(f"{name:23}{describe(came[name])}", flush=True)
    total = sum(came.values(), Counter())
    reached = 1 - total[REFUSED] / max(1, total.total())
    print(f"{'all':23}{describe(total)}")
    print(
        f"{total.total()} calls in {time.monotonic() - start:.0f} s, {reached:.0%} of them "
        f"reached a kernel; {broken or 'no'} promise{'s' * (broken > 1)} broken."
    )
    return int(broken > 0)


def run_portion(
    name: str, examples: int, number: int, options: argparse.Namespace
) -> tuple[Counter[str], str]:
    """Return what came of the calls, and a report if one broke its promise."""
    with tempfile.NamedTemporaryFile() as file:
        python = [sys.executable, *(["-S", "-P"] if sys.flags.no_site else [])]
        arguments = [name, str(examples), str(number)]
        done = subprocess.run(
            [
                *python,
                __file__,
                "--patience",
                str(options.patience),
                "--portion",
                *arguments,
            ],
            env=os.environ | {"NNDL_LAST_CALL": file.name},
            capture_output=True,
            text=True,
            check=False,
        )
        last = Path(file.name).read_text()
    if done.returncode == 0:
        return Counter(json.loads(done.stdout)), ""
    how = (
        "failed" if done.returncode > 0 else f"was killed by signal {-done.returncode}"
    )
    return Counter(), (
        f"a process of {examples} calls from {number} on {how}. Its last words:\n"
        f"{shortened(done.stderr)}\nTo make its last call again:\n"
        f"python tools/fuzz.py --call {shlex.quote(last)}"
    )


def shortened(text: str) -> str:
    """Return the beginning and the end of a text."""
    return text if len(text) < 8000 else f"{text[:4000]}\n[...]\n{text[-4000:]}"


def describe(came: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in came.most_common())


if __name__ == "__main__":
    main()
