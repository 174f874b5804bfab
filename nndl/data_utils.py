"""The courses' name for `nndl.data.cifar10.get_CIFAR10_data`."""

from .data.cifar10 import get_CIFAR10_data

__all__ = ["get_CIFAR10_data"]
