/* Winograd's convolution F(m x m, r x r) for stride 1 and m + r = 7 (Lavin and Gray 2016, CVPR): 3 x 3 filters give 4 x 4
   outputs, 5 x 5 filters 2 x 2, from a 6 x 6 patch of the input, by 36 products a channel instead of 144 or 100.

   With patch d and filter w, out = AT [(G w GT) . (BT d B)] A: the transformed patch and filter ("spectra") are multiplied
   entry by entry and summed over channels, so each of the 36 entries is a matrix product, patches x channels x filters.
   The matrices evaluate and interpolate polynomials at the points 0, +-1/sqrt 2, +-sqrt 2 and infinity, which lose four to
   five times less accuracy than 0, +-1, +-2. Pixels are worked in the order [row][column][channel], so that a vector
   holds channels; spectra lie as [36][patch][channel], with a GAP after each of the 36, for 36 places that are a round
   number of bytes apart would meet in one cache set. */
enum { PATCH = 6, ENTRIES = PATCH * PATCH };
#define R 1.4142135623730951 /* sqrt 2 */
static const double INPUT_MATRIX[36] = {1, 0, -2.5, 0, 1, 0,         0, -R, -2, R / 2, 1, 0,     0, R, -2, -R / 2, 1, 0,
                                        0, -R / 2, -.5, R, 1, 0,     0, R / 2, -.5, -R, 1, 0,    0, 1, 0, -2.5, 0, 1};
static const double FILTER3[18] = {1, 0, 0,                -2. / 3, -R / 3, -1. / 3,  -2. / 3, R / 3, -1. / 3,
                                   1. / 6, R / 6, 1. / 3,  1. / 6, -R / 6, 1. / 3,    0, 0, 1};
static const double FILTER5[30] = {1, 0, 0, 0, 0,
                                   -2. / 3, -R / 3, -1. / 3, -R / 6, -1. / 6,   -2. / 3, R / 3, -1. / 3, R / 6, -1. / 6,
                                   1. / 6, R / 6, 1. / 3, R / 3, 2. / 3,        1. / 6, -R / 6, 1. / 3, -R / 3, 2. / 3,
                                   0, 0, 0, 0, 1};
static const double OUTPUT3[24] = {1, 1, 1, 1, 1, 0,        0, R / 2, -R / 2, R, -R, 0,
                                   0, .5, .5, 2, 2, 0,      0, R / 4, -R / 4, 2 * R, -2 * R, 1};
static const double OUTPUT5[12] = {1, 1, 1, 1, 1, 0,        0, R / 2, -R / 2, R, -R, 1};
/* the transposes of the last four, for the gradients */
static const double FILTER3_T[18] = {1, -2. / 3, -2. / 3, 1. / 6, 1. / 6, 0,      0, -R / 3, R / 3, R / 6, -R / 6, 0,
                                     0, -1. / 3, -1. / 3, 1. / 3, 1. / 3, 1};
static const double FILTER5_T[30] = {1, -2. / 3, -2. / 3, 1. / 6, 1. / 6, 0,      0, -R / 3, R / 3, R / 6, -R / 6, 0,
                                     0, -1. / 3, -1. / 3, 1. / 3, 1. / 3, 0,      0, -R / 6, R / 6, R / 3, -R / 3, 0,
                                     0, -1. / 6, -1. / 6, 2. / 3, 2. / 3, 1};
static const double OUTPUT3_T[24] = {1, 0, 0, 0,    1, R / 2, .5, R / 4,    1, -R / 2, .5, -R / 4,
                                     1, R, 2, 2 * R,   1, -R, 2, -2 * R,    0, 0, 0, 1};
static const double OUTPUT5_T[12] = {1, 0,    1, R / 2,    1, -R / 2,    1, R,    1, -R,    0, 1};
#undef R

/* out (rows x rows) = M in M^T with M (rows x columns), where in and out are tables of pointers to n channels each. The
   matrices are known to the compiler, which leaves out what is multiplied by 0. */
INLINE vec combine(const double *weight, const int n, const vec *v, const int step)
{
    vec sum = {0};
    int empty = 1;
    UNROLL for (int k = 0; k < n; k++) {
        if (weight[k] == 0) continue;
        if (empty) sum = weight[k] == 1 ? v[k * step] : (T)weight[k] * v[k * step];
        else sum += (T)weight[k] * v[k * step];
        empty = 0;
    }
    return sum;
}
INLINE void sandwich(const int rows, const int columns, const double *M, const T *const *in, T *const *out, idx n)
{
    for (idx c = 0; c < n; c += VL) {
        vec half[PATCH][PATCH];
        UNROLL for (int j = 0; j < columns; j++) {
            vec v[PATCH];
            UNROLL for (int k = 0; k < columns; k++) v[k] = load(in[k * columns + j] + c);
            UNROLL for (int i = 0; i < rows; i++) half[i][j] = combine(M + i * columns, columns, v, 1);
        }
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int j = 0; j < rows; j++) store(out[i * rows + j] + c, combine(M + j * columns, columns, half[i], 1));
    }
}
#define TRANSFORM(name, rows, columns, M) \
    ALONE void name(const T *const *in, T *const *out, idx n) { sandwich(rows, columns, M, in, out, n); }
typedef void transform(const T *const *in, T *const *out, idx n);
TRANSFORM(input_spectrum, 6, 6, INPUT_MATRIX)
TRANSFORM(filter3_spectrum, 6, 3, FILTER3)
TRANSFORM(filter5_spectrum, 6, 5, FILTER5)
TRANSFORM(output3, 4, 6, OUTPUT3)
TRANSFORM(output5, 2, 6, OUTPUT5)
TRANSFORM(gradient3_spectrum, 6, 4, OUTPUT3_T)
TRANSFORM(gradient5_spectrum, 6, 2, OUTPUT5_T)
TRANSFORM(filter3_gradient, 3, 6, FILTER3_T)
TRANSFORM(filter5_gradient, 5, 6, FILTER5_T)

INLINE idx tile_side(const conv *g) { return PATCH + 1 - g->KH; } /* m: outputs of a patch along each axis */
INLINE idx patches_down(const conv *g) { return (g->Ho + tile_side(g) - 1) / tile_side(g); }
INLINE idx patches_across(const conv *g) { return (g->Wo + tile_side(g) - 1) / tile_side(g); }
INLINE idx patches(const conv *g) { return patches_down(g) * patches_across(g); }
static idx winograd_images(const conv *g) { return patches(g) < 64 ? 64 / patches(g) : 1; } /* at a time, for the second cache */

/* where the side x side pixels from (h, w) of image[H][W][C] are; those outside it are at zeros */
static void window(const T *image, idx H, idx W, idx C, idx h, idx w, idx side, const T *zeros, const T **at)
{
    for (idx i = h; i < h + side; i++)
        for (idx j = w; j < w + side; j++) *at++ = i >= 0 && i < H && j >= 0 && j < W ? image + (i * W + j) * C : zeros;
}

/* the spectra [36][patch][C], the 36 by `step` apart, of the patches of image[H][W][C], or of the tiles of its output's
   gradient */
static void spectra(transform *turn, const T *image, idx H, idx W, idx C, const conv *g, idx margin, idx side, const T *zeros,
                    T *spectrum, idx step)
{
    const T *in[ENTRIES];
    T *out[ENTRIES];
    for (idx i = 0; i < patches_down(g); i++)
        for (idx j = 0; j < patches_across(g); j++, spectrum += C) {
            for (idx k = 0; k < ENTRIES; k++) out[k] = spectrum + k * step;
            window(image, H, W, C, i * tile_side(g) - margin, j * tile_side(g) - margin, side, zeros, in);
            turn(in, out, C);
        }
}

INLINE idx filters_step(const conv *g) { return g->C * COLUMNS + GAP; }
static idx winograd_filters_size(const conv *g) { return ENTRIES * filters_step(g); }
/* the spectra U[36][C][COLUMNS] of a block of the filters, w[C][KH][KW][COLUMNS] */
static void winograd_filters(const T *w, const conv *g, T *U)
{
    const T *in[25];
    T *out[ENTRIES];
    for (idx c = 0; c < g->C; c++) {
        for (idx k = 0; k < g->KH * g->KW; k++) in[k] = w + (c * g->KH * g->KW + k) * COLUMNS;
        for (idx k = 0; k < ENTRIES; k++) out[k] = U + k * filters_step(g) + c * COLUMNS;
        (g->KH == 3 ? filter3_spectrum : filter5_spectrum)(in, out, COLUMNS);
    }
}

static idx winograd_convolve_size(const conv *g, idx n)
{
    idx Cp = round_up(g->C, COLUMNS), t = n * patches(g);
    return Cp + ENTRIES * (t * Cp + round_up(t, ROWS) * COLUMNS + 2 * GAP) + 2 * round_up(g->Ho * g->Wo, VL) * COLUMNS + ROWS * Cp;
}
/* n images [H][W][Cp] convolved: y[n][F][Ho][Wo] through bias, ReLU and 2 x 2 pool as direct_forward() */
static void winograd_convolve(const T *images, const conv *g, idx n, const T *U, const T *bias, int relu, T *y, uint8_t *code,
                              T *space)
{
    idx P = g->Ho * g->Wo, Py = code ? (g->Ho / 2) * (g->Wo / 2) : P, Cp = round_up(g->C, COLUMNS);
    idx side = tile_side(g), each = patches(g), t = n * each, tp = round_up(t, ROWS);
    idx S_step = t * Cp + GAP, M_step = tp * COLUMNS + GAP;
    T *zeros = space, *S = zeros + Cp, *M = S + ENTRIES * S_step + ROWS * Cp, *pixels = M + ENTRIES * M_step;
    T *planes = pixels + round_up(P, VL) * COLUMNS, *out[16];
    const T *in[ENTRIES];
    memset(zeros, 0, Cp * sizeof(T));
    for (idx i = 0; i < n; i++)
        spectra(input_spectrum, images + i * g->H * g->W * Cp, g->H, g->W, Cp, g, g->pad, PATCH, zeros, S + i * each * Cp, S_step);
    for (idx f = 0; f < g->F; f += COLUMNS, U += winograd_filters_size(g)) {
        idx filters = smaller(COLUMNS, g->F - f);
        for (idx k = 0; k < ENTRIES; k++)
            tiles(tile_rows, ROWS, COLUMNS, tp, COLUMNS, g->C, S + k * S_step, Cp, Cp, U + k * filters_step(g), 1, COLUMNS, NULL,
                  M + k * M_step, COLUMNS, NULL, 0, 0);
        for (idx i = 0; i < n; i++) {
            for (idx p = 0; p < each; p++) {
                idx h = p / patches_across(g) * side, w = p % patches_across(g) * side;
                for (idx k = 0; k < ENTRIES; k++) in[k] = M + k * M_step + (i * each + p) * COLUMNS;
                window(pixels, g->Ho, g->Wo, COLUMNS, h, w, side, planes, (const T **)out); /* what lies outside is lost in planes */
                (g->KH == 3 ? output3 : output5)(in, out, COLUMNS);
            }
            if (bias)
                for (idx p = 0; p < P; p++)
                    for (idx v = 0; v < COLUMNS; v += VL) {
                        T *at = pixels + p * COLUMNS + v;
                        vec s = load(at) + load(bias + f + v);
                        store(at, relu && !code ? relu_vec(s) : s);
                    }
            T *to = y + (i * g->F + f) * Py;
            transpose(pixels, P, filters, COLUMNS, code ? planes : to, P);
            if (code) pool2(planes, filters, g->Ho, g->Wo, to, code + (i * g->F + f) * Py, relu);
        }
    }
}

static idx winograd_forward_size(const conv *g)
{
    idx n = winograd_images(g);
    return n * g->H * g->W * round_up(g->C, COLUMNS) + winograd_convolve_size(g, n);
}
static void winograd_forward(const T *x, const conv *g, idx n, const T *U, const T *bias, int relu, T *y, uint8_t *code, T *space)
{
    idx HW = g->H * g->W, Cp = round_up(g->C, COLUMNS);
    for (idx i = 0; i < n; i++) {
        T *image = space + i * HW * Cp;
        transpose(x + i * g->C * HW, g->C, HW, HW, image, Cp);
        for (idx p = 0; p < HW && Cp > g->C; p++) memset(image + p * Cp + g->C, 0, (Cp - g->C) * sizeof(T));
    }
    winograd_convolve(space, g, n, U, bias, relu, y, code, space + n * HW * Cp);
}

/* the convolution whose output is dx: of dout with the filters turned by half a turn and C, F exchanged */
static conv reversed(const conv *g)
{
    conv back = {g->F, g->Ho, g->Wo, g->C, g->KH, g->KW, g->KH - 1 - g->pad, 1, g->H, g->W, 0};
    return back;
}
INLINE idx gradients_step(const conv *g) { return round_up(g->C, COLUMNS) * round_up(g->F, COLUMNS) + GAP; }
static idx winograd_gradients_size(const conv *g) { return ENTRIES * gradients_step(g); }
static idx winograd_backward_size(const conv *g)
{
    conv back = reversed(g);
    idx n = winograd_images(g), t = n * patches(g), Cp = round_up(g->C, COLUMNS), Fp = round_up(g->F, COLUMNS);
    return n * g->Ho * g->Wo * Fp + Cp + Fp + round_up(g->F * g->Ho * g->Wo, 64) + g->H * g->W * Cp +
           (ENTRIES * t + ROWS) * (Cp + Fp) + 2 * ENTRIES * GAP + winograd_convolve_size(&back, n);
}
/* n images: dU[36][Cp][Fp] (+)= the products of the spectra of x and dout, db +=, dx = (unless NULL); U: of the turned filters */
static void winograd_backward(const T *x, const conv *g, idx n, const T *U, const T *dout, const uint8_t *passed, const uint8_t *code, T *dx,
                              T *dU, int add, T *db, T *space)
{
    conv back = reversed(g);
    idx P = g->Ho * g->Wo, Pd = code ? (g->Ho / 2) * (g->Wo / 2) : P, HW = g->H * g->W, each = patches(g), t = n * each;
    idx Cp = round_up(g->C, COLUMNS), Fp = round_up(g->F, COLUMNS);
    T *dimages = space, *zeros = dimages + n * P * Fp, *d = zeros + Cp + Fp, *image = d + round_up(g->F * P, 64);
    idx S_step = t * Cp + GAP, Z_step = t * Fp + GAP;
    T *S = image + HW * Cp, *Z = S + ENTRIES * S_step + ROWS * Cp, *rest = Z + ENTRIES * Z_step + ROWS * Fp;
    memset(zeros, 0, (Cp + Fp) * sizeof(T));
    for (idx p = 0; p < HW && Cp > g->C; p++) memset(image + p * Cp + g->C, 0, (Cp - g->C) * sizeof(T));
    for (idx i = 0; i < n; i++) {
        T *dimage = dimages + i * P * Fp;
        unfuse(dout + i * g->F * Pd, passed ? passed + i * g->F * P : NULL, code ? code + i * g->F * Pd : NULL, g, 0, g->Ho, d);
        bias_gradients(d, g->F, P, db);
        transpose(d, g->F, P, P, dimage, Fp);
        for (idx p = 0; p < P && Fp > g->F; p++) memset(dimage + p * Fp + g->F, 0, (Fp - g->F) * sizeof(T));
        spectra(g->KH == 3 ? gradient3_spectrum : gradient5_spectrum, dimage, g->Ho, g->Wo, Fp, g, 0, tile_side(g), zeros,
                Z + i * each * Fp, Z_step);
        transpose(x + i * g->C * HW, g->C, HW, HW, image, Cp);
        spectra(input_spectrum, image, g->H, g->W, Cp, g, g->pad, PATCH, zeros, S + i * each * Cp, S_step);
    }
    for (idx k = 0; k < ENTRIES; k++)
        tiles(tile_columns, ROWS, COLUMNS, g->C, Fp, t, S + k * S_step, 1, Cp, Z + k * Z_step, 1, Fp, NULL,
              dU + k * gradients_step(g), Fp, NULL, 0, add);
    if (dx) winograd_convolve(dimages, &back, n, U, NULL, 0, dx, NULL, rest);
}
/* dw[C][KH][KW][Fp] from the gradient of the filters' spectra */
static void winograd_filter_gradients(const T *dU, const conv *g, T *dw)
{
    idx Fp = round_up(g->F, COLUMNS);
    const T *in[ENTRIES];
    T *out[25];
    for (idx c = 0; c < g->C; c++) {
        for (idx k = 0; k < ENTRIES; k++) in[k] = dU + k * gradients_step(g) + c * Fp;
        for (idx k = 0; k < g->KH * g->KW; k++) out[k] = dw + (c * g->KH * g->KW + k) * Fp;
        (g->KH == 3 ? filter3_gradient : filter5_gradient)(in, out, Fp);
    }
}
