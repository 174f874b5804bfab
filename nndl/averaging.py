"""Averaged weights: a running mean of all that a network has learned.

Where training ends in a ball of noise around a minimum, the mean of the weights lies
nearer to the minimum than they do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._arguments import Array, number
from ._interrupts import uninterrupted
from ._networks import as_network
from ._solver_state import RUNNING, network_arrays, restore_network

__all__ = ["WeightAverage"]


class WeightAverage:
    r"""An exponential moving average of a network's parameters and running averages.

    .. math:: a_t = \beta\, a_{t-1} + (1 - \beta)\, w_t, \qquad
              \hat{w}_t = \frac{a_t}{1 - \beta^t}

    from :math:`a_0 = 0`, where :math:`\hat{w}` is the average without the bias towards
    0. The running means and variances of batch normalization belong to the weights that
    produced them, so they are averaged along.

    Parameters
    ----------
    model : object
        A network with a dict `params`, as in `nndl.fc_net`.
    keep : float, optional
        :math:`\beta`, at least 0 and below 1: the average's memory is about
        ``1 / (1 - keep)`` steps.

    Attributes
    ----------
    keep : float
    steps : int
        Updates so far, `t`.
    arrays : dict
        The sums :math:`a_t`, by name; float64 if the network is, else float32.

    Raises
    ------
    ValueError, TypeError
        If `keep` lies outside its range, or `model` is no network.

    References
    ----------
    Polyak, Juditsky. Acceleration of stochastic approximation by averaging. SIAM Journal
    on Control and Optimization 30, 1992.
    """

    def __init__(self, model: Any, keep: float = 0.99) -> None:
        self.model = as_network(model)
        self.keep = number("keep", keep, at_least=0, below=1)
        self.steps = 0
        self.arrays = {
            name: np.zeros_like(array) for name, array in network_arrays(model).items()
        }

    def update(self) -> None:
        """Take the network's present state into the average."""
        for name, array in network_arrays(self.model).items():
            average = self.arrays[name]
            average *= self.keep
            average += (1 - self.keep) * array
        self.steps += 1

    def averages(self) -> dict[str, Array]:
        """Return the average of each array, without the bias towards 0.

        Raises
        ------
        ValueError
            Before the first update, when there is nothing to be averaged.
        """
        if self.steps == 0:
            raise ValueError("there is no average before the first `update`.")
        weight = 1 - self.keep**self.steps
        return {name: array / weight for name, array in self.arrays.items()}

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Give the network its averaged weights for the length of a block."""
        params = self.model.params
        bn_params = getattr(self.model, "bn_params", [])
        before = [{key: bn_param.get(key) for key in RUNNING} for bn_param in bn_params]
        try:
            restore_network(self.averages(), self.model)
            yield
        finally:
            with uninterrupted():
                self.model.params = params
                for bn_param, running in zip(bn_params, before, strict=True):
                    bn_param.update(running)
