"""What the courses' notebooks use and newer libraries have removed.

Each bridge is laid only where the thing is missing, and taken away on uninstall.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..data import photographs

#: The aliases of Python's and NumPy's types that NumPy 1.24 and 2.0 removed.
NUMPY_NAMES: Mapping[str, Any] = {
    "bool": bool,
    "complex": complex,
    "float": float,
    "int": int,
    "long": int,
    "object": object,
    "str": str,
    "unicode": str,
    "float_": np.float64,
    "Inf": np.inf,
    "Infinity": np.inf,
    "infty": np.inf,
    "NaN": np.nan,
    "alltrue": np.all,
    "cumproduct": np.cumprod,
    "product": np.prod,
    "round_": np.round,
    "sometrue": np.any,
}

#: The photograph that stands in for each of the courses' two.
PHOTOGRAPHS = {"kitten.jpg": "cat", "puppy.jpg": "raccoon"}


def imread(uri: Any, *args: Any, **kwargs: Any) -> Any:
    """Read a picture as a uint8 array; the courses' two photographs are replaced where
    their files are missing.

    Raises
    ------
    FileNotFoundError
        If another file is missing.
    """
    from PIL import Image

    with Image.open(_file_or_photograph(uri)) as image:
        return np.array(image)


def imresize(
    arr: Any, size: Any, interp: str = "bilinear", mode: str | None = None
) -> Any:
    """Return a picture in another size, as `scipy.misc.imresize` did.

    Parameters
    ----------
    arr : array, shape (H, W) or (H, W, 3)
        Its values are stretched to 0 to 255 unless they are bytes.
    size : int, float or (int, int)
        Percent, a factor, or the new height and width.
    interp : {'nearest', 'lanczos', 'bilinear', 'bicubic', 'cubic'}, optional
    mode : str, optional
        Pillow's name of the kind of picture, `P` or `L` for instance.
    """
    from PIL import Image

    arr = np.asarray(arr)
    if arr.dtype != np.uint8:
        low, high = float(arr.min()), float(arr.max())
        arr = ((arr - low) * (255 / ((high - low) or 1)) + 0.5).astype(np.uint8)
    picture = Image.fromarray(arr)
    if mode is not None:
        picture = picture.convert(mode)
    height, width = arr.shape[:2]
    if isinstance(size, int | np.integer):
        size = size / 100
    if isinstance(size, float | np.floating):
        height, width = int(height * size), int(width * size)
    else:
        height, width = (int(number) for number in size[:2])
    method = {"cubic": "BICUBIC"}.get(interp, interp.upper())
    return np.array(picture.resize((width, height), Image.Resampling[method]))


def _file_or_photograph(uri: Any) -> Any:
    if isinstance(uri, str | os.PathLike) and not os.path.exists(uri):
        name = Path(uri).name
        if name in PHOTOGRAPHS:
            file = photographs.path(PHOTOGRAPHS[name])
            print(f"{os.fspath(uri)} is missing: {file.name} of nndl takes its place.")
            return file
    return uri


def _with_photographs(read: Callable[..., Any]) -> Callable[..., Any]:
    """Give a real library's `imread` the two photographs."""

    @functools.wraps(read)
    def with_photographs(uri: Any, *args: Any, **kwargs: Any) -> Any:
        return read(_file_or_photograph(uri), *args, **kwargs)

    return with_photographs


def _reload_later() -> Mapping[str, Any]:
    """Return what `imp` held and `%autoreload` of older IPythons asks it for."""

    def load_source(name: str, pathname: str, file: Any = None) -> ModuleType:
        """Import a file under a name."""
        spec = importlib.util.spec_from_file_location(name, pathname)
        if spec is None or spec.loader is None:
            raise ImportError(f"{pathname} cannot be imported.")
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return {
        "cache_from_source": importlib.util.cache_from_source,
        "load_source": load_source,
        "new_module": ModuleType,
        "reload": importlib.reload,
        "source_from_cache": importlib.util.source_from_cache,
    }


_PYTHON_2 = {
    "basestring": str,
    "long": int,
    "raw_input": input,
    "reduce": functools.reduce,
    "unicode": str,
    "xrange": range,
}

#: Modules that may be missing, with what the notebooks want of them.
MODULES: Mapping[str, Mapping[str, Any] | None] = {
    "future": None,
    "future.standard_library": {"install_aliases": lambda: None},
    "imageio": {"imread": imread},
    "imp": _reload_later(),
    "past": None,
    "past.builtins": _PYTHON_2,
    "scipy": None,
    "scipy.misc": {"imread": imread, "imresize": imresize},
    "six": {"PY2": False, "PY3": True},
    "six.moves": {
        **_PYTHON_2,
        "cPickle": pickle,
        "filter": filter,
        "input": input,
        "map": map,
        "range": range,
        "reload_module": importlib.reload,
        "zip": zip,
    },
    "six.moves.cPickle": vars(pickle),
}


class Patches:
    """Attributes of other modules that were set, and what they were before."""

    def __init__(self) -> None:
        self._done: list[tuple[ModuleType, str, Any, Any]] = []

    def set(self, module: ModuleType, name: str, value: Any) -> None:
        """Set an attribute until `undo`."""
        self._done.append((module, name, vars(module).get(name, _ABSENT), value))
        setattr(module, name, value)

    def undo(self) -> None:
        """Set every attribute back, in the opposite order; what others have set in the
        meantime stays."""
        while self._done:
            module, name, before, value = self._done.pop()
            if vars(module).get(name) is not value:
                continue
            if before is _ABSENT:
                delattr(module, name)
            else:
                setattr(module, name, before)


_ABSENT = object()


def lay(patches: Patches) -> None:
    """Add the missing names to the libraries that are there."""
    for name, value in NUMPY_NAMES.items():
        if name not in vars(np):
            patches.set(np, name, value)
    imageio = _real("imageio")
    if imageio is not None:
        patches.set(imageio, "imread", _with_photographs(imageio.imread))
    misc = _real("scipy.misc")
    if misc is not None:
        patches.set(misc, "imread", imread)
        patches.set(misc, "imresize", imresize)


def _real(name: str) -> ModuleType | None:
    """Import a library's module, or return None if there is none."""
    with warnings.catch_warnings(), contextlib.suppress(ImportError):
        warnings.simplefilter("ignore")  # scipy.misc announces its end
        return importlib.import_module(name)
    return None
