"""The benchmark: that its peers compute the same, and what it reports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from nndl import cli, conv_layers
from nndl.benchmarks import bars, classic, memory, networks, peers, workloads
from nndl.benchmarks.fresh_process import in_a_fresh_process
from nndl.benchmarks.results import Row
from nndl.benchmarks.timing import Effort, interleaved_medians
from nndl.benchmarks.workloads import Convolution, Pooling

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SMALL = Convolution(3, 2, 8, 4, 3, stride=1, pad=1, dtype="float32")


# ---- the peers -----------------------------------------------------------------------


@pytest.mark.parametrize(("HH", "WW"), [(3, 3), (3, 5), (1, 1)])
@pytest.mark.parametrize(("stride", "pad"), [(1, 0), (1, 2), (2, 1), (3, 1)])
def test_the_classic_convolution_equals_the_naive_loops(HH, WW, stride, pad):
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s) for s in [(2, 3, 7, 8), (4, 3, HH, WW), 4])
    param = {"stride": stride, "pad": pad}
    out, cache = classic.conv_forward(x, w, b, param)
    expected, naive_cache = conv_layers.conv_forward_naive(x, w, b, param)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    dout = rng.standard_normal(out.shape)
    gradients = classic.conv_backward(dout, cache)
    expected = conv_layers.conv_backward_naive(dout, naive_cache)
    for found, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_the_classic_pooling_equals_the_naive_loops():
    rng = np.random.default_rng(0)
    x, dout = rng.standard_normal((2, 3, 8, 6)), rng.standard_normal((2, 3, 4, 3))
    out, cache = classic.max_pool_forward(x, peers.POOL)
    expected, naive_cache = conv_layers.max_pool_forward_naive(x, peers.POOL)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(
        classic.max_pool_backward(dout, cache),
        conv_layers.max_pool_backward_naive(dout, naive_cache),
    )


@pytest.mark.parametrize(
    ("chains", "naive"),
    [
        (peers.convolution(SMALL), peers.naive_convolution(SMALL, 3)),
        (
            peers.pooling(pool := Pooling(3, 2, 8, "float32")),
            peers.naive_pooling(pool, 3),
        ),
        (peers.conv_relu_pool(SMALL), None),
        (peers.bn_relu(SMALL), None),
    ],
    ids=["conv", "pool", "conv-relu-pool", "bn-relu"],
)
def test_all_peers_compute_the_same(chains, naive):
    def numbers(values):
        values = values if isinstance(values, tuple) else (values,)
        return [
            np.asarray(getattr(value, "detach", lambda v=value: v)())
            for value in values
        ]

    def outcome(chain):
        """Return the output and the gradients."""
        forward, backward = chain
        result = forward()
        out = result[0] if isinstance(result, tuple) else result
        return numbers(out) + numbers(backward(result))

    chains = {**chains, "naive": naive} if naive else chains
    ours = outcome(chains["nndl"])
    for peer, chain in chains.items():
        for found, expected in zip(outcome(chain), ours, strict=True):
            np.testing.assert_allclose(
                found, expected, rtol=1e-4, atol=1e-4, err_msg=peer
            )


@pytest.mark.parametrize("name", workloads.NETWORKS)
def test_both_networks_have_the_same_losses(torch, name):
    X, y = networks.batch(name)
    X, y = X[:8], y[:8]
    net, model = networks.NNDL_NETWORKS[name](), networks.torch_network(name)
    networks.copy_parameters(net.params, model)
    ours = networks.nndl_step(net, X, y)
    theirs = networks.torch_step(model, X, y, *networks.torch_ways(name)["torch"])
    np.testing.assert_allclose(
        [ours(), ours()], [theirs(), theirs()], rtol=1e-3, atol=1e-6
    )


# ---- the clock and the report --------------------------------------------------------


def test_chains_run_in_turn_after_an_untimed_start():
    calls = []

    def chain(name):
        return (
            lambda: calls.append(name) or len(calls),
            lambda state: calls.append((name, state)),
        )

    medians = interleaved_medians(
        {"a": chain("a"), "b": chain("b")},
        Effort(0, rounds=2, naive_images=1, soak_steps=0),
    )
    assert calls[:6] == ["a", "a", ("a", 2), "b", "b", ("b", 5)]
    assert len(calls) == 12
    assert {name: len(times) for name, times in medians.items()} == {"a": 2, "b": 2}


def test_a_function_runs_in_another_process():
    assert in_a_fresh_process(os.getpid) != os.getpid()


def test_ours_is_compared_with_the_best_of_pytorchs_ways():
    row = Row("T3 conv forward", {"nndl": 2.0, "torch": 5, "ch_last": 3, "classic": 9})
    assert row.ratios == {"torch": 1.5, "classic": 4.5}
    assert {peer: verdict for peer, (_, verdict) in row.bars.items()} == {
        "torch": "met",
        "classic": "aim",
    }


def test_a_ratio_below_its_bar_is_missed():
    assert bars.AGAINST_PYTORCH["S1 conv forward"].verdict(1.39) == "missed"


def test_a_value_above_its_limit_is_missed():
    assert Row("N1 soak", {"nndl": 1.0}).limit[1] == "met"
    assert Row("N1 soak", {"nndl": 1.1}).limit[1] == "missed"
    assert Row("N2 memory", {"nndl": 9.0}).limit is None


def test_operations_are_those_of_the_definition():
    # One window of 2 x 3 x 3 numbers for each of 3 x 4 x 8 x 8 outputs.
    forward = 2 * 18 * 768
    assert SMALL.flops == {"forward": forward, "backward": 2 * forward}
    row = Row("T9 conv forward", {"nndl": 0.001}, flops=forward)
    assert row.gflops == pytest.approx(forward / 1e3)


def test_every_bar_belongs_to_a_row_that_is_measured():
    rows = {f"{name} step" for name in workloads.NETWORKS} | {"N2 memory"}
    for kind, names in {
        "conv": workloads.CONVOLUTIONS,
        "pool": workloads.POOLINGS,
        "conv-relu-pool": workloads.SANDWICHED,
        "bn-relu": workloads.SANDWICHED,
    }.items():
        rows |= {
            f"{name} {kind} {way}" for name in names for way in ("forward", "backward")
        }
    assert set(bars.AGAINST_PYTORCH) <= rows
    assert set(bars.AGAINST_CLASSIC) <= rows
    assert set(bars.LIMITS) == {f"{memory.SOAKED} soak"}


@pytest.mark.skipif(
    not memory.STATUS.exists(), reason="only Linux says how much memory is held now"
)
def test_a_training_that_forgets_to_let_go_is_found():
    # In a process of its own: memory that earlier tests gave back would hide the leak.
    leaking = """
        import numpy as np
        from nndl.benchmarks import memory, networks

        kept, network = [], networks.NNDL_NETWORKS[memory.SOAKED]

        def forgetful_network():
            net = network()
            right = net.loss
            net.loss = lambda *given: kept.append(np.ones(25_000)) or right(*given)
            return net

        networks.NNDL_NETWORKS[memory.SOAKED] = forgetful_network
        print(memory._growth_in_the_long_run(200))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(leaking)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) > 20  # MB: 200 kB in each of the last 100 steps


# ---- the command ---------------------------------------------------------------------


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "nndl.benchmarks", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_prints_a_table_and_writes_json(tmp_path):
    done = run("--quick", "--only", "S2", "--json", str(tmp_path / "results.json"))
    assert done.returncode == 0, done.stderr
    assert "S2 pool backward" in done.stdout
    results = json.loads((tmp_path / "results.json").read_text())
    (section,) = results["sections"]
    assert section["unit"] == "ms"
    assert [row["work"] for row in section["rows"]] == [
        "S2 pool forward",
        "S2 pool backward",
    ]
    for row in section["rows"]:
        assert {"nndl", "classic", "naive"} <= set(row["values"])
        assert set(row["values"]) <= set(results["peers"])
        assert all(value > 0 for value in row["values"].values())


def test_without_pytorch_its_columns_are_left_out(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError")
    done = run("--quick", "--only", "S2", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (
        "PyTorch is not installed, so its columns are missing: make oracle"
        in done.stdout
    )
    assert "torch" not in done.stdout.split("Convolution and max pooling")[1]


@pytest.mark.parametrize(
    "options", [["--only", "X9"], ["--threads", "0"], ["--threads", "two"], ["--only"]]
)
def test_wrong_options_have_status_2(options, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", *options])
    assert stop.value.code == 2
    assert f"nndl bench: error: argument {options[0]}" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_an_error_at_once(tmp_path, capsys):
    assert cli.main(["bench", "--json", str(tmp_path / "no" / "results.json")]) == 1
    assert "results.json" in capsys.readouterr().err


@pytest.mark.skipif(not FOLDER.is_dir(), reason="only the tests were copied")
def test_every_file_of_the_benchmark_is_installed():
    listed = re.findall(r"'(\w+\.py)'", (FOLDER / "meson.build").read_text())
    assert sorted(listed) == sorted(path.name for path in FOLDER.glob("*.py"))
