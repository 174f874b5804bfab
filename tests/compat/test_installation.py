"""What `nndl.compat.install` changes, and that `uninstall` puts everything back."""

# ruff: noqa: NPY001, NPY201 - the names that NumPy has removed are the subject
from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from importlib.machinery import PathFinder

import numpy as np
import pytest
from PIL import Image

import nndl
import nndl.compat
from nndl import conv_layers, fc_net, layers
from nndl.compat import _bridges, _sources
from nndl.compat._finder import Finder

pytestmark = pytest.mark.usefixtures("fresh_imports")


class WithoutSome:
    """`PathFinder`, to which some modules are not there."""

    def __init__(self, hidden):
        self.hidden = hidden

    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] in self.hidden:
            return None
        return PathFinder.find_spec(fullname, path, target)


@pytest.fixture
def hide(monkeypatch):
    """Return a function after which some modules seem not to be installed."""

    def hide(*names):
        for module in list(sys.modules):
            if module.split(".")[0] in names:
                monkeypatch.delitem(sys.modules, module)
        finders = [
            WithoutSome(names) if finder is PathFinder else finder
            for finder in sys.meta_path
        ]
        assert finders != sys.meta_path
        monkeypatch.setattr(sys, "meta_path", finders)

    return hide


@pytest.fixture
def on_the_path(tmp_path, monkeypatch):
    """Return a function that writes a module to a folder on the path."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(file, content=""):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        importlib.invalidate_caches()

    return write


def everything():
    """Describe all that an installation may change, by the objects' identities."""
    watched = [nndl, np, sys.modules.get("scipy"), sys.modules.get("scipy.misc")]
    return {
        "modules": {name: id(module) for name, module in sys.modules.items()},
        "meta_path": list(map(id, sys.meta_path)),
        "attributes": [
            {name: id(value) for name, value in vars(module).items()}
            for module in watched
            if module is not None
        ],
        "path": list(sys.path),
    }


# ---- install, twice, and uninstall ---------------------------------------------------


def test_uninstall_restores_modules_finders_and_attributes(hide):
    hide("imp", "six", "past", "imageio")
    nndl.compat.install()  # what it imports for its own use stays
    nndl.compat.uninstall()
    before = everything()
    nndl.compat.install(dropout_p="drop")
    during = everything()
    for name in set(_sources()):
        importlib.import_module(name)
    assert during["meta_path"] != before["meta_path"]
    assert during["attributes"] != before["attributes"]
    assert {"cs231n.layers", "utils.solver", "nndl.layer_tests"} <= set(sys.modules)
    nndl.compat.uninstall()
    after = everything()
    assert after.pop("modules").items() ^ before.pop("modules").items() == set()
    assert after == before


def test_uninstall_forgets_the_pickle_module_of_six(hide):
    hide("six")
    nndl.compat.install()
    importlib.import_module("six.moves.cPickle")
    nndl.compat.uninstall()
    assert not {name for name in sys.modules if name.split(".")[0] == "six"}


def test_the_package_s_own_modules_come_back():
    own = {
        name: importlib.import_module(f"nndl.{name}") for name in ("layers", "optim")
    }
    nndl.compat.install()
    assert importlib.import_module("nndl.layers") is not own["layers"]
    assert nndl.layers is sys.modules["nndl.layers"]
    nndl.compat.uninstall()
    for name, module in own.items():
        assert sys.modules[f"nndl.{name}"] is getattr(nndl, name) is module


def test_what_was_imported_before_stays_what_it_was():
    before = layers.dropout_forward, conv_layers.conv_forward_naive, fc_net.TwoLayerNet
    nndl.compat.install(dropout_p="drop")
    assert before == (
        layers.dropout_forward,
        conv_layers.conv_forward_naive,
        fc_net.TwoLayerNet,
    )
    out, _ = layers.dropout_forward(
        np.ones((50, 50)), {"mode": "train", "p": 0.9, "seed": 0}
    )
    assert np.mean(out == 0) < 0.2  # p is what is kept: `dropout_p` is for the courses


def test_a_second_installation_only_changes_the_setting():
    nndl.compat.install()
    once = everything()
    nndl.compat.install(dropout_p="drop")
    assert everything() == once
    assert sum(isinstance(finder, Finder) for finder in sys.meta_path) == 1
    nndl.compat.uninstall()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("cs231n.layers")


def test_uninstall_without_install_changes_nothing():
    nndl.compat.uninstall()
    before = everything()
    nndl.compat.uninstall()
    assert everything() == before


def test_another_meaning_of_p_is_refused_and_installs_nothing():
    before = everything()
    with pytest.raises(ValueError, match=r"`dropout_p` must be .*keep.*drop.*both"):
        nndl.compat.install(dropout_p="both")
    assert everything() == before


def test_loading_the_extension_keeps_the_setting_that_was_chosen():
    from nndl.compat import _settings

    nndl.compat.install(dropout_p="drop")
    nndl.compat.load_ipython_extension(None)
    assert _settings.dropout_p == "drop"
    nndl.compat.unload_ipython_extension(None)
    assert _settings.dropout_p == "keep"
    nndl.compat.load_ipython_extension(None)
    assert importlib.import_module("cs231n.layers").__spec__.origin == "nndl.compat"


def test_a_process_that_has_uninstalled_knows_no_course():
    program = """
import sys
import numpy as np
import nndl.compat
nndl.compat.install()
import cs231n.classifiers.fc_net, utils.solver, nndl.layer_tests, past.builtins
from six.moves import cPickle
assert np.int is int
nndl.compat.uninstall()
for name in ("cs231n", "cse493g1", "utils", "past", "six", "nndl.layer_tests"):
    assert name not in sys.modules, name
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise AssertionError(name)
assert "int" not in vars(np)
names = {}
exec("from nndl.layers import *", names)
assert "affine_forward" in names and "conv_forward_naive" not in names
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


# ---- a real module wins --------------------------------------------------------------


def test_a_real_package_wins_and_gets_what_it_lacks(on_the_path, tmp_path, capsys):
    on_the_path("cs231n/__init__.py")
    on_the_path("cs231n/layers.py", "whose = 'the reader'")
    on_the_path("cs231n/fast_layers.py", "from .im2col_cython import col2im_6d_cython")
    nndl.compat.install()
    said = capsys.readouterr().out
    assert f"There is a real cs231n ({tmp_path / 'cs231n' / '__init__.py'})" in said
    assert "utils" not in said
    assert importlib.import_module("cs231n.layers").whose == "the reader"
    fast_layers = importlib.import_module("cs231n.fast_layers")
    lacking = importlib.import_module("cs231n.im2col_cython")
    assert fast_layers.col2im_6d_cython is lacking.col2im_6d_cython
    assert lacking.__spec__.origin == "nndl.compat"
    nndl.compat.uninstall()
    assert sys.modules["cs231n.layers"].whose == "the reader"
    assert "cs231n.im2col_cython" not in sys.modules
    assert not hasattr(sys.modules["cs231n"], "im2col_cython")


def test_a_real_package_that_was_imported_before_wins_too(on_the_path, capsys):
    on_the_path("utils/__init__.py")
    on_the_path("utils/solver.py", "whose = 'the reader'")
    importlib.import_module("utils.solver")
    nndl.compat.install()
    assert "There is a real utils" in capsys.readouterr().out
    assert importlib.import_module("utils.solver").whose == "the reader"
    assert callable(importlib.import_module("utils.im2col").im2col_indices)


def test_a_folder_that_holds_only_data_hides_nothing(on_the_path, capsys):
    on_the_path("cs231n/datasets/get_datasets.sh", "exit 1")
    nndl.compat.install()
    assert "There is a real cs231n" in capsys.readouterr().out
    served = importlib.import_module("cs231n.classifiers.fc_net")
    assert served.__spec__.origin == "nndl.compat"


def test_a_real_file_utils_wins_and_the_other_courses_are_served(on_the_path, capsys):
    on_the_path("utils.py", "whose = 'the reader'")
    nndl.compat.install()
    assert "There is a real utils" in capsys.readouterr().out
    assert importlib.import_module("utils").whose == "the reader"
    with pytest.raises(ModuleNotFoundError, match="not a package"):
        importlib.import_module("utils.solver")
    assert callable(importlib.import_module("cs231n.solver").Solver)
    nndl.compat.uninstall()
    assert importlib.import_module("utils").whose == "the reader"


def test_without_real_packages_nothing_is_said(capsys):
    nndl.compat.install()
    assert capsys.readouterr() == ("", "")


# ---- bridges -------------------------------------------------------------------------


def test_numpy_s_old_names_are_there_while_installed():
    kept = np.bool
    nndl.compat.install()
    assert (np.int, np.float, np.object, np.str) == (int, float, object, str)
    assert np.bool is kept
    assert np.zeros(2, dtype=np.float).dtype == np.float64
    assert np.arange(3).astype(np.int).dtype.kind == "i"
    assert np.array([0, 2], dtype=np.bool).tolist() == [False, True]
    assert np.Inf == float("inf")
    assert np.isnan(np.NaN)
    assert np.prod([2, 3]) == 6
    nndl.compat.uninstall()
    assert np.bool is kept
    for name in ("int", "float", "object", "str", "Inf", "NaN", "product"):
        assert name not in vars(np)


def test_a_name_that_numpy_has_is_left_alone(monkeypatch):
    somebody_s = type("float", (), {})
    monkeypatch.setattr(np, "float", somebody_s, raising=False)
    nndl.compat.install()
    assert np.float is somebody_s
    nndl.compat.uninstall()
    assert np.float is somebody_s


def test_missing_libraries_of_python_2_s_time_are_served(hide):
    hide("past", "six", "imp")
    nndl.compat.install()
    names = {}
    exec(
        "from past.builtins import xrange\n"
        "from six.moves import cPickle, range, zip, xrange as six_xrange\n"
        "import six.moves.cPickle as by_path\n"
        "import six, imp",
        names,
    )
    assert list(names["xrange"](3)) == list(names["six_xrange"](3)) == [0, 1, 2]
    assert names["range"] is range
    assert names["zip"] is zip
    assert names["six"].PY3
    for pickler in (names["cPickle"], names["by_path"]):
        assert pickle.loads(pickler.dumps({"a": 1})) == {"a": 1}
    imp = names["imp"]
    assert imp.reload is importlib.reload
    assert imp.new_module("made").__name__ == "made"
    nndl.compat.uninstall()
    for name in ("past", "six", "imp"):
        assert name not in sys.modules
        assert importlib.util.find_spec(name) is None


def test_imp_loads_a_file_under_a_name(hide, tmp_path, monkeypatch):
    hide("imp")
    monkeypatch.delitem(sys.modules, "loaded_by_imp", raising=False)
    (tmp_path / "some_file.py").write_text("answer = 42")
    nndl.compat.install()
    imp = importlib.import_module("imp")
    module = imp.load_source("loaded_by_imp", str(tmp_path / "some_file.py"))
    assert module.answer == 42
    assert sys.modules.pop("loaded_by_imp") is module


@pytest.mark.parametrize(
    ("library", "file"),
    [
        ("past.builtins", "past/builtins.py"),
        ("six.moves", "six/moves.py"),
        ("imageio", "imageio/__init__.py"),
        ("imp", "imp.py"),
    ],
)
def test_a_library_that_is_there_is_used(hide, on_the_path, library, file, monkeypatch):
    top = library.split(".")[0]
    hide("nothing")
    for name in [top, library]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    on_the_path(f"{top}/__init__.py" if "/" in file else file)
    on_the_path(file, "whose = 'the reader'\ndef imread(uri): return uri")
    nndl.compat.install()
    assert importlib.import_module(library).whose == "the reader"
    nndl.compat.uninstall()
    assert sys.modules[library].whose == "the reader"
    for name in (library, top):
        sys.modules.pop(name, None)


# ---- photographs ---------------------------------------------------------------------


@pytest.fixture(params=["imageio", "scipy.misc"])
def imread(request, hide, monkeypatch, tmp_path):
    """The courses' two ways to read a picture, in an empty folder."""
    hide("imageio")
    monkeypatch.chdir(tmp_path)
    nndl.compat.install()
    return importlib.import_module(request.param).imread


@pytest.mark.parametrize(
    "path",
    [
        "kitten.jpg",
        "notebook_images/kitten.jpg",
        "cs231n/notebook_images/kitten.jpg",
        "cse493g1/notebook_images/kitten.jpg",
    ],
)
def test_a_missing_kitten_is_another_cat_wider_than_tall(imread, path, capsys):
    kitten = imread(path)
    assert kitten.dtype == np.uint8
    H, W, C = kitten.shape
    assert C == 3
    assert W > H
    d = W - H
    assert 0 <= kitten[:, d // 2 : -d // 2, :].shape[1] - H <= 1
    assert f"{path} is missing" in capsys.readouterr().out


def test_a_missing_puppy_is_another_animal(imread, capsys):
    puppy, kitten = imread("notebook_images/puppy.jpg"), imread("kitten.jpg")
    assert puppy.dtype == np.uint8
    assert puppy.ndim == 3
    assert puppy.shape[2] == 3
    assert puppy.std() > 10  # there is something to see
    assert puppy.shape != kitten.shape or np.any(puppy != kitten)


def test_a_picture_that_is_there_is_read_without_a_word(imread, tmp_path, capsys):
    pixels = np.full((4, 6, 3), [10, 200, 30], dtype=np.uint8)
    (tmp_path / "notebook_images").mkdir()
    # A bitmap, whatever its name: nothing is lost.
    Image.fromarray(pixels).save(tmp_path / "notebook_images" / "kitten.jpg", "BMP")
    np.testing.assert_array_equal(imread("notebook_images/kitten.jpg"), pixels)
    np.testing.assert_array_equal(
        imread(tmp_path / "notebook_images/kitten.jpg"), pixels
    )
    assert capsys.readouterr().out == ""


def test_another_missing_picture_is_an_error(imread):
    with pytest.raises(FileNotFoundError, match=r"cow\.jpg"):
        imread("notebook_images/cow.jpg")


def test_a_real_imageio_is_given_the_photographs_and_gets_its_own_back(
    hide, on_the_path, monkeypatch, tmp_path
):
    hide("nothing")
    monkeypatch.delitem(sys.modules, "imageio", raising=False)
    on_the_path(
        "imageio/__init__.py", "def imread(uri, **options): return uri, options"
    )
    monkeypatch.chdir(tmp_path)
    imageio = importlib.import_module("imageio")
    own = imageio.imread
    nndl.compat.install()
    place, options = imageio.imread("kitten.jpg", mode="RGB")
    assert os.path.exists(place)
    assert options == {"mode": "RGB"}
    assert imageio.imread("cow.jpg") == ("cow.jpg", {})
    nndl.compat.uninstall()
    assert imageio.imread is own
    del sys.modules["imageio"]


# ---- scipy.misc ----------------------------------------------------------------------


@pytest.fixture
def imresize(installed):
    return importlib.import_module("scipy.misc").imresize


def test_imresize_takes_the_height_first_a_percentage_or_a_factor(imresize):
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    assert imresize(picture, (200, 100)).shape == (200, 100, 3)
    assert imresize(picture, 50).shape == (20, 30, 3)
    assert imresize(picture, 1.5).shape == (60, 90, 3)
    assert imresize(picture[:, :, 0], (10, 20)).shape == (10, 20)


def test_imresize_keeps_the_picture(imresize):
    rows = np.repeat(np.arange(0, 200, 20, dtype=np.uint8)[:, None], 4, axis=1)
    twice = imresize(rows, 2.0, interp="nearest")
    np.testing.assert_array_equal(twice, np.kron(rows, np.ones((2, 2), np.uint8)))
    assert np.all(np.diff(imresize(rows, (37, 4))[:, 0].astype(int)) >= 0)
    for interp in ("bilinear", "bicubic", "cubic", "lanczos", "nearest"):
        flat = imresize(np.full((5, 7, 3), 77, np.uint8), (9, 3), interp=interp)
        np.testing.assert_array_equal(flat, np.full((9, 3, 3), 77))


def test_imresize_stretches_what_is_not_bytes(imresize):
    stretched = imresize(np.array([[-1.0, 0.0], [1.0, 3.0]]), (2, 2))
    np.testing.assert_array_equal(stretched, [[0, 64], [128, 255]])


def test_scipy_gets_its_two_functions_and_loses_them_again():
    nndl.compat.install()
    misc = importlib.import_module("scipy.misc")
    assert misc.imread is _bridges.imread
    nndl.compat.uninstall()
    assert not hasattr(misc, "imread")
    assert not hasattr(misc, "imresize")
    assert importlib.import_module("scipy.special").erf(0) == 0


def test_without_scipy_its_two_functions_are_served_all_the_same():
    program = """
import sys
from importlib.machinery import PathFinder

class WithoutScipy:
    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] == "scipy":
            return None
        return PathFinder.find_spec(fullname, path, target)

sys.meta_path = [WithoutScipy() if f is PathFinder else f for f in sys.meta_path]
import numpy as np
import nndl.compat
nndl.compat.install()
from scipy.misc import imread, imresize
assert imresize(imread("notebook_images/puppy.jpg"), (200, 200)).shape == (200, 200, 3)
nndl.compat.uninstall()
assert "scipy" not in sys.modules and "scipy.misc" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "puppy.jpg is missing" in done.stdout
