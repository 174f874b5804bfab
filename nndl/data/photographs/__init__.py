"""Two photographs, to look at through filters.

`cat.jpg` (300 by 451) is Chelsea the cat, photographed by Stéfan van der Walt, who gave up
all rights (CC0); it comes from scikit-image's sample images. `raccoon.jpg` (400 by 400)
is cut out of the picture of a raccoon from public-domain-image.com that SciPy has long
shown under the name "face". Both were stored as JPEG once more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..._arguments import one_of

NAMES = ("cat", "raccoon")


def path(name: str) -> Path:
    """Return the file of a photograph."""
    one_of("name", name, *NAMES)
    return Path(__file__).with_name(f"{name}.jpg")


def load(name: str) -> Any:
    """Return a photograph, uint8 (H, W, 3) with the channels red, green and blue."""
    from PIL import Image

    with Image.open(path(name)) as image:
        return np.array(image)
