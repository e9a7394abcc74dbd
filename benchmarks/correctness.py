"""Is a kernel right at all?  How many elements are wrong, of the results that were to be timed: where this is not 0, there is no time."""

from __future__ import annotations

from typing import Any

from . import operands
from .by_kernel import ByKernel, asks
from .verified import call_of, wrong_elements


class _Correctness(ByKernel):
    """One kernel on every problem, on the operands on which it is timed."""

    params = operands.PROBLEMS
    param_names = ("problem",)

    def setup_cache(self) -> dict[tuple[str, str], int | None]:
        """Return wrong elements; None where the commit does not have the kernel, or the kernel does not take the problem."""
        found: dict[tuple[str, str], int | None] = {}
        for kernel in operands.KERNELS:
            for label in operands.PROBLEMS:
                found[kernel, label] = self._counted(kernel, label)
        return found

    setup_cache.timeout = 300  # type: ignore[attr-defined]  # asv reads it there

    @staticmethod
    def _counted(kernel: str, label: str) -> int | None:
        try:
            call = call_of(kernel, label)
            y: Any = call()
        except NotImplementedError:
            return None
        except Exception:
            y = None  # no element is right
        return wrong_elements(kernel, label, y)

    def setup(self, found: dict[tuple[str, str], int | None], problem: str) -> None:
        if found[self.kernel, problem] is None:
            raise NotImplementedError

    @asks("wrong elements of its result", unit="elements")
    def track_wrong(self, found: dict[tuple[str, str], int | None], problem: str) -> int:
        return found[self.kernel, problem] or 0


class Loops(_Correctness, kernel="loops"):
    params = operands.SMALLEST


class LoopsCompiled(_Correctness, kernel="loops_compiled"):
    pass


class Matmul(_Correctness, kernel="matmul"):
    pass


class MatmulOffsets(_Correctness, kernel="matmul_offsets"):
    pass


class Fft(_Correctness, kernel="fft"):
    pass


class Winograd2x2(_Correctness, kernel="winograd_2x2"):
    params = operands.PROBLEMS_3X3


class Winograd4x4(_Correctness, kernel="winograd_4x4"):
    params = operands.PROBLEMS_3X3
