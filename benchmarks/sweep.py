"""What a search costs beside its trials: the start of the workers, and each trial.

python -m benchmarks.sweep [--trials N] [--workers N]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from nndl import sweep
from nndl.sweep import _cluster


def nothing(config: dict[str, Any], budget: int, seed: int) -> float:
    return config["x"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    begin = time.perf_counter()
    with _cluster.local(options.workers, None) as client:
        started = time.perf_counter()
        address, workers = client.scheduler.address, len(client.nthreads())
        space = {"x": sweep.uniform(0, 1)}
        settings = {"trials": options.trials, "scheduler": address, "progress": False}
        sweep.search(nothing, space, **settings | {"trials": 2 * workers})  # imports
        again = time.perf_counter()
        sweep.search(nothing, space, **settings)
        ended = time.perf_counter()
    print(f"start of {workers} workers   {started - begin:.2f} s")
    print(f"end                  {time.perf_counter() - ended:.2f} s")
    print(
        f"each of {options.trials} trials  {(ended - again) / options.trials * 1e3:.2f} ms"
    )


if __name__ == "__main__":
    main()
