"""Takes a network through the stages of its check, in their order."""

from __future__ import annotations

import functools
from collections.abc import Callable

from .._calls import Trouble
from .._gradients._examination import READ
from .._result import Finding, Stage
from .._stages import Look, go_through
from ._gradients import check_gradients
from ._interface import check_interface
from ._loss import check_loss
from ._network import Network
from ._penalty import check_penalty
from ._scores import check_scores
from ._training import check_training

#: A stage: raises the `Trouble` that keeps it from going on, or returns what is wrong, by
#: the name of the result.
_Look = Callable[[Network], dict[str, Trouble] | None]

#: Where the book explains what a stage looks at.
_READ = {
    "interface": READ,
    "scores": 'chapter 3, section "At test time"',
    "loss": 'chapter 1, section "What should the first loss be?"',
    "regularization": 'chapter 1, section "A penalty on large weights"',
    "gradients": READ,
    "overfits": 'chapter 2, section "When it does not learn"',
}
_FORMULAS = {
    "loss": "softmax: loss = -mean over n of log p[n, y[n]]\n"
    "SVM: loss = mean over n of sum over c != y[n] of max(0, s[n, c] - s[n, y[n]] + 1)",
    "regularization": "loss += 0.5 * reg * sum(W ** 2)\n"
    "grads[W] += reg * W, for each weight array W",
}


def examine(
    network: Network,
) -> tuple[tuple[Finding, ...], tuple[Stage, ...], tuple[str, ...]]:
    """Return what was found, how far the stages got, and the notes."""

    looks: list[tuple[str, _Look, str]] = [
        ("interface", check_interface, "what loss(X) and loss(X, y) return"),
        ("scores", check_scores, "one example alone, and test mode"),
        ("loss", check_loss, "scores of 0; agreement with the scores"),
        ("regularization", check_penalty, "the L2 penalty and its gradient"),
        ("gradients", check_gradients, f"of {', '.join(network.names)}"),
        ("overfits", check_training, "learns ten examples by heart"),
    ]
    findings, stages = go_through(
        (
            Look(stage, functools.partial(_findings, stage, look, network), looked_at)
            for stage, look, looked_at in looks
            if stage != "regularization" or network.reg is not None
        ),
        _finding,
    )
    return findings, stages, tuple(network.notes)


def _findings(stage: str, look: _Look, network: Network) -> list[Finding]:
    wrong = look(network) or {}
    return [_finding(stage, trouble, output) for output, trouble in wrong.items()]


def _finding(stage: str, trouble: Trouble, output: str = "") -> Finding:
    return Finding(
        stage, output, "", trouble.problem, trouble.cause, trouble.why,
        _FORMULAS.get(stage, ""), _READ[stage], trouble.line,
    )  # fmt: skip
