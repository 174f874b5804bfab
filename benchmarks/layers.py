"""The rows of single layers and of the sandwiches of layers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from . import peers
from .results import Row
from .timing import Chain, Effort, interleaved_medians, run_once
from .workloads import CONVOLUTIONS, POOLINGS, SANDWICHED, Convolution


def single_layers(names: Collection[str], effort: Effort) -> Iterator[Row]:
    """Convolutions and poolings, with the naive loops scaled up from a few images."""
    for name, shape in CONVOLUTIONS.items():
        if name in names:
            naive = peers.naive_convolution(shape, effort.naive_images)
            medians = interleaved_medians(peers.convolution(shape), effort)
            medians["naive"] = _scaled(naive, shape.N / effort.naive_images)
            yield from _rows(f"{name} conv", medians, shape.dtype, shape.flops)
    for name, pool in POOLINGS.items():
        if name in names:
            naive = peers.naive_pooling(pool, effort.naive_images)
            medians = interleaved_medians(peers.pooling(pool), effort)
            medians["naive"] = _scaled(naive, pool.N / effort.naive_images)
            yield from _rows(f"{name} pool", medians, pool.dtype)


def conv_relu_pools(names: Collection[str], effort: Effort) -> Iterator[Row]:
    return _sandwiches("conv-relu-pool", peers.conv_relu_pool, names, effort)


def bn_relus(names: Collection[str], effort: Effort) -> Iterator[Row]:
    return _sandwiches("bn-relu", peers.bn_relu, names, effort)


def _sandwiches(
    kind: str,
    chains: Callable[[Convolution], dict[str, Chain]],
    names: Collection[str],
    effort: Effort,
) -> Iterator[Row]:
    for name in SANDWICHED:
        if name in names:
            shape = CONVOLUTIONS[name]
            medians = interleaved_medians(chains(shape), effort)
            yield from _rows(f"{name} {kind}", medians, shape.dtype)


def _scaled(chain: Chain, factor: float) -> list[float]:
    return [factor * seconds for seconds in run_once(chain)]


def _rows(
    work: str,
    medians: Mapping[str, list[float]],
    dtype: str,
    flops: Mapping[str, float] | None = None,
) -> Iterator[Row]:
    for i, direction in enumerate(("forward", "backward")):
        yield Row(
            work=f"{work} {direction}",
            values={peer: 1e3 * seconds[i] for peer, seconds in medians.items()},
            flops=flops[direction] if flops else None,
            dtype=dtype,
        )
