"""The command `nndl`: data sets, checks, experiments, old notebooks and the benchmark,
from a terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 1 after an error or a failed
    check.

    Parameters
    ----------
    argv
        The arguments after the command's name; None takes those of this process.

    Raises
    ------
    SystemExit
        With status 2 if the arguments are wrong, 0 after ``--help`` and ``--version``.
    """
    try:
        arguments = _parser().parse_args(argv)
        return arguments.run(arguments) or 0
    except (ImportError, OSError, ValueError) as error:
        print("nndl:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nndl: interrupted", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    from .benchmarks import options
    from .check import _files
    from .compat import _notebook
    from .experiments import _commands
    from .sweep import _command

    parser = argparse.ArgumentParser(
        prog="nndl", description="The tools of a textbook that runs."
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(required=True, metavar="command")
    data = commands.add_parser("data", help="the data sets of the book")
    actions = data.add_subparsers(required=True, metavar="action")

    fetch = actions.add_parser("fetch", help="download a data set (170 MB)")
    fetch.add_argument("name", choices=["cifar10"])
    fetch.add_argument(
        "--mirror", metavar="URL", help="another address of the official archive"
    )
    fetch.add_argument(
        "--folder", metavar="DIR", help="where to put it, instead of the cache"
    )
    fetch.set_defaults(run=_fetch)

    listing = actions.add_parser("list", help="what there is, and where")
    listing.set_defaults(run=_list)

    checking = commands.add_parser("check", help="what is wrong with your own layers")
    _files.add_options(checking)

    exercises = commands.add_parser(
        "exercises", help="the book's exercises as notebooks, without the solutions"
    )
    exercises.add_argument("folder", metavar="DIR", help="where to write them")
    exercises.add_argument(
        "--chapters", metavar="DIR", help="the chapters' notebooks, if not beside nndl"
    )
    exercises.set_defaults(run=_exercises)

    training = commands.add_parser("train", help="train the experiment in a TOML file")
    _commands.add_train_options(training)
    evaluating = commands.add_parser(
        "evaluate", help="look at what a checkpoint of nndl train has learned"
    )
    _commands.add_evaluate_options(evaluating)
    sweeping = commands.add_parser(
        "sweep", help="search hyperparameters of the experiment in a TOML file"
    )
    _command.add_options(sweeping)

    notebook = commands.add_parser(
        "run-notebook", help="run an old notebook of CS231n, C147 or CSE 493G1"
    )
    _notebook.add_options(notebook)

    bench = commands.add_parser(
        "bench", help="time the compiled code against its peers"
    )
    options.add_options(bench)
    bench.set_defaults(run=options.run)
    return parser


class _Version(argparse.Action):
    """Print the version, which is looked up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(
            option_strings, dest, nargs=0, help="print the version and stop"
        )

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from . import __version__

        print(f"nndl {__version__}")
        parser.exit()


def _fetch(arguments: argparse.Namespace) -> None:
    from .data import cifar10

    cifar10.fetch(arguments.folder, arguments.mirror or cifar10.OFFICIAL_URL)


def _exercises(arguments: argparse.Namespace) -> None:
    from .exercises import write_exercises

    for path in write_exercises(arguments.folder, arguments.chapters):
        print(path)


def _list(arguments: argparse.Namespace) -> None:
    from . import data
    from .data import cifar10

    drawn = data.shapes_file()
    print(
        f"shapes   12,000 images  {drawn if drawn.is_file() else 'drawn when first used'}"
    )
    print(
        f"cifar10  60,000 images  {cifar10.find() or 'absent: nndl data fetch cifar10'}"
    )
