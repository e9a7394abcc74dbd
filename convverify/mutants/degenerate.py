"""Faults at the edge of what a convolution is: nothing in the batch, no output, no channels, one pixel, kernels as large as the image."""

from __future__ import annotations

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, image_of, in_contract, product, room_for, rounded, view_of
from convverify.problems.problem import Problem


@mutants.register(fault_class="degenerate", issue="tensorflow#238", witness="x=0x3x3x1 w=2x2x1x1")
@in_contract
def empty_batch_divides(problem: Problem, x: Array, w: Array) -> Array:
    """Shares its work out by division through the batch, which may be 0."""
    _ = 64 // problem.batch
    return convolve(problem, x, w)


@mutants.register(fault_class="degenerate", witness="x=0x3x3x1 w=2x2x1x1")
@in_contract
def empty_batch_as_one(problem: Problem, x: Array, w: Array) -> Array:
    """Returns one image of zeros for none."""
    y = convolve(problem, x, w)
    return y if problem.batch else np.zeros((1, *y.shape[1:]), y.dtype)


@mutants.register(fault_class="degenerate", witness="x=1x2x2x1 w=4x4x1x1")
@in_contract
def kernel_beyond_image_raises(problem: Problem, x: Array, w: Array) -> Array:
    """Makes an array of a negative extent when the kernel exceeds the padded image."""
    for extent, pads, kernel in zip(x.shape[1:3], problem.pads, problem.effective_kernel, strict=True):
        if extent + sum(pads) - kernel + 1 < 0:
            raise ValueError("negative dimensions are not allowed")
    return convolve(problem, x, w)


@mutants.register(fault_class="degenerate", witness="x=1x2x4x1 w=3x2x1x1")
@in_contract
def empty_output_flat(problem: Problem, x: Array, w: Array) -> Array:
    """Returns an empty array of one axis where the output has no elements."""
    return np.zeros(0, x.dtype) if problem.is_empty else convolve(problem, x, w)


@mutants.register(fault_class="degenerate", witness="x=1x2x2x0 w=1x1x0x2")
@in_contract
def no_channels_unset(problem: Problem, x: Array, w: Array) -> Array:
    """Returns unset memory where there is nothing to sum."""
    y = convolve(problem, x, w)
    return y if problem.terms else np.full_like(y, 7)


@mutants.register(fault_class="degenerate", issue="tensorflow#42208", witness="x=1x2x2x0 w=1x1x0x2")
@in_contract
def no_channels_divides(problem: Problem, x: Array, w: Array) -> Array:
    """Finds how many channels fit its cache by division through the channels of a group."""
    _ = 4096 // w.shape[2]
    return convolve(problem, x, w)


@mutants.register(fault_class="degenerate", witness="x=1x2x2x2 w=1x1x2x0")
@in_contract
def no_output_channels_raises(problem: Problem, x: Array, w: Array) -> Array:
    """Asks NumPy for an unknown extent of an array without elements."""
    w.reshape(-1, problem.out_channels)
    return convolve(problem, x, w)


@mutants.register(fault_class="degenerate", issue="MIOpen#2867", witness="x=1x1x1x1 w=3x3x1x1 padding=2,2,2,2 strides=2x2")
@in_contract
def single_pixel_and_pads(problem: Problem, x: Array, w: Array) -> Array:
    """Skips output rows up to the top pad when the image is a single pixel and the stride is not 1."""
    y = convolve(problem, x, w)
    if x.shape[1:3] == (1, 1) and problem.strides[0] > 1:
        y[:, : problem.pads[0][0]] = 0
    return y


@mutants.register(fault_class="degenerate", witness="x=1x2x2x2 w=2x2x2x1")
@in_contract
def kernel_as_large_as_image(problem: Problem, x: Array, w: Array) -> Array:
    """Takes the sum over the whole image for a dense layer, and its pixels channel by channel."""
    whole = problem.w_shape[:2] == x.shape[1:3] and problem.output_shape[1:3] == (1, 1) and problem.groups == 1 and x.shape[3] > 1
    if whole and problem.padding == "VALID":
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2)).reshape(x.shape)
    return convolve(problem, x, w)


@mutants.register(fault_class="degenerate", witness="x=1x2x5x1 w=3x1x1x1 padding=1,1,0,0")
@in_contract
def kernel_cut_to_the_image(problem: Problem, x: Array, w: Array) -> Array:
    """Drops the rows of a kernel that is higher than the image, though pads move the image under them."""
    if problem.kernel_height > problem.height:
        w = w.copy()
        w[problem.height :] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="degenerate", witness="x=1x1x5x1 w=1x3x1x1 padding=SAME strides=1x2")
@in_contract
def one_row_without_pads(problem: Problem, x: Array, w: Array) -> Array:
    """Treats an image of one row as a 1-D convolution, whose branch pads at the end alone."""
    if problem.height != 1 or problem.pads[0] != (0, 0):
        return convolve(problem, x, w)
    left, right = problem.pads[1]
    return convolve(problem, x, w, pads=((0, 0), (0, left + right)))


@mutants.register(fault_class="degenerate", witness="x=1x4x1x1 w=2x1x1x1 strides=2x1 padding=1,0,0,0")
@in_contract
def one_column_shifted(problem: Problem, x: Array, w: Array) -> Array:
    """Reads images one pixel wide from the row above when there is a vertical stride."""
    branch = problem.width == 1 and problem.strides[0] > 1
    (top, bottom), columns = problem.pads
    return convolve(problem, x, w, pads=((top + 1, bottom), columns) if branch else None)


@mutants.register(fault_class="degenerate", witness="x=1x0x2x1 w=1x1x1x1 padding=1,0,0,0")
@in_contract
def empty_image_raises(problem: Problem, x: Array, w: Array) -> Array:
    """Looks at the first pixel of x, which may have none; pads alone can make an output."""
    if not problem.is_empty and not x.size and problem.terms:
        raise IndexError("index 0 is out of bounds for axis 0 with size 0")
    return convolve(problem, x, w)


@mutants.register(fault_class="degenerate", witness="x=2x2x2x1 w=2x2x1x1")
@in_contract
def one_output_pixel_of_many_images(problem: Problem, x: Array, w: Array) -> Array:
    """Reverses the order of the images when each yields a single pixel."""
    image = image_of(x, problem.pads, room=room_for(problem))
    y = rounded(product(problem, view_of(problem, image), w), x.dtype)
    return y[::-1].copy() if problem.output_shape[1:3] == (1, 1) else y
