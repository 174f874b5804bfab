"""What Ctrl-C must not cut in two, and processes that it ends without many words."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done, so that it is done whole."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(
        handler
    ):
        yield  # only the main thread is interrupted
        return
    held_back: list[Any] = []
    signal.signal(signal.SIGINT, lambda *args: held_back.append(args))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if held_back:
        handler(*held_back[0])


@contextlib.contextmanager
def starting_processes() -> Iterator[None]:
    """Start processes in the block to which Ctrl-C means nothing until they call
    `end_at_interrupts`.

    A terminal sends it to all of them. The one that started the others ends them and
    says so; what they were importing just then, nobody wants to know.
    """
    # A new process begins with the blocked signals of the thread that starts it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_at_interrupts() -> None:
    """Let Ctrl-C end this process at once and without a word, wherever it is."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
