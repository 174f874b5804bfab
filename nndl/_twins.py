"""Every layer under one name, whether the readable one runs or its compiled twin."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from . import conv_layers, fast_layers, layer_utils
from . import layers as basic_layers


@functools.cache
def layers(fast: bool) -> SimpleNamespace:
    """Return the functions of all layers and sandwiches under their readable names.

    Parameters
    ----------
    fast : bool
        Whether a compiled twin runs where there is one. If not, the readable functions
        run: convolution and pooling without ``_naive`` in their names, and
        `batchnorm_backward_alt`, the shorter of two, as ``batchnorm_backward``.

    Returns
    -------
    types.SimpleNamespace
        ``affine_forward``, ``affine_backward``, ``conv_relu_pool_forward``, and so on.
        The backward functions of layers with weights take the keyword `need_dx`, which
        a network sets to False in its first layer: nobody asks for the gradient with
        respect to the images.
    """
    functions = {
        name.removesuffix("_naive"): getattr(module, name)
        for module in (basic_layers, conv_layers)
        for name in module.__all__
    }
    functions["batchnorm_backward"] = functions.pop("batchnorm_backward_alt")
    if fast:
        for name, readable in functions.items():
            functions[name] = getattr(fast_layers, f"{name}_fast", readable)
    else:
        for name in ("affine_backward", "conv_backward"):
            functions[name] = _with_need_dx(functions[name])
    for name in layer_utils.__all__:
        sandwich = getattr(layer_utils, name)
        is_forward = name.endswith("_forward")
        functions[name] = (
            functools.partial(sandwich, fast=fast) if is_forward else sandwich
        )
    return SimpleNamespace(**functions)


def _with_need_dx(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Give a readable function the compiled twin's keyword; it computes `dx` all the
    same."""

    @functools.wraps(backward)
    def function(dout: Any, cache: Any, need_dx: bool = True) -> Any:
        dx, dw, db = backward(dout, cache)
        return (dx if need_dx else None), dw, db

    return function
