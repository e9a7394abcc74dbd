"""Standing still: the judge stops a host with all that it has started, continues it, and reads off its processor time, from outside.

What a kernel leaves behind (threads, children, what they have left) can work only while its own host goes on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

import psutil

from .limits import children_of

_PAUSE = 3e-4
_STOPPED, _RESTING = "TtZXx", "TtZXxSI"  # states of a thread: proc(5)
_PATIENCE = 5.0  # seconds until processes that were asked to stop have stopped


class CannotStop(RuntimeError):
    """Processes that go on although they were stopped."""


class Tree:
    """A process with all that descends from it; `known` are those that were there when it was stopped last."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.known = [root]

    def halt(self) -> bool:
        """Stop all of it, and wait until it stands still; return whether there was any process that was not known.

        Raises CannotStop.
        """
        end = time.monotonic() + _PATIENCE
        stopped, is_new = set[int](), False
        pids = self.known
        while True:
            for pid in pids:
                if pid not in stopped:
                    _signal(pid, signal.SIGSTOP)
                    stopped.add(pid)
            pids = descendants(self.root)
            if not set(pids) - stopped and all(_is(pid, _STOPPED) for pid in pids) and descendants(self.root) == pids:
                self.known = pids
                return is_new
            is_new = is_new or bool(set(pids) - stopped)
            if time.monotonic() > end:
                raise CannotStop("its processes go on although they were stopped")

    def go_on(self) -> None:
        """Continue all of it."""
        for pid in self.known:
            _signal(pid, signal.SIGCONT)

    def settle(self, seconds: float) -> None:
        """Wait until none of its threads wants a processor, for some seconds at the most."""
        end = time.monotonic() + seconds
        while not all(_is(pid, _RESTING) for pid in self.known) and time.monotonic() < end:
            time.sleep(_PAUSE)

    def processor_seconds(self) -> float:
        """Return the processor time that all its processes have used so far, with those that they have buried."""
        return sum(_processor_seconds(pid) for pid in self.known)


def descendants(root: int) -> list[int]:
    """Return a process and all that descends from it, what has ended and is not buried included."""
    if sys.platform == "linux":
        found = [root]
        for pid in found:
            found += children_of(pid)
        return found
    with contextlib.suppress(psutil.Error):
        return [root, *(child.pid for child in psutil.Process(root).children(recursive=True))]
    return [root]


def starved_seconds(root: int) -> float:
    """Return how long a process and all that descends from it have been ready to run and had no processor: the thread that waited longest.

    A limit in seconds is not meant for a machine that has other things to do.  0 where the system does not say.
    """
    longest = 0
    for pid in descendants(root):
        with contextlib.suppress(OSError, ValueError, IndexError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                    longest = max(longest, int(file.read().split()[1]))
    return longest / 1e9


def processor_seconds(root: int) -> float:
    """Return the processor time that a process and all that descends from it have used so far; 0 where the system does not say."""
    return sum(_processor_seconds(pid) for pid in descendants(root))


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)


def _is(pid: int, states: str) -> bool:
    """Return whether every thread of a process is in one of some states."""
    if sys.platform != "linux":
        resting = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD) + (psutil.STATUS_SLEEPING,) * (states == _RESTING)
        with contextlib.suppress(psutil.Error):
            return psutil.Process(pid).status() in resting
        return True
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            if _fields(f"/proc/{pid}/task/{thread}/stat")[0] not in states:
                return False
    return True


def _processor_seconds(pid: int) -> float:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The processor clock of another process (clock_getcpuclockid(3)); of those that it has buried, in ticks.
            buried = sum(map(int, _fields(f"/proc/{pid}/stat")[13:15]))
            return time.clock_gettime(~pid << 3 | 2) + buried / os.sysconf("SC_CLK_TCK")
        return 0.0
    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(sum(times[:4]))
    return 0.0


def _fields(path: str) -> list[str]:
    """Return the fields of a stat file of proc(5) from the state on."""
    with open(path) as file:
        return file.read().rpartition(")")[2].split()
