"""Processes: limits on time and memory from outside, the tail of what a process prints, and the name of the way it ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from typing import IO

import psutil

DISK_FULL = 74  # a worker's exit status: EX_IOERR of sysexits.h
_TAIL = 8192


class Tail:
    """Drains a stream in a thread and keeps its last bytes, so that a process that prints megabytes neither blocks nor costs memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept = b""
        self.total = 0
        self._stream = stream
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._stream:
            while data := os.read(self._stream.fileno(), 65536):
                self.total += len(data)
                self._kept = (self._kept + data)[-_TAIL:]

    def text(self) -> str:
        """Return the last of what was written, by a process that has ended."""
        self._thread.join(0.5)  # no longer: a child of that process may keep the stream open
        return self._kept.decode("utf-8", "replace")


def die_with_parent() -> None:
    """Ask the system to end this process when its parent dies, however it dies (Linux: prctl(2), PR_SET_PDEATHSIG; elsewhere nothing)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def resident_mebibytes(pid: int) -> float:
    """Return the resident memory of a process, or 0 where there is none."""
    try:
        return float(psutil.Process(pid).memory_info().rss) / 2**20
    except psutil.Error:
        return 0.0


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started, at once."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    with contextlib.suppress(OSError):
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)


def told_exit(code: int | None) -> str:
    """Return in words how a process ended, from its exit code."""
    if code is None:
        return "the process is gone"
    if code >= 0:
        return f"the process exited with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the process was ended by {name}"
