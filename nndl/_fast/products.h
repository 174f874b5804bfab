/* Matrix products, the work of every affine layer and every convolution.

   A tile of the result, ROWS x VECS vectors, stays in registers while k runs: for each k, VECS vectors of the
   right operand meet ROWS numbers of the left one, so 4 x 3 vectors cost 7 loads for 12 multiply-adds and the
   arithmetic units never wait (Goto and van de Geijn 2008, ACM TOMS 34). Two shapes of tile: one for products, one
   (CONV_ROWS x CONV_VECS) for direct convolution, where the rows are filters, often a multiple of 4 or 8 of them. */
enum { ROWS = TILE_ROWS, VECS = TILE_VECS, COLUMNS = VECS * VL, CONV_COLUMNS = CONV_VECS * VL,
       MOST_ROWS = 8, MOST_VECS = 3 };

/* One tile: c[m][n] (+)= sum over k of a(m, k) * b(k, n) + bias[m]. Three ways to find the operands: */
typedef void tile_function(idx K, const T *a, idx a_step, const T *b, idx b_step, const idx *b_offset,
                           T *c, idx c_step, const T *bias, int relu, int add);

INLINE void tile(const int rows, const int vecs, const int a_by_rows, const int b_by_offset, idx K, const T *a, idx a_step,
                 const T *b, idx b_step, const idx *b_offset, T *c, idx c_step, const T *bias, int relu, int add)
{
    vec sum[MOST_ROWS][MOST_VECS];
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < vecs; v++) sum[m][v] = (vec){0};
    for (idx k = 0; k < K; k++) {
        const T *bk = b + (b_by_offset ? b_offset[k] : k * b_step);
        vec right[MOST_VECS];
        UNROLL for (int v = 0; v < vecs; v++) right[v] = load(bk + v * VL);
        UNROLL for (int m = 0; m < rows; m++) {
            T left = a_by_rows ? a[m * a_step + k] : a[k * a_step + m];
            UNROLL for (int v = 0; v < vecs; v++) sum[m][v] += left * right[v];
        }
    }
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < vecs; v++) {
            vec s = sum[m][v];
            T *out = c + m * c_step + v * VL;
            if (bias) s += bias[m];
            if (relu) s = relu_vec(s);
            if (add) s += load(out);
            store(out, s);
        }
}
#define TILE(name, rows, vecs, a_by_rows, b_by_offset)                                                                   \
    ALONE void name(idx K, const T *a, idx a_step, const T *b, idx b_step, const idx *b_offset, T *c, idx c_step,         \
                    const T *bias, int relu, int add)                                                                     \
    { tile(rows, vecs, a_by_rows, b_by_offset, K, a, a_step, b, b_step, b_offset, c, c_step, bias, relu, add); }
TILE(tile_columns, ROWS, VECS, 0, 0)         /* a(m, k) at a[k * a_step + m], b(k, n) at b[k * b_step + n] */
TILE(tile_rows, ROWS, VECS, 1, 0)            /* a(m, k) at a[m * a_step + k] */
TILE(tile_conv, CONV_ROWS, CONV_VECS, 0, 1)  /* b(k, n) at b[b_offset[k] + n] */

/* c (M x N) of any size, tile by tile; a_next, b_next lead from one row or column to the next. The operands are
   read a little beyond M and N (what is there may be anything); only M x N numbers are written. */
INLINE void tiles(tile_function *tile, const int rows, const int columns, idx M, idx N, idx K, const T *a, idx a_next,
                  idx a_step, const T *b, idx b_next, idx b_step, const idx *b_offset, T *c, idx c_step, const T *bias,
                  int relu, int add)
{
    for (idx n = 0; n < N; n += columns)
        for (idx m = 0; m < M; m += rows) {
            const T *am = a + m * a_next, *bn = b + n * b_next, *bias_m = bias ? bias + m : NULL;
            T *out = c + m * c_step + n, part[MOST_ROWS * MOST_VECS * VL];
            if (M - m >= rows && N - n >= columns) {
                tile(K, am, a_step, bn, b_step, b_offset, out, c_step, bias_m, relu, add);
                continue;
            }
            tile(K, am, a_step, bn, b_step, b_offset, part, columns, bias_m, relu, 0);
            for (idx i = 0; i < smaller(rows, M - m); i++)
                for (idx j = 0; j < smaller(columns, N - n); j++)
                    out[i * c_step + j] = part[i * columns + j] + (add ? out[i * c_step + j] : 0);
        }
}

/* ---- C (M x N) = A B + bias, then perhaps a ReLU ----
   A(m, k) is at A[m * am + k * ak] with am or ak 1, B(k, n) at B[k * bk + n * bn] with bk or bn 1. Blocks of A are
   copied to lie densely in the second cache, COLUMNS columns of B in the first. */
enum { DEPTH = 512, HEIGHT = 1008 / T_BYTES, GAP = 16 /* between rows, or they would meet in one cache set */ };
#define GEMM_SPACE ((HEIGHT + ROWS) * (DEPTH + GAP) + DEPTH * COLUMNS + 64 * VL)

INLINE void copy_rows(T *dst, const int whole, const T *src, idx src_step, idx rows, idx width)
{
    if (width == whole) /* a constant number of bytes is copied without a call */
        for (idx r = 0; r < rows; r++) memcpy(dst + r * whole, src + r * src_step, whole * sizeof(T));
    else
        for (idx r = 0; r < rows; r++) memcpy(dst + r * whole, src + r * src_step, width * sizeof(T));
}

static void gemm(const T *A, idx M, idx N, idx K, idx am, idx ak, const T *B, idx bk, idx bn, T *C, idx c_step,
                 const T *bias, int relu, T *space)
{
    T *left = space, *right = space + (HEIGHT + ROWS) * (DEPTH + GAP);
    int by_rows = ak == 1;
    idx blocks = (M + HEIGHT - 1) / HEIGHT, block = round_up((M + blocks - 1) / blocks, ROWS); /* of equal height */
    for (idx k0 = 0; k0 < K; k0 += DEPTH)
        for (idx m0 = 0; m0 < M; m0 += block) {
            idx depth = smaller(DEPTH, K - k0), height = smaller(block, M - m0), step = depth + GAP;
            const T *a = A + m0 * am + k0 * ak;
            if (by_rows)
                for (idx m = 0; m < height; m++) memcpy(left + m * step, a + m * am, depth * sizeof(T));
            else
                for (idx k = 0; k < depth; k++) {
                    const T *row = a + k * ak;
                    idx m = 0;
                    for (; m + ROWS <= height; m += ROWS) memcpy(left + m * step + k * ROWS, row + m, ROWS * sizeof(T));
                    memcpy(left + m * step + k * ROWS, row + m, (height - m) * sizeof(T));
                }
            for (idx n = 0; n < N; n += COLUMNS) {
                idx width = smaller(COLUMNS, N - n);
                const T *b = B + k0 * bk + n * bn;
                if (bn == 1)
                    copy_rows(right, COLUMNS, b, bk, depth, width);
                else
                    transpose(b, width, depth, bn, right, COLUMNS);
                T *c = C + m0 * c_step + n;
                if (by_rows)
                    tiles(tile_rows, ROWS, COLUMNS, height, width, depth, left, step, step, right, 1, COLUMNS, NULL,
                          c, c_step, NULL, 0, k0 > 0);
                else
                    tiles(tile_columns, ROWS, COLUMNS, height, width, depth, left, step, ROWS, right, 1, COLUMNS, NULL,
                          c, c_step, NULL, 0, k0 > 0);
            }
        }
    if (K == 0)
        for (idx m = 0; m < M; m++) memset(C + m * c_step, 0, N * sizeof(T));
    if (bias)
        for (idx m = 0; m < M; m++)
            for (idx n = 0; n < N; n++) {
                T s = C[m * c_step + n] + bias[n];
                C[m * c_step + n] = relu ? relu_one(s) : s;
            }
}
