"""Operands: the arrays x and w of a case, made from one seed, placed in poisoned memory that shows any write outside them.

Around and between an operand's elements lies poison: NaNs with a payload of our own.  A read outside turns the result into NaN, and a
write outside changes the poison.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import sys
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.operands.fills import styles
from convverify.operands.layouts import Choices, Placement, layouts
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem

Array = npt.NDArray[Any]
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


def values_of(problem: Problem, style: str, seed: int) -> tuple[Array, Array]:
    """Return C-contiguous x (NHWC) and w (HWIO) of the problem's dtype, filled in `style` from `seed`."""
    size_x, size_w = int(np.prod(problem.x_shape)), int(np.prod(problem.w_shape))
    bits = random_bits(seed, size_x + size_w + 1)
    x, w = styles[style].function(
        problem, bits[1 : 1 + size_x].reshape(problem.x_shape), bits[1 + size_x :].reshape(problem.w_shape), Choices(int(bits[0]))
    )
    dtype = numpy_dtype(problem.dtype)
    return x.astype(dtype), w.astype(dtype)


@dataclass
class Operand:
    """An array as the kernel gets it, and what is needed to see whether the kernel kept its hands off it."""

    array: Array
    values: Array  # logical values, C-contiguous, in the same axis order
    _writeable: Array  # the same elements, in an array that the kernel does not get
    _memory: npt.NDArray[np.uint8]
    _snapshot: bytes
    _form: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        self._form = _form_of(self.array)

    def written(self) -> str:
        """Return "" when all is as it was, "inside" when elements have changed, "outside" when the poison has, "form" when the array has
        got another shape, other strides or flags."""
        if _form_of(self.array) != self._form:
            return "form"
        if self._memory.tobytes() == self._snapshot:
            return ""
        unchanged = self._writeable.tobytes() == self.values.tobytes()
        return "outside" if unchanged else "inside"

    def overlaps(self, other: Array) -> bool:
        """Return whether `other` lies, even in part, in this operand's memory."""
        return bool(np.may_share_memory(other, self._memory))

    def as_if_contiguous(self) -> Array:
        """Return what a kernel would read that took the memory from element 0 on for contiguous, poison included.

        Raises ValueError where that would leave the memory.
        """
        start = self.array.__array_interface__["data"][0] - self._memory.__array_interface__["data"][0]
        count = int(np.prod(self.array.shape)) * self.array.itemsize
        if start + count > self._memory.size:
            raise ValueError("the operand's memory ends before a contiguous array would")
        return self._memory[start : start + count].copy().view(self.array.dtype).reshape(self.array.shape)

    def overwrite(self, values: Array) -> None:
        """Put other values into the same memory."""
        self._writeable[...] = values
        self.values = np.array(self._writeable, order="C")
        self._snapshot = self._memory.tobytes()


def place(values: Array, layout: str, bits: int) -> Operand:
    """Return `values` copied into poisoned memory in the given layout; where elements share memory, one of their values remains."""
    itemsize = values.dtype.itemsize
    placement: Placement = layouts[layout].function(values.shape, itemsize, Choices(bits))
    if placement.guard and not _can_guard():
        placement = layouts["contiguous"].function(values.shape, itemsize, Choices(bits))
    if placement.owner and values.size:
        owner = np.empty(placement.owner, values.dtype)
        memory, start = owner.reshape(-1).view(np.uint8), 0
        memory.view(f"u{itemsize}").fill(_nan_pattern(values.dtype))
        flat = np.ndarray(values.shape, values.dtype, buffer=owner, offset=placement.offset, strides=placement.strides)
    else:
        memory, start = _guarded_memory(placement) if placement.guard else _poisoned_memory(placement, values.dtype)
        flat = np.ndarray(values.shape, values.dtype, buffer=memory, offset=start + placement.offset, strides=placement.strides)
    for axis, stride in enumerate(placement.strides):
        if stride == 0 and values.shape[axis] > 1:
            values = values.take([0], axis=axis)
    flat[...] = values
    array = flat.view()
    array.flags.writeable = placement.writeable
    return Operand(array, np.array(flat, order="C"), flat, memory, memory.tobytes())


def _form_of(array: Array) -> tuple[Any, ...]:
    return array.shape, array.strides, array.dtype, array.flags.writeable


def _poisoned_memory(placement: Placement, dtype: np.dtype) -> tuple[npt.NDArray[np.uint8], int]:
    """Return a buffer filled with poison and the offset at which the placement begins."""
    item = dtype.itemsize
    total = 2 * _MARGIN + placement.size + 64 + 16 * item
    total += -total % 8
    memory = np.zeros(total, np.uint8)
    address = memory.__array_interface__["data"][0] + _MARGIN
    start = _MARGIN + (-address) % 64 + placement.misalignment
    in_step = memory[start % item :]  # so that poison is NaN to whoever counts elements from the operand's first, aligned or not
    in_step[: in_step.size // item * item].view(f"u{item}").fill(_nan_pattern(dtype))
    return memory, start


@functools.cache  # the name of a dtype is made anew each time
def _nan_pattern(dtype: np.dtype) -> int:
    return _BFLOAT16_NAN if dtype.name == "bfloat16" else _NAN_PATTERNS[dtype.itemsize]


_libc: Any = None


def _can_guard() -> bool:
    return sys.platform in ("linux", "darwin")


def _guarded_memory(placement: Placement) -> tuple[npt.NDArray[np.uint8], int]:
    """Return memory between two pages that no one may touch, and the offset that puts the operand against one of them."""
    global _libc
    page = mmap.PAGESIZE
    usable = -(-max(1, placement.size) // page) * page
    region = mmap.mmap(-1, usable + 2 * page)
    whole = np.frombuffer(region, np.uint8)
    address = whole.__array_interface__["data"][0]
    if _libc is None:
        _libc = ctypes.CDLL(None, use_errno=True)
    for fence in (address, address + page + usable):
        if _libc.mprotect(ctypes.c_void_p(fence), ctypes.c_size_t(page), 0):
            raise OSError(ctypes.get_errno(), "mprotect failed")
    memory = whole[page : page + usable]
    return memory, usable - placement.size if placement.guard == "after" else 0
