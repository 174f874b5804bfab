"""The process in which ``nndl check`` runs a file."""

import sys

from ._files import work

if __name__ == "__main__":
    sys.exit(work(sys.argv[1:]))
