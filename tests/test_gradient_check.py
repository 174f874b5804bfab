"""The tool that checks the gradients is itself checked: closed forms, and SciPy's
differences."""

from __future__ import annotations

import numpy as np
import pytest

from nndl.gradient_check import (
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    grad_check_sparse,
    rel_error,
)
from nndl.layers import dropout_forward

# ---- rel_error -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (1.0, 1.0, 0.0),
        (1.0, 3.0, 0.5),
        (-1.0, 1.0, 1.0),
        ([1.0, 2.0], [1.0, 6.0], 0.5),
        (0.0, 1e-9, 0.1),
        (0.0, 0.0, 0.0),
        (1, 3, 0.5),
        (np.float32(1), np.float32(3), 0.5),
    ],
)
def test_relative_error_follows_its_formula(x, y, expected):
    assert rel_error(x, y) == pytest.approx(expected, rel=1e-12)


def test_relative_error_is_that_of_the_worst_entry():
    x = np.linspace(1, 2, 12).reshape(3, 4)
    y = x.copy()
    y[1, 2] *= 3
    assert rel_error(x, y) == pytest.approx(0.5, rel=1e-12)


def test_relative_error_of_arrays_that_only_broadcast_is_refused():
    with pytest.raises(
        ValueError, match=r"`x` and `y` must have one shape.*\(1, 5\).*\(5,\)"
    ):
        rel_error(np.ones((1, 5)), np.ones(5))


def test_relative_error_of_empty_arrays_is_0():
    assert rel_error(np.ones((0, 3)), np.ones((0, 3))) == 0.0


def test_relative_error_with_a_nan_is_nan():
    assert np.isnan(rel_error([1.0, np.nan], [1.0, 2.0]))
    assert np.isnan(rel_error([1.0, 2.0], [np.nan, 2.0]))


def test_relative_error_does_not_wrap_around_in_small_integer_types():
    assert rel_error(np.uint8([100]), np.uint8([200])) == pytest.approx(1 / 3)
    assert rel_error(np.int8([-100]), np.int8([100])) == 1.0


def test_relative_error_takes_booleans_as_0_and_1():
    assert rel_error([True, False], [True, True]) == 1.0


def test_relative_error_is_a_python_float():
    assert type(rel_error(np.ones(3, np.float32), np.ones(3, np.float32))) is float


# ---- eval_numerical_gradient ---------------------------------------------------------


def test_numeric_gradient_equals_a_closed_form():
    x = np.random.default_rng(0).standard_normal((3, 4))
    gradient = eval_numerical_gradient(lambda a: np.sum(a**2 * np.sin(a)), x)
    assert rel_error(gradient, 2 * x * np.sin(x) + x**2 * np.cos(x)) < 1e-8


def test_numeric_gradient_agrees_with_scipy():
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    x = np.random.default_rng(1).standard_normal(7)

    def f(a):
        return float(np.log(np.sum(np.exp(a))) + a[0] * a[3])

    ours = eval_numerical_gradient(f, x)
    # SciPy's difference is one-sided, so its own error is of the order of its step.
    np.testing.assert_allclose(
        ours, optimize.approx_fprime(x, f, 1e-7), rtol=0, atol=1e-6
    )


def test_numeric_gradient_of_a_quadratic_is_exact_for_any_step():
    """A centred difference has no error of second order, so a large `h` shows that it
    is centred."""
    x = np.array([1.0, -2.0, 0.5])
    gradient = eval_numerical_gradient(lambda a: np.sum(a**2), x, h=0.5)
    np.testing.assert_allclose(gradient, 2 * x, rtol=1e-14)


def test_numeric_gradient_sees_changes_through_another_name_of_the_array():
    params = {"w": np.array([1.0, 2.0])}
    gradient = eval_numerical_gradient(lambda _: np.sum(params["w"] ** 2), params["w"])
    np.testing.assert_allclose(gradient, [2, 4], rtol=1e-9)


def test_numeric_gradient_copes_with_a_function_that_returns_a_view_of_its_argument():
    gradient = eval_numerical_gradient(
        lambda a: a[:1].reshape(()), np.array([1.0, 2.0])
    )
    np.testing.assert_allclose(gradient, [1, 0], rtol=1e-9)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, bool])
def test_a_function_may_return_an_integer_that_becomes_smaller(kind):
    """An unsigned one must not wrap around where the larger is subtracted."""
    x = np.array([0.5])
    gradient = eval_numerical_gradient(lambda a: kind(a[0] < 0.5), x, h=0.25)
    np.testing.assert_array_equal(gradient, [-2])
    df = np.ones(1)
    gradient = eval_numerical_gradient_array(
        lambda a: (a < 0.5).astype(kind), x, df, 0.25
    )
    np.testing.assert_array_equal(gradient, [-2])


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (
            None,
            TypeError,
            r"`f\(x\)` must be an array of numbers, but its dtype is object",
        ),
        ("x", TypeError, r"`f\(x\)` must be an array of numbers"),
        (np.ones(2), ValueError, r"`f` must return one number, but .* shape \(2,\)"),
    ],
    ids=["None", "text", "array"],
)
def test_a_function_that_returns_no_number_is_named(value, kind, message):
    for check in (
        lambda: eval_numerical_gradient(lambda a: value, np.ones(1)),
        lambda: grad_check_sparse(lambda a: value, np.ones(1), np.ones(1), rng=0),
    ):
        with pytest.raises(kind, match=message):
            check()


@pytest.mark.parametrize(
    "x",
    [
        np.float64([[1, 2], [3, 4]]),
        np.asfortranarray(np.float64([[1, 2], [3, 4]])),
        np.arange(8.0).reshape(2, 4)[:, ::2],
        np.array([1.0, 2.0], ">f8"),
        np.array(2.0),
        np.zeros((0, 3)),
    ],
    ids=["c", "fortran", "strided", "big-endian", "0-d", "empty"],
)
def test_numeric_gradient_works_on_any_layout_and_leaves_the_array_as_it_was(x, frozen):
    before = frozen(x)
    gradient = eval_numerical_gradient(lambda a: np.sum(a**3), x)
    assert gradient.shape == x.shape
    np.testing.assert_allclose(gradient, 3 * x**2, rtol=1e-8, atol=1e-9)
    assert frozen(x) == before


def test_the_array_is_restored_when_the_function_raises():
    x = np.array([1.0, 2.0])

    def f(a):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        eval_numerical_gradient(f, x)
    assert x.tolist() == [1.0, 2.0]


def test_only_verbose_prints_each_entry(capsys):
    x = np.ones((2, 2))
    eval_numerical_gradient(np.sum, x)
    assert capsys.readouterr().out == ""
    eval_numerical_gradient(np.sum, x, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("(0, 0) ")
    assert float(lines[3].removeprefix("(1, 1) ")) == pytest.approx(1)


# ---- eval_numerical_gradient_array ---------------------------------------------------


def test_numeric_gradient_through_an_array_equals_the_jacobian_product():
    rng = np.random.default_rng(2)
    x, A, df = (
        rng.standard_normal(4),
        rng.standard_normal((3, 4)),
        rng.standard_normal(3),
    )
    gradient = eval_numerical_gradient_array(lambda a: np.tanh(A @ a), x, df)
    assert rel_error(gradient, A.T @ (df * (1 - np.tanh(A @ x) ** 2))) < 1e-8


def test_numeric_gradient_through_an_array_agrees_with_scipy():
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    rng = np.random.default_rng(3)
    x, df = rng.standard_normal(5), rng.standard_normal((5, 5))

    def f(a):
        return np.exp(np.outer(a, a) / 5)

    ours = eval_numerical_gradient_array(f, x, df)
    theirs = optimize.approx_fprime(x, lambda a: float(np.sum(f(a) * df)), 1e-7)
    # SciPy's difference is one-sided, so its own error is of the order of its step.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "f",
    [
        lambda a: a,
        lambda a: a.reshape(-1),
        lambda a: a.T,
        lambda a: dropout_forward(a, {"mode": "test", "p": 0.5})[0],
    ],
    ids=["identity", "reshape", "transpose", "dropout in test mode"],
)
def test_numeric_gradient_of_a_function_that_returns_its_argument_is_df(f):
    """Its value must be copied before the argument is put back, or the difference is
    0."""
    x = np.random.default_rng(4).standard_normal((3, 2))
    df = np.arange(1.0, 7.0).reshape(3, 2)
    gradient = eval_numerical_gradient_array(f, x, f(df))
    np.testing.assert_allclose(gradient, df, rtol=1e-9)


def test_numeric_gradient_copes_with_a_function_that_reuses_its_output_array():
    out = np.empty(3)
    x = np.array([1.0, 2.0, 3.0])
    gradient = eval_numerical_gradient_array(
        lambda a: np.multiply(a, 2, out=out), x, np.ones(3)
    )
    np.testing.assert_allclose(gradient, [2, 2, 2], rtol=1e-9)


def test_numeric_gradient_accepts_a_number_as_the_value_and_its_gradient():
    gradient = eval_numerical_gradient_array(
        lambda a: float(np.sum(a**2)), np.ones(3), 2.0
    )
    np.testing.assert_allclose(gradient, [4, 4, 4], rtol=1e-9)


def test_numeric_gradient_refuses_df_of_another_shape():
    with pytest.raises(
        ValueError, match=r"`df` must have the shape of f\(x\), \(3,\), but its .*\(\)"
    ):
        eval_numerical_gradient_array(lambda a: 2 * a, np.ones(3), 1.0)


# ---- grad_check_sparse ---------------------------------------------------------------


def test_sparse_check_returns_the_worst_relative_error_and_prints_every_draw(capsys):
    x = np.random.default_rng(5).standard_normal((4, 5))
    assert (
        grad_check_sparse(lambda a: np.sum(a**2), x, 2 * x, num_checks=7, rng=0) < 1e-8
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert all("numerical:" in line and "relative error:" in line for line in lines)


def test_sparse_check_finds_a_wrong_gradient():
    x = np.array([1.0])
    assert grad_check_sparse(lambda a: np.sum(a**2), x, 6 * x, rng=0) == pytest.approx(
        0.5
    )


def test_sparse_check_does_not_pass_a_gradient_that_is_not_a_number():
    x = np.ones(3)
    assert not grad_check_sparse(np.sum, x, np.full(3, np.nan), rng=0) < 1e-3


def test_sparse_check_draws_the_same_entries_for_the_same_seed(capsys):
    x = np.arange(50.0)
    outputs = []
    for seed in (0, 0, 1):
        grad_check_sparse(lambda a: np.sum(a**2), x, 2 * x, rng=seed)
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert outputs[0] != outputs[2]


def test_sparse_check_follows_numpys_global_state_without_a_generator(capsys):
    x = np.arange(50.0)
    outputs = []
    for _ in range(2):
        np.random.seed(3)
        grad_check_sparse(lambda a: np.sum(a**2), x, 2 * x)
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_sparse_check_accepts_the_gradient_as_a_list():
    assert grad_check_sparse(np.sum, np.ones(2), [1.0, 1.0], rng=0) < 1e-9


def test_sparse_check_works_on_a_single_number():
    assert (
        grad_check_sparse(lambda a: float(a) ** 2, np.array(3.0), np.array(6.0), rng=0)
        < 1e-9
    )


@pytest.mark.parametrize(
    ("x", "gradient", "settings", "message"),
    [
        (
            np.ones(3),
            np.ones((3, 1)),
            {},
            r"`analytic_grad` must have the shape of `x`, \(3,\)",
        ),
        (np.ones((0, 2)), np.ones((0, 2)), {}, "`x` must hold at least one number"),
        (np.ones(3), np.ones(3), {"num_checks": 0}, "`num_checks` must be at least 1"),
    ],
)
def test_sparse_check_refuses_wrong_arguments(x, gradient, settings, message):
    with pytest.raises(ValueError, match=message):
        grad_check_sparse(np.sum, x, gradient, **settings)


# ---- what all three refuse -----------------------------------------------------------

ALL_THREE = {
    "eval_numerical_gradient": lambda x, **settings: eval_numerical_gradient(
        np.sum, x, **settings
    ),
    "eval_numerical_gradient_array": lambda x, **settings: (
        eval_numerical_gradient_array(np.sum, x, 1.0, **settings)
    ),
    "grad_check_sparse": lambda x, **settings: grad_check_sparse(
        np.sum, x, np.ones(np.shape(x)), **settings
    ),
}


@pytest.mark.parametrize("check", ALL_THREE.values(), ids=ALL_THREE)
@pytest.mark.parametrize(
    "x", [np.array([1, 2]), [1.0, 2.0], 1.0, np.array([1j])], ids=repr
)
def test_only_arrays_of_floats_can_be_checked(check, x):
    with pytest.raises(TypeError, match="`x` must be an array of floats"):
        check(x)


@pytest.mark.parametrize("check", ALL_THREE.values(), ids=ALL_THREE)
def test_a_read_only_array_cannot_be_checked(check):
    x = np.ones(2)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="`x` must be writable"):
        check(x)


@pytest.mark.parametrize("check", ALL_THREE.values(), ids=ALL_THREE)
@pytest.mark.parametrize("h", [0, -1e-5, float("nan")])
def test_the_step_must_be_above_0(check, h):
    with pytest.raises(ValueError, match="`h` must be"):
        check(np.ones(2), h=h)
