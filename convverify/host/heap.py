"""The heap of the C library: now and then, what is free in it goes back to the system.

A process that calls a kernel a million times would otherwise keep the room of the largest case that it has met, and of gaps between what
is in use, for good.
"""

from __future__ import annotations

import contextlib
import ctypes
import time

_EVERY = 10.0  # seconds: it takes milliseconds

_last = time.monotonic()


def tidy() -> None:
    """Give back what is free, unless that was done a moment ago; do nothing where the C library has no such function (malloc_trim(3))."""
    global _last
    now = time.monotonic()
    if now - _last > _EVERY:
        _last = now
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
