"""How much memory does a process need that makes one call?  TensorFlow is not imported here: it would be most of it."""

from __future__ import annotations

from typing import Any

from . import operands
from .by_kernel import ByKernel, asks
from .verified import WrongResult, call_of, verified_call


class _Memory(ByKernel):
    """One kernel on two problems, each call in a process of its own.  They are verified in another one, whose memory does not count."""

    params = ("article/timing_3x3", "resnet50/conv2_1_3x3")
    param_names = ("problem",)
    timeout = 120

    def setup_cache(self) -> dict[tuple[str, str], str]:
        """Return why a kernel may not be measured, "" for those that may."""
        reasons = {}
        for kernel in operands.KERNELS:
            for label in _Memory.params:
                try:
                    verified_call(kernel, label)
                    reasons[kernel, label] = ""
                except NotImplementedError:
                    reasons[kernel, label] = "absent"
                except Exception as error:
                    reasons[kernel, label] = f"{type(error).__name__}: {error}"
        return reasons

    setup_cache.timeout = 300  # type: ignore[attr-defined]  # asv reads it there

    def setup(self, reasons: dict[tuple[str, str], str], problem: str) -> None:
        reason = reasons[self.kernel, problem]
        if reason == "absent":
            raise NotImplementedError
        if reason:
            raise WrongResult(reason)
        self.call: Any = call_of(self.kernel, problem)

    @asks("memory of a process with one call", unit="bytes")
    def peakmem_call(self, reasons: dict[tuple[str, str], str], problem: str) -> None:
        self.call()


class LoopsCompiled(_Memory, kernel="loops_compiled"):
    pass


class Matmul(_Memory, kernel="matmul"):
    pass


class MatmulOffsets(_Memory, kernel="matmul_offsets"):
    pass


class Fft(_Memory, kernel="fft"):
    pass


class Winograd2x2(_Memory, kernel="winograd_2x2"):
    pass


class Winograd4x4(_Memory, kernel="winograd_4x4"):
    pass
