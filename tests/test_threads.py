"""The number of threads, and a fork after they have run."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import nndl

pytestmark = pytest.mark.usefixtures("default_threads")


def run(script, **environment):
    """Run a script in a fresh Python and return it when it has ended, within a
    minute."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("n", [1, 3, np.int64(2)])
def test_the_number_set_is_the_number_used(n):
    nndl.set_num_threads(n)
    assert nndl.get_num_threads() == n
    assert type(nndl.get_num_threads()) is int


def test_the_default_is_the_number_of_cpus_of_this_process(monkeypatch):
    monkeypatch.delenv("NNDL_NUM_THREADS", raising=False)
    nndl.set_num_threads(5)
    nndl.set_num_threads(None)
    available = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count()
    )
    assert nndl.get_num_threads() == available


@pytest.mark.parametrize(("wish", "expected"), [("3", 3), (" 2 ", 2), ("01", 1)])
def test_the_environment_variable_is_the_default(monkeypatch, wish, expected):
    monkeypatch.setenv("NNDL_NUM_THREADS", wish)
    nndl.set_num_threads(None)
    assert nndl.get_num_threads() == expected


def test_the_number_set_goes_before_the_environment_variable(monkeypatch):
    monkeypatch.setenv("NNDL_NUM_THREADS", "3")
    nndl.set_num_threads(2)
    assert nndl.get_num_threads() == 2


def test_an_empty_environment_variable_is_none(monkeypatch):
    monkeypatch.delenv("NNDL_NUM_THREADS", raising=False)
    nndl.set_num_threads(None)
    expected = nndl.get_num_threads()
    monkeypatch.setenv("NNDL_NUM_THREADS", "")
    nndl.set_num_threads(None)
    assert nndl.get_num_threads() == expected


@pytest.mark.parametrize("wish", ["0", "-1", "two", "1.5", "2,2", "²"])
def test_a_bad_environment_variable_is_an_error_that_names_it(monkeypatch, wish):
    monkeypatch.setenv("NNDL_NUM_THREADS", wish)
    nndl.set_num_threads(None)
    with pytest.raises(
        ValueError,
        match="NNDL_NUM_THREADS must be a whole number from 1 to 1024, but is",
    ):
        nndl.get_num_threads()


@pytest.mark.parametrize(
    ("n", "kind"),
    [
        (0, ValueError),
        (-2, ValueError),
        (1.0, TypeError),
        ("2", TypeError),
        (True, TypeError),
    ],
)
def test_a_bad_number_is_an_error_and_changes_nothing(n, kind):
    nndl.set_num_threads(2)
    with pytest.raises(kind, match="`n` must be"):
        nndl.set_num_threads(n)
    assert nndl.get_num_threads() == 2


@pytest.mark.parametrize("n", [100_000, 10**10])
@pytest.mark.parametrize("way", ["call", "environment"])
def test_a_number_far_beyond_the_machine_is_refused_or_does_no_harm(n, way):
    """It may be an error or be cut down to what is possible, but must not end the
    process."""
    script = f"""
        import numpy as np, nndl
        from nndl.optim import adam_fast
        try:
            if {way == "call"}:
                nndl.set_num_threads({n})
            adam_fast(np.ones(40_000), np.ones(40_000))
        except ValueError as error:
            assert "`n`" in str(error) or "NNDL_NUM_THREADS" in str(error), error
    """
    done = run(script, **({"NNDL_NUM_THREADS": str(n)} if way == "environment" else {}))
    assert done.returncode == 0, done.stderr


def test_show_config_prints_the_version_and_the_threads(capsys):
    nndl.set_num_threads(3)
    nndl.show_config()
    out = capsys.readouterr().out
    assert f"nndl {nndl.__version__}" in out
    assert "threads   3" in out
    assert "vectors   " in out
    assert "OpenMP" in out
    assert "compiler" in out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_neither_hangs_nor_computes_other_bits():
    """OpenMP's threads do not survive a fork: a child that waits for them waits for
    ever."""
    done = run(
        """
        import multiprocessing
        import numpy as np, nndl
        from nndl.optim import adam_fast

        rng = np.random.default_rng(0)
        w, dw = rng.standard_normal((2, 200_000))

        def step(queue=None):
            next_w, config = adam_fast(w, dw)
            bits = next_w.tobytes(), config["m"].tobytes(), config["v"].tobytes()
            if queue is None:
                return bits
            queue.put((nndl.get_num_threads(), hash(bits)))

        nndl.set_num_threads(3)
        expected = hash(step())
        context = multiprocessing.get_context("fork")
        for _ in range(2):
            queue = context.Queue()
            child = context.Process(target=step, args=(queue,), daemon=True)
            child.start()
            threads, found = queue.get(timeout=20)
            child.join(timeout=20)
            assert child.exitcode == 0
            assert threads == 1
            assert found == expected
            assert nndl.get_num_threads() == 3
            assert hash(step()) == expected
        """
    )
    assert done.returncode == 0, done.stderr


def test_several_python_threads_may_step_at_once():
    """Each on its own arrays: the kernels share nothing."""
    from concurrent.futures import ThreadPoolExecutor

    from nndl.optim import adam_fast

    nndl.set_num_threads(2)
    cases = [
        np.random.default_rng(seed).standard_normal((2, 50_000)) for seed in range(8)
    ]
    expected = [adam_fast(w, dw)[0].tobytes() for w, dw in cases]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda case: adam_fast(*case)[0].tobytes(), cases))
    assert found == expected
