/* The C kernels against plain loops, without Python: compiled by tests/test_kernels.py with each compiler and for each
   width of vector it finds, and run, for another processor under an emulator. Prints what differs and returns 1.
   Every array is as large as the kernels may use it and no larger, so that valgrind and sanitizers see them go beyond. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels.c"

static int failures = 0;
static const double tolerance = T_BYTES == 4 ? 2e-5 : 1e-13;

/* n numbers from -1 to 1, the same on every machine */
static T *numbers(idx n)
{
    static uint64_t state = 1;
    T *x = malloc(n * sizeof(T));
    for (idx i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (T)((double)(state >> 33) / (1u << 30) - 1);
    }
    return x;
}
static T *zeros(idx n) { return calloc(n, sizeof(T)); }
/* what a kernel has to fill or may work in: whoever reads it before is caught by valgrind */
static T *unset(idx n) { return malloc(n * sizeof(T)); }

static void compare(const char *what, const T *found, const T *expected, idx n)
{
    double largest = 1e-300, worst = 0;
    for (idx i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)expected[i]));
        double off = fabs((double)found[i] - (double)expected[i]);
        if (!(off <= worst)) worst = off;
    }
    if (!(worst <= tolerance * largest)) {
        printf("%s: off by %g of the largest value\n", what, worst / largest);
        failures++;
    }
}

/* ---- products ---- */

static void check_product(idx M, idx N, idx K, int a_turned, int b_turned)
{
    T *A = numbers(M * K), *B = numbers(K * N), *bias = numbers(N), *C = unset(M * N), *plain = zeros(M * N), *space = unset(GEMM_SPACE);
    idx am = a_turned ? 1 : K, ak = a_turned ? M : 1, bk = b_turned ? 1 : N, bn = b_turned ? K : 1;
    for (idx m = 0; m < M; m++)
        for (idx n = 0; n < N; n++) {
            double sum = bias[n];
            for (idx k = 0; k < K; k++) sum += (double)A[m * am + k * ak] * B[k * bk + n * bn];
            plain[m * N + n] = sum > 0 ? sum : 0;
        }
    BUILD.gemm(A, M, N, K, am, ak, B, bk, bn, C, N, bias, 1, space);
    compare("product", C, plain, M * N);
    free(A), free(B), free(bias), free(C), free(plain), free(space);
}

/* ---- convolution ---- */

/* with what a ReLU let pass, and where the maxima of a 2 x 2 pool after it were, if there are such */
typedef struct { T *x, *w, *b, *out, *dout, *dx, *dw, *db; uint8_t *passed, *code; } layer;
typedef enum { ALONE_, THEN_RELU, THEN_RELU_POOL } fusion;

/* out, and dx, dw, db of the gradient dout, by the definition */
static layer plain_convolution(const conv *g, fusion fused)
{
    idx P = g->Ho * g->Wo, w = g->Wo / 2, Pp = g->Ho / 2 * w;
    layer l = {numbers(g->C * g->H * g->W), numbers(g->F * g->C * g->KH * g->KW), numbers(g->F), zeros(g->F * P),
               numbers(g->F * (fused == THEN_RELU_POOL ? Pp : P)), zeros(g->C * g->H * g->W), zeros(g->F * g->C * g->KH * g->KW),
               zeros(g->F), NULL, NULL};
    T *d = zeros(g->F * P), *pooled = zeros(g->F * Pp);
    for (int backward = 0; backward < 2; backward++) {
        for (idx f = 0; f < g->F; f++)
            for (idx i = 0; i < g->Ho; i++)
                for (idx j = 0; j < g->Wo; j++) {
                    T gradient = d[(f * g->Ho + i) * g->Wo + j];
                    double sum = l.b[f];
                    for (idx c = 0; c < g->C; c++)
                        for (idx r = 0; r < g->KH; r++)
                            for (idx s = 0; s < g->KW; s++) {
                                idx h = i * g->stride + r - g->pad, w = j * g->stride + s - g->pad;
                                if (h < 0 || h >= g->H || w < 0 || w >= g->W) continue;
                                idx at = (c * g->H + h) * g->W + w, k = ((f * g->C + c) * g->KH + r) * g->KW + s;
                                sum += (double)l.x[at] * l.w[k];
                                l.dx[at] += gradient * l.w[k];
                                l.dw[k] += gradient * l.x[at];
                            }
                    if (!backward) l.out[(f * g->Ho + i) * g->Wo + j] = sum;
                    l.db[f] += gradient;
                }
        if (backward) break;
        if (fused == ALONE_) memcpy(d, l.dout, g->F * P * sizeof(T));
        if (fused == THEN_RELU) {
            l.passed = malloc(g->F * P);
            for (idx i = 0; i < g->F * P; i++) {
                l.passed[i] = l.out[i] > 0;
                d[i] = l.passed[i] ? l.dout[i] : 0;
                l.out[i] = l.passed[i] ? l.out[i] : 0;
            }
        }
        if (fused == THEN_RELU_POOL) {
            l.code = malloc(g->F * Pp);
            for (idx p = 0; p < g->F * Pp; p++) {
                const idx corner = p / Pp * P + p % Pp / w * 2 * g->Wo + p % w * 2, step[4] = {0, 1, g->Wo, g->Wo + 1};
                int best = 0;
                for (int k = 1; k < 4; k++)
                    if (l.out[corner + step[k]] > l.out[corner + step[best]]) best = k;
                T most = l.out[corner + step[best]];
                l.code[p] = most > 0 ? best : NOBODY;
                if (most > 0) d[corner + step[best]] = l.dout[p];
                pooled[p] = most > 0 ? most : 0;
            }
            memcpy(l.out, pooled, g->F * Pp * sizeof(T));
        }
    }
    free(d), free(pooled);
    return l;
}

/* the matrix a (M x K; turned: stored K x M) in panels of `rows` rows */
static T *panels(const T *a, idx M, idx K, int turned, idx rows)
{
    T *packed = zeros(round_up(M, rows) * K);
    for (idx m = 0; m < M; m++)
        for (idx k = 0; k < K; k++) packed[(m / rows * K + k) * rows + m % rows] = turned ? a[k * M + m] : a[m * K + k];
    return packed;
}

/* the spectra of the filters, turned by half a turn and C, F exchanged for the gradient of the input */
static T *spectra_of(const T *w, const conv *g, int reverse)
{
    idx F = g->F, Fp = round_up(F, COLUMNS), K = g->KH * g->KW;
    idx block = g->C * K * COLUMNS, size = BUILD.winograd_filters_size(g);
    T *ordered = zeros(Fp / COLUMNS * block), *U = zeros(Fp / COLUMNS * size);
    for (idx f = 0; f < F; f++)
        for (idx c = 0; c < g->C; c++)
            for (idx k = 0; k < K; k++)
                ordered[f / COLUMNS * block + (c * K + k) * COLUMNS + f % COLUMNS] =
                    reverse ? w[(c * F + f) * K + K - 1 - k] : w[(f * g->C + c) * K + k];
    for (idx i = 0; i < Fp / COLUMNS; i++) BUILD.winograd_filters(ordered + i * block, g, U + i * size);
    free(ordered);
    return U;
}

static void check_convolution(idx C, idx H, idx W, idx F, idx KH, idx KW, idx pad, idx stride, idx band, int winograd, fusion fused)
{
    conv g = {C, H, W, F, KH, KW, pad, stride, (H + 2 * pad - KH) / stride + 1, (W + 2 * pad - KW) / stride + 1, band};
    idx K = C * KH * KW, P = fused == THEN_RELU_POOL ? g.Ho / 2 * (g.Wo / 2) : g.Ho * g.Wo;
    layer l = plain_convolution(&g, fused);
    T *out = unset(F * P), *dx = unset(C * H * W), *dw = zeros(F * K), *db = zeros(F), *bias = zeros(F + 64);
    uint8_t *code = fused == THEN_RELU_POOL ? malloc(F * P) : NULL;
    memcpy(bias, l.b, F * sizeof(T));
    if (winograd) {
        conv back = reversed(&g);
        idx Fp = round_up(F, COLUMNS);
        T *U = spectra_of(l.w, &g, 0), *V = spectra_of(l.w, &back, 1), *space = unset(BUILD.winograd_space(&g, 0));
        T *dU = unset(BUILD.winograd_gradients_size(&g)), *turned = unset(K * Fp), *space2 = unset(BUILD.winograd_space(&g, 1));
        BUILD.winograd_forward(l.x, &g, 1, U, bias, fused != ALONE_, out, code, space);
        BUILD.winograd_backward(l.x, &g, 1, V, l.dout, l.passed, l.code, dx, dU, 0, db, space2);
        BUILD.winograd_filter_gradients(dU, &g, turned);
        for (idx f = 0; f < F; f++)
            for (idx k = 0; k < K; k++) dw[f * K + k] = turned[k * Fp + f];
        free(U), free(V), free(space), free(dU), free(turned), free(space2);
    } else {
        idx *offsets = calloc(K, sizeof *offsets);
        T *filters = panels(l.w, F, K, 0, CONV_ROWS), *back = panels(l.w, K, F, 1, ROWS);
        T *space = unset(BUILD.direct_space(&g, 0)), *space2 = unset(BUILD.direct_space(&g, 1));
        BUILD.lowered_offsets(&g, offsets);
        BUILD.direct_forward(l.x, &g, filters, offsets, bias, fused != ALONE_, out, code, space);
        BUILD.direct_backward(l.x, &g, back, offsets, l.dout, l.passed, l.code, dx, dw, db, space2);
        free(offsets), free(filters), free(back), free(space), free(space2);
    }
    char what[99];
    snprintf(what, sizeof what, "%s %dx%dx%d, %d filters %dx%d, pad %d, stride %d%s:", winograd ? "winograd" : "direct", (int)C,
             (int)H, (int)W, (int)F, (int)KH, (int)KW, (int)pad, (int)stride,
             fused == ALONE_ ? "" : fused == THEN_RELU ? ", ReLU" : ", ReLU, pool");
    puts(what);
    compare("  out", out, l.out, F * P);
    compare("  dx", dx, l.dx, C * H * W);
    compare("  dw", dw, l.dw, F * K);
    compare("  db", db, l.db, F);
    free(l.x), free(l.w), free(l.b), free(l.out), free(l.dout), free(l.dx), free(l.dw), free(l.db), free(l.passed), free(l.code);
    free(out), free(dx), free(dw), free(db), free(bias), free(code);
}

/* ---- pooling ---- */

static void check_pool2(idx planes, idx H, idx W)
{
    idx n = H / 2 * (W / 2) * planes;
    T *x = numbers(planes * H * W), *y = unset(n), *plain = zeros(n), *dy = numbers(n), *dx = unset(planes * H * W);
    T *plain_dx = zeros(planes * H * W);
    uint8_t *code = malloc(n);
    for (idx p = 0, at = 0; p < planes; p++)
        for (idx i = 0; i + 1 < H; i += 2)
            for (idx j = 0; j + 1 < W; j += 2, at++) {
                idx best = (p * H + i) * W + j, others[3] = {best + 1, best + W, best + W + 1};
                for (int k = 0; k < 3; k++)
                    if (x[others[k]] > x[best]) best = others[k];
                plain[at] = x[best];
                plain_dx[best] = dy[at];
            }
    BUILD.pool2(x, planes, H, W, y, code, 0);
    BUILD.unpool2(dy, code, planes, H, W, dx);
    compare("pool", y, plain, n);
    compare("pool gradient", dx, plain_dx, planes * H * W);
    free(x), free(y), free(plain), free(dy), free(dx), free(plain_dx), free(code);
}

static void check_pool(idx planes, idx H, idx W, idx KH, idx KW, idx stride)
{
    idx Ho = (H - KH) / stride + 1, Wo = (W - KW) / stride + 1, n = planes * Ho * Wo;
    T *x = numbers(planes * H * W), *y = unset(n), *plain = zeros(n), *dy = numbers(n), *dx = unset(planes * H * W);
    T *plain_dx = zeros(planes * H * W);
    int32_t *where = malloc(n * sizeof *where);
    for (idx at = 0; at < n; at++) {
        idx p = at / (Ho * Wo), i = at / Wo % Ho * stride, j = at % Wo * stride, best = (p * H + i) * W + j;
        for (idx r = 0; r < KH; r++)
            for (idx c = 0; c < KW; c++)
                if (x[(p * H + i + r) * W + j + c] > x[best]) best = (p * H + i + r) * W + j + c;
        plain[at] = x[best];
        plain_dx[best] += dy[at];
    }
    BUILD.pool(x, planes, H, W, KH, KW, stride, y, where);
    BUILD.unpool(dy, where, planes, Ho * Wo, H * W, dx);
    compare("any pool", y, plain, n);
    compare("any pool's gradient", dx, plain_dx, planes * H * W);
    free(x), free(y), free(plain), free(dy), free(dx), free(plain_dx), free(where);
}

/* ---- normalization ---- */

/* sets of numbers that share a mean and a variance: number i of set k is at k * set_step + i * step; gamma and beta are one
   for each set, or one for every `each` numbers of a set */
typedef struct { idx sets, size, set_step, step, each; } sharing;
enum { EVERY_SET = 0 };

static T *normalized(const sharing *s, const T *x, const T *gamma, const T *beta, T eps, const T *dy, T *dx, T *dgamma, T *dbeta)
{
    T *y = zeros(s->sets * s->size);
    for (idx k = 0; k < s->sets; k++) {
        double mean = 0, var = 0, level = 0, slope = 0;
        const idx at = k * s->set_step;
        for (idx i = 0; i < s->size; i++) mean += x[at + i * s->step] / (double)s->size;
        for (idx i = 0; i < s->size; i++) var += (x[at + i * s->step] - mean) * (x[at + i * s->step] - mean) / s->size;
        for (int pass = 0; pass < 2; pass++)
            for (idx i = 0; i < s->size; i++) {
                idx n = at + i * s->step, c = s->each == EVERY_SET ? k : i / s->each;
                double xhat = (x[n] - mean) / sqrt(var + eps), d = (double)dy[n] * gamma[c];
                if (pass) dx[n] = (d - level / s->size - xhat * slope / s->size) / sqrt(var + eps);
                else y[n] = gamma[c] * xhat + beta[c], dgamma[c] += dy[n] * xhat, dbeta[c] += dy[n], level += d, slope += d * xhat;
            }
    }
    return y;
}

typedef enum { PLANES, COLUMNS_OF_ROWS, ROWS_ALONE } layout;

/* PLANES: batch norm of one channel if each is 0, else group norm; COLUMNS_OF_ROWS: batch norm of features; ROWS_ALONE: layer norm */
static void check_norm(const char *what, layout as, idx planes, idx size, idx each)
{
    idx n = planes * size, channels = as == COLUMNS_OF_ROWS || as == ROWS_ALONE ? size : each ? planes : 1;
    T eps = 1e-3, *x = numbers(n), *dy = numbers(n), *y = unset(n), *dx = unset(n), *gamma = numbers(channels), *beta = numbers(channels);
    T *dgamma = zeros(channels), *dbeta = zeros(channels), *plain_dx = zeros(n), *plain_dgamma = zeros(channels), *plain_dbeta = zeros(channels);
    stats *s = malloc((as == COLUMNS_OF_ROWS ? size : as == ROWS_ALONE ? planes : 1) * sizeof *s);
    for (idx i = 0; i < n; i++) x[i] += 2;
    sharing shared = {1, n, n, 1, each ? size : n};
    if (as == COLUMNS_OF_ROWS) shared = (sharing){size, planes, 1, size, EVERY_SET};
    if (as == ROWS_ALONE) shared = (sharing){planes, size, size, 1, 1};
    T *plain = normalized(&shared, x, gamma, beta, eps, dy, plain_dx, plain_dgamma, plain_dbeta);
    if (as == PLANES) {
        BUILD.norm_forward(x, y, planes, size, size, gamma, beta, each, eps, 0, 0, s);
        BUILD.norm_backward(x, dy, dx, planes, size, size, gamma, beta, each, eps, 0, 0, s, dgamma, dbeta);
    } else if (as == COLUMNS_OF_ROWS)
        for (idx c = 0; c < size; c += PANEL) {
            idx width = smaller(PANEL, size - c);
            BUILD.columns_forward(x + c, y + c, planes, size, width, gamma + c, beta + c, eps, 0, 0, s + c);
            BUILD.columns_backward(x + c, dy + c, dx + c, planes, size, width, gamma + c, beta + c, eps, 0, 0, s + c, dgamma + c,
                                   dbeta + c);
        }
    else
        for (idx r = 0; r < planes; r++) {
            BUILD.row_forward(x + r * size, y + r * size, size, gamma, beta, eps, s + r);
            BUILD.row_backward(x + r * size, dy + r * size, dx + r * size, size, gamma, eps, s + r, dgamma, dbeta);
        }
    puts(what);
    compare("  y", y, plain, n);
    compare("  dx", dx, plain_dx, n);
    compare("  dgamma", dgamma, plain_dgamma, channels);
    compare("  dbeta", dbeta, plain_dbeta, channels);
    free(x), free(dy), free(y), free(dx), free(gamma), free(beta), free(dgamma), free(dbeta), free(plain), free(plain_dx);
    free(plain_dgamma), free(plain_dbeta), free(s);
}

/* ---- one number in, one number out ---- */

static void check_elementwise(idx n)
{
    T *x = numbers(n), *dy = numbers(n), *y = unset(n), *dx = unset(n), *plain = zeros(n), *plain_dx = zeros(n);
    uint8_t *passed = malloc(n);
    for (idx i = 0; i < n; i++) plain[i] = x[i] > 0 ? x[i] : 0, plain_dx[i] = x[i] > 0 ? dy[i] : 0;
    BUILD.relu(x, y, n);
    BUILD.positive(x, passed, n);
    BUILD.masked(dy, passed, dx, n);
    compare("ReLU", y, plain, n);
    compare("ReLU's gradient", dx, plain_dx, n);
    int moderate = 1, infinite = 1;
    BUILD.all_moderate(x, n, &moderate);
    x[n / 2] = INFINITY;
    BUILD.all_moderate(x, n, &infinite);
    if (!moderate || infinite) puts("all_moderate is wrong"), failures++;
    free(x), free(dy), free(y), free(dx), free(plain), free(plain_dx), free(passed);
}

static void check_transpose(idx rows, idx columns, int upside_down)
{
    T *x = numbers(rows * columns), *turned = unset(rows * columns), *plain = zeros(rows * columns);
    for (idx r = 0; r < rows; r++)
        for (idx c = 0; c < columns; c++) plain[(upside_down ? columns - 1 - c : c) * rows + r] = x[r * columns + c];
    BUILD.transpose(x, rows, columns, columns, upside_down ? turned + (columns - 1) * rows : turned, upside_down ? -rows : rows);
    compare("transpose", turned, plain, rows * columns);
    free(x), free(turned), free(plain);
}

static void check_column_sums(idx N, idx D)
{
    T *x = numbers(N * D), *sums = unset(D), *plain = zeros(D);
    for (idx i = 0; i < N * D; i++) plain[i % D] += x[i];
    BUILD.column_sums(x, N, D, D, sums);
    compare("column sums", sums, plain, D);
    free(x), free(sums), free(plain);
}

int main(void)
{
    check_product(1, 1, 1, 0, 0), check_product(7, 5, 3, 1, 0), check_product(13, 70, 300, 0, 1), check_product(250, 37, 40, 1, 1);
    check_product(5, 9, 520, 1, 0);
    for (fusion fused = ALONE_; fused <= THEN_RELU_POOL; fused++) {
        check_convolution(3, 9, 11, 5, 3, 3, 1, 1, 4, 0, fused), check_convolution(2, 8, 7, 9, 3, 5, 1, 1, 2, 0, fused);
        check_convolution(3, 15, 15, 4, 3, 3, 1, 2, 8, 0, fused), check_convolution(1, 13, 12, 3, 2, 2, 0, 3, 2, 0, fused);
        check_convolution(4, 2, 3, 6, 1, 1, 0, 1, 2, 0, fused), check_convolution(3, 20, 40, 7, 7, 7, 3, 1, 6, 0, fused);
        check_convolution(17, 8, 9, 18, 3, 3, 1, 1, 2, 1, fused), check_convolution(16, 5, 5, 33, 3, 3, 0, 1, 2, 1, fused);
        check_convolution(20, 7, 6, 16, 3, 3, 2, 1, 2, 1, fused), check_convolution(16, 9, 8, 17, 5, 5, 2, 1, 2, 1, fused);
    }
    check_convolution(4, 1, 1, 6, 1, 1, 0, 1, 2, 0, ALONE_), check_convolution(1, 3, 3, 1, 3, 3, 0, 5, 2, 0, THEN_RELU);
    check_pool2(3, 4, 6), check_pool2(2, 7, 35), check_pool2(1, 64, 64);
    check_pool(2, 5, 7, 3, 2, 1), check_pool(3, 9, 9, 4, 4, 4), check_pool(1, 1, 6, 1, 1, 2);
    check_norm("batch norm of images", PLANES, 4, 37, 0), check_norm("batch norm of images", PLANES, 9, 256, 0);
    check_norm("batch norm of images", PLANES, 1, 1100, 0), check_norm("batch norm of images", PLANES, 70, 4, 0);
    check_norm("group norm", PLANES, 3, 50, 1), check_norm("group norm", PLANES, 5, 1, 1);
    check_norm("batch norm", COLUMNS_OF_ROWS, 9, 7, 0), check_norm("batch norm", COLUMNS_OF_ROWS, 5, 130, 0);
    check_norm("layer norm", ROWS_ALONE, 3, 37, 0), check_norm("layer norm", ROWS_ALONE, 2, 3, 0);
    check_elementwise(1), check_elementwise(77), check_elementwise(1000);
    check_column_sums(9, 5), check_column_sums(3, 70);
    check_transpose(1, 1, 0), check_transpose(16, 9, 1), check_transpose(37, 70, 0), check_transpose(64, 33, 1);
    printf("%d failures\n", failures);
    return failures > 0;
}
