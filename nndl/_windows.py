"""Where the windows of a convolution or a pooling lie, for the readable layers and
their compiled twins.

A window is `HH` by `WW` pixels and moves by `stride` pixels over an image that `pad`
zeros surround on every side. It fits ``1 + (H + 2 * pad - HH) // stride`` times into
the height; pixels that are left over at the bottom or on the right are not looked at.
"""

from __future__ import annotations

from typing import Any

from ._arguments import Array, whole_number

Shape = tuple[int, ...]


def conv_windows(
    x_shape: Shape, w_shape: Shape, conv_param: dict[str, Any]
) -> tuple[int, int, int, int]:
    """Return ``stride, pad, H_out, W_out`` of a convolution of images (N, C, H, W) with
    filters (F, C, HH, WW)."""
    stride = _setting("conv_param", conv_param, "stride", at_least=1)
    pad = _setting("conv_param", conv_param, "pad", at_least=0)
    H, W = x_shape[2] + 2 * pad, x_shape[3] + 2 * pad
    HH, WW = w_shape[2:]
    if HH > H or WW > W:
        raise ValueError(
            f"`w` has filters of {HH}x{WW}, but the padded `x` is only {H}x{W} (x: {x_shape}, "
            f"w: {w_shape}, pad: {pad})."
        )
    return stride, pad, 1 + (H - HH) // stride, 1 + (W - WW) // stride


def pool_windows(
    x_shape: Shape, pool_param: dict[str, Any]
) -> tuple[int, int, int, int, int]:
    """Return ``pool_height, pool_width, stride, H_out, W_out`` of a pooling of images
    (N, C, H, W)."""
    pool_height = _setting("pool_param", pool_param, "pool_height", at_least=1)
    pool_width = _setting("pool_param", pool_param, "pool_width", at_least=1)
    stride = _setting("pool_param", pool_param, "stride", at_least=1)
    H, W = x_shape[2:]
    if pool_height > H or pool_width > W:
        raise ValueError(
            f"`pool_param` has windows of {pool_height}x{pool_width}, but `x` is only {H}x{W} "
            f"(x: {x_shape})."
        )
    H_out, W_out = 1 + (H - pool_height) // stride, 1 + (W - pool_width) // stride
    return pool_height, pool_width, stride, H_out, W_out


def check_output_size(dout: Array, H_out: int, W_out: int) -> None:
    """Check that `dout` is as high and as wide as the output of which it is the
    gradient."""
    if dout.shape[2:] != (H_out, W_out):
        raise ValueError(
            f"`dout` must have H_out = {H_out} and W_out = {W_out}, the output's height and width, "
            f"but its shape is {dout.shape}."
        )


def _setting(name: str, param: dict[str, Any], key: str, *, at_least: int) -> int:
    if key not in param:
        raise ValueError(f"`{name}` must have the key {key!r}, but is {param!r}.")
    return whole_number(f"{name}[{key!r}]", param[key], at_least=at_least)
