"""`loops`: the definition of a 2-D convolution, as seven nested loops in plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.kernels import kernels, problem_of


@kernels.register("loops")
def conv2d_loops(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """The definition: seven nested loops in plain Python, summing in float64.

    Parameters
    ----------
    x : array (N, H, W, C)
    w : array (kernel height, kernel width, C // groups, K), of x's dtype
    strides, dilations : pairs of integers, vertical and horizontal
    padding : "VALID", "SAME" or [[0, 0], [top, bottom], [left, right], [0, 0]]
    groups : int

    Returns
    -------
    array (N, OH, OW, K) of x's dtype:
    y[n, i, j, k] = sum over a, b, c of x[n, i*sh + a*dh - top, j*sw + b*dw - left, g*C/groups + c] * w[a, b, c, k],
    x being 0 outside, g the group of k.  Source: the definition in the documentation of `tf.nn.conv2d`.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    (top, _), (left, _) = problem.pads
    (stride_h, stride_w), (dilation_h, dilation_w) = problem.strides, problem.dilations
    group_inputs, group_outputs = problem.in_channels // groups, problem.out_channels // groups
    image, weight = x.astype(np.float64).tolist(), w.astype(np.float64).tolist()
    y = np.zeros(problem.output_shape, np.float64)
    batch, out_height, out_width, out_channels = problem.output_shape
    for n in range(batch):
        for i in range(out_height):
            for j in range(out_width):
                for k in range(out_channels):
                    first = k // group_outputs * group_inputs
                    total = 0.0
                    for a in range(problem.kernel_height):
                        row = i * stride_h + a * dilation_h - top
                        if not 0 <= row < problem.height:
                            continue
                        for b in range(problem.kernel_width):
                            column = j * stride_w + b * dilation_w - left
                            if not 0 <= column < problem.width:
                                continue
                            for c in range(group_inputs):
                                total += image[n][row][column][first + c] * weight[a][b][c][k]
                    y[n, i, j, k] = total
    return y.astype(x.dtype)
