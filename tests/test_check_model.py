"""`check_model` passes every network of the package, and says what is wrong with others."""

import copy
import time

import numpy as np
import pytest

from nndl import cnn, fc_net, layers
from nndl.check import check_model

# ---- right ---------------------------------------------------------------------------


class Net:
    """Two layers with batch normalization and dropout, as a reader writes them; what a
    wrong network does differently is a method of its own."""

    def __init__(self, D=6, M=12, C=4, reg=0.1, dropout=1.0, batchnorm=False, seed=0):
        r = np.random.default_rng(seed)
        self.reg, self.batchnorm = reg, batchnorm
        self.params = {
            "W1": 0.1 * r.standard_normal((D, M)), "b1": np.zeros(M),
            "W2": 0.1 * r.standard_normal((M, M)), "b2": np.zeros(M),
            "W3": 0.1 * r.standard_normal((M, C)), "b3": np.zeros(C),
        }  # fmt: skip
        self.bn_params = []
        if batchnorm:
            for k in "12":
                self.params["gamma" + k] = np.ones(M)
                self.params["beta" + k] = np.zeros(M)
            self.bn_params = [{"mode": "train"} for _ in range(2)]
        self.dropout_param = {"mode": "train", "p": dropout}

    def loss(self, X, y=None):
        mode = self.mode(y)
        self.dropout_param["mode"] = mode
        for bn_param in self.bn_params:
            bn_param["mode"] = mode
        X = X.reshape(len(X), -1)
        hidden, caches = X, []
        for k in (1, 2):
            inputs = hidden
            a = hidden @ self.params[f"W{k}"] + self.params[f"b{k}"]
            bn_cache = None
            if self.batchnorm:
                a, bn_cache = layers.batchnorm_forward(
                    a, self.params[f"gamma{k}"], self.params[f"beta{k}"], self.bn_params[k - 1]
                )  # fmt: skip
            hidden = np.maximum(a, 0)
            hidden, mask = self.dropout(hidden, k)
            caches.append((inputs, a, bn_cache, mask))
        scores = self.scores(hidden)
        if y is None:
            return scores
        loss, dscores = self.data_loss(scores, y)
        loss += self.penalty()
        grads = self.last_layer(dscores, hidden, caches[1][1])
        dout = self.into_hidden(dscores)
        for k in (2, 1):
            inputs, a, bn_cache, mask = caches[k - 1]
            dout = self.dropout_backward(dout, mask, k)
            dout = self.relu_backward(dout, a, k)
            if self.batchnorm:
                dout, grads[f"gamma{k}"], grads[f"beta{k}"] = self.bn_backward(
                    dout, bn_cache
                )
            grads[f"W{k}"] = self.dW(inputs, dout, k)
            grads[f"b{k}"] = self.db(dout, k)
            dout = dout @ self.params[f"W{k}"].T
        self.penalty_gradient(grads)
        return loss, grads

    def mode(self, y):
        return "test" if y is None else "train"

    def dropout(self, hidden, k):
        p = self.dropout_param["p"]
        if self.dropout_param["mode"] == "test" or p == 1:
            return hidden, 1.0
        mask = (np.random.rand(*hidden.shape) < p) / p
        return hidden * mask, mask

    def dropout_backward(self, dout, mask, k):
        return dout * mask

    def relu_backward(self, dout, a, k):
        return dout * (a > 0)

    def bn_backward(self, dout, cache):
        return layers.batchnorm_backward(dout, cache)

    def scores(self, hidden):
        return hidden @ self.params["W3"] + self.params["b3"]

    def into_hidden(self, dscores):
        return dscores @ self.params["W3"].T

    def last_layer(self, dscores, hidden, a):
        return {"W3": hidden.T @ dscores, "b3": dscores.sum(0)}

    def dW(self, inputs, dout, k):
        return inputs.T @ dout

    def db(self, dout, k):
        return dout.sum(0)

    def data_loss(self, scores, y):
        scores = scores - scores.max(axis=1, keepdims=True)
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        n = np.arange(len(y))
        loss = -np.mean(scores[n, y] - np.log(np.exp(scores).sum(axis=1)))
        p[n, y] -= 1
        return loss, p / len(y)

    def penalty(self):
        return (
            0.5 * self.reg * sum(np.sum(self.params[f"W{k}"] ** 2) for k in (1, 2, 3))
        )

    def penalty_gradient(self, grads):
        for k in (1, 2, 3):
            grads[f"W{k}"] += self.reg * self.params[f"W{k}"]


class Linear:
    """No hidden layer, no `reg`, nothing but what must be; its margin loss is an SVM's."""

    def __init__(self):
        self.params = {"W": np.random.default_rng(3).standard_normal((7, 5)) * 0.01}

    def loss(self, X, y=None):
        scores = X @ self.params["W"]
        if y is None:
            return scores
        loss, dscores = layers.svm_loss(scores, y)
        return loss, {"W": X.T @ dscores}


FC, CONV = fc_net.FullyConnectedNet, cnn.ConvNet
RIGHT = {
    "TwoLayerNet": lambda: fc_net.TwoLayerNet(20, 30, 5, reg=0.3),
    "TwoLayerNet for CIFAR-10": lambda: fc_net.TwoLayerNet(),
    "float32": lambda: FC([20, 30], 15, dtype=np.float32, reg=0.2),
    "batch norm": lambda: FC([20, 30], 15, normalization="batchnorm", reg=0.2),
    "layer norm": lambda: FC([20, 30], 15, normalization="layernorm"),
    "dropout": lambda: FC([20, 30], 15, dropout_keep_ratio=0.6),
    "dropout with a seed": lambda: FC([20, 30], 15, dropout_keep_ratio=0.6, seed=4),
    "batch norm and dropout": lambda: FC(
        [20, 30], 15, dropout_keep_ratio=0.6, normalization="batchnorm", reg=0.1
    ),
    "a generator of its own": lambda: FC(
        [20, 30], 15, dropout_keep_ratio=0.5, rng=np.random.default_rng(3)
    ),
    "deep, with layer norm and dropout": lambda: FC(
        [25, 27, 36, 23], 15, normalization="layernorm", dropout_keep_ratio=0.5
    ),
    "readable layers": lambda: FC([20, 30], 15, fast=False),
    "ThreeLayerConvNet": lambda: cnn.ThreeLayerConvNet((3, 8, 10), 4, 3, 10, reg=0.1),
    "ThreeLayerConvNet with batch norm": lambda: cnn.ThreeLayerConvNet(
        (3, 8, 10), 4, 3, 10, use_batchnorm=True
    ),
    "ConvNet": lambda: CONV(
        "[conv 4 - bn - relu - pool] x 2 - affine 10 - ln - relu - dropout 0.7", (3, 8, 12)
    ),
    "ConvNet with group norm and SVM": lambda: CONV(
        "conv 4 - gn 2 - relu - pool - affine 10 - relu", (3, 8, 12), loss="svm", reg=0.2
    ),
    "ten classes, three layers": lambda: Net(C=10),
    "a reader's own": Net,
    "a reader's own with dropout": lambda: Net(dropout=0.6),
    "a reader's own with batch norm": lambda: Net(batchnorm=True),
    "a reader's own with both": lambda: Net(batchnorm=True, dropout=0.6, M=30),
    "linear, SVM": Linear,
    "as many classes as examples": lambda: Net(C=7),
    "two classes": lambda: Net(C=2),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_network_passes(name):
    model = RIGHT[name]()
    before = copy.deepcopy(model)
    start = time.thread_time()
    result = check_model(model)
    assert result.passed, result
    assert time.thread_time() - start < 6
    assert result.notes[0].startswith("The loss is that of a"), result
    assert not any("left out" in note for note in result.notes), result
    same_state(model, before)


def same_state(one, other):
    assert vars(one).keys() == vars(other).keys()
    for key in vars(one):
        same_values(getattr(one, key), getattr(other, key))


def same_values(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            same_values(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same_values(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    elif isinstance(one, np.random.Generator):
        assert one.bit_generator.state == other.bit_generator.state
    elif isinstance(one, int | float | str | np.dtype | None):
        assert one == other


# ---- wrong ---------------------------------------------------------------------------

WRONG = []


def wrong(cause, output="", **options):
    def mark(cls):
        WRONG.append(pytest.param(cls, options, cause, output, id=cls.__name__))
        return cls

    return mark


@wrong("missing-gradient")
class ForgetsAKey(Net):
    def last_layer(self, dscores, hidden, a):
        return {"W3": hidden.T @ dscores}


@wrong("unknown-key")
class MisspellsAKey(Net):
    def penalty_gradient(self, grads):
        super().penalty_gradient(grads)
        grads["w1"] = grads["W1"].copy()


@wrong("transposed")
class TransposedGradient(Net):
    def last_layer(self, dscores, hidden, a):
        return {"W3": dscores.T @ hidden, "b3": dscores.sum(0)}

    def penalty_gradient(self, grads):
        pass


@wrong("not-reduced")
class BiasNotSummed(Net):
    def db(self, dout, k):
        return dout


@wrong("not-reduced")
class NoMeanAtAll(Net):
    def data_loss(self, scores, y):
        loss, dscores = layers.softmax_loss(scores, y)
        return loss * np.ones(len(y)), dscores


@wrong("shared-array", batchnorm=True)
class SharedGammas(Net):
    def __init__(self, **options):
        super().__init__(**options)
        self.params["gamma1"] = self.params["gamma2"] = np.ones(12)


@wrong("shared-settings", batchnorm=True)
class OneDictForAllLayers(Net):
    def __init__(self, **options):
        super().__init__(**options)
        self.bn_params = [{"mode": "train"}] * 2


@wrong("modifies-input")
class UpdatesItself(Net):
    def penalty_gradient(self, grads):
        super().penalty_gradient(grads)
        for name in grads:
            self.params[name] -= 0.1 * grads[name]


@wrong("arity")
class ForgetsToReturnGradients(Net):
    def loss(self, X, y=None):
        result = super().loss(X, y)
        return result if y is None else result[0]


@wrong("arity")
class ReturnsTheLossWithoutLabels(Net):
    def loss(self, X, y=None):
        return super().loss(X, np.zeros(len(X), int) if y is None else y)


@wrong("transposed")
class ScoresInColumns(Net):
    def loss(self, X, y=None):
        return super().loss(X, y).T if y is None else super().loss(X, y)


@wrong("ignores-params")
class KeepsItsOwnWeights(Net):
    def __init__(self, **options):
        super().__init__(**options)
        self.own = self.params
        self.params = dict(self.own)

    def loss(self, X, y=None):
        shown, self.params = self.params, self.own
        try:
            return super().loss(X, y)
        finally:
            self.params = shown


@wrong("random-in-test-mode", dropout=0.5)
class DropsInTestMode(Net):
    def mode(self, y):
        return "train"


@wrong("depends-on-batch", batchnorm=True)
class NormalizesWithTheBatchInTestMode(Net):
    def mode(self, y):
        return "train"


@wrong("trains-in-test-mode", batchnorm=True)
class TrainsInTestModeWithBatchNorm(Net):
    def __init__(self, **options):
        super().__init__(**options)
        for param in self.bn_params:
            param.update(running_mean=np.zeros(12), running_var=np.ones(12))

    def mode(self, y):
        return "test"


@wrong("trains-in-test-mode", dropout=0.5)
class TrainsInTestModeWithDropout(Net):
    def mode(self, y):
        return "test"


@wrong("mode-stuck", dropout=0.5)
class StaysInTestMode(Net):
    def mode(self, y):
        return "test" if y is None else self.dropout_param["mode"]


@wrong("batch-of-one")
class Squeezes(Net):
    def scores(self, hidden):
        return super().scores(hidden).squeeze()


@wrong("summed")
class SumsOverTheBatch(Net):
    def data_loss(self, scores, y):
        loss, dscores = super().data_loss(scores, y)
        return len(y) * loss, len(y) * dscores


@wrong("wrong-axis")
class SoftmaxOverTheExamples(Net):
    def data_loss(self, scores, y):
        p = np.exp(scores) / np.exp(scores).sum(axis=0)
        n = np.arange(len(y))
        loss = -np.mean(np.log(p[n, y]))
        p[n, y] -= 1
        return loss, p / len(y)


@wrong("correct-class-counted")
class CountsTheCorrectClass(Net):
    def data_loss(self, scores, y):
        n = np.arange(len(y))
        margins = np.maximum(0, scores - scores[n, y][:, None] + 1)
        ds = (margins > 0) / len(y)
        ds[n, y] -= ds.sum(1)
        return margins.sum() / len(y), ds


@wrong("overflow")
class Overflows(Net):
    def data_loss(self, scores, y):
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        n = np.arange(len(y))
        loss = -np.mean(np.log(p[n, y]))
        p[n, y] -= 1
        return loss, p / len(y)


@wrong("relu-on-scores")
class ReluAfterTheLastLayer(Net):
    def data_loss(self, scores, y):
        loss, dscores = super().data_loss(np.maximum(scores, 0), y)
        return loss, dscores * (scores > 0)


@wrong("labels")
class LabelsFromOne(Net):
    def data_loss(self, scores, y):
        return super().data_loss(scores, y - 1)


@wrong("reg-half")
class ForgetsTheHalf(Net):
    def penalty(self):
        return 2 * super().penalty()

    def penalty_gradient(self, grads):
        for k in (1, 2, 3):
            grads[f"W{k}"] += 2 * self.reg * self.params[f"W{k}"]


@wrong("reg-on-biases")
class RegularizesBiases(Net):
    def penalty(self):
        return 0.5 * self.reg * sum(np.sum(p**2) for p in self.params.values())


@wrong("reg-on-gamma-beta", batchnorm=True)
class RegularizesGammaToo(Net):
    def penalty(self):
        names = [name for name in self.params if name[0] != "b" or name[:2] == "be"]
        return 0.5 * self.reg * sum(np.sum(self.params[name] ** 2) for name in names)


@wrong("reg-misses-a-layer")
class RegularizesAllButTheLast(Net):
    def penalty(self):
        return 0.5 * self.reg * sum(np.sum(self.params[f"W{k}"] ** 2) for k in (1, 2))


@wrong("reg-missing")
class NoPenalty(Net):
    def penalty(self):
        return 0


@wrong("reg-not-squared")
class TakesTheNorm(Net):
    def penalty(self):
        return (
            0.5
            * self.reg
            * sum(np.linalg.norm(self.params[f"W{k}"]) for k in (1, 2, 3))
        )


@wrong("reg-gradient-missing", "grads['W1']")
class PenaltyNotInTheGradient(Net):
    def penalty_gradient(self, grads):
        pass


@wrong("reg-gradient-factor", "grads['W1']")
class PenaltyTwiceInTheGradient(Net):
    def penalty_gradient(self, grads):
        for k in (1, 2, 3):
            grads[f"W{k}"] += 2 * self.reg * self.params[f"W{k}"]


@wrong("dropout-backward", "grads['W1']", dropout=0.6)
class MissesOneDropoutBackward(Net):
    def dropout_backward(self, dout, mask, k):
        return dout if k == 1 else dout * mask


@wrong("dropout-backward", "grads['W2']", dropout=0.6)
class ForgetsToDivideInDropoutBackward(Net):
    def dropout_backward(self, dout, mask, k):
        return dout * (np.asarray(mask) > 0) if k == 2 else dout * mask


@wrong("wrong-input", "grads['W3']")
class TakesThePreactivations(Net):
    def last_layer(self, dscores, hidden, a):
        return {"W3": a.T @ dscores, "b3": dscores.sum(0)}


@wrong("relu-backward", "grads['W2']")
class NoReluBackward(Net):
    def relu_backward(self, dout, a, k):
        return dout if k == 2 else dout * (a > 0)


@wrong("backward-between", "grads['W2']")
class ReluOfTheGradient(Net):
    def relu_backward(self, dout, a, k):
        return np.maximum(dout, 0) if k == 2 else dout * (a > 0)


@wrong("backward-between", "grads['W2']", batchnorm=True)
class BatchNormBackwardWithoutThePathOfTheMean(Net):
    def bn_backward(self, dout, cache):
        dx, dgamma, dbeta = layers.batchnorm_backward(dout, cache)
        return dx + 0.1 * dout, dgamma, dbeta


@wrong("backward-between", "grads['W2']")
class GoesBackThroughTheWrongMatrix(Net):
    def into_hidden(self, dscores):
        return dscores @ np.abs(self.params["W3"]).T


@wrong("factor", "grads['W1']")
class DividesTwice(Net):
    def dW(self, inputs, dout, k):
        return inputs.T @ dout / (len(inputs) if k == 1 else 1)


@wrong("factor", "grads['W3']")
class ForgetsTheMeanInTheGradient(Net):
    def data_loss(self, scores, y):
        loss, dscores = super().data_loss(scores, y)
        return loss, dscores * len(y)


@wrong("loss-gradient", "grads['W3']")
class ForgetsTheCorrectClass(Net):
    def data_loss(self, scores, y):
        loss, dscores = super().data_loss(scores, y)
        dscores[np.arange(len(y)), y] += 1 / len(y)
        return loss, dscores


@wrong("exchanged", "grads['b2']")
class ExchangesBiases(Net):
    def loss(self, X, y=None):
        if y is None:
            return super().loss(X)
        loss, grads = super().loss(X, y)
        grads["b1"], grads["b2"] = grads["b2"], grads["b1"]
        return loss, grads


@wrong("sign", "grads['b1']")
class WrongSignOfABias(Net):
    def db(self, dout, k):
        return -dout.sum(0) if k == 1 else dout.sum(0)


@wrong("zeros", "grads['W1']")
class NeverFillsAGradient(Net):
    def dW(self, inputs, dout, k):
        return 0 * (inputs.T @ dout) if k == 1 else inputs.T @ dout


@wrong("aliasing")
class FillsOneArray(Net):
    def loss(self, X, y=None):
        if y is None:
            return super().loss(X)
        loss, grads = super().loss(X, y)
        self.kept = getattr(self, "kept", grads)
        for name in grads:
            self.kept[name][...] = grads[name]
        return loss, self.kept


@wrong("stochastic", dropout=0.6)
class DrawsFromNowhere(Net):
    def dropout(self, hidden, k):
        if self.dropout_param["mode"] == "test":
            return hidden, 1.0
        mask = (np.random.default_rng().random(hidden.shape) < 0.6) / 0.6
        return hidden * mask, mask


@wrong("does-not-learn")
class LosesWhatItSees(Net):
    def __init__(self):
        super().__init__(C=10)

    def dropout(self, hidden, k):
        return 0 * hidden, 0.0


@wrong("exception")
class Raises(Net):
    def db(self, dout, k):
        return dout.summ(0)


@wrong("not-finite")
class DividesByZero(Net):
    def db(self, dout, k):
        return dout.sum(0) / 0


@pytest.mark.parametrize(("cls", "options", "cause", "output"), WRONG)
def test_a_wrong_network_is_caught_and_its_cause_named(cls, options, cause, output):
    model = cls(**options)
    before = copy.deepcopy(model)
    start = time.thread_time()
    result = check_model(model)
    assert not result.passed
    finding = result.findings[0]
    assert finding.cause == cause, result
    assert finding.output == output, result
    assert finding.where
    assert finding.why or cause in ("exception", "arity")
    assert time.thread_time() - start < 6
    same_state(model, before)


def test_there_are_as_many_wrong_networks_as_promised():
    assert len(WRONG) >= 14


# ---- what is told --------------------------------------------------------------------


def test_only_the_gradients_nearest_to_the_scores_are_findings():
    result = check_model(NoReluBackward())
    assert {finding.output for finding in result.findings} == {
        "grads['W2']",
        "grads['b2']",
    }
    assert any("W1, b1" in note for note in result.notes), result


def test_large_initial_weights_are_told():
    model = Net()
    for k in (1, 2, 3):
        model.params[f"W{k}"] *= 100
    result = check_model(model)
    assert result.passed, result
    assert any("too large" in note for note in result.notes), result


def test_small_initial_weights_are_told():
    result = check_model(FC([20] * 6, 15, weight_scale=1e-4, dtype=np.float64))
    assert result.passed, result
    assert any("too small" in note for note in result.notes), result


def test_float64_gradients_of_float32_parameters_are_told():
    model = Net()
    model.params = {k: v.astype(np.float32) for k, v in model.params.items()}
    result = check_model(model)
    assert result.passed, result
    assert any("float32" in note for note in result.notes), result


def test_a_penalty_under_another_name_is_told_and_no_error():
    class Lambda(Net):
        def __init__(self):
            super().__init__()
            self.lam = self.__dict__.pop("reg")

        def penalty(self):
            return (
                0.5
                * self.lam
                * sum(np.sum(self.params[f"W{k}"] ** 2) for k in (1, 2, 3))
            )

        def penalty_gradient(self, grads):
            for k in (1, 2, 3):
                grads[f"W{k}"] += self.lam * self.params[f"W{k}"]

    result = check_model(Lambda())
    assert result.passed, result
    assert any("`reg`" in note for note in result.notes), result


def test_examples_of_ones_own_are_taken():
    r = np.random.default_rng(1)
    X, y = r.standard_normal((20, 6)), r.integers(0, 4, 20)
    kept = X.copy(), y.copy()
    assert check_model(Net(), X, y).passed
    assert np.array_equal(X, kept[0])
    assert np.array_equal(y, kept[1])
    assert check_model(Net(), X).passed
    assert check_model(Net(), X[:4], y[:4]).passed


def test_images_are_tried_where_an_example_has_3072_numbers():
    class Flattens(Net):
        def loss(self, X, y=None):
            N, C, H, W = X.shape
            return super().loss(X, y)

    assert check_model(Flattens(D=3072)).passed


def test_an_exception_is_shown_at_the_readers_own_line():
    result = check_model(Raises())
    assert "dout.summ(0)" in result.findings[0].line


def test_hints_come_in_stages():
    texts = [repr(check_model(ForgetsTheHalf(), hint=k)) for k in (1, 2, 3)]
    assert ["likely why" in text for text in texts] == [False, True, True]
    assert ["formula:" in text for text in texts] == [False, False, True]


# ---- what is left as it was ----------------------------------------------------------


class Stops(Net):
    """Raises at its 30th call, in the middle of the check."""

    def __init__(self, error, **options):
        super().__init__(**options)
        self.params = {k: v.astype(np.float32) for k, v in self.params.items()}
        self.counted, self.error = [], error
        self.own = np.random.default_rng(3)

    def loss(self, X, y=None):
        counted.append(1)
        self.own.random()
        if len(counted) > 30:
            self.params["W1"] += 1
            self.left = "behind"
            raise self.error
        return super().loss(X, y)


counted: list[int] = []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_model_is_restored_after_an_error_in_the_middle(error):
    counted.clear()
    model = Stops(error, batchnorm=True, dropout=0.5)
    model.loss(np.ones((3, 6)), np.array([0, 1, 2]))
    arrays, before = dict(model.params), copy.deepcopy(model)
    state = np.random.get_state()[1].copy()
    if error is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            check_model(model)
    else:
        assert check_model(model).findings[0].cause == "exception"
    assert len(counted) > 30
    same_state(model, before)
    assert all(model.params[name] is arrays[name] for name in arrays)
    assert np.array_equal(state, np.random.get_state()[1])


def test_running_averages_and_random_states_are_left():
    model = FC(
        [20, 30], 15, normalization="batchnorm", dropout_keep_ratio=0.5, seed=2, reg=0.4
    )
    model.loss(np.ones((3, 15)), np.array([0, 1, 2]))
    before, arrays = copy.deepcopy(model), dict(model.params)
    averages = [dict(param) for param in model.bn_params]
    assert check_model(model).passed
    same_state(model, before)
    assert all(model.params[name] is arrays[name] for name in arrays)
    for param, kept in zip(model.bn_params, averages, strict=True):
        assert param["running_mean"] is kept["running_mean"]


def test_what_lies_in_a_closure_is_left_too():
    def make():
        settings = {"mode": "train"}
        net = Linear()
        plain = net.loss

        def loss(X, y=None):
            settings["mode"] = "test" if y is None else "train"
            settings["seen"] = settings.get("seen", 0) + 1
            return plain(X, y)

        net.loss = loss
        return net, settings

    net, settings = make()
    assert check_model(net).passed
    assert settings == {"mode": "train"}


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((object(),), {}, TypeError),
        ((type("M", (), {"params": {"W": [1]}})(),), {}, TypeError),
        ((type("M", (), {"params": {"W": np.ones((2, 2))}})(),), {}, TypeError),
        ((Net(), None, np.ones(3)), {}, ValueError),
        ((Net(), np.ones((4, 6)), np.ones(3)), {}, ValueError),
        ((Net(),), {"hint": 0}, ValueError),
        ((Net(),), {"time_limit": -1}, ValueError),
    ],
)
def test_wrong_arguments_are_refused(arguments, options, error):
    with pytest.raises(error):
        check_model(*arguments, **options)
