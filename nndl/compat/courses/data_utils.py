"""CIFAR-10 in the courses' forms, from the reader's copy; or, with the environment
variable `NNDL_DATASET` set to `shapes`, the embedded set in CIFAR-10's sizes.

The embedded set is smaller, so its images are repeated as often as needed: training
images for training, and others for validation and for the test.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ... import data
from ..._arguments import Array
from ...data import _records, cifar10

_VAL = 1000


def get_CIFAR10_data(
    num_training: int = 49_000,
    num_validation: int = _VAL,
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
    loaded = {}
    for part, records in _records_of(num_training, num_validation, num_test).items():
        loaded[f"X_{part}"], loaded[f"y_{part}"] = _unpacked(records)
    if subtract_mean:
        mean_image = loaded["X_train"].mean(axis=0, dtype=np.float64)
        for part in ("train", "val", "test"):
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
    layout = cifar10.LAYOUT
    num_validation = layout.val_end - layout.train_end
    parts = _records_of(layout.train_end, num_validation, None)
    X, y = _unpacked(np.concatenate([parts["train"], parts["val"]]))
    X_test, y_test = _unpacked(parts["test"])
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


def _records_of(
    num_training: int, num_validation: int, num_test: int | None
) -> dict[str, Any]:
    """Return the records of the training, validation and test images."""
    val_end, test_end = cifar10.LAYOUT.val_end, cifar10.LAYOUT.test_end
    if num_test is None:
        num_test = test_end - val_end
    rows = {
        "train": np.arange(num_training),
        "val": np.arange(num_training, num_training + num_validation),
        "test": np.arange(val_end, val_end + num_test),
    }
    for part, end in (("train", val_end), ("val", val_end), ("test", test_end)):
        if len(rows[part]) == 0 or rows[part][-1] >= end:
            raise ValueError(
                f"`num_training`, `num_validation` and `num_test` must be at least 1 and end within "
                f"{val_end} training and {test_end - val_end} test images, but are {num_training}, "
                f"{num_validation} and {num_test}."
            )
    if os.environ.get("NNDL_DATASET") == "shapes":
        records = np.concatenate(list(data._shapes_blocks()))
        layout, start = data._LAYOUTS["shapes"], 0
        for part, end in zip(rows, layout[1:], strict=True):
            # Over and over through the part's own images.
            rows[part] = start + np.arange(len(rows[part])) % (end - start)
            start = end
    else:
        records = np.concatenate(list(cifar10.blocks()))
    return {part: records[numbers] for part, numbers in rows.items()}


def _unpacked(records: Any) -> tuple[Array, Array]:
    images = records[:, 1:].reshape(-1, *_records.IMAGE_SHAPE).astype(np.float32)
    return images, records[:, 0].astype(np.int64)
