"""`scipy`: scipy.signal.correlate, by direct summation."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.problems.posing import problem_of
from convverify.problems.problem import Problem
from convverify.references import references
from convverify.references._packages import load_package
from convverify.references._phases import convolve_by_phases


@functools.cache
def load() -> Any:
    """Import scipy.signal, once."""
    return load_package("scipy.signal", "scipy")


@references.register("scipy", packages=("scipy",), extra="scipy", load=load)
def conv2d(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """scipy.signal.correlate over height, width and channels, summed directly (extra: scipy).

    Parameters and errors are those of `conv2d_loops`; NotImplementedError for what SciPy does not take, ImportError where it is not
    installed.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    if reason := refusal(problem):
        raise NotImplementedError(reason)
    signal = load()

    def correlate(image: npt.NDArray[Any], filters: npt.NDArray[Any]) -> npt.NDArray[Any]:
        planes = [signal.correlate(image, filters[..., k], mode="valid", method="direct")[..., 0] for k in range(filters.shape[3])]
        return np.stack(planes, axis=-1)

    return convolve_by_phases(problem, x, w, lambda image: np.pad(image, (*problem.pads, (0, 0))), correlate)


def refusal(problem: Problem) -> str:
    """Return why the problem cannot be posed to scipy.signal.correlate, or ""."""
    if problem.dtype not in ("float32", "float64"):
        return f"SciPy does not correlate {problem.dtype}"
    if problem.is_empty or not problem.terms:
        return "SciPy correlates neither arrays without elements, nor a kernel that exceeds the image: it swaps the two"
    return ""
