"""Summaries: geometric means of ratios, and the exponent with which cost grows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from convverify.compare.results import Comparison, Measurement, Row

_DECADES, _LARGE_DECADES = 3.0, 2.0  # of multiply-adds: over fewer, an exponent says little
_FIXED = 10.0  # times the least time: from there on the fixed cost of a call is a tenth at most


@dataclass(frozen=True)
class Mean:
    """The ratios of one kernel to the reference over a group of items: `weighted` by how often each layer occurs."""

    name: str
    group: str
    problems: int
    plain: float
    weighted: float
    worst: float
    where: str
    extrapolated: int


@dataclass(frozen=True)
class Exponent:
    """Time grows as multiply-adds to the power of `all` over all items, and of `large` over those where the fixed cost of a call is small
    (None where these span too little); `macs` and `large_macs` are the ranges."""

    name: str
    all: float
    macs: tuple[int, int]
    large: float | None
    large_macs: tuple[int, int] | None


def geometric_mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return exp of the mean logarithm, weighted where weights are given."""
    return math.exp(float(np.average(np.log(values), weights=weights)))


def means(comparison: Comparison) -> tuple[Mean, ...]:
    """Return the means of every kernel, for each group, and over all where there are several."""
    groups = list(dict.fromkeys(row.item.group for row in comparison.rows))
    found = []
    for name in comparison.names:
        if name == comparison.reference:
            continue
        for group in groups:
            found += _mean(name, group, [row for row in comparison.rows if row.item.group == group])
        if len(groups) > 1:
            found += _mean(name, "all", comparison.rows)
    return tuple(found)


def _mean(name: str, group: str, rows: Iterable[Row]) -> list[Mean]:
    pairs = [(row, one) for row in rows if (one := row.measurement(name)) is not None and one.ratio is not None]
    if not pairs:
        return []
    ratios = [one.ratio.median for _, one in pairs if one.ratio]
    counts = [float(row.item.layer.count) for row, _ in pairs]
    worst = int(np.argmax(ratios))
    row = pairs[worst][0]
    where = row.item.layer.name if group == row.item.group else str(row.item)
    extrapolated = sum(one.is_extrapolated(row.item) for row, one in pairs)
    return [Mean(name, group, len(pairs), geometric_mean(ratios), geometric_mean(ratios, counts), ratios[worst], where, extrapolated)]


def exponents(comparison: Comparison) -> tuple[Exponent, ...]:
    """Return the exponent of each kernel whose problems span three decades or more; extrapolated times are left out."""
    found = []
    for name in comparison.names:
        points = [(row.item.problem.macs, one.seconds.median) for row, one in _timed(comparison, name) if not one.is_extrapolated(row.item)]
        if not _spans(points, _DECADES):
            continue
        least = min(seconds for _, seconds in points)
        fixed = max((macs for macs, seconds in points if seconds < _FIXED * least), default=0)  # up to here a call's fixed cost counts
        large = [point for point in points if point[0] > fixed]
        wide = _spans(large, _LARGE_DECADES)
        found.append(Exponent(name, _slope(points), _range(points), _slope(large) if wide else None, _range(large) if wide else None))
    return tuple(found)


def _timed(comparison: Comparison, name: str) -> list[tuple[Row, Measurement]]:
    return [(row, one) for row in comparison.rows if (one := row.measurement(name)) is not None]


def _range(points: list[tuple[int, float]]) -> tuple[int, int]:
    return min(macs for macs, _ in points), max(macs for macs, _ in points)


def _spans(points: list[tuple[int, float]], decades: float) -> bool:
    if len(points) < 3:
        return False
    low, high = _range(points)
    return math.log10(high / low) >= decades


def _slope(points: list[tuple[int, float]]) -> float:
    """Return the least-squares slope of log time over log multiply-adds."""
    logarithms = np.log(np.array(points, float))
    return float(np.polyfit(logarithms[:, 0], logarithms[:, 1], 1)[0])
