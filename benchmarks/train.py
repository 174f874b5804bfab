r"""Trains an experiment of `nndl train` with PyTorch: the same network, batch, schedule
and data order on the same machine, so that time and accuracy stand side by side.

    python -m nndl.benchmarks.train CONFIG.toml [--seed S] [--test] [--record FILE.json]
    python -m nndl.benchmarks.train CONFIG.toml --steps [--record FILE.json]

The second form trains nothing to the end: it takes steps of ours and of PyTorch's in
turn, so that a machine which is slower at one time than at another is so for both.

The same are

- the initial weights: those of our network are copied;
- the minibatches, to the last bit: permutations, mirrored and shifted images come from
  our own functions and from the same random numbers, drawn in the same order. This work
  of NumPy's, a small part of a step, is in the time of both;
- what accuracies are taken of, when, and on how many images at once;
- loss, penalty, learning rate at each step, and the average of the weights.

PyTorch runs as its users run it: eagerly, in float32, on as many threads as we, with its
own optimizers (the fused form, where there is one), and in the memory layout in which a
few steps before the first were quicker. What is left that differs:

- Dropout drops other units.
- The momentum of `torch.optim.SGD` leaves the learning rate out of the velocity,
  :math:`v \leftarrow \mu v + dw, w \leftarrow w - \eta v`; ours has it inside. With a
  constant rate the two are one; a rate that changes acts on the past steps in the
  velocity too there, and on the new gradient alone here.
- The running variance of batch normalization is made of unbiased variances, larger than
  ours by n / (n - 1) for a mean over n numbers.
- The loss in the log is without the L2 penalty, where the optimizer takes this as its
  weight decay and nobody computes it: for all rules but `adamw`.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nndl._arguments import Array, flag, whole_number
from nndl._spec import Layer
from nndl.cnn import ConvNet
from nndl.evaluation import predict_scores
from nndl.experiments import Evaluation, Experiment, _record, read
from nndl.experiments._evaluate import evaluate_network
from nndl.solver import Solver

from .pytorch import LAYOUTS, torch
from .timing import QUICK, THOROUGH, Effort, interleaved_medians

#: Images at once when accuracies are taken during training: as `Solver.check_accuracy`.
AT_ONCE = 100


@dataclasses.dataclass
class TorchRun:
    """A training that has ended: as `nndl.experiments.Run`, but of PyTorch.

    Attributes
    ----------
    experiment : Experiment
    seed : int
    seconds : float
        Wall-clock time of training, with the accuracies taken after each epoch.
    epochs : list of dict
        As those of `nndl.experiments.Run`.
    best_val_acc : float
    validation : Evaluation
        Of the best network, as the experiment's [evaluation] says.
    test : Evaluation or None
    data : dict
    twin : Twin
        The best network.
    """

    experiment: Experiment
    seed: int
    seconds: float
    epochs: list[dict[str, Any]]
    best_val_acc: float
    validation: Evaluation
    test: Evaluation | None
    data: dict[str, Any] = dataclasses.field(repr=False)
    twin: Twin = dataclasses.field(repr=False)


def train(
    experiment: Experiment,
    *,
    seed: int | None = None,
    epochs: int | None = None,
    test: bool = False,
    quiet: bool = False,
    data: dict[str, Any] | None = None,
) -> TorchRun:
    """Train an experiment with PyTorch.

    Parameters
    ----------
    experiment : Experiment
    seed, epochs : int, optional
        In place of those of the file.
    test : bool, optional
        Whether to look at the test images in the end.
    quiet : bool, optional
        Whether to print nothing.
    data : dict, optional
        As `Experiment.load_data` returns, where they have been loaded before.

    Returns
    -------
    TorchRun

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    FloatingPointError
        If a loss or a score is not a finite number.
    """
    if torch is None:
        raise ImportError("PyTorch is not installed, with which this trains.")
    seed = experiment.tables["training"]["seed"] if seed is None else seed
    seed = whole_number("seed", seed, at_least=0)
    test, quiet = flag("test", test), flag("quiet", quiet)
    if data is None:
        data = experiment.load_data(num_test=None if test else 1)
    options = {} if epochs is None else {"num_epochs": epochs}
    solver = experiment._solver(data, seed, verbose=False, **options)
    twin = Twin(solver.model, _quicker_layout(experiment, solver))
    torch.manual_seed(seed)  # of dropout
    training = _Training(experiment, solver, twin, quiet)
    training.train()
    mirrored = experiment.tables.get("evaluation", {}).get("mirrored", False)
    looks = {
        part: evaluate_network(twin, data, part, mirrored)
        for part in (["val", "test"] if test else ["val"])
    }
    return TorchRun(
        experiment, seed, training.seconds, training.epochs, training.best_val_acc,
        looks["val"], looks.get("test"), data, twin,
    )  # fmt: skip


# ---- the network ---------------------------------------------------------------------


class Twin:
    """A network of `nndl.cnn.ConvNet` in PyTorch, with the weights that it has now.

    Parameters
    ----------
    net : nndl.cnn.ConvNet
    layout : torch.memory_format
        Of images and filters.

    Attributes
    ----------
    module : torch.nn.Module
    params : dict
        The parameters of the module under the names that ours have. Those of affine
        layers are transposed, (M, D).
    running : list of torch.Tensor
        The running means and variances of batch normalization, in their order.
    layout : torch.memory_format
    """

    def __init__(self, net: ConvNet, layout: Any) -> None:
        self.params: dict[str, Any] = {}
        self.dtype, self.label_smoothing = net.dtype, net.label_smoothing
        self.layout = layout
        self.module = self._chain(net)
        self.module.to(dtype=getattr(torch, net.dtype.name), memory_format=layout)
        with torch.no_grad():
            for name, param in self.params.items():
                w = torch.from_numpy(net.params[name])
                is_affine = name.startswith("W") and w.ndim == 2
                param.copy_(w.T if is_affine else w)
        self.running = [a for a in self.module.buffers() if a.is_floating_point()]
        for average in self.running:
            average.zero_()  # where ours begin, too

    def _chain(self, net: ConvNet) -> Any:
        """Return the layers as one module, and note their parameters."""
        groups: list[list[Any]] = [[]]  # the whole, and each ``skip`` not yet closed
        shape: tuple[int, ...] = net.input_dim
        before = ""
        for layer in net.layers:
            if layer.kind == "skip":
                groups.append([])
            elif layer.kind == "add":
                inside = groups.pop()
                groups[-1].append(_residual(inside))
            else:
                modules = _modules(layer, shape, before)
                groups[-1].extend(modules)
                if layer.params:
                    arrays = modules[-1].weight, modules[-1].bias
                    self.params.update(zip(layer.params, arrays, strict=True))
            shape, before = layer.output, layer.kind
        return torch.nn.Sequential(*groups[0])

    def loss(self, X: Array, y: Array | None = None) -> Any:
        """Compute the scores of a minibatch in test mode, an array of NumPy's, or its
        loss in training, a tensor that knows how to go back. There is no penalty in
        it."""
        images = torch.from_numpy(np.asarray(X, dtype=self.dtype))
        images = images.contiguous(memory_format=self.layout)
        if y is None:
            self.module.eval()
            with torch.inference_mode():
                return self.module(images).numpy()
        self.module.train()
        labels = torch.from_numpy(np.asarray(y, dtype=np.int64))
        return torch.nn.functional.cross_entropy(
            self.module(images), labels, label_smoothing=self.label_smoothing
        )

    def weights(self) -> list[Any]:
        """Return what is regularized."""
        return [w for name, w in self.params.items() if name.startswith("W")]

    def state(self) -> list[Any]:
        """Return all that the network has learned, to be read and written."""
        return [param.detach() for param in self.params.values()] + self.running


def _modules(layer: Layer, shape: tuple[int, ...], before: str) -> list[Any]:
    """Return a layer, given the shape of its input and the kind of the layer before; the
    last module has its parameters."""
    nn, n = torch.nn, layer.numbers
    match layer.kind:
        case "conv":
            pad = layer.settings[0]["pad"]
            return [nn.Conv2d(shape[0], n["F"], (n["K"], n["L"]), n["S"], pad)]
        case "affine":
            return [nn.Flatten(), nn.Linear(math.prod(shape), n["M"])]
        case "pool":
            return [nn.MaxPool2d((n["K"], n["L"]), n["S"])]
        case "gap":
            return [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        case "bn":
            return [(nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d)(shape[0])]
        case "ln":
            return [nn.LayerNorm(shape[0])]
        case "gn":
            return [nn.GroupNorm(n["G"], shape[0])]
        case "dropout":
            return [nn.Dropout(1 - n["KEEP"])]
        case "relu":
            # What these give, nobody else needs.
            return [nn.ReLU(inplace=before in ("conv", "affine", "bn", "ln", "gn"))]
        case kind:
            raise ValueError(f"there is no {kind} in PyTorch's network yet.")


def _residual(modules: list[Any]) -> Any:
    """Return modules whose output is added to their input."""

    class Residual(torch.nn.Sequential):
        def forward(self, x: Any) -> Any:
            return x + super().forward(x)

    return Residual(*modules)


def _quicker_layout(experiment: Experiment, solver: Solver) -> Any:
    """Return the memory layout in which steps of training are quicker: tried on networks
    that are then thrown away."""
    if all(w.ndim < 4 for w in solver.model.params.values()):
        return torch.contiguous_format
    X, y = (a[: solver.batch_size] for a in (solver.X_train, solver.y_train))
    peers = {}
    for name, layout in LAYOUTS.items():
        trial = _Training(experiment, solver, Twin(solver.model, layout), quiet=True)
        peers[name] = [functools.partial(trial.learn, X, y)]
    times = interleaved_medians(peers, dataclasses.replace(QUICK, rounds=3))
    return LAYOUTS[min(times, key=lambda name: times[name])]


# ---- the training --------------------------------------------------------------------


class _Training:
    """What a Solver does, by PyTorch; settings, images and random numbers are those of
    the Solver."""

    def __init__(
        self, experiment: Experiment, solver: Solver, twin: Twin, quiet: bool
    ) -> None:
        self.solver, self.twin, self.quiet = solver, twin, quiet
        self.reg = solver.model.reg
        self.decoupled = experiment.tables["optimizer"]["rule"] == "adamw"
        self.optimizer = _optimizer(twin, experiment.tables["optimizer"], self.reg)
        keep = solver.averaging
        self.average = None if keep is None else _Average(twin, keep)
        self.iteration = 0
        self.losses: list[float] = []  # of the present epoch
        self.epochs: list[dict[str, Any]] = []
        self.best_val_acc, self.best = -1.0, twin.state()

    def train(self) -> None:
        solver, per_epoch = self.solver, self.solver.iterations_per_epoch
        start = time.perf_counter()
        for epoch in range(1, solver.num_epochs + 1):
            order = solver.rng.permutation(len(solver.X_train))
            self.losses.clear()
            for place in range(per_epoch):
                first = place * solver.batch_size
                self._step(order[first : first + solver.batch_size])
                if self.iteration == 1 < per_epoch:
                    self._take_stock(0)
            train_acc, val_acc = self._take_stock(epoch)
            for group in self.optimizer.param_groups:
                group["lr"] *= solver.lr_decay
            self.epochs.append({
                "epoch": epoch,
                "loss": sum(self.losses) / len(self.losses),
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "train_acc": train_acc,
                "val_acc": val_acc,
                "seconds": round(time.perf_counter() - start, 3),
            })  # fmt: skip
        self.seconds = time.perf_counter() - start
        torch._foreach_copy_(self.twin.state(), self.best)

    def _step(self, batch: Array) -> None:
        """Take one step on a minibatch, given by the places of its images."""
        solver = self.solver
        images = solver.X_train[batch]
        if solver.augment is not None:
            images = solver.augment(images, solver.rng)
        if solver.schedule is not None:
            iterations = solver.num_epochs * solver.iterations_per_epoch
            # As the Solver rounds it, or a drop of the rate may come a step later.
            share = solver.schedule(1 - (iterations - self.iteration) / iterations)
            for group in self.optimizer.param_groups:
                group["lr"] = share * solver.optim_config["learning_rate"]
        self.iteration += 1
        loss = self.learn(images, solver.y_train[batch])
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} at iteration {self.iteration}."
            )
        self.losses.append(loss)

    def learn(self, images: Array, labels: Array) -> float:
        """Change the weights, and return the loss before."""
        self.optimizer.zero_grad()
        loss = self.twin.loss(images, labels)
        if self.decoupled and self.reg:
            squares = sum((w * w).sum() for w in self.twin.weights())
            loss = loss + 0.5 * self.reg * squares
        loss.backward()
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
        return float(loss.item())

    def _take_stock(self, epoch: int) -> tuple[float, float]:
        """Take accuracies, and keep the best network."""
        solver = self.solver
        X, y = solver.X_train, solver.y_train
        with self.average.applied() if self.average else contextlib.nullcontext():
            samples = solver.num_train_samples
            if samples is not None and samples < len(X):
                chosen = solver.rng.choice(len(X), samples, replace=False)
                X, y = X[chosen], y[chosen]
            train_acc = self._accuracy(X, y)
            val_acc = self._accuracy(solver.X_val, solver.y_val)
            if val_acc > self.best_val_acc:
                self.best_val_acc = val_acc
                self.best = [array.clone() for array in self.twin.state()]
        if not self.quiet:
            accuracies = f"train acc: {train_acc:f}; val_acc: {val_acc:f}"
            print(f"(Epoch {epoch} / {solver.num_epochs}) {accuracies}", flush=True)
        return train_acc, val_acc

    def _accuracy(self, X: Array, y: Array) -> float:
        scores = predict_scores(self.twin, X, batch_size=AT_ONCE)
        return int(np.sum(scores.argmax(axis=1) == y)) / len(X)


def _optimizer(twin: Twin, settings: dict[str, Any], reg: float) -> Any:
    """Return PyTorch's optimizer for one of our update rules. Weights decay, and nothing
    else does."""
    rule, optim = settings["rule"], torch.optim
    decay = settings["weight_decay"] if rule == "adamw" else reg
    others = [p for name, p in twin.params.items() if not name.startswith("W")]
    groups = [
        {"params": twin.weights(), "weight_decay": decay},
        {"params": others, "weight_decay": 0.0},
    ]
    lr = settings["learning_rate"]
    if rule == "rmsprop":
        alpha, eps = settings["decay_rate"], settings["epsilon"]
        return optim.RMSprop(groups, lr, alpha=alpha, eps=eps)
    if rule in ("adam", "adamw"):
        kind = optim.Adam if rule == "adam" else optim.AdamW
        betas = settings["beta1"], settings["beta2"]
        return kind(groups, lr, betas=betas, eps=settings["epsilon"], fused=True)
    momentum = settings.get("momentum", 0.0)
    nesterov = rule == "sgd_nesterov_momentum" and momentum > 0
    return optim.SGD(groups, lr, momentum=momentum, nesterov=nesterov, fused=True)


class _Average:
    """What `nndl.averaging.WeightAverage` is to our networks."""

    def __init__(self, twin: Twin, keep: float) -> None:
        self.twin, self.keep, self.steps = twin, keep, 0
        self.sums = [torch.zeros_like(array) for array in twin.state()]

    def update(self) -> None:
        torch._foreach_lerp_(self.sums, self.twin.state(), 1 - self.keep)
        self.steps += 1

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Give the network its averaged weights for the length of a block."""
        state = self.twin.state()
        before = [array.clone() for array in state]
        averages = torch._foreach_div(self.sums, 1 - self.keep**self.steps)
        torch._foreach_copy_(state, averages)
        try:
            yield
        finally:
            torch._foreach_copy_(state, before)


# ---- the time of a step --------------------------------------------------------------

#: A step may take a second, and half of them are not timed.
STEPS = dataclasses.replace(THOROUGH, seconds=30.0)


@dataclasses.dataclass
class StepTimes:
    """What steps of training take, one of ours and one of PyTorch's in turn.

    Attributes
    ----------
    nndl, pytorch : float
        Medians, in seconds.
    layout : torch.memory_format
        PyTorch's, which was the quicker one.
    """

    nndl: float
    pytorch: float
    layout: Any

    @property
    def ratio(self) -> float:
        """How many times as long as ours PyTorch's takes."""
        return self.pytorch / self.nndl


def time_steps(
    experiment: Experiment, data: dict[str, Any], effort: Effort = STEPS
) -> StepTimes:
    """Time whole steps of an experiment's training: gathering and augmentation of a
    minibatch, loss, gradients, update and average of the weights.

    Parameters
    ----------
    experiment : Experiment
    data : dict
        As `Experiment.load_data` returns.
    effort : Effort, optional

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    FloatingPointError
        If a loss is not a finite number.
    """
    if torch is None:
        raise ImportError("PyTorch is not installed, with which this compares.")
    solver, other = (experiment._solver(data, 0, verbose=False) for _ in range(2))
    twin = Twin(other.model, _quicker_layout(experiment, other))
    training = _Training(experiment, other, twin, quiet=True)
    per_epoch, size = solver.iterations_per_epoch, solver.batch_size
    solver._goal = solver.num_epochs * per_epoch
    order = other.rng.permutation(len(other.X_train))
    silent = tqdm(disable=True)

    def ours() -> None:
        solver.iteration %= per_epoch  # the first epoch, again and again
        solver._step(silent)

    def theirs() -> None:
        training.iteration %= per_epoch
        first = training.iteration * size
        training._step(order[first : first + size])

    peers = {"nndl": [ours], "pytorch": [theirs]}
    times = interleaved_medians(peers, effort)
    return StepTimes(times["nndl"][0], times["pytorch"][0], twin.layout)


# ---- the command ---------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m nndl.benchmarks.train",
        description="Train an experiment of `nndl train` with PyTorch.",
    )
    parser.add_argument("config", metavar="CONFIG.toml", help="the experiment")
    parser.add_argument(
        "--seed", type=int, metavar="S", help="in place of that in the file"
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="in place of those in the file"
    )
    parser.add_argument(
        "--test", action="store_true", help="look at the test images in the end"
    )
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="put the results into a JSON file"
    )
    parser.add_argument(
        "--steps",
        action="store_true",
        help="train nothing to the end: time steps of nndl's training and of PyTorch's in turn",
    )
    parser.add_argument("--quiet", action="store_true", help="print only the results")
    asked = parser.parse_args(argv)
    if asked.record is not None and asked.epochs is not None:
        parser.error("--record takes runs of all the file's epochs, not of --epochs")
    if asked.steps and (
        asked.test or asked.seed is not None or asked.epochs is not None
    ):
        parser.error("--steps takes no --seed, --epochs or --test: nothing is trained")
    try:
        (_steps if asked.steps else _command)(asked)
    except (ArithmeticError, ImportError, OSError, ValueError) as error:
        sys.exit(f"train: {error}")
    except KeyboardInterrupt:
        sys.exit("train: interrupted")


def _command(asked: argparse.Namespace) -> None:
    experiment = read(asked.config)
    if asked.record is not None:
        _record.check(asked.record, experiment)
    run = train(
        experiment, seed=asked.seed, epochs=asked.epochs, test=asked.test, quiet=asked.quiet
    )  # fmt: skip
    layout = str(run.twin.layout).removeprefix("torch.")
    print(
        f"\n{experiment.name}, seed {run.seed}: {len(run.epochs)} epochs in {run.seconds:.1f} s by "
        f"PyTorch {torch.__version__}, {layout}"
    )
    print(f"data: {_record.origin(run.data)}")
    for evaluation in filter(None, (run.validation, run.test)):
        print(f"\n{evaluation}")
    if asked.record is not None:
        _record.record(
            asked.record, run, Path(asked.config).parent,
            framework="pytorch", versions={"torch": torch.__version__}, layout=layout,
        )  # fmt: skip
        print(f"\nrecorded in  {asked.record}")


def _steps(asked: argparse.Namespace) -> None:
    experiment = read(asked.config)
    if asked.record is not None:
        _record.check(asked.record, experiment)
    data = experiment.load_data(num_test=1)
    times = time_steps(experiment, data, STEPS)
    layout = str(times.layout).removeprefix("torch.")
    print(
        f"{experiment.name}: a step takes nndl {1e3 * times.nndl:.1f} ms and PyTorch "
        f"{torch.__version__}, {layout}, {1e3 * times.pytorch:.1f} ms: {times.ratio:.2f} times as long"
    )
    print(f"data: {_record.origin(data)}")
    if asked.record is not None:
        _record.record_steps(
            asked.record, experiment, data, Path(asked.config).parent,
            {"nndl": times.nndl, "pytorch": times.pytorch},
            versions={"torch": torch.__version__}, layout=layout,
        )  # fmt: skip
        print(f"\nrecorded in  {asked.record}")


if __name__ == "__main__":
    main()
