"""The process behind memory.py: `python -m convverify.compare.memory_probe TARGET THREADS`.

Lines of problems come in; for each, a forked child calls the kernel once, and a number of bytes goes out, or null.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import sys

import numpy as np

from convverify.campaign.isolation.processes import die_with_parent
from convverify.compare.conditions import announce_threads, same_threads
from convverify.compare.reduction import reduced
from convverify.judging.kernel import Kernel
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem
from convverify.targets import find_kernel

_WARM_UP = 1 << 12  # multiply-adds of the call before: what is imported, compiled and started then does not count
_IMPORTED_WHEN_CALLED = {"tensorflow": "tensorflow", "loops_compiled": "convverify.kernels.shared.compiled"}  # once, and not in each child
_M_MMAP_THRESHOLD = -3  # of mallopt(3)
_MAPPED = 1 << 16  # bytes from which on an allocation is mapped, and returned to the system when it is freed


def resident() -> dict[str, int]:
    """Return the resident bytes of this process, now ("VmRSS") and at their peak ("VmHWM")."""
    with open("/proc/self/status", encoding="ascii") as file:
        lines = [line.split() for line in file]
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words and words[0] in ("VmRSS:", "VmHWM:")}


def peak(kernel: Kernel, problem: Problem) -> int:
    """Return the bytes of the first call on a problem besides operands and result; this process has to be a new one."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MAPPED)
    _call(kernel, reduced(problem, _WARM_UP), measured=False)
    return _call(kernel, problem, measured=True)


def _call(kernel: Kernel, problem: Problem, *, measured: bool) -> int:
    dtype = numpy_dtype(problem.dtype)
    x, w = (
        np.ones([shape[axis] for axis in axes], dtype) for shape, axes in zip((problem.x_shape, problem.w_shape), kernel.axes, strict=True)
    )
    if measured:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")  # the high-water mark begins anew
    before = resident()["VmRSS"]
    y = kernel(x, w, problem)
    return max(0, resident()["VmHWM"] - before - int(np.asarray(y).nbytes))


def serve(kernel: Kernel, threads: int) -> None:
    """Answer problems until there are no more."""
    for line in sys.stdin:
        read_end, write_end = os.pipe()
        child = os.fork()
        if not child:
            os.close(read_end)
            with contextlib.suppress(BaseException), same_threads(threads):
                os.write(write_end, json.dumps(peak(kernel, Problem.parse(line))).encode())
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        os.write(_answers, (answer or b"null") + b"\n")


if __name__ == "__main__":
    die_with_parent()
    _answers = os.dup(1)
    os.dup2(2, 1)  # whatever a kernel prints
    count = int(sys.argv[2])
    announce_threads(count)
    found = find_kernel(sys.argv[1])
    if sys.argv[1] in _IMPORTED_WHEN_CALLED:
        importlib.import_module(_IMPORTED_WHEN_CALLED[sys.argv[1]])
    serve(found, count)
