"""How large a problem may be: bytes are reckoned before any are allocated, so that no line of text takes more than this machine has."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from pathlib import Path

from convverify.problems.problem import Problem

MOST_WORK = 1 << 38  # multiply-adds that are done because a file says so: minutes of exact arithmetic
_CALL = 1 << 18  # what a call on a small problem costs beside its multiply-adds, in multiply-adds
_CGROUP = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def bytes_needed(problem: Problem) -> int:
    """Return the bytes that it takes to judge one case of a problem, at the least.

    The operands as the kernel gets them, the same untouched, and both in float64 for exact arithmetic, x padded; the result, the right one,
    its bound, and which elements are wrong.  An extent of 0 counts as 1: what loops over the others takes its time all the same.
    """
    (top, bottom), (left, right) = problem.pads
    batch, height, width, channels = problem.x_shape
    operands = _elements(problem.x_shape) + _elements(problem.w_shape)
    padded = _elements((batch, top + height + bottom, left + width + right, channels))
    item = {"float64": 8, "float32": 4}.get(problem.dtype, 2)
    return (2 * item + 8) * operands + 8 * padded + (item + 17) * _elements(problem.output_shape)


def _elements(shape: tuple[int, ...]) -> int:
    return math.prod(max(1, extent) for extent in shape)


@functools.cache
def bytes_of_machine() -> int:
    """Return the memory of this machine, or what its container may use of it."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for place in _CGROUP:
        with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
            found.append(int(Path(place).read_text()))
    return min(found)


def too_large(problem: Problem) -> str:
    """Return in words why a problem is too large for this machine; "" for one that is not."""
    needed, there = bytes_needed(problem), bytes_of_machine()
    if needed <= there:
        return ""
    return f"takes {_in_words(needed)} of memory, and this machine has {_in_words(there)}"


def work_of(problem: Problem, calls: int = 1) -> int:
    """Return what it takes to judge calls on a problem, in multiply-adds."""
    return calls * (problem.macs + _CALL)


def _in_words(size: int) -> str:
    unit, name = next((unit, name) for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1, "bytes")) if size >= unit)
    return f"{size / unit:.3g} {name}"
