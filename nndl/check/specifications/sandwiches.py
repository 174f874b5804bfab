"""Sandwiches: an affine layer or a convolution, then batch normalization, ReLU, pooling.

The twins are chains of the book's readable layers with one link wrong. They are written
for both kinds of sandwich at once: what a convolution takes besides, its `conv_param`,
stands in ``*conv``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ... import conv_layers, layer_utils, layers
from .._calls import Trouble
from .._specification import (
    EDGE_CASES,
    TEST_MODE,
    Backward,
    Case,
    Forward,
    Function,
    Mistake,
    Outputs,
    Specification,
    numbers,
)

Array = np.ndarray
Param = dict[str, Any]


class Layer(NamedTuple):
    """A layer, by the name that a reader calls it."""

    name: str
    forward: Function
    backward: Function


AFFINE = Layer("affine layer", layers.affine_forward, layers.affine_backward)
CONV = Layer(
    "convolution", conv_layers.conv_forward_naive, conv_layers.conv_backward_naive
)
BATCHNORM = Layer(
    "batch normalization", layers.batchnorm_forward, layers.batchnorm_backward
)
SPATIAL_BATCHNORM = Layer(
    "spatial batch normalization",
    conv_layers.spatial_batchnorm_forward,
    conv_layers.spatial_batchnorm_backward,
)


def _relu(a: Array) -> Array:
    return np.maximum(0, a)


_SEVERAL_AXES = "examples with two axes"


class _Explained(Specification):
    """Mixed into a specification: says what an exception in a chain of layers means."""

    MEANING = ""

    def observe(
        self, function: Function, forward: Function | None, case: Case
    ) -> Outputs:
        try:
            return super().observe(function, forward, case)
        except Trouble as trouble:
            why = trouble.why or self.MEANING
            if case.name.startswith(_SEVERAL_AXES) and isinstance(self, ForwardChain):
                why = (
                    "An example may have several axes: flatten each one before the matrix product, and "
                    "keep x as it came for the backward pass."
                )
            if trouble.cause == "exception":
                raise Trouble(
                    "exception", trouble.problem, why, trouble.line
                ) from trouble.__cause__
            raise


class ForwardChain(_Explained, Forward):
    """The forward pass of a sandwich."""

    MEANING = "Each layer must get the output of the one before it, and the settings that are its own."


class BackwardChain(_Explained, Backward):
    """The backward pass of a sandwich."""

    MEANING = (
        "The backward passes run in the opposite order of the forward passes, and each must get the "
        "cache of its own layer."
    )


# ---- cases ---------------------------------------------------------------------------


def _biases(count: int) -> Array:
    """Return biases that keep every unit away from 0, where the ReLU has no slope and two
    right functions may differ: x @ w is a multiple of 0.01."""
    return numbers(count, seed=3) + 0.005


def _affine_arguments(x: tuple[int, ...], M: int) -> tuple[Array, Array, Array]:
    D = int(np.prod(x[1:]))
    return numbers(*x), numbers(D, M, seed=2), _biases(M)


def _conv_arguments(
    x: tuple[int, int, int, int], filters: tuple[int, int, int]
) -> tuple[Array, Array, Array]:
    F, HH, WW = filters
    return numbers(*x), numbers(F, x[1], HH, WW, seed=2), _biases(F)


def _bn_arguments(
    count: int, running: bool = True, **settings: Any
) -> tuple[Array, Array, Param]:
    bn_param: Param = {"mode": "train", "eps": 0.3} | settings
    if running:
        bn_param["running_mean"] = numbers(count, seed=4)
        bn_param["running_var"] = 1 + numbers(count, seed=5) ** 2
    return 1 + numbers(count, seed=6) / 2, numbers(count, seed=7), bn_param


def _conv(stride: int, pad: int) -> Param:
    return {"stride": stride, "pad": pad}


def _pool(height: int, width: int, stride: int) -> Param:
    return {"pool_height": height, "pool_width": width, "stride": stride}


AFFINE_RELU_CASES = (
    Case(
        "5 examples of 3 features, 4 units",
        _affine_arguments((5, 3), 4),
        sizes={"N": 5, "D": 3, "M": 4},
    ),
    Case(
        "3 examples of 6 features, 2 units",
        _affine_arguments((3, 6), 2),
        sizes={"N": 3, "D": 6, "M": 2},
    ),
    Case(
        f"{_SEVERAL_AXES}, (4, 2, 3)",
        _affine_arguments((4, 2, 3), 5),
        EDGE_CASES,
        {"N": 4, "D": 6, "M": 5},
    ),
    Case("a batch of one", _affine_arguments((1, 3), 5), EDGE_CASES, {"D": 3, "M": 5}),
)

AFFINE_BN_RELU_CASES = (
    Case(
        "5 examples of 3 features, 4 units",
        (*_affine_arguments((5, 3), 4), *_bn_arguments(4)),
        sizes={"N": 5, "D": 3, "M": 4},
    ),
    Case(
        "6 examples of 4 features, 2 units, the first call",
        (*_affine_arguments((6, 4), 2), *_bn_arguments(2, running=False, momentum=0.6)),
        sizes={"N": 6, "D": 4, "M": 2},
    ),
    Case(
        "running averages, in test mode",
        (*_affine_arguments((5, 3), 4), *_bn_arguments(4, mode="test")),
        TEST_MODE,
        {"N": 5, "D": 3, "M": 4},
    ),
    Case(
        f"{_SEVERAL_AXES}, (4, 2, 3)",
        (*_affine_arguments((4, 2, 3), 5), *_bn_arguments(5)),
        EDGE_CASES,
        {"N": 4, "D": 6, "M": 5},
    ),
)

# Windows of different sizes and images that are not square, so that no two of a
# convolution's lengths can stand in for each other.
_IMAGES = (
    (
        "2 images of 3 channels, 4x5 pixels, 4 filters, with pad = 1",
        (2, 3, 4, 5),
        (4, 3, 3),
        _conv(1, 1),
    ),
    (
        "3 images of 2 channels, 5x4 pixels, 2 filters, without padding",
        (3, 2, 5, 4),
        (2, 3, 2),
        _conv(1, 0),
    ),
)
_STRIDE = ("a stride of 2, filters of 3x2", (2, 2, 6, 5), (3, 3, 2), _conv(2, 1))


def _image_sizes(x: tuple[int, ...], filters: tuple[int, ...]) -> dict[str, float]:
    return {"N": x[0], "C": x[1], "F": filters[0]}


CONV_RELU_CASES = (
    *(
        Case(name, (*_conv_arguments(x, filters), conv), sizes=_image_sizes(x, filters))
        for name, x, filters, conv in _IMAGES
    ),
    Case(_STRIDE[0], (*_conv_arguments(*_STRIDE[1:3]), _STRIDE[3]), EDGE_CASES),
    Case(
        "a single image of one channel",
        (*_conv_arguments((1, 1, 3, 4), (1, 2, 2)), _conv(1, 0)),
        EDGE_CASES,
    ),
)


def _conv_bn_case(
    name: str,
    x: tuple[int, int, int, int],
    filters: tuple[int, int, int],
    conv: Param,
    stage: str = "values",
    **settings: Any,
) -> Case:
    # The sums of a window vary by far more than those of an affine layer.
    gamma, beta, bn_param = _bn_arguments(filters[0], **{"eps": 30.0} | settings)
    arguments = (*_conv_arguments(x, filters), gamma, beta, conv, bn_param)
    return Case(name, arguments, stage, _image_sizes(x, filters))


CONV_BN_RELU_CASES = (
    _conv_bn_case(*_IMAGES[0]),
    _conv_bn_case(f"{_IMAGES[1][0]}, the first call", *_IMAGES[1][1:], running=False, momentum=0.6),
    _conv_bn_case("running averages, in test mode", *_IMAGES[0][1:], TEST_MODE, mode="test"),
    _conv_bn_case(*_STRIDE, EDGE_CASES),
)  # fmt: skip


def _silenced(
    x: tuple[int, int, int, int], filters: tuple[int, int, int], by: float
) -> tuple[Array, Array, Array]:
    """Return arguments with biases so low that in some windows no unit is active."""
    images, weights, biases = _conv_arguments(x, filters)
    return images, weights, biases - by


CONV_RELU_POOL_CASES = (
    Case(
        "2 images of 3 channels, 4x6 pixels, 4 filters, pooled 2x2",
        (*_silenced((2, 3, 4, 6), (4, 3, 3), 200), _conv(1, 1), _pool(2, 2, 2)),
        sizes=_image_sizes((2, 3), (4,)),
    ),
    Case(
        "3 images of 2 channels, 5x5 pixels, 2 filters, pooled 2x3 with stride 1",
        (*_silenced((3, 2, 5, 5), (2, 3, 2), 15), _conv(1, 0), _pool(2, 3, 1)),
        sizes=_image_sizes((3, 2), (2,)),
    ),
    Case(
        "a convolution with stride 2, pooled 2x1",
        (*_silenced((2, 2, 7, 6), (3, 3, 2), 10), _conv(2, 1), _pool(2, 1, 2)),
        EDGE_CASES,
    ),
    Case(
        "windows that overlap",
        (*_silenced((1, 2, 6, 6), (2, 2, 2), 6), _conv(1, 0), _pool(3, 3, 2)),
        EDGE_CASES,
    ),
)

# ---- forward: what may go wrong with the ReLU ----------------------------------------


def _out(layer: Layer, *arguments: Any) -> Array:
    out: Array = layer.forward(*arguments)[0]
    return out


def _outputs(function: Callable[..., Array]) -> Function:
    """Return a forward pass from a function that gives its output only."""
    return lambda *arguments: (function(*arguments), None)


def _linear_mistakes(
    linear: Layer, finish: Callable[..., Array]
) -> tuple[Mistake, ...]:
    """Return the mistakes of a sandwich that begins with x, w and b; `finish` makes the
    output of the linear layer's one, given the remaining arguments."""

    def chain(begin: Callable[..., Array]) -> Function:
        def out(x: Array, w: Array, b: Array, *rest: Any) -> Array:
            return finish(begin(x, w, b, *_conv_param(linear, rest)), *rest)

        return _outputs(out)

    return (
        Mistake(
            "bias-forgotten",
            f"The {linear.name} lacks its bias.",
            chain(lambda x, w, b, *conv: _out(linear, x, w, 0 * b, *conv)),
        ),
        Mistake(
            "relu-first",
            f"The ReLU was applied to x, before the {linear.name}, and once more at its place.",
            chain(lambda x, w, b, *conv: _out(linear, _relu(x), w, b, *conv)),
        ),
    )  # fmt: skip


def _conv_param(linear: Layer, rest: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what a linear layer takes besides x, w and b, from what a sandwich does."""
    return tuple(one for one in rest if linear is CONV and "pad" in one)


def _conv_mistakes(sandwich: Function, place: int) -> tuple[Mistake, ...]:
    """Return the mistakes of a sandwich whose `conv_param` gets lost on the way."""

    def with_param(change: Callable[[Param, Array], Param]) -> Function:
        def twin(*arguments: Any) -> Any:
            changed = list(arguments)
            changed[place] = change(arguments[place], arguments[1])
            return sandwich(*changed)

        return twin

    return (
        Mistake(
            "conv-param-lost",
            "The convolution pads as is usual for its filters, not as `conv_param` says: pass "
            "`conv_param` on.",
            with_param(lambda given, w: _conv(1, (w.shape[2] - 1) // 2)),
        ),
        Mistake(
            "conv-param-lost",
            "`conv_param` does not reach the convolution, which runs with stride 1 and no padding.",
            with_param(lambda given, w: _conv(1, 0)),
        ),
        Mistake(
            "pad-ignored",
            "The images are not padded: `conv_param['pad']` is lost on the way.",
            with_param(lambda given, w: given | {"pad": 0}),
        ),
        Mistake(
            "stride-ignored",
            "The convolution runs with stride 1: `conv_param['stride']` is lost on the way.",
            with_param(lambda given, w: given | {"stride": 1}),
        ),
    )


def _relu_mistakes(linear: Layer) -> tuple[Mistake, ...]:
    """Return the mistakes of linear - ReLU."""

    def a(x: Array, w: Array, b: Array, *conv: Any) -> Array:
        return _out(linear, x, w, b, *conv)

    return (
        Mistake(
            "no-relu",
            f"The ReLU is missing: this is the output of the {linear.name}.",
            _outputs(a),
        ),
        Mistake(
            "relu-first",
            f"The ReLU was applied to x; it must be applied to the {linear.name}'s output.",
            _outputs(lambda x, w, b, *conv: a(_relu(x), w, b, *conv)),
        ),
        Mistake(
            "relu-before-bias",
            "The bias is added after the ReLU; it belongs to the sum that the ReLU looks at.",
            _outputs(
                lambda x, w, b, *conv: (
                    _relu(a(x, w, 0 * b, *conv)) + a(0 * x, w, b, *conv)
                )
            ),
        ),
        Mistake(
            "relu-wrong-side",
            "The negative numbers are kept and the positive ones set to 0: it is the other way round.",
            _outputs(lambda *arguments: np.minimum(0, a(*arguments))),
        ),
        Mistake(
            "absolute-value",
            "Negative numbers have lost their sign; the ReLU makes 0 of them.",
            _outputs(lambda *arguments: np.abs(a(*arguments))),
        ),
        Mistake(
            "leaky-relu",
            "Negative numbers are multiplied by 0.01; the ReLU makes 0 of them.",
            _outputs(lambda *arguments: np.maximum(0.01 * (z := a(*arguments)), z)),
        ),
        Mistake(
            "mask-returned",
            "What comes back is where the ReLU is active, 0 and 1, and not the numbers there.",
            _outputs(lambda *arguments: (a(*arguments) > 0) * 1.0),
        ),
        *_linear_mistakes(linear, lambda z, *conv: _relu(z)),
    )


def _bn_relu_mistakes(linear: Layer, norm: Layer) -> tuple[Mistake, ...]:
    """Return the mistakes of linear - normalization - ReLU."""

    def finish(a: Array, gamma: Array, beta: Array, *params: Any) -> Array:
        return _relu(_out(norm, a, gamma, beta, params[-1]))

    def chain(link: Callable[..., Array]) -> Function:
        """Return a forward pass that runs `link` on the linear layer's output."""

        def out(
            x: Array, w: Array, b: Array, gamma: Array, beta: Array, *params: Any
        ) -> Array:
            return link(_out(linear, x, w, b, *params[:-1]), gamma, beta, params[-1])

        return _outputs(out)  # fmt: skip

    def with_param(change: Callable[[Param], Param]) -> Function:
        """Return a forward pass whose normalization gets another `bn_param`."""
        return chain(
            lambda a, gamma, beta, param: finish(a, gamma, beta, change(param))
        )

    return (
        # Before all others that store nothing, so that those must explain the output as well.
        Mistake(
            "running-averages-lost",
            "The running averages never reach the caller: the normalization got a copy of `bn_param`, "
            "and must get the dict itself.",
            with_param(dict),
        ),
        Mistake(
            "no-relu",
            f"The ReLU is missing: this is the output of the {norm.name}.",
            chain(lambda a, gamma, beta, param: _out(norm, a, gamma, beta, param)),
        ),
        Mistake(
            "bn-after-relu",
            "The order is wrong: the ReLU came before the normalization, and must come after it.",
            chain(lambda a, gamma, beta, param: _out(norm, _relu(a), gamma, beta, param)),
        ),
        Mistake(
            "relu-twice",
            "A ReLU stands before the normalization as well; only the one after it belongs there.",
            chain(lambda a, gamma, beta, param: finish(_relu(a), gamma, beta, param)),
        ),
        Mistake(
            "no-bn",
            f"The {norm.name} is missing: this is the {linear.name} and the ReLU alone.",
            chain(lambda a, gamma, beta, param: _relu(a)),
        ),
        Mistake(
            "always-train",
            "It normalizes with the minibatch's statistics in test mode too: bn_param's mode does not "
            "reach the normalization.",
            chain(_always_train(finish)),
        ),
        Mistake(
            "bn-param-lost",
            "Of `bn_param` only the mode reaches the normalization: pass the dict itself on, eps and "
            "running averages included.",
            with_param(lambda param: {"mode": param["mode"]}),
        ),
        Mistake(
            "bn-param-lost",
            "`bn_param` does not reach the normalization, which runs with settings of its own.",
            with_param(lambda param: {"mode": "train"}),
        ),
        Mistake(
            "eps-lost",
            "bn_param's eps does not reach the normalization, which uses the default.",
            chain(_with_setting(finish, eps=1e-5)),
        ),
        Mistake(
            "momentum-lost",
            "bn_param's momentum does not reach the normalization, which uses the default.",
            chain(_with_setting(finish, momentum=0.9)),
        ),
        Mistake(
            "gamma-beta-exchanged",
            "gamma and beta are exchanged: gamma multiplies, beta is added.",
            chain(lambda a, gamma, beta, param: finish(a, beta, gamma, param)),
        ),
        Mistake(
            "no-gamma-beta",
            "gamma and beta are not used: what is normalized must still be scaled and shifted.",
            chain(
                lambda a, gamma, beta, param: finish(a, 0 * gamma + 1, 0 * beta, param)
            ),
        ),
        Mistake(
            "beta-after-relu",
            "beta is added after the ReLU; it belongs to the normalization, before it.",
            chain(
                lambda a, gamma, beta, param: (
                    finish(a, gamma, 0 * beta, param) + _along_channels(beta, a)
                )
            ),
        ),
        Mistake(
            "normalized-each-example",
            "Each example is normalized by itself, as layer normalization does; batch normalization "
            "takes its statistics over the minibatch.",
            chain(_each_example),
        ),
        *_linear_mistakes(linear, finish),
    )  # fmt: skip


def _always_train(finish: Callable[..., Array]) -> Callable[..., Array]:
    def link(a: Array, gamma: Array, beta: Array, param: Param) -> Array:
        train = param | {"mode": "train"}
        out = finish(a, gamma, beta, train)
        param.update(train | {"mode": param["mode"]})
        return out

    return link


def _with_setting(
    finish: Callable[..., Array], **setting: float
) -> Callable[..., Array]:
    def link(a: Array, gamma: Array, beta: Array, param: Param) -> Array:
        changed = param | setting
        out = finish(a, gamma, beta, changed)
        for key in ("running_mean", "running_var"):
            param[key] = changed[key]
        return out

    return link  # fmt: skip


def _along_channels(vector: Array, images: Array) -> Array:
    return vector.reshape((1, -1) + (1,) * (images.ndim - 2))


def _each_example(a: Array, gamma: Array, beta: Array, param: Param) -> Array:
    axes = tuple(range(1, a.ndim))
    mean, var = a.mean(axis=axes, keepdims=True), a.var(axis=axes, keepdims=True)
    xhat = (a - mean) / np.sqrt(var + param["eps"])
    return _relu(_along_channels(gamma, a) * xhat + _along_channels(beta, a))


def _each_pixel(a: Array, gamma: Array, beta: Array, param: Param) -> Array:
    xhat = (a - a.mean(axis=0)) / np.sqrt(a.var(axis=0) + param["eps"])
    return _relu(_along_channels(gamma, a) * xhat + _along_channels(beta, a))


_NOT_SPATIAL = Mistake(
    "not-spatial",
    "Every pixel has statistics of its own; those of a channel are taken over the minibatch AND all "
    "pixels, the axes 0, 2 and 3.",
    _outputs(
        lambda x, w, b, gamma, beta, conv_param, bn_param: _each_pixel(
            _out(CONV, x, w, b, conv_param), gamma, beta, bn_param
        )
    ),
)


def _max_pool(a: Array, pool_param: Param) -> Array:
    return conv_layers.max_pool_forward_naive(a, pool_param)[0]


def _average_pool(a: Array, pool_param: Param) -> Array:
    """Return the means of the windows."""
    windows = np.lib.stride_tricks.sliding_window_view(
        a, (pool_param["pool_height"], pool_param["pool_width"]), axis=(2, 3)
    )
    stride = pool_param["stride"]
    return windows[:, :, ::stride, ::stride].mean(axis=(-2, -1))


def _pool_mistakes() -> tuple[Mistake, ...]:
    """Return the mistakes of convolution - ReLU - max pooling."""

    def chain(link: Callable[..., Array]) -> Function:
        """Return a forward pass that runs `link` on the convolution's output."""

        def out(
            x: Array, w: Array, b: Array, conv_param: Param, pool_param: Param
        ) -> Array:
            return link(_out(CONV, x, w, b, conv_param), pool_param)

        return _outputs(out)  # fmt: skip

    def with_pool(change: Callable[[Param], Param]) -> Function:
        return chain(lambda a, param: _max_pool(_relu(a), change(param)))

    return (
        Mistake(
            "no-relu",
            "The ReLU is missing: this is the convolution, pooled.",
            chain(_max_pool),
        ),
        Mistake(
            "no-pool",
            "The pooling is missing: this is the convolution and the ReLU alone.",
            chain(lambda a, param: _relu(a)),
        ),
        Mistake(
            "pool-first",
            "The order is wrong: the images were pooled before the convolution, and must be pooled "
            "after it.",
            _outputs(
                lambda x, w, b, conv_param, pool_param: _relu(
                    _out(CONV, _max_pool(x, pool_param), w, b, conv_param)
                )
            ),
        ),
        Mistake(
            "average-pool",
            "Each window's mean was taken; it must be its largest number.",
            chain(lambda a, param: _average_pool(_relu(a), param)),
        ),
        Mistake(
            "pool-param-lost",
            "`pool_param` does not reach the pooling, which runs with windows of 2x2 and stride 2.",
            with_pool(lambda param: _pool(2, 2, 2)),
        ),
        Mistake(
            "pool-sides-exchanged",
            "pool_height and pool_width are exchanged.",
            with_pool(
                lambda param: _pool(
                    param["pool_width"], param["pool_height"], param["stride"]
                )
            ),
        ),
        Mistake(
            "pool-stride",
            "The windows lie side by side: the pooling's stride must be `pool_param['stride']`.",
            with_pool(lambda param: param | {"stride": param["pool_height"]}),
        ),
        Mistake(
            "pool-stride",
            "The pooling moves by the convolution's stride; it has its own, `pool_param['stride']`.",
            _outputs(
                lambda x, w, b, conv_param, pool_param: _max_pool(
                    _relu(_out(CONV, x, w, b, conv_param)),
                    pool_param | {"stride": conv_param["stride"]},
                )
            ),
        ),
        *_linear_mistakes(CONV, lambda a, conv_param, pool_param: _max_pool(_relu(a), pool_param)),
    )  # fmt: skip


# ---- backward ------------------------------------------------------------------------

_NO_RELU = "The ReLU's backward pass is missing: `dout` must not pass where its input was negative."
_MASK_OF_DOUT = (
    "The gradient is set to 0 where it is negative itself; what counts is where the ReLU's INPUT was "
    "negative."
)
_RELU_LATE = "The backward pass runs in the forward pass's order: begin with the layer that came last."

_LAST_WINDOW = "Where windows overlap, a pixel keeps what the last of them gave it; it must get the sum."


def _relu_backward_mistakes(linear: Layer) -> tuple[Mistake, ...]:
    """Return the mistakes of the backward pass of linear - ReLU."""
    short = linear.name.split()[0]

    def masked(mask: Callable[[Array, Array], Array]) -> Function:
        """Return a backward pass whose ReLU is `mask`, of dout and the ReLU's input."""
        return lambda dout, cache: linear.backward(mask(dout, cache[1]), cache[0])

    right = masked(lambda dout, a: dout * (a > 0))
    unmasked = masked(lambda dout, a: dout)

    def mixed(*parts: Function) -> Function:
        """Return a backward pass whose results come from several, one from each."""
        return lambda dout, cache: tuple(
            part(dout, cache)[i] for i, part in enumerate(parts)
        )

    def relu_on_x(dout: Array, cache: Any) -> Any:
        dx, dw, db = unmasked(dout, cache)
        return dx * (cache[0][0] > 0), dw, db

    def relu_on_dx(dout: Array, cache: Any) -> Any:
        dx, dw, db = unmasked(dout, cache)
        return _relu(dx), dw, db

    return (
        Mistake("no-relu", _NO_RELU, unmasked),
        Mistake("mask-from-dout", _MASK_OF_DOUT, masked(lambda dout, a: _relu(dout))),
        Mistake(
            "relu-for-dx-only",
            f"dx is right, but dw and db are made of `dout`: what the ReLU passes on goes into the "
            f"{linear.name}'s backward pass, and gives all three.",
            mixed(right, unmasked, unmasked),
        ),
        Mistake(
            "relu-not-for-db",
            "db is the sum of `dout` itself; it must be the sum of what the ReLU passes on.",
            mixed(right, right, unmasked),
        ),
        Mistake(
            "relu-not-for-dx",
            "dx is made of `dout` itself, and must be made of what the ReLU passes on.",
            mixed(unmasked, right, right),
        ),
        Mistake("forward-order", _RELU_LATE, relu_on_x),
        Mistake("forward-order", _RELU_LATE, relu_on_dx),
        Mistake(
            "mask-wrong-side",
            "The gradient passes where the ReLU's input was negative: it is the other way round.",
            masked(lambda dout, a: dout * (a <= 0)),
        ),
        Mistake(
            "multiplied-by-output",
            "The gradient is multiplied by the ReLU's output, and must be by its slope, 1 or 0.",
            masked(lambda dout, a: dout * _relu(a)),
        ),
        Mistake(
            "multiplied-by-input",
            "The gradient is multiplied by the ReLU's input, and must be by its slope, 1 or 0.",
            masked(lambda dout, a: dout * a),
        ),
        Mistake(
            "mask-only",
            f"The {short} backward pass gets the ReLU's slope, 1 or 0; it must get `dout` times that.",
            masked(lambda dout, a: (a > 0).astype(dout.dtype)),
        ),
        Mistake(
            "leaky-relu",
            "0.01 of the gradient passes where the ReLU's input was negative; none must.",
            masked(lambda dout, a: np.where(a > 0, dout, 0.01 * dout)),
        ),
    )


def _bn_relu_backward_mistakes(linear: Layer, norm: Layer) -> tuple[Mistake, ...]:
    """Return the mistakes of the backward pass of linear - normalization - ReLU."""

    def chain(
        mask: Callable[[Array, Any], Array] = lambda dout, cache: dout * (cache[2] > 0),
        norm_backward: Callable[[Array, Any], Any] = norm.backward,
    ) -> Function:
        def twin(dout: Array, cache: Any) -> Any:
            da, dgamma, dbeta = norm_backward(mask(dout, cache), cache[1])
            return *linear.backward(da, cache[0]), dgamma, dbeta

        return twin

    right = chain()

    def without_norm(dnormalized: Array, cache: Any) -> Any:
        return dnormalized, *norm.backward(dnormalized, cache)[1:]

    def without_gamma(dnormalized: Array, cache: Any) -> Any:
        xhat, gamma, std, mode = cache
        da = norm.backward(dnormalized, (xhat, 0 * gamma + 1, std, mode))[0]
        return da, *norm.backward(dnormalized, cache)[1:]

    def constant_statistics(dnormalized: Array, cache: Any) -> Any:
        xhat, gamma, std, _ = cache
        return norm.backward(dnormalized, (xhat, gamma, std, "test"))

    def mask_after_norm(dout: Array, cache: Any) -> Any:
        da, dgamma, dbeta = norm.backward(dout, cache[1])
        return *linear.backward(da * (cache[2] > 0), cache[0]), dgamma, dbeta

    def params_from_dout(dout: Array, cache: Any) -> Any:
        return *right(dout, cache)[:3], *norm.backward(dout, cache[1])[1:]

    def db_of_dnormalized(dout: Array, cache: Any) -> Any:
        dx, dw, db, dgamma, dbeta = right(dout, cache)
        return dx, dw, dbeta, dgamma, dbeta

    def input_of_norm(dout: Array, cache: Any) -> Array:
        return dout * (_out(linear, *cache[0]) > 0)

    return (
        Mistake("no-relu", _NO_RELU, chain(lambda dout, cache: dout)),
        Mistake("mask-from-dout", _MASK_OF_DOUT, chain(lambda dout, cache: _relu(dout))),
        Mistake(
            "mask-before-bn",
            f"The ReLU's mask is that of the {linear.name}'s output; its input is what comes out of the "
            "normalization.",
            chain(input_of_norm),
        ),
        Mistake(
            "no-bn",
            "The gradient goes past the normalization: its backward pass must turn it into the gradient "
            f"for the {linear.name}.",
            chain(norm_backward=without_norm),
        ),
        Mistake("forward-order", _RELU_LATE, mask_after_norm),
        Mistake(
            "statistics-constant",
            "The mean and the variance are taken for constants, which they are in test mode only: they "
            "depend on every example.",
            chain(norm_backward=constant_statistics),
        ),
        Mistake(
            "no-gamma",
            "gamma is missing on the way back through the normalization.",
            chain(norm_backward=without_gamma),
        ),
        Mistake(
            "params-from-dout",
            "dgamma and dbeta are made of `dout` itself, and must be made of what the ReLU passes on.",
            params_from_dout,
        ),
        Mistake(
            "db-is-dbeta",
            "db is the sum of the gradient AFTER the normalization, which is dbeta; it must be that of "
            f"the gradient for the {linear.name}'s output.",
            db_of_dnormalized,
        ),
        Mistake(
            "mask-wrong-side",
            "The gradient passes where the ReLU's input was negative: it is the other way round.",
            chain(lambda dout, cache: dout * (cache[2] <= 0)),
        ),
        Mistake(
            "multiplied-by-output",
            "The gradient is multiplied by the ReLU's output, and must be by its slope, 1 or 0.",
            chain(lambda dout, cache: dout * _relu(cache[2])),
        ),
    )  # fmt: skip


def _unpooled(
    dout: Array,
    cache: Any,
    share: Callable[[Array], Array],
    put: Callable[[Array, Array], Array] = np.add,
) -> Array:
    """Return `dout` given back to its windows, each pixel its share; `put` makes of what a
    window holds and what it is given what it holds then."""
    activated, pool_param = cache
    height, width = pool_param["pool_height"], pool_param["pool_width"]
    dactivated = np.zeros(activated.shape, dout.dtype)
    for n, f, i, j in np.ndindex(dout.shape):
        top, left = i * pool_param["stride"], j * pool_param["stride"]
        window = n, f, slice(top, top + height), slice(left, left + width)
        given = dout[n, f, i, j] * share(activated[window])
        dactivated[window] = put(dactivated[window], given)
    return dactivated


def _pool_backward_mistakes() -> tuple[Mistake, ...]:
    """Return the mistakes of the backward pass of convolution - ReLU - max pooling."""

    def chain(
        unpool: Callable[[Array, Any], Array] = conv_layers.max_pool_backward_naive,
        mask: Callable[[Array, Array], Array] = lambda d, a: d * (a > 0),
    ) -> Function:
        return lambda dout, cache: CONV.backward(
            mask(unpool(dout, cache[2]), cache[1]), cache[0]
        )

    def overwriting(put: Callable[[Array, Array], Array]) -> Function:
        def largest(window: Array) -> Array:
            return window == window.max()

        return chain(lambda dout, cache: _unpooled(dout, cache, largest, put))

    return (
        Mistake("no-relu", _NO_RELU, chain(mask=lambda d, a: d)),
        Mistake("mask-from-dout", _MASK_OF_DOUT, chain(mask=lambda d, a: _relu(d))),
        Mistake(
            "no-pool",
            "Every pixel of a window gets its gradient; only the largest must.",
            chain(lambda dout, cache: _unpooled(dout, cache, np.ones_like)),
        ),
        Mistake(
            "average-pool",
            "The gradient of a window is shared out equally; the largest pixel must get all of it.",
            chain(
                lambda dout, cache: _unpooled(
                    dout, cache, lambda window: np.ones_like(window) / window.size
                )
            ),
        ),
        Mistake(
            "not-accumulated", _LAST_WINDOW, overwriting(lambda held, given: given)
        ),
        Mistake(
            "not-accumulated",
            _LAST_WINDOW,
            overwriting(lambda held, given: np.where(given != 0, given, held)),
        ),
        Mistake(
            "multiplied-by-output",
            "The gradient is multiplied by the ReLU's output, and must be by its slope, 1 or 0.",
            chain(mask=lambda d, a: d * _relu(a)),
        ),
        Mistake(
            "mask-wrong-side",
            "The gradient passes where the ReLU's input was negative: it is the other way round.",
            chain(mask=lambda d, a: d * (a <= 0)),
        ),
    )


# ---- the sandwiches ------------------------------------------------------------------

_BN_STORES = ("running_mean", "running_var")
_BN_STORED = {
    "running_mean": "the normalization stores it in bn_param, which must be the caller's own dict",
    "running_var": "the normalization stores it in bn_param, which must be the caller's own dict",
}


def _sandwich(
    name: str,
    parameters: str,
    cases: tuple[Case, ...],
    mistakes: tuple[Mistake, ...],
    backward_mistakes: tuple[Mistake, ...],
    forward_formula: str,
    backward_formula: str,
    read: str,
    *,
    conv: int | None = None,
) -> tuple[Specification, Specification]:
    """Return the specifications of a sandwich, forward and backward; `conv` says where
    `conv_param` stands."""
    takes = tuple(parameters.split(", "))
    book = getattr(layer_utils, f"{name}_forward")
    chain = functools.update_wrapper(functools.partial(book, fast=False), book)
    has_bn = "bn_param" in takes
    if conv is not None:
        mistakes += _conv_mistakes(chain, conv)
    formulas: Mapping[str, str] = {"out": forward_formula}
    forward = ForwardChain(
        f"{name}_forward", takes, ("out", "cache"), chain, cases, mistakes,
        {**formulas, **(_BN_STORED if has_bn else {})},
        read,
        stores=_BN_STORES if has_bn else (),
    )  # fmt: skip
    returns = tuple(f"d{one}" for one in takes if not one.endswith("_param"))
    back = BackwardChain(
        f"{name}_backward", ("dout", "cache"), returns,
        getattr(layer_utils, f"{name}_backward"),
        # Nothing is learned in test mode, so a backward pass need not know it.
        tuple(case for case in cases if case.stage != TEST_MODE),
        backward_mistakes, dict.fromkeys(returns, backward_formula), read,
        forward_name=forward.name,
        forward_reference=forward.reference,
        forward_specification=forward,
    )  # fmt: skip
    return forward, back


_SANDWICHES = 'chapter 5, section "Sandwiches, and a word on speed"'

ALL = (
    *_sandwich(
        "affine_relu",
        "x, w, b",
        AFFINE_RELU_CASES,
        _relu_mistakes(AFFINE),
        _relu_backward_mistakes(AFFINE),
        "out = max(0, a), with a = x @ w + b and x flattened to (N, D)",
        "da = dout where a > 0, else 0;  dx, dw, db = affine_backward(da, ...)",
        'chapter 1, section "A network of two layers"',
    ),
    *_sandwich(
        "affine_bn_relu",
        "x, w, b, gamma, beta, bn_param",
        AFFINE_BN_RELU_CASES,
        _bn_relu_mistakes(AFFINE, BATCHNORM),
        _bn_relu_backward_mistakes(AFFINE, BATCHNORM),
        "a = affine_forward(x, w, b);  normalized = batchnorm_forward(a, gamma, beta, bn_param)\n"
        "out = relu_forward(normalized)",
        "dnormalized = relu_backward(dout, ...)\n"
        "da, dgamma, dbeta = batchnorm_backward(dnormalized, ...)\n"
        "dx, dw, db = affine_backward(da, ...)",
        'chapter 3, section "In the network"',
    ),
    *_sandwich(
        "conv_relu",
        "x, w, b, conv_param",
        CONV_RELU_CASES,
        _relu_mistakes(CONV),
        _relu_backward_mistakes(CONV),
        "out = max(0, a), with a = conv_forward_naive(x, w, b, conv_param)",
        "da = dout where a > 0, else 0;  dx, dw, db = conv_backward_naive(da, ...)",
        _SANDWICHES,
        conv=3,
    ),
    *_sandwich(
        "conv_bn_relu",
        "x, w, b, gamma, beta, conv_param, bn_param",
        CONV_BN_RELU_CASES,
        (*_bn_relu_mistakes(CONV, SPATIAL_BATCHNORM), _NOT_SPATIAL),
        _bn_relu_backward_mistakes(CONV, SPATIAL_BATCHNORM),
        "a = conv_forward_naive(x, w, b, conv_param)\n"
        "normalized = spatial_batchnorm_forward(a, gamma, beta, bn_param)\n"
        "out = relu_forward(normalized)",
        "dnormalized = relu_backward(dout, ...)\n"
        "da, dgamma, dbeta = spatial_batchnorm_backward(dnormalized, ...)\n"
        "dx, dw, db = conv_backward_naive(da, ...)",
        'chapter 7, section "In training and at test time"',
        conv=5,
    ),
    *_sandwich(
        "conv_relu_pool",
        "x, w, b, conv_param, pool_param",
        CONV_RELU_POOL_CASES,
        _pool_mistakes(),
        _pool_backward_mistakes(),
        "a = conv_forward_naive(x, w, b, conv_param)\n"
        "out = max_pool_forward_naive(relu_forward(a), pool_param)",
        "dactivated = max_pool_backward_naive(dout, ...);  da = relu_backward(dactivated, ...)\n"
        "dx, dw, db = conv_backward_naive(da, ...)",
        _SANDWICHES,
        conv=3,
    ),
)
