"""The process in which ``nndl check`` runs a file."""

import sys

from .._interrupts import end_at_interrupts
from ._files import work

if __name__ == "__main__":
    end_at_interrupts()
    sys.exit(work(sys.argv[1:]))
