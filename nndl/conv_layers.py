"""The layers of a convolutional network, as loops that can be followed with a finger.

They follow the contract of `nndl.layers`. What is new is the shape: an example is an
image of `C` channels, `H` by `W` pixels each, a minibatch an array `(N, C, H, W)`.
Convolution and pooling move a window over the image and do the same in every place;
that is all there is to their loops. The normalizations are those of `nndl.layers`, over
other axes.

A NaN or an infinity reaches the outputs of all windows that hold it, and no others; a
window that holds a NaN has NaN as its maximum, whose gradient the first NaN takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arguments import Array, number, takes, whole_number
from ._windows import check_output_size, conv_windows, pool_windows
from .layers import batchnorm_backward_alt, batchnorm_forward

__all__ = [
    "conv_backward_naive",
    "conv_forward_naive",
    "global_avg_pool_backward",
    "global_avg_pool_forward",
    "max_pool_backward_naive",
    "max_pool_forward_naive",
    "spatial_batchnorm_backward",
    "spatial_batchnorm_forward",
    "spatial_groupnorm_backward",
    "spatial_groupnorm_forward",
]


# ---- convolution ---------------------------------------------------------------------


@takes(x="(N, C, H, W)", w="(F, C, HH>0, WW>0)", b="(F,)", conv_param="dict")
def conv_forward_naive(
    x: Array, w: Array, b: Array, conv_param: dict[str, Any]
) -> tuple[Array, Any]:
    r"""Compute a convolution: slide each filter over each image, and at every place
    multiply it with the window it lies on and sum up.

    .. math:: \text{out}_{nfij} = b_f + \sum_{c,p,q} w_{fcpq}\, x_{n,\,c,\,is+p,\,js+q}

    where :math:`s` is the stride and `x` is surrounded by ``pad`` zeros on every side.
    The filter is not turned around, which mathematicians call a cross-correlation.

    Parameters
    ----------
    x : array, shape (N, C, H, W)
        A minibatch of `N` images of `C` channels.
    w : array, shape (F, C, HH, WW)
        `F` filters, each as deep as the image.
    b : array, shape (F,)
        Biases.
    conv_param : dict
        ``stride``, the pixels from one window to the next, at least 1, both down and to
        the right; ``pad``, the pixels of zeros added on each of the four sides, at
        least 0.

    Returns
    -------
    out : array, shape (N, F, H_out, W_out)
        ``H_out = 1 + (H + 2 * pad - HH) // stride``, and `W_out` likewise.
    cache : tuple
        ``(x, w, b, conv_param)``, for `conv_backward_naive`.

    Raises
    ------
    ValueError
        If the shapes do not fit together, a filter is empty or larger than the padded
        image, or ``stride`` or ``pad`` is missing or too small.
    TypeError
        If an array is not of float32, float64, integers or booleans, `conv_param` is
        not a dict, or ``stride`` or ``pad`` is not an integer.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner. Gradient-based learning applied to document
    recognition. Proceedings of the IEEE 86, 1998, section II.

    Dumoulin, Visin. A guide to convolution arithmetic for deep learning.
    arXiv:1603.07285, 2016, relationship 6.
    """
    stride, pad, H_out, W_out = conv_windows(x.shape, w.shape, conv_param)
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    padded = _pad(x, pad)

    out = np.zeros((N, F, H_out, W_out), np.result_type(x, w, b))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    rows = slice(i * stride, i * stride + HH)
                    columns = slice(j * stride, j * stride + WW)
                    window = padded[n, :, rows, columns]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    cache = x, w, b, conv_param
    return out, cache


@takes(
    cache="x (N, C, H, W), w (F, C, HH, WW), b (F,), conv_param dict",
    dout="(N, F, H_out, W_out)",
)
def conv_backward_naive(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    r"""Compute the gradients of a convolution.

    .. math:: \text{dw}_{fcpq} &= \sum_{n,i,j} \text{dout}_{nfij}\, x_{n,\,c,\,is+p,\,js+q}

              \text{dx}_{ncuv} &= \sum_f \sum_{is+p=u,\; js+q=v} \text{dout}_{nfij}\, w_{fcpq}

    where :math:`x` is padded and :math:`(u, v)` one of its pixels. Each output is a sum
    of products, ``window * w[f]``, so its gradient reaches the window multiplied by the
    filter and the filter multiplied by the window. A pixel that lies in several windows
    gets the sum of what it gets from each; the padding's share is cut off.

    Parameters
    ----------
    dout : array, shape (N, F, H_out, W_out)
        Gradient of the loss with respect to the layer's output.
    cache : tuple
        From `conv_forward_naive`.

    Returns
    -------
    dx : array, shape (N, C, H, W)
        Every ``dout[n, f, i, j] * w[f]``, added where its window lies.
    dw : array, shape (F, C, HH, WW)
        Every ``dout[n, f, i, j] * window``, added up for each filter.
    db : array, shape (F,)
        The sum of `dout` over the examples and the places.

    Raises
    ------
    ValueError
        If `dout` or `cache` does not fit.
    TypeError
        If `dout` is not of float32, float64, integers or booleans.
    """
    x, w, b, conv_param = cache
    stride, pad, H_out, W_out = conv_windows(x.shape, w.shape, conv_param)
    check_output_size(dout, H_out, W_out)
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    padded = _pad(x, pad)

    dpadded = np.zeros(padded.shape, np.result_type(dout, w))
    dw = np.zeros(w.shape, np.result_type(dout, x))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    rows = slice(i * stride, i * stride + HH)
                    columns = slice(j * stride, j * stride + WW)
                    window = padded[n, :, rows, columns]
                    dw[f] += dout[n, f, i, j] * window
                    dpadded[n, :, rows, columns] += dout[n, f, i, j] * w[f]
    dx = dpadded[:, :, pad : pad + H, pad : pad + W]
    db = dout.sum(axis=(0, 2, 3))
    return dx, dw, db


def _pad(x: Array, pad: int) -> Array:
    """Surround every image with `pad` zeros on each side."""
    return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))


# ---- max pooling ---------------------------------------------------------------------


@takes(x="(N, C, H, W)", pool_param="dict")
def max_pool_forward_naive(x: Array, pool_param: dict[str, Any]) -> tuple[Array, Any]:
    r"""Compute a max pooling: of each window of each channel, keep the largest number.

    .. math:: \text{out}_{ncij} = \max_{p,q} x_{n,\,c,\,is+p,\,js+q}

    where :math:`s` is the stride. Windows may overlap, and may leave out pixels. A
    window that holds a NaN gives NaN.

    Parameters
    ----------
    x : array, shape (N, C, H, W)
        A minibatch of `N` images of `C` channels.
    pool_param : dict
        ``pool_height`` and ``pool_width``, the size of a window in pixels; ``stride``,
        the pixels from one window to the next, both down and to the right. Each is at
        least 1.

    Returns
    -------
    out : array, shape (N, C, H_out, W_out)
        ``H_out = 1 + (H - pool_height) // stride``, and `W_out` likewise.
    cache : tuple
        ``(x, pool_param)``, for `max_pool_backward_naive`.

    Raises
    ------
    ValueError
        If `x` has another number of axes, a window is larger than the image, or a key
        of `pool_param` is missing or below 1.
    TypeError
        If `x` is not of float32, float64, integers or booleans, `pool_param` is not a
        dict, or one of its three numbers is not an integer.

    References
    ----------
    Scherer, Müller, Behnke. Evaluation of pooling operations in convolutional
    architectures for object recognition. ICANN 2010.
    """
    pool_height, pool_width, stride, H_out, W_out = pool_windows(x.shape, pool_param)
    N, C, H, W = x.shape

    out = np.zeros((N, C, H_out, W_out), x.dtype)
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    rows = slice(i * stride, i * stride + pool_height)
                    columns = slice(j * stride, j * stride + pool_width)
                    out[n, c, i, j] = np.max(x[n, c, rows, columns])
    cache = x, pool_param
    return out, cache


@takes(cache="x (N, C, H, W), pool_param dict", dout="(N, C, H_out, W_out)")
def max_pool_backward_naive(dout: Array, cache: Any) -> Array:
    """Compute the gradient of a max pooling: each window hands its gradient to the
    pixel that was its maximum.

    Of several equal maxima the first takes all of it, row by row from the top left; the
    first NaN counts as the maximum of a window that holds one. A pixel that was the
    maximum of several windows gets the sum of their gradients.

    Parameters
    ----------
    dout : array, shape (N, C, H_out, W_out)
        Gradient of the loss with respect to the layer's output.
    cache : tuple
        From `max_pool_forward_naive`.

    Returns
    -------
    dx : array, shape (N, C, H, W)

    Raises
    ------
    ValueError
        If `dout` or `cache` does not fit.
    TypeError
        If `dout` is not of float32, float64, integers or booleans.
    """
    x, pool_param = cache
    pool_height, pool_width, stride, H_out, W_out = pool_windows(x.shape, pool_param)
    check_output_size(dout, H_out, W_out)
    N, C, H, W = x.shape

    dx = np.zeros(x.shape, dout.dtype)
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    rows = slice(i * stride, i * stride + pool_height)
                    columns = slice(j * stride, j * stride + pool_width)
                    window = x[n, c, rows, columns]
                    first = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, c, rows, columns][first] += dout[n, c, i, j]
    return dx


# ---- global average pooling ----------------------------------------------------------


@takes(x="(N, C, H>0, W>0)")
def global_avg_pool_forward(x: Array) -> tuple[Array, Any]:
    r"""Compute a global average pooling: of each channel, keep the mean over the image.

    .. math:: \text{out}_{nc} = \frac{1}{HW} \sum_{i,j} x_{ncij}

    It leaves one number for each channel, whatever the size of the image, where
    flattening would leave `H` times `W`.

    Parameters
    ----------
    x : array, shape (N, C, H, W)
        A minibatch of `N` images of `C` channels.

    Returns
    -------
    out : array, shape (N, C)
    cache : array
        `x`, for `global_avg_pool_backward`.

    Raises
    ------
    ValueError
        If `x` has another number of axes, or its images are empty.
    TypeError
        If `x` is not of float32, float64, integers or booleans.

    References
    ----------
    Lin, Chen, Yan. Network in network. ICLR 2014, section 3.2.
    """
    out = x.mean(axis=(2, 3))
    cache = x
    return out, cache


@takes(cache="x (N, C, H>0, W>0)", dout="(N, C)")
def global_avg_pool_backward(dout: Array, cache: Any) -> Array:
    """Compute the gradient of a global average pooling: each pixel gets an equal share.

    Parameters
    ----------
    dout : array, shape (N, C)
        Gradient of the loss with respect to the layer's output.
    cache : array
        From `global_avg_pool_forward`.

    Returns
    -------
    dx : array, shape (N, C, H, W)

    Raises
    ------
    ValueError
        If `dout` or `cache` does not fit.
    TypeError
        If `dout` is not of float32, float64, integers or booleans.
    """
    x = cache
    N, C, H, W = x.shape
    share = dout / (H * W)
    dx = np.broadcast_to(share[:, :, None, None], x.shape).copy()
    return dx


# ---- spatial batch normalization -----------------------------------------------------


@takes(x="(N>0, C, H>0, W>0)", gamma="(C,)", beta="(C,)", bn_param="dict")
def spatial_batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]
) -> tuple[Array, Any]:
    r"""Normalize each channel over all images and pixels, then scale and shift it.

    .. math:: \text{out}_{nchw} = \gamma_c \hat{x}_{nchw} + \beta_c, \qquad
              \hat{x}_{nchw} = \frac{x_{nchw} - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}}

    A convolution treats every place of an image alike, so its normalization does too:
    it is `nndl.layers.batchnorm_forward` with each pixel as an example and each channel
    as a feature.

    Parameters
    ----------
    x : array, shape (N, C, H, W)
    gamma : array, shape (C,)
        Scale.
    beta : array, shape (C,)
        Shift.
    bn_param : dict
        As in `nndl.layers.batchnorm_forward`, which also stores the running averages in
        it: ``mode``, 'train' or 'test'; ``eps``, 1e-5 by default; ``momentum``, 0.9 by
        default; ``running_mean`` and ``running_var``, shape (C,), 0 by default.

    Returns
    -------
    out : array, shape (N, C, H, W)
    cache : tuple
        For `spatial_batchnorm_backward`.

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
    internal covariate shift. ICML 2015, section 3.2.
    """
    out, cache = batchnorm_forward(_as_rows(x), gamma, beta, bn_param)
    xhat, gamma, std, mode = cache
    cache = _as_images(xhat, x.shape), gamma, std, mode
    return _as_images(out, x.shape), cache


@takes(cache="xhat (N, C, H, W), gamma (C,), std (C,), mode", dout="(N, C, H, W)")
def spatial_batchnorm_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Compute the gradients of spatial batch normalization.

    Parameters
    ----------
    dout : array, shape (N, C, H, W)
        Gradient of the loss with respect to the layer's output.
    cache : tuple
        From `spatial_batchnorm_forward`. In test mode the statistics are constants, and
        so they are here.

    Returns
    -------
    dx : array, shape (N, C, H, W)
    dgamma : array, shape (C,)
    dbeta : array, shape (C,)

    Raises
    ------
    ValueError
        If `dout` or `cache` does not fit.
    TypeError
        If `dout` is not of float32, float64, integers or booleans.
    """
    xhat, gamma, std, mode = cache
    cache = _as_rows(xhat), gamma, std, mode
    dx, dgamma, dbeta = batchnorm_backward_alt(_as_rows(dout), cache)
    return _as_images(dx, dout.shape), dgamma, dbeta


def _as_rows(images: Array) -> Array:
    """Return images (N, C, H, W) as rows (N * H * W, C), one for each pixel."""
    N, C, H, W = images.shape
    return images.transpose(0, 2, 3, 1).reshape(N * H * W, C)


def _as_images(rows: Array, shape: tuple[int, ...]) -> Array:
    """Return rows (N * H * W, C) as the images (N, C, H, W) that they were."""
    N, C, H, W = shape
    return rows.reshape(N, H, W, C).transpose(0, 3, 1, 2)


# ---- group normalization -------------------------------------------------------------


@takes(
    x="(N, C>0, H>0, W>0)",
    gamma="(1, C, 1, 1) or (C,)",
    beta="(1, C, 1, 1) or (C,)",
    gn_param="dict",
)
def spatial_groupnorm_forward(
    x: Array, gamma: Array, beta: Array, G: int, gn_param: dict[str, Any]
) -> tuple[Array, Any]:
    r"""Normalize each image's groups of channels, then scale and shift each channel.

    .. math:: \text{out}_{nchw} = \gamma_c \hat{x}_{nchw} + \beta_c, \qquad
              \hat{x}_{nchw} = \frac{x_{nchw} - \mu_{ng}}{\sqrt{\sigma_{ng}^2 + \epsilon}}

    The `C` channels are split in their order into `G` groups of equal size. The mean
    :math:`\mu_{ng}` and the biased variance :math:`\sigma_{ng}^2` are those of all
    pixels of all channels of image `n` in the group :math:`g` that channel `c` belongs
    to, so training and test do not differ. One group is layer normalization over whole
    images, as many groups as channels are instance normalization.

    Parameters
    ----------
    x : array, shape (N, C, H, W)
    gamma : array, shape (1, C, 1, 1) or (C,)
        Scale.
    beta : array, shape (1, C, 1, 1) or (C,)
        Shift.
    G : int
        Number of groups; it divides `C`.
    gn_param : dict
        ``eps``, 1e-5 by default.

    Returns
    -------
    out : array, shape (N, C, H, W)
    cache : tuple
        For `spatial_groupnorm_backward`.

    Raises
    ------
    ValueError
        If the shapes do not fit, an image is empty, `G` is below 1 or does not divide
        `C`, or ``eps`` is not above 0.
    TypeError
        If an array is not of float32, float64, integers or booleans, `G` is not an
        integer, or `gn_param` is not a dict.

    References
    ----------
    Wu, He. Group normalization. ECCV 2018.
    """
    N, C, H, W = x.shape
    G, eps = _groupnorm_settings(G, gn_param, x)

    groups = x.reshape(N, G, C // G, H, W)
    mean = groups.mean(axis=(2, 3, 4), keepdims=True)
    std = np.sqrt(groups.var(axis=(2, 3, 4), keepdims=True) + eps)
    xhat = ((groups - mean) / std).reshape(x.shape)
    out = gamma.reshape(1, C, 1, 1) * xhat + beta.reshape(1, C, 1, 1)
    cache = xhat, gamma, beta, std
    return out, cache


@takes(
    cache="xhat (N, C, H, W), gamma (1, C, 1, 1) or (C,), "
    "beta (1, C, 1, 1) or (C,), std (N, G, 1, 1, 1)",
    dout="(N, C, H, W)",
)
def spatial_groupnorm_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    r"""Compute the gradients of group normalization.

    .. math:: \frac{\partial L}{\partial x} = \frac{1}{\sqrt{\sigma^2 + \epsilon}} \left(
              d - \overline{d} - \hat{x}\, \overline{d \hat{x}} \right),
              \qquad d = \gamma\, \frac{\partial L}{\partial \text{out}}

    where the bar is the mean over a group's channels and pixels.

    Parameters
    ----------
    dout : array, shape (N, C, H, W)
        Gradient of the loss with respect to the layer's output.
    cache : tuple
        From `spatial_groupnorm_forward`.

    Returns
    -------
    dx : array, shape (N, C, H, W)
    dgamma : array, the shape of `gamma`
    dbeta : array, the shape of `beta`

    Raises
    ------
    ValueError
        If `dout` or `cache` does not fit.
    TypeError
        If `dout` is not of float32, float64, integers or booleans.
    """
    xhat, gamma, beta, std = cache
    N, C, H, W = xhat.shape
    G = std.shape[1]
    dbeta = dout.sum(axis=(0, 2, 3)).reshape(beta.shape)
    dgamma = (dout * xhat).sum(axis=(0, 2, 3)).reshape(gamma.shape)

    # From here on by groups, as the statistics are.
    dxhat = (dout * gamma.reshape(1, C, 1, 1)).reshape(N, G, C // G, H, W)
    xhat = xhat.reshape(N, G, C // G, H, W)
    mean_dxhat = dxhat.mean(axis=(2, 3, 4), keepdims=True)
    mean_dxhat_xhat = (dxhat * xhat).mean(axis=(2, 3, 4), keepdims=True)
    dx = (dxhat - mean_dxhat - xhat * mean_dxhat_xhat) / std
    return dx.reshape(dout.shape), dgamma, dbeta


def _groupnorm_settings(
    G: Any, gn_param: dict[str, Any], x: Array
) -> tuple[int, float]:
    """Read `G` and `gn_param`, filling in what the latter leaves out."""
    G = whole_number("G", G, at_least=1)
    if x.shape[1] % G:
        raise ValueError(
            f"`G` must divide the number of channels of `x`, but {G} groups do not divide "
            f"{x.shape[1]} channels (x: {x.shape})."
        )
    return G, number("gn_param['eps']", gn_param.get("eps", 1e-5), above=0)
