"""Experiments in a file: data, network, optimizer, schedule, epochs and seed, in TOML.

`read` gives the `Experiment` that a file describes; its `run` trains it, with a log,
checkpoints and a way to go on after an interruption. The command ``nndl train`` does the
same from a terminal, and ``nndl evaluate`` looks at what was learned.
"""

from ._evaluate import Evaluation, evaluate
from ._experiment import Experiment, parse, read
from ._run import Run

__all__ = ["Evaluation", "Experiment", "Run", "evaluate", "parse", "read"]
