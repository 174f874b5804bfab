"""Checkpoints against everything that may happen to a file, and everything that a run
may consist of: refused with a sentence that says why, the Solver left as it was; or gone
on from, to the last bit."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import random
import re
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import attack_checkpoints
import numpy as np
import pytest
from training_cases import blob_solver, blobs, trained_net

from nndl import _checkpoints
from nndl.cnn import ConvNet, ThreeLayerConvNet
from nndl.fc_net import FullyConnectedNet, TwoLayerNet
from nndl.solver import Solver, load_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


def small_solver(folder, **options):
    """Return a Solver whose checkpoints are small."""
    net = TwoLayerNet(4, 2, 3, weight_scale=0.1, rng=1)
    defaults = {"checkpoint_name": folder / "run", "checkpoint_every": 4}
    return blob_solver(net, **(defaults | options))


@pytest.fixture
def checkpoint(tmp_path):
    """Return a good checkpoint, small, in the middle of a training."""
    small_solver(tmp_path).train()
    return tmp_path / "run_best.npz"


def refusal(path, solver=None):
    """Return the sentence with which a file is refused, which leaves the Solver as it
    was."""
    solver = solver or small_solver(path.parent / "elsewhere")
    before = attack_checkpoints.everything(solver)
    with pytest.raises(ValueError, match=re.escape(str(path))) as error:
        solver.resume(path)
    assert attack_checkpoints.everything(solver) == before
    return str(error.value)


def assert_the_next_try_works(path, content):
    """Put the good file back, go on from it, and be where a whole run is."""
    path.write_bytes(content)
    resumed, whole = small_solver(path.parent), small_solver(path.parent / "whole")
    resumed.resume(path)
    resumed.train()
    whole.train()
    assert attack_checkpoints.everything(resumed) == attack_checkpoints.everything(
        whole
    )


# ---- chance --------------------------------------------------------------------------


@pytest.fixture
def smallest(tmp_path):
    """Return a checkpoint of a network alone, as small as they are."""
    path = tmp_path / "net.npz"
    _checkpoints.write(path, {"params.W": np.eye(2)}, {})
    return path


def test_a_file_that_is_cut_off_is_refused_at_every_length(smallest):
    whole = smallest.read_bytes()
    said = set()
    for length in range(len(whole)):
        smallest.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=re.escape(str(smallest))) as error:
            _checkpoints.read(smallest)
        said.add(str(error.value).removeprefix(str(smallest)))
    assert said == {
        " is not a checkpoint: it is no .npz file.",  # up to 3 bytes
        " is not a whole checkpoint: its end is missing.",
    }
    smallest.write_bytes(whole)
    assert _checkpoints.read(smallest)[0].keys() == {"params.W"}


def test_a_changed_bit_is_found_at_every_place(smallest):
    whole = smallest.read_bytes()
    for place in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << place % 8
        smallest.write_bytes(spoilt)
        with pytest.raises(ValueError, match=r"damaged|no \.npz file|end is missing"):
            _checkpoints.read(smallest)


@pytest.mark.parametrize("more", [b"\0", b"PK\5\6" + bytes(18), b"sha256:" + b"0" * 64])
def test_a_file_with_something_after_its_end_is_refused(checkpoint, more):
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole + more)
    said = refusal(checkpoint)
    assert "damaged" in said or "end is missing" in said or "another kind" in said
    assert_the_next_try_works(checkpoint, whole)


# ---- purpose -------------------------------------------------------------------------


def test_no_signed_file_brings_a_solver_into_a_state_of_its_own(tmp_path):
    """`python tests/attack_checkpoints.py SEED COUNT` tries more of them."""
    counts = attack_checkpoints.attack(tmp_path, seed=5, count=200)
    assert counts["refused"] > 140
    assert counts["taken"] > 15  # or nothing is ever looked at
    assert counts["refused"] + counts["taken"] == 200


def member(header, content=b"\0" * 80, magic=b"\x93NUMPY\x01\0"):
    """Return an array's file with a header of any kind."""
    header = header.encode() + b"\n"
    return magic + struct.pack("<H", len(header)) + header + content


def header(descr="'<f8'", shape="(10,)", fortran="False"):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


@pytest.mark.parametrize(
    "content",
    [
        member(header(shape="(1000000000000,)")),
        member(header(shape=f"({2**62}, 4)")),
        member(header(shape="(-1,)")),
        member(header(shape="(-2, -5)")),
        member(header(shape="(10.0,)")),
        member(header(shape="'10'")),
        member(header(descr="'|O'")),
        member(header(descr="[('a', '|O')]")),
        member(header(descr="'|S8'")),
        member(header(descr="('<f8', (10,))")),
        member(header(descr="'nonsense'")),
        member(header(fortran="'x'")),
        member("__import__('os').mkdir('evil')"),
        member("(" * 9000),
        member("-" * 9000 + "1"),
        member("{'descr'"),
        member(header(), magic=b"\x93NUMPY\x02\0"),
        member(header(), magic=b"\x93NUMPY\xff\xff"),
        member(header(), content=b""),
        b"",
        b"\x93NUM",
        b"\x93NUMPY\x01\0\xff\xff",
    ],
    ids=range(22),
)
def test_an_array_with_a_false_header_is_refused(checkpoint, content, monkeypatch):
    monkeypatch.chdir(checkpoint.parent)
    with zipfile.ZipFile(checkpoint) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    pack(checkpoint, members | {"params.b1.npy": content})
    assert "damaged: its content makes no sense" in refusal(checkpoint)
    assert not Path("evil").exists()


def pack(path, members, compressed=None):
    """Write an archive with a right checksum, and one of its members compressed."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            way = zipfile.ZIP_DEFLATED if name == compressed else zipfile.ZIP_STORED
            archive.writestr(name, data, way)
        archive.comment = b"sha256:" + b"0" * 64
    path.write_bytes(_checkpoints.signed(content.getvalue()))


@pytest.mark.parametrize("name", ["checkpoint.json", "params.b1.npy"])
def test_what_would_unpack_to_a_thousand_times_its_size_is_refused(checkpoint, name):
    bomb = b" " * 50_000_000
    pack(checkpoint, {"checkpoint.json": '{"nndl checkpoint": 1}', name: bomb}, name)
    assert checkpoint.stat().st_size < 100_000
    assert "is compressed" in refusal(checkpoint)


def test_members_that_share_their_bytes_are_refused(checkpoint):
    """A thousand entries of the directory that mean one large member."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("checkpoint.json", '{"nndl checkpoint": 1}')
        archive.writestr("a.npy", bytes(100_000))
        for i in range(1000):
            entry = zipfile.ZipInfo(f"{i}.npy")
            for key in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(entry, key, getattr(archive.filelist[1], key))
            archive.filelist.append(entry)
        archive.comment = b"sha256:" + b"0" * 64
    checkpoint.write_bytes(_checkpoints.signed(content.getvalue()))
    assert "share a place or a name" in refusal(checkpoint)


def test_a_newer_format_is_called_newer_though_it_be_compressed(checkpoint):
    members = {"checkpoint.json": '{"nndl checkpoint": 2}', "params.W1.npy": "new"}
    pack(checkpoint, members, compressed="params.W1.npy")
    said = refusal(checkpoint)
    assert "is a checkpoint of format 2" in said
    assert "written by a newer one" in said


def test_an_encrypted_member_is_refused(checkpoint):
    data = bytearray(checkpoint.read_bytes())
    place = data.rindex(b"PK\1\2")  # an entry of the directory
    data[place + 8] |= 1
    checkpoint.write_bytes(_checkpoints.signed(bytes(data)))
    assert "damaged" in refusal(checkpoint)


class Trap:
    """Makes a file if it is ever unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["pickle", "npy", "npz", "signed"])
def test_a_pickle_is_refused_and_never_opened(checkpoint, kind):
    sprung = checkpoint.parent / "sprung"
    trap = np.array([Trap(sprung)], dtype=object)
    if kind == "pickle":
        checkpoint.write_bytes(pickle.dumps(Trap(sprung)))
    elif kind == "npy":
        np.save(checkpoint.with_suffix(".npy"), trap, allow_pickle=True)
        os.replace(checkpoint.with_suffix(".npy"), checkpoint)
    elif kind == "npz":
        np.savez(checkpoint, **{"params.W1": trap})
    else:
        file = io.BytesIO()
        np.lib.format.write_array(file, trap, allow_pickle=True)
        facts = json.dumps({"nndl checkpoint": 1})
        pack(checkpoint, {"checkpoint.json": facts, "params.W1.npy": file.getvalue()})
    refusal(checkpoint)
    with pytest.raises(ValueError, match=re.escape(str(checkpoint))):
        load_checkpoint(checkpoint, trained_net())
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists()  # the trap itself is sound


# ---- other files ---------------------------------------------------------------------


def zip_of_text():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("readme.txt", "nothing of the kind")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is no .npz file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "it is no .npz file"),
        (zip_of_text(), "another kind of file"),
        (b"PK\x03\x04" + bytes(1000), "its end is missing"),
    ],
    ids=["empty", "a picture", "a zip of text", "the beginning of a zip"],
)
def test_a_foreign_file_is_refused(checkpoint, content, said):
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(content)
    assert said in refusal(checkpoint)
    assert_the_next_try_works(checkpoint, whole)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    assert "it is a folder" in refusal(tmp_path / "folder.npz")
    os.mkfifo(tmp_path / "pipe.npz")  # whose reading would wait for a writer
    assert "it is no ordinary file" in refusal(tmp_path / "pipe.npz")
    assert "it is no ordinary file" in refusal(Path("/dev/zero"))  # without an end


def test_links_are_followed_for_reading_and_replaced_in_writing(checkpoint):
    content = checkpoint.read_bytes()
    link = checkpoint.with_name("link_last.npz")
    link.symlink_to(checkpoint)
    solver = small_solver(checkpoint.parent)
    solver.resume(link)
    solver.checkpoint_name = checkpoint.parent / "link"
    solver.train()
    assert not link.is_symlink()
    assert _checkpoints.read(link)[1]["progress"]["iteration"] == 9
    assert checkpoint.read_bytes() == content


def test_links_that_lead_nowhere_are_errors(tmp_path):
    (tmp_path / "dangling.npz").symlink_to("nothing")
    with pytest.raises(FileNotFoundError):
        small_solver(tmp_path).resume(tmp_path / "dangling.npz")
    (tmp_path / "loop.npz").symlink_to("loop.npz")
    with pytest.raises(OSError, match=r"symbolic links.*loop\.npz"):
        small_solver(tmp_path).resume(tmp_path / "loop.npz")


def test_without_permission_to_read_the_error_names_the_file(ordinary_user):
    small_solver(ordinary_user).train()
    path = ordinary_user / "run_best.npz"
    content = path.read_bytes()
    path.chmod(0)
    solver = small_solver(ordinary_user)
    before = attack_checkpoints.everything(solver)
    with pytest.raises(PermissionError, match=r"run_best\.npz"):
        solver.resume(path)
    assert attack_checkpoints.everything(solver) == before
    path.chmod(0o600)
    assert_the_next_try_works(path, content)


def test_without_permission_to_write_training_stops_with_a_sentence(ordinary_user):
    ordinary_user.joinpath("locked").mkdir(mode=0o500)
    solver = small_solver(ordinary_user / "locked")
    with pytest.raises(OSError, match=r"checkpoint could not be written.*Permission"):
        solver.train()
    assert solver.iteration == 1  # which is the best so far
    ordinary_user.joinpath("locked").chmod(0o700)
    solver.train()
    whole = small_solver(ordinary_user / "whole")
    whole.train()
    assert solver.loss_history == whole.loss_history
    files = [
        sorted((p.name, p.read_bytes()) for p in (ordinary_user / name).iterdir())
        for name in ("locked", "whole")
    ]
    assert files[0] == files[1]


# ---- names ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path], ids=["str", "Path"])
@pytest.mark.parametrize(
    "name",
    ["run", "my run", "Lauf über Nacht 夜", "run.npz", "v1.5", "run_last", "*?[x]"],
)
def test_any_name_will_do(tmp_path, name, kind):
    path = kind(tmp_path / name)
    first = small_solver(tmp_path, checkpoint_name=path)
    first.train()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"{name}_best.npz",
        f"{name}_last.npz",
    ]
    for given in ((), (path,), (kind(tmp_path / f"{name}_last.npz"),)):
        again = small_solver(tmp_path, checkpoint_name=path)
        again.resume(*given)
        assert again.loss_history == first.loss_history


@pytest.mark.parametrize("in_the_way", ["a folder", "a file"])
def test_what_has_the_name_itself_is_not_taken_for_the_last_checkpoint(
    tmp_path, in_the_way
):
    path = tmp_path / "run"
    small_solver(tmp_path).train()
    path.mkdir() if in_the_way == "a folder" else path.write_text("notes")
    solver = small_solver(tmp_path)
    solver.resume()
    assert solver.iteration == 9
    if in_the_way == "a folder":
        solver.resume(path)
    else:
        assert "it is no .npz file" in refusal(path)


@pytest.mark.parametrize(
    "name", [5, 1.5, ["run"], object()], ids=["int", "float", "list", "object"]
)
def test_a_name_that_is_no_path_is_refused_before_training(tmp_path, name):
    with pytest.raises(TypeError, match="`checkpoint_name` must be a path"):
        small_solver(tmp_path, checkpoint_name=name)
    with pytest.raises(TypeError, match="`path` must be a path"):
        small_solver(tmp_path).resume(name)


# ---- other runs ----------------------------------------------------------------------

IMAGES = {
    "X_train": np.random.default_rng(0).standard_normal((40, 3, 8, 8), np.float32),
    "y_train": np.arange(40) % 10,
    "X_val": np.random.default_rng(1).standard_normal((10, 3, 8, 8), np.float32),
    "y_val": np.arange(10),
}
SPEC = "[conv 4 - bn - relu] x 2 - pool - affine 8 - relu - dropout 0.5"


def image_solver(net, rng=3, **options):
    defaults = {
        "update_rule": "adam",
        "batch_size": 10,
        "num_epochs": 3,
        "num_train_samples": 20,
        "lr_decay": 0.9,
        "verbose": False,
    }
    return Solver(net, IMAGES, rng=rng, **(defaults | options))


def fc(**options):
    return FullyConnectedNet(
        [9, 7], 3 * 8 * 8, **({"weight_scale": "he", "rng": 1} | options)
    )


def three_layers(**options):
    return ThreeLayerConvNet(
        (3, 8, 8), num_filters=4, filter_size=3, hidden_dim=8, rng=1, **options
    )


def conv_net(spec=SPEC, **options):
    return ConvNet(spec, (3, 8, 8), **({"rng": 1} | options))


NETS = {
    "fc": fc,
    "fc readable": lambda: fc(fast=False),
    "fc float64": lambda: fc(dtype=np.float64, reg=0.1),
    "fc layernorm": lambda: fc(normalization="layernorm"),
    "fc batchnorm dropout": lambda: fc(
        normalization="batchnorm", dropout_keep_ratio=0.7
    ),
    "fc dropout from a seed": lambda: fc(dropout_keep_ratio=0.7, seed=4),
    "fc dropout from NumPy's own": lambda: fc(dropout_keep_ratio=0.7, rng=None),
    "three layers": three_layers,
    "three layers, batchnorm": lambda: three_layers(use_batchnorm=True),
    "conv net": conv_net,
    "conv net svm": lambda: conv_net(loss="svm", reg=0.01),
    "conv net, groups": lambda: conv_net("conv 4 - gn 2 - relu - pool - affine 8 - ln"),
}
GENERATORS = {
    "PCG64": lambda: np.random.default_rng(7),
    "PCG64DXSM": lambda: np.random.Generator(np.random.PCG64DXSM(7)),
    "SFC64": lambda: np.random.Generator(np.random.SFC64(7)),
    "MT19937": lambda: np.random.Generator(np.random.MT19937(7)),
    "Philox": lambda: np.random.Generator(np.random.Philox(7)),
    "RandomState": lambda: np.random.RandomState(7),
    "RandomState of Philox": lambda: np.random.RandomState(np.random.Philox(7)),
    "NumPy's own": lambda: None,
}


class Stop(Exception):
    """Ends a training in the middle."""


def everything(solver):
    """Return all that a run leaves behind; of NaN, every bit."""
    arrays = [*solver.model.params.values(), *solver.best_params.values()]
    for bn_param in getattr(solver.model, "bn_params", []):
        arrays += [bn_param["running_mean"], bn_param["running_var"]]
    histories = solver.loss_history, solver.train_acc_history, solver.val_acc_history
    layouts = [(a.dtype, a.shape, a.flags.f_contiguous) for a in arrays]
    return (
        [a.tobytes() for a in arrays],
        layouts,
        histories,
        solver.optim_configs.keys(),
    )


def assert_it_goes_on(make, folder, last=7):
    """Break a run off, resume it in a Solver made anew, and compare it with a whole
    one."""
    options = {"checkpoint_name": folder / "run", "checkpoint_every": 2}
    np.random.seed(8)
    whole = make(**options)
    whole.train()

    np.random.seed(8)
    broken = make(**options)
    loss = broken.model.loss

    def stop(X, y=None):
        if y is not None and broken.iteration == last:
            raise Stop
        return loss(X, y)

    broken.model.loss = stop
    with pytest.raises(Stop):
        broken.train()

    np.random.seed(99)
    resumed = make(**options)
    resumed.resume()
    assert resumed.iteration == last - last % 2
    resumed.train()
    assert everything(resumed) == everything(whole)
    return resumed, whole


@pytest.mark.parametrize("last", [2, 7, 11])
@pytest.mark.parametrize("name", NETS)
def test_every_network_goes_on_to_the_last_bit(name, last, tmp_path):
    assert_it_goes_on(
        lambda **options: image_solver(NETS[name](), **options), tmp_path, last
    )


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_goes_on_to_the_last_bit(name, tmp_path):
    def make(**options):
        rng = GENERATORS[name]()
        net = fc(dropout_keep_ratio=0.7, normalization="batchnorm", rng=rng)
        return image_solver(net, rng, **options)

    assert_it_goes_on(make, tmp_path)


class Readers:
    """A network that a reader wrote: one layer, in an order in memory that is not
    NumPy's usual one, with names of any kind, and noise from NumPy's own state."""

    names = ("layer.weight", "layer")

    def __init__(self):
        W, b = (
            np.random.default_rng(i).standard_normal(s)
            for i, s in enumerate([(10, 192), 10])
        )
        self.params = dict(zip(self.names, (np.asfortranarray(W), b), strict=True))

    def loss(self, X, y=None):
        W, b = (self.params[name] for name in self.names)
        x = X.reshape(len(X), -1).astype(float)
        scores = x @ W.T + b
        if y is None:
            return scores
        dout = (scores - np.eye(10)[y]) / len(x) + 1e-3 * np.random.standard_normal(
            scores.shape
        )
        grads = np.asfortranarray(dout.T @ x), dout.sum(0)
        loss = 0.5 * np.sum((scores - np.eye(10)[y]) ** 2) / len(x)
        return loss, dict(zip(self.names, grads, strict=True))


class Numbered(Readers):
    names = (0, 1)


@pytest.mark.parametrize("network", [Readers, Numbered])
def test_a_readers_network_goes_on_to_the_last_bit(network, tmp_path):
    resumed, whole = assert_it_goes_on(
        lambda **options: image_solver(network(), **options), tmp_path
    )
    assert list(resumed.best_params) == list(whole.best_params) == list(network.names)


def readers_rule(w, dw, config):
    """Remember something of every kind that a checkpoint can hold."""
    config["steps"] = config.get("steps", 0) + 1
    config["warm"] = config["steps"] > 3
    config["nothing"] = None
    config["name"] = "über"
    config["scalar"] = np.float32(0.9) * config.get("scalar", np.float32(1))
    config.setdefault("zero-dimensional", np.array(1.0))[...] *= 1.01
    config["b.c"] = config.get("b.c", np.zeros_like(w)) * 0.9 + dw
    rate = 1e-3 * config["zero-dimensional"] * (2 if config["warm"] else 1)
    return w - rate * config["b.c"] * config["scalar"], config


def test_a_readers_rule_goes_on_with_all_that_it_remembers(tmp_path):
    class Dotted(Readers):
        names = ("a", "a.b")  # with the keys "b.c" and "c", one name for two arrays

    def rule(w, dw, config):
        config["c"] = config.get("c", np.zeros_like(w)) + dw
        return readers_rule(w, dw, config)

    resumed, whole = assert_it_goes_on(
        lambda **options: image_solver(Dotted(), update_rule=rule, **options), tmp_path
    )
    for name, config in whole.optim_configs.items():
        again = resumed.optim_configs[name]
        assert again.keys() == config.keys()
        for key, value in config.items():
            assert type(again[key]) is type(value), key
            np.testing.assert_array_equal(again[key], value)


@pytest.mark.parametrize(
    ("remembered", "said"),
    [
        ({"history": [1, 2]}, r"optim_configs\['W1'\]\['history'\]"),
        ({"nested": {"m": np.ones(2)}}, r"optim_configs\['W1'\]\['nested'\]"),
        ({3: 1.0}, r"optim_configs\['W1'\]\[3\].*string for its key"),
        ({"names": np.array(["a"])}, "must be an array of numbers"),
        ({"things": np.array([None])}, "must be an array of numbers"),
    ],
    ids=str,
)
def test_what_a_checkpoint_cannot_hold_is_named_and_the_last_one_stays(
    tmp_path, remembered, said
):
    def rule(w, dw, config):
        config["t"] = config.get("t", 0) + 1
        return w - 0.1 * dw, config | (remembered if config["t"] > 5 else {})

    solver = small_solver(tmp_path, update_rule=rule, optim_config={})
    with pytest.raises(TypeError, match=said):
        solver.train()
    assert solver.iteration == 8
    assert _checkpoints.read(tmp_path / "run_last.npz")[1]["progress"]["iteration"] == 4


def test_random_numbers_that_a_checkpoint_cannot_hold_are_named(tmp_path):
    net = fc()
    net.rng = random.Random(0)
    image_solver(net).train()  # without checkpoints, nobody minds
    with pytest.raises(TypeError, match=r"`model\.rng` must be one of NumPy's"):
        image_solver(net, checkpoint_name=tmp_path / "run", checkpoint_every=1).train()


# ---- Solvers that were made otherwise ------------------------------------------------


@pytest.mark.parametrize(
    ("made", "now", "said"),
    [
        (fc, lambda: fc(dtype=np.float64), "params.W1 in float32, but .* has it in float64"),
        (fc, lambda: fc(reg=0.1), "reg 0.0, but this Solver has 0.1"),
        (fc, lambda: fc(fast=False), "fast True, but this Solver has False"),
        (
            lambda: fc(dropout_keep_ratio=0.5),
            lambda: fc(dropout_keep_ratio=0.6),
            r"dropout \[\['0.5', None\], .* has \[\['0.6', None\]",
        ),
        (conv_net, lambda: conv_net(loss="svm"), "loss softmax, but this Solver has svm"),
        (
            lambda: conv_net("conv 4 3x3 - relu - pool"),
            lambda: conv_net("conv 4 3x3 - pool - relu"),
            "layers .*'relu', 'pool'.* but this Solver has .*'pool', 'relu'",
        ),
        (
            lambda: three_layers(use_batchnorm=True),
            lambda: conv_net("conv 4 3x3 - bn - relu - pool - affine 8 - bn - relu"),
            "the network ThreeLayerConvNet, but this Solver has ConvNet",
        ),
    ],
)  # fmt: skip
def test_a_network_that_computes_something_else_is_refused(tmp_path, made, now, said):
    image_solver(made(), checkpoint_name=tmp_path / "run", checkpoint_every=5).train()
    path = tmp_path / "run_last.npz"
    solver = image_solver(now())
    before = everything(solver)
    with pytest.raises(ValueError, match=said):
        solver.resume(path)
    assert everything(solver) == before
    again = image_solver(made())
    again.resume(path)
    assert again.iteration == 12


@pytest.mark.parametrize("key", ["X_train", "y_train", "X_val", "y_val"])
@pytest.mark.parametrize("place", [0, 17, -1])
def test_one_other_number_in_the_data_is_noticed(tmp_path, key, place):
    def make(data):
        net = TwoLayerNet(4, 2, 3, rng=1)
        settings = {"batch_size": 100, "num_epochs": 1, "verbose": False, "rng": 2}
        files = {"checkpoint_name": tmp_path / "run", "checkpoint_every": 4}
        return Solver(net, data, **settings, **files)

    make(blobs(N=500)).train()
    data = blobs(N=500)
    data[key].reshape(-1)[place] += 1
    part = "training" if key.endswith("train") else "validation"
    said = refusal(tmp_path / "run_last.npz", make(data))
    assert f"was made with {part} data of shape" in said


def test_another_learning_rate_is_noticed(tmp_path):
    small_solver(tmp_path).train()
    other = small_solver(tmp_path, optim_config={"learning_rate": 0.2})
    said = refusal(tmp_path / "run_last.npz", other)
    assert "optim_config {'learning_rate': '0.1'}, but this Solver has" in said


# ---- when training goes wrong --------------------------------------------------------


def test_a_loss_that_is_no_number_leaves_the_last_checkpoint_good(tmp_path):
    """And the resumed run meets the same end."""

    def make():
        net = fc(normalization="batchnorm", dropout_keep_ratio=0.8)
        loss = net.loss
        net.calls = 0

        def poisoned(X, y=None):
            return loss(X, y) if y is None or solver.iteration < 7 else (np.nan, {})

        net.loss = poisoned
        solver = image_solver(net, checkpoint_name=tmp_path / "run", checkpoint_every=5)
        return solver

    first = make()
    for _ in range(2):
        with pytest.raises(FloatingPointError, match="loss is nan at iteration 8"):
            first.train()
    assert np.isfinite(first.loss_history).all()
    second = make()
    second.resume()
    assert second.iteration == 5
    with pytest.raises(FloatingPointError, match="loss is nan at iteration 8"):
        second.train()
    assert everything(second) == everything(first)


def test_a_checkpoint_that_could_not_be_written_is_written_by_the_next_try(
    tmp_path, monkeypatch
):
    """Though no better accuracy comes after it."""
    whole = small_solver(tmp_path / "whole")
    whole.train()
    for broken in range(5):  # the write that fails
        folder = tmp_path / str(broken)
        solver = small_solver(folder)
        writes = iter(range(100))
        write = _checkpoints.write

        def full(*args, writes=writes, broken=broken, write=write):
            if next(writes) == broken:
                raise OSError(28, "No space left on device")
            write(*args)

        with monkeypatch.context() as patch:
            patch.setattr(_checkpoints, "write", full)
            with contextlib.suppress(OSError):
                solver.train()
            solver.train()
        for name in ("run_best.npz", "run_last.npz"):
            assert (folder / name).read_bytes() == (
                tmp_path / "whole" / name
            ).read_bytes()


def test_a_full_file_system_is_an_error_and_the_last_checkpoint_stays_good(tmp_path):
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may make a file system that is full")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a file system")
    try:
        solver = small_solver(disk)
        solver.train()
        good = {path.name: path.read_bytes() for path in disk.iterdir()}
        (disk / "somebody's").write_bytes(bytes(64 * 1024 - 3 * 12288))
        with contextlib.suppress(OSError):
            (disk / "more").write_bytes(bytes(12 * 4096))
        with pytest.raises(OSError, match=r"could not be written.*still whole"):
            solver.train()
        for name, content in good.items():
            assert (disk / name).read_bytes() == content
        left = {path.name for path in disk.iterdir()}
        assert left <= {*good, "somebody's", "more"}
        (disk / "somebody's").unlink()
        (disk / "more").unlink()
        solver.train()
        again = small_solver(disk)
        again.resume()
        assert again.loss_history == solver.loss_history
    finally:
        subprocess.run(["umount", str(disk)], check=True)
