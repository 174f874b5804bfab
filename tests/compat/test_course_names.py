"""Every name that the courses' notebooks use can be imported from where they import it,
called as they call it, and is right."""

from __future__ import annotations

import contextlib
import importlib
import io

import numpy as np
import pytest

import nndl.compat
from compat.course_names import (
    CNN,
    CONV_LAYERS,
    FAST_LAYERS,
    FC_NET,
    LAYERS,
    NEVER_IN_A_STAR,
    OPTIM,
    ROWS,
    STARS,
)
from compat.oracles import (
    RECORDS_PER_FILE,
    TEST,
    TRAIN,
    VAL,
    case_of,
    precisions_of,
    write_cifar,
)
from nndl.data import _records, cifar10

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", autouse=True)
def served():
    """Serve the courses' modules to all of these tests: they are many."""
    nndl.compat.install()
    yield
    nndl.compat.uninstall()


def calls():
    """Return every call of every name from every module in every precision."""
    return [
        pytest.param(
            row,
            module,
            *((call, {}) if isinstance(call, str) else call),
            dtype,
            id=f"{module}-{row.name}-{row.case}-{number}-{dtype.__name__}",
        )
        for row in ROWS
        for module in row.modules
        for number, call in enumerate(row.calls)
        for dtype in precisions_of(row)
    ]


@pytest.fixture
def small_cifar(tmp_path, monkeypatch):
    """Let CIFAR-10 have 60 images."""
    monkeypatch.setattr(cifar10, "_RECORDS_PER_FILE", RECORDS_PER_FILE)
    layout = _records.Layout(
        cifar10.CLASS_NAMES, TRAIN, TRAIN + VAL, TRAIN + VAL + TEST
    )
    monkeypatch.setattr(cifar10, "LAYOUT", layout)
    monkeypatch.setenv("NNDL_DATA", str(tmp_path))
    monkeypatch.delenv("NNDL_DATASET", raising=False)
    folder = tmp_path / "cifar-10-batches-bin"
    write_cifar(folder)
    return folder


@pytest.mark.parametrize(("row", "module", "call", "expects", "dtype"), calls())
def test_a_name_does_what_the_courses_say(request, row, module, call, expects, dtype):
    imported = importlib.import_module(module)
    scene = case_of(row)(row.name, imported, dtype, expects)
    names = {"np": np, row.name: getattr(imported, row.name), **scene.names}
    if "CIFAR" in row.name:
        folder = request.getfixturevalue("small_cifar")
        names["batch"] = str(folder / "data_batch_2.bin")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = eval(call, names)
    scene.judge(result, printed.getvalue())


@pytest.mark.parametrize(
    ("row", "module"),
    [
        pytest.param(row, module, id=f"{module}-{row.name}-{row.case}")
        for row in ROWS
        for module in row.modules
    ],
)
def test_a_name_is_importable_with_from(row, module):
    names = {}
    exec(f"from {module} import {row.name} as found", names)
    assert names["found"] is getattr(importlib.import_module(module), row.name)


@pytest.mark.parametrize("module", STARS)
def test_a_star_import_brings_what_the_originals_brought(module):
    names = {}
    exec(f"from {module} import *", names)
    own = {row.name for row in ROWS if module in row.modules}
    assert own | set(STARS[module]) <= set(names)
    assert names["np"] is np


@pytest.mark.parametrize("module", sorted({m for row in ROWS for m in row.modules}))
def test_a_star_import_replaces_nothing_of_the_notebooks_own(module):
    names = dict.fromkeys(NEVER_IN_A_STAR, "the notebook's own")
    exec(f"from {module} import *", names)
    assert {names[name] for name in NEVER_IN_A_STAR} == {"the notebook's own"}


# ---- the numbers that the courses print ----------------------------------------------


def relative_error(found, printed):
    printed = np.asarray(printed)
    assert found.shape == printed.shape
    scale = np.maximum(1e-8, np.abs(found) + np.abs(printed))
    return np.max(np.abs(found - printed) / scale)


def spread(start, stop, *shape):
    return np.linspace(start, stop, num=int(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize("module", LAYERS)
def test_the_affine_and_relu_layers_print_the_courses_numbers(module):
    layers = importlib.import_module(module)
    out, _ = layers.affine_forward(
        spread(-0.1, 0.5, 2, 4, 5, 6), spread(-0.2, 0.3, 120, 3), spread(-0.3, 0.1, 3)
    )
    printed = [
        [1.49834967, 1.70660132, 1.91485297],
        [3.25553199, 3.5141327, 3.77273342],
    ]
    assert relative_error(out, printed) < 1e-8
    out, _ = layers.relu_forward(spread(-0.5, 0.5, 3, 4))
    printed = [
        [0, 0, 0, 0],
        [0, 0, 0.04545455, 0.13636364],
        [0.22727273, 0.31818182, 0.40909091, 0.5],
    ]
    assert relative_error(out, printed) < 1e-7


CONVOLVED = [
    [
        [[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]],
        [[0.21027089, 0.21661097], [0.22847626, 0.23004637]],
        [[0.50813986, 0.54309974], [0.64082444, 0.67101435]],
    ],
    [
        [[-0.98053589, -1.03143541], [-1.19128892, -1.24695841]],
        [[0.69108355, 0.66880383], [0.59480972, 0.56776003]],
        [[2.36270298, 2.36904306], [2.38090835, 2.38247847]],
    ],
]
POOLED = [
    [
        [[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]],
        [[-0.14526316, -0.13052632], [-0.08631579, -0.07157895]],
        [[-0.02736842, -0.01263158], [0.03157895, 0.04631579]],
    ],
    [
        [[0.09052632, 0.10526316], [0.14947368, 0.16421053]],
        [[0.20842105, 0.22315789], [0.26736842, 0.28210526]],
        [[0.32631579, 0.34105263], [0.38526316, 0.4]],
    ],
]


@pytest.mark.parametrize(
    ("module", "way"),
    [
        *((module, "naive") for module in CONV_LAYERS),
        *(
            (module, way)
            for module in FAST_LAYERS
            for way in ("fast", "im2col", "strides")
        ),
    ],
)
def test_a_convolution_prints_the_courses_numbers(module, way):
    forward = getattr(importlib.import_module(module), f"conv_forward_{way}")
    x, w = spread(-0.1, 0.5, 2, 3, 4, 4), spread(-0.2, 0.3, 3, 3, 4, 4)
    out, _ = forward(x, w, spread(-0.1, 0.2, 3), {"stride": 2, "pad": 1})
    assert relative_error(out, CONVOLVED) < 5e-8


@pytest.mark.parametrize(
    ("module", "way"),
    [
        *((module, "naive") for module in CONV_LAYERS),
        *(
            (module, way)
            for module in FAST_LAYERS
            for way in ("fast", "im2col", "reshape")
        ),
    ],
)
def test_a_max_pooling_prints_the_courses_numbers(module, way):
    forward = getattr(importlib.import_module(module), f"max_pool_forward_{way}")
    pool_param = {"pool_width": 2, "pool_height": 2, "stride": 2}
    out, _ = forward(spread(-0.3, 0.4, 2, 3, 4, 4), pool_param)
    assert relative_error(out, POOLED) < 1e-7


@pytest.mark.parametrize("module", [*FC_NET, "nndl.fc_net"])
def test_the_two_layer_network_prints_the_courses_numbers(module):
    TwoLayerNet = importlib.import_module(module).TwoLayerNet
    size = "hidden_dims" if module == "nndl.fc_net" else "hidden_dim"
    np.random.seed(231)
    net = TwoLayerNet(input_dim=5, num_classes=7, weight_scale=1e-2, **{size: 50})
    assert abs(net.params["W1"].std() - 1e-2) < 1e-3
    assert abs(net.params["W2"].std() - 1e-2) < 1e-3
    net.params["W1"], net.params["b1"] = spread(-0.7, 0.3, 5, 50), spread(-0.1, 0.9, 50)
    net.params["W2"], net.params["b2"] = spread(-0.3, 0.4, 50, 7), spread(-0.9, 0.1, 7)
    X = np.linspace(-5.5, 4.5, num=15).reshape(5, 3).T
    printed = [
        [
            11.53165108,
            12.2917344,
            13.05181771,
            13.81190102,
            14.57198434,
            15.33206765,
            16.09215096,
        ],
        [
            12.05769098,
            12.74614105,
            13.43459113,
            14.1230412,
            14.81149128,
            15.49994135,
            16.18839143,
        ],
        [
            12.58373087,
            13.20054771,
            13.81736455,
            14.43418138,
            15.05099822,
            15.66781506,
            16.2846319,
        ],
    ]
    assert np.abs(net.loss(X) - printed).sum() < 1e-6
    y = np.array([0, 5, 1])
    assert abs(net.loss(X, y)[0] - 3.4702243556) < 1e-10
    net.reg = 1.0
    assert abs(net.loss(X, y)[0] - 26.5948426952) < 1e-10


def first_assignment(net_class):
    np.random.seed(0)
    net = net_class(4, 10, 3, std=1e-1)
    np.random.seed(1)
    return net, 10 * np.random.randn(5, 4), np.array([0, 1, 2, 2, 1])


@pytest.mark.parametrize("course", ["cs231n", "cse493g1"])
def test_the_network_that_trains_itself_prints_cs231n_s_loss(course):
    module = importlib.import_module(f"{course}.classifiers.neural_net")
    net, X, y = first_assignment(module.TwoLayerNet)
    assert net.loss(X)[0, 0] == pytest.approx(-0.81233741, abs=1e-8)
    assert abs(net.loss(X, y, reg=0.05)[0] - 1.30378789133) < 1e-11


def test_the_network_that_trains_itself_prints_ucla_s_loss():
    module = importlib.import_module("nndl.neural_net")
    net, X, y = first_assignment(module.TwoLayerNet)
    assert net.loss(X)[0, 0] == pytest.approx(-1.07260209, abs=1e-8)
    assert net.loss(X, y, reg=0.05)[0] == pytest.approx(1.071696123862817, abs=1e-15)


STEPPED = {  # the first row of each printed table
    "sgd_momentum": [0.1406, 0.20738947, 0.27417895, 0.34096842, 0.40775789],
    "sgd_nesterov_momentum": [0.08714, 0.15246105, 0.21778211, 0.28310316, 0.34842421],
    "rmsprop": [-0.39223849, -0.34037513, -0.28849239, -0.23659121, -0.18467247],
    "adam": [-0.40094747, -0.34836187, -0.29577703, -0.24319299, -0.19060977],
}
REMEMBERED = {
    "sgd_momentum": (
        "velocity",
        [0.5406, 0.55475789, 0.56891579, 0.58307368, 0.59723158],
    ),
    "sgd_nesterov_momentum": (
        "velocity",
        [0.5406, 0.55475789, 0.56891579, 0.58307368, 0.59723158],
    ),
    "rmsprop": ("cache", [0.5976, 0.6126277, 0.6277108, 0.64284931, 0.65804321]),
    "adam": ("v", [0.69966, 0.68908382, 0.67851319, 0.66794809, 0.65738853]),
}


def optimizer_check(rule):
    """Return the arrays and the config of the courses' check of an update rule."""
    w, dw = spread(-0.4, 0.6, 4, 5), spread(-0.6, 0.4, 4, 5)
    first = spread(0.6, 0.9, 4, 5)
    if rule == "adam":
        second = spread(0.7, 0.5, 4, 5)
        return w, dw, {"learning_rate": 1e-2, "m": first, "v": second, "t": 5}
    if rule == "rmsprop":
        return w, dw, {"learning_rate": 1e-2, "cache": first}
    return w, dw, {"learning_rate": 1e-3, "velocity": first}


@pytest.mark.parametrize("module", OPTIM)
@pytest.mark.parametrize("rule", STEPPED)
def test_an_update_rule_prints_the_courses_numbers(module, rule):
    w, dw, config = optimizer_check(rule)
    step = getattr(importlib.import_module(module), rule)
    next_w, _ = step(w, dw, config=config)
    assert relative_error(next_w[0], STEPPED[rule]) < 2e-7
    key, printed = REMEMBERED[rule]
    assert relative_error(config[key][0], printed) < 1e-7


@pytest.mark.parametrize(
    ("rule", "names", "key"),
    [("rmsprop", {"cache": "a"}, "a"), ("adam", {"m": "v", "v": "a"}, "a")],
)
def test_an_update_rule_prints_the_numbers_under_ucla_s_names(rule, names, key):
    w, dw, config = optimizer_check(rule)
    config = {names.get(name, name): value for name, value in config.items()}
    before = set(config)
    next_w, _ = getattr(importlib.import_module("nndl.optim"), rule)(
        w, dw, config=config
    )
    assert relative_error(next_w[0], STEPPED[rule]) < 2e-7
    assert relative_error(config[key][0], REMEMBERED[rule][1]) < 1e-7
    assert before <= set(config)
    assert not set(config) & {"cache", "m", "velocity"}


@pytest.mark.parametrize("module", CNN)
def test_the_convolutional_network_starts_near_the_loss_of_a_guess(module):
    net = importlib.import_module(module).ThreeLayerConvNet()
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((4, 3, 32, 32)), rng.integers(10, size=4)
    assert net.loss(X, y)[0] == pytest.approx(np.log(10), abs=1e-3)
    net.reg = 0.5
    assert net.loss(X, y)[0] == pytest.approx(2.508, abs=5e-3)


# ---- what only some calls show -------------------------------------------------------


@pytest.mark.parametrize("module", LAYERS)
def test_batch_normalization_uses_its_running_averages_afterwards(module):
    layers = importlib.import_module(module)
    x = np.random.default_rng(0).standard_normal((200, 4)) * 3 + 5
    bn_param = {"mode": "train"}
    for _ in range(50):
        layers.batchnorm_forward(x, np.ones(4), np.zeros(4), bn_param)
    bn_param["mode"] = "test"
    out, _ = layers.batchnorm_forward(x, np.ones(4), np.zeros(4), bn_param)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(out.std(axis=0), 1, atol=0.02)


@pytest.mark.parametrize("module", CONV_LAYERS)
def test_whole_numbers_may_stand_for_scales_shifts_and_biases(module):
    layers = importlib.import_module(module)
    x = np.random.default_rng(0).standard_normal((4, 3, 5, 6))
    gamma, beta = np.array([3, 4, 5]), np.array([6, 7, 8])
    out, _ = layers.spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), beta)
    np.testing.assert_allclose(out.std(axis=(0, 2, 3)), gamma, rtol=1e-4)
    w = np.zeros((2, 3, 3, 3))
    w[0, :, 1, 1] = [0.3, 0.6, 0.1]
    out, _ = layers.conv_forward_naive(
        x, w, np.array([0, 128]), {"stride": 1, "pad": 1}
    )
    np.testing.assert_allclose(out[:, 0], np.tensordot(x, [0.3, 0.6, 0.1], (1, 0)))
    np.testing.assert_array_equal(out[:, 1], 128)


@pytest.mark.parametrize("way", ["reshape", "im2col", "fast"])
@pytest.mark.parametrize("module", FAST_LAYERS)
def test_a_tie_in_a_pool_loses_nothing_of_the_gradient(module, way):
    fast_layers = importlib.import_module(module)
    x = np.zeros((1, 1, 2, 4))
    x[0, 0, :, 2] = 1
    pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
    _, cache = getattr(fast_layers, f"max_pool_forward_{way}")(x, pool_param)
    backward = getattr(fast_layers, f"max_pool_backward_{way}")
    dx = backward(np.array([[[[8.0, 6.0]]]]), cache)
    # The originals' reshape divides a gradient equally; the others give it to the first.
    expected = (
        [[2, 2, 3, 0], [2, 2, 3, 0]] if way == "reshape" else [[8, 0, 6, 0], [0] * 4]
    )
    np.testing.assert_array_equal(dx[0, 0], expected)


@pytest.mark.parametrize("course", ["cs231n", "cse493g1", "utils"])
def test_windows_that_do_not_fit_are_refused(course):
    im2col = importlib.import_module(f"{course}.im2col")
    with pytest.raises(ValueError, match=r"`field_width` 3 .* the padded width, 8"):
        im2col.get_im2col_indices((2, 3, 5, 6), 3, 3, padding=1, stride=2)
    fast_layers = importlib.import_module(f"{course}.fast_layers")
    with pytest.raises(AssertionError, match="fill"):
        fast_layers.max_pool_forward_reshape(
            np.zeros((1, 1, 5, 4)), {"pool_height": 2, "pool_width": 2, "stride": 2}
        )


@pytest.mark.parametrize("x", [np.zeros((2, 0, 4, 4)), np.zeros((0, 3, 4, 4))])
def test_the_columns_of_empty_images_are_empty_and_go_back(x):
    from nndl.compat.courses import im2col

    columns = im2col.im2col_indices(x, 3, 2, padding=1, stride=1)
    assert columns.shape == (x.shape[1] * 6, 4 * 5 * len(x))
    assert im2col.col2im_indices(columns, x.shape, 3, 2, 1, 1).shape == x.shape


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.uint64])
def test_the_windows_of_columns_may_be_given_in_numpy_integers(kind):
    from nndl.compat.courses import im2col

    x = np.arange(2.0 * 300 * 4).reshape(2, 1, 300, 4)
    window = 4, 4, 100, 2
    columns = im2col.im2col_indices(x, *map(kind, window))
    np.testing.assert_array_equal(columns, im2col.im2col_indices(x, *window))
    back = im2col.col2im_indices(columns, x.shape, *map(kind, window))
    np.testing.assert_array_equal(
        back, im2col.col2im_indices(columns, x.shape, *window)
    )


@pytest.mark.parametrize(
    ("x", "window", "message"),
    [
        (np.zeros((3, 4, 4)), (2, 2, 0, 2), r"`x` must have shape \(N, C, H, W\)"),
        (np.full((1, 1, 4, 4), "a"), (2, 2, 0, 2), "`x` must be an array of numbers"),
        (np.zeros((1, 1, 4, 4)), (0, 2, 0, 2), "`field_height` must be at least 1"),
        (np.zeros((1, 1, 4, 4)), (2, 2.0, 0, 2), "`field_width` must be an integer"),
        (np.zeros((1, 1, 4, 4)), (2, 2, 0, "2"), "`stride` must be an integer"),
    ],
)
def test_what_cannot_be_cut_into_columns_is_named(x, window, message):
    from nndl.compat.courses import im2col

    with pytest.raises((TypeError, ValueError), match=message):
        im2col.im2col_indices(x, *window)


def test_columns_of_another_shape_are_named():
    from nndl.compat.courses import im2col

    with pytest.raises(ValueError, match=r"`cols` must have shape \(4, 8\), but"):
        im2col.col2im_indices(np.zeros((8, 4)), (2, 1, 4, 4), 2, 2, 0, 2)


def test_every_module_of_the_table_is_served_and_nothing_else_is_in_it():
    from nndl.compat import _sources

    served = {name for name, source in _sources().items() if isinstance(source, str)}
    assert {module for row in ROWS for module in row.modules} == served
