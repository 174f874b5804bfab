from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def available() -> tuple[str, ...]: ...
def isa() -> str: ...
def choose(name: str) -> str: ...
def wake_for(work: float) -> float: ...
def panels(a: Array, rows: int) -> Array: ...
def product(
    a: Array, b: Array, out: Array, bias: Array | None, relu: bool, threads: int
) -> None: ...
def column_sums(x: Array, out: Array, threads: int) -> None: ...
def winograd_pays(x: Array, w: Array, pad: int, stride: int, threads: int) -> bool: ...
def all_moderate(x: Array, threads: int) -> bool: ...
def conv_forward(
    x: Array,
    w: Array,
    b: Array,
    pad: int,
    stride: int,
    relu: bool,
    pooled: bool,
    threads: int,
) -> tuple[Array, Array | None]: ...
def conv_backward(
    dout: Array,
    x: Array,
    w: Array,
    passed: Array | None,
    code: Array | None,
    pad: int,
    stride: int,
    need_dx: bool,
    threads: int,
) -> tuple[Array | None, Array, Array]: ...
def pool_forward(
    x: Array, height: int, width: int, stride: int, threads: int
) -> tuple[Array, Array]: ...
def pool_backward(
    dout: Array, winners: Array, H: int, W: int, threads: int
) -> Array: ...
def batchnorm_forward(
    x: Array,
    gamma: Array,
    beta: Array,
    eps: float,
    relu: bool,
    s: Array,
    fixed: bool,
    threads: int,
) -> Array: ...
def batchnorm_backward(
    dout: Array,
    x: Array,
    gamma: Array,
    beta: Array,
    eps: float,
    relu: bool,
    s: Array,
    fixed: bool,
    threads: int,
) -> tuple[Array, Array, Array]: ...
def groupnorm_forward(
    x: Array, gamma: Array, beta: Array, G: int, eps: float, threads: int
) -> tuple[Array, Array]: ...
def groupnorm_backward(
    dout: Array, x: Array, gamma: Array, G: int, eps: float, s: Array, threads: int
) -> tuple[Array, Array, Array]: ...
def relu(x: Array, out: Array, threads: int) -> None: ...
def positive(x: Array, passed: Array, threads: int) -> None: ...
def masked(dout: Array, passed: Array, dx: Array, threads: int) -> None: ...
def dropout(
    x: Array, drawn: Array, p: float, mask: Array, out: Array, threads: int
) -> None: ...
def softmax_loss(x: Array, y: Array, dx: Array, threads: int) -> Array: ...
