"""The forward convolution a second time, to doubt the first by: loops over the input that scatter, in Python's integers.

It is written to be believed at sight, and shares nothing with `forward`: each pixel is carried to the outputs that it feeds (there,
outputs gather the pixels that they see), pads and extents are worked out here from the definition of SAME and VALID, and numbers are
whole: a finite float is an integer over a power of two, so that nothing is ever rounded.  A multiply-add costs 0.2 us on integers and
0.25 to 0.5 us on reals, a visit of a pixel's channel at a tap 0.4 us more: `affordable` says which problems it is for.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.problems.problem import Problem

Floats = npt.NDArray[np.float64]
_MOST = 1 << 14  # multiply-adds of an affordable problem, pads counted
_VISIT = 4  # multiply-adds that a pixel's channel at a tap costs, or an element that is stored


@dataclass(frozen=True, eq=False)
class ExactSums:
    """Sums of products without any error: element e of the output is `numerators[e] / denominator`.

    `numerators` is an array (N, OH, OW, K) of Python integers, `denominator` a power of two: 1 where the operands are integers.
    """

    numerators: npt.NDArray[np.object_]
    denominator: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.numerators.shape

    def nearest(self) -> Floats:
        """Return the sums in float64, each rounded once, to nearest; infinite beyond its range."""
        return self._for_each(lambda total: _quotient(total, self.denominator))

    def distances(self, y: Floats) -> Floats:
        """Return |y - sum| for each element of a float64 array of the same shape: 0 where they are equal and nowhere else.

        Each distance is computed exactly, then rounded once; it is infinite where y is not finite.
        """
        values = iter(y.ravel().tolist())
        return self._for_each(lambda total: _distance(next(values), total, self.denominator))

    def _for_each(self, function: Any) -> Floats:
        return np.array([function(total) for total in self.numerators.ravel()], np.float64).reshape(self.shape)


def affordable(problem: Problem) -> bool:
    """Return whether `scatter` takes some milliseconds at most."""
    pixels = problem.batch * problem.height * problem.width
    taps = problem.kernel_height * problem.kernel_width
    weights = taps * (problem.in_channels // problem.groups) * problem.out_channels
    visits = pixels * taps * max(1, problem.in_channels)  # a pixel's channel that meets a tap costs as much as a few multiply-adds
    return max(pixels * weights, _VISIT * visits, _VISIT * weights, _VISIT * math.prod(problem.output_shape)) <= _MOST


def scatter(problem: Problem, x: npt.NDArray[Any], w: npt.NDArray[Any]) -> ExactSums:
    """Return the convolution of x (N, H, W, C) with w (kernel height, kernel width, C // groups, K), for any finite floats.

    Raises ValueError where an operand holds NaN or Inf.
    """
    rows, vertical = _meetings(problem, 0)
    columns, horizontal = _meetings(problem, 1)
    image, image_denominator = _as_integers("x", x)
    weights, weights_denominator = _as_integers("w", w)
    taps = [[_by_channel(problem, tap) for tap in row] for row in weights]
    y = [[[[0] * problem.out_channels for _ in range(columns)] for _ in range(rows)] for _ in range(problem.batch)]
    for n, (row, a, i), (column, b, j) in itertools.product(range(problem.batch), vertical, horizontal):
        sums = y[n][i][j]
        for value, of_channel in zip(image[n][row][column], taps[a][b], strict=True):
            for k, weight in of_channel:
                sums[k] += value * weight
    numerators = np.empty((problem.batch, rows, columns, problem.out_channels), object)
    numerators.ravel()[:] = [total for of_image in y for of_row in of_image for of_pixel in of_row for total in of_pixel]
    return ExactSums(numerators, image_denominator * weights_denominator)


def _meetings(problem: Problem, axis: int) -> tuple[int, list[tuple[int, int, int]]]:
    """Return (number of windows, all (pixel, tap, window) that meet) along the vertical (0) or the horizontal axis (1).

    Windows begin every `stride` pixels, the first one `before` pixels outside of the image; a tap lies tap * dilation pixels behind
    its window's beginning.
    """
    extent = (problem.height, problem.width)[axis]
    taps = (problem.kernel_height, problem.kernel_width)[axis]
    stride, dilation = problem.strides[axis], problem.dilations[axis]
    reach = 1 + (taps - 1) * dilation
    if problem.padding == "SAME":
        # As the documentation of tf.nn defines it: a window for every stride pixels, and what they lack is padded, the odd one behind.
        windows = len(range(0, extent, stride))
        before = max(reach - (extent % stride or stride), 0) // 2
    else:
        before, behind = (0, 0) if isinstance(problem.padding, str) else problem.padding[axis]
        windows = len(range(0, before + extent + behind - reach + 1, stride))
    meetings = []
    for pixel, tap in itertools.product(range(extent), range(taps)):
        window, between = divmod(before + pixel - tap * dilation, stride)
        if not between and 0 <= window < windows:
            meetings.append((pixel, tap, window))
    return windows, meetings


def _by_channel(problem: Problem, tap: list[list[int]]) -> list[list[tuple[int, int]]]:
    """Return for each channel of the image the (output channel, weight) that it feeds at one tap: those of its group."""
    inputs, outputs = problem.in_channels // problem.groups, problem.out_channels // problem.groups
    return [
        [(k, tap[channel][k]) for k in range(group * outputs, (group + 1) * outputs)]
        for group in range(problem.groups)
        for channel in range(inputs)
    ]


def _as_integers(name: str, array: npt.NDArray[Any]) -> tuple[Any, int]:
    """Return (nested lists of integers, d): element e of the array is integers[e] / d, d a power of two."""
    values = array.astype(np.float64).ravel().tolist()
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{name} must be finite: NaN and Inf are not numbers that can be summed exactly")
    ratios = [value.as_integer_ratio() for value in values]
    denominator = max((below for _, below in ratios), default=1)  # powers of two: the largest is a multiple of all
    integers = np.empty(array.size, object)
    integers[:] = [above * (denominator // below) for above, below in ratios]
    return integers.reshape(array.shape).tolist(), denominator


def _quotient(above: int, below: int) -> float:
    """Return above / below, rounded once (so does Python divide integers); infinite beyond the range of a float."""
    try:
        return above / below
    except OverflowError:
        return math.inf if above > 0 else -math.inf


def _distance(value: float, numerator: int, denominator: int) -> float:
    if not math.isfinite(value):
        return math.inf
    above, below = value.as_integer_ratio()
    difference = abs(above * denominator - numerator * below)
    return max(_quotient(difference, below * denominator), math.ulp(0.0)) if difference else 0.0
