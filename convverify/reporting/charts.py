"""Charts of the HTML report: errors over their bounds, sizes, pairwise coverage, and where time went."""

from __future__ import annotations

import math
from collections import Counter

import svg
from markupsafe import Markup

from convverify.campaign.statistics import FEATURES, Statistics
from convverify.reporting.drawing import LETTER, box, decades, dots, drawing, label, line, short

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 420, 230, 46, 40, 12
_CELL, _MARGIN = 13, 56
_NARROW = 340  # pixels that a phone has room for
_PARTS = ("part-a", "part-b", "part-c", "part-d", "part-e")


def histogram(statistics: Statistics) -> Markup:
    """Return the histogram of the worst error of each case as a fraction of its bound, of the cases on the rounding stage."""
    counts = statistics.histogram
    if not counts:
        return Markup("")
    powers = decades(max(counts.values()))
    wide, tall, bottom = (_WIDTH - _LEFT - 12) / 21, _HEIGHT - _TOP - _BOTTOM, _HEIGHT - _BOTTOM

    def height(count: int) -> float:
        return tall * (0.06 + 0.94 * math.log10(count) / math.log10(powers[-1])) if count else 0.0

    elements: list[svg.Element] = []
    for count in (0, *powers):
        y = bottom - height(count)
        elements += [line(_LEFT, y, _WIDTH - 8, y, "grid"), label(_LEFT - 6, y + 4, short(count), anchor="end")]
    for number in range(21):
        count, left = counts.get(number, 0), _LEFT + number * wide
        tip = f"{number / 20:.2f} to {number / 20 + 0.05:.2f} of the bound: {count} cases" if number < 20 else f"the bound: {count} cases"
        elements.append(box(left + 1, bottom - height(count), wide - 2, height(count), "bar", tip=tip))
    elements += [label(_LEFT + number * wide, bottom + 15, f"{number / 20:g}", anchor="middle") for number in range(0, 21, 4)]
    elements.append(line(_LEFT + 20 * wide, _TOP, _LEFT + 20 * wide, bottom, "limit"))
    elements.append(label(_LEFT + 20 * wide - 4, _TOP + 9, "the bound", "strong", anchor="end"))
    elements.append(label((_LEFT + _WIDTH) / 2, _HEIGHT - 6, "worst error of a case / its bound", anchor="middle"))
    elements.append(label(11, _TOP + tall / 2, "cases", anchor="middle", rotate=-90))
    return drawing(_WIDTH, _HEIGHT, elements, "Histogram of error over bound", "fits")


def sizes(statistics: Statistics) -> Markup:
    """Return the scatter of problems: terms of an output element across, output elements up, by their logarithms; 0 lies below."""
    points = Counter((terms, macs // terms if terms else 0) for macs, terms in statistics.sizes)
    if not points:
        return Markup("")
    across, up = decades(max(terms for terms, _ in points)), decades(max(outputs for _, outputs in points))
    wide, tall, bottom = _WIDTH - _LEFT - 40, _HEIGHT - _TOP - _BOTTOM - 22, _HEIGHT - _BOTTOM - 22

    def x(value: int) -> float:
        return _LEFT + 18 + (wide * math.log10(value) / math.log10(across[-1]) if value else -14)

    def y(value: int) -> float:
        return bottom - tall * math.log10(value) / math.log10(up[-1]) if value else bottom + 20

    elements: list[svg.Element] = []
    for value in up[:: 1 + len(up) // 6]:
        elements += [line(_LEFT, y(value), _WIDTH - 8, y(value), "grid"), label(_LEFT - 6, y(value) + 4, short(value), anchor="end")]
    for value in across:
        elements += [line(x(value), _TOP, x(value), bottom + 26, "grid"), label(x(value), _HEIGHT - 24, short(value), anchor="middle")]
    if any(not outputs for _, outputs in points):
        elements += [line(_LEFT, y(0), _WIDTH - 8, y(0), "grid"), label(_LEFT - 6, y(0) + 4, "0", anchor="end")]
    elements.append(dots([(x(terms), y(outputs)) for terms, outputs in points], "dots"))
    elements.append(label((_LEFT + _WIDTH) / 2, _HEIGHT - 6, "products summed for one output element", anchor="middle"))
    elements.append(label(11, _TOP + tall / 2, "output elements", anchor="middle", rotate=-90))
    return drawing(_WIDTH, _HEIGHT, elements, "Sizes of the problems that were tried", "fits")


def times(statistics: Statistics) -> Markup:
    """Return a bar that shows what the campaign's seconds went into."""
    shares = statistics.shares()
    total = sum(shares.values())
    if not total:
        return Markup("")
    wide = _WIDTH - 16
    elements: list[svg.Element] = []
    left = 8.0
    for number, (name, seconds) in enumerate(shares.items()):
        part = wide * seconds / total
        elements.append(box(left, 8, part, 26, _PARTS[number], tip=f"{name}: {seconds:.2f} s"))
        left += part
        column, row = 8 + (number % 2) * 200, 58 + (number // 2) * 20
        elements.append(box(column, row - 10, 12, 12, _PARTS[number]))
        elements.append(label(column + 18, row, f"{name} {seconds:.2f} s, {seconds / total:.0%}"))
    return drawing(_WIDTH, 106, elements, "Where time went", "fits")


def coverage(statistics: Statistics) -> Markup:
    """Return pairwise coverage as a heat map: how many cases had a class of one feature together with a class of another.

    Counts are told apart by their logarithm; a pair that was not met is an empty cell.
    """
    classes = statistics.classes()
    names = [(feature, name) for feature in FEATURES for name in classes[feature]]
    if not names:
        return Markup("")
    gap = {feature: 7 * number for number, feature in enumerate(FEATURES)}
    place = {name: number * _CELL + gap[name[0]] for number, name in enumerate(names)}
    left = LETTER * max(len(f"{feature} {name}") for feature, name in names) + 14
    side = len(names) * _CELL + 7 * len(FEATURES)
    most = math.log1p(max(statistics.crosses.values(), default=1))
    elements: list[svg.Element] = []
    for i, (a, first) in enumerate(names):
        for b, second in names[:i]:
            if a == b:
                continue
            count = statistics.crosses.get((b, second, a, first), 0)
            heat = f"heat-{math.ceil(6 * math.log1p(count) / most)}" if count else "heat-0"
            tip = f"{b}={second} with {a}={first}: {count or 'none'}{' case' if count == 1 else ' cases' if count else ''}"
            elements.append(box(left + place[b, second], _MARGIN + place[a, first], _CELL - 1.5, _CELL - 1.5, "heat", heat, tip=tip))
    for feature, name in names[len(classes[FEATURES[0]]) :]:
        elements.append(label(left - 6, _MARGIN + place[feature, name] + _CELL - 3.5, f"{feature} {name}", anchor="end"))
    for feature, name in names[: -len(classes[FEATURES[-1]])]:
        x, y = left + place[feature, name] + _CELL / 2 - 1, _MARGIN + _first_row(names, place, feature) - 6
        elements.append(label(x + 3, y, f"{feature} {name}", "small", rotate=-90))
    width = left + side - len(classes[FEATURES[-1]]) * _CELL + 30
    return drawing(width, side + _MARGIN + 4, elements, "Pairwise coverage", *(["broad"] if width > _NARROW else []))


def _first_row(names: list[tuple[str, str]], place: dict[tuple[str, str], int], feature: str) -> int:
    """Return where the column of a class of `feature` begins: at the first class of the next feature."""
    following = FEATURES[FEATURES.index(feature) + 1 :]
    return min(place[name] for name in names if name[0] in following)
