/* What remains: one number in, one number out. */
static void relu(const T *x, T *y, idx n)
{
    for (idx i = 0; i < n; i++) y[i] = relu_one(x[i]);
}
/* what the ReLU of x lets pass: 1 where x is positive, else 0 */
static void positive(const T *x, uint8_t *passed, idx n)
{
    for (idx i = 0; i < n; i++) passed[i] = x[i] > 0;
}
static void masked(const T *dy, const uint8_t *passed, T *dx, idx n)
{
    for (idx i = 0; i < n; i++) dx[i] = passed[i] ? dy[i] : 0;
}

/* sums[c] = the sum of column c of x (N x D), `width` columns */
static void column_sums(const T *x, idx N, idx D, idx width, T *restrict sums)
{
    memset(sums, 0, width * sizeof(T));
    for (idx n = 0; n < N; n++)
        for (idx c = 0; c < width; c++) sums[c] += x[n * D + c];
}

/* *yes &= no NaN, no infinity, and no number so large that sums of products of two would overflow, among the n numbers:
   times FAR each is finite, and times 0 then is 0 */
#define FAR ((T)(T_BYTES == 4 ? 0x1p83 : 0x1p600)) /* 2^45 times FAR is no float any more, 2^424 times FAR no double */
static void all_moderate(const T *x, idx n, int *yes)
{
    vec a = {0}, b = {0};
    idx i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) a += 0 * (FAR * load(x + i)), b += 0 * (FAR * load(x + i + VL));
    T rest = total(a + b);
    for (; i < n; i++) rest += 0 * (FAR * x[i]);
    if (rest != 0) *yes = 0;
}
#undef FAR
