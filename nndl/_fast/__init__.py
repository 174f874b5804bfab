"""Compiled kernels. They check nothing: call them through `nndl.fast_layers` and
`nndl.optim`."""

import os

# GCC's OpenMP reads this when it is loaded, and only then. Its idle threads wait in a busy
# loop of that many rounds before they sleep (10,000 take about half a millisecond); by default
# that lasts several milliseconds, in which they keep other programs from the cores.
_SPIN = "GOMP_SPINCOUNT"
_ours = not {_SPIN, "OMP_WAIT_POLICY"} & os.environ.keys()
if _ours:
    os.environ[_SPIN] = "10000"
try:
    from . import _kernels, _memory, _optim
except ImportError as error:
    raise ImportError(
        f"nndl's compiled kernels cannot be imported from {__path__[0]}. If this is the "
        "project's source folder, it hides the installed package: start Python in another "
        "folder, or install the package in editable form with `make install`."
    ) from error
finally:
    if _ours:
        del os.environ[_SPIN]

__all__ = ["_kernels", "_memory", "_optim"]
