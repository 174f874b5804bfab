"""Takes a whole network through what can be said of it without training it for long.

The network is looked at with weights of its own shapes but of readable size, in float64,
and with the same random masks in every call; then it is put back as it was, by what `_state`
remembers. All stages call it through `_network`. Each has a module of its own, in the order
of `_stages`: `_interface`, `_scores`, `_loss`, `_penalty`, `_gradients` (with `_causes`) and
`_training`.
"""

from __future__ import annotations

from typing import Any

from ..._arguments import as_numbers, number, shown
from .._gradients._layer import has_gradient
from .._result import Result, level_of
from ._network import Network
from ._stages import examine
from ._state import State


def check_model(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    hint: int = 2,
    time_limit: float = 5.0,
) -> Result:
    """Check a whole network of your own.

    Looked at are, in order, what ``loss`` returns; the scores in test mode; the loss of
    scores that are all 0, and its agreement with the scores; the L2 penalty and its
    gradient; the gradient of each parameter against its slopes; and whether ten
    examples are learned by heart. The model is left exactly as it was.

    Parameters
    ----------
    model : object
        With a dict ``params`` of arrays and a method ``loss``: ``loss(X)`` returns the
        scores, (N, C), in test mode, and ``loss(X, y)`` the loss and a dict of
        gradients under the names in ``params``. Its ``reg``, ``dtype``, ``bn_params``
        and ``dropout_param`` are used where it has them.
    X : array, shape (N, ...), optional
        Examples; by default random ones, of the shape that the first weights take.
    y : integer array, shape (N,), optional
        Their classes.
    hint : {1, 2, 3}, optional
        How much the result shows: where it is wrong; why it most likely is; the formula
        too.
    time_limit : float, optional
        Seconds after which a single call is stopped.

    Returns
    -------
    Result
        Its notes say which loss was recognized and what there was no time for.

    Raises
    ------
    ValueError
        If `X` is empty, `y` is given without it, is not as long or holds a negative
        number, `hint` is not 1, 2 or 3, or `time_limit` is not above 0.
    TypeError
        If `model` has no dict ``params`` of float arrays, or no method ``loss``; or `X`
        is not of numbers, or `y` not of integers.
    """
    level = level_of(hint)
    seconds = number("time_limit", time_limit, above=0)
    _check_model(model)
    if X is not None:
        X = as_numbers("X", X)
        if X.ndim == 0 or len(X) == 0:
            raise ValueError(
                f"`X` must hold at least one example, but its shape is {X.shape}."
            )
    if y is not None:
        y = as_numbers("y", y)
        if X is None or y.shape != X.shape[:1]:
            raise ValueError(
                f"`y` must be one class for each example of `X`, but its shape is {y.shape}"
                + (" and there is no `X`." if X is None else f" (X: {X.shape}).")
            )
        if y.dtype.kind not in "iu":
            raise TypeError(
                f"`y` must be an array of integer classes, but its dtype is {y.dtype}."
            )
        if y.min() < 0:
            raise ValueError(f"`y` must hold classes from 0 on, but holds {y.min()}.")
    state = State(model)
    try:
        findings, stages, notes = examine(Network(model, X, y, seconds, state))
    finally:
        state.restore()
    return Result(type(model).__name__, findings, stages, notes, level)


def _check_model(model: Any) -> None:
    params = getattr(model, "params", None)
    if (
        not isinstance(params, dict)
        or not params
        or not all(has_gradient(one) for one in params.values())
    ):
        raise TypeError(
            f"`model` must have a dict `params` of arrays of floats, but is {shown(model)}"
            + (f" with {shown(params)}." if params is not None else ".")
        )
    if not callable(getattr(model, "loss", None)):
        raise TypeError(
            f"`model` must have a method `loss`, but is {shown(model)} without one."
        )
