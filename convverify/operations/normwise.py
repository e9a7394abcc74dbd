"""The bound that kernels by fast Fourier transform or by Winograd's algorithm meet: normwise, where direct sums meet an elementwise one.

Such an algorithm mixes the elements of an image (or of a tile) before it sums, so that an output's error is measured by the norm of
what was mixed:

    |y^ - y| <= gamma_m * c * ||x||_2 * ||w_k||_2 + underflow,

where w_k is the filter of the output channel, and x the image (Fourier) or the tile of 6x6 pixels (Winograd), in the channels of the group.
m counts roundings, c bounds how far the exact algorithm amplifies.  docs/normwise-bounds.md derives both and names the sources:
Higham 2002, section 24.1, and Barabasz, Anderson, Soodhalter and Gregg 2020.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from convverify.operations.error_bounds import gamma
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem

Floats = npt.NDArray[np.float64]

_BINARY_STAGE = 12  # roundings for each doubling of a transform's length; radices 2, 3, 4, 5 and 8 need at most 11
_TILE = 6  # pixels of an input tile of F(4x4, 3x3) along an axis: the largest that is covered
_AMPLIFICATION = 300.0  # of F(4x4, 3x3) at the points 0, +-1, +-2 (or +-1/2) and infinity; F(2x2) and F(3x3) have less
_TRANSFORMS = 36  # roundings of the three transforms along both axes: 2 (7 + 4 + 7)
_TILE_GROWTH = 2.0**17  # product of the squared largest row sums of the three transforms: (10 * 1 * 19)**2 and to spare
_TILE_UNDERFLOWS = 2.0**19  # smallest normal numbers that the operations on a tile may lose, for each channel


def normwise_bound(problem: Problem, x: Floats, w: Floats) -> Floats:
    """Return the largest error of a correct kernel by Fourier transform, or by Winograd's F(m x m, 3x3) with m up to 4.

    Parameters
    ----------
    problem : Problem; its dtype's unit roundoff is that of the kernel's arithmetic, and of its result
    x, w : float64 arrays of the problem's shapes, the values of the operands

    Returns
    -------
    float64 array that broadcasts to the output's shape; infinite where m u >= 1 and the bound says nothing, where an operand is not
    finite, and where the transforms may overflow although the result does not.

    Notes
    -----
    Fourier transforms are assumed to be of at most twice the padded image's and the kernel's extents together, and their lengths to have no
    prime factor but 2, 3 and 5.  The error is that against the sum in float64, whose own error is added.
    """
    if problem.is_empty or not problem.terms:
        return np.zeros(problem.output_shape)
    form, groups = FORMATS[problem.dtype], problem.groups
    x_scale, w_scale = _exponent(x), _exponent(w)
    with np.errstate(all="ignore"):
        squares = np.ldexp(x, -x_scale).reshape(*x.shape[:3], groups, problem.in_channels // groups)
        squares = np.einsum("nijgc,nijgc->nijg", squares, squares)
        filters = np.ldexp(np.sqrt(np.square(np.ldexp(w, -w_scale)).sum(axis=(0, 1, 2))), w_scale)
        images = np.ldexp(np.sqrt(squares.sum(axis=(1, 2), keepdims=True)), x_scale)
        reference = 2.0 * gamma(problem.terms, 2.0**-53)
        bound = (gamma(fourier_roundings(problem), form.unit_roundoff) + reference) * _times(images, filters)
        if is_winograd_problem(problem):
            factor = _AMPLIFICATION * gamma(winograd_roundings(problem), form.unit_roundoff) + reference
            tiles = np.ldexp(np.sqrt(_largest_tiles(problem, squares)), x_scale)
            bound = np.maximum(bound, factor * _times(tiles, filters))
        bound = bound + form.smallest_normal * _underflows(problem, x, w)
        overflows = _largest_intermediate(problem, x, w) >= form.largest
    result: Floats = np.where(np.isfinite(bound) & ~overflows, bound, np.inf)
    return result


def is_winograd_problem(problem: Problem) -> bool:
    """Return whether F(m x m, 3x3) applies: a kernel of 3x3, neither strided nor dilated."""
    return (problem.kernel_height, problem.kernel_width) == (3, 3) and problem.strides == problem.dilations == (1, 1)


def fourier_roundings(problem: Problem) -> int:
    """Return m of a convolution by Fourier transforms."""
    taps, channels = problem.kernel_height * problem.kernel_width, problem.in_channels // problem.groups
    root = math.ceil(math.sqrt(taps))
    transform = math.ceil(_BINARY_STAGE * math.log2(_fourier_points(problem)))
    of_filter = max(transform, root * (3 * (problem.kernel_height + problem.kernel_width) + 2))  # fast, or summed directly
    return transform + of_filter + root * transform + 3 * channels + 8


def winograd_roundings(problem: Problem) -> int:
    """Return m of Winograd's algorithm."""
    return _TRANSFORMS + problem.in_channels // problem.groups


def _fourier_points(problem: Problem) -> int:
    """Return the points of the largest transform that is assumed."""
    (top, bottom), (left, right) = problem.pads
    rows, columns = problem.effective_kernel
    return 4 * (problem.height + top + bottom + rows) * (problem.width + left + right + columns)


def _largest_tiles(problem: Problem, squares: Floats) -> Floats:
    """Return, for each output pixel and group, the largest sum of `squares` over a tile of 6x6 pixels that computes this output.

    Which one it is depends on where the kernel puts its tiles: the output is one of the first four rows and columns of it.
    """
    (top, bottom), (left, right) = problem.pads
    before = _TILE - 3
    padded = np.pad(squares, ((0, 0), (top + before, bottom + before), (left + before, right + before), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view
    for axis in (1, 2):
        padded = windows(windows(padded, _TILE, axis=axis).sum(axis=-1), before + 1, axis=axis).max(axis=-1)
    result: Floats = padded
    return result


def _times(norms: Floats, filters: Floats) -> Floats:
    """Return norms (N, rows, columns, groups) times the norm of each output channel's filter: (N, rows, columns, K)."""
    product = norms[..., None] * filters.reshape(norms.shape[-1], -1)
    return product.reshape(*norms.shape[:3], filters.size)


def _largest_intermediate(problem: Problem, x: Floats, w: Floats) -> float:
    """Return how large a number may become on the way: a transform, a product of transforms, or an inverse that is not yet divided."""
    images = np.abs(x).reshape(problem.batch, -1).sum(axis=1).max(initial=0.0)
    filters = np.abs(w).reshape(-1, problem.out_channels).sum(axis=0).max(initial=0.0)
    fourier = _fourier_points(problem) * max(images * filters, images, filters)
    if not is_winograd_problem(problem):
        return float(fourier)
    largest_x, largest_w = np.abs(x).max(initial=0.0), np.abs(w).max(initial=0.0)
    tiles = _TILE_GROWTH * max(largest_x * largest_w * (problem.in_channels // problem.groups), largest_x, largest_w)
    return float(max(fourier, tiles))


def _exponent(values: Floats) -> int:
    """Return the power of two that brings the largest value to [1/2, 1), so that no square overflows or vanishes."""
    largest = float(np.max(np.abs(values), initial=0.0))
    return math.frexp(largest)[1] if math.isfinite(largest) else 0


def _underflows(problem: Problem, x: Floats, w: Floats) -> float:
    """Return how many smallest normal numbers may be lost by operations that underflow."""
    channels, points = problem.in_channels // problem.groups, _fourier_points(problem)
    largest_x, largest_w = float(np.max(np.abs(x), initial=0.0)), float(np.max(np.abs(w), initial=0.0))
    stages = _BINARY_STAGE * math.log2(points) + 3 * channels + 8
    fourier = (
        stages * math.sqrt(points * problem.terms) * (1.0 + largest_w * math.sqrt(problem.terms) + largest_x * math.sqrt(points * channels))
    )
    winograd = _TILE_UNDERFLOWS * (channels + 1) * (1.0 + largest_x + largest_w) if is_winograd_problem(problem) else 0.0
    return max(fourier, winograd)
