"""Grids of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._arguments import Array
from ...vis_utils import visualize_grid


def vis_grid(Xs: Array) -> Array:
    """Put images (N, H, W, C) into one square grid, stretched together to 0 to 1, with
    black lines a pixel wide between them."""
    N, H, W, C = Xs.shape
    A = int(np.ceil(np.sqrt(N)))
    grid = np.full((A * H + A, A * W + A, C), np.min(Xs), dtype=Xs.dtype)
    for n, image in enumerate(Xs):
        top, left = n // A * (H + 1), n % A * (W + 1)
        grid[top : top + H, left : left + W] = image
    return _stretched(grid)


def vis_nn(rows: Sequence[Sequence[Array]]) -> Array:
    """Put rows of images (H, W, C) into one grid, stretched together to 0 to 1; the lines
    between them are 1 before that."""
    H, W, C = np.shape(rows[0][0])
    grid = np.ones((len(rows) * (H + 1), len(rows[0]) * (W + 1), C))
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            grid[y * (H + 1) : y * (H + 1) + H, x * (W + 1) : x * (W + 1) + W] = image
    return _stretched(grid)


def _stretched(grid: Array) -> Array:
    low, high = np.min(grid), np.max(grid)
    return (grid - low) / ((high - low) or 1)
