"""Runs a course's notebook from the command line: `nndl run-notebook`."""

from __future__ import annotations

import argparse
import ast
import contextlib
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .._files import replacing
from .._interrupts import uninterrupted

#: What belongs to Colab or to the course's own building, and has no place here.
_ELSEWHERE = re.compile(
    r"""google\.colab | \bdrive\.mount\( | \bFOLDERNAME\b | /content/drive
        | ^\s*%cd\b
        | ^\s*[!%]+\s*(cd|rm|bash|sh|pip3?|conda|apt|apt-get|git|gdown|wget|curl|unzip)\b
        | get_datasets | setup\.py | ^\s*!.*(collect|makepdf|nbconvert)""",
    re.VERBOSE,
)
_MAGIC = re.compile(r"^(\s*)[%!].*")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf"
#: "dx error:  1.2e-09", "W1 max relative error: 1e-7", "difference: 9.8e-10", ...
_ERROR = re.compile(
    rf"(?P<what>[^\n:=]*\b(?:errors?|differences?|diff)\b[^\n:=]*)[:=]\s*(?P<value>{_NUMBER})(?!\S)",
    re.IGNORECASE,
)
#: Relative errors above this are pointed out.
LARGE = 1e-2

_SETUP = """\
# Added by `nndl run-notebook`: the courses' modules come from nndl.
import nndl.compat

nndl.compat.install(dropout_p={dropout_p!r})
%load_ext nndl.compat"""


class Cell(NamedTuple):
    """What became of a code cell."""

    number: int
    title: str
    state: str  #: "run", "passed over" or "failed"
    seconds: float
    #: The first line of the error, or which lines were passed over.
    note: str = ""
    #: The relative errors it printed.
    errors: tuple[tuple[str, float], ...] = ()


class Report(NamedTuple):
    """What became of a notebook."""

    cells: list[Cell]
    seconds: float

    @property
    def failed(self) -> int:
        """How many cells failed."""
        return sum(cell.state == "failed" for cell in self.cells)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def run_notebook(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    data: str | None = None,
    dropout_p: str = "keep",
    timeout: int | None = None,
    say: Any = None,
) -> Report:
    """Run a course's notebook on this package.

    It runs in a working folder of its own, so that a folder `cs231n` or `nndl` beside it
    hides nothing. Cells and lines that belong to Colab are passed over.

    Parameters
    ----------
    path : path
        The notebook, which is only read.
    output : path, optional
        Where to write the notebook with its outputs.
    data : {'cifar10', 'shapes'}, optional
        The images that stand for CIFAR-10; None leaves it to `NNDL_DATASET`, and takes
        the reader's copy where that is not set.
    dropout_p : {'keep', 'drop'}, optional
        As in `nndl.compat.install`.
    timeout : int, optional
        Seconds for one cell; None sets no limit.
    say : callable, optional
        Called with each `Cell` when it is done.

    Raises
    ------
    FileNotFoundError
        If there is no such notebook.
    ValueError
        If the file is no notebook.
    ModuleNotFoundError
        If nbclient or ipykernel is not installed.
    """
    notebook = _read(Path(path))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notes = {id(cell): _pass_over(cell) for cell in cells}
    started = time.perf_counter()
    done: list[Cell] = []
    with tempfile.TemporaryDirectory(prefix="nndl-notebook-") as folder:
        for cell in _execute(notebook, folder, data, dropout_p, timeout):
            number = len(done) + 1
            source, seconds, error = cell
            done.append(_judge(number, source, notes[id(source)], seconds, error))
            if say is not None:
                say(done[-1])
    if output is not None:
        import nbformat

        with replacing(Path(output)) as file:
            file.write(nbformat.writes(notebook).encode())
    return Report(done, time.perf_counter() - started)


def _read(path: Path) -> Any:
    try:
        import nbclient  # noqa: F401
        import nbformat
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Running a notebook needs {error.name}: pip install 'nndl[book]'"
        ) from error
    text = path.read_text(encoding="utf-8")
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:
        first = str(error).strip().splitlines()[0]
        raise ValueError(f"{path} is not a notebook: {first}") from error
    return notebook


# ---- what is passed over -------------------------------------------------------------


def _pass_over(cell: Any) -> str:
    """Turn what belongs elsewhere into comments, mark a cell of which nothing remains to
    be run, and say which lines it was."""
    lines = cell.source.splitlines()
    passed_over = _lines_from_elsewhere(lines)
    if not passed_over:
        return ""
    rest = [line for i, line in enumerate(lines) if i not in passed_over]
    if not _does_something(rest):
        cell.metadata.setdefault("tags", []).append("skip-execution")
        return "set-up for another machine"
    for i in passed_over:
        lines[i] = f"# passed over: {lines[i]}"
    cell.source = "\n".join(lines)
    first = lines[min(passed_over)].removeprefix("# passed over: ").strip()
    more = f" and {len(passed_over) - 1} more" if len(passed_over) > 1 else ""
    return f"without `{first}`{more}"


def _lines_from_elsewhere(lines: list[str]) -> set[int]:
    """Return the numbers of the lines of every top-level statement that belongs
    elsewhere."""
    hits = {i for i, line in enumerate(lines) if _ELSEWHERE.search(line)}
    try:
        statements = _statements(lines)
    except SyntaxError:
        return hits
    found: set[int] = set()
    for statement in statements:
        span = set(range(statement.lineno - 1, statement.end_lineno or 0))
        if span & hits and not _belongs_here_too(statement):
            found |= span
    return found


def _statements(lines: list[str]) -> list[ast.stmt]:
    """Return the top-level statements, with a `pass` for every magic."""
    return ast.parse("\n".join(_MAGIC.sub(r"\1pass", line) for line in lines)).body


def _belongs_here_too(statement: ast.stmt) -> bool:
    """Say whether a statement that names the other machine can be run on this one: it
    finds out where it is, or only gives something a name."""
    if isinstance(statement, ast.If):
        return "colab" in ast.unparse(statement.test).lower()
    if isinstance(statement, ast.Assign):
        source = ast.unparse(statement)
        calls = any(isinstance(part, ast.Call) for part in ast.walk(statement.value))
        return "FOLDERNAME" not in source and (not calls or "google.colab" in source)
    return isinstance(statement, ast.Try | ast.FunctionDef | ast.ClassDef)


def _does_something(lines: list[str]) -> bool:
    """Say whether anything but `import sys`, magics and remarks remains."""
    try:
        statements = _statements(lines)
    except SyntaxError:
        return True
    return not all(map(_is_remark, statements))


def _is_remark(statement: ast.stmt) -> bool:
    """Say whether a statement does nothing, or nothing but change `sys.path`."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names] == ["sys"]
    if isinstance(statement, ast.Pass):
        return True
    if not isinstance(statement, ast.Expr):
        return False
    source = ast.unparse(statement)
    return isinstance(statement.value, ast.Constant) or source.startswith("sys.path.")


# ---- running -------------------------------------------------------------------------


def _execute(
    notebook: Any, folder: str, data: str | None, dropout_p: str, timeout: int | None
) -> Iterator[tuple[Any, float, str | None]]:
    """Run the code cells in turn; yield each with its seconds and the error that ended
    it, None if none did."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    setup = nbformat.v4.new_code_cell(_SETUP.format(dropout_p=dropout_p))
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        setup.pop("id", None)
    notebook.cells.insert(0, setup)
    client = NotebookClient(
        notebook,
        # The setup is not a cell of the reader's, and may take long on a busy machine.
        timeout_func=lambda cell: None if cell is setup else timeout,
        kernel_name="python3",
        # When Ctrl-C ends it, the kernel has errors to tell that nobody caused.
        extra_arguments=["--log-level=CRITICAL"],
        interrupt_on_timeout=True,
        allow_errors=True,
        resources={"metadata": {"path": folder}},
    )
    environment = dict(os.environ)
    if data is not None:
        environment["NNDL_DATASET"] = data
    dead = None
    with contextlib.ExitStack() as stack:
        with uninterrupted():  # a kernel that is half started would outlive Ctrl-C
            stack.enter_context(client.setup_kernel(env=environment))
        for i, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            started = time.perf_counter()
            error = dead
            if "skip-execution" not in cell.metadata.get("tags", []) and dead is None:
                try:
                    client.execute_cell(cell, i)
                except DeadKernelError:
                    error = dead = "the kernel died (perhaps it ran out of memory)"
            error = error or _first_error(cell)
            if error == "KeyboardInterrupt" and timeout is not None:
                error = f"TimeoutError: took longer than {timeout} s"
            if cell is not setup:
                yield cell, time.perf_counter() - started, error
            elif error is not None:
                raise RuntimeError(f"The notebook could not be prepared: {error}")


def _first_error(cell: Any) -> str | None:
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            value = output.evalue.strip().splitlines()
            return f"{output.ename}: {value[0] if value else ''}".rstrip(": ")
    return None


def _judge(
    number: int, cell: Any, note: str, seconds: float, error: str | None
) -> Cell:
    printed = "".join(
        output.text
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stdout"
    )
    errors = tuple(
        (" ".join(found["what"].split()), float(found["value"]))
        for found in _ERROR.finditer(printed)
    )
    lines = (line.strip() for line in cell.source.splitlines())
    # A rule of `=` or `#` says nothing.
    title = next((line for line in lines if re.search(r"\w", line)), "(empty)")
    title = title.strip("# ").removeprefix("passed over: ")
    if "skip-execution" in cell.metadata.get("tags", []):
        return Cell(number, title, "passed over", 0.0, note)
    if error is not None:
        return Cell(number, title, "failed", seconds, error, errors)
    return Cell(number, title, "run", seconds, note, errors)


# ---- saying what happened ------------------------------------------------------------


def _lines(report: Report) -> Iterator[str]:
    """Return the lines of the table and of what is said under it."""
    yield f"{'cell':>4}  {'state':11}  {'seconds':>7}  what"
    for cell in report.cells:
        yield f"{cell.number:4}  {cell.state:11}  {cell.seconds:7.1f}  {cell.title[:60]}"
        if cell.note:
            yield f"{'':28}{cell.note[:100]}"
    counts = {
        state: sum(cell.state == state for cell in report.cells)
        for state in ("run", "passed over", "failed")
    }
    yield ""
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    yield f"{said}, in {report.seconds:.0f} s"
    if any("Missing parentheses in call to 'print'" in c.note for c in report.cells):
        yield "The notebook is written for Python 2, which is not supported."
    errors = [
        (cell.number, what, value)
        for cell in report.cells
        for what, value in cell.errors
    ]
    if not errors:
        return
    # `not <=` finds NaN too.
    large = [error for error in errors if not abs(error[2]) <= LARGE]
    yield f"{len(errors)} relative errors were printed, {len(large)} above {LARGE:g}"
    for number, what, value in large:
        yield f"  cell {number}: {what}: {value:g}"
    if large:
        yield "A correct network can get there too, by a kink of ReLU or of max pooling."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `nndl run-notebook` to a parser."""
    parser.add_argument("notebook", metavar="NOTEBOOK.ipynb")
    parser.add_argument(
        "-o", "--output", metavar="OUT.ipynb", help="where to write it with its outputs"
    )
    parser.add_argument(
        "--data",
        choices=["cifar10", "shapes"],
        help="the images that stand for CIFAR-10: your copy, or the embedded set",
    )
    parser.add_argument(
        "--dropout-p",
        choices=["keep", "drop"],
        default="keep",
        help="what the p of dropout means in this edition (keep)",
    )
    parser.add_argument(
        "--timeout", type=int, metavar="SECONDS", help="the most for one cell"
    )
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> int:
    def say(cell: Cell) -> None:
        print(
            f"cell {cell.number}: {cell.state}, {cell.seconds:.1f} s",
            file=sys.stderr,
            flush=True,
        )

    # After Ctrl-C, it would tell of tasks that nobody waits for any more.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    report = run_notebook(
        arguments.notebook,
        arguments.output,
        data=arguments.data,
        dropout_p=arguments.dropout_p,
        timeout=arguments.timeout,
        say=say if sys.stderr.isatty() else None,
    )
    print(report)
    return 1 if report.failed else 0
