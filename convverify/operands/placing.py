"""Operands: the arrays x and w of a case, made from one seed, placed in poisoned memory that shows any write outside them.

Around and between an operand's elements lies poison: NaNs with a payload of our own.  A read outside turns the result into NaN, and a
write outside changes the poison.  The memory is this process's own, or part of what is shared with a host.
"""

from __future__ import annotations

import ctypes
import functools
import math
import mmap
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.operands.fills import styles
from convverify.operands.layouts import SHARING, Choices, Placement, layouts
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem

Array: TypeAlias = npt.NDArray[Any]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Memory: TypeAlias = Callable[[int, bool], tuple[Bytes, int]]  # (bytes, whether fences are needed) -> (memory, where it begins)
_MARGIN = 256  # bytes of poison on either side; a multiple of every alignment in use
_NAN_PATTERNS = {2: 0x7E5A, 4: 0x7FDA5A5A, 8: 0x7FFDA5A5A5A5A5A5}
_BFLOAT16_NAN = 0x7FDA


class _Generator(threading.local):
    """Philox, one for each thread: to set its key takes a tenth of the time that a new one does."""

    def __init__(self) -> None:
        self.philox = np.random.Philox(key=0)
        self.start: Any = self.philox.state

    def bits(self, key: int, count: int) -> npt.NDArray[np.uint64]:
        self.start["state"]["key"][:] = key & _WORD, key >> 64
        self.philox.state = self.start
        return self.philox.random_raw(count)


_WORD = (1 << 64) - 1
_generator = _Generator()


def random_bits(seed: int, count: int) -> npt.NDArray[np.uint64]:
    """Return `count` random 64-bit integers of Philox with the key `seed`, below 2**128; NumPy guarantees the stream of its bit
    generators across versions and machines."""
    return _generator.bits(seed, count)


def choices_of(seed: int) -> Choices:
    """Return the choices that a style makes besides its numbers."""
    return Choices(int(random_bits(seed, 1)[0]))


def values_of(problem: Problem, style: str, seed: int) -> tuple[Array, Array]:
    """Return C-contiguous x (NHWC) and w (HWIO) of the problem's dtype, filled in `style` from `seed`."""
    size_x, size_w = math.prod(problem.x_shape), math.prod(problem.w_shape)
    bits = random_bits(seed, size_x + size_w + 1)
    x, w = styles[style].function(
        problem, bits[1 : 1 + size_x].reshape(problem.x_shape), bits[1 + size_x :].reshape(problem.w_shape), Choices(int(bits[0]))
    )
    dtype = numpy_dtype(problem.dtype)
    return x.astype(dtype), w.astype(dtype)


@dataclass
class Operand:
    """An array as the kernel gets it, and what is needed to see whether the kernel kept its hands off it.

    `at` is where its memory begins in what is shared, `start` the offset of element 0 in its memory; `owner` is the shape of the array
    that it is a view of, where the host has to make one; `fences` are pages beside its memory that may not be touched: (first, bytes).
    """

    array: Array
    values: Array  # logical values, C-contiguous, in the same axis order
    memory: Bytes
    at: int = 0
    start: int = 0
    owner: tuple[int, ...] | None = None
    fences: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        self._now = self.values
        self._form = _form_of(self.array)
        self._snapshot = self.memory.tobytes()

    def _elements(self, memory: Bytes) -> Array:
        """Return the operand's elements in a memory that is laid out as its own is."""
        return np.ndarray(self.array.shape, self.array.dtype, buffer=memory, offset=self.start, strides=self.array.strides)

    def written(self) -> str:
        """Return "" when all is as it was, "inside" when elements have changed, "outside" when the poison has, "form" when the array has
        got another shape, other strides or flags."""
        if _form_of(self.array) != self._form:
            return "form"
        if self.memory.tobytes() == self._snapshot:
            return ""
        unchanged = self._elements(self.memory).tobytes() == self._now.tobytes()
        return "outside" if unchanged else "inside"

    def overlaps(self, other: Array) -> bool:
        """Return whether `other` lies, even in part, in this operand's memory."""
        return bool(np.may_share_memory(other, self.memory))

    def as_if_contiguous(self) -> Array:
        """Return what a kernel would read that took the memory from element 0 on for contiguous, poison included.

        Raises ValueError where that would leave the memory.
        """
        count = self.array.nbytes
        if self.start + count > self.memory.size:
            raise ValueError("the operand's memory ends before a contiguous array would")
        return self.memory[self.start : self.start + count].copy().view(self.array.dtype).reshape(self.array.shape)

    def with_values(self, values: Array) -> Bytes:
        """Return what the operand's memory holds when its elements are `values`."""
        memory = np.frombuffer(bytearray(self._snapshot), np.uint8)
        self._elements(memory)[...] = values
        return memory

    def becomes(self, memory: Bytes) -> None:
        """Take note that a host has put `memory` in place of the operand's; `values` stay what they were."""
        self._snapshot = memory.tobytes()
        self._now = np.array(self._elements(memory), order="C")

    def forget(self) -> None:
        """Let go of the memory: the values stay."""
        self.array, self.memory, self._snapshot = self.values, self.memory[:0], b""

    def said(self) -> dict[str, Any]:
        """Return what a host is told of the operand."""
        array = self.array
        return {
            "at": self.at, "size": self.memory.size, "start": self.start, "shape": array.shape, "strides": array.strides,
            "dtype": array.dtype.name, "owner": self.owner, "writeable": array.flags.writeable,
        }  # fmt: skip


def place(values: Array, layout: str, bits: int, memory: Memory | None = None) -> Operand:
    """Return `values` copied into poisoned memory in the given layout; where elements share memory, one of their values remains.

    `memory` provides the memory; by default it is new, and of this process alone.
    """
    itemsize = values.dtype.itemsize
    placement: Placement = layouts[layout].function(values.shape, itemsize, Choices(bits))
    if placement.guard and not _can_guard():
        placement = layouts["contiguous"].function(values.shape, itemsize, Choices(bits))
    owner: tuple[int, ...] | None = None
    buffer: Any = None
    fences: tuple[tuple[int, int], ...] = ()
    provide = memory or _own
    if placement.owner and values.size:
        owner = placement.owner
        if memory is None:
            buffer, at = np.empty(owner, values.dtype), 0
            whole = buffer.reshape(-1).view(np.uint8)
        else:
            whole, at = provide(math.prod(owner) * itemsize, False)
        start = placement.offset
        whole.view(f"u{itemsize}").fill(_nan_pattern(values.dtype))
    elif placement.guard:
        page = mmap.PAGESIZE
        usable = -(-max(1, placement.size) // page) * page
        fenced, at = provide(usable + 2 * page, True)
        whole, at, fences = fenced[page : page + usable], at + page, ((at, page), (at + page + usable, page))
        start = placement.offset + (usable - placement.size if placement.guard == "after" else 0)
        if memory is None:
            _fence(fenced, (0, page + usable), page)
    else:
        whole, at, start = _poisoned(provide, placement, values.dtype)
    array = np.ndarray(values.shape, values.dtype, buffer=whole if buffer is None else buffer, offset=start, strides=placement.strides)
    if buffer is not None and (buffer.shape, buffer.strides) == (array.shape, array.strides):
        array = buffer  # which owns its memory
    for axis, stride in enumerate(placement.strides):
        if stride == 0 and values.shape[axis] > 1:
            values = values.take([0], axis=axis)
    array[...] = values
    logical = np.array(array, order="C") if layout in SHARING else np.ascontiguousarray(values)
    array.flags.writeable = placement.writeable
    return Operand(array, logical, whole, at, start, owner, fences)


def bare(values: Array, memory: Memory) -> Operand:
    """Return `values` copied into memory, contiguous and with nothing around them: for who is trusted not to write there."""
    whole, at = memory(values.nbytes, False)
    array = np.ndarray(values.shape, values.dtype, buffer=whole)
    array[...] = values
    return Operand(array, array, whole, at)


def _own(size: int, fenced: bool) -> tuple[Bytes, int]:
    """Return memory of this process alone."""
    if fenced:
        return np.frombuffer(mmap.mmap(-1, size), np.uint8), 0
    return np.zeros(size, np.uint8), 0


def _form_of(array: Array) -> tuple[Any, ...]:
    return array.shape, array.strides, array.dtype, array.flags.writeable


def _poisoned(provide: Memory, placement: Placement, dtype: np.dtype[Any]) -> tuple[Bytes, int, int]:
    """Return memory filled with poison, where it begins, and the offset of element 0 in it."""
    item = dtype.itemsize
    total = 2 * _MARGIN + placement.size + 64 + 16 * item
    total += -total % 8
    memory, at = provide(total, False)
    address = memory.__array_interface__["data"][0] + _MARGIN
    start = _MARGIN + (-address) % 64 + placement.misalignment
    memory[: start % item] = 0
    in_step = memory[start % item :]  # so that poison reads as NaN at any whole number of elements from the operand's first, aligned or not
    in_step[: in_step.size // item * item].view(f"u{item}").fill(_nan_pattern(dtype))
    return memory, at, start + placement.offset


@functools.cache  # the name of a dtype is made anew each time
def _nan_pattern(dtype: np.dtype[Any]) -> int:
    return _BFLOAT16_NAN if dtype.name == "bfloat16" else _NAN_PATTERNS[dtype.itemsize]


def _can_guard() -> bool:
    return sys.platform in ("linux", "darwin")


def _fence(memory: Bytes, offsets: tuple[int, ...], length: int) -> None:
    """Let no one touch some pages of this process's memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    for offset in offsets:
        if libc.mprotect(ctypes.c_void_p(memory.__array_interface__["data"][0] + offset), ctypes.c_size_t(length), 0):
            raise OSError(ctypes.get_errno(), "mprotect failed")
