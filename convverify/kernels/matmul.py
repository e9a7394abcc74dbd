"""`matmul`: convolution as matrix products of NumPy, cut into blocks that fit the cache and shared among threads.

The way is chosen by the problem:

* a window of one pixel is a row of x already, so that x (or a strip of it) is a matrix, and one product gives a block of y;
* other windows are copied, block by block, into a reused buffer: a matrix of patches, of which one product gives a block of y;
* few pixels and many output channels (the last layers of a network at batch 1): one matrix of patches, many blocks of channels;
* one input channel to a group (depthwise): multiply-adds over the offsets, see depthwise.py.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convverify.dtypes import numpy_dtype
from convverify.kernels import kernels, problem_of
from convverify.kernels.blocking import Array, Block, Windows, blocks_of, scratch
from convverify.kernels.depthwise import depthwise
from convverify.problem import Problem
from convverify.threads import run_pieces, single_threaded_blas, thread_count

PATCHES = 3 << 19  # bytes of a block's patches
MOST_PATCHES = 12 << 20  # bytes: at most this where the weights are many, to be packed by BLAS for each block
GEMM_PIXELS = 192  # rows of a product from which on packing the weights costs little
LEAST_WORK = 1 << 22  # multiply-adds that are worth a block of their own
BALANCE = 8  # blocks, so that threads of unequal speed end together
FEW_PIXELS = 384
THREADED = 1 << 21  # multiply-adds that are worth waking another thread for


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
    threads = thread_count() if problem.macs >= THREADED else 1
    if problem.groups > 1 and problem.in_channels == problem.groups:
        depthwise(problem, x, weights, y, threads)
        return y
    with single_threaded_blas:
        _multiply(problem, x, weights, y, threads)
    return y


class Plan(NamedTuple):
    """Blocks of pixels, and slices of the output channels of each group; more than one slice: all patches are made first."""

    blocks: list[Block]
    channels: list[slice]


@functools.lru_cache(maxsize=1024)
def plan(problem: Problem) -> Plan:
    """Choose the blocks, by the problem alone: the number of threads must not change a result."""
    itemsize = 8 if problem.dtype == "float64" else 4
    batch, rows, columns, out_channels = problem.output_shape
    total = batch * rows * columns
    patch = problem.kernel_height * problem.kernel_width * problem.in_channels * itemsize
    outputs = out_channels // problem.groups
    if total <= FEW_PIXELS and outputs >= 128 and total * patch <= MOST_PATCHES:
        count = min(4, outputs // 128)
        edges = [outputs * piece // count // 16 * 16 for piece in range(count)] + [outputs]
        return Plan(blocks_of(problem, total), [slice(low, high) for low, high in itertools.pairwise(edges)])
    pixels = max(PATCHES // patch, min(GEMM_PIXELS, MOST_PATCHES // patch))
    enough = max(-(-total // BALANCE), -(-LEAST_WORK * total // problem.macs), GEMM_PIXELS)
    return Plan(blocks_of(problem, min(pixels, enough)), [slice(0, outputs)])


def _multiply(problem: Problem, x: Array, weights: Array, y: Array, threads: int) -> None:
    blocks, channels = plan(problem)
    dtype, groups, terms = weights.dtype, problem.groups, problem.terms
    outputs = problem.out_channels // groups
    windows = Windows(problem, x, dtype)
    factor: Array = weights.reshape(terms, outputs) if groups == 1 else weights.reshape(terms, groups, outputs).transpose(1, 0, 2)

    def patches_of(block: Block) -> Array:
        """Return (pixels, terms), with a leading axis of groups where there are several."""
        seen = windows.of(block)
        if seen.shape[3] == seen.shape[4] == 1 and problem.strides == (1, 1):
            matrix = seen.reshape(block.pixels, groups, -1)  # neighbours in memory: not a copy
            return matrix[:, 0] if groups == 1 else matrix.transpose(1, 0, 2)
        shape = (*seen.shape[:5], problem.in_channels)
        if groups == 1:
            copy = scratch.array("patches", shape, dtype)
            np.copyto(copy, seen)
            return copy.reshape(block.pixels, terms)
        copy = scratch.array("patches", (groups, *seen.shape[:5], problem.in_channels // groups), dtype)
        np.copyto(copy, np.moveaxis(seen.reshape(*seen.shape[:5], groups, -1), 5, 0))
        return copy.reshape(groups, block.pixels, terms)

    def product(patches: Array, block: Block, part: slice) -> None:
        target = y[block.image : block.image_end, block.row : block.row_end, block.column : block.column_end]
        flat = target.reshape(block.pixels, groups, outputs)[..., part]
        out = flat[:, 0] if groups == 1 else flat.transpose(1, 0, 2)
        if y.dtype == dtype:
            np.matmul(patches, factor[..., part], out=out)
        else:
            out[...] = np.matmul(patches, factor[..., part], out=scratch.array("product", out.shape, dtype))

    if len(channels) == 1:
        run_pieces(lambda block: product(patches_of(block), block, channels[0]), blocks, threads)
        return
    for block in blocks:
        patches = patches_of(block)
        run_pieces(lambda part, patches=patches, block=block: product(patches, block, part), channels, threads)
