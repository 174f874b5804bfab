from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

OPENMP: int
COMPILER: str

def sgd_step(
    w: Array, dw: Array, next_w: Array, learning_rate: float, num_threads: int
) -> None: ...
def momentum_step(
    w: Array,
    dw: Array,
    velocity: Array,
    next_w: Array,
    learning_rate: float,
    momentum: float,
    num_threads: int,
) -> None: ...
def nesterov_step(
    w: Array,
    dw: Array,
    velocity: Array,
    next_w: Array,
    learning_rate: float,
    momentum: float,
    num_threads: int,
) -> None: ...
def rmsprop_step(
    w: Array,
    dw: Array,
    cache: Array,
    next_w: Array,
    learning_rate: float,
    decay_rate: float,
    epsilon: float,
    num_threads: int,
) -> None: ...
def adam_step(
    w: Array,
    dw: Array,
    m: Array,
    v: Array,
    next_w: Array,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    correction1: float,
    correction2: float,
    num_threads: int,
) -> None: ...
def adamw_step(
    w: Array,
    dw: Array,
    m: Array,
    v: Array,
    next_w: Array,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    correction1: float,
    correction2: float,
    shrink: float,
    num_threads: int,
) -> None: ...
