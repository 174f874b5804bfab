"""The training loop: what it trains on, prints, keeps, writes and survives."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from training_cases import blob_solver, blobs

from nndl import optim, schedules
from nndl.fc_net import FullyConnectedNet, TwoLayerNet
from nndl.solver import Solver


def flat(batches):
    return list(itertools.chain.from_iterable(batches))


class Spy:
    """A model that learns nothing and notes what it is given.

    An example is its own number; in class 0 are those below a threshold. The one
    parameter counts the steps, and stands in for batch normalization's running averages
    too.
    """

    def __init__(self, train_right=0, val_right=0):
        self.params = {"w": np.zeros(1)}
        self.bn_params = [{"running_mean": np.zeros(1), "running_var": np.zeros(1)}]
        self.right = train_right, val_right
        self.batches = []
        self.on_loss = lambda spy: 1.0
        self.on_scores = lambda spy: None

    def loss(self, X, y=None):
        if y is None:
            self.on_scores(self)
            numbers = X[:, 0]
            limit = np.where(numbers < 0, -1 - self.right[1], self.right[0])
            wrong = np.where(numbers < 0, numbers <= limit, numbers >= limit)
            return np.stack([~wrong, wrong], axis=1).astype(float)
        self.batches.append(X[:, 0].astype(int).tolist())
        loss = self.on_loss(self)
        self.bn_params[0]["running_mean"] = self.params["w"] + 100
        return loss, {"w": np.ones(1)}


def count_up(w, dw, config):
    return w + dw, config


def spy_data(N=10, N_val=10):
    """Return examples 0, 1, ... for training and -1, -2, ... for validation, all of
    class 0."""
    return {
        "X_train": np.arange(N)[:, None],
        "y_train": np.zeros(N, int),
        "X_val": -1 - np.arange(N_val)[:, None],
        "y_val": np.zeros(N_val, int),
    }


def spy_solver(spy, N=10, N_val=10, **options):
    defaults = {
        "update_rule": count_up,
        "batch_size": 2,
        "num_epochs": 2,
        "verbose": False,
        "rng": 0,
    }
    return Solver(
        spy, spy_data(N, N_val), **(defaults | {"num_train_samples": None} | options)
    )


# ---- training ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "update_rule",
    ["sgd", "sgd_momentum", "sgd_nesterov_momentum", "rmsprop", "adam", "adamw"],
)
@pytest.mark.parametrize("normalization", [None, "batchnorm", "layernorm"])
def test_a_separable_problem_is_learnt_to_100_percent(update_rule, normalization):
    model = FullyConnectedNet(
        [20], 4, 3, normalization=normalization, weight_scale=0.1, rng=1
    )
    rate = {"sgd": 0.3, "rmsprop": 0.01, "adam": 0.01, "adamw": 0.01}.get(
        update_rule, 0.05
    )
    solver = blob_solver(
        model,
        update_rule=update_rule,
        optim_config={"learning_rate": rate},
        num_epochs=25,
    )
    solver.train()
    assert solver.best_val_acc == 1.0
    assert solver.train_acc_history[-1] == 1.0
    assert solver.loss_history[-1] < 0.5 * solver.loss_history[0]
    assert {w.dtype for w in model.params.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("rng", [0, None])
def test_every_epoch_goes_through_a_fresh_permutation_of_all_examples(rng):
    np.random.seed(0)
    spy = Spy()
    spy_solver(spy, N=12, batch_size=3, num_epochs=3, rng=rng).train()
    epochs = [flat(spy.batches[i : i + 4]) for i in (0, 4, 8)]
    assert len(spy.batches) == 12
    for order in epochs:
        assert sorted(order) == list(range(12))
    assert epochs[0] != list(range(12))
    assert epochs[0] != epochs[1] != epochs[2]


def test_an_epoch_leaves_out_what_does_not_fill_a_minibatch():
    spy = Spy()
    spy_solver(spy, N=11, batch_size=4, num_epochs=1).train()
    assert [len(batch) for batch in spy.batches] == [4, 4]
    assert len(set(flat(spy.batches))) == 8


def test_a_minibatch_larger_than_the_data_is_all_the_data():
    spy = Spy()
    solver = spy_solver(spy, N=5, batch_size=100, num_epochs=3)
    solver.train()
    assert [sorted(batch) for batch in spy.batches] == [[0, 1, 2, 3, 4]] * 3
    assert solver.epoch == 3


def test_labels_stay_with_their_images():
    data = blobs()
    seen = {tuple(x): y for x, y in zip(data["X_train"], data["y_train"], strict=True)}

    class Model(TwoLayerNet):
        def loss(self, X, y=None):
            if y is not None:
                assert all(
                    seen[tuple(x)] == label for x, label in zip(X, y, strict=True)
                )
            return super().loss(X, y)

    blob_solver(Model(4, 10, 3, rng=0)).train()


def test_the_data_are_left_as_they_were(frozen):
    data = blobs()
    before = frozen(data)
    Solver(
        TwoLayerNet(4, 10, 3, rng=0), data, num_epochs=2, verbose=False, rng=0
    ).train()
    assert frozen(data) == before


def test_the_same_seed_gives_the_same_histories_and_parameters():
    solvers = []
    for seed in (5, 5, 6):
        model = FullyConnectedNet([8], 4, 3, dropout_keep_ratio=0.8, rng=1)
        solver = blob_solver(model, rng=seed, num_train_samples=10, num_val_samples=10)
        solver.train()
        solvers.append(solver)
    first, second, third = solvers
    assert first.loss_history == second.loss_history
    assert first.train_acc_history == second.train_acc_history
    assert first.val_acc_history == second.val_acc_history
    for name, w in first.model.params.items():
        np.testing.assert_array_equal(w, second.model.params[name])
    assert first.loss_history != third.loss_history


def test_the_histories_hold_every_iteration_and_every_epoch():
    spy = Spy(train_right=4, val_right=7)
    spy.on_loss = lambda spy: float(len(spy.batches))
    solver = spy_solver(spy, num_epochs=3)
    solver.train()
    assert solver.loss_history == [float(i) for i in range(1, 16)]
    assert (
        solver.train_acc_history == [0.4] * 4
    )  # after the first iteration, then after each epoch
    assert solver.val_acc_history == [0.7] * 4
    assert (solver.epoch, solver.iteration) == (3, 15)


def test_a_second_call_adds_epochs():
    spy = Spy()
    solver = spy_solver(spy, num_epochs=2)
    solver.train()
    solver.train()
    assert (solver.epoch, solver.iteration) == (4, 20)
    assert len(solver.loss_history) == 20
    assert len(solver.val_acc_history) == 5


# ---- the best parameters -------------------------------------------------------------


def test_the_best_parameters_and_running_averages_are_restored():
    """Five steps an epoch; the validation accuracy is best after the second of four
    epochs."""
    spy = Spy()
    accuracies = {1: 1, 5: 3, 10: 9, 15: 5, 20: 9}

    def look(spy):
        spy.right = 0, accuracies[int(spy.params["w"][0])]

    spy.on_scores = look
    solver = spy_solver(spy, num_epochs=4)
    solver.train()
    assert solver.val_acc_history == [0.1, 0.3, 0.9, 0.5, 0.9]
    assert solver.best_val_acc == 0.9
    assert solver.best_params["w"].tolist() == [10]
    assert spy.params["w"].tolist() == [10]  # the first of equals
    assert spy.bn_params[0]["running_mean"].tolist() == [
        109
    ]  # of the tenth step's forward pass


def test_the_best_parameters_are_a_copy():
    solver = blob_solver()
    solver.train()
    kept = {name: w.copy() for name, w in solver.best_params.items()}
    for w in solver.model.params.values():
        w += 1
    for name, w in solver.best_params.items():
        np.testing.assert_array_equal(w, kept[name])


def test_the_restored_net_has_the_best_validation_accuracy():
    model = FullyConnectedNet(
        [8], 4, 3, normalization="batchnorm", weight_scale=0.1, rng=1
    )
    solver = blob_solver(model, optim_config={"learning_rate": 3.0}, num_epochs=6)
    solver.train()
    assert solver.best_val_acc == max(solver.val_acc_history)
    assert solver.check_accuracy(solver.X_val, solver.y_val) == solver.best_val_acc


# ---- what is printed -----------------------------------------------------------------


def test_the_lines_have_the_form_of_the_courses(capsys):
    spy = Spy(train_right=4802, val_right=499)
    spy.on_loss = lambda spy: 2.3047404
    spy_solver(
        spy, 9800, 1000, batch_size=100, num_epochs=10, print_every=50, verbose=True
    ).train()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "(Iteration 1 / 980) loss: 2.304740",
        "(Epoch 0 / 10) train acc: 0.490000; val_acc: 0.499000",
        "(Iteration 51 / 980) loss: 2.304740",
        "(Epoch 1 / 10) train acc: 0.490000; val_acc: 0.499000",
        "(Iteration 101 / 980) loss: 2.304740",
        "(Iteration 151 / 980) loss: 2.304740",
    ]
    assert lines[-1] == "(Epoch 10 / 10) train acc: 0.490000; val_acc: 0.499000"
    assert len(lines) == 20 + 11


@pytest.mark.parametrize(
    ("print_every", "printed"),
    [(1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), (4, [1, 5, 9]), (99, [1])],
)
def test_print_every_is_the_distance_of_the_losses_printed(
    print_every, printed, capsys
):
    spy_solver(Spy(), print_every=print_every, verbose=True).train()
    found = re.findall(r"\(Iteration (\d+) / 10\)", capsys.readouterr().out)
    assert [int(i) for i in found] == printed


def test_without_a_terminal_there_is_no_progress_bar(capsys):
    spy_solver(Spy(), verbose=True).train()
    assert capsys.readouterr().err == ""


def test_not_verbose_prints_nothing_at_all(capsys):
    spy_solver(Spy(), verbose=False).train()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_a_second_call_counts_on(capsys):
    solver = spy_solver(Spy(), print_every=5, verbose=True)
    solver.train()
    capsys.readouterr()
    solver.train()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "(Iteration 11 / 20) loss: 1.000000"
    assert lines[-1] == "(Epoch 4 / 4) train acc: 0.000000; val_acc: 0.000000"


# ---- update rules and learning rates -------------------------------------------------


RULES = ["sgd", "sgd_momentum", "sgd_nesterov_momentum", "rmsprop", "adam", "adamw"]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_s_name_stands_for_its_compiled_twin(name):
    assert blob_solver(update_rule=name).update_rule is getattr(optim, f"{name}_fast")


@pytest.mark.parametrize("name", RULES)
def test_a_compiled_rule_trains_to_the_bits_of_the_readable_one(name):
    solvers = [blob_solver(update_rule=rule) for rule in (name, getattr(optim, name))]
    for solver in solvers:
        solver.train()
    assert solvers[0].loss_history == solvers[1].loss_history
    for name, w in solvers[0].model.params.items():
        np.testing.assert_array_equal(w, solvers[1].model.params[name])


def test_any_function_may_be_the_update_rule():
    solver = spy_solver(Spy(), update_rule=count_up)
    assert solver.update_rule is count_up


@pytest.mark.parametrize(
    "name", ["Adam", "adagrad", "", "config", "adam_slow", None, 3]
)
def test_an_unknown_rule_is_an_error_that_lists_the_known_ones(name):
    with pytest.raises(
        ValueError, match=r"`update_rule` must be a function or one of .*sgd_momentum"
    ):
        blob_solver(update_rule=name)


def test_the_learning_rate_decays_after_each_epoch():
    rates = []

    def rule(w, dw, config):
        rates.append(config["learning_rate"])
        return w, config

    config = {"learning_rate": 0.8}
    spy_solver(
        Spy(), update_rule=rule, optim_config=config, lr_decay=0.5, num_epochs=3
    ).train()
    assert rates == [0.8] * 5 + [0.4] * 5 + [0.2] * 5
    assert config == {"learning_rate": 0.8}


def test_the_default_learning_rate_decays_too():
    solver = blob_solver(
        update_rule="adam", optim_config=None, lr_decay=0.5, num_epochs=2
    )
    solver.train()
    assert {config["learning_rate"] for config in solver.optim_configs.values()} == {
        1e-3 / 4
    }


# ---- schedule, augmentation, averages ------------------------------------------------


def rates_of(schedule, calls=1):
    """Return the learning rate of each of 10 steps."""
    rates = []

    def rule(w, dw, config):
        rates.append(config["learning_rate"])
        return w, config

    spy = Spy()
    solver = spy_solver(
        spy, update_rule=rule, schedule=schedule, optim_config={"learning_rate": 0.5}
    )
    for _ in range(calls):
        solver.train()
    return rates


def test_a_schedule_gives_each_step_its_share_of_the_rate():
    shares = []

    def schedule(s):
        shares.append(s)
        return 1 - s

    rates = rates_of(schedule)
    np.testing.assert_allclose(shares, np.arange(10) / 10)
    np.testing.assert_allclose(rates, 0.5 * (1 - np.arange(10) / 10))


def test_a_second_training_begins_the_schedule_anew():
    rates = rates_of(lambda s: 1 - s, calls=2)
    assert rates[:10] == pytest.approx(rates[10:])


def test_every_schedule_of_the_package_is_one():
    for name in schedules.__all__:
        rates = rates_of(getattr(schedules, name))
        assert max(rates) == 0.5 or name == "one_cycle"
        assert all(0 <= rate <= 0.5 for rate in rates)


def test_a_schedule_must_return_a_share():
    with pytest.raises(
        ValueError, match=r"`schedule\(0\)` must be at least 0, but is -1"
    ):
        rates_of(lambda s: -1)
    with pytest.raises(TypeError, match=r"`schedule\(0\)` must be a number"):
        rates_of(lambda s: None)


def test_a_schedule_takes_the_place_of_a_decay_and_needs_a_rate():
    config = {"learning_rate": 1.0}
    with pytest.raises(ValueError, match="`lr_decay` must be 1 where there is a"):
        spy_solver(Spy(), schedule=math.cos, lr_decay=0.9, optim_config=config)
    with pytest.raises(ValueError, match="must hold the 'learning_rate'"):
        spy_solver(Spy(), schedule=math.cos)


def test_the_net_sees_augmented_images_and_the_data_stay_as_they_are():
    spy, data = Spy(), spy_data()

    def augment(images, rng):
        images += 100 * rng.integers(1, 5)  # it may change what it is given
        return images

    solver = Solver(
        spy, data, update_rule=count_up, augment=augment, batch_size=2, num_epochs=1,
        verbose=False, rng=0,
    )  # fmt: skip
    solver.train()
    seen = np.array(flat(spy.batches))
    assert (seen >= 100).all()
    assert len(set(seen // 100)) > 1
    assert sorted(seen % 100) == list(range(10))
    assert data["X_train"].max() == 9


def test_an_augmentation_must_keep_the_shape():
    with pytest.raises(ValueError, match=r"`augment` must return images of the shape"):
        spy_solver(Spy(), augment=lambda images, rng: images[:1]).train()


def test_accuracies_and_best_parameters_are_those_of_the_averaged_weights():
    """The parameter counts the steps, and its averages are known; the net is right as
    soon as the average is above 2.5."""
    spy = Spy()

    def scores(X, y=None):
        if y is not None:
            return Spy.loss(spy, X, y)
        right = spy.params["w"][0] > 2.5
        return np.tile([1.0, 0.0] if right else [0.0, 1.0], (len(X), 1))

    spy.loss = scores
    solver = spy_solver(spy, averaging=0.5, num_epochs=1)
    solver.train()
    weights = 0.5 ** np.arange(4, -1, -1)
    average = (weights * np.arange(1, 6)).sum() / weights.sum()
    assert solver.val_acc_history == [0.0, 1.0]
    assert solver.best_params["w"] == pytest.approx(average)
    assert spy.params["w"] == pytest.approx(average)


def test_training_itself_goes_on_with_the_weights_that_are_not_averaged():
    plain, averaged = Spy(), Spy()
    solvers = [spy_solver(plain), spy_solver(averaged, averaging=0.9)]
    seen = []
    for solver in solvers:
        values = []
        rule = solver.update_rule
        solver.update_rule = lambda w, dw, c, v=values, r=rule: (
            v.append(w.item()) or r(w, dw, c)
        )
        solver.train()
        seen.append(values)
    assert seen[0] == seen[1] == list(range(10))


@pytest.mark.parametrize("name", ["adamw", optim.adamw])
def test_decoupled_decay_acts_on_weights_alone(name):
    net = TwoLayerNet(4, 5, 3, rng=0)
    config = {"learning_rate": 0.1, "weight_decay": 0.5}
    solver = blob_solver(net, update_rule=name, optim_config=config)
    decays = {name: c["weight_decay"] for name, c in solver.optim_configs.items()}
    assert decays == {"W1": 0.5, "b1": 0.0, "W2": 0.5, "b2": 0.0}


def test_after_each_epoch_the_solver_is_shown():
    seen = []
    solver = spy_solver(
        Spy(), after_epoch=lambda s: seen.append((s.epoch, len(s.val_acc_history)))
    )
    solver.train()
    assert seen == [(1, 2), (2, 3)]


def test_every_parameter_has_a_config_of_its_own():
    solver = blob_solver(update_rule="adam")
    solver.train()
    shapes = {name: config["m"].shape for name, config in solver.optim_configs.items()}
    assert shapes == {name: w.shape for name, w in solver.model.params.items()}
    assert {config["t"] for config in solver.optim_configs.values()} == {9}


def test_a_misspelt_setting_of_the_rule_is_an_error():
    with pytest.raises(ValueError, match=r"`optim_config`.* holds lr"):
        blob_solver(update_rule="adam", optim_config={"lr": 1e-3})


# ---- when it goes wrong --------------------------------------------------------------


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_a_loss_that_is_not_finite_is_an_error_that_names_iteration_and_rate(loss):
    spy = Spy()
    spy.on_loss = lambda spy: loss if len(spy.batches) == 8 else 1.0
    solver = spy_solver(spy, optim_config={"learning_rate": 0.125})
    with pytest.raises(
        FloatingPointError, match=r"loss is -?(nan|inf) at iteration 8 .*rate 0\.125"
    ):
        solver.train()
    assert solver.loss_history == [1.0] * 7
    assert len(solver.val_acc_history) == 2
    assert solver.iteration == 7
    assert spy.params["w"].tolist() == [7]


def test_a_real_net_that_diverges_keeps_the_parameters_that_gave_the_loss():
    model = TwoLayerNet(4, 10, 3, weight_scale=0.1, rng=1, dtype=np.float32)
    seen = []

    def rule(w, dw, config):
        seen.append(w)
        return optim.sgd(w, dw, config)

    solver = blob_solver(
        model, update_rule=rule, optim_config={"learning_rate": 1e30}, num_epochs=50
    )
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match="learning rate 1e\\+30"),
    ):
        solver.train()
    assert len(seen) == 4 * solver.iteration
    assert len(solver.loss_history) == solver.iteration
    assert all(math.isfinite(loss) for loss in solver.loss_history)


@pytest.mark.parametrize(
    ("where", "iteration"),
    [(where, i) for where in ("the loss", "the update") for i in (1, 5, 7, 10)]
    + [("the accuracy", i) for i in (1, 5, 10)],  # where an accuracy is measured
)
def test_after_an_interruption_a_further_call_completes_the_epochs_begun(
    where, iteration
):
    """Wherever Ctrl-C strikes, the completed run has every iteration once and every
    epoch's accuracy."""
    interrupt = itertools.chain([True], itertools.repeat(False))
    spy = Spy(train_right=4, val_right=7)

    def stop(spy):
        if len(spy.batches) == iteration and next(interrupt):
            raise KeyboardInterrupt
        return 1.0

    def rule(w, dw, config):
        if where == "the update":
            stop(spy)
        config["learning_rate"] = config.get("learning_rate", 1.0)
        return w + dw, config

    if where == "the loss":
        spy.on_loss = stop
    if where == "the accuracy":
        spy.on_scores = stop
    solver = spy_solver(spy, update_rule=rule, lr_decay=0.5)
    with pytest.raises(KeyboardInterrupt):
        solver.train()
    solver.train()
    assert (solver.epoch, solver.iteration) == (2, 10)
    assert solver.loss_history == [1.0] * 10
    assert solver.val_acc_history == [0.7] * 3
    assert solver.train_acc_history == [0.4] * 3
    assert solver.optim_configs["w"]["learning_rate"] == 0.25
    completed = spy.batches if where == "the accuracy" else (
        spy.batches[: iteration - 1] + spy.batches[iteration:]
    )  # fmt: skip
    assert sorted(flat(completed[:5])) == sorted(flat(completed[5:])) == list(range(10))


# ---- accuracy ------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 3, 10, 1000])
def test_accuracy_is_the_share_of_images_classified_right(batch_size):
    solver = spy_solver(Spy(train_right=3))
    X, y = solver.X_train, solver.y_train
    assert solver.check_accuracy(X, y, batch_size=batch_size) == 0.3
    assert solver.check_accuracy(X, 1 - y, batch_size=batch_size) == 0.7


def test_accuracy_of_a_sample_looks_at_that_many_different_images():
    spy = Spy(train_right=0)
    seen = []

    class Noting(Spy):
        def loss(self, X, y=None):
            seen.extend(X[:, 0].tolist())
            return super().loss(X, y)

    spy = Noting()
    solver = spy_solver(spy, N=100)
    for _ in range(2):
        solver.check_accuracy(
            solver.X_train, solver.y_train, num_samples=40, batch_size=7
        )
    first, second = seen[:40], seen[40:]
    assert len(set(first)) == len(set(second)) == 40
    assert first != second


@pytest.mark.parametrize("num_samples", [None, 10, 11, 10**6])
def test_accuracy_of_at_least_as_many_samples_as_images_looks_at_all(num_samples):
    solver = spy_solver(Spy(train_right=3))
    assert solver.check_accuracy(solver.X_train, solver.y_train, num_samples) == 0.3


def test_accuracy_takes_lists():
    solver = spy_solver(Spy(train_right=3))
    X, y = solver.X_train, solver.y_train
    assert solver.check_accuracy(X, y.tolist()) == 0.3
    assert solver.check_accuracy(X, y.tolist(), num_samples=9) <= 3 / 9


@pytest.mark.parametrize(
    ("X", "y", "options", "kind", "message"),
    [
        (np.ones((3, 1)), np.zeros(2, int), {}, ValueError, "`X` and `y` must be of one length"),
        (np.ones((0, 1)), np.zeros(0, int), {}, ValueError, "must be of one length, at least 1"),
        (np.ones((3, 1)), np.zeros((3, 1), int), {}, ValueError, "`y` must"),
        (np.ones((3, 1)), np.zeros(3, int), {"num_samples": 0}, ValueError, "`num_samples` must be"),
        (np.ones((3, 1)), np.zeros(3, int), {"num_samples": 1.5}, TypeError, "`num_samples` must be"),
        (np.ones((3, 1)), np.zeros(3, int), {"batch_size": 0}, ValueError, "`batch_size` must be"),
        (np.ones((3, 1)), np.zeros(3, int), {"batch_size": "a"}, TypeError, "`batch_size` must be"),
    ],
)  # fmt: skip
def test_accuracy_refuses_wrong_arguments(X, y, options, kind, message):
    with pytest.raises(kind, match=message):
        spy_solver(Spy()).check_accuracy(X, y, **options)


# ---- the picture ---------------------------------------------------------------------


@pytest.mark.parametrize("num_epochs", [2, 60])
def test_the_history_is_drawn_on_labelled_axes(num_epochs, figures):
    solver = blob_solver(num_epochs=num_epochs)
    solver.train()
    figure = solver.plot_history()
    left, right = figure.axes
    assert left.get_xlabel() == "iteration"
    assert left.get_ylabel() == "training loss"
    assert right.get_xlabel() == "epoch"
    assert right.get_ylabel() == "accuracy (%)"
    assert [text.get_text() for text in right.get_legend().get_texts()] == [
        "training",
        "validation",
    ]
    np.testing.assert_array_equal(left.lines[0].get_ydata(), solver.loss_history)
    np.testing.assert_allclose(
        right.lines[1].get_ydata(), 100 * np.array(solver.val_acc_history), rtol=1e-15
    )
    assert right.lines[1].get_xdata()[-1] == num_epochs
    figure.canvas.draw()


def test_the_history_has_its_epochs_right_when_an_epoch_is_one_iteration(figures):
    solver = blob_solver(batch_size=60, num_epochs=3)
    solver.train()
    _, right = solver.plot_history().axes
    assert right.lines[1].get_xdata()[-1] == 3


# ---- arguments -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"batch_size": 0}, ValueError),
        ({"batch_size": 2.5}, TypeError),
        ({"num_epochs": 0}, ValueError),
        ({"num_epochs": "3"}, TypeError),
        ({"print_every": 0}, ValueError),
        ({"lr_decay": 0}, ValueError),
        ({"lr_decay": math.nan}, ValueError),
        ({"lr_decay": "a"}, TypeError),
        ({"num_train_samples": 0}, ValueError),
        ({"num_val_samples": -1}, ValueError),
        ({"num_val_samples": 0.5}, TypeError),
        ({"rng": "a"}, TypeError),
        ({"rng": -1}, ValueError),
        ({"optim_config": 5}, TypeError),
        ({"optim_config": [1, 2]}, TypeError),
    ],
    ids=str,
)
def test_a_wrong_argument_is_an_error_that_names_it(options, kind):
    with pytest.raises(kind, match=f"`{next(iter(options))}` must be"):
        blob_solver(**options)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(
    "change", ["missing X", "missing y", "lengths", "empty", "labels in a column"]
)
def test_wrong_data_are_an_error_that_names_them(split, change):
    data = blobs()
    X, y = f"X_{split}", f"y_{split}"
    if change == "missing X":
        del data[X]
    elif change == "missing y":
        del data[y]
    elif change == "lengths":
        data[y] = data[y][:-1]
    elif change == "labels in a column":
        data[y] = data[y][:, None]
    else:
        data[X], data[y] = data[X][:0], data[y][:0]
    with pytest.raises(ValueError, match=rf"`data.*_{split}'"):
        Solver(TwoLayerNet(4, 10, 3, rng=0), data)


@pytest.mark.parametrize("data", [None, 5, [1, 2]], ids=repr)
def test_data_that_are_no_dict_are_a_type_error(data):
    with pytest.raises(TypeError, match="`data` must be"):
        Solver(TwoLayerNet(4, 10, 3, rng=0), data)


def test_data_may_be_lists():
    data = {key: array.tolist() for key, array in blobs().items()}
    solver = Solver(
        TwoLayerNet(4, 10, 3, rng=0), data, verbose=False, num_epochs=1, rng=0
    )
    solver.train()
    assert len(solver.loss_history) == 1
