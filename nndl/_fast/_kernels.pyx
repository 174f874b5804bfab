# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The compiled layers: arrays are cut into pieces of work, and OpenMP's threads run the C kernels on them.

Nothing is checked here: `nndl.fast_layers` has done it. Arrays are C-contiguous, aligned, of one number type. How the
work is cut never depends on the number of threads where the order of a sum does, so neither do the results.
"""
import os

import numpy as np
from cython cimport floating
from cython.parallel cimport prange, threadid
from libc.math cimport exp, expf, log
from libc.stdint cimport int32_t, uint8_t
from libc.string cimport memset

from ._memory import empty

ctypedef Py_ssize_t idx

cdef extern from "kernels.h" nogil:
    ctypedef struct conv:
        idx C, H, W, F, KH, KW, pad, stride, Ho, Wo, band
    ctypedef struct stats:
        double mean, var
    ctypedef struct kernels "kernels_float":  # kernels_double has the same members
        idx rows, columns, conv_rows, gemm_space
        idx (*direct_space)(const conv *, bint)
        idx (*winograd_space)(const conv *, bint)
        idx (*winograd_images)(const conv *)
        idx (*winograd_filters_size)(const conv *)
        idx (*winograd_gradients_size)(const conv *)
        void (*lowered_offsets)(const conv *, idx *)
    kernels kernels_f, kernels_d
    int isa_count()
    const char *isa_name(int)
    void isa_use(int)
    void k_transpose(...)
    void k_gemm(...)
    void k_direct_forward(...)
    void k_direct_backward(...)
    void k_winograd_filters(...)
    void k_winograd_forward(...)
    void k_winograd_backward(...)
    void k_winograd_filter_gradients(...)
    void k_pool2(...)
    void k_unpool2(...)
    void k_pool(...)
    void k_unpool(...)
    void k_norm_forward(...)
    void k_norm_backward(...)
    void k_columns_forward(...)
    void k_columns_backward(...)
    void k_row_forward(...)
    void k_row_backward(...)
    void k_relu(...)
    void k_positive(...)
    void k_masked(...)
    void k_column_sums(...)
    void k_all_moderate(...)


# ---- the instruction set ----

_in_use = None


def available():
    """The instruction sets that this machine can run, best first."""
    return tuple([isa_name(i).decode() for i in range(isa_count()) if isa_name(i) != NULL])


def isa():
    """The one in use."""
    return _in_use


def choose(name):
    """Use the instruction set of this name from now on."""
    global _in_use
    for i in range(isa_count()):
        if isa_name(i) != NULL and isa_name(i).decode() == name:
            isa_use(i)
            _in_use = name
            return name
    raise ValueError(f"the instruction set must be {' or '.join(map(repr, available()))} on this machine, but is {name!r}.")


choose(os.environ.get("NNDL_ISA", "").strip() or available()[0])


# ---- pieces of work ----

#: Numbers in a piece of an elementwise operation: small enough for the first cache, large enough to be worth a call.
cdef enum:
    CHUNK = 4096
    PANEL = 64  # columns, as in normalization.h
    GROUPS = 8  # of images, each with a sum of gradients of its own: fixed, because the order of a sum matters


cdef idx pieces(idx n, idx size) noexcept nogil:
    return (n + size - 1) // size


#: Work, in numbers read or sixteen multiply-adds, for which waking the other threads takes less time than it saves.
cdef double _worth_waking = 32768


def wake_for(work):
    """Wake the other threads for this much work or more; returns what it was. For tests, in which arrays are small."""
    global _worth_waking
    before, _worth_waking = _worth_waking, work
    return before


cdef int crew(int threads, double work) noexcept nogil:
    return threads if work >= _worth_waking else 1


cdef floating[::1] workspace(idx threads, idx size, floating kind):
    """Room for `size` numbers for each thread."""
    return empty((threads * size,), np.float32 if floating is float else np.float64)


def panels(a, idx rows):
    """Return the matrix `a` (M, K) as panels (M / rows, K, rows), with zeros below it."""
    M, K = a.shape
    packed = np.zeros((pieces(M, rows), rows, K), a.dtype)
    packed.reshape(len(packed) * rows, K)[:M] = a
    return np.ascontiguousarray(packed.transpose(0, 2, 1))


# ---- affine layers ----

def product(const floating[:, :] a, const floating[:, :] b, floating[:, ::1] out, const floating[::1] bias, bint relu,
            int threads):
    """out = a @ b [+ bias, then perhaps a ReLU]; rows or columns of `a` and of `b` are contiguous."""
    cdef idx M = out.shape[0], N = out.shape[1], K = a.shape[1], i, m, n, height = M, width = N
    cdef idx am = a.strides[0] // sizeof(floating), ak = a.strides[1] // sizeof(floating)
    cdef idx bk = b.strides[0] // sizeof(floating), bn = b.strides[1] // sizeof(floating)
    # An axis of one number may have any stride.
    ak, am = 1 if K == 1 else ak, 1 if M == 1 and ak != 1 else am
    bn, bk = 1 if N == 1 else bn, 1 if K == 1 and bn != 1 else bk
    cdef idx rows = kernels_f.rows if floating is float else kernels_d.rows
    cdef idx columns = kernels_f.columns if floating is float else kernels_d.columns
    cdef idx space_size = kernels_f.gemm_space if floating is float else kernels_d.gemm_space
    cdef floating kind = 0
    if M == 0 or N == 0:
        return
    threads = crew(threads, <double> M * N * K / 16)
    if threads > 1 and M >= N:
        height = pieces(pieces(M, threads), rows) * rows
    elif threads > 1:
        width = pieces(pieces(N, threads), columns) * columns
    cdef idx down = pieces(M, height), across = pieces(N, width)
    cdef floating[::1] space = workspace(threads, space_size, kind)
    for i in prange(down * across, nogil=True, num_threads=threads, schedule="static", chunksize=1):
        m = i // across * height
        n = i % across * width
        k_gemm(&a[0, 0] + m * am, min(height, M - m), min(width, N - n), K, am, ak, &b[0, 0] + n * bn, bk, bn, &out[m, n], N,
               NULL if bias is None else &bias[n], relu, &space[threadid() * space_size])


def column_sums(const floating[:, ::1] x, floating[::1] out, int threads):
    cdef idx N = x.shape[0], D = x.shape[1], i
    for i in prange(pieces(D, CHUNK), nogil=True, num_threads=crew(threads, N * D)):
        k_column_sums(&x[0, 0] + i * CHUNK, N, D, min(CHUNK, D - i * CHUNK), &out[i * CHUNK])


# ---- convolution ----

cdef conv geometry(idx C, idx H, idx W, idx F, idx KH, idx KW, idx pad, idx stride) noexcept:
    cdef conv g
    g.C, g.H, g.W, g.F, g.KH, g.KW, g.pad, g.stride = C, H, W, F, KH, KW, pad, stride
    g.Ho, g.Wo = (H + 2 * pad - KH) // stride + 1, (W + 2 * pad - KW) // stride + 1
    # As many lines as keep the lowered image within 200 KB or so, an even number for the pool's sake.
    g.band = max(2, min(g.Ho + g.Ho % 2, 49152 // max(1, KW * C * g.Wo * (1 if stride == 1 else KH)) // 2 * 2))
    return g


cdef double convolution_work(double N, const conv *g) noexcept nogil:
    return N * g.F * g.Ho * g.Wo * g.C * g.KH * g.KW / 16


def winograd_pays(x, w, idx pad, idx stride, int threads):
    """Whether Winograd's algorithm can take this layer and is quicker.

    A NaN or an infinity would spread over its whole patch there, and sums on the way to a result that is finite could
    overflow: such input goes the direct way.
    """
    F, C, KH, KW = w.shape
    return stride == 1 and KH == KW and KH in (3, 5) and pad < KH and min(C, F) >= 16 and all_moderate(w, 1) and all_moderate(x, threads)


def all_moderate(x, int threads):
    return _all_moderate(x.reshape(-1), threads)


def _all_moderate(const floating[::1] x, int threads):
    cdef idx n = x.shape[0], i
    cdef int yes = 1
    for i in prange(pieces(n, 16 * CHUNK), nogil=True, num_threads=crew(threads, n)):
        k_all_moderate(&x[i * 16 * CHUNK], min(16 * CHUNK, n - i * 16 * CHUNK), &yes)
    return bool(yes)


cdef spectra(const floating[:, :, :, ::1] w, const conv *g, bint turned, int threads):
    """The spectra of the filters w, in blocks of as many filters as a tile has columns; if `turned`, of those of the way
    back, `g`: by half a turn, with channels and filters exchanged."""
    cdef idx columns = kernels_f.columns if floating is float else kernels_d.columns
    cdef idx blocks = pieces(g.F, columns), K = g.KH * g.KW, size = g.C * K * columns, i, c, filters
    cdef idx block = kernels_f.winograd_filters_size(g) if floating is float else kernels_d.winograd_filters_size(g)
    cdef floating[:, ::1] U = empty((blocks, block), np.float32 if floating is float else np.float64)
    cdef floating[::1] space = workspace(threads, size, <floating> 0)
    cdef floating *lines  # [C][KH][KW][columns]: filters side by side
    for i in prange(blocks, nogil=True, num_threads=threads):
        filters = min(columns, g.F - i * columns)
        lines = &space[threadid() * size]
        if filters < columns:
            memset(lines, 0, size * sizeof(floating))
        if turned:
            for c in range(g.C):
                k_transpose(&w[c, i * columns, 0, 0], filters, K, K, lines + ((c + 1) * K - 1) * columns, -columns)
        else:
            k_transpose(&w[i * columns, 0, 0, 0], filters, g.C * K, g.C * K, lines, columns)
        k_winograd_filters(lines, g, &U[i, 0])
    return np.asarray(U).reshape(-1)


def conv_forward(const floating[:, :, :, ::1] x, w, b, idx pad, idx stride, bint relu, bint pooled, int threads):
    """Return the output, and the pool's codes or None."""
    cdef bint winograd = winograd_pays(np.asarray(x), w, pad, stride, threads)
    dtype = w.dtype
    cdef idx N = x.shape[0], F = w.shape[0], n, i, size, step
    cdef floating kind = 0
    cdef conv g = geometry(x.shape[1], x.shape[2], x.shape[3], F, w.shape[2], w.shape[3], pad, stride)
    threads = crew(threads, convolution_work(N, &g))
    cdef idx Ho = g.Ho // 2 if pooled else g.Ho, Wo = g.Wo // 2 if pooled else g.Wo
    cdef floating[::1] bias = np.concatenate([b, np.zeros(64, dtype)])
    cdef floating[:, :, :, ::1] out = empty((N, F, Ho, Wo), dtype)
    cdef uint8_t[:, :, :, ::1] code = empty((N, F, Ho, Wo), np.uint8) if pooled else None
    cdef idx[::1] offsets
    cdef floating[::1] filters, space
    if winograd:
        filters = spectra[floating](w, &g, False, threads)
        size = kernels_f.winograd_space(&g, False) if floating is float else kernels_d.winograd_space(&g, False)
        step = kernels_f.winograd_images(&g) if floating is float else kernels_d.winograd_images(&g)
    else:
        filters = panels(w.reshape(F, g.C * g.KH * g.KW), kernels_f.conv_rows if floating is float else kernels_d.conv_rows).reshape(-1)
        offsets = np.empty(g.C * g.KH * g.KW, np.intp)
        kernels_f.lowered_offsets(&g, &offsets[0])
        size = kernels_f.direct_space(&g, False) if floating is float else kernels_d.direct_space(&g, False)
        step = 1
    space = workspace(threads, size, kind)
    for i in prange(pieces(N, step), nogil=True, num_threads=threads, schedule="dynamic", chunksize=1):
        n = i * step
        if winograd:
            k_winograd_forward(&x[n, 0, 0, 0], &g, min(step, N - n), &filters[0], &bias[0], relu, &out[n, 0, 0, 0],
                               &code[n, 0, 0, 0] if pooled else NULL, &space[threadid() * size])
        else:
            k_direct_forward(&x[n, 0, 0, 0], &g, &filters[0], &offsets[0], &bias[0], relu, &out[n, 0, 0, 0],
                             &code[n, 0, 0, 0] if pooled else NULL, &space[threadid() * size])
    return np.asarray(out), np.asarray(code) if pooled else None


def conv_backward(const floating[:, :, :, ::1] dout, const floating[:, :, :, ::1] x, w, const uint8_t[:, :, :, ::1] passed,
                  const uint8_t[:, :, :, ::1] code, idx pad, idx stride, bint need_dx, int threads):
    """Return dx (or None), dw, db; `passed`: what a ReLU let pass, or `code`: the winners of the pool after it, or None."""
    cdef bint winograd = winograd_pays(np.asarray(x), w, pad, stride, threads) and all_moderate(np.asarray(dout), threads)
    dtype = w.dtype
    cdef idx N = x.shape[0], F = w.shape[0], groups = min(N, GROUPS), i, n, end, size, step = 1, dU = 0, K, Fp
    cdef floating kind = 0
    cdef conv g = geometry(x.shape[1], x.shape[2], x.shape[3], F, w.shape[2], w.shape[3], pad, stride), back
    threads = crew(threads, convolution_work(N, &g))
    cdef idx columns = kernels_f.columns if floating is float else kernels_d.columns
    cdef floating[:, :, :, ::1] dx = empty((N, g.C, g.H, g.W), dtype) if need_dx else None
    cdef idx[::1] offsets
    cdef floating[::1] filters = np.zeros(1, dtype)
    K, Fp = g.C * g.KH * g.KW, pieces(F, columns) * columns
    if winograd:
        if need_dx:
            back = geometry(F, g.Ho, g.Wo, g.C, g.KH, g.KW, g.KH - 1 - pad, 1)
            filters = spectra[floating](w, &back, True, threads)
        size = kernels_f.winograd_space(&g, True) if floating is float else kernels_d.winograd_space(&g, True)
        step = kernels_f.winograd_images(&g) if floating is float else kernels_d.winograd_images(&g)
        dU = kernels_f.winograd_gradients_size(&g) if floating is float else kernels_d.winograd_gradients_size(&g)
        groups = min(groups, pieces(2 * N, step))  # not a sum of all spectra for a handful of small images
    else:
        if need_dx:
            filters = panels(w.reshape(F, K).T, kernels_f.rows if floating is float else kernels_d.rows).reshape(-1)
        offsets = np.empty(K, np.intp)
        kernels_f.lowered_offsets(&g, &offsets[0])
        size = kernels_f.direct_space(&g, True) if floating is float else kernels_d.direct_space(&g, True)
    size += dU
    cdef floating[:, ::1] dw = (empty if winograd else np.zeros)((max(groups, 1), K * (Fp if winograd else F)), dtype)
    cdef floating[:, ::1] db = np.zeros((max(groups, 1), F), dtype)
    cdef floating[::1] space = workspace(threads, size, kind)
    cdef floating *mine
    for i in prange(groups, nogil=True, num_threads=threads, schedule="dynamic", chunksize=1):
        n = i * N // groups
        end = (i + 1) * N // groups
        mine = &space[threadid() * size]
        while n < end:
            if winograd:
                k_winograd_backward(&x[n, 0, 0, 0], &g, min(step, end - n), &filters[0], &dout[n, 0, 0, 0],
                                    NULL if passed is None else &passed[n, 0, 0, 0], NULL if code is None else &code[n, 0, 0, 0],
                                    &dx[n, 0, 0, 0] if need_dx else NULL, mine, n > i * N // groups, &db[i, 0], mine + dU)
            else:
                k_direct_backward(&x[n, 0, 0, 0], &g, &filters[0], &offsets[0], &dout[n, 0, 0, 0],
                                  NULL if passed is None else &passed[n, 0, 0, 0], NULL if code is None else &code[n, 0, 0, 0],
                                  &dx[n, 0, 0, 0] if need_dx else NULL, &dw[i, 0], &db[i, 0], mine)
            n = n + step
        if winograd:
            k_winograd_filter_gradients(mine, &g, &dw[i, 0])
    total = np.empty(dw.shape[1], dtype)
    column_sums(np.asarray(dw)[:groups], total, threads)
    if winograd:
        total = transposed[floating](total.reshape(K, Fp), F, threads)
    return np.asarray(dx) if need_dx else None, total.reshape(w.shape), np.asarray(db)[:groups].sum(0)


cdef transposed(const floating[:, ::1] a, idx columns, int threads):
    """The transpose of the first `columns` of a matrix."""
    cdef idx rows = a.shape[0], i
    cdef floating[:, ::1] out = np.empty((columns, rows), np.float32 if floating is float else np.float64)
    for i in prange(pieces(rows, PANEL), nogil=True, num_threads=threads):
        k_transpose(&a[i * PANEL, 0], min(PANEL, rows - i * PANEL), columns, a.shape[1], &out[0, i * PANEL], rows)
    return np.asarray(out)


# ---- pooling ----

def pool_forward(const floating[:, :, :, ::1] x, idx height, idx width, idx stride, int threads):
    """Return the output and where its maxima were: codes for 2 x 2 windows side by side, else places."""
    dtype = np.float32 if floating is float else np.float64
    cdef idx N = x.shape[0], C = x.shape[1], H = x.shape[2], W = x.shape[3], n
    cdef bint side_by_side = height == width == stride == 2
    shape = N, C, (H - height) // stride + 1, (W - width) // stride + 1
    cdef floating[:, :, :, ::1] out = empty(shape, dtype)
    cdef uint8_t[:, :, :, ::1] code = empty(shape, np.uint8) if side_by_side else None
    cdef int32_t[:, :, :, ::1] where = None if side_by_side else empty(shape, np.int32)
    for n in prange(N, nogil=True, num_threads=crew(threads, N * C * H * W)):
        if side_by_side:
            k_pool2(&x[n, 0, 0, 0], C, H, W, &out[n, 0, 0, 0], &code[n, 0, 0, 0], 0)
        else:
            k_pool(&x[n, 0, 0, 0], C, H, W, height, width, stride, &out[n, 0, 0, 0], &where[n, 0, 0, 0])
    return np.asarray(out), np.asarray(code) if side_by_side else np.asarray(where)


def pool_backward(const floating[:, :, :, ::1] dout, winners, idx H, idx W, int threads):
    cdef idx N = dout.shape[0], C = dout.shape[1], outputs = dout.shape[2] * dout.shape[3], n
    cdef bint side_by_side = winners.dtype == np.uint8
    cdef floating[:, :, :, ::1] dx = empty((N, C, H, W), np.float32 if floating is float else np.float64)
    cdef const uint8_t[:, :, :, ::1] code = winners if side_by_side else None
    cdef const int32_t[:, :, :, ::1] where = None if side_by_side else winners
    for n in prange(N, nogil=True, num_threads=crew(threads, N * C * H * W)):
        if side_by_side:
            k_unpool2(&dout[n, 0, 0, 0], &code[n, 0, 0, 0], C, H, W, &dx[n, 0, 0, 0])
        else:
            k_unpool(&dout[n, 0, 0, 0], &where[n, 0, 0, 0], C, outputs, H * W, &dx[n, 0, 0, 0])
    return np.asarray(dx)


# ---- normalization ----

def batchnorm_forward(const floating[:, :, ::1] x, const floating[::1] gamma, const floating[::1] beta, double eps, bint relu,
                      double[:, ::1] s, bint fixed, int threads):
    """Normalize the channels of x (N, C, HW); s (C, 2): their means and variances, filled in unless `fixed`."""
    cdef idx N = x.shape[0], C = x.shape[1], HW = x.shape[2], c
    cdef floating[:, :, ::1] y = empty((N, C, HW), np.float32 if floating is float else np.float64)
    threads = crew(threads, 2 * N * C * HW)
    if HW == 1:
        for c in prange(pieces(C, PANEL), nogil=True, num_threads=threads):
            k_columns_forward(&x[0, 0, 0] + c * PANEL, &y[0, 0, 0] + c * PANEL, N, C, min(PANEL, C - c * PANEL), &gamma[c * PANEL],
                              &beta[c * PANEL], eps, relu, fixed, <stats *> &s[c * PANEL, 0])
    else:
        for c in prange(C, nogil=True, num_threads=threads, schedule="dynamic", chunksize=1):
            k_norm_forward(&x[0, c, 0], &y[0, c, 0], N, HW, C * HW, &gamma[c], &beta[c], 0, eps, relu, fixed, <stats *> &s[c, 0])
    return np.asarray(y)


def batchnorm_backward(const floating[:, :, ::1] dout, const floating[:, :, ::1] x, const floating[::1] gamma,
                       const floating[::1] beta, double eps, bint relu, const double[:, ::1] s, bint fixed, int threads):
    cdef idx N = x.shape[0], C = x.shape[1], HW = x.shape[2], c
    cdef floating[:, :, ::1] dx = empty((N, C, HW), np.float32 if floating is float else np.float64)
    cdef floating[::1] dgamma = np.zeros(C, np.asarray(dx).dtype), dbeta = np.zeros(C, np.asarray(dx).dtype)
    threads = crew(threads, 2 * N * C * HW)
    if HW == 1:
        for c in prange(pieces(C, PANEL), nogil=True, num_threads=threads):
            k_columns_backward(&x[0, 0, 0] + c * PANEL, &dout[0, 0, 0] + c * PANEL, &dx[0, 0, 0] + c * PANEL, N, C,
                               min(PANEL, C - c * PANEL), &gamma[c * PANEL], &beta[c * PANEL], eps, relu, fixed,
                               <const stats *> &s[c * PANEL, 0], &dgamma[c * PANEL], &dbeta[c * PANEL])
    else:
        for c in prange(C, nogil=True, num_threads=threads, schedule="dynamic", chunksize=1):
            k_norm_backward(&x[0, c, 0], &dout[0, c, 0], &dx[0, c, 0], N, HW, C * HW, &gamma[c], &beta[c], 0, eps, relu, fixed,
                            <const stats *> &s[c, 0], &dgamma[c], &dbeta[c])
    return np.asarray(dx), np.asarray(dgamma), np.asarray(dbeta)


def groupnorm_forward(const floating[:, :, ::1] x, const floating[::1] gamma, const floating[::1] beta, idx G, double eps, int threads):
    """Normalize x (N, C, HW) over each of the G groups of channels of each image; also returns means and variances (N * G, 2)."""
    cdef idx N = x.shape[0], C = x.shape[1], HW = x.shape[2], each = x.shape[1] // G, i
    cdef floating[:, :, ::1] y = empty((N, C, HW), np.float32 if floating is float else np.float64)
    cdef double[:, ::1] s = np.empty((N * G, 2))
    for i in prange(N * G, nogil=True, num_threads=crew(threads, 2 * N * C * HW)):
        if HW == 1 and G == 1:
            k_row_forward(&x[i, 0, 0], &y[i, 0, 0], C, &gamma[0], &beta[0], eps, <stats *> &s[i, 0])
        else:
            k_norm_forward(&x[i // G, i % G * each, 0], &y[i // G, i % G * each, 0], each, HW, HW, &gamma[i % G * each],
                           &beta[i % G * each], 1, eps, 0, 0, <stats *> &s[i, 0])
    return np.asarray(y), np.asarray(s)


def groupnorm_backward(const floating[:, :, ::1] dout, const floating[:, :, ::1] x, const floating[::1] gamma, idx G, double eps,
                       const double[:, ::1] s, int threads):
    cdef idx N = x.shape[0], C = x.shape[1], HW = x.shape[2], each = x.shape[1] // G, groups = max(1, min(x.shape[0], GROUPS)), i, n, j
    cdef floating[:, :, ::1] dx = empty((N, C, HW), np.float32 if floating is float else np.float64)
    cdef floating[:, ::1] dgamma = np.zeros((groups, C), np.asarray(dx).dtype), dbeta = np.zeros((groups, C), np.asarray(dx).dtype)
    for i in prange(groups, nogil=True, num_threads=crew(threads, 2 * N * C * HW)):
        for n in range(i * N // groups, (i + 1) * N // groups):
            for j in range(G):
                if HW == 1 and G == 1:
                    k_row_backward(&x[n, 0, 0], &dout[n, 0, 0], &dx[n, 0, 0], C, &gamma[0], eps, <const stats *> &s[n, 0], &dgamma[i, 0],
                                   &dbeta[i, 0])
                else:
                    k_norm_backward(&x[n, j * each, 0], &dout[n, j * each, 0], &dx[n, j * each, 0], each, HW, HW, &gamma[j * each],
                                    &gamma[j * each], 1, eps, 0, 0, <const stats *> &s[n * G + j, 0], &dgamma[i, j * each], &dbeta[i, j * each])
    return np.asarray(dx), np.asarray(dgamma).sum(0), np.asarray(dbeta).sum(0)


# ---- one number in, one number out ----

def relu(const floating[::1] x, floating[::1] out, int threads):
    cdef idx n = x.shape[0], i
    for i in prange(pieces(n, CHUNK), nogil=True, num_threads=crew(threads, n)):
        k_relu(&x[i * CHUNK], &out[i * CHUNK], min(CHUNK, n - i * CHUNK))


def positive(const floating[::1] x, uint8_t[::1] passed, int threads):
    """passed = x > 0: what a ReLU lets pass."""
    cdef idx n = x.shape[0], i
    for i in prange(pieces(n, CHUNK), nogil=True, num_threads=crew(threads, n)):
        k_positive(&x[i * CHUNK], &passed[i * CHUNK], min(CHUNK, n - i * CHUNK))


def masked(const floating[::1] dout, const uint8_t[::1] passed, floating[::1] dx, int threads):
    """dx = dout where it passed, else 0."""
    cdef idx n = dout.shape[0], i
    for i in prange(pieces(n, CHUNK), nogil=True, num_threads=crew(threads, n)):
        k_masked(&dout[i * CHUNK], &passed[i * CHUNK], &dx[i * CHUNK], min(CHUNK, n - i * CHUNK))


def dropout(const floating[::1] x, const double[::1] drawn, double p, floating[::1] mask, floating[::1] out, int threads):
    """mask = 1 / p where the number drawn is below p, else 0; out = x * mask."""
    cdef floating scale = (<floating> 1) / (<floating> p)
    cdef idx i
    for i in prange(x.shape[0], nogil=True, num_threads=crew(threads, x.shape[0])):
        mask[i] = scale if drawn[i] < p else 0
        out[i] = x[i] * mask[i]


def softmax_loss(const floating[:, ::1] x, const idx[::1] y, floating[:, ::1] dx, int threads):
    """Fill dx and return each example's loss."""
    cdef idx N = x.shape[0], C = x.shape[1], n, c
    cdef double[::1] losses = np.empty(N)
    cdef floating most, sum
    for n in prange(N, nogil=True, num_threads=crew(threads, 8 * N * C)):
        most = x[n, 0]
        for c in range(1, C):
            most = max(most, x[n, c])
        sum = 0
        for c in range(C):
            dx[n, c] = expf(x[n, c] - most) if floating is float else exp(x[n, c] - most)
            sum = sum + dx[n, c]
        losses[n] = log(sum) - (x[n, y[n]] - most)
        for c in range(C):
            dx[n, c] = (dx[n, c] / sum - (c == y[n])) / N
    return np.asarray(losses)
