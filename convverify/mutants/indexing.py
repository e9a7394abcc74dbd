"""Faults of indexing: taps, rows and columns that are missed, swapped, or read from elsewhere."""

from __future__ import annotations

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract, product, rounded, windows
from convverify.problems.problem import Problem, output_extent


def _times(pixels: Array, weights: Array) -> Array:
    return np.asarray(pixels.astype(np.float64) @ weights.astype(np.float64))


@mutants.register(fault_class="indexing", witness="x=1x4x4x1 w=2x2x1x1")
@in_contract
def kernel_flipped(problem: Problem, x: Array, w: Array) -> Array:
    """Flips the kernel along both axes: the convolution of signal processing."""
    return convolve(problem, x, w[::-1, ::-1])


@mutants.register(fault_class="indexing", witness="x=1x4x4x1 w=2x3x1x1")
@in_contract
def kernel_upside_down(problem: Problem, x: Array, w: Array) -> Array:
    """Flips the kernel along its height alone."""
    return convolve(problem, x, w[::-1])


@mutants.register(fault_class="indexing", witness="x=1x4x4x1 w=2x2x1x1")
@in_contract
def square_kernel_transposed(problem: Problem, x: Array, w: Array) -> Array:
    """Reads a square kernel with its rows as columns."""
    square = problem.kernel_height == problem.kernel_width
    return convolve(problem, x, w.transpose(1, 0, 2, 3) if square else w)


@mutants.register(fault_class="indexing", witness="x=1x4x4x1 w=1x2x1x1")
@np.errstate(all="ignore")
def kernel_size_from_height(x: Array, w: Array) -> Array:
    """Reads one kernel size, the height, for both axes."""
    size = w.shape[0]
    rows, columns = output_extent(x.shape[1], (0, 0), size, 1), output_extent(x.shape[2], (0, 0), size, 1)
    y = np.zeros((x.shape[0], rows, columns, w.shape[3]), np.float64)
    for a in range(size):
        for b in range(size):
            y += _times(x[:, a : a + rows, b : b + columns], w[a, b])
    return rounded(y, x.dtype)


@mutants.register(fault_class="indexing", witness="x=1x4x4x1 w=1x2x1x1")
@np.errstate(all="ignore")
def kernel_size_from_width(x: Array, w: Array) -> Array:
    """Takes the windows to be as high as they are wide."""
    height, width = w.shape[:2]
    rows, columns = output_extent(x.shape[1], (0, 0), width, 1), output_extent(x.shape[2], (0, 0), width, 1)
    y = np.zeros((x.shape[0], rows, columns, w.shape[3]), np.float64)
    for a in range(min(height, width)):
        for b in range(width):
            y += _times(x[:, a : a + rows, b : b + columns], w[a, b])
    return rounded(y, x.dtype)


@mutants.register(fault_class="indexing", issue="ComputeLibrary#78", witness="x=1x3x4x1 w=1x2x1x1")
@in_contract
def last_column_of_even_kernel(problem: Problem, x: Array, w: Array) -> Array:
    """Drops the last tap in the last output column when the kernel's width is even."""
    y = convolve(problem, x, w)
    if problem.kernel_width % 2 == 0 and not problem.is_empty:
        pixels = windows(problem, x)[:, :, -1:, :, :-1]
        y[:, :, -1:] = rounded(product(problem, pixels, w[:, :-1]), x.dtype)
    return y


@mutants.register(fault_class="indexing", witness="x=1x6x6x1 w=3x5x1x1")
@in_contract
def odd_tap_beyond_nine(problem: Problem, x: Array, w: Array) -> Array:
    """Takes taps in pairs beyond nine of them, and forgets the odd one."""
    taps = problem.kernel_height * problem.kernel_width
    if taps > 9 and taps % 2:
        w = w.copy()
        w[-1, -1] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="indexing", witness="x=1x9x3x1 w=8x1x1x1")
@in_contract
def kernel_rows_beyond_seven(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps kernel rows in a table of seven."""
    if problem.kernel_height > 7:
        w = w.copy()
        w[7:] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="indexing", witness="x=1x3x4x1 w=2x1x1x1")
@in_contract
def row_pitch_is_height(problem: Problem, x: Array, w: Array) -> Array:
    """Steps from row to row of x by its height instead of its width."""
    batch, height, width, channels = problem.x_shape
    pixels = np.arange(height)[:, None] * height + np.arange(width)
    flat = x.reshape(batch, height * width, channels)
    return convolve(problem, flat[:, pixels % max(1, height * width)], w)


@mutants.register(fault_class="indexing", witness="x=2x4x4x1 w=2x2x1x1")
@in_contract
def image_pitch_of_output(problem: Problem, x: Array, w: Array) -> Array:
    """Steps from image to image of x by the extents of the output."""
    batch, rows, columns, _ = problem.output_shape
    area = problem.height * problem.width
    pixels = np.arange(batch)[:, None] * min(area, rows * columns) + np.arange(area)
    return convolve(problem, x.reshape(batch * area, problem.in_channels)[pixels].reshape(x.shape), w)


@mutants.register(fault_class="indexing", witness="x=1x2x2x3 w=1x1x3x3")
@in_contract
def square_weights_transposed(problem: Problem, x: Array, w: Array) -> Array:
    """Swaps input and output channels of the weights where there are as many of both."""
    return convolve(problem, x, w.transpose(0, 1, 3, 2) if w.shape[2] == w.shape[3] else w)


@mutants.register(fault_class="indexing", witness="x=1x4x4x1 w=3x3x1x1")
@in_contract
def last_row_left_zero(problem: Problem, x: Array, w: Array) -> Array:
    """Ends the loop over output rows one too soon when there are several."""
    y = convolve(problem, x, w)
    if y.shape[1] > 1:
        y[:, -1] = 0
    return y


@mutants.register(fault_class="indexing", issue="XNNPACK PR#10453", witness="x=1x2x4x1 w=3x2x1x1")
@in_contract
def kernel_beyond_image_yields_a_row(problem: Problem, x: Array, w: Array) -> Array:
    """Clamps extent minus kernel to 0 before it adds 1, so that there is always an output."""
    batch, rows, columns, channels = problem.output_shape
    y = np.zeros((batch, max(1, rows), max(1, columns), channels), x.dtype)
    y[:, :rows, :columns] = convolve(problem, x, w)
    return y


@mutants.register(fault_class="indexing", witness="x=1x4x6x1 w=3x2x1x1")
@in_contract
def taps_stored_across_rows(problem: Problem, x: Array, w: Array) -> Array:
    """Takes the taps of a kernel that is higher than wide in column order."""
    height, width, inputs, outputs = w.shape
    if height > width:
        w = w.transpose(1, 0, 2, 3).reshape(height, width, inputs, outputs)
    return convolve(problem, x, w)


@mutants.register(fault_class="indexing", witness="x=1x6x6x1 w=2x2x1x1")
@in_contract
def diagonal_read_twice(problem: Problem, x: Array, w: Array) -> Array:
    """Reads the output pixel to the left instead, on the diagonal beyond the fourth pixel."""
    y = convolve(problem, x, w)
    beyond = np.arange(4, max(4, min(y.shape[1:3])))
    y[:, beyond, beyond] = y[:, beyond, beyond - 1]
    return y
