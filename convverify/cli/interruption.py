"""Interruption: SIGINT, SIGTERM and SIGHUP end a command in the same way, and never while what it has found out is being kept.

A signal raises KeyboardInterrupt in the main thread, as Ctrl-C does.  Those that come within two seconds of it raise no other: an impatient
hand, a terminal that closes, and a system that cancels a job send several.  Where signals are held they wait until they are heeded again.
A signal that was ignored when the process began, by nohup or as a script's job in the background, stays ignored.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BURST = 2.0  # seconds


class _Interruption:
    """What has become of the signals of this process, which has one disposition for each of them."""

    def __init__(self) -> None:
        self.holding = self.waiting = self.came = False
        self.raised = -_BURST

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Take a signal: raise KeyboardInterrupt now, later, or not at all."""
        self.came = self.waiting = True
        if not self.holding:
            self.deliver()

    def deliver(self) -> None:
        """Raise KeyboardInterrupt where a signal waits that is not one of a burst."""
        waits, self.waiting = self.waiting, False
        if waits and time.monotonic() - self.raised >= _BURST:
            self.raised = time.monotonic()
            raise KeyboardInterrupt


_state = _Interruption()


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Hear signals until the block ends.  After one has come they are ignored from then on: the process is about to end."""
    global _state
    state = _state = _Interruption()  # a process may run several commands, as tests do
    if threading.current_thread() is not threading.main_thread():
        yield  # to whom Python does not send signals
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    mine = [number for number in _SIGNALS if before[number] not in (signal.SIG_IGN, None)]
    for number in mine:
        signal.signal(number, state.hear)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_IGN if state.came else before[number])


def hold() -> None:
    """Let signals wait."""
    _state.holding = True


def heed() -> None:
    """Let signals interrupt; raises KeyboardInterrupt where one has waited."""
    _state.holding = False
    _state.deliver()


def came() -> bool:
    """Return whether a signal has come since the command began."""
    return _state.came
