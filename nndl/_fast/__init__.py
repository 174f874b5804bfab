"""Compiled kernels. They check nothing: call them through `nndl.optim` and `nndl.fast_layers`."""
