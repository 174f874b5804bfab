/* Batch, group and layer normalization: one function over sets of numbers that share a mean and a variance.

   A set is some planes of `size` numbers each, `step` apart: for batch norm the planes of one channel in all images, for
   group norm those of one group of channels in one image. gamma and beta move on by `each` from plane to plane
   (0: one channel, 1: every plane its own). Statistics are the set's own, from sums of what differs from the mean of its
   first plane, joined in double precision; or they are given: then `fixed` is 1 and they count as constants. */

enum { LANES = 4, BLOCK = 1024 }; /* sums kept side by side, or each addition would wait for the one before it; numbers that
                                     they take in before they are added to a sum in double precision */
#define SUM(lanes) total(lanes[0] + lanes[1] + (lanes[2] + lanes[3]))

/* The mean of x - center and of its square over a set */
static stats set_moments(const T *x, idx planes, idx size, idx step, T center)
{
    stats sums = {0, 0};
    idx every = size < BLOCK ? BLOCK / size : 1;
    for (idx p = 0; p < planes; p += every) {
        vec sum[LANES] = {{0}}, square[LANES] = {{0}};
        T rest = 0, rest_square = 0;
        for (idx q = p; q < smaller(p + every, planes); q++) {
            const T *plane = x + q * step;
            idx i = 0;
            for (; i + LANES * VL <= size; i += LANES * VL)
                UNROLL for (int k = 0; k < LANES; k++) {
                    vec off = load(plane + i + k * VL) - center;
                    sum[k] += off, square[k] += off * off;
                }
            for (; i + VL <= size; i += VL) {
                vec off = load(plane + i) - center;
                sum[0] += off, square[0] += off * off;
            }
            for (; i < size; i++) rest += plane[i] - center, rest_square += (plane[i] - center) * (plane[i] - center);
        }
        sums.mean += (double)SUM(sum) + rest, sums.var += (double)SUM(square) + rest_square;
    }
    sums.mean /= (double)planes * size, sums.var /= (double)planes * size;
    return sums;
}
/* What differs from the mean of the first plane is small however large the numbers are. */
static stats set_stats(const T *x, idx planes, idx size, idx step)
{
    T center = x[0] + set_moments(x, 1, size, step, x[0]).mean;
    stats off = set_moments(x, planes, size, step, center), all = {center + off.mean, off.var - off.mean * off.mean};
    if (all.var < 0) all.var = 0;
    return all;
}

static void norm_forward(const T *x, T *y, idx planes, idx size, idx step, const T *gamma, const T *beta, idx each, T eps, int relu,
                         int fixed, stats *s)
{
    if (!fixed) *s = set_stats(x, planes, size, step);
    T mean = s->mean;
    double over_std = 1 / __builtin_sqrt(s->var + eps);
    for (idx p = 0; p < planes; p++, x += step, y += step) {
        T scale = gamma[p * each] * over_std, shift = beta[p * each];
        if (relu) for (idx i = 0; i < size; i++) y[i] = relu_one((x[i] - mean) * scale + shift);
        else for (idx i = 0; i < size; i++) y[i] = (x[i] - mean) * scale + shift;
    }
}

/* dgamma, dbeta += and dx =; where a ReLU followed, dy counts only where its input was positive */
static void norm_backward(const T *x, const T *dy, T *dx, idx planes, idx size, idx step, const T *gamma, const T *beta, idx each,
                          T eps, int relu, int fixed, const stats *s, T *dgamma, T *dbeta)
{
    T mean = s->mean;
    double over_std = 1 / __builtin_sqrt(s->var + eps), sum = 0, sum_xhat = 0, n = (double)planes * size;
    idx every = each || size > BLOCK ? 1 : BLOCK / size;
    for (idx p = 0; p < planes; p += every) {
        T scale = gamma[p * each] * over_std, shift = beta[p * each], rest = 0, rest_x = 0;
        vec a[LANES] = {{0}}, b[LANES] = {{0}};
        for (idx q = p; q < smaller(p + every, planes); q++) {
            const T *xq = x + q * step, *dyq = dy + q * step;
            idx i = 0;
            for (; i + LANES * VL <= size; i += LANES * VL)
                UNROLL for (int k = 0; k < LANES; k++) {
                    vec centered = load(xq + i + k * VL) - mean, g = load(dyq + i + k * VL);
                    if (relu) g = keep(centered * scale + shift > (vec){0}, g);
                    a[k] += g, b[k] += g * centered;
                }
            for (; i + VL <= size; i += VL) {
                vec centered = load(xq + i) - mean, g = load(dyq + i);
                if (relu) g = keep(centered * scale + shift > (vec){0}, g);
                a[0] += g, b[0] += g * centered;
            }
            for (; i < size; i++) {
                T centered = xq[i] - mean, g = relu && !(centered * scale + shift > 0) ? 0 : dyq[i];
                rest += g, rest_x += g * centered;
            }
        }
        double of_g = (double)SUM(a) + rest, of_xhat = ((double)SUM(b) + rest_x) * over_std;
        dbeta[p * each] += of_g, dgamma[p * each] += of_xhat;
        sum += gamma[p * each] * of_g, sum_xhat += gamma[p * each] * of_xhat;
    }
    T slope = -sum_xhat / n * over_std * over_std, level = -sum / n * over_std;
    for (idx p = 0; p < planes; p++, x += step, dy += step, dx += step) {
        T scale = gamma[p * each] * over_std, shift = beta[p * each];
        for (idx i = 0; i < size; i++) {
            T centered = x[i] - mean, g = relu && !(centered * scale + shift > 0) ? 0 : dy[i];
            dx[i] = scale * g + (fixed ? 0 : slope * centered + level); /* fixed: no mean or variance that depends on x */
        }
    }
}

/* ---- the same for the columns of x (N x D), `width` of them: batch norm of a dense layer ---- */
enum { PANEL = 64 }; /* columns at a time: their sums stay in the first cache */
static void columns_forward(const T *x, T *y, idx N, idx D, idx width, const T *gamma, const T *beta, T eps, int relu, int fixed,
                            stats *s)
{
    T center[PANEL], sum[PANEL] = {0}, square[PANEL] = {0}, scale[PANEL];
    if (!fixed) {
        for (idx n = 0; n < N; n++) /* sums of what differs from the first row, small however large the numbers are */
            for (idx c = 0; c < width; c++) sum[c] += x[n * D + c] - x[c];
        for (idx c = 0; c < width; c++) s[c].mean = x[c] + sum[c] / (double)N;
        for (idx c = 0; c < width; c++) center[c] = s[c].mean, sum[c] = 0;
        for (idx n = 0; n < N; n++)
            for (idx c = 0; c < width; c++) {
                T off = x[n * D + c] - center[c];
                sum[c] += off, square[c] += off * off;
            }
        for (idx c = 0; c < width; c++) {
            double slip = sum[c] / (double)N, v = square[c] / (double)N - slip * slip;
            s[c].mean = center[c] + slip, s[c].var = v > 0 ? v : v != v ? v : 0;
        }
    }
    for (idx c = 0; c < width; c++) center[c] = s[c].mean, scale[c] = gamma[c] / __builtin_sqrt(s[c].var + eps);
    for (idx n = 0; n < N; n++)
        for (idx c = 0; c < width; c++) {
            T out = (x[n * D + c] - center[c]) * scale[c] + beta[c];
            y[n * D + c] = relu ? relu_one(out) : out;
        }
}
static void columns_backward(const T *x, const T *dy, T *dx, idx N, idx D, idx width, const T *gamma, const T *beta, T eps, int relu,
                             int fixed, const stats *s, T *dgamma, T *dbeta)
{
    T center[PANEL], scale[PANEL], sum[PANEL] = {0}, sum_x[PANEL] = {0}, slope[PANEL], level[PANEL];
    for (idx c = 0; c < width; c++) center[c] = s[c].mean, scale[c] = gamma[c] / __builtin_sqrt(s[c].var + eps);
    for (idx n = 0; n < N; n++)
        for (idx c = 0; c < width; c++) {
            T centered = x[n * D + c] - center[c], g = dy[n * D + c];
            if (relu && !(centered * scale[c] + beta[c] > 0)) g = 0;
            dx[n * D + c] = g, sum[c] += g, sum_x[c] += g * centered;
        }
    for (idx c = 0; c < width; c++) {
        double over_std = 1 / __builtin_sqrt(s[c].var + eps);
        dbeta[c] = sum[c], dgamma[c] = sum_x[c] * over_std;
        slope[c] = -sum_x[c] / N * over_std * over_std * scale[c], level[c] = -sum[c] / N * scale[c];
    }
    for (idx n = 0; n < N; n++)
        for (idx c = 0; c < width; c++) {
            idx i = n * D + c;
            dx[i] = scale[c] * dx[i] + (fixed ? 0 : slope[c] * (x[i] - center[c]) + level[c]);
        }
}

/* ---- layer norm: one row of D features, gamma and beta of its own for each; dgamma, dbeta += ---- */
static void row_forward(const T *x, T *y, idx D, const T *gamma, const T *beta, T eps, stats *s)
{
    *s = set_stats(x, 1, D, D);
    T mean = s->mean, over_std = 1 / __builtin_sqrt(s->var + eps);
    for (idx i = 0; i < D; i++) y[i] = (x[i] - mean) * over_std * gamma[i] + beta[i];
}
static void row_backward(const T *x, const T *dy, T *dx, idx D, const T *gamma, T eps, const stats *s, T *restrict dgamma, T *restrict dbeta)
{
    T mean = s->mean, over_std = 1 / __builtin_sqrt(s->var + eps), rest = 0, rest_xhat = 0;
    vec a = {0}, b = {0};
    idx i = 0;
    for (; i + VL <= D; i += VL) {
        vec g = load(dy + i), xhat = (load(x + i) - mean) * over_std;
        store(dbeta + i, load(dbeta + i) + g), store(dgamma + i, load(dgamma + i) + g * xhat);
        g *= load(gamma + i);
        a += g, b += g * xhat;
    }
    for (; i < D; i++) {
        T g = dy[i], xhat = (x[i] - mean) * over_std;
        dbeta[i] += g, dgamma[i] += g * xhat;
        g *= gamma[i];
        rest += g, rest_xhat += g * xhat;
    }
    T level = (total(a) + rest) / D, slope = (total(b) + rest_xhat) / D;
    for (i = 0; i < D; i++) dx[i] = (dy[i] * gamma[i] - level - (x[i] - mean) * over_std * slope) * over_std;
}
