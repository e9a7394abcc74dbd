"""`matmul_offsets`: one matrix product for each kernel offset."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.kernels import kernels, problem_of


@kernels.register("matmul_offsets")
def conv2d_matmul_offsets(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """One matrix product for each kernel offset, summed in float32 (float64 for float64 operands).

    Parameters, result and errors are those of `conv2d_loops`.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    accumulator = np.float64 if x.dtype == np.float64 else np.float32
    (top, bottom), (left, right) = problem.pads
    image = np.zeros((problem.batch, problem.height + top + bottom, problem.width + left + right, problem.in_channels), accumulator)
    image[:, top : top + problem.height, left : left + problem.width] = x
    weight = np.ascontiguousarray(w, dtype=accumulator)
    y = np.zeros(problem.output_shape, accumulator)
    if problem.is_empty:
        return y.astype(x.dtype)
    (stride_h, stride_w), (dilation_h, dilation_w) = problem.strides, problem.dilations
    rows, columns = (problem.output_shape[1] - 1) * stride_h + 1, (problem.output_shape[2] - 1) * stride_w + 1
    inputs, outputs = problem.in_channels // groups, problem.out_channels // groups
    for a in range(problem.kernel_height):
        for b in range(problem.kernel_width):
            i, j = a * dilation_h, b * dilation_w
            window = image[:, i : i + rows : stride_h, j : j + columns : stride_w]
            for g in range(groups):
                taken, given = slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs)
                y[..., given] += window[..., taken] @ weight[a, b, :, given]
    return y.astype(x.dtype, copy=False)
