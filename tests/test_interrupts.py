"""Ctrl-C, wherever it strikes: training goes on as if nothing had happened, and no
command ends in a traceback or leaves something half-made."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import cifar_cases
import numpy as np
import psutil
import pytest
from test_checkpoints_attacked import GENERATORS, everything, fc, image_solver

from nndl import _interrupts, _solver_state, averaging, cli

TESTS = Path(__file__).parent


# ---- training ------------------------------------------------------------------------


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", GENERATORS)
def test_an_interrupted_training_goes_on_to_the_last_bit(name, times, monkeypatch):
    """Whatever the first half of a step or of a stock-taking has drawn; and if a second
    Ctrl-C strikes while the first is dealt with."""

    def make():
        np.random.seed(8)
        rng = GENERATORS[name]()
        net = fc(dropout_keep_ratio=0.7, normalization="batchnorm", rng=rng)
        return image_solver(net, rng)

    whole = make()
    whole.train()

    solver = make()
    chance, loss, undo = random.Random(0), solver.model.loss, _solver_state.undo

    def interrupted(X, y=None):
        result = loss(X, y)
        if chance.random() < 0.7:
            raise KeyboardInterrupt
        return result

    def interrupted_again(solver):
        if times == 2 and sys.exc_info()[0] is not None:
            raise KeyboardInterrupt
        undo(solver)

    solver.model.loss = interrupted
    monkeypatch.setattr(_solver_state, "undo", interrupted_again)
    interrupts = 0
    while solver._unfinished or not interrupts:
        with contextlib.suppress(KeyboardInterrupt):
            solver.train()
            break
        interrupts += 1
    assert interrupts > 10
    same = everything(solver) == everything(whole)
    assert same  # what pytest would say of the bytes is too long


@pytest.mark.usefixtures("one_thread")
def test_a_network_that_is_just_getting_its_own_weights_back_gets_them(monkeypatch):
    """Accuracies are those of the averaged weights, with which it must not go on."""
    whole = image_solver(fc(normalization="batchnorm"), 4, averaging=0.9)
    whole.train()

    solver = image_solver(fc(normalization="batchnorm"), 4, averaging=0.9)
    interrupts = []

    def interrupted():
        if len(interrupts) % 2 == 0:  # whoever tries again succeeds
            interrupts.append(solver.iteration)
            raise KeyboardInterrupt
        interrupts.append(None)
        return _interrupts.uninterrupted()

    monkeypatch.setattr(averaging, "uninterrupted", interrupted)
    while solver._unfinished or not interrupts:
        with contextlib.suppress(KeyboardInterrupt):
            solver.train()
    assert len(interrupts) == 2 * len(solver.val_acc_history) > 4
    same = everything(solver) == everything(whole)
    assert same


def test_real_interrupts_at_random_moments_change_no_bit(tmp_path):
    """`python tests/interrupt_and_continue.py FOLDER SEED INTERRUPTS` tries more."""
    command = [
        sys.executable,
        TESTS / "interrupt_and_continue.py",
        tmp_path,
        "3",
        "200",
    ]
    environment = os.environ | {"NNDL_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["interrupted"] >= 60
    assert min(counts["_save"], counts["_step"]) >= 5


def test_what_must_not_be_cut_in_two_is_done_before_the_interrupt():
    done = []

    def work():
        with _interrupts.uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("first")
            with _interrupts.uninterrupted():
                signal.raise_signal(signal.SIGINT)
            done.append("second")
        done.append("never")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["first", "second"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- commands ------------------------------------------------------------------------

NNDL = [sys.executable, "-c", "import sys, nndl.cli; sys.exit(nndl.cli.main())"]


def interrupted(command, when, **environment):
    """Start a command as a terminal does, send Ctrl-C to all of its processes when the
    moment has come, and return its output."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | environment,
    )
    deadline = time.monotonic() + 120
    while process.poll() is None and not when(psutil.Process(process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    _, alive = psutil.wait_procs(started, timeout=20)
    assert alive == []
    return out, errors


def assert_short(errors):
    assert errors.splitlines()[-1] == "nndl: interrupted"
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 2


def has_a_child(process):
    """Say whether a command has started what works for it (and not only, in a copy of
    the project, what compiles changed kernels when the package is imported)."""
    words = "nndl.check", "multiprocessing.spawn", "ipykernel_launcher"
    with contextlib.suppress(psutil.NoSuchProcess):
        commands = [" ".join(child.cmdline()) for child in process.children()]
        return any(word in command for word in words for command in commands)
    return False


def test_an_interrupted_fetch_leaves_nothing_and_the_next_one_works(
    tmp_path, monkeypatch
):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    folder = tmp_path / "data"
    server = cifar_cases.Server(cifar_cases.archive(cifar_cases.contents()))
    script = TESTS / "cifar_cases.py"
    command = [sys.executable, script, server.url, server.sha256, folder]
    try:
        server.answers = [cifar_cases.stall]
        out, errors = interrupted(
            command, lambda _: server.requests and any(folder.glob(".cifar10-*/*"))
        )
        assert (out, errors) == ("", "nndl: interrupted\n")
        assert cifar_cases.left_in(folder) == []
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    finally:
        server.stop()
    found = folder / cifar_cases.FOLDER
    contents = {path.name: path.read_bytes() for path in found.iterdir()}
    assert contents == cifar_cases.contents()


@pytest.mark.parametrize("moment", ["while it starts", "in a function of the file"])
def test_an_interrupted_check_says_only_that(tmp_path, moment):
    there = tmp_path / "there"
    (tmp_path / "mine.py").write_text(
        f"""
import pathlib, time

def relu_forward(x):
    pathlib.Path({str(there)!r}).touch()
    while True:
        time.sleep(0.01)
"""
    )
    when = has_a_child if moment == "while it starts" else lambda _: there.exists()
    out, errors = interrupted([*NNDL, "check", str(tmp_path / "mine.py")], when)
    assert_short(errors)
    assert out == ""


@pytest.mark.parametrize("moment", ["while it starts", "while it measures"])
def test_an_interrupted_benchmark_says_only_that(tmp_path, moment):
    def measures(process):
        children = process.children(recursive=True)
        return len(children) > 1 and max(c.cpu_times().user for c in children) > 1

    when = has_a_child if moment == "while it starts" else measures
    json_file = tmp_path / "results.json"
    command = [*NNDL, "bench", "--quick", "--only", "T1", "--json", str(json_file)]
    _, errors = interrupted(command, when)
    assert_short(errors)
    assert json_file.read_text() == ""


@pytest.mark.parametrize("moment", ["while it starts", "in a cell"])
def test_an_interrupted_notebook_leaves_nothing_behind(tmp_path, moment):
    pytest.importorskip("nbclient", reason="running notebooks needs the extra `book`")
    there = tmp_path / "there"
    source = (
        f"import pathlib, time; pathlib.Path({str(there)!r}).touch(); time.sleep(99)"
    )
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    notebook = {"cells": [cell | {"source": source}], "metadata": {}}
    path, output = tmp_path / "n.ipynb", tmp_path / "out.ipynb"
    path.write_text(json.dumps(notebook | {"nbformat": 4, "nbformat_minor": 4}))
    output.write_text("of an earlier run")
    folder = tmp_path / "temporary"
    folder.mkdir()
    command = [*NNDL, "run-notebook", str(path), "-o", str(output)]
    when = has_a_child if moment == "while it starts" else lambda _: there.exists()
    out, errors = interrupted(command, when, TMPDIR=str(folder))
    assert_short(errors)
    assert out == ""
    assert output.read_text() == "of an earlier run"
    assert [p for p in folder.iterdir() if p.name.startswith("nndl")] == []


@pytest.mark.parametrize("moment", ["while it starts", "while it trains"])
def test_an_interrupted_search_says_how_to_go_on(tmp_path, moment):
    text = """
        data = {name = "shapes", training = 1000, validation = 100}
        network = {spec = "conv 8 3x3 - relu"}
        optimizer = {learning_rate = 1e-3}
        training = {epochs = 1}
        search = {trials = 500}
        space = {"network.reg" = {uniform = [0, 1e-3]}}
    """
    (tmp_path / "small.toml").write_text(text)
    log = tmp_path / "log.jsonl"

    def trains(_):
        return log.exists() and log.read_bytes().count(b"\n") > 3

    command = [*NNDL, "sweep", str(tmp_path / "small.toml"), "--log", str(log)]
    when = has_a_child if moment == "while it starts" else trains
    out, errors = interrupted([*command, "--workers", "2"], when)
    assert_short(errors)
    assert out == ""
    assert errors.startswith(f"nndl: the same command goes on with {log}\n")
    assert log.read_bytes().endswith(b"\n")


def test_an_interrupt_before_the_arguments_are_read_is_one_line(monkeypatch, capsys):
    """What the commands need is imported before; that takes a moment."""

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_parser", interrupt)
    assert cli.main([]) == 1
    assert capsys.readouterr().err == "nndl: interrupted\n"
