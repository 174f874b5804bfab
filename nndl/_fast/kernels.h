/* The kernels as the Cython modules see them: one table for each number type, filled at run time with the builds for the
   best instruction set that this machine has. Every build comes from kernels.c; meson.build lists them. */
#include <stddef.h>
#include <stdint.h>

typedef ptrdiff_t idx;

/* a convolution of one image: x (C, H, W), filters (F, C, KH, KW), out (F, Ho, Wo) */
typedef struct {
    idx C, H, W, F, KH, KW, pad, stride, Ho, Wo;
    idx band; /* output lines that the direct algorithm works at a time */
} conv;

typedef struct { double mean, var; } stats;

#define KERNELS(KERNEL, T)                                                                                                 \
    KERNEL(transpose, const T *, idx, idx, idx, T *, idx)                                                                  \
    KERNEL(gemm, const T *, idx, idx, idx, idx, idx, const T *, idx, idx, T *, idx, const T *, int, T *)                   \
    KERNEL(direct_forward, const T *, const conv *, const T *, const idx *, const T *, int, T *, uint8_t *, T *)           \
    KERNEL(direct_backward, const T *, const conv *, const T *, const idx *, const T *, const uint8_t *, const uint8_t *,  \
           T *, T *, T *, T *)                                                                                             \
    KERNEL(winograd_filters, const T *, const conv *, T *)                                                                 \
    KERNEL(winograd_forward, const T *, const conv *, idx, const T *, const T *, int, T *, uint8_t *, T *)                 \
    KERNEL(winograd_backward, const T *, const conv *, idx, const T *, const T *, const uint8_t *, const uint8_t *, T *,   \
           T *, int, T *, T *)                                                                                             \
    KERNEL(winograd_filter_gradients, const T *, const conv *, T *)                                                        \
    KERNEL(pool2, const T *, idx, idx, idx, T *, uint8_t *, int)                                                           \
    KERNEL(unpool2, const T *, const uint8_t *, idx, idx, idx, T *)                                                        \
    KERNEL(pool, const T *, idx, idx, idx, idx, idx, idx, T *, int32_t *)                                                  \
    KERNEL(unpool, const T *, const int32_t *, idx, idx, idx, T *)                                                         \
    KERNEL(norm_forward, const T *, T *, idx, idx, idx, const T *, const T *, idx, T, int, int, stats *)                   \
    KERNEL(norm_backward, const T *, const T *, T *, idx, idx, idx, const T *, const T *, idx, T, int, int, const stats *, \
           T *, T *)                                                                                                       \
    KERNEL(columns_forward, const T *, T *, idx, idx, idx, const T *, const T *, T, int, int, stats *)                     \
    KERNEL(columns_backward, const T *, const T *, T *, idx, idx, idx, const T *, const T *, T, int, int, const stats *,   \
           T *, T *)                                                                                                       \
    KERNEL(row_forward, const T *, T *, idx, const T *, const T *, T, stats *)                                             \
    KERNEL(row_backward, const T *, const T *, T *, idx, const T *, T, const stats *, T *, T *)                            \
    KERNEL(relu, const T *, T *, idx)                                                                                      \
    KERNEL(positive, const T *, uint8_t *, idx)                                                                            \
    KERNEL(masked, const T *, const uint8_t *, T *, idx)                                                                   \
    KERNEL(column_sums, const T *, idx, idx, idx, T *)                                                                     \
    KERNEL(all_moderate, const T *, idx, int *)

#define POINTER(name, ...) void (*name)(__VA_ARGS__);
#define TABLE(type, T)                                                                                                     \
    typedef struct {                                                                                                       \
        idx rows, columns, conv_rows; /* of the register tiles: what operands are packed for */                            \
        idx (*direct_space)(const conv *, int backward), (*winograd_space)(const conv *, int backward);                    \
        idx (*winograd_images)(const conv *), (*winograd_filters_size)(const conv *);                                      \
        idx (*winograd_gradients_size)(const conv *), gemm_space;                                                          \
        void (*lowered_offsets)(const conv *, idx *);                                                                      \
        KERNELS(POINTER, T)                                                                                                \
    } type;
TABLE(kernels_float, float)
TABLE(kernels_double, double)

extern kernels_float kernels_f;
extern kernels_double kernels_d;
/* The number of instruction sets in this build; the name of one, best first, or NULL where this machine lacks it; use it. */
int isa_count(void);
const char *isa_name(int i);
void isa_use(int i);

/* k_gemm(A, ...) and so on: the kernel for the number type of the array A */
#define KERNEL_FOR(array, name) \
    _Generic((array), float *: kernels_f.name, const float *: kernels_f.name, double *: kernels_d.name, const double *: kernels_d.name)
#define k_transpose(a, ...) KERNEL_FOR(a, transpose)(a, __VA_ARGS__)
#define k_gemm(a, ...) KERNEL_FOR(a, gemm)(a, __VA_ARGS__)
#define k_direct_forward(a, ...) KERNEL_FOR(a, direct_forward)(a, __VA_ARGS__)
#define k_direct_backward(a, ...) KERNEL_FOR(a, direct_backward)(a, __VA_ARGS__)
#define k_winograd_filters(a, ...) KERNEL_FOR(a, winograd_filters)(a, __VA_ARGS__)
#define k_winograd_forward(a, ...) KERNEL_FOR(a, winograd_forward)(a, __VA_ARGS__)
#define k_winograd_backward(a, ...) KERNEL_FOR(a, winograd_backward)(a, __VA_ARGS__)
#define k_winograd_filter_gradients(a, ...) KERNEL_FOR(a, winograd_filter_gradients)(a, __VA_ARGS__)
#define k_pool2(a, ...) KERNEL_FOR(a, pool2)(a, __VA_ARGS__)
#define k_unpool2(a, ...) KERNEL_FOR(a, unpool2)(a, __VA_ARGS__)
#define k_pool(a, ...) KERNEL_FOR(a, pool)(a, __VA_ARGS__)
#define k_unpool(a, ...) KERNEL_FOR(a, unpool)(a, __VA_ARGS__)
#define k_norm_forward(a, ...) KERNEL_FOR(a, norm_forward)(a, __VA_ARGS__)
#define k_norm_backward(a, ...) KERNEL_FOR(a, norm_backward)(a, __VA_ARGS__)
#define k_columns_forward(a, ...) KERNEL_FOR(a, columns_forward)(a, __VA_ARGS__)
#define k_columns_backward(a, ...) KERNEL_FOR(a, columns_backward)(a, __VA_ARGS__)
#define k_row_forward(a, ...) KERNEL_FOR(a, row_forward)(a, __VA_ARGS__)
#define k_row_backward(a, ...) KERNEL_FOR(a, row_backward)(a, __VA_ARGS__)
#define k_relu(a, ...) KERNEL_FOR(a, relu)(a, __VA_ARGS__)
#define k_positive(a, ...) KERNEL_FOR(a, positive)(a, __VA_ARGS__)
#define k_masked(a, ...) KERNEL_FOR(a, masked)(a, __VA_ARGS__)
#define k_column_sums(a, ...) KERNEL_FOR(a, column_sums)(a, __VA_ARGS__)
#define k_all_moderate(a, ...) KERNEL_FOR(a, all_moderate)(a, __VA_ARGS__)
