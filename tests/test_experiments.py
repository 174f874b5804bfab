"""Experiments in a file: reading, training, going on, looking at what was learned."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nndl import _checkpoints, augmentation, cli, evaluation, schedules
from nndl.experiments import evaluate, parse, read
from nndl.solver import Solver

TEXT = """\
# A small one.
[data]
name = "shapes"
training = 400
validation = 100

[network]
spec = "conv 4 - bn - relu - pool 4x4 stride 4 - affine 10 - relu"
reg = 1e-3
label_smoothing = 0.1

[optimizer]
rule = "sgd_nesterov_momentum"
learning_rate = 0.05
momentum = 0.8

[schedule]
name = "one_cycle"
rise = 0.3

[augmentation]
flip = true
crop = 2

[training]
epochs = 3
batch_size = 50
averaging = 0.9
seed = 4

[evaluation]
mirrored = true
"""

pytestmark = pytest.mark.usefixtures("one_thread", "figures")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NNDL_DATASET", raising=False)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(TEXT)
    return path


def refusal(config, old, new):
    """Return how a file is refused in which something stands in another's place."""
    assert old in TEXT
    config.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"^small\.toml") as info:
        read(config)
    return str(info.value)


# ---- reading -------------------------------------------------------------------------


def test_a_file_becomes_what_it_says(config):
    experiment = read(config)
    assert experiment.name == "small"
    net = experiment.network()
    assert [layer.kind for layer in net.layers][:4] == ["conv", "bn", "relu", "pool"]
    assert (net.reg, net.label_smoothing) == (1e-3, 0.1)
    solver = experiment._solver(experiment.load_data())
    assert solver.optim_config == {"learning_rate": 0.05, "momentum": 0.8}
    assert (solver.batch_size, solver.num_epochs, solver.averaging) == (50, 3, 0.9)
    for s in (0.0, 0.2, 0.3, 0.9):
        assert solver.schedule(s) == schedules.one_cycle(s, 0.3)


def test_what_is_left_out_is_filled_in():
    tables = parse(
        {
            "data": {"name": "shapes"},
            "network": {"spec": "affine 5"},
            "optimizer": {"learning_rate": 1},
            "training": {"epochs": 2},
        }
    ).tables
    assert tables["optimizer"] == {
        "rule": "adam", "learning_rate": 1.0, "beta1": 0.9, "beta2": 0.999,
        "epsilon": 1e-8,
    }  # fmt: skip
    assert tables["data"] == {"name": "shapes", "whiten": True}
    assert "schedule" not in tables


def test_every_schedule_and_rule_may_be_named(config):
    for name in schedules.__all__:
        text = TEXT.replace('"one_cycle"\nrise = 0.3', f'"{name}"')
        config.write_text(text)
        assert read(config).schedule(0.0) == getattr(schedules, name)(0.0)
    config.write_text(TEXT.replace('"one_cycle"\nrise', '"step"\ndrops = [0.5]\n#'))
    assert read(config).schedule(0.6) == pytest.approx(0.1)


def test_images_are_whitened_or_have_their_mean_taken_away(config):
    images = read(config).load_data()["X_train"]
    np.testing.assert_allclose(images.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(images.std(axis=(0, 2, 3)), 1, atol=1e-4)
    config.write_text(TEXT.replace("training = 400", "training = 400\nwhiten = false"))
    images = read(config).load_data()["X_train"]
    np.testing.assert_allclose(images.mean(axis=0), 0, atol=1e-2)
    assert images.max() > 50


def test_augmentation_does_what_the_table_says(config):
    augment = read(config).augment
    X = np.random.default_rng(0).standard_normal((20, 3, 32, 32))
    rng, same = np.random.default_rng(1), np.random.default_rng(1)
    expected = augmentation.crop(augmentation.flip(X, same), same, 2)
    np.testing.assert_array_equal(augment(X, rng), expected)
    config.write_text(TEXT.replace("flip = true\ncrop = 2", "flip = false"))
    assert read(config).augment is None


@pytest.mark.parametrize(
    ("old", "new", "shown", "said"),
    [
        ("learning_rate", "learning_rat", None, "did you mean `learning_rate`?"),
        ("[optimizer]", "[optimiser]", None, "did you mean `optimizer`?"),
        ("[training]", "[nonsense]", None, "there is no [nonsense]; there are `data`"),
        ("momentum = 0.8", "beta1 = 0.8", None, "[optimizer] has no entry `beta1`"),
        (
            "momentum = 0.8",
            "momentum = 1",
            None,
            "`optimizer.momentum` must be at least",
        ),
        ("rise = 0.3", "final = 2", None, "`final` must be at least 0 and at most 1"),
        (
            "learning_rate = 0.05",
            "",
            "[optimizer]",
            "must have an entry `learning_rate`",
        ),
        ('name = "shapes"', 'name = "mnist"', None, "`data.name` must be 'shapes' or"),
        (
            "training = 400",
            'training = "all"',
            None,
            "must be an integer, but is 'all'",
        ),
        ("epochs = 3", "epochs = 0", None, "`training.epochs` must be at least 1"),
        ("flip = true", "flip = 1", None, "must be true or false, but is 1"),
        ("conv 4", "konv 4", None, "'konv 4' as layer 1: a layer must be one of"),
        ("reg = 1e-3", "reg = -1", None, "`network.reg` must be at least 0"),
        ("averaging = 0.9", "averaging = 1.0", None, "must be at least 0 and below 1"),
        ("seed = 4", "lr_decay = 0.9", None, "must be 1 where there is a [schedule]"),
        ("epochs = 3", "epochs = = 3", None, "Invalid value"),
        ("epochs = 3", "seed = 5", "seed = 4", "Cannot overwrite"),
        ('"one_cycle"', '"two_cycles"', None, "`schedule.name` must be"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(config, old, new, shown, said):
    message = refusal(config, old, new)
    lines = config.read_text().splitlines()
    line = next(i for i, text in enumerate(lines, start=1) if (shown or new) in text)
    assert message.startswith(f"small.toml, line {line}, {lines[line - 1]!r}: ")
    assert said in message


def test_a_missing_table_is_named(config):
    message = refusal(config, "[data]", "[evaluation.x]\n[data2]")
    assert re.match(r"small\.toml.*: ", message)
    with pytest.raises(ValueError, match=r"the table \[data\] is missing"):
        parse({"network": {"spec": ""}, "optimizer": {"learning_rate": 1.0}})


def test_what_is_no_text_is_refused(config):
    config.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"small\.toml is no text in UTF-8"):
        read(config)


def test_a_table_must_be_a_table(config):
    config.write_text("data = 3\n")
    with pytest.raises(ValueError, match=r"small\.toml.*`data` must be a table"):
        read(config)


# ---- training ------------------------------------------------------------------------


def test_a_run_learns_and_says_what_it_did(config):
    run = read(config).run(quiet=True, epochs=8)
    assert run.seed == 4
    assert len(run.epochs) == 8
    assert run.best_val_acc == max(entry["val_acc"] for entry in run.epochs)
    assert [entry["epoch"] for entry in run.epochs] == [*range(1, 9)]
    seconds = [entry["seconds"] for entry in run.epochs]
    assert 0 < seconds[0] <= seconds[-1] <= run.seconds
    assert run.epochs[-1]["loss"] < run.epochs[0]["loss"]
    assert run.epochs[-1]["learning_rate"] < 0.05 * 0.2
    assert run.test is None


def test_the_final_look_is_that_of_the_best_net(config):
    run = read(config).run(quiet=True, test=True)
    for part, look in (("val", run.validation), ("test", run.test)):
        X, y = run.data[f"X_{part}"], run.data[f"y_{part}"]
        scores = evaluation.predict_scores(run.solver.model, X, mirrored=True)
        assert look.accuracy == np.mean(scores.argmax(axis=1) == y)
        assert look.accuracy == np.trace(look.confusion) / look.confusion.sum()
        assert (scores.argmax(axis=1)[look.mistakes] != y[look.mistakes]).all()
    assert run.test.confusion.sum() == 1000


def test_a_seed_decides_everything(config):
    runs = [read(config).run(quiet=True, seed=seed, epochs=1) for seed in (1, 1, 2)]
    losses = [run.solver.loss_history for run in runs]
    assert losses[0] == losses[1] != losses[2]


class Stop(Exception):
    """Ends a training in the middle."""


def cut_off(experiment, folder, step, monkeypatch):
    """Train up to a step."""
    take = Solver._step

    def stop(solver, bar):
        if solver.iteration == step:
            raise Stop
        take(solver, bar)

    with monkeypatch.context() as patch:
        patch.setattr(Solver, "_step", stop)
        with pytest.raises(Stop):
            experiment.run(quiet=True, folder=folder, checkpoint_every=5)


def without_seconds(entries):
    return [
        {key: v for key, v in entry.items() if key != "seconds"} for entry in entries
    ]


@pytest.mark.parametrize("step", [6, 16, 19])  # of 24, 8 in an epoch
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(
    config, tmp_path, step, monkeypatch
):
    experiment = read(config)
    whole = experiment.run(quiet=True, folder=tmp_path / "whole")
    folder = tmp_path / "broken"
    cut_off(experiment, folder, step, monkeypatch)
    resumed = experiment.run(quiet=True, folder=folder, resume=True)
    assert resumed.solver.loss_history == whole.solver.loss_history
    assert without_seconds(resumed.epochs) == without_seconds(whole.epochs)
    for name, w in whole.solver.model.params.items():
        assert resumed.solver.model.params[name].tobytes() == w.tobytes()
    lines = (folder / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == resumed.epochs
    seconds = [entry["seconds"] for entry in resumed.epochs]
    assert seconds == sorted(seconds)


def test_a_training_is_never_overwritten_by_another(config, tmp_path):
    experiment = read(config)
    with pytest.raises(FileNotFoundError, match="no training to go on with"):
        experiment.run(quiet=True, folder=tmp_path / "run", resume=True)
    experiment.run(quiet=True, epochs=1, folder=tmp_path / "run")
    before = (tmp_path / "run" / "log.jsonl").read_bytes()
    with pytest.raises(FileExistsError, match="There is a training in"):
        experiment.run(quiet=True, folder=tmp_path / "run")
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == before
    other = parse(
        experiment.tables | {"data": experiment.tables["data"] | {"training": 350}}
    )
    with pytest.raises(ValueError, match="was made with training data"):
        other.run(quiet=True, folder=tmp_path / "run", resume=True)


def test_a_log_that_does_not_fit_its_checkpoint_is_refused(config, tmp_path):
    experiment = read(config)
    experiment.run(quiet=True, folder=tmp_path / "run")
    (tmp_path / "run" / "log.jsonl").write_text('{"epoch": 7}\n')
    with pytest.raises(ValueError, match=r"log\.jsonl is damaged"):
        experiment.run(quiet=True, folder=tmp_path / "run", resume=True)


# ---- looking -------------------------------------------------------------------------


def test_a_checkpoint_says_what_it_is_of_and_is_judged_alike(config, tmp_path):
    run = read(config).run(quiet=True, folder=tmp_path / "run", test=True)
    best = tmp_path / "run" / "checkpoint_best.npz"
    for part, look in (("val", run.validation), ("test", run.test)):
        again, experiment, loaded = evaluate(best, part)
        np.testing.assert_array_equal(again.confusion, look.confusion)
        assert experiment == run.experiment
        assert len(loaded["X_test"]) == (1000 if part == "test" else 1)
    plain, *_ = evaluate(best, mirrored=False)
    X = run.data["X_val"]
    expected = run.solver.model.loss(X).argmax(axis=1)
    np.testing.assert_array_equal(plain.predicted, expected)


def test_the_confusions_are_a_table_that_adds_up(config):
    run = read(config).run(quiet=True, epochs=1)
    first, _, header, *rows = str(run.validation).splitlines()
    assert f"{run.validation.accuracy:.2%} of 100 images" in first
    assert len(header.split()) == len(rows) == 10
    counts = [[int(n) for n in row.replace(".", "0").split()[1:]] for row in rows]
    np.testing.assert_array_equal(counts, run.validation.confusion)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    _checkpoints.write(tmp_path / "net.npz", {"params.W1": np.zeros(2)}, {})
    with pytest.raises(ValueError, match="does not say of which experiment"):
        evaluate(tmp_path / "net.npz")


# ---- the commands --------------------------------------------------------------------


def test_the_command_trains_draws_and_records(config, tmp_path, capsys):
    out, results = tmp_path / "out", tmp_path / "results.json"
    arguments = ["train", str(config), "--out", str(out), "--plot", "--test"]
    assert cli.main([*arguments, "--record", str(results)]) == 0
    printed = capsys.readouterr().out
    assert "small, seed 4: 3 epochs in" in printed
    assert "validation accuracy" in printed
    assert "test accuracy" in printed
    for file in ("mistakes.png", "training.png"):
        assert (out / file).read_bytes().startswith(b"\x89PNG")
    recorded = json.loads(results.read_text())
    (run,) = recorded["runs"]
    assert recorded["settings"] == json.loads(json.dumps(read(config).tables))
    assert (run["framework"], run["seed"]) == ("nndl", 4)
    confusion = np.array(run["test"]["confusion"])
    assert confusion.sum() == run["test"]["images"] == 1000
    assert np.trace(confusion) / 1000 == run["test"]["accuracy"]
    lines = (out / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == run["epochs"]
    assert run["data"]["origin"] == "drawn by nndl.data"
    assert run["peak_memory_mb"] > 50
    assert cli.main(["evaluate", str(out / "checkpoint_best.npz"), "--test"]) == 0
    printed = capsys.readouterr().out
    assert f"test accuracy {run['test']['accuracy']:.2%}" in printed


def test_records_are_kept_by_seed_and_never_mixed_with_other_settings(
    config, tmp_path, capsys
):
    results = tmp_path / "results.json"
    for seed in ("2", "0", "2"):
        out = str(tmp_path / f"out{time.monotonic_ns()}")
        arguments = ["train", str(config), "--out", out, "--seed", seed, "--quiet"]
        assert cli.main([*arguments, "--record", str(results)]) == 0
    recorded = json.loads(results.read_text())
    assert [run["seed"] for run in recorded["runs"]] == [0, 2]
    before = results.read_bytes()
    config.write_text(TEXT.replace("epochs = 3", "epochs = 2"))
    arguments = ["train", str(config), "--out", "other", "--record", str(results)]
    assert cli.main(arguments) == 1
    assert "holds the results of other settings" in capsys.readouterr().err
    assert results.read_bytes() == before
    assert not Path("other").exists()  # it was refused before the training


def test_mistakes_may_be_drawn_of_a_checkpoint(config, tmp_path, capsys):
    read(config).run(quiet=True, epochs=1, folder=tmp_path / "run")
    best = str(tmp_path / "run" / "checkpoint_best.npz")
    picture = tmp_path / "pictures" / "wrong.png"
    assert cli.main(["evaluate", best, "--mistakes", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "nothing.toml"], "No such file"),
        (["train", "small.toml", "--resume"], "There is no training to go on with"),
        (["train", "small.toml", "--seed", "-1"], "`seed` must be at least 0"),
        (["evaluate", "small.toml"], "is not a checkpoint"),
        (["train", "small.toml", "--record", "small.toml"], "holds no results"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(config, arguments, said, capsys):
    assert cli.main(arguments) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_was_ended_goes_on(config, tmp_path, how):
    config.write_text(TEXT.replace("epochs = 3", "epochs = 60"))
    program = "import sys; from nndl.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "train", str(config), "--quiet"]
    command += ["--out", "run"]
    environment = os.environ | {"NNDL_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    log = tmp_path / "run" / "log.jsonl"
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") > 3):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 1
        assert err == "nndl: run can be gone on with: --resume\nnndl: interrupted\n"
    done = subprocess.run(
        [*command, "--resume"], cwd=tmp_path, env=environment, text=True,
        capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["epoch"] for entry in entries] == [*range(1, 61)]
    whole = read(config).run(quiet=True)
    assert without_seconds(entries) == without_seconds(whole.epochs)
