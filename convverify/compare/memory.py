"""Peak extra memory of one call: what it needs besides its operands and its result, measured in a process that has not called it before.

On Linux it is the rise of the resident set's high-water mark (proc(5), VmHWM) above what was resident before the call, less the result: it
counts NumPy's arrays, what compiled code and TensorFlow allocate, and buffers that a kernel keeps for later calls.  It does not
count memory that is allocated and never touched, or freed before by the warming up and used again; it is exact to about a MiB.
Elsewhere there is no figure.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from types import TracebackType

from convverify.campaign.isolation.processes import kill
from convverify.problems.problem import Problem

_PATIENCE = 60.0  # seconds for one answer


class MemoryProbe:
    """A process that loads one kernel, and forks a child for each problem, which calls it."""

    def __init__(self, target: str, threads: int) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        if sys.platform == "linux":
            self._process = subprocess.Popen(
                [sys.executable, "-m", "convverify.compare.memory_probe", target, str(threads)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
            )  # fmt: skip

    def __enter__(self) -> MemoryProbe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            kill(self._process)
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process = None

    def peak(self, problem: Problem) -> int | None:
        """Return the bytes that a call on the problem needs at its peak, or None where that could not be measured."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return None
        try:
            process.stdin.write(f"{problem}\n".encode())
            process.stdin.flush()
            answer = self._line(process.stdout.fileno())
        except OSError:
            return None
        if answer is None:
            self.__exit__(None, None, None)  # it hangs, or is gone: the answers of further problems would be those of this one
            return None
        bytes_: int | None = json.loads(answer)
        return bytes_

    def _line(self, descriptor: int) -> bytes | None:
        end = time.monotonic() + _PATIENCE
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
            data = os.read(descriptor, 65536) if ready else b""
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line
