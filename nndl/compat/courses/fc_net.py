"""The fully connected networks in every course's spelling, with the layers: a
star-import of the originals brings these along."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ... import _checkpoints, _solver_state, fc_net, solver
from .. import _settings
from .layer_utils import *


class _Saved:
    """What CS231n's networks of 2025 do with their parameters when the training is over.

    The files are those of `nndl.solver.Solver`'s checkpoints, whatever they are called.
    """

    def save(self, fname: str | os.PathLike[str]) -> None:
        """Save the parameters and running averages."""
        _checkpoints.write(Path(fname), _solver_state.network_arrays(self), {})
        print(fname, "saved.")

    def load(self, fname: str | os.PathLike[str]) -> bool:
        """Load what `save` has saved, and say whether there was such a file."""
        if not os.path.exists(fname):
            print(fname, "not available.")
            return False
        solver.load_checkpoint(fname, self)
        print(fname, "loaded.")
        return True


class TwoLayerNet(_Saved, fc_net.TwoLayerNet):
    """`nndl.fc_net.TwoLayerNet`, whose hidden units UCLA counts as `hidden_dims`."""

    def __init__(
        self,
        input_dim: int = 3 * 32 * 32,
        hidden_dim: int = 100,
        num_classes: int = 10,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
        *,
        hidden_dims: int | None = None,
        **kwargs: Any,
    ) -> None:
        if hidden_dims is not None:
            hidden_dim = hidden_dims
        super().__init__(
            input_dim, hidden_dim, num_classes, weight_scale, reg, **kwargs
        )


class FullyConnectedNet(_Saved, fc_net.FullyConnectedNet):
    """`nndl.fc_net.FullyConnectedNet`, whose `dropout` means what `nndl.compat.install`
    was told.

    Where it is the probability of keeping a unit, 0 and 1 both mean no dropout; where it
    is that of dropping one, 0 does.
    """

    def __init__(
        self,
        hidden_dims: Iterable[int],
        input_dim: int = 3 * 32 * 32,
        num_classes: int = 10,
        dropout: float | None = None,
        normalization: Any = None,
        reg: float = 0.0,
        weight_scale: float = 1e-2,
        dtype: Any = np.float32,
        seed: int | None = None,
        *,
        use_batchnorm: bool = False,
        dropout_keep_ratio: float = 1,
        **kwargs: Any,
    ) -> None:
        if isinstance(normalization, bool):  # it stood where `use_batchnorm` once did
            use_batchnorm, normalization = normalization, None
        if dropout and _settings.dropout_p == "drop":
            dropout = _settings.keep_probability("dropout", dropout)
        super().__init__(
            hidden_dims,
            input_dim,
            num_classes,
            dropout_keep_ratio,
            normalization,
            reg,
            weight_scale,
            dtype,
            seed,
            use_batchnorm=use_batchnorm,
            dropout=dropout,
            **kwargs,
        )
        _seed_as_the_courses_do(self, seed)


class FullyConnectedNetBasic(fc_net.FullyConnectedNet):
    """CSE 493G1's first network: {affine - ReLU} x (L - 1) - affine - softmax."""

    def __init__(
        self,
        hidden_dims: Iterable[int],
        input_dim: int = 3 * 32 * 32,
        num_classes: int = 10,
        reg: float = 0.0,
        weight_scale: float = 1e-2,
        dtype: Any = np.float32,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            hidden_dims,
            input_dim,
            num_classes,
            reg=reg,
            weight_scale=weight_scale,
            dtype=dtype,
            seed=seed,
        )


class FullyConnectedNetImproved(fc_net.FullyConnectedNet):
    """CSE 493G1's second network, with normalization and dropout."""

    def __init__(
        self,
        hidden_dims: Iterable[int],
        input_dim: int = 3 * 32 * 32,
        num_classes: int = 10,
        dropout_keep_ratio: float = 1,
        normalization: str | None = None,
        reg: float = 0.0,
        weight_scale: float = 1e-2,
        dtype: Any = np.float32,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            hidden_dims,
            input_dim,
            num_classes,
            dropout_keep_ratio,
            normalization,
            reg,
            weight_scale,
            dtype,
            seed,
        )
        _seed_as_the_courses_do(self, seed)


def _seed_as_the_courses_do(net: fc_net.FullyConnectedNet, seed: int | None) -> None:
    """Let every dropout layer draw from one seed, through NumPy's global state."""
    if seed is not None:
        for param in net.dropout_params:
            param.update(seed=None, rng=_settings.Reseeding(seed))
