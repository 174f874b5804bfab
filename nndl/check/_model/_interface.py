"""The first stage: what ``loss`` takes and returns, and what it leaves alone.

It also chooses the examples and the parameters that the later stages look at.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _diagnosis
from .._calls import Trouble
from .._compare import as_array, at, first
from .._diagnosis import Diagnosis, Pair
from .._specification import Case
from ._network import Network
from ._state import Array

#: Seconds of a call of loss(X) above which fewer examples are taken.
SLOW = 0.02


def check_interface(network: Network) -> None:
    _check_sharing(network)
    scores = _find_inputs(network)
    _check_scores(network, scores)
    _choose_examples(network)
    _check_call(network)
    _put_readable_params(network)


# ---- before the first call -----------------------------------------------------------


def _check_sharing(network: Network) -> None:
    params = network.params
    for one, other in itertools.combinations(network.names, 2):
        if np.shares_memory(params[one], params[other]):
            raise Trouble(
                "shared-array",
                f"params[{one!r}] and params[{other!r}] are one array",
                "`a = b = np.ones(n)` makes one array with two names, and an update of one changes "
                "the other: make an array for each.",
            )
    settings = getattr(network.model, "bn_params", None)
    if not isinstance(settings, list):
        return
    for i, j in itertools.combinations(range(len(settings)), 2):
        if settings[i] is settings[j]:
            raise Trouble(
                "shared-settings",
                f"bn_params[{i}] and bn_params[{j}] are one dict",
                "`[{...}] * n` puts one dict into the list n times, and each layer overwrites "
                "the running averages of the others: write `[{...} for _ in range(n)]`.",
            )


# ---- loss(X) -------------------------------------------------------------------------


def _find_inputs(network: Network) -> Array:
    """Choose all examples, and return their scores."""
    given = network.given_X
    trouble = Trouble("exception", "")
    for X in _candidates(network) if given is None else [given]:
        try:
            start = time.thread_time()
            scores = network.call(X.copy())
            network.slow = time.thread_time() - start > SLOW
        except Trouble as found:
            if not trouble.problem or found.cause == "time-limit":
                trouble = found
            continue
        network.all_X = X.astype(np.float64)
        break
    else:
        raise trouble
    array = as_array(scores)
    if scores is None or isinstance(scores, tuple | list) or array is None:
        what = "None" if scores is None else f"a {type(scores).__name__}"
        raise Trouble(
            "arity",
            f"loss(X), without y, returned {what}, and must return the scores alone",
            "`if y is None: return scores` belongs right after the forward pass.",
        )
    return array


def _candidates(network: Network) -> list[Array]:
    """Return examples of the shapes that the network may take."""
    N = 10
    shapes: list[tuple[int, ...]] = []
    given = getattr(network.model, "input_dim", None)
    weights = next((p for p in network.params.values() if p.ndim > 1), None)
    if isinstance(given, int | np.integer):
        shapes.append((int(given),))
    elif isinstance(given, Sequence) and not isinstance(given, str):
        shapes.append(tuple(int(size) for size in given))
    elif weights is not None and weights.ndim == 4:
        shapes += [(weights.shape[1], s, s) for s in (32, 28, 16, 8, 12, 24, 64)]
    if weights is not None and weights.ndim == 2:
        D, M = weights.shape
        shapes.append((D,))
        if D == 3072:
            shapes.append((3, 32, 32))
        shapes.append((M,))  # weights of shape (M, D)
    if not shapes:
        raise Trouble(
            "inputs",
            "the shape of an example cannot be seen from the parameters",
            "Call check_model(model, X, y) with examples of your own.",
        )
    return [network.rng.standard_normal((N, *shape)) for shape in shapes]


def _check_scores(network: Network, scores: Array) -> None:
    N = len(network.all_X)
    if scores.ndim != 2 or scores.shape[0] != N or scores.shape[1] < 2:
        flipped = scores.ndim == 2 and scores.shape[1] == N
        raise Trouble(
            "transposed" if flipped else "shape",
            f"the scores have shape {scores.shape}; it must be (N, C), with N = {N} examples",
            "Scores are X @ W, a row for each example."
            if flipped
            else "Each example has one row, with a score for each class.",
        )
    if not np.isfinite(scores).all():
        index = first(~np.isfinite(scores))
        raise Trouble(
            "not-finite",
            f"the scores hold {scores[index]}{at(index)}",
            "Something is divided by 0, or the weights are far too large.",
        )
    network.classes = scores.shape[1]


def _choose_examples(network: Network) -> None:
    """Choose the labels, and the few examples that most calls are made with."""
    X, y = network.all_X, network.given_y
    N, C = len(X), network.classes
    if y is None:
        y = network.rng.permutation(N) % C
    if y.dtype.kind not in "iu" or y.min(initial=0) < 0 or y.max(initial=0) >= C:
        raise Trouble(
            "labels",
            f"`y` must hold integers from 0 to {C - 1}, a class for each example",
            f"The network has {C} scores for each example.",
        )
    network.all_y = y
    # Never as many examples as classes, or a mean over the wrong axis would look right.
    count = 3 if network.slow else 7
    count = min(N, count - 1 if count == C else count)
    # Large numbers would saturate the softmax, and leave no gradients to look at.
    scale = max(1.0, float(X.std()) / 2)
    network.X, network.y = X[:count] / scale, y[:count]
    if network.given_y is None:
        network.y = network.rng.permutation(count) % C


# ---- loss(X, y) ----------------------------------------------------------------------


def _check_call(network: Network) -> None:
    params = network.params
    before = {name: value.copy() for name, value in params.items()}
    X, y = network.X.copy(), network.y.copy()
    result = network.call(X, y)
    if not isinstance(result, tuple | list) or len(result) != 2:
        kind = "None" if result is None else f"a {type(result).__name__}"
        raise Trouble(
            "arity",
            f"loss(X, y) returned {kind}, and must return (loss, grads)",
            "A method without a `return` at its end returns None."
            if result is None
            else "With labels, return the loss and the dict of the gradients.",
        )
    loss, grads = result
    _check_loss(loss)
    _check_grads(network, grads)
    changed = [
        f"params[{name!r}]"
        for name in network.names
        if not _equal(params[name], before[name])
    ]
    changed += [] if _equal(X, network.X) else ["`X`"]
    changed += [] if _equal(y, network.y) else ["`y`"]
    if changed:
        raise Trouble(
            "modifies-input",
            f"loss(X, y) changes {', '.join(changed)}",
            "An operation in place (`-=`, `+=`, `a[mask] = 0`) ran on an array that is not the "
            "call's own. Parameters are updated by the optimizer, not in loss.",
        )
    kept = {name: np.array(grads[name]) for name in network.names}
    network.state.rewind()
    other = network.call(np.roll(X, 1, axis=0) * 0.5, y)
    for name in network.names:
        if not _equal(kept[name], grads[name]):
            raise Trouble(
                "aliasing",
                f"a later call changes the grads[{name!r}] that an earlier one returned",
                "The same array is filled and returned in every call: make a new one each time.",
            )
    if all(params[name].dtype == np.float32 for name in network.names):
        name = network.names[0]
        dtype = np.asarray(other[1][name]).dtype
        if dtype != np.float32:
            network.notes.append(
                f"The parameters are float32, but grads[{name!r}] is {dtype}: some array on the way "
                "was made without a dtype."
            )


def _check_loss(loss: Any) -> None:
    if np.ndim(loss) > 0 and np.size(loss) > 1:
        raise Trouble(
            "not-reduced",
            f"the loss has shape {np.shape(loss)}; it must be one number",
            "The mean over the examples is missing.",
        )
    array = as_array(loss)
    if array is None:
        raise Trouble(
            "arity", f"the loss must be a number, but is a {type(loss).__name__}"
        )
    if not np.isfinite(array).all():
        raise Trouble(
            "not-finite",
            f"the loss is {float(array.reshape(()))}",
            "Something is divided by 0, or is the logarithm of 0, or the weights are far too large.",
        )


def _check_grads(network: Network, grads: Any) -> None:
    if not isinstance(grads, dict):
        raise Trouble("arity", f"grads must be a dict, but is a {type(grads).__name__}")
    missing = [repr(name) for name in network.names if grads.get(name) is None]
    others = [repr(name) for name in grads if name not in network.params]
    if missing:
        extra = (
            f" (but for {', '.join(others)}, which is no parameter)" if others else ""
        )
        raise Trouble(
            "missing-gradient",
            f"grads holds nothing for {', '.join(missing)}{extra}",
            "Every parameter needs its gradient under its own name, the key in params.",
        )
    if others:
        raise Trouble(
            "unknown-key",
            f"grads holds {', '.join(others)}, which params does not",
            "The keys of grads must be those of params.",
        )
    for name in network.names:
        _check_grad(network, name, grads[name])
    for one, other in itertools.combinations(network.names, 2):
        if np.shares_memory(grads[one], grads[other]):
            raise Trouble(
                "shared-array",
                f"grads[{one!r}] and grads[{other!r}] are one array",
                "What is added to one of them is added to both: make an array for each.",
            )


def _check_grad(network: Network, name: str, grad: Any) -> None:
    got, shape = as_array(grad), network.params[name].shape
    if got is None or got.shape != shape:
        found = "no array of numbers" if got is None else f"of shape {got.shape}"
        cause = None if got is None else _cause_of_shape(name, got, shape)
        raise Trouble(
            cause.cause if cause else "shape",
            f"grads[{name!r}] is {found}; it must be {shape}, like params[{name!r}]",
            cause.why if cause else "",
        )
    if not np.isfinite(got).all():
        index = first(~np.isfinite(got))
        raise Trouble(
            "not-finite",
            f"grads[{name!r}] is {got[index]}{at(index)}",
            "Something is divided by 0, or is the logarithm or the root of a number that may not be.",
        )
    for other, array in network.params.items():
        if np.shares_memory(grad, array):
            raise Trouble(
                "shared-array",
                f"grads[{name!r}] is the array params[{other!r}] itself, or a view of it",
                "A gradient must be an array of its own, or the update changes it too.",
            )


def _cause_of_shape(name: str, got: Array, shape: tuple[int, ...]) -> Diagnosis | None:
    if got.T.shape == shape:
        return Diagnosis(
            "transposed",
            "Its axes are in the opposite order: for out = x @ W it is x.T @ dout.",
        )
    pair = Pair(Case("", ()), np.ones(got.shape), np.full(shape, np.nan))
    return _diagnosis.shape(f"grads[{name!r}]", [pair], [])


# ---- the parameters for what follows -------------------------------------------------


def _put_readable_params(network: Network) -> None:
    """Put weights of readable size into the model, in float64."""
    network.state.restore()
    network.put({})
    before = network.loss()
    network.put_in_float64(network.params)
    network.point = {
        name: _readable(network.rng, name, value)
        for name, value in network.params.items()
    }
    network.put(network.point)
    loss, grads = network.call(network.X, network.y)
    results = [loss, *(grads[name] for name in network.names)]
    if any(np.asarray(one).dtype != np.float64 for one in results):
        network.within = 1e-3
        network.notes.append(
            "The network computes in float32 even with float64 parameters, so slopes have only a "
            "few digits: small mistakes are not seen."
        )
    if network.loss() == before:
        raise Trouble(
            "ignores-params",
            "the loss does not change when the arrays in params are replaced",
            "loss must read its parameters from params in every call: an optimizer puts new arrays "
            "there.",
        )


def _readable(rng: np.random.Generator, name: str, value: Array) -> Array:
    """Return a parameter of the same shape that hides no mistake, as weights near 0,
    biases of 0 and scales of 1 do."""
    noise = rng.standard_normal(value.shape)
    if value.ndim == 2:
        return noise * math.sqrt(2 / value.shape[0])
    if value.ndim == 4 and value.shape[0] > 1:
        return noise * math.sqrt(2 / math.prod(value.shape[1:]))
    if name.startswith("b"):
        return 0.3 * noise
    return value + 0.2 * noise


def _equal(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
