from typing import Any

from numpy.typing import NDArray

OPENMP: int
COMPILER: str

def adam_step(
    w: NDArray[Any],
    dw: NDArray[Any],
    m: NDArray[Any],
    v: NDArray[Any],
    next_w: NDArray[Any],
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    correction1: float,
    correction2: float,
    num_threads: int,
) -> None: ...
