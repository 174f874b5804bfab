"""The layers of a fully connected network, each a dozen lines of NumPy.

A layer is a pair of functions. The forward one returns its output and a cache; the
backward one takes the gradient of the loss with respect to that output, `dout`, and the
cache, and returns the gradients with respect to the forward function's inputs, in their
order. A layer knows nothing else, least of all its neighbours, which is why layers can
be chained freely.

NaN and infinity are let in, and go as far as the formula carries them, with NumPy's
warnings. ReLU keeps a NaN and gives it the gradient 0. Dropout hides none, for 0 times
NaN is NaN. A normalization makes NaN of all numbers that share a mean with a NaN or an
infinity, and batch normalization of their running averages, for good. The loss of a
minibatch with a NaN among its scores is NaN, and so is softmax's with +infinity.
Numbers that are finite give finite ones as long as sums over the minibatch, and for the
normalizations sums of squares, fit into the float type: that is up to 1e18 in float32
for any minibatch. Where squares do not fit, a normalized number is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arguments import Array, as_float_array, number, one_of, takes
from ._random import random_generator

__all__ = [
    "affine_backward",
    "affine_forward",
    "batchnorm_backward",
    "batchnorm_backward_alt",
    "batchnorm_forward",
    "dropout_backward",
    "dropout_forward",
    "layernorm_backward",
    "layernorm_forward",
    "relu_backward",
    "relu_forward",
    "smoothed_softmax_loss",
    "softmax_loss",
    "svm_loss",
]


# ---- affine --------------------------------------------------------------------------


@takes(x="(N, D...)", w="(D, M)", b="(M,)")
def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    r"""Compute an affine (fully connected) layer, ``out = x @ w + b``, on flattened
    examples.

    Parameters
    ----------
    x : array, shape (N, d_1, ..., d_k)
        A minibatch of `N` examples, each of ``D = d_1 * ... * d_k`` numbers.
    w : array, shape (D, M)
        Weights.
    b : array, shape (M,)
        Biases.

    Returns
    -------
    out : array, shape (N, M)
        :math:`\text{out}_{nm} = \sum_d x_{nd} w_{dm} + b_m`.
    cache : tuple
        ``(x, w, b)``, for `affine_backward`.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    TypeError
        If an array is not of float32, float64, integers or booleans.
    """
    out = x.reshape(len(x), w.shape[0]) @ w + b
    cache = x, w, b
    return out, cache


@takes(cache="x (N, D...), w (D, M), b (M,)", dout="(N, M)")
def affine_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    r"""Compute the gradients of an affine layer.

    Parameters
    ----------
    dout : array, shape (N, M)
        Gradient of the loss with respect to the layer's output.
    cache : tuple
        From `affine_forward`.

    Returns
    -------
    dx : array, shape (N, d_1, ..., d_k)
        ``dout @ w.T``, in the shape of `x`.
    dw : array, shape (D, M)
        ``x.T @ dout``, with `x` flattened to `(N, D)`.
    db : array, shape (M,)
        The sum of `dout` over the examples.

    Raises
    ------
    ValueError
        If `dout` or `cache` does not fit.
    TypeError
        If `dout` is not of float32, float64, integers or booleans.
    """
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), w.shape[0]).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db


# ---- ReLU ----------------------------------------------------------------------------


@takes(x="(...)")
def relu_forward(x: Array) -> tuple[Array, Any]:
    r"""Compute the rectified linear unit, :math:`\max(0, x)`, element by element.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    out : array, the shape of `x`
    cache : array
        `x` itself, for `relu_backward`.

    Raises
    ------
    TypeError
        If `x` is not of float32, float64, integers or booleans.

    References
    ----------
    Nair, Hinton. Rectified linear units improve restricted Boltzmann machines. ICML
    2010.
    """
    out = np.maximum(0, x)
    cache = x
    return out, cache


@takes(cache="x (...)", dout="like x")
def relu_backward(dout: Array, cache: Any) -> Array:
    """Compute the gradient of a ReLU: `dout` where the input was positive, 0 elsewhere.

    At exactly 0, where the ReLU has no derivative, the gradient is taken to be 0.

    Parameters
    ----------
    dout : array, the shape of `x`
        Gradient of the loss with respect to the layer's output.
    cache : array
        From `relu_forward`.

    Returns
    -------
    dx : array, the shape of `x`

    Raises
    ------
    ValueError
        If `dout` has another shape than `x`.
    TypeError
        If `dout` is not of float32, float64, integers or booleans.
    """
    x = cache
    dx = np.where(x > 0, dout, 0)
    return dx


# ---- batch normalization -------------------------------------------------------------


@takes(x="(N>0, D)", gamma="(D,)", beta="(D,)", bn_param="dict")
def batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]
) -> tuple[Array, Any]:
    r"""Normalize each feature over the minibatch, then scale and shift it.

    .. math:: \text{out} = \gamma \hat{x} + \beta, \qquad
              \hat{x} = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}

    In training, :math:`\mu` and the biased variance :math:`\sigma^2` are those of the
    minibatch; the running averages that the test mode uses are updated to ``momentum *
    running + (1 - momentum) * batch`` and stored in `bn_param`.

    Parameters
    ----------
    x : array, shape (N, D)
    gamma : array, shape (D,)
        Scale.
    beta : array, shape (D,)
        Shift.
    bn_param : dict
        ``mode``, 'train' or 'test'; ``eps``, 1e-5 by default; ``momentum``, 0.9 by
        default; ``running_mean`` and ``running_var``, shape (D,), 0 by default.

    Returns
    -------
    out : array, shape (N, D)
    cache : tuple
        For `batchnorm_backward` and `batchnorm_backward_alt`.

    Raises
    ------
    ValueError
        If the shapes do not fit, the minibatch is empty, ``mode`` is unknown, ``eps``
        is not above 0, or ``momentum`` lies outside 0 to 1.
    TypeError
        If an array is not of float32, float64, integers or booleans, or `bn_param` is
        not a dict.

    References
    ----------
    Ioffe, Szegedy. Batch normalization: accelerating deep network training by reducing
    internal covariate shift. ICML 2015, algorithm 1.
    """
    mode, eps, momentum, running_mean, running_var = _batchnorm_settings(bn_param, x)

    if mode == "train":
        mean, var = x.mean(axis=0), x.var(axis=0)
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mean
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
    else:
        mean, var = running_mean, running_var

    std = np.sqrt(var + eps)
    xhat = (x - mean) / std
    out = gamma * xhat + beta
    cache = xhat, gamma, std, mode
    return out, cache


@takes(cache="xhat (N, D), gamma (D,), std (D,), mode", dout="(N, D)")
def batchnorm_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    r"""Compute the gradients of batch normalization, node by node through its
    computation graph.

    Parameters
    ----------
    dout : array, shape (N, D)
        Gradient of the loss with respect to the layer's output.
    cache : tuple
        From `batchnorm_forward`. In test mode the statistics are constants, and so they
        are here.

    Returns
    -------
    dx : array, shape (N, D)
    dgamma : array, shape (D,)
    dbeta : array, shape (D,)

    Raises
    ------
    ValueError
        If `dout` or `cache` does not fit.
    TypeError
        If `dout` is not of float32, float64, integers or booleans.

    References
    ----------
    Ioffe, Szegedy. Batch normalization. ICML 2015, section 3.
    """
    xhat, gamma, std, mode = cache
    N = len(dout)

    # out = gamma * xhat + beta
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma

    # xhat = centered / std
    dcentered = dxhat / std
    if mode == "test":
        return dcentered, dgamma, dbeta
    dstd = -(dxhat * xhat).sum(axis=0) / std

    # std = sqrt(var + eps), and var = mean(centered ** 2) with centered = xhat * std
    dvar = dstd / (2 * std)
    dcentered = dcentered + dvar * 2 * (xhat * std) / N

    # centered = x - mean, and mean = sum(x) / N
    dmean = -dcentered.sum(axis=0)
    dx = dcentered + dmean / N
    return dx, dgamma, dbeta


@takes(cache="xhat (N, D), gamma (D,), std (D,), mode", dout="(N, D)")
def batchnorm_backward_alt(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    r"""Compute the gradients of batch normalization by the formula simplified on paper.

    .. math:: \frac{\partial L}{\partial x} = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} \left(
              d - \overline{d} - \hat{x}\, \overline{d \hat{x}} \right)

    where :math:`d` is `dout` and the bar is the mean over the minibatch.

    Parameters
    ----------
    dout : array, shape (N, D)
        Gradient of the loss with respect to the layer's output.
    cache : tuple
        From `batchnorm_forward`.

    Returns
    -------
    dx : array, shape (N, D)
    dgamma : array, shape (D,)
    dbeta : array, shape (D,)

    Raises
    ------
    ValueError
        If `dout` or `cache` does not fit.
    TypeError
        If `dout` is not of float32, float64, integers or booleans.
    """
    xhat, gamma, std, mode = cache
    N = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    if mode == "test":
        return dout * (gamma / std), dgamma, dbeta
    dx = (gamma / std) * (dout - dbeta / N - xhat * (dgamma / N))
    return dx, dgamma, dbeta


def _batchnorm_settings(
    bn_param: dict[str, Any], x: Array
) -> tuple[str, float, float, Array, Array]:
    """Read `bn_param`, filling in what it leaves out."""
    mode = one_of("bn_param['mode']", bn_param.get("mode"), "train", "test")
    eps = number("bn_param['eps']", bn_param.get("eps", 1e-5), above=0)
    momentum = number(
        "bn_param['momentum']", bn_param.get("momentum", 0.9), at_least=0, at_most=1
    )
    running = []
    for key in ("running_mean", "running_var"):
        average = as_float_array(
            f"bn_param[{key!r}]", bn_param.get(key, np.zeros(x.shape[1]))
        )
        if average.shape != x.shape[1:]:
            raise ValueError(
                f"`bn_param[{key!r}]` must have shape {x.shape[1:]}, one number for each feature of "
                f"`x`, but its shape is {average.shape}."
            )
        running.append(average.astype(x.dtype, copy=False))
    return mode, eps, momentum, running[0], running[1]


# ---- layer normalization -------------------------------------------------------------


@takes(x="(N, D>0)", gamma="(D,)", beta="(D,)", ln_param="dict")
def layernorm_forward(
    x: Array, gamma: Array, beta: Array, ln_param: dict[str, Any]
) -> tuple[Array, Any]:
    r"""Normalize each example over its features, then scale and shift each feature.

    .. math:: \text{out}_{nd} = \gamma_d \hat{x}_{nd} + \beta_d, \qquad
              \hat{x}_{nd} = \frac{x_{nd} - \mu_n}{\sqrt{\sigma_n^2 + \epsilon}}

    The mean :math:`\mu_n` and the biased variance :math:`\sigma_n^2` are those of one
    example, so training and test do not differ.

    Parameters
    ----------
    x : array, shape (N, D)
    gamma : array, shape (D,)
        Scale.
    beta : array, shape (D,)
        Shift.
    ln_param : dict
        ``eps``, 1e-5 by default.

    Returns
    -------
    out : array, shape (N, D)
    cache : tuple
        For `layernorm_backward`.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are no features, or ``eps`` is not above 0.
    TypeError
        If an array is not of float32, float64, integers or booleans, or `ln_param` is
        not a dict.

    References
    ----------
    Ba, Kiros, Hinton. Layer normalization. arXiv:1607.06450, 2016.
    """
    eps = number("ln_param['eps']", ln_param.get("eps", 1e-5), above=0)
    mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    std = np.sqrt(var + eps)
    xhat = (x - mean) / std
    out = gamma * xhat + beta
    cache = xhat, gamma, std
    return out, cache


@takes(cache="xhat (N, D), gamma (D,), std (N, 1)", dout="(N, D)")
def layernorm_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Compute the gradients of layer normalization.

    Parameters
    ----------
    dout : array, shape (N, D)
        Gradient of the loss with respect to the layer's output.
    cache : tuple
        From `layernorm_forward`.

    Returns
    -------
    dx : array, shape (N, D)
    dgamma : array, shape (D,)
    dbeta : array, shape (D,)

    Raises
    ------
    ValueError
        If `dout` or `cache` does not fit.
    TypeError
        If `dout` is not of float32, float64, integers or booleans.
    """
    xhat, gamma, std = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    mean_dxhat = dxhat.mean(axis=1, keepdims=True)
    mean_dxhat_xhat = (dxhat * xhat).mean(axis=1, keepdims=True)
    dx = (dxhat - mean_dxhat - xhat * mean_dxhat_xhat) / std
    return dx, dgamma, dbeta


# ---- dropout -------------------------------------------------------------------------


@takes(x="(...)", dropout_param="dict")
def dropout_forward(x: Array, dropout_param: dict[str, Any]) -> tuple[Array, Any]:
    """Keep each unit with probability `p` and divide it by `p`; set the others to zero.

    This is inverted dropout: the expected output equals the input, so the test mode is
    the identity.

    Parameters
    ----------
    x : array of any shape
    dropout_param : dict
        ``mode``, 'train' or 'test'; ``p``, the probability of KEEPING a unit, above 0
        and at most 1; ``seed``, optional: an int that makes every call draw the same
        mask, as a numeric gradient check needs; ``rng``, optional, used where there is
        no seed: a `numpy.random.Generator`, or None for NumPy's global state.

    Returns
    -------
    out : array, the shape of `x`
    cache : tuple
        ``(dropout_param, mask)``, for `dropout_backward`.

    Raises
    ------
    ValueError
        If ``mode`` is unknown or ``p`` lies outside its range.
    TypeError
        If `x` is not of float32, float64, integers or booleans, or `dropout_param` is
        not a dict.

    References
    ----------
    Srivastava et al. Dropout: a simple way to prevent neural networks from overfitting.
    JMLR 15, 2014. Their `p` is the probability of keeping a unit too, but they scale at
    test time.
    """
    mode, p, rng = _dropout_settings(dropout_param)
    if mode == "train":
        mask = (rng.random(x.shape) < p).astype(x.dtype) / p
        out = x * mask
    else:
        mask = None
        out = x
    cache = dropout_param, mask
    return out, cache


@takes(cache="dropout_param, mask? (...)", dout="like mask")
def dropout_backward(dout: Array, cache: Any) -> Array:
    """Compute the gradient of dropout: `dout` times the mask of the forward pass.

    Parameters
    ----------
    dout : array, the shape of the forward pass's `x`
        Gradient of the loss with respect to the layer's output.
    cache : tuple
        From `dropout_forward`.

    Returns
    -------
    dx : array, the shape of `dout`

    Raises
    ------
    ValueError
        If `dout` has another shape than the mask.
    TypeError
        If `dout` is not of float32, float64, integers or booleans.
    """
    dropout_param, mask = cache
    dx = dout if mask is None else dout * mask
    return dx


def _dropout_settings(dropout_param: dict[str, Any]) -> tuple[str, float, Any]:
    """Read `dropout_param`: the mode, the probability of keeping, where numbers are
    drawn."""
    mode = one_of("dropout_param['mode']", dropout_param.get("mode"), "train", "test")
    p = number("dropout_param['p']", dropout_param.get("p"), above=0, at_most=1)
    if mode == "test":
        return mode, p, None
    name = "rng" if dropout_param.get("seed") is None else "seed"
    rng = random_generator(dropout_param.get(name), f"dropout_param[{name!r}]")
    return mode, p, rng


# ---- losses --------------------------------------------------------------------------


@takes(x="(N>0, C>0)", y="labels (N,) of C")
def svm_loss(x: Array, y: Array) -> tuple[float, Array]:
    r"""Compute the multiclass SVM (hinge) loss and its gradient.

    .. math:: L = \frac{1}{N} \sum_n \sum_{j \ne y_n} \max(0,\; x_{nj} - x_{n y_n} + 1)

    The loss is finite as long as the sum is. A NaN counts as no violated margin: it
    makes the loss NaN, and its gradient is 0.

    Parameters
    ----------
    x : array, shape (N, C)
        Scores: `x[n, j]` for class `j` of example `n`.
    y : integer array, shape (N,)
        Labels, from 0 to C - 1.

    Returns
    -------
    loss : float
    dx : array, shape (N, C)
        Gradient of the loss with respect to the scores.

    Raises
    ------
    ValueError
        If the shapes do not fit, the minibatch is empty, or a label lies outside its
        range.
    TypeError
        If `x` is not of float32, float64, integers or booleans, or `y` not of integers.

    References
    ----------
    Weston, Watkins. Support vector machines for multi-class pattern recognition. ESANN
    1999.
    """
    N = len(x)
    rows = np.arange(N)
    margins = np.maximum(0, x - x[rows, y][:, None] + 1)
    margins[rows, y] = 0
    loss = margins.sum() / N

    dx = (margins > 0).astype(x.dtype) / N
    dx[rows, y] -= dx.sum(axis=1)
    return float(loss), dx


@takes(x="(N>0, C>0)", y="labels (N,) of C")
def softmax_loss(x: Array, y: Array) -> tuple[float, Array]:
    r"""Compute the cross-entropy loss of the softmax of the scores, and its gradient.

    .. math:: L = -\frac{1}{N} \sum_n \log p_{n y_n}, \qquad
              p_{nj} = \frac{e^{x_{nj}}}{\sum_k e^{x_{nk}}}, \qquad
              \frac{\partial L}{\partial x_{nj}} = \frac{p_{nj} - 1\{j = y_n\}}{N}

    Each row's largest score is subtracted first, which changes no probability and keeps
    every exponential at most 1, so the loss is finite as long as the scores'
    differences, summed over the minibatch, are. A score of -infinity is a probability
    of 0.

    Parameters
    ----------
    x : array, shape (N, C)
        Scores: `x[n, j]` for class `j` of example `n`.
    y : integer array, shape (N,)
        Labels, from 0 to C - 1.

    Returns
    -------
    loss : float
    dx : array, shape (N, C)
        Gradient of the loss with respect to the scores.

    Raises
    ------
    ValueError
        If the shapes do not fit, the minibatch is empty, or a label lies outside its
        range.
    TypeError
        If `x` is not of float32, float64, integers or booleans, or `y` not of integers.
    """
    N = len(x)
    rows = np.arange(N)
    shifted = x - x.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_probs[rows, y].sum() / N

    dx = np.exp(log_probs)
    dx[rows, y] -= 1
    dx /= N
    return float(loss), dx


@takes(x="(N>0, C>0)", y="labels (N,) of C")
def smoothed_softmax_loss(
    x: Array, y: Array, epsilon: float = 0.1
) -> tuple[float, Array]:
    r"""Compute the cross-entropy loss with smoothed labels, and its gradient.

    .. math:: L = -\frac{1}{N} \sum_{n,j} q_{nj} \log p_{nj}, \qquad
              q_{nj} = (1 - \epsilon)\, 1\{j = y_n\} + \frac{\epsilon}{C}, \qquad
              \frac{\partial L}{\partial x_{nj}} = \frac{p_{nj} - q_{nj}}{N}

    with the probabilities :math:`p` of `softmax_loss`, which this is for
    :math:`\epsilon = 0`. Labels that leave a doubt ask for a finite lead of the right
    score. A score of -infinity makes the loss infinite or NaN.

    Parameters
    ----------
    x : array, shape (N, C)
        Scores: `x[n, j]` for class `j` of example `n`.
    y : integer array, shape (N,)
        Labels, from 0 to C - 1.
    epsilon : float, optional
        The share of each label that is spread evenly over all classes, from 0 to 1.

    Returns
    -------
    loss : float
    dx : array, shape (N, C)
        Gradient of the loss with respect to the scores.

    Raises
    ------
    ValueError
        If the shapes do not fit, the minibatch is empty, or a label or `epsilon` lies
        outside its range.
    TypeError
        If `x` is not of float32, float64, integers or booleans, `y` not of integers, or
        `epsilon` not a number.

    References
    ----------
    Szegedy, Vanhoucke, Ioffe, Shlens, Wojna. Rethinking the Inception architecture for
    computer vision. CVPR 2016, section 7.
    """
    epsilon = number("epsilon", epsilon, at_least=0, at_most=1)
    N, C = x.shape
    q = np.full(x.shape, epsilon / C, x.dtype)
    q[np.arange(N), y] += 1 - epsilon
    shifted = x - x.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -(q * log_probs).sum() / N

    dx = (np.exp(log_probs) - q) / N
    return float(loss), dx
