"""Tells a reader what is wrong with their layer, not only that it is wrong.

It finds by the function's name what it must do, calls it on small readable numbers and in
the cases where such functions go wrong, and says which result is wrong, where, and most
likely why::

    from nndl.check import check

    check(batchnorm_backward)
"""

from ._check import check
from ._files import check_file
from ._gradients import check_gradients
from ._model import check_model
from ._result import CheckFailed, Finding, Result, Stage

__all__ = [
    "CheckFailed",
    "Finding",
    "Result",
    "Stage",
    "check",
    "check_file",
    "check_gradients",
    "check_model",
]
