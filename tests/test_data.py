"""`nndl.data.load`: splits, units, errors, and the cache behind the embedded set."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import nndl
from nndl import data
from nndl.data import _records, shapes


@pytest.fixture(scope="module")
def drawn():
    return shapes.draw(shapes.NUM_IMAGES)


@pytest.fixture(scope="module")
def full_cache(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("full-cache")
    (folder / _file_name()).write_bytes(_records.pack(*drawn).tobytes())
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of the test's own, and no data set chosen by the
    environment."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NNDL_CACHE", str(folder))
    monkeypatch.delenv("NNDL_DATA", raising=False)
    monkeypatch.delenv("NNDL_DATASET", raising=False)
    return folder


@pytest.fixture
def filled(cache, full_cache, monkeypatch):
    """The environment of `cache`, with the embedded set drawn already."""
    monkeypatch.setenv("NNDL_CACHE", str(full_cache))


def _file_name():
    return f"shapes-{shapes.SHA256[:12]}.bin"


def _count_draws(monkeypatch, drawn):
    """Replace the drawing by one that is quick and counts its calls."""
    calls = []

    def draw(n, seed=0):
        calls.append(n)
        return drawn

    monkeypatch.setattr(shapes, "draw", draw)
    return calls


@pytest.mark.usefixtures("filled")
def test_load_returns_every_image_of_the_embedded_set_by_default(drawn):
    loaded = data.load(subtract_mean=False)
    images = np.concatenate([loaded["X_train"], loaded["X_val"], loaded["X_test"]])
    labels = np.concatenate([loaded["y_train"], loaded["y_val"], loaded["y_test"]])
    assert [len(loaded[f"X_{part}"]) for part in ("train", "val", "test")] == [
        10_000,
        1_000,
        1_000,
    ]
    np.testing.assert_array_equal(images, drawn[0])
    np.testing.assert_array_equal(labels, drawn[1])


@pytest.mark.usefixtures("filled")
def test_load_returns_float32_images_and_int64_labels():
    loaded = data.load()
    for part in ("train", "val", "test"):
        assert loaded[f"X_{part}"].dtype == np.float32
        assert loaded[f"X_{part}"].flags.c_contiguous
        assert loaded[f"y_{part}"].dtype == np.int64
    assert loaded["mean_image"].dtype == np.float32
    assert loaded["mean_image"].shape == (3, 32, 32)
    assert loaded["name"] == "shapes"
    assert loaded["class_names"] == shapes.CLASS_NAMES


@pytest.mark.usefixtures("filled")
def test_the_mean_image_is_that_of_the_returned_training_images(drawn):
    loaded = data.load(num_train=300)
    exact = drawn[0][:300].sum(axis=0, dtype=np.int64) / 300
    np.testing.assert_array_equal(loaded["mean_image"], exact.astype(np.float32))
    np.testing.assert_array_equal(
        loaded["X_val"],
        drawn[0][10_000:11_000].astype(np.float32) - loaded["mean_image"],
    )


@pytest.mark.usefixtures("filled")
def test_the_mean_image_is_returned_where_it_is_not_subtracted(drawn):
    loaded = data.load(num_train=20, subtract_mean=False)
    np.testing.assert_array_equal(loaded["X_train"], drawn[0][:20])
    np.testing.assert_array_equal(
        loaded["mean_image"], data.load(num_train=20)["mean_image"]
    )


@pytest.mark.usefixtures("filled")
def test_counts_take_the_first_images_of_each_part(drawn):
    loaded = data.load(
        num_train=5, num_val=np.int64(6), num_test=7, subtract_mean=False
    )
    np.testing.assert_array_equal(loaded["X_train"], drawn[0][:5])
    np.testing.assert_array_equal(loaded["X_val"], drawn[0][10_000:10_006])
    np.testing.assert_array_equal(loaded["y_test"], drawn[1][11_000:11_007])


@pytest.mark.usefixtures("filled")
def test_two_loads_share_no_memory():
    first = data.load(num_train=10)
    first["X_train"][:] = 0
    assert data.load(num_train=10)["X_train"].any()


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"num_train": 20_000},
            ValueError,
            "`num_train` must be an integer from 1 to 10000, but is 20000.",
        ),
        (
            {"num_train": 0},
            ValueError,
            "`num_train` must be an integer from 1 to 10000, but is 0.",
        ),
        (
            {"num_val": -1},
            ValueError,
            "`num_val` must be an integer from 1 to 1000, but is -1.",
        ),
        (
            {"num_test": 1001},
            ValueError,
            "`num_test` must be an integer from 1 to 1000, but is 1001.",
        ),
        ({"num_test": 2.0}, TypeError, "`num_test` must be an integer, but is 2.0."),
        ({"num_val": True}, TypeError, "`num_val` must be an integer, but is True."),
        (
            {"name": "cifar10", "num_train": 49_001},
            ValueError,
            "`num_train` must be an integer from 1 to 49000, but is 49001.",
        ),
        (
            {"name": "mnist"},
            ValueError,
            "`name` must be 'shapes' or 'cifar10', but is 'mnist'.",
        ),
        ({"name": 3}, ValueError, "`name` must be 'shapes' or 'cifar10', but is 3."),
    ],
)
def test_a_wrong_argument_of_load_is_named(arguments, error, message):
    with pytest.raises(error) as caught:
        data.load(**arguments)
    assert str(caught.value) == message


@pytest.mark.usefixtures("cache")
def test_the_environment_chooses_the_data_set(monkeypatch):
    monkeypatch.setenv("NNDL_DATASET", "cifar10")
    with pytest.raises(FileNotFoundError, match="nndl data fetch cifar10"):
        data.load()


@pytest.mark.usefixtures("filled")
def test_an_argument_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("NNDL_DATASET", "cifar10")
    assert data.load("shapes", num_train=10)["name"] == "shapes"


@pytest.mark.usefixtures("cache")
def test_an_unknown_name_in_the_environment_is_an_error_that_names_the_variable(
    monkeypatch,
):
    monkeypatch.setenv("NNDL_DATASET", "imagenet")
    with pytest.raises(
        ValueError, match="`NNDL_DATASET` must be 'shapes' or 'cifar10'"
    ):
        data.load()


def test_the_embedded_set_is_drawn_once_and_then_read(cache, monkeypatch, drawn):
    calls = _count_draws(monkeypatch, drawn)
    first = data.load(num_train=10)
    second = data.load(num_train=10)
    assert calls == [12_000]
    np.testing.assert_array_equal(first["X_train"], second["X_train"])
    assert [path.name for path in cache.iterdir()] == [_file_name()]


@pytest.mark.parametrize(
    "damage", ["cut short", "one bit", "a label of no class", "empty"]
)
def test_a_damaged_cache_is_drawn_anew(cache, monkeypatch, drawn, full_cache, damage):
    whole = bytearray((full_cache / _file_name()).read_bytes())
    if damage == "one bit":
        damaged = whole.copy()
        damaged[20_000_000] ^= 1
    elif damage == "a label of no class":
        damaged = whole.copy()
        damaged[0] = 99
    else:
        damaged = whole[:-1] if damage == "cut short" else b""
    cache.mkdir()
    (cache / _file_name()).write_bytes(damaged)
    calls = _count_draws(monkeypatch, drawn)
    loaded = data.load(subtract_mean=False)
    assert calls == [12_000]
    np.testing.assert_array_equal(loaded["X_train"], drawn[0][:10_000])
    assert (cache / _file_name()).read_bytes() == whole


def test_a_cache_folder_that_cannot_be_made_is_no_error(
    tmp_path, cache, monkeypatch, drawn
):
    (tmp_path / "a file").write_text("in the way")
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "a file" / "cache"))
    _count_draws(monkeypatch, drawn)
    loaded = data.load(subtract_mean=False)
    np.testing.assert_array_equal(loaded["y_val"], drawn[1][10_000:11_000])


@pytest.mark.parametrize("obstacle", ["a folder", "a pipe", "a link to nothing"])
def test_what_is_no_file_in_the_place_of_the_cache_is_no_error(
    cache, monkeypatch, drawn, obstacle
):
    path = cache / _file_name()
    cache.mkdir()
    if obstacle == "a folder":
        (path / "somebody's").mkdir(parents=True)
    elif obstacle == "a pipe":
        os.mkfifo(path)  # whose reading would wait for a writer
    else:
        path.symlink_to("nowhere")
    calls = _count_draws(monkeypatch, drawn)
    for _ in range(2):
        loaded = data.load(subtract_mean=False)
        np.testing.assert_array_equal(loaded["y_val"], drawn[1][10_000:11_000])
    # A folder is somebody's; the others are replaced.
    assert len(calls) == (2 if obstacle == "a folder" else 1)
    assert [p.name for p in cache.iterdir()] == [_file_name()]


@pytest.mark.parametrize("what", ["the file", "the folder"])
def test_a_cache_without_permission_is_no_error(monkeypatch, drawn, full_cache, what):
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        cache.mkdir()
        shutil.copy(full_cache / _file_name(), cache)
        (cache / _file_name()).write_bytes(b"damaged")
        monkeypatch.setenv("NNDL_CACHE", str(cache))
        _count_draws(monkeypatch, drawn)
        is_root = os.geteuid() == 0
        if is_root:
            for path in (Path(folder), cache, cache / _file_name()):
                os.chown(path, 65534, -1)
            os.seteuid(65534)
        try:
            if what == "the file":
                (cache / _file_name()).chmod(0)
            else:
                cache.chmod(0o500)
            loaded = data.load(subtract_mean=False)
            cache.chmod(0o700)
        finally:
            if is_root:
                os.seteuid(0)
        np.testing.assert_array_equal(loaded["y_val"], drawn[1][10_000:11_000])
        assert [p.name for p in cache.iterdir()] == [_file_name()]
        was_written = (cache / _file_name()).stat().st_size > 100
        assert was_written == (what == "the file")


def test_what_a_killed_process_left_is_cleared_up(cache, full_cache):
    code = (
        "import os, signal; from nndl import data;"
        "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL);"
        "data.load()"
    )
    process = _python(code)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert [path.suffix for path in cache.iterdir()] == [".part"]
    data.load(num_train=1)
    assert [path.name for path in cache.iterdir()] == [_file_name()]


def test_a_full_disk_leaves_nothing_behind_and_is_no_error(cache, monkeypatch, drawn):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    _count_draws(monkeypatch, drawn)
    loaded = data.load(subtract_mean=False)
    np.testing.assert_array_equal(loaded["y_val"], drawn[1][10_000:11_000])
    assert list(cache.iterdir()) == []


def test_an_interrupted_writing_leaves_nothing_behind(cache, monkeypatch, drawn):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    _count_draws(monkeypatch, drawn)
    with pytest.raises(KeyboardInterrupt):
        data.load()
    assert list(cache.iterdir()) == []


def _python(code, **environment):
    root = str(Path(nndl.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": root, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_that_draw_at_once_are_both_right(cache, full_cache):
    code = (
        "import hashlib; from nndl import data; loaded = data.load(subtract_mean=False);"
        "print(hashlib.sha256(loaded['X_train'].astype('u1')).hexdigest())"
    )
    processes = [_python(code), _python(code)]
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert results[0] == results[1]
    assert [path.name for path in cache.iterdir()] == [_file_name()]
    assert (cache / _file_name()).read_bytes() == (
        full_cache / _file_name()
    ).read_bytes()


def test_importing_the_data_package_loads_no_download_tools():
    code = (
        "import sys, nndl.data, nndl.data_utils, nndl.cli;"
        "print(sorted({'pooch', 'requests', 'tqdm', 'platformdirs', 'matplotlib'} & set(sys.modules)))"
    )
    output, errors = _python(code).communicate(timeout=60)
    assert output.strip() == "[]", errors


def test_the_cache_is_in_the_users_cache_folder_unless_a_variable_says_otherwise(
    monkeypatch,
):
    import platformdirs

    monkeypatch.delenv("NNDL_CACHE", raising=False)
    assert _records.cache_folder() == platformdirs.user_cache_path("nndl")
    monkeypatch.setenv("NNDL_CACHE", "/elsewhere")
    assert _records.cache_folder() == Path("/elsewhere")


# ---- whitening -----------------------------------------------------------------------


def pictures(N=40, seed=0):
    """Return a small data set, each channel with a mean and a spread of its own."""
    rng = np.random.default_rng(seed)
    scale, offset = np.array([[60.0, 1, 0.01], [120, -3, 5]])[:, :, None, None]
    parts = {
        f"X_{part}": (scale * rng.standard_normal((n, 3, 4, 5)) + offset).astype("f4")
        for part, n in (("train", N), ("val", 7), ("test", 9))
    }
    return {**parts, "y_train": np.arange(N) % 3, "name": "pictures"}


def test_whitening_gives_each_channel_mean_0_and_standard_deviation_1():
    given = pictures(500)
    found = data.whiten(given)
    exact = found["X_train"].astype(np.float64)
    np.testing.assert_allclose(exact.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(exact[:, :2].std(axis=(0, 2, 3)), 1, rtol=1e-6)
    # 0.01 around 5 has four digits left in float32
    np.testing.assert_allclose(exact[:, 2].std(), 1, rtol=1e-4)


def test_whitening_takes_all_images_by_the_statistics_of_training(frozen):
    given = pictures()
    before = frozen(given)
    found = data.whiten(given)
    exact = given["X_train"].astype(np.float64)
    mean, std = exact.mean(axis=(0, 2, 3)), exact.std(axis=(0, 2, 3))
    np.testing.assert_allclose(found["channel_mean"], mean, rtol=1e-6)
    np.testing.assert_allclose(found["channel_std"], std, rtol=1e-4)
    for key in ("channel_mean", "channel_std"):
        assert found[key].dtype == np.float32
        assert found[key].shape == (3,)
    for part in ("X_train", "X_val", "X_test"):
        expected = (given[part] - mean[:, None, None]) / std[:, None, None]
        assert found[part].dtype == np.float32
        np.testing.assert_allclose(found[part], expected, rtol=1e-4, atol=1e-4)
        assert not np.may_share_memory(found[part], given[part])
    assert found["y_train"] is given["y_train"]
    assert found["name"] == "pictures"
    assert frozen(given) == before


def test_whitening_is_undone_by_its_mean_and_standard_deviation():
    given = pictures()
    found = data.whiten(given)
    std, mean = (found[f"channel_{name}"][:, None, None] for name in ("std", "mean"))
    np.testing.assert_allclose(
        found["X_val"] * std + mean, given["X_val"], rtol=1e-5, atol=1e-5
    )


def test_whitening_does_not_see_the_units_of_the_pixels():
    given = pictures()
    other = given | {
        part: 2 * given[part] + 64 for part in ("X_train", "X_val", "X_test")
    }
    found, same = data.whiten(given), data.whiten(other)
    for part in ("X_train", "X_val", "X_test"):
        np.testing.assert_allclose(found[part], same[part], rtol=0, atol=2e-2)
        np.testing.assert_allclose(found[part][:, :2], same[part][:, :2], atol=1e-4)


@pytest.mark.parametrize("value", [0, 0.1, 1 / 3, 255])
def test_a_channel_that_is_constant_becomes_0_and_is_divided_by_1(value):
    given = pictures(1000)
    given["X_train"][:, 1] = value
    found = data.whiten(given)
    assert found["channel_std"][1] == 1
    assert not found["X_train"][:, 1].any()
    np.testing.assert_array_equal(
        found["X_val"][:, 1], given["X_val"][:, 1] - np.float32(value)
    )


def test_the_sums_of_whitening_lose_no_digits():
    """Sums in float32 would stop to grow at 2**24."""
    X = np.ones((4, 1, 2048, 2048), np.float32)
    X[::2] = 3
    found = data.whiten({"X_train": X})
    assert found["channel_mean"].tolist() == [2]
    assert found["channel_std"].tolist() == [1]


def test_whitening_needs_memory_for_one_copy_of_the_images():
    given = {"X_train": np.ones((200, 3, 64, 64), np.float32)}
    tracemalloc.start()
    try:
        data.whiten(given)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 1.1 * given["X_train"].nbytes


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"X_train": np.ones((5, 3, 4))}, ValueError, r"`data\['X_train'\]` must have"),
        ({"X_train": np.ones((0, 3, 4, 5))}, ValueError, "with none of them 0"),
        ({"X_val": np.ones((2, 1, 4, 5))}, ValueError, r"`data\['X_val'\]` .* C = 3"),
        ({"X_test": ["a"]}, TypeError, r"`data\['X_test'\]` must be an array"),
    ],
)
def test_whitening_names_images_that_do_not_fit(changes, kind, message):
    with pytest.raises(kind, match=message):
        data.whiten(pictures() | changes)


def test_whitening_needs_a_dict_with_training_images():
    with pytest.raises(TypeError, match="`data` must be a dict"):
        data.whiten(np.ones((5, 3, 4, 5)))
    with pytest.raises(ValueError, match="`data` must have the key 'X_train'"):
        data.whiten({"X_val": np.ones((5, 3, 4, 5))})
