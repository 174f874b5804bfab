"""The widgets compute what `nndl` computes: the same input through their functions, under
Node, and through the package."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from nndl import optim
from nndl.conv_layers import conv_forward_naive
from nndl.fast_layers import (
    conv_backward_fast,
    conv_forward_fast,
    max_pool_backward_fast,
    max_pool_forward_fast,
)
from nndl.gradient_check import eval_numerical_gradient
from nndl.layers import dropout_backward, dropout_forward

ROOT = Path(__file__).resolve().parent.parent
WIDGETS = ROOT / "book/_static/widgets"
NAMES = sorted(path.stem for path in WIDGETS.glob("*.js") if path.stem != "common")

pytestmark = pytest.mark.skipif(
    not WIDGETS.is_dir(), reason="the book is not here: only the tests were copied"
)

RUN = """
const widget = require(process.argv[1]);
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(((w, i) => (%s))(widget, input)));
"""


def ask(name: str, expression: str, /, **values: Any) -> Any:
    """Return the value of a JavaScript expression of a widget `w` and of input `i`."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    command = [node, "-e", RUN % expression, str(WIDGETS / f"{name}.js")]
    sent = json.dumps(values, default=lambda array: array.tolist())
    done = subprocess.run(command, input=sent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def drawn() -> Any:
    """The tool that draws the static figures with numbers of `nndl`."""
    path = ROOT / "tools/draw_widget_figures.py"
    spec = importlib.util.spec_from_file_location("draw_widget_figures", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- what holds for all of them ------------------------------------------------------


@pytest.mark.parametrize("name", ["common", *NAMES])
def test_a_script_is_small_and_stands_alone(name):
    script = (WIDGETS / f"{name}.js").read_text(encoding="utf-8")
    assert len(script.encode()) < 15_000
    assert not re.search(
        r"^\s*(import|export)\b|fetch\(|src\s*=|\brequire\(", script, re.M
    )
    addresses = set(re.findall(r"https?://[^\"'\s]+", script))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a name, not a place


@pytest.mark.parametrize("name", NAMES)
def test_a_widget_says_first_what_it_teaches(name):
    script = (WIDGETS / f"{name}.js").read_text(encoding="utf-8")
    assert script.startswith("// Teaches: ")


@pytest.mark.parametrize("name", NAMES)
def test_a_widget_stands_in_one_place_of_the_book_as_a_figure(name):
    texts = [
        "".join(cell["source"])
        for path in sorted((ROOT / "book").glob("*/*.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "markdown"
    ]
    (text,) = [text for text in texts if f"widgets/{name}.svg" in text]
    options = dict(re.findall(r"^:(\w+): (.+)$", text, re.M))
    assert options["figclass"] == "widget"
    assert len(options["alt"]) > 80  # it describes the picture, and not only names it
    _, caption, legend = text.split("```{figure}")[1].split("\n\n", 2)
    assert caption.rstrip().endswith((".", ".)"))
    assert legend.strip("`\n ")


def test_every_widget_has_its_static_figure(drawn):
    assert sorted(drawn.PICTURES) == NAMES
    for name in NAMES:
        assert "<svg" in (WIDGETS / f"{name}.svg").read_text(encoding="utf-8")


def test_the_static_figures_can_be_drawn_again(drawn):
    for name, draw in drawn.PICTURES.items():
        figure = draw()
        assert figure.axes, name
        plt.close(figure)


def test_numbers_are_printed_as_in_the_book():
    numbers = [-13.0, -0.0, 0.1 + 0.2, 1 / 3, 1e-9, -2.5e7, 1e-5]
    shown = ask("common", "i.numbers.map((v) => w.format(v))", numbers=numbers)
    assert shown == ["−13", "0", "0.3", "0.33", "10⁻⁹", "−2.5 · 10⁷", "10⁻⁵"]
    assert ask("common", "w.factor(-3)") == "(−3)"


# ---- filter --------------------------------------------------------------------------


def test_the_picture_is_the_ring_of_the_embedded_set(drawn):
    assert np.array_equal(ask("filter", "w.PICTURE"), drawn.ring())


def test_the_filters_give_what_the_package_gives(drawn):
    filters = ask("filter", "w.FILTERS")
    outputs = ask(
        "filter", "Object.values(w.FILTERS).map((f) => w.convolve(w.PICTURE, f))"
    )
    for weights, out in zip(filters.values(), outputs, strict=True):
        expected = drawn.convolve(drawn.ring(), np.array(weights, float))
        assert np.allclose(out, expected, rtol=0, atol=1e-12)
    assert np.array_equal(filters["left and right edges"], drawn.EDGES)
    assert np.array_equal(filters["blur"], drawn.BLUR)


def test_the_filter_slides_over_any_picture():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((7, 5)), rng.standard_normal((2, 3))
    settings = {"stride": 1, "pad": 0}
    out = conv_forward_naive(x[None, None], w[None, None], np.zeros(1), settings)[0]
    assert np.allclose(ask("filter", "w.convolve(i.x, i.w)", x=x, w=w), out[0, 0])
    products = ask("filter", "w.products(i.x, i.w, 3, 1)", x=x, w=w)
    assert np.isclose(np.sum(products), out[0, 0, 3, 1])


# ---- output size ---------------------------------------------------------------------


def test_the_output_has_the_size_and_sees_the_pixels_of_the_package(drawn):
    grid = [
        {"size": size, "window": window, "stride": stride, "pad": pad}
        for size, window, stride, pad in itertools.product(
            range(1, 13), range(1, 8), range(1, 5), range(4)
        )
    ]
    answers = ask("output-size", "i.grid.map(w.outputSize)", grid=grid)
    refused = 0
    for setting, answer in zip(grid, answers, strict=True):
        if setting["window"] > setting["size"] + 2 * setting["pad"]:
            square = np.zeros((1, 1, setting["size"], setting["size"]))
            w = np.zeros((1, 1, setting["window"], setting["window"]))
            with pytest.raises(ValueError, match="pad"):
                conv_forward_fast(square, w, np.zeros(1), setting)
            assert answer["starts"] == []
            refused += 1
            continue
        count, seen = drawn.seen_pixels(**setting)
        assert len(answer["starts"]) == count
        assert answer["unseen"] == np.flatnonzero(~seen).tolist()
    assert refused > 0


# ---- norms ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["batch", "layer", "instance", "group"])
def test_normalization_is_that_of_the_package(drawn, kind):
    x = 3 * np.random.default_rng(0).standard_normal((2, 6, 3, 4)) + 1
    out = ask("norms", f"w.normalize(i.x, '{kind}')", x=x)
    assert np.allclose(out, drawn.normalizations(x)[kind], rtol=0, atol=1e-12)


def test_the_block_is_that_of_the_static_figure(drawn):
    assert np.array_equal(ask("norms", "w.BLOCK"), drawn.BLOCK)


@pytest.mark.parametrize("kind", ["batch", "layer", "instance", "group"])
def test_numbers_that_share_statistics_feel_each_other_in_the_package(drawn, kind):
    names = np.array(
        ask(
            "norms", f"w.BLOCK.map((p, n) => p.map((_, c) => w.SHARED.{kind}(n, c, 4)))"
        )
    )
    x = drawn.BLOCK.astype(float)
    moved = x.copy()
    moved[1, 2, 0, 0] += 1
    changed = drawn.normalizations(moved)[kind] != drawn.normalizations(x)[kind]
    assert np.array_equal(changed.any(axis=(2, 3)), names == names[1, 2])


# ---- dropout -------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.2, 0.5, 1.0])
def test_the_same_random_numbers_give_the_mask_of_the_package(p):
    x = np.arange(1.0, 7.0)
    u = np.random.default_rng(3).random(6)
    expected = dropout_forward(x, {"mode": "train", "p": p, "seed": 3})[0]
    assert ask("dropout", "w.dropout(w.X, i.u, i.p)", u=u, p=p) == expected.tolist()
    undivided = ask("dropout", "w.dropout(w.X, i.u, i.p, false)", u=u, p=p)
    assert np.allclose(undivided, p * expected)


@pytest.mark.parametrize("divided", [True, False])
def test_the_expectation_is_the_mean_over_all_masks(divided):
    x, p = np.arange(1.0, 7.0), 0.3
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=6)))
    chances = np.prod(np.where(masks == 1, p, 1 - p), axis=1)
    kept = masks / p if divided else masks
    outputs = np.array([dropout_backward(x, ({"mode": "train"}, m)) for m in kept])
    mean, sums = chances @ outputs, outputs.sum(axis=1)
    sd = np.sqrt(chances @ sums**2 - (chances @ sums) ** 2)
    told = ask("dropout", "w.expected(w.X, i.p, i.divided)", p=p, divided=divided)
    assert np.allclose(told["mean"], mean)
    assert np.isclose(told["sd"], sd)


def test_its_random_numbers_are_uniform():
    drawn = ask("dropout", "((r) => Array.from({length: 20000}, r))(w.random(4))")
    assert min(drawn) >= 0
    assert max(drawn) < 1
    counts = np.histogram(drawn, bins=10, range=(0, 1))[0]
    assert np.abs(counts - 2000).max() < 200  # nearly five standard deviations
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.03


# ---- optimizers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule", ["sgd", "sgd_momentum", "sgd_nesterov_momentum", "rmsprop", "adam"]
)
@pytest.mark.parametrize("rate", [0.003, 0.09, 0.5])
def test_a_rule_takes_the_path_of_the_package(drawn, rule, rate):
    path = ask("optimizers", "w.race(i.rule, i.rate, 60)", rule=rule, rate=rate)
    assert np.allclose(path, drawn.race(getattr(optim, rule), rate, 60), rtol=1e-9)


def test_its_gradient_is_that_of_its_loss():
    w = np.array([-3.0, 0.7])

    def loss(w):
        return ask("optimizers", "w.loss(i.w)", w=w)

    numeric = eval_numerical_gradient(loss, w)
    assert np.allclose(ask("optimizers", "w.gradient(i.w)", w=w), numeric, atol=1e-6)


# ---- graph ---------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", [(2, 3, -1), (2, -3, 1), (-1.5, 0.2, 4), (1, 1, -1)])
def test_the_graph_has_the_values_and_gradients_of_the_layers(drawn, inputs):
    x, w, b = map(float, inputs)
    told = ask("graph", "w.network(i)", x=x, w=w, b=b)
    expected = drawn.network(x, w, b)
    assert {name: told[name] for name in expected} == pytest.approx(expected)
    assert told["da"] == told["db"] == told["dz"]


# ---- step size -----------------------------------------------------------------------

FUNCTIONS = {"exp(x)": np.exp, "sin(x)": np.sin, "x²": np.square}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("h", [1.0, 1e-2, 1e-5, 1e-9, 1e-13])
def test_the_slope_is_the_numeric_gradient_of_the_package(name, h):
    f, x = FUNCTIONS[name], np.ones(1)
    slope = eval_numerical_gradient(lambda x: f(x[0]), x, h=h)[0]
    told = ask(
        "step-size", "w.quotient(w.FUNCTIONS[i.name].f, i.h).slope", name=name, h=h
    )
    # Two libraries may round a function's last digit differently; a product, never.
    last_digit = 0.0 if name == "x²" else 2 * np.spacing(f(1.0 + h)) / (2 * h)
    assert abs(told - slope) <= last_digit


@pytest.mark.parametrize("h", [1e-1, 1e-3, 1e-7])
@pytest.mark.parametrize("centred", [True, False])
def test_float32_rounds_as_numpy_does(h, centred):
    one = np.float32(1)
    up, down = (
        np.square(one + np.float32(h)),
        np.square(one - np.float32(h if centred else 0)),
    )
    slope = (float(up) - float(down)) / (2 * h if centred else h)
    asked = "w.quotient(w.FUNCTIONS['x²'].f, i.h, 'float32', i.centred).slope"
    assert ask("step-size", asked, h=h, centred=centred) == slope


def test_the_exact_slopes_are_right():
    slopes = ask("step-size", "Object.values(w.FUNCTIONS).map((f) => f.slope)")
    assert np.allclose(slopes, [np.e, np.cos(1), 2], rtol=1e-15)


# ---- receptive field -----------------------------------------------------------------


def pixels_behind(layers: list[dict[str, int]], unit: int) -> tuple[np.ndarray, int]:
    """Return which columns of a picture have a gradient from a value of the last layer."""
    rng = np.random.default_rng(0)
    out, caches = rng.standard_normal((50, 1, 32, 32)), []
    for layer in layers:
        k, stride, pad = layer["window"], layer["stride"], layer["pad"]
        if k == 2:
            pool = {"pool_height": k, "pool_width": k, "stride": stride}
            out, cache = max_pool_forward_fast(out, pool)
        else:
            conv = {"stride": stride, "pad": pad}
            w = rng.random((1, 1, k, k)) + 0.1
            out, cache = conv_forward_fast(out, w, np.zeros(1), conv)
        caches.append((k, cache))
    dout = np.zeros_like(out)
    dout[..., out.shape[2] // 2, unit] = 1
    for k, cache in reversed(caches):
        # A maximum hands its gradient to one pixel; over fifty pictures each has its turn.
        dout = (
            max_pool_backward_fast(dout, cache)
            if k == 2
            else conv_backward_fast(dout, cache)[0]
        )
    return np.flatnonzero(dout.any(axis=(0, 1, 2))), out.shape[3]


STACKS = [
    ["conv 3"],
    ["conv 3", "conv 3", "conv 3"],
    ["conv 3", "pool 2", "conv 3"],
    ["conv 5", "pool 2", "conv 3", "pool 2"],
    ["conv 3, stride 2", "conv 3, stride 2", "conv 3"],
]


@pytest.mark.parametrize("names", STACKS, ids="-".join)
def test_a_value_sees_the_pixels_that_have_a_gradient(names):
    table = ask("receptive-field", "w.LAYERS")
    stack = ask("receptive-field", "w.stack(i.names)", names=names)
    size, r = stack[-1]["size"], stack[-1]["r"]
    for unit in (0, size // 2, size - 1):
        pixels, width = pixels_behind([table[name] for name in names], unit)
        first, last = ask(
            "receptive-field", "w.seen(i.names, i.unit)[0]", names=names, unit=unit
        )
        assert width == size
        assert last - first + 1 == r
        assert pixels.tolist() == list(range(max(0, first), min(31, last) + 1))
    assert ask("receptive-field", "w.seen(i.names, 0)", names=names)[-1] == [0, 0]
