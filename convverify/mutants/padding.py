"""Faults of padding: pads of the wrong extent, on the wrong side, or that hold something else than zeros."""

from __future__ import annotations

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, image_of, in_contract, product, room_for, rounded, view_of
from convverify.problems.problem import Pair, Problem, same_pads


def _convolve_image(problem: Problem, image: Array, w: Array, dtype: object) -> Array:
    """Return the convolution of an image that has its margins already."""
    return rounded(product(problem, view_of(problem, image), w), dtype)


def _padded(problem: Problem, x: Array) -> Array:
    return image_of(x, problem.pads, room=room_for(problem))


@mutants.register(fault_class="padding", witness="x=1x4x4x1 w=2x2x1x1 padding=SAME")
@in_contract
def same_odd_pad_first(problem: Problem, x: Array, w: Array) -> Array:
    """Puts the odd one of SAME's pads at the beginning."""
    (top, bottom), (left, right) = problem.pads
    pads = ((bottom, top), (right, left)) if problem.padding == "SAME" else None
    return convolve(problem, x, w, pads=pads)


@mutants.register(fault_class="padding", issue="burn#2676", witness="x=1x4x4x1 w=2x2x1x1 padding=SAME")
@in_contract
def same_symmetric(problem: Problem, x: Array, w: Array) -> Array:
    """Pads by (k - 1) // 2 on both sides for SAME at stride 1, which an even kernel cannot bear."""
    if problem.padding == "SAME" and problem.strides == (1, 1):
        rows, columns = ((extent - 1) // 2 for extent in problem.effective_kernel)
        problem = problem.with_(padding=((rows, rows), (columns, columns)))
    return convolve(problem, x, w)


@mutants.register(fault_class="padding", issue="onnxscript PR#3037", witness="x=1x6x6x1 w=3x3x1x1 padding=SAME dilations=2x2")
@in_contract
def same_without_dilation(problem: Problem, x: Array, w: Array) -> Array:
    """Sizes SAME's pads by the kernel before dilation."""
    if problem.padding == "SAME":
        rows = same_pads(problem.height, problem.kernel_height, problem.strides[0])
        columns = same_pads(problem.width, problem.kernel_width, problem.strides[1])
        problem = problem.with_(padding=(rows, columns))
    return convolve(problem, x, w)


@mutants.register(fault_class="padding", witness="x=1x4x4x1 w=3x3x1x1 padding=SAME strides=2x2")
@in_contract
def same_as_at_stride_one(problem: Problem, x: Array, w: Array) -> Array:
    """Pads for SAME as if the stride were 1, then takes every other output."""
    rows, columns = problem.effective_kernel
    pads = (same_pads(problem.height, rows, 1), same_pads(problem.width, columns, 1))
    return convolve(problem, x, w, pads=pads if problem.padding == "SAME" else None)


def _unclamped(extent: int, effective_kernel: int, stride: int) -> Pair:
    total = (-(-extent // stride) - 1) * stride + effective_kernel - extent
    return total // 2, total - total // 2


@mutants.register(fault_class="padding", issue="tensorflow#11092", witness="x=1x6x6x1 w=1x1x1x1 padding=SAME strides=3x3")
@in_contract
def same_with_negative_pads(problem: Problem, x: Array, w: Array) -> Array:
    """Lets SAME's pads become negative where the stride exceeds the kernel, which moves the windows."""
    rows, columns = problem.effective_kernel
    pads = (_unclamped(problem.height, rows, problem.strides[0]), _unclamped(problem.width, columns, problem.strides[1]))
    return convolve(problem, x, w, pads=pads if problem.padding == "SAME" else None)


@mutants.register(fault_class="padding", witness="x=1x4x4x1 w=3x3x1x1 padding=1,1,0,2")
@in_contract
def pads_of_axes_swapped(problem: Problem, x: Array, w: Array) -> Array:
    """Moves the image down by the left pad and right by the top pad."""
    (top, bottom), (left, right) = problem.pads
    return convolve(problem, x, w, pads=((left, bottom), (top, right)))


@mutants.register(fault_class="padding", issue="tinygrad PR#14294", witness="x=1x4x4x1 w=3x3x1x1 padding=1,1,0,0")
@in_contract
def pads_swapped_for_three_by_three(problem: Problem, x: Array, w: Array) -> Array:
    """Swaps vertical and horizontal pads in the branch for 3x3 kernels at stride 1."""
    branch = problem.w_shape[:2] == (3, 3) and problem.strides == problem.dilations == (1, 1)
    return convolve(problem, x, w, pads=problem.pads[::-1] if branch else None)


@mutants.register(fault_class="padding", witness="x=1x4x4x1 w=2x2x1x1 padding=2,0,1,1")
@in_contract
def explicit_pads_end_first(problem: Problem, x: Array, w: Array) -> Array:
    """Reads explicit pads as (bottom, top)."""
    rows, columns = problem.pads
    explicit = not isinstance(problem.padding, str)
    return convolve(problem, x, w, pads=(rows[::-1], columns) if explicit else None)


@mutants.register(fault_class="padding", witness="x=1x6x6x1 w=2x2x1x1 padding=4,0,0,0")
@in_contract
def pads_beyond_three(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps pads in two bits: a pad of 4 moves the image as one of 0."""
    (top, bottom), (left, right) = problem.pads
    return convolve(problem, x, w, pads=((top % 4, bottom), (left % 4, right)))


@mutants.register(fault_class="padding", witness="x=1x4x4x1 w=3x3x1x1 padding=SAME")
@in_contract
def pads_repeat_the_edge(problem: Problem, x: Array, w: Array) -> Array:
    """Fills the margins above and below with the nearest row of the image."""
    image, (top, _) = _padded(problem, x), problem.pads[0]
    if problem.height:
        image[:, :top] = image[:, top : top + 1]
        image[:, top + problem.height :] = image[:, top + problem.height - 1 : top + problem.height]
    return _convolve_image(problem, image, w, x.dtype)


@mutants.register(fault_class="padding", issue="scipy#8684", witness="x=1x2x2x1 w=5x5x1x1 padding=2,2,2,2")
@in_contract
def pads_wrap_beyond_twice_the_image(problem: Problem, x: Array, w: Array) -> Array:
    """Takes the columns in the margins from the other side when the kernel is over twice as wide as the image."""
    image, (left, _) = _padded(problem, x), problem.pads[1]
    if 0 < 2 * problem.width < problem.effective_kernel[1]:
        for column in range(image.shape[2]):
            image[:, :, column] = image[:, :, left + (column - left) % problem.width]
    return _convolve_image(problem, image, w, x.dtype)


@mutants.register(fault_class="padding", issue="tinyengine#95", witness="x=1x5x5x1 w=3x3x1x1 padding=SAME strides=2x2")
@in_contract
def bottom_pad_clamped_at_odd_extents(problem: Problem, x: Array, w: Array) -> Array:
    """Repeats the last row below the image instead of zeros, for stride 2 and an odd height."""
    image, end = _padded(problem, x), problem.pads[0][0] + problem.height
    if problem.strides[0] == 2 and problem.height % 2:
        image[:, end:] = image[:, end - 1 : end]
    return _convolve_image(problem, image, w, x.dtype)


@mutants.register(fault_class="padding", witness="x=1x3x4x1 w=1x3x1x1 padding=0,0,1,1")
@in_contract
def left_pad_reads_the_row_above(problem: Problem, x: Array, w: Array) -> Array:
    """Lets column -1 be the last pixel of the row above."""
    image, ((top, _), (left, _)) = _padded(problem, x), problem.pads
    if left and problem.width and problem.height > 1:
        image[:, top + 1 : top + problem.height, left - 1] = x[:, :-1, -1]
    return _convolve_image(problem, image, w, x.dtype)


@mutants.register(fault_class="padding", issue="oneDNN PR#4637", witness="x=1x3x4x1 w=1x3x1x1 padding=0,0,0,1")
@in_contract
def right_pad_reads_the_row_below(problem: Problem, x: Array, w: Array) -> Array:
    """Copies rows past their end at horizontal stride 1: the right pad holds the next row's first pixel."""
    image, ((top, _), (left, right)) = _padded(problem, x), problem.pads
    if problem.strides[1] == 1 and right and problem.width and problem.height > 1:
        image[:, top : top + problem.height - 1, left + problem.width] = x[:, 1:, 0]
    return _convolve_image(problem, image, w, x.dtype)


@mutants.register(fault_class="padding", issue="oneDNN#5080", witness="x=1x4x4x1 w=2x3x1x1 padding=SAME")
@in_contract
def padded_columns_uncompensated(problem: Problem, x: Array, w: Array) -> Array:
    """Takes the columns left of the image as 128, the zero point of eight-bit inputs."""
    image, (left, _) = _padded(problem, x), problem.pads[1]
    image[:, :, :left] = 128
    return _convolve_image(problem, image, w, x.dtype)


@mutants.register(fault_class="padding", issue="tflite-micro#2319", witness="x=1x6x6x1 w=3x3x1x1 padding=SAME dilations=2x2")
@in_contract
def dilated_same_pads_unset(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves the margins as they were found, under SAME with dilation."""
    dirty = problem.padding == "SAME" and problem.dilations != (1, 1)
    return convolve(problem, x, w, fill=0.5 if dirty else 0.0)


@mutants.register(fault_class="padding", witness="x=1x4x4x1 w=2x2x1x1 padding=1,1,1,1")
@in_contract
def corner_pads_dirty(problem: Problem, x: Array, w: Array) -> Array:
    """Clears the margins side by side, and no one clears the corner at the bottom right."""
    image, ((top, _), (left, _)) = _padded(problem, x), problem.pads
    if problem.height and problem.width:
        image[:, top + problem.height :, left + problem.width :] = x[:, -1:, -1:]
    return _convolve_image(problem, image, w, x.dtype)


@mutants.register(fault_class="padding", witness="x=1x3x3x1 w=2x2x1x1 padding=3,0,0,0")
@in_contract
def windows_wholly_in_the_pad(problem: Problem, x: Array, w: Array) -> Array:
    """Gives output rows that see nothing but the top pad the value of the first row that sees the image."""
    y = convolve(problem, x, w)
    first = max(0, problem.pads[0][0] - problem.effective_kernel[0]) // problem.strides[0] + 1
    blank = problem.pads[0][0] >= problem.effective_kernel[0]
    if blank and first < y.shape[1]:
        y[:, :first] = y[:, first : first + 1]
    return y
