"""Ctrl-C, wherever it strikes: training goes on as if nothing had happened, and no
command ends in a traceback or leaves something half-made."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_checkpoints_attacked import GENERATORS, everything, fc, image_solver

from nndl import _interrupts

TESTS = Path(__file__).parent


# ---- training ------------------------------------------------------------------------


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", GENERATORS)
def test_an_interrupted_training_goes_on_to_the_last_bit(name):
    """Whatever the first half of a step or of a stock-taking has drawn."""

    def make():
        np.random.seed(8)
        rng = GENERATORS[name]()
        net = fc(dropout_keep_ratio=0.7, normalization="batchnorm", rng=rng)
        return image_solver(net, rng)

    whole = make()
    whole.train()

    solver = make()
    chance, loss = random.Random(0), solver.model.loss

    def interrupted(X, y=None):
        result = loss(X, y)
        if chance.random() < 0.7:
            raise KeyboardInterrupt
        return result

    solver.model.loss = interrupted
    interrupts = 0
    while solver._unfinished or not interrupts:
        try:
            solver.train()
        except KeyboardInterrupt:
            interrupts += 1
    assert interrupts > 10
    same = everything(solver) == everything(whole)
    assert same  # what pytest would say of the bytes is too long


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
