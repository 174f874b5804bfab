"""The commands ``nndl train`` and ``nndl evaluate``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._arguments import Array
from . import _record
from ._evaluate import Evaluation, evaluate
from ._experiment import Experiment, read
from ._run import Run


def add_train_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG.toml", help="the experiment")
    parser.add_argument(
        "--seed", type=int, metavar="S", help="in place of that in the file"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="where log, checkpoints and pictures go (default: runs/CONFIG-seedS)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the training in DIR"
    )
    parser.add_argument(
        "--checkpoint-every",
        type=int,
        metavar="N",
        help="iterations between two checkpoints (default: an epoch)",
    )
    parser.add_argument(
        "--plot", action="store_true", help="draw losses and accuracies: training.png"
    )
    parser.add_argument(
        "--test",
        action="store_true",
        help="look at the test images in the end: once, when all has been chosen",
    )
    parser.add_argument(
        "--record", metavar="FILE", help="put the results into a JSON file"
    )
    parser.add_argument("--quiet", action="store_true", help="print only the results")
    parser.set_defaults(run=train)


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", help="written by nndl train, a .npz file"
    )
    parser.add_argument(
        "--test", action="store_true", help="on the test images, not the validation's"
    )
    parser.add_argument(
        "--mirrored",
        action=argparse.BooleanOptionalAction,
        help="average two looks at each image (default: as the experiment says)",
    )
    parser.add_argument(
        "--mistakes",
        metavar="FILE.png",
        help="draw the images it was surest of, wrongly",
    )
    parser.set_defaults(run=look)


def train(arguments: argparse.Namespace) -> None:
    """Train the experiment in a file, and print what came out."""
    experiment = read(arguments.config)
    seed = arguments.seed
    if seed is None:
        seed = experiment.tables["training"]["seed"]
    folder = Path(arguments.out or f"runs/{experiment.name}-seed{seed}")
    if arguments.record is not None:
        _record.check(Path(arguments.record), experiment)
    if not arguments.quiet:
        print(experiment.network())
    try:
        run = experiment.run(
            seed=seed, folder=folder, resume=arguments.resume, quiet=arguments.quiet,
            checkpoint_every=arguments.checkpoint_every, test=arguments.test,
        )  # fmt: skip
    except KeyboardInterrupt:
        if Path(f"{folder / 'checkpoint'}_last.npz").exists():
            print(f"nndl: {folder} can be gone on with: --resume", file=sys.stderr)
        raise
    _print(experiment, run)
    for evaluation in filter(None, (run.validation, run.test)):
        print(f"\n{evaluation}")
    _draw_mistakes(run.validation, run.data, folder / "mistakes.png")
    print(f"\nmistakes     {folder / 'mistakes.png'}")
    if arguments.plot:
        _save(run.solver.plot_history(), folder / "training.png")
        print(f"curves       {folder / 'training.png'}")
    print(f"log          {folder / 'log.jsonl'}")
    print(f"best network {folder / 'checkpoint_best.npz'}")
    if arguments.record is not None:
        _record.record(Path(arguments.record), run, Path(arguments.config).parent)
        print(f"recorded in  {arguments.record}")


def _print(experiment: Experiment, run: Run) -> None:
    epochs = len(run.epochs)
    best = max(range(epochs), key=lambda i: run.epochs[i]["val_acc"], default=0)
    print(
        f"\n{experiment.name}, seed {run.seed}: {epochs} epochs in {run.seconds:.1f} s; the best "
        f"network is that of epoch {best + 1}"
    )
    print(f"data: {_record.origin(run.data)}")


def look(arguments: argparse.Namespace) -> None:
    """Look at what a checkpoint has learned."""
    part = "test" if arguments.test else "val"
    evaluation, experiment, data = evaluate(
        arguments.checkpoint, part, mirrored=arguments.mirrored
    )
    print(f"{experiment.name}; data: {_record.origin(data)}")
    print(evaluation)
    if arguments.mistakes is not None:
        _draw_mistakes(evaluation, data, Path(arguments.mistakes))
        print(f"mistakes     {arguments.mistakes}")


def _draw_mistakes(evaluation: Evaluation, data: Mapping[str, Any], path: Path) -> None:
    """Draw the images that the network was surest of, and wrong."""
    from ..vis_utils import show_images

    places, names = evaluation.mistakes, evaluation.class_names
    if len(places) == 0:
        return
    right = data[f"y_{evaluation.part}"][places]
    titles = [
        f"{names[y]}, not {names[taken]}"
        for y, taken in zip(right, evaluation.predicted[places], strict=True)
    ]
    pixels = _as_pixels(data[f"X_{evaluation.part}"][places], data)
    _save(show_images(pixels, titles, columns=5, size=1.6), path)


def _as_pixels(images: Array, data: Mapping[str, Any]) -> Array:
    """Undo what was done to the images before training."""
    if "channel_std" in data:
        by_channel = np.s_[:, None, None]
        std, mean = data["channel_std"][by_channel], data["channel_mean"][by_channel]
        return images * std + mean
    return images + data["mean_image"]


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)
