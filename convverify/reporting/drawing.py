"""What drawings in the HTML report are made of: shapes whose colours are classes of the page's style sheet, so that they follow it into
the dark and onto paper.

svg.py does not escape what it is given: text goes through `label` and `tip` here, which do, and classes are words of ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import svg
from markupsafe import Markup, escape

from convverify.reporting.plain import printable

LETTER = 6.2  # width of a letter of the drawings' font, in pixels, roughly


def label(x: float, y: float, text: str, *names: str, anchor: str = "start", rotate: float = 0.0) -> svg.Element:
    """Return a text whose baseline begins, is centred, or ends at a point."""
    turned: list[svg.Transform] | None = [svg.Rotate(rotate, round(x, 2), round(y, 2))] if rotate else None
    return svg.Text(
        x=round(x, 2), y=round(y, 2), text=str(escape(printable(text))), class_=["label", *names],
        text_anchor=anchor, transform=turned,  # type: ignore[arg-type]  # one of three words
    )  # fmt: skip


def box(x: float, y: float, width: float, height: float, *names: str, tip: str = "") -> svg.Element:
    """Return a rectangle; `tip` is shown where a pointer rests on it."""
    title: list[svg.Element] | None = [svg.Title(text=str(escape(printable(tip))))] if tip else None
    return svg.Rect(
        x=round(x, 2), y=round(y, 2), width=round(max(width, 0.0), 2), height=round(max(height, 0.0), 2), class_=list(names), elements=title
    )


def line(x1: float, y1: float, x2: float, y2: float, *names: str) -> svg.Element:
    """Return a straight line."""
    return svg.Line(x1=round(x1, 2), y1=round(y1, 2), x2=round(x2, 2), y2=round(y2, 2), class_=list(names))


def dots(points: Sequence[tuple[float, float]], *names: str) -> svg.Element:
    """Return dots, as one path of strokes without length and with round ends: two thousand of them are small so."""
    data: list[svg.PathData] = []
    for x, y in points:
        data += [svg.M(round(x, 1), round(y, 1)), svg.h(0)]
    return svg.Path(d=data, class_=list(names))


def drawing(width: float, height: float, elements: list[svg.Element], title: str, *names: str) -> Markup:
    """Return an SVG element for a page, of a size in pixels, with a title for those who cannot see it."""
    name = str(escape(printable(title)))
    picture = svg.SVG(
        width=math.ceil(width), height=math.ceil(height), viewBox=svg.ViewBoxSpec(0, 0, math.ceil(width), math.ceil(height)),
        elements=[svg.Title(text=name), *elements], class_=list(names), extra={"role": "img"},
    )  # fmt: skip
    return Markup(str(picture))  # made of numbers, of words of ours, and of text that was escaped above


def decades(largest: float) -> list[int]:
    """Return the powers of ten from 1 up to the first that is not below `largest`."""
    return [10**power for power in range(1 + max(1, math.ceil(math.log10(max(largest, 1.0)))))]


def short(number: int) -> str:
    """Return a number in as few characters as will do: 0, 850, 12k, 3M."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return str(number)
