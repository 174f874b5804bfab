"""Draws the small pictures on the chapter cards of the book's first page.

python tools/draw_cards.py

Their colours are chosen to be seen on white and on black.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "book" / "_static" / "cards"
WIDTH, HEIGHT = 240, 84
FORWARD, BACKWARD, QUIET = "#3b8fd0", "#e07b2a", "#93a0ad"


def dot(x: float, y: float, r: float = 6, fill: str = FORWARD, **more: object) -> str:
    return element("circle", cx=x, cy=y, r=r, fill=fill, **more)


def box(x: float, y: float, side: float, fill: str, **more: object) -> str:
    return element("rect", x=x, y=y, width=side, height=side, rx=1.5, fill=fill, **more)


def line(
    points: Iterable[tuple[float, float]],
    stroke: str,
    width: float = 2.5,
    **more: object,
) -> str:
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return element(
        "path", d=path, fill="none", stroke=stroke, stroke_width=width,
        stroke_linecap="round", stroke_linejoin="round", **more,
    )  # fmt: skip


def element(name: str, **attributes: object) -> str:
    pairs = (
        f'{key.replace("_", "-")}="{value:.4g}"'
        if isinstance(value, float)
        else f'{key.replace("_", "-")}="{value}"'
        for key, value in attributes.items()
    )
    return f"<{name} {' '.join(pairs)}/>"


def columns(*counts: int) -> list[list[tuple[float, float]]]:
    """Return the places of units in layers from left to right."""
    return [
        [
            (30 + 180 * i / (len(counts) - 1), HEIGHT / 2 + 17 * (j - (n - 1) / 2))
            for j in range(n)
        ]
        for i, n in enumerate(counts)
    ]


def edges(
    layers: list[list[tuple[float, float]]], dropped: Iterable[object] = ()
) -> list[str]:
    return [
        line((a, b), QUIET, 1.1, opacity=0.7)
        for left, right in pairwise(layers)
        for a in left
        for b in right
        if a not in dropped and b not in dropped
    ]


def fully_connected() -> list[str]:
    layers = columns(3, 4, 4, 2)
    dots = [
        dot(x, y, fill=BACKWARD if i == 3 else FORWARD)
        for i, layer in enumerate(layers)
        for x, y in layer
    ]
    return edges(layers) + dots


def training() -> list[str]:
    """Steps of gradient descent with momentum in a valley."""
    rings = [
        element(
            "ellipse", cx=150, cy=HEIGHT / 2, rx=28.0 * k, ry=12.0 * k, fill="none",
            stroke=FORWARD, stroke_width=1.6, opacity=1 - 0.22 * k,
        )
        for k in (1, 2, 3)
    ]  # fmt: skip
    (x, y), (vx, vy), path = (-130.0, 34.0), (0.0, 0.0), []
    for _ in range(26):
        path.append((150 + x, HEIGHT / 2 + y))
        vx, vy = 0.55 * vx - 0.07 * x, 0.55 * vy - 0.95 * y
        x, y = x + vx, y + vy
    return [
        *rings,
        line(path, BACKWARD, 2),
        *(dot(*p, r=2.6, fill=BACKWARD) for p in path),
    ]


def bell(centre: float, width: float, height: float) -> list[tuple[float, float]]:
    return [
        (x, 74 - height * math.exp(-(((x - centre) / width) ** 2) / 2))
        for x in (centre + width * t / 6 for t in range(-18, 19))
    ]


def normalization() -> list[str]:
    return [
        line(bell(40, 8, 34), QUIET),
        line(bell(66, 5, 54), QUIET),
        line(bell(84, 12, 22), QUIET),
        line([(116, 44), (140, 44)], BACKWARD),
        line([(133, 38), (140, 44), (133, 50)], BACKWARD),
        line(bell(192, 13, 58), FORWARD, 3),
        line([(192, 74), (192, 10)], QUIET, 1, stroke_dasharray="3 4"),
    ]


def dropout() -> list[str]:
    layers = columns(3, 5, 5, 2)
    dropped = {layers[1][1], layers[1][4], layers[2][0], layers[2][2], layers[2][3]}
    dots = []
    for layer in layers:
        for x, y in layer:
            if (x, y) in dropped:
                cross = [
                    [(x - 4, y - 4), (x + 4, y + 4)],
                    [(x - 4, y + 4), (x + 4, y - 4)],
                ]
                dots += [line(stroke, BACKWARD, 1.8) for stroke in cross]
            else:
                dots.append(dot(x, y))
    return edges(layers, dropped) + dots


def convolution() -> list[str]:
    """A ring of pixels, a window on it, and the map that the windows give."""
    pixels = [
        box(20 + 10 * i, 7 + 10 * j, 8.6, FORWARD,
            opacity=0.15 + 0.8 * math.exp(-((math.hypot(i - 4, j - 3) - 2.4) ** 2)))
        for i in range(9) for j in range(7)
    ]  # fmt: skip
    places = [
        box(160 + 10 * i, 17 + 10 * j, 8.6, QUIET, opacity=0.45)
        for i in range(7)
        for j in range(5)
    ]
    corner = {"x": 69.3, "y": 16.3, "width": 30, "height": 30, "rx": 2}
    window = element("rect", **corner, fill="none", stroke=BACKWARD, stroke_width=2.4)
    beams = [
        line(ends, BACKWARD, 1.2)
        for ends in ([(99, 16), (210, 28)], [(99, 46), (210, 35)])
    ]
    return [*pixels, *places, window, *beams, box(210, 27, 8.6, BACKWARD)]


def speed() -> list[str]:
    """A roofline, and a layer on its way up to it."""
    steps = [(62, 70), (92, 58), (122, 47), (152, 33), (178, 17)]
    return [
        line([(28, 76), (212, 76)], QUIET, 1.5),
        line([(28, 76), (28, 8)], QUIET, 1.5),
        line([(34, 66), (118, 12), (212, 12)], FORWARD, 3),
        line(steps, BACKWARD, 1.2, stroke_dasharray="3 4"),
        *(dot(x, y, r=4, fill=BACKWARD) for x, y in steps),
    ]


def normalization_of_images() -> list[str]:
    """Which channels (across) of which images (down) share their statistics."""
    shares: list[Callable[[int, int], bool]] = [
        lambda n, c: c == 0,
        lambda n, c: n == 0,
        lambda n, c: n == 0 and c == 0,
        lambda n, c: n == 0 and c < 3,
    ]
    return [
        box(16 + 54 * k + 7.6 * c, 15 + 13 * n, 6.4, BACKWARD if share(n, c) else FORWARD,
            opacity=1.0 if share(n, c) else 0.4)
        for k, share in enumerate(shares) for n in range(4) for c in range(6)
    ]  # fmt: skip


def convolutional_network() -> list[str]:
    """Maps that get smaller and more numerous."""
    blocks = []
    for left, side, count, colour in (
        (24, 56, 2, FORWARD),
        (96, 36, 4, FORWARD),
        (158, 20, 7, FORWARD),
    ):
        for k in reversed(range(count)):
            top = (HEIGHT - side) / 2 - 3 * (count - 1) / 2
            blocks.append(
                box(left + 4 * k, top + 3 * (count - 1 - k), side, colour,
                    stroke="#ffffff", stroke_width=1, opacity=0.9)
            )  # fmt: skip
    scores = [8, 12, 30, 6, 10]
    return blocks + [
        line([(212, 22 + 10 * i), (212 + s / 2, 22 + 10 * i)], BACKWARD, 4)
        for i, s in enumerate(scores)
    ]


def further() -> list[str]:
    """A ladder of improvements."""
    heights = [20, 27, 33, 46, 54, 64]
    bars = [
        element("rect", x=28 + 32 * i, y=76 - h, width=24, height=h, rx=2,
                fill=FORWARD if i < 5 else BACKWARD, opacity=0.55 + 0.09 * i)
        for i, h in enumerate(heights)
    ]  # fmt: skip
    return [line([(20, 77), (220, 77)], QUIET, 1.5), *bars]


CARDS = (
    fully_connected, training, normalization, dropout, convolution, speed,
    normalization_of_images, convolutional_network, further,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args(arguments).folder
    folder.mkdir(exist_ok=True)
    for number, card in enumerate(CARDS, start=1):
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        text = "\n".join([svg, *card(), "</svg>", ""])
        (folder / f"{number:02}.svg").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
