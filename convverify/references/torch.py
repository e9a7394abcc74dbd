"""`torch`: torch.nn.functional.conv2d on the CPU."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.problems.posing import problem_of
from convverify.problems.problem import Problem
from convverify.references import references
from convverify.references._packages import load_package, to_nchw, to_nhwc


@functools.cache
def load() -> Any:
    """Import PyTorch, once."""
    return load_package("torch", "torch")


@references.register("torch", packages=("torch",), extra="torch", load=load)
def conv2d(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """torch.nn.functional.conv2d on the CPU, as PyTorch is installed (extra: torch).

    Equal pads on both sides are PyTorch's own, others go through torch.nn.functional.pad.  Parameters and errors are those of
    `conv2d_loops`; NotImplementedError where PyTorch refuses the problem, ImportError where it is not installed.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    if reason := refusal(problem):
        raise NotImplementedError(reason)
    torch = load()
    (top, bottom), (left, right) = problem.pads
    with torch.inference_mode():
        image, filters = (_tensor(torch, array) for array in to_nchw(x, w))
        pads: tuple[int, int] = (top, left)
        if (top, left) != (bottom, right) or 0 in (problem.height, problem.width):  # conv2d takes no images without rows or columns
            image, pads = torch.nn.functional.pad(image, (left, right, top, bottom)), (0, 0)
        y = torch.nn.functional.conv2d(image, filters, None, problem.strides, pads, problem.dilations, problem.groups)
    return to_nhwc(_array(torch, y, x.dtype))


def refusal(problem: Problem) -> str:
    """Return why torch.nn.functional.conv2d refuses the problem with an error, or ""."""
    if not problem.out_channels:
        return "PyTorch refuses filters without output channels"
    if 0 in problem.output_shape[1:3]:
        return "PyTorch refuses a kernel that exceeds the padded image"
    return ""


def _tensor(torch: Any, array: npt.NDArray[Any]) -> Any:
    """Return a tensor on an array's memory; bfloat16, which NumPy has from another package, goes by its bits."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _array(torch: Any, tensor: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.view(torch.int16).numpy().view(dtype) if dtype.name == "bfloat16" else tensor.numpy()
    return array
