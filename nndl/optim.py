"""Update rules: each turns parameters and their gradient into the next parameters.

Every rule is called as ``next_w, config = rule(w, dw, config)``. `config` is a dict of
settings and of the rule's memory (velocities, averages); what is missing is filled in,
so the config returned by one step is what the next step needs. `w` and `dw` are never
changed; `config` is.

A NaN or an infinity in `dw` goes into `w` and into the rule's memory, where a NaN stays
for good. A gradient whose square overflows (from 2e19 on in float32) makes the average
of `rmsprop`, `adam` and `adamw` infinite, for good too, and from then on the parameter
stays where it is, but for the weight decay.

The rules whose names end in ``_fast`` are compiled: same signature, same results to the
last bit. They update the arrays in `config` in place where the layout allows it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._arguments import (
    Array,
    as_float_array,
    compiled_twin_of,
    number,
    whole_number,
)
from ._fast import _optim
from ._fast._memory import empty
from ._threads import get_num_threads

__all__ = [
    "adam",
    "adam_fast",
    "adamw",
    "adamw_fast",
    "rmsprop",
    "rmsprop_fast",
    "sgd",
    "sgd_fast",
    "sgd_momentum",
    "sgd_momentum_fast",
    "sgd_nesterov_momentum",
    "sgd_nesterov_momentum_fast",
]

Config = dict[str, Any]


def sgd(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    r"""Take one step of stochastic gradient descent, :math:`w - \eta\, dw`.

    Parameters
    ----------
    w : array of any shape
        Parameters.
    dw : array, the shape of `w`
        Gradient of the loss with respect to `w`.
    config : dict, optional
        ``learning_rate`` :math:`\eta`, 1e-2 by default.

    Returns
    -------
    next_w : array, the shape and dtype of `w`
    config : dict

    Raises
    ------
    ValueError
        If `dw` has another shape than `w`, or a setting lies outside its range.
    TypeError
        If `w` or `dw` is not of float32, float64, integers or booleans, or a setting is
        not a number.

    References
    ----------
    Robbins, Monro. A stochastic approximation method. Annals of Mathematical Statistics
    22, 1951.
    """
    w, dw, config = _arguments(w, dw, config)
    eta = _learning_rate(config, 1e-2)
    next_w = w - eta * dw
    return next_w, config


def sgd_momentum(
    w: Array, dw: Array, config: Config | None = None
) -> tuple[Array, Config]:
    r"""Take one step of gradient descent with (heavy-ball) momentum.

    .. math:: v \leftarrow \mu v - \eta\, dw, \qquad w \leftarrow w + v

    Parameters
    ----------
    w : array of any shape
        Parameters.
    dw : array, the shape of `w`
        Gradient of the loss with respect to `w`.
    config : dict, optional
        ``learning_rate`` :math:`\eta`, 1e-2 by default; ``momentum`` :math:`\mu`, 0.9
        by default; ``velocity`` :math:`v`, 0 at first.

    Returns
    -------
    next_w : array, the shape and dtype of `w`
    config : dict
        With the new ``velocity``.

    Raises
    ------
    ValueError, TypeError
        As `sgd`.

    References
    ----------
    Polyak. Some methods of speeding up the convergence of iteration methods. USSR
    Computational Mathematics and Mathematical Physics 4, 1964.
    """
    w, dw, config = _arguments(w, dw, config)
    eta, mu = _learning_rate(config, 1e-2), _fraction(config, "momentum", 0.9)
    velocity = mu * _memory(config, "velocity", w) - eta * dw
    next_w = w + velocity
    config["velocity"] = velocity
    return next_w, config


def sgd_nesterov_momentum(
    w: Array, dw: Array, config: Config | None = None
) -> tuple[Array, Config]:
    r"""Take one step of gradient descent with Nesterov's momentum.

    .. math:: v' = \mu v - \eta\, dw, \qquad w \leftarrow w + v' + \mu (v' - v), \qquad v \leftarrow v'

    Here `w` stands for the look-ahead point, where the gradient is taken, so the rule
    fits the same loop as the others.

    Parameters
    ----------
    w : array of any shape
        Parameters.
    dw : array, the shape of `w`
        Gradient of the loss with respect to `w`.
    config : dict, optional
        ``learning_rate`` :math:`\eta`, 1e-2 by default; ``momentum`` :math:`\mu`, 0.9
        by default; ``velocity`` :math:`v`, 0 at first.

    Returns
    -------
    next_w : array, the shape and dtype of `w`
    config : dict
        With the new ``velocity``.

    Raises
    ------
    ValueError, TypeError
        As `sgd`.

    References
    ----------
    Nesterov. A method for solving the convex programming problem with convergence rate
    O(1/k^2). Doklady AN SSSR 269, 1983. In this form: Bengio, Boulanger-Lewandowski,
    Pascanu. Advances in optimizing recurrent networks. ICASSP 2013, section 3.5.
    """
    w, dw, config = _arguments(w, dw, config)
    eta, mu = _learning_rate(config, 1e-2), _fraction(config, "momentum", 0.9)
    old_velocity = _memory(config, "velocity", w)
    velocity = mu * old_velocity - eta * dw
    next_w = w + velocity + mu * (velocity - old_velocity)
    config["velocity"] = velocity
    return next_w, config


def rmsprop(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    r"""Take one step of RMSProp: each parameter's step is divided by its gradient's
    recent size.

    .. math:: a \leftarrow \rho a + (1 - \rho)\, dw^2, \qquad
              w \leftarrow w - \eta\, \frac{dw}{\sqrt{a} + \epsilon}

    Parameters
    ----------
    w : array of any shape
        Parameters.
    dw : array, the shape of `w`
        Gradient of the loss with respect to `w`.
    config : dict, optional
        ``learning_rate`` :math:`\eta`, 1e-2 by default; ``decay_rate`` :math:`\rho`,
        0.99 by default; ``epsilon``, 1e-8 by default; ``cache`` :math:`a`, 0 at first.

    Returns
    -------
    next_w : array, the shape and dtype of `w`
    config : dict
        With the new ``cache``.

    Raises
    ------
    ValueError, TypeError
        As `sgd`.

    References
    ----------
    Tieleman, Hinton. Lecture 6.5: RMSProp. COURSERA: Neural Networks for Machine
    Learning, 2012.
    """
    w, dw, config = _arguments(w, dw, config)
    eta, rho = _learning_rate(config, 1e-2), _fraction(config, "decay_rate", 0.99)
    epsilon = _epsilon(config)
    cache = rho * _memory(config, "cache", w) + (1 - rho) * dw**2
    next_w = w - eta * dw / (np.sqrt(cache) + epsilon)
    config["cache"] = cache
    return next_w, config


def adam(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    r"""Take one step of Adam: momentum divided by the gradient's recent size, both
    bias-corrected.

    .. math:: m &\leftarrow \beta_1 m + (1 - \beta_1)\, dw, &
              \hat{m} &= m / (1 - \beta_1^t) \\
              v &\leftarrow \beta_2 v + (1 - \beta_2)\, dw^2, &
              \hat{v} &= v / (1 - \beta_2^t) \\
              w &\leftarrow w - \eta\, \hat{m} / (\sqrt{\hat{v}} + \epsilon)

    Parameters
    ----------
    w : array of any shape
        Parameters.
    dw : array, the shape of `w`
        Gradient of the loss with respect to `w`.
    config : dict, optional
        ``learning_rate`` :math:`\eta`, 1e-3 by default; ``beta1``, 0.9 by default;
        ``beta2``, 0.999 by default; ``epsilon``, 1e-8 by default; ``m`` and ``v``, 0 at
        first; ``t``, the number of steps taken so far, 0 at first.

    Returns
    -------
    next_w : array, the shape and dtype of `w`
    config : dict
        With the new ``m``, ``v`` and ``t``.

    Raises
    ------
    ValueError, TypeError
        As `sgd`.

    References
    ----------
    Kingma, Ba. Adam: a method for stochastic optimization. ICLR 2015, algorithm 1.
    """
    w, dw, config = _arguments(w, dw, config)
    eta, epsilon = _learning_rate(config, 1e-3), _epsilon(config)
    beta1, beta2 = _fraction(config, "beta1", 0.9), _fraction(config, "beta2", 0.999)
    t = whole_number("config['t']", config.get("t", 0), at_least=0) + 1

    m = beta1 * _memory(config, "m", w) + (1 - beta1) * dw
    v = beta2 * _memory(config, "v", w) + (1 - beta2) * dw**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    next_w = w - eta * m_hat / (np.sqrt(v_hat) + epsilon)

    config.update(m=m, v=v, t=t)
    return next_w, config


def adamw(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    r"""Take one step of AdamW: shrink the parameters, then take Adam's step.

    .. math:: w \leftarrow w - \eta \lambda w, \qquad
              w \leftarrow w - \eta\, \hat{m} / (\sqrt{\hat{v}} + \epsilon)

    with :math:`\hat{m}` and :math:`\hat{v}` as in `adam`. A penalty on the weights adds
    :math:`\lambda w` to their gradient, where Adam divides it by the gradient's size; this
    weight decay is decoupled from the gradient, and shrinks all parameters alike.

    Parameters
    ----------
    w : array of any shape
        Parameters.
    dw : array, the shape of `w`
        Gradient of the loss with respect to `w`.
    config : dict, optional
        ``weight_decay`` :math:`\lambda`, 1e-2 by default; the rest as `adam`.

    Returns
    -------
    next_w : array, the shape and dtype of `w`
    config : dict
        With the new ``m``, ``v`` and ``t``.

    Raises
    ------
    ValueError, TypeError
        As `sgd`.

    References
    ----------
    Loshchilov, Hutter. Decoupled weight decay regularization. ICLR 2019, algorithm 2,
    where the decay is not multiplied by :math:`\eta`; here it is, as in PyTorch.
    """
    w, dw, config = _arguments(w, dw, config)
    eta, weight_decay = _learning_rate(config, 1e-3), _weight_decay(config)
    return adam(w - eta * weight_decay * w, dw, config)


# ---- the compiled twins: one pass over memory, on several threads --------------------


@compiled_twin_of(sgd)
def sgd_fast(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    w, dw, config = _arguments(w, dw, config)
    eta = _learning_rate(config, 1e-2)
    return _step(_optim.sgd_step, w, dw, config, {}, eta)


@compiled_twin_of(sgd_momentum)
def sgd_momentum_fast(
    w: Array, dw: Array, config: Config | None = None
) -> tuple[Array, Config]:
    w, dw, config = _arguments(w, dw, config)
    eta, mu = _learning_rate(config, 1e-2), _fraction(config, "momentum", 0.9)
    memory = {"velocity": _memory(config, "velocity", w)}
    return _step(_optim.momentum_step, w, dw, config, memory, eta, mu)


@compiled_twin_of(sgd_nesterov_momentum)
def sgd_nesterov_momentum_fast(
    w: Array, dw: Array, config: Config | None = None
) -> tuple[Array, Config]:
    w, dw, config = _arguments(w, dw, config)
    eta, mu = _learning_rate(config, 1e-2), _fraction(config, "momentum", 0.9)
    memory = {"velocity": _memory(config, "velocity", w)}
    return _step(_optim.nesterov_step, w, dw, config, memory, eta, mu)


@compiled_twin_of(rmsprop)
def rmsprop_fast(
    w: Array, dw: Array, config: Config | None = None
) -> tuple[Array, Config]:
    w, dw, config = _arguments(w, dw, config)
    eta, rho = _learning_rate(config, 1e-2), _fraction(config, "decay_rate", 0.99)
    memory = {"cache": _memory(config, "cache", w)}
    epsilon = _epsilon(config)
    return _step(_optim.rmsprop_step, w, dw, config, memory, eta, rho, epsilon)


@compiled_twin_of(adam)
def adam_fast(
    w: Array, dw: Array, config: Config | None = None
) -> tuple[Array, Config]:
    w, dw, config = _arguments(w, dw, config)
    return _adam_step(_optim.adam_step, w, dw, config)


@compiled_twin_of(adamw)
def adamw_fast(
    w: Array, dw: Array, config: Config | None = None
) -> tuple[Array, Config]:
    w, dw, config = _arguments(w, dw, config)
    eta, weight_decay = _learning_rate(config, 1e-3), _weight_decay(config)
    return _adam_step(_optim.adamw_step, w, dw, config, eta * weight_decay)


def _adam_step(
    kernel: Callable[..., None], w: Array, dw: Array, config: Config, *shrink: float
) -> tuple[Array, Config]:
    eta, epsilon = _learning_rate(config, 1e-3), _epsilon(config)
    beta1, beta2 = _fraction(config, "beta1", 0.9), _fraction(config, "beta2", 0.999)
    t = whole_number("config['t']", config.get("t", 0), at_least=0) + 1
    memory = {name: _memory(config, name, w) for name in ("m", "v")}
    next_w, config = _step(
        kernel, w, dw, config, memory,
        eta, beta1, beta2, epsilon, 1 - beta1**t, 1 - beta2**t, *shrink,
    )  # fmt: skip
    config["t"] = t
    return next_w, config


#: Below this many parameters, waking the other threads takes longer than the whole step.
_WORTH_THREADS = 32_768


def _step(
    kernel: Callable[..., None],
    w: Array,
    dw: Array,
    config: Config,
    memory: dict[str, Array],
    *settings: float,
) -> tuple[Array, Config]:
    """Run a compiled rule, whose `memory` is updated in place where its layout
    allows."""
    for name, array in memory.items():
        others = [other for other in memory.values() if other is not array]
        memory[name] = _updatable(array, w, dw, *others)
    if len({id(array) for array in memory.values()}) < len(memory):
        memory = {name: array.copy() for name, array in memory.items()}
    next_w = empty(w.shape, w.dtype)
    threads = get_num_threads() if w.size >= _WORTH_THREADS else 1
    flat = [_flat(array) for array in (w, dw, *memory.values(), next_w)]
    kernel(*flat, *settings, threads)
    config.update(memory)
    return next_w, config


# ---- reading the arguments -----------------------------------------------------------


def _arguments(
    w: Array, dw: Array, config: Config | None
) -> tuple[Array, Array, Config]:
    """Return `w`, `dw` in the dtype of `w`, and the config to fill in."""
    w, dw = as_float_array("w", w), as_float_array("dw", dw)
    if dw.shape != w.shape:
        raise ValueError(
            f"`dw` must have the shape of `w`, {w.shape}, but its shape is {dw.shape}."
        )
    if not isinstance(config, dict | None):
        raise TypeError(f"`config` must be a dict or None, but is {config!r}.")
    return w, dw.astype(w.dtype, copy=False), {} if config is None else config


def _learning_rate(config: Config, default: float) -> float:
    return number(
        "config['learning_rate']",
        config.setdefault("learning_rate", default),
        at_least=0,
    )


def _fraction(config: Config, name: str, default: float) -> float:
    value = config.setdefault(name, default)
    return number(f"config[{name!r}]", value, at_least=0, below=1)


def _epsilon(config: Config) -> float:
    return number("config['epsilon']", config.setdefault("epsilon", 1e-8), above=0)


def _weight_decay(config: Config) -> float:
    value = config.setdefault("weight_decay", 1e-2)
    return number("config['weight_decay']", value, at_least=0)


def _memory(config: Config, name: str, w: Array) -> Array:
    """Return the array that the rule remembers under `name`, zeros at first, in the
    dtype of `w`."""
    if config.get(name) is None:
        return np.zeros(w.shape, w.dtype)
    array = as_float_array(f"config[{name!r}]", config[name]).astype(
        w.dtype, copy=False
    )
    if array.shape != w.shape:
        raise ValueError(
            f"`config[{name!r}]` must have the shape of `w`, {w.shape}, but its shape is {array.shape}."
        )
    return array


def _updatable(array: Array, *inputs: Array) -> Array:
    """Return an array that may be written to without touching the inputs: itself, or a
    copy."""
    flags = array.flags
    if not (flags.writeable and flags.c_contiguous and flags.aligned):
        return array.copy(order="C")
    for other in inputs:
        if np.may_share_memory(array, other):
            return array.copy(order="C")
    return array


def _flat(array: Array) -> Array:
    if not (array.flags.c_contiguous and array.flags.aligned):
        array = np.require(array, requirements=["C", "A"])
    return array.reshape(-1)
