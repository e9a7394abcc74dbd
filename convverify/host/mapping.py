"""The memory that a judge and a host share: a page of counters, then two slots with a script, records, operands and results each.

While a host works on one slot, the judge prepares the other.  Nothing here needs a file descriptor once it is mapped, so that a kernel
that closes descriptors disturbs nobody; the one that Python keeps of a mapping cannot shorten it, which is sealed.  What a host writes is
foreign input to the judge.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
import time
from typing import Any

PAGE = mmap.PAGESIZE
RECORDS = 1 << 20  # bytes for the records of a batch
SCRIPT = 1 << 22  # bytes for its script
HEAD = 1 << 16

_WORD = struct.Struct("=I")
_PLACE = struct.Struct("=QQ")
_STATE = struct.Struct("=IIIIQ")

TO_HOST, TO_JUDGE = 0, 64  # words: the number of the batch that is asked for, and of the one that is done
_STATE_AT = 128
_SCRIPT_AT = (192, 256)
_RECORDS_AT = (320, 384)
TURN, TURNED = 448, 512  # words: the turn that is asked for, and the one that is done (see `turns`)

IDLE, PREPARING, CALLING = range(3)

_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), -1) if sys.platform == "linux" else -1
_WAIT, _WAKE = 0, 1


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def _syscall() -> Any:
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.restype = ctypes.c_long
    return function


class Mapping:
    """The shared memory as one side sees it; `buffer` is its bytes, `address` where they begin in this process."""

    def __init__(self, descriptor: int, size: int) -> None:
        """Map `size` bytes of an open file; -1 stands for memory of this process alone."""
        self.map = mmap.mmap(descriptor, size)
        self.size = size
        self.buffer = memoryview(self.map)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        self._syscall = _syscall() if _FUTEX >= 0 else None

    def slot(self, number: int) -> tuple[int, int]:
        """Return the first byte of slot `number`, and the one behind it."""
        half = (self.size - HEAD) // 2 // PAGE * PAGE
        return HEAD + number * half, HEAD + (number + 1) * half

    def arena(self, number: int) -> tuple[int, int]:
        """Return the bytes of a slot that are free for operands and results: (first, end)."""
        first, end = self.slot(number)
        return first + RECORDS + SCRIPT, end

    # Words, by which the two sides wake each other.

    def word(self, at: int) -> int:
        """Return a word's value."""
        value: int = _WORD.unpack_from(self.map, at)[0]
        return value

    def set_word(self, at: int, value: int) -> None:
        """Set a word, and wake who waits for it to change."""
        _WORD.pack_into(self.map, at, value & 0xFFFFFFFF)
        if self._syscall is not None:
            self._syscall(_FUTEX, ctypes.c_void_p(self.address + at), _WAKE, 2**31 - 1, None, None, 0)

    def wait(self, at: int, value: int, seconds: float) -> int:
        """Wait until a word is no longer `value`, `seconds` at the most, and perhaps less; return what it is now."""
        if self.word(at) == value:
            if self._syscall is not None:
                limit = _Timespec(int(seconds), int(seconds % 1.0 * 1e9))
                self._syscall(_FUTEX, ctypes.c_void_p(self.address + at), _WAIT, value, ctypes.byref(limit), None, 0)
            else:
                deadline, pause = time.monotonic() + seconds, 2e-5
                while self.word(at) == value and time.monotonic() < deadline:
                    time.sleep(pause)
                    pause = min(2e-3, pause * 1.5)
        return self.word(at)

    # What a host is doing.

    def set_state(self, batch: int, case: int, step: int, activity: int, calls: int) -> None:
        """Note the batch, the case and the step in it, what is being done, and the kernel's calls so far."""
        _STATE.pack_into(self.map, _STATE_AT, batch & 0xFFFFFFFF, case, step, activity, calls)

    def state(self) -> tuple[int, int, int, int, int]:
        """Return (batch, case, step, activity, calls)."""
        batch, case, step, activity, calls = _STATE.unpack_from(self.map, _STATE_AT)
        return batch, case, step, activity, calls

    # A script, which the judge writes, and records, which the host appends.

    def write_script(self, number: int, text: bytes) -> None:
        """Put a batch's script into slot `number`, and take the records of the last one away."""
        first = self.slot(number)[0] + RECORDS
        if len(text) > SCRIPT:
            raise ValueError("a script is too long")
        self.buffer[first : first + len(text)] = text
        _PLACE.pack_into(self.map, _SCRIPT_AT[number], first, len(text))
        _PLACE.pack_into(self.map, _RECORDS_AT[number], 0, 0)

    def script(self, number: int) -> bytes:
        """Return the script in slot `number`."""
        first, length = _PLACE.unpack_from(self.map, _SCRIPT_AT[number])
        return bytes(self.buffer[first : first + length])

    def append_record(self, number: int, text: bytes) -> None:
        """Append the record of a case; one that has no room is left out, and so are all behind it."""
        first = self.slot(number)[0]
        length, count = _PLACE.unpack_from(self.map, _RECORDS_AT[number])
        if length + len(text) + 1 <= RECORDS:
            self.buffer[first + length : first + length + len(text) + 1] = text + b"\n"
            _PLACE.pack_into(self.map, _RECORDS_AT[number], length + len(text) + 1, count + 1)

    def records(self, number: int) -> list[bytes]:
        """Return what a host has recorded in slot `number`: the lines, as they are."""
        first = self.slot(number)[0]
        length, _ = _PLACE.unpack_from(self.map, _RECORDS_AT[number])
        return bytes(self.buffer[first : first + min(length, RECORDS)]).split(b"\n")[:-1]

    def release(self, first: int, end: int) -> None:
        """Give the memory of some bytes back to the system; they read as zeros afterwards."""
        first = -(-first // PAGE) * PAGE
        if end - first >= PAGE and hasattr(mmap, "MADV_REMOVE"):
            self.map.madvise(mmap.MADV_REMOVE, first, (end - first) // PAGE * PAGE)
