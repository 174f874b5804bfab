/* All kernels for one number type T and one instruction set. meson.build compiles this file once for each pair, with
   T, T_BYTES, VB (bytes in a vector), the shapes of the register tiles and BUILD, the name of the table, defined. */
#include "kernels.h"
#include "vectors.h"
#include "products.h"
#include "elementwise.h"
#include "pooling.h"
#include "direct.h"
#include "winograd.h"
#include "normalization.h"

static idx direct_space(const conv *g, int backward)
{
    if (!backward) return lowered_size(g) + SLACK(CONV_ROWS * g->band * g->Wo);
    return lowered_size(g) + band_size(g) + SLACK(ROWS * g->band * g->Wo) + image_size(g);
}
static idx winograd_space(const conv *g, int backward)
{
    return (backward ? winograd_backward_size(g) : winograd_forward_size(g)) + SLACK(0);
}

#define NAME(name, ...) .name = name,
extern const KERNELS_TYPE BUILD;
const KERNELS_TYPE BUILD = {
    ROWS, COLUMNS, CONV_ROWS, direct_space, winograd_space, winograd_images, winograd_filters_size, winograd_gradients_size,
    GEMM_SPACE, lowered_offsets, KERNELS(NAME, T)
};
