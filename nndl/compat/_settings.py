"""What the courses' editions disagree about, as `install` was told."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arguments import number, one_of, whole_number

#: Whether the `p` of dropout is the probability to "keep" a unit or to "drop" it.
dropout_p = "keep"


def choose(dropout_p_means: str) -> None:
    """Set what dropout's `p` means."""
    global dropout_p
    dropout_p = one_of("dropout_p", dropout_p_means, "keep", "drop")


def keep_probability(name: str, p: float) -> float:
    """Return the probability of keeping a unit that an edition's `p` stands for."""
    if dropout_p == "keep":
        return number(name, p, above=0, at_most=1)
    return 1 - number(name, p, at_least=0, below=1)


class Reseeding(np.random.RandomState):
    """NumPy's global state, seeded anew before each draw: how the courses make dropout
    repeat its masks. Every layer of a network draws from the same seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = whole_number("seed", seed, at_least=0)

    def random(self, size: Any = None) -> Any:
        """Seed the global state and draw from it."""
        np.random.seed(self._seed)
        return np.random.random(size)
