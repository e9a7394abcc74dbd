"""What the page shows, as plain data: the cells of the heat map, regressions in words, the points of roofline and accuracy."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from convverify.problems.problem import Problem
from convverify.reporting.history.changes import Regression, failures, reasons
from convverify.reporting.history.model import Commit, History, Series


@dataclass(frozen=True)
class Cell:
    """A cell of the heat map: what it says, why, and where its value lies from -1 (eight times faster) to 1 (eight times slower)."""

    text: str
    tip: str
    heat: float | None = None


@dataclass(frozen=True)
class Row:
    """A problem with a cell for each kernel."""

    problem: str
    line: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Dot:
    """A kernel on a problem in a picture of two quantities."""

    kernel: str
    problem: str
    x: float
    y: float


_HOTTEST = math.log(8.0)


def heat_map(history: History) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """Return the kernels and, for each problem, how many times TensorFlow's time each takes at the newest commit."""
    newest = len(history.commits) - 1
    found = {(series.kernel, series.problem): series for series in history.of("ratio")}
    kernels = tuple(dict.fromkeys(kernel for kernel, _ in found))
    problems = sorted({problem for _, problem in found})
    rows = [
        Row(problem, line_of(problem), tuple(_cell(history, found.get((kernel, problem)), kernel, problem, newest) for kernel in kernels))
        for problem in problems
    ]  # fmt: skip
    return kernels, tuple(rows)


def _cell(history: History, series: Series | None, kernel: str, problem: str, newest: int) -> Cell:
    point = series.last if series else None
    if point is None or point.commit != newest:
        return Cell("n/a", f"{kernel} does not take {problem}, or was not measured at the newest commit")
    if point.value is None:
        return Cell("failed", reasons(history, kernel, problem, newest) or "the benchmark failed; a wrong kernel is not timed")
    heat = max(-1.0, min(1.0, math.log(point.value) / _HOTTEST)) if point.value > 0 else -1.0
    return Cell(f"{point.value:.2f}" if point.value < 100 else f"{point.value:.0f}", f"{kernel} on {problem}: {point.value:.3f}", heat)


def problem_of(label: str) -> Problem | None:
    """Return the problem `suite/layer`; None where this version has no such layer."""
    from convverify.problems.suites import find_suite, suites

    suite, _, layer = label.partition("/")
    if suite not in suites:
        return None
    return next((one.problem for one in find_suite(suite) if one.name == layer), None)


def line_of(label: str) -> str:
    """Return a problem's line, "" for one that is unknown."""
    problem = problem_of(label)
    return "" if problem is None else str(problem)


def newest_value(history: History, topic: str, method: str = "") -> float | None:
    """Return the newest measured value of a benchmark without parameters."""
    for series in history.of(topic, method):
        values = [point.value for point in series.points if point.value]
        if values:
            return values[-1]
    return None


def roofline(history: History) -> list[Dot]:
    """Return operations for each byte that has to move, and GFLOP/s, at the newest commit."""
    newest = len(history.commits) - 1
    dots = []
    for series in history.of("cost"):
        point, problem = series.last, problem_of(series.problem)
        if problem is None or point is None or point.value is None or point.value <= 0 or point.commit != newest:
            continue
        moved = 4 * sum(math.prod(shape) for shape in (problem.x_shape, problem.w_shape, problem.output_shape))
        dots.append(Dot(series.kernel, series.problem, 2.0 * problem.macs / moved, 2.0 / point.value))
    return dots


def accuracy_against_speed(history: History) -> list[Dot]:
    """Return nanoseconds for a multiply-add, and the worst error in unit roundoffs, for kernels and problems that have both."""
    newest = len(history.commits) - 1
    costs = {(series.kernel, series.problem): series.last for series in history.of("cost")}
    dots = []
    for series in history.of("accuracy", "track_roundoffs"):
        cost, error = costs.get((series.kernel, series.problem)), series.last
        at = [point.value for point in (cost, error) if point is not None and point.commit == newest and point.value is not None]
        if len(at) == 2 and min(at) > 0:
            dots.append(Dot(series.kernel, series.problem, *at))
    return dots


@dataclass(frozen=True)
class Told:
    """A regression in words."""

    what: str
    before: str
    after: str
    factor: str
    reason: str


@dataclass(frozen=True)
class Group:
    """Regressions with the same first bad commit and the same end; `last_good` is None where it is the commit before."""

    state: str
    bad: Commit
    last_good: Commit | None
    resolved: Commit | None
    members: tuple[Told, ...]
    at_one_commit: bool = False

    @property
    def lasts(self) -> bool:
        return self.resolved is None


def told(history: History, one: Regression) -> Told:
    """Return a regression in words for the page."""
    return Told(
        what=one.series.label,
        before=quantity(one.before, one.series.unit),
        after="failed" if one.worst is None else quantity(one.worst, one.series.unit),
        factor="" if math.isinf(one.factor) else f"{one.factor:.2f} times",
        reason=reasons(history, one.series.kernel, one.series.problem, one.first_bad) if one.worst is None else "",
    )


def grouped(history: History, found: Sequence[Regression]) -> list[Group]:
    """Return regressions by the commit that brought them, and the one that ended them: those that last first, then the newest."""
    groups: defaultdict[tuple[int, int, int], list[Regression]] = defaultdict(list)
    for one in found:
        groups[one.first_bad, one.last_good, -1 if one.resolved is None else one.resolved].append(one)
    commits = history.commits
    return [
        Group(
            state="lasts" if end < 0 else "resolved",
            bad=commits[bad],
            last_good=None if good == bad - 1 else commits[good],
            resolved=None if end < 0 else commits[end],
            members=tuple(told(history, one) for one in members),
            at_one_commit=end == bad + 1,
        )
        for (bad, good, end), members in sorted(groups.items(), key=lambda item: (item[0][2] >= 0, -item[0][0]))
    ]


def failing(history: History) -> list[tuple[str, str]]:
    """Return what fails at the newest commit, and why."""
    newest = len(history.commits) - 1
    unknown = "the benchmark fails; `asv run --show-stderr` tells more"
    return [(one.label, reasons(history, one.kernel, one.problem, newest) or unknown) for one in failures(history)]


def quantity(value: float, unit: str) -> str:
    """Return a number with its unit, seconds and bytes in a size that one can read."""
    if unit == "seconds":
        for name, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return f"{value * 1e9:.3g} ns"
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    return f"{value:.4g} {unit}"
