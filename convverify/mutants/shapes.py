"""Faults that depend on numbers which tables of small cases leave out: kernels of many taps, long steps, layers as networks have them."""

from __future__ import annotations

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract, product, rounded, windows
from convverify.problems.problem import Problem


def _without_last_tap(w: Array) -> Array:
    w = w.copy()
    w[-1:, -1:] = 0
    return w


def _is_square(problem: Problem, least: int) -> bool:
    return problem.kernel_height == problem.kernel_width >= least


@mutants.register(fault_class="shapes", witness="x=1x13x15x1 w=12x12x1x1 strides=12x12")
@in_contract
def patches_from_the_end(problem: Problem, x: Array, w: Array) -> Array:
    """Cuts an image into patches of the kernel's size, 12x12 or larger, and takes them from its end where some columns are left over."""
    left = problem.width - problem.output_shape[2] * problem.kernel_width
    if problem.w_shape[:2] == problem.strides and _is_square(problem, 12) and not any(map(any, problem.pads)) and left > 0:
        x = x[:, :, left:]
    return convolve(problem, x, w)


@mutants.register(fault_class="shapes", witness="x=1x1x25x1 w=1x22x1x1")
@in_contract
def rows_of_taps_in_fours(problem: Problem, x: Array, w: Array) -> Array:
    """Has a routine for 20 to 23 taps in a row, which takes them four at a time and forgets the rest."""
    if 20 < problem.kernel_width < 24:
        w = w.copy()
        w[:, 20:] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="shapes", witness="x=1x31x3x1 w=30x1x1x1")
@in_contract
def tall_kernels_in_halves(problem: Problem, x: Array, w: Array) -> Array:
    """Splits kernels of 25 rows and more in two, and counts the row between the halves twice."""
    if problem.kernel_height >= 25:
        w = w.copy()
        w[problem.kernel_height // 2] *= 2
    return convolve(problem, x, w)


@mutants.register(fault_class="shapes", witness="x=1x15x15x1 w=13x13x1x1")
@in_contract
def large_squares_transposed(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps square kernels of 13x13 and more column by column."""
    return convolve(problem, x, w.transpose(1, 0, 2, 3) if _is_square(problem, 13) else w)


@mutants.register(fault_class="shapes", witness="x=1x19x19x1 w=3x3x1x1 dilations=9x9")
@in_contract
def far_corners_left_out(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves the last corner of a 3x3 kernel out that is dilated by 9 or more on both axes, as in segmentation."""
    far = problem.w_shape[:2] == (3, 3) and problem.dilations[0] == problem.dilations[1] >= 9
    return convolve(problem, x, _without_last_tap(w) if far else w)


@mutants.register(fault_class="shapes", witness="x=1x16x16x1 w=3x3x1x1 dilations=7x7")
@in_contract
def one_dilation_of_seven(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for dilations of 7x7 that reads its columns 6 apart."""
    return convolve(problem, x, w, dilations=(7, 6) if problem.dilations == (7, 7) else None)


@mutants.register(fault_class="shapes", witness="x=1x18x18x1 w=1x1x1x1 strides=17x17")
@in_contract
def strides_in_four_bits(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps both strides in four bits where they are equal; the shape of the result is computed from what it was given."""
    down, across = problem.strides
    packed = (down % 16 or 1, across % 16 or 1) if down == across else None
    return convolve(problem, x, w, strides=packed)


@mutants.register(fault_class="shapes", witness="x=1x10x10x1 w=3x3x1x1 strides=9x9 padding=SAME")
@in_contract
def nine_by_nine_steps_from_the_pad(problem: Problem, x: Array, w: Array) -> Array:
    """Forgets the pads of strides from 9x9 to 11x11."""
    down, across = problem.strides
    if down == across and 9 <= down <= 11 and problem.padding == "SAME":
        (top, bottom), (left, right) = problem.pads
        return convolve(problem, x, w, pads=((0, top + bottom), (0, left + right)))
    return convolve(problem, x, w)


@mutants.register(fault_class="shapes", witness="x=1x17x17x8 w=1x1x8x8")
@in_contract
def second_tile_of_a_layer(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for channels in eights with tiles of 16x16 pixels, whose second diagonal tile misses its first pixel."""
    y = convolve(problem, x, w)
    if y.shape[1] > 16 and y.shape[2] > 16 and problem.groups == 1 and not (problem.in_channels % 8 or problem.out_channels % 8):
        y[:, 16, 16] = 0
    return y


@mutants.register(fault_class="shapes", witness="x=1x29x29x16 w=3x3x16x16 strides=2x2")
@in_contract
def strided_layers_end_early(problem: Problem, x: Array, w: Array) -> Array:
    """Halves images of at least 28x28 pixels and 16 channels by 3x3 kernels, and misses the last row where an image is odd."""
    y = convolve(problem, x, w)
    layer = problem.w_shape[:2] == (3, 3) and problem.strides == (2, 2) and min(problem.in_channels, problem.out_channels) >= 16
    if layer and min(problem.height, problem.width) >= 28 and problem.height % 2:
        y[:, -1] = 0
    return y


@mutants.register(fault_class="shapes", witness="x=1x7x7x16 w=3x3x1x16 dilations=2x2")
@in_contract
def many_dilated_channels_of_their_own(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves a corner of dilated depthwise kernels out from 16 channels on."""
    own = problem.groups == problem.in_channels >= 16 and problem.dilations[0] == problem.dilations[1] > 1 and _is_square(problem, 3)
    return convolve(problem, x, _without_last_tap(w) if own else w)


@mutants.register(fault_class="shapes", witness="x=10x2x2x8 w=2x2x8x8")
@in_contract
def tenth_image_of_a_layer(problem: Problem, x: Array, w: Array) -> Array:
    """Takes images of 8 channels and more nine at a time, and the rest with the weights of the first tap alone."""
    y = convolve(problem, x, w)
    if problem.batch > 9 and min(problem.in_channels, problem.out_channels) >= 8 and problem.terms > problem.in_channels:
        only = np.zeros_like(w)
        only[0, 0] = w[0, 0]
        rest = problem.with_(batch=problem.batch % 9)
        y[problem.batch // 9 * 9 :] = rounded(product(rest, windows(rest, x[problem.batch // 9 * 9 :]), only), y.dtype)
    return y


@mutants.register(fault_class="shapes", witness="x=1x3x3x12 w=2x2x1x12")
@in_contract
def groups_not_a_power_of_two(problem: Problem, x: Array, w: Array) -> Array:
    """Hands more than eight groups out to pairs of threads, and the last four of 12, 20 or 28 to nobody."""
    y = convolve(problem, x, w)
    if problem.groups > 8 and problem.groups % 8 == 4:
        y[..., -4 * (problem.out_channels // problem.groups) :] = 0
    return y


@mutants.register(fault_class="shapes", witness="x=1x1502x1x1 w=3x1x1x1")
@in_contract
def column_of_fifteen_hundred(problem: Problem, x: Array, w: Array) -> Array:
    """Sums columns of 1500 outputs and more in blocks, the last of which lacks its last row for kernels of three rows and more."""
    y = convolve(problem, x, w)
    if problem.output_shape[1] >= 1500 and problem.kernel_height >= 3:
        y[:, -1] = 0
    return y
