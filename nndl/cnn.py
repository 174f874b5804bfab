"""Convolutional networks: chains of the layers in `nndl.conv_layers` and `nndl.layers`.

They keep the contract of `nndl.fc_net`: a dict `params` of named arrays, and a method
`loss` that returns scores or, given labels, the loss and the gradients.
`ThreeLayerConvNet` has its layers written out; `ConvNet` reads them from a line of
text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from . import _twins
from ._arguments import Array, flag, number, one_of, shown, whole_number
from ._networks import Network, Params, size
from ._random import RandomSource, random_generator
from ._spec import Layer, plan
from ._windows import conv_windows, pool_windows

__all__ = ["ConvNet", "ThreeLayerConvNet"]


class ThreeLayerConvNet(Network):
    """A network convolution - [batch normalization] - ReLU - 2x2 max pooling - affine -
    [batch normalization] - ReLU - affine - softmax.

    Parameters
    ----------
    input_dim : tuple of int, optional
        The shape (C, H, W) of an image.
    num_filters : int, optional
        Filters of the convolution, `F`.
    filter_size : int, optional
        Their height and width in pixels. The stride is 1 and the padding
        ``(filter_size - 1) // 2``, which keeps the size of the image if `filter_size`
        is odd.
    hidden_dim : int, optional
        Units of the hidden affine layer, `M`.
    num_classes : int, optional
        Classes.
    weight_scale : float or 'he', optional
        Standard deviation of the initial weights; 'he' takes ``sqrt(2 / inputs)`` for
        each layer, where a filter has ``C * filter_size ** 2`` inputs (He et al. 2015,
        equation 10). Biases and `beta` start at 0, `gamma` at 1.
    reg : float, optional
        Strength of the L2 penalty ``0.5 * reg * sum(W ** 2)`` over all three weights.
    dtype : float32 or float64, optional
        Of parameters, activations and gradients.
    use_batchnorm : bool, optional
        Whether to normalize the convolution's output over minibatch and pixels, and the
        hidden affine layer's over the minibatch.
    rng : numpy.random.Generator, int or None, optional
        Source of the initial weights; None follows NumPy's global state.
    fast : bool, optional
        Whether the compiled twins of the layers run; if not, the readable functions of
        `nndl.conv_layers` and `nndl.layers` do. Results are the same up to rounding.

    Attributes
    ----------
    params : dict
        ``W1`` (F, C, filter_size, filter_size), ``b1`` (F,), ``W2`` (D, M), ``b2``
        (M,), ``W3`` (M, num_classes), ``b3`` (num_classes,), where `D` counts the
        numbers that the pooling leaves of an image; with batch normalization also
        ``gamma1``, ``beta1`` (F,) and ``gamma2``, ``beta2`` (M,).
    bn_params : list of dict
        With batch normalization: the settings and running averages of the two.
    fast : bool
        As given; it may be changed.

    Raises
    ------
    ValueError, TypeError
        If an argument lies outside its range or is of the wrong type, or a filter or
        the pooling is larger than the image.
    """

    def __init__(
        self,
        input_dim: Sequence[int] = (3, 32, 32),
        num_filters: int = 32,
        filter_size: int = 7,
        hidden_dim: int = 100,
        num_classes: int = 10,
        weight_scale: float | str = 1e-3,
        reg: float = 0.0,
        dtype: DTypeLike = np.float32,
        use_batchnorm: bool = False,
        *,
        rng: RandomSource = None,
        fast: bool = True,
    ) -> None:
        super().__init__(reg, dtype, fast)
        self.input_dim = _image_shape(input_dim)
        F = size("num_filters", num_filters)
        K = size("filter_size", filter_size)
        M = size("hidden_dim", hidden_dim)
        num_classes = size("num_classes", num_classes)
        self.use_batchnorm = flag("use_batchnorm", use_batchnorm)
        rng = random_generator(rng)

        self.conv_param = {"stride": 1, "pad": (K - 1) // 2}
        self.pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
        filters = (F, self.input_dim[0], K, K)
        *_, H, W = conv_windows((1, *self.input_dim), filters, self.conv_param)
        *_, H, W = pool_windows((1, F, H, W), self.pool_param)

        self._add_weights(1, filters, weight_scale, rng)
        self._add_weights(2, (F * H * W, M), weight_scale, rng)
        self._add_weights(3, (M, num_classes), weight_scale, rng)
        if self.use_batchnorm:
            for i, features in ((1, F), (2, M)):
                self._add_scale_and_shift(i, features)
                self._add_running_averages(features)

    def loss(self, X: Array, y: Array | None = None) -> Any:
        """Compute the scores of a minibatch in test mode, or its loss and gradients in
        training.

        Parameters
        ----------
        X : array, shape (N, C, H, W)
        y : integer array, shape (N,), optional

        Returns
        -------
        scores : array, shape (N, num_classes)
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
        scores, caches = self._forward(self._as_input(X, self.input_dim))
        if y is None:
            return scores
        loss, dscores = _twins.layers(self.fast).softmax_loss(scores, y)
        grads = self._backward(dscores, caches)
        return loss + self._add_l2(grads), grads

    def _forward(self, X: Array) -> tuple[Array, Any]:
        """Compute the scores, and keep what the way back needs."""
        layers, p = _twins.layers(self.fast), self.params
        if self.use_batchnorm:
            out, conv_cache = layers.conv_bn_relu_forward(
                X, p["W1"], p["b1"], p["gamma1"], p["beta1"],
                self.conv_param, self.bn_params[0],
            )  # fmt: skip
            out, pool_cache = layers.max_pool_forward(out, self.pool_param)
            out, affine_cache = layers.affine_bn_relu_forward(
                out, p["W2"], p["b2"], p["gamma2"], p["beta2"], self.bn_params[1]
            )
        else:
            out, conv_cache = layers.conv_relu_pool_forward(
                X, p["W1"], p["b1"], self.conv_param, self.pool_param
            )
            pool_cache = None
            out, affine_cache = layers.affine_relu_forward(out, p["W2"], p["b2"])
        scores, scores_cache = layers.affine_forward(out, p["W3"], p["b3"])
        return scores, (conv_cache, pool_cache, affine_cache, scores_cache)

    def _backward(self, dscores: Array, caches: Any) -> Params:
        """Compute the gradients of all parameters."""
        layers, grads = _twins.layers(self.fast), {}
        conv_cache, pool_cache, affine_cache, scores_cache = caches
        dout, grads["W3"], grads["b3"] = layers.affine_backward(dscores, scores_cache)
        if self.use_batchnorm:
            dout, grads["W2"], grads["b2"], grads["gamma2"], grads["beta2"] = (
                layers.affine_bn_relu_backward(dout, affine_cache)
            )
            dout = layers.max_pool_backward(dout, pool_cache)
            _, grads["W1"], grads["b1"], grads["gamma1"], grads["beta1"] = (
                layers.conv_bn_relu_backward(dout, conv_cache, need_dx=False)
            )
        else:
            dout, grads["W2"], grads["b2"] = layers.affine_relu_backward(
                dout, affine_cache
            )
            _, grads["W1"], grads["b1"] = layers.conv_relu_pool_backward(
                dout, conv_cache, need_dx=False
            )
        return grads


class ConvNet(Network):
    """A network of layers that follow one another, described by a line of text.

    ``print(net)`` shows its layers, the shape of what each makes of one image, and its
    number of parameters.

    Parameters
    ----------
    spec : str
        The layers, with ``-`` between them; ``[...] x N`` repeats a group, and
        ``skip [...]`` adds what a group makes of its input to that input, a residual
        connection (He et al. 2016). A last affine layer, to the scores, is added. A
        layer is one of

        - ``conv F [KxL] [stride S] [pad P]``: `F` filters of `K` by `L` pixels, 3x3
          unless given; the stride is 1 and the padding ``(K - 1) // 2``, which keeps
          the size of the image, unless given (filters that are not square, or of even
          size, need their padding given);
        - ``pool [KxL] [stride S]``: max pooling, 2x2 with stride 2 unless given;
        - ``gap``: global average pooling, the mean of each channel over all pixels;
        - ``affine M``: `M` units;
        - ``bn``, batch normalization, after ``conv`` or ``affine``; ``gn G``, group
          normalization in `G` groups, after ``conv``; ``ln``, layer normalization,
          after ``affine``: at most one for each of these, at once or later;
        - ``relu``;
        - ``dropout KEEP``, which keeps a unit with probability `KEEP`.

    input_dim : tuple of int, optional
        The shape (C, H, W) of an image.
    num_classes : int, optional
        Classes.
    weight_scale : float or 'he', optional
        Standard deviation of the initial weights; 'he' takes ``sqrt(2 / inputs)`` for
        each layer, where a filter has ``C * K * L`` inputs (He et al. 2015, equation
        10). Biases and `beta` start at 0, `gamma` at 1.
    reg : float, optional
        Strength of the L2 penalty ``0.5 * reg * sum(W ** 2)`` over every weight array;
        biases, `gamma` and `beta` are excluded.
    dtype : float32 or float64, optional
        Of parameters, activations and gradients.
    loss : 'softmax' or 'svm', optional
        What is computed from the scores and the labels.
    label_smoothing : float, optional
        The share of each label that the softmax loss spreads over all classes; see
        `nndl.layers.smoothed_softmax_loss`.
    seed : int or None, optional
        If given, dropout draws the same masks at every call, as a numeric gradient
        check needs.
    rng : numpy.random.Generator, int or None, optional
        Source of the initial weights and of the dropout masks; None follows NumPy's
        global state.
    fast : bool, optional
        Whether the compiled twins of the layers run; if not, the readable functions of
        `nndl.conv_layers` and `nndl.layers` do. Results are the same up to rounding.

    Attributes
    ----------
    params : dict
        ``W1``, ``b1``, ``W2``, ``b2``, ... of the convolutions and affine layers, which
        are counted together; ``gamma3``, ``beta3`` of a normalization between the third
        of them and the fourth.
    bn_params : list of dict
        The settings and running averages of each ``bn``, in their order.
    num_layers : int
        The number of layers with weights.
    fast : bool
        As given; it may be changed.

    Raises
    ------
    ValueError, TypeError
        If an argument lies outside its range or is of the wrong type, or a layer of the
        spec is misspelt or does not fit what comes before it.

    References
    ----------
    He, Zhang, Ren, Sun. Deep residual learning for image recognition. CVPR 2016.
    Lin, Chen, Yan. Network in network. ICLR 2014, for global average pooling.

    Examples
    --------
    >>> from nndl.cnn import ConvNet
    >>> print(ConvNet("conv 8 5x5 - relu - pool - affine 20 - relu", (1, 28, 28)))
    layer       output       parameters
    conv 8 5x5  8 x 28 x 28         208
    relu        8 x 28 x 28           0
    pool        8 x 14 x 14           0
    affine 20   20               31,380
    relu        20                    0
    affine 10   10                  210
    total                        31,798
    """

    def __init__(
        self,
        spec: str,
        input_dim: Sequence[int] = (3, 32, 32),
        num_classes: int = 10,
        weight_scale: float | str = "he",
        reg: float = 0.0,
        dtype: DTypeLike = np.float32,
        loss: str = "softmax",
        seed: int | None = None,
        *,
        label_smoothing: float = 0.0,
        rng: RandomSource = None,
        fast: bool = True,
    ) -> None:
        super().__init__(reg, dtype, fast)
        self.input_dim = _image_shape(input_dim)
        num_classes = size("num_classes", num_classes)
        self.loss_name = one_of("loss", loss, "softmax", "svm")
        self.label_smoothing = number(
            "label_smoothing", label_smoothing, at_least=0, below=1
        )
        if self.label_smoothing and self.loss_name == "svm":
            raise ValueError("`label_smoothing` must be 0 where `loss` is 'svm'.")
        if seed is not None:
            seed = whole_number("seed", seed, at_least=0)
        rng = random_generator(rng)

        self.layers = plan(spec, self.input_dim, num_classes)
        self._steps = _steps(self.layers)
        self.num_layers = 0
        for layer in self.layers:
            if layer.kind in ("conv", "affine"):
                self.num_layers += 1
                shape = layer.params[f"W{self.num_layers}"]
                self._add_weights(self.num_layers, shape, weight_scale, rng)
            elif layer.kind in ("bn", "ln", "gn"):
                self._add_scale_and_shift(self.num_layers, layer.output[0])
            if layer.kind == "bn":
                self._add_running_averages(layer.output[0])
            if layer.kind == "dropout":
                self._add_dropout(layer.numbers["KEEP"], seed, rng)

    def loss(self, X: Array, y: Array | None = None) -> Any:
        """Compute the scores of a minibatch in test mode, or its loss and gradients in
        training.

        Parameters
        ----------
        X : array, shape (N, C, H, W)
        y : integer array, shape (N,), optional

        Returns
        -------
        scores : array, shape (N, num_classes)
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
        held = {"bn": iter(self.bn_params), "dropout": iter(self.dropout_params)}
        out = self._as_input(X, self.input_dim)
        caches: list[Any] = []
        inputs: list[Array] = []  # of the residual connections not yet closed
        for step in self._steps:
            if step.function == "skip":
                inputs.append(out)
                continue
            if step.function == "add":
                out = out + inputs.pop()
                continue
            forward = getattr(layers, f"{step.function}_forward")
            arrays = [self.params[name] for name in step.names]
            settings: list[Any] = []
            for layer in step.layers:
                if layer.kind in held:
                    settings.append(next(held[layer.kind]))
                else:
                    settings.extend(layer.settings)
            out, cache = forward(out, *arrays, *settings)
            caches.append(cache)
        if y is None:
            return out

        grads: Params = {}
        if self.label_smoothing:
            loss, dout = layers.smoothed_softmax_loss(out, y, self.label_smoothing)
        else:
            loss, dout = getattr(layers, f"{self.loss_name}_loss")(out, y)
        douts: list[Array] = []  # on their way around the layers in between
        for step in reversed(self._steps):
            if step.function == "add":
                douts.append(dout)
                continue
            if step.function == "skip":
                dout = dout + douts.pop()
                continue
            backward = getattr(layers, f"{step.function}_backward")
            if not step.names:  # a ReLU, pooling or dropout
                dout = backward(dout, caches.pop())
                continue
            # Nobody asks for the gradient with respect to the images.
            options = {"need_dx": False} if step is self._steps[0] else {}
            dout, *dparams = backward(dout, caches.pop(), **options)
            grads.update(zip(step.names, dparams, strict=True))
        return loss + self._add_l2(grads), grads

    def __str__(self) -> str:
        """Return a table of the layers, their outputs for one image, and their numbers
        of parameters."""
        sizes = [
            sum(math.prod(shape) for shape in layer.params.values())
            for layer in self.layers
        ]
        rows = [
            ("layer", "output", "parameters"),
            *(
                (layer.text, " x ".join(map(str, layer.output)), f"{size:,}")
                for layer, size in zip(self.layers, sizes, strict=True)
            ),
            ("total", "", f"{sum(sizes):,}"),
        ]
        texts, outputs, numbers = (
            max(map(len, column)) for column in zip(*rows, strict=True)
        )
        return "\n".join(
            f"{text:{texts}}  {output:{outputs}}  {size:>{numbers}}"
            for text, output, size in rows
        )


class _Step(NamedTuple):
    """One layer, or neighbours that run as one."""

    #: In `nndl.layers`, `nndl.conv_layers` or `nndl.layer_utils`.
    function: str
    #: Names of the parameters that it takes.
    names: list[str]
    layers: list[Layer]


#: The neighbours that `nndl.layer_utils` runs as one, longest first.
_SANDWICHES = (
    ["conv", "bn", "relu"],
    ["conv", "relu", "pool"],
    ["affine", "bn", "relu"],
    ["conv", "relu"],
    ["affine", "relu"],
)


def _steps(layers: list[Layer]) -> list[_Step]:
    """Put neighbouring layers together where there is a sandwich of them.

    The parameters and settings of a sandwich are those of its layers, one after the
    other.
    """
    steps = []
    while layers:
        kinds = [layer.kind for layer in layers]
        sandwich = next((s for s in _SANDWICHES if kinds[: len(s)] == s), None)
        function = "_".join(sandwich) if sandwich else layers[0].function
        length = len(sandwich) if sandwich else 1
        together, layers = layers[:length], layers[length:]
        names = [name for layer in together for name in layer.params]
        steps.append(_Step(function, names, together))
    return steps


def _image_shape(input_dim: Any) -> tuple[int, int, int]:
    """Check that `input_dim` is the shape of an image."""
    if not isinstance(input_dim, Sequence) or len(input_dim) != 3:
        raise TypeError(
            f"`input_dim` must be three integers, (C, H, W), but is {shown(input_dim)}."
        )
    C, H, W = (size("input_dim", pixels) for pixels in input_dim)
    return C, H, W
