"""`nndl.check.check`: how a check goes, what it tells, and what it does not hold against a
reader. The catalogue holds which mistakes it knows."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import time

import numpy as np
import pytest

from nndl import layers
from nndl.check import CheckFailed, check, specifications
from nndl.check._calls import OutOfTime, time_limit

ALL = specifications.all_specifications()


def batchnorm_forward(x, gamma, beta, bn_param):
    """A student's own, with a cache of its own layout."""
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    zeros = np.zeros(x.shape[1], x.dtype)
    mean, var = (
        bn_param.get("running_mean", zeros),
        bn_param.get("running_var", zeros),
    )
    if bn_param["mode"] == "train":
        now = x.mean(axis=0), x.var(axis=0)
        bn_param["running_mean"] = momentum * mean + (1 - momentum) * now[0]
        bn_param["running_var"] = momentum * var + (1 - momentum) * now[1]
        mean, var = now
    root = np.sqrt(var + eps)
    out = gamma * (x - mean) / root + beta
    return out, {"centred": x - mean, "root": root, "gamma": gamma}


def batchnorm_backward(dout, cache):
    xhat, root = cache["centred"] / cache["root"], cache["root"]
    dbeta, dgamma = dout.sum(axis=0), (dout * xhat).sum(axis=0)
    dx = cache["gamma"] / root * (dout - dbeta / len(dout) - xhat * dgamma / len(dout))
    return dx, dgamma, dbeta


# ---- every function of the book ------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_books_own_functions_pass(name):
    start = time.thread_time()
    result = check(ALL[name].reference, name)
    assert result.passed, result
    assert time.thread_time() - start < 2
    assert {stage.status for stage in result.stages} == {"passed"}


# ---- whose cache ---------------------------------------------------------------------


def test_a_backward_pass_is_given_the_readers_own_cache():
    result = check(batchnorm_backward)
    assert result.passed, result
    assert "cache" in [stage.name for stage in result.stages]
    assert not result.notes


def test_the_forward_pass_may_be_named():
    def theirs(dout, cache):
        return batchnorm_backward(dout, cache[0])

    def made(x, gamma, beta, bn_param):
        out, cache = batchnorm_forward(x, gamma, beta, bn_param)
        return out, [cache]

    assert check(theirs, "batchnorm_backward", forward=made).passed


def test_without_a_forward_pass_the_books_cache_is_used_and_said_to_be():
    alone: dict = {}
    exec("def batchnorm_backward(dout, cache):\n    a, b = cache", alone)
    (finding,) = (result := check(alone["batchnorm_backward"])).findings
    assert "There is no batchnorm_forward beside it" in result.notes[0]
    assert finding.cause == "exception"
    assert "forward=" in finding.why


def test_a_wrong_forward_pass_is_told_before_the_backward_pass_is_judged():
    def made(x, gamma, beta, bn_param):
        out, cache = batchnorm_forward(x, gamma, beta, bn_param)
        return 2 * out, cache

    (finding,) = check(batchnorm_backward, forward=made).findings
    assert (finding.stage, finding.cause) == ("cache", "forward")
    assert "Check batchnorm_forward first" in finding.why


# ---- the stages ----------------------------------------------------------------------


def relu(change):
    """Return a ReLU with something wrong, which `change` does."""

    def relu_forward(x):
        return change(x, np.maximum(0, x)), x

    return relu_forward


def only_finding(function, *args, **kwargs):
    (finding,) = check(function, *args, **kwargs).findings
    return finding


def test_a_function_that_cannot_be_called_that_way():
    finding = only_finding(lambda x, y, z: x, "relu_forward")
    assert (finding.stage, finding.cause) == ("signature", "signature")
    assert "(x, y, z)" in finding.where


def test_an_exception_is_shown_at_the_readers_own_line():
    def relu_forward(x):
        return np.concatenate([x, x[0]], axis=7), x

    finding = only_finding(relu_forward)
    assert (finding.stage, finding.cause) == ("call", "exception")
    assert "AxisError" in finding.where
    assert finding.line.endswith("return np.concatenate([x, x[0]], axis=7), x")


@pytest.mark.parametrize("leave", [SystemExit(3), ValueError()])
def test_neither_exit_nor_a_wordless_error_escapes(leave):
    def relu_forward(x):
        raise leave

    finding = only_finding(relu_forward)
    assert type(leave).__name__ in finding.where


def test_an_endless_loop_is_stopped_even_if_it_swallows_exceptions():
    def relu_forward(x):
        while True:
            with contextlib.suppress(Exception):
                x = x + 1

    start = time.perf_counter()
    finding = only_finding(relu_forward, time_limit=0.2)
    assert time.perf_counter() - start < 5
    assert (finding.stage, finding.cause) == ("call", "time-limit")
    assert finding.line


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "returned None"),
        (np.ones(3), "returned one ndarray, and must return 2 things: out, cache"),
        ((1, 2, 3), "returned 3 things, and must return 2: out, cache"),
    ],
)
def test_wrong_numbers_of_results(returned, words):
    finding = only_finding(lambda x: returned, "relu_forward")
    assert (finding.stage, finding.cause) == ("call", "arity")
    assert words in finding.where


def test_a_blank_is_called_a_blank():
    def relu_forward(x):
        """To be written."""
        ...

    finding = only_finding(relu_forward)
    assert (finding.stage, finding.cause) == ("call", "blank")


def test_a_tuple_where_one_array_is_due():
    finding = only_finding(lambda dout, cache: (dout, None), "relu_backward")
    assert finding.cause == "arity"
    assert "dx" in finding.where


def test_wrong_shapes_stop_the_check_before_the_values():
    result = check(relu(lambda x, out: out.ravel()[None]))
    assert {finding.stage for finding in result.findings} == {"shapes"}
    assert [s.status for s in result.stages if s.name == "values"] == ["not reached"]


@pytest.mark.parametrize("strange", ["text", 1j, [[1], [1, 2]], object()])
def test_results_that_are_no_arrays_of_numbers(strange):
    finding = only_finding(relu(lambda x, out: strange))
    assert finding.stage == "shapes"


def test_float32_must_stay_float32():
    finding = only_finding(relu(lambda x, out: out.astype("float64")))
    assert (finding.stage, finding.cause) == ("dtype", "dtype")
    assert "float64" in finding.where


def test_an_argument_that_is_changed():
    def relu_forward(x):
        x[x < 0] = 0
        return x, x

    finding = only_finding(relu_forward)
    assert (finding.stage, finding.cause) == ("inputs", "modifies-input")
    assert "`x`" in finding.where


def test_the_forward_passs_input_changed_by_the_backward_pass():
    def relu_backward(dout, cache):
        gone = cache <= 0
        cache[gone] = 0
        return np.where(gone, 0, dout)

    finding = only_finding(relu_backward, forward=layers.relu_forward)
    assert finding.cause == "modifies-input"
    assert "through the cache" in finding.where


def test_an_array_that_every_call_returns_again():
    memory: dict = {}

    def relu_forward(x):
        out = memory.setdefault((x.shape, x.dtype), np.empty_like(x))
        np.maximum(0, x, out=out)
        return out, x

    finding = only_finding(relu_forward)
    assert (finding.stage, finding.cause) == ("inputs", "aliasing")


def test_the_arguments_are_copies_and_the_global_random_state_is_left_alone():
    np.random.seed(5)
    check(batchnorm_backward)
    now = np.random.rand()
    np.random.seed(5)
    assert now == np.random.rand()


def test_what_the_first_call_prints_is_shown_once(capsys):
    def relu_forward(x):
        print("here")
        return np.maximum(0, x), x

    check(relu_forward)
    assert capsys.readouterr().out == "here\n"


# ---- what is told --------------------------------------------------------------------

WRONG = relu(lambda x, out: 2 * out)


def test_the_worst_place_is_named_with_both_values():
    finding = only_finding(WRONG)
    assert finding.output == "out"
    x = ALL["relu_forward"].cases[0].arguments[0]
    worst = np.unravel_index(np.argmax(x), x.shape)
    index = ", ".join(str(i) for i in worst)
    assert f"most at [{index}]: yours is {2 * x.max():.6g}" in finding.where
    assert f"wrong in {(x > 0).sum()} of {x.size} numbers" in finding.where


def test_hints_come_one_after_the_other():
    one, two, three = (repr(check(WRONG, hint=hint)) for hint in (1, 2, 3))
    finding = only_finding(WRONG)
    assert finding.where[:30] in one
    assert "likely why" not in one
    assert "hint=2" in one
    assert "likely why" in two
    assert "formula" not in two.replace("hint=3 shows the formula", "")
    assert "formula:" in three


def test_a_result_serves_programs():
    good, bad = check(batchnorm_backward), check(WRONG)
    good.raise_for_failure()
    with pytest.raises(CheckFailed, match="not yet") as failure:
        bad.raise_for_failure()
    assert isinstance(failure.value, AssertionError)
    told = json.loads(bad.to_json())
    assert told["passed"] is False
    assert told["findings"][0]["cause"] == bad.findings[0].cause
    assert type(bad).from_dict(told) == bad


def test_the_table_of_a_notebook_is_well_formed_and_escaped():
    import xml.etree.ElementTree as ElementTree

    def relu_forward(x):
        raise ValueError("<b>&")

    html = check(relu_forward)._repr_html_()
    ElementTree.fromstring(html.replace("<br>", "<br/>"))
    assert "&lt;b&gt;&amp;" in html


def test_colour_only_where_a_terminal_shows_it(monkeypatch):
    result = check(WRONG)
    assert "\033[" not in str(result)  # the tests' output is no terminal
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033[" in str(result)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033[" not in str(result)
    assert "\033[" not in repr(result)


def test_a_check_tells_the_same_every_time():
    assert repr(check(WRONG)) == repr(check(WRONG))


# ---- the arguments of check ----------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "_naive", "_fast"])
def test_a_name_may_end_as_the_books_variants_do(ending):
    assert specifications.find(f"conv_forward{ending}").name == "conv_forward_naive"


def test_an_unknown_name_is_refused_with_the_likeliest_ones():
    with pytest.raises(ValueError, match="Did you mean batchnorm_forward"):
        check(lambda x: x, "batchnorm_foward")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"function": 3}, TypeError, "`function` must be a function, but is 3"),
        ({"forward": 3}, TypeError, "`forward` must be a function, but is 3"),
        ({"hint": 4}, ValueError, "`hint` must be 1, 2 or 3, but is 4"),
        ({"hint": 0}, ValueError, "`hint`"),
        ({"hint": 1.5}, TypeError, "`hint`"),
        ({"time_limit": 0}, ValueError, "`time_limit`"),
    ],
)
def test_bad_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        check(**({"function": batchnorm_forward} | arguments))


# ---- the time limit ------------------------------------------------------------------


def test_the_time_limit_holds_in_any_thread_and_leaves_nothing_behind():
    ended = []

    def body():
        try:
            with time_limit(0.1):
                while True:
                    pass
        except OutOfTime:
            ended.append(True)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(10)
    assert ended == [True]
    with time_limit(0.1):
        pass
    time.sleep(0.3)  # nothing is raised later


# ---- strange functions and strange results -------------------------------------------


class NoArray:
    """Says that it is an array, and is none; cannot be copied either."""

    def __array__(self, *args, **kwargs):
        raise RuntimeError

    def __deepcopy__(self, memo):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "strange",
    [NoArray(), (i for i in "ab"), np.array([None, 1]), np.datetime64("2020")],
)
def test_what_is_no_array_is_named_for_what_it_is(strange):
    finding = only_finding(relu(lambda x, out: strange))
    assert (finding.stage, finding.cause) == ("shapes", "not-an-array")
    assert type(strange).__name__ in finding.where or "dtype object" in finding.where


def test_an_array_far_too_large_is_not_copied():
    finding = only_finding(relu(lambda x, out: np.broadcast_to(1.0, (10**5, 10**5))))
    assert (finding.stage, finding.cause) == ("call", "far-too-large")


@pytest.mark.parametrize(
    "strange",
    [np.matrix, np.ma.array, np.asfortranarray, lambda out: out[::-1][::-1]],
)
def test_other_kinds_of_arrays_are_taken_for_their_numbers(strange):
    def affine_forward(x, w, b):
        return strange(x.reshape(len(x), -1) @ w + b), None

    assert check(affine_forward).passed


def test_a_loss_may_be_an_array_without_axes():
    def softmax_loss(x, y):
        loss, dx = layers.softmax_loss(x, y)
        return np.array(loss), dx

    assert check(softmax_loss).passed


class Wordless(BaseException):
    def __str__(self):
        raise ValueError


@pytest.mark.parametrize("leave", [GeneratorExit(), Wordless(), MemoryError()])
def test_whatever_is_raised_is_told(leave):
    def relu_forward(x):
        raise leave

    finding = only_finding(relu_forward)
    assert finding.cause == "exception"
    assert type(leave).__name__ in finding.where


def test_the_readers_own_interruption_ends_the_check():
    def relu_forward(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(relu_forward)


def test_a_recursion_without_an_end():
    def relu_forward(x):
        return relu_forward(x)

    finding = only_finding(relu_forward)
    assert "RecursionError" in finding.where
    assert "calls itself" in finding.why


def test_a_generator_or_a_coroutine_is_told_what_makes_it_one():
    def relu_forward(x):
        yield x

    async def coroutine(x):
        return x, x

    assert "`yield`" in only_finding(relu_forward).why
    finding = only_finding(coroutine, "relu_forward")
    assert "`async" in finding.why


class Layer:
    def relu_forward(self, x):
        return np.maximum(0, x), x

    def __call__(self, x):
        return self.nonsense(x)


def test_methods_partial_functions_and_objects_that_can_be_called():
    assert check(Layer().relu_forward).passed
    assert check(functools.partial(Layer.relu_forward, None), "relu_forward").passed
    assert "method" in only_finding(Layer.relu_forward).why
    for function in (Layer(), functools.partial(Layer.__call__, Layer())):
        finding = only_finding(function, "relu_forward")
        assert finding.line.endswith("return self.nonsense(x)")


@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (lambda x, leak=0: (np.maximum(leak * x, x), x), None),
        (lambda x, *, leak=0: (np.maximum(leak * x, x), x), None),
        (lambda *args: (np.maximum(0, args[0]), args), None),
        (lambda x, *, leak: (x, x), "signature"),
        (lambda: None, "signature"),
    ],
)
def test_parameters_of_every_kind(function, cause):
    result = check(function, "relu_forward")
    assert [finding.cause for finding in result.findings] == ([cause] if cause else [])


def test_parameters_in_another_order():
    def affine_backward(cache, dout):
        return layers.affine_backward(dout, cache)

    finding = only_finding(affine_backward)
    assert (finding.stage, finding.cause) == ("signature", "parameter-order")
    assert "(cache, dout)" in finding.where


def test_the_order_of_parameters_with_defaults_counts_too():
    def sgd(dw, w, config=None):
        return w - 0.1 * dw, config

    assert only_finding(sgd).cause == "parameter-order"


def test_a_function_that_remembers_earlier_calls():
    calls: list = []

    def relu_forward(x):
        calls.append(x)
        return np.maximum(0, x) + (len(calls) > len(ALL["relu_forward"].cases) + 1), x

    finding = only_finding(relu_forward)
    assert (finding.stage, finding.cause) == ("inputs", "not-repeatable")


def test_a_cache_may_be_anything_or_nothing():
    def forward(x):
        return np.maximum(0, x), lambda dout: np.where(x > 0, dout, 0)

    assert check(
        lambda dout, cache: cache(dout), "relu_backward", forward=forward
    ).passed
