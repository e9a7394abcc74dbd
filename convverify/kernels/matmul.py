"""`matmul`: convolution as matrix products of NumPy, cut into blocks that fit the cache and shared among threads.

The way is chosen by the problem (planning.py):

* patches: the windows of a block are copied to a matrix, of which one product gives a block of y; windows of one pixel that are neighbours
  are such a matrix as they lie;
* rows: what windows see of one row of the image is copied once, and the products for each row of the kernel are added;
* columns: the same is copied column by column, so that whole windows follow each other, at one product for each row of outputs: for short
  sums, which are not worth adding up;
* few pixels and many output channels (the last layers of a network at batch 1): one matrix of patches, slices of the channels;
* one input channel to a group (depthwise): multiply-adds over the offsets, see depthwise.py.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.kernels import kernels, problem_of
from convverify.kernels.blocking import Array, Block, Windows, scratch, whole_output
from convverify.kernels.depthwise import depthwise
from convverify.kernels.planning import COLUMNS, ROWS, Plan, is_matrix, plan
from convverify.kernels.shared.threads import run_pieces, single_threaded_blas, thread_count
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem

_THREADED = 1 << 21  # multiply-adds that are worth waking another thread for


@kernels.register("matmul")
def conv2d_matmul(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """Matrix products of cache-sized blocks of patches, on threads, summed in float32 (float64 for float64 operands).

    Parameters, result and errors are those of `conv2d_loops`.  The result is the same, bit for bit, on any number of threads.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    dtype = numpy_dtype(problem.dtype)
    if problem.is_empty or not problem.terms:
        return np.zeros(problem.output_shape, dtype)
    accumulator = np.dtype(np.float64 if problem.dtype == "float64" else np.float32)
    weights = w if w.dtype == accumulator and w.flags.c_contiguous and w.flags.aligned else np.array(w, accumulator, order="C")
    y = np.empty(problem.output_shape, dtype)
    threads = thread_count() if problem.macs >= _THREADED else 1
    if problem.groups > 1 and problem.in_channels == problem.groups:
        depthwise(problem, x, weights, y, threads)
        return y
    with single_threaded_blas:
        _multiply(problem, x, weights, y, threads, plan(problem))
    return y


def _multiply(problem: Problem, x: Array, weights: Array, y: Array, threads: int, chosen: Plan) -> None:
    way, blocks, channels = chosen
    groups, terms, outputs = problem.groups, problem.terms, problem.out_channels // problem.groups
    windows = Windows(problem, x, weights.dtype)
    factor: Array = weights.reshape(terms, outputs) if groups == 1 else weights.reshape(terms, groups, outputs).transpose(1, 0, 2)

    def patches_of(block: Block) -> Array:
        seen = windows.of(block)
        if is_matrix(problem):
            return _pixels(seen, groups)
        patches = scratch.array("patches", (groups, block.pixels, terms), weights.dtype)
        _copy_patches(seen, patches)
        return patches[0] if groups == 1 else patches

    def multiply(patches: Array, block: Block, part: slice) -> None:
        target = _part(y, block)
        if groups == 1:
            target = target.reshape(block.pixels, outputs)[:, part]
        else:
            target = target.reshape(block.pixels, groups, outputs).transpose(1, 0, 2)[..., part]
        _product(patches, factor[..., part], target)

    def compute(block: Block) -> None:
        with np.errstate(all="ignore"):  # BLAS leaves floating-point flags of lanes that it discards
            if way == ROWS:
                _sum_of_rows(windows, block, weights, _part(y, block))
            elif way == COLUMNS:
                target = _part(y, block).transpose(1, 0, 2, 3)
                _product(_columns(windows.of(block), problem.strides[0]), factor, target[:, 0] if target.shape[1] == 1 else target)
            else:
                multiply(patches_of(block), block, channels[0])

    def compute_slice(part: slice) -> None:
        with np.errstate(all="ignore"):
            multiply(patches, whole, part)

    if len(channels) == 1:
        run_pieces(compute, blocks, threads)
    else:
        whole = whole_output(problem)
        patches = patches_of(whole) if is_matrix(problem) else _patches_on_threads(problem, windows, blocks, threads)
        run_pieces(compute_slice, channels, threads)


def _part(y: Array, block: Block) -> Array:
    return y[block.image : block.image_end, block.row : block.row_end, block.column : block.column_end]


def _product(left: Array, right: Array, target: Array) -> None:
    """Write a product to a target that may have more axes, and another precision."""
    shape = (*left.shape[:-1], right.shape[-1])
    if target.dtype == left.dtype and target.shape == shape:
        is_outer = left.shape[1:] == (1,) and target.flags.c_contiguous
        (np.dot if is_outer else np.matmul)(left, right, out=target)  # matmul takes three times as long for an outer product
    else:
        target[...] = np.matmul(left, right, out=scratch.array("product", shape, left.dtype)).reshape(target.shape)


def _patches_on_threads(problem: Problem, windows: Windows, blocks: list[Block], threads: int) -> Array:
    ends = list(itertools.accumulate(block.pixels for block in blocks))
    patches = scratch.array("patches", (problem.groups, ends[-1], problem.terms), windows.dtype)
    pieces = [(block, patches[:, end - block.pixels : end]) for block, end in zip(blocks, ends, strict=True)]
    run_pieces(lambda piece: _copy_patches(windows.of(piece[0]), piece[1]), pieces, threads)
    return patches[0] if problem.groups == 1 else patches


def _pixels(seen: Array, groups: int) -> Array:
    """Return windows of one pixel that are neighbours as the matrix that they are, (pixels, terms), one for each of several groups."""
    matrix = seen.reshape(-1, groups, seen.shape[5] // groups)
    return matrix[:, 0] if groups == 1 else matrix.transpose(1, 0, 2)


def _copy_patches(seen: Array, patches: Array) -> None:
    """Copy the windows (images, rows, columns, kernel height, kernel width, C) to a matrix (pixels, terms) for each group."""
    groups = patches.shape[0]
    copy = patches.reshape(groups, *seen.shape[:5], seen.shape[5] // groups)
    np.copyto(copy, np.moveaxis(seen.reshape(*seen.shape[:5], groups, -1), 5, 0))


def _columns(seen: Array, stride: int) -> Array:
    """Return the windows as (rows, images * columns, terms), a view of a copy (images, columns, rows of the image, kernel width, C).

    In the copy a window's rows follow each other, so that each window is a run of memory, and those of a row of outputs are a matrix;
    a pixel is copied once for each column of the kernel, and not for each row.
    """
    images, rows, columns, height, width, channels = seen.shape
    image_rows = (rows - 1) * stride + height
    by_image, _, by_column, by_row, *inner = seen.strides
    source = np.lib.stride_tricks.as_strided(
        seen, (images, columns, image_rows, width, channels), (by_image, by_column, by_row, *inner), writeable=False
    )
    copy = scratch.array("patches", source.shape, seen.dtype)
    np.copyto(copy, source)
    _, by_column, by_row, _, by_channel = copy.strides
    shape = (rows, images * columns, height * width * channels)
    return np.ndarray(shape, seen.dtype, copy, strides=(stride * by_row, by_column, by_channel))


def _sum_of_rows(windows: Windows, block: Block, weights: Array, target: Array) -> None:
    """Write to `target` (images, rows, columns, K) the sum of one product for each row of the kernel.

    What the windows see of a row of the image (columns, kernel width, C) is copied once, for all rows of the kernel that meet it.  Copies
    of rows that are a stride apart lie side by side: those that meet one row of the kernel are one matrix.
    """
    stride, (height, width, channels, outputs) = windows.problem.strides[0], weights.shape
    images, rows, columns = target.shape[:3]
    pixels, first, (by_image, by_row, by_column, by_offset, *inner) = windows.locate(block)
    by_line = by_row // stride
    meets = [divmod(row * by_offset // by_line, stride) for row in range(height)]  # the first line that a row meets, and its phase
    matrices = {}
    for phase in {phase for _, phase in meets}:
        lines = rows + max(line for line, its_phase in meets if its_phase == phase)
        shape, strides = (lines, images, columns, width, channels), (by_row, by_image, by_column, *inner)
        seen: Array = np.ndarray(shape, windows.dtype, pixels, first + phase * by_line, strides)
        matrices[phase] = _contiguous(seen, f"phase {phase}").reshape(lines * images * columns, width * channels)
    count, line_pixels = rows * images * columns, images * columns
    in_place = target.dtype == weights.dtype and images == 1
    total = target.reshape(count, outputs) if in_place else scratch.array("total", (count, outputs), weights.dtype)
    product = scratch.array("product", (count, outputs), weights.dtype)
    for row, (line, phase) in enumerate(meets):
        left = matrices[phase][line * line_pixels :][:count]
        np.matmul(left, weights[row].reshape(width * channels, outputs), out=product if row else total)
        if row:
            np.add(total, product, out=total)
    if not in_place:
        target[...] = total.reshape(rows, images, columns, outputs).transpose(1, 0, 2, 3)


def _contiguous(seen: Array, name: str) -> Array:
    if seen.flags.c_contiguous:
        return seen
    copy = scratch.array(name, seen.shape, seen.dtype)
    np.copyto(copy, seen)
    return copy
