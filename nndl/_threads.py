"""How many threads the compiled kernels use, and how they were built."""

from __future__ import annotations

import os

from ._arguments import whole_number
from ._machine import cores

#: More would exhaust the stack of the thread that starts them.
MOST_THREADS = 1024

#: None until it is needed: asking the system at every layer would take longer than some
#: layers do.
_chosen: int | None = None
_forked = False


def set_num_threads(n: int | None) -> None:
    """Set the number of threads that the compiled kernels use from now on.

    Results do not depend on it, to the last bit. The number holds for all threads of
    this process; each of them may call compiled functions, at the same time as others,
    and changes the number safely.

    Parameters
    ----------
    n : int or None
        From 1 to 1024. None goes back to the default: the environment variable
        ``NNDL_NUM_THREADS`` if it is set, else the number of CPUs that this process may
        use, as they are when the number is next needed.

    Raises
    ------
    TypeError
        If `n` is neither an integer nor None.
    ValueError
        If `n` lies outside its range.
    """
    global _chosen
    _chosen = (
        None if n is None else whole_number("n", n, at_least=1, at_most=MOST_THREADS)
    )


def get_num_threads() -> int:
    """Return the number of threads that the compiled kernels use.

    In a process that was forked it is 1, because the OpenMP runtime's threads do not
    survive a fork, and waiting for them would take for ever. `multiprocessing` starts
    processes that are not forked, with all threads, by the methods ``spawn`` and, if
    nndl is not among the modules that its server preloads, ``forkserver``.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If the environment variable ``NNDL_NUM_THREADS`` is not a whole number from 1 to
        1024.
    """
    global _chosen
    if _forked:
        return 1
    chosen = _chosen  # which another thread may set to None at any moment
    if chosen is None:
        _chosen = chosen = _default_threads()
    return chosen


def _default_threads() -> int:
    wish = os.environ.get("NNDL_NUM_THREADS", "").strip()
    if not wish:
        return cores()
    if not wish.isdecimal() or not 1 <= int(wish) <= MOST_THREADS:
        raise ValueError(
            f"the environment variable NNDL_NUM_THREADS must be a whole number from 1 to "
            f"{MOST_THREADS}, but is {wish!r}."
        )
    return int(wish)


def show_config() -> None:
    """Print the version of the package, its threads and how its kernels were compiled.

    The instruction set is the best one of this machine; the environment variable
    ``NNDL_ISA`` (baseline, avx2 or avx512) names another when the package is imported.
    """
    from . import __version__
    from ._fast import _kernels, _optim

    openmp = f"yes ({_optim.OPENMP})" if _optim.OPENMP else "no, one thread"
    print(f"nndl {__version__}")
    print(
        f"vectors   {_kernels.isa()} (this machine has {', '.join(_kernels.available())})"
    )
    print(f"threads   {get_num_threads()}")
    print(f"OpenMP    {openmp}")
    print(f"compiler  {_optim.COMPILER}")


def _note_the_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_the_fork)
