"""The exercises of chapter 2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import optim
from .._calls import Guarded, Trouble
from .._specification import (
    EDGE_CASES,
    VALUES,
    Case,
    Function,
    Mistake,
    Outputs,
    numbers,
)
from .optim import FIRST, LAST, UpdateRule, _cases, _kind, _rule, _tiny, _written

Array = np.ndarray
Config = dict[str, Any]

# ---- AdaGrad -------------------------------------------------------------------------

_SETTINGS: Config = {"learning_rate": 1e-2, "epsilon": 1e-8}
_CACHE = 'config["cache"] after 2 steps'


def adagrad(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    config = _SETTINGS | (config or {})
    config["cache"] = config.get("cache", np.zeros_like(w)) + dw**2
    step = dw / (np.sqrt(config["cache"]) + config["epsilon"])
    return w - config["learning_rate"] * step, config


@dataclass(frozen=True)
class AdaGrad(UpdateRule):
    """An update rule whose memory is looked at as well: the exercise says where it is to
    be kept."""

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        outputs = super().observe(function, forward, case)
        w, gradients, config, _ = case.fresh()
        for dw in gradients[:2]:
            w, config = self._step(function, w, dw, config)
        return outputs | {
            _CACHE: np.copy(config["cache"]) if "cache" in config else None
        }


_adagrad = _written(
    _SETTINGS,
    {"cache": None},
    old=lambda s: s.cache,
    cache=lambda s: s.old + s.dw**2,
    next_w=lambda s: s.w - s.learning_rate * s.dw / (np.sqrt(s.cache) + s.epsilon),
)


def _under_another_name(w: Array, dw: Array, config: Config | None) -> Any:
    config = dict(config or {})
    if "elsewhere" in config:
        config["cache"] = config.pop("elsewhere")
    next_w, config = adagrad(w, dw, config)
    return next_w, config | {"elsewhere": config.pop("cache")}


def _without_memory(w: Array, dw: Array, config: Config | None) -> Any:
    next_w, config = adagrad(w, dw, config)
    del config["cache"]
    return next_w, config


_FORMULA = (
    "cache = cache + dw**2, from zeros at first\n"
    "next_w = w - learning_rate * dw / (sqrt(cache) + epsilon)"
)
_WHOLE = _rule(
    adagrad,
    _SETTINGS,
    ("cache",),
    _cases(
        {"learning_rate": 0.5, "epsilon": 0.3},
        {"learning_rate": 0.2, "epsilon": 0.1},
        _tiny(),
    ),
    (
        Mistake(
            "other-key",
            'The rule is right, but keeps its sum under another name: store it in config["cache"].',
            _under_another_name,
        ),
        Mistake(
            "memory-lost",
            'Every step begins without a memory: the sum of squares must be stored in config["cache"].',
            _without_memory,
        ),
        Mistake(
            "old-sum",
            "The step divides by the sum as it was before this step: add this gradient's square first.",
            _adagrad(
                next_w=lambda s: (
                    s.w - s.learning_rate * s.dw / (np.sqrt(s.old) + s.epsilon)
                )
            ),
        ),
        *(
            Mistake(
                "average-not-sum",
                "The squares are averaged, with a decay, as in RMSProp; AdaGrad adds them up.",
                _adagrad(
                    cache=lambda s, rho=rho: rho * s.old + (1 - rho) * s.dw**2
                ),
            )
            for rho in (0.99, 0.9, 0.999)
        ),
        Mistake(
            "not-squared",
            "The gradients themselves are added up, and not their squares.",
            _adagrad(cache=lambda s: s.old + s.dw),
        ),
        Mistake(
            "not-squared",
            "The gradients' sizes are added up, and not their squares.",
            _adagrad(cache=lambda s: s.old + np.abs(s.dw)),
        ),
        Mistake(
            "no-root",
            "The step divides by the sum of squares; it must divide by its root.",
            _adagrad(
                next_w=lambda s: s.w - s.learning_rate * s.dw / (s.cache + s.epsilon)
            ),
        ),
        Mistake(
            "root-stored",
            "The first step is right, but the root of the sum is stored: store the sum itself.",
            _adagrad(stored_cache=lambda s: np.sqrt(s.cache)),
        ),
        Mistake(
            "one-sum",
            "The squares are summed over all entries of w; each entry must have its own sum.",
            _adagrad(cache=lambda s: s.old + np.sum(s.dw**2)),
        ),
        Mistake(
            "epsilon-under-root",
            "epsilon is under the root; it is added to the root.",
            _adagrad(
                next_w=lambda s: s.w - s.learning_rate * s.dw / np.sqrt(s.cache + s.epsilon)
            ),
        ),
        Mistake(
            "no-epsilon",
            "epsilon is missing in the denominator: a gradient of zero gives 0/0.",
            _adagrad(next_w=lambda s: s.w - s.learning_rate * s.dw / np.sqrt(s.cache)),
        ),
        Mistake(
            "no-learning-rate",
            "The learning rate is missing.",
            _adagrad(next_w=lambda s: s.w - s.dw / (np.sqrt(s.cache) + s.epsilon)),
        ),
    ),
    _FORMULA,
    "RMSProp: a rate for every parameter",
)  # fmt: skip

_FORMULAS = dict.fromkeys((FIRST, LAST, _CACHE), _FORMULA)
ADAGRAD = AdaGrad(**(vars(_WHOLE) | {"formulas": _FORMULAS}))

# ---- clipped gradients ---------------------------------------------------------------


def clipped(rule: Function, max_norm: float) -> Function:
    def clipped_rule(w: Array, dw: Array, config: Config) -> Any:
        norm = np.linalg.norm(dw)
        return rule(w, dw * (max_norm / norm) if norm > max_norm else dw, config)

    return clipped_rule


_A_RULE_INSIDE = (
    "Define the rule inside, `def clipped_rule(w, dw, config): ...`, call the one you were given only "
    "there, and return `clipped_rule` without calling it."
)


@dataclass(frozen=True)
class Clipped(UpdateRule):
    """A function that is given a rule and makes another; what the made one does is looked
    at, over several steps.

    A case holds the rule, the limit, `w`, the gradients and the config.
    """

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        rule, max_norm, w, gradients, config = case.fresh()
        try:
            made = function(rule, max_norm)
        except Trouble as trouble:
            why = trouble.why or _A_RULE_INSIDE
            raise Trouble(
                trouble.cause, trouble.problem, why, trouble.line
            ) from trouble.__cause__
        if not callable(made):
            raise Trouble(
                "no-function",
                f"returned {_kind(made)}, and must return a function: an update rule",
                _A_RULE_INSIDE,
            )
        if isinstance(function, Guarded):
            made = Guarded(
                made, ("w", "dw", "config"), ("next_w", "config"), function.seconds
            )
        outputs: Outputs = {}
        for dw in gradients:
            w, config = self._step(made, w, dw, config)
            outputs[LAST] = np.copy(w)
            outputs.setdefault(FIRST, outputs[LAST])
            if np.shape(w) != dw.shape:
                break
        if isinstance(function, Guarded):
            function.changed |= made.changed
        return {FIRST: outputs[FIRST], LAST: outputs[LAST]}


def _clip_case(
    name: str,
    rule: Function,
    max_norm: float,
    w: Array,
    gradients: Any,
    config: Config,
    stage: str = VALUES,
) -> Case:
    return Case(name, (rule, max_norm, w, np.array(gradients), config), stage)


_MOMENTUM = {"learning_rate": 0.5, "momentum": 0.6}
_CLIP_CASES = (
    _clip_case(
        "clipped(sgd, 5), first with dw = (30, 40)",
        optim.sgd, 5.0, np.zeros(2), [[30.0, 40.0], [3.0, 0.0], [-6.0, 8.0]], {"learning_rate": 1.0},
    ),
    _clip_case(
        "clipped(sgd, 5), first with dw = (3, 0)",
        optim.sgd, 5.0, np.zeros(2), [[3.0, 0.0], [1.0, 2.0], [0.0, -50.0]], {"learning_rate": 1.0},
    ),
    _clip_case(
        "clipped(sgd_momentum, 0.6) and w of shape (2, 3)",
        optim.sgd_momentum, 0.6, numbers(2, 3), numbers(3, 2, 3, seed=1), _MOMENTUM,
    ),
    _clip_case(
        "clipped(rmsprop, 2)",
        optim.rmsprop, 2.0, numbers(4), 3 * numbers(3, 4, seed=1),
        {"learning_rate": 0.3, "epsilon": 0.5},
    ),
    _clip_case(
        "a gradient of zeros", optim.sgd, 1.0, np.zeros(2), np.zeros((1, 2)), {}, EDGE_CASES,
    ),
    _clip_case(
        "w with four axes",
        optim.sgd_momentum, 1.5, numbers(2, 1, 2, 3), numbers(3, 2, 1, 2, 3, seed=1), _MOMENTUM,
        EDGE_CASES,
    ),
)  # fmt: skip


def _with_gradient(change: Callable[[Array, float], Any]) -> Function:
    """Return a twin that hands another gradient to the inner rule."""
    return lambda rule, max_norm: (
        lambda w, dw, config: rule(w, change(dw, max_norm), config)
    )


def _always_scaled(eps: float) -> Function:
    return _with_gradient(lambda dw, limit: dw * (limit / (_norm(dw) + eps)))


def _longer_than(length: Callable[[Array], Any]) -> Function:
    """Return a twin that measures a gradient in another way."""

    def change(dw: Array, max_norm: float) -> Any:
        norm = length(dw)
        return np.where(norm > max_norm, dw * (max_norm / norm), dw)

    return _with_gradient(change)


def _memory_lost(rule: Function, max_norm: float) -> Function:
    def made(w: Array, dw: Array, config: Config) -> Any:
        return clipped(rule, max_norm)(w, dw, dict(config))[0], config

    return made


def _step_clipped(rule: Function, max_norm: float) -> Function:
    def made(w: Array, dw: Array, config: Config) -> Any:
        next_w, config = rule(w, dw, config)
        norm = float(np.linalg.norm(next_w - w))
        return w + (next_w - w) * min(1.0, max_norm / max(norm, 1e-300)), config

    return made


def _norm(dw: Array) -> Any:
    return np.linalg.norm(dw)


CLIPPED = Clipped(
    "clipped",
    ("rule", "max_norm"),
    ("an update rule",),
    clipped,
    _CLIP_CASES,
    (
        Mistake(
            "entries-clipped",
            "Each entry was cut off by itself, which turns the gradient's direction: scale the whole "
            "gradient.",
            _with_gradient(lambda dw, limit: np.clip(dw, -limit, limit)),
        ),
        Mistake(
            "always-scaled",
            "A gradient within the limit must stay as it is; this one was stretched to max_norm.",
            _with_gradient(lambda dw, limit: dw * (limit / _norm(dw))),
        ),
        *(
            Mistake(
                "always-scaled",
                "A gradient within the limit must stay as it is; this one was stretched to max_norm.",
                _always_scaled(eps),
            )
            for eps in (1e-6, 1e-8, 1e-12)
        ),
        Mistake(
            "norm-one",
            "A longer gradient must get the norm max_norm; it has the norm 1 here.",
            _with_gradient(
                lambda dw, limit: dw / _norm(dw) if _norm(dw) > limit else dw
            ),
        ),
        Mistake(
            "divided-by-limit",
            "A longer gradient must get the norm max_norm; it was divided by max_norm.",
            _with_gradient(lambda dw, limit: dw / limit if _norm(dw) > limit else dw),
        ),
        Mistake(
            "upside-down",
            "The factor is upside down: a longer gradient is multiplied by max_norm / norm.",
            _with_gradient(
                lambda dw, limit: dw * _norm(dw) / limit if _norm(dw) > limit else dw
            ),
        ),
        Mistake(
            "comparison",
            "The comparison is the wrong way round: short gradients were stretched and long ones left "
            "alone.",
            _with_gradient(
                lambda dw, limit: dw * (limit / _norm(dw)) if _norm(dw) < limit else dw
            ),
        ),
        Mistake(
            "left-out",
            "A longer gradient was left out altogether; its direction is good, so scale it.",
            _with_gradient(lambda dw, limit: 0 * dw if _norm(dw) > limit else dw),
        ),
        Mistake(
            "not-clipped",
            "Nothing was clipped: the inner rule is given dw as it came.",
            _with_gradient(lambda dw, limit: dw),
        ),
        Mistake(
            "no-root",
            "The sum of the squares was taken for the norm; the norm is its root.",
            _longer_than(lambda dw: (dw**2).sum()),
        ),
        Mistake(
            "other-norm",
            "The sum of the absolute values was taken for the norm: it is the root of that of squares.",
            _longer_than(lambda dw: np.abs(dw).sum()),
        ),
        Mistake(
            "other-norm",
            "The largest entry was taken for the norm: it is the root of the sum of squares.",
            _longer_than(lambda dw: np.abs(dw).max()),
        ),
        Mistake(
            "norm-of-rows",
            "Each row, or column, has a norm of its own here; it is one number for the whole array.",
            _longer_than(lambda dw: np.linalg.norm(dw, axis=-1, keepdims=True)),
        ),
        Mistake(
            "norm-of-rows",
            "Each row, or column, has a norm of its own here; it is one number for the whole array.",
            _longer_than(lambda dw: np.linalg.norm(dw, axis=0)),
        ),
        Mistake(
            "memory-lost",
            "The inner rule lost its memory: hand back the config that it returned.",
            _memory_lost,
        ),
        Mistake(
            "step-clipped",
            "The step was clipped, after the inner rule; it is the gradient that is clipped, before it.",
            _step_clipped,
        ),
        Mistake(
            "rule-not-used",
            "The step is always that of SGD: call the rule that was given.",
            lambda rule, max_norm: clipped(optim.sgd, max_norm),
        ),
    ),
    dict.fromkeys(
        (FIRST, LAST),
        "norm = root of the sum of dw**2; if norm > max_norm: dw = dw * max_norm / norm\n"
        "next_w, config = rule(w, dw, config)",
    ),
    'chapter 2, section "Exercises"',
    settings={},
)  # fmt: skip

ALL = (ADAGRAD, CLIPPED)
