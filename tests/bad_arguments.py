"""What a parameter takes, and hence which arguments are bad for it.

A `Kind` makes a good argument and lists the bad ones; `test_every_argument` puts kinds
together to a table of all public functions.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

EITHER = (TypeError, ValueError)
MISSING = object()


class Bad(NamedTuple):
    """A bad argument, or a bad entry of one."""

    value: Any
    error: type[Exception] | tuple[type[Exception], ...]
    #: Which entry of a dict it is, if it is one.
    key: str | None = None
    #: Of what the error must say one: what came.
    came: tuple[str, ...] = ()


class Kind(NamedTuple):
    """What a parameter takes."""

    make: Callable[[], Any]
    bad: tuple[Bad, ...]


# ---- reading an error ----------------------------------------------------------------


def complaint(name: str, bad: Bad, error: BaseException | None) -> str:
    """Say what is wrong with the error that a bad argument gave; '' if nothing is."""
    if error is None:
        return "was let through"
    message = str(error)
    if not isinstance(error, bad.error) or isinstance(error, UnicodeError):
        return f"gave {type(error).__name__}: {message}"
    named = rf"`{name}`|`{name}\[|\b{name}: \("
    if bad.key is not None:
        named = (
            rf"`{name}\[{bad.key!r}\]`|`{name}` (has|must have the keys? .*'{bad.key}')"
        )
    if not re.search(named, message):
        return f"is not named in {message!r}"
    # What stands before "but" says what had to come.
    said = message if bad.came else message[message.find(" but ") + 1 :]
    words = [rf"(?<!\w){re.escape(word)}(?!\w|\.\d)" for word in came(bad)]
    if not any(re.search(word, said) for word in words):
        return f"does not say that {came(bad)} came in {message!r}"
    return ""


def came(bad: Bad) -> list[str]:
    """Return the ways of saying what came."""
    value = bad.value
    if bad.came:
        return list(bad.came)
    words = [type(value).__name__, repr(value), str(value)]
    try:
        array = np.asarray(value)
    except ValueError:
        return [*words, "inhomogeneous"]
    if isinstance(value, np.ndarray):
        words.remove("ndarray")
        words += [str(array.shape)]
    return [*words, str(array.dtype), *([str(array.shape)] if array.ndim else [])]


# ---- bad for many --------------------------------------------------------------------

NO_NUMBER = (
    None, "1", "x", ["a"], [1.0], {}, 1j, True, np.full(2, None), np.ones(2), object,
)  # fmt: skip
RAGGED = [[1, 2], [3]]


def kind(good: Any, bad: Iterable[Bad]) -> Kind:
    return Kind(lambda: copy.deepcopy(good), tuple(bad))


def _all(values: Iterable[Any], error: Any) -> list[Bad]:
    return [Bad(value, error) for value in values]


def optional(of: Kind) -> Kind:
    """Return a kind that takes None too."""
    return Kind(of.make, tuple(b for b in of.bad if b.value is not None or b.key))


# ---- arrays --------------------------------------------------------------------------


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(math.prod(shape)).standard_normal(shape)


def _no_floats() -> list[Bad]:
    """Return what is no array of float32, float64, integers or booleans."""
    values = [
        None, "x", ["a", "b"], [1j], np.full((2, 2), None), {}, {1: 2}, object, 10**30,
        np.ones(2, np.float16), np.ones(2, np.longdouble), np.zeros(2, "m8[s]"),
    ]  # fmt: skip
    return [*_all(values, TypeError), Bad(RAGGED, EITHER)]


def floats(*shape: int, wrong: Iterable[tuple[int, ...]] = ()) -> Kind:
    """An array of floats; `wrong` are shapes that do not fit its neighbours."""
    return kind(
        normal(*shape),
        [*_no_floats(), *(Bad(np.ones(other), ValueError) for other in wrong)],
    )


def writable_floats(*shape: int) -> Kind:
    """An array that a small step is added to: nothing that is merely like an array."""
    read_only = np.ones(shape)
    read_only.flags.writeable = False
    no_array = [w for w in NO_NUMBER if not isinstance(w, np.ndarray)]
    no_array += [1.0, 3, RAGGED, np.ones(2, int), np.ones(2, complex), np.full(2, None)]
    return kind(
        normal(*shape),
        [*_all(no_array, TypeError), Bad(read_only, ValueError, came=("read-only",))],
    )


def numbers(*shape: int, wrong: Iterable[tuple[int, ...]] = ()) -> Kind:
    """An array of any real numbers."""
    of = floats(*shape, wrong=wrong)
    small = (np.float16, np.longdouble)
    return Kind(
        of.make,
        tuple(b for b in of.bad if getattr(b.value, "dtype", None) not in small),
    )


def labels(count: int, classes: int, *, checks_range: bool = True) -> Kind:
    good = np.arange(count) % classes
    wrong = [
        None, "x", ["a"] * count, [1j] * count, [0.5] * count, [math.nan] * count,
        [True] * count, [None] * count, {}, object, 10**30, np.zeros(count),
    ]  # fmt: skip
    bad = [*_all(wrong, EITHER), Bad(RAGGED, EITHER)]
    for shape in ((count + 1,), (count, 1), (0,), ()):
        bad.append(Bad(np.zeros(shape, int), ValueError))
    if checks_range:
        for label in (-1, classes, 2**40):
            bad.append(Bad([0] * (count - 1) + [label], ValueError, came=(str(label),)))
    return kind(good, bad)


# ---- numbers -------------------------------------------------------------------------


def number(
    good: float, *, at_least: float = -math.inf, above: float = -math.inf,
    at_most: float = math.inf, below: float = math.inf,
) -> Kind:  # fmt: skip
    values = [math.nan, math.inf, -math.inf]
    for bound, outside, step in (
        (at_least, False, -1), (above, True, -1), (at_most, False, 1), (below, True, 1),
    ):  # fmt: skip
        if math.isfinite(bound):
            values += [bound] * outside
            values += [bound + step * size for size in (1e-3, 1, 10**30)]
    no_float = 10**400
    beyond = Bad(no_float, ValueError, came=(str(no_float)[:28],))
    return kind(good, [*_all(NO_NUMBER, TypeError), *_all(values, ValueError), beyond])


def whole(good: int, at_least: int = 1, at_most: int | None = None) -> Kind:
    no_integer = [*NO_NUMBER, 1.5, 2.0, math.nan, math.inf, np.float64(2)]
    values = [at_least - 1, -(10**30)]
    if at_most is not None:
        values += [at_most + 1, 10**30]
    return kind(good, [*_all(no_integer, TypeError), *_all(values, ValueError)])


def size(good: int) -> Kind:
    """The size of an array, which has to fit into a machine."""
    return whole(good, at_most=2**31 - 1)


def random_source(good: Any = 0) -> Kind:
    wrong = ["x", 1.5, True, [1], {}, 1j, math.nan, np.array([1, 2]), object]
    return kind(good, [*_all(wrong, TypeError), Bad(-1, ValueError)])


# ---- words, flags, functions, files --------------------------------------------------


def choice(good: Any, *more: Any) -> Kind:
    wrong = [None, "", "Nothing", 0, -1, math.nan, True, ["train"], {}, 1j, object,
             np.array(["train", "test"])]  # fmt: skip
    options = (good, *more)
    return kind(
        good, _all([w for w in wrong if w is not None or w not in options], EITHER)
    )


def flag(good: bool = True) -> Kind:
    wrong = [
        None,
        "",
        "no",
        "False",
        [],
        {},
        2,
        -1,
        0.5,
        math.nan,
        1j,
        np.ones(2),
        object,
    ]
    return kind(good, _all(wrong, TypeError))


def text(good: str, *wrong: str) -> Kind:
    other = [None, 3, 1.5, True, [], ["x"], {}, 1j, b"x", np.ones(2), object]
    return kind(good, [*_all(other, TypeError), *_all(wrong, ValueError)])


def function(good: Callable[..., Any]) -> Kind:
    wrong = [None, 3, "x", [], {}, True, 1j, math.nan, np.ones(2)]
    return kind(good, _all(wrong, TypeError))


def path(good: Any, *, none: type[Exception] = TypeError) -> Kind:
    """A path; `none` is the error for None."""
    wrong = [3, 1.5, True, [], {}, 1j, np.ones(2), object, b"name"]
    refused = [Bad("", ValueError, came=("''",)), Bad("a\0b", ValueError)]
    return kind(good, [*_all(wrong, TypeError), *refused, Bad(None, none)])


# ---- dicts ---------------------------------------------------------------------------

NO_DICT = (None, [1, 2], "train", 2, 1.5, True, 1j, np.ones(2), object)


def settings(required: Mapping[str, Kind], **others: Kind) -> Kind:
    """A dict with some keys that must be there and some that may be."""
    kinds = {**required, **others}

    def make() -> dict[str, Any]:
        return {key: of.make() for key, of in kinds.items()}

    bad = _all(NO_DICT, TypeError)
    for key, of in kinds.items():
        values = [b for b in of.bad if key in required or b.value is not None]
        bad += [Bad(b.value, b.error, key, b.came) for b in values]
        if key in required:
            rest = {other: of.make() for other, of in kinds.items() if other != key}
            bad.append(
                Bad(MISSING, EITHER, key, (repr(rest), "None", f"lacks ['{key}']"))
            )
    return Kind(make, tuple(bad))


def changed(good: Any, bad: Bad) -> Any:
    """Return a bad argument: the value itself, or a good dict with a bad entry."""
    if bad.key is None:
        return bad.value
    changed = dict(good)
    if bad.value is MISSING:
        del changed[bad.key]
    else:
        changed[bad.key] = bad.value
    return changed


# ---- what functions of the package have made -----------------------------------------


def cache_of(forward: Callable[..., Any], kinds: Mapping[str, Kind]) -> Kind:
    """The cache that a forward function returns."""

    def make() -> Any:
        return forward(**{name: of.make() for name, of in kinds.items()})[1]

    wrong = [None, "x", 3, 1.5, True, 1j, {}, [], [1, 2], RAGGED, object]
    tuples = [
        Bad((), EITHER, came=("0 entries", "of type tuple")),
        Bad(
            (None,) * 9, EITHER, came=("9 entries", "of type tuple", "of type NoneType")
        ),
        Bad(("a",) * 3, EITHER, came=("3 entries", "of type tuple", "of type str")),
        Bad(("a",) * 4, EITHER, came=("4 entries", "of type tuple", "of type str")),
    ]
    return Kind(make, (*_all(wrong, EITHER), *tuples))


class Model:
    """A network as small as `Solver` takes it."""

    def __init__(self) -> None:
        self.params = {"w": normal(4, 3)}

    def loss(self, X: Any, y: Any = None) -> Any:
        scores = np.asarray(X, float) @ self.params["w"]
        return scores if y is None else (1.0, {"w": np.ones((4, 3))})


def model() -> Kind:
    class NoLoss:
        params = MappingProxyType({})

    class NoParams:
        def loss(self) -> None: ...

    class WrongParams(NoParams):
        params = (1, 2)

    wrong = [None, 3, 1.5, "x", {}, [], True, 1j, np.ones(2), object, Model]
    made = [Bad(one(), TypeError, came=(one.__name__,)) for one in (NoLoss, NoParams)]
    made.append(Bad(WrongParams(), TypeError, came=("WrongParams", "(1, 2)", "tuple")))
    return Kind(Model, (*_all(wrong, TypeError), *made))
