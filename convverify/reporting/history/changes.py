"""Changes for the worse: what regressed, at which commit, and at which it was resolved.

A series is followed commit by commit.  Its level is the median of its last points; a point is worse where it is off the level by more than
a factor, in the direction that is bad for its unit, and where its quartiles lie beyond those of the level.  A regression ends at the commit
where the old level is met again.  A benchmark that fails where it did not before is one, too.

The factor comes from the series themselves: many commits change many figures not at all, so that the small steps from commit to commit are
noise.  A quarter of the steps of a normal distribution are below 0.319 standard deviations; so the lower quartile of the steps, in
logarithms, divided by 0.319, estimates the standard deviation.  Steps beyond three of them are taken out, and it is estimated again, until
none is.  What exceeds four standard deviations, and at least 10 %, is a change.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from convverify.reporting.history.model import History, Point, Series

LEAST_FACTOR = 1.1
_DEVIATIONS, _CLIPPED = 4.0, 3.0
_LOWER_QUARTILE = 0.3186  # of the absolute value of a standard normal variable
_WINDOW = 3  # points that make a level


@dataclass(frozen=True)
class Regression:
    """A change for the worse of one series.

    `before` and `worst` are values, None where the benchmark failed.  `first_bad` and `last_good` are places of commits: between them lies
    what was not measured.  `resolved` is the place of the commit where the old level was met again, or None.
    """

    series: Series
    before: float
    worst: float | None
    first_bad: int
    last_good: int
    resolved: int | None = None

    @property
    def factor(self) -> float:
        """How many times worse; infinite for a failure, and from 0 or less, or to that."""
        if self.worst is None or self.before <= 0 or self.worst <= 0:
            return math.inf
        return self.before / self.worst if self.series.more_is_better else self.worst / self.before


def factors(history: History) -> dict[str, float]:
    """Return for each topic the factor from which on a step is a change."""
    steps: defaultdict[str, list[float]] = defaultdict(list)
    for series in history.series:
        values = [point.value for point in series.points if point.value]
        steps[series.topic] += [abs(math.log(b) - math.log(a)) for a, b in pairwise(values) if a > 0 and b > 0]
    return {topic: max(LEAST_FACTOR, math.exp(_DEVIATIONS * _noise(found))) for topic, found in steps.items()}


def _noise(steps: list[float]) -> float:
    """Return the standard deviation of the steps that are noise."""
    while len(steps) > 1:
        deviation = statistics.quantiles(steps, n=4, method="inclusive")[0] / _LOWER_QUARTILE
        kept = [step for step in steps if step <= _CLIPPED * deviation]
        if len(kept) in (0, len(steps)):
            return deviation
        steps = kept
    return 0.0


def regressions(history: History, factor: float | None = None) -> list[Regression]:
    """Return every regression of a history, those that last first, the largest first.

    `factor` is what counts as a change, for all series; default: `factors`.
    """
    known = factors(history)
    found = [
        regression
        for series in history.series
        for regression in regressions_of(series, factor or known.get(series.topic, LEAST_FACTOR))
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.resolved is not None, -one.factor, one.series.label))


def regressions_of(series: Series, factor: float) -> list[Regression]:
    """Return the regressions of one series, in the order of the commits."""
    found: list[Regression] = []
    level: list[Point] = []
    open_: Regression | None = None
    for point in series.points:
        if open_ is not None:
            if _meets(point, open_.before, series, factor):
                found.append(_with(open_, resolved=point.commit))
                open_, level = None, [*level, point][-_WINDOW:]
            else:
                open_ = _with(open_, worst=_worse(open_.worst, point.value, series))
        elif point.value is None or (level and _is_worse(point, level, series, factor)):
            if level:
                open_ = Regression(series, _value(level), point.value, point.commit, level[-1].commit)
        elif level and _is_better(point, level, series, factor):
            level = [point]
        else:
            level = [*level, point][-_WINDOW:]
    if open_ is not None:
        found.append(open_)
    return found


def _with(one: Regression, *, worst: float | str | None = "same", resolved: int | None = None) -> Regression:
    worst = one.worst if isinstance(worst, str) else worst
    return Regression(one.series, one.before, worst, one.first_bad, one.last_good, resolved)


def _value(level: Sequence[Point]) -> float:
    return statistics.median(point.value for point in level if point.value is not None)


def _log_ratio(value: float, level: float, series: Series) -> float:
    """Return the logarithm of how many times worse a value is than a level; from 0, or less, anything more is infinitely worse."""
    if value == level:
        return 0.0
    if value <= 0 or level <= 0:
        return math.inf if (value > level) != series.more_is_better else -math.inf
    return (math.log(value) - math.log(level)) * (-1.0 if series.more_is_better else 1.0)


def _is_worse(point: Point, level: Sequence[Point], series: Series, factor: float) -> bool:
    assert point.value is not None
    return _log_ratio(point.value, _value(level), series) > math.log(factor) and _apart(point, level)


def _is_better(point: Point, level: Sequence[Point], series: Series, factor: float) -> bool:
    assert point.value is not None
    return _log_ratio(point.value, _value(level), series) < -math.log(factor) and _apart(point, level)


def _apart(point: Point, level: Sequence[Point]) -> bool:
    """Return whether the quartiles of a point lie beyond those of a level."""
    return point.low > statistics.median(p.high for p in level) or point.high < statistics.median(p.low for p in level)


def _meets(point: Point, before: float, series: Series, factor: float) -> bool:
    return point.value is not None and _log_ratio(point.value, before, series) <= math.log(factor)


def _worse(one: float | None, other: float | None, series: Series) -> float | None:
    if one is None or other is None:
        return None
    return min(one, other) if series.more_is_better else max(one, other)


def failures(history: History) -> list[Series]:
    """Return the series whose newest point is a failure at the newest commit of the history."""
    newest = len(history.commits) - 1
    return [series for series in history.series if series.last is not None and series.last.value is None and series.last.commit == newest]


def reasons(history: History, kernel: str, problem: str, commit: int) -> str:
    """Return why a kernel has no figures at a commit: what the correctness benchmark says there."""
    for series in history.of("correctness"):
        if series.kernel == kernel and series.problem == problem:
            for point in series.points:
                if point.commit == commit and point.value:
                    return f"wrong: {point.value:.0f} elements of its result differ from float64"
    return ""
