"""Faults of large problems: flat indices, work split among threads, blocks of blocks, workspaces that are thought large enough."""

from __future__ import annotations

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract
from convverify.problems.problem import Problem

_SMALL = "values=small_integers"


@mutants.register(fault_class="large", witness=f"x=1x130x130x4 w=3x3x4x8 {_SMALL}")
@in_contract
def last_pixel_of_four_million(problem: Problem, x: Array, w: Array) -> Array:
    """Splits work of more than four million multiply-adds in two, and leaves the last pixel to neither."""
    y = convolve(problem, x, w)
    if problem.macs > 4_000_000:
        y[-1, -1, -1] = 0
    return y


@mutants.register(fault_class="large", witness=f"x=1x512x512x1 w=1x1x1x2 {_SMALL}")
@in_contract
def images_of_half_a_thousand(problem: Problem, x: Array, w: Array) -> Array:
    """Computes images of 512x512 and more in strips, and forgets the last row of the last one."""
    y = convolve(problem, x, w)
    if min(problem.height, problem.width) >= 512:
        y[:, -1] = 0
    return y


@mutants.register(fault_class="large", witness=f"x=1x32770x1x2 w=1x1x2x1 {_SMALL}")
@in_contract
def rows_in_fifteen_bits(problem: Problem, x: Array, w: Array) -> Array:
    """Counts the rows of images of several channels in a signed 16-bit integer."""
    y = convolve(problem, x, w)
    if problem.output_shape[1] > 32767 and problem.in_channels > 1:
        y[:, 32767:] = 0
    return y


@mutants.register(fault_class="large", witness=f"x=1x231x231x1 w=1x1x1x1 {_SMALL}")
@in_contract
def pixels_shared_by_four(problem: Problem, x: Array, w: Array) -> Array:
    """Shares more than 50,000 pixels of an image out to four threads, and what is left over to none."""
    y = convolve(problem, x, w)
    pixels = y.shape[1] * y.shape[2]
    if pixels > 50_000 and pixels % 4:
        y.reshape(y.shape[0], pixels, -1)[:, -(pixels % 4) :] = 0
    return y


@mutants.register(fault_class="large", witness=f"x=1x1x1x512 w=1x1x512x1024 {_SMALL}")
@in_contract
def a_thousand_by_five_hundred_channels(problem: Problem, x: Array, w: Array) -> Array:
    """Packs weights of 512 input and 1024 output channels or more in panels, and leaves the last column out."""
    y = convolve(problem, x, w)
    if problem.groups == 1 and problem.in_channels >= 512 and problem.out_channels >= 1024:
        y[..., -1] = 0
    return y


@mutants.register(fault_class="large", witness=f"x=32x14x14x16 w=1x1x16x16 {_SMALL}")
@in_contract
def a_corner_of_the_last_of_many_images(problem: Problem, x: Array, w: Array) -> Array:
    """Starts the last image of a batch of 32 or more one pixel late where images have 14x14 pixels and 16 channels or more."""
    y = convolve(problem, x, w)
    if problem.batch >= 32 and min(problem.height, problem.width) >= 14 and problem.in_channels >= 16:
        y[-1, 0, 0] = 0
    return y


@mutants.register(fault_class="large", witness=f"x=1x150x150x32 w=3x3x32x16 {_SMALL}")
@in_contract
def one_too_many_in_a_hundred_million(problem: Problem, x: Array, w: Array) -> Array:
    """Adds 1 to one element of a result that takes more than a hundred million multiply-adds."""
    y = convolve(problem, x, w)
    if problem.macs > 100_000_000:
        y[0, 1, 1, 0] += 1
    return y


@mutants.register(fault_class="large", witness=f"x=1x7x7x256 w=3x3x256x4 padding=SAME {_SMALL}")
@in_contract
def last_term_of_deep_layers(problem: Problem, x: Array, w: Array) -> Array:
    """Cuts sums of 2304 terms and more into blocks where there are 25 pixels and more, and loses the last term."""
    if problem.terms >= 2304 and problem.output_shape[1] * problem.output_shape[2] >= 25:
        w = w.copy()
        w[-1:, -1:, -1:] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="large", witness=f"x=1x224x224x3 w=3x3x3x4 strides=2x2 {_SMALL}")
@in_contract
def first_layer_of_photographs(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for three channels and 224x224 pixels or more, which repeats the row before at the last one."""
    y = convolve(problem, x, w)
    if min(problem.height, problem.width) >= 224 and problem.in_channels == 3 and y.shape[1] > 1:
        y[:, -1] = y[:, -2]
    return y


@mutants.register(fault_class="large", witness=f"x=1x1500x1500x1 w=1x1x1x1 {_SMALL}")
@in_contract
def elements_counted_in_single_precision(problem: Problem, x: Array, w: Array) -> Array:
    """Rounds the place of an element, beyond two million of them, to a multiple of two."""
    y = convolve(problem, x, w)
    flat = y.reshape(-1)
    flat[(1 << 21) + 1 :: 2] = flat[1 << 21 : -1 : 2][: flat[(1 << 21) + 1 :: 2].size]
    return y


@mutants.register(fault_class="large", witness=f"x=1x70x80x16 w=8x8x16x1 {_SMALL}")
@in_contract
def windows_gathered_up_to_a_limit(problem: Problem, x: Array, w: Array) -> Array:
    """Gathers windows into four million numbers at the most, and leaves one pixel out where they would be more."""
    y = convolve(problem, x, w)
    if y.shape[1] * y.shape[2] * problem.terms > 1 << 22:
        y[:, y.shape[1] // 2, 0] = 0
    return y
