/* Which build of the kernels runs: chosen when the program runs, not when it is compiled. */
#include "kernels.h"

kernels_float kernels_f;
kernels_double kernels_d;

#define BUILDS(isa) \
    extern const kernels_float kernels_f_##isa; \
    extern const kernels_double kernels_d_##isa;
BUILDS(baseline)
#ifdef NNDL_X86
BUILDS(avx2)
BUILDS(avx512)
#endif

static const struct { const char *name; const kernels_float *f; const kernels_double *d; } builds[] = {
#ifdef NNDL_X86
    {"avx512", &kernels_f_avx512, &kernels_d_avx512},
    {"avx2", &kernels_f_avx2, &kernels_d_avx2},
#endif
    {"baseline", &kernels_f_baseline, &kernels_d_baseline},
};

int isa_count(void) { return sizeof builds / sizeof builds[0]; }

const char *isa_name(int i)
{
#ifdef NNDL_X86
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if ((i == 0 && !(avx2 && avx512)) || (i == 1 && !avx2)) return NULL;
#endif
    return builds[i].name;
}

void isa_use(int i)
{
    kernels_f = *builds[i].f;
    kernels_d = *builds[i].d;
}
