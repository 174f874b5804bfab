"""Climbs chapter 9's ladder on the whole of CIFAR-10, and writes down what came out.

    python tools/record_ladder.py

The networks, the training loop and the changes are those of the chapter: its cells run, up
to the one that climbs on the images at hand. The same network is then trained once more by
PyTorch, from the same initial weights and on the same minibatches. Everything goes to
`book/experiments/ladder-cifar10.json`, which the chapter draws. CIFAR-10 must be on the
machine: `nndl data fetch cifar10`, or `NNDL_DATA`. One thread is used, so that the seconds
of the processor are those that pass on a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CHAPTER = ROOT / "book" / "chapters" / "09-going-further.ipynb"
RESULT = ROOT / "book" / "experiments" / "ladder-cifar10.json"
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NNDL_NUM_THREADS")
#: The comparison needs no schedule, augmentation or smoothing to be implemented twice.
COMPARED = "+ third convolution"


def chapter() -> dict[str, Any]:
    """Run the definitions of the chapter, and return its names."""
    cells = json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    end = next(i for i, source in enumerate(sources) if "climbed = " in source)
    names: dict[str, Any] = {"__name__": "chapter"}
    for source in sources[:end]:
        # A figure of recorded results cannot be needed for recording them.
        if "ladder-cifar10.json" not in source:
            exec(compile(source, str(CHAPTER), "exec"), names)
    return names


def train_with_pytorch(
    net: Any, data: dict[str, Any], epochs: int, batch_size: int, rate: float, seed: int
) -> dict[str, list[float]]:
    """Train a copy of the chapter's `net` with PyTorch, on the chapter's minibatches."""
    import numpy as np
    import torch

    torch.set_num_threads(1)
    layers: list[Any] = []
    C, H = 3, 32
    for (F,) in net.stages:
        layers += [torch.nn.Conv2d(C, F, 3, padding=1), torch.nn.BatchNorm2d(F)]
        layers += [torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
        C, H = F, H // 2
    layers += [torch.nn.Flatten(), torch.nn.Linear(C * H * H, 10)]
    twin = torch.nn.Sequential(*layers)
    with torch.no_grad():
        weighted = [
            m for m in layers if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))
        ]
        for i, module in enumerate(weighted, start=1):
            W = torch.from_numpy(net.params[f"W{i}"].copy())
            module.weight.copy_(W.T if W.ndim == 2 else W)
            module.bias.copy_(torch.from_numpy(net.params[f"b{i}"].copy()))
    optimizer = torch.optim.Adam(twin.parameters(), lr=rate)
    X, y = (torch.from_numpy(data[key]) for key in ("X_train", "y_train"))
    X_val = torch.from_numpy(data["X_val"])
    rng, seconds, history = np.random.default_rng(seed), 0.0, []
    for _ in range(epochs):
        start = time.process_time()
        order = torch.from_numpy(rng.permutation(len(X)))
        twin.train()
        for batch in order.split(batch_size)[: len(X) // batch_size]:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(twin(X[batch]), y[batch]).backward()
            optimizer.step()
        seconds += time.process_time() - start
        twin.eval()
        with torch.no_grad():
            predicted = torch.cat([twin(part) for part in X_val.split(250)]).argmax(
                dim=1
            )
        history.append((seconds, float(np.mean(predicted.numpy() == data["y_val"]))))
    return {
        "seconds": [round(s, 2) for s, _ in history],
        "val_acc": [round(a, 4) for _, a in history],
    }


def revision() -> str:
    """Return the revision of the project that ran."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def describe(rung: dict[str, Any], names: dict[str, Any], test: Any) -> dict[str, Any]:
    """Return what a rung reached, in numbers; `names` are the chapter's."""
    accuracy, scaled = names["accuracy"], names["scaled"]
    looks = {
        "val_acc_averaged": rung["averaged"],
        "val_acc_mirrored": rung["mirrored"],
        "train_acc": accuracy(
            rung["net"], scaled["X_train"][:5000], scaled["y_train"][:5000]
        ),
        "test_acc": accuracy(rung["net"], *test),
        "test_acc_averaged_mirrored": accuracy(
            rung["averaged net"], *test, mirrored=True
        ),
    }
    return {
        "name": rung["name"],
        "seconds": [round(s, 2) for s in rung["seconds"]],
        "val_acc": [round(float(a), 4) for a in rung["val_acc"]],
    } | {name: round(float(value), 4) for name, value in looks.items()}


def store(result: dict[str, Any], path: Path) -> None:
    """Write `result` to the file at `path`, in one step."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--width", type=int, default=12, help="filters of the first layer"
    )
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--pytorch-epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)

    # Threads are counted when NumPy is first imported.
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    os.environ.update(NNDL_DATASET="cifar10", MPLBACKEND="agg")
    import numpy as np
    import torch

    import nndl

    names = chapter()
    scaled = names["scaled"]
    everything = nndl.data.load("cifar10", num_test=None)
    test = everything["X_test"] / names["pixel_std"], everything["y_test"]

    rungs, pytorch = [], {}
    for rung in names["climb"](scaled, asked.width, asked.epochs, asked.seed):
        rungs.append(describe(rung, names, test))
        print(rungs[-1], flush=True)
        if rung["name"] == COMPARED:
            stages = [[asked.width * 2**i] for i in range(3)]
            pytorch = train_with_pytorch(
                names["StagedNet"](stages, rng=asked.seed),
                scaled,
                min(asked.epochs, asked.pytorch_epochs),
                batch_size=50,
                rate=4e-3,
                seed=asked.seed,
            )
            print(pytorch, flush=True)
    result = {
        "data": "CIFAR-10 in the official layout, its images re-encoded as JPEG",
        "images": {
            "training": len(scaled["X_train"]),
            "validation": len(scaled["X_val"]),
            "test": len(test[1]),
        },
        "settings": {
            "width": asked.width,
            "epochs": asked.epochs,
            "seed": asked.seed,
            "batch_size": 50,
            "rate_constant": 4e-3,
            "rate_peak": 2e-2,
            "smoothing": 0.1,
        },
        "machine": {
            "processor": nndl._machine.processor(),
            "cores": os.cpu_count(),
            "threads_used": 1,
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {
            "nndl": nndl.__version__,
            "revision": revision(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
        "rungs": rungs,
        "pytorch": {"same_as": COMPARED} | pytorch,
    }
    store(result, RESULT)


if __name__ == "__main__":
    main(sys.argv[1:])
