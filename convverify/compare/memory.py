"""Peak memory of a call, weighed by the judge from outside: what a host holds beyond operands and result, in the same way for all.

The kernel has not been called before, and operands are random.  First it is called on a small problem: what it keeps from then on (what
is imported, compiled and started, and buffers for later calls) counts.  Then it is called on the problem, and what its processes hold is
read every millisecond, and their high-water mark at the end: resident memory, what its children do not share with it, and files that lie
in memory or are written through a mapping.  Where a host is seen to hold more while it is timed, that counts.  What is allocated and never
touched does not, nor do pages of files that are only read (the code of libraries, which a forked process maps when it first runs it); it is
exact to about a MiB.  Linux alone says all this.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from convverify.compare.contenders import Contender
from convverify.compare.reduction import reduced
from convverify.compare.turns import TurnFailed, Turns
from convverify.host.process import Host
from convverify.host.standing import descendants
from convverify.host.weighing import files_in_memory, private_bytes, status_of
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem

_SMALL = 1 << 12  # multiply-adds
_EXACT = 1 << 20  # bytes to which the system's figures are exact
_NOT_ON_DISK = ("/memfd:", "/dev/shm/", "/dev/zero", "/SYSV")  # mappings that are memory, not files, as smaps names them


@dataclass(frozen=True)
class Peak:
    """Bytes that a call on a problem needs at its peak, those of them that the kernel has kept since a call on a small problem, and why it
    may have needed more than was seen, or ""."""

    bytes: int
    kept: int
    doubt: str = ""

    def at_least(self, bytes_: int) -> Peak:
        """Return the same, where so much was seen elsewhere."""
        return replace(self, bytes=max(self.bytes, bytes_))


class Weigher:
    """Weighs calls of a contender whose host is there for this alone."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self._kept = 0

    def peak(self, problem: Problem) -> Peak | None:
        """Return what a call on a problem needs; None where that cannot be measured."""
        contender = self.contender
        if sys.platform != "linux":
            return None
        try:
            if contender.forks or not contender.is_shipped or contender.host.ended() is not None:
                contender.fresh()
                self._kept = 0  # a framework that ships is not started again for each problem: what it has kept, it keeps
            with Turns(contender, reduced(problem, _SMALL)) as turns:
                scales = Scales(contender.host)
                turns.call()
                self._kept = max(self._kept, scales.weigh())
            with Turns(contender, problem) as turns:
                scales = Scales(contender.host)
                turns.call(watch=scales.watch)
                scales.watch()
        except TurnFailed:
            return None
        return Peak(self._kept + scales.extra(problem), self._kept, scales.doubt)


class Scales:
    """Weighs a host with all that it has started, against what it weighed at first."""

    def __init__(self, host: Host) -> None:
        self._root, self._shared = host.root, host.file
        self._known = {pid: status_of(pid, "RssFile").get("RssFile", 0) for pid in descendants(host.root)}
        self._doubts = dict[str, None]()
        for pid in self._known:
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # the high-water mark begins anew: proc(5)
        self._empty, self._most_known = self._now(), 0
        self.most = 0

    @property
    def doubt(self) -> str:
        """Why it may have held more than was seen, or ""."""
        return " and ".join(self._doubts) and f"{' and '.join(self._doubts)}, while it was weighed once a millisecond"

    def extra(self, problem: Problem) -> int:
        """Return the most so far besides a problem's result."""
        return max(0, self.most - int(np.prod(problem.output_shape)) * numpy_dtype(problem.dtype).itemsize)

    def weigh(self) -> int:
        """Return the bytes that have come since."""
        return sum(self._now()) - sum(self._empty)

    def watch(self) -> None:
        """Weigh it, and note the most so far, the marks of high water included."""
        known, others = self._now()
        mark, _ = self._now("VmHWM")
        self._most_known = max(self._most_known, known)
        if mark < self._most_known - _EXACT:
            self._doubts["the mark of its peak was taken back"] = None
        self.most = max(self.most, max(known, mark) + others - sum(self._empty))

    def _now(self, field: str = "VmRSS") -> tuple[int, int]:
        """Return what processes hold that were there at first, and what others do, and files in memory."""
        known = others = 0
        for pid in descendants(self._root):
            if pid in self._known:
                told = status_of(pid, field, "RssFile")
                files = told.get("RssFile", 0)
                known += told.get(field, 0) - files
                if files > self._known[pid] + _EXACT:  # it reads more code, or writes into a file
                    known += _written_files(pid)
            else:
                self._doubts["it started processes"] = None
                others += private_bytes(pid)
            others += files_in_memory(pid, but=self._shared)
        return known, others


def _written_files(pid: int) -> int:
    """Return the bytes in memory of files that a process may write through a shared mapping: smaps in proc(5)."""
    total, written = 0, False
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
        for line in file:
            first, *rest = line.split(maxsplit=5)
            if not first.endswith(":"):
                written = rest[0][1:4:2] == "ws" and not rest[-1].startswith(_NOT_ON_DISK)
            elif written and first == "Rss:":
                total += int(rest[0]) * 1024
    return total
