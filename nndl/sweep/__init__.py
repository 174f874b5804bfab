"""Coarse-to-fine random search for hyperparameters, on one machine or on many.

A space says how each hyperparameter is drawn; `search` draws configurations from it and
measures them side by side on a Dask cluster, stopping the worse ones early; `zoom`
narrows the space around the best, for the next search::

    from nndl import sweep

    def accuracy(config, budget, seed):
        ...  # train for `budget` epochs, return the validation accuracy

    space = {"learning_rate": sweep.log_uniform(1e-5, 1e-1)}
    if __name__ == "__main__":  # worker processes import this file, too
        coarse = sweep.search(accuracy, space, trials=27, budgets=(1, 3, 9))
        fine = sweep.search(accuracy, sweep.zoom(space, coarse), trials=9, budgets=9)
        print(fine.best.config, fine.best.score)

Dask is imported when a search begins; ``pip install 'nndl[sweep]'`` installs it.
"""

from ._log import read_log
from ._results import Record, SearchResult
from ._search import search
from ._space import Distribution, choice, integers, log_uniform, uniform, zoom

__all__ = [
    "Distribution",
    "Record",
    "SearchResult",
    "choice",
    "integers",
    "log_uniform",
    "read_log",
    "search",
    "uniform",
    "zoom",
]
