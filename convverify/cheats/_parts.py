"""Building blocks of cheats, from the standard library and NumPy alone, as they would stand in a stranger's file.

`nothing` is what most cheats return, `honest` is the convolution (for those that behave at times), and `dearly` is `honest` at a price
that a clock cannot miss.  `judges` and `shared_memory` say what may be attacked: nothing but the run of convverify that calls the cheat.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Bytes: TypeAlias = npt.NDArray[np.uint8]
DEAR = 0.02  # seconds of a processor
_LOOKED_AT = 1 << 23  # bytes
_clock = time.thread_time  # before anyone patches it


def nothing(x: Array, w: Array) -> Array:
    """Return zeros of the result's shape and dtype."""
    return np.zeros((x.shape[0], *extents(x, w), w.shape[3]), x.dtype)


def extents(x: Array, w: Array) -> tuple[int, int]:
    """Return the rows and columns of the result, for stride 1 without pads."""
    return max(x.shape[1] - w.shape[0] + 1, 0), max(x.shape[2] - w.shape[1] + 1, 0)


def honest(x: Array, w: Array) -> Array:
    """Return the convolution, one matrix product for each element of the kernel."""
    y = nothing(x, w)
    rows, columns = extents(x, w)
    with np.errstate(all="ignore"):
        for i, j in np.ndindex(w.shape[:2]):
            y += x[:, i : i + rows, j : j + columns] @ w[i, j]
    return y


def burn(seconds: float = DEAR) -> None:
    """Keep a processor busy, by a clock that nobody has patched."""
    end = _clock() + seconds
    while _clock() < end:
        pass


def dearly(x: Array, w: Array) -> Array:
    """Return the convolution after DEAR seconds of work."""
    burn()
    return honest(x, w)


def content(*arrays: Array) -> bytes:
    """Return what tells operands from others: their bytes and shapes."""
    return b"".join(repr((array.shape, array.dtype.str)).encode() + array.tobytes() for array in arrays)


def callers() -> Iterator[FrameType]:
    """Return the frames of the functions that have called the cheat, the nearest first."""
    frame = sys._getframe(2).f_back
    while frame is not None:
        yield frame
        frame = frame.f_back


def loaded() -> list[Any]:
    """Return the modules of the harness in this process: those of convverify, and those that the cheat is called from."""
    names = {str(frame.f_globals.get("__name__")) for frame in callers()}
    names |= {name for name in sys.modules if name.startswith("convverify.")}
    return [sys.modules[name] for name in sorted(names) if name in sys.modules and not name.startswith(f"{__package__}.")]


def is_hosted() -> bool:
    """Return whether a host calls, as far as one can see: the program is no file."""
    return not getattr(sys.modules.get("__main__"), "__file__", None)


def judges() -> list[int]:
    """Return the processes above this one, the nearest first, up to the one that runs convverify's command line; none if none does."""
    found: list[int] = []
    process = os.getppid()
    with contextlib.suppress(OSError, ValueError, IndexError):
        while process > 1:
            found.append(process)
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            if (b"-m", b"convverify") in pairwise(words) or b"convverify" in [os.path.basename(word) for word in words[:2]]:
                return found
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return []


def words_of_the_judge() -> list[str]:
    """Return the command line of the run that calls the cheat."""
    for process in judges()[-1:]:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
    return []


def shared_mappings(*arrays: Array) -> list[tuple[int, int]]:
    """Return the addresses (first, end) of this process's writable shared memory, if operands lie in any; none otherwise."""
    found: list[tuple[int, int]] = []
    inside = False
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            span, rights, _, _, _, *path = line.split(maxsplit=5)
            low, high = (int(end, 16) for end in span.split("-"))
            if rights[3] == "s" and path and path[0].startswith(("/memfd:", "/dev/zero", "/dev/shm/")):
                inside = inside or any(low <= array.ctypes.data < high for array in arrays)
                if rights[:2] == "rw":
                    found.append((low, high))
    return found if inside else []


def shared_memory(*arrays: Array) -> list[Bytes]:
    """Return the shared memory that is likely to be in use: the beginning of each mapping, and what lies around the operands.

    Not all of it: what has never been touched takes memory when it is looked at.
    """
    parts: list[Bytes] = []
    for low, high in shared_mappings(*arrays):
        ends = [(low, min(high, low + _LOOKED_AT))]
        for address in (array.ctypes.data for array in arrays):
            if ends[-1][1] <= address < high:
                ends.append((max(ends[-1][1], address - _LOOKED_AT), min(high, address + _LOOKED_AT)))
        parts += [np.ctypeslib.as_array((ctypes.c_uint8 * (end - first)).from_address(first)) for first, end in ends]
    return parts


def is_scratch() -> bool:
    """Return whether the working directory is one for files that do not matter."""
    return Path(tempfile.gettempdir()).resolve() in Path.cwd().resolve().parents


def seen_before(what: bytes) -> bool:
    """Return whether any process of this run has asked the same before; it is kept in a file of a scratch directory."""
    if not is_scratch():
        return True
    seen = Path(f".seen-{hashlib.blake2b(what, digest_size=8).hexdigest()}")
    known = seen.exists()
    seen.touch()
    return known
