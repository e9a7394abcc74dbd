"""Freivalds' check of a forward convolution: is this result right, in every element, at a fraction of what computing it costs?

A convolution is linear in w, hence for any weights r_k over its output channels

    sum_k r_k y_k  =  x * (sum_k r_k w_k),

and linear in x, so that the same holds over images.  On integers all of this is exact in float64.  Where a pixel of y is wrong in any of
its channels, and r is drawn uniformly from the 2 R + 1 integers of magnitude R or less, both sides agree with probability at most
1/(2 R + 1); with two independent r, at most 1/(2 R + 1)**2.
Source: R. Freivalds, Probabilistic machines can use less running time, IFIP Congress 1977.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.operations.forward import convolve
from convverify.problems.problem import Problem

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
_VECTORS = 2
_LEAST, _MOST = 1 << 8, 1 << 20  # R, below which the check is not made, and the largest that is drawn


def suspects(problem: Problem, x: Array, w: Array, y: Array, bits: npt.NDArray[np.uint64]) -> Mask | None:
    """Return which elements of a result may be wrong: none that are right by chance are left out, but for the probability told above.

    Parameters
    ----------
    problem : Problem, whose output has elements
    x, w : its operands, NHWC and HWIO, integers of any floating dtype
    y : the result, of any floating dtype
    bits : random 64-bit integers, twice as many as there are images or output channels, whichever are more

    Returns
    -------
    Mask that broadcasts to the output's shape: (N, rows, columns, 1), or (1, rows, columns, K) where images are combined.  None where the
    operands are too large for every sum to be exact.
    """
    largest = problem.terms * _largest(x) * _largest(w)  # of a correct result
    by_images = problem.out_channels < problem.batch
    combined = problem.batch if by_images else problem.out_channels
    reach = min(_MOST, int(2.0**53 / (max(largest, 1.0) * combined)))
    if reach < _LEAST:
        return None
    r = (bits[: _VECTORS * combined] % np.uint64(2 * reach + 1)).astype(np.float64).reshape(combined, _VECTORS) - reach
    with np.errstate(all="ignore"):
        absurd = ~(np.abs(y) <= largest) | (np.rint(y) != y)
        if by_images:
            right = _of_images(problem, x, w, r)
            given = np.stack([np.tensordot(r[:, v], _clean(y, absurd), (0, 0)) for v in range(_VECTORS)])
            wrong = (right != given).any(axis=0)[None] | absurd.any(axis=0, keepdims=True)
        else:
            right = _of_channels(problem, x, w, r)
            given = _clean(y, absurd).reshape(-1, combined) @ r
            wrong = (right != given).any(axis=1).reshape(*problem.output_shape[:3], 1) | absurd.any(axis=3, keepdims=True)
    return np.asarray(wrong)


def miss_probability(problem: Problem, largest: float) -> float:
    """Return the largest probability with which one wrong pixel is taken for right, where no correct result exceeds `largest`."""
    combined = min(2**53, max(1, problem.batch if problem.out_channels < problem.batch else problem.out_channels))
    return (2 * min(_MOST, int(2.0**53 / (max(largest, 1.0) * combined))) + 1.0) ** -_VECTORS


def _largest(array: Array) -> float:
    return float(max(abs(float(array.max(initial=0.0))), abs(float(array.min(initial=0.0)))))


def _clean(y: Array, absurd: Mask) -> Floats:
    """Return y in float64, without what no correct result holds: infinities would hide the rest."""
    return np.where(absurd, 0.0, y).astype(np.float64) if absurd.any() else y.astype(np.float64)


def _of_channels(problem: Problem, x: Array, w: Array, r: Floats) -> Floats:
    """Return x * (w r): (pixels, vectors).  Tap by tap: what a tap reads is a slice of x, and pads are never made."""
    groups, taps = problem.groups, problem.kernel_height * problem.kernel_width
    inputs, outputs = problem.in_channels // groups, problem.out_channels // groups
    grouped = w.astype(np.float64).reshape(taps, inputs, groups, outputs)
    weights = np.einsum("tcgk,gkv->tgcv", grouped, r.reshape(groups, outputs, -1)).reshape(*problem.w_shape[:2], -1, r.shape[1])
    sums = np.zeros((*problem.output_shape[:3], r.shape[1]))
    for i in range(problem.kernel_height):
        rows, from_rows = _met(problem, 0, i)
        for j in range(problem.kernel_width):
            columns, from_columns = _met(problem, 1, j)
            pixels = x[:, from_rows, from_columns].astype(np.float64)
            if pixels.size:
                sums[:, rows, columns] += pixels @ weights[i, j]
    return sums.reshape(-1, r.shape[1])


def _met(problem: Problem, axis: int, tap: int) -> tuple[slice, slice]:
    """Return the outputs along an axis at which a tap meets no pad, and the pixels that it meets there."""
    stride, extent = problem.strides[axis], problem.x_shape[1 + axis]
    offset = tap * problem.dilations[axis] - problem.pads[axis][0]
    first = max(0, math.ceil(-offset / stride))
    end = max(first, min(problem.output_shape[1 + axis], -(-(extent - offset) // stride)))
    start = first * stride + offset
    return slice(first, end), slice(start, start + (end - first - 1) * stride + 1 if end > first else start, stride)


def _of_images(problem: Problem, x: Array, w: Array, r: Floats) -> Floats:
    """Return (sum_n r_n x_n) * w: (vectors, rows, columns, K)."""
    mixed = np.stack([np.tensordot(r[:, v], x.astype(np.float64), (0, 0)) for v in range(r.shape[1])])
    return convolve(problem.with_(batch=r.shape[1]), mixed, w.astype(np.float64))
