"""Group normalization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import conv_layers
from .._diagnosis import Diagnosis, Pair
from .._specification import (
    EDGE_CASES,
    TEST_MODE,
    Case,
    Forward,
    Mistake,
    backward,
    numbers,
)

Array = np.ndarray
Param = dict[str, Any]
Shape = tuple[int, ...]


def _case(
    name: str, shape: Shape, G: int, stage: str = "values", **settings: Any
) -> Case:
    N, C, H, W = shape
    gamma = 1 + numbers(1, C, 1, 1, seed=2) / 2
    arguments = (
        numbers(*shape) / 10, gamma, numbers(1, C, 1, 1, seed=3), G, {"eps": 0.3} | settings,
    )  # fmt: skip
    return Case(
        name,
        arguments,
        stage,
        {"N": N, "C": C, "H * W": H * W, "G": G, "C / G": C // G},
    )


def _constant(case: Case) -> Case:
    """Return the case with the same number everywhere in the first image's first group."""
    case.arguments[0][0, :2] = 2.0
    return case


CASES = (
    _case("4 images of 6 channels, 2x5 pixels, in 3 groups", (4, 6, 2, 5), 3),
    _case("3 images of 8 channels, 2x3 pixels, in 2 groups", (3, 8, 2, 3), 2),
    _case(
        "mode = 'test', which changes nothing", (4, 6, 2, 5), 3, TEST_MODE, mode="test"
    ),
    _case("a single image", (1, 4, 5, 3), 2, EDGE_CASES),
    _case("one group of all channels", (2, 3, 4, 5), 1, EDGE_CASES),
    _case("as many groups as channels", (2, 3, 4, 5), 3, EDGE_CASES),
    _case("images of one pixel", (3, 6, 1, 1), 2, EDGE_CASES),
    _constant(_case("a group that never changes", (2, 6, 4, 5), 3, EDGE_CASES)),
)

# ---- groups --------------------------------------------------------------------------

Split = Callable[[int, int, int, int, int], Shape]


def _neighbours(N: int, C: int, H: int, W: int, G: int) -> Shape:
    """The shape in which a group's channels are neighbours, as they must be."""
    return N, G, C // G, H, W


def _interleaved(N: int, C: int, H: int, W: int, G: int) -> Shape:
    return N, C // G, G, H, W


def _rows(N: int, C: int, H: int, W: int, G: int) -> Shape:
    return N * G, C // G * H * W


def _through_images(N: int, C: int, H: int, W: int, G: int) -> Shape:
    return G, N * C * H * W // G


# ---- forward -------------------------------------------------------------------------


def _root(var: Array, eps: float) -> Array:
    return np.asarray(np.sqrt(var + eps))


def _normalized(
    split: Split = _neighbours,
    axes: tuple[int, ...] = (2, 3, 4),
    std: Callable[[Array, float], Array] = _root,
    *,
    unbiased: bool = False,
    scale: Callable[[Array, int], Array] = lambda gamma, G: gamma,
    shift: Callable[[Array, int], Array] = lambda beta, G: beta,
) -> Callable[..., Any]:
    """Return the function with other groups, another divisor, another scale or shift."""

    def twin(x: Array, gamma: Array, beta: Array, G: int, gn_param: Param) -> Any:
        N, C, H, W = x.shape
        groups = x.reshape(split(N, C, H, W, G))
        mean = groups.mean(axis=axes, keepdims=True)
        var = groups.var(axis=axes, keepdims=True, ddof=int(unbiased))
        xhat = (groups - mean) / std(var, gn_param.get("eps", 1e-5))
        return scale(gamma, G) * xhat.reshape(x.shape) + shift(beta, G), None

    return twin


def _first_of_group(parameter: Array, G: int) -> Array:
    """Give all channels of a group the number of its first one."""
    size = parameter.shape[1] // G
    return np.repeat(parameter[:, ::size], size, axis=1)


def _as_many_as_groups(parameter: Array, G: int) -> Array:
    """Give each group the number of the channel that has the group's index."""
    return np.repeat(parameter[:, :G], parameter.shape[1] // G, axis=1)


def _only_in_test_mode(
    output: str, wrong: list[Pair], right: list[Pair]
) -> Diagnosis | None:
    """Look for another formula in test mode, whatever it is."""
    if not right or not wrong or any(pair.case.stage != TEST_MODE for pair in wrong):
        return None
    return Diagnosis(
        "test-mode",
        "There is no test mode in group normalization: no image depends on the others, so it "
        "does the same in training and test, without running averages.",
    )


_OVER_BATCH = (
    "The statistics are over all images together: in group normalization each image has its own, "
    "and the others do not matter."
)
_INTERLEAVED = (
    "The wrong channels make a group: groups are of neighbouring channels, so the axis of the G groups "
    "stands before that of the C // G channels."
)
_G_IS_SIZE = (
    "G is taken for the number of channels in a group: it is the number of groups."
)
_PER_CHANNEL = (
    "Each channel is normalized by itself: the statistics are over all C // G channels of "
    "a group as well."
)
_ALL_CHANNELS = (
    "All channels of an image are normalized together: each of the G groups has its own "
    "mean and variance."
)
_PER_PIXEL = "Each pixel is normalized by itself: the statistics are over all pixels of a group as well."
_MIXED = (
    "The reshape mixes images: keep N as the first axis, so that every image has G groups "
    "of its own."
)

FORWARD = Forward(
    "spatial_groupnorm_forward",
    ("x", "gamma", "beta", "G", "gn_param"),
    ("out", "cache"),
    conv_layers.spatial_groupnorm_forward,
    CASES,
    (
        Mistake("over-batch", _OVER_BATCH, _normalized(axes=(0, 2, 3, 4))),
        Mistake(
            "groups-interleaved", _INTERLEAVED, _normalized(_interleaved, (1, 3, 4))
        ),
        Mistake("G-is-size", _G_IS_SIZE, _normalized(_interleaved)),
        Mistake("per-channel", _PER_CHANNEL, _normalized(axes=(3, 4))),
        Mistake("groups-ignored", _ALL_CHANNELS, _normalized(axes=(1, 2, 3, 4))),
        Mistake(
            "over-batch",
            "The statistics are those of batch normalization, per channel over all images: here "
            "they are per image, over the channels and pixels of a group.",
            _normalized(axes=(0, 3, 4)),
        ),
        Mistake("per-pixel", _PER_PIXEL, _normalized(axes=(2,))),
        Mistake(
            "wrong-axis",
            "The statistics are over the groups, place by place: they are over what lies within a "
            "group.",
            _normalized(axes=(1,)),
        ),
        Mistake(
            "wrong-axis",
            "The statistics are over axis 0, the rows (one for each group): they are over axis 1, along "
            "a row.",
            _normalized(_rows, (0,)),
        ),
        Mistake("mixed-images", _MIXED, _normalized(_through_images, (1,))),
        Mistake(
            "eps-outside-root",
            "eps was added to the standard deviation; it belongs under the root, to the variance.",
            _normalized(std=lambda var, eps: np.sqrt(var) + eps),
        ),
        Mistake(
            "no-eps",
            "eps is left out, or is not the one in gn_param.",
            _normalized(std=lambda var, eps: np.sqrt(var + 1e-5)),
        ),
        Mistake(
            "divided-by-variance",
            "x was divided by the variance, not by its root, the standard deviation.",
            _normalized(std=lambda var, eps: var + eps),
        ),
        Mistake(
            "unbiased-variance",
            "The variance is divided by one less than the group's size: here it is the plain mean "
            "of the squares.",
            _normalized(unbiased=True),
        ),
        Mistake(
            "gamma-per-group",
            "All channels of a group share one gamma and beta: every channel has its own.",
            _normalized(scale=_first_of_group, shift=_first_of_group),
        ),
        Mistake(
            "gamma-per-group",
            "All channels of a group share one gamma and beta, and most of both are never used: "
            "every channel has its own.",
            _normalized(scale=_as_many_as_groups, shift=_as_many_as_groups),
        ),
        Mistake(
            "no-gamma",
            "`gamma` is never used.",
            _normalized(scale=lambda gamma, G: np.ones_like(gamma)),
        ),
        Mistake(
            "no-beta",
            "`beta` is never added.",
            _normalized(shift=lambda beta, G: np.zeros_like(beta)),
        ),
    ),
    {
        "out": "out = gamma * (x - mean) / sqrt(var + eps) + beta\n"
        "mean and var over the axes (2, 3, 4) of x as (N, G, C // G, H, W)",
    },
    'chapter 7, section "Group norm, forward and backward"',
    patterns=(_only_in_test_mode,),
)

# ---- backward ------------------------------------------------------------------------


def _formula(
    split: Split = _neighbours,
    axes: tuple[int, ...] = (2, 3, 4),
    *,
    count: Callable[[int, int, int, int, int], float] | None = None,
    mean: float = 1,
    variance: float = 1,
    by_xhat: bool = True,
    scale: Callable[[Array], Array] = lambda gamma: gamma,
    inverse: Callable[[Array], Array] = lambda std: 1 / std,
) -> Callable[..., Any]:
    """Return the backward pass whose dx has means over other groups, `count` numbers in
    them, or only some of its terms."""

    def twin(dout: Array, cache: Any) -> Any:
        xhat, gamma, beta, std = cache
        N, C, H, W = dout.shape
        G = std.shape[1]
        shape = split(N, C, H, W, G)
        factor = np.repeat(inverse(std).reshape(N, G), C // G, axis=1)[:, :, None, None]
        dxhat = (dout * scale(gamma)).reshape(shape)
        normal = xhat.reshape(shape)
        sums = [one.sum(axis=axes, keepdims=True) for one in (dxhat, dxhat * normal)]
        m = count(N, C, H, W, G) if count else dout.size // sums[0].size
        slope = variance * (normal if by_xhat else 1)
        dx = dxhat - mean * sums[0] / m - slope * sums[1] / m
        return factor * dx.reshape(dout.shape), None, None

    return twin


def _gamma_afterwards(dout: Array, cache: Any) -> Any:
    """Multiply with gamma after the means were taken, as in batch normalization."""
    xhat, gamma, beta, std = cache
    dx, *rest = _formula(scale=np.ones_like)(dout, cache)
    return gamma * dx, *rest


Parameter = Callable[[Array, Array, Array, Array], Array]


def _parameters(
    dgamma: Parameter | None, dbeta: Parameter | None = None
) -> Callable[..., Any]:
    """Return a backward pass of which only dgamma or dbeta is of interest, as functions
    of dout, xhat, gamma, and std in the shape (N, C, 1, 1)."""

    def twin(dout: Array, cache: Any) -> Any:
        xhat, gamma, _, std = cache
        N, C = dout.shape[:2]
        std = np.repeat(std.reshape(N, -1), C // std.shape[1], axis=1)
        arguments = dout, xhat, gamma, std[:, :, None, None]
        return None, dgamma and dgamma(*arguments), dbeta and dbeta(*arguments)

    return twin


def _for_channels(terms: Array) -> Array:
    return np.asarray(terms.sum(axis=(0, 2, 3), keepdims=True))


def _for_images(terms: Array) -> Array:
    return np.asarray(terms.sum(axis=(1, 2, 3), keepdims=True))


def _keeping_x(x: Array, gamma: Array, beta: Array, G: int, gn_param: Param) -> Any:
    """Return a forward pass with nothing but x in its cache."""
    out, _ = conv_layers.spatial_groupnorm_forward(x, gamma, beta, G, gn_param)
    return out, (x,)


_GROUP = "The sums over a group must be divided by the number of its values, C // G * H * W, not by {}."
_AXES = "`{}` is summed over the wrong axes: each channel's is a sum over the axes (0, 2, 3)."

BACKWARD = backward(
    FORWARD,
    "spatial_groupnorm_backward",
    ("dx", "dgamma", "dbeta"),
    conv_layers.spatial_groupnorm_backward,
    (
        Mistake(
            "group-size",
            _GROUP.format("H * W"),
            _formula(count=lambda N, C, H, W, G: H * W),
        ),
        Mistake(
            "group-size", _GROUP.format("N"), _formula(count=lambda N, C, H, W, G: N)
        ),
        Mistake(
            "group-size",
            _GROUP.format("N * G"),
            _formula(count=lambda N, C, H, W, G: N * G),
        ),
        Mistake(
            "group-size",
            _GROUP.format("N * H * W"),
            _formula(count=lambda N, C, H, W, G: N * H * W),
        ),
        Mistake(
            "group-size",
            _GROUP.format("C * H * W"),
            _formula(count=lambda N, C, H, W, G: C * H * W),
        ),
        Mistake(
            "group-size",
            _GROUP.format("C // G"),
            _formula(count=lambda N, C, H, W, G: C // G),
        ),
        Mistake(
            "group-size", _GROUP.format("C"), _formula(count=lambda N, C, H, W, G: C)
        ),
        Mistake(
            "group-size",
            _GROUP.format("G * H * W"),
            _formula(count=lambda N, C, H, W, G: G * H * W),
        ),
        Mistake(
            "group-size",
            "The sums over a group must be divided by the number of its values, C // G * H * W.",
            _formula(count=lambda N, C, H, W, G: 1),
        ),
        Mistake(
            "no-mean-path",
            "The path through the mean is missing: x also moves the mean, which moves every xhat of its "
            "group.",
            _formula(mean=0),
        ),
        Mistake(
            "no-variance-path",
            "The path through the variance is missing: x also moves the variance, which moves "
            "every xhat of its group.",
            _formula(variance=0),
        ),
        Mistake(
            "statistics-are-constants",
            "The mean and the variance are treated as constants: both depend on x, and add a term each.",
            _formula(mean=0, variance=0),
        ),
        Mistake(
            "no-gamma", "`gamma` is missing in `dx`.", _formula(scale=np.ones_like)
        ),
        Mistake(
            "gamma-afterwards",
            "`gamma` comes too late: the channels of a group have different ones, so dout must be "
            "multiplied with gamma before the means over the group are taken.",
            _gamma_afterwards,
        ),
        Mistake(
            "no-std",
            "The division by the standard deviation is missing in `dx`.",
            _formula(inverse=np.ones_like),
        ),
        Mistake(
            "divided-by-variance",
            "`dx` is divided by the variance, not by its root, the standard deviation.",
            _formula(inverse=lambda std: std**-2),
        ),
        Mistake("over-batch", _OVER_BATCH, _formula(axes=(0, 2, 3, 4))),
        Mistake(
            "over-batch",
            "The means in `dx` are those of batch normalization, per channel over all images: "
            "here they are per image, over the channels and pixels of a group.",
            _formula(axes=(0, 3, 4)),
        ),
        Mistake("groups-interleaved", _INTERLEAVED, _formula(_interleaved, (1, 3, 4))),
        Mistake("G-is-size", _G_IS_SIZE, _formula(_interleaved)),
        Mistake("per-channel", _PER_CHANNEL, _formula(axes=(3, 4))),
        Mistake("groups-ignored", _ALL_CHANNELS, _formula(axes=(1, 2, 3, 4))),
        Mistake("mixed-images", _MIXED, _formula(_through_images, (1,))),
        Mistake(
            "sign-of-a-term",
            "The term of the mean has the wrong sign in `dx`: both terms are subtracted.",
            _formula(mean=-1),
        ),
        Mistake(
            "sign-of-a-term",
            "The term of the variance has the wrong sign in `dx`: both terms are subtracted.",
            _formula(variance=-1),
        ),
        Mistake(
            "sign-of-a-term",
            "Both terms have the wrong sign in `dx`: they are subtracted.",
            _formula(mean=-1, variance=-1),
        ),
        Mistake(
            "term-without-xhat",
            "The variance's term in `dx` must be multiplied by xhat: a value far from the mean moves "
            "the variance more.",
            _formula(by_xhat=False),
        ),
        Mistake(
            "times-std",
            "`dx` is multiplied by the standard deviation: it must be divided by it.",
            _formula(inverse=lambda std: std),
        ),
        Mistake(
            "dgamma-without-xhat",
            "`dgamma` must be summed over dout * xhat: gamma multiplies xhat.",
            _parameters(lambda dout, xhat, gamma, std: _for_channels(dout)),
        ),
        Mistake(
            "dgamma-not-normalized",
            "`dgamma` is summed over dout * (x - mean): gamma multiplies xhat, which is divided by the "
            "standard deviation.",
            _parameters(
                lambda dout, xhat, gamma, std: _for_channels(dout * xhat * std)
            ),
        ),
        Mistake(
            "dgamma-not-normalized",
            "`dgamma` is summed over dout * x: gamma multiplies xhat, the normalized x.",
            lambda dout, cache: (None, _for_channels(dout * cache[0]), None),
            _keeping_x,
        ),
        Mistake(
            "times-gamma",
            "`gamma` does not belong into `dgamma`: out is gamma * xhat + beta.",
            _parameters(
                lambda dout, xhat, gamma, std: _for_channels(dout * xhat * gamma)
            ),
        ),
        Mistake(
            "times-gamma",
            "`gamma` does not belong into `dbeta`: out is gamma * xhat + beta.",
            _parameters(
                None, lambda dout, xhat, gamma, std: _for_channels(dout * gamma)
            ),
        ),
        Mistake(
            "wrong-axis",
            _AXES.format("dgamma"),
            _parameters(lambda dout, xhat, gamma, std: _for_images(dout * xhat)),
        ),
        Mistake(
            "wrong-axis",
            _AXES.format("dbeta"),
            _parameters(None, lambda dout, xhat, gamma, std: _for_images(dout)),
        ),
    ),
    {
        "dx": "dx = (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)) / sqrt(var + eps)\n"
        "with dxhat = dout * gamma, and means over the channels and pixels of a group",
        "dgamma": "dgamma = sum of dout * xhat over the axes (0, 2, 3), in the shape of gamma",
        "dbeta": "dbeta = sum of dout over the axes (0, 2, 3), in the shape of beta",
    },
    'chapter 7, section "Group norm, forward and backward"',
)

ALL = (FORWARD, BACKWARD)
