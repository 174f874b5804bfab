/* Vectors: VB bytes of T side by side, added and multiplied in one instruction each.

   The compiler's own vector types are used (GCC and Clang have them), so the same source serves every
   instruction set: VB is 64 for AVX-512, 32 for AVX2, 16 for SSE2 and NEON. */
#ifndef __GNUC__
#error "nndl's kernels are written with the vector types of GCC and Clang: compile with one of them"
#endif
#include <string.h>

enum { VL = VB / sizeof(T) }; /* numbers in a vector */

typedef T vec __attribute__((vector_size(VB)));
typedef T anywhere __attribute__((vector_size(VB), aligned(sizeof(T)), may_alias));
#if T_BYTES == 4
typedef int32_t mask __attribute__((vector_size(VB))); /* of a comparison: all ones where it holds, else zeros */
#else
typedef int64_t mask __attribute__((vector_size(VB)));
#endif

#define INLINE static inline __attribute__((always_inline))
#define ALONE static __attribute__((noinline)) /* a function whose loop wants all the registers */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

INLINE idx smaller(idx a, idx b) { return a < b ? a : b; }
INLINE idx round_up(idx n, idx multiple) { return (n + multiple - 1) / multiple * multiple; }

INLINE vec load(const T *p) { return *(const anywhere *)p; }
INLINE void store(T *p, vec v) { *(anywhere *)p = v; }
INLINE vec keep(mask m, vec v) { return (vec)((mask)v & m); } /* v where m holds, else 0 */
INLINE vec choose(mask m, vec a, vec b) { return (vec)(((mask)a & m) | ((mask)b & ~m)); }

INLINE T total(vec v)
{
    T s[VL];
    store(s, v);
    UNROLL for (int half = VL / 2; half; half /= 2)
        UNROLL for (int i = 0; i < half; i++) s[i] += s[i + half];
    return s[0];
}

/* max(0, x), as NumPy has it: NaN stays NaN */
INLINE vec relu_vec(vec v) { return keep(~(v <= (vec){0}), v); }
INLINE T relu_one(T x) { return x <= 0 ? 0 : x; }

/* Two vectors a, b dealt into two others: zipped (a0 b0 a1 b1 ...), or parted into evens and odds. */
#if VB / T_BYTES == 2
#define ZIP_LOW 0, 2
#define ZIP_HIGH 1, 3
#define EVENS 0, 2
#define ODDS 1, 3
#elif VB / T_BYTES == 4
#define ZIP_LOW 0, 4, 1, 5
#define ZIP_HIGH 2, 6, 3, 7
#define EVENS 0, 2, 4, 6
#define ODDS 1, 3, 5, 7
#elif VB / T_BYTES == 8
#define ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15
#else
#define ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#endif
#ifdef __clang__
#define DEAL(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define DEAL(a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif

/* dst[c][r] = src[r][c] for rows x columns numbers. A block of VL x VL is turned by zipping its upper half
   with its lower half, log2(VL) times: each time, one bit of the row number becomes one of the column number. */
static void transpose(const T *src, idx rows, idx columns, idx src_step, T *dst, idx dst_step)
{
    idx r = 0;
    for (; r + VL <= rows; r += VL) {
        idx c = 0;
        for (; c + VL <= columns; c += VL) {
            vec t[VL], zipped[VL];
            UNROLL for (int i = 0; i < VL; i++) t[i] = load(src + (r + i) * src_step + c);
            UNROLL for (int bit = 1; bit < VL; bit *= 2) {
                UNROLL for (int i = 0; i < VL / 2; i++) {
                    zipped[2 * i] = DEAL(t[i], t[i + VL / 2], ZIP_LOW);
                    zipped[2 * i + 1] = DEAL(t[i], t[i + VL / 2], ZIP_HIGH);
                }
                UNROLL for (int i = 0; i < VL; i++) t[i] = zipped[i];
            }
            UNROLL for (int i = 0; i < VL; i++) store(dst + (c + i) * dst_step + r, t[i]);
        }
        for (; c < columns; c++)
            for (idx i = r; i < r + VL; i++) dst[c * dst_step + i] = src[i * src_step + c];
    }
    for (; r < rows; r++)
        for (idx c = 0; c < columns; c++) dst[c * dst_step + r] = src[r * src_step + c];
}
