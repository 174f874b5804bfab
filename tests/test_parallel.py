"""Compiled functions called from several threads and processes at once: always the bits
of one call after the other."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import sysconfig
import textwrap
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import parallel_cases
import pytest
from training_cases import blob_solver, trained_net

import nndl
from nndl._fast import _memory

TESTS = Path(__file__).parent
CALLERS = 8

pytestmark = pytest.mark.usefixtures("default_threads")


@pytest.fixture(scope="module")
def expected():
    """Return what every compiled function gives when nothing else runs."""
    nndl.set_num_threads(1)
    found = parallel_cases.digests()
    nndl.set_num_threads(None)
    assert len(set(found.values())) == len(found) > 50
    return found


@pytest.fixture
def many_switches():
    """Have Python change from thread to thread as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run(script, **environment):
    """Run a script in a fresh Python, with this folder's modules, for a minute at
    most."""
    environment = os.environ | {"PYTHONPATH": str(TESTS)} | environment
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- threads -------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_eight_threads_at_once_get_the_bits_of_one(expected, threads):
    """Each begins with another function, so that unlike ones meet."""
    nndl.set_num_threads(threads)
    starts = [i * len(expected) // CALLERS for i in range(CALLERS)]
    with ThreadPoolExecutor(CALLERS) as pool:
        for found in pool.map(parallel_cases.digests, starts):
            assert found == expected


@pytest.mark.parametrize("name", list(parallel_cases.cases()))
def test_eight_threads_in_the_same_function_get_the_bits_of_one(expected, name):
    nndl.set_num_threads(2)
    function = parallel_cases.cases()[name]
    with ThreadPoolExecutor(CALLERS) as pool:
        found = list(pool.map(lambda _: function(), range(CALLERS)))
    assert set(found) == {expected[name]}


def test_the_number_of_threads_may_change_while_others_compute(expected):
    done = threading.Event()
    changes = 0

    def change():
        nonlocal changes
        while not done.is_set():
            nndl.set_num_threads((1, 2, None, 3)[changes % 4])
            changes += 1

    changer = threading.Thread(target=change)
    changer.start()
    try:
        with ThreadPoolExecutor(2) as pool:
            for found in pool.map(parallel_cases.digests, range(0, 40, 20)):
                assert found == expected
    finally:
        done.set()
        changer.join()
    assert changes > 100


def test_the_number_of_threads_is_a_number_at_every_moment(many_switches):
    """Also when it is read while another thread goes back to the default."""
    done = threading.Event()

    def change():
        while not done.is_set():
            nndl.set_num_threads(2)
            nndl.set_num_threads(None)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        found = {nndl.get_num_threads() for _ in range(20_000)}
    finally:
        done.set()
        changer.join()
    assert all(type(number) is int for number in found), found


def test_two_solvers_train_at_once_as_one_after_the_other():
    """Each with random numbers of its own."""

    def train(seed):
        net = trained_net(dropout_keep_ratio=0.7, rng=seed)
        solver = blob_solver(net, update_rule="adam", rng=seed)
        solver.train()
        arrays = {**net.params, **net.bn_params[0]}
        return parallel_cases.digest((solver.loss_history, arrays))

    one_by_one = [train(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(train, range(6))) == one_by_one


# ---- the memory that is kept ---------------------------------------------------------


def fill_and_look(seed):
    """Take and give back arrays, and count those that somebody else wrote into."""
    rng = np.random.default_rng(seed)
    held, spoilt = [], 0
    for i in range(150):
        size = int(rng.choice([1 << 17, 1 << 18, 3 << 17, 5 << 20]))
        array = _memory.empty((size // 8,), np.int64)
        array[::64] = mark = seed * 1000 + i
        held.append((array, mark))
        if len(held) > 4:
            array, mark = held.pop(int(rng.integers(len(held))))
            spoilt += bool((array[::64] != mark).any())
        if i % 50 == 0:
            _memory.release()
    return spoilt


def test_memory_belongs_to_one_array_at_a_time(many_switches):
    with ThreadPoolExecutor(CALLERS) as pool:
        assert list(pool.map(fill_and_look, range(CALLERS))) == [0] * CALLERS


def test_an_array_outlives_the_thread_and_the_names_that_knew_it():
    with ThreadPoolExecutor(1) as pool:
        view = pool.submit(lambda: _memory.empty((1 << 20,), np.uint8)[::3]).result()
    view[:] = 7
    others = [_memory.empty((1 << 20,), np.uint8) for _ in range(4)]
    for other in others:
        other[:] = 1
    assert (view == 7).all()


# ---- processes -----------------------------------------------------------------------

needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this system has no fork"
)


@needs_fork
def test_a_child_forked_while_threads_compute_gets_the_same_bits():
    """From a thread that is not the main one too; and forked children of children."""
    run(
        """
        import os, sys, threading, time
        import numpy as np, nndl, parallel_cases
        from nndl._fast import _memory

        nndl.set_num_threads(2)
        expected = parallel_cases.digests()
        done = threading.Event()

        def compute():
            while not done.is_set():
                assert parallel_cases.digests() == expected

        def child():
            assert nndl.get_num_threads() == 1
            nndl.set_num_threads(4)  # in vain
            assert nndl.get_num_threads() == 1
            assert parallel_cases.digests() == expected
            kept = [_memory.empty((1 << 20,), np.uint8) for _ in range(9)]
            _memory.release()

        def fork(depth):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    child()
                    status = fork(depth - 1) if depth else 0
                finally:
                    os._exit(status)
            deadline = time.monotonic() + 60
            while True:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    return os.waitstatus_to_exitcode(status)
                if time.monotonic() > deadline:
                    os.kill(pid, 9)
                    return "hangs"
                time.sleep(0.01)

        workers = [threading.Thread(target=compute) for _ in range(2)]
        for worker in workers:
            worker.start()
        try:
            results = [fork(depth=1) for _ in range(2)]
            forker = threading.Thread(target=lambda: results.append(fork(depth=0)))
            forker.start()
            forker.join()
        finally:
            done.set()
            for worker in workers:
                worker.join()
        assert results == [0, 0, 0], results
        assert nndl.get_num_threads() == 2
        assert parallel_cases.digests() == expected
        """
    )


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_processes_of_every_kind_get_the_same_bits(expected, method):
    """With arrays and caches of the parent's kept memory sent to them, too."""
    with ThreadPoolExecutor(2) as pool:  # OpenMP's threads have run, of two callers
        list(pool.map(parallel_cases.digests, range(2)))
    context = multiprocessing.get_context(method)
    array = _memory.empty((1 << 18,), np.float32)
    array[:] = np.arange(1 << 18)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        found = list(pool.map(parallel_cases.digests, range(2)))
        sums = pool.submit(parallel_cases.digest, array).result()
        threads = pool.submit(nndl.get_num_threads).result()
    assert found == [expected] * 2
    assert sums == parallel_cases.digest(array)
    assert threads == (1 if method == "fork" else nndl.get_num_threads())


@needs_fork
def test_a_server_of_processes_may_have_loaded_the_package_before(tmp_path):
    """Its children are forked, and know it."""
    (tmp_path / "script.py").write_text(
        textwrap.dedent(
            """
            import multiprocessing, nndl, nndl.optim, parallel_cases

            if __name__ == "__main__":
                context = multiprocessing.get_context("forkserver")
                context.set_forkserver_preload(["nndl", "parallel_cases"])
                with context.Pool(2) as pool:
                    found = pool.map(parallel_cases.digests, range(2))
                assert found == [parallel_cases.digests()] * 2
                print("equal")
            """
        )
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "equal\n", done.stderr


# ---- Python without its lock ---------------------------------------------------------


def test_the_package_does_not_say_that_it_can_do_without_pythons_lock():
    """The kept memory relies on it. A free-threaded Python, unless it is told that a
    module can do without, takes the lock up again when it loads the module."""
    folder = Path(nndl.__file__).parent / "_fast"
    for source in [*folder.glob("*.pyx"), *folder.glob("meson.build")]:
        assert "freethreading_compatible" not in source.read_text().lower(), source
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        run(
            """
            import sys, warnings
            warnings.simplefilter("ignore")
            import nndl.fast_layers
            assert sys._is_gil_enabled()
            """
        )
