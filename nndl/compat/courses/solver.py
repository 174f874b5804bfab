"""The courses' training loop: `nndl.solver.Solver`, more forgiving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import solver
from . import optim


class Solver(solver.Solver):
    """`nndl.solver.Solver` as the notebooks expect it: settings that an update rule does
    not know are ignored, epochs may be given as 3.0, and a loss that is no longer a
    number ends the training without an error.

    Raises
    ------
    ValueError, TypeError
        As `nndl.solver.Solver`.
    """

    def __init__(self, model: Any, data: Mapping[str, Any], **kwargs: Any) -> None:
        rule = kwargs.get("update_rule", "sgd")
        if isinstance(rule, str) and "optim_config" in kwargs:
            kwargs["optim_config"] = _known_settings(rule, kwargs["optim_config"])
        for name in ("num_epochs", "batch_size", "print_every"):
            value = kwargs.get(name)
            if isinstance(value, float | np.floating) and value == int(value):
                kwargs[name] = int(value)
        if kwargs.get("print_every") == 0:
            kwargs |= {"print_every": 1, "verbose": False}
        super().__init__(model, data, **kwargs)
        self.optim_config = dict(kwargs.get("optim_config") or {})

    def train(self) -> None:
        """Train for `num_epochs` epochs, then give the network its best parameters."""
        try:
            super().train()
        except FloatingPointError as error:
            print(f"The training ended early: {error}")
            if not self.train_acc_history:
                chance = self.check_accuracy(self.X_val, self.y_val)
                self.train_acc_history.append(chance)
                self.val_acc_history.append(chance)
            self.loss_history.append(float("nan"))


def _known_settings(rule: str, config: Any) -> Any:
    """Return the settings that an update rule knows."""
    function = vars(optim).get(rule)
    if not callable(function) or not isinstance(config, Mapping):
        return config  # the error will say what is wrong
    known = function(np.zeros(1), np.zeros(1), {})[1]
    ignored = sorted(set(config) - set(known))
    if ignored:
        print(f"{rule} does not know {', '.join(ignored)}: ignored.")
    return {name: value for name, value in config.items() if name in known}
