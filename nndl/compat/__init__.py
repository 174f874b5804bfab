"""Runs the notebooks of CS231n, UCLA's ECE C147 and CSE 493G1 on this package.

In a notebook, ``%load_ext nndl.compat``; in a program, ``nndl.compat.install()``. From
then on the courses' modules (``cs231n.layers``, ``utils.solver``, ...) can be imported
in this process, though nobody has installed them, and what newer libraries have removed
(``np.int``, ``scipy.misc.imread``, ...) is there again. `uninstall` puts everything
back.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import nndl

from . import _bridges, _settings
from ._finder import Finder, Source, fill, real_location

__all__ = ["install", "uninstall"]

_COURSES = f"{__name__}.courses"

#: A course's module, by the name of ours that serves it.
_STANFORD_AND_WASHINGTON = {
    "classifiers.cnn": "cnn",
    "classifiers.fc_net": "fc_net",
    "classifiers.neural_net": "neural_net",
    "data_utils": "data_utils",
    "fast_layers": "fast_layers",
    "gradient_check": "gradient_check",
    "im2col": "im2col",
    "im2col_cython": "im2col_cython",
    "layer_utils": "layer_utils",
    "layers": "layers",
    "optim": "optim",
    "solver": "solver",
    "vis_utils": "vis_utils",
}
_UCLA_HELPERS = (
    "data_utils",
    "fast_layers",
    "gradient_check",
    "im2col",
    "im2col_cython",
    "solver",
    "vis_utils",
)
#: UCLA's students write their layers in a package that is called `nndl` too.
_UCLA_PACKAGE = (
    "cnn",
    "conv_layer_utils",
    "conv_layers",
    "fc_net",
    "layer_tests",
    "layer_utils",
    "layers",
    "optim",
)


def _sources() -> dict[str, Source]:
    """Return where the names of every module come from."""
    sources: dict[str, Source] = {}
    for course in ("cs231n", "cse493g1"):
        sources |= {course: None, f"{course}.classifiers": None}
        for theirs, ours in _STANFORD_AND_WASHINGTON.items():
            sources[f"{course}.{theirs}"] = f"{_COURSES}.{ours}"
    sources["utils"] = None
    sources |= {f"utils.{name}": f"{_COURSES}.{name}" for name in _UCLA_HELPERS}
    sources |= {f"nndl.{name}": f"{_COURSES}.{name}" for name in _UCLA_PACKAGE}
    sources["nndl.neural_net"] = f"{_COURSES}.ucla_neural_net"
    return sources | dict(_bridges.MODULES)


class _Installation:
    """What `install` has changed in this process, so that `uninstall` can undo it."""

    def __init__(self) -> None:
        sources = _sources()
        # All of ours first: they are made of this package's modules, which UCLA's are
        # going to hide.
        for name in dict.fromkeys(s for s in sources.values() if isinstance(s, str)):
            importlib.import_module(name)
        importlib.import_module("nndl.check.specifications").all_specifications()
        self.patches = _bridges.Patches()
        _bridges.lay(self.patches)
        self.finder = Finder(sources)
        self.hidden: dict[str, ModuleType] = {}
        for name in _UCLA_PACKAGE:
            self._hide(f"nndl.{name}", sources[f"nndl.{name}"])
        sys.meta_path.append(self.finder)
        for name in ("cs231n", "cse493g1", "utils"):
            where, is_package = real_location(name) or ("nndl.compat", True)
            if where != "nndl.compat":
                rest = "only the modules that it lacks" if is_package else "none of it"
                print(
                    f"There is a real {name} ({where}): it is used, and nndl serves {rest}."
                )

    def _hide(self, name: str, source: Source) -> None:
        """Put a module with UCLA's names in the place of this package's own."""
        if name not in sys.modules:
            return
        self.hidden[name] = sys.modules[name]
        spec = self.finder.find_spec(name, None)
        face = ModuleType(name)
        face.__spec__ = spec
        fill(face, source)
        sys.modules[name] = face
        self.patches.set(nndl, name.rpartition(".")[2], face)

    def undo(self) -> None:
        """Put everything back."""
        if self.finder in sys.meta_path:
            sys.meta_path.remove(self.finder)
        for name in self.finder.modules():
            module = sys.modules.pop(name)
            parent, _, attribute = name.rpartition(".")
            holder = sys.modules.get(parent)
            if holder is not None and vars(holder).get(attribute) is module:
                delattr(holder, attribute)
        sys.modules.update(self.hidden)
        self.patches.undo()


_installation: _Installation | None = None


def install(*, dropout_p: str = "keep") -> None:
    """Make the courses' modules importable, served by this package, until `uninstall`.

    A real module of the same name on the path wins, with a note. Called again, it only
    changes the setting.

    Parameters
    ----------
    dropout_p : {'keep', 'drop'}, optional
        What the `p` of `dropout_forward` and the `dropout` of `FullyConnectedNet` mean:
        the probability of keeping a unit, as in most editions, or of dropping it.

    Raises
    ------
    ValueError
        If `dropout_p` is neither.
    """
    global _installation
    _settings.choose(dropout_p)
    if _installation is None:
        _installation = _Installation()


def uninstall() -> None:
    """Undo `install`: the courses' modules are gone, and every other module is as it
    was.

    Names that were imported before keep what they stand for.
    """
    global _installation
    if _installation is not None:
        _installation.undo()
        _installation = None
    _settings.choose("keep")


def load_ipython_extension(ipython: Any) -> None:
    """Run `install`, for ``%load_ext nndl.compat``."""
    if _installation is None:
        install()


def unload_ipython_extension(ipython: Any) -> None:
    """Run `uninstall`, for ``%unload_ext nndl.compat``."""
    uninstall()
