"""PyTorch, if it is installed: the module, with our number of threads, and its memory
layouts."""

from __future__ import annotations

import importlib
from typing import Any

from nndl import get_num_threads

torch: Any
LAYOUTS: dict[str, Any] = {}
try:
    torch = importlib.import_module("torch")
except ImportError:
    torch = None
else:
    torch.set_num_threads(get_num_threads())
    LAYOUTS = {
        "torch": torch.contiguous_format,
        "ch_last": torch.channels_last,
    }


def tensor(array: Any, layout: Any) -> Any:
    """Return a copy of a NumPy array; the layout concerns batches of images."""
    copy = torch.from_numpy(array)
    return copy.clone(memory_format=layout) if array.ndim == 4 else copy.clone()
