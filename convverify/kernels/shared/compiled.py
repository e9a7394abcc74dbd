"""The loops of `loops_compiled`, for Numba to compile; a module of its own because importing Numba takes half a second.

Everywhere: x is (N, H, W, C), weights are (terms, K) with the terms in the order of w's first three axes, y is (output pixels, K).
Pairs are (vertical, horizontal).  All arrays are C-contiguous, of one dtype: float32 or float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])
CHANNELS = 128  # of a block at most: the totals of 32 pixels, 16 KiB in float32, stay in the first-level cache


def compiled(**options: Any) -> Callable[[F], F]:
    """Return the decorator that compiles, and keeps what it compiled for later processes.

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
def gather(windows: Any, first: int, x: Any, channel: int, kernel: Any, outputs: Any, strides: Any, pads: Any, dilations: Any) -> None:
    """Copy the windows of the output pixels from `first` on into the rows of `windows`; what lies in the pads stays 0."""
    _, height, width, _ = x.shape
    pixels, terms = windows.shape
    inputs = terms // (kernel[0] * kernel[1])
    for p in range(pixels):
        n, pixel = divmod(first + p, outputs[0] * outputs[1])
        i, j = divmod(pixel, outputs[1])
        for a in range(kernel[0]):
            row = i * strides[0] + a * dilations[0] - pads[0]
            for b in range(kernel[1]):
                column = j * strides[1] + b * dilations[1] - pads[1]
                if 0 <= row < height and 0 <= column < width:
                    term = (a * kernel[1] + b) * inputs
                    for c in range(inputs):
                        windows[p, term + c] = x[n, row, column, channel + c]


@compiled()
def multiply(windows: Any, weights: Any, first: int, last: int, totals: Any) -> None:
    """Add windows @ weights[:, first:last] to `totals`, which has as many rows as `windows`: an even number.

    Two pixels (a, b) by four terms (0 to 3) at a time: with their twelve values the sixteen vector registers of AVX2 suffice.  Rows are
    named outside of the loop over k, which is how the compiler sees that it may do many k at once.
    """
    pixels, terms = windows.shape
    for t in range(0, terms - 3, 4):
        w0, w1, w2, w3 = weights[t, first:last], weights[t + 1, first:last], weights[t + 2, first:last], weights[t + 3, first:last]
        for p in range(0, pixels, 2):
            a, b = windows[p], windows[p + 1]
            a0, a1, a2, a3 = a[t], a[t + 1], a[t + 2], a[t + 3]
            b0, b1, b2, b3 = b[t], b[t + 1], b[t + 2], b[t + 3]
            ya, yb = totals[p], totals[p + 1]
            for k in range(last - first):
                ya[k] = ya[k] + a0 * w0[k] + a1 * w1[k] + a2 * w2[k] + a3 * w3[k]
                yb[k] = yb[k] + b0 * w0[k] + b1 * w1[k] + b2 * w2[k] + b3 * w3[k]
    for t in range(terms // 4 * 4, terms):
        row = weights[t, first:last]
        for p in range(pixels):
            total, value = totals[p], windows[p, t]
            for k in range(last - first):
                total[k] = total[k] + value * row[k]


@compiled()
def compute_block(
    block: int, pixels: int, x: Any, weights: Any, y: Any, kernel: Any, outputs: Any, strides: Any, pads: Any, dilations: Any, groups: int
) -> None:
    """Compute block number `block`: at most `pixels` output pixels by CHANNELS output channels of one group."""
    terms, group_outputs = weights.shape[0], weights.shape[1] // groups
    parts = -(-group_outputs // CHANNELS)
    pixel, part = block // (groups * parts) * pixels, block % parts
    group = block // parts % groups
    count = min(pixels, y.shape[0] - pixel)
    first = group * group_outputs + part * CHANNELS
    last = min(first + CHANNELS, (group + 1) * group_outputs)
    rows = count + count % 2
    windows = np.zeros((rows, terms), x.dtype)
    totals = np.zeros((rows, last - first), x.dtype)
    inputs = terms // (kernel[0] * kernel[1])
    gather(windows[:count], pixel, x, group * inputs, kernel, outputs, strides, pads, dilations)
    multiply(windows, weights, first, last, totals)
    for p in range(count):
        for k in range(last - first):
            y[pixel + p, first + k] = totals[p, k]


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
def convolve(
    blocks: int, pixels: int, x: Any, weights: Any, y: Any, kernel: Any, outputs: Any, strides: Any, pads: Any, dilations: Any, groups: int
) -> None:
    """Compute all blocks, one after the other; pixels = 0 means rows of a depthwise convolution.  y holds zeros."""
    for block in range(blocks):
        if pixels:
            compute_block(block, pixels, x, weights, y, kernel, outputs, strides, pads, dilations, groups)
        else:
            compute_depthwise_row(block, x, weights, y, kernel, outputs, strides, pads, dilations)


@compiled(parallel=True)
def convolve_parallel(
    blocks: int, pixels: int, x: Any, weights: Any, y: Any, kernel: Any, outputs: Any, strides: Any, pads: Any, dilations: Any, groups: int
) -> None:
    """Compute all blocks as `convolve` does, on Numba's threads."""
    for number in numba.prange(blocks):
        block: Any = np.int64(number)  # unsigned until here, and all arithmetic with it would be in floating point
        if pixels:
            compute_block(block, pixels, x, weights, y, kernel, outputs, strides, pads, dilations, groups)
        else:
            compute_depthwise_row(block, x, weights, y, kernel, outputs, strides, pads, dilations)
