"""The rows of whole training steps: forward, loss, backward, Adam.

Every network stands here twice, in nndl and in PyTorch. Both start from the same
parameters and see the same images, and before anything is timed their first losses must
agree: so both surely train the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from nndl import optim
from nndl.cnn import ConvNet, ThreeLayerConvNet
from nndl.fc_net import FullyConnectedNet

from .pytorch import LAYOUTS, tensor, torch
from .results import Row
from .timing import Effort, interleaved_medians
from .workloads import NETWORKS

Step = Callable[[], float]

NNDL_NETWORKS: dict[str, Callable[[], Any]] = {
    "N1": lambda: ThreeLayerConvNet(
        num_filters=32, filter_size=7, hidden_dim=100, rng=0
    ),
    "N2": lambda: ThreeLayerConvNet(
        num_filters=64, filter_size=3, hidden_dim=500, rng=0
    ),
    "N3": lambda: ConvNet(
        "[conv 32 3x3 - bn - relu] x 2 - pool - [conv 64 3x3 - bn - relu] x 2 - pool"
        " - affine 256 - relu",
        input_dim=(3, 32, 32),
        num_classes=10,
        dtype=np.float32,
        rng=0,
    ),
    "N4": lambda: FullyConnectedNet([100] * 5, normalization="batchnorm", rng=0),
}


def torch_network(name: str) -> Any:
    nn = torch.nn

    def conv(channels: int, filters: int, size: int) -> Any:
        return nn.Conv2d(channels, filters, size, padding=size // 2)

    def conv_bn_relu(channels: int, filters: int) -> list[Any]:
        return [conv(channels, filters, 3), nn.BatchNorm2d(filters), nn.ReLU()]

    def affine_bn_relu(inputs: int, outputs: int) -> list[Any]:
        return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]

    def conv_relu_pool_affine_relu(filters: int, size: int, hidden: int) -> list[Any]:
        return [
            *(conv(3, filters, size), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(filters * 16 * 16, hidden), nn.ReLU()),
        ]

    layers = {
        "N1": lambda: [*conv_relu_pool_affine_relu(32, 7, 100), nn.Linear(100, 10)],
        "N2": lambda: [*conv_relu_pool_affine_relu(64, 3, 500), nn.Linear(500, 10)],
        "N3": lambda: [
            *(*conv_bn_relu(3, 32), *conv_bn_relu(32, 32), nn.MaxPool2d(2)),
            *(*conv_bn_relu(32, 64), *conv_bn_relu(64, 64), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(64 * 8 * 8, 256), nn.ReLU()),
            nn.Linear(256, 10),
        ],
        "N4": lambda: [
            *(nn.Flatten(), *affine_bn_relu(3 * 32 * 32, 100)),
            *(layer for _ in range(4) for layer in affine_bn_relu(100, 100)),
            nn.Linear(100, 10),
        ],
    }
    return nn.Sequential(*layers[name]())


def copy_parameters(params: dict[str, np.ndarray], model: Any) -> None:
    """Give a PyTorch model the parameters W1, b1, gamma1, beta1, ... of one of ours."""
    nn = torch.nn
    i = 0
    for layer in model:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            i += 1
            w, b = params[f"W{i}"], params[f"b{i}"]
            w = w.T if isinstance(layer, nn.Linear) else w  # theirs is (M, D)
        elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            w, b = params[f"gamma{i}"], params[f"beta{i}"]
        else:
            continue
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(w)))
            layer.bias.copy_(torch.from_numpy(b))


def batch(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of a network's minibatch."""
    rng = np.random.default_rng(1)
    N = NETWORKS[name].N
    X = rng.standard_normal((N, 3, 32, 32), np.float32)
    return X, rng.integers(0, 10, N)


def nndl_step(net: Any, X: np.ndarray, y: np.ndarray) -> Step:
    """Return a function that trains for one step, as `Solver` does, and returns the
    loss."""
    configs = {name: {"learning_rate": 1e-3} for name in net.params}

    def step() -> float:
        loss, grads = net.loss(X, y)
        for name, w in net.params.items():
            net.params[name], configs[name] = optim.adam_fast(
                w, grads[name], configs[name]
            )
        return float(loss)

    return step


def torch_step(
    model: Any, X: np.ndarray, y: np.ndarray, layout: Any, fused: bool
) -> Step:
    """Return a function that trains for one step and returns the loss."""
    model = model.to(memory_format=layout)
    images, labels = tensor(X, layout), torch.from_numpy(y)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)

    def step() -> float:
        adam.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        adam.step()
        return float(loss.item())

    return step


def torch_ways(name: str) -> dict[str, tuple[Any, bool]]:
    """Return the layouts and kinds of Adam worth timing; no convolution, one layout."""
    if torch is None:
        return {}
    ways = {
        "torch": (LAYOUTS["torch"], False),
        "fused": (LAYOUTS["torch"], True),
        "fused_cl": (LAYOUTS["ch_last"], True),
    }
    if name == "N4":
        del ways["fused_cl"]
    return ways


def steps(names: Collection[str], effort: Effort) -> Iterator[Row]:
    for name in NETWORKS:
        if name in names:
            peers = _peers(name)
            _check_first_losses(name, peers)
            medians = interleaved_medians(
                {peer: [step] for peer, step in peers.items()}, effort
            )
            yield Row(
                work=f"{name} step",
                values={peer: 1e3 * seconds for peer, [seconds] in medians.items()},
            )


def _peers(name: str) -> dict[str, Step]:
    X, y = batch(name)
    net = NNDL_NETWORKS[name]()
    peers = {"nndl": nndl_step(net, X, y)}
    for way, (layout, fused) in torch_ways(name).items():
        model = torch_network(name)
        copy_parameters(net.params, model)
        peers[way] = torch_step(model, X, y, layout, fused)
    return peers


def _check_first_losses(name: str, peers: dict[str, Step]) -> None:
    """Compare two losses: the second depends on every gradient and on Adam."""
    losses = {peer: [step() for _ in range(2)] for peer, step in peers.items()}
    ours = losses.pop("nndl")
    for peer, theirs in losses.items():
        if not np.allclose(ours, theirs, rtol=1e-3):
            raise RuntimeError(
                f"{name}: nndl and {peer} do not train the same network, for their "
                f"first losses are {ours} and {theirs}."
            )
