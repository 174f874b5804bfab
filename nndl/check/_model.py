"""Takes a whole network through what can be said of it without training it for long.

The network is looked at with weights of its own shapes but of readable size, in float64,
and with the same random masks in every call; then it is put back as it was.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import random
import re
import time
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import layers
from .._arguments import number, whole_number
from . import _diagnosis
from ._calls import Trouble, _muted
from ._compare import as_array
from ._diagnosis import Diagnosis, Pair
from ._gradients import (
    READ,
    Measured,
    Slopes,
    _at,
    _first,
    factor,
    guarded,
    likely_cause,
)
from ._result import Finding, Result, Stage
from ._specification import Case

Array = np.ndarray

#: Seconds for the numeric gradients, and for the training at the end.
_GRADIENTS, _TRAINING = 0.8, 0.4
#: Seconds of a call of loss(X) above which fewer examples are taken.
_SLOW = 0.02
#: Steps of training after which nothing can be said yet.
_FEW = 40
_FIRST_LOSS = 'chapter 1, section "What should the first loss be?"'
_PENALTY = 'chapter 1, section "A penalty on large weights"'
_TEST_TIME = 'chapter 3, section "At test time"'
_NOT_LEARNING = 'chapter 2, section "When it does not learn"'


def check_model(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    hint: int = 2,
    time_limit: float = 5.0,
) -> Result:
    """Check a whole network of your own.

    Looked at are, in order, what ``loss`` returns; the scores in test mode; the loss of
    scores that are all 0, and its agreement with the scores; the L2 penalty and its
    gradient; the gradient of each parameter against its slopes; and whether ten
    examples are learned by heart. The model is left exactly as it was.

    Parameters
    ----------
    model : object
        With a dict ``params`` of arrays and a method ``loss``: ``loss(X)`` returns the
        scores, (N, C), in test mode, and ``loss(X, y)`` the loss and a dict of
        gradients under the names in ``params``. Its ``reg``, ``dtype``, ``bn_params``
        and ``dropout_param`` are used where it has them.
    X : array, shape (N, ...), optional
        Examples; by default random ones, of the shape that the first weights take.
    y : integer array, shape (N,), optional
        Their classes.
    hint : {1, 2, 3}, optional
        How much the result shows: where it is wrong; why it most likely is; the formula
        too.
    time_limit : float, optional
        Seconds after which a single call is stopped.

    Returns
    -------
    Result
        Its notes say which loss was recognized and what there was no time for.

    Raises
    ------
    ValueError
        If `y` is given without `X` or is not as long, `hint` is not 1, 2 or 3, or
        `time_limit` is not above 0.
    TypeError
        If `model` has no dict ``params`` of float arrays, or no method ``loss``.
    """
    hint = whole_number("hint", hint, at_least=1)
    if hint > 3:
        raise ValueError(f"`hint` must be 1, 2 or 3, but is {hint}.")
    seconds = number("time_limit", time_limit, above=0)
    params = getattr(model, "params", None)
    if (
        not isinstance(params, dict)
        or not params
        or not all(
            isinstance(one, np.ndarray) and one.dtype.kind == "f"
            for one in params.values()
        )
    ):
        raise TypeError("`model` must have a dict `params` of arrays of floats.")
    if not callable(getattr(model, "loss", None)):
        raise TypeError("`model` must have a method `loss`.")
    if X is not None:
        X = np.asarray(X)
    if y is not None:
        y = np.asarray(y)
        if X is None or y.shape != X.shape[:1]:
            raise ValueError(
                f"`y` must be one class for each example of `X`, but its shape is {y.shape}."
            )
    state = State(model)
    try:
        findings, stages, notes = _Examination(model, X, y, seconds, state).run()
    finally:
        state.restore()
    return Result(type(model).__name__, findings, stages, notes, hint)


# ---- what a model holds --------------------------------------------------------------


class State:
    """All that an object holds, found by following its attributes, to be put back: the
    same arrays with the same numbers, the same dicts with the same entries, and where
    random numbers had come to.

    Parameters
    ----------
    root : object
    leave : iterable of arrays
        Whose numbers are not to be put back.
    random_of : State
        To whose random numbers to go back, where it knows them.
    """

    #: An object that leads to more than this is more than a model.
    _MOST = 20_000

    def __init__(
        self, root: Any, leave: Iterable[Array] = (), random_of: State | None = None
    ) -> None:
        self._largest = math.inf if random_of is None else 100_000
        self._seen: dict[int, Any] = {}
        self._back: list[Callable[[], Any]] = []
        self._random: list[Callable[[], Any]] = [
            functools.partial(np.random.set_state, np.random.get_state()),
            functools.partial(random.setstate, random.getstate()),
        ]
        #: Every dict, attributes of objects included.
        self.dicts: list[dict[Any, Any]] = []
        for array in leave:
            self._seen[id(array)] = array
        waiting = [
            root,
            getattr(root, "params", None),
            getattr(root, "bn_params", None),
        ]
        while waiting and len(self._seen) < self._MOST:
            one = waiting.pop()
            if id(one) not in self._seen:
                self._seen[id(one)] = one
                waiting.extend(self._remember(one))
        if random_of is not None:
            self._random += random_of._random

    def _remember(self, one: Any) -> list[Any]:
        """Remember one object's state, and return what it leads to."""
        if one is None or isinstance(one, type | types.ModuleType | str | bytes | int):
            return []
        if isinstance(one, np.ndarray):
            # A copy of a data set that the model keeps, for each call, would cost too much.
            if one.flags.writeable and one.size <= self._largest:
                self._back.append(functools.partial(np.copyto, one, one.copy()))
            return []
        if isinstance(one, np.random.Generator | np.random.BitGenerator):
            bits: Any = getattr(one, "bit_generator", one)
            self._random.append(
                functools.partial(setattr, bits, "state", copy.deepcopy(bits.state))
            )
            return []
        if isinstance(one, np.random.RandomState):
            self._random.append(functools.partial(one.set_state, one.get_state()))
            return []
        if isinstance(one, random.Random):
            self._random.append(functools.partial(one.setstate, one.getstate()))
            return []
        if isinstance(one, dict):
            self.dicts.append(one)
            self._back.append(functools.partial(_refill, one, dict(one)))
            return list(one.values())
        if isinstance(one, list):
            self._back.append(functools.partial(one.__setitem__, slice(None), one[:]))
            return list(one)
        if isinstance(one, tuple):
            return list(one)
        if isinstance(one, types.MethodType):
            return [one.__self__]
        if isinstance(one, types.FunctionType):
            return [_content(cell) for cell in one.__closure__ or ()]
        if isinstance(one, functools.partial):
            return [one.func, one.args, one.keywords]
        attributes = getattr(one, "__dict__", None)
        return [attributes] if isinstance(attributes, dict) else []

    def rewind(self) -> None:
        """Put back where random numbers had come to."""
        for back in self._random:
            back()

    def restore(self) -> None:
        """Put everything back."""
        for back in self._back:
            back()
        self.rewind()


def _refill(one: dict[Any, Any], content: dict[Any, Any]) -> None:
    if list(one) != list(content) or any(
        one[key] is not content[key] for key in content
    ):
        one.clear()
        one.update(content)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet filled
        return None


# ---- the check -----------------------------------------------------------------------


class _Examination:
    """One check of one model. The stages are its methods, in their order."""

    def __init__(
        self, model: Any, X: Array | None, y: Array | None, seconds: float, state: State
    ) -> None:
        self.model, self.X_given, self.y_given = model, X, y
        self.seconds, self.state = seconds, state
        self.rng = np.random.default_rng(0)
        self.notes: list[str] = []
        self._calls = 0
        self.names = list(model.params)
        self.X, self.y = np.zeros(0), np.zeros(0, int)
        self.classes = 0
        self.slow = False
        self.loss_kind = ""
        reg = getattr(model, "reg", None)
        self.reg = reg if isinstance(reg, int | float | np.floating) else None
        self.within = 1e-6  # of numbers that two calls must agree in
        self.point: dict[str, Array] = {}
        self.still = state

    def run(self) -> tuple[tuple[Finding, ...], tuple[Stage, ...], tuple[str, ...]]:
        looks = [
            ("interface", self.interface, "what loss(X) and loss(X, y) return", READ),
            ("scores", self.scores, "one example alone, and test mode", _TEST_TIME),
            ("loss", self.loss, "scores of 0; agreement with the scores", _FIRST_LOSS),
            ("regularization", self.penalty, "the L2 penalty and its gradient", _PENALTY),
            ("gradients", self.gradients, f"of {', '.join(self.names)}", READ),
            ("overfits", self.overfits, "learns ten examples by heart", _NOT_LEARNING),
        ]  # fmt: skip
        stages: list[Stage] = []
        findings: list[Finding] = []
        for name, look, looked_at, read in looks:
            if name == "regularization" and self.reg is None:
                continue
            if findings:
                stages.append(Stage(name, "not reached"))
                continue
            try:
                findings = [
                    _finding(name, trouble, output, read) for output, trouble in look()
                ]
            except Trouble as trouble:
                findings = [_finding(name, trouble, "", read)]
            stages.append(Stage(name, "failed" if findings else "passed", looked_at))
        return tuple(findings), tuple(stages), tuple(self.notes)

    # ---- calls -----------------------------------------------------------------------

    def _call(self, *arguments: Array) -> Any:
        self._calls += 1
        quiet = contextlib.nullcontext() if self._calls == 1 else _muted()
        call = "loss(X) " if len(arguments) == 1 else "loss(X, y) "
        with quiet, guarded(self.model.loss, self.seconds, call):
            return self.model.loss(*arguments)

    @contextlib.contextmanager
    def _many_calls(self, seconds: float) -> Iterator[None]:
        with _muted(), guarded(self.model.loss, self.seconds + seconds, "loss(X, y) "):
            yield

    def _scores(self, X: Array) -> Array:
        return np.asarray(self._call(X), np.float64)

    def _loss(self, X: Array | None = None, y: Array | None = None) -> float:
        """Return the loss, with the random numbers and running averages of every other
        call."""
        self.still.restore()
        return float(
            self._call(self.X if X is None else X, self.y if y is None else y)[0]
        )

    def _grads(self) -> dict[str, Array]:
        self.still.restore()
        _, grads = self._call(self.X, self.y)
        return {name: np.array(grads[name], np.float64) for name in self.names}

    def _set(self, params: dict[str, Array], reg: float | None = None) -> None:
        """Give the model other parameters, and other strength of regularization."""
        for name, value in params.items():
            # The same arrays stay in the dict: slopes are measured by moving them.
            self.model.params[name][...] = value
        if reg is not None and self.reg is not None:
            with contextlib.suppress(AttributeError, TypeError):
                self.model.reg = reg
        self.still = State(self.model, self.model.params.values(), self.state)

    # ---- the stages ------------------------------------------------------------------

    def interface(self) -> list[tuple[str, Trouble]]:
        model, params = self.model, self.model.params
        for first, second in _pairs(self.names):
            if np.shares_memory(params[first], params[second]):
                raise Trouble(
                    "shared-array",
                    f"params[{first!r}] and params[{second!r}] are one array",
                    "`a = b = np.ones(n)` makes one array with two names, and an update of one changes "
                    "the other: make an array for each.",
                )
        settings = getattr(model, "bn_params", None) or ()
        if isinstance(settings, list):
            for i, j in _pairs(range(len(settings))):
                if settings[i] is settings[j]:
                    raise Trouble(
                        "shared-settings",
                        f"bn_params[{i}] and bn_params[{j}] are one dict",
                        "`[{...}] * n` puts one dict into the list n times, and each layer overwrites "
                        "the running averages of the others: write `[{...} for _ in range(n)]`.",
                    )
        scores = self._find_inputs()
        self._check_scores(scores)
        before = {name: value.copy() for name, value in params.items()}
        X, y = self.X.copy(), self.y.copy()
        result = self._call(X, y)
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
        self._check_loss(loss)
        self._check_grads(grads)
        changed = [
            f"params[{k!r}]" for k in self.names if not _equal(params[k], before[k])
        ]
        changed += ["`X`"] * (not _equal(X, self.X)) + ["`y`"] * (not _equal(y, self.y))
        if changed:
            raise Trouble(
                "modifies-input",
                f"loss(X, y) changes {', '.join(changed)}",
                "An operation in place (`-=`, `+=`, `a[mask] = 0`) ran on an array that is not the "
                "call's own. Parameters are updated by the optimizer, not in loss.",
            )
        kept = {name: np.array(grads[name]) for name in self.names}
        self.state.rewind()
        other = self._call(np.roll(X, 1, axis=0) * 0.5, y)
        for name in self.names:
            if not _equal(kept[name], grads[name]):
                raise Trouble(
                    "aliasing",
                    f"a later call changes the grads[{name!r}] that an earlier one returned",
                    "The same array is filled and returned in every call: make a new one each time.",
                )
        if (
            all(params[k].dtype == np.float32 for k in self.names)
            and other[1][self.names[0]].dtype != np.float32
        ):
            self.notes.append(
                f"The parameters are float32, but grads[{self.names[0]!r}] is "
                f"{other[1][self.names[0]].dtype}: some array on the way was made without a dtype."
            )
        self._prepare()
        return []

    def _find_inputs(self) -> Array:
        """Choose the examples, and return the first scores."""
        candidates = [self.X_given] if self.X_given is not None else self._candidates()
        trouble = Trouble("exception", "")
        for X in candidates:
            try:
                start = time.perf_counter()
                scores = self._call(X.copy())
                self.slow = time.perf_counter() - start > _SLOW
            except Trouble as found:
                if not trouble.problem or found.cause == "time-limit":
                    trouble = found
                continue
            self.X = X.astype(np.float64)
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

    def _candidates(self) -> list[Array]:
        """Return examples of the shapes that the network may take."""
        N = 10
        shapes: list[tuple[int, ...]] = []
        given = getattr(self.model, "input_dim", None)
        first = next((p for p in self.model.params.values() if p.ndim > 1), None)
        if isinstance(given, int | np.integer):
            shapes.append((int(given),))
        elif isinstance(given, Sequence) and not isinstance(given, str):
            shapes.append(tuple(int(size) for size in given))
        elif first is not None and first.ndim == 4:
            shapes += [(first.shape[1], s, s) for s in (32, 28, 16, 8, 12, 24, 64)]
        if first is not None and first.ndim == 2:
            shapes.append((first.shape[0],))
            if first.shape[0] == 3072:
                shapes.append((3, 32, 32))
            shapes.append((first.shape[1],))  # weights of shape (M, D)
        if not shapes:
            raise Trouble(
                "inputs",
                "the shape of an example cannot be seen from the parameters",
                "Call check_model(model, X, y) with examples of your own.",
            )
        return [self.rng.standard_normal((N, *shape)) for shape in shapes]

    def _check_scores(self, scores: Array) -> None:
        N = len(self.X)
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
            index = _first(~np.isfinite(scores))
            raise Trouble(
                "not-finite",
                f"the scores hold {scores[index]}{_at(index)}",
                "Something is divided by 0, or the weights are far too large.",
            )
        self.classes = C = scores.shape[1]
        y = self.rng.permutation(N) % C if self.y_given is None else self.y_given
        if y.dtype.kind not in "iu" or y.min(initial=0) < 0 or y.max(initial=0) >= C:
            raise Trouble(
                "labels",
                f"`y` must hold integers from 0 to {C - 1}, a class for each example",
                f"The network has {C} scores for each example.",
            )
        self._all = self.X, y
        # Never as many examples as classes, or a mean over the wrong axis would look right.
        count = 3 if self.slow else 7
        count = min(N, count - 1 if count == C else count)
        # Large numbers would saturate the softmax, and leave no gradients to look at.
        scale = max(1.0, float(self.X.std()) / 2)
        self.X, self.y = self.X[:count] / scale, y[:count]
        if self.y_given is None:
            self.y = self.rng.permutation(count) % C

    def _check_loss(self, loss: Any) -> None:
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

    def _check_grads(self, grads: Any) -> None:
        if not isinstance(grads, dict):
            raise Trouble(
                "arity", f"grads must be a dict, but is a {type(grads).__name__}"
            )
        missing = [name for name in self.names if grads.get(name) is None]
        others = [repr(name) for name in grads if name not in self.model.params]
        if missing:
            extra = (
                f" (but for {', '.join(others)}, which is no parameter)"
                if others
                else ""
            )
            raise Trouble(
                "missing-gradient",
                f"grads holds nothing for {', '.join(map(repr, missing))}{extra}",
                "Every parameter needs its gradient under its own name, the key in params.",
            )
        if others:
            raise Trouble(
                "unknown-key",
                f"grads holds {', '.join(others)}, which params does not",
                "The keys of grads must be those of params.",
            )
        for name in self.names:
            got, shape = as_array(grads[name]), self.model.params[name].shape
            if got is None or got.shape != shape:
                found = (
                    "no array of numbers" if got is None else f"of shape {got.shape}"
                )
                cause = (
                    _diagnosis.shape(
                        f"grads[{name!r}]",
                        [
                            Pair(
                                Case("", ()), np.ones(got.shape), np.full(shape, np.nan)
                            )
                        ],
                        [],
                    )
                    if got is not None
                    else None
                )
                if got is not None and got.T.shape == shape:
                    cause = Diagnosis(
                        "transposed",
                        "Its axes are in the opposite order: for out = x @ W it is x.T @ dout.",
                    )
                raise Trouble(
                    cause.cause if cause else "shape",
                    f"grads[{name!r}] is {found}; it must be {shape}, like params[{name!r}]",
                    cause.why if cause else "",
                )
            if not np.isfinite(got).all():
                index = _first(~np.isfinite(got))
                raise Trouble(
                    "not-finite",
                    f"grads[{name!r}] is {got[index]}{_at(index)}",
                    "Something is divided by 0, or is the logarithm or the root of a number that may "
                    "not be.",
                )
            for other, array in self.model.params.items():
                if np.shares_memory(grads[name], array):
                    raise Trouble(
                        "shared-array",
                        f"grads[{name!r}] is the array params[{other!r}] itself, or a view of it",
                        "A gradient must be an array of its own, or the update changes it too.",
                    )
        for first, second in _pairs(self.names):
            if np.shares_memory(grads[first], grads[second]):
                raise Trouble(
                    "shared-array",
                    f"grads[{first!r}] and grads[{second!r}] are one array",
                    "What is added to one of them is added to both: make an array for each.",
                )

    def _prepare(self) -> None:
        """Put weights of readable size into the model, in float64."""
        model = self.model
        self.state.restore()
        self._set({}, 0.0)
        first = self._loss()
        self._into_float64(model.params)
        self.point = {
            name: self._readable(name, value) for name, value in model.params.items()
        }
        self._set(self.point, 0.0)
        loss, grads = self._call(self.X, self.y)
        low = [
            name for name in self.names if np.asarray(grads[name]).dtype != np.float64
        ]
        if low or np.asarray(loss).dtype != np.float64:
            self.within = 1e-3
            self.notes.append(
                "The network computes in float32 even with float64 parameters, so slopes have only a "
                "few digits: small mistakes are not seen."
            )
        if self._loss() == first:
            raise Trouble(
                "ignores-params",
                "the loss does not change when the arrays in params are replaced",
                "loss must read its parameters from params in every call: an optimizer puts new arrays "
                "there.",
            )

    def _readable(self, name: str, value: Array) -> Array:
        """Return a parameter of the same shape that hides no mistake, as weights near 0,
        biases of 0 and scales of 1 do."""
        noise = self.rng.standard_normal(value.shape)
        if value.ndim == 2:
            return noise * math.sqrt(2 / value.shape[0])
        if value.ndim == 4 and value.shape[0] > 1:
            return noise * math.sqrt(2 / math.prod(value.shape[1:]))
        if name.startswith("b"):
            return 0.3 * noise
        return value + 0.2 * noise

    def scores(self) -> list[tuple[str, Trouble]]:
        for _ in range(3):  # so that there are running averages
            self._call(self.X, self.y)
        self.still = State(self.model, self.model.params.values(), self.state)
        scores = self._scores(self.X)
        before = copy.deepcopy(_averages(self.model))
        again = self._scores(self.X)
        if not _near(scores, again, self.within):
            raise Trouble(
                "random-in-test-mode",
                "two calls of loss(X) with the same X give different scores",
                "Dropout is active in test mode: without y, its mode must be 'test'.",
            )
        for i in (0, len(self.X) - 1):
            alone = self._scores(self.X[i : i + 1])
            if alone.shape != (1, self.classes):
                raise Trouble(
                    "batch-of-one",
                    f"the scores of one example have shape {alone.shape}; it must be "
                    f"(1, {self.classes})",
                    "`squeeze`, or an index without a slice, drops the axis of the examples.",
                )
            if not _near(alone[0], scores[i], self.within):
                j = int(np.argmax(np.abs(alone[0] - scores[i])))
                raise Trouble(
                    "depends-on-batch",
                    f"the score [{i}, {j}] is {scores[i, j]:.6g} in the minibatch, and "
                    f"{alone[0, j]:.6g} for that example alone",
                    "In test mode an example's scores must not depend on the others: normalize with "
                    "the running averages (mode 'test' when y is None), and sum over no examples.",
                )
        if not _same_dicts(before, _averages(self.model)):
            raise Trouble(
                "updates-in-test-mode",
                "loss(X), without y, changes the running averages",
                "Running averages are collected in training only: without y, the mode must be 'test'.",
            )
        self.still.restore()
        self._call(self.X, self.y)
        if before and _same_dicts(before, _averages(self.model)):
            raise Trouble(
                "trains-in-test-mode",
                "loss(X, y) leaves the running averages as they were",
                "Batch normalization runs in test mode in training: with y, its mode must be 'train'.",
            )
        loss = self._loss()
        second = self._loss()
        if abs(second - loss) > 1e-12 * (abs(loss) + 1) and not self._seeded():
            raise Trouble(
                "stochastic",
                f"two calls of loss(X, y) give {loss:.6g} and {second:.6g}, though random numbers began "
                "anew",
                "The masks of dropout come from a generator that is made without a seed in each call: "
                "give it one, or keep one generator in the model.",
            )
        loss = self._loss()
        self.still.restore()
        self._call(self.X)
        self.still.rewind()
        after = float(self._call(self.X, self.y)[0])
        if abs(after - loss) > self.within * (abs(loss) + 1):
            raise Trouble(
                "mode-stuck",
                f"loss(X, y) is {loss:.6g}, but {after:.6g} right after a call of loss(X)",
                "The mode stays 'test' after a call without y: set it at the beginning of every call.",
            )
        return []

    def loss(self) -> list[tuple[str, Trouble]]:
        N, C = len(self.X), self.classes
        self._set({name: np.zeros_like(p) for name, p in self.point.items()})
        scores = self._scores(self.X)
        if np.all(scores == 0):
            self._loss_of_zeros(self._loss(), N, C)
        self._set(self.point)
        self._against_scores()
        if self._has_dropout() and self.loss_kind:
            self._dropout_runs()
        self._large_scores()
        self._own_weights()
        self._set(self.point)
        return []

    def _loss_of_zeros(self, loss: float, N: int, C: int) -> None:
        softmax, svm = math.log(C), C - 1.0
        for kind, value in (("softmax", softmax), ("SVM", svm)):
            if math.isclose(loss, value, rel_tol=1e-4):
                self.loss_kind = kind
                article, is_value = (
                    ("a", "log C") if kind == "softmax" else ("an", "C - 1")
                )
                self.notes.append(
                    f"The loss is that of {article} {kind}: {is_value} = {value:.4g} for scores of 0, "
                    f"with C = {C} classes."
                )
                return
        reasons = (
            ("summed", (N * softmax, N * svm, N * (svm + 1)),
             "It is a sum over the examples: divide it by N (and its gradient too)."),
            ("divided-twice", (softmax / N, svm / N), "It is divided by N twice."),
            ("wrong-axis", (math.log(N), N * math.log(N), C / N * math.log(N)),
             "It is log N, so the softmax runs over the examples: it belongs over the classes, axis 1, "
             "with keepdims=True."),
            ("divided-by-classes", (softmax / C, N * softmax / C, svm / C),
             "It is divided by the number of classes: the mean is over the N examples."),
            ("correct-class-counted", (svm + 1,),
             "It is C, not C - 1: the margin of the correct class must not be counted."),
            ("sign", (-softmax, -N * softmax), "The minus sign of -log p is missing."),
            ("log-base", (math.log2(C), math.log10(C)),
             "The logarithm is not the natural one, `np.log`."),
            ("not-a-logarithm", (1 / C, -1 / C, 1 - 1 / C),
             "It is made of the probability itself: the loss is minus its logarithm."),
            ("zero-loss", (0.0,), "Nothing is added to the loss."),
        )  # fmt: skip
        cause, why = "loss", "Neither the softmax nor the SVM loss gives this number."
        for name, values, reason in reasons:
            if any(
                math.isclose(loss, value, rel_tol=1e-4, abs_tol=1e-9)
                for value in values
            ):
                cause, why = name, reason
                break
        raise Trouble(
            cause,
            f"the loss is {loss:.6g} where all scores are 0 (N = {N} examples, C = {C} classes); it "
            f"should be log C = {softmax:.6g} for softmax, or C - 1 = {svm:g} for an SVM",
            why,
        )

    def _reference(self, scores: Array, y: Array) -> float:
        kind = layers.svm_loss if self.loss_kind == "SVM" else layers.softmax_loss
        return float(kind(scores, y)[0])

    def _against_scores(self) -> None:
        """Compare the loss with that of the scores, where training and test are the same."""
        loss, N = self._loss(), len(self.X)
        if not self.loss_kind or self._has_dropout() or _averages(self.model):
            return
        alone = [self._loss(self.X[i : i + 1], self.y[i : i + 1]) for i in range(N)]
        if not math.isclose(float(np.mean(alone)), loss, rel_tol=10 * self.within):
            return
        scores = self._scores(self.X)
        expected = self._reference(scores, self.y)
        if math.isclose(loss, expected, rel_tol=10 * self.within, abs_tol=self.within):
            return
        C = self.classes
        cause, why = (
            "loss",
            (
                f"It is not the {self.loss_kind} loss of the scores that loss(X) returns: it takes "
                "other scores, other labels, or another formula."
            ),
        )
        for shift in (-1, 1):
            if math.isclose(
                loss, self._reference(scores, (self.y + shift) % C), rel_tol=1e-5
            ):
                cause, why = "labels", "The labels are shifted by one."
        for sign in (-1, 0):
            if math.isclose(loss, self._reference(sign * scores, self.y), rel_tol=1e-5):
                cause, why = (
                    "scores",
                    "The loss does not follow the scores: their sign is wrong.",
                )
        clipped = self._reference(np.maximum(scores, 0), self.y)
        if math.isclose(loss, clipped, rel_tol=1e-5):
            cause, why = (
                "relu-on-scores",
                (
                    "The loss runs on scores whose negative ones were set to 0: no ReLU belongs after "
                    "the last layer."
                ),
            )
        problem = f"the loss is {loss:.6g}; that of its scores is {expected:.6g}"
        if cause == "loss" and loss > expected and getattr(self.model, "reg", 1) != 0:
            self.notes.append(
                f"With random weights, {problem}. If the rest is a penalty, call its strength `reg`, so "
                "that it can be looked at."
            )
            return
        raise Trouble(cause, problem, why)

    def _dropout_runs(self) -> None:
        """A loss with dropout is not that of the scores in test mode."""
        if _averages(self.model):
            return
        expected = self._reference(self._scores(self.X), self.y)
        if math.isclose(self._loss(), expected, rel_tol=1e-9):
            raise Trouble(
                "trains-in-test-mode",
                f"loss(X, y) is {expected:.6g}, just as without dropout",
                "Dropout does nothing in training: with y, its mode must be 'train', and the network "
                "must apply it.",
            )

    def _large_scores(self) -> None:
        """Scale all weights until the scores are large."""
        params = self.point
        for _ in range(8):
            params = {name: 8 * value for name, value in params.items()}
            self._set(params)
            largest = float(np.abs(self._scores(self.X)).max())
            if not np.isfinite(largest) or largest > 1e9:
                return
            if largest > 2000:
                break
        else:
            return
        loss = self._loss()
        if np.isnan(loss):
            raise Trouble(
                "overflow",
                f"the loss is NaN where the scores are as large as {largest:.4g}",
                "The exponential overflows: subtract each row's largest score before it.",
            )
        if np.isinf(loss):
            self.notes.append(
                f"The loss is infinite where the scores are as large as {largest:.4g}: log p of a "
                "probability that was rounded to 0. Write it as scores - log(sum(exp(scores)))."
            )

    def _own_weights(self) -> None:
        """Note initial weights that are too large."""
        C = self.classes
        usual = {"softmax": math.log(C), "SVM": C - 1.0}.get(self.loss_kind)
        if usual is None:
            return
        loss = self._initial()
        if loss > 2 * usual + 1:
            self.notes.append(
                f"With its own weights the loss begins at {loss:.4g}, far above {usual:.4g}: if they "
                "are the initial ones, they are too large."
            )

    def _initial(self) -> float:
        """Return the loss with the model's own parameters."""
        now = {name: value.copy() for name, value in self.model.params.items()}
        self.state.restore()
        own = {name: value.copy() for name, value in self.model.params.items()}
        self._into_float64(own)
        loss = self._loss()
        self._into_float64(now)
        return loss

    def _into_float64(self, params: dict[str, Array]) -> None:
        """Give the model new arrays, and no regularization."""
        model = self.model
        for name in self.names:
            model.params[name] = params[name].astype(np.float64)
        kept = getattr(model, "dtype", None)
        if kept is not None:
            double = np.dtype(np.float64)
            with contextlib.suppress(AttributeError, TypeError):
                model.dtype = double if isinstance(kept, np.dtype) else double.type
        self._set({}, 0.0)

    # ---- regularization --------------------------------------------------------------

    def penalty(self) -> list[tuple[str, Trouble]]:
        strength = 0.7
        self._set(self.point, 0.0)
        loss, grads = self._loss(), self._grads()
        self._set(self.point, strength)
        if getattr(self.model, "reg", None) != strength:
            self.notes.append("`reg` cannot be set, so the penalty was not looked at.")
            return []
        grown = self._loss() - loss
        added = {name: grad - grads[name] for name, grad in self._grads().items()}
        self._set(self.point, 0.0)
        weights = [name for name in self.names if self._is_weight(name)]
        squares = {k: float(np.sum(v * v)) for k, v in self.point.items()}
        expected = 0.5 * strength * sum(squares[name] for name in weights)
        if not math.isclose(grown, expected, rel_tol=10 * self.within):
            cause, why = self._cause_of_penalty(grown / strength, squares, weights)
            raise Trouble(
                cause,
                f"with reg = {strength} the loss grows by {grown:.6g}; it should grow by "
                f"0.5 * reg * sum(W ** 2) = {expected:.6g}",
                why,
            )
        findings = []
        for name in self.names:
            right = strength * self.point[name] * (name in weights)
            scale = float(np.abs(grads[name]).max()) + float(np.abs(right).max())
            if np.abs(added[name] - right).max() <= 10 * self.within * scale:
                continue
            index = tuple(
                int(i)
                for i in np.unravel_index(
                    np.argmax(np.abs(added[name] - right)), right.shape
                )
            )
            findings.append(
                (
                    f"grads[{name!r}]",
                    Trouble(
                        *self._cause_of_its_gradient(name, added[name], right)[:1],
                        f"with reg = {strength}, grads[{name!r}] grows by {added[name][index]:.6g}"
                        f"{_at(index)}; it should grow by {right[index]:.6g}",
                        self._cause_of_its_gradient(name, added[name], right)[1],
                    ),
                )
            )
        return findings

    def _is_weight(self, name: str) -> bool:
        if re.match(r"(?i)(gamma|beta|scale|shift|b(ias)?\d*$)", name):
            return False
        return bool(re.match(r"(?i)w", name)) or self.point[name].ndim > 1

    def _cause_of_penalty(
        self, grown: float, squares: dict[str, float], weights: list[str]
    ) -> tuple[str, str]:
        """Return why the loss grows by `grown` times reg."""
        N = len(self.X)
        biases = [
            n
            for n in self.names
            if n not in weights and n[0] == "b" and not n.startswith("beta")
        ]
        scales = [n for n in self.names if n not in weights and n not in biases]

        def is_half(names: Iterable[str], times: float = 1.0) -> bool:
            half = 0.5 * times * sum(squares[name] for name in names)
            return math.isclose(grown, half, rel_tol=1e-4, abs_tol=1e-12)

        if grown == 0 or abs(grown) < 1e-9 * sum(squares.values()):
            return "reg-missing", "The penalty is not added to the loss at all."
        if is_half(weights, 2):
            return "reg-half", "The 0.5 of 0.5 * reg * sum(W ** 2) is missing."
        if is_half(weights, -1):
            return "reg-sign", "The penalty is subtracted; it belongs added."
        for times in (1.0, 2.0):
            rest = "" if times == 1 else " The 0.5 is missing as well."
            if biases and is_half([*weights, *biases], times):
                why = "The penalty is taken over the biases too; it belongs to the weights W only."
                return "reg-on-biases", why + rest
            if scales and is_half([*weights, *biases, *scales], times):
                why = "The penalty is taken over every parameter; it belongs to the weights W only."
                return "reg-on-all", why + rest
            if scales and is_half([*weights, *scales], times):
                why = "The penalty is taken over gamma and beta too; it belongs to the weights W only."
                return "reg-on-gamma-beta", why + rest
            for name in weights:
                if len(weights) > 1 and is_half(
                    [w for w in weights if w != name], times
                ):
                    return (
                        "reg-misses-a-layer",
                        f"The penalty leaves out {name}." + rest,
                    )
            for name in weights:
                if len(weights) > 1 and is_half([name], times):
                    return (
                        "reg-misses-a-layer",
                        f"The penalty takes {name} alone." + rest,
                    )
        for times, text in ((1 / N, "N"), (2 / N, "N"), (N, "1 / N")):
            if is_half(weights, times):
                return (
                    "reg-times-n",
                    f"The penalty is divided by {text}: it is added after the mean over the examples.",
                )
        absolute = sum(float(np.abs(self.point[name]).sum()) for name in weights)
        norms = sum(math.sqrt(squares[name]) for name in weights)
        for times in (0.5, 1.0):
            if math.isclose(grown, times * absolute, rel_tol=1e-4):
                return "reg-not-squared", "It is made of |W|, not of W ** 2."
            if math.isclose(grown, times * norms, rel_tol=1e-4):
                return (
                    "reg-not-squared",
                    "It is made of the norm of W, a root: take sum(W ** 2).",
                )
        sums = sum(float(self.point[name].sum()) for name in weights) ** 2
        if math.isclose(grown, 0.5 * sums, rel_tol=1e-4):
            return "reg-not-squared", "The sum is squared: square first, then sum."
        return "reg", "Neither a missing 0.5 nor the wrong parameters give this number."

    def _cause_of_its_gradient(
        self, name: str, added: Array, right: Array
    ) -> tuple[str, str]:
        if not right.any():
            return (
                "reg-on-biases"
                if name[0] == "b" and not name.startswith("beta")
                else "reg-on-gamma-beta",
                f"{name} has no part in the penalty of the loss, so its gradient has none either.",
            )
        for times, cause, why in (
            (0.0, "reg-gradient-missing",
             f"The penalty is in the loss but not in its gradient: add reg * {name}."),
            (2.0, "reg-gradient-factor",
             f"The 0.5 of the penalty and the 2 of the square make 1: its gradient is reg * {name}."),
            (0.5, "reg-gradient-factor",
             f"The 0.5 of the penalty cancels the 2 of the square: its gradient is reg * {name}."),
            (1 / len(self.X), "reg-gradient-factor",
             "It is divided by N, but the penalty is not part of the mean over the examples."),
            (-1.0, "reg-gradient-sign", "It is subtracted; it belongs added."),
        ):  # fmt: skip
            if np.allclose(added, times * right, rtol=1e-4, atol=1e-8):
                return cause, why
        return (
            "reg-gradient",
            f"The gradient of 0.5 * reg * sum({name} ** 2) is reg * {name}.",
        )

    # ---- gradients -------------------------------------------------------------------

    def gradients(self) -> list[tuple[str, Trouble]]:
        self._set(self.point, 0.0)
        start = time.perf_counter()
        self._loss()
        seconds = time.perf_counter() - start
        # The parameters nearest to the scores first: what is wrong there goes on to all before them.
        order = sorted(self.names, key=self._layer, reverse=True)
        measured, skipped = self._measure(order, seconds)
        if skipped:
            self.notes.append(
                f"There was no time for the gradients of {', '.join(skipped)}: take a smaller network."
            )
        wrong = [name for name in order if name in measured and measured[name].wrong]
        unclear = [
            name
            for name in order
            if name in measured and measured[name].with_status("unclear")
        ]
        if unclear and not wrong:
            self.notes.append(
                f"Some slopes for {', '.join(unclear)} could not be measured well, and were left out."
            )
        self._note_unused(measured)
        return self._told(wrong, order, measured) if wrong else []

    def _note_unused(self, measured: dict[str, Measured]) -> None:
        unused = [
            name
            for name, one in measured.items()
            if one.got is not None
            and not one.got.any()
            and all(probe.slope == 0 for probe in one.probes)
        ]
        if unused:
            self.notes.append(f"The loss does not depend on {', '.join(unused)}.")

    def _layer(self, name: str) -> int:
        digits = re.search(r"\d+$", name)
        return int(digits[0]) if digits else self.names.index(name)

    def _seeded(self) -> bool:
        """Give each dropout a seed, and return whether that makes the loss repeatable."""
        for i, param in enumerate(self._dropout_dicts()):
            param["seed"] = 100 + i
        self.still = State(self.model, self.model.params.values(), self.state)
        return bool(self._loss() == self._loss())

    def _dropout_dicts(self) -> list[dict[str, Any]]:
        return [
            one
            for one in self.still.dicts
            if "p" in one and isinstance(one["p"], int | float) and "mode" in one
        ]

    def _has_dropout(self) -> bool:
        return any(0 < one["p"] < 1 for one in self._dropout_dicts())

    def _measure(
        self, names: Sequence[str], call_seconds: float
    ) -> tuple[dict[str, Measured], list[str]]:
        """Measure the slopes with respect to each parameter."""
        grads = self._grads()
        measured: dict[str, Measured] = {}
        until = time.perf_counter() + _GRADIENTS
        skipped = []
        with self._many_calls(20 * _GRADIENTS):
            for k, name in enumerate(names):
                left = until - time.perf_counter()
                if left <= 0 and k > 1:
                    skipped.append(name)
                    continue
                x = self.model.params[name]
                one = Measured(Slopes(x, self._evaluate, 1.0), grads[name])
                measured[name] = one
                calls = max(left, 0) / (len(names) - k) / (2 * call_seconds)
                if x.size <= min(calls, 60):
                    one.every_entry()
                else:
                    many = max(2, min(5, int(calls / 2)))
                    one.random_directions(
                        self.rng, many, max(1, min(4, int(calls) - many))
                    )
        return measured, skipped

    def _evaluate(self) -> Any:
        self.still.restore()
        return np.asarray(self.model.loss(self.X, self.y)[0])

    def _told(
        self, wrong: list[str], order: list[str], measured: dict[str, Measured]
    ) -> list[tuple[str, Trouble]]:
        """Return what is said of the wrong gradients nearest to the scores, and note the
        others."""
        general = self._common_factor(wrong, measured)
        nearest = [n for n in wrong if self._layer(n) == self._layer(wrong[0])]
        told = []
        for name in nearest:
            cause = general or self._cause(name, wrong, measured)
            told.append(
                (
                    f"grads[{name!r}]",
                    Trouble(cause.cause, self._where(name, measured), cause.why),
                )
            )
        others = [name for name in wrong if name not in nearest]
        if others:
            several = len(others) > 1
            self.notes.append(
                f"The gradient{'s' * several} of {', '.join(others)} {'are' if several else 'is'} wrong "
                f"as well, further from the scores: what is wrong at {' and '.join(nearest)} may be the "
                "reason. Mend that first."
            )
        return told

    def _common_factor(
        self, wrong: list[str], measured: dict[str, Measured]
    ) -> Diagnosis | None:
        if len(wrong) < 2 or len(wrong) < len(measured):
            return None
        found = {self._factor(name, measured[name]) for name in wrong}
        if len(found) != 1 or None in found:
            return None
        (cause,) = found
        assert cause is not None
        return Diagnosis(
            cause.cause,
            "All gradients are wrong in the same way: "
            + cause.why.replace("`every gradient`", "each")
            + " Look at the gradient of the loss, dscores.",
        )

    def _factor(self, name: str, one: Measured) -> Diagnosis | None:
        assert one.got is not None
        if one.numeric is not None:
            pair = Pair(self._case(), one.got, one.numeric)
        else:
            pair = Pair(self._case(), *one.as_vectors(one.got))
        return factor("every gradient", pair)

    def _case(self) -> Case:
        sizes = {"N": float(len(self.X))}
        if self.classes != len(self.X):
            sizes["C"] = float(self.classes)
        for one in self._dropout_dicts():
            if 0 < one["p"] < 1:
                sizes["p"] = float(one["p"])
        return Case("", (), sizes=sizes)

    def _where(self, name: str, measured: dict[str, Measured]) -> str:
        one = measured[name]
        with self._many_calls(20 * _GRADIENTS):
            worst = one.worst(self.rng)
        if one.numeric is not None:
            told = (
                f"grads[{name!r}] is wrong in {len(one.with_status('wrong'))} of {one.numeric.size} "
                "numbers, most"
            )
        else:
            count = sum(probe.status == "wrong" for _, probe in one.directions)
            told = f"grads[{name!r}] is wrong along {count} of {len(one.directions)} random directions"
            told += ", and" if worst else ""
        if worst is None:
            return told
        index, probe = worst
        return f"{told}{_at(index)}: yours is {probe.got + 0:.6g}, the slope is {probe.slope + 0:.6g}"

    def _cause(
        self, name: str, wrong: list[str], measured: dict[str, Measured]
    ) -> Diagnosis:
        """Return the likely cause: of the gradient by itself, else of its place in the
        network."""
        one = measured[name]
        got = one.got
        assert got is not None
        for other, found in measured.items():
            if other != name and found.got is not None and one.agrees(found.got):
                return Diagnosis(
                    "exchanged",
                    f"grads[{other!r}] holds the gradient of {name}: the two are exchanged.",
                )
        if self._has_dropout() and self._right_after(name, self._without_dropout):
            return Diagnosis(
                "dropout-backward",
                "Without dropout this gradient is right, so dropout's backward pass is missing or "
                f"wrong after {name}: dout must be multiplied by the mask that the forward pass used.",
            )
        found_cause = likely_cause(f"grads[{name!r}]", one, self._case().sizes)
        if found_cause is not None and not (
            found_cause.cause == "factor" and got.size < 3
        ):
            return found_cause
        k = self._layer(name)
        same_layer = [n for n in measured if self._layer(n) == k]
        later = [n for n in measured if self._layer(n) > k]
        right = [n for n in same_layer if n not in wrong]
        active = bool(later) and self._right_after(name, self._all_active)
        bias = next((n for n in right if self._tells(n, measured)), "")
        if name in self._weights() and bias:
            why = (
                f"grads[{bias!r}] is right, so the gradient that arrives here is; what it is "
                "multiplied with is not. dW is x.T @ dout, where x is what the forward pass multiplied "
                "with W: "
            )
            before = k > min(self._layer(n) for n in self.names)
            if before and self._right_after(name, self._all_active):
                why += "the hidden values after the ReLU, not before it."
            else:
                why += "the output of the layer before, after its activation."
            return Diagnosis("wrong-input", why)
        if name not in self._weights() and any(n in self._weights() for n in right):
            weight = next(n for n in right if n in self._weights())
            return Diagnosis(
                "bias-sum",
                f"grads[{weight!r}] is right, so the gradient that arrives here is; it is summed "
                "wrongly. The bias is added to every example (and every pixel): sum dout over all of "
                "them.",
            )
        if active:
            return Diagnosis(
                "relu-backward",
                "Where every unit is active this gradient is right, so the ReLU's backward pass is "
                f"missing or wrong after {name}: dout must be set to 0 where the ReLU's input was "
                "negative.",
            )
        if right:
            return Diagnosis(
                "backward-between",
                f"The gradients of {' and '.join(right)} are right: the mistake lies between them and "
                f"{name}, in the backward pass of the normalization.",
            )
        if later:
            nearest = min(self._layer(n) for n in later)
            names = [n for n in later if self._layer(n) == nearest]
            return Diagnosis(
                "backward-between",
                f"The gradients of {' and '.join(names)} are right: the mistake lies between them and "
                f"{name}, in a backward pass on the way, or in what is passed on to it.",
            )
        return Diagnosis(
            "loss-gradient",
            "It is the last layer, so what arrives from the loss, dscores, is wrong: for softmax it is "
            "(probabilities - 1 at the correct class) / N.",
        )

    def _tells(self, name: str, measured: dict[str, Measured]) -> bool:
        """Return whether this is a bias whose gradient, being right, says that what arrives
        at its layer is. Before a normalization it is 0 whatever arrives."""
        got = measured[name].got
        is_bias = name[0] == "b" and not name.startswith("beta")
        return is_bias and got is not None and float(np.abs(got).max()) > 1e-9

    def _weights(self) -> list[str]:
        return [name for name in self.names if self._is_weight(name)]

    def _right_after(self, name: str, change: Callable[[], None]) -> bool:
        """Return whether a gradient is right in a network that was changed."""
        try:
            change()
            grad = self._grads()[name]
            if not np.abs(grad).max() > 1e-9:
                return False
            with self._many_calls(20 * _GRADIENTS):
                one = Measured(
                    Slopes(self.model.params[name], self._evaluate, 1.0), grad
                )
                one.random_directions(self.rng, 3, 2)
            return not one.wrong and not one.with_status("unclear")
        except Trouble:
            return False
        finally:
            for param, p in getattr(self, "_kept_p", []):
                param["p"] = p
            self._kept_p: list[tuple[dict[str, Any], float]] = []
            self._set(self.point, 0.0)

    def _without_dropout(self) -> None:
        self._kept_p = [(param, param["p"]) for param in self._dropout_dicts()]
        for param, _ in self._kept_p:
            param["p"] = 1.0
        self._set(self.point, 0.0)

    def _all_active(self) -> None:
        """Choose parameters that keep the input of every ReLU above 0."""
        params = {}
        for name, value in self.point.items():
            if self._is_weight(name):
                params[name] = 0.1 * value
            elif name.startswith("beta"):
                params[name] = np.full_like(value, 5.0)
            elif name[0] == "b":
                params[name] = 1 + 0.1 * value
            else:
                params[name] = value
        self._set(params, 0.0)

    # ---- training --------------------------------------------------------------------

    def overfits(self) -> list[tuple[str, Trouble]]:
        self.state.restore()
        if self.reg is not None:
            with contextlib.suppress(AttributeError, TypeError):
                self.model.reg = 0.0
        for param in State(self.model).dicts:
            if "mode" in param and isinstance(param.get("p"), float):
                param["p"] = 1.0  # noise would hide whether the loss falls
        X, y = self._all[0][:10], self._all[1][:10]
        own = {name: value.copy() for name, value in self.model.params.items()}
        steps = 0
        for rate, start in ((1e-2, own), (1e-3, own), (1e-2, self.point)):
            for name in self.names:
                self.model.params[name] = start[name].astype(own[name].dtype)
            first, last, steps, learned = self._train(X, y, rate)
            if learned:
                if start is self.point:
                    self.notes.append(
                        "It learns ten examples from weights with standard deviation sqrt(2 / inputs), "
                        "but not from its own: these are too small or too large."
                    )
                return []
            if not np.isfinite(last):
                return [("", Trouble(
                    "not-finite",
                    f"the loss is {last} after {steps} steps of Adam (rate {rate:g})",
                    "Something is divided by 0, or a logarithm or an exponential goes out of bounds.",
                ))]  # fmt: skip
            if steps < _FEW:
                break
        if steps >= _FEW and last < 0.8 * first:
            self.notes.append(
                f"The loss on {len(X)} examples falls, from {first:.4g} to {last:.4g} in {steps} steps "
                "of Adam, but they are not yet learned by heart: dropout or a penalty may be in the way."
            )
            return []
        if steps < _FEW:
            self.notes.append(
                f"There was time for {steps} steps of training only, too few to say whether it learns."
            )
            return []
        return [("", Trouble(
            "does-not-learn",
            f"after {steps} steps of Adam on {len(X)} examples the loss is {last:.4g}; it began at "
            f"{first:.4g}",
            "A network that can learn at all learns ten examples by heart. Its gradients are right, so "
            "look at what limits it: weights that are all 0, too few units, too much dropout.",
        ))]  # fmt: skip

    def _train(self, X: Array, y: Array, rate: float) -> tuple[float, float, int, bool]:
        """Train with Adam for a while; return the first and the last loss, the steps, and
        whether the examples are learned."""
        params = self.model.params
        m = {name: np.zeros_like(params[name]) for name in self.names}
        v = {name: np.zeros_like(params[name]) for name in self.names}
        until, first = time.perf_counter() + _TRAINING, 0.0
        recent: list[float] = []
        with self._many_calls(10 * _TRAINING):
            for t in range(1, 301):
                loss, grads = self.model.loss(X, y)
                loss = float(loss)
                first = first or loss
                recent = [*recent[-4:], loss]
                mean = float(np.mean(recent))
                if not np.isfinite(loss):
                    return first, loss, t, False
                if len(recent) == 5 and mean < 0.3 * first:
                    return first, mean, t, True
                if t % 25 == 0 and np.array_equal(
                    np.argmax(self.model.loss(X), axis=1), y
                ):
                    return first, mean, t, True
                if time.perf_counter() > until and t > 5:
                    break
                for name in self.names:
                    g = np.asarray(grads[name])
                    m[name] = 0.9 * m[name] + 0.1 * g
                    v[name] = 0.99 * v[name] + 0.01 * g * g
                    step = (
                        m[name]
                        / (1 - 0.9**t)
                        / (np.sqrt(v[name] / (1 - 0.99**t)) + 1e-8)
                    )
                    params[name] = (params[name] - rate * step).astype(
                        params[name].dtype
                    )
        return first, mean, t, mean < 0.3 * first


# ---- small things --------------------------------------------------------------------


def _finding(stage: str, trouble: Trouble, output: str, read: str) -> Finding:
    formulas = {
        "loss": "softmax: loss = -mean over n of log p[n, y[n]]\n"
        "SVM: loss = mean over n of sum over c != y[n] of max(0, s[n, c] - s[n, y[n]] + 1)",
        "regularization": "loss += 0.5 * reg * sum(W ** 2)\n"
        "grads[W] += reg * W, for each weight array W",
    }
    return Finding(
        stage, output, "", trouble.problem, trouble.cause, trouble.why, formulas.get(stage, ""),
        read, trouble.line,
    )  # fmt: skip


def _pairs(names: Iterable[Any]) -> list[tuple[Any, Any]]:
    names = list(names)
    return [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]


def _equal(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def _near(one: Array, other: Array, within: float) -> bool:
    scale = float(np.abs(other).max(initial=0.0))
    return one.shape == other.shape and bool(
        np.all(np.abs(one - other) <= within * scale + 1e-12)
    )


def _averages(model: Any) -> list[dict[str, Array]]:
    """Return the running averages of each batch normalization."""
    params = getattr(model, "bn_params", None)
    if isinstance(params, dict):
        params = list(params.values())
    return [
        {key: value for key, value in one.items() if isinstance(value, np.ndarray)}
        for one in params or ()
        if isinstance(one, dict)
    ]


def _same_dicts(one: list[dict[str, Array]], other: list[dict[str, Array]]) -> bool:
    return len(one) == len(other) and all(
        a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)
        for a, b in zip(one, other, strict=True)
    )
