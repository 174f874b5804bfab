"""Shows a result: as text, with colour in a terminal, and as a small table in a
notebook."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._result import Finding, Result, Stage

MARKS = {"passed": "✓", "failed": "✗", "not reached": "·"}
_ANSI = {"passed": "\033[32m", "failed": "\033[31m", "not reached": "\033[2m"}
_RESET = "\033[0m"
#: Legible on white and on a dark page alike.
_COLOURS = {"passed": "#2e9e5b", "failed": "#d9534f", "not reached": "#8a8a8a"}


def terminal_has_colour() -> bool:
    """Return whether standard output is a terminal and colour is not refused."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def verdict(result: Result) -> str:
    """Return the first line."""
    if result.passed:
        return f"{result.name}: passed"
    (stage,) = {finding.stage for finding in result.findings[:1]}
    return f"{result.name}: not yet ({stage})"


def rows(finding: Finding, hint: int) -> list[tuple[str, str]]:
    """Return what is told of a finding, as titles and sentences."""
    told = [("where", finding.where)]
    if finding.case:
        told.append(("for", finding.case))
    if finding.line:
        told.append(("your line", finding.line))
    if hint >= 2 and finding.why:
        told.append(("likely why", finding.why))
    if hint >= 3 and finding.formula:
        told.append(("formula", finding.formula))
    if finding.read:
        told.append(("read", finding.read))
    return told


def more(result: Result) -> str:
    """Return how to be told more, or nothing if all is told."""
    finding = result.findings[0] if result.findings else None
    if finding is None:
        return ""
    if result.hint < 2 and finding.why:
        return "hint=2 says why it is likely wrong."
    if result.hint < 3 and finding.formula:
        return "hint=3 shows the formula."
    return ""


def reached(result: Result) -> tuple[list[Stage], list[str]]:
    """Return the stages that were reached, and the names of the others."""
    done = [stage for stage in result.stages if stage.status != "not reached"]
    return done, [s.name for s in result.stages if s.status == "not reached"]


def as_text(result: Result, colour: bool = False) -> str:
    """Return the result as lines of text."""

    def painted(text: str, status: str) -> str:
        return f"{_ANSI[status]}{text}{_RESET}" if colour else text

    lines = [painted(verdict(result), "passed" if result.passed else "failed")]
    done, left = reached(result)
    width = max((len(stage.name) for stage in done), default=0)
    for stage in done:
        line = _hanging(
            f"  {MARKS[stage.status]} {stage.name:{width}}  ", stage.looked_at
        )
        lines.append(painted(line, stage.status))
    if left:
        line = f"  {MARKS['not reached']} not reached: {', '.join(left)}"
        lines.append(painted(line, "not reached"))
    for finding in result.findings:
        lines.append("")
        for title, sentence in rows(finding, result.hint):
            lines.append(_hanging(f"  {title + ':':12}", sentence))
    if more(result):
        lines += ["", f"  {more(result)}"]
    lines += [_hanging("  note:       ", note) for note in result.notes]
    return "\n".join(lines)


def _hanging(title: str, sentence: str) -> str:
    """Return a sentence of one or several lines with a title before it."""
    shown = []
    for line in sentence.splitlines() or [""]:
        shown += textwrap.wrap(line, 100 - len(title)) or [""]
    return title + ("\n" + " " * len(title)).join(shown)


def as_html(result: Result) -> str:
    """Return the result as a small table that is legible on any page."""
    status = "passed" if result.passed else "failed"
    parts = [
        '<div class="nndl-check" style="overflow-x:auto">',
        f'<p style="margin:0 0 .3em">{_mark(status)} <strong>{escape(verdict(result))}</strong></p>',
    ]
    done, left = reached(result)
    lines = [
        (f"{_mark(stage.status)} {escape(stage.name)}", escape(stage.looked_at))
        for stage in done
    ]
    if left:
        lines.append((f"{_mark('not reached')} not reached", escape(", ".join(left))))
    parts.append(_table(lines))
    parts += [
        _table(
            [
                (escape(title), _marked_up(text))
                for title, text in rows(finding, result.hint)
            ]
        )
        for finding in result.findings
    ]
    closing = [*([more(result)] if more(result) else []), *result.notes]
    parts += [f'<p style="margin:.3em 0 0">{_marked_up(text)}</p>' for text in closing]
    return "".join([*parts, "</div>"])


def _mark(status: str) -> str:
    return f'<span style="color:{_COLOURS[status]}">{MARKS[status]}</span>'


def _marked_up(text: str) -> str:
    """Return a sentence as HTML: what stands between backticks is code."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return text.replace("\n", "<br>")


def _table(lines: list[tuple[str, str]]) -> str:
    cell = "text-align:left;vertical-align:top;padding:.1em .8em .1em 0"
    body = "".join(
        f'<tr style="background:none"><th scope="row" style="{cell};white-space:nowrap">{title}</th>'
        f'<td style="{cell}">{text}</td></tr>'
        for title, text in lines
    )
    return f'<table style="margin:.3em 0;border:none;color:inherit">{body}</table>'
