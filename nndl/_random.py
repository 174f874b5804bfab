"""Where random numbers come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arguments import whole_number

#: What every `rng=` argument accepts.
RandomSource = np.random.Generator | np.random.RandomState | int | None


def random_generator(rng: RandomSource = None, name: str = "rng") -> Any:
    """Return a source of random numbers with the methods of `numpy.random.Generator`.

    Parameters
    ----------
    rng : numpy.random.Generator, int or None
        A generator is returned as it is, an int seeds a new one, and None means NumPy's
        global state, so that ``np.random.seed`` works as readers expect.
    name : str, optional
        What to call it in an error.

    Returns
    -------
    numpy.random.Generator or numpy.random.RandomState

    Raises
    ------
    TypeError
        If `rng` is anything else.
    ValueError
        If `rng` is a negative int.
    """
    if rng is None:
        return np.random.mtrand._rand
    if isinstance(rng, (np.random.Generator, np.random.RandomState)):
        return rng
    if isinstance(rng, bool) or not hasattr(rng, "__index__"):
        raise TypeError(
            f"`{name}` must be a numpy.random.Generator, an int seed or None, but is {rng!r}."
        )
    return np.random.default_rng(whole_number(name, rng, at_least=0))
