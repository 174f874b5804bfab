"""``nndl check FILE.py``: a file's functions, checked in a process of their own."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest

from nndl.check._files import check_file
from nndl.cli import main

GOOD = """
import numpy as np
def relu_forward(x):
    return np.maximum(0, x), x
def helper(x):
    return x
"""
BAD = """
def relu_backward(dout, cache):
    return dout
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="homework.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_every_function_with_a_known_name_is_checked_in_the_files_order(write):
    results = check_file(write(BAD + GOOD + "from nndl.layers import affine_forward\n"))
    assert [result.name for result in results] == ["relu_backward", "relu_forward"]
    assert [result.passed for result in results] == [False, True]


def test_the_status_is_that_of_the_worst_function(write, capsys):
    assert main(["check", str(write(GOOD))]) == 0
    assert "1 of 1 passed" in capsys.readouterr().out
    assert main(["check", str(write(GOOD + BAD))]) == 1
    printed = capsys.readouterr()
    assert "1 of 2 passed" in printed.out
    assert "no sandbox" in printed.err


def test_json_for_graders_holds_everything_and_nothing_else(write, capfd):
    path = write("print('noise')" + GOOD + BAD)
    assert main(["check", str(path), "--json", "--hint", "1"]) == 1
    told = json.loads(capfd.readouterr().out)
    assert told["file"] == str(path)
    assert told["passed"] is False
    assert [result["passed"] for result in told["results"]] == [True, False]
    assert told["results"][1]["findings"][0]["why"]


def test_a_file_beside_it_can_be_imported(write):
    write("import numpy as np\ndef positive(x): return np.maximum(0, x)", "mine.py")
    text = "from mine import positive\ndef relu_forward(x): return positive(x), x"
    (result,) = check_file(write(text))
    assert result.passed, result


@pytest.mark.parametrize(
    ("text", "cause", "words", "line"),
    [
        ("x = [1,\ndef f(): pass", "import", "SyntaxError", "line 1"),
        ("a = 1\nb = a / 0\n", "import", "ZeroDivisionError", "line 2: b = a / 0"),
        ("import sys\nsys.exit('bye')", "import", "SystemExit: bye", "line 2"),
        ("import os\nos._exit(7)", "ended", "ended with 7", ""),
    ],
)
def test_a_file_that_cannot_be_imported(write, text, cause, words, line):
    (result,) = check_file(write(text))
    (finding,) = result.findings
    assert finding.cause == cause
    assert words in finding.where
    assert line in finding.line


def test_a_file_that_never_ends_is_stopped(write):
    start = time.perf_counter()
    (result,) = check_file(write("while True: pass"), time_limit=2)
    assert time.perf_counter() - start < 30
    assert result.findings[0].cause == "time-limit"


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is limited on Linux only"
)
def test_a_file_that_asks_for_too_much_memory_is_refused_it(write):
    text = "import numpy as np\nx = np.zeros(10**10)\n"
    (result,) = check_file(write(text), memory_limit=3000)
    assert "MemoryError" in result.findings[0].where


@pytest.mark.skipif(os.name != "posix", reason="a process ends by a signal on POSIX")
def test_a_process_that_is_ended_by_a_signal_is_told_of(write):
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"
    (result,) = check_file(write(text))
    assert "ended by signal 11" in result.findings[0].where


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("homework.py", "def mine(): pass", "No function in homework.py has a name"),
        ("homework.txt", GOOD, "must name a Python file"),
        (None, "", "There is no file"),
    ],
)
def test_what_cannot_be_checked_is_said_in_one_line(write, capsys, name, text, words):
    path = write(text, name) if name else "nowhere.py"
    assert main(["check", str(path)]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_a_hint_that_there_is_not_is_refused(write):
    with pytest.raises(ValueError, match="`hint` must be 1, 2 or 3, but is 4"):
        check_file(write(GOOD), hint=4)
