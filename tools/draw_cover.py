"""Draws the book's cover: one picture on its way forward through a small network, and the gradient
on its way back. Everything in it was computed; the network is trained first.

python tools/draw_cover.py
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

import nndl
from nndl.cnn import ConvNet
from nndl.data import shapes
from nndl.fast_layers import (
    affine_backward_fast,
    affine_forward_fast,
    conv_relu_pool_backward_fast,
    conv_relu_pool_forward_fast,
    softmax_loss_fast,
)
from nndl.solver import Solver

FOLDER = Path(__file__).resolve().parent.parent / "book" / "_static"
SPEC = "conv 9 5x5 - relu - pool - conv 16 3x3 - relu - pool"
PICTURE = 7  # of the validation pictures
WIDTH, HEIGHT, DPI = 10.0, 4.3, 160
GAP = 0.06  # between the channels of a layer, in inches


class Ink(NamedTuple):
    """The colours of a cover for light or for dark pages."""

    text: str
    paper: str
    forward: str
    backward: str


INKS = {
    "light": Ink("#333333", "#ffffff", "#0072b2", "#d55e00"),
    "dark": Ink("#d5dbe1", "#14181c", "#56b4e9", "#f0a040"),
}


def trained(epochs: int) -> tuple[ConvNet, dict[str, Any]]:
    """Return a network and the pictures. It has begun to know them but is not sure:
    if it were, no gradient would be left to show."""
    data = nndl.data.load("shapes")
    std = data["X_train"][:1000].std()
    data = {key: x / std if key.startswith("X") else x for key, x in data.items()}
    net = ConvNet(SPEC, weight_scale="he", rng=3)
    solver = Solver(
        net, data, update_rule="adam", optim_config={"learning_rate": 2e-3},
        num_epochs=epochs, verbose=False, rng=0,
    )  # fmt: skip
    solver.train()
    return net, data


def there_and_back(net: ConvNet, image: Any, label: int) -> list[tuple[Any, Any]]:
    """Return, for the picture and each layer's output, its values and its gradient."""
    p = net.params
    pool = {"pool_height": 2, "pool_width": 2, "stride": 2}
    x, caches, values = image[None], [], [image]
    for i, pad in ((1, 2), (2, 1)):
        conv = {"stride": 1, "pad": pad}
        x, cache = conv_relu_pool_forward_fast(x, p[f"W{i}"], p[f"b{i}"], conv, pool)
        caches.append(cache)
        values.append(x[0])
    scores, cache = affine_forward_fast(x, p["W3"], p["b3"])
    _, dx = softmax_loss_fast(scores, np.array([label]))
    values.append(scores[0])
    gradients = [dx[0]]
    dx = affine_backward_fast(dx, cache)[0].reshape(x.shape)
    for cache in reversed(caches):
        gradients.append(dx[0])
        dx = conv_relu_pool_backward_fast(dx, cache)[0]
    gradients.append(dx[0])
    return list(zip(values, reversed(gradients), strict=True))


def draw(figure: Any, column: float, row: float, size: float, plane: Any, **style: Any):
    """Draw one square of pixels with its lower left corner at (column, row), in inches."""
    ax = figure.add_axes(
        (column / WIDTH, row / HEIGHT, size / WIDTH, size / HEIGHT), frameon=False
    )
    ax.set(xticks=[], yticks=[])
    ax.imshow(plane, **style)


def draw_planes(figure: Any, left: float, row: float, planes: Any, style: Any) -> None:
    """Draw the channels of a layer as a square, 1.5 inches wide."""
    side = math.isqrt(len(planes))
    pitch = (1.5 + GAP) / side
    for i, plane in enumerate(planes):
        down, right = divmod(i, side)
        column, line = left + right * pitch, row + (side - 1 - down) * pitch
        draw(figure, column, line, pitch - GAP, plane, **style)


def draw_bars(figure: Any, left: float, row: float, numbers: Any, colours: Any) -> None:
    """Draw one bar for each class, 1.5 inches high in all."""
    ax = figure.add_axes(
        (left / WIDTH, row / HEIGHT, 1.2 / WIDTH, 1.5 / HEIGHT), frameon=False
    )
    ax.set(xticks=[], yticks=[], ylim=(9.6, -0.6))
    ax.barh(range(10), numbers, height=0.72, color=colours)
    ax.axvline(0, color=colours[0], linewidth=0.8)


def draw_arrow(figure: Any, start: Any, end: Any, colour: str, bend: float = 0) -> None:
    figure.add_artist(
        mpl.patches.FancyArrowPatch(
            (start[0] / WIDTH, start[1] / HEIGHT),
            (end[0] / WIDTH, end[1] / HEIGHT),
            transform=figure.transFigure,
            arrowstyle="-|>,head_length=9,head_width=5",
            connectionstyle=f"arc3,rad={bend}",
            linewidth=3,
            color=colour,
            shrinkA=0,
            shrinkB=0,
        )
    )


def draw_cover(layers: list[tuple[Any, Any]], ink: Ink) -> Any:
    """Return the figure: values above, gradients below, from left to right and back."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    values = LinearSegmentedColormap.from_list("values", [ink.paper, ink.forward])
    gradients = LinearSegmentedColormap.from_list(
        "gradients", [ink.forward, ink.paper, ink.backward]
    )
    top, bottom, lefts = 2.3, 0.5, (0.15, 2.55, 4.95, 7.35)

    (image, d_image), *hidden, (scores, d_scores) = layers
    low, high = image.min(), image.max()
    pixels = ((image - low) / (high - low)).transpose(1, 2, 0)
    draw(figure, lefts[0], top, 1.5, pixels, interpolation="nearest")
    strength = d_image.sum(axis=0)
    most = np.abs(strength).max()
    draw(figure, lefts[0], bottom, 1.5, strength, cmap=gradients, vmin=-most, vmax=most)
    for left, (x, dx) in zip(lefts[1:3], hidden, strict=True):
        draw_planes(
            figure, left, top, x, {"cmap": values, "vmin": 0, "vmax": 0.75 * x.max()}
        )
        most = np.abs(dx).max()
        style = {"cmap": gradients, "vmin": -most, "vmax": most}
        draw_planes(figure, left, bottom, dx, style)
    draw_bars(figure, lefts[3], top, scores, [ink.forward] * 10)
    draw_bars(figure, lefts[3], bottom, d_scores, [ink.backward] * 10)

    far = lefts[3] + 1.3
    draw_arrow(figure, (0.15, 4.05), (far, 4.05), ink.forward)
    draw_arrow(figure, (far, 0.25), (0.15, 0.25), ink.backward)
    draw_arrow(figure, (far + 0.3, 3.5), (far + 0.3, 0.8), ink.text, bend=-0.32)
    figure.text(
        0.978, 0.5, "$L$", color=ink.text, size=22, ha="center", va="center",
        math_fontfamily="stix",
    )  # fmt: skip
    return figure


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    net, data = trained(options.epochs)
    image, label = data["X_val"][PICTURE], int(data["y_val"][PICTURE])
    layers = there_and_back(net, image, label)
    print(f"a {shapes.CLASS_NAMES[label]}, scores {np.round(layers[-1][0], 1)}")
    for name, ink in INKS.items():
        path = options.folder / f"cover-{name}.png"
        draw_cover(layers, ink).savefig(path, transparent=True)


if __name__ == "__main__":
    main()
