"""From the arguments of a kernel to the problem that they pose."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem

_posed: dict[tuple[Any, ...], Problem] = {}
_MOST_POSED = 4096


def problem_of(x: npt.NDArray[Any], w: npt.NDArray[Any], strides: Any, padding: Any, dilations: Any, groups: int) -> Problem:
    """Return the problem that a kernel's arguments pose.

    Raises TypeError or ValueError, naming the argument, where they do not fit together.

    Small problems are computed in less time than it takes to look at all the arguments, hence those that were posed are kept: under
    the text of the parameters, because True, 1 and 1.0 are the same key but not equally right.
    """
    if not (isinstance(x, np.ndarray) and isinstance(w, np.ndarray)):
        return _pose(x, w, strides, padding, dilations, groups)
    key = (x.shape, w.shape, x.dtype, w.dtype, repr((strides, padding, dilations, groups)))
    problem = _posed.get(key)
    if problem is None:
        problem = _pose(x, w, strides, padding, dilations, groups)
        if len(_posed) >= _MOST_POSED:
            _posed.clear()
        _posed[key] = problem
    return problem


def _pose(x: npt.NDArray[Any], w: npt.NDArray[Any], strides: Any, padding: Any, dilations: Any, groups: int) -> Problem:
    for name, array in (("x", x), ("w", w)):
        if np.ndim(array) != 4:
            raise ValueError(f"{name} must have 4 axes, not {np.ndim(array)}")
    if x.dtype != w.dtype:
        raise TypeError(f"x and w must have the same dtype, not {x.dtype} and {w.dtype}")
    if x.dtype.name not in FORMATS:
        raise TypeError(f"x must be of dtype {', '.join(FORMATS)}, not {x.dtype}")
    if x.shape[3] != w.shape[2] * groups:
        raise ValueError(f"w must take x's {x.shape[3]} channels in groups={groups}, not {w.shape[2]} in each")
    return Problem(
        x.shape[0], x.shape[1], x.shape[2], x.shape[3], w.shape[0], w.shape[1], w.shape[3],
        strides=strides, padding=padding, dilations=dilations, groups=groups, dtype=x.dtype.name,
    )  # fmt: skip
