"""Holds a backward pass of the reader's own against the slopes of its forward pass.

In the order in which they are best read: `_slopes` measures along one direction, `_measured`
a whole array, `_layer` calls the reader's functions, `_examination` takes them through the
stages of the check, and `_causes`, with `_patterns`, says why a gradient is most likely wrong.
"""

from __future__ import annotations

from typing import Any

from ..._arguments import as_function, number
from ..._random import random_generator
from .._result import Result, level_of
from ._examination import Examination
from ._layer import Function, Layer, has_gradient


def check_gradients(
    forward: Function,
    backward: Function,
    *inputs: Any,
    hint: int = 2,
    time_limit: float = 5.0,
    rng: Any = 0,
) -> Result:
    r"""Check the backward pass of a layer of your own against its forward pass.

    For a random `dout`, each gradient is compared with the slopes of
    :math:`\sum_j \mathrm{dout}_j \, \mathrm{out}_j`, in float64: entry by entry, or, for
    an array of more than 400 numbers, along random directions.

    Parameters
    ----------
    forward : callable
        ``forward(*inputs)`` returns ``out`` or ``(out, cache)``; `out` is an array, or
        one number: a loss.
    backward : callable
        ``backward(dout, cache)``, or ``backward(dout)`` if there is no cache, returns
        the gradients with respect to those inputs that are arrays of floats, in their
        order; None for one that is not wanted. `dout` has the shape of `out`, and is 1
        if that is one number.
    *inputs
        What `forward` is called with. Every call gets copies.
    hint : {1, 2, 3}, optional
        How much the result shows: where it is wrong; why it most likely is; the formula
        too.
    time_limit : float, optional
        Seconds after which a single call is stopped.
    rng : numpy.random.Generator, int or None, optional
        Where `dout` and the directions are drawn from.

    Returns
    -------
    Result
        Kinks, where the slopes on the left and on the right differ and no gradient can
        agree with both, are no findings but notes; there, the gradient is checked
        beside the kink as well.

    Raises
    ------
    ValueError
        If none of the inputs is an array of floats, `hint` is not 1, 2 or 3, or
        `time_limit` is not above 0.
    TypeError
        If `forward` or `backward` cannot be called.

    Examples
    --------
    >>> import numpy as np
    >>> from nndl.check import check_gradients
    >>> def square(x):
    ...     return x * x, x
    >>> def square_backward(dout, x):
    ...     return x * dout
    >>> check_gradients(square, square_backward, np.array([1.0, 2.0, 3.0])).passed
    False
    """
    as_function("forward", forward)
    as_function("backward", backward)
    hint = level_of(hint)
    seconds = number("time_limit", time_limit, above=0)
    if not any(has_gradient(one) for one in inputs):
        raise ValueError(
            "`inputs` must hold at least one array of floats, whose gradient can be checked, but "
            f"holds {', '.join(type(one).__name__ for one in inputs) or 'nothing'}."
        )
    layer = Layer(forward, backward, inputs, seconds, random_generator(rng))
    findings, stages, notes = Examination(layer).run()
    return Result(_name_of(forward, backward), findings, stages, notes, hint)


def _name_of(forward: Function, backward: Function) -> str:
    for function, otherwise in ((backward, "backward"), (forward, "forward")):
        name: str = getattr(function, "__name__", otherwise)
        if name != "<lambda>":
            return name
    return "gradients"
