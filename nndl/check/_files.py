"""Checks every function of a file that has a name of the book, in a process of its own.

The file is somebody's program and is run as such. The limits on time and memory catch
mistakes; they are no sandbox, and keep nobody from reading or deleting files.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import inspect
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from .._arguments import as_path, number, whole_number
from .._interrupts import starting_processes
from . import specifications
from ._check import check
from ._result import Finding, Result, level_of

#: What a worker ends with when it has written its results, right or wrong.
_DONE = 0
NO_SANDBOX = "The file runs with your rights: limits on time and memory are no sandbox."


def check_file(
    path: str | os.PathLike[str],
    *,
    hint: int = 2,
    time_limit: float = 60.0,
    memory_limit: int = 4096,
) -> list[Result]:
    """Check every function of a Python file that bears the name of one of the book's.

    The file is imported in a process of its own, which is ended when its time is over.
    That is no sandbox: it may do whatever you may do.

    Parameters
    ----------
    path : path
        A file whose name ends in ``.py``.
    hint : {1, 2, 3}, optional
        How much the results show, as in `check`.
    time_limit : float, optional
        Seconds for the whole file; a single call has one.
    memory_limit : int, optional
        Megabytes of memory that the process may ask for, where the system can limit it.

    Returns
    -------
    list of Result
        In the order of the functions in the file. One that tells what happened, where
        the file could not be imported or the process did not come to its end.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If its name does not end in ``.py``, no function in it has a known name, `hint` is
        not 1, 2 or 3, or a limit is not above 0.
    TypeError
        If `path` is no path, or a limit no number.
    """
    path = as_path("path", path)
    hint = level_of(hint)
    time_limit = number("time_limit", time_limit, above=0)
    memory_limit = whole_number("memory_limit", memory_limit, at_least=1)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.suffix != ".py":
        raise ValueError(f"`path` must name a Python file (.py), but is {path}.")
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "results.json"
        command = [
            sys.executable, "-m", "nndl.check", str(path), str(answer), str(memory_limit),
        ]  # fmt: skip
        ended = _run(command, time_limit)
        if not answer.is_file():
            return [_did_not_end(path, ended, time_limit, memory_limit, hint)]
        found = json.loads(answer.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(
            f"No function in {path.name} has a name of the book. {specifications.KNOWN}"
        )
    return [Result.from_dict(one, hint) for one in found]


def _run(command: list[str], seconds: float) -> int | None:
    """Run a command and return how it ended, or None if its time was over. What it
    prints goes to standard error."""
    standard_error = 2
    with starting_processes():
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=standard_error
        )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        process.kill()
        process.wait()


def _did_not_end(
    path: Path, ended: int | None, seconds: float, megabytes: int, hint: int
) -> Result:
    """Return the result for a file whose process gave none."""
    if ended is None:
        finding = Finding(
            "file", "", "", f"was not done after {seconds:g} s", "time-limit",
            "What stands outside of its functions runs when the file is imported, and probably "
            "never ends.",
        )  # fmt: skip
    else:
        how = f"was ended by signal {-ended}" if ended < 0 else f"ended with {ended}"
        finding = Finding(
            "file", "", "", f"its process {how} and told no results", "ended",
            f"It called something that ends Python, or asked for more than {megabytes} MB.",
        )  # fmt: skip
    return Result(path.name, (finding,), hint=hint)


# ---- in the process of its own -------------------------------------------------------


def work(arguments: list[str]) -> int:
    """Import a file, check its functions, and write what was found as JSON."""
    path, answer, megabytes = Path(arguments[0]), Path(arguments[1]), int(arguments[2])
    _limit_memory(megabytes)
    try:
        module = _imported(path)
    except (Exception, SystemExit) as error:
        results = [_not_imported(path, error)]
    else:
        results = [check(function) for function in known_functions(module)]
    part = answer.with_suffix(".part")
    part.write_text(json.dumps([result.to_dict() for result in results]), "utf-8")
    os.replace(part, answer)
    # At once: nothing that the file left behind, a thread say, can hold the process up.
    sys.stdout.flush()
    os._exit(_DONE)


def _limit_memory(megabytes: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, most))


def _imported(path: Path) -> ModuleType:
    """Import the file at `path`, with its folder on the path as if it were run."""
    sys.path.insert(0, str(path.resolve().parent))
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def known_functions(module: ModuleType) -> list[Callable[..., Any]]:
    """Return the functions that a module defines under names of the book, in their
    order."""
    known = specifications.all_specifications()
    found = []
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__:
            names = specifications.other_names(name)
            if value.__name__ == name and any(other in known for other in names):
                found.append(value)
    return sorted(found, key=lambda function: function.__code__.co_firstlineno)


def _not_imported(path: Path, error: BaseException) -> Result:
    """Return the result for a file that cannot be imported."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path
    ]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line = f"line {error.lineno}: {(error.text or '').strip()}"
    else:
        line = f"line {frames[-1].lineno}: {frames[-1].line}" if frames else ""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    finding = Finding(
        "file", "", "",
        f"could not be imported: {type(error).__name__}: {message}", "import", "",
        line=line,
    )  # fmt: skip
    return Result(path.name, (finding,))


# ---- the command ---------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``nndl check``."""
    parser.description = (
        "Checks every function of a Python file that has a name of the book. "
        + NO_SANDBOX
    )
    parser.add_argument("file", metavar="FILE.py")
    parser.add_argument(
        "--hint", type=int, choices=(1, 2, 3), default=2,
        help="1: where it is wrong; 2: the likely cause too (default); 3: the formula too",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true", help="print everything as JSON, for graders"
    )
    parser.add_argument(
        "--time-limit", type=float, default=60.0, metavar="S",
        help="seconds for the whole file (default: 60)",
    )  # fmt: skip
    parser.add_argument(
        "--memory-limit", type=int, default=4096, metavar="MB",
        help="megabytes that its process may ask for (default: 4096)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check a file, print what was found, and return 1 if anything is wrong."""
    results = check_file(
        arguments.file,
        hint=arguments.hint,
        time_limit=arguments.time_limit,
        memory_limit=arguments.memory_limit,
    )
    passed = all(result.passed for result in results)
    if arguments.json:
        told = [result.to_dict() for result in results]
        print(
            json.dumps(
                {"file": arguments.file, "passed": passed, "results": told}, indent=2
            )
        )
    else:
        print(NO_SANDBOX, file=sys.stderr)
        print("\n\n".join(str(result) for result in results))
        count = sum(result.passed for result in results)
        print(f"\n{count} of {len(results)} passed")
    return 0 if passed else 1
