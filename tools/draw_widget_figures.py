"""Draws the pictures that stand in the place of the book's widgets on paper and without JavaScript.

python tools/draw_widget_figures.py

Each shows a few settings of its widget side by side, with numbers that `nndl` computed, and is stored
beside the widget's script: book/_static/widgets/NAME.svg.
"""

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from nndl import optim
from nndl.conv_layers import (
    conv_backward_naive,
    conv_forward_naive,
    spatial_batchnorm_forward,
    spatial_groupnorm_forward,
)
from nndl.data import shapes
from nndl.gradient_check import eval_numerical_gradient
from nndl.layers import (
    affine_backward,
    affine_forward,
    dropout_forward,
    relu_backward,
    relu_forward,
)
from nndl.vis_utils import PALETTE, draw_graph, use_book_style

FOLDER = Path(__file__).resolve().parent.parent / "book/_static/widgets"
BLUE, VERMILION, GREEN, ORANGE = (
    PALETTE[name] for name in ("blue", "vermilion", "green", "orange")
)
MINUS = "\N{MINUS SIGN}"
GREY, FAINT = "#8b96a1", "#dbe0e5"
PALE_BLUE, PALE_VERMILION = "#b8d7ea", "#f5ceb0"

EDGES = np.array([[-1, 0, 1]] * 3)
BLUR = np.array([[0.1, 0.1, 0.1], [0.1, 0.2, 0.1], [0.1, 0.1, 0.1]])

BLOCK = np.array(
    [
        [[[1, 3], [2, 2]], [[5, 7], [6, 6]], [[0, 2], [1, 5]], [[8, 8], [9, 7]]],
        [[[2, 6], [4, 4]], [[9, 5], [7, 3]], [[1, 1], [2, 4]], [[6, 4], [8, 6]]],
        [[[0, 4], [8, 0]], [[6, 2], [4, 8]], [[3, 3], [0, 2]], [[5, 9], [7, 7]]],
    ]
)


def ring() -> np.ndarray:
    """Return a ring of the embedded set in grey: 10 by 10 numbers from 0 to 9."""
    image = shapes.draw(67)[0][66].astype(float).mean(axis=0)
    small = image[1:31, 1:31].reshape(10, 3, 10, 3).mean(axis=(1, 3))
    return np.rint(9 * (small - small.min()) / np.ptp(small)).astype(int)


def convolve(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Slide one filter over one picture."""
    settings = {"stride": 1, "pad": 0}
    return conv_forward_naive(x[None, None], w[None, None], np.zeros(1), settings)[0][
        0, 0
    ]


def seen_pixels(
    size: int, window: int, stride: int, pad: int
) -> tuple[int, np.ndarray]:
    """Return the number of outputs of a line, and which padded pixels have any effect."""
    x = np.ones((1, 1, 1, size + 2 * pad))
    w, settings = np.ones((1, 1, 1, window)), {"stride": stride, "pad": 0}
    # One row high, so the line alone is padded; the zeros are put there by hand.
    out, cache = conv_forward_naive(x, w, np.zeros(1), settings)
    dx = conv_backward_naive(np.ones_like(out), cache)[0]
    return out.shape[3], dx[0, 0, 0] != 0


def normalizations(x: np.ndarray) -> dict[str, np.ndarray]:
    """Normalize feature maps (N, C, H, W) in four ways, with gamma 1 and beta 0."""
    C = x.shape[1]
    one, zero = np.ones(C), np.zeros(C)
    return {
        "batch": spatial_batchnorm_forward(x, one, zero, {"mode": "train"})[0],
        "layer": spatial_groupnorm_forward(x, one, zero, 1, {})[0],
        "instance": spatial_groupnorm_forward(x, one, zero, C, {})[0],
        "group": spatial_groupnorm_forward(x, one, zero, 2, {})[0],
    }


def race(rule: Callable, rate: float, steps: int) -> np.ndarray:
    """Return the points that a rule visits in the valley of the chapter on training."""
    w, config = np.array([-10.0, 1.0]), {"learning_rate": rate}
    path = [w]
    for _ in range(steps):
        w, config = rule(w, np.array([1.0, 20.0]) * w, config)
        path.append(w)
    return np.array(path)


def network(x: float, w: float, b: float) -> dict[str, float]:
    """Return the values and gradients of max(0, wx + b)^2 / 2, through the book's layers."""
    z, affine_cache = affine_forward(np.array([[x]]), np.array([[w]]), np.array([b]))
    r, relu_cache = relu_forward(z)
    dz = relu_backward(r, relu_cache)  # d(r^2 / 2) / dr is r
    dx, dw, db = affine_backward(dz, affine_cache)
    values = {
        "a": x * w, "z": z, "r": r, "L": r**2 / 2,
        "dr": r, "dz": dz, "dx": dx, "dw": dw, "db": db,
    }  # fmt: skip
    return {name: float(np.squeeze(value)) for name, value in values.items()}


# ---- the pictures --------------------------------------------------------------------


def bare(ax: Axes, width: float, height: float) -> None:
    """Make an axes of plain units, counted from the top left."""
    ax.set(xlim=(-0.05, width + 0.05), ylim=(height + 0.05, -0.05), aspect="equal")
    ax.axis("off")


def cell(
    ax: Axes, x: float, y: float, text: object = "", width: float = 1, **style: object
) -> None:
    """Draw a cell with a text in its middle."""
    size = style.pop("size", 9)
    colour = style.pop("colour", "black")
    ax.add_patch(
        Rectangle((x, y), width, 1, **{"fc": "white", "ec": GREY, "lw": 0.6} | style)
    )
    ax.text(
        x + width / 2,
        y + 0.53,
        str(text),
        ha="center",
        va="center",
        size=size,
        color=colour,
    )


def draw_filter() -> Figure:
    x = ring()
    figure, axes = plt.subplots(1, 3, figsize=(7, 2.9), width_ratios=(10, 8, 8))
    bare(axes[0], 10, 10)
    for (i, j), value in np.ndenumerate(x):
        cell(
            axes[0],
            j,
            i,
            value,
            fc=str(value / 9),
            colour="white" if value < 5 else "black",
        )
    frame = {"fill": False, "ec": VERMILION, "lw": 2.5}
    axes[0].add_patch(Rectangle((1, 2), 3, 3, **frame))
    axes[0].set_title("picture")
    for ax, title, w, form in (
        (axes[1], "edges", EDGES, "{:.0f}"),
        (axes[2], "blur", BLUR, "{:.1f}"),
    ):
        out = convolve(x, w)
        bare(ax, 8, 10)
        for (i, j), value in np.ndenumerate(out):
            colour = mpl.colors.to_rgb(BLUE if value > 0 else VERMILION)
            strength = 0.6 * abs(value) / np.abs(out).max()
            shade = [1 - strength * (1 - part) for part in colour]
            cell(
                ax,
                j,
                i + 1,
                form.format(value).replace("-", MINUS),
                fc=shade,
                size=7.5,
            )
        ax.add_patch(Rectangle((1, 3), 1, 1, **frame))
        ax.set_title(title)
    return figure


def draw_output_size() -> Figure:
    settings = [(7, 3, 2, 1), (7, 3, 1, 1), (8, 3, 3, 0)]
    figure, axes = plt.subplots(1, 3, figsize=(7, 2.6))
    for ax, (size, window, stride, pad) in zip(axes, settings, strict=True):
        count, seen = seen_pixels(size, window, stride, pad)
        bare(ax, 11.5, 7.6)
        for u in range(size + 2 * pad):
            zero = u < pad or u >= pad + size
            style = (
                {"fc": FAINT if zero else PALE_BLUE} if seen[u] else {"hatch": "////"}
            )
            cell(ax, u, 0, 0 if zero else "", **style)
        for i in range(count):
            y = 1.35 + 0.9 * i
            bar = Rectangle(
                (i * stride + 0.08, y),
                window - 0.16,
                0.6,
                fc=PALE_VERMILION,
                ec=VERMILION,
            )
            ax.add_patch(bar)
            ax.plot(
                (i * stride + window, 10.2), (y + 0.3, y + 0.3), ":", color=GREY, lw=1
            )
            ax.text(10.8, y + 0.32, str(i), ha="center", va="center", size=9)
        size_out = f"1 + ⌊({size} + 2·{pad} {MINUS} {window}) / {stride}⌋ = {count}"
        ax.set_title(f"stride {stride}, pad {pad}\n{size_out}", size=11)
    return figure


def draw_norms() -> Figure:
    shared = {
        "batch": np.s_[:, 1], "layer": np.s_[0], "instance": np.s_[0, 1], "group": np.s_[0, :2],
    }  # fmt: skip
    figure, axes = plt.subplots(2, 2, figsize=(7, 5.6))
    for ax, (name, out) in zip(
        axes.flat, normalizations(BLOCK.astype(float)).items(), strict=True
    ):
        bare(ax, 9.2, 6.6)
        marked = np.zeros(BLOCK.shape, bool)
        marked[shared[name]] = True
        for (n, c, i, j), value in np.ndenumerate(BLOCK):
            chosen = (n, c, i, j) == (0, 1, 0, 0)
            style = {"ec": VERMILION, "lw": 2.5, "zorder": 3} if chosen else {}
            ground = PALE_BLUE if marked[n, c, i, j] else "white"
            cell(ax, 2.4 * c + j, 2.3 * n + i, value, fc=ground, **style)
        numbers = BLOCK[shared[name]]
        mean, variance = numbers.mean(), numbers.var()
        became = f"(5 - {mean:.2f}) / √{variance:.2f} = {out[0, 1, 0, 0]:.2f}".replace(
            "-", MINUS
        )
        ax.set_title(f"{name} norm: {numbers.size} numbers\n{became}", size=11)
    return figure


def draw_dropout() -> Figure:
    x, p = np.arange(1.0, 7.0), 0.5
    rng = np.random.default_rng(0)
    masked = np.array(
        [
            dropout_forward(x, {"mode": "train", "p": p, "rng": rng})[0]
            for _ in range(500)
        ]
    )
    panels = {
        "one mask": masked[0],
        "another": masked[1],
        "mean over 500": masked.mean(axis=0),
        "mean, undivided": p * masked.mean(axis=0),
    }
    figure, axes = plt.subplots(1, 4, figsize=(7, 2.5), sharey=True)
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        mean = "mean" in title
        ax.bar(range(6), values, color=VERMILION if mean else BLUE, alpha=0.6)
        ax.bar(range(6), x, fc="none", ec="black", lw=1.2)
        ax.set_title(title, size=11)
        ax.set(xticks=range(6), xticklabels=[f"{v:.0f}" for v in x])
        ax.grid(axis="x", visible=False)
    axes[0].set_ylabel("output")
    figure.supxlabel("input of the unit, as a black outline", size=11)
    return figure


def draw_optimizers() -> Figure:
    rules = {  # with the looks that they have in the chapter
        "SGD": (optim.sgd, "black", "o"), "momentum": (optim.sgd_momentum, VERMILION, "s"),
        "Nesterov": (optim.sgd_nesterov_momentum, ORANGE, "^"),
        "RMSProp": (optim.rmsprop, GREEN, "D"), "Adam": (optim.adam, BLUE, "v"),
    }  # fmt: skip
    xs, ys = np.linspace(-11.5, 5, 100), np.linspace(-1.7, 1.7, 60)
    heights = 0.5 * (xs**2 + 20 * ys[:, None] ** 2)
    figure, axes = plt.subplots(3, 1, figsize=(6.4, 6.6), sharex=True)
    for ax, rate in zip(axes, (0.01, 0.05, 0.5), strict=True):
        ax.contour(
            xs,
            ys,
            heights,
            levels=[0.4, 2, 5, 10, 18, 28, 42, 60],
            colors=FAINT,
            linewidths=1,
        )
        for name, (rule, colour, marker) in rules.items():
            path = race(rule, rate, 30)
            outside = np.flatnonzero(np.abs(path[:, 1]) > 1.7)
            if len(
                outside
            ):  # it overshoots, if not for good: only the way out is drawn
                path = path[: outside[0] + 1]
            ax.plot(*path.T, color=colour, lw=1.3)
            ax.plot(*path[-1], marker, color=colour, ms=8, label=name)
        ax.plot(0, 0, "*", color="black", ms=10)
        ax.set(xlim=xs[[0, -1]], ylim=ys[[0, -1]], ylabel="$w_1$")
        ax.set_title(rf"$\eta = {rate}$, 30 steps", size=11)
        ax.grid(visible=False)
    axes[-1].set_xlabel("$w_0$")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=5, columnspacing=1)
    return figure


def draw_steps_of_graph() -> Figure:
    v = network(2.0, 3.0, -1.0)
    half, times = r"$\frac{1}{2}(\cdot)^2$", r"$\times$"
    nodes = {
        "$x$": (0, 1.9), "$w$": (0, 0.5), times: (1.2, 1.2), "$b$": (1.5, 0),
        "$+$": (2.4, 1.2), "ReLU": (3.6, 1.2), half: (5.0, 1.2), "$L$": (6.2, 1.2),
    }  # fmt: skip
    edges = [
        ("$x$", times, 2, v["dx"], 2), ("$w$", times, 3, v["dw"], 2),
        (times, "$+$", v["a"], v["dz"], 1), ("$b$", "$+$", -1, v["db"], 1),
        ("$+$", "ReLU", v["z"], v["dz"], 0), ("ReLU", half, v["r"], v["dr"], 0),
        (half, "$L$", v["L"], 1, 0),
    ]  # fmt: skip
    titles = (
        "half the square multiplies by its input, 5, and the ReLU by 1",
        "the sum hands the gradient to both of its inputs",
        "the product multiplies by the other input",
    )
    figure, axes = plt.subplots(3, 1, figsize=(6.6, 6.9))
    for step, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        shown = [
            (
                start,
                end,
                f"{value:g}".replace("-", MINUS),
                f"{slope:g}" if when <= step else "",
            )
            for start, end, value, slope, when in edges
        ]
        draw_graph(nodes, shown, ax=ax)
        ax.set_title(title, size=11)
    return figure


def draw_step_size() -> Figure:
    figure, ax = plt.subplots(figsize=(7, 2.9))
    bare(ax, 70, 27)
    ax.set_aspect("auto")
    heads = ("$h$", r"$e^{1+h}$ and $e^{1-h}$", "slope", "relative error")
    for x, head in zip((0, 9, 33, 56), heads, strict=True):
        ax.text(x, 1, head, va="center", size=12)
    mono = {"family": "DejaVu Sans Mono", "va": "center", "size": 10}
    for line, h in enumerate((1e-1, 1e-5, 1e-12)):
        y = 6 + 8 * line
        ax.axhline(y - 2.6, color=FAINT, lw=1)
        up, down = (f"{np.exp(1 + sign * h):.15f}" for sign in (1, -1))
        same = next(k for k in range(17) if up[k] != down[k])
        for place, value in ((y, up), (y + 3, down)):
            ax.text(9, place, value[:same], color="#59636e", **mono)
            ax.text(
                9,
                place,
                " " * same + value[same:],
                color=VERMILION,
                weight="bold",
                **mono,
            )
        slope = eval_numerical_gradient(lambda x: np.exp(x[0]), np.ones(1), h=h)[0]
        ax.text(0, y + 1.5, f"$10^{{{np.log10(h):.0f}}}$", va="center", size=12)
        ax.text(33, y + 1.5, f"{slope:.12f}", **mono)
        ax.text(56, y + 1.5, f"{abs(slope / np.e - 1):.0e}", **mono)
    return figure


def draw_receptive_field() -> Figure:
    conv, pool, strided = (3, 1, 1), (2, 2, 0), (3, 2, 1)
    stacks = {"three conv 3": [conv] * 3, "conv 3, pool 2, conv 3": [conv, pool, conv],
              "three conv 3, stride 2": [strided] * 3}  # fmt: skip
    figure, axes = plt.subplots(1, 3, figsize=(7, 2.7))
    for ax, (title, layers) in zip(axes, stacks.items(), strict=True):
        sizes, steps, shifts = [32], [1.0], [0.0]
        for window, stride, pad in layers:
            sizes.append(seen_pixels(sizes[-1], window, stride, pad)[0])
            shifts.append(shifts[-1] + steps[-1] * ((window - 1) / 2 - pad))
            steps.append(steps[-1] * stride)
        views = [(sizes[-1] // 2, sizes[-1] // 2)]
        for window, stride, pad in reversed(layers):
            first, last = views[0]
            views.insert(0, (first * stride - pad, last * stride - pad + window - 1))
        edges = []
        for level, (size, step, shift, (first, last)) in enumerate(
            zip(sizes, steps, shifts, views, strict=True)
        ):
            y, wide = -level, min(0.9 * step, 2.2)
            for i in range(size):
                seen = VERMILION if level == 0 else BLUE
                colour = seen if first <= i <= last else FAINT
                ax.add_patch(
                    Rectangle(
                        (shift + step * i - wide / 2, y - 0.14), wide, 0.28, fc=colour
                    )
                )
            edges.append(
                (shift + step * first - wide / 2, shift + step * last + wide / 2)
            )
        for level, ((a, b), (c, d)) in enumerate(itertools.pairwise(edges)):
            corners = [
                (a, -level - 0.14),
                (b, -level - 0.14),
                (d, -level - 0.86),
                (c, -level - 0.86),
            ]
            ax.add_patch(Polygon(corners, fc=BLUE, alpha=0.12))
        ax.set(xlim=(-1, 32), ylim=(0.5 - len(sizes), 0.5))
        ax.invert_yaxis()
        ax.axis("off")
        ax.set_title(f"{title}\n{views[0][1] - views[0][0] + 1} pixels", size=10.5)
    return figure


PICTURES = {
    "filter": draw_filter,
    "output-size": draw_output_size,
    "norms": draw_norms,
    "dropout": draw_dropout,
    "optimizers": draw_optimizers,
    "graph": draw_steps_of_graph,
    "step-size": draw_step_size,
    "receptive-field": draw_receptive_field,
}


def main(folder: Path = FOLDER) -> None:
    use_book_style()
    for name, draw in PICTURES.items():
        mpl.rcParams["svg.hashsalt"] = name  # the same file each time
        figure = draw()
        path = folder / f"{name}.svg"
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
        # A hundredth of a point is fine enough, and makes the files a third smaller.
        path.write_text(re.sub(r"([1-9]\d*\.\d\d)\d+", r"\1", path.read_text()))


if __name__ == "__main__":
    main()
