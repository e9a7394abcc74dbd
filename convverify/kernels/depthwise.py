"""Depthwise convolution: each output channel sums over the window of one input channel, so that there is no matrix to multiply.

Used by `matmul`.  With stride 1 the windows of neighbouring outputs lie one pixel apart, like the outputs: weights are repeated along a
row of pixels, so that pixels and channels form one long axis of multiply-adds.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from convverify.kernels.blocking import Array, Block, Lattice, Windows, axes_of, blocks_of, scratch
from convverify.kernels.shared.threads import run_pieces
from convverify.problems.problem import Problem

_ROW = 8192  # elements of a row of repeated weights
_STRIP = 1 << 17  # elements of an output block: with its strip it stays in the second-level cache
_LEAST_WORK = 1 << 20  # multiply-adds that are worth a block of their own
_BALANCE = 8  # blocks of the pixels inside, so that threads of unequal speed end together
_MOST_REGIONS = 32  # of pixels that miss the same part of their windows; where there are more, the image is copied to strips with pads


class Piece(NamedTuple):
    """A block of outputs, and the part of the kernel that meets pixels of the image: of the rest, there is nothing to add."""

    block: Block
    rows: slice
    columns: slice


class Plan(NamedTuple):
    """Whether blocks are copied to strips; columns for which weights are repeated; the pieces."""

    strips: bool
    tile: int
    pieces: list[Piece]


def depthwise(problem: Problem, x: Array, weights: Array, y: Array, threads: int) -> None:
    """Write the convolution of x and `weights` (of the accumulator's dtype) into y; one input channel to a group."""
    channels = problem.out_channels
    dtype = weights.dtype
    windows = Windows(problem, x, dtype, repeat=channels // problem.groups)
    plan = plan_of(problem, windows.plain)
    repeated = scratch.array("repeated", (problem.kernel_height, problem.kernel_width, plan.tile, channels), dtype)
    repeated[...] = weights
    accumulate = _accumulate_pixels if problem.strides[1] == 1 else _accumulate_channels

    def compute(piece: Piece) -> None:
        block, rows, taps = piece
        target = y[block.image : block.image_end, block.row : block.row_end, block.column : block.column_end]
        if rows.start >= rows.stop or taps.start >= taps.stop:
            target[...] = 0
            return
        lattice = windows.locate(block) if plan.strips else windows.locate_in_x(block, rows, taps)
        result = target if y.dtype == dtype else scratch.array("result", target.shape, dtype)
        accumulate(lattice, repeated[rows, taps, : target.shape[2]], result)
        if result is not target:
            target[...] = result

    run_pieces(compute, plan.pieces, threads)


@functools.lru_cache(maxsize=1024)
def plan_of(problem: Problem, plain: bool) -> Plan:
    """Choose the pieces, by the problem alone and by whether x can be read as it lies."""
    batch, rows, columns, channels = problem.output_shape
    merged = problem.strides[1] == 1
    tile = min(columns, max(1, _ROW // channels)) if merged else 1
    vertical, horizontal = (axis.runs(count) for axis, count in zip(axes_of(problem), (rows, columns), strict=True))
    strips = not plain or len(vertical) * len(horizontal) > _MOST_REGIONS
    if strips:
        pixels = max(1, _STRIP // (channels * problem.strides[0] * problem.strides[1]))
        vertical, horizontal = [(0, rows, 0, problem.kernel_height)], [(0, columns, 0, problem.kernel_width)]
    else:
        pixels = max(-(-batch * rows * columns // _BALANCE), -(-_LEAST_WORK // (channels * problem.kernel_height * problem.kernel_width)))
    pieces = [
        Piece(part, slice(*row_taps), slice(*column_taps))
        for row, row_end, *row_taps in vertical
        for column, column_end, *column_taps in horizontal
        for block in blocks_of(problem, pixels, Block(0, batch, row, row_end, column, column_end))
        for part in (_split(block, tile) if merged else [block])
    ]
    return Plan(strips, tile, sorted(pieces, key=lambda piece: -piece.block.pixels))  # the small ones last: they even out


def _split(block: Block, tile: int) -> list[Block]:
    return [
        block._replace(column=column, column_end=min(column + tile, block.column_end))
        for column in range(block.column, block.column_end, tile)
    ]


def _accumulate_pixels(lattice: Lattice, repeated: Array, result: Array) -> None:
    """Add up all products; repeated (kernel height, kernel width, columns, channels), result (images, rows, columns, channels)."""
    pixels, first, (by_image, by_row, _, *by_offset, by_channel) = lattice
    flat = result.reshape(*result.shape[:2], -1)
    shape = (*flat.shape, *repeated.shape[:2])
    lines: Array = np.ndarray(shape, result.dtype, pixels, first, (by_image, by_row, by_channel, *by_offset))
    np.einsum("nimab,abm->nim", lines, repeated.reshape(*repeated.shape[:2], -1), out=flat)


def _accumulate_channels(lattice: Lattice, repeated: Array, result: Array) -> None:
    """The same where the windows of neighbouring outputs are not neighbours: pixel by pixel; repeated has one column."""
    pixels, first, strides = lattice
    weights = repeated[:, :, 0]
    seen: Array = np.ndarray((*result.shape[:3], *weights.shape), result.dtype, pixels, first, strides)
    np.einsum("nijabc,abc->nijc", seen, weights, out=result)
