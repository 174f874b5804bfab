/* Direct convolution of one image: a product of the filters with a matrix that is never built whole.

   Its row k = (c, kh, kw) holds, for every output pixel, the input pixel that filter weight k meets there. At stride 1,
   rows of different kh are one another moved by a line, so KW moved copies of the padded image serve for all KH * KW rows:
   a table of offsets finds them. At other strides every row is written out. Tall images are worked band by band of
   output lines, so that the copies stay in the second cache. */
INLINE idx input_lines(const conv *g) { return (g->band - 1) * g->stride + g->KH; }
INLINE idx padded_width(const conv *g) { return g->W + 2 * g->pad; }
#define SLACK(n) (round_up(n, 64) + 8 * VL + CONV_COLUMNS) /* room to read on to the end of a tile */

static idx lowered_size(const conv *g)
{
    idx lines = input_lines(g), rows = g->stride == 1 ? g->KW * g->C * lines : g->KH * g->KW * g->C * g->band;
    return SLACK(g->C * lines * padded_width(g)) + SLACK(rows * g->Wo);
}
static idx band_size(const conv *g) { return SLACK(g->F * g->band * g->Wo); }
static idx image_size(const conv *g) { return SLACK(g->C * (g->H + 2 * g->pad) * padded_width(g)); }

/* offset[k] = where row k = (c, kh, kw) of the matrix starts in what lower() returns */
static void lowered_offsets(const conv *g, idx *offset)
{
    idx lines = input_lines(g);
    for (idx c = 0; c < g->C; c++)
        for (idx kh = 0; kh < g->KH; kh++)
            for (idx kw = 0; kw < g->KW; kw++)
                *offset++ = (g->stride == 1 ? ((kw * g->C + c) * lines + kh) * g->Wo
                                                 : ((kh * g->KW + kw) * g->C + c) * g->band * g->Wo);
}

/* Lower the input of output lines first, first + 1, ... into space, and return where the rows of the matrix are */
static T *lower(const T *x, const conv *g, idx first, idx out_lines, T *space)
{
    idx lines = input_lines(g), Wp = padded_width(g), Wo = g->Wo, s = g->stride, used = (out_lines - 1) * s + g->KH;
    T *padded = space, *lowered = space + SLACK(g->C * lines * Wp), *dst = lowered;
    for (idx c = 0; c < g->C; c++)
        for (idx i = 0; i < used; i++) {
            T *line = padded + (c * lines + i) * Wp;
            idx h = first * s - g->pad + i;
            if (h < 0 || h >= g->H) {
                memset(line, 0, Wp * sizeof(T));
                continue;
            }
            for (idx w = 0; w < g->pad; w++) line[w] = line[w + g->pad + g->W] = 0;
            memcpy(line + g->pad, x + (c * g->H + h) * g->W, g->W * sizeof(T));
        }
    for (idx kh = 0; kh < (s == 1 ? 1 : g->KH); kh++)
        for (idx kw = 0; kw < g->KW; kw++)
            for (idx c = 0; c < g->C; c++) {
                const T *src = padded + (c * lines + kh) * Wp + kw;
                if (s == 1)
                    for (idx i = 0; i < used; i++, src += Wp) /* the next line mends what is written beyond this one */
                        for (idx w = 0; w < Wo; w += VL) store(dst + i * Wo + w, load(src + w));
                else if (s == 2)
                    for (idx i = 0; i < out_lines; i++, src += 2 * Wp)
                        for (idx w = 0; w < Wo; w += VL)
                            store(dst + i * Wo + w, DEAL(load(src + 2 * w), load(src + 2 * w + VL), EVENS));
                else
                    for (idx i = 0; i < out_lines; i++, src += s * Wp)
                        for (idx w = 0; w < Wo; w++) dst[i * Wo + w] = src[w * s];
                dst += (s == 1 ? lines : g->band) * Wo;
            }
    return lowered;
}

/* y = x * filters + bias, through a ReLU and a 2 x 2 pool if asked (code is then where its winners go).
   filters: panels [F / CONV_ROWS][C KH KW][CONV_ROWS], padded with zeros as bias is */
static void direct_forward(const T *x, const conv *g, const T *filters, const idx *offset, const T *bias, int relu, T *y,
                           uint8_t *code, T *space)
{
    idx P = g->Ho * g->Wo, K = g->C * g->KH * g->KW, Pp = (g->Ho / 2) * (g->Wo / 2);
    T *strip = space + lowered_size(g);
    for (idx first = 0; first < g->Ho; first += g->band) {
        idx lines = smaller(g->band, g->Ho - first), pixels = lines * g->Wo;
        const T *lowered = lower(x, g, first, lines, space);
        for (idx f = 0; f < g->F; f += CONV_ROWS) {
            idx rows = smaller(CONV_ROWS, g->F - f), pooled = f * Pp + first / 2 * (g->Wo / 2);
            T *out = code ? strip : y + f * P + first * g->Wo;
            tiles(tile_conv, CONV_ROWS, CONV_COLUMNS, rows, pixels, K, filters + f * K, 0, CONV_ROWS, lowered, 1, 0, offset, out,
                  code ? pixels : P, bias + f, relu && !code, 0);
            for (idx r = 0; code && r < rows; r++)
                pool2(strip + r * pixels, 1, lines, g->Wo, y + pooled + r * Pp, code + pooled + r * Pp, relu);
        }
    }
}

/* dw[f][k] += <d[f], row k of the lowered image>, for 4 x 3 pairs (f, k) at a time */
enum { DOT_F = 4, DOT_K = 3 };
ALONE void dots(idx P, const T *const *d, const T *const *row, T *sums)
{
    vec sum[DOT_F][DOT_K];
    UNROLL for (int f = 0; f < DOT_F; f++)
        UNROLL for (int k = 0; k < DOT_K; k++) sum[f][k] = (vec){0};
    const T *d0 = d[0], *d1 = d[1], *d2 = d[2], *d3 = d[3], *r0 = row[0], *r1 = row[1], *r2 = row[2];
    idx p = 0;
    for (; p + VL <= P; p += VL) {
        const T *left[DOT_F] = {d0 + p, d1 + p, d2 + p, d3 + p};
        const vec right[DOT_K] = {load(r0 + p), load(r1 + p), load(r2 + p)};
        UNROLL for (int f = 0; f < DOT_F; f++) {
            vec v = load(left[f]);
            UNROLL for (int k = 0; k < DOT_K; k++) sum[f][k] += v * right[k];
        }
    }
    UNROLL for (int f = 0; f < DOT_F; f++)
        UNROLL for (int k = 0; k < DOT_K; k++) {
            T s = total(sum[f][k]);
            for (idx q = p; q < P; q++) s += d[f][q] * row[k][q];
            sums[f * DOT_K + k] = s;
        }
}
static void filter_gradients(const T *d, idx d_step, const T *lowered, const idx *offset, idx F, idx K, idx P, T *dw)
{
    for (idx k = 0; k < K; k += DOT_K)
        for (idx f = 0; f < F; f += DOT_F) {
            const T *left[DOT_F], *right[DOT_K];
            T sums[DOT_F * DOT_K];
            for (idx i = 0; i < DOT_F; i++) left[i] = d + smaller(f + i, F - 1) * d_step;
            for (idx j = 0; j < DOT_K; j++) right[j] = lowered + offset[smaller(k + j, K - 1)];
            dots(P, left, right, sums);
            for (idx i = 0; i < smaller(DOT_F, F - f); i++)
                for (idx j = 0; j < smaller(DOT_K, K - k); j++) dw[(f + i) * K + k + j] += sums[i * DOT_K + j];
        }
}

/* d = the gradient of the convolution's output on the lines from first: dout itself, or only where it passed the ReLU, or at
   the winners of the pool */
static void unfuse(const T *dout, const uint8_t *passed, const uint8_t *code, const conv *g, idx first, idx lines, T *d)
{
    idx P = g->Ho * g->Wo, pixels = lines * g->Wo, w = g->Wo / 2, Pp = g->Ho / 2 * w;
    for (idx f = 0; f < g->F; f++, d += pixels) {
        idx at = f * P + first * g->Wo, pooled = f * Pp + first / 2 * w;
        if (code) unpool2(dout + pooled, code + pooled, 1, lines, g->Wo, d);
        else if (passed) masked(dout + at, passed + at, d, pixels);
        else memcpy(d, dout + at, pixels * sizeof(T));
    }
}

/* db[f] += the sum of plane f of d */
static void bias_gradients(const T *d, idx F, idx P, T *db)
{
    for (idx f = 0; f < F; f++, d += P) {
        vec a = {0}, b = {0};
        T rest = 0;
        idx i = 0;
        for (; i + 2 * VL <= P; i += 2 * VL) a += load(d + i), b += load(d + i + VL);
        for (; i < P; i++) rest += d[i];
        db[f] += total(a + b) + rest;
    }
}

/* The transpose of lower(): add row k of the matrix's gradient to the padded image, where its pixels came from */
static void raise(const T *row, idx k, const conv *g, idx first, idx lines, T *padded)
{
    idx c = k / (g->KH * g->KW), kh = k / g->KW % g->KH, kw = k % g->KW, Hp = g->H + 2 * g->pad, Wp = padded_width(g);
    T *dst = padded + (c * Hp + first * g->stride + kh) * Wp + kw;
    for (idx i = 0; i < lines; i++, dst += g->stride * Wp, row += g->Wo)
        if (g->stride == 1)
            for (idx w = 0; w < g->Wo; w++) dst[w] += row[w];
        else
            for (idx w = 0; w < g->Wo; w++) dst[w * g->stride] += row[w];
}

/* dw, db += and dx = (unless NULL) the gradients of one image. filters: panels [C KH KW / ROWS][F][ROWS] */
static void direct_backward(const T *x, const conv *g, const T *filters, const idx *offset, const T *dout, const uint8_t *passed,
                            const uint8_t *code, T *dx, T *dw, T *db, T *space)
{
    idx F = g->F, K = g->C * g->KH * g->KW, Hp = g->H + 2 * g->pad, Wp = padded_width(g);
    T *d = space + lowered_size(g), *strip = d + band_size(g), *padded = strip + SLACK(ROWS * g->band * g->Wo);
    if (dx) memset(padded, 0, g->C * Hp * Wp * sizeof(T));
    for (idx first = 0; first < g->Ho; first += g->band) {
        idx lines = smaller(g->band, g->Ho - first), pixels = lines * g->Wo;
        unfuse(dout, passed, code, g, first, lines, d);
        bias_gradients(d, F, pixels, db);
        filter_gradients(d, pixels, lower(x, g, first, lines, space), offset, F, K, pixels, dw);
        for (idx k = 0; dx && k < K; k += ROWS) {
            idx rows = smaller(ROWS, K - k);
            tiles(tile_columns, ROWS, COLUMNS, rows, pixels, F, filters + k * F, 0, ROWS, d, 1, pixels, NULL, strip, pixels,
                  NULL, 0, 0);
            for (idx r = 0; r < rows; r++) raise(strip + r * pixels, k + r, g, first, lines, padded);
        }
    }
    for (idx c = 0; dx && c < g->C; c++)
        for (idx h = 0; h < g->H; h++)
            memcpy(dx + (c * g->H + h) * g->W, padded + (c * Hp + h + g->pad) * Wp + g->pad, g->W * sizeof(T));
}
