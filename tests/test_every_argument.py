"""Every public function, given every kind of bad argument, says which argument it is
and what came.

The table below says what each parameter takes; `bad_arguments` knows what is bad for it.
A public function, method or parameter that is not in the table is a failure too.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import math
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
import sweep_cases
from bad_arguments import (
    NO_DICT,
    Bad,
    Kind,
    Model,
    cache_of,
    changed,
    choice,
    complaint,
    flag,
    floats,
    function,
    kind,
    labels,
    model,
    normal,
    number,
    numbers,
    optional,
    path,
    random_source,
    settings,
    size,
    text,
    whole,
    writable_floats,
)

import nndl
from nndl import (
    check,
    compat,
    conv_layers,
    experiments,
    fast_layers,
    fc_net,
    layer_utils,
    layers,
    solver,
    sweep,
)
from nndl.augmentation import flip
from nndl.averaging import WeightAverage
from nndl.data import cifar10, shapes
from nndl.schedules import constant

pytestmark = pytest.mark.usefixtures("one_thread", "figures")


class Entry(NamedTuple):
    """What a function's parameters take."""

    parameters: dict[str, Kind]
    #: Runs it, if it is not the public name itself: a method, of an object made anew.
    run: Callable[..., Any] | None = None
    #: How a call with good arguments may end, other than well.
    ends: type[Exception] | tuple[type[Exception], ...] = ()


# ---- layers --------------------------------------------------------------------------

MODE = choice("train", "test")
EPS = number(1e-5, above=0)
FEATURES = floats(7, wrong=[(8,), (7, 1), (), (0,)])
CHANNELS = floats(6, wrong=[(7,), (6, 2), (), (0,)])
IMAGES = floats(2, 3, 6, 8, wrong=[(2, 3, 6), (2, 3, 6, 8, 1), (3, 6, 8), ()])

BN_PARAM = settings(
    {"mode": MODE},
    eps=EPS,
    momentum=number(0.9, at_least=0, at_most=1),
    running_mean=floats(7, wrong=[(3,), (7, 1), ()]),
    running_var=floats(7, wrong=[(3,), (7, 1), ()]),
)
BN_PARAM_OF_6 = settings(
    {"mode": MODE},
    eps=EPS,
    momentum=number(0.9, at_least=0, at_most=1),
    running_mean=floats(6, wrong=[(3,), (6, 1), ()]),
    running_var=floats(6, wrong=[(3,), (6, 1), ()]),
)
ONLY_EPS = settings({}, eps=EPS)
DROPOUT_PARAM = settings(
    {"mode": MODE, "p": number(0.6, above=0, at_most=1)}, seed=random_source(3)
)
DROPOUT_FROM_RNG = settings(
    {"mode": MODE, "p": number(0.6, above=0, at_most=1)}, rng=random_source(3)
)
CONV_PARAM = settings({"stride": whole(1), "pad": whole(1, at_least=0)})


def window(dimension: str) -> Kind:
    """The height or the width of a pooling window, of images of 6 by 8 pixels."""
    too_large = [
        Bad(pixels, ValueError, came=(dimension.format(pixels),))
        for pixels in (9, 2**40, 10**30)
    ]
    return Kind(whole(2).make, (*whole(2).bad, *too_large))


POOL_PARAM = settings(
    {"pool_height": window("{}x2"), "pool_width": window("2x{}"), "stride": whole(2)}
)
GROUPS = whole(2, at_most=6)

AFFINE = {
    "x": floats(5, 2, 3, wrong=[(5, 7), (5,), ()]),
    "w": floats(6, 7, wrong=[(5, 7), (6,), (6, 7, 1), ()]),
    "b": FEATURES,
}
BATCHNORM = {
    "x": floats(9, 7, wrong=[(9, 8), (9,), (9, 7, 1), (0, 7), ()]),
    "gamma": FEATURES,
    "beta": FEATURES,
    "bn_param": BN_PARAM,
}
LAYERNORM = {
    "x": floats(5, 7, wrong=[(5, 8), (5,), (5, 7, 1), (5, 0), ()]),
    "gamma": FEATURES,
    "beta": FEATURES,
    "ln_param": ONLY_EPS,
}
CONV = {
    "x": floats(2, 3, 6, 8, wrong=[(2, 4, 6, 8), (2, 3, 0, 0), (3, 6, 8), ()]),
    "w": floats(6, 3, 3, 3, wrong=[(6, 4, 3, 3), (6, 3, 9, 3), (6, 3, 3, 0), (6, 27)]),
    "b": CHANNELS,
    "conv_param": CONV_PARAM,
}
MAX_POOL = {"x": IMAGES, "pool_param": POOL_PARAM}
SPATIAL = {
    "x": floats(3, 6, 4, 3, wrong=[(3, 5, 4, 3), (3, 6, 4), (3, 6, 0, 3), (3, 6)]),
    "gamma": CHANNELS,
    "beta": CHANNELS,
}
LAYERS: dict[str, dict[str, Kind]] = {
    "affine": AFFINE,
    "relu": {"x": floats(5, 3, 7)},
    "batchnorm": BATCHNORM,
    "layernorm": LAYERNORM,
    "dropout": {"x": floats(5, 3, 7), "dropout_param": DROPOUT_PARAM},
    "conv": CONV,
    "max_pool": MAX_POOL,
    "spatial_batchnorm": {**SPATIAL, "bn_param": BN_PARAM_OF_6},
    "spatial_groupnorm": {**SPATIAL, "G": GROUPS, "gn_param": ONLY_EPS},
    "affine_relu": AFFINE,
    "affine_bn_relu": {**AFFINE, "gamma": FEATURES, "beta": FEATURES, "bn_param": BN_PARAM},
    "conv_relu": CONV,
    "conv_bn_relu": {
        "x": CONV["x"], "w": CONV["w"], "b": CHANNELS, "gamma": CHANNELS,
        "beta": CHANNELS, "conv_param": CONV_PARAM, "bn_param": BN_PARAM_OF_6,
    },
    "conv_relu_pool": {**CONV, "pool_param": POOL_PARAM},
}  # fmt: skip
SCORES = {
    "x": floats(5, 3, wrong=[(5,), (4, 3), (0, 3), (5, 0), (5, 3, 1), ()]),
    "y": labels(5, 3),
}
NEED_DX = ("affine", "conv")


def backward(
    run_forward: Callable[..., Any], kinds: Mapping[str, Kind], need_dx: bool
) -> Entry:
    """Return the entry of a layer's backward function."""
    out = run_forward(**{name: of.make() for name, of in kinds.items()})[0]
    shape = out.shape
    wrong = [(*shape, 1), (*shape[:-1], shape[-1] + 1), (shape[0] + 1, *shape[1:]), ()]
    parameters = {
        "dout": floats(*shape, wrong=wrong),
        "cache": cache_of(run_forward, kinds),
    }
    return Entry(parameters | ({"need_dx": flag()} if need_dx else {}))


def layer_entries() -> Iterator[tuple[str, Entry]]:
    for name, kinds in LAYERS.items():
        if f"{name}_forward" in layer_utils.__all__:
            module, suffix = layer_utils, ""
        else:
            module = (
                conv_layers
                if name in ("conv", "max_pool") or "spatial" in name
                else layers
            )
            suffix = "_naive" if name in ("conv", "max_pool") else ""
        for place, end in ((module, suffix), (fast_layers, "_fast")):
            forward = getattr(place, f"{name}_forward{end}")
            fast = {"fast": flag()} if place is layer_utils else {}
            yield f"{place.__name__}.{forward.__name__}", Entry(kinds | fast)
            need_dx = place is layer_utils or (
                end == "_fast" and name.startswith(NEED_DX)
            )
            found = backward(forward, kinds, need_dx)
            for ending in ("", "_alt"):
                if hasattr(place, f"{name}_backward{ending}{end}"):
                    yield f"{place.__name__}.{name}_backward{ending}{end}", found
    for loss in (
        "layers.svm_loss",
        "layers.softmax_loss",
        "fast_layers.softmax_loss_fast",
    ):
        yield f"nndl.{loss}", Entry(SCORES)
    for loss in (
        "layers.smoothed_softmax_loss",
        "fast_layers.smoothed_softmax_loss_fast",
    ):
        epsilon = number(0.1, at_least=0, at_most=1)
        yield f"nndl.{loss}", Entry(SCORES | {"epsilon": epsilon})
    pool = {"x": floats(2, 3, 6, 8, wrong=[(2, 3, 6), (2, 3, 0, 8), (2, 3), ()])}
    forward = conv_layers.global_avg_pool_forward
    yield "nndl.conv_layers.global_avg_pool_forward", Entry(pool)
    yield (
        "nndl.conv_layers.global_avg_pool_backward",
        backward(forward, pool, need_dx=False),
    )
    yield (
        "nndl.fast_layers.FastCache",
        Entry({"layer": text("relu_forward_fast"), "entries": kind((), [])}),
    )


# ---- update rules --------------------------------------------------------------------

MEMORY = floats(4, 3, wrong=[(4,), (4, 3, 1), (3, 4), ()])
SQUARES = Kind(lambda: normal(4, 3) ** 2, MEMORY.bad)
RATE = number(0.1, at_least=0)
FRACTION = number(0.9, at_least=0, below=1)
RULES = {
    "sgd": settings({}, learning_rate=RATE),
    "sgd_momentum": settings({}, learning_rate=RATE, momentum=FRACTION, velocity=MEMORY),
    "sgd_nesterov_momentum": settings(
        {}, learning_rate=RATE, momentum=FRACTION, velocity=MEMORY
    ),
    "rmsprop": settings(
        {}, learning_rate=RATE, decay_rate=FRACTION, epsilon=EPS, cache=SQUARES
    ),
    "adam": settings(
        {}, learning_rate=RATE, beta1=FRACTION, beta2=FRACTION, epsilon=EPS,
        m=MEMORY, v=SQUARES, t=whole(0, at_least=0),
    ),
    "adamw": settings(
        {}, learning_rate=RATE, weight_decay=RATE, beta1=FRACTION, beta2=FRACTION,
        epsilon=EPS, m=MEMORY, v=SQUARES, t=whole(0, at_least=0),
    ),
}  # fmt: skip


def rule_entries() -> Iterator[tuple[str, Entry]]:
    for name, config in RULES.items():
        parameters = {"w": floats(4, 3), "dw": MEMORY, "config": optional(config)}
        yield f"nndl.optim.{name}", Entry(parameters)
        yield f"nndl.optim.{name}_fast", Entry(parameters)


# ---- networks ------------------------------------------------------------------------

WEIGHT_SCALE = kind(
    0.1, [b for b in number(0.1, at_least=0).bad if not isinstance(b.value, str)]
    + [Bad("xavier", ValueError), Bad("", ValueError)],
)  # fmt: skip
DTYPE = kind(
    "float32",
    [Bad(w, (TypeError, ValueError)) for w in (None, "real", 3, 1j, ["x"], object, np.ones(2))]
    + [
        Bad(w, ValueError, came=(came,))
        for w, came in (
            (np.float16, "float16"), (int, "int64"), ("f2", "float16"), ([], "[]"), ({}, "[]"),
        )
    ],
)  # fmt: skip
NETWORK = {
    "num_classes": size(3),
    "weight_scale": WEIGHT_SCALE,
    "reg": number(0.1, at_least=0),
    "dtype": DTYPE,
    "rng": optional(random_source()),
    "fast": flag(),
}
SEED = optional(whole(0, at_least=0))
IMAGE_SHAPE = kind(
    (2, 6, 6),
    [
        *(Bad(w, (TypeError, ValueError)) for w in (None, 3, {}, 1j, True, (2, 6), (2, 6, 6, 6))),
        Bad("abc", TypeError, came=("'a'",)),
        *(Bad((2, 6, w), TypeError, came=(repr(w),)) for w in (1.5, None, "6", True, 1j)),
        *(Bad((2, w, 6), ValueError, came=(repr(w),)) for w in (0, -1, 10**30)),
        Bad(object, TypeError),
    ],
)  # fmt: skip
HIDDEN_DIMS = kind(
    [5, 4],
    [
        *(Bad(w, TypeError) for w in (None, 5, 1.5, True, 1j, object)),
        *(
            Bad([5, w], TypeError, came=(repr(w),))
            for w in (1.5, None, "6", True, 1j, [4])
        ),
        *(Bad([w, 4], ValueError, came=(repr(w),)) for w in (0, -1, 10**30)),
        Bad("54", TypeError, came=("5", "54")),
        Bad(np.full(2, None), TypeError, came=("None",)),
        Bad(np.ones(2), TypeError, came=("1.0", "np.float64(1.0)")),
    ],
)
WRONG_SPECS = {
    "conf 3": "conf 3", "conv": "conv", "conv 0": "0", "conv 1.5": "1.5", "conv -1": "conv",
    "conv 3 9x9 pad 0": "9x9", "affine 3 - conv 3": "conv 3", "pool 0x2": "pool 0x2",
    "relu 3": "relu 3", "dropout 0": "dropout 0", "dropout 2": "dropout 2", "gn 2": "gn 2",
    "[conv 3": "'[conv 3'", "[relu] x 0": "[relu] x 0", "-": "''", "relu -": "''",
    "conv 3 - gn 2": "gn 2", "conv 3 - bn - bn": "bn", "conv 3.3.3": "3.3.3",
    f"affine {10**30}": str(10**30), f"conv {10**30}": str(10**30),
    f"conv 3 stride {10**30}": str(10**30), f"conv 3 pad {10**30}": str(10**30),
}  # fmt: skip
SPEC = text("conv 3 - relu - pool - affine 4")
SPEC = Kind(
    SPEC.make,
    (*SPEC.bad, *(Bad(w, ValueError, came=(c,)) for w, c in WRONG_SPECS.items())),
)
NETWORKS = {
    "fc_net.TwoLayerNet": {
        "input_dim": size(12),
        "hidden_dim": size(5),
        **NETWORK,
    },
    "fc_net.FullyConnectedNet": {
        "hidden_dims": HIDDEN_DIMS,
        "input_dim": size(12),
        "dropout_keep_ratio": number(1, above=0, at_most=1),
        "normalization": choice(None, "batchnorm", "layernorm"),
        "seed": SEED,
        "use_batchnorm": flag(False),
        "dropout": optional(number(0, at_least=0, at_most=1)),
        **NETWORK,
    },
    "cnn.ThreeLayerConvNet": {
        "input_dim": IMAGE_SHAPE,
        "num_filters": size(3),
        "filter_size": size(3),
        "hidden_dim": size(5),
        "use_batchnorm": flag(False),
        **NETWORK,
    },
    "cnn.ConvNet": {
        "spec": SPEC,
        "input_dim": IMAGE_SHAPE,
        "loss": choice("softmax", "svm"),
        "seed": SEED,
        "label_smoothing": number(0.1, at_least=0, below=1),
        **NETWORK,
    },
}


def network_entries() -> Iterator[tuple[str, Entry]]:
    for name, parameters in NETWORKS.items():
        module, _, cls = name.partition(".")
        made = getattr(importlib.import_module(f"nndl.{module}"), cls)
        yield f"nndl.{name}", Entry(parameters)

        def loss(made: Any = made, parameters: Any = parameters, **given: Any) -> Any:
            net = made(**{key: of.make() for key, of in parameters.items()})
            return net.loss(**given)

        if module == "fc_net":
            X = floats(4, 12, wrong=[(4, 13), (4, 12, 2), (4,), ()])
        else:
            X = floats(4, 2, 6, 6, wrong=[(4, 2, 6, 7), (4, 72), (2, 6, 6), (4,), ()])
        yield f"nndl.{name}.loss", Entry({"X": X, "y": optional(labels(4, 3))}, loss)


# ---- training ------------------------------------------------------------------------


def blobs() -> dict[str, Any]:
    return {
        "X_train": normal(12, 4), "y_train": np.arange(12) % 3,
        "X_val": normal(6, 4), "y_val": np.arange(6) % 3,
    }  # fmt: skip


def a_solver() -> Any:
    return solver.Solver(Model(), blobs(), num_epochs=1, verbose=False, rng=0)


DATA = settings(
    {
        "X_train": numbers(12, 4, wrong=[(11, 4), (0, 4), ()]),
        "y_train": labels(12, 3, checks_range=False),
        "X_val": numbers(6, 4, wrong=[(7, 4), (0, 4), ()]),
        "y_val": labels(6, 3, checks_range=False),
    }
)
OPTIM_CONFIG = settings({}, learning_rate=RATE)
UNKNOWN_SETTINGS = [
    Bad({"learning_rat": 0.1}, ValueError, came=("learning_rat",)),
    Bad({1: 2}, ValueError, came=("holds 1",)),
]
OPTIM_CONFIG = Kind(OPTIM_CONFIG.make, (*OPTIM_CONFIG.bad, *UNKNOWN_SETTINGS))
UPDATE_RULE = choice("sgd", "adam")
# A class can be called, and so may be a rule.
UPDATE_RULE = Kind(
    UPDATE_RULE.make,
    (
        *(b for b in UPDATE_RULE.bad if b.value is not object),
        Bad("adam_fast", ValueError),
    ),
)
SOLVER = {
    "model": model(),
    "data": DATA,
    "update_rule": UPDATE_RULE,
    "optim_config": optional(OPTIM_CONFIG),
    # Any other decay contradicts the schedule.
    "lr_decay": number(1, above=0),
    "schedule": optional(function(constant)),
    "augment": optional(function(flip)),
    "averaging": optional(number(0.9, at_least=0, below=1)),
    "batch_size": whole(4),
    "num_epochs": whole(1),
    "print_every": whole(10),
    "verbose": flag(False),
    "num_train_samples": optional(whole(10)),
    "num_val_samples": optional(whole(5)),
    # None is refused only because the good `checkpoint_every` asks for a name.
    "checkpoint_name": path("name", none=ValueError),
    "checkpoint_every": optional(whole(2)),
    "after_epoch": optional(function(print)),
    "rng": optional(random_source()),
}


def solver_entries(folder: str) -> Iterator[tuple[str, Entry]]:
    yield "nndl.solver.Solver", Entry(SOLVER)
    yield "nndl.solver.Solver.train", Entry({}, lambda: a_solver().train())
    yield (
        "nndl.solver.Solver.resume",
        Entry(
            {"path": path("nothing", none=ValueError)},
            lambda path: a_solver().resume(path),
            FileNotFoundError,
        ),
    )
    yield (
        "nndl.solver.Solver.check_accuracy",
        Entry(
            {
                "X": numbers(6, 4, wrong=[(7, 4), (0, 4), ()]),
                "y": labels(6, 3, checks_range=False),
                "num_samples": optional(whole(3)),
                "batch_size": whole(2),
            },
            lambda **given: a_solver().check_accuracy(**given),
        ),
    )
    yield (
        "nndl.solver.Solver.plot_history",
        Entry({}, lambda: a_solver().plot_history()),
    )
    yield (
        "nndl.solver.load_checkpoint",
        Entry({"path": path("nothing"), "model": model()}, ends=FileNotFoundError),
    )


def average_and_evaluation_entries() -> Iterator[tuple[str, Entry]]:
    average = WeightAverage(Model())
    average.update()
    yield (
        "nndl.averaging.WeightAverage",
        Entry({"model": model(), "keep": number(0.9, at_least=0, below=1)}),
    )
    for method in (average.update, average.averages, average.applied):
        name = f"nndl.averaging.WeightAverage.{method.__name__}"
        yield name, Entry({}, method)
    classes = labels(6, 3)
    yield (
        "nndl.evaluation.predict_scores",
        Entry(
            {
                "model": model(),
                "X": numbers(6, 3, 4, 4, wrong=[(0, 3, 4, 4), ()]),
                "mirrored": flag(False),
                "batch_size": whole(2),
            }
        ),
    )
    yield (
        "nndl.evaluation.confusion_matrix",
        Entry(
            {
                "y": classes,
                "predicted": classes,
                "num_classes": whole(3, at_most=10_000),
            }
        ),
    )
    yield (
        "nndl.evaluation.worst_mistakes",
        Entry(
            {
                "scores": floats(6, 3, wrong=[(6,), (5, 3), ()]),
                "y": classes,
                "count": whole(2, at_least=0),
            }
        ),
    )


# ---- experiments ---------------------------------------------------------------------

TABLES = {
    "data": {"name": "shapes", "training": 40, "validation": 20},
    "network": {"spec": "pool 8x8 stride 8"},
    "optimizer": {"learning_rate": 1e-3},
    "training": {"epochs": 1, "batch_size": 20},
}


def experiment_entries(folder: str) -> Iterator[tuple[str, Entry]]:
    experiment = experiments.parse(TABLES)
    seed = optional(whole(3, at_least=0))
    no_tables = [Bad(value, TypeError) for value in NO_DICT]
    yield (
        "nndl.experiments.read",
        Entry({"path": path("a.toml")}, ends=FileNotFoundError),
    )
    yield (
        "nndl.experiments.parse",
        Entry({"tables": kind(TABLES, no_tables), "name": text("mine")}),
    )
    yield (
        "nndl.experiments.evaluate",
        Entry(
            {
                "checkpoint": path("a.npz"),
                "part": choice("val", "test"),
                "mirrored": optional(flag()),
            },
            ends=FileNotFoundError,
        ),
    )
    name = "nndl.experiments.Experiment"
    yield (
        f"{name}.load_data",
        Entry({"num_test": optional(whole(5, at_most=1000))}, experiment.load_data),
    )
    yield f"{name}.network", Entry({"seed": seed}, experiment.network)
    yield (
        f"{name}.run",
        Entry(
            {
                "seed": seed,
                "epochs": optional(whole(1)),
                # None is refused only because the good `checkpoint_every` asks for one.
                "folder": path(folder, none=ValueError),
                "resume": flag(True),
                "checkpoint_every": optional(whole(3)),
                "quiet": flag(True),
                "test": flag(False),
                "data": optional(kind({}, no_tables)),
            },
            experiment.run,
            FileNotFoundError,
        ),
    )


# ---- schedules and augmentation ------------------------------------------------------

SHARE = number(0.3, at_least=0, at_most=1)
DROPS = kind(
    (0.5, 0.75),
    [
        *(Bad(w, TypeError) for w in (None, 3, 1.5, True, 1j, object)),
        *(
            Bad((0.5, w), TypeError, came=(repr(w),))
            for w in (None, "1", True, 1j, [0.5])
        ),
        *(
            Bad((w, 0.5), ValueError, came=(repr(w),))
            for w in (-0.1, 1.5, np.inf, 10**30)
        ),
        Bad("54", TypeError, came=("5",)),
    ],
)
SCHEDULES: dict[str, dict[str, Kind]] = {
    "constant": {},
    "step": {"drops": DROPS, "factor": number(0.1, above=0, at_most=1)},
    "cosine": {"final": SHARE},
    "one_cycle": {
        "rise": number(0.25, at_least=0, below=1),
        "start": SHARE,
        "final": SHARE,
    },
}


def schedule_and_augmentation_entries() -> Iterator[tuple[str, Entry]]:
    for name, parameters in SCHEDULES.items():
        yield f"nndl.schedules.{name}", Entry({"s": SHARE} | parameters)
    images = {"X": IMAGES, "rng": optional(random_source())}
    yield "nndl.augmentation.flip", Entry(images)
    yield (
        "nndl.augmentation.crop",
        Entry(
            images
            | {
                "most": whole(2, at_least=0, at_most=6),
                "fill": floats(3, wrong=[(4,), (3, 1), (0,)]),
            }
        ),
    )


# ---- gradients, pictures, data -------------------------------------------------------


def half_square(x: Any) -> float:
    return float(np.sum(x * x) / 2)


def double(x: Any) -> Any:
    return 2 * x


def no_number(x: Any) -> str:
    return "no number"


def gradient_entries() -> Iterator[tuple[str, Entry]]:
    h, x = number(1e-5, above=0), writable_floats(2, 3)
    prefix = "nndl.gradient_check"
    yield (
        f"{prefix}.rel_error",
        Entry(
            {
                "x": floats(2, 3, wrong=[(3, 2), (2, 3, 1), ()]),
                "y": floats(2, 3, wrong=[(3,), ()]),
            }
        ),
    )
    yield (
        f"{prefix}.eval_numerical_gradient",
        Entry({"f": function(half_square), "x": x, "verbose": flag(False), "h": h}),
    )
    yield (
        f"{prefix}.eval_numerical_gradient_array",
        Entry(
            {
                "f": function(double),
                "x": x,
                "df": numbers(2, 3, wrong=[(3, 2), (2, 3, 1), ()]),
                "h": h,
            }
        ),
    )
    yield (
        f"{prefix}.grad_check_sparse",
        Entry(
            {
                "f": function(half_square),
                "x": x,
                "analytic_grad": numbers(2, 3, wrong=[(3, 2), (2, 3, 1), ()]),
                "num_checks": whole(2),
                "h": h,
                "rng": optional(random_source()),
            }
        ),
    )


PIXELS = numbers(4, 3, 5, 6, wrong=[(4, 2, 5, 6), (3, 5, 6), (0, 3, 5, 6), ()])


def picture_entries() -> Iterator[tuple[str, Entry]]:
    prefix, either = "nndl.vis_utils", (TypeError, ValueError)
    yield f"{prefix}.use_book_style", Entry({})
    titles = kind(
        list("abcd"),
        [
            *(Bad(w, TypeError) for w in (None, 3, 1.5, True, 1j, object)),
            *(
                Bad(w, ValueError, came=(str(len(w)),))
                for w in ([], ["a"], list("abcde"))
            ),
            Bad([1, 2, 3, 4], TypeError, came=("1",)),
            Bad("abcd", TypeError),
        ],
    )
    yield (
        f"{prefix}.show_images",
        Entry(
            {
                "images": PIXELS,
                "titles": optional(titles),
                "columns": whole(2),
                "size": number(0.5, above=0),
            }
        ),
    )
    yield (
        f"{prefix}.visualize_grid",
        Entry(
            {
                "Xs": IMAGES_LAST,
                "ubound": number(255, above=0),
                "padding": whole(1, at_least=0),
            }
        ),
    )
    solvers = [None, 3, "x", {}, [], True, 1j, np.ones(2), object]
    yield (
        f"{prefix}.plot_training",
        Entry({"solver": Kind(a_solver, tuple(Bad(w, TypeError) for w in solvers))}),
    )
    record = {"chapter": "3", "network": "a", "shapes": 0.5, "cifar10": 0.4}
    yield (
        f"{prefix}.plot_progress",
        Entry(
            {
                "records": kind(
                    [record],
                    [
                        *(Bad(w, TypeError) for w in (None, 3, 1.5, True, 1j, object)),
                        *(
                            Bad([w], TypeError, came=(repr(w),))
                            for w in (None, 3, "x", [])
                        ),
                        *(
                            Bad(
                                [{k: v for k, v in record.items() if k != key}],
                                ValueError,
                                came=(key,),
                            )
                            for key in record
                        ),
                        *(
                            Bad([record | {"shapes": w}], either, came=(repr(w),))
                            for w in (None, "a", 2, -1, np.nan)
                        ),
                        Bad([], ValueError, came=("at least one record",)),
                        Bad({}, TypeError),
                    ],
                )
            }
        ),
    )
    yield f"{prefix}.draw_graph", Entry(
        {
            "nodes": kind(
                {"a": (0, 0), "b": (1, 1)},
                [
                    *(Bad(w, TypeError) for w in (None, 3, 1.5, True, 1j, "x", [1], object)),
                    *(
                        Bad({"a": w, "b": (1, 1)}, either, came=(repr(w),))
                        for w in (None, 3, "x", (1,), (1, 2, 3), 1j)
                    ),
                    Bad({"a": (1, "x"), "b": (1, 1)}, TypeError, came=("'x'",)),
                    Bad({"a": (np.nan, 1), "b": (1, 1)}, ValueError, came=("nan",)),
                    Bad({3: (0, 0), "b": (1, 1)}, TypeError, came=("3",)),
                    Bad({}, ValueError, came=("at least one node",)),
                ],
            ),
            "edges": kind(
                [("a", "b", "1", "2")],
                [
                    *(Bad(w, TypeError) for w in (None, 3, 1.5, True, 1j, object)),
                    *(Bad([w], either, came=(repr(w),)) for w in (None, 3, "x", (), ("a", "b"))),
                    Bad([("a", "b", 1, 2)], TypeError, came=("('a', 'b', 1, 2)",)),
                    Bad([("a", "c", "1", "2")], ValueError, came=("'c'",)),
                    Bad([("a", "a", "1", "2")], ValueError, came=("'a'",)),
                ],
            ),
            "ax": Kind(
                an_axes, tuple(Bad(w, TypeError) for w in (3, "x", [], {}, True, np.ones(2)))
            ),
        }
    )  # fmt: skip


def an_axes() -> Any:
    import matplotlib.pyplot as plt

    return plt.figure().add_subplot()


IMAGES_LAST = numbers(4, 5, 6, 3, wrong=[(4, 5, 6), (0, 5, 6, 3), ()])


def data_entries(folder: str) -> Iterator[tuple[str, Entry]]:
    def count(good: int, most: int) -> Kind:
        return optional(whole(good, at_most=most))

    absent = FileNotFoundError
    yield (
        "nndl.data.load",
        Entry(
            {
                "name": optional(choice("cifar10", "shapes")),
                "num_train": count(10, 49_000),
                "num_val": count(10, 1_000),
                "num_test": count(10, 10_000),
                "subtract_mean": flag(),
            },
            ends=absent,
        ),
    )
    parts = {
        f"X_{part}": floats(5, 3, 4, 6, wrong=[(5, 2, 4, 6), (5, 3, 4), (5,), ()])
        for part in ("val", "test")
    }
    training = floats(5, 3, 4, 6, wrong=[(0, 3, 4, 6), (5, 3, 0, 6), (5, 3, 4), ()])
    yield "nndl.data.whiten", Entry({"data": settings({"X_train": training}, **parts)})
    yield "nndl.data.photograph", Entry({"name": choice("cat", "raccoon")})
    yield (
        "nndl.data.shapes.draw",
        Entry({"n": whole(2, at_least=0), "seed": whole(0, at_least=0)}),
    )
    yield "nndl.data.cifar10.find", Entry({})
    for module in ("data.cifar10", "data_utils"):
        yield (
            f"nndl.{module}.get_CIFAR10_data",
            Entry(
                {
                    "num_training": count(10, 49_000),
                    "num_validation": count(10, 1_000),
                    "num_test": count(10, 10_000),
                    "subtract_mean": flag(),
                },
                ends=absent,
            ),
        )
    yield (
        "nndl.data.cifar10.fetch",
        Entry(
            {"folder": optional(path(folder)), "url": text("no address")}, ends=OSError
        ),
    )
    yield (
        "nndl.exercises.write_exercises",
        Entry(
            {"folder": path(folder), "chapters": optional(path(folder))}, ends=absent
        ),
    )


# ---- checks, old notebooks, the top of the package -----------------------------------

HINT = whole(2, at_most=3)
SECONDS = number(1.0, above=0)


def my_relu_forward(x: Any) -> Any:
    return np.maximum(0, x), x


def my_relu_backward(dout: Any, cache: Any) -> Any:
    return dout * (cache > 0)


def check_entries(folder: str) -> Iterator[tuple[str, Entry]]:
    yield (
        "nndl.check.check",
        Entry(
            {
                "function": function(my_relu_backward),
                "name": optional(text("relu_backward", "nothing", "")),
                "forward": optional(function(my_relu_forward)),
                "hint": HINT,
                "time_limit": SECONDS,
            }
        ),
    )
    yield (
        "nndl.check.check_gradients",
        Entry(
            {
                "forward": function(my_relu_forward),
                "backward": function(my_relu_backward),
                "inputs": kind(
                    (normal(3),),
                    [
                        Bad((w,), ValueError, came=(type(w).__name__,))
                        for w in (None, 3, "x", [1.0], {}, 1j, object, np.arange(3))
                    ]
                    + [Bad((), ValueError, came=("nothing",))],
                ),
                "hint": HINT,
                "time_limit": SECONDS,
                "rng": optional(random_source()),
            }
        ),
    )
    yield (
        "nndl.check.check_model",
        Entry(
            {
                "model": model(),
                "X": optional(numbers(4, 12, wrong=[(), (0, 12)])),
                "y": optional(labels(4, 3, checks_range=False)),
                "hint": HINT,
                "time_limit": SECONDS,
            },
            lambda model=None, **given: check.check_model(
                fc_net.TwoLayerNet(12, 5, 3, rng=0)
                if isinstance(model, Model)
                else model,
                **given,
            ),
        ),
    )
    yield (
        "nndl.check.check_file",
        Entry(
            {
                "path": path("nothing.py"),
                "hint": HINT,
                "time_limit": SECONDS,
                "memory_limit": whole(4096),
            },
            ends=FileNotFoundError,
        ),
    )
    passed = check.Result("f").to_dict()
    yield (
        "nndl.check.Result.from_dict",
        Entry(
            {
                "told": kind(
                    passed,
                    [
                        Bad(w, ValueError)
                        for w in (None, 3, "x", {}, [], True, 1j, object)
                    ]
                    + [
                        Bad(
                            {k: v for k, v in passed.items() if k != key},
                            ValueError,
                            came=("'passed'",),
                        )
                        for key in ("name", "findings", "stages", "notes")
                    ],
                ),
                "hint": HINT,
            },
            check.Result.from_dict,
        ),
    )
    result = check.Result("f")
    for method in (result.raise_for_failure, result.to_dict, result.to_json):
        yield f"nndl.check.Result.{method.__name__}", Entry({}, method)
    yield "nndl.compat.install", Entry({"dropout_p": choice("keep", "drop")}, installed)
    yield "nndl.compat.uninstall", Entry({})


def installed(**given: Any) -> None:
    try:
        compat.install(**given)
    finally:
        compat.uninstall()


# ---- searches ------------------------------------------------------------------------

A_SPACE = {"lr": sweep.log_uniform(1e-4, 1e-2)}
SPACE = kind(
    A_SPACE,
    [
        *(Bad(w, TypeError) for w in (None, 3, "x", [], True, 1j, object)),
        *(Bad(w, ValueError) for w in ({}, {"lr": 1})),
        Bad({**A_SPACE, 1: 2}, TypeError, came=("1",)),
        Bad({**A_SPACE, "b": 1j}, TypeError, came=("1j",)),
        Bad({**A_SPACE, "b": math.nan}, TypeError, came=("nan",)),
    ],
)
RECORDS = [sweep.Record(0, 0, 1, {"lr": 1e-3}, 0, 1.0)]
WORKERS = optional(whole(1, at_most=1024))
WHOLE_64 = {"at_least": -(2**63), "at_most": 2**63 - 1}


def sweep_entries() -> Iterator[tuple[str, Entry]]:
    low, above_0, high = number(0.5), number(0.5, above=0), number(2.0, above=0.5)
    yield "nndl.sweep.uniform", Entry({"low": low, "high": high})
    yield "nndl.sweep.log_uniform", Entry({"low": above_0, "high": high})
    yield (
        "nndl.sweep.integers",
        Entry(
            {
                "low": whole(1, **WHOLE_64),
                "high": whole(5, at_least=1, at_most=2**63 - 1),
            }
        ),
    )
    no_list = (None, 3, "x", {}, True, 1j, np.ones(2), object)
    yield (
        "nndl.sweep.choice",
        Entry(
            {
                "options": kind(
                    [1, None],
                    [
                        *(Bad(w, TypeError) for w in no_list),
                        Bad([], ValueError),
                        Bad([1, 1j], TypeError, came=("1j",)),
                        Bad([math.nan], TypeError, came=("nan",)),
                    ],
                )
            }
        ),
    )
    rng = random_source()
    yield (
        "nndl.sweep.Distribution.draw",
        Entry(
            {"rng": Kind(rng.make, (*rng.bad, Bad(None, TypeError)))},
            A_SPACE["lr"].draw,
        ),
    )
    yield (
        "nndl.sweep.zoom",
        Entry(
            {
                "space": SPACE,
                "results": kind(
                    RECORDS,
                    [
                        *(
                            Bad(w, TypeError)
                            for w in (None, 3, "x", {}, [1], 1j, object)
                        ),
                        Bad([], ValueError, came=("()",)),
                    ],
                ),
                "keep": whole(3),
            }
        ),
    )
    yield (
        "nndl.sweep.read_log",
        Entry({"path": path("nothing")}, ends=FileNotFoundError),
    )
    ranked = sweep.SearchResult(RECORDS).ranked
    yield "nndl.sweep.SearchResult.ranked", Entry({}, ranked)
    yield (
        "nndl.sweep.search",
        Entry(
            {
                "objective": function(sweep_cases.parabola),
                "space": SPACE,
                "trials": whole(2),
                "budgets": kind(
                    [1, 2],
                    [
                        *(Bad(w, TypeError) for w in (None, "x", {}, True, 1j, object)),
                        *(Bad(w, ValueError) for w in (0, -1.5, math.nan, [])),
                        Bad([1, "x"], TypeError, came=("'x'",)),
                        Bad([2, 1], ValueError, came=("1",)),
                        Bad([2, 2], ValueError, came=("2",)),
                    ],
                ),
                "factor": whole(2, at_least=2),
                "seed": whole(0, at_least=0),
                "scheduler": kind(
                    None,
                    [
                        *(Bad(w, TypeError) for w in (3, [], {}, True, b"x", object)),
                        *(Bad(w, ValueError) for w in ("", "x", "tcp://here", ":8786")),
                    ],
                ),
                "workers": WORKERS,
                "threads_per_worker": WORKERS,
                "log": optional(path("log")),
                "progress": flag(False),
            }
        ),
    )


def top_entries() -> Iterator[tuple[str, Entry]]:
    yield "nndl.get_num_threads", Entry({})
    yield "nndl.show_config", Entry({})
    yield "nndl.set_num_threads", Entry({"n": optional(whole(1, at_most=1024))})
    no_function = [
        Bad((w,), TypeError, came=(repr(w),))
        for w in (None, 3, "x", [], {}, 1j, np.sin)
    ]
    yield (
        "nndl.show",
        Entry(
            {
                "functions": kind(
                    (my_relu_forward,),
                    [*no_function, Bad((), TypeError, came=("at least one",))],
                ),
                "docstring": flag(False),
            }
        ),
    )


def table(folder: str) -> dict[str, Entry]:
    return dict(
        [
            *layer_entries(),
            *rule_entries(),
            *network_entries(),
            *solver_entries(folder),
            *average_and_evaluation_entries(),
            *experiment_entries(folder),
            *schedule_and_augmentation_entries(),
            *gradient_entries(),
            *picture_entries(),
            *data_entries(folder),
            *check_entries(folder),
            *sweep_entries(),
            *top_entries(),
        ]
    )


#: Public names that take no arguments from anybody, and why.
NOT_IN_THE_TABLE = {
    "nndl.check.CheckFailed": "an exception, raised by `Result.raise_for_failure`",
    "nndl.check.Finding": "a record that `check` makes",
    "nndl.check.Result": "a record that `check` makes",
    "nndl.check.Stage": "a record that `check` makes",
    "nndl.experiments.Evaluation": "a record that `evaluate` makes",
    "nndl.experiments.Experiment": "a record that `read` and `parse` make",
    "nndl.experiments.Run": "a record that `Experiment.run` makes",
    "nndl.sweep.Distribution": "made by `uniform` and its like",
    "nndl.sweep.Record": "a record that `search` makes",
    "nndl.sweep.SearchResult": "a record that `search` makes",
    "nndl.cli.main": "a command; its arguments are those of a terminal, see test_cli",
}


# ---- the table is whole --------------------------------------------------------------


def public_names() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public function, class and method, and its name in the table."""
    modules = [nndl, *(getattr(nndl, name) for name in sorted(nndl._MODULES))]
    for module in [*modules, cifar10, shapes]:
        for name in getattr(module, "__all__", ["main"]):
            value = getattr(module, name)
            if not callable(value):
                continue
            yield f"{module.__name__}.{name}", value
            if inspect.isclass(value):
                for method in sorted(methods_of(value)):
                    yield f"{module.__name__}.{name}.{method}", getattr(value, method)


def methods_of(cls: type) -> set[str]:
    """Return the names of the public methods that the package gave a class."""
    ours = [base for base in cls.__mro__ if base.__module__.startswith("nndl.")]
    return {
        name
        for base in ours
        for name, value in vars(base).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, classmethod))
    }


PUBLIC = {name: value for name, value in public_names() if name not in NOT_IN_THE_TABLE}


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = inspect.signature(function).parameters.values()
    return [
        parameter
        for parameter in parameters
        if parameter.name != "self" and parameter.name[0] != "_"
    ]


TABLE = table("somewhere")


def test_every_public_function_and_each_of_its_parameters_is_in_the_table():
    assert len(PUBLIC) > 100
    assert {
        name: sorted(p.name for p in parameters_of(f)) for name, f in PUBLIC.items()
    } == {name: sorted(entry.parameters) for name, entry in TABLE.items()}


def test_every_module_of_the_package_is_public_or_has_an_underscore():
    """So that the walk over the public ones misses none."""
    names = {info.name for info in pkgutil.iter_modules(nndl.__path__)}
    assert {name for name in names if name[0] != "_"} <= nndl._MODULES | {"benchmarks"}


# ---- every argument ------------------------------------------------------------------


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Let no test find the user's files, or leave any."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NNDL_CACHE", str(tmp_path / "cache"))
    for name in ("NNDL_DATA", "NNDL_DATASET"):
        monkeypatch.delenv(name, raising=False)


def call(name: str, given: Mapping[str, Any]) -> BaseException | None:
    """Call a function of the table and return the error that it raised, if any."""
    by_position: list[Any] = []
    by_name: dict[str, Any] = {}
    for parameter in parameters_of(PUBLIC[name]):
        if parameter.kind is parameter.VAR_POSITIONAL:
            by_position = [*by_name.values(), *given[parameter.name]]
            by_name = {}
        elif parameter.name in given:
            by_name[parameter.name] = given[parameter.name]
    run = TABLE[name].run or PUBLIC[name]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            run(*by_position, **by_name)
    except Exception as error:
        return error
    return None


def good_arguments(name: str) -> dict[str, Any]:
    return {key: of.make() for key, of in TABLE[name].parameters.items()}


@pytest.mark.parametrize("name", TABLE)
def test_the_good_arguments_of_the_table_are_good(name):
    """Or the bad ones would prove nothing."""
    error, ends = call(name, good_arguments(name)), TABLE[name].ends
    assert isinstance(error, ends) if ends else error is None


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        (name, key)
        for name, entry in TABLE.items()
        for key, of in entry.parameters.items()
        if of.bad
    ],
)
def test_every_bad_argument_is_an_error_that_names_it_and_says_what_came(
    name, parameter, figures
):
    complaints = []
    for bad in TABLE[name].parameters[parameter].bad:
        given = good_arguments(name)
        given[parameter] = changed(given[parameter], bad)
        fault = complaint(parameter, bad, call(name, given))
        if fault:
            where = parameter if bad.key is None else f"{parameter}[{bad.key!r}]"
            complaints.append(f"{where} = {bad.value!r} {fault}")
        figures.close("all")
    assert not complaints, "\n".join(complaints)


def test_a_complaint_is_made_of_what_a_careless_function_answers():
    """The reader of the messages is itself put to the test."""
    bad = Bad([1.0], TypeError)
    for error, fault in (
        (None, "was let through"),
        (KeyError("p"), "gave KeyError"),
        (TypeError("unsupported operand"), "is not named"),
        (TypeError("`p` must be a number."), "does not say"),
        (TypeError("`p` must be a number, but is [1.0]."), ""),
    ):
        assert complaint("p", bad, error)[: len(fault) or 1] == fault


def test_there_are_thousands_of_bad_arguments():
    count = sum(
        len(of.bad) for entry in TABLE.values() for of in entry.parameters.values()
    )
    assert count > 7000
