"""`check_gradients` passes right layers of every kind, and says what is wrong with wrong ones."""

import sys
import time

import numpy as np
import pytest

from nndl import conv_layers, layers
from nndl.check import check_gradients

rng = np.random.default_rng(5)
n = rng.standard_normal
x, w, b = n((4, 3)), n((3, 5)), n(5)
y = np.array([0, 2, 1, 2])


# ---- right ---------------------------------------------------------------------------


def sigmoid(x):
    out = 1 / (1 + np.exp(-x))
    return out, out


def sigmoid_backward(dout, out):
    return dout * out * (1 - out)


def tanh_backward(dout, x):
    return dout * (1 - np.tanh(x) ** 2)


class Tanh:
    """A layer that remembers, without a cache."""

    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


def prelu(x, slope):
    return np.where(x > 0, x, slope * x), (x, slope)


def prelu_backward(dout, cache):
    x, slope = cache
    return dout * np.where(x > 0, 1, slope), np.sum(dout * np.where(x > 0, 0, x))


tanh = Tanh()
RIGHT = {
    "affine": (layers.affine_forward, layers.affine_backward, x, w, b),
    "relu": (layers.relu_forward, layers.relu_backward, x),
    "batch norm": (
        layers.batchnorm_forward, layers.batchnorm_backward, x, n(3), n(3), {"mode": "train"},
    ),
    "layer norm": (layers.layernorm_forward, layers.layernorm_backward, x, n(3), n(3), {}),
    "dropout with a seed": (
        layers.dropout_forward, layers.dropout_backward, x,
        {"mode": "train", "p": 0.6, "seed": 3},
    ),
    "convolution": (
        conv_layers.conv_forward_naive, conv_layers.conv_backward_naive,
        n((2, 2, 5, 4)), n((3, 2, 3, 3)), n(3), {"stride": 1, "pad": 1},
    ),
    "pooling": (
        conv_layers.max_pool_forward_naive, conv_layers.max_pool_backward_naive,
        n((2, 3, 4, 4)), {"pool_height": 2, "pool_width": 2, "stride": 2},
    ),
    "sigmoid": (sigmoid, sigmoid_backward, x),
    "without a cache": (tanh.forward, tanh.backward, x),
    "a slope of shape ()": (prelu, prelu_backward, x, np.array(0.3)),
    "a loss": (lambda s: layers.softmax_loss(s, y), lambda dout, ds: dout * ds, x),
    "a loss with labels": (
        layers.svm_loss, lambda dout, ds: dout * ds, x, y,
    ),
    "None for what is not wanted": (
        layers.affine_forward, lambda dout, c: (None, *layers.affine_backward(dout, c)[1:]),
        x, w, b,
    ),
    "tiny numbers": (sigmoid, sigmoid_backward, 1e-9 * x),
    "huge numbers": (lambda x: (3 * x, None), lambda dout, c: 3 * dout, 1e9 * x),
    "a steep function": (
        lambda x: (np.sin(50 * x), x), lambda dout, x: dout * 50 * np.cos(50 * x), x,
    ),
    "an output far larger than its slope": (
        lambda x: (1e6 + np.sin(x), x), lambda dout, x: dout * np.cos(x), x,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_layer_passes(name):
    start = time.thread_time()
    result = check_gradients(*RIGHT[name])
    assert result.passed, result
    assert not result.notes, result
    assert time.thread_time() - start < 4


@pytest.mark.parametrize("shape", [(50, 40), (300, 200)])
def test_large_arrays_are_checked_along_random_directions(shape):
    start = time.thread_time()
    result = check_gradients(
        layers.affine_forward, layers.affine_backward, n((30, shape[0])), n(shape), n(shape[1])
    )  # fmt: skip
    assert result.passed, result
    assert "dw along random directions" in result.stages[-1].looked_at
    assert time.thread_time() - start < 4


def test_relus_on_large_arrays_pass_in_spite_of_the_kinks_nearby():
    def forward(x, w):
        a = x @ w
        return np.maximum(a, 0), (x, w, a)

    def backward(dout, cache):
        x, w, a = cache
        da = dout * (a > 0)
        return da @ w.T, x.T @ da

    result = check_gradients(forward, backward, n((100, 80)), n((80, 90)))
    assert result.passed, result


# ---- wrong ---------------------------------------------------------------------------


def affine(x, w, b):
    return x @ w + b, (x, w, b)


def last_row_only(dout, cache):
    x, w, b = cache
    for i in range(len(x)):
        dw = np.outer(x[i], dout[i])
    return dout @ w.T, dw, dout.sum(0)


def swapped(dout, cache):
    x, w, b = cache
    return dout @ w.T, dout.sum(0), x.T @ dout


def swapped_twins(dout, cache):
    a, b = cache
    return dout * a, dout * b


def mean_for_sum(dout, cache):
    x, w, b = cache
    return dout @ w.T, x.T @ dout / len(x), dout.sum(0)


def minus(dout, cache):
    x, w, b = cache
    return -dout @ w.T, x.T @ dout, dout.sum(0)


def transposed(dout, cache):
    x, w, b = cache
    return dout @ w.T, dout.T @ x, dout.sum(0)


def bias_not_summed(dout, cache):
    x, w, b = cache
    return dout @ w.T, x.T @ dout, dout


def bias_over_wrong_axis(dout, cache):
    x, w, b = cache
    return dout @ w.T, x.T @ dout, dout.sum(1)


def never_filled(dout, cache):
    x, w, b = cache
    return dout @ w.T, np.zeros_like(w), dout.sum(0)


def no_mean_path(dout, cache):
    xhat, std = cache
    return (dout - xhat * (dout * xhat).mean(0)) / std


def standardize(x):
    std = x.std(0)
    xhat = (x - x.mean(0)) / std
    return xhat, (xhat, std)


def in_place(dout, cache):
    dout *= cache > 0
    return dout


WRONG = {
    "only the last example counts": (
        "not-accumulated", "dw", affine, last_row_only, x, w, b,
    ),
    "two gradients exchanged": ("exchanged", "dw", affine, swapped, x, w, b),
    "two gradients of one shape exchanged": (
        "exchanged", "da", lambda a, b: (a * b, (a, b)), swapped_twins, n((3, 2)), n((3, 2)),
    ),
    "a mean for a sum": ("factor", "dw", affine, mean_for_sum, x, w, b),
    "the wrong sign": ("sign", "dx", affine, minus, x, w, b),
    "transposed": ("transposed", "dw", affine, transposed, x, w, b),
    "transposed and square": (
        "transposed", "dw", affine, transposed, n((4, 3)), n((3, 3)), n(3),
    ),
    "a bias not summed": ("not-reduced", "db", affine, bias_not_summed, x, w, b),
    "a bias over the wrong axis": (
        "wrong-axis", "db", affine, bias_over_wrong_axis, x, w, b,
    ),
    "zeros": ("zeros", "dw", affine, never_filled, x, w, b),
    "a path left out": ("offset", "dx", standardize, no_mean_path, x),
    "dout forgotten": (
        "ignores-dout", "dx", lambda x: (np.tanh(x), x), lambda d, x: 1 - np.tanh(x) ** 2, x,
    ),
    "dout squared": (
        "not-linear", "dx", lambda x: (np.sin(x), x), lambda d, x: d * d * np.cos(x), x,
    ),
    "dout passed on": ("no-derivative", "dx", lambda x: (np.sin(x), x), lambda d, x: d, x),
    "a factor of the derivative left out": (
        "missing-factor", "dx", sigmoid, lambda d, out: d * (1 - out), x,
    ),
    "a factor one too many": (
        "extra-factor", "dx", lambda x: (np.exp(x), x), lambda d, x: d * np.exp(x) * x, x,
    ),
    "one branch wrong": (
        "one-sided", "dx", lambda x: (np.where(x > 0, x, 0.1 * x), x),
        lambda d, x: d * (x > 0), x,
    ),
    "half of x ** 2 left out": (
        "factor", "dx", lambda x: (np.sum(x**2), x), lambda d, x: d * x, x,
    ),
    "NaN": ("not-finite", "dx", lambda x: (x, x), lambda d, x: d * (x - x) / (x - x), x),
    "not even close": (
        "unknown", "dx", lambda x: (np.sin(x), x), lambda d, x: d * (x**3 + 1), x,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_layer_is_caught_and_its_cause_named(name):
    cause, output, *arguments = WRONG[name]
    start = time.thread_time()
    result = check_gradients(*arguments)
    assert [finding.output for finding in result.findings][:1] == [output], result
    assert result.findings[0].cause == cause, result
    assert result.findings[0].read
    assert time.thread_time() - start < 2


TROUBLE = {
    "three things from forward": (
        "arity", lambda x: (x, x, x), lambda d, c: d,
    ),
    "nothing from forward": ("arity", lambda x: None, lambda d, c: d),
    "nothing from backward": ("arity", lambda x: (x, x), lambda d, c: None),
    "a gradient too many": ("arity", lambda x: (x, x), lambda d, c: (d, d)),
    "no cache to take": ("signature", lambda x: x, lambda d, c: d),
    "an exception": ("exception", lambda x: (x, x), lambda d, c: d @ c),
    "integers": ("dtype", lambda x: (np.argmax(x, 1), x), lambda d, c: c),
    "NaN from forward": ("not-finite", lambda x: (np.log(x), x), lambda d, c: d / c),
    "random numbers": (
        "stochastic", lambda x: (x * np.random.rand(*x.shape), x), lambda d, c: d,
    ),
    "an input changed by forward": (
        "modifies-input", lambda x: (np.exp(x, out=x), x), lambda d, c: d * c,
    ),
    "dout changed": ("modifies-input", lambda x: (np.maximum(x, 0), x), in_place),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLE)
def test_what_keeps_a_gradient_from_being_checked_is_told(name):
    cause, forward, backward = TROUBLE[name]
    result = check_gradients(forward, backward, x)
    assert result.findings[0].cause == cause, result


def test_an_exception_is_shown_at_the_readers_own_line():
    def backward(dout, cache):
        return dout.nonsense

    result = check_gradients(lambda x: (x, x), backward, x)
    assert "return dout.nonsense" in result.findings[0].line


def test_a_call_that_does_not_end_is_stopped():
    def backward(dout, cache):
        while True:
            pass

    result = check_gradients(lambda x: (x, x), backward, x, time_limit=0.1)
    assert result.findings[0].cause == "time-limit"


def test_a_forward_pass_that_remembers_is_told_like_a_random_one():
    seen = []

    def forward(x):
        seen.append(1)
        return x * len(seen), len(seen)

    result = check_gradients(forward, lambda dout, k: k * dout, x)
    assert result.findings[0].cause == "stochastic"
    assert "seed" in result.findings[0].why


# ---- large arrays --------------------------------------------------------------------


def test_one_wrong_entry_of_a_large_array_is_found_and_named():
    def backward(dout, cache):
        dx, dw, db = layers.affine_backward(dout, cache)
        dw[17, 23] *= 1.01
        return dx, dw, db

    inputs = n((20, 40)), n((40, 60)), n(60)
    result = check_gradients(layers.affine_forward, backward, *inputs)
    assert [finding.output for finding in result.findings] == ["dw"]
    assert "[17, 23]" in result.findings[0].where, result


@pytest.mark.parametrize(
    ("backward", "cause"),
    [
        (mean_for_sum, "factor"),
        (minus, "sign"),
        (never_filled, "zeros"),
        (transposed, "transposed"),
        (bias_not_summed, "not-reduced"),
    ],
)
def test_causes_are_named_for_large_arrays_too(backward, cause):
    result = check_gradients(affine, backward, n((30, 40)), n((40, 500)), n(500))
    assert result.findings[0].cause == cause, result
    square = check_gradients(affine, backward, n((30, 40)), n((40, 40)), n(40))
    assert square.findings[0].cause == cause, square


def test_a_slow_layer_is_checked_along_few_directions():
    def forward(x):
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        return np.tanh(x), x

    start = time.thread_time()
    result = check_gradients(forward, tanh_backward, n((15, 15)))
    assert result.passed, result
    assert time.thread_time() - start < 4


# ---- kinks ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 4), (30, 40)])
@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_a_kink_is_a_note_and_no_error(shape, at_zero):
    points = np.maximum(n(shape), 0)
    result = check_gradients(
        lambda x: (np.maximum(x, 0), x),
        lambda dout, x: dout * np.where(x == 0, at_zero, x > 0),
        points,
    )
    assert result.passed, result
    assert at_zero == 0.5 or any("kink" in note for note in result.notes), result
    assert not result.notes or "dx` was checked beside" in result.notes[0]


@pytest.mark.parametrize("shape", [(3, 4), (30, 40)])
def test_a_wrong_gradient_does_not_hide_behind_kinks(shape):
    result = check_gradients(
        lambda x: (np.maximum(x, 0), x), lambda dout, x: 0.3 * dout, np.zeros(shape)
    )
    assert not result.passed
    assert result.findings[0].case == "these inputs, moved a little off their kinks"


def test_a_gradient_outside_both_slopes_of_a_kink_is_wrong():
    result = check_gradients(
        lambda x: (np.abs(x), x),
        lambda dout, x: dout * np.where(x == 0, 7, np.sign(x)),
        np.array([-1.0, 0.0, 2.0]),
    )
    assert result.findings[0].cause == "kink"
    assert "[1]" in result.findings[0].where


def test_ties_of_max_pooling_are_kinks():
    pool = {"pool_height": 2, "pool_width": 2, "stride": 2}
    result = check_gradients(
        conv_layers.max_pool_forward_naive, conv_layers.max_pool_backward_naive,
        np.round(n((2, 2, 4, 4))), pool,
    )  # fmt: skip
    assert result.passed, result
    assert "kink" in result.notes[0]


def test_jumps_are_told_and_no_error():
    result = check_gradients(
        lambda x: (np.floor(x), x), lambda dout, x: 0 * dout, np.array([0.0, 1.0, 2.5])
    )
    assert result.passed
    assert "jumps" in result.notes[0]


# ---- precision, and what is left as it was -------------------------------------------


def test_float32_inputs_are_converted_and_this_is_noted():
    seen = set()

    def forward(x):
        seen.add(x.dtype.name)
        return np.tanh(x), x

    result = check_gradients(forward, tanh_backward, x.astype("float32"))
    assert result.passed
    assert seen == {"float64"}
    assert "float64" in result.notes[0]


def test_a_layer_that_computes_in_float32_passes_with_a_note():
    result = check_gradients(
        lambda x: (np.tanh(x.astype(np.float32)), x),
        tanh_backward,
        x,
    )
    assert result.passed, result
    assert "float32" in result.notes[0]
    result = check_gradients(
        lambda x: (np.tanh(x.astype(np.float32)).astype(float), x),
        lambda dout, x: 1.1 * dout * (1 - np.tanh(x) ** 2),
        x,
    )
    assert not result.passed


def test_inputs_and_settings_are_left_as_they_were():
    inputs = (x.copy(), n(3), n(3), {"mode": "train", "running_mean": np.zeros(3)})
    before = [np.copy(one) for one in inputs[:3]]
    check_gradients(layers.batchnorm_forward, layers.batchnorm_backward, *inputs)
    assert all(np.array_equal(a, b) for a, b in zip(inputs, before, strict=False))
    assert not inputs[3]["running_mean"].any()


def test_what_a_layer_prints_is_shown_once(capsys):
    def forward(x):
        print("here")
        return x, None

    check_gradients(forward, lambda dout, cache: dout, x)
    assert capsys.readouterr().out == "here\n"


def test_a_check_ends_under_a_debugger():
    before = sys.gettrace()
    sys.settrace(lambda *arguments: None)
    try:
        assert check_gradients(sigmoid, sigmoid_backward, x).passed
    finally:
        sys.settrace(before)


def test_hints_come_in_stages():
    texts = [repr(check_gradients(affine, minus, x, w, b, hint=k)) for k in (1, 2, 3)]
    assert ["likely why" in text for text in texts] == [False, True, True]
    assert ["formula:" in text for text in texts] == [False, False, True]


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((1, sigmoid_backward, x), {}, TypeError),
        ((sigmoid, None, x), {}, TypeError),
        ((sigmoid, sigmoid_backward), {}, ValueError),
        ((sigmoid, sigmoid_backward, y), {}, ValueError),
        ((sigmoid, sigmoid_backward, x), {"hint": 4}, ValueError),
        ((sigmoid, sigmoid_backward, x), {"time_limit": 0}, ValueError),
    ],
)
def test_wrong_arguments_are_refused(arguments, options, error):
    with pytest.raises(error):
        check_gradients(*arguments, **options)
