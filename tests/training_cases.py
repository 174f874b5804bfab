"""Small data to train on, for several test files."""

from __future__ import annotations

import numpy as np

from nndl.fc_net import FullyConnectedNet, TwoLayerNet
from nndl.solver import Solver


def blobs(N=60, C=3, D=4, dtype=np.float64):
    """Return three clouds of points that a line tells apart, in training and validation
    sets."""
    rng = np.random.default_rng(0)
    centres = 4 * np.eye(C, D)
    data = {}
    for split, n in (("train", N), ("val", 30)):
        y = rng.permutation(np.arange(n) % C)
        data[f"X_{split}"] = (centres[y] + 0.3 * rng.standard_normal((n, D))).astype(
            dtype
        )
        data[f"y_{split}"] = y
    return data


def blob_solver(model=None, **options):
    model = model or TwoLayerNet(4, 10, 3, weight_scale=0.1, rng=1)
    defaults = {
        "optim_config": {"learning_rate": 0.1},
        "batch_size": 20,
        "num_epochs": 3,
        "rng": 2,
    }
    return Solver(model, blobs(), **(defaults | {"verbose": False} | options))


def jittered(X, rng):
    """An augmentation: points are moved a little."""
    return X + 0.1 * rng.standard_normal(X.shape)


def trained_net(rng=1, **options):
    """Return a small net with batch normalization."""
    options = {"hidden_dims": [8], "normalization": "batchnorm"} | options
    return FullyConnectedNet(
        input_dim=4, num_classes=3, weight_scale=0.1, rng=rng, **options
    )
