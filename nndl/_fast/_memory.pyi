from typing import Any

from numpy.typing import DTypeLike, NDArray

WORTH_KEEPING: int

class Memory:
    def __init__(self, size: int) -> None: ...

def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]: ...
def release() -> None: ...
