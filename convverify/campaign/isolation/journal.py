"""The journal: one small memory-mapped file in which a worker says what it is about to do.

What is written into a mapped file survives the process, costs about a microsecond, and needs no open file descriptor.
"""

from __future__ import annotations

import mmap
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SIZE = 1 << 16
_HEAD = struct.Struct("<QQIIi16s")  # steps taken, calls of the kernel, length of the text, position, activity


@dataclass(frozen=True)
class Entry:
    """What a journal says: steps taken so far (a stall shows as the same number), kernel calls, position, activity, and the case's line."""

    steps: int
    calls: int
    position: tuple[int, int]
    activity: str
    line: str


class Journal:
    """A journal file, written by one process and read by another."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create:
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self._lock = threading.Lock()
        self._steps = self._calls = self._active = 0
        self._length = 0
        self._position = (0, -1)

    def name_case(self, line: str, position: tuple[int, int] = (0, -1)) -> None:
        """Note the case that comes next, and its position: (shard, number in it), -1 before the first."""
        self._position = position
        text = line.encode()[: _SIZE - _HEAD.size]
        self._length = len(text)
        self._map[_HEAD.size : _HEAD.size + len(text)] = text
        self._write("harness")

    def _write(self, activity: str) -> None:
        self._steps += 1
        _HEAD.pack_into(self._map, 0, self._steps, self._calls, self._length, *self._position, activity.encode()[:16])

    @contextmanager
    def watch(self, activity: str) -> Iterator[None]:
        """Note that an activity ("kernel", "reference") begins, and that it has ended."""
        with self._lock:
            self._active += 1
            self._calls += activity == "kernel"
            self._write(activity)
        try:
            yield
        finally:
            with self._lock:
                self._active -= 1
                if not self._active:
                    self._write("harness")

    def read(self) -> Entry:
        """Return what the journal says now."""
        steps, calls, length, shard, number, activity = _HEAD.unpack_from(self._map, 0)
        text = self._map[_HEAD.size : _HEAD.size + min(length, _SIZE - _HEAD.size)]
        return Entry(steps, calls, (shard, number), activity.rstrip(b"\0").decode("ascii", "replace"), text.decode("utf-8", "replace"))
