"""Make the pictures of the built book smaller, where no reader could see it.

Most figures have few colours: with the 256 best they differ from the original by less than one level
of 255 (root mean square), at less than half the size. Other pictures stay exact and are only packed
better. What was made is kept beside the doctrees, so that a picture is worked on once.
"""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

LEVELS = 1.0  # what nobody sees


def packed(picture):
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def lighter(data):
    """Return a PNG file that looks the same and is no larger."""
    picture = Image.open(io.BytesIO(data))
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255):
        picture = picture.convert("RGB")
    if picture.mode == "RGB":
        drawn = picture.quantize(256, Image.Quantize.MEDIANCUT, kmeans=1, dither=0)
        error = np.subtract(picture, drawn.convert("RGB"), dtype=float)
        if np.sqrt(np.mean(error**2)) < LEVELS:
            picture = drawn
    return min(packed(picture), data, key=len)


def lighten(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    kept = Path(app.doctreedir).parent / "light_pictures"
    kept.mkdir(exist_ok=True)

    def replace(path):
        data = path.read_bytes()
        known = kept / f"{hashlib.sha256(data).hexdigest()}.png"
        if not known.exists():
            known.write_bytes(lighter(data))
        path.write_bytes(known.read_bytes())

    images = Path(app.outdir) / app.builder.imagedir
    with ThreadPoolExecutor() as threads:
        list(threads.map(replace, map(images.joinpath, used_pictures(app))))


def used_pictures(app):
    return {name for name in app.builder.images.values() if name.endswith(".png")}


def setup(app):
    app.connect("build-finished", lighten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
