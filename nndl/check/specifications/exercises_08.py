"""The exercises of chapter 8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import layers
from ...cnn import ThreeLayerConvNet
from .._calls import Trouble
from .._compare import as_array
from .._specification import (
    EDGE_CASES,
    Case,
    Function,
    Mistake,
    Outputs,
    Plain,
    numbers,
)

Array = np.ndarray

# ---- holes at random places ----------------------------------------------------------

_CHANNELS, _NO_SQUARE, _VALUE, _VALUES = "channels", "no square", "value", "values"
_LOWEST, _HIGHEST, _NARROWEST, _WIDEST = "lowest", "highest", "narrowest", "widest"
_PLACES, _TOP, _LEFT = "places", "first row", "first column"
_BOTTOM, _RIGHT, _SEED, _SEEDS = "last row", "last column", "one seed", "two seeds"

_WORDING = {
    _VALUE: "pixels that were changed hold {got:g}; they should hold {expected:g}",
    _VALUES: "pixels that were changed hold different numbers; they should hold 0",
    _CHANNELS: "in some images the hole is not at the same place in all channels",
    _NO_SQUARE: "what is erased is no square: it is not full",
    _LOWEST: "some hole is {got:g} pixels high; it should be {expected:g}",
    _HIGHEST: "some hole is {got:g} pixels high; it should be {expected:g}",
    _NARROWEST: "some hole is {got:g} pixels wide; it should be {expected:g}",
    _WIDEST: "some hole is {got:g} pixels wide; it should be {expected:g}",
    _PLACES: "the holes of 200 images lie at no more than {got:g} different places; there should be "
    "many",
    _TOP: "no hole begins above row {got:g}; some should begin in row {expected:g}",
    _LEFT: "no hole begins left of column {got:g}; some should begin in column {expected:g}",
    _BOTTOM: "the lowest hole begins in row {got:g}; it should begin in row {expected:g}",
    _RIGHT: "the rightmost hole begins in column {got:g}; it should begin in column {expected:g}",
    _SEED: "two calls with generators in the same state cut different holes",
    _SEEDS: "two calls with one generator cut the same holes",
}

#: Where there are at least 35 places, 200 draws do not meet 25 of them less often than once
#: in 10**20 times.
_MANY = 25


def _holes(name: str, shape: tuple[int, ...], size: int, stage: str = "values") -> Case:
    """Return a case of images without zeros, its arguments in the order X, size, rng."""
    X = 1 + np.abs(numbers(*shape)) / 10
    return Case(name, (X, size, np.random.default_rng(1)), stage, {"size": size})


@dataclass(frozen=True)
class Holes(Plain):
    """Squares that become 0 at random places. Anybody may draw them in another way, so what
    is compared is what all right draws have in common."""

    #: Whether `rng` comes before `size`.
    rng_first: bool = False

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        X, size, rng = case.fresh()
        out = self._call(function, X, size, rng)
        array, X = as_array(out), case.arguments[0]
        seen: Outputs = {"out": out} | self._right(case)
        if array is None or array.shape != X.shape or not np.isfinite(array).all():
            return seen
        hole: Any = array == 0
        if not hole.any():  # another number may have been put there
            hole = array != X
            one = hole.any() and np.ptp(array[hole]) < 1e-6
            seen[_VALUE] = float(array[hole][0]) if one else 0.0
            seen[_VALUES] = float(hole.any() and not one)
        # What is left of the images; where they were cut, they count as they were.
        seen["out"] = np.where(hole, X.astype(array.dtype), array)
        seen |= _shapes(hole)
        if len(X) >= 200 and hole.any():
            seen |= self._places(function, hole, rng, case)
        return seen

    def _call(self, function: Function, X: Array, size: int, rng: Any) -> Any:
        return function(X, rng, size) if self.rng_first else function(X, size, rng)

    def _right(self, case: Case) -> Outputs:
        """Return the features of squares that are right."""
        X, size, _ = case.arguments
        _, _, H, W = X.shape
        square = dict.fromkeys((_LOWEST, _HIGHEST, _NARROWEST, _WIDEST), float(size))
        zeros = _VALUE, _VALUES, _CHANNELS, _NO_SQUARE, _TOP, _LEFT, _SEED, _SEEDS
        right = square | dict.fromkeys(zeros, 0.0)
        right |= {_PLACES: float(_MANY), _BOTTOM: H - size, _RIGHT: W - size}
        return {name: right[name] for name in _WORDING}

    def _places(self, function: Function, hole: Any, rng: Any, case: Case) -> Outputs:
        """Return where the holes lie, and whether they are drawn with the generator."""

        def cut(rng: Any) -> Array:
            X, size, _ = case.fresh()
            out: Array = np.array(self._call(function, X, size, rng))
            return out

        some = hole.any(axis=1)
        there = some.any(axis=(1, 2))
        tops = some.any(axis=2)[there].argmax(axis=1)
        lefts = some.any(axis=1)[there].argmax(axis=1)
        places = len(set(zip(tops.tolist(), lefts.tolist(), strict=True)))
        seen: Outputs = {_PLACES: float(min(places, _MANY))}
        if places >= _MANY:
            seen |= {_TOP: tops.min(), _LEFT: lefts.min()}
            seen |= {_BOTTOM: tops.max(), _RIGHT: lefts.max()}
        first, again = cut(case.fresh()[2]), cut(case.fresh()[2])
        if not np.array_equal(first, again):
            seen[_SEED] = 1.0
        else:  # `rng` has been used once
            seen[_SEEDS] = float(np.array_equal(first, cut(rng)))
        return seen


def _shapes(hole: Any) -> Outputs:
    """Return what is wrong with the holes' shapes, one thing at a time."""
    some = hole.any(axis=1)
    if not np.array_equal(some, hole.all(axis=1)):
        untouched = (some.any(axis=(1, 2)) & ~hole.any(axis=(2, 3)).all(axis=1)).any()
        return {_CHANNELS: 2.0 if untouched else 1.0}
    heights, widths = _extent(some.any(axis=2)), _extent(some.any(axis=1))
    if not np.array_equal(some.sum(axis=(1, 2)), heights * widths):
        return {_NO_SQUARE: 2.0 if some.mean() > 0.5 else 1.0}
    return {
        _LOWEST: heights.min(), _HIGHEST: heights.max(),
        _NARROWEST: widths.min(), _WIDEST: widths.max(),
    }  # fmt: skip


def _extent(marks: Any) -> Any:
    """Return how far it is from the first mark of each row to the last, both included."""
    length = marks.shape[1]
    extent = length - marks[:, ::-1].argmax(axis=1) - marks.argmax(axis=1)
    return np.where(marks.any(axis=1), extent, 0)


HOLES = (
    _holes("200 images of 3 channels, 12x10 pixels, size 4", (200, 3, 12, 10), 4),
    _holes("200 images of 2 channels, 9x12 pixels, size 3", (200, 2, 9, 12), 3),
    _holes("holes of one pixel", (5, 2, 4, 4), 1, EDGE_CASES),
    _holes("holes as large as the images", (2, 3, 4, 4), 4, EDGE_CASES),
    _holes("a single image of one channel", (1, 1, 6, 4), 2, EDGE_CASES),
)


def cut_holes(
    X: Array,
    size: int,
    rng: Any,
    *,
    height: int = 0,
    width: int = 0,
    last: int = 1,
    first: int = 0,
    each_channel: bool = False,
    one_for_all: bool = False,
    diagonal: bool = False,
    beyond: bool = False,
    value: Callable[[Array, Array], Any] = lambda image, X: 0,
    channels: Any = slice(None),
) -> Array:
    """Return images with a hole in each, or with one of the known mistakes."""
    N, C, H, W = X.shape
    out, height, width = X.copy(), size + height, size + width
    if beyond:
        tops, lefts = rng.integers(0, H, N), rng.integers(0, W, N)
    else:
        first_row = min(first, H - size)
        first_column = min(first, W - size)
        tops = rng.integers(first_row, max(H - size + last, first_row + 1), N)
        lefts = rng.integers(first_column, max(W - size + last, first_column + 1), N)
    if one_for_all:
        tops, lefts = np.full(N, tops[0]), np.full(N, lefts[0])
    if diagonal:
        tops = lefts = np.minimum(tops, W - size)
    for image, top, left in zip(out, tops, lefts, strict=True):
        if each_channel:
            for channel in image:
                top, left = rng.integers(0, H - size + 1), rng.integers(0, W - size + 1)
                channel[top : top + size, left : left + size] = 0
        else:
            hole = np.s_[channels, top : top + height, left : left + width]
            image[hole] = value(image, X)
    return out


def _without_rng(X: Array, size: int, rng: Any) -> Array:
    return cut_holes(X, size, np.random.default_rng())


def _own_seed(X: Array, size: int, rng: Any) -> Array:
    return cut_holes(X, size, np.random.default_rng(0))


def _all_but_the_hole(X: Array, size: int, rng: Any) -> Array:
    return np.where(cut_holes(X, size, rng) == 0, X, 0)


def _scattered(X: Array, size: int, rng: Any) -> Array:
    """Single pixels, as many as the hole has."""
    out = X.copy()
    for image in out:
        pixels = rng.permutation(image[0].size)[: size * size]
        image.reshape(len(image), -1)[:, pixels] = 0
    return out


def _transposed(X: Array, size: int, rng: Any) -> Array:
    """Rows and columns have changed places: right only for square images."""
    N, _, H, W = X.shape
    out = X.copy()
    tops, lefts = rng.integers(0, W - size + 1, N), rng.integers(0, H - size + 1, N)
    for image, top, left in zip(out, tops, lefts, strict=True):
        image[:, top : top + size, left : left + size] = 0
    return out


def _mistake(cause: str, why: str, **wrong: Any) -> Mistake:
    def twin(X: Array, size: int, rng: Any) -> Array:
        return cut_holes(X, size, rng, **wrong)

    return Mistake(cause, why, twin)


HOLES_MISTAKES = (
    _mistake(
        "never-at-the-edge",
        "A square never reaches the lower and the right edge: the upper end of rng.integers is left "
        "out, so it must be H - size + 1, and W - size + 1.",
        last=0,
    ),
    _mistake(
        "never-at-the-edge",
        "A square never begins in the first row or column: the lower end of rng.integers is 0.",
        first=1,
    ),
    _mistake(
        "beyond-the-edge",
        "Some squares reach beyond the edge, where slices end, and what is left of them is smaller: "
        "draw the corner from 0 to H - size and from 0 to W - size.",
        beyond=True,
    ),
    Mistake(
        "axes-exchanged",
        "Height and width have changed places: the top is drawn up to H - size, the left side up to "
        "W - size.",
        _transposed,
    ),
    _mistake(
        "each-channel-by-itself",
        "Each channel has a hole of its own: cut the same place out of all channels.",
        each_channel=True,
    ),
    _mistake(
        "one-channel",
        "Only the first channel was cut: cut the same place out of all channels.",
        channels=slice(0, 1),
    ),
    _mistake(
        "one-for-all",
        "The holes of all images lie at the same place: draw one for each image.",
        one_for_all=True,
    ),
    _mistake(
        "diagonal",
        "Row and column are one number, so that all squares lie along the diagonal: draw two.",
        diagonal=True,
    ),
    *(
        _mistake(
            "not-a-square-of-that-size",
            f"Squares are {told}: the slice top : top + size has size rows.",
            height=by, width=by,
        )
        for told, by in (("a pixel too large", 1), ("a pixel too small", -1))
    ),
    _mistake(
        "not-zero",
        "The squares became 1; they must become 0.",
        value=lambda image, X: 1,
    ),
    _mistake(
        "not-zero",
        "The squares became the mean of all images; they must become 0.",
        value=lambda image, X: X.mean(),
    ),
    _mistake(
        "not-zero",
        "The squares got other numbers, their image's mean perhaps; they must become 0.",
        value=lambda image, X: image.mean(),
    ),
    Mistake(
        "reversed",
        "Everything but the square was erased: the square itself must become 0, and pixels outside it "
        "stay.",
        _all_but_the_hole,
    ),
    Mistake(
        "scattered",
        "Single pixels were erased, as many as a square has: they must be one square.",
        _scattered,
    ),
    Mistake(
        "rng-not-used",
        "The squares are not drawn with the generator that was given: use `rng`, so that an experiment "
        "can be repeated.",
        _without_rng,
    ),
    Mistake(
        "rng-not-used",
        "The squares are drawn anew with the same seed in each call, so that they are always the same: "
        "use `rng`, the generator that was given.",
        _own_seed,
    ),
    Mistake(
        "unchanged",
        "The images came back as they were: nothing was erased.",
        lambda X, size, rng: X.copy(),
    ),
)  # fmt: skip

ERASE = Holes(
    "erase",
    ("X", "size", "rng"),
    ("out",),
    cut_holes,
    HOLES,
    HOLES_MISTAKES,
    dict.fromkeys(
        ("out", *_WORDING),
        "out = X.copy(); for each image, top from 0 to H - size and left from 0 to W - size:\n"
        "out[n, :, top : top + size, left : left + size] = 0",
    ),
    'chapter 8, section "Augmentation"',
    wording=_WORDING,
)

# ---- the gradient with respect to the picture ----------------------------------------


def _saliency_case(
    name: str, N: int, stage: str = "values", reg: float = 0.0, **changes: Any
) -> Case:
    settings: dict[str, Any] = {
        "input_dim": (2, 6, 6), "num_filters": 3, "filter_size": 3, "hidden_dim": 5,
        "num_classes": 4, "weight_scale": 0.5, "dtype": np.float64, "rng": 0, "reg": reg,
    }  # fmt: skip
    net = ThreeLayerConvNet(**settings | changes)
    rng = np.random.default_rng(N)
    X = rng.standard_normal((N, *net.input_dim))
    y = rng.integers(0, settings["num_classes"], N)
    return Case(name, (net, X, y), stage, {"N": N})


def _back_to_the_picture(
    start: Callable[[Array, Array], Array] | None = None,
    *,
    relu: bool = True,
    scale: Callable[[Array], Array] = lambda dX: dX,
    bias: bool = True,
) -> Any:
    """Return a saliency that starts from another gradient of the scores."""

    def saliency(net: Any, X: Array, y: Array) -> Array:
        from ...layer_utils import conv_relu_pool_backward, conv_relu_pool_forward

        p = net.params
        out, conv = conv_relu_pool_forward(
            X, p["W1"], p["b1"], net.conv_param, net.pool_param
        )
        a, hidden = layers.affine_forward(out, p["W2"], p["b2"])
        out, active = layers.relu_forward(a)
        scores, last = layers.affine_forward(out, p["W3"], p["b3"])
        dscores = (start or _of_own_class)(scores, y)
        dout = layers.affine_backward(dscores, last)[0]
        if relu:
            dout = layers.relu_backward(dout, active)
        dout = layers.affine_backward(dout, hidden)[0]
        dX: Array = conv_relu_pool_backward(dout, conv)[0]
        return scale(dX)

    return saliency


def _of_own_class(scores: Array, y: Array) -> Array:
    dscores = np.zeros_like(scores)
    dscores[np.arange(len(y)), y] = 1
    return dscores


def _of_the_loss(scores: Array, y: Array) -> Array:
    return layers.softmax_loss(scores, y)[1]


def _of_the_probability(scores: Array, y: Array) -> Array:
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    own = p[np.arange(len(y)), y][:, None]
    return np.asarray(own * (_of_own_class(scores, y) - p))


def _all_columns(scores: Array, y: Array) -> Array:
    dscores = np.zeros_like(scores)
    dscores[:, y] = 1
    return dscores


@dataclass(frozen=True)
class Saliency(Plain):
    """A gradient with respect to pictures, and a net that must stay as it was."""

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        net, X, y = case.fresh()
        try:
            dX = function(net, X, y)
        except Trouble as trouble:
            if trouble.cause != "arity" or "None" not in trouble.problem:
                raise
            why = (
                f"{trouble.why} A first layer that is called with need_dx=False gives None as well: ask "
                "it for dx."
            )
            raise Trouble(
                trouble.cause, trouble.problem, why, trouble.line
            ) from trouble
        changed: set[str] = getattr(function, "changed", set())
        for name, value in case.arguments[0].params.items():
            if not np.array_equal(net.params.get(name), value):
                changed.add(f"`net.params[{name!r}]`")
        return {self.returns[0]: dX}


SALIENCY = Saliency(
    "saliency",
    ("net", "X", "y"),
    ("dX",),
    _back_to_the_picture(),
    (
        _saliency_case("3 pictures of 2 channels, 6x6 pixels, 4 classes", 3),
        _saliency_case("5 pictures of one channel, 8x6 pixels", 5, input_dim=(1, 8, 6)),
        _saliency_case("a single picture", 1, EDGE_CASES),
        _saliency_case("a net with a penalty, which is no part of a score", 2, EDGE_CASES, reg=0.5),
        _saliency_case("more pictures than classes", 9, EDGE_CASES),
    ),
    (
        Mistake(
            "gradient-of-the-loss",
            "This is the gradient of the loss; asked for is that of the score: begin with dscores that "
            "is 1 for each picture's own class and 0 elsewhere.",
            _back_to_the_picture(_of_the_loss),
        ),
        Mistake(
            "gradient-of-the-loss",
            "This is the gradient of the loss, with the opposite sign; asked for is that of the score: "
            "begin with dscores that is 1 for each picture's own class and 0 elsewhere.",
            _back_to_the_picture(_of_the_loss, scale=lambda dX: -dX),
        ),
        Mistake(
            "gradient-of-the-loss",
            "This is the gradient of the loss, times N; asked for is that of the score: begin with "
            "dscores that is 1 for each picture's own class and 0 elsewhere.",
            _back_to_the_picture(_of_the_loss, scale=lambda dX: dX * len(dX)),
        ),
        Mistake(
            "all-classes",
            "This is the gradient of the sum of all scores: dscores must be 1 for each picture's own "
            "class only.",
            _back_to_the_picture(lambda scores, y: np.ones_like(scores)),
        ),
        Mistake(
            "predicted-class",
            "This is the gradient of each picture's highest score; asked for is that of its own class, "
            "y.",
            _back_to_the_picture(lambda scores, y: _of_own_class(scores, scores.argmax(axis=1))),
        ),
        Mistake(
            "index-of-columns",
            "dscores[:, y] = 1 marks the classes of all pictures in every row: index rows and columns "
            "together, dscores[np.arange(N), y] = 1.",
            _back_to_the_picture(_all_columns),
        ),
        Mistake(
            "score-for-one",
            "dscores holds the scores themselves; the derivative of a score with respect to itself is "
            "1.",
            _back_to_the_picture(lambda scores, y: scores * _of_own_class(scores, y)),
        ),
        Mistake(
            "gradient-of-probability",
            "This is the gradient of the class's probability; asked for is that of its score, before "
            "the softmax.",
            _back_to_the_picture(_of_the_probability),
        ),
        Mistake(
            "relu-forgotten",
            "The hidden layer's ReLU was left out on the way back: affine_relu_backward goes through "
            "both.",
            _back_to_the_picture(relu=False),
        ),
        Mistake(
            "absolute",
            "The absolute value was taken; return the gradient itself, with its signs.",
            _back_to_the_picture(scale=np.abs),
        ),
        Mistake(
            "largest-channel",
            "The channels were put together already: return the gradient, of the shape of X.",
            _back_to_the_picture(scale=lambda dX: np.abs(dX).max(axis=1)),
        ),
    ),
    {"dX": "dscores = 0 but for dscores[n, y[n]] = 1; dX is what the three layers' backward passes, the "
     "last one first, make of it"},
    'chapter 8, section "What does it look at?"',
)  # fmt: skip

ALL = (ERASE, SALIENCY)
