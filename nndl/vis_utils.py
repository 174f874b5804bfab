"""Pictures: one style for the whole book, and the drawings that chapters share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ._arguments import Array, as_numbers, number, shown, whole_number

__all__ = [
    "PALETTE",
    "draw_graph",
    "plot_progress",
    "plot_training",
    "show_images",
    "use_book_style",
    "visualize_grid",
]

#: Eight colours that readers with any colour vision tell apart: Okabe and Ito, "Color universal
#: design", 2002; the yellow, too pale for lines on white, comes last.
PALETTE = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
    "yellow": "#F0E442",
}


def use_book_style() -> None:
    """Set matplotlib's defaults to the book's: colours, sizes, and a white ground in
    dark mode too."""
    import matplotlib as mpl
    from matplotlib.rcsetup import cycler

    mpl.rcParams.update(
        {
            "figure.figsize": (6.4, 3.4),
            "figure.dpi": 120,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": cycler(color=list(PALETTE.values())),
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 12,
            "axes.labelsize": 12,
            "font.size": 12,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.8,
            "legend.frameon": False,
            "legend.fontsize": 11,
            "lines.linewidth": 2.0,
            "image.interpolation": "nearest",
        }
    )


def show_images(
    images: Array,
    titles: Sequence[str] | None = None,
    columns: int = 10,
    size: float = 0.8,
) -> Any:
    """Show images in rows, each under its title.

    Parameters
    ----------
    images : array, shape (N, C, H, W)
        Pixels from 0 to 255, of any dtype; values outside are clipped, and NaN is black.
        `C` is 1 or 3.
    titles : sequence of str, optional
        One for each image; an empty one takes no room.
    columns : int, optional
        Images in a row.
    size : float, optional
        Width of an image in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `images` is empty or has another shape, there are not as many titles as
        images, or `columns` or `size` is too small.
    TypeError
        If `images` is not of numbers, `titles` not of strings, or `columns` or `size` no
        number.
    """
    import matplotlib.pyplot as plt

    images = as_numbers("images", images)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or images.size == 0:
        raise ValueError(
            f"`images` must have shape (N, C, H, W) with C = 1 or 3, but its shape is {images.shape}."
        )
    if titles is not None:
        titles = _strings("titles", titles)
        if len(titles) != len(images):
            raise ValueError(
                f"`titles` must hold {len(images)} titles, but holds {len(titles)}."
            )
    columns = min(whole_number("columns", columns, at_least=1), len(images))
    size = number("size", size, above=0)
    rows = math.ceil(len(images) / columns)
    titled_rows = math.ceil(sum(map(bool, titles or [])) / columns)
    figsize = (columns * size, 1.05 * rows * size + 0.2 * titled_rows)
    figure, axes = plt.subplots(rows, columns, figsize=figsize, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    pixels = np.nan_to_num(np.clip(np.rint(images), 0, 255), nan=0)
    pixels = pixels.astype(np.uint8).transpose(0, 2, 3, 1)
    for i, (ax, image) in enumerate(zip(axes.flat, pixels, strict=False)):
        ax.imshow(
            image[..., 0] if image.shape[2] == 1 else image,
            cmap="gray",
            vmin=0,
            vmax=255,
        )
        if titles is not None and titles[i]:
            ax.set_title(titles[i], fontsize=8, pad=2)
    return figure


def visualize_grid(Xs: Array, ubound: float = 255.0, padding: int = 1) -> Array:
    """Arrange images in a square grid, each stretched to the full range of brightness.

    Parameters
    ----------
    Xs : array, shape (N, H, W, C)
        Images, or first-layer filters.
    ubound : float, optional
        The brightest value of the grid.
    padding : int, optional
        Pixels between two images.

    Returns
    -------
    array, shape (grid height, grid width, C)
        Values from 0 to `ubound`; the padding and unused places are 0, an image that is
        constant or holds a NaN or an infinity is ``ubound / 2``.

    Raises
    ------
    ValueError
        If `Xs` is empty or has another number of axes, `padding` is negative or
        `ubound` not above 0.
    TypeError
        If `Xs` is not of numbers, or `padding` or `ubound` no number.
    """
    Xs = as_numbers("Xs", Xs)
    if Xs.ndim != 4 or Xs.size == 0:
        raise ValueError(
            f"`Xs` must have shape (N, H, W, C) and not be empty, but its shape is {Xs.shape}."
        )
    ubound = number("ubound", ubound, above=0)
    padding = whole_number("padding", padding, at_least=0)
    N, H, W, C = Xs.shape
    side = math.ceil(math.sqrt(N))
    grid = np.zeros((side * (H + padding) - padding, side * (W + padding) - padding, C))
    for i, image in enumerate(Xs):
        top, left = (i // side) * (H + padding), (i % side) * (W + padding)
        low, high = float(image.min()), float(image.max())
        stretched = np.full(image.shape, 0.5)
        if 0 < high - low < math.inf:
            stretched = (image - low) / (high - low)
        grid[top : top + H, left : left + W] = ubound * stretched
    return grid


def plot_training(solver: Any) -> Any:
    """Draw a solver's loss by iteration and its accuracies by epoch.

    Parameters
    ----------
    solver : nndl.solver.Solver
        After training.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If `solver` has no histories.
    """
    import matplotlib.pyplot as plt

    if not hasattr(solver, "loss_history"):
        raise TypeError(f"`solver` must be a Solver, but is {shown(solver)}.")
    figure, (left, right) = plt.subplots(1, 2)
    losses = np.asarray(solver.loss_history)
    iterations = np.arange(1, len(losses) + 1)
    left.plot(
        iterations,
        losses,
        ".",
        markersize=2,
        color=PALETTE["sky"],
        label="each minibatch",
    )
    window = max(len(losses) // 50, 1)
    if window > 1:
        mean = np.convolve(losses, np.ones(window) / window, mode="valid")
        left.plot(
            iterations[window - 1 :],
            mean,
            color=PALETTE["blue"],
            label=f"mean of {window}",
        )
        left.legend()
    left.set(xlabel="iteration", ylabel="training loss")

    # Accuracies are taken after the first iteration, which may be a whole epoch, and every epoch.
    first = int(solver.iterations_per_epoch == 1)
    epochs = np.arange(first, first + len(solver.val_acc_history))
    right.plot(
        epochs, 100 * np.asarray(solver.train_acc_history), "o-", label="training"
    )
    right.plot(
        epochs, 100 * np.asarray(solver.val_acc_history), "s--", label="validation"
    )
    right.set(xlabel="epoch", ylabel="accuracy (%)")
    right.xaxis.get_major_locator().set_params(integer=True)
    right.legend()
    return figure


def plot_progress(records: Sequence[Mapping[str, Any]]) -> Any:
    """Draw what each chapter's best network reached: a row a chapter, a bar an image set.

    Parameters
    ----------
    records : sequence of dict
        For each chapter its number `chapter`, the name of its best `network`, and the
        validation accuracies, 0 to 1, on the two image sets: `shapes` and `cifar10`.
        A `cifar10_note`, if there is one, says what is special about that copy.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there are no records, one lacks an entry, or an accuracy is not from 0 to 1.
    TypeError
        If `records` is no sequence of dicts, or an accuracy no number.
    """
    import matplotlib.pyplot as plt

    records = _sequence("records", records, "dicts")
    if not records:
        raise ValueError("`records` must hold at least one record.")
    for record in records:
        if not isinstance(record, Mapping):
            raise TypeError(f"`records` must hold dicts, but holds {shown(record)}.")
        for key in ("chapter", "network", "shapes", "cifar10"):
            if key not in record:
                raise ValueError(f"`records` has a record without {key!r}: {record}.")
        for key in ("shapes", "cifar10"):
            number(f"records[...][{key!r}]", record[key], at_least=0, at_most=1)
    figure, ax = plt.subplots(figsize=(7, 1.2 + 0.6 * len(records)))
    rows = np.arange(len(records))
    notes = sorted({record.get("cifar10_note", "") for record in records} - {""})
    sets = (
        ("shapes", "drawn shapes", "blue", -0.2),
        ("cifar10", ", ".join(["CIFAR-10", *notes]), "orange", 0.2),
    )
    for key, label, colour, offset in sets:
        percent = [100 * record[key] for record in records]
        ax.barh(rows + offset, percent, height=0.36, color=PALETTE[colour], label=label)
        for row, value in zip(rows + offset, percent, strict=True):
            ax.text(value + 0.8, row, f"{value:.0f}", va="center", fontsize=11)
    names = [f"{record['chapter']}  {record['network']}" for record in records]
    ax.set(
        yticks=rows, yticklabels=names, xlim=(0, 100), xlabel="validation accuracy (%)"
    )
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    figure.legend(loc="outside upper right", ncols=2)
    return figure


def draw_graph(
    nodes: Mapping[str, tuple[float, float]],
    edges: Sequence[tuple[str, str, str, str]],
    *,
    ax: Any = None,
) -> Any:
    """Draw a computation graph with a value over and a gradient under each edge.

    Parameters
    ----------
    nodes : dict
        The place ``(x, y)`` of each node, under the text to write into it. A text may
        end in spaces to tell it from another of the same look.
    edges : sequence of (from, to, value, gradient)
        Names of two nodes, and two texts.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there are no nodes, or an edge names one that is not there, or leads to where
        it begins.
    TypeError
        If `nodes` is no dict of strings and pairs of numbers, `edges` no sequence of
        four strings each, or `ax` no Axes.
    """
    import matplotlib.pyplot as plt

    _check_nodes(nodes)
    edges = _sequence("edges", edges, "(from, to, value, gradient)")
    for edge in edges:
        start, end, _, _ = _edge(edge)
        for name in (start, end):
            if name not in nodes:
                raise ValueError(
                    f"`edges` names the node {name!r}, which is not in `nodes`."
                )
        if tuple(nodes[start]) == tuple(nodes[end]):
            raise ValueError(
                f"`edges` must lead from one place to another, but one leads from {start!r} to {end!r}."
            )
    if not isinstance(ax, plt.Axes | None):
        raise TypeError(f"`ax` must be a matplotlib Axes or None, but is {shown(ax)}.")
    if ax is None:
        _, ax = plt.subplots()
    xs, ys = zip(*nodes.values(), strict=True)
    ax.set(xlim=(min(xs) - 0.4, max(xs) + 0.4), ylim=(min(ys) - 0.4, max(ys) + 0.4))
    ax.set_aspect("equal")
    ax.axis("off")

    circle = {"boxstyle": "circle,pad=0.35", "fc": "white", "ec": "#555555", "lw": 1.5}
    drawn = {
        name: ax.text(
            x, y, name.strip(), ha="center", va="center", fontsize=13, bbox=circle
        )
        for name, (x, y) in nodes.items()
    }
    for start, end, value, gradient in edges:
        (x0, y0), (x1, y1) = nodes[start], nodes[end]
        arrow = {
            "arrowstyle": "-|>",
            "color": "#555555",
            "lw": 1.5,
            "patchA": drawn[start].get_bbox_patch(),
            "patchB": drawn[end].get_bbox_patch(),
        }
        ax.annotate("", (x1, y1), (x0, y0), arrowprops=arrow)
        # The texts stand on either side of the edge's middle, 12 points away from it.
        length = math.hypot(x1 - x0, y1 - y0)
        across = (-(y1 - y0) / length, (x1 - x0) / length)
        for text, colour, side in ((value, "blue", 12), (gradient, "vermilion", -12)):
            ax.annotate(
                text,
                ((x0 + x1) / 2, (y0 + y1) / 2),
                (side * across[0], side * across[1]),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=12,
                color=PALETTE[colour],
            )
    return ax.figure


def _sequence(name: str, value: Any, of: str) -> Sequence[Any]:
    """Return a list or the like as one, after checking that it is no text."""
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        raise TypeError(f"`{name}` must be a sequence of {of}, but is {shown(value)}.")
    return list(value)


def _strings(name: str, value: Any) -> Sequence[str]:
    found = _sequence(name, value, "strings")
    for one in found:
        if not isinstance(one, str):
            raise TypeError(f"`{name}` must hold strings, but holds {shown(one)}.")
    return found


def _check_nodes(nodes: Any) -> None:
    """Check that `nodes` is a dict of texts and the places of the nodes."""
    if not isinstance(nodes, Mapping):
        raise TypeError(f"`nodes` must be a dict, but is {shown(nodes)}.")
    if not nodes:
        raise ValueError("`nodes` must hold at least one node.")
    for name, place in nodes.items():
        if not isinstance(name, str):
            raise TypeError(f"`nodes` must have texts as keys, but has {shown(name)}.")
        if not isinstance(place, Iterable) or len(tuple(place)) != 2:
            raise TypeError(
                f"`nodes` must have places (x, y), but {name!r} is at {shown(place)}."
            )
        for coordinate in place:
            number(f"nodes[{name!r}]", coordinate)


def _edge(edge: Any) -> tuple[str, str, str, str]:
    found = tuple(edge) if isinstance(edge, Iterable) else ()
    if len(found) != 4 or not all(isinstance(one, str) for one in found):
        raise TypeError(
            f"`edges` must hold four strings each, (from, to, value, gradient), but one is "
            f"{shown(edge)}."
        )
    return found
