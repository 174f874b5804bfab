/* The C kernels against plain loops, without Python: compiled by tests/test_kernels.py with each compiler and for each
   width of vector it finds, and run, for another processor under an emulator. Prints what differs and returns 1. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels.c"

static int failures = 0;
static const double tolerance = T_BYTES == 4 ? 2e-5 : 1e-13;

/* n numbers from -1 to 1, the same on every machine, and room to read beyond them */
static T *numbers(idx n)
{
    static uint64_t state = 1;
    T *x = calloc(n + 256, sizeof(T));
    for (idx i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (T)((double)(state >> 33) / (1u << 30) - 1);
    }
    return x;
}
static T *zeros(idx n) { return calloc(n + 256, sizeof(T)); }

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
    T *A = numbers(M * K), *B = numbers(K * N), *bias = numbers(N), *C = zeros(M * N), *plain = zeros(M * N), *space = zeros(GEMM_SPACE);
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

typedef struct { T *x, *w, *b, *out, *dout, *dx, *dw, *db; } layer;

/* out, and dx, dw, db of the gradient dout, by the definition */
static layer plain_convolution(const conv *g)
{
    idx P = g->Ho * g->Wo;
    layer l = {numbers(g->C * g->H * g->W), numbers(g->F * g->C * g->KH * g->KW), numbers(g->F), zeros(g->F * P),
               numbers(g->F * P), zeros(g->C * g->H * g->W), zeros(g->F * g->C * g->KH * g->KW), zeros(g->F)};
    for (idx f = 0; f < g->F; f++)
        for (idx i = 0; i < g->Ho; i++)
            for (idx j = 0; j < g->Wo; j++) {
                T d = l.dout[(f * g->Ho + i) * g->Wo + j];
                double sum = l.b[f];
                for (idx c = 0; c < g->C; c++)
                    for (idx r = 0; r < g->KH; r++)
                        for (idx s = 0; s < g->KW; s++) {
                            idx h = i * g->stride + r - g->pad, w = j * g->stride + s - g->pad;
                            if (h < 0 || h >= g->H || w < 0 || w >= g->W) continue;
                            idx at = (c * g->H + h) * g->W + w, k = ((f * g->C + c) * g->KH + r) * g->KW + s;
                            sum += (double)l.x[at] * l.w[k];
                            l.dx[at] += d * l.w[k];
                            l.dw[k] += d * l.x[at];
                        }
                l.out[(f * g->Ho + i) * g->Wo + j] = sum;
                l.db[f] += d;
            }
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
    T *ordered = zeros(g->C * K * Fp), *U = zeros(ENTRIES * g->C * Fp);
    for (idx f = 0; f < F; f++)
        for (idx c = 0; c < g->C; c++)
            for (idx k = 0; k < K; k++)
                ordered[(c * K + k) * Fp + f] = reverse ? w[(c * F + f) * K + K - 1 - k] : w[(f * g->C + c) * K + k];
    for (idx f = 0; f < Fp; f += COLUMNS) BUILD.winograd_filters(ordered + f, g, Fp, U + ENTRIES * g->C * f);
    free(ordered);
    return U;
}

static void check_convolution(idx C, idx H, idx W, idx F, idx KH, idx KW, idx pad, idx stride, idx band, int winograd)
{
    conv g = {C, H, W, F, KH, KW, pad, stride, (H + 2 * pad - KH) / stride + 1, (W + 2 * pad - KW) / stride + 1, band};
    idx K = C * KH * KW, P = g.Ho * g.Wo;
    layer l = plain_convolution(&g);
    T *out = zeros(F * P), *dx = zeros(C * H * W), *dw = zeros(F * K), *db = zeros(F), *bias = zeros(round_up(F, 64) + 64);
    memcpy(bias, l.b, F * sizeof(T));
    if (winograd) {
        conv back = reversed(&g);
        idx Fp = round_up(F, COLUMNS);
        T *U = spectra_of(l.w, &g, 0), *V = spectra_of(l.w, &back, 1), *space = zeros(BUILD.winograd_space(&g, 0));
        T *dU = zeros(ENTRIES * round_up(C, COLUMNS) * Fp), *turned = zeros(K * Fp), *space2 = zeros(BUILD.winograd_space(&g, 1));
        BUILD.winograd_forward(l.x, &g, 1, U, bias, 0, out, NULL, space);
        BUILD.winograd_backward(l.x, &g, 1, V, l.dout, NULL, NULL, dx, dU, 0, db, space2);
        BUILD.winograd_filter_gradients(dU, &g, turned);
        for (idx f = 0; f < F; f++)
            for (idx k = 0; k < K; k++) dw[f * K + k] = turned[k * Fp + f];
        free(U), free(V), free(space), free(dU), free(turned), free(space2);
    } else {
        idx *offsets = calloc(K, sizeof *offsets);
        T *filters = panels(l.w, F, K, 0, CONV_ROWS), *back = panels(l.w, K, F, 1, ROWS);
        T *space = zeros(BUILD.direct_space(&g, 0)), *space2 = zeros(BUILD.direct_space(&g, 1));
        BUILD.lowered_offsets(&g, offsets);
        BUILD.direct_forward(l.x, &g, filters, offsets, bias, 0, out, NULL, space);
        BUILD.direct_backward(l.x, &g, back, offsets, l.dout, NULL, NULL, dx, dw, db, space2);
        free(offsets), free(filters), free(back), free(space), free(space2);
    }
    char what[99];
    snprintf(what, sizeof what, "%s %dx%dx%d, %d filters %dx%d, pad %d, stride %d:", winograd ? "winograd" : "direct", (int)C, (int)H,
             (int)W, (int)F, (int)KH, (int)KW, (int)pad, (int)stride);
    puts(what);
    compare("  out", out, l.out, F * P);
    compare("  dx", dx, l.dx, C * H * W);
    compare("  dw", dw, l.dw, F * K);
    compare("  db", db, l.db, F);
    free(l.x), free(l.w), free(l.b), free(l.out), free(l.dout), free(l.dx), free(l.dw), free(l.db);
    free(out), free(dx), free(dw), free(db), free(bias);
}

/* ---- pooling ---- */

static void check_pool2(idx planes, idx H, idx W)
{
    idx n = H / 2 * (W / 2) * planes;
    T *x = numbers(planes * H * W), *y = zeros(n), *plain = zeros(n), *dy = numbers(n), *dx = zeros(planes * H * W);
    T *plain_dx = zeros(planes * H * W);
    uint8_t *code = calloc(n + 64, 1);
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

/* ---- normalization ---- */

static void check_norm(idx planes, idx size)
{
    idx n = planes * size;
    T *x = numbers(n), *y = zeros(n), *plain = zeros(n), gamma = 0.7, beta = -0.2;
    double mean = 0, var = 0;
    for (idx i = 0; i < n; i++) x[i] += 5, mean += x[i] / (double)n;
    for (idx i = 0; i < n; i++) var += (x[i] - mean) * (x[i] - mean) / n;
    for (idx i = 0; i < n; i++) plain[i] = gamma * (x[i] - mean) / sqrt(var + 1e-5) + beta;
    stats s;
    BUILD.norm_forward(x, y, planes, size, size, &gamma, &beta, 0, 1e-5, 0, 0, &s);
    compare("batch norm", y, plain, n);
    free(x), free(y), free(plain);
}

int main(void)
{
    check_product(1, 1, 1, 0, 0), check_product(7, 5, 3, 1, 0), check_product(13, 70, 300, 0, 1), check_product(250, 37, 40, 1, 1);
    check_convolution(3, 9, 11, 5, 3, 3, 1, 1, 4, 0), check_convolution(2, 8, 7, 9, 3, 5, 1, 1, 2, 0);
    check_convolution(3, 15, 15, 4, 3, 3, 1, 2, 8, 0), check_convolution(1, 13, 12, 3, 2, 2, 0, 3, 2, 0);
    check_convolution(4, 1, 1, 6, 1, 1, 0, 1, 2, 0), check_convolution(3, 20, 40, 7, 7, 7, 3, 1, 6, 0);
    check_convolution(17, 8, 9, 18, 3, 3, 1, 1, 2, 1), check_convolution(16, 5, 5, 33, 3, 3, 0, 1, 2, 1);
    check_convolution(20, 7, 6, 16, 3, 3, 2, 1, 2, 1), check_convolution(16, 9, 8, 17, 5, 5, 2, 1, 2, 1);
    check_pool2(3, 4, 6), check_pool2(2, 7, 35), check_pool2(1, 64, 64);
    check_norm(4, 37), check_norm(9, 256);
    printf("%d failures\n", failures);
    return failures > 0;
}
