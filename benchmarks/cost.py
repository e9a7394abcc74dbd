"""How many nanoseconds does a multiply-add take?  Those of the definition are counted, whatever the algorithm does."""

from __future__ import annotations

from . import operands
from .by_kernel import asks
from .pairs import TENSORFLOW, Found, Paired


class _Cost(Paired):
    @asks("time of a multiply-add", unit="ns", version="2")
    def track_nanoseconds(self, found: Found, problem: str) -> float:
        return found[self.kernel, problem]["nanoseconds"]


class Tensorflow(_Cost, kernel=TENSORFLOW):
    pass


class Loops(_Cost, kernel="loops"):
    params = operands.SMALLEST


class LoopsCompiled(_Cost, kernel="loops_compiled"):
    pass


class Matmul(_Cost, kernel="matmul"):
    pass


class MatmulOffsets(_Cost, kernel="matmul_offsets"):
    pass


class Fft(_Cost, kernel="fft"):
    pass


class Winograd2x2(_Cost, kernel="winograd_2x2"):
    params = operands.PROBLEMS_3X3


class Winograd4x4(_Cost, kernel="winograd_4x4"):
    params = operands.PROBLEMS_3X3
