"""Faults in what is left behind the last whole tile or vector, along every axis, and where an index outgrows its type."""

from __future__ import annotations

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract, product, rounded, tail, windows
from convverify.problems.problem import Problem

# Output width and height.


@mutants.register(fault_class="tails", witness="x=1x1x9x1 w=1x1x1x1")
@in_contract
def width_tail_of_eight_zero(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves the output columns behind the last eight at zero."""
    y = convolve(problem, x, w)
    y[:, :, tail(y.shape[2], 8)] = 0
    return y


@mutants.register(fault_class="tails", witness="x=1x1x15x1 w=1x1x1x1")
@in_contract
def width_tail_of_seven(problem: Problem, x: Array, w: Array) -> Array:
    """Loses one lane where exactly seven output columns are left behind the last eight."""
    y = convolve(problem, x, w)
    if y.shape[2] > 8 and y.shape[2] % 8 == 7:
        y[:, :, -1] = 0
    return y


@mutants.register(fault_class="tails", witness="x=1x33x1x1 w=1x1x1x1")
@in_contract
def height_tail_of_one_past_thirty_two(problem: Problem, x: Array, w: Array) -> Array:
    """Repeats the row above where one output row is left behind the last 32."""
    y = convolve(problem, x, w)
    if y.shape[1] > 32 and y.shape[1] % 32 == 1:
        y[:, -1] = y[:, -2]
    return y


@mutants.register(fault_class="tails", witness="x=1x17x1x1 w=1x1x1x1")
@in_contract
def height_tail_of_sixteen_reread(problem: Problem, x: Array, w: Array) -> Array:
    """Computes the rows behind the last sixteen from the rows of the tile before."""
    y = convolve(problem, x, w)
    rows = tail(y.shape[1], 16)
    y[:, rows] = y[:, : rows.stop - rows.start]
    return y


@mutants.register(fault_class="tails", witness="x=1x5x6x1 w=1x1x1x1")
@in_contract
def corner_tile(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves the tile in the corner, partial both in height and in width, at zero (tiles of 4x4)."""
    y = convolve(problem, x, w)
    y[:, tail(y.shape[1], 4), tail(y.shape[2], 4)] = 0
    return y


@mutants.register(fault_class="tails", issue="ncnn#1014", witness="x=1x7x7x1 w=3x3x1x5 strides=2x2")
@in_contract
def pixels_not_a_multiple_of_four(problem: Problem, x: Array, w: Array) -> Array:
    """Steps between output channels by the pixels, not rounded up to four, for 3x3 kernels at stride 2."""
    y = convolve(problem, x, w)
    batch, rows, columns, channels = y.shape
    pixels = rows * columns
    if problem.w_shape[:2] != (3, 3) or problem.strides != (2, 2) or pixels % 4 == 0:
        return y
    pitch = pixels + 4 - pixels % 4
    planes = np.zeros((batch, channels, pitch), y.dtype)
    planes[..., :pixels] = y.transpose(0, 3, 1, 2).reshape(batch, channels, pixels)
    read = planes.reshape(batch, channels * pitch)[:, : channels * pixels]
    return read.reshape(batch, channels, rows, columns).transpose(0, 2, 3, 1).copy()


@mutants.register(fault_class="tails", issue="pytorch#59439", witness="x=1x9x12x1 w=3x3x1x1")
@in_contract
def last_row_tail_unset(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves NaN in the last row's columns behind the last eight, for a single image and a 3x3 kernel."""
    y = convolve(problem, x, w)
    if problem.batch == 1 and problem.w_shape[:2] == (3, 3):
        y[:, -1:, tail(y.shape[2], 8)] = np.nan
    return y


@mutants.register(fault_class="tails", witness="x=1x1x130x1 w=1x1x1x1")
@in_contract
def column_index_of_eight_bits(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps the input's column in a signed byte: beyond 127 it wraps to the other end."""
    columns = np.arange(problem.width).astype(np.int8).astype(np.intp)
    return convolve(problem, x[:, :, columns % max(1, problem.width)], w)


@mutants.register(fault_class="tails", witness="x=1x16x17x1 w=1x1x1x1")
@in_contract
def pixel_index_of_eight_bits(problem: Problem, x: Array, w: Array) -> Array:
    """Writes output pixels at an index of one byte: the 257th takes the place of the first."""
    y = convolve(problem, x, w)
    pixels = y.shape[1] * y.shape[2]
    flat, result = y.reshape(y.shape[0], pixels, y.shape[3]), np.zeros((y.shape[0], pixels, y.shape[3]), y.dtype)
    for start in range(0, pixels, 256):
        part = flat[:, start : start + 256]
        result[:, : part.shape[1]] = part
    return result.reshape(y.shape)


@mutants.register(fault_class="tails", issue="mlx-swift#424", witness="x=1x1x32800x1 w=1x1x1x1")
@in_contract
def output_index_of_sixteen_bits(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps the output column in sixteen bits: those beyond 32767 get the value of the first."""
    y = convolve(problem, x, w)
    y[:, :, 32768:] = y[:, :, :1]
    return y


@mutants.register(fault_class="tails", issue="tensorflow PR#112776", witness="x=1x130x16x16 w=1x1x16x1")
@in_contract
def input_offset_of_sixteen_bits(problem: Problem, x: Array, w: Array) -> Array:
    """Computes the offset of an input element within its image in sixteen bits, the sign kept."""
    offsets = np.arange(problem.height * problem.width * problem.in_channels).astype(np.int16).astype(np.intp)
    flat = x.reshape(problem.batch, offsets.size)
    return convolve(problem, flat[:, offsets % max(1, offsets.size)].reshape(x.shape), w)


# Batch.


@mutants.register(fault_class="tails", witness="x=9x2x2x1 w=1x1x1x1")
@in_contract
def batch_tail_of_eight(problem: Problem, x: Array, w: Array) -> Array:
    """Gives the images behind the last eight the result of the first."""
    y = convolve(problem, x, w)
    y[tail(problem.batch, 8)] = y[:1]
    return y


@mutants.register(fault_class="tails", witness="x=65x1x1x1 w=1x1x1x1")
@in_contract
def batch_of_sixty_four_at_most(problem: Problem, x: Array, w: Array) -> Array:
    """Has a table of 64 images: the 65th is the first again."""
    return convolve(problem, x[np.arange(problem.batch) % 64], w)


@mutants.register(fault_class="tails", issue="pytorch#59515", witness="x=1251x1x1x1 w=1x1x1x1")
@in_contract
def batch_beyond_1250_scaled(problem: Problem, x: Array, w: Array) -> Array:
    """Doubles the images from the 1251st on."""
    y = convolve(problem, x, w)
    y[1250:] *= 2
    return y


@mutants.register(fault_class="tails", issue="pytorch#96225", witness="x=65537x1x1x1 w=1x1x1x1")
@in_contract
def batch_beyond_the_grid(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves images beyond 65535, the extent of a launch grid, at zero."""
    y = convolve(problem, x, w)
    y[65535:] = 0
    return y


# Input channels, and the depth of the reduction.


@mutants.register(fault_class="tails", issue="pytorch#21597", witness="x=1x2x2x6 w=1x1x6x1")
@in_contract
def input_channel_tail_of_four(problem: Problem, x: Array, w: Array) -> Array:
    """Drops the input channels behind the last four."""
    w = w.copy()
    w[:, :, tail(w.shape[2], 4)] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="tails", issue="mace PR#345", witness="x=1x2x2x9 w=1x1x9x2")
@in_contract
def input_channel_lanes_uncleared(problem: Problem, x: Array, w: Array) -> Array:
    """Multiplies lanes behind the last input channel, which hold NaN, by zero weights (beyond eight channels, in eights)."""
    y = convolve(problem, x, w)
    return y * np.asarray(np.nan, y.dtype) if w.shape[2] > 8 and w.shape[2] % 8 else y


@mutants.register(fault_class="tails", witness="x=1x2x2x5 w=1x1x5x1")
@in_contract
def odd_input_channel_twice(problem: Problem, x: Array, w: Array) -> Array:
    """Takes input channels in pairs from five on, and the odd one twice."""
    if w.shape[2] >= 5 and w.shape[2] % 2:
        w = w.copy()
        w[:, :, -1] *= 2
    return convolve(problem, x, w)


@mutants.register(fault_class="tails", witness="x=1x1x1x129 w=1x1x129x1")
@in_contract
def second_channel_block_overwrites(problem: Problem, x: Array, w: Array) -> Array:
    """Sums blocks of 128 input channels, and the last block replaces the sum of the others."""
    if w.shape[2] > 128:
        w = w.copy()
        w[:, :, : (w.shape[2] - 1) // 128 * 128] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="tails", witness="x=1x3x3x8 w=3x3x8x1")
@in_contract
def reduction_tail_of_sixty_four(problem: Problem, x: Array, w: Array) -> Array:
    """Drops the terms of a window behind the last 64 of them, when the kernel has several taps."""
    if w.shape[0] * w.shape[1] > 1:
        w = w.reshape(problem.terms, w.shape[3]).copy()
        w[tail(problem.terms, 64)] = 0
        w = w.reshape(problem.w_shape)
    return convolve(problem, x, w)


@mutants.register(fault_class="tails", witness="x=1x1x8x1 w=1x6x1x1")
@in_contract
def kernel_width_tail_of_four(problem: Problem, x: Array, w: Array) -> Array:
    """Drops the taps behind the last four of a kernel row."""
    w = w.copy()
    w[:, tail(w.shape[1], 4)] = 0
    return convolve(problem, x, w)


# Output channels.


@mutants.register(fault_class="tails", witness="x=1x2x2x1 w=1x1x1x17")
@in_contract
def output_channel_tail_of_sixteen(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves the output channels behind the last sixteen at zero."""
    y = convolve(problem, x, w)
    y[..., tail(y.shape[3], 16)] = 0
    return y


@mutants.register(fault_class="tails", witness="x=2x2x2x1 w=1x1x1x9")
@in_contract
def output_channel_tail_of_later_images(problem: Problem, x: Array, w: Array) -> Array:
    """Gives the output channels behind the last eight of every image the values of image 0."""
    y = convolve(problem, x, w)
    channels = tail(y.shape[3], 8)
    y[1:, ..., channels] = y[:1, ..., channels]
    return y


@mutants.register(fault_class="tails", witness="x=1x1x1x1 w=1x1x1x33")
@in_contract
def one_channel_past_thirty_two(problem: Problem, x: Array, w: Array) -> Array:
    """Computes the one output channel behind the last 32 with the weights before it."""
    if w.shape[3] > 32 and w.shape[3] % 32 == 1:
        w = w.copy()
        w[..., -1] = w[..., -2]
    return convolve(problem, x, w)


@mutants.register(fault_class="tails", witness="x=1x1x1x1 w=1x1x1x129")
@in_contract
def output_channel_index_of_eight_bits(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps the output channel in a signed byte as it reads the weights: the 129th wraps."""
    channels = np.arange(w.shape[3]).astype(np.int8).astype(np.intp)
    return convolve(problem, x, w[..., channels % max(1, w.shape[3])])


@mutants.register(fault_class="tails", witness="x=1x5x4x2 w=3x2x2x3")
@in_contract
def few_channels_and_odd_rows(problem: Problem, x: Array, w: Array) -> Array:
    """Computes rows in pairs when there are two or three output channels, and the odd row without its last tap."""
    y = convolve(problem, x, w)
    if y.shape[3] in (2, 3) and y.shape[1] > 1 and y.shape[1] % 2:
        pixels = windows(problem, x)[:, -1:, :, :-1]
        y[:, -1:] = rounded(product(problem, pixels, w[:-1]), x.dtype)
    return y
