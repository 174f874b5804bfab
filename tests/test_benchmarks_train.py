"""Experiments trained by PyTorch: that it trains the same network in the same way, and
what is written down."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from nndl.benchmarks import train
from nndl.benchmarks.timing import Effort
from nndl.cnn import ConvNet
from nndl.experiments import Experiment, _record, parse, read
from nndl.solver import Solver

BATCH, IMAGES = 40, 130  # three iterations in an epoch, and ten images left over

CONVOLUTIONS = (
    "conv 4 - bn - relu - pool - skip [conv 4 - bn - relu - skip [relu]] - relu"
    " - conv 6 3x3 stride 2 pad 1 - relu - gap"
)
AFFINE = (
    "conv 4 5x3 stride 2 pad 1 - gn 2 - relu - pool 3x3 stride 2 - affine 12 - ln - relu"
    " - affine 8 - bn - relu"
)

#: What an experiment has besides a network: rules whose velocity holds the learning rate
#: are PyTorch's only while that is constant. A large epsilon keeps rounding errors, where
#: a gradient is 0, from being blown up to a whole step.
CASES = {
    "sgd": {"network": {"reg": 0.1}, "training": {"lr_decay": 0.5}},
    "sgd_momentum": {"network": {"reg": 0.1}},
    "sgd_nesterov_momentum": {"network": {"reg": 0.1}},
    "rmsprop": {
        "optimizer": {"epsilon": 1e-3, "learning_rate": 0.002},
        "network": {"reg": 0.1},
    },
    "adam": {
        "optimizer": {"epsilon": 1e-3, "beta1": 0.8},
        "network": {"reg": 0.1},
        "schedule": {"name": "one_cycle", "start": 0.1},
        "augmentation": {"flip": True},
    },
    "adamw": {
        "optimizer": {"epsilon": 1e-3, "weight_decay": 2.0},
        "network": {"label_smoothing": 0.2},
        "schedule": {"name": "step", "drops": [0.5]},
        "augmentation": {"flip": True, "crop": 4},
        "training": {"averaging": 0.6},
        "evaluation": {"mirrored": True},
    },
}


def tables(rule="sgd", spec=CONVOLUTIONS):
    """Return the tables of a small experiment."""
    made = {
        "data": {"name": "shapes", "training": IMAGES, "validation": 110},
        "network": {"spec": spec},
        "optimizer": {"rule": rule, "learning_rate": 0.02},
        "training": {"epochs": 2, "batch_size": BATCH},
    }
    for table, entries in CASES[rule].items():
        made[table] = made.get(table, {}) | entries
    return made


def in_float64(experiment):
    """Return an experiment whose network is in float64, where rounding errors stay too
    small to be taken for anything else; a file cannot ask for this."""
    network = experiment.tables["network"] | {"dtype": "float64"}
    return Experiment(experiment.name, experiment.tables | {"network": network})


def running(net):
    """Return the running averages of a network of ours, its variances made unbiased."""
    arrays = []
    for layer in net.layers:
        if layer.kind == "bn":
            n = BATCH * math.prod(layer.output[1:])
            bn_param = net.bn_params[len(arrays) // 2]
            arrays += [bn_param["running_mean"], bn_param["running_var"] * n / (n - 1)]
    return arrays


def in_our_form(name, param):
    array = param.detach().numpy()
    return array.T if name[0] == "W" and array.ndim == 2 else array


# ---- the same training ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "layout"),
    [(CONVOLUTIONS, "channels_last"), (AFFINE, "contiguous_format")],
    ids=["convolutions", "affine"],
)
@pytest.mark.parametrize("rule", CASES)
def test_pytorch_comes_to_our_weights(torch, monkeypatch, rule, spec, layout):
    monkeypatch.setattr(train, "_quicker_layout", lambda *_: getattr(torch, layout))
    experiment = in_float64(parse(tables(rule, spec)))
    data = experiment.load_data()
    ours = experiment.run(data=data, seed=3, quiet=True)
    theirs = train.train(experiment, data=data, seed=3, quiet=True)

    net, initial = ours.solver.model, experiment.network(3).params
    assert list(theirs.twin.params) == list(net.params)
    for name, param in theirs.twin.params.items():
        found, wanted = in_our_form(name, param), net.params[name]
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-8, err_msg=name)
        if name[0] == "W":
            assert np.abs(wanted - initial[name]).max() > 1e-3
    for found, wanted in zip(theirs.twin.running, running(net), strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-7)

    assert theirs.best_val_acc == ours.best_val_acc
    assert theirs.validation.accuracy == ours.validation.accuracy
    for found, wanted in zip(theirs.epochs, ours.epochs, strict=True):
        assert list(found) == list(wanted)
        same = ("epoch", "learning_rate", "train_acc", "val_acc")
        assert {key: found[key] for key in same} == {key: wanted[key] for key in same}
        if not net.reg:
            assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-9)


def test_pytorch_comes_to_our_weights_in_float32(torch):
    experiment = parse(tables())
    data = experiment.load_data()
    ours = experiment.run(data=data, quiet=True).solver.model.params
    theirs = train.train(experiment, data=data, quiet=True).twin.params
    for name, w in ours.items():
        assert theirs[name].dtype == torch.float32
        found = in_our_form(name, theirs[name])
        np.testing.assert_allclose(found, w, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_penalty_beside_decoupled_decay_is_in_the_gradient(torch):
    both = tables("adamw")
    both["network"]["reg"] = 0.1
    experiment = in_float64(parse(both))
    data = experiment.load_data()
    ours = experiment.run(data=data, quiet=True).solver.model.params
    theirs = train.train(experiment, data=data, quiet=True).twin.params
    for name, w in ours.items():
        found = in_our_form(name, theirs[name])
        np.testing.assert_allclose(found, w, rtol=1e-7, atol=1e-8, err_msg=name)


def test_both_are_shown_the_same_images(torch, monkeypatch):
    small = tables("adamw", "conv 2 5x5 stride 4 pad 2 - bn - relu - gap")
    experiment = parse(small | {"data": {"name": "shapes", "training": 1130}})
    data = experiment.load_data()
    data["X_val"], data["y_val"] = data["X_val"][:110], data["y_val"][:110]

    def shown_to(kind, training):
        seen, original = [], kind.loss

        def loss(net, X, y=None):
            labels = None if y is None else y.tolist()
            seen.append((X[:, :, 9, 9].tolist(), labels))
            return original(net, X, y)

        with monkeypatch.context() as patch:
            patch.setattr(kind, "loss", loss)
            training(data=data, seed=5, quiet=True)
        return seen

    # The trial of the layouts would be seen too.
    monkeypatch.setattr(train, "_quicker_layout", lambda *_: torch.channels_last)
    ours = shown_to(ConvNet, experiment.run)
    theirs = shown_to(train.Twin, lambda **options: train.train(experiment, **options))
    assert theirs == ours
    # Two epochs of 28 steps; accuracies of 1,000 + 110 images, three times; twice two looks.
    steps = [labels for _, labels in ours if labels is not None]
    assert len(steps) == 56
    assert len(ours) - len(steps) == 3 * (10 + 2) + 2


def test_the_best_epoch_counts_not_the_last(torch, monkeypatch):
    experiment = parse(tables())
    data = experiment.load_data()
    accuracies = iter([0.1, 0.1, 0.3, 0.5, 0.3, 0.4])  # training, validation, in turn
    states = []

    def accuracy(training, X, y):
        states.append([array.clone() for array in training.twin.state()])
        return next(accuracies)

    monkeypatch.setattr(train._Training, "_accuracy", accuracy)
    run = train.train(experiment, data=data, quiet=True)
    assert run.best_val_acc == 0.5
    for found, best, last in zip(run.twin.state(), states[3], states[-1], strict=True):
        assert torch.equal(found, best)
        assert not torch.equal(found, last)


def test_dropout_keeps_as_many_units(torch):
    twin = train.Twin(
        ConvNet("affine 5 - relu - dropout 0.8", rng=0), torch.contiguous_format
    )
    [dropout] = [m for m in twin.module if isinstance(m, torch.nn.Dropout)]
    assert dropout.p == pytest.approx(0.2)


@pytest.mark.parametrize("quicker", ["torch", "ch_last"])
def test_the_quicker_layout_is_taken_and_its_trial_leaves_no_trace(
    torch, monkeypatch, frozen, quicker
):
    experiment = parse(tables())
    solver = experiment._solver(experiment.load_data())
    before = frozen(solver.model.params)

    def times(peers, effort):
        for [step] in peers.values():
            step()
        return {name: [1.0 if name == quicker else 2.0] for name in peers}

    monkeypatch.setattr(train, "interleaved_medians", times)
    state = solver.rng.bit_generator.state
    assert train._quicker_layout(experiment, solver) is train.LAYOUTS[quicker]
    assert solver.rng.bit_generator.state == state
    assert frozen(solver.model.params) == before


def test_a_loss_that_is_not_finite_is_an_error(torch):
    experiment = parse(tables())
    data = experiment.load_data()
    data["X_train"] = np.full_like(data["X_train"], np.nan)
    with pytest.raises(FloatingPointError, match="the loss is nan at iteration 1"):
        train.train(experiment, data=data, quiet=True)


# ---- the time of a step --------------------------------------------------------------


def test_steps_are_timed_in_turn_and_stay_within_an_epoch(torch, monkeypatch):
    taken = []
    for framework, kind in (("nndl", Solver), ("pytorch", train._Training)):

        def noted(self, batch, framework=framework, step=kind._step):
            taken.append((framework, self.iteration))
            return step(self, batch)

        monkeypatch.setattr(kind, "_step", noted)

    def times(peers, effort):
        if "nndl" not in peers:  # which layout is quicker
            return {name: [1.0] for name in peers}
        for _ in range(4):
            for [step] in peers.values():
                step()
        return {"nndl": [0.25], "pytorch": [0.625]}

    monkeypatch.setattr(train, "interleaved_medians", times)
    experiment = parse(tables("adam"))  # whose rate follows a schedule
    found = train.time_steps(experiment, experiment.load_data())
    assert (found.nndl, found.pytorch, found.ratio) == (0.25, 0.625, 2.5)
    assert taken == [
        (framework, place)
        for place in (0, 1, 2, 0)
        for framework in ("nndl", "pytorch")
    ]


def test_steps_take_time(torch):
    experiment = parse(tables("adamw"))
    effort = Effort(seconds=0, rounds=2, naive_images=0, soak_steps=0)
    found = train.time_steps(experiment, experiment.load_data(), effort)
    assert 0 < found.nndl < 60
    assert 0 < found.pytorch < 60


# ---- the command ---------------------------------------------------------------------

FILE = """
[data]
name = "shapes"
training = 130
validation = 50
[network]
spec = "conv 4 - relu - gap"
[optimizer]
learning_rate = 1e-3
[training]
epochs = 2
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(FILE)
    return path


def test_the_record_stands_beside_ours(torch, config, tmp_path, capsys):
    results = tmp_path / "small.json"
    ours = read(config).run(seed=4, test=True, quiet=True)
    _record.record(results, ours, tmp_path)
    train.main([str(config), "--seed", "4", "--test", "--record", str(results)])

    first, second = json.loads(results.read_text())["runs"]
    assert (first["framework"], second["framework"]) == ("nndl", "pytorch")
    assert second.keys() - first.keys() == {"layout"}
    assert first.keys() <= second.keys()
    assert second["layout"] in ("contiguous_format", "channels_last")
    assert second["versions"] == first["versions"] | {"torch": torch.__version__}
    assert second["seed"] == 4
    for same in ("data", "machine", "revision", "best_val_acc"):
        assert second[same] == first[same]
    assert second["test"]["images"] == first["test"]["images"] == 1000
    assert [entry.keys() for entry in second["epochs"]] == [
        entry.keys() for entry in first["epochs"]
    ]
    said = capsys.readouterr().out
    assert "(Epoch 2 / 2) train acc: " in said
    assert f"PyTorch {torch.__version__}" in said
    assert "test accuracy" in said


def test_the_times_of_steps_stand_beside_the_runs(
    torch, config, tmp_path, capsys, monkeypatch
):
    results = tmp_path / "small.json"
    train.main([str(config), "--quiet", "--record", str(results)])
    before = json.loads(results.read_text())
    monkeypatch.setattr(train, "STEPS", Effort(0, 2, naive_images=0, soak_steps=0))
    train.main([str(config), "--steps", "--record", str(results)])

    after = json.loads(results.read_text())
    steps = after.pop("steps")
    assert after == before
    assert steps["seconds"].keys() == {"nndl", "pytorch"}
    assert all(seconds > 0 for seconds in steps["seconds"].values())
    for same in ("data", "machine", "revision", "versions"):
        assert steps[same] == before["runs"][0][same]
    assert "small: a step takes nndl" in capsys.readouterr().out
    train.main([str(config), "--quiet", "--record", str(results)])
    assert json.loads(results.read_text())["steps"] == steps  # kept


@pytest.mark.parametrize("other", ["--test", "--seed=1", "--epochs=1"])
def test_times_of_steps_are_not_a_training(config, capsys, other):
    with pytest.raises(SystemExit) as stopped:
        train.main([str(config), "--steps", other])
    assert stopped.value.code == 2
    assert "--steps takes no --seed, --epochs or --test" in capsys.readouterr().err


def test_fewer_epochs_and_little_said(torch, config, capsys):
    train.main([str(config), "--epochs", "1", "--quiet"])
    said = capsys.readouterr().out
    assert "small, seed 0: 1 epochs" in said
    assert "(Epoch" not in said


def test_a_shortened_run_is_not_recorded(config, capsys):
    with pytest.raises(SystemExit) as stopped:
        train.main([str(config), "--epochs", "1", "--record", "results.json"])
    assert stopped.value.code == 2
    assert "--record takes runs of all the file's epochs" in capsys.readouterr().err


def test_results_of_other_settings_are_an_error_before_training(config, tmp_path):
    results = tmp_path / "results.json"
    results.write_text('{"settings": {}, "runs": []}')
    with pytest.raises(SystemExit, match="holds the results of other settings"):
        train.main([str(config), "--record", str(results)])


def test_without_a_file_or_pytorch_one_line_says_so(config, monkeypatch):
    with pytest.raises(SystemExit, match=r"train: .*missing\.toml"):
        train.main(["missing.toml"])
    monkeypatch.setattr(train, "torch", None)
    with pytest.raises(SystemExit, match="train: PyTorch is not installed"):
        train.main([str(config)])
