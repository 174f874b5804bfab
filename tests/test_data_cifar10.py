"""CIFAR-10: finding it and reading its official layout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cifar_cases import FOLDER, RECORDS, make_small, records, write

import nndl
from nndl import data, data_utils
from nndl.data import cifar10


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Keep the user's own folders out."""
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NNDL_DATA", raising=False)


@pytest.fixture
def small(monkeypatch):
    """Make the data set small."""
    make_small(monkeypatch.setattr)


# --- Reading --------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("place", ["parent", "folder itself", "cache"])
def test_the_data_are_found(tmp_path, monkeypatch, place):
    folder = write(tmp_path / "cache" / FOLDER)
    if place != "cache":
        monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "empty"))
        monkeypatch.setenv(
            "NNDL_DATA", str(folder.parent if place == "parent" else folder)
        )
    assert cifar10.find() == folder


@pytest.mark.usefixtures("small")
def test_the_parts_are_the_customary_ones(tmp_path):
    write(tmp_path / "cache" / FOLDER)
    expected = records()
    loaded = data.load("cifar10", num_val=None, num_test=None, subtract_mean=False)
    for part, rows in (
        ("train", slice(0, 18)),
        ("val", slice(18, 20)),
        ("test", slice(20, 24)),
    ):
        images = expected[rows, 1:].reshape(-1, 3, 32, 32)
        np.testing.assert_array_equal(loaded[f"X_{part}"], images)
        np.testing.assert_array_equal(loaded[f"y_{part}"], expected[rows, 0])
    assert loaded["class_names"][3] == "cat"


@pytest.mark.usefixtures("small")
def test_the_mean_image_over_several_files_is_exact(tmp_path):
    write(tmp_path / "cache" / FOLDER)
    expected = records()
    loaded = data.load("cifar10", num_train=11, num_val=2, num_test=3)
    exact = (expected[:11, 1:].sum(axis=0, dtype=np.int64) / 11).astype(np.float32)
    np.testing.assert_array_equal(loaded["mean_image"].ravel(), exact)
    np.testing.assert_array_equal(
        loaded["X_test"].reshape(3, -1), expected[20:23, 1:].astype(np.float32) - exact
    )


@pytest.mark.usefixtures("small")
def test_the_courses_function_returns_the_six_arrays(tmp_path):
    write(tmp_path / "cache" / FOLDER)
    course = data_utils.get_CIFAR10_data(num_training=6, num_validation=1, num_test=2)
    ours = data.load("cifar10", num_train=6, num_val=1, num_test=2)
    assert set(course) == {"X_train", "y_train", "X_val", "y_val", "X_test", "y_test"}
    for key, array in course.items():
        np.testing.assert_array_equal(array, ours[key])


def test_the_courses_function_names_a_wrong_count():
    with pytest.raises(
        ValueError, match="`num_validation` must be an integer from 1 to 1000"
    ):
        data_utils.get_CIFAR10_data(num_validation=2000)


def test_absent_data_are_an_error_that_says_where_it_looked_and_what_to_do(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("NNDL_DATA", str(tmp_path / "mine"))
    with pytest.raises(FileNotFoundError) as caught:
        data.load("cifar10")
    message = str(caught.value)
    assert "nndl data fetch cifar10" in message
    for place in (
        tmp_path / "mine" / FOLDER,
        tmp_path / "mine",
        tmp_path / "cache" / FOLDER,
    ):
        assert str(place) in message


@pytest.mark.usefixtures("small")
def test_a_missing_batch_is_named(tmp_path):
    missing = write(tmp_path / "cache" / FOLDER) / "data_batch_4.bin"
    missing.unlink()
    with pytest.raises(FileNotFoundError, match=f"{missing} is missing"):
        data.load("cifar10", num_val=1, num_test=1)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("size", [0, RECORDS * 3073 - 1, RECORDS * 3073 + 1])
def test_a_file_of_another_size_is_named(tmp_path, size):
    path = write(tmp_path / "cache" / FOLDER) / "data_batch_2.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(
        ValueError, match=f"{path} must have 12292 bytes .* but has {size}"
    ):
        data.load("cifar10", num_val=1, num_test=1)


@pytest.mark.usefixtures("small")
def test_a_label_above_nine_is_named(tmp_path):
    path = write(tmp_path / "cache" / FOLDER) / "test_batch.bin"
    content = bytearray(path.read_bytes())
    content[2 * 3073] = 10
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=f"{path} must have labels from 0 to 9, but record 2 has 10"
    ):
        data.load("cifar10", num_val=1, num_test=1)


# --- The whole data set ---------------------------------------------------------------

REAL = os.environ.get("NNDL_DATA", "")
needs_cifar10 = pytest.mark.skipif(
    not any(Path(REAL, sub, "test_batch.bin").is_file() for sub in ("", FOLDER))
    or not REAL,
    reason="NNDL_DATA names no folder that holds CIFAR-10",
)


@needs_cifar10
def test_loading_all_of_cifar10_needs_less_than_a_gigabyte():
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not say how much memory a process has held")
    # Not `ru_maxrss`, which a process inherits from the one that started it.
    code = (
        "import re\n"
        "from nndl.data_utils import get_CIFAR10_data\n"
        "data = get_CIFAR10_data()\n"
        "assert data['X_train'].shape == (49000, 3, 32, 32)\n"
        "status = open('/proc/self/status').read()\n"
        "print(1024 * int(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1]))"
    )
    root = str(Path(nndl.__file__).parents[1])
    environment = {**os.environ, "NNDL_DATA": REAL, "PYTHONPATH": root}
    peak = subprocess.check_output(
        [sys.executable, "-c", code], env=environment, text=True
    )
    assert int(peak) < 1.0e9


@needs_cifar10
def test_the_training_images_of_cifar10_have_mean_zero_once_it_is_subtracted(
    monkeypatch,
):
    monkeypatch.setenv("NNDL_DATA", REAL)
    loaded = data.load("cifar10", num_train=10_000, num_test=None)
    assert abs(loaded["X_train"].mean(axis=0, dtype=np.float64)).max() < 1e-3
    assert len(loaded["y_test"]) == 10_000
    assert (np.bincount(loaded["y_test"]) == 1_000).all()
