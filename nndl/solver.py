"""The training loop: minibatches in, better parameters out.

The solver knows a network only by its `params` and its `loss(X, y)`, and an update rule only by its
call ``next_w, config = rule(w, dw, config)``; see `nndl.fc_net` and `nndl.optim`.
"""

from __future__ import annotations

import copy
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import optim
from ._arguments import Array, number, whole_number
from ._random import RandomSource, random_generator

__all__ = ["Solver", "load_checkpoint"]

UpdateRule = Callable[[Array, Array, Any], tuple[Array, dict[str, Any]]]


class Solver:
    """Train a network by minibatch gradient descent.

    Each epoch goes through a fresh permutation of the training images. Accuracies are taken after the
    first iteration and at the end of each epoch; when training ends, the network is given the
    parameters (and batch normalization's running averages) of the best validation accuracy.

    Parameters
    ----------
    model : object
        A network with a dict `params` and a method `loss`, as in `nndl.fc_net`.
    data : dict
        ``X_train``, ``y_train``, ``X_val``, ``y_val``, as `nndl.data.load` returns.
    update_rule : str or callable, optional
        A name in `nndl.optim`, of which the compiled twin runs where there is one (``'adam'`` runs
        `nndl.optim.adam_fast`), or a function with the same call.
    optim_config : dict, optional
        Settings of the update rule, ``{'learning_rate': 1e-3}`` for example.
    lr_decay : float, optional
        Factor on the learning rate after each epoch.
    batch_size : int, optional
        Images in a minibatch, `N`.
    num_epochs : int, optional
        Passes through the training images. An epoch is ``len(X_train) // batch_size`` iterations.
    print_every : int, optional
        Iterations between two printed losses.
    verbose : bool, optional
        Whether to print losses and accuracies and, on a terminal, to show a progress bar.
    num_train_samples : int or None, optional
        How many training images to measure the training accuracy on, drawn anew each time; None
        takes all.
    num_val_samples : int or None, optional
        The same for the validation accuracy.
    checkpoint_name : str, optional
        If given, ``<checkpoint_name>_epoch_<n>.npz`` is written after each epoch; see
        `load_checkpoint`.
    rng : numpy.random.Generator, int or None, optional
        Source of the permutations and samples; None follows NumPy's global state.

    Attributes
    ----------
    loss_history : list of float
        The loss of each iteration.
    train_acc_history, val_acc_history : list of float
        Accuracies, between 0 and 1, after the first iteration and each epoch.
    best_val_acc : float
    best_params : dict
        A copy of the parameters at `best_val_acc`.
    epoch, iteration : int
        Epochs and iterations completed so far.

    Raises
    ------
    ValueError, TypeError
        If an argument lies outside its range, is of the wrong type, or is missing from `data`.
    """

    def __init__(
        self,
        model: Any,
        data: Mapping[str, Any],
        *,
        update_rule: str | UpdateRule = "sgd",
        optim_config: Mapping[str, Any] | None = None,
        lr_decay: float = 1.0,
        batch_size: int = 100,
        num_epochs: int = 10,
        print_every: int = 10,
        verbose: bool = True,
        num_train_samples: int | None = 1000,
        num_val_samples: int | None = None,
        checkpoint_name: str | os.PathLike[str] | None = None,
        rng: RandomSource = None,
    ) -> None:
        self.model = model
        self.X_train, self.y_train = _images_and_labels(data, "train")
        self.X_val, self.y_val = _images_and_labels(data, "val")
        self.update_rule = _resolve(update_rule)
        self.lr_decay = number("lr_decay", lr_decay, above=0)
        self.batch_size = whole_number("batch_size", batch_size, at_least=1)
        self.num_epochs = whole_number("num_epochs", num_epochs, at_least=1)
        self.print_every = whole_number("print_every", print_every, at_least=1)
        self.verbose = verbose
        self.num_train_samples = _sample_size("num_train_samples", num_train_samples)
        self.num_val_samples = _sample_size("num_val_samples", num_val_samples)
        self.checkpoint_name = checkpoint_name
        self.rng = random_generator(rng)

        self.optim_configs = {name: dict(optim_config or {}) for name in model.params}
        self.iterations_per_epoch = max(len(self.X_train) // self.batch_size, 1)
        self.epoch = self.iteration = 0
        self._goal = 0
        self._order = np.arange(0)
        self.loss_history: list[float] = []
        self.train_acc_history: list[float] = []
        self.val_acc_history: list[float] = []
        self.best_val_acc = -1.0
        self.best_params: dict[str, Array] = {}
        self._best_bn_params: list[dict[str, Any]] = []

    def train(self) -> None:
        """Train for `num_epochs` epochs, then give the network its best parameters.

        After an interruption, a further call completes the epochs begun; after completion, it adds
        `num_epochs` more.

        Raises
        ------
        FloatingPointError
            If a loss is infinite or not a number. The histories keep everything up to then, and the
            network the parameters that gave that loss.
        """
        from tqdm import tqdm

        if self.iteration >= self._goal:
            self._goal += self.num_epochs * self.iterations_per_epoch
        with tqdm(
            total=self._goal,
            initial=self.iteration,
            leave=False,
            disable=None if self.verbose else True,
        ) as bar:
            while self.iteration < self._goal:
                # A loss that is not finite is an error that says more than NumPy's warnings.
                with np.errstate(over="ignore", invalid="ignore"):
                    self._step()
                    self._report(bar)
                bar.update()
        self.model.params = copy.deepcopy(self.best_params)
        if self._best_bn_params:
            self.model.bn_params = copy.deepcopy(self._best_bn_params)

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
            If `X` and `y` differ in length or are empty, or a number lies outside its range.
        """
        num_samples = _sample_size("num_samples", num_samples)
        batch_size = whole_number("batch_size", batch_size, at_least=1)
        if len(X) != len(y) or len(X) == 0:
            raise ValueError(
                f"`X` and `y` must be of one length, at least 1, but have {len(X)} and {len(y)} entries."
            )
        if num_samples is not None and num_samples < len(X):
            chosen = self.rng.choice(len(X), num_samples, replace=False)
            X, y = X[chosen], y[chosen]
        correct = 0
        for start in range(0, len(X), batch_size):
            scores = self.model.loss(X[start : start + batch_size])
            correct += int(np.sum(scores.argmax(axis=1) == y[start : start + batch_size]))
        return correct / len(X)

    def plot_history(self) -> Any:
        """Draw the loss of each iteration and the accuracies of each epoch.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from .vis_utils import plot_training

        return plot_training(self)

    def _step(self) -> None:
        """Take one gradient step on the next minibatch."""
        place = self.iteration % self.iterations_per_epoch
        if place == 0:
            self._order = self.rng.permutation(len(self.X_train))
        batch = self._order[place * self.batch_size : (place + 1) * self.batch_size]

        loss, grads = self.model.loss(self.X_train[batch], self.y_train[batch])
        if not math.isfinite(loss):
            rates = {
                config.get("learning_rate", "default") for config in self.optim_configs.values()
            }
            raise FloatingPointError(
                f"the loss is {loss} at iteration {self.iteration + 1} with learning rate "
                f"{', '.join(str(rate) for rate in rates)}. A smaller learning rate or smaller initial "
                f"weights may help."
            )
        self.loss_history.append(float(loss))
        for name, w in self.model.params.items():
            self.model.params[name], self.optim_configs[name] = self.update_rule(
                w, grads[name], self.optim_configs[name]
            )
        self.iteration += 1

    def _report(self, bar: Any) -> None:
        """After a step: print the loss, and at an epoch's end decay the rate and take stock."""
        first, epoch_ends = self.iteration == 1, self.iteration % self.iterations_per_epoch == 0
        if self.verbose and (self.iteration - 1) % self.print_every == 0:
            bar.write(
                f"(Iteration {self.iteration} / {self._goal}) loss: {self.loss_history[-1]:f}"
            )
        if epoch_ends:
            self.epoch += 1
            for config in self.optim_configs.values():
                if "learning_rate" in config:
                    config["learning_rate"] *= self.lr_decay
        if not (first or epoch_ends):
            return

        train_acc = self.check_accuracy(self.X_train, self.y_train, self.num_train_samples)
        val_acc = self.check_accuracy(self.X_val, self.y_val, self.num_val_samples)
        self.train_acc_history.append(train_acc)
        self.val_acc_history.append(val_acc)
        if self.verbose:
            epochs = self._goal // self.iterations_per_epoch
            bar.write(
                f"(Epoch {self.epoch} / {epochs}) train acc: {train_acc:f}; val_acc: {val_acc:f}"
            )
        if val_acc > self.best_val_acc:
            self.best_val_acc = val_acc
            self.best_params = copy.deepcopy(self.model.params)
            self._best_bn_params = copy.deepcopy(getattr(self.model, "bn_params", []))
        if epoch_ends and self.checkpoint_name is not None:
            path = Path(f"{os.fspath(self.checkpoint_name)}_epoch_{self.epoch}.npz")
            _save_checkpoint(path, self.model)


def load_checkpoint(path: str | os.PathLike[str], model: Any) -> None:
    """Give a network the parameters and running averages that a `Solver` saved.

    Parameters
    ----------
    path : path
        A file ``<checkpoint_name>_epoch_<n>.npz``.
    model : object
        A network made with the same sizes and settings as the saved one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file holds other names or shapes than the network; the network is left as it was.
    """
    with np.load(path, allow_pickle=False) as saved:
        arrays = dict(saved)
    params = _under("params.", arrays)
    expected = {name: w.shape for name, w in model.params.items()}
    found = {name: w.shape for name, w in params.items()}
    if found != expected:
        raise ValueError(f"{path} holds a network of other shapes: {found}, not {expected}.")
    model.params = {name: params[name].astype(w.dtype) for name, w in model.params.items()}
    for i, bn_param in enumerate(getattr(model, "bn_params", [])):
        bn_param.update(_under(f"bn_params.{i}.", arrays))


def _save_checkpoint(path: Path, model: Any) -> None:
    """Write the network's arrays under a temporary name first, so that `path` is never half a file."""
    arrays = {f"params.{name}": w for name, w in model.params.items()}
    for i, bn_param in enumerate(getattr(model, "bn_params", [])):
        for key in ("running_mean", "running_var"):
            arrays[f"bn_params.{i}.{key}"] = bn_param[key]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        try:
            np.savez(part, **arrays)
            part.flush()
            os.fsync(part.fileno())
            os.replace(part.name, path)
        except BaseException:
            os.unlink(part.name)
            raise


def _under(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _images_and_labels(data: Mapping[str, Any], split: str) -> tuple[Array, Array]:
    missing = [key for key in (f"X_{split}", f"y_{split}") if key not in data]
    if missing:
        raise ValueError(
            f"`data` must have the keys 'X_{split}' and 'y_{split}', but lacks {missing}."
        )
    X, y = np.asarray(data[f"X_{split}"]), np.asarray(data[f"y_{split}"])
    if len(X) != len(y) or len(X) == 0:
        raise ValueError(
            f"`data['X_{split}']` and `data['y_{split}']` must be of one length, at least 1, but have "
            f"{len(X)} and {len(y)} entries."
        )
    return X, y


def _resolve(update_rule: str | UpdateRule) -> UpdateRule:
    if callable(update_rule):
        return update_rule
    rules = [name for name in optim.__all__ if not name.endswith("_fast")]
    if update_rule not in rules:
        raise ValueError(
            f"`update_rule` must be a function or one of {', '.join(rules)}, but is {update_rule!r}."
        )
    readable: UpdateRule = getattr(optim, update_rule)
    return getattr(optim, f"{update_rule}_fast", readable)


def _sample_size(name: str, value: int | None) -> int | None:
    return None if value is None else whole_number(name, value, at_least=1)
