"""`loops_compiled`: the loops of the definition, compiled by Numba."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.kernels import kernels, problem_of


@kernels.register("loops_compiled")
def conv2d_loops_compiled(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """The seven loops compiled by Numba, summing in float32 (float64 for float64 operands).

    Parameters, result and errors are those of `conv2d_loops`.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    accumulator = np.float64 if x.dtype == np.float64 else np.float32
    y = np.zeros(problem.output_shape, accumulator)
    image, weight = np.ascontiguousarray(x, dtype=accumulator), np.ascontiguousarray(w, dtype=accumulator)
    _compiled_loops()(image, weight, y, problem.strides, (problem.pads[0][0], problem.pads[1][0]), problem.dilations, groups)
    return y.astype(x.dtype, copy=False)


@functools.cache
def _compiled_loops() -> Callable[..., None]:
    """Compile at the first call: importing Numba takes longer than everything else here."""
    import numba

    compiled: Callable[..., None] = numba.njit(cache=True, nogil=True)(_loops)
    return compiled


def _loops(x: Any, w: Any, y: Any, strides: Any, pads: Any, dilations: Any, groups: int) -> None:
    batch, height, width, _ = x.shape
    kernel_height, kernel_width, group_inputs, out_channels = w.shape
    _, out_height, out_width, _ = y.shape
    group_outputs = max(1, out_channels // groups)
    for n in range(batch):
        for i in range(out_height):
            for j in range(out_width):
                for a in range(kernel_height):
                    row = i * strides[0] + a * dilations[0] - pads[0]
                    if row < 0 or row >= height:
                        continue
                    for b in range(kernel_width):
                        column = j * strides[1] + b * dilations[1] - pads[1]
                        if column < 0 or column >= width:
                            continue
                        for k in range(out_channels):
                            first = k // group_outputs * group_inputs
                            for c in range(group_inputs):
                                y[n, i, j, k] += x[n, row, column, first + c] * w[a, b, c, k]
