"""What the courses' editions disagree about, and where they forgive more than `nndl`."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from compat.course_names import FC_NET, LAYERS, SOLVER
from compat.oracles import Bowl, fully_connected, judge_network

pytestmark = pytest.mark.usefixtures("one_thread")


# ---- networks that save themselves ---------------------------------------------------


@pytest.mark.parametrize("module", FC_NET)
def test_a_network_saves_and_loads_itself(installed, module, tmp_path, capsys):
    fc_net = importlib.import_module(module)
    X = np.random.default_rng(0).standard_normal((3, 5))
    for kind, options in (
        (fc_net.TwoLayerNet, {"hidden_dim": 4}),
        (fc_net.FullyConnectedNet, {"hidden_dims": [4], "normalization": "batchnorm"}),
    ):
        saved = kind(input_dim=5, **options)
        other = kind(input_dim=5, **options)
        file = tmp_path / "best.npy"
        saved.save(file)
        assert (other.loss(X) != saved.loss(X)).any()
        assert other.load(file)
        np.testing.assert_array_equal(other.loss(X), saved.loss(X))
        assert not other.load(tmp_path / "nothing.npy")
        assert "nothing.npy not available" in capsys.readouterr().out


# ---- dropout -------------------------------------------------------------------------


@pytest.mark.parametrize("meaning", ["keep", "drop"])
@pytest.mark.parametrize("p", [0.3, 0.6, 0.75])
@pytest.mark.parametrize("module", LAYERS)
def test_p_is_what_is_kept_or_what_is_dropped(installed, module, p, meaning):
    installed(dropout_p=meaning)
    layers = importlib.import_module(module)
    x = np.random.default_rng(0).standard_normal((500, 500)) + 10
    np.random.seed(231)
    out, cache = layers.dropout_forward(x, {"mode": "train", "p": p})
    keep = p if meaning == "keep" else 1 - p
    assert np.mean(out == 0) == pytest.approx(1 - keep, abs=0.005)
    assert out.mean() == pytest.approx(10, abs=0.1)
    dx = layers.dropout_backward(np.ones_like(x), cache)
    np.testing.assert_allclose(dx, np.where(out == 0, 0, 1 / keep))
    out, _ = layers.dropout_forward(x, {"mode": "test", "p": p})
    np.testing.assert_array_equal(out, x)


@pytest.mark.parametrize("module", LAYERS)
def test_a_seed_of_dropout_goes_to_numpy_s_global_state(installed, module):
    layers = importlib.import_module(module)
    x = np.ones((5, 6))
    out, _ = layers.dropout_forward(x, {"mode": "train", "p": 0.5, "seed": 123})
    after = np.random.rand(3)
    np.random.seed(123)
    np.testing.assert_array_equal(out != 0, np.random.rand(5, 6) < 0.5)
    np.testing.assert_array_equal(after, np.random.rand(3))


@pytest.mark.parametrize(
    ("meaning", "p", "why"),
    [
        ("keep", 0, "above 0"),
        ("keep", 1.5, "at most 1"),
        ("drop", 1, "below 1"),
        ("drop", -0.1, "at least 0"),
    ],
)
def test_a_p_that_no_edition_means_is_refused(installed, meaning, p, why):
    installed(dropout_p=meaning)
    layers = importlib.import_module("cs231n.layers")
    with pytest.raises(ValueError, match=rf"`dropout_param\['p'\]` .*{why}"):
        layers.dropout_forward(np.ones((2, 2)), {"mode": "train", "p": p})


def net_and_keep(net, **settings):
    """Return a small seeded network."""
    return net([20, 12], 15, 7, weight_scale=5e-2, dtype=np.float64, seed=5, **settings)


@pytest.mark.parametrize("module", [*FC_NET, "nndl.fc_net"])
@pytest.mark.parametrize(
    ("meaning", "settings", "keep"),
    [
        ("keep", {"dropout": 0.25}, 0.25),
        ("keep", {"dropout": 0}, 1),
        ("keep", {"dropout": 1}, 1),
        ("keep", {"dropout_keep_ratio": 0.25}, 0.25),
        ("drop", {"dropout": 0.25}, 0.75),
        ("drop", {"dropout": 0}, 1),
        ("drop", {"dropout_keep_ratio": 0.25}, 0.25),
        ("drop", {"dropout_keep_ratio": 1}, 1),
    ],
)
def test_a_network_s_dropout_means_what_was_chosen(
    installed, module, meaning, settings, keep
):
    installed(dropout_p=meaning)
    net = net_and_keep(importlib.import_module(module).FullyConnectedNet, **settings)
    assert net.use_dropout == (keep != 1)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 15)), rng.integers(7, size=6)
    for name, w in net.params.items():
        net.params[name] = rng.standard_normal(w.shape)

    def scores(params, X, train):
        return fully_connected(params, X, train=train, keep=keep, seed=5)

    judge_network(net, X, y, 0.0, scores)


@pytest.mark.parametrize("module", FC_NET)
def test_the_ratio_of_the_improved_network_is_never_turned_around(installed, module):
    installed(dropout_p="drop")
    improved = importlib.import_module(module).FullyConnectedNetImproved
    net = net_and_keep(improved, dropout_keep_ratio=0.25)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 15)), rng.integers(7, size=6)

    def scores(params, X, train):
        return fully_connected(params, X, train=train, keep=0.25, seed=5)

    judge_network(net, X, y, 0.0, scores)


@pytest.mark.parametrize(
    ("meaning", "quarter"), [("keep", 2.3126468345657742), ("drop", 2.29898614757146)]
)
def test_ucla_s_dropout_notebook_prints_the_same_losses_to_the_last_digit(
    installed, meaning, quarter
):
    installed(dropout_p=meaning)
    net_class = importlib.import_module("nndl.fc_net").FullyConnectedNet
    layers = importlib.import_module("nndl.layers")
    # The check of the backward pass, a cell earlier, leaves the state there.
    layers.dropout_forward(np.ones((10, 10)), {"mode": "train", "p": 0.8, "seed": 123})
    X, y = np.random.randn(2, 15), np.random.randint(10, size=(2,))
    losses = []
    for dropout in (0, 0.25, 0.5):
        net = net_class(
            [20, 30],
            input_dim=15,
            num_classes=10,
            weight_scale=5e-2,
            dtype=np.float64,
            dropout=dropout,
            seed=123,
        )
        losses.append(net.loss(X, y)[0])
    printed = [2.3051948273987857, quarter, 2.302437587710995]
    assert losses == pytest.approx(printed, rel=3e-16)


def test_cse_493g1_s_networks_print_their_first_losses(installed):
    net_class = importlib.import_module(
        "cse493g1.classifiers.fc_net"
    ).FullyConnectedNetBasic
    np.random.seed(493)
    X, y = np.random.randn(2, 15), np.random.randint(10, size=(2,))
    losses = []
    for reg in (0, 3.14):
        net = net_class(
            [20, 30],
            input_dim=15,
            num_classes=10,
            reg=reg,
            weight_scale=5e-2,
            dtype=np.float64,
        )
        losses.append(net.loss(X, y)[0])
    assert losses == pytest.approx([2.299821914918452, 6.991659719884911], rel=1e-14)


# ---- training ------------------------------------------------------------------------


DATA = {
    "X_train": np.zeros((30, 2)),
    "y_train": np.arange(30) % 2,
    "X_val": np.zeros((6, 2)),
    "y_val": np.array([0, 0, 0, 0, 1, 1]),
}


@pytest.fixture(params=SOLVER)
def solver_class(request, installed):
    return importlib.import_module(request.param).Solver


def test_a_setting_that_a_rule_does_not_know_is_ignored_aloud(solver_class, capsys):
    config = {"learning_rate": 0.1, "beta1": 0.9}
    solver = solver_class(
        Bowl(),
        DATA,
        update_rule="sgd",
        optim_config=config,
        num_epochs=1,
        verbose=False,
    )
    assert "sgd does not know beta1: ignored." in capsys.readouterr().out
    assert config == {"learning_rate": 0.1, "beta1": 0.9}
    solver.train()
    assert solver.loss_history == [12.5]


def test_whole_numbers_may_be_written_with_a_point(solver_class):
    solver = solver_class(
        Bowl(),
        DATA,
        num_epochs=2.0,
        batch_size=np.float64(10),
        print_every=3.0,
        verbose=False,
    )
    solver.train()
    assert len(solver.loss_history) == 6


def test_printing_every_0_iterations_prints_nothing(solver_class, capsys):
    solver_class(Bowl(), DATA, print_every=0, num_epochs=1).train()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("rate", [1e120, 1e300])
def test_a_loss_that_explodes_ends_the_training_without_an_error(
    solver_class, rate, capsys
):
    solver = solver_class(
        Bowl(), DATA, optim_config={"learning_rate": rate}, num_epochs=9, verbose=False
    )
    solver.train()
    assert "The training ended early" in capsys.readouterr().out
    assert solver.loss_history[0] == 12.5
    assert not np.isfinite(solver.loss_history[-1])
    assert len(solver.loss_history) < 9
    assert len(solver.train_acc_history) == len(solver.val_acc_history) >= 1


def test_a_loss_that_is_no_number_at_once_leaves_histories_to_draw(
    solver_class, capsys
):
    model = Bowl()
    model.params["w"] = np.array([np.nan, 1.0])
    solver = solver_class(model, DATA, num_epochs=3, verbose=False)
    solver.train()
    assert len(solver.loss_history) == 1
    assert np.isnan(solver.loss_history[0])
    assert solver.train_acc_history == solver.val_acc_history == [4 / 6]
    assert max(solver.val_acc_history) == 4 / 6


def test_an_argument_that_no_solver_knows_is_an_error(solver_class):
    with pytest.raises(TypeError, match="num_epoch"):
        solver_class(Bowl(), DATA, num_epoch=3)


def test_a_rule_that_there_is_not_is_an_error(solver_class):
    with pytest.raises(ValueError, match=r"`update_rule` must be .*'adamax'"):
        solver_class(Bowl(), DATA, update_rule="adamax", optim_config={"a": 1})


def test_the_dropped_edition_s_networks_train(installed):
    installed(dropout_p="drop")
    fc_net = importlib.import_module("nndl.fc_net")
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=60)
    X = rng.standard_normal((60, 8)) + 3 * np.eye(3, 8)[y]
    data = {"X_train": X[:40], "y_train": y[:40], "X_val": X[40:], "y_val": y[40:]}
    np.random.seed(0)
    net = fc_net.FullyConnectedNet(
        [20], input_dim=8, num_classes=3, dropout=0.25, use_batchnorm=True, seed=1
    )
    solver = importlib.import_module("utils.solver").Solver(
        net,
        data,
        update_rule="adam",
        optim_config={"learning_rate": 1e-2},
        num_epochs=15,
        batch_size=10,
        verbose=False,
    )
    solver.train()
    assert max(solver.val_acc_history) > 0.9
    predicted = np.argmax(net.loss(data["X_val"]), axis=1)
    assert np.mean(predicted == data["y_val"]) == solver.best_val_acc


# ---- data ----------------------------------------------------------------------------


@pytest.fixture
def shapes(installed, monkeypatch):
    monkeypatch.setenv("NNDL_DATASET", "shapes")
    return importlib.import_module("cs231n.data_utils")


def test_the_embedded_set_has_cifar_10_s_sizes_and_no_validation_image_to_train_on(
    shapes,
):
    Xtr, Ytr, Xte, Yte = shapes.load_CIFAR10("cs231n/datasets/cifar-10-batches-py")
    assert Xtr.shape == (50_000, 32, 32, 3)
    assert Xte.shape == (10_000, 32, 32, 3)
    assert Ytr.shape == (50_000,)
    assert Yte.shape == (10_000,)
    assert Xtr.dtype == Xte.dtype == np.float32
    assert Xtr.flags.writeable
    assert set(Ytr[49_000:]) == set(Yte) == set(range(10))
    assert 0 <= Xte.min() < 50 < 200 < Xte.max() <= 255
    # Two images with the same 96 pixels in their middle are one image here.
    marks = [image.tobytes() for image in Xtr[:, 14:18, 4:28, 1].astype(np.uint8)]
    train, val = set(marks[:49_000]), set(marks[49_000:])
    assert len(train) > 9_000
    assert len(val) > 900
    assert not train & val


def test_a_small_share_of_the_embedded_set_has_its_own_mean_taken_away(shapes):
    data = shapes.get_CIFAR10_data(num_training=200, num_validation=50, num_test=30)
    shown = {key: array.shape for key, array in data.items()}
    assert shown == {
        "X_train": (200, 3, 32, 32),
        "y_train": (200,),
        "X_val": (50, 3, 32, 32),
        "y_val": (50,),
        "X_test": (30, 3, 32, 32),
        "y_test": (30,),
    }
    np.testing.assert_allclose(data["X_train"].mean(axis=0), 0, atol=1e-3)
    assert data["X_train"].min() < -50


@pytest.mark.parametrize(
    "counts", [(49_500, 1000, 1000), (49_000, 1000, 10_001), (0, 10, 10), (10, 0, 10)]
)
def test_counts_beyond_the_images_are_refused(installed, counts):
    with pytest.raises(
        ValueError, match="`num_training`, `num_validation` and `num_test`"
    ):
        importlib.import_module("utils.data_utils").get_CIFAR10_data(*counts)


def test_any_number_of_training_images_leaves_others_to_validate_on(shapes):
    data = shapes.get_CIFAR10_data(num_training=12_000, num_validation=1000)
    train = {image.tobytes() for image in data["X_train"]}
    assert len(train) > 9000
    assert not any(image.tobytes() in train for image in data["X_val"])
    assert not any(image.tobytes() in train for image in data["X_test"])


@pytest.mark.parametrize("name", ["data_batch_1", "cifar-10-batches-py/test_batch"])
def test_a_pickled_batch_is_never_opened(installed, tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"cos\nabort\n(tR.")  # would end this process
    load = importlib.import_module("utils.data_utils").load_CIFAR_batch
    with pytest.raises(ValueError, match="Pickled files are not opened"):
        load(str(file))
