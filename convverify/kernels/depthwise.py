"""Depthwise convolution: each output channel sums over the window of one input channel, so that there is no matrix to multiply.

Used by `matmul`.  Weights are repeated along a row of pixels, so that pixels and channels form one long axis of multiply-adds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convverify.kernels.blocking import Array, Block, Windows, blocks_of, scratch, whole_output
from convverify.problem import Problem
from convverify.threads import run_pieces

_ROW = 8192  # elements of a row of repeated weights: shorter rows copy more of the strip twice, longer ones leave the cache
_BLOCK = 1 << 17  # elements of an output block: with its strip it stays in the second-level cache
_LARGE = 1 << 20  # bytes of x: where windows stride over more, to copy it to strips costs more than to compute apart what lies at the pads


def depthwise(problem: Problem, x: Array, weights: Array, y: Array, threads: int) -> None:
    """Write the convolution of x and `weights` (of the accumulator's dtype) into y; one input channel to a group."""
    _, _, columns, channels = problem.output_shape
    dtype = weights.dtype
    windows = Windows(problem, x, dtype, repeat=channels // problem.groups)
    # With stride 1 the windows of neighbouring pixels lie one pixel apart, like the pixels of the output.
    merged = problem.strides[1] == 1
    tile = min(columns, max(1, _ROW // channels)) if merged else 1
    repeated = scratch.array("repeated", (problem.kernel_height, problem.kernel_width, tile, channels), dtype)
    repeated[...] = weights
    pixels = max(1, _BLOCK // (channels * problem.strides[0] * problem.strides[1]))
    if merged:
        blocks = [part for block in blocks_of(problem, pixels) for part in _split(block, tile)]
    else:
        regions = _regions(whole_output(problem), windows.inside) if x.nbytes >= _LARGE else [whole_output(problem)]
        blocks = [block for region in regions for block in blocks_of(problem, pixels, region)]

    def compute(block: Block) -> None:
        target = y[block.image : block.image_end, block.row : block.row_end, block.column : block.column_end]
        result = target if y.dtype == dtype else scratch.array("result", target.shape, dtype)
        seen = windows.of(block)
        if merged:
            count = block.column_end - block.column
            _accumulate_rows(seen, repeated[:, :, :count].reshape(*repeated.shape[:2], -1), result)
        else:
            np.einsum("nijabc,abc->nijc", seen, repeated[:, :, 0], out=result)
        if result is not target:
            target[...] = result

    run_pieces(compute, blocks, threads)


def _regions(whole: Block, inside: Block) -> list[Block]:
    """The pixels inside, whose windows are read from x as it lies, and what is left of the whole above, below, left and right of them."""
    return [
        inside,
        whole._replace(row_end=inside.row),
        whole._replace(row=inside.row_end),
        inside._replace(column=whole.column, column_end=inside.column),
        inside._replace(column=inside.column_end, column_end=whole.column_end),
    ]


def _split(block: Block, tile: int) -> list[Block]:
    return [
        block._replace(column=column, column_end=min(column + tile, block.column_end))
        for column in range(block.column, block.column_end, tile)
    ]


def _accumulate_rows(seen: Array, repeated: Array, result: Array) -> None:
    images, rows, columns, kernel_height, kernel_width, channels = seen.shape
    by_image, by_row, _, by_offset_row, by_offset_column, by_channel = seen.strides
    lines: Any = np.lib.stride_tricks.as_strided(
        seen,
        (images, rows, columns * channels, kernel_height, kernel_width),
        (by_image, by_row, by_channel, by_offset_row, by_offset_column),
        writeable=False,
    )
    flat = np.lib.stride_tricks.as_strided(result, (images, rows, columns * channels), (*result.strides[:2], result.itemsize))
    np.einsum("nimab,abm->nim", lines, repeated, out=flat)
