"""What must come of a hostile call: the readable twin's result up to rounding, or its
error; arguments as they were; nothing else."""

from __future__ import annotations

import contextlib
import copy
import pickle
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from fast_cases import (
    DIFFERENTIABLE,
    EXACT,
    LAYERS,
    SANDWICHES,
    TOLERANCE,
    as_tuple,
    assert_same_bits,
    backward_readable,
    convert,
    fast_layer,
    forward_readable,
    named_gradients,
)
from hostile_arrays import Hostile, made, other_shape
from hostile_calls import CALLS, RULES, Alias, Call, Tampering
from hypothesis import HealthCheck, Phase, event, given, seed, settings

import nndl
from nndl import fast_layers, layers, optim
from nndl._arguments import as_float_array
from nndl._fast import _kernels, _memory
from nndl.compat.courses import im2col
from nndl.fast_layers import FastCache

Results = dict[str, Any]
#: A padding that no machine has memory for.
BEYOND_MEMORY = 2**30
#: What may come of a call that the readable twin refuses; all others reach a kernel.
REFUSED = "refused"


def attack(
    name: str, examples: int, number: int, before: Callable[[Call], None] | None = None
) -> Counter[str]:
    """Make hostile calls of a function, drawn from this number on, and count what came
    of them. `before` is told of each before it is made."""
    came: Counter[str] = Counter()

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(CALLS[name])
    def hold(call: Call) -> None:
        if before:
            before(call)
        result = check(call)
        event(result)
        came[result] += 1

    hold()
    return came


def check(call: Call) -> str:
    """Make a call and say in a word what came of it; `AssertionError` if that is not
    what must come."""
    with _as_called(call):
        if call.function in LAYERS:
            return check_layer(call)
        if call.function in RULES:
            return check_rule(call)
        return {"softmax_loss": check_softmax_loss, "im2col": check_im2col}[
            call.function
        ](call)


@contextlib.contextmanager
def _as_called(call: Call) -> Iterator[None]:
    """Use the call's instruction set and threads, these even for small arrays."""
    before = _kernels.isa(), _kernels.wake_for(0), nndl.get_num_threads()
    _kernels.choose(call.instruction_set)
    nndl.set_num_threads(call.threads)
    _memory.release()  # so that no array gets memory that is larger than it needs
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _kernels.choose(before[0])
        _kernels.wake_for(before[1])
        nndl.set_num_threads(before[2])


def outcome(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Return "result" and what a function gives, or the kind and the words of its
    error."""
    try:
        return "result", function(*args, **kwargs)
    except (TypeError, ValueError, MemoryError, OverflowError) as error:
        return type(error), re.sub(r" at 0x\w+", "", str(error))


def arrays_in(given: Any) -> list[np.ndarray]:
    """Return all arrays among arguments, settings and caches."""
    if isinstance(given, np.ndarray):
        return [given]
    if isinstance(given, dict):
        given = tuple(given.values())
    return [a for v in given for a in arrays_in(v)] if isinstance(given, tuple) else []


@contextlib.contextmanager
def unchanged(*given: Any) -> Iterator[None]:
    """Hold that no array among the arguments is written to."""
    watched = arrays_in(given)
    before = [array.tobytes() for array in watched]
    yield
    assert before == [array.tobytes() for array in watched], "an argument was changed"


def assert_documented(kind: Any, message: Any) -> None:
    """Hold that an outcome is an error that names an argument."""
    assert kind in (TypeError, ValueError), (kind, message)
    assert re.search(r"`\w+", message), message


# ---- layers --------------------------------------------------------------------------


def check_layer(call: Call) -> str:
    name = call.function
    given, twins = made(call.given), made(call.given)
    settings = {key: dict(v) for key, v in given.items() if isinstance(v, dict)}
    kind, expected = outcome(forward_readable, name, twins)
    with unchanged(given):
        found_kind, found = outcome(fast_layer(name)[0], **given)
    if kind != "result" or found_kind != "result":
        for key, before in settings.items():
            assert list(given[key]) == list(before)
            assert all(given[key][entry] is value for entry, value in before.items())
        return check_error(call, kind, expected, found_kind, found)

    (out, caches, sure), (fast_out, cache) = expected, found
    twin = Twin(name, made(call.given))
    results = {"out": fast_out} | running(given)
    twin.compare(results, {"out": out} | running(twins))

    dout = make_dout(call, out, sure)
    kind, expected = outcome(backward_readable, twins, dout, caches)
    need_dx = {} if call.need_dx or "w" not in given else {"need_dx": False}
    with unchanged(cache, dout):
        found_kind, found = outcome(fast_layer(name)[1], dout, cache, **need_dx)
    if kind != "result":
        assert found_kind is kind, (found_kind, found, expected)
        assert_documented(found_kind, found)
        return "dout refused"
    assert found_kind == "result", found
    gradients = named_gradients(given, as_tuple(found))
    if need_dx:
        assert gradients.pop("x") is None
    twin.compare(gradients, expected, dout)
    if call.tampering:
        return check_tampering(call.tampering, name, dout, cache, found, need_dx)
    return twin.decided or "result"


def check_error(
    call: Call, kind: Any, expected: Any, found_kind: Any, found: Any
) -> str:
    """Compare the outcomes of the twins where one of them is an error."""
    assert "result" not in (kind, found_kind), (kind, expected, found_kind, found)
    if {kind, found_kind} & {MemoryError, OverflowError}:
        assert _asks_for_too_much(call), (kind, expected, found_kind, found)
        return REFUSED
    assert_documented(kind, expected)
    if call.function in SANDWICHES:  # knows arrays that its layers do not know
        assert_documented(found_kind, found)
        first, ours = (re.findall(r"`(\w+)", words)[0] for words in (expected, found))
        assert found_kind is kind or first != ours, (expected, found)
    else:
        assert (found_kind, found) == (kind, expected)
    return REFUSED


def _asks_for_too_much(call: Call) -> bool:
    param = call.given.get("conv_param", call.given)
    pad = param.get("pad") if isinstance(param, dict) else None
    return isinstance(pad, (int, np.integer)) and pad >= BEYOND_MEMORY


def make_dout(call: Call, out: np.ndarray, sure: Any) -> Any:
    """Make the gradient of an output: 0 where a rounding decides the gradient."""
    if not isinstance(call.dout, Hostile):
        return made(call.dout)
    if call.dout_change:
        return replace(call.dout, shape=other_shape(out.shape, call.dout_change)).make()
    recipe = replace(call.dout, shape=out.shape)
    dout = recipe.make()
    numbers = np.asarray(dout)
    if np.all(sure) or numbers.dtype.kind not in "biuf":
        return dout
    return recipe.laid_out(np.where(sure, numbers, np.zeros((), numbers.dtype)))


def running(given: dict[str, Any]) -> Results:
    """Return the running averages among the settings."""
    settings = given.get("bn_param", {})
    if settings.get("mode") != "train":
        return {}
    return {key: settings[key] for key in ("running_mean", "running_var")}


class Twin:
    """The readable layer, and how far it can be trusted with some arguments."""

    def __init__(self, name: str, given: dict[str, Any]) -> None:
        self.name = name
        self.given = {
            key: as_float_array(key, value) if key in DIFFERENTIABLE else value
            for key, value in given.items()
        }
        self.normalizes = "gamma" in given
        #: What decided results that differed by more than they usually may.
        self.decided = ""

    def types(self, *dout: Any) -> list[np.dtype]:
        """Return the float types of the arrays, the narrowest first."""
        arrays = [self.given[key] for key in DIFFERENTIABLE if key in self.given]
        arrays += [as_float_array("dout", d) for d in dout]
        return sorted({a.dtype for a in arrays}, key=lambda dtype: dtype.itemsize)

    def results(
        self,
        *dout: Any,
        change: Callable[[np.ndarray], np.ndarray] = lambda a: a,
        rounded: Callable[[np.ndarray, Any], np.ndarray] | None = None,
        wide: Any = None,
    ) -> Results:
        """Return what the layer gives, and its running averages and its gradients, for
        arguments with a change to their arrays.

        Arrays of different float types are computed in the wider one, as the compiled
        layer says that it does, unless another is given.
        """
        wide = wide or self.types(*dout)[-1]

        def changed(value: Any) -> np.ndarray:
            return change(as_float_array("a", value).astype(wide))

        def averages(value: np.ndarray) -> np.ndarray:  # not a setting in an array
            return changed(value) if value.ndim else value

        given = {
            key: changed(value) if key in DIFFERENTIABLE else convert(value, averages)
            for key, value in self.given.items()
        }
        out, caches, _ = forward_readable(self.name, given, rounded)
        results = {"out": out} | running(given)
        for d in dout:
            results |= backward_readable(given, changed(d), caches, rounded)
        return results

    def compare(self, found: Results, expected: Results, *dout: Any) -> None:
        """Hold that results are these: exactly where the twins do the same arithmetic,
        else up to rounding."""
        types = self.types(*dout)
        exact = self.name in EXACT
        if len(types) > 1 and not exact:
            expected = self.results(*dout)
        doubts: dict[str, tuple[Any, Any]] = {}
        for key, ours in found.items():
            theirs = expected[key]
            kinds = np.ndarray if np.ndim(theirs) else (np.ndarray, np.generic)
            assert isinstance(ours, kinds), (key, type(ours))
            assert ours.shape == theirs.shape, (key, ours.shape, theirs.shape)
            assert ours.dtype == theirs.dtype, (key, ours.dtype, theirs.dtype)
            assert ours.dtype.isnative
            if exact:
                np.testing.assert_array_equal(ours, theirs, err_msg=key)
                continue
            if self.normalizes:  # where infinity becomes NaN as operations are ordered
                ours, theirs = (
                    np.where(np.isinf(a), np.nan, a) for a in (ours, theirs)
                )
            if complaint(ours, theirs, types[0]):
                doubts = doubts or self.doubts(*dout)
                wrong = complaint(ours, theirs, types[0], *doubts[key])
                assert not wrong, f"{key}: {wrong}"
                overflow = np.all(doubts[key][1])
                self.decided = "overflow decided" if overflow else "rounding decided"

    def doubts(self, *dout: Any) -> dict[str, tuple[Any, Any]]:
        """Return by how much each result may be off, and where it may be anything.

        Where a change in the last digits of the arguments, or between the layer's parts,
        changes the first ones of a result, rounding decides; so it does where arguments
        with fewer digits, whose sums and means are exact, have another result. Where a
        sum would overflow if all its terms had one sign and were a little larger, their
        order does.
        """
        base = self.results(*dout)
        slack = dict.fromkeys(base, 0.0)
        free = {key: np.zeros(np.shape(value), bool) for key, value in base.items()}
        narrow = self.types(*dout)[0]
        rng = np.random.default_rng(0)
        part = 2.0 ** np.floor(np.log2(TOLERANCE[narrow] / 40))

        def nudge(a: np.ndarray, size: Any = 0) -> np.ndarray:
            """Change numbers, which came from others of a `size`, by rounding."""
            change = part * rng.uniform(-1, 1, a.shape)
            return (a * (1 + change) + size * change).astype(a.dtype)

        def shortened(a: np.ndarray) -> np.ndarray:
            """Leave as many digits as are beyond doubt."""
            fraction, power = np.frexp(a)
            return np.ldexp(np.round(fraction / part) * part, power).astype(a.dtype)

        others = [
            self.results(*dout, change=nudge, rounded=nudge),
            self.results(*dout, change=nudge, rounded=nudge),
            self.results(*dout, change=shortened, wide=np.float64),
        ]
        for other in others:
            for key, array in other.items():
                value = np.asarray(array).astype(base[key].dtype)
                off = np.abs(np.subtract(value, base[key], dtype=float))
                slack[key] = max(slack[key], 40 * off[np.isfinite(off)].max(initial=0))
                free[key] |= np.isfinite(value) != np.isfinite(base[key])

        met: list[float] = []

        def large(a: np.ndarray, size: Any = None) -> np.ndarray:
            if size is None:
                a = 64 * np.nan_to_num(a, posinf=0, neginf=0)
            met.append(float(np.abs(a).max(initial=0)))
            return np.abs(a)

        results = self.results(*dout, change=large, rounded=large)
        # Numbers too small to be exact may have been multiplied by the largest.
        tiny = float(np.finfo(narrow).tiny) * max(met)
        if self.normalizes:  # an infinite variance shows in no result
            met.append(float(np.square(max(met))))
        if self.name in SANDWICHES:  # nor does an infinite number between two parts
            met += [float(np.max(value, initial=0)) for value in results.values()]
        hidden = self.normalizes or self.name in SANDWICHES
        anything = hidden and not np.isfinite(np.array(met, narrow)).all()
        for key, value in results.items():
            free[key] |= ~np.isfinite(value) | anything
        return {key: (slack[key] + tiny, free[key]) for key in base}


def complaint(
    found: np.ndarray,
    expected: np.ndarray,
    narrow: np.dtype,
    slack: Any = 0.0,
    free: Any = False,
) -> str:
    """Say how two arrays differ; '' if by no more than rounding makes them.

    They may differ everywhere by `slack`, and by anything where they are `free` to.
    """
    finite = np.isfinite(expected)
    alike = np.where(
        finite, np.isfinite(found), (found == expected) | np.isnan(expected)
    )
    alike &= np.isnan(found) == np.isnan(expected)
    if not (alike | free).all():
        where = tuple(np.argwhere(~(alike | free))[0])
        return f"{found[where]} for {expected[where]} at {where}"
    compared = finite & np.isfinite(found) & ~np.asarray(free)
    # Halves, for the difference of two large numbers may be infinite.
    found, expected = (
        np.where(compared, a, 0).astype(float) / 2 for a in (found, expected)
    )
    off = np.abs(found - expected)
    largest = np.abs(expected).max(initial=float(np.finfo(narrow).tiny))
    allowed = TOLERANCE[narrow] * largest + slack / 2
    if not (off > allowed).any():
        return ""
    where = np.unravel_index(np.argmax(off), off.shape)
    return f"off by {2 * off[where]:.3g}, {off[where] / largest:.3g} of the largest, at {where}"


# ---- caches that are not what the forward pass returned ------------------------------


def check_tampering(
    how: Tampering, name: str, dout: Any, cache: FastCache, expected: Any, need_dx: Any
) -> str:
    """Hold that a backward function refuses a cache or computes something from it; a
    copy must serve as well as the cache itself."""
    tampered = tamper(cache, how)
    kind, found = outcome(fast_layer(name)[1], dout, tampered, **need_dx)
    if how.how in ("copied", "pickled"):
        assert kind == "result", found
        assert_same_bits(found, expected)
        return "copied cache"
    if kind == "result":
        for gradient in as_tuple(found):
            assert gradient is None or gradient.dtype in TOLERANCE
        return "tampered cache taken"
    assert_documented(kind, found)
    return "tampered cache refused"


def tamper(cache: Any, how: Tampering) -> Any:
    if how.how == "copied":
        return copy.deepcopy(cache)
    if how.how == "pickled":
        return pickle.loads(pickle.dumps(cache))
    if how.how == "plain":
        return tuple(cache)
    if how.how == "of another layer":
        others = [name for name in LAYERS if f"{name}_forward_fast" != cache.layer]
        return FastCache(f"{others[how.entry % len(others)]}_forward_fast", *cache)
    entries = list(cache)
    i = how.entry % len(entries)
    if how.how == "dropped":
        del entries[i]
    elif how.how == "added":
        entries.insert(i, made(how.thing))
    elif how.how == "swapped":
        entries[i], entries[i - 1] = entries[i - 1], entries[i]
    elif isinstance(entries[i], tuple) and how.how != "replaced":
        inner = replace(how, entry=how.entry // len(entries))
        entries[i] = tamper(entries[i], inner) if entries[i] else ()
    else:
        entries[i] = tampered_entry(entries[i], how)
    return (
        FastCache(cache.layer, *entries)
        if isinstance(cache, FastCache)
        else tuple(entries)
    )


def tampered_entry(entry: Any, how: Tampering) -> Any:
    thing = made(how.thing)
    rng = np.random.default_rng(how.entry)
    if isinstance(entry, dict) and how.how != "replaced":
        key = sorted(entry)[how.entry % len(entry)]
        return {**entry, key: thing}
    if not isinstance(entry, np.ndarray) or how.how in ("replaced", "set"):
        return thing
    if how.how == "reshaped":
        return np.resize(entry, other_shape(entry.shape, ("more", how.entry)))
    if how.how == "retyped":
        return entry.astype(
            np.asarray(thing).dtype if isinstance(how.thing, Hostile) else ">f8"
        )
    if how.how == "turned":
        return np.flip(entry.T.copy().T)
    assert how.how == "overwritten"
    return np.frombuffer(rng.bytes(entry.nbytes), entry.dtype).reshape(entry.shape)


# ---- the loss ------------------------------------------------------------------------


def check_softmax_loss(call: Call) -> str:
    given = made(call.given)
    kind, expected = outcome(layers.softmax_loss, **made(call.given))
    with unchanged(given):
        found_kind, found = outcome(fast_layers.softmax_loss_fast, **given)
    if kind != "result" or found_kind != "result":
        return check_error(call, kind, expected, found_kind, found)
    x = as_float_array("x", given["x"])
    (loss, dx), (expected_loss, expected_dx) = found, expected
    assert type(loss) is type(expected_loss) is float
    assert dx.dtype == expected_dx.dtype
    nudged, _ = layers.softmax_loss(x * (1 + TOLERANCE[x.dtype] / 40), given["y"])
    slack = np.nan_to_num(40 * abs(nudged - expected_loss), posinf=0)
    # The compiled twin adds the losses up in float64.
    overflows = not np.isfinite(4 * len(x) * np.abs(x).max())
    wrong = complaint(
        np.array(loss), np.array(expected_loss), x.dtype, slack, overflows
    )
    wrong = wrong or complaint(dx, expected_dx, x.dtype)
    assert not wrong, wrong
    return "result"


# ---- update rules --------------------------------------------------------------------


def check_rule(call: Call) -> str:
    twins = getattr(optim, call.function), getattr(optim, call.function + "_fast")
    given = [_with_aliases(made(call.given)) for _ in twins]
    for _ in range(call.steps):
        (kind, expected), (found_kind, found) = (
            outcome(rule, **arguments)
            for rule, arguments in zip(twins, given, strict=True)
        )
        if kind != "result" or found_kind != "result":
            return check_error(call, kind, expected, found_kind, found)
        _assert_same_numbers(found[0], expected[0])
        assert list(found[1]) == list(expected[1])
        for key in RULES[call.function][0]:
            _assert_same_numbers(found[1][key], expected[1][key])
        for arguments, (w, config) in zip(given, (expected, found), strict=True):
            arguments |= {"w": w, "config": config}
    return "result"


def _with_aliases(given: dict[str, Any]) -> dict[str, Any]:
    config = given.get("config")
    for key in config if isinstance(config, dict) else ():
        if isinstance(config[key], Alias):
            name = config[key].name
            config[key] = given[name] if name in given else config.get(name)
    return given


def _assert_same_numbers(found: np.ndarray, expected: np.ndarray) -> None:
    """Compare to the last bit, but for the sign of a NaN."""
    assert (found.shape, found.dtype) == (np.shape(expected), expected.dtype)
    np.testing.assert_array_equal(found, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(
        np.signbit(found[numbers]), np.signbit(expected[numbers])
    )


# ---- the courses' windows as columns -------------------------------------------------


def check_im2col(call: Call) -> str:
    """Hold that the columns are the windows, and that adding them up is the gradient:
    <im2col(x), columns> = <x, col2im(columns)>."""
    given = made(call.given)
    with unchanged(given):
        kind, columns = outcome(im2col.im2col_indices, *given.values())
    if kind != "result":
        if not _asks_for_too_much(call):
            assert_documented(kind, columns)
        return REFUSED
    x = np.asarray(given.pop("x"))
    padded = np.pad(x, [(0, 0), (0, 0)] + 2 * [(int(given["pad"]),) * 2])
    size = given["field_height"], given["field_width"]
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(2, 3))
    windows = windows[:, :, :: int(given["stride"]), :: int(given["stride"])]
    expected = windows.transpose(1, 4, 5, 2, 3, 0).reshape(columns.shape)
    np.testing.assert_array_equal(columns, expected)
    some = np.random.default_rng(0).integers(-9, 10, columns.shape).astype(float)
    dx = im2col.col2im_indices(some, x.shape, *given.values())
    assert dx.shape == x.shape
    np.testing.assert_allclose(
        (columns * some).sum(), (x * dx).sum(), rtol=1e-4, atol=1e-2
    )
    return "result"
