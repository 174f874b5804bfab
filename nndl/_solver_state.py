"""All that a training run has got to, as arrays and JSON, and back.

What a `nndl.solver.Solver` was made with (its settings, the data, the network's names
and shapes) is only compared; what has changed since then is put back.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ._arguments import Array
from ._checkpoints import NUMBERS, makes_no_sense
from ._interrupts import uninterrupted
from ._networks import Network
from ._random import random_generator

#: What batch normalization learns without a gradient.
RUNNING = ("running_mean", "running_var")

_HISTORIES = ("loss_history", "train_acc_history", "val_acc_history")
_PROGRESS = ("epoch", "iteration", "best_val_acc", "_goal", "_stock_taken_at")
_SETTINGS = ("batch_size", "lr_decay", "num_train_samples", "num_val_samples")
#: What a checkpoint says only where there is any.
_OPTIONAL = {"schedule", "augment", "averaging", "label_smoothing"}


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
    current = network_arrays(model)
    expected = {key: array.shape for key, array in current.items()}
    found = {k: a.shape for k, a in arrays.items() if k.startswith(prefixes)}
    if found != expected:
        differing = sorted(set(expected.items()) ^ set(found.items()))
        raise ValueError(
            f"{name} does not fit the network: they differ in "
            f"{', '.join(f'{key} {shape}' for key, shape in differing)}."
        )
    for key, array in current.items():
        if not np.can_cast(arrays[key].dtype, array.dtype, "same_kind"):
            raise ValueError(
                f"{name} does not fit the network: {key} must be {array.dtype}, but is "
                f"{arrays[key].dtype}."
            )


def restore_network(arrays: Mapping[str, Array], model: Any) -> None:
    """Give a network what it had learned: all of it, or nothing."""
    current = network_arrays(model)
    learned = {key: arrays[key].astype(a.dtype) for key, a in current.items()}
    with uninterrupted():
        model.params = {name: learned[f"params.{name}"] for name in model.params}
        for i, bn_param in enumerate(getattr(model, "bn_params", [])):
            for key in RUNNING:
                bn_param[key] = learned[f"bn_params.{i}.{key}"]


def evaluated(
    name: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]
) -> dict[str, Array]:
    """Return a checkpoint's arrays with the averaged weights in place of the present
    ones, if the training averages them."""
    average = _under("average.", arrays)
    if not average:
        return dict(arrays)
    try:
        keep = float(facts["made with"]["averaging"])
        weight = 1 - keep ** int(facts["progress"]["iteration"])
        _check(weight > 0, "averaging")
        return dict(arrays) | {key: array / weight for key, array in average.items()}
    except Exception as error:  # whatever a file that others made may hold
        raise ValueError(makes_no_sense(name, error)) from error


# ---- a solver ------------------------------------------------------------------------


def collect(solver: Any) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and the facts of a checkpoint.

    Raises
    ------
    TypeError
        If there is something that a checkpoint cannot hold.
    """
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
    if solver._average is not None:
        for key, array in solver._average.arrays.items():
            arrays[f"average.{key}"] = array
    remembered, optim = _remembered(solver.optim_configs)
    arrays |= remembered
    for what, array in arrays.items():
        if np.asarray(array).dtype.kind not in NUMBERS:
            raise TypeError(
                f"`{what}` must be an array of numbers to be kept in a checkpoint."
            )
    sources = _random_sources(solver)
    rng = getattr(solver.model, "rng", None)
    if not isinstance(rng, int | None) and rng not in sources:
        raise TypeError(
            f"`model.rng` must be one of NumPy's generators to be kept in a checkpoint, but is {rng!r}."
        )
    facts = {
        "made with": _made_with(solver),
        "progress": {name: getattr(solver, name) for name in _PROGRESS},
        "optim": optim,
        **({"notes": solver._notes} if solver._notes else {}),
        "random": [_listed(_random_state(source)) for source in sources],
    }
    return arrays, facts


def _remembered(
    optim_configs: Mapping[Any, Mapping[Any, Any]],
) -> tuple[dict[str, Array], dict[str, dict[str, Any]]]:
    """Return what the update rule remembers of each parameter: arrays, and the rest."""
    arrays: dict[str, Array] = {}
    rest: dict[str, dict[str, Any]] = {}
    for name, config in optim_configs.items():
        rest[str(name)] = {}
        for key, value in config.items():
            what = f"optim_configs[{name!r}][{key!r}]"
            if not isinstance(key, str):
                raise TypeError(
                    f"`{what}` must have a string for its key to be kept in a checkpoint."
                )
            if isinstance(value, np.ndarray):
                arrays[f"{_optim_prefix(name)}{key}"] = value
            elif isinstance(value, np.generic):
                arrays[f"{_optim_prefix(name, 'number')}{key}"] = np.asarray(value)
            else:
                rest[str(name)][key] = _plain(what, value)
    return arrays, rest


class _Training(NamedTuple):
    """What a checkpoint says of a training, once it has been found to make sense."""

    best_params: dict[str, Array]
    best_bn_params: list[dict[str, Any]]
    histories: dict[str, list[float]]
    order: Array
    average: dict[str, Array]
    optim_configs: dict[str, dict[str, Any]]
    random_states: list[dict[str, Any]]
    progress: dict[str, Any]


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
    _fit_solver(name, arrays, facts, solver)
    try:
        training = _training(arrays, facts, solver)
    except Exception as error:  # whatever a file that others made may hold
        raise ValueError(makes_no_sense(name, error)) from error
    with uninterrupted():
        restore_network(arrays, solver.model)
        for source, state in zip(
            _random_sources(solver), training.random_states, strict=True
        ):
            _set_random_state(source, state)
        solver.best_params = training.best_params
        solver._best_bn_params = training.best_bn_params
        solver._order = training.order
        if solver._average is not None:
            solver._average.arrays = training.average
            solver._average.steps = training.progress["iteration"]
        solver.optim_configs = training.optim_configs
        for attribute, value in (training.histories | training.progress).items():
            setattr(solver, attribute, value)


def _fit_solver(
    name: str, arrays: Mapping[str, Array], facts: Mapping[str, Any], solver: Any
) -> None:
    """Check that a checkpoint was made by a solver like this one."""
    now, before = _made_with(solver), facts.get("made with")
    if not isinstance(before, dict) or (before.keys() ^ now.keys()) - _OPTIONAL:
        raise ValueError(f"{name} is damaged: it does not say what it was made with.")
    for key, array in network_arrays(solver.model).items():
        if _type(arrays[key]) != array.dtype:
            raise ValueError(
                f"{name} was made with {key} in {_type(arrays[key])}, but this Solver has it in "
                f"{array.dtype}."
            )
    for what in before | now:
        then, here = before.get(what), now.get(what)
        if then != here:
            raise ValueError(
                f"{name} was made with {what} {then}, but this Solver has {here}."
            )
    states = facts.get("random")
    if not isinstance(states, list) or [_kind(s) for s in states] != [
        _kind(_random_state(source)) for source in _random_sources(solver)
    ]:
        raise ValueError(
            f"{name} was made with other kinds of random generators than this Solver's."
        )


def _training(
    arrays: Mapping[str, Array], facts: Mapping[str, Any], solver: Any
) -> _Training:
    """Read what a checkpoint says of a training. An exception of any kind says that it
    makes no sense."""
    params = solver.model.params
    best_params = {}
    if any(key.startswith("best_params.") for key in arrays):
        best_params = {name: arrays[f"best_params.{name}"].copy("K") for name in params}
    for name, w in best_params.items():
        same = w.shape == params[name].shape and _type(w) == params[name].dtype
        _check(same, f"best_params.{name}")
    best_bn_params = [
        dict(bn_param) | _under(f"best_bn_params.{i}.", arrays)
        for i, bn_param in enumerate(getattr(solver.model, "bn_params", []))
        if best_params
    ]
    histories = {}
    for history in _HISTORIES:
        _check(arrays[history].ndim == 1 and arrays[history].dtype.kind == "f", history)
        histories[history] = arrays[history].tolist()
    order, N = arrays["order"], len(solver.X_train)
    is_permutation = order.shape == (N,) and (np.sort(order) == np.arange(N)).all()
    _check(order.dtype.kind == "i" and (is_permutation or len(order) == 0), "order")
    average = _under("average.", arrays)
    current = {} if solver._average is None else solver._average.arrays
    _check(average.keys() == current.keys(), "average")
    for key, array in average.items():
        same = array.shape == current[key].shape and _type(array) == current[key].dtype
        _check(same, f"average.{key}")
    optim_configs = {
        name: {k: _plain(k, v) for k, v in facts["optim"][str(name)].items()}
        | _under(_optim_prefix(name), arrays)
        | {k: a[()] for k, a in _under(_optim_prefix(name, "number"), arrays).items()}
        for name in params
    }
    for source, state in zip(_random_sources(solver), facts["random"], strict=True):
        _set_random_state(copy.deepcopy(source), state)
    progress = {name: facts["progress"][name] for name in _PROGRESS}
    for name, value in progress.items():
        kind = float if name == "best_val_acc" else int
        _check(type(value) is kind and value >= -1, name)
    return _Training(
        best_params, best_bn_params, histories, order, average, optim_configs,
        facts["random"], progress,
    )  # fmt: skip


def _type(array: Array) -> np.dtype[Any]:
    """Return an array's type. Its bytes may be in another order where a file comes from
    another machine."""
    return array.dtype.newbyteorder("=")


def _check(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


@contextlib.contextmanager
def all_or_nothing(solver: Any) -> Iterator[None]:
    """Put random numbers, parameters and running averages back to where they were, unless
    the block takes the solver further before it ends."""
    solver._undo = _undoing(solver)
    try:
        yield
    except BaseException:
        undo(solver)  # or, if that is interrupted as well, when training goes on
        raise


def undo(solver: Any) -> None:
    """Put back what the last `all_or_nothing` has left half done, if anything."""
    with uninterrupted():
        if solver._undo is not None:
            solver._undo()
            solver._undo = None


def _undoing(solver: Any) -> Callable[[], None]:
    """Return a function that puts random numbers, parameters and running averages back to
    where they are now, unless the solver has got further since."""
    here = solver.iteration, solver._stock_taken_at
    states = [(source, _random_state(source)) for source in _random_sources(solver)]
    params = solver.model.params
    averages = [
        (bn_param, {key: copy.copy(value) for key, value in bn_param.items()})
        for bn_param in getattr(solver.model, "bn_params", [])
    ]

    def put_back() -> None:
        if here != (solver.iteration, solver._stock_taken_at):
            return
        for source, state in states:
            _set_random_state(source, state)
        solver.model.params = params  # not the averaged ones
        for bn_param, before in averages:
            bn_param.clear()
            bn_param.update(before)

    return put_back


def _made_with(solver: Any) -> dict[str, Any]:
    """Return what must be the same for a run to go on as if nothing had happened."""
    rule = solver.update_rule
    return {
        "the network": type(solver.model).__name__,
        **_network_settings(solver.model),
        "training data": solver._fingerprints["train"],
        "validation data": solver._fingerprints["val"],
        "the update rule": getattr(rule, "__name__", type(rule).__name__),
        "optim_config": {name: str(v) for name, v in solver.optim_config.items()},
        **{name: getattr(solver, name) for name in _SETTINGS},
        **_hooks(solver),
    }


def _hooks(solver: Any) -> dict[str, Any]:
    """Return what a solver does beyond plain steps, as far as it does."""
    hooks = {
        "schedule": None if solver.schedule is None else _described(solver.schedule),
        "augment": None if solver.augment is None else _described(solver.augment),
        "averaging": solver.averaging,
    }
    return {name: value for name, value in hooks.items() if value is not None}


def _described(function: Any) -> str:
    """Name a function, and what is fixed of its arguments."""
    if isinstance(function, functools.partial):
        given = [*map(repr, function.args)]
        given += [f"{name}={value!r}" for name, value in function.keywords.items()]
        return f"{_described(function.func)}({', '.join(given)})"
    return str(getattr(function, "__name__", type(function).__name__))


def _network_settings(model: Any) -> dict[str, Any]:
    """Return what a network of this package was made with, as far as its parameters do
    not show it."""
    if not isinstance(model, Network):
        return {}
    smoothing = getattr(model, "label_smoothing", 0.0)
    return {
        **({"label_smoothing": smoothing} if smoothing else {}),
        "reg": model.reg,
        "fast": model.fast,
        "loss": getattr(model, "loss_name", "softmax"),
        "layers": [layer.text for layer in getattr(model, "layers", [])],
        "dropout": [[str(d.get("p")), d.get("seed")] for d in model.dropout_params],
    }


def fingerprint(X: Array, y: Array) -> str:
    """Tell two sets of data apart: by their shape and type, and the checksums of labels
    and examples."""
    examples = 0
    for start in range(0, len(X), 1000):
        some = np.ascontiguousarray(X[start : start + 1000])
        examples = zlib.crc32(some.data, examples)
    labels = zlib.crc32(np.ascontiguousarray(y).data)
    return f"of shape {X.shape}, {X.dtype} (checksums {labels:x}, {examples:x})"


def _optim_prefix(name: Any, kind: str = "") -> str:
    """Return what begins the names of a parameter's arrays: no other parameter's begin
    alike, even where there are dots in its name."""
    quoted = str(name).replace("%", "%25").replace(".", "%2E")
    return f"optim{kind}.{quoted}."


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return copies of the arrays whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): array.copy("K")
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


def _random_sources(solver: Any) -> list[Any]:
    """Return every generator that the run may draw from: the Solver's, the network's and
    its dropout layers'. A network from elsewhere may draw from NumPy's global state."""
    model = solver.model
    held = [solver.rng, getattr(model, "rng", None)]
    for param in getattr(model, "dropout_params", []):
        if isinstance(param, dict) and param.get("seed") is None:
            rng = param.get("rng")
            held.append(random_generator(None) if rng is None else rng)
    if type(model).__module__.partition(".")[0] != __package__:
        held.append(random_generator(None))
    known = [
        s for s in held if isinstance(s, np.random.Generator | np.random.RandomState)
    ]
    return list({id(source): source for source in known}.values())


def _kind(state: Any) -> Any:
    return state.get("bit_generator") if isinstance(state, dict) else None


def _random_state(source: Any) -> dict[str, Any]:
    if isinstance(source, np.random.RandomState):
        return dict(source.get_state(legacy=False))
    return dict(source.bit_generator.state)


def _set_random_state(source: Any, state: dict[str, Any]) -> None:
    """Set a generator's state, in which arrays may be lists."""
    state = _like(_random_state(source), state)
    if isinstance(source, np.random.RandomState):
        source.set_state(state)
    else:
        source.bit_generator.state = state


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
