"""The space of a search: how each hyperparameter is drawn."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arguments import number, shown, whole_number
from ._results import Record, SearchResult

_INT64 = np.iinfo(np.int64)


class Distribution(ABC):
    """How a hyperparameter is drawn; made by `log_uniform`, `uniform`, `integers` and
    `choice`."""

    def draw(self, rng: np.random.Generator | int) -> Any:
        """Return one value.

        Parameters
        ----------
        rng : numpy.random.Generator or int
            Source of the random numbers.

        Raises
        ------
        TypeError, ValueError
            If `rng` is neither, or is negative.
        """
        if not isinstance(rng, np.random.Generator):
            rng = np.random.default_rng(whole_number("rng", rng, at_least=0))
        return self._draw(rng)

    def __repr__(self) -> str:
        ((name, arguments),) = self._described().items()
        shown_arguments = ", ".join(map(repr, arguments))
        return f"{name}({shown_arguments})"

    @abstractmethod
    def _draw(self, rng: np.random.Generator) -> Any: ...

    @abstractmethod
    def _described(self) -> dict[str, Any]:
        """Return what a log says of it: its name and its arguments."""

    def _extremes(self) -> tuple[Any, ...]:
        """Return its bounds, or all of its options."""
        return tuple(next(iter(self._described().values())))

    @abstractmethod
    def _around(self, values: Sequence[Any], tried: int) -> Distribution:
        """Return a narrower one around the best values of some that were tried."""


@dataclass(frozen=True, repr=False)
class _Uniform(Distribution):
    low: float
    high: float

    def _draw(self, rng: np.random.Generator) -> float:
        return float(rng.uniform(self.low, self.high))

    def _described(self) -> dict[str, Any]:
        return {"uniform": [self.low, self.high]}

    def _around(self, values: Sequence[Any], tried: int) -> Distribution:
        return _Uniform(*_widened(values, self.low, self.high, tried))


@dataclass(frozen=True, repr=False)
class _LogUniform(Distribution):
    low: float
    high: float

    def _draw(self, rng: np.random.Generator) -> float:
        value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return min(max(value, self.low), self.high)  # exp(log(low)) may be below low

    def _described(self) -> dict[str, Any]:
        return {"log_uniform": [self.low, self.high]}

    def _around(self, values: Sequence[Any], tried: int) -> Distribution:
        logs = [math.log(value) for value in values]
        low, high = _widened(logs, math.log(self.low), math.log(self.high), tried)
        return _LogUniform(max(math.exp(low), self.low), min(math.exp(high), self.high))


@dataclass(frozen=True, repr=False)
class _Integers(Distribution):
    low: int
    high: int

    def _draw(self, rng: np.random.Generator) -> int:
        return int(rng.integers(self.low, self.high, endpoint=True))

    def _described(self) -> dict[str, Any]:
        return {"integers": [self.low, self.high]}

    def _around(self, values: Sequence[Any], tried: int) -> Distribution:
        low, high = _widened(values, self.low, self.high, tried)
        return _Integers(math.floor(low), math.ceil(high))


@dataclass(frozen=True, repr=False)
class _Choice(Distribution):
    options: tuple[Any, ...]

    def _draw(self, rng: np.random.Generator) -> Any:
        return self.options[rng.integers(len(self.options))]

    def _described(self) -> dict[str, Any]:
        return {"choice": list(self.options)}

    def __repr__(self) -> str:
        return f"choice({list(self.options)})"

    def _around(self, values: Sequence[Any], tried: int) -> Distribution:
        among = {json.dumps(value) for value in values}
        return _Choice(tuple(o for o in self.options if json.dumps(o) in among))


def uniform(low: float, high: float) -> Distribution:
    """Draw a number uniformly from an interval.

    Parameters
    ----------
    low, high : float
        Its ends, ``low < high``.

    Returns
    -------
    Distribution

    Raises
    ------
    TypeError, ValueError
        If an end is no finite number, or `high` is not above `low`.
    """
    low = number("low", low)
    high = number("high", high, above=low)
    if not math.isfinite(high - low):
        raise ValueError(f"`high` - `low` must be finite, but they are {high}, {low}.")
    return _Uniform(low, high)


def log_uniform(low: float, high: float) -> Distribution:
    """Draw a number whose logarithm is uniform: from 1e-4 to 1e-2, half of them lie below
    1e-3.

    That suits hyperparameters that multiply something, a learning rate or the strength
    of regularization.

    Parameters
    ----------
    low, high : float
        The ends of the interval, ``0 < low < high``.

    Returns
    -------
    Distribution

    Raises
    ------
    TypeError, ValueError
        If an end is no finite number, `low` is not above 0, or `high` not above `low`.

    References
    ----------
    Bergstra, Bengio. Random search for hyper-parameter optimization. JMLR 13, 2012.
    """
    low = number("low", low, above=0)
    return _LogUniform(low, number("high", high, above=low))


def integers(low: int, high: int) -> Distribution:
    """Draw a whole number, each with the same probability.

    Parameters
    ----------
    low, high : int
        The smallest and the largest, both of which can come.

    Returns
    -------
    Distribution

    Raises
    ------
    TypeError, ValueError
        If one of them is no integer of 64 bits, or `high` is below `low`.
    """
    low = whole_number("low", low, at_least=int(_INT64.min), at_most=int(_INT64.max))
    high = whole_number("high", high, at_least=low, at_most=int(_INT64.max))
    return _Integers(low, high)


def choice(options: Sequence[Any]) -> Distribution:
    """Draw one of several options, each with the same probability.

    Parameters
    ----------
    options : list or tuple
        At least one; of what JSON knows (numbers, strings, booleans, None, and lists and
        dicts of them), so that a log can name it.

    Returns
    -------
    Distribution

    Raises
    ------
    TypeError, ValueError
        If `options` is no list or tuple, is empty, or holds something else.
    """
    if not isinstance(options, (list, tuple)):
        raise TypeError(f"`options` must be a list, but is {shown(options)}.")
    if not options:
        raise ValueError(f"`options` must be a list of at least one, but is {options}.")
    for option in options:
        _check_json("options", option)
    return _Choice(tuple(options))


Space = Mapping[str, Any]


def checked_space(name: str, space: Any) -> dict[str, Any]:
    """Return a space, sorted by the names of its entries, after checking it."""
    if not isinstance(space, Mapping):
        raise TypeError(
            f"`{name}` must be a dict of names and distributions, but is {shown(space)}."
        )
    for key, value in space.items():
        if not isinstance(key, str):
            raise TypeError(
                f"`{name}` must have names that are strings, but has {shown(key)}."
            )
        if not isinstance(value, Distribution):
            _check_json(f"{name}[{key!r}]", value)
    if not any(isinstance(value, Distribution) for value in space.values()):
        raise ValueError(
            f"`{name}` must have at least one distribution, but is {shown(space)}."
        )
    return dict(sorted(space.items()))


def distribution_of(described: Mapping[str, Any]) -> Distribution:
    """Return the distribution that is described as in a log: ``{'uniform': [0, 1]}``."""
    makers = {f.__name__: f for f in (uniform, log_uniform, integers)}
    name: Any
    arguments: Any
    name, arguments = next(iter(described.items()), (None, None))
    if len(described) != 1 or name not in (*makers, "choice"):
        names = ", ".join(f"{{{name} = [...]}}" for name in (*makers, "choice"))
        raise ValueError(f"must be one of {names}, but is {shown(described)}.")
    if name == "choice":
        return choice(arguments)
    if not isinstance(arguments, list) or len(arguments) != 2:
        raise ValueError(f"must have [low, high], but has {shown(arguments)}.")
    return makers[name](*arguments)


def _check_json(name: str, value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise TypeError(
            f"`{name}` must be of what JSON knows (numbers, strings, lists, ...), but is or has "
            f"{shown(value)}."
        ) from None


def described_space(space: Space) -> dict[str, Any]:
    """Return what a log says of a space."""
    return {
        key: value._described()
        if isinstance(value, Distribution)
        else {"constant": value}
        for key, value in space.items()
    }


def drawn(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """Return one configuration. The order of the space's entries does not matter."""
    return {
        key: value._draw(rng) if isinstance(value, Distribution) else value
        for key, value in sorted(space.items())
    }


def zoom(
    space: Space, results: SearchResult | Sequence[Record], *, keep: int = 5
) -> dict[str, Any]:
    """Return a narrower space around the best trials: the step from coarse to fine.

    An interval shrinks to the range of the `keep` best values, and a little more on each
    side: their mean distance, since the best value may well lie between the last that
    was tried and the next (if they do not differ, what remains of the old interval when
    it is divided among all trials). It never grows beyond the old bounds. For
    `log_uniform` all this is done with logarithms. Of a `choice`, the options stay that
    are among the best; constants stay as they are.

    Parameters
    ----------
    space : dict
        The space that was searched.
    results : SearchResult or list of Record
        What came of it.
    keep : int, optional
        How many of the best trials to look at; fewer if fewer have a score.

    Returns
    -------
    dict
        A space for the next `search`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, or no trial of `results` has a score, or its
        configurations are not from this space.

    References
    ----------
    CS231n notes. Neural networks part 3: hyperparameter optimization.
    """
    space = checked_space("space", space)
    keep = whole_number("keep", keep, at_least=1)
    if not isinstance(results, SearchResult):
        if not isinstance(results, (list, tuple)) or not all(
            isinstance(record, Record) for record in results
        ):
            raise TypeError(
                f"`results` must be what a search returned, but is {shown(results)}."
            )
        results = SearchResult(results)
    ranked = results.ranked()
    best = [record.config for record in ranked if record.score is not None][:keep]
    if not best:
        raise ValueError(
            f"`results` must have a trial with a score, but is {shown(results.records)}."
        )
    if any(set(config) != set(space) for config in best):
        raise ValueError(
            f"`results` must be of configurations with {', '.join(space)}, but is of "
            f"configurations with {', '.join(best[0])}."
        )
    return {
        key: value._around([config[key] for config in best], len(ranked))
        if isinstance(value, Distribution)
        else value
        for key, value in space.items()
    }


def _widened(
    values: Sequence[float], low: float, high: float, tried: int
) -> tuple[float, float]:
    """Return the range of values, wider on both sides by their mean distance."""
    least, most = min(values), max(values)
    spacing = (most - least) / max(1, len(values) - 1)
    margin = spacing or (high - low) / (2 * tried)
    return max(low, least - margin), min(high, most + margin)
