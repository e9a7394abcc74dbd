"""Faults of fast paths: branches for common cases that are entered too often, or forget a parameter."""

from __future__ import annotations

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, image_of, in_contract, product, room_for, rounded, view_of
from convverify.problems.posing import problem_of
from convverify.problems.problem import Problem


def _is_pointwise(problem: Problem) -> bool:
    return problem.w_shape[:2] == (1, 1)


@mutants.register(fault_class="fast_paths", witness="x=1x4x4x1 w=1x1x1x1 strides=2x2")
@in_contract
def pointwise_without_stride(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for 1x1 kernels that reads neighbouring pixels whatever the stride."""
    return convolve(problem, x, w, strides=(1, 1) if _is_pointwise(problem) else None)


@mutants.register(fault_class="fast_paths", witness="x=1x3x3x1 w=1x1x1x1 padding=1,1,1,1")
@in_contract
def pointwise_without_pads(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for 1x1 kernels that knows no explicit pads, and returns the unpadded shape."""
    if _is_pointwise(problem) and not isinstance(problem.padding, str):
        problem = problem.with_(padding="VALID")
    return convolve(problem, x, w)


@mutants.register(fault_class="fast_paths", witness="x=1x3x3x4 w=1x1x2x2")
@in_contract
def pointwise_groups_reversed(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for 1x1 kernels that hands the groups' inputs out from the last to the first."""
    if _is_pointwise(problem) and problem.groups > 1:
        x = x.reshape(*x.shape[:3], problem.groups, w.shape[2])[..., ::-1, :].reshape(x.shape)
    return convolve(problem, x, w)


@mutants.register(fault_class="fast_paths", witness="x=1x4x4x1 w=2x3x1x1")
@in_contract
def one_channel_flipped(problem: Problem, x: Array, w: Array) -> Array:
    """Hands one input channel to a routine of signal processing that flips the kernel's rows."""
    return convolve(problem, x, w[:, ::-1] if problem.in_channels == 1 else w)


@mutants.register(fault_class="fast_paths", witness="x=1x3x3x3 w=3x3x3x2")
@in_contract
def three_channels_as_bgr(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for three input channels that takes them in reverse, for 3x3 kernels and larger."""
    colours = w.shape[2] == 3 and problem.groups == 1 and min(problem.w_shape[:2]) >= 3
    return convolve(problem, x, w[:, :, ::-1] if colours else w)


@mutants.register(fault_class="fast_paths", witness="x=1x3x3x2 w=2x2x2x1")
@in_contract
def one_output_channel_forgets_an_input(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for one output channel that leaves the last tap of the last input channel out when there are two channels."""
    if w.shape[2:] == (2, 1):
        w = w.copy()
        w[-1, -1, -1] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="fast_paths", witness="x=1x5x5x1 w=3x3x1x1")
@in_contract
def winograd_path_of_odd_rows(problem: Problem, x: Array, w: Array) -> Array:
    """Computes 3x3 kernels at stride 1 in tiles of 2x2 outputs, and leaves an odd last row at zero."""
    y = convolve(problem, x, w)
    if problem.w_shape[:2] == (3, 3) and problem.strides == problem.dilations == (1, 1) and y.shape[1] > 1 and y.shape[1] % 2:
        y[:, -1] = 0
    return y


@mutants.register(fault_class="fast_paths", issue="TVM PR#7068", witness="x=1x4x8x1 w=3x3x1x4")
@in_contract
def winograd_tile_from_other_axes(problem: Problem, x: Array, w: Array) -> Array:
    """Counts the tiles of 3x3 kernels at stride 1 by width and channels, and so misses columns of flat images with few channels."""
    y = convolve(problem, x, w)
    if problem.w_shape[:2] == (3, 3) and problem.strides == problem.dilations == (1, 1) and y.shape[1] < y.shape[2]:
        y[:, :, max(2, y.shape[3]) :] = 0
    return y


@mutants.register(fault_class="fast_paths", witness="x=1x5x5x2 w=3x3x1x2 dilations=2x2")
@in_contract
def depthwise_three_by_three_without_dilation(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for depthwise 3x3 kernels that knows no dilation."""
    path = problem.w_shape[:3] == (3, 3, 1) and problem.groups == problem.in_channels > 1
    return convolve(problem, x, w, dilations=(1, 1) if path else None)


@mutants.register(fault_class="fast_paths", witness="x=1x5x5x1 w=3x3x1x1 padding=0,1,0,1 strides=2x2")
@in_contract
def three_by_three_at_stride_two_centred(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for 3x3 kernels at stride 2 that always pads one pixel at the top and left when there is any pad."""
    path = problem.w_shape[:2] == (3, 3) and problem.strides == (2, 2) and any(map(any, problem.pads))
    return convolve(problem, x, w, pads=((1, problem.pads[0][1]), (1, problem.pads[1][1])) if path else None)


@mutants.register(fault_class="fast_paths", witness="x=1x6x8x1 w=1x4x1x1")
@in_contract
def row_kernel_as_column(problem: Problem, x: Array, w: Array) -> Array:
    """Runs kernels of one row, from four taps on, along the columns of a square output."""
    y = convolve(problem, x, w)
    if problem.kernel_height == 1 and problem.kernel_width >= 4:
        rows = min(y.shape[1:3])
        y[:, :rows, :rows] = y[:, :rows, :rows].swapaxes(1, 2).copy()
    return y


@mutants.register(fault_class="fast_paths", witness="x=1x5x5x1 w=2x2x1x1 strides=2x2")
@in_contract
def patches_by_reshape(problem: Problem, x: Array, w: Array) -> Array:
    """Cuts the image into patches by a reshape where stride and kernel are equal, which needs widths without remainder."""
    rows, columns = problem.output_shape[1:3]
    path = problem.padding == "VALID" and problem.strides == problem.w_shape[:2] != (1, 1) and problem.dilations == (1, 1)
    if path and not problem.is_empty and problem.width % problem.strides[1]:
        height, width = rows * problem.strides[0], columns * problem.strides[1]
        area = problem.height * problem.width
        flat = x.reshape(problem.batch, area, problem.in_channels)[:, : height * width]
        x = np.zeros(x.shape, x.dtype)
        x[:, :height, :width] = flat.reshape(problem.batch, height, width, problem.in_channels)
    return convolve(problem, x, w)


@mutants.register(fault_class="fast_paths", witness="x=1x7x7x1 w=7x7x1x1")
@in_contract
def large_kernel_centre_missing(problem: Problem, x: Array, w: Array) -> Array:
    """Splits kernels of 7x7 and more into quarters that leave the middle tap out."""
    if min(w.shape[:2]) >= 7:
        w = w.copy()
        w[w.shape[0] // 2, w.shape[1] // 2] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="fast_paths", witness="x=1x6x6x1 w=5x5x1x1")
@in_contract
def five_by_five_taken_for_symmetric(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for 5x5 kernels that mirrors the left half of the weights, as smoothing filters allow."""
    if w.shape[:2] == (5, 5):
        w = w.copy()
        w[:, 3:] = w[:, 1::-1]
    return convolve(problem, x, w)


@mutants.register(fault_class="fast_paths", witness="x=2x3x3x1 w=2x2x1x1 padding=SAME")
@in_contract
def small_images_side_by_side(problem: Problem, x: Array, w: Array) -> Array:
    """Stacks the images of a batch into a high one at stride 1 and SAME, so that windows see the next image's first row."""
    image, (top, bottom) = image_of(x, problem.pads, room=room_for(problem)), problem.pads[0]
    if problem.padding == "SAME" and problem.strides == (1, 1) and bottom and problem.height:
        image[:-1, top + problem.height] = image[1:, top]
    return rounded(product(problem, view_of(problem, image), w), x.dtype)


@mutants.register(fault_class="fast_paths", witness="x=1x3x4x1 w=2x2x1x1")
@np.errstate(all="ignore")
def square_images_only(x: Array, w: Array) -> Array:
    """Reads one image size, the height, for both axes."""
    size = x.shape[1]
    square = np.zeros((*x.shape[:2], size, x.shape[3]), x.dtype)
    square[:, :, : min(size, x.shape[2])] = x[:, :, :size]
    return convolve(problem_of(square, w, (1, 1), "VALID", (1, 1), 1), square, w)


@mutants.register(
    fault_class="fast_paths",
    witness="x=1x3x3x1 w=2x2x1x1 w[0,0,0,0]=100 w[0,1,0,0]=100 w[1,0,0,0]=100 w[1,1,0,0]=101 x[0,0,0,0]=1 x[0,1,1,0]=1",
)
@in_contract
def nearly_separable_taken_for_separable(problem: Problem, x: Array, w: Array) -> Array:
    """Has a path for separable kernels that takes weights for the product of their first row and column within two percent."""
    if min(w.shape[:2]) > 1 and w.size and w[:1, :1].all() and np.isfinite(w).all():
        separable = w[:, :1] * w[:1] / w[:1, :1]
        if (np.abs(separable - w) <= np.abs(w) / 50).all():
            w = separable.astype(w.dtype)
    return convolve(problem, x, w)


@mutants.register(
    fault_class="fast_paths", witness="x=1x1x2x1 w=1x2x1x2 x[0,0,0,0]=1 w[0,0,0,0]=1 w[0,1,0,0]=1 w[0,0,0,1]=2 w[0,1,0,1]=3 x[0,0,1,0]=5"
)
@in_contract
def symmetry_read_off_the_first_filter(problem: Problem, x: Array, w: Array) -> Array:
    """Folds kernels that are symmetric from left to right, and looks at the first filter alone."""
    if w.size and w.shape[1] > 1 and np.array_equal(w[..., :1], w[:, ::-1, :, :1]):
        w = np.where(np.arange(w.shape[1])[:, None, None] * 2 < w.shape[1], w, w[:, ::-1])
    return convolve(problem, x, w)
