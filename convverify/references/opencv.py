"""`opencv`: cv2.filter2D on single channels, summed over the input channels in the operands' dtype."""

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

_MOST_TAPS = {
    "float32": 129,
    "float64": 49,
}  # from 130 and 50 on, filter2D computes by Fourier transforms (modules/imgproc/src/filter.dispatch.cpp)


@functools.cache
def load() -> Any:
    """Import OpenCV, once."""
    return load_package("cv2", "opencv")


@references.register("opencv", packages=("cv2",), extra="opencv", load=load)
def conv2d(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """cv2.filter2D for each pair of an input and an output channel (extra: opencv).

    Parameters and errors are those of `conv2d_loops`; NotImplementedError for what OpenCV does not take, and for kernels so large that
    filter2D computes by Fourier transforms, which other bounds hold for; ImportError where it is not installed.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    if reason := refusal(problem):
        raise NotImplementedError(reason)
    cv2 = load()
    (top, bottom), (left, right) = problem.pads

    def pad(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        planes = [
            cv2.copyMakeBorder(plane, top, bottom, left, right, cv2.BORDER_CONSTANT, value=0) for plane in np.moveaxis(image, 2, 0).copy()
        ]
        return np.stack(planes, axis=-1)

    def correlate(image: npt.NDArray[Any], filters: npt.NDArray[Any]) -> npt.NDArray[Any]:
        rows, columns = image.shape[0] - filters.shape[0] + 1, image.shape[1] - filters.shape[1] + 1
        y = np.zeros((rows, columns, filters.shape[3]), image.dtype)
        for c, plane in enumerate(np.moveaxis(image, 2, 0).copy()):
            for k in range(filters.shape[3]):
                whole = cv2.filter2D(plane, -1, filters[:, :, c, k].copy(), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
                y[:, :, k] += whole[:rows, :columns]
        return y

    return convolve_by_phases(problem, x, w, pad, correlate)


def refusal(problem: Problem) -> str:
    """Return why the problem cannot be posed to cv2.filter2D, or ""."""
    if problem.dtype not in _MOST_TAPS:
        return f"OpenCV does not filter images of {problem.dtype}"
    if problem.is_empty or not problem.terms or 0 in problem.x_shape:
        return "OpenCV has no images without pixels"
    if problem.kernel_height * problem.kernel_width > _MOST_TAPS[problem.dtype]:
        return "OpenCV filters with kernels of that size by Fourier transforms"
    return ""
