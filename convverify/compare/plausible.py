"""What cannot be: speeds beyond those at which this machine multiplies and adds.

A direct algorithm makes every multiply-add that meets no pad.  One that is declared normwise, by Fourier transform or Winograd's algorithm,
makes fewer, but at least one for each output and each pair of channels: F(m x n, r x s) needs (m + r - 1)(n + s - 1) products for its
m n outputs (Winograd, Arithmetic Complexity of Computations, SIAM 1980).
"""

from __future__ import annotations

from dataclasses import replace

from convverify.compare.machine import Machine, accumulator
from convverify.compare.results import Measurement, Row
from convverify.problems.problem import Problem

_MATRIX_UNITS = 16  # times as fast as on float32 are matrix units on 16 bits at the most: 2048 operations a cycle (Intel AMX) to 128


def least_operations(problem: Problem, accuracy: str) -> int:
    """Return how many operations an algorithm of that accuracy makes at least."""
    macs = problem.macs_inside
    return 2 * macs if accuracy == "elementwise" else 2 * (macs // (problem.kernel_height * problem.kernel_width))


def too_fast(row: Row, one: Measurement, machine: Machine) -> str:
    """Return why a time cannot be true, or "".

    Doubts are the kernel's: its slower quarter counts, and where an empty call costs more than what is left, that is added again.
    """
    problem = row.item.problem
    times = 1 if problem.dtype == accumulator(problem.dtype) else _MATRIX_UNITS
    ceiling = times * machine.ceiling(problem.dtype)
    seconds = one.seconds.high
    if one.empty is not None:
        seconds += one.empty.high if one.is_rough else one.empty.high - one.empty.low
    share = 100 * least_operations(problem, one.accuracy) / (seconds * ceiling) if ceiling else 0.0
    if share <= 100:
        return ""
    several = "" if times == 1 else f"{times} times "
    return f"impossible: {share:.0f}% of {several}the speed at which a matrix product multiplies and adds"


def refuse(row: Row, machine: Machine, reference: str) -> Row:
    """Return the row without the measurements that cannot be true, and with the reasons; without ratios to such a reference."""
    refused = {one.name: why for one in row.measurements if (why := too_fast(row, one, machine))}
    kept = tuple(one for one in row.measurements if one.name not in refused)
    if reference in refused:
        kept = tuple(replace(one, ratio=None) for one in kept)
    return replace(row, measurements=kept, refused=refused)
