"""Smaller problems for kernels that are too slow for the whole one: the same convolution on fewer images, rows and columns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from convverify.problems.problem import Problem

_FIRST = 1 << 15  # multiply-adds of the first problem that a kernel is tried on
_GROWTH = 8
_SIGNIFICANT = 0.01  # of the time allowed: what takes as long as this tells, if roughly, how long more takes
_HOPELESS = 300.0  # times the time allowed: beyond doubt, however roughly it is known (threads on a busy machine: a hundred times too long)
_GRACE = 2.0  # times the time allowed: a problem that was called, and took no longer, need not be made smaller


def reduced(problem: Problem, macs: int) -> Problem:
    """Return the problem with fewer images, then fewer output rows, columns, and output channels: about `macs` multiply-adds.

    Kernel, strides, dilations, padding and input channels stay.  Where even one output pixel of one channel to a group has more, that.
    """
    if problem.macs <= macs:
        return problem
    smaller = problem.with_(batch=max(1, problem.batch * macs // problem.macs))
    for name, axis in (("height", 1), ("width", 2)):
        if smaller.macs > macs:
            smaller = smaller.with_(**{name: _extent(smaller, name, axis, max(1, smaller.output_shape[axis] * macs // smaller.macs))})
    if smaller.macs > macs:
        each = max(1, smaller.out_channels // smaller.groups * macs // smaller.macs)
        smaller = smaller.with_(out_channels=smaller.groups * each)
    return smaller


def _extent(problem: Problem, name: str, axis: int, outputs: int) -> int:
    """Return the least extent of the image that gives as many outputs."""
    extents = range(1, getattr(problem, name) + 1)
    return extents[bisect_left(extents, outputs, key=lambda extent: problem.with_(**{name: extent}).output_shape[axis])]


def affordable(call: Callable[[Problem], float], problem: Problem, longest: float, wanted: float) -> Problem:
    """Return what one can time of a problem: all of it where a call takes `longest` seconds at most, else what takes about `wanted`.

    `call` calls the kernel on a problem of that kind, a few times, and returns the least seconds of a call, the first one aside.  Small
    problems are tried first, so that none is started that would take too long.
    """
    macs, before = max(_FIRST, reduced(problem, 1).macs), (0, 0.0)
    while True:
        trial = reduced(problem, macs)
        seconds = call(trial)
        if trial == problem and seconds <= _GRACE * longest:
            return problem
        each = max(seconds - before[1], 1e-9) / max(1, trial.macs - before[0])  # what a multiply-add costs, a call's fixed cost aside
        whole = seconds + (problem.macs - trial.macs) * each
        hopeless = before[0] and seconds > _SIGNIFICANT * longest and whole > _HOPELESS * longest
        if trial == problem or seconds * _GROWTH > longest or hopeless:
            return problem if whole <= longest else reduced(problem, max(1, int(wanted / each)))
        before = (trial.macs, seconds)
        macs *= _GROWTH
