"""What a check knows of a function: how it is called, on what, what it must give, and
how it is most often got wrong.

A specification is data. Its reference is the book's own function; each of its mistakes is
a twin of the reference with one thing wrong, called in the same way, so that whoever adds a
mistake writes the wrong line and the sentence that explains it, and no code that
recognizes it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Function = Callable[..., Any]
Outputs = dict[str, Any]

#: The stages in which results are looked at, in order. A case belongs to one of them.
VALUES, TEST_MODE, EDGE_CASES = "values", "test mode", "edge cases"


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Return multiples of 0.1 that can be read, all different, none of them 0."""
    count = int(np.prod(shape))
    order = np.random.default_rng(seed).permutation(count)
    steps = 2 * order - count + 1 + (count % 2)  # odd numbers, around 0
    return (steps * 0.1).reshape(shape)


def gradient_for(out: Any) -> np.ndarray:
    """Return a readable gradient of the loss with respect to an output, none of it 0.

    It is not spread around 0: summed over too much it would be 0, and look as if it had
    never been computed.
    """
    dout = (numbers(*np.shape(out), seed=1) + 0.2).round(1)
    return dout.astype(np.asarray(out).dtype)


@dataclass(frozen=True)
class Case:
    """One set of arguments.

    Attributes
    ----------
    name : str
        What they are, after the word "for": 'a batch of one'.
    arguments : tuple
        The (forward) function's arguments. Every call gets copies of its own.
    stage : str
        The stage that looks at it.
    sizes : mapping
        Numbers that may turn up as a wrong factor, by name: ``{"N": 4, "p": 0.8}``.
    """

    name: str
    arguments: tuple[Any, ...]
    stage: str = VALUES
    sizes: Mapping[str, float] = field(default_factory=dict)

    def fresh(self) -> tuple[Any, ...]:
        """Return copies of the arguments."""
        return copy.deepcopy(self.arguments)

    def in_float32(self) -> Case:
        """Return this case with every float array in single precision."""
        arguments = tuple(_in_float32(argument) for argument in self.arguments)
        return Case(f"{self.name}, in float32", arguments, self.stage, self.sizes)


def _in_float32(argument: Any) -> Any:
    if isinstance(argument, np.ndarray) and argument.dtype == np.float64:
        return argument.astype(np.float32)
    if isinstance(argument, dict):
        return {key: _in_float32(value) for key, value in argument.items()}
    return argument


@dataclass(frozen=True)
class Mistake:
    """A known way to get a function wrong.

    Attributes
    ----------
    cause : str
        A short name, 'eps-outside-root'.
    why : str
        One sentence to the reader that says what is most likely wrong.
    twin : callable
        The function with this mistake, called as the reference is.
    forward : callable, optional
        For a backward function, what makes the twin's cache where the reference's lacks
        something.
    """

    cause: str
    why: str
    twin: Function
    forward: Function | None = None


@dataclass(frozen=True)
class Specification:
    """What is known of one function; the subclasses say how it is called.

    Attributes
    ----------
    name : str
        The function's name in the book.
    parameters : tuple of str
        Its parameters. A reader's function is called by position.
    returns : tuple of str
        What it returns.
    reference : callable
        The book's function.
    cases : tuple of Case
        Those of the stage 'values' first, the easiest to read before the others.
    mistakes : tuple of Mistake
        The likeliest first.
    formulas : mapping
        For each output its formula.
    read : str
        The place in the book that explains the function.
    """

    name: str
    parameters: tuple[str, ...]
    returns: tuple[str, ...]
    reference: Function
    cases: tuple[Case, ...]
    mistakes: tuple[Mistake, ...] = ()
    formulas: Mapping[str, str] = field(default_factory=dict)
    read: str = ""

    #: The name of the function that makes this one's cache, if it needs one.
    forward_name: str = field(default="", kw_only=True)
    #: Sentences for single numbers that the reader did not return but `observe` made of what
    #: they returned, with the places {got} and {expected}.
    wording: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    #: Patterns that only this kind of function shows, looked for before the general ones.
    patterns: Sequence[Callable[..., Any]] = field(default=(), kw_only=True)

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        """Call `function` on a case, and return by name what is to be compared."""
        raise NotImplementedError

    def expected(self, case: Case) -> Outputs:
        """Return what the reference gives."""
        return self.observe(self.reference, self.reference_forward(), case)

    def reference_forward(self) -> Function | None:
        """Return the book's function that makes the cache."""
        return None


@dataclass(frozen=True)
class Plain(Specification):
    """A function whose results are compared as they are: a loss with its gradient."""

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        result = function(*case.fresh())
        if len(self.returns) == 1:
            return {self.returns[0]: result}
        return dict(zip(self.returns, result, strict=True))


@dataclass(frozen=True)
class Forward(Specification):
    """A layer's forward pass. Its cache is the reader's own affair; what it must store
    in a dict of settings is named in `stores`."""

    #: Keys that the call leaves in its dict of settings, the one at `settings`.
    stores: tuple[str, ...] = ()
    #: Where that dict stands among the arguments.
    settings: int = -1

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        arguments = case.fresh()
        out, _ = function(*arguments)
        stored = {key: arguments[self.settings].get(key) for key in self.stores}
        return {"out": out} | stored


@dataclass(frozen=True)
class Backward(Specification):
    """A layer's backward pass, fed with the cache of the forward pass it belongs to.

    A case holds the forward function's arguments; `dout` is made of readable numbers in
    the shape of its output.
    """

    forward_reference: Function = field(kw_only=True)
    #: The specification of the forward function.
    forward_specification: Specification = field(kw_only=True)

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        assert forward is not None
        arguments = case.fresh()
        out, cache = forward(*arguments)
        dout = gradient_for(out)
        result = function(dout, cache)
        self._note_changes(function, arguments, case)
        if len(self.returns) == 1:
            return {self.returns[0]: result}
        return dict(zip(self.returns, result, strict=True))

    def _note_changes(
        self, function: Function, arguments: Sequence[Any], case: Case
    ) -> None:
        """Tell a guarded function which of the forward pass's arguments it changed."""
        changed: set[str] = getattr(function, "changed", set())
        names = self.forward_specification.parameters
        for name, now, before in zip(names, arguments, case.arguments, strict=True):
            if isinstance(now, np.ndarray) and not np.array_equal(
                now, before, equal_nan=True
            ):
                changed.add(f"`{name}` (through the cache)")

    def reference_forward(self) -> Function | None:
        return self.forward_reference


def backward(
    forward: Specification,
    name: str,
    returns: tuple[str, ...],
    reference: Function,
    mistakes: tuple[Mistake, ...],
    formulas: Mapping[str, str],
    read: str,
    cases: tuple[Case, ...] | None = None,
) -> Backward:
    """Return the specification of the backward pass of a layer, on the cases of its
    forward pass unless others are given."""
    return Backward(
        name, ("dout", "cache"), returns, reference,
        forward.cases if cases is None else cases,
        mistakes, formulas, read,
        forward_name=forward.name,
        forward_reference=forward.reference,
        forward_specification=forward,
    )  # fmt: skip
