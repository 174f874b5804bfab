from __future__ import annotations

import argparse
import sys

from .options import add_options, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time nndl's compiled code against its peers.",
    )
    add_options(parser)
    try:
        run(parser.parse_args())
    except OSError as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit("benchmarks: interrupted")
