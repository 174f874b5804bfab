"""What a trained network is worth: its scores for many images, and which it confuses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arguments import (
    Array,
    as_array,
    as_float_array,
    as_numbers,
    flag,
    whole_number,
)
from ._networks import as_network

__all__ = ["confusion_matrix", "predict_scores", "worst_mistakes"]


def predict_scores(
    model: Any, X: Array, *, mirrored: bool = False, batch_size: int = 250
) -> Array:
    r"""Compute the scores of any number of images, a few at a time.

    With `mirrored`, they are the mean of two looks at each image,

    .. math:: g(x) = \tfrac12 \big(f(x) + f(m(x))\big),

    where :math:`m` mirrors left and right: test-time averaging, for twice the time.

    Parameters
    ----------
    model : object
        A network whose ``loss(X)`` returns scores, as in `nndl.fc_net`.
    X : array, shape (N, ...)
        With `mirrored`, (N, C, H, W).
    mirrored : bool, optional
    batch_size : int, optional
        Images at once, which bounds the memory needed.

    Returns
    -------
    array, shape (N, C)

    Raises
    ------
    ValueError, TypeError
        If `X` is empty or does not fit the network, or another argument is not as
        described.
    FloatingPointError
        If a score is not a number, so that its image belongs to no class.

    References
    ----------
    Krizhevsky, Sutskever, Hinton. ImageNet classification with deep convolutional neural
    networks. NIPS 2012, section 4.1.
    """
    model = as_network(model)
    X, mirrored = as_numbers("X", X), flag("mirrored", mirrored)
    batch_size = whole_number("batch_size", batch_size, at_least=1)
    if X.ndim == 0 or len(X) == 0:
        raise ValueError(f"`X` must hold images, but its shape is {X.shape}.")
    if mirrored and X.ndim != 4:
        raise ValueError(
            f"`X` must have shape (N, C, H, W) to be mirrored, but its shape is {X.shape}."
        )
    parts = []
    for start in range(0, len(X), batch_size):
        images = X[start : start + batch_size]
        scores = model.loss(images)
        if mirrored:
            other = model.loss(np.ascontiguousarray(images[..., ::-1]))
            scores = (scores + other) / 2
        parts.append(scores)
    scores = np.concatenate(parts)
    if np.isnan(scores).any():
        raise FloatingPointError(
            "the network's scores hold NaN: its parameters, or the images, are not finite."
        )
    return scores


def confusion_matrix(y: Array, predicted: Array, num_classes: int) -> Array:
    """Count how often each class was taken for each.

    Parameters
    ----------
    y : integer array, shape (N,)
        The true classes, from 0 to `num_classes` - 1.
    predicted : integer array, shape (N,)
        What the network took them for.
    num_classes : int
        `C`.

    Returns
    -------
    array, int64, shape (C, C)
        Row `i`, column `j`: how many images of class `i` were taken for `j`. The
        diagonal holds what is right.

    Raises
    ------
    ValueError, TypeError
        If the arrays differ in length or hold anything but classes.
    """
    num_classes = whole_number("num_classes", num_classes, at_least=1, at_most=10_000)
    y = _classes("y", y, num_classes)
    predicted = _classes("predicted", predicted, num_classes)
    if y.shape != predicted.shape:
        raise ValueError(
            f"`y` and `predicted` must be of one length, but have the shapes {y.shape} and "
            f"{predicted.shape}."
        )
    counts = np.bincount(num_classes * y + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def worst_mistakes(scores: Array, y: Array, count: int = 10) -> Array:
    """Find the images that a network is surest of, and wrong.

    Parameters
    ----------
    scores : array, shape (N, C)
    y : integer array, shape (N,)
        The true classes.
    count : int, optional
        At most so many are returned.

    Returns
    -------
    integer array
        The places of the mistakes, the largest first: by how much the highest score lies
        above that of the true class.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.
    """
    scores = as_float_array("scores", scores)
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise ValueError(
            f"`scores` must have shape (N, C), but its shape is {scores.shape}."
        )
    N, C = scores.shape
    y = _classes("y", y, C)
    if len(y) != N:
        raise ValueError(
            f"`scores` and `y` must be of one length, but have the shapes {scores.shape} and {y.shape}."
        )
    count = whole_number("count", count, at_least=0)
    lead = scores.max(axis=1, initial=-np.inf) - scores[np.arange(N), y]
    worst = np.argsort(-lead, kind="stable")[:count]
    return worst[lead[worst] > 0]


def _classes(name: str, value: Any, num_classes: int) -> Array:
    array = as_array(name, value)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"`{name}` must be an array of integers, but its dtype is {array.dtype}."
        )
    if array.ndim != 1:
        raise ValueError(
            f"`{name}` must have shape (N,), but its shape is {array.shape}."
        )
    wrong = array[(array < 0) | (array >= num_classes)]
    if wrong.size:
        raise ValueError(
            f"`{name}` must hold classes from 0 to {num_classes - 1}, but holds {wrong[0]}."
        )
    return array.astype(np.int64)
