"""The images that the book learns from: an embedded set, drawn on the spot, and
CIFAR-10; and two photographs to look at."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .._arguments import flag, one_of
from . import _records, cifar10, photographs, shapes

__all__ = ["NAMES", "load", "photograph"]

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
