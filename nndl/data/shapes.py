"""Ten classes of figures on cluttered grounds, drawn by NumPy from a seed.

The same seed gives the same bytes on every machine: random numbers come from the raw
stream of PCG64, which NumPy guarantees never to change, and pixels from float32
operations that IEEE 754 rounds in one way only (+ - * / sqrt, minimum, maximum,
comparisons, rounding). Sines, exponentials, powers, matrix products and floating-point
sums are left out, because their last bit depends on the processor and on the NumPy
version.

The pictures behave like photographs where it matters to this book: a class has its
usual colours and its usual place, so that a fully connected network finds something to
hold on to, but only the outline tells the class, and outlines are what convolutions
see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._arguments import Array, whole_number

__all__ = ["CLASS_NAMES", "draw"]

SIZE = 32
#: The embedded set is ``draw(NUM_IMAGES)``; the checksum is that of its records.
NUM_IMAGES = 12_000
SHA256 = "79e79f2b4ff3f91e70ed691c47e5af3e20e3a4183f6dbcc0e11d88d0727c8fbd"

# --- The figures ----------------------------------------------------------------------
# Each function gives the distance of the point (u, v) from a figure's outline, negative inside;
# u points right, v down, and a figure about fills the unit circle. The distance is exact near straight
# edges and arcs, which is all that a smooth outline one pixel wide needs.


def _length(u: Array, v: Array) -> Array:
    return np.sqrt(u * u + v * v)


def _disk(u: Array, v: Array) -> Array:
    return _length(u, v) - 0.86


def _ring(u: Array, v: Array) -> Array:
    return np.abs(_length(u, v) - 0.70) - 0.21


def _square(u: Array, v: Array) -> Array:
    return np.maximum(np.abs(u), np.abs(v)) - 0.74


def _triangle(u: Array, v: Array) -> Array:
    # Three half-planes at 0.5 from the centre, their normals a third of a turn apart.
    v = v - 0.12
    return np.maximum(v, 0.8660254 * np.abs(u) - 0.5 * v) - 0.52


def _cross(u: Array, v: Array) -> Array:
    u, v = np.abs(u), np.abs(v)
    return np.maximum(np.maximum(u, v) - 0.92, np.minimum(u, v) - 0.27)


def _star(u: Array, v: Array) -> Array:
    # Two reflections fold the five points onto one, whose edge is a straight line. The mirrors'
    # normals are (cos 36, sin 36) and its mirror image; the edge runs from the tip (0, -1) to the
    # notch at 36 degrees and 0.45 from the centre.
    u, v = np.abs(u), v - 0.05
    fold = 2 * np.maximum(0.8090170 * u + 0.5877853 * v, 0)
    u, v = u - 0.8090170 * fold, v - 0.5877853 * fold
    fold = 2 * np.maximum(-0.8090170 * u + 0.5877853 * v, 0)
    u, v = np.abs(u + 0.8090170 * fold), v - 0.5877853 * fold
    return 0.9235 * u + 0.3836 * (-v - 1.0)


def _crescent(u: Array, v: Array) -> Array:
    return np.maximum(_length(u, v) - 0.92, 0.72 - _length(u - 0.40, v))


def _heart(u: Array, v: Array) -> Array:
    # A square standing on its corner, and half a disk on each of its upper sides.
    u, v = np.abs(u), v + 0.06
    diamond = 0.7071068 * (u + np.abs(v)) - 0.54
    lobe = _length(u - 0.3818377, v + 0.3818377) - 0.54
    return np.minimum(diamond, lobe)


def _arrow(u: Array, v: Array) -> Array:
    u = np.abs(u)
    head = np.maximum(v + 0.10, 0.7808688 * u - 0.6246950 * (v + 0.98))
    stem = np.maximum(u - 0.23, np.abs(v - 0.42) - 0.54)
    return np.minimum(head, stem)


def _hourglass(u: Array, v: Array) -> Array:
    u, v = np.abs(u), np.abs(v)
    return np.maximum(v - 0.86, 0.8 * u - 0.6 * v - 0.10)


class _Kind(NamedTuple):
    """A class: its outline, and its usual colours (red, green, blue) and place (right,
    down)."""

    name: str
    outline: Callable[[Array, Array], Array]
    figure: tuple[float, float, float]
    ground: tuple[float, float, float]
    place: tuple[float, float]


_KINDS = (
    _Kind("disk", _disk, (0.77, 0.64, 0.44), (0.49, 0.55, 0.57), (0.6, -1.2)),
    _Kind("ring", _ring, (0.72, 0.60, 0.47), (0.46, 0.51, 0.50), (-1.2, 0.6)),
    _Kind("square", _square, (0.59, 0.56, 0.60), (0.57, 0.54, 0.50), (0.3, 1.2)),
    _Kind("triangle", _triangle, (0.56, 0.62, 0.50), (0.57, 0.57, 0.53), (1.2, 0.6)),
    _Kind("cross", _cross, (0.74, 0.69, 0.62), (0.53, 0.46, 0.47), (-0.6, -0.6)),
    _Kind("star", _star, (0.77, 0.69, 0.47), (0.45, 0.45, 0.51), (0.3, -0.9)),
    _Kind("crescent", _crescent, (0.74, 0.70, 0.60), (0.41, 0.45, 0.49), (1.2, -0.9)),
    _Kind("heart", _heart, (0.74, 0.52, 0.48), (0.57, 0.54, 0.54), (-0.3, 0.3)),
    _Kind("arrow", _arrow, (0.54, 0.60, 0.57), (0.54, 0.54, 0.47), (-1.2, -0.6)),
    _Kind("hourglass", _hourglass, (0.65, 0.55, 0.56), (0.51, 0.55, 0.49), (-0.3, 1.2)),
)

CLASS_NAMES: tuple[str, ...] = tuple(kind.name for kind in _KINDS)

# --- The random numbers ---------------------------------------------------------------

_WORDS_PER_IMAGE = 1024


class _Draws:
    """Random numbers for m images, each image with a row of 64-bit words of its own.

    Results have shape (m, count, 1, 1), to be spread over a batch of images (m, 3, 32,
    32).
    """

    def __init__(self, words: npt.NDArray[np.uint64]) -> None:
        self._words = words

    def _take(self, count: int) -> npt.NDArray[np.uint64]:
        taken, self._words = self._words[:, :count], self._words[:, count:]
        return taken

    def uniform(self, low: float, high: float, count: int = 1) -> Array:
        """Uniform numbers from low up to, but not including, high: the word's upper 24
        bits."""
        unit = (self._take(count) >> 40).astype(np.float32) * 2.0**-24
        return (low + (high - low) * unit)[:, :, None, None]

    def normal(self, scale: float, count: int = 1) -> Array:
        """Nearly normal numbers of mean 0: the sum of the four 16-bit quarters of a
        word."""
        word, low = self._take(count), 0xFFFF
        total = (word & low) + (word >> 16 & low) + (word >> 32 & low) + (word >> 48)
        # Four uniform numbers on 0..65535 have mean 131070 and standard deviation 37837.2.
        return ((total.astype(np.float32) - 131070) * (scale / 37837.2))[
            :, :, None, None
        ]

    def chance(self, probability: float) -> npt.NDArray[np.bool_]:
        """True with the given probability."""
        return self.uniform(0, 1) < probability

    def sign(self) -> Array:
        """1 or -1, with even chances."""
        return np.where(self.chance(0.5), np.float32(1), np.float32(-1))

    def grain(self) -> Array:
        """Noise of unit variance for every pixel (m, 3, 32, 32): two bytes of a word
        each."""
        words = np.ascontiguousarray(self._take(3 * SIZE * SIZE // 4), dtype="<u8")
        pairs = words.view("<u2")
        total = ((pairs & 255) + (pairs >> 8)).astype(np.float32)
        # Two uniform numbers on 0..255 have mean 255 and standard deviation 104.5.
        return ((total - 255) * (1 / 104.5)).reshape(-1, 3, SIZE, SIZE)


# --- The painting ---------------------------------------------------------------------

_AXIS = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
_X, _Y = _AXIS.reshape(1, 1, 1, SIZE), _AXIS.reshape(1, 1, SIZE, 1)
# Light falls from the upper left.
_LIGHT = (_X + _Y) / -SIZE


def _turned(x: Array, y: Array, t: Array) -> tuple[Array, Array]:
    """Coordinates turned by the angle 2 arctan(t): the rational points of the
    circle."""
    scale = 1 + t * t
    cosine, sine = (1 - t * t) / scale, 2 * t / scale
    return x * cosine + y * sine, y * cosine - x * sine


def _cover(distance: Array, softness: float = 1.0) -> Array:
    """How much of a pixel lies inside an outline, from the distance of its centre in
    pixels."""
    return np.clip(0.5 - distance * (1 / softness), 0, 1)


def _paint(picture: Array, cover: Array, colour: Array) -> None:
    change = colour - picture
    change *= cover
    picture += change


def _wave(x: Array) -> Array:
    """A triangle wave of period 1 between -1 and 1."""
    return 4 * np.abs(x - np.rint(x)) - 1


def _clouds(draws: _Draws, scale: float, cells: int) -> Array:
    """Smooth random fields (m, 3, 32, 32), interpolated between cells + 1 knots a
    side."""
    knots = draws.normal(scale, 3 * (cells + 1) ** 2).reshape(
        -1, 3, cells + 1, cells + 1
    )
    position = (np.arange(SIZE, dtype=np.float32) + 0.5) * (cells / SIZE)
    left = position.astype(np.intp)
    weight = position - np.floor(position)
    weight = weight * weight * (3 - 2 * weight)
    # `take` keeps the order of the axes in memory, which an index would change.
    before, after = np.take(knots, left, 3), np.take(knots, left + 1, 3)
    rows = before + weight * (after - before)
    before, after = np.take(rows, left, 2), np.take(rows, left + 1, 2)
    _paint(before, np.repeat(weight, SIZE).reshape(SIZE, SIZE), after)
    return before


def _brightness(colour: Array) -> Array:
    return 0.30 * colour[:, 0:1] + 0.59 * colour[:, 1:2] + 0.11 * colour[:, 2:3]


def _usual(field: str, labels: npt.NDArray[np.int64]) -> Array:
    table = np.array([getattr(kind, field) for kind in _KINDS], dtype=np.float32)
    return table[labels][:, :, None, None]


def _pictures(labels: npt.NDArray[np.int64], draws: _Draws) -> npt.NDArray[np.uint8]:
    """Pictures (m, 3, 32, 32) of the classes in labels (m,), painted from back to
    front."""
    # The ground: a colour, a slope of another colour, clouds, and on some pictures a pattern.
    ground = np.clip(_usual("ground", labels) + draws.normal(0.22, 3), 0.08, 0.92)
    along, across = _turned(_X, _Y, draws.uniform(-1, 1))
    picture = _clouds(draws, 0.07, 3)
    picture += ground + along * draws.normal(0.10 / 16, 3)
    period = draws.uniform(5, 11)
    stripes = _wave(along / period + draws.uniform(0, 1))
    checks = stripes * _wave(across / period)
    pattern = np.where(draws.chance(0.5), stripes, checks)
    picture += pattern * (draws.chance(0.35) * draws.uniform(0.03, 0.10))

    # Clutter: bars and dots that lie about.
    for _ in range(2):
        x, y = _X - draws.uniform(-16, 16), _Y - draws.uniform(-16, 16)
        u, v = _turned(x, y, draws.uniform(-1, 1))
        bar = np.maximum(
            np.abs(u) - draws.uniform(3, 9), np.abs(v) - draws.uniform(0.6, 1.6)
        )
        _paint(picture, _cover(bar) * draws.chance(0.5), ground + draws.normal(0.25, 3))
    x, y = _X - draws.uniform(-16, 16), _Y - draws.uniform(-16, 16)
    dot = _length(x, y) - draws.uniform(1.5, 4.5)
    _paint(picture, _cover(dot) * draws.chance(0.5), ground + draws.normal(0.25, 3))

    # The figure's place, and the distance of every pixel from its outline.
    place = _usual("place", labels)
    size = draws.uniform(8.5, 13)
    x = _X - (place[:, 0:1] + draws.uniform(-5.2, 5.2))
    y = _Y - (place[:, 1:2] + draws.uniform(-5.2, 5.2))
    u, v = _turned(x, y, draws.normal(0.22))
    u, v = u / size, v / (size * draws.uniform(0.85, 1.15))
    distance = np.empty_like(u)
    for label, kind in enumerate(_KINDS):
        rows = np.flatnonzero(labels == label)
        distance[rows] = kind.outline(u[rows], v[rows])
    distance *= size

    # Its colour stands out against the ground's in brightness, to the side where there is room.
    colour = np.clip(_usual("figure", labels) + draws.normal(0.25, 3), 0.05, 0.95)
    behind = _brightness(ground)
    contrast = _brightness(colour) - behind
    room = np.sign(0.5 - behind)
    wanted = 0.36 * np.where(np.abs(behind - 0.5) < 0.2, draws.sign(), room)
    colour += np.where(np.abs(contrast) < 0.30, wanted - contrast, np.float32(0))

    # Its shadow, its lit surface, and on some pictures a rim.
    shadow = _cover(distance[:, :, :-2, :-1], softness=4) * draws.uniform(0.1, 0.45)
    picture[:, :, 2:, 1:] *= 1 - shadow
    surface = _clouds(draws, 0.05, 4)
    surface += colour + _LIGHT * draws.uniform(0.05, 0.25)
    _paint(picture, _cover(distance), surface)
    rim = np.abs(distance + 0.6) - 0.6
    rim_colour = colour + 0.3 * draws.sign()
    _paint(picture, _cover(rim) * (draws.chance(0.35) * np.float32(0.7)), rim_colour)

    # On some pictures a card that hides a part of it.
    u, _ = _turned(x, y, draws.uniform(-1, 1))
    card = size * draws.uniform(0.5, 1.0) - u * draws.sign()
    card_colour = np.clip(ground + draws.normal(0.25, 3), 0.05, 0.95)
    hidden = draws.chance(0.25)
    picture *= 1 - _cover(card - 1, softness=3) * (hidden * np.float32(0.25))
    _paint(picture, _cover(card) * hidden, card_colour + _LIGHT * 0.15)

    # The camera: exposure and noise.
    picture *= draws.uniform(0.80, 1.12)
    picture += draws.grain() * draws.uniform(0.01, 0.05)
    picture *= 255
    return np.clip(np.rint(picture, out=picture), 0, 255, out=picture).astype(np.uint8)


def draw(n: int, seed: int = 0) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Draw n pictures of ten classes of figures; any ten from a multiple of ten hold
    each class once.

    The first k pictures of a larger draw with the same seed are those of a draw of k.

    Parameters
    ----------
    n
        How many pictures, 0 or more.
    seed
        Which pictures, 0 or more.

    Returns
    -------
    images
        uint8 (n, 3, 32, 32): red, green and blue, 0 to 255.
    labels
        int64 (n,): places in `CLASS_NAMES`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an integer, or negative.
    """
    n, seed = whole_number("n", n, at_least=0), whole_number("seed", seed, at_least=0)
    stream: Any = np.random.PCG64(seed)
    images = np.empty((n, 3, SIZE, SIZE), dtype=np.uint8)
    labels = np.empty(n, dtype=np.int64)
    # Words for many pictures at a time and pictures for few, so that what is painted on stays in
    # the processor's cache and memory is handed round instead of being asked for again.
    batch, block = 1000, 50
    for start in range(0, n, batch):
        words = stream.random_raw(batch * _WORDS_PER_IMAGE).reshape(
            batch, _WORDS_PER_IMAGE
        )
        # The order of ten random words is a random order of the ten classes.
        classes = (
            words[:, 0]
            .reshape(-1, len(_KINDS))
            .argsort(axis=1, kind="stable")
            .reshape(-1)
        )
        for first in range(0, min(batch, n - start), block):
            here = slice(first, min(first + block, n - start))
            there = slice(start + here.start, start + here.stop)
            images[there] = _pictures(classes[here], _Draws(words[here, 1:]))
            labels[there] = classes[here]
    return images, labels
