"""The package's compiled code, timed against its peers in one process.

    python -m benchmarks [--quick] [--only T1 N2] [--threads 2] [--json FILE]

`nndl bench` does the same: the folder is installed as `nndl.benchmarks`.

    python -m nndl.benchmarks.train CONFIG.toml [--record FILE.json]

trains an experiment of `nndl train` with PyTorch.
"""
