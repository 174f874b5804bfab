"""Fully connected networks: chains of the layers in `nndl.layers`.

A network has a dict `params` of named arrays and a method `loss`. ``loss(X)`` returns
the scores in test mode; ``loss(X, y)`` returns the loss and a dict of gradients under
the parameters' names. This is all that `nndl.solver.Solver` asks of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import _twins
from ._arguments import Array, flag, number, one_of, shown, whole_number
from ._networks import Network, Params, size
from ._random import RandomSource, random_generator

__all__ = ["FullyConnectedNet", "TwoLayerNet"]


class TwoLayerNet(Network):
    """A network affine - ReLU - affine - softmax.

    Parameters
    ----------
    input_dim : int, optional
        Numbers in one example, `D`.
    hidden_dim : int, optional
        Hidden units, `M`.
    num_classes : int, optional
        Classes, `C`.
    weight_scale : float, optional
        Standard deviation of the initial weights; biases start at 0.
    reg : float, optional
        Strength of the L2 penalty ``0.5 * reg * sum(W ** 2)`` over both weight
        matrices.
    dtype : float32 or float64, optional
        Of parameters, activations and gradients.
    rng : numpy.random.Generator, int or None, optional
        Source of the initial weights; None follows NumPy's global state.
    fast : bool, optional
        Whether the compiled twins of the layers run; if not, the readable functions of
        `nndl.layers` do. Results are the same up to rounding.

    Attributes
    ----------
    params : dict
        ``W1`` (D, M), ``b1`` (M,), ``W2`` (M, C), ``b2`` (C,).
    fast : bool
        As given; it may be changed.

    Raises
    ------
    ValueError, TypeError
        If an argument lies outside its range or is of the wrong type.
    """

    def __init__(
        self,
        input_dim: int = 3 * 32 * 32,
        hidden_dim: int = 100,
        num_classes: int = 10,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
        dtype: DTypeLike = np.float64,
        rng: RandomSource = None,
        *,
        fast: bool = True,
    ) -> None:
        super().__init__(reg, dtype, fast)
        input_dim = size("input_dim", input_dim)
        hidden_dim = size("hidden_dim", hidden_dim)
        num_classes = size("num_classes", num_classes)
        rng = random_generator(rng)
        self._add_weights(1, (input_dim, hidden_dim), weight_scale, rng)
        self._add_weights(2, (hidden_dim, num_classes), weight_scale, rng)

    def loss(self, X: Array, y: Array | None = None) -> Any:
        """Compute the scores of a minibatch, or its loss and gradients.

        Parameters
        ----------
        X : array, shape (N, d_1, ..., d_k)
        y : integer array, shape (N,), optional

        Returns
        -------
        scores : array, shape (N, C)
            If `y` is None; else
        (loss, grads) : tuple
            The loss with its L2 penalty, a float, and the gradients under the names in
            `params`.

        Raises
        ------
        ValueError, TypeError
            If `X` or `y` does not fit the network.
        """
        layers = _twins.layers(self.fast)
        W1, b1, W2, b2 = (self.params[name] for name in ("W1", "b1", "W2", "b2"))
        hidden, hidden_cache = layers.affine_relu_forward(self._as_input(X), W1, b1)
        scores, scores_cache = layers.affine_forward(hidden, W2, b2)
        if y is None:
            return scores

        loss, dscores = layers.softmax_loss(scores, y)
        dhidden, dW2, db2 = layers.affine_backward(dscores, scores_cache)
        _, dW1, db1 = layers.affine_relu_backward(dhidden, hidden_cache, need_dx=False)
        grads = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
        return loss + self._add_l2(grads), grads


class FullyConnectedNet(Network):
    """A network {affine - [normalization] - ReLU - [dropout]} x (L - 1) - affine -
    softmax.

    Parameters
    ----------
    hidden_dims : list of int
        The size of each hidden layer.
    input_dim : int, optional
        Numbers in one example.
    num_classes : int, optional
        Classes, `C`.
    dropout_keep_ratio : float, optional
        Probability of keeping a hidden unit; 1 means no dropout.
    normalization : None, 'batchnorm' or 'layernorm', optional
    reg : float, optional
        Strength of the L2 penalty ``0.5 * reg * sum(W ** 2)`` over every weight matrix;
        biases, `gamma` and `beta` are excluded.
    weight_scale : float or 'he', optional
        Standard deviation of the initial weights; 'he' takes ``sqrt(2 / inputs)`` for
        each layer (He et al. 2015, equation 10). Biases and `beta` start at 0, `gamma`
        at 1.
    dtype : float32 or float64, optional
        Of parameters, activations and gradients.
    seed : int or None, optional
        If given, dropout draws the same masks at every call, as a numeric gradient
        check needs.
    rng : numpy.random.Generator, int or None, optional
        Source of the initial weights and of the dropout masks; None follows NumPy's
        global state.
    use_batchnorm : bool, optional
        An older spelling of ``normalization='batchnorm'``.
    dropout : float, optional
        An older spelling of `dropout_keep_ratio`, in which 0 means no dropout too.
    fast : bool, optional
        Whether the compiled twins of the layers run; if not, the readable functions of
        `nndl.layers` do. Results are the same up to rounding.

    Attributes
    ----------
    params : dict
        ``W1``, ``b1`` to ``WL``, ``bL``, and with normalization ``gamma1``, ``beta1``
        to ``gamma(L-1)``, ``beta(L-1)``.
    bn_params : list of dict
        With batch normalization: each hidden layer's settings and running averages.
    fast : bool
        As given; it may be changed.

    Raises
    ------
    ValueError, TypeError
        If an argument lies outside its range or is of the wrong type.
    """

    def __init__(
        self,
        hidden_dims: Iterable[int],
        input_dim: int = 3 * 32 * 32,
        num_classes: int = 10,
        dropout_keep_ratio: float = 1,
        normalization: str | None = None,
        reg: float = 0.0,
        weight_scale: float | str = 1e-2,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
        *,
        rng: RandomSource = None,
        use_batchnorm: bool = False,
        dropout: float | None = None,
        fast: bool = True,
    ) -> None:
        super().__init__(reg, dtype, fast)
        self.normalization = one_of(
            "normalization", normalization, None, "batchnorm", "layernorm"
        )
        if flag("use_batchnorm", use_batchnorm):
            if self.normalization == "layernorm":
                raise ValueError(
                    "`use_batchnorm` contradicts `normalization`, which is 'layernorm'."
                )
            self.normalization = "batchnorm"
        keep = number("dropout_keep_ratio", dropout_keep_ratio, above=0, at_most=1)
        if dropout is not None:
            older = number("dropout", dropout, at_least=0, at_most=1) or 1.0
            if keep not in (1, older):
                raise ValueError(
                    f"`dropout` contradicts `dropout_keep_ratio`: {dropout} and {dropout_keep_ratio}."
                )
            keep = older
        self.use_dropout = keep != 1
        if seed is not None:
            seed = whole_number("seed", seed, at_least=0)
        rng = random_generator(rng)

        sizes = _sizes(input_dim, hidden_dims, num_classes)
        self.num_layers = len(sizes) - 1
        for i, shape in enumerate(itertools.pairwise(sizes), start=1):
            self._add_weights(i, shape, weight_scale, rng)
        for i in range(1, self.num_layers):
            if self.normalization is not None:
                self._add_scale_and_shift(i, sizes[i])
            if self.normalization == "batchnorm":
                self._add_running_averages(sizes[i])
            if self.use_dropout:
                self._add_dropout(keep, seed, rng)

    def loss(self, X: Array, y: Array | None = None) -> Any:
        """Compute the scores of a minibatch in test mode, or its loss and gradients in
        training.

        Parameters
        ----------
        X : array, shape (N, d_1, ..., d_k)
        y : integer array, shape (N,), optional

        Returns
        -------
        scores : array, shape (N, C)
            If `y` is None; else
        (loss, grads) : tuple
            The loss with its L2 penalty, a float, and the gradients under the names in
            `params`.

        Raises
        ------
        ValueError, TypeError
            If `X` or `y` does not fit the network.
        """
        self._set_mode("test" if y is None else "train")
        layers = _twins.layers(self.fast)
        out = self._as_input(X)
        caches = []
        for i in range(1, self.num_layers):
            out, cache = self._hidden_forward(i, out)
            caches.append(cache)
        last = self.num_layers
        W, b = self.params[f"W{last}"], self.params[f"b{last}"]
        scores, cache = layers.affine_forward(out, W, b)
        if y is None:
            return scores

        grads: Params = {}
        loss, dout = layers.softmax_loss(scores, y)
        dout, grads[f"W{last}"], grads[f"b{last}"] = layers.affine_backward(
            dout, cache, need_dx=last > 1
        )
        for i in reversed(range(1, self.num_layers)):
            dout = self._hidden_backward(i, dout, caches.pop(), grads)
        return loss + self._add_l2(grads), grads

    def _hidden_forward(self, i: int, x: Array) -> tuple[Array, Any]:
        """Compute affine - [normalization] - ReLU - [dropout] of hidden layer `i`."""
        layers = _twins.layers(self.fast)
        W, b, *gamma_beta = (self.params[name] for name in self._hidden_names(i))
        if self.normalization is None:
            out, cache = layers.affine_relu_forward(x, W, b)
        elif self.normalization == "batchnorm":
            bn_param = self.bn_params[i - 1]
            out, cache = layers.affine_bn_relu_forward(x, W, b, *gamma_beta, bn_param)
        else:
            out, affine_cache = layers.affine_forward(x, W, b)
            out, ln_cache = layers.layernorm_forward(out, *gamma_beta, {})
            out, relu_cache = layers.relu_forward(out)
            cache = affine_cache, ln_cache, relu_cache
        dropout_cache = None
        if self.use_dropout:
            out, dropout_cache = layers.dropout_forward(out, self.dropout_params[i - 1])
        return out, (cache, dropout_cache)

    def _hidden_backward(self, i: int, dout: Array, cache: Any, grads: Params) -> Any:
        """Go back through hidden layer `i`, put its gradients into `grads`, return its
        `dx`: that of the first layer, which nobody needs, is None."""
        layers = _twins.layers(self.fast)
        cache, dropout_cache = cache
        if self.use_dropout:
            dout = layers.dropout_backward(dout, dropout_cache)
        if self.normalization is None:
            dx, *dparams = layers.affine_relu_backward(dout, cache, need_dx=i > 1)
        elif self.normalization == "batchnorm":
            dx, *dparams = layers.affine_bn_relu_backward(dout, cache, need_dx=i > 1)
        else:
            affine_cache, ln_cache, relu_cache = cache
            dout = layers.relu_backward(dout, relu_cache)
            dout, *dgamma_dbeta = layers.layernorm_backward(dout, ln_cache)
            dx, *dparams = layers.affine_backward(dout, affine_cache, need_dx=i > 1)
            dparams += dgamma_dbeta
        grads.update(zip(self._hidden_names(i), dparams, strict=True))
        return dx

    def _hidden_names(self, i: int) -> list[str]:
        """Name the parameters of hidden layer `i` in the order of a sandwich's
        arguments."""
        kinds = ["W", "b"] + (["gamma", "beta"] if self.normalization else [])
        return [f"{kind}{i}" for kind in kinds]


def _sizes(input_dim: int, hidden_dims: Iterable[int], num_classes: int) -> list[int]:
    """Return the number of units between layers, from the input to the scores."""
    if not isinstance(hidden_dims, Iterable) or isinstance(hidden_dims, str):
        raise TypeError(
            f"`hidden_dims` must be a list of integers, but is {shown(hidden_dims)}."
        )
    return [
        size("input_dim", input_dim),
        *(size("hidden_dims", units) for units in hidden_dims),
        size("num_classes", num_classes),
    ]
