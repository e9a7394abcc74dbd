"""Peak memory of a call, in a process that has not called the kernel before."""

from __future__ import annotations

import sys
from pathlib import Path

from convverify.compare.memory import MemoryProbe
from convverify.problems.problem import Problem

GREEDY = """
import os
import numpy as np

def takes_32_mebibytes(x, w):
    if x.shape[1] == 20:
        os._exit(1)
    y = np.ones((*x.shape[:3], w.shape[3]), x.dtype)
    if x.shape[1] > 8:
        np.ones(32 << 17)
    return y
"""


def test_the_rise_of_resident_memory_is_what_the_call_took(tmp_path: Path) -> None:
    (tmp_path / "greedy.py").write_text(GREEDY)
    problems = [Problem.parse(f"x=1x{height}x64x8 w=1x1x8x8") for height in (4, 4096, 20, 4096)]
    with MemoryProbe(f"{tmp_path}/greedy.py:takes_32_mebibytes", 1) as probe:
        found = [probe.peak(problem) for problem in problems]
    if sys.platform != "linux":
        assert found == [None] * 4
        return
    small, large, dead, again = found
    assert small is not None
    assert small < 2 << 20
    for bytes_ in (large, again):  # the operands' 8 MiB and the result's 8 MiB are not counted
        assert bytes_ is not None
        assert 31 << 20 < bytes_ < 34 << 20
    assert dead is None
