"""`nndl run-notebook`: what is run, what is passed over, and what is said about it."""

import json

import nbformat
import pytest

from nndl.cli import main
from nndl.compat._notebook import run_notebook

pytestmark = pytest.mark.filterwarnings("default")  # of Jupyter's own libraries


def write(path, *cells, **metadata):
    """Write a notebook with code cells."""
    notebook = nbformat.v4.new_notebook(metadata=metadata)
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    nbformat.write(notebook, path)
    return path


def states(report):
    return [cell.state for cell in report.cells]


COLAB = """\
# This mounts your drive.
from google.colab import drive
drive.mount('/content/drive')

FOLDERNAME = None
assert FOLDERNAME is not None, "[!] Enter the foldername."

import sys
sys.path.append('/content/drive/My Drive/{}'.format(FOLDERNAME))
%cd /content/drive/My\\ Drive/$FOLDERNAME/cs231n/datasets/
!bash get_datasets.sh
%cd /content/drive/My\\ Drive/$FOLDERNAME"""

BUILD = """\
# Remember to restart the runtime!
%cd /content/drive/My\\ Drive/$FOLDERNAME/cs231n/
!python setup.py build_ext --inplace"""


def test_cells_of_another_machine_are_passed_over_with_a_note(tmp_path):
    report = run_notebook(write(tmp_path / "a.ipynb", COLAB, BUILD, "print(1)"))
    assert states(report) == ["passed over", "passed over", "run"]
    assert "another machine" in report.cells[0].note
    assert "1 run, 2 passed over, 0 failed" in str(report)


def test_lines_of_another_machine_go_and_the_rest_of_the_cell_runs(tmp_path):
    mixed = "!pip install Cython\nx = 6 * 7\n%cd somewhere\nprint('product', x)"
    out = tmp_path / "out.ipynb"
    report = run_notebook(write(tmp_path / "a.ipynb", mixed), out)
    (cell,) = report.cells
    assert cell.state == "run"
    assert cell.note == "without `!pip install Cython` and 1 more"
    written = nbformat.read(out, 4).cells[-1]
    assert written.outputs[0].text == "product 42\n"
    assert written.source.startswith("# passed over: !pip install Cython\nx = 6")


def test_what_is_imported_beside_the_mounting_stays_imported(tmp_path):
    source = "from google.colab import drive\ndrive.mount('/content')\nimport string"
    report = run_notebook(write(tmp_path / "a.ipynb", source, "string.digits"))
    assert states(report) == ["run", "run"]


def test_a_block_of_magics_goes_with_its_condition(tmp_path):
    source = """\
INSTALL = True
if INSTALL:
  %cd /content/drive/My\\ Drive
  %pip install nothing
  if not INSTALL:
    !bash get_datasets.sh
print(INSTALL)"""
    report = run_notebook(write(tmp_path / "a.ipynb", source))
    assert states(report) == ["run"]
    assert "`if INSTALL:` and 4 more" in report.cells[0].note


@pytest.mark.parametrize(
    "source",
    [
        "def load(where='/content/drive/a'):\n    return len(where)\nassert load() == 16",
        "where = '/content/drive/a'\nassert len(where) == 16",
        "import sys\nif 'google.colab' in sys.modules:\n    x = 1\nelse:\n    x = 2\n"
        "assert x == 2",
        "there = 'google.colab' in str(get_ipython())\nassert not there",
    ],
    ids=["function", "path", "condition", "question"],
)
def test_what_only_names_another_machine_is_run(tmp_path, source):
    report = run_notebook(write(tmp_path / "a.ipynb", source))
    assert states(report) == ["run"]
    assert report.cells[0].note == ""


def test_a_statement_over_several_lines_goes_whole(tmp_path):
    source = "y = 1\nsys_path = '/content/drive/{}'.format(\n    y,\n)\nprint(y)"
    report = run_notebook(write(tmp_path / "a.ipynb", source))
    assert states(report) == ["run"]
    assert "1 more" not in report.cells[0].note
    assert "2 more" in report.cells[0].note


def test_a_try_that_looks_for_colab_is_left_to_itself(tmp_path):
    source = (
        "try:\n    import google.colab\n    COLAB = True\n"
        "except ImportError:\n    COLAB = False\nassert not COLAB"
    )
    report = run_notebook(write(tmp_path / "a.ipynb", source))
    assert states(report) == ["run"]
    assert report.cells[0].note == ""


def test_a_failed_cell_is_named_with_the_first_line_of_its_error(tmp_path, capsys):
    source = "# A mistake\nraise ValueError('one\\ntwo')"
    path = write(tmp_path / "a.ipynb", source, "print('on')")
    assert main(["run-notebook", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "ValueError: one\n" in printed
    assert "two" not in printed
    assert "1 run, 0 passed over, 1 failed" in printed


def test_the_status_is_0_when_no_cell_failed(tmp_path, capsys):
    path = write(tmp_path / "a.ipynb", "from cs231n.layers import *\nnp.int(3)")
    before = path.read_bytes()
    assert main(["run-notebook", str(path)]) == 0
    assert path.read_bytes() == before
    assert "1 run, 0 passed over, 0 failed" in capsys.readouterr().out


def test_printed_relative_errors_are_collected_and_large_ones_listed(tmp_path):
    source = (
        "print('dx error: ', 3e-10)\nprint('W1 max relative error: 2.5e-02')\n"
        "print('difference: %.1e' % 0)\nprint('b1 relative error: nan')\n"
        "print('loss: 2.3')\nprint('error: see below')"
    )
    report = run_notebook(write(tmp_path / "a.ipynb", source))
    assert [value for _, value in report.cells[0].errors][:3] == [3e-10, 2.5e-2, 0.0]
    said = str(report)
    assert "4 relative errors were printed, 2 above 0.01" in said
    assert "cell 1: W1 max relative error: 0.025" in said
    assert "cell 1: b1 relative error: nan" in said
    assert "dx error" not in said.split("4 relative errors")[1]


def test_folders_beside_the_notebook_hide_nothing(tmp_path):
    for name in ("nndl", "cs231n", "utils"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('beside')")
    source = "import nndl.layers, cs231n.layers, utils.solver\nprint('found')"
    assert states(run_notebook(write(tmp_path / "a.ipynb", source))) == ["run"]


def test_the_embedded_set_stands_in_for_cifar10(tmp_path):
    source = (
        "from cs231n.data_utils import get_CIFAR10_data\ndata = get_CIFAR10_data()\n"
        "for name, array in data.items(): print(name, array.shape)\n"
        "assert data['X_train'].shape == (49000, 3, 32, 32)"
    )
    report = run_notebook(write(tmp_path / "a.ipynb", source), data="shapes")
    assert states(report) == ["run"], str(report)


def test_dropout_p_is_handed_on(tmp_path):
    source = (
        "from cs231n.layers import *\nx = np.ones((100, 100))\n"
        "out, _ = dropout_forward(x, {'mode': 'train', 'p': 0.2})\n"
        "assert abs(np.mean(out == 0) - 0.2) < 0.05"
    )
    path = write(tmp_path / "a.ipynb", source)
    assert states(run_notebook(path, dropout_p="drop")) == ["run"]
    assert states(run_notebook(path)) == ["failed"]


def test_a_cell_that_takes_too_long_fails_and_the_rest_runs(tmp_path):
    path = write(tmp_path / "a.ipynb", "import time\ntime.sleep(60)", "print(2)")
    report = run_notebook(path, timeout=2)
    assert states(report) == ["failed", "run"]
    assert "longer than 2 s" in report.cells[0].note


def test_a_kernel_that_dies_fails_the_rest(tmp_path):
    path = write(tmp_path / "a.ipynb", "import os\nos._exit(1)", "print(2)")
    report = run_notebook(path)
    assert states(report) == ["failed", "failed"]
    assert "kernel died" in report.cells[1].note


def test_python_2_is_said_to_be_unsupported(tmp_path):
    report = run_notebook(write(tmp_path / "a.ipynb", "print 'scores', 3"))
    assert states(report) == ["failed"]
    assert "Python 2" in str(report)


def test_a_notebook_in_the_format_of_2015_is_read(tmp_path):
    cell = {"cell_type": "code", "input": "print(3)", "outputs": [], "metadata": {}}
    cell |= {"language": "python", "prompt_number": 1, "collapsed": False}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}}
    old["worksheets"] = [{"cells": [cell], "metadata": {}}]
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(old))
    assert states(run_notebook(path)) == ["run"]


@pytest.mark.parametrize("text", ["", "{}", "[1, 2", '{"cells": 3, "nbformat": 4}'])
def test_what_is_no_notebook_is_refused_by_name(tmp_path, capsys, text):
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    assert main(["run-notebook", str(path)]) == 1
    assert f"{path} is not a notebook" in capsys.readouterr().err


def test_a_missing_notebook_is_an_error(tmp_path, capsys):
    assert main(["run-notebook", str(tmp_path / "none.ipynb")]) == 1
    assert "none.ipynb" in capsys.readouterr().err
