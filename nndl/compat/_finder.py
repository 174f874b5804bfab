"""Makes modules importable under the courses' names.

The finder stands last in `sys.meta_path`, so it is asked only for modules that are not
on the path: a real module of the same name wins, and a real package may lack some of
its modules (the compiled ones, say, that no longer build) and get them from here.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

#: A module's names come from a module of ours, or are given; None stands for a package
#: that holds nothing but its modules.
Source = str | Mapping[str, Any] | None


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and makes the modules of a table.

    Parameters
    ----------
    sources : mapping
        Where each module's names come from, by the module's full name.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = dict(sources)
        self._packages = {name.rpartition(".")[0] for name in self.sources}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.sources:
            return None
        return importlib.machinery.ModuleSpec(
            fullname,
            self,
            origin="nndl.compat",
            is_package=fullname in self._packages,
        )

    def exec_module(self, module: ModuleType) -> None:
        fill(module, self.sources[module.__name__])

    def modules(self) -> list[str]:
        """Return the names of the modules that were imported through this finder."""
        return [name for name, module in sys.modules.items() if self.made(module)]

    def made(self, module: Any) -> bool:
        """Say whether a module was imported through this finder."""
        spec = getattr(module, "__spec__", None)
        return getattr(spec, "loader", None) is self


def fill(module: ModuleType, source: Source) -> None:
    """Give a module the public names of its source."""
    if isinstance(source, str):
        made_of = importlib.import_module(source)
        module.__doc__ = made_of.__doc__
        source = {
            name: value
            for name, value in vars(made_of).items()
            if _is_given(name, value)
        }
    # Without `__spec__` and the like: those are the module's own.
    given = {k: v for k, v in (source or {}).items() if not k.startswith("__")}
    vars(module).update(given)


def _is_given(name: str, value: Any) -> bool:
    """Say whether a star-import of a course's module brings a name along: this
    package's functions and classes, and `np`, as with the originals."""
    package, *modules = str(getattr(value, "__module__", "")).split(".")
    public = not any(part.startswith("_") for part in [*modules, name])
    return name == "np" or (package == "nndl" and public)


def real_location(name: str) -> tuple[str, bool] | None:
    """Return where a module is that is on the path, and whether it may lack modules that
    can be added: it is a package; or None if there is none."""
    module = sys.modules.get(name)
    spec = (
        getattr(module, "__spec__", None) if module else importlib.util.find_spec(name)
    )
    if module is None and spec is None:
        return None
    places = list(getattr(spec, "submodule_search_locations", None) or ())
    where = getattr(spec, "origin", None) or next(iter(places), "sys.modules")
    return where, bool(places) or hasattr(module, "__path__")
