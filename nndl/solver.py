"""The training loop: minibatches in, better parameters out.

The solver knows a network only by its `params` and its `loss(X, y)`, and an update rule
only by its call ``next_w, config = rule(w, dw, config)``; see `nndl.fc_net` and
`nndl.optim`.
"""

from __future__ import annotations

import copy
import functools
import math
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from . import _checkpoints, _solver_state, optim
from ._arguments import (
    Array,
    as_array,
    as_function,
    as_numbers,
    as_path,
    flag,
    number,
    shown,
    whole_number,
)
from ._interrupts import uninterrupted
from ._networks import as_network
from ._random import RandomSource, random_generator
from .averaging import WeightAverage

__all__ = ["Solver", "load_checkpoint"]

#: Learning rate as a share of its peak, from the share of training done.
Schedule = Callable[[float], float]
#: Images and a source of random numbers in, changed images out.
Augmentation = Callable[[Array, Any], Array]
UpdateRule = Callable[[Array, Array, Any], tuple[Array, dict[str, Any]]]


class Solver:
    """Train a network by minibatch gradient descent.

    Each epoch goes through a fresh permutation of the training images. Accuracies are
    taken after the first iteration and at the end of each epoch; when training ends,
    the network is given the parameters (and batch normalization's running averages) of
    the best validation accuracy.

    Parameters
    ----------
    model : object
        A network with a dict `params` and a method `loss`, as in `nndl.fc_net`.
    data : dict
        ``X_train``, ``y_train``, ``X_val``, ``y_val``, as `nndl.data.load` returns.
    update_rule : str or callable, optional
        A name in `nndl.optim`, of which the compiled twin runs (``'adam'`` stands for
        `nndl.optim.adam_fast`), or a function with the same call.
    optim_config : dict, optional
        Settings of the update rule, ``{'learning_rate': 1e-3}`` for example. The
        ``weight_decay`` of `adamw` acts on the arrays whose names begin with ``W``, as
        the networks' L2 penalty does.
    lr_decay : float, optional
        Factor on the learning rate after each epoch.
    schedule : callable, optional
        ``schedule(s)`` returns the learning rate as a share of that in `optim_config`
        after the share `s` of the iterations, from 0 on and below 1; see
        `nndl.schedules`. It takes the place of `lr_decay`.
    augment : callable, optional
        ``augment(images, rng)`` returns a minibatch's images as the network shall see
        them, in the same shape; see `nndl.augmentation`. `images` are a copy, which it
        may change; `rng` is that of the Solver.
    averaging : float, optional
        If given, accuracies are those of averaged weights, and the best of these are
        what the network is given in the end: `keep` of `nndl.averaging.WeightAverage`.
    batch_size : int, optional
        Images in a minibatch, `N`.
    num_epochs : int, optional
        Passes through the training images. An epoch is ``len(X_train) // batch_size``
        iterations.
    print_every : int, optional
        Iterations between two printed losses.
    verbose : bool, optional
        Whether to print losses and accuracies and, on a terminal, to show a progress
        bar.
    num_train_samples : int or None, optional
        How many training images to measure the training accuracy on, drawn anew each
        time; None takes all.
    num_val_samples : int or None, optional
        The same for the validation accuracy.
    checkpoint_name : path, optional
        If given, checkpoints are written, from which `resume` goes on and
        `load_checkpoint` takes the network.
    checkpoint_every : int, optional
        Iterations between two checkpoints. The last is kept as
        ``<checkpoint_name>_last.npz`` and that of the best validation accuracy as
        ``<checkpoint_name>_best.npz``. None writes one after each epoch,
        ``<checkpoint_name>_epoch_<n>.npz``, and keeps them all.
    after_epoch : callable, optional
        ``after_epoch(solver)`` is called after each epoch, when its accuracies have been
        taken: to write a log, say.
    rng : numpy.random.Generator, int or None, optional
        Source of the permutations, samples and augmentations; None follows NumPy's
        global state.

    Attributes
    ----------
    loss_history : list of float
        The loss of each iteration.
    train_acc_history : list of float
        Training accuracies, between 0 and 1, after the first iteration and each epoch.
    val_acc_history : list of float
        Validation accuracies, at the same moments.
    best_val_acc : float
        The best of `val_acc_history`; -1 before training.
    best_params : dict
        A copy of the parameters at `best_val_acc`.
    epoch : int
        Epochs completed so far.
    iteration : int
        Iterations completed so far.

    Raises
    ------
    ValueError, TypeError
        If an argument lies outside its range, is of the wrong type, or is missing from
        `data`.
    """

    def __init__(
        self,
        model: Any,
        data: Mapping[str, Any],
        *,
        update_rule: str | UpdateRule = "sgd",
        optim_config: Mapping[str, Any] | None = None,
        lr_decay: float = 1.0,
        schedule: Schedule | None = None,
        augment: Augmentation | None = None,
        averaging: float | None = None,
        batch_size: int = 100,
        num_epochs: int = 10,
        print_every: int = 10,
        verbose: bool = True,
        num_train_samples: int | None = 1000,
        num_val_samples: int | None = None,
        checkpoint_name: str | os.PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        after_epoch: Callable[[Solver], object] | None = None,
        rng: RandomSource = None,
    ) -> None:
        self.model = as_network(model)
        self.X_train, self.y_train = _images_and_labels(data, "train")
        self.X_val, self.y_val = _images_and_labels(data, "val")
        self.update_rule = _resolve(update_rule)
        self.lr_decay = number("lr_decay", lr_decay, above=0)
        self.schedule = _function_or_none("schedule", schedule)
        self.augment = _function_or_none("augment", augment)
        self.averaging = averaging
        self.batch_size = whole_number("batch_size", batch_size, at_least=1)
        self.num_epochs = whole_number("num_epochs", num_epochs, at_least=1)
        self.print_every = whole_number("print_every", print_every, at_least=1)
        self.verbose = flag("verbose", verbose)
        self.num_train_samples = _sample_size("num_train_samples", num_train_samples)
        self.num_val_samples = _sample_size("num_val_samples", num_val_samples)
        if checkpoint_name is not None:
            checkpoint_name = as_path("checkpoint_name", checkpoint_name)
        self.checkpoint_name = checkpoint_name
        self.checkpoint_every = _checkpoint_every(checkpoint_every, checkpoint_name)
        self.after_epoch = _function_or_none("after_epoch", after_epoch)
        self.rng = random_generator(rng)

        self.optim_config = _settings(self.update_rule, optim_config)
        if self.schedule is not None:
            _check_schedule(self.lr_decay, self.optim_config)
        self.optim_configs = {name: dict(self.optim_config) for name in model.params}
        if self.update_rule in (optim.adamw, optim.adamw_fast):
            for name, config in self.optim_configs.items():
                if not name.startswith("W"):
                    config["weight_decay"] = 0.0
        self._average = None if averaging is None else _average(model, averaging)
        self.iterations_per_epoch = max(len(self.X_train) // self.batch_size, 1)
        self.epoch = self.iteration = 0
        self._goal = self._stock_taken_at = 0
        self._unfinished = False
        self._due: list[str] = []  # checkpoints to be written before the next step
        self._undo: Callable[[], None] | None = None  # of a step that was cut off
        self._order = np.arange(0)
        self._notes: dict[str, Any] = {}  # what checkpoints shall say besides
        self.loss_history: list[float] = []
        self.train_acc_history: list[float] = []
        self.val_acc_history: list[float] = []
        self.best_val_acc = -1.0
        self.best_params: dict[str, Array] = {}
        self._best_bn_params: list[dict[str, Any]] = []

    def train(self) -> None:
        """Train for `num_epochs` epochs, then give the network its best parameters.

        After an interruption, by Ctrl-C or by an error, a further call completes the
        epochs begun: what was not done whole is undone, random numbers included, so that
        the result is that of a training without interruption, to the last bit. After
        completion, it adds `num_epochs` more, from the best parameters on, with the
        update rule's memory of the last step. Ctrl-C waits for a checkpoint that is being
        written; one that could not be written is the first thing that a further call
        does.

        Raises
        ------
        FloatingPointError
            If a loss is infinite or not a number, or a score is not when accuracies are
            taken. The histories keep everything up to then, and the network the
            parameters that gave that loss.
        OSError
            If a checkpoint cannot be written; the one before is still whole.
        TypeError
            If the update rule or the network holds what a checkpoint cannot.
        """
        from tqdm import tqdm

        _solver_state.undo(self)
        with uninterrupted():
            if not self._unfinished:
                self._goal += self.num_epochs * self.iterations_per_epoch
                self._unfinished = True
        # A loss that is not finite is an error that says more than NumPy's warnings would.
        quiet = np.errstate(over="ignore", invalid="ignore")
        disable = None if self.verbose else True
        with (
            quiet,
            tqdm(
                total=self._goal, initial=self.iteration, leave=False, disable=disable
            ) as bar,
        ):
            while self._due or self.iteration < self._goal or self._stock_is_due():
                if self._due:
                    self._save(self._due[0])
                    del self._due[0]
                elif self._stock_is_due():
                    self._take_stock(bar)
                else:
                    self._step(bar)
        if self.checkpoint_every is not None:
            self._save("last")
        with uninterrupted():
            self.model.params = copy.deepcopy(self.best_params)
            if self._best_bn_params:
                self.model.bn_params = copy.deepcopy(self._best_bn_params)
            self._unfinished = False

    def resume(self, path: str | os.PathLike[str] | None = None) -> None:
        """Bring a Solver that was made as before to where a checkpoint was written;
        `train` then goes on.

        Losses, parameters and accuracies become those of a run that was never
        interrupted, to the last bit: the checkpoint holds the update rule's memory, the
        running averages, the order of the images and the state of the random numbers
        too.

        Parameters
        ----------
        path : path, optional
            A checkpoint, or a `checkpoint_name`, whose ``<checkpoint_name>_last.npz`` is
            taken; None takes that of this Solver.

        Raises
        ------
        FileNotFoundError
            If there is no such checkpoint.
        OSError
            If it cannot be read.
        ValueError
            If it is no checkpoint, is damaged, was written by a newer version of the
            package, or by a Solver with another network, other data or other settings;
            which, the message says. The Solver is left as it was.
        TypeError
            If `path` is no path.
        """
        where = self._checkpoint_to_resume(path)
        arrays, facts = _checkpoints.read(where)
        with uninterrupted():
            _solver_state.restore(os.fspath(where), arrays, facts, self)
            self._unfinished, self._due, self._undo = True, [], None

    def check_accuracy(
        self, X: Array, y: Array, num_samples: int | None = None, batch_size: int = 100
    ) -> float:
        """Return the share of images that the network puts into their class.

        Parameters
        ----------
        X : array, shape (N, ...)
        y : integer array, shape (N,)
        num_samples : int or None, optional
            If given and less than `N`, that many images are drawn without replacement.
        batch_size : int, optional
            Images to classify at once, which bounds the memory needed.

        Returns
        -------
        float
            Between 0 and 1.

        Raises
        ------
        ValueError, TypeError
            If `X` and `y` differ in length or are empty, `y` is not one label per
            image, or a number lies outside its range.
        FloatingPointError
            If a score is not a number, so that its image belongs to no class.
        """
        num_samples = _sample_size("num_samples", num_samples)
        batch_size = whole_number("batch_size", batch_size, at_least=1)
        X, y = _same_length("X", X, "y", y)
        if num_samples is not None and num_samples < len(X):
            chosen = self.rng.choice(len(X), num_samples, replace=False)
            X, y = X[chosen], y[chosen]
        correct = 0
        for start in range(0, len(X), batch_size):
            scores = self.model.loss(X[start : start + batch_size])
            if np.isnan(scores).any():
                raise FloatingPointError(
                    f"the network's scores hold NaN after {self.iteration} iterations: its parameters, "
                    "or the images, are not finite. A smaller learning rate or smaller initial weights "
                    "may help."
                )
            correct += int(
                np.sum(scores.argmax(axis=1) == y[start : start + batch_size])
            )
        return correct / len(X)

    def plot_history(self) -> Any:
        """Draw the loss of each iteration and the accuracies of each epoch.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from .vis_utils import plot_training

        return plot_training(self)

    def _step(self, bar: Any) -> None:
        """Take one step on the next minibatch: of all parameters or, failing, of none."""
        with _solver_state.all_or_nothing(self):
            place = self.iteration % self.iterations_per_epoch
            if place == 0:
                self._order = self.rng.permutation(len(self.X_train))
            batch = self._order[place * self.batch_size : (place + 1) * self.batch_size]

            images = self.X_train[batch]
            if self.augment is not None:
                images = _augmented(self.augment, images, self.rng)
            loss, grads = self.model.loss(images, self.y_train[batch])
            if not math.isfinite(loss):
                rates = {
                    config.get("learning_rate")
                    for config in self.optim_configs.values()
                }
                raise FloatingPointError(
                    f"the loss is {loss} at iteration {self.iteration + 1} with learning rate "
                    f"{', '.join(str(rate or 'default') for rate in rates)}. A smaller learning rate "
                    f"or smaller initial weights may help."
                )
            rate = {} if self.schedule is None else self._scheduled(self.schedule)
            with uninterrupted():
                params, configs = {}, {}
                for name, w in self.model.params.items():
                    config = self.optim_configs[name] | rate
                    params[name], configs[name] = self.update_rule(
                        w, grads[name], config
                    )
                self.model.params.update(params)
                self.optim_configs.update(configs)
                if self._average is not None:
                    self._average.update()
                self.loss_history.append(float(loss))
                self.iteration += 1
                every = self.checkpoint_every
                if every is not None and self.iteration % every == 0:
                    self._due.append("last")

        bar.update()
        if self.verbose and (self.iteration - 1) % self.print_every == 0:
            bar.write(f"(Iteration {self.iteration} / {self._goal}) loss: {loss:f}")

    def _scheduled(self, schedule: Schedule) -> dict[str, float]:
        """Return the learning rate of the next step."""
        iterations = self.num_epochs * self.iterations_per_epoch
        done = 1 - (self._goal - self.iteration) / iterations
        share = number(f"schedule({done:.4g})", schedule(done), at_least=0)
        return {"learning_rate": share * self.optim_config["learning_rate"]}

    def _stock_is_due(self) -> bool:
        """Say whether accuracies are due: after the first iteration and each epoch."""
        here = self.iteration == 1 or self.iteration % self.iterations_per_epoch == 0
        return here and self.iteration > self._stock_taken_at

    def _take_stock(self, bar: Any) -> None:
        """Take accuracies, keep the best parameters, and after an epoch decay the rate."""
        averaged = self._average.applied() if self._average else nullcontext()
        with _solver_state.all_or_nothing(self):
            with averaged:
                train_acc = self.check_accuracy(
                    self.X_train, self.y_train, self.num_train_samples
                )
                val_acc = self.check_accuracy(
                    self.X_val, self.y_val, self.num_val_samples
                )
                epoch_ends = self.iteration % self.iterations_per_epoch == 0
                is_best = val_acc > self.best_val_acc
                if is_best:
                    bn_params = getattr(self.model, "bn_params", [])
                    best = copy.deepcopy((self.model.params, bn_params))
            with uninterrupted():  # the network has its own weights back
                self._stock_taken_at = self.iteration
                self.train_acc_history.append(train_acc)
                self.val_acc_history.append(val_acc)
                if is_best:
                    self.best_val_acc = val_acc
                    self.best_params, self._best_bn_params = best
                if epoch_ends:
                    self.epoch += 1
                    for config in self.optim_configs.values():
                        if "learning_rate" in config:
                            config["learning_rate"] *= self.lr_decay
                self._due += self._checkpoints_due(is_best, epoch_ends)

        if self.verbose:
            epochs = self._goal // self.iterations_per_epoch
            accuracies = f"train acc: {train_acc:f}; val_acc: {val_acc:f}"
            bar.write(f"(Epoch {self.epoch} / {epochs}) {accuracies}")
        if epoch_ends and self.after_epoch is not None:
            self.after_epoch(self)

    def _checkpoints_due(self, is_best: bool, epoch_ends: bool) -> list[str]:
        """Return the names of the checkpoints to be written after taking stock."""
        if self.checkpoint_every is not None:
            return ["best"] if is_best else []
        if self.checkpoint_name is not None and epoch_ends:
            return [f"epoch_{self.epoch}"]
        return []

    @functools.cached_property
    def _fingerprints(self) -> dict[str, str]:
        """What tells these data from others."""
        return {
            "train": _solver_state.fingerprint(self.X_train, self.y_train),
            "val": _solver_state.fingerprint(self.X_val, self.y_val),
        }

    def _save(self, which: str) -> None:
        """Write a checkpoint: whole, or not at all."""
        with uninterrupted():
            arrays, facts = _solver_state.collect(self)
            _checkpoints.write(self._checkpoint_path(which), arrays, facts)

    def _checkpoint_path(self, which: str) -> Path:
        return Path(f"{self.checkpoint_name or ''}_{which}.npz")

    def _checkpoint_to_resume(self, path: str | os.PathLike[str] | None) -> Path:
        if path is None:
            if self.checkpoint_name is None:
                raise ValueError(
                    "`path` must be given where `checkpoint_name` is None."
                )
            return self._checkpoint_path("last")
        checkpoint = as_path("path", path)
        last = Path(f"{checkpoint}_last.npz")
        if checkpoint.exists() and not checkpoint.is_dir():
            return checkpoint
        return last if last.exists() or checkpoint.suffix != ".npz" else checkpoint


def load_checkpoint(path: str | os.PathLike[str], model: Any) -> None:
    """Give a network the parameters and running averages that a `Solver` saved; if it
    was one with `averaging`, their averages.

    Parameters
    ----------
    path : path
        A checkpoint.
    model : object
        A network made with the same sizes and settings as the saved one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no checkpoint, is damaged, was written by a newer version of the
        package, or holds other names or shapes than the network; the network is left as
        it was.
    TypeError
        If `path` is no path, or `model` no network.
    """
    path, model = as_path("path", path), as_network(model)
    arrays, facts = _checkpoints.read(path)
    arrays = _solver_state.evaluated(os.fspath(path), arrays, facts)
    _solver_state.fit_network(os.fspath(path), arrays, model)
    _solver_state.restore_network(arrays, model)


def _images_and_labels(data: Mapping[str, Any], split: str) -> tuple[Array, Array]:
    if not isinstance(data, Mapping):
        raise TypeError(f"`data` must be a dict, but is {shown(data)}.")
    missing = [key for key in (f"X_{split}", f"y_{split}") if key not in data]
    if missing:
        raise ValueError(
            f"`data` must have the keys 'X_{split}' and 'y_{split}', but lacks {missing}."
        )
    X, y = data[f"X_{split}"], data[f"y_{split}"]
    return _same_length(f"data['X_{split}']", X, f"data['y_{split}']", y)


def _same_length(X_name: str, X: Any, y_name: str, y: Any) -> tuple[Array, Array]:
    X, y = as_numbers(X_name, X), as_array(y_name, y)
    if y.dtype.kind not in "iu":
        raise TypeError(
            f"`{y_name}` must be an array of integer class labels, but its dtype is {y.dtype}."
        )
    if y.ndim != 1:
        raise ValueError(
            f"`{y_name}` must have shape (N,), but its shape is {y.shape}."
        )
    if X.ndim == 0 or len(X) != len(y) or len(X) == 0:
        raise ValueError(
            f"`{X_name}` and `{y_name}` must be of one length, at least 1, but have the shapes "
            f"{X.shape} and {y.shape}."
        )
    return X, y


def _resolve(update_rule: str | UpdateRule) -> UpdateRule:
    if callable(update_rule):
        return update_rule
    rules = [name for name in optim.__all__ if not name.endswith("_fast")]
    if not isinstance(update_rule, str) or update_rule not in rules:
        raise ValueError(
            f"`update_rule` must be a function or one of {', '.join(rules)}, but is "
            f"{shown(update_rule)}."
        )
    twin: UpdateRule = getattr(optim, f"{update_rule}_fast")
    return twin


def _settings(
    update_rule: UpdateRule, optim_config: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the update rule's settings, after checking that one of the package's own
    takes them."""
    if optim_config is None:
        return {}
    if not isinstance(optim_config, Mapping):
        raise TypeError(f"`optim_config` must be a dict, but is {shown(optim_config)}.")
    if update_rule in (getattr(optim, name) for name in optim.__all__):
        nothing = np.zeros(1)
        known = update_rule(nothing, nothing, {})[1]
        unknown = sorted(str(key) for key in optim_config if key not in known)
        if unknown:
            raise ValueError(
                f"`optim_config` must hold settings of the update rule, {', '.join(known)}, but holds "
                f"{', '.join(unknown)}."
            )
        memory = [key for key, value in known.items() if isinstance(value, np.ndarray)]
        settings = {k: v for k, v in optim_config.items() if k not in memory}
        try:
            update_rule(nothing, nothing, settings)
        except (TypeError, ValueError) as error:
            message = str(error).replace("`config[", "`optim_config[")
            raise type(error)(message) from error
    return dict(optim_config)


def _function_or_none(name: str, value: Any) -> Any:
    return None if value is None else as_function(name, value)


def _check_schedule(lr_decay: float, optim_config: Mapping[str, Any]) -> None:
    if lr_decay != 1:
        raise ValueError(
            f"`lr_decay` must be 1 where there is a `schedule`, but is {lr_decay}."
        )
    if "learning_rate" not in optim_config:
        raise ValueError(
            "`optim_config` must hold the 'learning_rate' that `schedule` takes shares of."
        )


def _average(model: Any, averaging: float) -> WeightAverage:
    return WeightAverage(model, number("averaging", averaging, at_least=0, below=1))


def _augmented(augment: Augmentation, images: Array, rng: Any) -> Array:
    """Return a minibatch's images as `augment` changes them."""
    changed = as_numbers("augment(images, rng)", augment(images, rng))
    if changed.shape != images.shape:
        raise ValueError(
            f"`augment` must return images of the shape it is given, {images.shape}, but returns "
            f"{changed.shape}."
        )
    return changed


def _sample_size(name: str, value: int | None) -> int | None:
    return None if value is None else whole_number(name, value, at_least=1)


def _checkpoint_every(every: int | None, name: Any) -> int | None:
    if every is None:
        return None
    if name is None:
        raise ValueError("`checkpoint_every` needs a `checkpoint_name`, which is None.")
    return whole_number("checkpoint_every", every, at_least=1)
