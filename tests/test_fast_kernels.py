"""What lies under the compiled layers: instruction sets, threads, forks, and memory that
is used again."""

from __future__ import annotations

import copy
import functools
import gc
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from fast_cases import (
    LARGE,
    TOLERANCE,
    arguments,
    as_tuple,
    assert_same_bits,
    every_instruction_set,
    every_large_case,
    fast_layer,
    float_types,
    normal,
    run_fast,
)

import nndl
from nndl._fast import _kernels
from nndl.fast_layers import (
    batchnorm_forward_fast,
    conv_forward_fast,
    conv_relu_pool_backward_fast,
    conv_relu_pool_forward_fast,
    relu_forward_fast,
)

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


# ---- instruction sets ----------------------------------------------------------------


def test_the_baseline_is_always_there_and_the_best_is_in_use():
    assert _kernels.available()[-1] == "baseline"
    assert set(_kernels.available()) <= {"avx512", "avx2", "baseline"}
    done = run("from nndl._fast import _kernels; print(_kernels.isa())", NNDL_ISA="")
    assert done.stdout.strip() == _kernels.available()[0], done.stderr


@pytest.mark.parametrize("wish", _kernels.available())
def test_the_environment_variable_chooses_the_instruction_set(wish):
    script = "from nndl._fast import _kernels; print(_kernels.isa())"
    done = run(script, NNDL_ISA=wish)
    assert done.stdout.strip() == wish, done.stderr


def test_an_unknown_instruction_set_is_an_error_that_names_it():
    before = _kernels.isa()
    with pytest.raises(ValueError, match="'mmx'"):
        _kernels.choose("mmx")
    assert _kernels.isa() == before
    done = run("import nndl.fast_layers", NNDL_ISA="mmx")
    assert done.returncode != 0
    assert "'mmx'" in done.stderr


@every_instruction_set
def test_show_config_prints_the_instruction_set(instruction_set, capsys):
    nndl.show_config()
    assert instruction_set in capsys.readouterr().out


@pytest.mark.skipif(len(_kernels.available()) < 2, reason="there is only the baseline")
def test_the_instruction_sets_are_different_code():
    """They sum in different orders, so that not all roundings can be the same."""
    results = set()
    before = _kernels.isa()
    try:
        for name in (_kernels.available()[0], "baseline"):
            _kernels.choose(name)
            given = arguments("conv", np.float32, x=(3, 3, 32, 32), w=(32, 3, 7, 7))
            results.add(conv_forward_fast(**given)[0].tobytes())
    finally:
        _kernels.choose(before)
    assert len(results) == 2


@every_instruction_set
@float_types
def test_winograds_products_keep_the_digits_that_a_direct_sum_keeps(
    dtype, instruction_set
):
    """On pictures, which are not centred, ten times PyTorch's error at most."""
    bound = {np.float32: 1e-5, np.float64: 1e-14}[dtype]
    assert bound < TOLERANCE[np.dtype(dtype)]
    for size in (3, 5):
        given = arguments(
            "conv", dtype, x=(2, 64, 24, 24), w=(32, 64, size, size), pad=size // 2
        )
        given["x"] = np.random.default_rng(0).random(given["x"].shape).astype(dtype)
        wide = {
            key: a.astype(np.longdouble) if isinstance(a, np.ndarray) else a
            for key, a in given.items()
        }
        expected = 0
        padded = np.pad(wide["x"], ((0, 0), (0, 0), (size // 2,) * 2, (size // 2,) * 2))
        for i, j in np.ndindex(size, size):
            pixels = padded[:, :, i : i + 24, j : j + 24]
            expected = expected + np.tensordot(wide["w"][:, :, i, j], pixels, (1, 1))
        expected = expected.swapaxes(0, 1) + wide["b"][:, None, None]
        out, _ = conv_forward_fast(**given)
        assert np.abs(out - expected).max() < bound * np.abs(expected).max()


# ---- threads -------------------------------------------------------------------------


@every_large_case
def test_more_threads_than_there_is_work_give_the_same_bits(case):
    name, sizes = LARGE[case]
    given = arguments(name, np.float32, **sizes)
    nndl.set_num_threads(1)
    expected = run_fast(name, copy.deepcopy(given))
    nndl.set_num_threads(37)
    assert_same_bits(run_fast(name, copy.deepcopy(given)), expected)


@every_large_case
def test_a_layer_gives_the_same_bits_every_time(case):
    """Also when the memory of its workspaces has been used for something else."""
    name, sizes = LARGE[case]
    nndl.set_num_threads(2)
    expected = run_fast(name, arguments(name, np.float32, **sizes))
    run_fast(name, arguments(name, np.float32, **sizes, seed=1))
    conv_forward_fast(
        np.full((2, 17, 20, 20), np.nan), np.full((18, 17, 3, 3), np.nan),
        np.full(18, np.nan), {"stride": 1, "pad": 1},
    )  # fmt: skip
    assert_same_bits(run_fast(name, arguments(name, np.float32, **sizes)), expected)


def test_several_python_threads_may_run_layers_at_once():
    """The kernels share nothing that one of them writes."""
    nndl.set_num_threads(2)
    cases = [
        (name, arguments(name, dtype, **sizes, seed=seed))
        for seed, dtype in enumerate((np.float32, np.float64))
        for name, sizes in LARGE.values()
        if name != "dropout"
    ]

    def run_one(case):
        name, given = case
        return run_fast(name, copy.deepcopy(given))

    expected = [run_one(case) for case in cases]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            for found, wanted in zip(pool.map(run_one, cases), expected, strict=True):
                assert_same_bits(found, wanted)


def test_a_number_of_threads_may_be_set_between_forward_and_backward():
    given = arguments(
        "conv_relu_pool", np.float32, x=(11, 16, 18, 18), w=(16, 16, 3, 3)
    )
    _, expected = run_fast("conv_relu_pool", given)
    nndl.set_num_threads(3)
    out, cache = conv_relu_pool_forward_fast(**given)
    nndl.set_num_threads(1)
    dout = normal(99, *out.shape, dtype=np.float32)
    gradients = conv_relu_pool_backward_fast(dout, cache)
    assert_same_bits(list(gradients), list(expected.values()))


# ---- forks ---------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_neither_hangs_nor_computes_other_bits():
    """OpenMP's threads do not survive a fork: a child that waits for them waits for
    ever."""
    done = run(
        """
        import hashlib, multiprocessing
        import numpy as np, nndl
        from nndl import fast_layers as fast

        rng = np.random.default_rng(0)
        draw = lambda *shape: rng.standard_normal(shape)
        x, w, b, gamma = draw(9, 16, 20, 20), draw(17, 16, 3, 3), draw(17), draw(17)
        first, big = draw(17 * 20 * 20, 50), draw(50)
        pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
        conv_param = {"stride": 1, "pad": 1}

        def step(queue=None):
            digest = hashlib.sha256()
            a, cache1 = fast.conv_bn_relu_forward_fast(
                x, w, b, gamma, b, conv_param, {"mode": "train"})
            p, cache2 = fast.max_pool_forward_fast(a, pool_param)
            q, cache3 = fast.conv_relu_pool_forward_fast(
                x, w, b, {"stride": 2, "pad": 1}, pool_param)
            s, cache4 = fast.affine_forward_fast(a, first, big)
            gradients = [
                *fast.affine_backward_fast(np.ones_like(s), cache4),
                *fast.conv_relu_pool_backward_fast(np.ones_like(q), cache3),
                da := fast.max_pool_backward_fast(np.ones_like(p), cache2),
                *fast.conv_bn_relu_backward_fast(da, cache1),
            ]
            for array in (a, p, q, s, *gradients):
                digest.update(array.tobytes())
            if queue is None:
                return digest.hexdigest()
            queue.put((nndl.get_num_threads(), digest.hexdigest()))

        nndl.set_num_threads(2)
        expected = step()
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
            assert nndl.get_num_threads() == 2
            assert step() == expected
        """
    )
    assert done.returncode == 0, done.stderr


# ---- memory --------------------------------------------------------------------------

# Their arrays take from 0.2 to 2 megabytes, which is where memory is used again.
ROOMY = {
    "affine": {"x": (300, 40), "w": (40, 120)},
    "relu": {"x": (300, 120)},
    "batchnorm": {"x": (300, 120)},
    "layernorm": {"x": (300, 120)},
    "dropout": {"x": (300, 120)},
    "conv": {"x": (4, 16, 32, 32), "w": (16, 16, 3, 3)},
    "max_pool": {"x": (16, 16, 32, 32)},
    "spatial_batchnorm": {"x": (4, 16, 32, 32)},
    "spatial_groupnorm": {"x": (4, 16, 32, 32)},
    "affine_relu": {"x": (300, 40), "w": (40, 120)},
    "affine_bn_relu": {"x": (300, 40), "w": (40, 120)},
    "conv_relu": {"x": (4, 16, 32, 32), "w": (16, 16, 3, 3)},
    "conv_bn_relu": {"x": (4, 16, 32, 32), "w": (16, 16, 3, 3)},
    "conv_relu_pool": {"x": (8, 16, 32, 32), "w": (16, 16, 3, 3)},
}


@functools.cache
def roomy_arguments(seed):
    return {name: arguments(name, **sizes, seed=seed) for name, sizes in ROOMY.items()}


def passes(rounds=1):
    """Run every layer forward and backward on ever new numbers, and give the arrays."""
    for seed in range(rounds):
        for name, given in roomy_arguments(seed).items():
            out, gradients = run_fast(name, given)
            yield from (out, *gradients.values())


@pytest.mark.usefixtures("one_thread")
def test_an_array_once_returned_never_changes():
    arrays, copies = [], []
    for array in passes(rounds=3):
        arrays.append(array)
        copies.append(array.copy())
    assert max(array.nbytes for array in arrays) > 2**18
    assert_same_bits(arrays, copies)


@pytest.mark.usefixtures("one_thread")
def test_an_array_does_not_change_when_others_have_died():
    arrays = list(passes(rounds=2))
    survivors, copies = arrays[::3], [array.copy() for array in arrays[::3]]
    del arrays
    gc.collect()
    for array in passes(rounds=2):
        array[...] = np.nan
    assert_same_bits(survivors, copies)


@pytest.mark.usefixtures("one_thread")
def test_a_view_outlives_its_array():
    """Whichever way it looks at the memory of the array."""
    looks = [
        lambda a: a[..., ::2],
        np.transpose,
        lambda a: a.reshape(-1)[5:],
        lambda a: a.view(np.uint8),
        lambda a: np.asarray(memoryview(a)),
        np.frombuffer,
        lambda a: np.lib.stride_tricks.as_strided(a, (7,), (8,)),
    ]
    for look in looks:
        views, copies = [], []
        for array in passes():
            if array.nbytes > 2**17:
                views.append(look(array))
                copies.append(views[-1].copy())
        assert len(views) > 10
        del array
        gc.collect()
        for other in passes():
            other[...] = np.nan
        assert_same_bits(views, copies)


@pytest.mark.usefixtures("one_thread")
def test_a_cache_outlives_the_arguments_and_the_output():
    """Nothing that a backward pass needs lies in memory that has been given away."""
    expected, caches = {}, {}
    for name, sizes in ROOMY.items():
        _, gradients = run_fast(name, arguments(name, **sizes))
        expected[name] = [gradient.copy() for gradient in gradients.values()]
        out, cache = fast_layer(name)[0](**arguments(name, **sizes))
        caches[name] = normal(99, *out.shape), cache
    del out, cache, gradients
    gc.collect()
    for array in passes():
        array[...] = np.nan
    found = {
        name: list(as_tuple(fast_layer(name)[1](*caches[name]))) for name in caches
    }
    assert_same_bits(found, expected)


@pytest.mark.usefixtures("one_thread")
def test_an_output_may_be_the_next_input_and_gradient_of_its_own_layer():
    """As in a chain of layers where each array dies as soon as the next one lives."""
    given = arguments("conv_relu", x=(4, 16, 32, 32), w=(16, 16, 3, 3))
    kept = []
    for delete in (False, True):
        forward, backward = fast_layer("conv_relu")
        a, caches = given["x"], []
        for _ in range(5):
            a, cache = forward(**given | {"x": a})
            caches.append(cache)
            if not delete:
                kept.append(a)
        for cache in reversed(caches):
            a, dw, db = backward(a, cache)
            if not delete:
                kept.append(a)
        kept.append((a, dw, db))
    assert_same_bits(kept[-1], kept[-2])


@pytest.mark.usefixtures("one_thread")
def test_memory_does_not_grow_from_step_to_step():
    process = psutil.Process()
    sizes = []
    for _ in range(25):
        for _ in passes():
            pass
        gc.collect()
        sizes.append(process.memory_info().rss)
    # The arrays of one step take about 20 megabytes.
    assert sizes[-1] - sizes[7] < 30 * 2**20


@pytest.mark.usefixtures("one_thread")
def test_an_array_of_recycled_memory_is_not_taken_for_zeros():
    """Every number of an output is written, also those that are zero."""
    x, w, b = np.zeros((4, 16, 32, 32)), np.zeros((16, 16, 3, 3)), np.zeros(16)
    for _ in range(2):
        for array in passes():
            array[...] = np.nan
        out, _ = conv_forward_fast(x, w, b, {"stride": 1, "pad": 1})
        np.testing.assert_array_equal(out, 0)
        np.testing.assert_array_equal(relu_forward_fast(x - 1)[0], 0)
        flat = x.reshape(-1, 16)
        out, _ = batchnorm_forward_fast(flat, b + 1, b, {"mode": "train"})
        np.testing.assert_array_equal(out, 0)
