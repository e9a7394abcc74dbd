"""Searching for the problem on which a kernel is slowest beside the reference, and for the boundary behind which it is so slow.

What times a problem is given (`Meter`), so that nothing here knows of hosts and clocks.  Three steps share the time: problems are drawn,
half of them near the slowest ones so far; the slowest is shrunk to the smallest problem that is still that slow; and its neighbours, one
more and one less in each extent, are timed: where one is much faster, there is a cliff.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from convverify.problems.problem import Problem

QUICK, SURE = 1, 9  # rounds: for a problem among many, and for one on which something depends
_EXPLORING, _SHRINKING = 0.55, 0.85  # of the time, at which these end
_BEST = 4  # of the slowest problems, near which others are drawn
_KEPT = 0.85  # of the ratio that was found: what is as slow, apart from noise
_CLIFF = 1.4  # times as slow as a neighbour
_RANGE = 64  # times as many multiply-adds in the largest problem as in the smallest
_TRIES = 1000  # to draw a problem of the right size
_EXTENTS = ("batch", "height", "width", "in_channels", "out_channels", "kernel_height", "kernel_width")
_MOST = {"batch": 16, "height": 256, "width": 512, "in_channels": 512, "out_channels": 512, "kernel_height": 7, "kernel_width": 7}
NAMES = {
    "batch": "batch", "height": "height", "width": "width", "in_channels": "input channels", "out_channels": "output channels",
    "kernel_height": "kernel height", "kernel_width": "kernel width",
}  # fmt: skip
Meter = Callable[[Problem, int], "Ratio | None"]  # on a problem, in so many rounds; None: it cannot be timed, or not well


@dataclass(frozen=True)
class Ratio:
    """The kernel's fastest call by the reference's, what disturbs both aside; and less than that, if only the kernel was disturbed: its
    fastest call by the reference's median."""

    fastest: float
    least: float


@dataclass(frozen=True)
class Cliff:
    """An extent of the problem found at which the kernel is `factor` times slower than at the neighbouring extents."""

    extent: str
    at: int
    than: tuple[int, ...]
    factor: float

    def __str__(self) -> str:
        name = NAMES[self.extent]
        return f"{self.factor:.1f} times slower at {name} {self.at} than at {name} {' and '.join(str(other) for other in self.than)}"


@dataclass(frozen=True)
class Slowest:
    """The smallest problem found that is as slow as `first`, the slowest one; how many were timed; `shrunk`: whether none is smaller."""

    problem: Problem
    ratio: Ratio
    first: Problem
    first_ratio: Ratio
    timed: int
    shrunk: bool
    cliffs: tuple[Cliff, ...]


class Search:
    """One search; `elapsed` returns the part of the time that is over."""

    def __init__(
        self, meter: Meter, nearest: Callable[[Problem], Problem], elapsed: Callable[[], float], dtypes: tuple[str, ...], most: int,
        seed: int,
    ) -> None:  # fmt: skip
        """`nearest` returns the nearest problem that the kernel is for; `most` are multiply-adds of a problem at most.

        ValueError from `nearest` means that there is none.
        """
        self._meter, self._nearest, self._elapsed, self._dtypes = meter, nearest, elapsed, dtypes
        self._most, self._least = most, most // _RANGE
        self._random = random.Random(seed)
        self._timed = 0
        self._best: list[tuple[float, Problem]] = []

    def run(self) -> Slowest | None:
        """Search, and return what was found: None where no problem could be timed."""
        found = self._explore()
        if found is None:
            return None
        first, first_ratio = found
        problem, ratio, shrunk = self._shrink(first, first_ratio)
        return Slowest(problem, ratio, first, first_ratio, self._timed, shrunk, tuple(self._cliffs(problem, ratio)))

    def _measure(self, problem: Problem, rounds: int) -> Ratio | None:
        self._timed += 1
        return self._meter(problem, rounds)

    def _explore(self) -> tuple[Problem, Ratio] | None:
        slowest: tuple[Problem, Ratio] | None = None
        while self._elapsed() < _EXPLORING:
            problem = self._drawn()
            if problem is None:
                break
            ratio = self._measure(problem, QUICK)
            if ratio is None:
                continue
            if slowest is None or ratio.least > slowest[1].least:
                sure = self._measure(problem, SURE)
                if sure is not None and (slowest is None or sure.least > slowest[1].least):
                    slowest = problem, sure
                ratio = sure or ratio
            self._best = sorted([*self._best, (ratio.least, problem)], key=lambda one: -one[0])[:_BEST]
        return slowest

    def _drawn(self) -> Problem | None:
        """Return a problem of the right size: anew, or near one of the slowest."""
        for _ in range(_TRIES):
            near = self._random.choice(self._best)[1] if self._best and self._random.random() < 0.5 else None
            try:
                problem = self._nearest(changed(near, self._random) if near else drawn(self._dtypes, self._random))
            except ValueError:
                continue
            if self._least <= problem.macs <= self._most and problem != near:
                return problem
        return None

    def _shrink(self, problem: Problem, ratio: Ratio) -> tuple[Problem, Ratio, bool]:
        enough = _KEPT * ratio.fastest
        again = True
        while again:
            again = False
            for smaller in smaller_problems(problem):
                if self._elapsed() > _SHRINKING:
                    return problem, ratio, False
                if not self._admits(smaller) or smaller.macs < self._least:
                    continue
                quick = self._measure(smaller, QUICK)
                if quick is None or quick.fastest < enough:
                    continue
                sure = self._measure(smaller, SURE)
                if sure is not None and sure.fastest >= enough:
                    problem, ratio, again = smaller, sure, True
                    break
        return problem, ratio, True

    def _cliffs(self, problem: Problem, ratio: Ratio) -> Iterator[Cliff]:
        """Yield cliffs, the lower neighbour before the upper one."""
        for extent in _EXTENTS:
            at = getattr(problem, extent)
            step = problem.groups if extent.endswith("channels") else 1
            faster: list[tuple[int, float]] = []
            for other in (at - step, at + step):
                if other < 1 or self._elapsed() > 1:
                    continue
                neighbour = problem.with_(**{extent: other})
                found = self._measure(neighbour, SURE) if neighbour.macs and self._admits(neighbour) else None
                if found is None or ratio.fastest < _CLIFF * found.fastest:
                    continue
                again = self._measure(problem, SURE)  # so that neither is the one that something disturbed
                factor = min(ratio.fastest, again.fastest) / found.fastest if again else 0.0
                if factor >= _CLIFF:
                    faster.append((other, factor))
            if faster:
                yield Cliff(extent, at, tuple(other for other, _ in faster), min(factor for _, factor in faster))

    def _admits(self, problem: Problem) -> bool:
        try:
            return self._nearest(problem) == problem
        except ValueError:
            return False


def drawn(dtypes: tuple[str, ...], source: random.Random) -> Problem:
    """Return a problem drawn at random; ValueError where what was drawn is none."""
    values: dict[str, Any] = {name: _extent(name, source) for name in _EXTENTS}
    values["kernel_height"] = source.choice((1, 3, 5, values["kernel_height"]))
    values["kernel_width"] = source.choice((values["kernel_height"], values["kernel_width"]))
    problem = Problem(**values, padding=source.choice(("SAME", "VALID")), dtype=source.choice(dtypes))
    for name in ("strides", "dilations"):
        if source.random() < 0.2:
            problem = problem.with_(**{name: (2, 2)})
    if source.random() < 0.1:
        groups = source.choice((2, 4, problem.in_channels))
        problem = problem.with_(
            groups=groups, in_channels=_multiple(problem.in_channels, groups), out_channels=_multiple(problem.out_channels, groups)
        )
    return problem


def changed(problem: Problem, source: random.Random) -> Problem:
    """Return the problem with one or two extents changed; ValueError where that is none."""
    for _ in range(source.choice((1, 2))):
        name = source.choice(_EXTENTS)
        value = getattr(problem, name)
        step = problem.groups if name.endswith("channels") else 1
        other = source.choice((_extent(name, source), value + step, value - step, 2 * value, value // 2))
        problem = problem.with_(**{name: max(step, min(other, _MOST[name]) // step * step)})
    return problem


def _extent(name: str, source: random.Random) -> int:
    """Return an extent: one of all sizes, or one on or beside a multiple of what vectors and blocks have."""
    most = _MOST[name]
    if most > 16 and source.random() < 0.7:
        step = source.choice((8, 16, 32, 64))
        return max(1, source.randint(1, max(1, most // step)) * step + source.choice((-1, 0, 1)))
    return max(1, int(float(most) ** source.random()))


def _multiple(value: int, step: int) -> int:
    return max(step, value // step * step)


def smaller_problems(problem: Problem) -> Iterator[Problem]:
    """Yield problems that are smaller, or simpler, in one respect: the simplest ones first."""
    for name, simple in (("groups", 1), ("strides", (1, 1)), ("dilations", (1, 1)), ("padding", "VALID")):
        if getattr(problem, name) != simple:
            yield problem.with_(**{name: simple})
    for name in _EXTENTS:
        value = getattr(problem, name)
        step = problem.groups if name.endswith("channels") else 1
        power = 1 << max(0, (value - 1).bit_length() - 1)  # the largest below
        values = {1, value // 2, value // 2 + 1, power // 2 + 1, power, power + 1, value - 32, value - 16, value - 8, value - 1}
        for smaller in sorted({_multiple(one, step) for one in values if one > 0}):
            if smaller < value:
                yield problem.with_(**{name: smaller})
