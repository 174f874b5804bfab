# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Update rules in one pass over the parameters, and what the compiler gave us to run them with.

NumPy computes Adam's six lines as a dozen sweeps over memory, each reading and writing whole arrays.
Here one sweep reads `w, dw, m, v` and writes `next_w, m, v`, element by element, so the arithmetic
hides behind the memory traffic. The operations and their order are those of `nndl.optim`, so the
results are the same to the last bit, whatever the number of threads.
"""
from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport sqrt, sqrtf

cdef extern from *:
    """
    #ifdef _OPENMP
    #define NNDL_OPENMP _OPENMP
    #else
    #define NNDL_OPENMP 0
    #endif
    #if defined(__clang__)
    #define NNDL_COMPILER __VERSION__
    #elif defined(__GNUC__)
    #define NNDL_COMPILER "GCC " __VERSION__
    #else
    #define NNDL_COMPILER "unknown"
    #endif
    """
    const int NNDL_OPENMP
    const char* NNDL_COMPILER

# Adam divides and takes roots, which wider vectors do faster: the compiler makes a version for each width, and the
# loader takes the best. None fuses a product with a sum, so all give the same bits.
cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GLIBC__)
    #define EVERY_WIDTH __attribute__((target_clones("avx512f", "avx2", "default")))
    #else
    #define EVERY_WIDTH
    #endif
    #define ADAM(name, T, root, start)                                                                       \\
    EVERY_WIDTH static void name(const T *w, const T *dw, T *m, T *v, T *next_w, Py_ssize_t n, T rate,       \\
                                 double beta1, double beta2, T eps, T c1, T c2, T shrink)                    \\
    {                                                                                                        \\
        T keep1 = beta1, keep2 = beta2, take1 = 1 - beta1, take2 = 1 - beta2;                                \\
        for (Py_ssize_t i = 0; i < n; i++) {                                                                 \\
            m[i] = keep1 * m[i] + take1 * dw[i];                                                             \\
            v[i] = keep2 * v[i] + take2 * (dw[i] * dw[i]);                                                   \\
            next_w[i] = (start) - rate * (m[i] / c1) / (root(v[i] / c2) + eps);                              \\
        }                                                                                                    \\
    }
    ADAM(adam_float, float, __builtin_sqrtf, w[i])
    ADAM(adam_double, double, __builtin_sqrt, w[i])
    ADAM(adamw_float, float, __builtin_sqrtf, w[i] - shrink * w[i])
    ADAM(adamw_double, double, __builtin_sqrt, w[i] - shrink * w[i])
    #define adam(w, ...) _Generic((w), const float *: adam_float, const double *: adam_double)(w, __VA_ARGS__, 0)
    #define adamw(w, ...) _Generic((w), const float *: adamw_float, const double *: adamw_double)(w, __VA_ARGS__)
    """
    void adam(...) noexcept nogil
    void adamw(...) noexcept nogil

cdef enum:
    PIECE = 4096

#: The date of the OpenMP standard the kernels were compiled for (201511 is 4.5); 0 without OpenMP.
OPENMP = NNDL_OPENMP
#: The C compiler's own name for its version.
COMPILER = NNDL_COMPILER.decode()


cdef inline floating square_root(floating x) noexcept nogil:
    if floating is float:
        return sqrtf(x)
    else:
        return sqrt(x)


# Settings are rounded once to the arrays' type, as NumPy rounds a Python float that meets an array.

def sgd_step(const floating[::1] w, const floating[::1] dw, floating[::1] next_w, double learning_rate, int num_threads):
    """Fill `next_w`, as all rules here do; arrays are of one length."""
    cdef floating rate = learning_rate
    cdef Py_ssize_t i
    for i in prange(w.shape[0], nogil=True, schedule="static", num_threads=num_threads):
        next_w[i] = w[i] - rate * dw[i]


def momentum_step(
    const floating[::1] w, const floating[::1] dw, floating[::1] velocity, floating[::1] next_w,
    double learning_rate, double momentum, int num_threads,
):
    """Update `velocity` in place, as other rules do with their memory."""
    cdef floating rate = learning_rate, mu = momentum
    cdef Py_ssize_t i
    for i in prange(w.shape[0], nogil=True, schedule="static", num_threads=num_threads):
        velocity[i] = mu * velocity[i] - rate * dw[i]
        next_w[i] = w[i] + velocity[i]


def nesterov_step(
    const floating[::1] w, const floating[::1] dw, floating[::1] velocity, floating[::1] next_w,
    double learning_rate, double momentum, int num_threads,
):
    cdef floating rate = learning_rate, mu = momentum, old
    cdef Py_ssize_t i
    for i in prange(w.shape[0], nogil=True, schedule="static", num_threads=num_threads):
        old = velocity[i]
        velocity[i] = mu * old - rate * dw[i]
        next_w[i] = w[i] + velocity[i] + mu * (velocity[i] - old)


def rmsprop_step(
    const floating[::1] w, const floating[::1] dw, floating[::1] cache, floating[::1] next_w,
    double learning_rate, double decay_rate, double epsilon, int num_threads,
):
    cdef floating rate = learning_rate, rho = decay_rate, take = 1 - decay_rate, eps = epsilon
    cdef Py_ssize_t i
    for i in prange(w.shape[0], nogil=True, schedule="static", num_threads=num_threads):
        cache[i] = rho * cache[i] + take * (dw[i] * dw[i])
        next_w[i] = w[i] - rate * dw[i] / (square_root(cache[i]) + eps)


def adam_step(
    const floating[::1] w, const floating[::1] dw, floating[::1] m, floating[::1] v,
    floating[::1] next_w, double learning_rate, double beta1, double beta2, double epsilon,
    double correction1, double correction2, int num_threads,
):
    cdef Py_ssize_t n = w.shape[0], i
    for i in prange((n + PIECE - 1) // PIECE, nogil=True, schedule="static", num_threads=num_threads):
        adam(&w[i * PIECE], &dw[i * PIECE], &m[i * PIECE], &v[i * PIECE], &next_w[i * PIECE], min(PIECE, n - i * PIECE),
             learning_rate, beta1, beta2, epsilon, correction1, correction2)


def adamw_step(
    const floating[::1] w, const floating[::1] dw, floating[::1] m, floating[::1] v,
    floating[::1] next_w, double learning_rate, double beta1, double beta2, double epsilon,
    double correction1, double correction2, double shrink, int num_threads,
):
    """Take `adam_step` from `w - shrink * w`."""
    cdef Py_ssize_t n = w.shape[0], i
    for i in prange((n + PIECE - 1) // PIECE, nogil=True, schedule="static", num_threads=num_threads):
        adamw(&w[i * PIECE], &dw[i * PIECE], &m[i * PIECE], &v[i * PIECE], &next_w[i * PIECE], min(PIECE, n - i * PIECE),
              learning_rate, beta1, beta2, epsilon, correction1, correction2, shrink)
