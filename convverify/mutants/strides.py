"""Faults of strides and dilations: one taken for the other axis, ignored in some branch, or wrong in the output's extents."""

from __future__ import annotations

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract, product, rounded, windows
from convverify.problems.problem import Problem, output_extent


@mutants.register(fault_class="strides", witness="x=1x6x6x1 w=2x2x1x1 strides=2x1")
@in_contract
def vertical_stride_for_both(problem: Problem, x: Array, w: Array) -> Array:
    """Moves by the vertical stride along both axes."""
    return convolve(problem, x, w, strides=(problem.strides[0], problem.strides[0]))


@mutants.register(fault_class="strides", witness="x=1x6x6x1 w=2x2x1x1 strides=2x1")
@in_contract
def strides_swapped(problem: Problem, x: Array, w: Array) -> Array:
    """Swaps the strides as it reads; the output's shape is right."""
    return convolve(problem, x, w, strides=problem.strides[::-1])


@mutants.register(fault_class="strides", witness="x=1x9x4x1 w=2x2x1x1 strides=2x1")
@in_contract
def strides_swapped_in_tall_outputs(problem: Problem, x: Array, w: Array) -> Array:
    """Swaps the strides when the output is higher than wide."""
    tall = problem.output_shape[1] > problem.output_shape[2]
    return convolve(problem, x, w, strides=problem.strides[::-1] if tall else None)


@mutants.register(fault_class="strides", witness="x=1x6x6x1 w=2x2x1x1 strides=3x1")
@in_contract
def stride_as_a_shift(problem: Problem, x: Array, w: Array) -> Array:
    """Multiplies by the stride with a shift, right for powers of two."""
    strides = 1 << (problem.strides[0].bit_length() - 1), 1 << (problem.strides[1].bit_length() - 1)
    return convolve(problem, x, w, strides=strides)


@mutants.register(fault_class="strides", witness="x=1x6x6x1 w=2x2x1x1 strides=3x3")
@in_contract
def stride_at_most_the_kernel(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves no gap between windows: a stride beyond the kernel becomes the kernel's extent."""
    rows, columns = problem.effective_kernel
    return convolve(problem, x, w, strides=(min(problem.strides[0], rows), min(problem.strides[1], columns)))


@mutants.register(fault_class="strides", witness="x=1x4x3x1 w=2x2x1x1 strides=1x2")
@in_contract
def single_column_of_unequal_strides(problem: Problem, x: Array, w: Array) -> Array:
    """Drops the last column of taps when there is one output column and the strides differ."""
    if problem.output_shape[2] == 1 and problem.strides[0] != problem.strides[1] and problem.kernel_width > 1:
        w = w.copy()
        w[:, -1] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="strides", witness="x=1x5x5x1 w=2x2x1x1 strides=2x2")
@in_contract
def output_extent_rounded_up(problem: Problem, x: Array, w: Array) -> Array:
    """Rounds the output's extents up where the stride does not divide, and repeats the last column there."""
    y = convolve(problem, x, w)
    (left, right), stride = problem.pads[1], problem.strides[1]
    room = problem.width + left + right - problem.effective_kernel[1]
    if problem.padding != "SAME" and y.shape[2] and room % stride:
        y = np.concatenate([y, y[:, :, -1:]], axis=2)
    return y


@mutants.register(fault_class="strides", witness="x=1x7x7x1 w=2x2x1x1 strides=1x2")
@in_contract
def every_fourth_strided_column_early(problem: Problem, x: Array, w: Array) -> Array:
    """Reads each fourth output column, counted from the fourth, one pixel too soon when the stride is 2 and the kernel 2 wide."""
    y = convolve(problem, x, w)
    if problem.strides[1] == 2 and problem.kernel_width == 2:
        (top, bottom), (left, right) = problem.pads
        late = convolve(problem, x, w, pads=((top, bottom), (left + 1, right)))
        y[:, :, 2::4] = late[:, :, 2::4]
    return y


@mutants.register(fault_class="strides", witness="x=1x6x6x1 w=2x2x1x1 dilations=1x2")
@in_contract
def vertical_dilation_for_both(problem: Problem, x: Array, w: Array) -> Array:
    """Spreads taps by the vertical dilation along both axes."""
    return convolve(problem, x, w, dilations=(problem.dilations[0], problem.dilations[0]))


@mutants.register(fault_class="strides", witness="x=1x6x6x1 w=2x2x1x1 dilations=2x1")
@in_contract
def dilations_swapped(problem: Problem, x: Array, w: Array) -> Array:
    """Swaps the dilations as it reads; the output's shape is right."""
    return convolve(problem, x, w, dilations=problem.dilations[::-1])


@mutants.register(fault_class="strides", witness="x=1x7x7x1 w=2x2x1x1 strides=2x2 dilations=2x2")
@in_contract
def dilation_lost_with_stride(problem: Problem, x: Array, w: Array) -> Array:
    """Has a branch for strides that knows no dilation."""
    return convolve(problem, x, w, dilations=(1, 1) if problem.strides != (1, 1) else None)


@mutants.register(fault_class="strides", witness="x=1x4x8x1 w=1x4x1x1 dilations=1x2")
@in_contract
def dilation_lost_in_even_widths(problem: Problem, x: Array, w: Array) -> Array:
    """Forgets the horizontal dilation of kernels 4, 6, 8 .. wide."""
    even = problem.kernel_width > 2 and problem.kernel_width % 2 == 0
    return convolve(problem, x, w, dilations=(problem.dilations[0], 1) if even else None)


@mutants.register(fault_class="strides", witness="x=1x4x4x1 w=2x2x1x1 padding=2,2,2,2 dilations=5x1")
@in_contract
def dilation_cut_to_the_image(problem: Problem, x: Array, w: Array) -> Array:
    """Takes no dilation larger than the image, though pads may leave room for it."""
    dilations = min(problem.dilations[0], max(1, problem.height)), min(problem.dilations[1], max(1, problem.width))
    return convolve(problem, x, w, dilations=dilations)


@mutants.register(fault_class="strides", issue="onnxruntime#2518", witness="x=1x6x6x1 w=2x2x1x1 strides=2x2 dilations=2x2")
@in_contract
def extent_of_the_raw_kernel(problem: Problem, x: Array, w: Array) -> Array:
    """Computes the output's height from the kernel before dilation when there is a stride too."""
    y = convolve(problem, x, w)
    if problem.padding == "SAME" or problem.strides == (1, 1):
        return y
    rows = output_extent(problem.height, problem.pads[0], problem.kernel_height, problem.strides[0])
    result = np.zeros((y.shape[0], rows, *y.shape[2:]), y.dtype)
    result[:, : y.shape[1]] = y
    return result


@mutants.register(fault_class="strides", issue="pytorch#141221", witness="x=1x7x7x1 w=2x2x1x4 dilations=2x2 dtype=float64")
@in_contract
def dilated_doubles_summed_twice(problem: Problem, x: Array, w: Array) -> Array:
    """Adds the taps twice for float64 with dilation, four output channels or more and an image over twice the kernel."""
    y = convolve(problem, x, w)
    large = problem.height > 2 * problem.kernel_height + 1 and problem.width > 2 * problem.kernel_width + 1
    twice = x.dtype == np.float64 and problem.dilations != (1, 1) and problem.out_channels >= 4 and large
    return y + y if twice else y


@mutants.register(fault_class="strides", witness="x=1x3x9x1 w=1x3x1x1 strides=1x2 dilations=1x3")
@in_contract
def middle_tap_rounded_to_the_stride(problem: Problem, x: Array, w: Array) -> Array:
    """Rounds the middle tap's offset down to a multiple of the stride, for dilated kernels three wide."""
    if problem.kernel_width != 3 or problem.dilations[1] == 1:
        return convolve(problem, x, w)
    surplus = problem.dilations[1] % problem.strides[1]
    (top, bottom), (left, right) = problem.pads
    pixels = windows(problem, x).copy()
    pixels[..., 1, :] = windows(problem, x, pads=((top, bottom), (left + surplus, right)))[..., 1, :]
    return rounded(product(problem, pixels, w), x.dtype)
