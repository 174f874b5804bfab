"""The fifth stage: the gradient of each parameter against its slopes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .._calls import Trouble
from .._diagnosis import Diagnosis, Pair
from .._gradients._measured import Measured
from .._gradients._patterns import factor
from .._gradients._slopes import Slopes
from ._causes import case_of, cause_of
from ._network import Network

#: Seconds for the numeric gradients.
SECONDS = 0.8


def check_gradients(network: Network) -> dict[str, Trouble]:
    network.put(network.point)
    start = time.thread_time()
    network.loss()
    seconds = time.thread_time() - start
    # The parameters nearest to the scores first: what is wrong there goes on to all before them.
    order = sorted(network.names, key=network.layer_of, reverse=True)
    measured = _measure(network, order, seconds)
    skipped = [name for name in order if name not in measured]
    if skipped:
        network.notes.append(
            f"There was no time for the gradients of {', '.join(skipped)}: take a smaller network."
        )
    wrong = [name for name, one in measured.items() if one.wrong]
    unclear = [name for name, one in measured.items() if one.with_status("unclear")]
    if unclear and not wrong:
        network.notes.append(
            f"Some slopes for {', '.join(unclear)} could not be measured well, and were left out."
        )
    _note_unused(network, measured)
    return _told(network, wrong, measured) if wrong else {}


def _measure(
    network: Network, names: Sequence[str], call_seconds: float
) -> dict[str, Measured]:
    """Measure the slopes with respect to each parameter for which there is time."""
    grads = network.grads()
    measured: dict[str, Measured] = {}
    until = time.thread_time() + SECONDS
    with network.many_calls():
        for k, name in enumerate(names):
            left = until - time.thread_time()
            if left <= 0 and k > 1:
                continue
            x = network.params[name]
            one = Measured(Slopes(x, network.evaluate, 1.0), grads[name])
            measured[name] = one
            calls = max(left, 0) / (len(names) - k) / (2 * call_seconds)
            if x.size <= min(calls, 60):
                one.every_entry()
            else:
                many = max(2, min(5, int(calls / 2)))
                few = max(1, min(4, int(calls) - many))
                one.random_directions(network.rng, many, few)
    return measured


def _note_unused(network: Network, measured: dict[str, Measured]) -> None:
    unused = [
        name
        for name, one in measured.items()
        if one.got is not None
        and not one.got.any()
        and all(probe.slope == 0 for probe in one.probes)
    ]
    if unused:
        network.notes.append(f"The loss does not depend on {', '.join(unused)}.")


# ---- what is told --------------------------------------------------------------------


def _told(
    network: Network, wrong: list[str], measured: dict[str, Measured]
) -> dict[str, Trouble]:
    """Return what is said of the wrong gradients nearest to the scores, and note the
    others."""
    general = _common_factor(network, wrong, measured)
    last = network.layer_of(wrong[0])
    nearest = [name for name in wrong if network.layer_of(name) == last]
    told = {}
    for name in nearest:
        cause = general or cause_of(network, name, wrong, measured)
        with network.many_calls():
            where = measured[name].where(f"grads[{name!r}]", network.rng)
        told[f"grads[{name!r}]"] = Trouble(cause.cause, where, cause.why)
    others = [name for name in wrong if name not in nearest]
    if others:
        several = len(others) > 1
        network.notes.append(
            f"The gradient{'s' * several} of {', '.join(others)} {'are' if several else 'is'} wrong "
            f"as well, further from the scores: what is wrong at {' and '.join(nearest)} may be the "
            "reason. Mend that first."
        )
    return told


def _common_factor(
    network: Network, wrong: list[str], measured: dict[str, Measured]
) -> Diagnosis | None:
    """Look for one factor by which all gradients are wrong."""
    if len(wrong) < 2 or len(wrong) < len(measured):
        return None
    found = {_factor(network, measured[name]) for name in wrong}
    cause = found.pop()
    if found or cause is None:
        return None
    return Diagnosis(
        cause.cause,
        "All gradients are wrong in the same way: "
        + cause.why.replace("`every gradient`", "each")
        + " Look at the gradient of the loss, dscores.",
    )


def _factor(network: Network, one: Measured) -> Diagnosis | None:
    assert one.got is not None
    vectors = one.as_vectors(one.got) if one.numeric is None else (one.got, one.numeric)
    return factor("every gradient", Pair(case_of(network), *vectors))
