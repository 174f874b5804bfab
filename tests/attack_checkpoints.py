"""Spoils a checkpoint in random ways, signs each anew, and has a Solver resume it.

    python tests/attack_checkpoints.py SEED COUNT

A checksum finds what happens to a file by chance, so these files are made as by
somebody who knows how it is computed: bytes are changed, cut out and put in; facts are
left out or take values of other kinds; arrays are missing or have other types, shapes
and numbers. Each file must be refused by a ValueError with its name, and then everything
in the Solver is as it was before, or be taken; then training, too, ends in a result or
in an error that Python can catch. Prints how many were refused and taken.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from training_cases import blob_solver, trained_net

from nndl import _checkpoints
from nndl.solver import Solver

#: What a value in the JSON is replaced by.
JUNK = [None, True, -1, 0, 2**70, 1.5, float("nan"), "x", "", [], {}, [[]], {"a": 1}]
#: What the JSON as a whole is replaced by.
NO_FACTS = ["", "[", "[" * 100_000, "null", "3", "{}", '{"nndl checkpoint": "a"}']

#: What an array is replaced by.
OTHER_ARRAYS = [
    lambda a: a[..., :-1] if a.ndim else a,
    lambda a: a.astype(np.int8),
    lambda a: a.astype("S8"),
    lambda a: a.astype("M8[s]"),
    lambda a: np.array(3),
    lambda a: np.zeros((0, 4)),
    lambda a: np.zeros(3, [("a", "i4")]),
    lambda a: a * np.nan if a.dtype.kind == "f" else -a,
    lambda a: a.T,
    lambda a: a.reshape(-1),
    lambda a: a.astype(complex),
    lambda a: a.astype(a.dtype.newbyteorder(">")),
    lambda a: a + 1,
]


def make_solver(folder: Path) -> Solver:
    return blob_solver(
        trained_net(dropout_keep_ratio=0.8),
        update_rule="adam",
        checkpoint_name=folder / "run",
        checkpoint_every=2,
        num_train_samples=10,
    )


def everything(solver: Solver) -> str:
    """Return all that `resume` may change, down to the bits."""
    arrays = [
        *solver.model.params.values(),
        *solver.best_params.values(),
        *(
            b[k]
            for b in solver.model.bn_params
            for k in ("running_mean", "running_var")
        ),
        *(v for c in solver.optim_configs.values() for v in c.values()),
        solver._order,
        np.random.get_state()[1],
    ]
    bits = [np.asarray(array).tobytes() for array in arrays]
    kinds = int, float, str, list
    plain = {k: v for k, v in vars(solver).items() if isinstance(v, kinds)}
    return repr(
        (bits, plain, solver.rng.bit_generator.state, list(solver.optim_configs))
    )


def packed(text: str, arrays: dict[str, np.ndarray]) -> bytes:
    """Return an archive as `_checkpoints.write` makes it, but of anything."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("checkpoint.json", text)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        archive.comment = b"sha256:" + b"0" * 64
    return content.getvalue()


def other_bytes(content: bytes, chance: random.Random) -> bytes:
    """Change, cut out or put in some bytes, and keep the mark of a checkpoint."""
    spoilt = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5])):
        place, length = chance.randrange(len(spoilt)), chance.randrange(1, 50)
        way = chance.choice(["byte", "bit", "cut", "insert"])
        if way == "byte":
            spoilt[place] = chance.randrange(256)
        elif way == "bit":
            spoilt[place] ^= 1 << chance.randrange(8)
        elif way == "cut":
            del spoilt[place : place + length]
        else:
            spoilt[place:place] = chance.randbytes(length)
    return b"PK\x03\x04" + bytes(spoilt)[4:-71] + b"sha256:" + b"0" * 64


def other_facts(value: object, chance: random.Random) -> object:
    """Change one value somewhere in nested dicts and lists."""
    if isinstance(value, dict | list) and value and chance.random() < 0.9:
        value = value.copy()
        keys = range(len(value)) if isinstance(value, list) else list(value)
        key = chance.choice(keys)
        if chance.random() < 0.2:
            del value[key]
        else:
            value[key] = other_facts(value[key], chance)
        return value
    return chance.choice(JUNK)


def spoilt(content: bytes, facts: dict, arrays: dict, chance: random.Random) -> bytes:
    """Return a checkpoint with something wrong in it."""
    way = chance.choice(["bytes", "bytes", "facts", "facts", "arrays", "no facts"])
    text = json.dumps({"nndl checkpoint": 1} | facts)
    if way == "bytes":
        return other_bytes(content, chance)
    if way == "facts":
        text = json.dumps(other_facts({"nndl checkpoint": 1} | facts, chance))
    elif way == "no facts":
        text = chance.choice(NO_FACTS)
    else:
        arrays, name = arrays.copy(), chance.choice(list(arrays))
        arrays[name] = chance.choice(OTHER_ARRAYS)(arrays[name])
        if chance.random() < 0.2:
            del arrays[name]
    return packed(text, arrays)


def attack(folder: Path, seed: int, count: int) -> dict[str, int]:
    """Have a Solver resume `count` spoilt checkpoints; return what became of them."""
    chance = random.Random(seed)
    np.random.seed(seed)
    make_solver(folder).train()
    good = folder / "run_best.npz"  # whose training goes on
    content, (arrays, facts) = good.read_bytes(), _checkpoints.read(good)
    counts = {"refused": 0, "taken": 0, "trained": 0}
    solver = make_solver(folder / "not used")
    before = everything(solver)
    path = folder / "spoilt.npz"
    for number in range(count):
        path.write_bytes(_checkpoints.signed(spoilt(content, facts, arrays, chance)))
        refusal = refusal_of(solver, path)
        if refusal is not None:
            assert str(path) in refusal, number
            assert everything(solver) == before, (number, refusal)
            counts["refused"] += 1
            continue
        counts["taken"] += 1
        # It may have far to go, or not know where it is.
        solver._goal = min(solver._goal, solver.iteration + 1)
        with contextlib.suppress(ValueError, TypeError, FloatingPointError):
            solver.train()
            counts["trained"] += 1
        solver = make_solver(folder / "not used")
        before = everything(solver)
    return counts


def refusal_of(solver: Solver, path: Path) -> str | None:
    """Return why a Solver does not go on from a file, or None if it does."""
    try:
        solver.resume(path)
    except ValueError as error:
        return str(error)
    return None


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(attack(Path(folder), int(sys.argv[1]), int(sys.argv[2]))))
