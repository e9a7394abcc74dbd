"""The forward convolution, exactly: sums of products in float64, exact wherever the operands are integers whose sums fit 53 bits.

It shares no code with the kernels that ship: windows are gathered by strides, and one product sums a whole window.  Whether it is right
itself is asked of `forward_by_scattering`, which shares no code with this module.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.problems.problem import Problem

Floats = npt.NDArray[np.float64]
_BLOCK = 1 << 21  # elements of gathered windows at a time: 16 MiB


def convolve(problem: Problem, x: Floats, w: Floats) -> Floats:
    """Return the convolution of float64 operands, NHWC and HWIO, each block of rows as one matrix product of windows and weights.

    Exact for integers whose sums fit 53 bits, within gamma_n of u = 2**-53 for other values.
    """
    y = np.zeros(problem.output_shape, np.float64)
    if problem.is_empty or not problem.terms:
        return y
    _, rows, columns, channels = problem.output_shape
    of_a_row = columns * problem.terms * problem.groups
    high = min(rows, max(1, _BLOCK // of_a_row))
    images = max(1, _BLOCK // (of_a_row * high)) if high == rows else 1
    weights = w.reshape(problem.terms, problem.groups, -1).transpose(1, 0, 2)[:, None]
    with np.errstate(all="ignore"):
        for first in range(0, problem.batch, images):
            windows = _windows(problem, x[first : first + images])
            for top in range(0, rows, high):
                block = windows[:, :, top : top + high]
                product = block.reshape(*block.shape[:2], -1, problem.terms) @ weights
                y[first : first + images, top : top + high] = product.transpose(1, 2, 0, 3).reshape(-1, block.shape[2], columns, channels)
    return y


def gather_windows(problem: Problem, x: npt.NDArray[Any], outside: float = 0.0) -> npt.NDArray[Any]:
    """Return (groups, images, output pixels, terms): for each output pixel the values under the kernel, `outside` in the pads."""
    _, rows, columns, _ = problem.output_shape
    return _windows(problem, x, outside).reshape(problem.groups, len(x), rows * columns, problem.terms)


def _windows(problem: Problem, x: npt.NDArray[Any], outside: float = 0.0) -> npt.NDArray[Any]:
    """Return (groups, images, rows, columns, kernel's rows and columns, channels of a group): a view of the padded images."""
    (top, bottom), (left, right) = problem.pads
    batch, height, width, channels = x.shape
    padded = np.full((batch, height + top + bottom, width + left + right, channels), outside, x.dtype)
    padded[:, top : top + height, left : left + width] = x
    _, rows, columns, _ = problem.output_shape
    (stride_h, stride_w), (dilation_h, dilation_w) = problem.strides, problem.dilations
    by_image, by_row, by_column, by_channel = padded.strides
    inputs = channels // problem.groups
    return np.lib.stride_tricks.as_strided(
        padded,
        (problem.groups, batch, rows, columns, problem.kernel_height, problem.kernel_width, inputs),
        (by_channel * inputs, by_image, by_row * stride_h, by_column * stride_w, by_row * dilation_h, by_column * dilation_w, by_channel),
        writeable=False,
    )


def tensorflow_refuses(problem: Problem) -> str:
    """Return why tf.nn.conv2d refuses the problem with an error, or "".  Found by trying TensorFlow 2.21; the tests try again."""
    if 0 in problem.w_shape and (0 in problem.w_shape[:3] or problem.dtype in ("float32", "bfloat16")):
        return "TensorFlow refuses a filter without elements"
    extents = zip((problem.height, problem.width), problem.pads, problem.effective_kernel, problem.strides, strict=True)
    if any(extent + sum(pads) - kernel <= -2 * stride for extent, pads, kernel, stride in extents):
        return "TensorFlow refuses a kernel that exceeds the padded image by two strides or more"
    return ""
