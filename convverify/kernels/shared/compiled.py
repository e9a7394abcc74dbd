"""The loops of `loops_compiled`, for Numba to compile; a module of its own because importing Numba takes half a second.

Everywhere: x is (N, H, W, C), weights are (terms, K) with the terms in the order of w's first three axes, y is (output pixels, K).
Pairs are (vertical, horizontal).  All arrays are C-contiguous, of one dtype: float32 or float64.

`packed` holds the weights of one part after the other, a part being the output channels of a tile (tiles.py): (groups, parts, terms,
channels of a part), with zeros where a group has no more channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from convverify.kernels.shared.tiles import PIXELS, VECTORS, add_products, new_tile, store_tile

F = TypeVar("F", bound=Callable[..., Any])
TILES = 16  # of a block at most, for which a part's weights are read from memory once


def compiled(**options: Any) -> Callable[[F], F]:
    """Return the decorator that compiles, and keeps what it compiled for later processes: until this file changes, so change it, too,
    where tiles.py changes.

    "contract" allows a fused multiply-add, and nothing else: sums keep their order, and NaN and Inf their meaning.
    """
    options |= {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}

    def decorate(function: F) -> F:
        try:
            found: F = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no place for a cache: a package that is not writable, and no home
            found = numba.njit(**options)(function)
        return found

    return decorate


@compiled()
def pack(part: int, weights: Any, packed: Any) -> None:
    """Copy the weights of part number `part`, counted over all groups."""
    groups, parts, terms, width = packed.shape
    outputs = weights.shape[1] // groups
    group, number = divmod(part, parts)
    first = group * outputs + number * width
    count = min(width, outputs - number * width)
    target = packed[group, number]
    for t in range(terms):
        row = weights[t, first : first + count]
        for k in range(count):
            target[t, k] = row[k]
        for k in range(count, width):
            target[t, k] = 0


@compiled()
def locate(
    addresses: Any, runs: Any, first: int, last: int, x: Any, zeros: Any, channel: int, kernel: Any, outputs: Any, strides: Any, pads: Any,
    dilations: Any, inputs: int,
) -> None:  # fmt: skip
    """Write where the windows of the output pixels from `first` on, before `last`, begin, and how many runs of memory those of a tile have.

    A run is a row of the kernel where that is one piece of memory for all pixels of the tile, else a tap.  What lies in the pads is read
    from `zeros`.  Where there are no PIXELS pixels until `last`, the last one is repeated.
    """
    _, height, width, channels = x.shape
    itemsize, origin, nothing = x.itemsize, x.ctypes.data, zeros.ctypes.data
    n, inside = divmod(first, outputs[0] * outputs[1])
    i, j = divmod(inside, outputs[1])
    for t in range(runs.size):
        begin, end = 0, outputs[1] - 1  # columns of the tile, or of all tiles
        if j + PIXELS <= outputs[1]:
            begin, end = j, j + PIXELS - 1
        whole = inputs == channels and dilations[1] == 1
        whole = whole and begin * strides[1] >= pads[1] and end * strides[1] - pads[1] + kernel[1] <= width
        taps = 1 if whole else kernel[1]
        runs[t] = kernel[0] * taps
        for p in range(PIXELS):
            for a in range(kernel[0]):
                row = i * strides[0] + a * dilations[0] - pads[0]
                for b in range(taps):
                    column = j * strides[1] + b * dilations[1] - pads[1]
                    address = nothing
                    if 0 <= row < height and 0 <= column < width:
                        address = origin + (((n * height + row) * width + column) * channels + channel) * itemsize
                    addresses[t, (a * taps + b) * PIXELS + p] = address
            if first + t * PIXELS + p + 1 < last:
                j += 1
                if j == outputs[1]:
                    i, j = i + 1, 0
                    if i == outputs[0]:
                        n, i = n + 1, 0


def sum_of(vectors: int) -> Any:
    """Return the loops over all terms of a tile that has so many vectors."""

    @compiled()
    def add_up(addresses: Any, begin: int, runs: int, weights: Any, first: int, width: int, terms: int, y: Any, at: int, step: int) -> None:
        """Write the sums of a tile to `y`; its addresses begin with element `begin`, the weights of term t with first + t * width."""
        tile = new_tile(weights, vectors)
        length = terms // runs
        for run in range(runs):
            for term in range(length):
                add_products(tile, addresses, begin + run * PIXELS, term, weights, first, vectors)
                first += width
        store_tile(tile, y, at, step, vectors)

    return add_up


add_up_wide, add_up_narrow = sum_of(VECTORS), sum_of(1)


@compiled()
def compute_block(
    block: int, parts: int, x: Any, packed: Any, y: Any, kernel: Any, outputs: Any, strides: Any, pads: Any, dilations: Any
) -> None:
    """Compute block number `block`: the output pixels of at most TILES tiles by `parts` parts of one group."""
    groups, all_parts, terms, width = packed.shape
    group_outputs = y.shape[1] // groups
    pieces = -(-all_parts // parts)
    rest, piece = divmod(block, pieces)
    chunk, group = divmod(rest, groups)
    inputs = terms // (kernel[0] * kernel[1])
    first, last = chunk * TILES * PIXELS, min((chunk + 1) * TILES * PIXELS, y.shape[0])
    tiles = -(-(last - first) // PIXELS)
    addresses = np.empty((tiles, kernel[0] * kernel[1] * PIXELS), np.int64)
    runs = np.empty(tiles, np.int64)
    zeros = np.zeros(kernel[1] * inputs, x.dtype)
    partial = np.empty(PIXELS * width, x.dtype)
    locate(addresses, runs, first, last, x, zeros, group * inputs, kernel, outputs, strides, pads, dilations, inputs)
    places, flat, weights, step = addresses.reshape(-1), y.reshape(-1), packed.reshape(-1), y.shape[1]
    for part in range(piece * parts, min((piece + 1) * parts, all_parts)):
        at = (group * all_parts + part) * terms * width
        count = min(width, group_outputs - part * width)
        channel = group * group_outputs + part * width
        narrow = count * VECTORS <= width
        fitting = (last - first) // PIXELS if count == width or count * VECTORS == width else 0
        for t in range(fitting):
            begin, target = t * addresses.shape[1], (first + t * PIXELS) * step + channel
            if narrow:
                add_up_narrow(places, begin, runs[t], weights, at, width, terms, flat, target, step)
            else:
                add_up_wide(places, begin, runs[t], weights, at, width, terms, flat, target, step)
        for t in range(fitting, tiles):
            begin = t * addresses.shape[1]
            if narrow:
                add_up_narrow(places, begin, runs[t], weights, at, width, terms, partial, 0, width)
            else:
                add_up_wide(places, begin, runs[t], weights, at, width, terms, partial, 0, width)
            for p in range(min(PIXELS, last - first - t * PIXELS)):
                for k in range(count):
                    y[first + t * PIXELS + p, channel + k] = partial[p * width + k]


@compiled()
def compute_depthwise_row(
    block: int, x: Any, weights: Any, y: Any, kernel: Any, outputs: Any, strides: Any, pads: Any, dilations: Any
) -> None:
    """Compute row number `block` of the output where each channel is a group: innermost are the channels of x, w and y alike."""
    _, height, width, channels = x.shape
    n, i = divmod(block, outputs[0])
    for j in range(outputs[1]):
        total = y[block * outputs[1] + j]
        for a in range(kernel[0]):
            row = i * strides[0] + a * dilations[0] - pads[0]
            if row < 0 or row >= height:
                continue
            for b in range(kernel[1]):
                column = j * strides[1] + b * dilations[1] - pads[1]
                if column < 0 or column >= width:
                    continue
                pixel, weight = x[n, row, column], weights[a * kernel[1] + b]
                for k in range(channels):
                    total[k] = total[k] + pixel[k] * weight[k]


@compiled()
def pack_parts(first: int, last: int, weights: Any, packed: Any) -> None:
    """Copy the weights of the parts from number `first` on, before number `last`."""
    for part in range(first, last):
        pack(part, weights, packed)


@compiled()
def compute_blocks(
    first: int, last: int, parts: int, x: Any, weights: Any, packed: Any, y: Any, kernel: Any, outputs: Any, strides: Any, pads: Any,
    dilations: Any,
) -> None:  # fmt: skip
    """Compute the blocks from number `first` on, before number `last`; parts = 0 means rows of a depthwise convolution, with y all 0."""
    for block in range(first, last):
        if parts:
            compute_block(block, parts, x, packed, y, kernel, outputs, strides, pads, dilations)
        else:
            compute_depthwise_row(block, x, weights, y, kernel, outputs, strides, pads, dilations)
