"""Numeric gradients, also of functions that write into blobs.

`rel_error` is not among them: every notebook defines its own, which a star-import must
not replace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import gradient_check
from ..._arguments import Array
from ...gradient_check import eval_numerical_gradient_array, grad_check_sparse


def eval_numerical_gradient(
    f: Callable[[Array], Any], x: Array, verbose: bool = True, h: float = 1e-5
) -> Array:
    """Return the numeric gradient of a function with one number as its value, and
    print it on the way unless told otherwise."""
    return gradient_check.eval_numerical_gradient(f, x, verbose, h)


def eval_numerical_gradient_blobs(
    f: Callable[..., Any], inputs: Sequence[Any], output: Any, h: float = 1e-5
) -> list[Array]:
    """Return the numeric gradients of a function from blobs to a blob.

    Parameters
    ----------
    f : callable
        ``f(input1, ..., inputK, output)`` reads ``input.vals`` and writes
        ``output.vals``.
    inputs : sequence of blobs
        Each with a float array `vals`.
    output : blob
        With arrays `vals` and `diffs`, the gradient of the loss with respect to it.
    h : float, optional
        Half the distance between the two evaluations.

    Returns
    -------
    list of arrays
        The gradient with respect to each input.
    """

    def values(_: Array) -> Array:
        f(*inputs, output)
        return np.copy(output.vals)

    return [
        eval_numerical_gradient_array(values, blob.vals, output.diffs, h)
        for blob in inputs
    ]


def eval_numerical_gradient_net(
    net: Any, inputs: Sequence[Any], output: Any, h: float = 1e-5
) -> list[Array]:
    """Return the numeric gradients of a network whose ``forward()`` goes from the blobs
    `inputs` to the blob `output`."""
    return eval_numerical_gradient_blobs(
        lambda *blobs: net.forward(), inputs, output, h
    )
