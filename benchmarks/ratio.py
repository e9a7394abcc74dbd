"""How many times as long as TensorFlow does a call take?  The least times of pairs that take turns are compared: these repeat best."""

from __future__ import annotations

from . import operands
from .by_kernel import asks
from .pairs import Found, Paired


class _Ratio(Paired):
    @asks("time of a call, in TensorFlow's", unit="times TensorFlow", version="2")
    def track_ratio(self, found: Found, problem: str) -> float:
        return found[self.kernel, problem]["ratio"]


class Loops(_Ratio, kernel="loops"):
    params = operands.SMALLEST


class LoopsCompiled(_Ratio, kernel="loops_compiled"):
    pass


class Matmul(_Ratio, kernel="matmul"):
    pass


class MatmulOffsets(_Ratio, kernel="matmul_offsets"):
    pass


class Fft(_Ratio, kernel="fft"):
    pass


class Winograd2x2(_Ratio, kernel="winograd_2x2"):
    params = operands.PROBLEMS_3X3


class Winograd4x4(_Ratio, kernel="winograd_4x4"):
    params = operands.PROBLEMS_3X3
