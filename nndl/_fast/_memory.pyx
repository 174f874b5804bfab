"""Memory for large arrays that is kept when an array dies and given to the next one of its size.

Fresh memory comes from the system page by page, each filled with zeros first: that takes four times as long as
copying the same bytes. A network allocates the same arrays at every step, so what one step frees serves the next.
"""
import math

import numpy as np
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdlib cimport free
from posix.stdlib cimport posix_memalign

cdef extern from *:
    """
    #include <sys/mman.h>
    #ifdef MADV_HUGEPAGE
    #define prefer_large_pages(data, size) madvise(data, size, MADV_HUGEPAGE)
    #else
    #define prefer_large_pages(data, size)
    #endif
    """
    void prefer_large_pages(void *, size_t)

cdef enum:
    MOST_IDLE = 64
    LINE = 64  # bytes in a line of the cache
    LARGE_PAGE = 1 << 21
cdef struct Piece:
    void *data
    size_t size
#: Pieces that no array uses, oldest first, and what they may take together.
cdef Piece idle[MOST_IDLE]
cdef int idle_count = 0
cdef size_t idle_bytes = 0
cdef size_t MOST_IDLE_BYTES = 512 * 1024 * 1024

#: Below this many bytes, `numpy.empty` is quicker.
WORTH_KEEPING = 1 << 17


cdef Piece take(int i) noexcept:
    """Take piece `i` out of the idle ones."""
    global idle_count, idle_bytes
    cdef Piece piece = idle[i]
    idle_count -= 1
    idle_bytes -= piece.size
    for i in range(i, idle_count):
        idle[i] = idle[i + 1]
    return piece


cpdef void release() noexcept:
    """Give all idle memory back to the system."""
    while idle_count:
        free(take(0).data)


cdef class Memory:
    """A piece of memory at the start of a cache line or a large page, with Python's buffer interface."""
    cdef Piece piece

    def __cinit__(self, size_t size):
        cdef int i, best = -1
        for i in range(idle_count):
            if size <= idle[i].size <= size + size // 4 and (best < 0 or idle[i].size < idle[best].size):
                best = i
        if best >= 0:
            self.piece = take(best)
            return
        cdef size_t boundary = LARGE_PAGE if size >= 2 * LARGE_PAGE else LINE
        if posix_memalign(&self.piece.data, boundary, size) != 0:
            release()
            if posix_memalign(&self.piece.data, boundary, size) != 0:
                self.piece.data = NULL
                raise MemoryError(f"no memory for an array of {size} bytes.")
        if boundary == LARGE_PAGE:
            prefer_large_pages(self.piece.data, size)
        self.piece.size = size

    def __dealloc__(self):
        global idle_count, idle_bytes
        if self.piece.data == NULL:
            return
        while idle_count and (idle_count == MOST_IDLE or idle_bytes + self.piece.size > MOST_IDLE_BYTES):
            free(take(0).data)
        if self.piece.size > MOST_IDLE_BYTES:
            free(self.piece.data)
            return
        idle[idle_count] = self.piece
        idle_count += 1
        idle_bytes += self.piece.size

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.piece.data, self.piece.size, 0, flags)


def empty(shape, dtype):
    """Return an uninitialized array, as `numpy.empty` does."""
    dtype = np.dtype(dtype)
    cdef size_t size = math.prod(shape) * dtype.itemsize
    if size < WORTH_KEEPING:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, buffer=Memory(size))
