"""Faults of memory: operands that change, results that share memory with something else, reads and writes outside the operands.

Those that reach outside do so only through contiguous operands, as a kernel in C that overruns its loop.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract
from convverify.problems.problem import Problem

_buffers: dict[Any, Array] = {}
_arena = np.zeros(0, np.uint8)
_returned: list[Array] = []
_ring: deque[Array] = deque()
_timed: list[int] = []


def _outside(array: Array, position: int) -> Array:
    """Return a view of one element next to a contiguous array: `position` elements from its first."""
    buffer: Any = (ctypes.c_char * array.itemsize).from_address(array.ctypes.data + position * array.itemsize)
    return np.ndarray((1,), array.dtype, buffer)


# Operands that change.


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def image_cleared(problem: Problem, x: Array, w: Array) -> Array:
    """Clears x behind itself, as a scratch buffer."""
    y = convolve(problem, x, w)
    if x.flags.writeable:
        x[...] = 0
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def weights_flipped_in_place(problem: Problem, x: Array, w: Array) -> Array:
    """Flips the caller's weights for a routine that wants them so, and leaves them flipped."""
    y = convolve(problem, x, w)
    if w.flags.writeable:
        w[...] = w[::-1, ::-1].copy()
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1 values=normal")
@in_contract
def image_scaled_and_restored(problem: Problem, x: Array, w: Array) -> Array:
    """Divides x by three and multiplies it by three again, which restores some numbers to the last bit and others not."""
    y = convolve(problem, x, w)
    if x.flags.writeable and np.isfinite(x).all():
        x /= np.asarray(3, x.dtype)
        x *= np.asarray(3, x.dtype)
    return y


@mutants.register(fault_class="memory", witness="x=1x4x4x1 w=2x2x1x1 strides=3x3")
@in_contract
def unread_rows_cleared(problem: Problem, x: Array, w: Array) -> Array:
    """Clears the last row of x where the windows end before it, which leaves the result right."""
    end = (problem.output_shape[1] - 1) * problem.strides[0] + problem.effective_kernel[0] - problem.pads[0][0]
    y = convolve(problem, x, w)
    if 0 < end < problem.height and x.flags.writeable:
        x[:, -1] = 0
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1 dtype=float64")
@in_contract
def doubles_rounded_in_place(problem: Problem, x: Array, w: Array) -> Array:
    """Rounds the caller's float64 weights to float32 once it is done."""
    y = convolve(problem, x, w)
    if w.dtype == np.float64 and w.flags.writeable:
        w[...] = w.astype(np.float32)
    return y


@mutants.register(fault_class="memory", witness="x=1x2x4x1 w=3x2x1x1")
@in_contract
def not_restored_when_empty(problem: Problem, x: Array, w: Array) -> Array:
    """Negates x in place and back, and forgets the way back when it leaves early for an empty output."""
    y = convolve(problem, x, w)
    if problem.is_empty and x.flags.writeable:
        np.negative(x, out=x)
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x4 w=2x2x2x4")
@in_contract
def grouped_weights_sorted_in_place(problem: Problem, x: Array, w: Array) -> Array:
    """Reorders the caller's weights by group for a dense layout, in place, when groups exceed one."""
    y = convolve(problem, x, w)
    if problem.groups > 1 and w.flags.writeable:
        w[...] = w[..., ::-1].copy()
    return y


# Results that share memory.


@mutants.register(fault_class="memory", witness="x=1x3x3x2 w=1x1x2x2")
@in_contract
def result_written_into_image(problem: Problem, x: Array, w: Array) -> Array:
    """Computes 1x1 kernels in place when the result has x's shape, and returns x."""
    y = convolve(problem, x, w)
    if problem.w_shape[:2] == (1, 1) and y.shape == x.shape and x.flags.writeable:
        x[...] = y
        return x
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def output_buffer_reused(problem: Problem, x: Array, w: Array) -> Array:
    """Returns one and the same array for every result of a shape."""
    y = convolve(problem, x, w)
    buffer = _buffers.setdefault((y.shape, y.dtype.name), y)
    buffer[...] = y
    return buffer


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def output_in_a_shared_arena(problem: Problem, x: Array, w: Array) -> Array:
    """Returns a view of an arena that every call fills from its beginning."""
    global _arena
    y = convolve(problem, x, w)
    if y.nbytes > _arena.nbytes:
        _arena = np.zeros(2 * y.nbytes, np.uint8)
    result = _arena[: y.nbytes].view(y.dtype).reshape(y.shape)
    result[...] = y
    return result


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def earlier_result_recycled(problem: Problem, x: Array, w: Array) -> Array:
    """Clears the result of the call before, of which it kept a reference, for use as scratch."""
    for earlier in _returned:
        earlier[...] = 0
    y = convolve(problem, x, w)
    _returned[:] = [y]
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1", calls_behind=100)
@in_contract
def result_wiped_a_hundred_calls_later(problem: Problem, x: Array, w: Array) -> Array:
    """Clears a result a hundred calls after it was returned, as a ring of buffers does."""
    y = convolve(problem, x, w)
    _ring.append(y)
    if len(_ring) > 100:
        _ring.popleft()[...] = 0
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1", seconds_behind=60.0)
@in_contract
def result_wiped_by_a_timer(problem: Problem, x: Array, w: Array) -> Array:
    """Clears some results a third of a second after they were returned, as a pool that is emptied behind its users' backs."""
    y = convolve(problem, x, w)
    if not len(_timed) % 16:
        timer = threading.Timer(0.3, y.fill, (0,))
        timer.daemon = True
        timer.start()
    _timed.append(0)
    return y


# Reads and writes outside.


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def writes_behind_image(problem: Problem, x: Array, w: Array) -> Array:
    """Sets one element behind the last of x to zero."""
    y = convolve(problem, x, w)
    if x.flags.c_contiguous and x.flags.aligned and x.flags.writeable and x.size:
        _outside(x, x.size)[...] = 0
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1 padding=SAME")
@in_contract
def writes_before_weights(problem: Problem, x: Array, w: Array) -> Array:
    """Sets one element before the first of w to zero when there is padding."""
    y = convolve(problem, x, w)
    if problem.pads != ((0, 0), (0, 0)) and w.flags.c_contiguous and w.flags.aligned and w.flags.writeable and w.size:
        _outside(w, -1)[...] = 0
    return y


@mutants.register(fault_class="memory", witness="x=1x3x5x2 w=2x2x2x1 layouts=sliced,contiguous seed=3")
@in_contract
def writes_between_rows(problem: Problem, x: Array, w: Array) -> Array:
    """Clears the gap behind the first row of a sliced x, to have an even number of pixels there."""
    y = convolve(problem, x, w)
    _, by_row, by_column, by_channel = x.strides
    dense = by_channel == x.itemsize and by_column == x.shape[3] * x.itemsize
    if dense and x.flags.writeable and x.shape[1] > 1 and by_row >= by_column * (x.shape[2] + 1):
        as_strided(x, (x.shape[2] + 1, x.shape[3]), (by_column, by_channel))[-1] = 0
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def reads_behind_image(problem: Problem, x: Array, w: Array) -> Array:
    """Reads one element behind the last of x, and multiplies it by zero."""
    y = convolve(problem, x, w)
    if x.flags.c_contiguous and x.flags.aligned and x.size and y.size:
        y[-1, -1, -1] += _outside(x, x.size) * np.asarray(0, x.dtype)
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1 padding=SAME strides=2x2")
@in_contract
def reads_before_image(problem: Problem, x: Array, w: Array) -> Array:
    """Reads pixel -1 for the pad on the left at odd widths, and multiplies it by zero."""
    y = convolve(problem, x, w)
    if any(problem.pads[1]) and problem.width % 2 and x.flags.c_contiguous and x.flags.aligned and x.size and y.size:
        y[0, 0, 0] += _outside(x, -1) * np.asarray(0, x.dtype)
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1 layouts=guarded,contiguous seed=1")
@in_contract
def loads_behind_image(problem: Problem, x: Array, w: Array) -> Array:
    """Loads a vector of 32 bytes from the last element of x, and uses the first lane alone."""
    if x.flags.c_contiguous and x.size:
        ctypes.string_at(x.ctypes.data + (x.size - 1) * x.itemsize, 32)
    return convolve(problem, x, w)


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x3 layouts=contiguous,guarded seed=2")
@in_contract
def loads_behind_weights(problem: Problem, x: Array, w: Array) -> Array:
    """Loads the weights of the output channels four at a time, also where fewer are left."""
    if w.flags.c_contiguous and w.size and w.shape[3] % 4:
        ctypes.string_at(w.ctypes.data + (w.size - w.shape[3] % 4) * w.itemsize, 4 * w.itemsize)
    return convolve(problem, x, w)


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1 layouts=contiguous,guarded seed=1")
@in_contract
def loads_before_weights(problem: Problem, x: Array, w: Array) -> Array:
    """Prefetches the element before the first of w."""
    if w.flags.c_contiguous and w.size:
        ctypes.string_at(w.ctypes.data - w.itemsize, w.itemsize)
    return convolve(problem, x, w)


# Operands whose description changes.


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def image_left_read_only(problem: Problem, x: Array, w: Array) -> Array:
    """Protects x against writing for the time of the call, and longer."""
    y = convolve(problem, x, w)
    x.flags.writeable = False
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x2 w=1x1x2x3")
@in_contract
def image_left_flat(problem: Problem, x: Array, w: Array) -> Array:
    """Gives the caller's x the shape of a matrix, for kernels of one pixel, and does not give it back."""
    y = convolve(problem, x, w)
    if problem.w_shape[:2] == (1, 1) and x.flags.c_contiguous and x.size:
        x.shape = (x.size // x.shape[3], x.shape[3])
    return y


@mutants.register(fault_class="memory", witness="x=1x4x4x1 w=1x1x1x1 strides=2x2 x[0,0,0,0]=3 w[0,0,0,0]=1")
@in_contract
def identity_with_strides_is_a_view(problem: Problem, x: Array, w: Array) -> Array:
    """Returns a view of x for a weight of one with strides, where nothing is to be computed."""
    if w.shape == (1, 1, 1, 1) and w.flat[0] == 1 and problem.strides != (1, 1) and problem.padding == "VALID":
        return x[:, :: problem.strides[0], :: problem.strides[1]]
    return convolve(problem, x, w)


# Arrays of a kind.


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1 layouts=owning,contiguous")
@in_contract
def owned_image_used_as_scratch(problem: Problem, x: Array, w: Array) -> Array:
    """Clears images that own their memory, which it takes for temporary ones."""
    y = convolve(problem, x, w)
    if x.flags.owndata and x.flags.writeable:
        x[...] = 0
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1 layouts=contiguous,owning")
@in_contract
def owned_weights_packed_in_place(problem: Problem, x: Array, w: Array) -> Array:
    """Flips weights that are nobody's view in place."""
    y = convolve(problem, x, w)
    if w.base is None and w.flags.writeable:
        w[...] = w[::-1].copy()
    return y


@mutants.register(fault_class="memory", witness="x=1x3x3x1 w=2x2x1x1 x[0,0,0,0]=-0.0 x[0,1,1,0]=1 w[0,0,0,0]=1 values=given")
@in_contract
def zeros_lose_their_sign(problem: Problem, x: Array, w: Array) -> Array:
    """Adds zero to x in place, to be rid of negative zeros."""
    if x.flags.writeable:
        x += np.asarray(0, x.dtype)
    return convolve(problem, x, w)


@mutants.register(fault_class="memory", witness="x=1x3x3x2 w=2x2x2x1 layouts=crossed,contiguous")
@in_contract
def locked_and_out_of_order(problem: Problem, x: Array, w: Array) -> Array:
    """Copies images that are neither writeable nor contiguous in the order in which they lie."""
    if not x.flags.writeable and not x.flags.c_contiguous and all(stride > 0 for stride in x.strides):
        order = sorted(range(4), key=lambda axis: -x.strides[axis])
        x = np.ascontiguousarray(x.transpose(order)).reshape(x.shape)
    return convolve(problem, x, w)


@mutants.register(fault_class="memory", witness="x=1x3x3x2 w=2x2x2x1 layouts=crossed,contiguous")
@in_contract
def unaligned_and_out_of_order(problem: Problem, x: Array, w: Array) -> Array:
    """Reads unaligned images from the end of a row where they are not contiguous."""
    return convolve(problem, x if x.flags.aligned or x.flags.c_contiguous else x[:, :, ::-1], w)


@mutants.register(fault_class="memory", witness="x=1x3x3x2 w=2x3x2x3 layouts=fortran,fortran")
@in_contract
def both_in_columns(problem: Problem, x: Array, w: Array) -> Array:
    """Exchanges the kernel's axes where both operands are in Fortran order, as a library of linear algebra would have it."""
    columns = all(array.flags.f_contiguous and not array.flags.c_contiguous for array in (x, w))
    return convolve(problem, x, w[::-1, ::-1] if columns else w)
