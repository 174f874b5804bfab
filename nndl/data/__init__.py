"""The images that the book learns from: an embedded set, drawn on the spot, and
CIFAR-10; and two photographs to look at."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .._arguments import as_float_array, flag, one_of, shown
from . import _records, cifar10, photographs, shapes

__all__ = ["NAMES", "load", "photograph", "whiten"]

_LAYOUTS = {
    "shapes": _records.Layout(shapes.CLASS_NAMES, 10_000, 11_000, shapes.NUM_IMAGES),
    "cifar10": cifar10.LAYOUT,
}

NAMES = tuple(_LAYOUTS)


def shapes_file() -> Path:
    """Return where the embedded set is kept once it has been drawn."""
    # The checksum in the name keeps versions that draw other pictures apart.
    return _records.cache_folder() / f"shapes-{shapes.SHA256[:12]}.bin"


def _shapes_blocks() -> Iterable[_records.Block]:
    count = shapes.NUM_IMAGES
    yield _records.cached(
        shapes_file(), count, shapes.SHA256, lambda: _records.pack(*shapes.draw(count))
    )


def load(
    name: str | None = None,
    *,
    num_train: int | None = None,
    num_val: int | None = 1000,
    num_test: int | None = 1000,
    subtract_mean: bool = True,
) -> dict[str, Any]:
    """Load a data set, split for training, validation and testing.

    Parameters
    ----------
    name
        ``"shapes"``, the embedded set (10,000 + 1,000 + 1,000 images), or ``"cifar10"``
        (49,000 + 1,000 + 10,000); None takes the environment variable `NNDL_DATASET`,
        and ``"shapes"`` where that is not set.
    num_train, num_val, num_test
        How many images of each part, from its start; None for all of them.
    subtract_mean
        Whether to subtract the mean of the returned training images from every image.

    Returns
    -------
    dict
        `X_train`, `X_val`, `X_test`: float32 (N, 3, 32, 32) in pixel units, 0 to 255
        before the mean is subtracted; `y_train`, `y_val`, `y_test`: int64 (N,);
        `mean_image`: float32 (3, 32, 32); `name`: str; `class_names`: tuple of str.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or a file of CIFAR-10 is damaged.
    FileNotFoundError
        If CIFAR-10 is wanted and absent.
    """
    if name is None:
        name = one_of(
            "NNDL_DATASET", os.environ.get("NNDL_DATASET") or NAMES[0], *NAMES
        )
    else:
        one_of("name", name, *NAMES)
    subtract_mean = flag("subtract_mean", subtract_mean)
    layout = _LAYOUTS[name]
    ranges = layout.ranges(num_train=num_train, num_val=num_val, num_test=num_test)
    blocks = _shapes_blocks() if name == "shapes" else cifar10.blocks()
    arrays = _records.split(blocks, ranges, subtract_mean)
    return {"name": name, "class_names": layout.class_names, **arrays}


def whiten(data: dict[str, Any]) -> dict[str, Any]:
    r"""Give each channel of the training images mean 0 and standard deviation 1.

    .. math:: x \leftarrow (x - \mu_c) / \sigma_c

    with the mean and the standard deviation of channel :math:`c` over all pixels of all
    training images, by which the other images are changed, too.

    Parameters
    ----------
    data
        What `load` returned, or a dict with `X_train` (N, C, H, W) and any of `X_val` and
        `X_test`, images of as many channels.

    Returns
    -------
    dict
        What is in `data`, with new `X_train`, `X_val` and `X_test` of the same types, and
        `channel_mean` and `channel_std`: float32 (C,). A channel that is constant has the
        `channel_std` 1.

    Raises
    ------
    TypeError
        If `data` is not a dict, or its images are not of float32, float64, integers or
        booleans.
    ValueError
        If there are no training images, or images have another shape.
    """
    if not isinstance(data, dict):
        raise TypeError(f"`data` must be a dict, but is {shown(data)}.")
    if "X_train" not in data:
        raise ValueError("`data` must have the key 'X_train', but lacks ['X_train'].")
    images = {
        name: as_float_array(f"data[{name!r}]", data[name])
        for name in ("X_train", "X_val", "X_test")
        if name in data
    }
    X_train = images["X_train"]
    if X_train.ndim != 4 or X_train.size == 0:
        raise ValueError(
            f"`data['X_train']` must have shape (N, C, H, W) with none of them 0, but its shape is "
            f"{X_train.shape}."
        )
    C = X_train.shape[1]
    for name, X in images.items():
        if X.ndim != 4 or X.shape[1] != C:
            raise ValueError(
                f"`data[{name!r}]` must have shape (N, C, H, W) with C = {C}, as X_train has, but "
                f"its shape is {X.shape}."
            )

    # Sums of millions of float32 numbers would lose digits in float32.
    mean = X_train.mean(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)
    white: dict[str, Any] = {
        name: X - mean[:, None, None] for name, X in images.items()
    }
    centred = white["X_train"]
    squares = np.einsum("nchw,nchw->c", centred, centred, dtype=np.float64)
    std = np.sqrt(squares / (centred.size / C)).astype(np.float32)
    std[std == 0] = 1
    for X in white.values():
        X /= std[:, None, None]
    return {**data, **white, "channel_mean": mean, "channel_std": std}


def photograph(name: str) -> Any:
    """Load one of two photographs.

    Parameters
    ----------
    name
        ``"cat"``, 300 by 451 pixels, or ``"raccoon"``, 400 by 400.

    Returns
    -------
    array, uint8, shape (H, W, 3)
        Red, green and blue, 0 to 255.

    Raises
    ------
    ValueError
        If there is no photograph of that name.

    Notes
    -----
    The cat is Chelsea, by Stéfan van der Walt, who waived all rights (CC0), from
    scikit-image's sample images; the raccoon is cut out of a picture in the public domain
    (public-domain-image.com), which SciPy shows under the name "face".
    """
    return photographs.load(name)
