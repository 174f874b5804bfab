"""nndl: the package of a textbook that runs.

Readable NumPy layers (`nndl.layers`, `nndl.conv_layers`) and their compiled twins
(`nndl.fast_layers`), networks made of them (`nndl.fc_net`, `nndl.cnn`), the update rules
and the loop that train them (`nndl.optim`, `nndl.solver`), and the images they learn
(`nndl.data`).
"""

from __future__ import annotations

import importlib
from typing import Any

from ._source import show
from ._threads import get_num_threads, set_num_threads, show_config

__all__ = ["__version__", "get_num_threads", "set_num_threads", "show", "show_config"]

_MODULES = {
    "augmentation",
    "averaging",
    "check",
    "cli",
    "cnn",
    "compat",
    "conv_layers",
    "data",
    "data_utils",
    "evaluation",
    "exercises",
    "experiments",
    "fast_layers",
    "fc_net",
    "gradient_check",
    "layer_utils",
    "layers",
    "optim",
    "schedules",
    "solver",
    "sweep",
    "vis_utils",
}


def __getattr__(name: str) -> Any:
    # Imported when first asked for, so that `import nndl` stays quick.
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("nndl")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, "__version__"})
