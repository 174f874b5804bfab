"""Draws the book's cover picture: a sheet of the embedded images.

python tools/draw_cover.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

from nndl.data import shapes

ROWS, COLUMNS, SCALE, GAP = 5, 15, 2, 4


def main() -> None:
    images, labels = shapes.draw(1000)
    # Every class in turn along the rows, each picture once.
    by_class = [
        list(images[labels == label]) for label in range(len(shapes.CLASS_NAMES))
    ]
    side = images.shape[2] * SCALE + GAP
    sheet = np.full((ROWS * side - GAP, COLUMNS * side - GAP, 3), 255, np.uint8)
    for place in range(ROWS * COLUMNS):
        row, column = divmod(place, COLUMNS)
        pixels = by_class[(3 * row + column) % 10].pop().transpose(1, 2, 0)
        enlarged = pixels.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
        top, left = row * side, column * side
        sheet[top : top + side - GAP, left : left + side - GAP] = enlarged
    path = Path(__file__).resolve().parent.parent / "book/_static/cover.png"
    Image.fromarray(sheet).save(path, optimize=True)


if __name__ == "__main__":
    main()
