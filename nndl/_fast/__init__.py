"""Compiled kernels. They check nothing: call them through `nndl.fast_layers` and
`nndl.optim`."""

try:
    from . import _kernels, _memory, _optim
except ImportError as error:
    raise ImportError(
        f"nndl's compiled kernels cannot be imported from {__path__[0]}. If this is the "
        "project's source folder, it hides the installed package: start Python in another "
        "folder, or install the package in editable form with `make install`."
    ) from error

__all__ = ["_kernels", "_memory", "_optim"]
