"""All that a training run has got to, as arrays and JSON, and back.

What a `nndl.solver.Solver` was made with (its settings, the data, the network's names
and shapes) is only compared; what has changed since then is put back.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ._arguments import Array
from ._random import random_generator

#: What batch normalization learns without a gradient.
RUNNING = ("running_mean", "running_var")

_HISTORIES = ("loss_history", "train_acc_history", "val_acc_history")
_PROGRESS = ("epoch", "iteration", "best_val_acc", "_goal", "_stock_taken_at")
_SETTINGS = ("batch_size", "lr_decay", "num_train_samples", "num_val_samples")


# ---- a network -----------------------------------------------------------------------


def network_arrays(model: Any) -> dict[str, Array]:
    """Return every array that a network has learned, under its name in a checkpoint."""
    arrays = {f"params.{name}": w for name, w in model.params.items()}
    for i, bn_param in enumerate(getattr(model, "bn_params", [])):
        for key in RUNNING:
            average = bn_param.get(key)
            if average is None:
                # A reader's network may leave it to the first training step to begin with zeros.
                average = np.zeros_like(model.params[f"gamma{i + 1}"])
            arrays[f"bn_params.{i}.{key}"] = average
    return arrays


def fit_network(name: str, arrays: Mapping[str, Array], model: Any) -> None:
    """Check that a checkpoint has a network's names and shapes.

    Raises
    ------
    ValueError
        If it has others.
    """
    prefixes = "params.", "bn_params."
    expected = {key: array.shape for key, array in network_arrays(model).items()}
    found = {k: a.shape for k, a in arrays.items() if k.startswith(prefixes)}
    if found != expected:
        differing = sorted(set(expected.items()) ^ set(found.items()))
        raise ValueError(
            f"{name} does not fit the network: they differ in "
            f"{', '.join(f'{key} {shape}' for key, shape in differing)}."
        )


def restore_network(arrays: Mapping[str, Array], model: Any) -> None:
    """Give a network what it had learned."""
    current = network_arrays(model)
    learned = {key: arrays[key].astype(a.dtype) for key, a in current.items()}
    model.params = {name: learned[f"params.{name}"] for name in model.params}
    for i, bn_param in enumerate(getattr(model, "bn_params", [])):
        for key in RUNNING:
            bn_param[key] = learned[f"bn_params.{i}.{key}"]


# ---- a solver ------------------------------------------------------------------------


def collect(solver: Any) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and the facts of a checkpoint."""
    arrays = network_arrays(solver.model)
    for name, w in solver.best_params.items():
        arrays[f"best_params.{name}"] = w
    for i, bn_param in enumerate(solver._best_bn_params):
        for key in RUNNING:
            if bn_param.get(key) is not None:
                arrays[f"best_bn_params.{i}.{key}"] = bn_param[key]
    for history in _HISTORIES:
        arrays[history] = np.array(getattr(solver, history), np.float64)
    arrays["order"] = solver._order
    optim: dict[str, dict[str, Any]] = {}
    for name, config in solver.optim_configs.items():
        optim[name] = {}
        for key, value in config.items():
            if isinstance(value, np.ndarray | np.generic):
                arrays[f"optim.{name}.{key}"] = np.asarray(value)
            else:
                optim[name][key] = _plain(f"optim_configs[{name!r}][{key!r}]", value)
    facts = {
        "made with": _made_with(solver),
        "progress": {name: getattr(solver, name) for name in _PROGRESS},
        "optim": optim,
        "random": [_random_state(source) for source in _random_sources(solver)],
    }
    return arrays, facts


def restore(
    name: str, arrays: Mapping[str, Array], facts: Mapping[str, Any], solver: Any
) -> None:
    """Bring a solver to where a checkpoint was made; or, where that does not fit, leave
    it as it is.

    Raises
    ------
    ValueError
        If the checkpoint holds no training, or was made by a solver with another
        network, other data or other settings.
    """
    if "progress" not in facts:
        raise ValueError(f"{name} holds a network, but no training to go on with.")
    fit_network(name, arrays, solver.model)
    now = _made_with(solver)
    for what, before in facts["made with"].items():
        if now[what] != before:
            raise ValueError(
                f"{name} was made with {what} {_said(before)}, but this Solver has {_said(now[what])}."
            )
    sources = list(_random_sources(solver))
    states = facts["random"]
    if [_kind(source) for source in sources] != [s["bit_generator"] for s in states]:
        raise ValueError(
            f"{name} was made with other kinds of random generators than this Solver's."
        )

    restore_network(arrays, solver.model)
    for source, state in zip(sources, states, strict=True):
        _set_random_state(source, state)
    solver.best_params = _under("best_params.", arrays)
    solver._best_bn_params = [
        dict(bn_param) | _under(f"best_bn_params.{i}.", arrays)
        for i, bn_param in enumerate(getattr(solver.model, "bn_params", []))
        if _under(f"best_bn_params.{i}.", arrays)
    ]
    for history in _HISTORIES:
        setattr(solver, history, arrays[history].tolist())
    solver._order = arrays["order"]
    solver.optim_configs = {
        name: settings | _under(f"optim.{name}.", arrays)
        for name, settings in facts["optim"].items()
    }
    for attribute in _PROGRESS:
        setattr(solver, attribute, facts["progress"][attribute])


def _made_with(solver: Any) -> dict[str, Any]:
    """Return what must be the same for a run to go on as if nothing had happened."""
    rule = solver.update_rule
    return {
        "the network": type(solver.model).__name__,
        "the update rule": getattr(rule, "__name__", type(rule).__name__),
        **{name: getattr(solver, name) for name in _SETTINGS},
        "training data": _fingerprint(solver.X_train, solver.y_train),
        "validation data": _fingerprint(solver.X_val, solver.y_val),
    }


def _fingerprint(X: Array, y: Array) -> list[Any]:
    """Tell two sets of data apart by their shape, their labels and some examples."""
    some = np.ascontiguousarray(X[:: max(len(X) // 50, 1)])
    labels = np.ascontiguousarray(y)
    return [list(X.shape), zlib.crc32(labels.tobytes()), zlib.crc32(some.tobytes())]


def _said(value: Any) -> str:
    if isinstance(value, list):
        return f"of shape {tuple(value[0])} (checksums {value[1]:x}, {value[2]:x})"
    return str(value)


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return copies of the arrays whose names begin with a prefix, without it; single
    numbers as numbers."""
    return {
        name.removeprefix(prefix): array[()] if array.ndim == 0 else array.copy()
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _plain(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"`{name}` must be an array, a number or a string to be kept in a checkpoint, but is {value!r}."
    )


# ---- random numbers ------------------------------------------------------------------


def _random_sources(solver: Any) -> Iterator[Any]:
    """Return every generator that the run draws from; some may be the same."""
    yield solver.rng
    if getattr(solver.model, "rng", None) is not None:
        yield random_generator(solver.model.rng)
    for param in getattr(solver.model, "dropout_params", []):
        if param.get("seed") is None and not isinstance(param.get("rng"), int):
            yield random_generator(param.get("rng"))


def _kind(source: Any) -> str:
    return str(_random_state(source)["bit_generator"])


def _random_state(source: Any) -> dict[str, Any]:
    """Return a generator's state with its arrays as lists."""
    if isinstance(source, np.random.RandomState):
        return _listed(source.get_state(legacy=False))
    return _listed(source.bit_generator.state)


def _set_random_state(source: Any, state: Mapping[str, Any]) -> None:
    if isinstance(source, np.random.RandomState):
        source.set_state(_like(source.get_state(legacy=False), state))
    else:
        source.bit_generator.state = _like(source.bit_generator.state, state)


def _listed(state: Any) -> Any:
    if isinstance(state, Mapping):
        return {key: _listed(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray | np.generic) else state


def _like(pattern: Any, state: Any) -> Any:
    """Turn lists back into arrays where the generator has arrays."""
    if isinstance(pattern, Mapping):
        return {key: _like(pattern[key], value) for key, value in state.items()}
    if isinstance(pattern, np.ndarray):
        return np.array(state, pattern.dtype)
    return state
