"""Fully connected networks: chains of the layers in `nndl.layers`.

A network has a dict `params` of named arrays and a method `loss`. ``loss(X)`` returns
the scores in test mode; ``loss(X, y)`` returns the loss and a dict of gradients under
the parameters' names. This is all that `nndl.solver.Solver` asks of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ._arguments import Array, as_float_array, number, one_of, whole_number
from ._random import RandomSource, random_generator
from .layer_utils import affine_relu_backward, affine_relu_forward
from .layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward_alt,
    batchnorm_forward,
    dropout_backward,
    dropout_forward,
    layernorm_backward,
    layernorm_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
)

__all__ = ["FullyConnectedNet", "TwoLayerNet"]

Params = dict[str, Array]


class TwoLayerNet:
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

    Attributes
    ----------
    params : dict
        ``W1`` (D, M), ``b1`` (M,), ``W2`` (M, C), ``b2`` (C,).

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
    ) -> None:
        self.reg = number("reg", reg, at_least=0)
        self.dtype = _float_type(dtype)
        hidden_dim = whole_number("hidden_dim", hidden_dim, at_least=1)
        sizes = _sizes(input_dim, [hidden_dim], num_classes)
        self.params = _initial_params(
            sizes, weight_scale, self.dtype, random_generator(rng)
        )

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
        W1, b1, W2, b2 = (self.params[name] for name in ("W1", "b1", "W2", "b2"))
        X = as_float_array("X", X).astype(self.dtype, copy=False)
        hidden, hidden_cache = affine_relu_forward(X, W1, b1)
        scores, scores_cache = affine_forward(hidden, W2, b2)
        if y is None:
            return scores

        loss, dscores = softmax_loss(scores, y)
        dhidden, dW2, db2 = affine_backward(dscores, scores_cache)
        _, dW1, db1 = affine_relu_backward(dhidden, hidden_cache)
        grads = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
        return loss + _add_l2(self.params, grads, self.reg), grads


class FullyConnectedNet:
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

    Attributes
    ----------
    params : dict
        ``W1``, ``b1`` to ``WL``, ``bL``, and with normalization ``gamma1``, ``beta1``
        to ``gamma(L-1)``, ``beta(L-1)``.
    bn_params : list of dict
        With batch normalization: each hidden layer's settings and running averages.

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
    ) -> None:
        self.normalization = one_of(
            "normalization", normalization, None, "batchnorm", "layernorm"
        )
        if use_batchnorm:
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
        self.reg = number("reg", reg, at_least=0)
        self.dtype = _float_type(dtype)

        sizes = _sizes(input_dim, hidden_dims, num_classes)
        self.num_layers = len(sizes) - 1
        hidden = range(1, self.num_layers)
        rng = random_generator(rng)
        self.params = _initial_params(sizes, weight_scale, self.dtype, rng)
        if self.normalization is not None:
            for i in hidden:
                self.params[f"gamma{i}"] = np.ones(sizes[i], self.dtype)
                self.params[f"beta{i}"] = np.zeros(sizes[i], self.dtype)
        self.bn_params: list[dict[str, Any]] = [
            {"mode": "train"} for _ in hidden if self.normalization == "batchnorm"
        ]
        # Every layer its own seed, or layers of one size would drop the same units.
        seeds = [
            None if seed is None else whole_number("seed", seed, at_least=0) + i
            for i in hidden
        ]
        self.dropout_params: list[dict[str, Any]] = [
            {"mode": "train", "p": keep, "seed": layer_seed, "rng": rng}
            for layer_seed in seeds
            if self.use_dropout
        ]

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
        for param in self.bn_params + self.dropout_params:
            param["mode"] = "test" if y is None else "train"

        out = as_float_array("X", X).astype(self.dtype, copy=False)
        caches = []
        for i in range(1, self.num_layers):
            out, cache = self._hidden_forward(i, out)
            caches.append(cache)
        last = self.num_layers
        scores, cache = affine_forward(
            out, self.params[f"W{last}"], self.params[f"b{last}"]
        )
        if y is None:
            return scores

        grads: Params = {}
        loss, dout = softmax_loss(scores, y)
        dout, grads[f"W{last}"], grads[f"b{last}"] = affine_backward(dout, cache)
        for i in reversed(range(1, self.num_layers)):
            dout = self._hidden_backward(i, dout, caches.pop(), grads)
        return loss + _add_l2(self.params, grads, self.reg), grads

    def _hidden_forward(self, i: int, x: Array) -> tuple[Array, Any]:
        """Compute affine - [normalization] - ReLU - [dropout] of hidden layer `i`."""
        norm_cache = dropout_cache = None
        out, affine_cache = affine_forward(
            x, self.params[f"W{i}"], self.params[f"b{i}"]
        )
        if self.normalization == "batchnorm":
            gamma, beta = self.params[f"gamma{i}"], self.params[f"beta{i}"]
            out, norm_cache = batchnorm_forward(out, gamma, beta, self.bn_params[i - 1])
        elif self.normalization == "layernorm":
            gamma, beta = self.params[f"gamma{i}"], self.params[f"beta{i}"]
            out, norm_cache = layernorm_forward(out, gamma, beta, {})
        out, relu_cache = relu_forward(out)
        if self.use_dropout:
            out, dropout_cache = dropout_forward(out, self.dropout_params[i - 1])
        return out, (affine_cache, norm_cache, relu_cache, dropout_cache)

    def _hidden_backward(self, i: int, dout: Array, cache: Any, grads: Params) -> Array:
        """Go back through hidden layer `i`, put its gradients into `grads`, return its
        `dx`."""
        affine_cache, norm_cache, relu_cache, dropout_cache = cache
        if self.use_dropout:
            dout = dropout_backward(dout, dropout_cache)
        dout = relu_backward(dout, relu_cache)
        if self.normalization == "batchnorm":
            dout, grads[f"gamma{i}"], grads[f"beta{i}"] = batchnorm_backward_alt(
                dout, norm_cache
            )
        elif self.normalization == "layernorm":
            dout, grads[f"gamma{i}"], grads[f"beta{i}"] = layernorm_backward(
                dout, norm_cache
            )
        dx, grads[f"W{i}"], grads[f"b{i}"] = affine_backward(dout, affine_cache)
        return dx


def _initial_params(
    sizes: list[int], weight_scale: float | str, dtype: np.dtype[Any], rng: Any
) -> Params:
    """Draw W1, W2, ... from a normal distribution, with biases b1, b2, ... of 0."""
    params: Params = {}
    for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        scale = (
            math.sqrt(2 / inputs)
            if isinstance(weight_scale, str)
            and one_of("weight_scale", weight_scale, "he")
            else number("weight_scale", weight_scale, at_least=0)
        )
        params[f"W{i}"] = (scale * rng.standard_normal((inputs, outputs))).astype(dtype)
        params[f"b{i}"] = np.zeros(outputs, dtype)
    return params


def _add_l2(params: Params, grads: Params, reg: float) -> float:
    """Add the L2 penalty's gradient to that of every weight matrix, and return the
    penalty."""
    penalty = 0.0
    for name in grads:
        if name.startswith("W") and reg:
            W = params[name]
            penalty += 0.5 * reg * float(np.sum(W * W))
            grads[name] += reg * W
    return penalty


def _sizes(input_dim: int, hidden_dims: Iterable[int], num_classes: int) -> list[int]:
    """Return the number of units between layers, from the input to the scores."""
    if not isinstance(hidden_dims, Iterable):
        raise TypeError(
            f"`hidden_dims` must be a list of integers, but is {hidden_dims!r}."
        )
    return [
        whole_number("input_dim", input_dim, at_least=1),
        *(whole_number("hidden_dims", size, at_least=1) for size in hidden_dims),
        whole_number("num_classes", num_classes, at_least=1),
    ]


def _float_type(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise TypeError(
            f"`dtype` must be float32 or float64, but is {dtype!r}."
        ) from error
    if dtype is None or found not in (np.float32, np.float64):
        raise ValueError(
            f"`dtype` must be float32 or float64, but is {None if dtype is None else found}."
        )
    return found
