"""The exercises of chapter 4.

The masks of vanilla dropout are random, and anybody may draw theirs in another way; what is
compared is what `dropout` compares. The mask of DropConnect is drawn as its exercise says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._compare import as_array
from .._diagnosis import Diagnosis, Pair
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
    backward,
    numbers,
)
from .dropout import (
    _COLUMNS,
    _FACTOR,
    _FACTOR_OF_DX,
    _FACTORS,
    _FACTORS_OF_DX,
    _IN_TEST,
    _KEPT,
    _LET_THROUGH,
    _LOST,
    _NO_SEED,
    _NOT_LOOKED_AT,
    _ROWS,
    _SEED,
    _SEEDS,
    _WORDING,
    _drawing,
    _drawn,
    _factors,
    _nearest,
    _one_for_all,
    _one_for_each_row,
    _random_state_restored,
    _twin,
)

Array = np.ndarray
Settings = dict[str, Any]
Results = tuple[Any, ...]

_READ = 'chapter 4, section "The mean and the variance of a masked unit"'

# ---- vanilla dropout -----------------------------------------------------------------


def _case(
    name: str, *shape: int, p: float, stage: str = VALUES, mode: str = "train"
) -> Case:
    sizes = {"p": p, "1 - p": 1 - p, "N": shape[0]}
    arguments = numbers(*shape), {"mode": mode, "p": p, "seed": 7}
    return Case(name, arguments, stage, sizes)


#: The mask is looked at in this case alone: on few numbers chance decides too much.
_LARGE = _case("70 examples of 90 features, p = 0.4", 70, 90, p=0.4)

VANILLA_CASES = (
    _case("4 examples of 6 features, p = 0.8", 4, 6, p=0.8),
    _case("3 examples of 8 features, p = 0.4", 3, 8, p=0.4),
    _LARGE,
    _case("5 examples of 7 features, p = 0.4, in test mode", 5, 7, p=0.4, stage=TEST_MODE, mode="test"),
    _case("3 examples of 4 features, p = 0.8, in test mode", 3, 4, p=0.8, stage=TEST_MODE, mode="test"),
    _case("2 images of shape (3, 4, 5), p = 0.8", 2, 3, 4, 5, p=0.8, stage=EDGE_CASES),
)  # fmt: skip

_FORWARD_OUTPUTS = (
    _FACTORS, _FACTOR, _IN_TEST, "out", _ROWS, _COLUMNS, _KEPT, _SEED, _SEEDS,
)  # fmt: skip


class VanillaForward(Forward):
    """Vanilla dropout: the values of kept units, how many are kept, and that the seed
    decides which."""

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
            if case.stage == TEST_MODE:
                seen[_IN_TEST] = float((array == 0).any() and array.any())
                if seen[_IN_TEST]:
                    seen["out"] = (case.sizes["p"] * x).astype(array.dtype)
                return seen
            seen[_FACTORS], seen[_FACTOR] = _factors(array, x, 1.0)
            seen["out"] = x.astype(array.dtype)
            if case.name.startswith(_LARGE.name):
                seen |= _drawing(function, array != 0, case)
                del seen[_NO_SEED]
        return seen


class VanillaBackward(Backward):
    """Its backward pass: the gradients of kept units, and that these are the units that
    the forward pass kept."""

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        assert forward is not None
        with _random_state_restored():
            arguments = case.fresh()
            out, cache = forward(*arguments)
            kept = np.array(out) != 0
            x, settings = case.fresh()
            # A later call must leave an earlier cache alone.
            forward(x, settings | {"seed": settings["seed"] + 1})
            dout = numbers(*kept.shape, seed=1).astype(arguments[0].dtype)
            dx = function(dout, cache)
            self._note_changes(function, arguments, case)
        array = as_array(dx)
        names = _FACTORS_OF_DX, _FACTOR_OF_DX, "dx", _LOST, _LET_THROUGH
        seen: Outputs = dict.fromkeys(names, _NOT_LOOKED_AT) | {"dx": dx}
        if array is None or array.shape != kept.shape or not np.isfinite(array).all():
            return seen
        if case.stage != TEST_MODE:
            several, factor = _factors(array * kept, dout, 1.0, dout * x)
            same_type = dout.astype(array.dtype)
            seen |= {_FACTORS_OF_DX: several, _FACTOR_OF_DX: factor, "dx": same_type}
        if case.name.startswith(_LARGE.name) and 0 < kept.mean() < 1:
            p = case.sizes["p"]
            seen[_LOST] = _nearest(float((array[kept] == 0).mean()), p)
            seen[_LET_THROUGH] = _nearest(float((array[~kept] != 0).mean()), p)
        return seen


def vanilla_forward(x: Array, dropout_param: Settings) -> Results:
    p = dropout_param["p"]
    factor = p
    if dropout_param["mode"] == "train":
        rng = np.random.default_rng(dropout_param["seed"])
        factor = rng.random(x.shape) < p
    return x * factor, (dropout_param, factor)


def vanilla_backward(dout: Array, cache: Any) -> Any:
    return dout * cache[1]


def _vanilla(
    draw: Callable[[tuple[int, ...], float], Any] = _drawn,
    apply: Callable[[Array, Any, float], Any] = lambda x, mask, p: x * mask,
    test: Callable[[Array, float], Any] = lambda x, p: x * p,
    **others: Any,
) -> Any:
    """Return a twin of vanilla_forward with another mask, use of it or test mode."""
    return _twin(draw, apply, test, **others)


_KEEPING = "p is the probability of KEEPING a unit"
_VANILLA_OUT = (
    "out = x * mask in training, where mask is 1 with probability p, else 0\n"
    "out = p * x in test mode"
)

VANILLA_FORWARD = VanillaForward(
    "vanilla_forward",
    ("x", "dropout_param"),
    ("out", "cache"),
    vanilla_forward,
    VANILLA_CASES,
    (
        Mistake(
            "p-for-dropping",
            f"p was taken for the probability of dropping; {_KEEPING}: one stays where its random "
            "number is below p.",
            _vanilla(lambda shape, p: _drawn(shape, 1 - p)),
        ),
        Mistake(
            "p-for-dropping",
            f"p was taken for the probability of dropping, in both modes; {_KEEPING}: one stays where "
            "its random number is below p, and test mode multiplies by p.",
            _vanilla(
                lambda shape, p: _drawn(shape, 1 - p), test=lambda x, p: x * (1 - p)
            ),
        ),
        Mistake(
            "divided-by-p",
            "This is the book's inverted dropout, which divides by p in training; the vanilla one "
            "leaves the kept units as they are, and multiplies by p at test time.",
            _vanilla(apply=lambda x, mask, p: x * mask / p, test=lambda x, p: x),
        ),
        Mistake(
            "divided-by-p",
            "The kept units were divided by p: in the vanilla version they stay as they are, and test "
            "mode makes up for it.",
            _vanilla(apply=lambda x, mask, p: x * mask / p),
        ),
        Mistake(
            "multiplied-by-p",
            "The kept units were multiplied by p in training; that belongs to test mode alone.",
            _vanilla(apply=lambda x, mask, p: x * mask * p),
        ),
        Mistake(
            "identity-in-test-mode",
            "Test mode returns x as it is: nothing was divided by p in training, so x is multiplied by "
            "p here.",
            _vanilla(test=lambda x, p: x),
        ),
        Mistake(
            "divided-in-test-mode",
            "Test mode divides by p; it multiplies by it, since in training only the share p of the "
            "units was there.",
            _vanilla(test=lambda x, p: x / p),
        ),
        Mistake(
            "active-in-test-mode",
            "Units are dropped in test mode: there every unit stays, multiplied by p, with no mask.",
            _vanilla(test=lambda x, p: x * _drawn(x.shape, p)),
        ),
        Mistake(
            "seed-ignored",
            "dropout_param['seed'] is not used: seed the random numbers with it at every call, so that "
            "gradients can be checked.",
            _vanilla(seeded=False),
        ),
        Mistake(
            "always-seeded",
            "The random numbers are seeded with one number at every call: take dropout_param['seed'].",
            _vanilla(always=0),
        ),
        Mistake(
            "one-mask-for-all",
            "All examples share one mask: draw it in the whole shape of x.",
            _vanilla(_one_for_all),
        ),
        Mistake(
            "whole-examples",
            "Whole examples are dropped: draw a number for each unit, in the whole shape of x.",
            _vanilla(_one_for_each_row),
        ),
        Mistake(
            "nothing-dropped",
            "No unit is dropped in training: draw a random number for each, and set those to 0 whose "
            "number is not below p.",
            _vanilla(lambda shape, p: np.ones(shape)),
        ),
        Mistake(
            "nothing-dropped",
            "Training multiplies every unit by p, which is test mode's way: training multiplies by a "
            "mask of 0 and 1.",
            _vanilla(apply=lambda x, mask, p: x * p),
        ),
    ),
    dict.fromkeys(("out", _KEPT, _FACTOR, _FACTORS, _IN_TEST, _ROWS, _COLUMNS), _VANILLA_OUT),
    _READ,
    wording=_WORDING,
)  # fmt: skip


def _gradient(
    train: Callable[[Array, Any, float], Any] = lambda dout, mask, p: dout * mask,
    test: Callable[[Array, float], Any] = lambda dout, p: dout * p,
) -> Any:
    """Return a twin of vanilla_backward; `train` is given the mask of 0 and 1."""

    def twin(dout: Array, cache: Any) -> Any:
        param, factor = cache[:2]
        if param["mode"] == "test":
            return test(dout, param["p"])
        return train(dout, factor, param["p"])

    return twin


def _with_x(x: Array, dropout_param: Settings) -> Results:
    out, cache = vanilla_forward(x, dropout_param)
    return out, (*cache, x)


def _dropped_in_test_mode(
    output: str, wrong: list[Pair], right: list[Pair]
) -> Diagnosis | None:
    """Look for a mask in test mode, where there is none."""
    if not wrong or any(
        pair.case.stage != TEST_MODE or pair.got.all() or not pair.got.any()
        for pair in wrong
    ):
        return None
    return Diagnosis(
        "active-in-test-mode",
        "In test mode some units have no gradient: none of them was dropped there, so all of `dout` is "
        "multiplied by p.",
    )


_VANILLA_DX = (
    "dx = dout * mask in training, with the mask of the forward pass\n"
    "dx = p * dout in test mode"
)

VANILLA_BACKWARD = VanillaBackward(
    "vanilla_backward",
    ("dout", "cache"),
    ("dx",),
    vanilla_backward,
    VANILLA_CASES,
    (
        Mistake(
            "divided-by-p",
            "The gradient was divided by p: the forward pass multiplies by the bare mask, so the "
            "backward pass does too.",
            _gradient(lambda dout, mask, p: dout * mask / p),
        ),
        Mistake(
            "multiplied-by-p",
            "The gradient was multiplied by p in training: that belongs to test mode, where the forward "
            "pass multiplies by it.",
            _gradient(lambda dout, mask, p: dout * mask * p),
        ),
        Mistake(
            "identity-in-test-mode",
            "In test mode the forward pass multiplies x by p, so the gradient is multiplied by p too.",
            _gradient(test=lambda dout, p: dout),
        ),
        Mistake(
            "divided-in-test-mode",
            "In test mode the gradient was divided by p; the forward pass multiplies by it, and so does "
            "the backward pass.",
            _gradient(test=lambda dout, p: dout / p),
        ),
        Mistake(
            "mask-forgotten",
            "The mask is missing: a unit that was dropped has no gradient.",
            _gradient(lambda dout, mask, p: dout),
        ),
        Mistake(
            "mask-forgotten",
            "Training multiplies the gradient by p, which is test mode's way: it is the mask of the "
            "forward pass that it is multiplied by.",
            _gradient(lambda dout, mask, p: dout * p),
        ),
        Mistake(
            "mask-redrawn",
            "The mask is not that of the forward pass: it was drawn anew, or kept where a later call "
            "overwrites it. Take it from the cache.",
            _gradient(lambda dout, mask, p: dout * _drawn(dout.shape, p)),
        ),
        Mistake(
            "mask-inverted",
            "The gradient goes to the units that were dropped: it belongs to those that were kept.",
            _gradient(lambda dout, mask, p: dout * ~mask),
        ),
        Mistake(
            "x-in-gradient",
            "The gradient contains x (or out): the output is x times the mask, so its derivative is the "
            "mask alone.",
            lambda dout, cache: dout * cache[1] * cache[2],
            _with_x,
        ),
    ),
    dict.fromkeys(("dx", _FACTOR_OF_DX, _FACTORS_OF_DX, _LOST, _LET_THROUGH), _VANILLA_DX),
    _READ,
    forward_name=VANILLA_FORWARD.name,
    forward_reference=vanilla_forward,
    forward_specification=VANILLA_FORWARD,
    wording=_WORDING,
    patterns=(_dropped_in_test_mode,),
)  # fmt: skip

# ---- DropConnect ---------------------------------------------------------------------


def _weights_case(
    name: str, N: int, D: int, M: int, p: float, stage: str = VALUES, seed: int = 1
) -> Case:
    arguments = (
        numbers(N, D), numbers(D, M, seed=2), numbers(M, seed=3), p,
        np.random.default_rng(seed),
    )  # fmt: skip
    sizes = {"N": N, "p": p} | ({"1 - p": 1 - p} if p < 1 else {})
    return Case(name, arguments, stage, sizes)


def _after_a_call(case: Case) -> Case:
    case.arguments[-1].random(5)
    return case


CONNECT_CASES = (
    _weights_case("4 examples of 3 inputs, 5 outputs, p = 0.7", 4, 3, 5, 0.7),
    _weights_case("6 examples of 4 inputs, 3 outputs, p = 0.4", 6, 4, 3, 0.4, seed=3),
    _weights_case("inputs of 0, which leave the bias", 2, 3, 4, 0.4, EDGE_CASES),
    _weights_case("a batch of one", 1, 4, 3, 0.7, EDGE_CASES),
    _weights_case("p = 1, which keeps every weight", 3, 4, 2, 1.0, EDGE_CASES),
    _after_a_call(
        _weights_case("an rng that was used before", 4, 3, 5, 0.7, EDGE_CASES)
    ),
)
CONNECT_CASES[2].arguments[0][:] = 0


def dropconnect_forward(x: Array, w: Array, b: Array, p: float, rng: Any) -> Results:
    mask = _mask(w.shape, p, rng).astype(w.dtype) / p
    return x @ (w * mask) + b, (x, w, mask)


def dropconnect_backward(dout: Array, cache: Any) -> Results:
    x, w, mask = cache
    return dout @ (w * mask).T, x.T @ dout * mask, dout.sum(axis=0)


def _mask(shape: tuple[int, ...], p: float, rng: Any) -> Any:
    return rng.random(shape) < p


def _connected(
    factor: Callable[[tuple[int, ...], float, Any], Any] = (
        lambda shape, p, rng: _mask(shape, p, rng) / p
    ),
    product: Callable[[Array, Array, Array, Any], Any] = lambda x, w, b, f: (
        x @ (w * f) + b
    ),
    shape: Callable[[Array, Array], tuple[int, ...]] = lambda x, w: w.shape,
) -> Any:
    """Return a twin of dropconnect_forward with another factor for the weights, another
    shape of it, or another use."""

    def twin(x: Array, w: Array, b: Array, p: float, rng: Any) -> Results:
        out = product(x, w, b, factor(shape(x, w), p, rng))
        return np.asarray(out).astype(x.dtype), None

    return twin


def _bias_dropped(x: Array, w: Array, b: Array, p: float, rng: Any) -> Results:
    mask = _mask(w.shape, p, rng) / p
    return x @ (w * mask) + b * _mask(b.shape, p, rng) / p, None


def _bias_dropped_first(x: Array, w: Array, b: Array, p: float, rng: Any) -> Results:
    mask = _mask(b.shape, p, rng) / p
    return x @ (w * _mask(w.shape, p, rng) / p) + b * mask, None


def _drawn_otherwise(
    output: str, wrong: list[Pair], right: list[Pair]
) -> Diagnosis | None:
    """Look for weights of which each was kept or dropped, but not as the exercise says."""
    looked_at = 0
    for case, got, expected in wrong:
        x, w, b, p, _ = case.arguments
        if got.shape != expected.shape or len(x) < len(w) or not x.any():
            continue
        used, *_ = np.linalg.lstsq(x, got - b, rcond=None)
        ratio = used / w * p
        if not np.allclose(x @ used + b, got, atol=1e-4):
            return None
        if not (np.isclose(ratio, 0, atol=1e-4) | np.isclose(ratio, 1, 1e-3)).all():
            return None
        looked_at += 1
    if not looked_at:
        return None
    return Diagnosis(
        "drawn-otherwise",
        "Weights are dropped and divided by p as they must be, but others than those that the exercise "
        "names: the mask is `rng.random(w.shape) < p`, with the rng that the function is given.",
    )


_CONNECT_OUT = "mask = (rng.random(w.shape) < p) / p\nout = x @ (w * mask) + b"

CONNECT_FORWARD = Forward(
    "dropconnect_forward",
    ("x", "w", "b", "p", "rng"),
    ("out", "cache"),
    dropconnect_forward,
    CONNECT_CASES,
    (
        Mistake(
            "not-divided-by-p",
            "The mask was not divided by p: without that the mean of the output over masks is not "
            "x @ w + b.",
            _connected(_mask),
        ),
        Mistake(
            "p-for-dropping",
            "p was taken for the probability of dropping; it is that of KEEPING a weight: one stays "
            "where its random number is below p.",
            _connected(lambda shape, p, rng: ~_mask(shape, p, rng) / p),
        ),
        Mistake(
            "p-for-dropping",
            "p was taken for the probability of dropping; it is that of KEEPING a weight: one stays "
            "where its random number is below p, divided by p.",
            _connected(
                lambda shape, p, rng: ~_mask(shape, p, rng) / (1 - p if p < 1 else 1)
            ),
        ),
        Mistake(
            "multiplied-by-p",
            "The weights were multiplied by p; the kept ones are divided by it.",
            _connected(lambda shape, p, rng: _mask(shape, p, rng) * p),
        ),
        Mistake(
            "mask-forgotten",
            "No weight is dropped: w is still to be multiplied by the mask.",
            _connected(lambda shape, p, rng: 1),
        ),
        Mistake(
            "bias-dropped",
            "The bias was dropped as well: only the weights are, the bias is left alone.",
            _bias_dropped,
        ),
        Mistake(
            "bias-dropped",
            "The bias was dropped as well: only the weights are, the bias is left alone.",
            _bias_dropped_first,
        ),
        Mistake(
            "bias-divided",
            "The whole output was divided by p, bias and all: divide the mask alone.",
            lambda x, w, b, p, rng: (
                (x @ (w * _mask(w.shape, p, rng)) + b) / p, None,
            ),
        ),
        Mistake(
            "no-bias",
            "The bias was left out: it is added as it is.",
            _connected(product=lambda x, w, b, f: x @ (w * f)),
        ),
        Mistake(
            "mask-per-example",
            "Every example has a mask of its own; here one mask, of the shape of w, serves the whole "
            "minibatch.",
            _connected(
                product=lambda x, w, b, f: np.einsum("nd,ndm->nm", x, w * f) + b,
                shape=lambda x, w: (len(x), *w.shape),
            ),
        ),
        Mistake(
            "units-dropped",
            "Inputs are dropped, which is dropout: here each weight by itself stays or goes, so the "
            "mask has the shape of w.",
            _connected(
                product=lambda x, w, b, f: (x * f) @ w + b, shape=lambda x, w: x.shape,
            ),
        ),
        Mistake(
            "units-dropped",
            "Whole rows of w are dropped, that is, inputs: draw a number for each weight.",
            _connected(shape=lambda x, w: (len(w), 1)),
        ),
        Mistake(
            "units-dropped",
            "Whole columns of w are dropped, that is, outputs: draw a number for each weight.",
            _connected(shape=lambda x, w: (w.shape[1],)),
        ),
        Mistake(
            "units-dropped",
            "Outputs are dropped, which is dropout: here each weight by itself stays or goes, so the "
            "mask has the shape of w.",
            _connected(
                product=lambda x, w, b, f: (x @ w + b) * f,
                shape=lambda x, w: (len(x), w.shape[1]),
            ),
        ),
    ),
    {"out": _CONNECT_OUT},
    _READ,
    patterns=(_drawn_otherwise,),
)  # fmt: skip


def _like(
    dx: Callable[[Array, Array, Array], Any] = lambda dout, w, mask: (
        dout @ (w * mask).T
    ),
    dw: Callable[[Array, Array, Array], Any] = lambda dout, x, mask: x.T @ dout * mask,
    db: Callable[[Array, Array], Any] = lambda dout, mask: dout.sum(axis=0),
) -> Any:
    """Return a twin of dropconnect_backward with another gradient."""

    def twin(dout: Array, cache: Any) -> Results:
        x, w, mask = cache
        return dx(dout, w, mask), dw(dout, x, mask), db(dout, mask)

    return twin


CONNECT_BACKWARD = backward(
    CONNECT_FORWARD,
    "dropconnect_backward",
    ("dx", "dw", "db"),
    dropconnect_backward,
    (
        Mistake(
            "mask-forgotten",
            "`dx` goes through weights that were dropped: multiply by w * mask, as the forward pass "
            "did.",
            _like(dx=lambda dout, w, mask: dout @ w.T),
        ),
        Mistake(
            "mask-forgotten",
            "`dw` is that of the masked weights: the output contains w * mask, so by the product rule "
            "the mask multiplies `dw` too.",
            _like(dw=lambda dout, x, mask: x.T @ dout),
        ),
        Mistake(
            "not-divided-by-p",
            "`dx` was not divided by p: the mask of the forward pass holds 1 / p, and so does the "
            "gradient.",
            _like(dx=lambda dout, w, mask: dout @ (w * (mask > 0)).T),
        ),
        Mistake(
            "not-divided-by-p",
            "`dw` was not divided by p: the mask of the forward pass holds 1 / p, and so does the "
            "gradient.",
            _like(dw=lambda dout, x, mask: x.T @ dout * (mask > 0)),
        ),
        Mistake(
            "divided-again",
            "`dx` was divided by p twice: the mask already holds 1 / p.",
            _like(dx=lambda dout, w, mask: dout @ (w * mask**2).T),
        ),
        Mistake(
            "divided-again",
            "`dw` was divided by p twice: the mask already holds 1 / p.",
            _like(dw=lambda dout, x, mask: x.T @ dout * mask**2),
        ),
        Mistake(
            "mask-inverted",
            "`dw` goes to the weights that were dropped: it belongs to those that were kept.",
            _like(dw=lambda dout, x, mask: x.T @ dout * (mask == 0)),
        ),
        Mistake(
            "bias-divided",
            "`db` was divided by p: the bias was not dropped, so it is the plain sum over the examples.",
            _like(db=lambda dout, mask: dout.sum(axis=0) * mask.max()),
        ),
    ),
    {
        "dx": "dx = dout @ (w * mask).T",
        "dw": "dw = x.T @ dout * mask",
        "db": "db = dout.sum(axis=0)",
    },
    _READ,
)

ALL = (VANILLA_FORWARD, VANILLA_BACKWARD, CONNECT_FORWARD, CONNECT_BACKWARD)
