"""The package as a whole: what importing it does, and what is installed."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nndl

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "nndl"


def modules_after(statement):
    """Return the names of all modules that a fresh Python holds after a statement."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{statement}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement", ["import nndl", "import nndl.solver, nndl.fc_net, nndl.vis_utils"]
)
def test_importing_does_not_import_what_only_some_functions_need(statement):
    loaded = modules_after(statement)
    assert "nndl" in loaded
    assert not loaded & {"tqdm", "matplotlib", "requests", "IPython", "torch", "scipy"}


def test_a_module_is_imported_when_it_is_first_asked_for():
    assert "nndl.optim" not in modules_after("import nndl")
    assert "nndl.optim" in modules_after("import nndl; nndl.optim.adam")


def test_every_name_that_the_package_lists_can_be_had():
    missing = []
    for name in dir(nndl):
        try:
            getattr(nndl, name)
        except (AttributeError, ImportError) as error:
            missing.append(f"{name}: {error}")
    assert not missing


def test_every_public_module_can_be_had_from_the_package():
    found = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    public = {name for name in found if not name.startswith("_")}
    assert public <= set(dir(nndl))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(
        AttributeError, match="module 'nndl' has no attribute 'nothing'"
    ):
        _ = nndl.nothing
    assert not hasattr(nndl, "nothing")


def test_the_version_is_that_of_the_distribution_and_of_the_build():
    assert nndl.__version__ == importlib.metadata.version("nndl")
    assert f"version: '{nndl.__version__}'" in (ROOT / "meson.build").read_text()


def installed_files():
    """Return what the meson.build files install, as paths below the package."""
    installed = set()
    for build in sorted(PACKAGE.rglob("meson.build")):
        text = re.sub(r"#.*", "", build.read_text())
        for call in re.findall(r"py\.install_sources\((.*?)\)", text, flags=re.DOTALL):
            names, subdir = call.rsplit("subdir:", 1)
            folder = re.search(r"'([^']+)'", subdir)[1]
            installed |= {
                f"{folder}/{name}" for name in re.findall(r"'([^']+)'", names)
            }
    return installed


def test_every_python_file_of_the_tree_is_installed_where_it_is():
    tree = {
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "*.pyi", "py.typed")
        for path in PACKAGE.rglob(pattern)
    }
    assert len(tree) > 10
    installed = installed_files()
    assert tree - installed == set()
    assert {name for name in installed if not (ROOT / name).exists()} == set()


def test_the_package_says_that_it_is_typed():
    assert "nndl/py.typed" in installed_files()
    assert (Path(nndl.__file__).parent / "py.typed").exists()


def test_every_kernel_of_the_tree_is_compiled():
    text = (PACKAGE / "_fast" / "meson.build").read_text()
    modules = re.search(r"^modules = \{(.*?)^\}", text, re.DOTALL | re.MULTILINE)[1]
    kernels = set(re.findall(r"^  '(\w+)':", modules, re.MULTILINE))
    assert kernels == {path.stem for path in (PACKAGE / "_fast").glob("*.pyx")}


def test_the_readable_layers_do_not_import_a_kernel():
    loaded = modules_after("import nndl.layers, nndl.conv_layers")
    assert not {name for name in loaded if name.startswith("nndl._fast")}


def test_the_source_folder_without_kernels_says_what_to_do(tmp_path):
    without = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "nndl", ignore=without)
    # -S keeps an editable installation out of the way; NumPy is all that the sources need.
    folders = [str(tmp_path), str(Path(np.__file__).parents[1])]
    program = f"import sys; sys.path[:0] = {folders}; import nndl.optim"
    run = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert "ImportError: nndl's compiled kernels cannot be imported from" in run.stderr
