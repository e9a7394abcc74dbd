"""Faults of memory layout: strides, alignment or flags of an array that a kernel misreads.

Several read memory by address, as a kernel in C does that gets a pointer and no strides.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract
from convverify.problems.problem import Problem


def _dense_strides(array: Array) -> tuple[int, ...]:
    """Return the strides that the array would have in C order."""
    strides = [array.itemsize]
    for extent in array.shape[:0:-1]:
        strides.insert(0, strides[0] * extent)
    return tuple(strides)


def _at(address: int, array: Array) -> Array:
    """Return what lies at an address, as an array in C order of the shape of `array`."""
    buffer: Any = (ctypes.c_char * array.nbytes).from_address(address)
    return np.frombuffer(buffer, np.uint8).copy().view(array.dtype).reshape(array.shape) if array.nbytes else array


def _in_memory_order(array: Array) -> Array:
    """Return the elements in the order in which they lie in memory, taken for C order."""
    return array.ravel("K").reshape(array.shape)


@mutants.register(fault_class="layout", issue="pytorch#18948", witness="x=1x3x3x2 w=1x1x2x1 layouts=fortran,contiguous")
@in_contract
def strides_of_x_ignored(problem: Problem, x: Array, w: Array) -> Array:
    """Reads x from its address as if it lay in C order."""
    return convolve(problem, _at(x.ctypes.data, x), w)


@mutants.register(fault_class="layout", issue="pytorch#16018", witness="x=1x3x3x2 w=2x1x2x3 layouts=contiguous,broadcast")
@in_contract
def strides_of_w_ignored(problem: Problem, x: Array, w: Array) -> Array:
    """Reads w from its address as if it lay in C order."""
    return convolve(problem, x, _at(w.ctypes.data, w))


@mutants.register(fault_class="layout", witness="x=2x3x3x2 w=1x1x2x1 layouts=transposed,contiguous")
@in_contract
def x_copied_in_memory_order(problem: Problem, x: Array, w: Array) -> Array:
    """Makes x contiguous in the order in which it lies in memory."""
    return convolve(problem, _in_memory_order(x), w)


@mutants.register(fault_class="layout", issue="candle#3735", witness="x=1x3x3x2 w=2x1x2x3 layouts=contiguous,fortran")
@in_contract
def w_of_fortran_order(problem: Problem, x: Array, w: Array) -> Array:
    """Takes weights in Fortran order for weights in C order."""
    return convolve(problem, x, _in_memory_order(w) if w.flags.f_contiguous else w)


@mutants.register(fault_class="layout", witness="x=1x3x3x2 w=1x1x2x1 layouts=reversed_axes,contiguous")
@in_contract
def negative_strides_of_x(problem: Problem, x: Array, w: Array) -> Array:
    """Starts at the lowest address and drops the signs of the strides."""
    return convolve(problem, x[tuple(slice(None, None, -1 if stride < 0 else 1) for stride in x.strides)], w)


@mutants.register(fault_class="layout", witness="x=1x3x3x1 w=1x3x1x1 layouts=contiguous,reversed_axes")
@in_contract
def negative_strides_of_kernel_rows(problem: Problem, x: Array, w: Array) -> Array:
    """Drops the sign of the stride along the width of the kernel."""
    return convolve(problem, x, w[:, ::-1] if w.strides[1] < 0 else w)


@mutants.register(fault_class="layout", issue="pytorch#16557", witness="x=1x3x3x2 w=2x2x2x2 layouts=contiguous,broadcast")
@in_contract
def expanded_weights_once(problem: Problem, x: Array, w: Array) -> Array:
    """Reads weights that repeat along an axis (stride 0) once, and has zeros for the others."""
    w = w.copy() if 0 not in w.strides else _first_of_repeated(w)
    return convolve(problem, x, w)


def _first_of_repeated(w: Array) -> Array:
    single = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in w.strides)
    result = np.zeros(w.shape, w.dtype)
    result[single] = w[single]
    return result


@mutants.register(fault_class="layout", witness="x=1x3x3x2 w=1x1x2x1 layouts=unaligned,contiguous")
@in_contract
def address_of_x_rounded_down(problem: Problem, x: Array, w: Array) -> Array:
    """Rounds the address of an unaligned contiguous x down to a multiple of the item size."""
    if x.flags.c_contiguous and not x.flags.aligned:
        x = _at(x.ctypes.data // x.itemsize * x.itemsize, x)
    return convolve(problem, x, w)


@mutants.register(fault_class="layout", witness="x=1x3x3x2 w=2x2x2x1 layouts=contiguous,barely_aligned")
@in_contract
def head_of_w_skipped(problem: Problem, x: Array, w: Array) -> Array:
    """Skips the weights before the first address that a 16-byte vector load likes."""
    head = -w.ctypes.data % 16 // w.itemsize
    if w.flags.c_contiguous and w.flags.aligned and head:
        w = w.copy()
        w.reshape(-1)[:head] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="layout", issue="pytorch#195394", witness="x=1x3x3x2 w=1x1x2x1 layouts=stray_strides,contiguous seed=3")
@in_contract
def image_size_from_batch_stride(problem: Problem, x: Array, w: Array) -> Array:
    """Copies, of a contiguous x, as many bytes for an image as the batch's stride says."""
    if x.flags.c_contiguous and x.shape[0] == 1:
        elements, x = max(0, x.strides[0] // x.itemsize), x.copy()
        x.reshape(-1)[elements:] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="layout", witness="x=1x3x4x1 w=2x2x1x1 layouts=stray_strides,contiguous seed=1")
@in_contract
def pixel_pitch_from_channel_stride(problem: Problem, x: Array, w: Array) -> Array:
    """Steps between pixels of a contiguous one-channel x by the stride of its channel axis."""
    if x.flags.c_contiguous and x.shape[3] == 1 and x.size:
        flat = x.reshape(-1)
        x = flat[np.arange(x.size) * (x.strides[3] // x.itemsize) % x.size].reshape(x.shape)
    return convolve(problem, x, w)


@mutants.register(fault_class="layout", issue="oneDNN PR#5914", witness="x=1x3x3x2 w=1x1x2x1 layouts=sliced,contiguous seed=2")
@in_contract
def pixels_of_x_side_by_side(problem: Problem, x: Array, w: Array) -> Array:
    """Believes the strides of x along batch and height, and takes the pixels of a row to be dense."""
    if min(x.strides, default=0) > 0 and x.shape[3] > 1:
        x = as_strided(x, strides=(*x.strides[:2], *_dense_strides(x)[2:]), writeable=False)
    return convolve(problem, x, w)


@mutants.register(fault_class="layout", witness="x=1x3x3x2 w=2x1x2x2 layouts=contiguous,readonly")
@in_contract
def readonly_weights_refused(problem: Problem, x: Array, w: Array) -> Array:
    """Asks for a writeable buffer of w, which it never writes."""
    if not w.flags.writeable:
        raise ValueError("buffer source array is read-only")
    return convolve(problem, x, w)


@mutants.register(fault_class="layout", witness="x=1x3x3x2 w=2x1x2x2 layouts=sliced,contiguous seed=2")
@in_contract
def sliced_x_from_its_base(problem: Problem, x: Array, w: Array) -> Array:
    """Shifts a non-contiguous x by one pixel when there are gaps between its rows, as it adds the offset of the view twice."""
    if x.size and not x.flags.c_contiguous and x.strides[1] > x.strides[2] * x.shape[2] > 0:
        x = np.roll(x, 1, axis=2)
    return convolve(problem, x, w)


@mutants.register(fault_class="layout", witness="x=1x3x3x2 w=2x2x2x2 layouts=sliced,sliced seed=2")
@in_contract
def two_slices_without_offset(problem: Problem, x: Array, w: Array) -> Array:
    """Forgets where x begins in the array that it is a slice of, when both operands are such slices."""
    owner = x.base
    if not (x.flags.c_contiguous or w.flags.c_contiguous) and isinstance(owner, np.ndarray) and owner.ndim == 4:
        x = owner[tuple(slice(extent) for extent in x.shape)] if all(a >= b for a, b in zip(owner.shape, x.shape, strict=True)) else x
    return convolve(problem, x, w)
