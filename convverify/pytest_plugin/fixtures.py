"""What the fixtures return: operands for a line of text, and references by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.judging.kernel import DATA_FORMATS
from convverify.operands.case import Case
from convverify.problems.problem import Problem
from convverify.targets import find_kernel

Array: TypeAlias = npt.NDArray[Any]
Operands: TypeAlias = Callable[[str | Case | Problem], tuple[Array, Array]]
Reference: TypeAlias = Callable[..., Callable[..., Any]]


def operands(case: str | Case | Problem) -> tuple[Array, Array]:
    """Return x (NHWC) and w (HWIO) in the memory layouts of a case; a problem alone gets integers, contiguous, seed 0."""
    x, w = Case.parse(str(case)).operands(DATA_FORMATS["NHWC"])
    return x.array, w.array


def reference(name: str = "exact") -> Callable[..., Any]:
    """Return a reference, or any kernel, by its name; with operands as `operands` makes them.

    Raises ValueError where there is none of that name.
    """
    kernel = find_kernel(name)
    if kernel.data_format != "NHWC":
        raise ValueError(f"reference {name!r} takes its operands in {kernel.data_format}")
    return _as_arrays(kernel.function)


def _as_arrays(function: Callable[..., Any]) -> Callable[..., Array]:
    def conv2d(x: Array, w: Array, **parameters: Any) -> Array:
        return np.asarray(function(x, w, **parameters))

    return conv2d
