"""The network that the reader wrote, as the stages of the check see it: called with the
examples, the parameters and the random numbers that they choose."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .._calls import guarded, muted
from ._state import Array, State


class Network:
    """A model, and what the check has learned of it so far.

    Attributes
    ----------
    X, y : arrays
        The few examples that most calls are made with.
    all_X, all_y : arrays
        All examples that there are.
    point : dict of arrays
        Parameters of readable size, at which the network is looked at.
    reg : float or None
        The model's own strength of regularization, if it has one.
    loss_kind : str
        'softmax' or 'SVM' once the loss is recognized as such.
    within : float
        How far numbers that must be equal may differ, relative to their size.
    still : State
        What calls that are to be repeatable begin from.
    """

    def __init__(
        self, model: Any, X: Array | None, y: Array | None, seconds: float, state: State
    ) -> None:
        self.model, self.given_X, self.given_y = model, X, y
        self.seconds, self.state, self.still = seconds, state, state
        self.names = list(model.params)
        self.rng = np.random.default_rng(0)
        self.notes: list[str] = []
        self.X = self.all_X = np.zeros(0)
        self.y = self.all_y = np.zeros(0, int)
        self.classes = 0
        self.slow = False
        self.loss_kind = ""
        reg = getattr(model, "reg", None)
        self.reg = reg if isinstance(reg, int | float | np.floating) else None
        self.within = 1e-6
        self.point: dict[str, Array] = {}
        self._calls = 0

    @property
    def params(self) -> dict[str, Array]:
        """The model's own dict: what an optimizer would change."""
        params: dict[str, Array] = self.model.params
        return params

    # ---- calls -----------------------------------------------------------------------

    def call(self, *arguments: Array) -> Any:
        """Call the model's ``loss``; what the first call prints is shown."""
        self._calls += 1
        quiet = contextlib.nullcontext() if self._calls == 1 else muted()
        call = "loss(X)" if len(arguments) == 1 else "loss(X, y)"
        with quiet, guarded(self.model.loss, self.seconds, call):
            return self.model.loss(*arguments)

    @contextlib.contextmanager
    def many_calls(self, seconds: float = 16.0) -> Iterator[None]:
        """Run many calls of the model's own ``loss``, quietly; all of them may take so
        many seconds more than one."""
        with muted(), guarded(self.model.loss, self.seconds + seconds, "loss(X, y)"):
            yield

    def scores(self, X: Array) -> Array:
        """Return the scores of examples, in test mode."""
        return np.asarray(self.call(X), np.float64)

    def loss(self, X: Array | None = None, y: Array | None = None) -> float:
        """Return the loss, with the random numbers and running averages of every other
        call."""
        self.still.restore()
        X, y = self.X if X is None else X, self.y if y is None else y
        return float(self.call(X, y)[0])

    def grads(self) -> dict[str, Array]:
        """Return the gradients, with the same random numbers as well."""
        self.still.restore()
        _, grads = self.call(self.X, self.y)
        return {name: np.array(grads[name], np.float64) for name in self.names}

    def evaluate(self) -> Any:
        """Return the loss in its own precision, within `many_calls`."""
        self.still.restore()
        return np.asarray(self.model.loss(self.X, self.y)[0])

    # ---- what calls begin from -------------------------------------------------------

    def put(self, params: Mapping[str, Array], reg: float = 0.0) -> None:
        """Give the model other parameters, and other strength of regularization."""
        for name, value in params.items():
            # The same arrays stay in the dict: slopes are measured by moving them.
            self.params[name][...] = value
        self.put_reg(reg)
        self.keep()

    def put_reg(self, reg: float) -> None:
        """Set the strength of regularization, where the model has one."""
        if self.reg is not None:
            self._put_attribute("reg", reg)

    def put_in_float64(self, params: Mapping[str, Array]) -> None:
        """Give the model new arrays, in float64, and no regularization."""
        for name in self.names:
            self.params[name] = params[name].astype(np.float64)
        kept = getattr(self.model, "dtype", None)
        if kept is not None:
            double = np.dtype(np.float64)
            self._put_attribute(
                "dtype", double if isinstance(kept, np.dtype) else double.type
            )
        self.put({})

    def _put_attribute(self, name: str, value: Any) -> None:
        with contextlib.suppress(AttributeError, TypeError):  # it cannot be set
            setattr(self.model, name, value)

    def keep(self) -> None:
        """Let all calls begin from what is now, but for the parameters."""
        self.still = State(self.model, self.params.values(), self.state)

    # ---- parameters ------------------------------------------------------------------

    def is_weight(self, name: str) -> bool:
        """Return whether a parameter is an array of weights, which a penalty is for."""
        if re.match(r"(?i)(gamma|beta|scale|shift|b(ias)?\d*$)", name):
            return False
        return bool(re.match(r"(?i)w", name)) or self.point[name].ndim > 1

    def weights(self) -> list[str]:
        return [name for name in self.names if self.is_weight(name)]

    def layer_of(self, name: str) -> int:
        """Return a number that grows towards the scores."""
        digits = re.search(r"\d+$", name)
        return int(digits[0]) if digits else self.names.index(name)

    # ---- dropout and running averages ------------------------------------------------

    def dropouts(self) -> list[dict[str, Any]]:
        """Return the settings of each dropout."""
        return [
            one
            for one in self.still.dicts
            if "p" in one and isinstance(one["p"], int | float) and "mode" in one
        ]

    def has_dropout(self) -> bool:
        return any(0 < one["p"] < 1 for one in self.dropouts())

    def averages(self) -> list[dict[str, Array]]:
        """Return the running averages of each batch normalization."""
        params = getattr(self.model, "bn_params", None)
        if isinstance(params, dict):
            params = list(params.values())
        return [
            {key: value for key, value in one.items() if isinstance(value, np.ndarray)}
            for one in params or ()
            if isinstance(one, dict)
        ]


def is_bias(name: str) -> bool:
    return name.startswith("b") and not name.startswith("beta")
