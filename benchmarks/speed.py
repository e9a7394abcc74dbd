"""How long does one call take?

Processor time on one thread: what the system gives to other processes meanwhile does not count.
"""

from __future__ import annotations

import time
from typing import Any

from . import operands
from .by_kernel import ByKernel, asks
from .verified import verified_call


class _Speed(ByKernel):
    """One kernel on every problem, verified first: where it is wrong, `setup` fails, and there is no time."""

    params = operands.PROBLEMS
    param_names = ("problem",)
    rounds = 2
    repeat = (3, 30, 0.5)
    warmup_time = 0.05
    timer = time.process_time
    timeout = 120

    def setup(self, problem: str) -> None:
        """Verify the kernel once; asv sets up again before each sample."""
        if getattr(self, "ready", None) != problem:
            self.call: Any = verified_call(self.kernel, problem)
            self.ready = problem

    @asks("processor time of a call", unit="seconds")
    def time_call(self, problem: str) -> None:
        self.call()


class Loops(_Speed, kernel="loops"):
    params = operands.SMALLEST


class LoopsCompiled(_Speed, kernel="loops_compiled"):
    """On three problems alone: each is timed in a process of its own, which compiles first."""

    params = ("article/timing_3x3", "resnet50/conv2_1_3x3", "mobilenet_v2/block3_depthwise")


class Matmul(_Speed, kernel="matmul"):
    pass


class MatmulOffsets(_Speed, kernel="matmul_offsets"):
    pass


class Fft(_Speed, kernel="fft"):
    pass


class Winograd2x2(_Speed, kernel="winograd_2x2"):
    params = operands.PROBLEMS_3X3


class Winograd4x4(_Speed, kernel="winograd_4x4"):
    params = operands.PROBLEMS_3X3
