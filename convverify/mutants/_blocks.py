"""Building blocks of mutants and of unusual kernels: a quick convolution in NumPy, in three steps that a fault can alter.

`windows` places the image in its margins and shows the pixels under the kernel, `product` multiplies them by the weights, and
`rounded` gives the sums the dtype of the operands.  `convolve` is the three of them, and right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.problems.posing import problem_of
from convverify.problems.problem import Pads, Pair, Problem

Array: TypeAlias = npt.NDArray[Any]
Kernel: TypeAlias = Callable[..., Any]


def in_contract(body: Callable[[Problem, Array, Array], Any]) -> Kernel:
    """Return `body` as a kernel that takes the parameters of `tf.nn.conv2d`; body gets them as a problem, and x and w as they are.

    Floating-point exceptions pass without a warning, as they do in a kernel in C.
    """

    def kernel(
        x: Array, w: Array, *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
    ) -> Any:  # what a mutant returns need not be an array
        with np.errstate(all="ignore"):
            return body(problem_of(x, w, strides, padding, dilations, groups), x, w)

    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(kernel, attribute, getattr(body, attribute))
    return kernel


def accumulator_of(array: Array) -> np.dtype[Any]:
    """Return the dtype to sum in: float64 for float64, float32 for all narrower ones."""
    return np.dtype(np.float64 if array.dtype == np.float64 else np.float32)


def image_of(x: Array, pads: Pads, *, room: Pair = (0, 0), fill: float = 0.0, dtype: Any = None) -> Array:
    """Return x between its margins, in its accumulators' dtype, of at least the extents `room`; negative pads crop."""
    (top, bottom), (left, right) = pads
    batch, height, width, channels = x.shape
    rows = max(room[0], top + height + max(bottom, 0), 0)
    columns = max(room[1], left + width + max(right, 0), 0)
    image = np.zeros((batch, rows, columns, channels), dtype or accumulator_of(x))
    if fill:
        image[...] = fill
    image[:, max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = x[:, max(-top, 0) :, max(-left, 0) :]
    return image


def view_of(problem: Problem, image: Array, *, strides: Pair | None = None, dilations: Pair | None = None) -> Array:
    """Return the pixels of a padded image under the kernel: a view (N, OH, OW, kernel height, kernel width, C), not to be written."""
    (stride_h, stride_w), (dilation_h, dilation_w) = strides or problem.strides, dilations or problem.dilations
    by_image, by_row, by_column, by_channel = image.strides
    shape = (*problem.output_shape[:3], *problem.w_shape[:2], problem.in_channels)
    steps = (by_image, by_row * stride_h, by_column * stride_w, by_row * dilation_h, by_column * dilation_w, by_channel)
    return np.ndarray(shape, image.dtype, image, 0, steps)


def room_for(problem: Problem, *, strides: Pair | None = None, dilations: Pair | None = None) -> Pair:
    """Return the extents of an image that holds every window of the problem."""
    (stride_h, stride_w), (dilation_h, dilation_w) = strides or problem.strides, dilations or problem.dilations
    _, rows, columns, _ = problem.output_shape
    return (
        max(rows - 1, 0) * stride_h + (problem.kernel_height - 1) * dilation_h + 1,
        max(columns - 1, 0) * stride_w + (problem.kernel_width - 1) * dilation_w + 1,
    )


def windows(
    problem: Problem,
    x: Array,
    *,
    pads: Pads | None = None,
    strides: Pair | None = None,
    dilations: Pair | None = None,
    fill: float = 0.0,
    dtype: Any = None,
) -> Array:
    """Return the pixels under the kernel, for the problem's output shape whatever pads, strides and dilations are put in place of its
    own; not to be written."""
    room = room_for(problem, strides=strides, dilations=dilations)
    image = image_of(x, pads or problem.pads, room=room, fill=fill, dtype=dtype)
    return view_of(problem, image, strides=strides, dilations=dilations)


def product(problem: Problem, pixels: Array, w: Array) -> Array:
    """Return the sums (N, OH, OW, K) of pixels times weights, in the dtype of the pixels: one matrix product for each group."""
    batch, rows, columns, kernel_height, kernel_width, channels = pixels.shape
    groups, outputs = problem.groups, w.shape[3]
    count, terms = batch * rows * columns, kernel_height * kernel_width * (channels // groups)
    weight = w.astype(pixels.dtype)
    if groups == 1:
        sums: Array = pixels.reshape(count, terms) @ weight.reshape(terms, outputs)
        return sums.reshape(batch, rows, columns, outputs)
    split = pixels.reshape(batch, rows, columns, kernel_height, kernel_width, groups, channels // groups)
    left = split.transpose(5, 0, 1, 2, 3, 4, 6).reshape(groups, count, terms)
    right = weight.reshape(terms, groups, outputs // groups).transpose(1, 0, 2)
    sums = left @ right
    return sums.transpose(1, 0, 2).reshape(batch, rows, columns, outputs)


def rounded(y: Array, dtype: Any) -> Array:
    """Return y in `dtype`."""
    return y.astype(dtype, copy=False)


def convolve(problem: Problem, x: Array, w: Array, **alterations: Any) -> Array:
    """Return the convolution, right unless `alterations` (those of `windows`) say otherwise."""
    return rounded(product(problem, windows(problem, x, **alterations), w), x.dtype)


def tail(extent: int, block: int) -> slice:
    """Return what is left behind the last whole block; nothing where there is not one whole block, as a kernel has another path then."""
    return slice(extent // block * block, extent) if extent > block else slice(extent, extent)
