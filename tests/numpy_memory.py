"""Tells of every array that NumPy makes memory for, be it alive for a moment only."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np


class Allocation(NamedTuple):
    """Memory that NumPy asked for, and the line of Python that made it do so."""

    size: int
    where: str


_SIZE, _POINTER = ctypes.c_size_t, ctypes.c_void_p
_MALLOC = ctypes.PYFUNCTYPE(_POINTER, _POINTER, _SIZE)
_CALLOC = ctypes.PYFUNCTYPE(_POINTER, _POINTER, _SIZE, _SIZE)
_REALLOC = ctypes.PYFUNCTYPE(_POINTER, _POINTER, _POINTER, _SIZE)
_FREE = ctypes.PYFUNCTYPE(None, _POINTER, _POINTER, _SIZE)


class _Allocator(ctypes.Structure):
    """`PyDataMemAllocator` of NumPy's C interface."""

    _fields_ = (
        ("ctx", _POINTER),
        ("malloc", _MALLOC),
        ("calloc", _CALLOC),
        ("realloc", _REALLOC),
        ("free", _FREE),
    )


class _Handler(ctypes.Structure):
    """`PyDataMem_Handler` of NumPy's C interface."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("allocator", _Allocator),
    )


_libc = ctypes.CDLL(None)
for _function, _arguments in (
    (_libc.malloc, (_SIZE,)),
    (_libc.calloc, (_SIZE, _SIZE)),
    (_libc.realloc, (_POINTER, _SIZE)),
    (_libc.free, (_POINTER,)),
):
    _function.restype, _function.argtypes = _POINTER, _arguments
_libc.free.restype = None

_log: list[Allocation] | None = None


def _note(size: int) -> None:
    if _log is not None:
        frame: Any = sys._getframe(2)
        while (
            str(frame.f_globals.get("__name__")).startswith("numpy.") and frame.f_back
        ):
            frame = frame.f_back
        module = frame.f_globals.get("__name__")
        where = f"{module}.{frame.f_code.co_name}, line {frame.f_lineno}"
        _log.append(Allocation(size, where))


@_MALLOC
def _malloc(_: Any, size: int) -> Any:
    _note(size)
    return _libc.malloc(size)


@_CALLOC
def _calloc(_: Any, count: int, size: int) -> Any:
    _note(count * size)
    return _libc.calloc(count, size)


@_REALLOC
def _realloc(_: Any, data: Any, size: int) -> Any:
    _note(size)
    return _libc.realloc(data, size)


@_FREE
def _free(_: Any, data: Any, size: int) -> None:
    _libc.free(data)


# It lives as long as the process, for arrays that were made while it was in place may.
_handler = _Handler(b"noting", 1, _Allocator(None, _malloc, _calloc, _realloc, _free))
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = (_POINTER, _POINTER, _POINTER)
_name = ctypes.create_string_buffer(
    b"mem_handler"
)  # a capsule keeps no copy of its name
_capsule = _new_capsule(ctypes.addressof(_handler), ctypes.addressof(_name), None)


def _set_handler(capsule: Any) -> Any:
    """Call `PyDataMem_SetHandler`, the 304th function of NumPy's C interface."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype = _POINTER
    pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    api = pointer(np._core._multiarray_umath._ARRAY_API, None)
    functions = ctypes.cast(api, ctypes.POINTER(_POINTER))
    set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(functions[304])
    return set_handler(capsule)


@contextlib.contextmanager
def noted() -> Iterator[list[Allocation]]:
    """Note all memory that NumPy asks for in the block."""
    global _log
    before = _set_handler(_capsule)
    _log = allocations = []
    try:
        yield allocations
    finally:
        _log = None
        _set_handler(before)
