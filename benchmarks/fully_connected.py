"""How far fully connected nets get on an image set: the baseline and the tuned net.

    NNDL_DATASET=cifar10 python -m benchmarks.fully_connected [seeds]

Prints validation accuracy by epoch, the accuracy on the whole test set with the
parameters that were best in validation, and the time, evaluation included.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import nndl.data
from nndl.fc_net import FullyConnectedNet
from nndl.solver import Solver

RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "baseline: five hidden layers of 100, RMSProp": {
        "net": {"hidden_dims": [100] * 5, "weight_scale": 5e-2},
        "solver": {
            "update_rule": "rmsprop",
            "optim_config": {"learning_rate": 5e-4},
            "lr_decay": 0.9,
            "num_epochs": 5,
        },
    },
    "tuned: three hidden layers of 100, batch norm, keep 0.9, Adam": {
        "net": {
            "hidden_dims": [100] * 3,
            "normalization": "batchnorm",
            "dropout_keep_ratio": 0.9,
        },
        "solver": {
            "update_rule": "adam",
            "optim_config": {"learning_rate": 5e-4},
            "lr_decay": 0.9,
            "num_epochs": 10,
        },
    },
}


def main(seeds: int) -> None:
    data = nndl.data.load(num_test=None)
    print(
        f"{data['name']}: {len(data['X_train']):,} training and {len(data['X_test']):,} test images"
    )
    for title, recipe in RECIPES.items():
        print(f"\n{title}")
        for seed in range(seeds):
            net = FullyConnectedNet(**recipe["net"], rng=seed)
            solver = Solver(
                net, data, **recipe["solver"], batch_size=100, verbose=False, rng=seed
            )
            start = time.perf_counter()
            solver.train()
            seconds = time.perf_counter() - start
            test_acc = solver.check_accuracy(data["X_test"], data["y_test"])
            curve = " ".join(
                f"{100 * accuracy:.1f}" for accuracy in solver.val_acc_history[1:]
            )
            print(
                f"seed {seed}: validation {100 * solver.best_val_acc:.1f} %, test "
                f"{100 * test_acc:.1f} %, {seconds:.0f} s; by epoch {curve}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
