"""`exact`: the exact arithmetic that kernels are judged by, as a reference that can be called like any other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.operations.forward import Floats, convolve, gather_windows
from convverify.problems.posing import problem_of
from convverify.references import references

__all__ = ["conv2d", "convolve", "gather_windows"]  # snippets that were printed earlier import `convolve` from here


@references.register("exact")
def conv2d(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> Floats:
    """Sums of products in float64: exact for integers, within gamma_n of 2**-53 for other values.

    Parameters and errors are those of `conv2d_loops`; the result is float64 for every dtype of the operands.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    return convolve(problem, x.astype(np.float64), w.astype(np.float64))
