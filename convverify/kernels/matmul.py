"""`matmul`: convolution as matrix products of NumPy, cut into blocks that fit the cache and shared among threads.

The way is chosen by the problem:

* a window of one pixel is a row of x already, so that x (or a strip of it) is a matrix, and one product gives a block of y;
* other windows are copied, block by block, into a reused buffer: a matrix of patches, of which one product gives a block of y;
* of wide images, a block's columns are copied instead: patches of neighbouring rows share their pixels, at one product for each row;
* few pixels and many output channels (the last layers of a network at batch 1): one matrix of patches, many blocks of channels;
* one input channel to a group (depthwise): multiply-adds over the offsets, see depthwise.py.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convverify.kernels import kernels, problem_of
from convverify.kernels.blocking import Array, Block, Windows, blocks_of, scratch, whole_output
from convverify.kernels.depthwise import depthwise
from convverify.kernels.shared.threads import run_pieces, single_threaded_blas, thread_count
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem

_PATCHES = 2 << 20  # bytes of a block's patches
_MOST_PATCHES = 12 << 20  # bytes: at most this where the weights are many, to be packed by BLAS for each block
_STRIP = 12 << 20  # bytes of the pixels that a block's windows skip or cover
_COLUMNS = 2 << 20  # bytes of a block's columns
_GEMM_PIXELS = 400  # rows of a product from which on packing the weights costs little
_ROW_PIXELS = 192  # the same for one row of outputs, whose columns are copied at less cost than its patches
_SHORT = 32  # elements: runs of at most this many are copied at a cost for each run
_FEWEST_PIXELS = 192  # of the whole output: fewer do not make blocks of which each is worth packing the weights
_FEW_PIXELS = 384  # the same where the weights are many
_MANY_WEIGHTS = 4 << 20  # bytes
_LEAST_COPIED = 96  # pixels whose patches are worth a piece of their own, where few pixels are copied first
_LEAST_WORK = 1 << 22  # multiply-adds that are worth a block of their own
_BALANCE = 8  # blocks, so that threads of unequal speed end together
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
        _multiply(problem, x, weights, y, threads)
    return y


class Plan(NamedTuple):
    """Blocks of pixels, slices of the output channels of each group, and whether patches are made by columns.

    With more than one slice, the patches of all blocks are made first, to be one matrix.
    """

    blocks: list[Block]
    channels: list[slice]
    by_columns: bool


@functools.lru_cache(maxsize=1024)
def plan(problem: Problem) -> Plan:
    """Choose the blocks, by the problem alone: the number of threads must not change a result."""
    itemsize = 8 if problem.dtype == "float64" else 4
    batch, rows, columns, out_channels = problem.output_shape
    total, outputs = batch * rows * columns, out_channels // problem.groups
    run = problem.kernel_width * problem.in_channels
    patch = problem.kernel_height * run * itemsize
    many_weights = problem.terms * outputs * itemsize >= _MANY_WEIGHTS
    if total <= (_FEW_PIXELS if many_weights else _FEWEST_PIXELS) and outputs >= 128 and total * patch <= _MOST_PATCHES:
        count = max(2, min(4, outputs // 256))
        edges = [outputs * piece // count // 16 * 16 for piece in range(count)] + [outputs]
        halves = blocks_of(problem, max(-(-total // 2), _LEAST_COPIED))
        return Plan(halves, [slice(low, high) for low, high in itertools.pairwise(edges)], False)
    units, unit = (batch, rows * columns) if batch > 1 else (rows, columns)
    fewest = min(_GEMM_PIXELS, -(-units // 2) * unit)
    pixels = max(_PATCHES // patch, min(fewest, _MOST_PATCHES // patch))
    enough = max(-(-total // _BALANCE), -(-_LEAST_WORK * total // problem.macs), fewest)
    by_columns = problem.groups == 1 < problem.kernel_height and problem.dilations[0] == 1
    if by_columns and columns >= (_ROW_PIXELS // 2 if run <= _SHORT else _ROW_PIXELS):
        fitting = _COLUMNS // (columns * run * itemsize) - problem.kernel_height
        pixels = columns * max(1, fitting // problem.strides[0])
    else:
        images = min(batch, min(pixels, enough) // (rows * columns))
        by_columns = by_columns and run <= _SHORT and images * columns >= _ROW_PIXELS // 2
    pixels = min(pixels, enough, _STRIP // (problem.strides[0] * problem.strides[1] * problem.in_channels * itemsize))
    return Plan(blocks_of(problem, pixels), [slice(0, outputs)], by_columns)


def _multiply(problem: Problem, x: Array, weights: Array, y: Array, threads: int) -> None:
    blocks, channels, by_columns = plan(problem)
    groups, terms, outputs = problem.groups, problem.terms, problem.out_channels // problem.groups
    windows = Windows(problem, x, weights.dtype)
    factor: Array = weights.reshape(terms, outputs) if groups == 1 else weights.reshape(terms, groups, outputs).transpose(1, 0, 2)

    neighbours = problem.kernel_height == problem.kernel_width == 1 and problem.strides == (1, 1)

    def patches_of(block: Block) -> Array:
        seen = windows.of(block)
        if by_columns:
            return _columns(seen, problem.strides[0])
        if neighbours:
            return _rows(seen, groups)
        patches = scratch.array("patches", (groups, block.pixels, terms), weights.dtype)
        _copy_patches(seen, patches)
        return patches[0] if groups == 1 else patches

    def multiply(patches: Array, block: Block, part: slice) -> None:
        target = y[block.image : block.image_end, block.row : block.row_end, block.column : block.column_end, :]
        if by_columns:
            target = target.transpose(1, 0, 2, 3)
        elif groups == 1:
            target = target.reshape(block.pixels, outputs)[:, part]
        else:
            target = target.reshape(block.pixels, groups, outputs).transpose(1, 0, 2)[..., part]
        with np.errstate(all="ignore"):  # BLAS leaves floating-point flags of lanes that it discards
            if y.dtype == weights.dtype and not (by_columns and target.shape[1] > 1):
                np.matmul(patches, factor[..., part], out=target[:, 0] if by_columns else target)
            else:
                product = scratch.array("product", (*patches.shape[:-1], target.shape[-1]), weights.dtype)
                target[...] = np.matmul(patches, factor[..., part], out=product).reshape(target.shape)

    if len(channels) == 1:
        run_pieces(lambda block: multiply(patches_of(block), block, channels[0]), blocks, threads)
    else:
        whole = whole_output(problem)
        patches = patches_of(whole) if neighbours else _patches_on_threads(problem, windows, blocks, threads)
        run_pieces(lambda part: multiply(patches, whole, part), channels, threads)


def _patches_on_threads(problem: Problem, windows: Windows, blocks: list[Block], threads: int) -> Array:
    ends = list(itertools.accumulate(block.pixels for block in blocks))
    patches = scratch.array("patches", (problem.groups, ends[-1], problem.terms), windows.dtype)
    pieces = [(block, patches[:, end - block.pixels : end]) for block, end in zip(blocks, ends, strict=True)]
    run_pieces(lambda piece: _copy_patches(windows.of(piece[0]), piece[1]), pieces, threads)
    return patches[0] if problem.groups == 1 else patches


def _rows(seen: Array, groups: int) -> Array:
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
