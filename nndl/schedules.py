r"""Learning-rate schedules: how large the learning rate is in the course of training.

Each is a function of `s`, the share of training done, 0 before the first step and 1
after the last, and returns the learning rate as a share of its peak. The loop that
trains multiplies the peak by it before each step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ._arguments import number, shown

__all__ = ["constant", "cosine", "one_cycle", "step"]


def constant(s: float) -> float:
    """Return 1, whatever the share of training done.

    Parameters
    ----------
    s : float
        Share of training done, from 0 to 1.

    Returns
    -------
    float
        The learning rate as a share of its peak.

    Raises
    ------
    ValueError
        If `s` lies outside 0 to 1.
    TypeError
        If `s` is not a number.
    """
    number("s", s, at_least=0, at_most=1)
    return 1.0


def step(s: float, drops: Sequence[float] = (0.5, 0.75), factor: float = 0.1) -> float:
    r"""Return a learning rate that is multiplied by `factor` at each of the `drops`.

    .. math:: \text{factor}^{\,|\{d \in \text{drops}\,:\, d \le s\}|}

    Parameters
    ----------
    s : float
        Share of training done, from 0 to 1.
    drops : sequence of float, optional
        Shares of training, from 0 to 1, at which the learning rate drops.
    factor : float, optional
        What each drop multiplies it by, above 0 and at most 1.

    Returns
    -------
    float
        The learning rate as a share of its peak.

    Raises
    ------
    ValueError
        If an argument lies outside its range.
    TypeError
        If `s` or `factor` is not a number, or `drops` not a sequence of numbers.

    References
    ----------
    He, Zhang, Ren, Sun. Deep residual learning for image recognition. CVPR 2016, section
    4.2: a tenth after one half and after three quarters of training.
    """
    s = number("s", s, at_least=0, at_most=1)
    factor = number("factor", factor, above=0, at_most=1)
    try:
        places = list(drops)
    except TypeError:
        raise TypeError(
            f"`drops` must be a sequence of numbers, but is {shown(drops)}."
        ) from None
    places = [
        number(f"drops[{i}]", place, at_least=0, at_most=1)
        for i, place in enumerate(places)
    ]
    return factor ** sum(place <= s for place in places)


def cosine(s: float, final: float = 0.0) -> float:
    r"""Return a learning rate that falls from 1 to `final` along half a wave.

    .. math:: c(s) = \text{final} + (1 - \text{final})\, \tfrac12 (1 + \cos \pi s)

    Parameters
    ----------
    s : float
        Share of training done, from 0 to 1.
    final : float, optional
        Share of the peak at the end, from 0 to 1.

    Returns
    -------
    float
        The learning rate as a share of its peak.

    Raises
    ------
    ValueError
        If an argument lies outside 0 to 1.
    TypeError
        If an argument is not a number.

    References
    ----------
    Loshchilov, Hutter. SGDR: stochastic gradient descent with warm restarts. ICLR 2017,
    equation 5, without the restarts.
    """
    s = number("s", s, at_least=0, at_most=1)
    final = number("final", final, at_least=0, at_most=1)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * s))


def one_cycle(
    s: float, rise: float = 0.25, start: float = 0.0, final: float = 0.0
) -> float:
    r"""Return a learning rate that rises along a line, then falls along `cosine`.

    .. math:: \begin{cases}
              \text{start} + (1 - \text{start})\, s / \text{rise} & s < \text{rise} \\
              c\left(\dfrac{s - \text{rise}}{1 - \text{rise}}\right) & s \ge \text{rise}
              \end{cases}

    Parameters
    ----------
    s : float
        Share of training done, from 0 to 1.
    rise : float, optional
        Share of training that the rise (warm-up) takes, at least 0 and below 1.
    start, final : float, optional
        Share of the peak at the start and at the end, from 0 to 1.

    Returns
    -------
    float
        The learning rate as a share of its peak.

    Raises
    ------
    ValueError
        If an argument lies outside its range.
    TypeError
        If an argument is not a number.

    References
    ----------
    Smith. A disciplined approach to neural network hyper-parameters: part 1.
    arXiv:1803.09820, 2018. For the warm-up: Goyal et al. Accurate, large minibatch SGD:
    training ImageNet in 1 hour. arXiv:1706.02677, 2017, section 2.2.
    """
    s = number("s", s, at_least=0, at_most=1)
    rise = number("rise", rise, at_least=0, below=1)
    start = number("start", start, at_least=0, at_most=1)
    final = number("final", final, at_least=0, at_most=1)
    if s < rise:
        return start + (1 - start) * s / rise
    return cosine((s - rise) / (1 - rise), final)
