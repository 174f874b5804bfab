"""Update rules, each taken over several steps."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from ... import optim
from .._calls import Trouble
from .._compare import as_array, same
from .._diagnosis import PATTERNS, Diagnosis, Pair, _ratio
from .._specification import (
    EDGE_CASES,
    Case,
    Function,
    Mistake,
    Outputs,
    Specification,
    numbers,
)

Array = np.ndarray
Config = dict[str, Any]

FIRST, LAST = "next_w", "next_w after 3 steps"


@dataclass(frozen=True)
class UpdateRule(Specification):
    """A rule, called again and again, each time with another gradient and with the
    config that it returned before.

    A case holds `w`, the gradients, one for each step, the config, and the gradients of
    earlier steps, whose memory that config is to hold, or None.
    """

    #: What a config may set, with the defaults.
    settings: Mapping[str, float] = field(kw_only=True)
    #: The keys under which the book's rule remembers something.
    memory: tuple[str, ...] = field(kw_only=True, default=())

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        w, gradients, config, earlier = case.fresh()
        if earlier is not None:
            config = self._remembering(function, w, config, earlier)
        start = copy.deepcopy(config)
        outputs: Outputs = {}
        for dw in gradients:
            w, config = self._step(function, w, dw, config)
            outputs[LAST] = np.copy(w)
            outputs.setdefault(FIRST, outputs[LAST])
            if as_array(w) is None or np.shape(w) != dw.shape:
                break
        self._start_again(function, case, start, outputs[FIRST])
        return {FIRST: outputs[FIRST], LAST: outputs[LAST]}

    def _remembering(
        self, function: Function, w: Array, config: Config, earlier: Array
    ) -> Config:
        """Return the config after earlier steps: the book's, if the rule keeps its
        memory under the same keys; else the one that the rule makes itself."""
        w = w.copy()
        _, kept = self._step(function, w, earlier[0], dict(config))
        own = not kept.keys() >= set(self.memory)
        for dw in earlier:
            _, config = self._step(function if own else self.reference, w, dw, config)
        return config

    def _step(
        self, function: Function, w: Array, dw: Array, config: Config | None
    ) -> tuple[Any, Config]:
        try:
            next_w, new_config = function(w, dw, config)
        except Trouble as trouble:
            raise self._explained(trouble, config) from trouble.__cause__
        if isinstance(next_w, dict):
            raise Trouble(
                "return-order",
                "returned its config first, and must return next_w, config",
                "The two results are in the wrong order.",
            )
        if not isinstance(new_config, dict):
            raise Trouble(
                "config-not-returned",
                f"returned {_kind(new_config)} as its second result, which must be config, the dict",
                "What a rule must remember for its next step goes into `config`, and `config` is "
                "returned.",
            )
        return next_w, new_config

    def _explained(self, trouble: Trouble, config: Config | None) -> Trouble:
        """Return the trouble with a reason, if it is one that update rules have."""
        error = trouble.__cause__
        key = error.args[0] if isinstance(error, KeyError) and error.args else None
        cause, why = trouble.cause, trouble.why
        if key in self.memory:
            cause = "no-initial-memory"
            why = (
                f"At the first step there is no `config[{key!r}]` yet: let it begin at zero, with "
                f"`config.get({key!r}, ...)` or `config.setdefault({key!r}, ...)`."
            )
        elif key in self.settings:
            cause = "no-default"
            why = (
                f"`config` need not hold {key!r}: it has a default, {self.settings[str(key)]:g}, which "
                f"`config.setdefault({key!r}, {self.settings[str(key)]:g})` fills in."
            )
        elif config is None and cause == "exception":
            cause = "config-none"
            why = (
                "`config` may be None, which stands for no settings and no memory: make an empty dict "
                "of it before anything else."
            )
        elif isinstance(error, ValueError | IndexError) and re.search(
            "unpack|too many indices", str(error)
        ):
            why = (
                "w may have any number of axes: one for biases, four for filters. A step treats each "
                "entry alike, so it need not know the shape."
            )
        return Trouble(cause, trouble.problem, why, trouble.line)

    def _start_again(
        self, function: Function, case: Case, config: Config, first: Any
    ) -> None:
        """Find out whether the rule remembers anything elsewhere than in its config."""
        w, gradients = case.fresh()[:2]
        again, _ = self._step(function, w, gradients[0], config)
        if as_array(again) is not None and not same(again, first):
            raise Trouble(
                "global-memory",
                "gives another next_w when it is started anew, with the same w, dw and config",
                "Something is remembered outside `config`: in a global variable, an attribute, a "
                "default argument. Every array of parameters has a config of its own, and the memory "
                "belongs there.",
            )


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


# ---- patterns ------------------------------------------------------------------------


def step_factor(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for a step that goes uphill, or is a multiple of the right one."""
    if not wrong or any(got.shape != expected.shape for _, got, expected in wrong):
        return None
    steps = [
        (got - case.arguments[0], right - case.arguments[0])
        for case, got, right in wrong
    ]
    factors = [found for step in steps if (found := _ratio(*step)) is not None]
    if len(factors) < len(steps):
        if all(np.array_equal(np.sign(step), -np.sign(right)) for step, right in steps):
            return Diagnosis("uphill", _UPHILL + " Its size is not right either.")
        return None
    if np.allclose(factors, -1, rtol=1e-4):
        return Diagnosis("uphill", _UPHILL)
    if np.allclose(factors, factors[0], rtol=1e-4):
        return Diagnosis(
            "step-factor",
            f"The step from w to next_w is {factors[0]:.4g} times what it should be, everywhere.",
        )
    return Diagnosis(
        "step-factor",
        "The step from w to next_w is right up to one factor, which is not the same for all inputs: "
        "look where the learning rate enters, where the other settings do, and whether a size does.",
    )


def weight_decay(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Look for weights that shrink besides being moved."""
    for case, got, expected in wrong:
        w = case.arguments[0]
        found = _ratio(got - expected, w) if got.shape == w.shape else None
        if found is None or abs(found) > 0.5:
            return None
    return Diagnosis("weight-decay", _DECAY) if wrong else None


def later_steps(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
    """Say of the later steps, if nothing else can be said, what they depend on."""
    if output != LAST or not wrong:
        return None
    for pattern in PATTERNS:
        found = pattern(output, wrong, right)
        if found is not None:
            return found
    return Diagnosis(
        "later-steps",
        "If the first step is right, look at what is stored in `config`, and what is read from it; if "
        "it is not, its mistake goes on here.",
    )


def _defaults(settings: Mapping[str, float]) -> Callable[..., Diagnosis | None]:
    book = ", ".join(f"{name} {value:g}" for name, value in settings.items())

    def defaults(output: str, wrong: list[Pair], right: list[Pair]) -> Diagnosis | None:
        """Look for a rule that is wrong only where it must fill in the settings."""
        if not wrong or not right or any(case.arguments[2] for case, _, _ in wrong):
            return None
        return Diagnosis(
            "default",
            "It is right where `config` holds all settings, and wrong where it holds none, so a default "
            f"is another than the book's: {book}.",
        )

    return defaults


_UPHILL = "The step goes uphill: along the gradient, where it must go against it."
_NOT_FROM_ZERO = (
    "The memory does not begin at zero: at the first step there is nothing to remember, so it is "
    "`np.zeros_like(w)`."
)
_DECAY = (
    "w shrinks by a part of itself at every step: a weight decay (or the gradient of a penalty) is "
    "mixed in. The penalty belongs to the loss, whose gradient dw is."
)


# ---- mistakes that every rule shares -------------------------------------------------


def _around(rule: Function, change: Callable[..., Any]) -> Function:
    """Return a rule whose two results are changed, given `w` and they."""

    def twin(w: Array, dw: Array, config: Config | None) -> Any:
        return change(w, *rule(w, dw, config))

    return twin


def _shared(
    rule: Function, settings: Mapping[str, float], memory: Sequence[str]
) -> tuple[Mistake, ...]:
    def with_config(config_for: Callable[[Config], Config]) -> Function:
        return lambda w, dw, config: rule(w, dw, config_for(config or {}))

    mistakes = [
        Mistake(
            "uphill", _UPHILL, _around(rule, lambda w, new, config: (2 * w - new, config))
        ),
        Mistake(
            "w-returned",
            "What comes back is the old w: the new one was computed and not returned.",
            _around(rule, lambda w, new, config: (w, config)),
        ),
        Mistake(
            "step-returned",
            "What comes back is the step alone; next_w is w plus the step.",
            _around(rule, lambda w, new, config: (new - w, config)),
        ),
        Mistake(
            "step-returned",
            "What comes back is the amount to subtract; next_w is w less that amount.",
            _around(rule, lambda w, new, config: (w - new, config)),
        ),
        Mistake(
            "settings-lost",
            "The first step is right, but the config it returns has lost the settings: add to the dict "
            "that you were given, and return that.",
            _around(
                rule,
                lambda w, new, config: (
                    new,
                    {key: value for key, value in config.items() if key in memory},
                ),
            ),
        ),
        Mistake(
            "settings-not-read",
            "The settings in `config` are not used, the defaults always are.",
            with_config(
                lambda config: {
                    key: value for key, value in config.items() if key not in settings
                }
            ),
        ),
    ]  # fmt: skip
    if memory:
        names = " and ".join(f"`config[{key!r}]`" for key in memory)
        mistakes.insert(
            0,
            Mistake(
                "memory-lost",
                f"Every step begins without a memory: what the last one left in {names} is not stored, "
                "or not read.",
                with_config(
                    lambda config: {
                        key: value for key, value in config.items() if key not in memory
                    }
                ),
            ),
        )
        mistakes += [
            Mistake(
                "memory-not-from-zero",
                _NOT_FROM_ZERO,
                _beginning_with(rule, memory, start),
            )
            for start in (
                lambda w, dw: w,
                lambda w, dw: dw,
                lambda w, dw: np.ones_like(w),
            )
        ]
    mistakes += [
        Mistake(
            "gradient-summed",
            "One number, made of the whole gradient, moves all entries of w alike: each entry has a "
            "gradient of its own.",
            _with_gradient(rule, reduce),
        )
        for reduce in (np.sum, np.mean)
    ]
    mistakes += [
        Mistake("weight-decay", _DECAY, _penalized(rule, strength))
        for strength in (0.1, 0.01, 0.001)
    ]
    return tuple(mistakes)


def _beginning_with(
    rule: Function, memory: Sequence[str], start: Callable[[Array, Array], Array]
) -> Function:
    """Return a rule whose memory begins elsewhere than at zero."""

    def twin(w: Array, dw: Array, config: Config | None) -> Any:
        arrays = {key: start(w, dw) for key in memory if key != "t"}
        return rule(w, dw, arrays | (config or {}))

    return twin


def _with_gradient(rule: Function, reduce: Callable[[Array], Any]) -> Function:
    return lambda w, dw, config: rule(w, np.full_like(dw, reduce(dw)), config)


def _penalized(rule: Function, strength: float) -> Function:
    return lambda w, dw, config: rule(w, dw + strength * w, config)


def _written(
    settings: Mapping[str, float],
    memory: Mapping[str, Any],
    **steps: Callable[..., Any],
) -> Callable[..., Function]:
    """Return a maker of twins: the rule, written as the steps that it consists of, some
    of which the caller replaces.

    A step is a function of all that is known when its turn comes. What is remembered is
    what is known under the names of the memory at the end, or as ``stored_...``.
    """

    def twin_with(**replaced: Callable[..., Any]) -> Function:
        def twin(w: Array, dw: Array, config: Config | None) -> tuple[Any, Config]:
            config = dict(settings) | (config or {})
            begin = {
                key: np.zeros_like(w) if value is None else value
                for key, value in memory.items()
            }
            s = SimpleNamespace(w=w, dw=dw, **(begin | config))
            for name, step in (steps | replaced).items():
                setattr(s, name, step(s))
            kept = {key: getattr(s, f"stored_{key}", getattr(s, key)) for key in memory}
            return s.next_w, config | kept

        return twin

    return twin_with


# ---- the rules -----------------------------------------------------------------------


def _case(
    name: str,
    shape: tuple[int, ...],
    config: Config | None,
    stage: str = "values",
    *,
    earlier: int = 0,
    seed: int = 0,
) -> Case:
    return Case(
        name,
        (
            numbers(*shape, seed=seed),
            numbers(3, *shape, seed=seed + 1),
            config,
            numbers(earlier, *shape, seed=seed + 2) if earlier else None,
        ),
        stage,
    )


def _cases(one: Config, other: Config, *more: Case) -> tuple[Case, ...]:
    """Return the cases of a rule: with two choices of settings, with a memory, with
    none of both, and `more`."""
    nothing = _case("config=None, and w = 0", (5,), None, seed=9)
    # From w = 0, so that a step of 0.001 is no rounding error beside w.
    nothing = Case(nothing.name, (np.zeros(5), *nothing.arguments[1:]))
    zeros = _case("gradients that are 0 in places", (3, 2), one, EDGE_CASES, seed=12)
    zeros.arguments[1][:, 0] = 0
    return (
        _case("w of shape (2, 3), settings in config", (2, 3), one),
        _case("w of shape (4,), other settings", (4,), other, seed=3),
        nothing,
        # Who makes a mistake with the memory makes it from a start without one as well, and is told
        # it there; so what is left to this case is the meaning of what `config` holds.
        _case("config with the memory of 2 earlier steps", (3, 2), one, EDGE_CASES, earlier=2, seed=6),
        zeros,
        _case("w with four axes", (2, 1, 2, 3), other, EDGE_CASES, seed=15),
        *more,
    )  # fmt: skip


def _tiny() -> Case:
    """Return gradients beside which epsilon's default is not small."""
    w, gradients, *rest = _case("", (4,), None, seed=18).arguments
    return Case(
        "gradients as small as epsilon, config=None",
        (0 * w, gradients * 1e-8, *rest),
        EDGE_CASES,
    )


def _rule(
    reference: Function,
    settings: Mapping[str, float],
    memory: tuple[str, ...],
    cases: tuple[Case, ...],
    mistakes: Sequence[Mistake],
    formula: str,
    section: str,
) -> UpdateRule:
    shared = _shared(reference, settings, memory)
    return UpdateRule(
        reference.__name__,
        ("w", "dw", "config"),
        ("next_w", "config"),
        reference,
        cases,
        (*mistakes, *shared),
        {FIRST: formula, LAST: formula},
        f'chapter 2, section "{section}"',
        settings=settings,
        memory=memory,
        patterns=(_defaults(settings), step_factor, weight_decay, later_steps),
    )


# ---- SGD -----------------------------------------------------------------------------

_RATE = {"learning_rate": 1e-2}
_sgd = _written(_RATE, {}, next_w=lambda s: s.w - s.learning_rate * s.dw)

SGD = _rule(
    optim.sgd,
    _RATE,
    (),
    _cases({"learning_rate": 0.5}, {"learning_rate": 0.2}),
    (
        Mistake(
            "no-learning-rate",
            "The whole gradient is subtracted; it must be multiplied by the learning rate.",
            _sgd(next_w=lambda s: s.w - s.dw),
        ),
        Mistake(
            "divided-by-learning-rate",
            "The gradient is divided by the learning rate; it must be multiplied by it.",
            _sgd(next_w=lambda s: s.w - s.dw / s.learning_rate),
        ),
        Mistake(
            "rate-times-w",
            "The learning rate multiplies w too: it belongs to the gradient alone.",
            _sgd(next_w=lambda s: s.learning_rate * (s.w - s.dw)),
        ),
        Mistake(
            "sign-of-gradient",
            "Only the gradient's sign is used, not its size.",
            _sgd(next_w=lambda s: s.w - s.learning_rate * np.sign(s.dw)),
        ),
        Mistake(
            "normalized-gradient",
            "The gradient is divided by its length: every step has the same length, and need not.",
            _sgd(next_w=lambda s: s.w - s.learning_rate * s.dw / np.linalg.norm(s.dw)),
        ),
    ),
    "next_w = w - learning_rate * dw",
    "How large a step may be",
)

# ---- momentum ------------------------------------------------------------------------

_MOMENTUM = _RATE | {"momentum": 0.9}
_momentum = _written(
    _MOMENTUM,
    {"velocity": None},
    old=lambda s: s.velocity,
    velocity=lambda s: s.momentum * s.old - s.learning_rate * s.dw,
    next_w=lambda s: s.w + s.velocity,
)
_no_momentum = _case(
    "a momentum of 0", (3,), {"learning_rate": 0.5, "momentum": 0.0}, EDGE_CASES, seed=21
)  # fmt: skip
_MOMENTUM_CASES = _cases(
    {"learning_rate": 0.5, "momentum": 0.6},
    {"learning_rate": 0.2, "momentum": 0.3},
    _no_momentum,
)


def _about_velocity(
    twin: Callable[..., Function], **to_next_w: Callable[..., Any]
) -> tuple[Mistake, ...]:
    """Return the mistakes in the velocity, for a rule that gets from it to next_w in its
    own way."""
    return (
        Mistake(
            "velocity-sign",
            "momentum * velocity is subtracted: a ball that rolls on keeps its direction.",
            twin(
                velocity=lambda s: -s.momentum * s.old - s.learning_rate * s.dw,
                **to_next_w,
            ),
        ),
        Mistake(
            "uphill",
            "The gradient enters the velocity with a plus, and the velocity is added to w: that goes "
            "uphill.",
            twin(velocity=lambda s: s.momentum * s.old + s.learning_rate * s.dw),
        ),
        Mistake(
            "dampened",
            "The gradient is multiplied by (1 - momentum): that is an average of gradients, and here "
            "they are summed.",
            twin(
                velocity=lambda s: (
                    s.momentum * s.old - (1 - s.momentum) * s.learning_rate * s.dw
                )
            ),
        ),
        Mistake(
            "no-learning-rate",
            "The gradient enters the velocity without the learning rate.",
            twin(velocity=lambda s: s.momentum * s.old - s.dw),
        ),
        Mistake(
            "learning-rate-on-velocity",
            "The learning rate multiplies the old velocity as well, which already has it.",
            twin(velocity=lambda s: s.learning_rate * (s.momentum * s.old - s.dw)),
        ),
        Mistake(
            "momentum-on-both",
            "momentum multiplies the gradient's part too: it belongs to the old velocity alone.",
            twin(velocity=lambda s: s.momentum * (s.old - s.learning_rate * s.dw)),
        ),
        Mistake(
            "no-momentum",
            "The old velocity is kept whole: multiply it by momentum.",
            twin(velocity=lambda s: s.old - s.learning_rate * s.dw),
        ),
        Mistake(
            "momentum-exchanged",
            "momentum and learning_rate are exchanged.",
            twin(velocity=lambda s: s.learning_rate * s.old - s.momentum * s.dw),
        ),
        Mistake(
            "velocity-other-sign",
            "From a start at rest it is right. But `config['velocity']` is the step itself, which is "
            "ADDED to w, and yours is subtracted: a velocity that you are given points the other way.",
            _given_velocity(twin, -1),
        ),
        Mistake(
            "velocity-without-rate",
            "From a start at rest it is right. But `config['velocity']` is the step itself, with the "
            "learning rate in it, and yours is a sum of gradients: a velocity that you are given means "
            "something else.",
            _given_velocity(twin, None),
        ),
    )


def _given_velocity(twin: Callable[..., Function], factor: float | None) -> Function:
    """Return a right rule that keeps its velocity in another unit than the book: times
    `factor`, or, without one, divided by minus the learning rate."""

    def unit(s: SimpleNamespace) -> float:
        return -1 / s.learning_rate if factor is None else factor

    return twin(
        old=lambda s: s.velocity / unit(s),
        stored_velocity=lambda s: unit(s) * s.velocity,
    )


SGD_MOMENTUM = _rule(
    optim.sgd_momentum,
    _MOMENTUM,
    ("velocity",),
    _MOMENTUM_CASES,
    (
        Mistake(
            "old-velocity",
            "w is moved by the old velocity: the new one is computed, and comes a step too late.",
            _momentum(next_w=lambda s: s.w + s.old),
        ),
        *_about_velocity(_momentum),
        Mistake(
            "learning-rate-twice",
            "The learning rate multiplies the velocity, which already has it in it.",
            _momentum(next_w=lambda s: s.w + s.learning_rate * s.velocity),
        ),
        Mistake(
            "gradient-step-added",
            "The gradient's step is taken twice: it is in the velocity, and in next_w once more.",
            _momentum(next_w=lambda s: s.w + s.velocity - s.learning_rate * s.dw),
        ),
        Mistake(
            "nesterov",
            "This is Nesterov's momentum; the plain one adds the velocity, and nothing else.",
            _momentum(next_w=lambda s: s.w + s.velocity + s.momentum * (s.velocity - s.old)),
        ),
        Mistake(
            "stored-wrong",
            "The first step is right, but what is stored as `config['velocity']` is next_w.",
            _momentum(stored_velocity=lambda s: s.next_w),
        ),
        Mistake(
            "stored-wrong",
            "The first step is right, but what is stored as `config['velocity']` is the gradient.",
            _momentum(stored_velocity=lambda s: s.dw),
        ),
    ),
    "velocity = momentum * velocity - learning_rate * dw\nnext_w = w + velocity",
    "A heavy ball",
)  # fmt: skip

_nesterov = _written(
    _MOMENTUM,
    {"velocity": None},
    old=lambda s: s.velocity,
    velocity=lambda s: s.momentum * s.old - s.learning_rate * s.dw,
    next_w=lambda s: s.w + s.velocity + s.momentum * (s.velocity - s.old),
)

SGD_NESTEROV_MOMENTUM = _rule(
    optim.sgd_nesterov_momentum,
    _MOMENTUM,
    ("velocity",),
    _MOMENTUM_CASES,
    (
        Mistake(
            "plain-momentum",
            "This is plain momentum. The difference between the new velocity and the old one is "
            "missing, or is 0 because both names stand for the same array.",
            _nesterov(next_w=lambda s: s.w + s.velocity),
        ),
        Mistake(
            "old-velocity-not-subtracted",
            "momentum times the NEW velocity is added, and that times the old one is not subtracted.",
            _nesterov(next_w=lambda s: s.w + (1 + s.momentum) * s.velocity),
        ),
        Mistake(
            "velocities-exchanged",
            "The old velocity and the new one are exchanged.",
            _nesterov(next_w=lambda s: s.w + s.velocity + s.momentum * (s.old - s.velocity)),
        ),
        Mistake(
            "velocities-exchanged",
            "The old velocity and the new one are exchanged.",
            _nesterov(
                next_w=lambda s: s.w - s.momentum * s.velocity + (1 + s.momentum) * s.old
            ),
        ),
        Mistake(
            "old-velocity-sign",
            "momentum times the old velocity is added, and must be subtracted.",
            _nesterov(
                next_w=lambda s: s.w + s.momentum * s.old + (1 + s.momentum) * s.velocity
            ),
        ),
        Mistake(
            "one-plus-momentum",
            "The new velocity counts once, and must count 1 + momentum times: it is the step, and it is "
            "where the next look ahead goes.",
            _nesterov(next_w=lambda s: s.w - s.momentum * s.old + s.velocity),
        ),
        Mistake(
            "difference-without-momentum",
            "The difference of the two velocities is added whole: multiply it by momentum.",
            _nesterov(next_w=lambda s: s.w + 2 * s.velocity - s.old),
        ),
        Mistake(
            "old-velocity",
            "Only the old velocity looks ahead: the new one must take its part in next_w.",
            _nesterov(
                next_w=lambda s: s.w + s.old + s.momentum * (s.velocity - s.old)
            ),
        ),
        Mistake(
            "stored-wrong",
            "The first step is right, but what is stored is the whole step; `config['velocity']` is the "
            "new velocity alone.",
            _nesterov(stored_velocity=lambda s: s.next_w - s.w),
        ),
        *_about_velocity(_nesterov),
    ),
    "new = momentum * velocity - learning_rate * dw\nnext_w = w + new + momentum * (new - velocity)",
    "Nesterov: look before you step",
)  # fmt: skip

# ---- RMSProp -------------------------------------------------------------------------

_RMSPROP = _RATE | {"decay_rate": 0.99, "epsilon": 1e-8}
_rmsprop = _written(
    _RMSPROP,
    {"cache": None},
    old=lambda s: s.cache,
    cache=lambda s: s.decay_rate * s.old + (1 - s.decay_rate) * s.dw**2,
    next_w=lambda s: s.w - s.learning_rate * s.dw / (np.sqrt(s.cache) + s.epsilon),
)

RMSPROP = _rule(
    optim.rmsprop,
    _RMSPROP,
    ("cache",),
    _cases(
        {"learning_rate": 0.5, "decay_rate": 0.8, "epsilon": 0.3},
        {"learning_rate": 0.2, "decay_rate": 0.3, "epsilon": 0.2},
        _tiny(),
    ),
    (
        Mistake(
            "epsilon-under-root",
            "epsilon is under the root; it is added to the root.",
            _rmsprop(
                next_w=lambda s: s.w - s.learning_rate * s.dw / np.sqrt(s.cache + s.epsilon)
            ),
        ),
        Mistake(
            "not-squared",
            "The average is one of the gradient; it must be one of its square.",
            _rmsprop(cache=lambda s: s.decay_rate * s.old + (1 - s.decay_rate) * s.dw),
        ),
        Mistake(
            "no-root",
            "The gradient is divided by the average of its square; take the root of that first.",
            _rmsprop(next_w=lambda s: s.w - s.learning_rate * s.dw / (s.cache + s.epsilon)),
        ),
        Mistake(
            "no-one-minus-decay",
            "The squared gradient enters whole: multiply it by (1 - decay_rate), so that the cache is "
            "an average.",
            _rmsprop(cache=lambda s: s.decay_rate * s.old + s.dw**2),
        ),
        Mistake(
            "decay-exchanged",
            "decay_rate and 1 - decay_rate are exchanged: the old average keeps the part decay_rate.",
            _rmsprop(cache=lambda s: (1 - s.decay_rate) * s.old + s.decay_rate * s.dw**2),
        ),
        Mistake(
            "no-decay",
            "All squared gradients are summed, as AdaGrad does; the old ones must fade, by decay_rate.",
            _rmsprop(cache=lambda s: s.old + s.dw**2),
        ),
        Mistake(
            "no-decay",
            "The old average is kept whole; it must fade, by decay_rate.",
            _rmsprop(cache=lambda s: s.old + (1 - s.decay_rate) * s.dw**2),
        ),
        Mistake(
            "cache-late",
            "The step divides by the old average: bring it up to date first.",
            _rmsprop(
                next_w=lambda s: s.w - s.learning_rate * s.dw / (np.sqrt(s.old) + s.epsilon)
            ),
        ),
        Mistake(
            "no-epsilon",
            "epsilon is missing in the denominator.",
            _rmsprop(next_w=lambda s: s.w - s.learning_rate * s.dw / np.sqrt(s.cache)),
        ),
        Mistake(
            "epsilon-outside",
            "epsilon is added to the quotient; parentheses around the denominator are missing.",
            _rmsprop(
                next_w=lambda s: (
                    s.w - (s.learning_rate * s.dw / np.sqrt(s.cache) + s.epsilon)
                )
            ),
        ),
        Mistake(
            "epsilon-outside",
            "epsilon is added to w; parentheses around the denominator are missing.",
            _rmsprop(
                next_w=lambda s: s.w - s.learning_rate * s.dw / np.sqrt(s.cache) + s.epsilon
            ),
        ),
        Mistake(
            "one-average",
            "One average serves all entries of w; each must have its own.",
            _rmsprop(
                cache=lambda s: s.decay_rate * s.old + (1 - s.decay_rate) * np.mean(s.dw**2)
            ),
        ),
        Mistake(
            "one-average",
            "The squared gradients are summed over all entries of w; each must have its own average.",
            _rmsprop(
                cache=lambda s: s.decay_rate * s.old + (1 - s.decay_rate) * np.sum(s.dw**2)
            ),
        ),
        Mistake(
            "epsilon-maximum",
            "epsilon is the least that the root may be; it must be added to the root.",
            _rmsprop(
                next_w=lambda s: (
                    s.w - s.learning_rate * s.dw / np.maximum(np.sqrt(s.cache), s.epsilon)
                )
            ),
        ),
        Mistake(
            "multiplied",
            "The gradient is multiplied by the root of the average; it must be divided by it.",
            _rmsprop(
                next_w=lambda s: s.w - s.learning_rate * s.dw * (np.sqrt(s.cache) + s.epsilon)
            ),
        ),
        Mistake(
            "no-learning-rate",
            "The learning rate is missing.",
            _rmsprop(next_w=lambda s: s.w - s.dw / (np.sqrt(s.cache) + s.epsilon)),
        ),
        Mistake(
            "bias-correction",
            "The average is divided by 1 - decay_rate ** t: that is Adam's bias correction, which "
            "RMSProp does not have.",
            _written(
                _RMSPROP,
                {"cache": None, "t": 0},
                t=lambda s: s.t + 1,
                cache=lambda s: s.decay_rate * s.cache + (1 - s.decay_rate) * s.dw**2,
                next_w=lambda s: s.w - s.learning_rate * s.dw / (
                    np.sqrt(s.cache / (1 - s.decay_rate**s.t)) + s.epsilon
                ),
            )(),
        ),
        Mistake(
            "stored-wrong",
            "The first step is right, but what is stored is the root; `config['cache']` is the average "
            "before the root is taken.",
            _rmsprop(stored_cache=lambda s: np.sqrt(s.cache)),
        ),
    ),
    "cache = decay_rate * cache + (1 - decay_rate) * dw**2\n"
    "next_w = w - learning_rate * dw / (sqrt(cache) + epsilon)",
    "RMSProp: a rate for every parameter",
)  # fmt: skip

# ---- Adam ----------------------------------------------------------------------------

_ADAM = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
_adam = _written(
    _ADAM,
    {"m": None, "v": None, "t": 0},
    old_t=lambda s: s.t,
    old_m=lambda s: s.m,
    old_v=lambda s: s.v,
    t=lambda s: s.t + 1,
    m=lambda s: s.beta1 * s.m + (1 - s.beta1) * s.dw,
    v=lambda s: s.beta2 * s.v + (1 - s.beta2) * s.dw**2,
    m_hat=lambda s: s.m / (1 - s.beta1**s.t),
    v_hat=lambda s: s.v / (1 - s.beta2**s.t),
    next_w=lambda s: s.w - s.learning_rate * s.m_hat / (np.sqrt(s.v_hat) + s.epsilon),
)


def _corrected_with(t: Callable[[SimpleNamespace], int]) -> Function:
    """Return Adam with another number of steps in its bias correction."""
    return _adam(
        m_hat=lambda s: s.m / (1 - s.beta1 ** t(s)),
        v_hat=lambda s: s.v / (1 - s.beta2 ** t(s)),
    )


ADAM = _rule(
    optim.adam,
    _ADAM,
    ("m", "v", "t"),
    _cases(
        {"learning_rate": 0.5, "beta1": 0.6, "beta2": 0.8, "epsilon": 0.3},
        {"learning_rate": 0.2, "beta1": 0.7, "beta2": 0.3, "epsilon": 0.2},
        _tiny(),
    ),
    (
        Mistake(
            "no-bias-correction",
            "The bias correction is missing: the step is made of m and v, not of m_hat and v_hat.",
            _adam(m_hat=lambda s: s.m, v_hat=lambda s: s.v),
        ),
        Mistake(
            "t-late",
            "t is still the number of the steps before this one when the bias is corrected, so 0 at the "
            "first: raise it by 1 before you use it.",
            _corrected_with(lambda s: s.old_t),
        ),
        Mistake(
            "t-late",
            "t is still the number of the steps before this one when the bias is corrected, and the "
            "first step is not corrected at all: raise it by 1 before you use it.",
            _adam(
                m_hat=lambda s: s.m / (1 - s.beta1**s.old_t) if s.old_t else s.m,
                v_hat=lambda s: s.v / (1 - s.beta2**s.old_t) if s.old_t else s.v,
            ),
        ),
        Mistake(
            "memory-lost",
            "The first step is right, but the new m and v are not stored: `config['m']` and "
            "`config['v']` stay as they were.",
            _adam(stored_m=lambda s: s.old_m, stored_v=lambda s: s.old_v),
        ),
        Mistake(
            "t-not-incremented",
            "t stays at 0, so the bias correction divides by 0: raise it by 1 at every step, before you "
            "use it.",
            _adam(t=lambda s: s.t),
        ),
        Mistake(
            "t-not-stored",
            "The first step is right, but t does not grow: raise it at every step, and store it in "
            "`config['t']`.",
            _adam(stored_t=lambda s: s.old_t),
        ),
        Mistake(
            "t-not-stored",
            "The first step is right, but t does not grow: raise it at every step, and store it in "
            "`config['t']`.",
            _adam(t=lambda s: max(s.t, 1)),
        ),
        Mistake(
            "t-ahead",
            "The bias correction uses t + 1: t is counted twice, or counting began at 1.",
            _corrected_with(lambda s: s.t + 1),
        ),
        Mistake(
            "t-ahead",
            "t grows by 2 at every step: it is raised once for m and once for v.",
            _adam(t=lambda s: s.t + 2),
        ),
        Mistake(
            "t-ahead",
            "t is one step further for v than for m: raise it once, before both.",
            _adam(
                v_hat=lambda s: s.v / (1 - s.beta2 ** (s.t + 1)),
                stored_t=lambda s: s.t + 1,
            ),
        ),
        Mistake(
            "t-counted-from-1",
            "It is right when it starts without a memory. But `config['t']` is the number of steps "
            "taken so far, and yours is the number of the step to come: 0 at first, raised before use.",
            _adam(t=lambda s: max(s.t, 1), stored_t=lambda s: s.t + 1),
        ),
        Mistake(
            "m-hat-only",
            "Only m is corrected for its bias: v starts at zero too, so divide by v_hat's root.",
            _adam(v_hat=lambda s: s.v),
        ),
        Mistake(
            "v-hat-only",
            "Only v is corrected for its bias: m starts at zero too, so m_hat goes into the step.",
            _adam(m_hat=lambda s: s.m),
        ),
        Mistake(
            "betas-exchanged",
            "beta1 and beta2 are exchanged: beta1 belongs to m, beta2 to v.",
            _adam(
                m=lambda s: s.beta2 * s.m + (1 - s.beta2) * s.dw,
                v=lambda s: s.beta1 * s.v + (1 - s.beta1) * s.dw**2,
                m_hat=lambda s: s.m / (1 - s.beta2**s.t),
                v_hat=lambda s: s.v / (1 - s.beta1**s.t),
            ),
        ),
        Mistake(
            "betas-exchanged",
            "beta1 and beta2 are exchanged in the averages: beta1 belongs to m, beta2 to v.",
            _adam(
                m=lambda s: s.beta2 * s.m + (1 - s.beta2) * s.dw,
                v=lambda s: s.beta1 * s.v + (1 - s.beta1) * s.dw**2,
            ),
        ),
        Mistake(
            "betas-exchanged",
            "beta1 and beta2 are exchanged in the bias correction: m was made with beta1, v with beta2.",
            _adam(
                m_hat=lambda s: s.m / (1 - s.beta2**s.t),
                v_hat=lambda s: s.v / (1 - s.beta1**s.t),
            ),
        ),
        Mistake(
            "one-beta",
            "beta1 is used for v as well, which has beta2.",
            _adam(
                v=lambda s: s.beta1 * s.v + (1 - s.beta1) * s.dw**2,
                v_hat=lambda s: s.v / (1 - s.beta1**s.t),
            ),
        ),
        Mistake(
            "one-beta",
            "beta1 is used in the bias correction of v as well, which was made with beta2.",
            _adam(v_hat=lambda s: s.v / (1 - s.beta1**s.t)),
        ),
        Mistake(
            "one-minus-beta",
            "beta and 1 - beta are exchanged: the old average keeps the part beta.",
            _adam(
                m=lambda s: (1 - s.beta1) * s.m + s.beta1 * s.dw,
                v=lambda s: (1 - s.beta2) * s.v + s.beta2 * s.dw**2,
            ),
        ),
        Mistake(
            "m-not-average",
            "The gradient enters m whole: multiply it by (1 - beta1).",
            _adam(m=lambda s: s.beta1 * s.m + s.dw),
        ),
        Mistake(
            "v-not-average",
            "The squared gradient enters v whole: multiply it by (1 - beta2).",
            _adam(v=lambda s: s.beta2 * s.v + s.dw**2),
        ),
        Mistake(
            "m-not-decayed",
            "The first step is right, but m keeps the old average whole: multiply it by beta1.",
            _adam(m=lambda s: s.m + (1 - s.beta1) * s.dw),
        ),
        Mistake(
            "v-not-decayed",
            "The first step is right, but v keeps the old average whole: multiply it by beta2.",
            _adam(v=lambda s: s.v + (1 - s.beta2) * s.dw**2),
        ),
        Mistake(
            "one-average",
            "The squared gradients are summed over all entries of w; each must have its own average.",
            _adam(v=lambda s: s.beta2 * s.v + (1 - s.beta2) * np.sum(s.dw**2)),
        ),
        Mistake(
            "t-late",
            "m is corrected before t is raised, and v after it: raise t once, before both.",
            _adam(m_hat=lambda s: s.m / (1 - s.beta1 ** max(s.old_t, 1))),
        ),
        Mistake(
            "no-bias-correction",
            "The bias correction is missing: the step is made of m and v, not of m_hat and v_hat. And "
            "epsilon is under the root; it is added to the root.",
            _adam(
                next_w=lambda s: s.w - s.learning_rate * s.m / np.sqrt(s.v + s.epsilon)
            ),
        ),
        Mistake(
            "not-average",
            "The gradient enters m and v whole: multiply it by (1 - beta1), and its square by "
            "(1 - beta2).",
            _adam(
                m=lambda s: s.beta1 * s.m + s.dw, v=lambda s: s.beta2 * s.v + s.dw**2
            ),
        ),
        Mistake(
            "v-not-squared",
            "v is an average of the gradient; it must be one of its square.",
            _adam(v=lambda s: s.beta2 * s.v + (1 - s.beta2) * s.dw),
        ),
        Mistake(
            "v-not-squared",
            "v is an average of the gradient's size; it must be one of its square.",
            _adam(v=lambda s: s.beta2 * s.v + (1 - s.beta2) * np.abs(s.dw)),
        ),
        Mistake(
            "v-of-m",
            "v is an average of m squared; it must be one of the gradient squared.",
            _adam(v=lambda s: s.beta2 * s.v + (1 - s.beta2) * s.m**2),
        ),
        Mistake(
            "squared-outside",
            "The factor (1 - beta2) is squared with the gradient: square the gradient alone.",
            _adam(v=lambda s: s.beta2 * s.v + ((1 - s.beta2) * s.dw) ** 2),
        ),
        Mistake(
            "epsilon-under-root",
            "epsilon is under the root; it is added to the root.",
            _adam(
                next_w=lambda s: (
                    s.w - s.learning_rate * s.m_hat / np.sqrt(s.v_hat + s.epsilon)
                )
            ),
        ),
        Mistake(
            "epsilon-before-correction",
            "epsilon is added to the root of v, before its bias correction; add it to the root of "
            "v_hat. (The paper has such a shorter form too, with an epsilon of another meaning.)",
            _adam(
                next_w=lambda s: (
                    s.w
                    - s.learning_rate * s.m_hat * np.sqrt(1 - s.beta2**s.t)
                    / (np.sqrt(s.v) + s.epsilon)
                )
            ),
        ),
        Mistake(
            "no-epsilon",
            "epsilon is missing in the denominator.",
            _adam(next_w=lambda s: s.w - s.learning_rate * s.m_hat / np.sqrt(s.v_hat)),
        ),
        Mistake(
            "epsilon-outside",
            "epsilon is added to w; parentheses around the denominator are missing.",
            _adam(
                next_w=lambda s: (
                    s.w - s.learning_rate * s.m_hat / np.sqrt(s.v_hat) + s.epsilon
                )
            ),
        ),
        Mistake(
            "epsilon-outside",
            "epsilon is added to the quotient; parentheses around the denominator are missing.",
            _adam(
                next_w=lambda s: (
                    s.w - s.learning_rate * (s.m_hat / np.sqrt(s.v_hat) + s.epsilon)
                )
            ),
        ),
        Mistake(
            "no-root",
            "The step divides by v_hat; it must divide by its root.",
            _adam(
                next_w=lambda s: s.w - s.learning_rate * s.m_hat / (s.v_hat + s.epsilon)
            ),
        ),
        Mistake(
            "beta-without-power",
            "The bias correction is 1 - beta at every step: either beta is not raised to the power t, "
            "or t is 1 again at every step.",
            _adam(
                m_hat=lambda s: s.m / (1 - s.beta1), v_hat=lambda s: s.v / (1 - s.beta2)
            ),
        ),
        Mistake(
            "beta-times-t",
            "The bias correction multiplies beta by t; it must raise it to the power t.",
            _adam(
                m_hat=lambda s: s.m / (1 - s.beta1 * s.t),
                v_hat=lambda s: s.v / (1 - s.beta2 * s.t),
            ),
        ),
        Mistake(
            "power-of-difference",
            "(1 - beta) is raised to the power t; beta alone is: 1 - beta ** t.",
            _adam(
                m_hat=lambda s: s.m / (1 - s.beta1) ** s.t,
                v_hat=lambda s: s.v / (1 - s.beta2) ** s.t,
            ),
        ),
        Mistake(
            "correction-multiplied",
            "The averages are multiplied by 1 - beta ** t; they are too small at first, so divide them.",
            _adam(
                m_hat=lambda s: s.m * (1 - s.beta1**s.t),
                v_hat=lambda s: s.v * (1 - s.beta2**s.t),
            ),
        ),
        Mistake(
            "hats-stored",
            "The first step is right, but the corrected averages are stored, and corrected again at the "
            "next step: store m and v themselves.",
            _adam(stored_m=lambda s: s.m_hat, stored_v=lambda s: s.v_hat),
        ),
        Mistake(
            "m-not-used",
            "The step is made of the gradient itself; its average, m_hat, must take its place.",
            _adam(
                next_w=lambda s: (
                    s.w - s.learning_rate * s.dw / (np.sqrt(s.v_hat) + s.epsilon)
                )
            ),
        ),
        Mistake(
            "m-not-stored",
            "m begins at zero at every step: it must be read from `config`, and stored there.",
            _adam(m=lambda s: (1 - s.beta1) * s.dw),
        ),
        Mistake(
            "v-not-stored",
            "v begins at zero at every step: it must be read from `config`, and stored there.",
            _adam(v=lambda s: (1 - s.beta2) * s.dw**2),
        ),
        Mistake(
            "one-array",
            "m and v are one and the same array, changed in place, so that each overwrites the other: "
            "give each zeros of its own.",
            _adam(
                v=lambda s: s.beta2 * s.m + (1 - s.beta2) * s.dw**2,
                m_hat=lambda s: s.v / (1 - s.beta1**s.t),
                stored_m=lambda s: s.v,
            ),
        ),
        Mistake(
            "no-learning-rate",
            "The learning rate is missing.",
            _adam(next_w=lambda s: s.w - s.m_hat / (np.sqrt(s.v_hat) + s.epsilon)),
        ),
    ),
    "m = beta1 * m + (1 - beta1) * dw;  m_hat = m / (1 - beta1**t)\n"
    "v = beta2 * v + (1 - beta2) * dw**2;  v_hat = v / (1 - beta2**t)\n"
    "next_w = w - learning_rate * m_hat / (sqrt(v_hat) + epsilon), with t = 1 at the first step",
    "Adam: both, without the bias",
)  # fmt: skip

ALL = (SGD, SGD_MOMENTUM, SGD_NESTEROV_MOMENTUM, RMSPROP, ADAM)
