"""Dropout. Masks are random, and anybody may draw theirs in another way, so what is
compared is what every mask of the right kind has in common.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import erf, sqrt
from typing import Any

import numpy as np

from ... import layers
from .._compare import as_array
from .._specification import (
    EDGE_CASES,
    TEST_MODE,
    VALUES,
    Backward,
    Case,
    Forward,
    Function,
    Mistake,
    Outputs,
    numbers,
)

Array = np.ndarray
Settings = dict[str, Any]
Results = tuple[Any, ...]

# ---- cases ---------------------------------------------------------------------------


def _case(
    name: str, *shape: int, p: float, stage: str = VALUES, mode: str = "train"
) -> Case:
    sizes = {"p": p, "1 - p": 1 - p} | ({"N": shape[0]} if p < 1 else {})
    return Case(name, (numbers(*shape), {"mode": mode, "p": p}), stage, sizes)


#: The mask is looked at in this case alone: on few numbers chance decides too much.
_LARGE = _case("70 examples of 90 features, p = 0.25", 70, 90, p=0.25)

CASES = (
    _case("4 examples of 6 features, p = 0.8", 4, 6, p=0.8),
    _case("3 examples of 8 features, p = 0.4", 3, 8, p=0.4),
    _LARGE,
    _case("5 examples of 7 features, p = 0.4, in test mode", 5, 7, p=0.4, stage=TEST_MODE, mode="test"),
    _case("2 images of shape (3, 4, 5), p = 0.8", 2, 3, 4, 5, p=0.8, stage=EDGE_CASES),
    _case("p = 1, which keeps every unit", 3, 4, p=1.0, stage=EDGE_CASES),
)  # fmt: skip

# ---- what is compared ----------------------------------------------------------------

_NOT_LOOKED_AT = float("nan")
_FACTOR, _FACTORS = "factor", "several factors"
_KEPT, _IN_TEST = "share kept", "dropped in test mode"
_ROWS, _COLUMNS = "masks of examples", "masks of features"
_SEED, _SEEDS, _NO_SEED = "one seed", "two seeds", "no seed"
_LOST, _LET_THROUGH = "gradients lost", "gradients let through"
_FACTOR_OF_DX, _FACTORS_OF_DX = (
    "factor of the gradient",
    "several factors of the gradient",
)

_FORWARD_OUTPUTS = (
    _FACTORS, _FACTOR, _IN_TEST, "out", _ROWS, _COLUMNS, _KEPT, _NO_SEED, _SEED, _SEEDS,
)  # fmt: skip
_BACKWARD_OUTPUTS = _FACTORS_OF_DX, _FACTOR_OF_DX, "dx", _LOST, _LET_THROUGH

_WORDING = {
    _KEPT: "{got:.0%} of the units are kept; it should be about {expected:.0%}",
    _FACTORS: "kept units are not all x times the same number",
    _FACTORS_OF_DX: "gradients of kept units are not all `dout` times the same number",
    _FACTOR: "kept units are x times {got:.4g}; they should be x times {expected:.4g}",
    _FACTOR_OF_DX: "gradients of kept units are `dout` times {got:.4g}; they should be `dout` times "
    "{expected:.4g}",
    _IN_TEST: "units are 0 in test mode",
    _ROWS: "the mask has {expected:.0f} rows, but no more than {got:.0f} different",
    _COLUMNS: "the mask has {expected:.0f} columns, but no more than {got:.0f} different",
    _SEED: "two calls with the same dropout_param['seed'] drop different units",
    _SEEDS: "two calls with different dropout_param['seed'] drop the same units",
    _NO_SEED: "two calls without a seed drop the same units",
    _LOST: "of the units that were kept, {got:.0%} have a gradient of 0; none should",
    _LET_THROUGH: "of the units that were dropped, {got:.0%} have a gradient; none should",
}


def _nearest(share: float, p: float) -> float:
    """Return which of the shares that may be meant this one is; itself if it is none.

    Of 6300 units, the share kept lies within 0.04 of the right one but for one time in
    10**12.
    """
    below = 0.5 * (1 + erf(p / sqrt(2)))  # of normal numbers
    meant = (0, 1, p, 1 - p, p * p, below, 1 - below)
    near = [one for one in meant if abs(one - share) < 0.04]
    return min(near, key=lambda one: abs(one - share)) if near else round(share, 1)


@contextlib.contextmanager
def _random_state_restored() -> Iterator[None]:
    """Leave NumPy's global state of random numbers as it was."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)


@dataclass(frozen=True)
class DropoutForward(Forward):
    """Dropout's forward pass: the values of kept units, how many are kept, and whether
    they are drawn anew when they must be.
    """

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        x, settings = case.fresh()
        seen: Outputs = dict.fromkeys(_FORWARD_OUTPUTS, _NOT_LOOKED_AT)
        with _random_state_restored():
            seen["out"] = out = function(x, settings)[0]
            array, x = as_array(out), case.arguments[0]
            if array is None or array.shape != x.shape or not np.isfinite(array).all():
                return seen
            if settings["mode"] == "test":
                return seen | _in_test_mode(array, x)
            if settings["p"] < 1:
                several, factor = _factors(array, x, settings["p"])
                seen |= {
                    _FACTORS: several,
                    _FACTOR: factor,
                    "out": x.astype(array.dtype),
                }
            if case.name.startswith(_LARGE.name):
                seen |= _drawing(function, array != 0, case)
        return seen


def _in_test_mode(out: Array, x: Array) -> Outputs:
    dropped = bool((out == 0).any() and out.any())
    return {_IN_TEST: float(dropped), "out": x.astype(out.dtype) if dropped else out}


def _factors(
    got: Array, given: Array, p: float, other: Array | None = None
) -> tuple[float, float]:
    """Return what the numbers of `got` that are not 0 are multiples of, 0 for `given`; and
    the factor, the right one where it cannot be told."""
    there, right = got != 0, 1 / p
    if not there.any():
        return 0.0, right
    for code, base in enumerate((given, np.ones_like(got), other)):
        if base is not None:
            ratio = got[there] / base[there]
            if np.allclose(ratio, ratio[:1], 1e-3):
                return float(code), float(ratio.mean()) if code == 0 else right
    return 9.0, right


def _drawing(function: Function, mask: Array, case: Case) -> Outputs:
    """Return how many units are kept, whether each is drawn by itself, and whether calls
    differ."""

    def kept(seed: int | None = None) -> Array:
        x, settings = case.fresh()
        if seed is not None:
            settings["seed"] = seed
        again: Array = np.array(function(x, settings)[0]) != 0
        return again

    rows, columns, p = *mask.shape, case.sizes["p"]
    share = float(mask.mean())
    seen: Outputs = {_ROWS: float(rows), _COLUMNS: float(columns), _KEPT: p}
    if share not in (0, 1):
        seen[_ROWS] = float(len(np.unique(mask, axis=0)))
        seen[_COLUMNS] = float(len(np.unique(mask, axis=1).T))
    if (seen[_ROWS], seen[_COLUMNS]) == (rows, columns):  # else there were few draws
        seen[_KEPT] = _nearest(share, p)
    constant = share in (0, 1)
    seen[_NO_SEED] = float(not constant and np.array_equal(kept(), kept()))
    seen[_SEED] = float(not np.array_equal(kept(7), kept(7)))
    seen[_SEEDS] = float(not constant and np.array_equal(kept(7), kept(8)))
    return seen


@dataclass(frozen=True)
class DropoutBackward(Backward):
    """Dropout's backward pass: the gradients of kept units, and that these are the
    units that the forward pass kept.
    """

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        assert forward is not None
        with _random_state_restored():
            arguments = case.fresh()
            p, mode = arguments[1]["p"], arguments[1]["mode"]
            out, cache = forward(*arguments)
            kept = np.array(out) != 0
            forward(*case.fresh())  # a later call must leave an earlier cache alone
            dout = numbers(*kept.shape, seed=1).astype(arguments[0].dtype)
            dx = function(dout, cache)
            self._note_changes(function, arguments, case)
        array = as_array(dx)
        seen: Outputs = dict.fromkeys(_BACKWARD_OUTPUTS, _NOT_LOOKED_AT)
        seen["dx"] = dx
        if array is None or array.shape != kept.shape or not np.isfinite(array).all():
            return seen
        # The courses' own layers give float64 here: their mask is of that type.
        seen["dx"] = array = array.astype(arguments[0].dtype)
        if mode == "train" and p < 1:
            x = case.arguments[0]
            several, factor = _factors(array * kept, dout, p, dout * x)
            seen |= {_FACTORS_OF_DX: several, _FACTOR_OF_DX: factor, "dx": dout}
        if case.name.startswith(_LARGE.name) and 0 < kept.mean() < 1:
            seen[_LOST] = _nearest(float((array[kept] == 0).mean()), p)
            seen[_LET_THROUGH] = _nearest(float((array[~kept] != 0).mean()), p)
        return seen


# ---- forward -------------------------------------------------------------------------

Draw = Callable[[tuple[int, ...], float], Any]
Masked = Callable[[Array, Any, float], Any]


def _drawn(shape: tuple[int, ...], p: float) -> Any:
    return np.random.rand(*shape) < p


def _one_for_all(shape: tuple[int, ...], p: float) -> Any:
    return np.random.rand(*shape[1:]) < p


def _one_for_each_row(shape: tuple[int, ...], p: float) -> Any:
    return np.random.rand(shape[0], *[1] * (len(shape) - 1)) < p


def _twin(
    draw: Draw = _drawn,
    apply: Masked = lambda x, mask, p: x * mask / p,
    test: Callable[[Array, float], Any] = lambda x, p: x,
    seeded: bool = True,
    always: int | None = None,
) -> Any:
    """Return a twin of dropout_forward with another mask, another use of it or another
    test mode."""

    def twin(x: Array, dropout_param: Settings) -> Results:
        mode, p = dropout_param["mode"], dropout_param["p"]
        seed = dropout_param.get("seed", always) if always is None else always
        if mode == "test":
            return np.asarray(test(x, p)).astype(x.dtype), (dropout_param, None)
        if seed is not None and seeded:
            np.random.seed(seed)
        out = apply(x, draw(x.shape, p), p)
        return np.asarray(out).astype(x.dtype), (dropout_param, None)

    return twin


def _dropped_in_test_mode(x: Array, dropout_param: Settings) -> Results:
    return layers.dropout_forward(x, dropout_param | {"mode": "train"})


_P_IS_KEEPING = "p is the probability of KEEPING a unit here"
_OUT = "out = x * mask / p in training, where mask is 1 with probability p, else 0\nout = x in test mode"

FORWARD = DropoutForward(
    "dropout_forward",
    ("x", "dropout_param"),
    ("out", "cache"),
    layers.dropout_forward,
    CASES,
    (
        Mistake(
            "not-divided-by-p",
            "The kept units were not divided by p: without that the mean of the output is only p times "
            "that of x.",
            _twin(apply=lambda x, mask, p: x * mask),
        ),
        Mistake(
            "p-for-dropping",
            f"p was taken for the probability of dropping; {_P_IS_KEEPING}, and kept units are divided "
            "by it.",
            _twin(lambda shape, p: _drawn(shape, 1 - p), lambda x, mask, p: x * mask / (1 - p)),
        ),
        Mistake(
            "p-for-dropping",
            f"The comparison is the wrong way round: {_P_IS_KEEPING}, so a unit stays where its random "
            "number is below p.",
            _twin(lambda shape, p: np.random.rand(*shape) > p),
        ),
        Mistake(
            "divided-by-1-p",
            f"The kept units were divided by 1 - p; {_P_IS_KEEPING}, so divide by p.",
            _twin(apply=lambda x, mask, p: x * mask / (1 - p)),
        ),
        Mistake(
            "p-for-dropping",
            f"p was taken for the probability of dropping; {_P_IS_KEEPING}. The division by p is "
            "missing as well.",
            _twin(lambda shape, p: _drawn(shape, 1 - p), lambda x, mask, p: x * mask),
        ),
        Mistake(
            "scaled-at-test-time",
            "This is the older dropout, which multiplies by p in test mode; the book's divides by p in "
            "training, and test mode is the identity.",
            _twin(apply=lambda x, mask, p: x * mask, test=lambda x, p: x * p),
        ),
        Mistake(
            "multiplied-by-p",
            "The kept units were multiplied by p; they are divided by it.",
            _twin(apply=lambda x, mask, p: x * mask * p),
        ),
        Mistake(
            "divided-twice",
            "The kept units were divided by p twice: once with the mask and once again.",
            _twin(apply=lambda x, mask, p: x * mask / p**2),
        ),
        Mistake(
            "randn",
            "The mask was drawn with randn, from the normal distribution; it takes rand, uniform from "
            "0 to 1, to be below p with probability p.",
            _twin(lambda shape, p: np.random.randn(*shape) < p),
        ),
        Mistake(
            "randn",
            "The mask was drawn with randn, from the normal distribution; it takes rand, uniform from "
            "0 to 1, to be below p with probability p (below, not above).",
            _twin(lambda shape, p: np.random.randn(*shape) > p),
        ),
        Mistake(
            "not-compared",
            "Units were multiplied by the random numbers themselves: compare those with p, which gives "
            "a mask of 0 and 1.",
            _twin(lambda shape, p: np.random.rand(*shape)),
        ),
        Mistake(
            "mask-returned",
            "The output is the mask itself: x is still to be multiplied by it.",
            _twin(apply=lambda x, mask, p: mask / p),
        ),
        Mistake(
            "one-mask-for-all",
            "All examples share one mask: draw it in the whole shape of x.",
            _twin(_one_for_all),
        ),
        Mistake(
            "whole-examples",
            "Whole examples are dropped: draw a number for each unit, in the whole shape of x.",
            _twin(_one_for_each_row),
        ),
        Mistake(
            "nothing-dropped",
            "No unit is dropped: the mask has no zeros, or a single random number decides on all units.",
            _twin(lambda shape, p: np.ones(shape)),
        ),
        Mistake(
            "nothing-dropped",
            "In training x comes back as it was: no mask is applied to it.",
            _twin(apply=lambda x, mask, p: x),
        ),
        Mistake(
            "everything-dropped",
            "Every unit is dropped: the mask has nothing but zeros, or a single random number decides "
            "on all units.",
            _twin(lambda shape, p: np.zeros(shape)),
        ),
        Mistake(
            "seed-ignored",
            "dropout_param['seed'] is not used: where it is given, seed the random numbers with it at "
            "every call, so that gradients can be checked.",
            _twin(seeded=False),
        ),
        Mistake(
            "always-seeded",
            "The random numbers are seeded alike at every call, so the mask never changes: seed only if "
            "dropout_param has a seed, and with that.",
            _twin(always=0),
        ),
        Mistake(
            "always-seeded",
            "Without a seed in dropout_param the random numbers must not be seeded: the mask never "
            "changes now.",
            lambda x, param: _twin()(x, {"seed": 0} | param),
        ),
        Mistake(
            "scaled-in-test-mode",
            "Test mode multiplies by p; the division by p in training has made up for that already.",
            _twin(test=lambda x, p: x * p),
        ),
        Mistake(
            "scaled-in-test-mode",
            "Test mode divides by p; that belongs to training alone, where units are missing.",
            _twin(test=lambda x, p: x / p),
        ),
        Mistake(
            "active-in-test-mode",
            "Units are dropped in test mode: there dropout must do nothing at all.",
            _dropped_in_test_mode,
        ),
    ),
    {
        "out": _OUT,
        _KEPT: _OUT,
        _FACTOR: _OUT,
        _FACTORS: _OUT,
        _IN_TEST: _OUT,
        _ROWS: "mask = np.random.rand(*x.shape) < p",
        _COLUMNS: "mask = np.random.rand(*x.shape) < p",
    },
    'chapter 4, section "The code"',
    wording=_WORDING,
)  # fmt: skip

_DX = (
    "dx = dout * mask / p in training, with the mask of the forward pass\n"
    "dx = dout in test mode"
)

# ---- backward ------------------------------------------------------------------------


def _gradient(
    train: Masked, test: Callable[[Array, float], Any] = lambda dout, p: dout
) -> Any:
    """Return a twin of dropout_backward; `train` is given the mask of 0 and 1 / p."""

    def twin(dout: Array, cache: Any) -> Any:
        param, mask = cache[:2]
        if mask is None:
            return test(dout, param["p"])
        return train(dout, mask, param["p"])

    return twin


def _with_x(x: Array, dropout_param: Settings) -> Results:
    out, cache = layers.dropout_forward(x, dropout_param)
    return out, (*cache, x)


def _times_x(dout: Array, cache: Any) -> Any:
    param, mask, x = cache
    return dout if mask is None else dout * x * mask


BACKWARD = DropoutBackward(
    "dropout_backward",
    ("dout", "cache"),
    ("dx",),
    layers.dropout_backward,
    CASES,
    (
        Mistake(
            "divided-again",
            "The gradient was divided by p twice: the forward pass's mask already holds 1 / p.",
            _gradient(lambda dout, mask, p: dout * mask / p),
        ),
        Mistake(
            "not-divided-by-p",
            "The gradient was not divided by p: what the forward pass multiplies a unit by, the "
            "backward pass multiplies its gradient by.",
            _gradient(lambda dout, mask, p: dout * (mask > 0)),
        ),
        Mistake(
            "mask-redrawn",
            "The mask is not that of the forward pass: it was drawn anew, or kept where a later call "
            "overwrites it. Take it from the cache.",
            _gradient(lambda dout, mask, p: dout * _drawn(dout.shape, p) / p),
        ),
        Mistake(
            "mask-forgotten",
            "The mask is missing: a unit that was dropped has no gradient.",
            _gradient(lambda dout, mask, p: dout),
        ),
        Mistake(
            "mask-forgotten",
            "The gradient was divided by p and not multiplied by the mask: a unit that was dropped has "
            "no gradient.",
            _gradient(lambda dout, mask, p: dout / p),
        ),
        Mistake(
            "mask-forgotten",
            "The gradient was multiplied by p and not by the mask: a unit that was dropped has no "
            "gradient, and the others are divided by p.",
            _gradient(lambda dout, mask, p: dout * p),
        ),
        Mistake(
            "mask-inverted",
            "The gradient goes to the units that were dropped: it belongs to those that were kept.",
            _gradient(lambda dout, mask, p: dout * (mask == 0) / p),
        ),
        Mistake(
            "mask-inverted",
            "The gradient goes to the units that were dropped: it belongs to those that were kept, "
            "divided by p.",
            _gradient(lambda dout, mask, p: dout * (mask == 0)),
        ),
        Mistake(
            "multiplied-by-p",
            "The gradient was multiplied by p, where it must be divided by it.",
            _gradient(lambda dout, mask, p: dout * mask * p**2),
        ),
        Mistake(
            "divided-by-1-p",
            f"The gradient was divided by 1 - p; {_P_IS_KEEPING}, so divide by p.",
            _gradient(lambda dout, mask, p: dout * (mask > 0) / (1 - p)),
        ),
        Mistake(
            "mask-for-gradient",
            "The mask itself was returned: it is still to be multiplied by dout.",
            _gradient(lambda dout, mask, p: mask),
        ),
        Mistake(
            "zeros",
            "`dx` is all zeros: was it made and never filled in?",
            _gradient(lambda dout, mask, p: 0 * dout),
        ),
        Mistake(
            "x-in-gradient",
            "The gradient contains x (or out): the output is x times the mask, so its derivative is the "
            "mask alone.",
            _times_x,
            _with_x,
        ),
        Mistake(
            "scaled-in-test-mode",
            "In test mode the gradient was divided by p: there the layer is the identity, and so is its "
            "gradient.",
            _gradient(lambda dout, mask, p: dout * mask, lambda dout, p: dout / p),
        ),
        Mistake(
            "scaled-in-test-mode",
            "In test mode the gradient was multiplied by p: there the layer is the identity, and so is "
            "its gradient.",
            _gradient(lambda dout, mask, p: dout * mask, lambda dout, p: dout * p),
        ),
        Mistake(
            "zero-in-test-mode",
            "In test mode the gradient is 0: there the layer is the identity, and dx is dout.",
            _gradient(lambda dout, mask, p: dout * mask, lambda dout, p: 0 * dout),
        ),
    ),
    {
        "dx": _DX,
        _FACTOR_OF_DX: _DX,
        _FACTORS_OF_DX: _DX,
        _LOST: _DX,
        _LET_THROUGH: _DX,
    },
    'chapter 4, section "The code"',
    forward_name=FORWARD.name,
    forward_reference=layers.dropout_forward,
    forward_specification=FORWARD,
    wording=_WORDING,
)  # fmt: skip

ALL = (FORWARD, BACKWARD)
