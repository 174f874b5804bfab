"""The scripts that the Makefile calls."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parent.parent / "tools"
pytestmark = pytest.mark.skipif(
    not TOOLS.is_dir(), reason="the tools are not here: only the tests were copied"
)


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- check_prerequisites -------------------------------------------------------------


def complaint(monkeypatch, **environment):
    """Return the sentence with which the check stops."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        load("check_prerequisites").main()
    return str(stop.value)


def test_an_old_python_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    sentence = complaint(monkeypatch)
    assert sentence.startswith("nndl needs Python 3.11 or newer, but ")
    assert "is Python 3.10" in sentence
    assert "\n" not in sentence


def test_a_machine_without_a_compiler_is_refused_in_one_sentence(monkeypatch, tmp_path):
    sentence = complaint(monkeypatch, PATH=str(tmp_path), CC="")
    assert sentence.startswith("nndl needs a C compiler, and found no cc, gcc or clang")
    assert "\n" not in sentence


def test_a_compiler_that_does_not_work_is_named(monkeypatch):
    sentence = complaint(monkeypatch, CC="false")
    assert "false cannot compile a small program" in sentence


def test_missing_python_headers_are_named(monkeypatch, tmp_path):
    import sysconfig

    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    sentence = complaint(monkeypatch)
    assert f"found no {tmp_path}" in sentence
    assert "Python.h" in sentence


# ---- execute_notebooks ---------------------------------------------------------------


@pytest.fixture
def notebooks(tmp_path):
    """Return the tool, and a function that writes a notebook of code cells."""
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    pytest.importorskip("nbclient", reason="nbclient is not installed")

    def write(*sources: str) -> Path:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        cells[0].metadata["tags"] = ["hide-input"]
        cells[0].metadata["execution"] = {"iopub.status.busy": "2020-01-01T00:00:00Z"}
        path = tmp_path / "chapter.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return load("execute_notebooks"), write, lambda path: nbformat.read(path, 4)


def test_a_notebook_is_run_in_its_own_folder_and_stored(notebooks, tmp_path):
    tool, write, read = notebooks
    path = write("import os; print(os.getcwd())", "6 * 7")
    assert tool.main([str(path)]) == 0
    first, second = read(path).cells
    assert first.outputs[0].text.strip() == str(tmp_path)
    assert second.outputs[0].data["text/plain"] == "42"


def test_what_changes_from_run_to_run_is_not_stored(notebooks):
    tool, write, read = notebooks
    path = write("print(1)", "print(2)")
    tool.main([str(path)])
    stored = path.read_bytes()
    assert read(path).cells[0].metadata == {"tags": ["hide-input"]}
    assert read(path).metadata.language_info == {"name": "python"}
    tool.main([str(path)])
    assert path.read_bytes() == stored


def test_a_notebook_that_fails_is_left_as_it_was(notebooks, capsys):
    tool, write, _ = notebooks
    path = write("print(1)", "raise RuntimeError('no')")
    before = path.read_bytes()
    assert tool.main([str(path)]) == 1
    assert path.read_bytes() == before
    assert "RuntimeError" in capsys.readouterr().err
    assert list(path.parent.iterdir()) == [path]


# ---- record_progress -----------------------------------------------------------------


@pytest.fixture
def recorder(tmp_path):
    """Return the tool, and a function that writes a chapter of code cells."""
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    pytest.importorskip("nbclient", reason="nbclient is not installed")

    def write(name: str, *sources: str) -> Path:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        path = tmp_path / name
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return load("record_progress"), write


MEASURED = (
    "import os; best_network = 'a net'\n"
    "best_val_acc = {'shapes': 0.25, 'cifar10': 0.5}[os.environ['NNDL_DATASET']]"
)


def test_each_chapters_best_network_is_recorded_on_both_image_sets(recorder, tmp_path):
    tool, write = recorder
    two = write("02-b.ipynb", MEASURED, "plot_progress(); raise RuntimeError")
    one = write("01-a.ipynb", MEASURED, "plot_progress()")
    tool.main([str(two), str(one)])
    assert json.loads((tmp_path / "progress.json").read_text()) == [
        {"chapter": 1, "network": "a net", "shapes": 0.25, "cifar10": 0.5},
        {"chapter": 2, "network": "a net", "shapes": 0.25, "cifar10": 0.5},
    ]


def test_a_note_on_the_copy_of_cifar10_is_recorded(recorder, tmp_path):
    tool, write = recorder
    tool.main(
        ["--note", "a copy", str(write("01-a.ipynb", MEASURED, "plot_progress()"))]
    )
    (record,) = json.loads((tmp_path / "progress.json").read_text())
    assert record["cifar10_note"] == "a copy"


def test_a_chapter_that_draws_no_progress_is_an_error_and_nothing_is_recorded(
    recorder, tmp_path
):
    tool, write = recorder
    path = write("01-a.ipynb", MEASURED)
    with pytest.raises(ValueError, match="no cell calls plot_progress"):
        tool.main([str(path)])
    assert not (tmp_path / "progress.json").exists()


# ---- record_ladder -------------------------------------------------------------------

LADDER = """
import os
from collections import namedtuple
import numpy as np
Net = namedtuple("Net", "name")
def accuracy(net, X, y, mirrored=False):
    assert len(X) == len(y)
    return {"plain": 0.25, "mean": 0.375}[net.name] + 0.5 * mirrored
def climb(data, width, epochs, rng):
    assert os.environ["NNDL_DATASET"] == "cifar10"
    for name in ("first", "second"):
        yield {"name": name, "net": Net("plain"), "averaged net": Net("mean"), "averaged": 0.5,
               "mirrored": 0.625, "seconds": [1.0] * epochs, "val_acc": [0.125] * epochs}
pixel_std = 2.0
images = np.zeros((7, 3, 2, 2))
scaled = {f"X_{part}": images for part in ("train", "val")} | {"y_train": np.zeros(7)}
"""


@pytest.fixture
def ladder(monkeypatch, tmp_path):
    """Return the tool, looking at a chapter of a few lines, and where its result goes."""
    pytest.importorskip("torch", reason="PyTorch (the extra `oracle`) is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    import numpy as np

    import nndl

    sources = [LADDER, "open('ladder-cifar10.json')", "climbed = list(climb(0, 1, 1))"]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    path, result = tmp_path / "chapter.ipynb", tmp_path / "recorded" / "ladder.json"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    tool = load("record_ladder")
    monkeypatch.setattr(tool, "CHAPTER", path)
    monkeypatch.setattr(tool, "RESULT", result)
    for name in (*tool.ONE_THREAD, "NNDL_DATASET", "MPLBACKEND"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
    test = {"X_test": np.zeros((5, 3, 2, 2)), "y_test": np.zeros(5)}
    monkeypatch.setattr(nndl.data, "load", lambda name, num_test: test)
    return tool, result


def test_the_ladder_is_recorded_with_what_was_run_and_where(ladder):
    tool, path = ladder
    tool.main(["--epochs", "2", "--seed", "3"])
    result = json.loads(path.read_text())
    assert result["rungs"][1] == {
        "name": "second", "seconds": [1.0, 1.0], "val_acc": [0.125, 0.125],
        "val_acc_averaged": 0.5, "val_acc_mirrored": 0.625, "train_acc": 0.25,
        "test_acc": 0.25, "test_acc_averaged_mirrored": 0.875,
    }  # fmt: skip
    assert result["settings"] | {"epochs": 2, "seed": 3} == result["settings"]
    assert result["images"] == {"training": 7, "validation": 7, "test": 5}
    assert "re-encoded as JPEG" in result["data"]
    assert {"nndl", "revision", "torch"} <= result["versions"].keys()


def test_the_peer_learns_from_the_same_weights_and_minibatches(ladder):
    import numpy as np

    tool, _ = ladder

    class Net:
        stages = ((2,), (3,))

        def __init__(self):
            rng = np.random.default_rng(0)
            shapes = {"W1": (2, 3, 3, 3), "W2": (3, 2, 3, 3), "W3": (3 * 8 * 8, 10)}
            self.params = {
                name: rng.normal(scale=0.1, size=shape).astype(np.float32)
                for name, shape in shapes.items()
            } | {f"b{i}": np.zeros(n, np.float32) for i, n in ((1, 2), (2, 3), (3, 10))}

    y = np.arange(60) % 10
    X = np.zeros((60, 3, 32, 32), np.float32)
    X[np.arange(60), 0, 3 * y, 5] = 9.0  # each class lights a pixel of its own
    data = {"X_train": X, "y_train": y, "X_val": X, "y_val": y}
    twice = [
        tool.train_with_pytorch(Net(), data, 30, batch_size=20, rate=4e-3, seed=seed)
        for seed in (0, 0)
    ]
    assert twice[0]["val_acc"] == twice[1]["val_acc"]
    assert twice[0]["val_acc"][-1] > 0.9
    assert len(twice[0]["seconds"]) == 30


# ---- pack_book -----------------------------------------------------------------------


def test_the_packed_book_holds_every_page_and_is_the_same_each_time(tmp_path, capsys):
    html = tmp_path / "html"
    (html / "book").mkdir(parents=True)
    (html / "index.html").write_text("home")
    (html / "book" / "intro.html").write_text("a first page")
    (html / ".buildinfo").write_text("for Sphinx")
    tool = load("pack_book")
    packed = []
    for out in (tmp_path / "one.zip", tmp_path / "two.zip"):
        tool.main(["--html", str(html), "--out", str(out)])
        packed.append(out.read_bytes())
    assert packed[0] == packed[1]
    assert "3 files" in capsys.readouterr().out
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert {name.partition("/")[2] for name in archive.namelist()} == {
            "README.txt", "index.html", "book/intro.html",
        }  # fmt: skip
        assert len({name.partition("/")[0] for name in archive.namelist()}) == 1
        assert archive.read(archive.namelist()[1]) == b"a first page"


@pytest.mark.parametrize("name", ["pack_book", "print_book"])
def test_without_a_built_book_there_is_one_sentence(name, tmp_path, monkeypatch):
    if name == "print_book":
        pytest.importorskip("bs4", reason="the extra `book` is not installed")
        pytest.importorskip("pypdf", reason="the extra `book` is not installed")
    tool = load(name)
    monkeypatch.setattr(tool, "find_chromium", lambda: "chromium", raising=False)
    with pytest.raises(SystemExit, match="run `make book` first"):
        tool.main(["--html", str(tmp_path), "--out", str(tmp_path / "out")])


# ---- print_book ----------------------------------------------------------------------

FIRST = """<html><head><title>x</title></head><body><nav class="bd-links">
<a href="#">Home</a><p class="caption">Chapters</p><a href="chapters/one.html">1. One</a>
<p class="caption">Appendices</p><a href="more.html">A. More</a>
<a href="../genindex.html">Index</a></nav>
<article class="bd-article"><section id="home"><h1>Home<a class="headerlink">#</a></h1>
<p id="welcome">See <a class="internal" href="chapters/one.html#start">there</a> and
<a class="internal" href="../_modules/code.html">the code</a>.</p></section></article>
</body></html>"""
ONE = """<article class="bd-article"><section id="one"><h1>1. One</h1><section id="start">
<h2>1.1. Start</h2><img src="../../_images/a.png"><pre>short</pre>
<details class="hide">import numpy</details>
<div class="exercise admonition" id="ex"><p>Do it.</p></div>
<div class="solution admonition" id="sol"><p class="admonition-title">Solution to
<a class="internal" href="#ex">Exercise</a></p><p>Done.</p></div>
</section></section></article>"""
MORE = """<article class="bd-article"><section id="more"><h1>A. More</h1>
<section id="start"><h2>A.1. Start</h2></section></section></article>"""
INDEX = """<article class="bd-article"><h1>Index</h1><table class="genindextable"><tr>
<td><ul><li><a href="book/chapters/one.html#start">start</a>,
<a href="book/more.html#start">[1]</a></li></ul></td></tr></table></article>"""


@pytest.fixture
def printed(tmp_path):
    """Return the tool, and a small book joined into one page, with its contents."""
    pytest.importorskip("bs4", reason="the extra `book` is not installed")
    pytest.importorskip("pypdf", reason="the extra `book` is not installed")
    pages = {
        "book/intro.html": FIRST, "book/chapters/one.html": ONE,
        "book/more.html": MORE, "genindex.html": INDEX,
    }  # fmt: skip
    for address, text in pages.items():
        path = tmp_path / address
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    tool = load("print_book")
    return tool, *tool.whole_book(tmp_path.resolve())


def test_the_printed_book_has_its_pages_in_order_and_solutions_behind_the_chapters(
    printed,
):
    _, _, entries = printed
    assert [(entry.depth, entry.title) for entry in entries] == [
        (1, "About this book"), (0, "Chapters"), (1, "1. One"), (2, "1.1. Start"),
        (1, "Solutions to the exercises"), (2, "1. One"), (0, "Appendices"),
        (1, "A. More"), (2, "A.1. Start"), (1, "Index"),
    ]  # fmt: skip


def test_links_within_the_printed_book_lead_to_what_they_meant(printed):
    _, text, _ = printed
    anchors = re.findall(r' id="([^"]+)"', text)
    assert len(anchors) == len(set(anchors))
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links <= set(anchors)
    assert {"book-chapters-one--start", "book-more--start"} <= links
    assert "_modules" not in text
    assert "the code" in text


def test_the_printed_book_leaves_out_what_paper_cannot_do(printed):
    _, text, _ = printed
    assert "import numpy" not in text
    assert "headerlink" not in text
    assert text.index("Solution on page") < text.index("Done.")


def test_page_numbers_are_filled_in_where_they_are_known(printed):
    tool, text, _ = printed
    pages = {"book-chapters-one--start": 17, "book-more--start": 25}
    filled = tool.numbered(text, pages)
    assert "page of" not in filled
    index = re.search(r'<span class="index-line">(.*?)</span>', filled)[1]
    assert re.sub("<[^>]+>", "", index) == "start, 17, 25"


def test_without_chromium_there_is_one_sentence_that_says_what_to_install(
    printed, monkeypatch
):
    tool, *_ = printed
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="apt-get install chromium") as stop:
        tool.find_chromium()
    assert "\n" not in str(stop.value)


# ---- draw_cards, draw_cover ----------------------------------------------------------


def test_the_pictures_on_the_chapter_cards_are_those_that_the_code_draws(tmp_path):
    load("draw_cards").main(["--folder", str(tmp_path)])
    stored = TOOLS.parent / "book" / "_static" / "cards"
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == sorted(path.name for path in stored.iterdir())
    for name in drawn:
        assert (tmp_path / name).read_text() == (stored / name).read_text(), name


def test_the_cover_shows_gradients_that_numbers_confirm():
    import numpy as np

    from nndl.cnn import ConvNet

    tool = load("draw_cover")
    net = ConvNet(tool.SPEC, weight_scale="he", dtype=np.float64, rng=0)
    image, h = np.random.default_rng(0).standard_normal((3, 32, 32)), 1e-6
    layers = tool.there_and_back(net, image, label=4)
    assert [values.shape for values, _ in layers] == [
        gradient.shape for _, gradient in layers
    ]
    nudge = np.zeros_like(image)
    nudge[1, 8, 20] = h
    up, down = (net.loss((image + s * nudge)[None], np.array([4]))[0] for s in (1, -1))
    np.testing.assert_allclose(layers[0][1][1, 8, 20], (up - down) / (2 * h), rtol=1e-5)


# ---- fuzz ----------------------------------------------------------------------------

CALLS_THAT_END_BADLY = """
import faulthandler, os, signal, time
from collections import Counter

REFUSED = "refused"
CALLS = ["right", "wrong", "crash", "hang"]

def attack(name, examples, number, before):
    before({"call": name})
    if name == "wrong":
        raise AssertionError("a wrong number")
    if name == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "hang":
        time.sleep(600)
    return Counter(result=examples)
"""


def test_a_hostile_call_that_crashes_or_hangs_is_reported_and_the_others_go_on(
    tmp_path,
):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tests").mkdir()
    tool = Path(shutil.copy(TOOLS / "fuzz.py", tmp_path / "tools"))
    for name in ("hostile_calls", "hostile_checks"):
        (tmp_path / "tests" / f"{name}.py").write_text(CALLS_THAT_END_BADLY)
    done = subprocess.run(
        [sys.executable, tool, "--examples", "80", "--seed", "7", "--patience", "1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "80 hostile calls of 4 functions, SEED=7" in done.stdout
    assert "20 result" in done.stdout
    for name, how in {
        "wrong": "a wrong number",
        "crash": "signal 11",
        "hang": "Timeout",
    }.items():
        report, again = done.stdout.split(f"\n{name}: ")[1].split("fuzz.py --call ")[:2]
        assert how in report
        assert shlex.split(again.splitlines()[0]) == [repr({"call": name})]
    assert "3 promises broken" in done.stdout
