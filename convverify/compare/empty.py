"""The empty call: what a call costs that computes nothing, result included.  It is timed as all others are, and taken off their times."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.problems.posing import problem_of

Array = npt.NDArray[Any]
_results: dict[Any, Array] = {}


def call(
    x: Array, w: Array, *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> Array:  # fmt: skip
    """Return an array of the result's shape and dtype that was there before."""
    key = x.shape, w.shape, x.dtype, str(strides), str(padding), str(dilations)
    if key not in _results:
        _results.clear()
        problem = problem_of(x, w, strides, padding, dilations, groups)
        _results[key] = np.zeros(problem.output_shape, x.dtype)
    return _results[key]
