"""The rectified linear unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import layers
from .._compare import as_array
from .._specification import (
    EDGE_CASES,
    VALUES,
    Backward,
    Case,
    Forward,
    Function,
    Mistake,
    Outputs,
    gradient_for,
    numbers,
)

Array = np.ndarray

_READ = 'chapter 1, section "The rectified linear unit"'


def _case(name: str, x: Array, stage: str = VALUES) -> Case:
    return Case(name, (x,), stage, {"N": len(x)})


CASES = (
    _case("5 examples of 3 numbers", 5 * numbers(5, 3)),
    _case("2 examples of 4 numbers", numbers(2, 4)),
    _case("images of shape (3, 2, 4)", numbers(2, 3, 2, 4), EDGE_CASES),
    _case("inputs of exactly 0", np.array([[0.0, 1.0, -1.0], [2.0, 0.0, 0.0]]), EDGE_CASES),
    _case("no input above 0", -np.abs(numbers(3, 4)), EDGE_CASES),
    _case("a batch of one", numbers(1, 4), EDGE_CASES),
)  # fmt: skip

# ---- forward -------------------------------------------------------------------------


def _forward(of: Any) -> Any:
    return lambda x: (of(x), None)


FORWARD = Forward(
    "relu_forward",
    ("x",),
    ("out", "cache"),
    layers.relu_forward,
    CASES,
    (
        Mistake(
            "max-not-maximum",
            "np.max(x, 0) is the largest number along axis 0; np.maximum compares each number with 0.",
            _forward(lambda x: np.max(x, 0)),
        ),
        Mistake(
            "absolute",
            "Negative numbers came out positive; a ReLU turns them into 0.",
            _forward(np.abs),
        ),
        Mistake(
            "minimum",
            "The negative numbers were kept and the positive ones set to 0; it is the other way round.",
            _forward(lambda x: np.minimum(0, x)),
        ),
        Mistake(
            "mask-returned",
            "These are ones where x is positive, the mask alone; the output is x itself there.",
            _forward(lambda x: (x > 0).astype(x.dtype)),
        ),
        *(
            Mistake(
                "leaky",
                f"Negative numbers were multiplied by {slope}, as in a leaky ReLU; here they become 0.",
                _forward(lambda x, slope=slope: np.where(x > 0, x, slope * x)),
            )
            for slope in (0.01, 0.1, 0.2)
        ),
        Mistake(
            "unchanged",
            "x came out as it went in: nothing was set to 0.",
            _forward(np.copy),
        ),
        *(
            Mistake(
                "cut-above",
                f"Numbers above {top} were cut off as well; a ReLU leaves positive numbers as they are.",
                _forward(lambda x, top=top: np.clip(x, 0, top)),
            )
            for top in (1, 6)
        ),
        *(
            Mistake(
                "other-function",
                f"This is {name}, another activation function.",
                _forward(function),
            )
            for name, function in (
                ("the sigmoid", lambda x: 1 / (1 + np.exp(-x))),
                ("tanh", np.tanh),
                ("the softplus", lambda x: np.log1p(np.exp(x))),
            )
        ),
        Mistake(
            "one-for-zero",
            "The numbers were compared with 1 instead of 0.",
            _forward(lambda x: np.maximum(1, x)),
        ),
    ),
    {"out": "out = x where x > 0, and 0 elsewhere"},
    _READ,
)  # fmt: skip

# ---- backward ------------------------------------------------------------------------


@dataclass(frozen=True)
class ReluBackward(Backward):
    """The backward pass, fair where the input is exactly 0.

    A ReLU has no derivative there. The book takes 0, many programs take 1, and any number
    between is a subgradient, so whatever lies between 0 and `dout` counts as 0.
    """

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        outputs = super().observe(function, forward, case)
        x, dx = case.arguments[0], as_array(outputs["dx"])
        if dx is not None and dx.shape == x.shape and not x.all():
            dout = gradient_for(x)
            slope = dx / dout
            outputs["dx"] = np.where((x == 0) & (slope >= 0) & (slope <= 1), 0, dx)
        return outputs


BACKWARD = ReluBackward(
    "relu_backward",
    ("dout", "cache"),
    ("dx",),
    layers.relu_backward,
    CASES,
    (
        Mistake(
            "mask-of-dout",
            "The gradient was cut where dout is negative; what counts is where the input x was.",
            lambda dout, x: np.maximum(0, dout),
        ),
        Mistake(
            "both-masks",
            "The gradient was cut where dout is negative too; only the input x decides where it passes.",
            lambda dout, x: np.where(x > 0, np.maximum(0, dout), 0),
        ),
        Mistake(
            "no-dout",
            "dout was left out: this is the ReLU's own slope, which the chain rule multiplies by dout.",
            lambda dout, x: (x > 0).astype(x.dtype),
        ),
        Mistake(
            "times-x",
            "dout was multiplied by the output; the slope of the ReLU is 1 where x is positive, "
            "however large x is.",
            lambda dout, x: dout * np.maximum(0, x),
        ),
        Mistake(
            "times-x",
            "dout was multiplied by the input; the slope of the ReLU is 1 where x is positive and 0 "
            "elsewhere.",
            lambda dout, x: dout * x,
        ),
        Mistake(
            "mask-reversed",
            "The gradient passes where x was negative; it must pass where x was positive.",
            lambda dout, x: np.where(x > 0, 0, dout),
        ),
        Mistake(
            "unchanged",
            "dout came out as it went in: nothing was set to 0 where x was negative.",
            lambda dout, x: dout.copy(),
        ),
        Mistake(
            "relu-again",
            "This is the forward pass again, the positive part of x; dout was left out.",
            lambda dout, x: np.maximum(0, x),
        ),
        Mistake(
            "signed",
            "The gradient was turned round where x was negative; it is 0 there.",
            lambda dout, x: dout * np.sign(x),
        ),
        *(
            Mistake(
                "leaky",
                f"The gradient was multiplied by {slope} where x was negative, as in a leaky ReLU; it "
                "is 0 there.",
                lambda dout, x, slope=slope: np.where(x > 0, dout, slope * dout),
            )
            for slope in (0.01, 0.1, 0.2)
        ),
    ),
    {"dx": "dx = dout where x > 0, and 0 elsewhere"},
    _READ,
    forward_name=FORWARD.name,
    forward_reference=layers.relu_forward,
    forward_specification=FORWARD,
)  # fmt: skip

ALL = (FORWARD, BACKWARD)
