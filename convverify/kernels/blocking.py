"""Blocks: how a kernel cuts its output, by the problem alone, and how it gets at the pixels that a block's windows cover.

A block is some whole images, or some rows of one image, or a part of one row: its output pixels are neighbours in memory.  Where the image
cannot be read as it lies (pads, another layout, another precision), the part of it that a block's windows cover is first copied to a
strip; there is never a padded copy of all images.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convverify.problems.problem import Problem

Array = npt.NDArray[Any]


class Block(NamedTuple):
    """Output pixels y[images, rows, columns]; the ends are exclusive."""

    image: int
    image_end: int
    row: int
    row_end: int
    column: int
    column_end: int

    @property
    def pixels(self) -> int:
        return (self.image_end - self.image) * (self.row_end - self.row) * (self.column_end - self.column)


def blocks_of(problem: Problem, pixels: int, region: Block | None = None) -> list[Block]:
    """Cut the output, or a region of it, into blocks of at most `pixels` output pixels (one at least), as equal as can be.

    There is an even number of them where that can be: an odd one would leave one of two threads idle.
    """
    image, image_end, row, row_end, column, column_end = region or whole_output(problem)
    images, rows, columns = image_end - image, row_end - row, column_end - column
    if not images * rows * columns:
        return []
    if pixels >= rows * columns:
        return [Block(*piece, row, row_end, column, column_end) for piece in _pieces(image, images, pixels // (rows * columns), 1)]
    if pixels >= columns:
        pieces = _pieces(row, rows, pixels // columns, images)
        return [Block(n, n + 1, *piece, column, column_end) for n in range(image, image_end) for piece in pieces]
    pieces = _pieces(column, columns, max(1, pixels), images * rows)
    return [Block(n, n + 1, i, i + 1, *piece) for n in range(image, image_end) for i in range(row, row_end) for piece in pieces]


def _pieces(start: int, extent: int, most: int, times: int) -> list[tuple[int, int]]:
    """Cut `extent` into pieces of at most `most`, so that there is an even number of them, `times` as many included, where it can be."""
    count = -(-extent // most)
    if count * times > 1 and count * times % 2 and count < extent:
        count += 1
    return [(start + extent * piece // count, start + extent * (piece + 1) // count) for piece in range(count)]


def whole_output(problem: Problem) -> Block:
    """Return all pixels of the output."""
    batch, rows, columns, _ = problem.output_shape
    return Block(0, batch, 0, rows, 0, columns)


class Scratch(threading.local):
    """Buffers that a thread uses again and again: fresh memory costs a page fault for every 4 KiB."""

    def __init__(self) -> None:
        self._buffers: dict[str, Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return an array of undefined content, valid until this thread asks for `name` again.  It must not leave the kernel."""
        needed = int(np.dtype(dtype).itemsize)
        for extent in shape:
            needed *= extent
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < needed:
            self._buffers[name] = buffer = _from_cache_line(np.empty(max(needed, 1 << 14) + _ALIGNMENT, np.uint8))
        return np.ndarray(shape, dtype, buffer)


_ALIGNMENT = 64  # bytes: a cache line, and the longest vector register
scratch = Scratch()


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an array of zeros that begins with a cache line."""
    return np.ndarray(shape, dtype, _from_cache_line(np.zeros(math.prod(shape) * np.dtype(dtype).itemsize + _ALIGNMENT, np.uint8)))


def _from_cache_line(memory: Array) -> Array:
    return memory[-memory.ctypes.data % _ALIGNMENT :]


def is_aligned(array: Array) -> bool:
    """Return whether an array begins with a cache line."""
    return not array.ctypes.data % _ALIGNMENT


@dataclass(frozen=True)
class Axis:
    """Where the windows of a block lie along one axis of the image, and how they are stored in a strip.

    The windows of `count` outputs cover, for each offset of the kernel, `span` pixels; the segments of neighbouring offsets overlap by
    all but `dilation`.  Where they do not overlap, what lies between them is left out of the strip.
    """

    extent: int
    kernel: int
    stride: int
    dilation: int
    pad: int

    def step(self, count: int) -> int:
        """Distance in the strip between the segments of two neighbouring kernel offsets."""
        return min(self.dilation, (count - 1) * self.stride + 1)

    def length(self, count: int) -> int:
        """Pixels in the strip of `count` outputs."""
        return (self.kernel - 1) * self.step(count) + (count - 1) * self.stride + 1

    def inside(self, count: int) -> tuple[int, int]:
        """Return (first, end) of those of `count` outputs whose windows do not reach into a pad."""
        first = min(count, -(-self.pad // self.stride))
        end = (self.extent + self.pad - (self.kernel - 1) * self.dilation - 1) // self.stride + 1
        return first, max(first, min(count, end))

    def runs(self, count: int) -> list[tuple[int, int, int, int]]:
        """Cut `count` outputs where their windows begin to miss another part of the kernel: (first, end, first offset, end of offsets)."""
        runs: list[tuple[int, int, int, int]] = []
        for output in range(count):
            start = output * self.stride - self.pad
            first = max(0, -(start // self.dilation))
            end = max(first, min(self.kernel, (self.extent - 1 - start) // self.dilation + 1))
            if runs and runs[-1][2:] == (first, end):
                runs[-1] = (runs[-1][0], output + 1, first, end)
            else:
                runs.append((output, output + 1, first, end))
        return runs

    def segments(self, first: int, count: int) -> Iterator[tuple[slice, slice, slice, slice]]:
        """Yield (pad before, image part, pad after) as slices of the strip, and the slice of the image that goes there."""
        start, span, step = first * self.stride - self.pad, (count - 1) * self.stride + 1, self.step(count)
        whole = step == self.dilation
        length = self.length(count) if whole else span
        for offset in range(1 if whole else self.kernel):
            at, pixel = offset * step, start + offset * self.dilation
            low = min(max(0, -pixel), length)
            high = max(low, min(length, self.extent - pixel))
            yield slice(at, at + low), slice(at + low, at + high), slice(at + high, at + length), slice(pixel + low, pixel + high)


def axes_of(problem: Problem) -> tuple[Axis, Axis]:
    """Return the vertical and the horizontal axis."""
    (top, _), (left, _) = problem.pads
    (stride_h, stride_w), (dilation_h, dilation_w) = problem.strides, problem.dilations
    return (
        Axis(problem.height, problem.kernel_height, stride_h, dilation_h, top),
        Axis(problem.width, problem.kernel_width, stride_w, dilation_w, left),
    )


class Lattice(NamedTuple):
    """Where windows lie: in contiguous `pixels`, from byte `first` on; strides in bytes of the axes that `Windows.of` names."""

    pixels: Array
    first: int
    strides: tuple[int, ...]


class Windows:
    """The windows of a problem's blocks, over x itself where that is possible, else over strips."""

    def __init__(self, problem: Problem, x: Array, dtype: Any, repeat: int = 1) -> None:
        self.problem, self.x, self.dtype, self.repeat = problem, x, dtype, repeat
        self.axes = axes_of(problem)
        self.kernel = slice(0, problem.kernel_height), slice(0, problem.kernel_width)
        batch, rows, columns, _ = problem.output_shape
        self.inside = Block(0, batch, *self.axes[0].inside(rows), *self.axes[1].inside(columns))
        """The outputs whose windows do not reach into a pad."""
        self.plain = x.dtype == dtype and x.flags.c_contiguous and x.flags.aligned and repeat == 1
        """Whether x can be read as it lies."""

    def of(self, block: Block) -> Array:
        """Return (images, rows, columns, kernel height, kernel width, channels * repeat), read-only in spirit, of self.dtype."""
        pixels, first, strides = self.locate(block)
        shape = (
            block.image_end - block.image, block.row_end - block.row, block.column_end - block.column,
            self.problem.kernel_height, self.problem.kernel_width, self.problem.in_channels * self.repeat,
        )  # fmt: skip
        return np.ndarray(shape, self.dtype, pixels, first, strides)

    def locate(self, block: Block) -> Lattice:
        """Return where the windows of a block lie: in x, or in a strip that is valid until this thread asks for another."""
        inside = self.inside
        within_rows = inside.row <= block.row and block.row_end <= inside.row_end
        if self.plain and within_rows and inside.column <= block.column and block.column_end <= inside.column_end:
            return self.locate_in_x(block, *self.kernel)
        vertical, horizontal = self.axes
        rows, columns = block.row_end - block.row, block.column_end - block.column
        shape = (block.image_end - block.image, vertical.length(rows), horizontal.length(columns), self.problem.in_channels, self.repeat)
        strip = scratch.array("strip", shape, self.dtype)
        source = self.x[block.image : block.image_end, ..., None]
        for above, inside_rows, below, image_rows in vertical.segments(block.row, rows):
            if above.stop > above.start:
                strip[:, above] = 0
            if below.stop > below.start:
                strip[:, below] = 0
            for before, within, after, image_columns in horizontal.segments(block.column, columns):
                if before.stop > before.start:
                    strip[:, inside_rows, before] = 0
                if after.stop > after.start:
                    strip[:, inside_rows, after] = 0
                strip[:, inside_rows, within] = source[:, image_rows, image_columns]
        return self._lattice(strip, 0, shape[1], shape[2], (vertical.step(rows), horizontal.step(columns)))

    def locate_in_x(self, block: Block, rows: slice, columns: slice) -> Lattice:
        """Return where the windows of a block lie in x, which must be plain; these offsets of the kernel must all meet its pixels."""
        vertical, horizontal = self.axes
        row = block.row * vertical.stride - vertical.pad + rows.start * vertical.dilation
        column = block.column * horizontal.stride - horizontal.pad + columns.start * horizontal.dilation
        pixel = (block.image * vertical.extent + row) * horizontal.extent + column
        return self._lattice(self.x, pixel, vertical.extent, horizontal.extent, (vertical.dilation, horizontal.dilation))

    def _lattice(self, pixels: Array, first: int, height: int, width: int, steps: tuple[int, int]) -> Lattice:
        vertical, horizontal = self.axes
        by_channel = pixels.itemsize  # computed, not taken from the array: NumPy allows any stride on an axis of extent 1
        by_column = by_channel * self.problem.in_channels * self.repeat
        by_row = by_column * width
        strides = (
            by_row * height, by_row * vertical.stride, by_column * horizontal.stride,
            by_row * steps[0], by_column * steps[1], by_channel,
        )  # fmt: skip
        return Lattice(pixels, first * by_column, strides)
