"""Every layer in one module, as CS231n and CSE 493G1 have them; the convolutions and
poolings are the readable ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import layers
from ..._arguments import Array
from ...conv_layers import *
from ...layers import *
from .. import _settings


def dropout_forward(  # type: ignore[no-redef]
    x: Array, dropout_param: dict[str, Any]
) -> tuple[Array, Any]:
    """Compute dropout, where `p` means what `nndl.compat.install` was told: the
    probability of keeping a unit, or of dropping it.

    A ``seed`` goes to NumPy's global state, as the courses' printed numbers suppose.
    """
    if not isinstance(dropout_param, dict) or "p" not in dropout_param:
        return layers.dropout_forward(x, dropout_param)
    settings = dict(dropout_param)
    settings["p"] = _settings.keep_probability("dropout_param['p']", settings["p"])
    if settings.get("seed") is not None:
        settings |= {"rng": _settings.Reseeding(settings["seed"]), "seed": None}
    return layers.dropout_forward(x, settings)
