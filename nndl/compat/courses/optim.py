"""The update rules, with their memory under the names that each course gave it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import optim
from ...optim import sgd

Rule = Callable[..., tuple[Any, dict[str, Any]]]


def _also_under(rule: Rule, marks: str, names: dict[str, str]) -> Rule:
    """Let a rule keep its memory under UCLA's names.

    Parameters
    ----------
    rule
        Of `nndl.optim`.
    marks
        The name that tells a config of UCLA's: no other course uses it in this rule.
    names
        UCLA's name of each array that the rule remembers.
    """

    @functools.wraps(rule)
    def step(w: Any, dw: Any, config: Any = None) -> tuple[Any, dict[str, Any]]:
        if not isinstance(config, dict) or marks not in config:
            return rule(w, dw, config)
        ours = {key: value for key, value in config.items() if key not in names}
        ours |= {name: config[key] for key, name in names.items() if key in config}
        next_w, ours = rule(w, dw, ours)
        theirs = {name: key for key, name in names.items()}
        config.update({theirs.get(name, name): value for name, value in ours.items()})
        return next_w, config

    return step


sgd_momentum = _also_under(optim.sgd_momentum, "v", {"v": "velocity"})
sgd_nesterov_momentum = _also_under(optim.sgd_nesterov_momentum, "v", {"v": "velocity"})
rmsprop = _also_under(optim.rmsprop, "a", {"a": "cache"})
adam = _also_under(optim.adam, "a", {"v": "m", "a": "v"})
