"""Calls a reader's function: not for too long, on copies, and with a memory of what went
wrong where.

What a reader's function may do wrong besides computing something else is raised as
`Trouble`, which says it in the reader's words: an exception with the line of their own code,
a call that does not end, a wrong number of results, arguments that were changed.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import dis
import functools
import inspect
import io
import re
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

#: Arrays of more numbers than this come from no check: its inputs are small.
_FAR_TOO_MANY = 10**7


class Trouble(Exception):
    """What keeps a call from giving something to compare."""

    def __init__(self, cause: str, problem: str, why: str = "", line: str = "") -> None:
        super().__init__(problem)
        self.cause, self.problem, self.why, self.line = cause, problem, why, line


class Guarded:
    """A reader's function, called so that whatever it does can be told.

    Attributes
    ----------
    changed : set of str
        The arrays among the arguments that some call has changed.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: Sequence[str],
        returns: Sequence[str],
        seconds: float,
    ) -> None:
        self.function, self.parameters, self.returns = function, parameters, returns
        self.seconds = seconds
        self.changed: set[str] = set()
        self._calls = 0

    def __call__(self, *arguments: Any) -> Any:
        before = copy.deepcopy([a for a in arguments if isinstance(a, np.ndarray)])
        result = self._result(arguments)
        arrays = [
            (name, argument)
            for name, argument in zip(self.parameters, arguments, strict=True)
            if isinstance(argument, np.ndarray)
        ]
        for (name, argument), original in zip(arrays, before, strict=True):
            if not np.array_equal(argument, original, equal_nan=True):
                self.changed.add(f"`{name}`")
        self._check_arity(result)
        self._check_size(result)
        return result

    def _result(self, arguments: Sequence[Any]) -> Any:
        # What the first call prints may be the reader's search for a fault; the others repeat it.
        self._calls += 1
        quiet = contextlib.nullcontext() if self._calls == 1 else muted()
        try:
            with quiet, warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                with time_limit(self.seconds):
                    return self.function(*arguments)
        except OutOfTime as error:
            raise Trouble(
                "time-limit",
                f"had not returned after {self.seconds:g} s, on a few numbers",
                "A loop probably never ends, or runs over something far too large.",
                line_of(error, self.function),
            ) from None
        except KeyboardInterrupt:  # the reader's own
            raise
        except BaseException as error:
            message = _message(error) or "without a message"
            raise Trouble(
                "exception",
                f"raised {type(error).__name__}: {message}",
                _meaning(error),
                line_of(error, self.function),
            ) from error

    def _check_arity(self, result: Any) -> None:
        wanted = ", ".join(self.returns)
        if inspect.iscoroutine(result):
            result.close()  # else Python complains later that nobody awaited it
        if result is None and _is_blank(self.function):
            raise Trouble(
                "blank",
                f"returned None, and must return {wanted}",
                "It is still a blank: there is no code in it yet.",
            )
        if result is None:
            raise Trouble(
                "arity",
                f"returned None, and must return {wanted}",
                "A function without a `return` at its end returns None; so does one whose variable was "
                "set to None and, in this case, to nothing else.",
            )
        if len(self.returns) == 1:
            if isinstance(result, tuple | list):
                raise Trouble(
                    "arity",
                    f"returned a {type(result).__name__} of {len(result)}, and must return the array "
                    f"{wanted} alone",
                    "What follows a comma in the `return` is returned as well, and a comma at its end "
                    "makes a tuple of one.",
                )
            return
        if not isinstance(result, tuple | list):
            raise Trouble(
                "arity",
                f"returned one {type(result).__name__}, and must return {len(self.returns)} things: "
                f"{wanted}",
                _ONE_THING.get(
                    type(result).__name__,
                    "All of them follow the `return`, in this order, with commas between them.",
                ),
            )
        if len(result) != len(self.returns):
            raise Trouble(
                "arity",
                f"returned {len(result)} things, and must return {len(self.returns)}: {wanted}",
                "Each of them must be returned, in this order, and nothing else.",
            )

    def _check_size(self, result: Any) -> None:
        for one in result if isinstance(result, tuple | list) else [result]:
            if isinstance(one, np.ndarray) and one.size > _FAR_TOO_MANY:
                raise Trouble(
                    "far-too-large",
                    f"returned an array of shape {one.shape}, for a few numbers",
                    "A size is wrong, or two arrays were spread against one another (broadcast) that "
                    "should have been lined up.",
                )


#: Why a call may have given a single thing, by the type of that thing.
_ONE_THING = {
    "generator": "A function with a `yield` in it gives its results one by one: use `return`.",
    "coroutine": "A function that begins with `async def` does not run when it is called: leave out the "
    "`async`.",
}


@contextlib.contextmanager
def guarded(function: Callable[..., Any], seconds: float, call: str) -> Iterator[None]:
    """Turn what may go wrong while `function` runs, once or often, into `Trouble`, which
    names it as `call`."""
    quiet = warnings.catch_warnings(action="ignore")
    try:
        with quiet, np.errstate(all="ignore"), time_limit(seconds):
            yield
    except OutOfTime as error:
        raise Trouble(
            "time-limit",
            f"{call} had not returned after {seconds:g} s",
            "A loop probably never ends, or the arrays are too large: take smaller ones.",
            line_of(error, function),
        ) from None
    except Trouble:
        raise
    except (Exception, SystemExit) as error:
        message = str(error).strip() or "without a message"
        raise Trouble(
            "exception",
            f"{call} raised {type(error).__name__}: {message}",
            line=line_of(error, function),
        ) from error


def check_signature(function: Callable[..., Any], parameters: Sequence[str]) -> None:
    """Raise `Trouble` unless `function` can be called with these arguments, by
    position."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # built into an extension that does not tell
    called = f"is called as ({', '.join(parameters)})"
    own = signature.parameters.values()
    names = [one.name for one in own if one.kind is one.POSITIONAL_OR_KEYWORD]
    names = names[: len(parameters)]
    if names != list(parameters) and sorted(names) == sorted(parameters):
        raise Trouble(
            "parameter-order",
            f"{called}, and its own parameters are ({', '.join(names)})",
            "They are the right parameters in another order: what a caller passes as one arrives as the "
            "other.",
        )
    try:
        signature.bind(*parameters)
    except TypeError:
        why = "Its parameters must be those of the exercise, in their order."
        if names[:1] == ["self"]:
            why = "It is a method: make an object of its class, and pass that object's method."
        raise Trouble(
            "signature",
            f"{called}, which its parameters {signature} do not take",
            why,
        ) from None


#: What common exceptions mean, by a part of their text.
_MEANINGS = (
    (
        r"broadcast together with shapes .*\(\d+,\)",
        "Two arrays do not fit: NumPy lines their axes up from the last one. An array of one axis that "
        "belongs to the first needs a second: keepdims=True in the mean or sum it comes from, or "
        "[:, None].",
    ),
    (
        r"broadcast",
        "Two arrays do not fit: print the shapes of both just before this line.",
    ),
    (
        r"not aligned|mismatch in its core dimension",
        "A matrix product needs the last axis of its left side as long as the first of its right: one "
        "of the two has to be transposed, or they stand in the wrong order.",
    ),
    (
        r"^'(eps|momentum|running_mean|running_var|seed|mode|stride|pad)'$",
        "This setting need not be in the dict: read it with .get and a default, and only where the "
        "layer has such a setting.",
    ),
    (
        r"local variable .* (where it is not|not) associated with a value|before assignment",
        "The variable is set in one branch only: not every way through the function passes there.",
    ),
    (
        r"not enough values to unpack|too many values to unpack",
        "The number of names on the left is not that of the things on the right: if it is a cache, it "
        "must be unpacked in the order in which the forward pass packed it.",
    ),
    (
        r"float\d*' object cannot be interpreted as an integer|slice indices must be integers",
        "A size or an index is a float: divide whole numbers with `//`, since `/` always gives a float.",
    ),
    (
        r"truth value of an array",
        "Python's own `if`, `and` and `max` want a single yes or no, and an array has one for each "
        "number: use a mask, `&`, or np.where, np.maximum.",
    ),
    (
        r"converted to a scalar index|cannot be interpreted as an integer",
        "An array stands where an axis or a size is expected: np.max(x, 0) takes the largest number "
        "along axis 0, np.maximum(x, 0) compares each number with 0.",
    ),
    (
        r"out of bounds for axis",
        "An index is as large as its axis is long, or larger: is it meant for another axis, or does the "
        "loop run over the size of another array? Labels, for example, number the classes and not the "
        "examples.",
    ),
    (
        r"cannot reshape array of size",
        "A reshape needs as many places as there are numbers: take the sizes from the array's own "
        "shape, and leave at most one to NumPy (-1).",
    ),
    (
        r"NoneType",
        "Something is None here: was it ever set, and is it set in this mode?",
    ),
    (
        r"maximum recursion depth",
        "The function calls itself, and those calls call it again, without an end: is it the book's "
        "function of the same name that is meant?",
    ),
    (
        r"Unable to allocate",
        "An array was asked for that no memory holds: a size is wrong, or two arrays were spread "
        "against one another (broadcast) that should have been lined up.",
    ),
)


def _meaning(error: BaseException) -> str:
    """Return what an exception most likely means, if it is a common one."""
    message = _message(error)
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, message):
            return meaning
    return ""


def _message(error: BaseException) -> str:
    """Return an exception's text; none if it cannot tell it."""
    try:
        return str(error).strip()
    except Exception:
        return ""


def _is_blank(function: Callable[..., Any]) -> bool:
    """Return whether a function does nothing: its body is `...`, `pass` or a docstring."""
    code = _code(function)
    nothing = ("RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE")
    return code is not None and all(
        step.opname in nothing for step in dis.get_instructions(code)
    )


# ---- the reader's line ---------------------------------------------------------------


def line_of(error: BaseException, function: Callable[..., Any]) -> str:
    """Return the last line of the reader's own file that the error passed through."""
    code = _code(function)
    if code is None:
        return ""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == code.co_filename
    ]
    if not frames:
        return ""
    return f"line {frames[-1].lineno}: {(frames[-1].line or '').strip()}".rstrip(": ")


def _code(function: Any) -> Any:
    """Return a function's code, be it wrapped, partial or the call of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    if not hasattr(function, "__code__"):
        function = inspect.getattr_static(type(function), "__call__", None)
    return getattr(function, "__code__", None)


def muted() -> contextlib.AbstractContextManager[Any]:
    """Show nothing of what is printed."""
    return contextlib.redirect_stdout(io.StringIO())


# ---- the time limit ------------------------------------------------------------------


class OutOfTime(BaseException):
    """Raised inside a function that runs for too long; `except Exception` does not stop
    it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in this thread if the block takes longer than `seconds`.

    It is raised between two steps of the interpreter, on any system and in any thread; a
    single call into compiled code runs to its end first.
    """
    caller = ctypes.c_ulong(threading.get_ident())
    interrupt = ctypes.pythonapi.PyThreadState_SetAsyncExc
    done, lock, raised = threading.Event(), threading.Lock(), threading.Event()

    def watch() -> None:
        if done.wait(seconds):
            return
        while not done.is_set():
            with lock:
                if not done.is_set():
                    raised.set()
                    interrupt(caller, ctypes.py_object(OutOfTime))
            done.wait(0.1)  # once more, should the function have swallowed it

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        with lock:
            done.set()
            if raised.is_set():
                # One that may be on its way is replaced by one that is caught here. To take it back
                # leaves a mark at which Python 3.11 hangs under a debugger or a profiler.
                with contextlib.suppress(OutOfTime):
                    interrupt(caller, ctypes.py_object(OutOfTime))
                    for _ in range(1000):
                        pass
        watcher.join()
