"""Searches: what is drawn, what is promoted, and what survives when something dies."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import distributed
import numpy as np
import psutil
import pytest
import sweep_cases
from scipy import stats
from sweep_cases import LR, begun, lines

import nndl
from nndl import _threads, cli, experiments, sweep
from nndl.sweep import Record, SearchResult, _cluster, _command, _results

TESTS = Path(__file__).parent


def process(*command, **options):
    """Start a Python process that can import the objectives."""
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    return subprocess.Popen([sys.executable, *command], env=environment, **options)


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def end(processes):
    for one in processes:
        one.kill()
    for one in processes:
        one.wait()


@contextlib.contextmanager
def dask_cluster(folder, workers):
    """Run a scheduler and workers on 127.0.0.1; yield its address and the workers."""
    file, quiet = folder / "scheduler.json", subprocess.DEVNULL
    here = "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)
    ports = "--port", "0", "--dashboard-address", "127.0.0.1:0"
    command = "-m", "distributed.cli.dask_scheduler", *ports, *here
    started = [process(*command, stdout=quiet, stderr=quiet)]
    try:
        until(file.exists)
        command = "-m", "distributed.cli.dask_worker", "--no-nanny", *here
        for _ in range(workers):
            one = process(*command, "--nthreads", "1", stdout=quiet, stderr=quiet)
            started.append(one)
        until(lambda: file.read_text().endswith("}"))
        address = json.loads(file.read_text())["address"]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield address, started[1:]
    finally:
        end(started)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    with dask_cluster(tmp_path_factory.mktemp("cluster"), 2) as (address, _):
        yield address


def facts(result):
    """Return what must not depend on when and where a trial ran."""
    return [
        (r.trial, r.rung, r.budget, r.seed, r.score, r.error, r.extra, r.config["lr"])
        for r in result.records
    ]


# ---- spaces --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distribution", "oracle"),
    [
        (sweep.uniform(-2, 5), stats.uniform(-2, 7)),
        (sweep.log_uniform(1e-5, 10), stats.loguniform(1e-5, 10)),
    ],
)
def test_numbers_are_distributed_as_scipy_says(distribution, oracle):
    rng = np.random.default_rng(0)
    drawn = [distribution.draw(rng) for _ in range(2000)]
    assert {type(value) for value in drawn} == {float}
    assert stats.kstest(drawn, oracle.cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (sweep.integers(-1, 3), [-1, 0, 1, 2, 3]),
        (sweep.integers(4, 4), [4]),
        (sweep.choice(["relu", None, [3, 5]]), ["relu", None, [3, 5]]),
    ],
)
def test_integers_and_choices_are_equally_likely(distribution, values):
    rng = np.random.default_rng(0)
    drawn = [distribution.draw(rng) for _ in range(2000)]
    counts = [drawn.count(value) for value in values]
    assert sum(counts) == 2000
    if len(values) > 1:
        assert stats.chisquare(counts).pvalue > 0.01


def test_no_number_falls_outside_its_bounds():
    """Though the exponential of the logarithm of a bound may."""
    low, high = 0.1, math.nextafter(0.1, 1)
    narrow = sweep.log_uniform(low, high)
    drawn = {narrow.draw(n) for n in range(50)}
    assert drawn <= {low, high}


def test_a_distribution_looks_like_the_call_that_made_it():
    for text in ("uniform(-1.0, 2.0)", "integers(1, 9)", "choice([1, None, 'x'])"):
        assert repr(eval(text, vars(sweep))) == text


def results(scores, **columns):
    """Return the result of a search with one rung."""
    return SearchResult(
        [
            Record(n, 0, 1, {k: v[n] for k, v in columns.items()}, n, score)
            for n, score in enumerate(scores)
        ]
    )


def test_zooming_takes_the_range_of_the_best_and_their_mean_distance():
    space = {"a": sweep.uniform(0, 10), "n": sweep.integers(0, 9), "b": LR, "c": 5}
    found = results(
        [3, 2, 1, 0, None],
        a=[5.0, 7.0, 4.0, 0.0, 9.0],
        n=[2, 2, 4, 9, 0],
        b=[1e-3, 1e-2, 1e-1, 1e-5, 1e-5],
        c=[5] * 5,
    )
    fine = sweep.zoom(space, found, keep=3)
    # Spacings: 3 / 2, 2 / 2, and a factor of 10, which ends at the old bound.
    assert repr(fine["a"]) == "uniform(2.5, 8.5)"
    assert repr(fine["n"]) == "integers(1, 5)"
    assert fine["c"] == 5
    low, high = fine["b"]._described()["log_uniform"]
    assert (low, high) == (pytest.approx(1e-4), 0.1)


def test_zooming_on_one_value_leaves_some_room():
    fine = sweep.zoom({"a": sweep.uniform(0, 8)}, results([1, 0], a=[4.0, 1.0]), keep=1)
    assert repr(fine["a"]) == "uniform(2.0, 6.0)"


def test_zooming_keeps_the_options_that_are_among_the_best():
    space = {"c": sweep.choice([[1], True, 1, "x"])}
    found = results([0, 9, 8, 1], c=["x", 1, [1], True])
    assert repr(sweep.zoom(space, found, keep=2)["c"]) == "choice([[1], 1])"


@pytest.mark.parametrize("seed", range(20))
def test_a_zoomed_space_is_inside_the_old_one_and_holds_the_best(seed):
    rng = np.random.default_rng(seed)
    space = {"a": sweep.uniform(-3, 4), "n": sweep.integers(-2, 7), "lr": LR}
    columns = {k: [d.draw(rng) for _ in range(9)] for k, d in space.items()}
    found = results(rng.standard_normal(9), **columns)
    fine = sweep.zoom(space, found, keep=4)
    for name, distribution in fine.items():
        ((low, high),) = distribution._described().values()
        ((old_low, old_high),) = space[name]._described().values()
        kept = [record.config[name] for record in found.ranked()[:4]]
        assert old_low <= low <= min(kept) <= max(kept) <= high <= old_high


def test_zooming_needs_a_score_and_the_configurations_of_the_space():
    space = {"a": sweep.uniform(0, 1)}
    with pytest.raises(ValueError, match="`results` must have a trial with a score"):
        sweep.zoom(space, results([None], a=[0.5]))
    with pytest.raises(ValueError, match=r"configurations with a, but .* with b"):
        sweep.zoom(space, results([1.0], b=[0.5]))


# ---- promotion -----------------------------------------------------------------------


def rung(scores):
    return results(scores, a=[0] * len(scores)).records


@pytest.mark.parametrize(
    ("scores", "factor", "expected"),
    [
        ([1, 9, 5, 7, 3, 2], 3, [1, 3]),
        ([1, 9, 5, 7, 3, 2, 8], 3, [1, 6]),
        ([4, 4, 4, 4], 2, [0, 1]),
        ([3, None, 1], 2, [0]),
        ([None, None, None, -1], 2, [3]),
        ([None, None], 2, []),
        ([1, 2], 3, [1]),
    ],
)
def test_the_best_of_every_factor_are_promoted(scores, factor, expected):
    assert _results.promoted(rung(scores), factor) == expected


def test_trials_are_ranked_by_rung_then_score_and_failed_ones_last():
    first = rung([5, 1, None, 7])
    second = [Record(0, 1, 3, {}, 0, 2.0), Record(3, 1, 3, {}, 3, None, "failed")]
    result = SearchResult([*second, *first])
    assert [(r.trial, r.rung) for r in result.ranked()] == [
        (0, 1), (1, 0), (3, 1), (2, 0)
    ]  # fmt: skip
    assert result.best is second[0]
    with pytest.raises(ValueError, match="none of the 1 trials has a score"):
        _ = SearchResult(rung([None])).best


def test_a_search_halves_its_trials_by_their_scores(scheduler, tmp_path):
    result = sweep.search(
        sweep_cases.parabola,
        {"lr": LR},
        trials=20,
        budgets=(1, 2, 7),
        seed=3,
        scheduler=scheduler,
    )
    rungs = [[r for r in result.records if r.rung == n] for n in range(3)]
    assert [len(records) for records in rungs] == [20, 6, 2]
    assert [{r.budget for r in records} for records in rungs] == [{1}, {2}, {7}]
    for n in (0, 1):
        best = sorted(rungs[n], key=lambda r: -r.score)[: len(rungs[n + 1])]
        assert {r.trial for r in best} == {r.trial for r in rungs[n + 1]}
    for r in result.records:
        assert r.score == sweep_cases.parabola(r.config, r.budget, r.seed)
        first = result.records[r.trial]
        assert (r.config, r.seed) == (first.config, first.seed)
    assert len({r.seed for r in rungs[0]}) == 20


def test_what_is_drawn_depends_on_seed_space_and_number_alone(scheduler):
    def drawn(trials, seed, space):
        result = sweep.search(
            sweep_cases.parabola, space, trials=trials, seed=seed, scheduler=scheduler
        )
        return [(r.config, r.seed) for r in result.records]

    space = {"lr": LR, "n": sweep.integers(1, 99)}
    five = drawn(5, 1, space)
    assert drawn(8, 1, dict(reversed(space.items())))[:5] == five
    assert not any(one in five for one in drawn(5, 2, space))


# ---- a log ---------------------------------------------------------------------------


@pytest.fixture
def logged(tmp_path, scheduler):
    """A finished search with a log, in a folder of its own."""
    result = sweep_cases.search_of(tmp_path, 0, scheduler=scheduler)
    return tmp_path, result


def test_a_log_holds_the_whole_search(logged):
    folder, result = logged
    read = sweep.read_log(folder / "log.jsonl")
    assert (facts(read), read.settings) == (facts(result), result.settings)
    assert len(read.records) == 12 + 4
    first = json.loads((folder / "log.jsonl").read_text().splitlines()[0])
    assert first["nndl sweep"] == 1
    assert first["objective"] == "sweep_cases.told"
    assert first["space"]["lr"] == {"log_uniform": [1e-5, 0.1]}
    assert first["versions"]["nndl"] == nndl.__version__
    assert all(r.worker.startswith("tcp://127.0.0.1:") for r in read.records)


def test_a_finished_search_starts_nothing(logged, monkeypatch):
    folder, result = logged
    again = sweep_cases.search_of(folder, 0, scheduler="tcp://127.0.0.1:1")
    assert facts(again) == facts(result)
    assert len(begun(folder)) == 16


@pytest.mark.parametrize("cut", [1, 20])
def test_a_last_line_that_was_cut_off_is_dropped_and_done_again(logged, cut, scheduler):
    folder, result = logged
    path = folder / "log.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert len(sweep.read_log(path).records) == 15
    again = sweep_cases.search_of(folder, 0, scheduler=scheduler)
    assert facts(again) == facts(result) == facts(sweep.read_log(path))
    assert path.read_bytes().splitlines()[:-1] == whole.splitlines()[:-1]
    assert len(begun(folder)) == 17


def test_a_first_line_that_was_cut_off_is_written_again(logged, scheduler):
    folder, result = logged
    path = folder / "log.jsonl"
    for length in (0, 3, 40):
        path.write_bytes(path.read_bytes()[:length])
        again = sweep_cases.search_of(folder, 0, scheduler=scheduler)
        assert facts(again) == facts(result) == facts(sweep.read_log(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, r"seed is 0, not 1\."),
        ({"trials": 13}, r"trials is 12, not 13\."),
        ({"budgets": (1, 4)}, r"budgets is \[1, 3\], not \[1, 4\]\."),
        ({"factor": 2}, r"factor is 3, not 2\."),
        ({"space": {"lr": LR}}, r"space\['file'\] is .*'constant'.*, not 'absent'\."),
        ({"objective": sweep_cases.parabola}, "told', not 'sweep_cases.parabola'"),
    ],
)
def test_the_log_of_another_search_is_refused_and_left_as_it_is(
    tmp_path, change, message
):
    path = tmp_path / "log.jsonl"
    space = {"file": "f", "lr": LR}
    wanted = {
        "objective": sweep_cases.told, "space": space, "trials": 12, "budgets": (1, 3),
    }  # fmt: skip
    settings = {
        "objective": "sweep_cases.told",
        "space": {"file": {"constant": "f"}, "lr": LR._described()},
        "seed": 0, "trials": 12, "budgets": [1, 3], "factor": 3,
    }  # fmt: skip
    path.write_text(json.dumps({"nndl sweep": 1, **settings}) + "\n{cut")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        sweep.search(**wanted | change, log=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"some text", "is not the log of a search"),
        (b"some text\n", "is not the log of a search"),
        (b"[1]\n", "is not the log of a search"),
        (b'{"nndl sweep": 2}\n', "is a log of format 2, but"),
        (b'{"nndl sweep": 1}\n{"trial": 1}\n', "is damaged: its line 2"),
        (b'{"nndl sweep": 1}\n[]\n', "is damaged: its line 2"),
    ],
)
def test_a_file_that_is_no_log_is_refused_and_left_as_it_is(tmp_path, content, message):
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        sweep.search(sweep_cases.parabola, {"lr": LR}, trials=1, log=path)
    assert path.read_bytes() == content
    if content.endswith(b"\n"):
        with pytest.raises(ValueError, match=message):
            sweep.read_log(path)


# ---- what goes wrong in a trial ------------------------------------------------------


def test_a_failing_configuration_is_recorded_and_goes_no_further(scheduler):
    troubles = {
        "raises": "ZeroDivisionError: one by nothing",
        "exits": "SystemExit: 3",
        "nan": "the score is nan",
        "infinite": "the score is inf",
        "text": "the score must be a number, but is '0.5'",
        "none": "the score must be a number, but is None",
        "no score": "must return a 'score', but returned {'accuracy': 0.5}",
        "no number": "must return numbers, but returned <module 'nndl'",
    }
    result = sweep.search(
        sweep_cases.in_trouble,
        {"lr": LR, "trouble": sweep.choice([*troubles, "none at all"])},
        trials=45,
        budgets=(1, 2),
        scheduler=scheduler,
    )
    first = [r for r in result.records if r.rung == 0]
    assert len(first) == 45
    assert {r.config["trouble"] for r in first} == {*troubles, "none at all"}
    for record in first:
        message = troubles.get(record.config["trouble"])
        if message is None:
            assert (record.score, record.error) == (record.config["lr"], None)
        else:
            assert record.score is None
            assert message in record.error
    second = [r for r in result.records if r.rung == 1]
    assert second
    assert all(r.error is None for r in second)


def test_an_objective_that_no_worker_can_load_is_an_error(scheduler, tmp_path):
    with pytest.raises(
        RuntimeError, match=r"cannot load the objective.*not on this mach"
    ):
        sweep.search(
            sweep_cases.Unloadable(),
            {"lr": LR},
            trials=3,
            scheduler=scheduler,
            log=tmp_path / "log",
        )
    assert sweep.read_log(tmp_path / "log").records == ()


def test_an_address_where_nobody_answers_is_an_error(monkeypatch):
    monkeypatch.setattr(_cluster, "_PATIENCE", 0.5)
    with pytest.raises(ConnectionError, match=r"none answers at tcp://127\.0\.0\.1:1 "):
        sweep.search(
            sweep_cases.parabola, {"lr": LR}, trials=1, scheduler="tcp://127.0.0.1:1"
        )


# ---- what dies -----------------------------------------------------------------------


def test_a_killed_workers_trials_run_again_and_nothing_else_does(tmp_path):
    """A real scheduler, two worker processes, one of them killed half-way."""
    calm, disturbed = tmp_path / "calm", tmp_path / "disturbed"
    calm.mkdir()
    undisturbed = sweep_cases.search_of(calm, 0, workers=2)
    with dask_cluster(tmp_path, 2) as (address, workers):
        disturbed.mkdir()
        (disturbed / "held").touch()

        def kill_one():
            until(lambda: half_way(disturbed, workers=2))
            workers[0].kill()
            workers[0].wait()
            (disturbed / "held").unlink()

        killer = threading.Thread(target=kill_one)
        killer.start()
        result = sweep_cases.search_of(disturbed, scheduler=address)
        killer.join()
        assert workers[0].wait() == -signal.SIGKILL
    finished = [(line["rung"], line["trial"]) for line in lines(disturbed)]
    assert sorted(finished) == [(r.rung, r.trial) for r in undisturbed.records]
    assert facts(result) == facts(undisturbed)
    assert len({line["worker"] for line in lines(disturbed)}) == 2
    trials = [(seed, budget) for seed, budget, _ in begun(disturbed)]
    assert len(set(trials)) == 16
    twice = [trial for trial in trials if trials.count(trial) == 2]
    assert len(trials) == 17
    at_it = [process for *trial, process in begun(disturbed) if (*trial,) == twice[0]]
    assert at_it == [one.pid for one in workers]  # the killed one had begun it


def test_a_search_whose_scheduler_is_lost_ends(tmp_path, monkeypatch):
    (tmp_path / "held").touch()
    with dask_cluster(tmp_path, 1) as (address, _):
        daemon = next(p for p in psutil.Process().children() if listens(p, address))

        def kill_it():
            until(lambda: half_way(tmp_path, workers=1))
            daemon.kill()

        killer = threading.Thread(target=kill_it)
        killer.start()
        monkeypatch.setattr(_cluster, "_PATIENCE", 3)  # for how long to look for it
        with pytest.raises(ConnectionError, match="The scheduler is lost"):
            sweep_cases.search_of(tmp_path, scheduler=address)
        killer.join()
    assert len(sweep.read_log(tmp_path / "log.jsonl").records) == sweep_cases.FREE


def half_way(folder, workers):
    """Tell whether a search that is held has come as far as it can: each worker, of one
    thread, is at a trial."""
    ended, begins = len(lines(folder)), len(begun(folder))
    return (ended, begins - ended) == (sweep_cases.FREE, workers)


def listens(one, address):
    connections = one.net_connections(kind="tcp")
    return any(str(c.laddr.port) == address.rpartition(":")[2] for c in connections)


def test_a_trial_that_kills_its_workers_has_failed_and_no_other():
    result = sweep.search(
        sweep_cases.in_trouble,
        {"lr": LR, "trouble": sweep.choice(["kills", "slow", "slow", "slow"])},
        trials=5,
        seed=2,
        workers=2,
    )
    killers = [r for r in result.records if r.config["trouble"] == "kills"]
    assert len(killers) == 1
    assert killers[0].score is None
    assert "worker died" in killers[0].error
    others = [r for r in result.records if r.config["trouble"] == "slow"]
    assert [r.score for r in others] == [r.config["lr"] for r in others]


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_search_that_is_ended_leaves_no_process_and_continues(
    tmp_path, sign, scheduler
):
    """Ctrl-C is pressed as in a terminal: for all processes at once.

    The trials under way would never end: the search must not wait for them.
    """
    (tmp_path / "held").touch()
    one = process(
        "-c",
        "import sys, sweep_cases; sweep_cases.main(sys.argv[1])",
        tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: one.poll() is not None or half_way(tmp_path, workers=2))
    assert one.poll() is None, one.stderr.read()
    children = psutil.Process(one.pid).children(recursive=True)
    assert len(children) >= 2
    with pytest.raises(BlockingIOError, match="Another search is writing this log"):
        sweep_cases.search_of(tmp_path, scheduler=scheduler)
    if sign is signal.SIGINT:
        os.killpg(one.pid, sign)
    else:
        one.send_signal(sign)
    out, errors = one.communicate(timeout=30)
    if sign is signal.SIGINT:
        assert one.returncode == 7
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert out == ""
    if sign is signal.SIGINT:
        assert errors == ""
    else:  # what it held, Python's resource tracker frees, and may say so
        assert "Traceback" not in errors

    done = [(line["seed"], line["budget"]) for line in lines(tmp_path)]
    before = begun(tmp_path)
    assert len(done) == sweep_cases.FREE
    (tmp_path / "held").unlink()
    result = sweep_cases.search_of(tmp_path, scheduler=scheduler)
    again = [(seed, budget) for seed, budget, _ in begun(tmp_path)[len(before) :]]
    assert len(again) == 16 - len(done)
    assert not set(again) & set(done)
    assert {(r.seed, r.budget) for r in result.records} == {*again, *done}


# ---- the command ---------------------------------------------------------------------

FILE = """
[data]
name = "shapes"
training = 200
validation = 100

[network]
spec = "affine 10 - relu"

[optimizer]
learning_rate = 1e-3

[training]
epochs = 2

[search]
trials = 6
epochs = [1, 2]
seed = 5

[space]
"optimizer.learning_rate" = {log_uniform = [1e-4, 1e-1]}
"network.spec" = {choice = ["affine 10 - relu", "affine 20 - relu"]}
"""


def test_the_command_trains_what_the_file_says_and_continues(
    tmp_path, monkeypatch, capsys, scheduler
):
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(FILE)
    command = ["sweep", "small.toml", "--scheduler", scheduler]
    assert cli.main(command) == 0
    out, errors = capsys.readouterr()
    assert errors == ""
    assert out.startswith("6 trials, 0 of them failed")
    log = Path("runs/small-sweep.jsonl")
    result = sweep.read_log(log)
    assert [(r.rung, r.budget) for r in result.records] == [(0, 1)] * 6 + [(1, 2)] * 2
    # The best one is what `nndl train` makes of its configuration.
    best = result.best
    tables = tomllib.loads(FILE)
    del tables["search"], tables["space"]
    tables["optimizer"]["learning_rate"] = best.config["optimizer.learning_rate"]
    tables["network"]["spec"] = best.config["network.spec"]
    trained = experiments.parse(tables).run(seed=best.seed, quiet=True)
    assert trained.best_val_acc == best.score
    assert f"  {best.score:.4f} after   2 epochs: network.spec = " in out
    # The space that it prints is one that it reads.
    narrower = out[out.index("[space]") : out.index("\nlog")]
    Path("fine.toml").write_text(FILE[: FILE.index("[space]")] + narrower)
    space, _ = _command.read(Path("fine.toml"))
    low, high = space["optimizer.learning_rate"]._extremes()
    assert 1e-4 <= low < best.config["optimizer.learning_rate"] < high <= 1e-1

    before = log.read_bytes()
    assert cli.main(command) == 0
    assert (capsys.readouterr().out, log.read_bytes()) == (out, before)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials = 6", "trails = 6", r"line 16, 'trails = 6': \[search\] has no entry"),
        ("trials = 6", "", r"\[search\] must have an entry `trials`"),
        ("[search]", "[sarch]", r"\[search\] with `trials` is missing"),
        ("[1, 2]", "[2, 1]", r"line 17, .*: `epochs` must be above 2, but is 1"),
        ("[1, 2]", "[1, 2.5]", r"line 17, .*: `epochs` must be whole numbers"),
        ("log_uniform", "log_normal", r"line 21, .* must be one of \{uniform"),
        ("[1e-4, 1e-1]", "[1e-1, 1e-4]", r"line 21, .*`high` must be above 0\.1"),
        ("[1e-4, 1e-1]", "[1e-4]", r"line 21, .*must have \[low, high\], but has \[0"),
        ('"affine 20', '"afine 20', r"line 22, .*'afine 20' as layer 1"),
        ("optimizer.l", "optimiser.l", r"line 21, .*there is no \[optimiser\]"),
        ("optimizer.learning_rate", "training.seed", "cannot be varied"),
        ('learning_rate" =', 'learning_rate" = 1 #', r"must be like .* but is 'optim"),
        ("epochs = 2", "epoch = 2", r"line 13, .*\[training\] has no entry `epoch`"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line(
    tmp_path, monkeypatch, capsys, old, new, message
):
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(FILE.replace(old, new, 1).lstrip())
    assert cli.main(["sweep", "small.toml"]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert not Path("runs").exists()


# ---- threads, and what is not installed ----------------------------------------------


@pytest.mark.parametrize(
    ("cores", "workers", "threads_per_worker", "expected"),
    [(2, None, None, 1), (8, 1, 3, 2)],
)
def test_trials_that_run_at_once_share_the_cores(
    cores, workers, threads_per_worker, expected, monkeypatch
):
    monkeypatch.setenv("NNDL_NUM_THREADS", str(cores))
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    before = dict(os.environ)
    result = sweep.search(
        sweep_cases.threads,
        {"lr": LR},
        trials=12,
        workers=workers,
        threads_per_worker=threads_per_worker,
    )
    assert {r.score for r in result.records} == {expected}
    assert {r.extra["blas"] for r in result.records} == {expected}
    assert len({r.extra["pid"] for r in result.records}) == (workers or cores)
    assert dict(os.environ) == before


def test_on_other_peoples_workers_the_trials_of_a_host_share_its_cores(scheduler):
    result = sweep.search(
        sweep_cases.threads, {"lr": LR}, trials=6, scheduler=scheduler
    )
    shares = {r.score for r in result.records}
    assert shares == {max(1, _threads._default_threads() // 2)}


def test_without_dask_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'nndl\[sweep\]'"):
        sweep.search(sweep_cases.parabola, {"lr": LR}, trials=1)


def test_importing_the_module_imports_no_dask():
    program = "import sys, nndl.sweep; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "nndl.sweep._search" in done.stdout
    assert not {"dask", "distributed", "tqdm"} & set(done.stdout.split())
