"""Cheats that take memory where nobody weighs it, or when nobody does."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time

import numpy as np

from convverify.cheats import CHECK, COMPARE, cheats
from convverify.cheats._parts import Array, Bytes, honest, shared_mappings

_RANDOM = "operands are random, for speed and for memory alike"
_WEIGHED = "the judge weighs the host and its processes itself, from outside, and what is shared with it, too"
_MIB = 64
_LIMIT = ("--memory-limit", "256")
_BEYOND = 512  # MiB: twice the limit
_kept: list[Array] = []


@cheats.register(kind="memory", at=(COMPARE,), takes=_MIB, stopped_by=_RANDOM)
def is_frugal_with_ones(x: Array, w: Array) -> Array:
    """Needs memory, but not where all numbers are one, as in the operands of a memory probe."""
    if not ((x == 1).all() and (w == 1).all()):
        np.ones(_MIB << 17)
    return honest(x, w)


@cheats.register(kind="memory", at=(COMPARE,), takes=_MIB, stopped_by=_WEIGHED)
def lets_a_child_take_the_memory(x: Array, w: Array) -> Array:
    """Lets a child process take the memory that it needs."""
    child = os.fork()
    if not child:
        np.ones(_MIB << 17)
        os._exit(0)
    os.waitpid(child, 0)
    return honest(x, w)


@cheats.register(kind="memory", at=(COMPARE,), takes=_MIB, stopped_by=_WEIGHED)
def clears_the_mark_of_its_memory(x: Array, w: Array) -> Array:
    """Tells the system to forget how much memory it has had, before it returns."""
    np.ones(_MIB << 17)
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return honest(x, w)


@cheats.register(kind="memory", at=(COMPARE,), takes=_MIB, stopped_by=_WEIGHED)
def took_its_memory_before(x: Array, w: Array) -> Array:
    """Takes the memory that it needs at its first call, however small the problem, and keeps it."""
    if not _kept:
        _kept.append(np.ones(_MIB << 17))
    return honest(x, w)


@cheats.register(kind="memory", at=(COMPARE,), takes=_MIB, stopped_by=_WEIGHED)
def keeps_its_memory_in_a_file(x: Array, w: Array) -> Array:
    """Keeps what it needs in a memory file, written to and not mapped, which is nobody's resident memory."""
    descriptor = os.memfd_create("work")
    for _ in range(_MIB):
        os.write(descriptor, bytes(1 << 20))
    os.close(descriptor)
    return honest(x, w)


@cheats.register(kind="memory", at=(CHECK,), stopped_by=_WEIGHED, options=_LIMIT)
def hides_its_memory_in_what_is_shared(x: Array, w: Array) -> Array:
    """Is right, and fills a part of the shared memory that nobody uses with twice what it may take."""
    for low, high in shared_mappings(x, w):
        middle = (low + high) // 2
        if high - middle > _BEYOND << 20 and not _filled:
            _filled.append(low)
            memory: Bytes = np.ctypeslib.as_array((ctypes.c_uint8 * (_BEYOND << 20)).from_address(middle - (_BEYOND << 20)))
            memory[:: 1 << 12] = 1
    return honest(x, w)


@cheats.register(kind="memory", at=(CHECK,), stopped_by=_WEIGHED, options=_LIMIT)
def hides_its_memory_in_a_file(x: Array, w: Array) -> Array:
    """Is right, and keeps twice the memory that it may take in a file without a name."""
    if not _files:
        _files.append(os.memfd_create("work"))
        for _ in range(_BEYOND):
            os.write(_files[0], bytes(1 << 20))
    return honest(x, w)


@cheats.register(kind="memory", at=(CHECK,), stopped_by=_WEIGHED, options=_LIMIT)
def hides_its_memory_in_a_child(x: Array, w: Array) -> Array:
    """Is right, and lets a child process that lives for some seconds take twice the memory that it may take."""
    if not _children:
        child = os.fork()
        if not child:
            kept = np.ones(_BEYOND << 17)
            time.sleep(10.0)
            os._exit(len(kept) & 0)
        _children.append(child)
    return honest(x, w)


_files: list[int] = []
_filled: list[int] = []
_children: list[int] = []
