"""CIFAR-10 in the courses' forms, from the reader's copy; or, with the environment
variable `NNDL_DATASET` set to `shapes`, the embedded set in CIFAR-10's sizes.

The embedded set is smaller: its 10,000 training and 1,000 test images are repeated to
49,000 and 10,000. The 1,000 images at the end of the training set, on which the courses
validate, occur only there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ... import data
from ..._arguments import Array
from ...data import _records, cifar10

_TRAIN, _VAL, _TEST = 49_000, 1_000, 10_000


def get_CIFAR10_data(
    num_training: int = _TRAIN,
    num_validation: int = 1000,
    num_test: int = 1000,
    subtract_mean: bool = True,
    **where: Any,
) -> dict[str, Any]:
    """Load the training images up to number `num_training`, the `num_validation` after
    them, and the first test images.

    Parameters
    ----------
    num_training, num_validation, num_test : int, optional
        The first two together at most 50,000, the third at most 10,000.
    subtract_mean : bool, optional
        Whether to subtract the mean of the training images from every image.
    **where
        The folders that some editions name are not looked at.

    Returns
    -------
    dict
        `X_train`, `X_val`, `X_test`: float32 (N, 3, 32, 32); `y_train`, `y_val`,
        `y_test`: int64 (N,).
    """
    X, y, X_test, y_test = _images()
    parts = {
        "train": (X, y, 0, num_training),
        "val": (X, y, num_training, num_training + num_validation),
        "test": (X_test, y_test, 0, num_test),
    }
    loaded = {}
    for part, (images, labels, start, stop) in parts.items():
        if not 0 <= start < stop <= len(images):
            raise ValueError(
                f"`num_training`, `num_validation` and `num_test` must be at least 1 and end within "
                f"{len(images)} images, but the {part} images would be {start} to {stop}."
            )
        loaded[f"X_{part}"] = images[start:stop].copy()
        loaded[f"y_{part}"] = labels[start:stop].copy()
    if subtract_mean:
        mean_image = loaded["X_train"].mean(axis=0, dtype=np.float64)
        for part in parts:
            loaded[f"X_{part}"] -= mean_image.astype(np.float32)
    return loaded


def load_CIFAR10(ROOT: Any = None) -> tuple[Array, Array, Array, Array]:
    """Load all of CIFAR-10 as the courses' first assignments do; the folder that they
    name is not looked at.

    Returns
    -------
    Xtr, Ytr, Xte, Yte : arrays
        Images, float32 (50000, 32, 32, 3) and (10000, 32, 32, 3) in pixel units, and
        their labels, int64.
    """
    X, y, X_test, y_test = _images()
    return X.transpose(0, 2, 3, 1), y, X_test.transpose(0, 2, 3, 1), y_test


def load_CIFAR_batch(filename: Any) -> tuple[Array, Array]:
    """Load one file of CIFAR-10's binary version, such as `data_batch_1.bin`.

    Raises
    ------
    ValueError
        If it is a file of the Python version. Those are pickles, which run whatever code
        is in them when they are opened.
    """
    if not os.fspath(filename).endswith(".bin"):
        raise ValueError(
            f"`filename` must be a file of CIFAR-10's binary version, data_batch_1.bin say, but is "
            f"{os.fspath(filename)!r}. Pickled files are not opened, since they can run any code; "
            "fetch the binary version with: nndl data fetch cifar10"
        )
    path = Path(filename)
    records = _records.read(path, path.stat().st_size // _records.RECORD_SIZE)
    X, y = _unpacked(records)
    return X.transpose(0, 2, 3, 1), y


def _images() -> tuple[Array, Array, Array, Array]:
    """Return 50,000 training and 10,000 test images (N, 3, 32, 32) with labels."""
    if os.environ.get("NNDL_DATASET") == "shapes":
        return _repeated_shapes()
    X, y = _unpacked(np.concatenate(list(cifar10.blocks())))
    end = cifar10.LAYOUT.val_end
    return X[:end], y[:end], X[end:], y[end:]


def _repeated_shapes() -> tuple[Array, Array, Array, Array]:
    drawn = data.load(
        "shapes", num_train=None, num_val=None, num_test=None, subtract_mean=False
    )
    train = np.arange(_TRAIN) % len(drawn["y_train"])
    val = np.arange(_VAL) % len(drawn["y_val"])
    test = np.arange(_TEST) % len(drawn["y_test"])
    X = np.concatenate([drawn["X_train"][train], drawn["X_val"][val]])
    y = np.concatenate([drawn["y_train"][train], drawn["y_val"][val]])
    return X, y, drawn["X_test"][test], drawn["y_test"][test]


def _unpacked(records: Any) -> tuple[Array, Array]:
    images = records[:, 1:].reshape(-1, *_records.IMAGE_SHAPE).astype(np.float32)
    return images, records[:, 0].astype(np.int64)
