"""How near to its bound does a kernel err, where sums are long and nearly cancel?

The bound is gamma_n (|x| * |w|) for n terms (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), computed here; kernels
by Fourier or Winograd have the package's normwise bound.  To compare kernels with each other, errors are also told in unit roundoffs
of |x| * |w|.  Both are against float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import operands
from .by_kernel import ByKernel, asks

_UNIT_ROUNDOFF = 2.0**-24


def errors(kernel: str, label: str) -> tuple[float, float]:
    """Return the worst error as a fraction of the kernel's bound, and in unit roundoffs of |x| * |w|."""
    function, problem = operands.find_kernel(kernel), operands.find_problem(label)
    x, w = operands.cancelling(problem)
    y = function(x, w, **operands.arguments_of(problem))
    error = np.abs(y - operands.float64_convolution(problem, x, w))
    magnitude = operands.float64_convolution(problem, np.abs(x), np.abs(w))
    roundoffs = float(np.max(error / (_UNIT_ROUNDOFF * magnitude)))
    if operands.accuracy_of(kernel) == "normwise":
        from convverify.normwise import normwise_bound

        return float(np.max(error / normwise_bound(problem, x.astype(np.float64), w.astype(np.float64)))), roundoffs
    product = problem.terms * _UNIT_ROUNDOFF
    return roundoffs * _UNIT_ROUNDOFF / (product / (1.0 - product)), roundoffs


class _Accuracy(ByKernel):
    """One kernel on three deep problems, all of them called in one process."""

    params = operands.DEEP
    param_names = ("problem",)

    def setup_cache(self) -> dict[tuple[str, str], Any]:
        found: dict[tuple[str, str], Any] = {}
        for kernel in operands.KERNELS:
            for label in operands.DEEP:
                try:
                    if kernel in operands.SLOW:
                        raise NotImplementedError
                    found[kernel, label] = errors(kernel, label)
                except NotImplementedError:
                    found[kernel, label] = None
                except Exception as error:
                    found[kernel, label] = f"{type(error).__name__}: {error}"
        return found

    setup_cache.timeout = 300  # type: ignore[attr-defined]  # asv reads it there

    def setup(self, found: dict[tuple[str, str], Any], problem: str) -> None:
        result = found[self.kernel, problem]
        if result is None:
            raise NotImplementedError
        if isinstance(result, str):
            raise RuntimeError(result)

    @asks("worst error as a fraction of its bound", unit="of the bound")
    def track_fraction_of_bound(self, found: dict[tuple[str, str], Any], problem: str) -> float:
        return found[self.kernel, problem][0]

    @asks("worst error in unit roundoffs of |x| * |w|", unit="u")
    def track_roundoffs(self, found: dict[tuple[str, str], Any], problem: str) -> float:
        return found[self.kernel, problem][1]


class LoopsCompiled(_Accuracy, kernel="loops_compiled"):
    pass


class Matmul(_Accuracy, kernel="matmul"):
    pass


class MatmulOffsets(_Accuracy, kernel="matmul_offsets"):
    pass


class Fft(_Accuracy, kernel="fft"):
    pass


class Winograd2x2(_Accuracy, kernel="winograd_2x2"):
    pass


class Winograd4x4(_Accuracy, kernel="winograd_4x4"):
    pass
