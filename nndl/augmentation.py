"""Augmentation: random changes of an image that leave its class what it is.

Applied anew to every minibatch of training, never to the images that are judged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ._arguments import Array, as_float_array, takes, whole_number
from ._random import RandomSource, random_generator

__all__ = ["crop", "flip"]


@takes(X="(N, C, H, W)")
def flip(X: Array, rng: RandomSource = None) -> Array:
    """Mirror each image, left to right, with probability 1/2.

    Parameters
    ----------
    X : array, shape (N, C, H, W)
        Images.
    rng : numpy.random.Generator, int or None, optional
        Where random numbers come from; None means NumPy's global state.

    Returns
    -------
    array, the shape and dtype of `X`
        A new array: `X` is not changed.

    Raises
    ------
    ValueError
        If `X` has another number of axes, or `rng` is a negative int.
    TypeError
        If `X` is not of float32, float64, integers or booleans, or `rng` no source of
        random numbers.
    """
    mirrored = random_generator(rng).random(len(X)) < 0.5
    out = X.copy()
    out[mirrored] = X[mirrored, :, :, ::-1]
    return out


@takes(X="(N, C, H, W)")
def crop(
    X: Array,
    rng: RandomSource = None,
    most: int = 4,
    fill: float | Sequence[float] | Array = 0.0,
) -> Array:
    """Move each image by up to `most` pixels at random: pad it on each side, and cut out
    a window of the old size.

    Parameters
    ----------
    X : array, shape (N, C, H, W)
        Images.
    rng : numpy.random.Generator, int or None, optional
        Where random numbers come from; None means NumPy's global state.
    most : int, optional
        Pixels of padding on each of the four sides, at most the image's shorter side. The
        window's place is one of ``(2 * most + 1) ** 2``, all equally likely.
    fill : float or array of shape (C,), optional
        What the padding is made of, for all channels or for each. Zero is the mean image
        where that has been subtracted.

    Returns
    -------
    array, the shape and dtype of `X`
        A new array: `X` is not changed.

    Raises
    ------
    ValueError
        If `X` has another number of axes, `rng` is a negative int, `most` lies
        outside its range, or `fill` has another shape.
    TypeError
        If `X` or `fill` is not of float32, float64, integers or booleans, `most` not an
        integer, or `rng` no source of random numbers.

    References
    ----------
    He, Zhang, Ren, Sun. Deep residual learning for image recognition. CVPR 2016, section
    4.2.
    """
    generator = random_generator(rng)
    N, C, H, W = X.shape
    most = whole_number("most", most, at_least=0, at_most=min(H, W))
    fill = as_float_array("fill", fill)
    if fill.shape not in ((), (C,)):
        raise ValueError(
            f"`fill` must be a number or have shape ({C},), one for each channel of `X`, but its "
            f"shape is {fill.shape}."
        )
    padded = np.empty((N, C, H + 2 * most, W + 2 * most), X.dtype)
    padded[:] = fill.reshape(-1, 1, 1)
    padded[:, :, most : most + H, most : most + W] = X
    windows = np.lib.stride_tricks.sliding_window_view(padded, (H, W), axis=(2, 3))
    # Not `integers`, which NumPy's global state does not have.
    down, right = (generator.random((2, N)) * (2 * most + 1)).astype(int)
    return windows[np.arange(N), :, down, right]
