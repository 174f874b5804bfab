/* Max pooling. What is remembered is where each maximum was: in 2 x 2 windows two bits say it, in others an index. */
typedef uint8_t codes __attribute__((vector_size(VB / T_BYTES)));
enum { NOBODY = 4 }; /* the code of a window whose gradient the ReLU stops */

/* b is the larger; of two equals the first stays, a NaN beats every number, the first NaN beats the others */
INLINE mask beats(vec b, vec a) { return ~(b <= a) & (a == a); }
INLINE int beats_one(T b, T a) { return !(b <= a) && a == a; }

/* y = max over 2 x 2 windows, stride 2, of planes of H x W, perhaps through a ReLU; code: which of the four won */
static void pool2(const T *x, idx planes, idx H, idx W, T *y, uint8_t *code, int relu)
{
    idx w = W / 2;
    for (idx plane = 0; plane < planes; plane++, x += H * W)
        for (idx i = 0; i < H / 2; i++, y += w, code += w) {
            const T *top = x + 2 * i * W, *low = top + W;
            idx j = 0;
            for (; j + VL <= w; j += VL) {
                vec t0 = load(top + 2 * j), t1 = load(top + 2 * j + VL), l0 = load(low + 2 * j), l1 = load(low + 2 * j + VL);
                vec a = DEAL(t0, t1, EVENS), b = DEAL(t0, t1, ODDS), c = DEAL(l0, l1, EVENS), d = DEAL(l0, l1, ODDS);
                mask right = beats(b, a), low_right = beats(d, c);
                vec upper = choose(right, b, a), lower = choose(low_right, d, c);
                mask down = beats(lower, upper), winner = (down & (2 - low_right)) | (~down & -right);
                vec most = choose(down, lower, upper);
                if (relu) {
                    mask positive = most > (vec){0};
                    winner = (winner & positive) | (NOBODY & ~positive);
                    most = relu_vec(most);
                }
                store(y + j, most);
                codes small = __builtin_convertvector(winner, codes);
                memcpy(code + j, &small, sizeof small);
            }
            for (; j < w; j++) {
                T a = top[2 * j], b = top[2 * j + 1], c = low[2 * j], d = low[2 * j + 1];
                int right = beats_one(b, a), low_right = beats_one(d, c);
                T upper = right ? b : a, lower = low_right ? d : c;
                int down = beats_one(lower, upper);
                T most = down ? lower : upper;
                code[j] = relu && !(most > 0) ? NOBODY : down ? 2 + low_right : right;
                y[j] = relu ? relu_one(most) : most;
            }
        }
}

/* dx = dy where the winners were, else 0 */
static void unpool2(const T *dy, const uint8_t *code, idx planes, idx H, idx W, T *dx)
{
    idx w = W / 2;
    for (idx plane = 0; plane < planes; plane++, dx += H * W) {
        for (idx i = 0; i < H / 2; i++, dy += w, code += w) {
            T *top = dx + 2 * i * W, *low = top + W;
            idx j = 0;
            for (; j + VL <= w; j += VL) {
                codes small;
                memcpy(&small, code + j, sizeof small);
                mask winner = __builtin_convertvector(small, mask);
                vec g = load(dy + j);
                vec a = keep(winner == 0, g), b = keep(winner == 1, g), c = keep(winner == 2, g), d = keep(winner == 3, g);
                store(top + 2 * j, DEAL(a, b, ZIP_LOW)), store(top + 2 * j + VL, DEAL(a, b, ZIP_HIGH));
                store(low + 2 * j, DEAL(c, d, ZIP_LOW)), store(low + 2 * j + VL, DEAL(c, d, ZIP_HIGH));
            }
            for (; j < w; j++)
                for (int k = 0; k < 4; k++) (k < 2 ? top : low)[2 * j + k % 2] = code[j] == k ? dy[j] : 0;
            if (W % 2) top[W - 1] = low[W - 1] = 0;
        }
        if (H % 2) memset(dx + (H - 1) * W, 0, W * sizeof(T));
    }
}

/* Any other window: KH x KW, any stride; where: the index of the maximum in its plane */
static void pool(const T *x, idx planes, idx H, idx W, idx KH, idx KW, idx stride, T *y, int32_t *where)
{
    for (idx plane = 0; plane < planes; plane++, x += H * W)
        for (idx i = 0; i + KH <= H; i += stride)
            for (idx j = 0; j + KW <= W; j += stride) {
                idx best = i * W + j;
                for (idx h = i; h < i + KH; h++)
                    for (idx w = j; w < j + KW; w++)
                        if (beats_one(x[h * W + w], x[best])) best = h * W + w;
                *y++ = x[best];
                *where++ = (int32_t)best;
            }
}

static void unpool(const T *dy, const int32_t *where, idx planes, idx outputs, idx pixels, T *dx)
{
    memset(dx, 0, planes * pixels * sizeof(T));
    for (idx plane = 0; plane < planes; plane++, dx += pixels)
        for (idx i = 0; i < outputs; i++) dx[*where++] += *dy++;
}
