"""Checkpoints: what they hold, how they are written, and which are refused."""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from training_cases import blob_solver, blobs, jittered, trained_net

from nndl import _checkpoints, _solver_state
from nndl.schedules import one_cycle
from nndl.solver import Solver, load_checkpoint

TESTS = Path(__file__).parent


def save(path, net):
    """Write a checkpoint of a network alone."""
    _checkpoints.write(path, _solver_state.network_arrays(net), {})


# ---- going on ------------------------------------------------------------------------


class Stop(Exception):
    """Ends a training in the middle."""


def net_and_source(source):
    """Return a dropout net and a Solver's random numbers."""
    rng = {"a seed": 5, "NumPy's own": None, "MT19937": np.random.RandomState(5)}
    if source == "Philox":
        rng = {source: np.random.Generator(np.random.Philox(5))}
    if source == "NumPy's own":
        np.random.seed(5)
    net = trained_net(rng=rng[source], dropout_keep_ratio=0.7)
    return net, rng[source]


def everything(solver):
    params = {name: w.tobytes() for name, w in solver.model.params.items()}
    averages = [
        {key: bn_param[key].tobytes() for key in _solver_state.RUNNING}
        for bn_param in solver.model.bn_params
    ]
    histories = solver.loss_history, solver.train_acc_history, solver.val_acc_history
    return params, averages, histories, solver.best_val_acc, solver.epoch


@pytest.mark.parametrize("source", ["a seed", "NumPy's own", "MT19937", "Philox"])
@pytest.mark.parametrize(
    "rule", ["sgd", "sgd_momentum", "sgd_nesterov_momentum", "rmsprop", "adam", "adamw"]
)
def test_a_resumed_run_equals_one_that_was_never_interrupted(rule, source, tmp_path):
    def make():
        net, rng = net_and_source(source)
        return blob_solver(
            net,
            update_rule=rule,
            optim_config={"learning_rate": 1e-2},
            lr_decay=0.5,
            num_train_samples=20,
            num_epochs=4,
            rng=rng,
            checkpoint_name=tmp_path / "run",
            checkpoint_every=2,
        )

    whole = make()
    whole.train()
    for last in (3, 8, 11):
        broken = make()
        step = broken._step

        def stop(bar, broken=broken, step=step, last=last):
            if broken.iteration == last:
                raise Stop
            step(bar)

        broken._step = stop
        with pytest.raises(Stop):
            broken.train()
        resumed = make()
        resumed.resume()
        assert resumed.iteration == last - last % 2
        resumed.train()
        assert everything(resumed) == everything(whole)


def test_a_run_with_schedule_augmentation_and_averages_is_resumed(tmp_path):
    def make():
        return blob_solver(
            trained_net(),
            update_rule="adamw",
            optim_config={"learning_rate": 1e-2, "weight_decay": 0.1},
            schedule=functools.partial(one_cycle, rise=0.4),
            augment=jittered,
            averaging=0.8,
            num_epochs=4,
            checkpoint_name=tmp_path / "run",
            checkpoint_every=2,
        )

    whole = make()
    whole.train()
    broken = make()
    broken.after_epoch = stop_after_two
    with pytest.raises(Stop):
        broken.train()
    resumed = make()
    resumed.resume()
    assert 0 < resumed.iteration < whole.iteration
    resumed.train()
    assert everything(resumed) == everything(whole)
    for name, array in whole._average.arrays.items():
        assert resumed._average.arrays[name].tobytes() == array.tobytes()


def stop_after_two(solver):
    if solver.epoch == 2:
        raise Stop


def test_a_checkpoint_of_averages_gives_the_net_that_was_judged(tmp_path):
    solver = blob_solver(
        trained_net(),
        averaging=0.9,
        checkpoint_name=tmp_path / "run",
        checkpoint_every=1,
        num_epochs=2,
    )
    solver.train()
    net = trained_net(rng=7)
    load_checkpoint(tmp_path / "run_best.npz", net)
    for name, w in solver.best_params.items():
        np.testing.assert_allclose(net.params[name], w, rtol=1e-6)
    running = net.bn_params[0]["running_mean"]
    np.testing.assert_allclose(
        running, solver.model.bn_params[0]["running_mean"], rtol=1e-6
    )


@pytest.mark.parametrize("change", ["keep", "iteration", "missing", "shape"])
def test_averages_that_make_no_sense_are_refused(change, tmp_path):
    options = {"averaging": 0.9, "checkpoint_every": 2}
    blob_solver(trained_net(), checkpoint_name=tmp_path / "run", **options).train()
    file = tmp_path / "run_last.npz"
    arrays, facts = _checkpoints.read(file)
    if change == "keep":
        facts["made with"]["averaging"] = "much"
    elif change == "iteration":
        facts["progress"]["iteration"] = 0
    elif change == "missing":
        del arrays["average.params.W1"]
    else:
        arrays["average.params.W1"] = np.zeros((2, 2), np.float32)
    _checkpoints.write(file, arrays, facts)
    net = trained_net(rng=7)
    before = {name: w.copy() for name, w in net.params.items()}
    if change in ("keep", "iteration"):
        with pytest.raises(ValueError, match="makes no sense"):
            load_checkpoint(file, net)
    other = blob_solver(net, checkpoint_name=tmp_path / "other", **options)
    if change in ("keep", "missing", "shape"):
        with pytest.raises(ValueError, match=r"makes no sense|was made with averaging"):
            other.resume(file)
    for name, w in net.params.items():
        np.testing.assert_array_equal(w, before[name])


def test_a_process_may_be_killed_at_any_moment(tmp_path):
    command = [sys.executable, TESTS / "kill_and_resume.py", tmp_path, "7", "50"]
    environment = os.environ | {"NNDL_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["killed"] == 50
    assert counts["inside"] >= 3  # while a file was being written
    assert counts["same"]
    assert counts["leftovers"] == 0


def test_the_last_and_the_best_are_kept(tmp_path):
    solver = blob_solver(
        trained_net(),
        checkpoint_name=tmp_path / "run",
        checkpoint_every=4,
        num_epochs=5,
    )
    solver.train()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "run_best.npz",
        "run_last.npz",
    ]
    best = trained_net(rng=9)
    load_checkpoint(tmp_path / "run_best.npz", best)
    X = blobs()["X_val"]
    np.testing.assert_array_equal(best.loss(X), solver.model.loss(X))
    _, facts = _checkpoints.read(tmp_path / "run_last.npz")
    assert facts["progress"]["iteration"] == 15


def test_a_run_that_was_finished_is_not_lengthened_by_resuming_it(tmp_path):
    first = blob_solver(
        trained_net(), checkpoint_name=tmp_path / "run", checkpoint_every=4
    )
    first.train()
    again = blob_solver(
        trained_net(), checkpoint_name=tmp_path / "run", checkpoint_every=4
    )
    again.resume(tmp_path / "run")  # the name stands for its last checkpoint
    again.train()
    assert everything(again) == everything(first)
    again.train()
    assert again.epoch == 2 * first.epoch


def test_a_readers_own_rule_and_network_are_resumed(tmp_path):
    class Linear:
        def __init__(self):
            self.params = {"W": np.zeros((4, 3))}
            self.rng = np.random.default_rng(4)

        def loss(self, X, y=None):
            scores = X @ self.params["W"]
            if y is None:
                return scores
            noise = self.rng.standard_normal((4, 3))
            return float(np.sum(scores**2)) + 1, {"W": noise}

    def decaying(w, dw, config):
        config["age"] = config.get("age", 0) + 1
        config["mean"] = 0.5 * config.get("mean", np.float32(0)) + np.float32(0.5)
        return w - dw / config["age"] * config["mean"], config

    def make():
        return blob_solver(
            Linear(),
            update_rule=decaying,
            optim_config={},
            checkpoint_name=tmp_path / "own",
            checkpoint_every=3,
        )

    whole = make()
    whole.train()
    resumed = make()
    resumed.resume()
    assert resumed.optim_configs["W"]["age"] == whole.iteration
    resumed.train()
    np.testing.assert_array_equal(resumed.model.params["W"], whole.model.params["W"])
    assert resumed.loss_history == whole.loss_history


def test_what_cannot_be_kept_is_refused_by_name(tmp_path):
    def rule(w, dw, config):
        config["history"] = [1, 2]
        return w, config

    solver = blob_solver(
        update_rule=rule,
        optim_config={},
        checkpoint_name=tmp_path / "run",
        checkpoint_every=1,
    )
    with pytest.raises(TypeError, match=r"optim_configs\['W1'\]\['history'\]"):
        solver.train()
    assert list(tmp_path.iterdir()) == []


# ---- the network alone ---------------------------------------------------------------


def test_a_checkpoint_is_written_after_each_epoch(tmp_path):
    blob_solver(
        trained_net(), checkpoint_name=tmp_path / "deep" / "net", num_epochs=3
    ).train()
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == [
        f"net_epoch_{epoch}.npz" for epoch in (1, 2, 3)
    ]


def test_no_checkpoint_is_written_without_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blob_solver(trained_net()).train()
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_the_best_epoch_gives_the_restored_net(tmp_path):
    saved = trained_net()
    solver = blob_solver(saved, checkpoint_name=str(tmp_path / "net"), num_epochs=5)
    solver.train()
    best = int(np.argmax(solver.val_acc_history))
    assert (
        best > 0
    )  # 0 would be the net after the first iteration, of which there is no file
    other = trained_net(rng=9)
    X = blobs()["X_val"]
    assert (other.loss(X) != saved.loss(X)).any()
    load_checkpoint(tmp_path / f"net_epoch_{best}.npz", other)
    np.testing.assert_array_equal(other.loss(X), saved.loss(X))
    assert {w.dtype for w in other.params.values()} == {np.dtype(np.float32)}


def test_a_checkpoint_brings_the_running_averages_back(tmp_path):
    saved = trained_net()
    save(tmp_path / "net.npz", _after_some_batches(saved))
    other = trained_net(rng=9)
    load_checkpoint(tmp_path / "net.npz", other)
    for key in ("running_mean", "running_var"):
        np.testing.assert_array_equal(other.bn_params[0][key], saved.bn_params[0][key])
    X = blobs()["X_val"]
    np.testing.assert_array_equal(other.loss(X), saved.loss(X))


def test_a_checkpoint_fits_a_net_that_begins_without_running_averages(tmp_path):
    saved, fresh = trained_net(), trained_net(rng=9)
    for net in (saved, fresh):
        net.bn_params = [{"mode": "train"}]
    save(tmp_path / "new.npz", saved)
    save(tmp_path / "net.npz", _after_some_batches(saved))
    load_checkpoint(tmp_path / "new.npz", fresh)
    assert not fresh.bn_params[0]["running_var"].any()
    load_checkpoint(tmp_path / "net.npz", fresh)
    X = blobs()["X_val"]
    np.testing.assert_array_equal(fresh.loss(X), saved.loss(X))


def _after_some_batches(net):
    data = blobs()
    for _ in range(3):
        net.loss(data["X_train"], data["y_train"])
    return net


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_dims": [9]},
        {"hidden_dims": [8, 8]},
        {"normalization": None},
        {"normalization": "layernorm"},
    ],
    ids=str,
)
# Layer normalization has the same names and shapes as batch normalization, but no running averages.
def test_a_checkpoint_of_another_net_is_refused_and_changes_nothing(
    options, tmp_path, frozen
):
    blob_solver(trained_net(), checkpoint_name=tmp_path / "net", num_epochs=1).train()
    other = trained_net(**options)
    before = frozen([other.params, other.bn_params])
    with pytest.raises(ValueError, match=r"net_epoch_1\.npz does not fit"):
        load_checkpoint(tmp_path / "net_epoch_1.npz", other)
    assert frozen([other.params, other.bn_params]) == before


def test_a_checkpoint_that_is_not_there_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "nothing.npz", trained_net())


def test_a_checkpoint_may_be_read_by_whom_the_umask_allows(tmp_path):
    blob_solver(trained_net(), checkpoint_name=tmp_path / "net", num_epochs=1).train()
    (tmp_path / "other").write_bytes(b"")
    assert (tmp_path / "net_epoch_1.npz").stat().st_mode == (
        tmp_path / "other"
    ).stat().st_mode


def test_a_checkpoint_without_all_running_averages_is_refused(tmp_path, frozen):
    arrays = _solver_state.network_arrays(_after_some_batches(trained_net()))
    del arrays["bn_params.0.running_var"]
    _checkpoints.write(tmp_path / "net.npz", arrays, {})
    other = trained_net(rng=9)
    before = frozen([other.params, other.bn_params])
    with pytest.raises(ValueError, match=r"net\.npz does not fit"):
        load_checkpoint(tmp_path / "net.npz", other)
    assert frozen([other.params, other.bn_params]) == before


# ---- what does not fit ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 15}, "batch_size 20, but this Solver has 15"),
        ({"lr_decay": 0.9}, "lr_decay 1.0, but this Solver has 0.9"),
        (
            {"update_rule": "adam"},
            "update rule sgd_fast, but this Solver has adam_fast",
        ),
        ({"averaging": 0.9}, "averaging None, but this Solver has 0.9"),
        ({"augment": jittered}, "augment None, but this Solver has jittered"),
        (
            {"schedule": functools.partial(one_cycle, rise=0.4)},
            r"schedule None, but this Solver has one_cycle\(rise=0.4\)",
        ),
        ({"num_train_samples": 5}, "num_train_samples 1000, but this Solver has 5"),
        ({"rng": np.random.RandomState(0)}, "other kinds of random generators"),
        ({"model": trained_net(hidden_dims=[9])}, "does not fit the network"),
        ({"model": trained_net(normalization=None)}, "does not fit the network"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_solver_that_was_made_otherwise_is_left_as_it_is(options, said, tmp_path):
    blob_solver(
        trained_net(), checkpoint_name=tmp_path / "run", checkpoint_every=2
    ).train()
    other = blob_solver(**({"model": trained_net()} | options))
    before = {name: w.copy() for name, w in other.model.params.items()}
    with pytest.raises(ValueError, match=said):
        other.resume(tmp_path / "run_last.npz")
    for name, w in other.model.params.items():
        np.testing.assert_array_equal(w, before[name])
    assert other.iteration == 0
    assert other.loss_history == []


def test_other_data_are_refused(tmp_path):
    blob_solver(
        trained_net(), checkpoint_name=tmp_path / "run", checkpoint_every=2
    ).train()
    data = blobs()
    data["y_train"] = data["y_train"][::-1].copy()
    options = {"batch_size": 20, "verbose": False, "rng": 2}
    other = Solver(trained_net(), data, **options)
    with pytest.raises(ValueError, match="training data of shape"):
        other.resume(tmp_path / "run_last.npz")


def test_there_must_be_something_to_resume(tmp_path):
    solver = blob_solver(checkpoint_name=tmp_path / "run", checkpoint_every=2)
    with pytest.raises(FileNotFoundError):
        solver.resume()
    with pytest.raises(FileNotFoundError):
        solver.resume(tmp_path / "nothing.npz")
    with pytest.raises(ValueError, match="`path` must be given"):
        blob_solver().resume()
    save(tmp_path / "net.npz", trained_net())
    with pytest.raises(ValueError, match="no training to go on with"):
        blob_solver(trained_net()).resume(tmp_path / "net.npz")


@pytest.mark.parametrize("every", [0, -1, 2.5, "3", True])
def test_checkpoint_every_must_be_a_number_of_iterations(every, tmp_path):
    with pytest.raises((ValueError, TypeError), match="`checkpoint_every` must be"):
        blob_solver(checkpoint_name=tmp_path / "run", checkpoint_every=every)


def test_checkpoint_every_needs_a_name():
    with pytest.raises(ValueError, match="`checkpoint_every` needs"):
        blob_solver(checkpoint_every=3)


# ---- files that are refused ----------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path):
    """Return a good checkpoint, which each test spoils in its way."""
    solver = blob_solver(
        trained_net(), checkpoint_name=tmp_path / "run", checkpoint_every=5
    )
    solver.train()
    return tmp_path / "run_last.npz"


def refusal(path):
    """Return the sentence with which a file is refused, by both who read it."""
    sentences = set()
    net = trained_net(rng=9)
    solver = blob_solver(net)
    before = {name: w.copy() for name, w in net.params.items()}
    for read in (lambda: load_checkpoint(path, net), lambda: solver.resume(path)):
        with pytest.raises(ValueError, match=path.name) as error:
            read()
        sentences.add(str(error.value))
    for name, w in net.params.items():
        np.testing.assert_array_equal(w, before[name])
    (sentence,) = sentences
    return sentence


def test_a_file_that_is_cut_off_is_refused_wherever_the_cut_is(checkpoint):
    whole = checkpoint.read_bytes()
    for length in np.linspace(4, len(whole) - 1, 60, dtype=int):
        checkpoint.write_bytes(whole[:length])
        assert "its end is missing" in refusal(checkpoint), length


def test_one_bit_flipped_anywhere_is_found(checkpoint):
    whole = checkpoint.read_bytes()
    for place in np.linspace(0, len(whole) - 1, 200, dtype=int):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << (place % 8)
        checkpoint.write_bytes(spoilt)
        said = refusal(checkpoint)
        assert "damaged" in said or "no .npz" in said or "end is missing" in said


def test_another_kind_of_file_is_called_that(checkpoint):
    np.savez(checkpoint, W1=np.ones(3))
    assert "another kind of file" in refusal(checkpoint)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind"])
def test_what_is_no_npz_is_called_that(content, checkpoint):
    checkpoint.write_bytes(content)
    assert "is no .npz file" in refusal(checkpoint)


def test_a_newer_format_is_called_newer(checkpoint, monkeypatch):
    monkeypatch.setattr(_checkpoints, "VERSION", 2)
    save(checkpoint, trained_net())
    monkeypatch.undo()
    assert "format 2" in refusal(checkpoint)
    assert "written by a newer one" in refusal(checkpoint)


class Trap:
    """Says so if it is ever unpickled."""

    sprung = False

    def __reduce__(self):
        return _spring, ()


def _spring():
    Trap.sprung = True


def test_no_pickle_is_ever_opened(checkpoint):
    """Neither in an ordinary file nor in one that carries our own marks."""
    np.savez(checkpoint, **{"params.W1": np.array([Trap()], dtype=object)})
    assert "another kind of file" in refusal(checkpoint)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("checkpoint.json", json.dumps({"nndl checkpoint": 1}))
        with archive.open("params.W1.npy", "w") as member:
            np.lib.format.write_array(member, np.array([Trap()], dtype=object))
        archive.comment = b"sha256:" + b"0" * 64
    checkpoint.write_bytes(_checkpoints.signed(content.getvalue()))
    assert "is damaged" in refusal(checkpoint)
    assert not Trap.sprung


def test_the_code_that_reads_and_writes_knows_no_pickle():
    for module in (_checkpoints, _solver_state):
        source = Path(module.__file__).read_text(encoding="utf-8")
        assert "import pickle" not in source
        assert "allow_pickle=True" not in source


def test_numpy_can_read_the_arrays(checkpoint):
    with np.load(checkpoint, allow_pickle=False) as file:
        assert file["params.W1"].shape == (4, 8)
        assert file["loss_history"].shape == (9,)


# ---- writing -------------------------------------------------------------------------


def test_the_same_training_writes_the_same_bytes_at_any_time(tmp_path, monkeypatch):
    contents = []
    for clock in (1e9, 1.5e9):
        monkeypatch.setattr("time.time", lambda clock=clock: clock)
        path = tmp_path / str(clock)
        blob_solver(trained_net(), checkpoint_name=path, num_epochs=1).train()
        contents.append(path.with_name(f"{path.name}_epoch_1.npz").read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("broken", ["os.fsync", "os.replace"])
@pytest.mark.parametrize(
    "error", [OSError(28, "disk full"), KeyboardInterrupt()], ids=repr
)
def test_no_part_of_a_file_is_left_when_saving_fails(
    broken, error, tmp_path, monkeypatch
):
    solver = blob_solver(
        trained_net(), checkpoint_name=tmp_path / "net", checkpoint_every=1
    )
    (tmp_path / "net_last.npz").write_bytes(b"of an earlier run")

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(broken, fail)
    with pytest.raises(type(error)):
        solver.train()
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["net_last.npz"]
    assert (tmp_path / "net_last.npz").read_bytes() == b"of an earlier run"
    assert solver.iteration == len(solver.loss_history) == 1


FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import kill_and_resume
from nndl import _checkpoints
solver = kill_and_resume.make_solver(Path(sys.argv[1]))
solver.num_epochs = 1
solver.train()
good = Path(sys.argv[1], "run_last.npz").read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (len(good) // 2, resource.RLIM_INFINITY))
try:
    solver.train()
except OSError as error:
    print(error)
assert Path(sys.argv[1], "run_last.npz").read_bytes() == good
_checkpoints.read(Path(sys.argv[1], "run_last.npz"))
assert [p.name for p in Path(sys.argv[1]).glob(".*")] == []
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
solver.train()
assert Path(sys.argv[1], "run_last.npz").read_bytes() != good
"""


def test_a_full_disk_is_an_error_and_the_last_checkpoint_stays_good(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, tmp_path, TESTS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "The checkpoint could not be written" in done.stdout
    assert "still whole" in done.stdout
    assert "run_last.npz" in done.stdout
