"""Pictures in text: where the wrong elements of an output are, and what stands there.

Arrays are in NHWC order.  What names an axis, an index or a shape takes `axes`: those of NHWC in the kernel's own order, (0, 3, 1, 2) for
NCHW, so that the author of a kernel reads indices as the kernel has them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.judging.trial import Finding

Mask: TypeAlias = npt.NDArray[np.bool_]
Axes: TypeAlias = Sequence[int]

NHWC: Axes = (0, 1, 2, 3)
_NAMES = ("batch", "row", "column", "channel")
_ROWS, _COLUMNS = 14, 64
_DIGITS, _MOST_DIGITS = 6, 17  # significant digits that are shown; 17 tell any two numbers of float64 apart
_SMALL, _WHOLE = 1e-4, 1e15  # between these no exponent is written, up to the second integers are written whole


def wrong_map(wrong: Mask) -> list[str]:
    """Return lines that show an NHWC mask over height x width: '.' right, '#' wrong in every image and channel, '+' in some.

    A large output is shown in blocks.
    """
    lines, (down, across) = wrong_blocks(wrong, _ROWS, _COLUMNS)
    if down > 1 or across > 1:
        lines.append(f"(each character stands for {down} x {across} outputs)")
    return lines


def wrong_blocks(wrong: Mask, rows: int, columns: int) -> tuple[list[str], tuple[int, int]]:
    """Return the map of `wrong_map` in at most `rows` lines of at most `columns` characters, and the extents of a character's block."""
    if wrong.ndim != 4 or not wrong.size:
        return [], (1, 1)
    some, every = np.asarray(wrong.any(axis=(0, 3))), np.asarray(wrong.all(axis=(0, 3)))
    down, across = -(-some.shape[0] // rows), -(-some.shape[1] // columns)
    lines = []
    for top in range(0, some.shape[0], down):
        row = ""
        for left in range(0, some.shape[1], across):
            block = (slice(top, top + down), slice(left, left + across))
            row += "#" if every[block].all() else "+" if some[block].any() else "."
        lines.append(row)
    return lines, (down, across)


def channel_map(wrong: Mask) -> list[str]:
    """Return lines that show the mask over batch (down) x channels (across): '#' all outputs wrong, '+' some, '.' none.

    Only where some images or channels are right: else it says nothing.
    """
    if wrong.ndim != 4 or not wrong.size:
        return []
    some, every = np.asarray(wrong.any(axis=(1, 2))), np.asarray(wrong.all(axis=(1, 2)))
    if some.all():
        return []
    rows = [
        "".join("#" if every[n, k] else "+" if some[n, k] else "." for k in range(min(some.shape[1], _COLUMNS)))
        for n in range(min(len(some), _ROWS))
    ]
    cut = len(some) > _ROWS or some.shape[1] > _COLUMNS
    return ["batch x channels:", *rows, *([f"(of {some.shape[0]} x {some.shape[1]})"] if cut else [])]


def where(wrong: Mask, axes: Axes = NHWC) -> str:
    """Return in words along which axes of the kernel's result the wrong elements lie, in its own order; "" where they are everywhere."""
    if wrong.ndim != 4 or not wrong.any() or wrong.all():
        return ""
    parts = []
    for axis in axes:
        hit = np.asarray(wrong.any(axis=tuple(other for other in range(4) if other != axis)))
        indices = np.flatnonzero(hit)
        if len(indices) < len(hit):
            parts.append(f"{_NAMES[axis]} {_told(indices, len(hit))}")
    return "only " + ", ".join(parts) if parts else ""


def _told(indices: npt.NDArray[np.intp], extent: int) -> str:
    """Say a set of indices as a range, as every n-th, or as a list."""
    first, last = int(indices[0]), int(indices[-1])
    if len(indices) == 1:
        return f"{first} of 0..{extent - 1}"
    steps = np.diff(indices)
    if (steps == 1).all():
        return f"{first}..{last} of 0..{extent - 1}"
    if (steps == steps[0]).all():
        return f"{first}, {first + int(steps[0])}, ... (every {int(steps[0])}th) of 0..{extent - 1}"
    shown = ", ".join(str(int(i)) for i in indices[:8])
    return f"{shown}{', ...' if len(indices) > 8 else ''} of 0..{extent - 1}"


def own_order(nhwc: Sequence[int], axes: Axes = NHWC) -> tuple[int, ...]:
    """Return an index or a shape, which is kept in NHWC order, in the order that the kernel has."""
    return tuple(int(nhwc[axis]) for axis in axes) if len(nhwc) == 4 else tuple(map(int, nhwc))


def place(name: str, nhwc: Sequence[int], axes: Axes = NHWC) -> str:
    """Return how the kernel's author writes an element: y[0, 2, 1, 3], its index in the kernel's own order."""
    return f"{name}[{', '.join(map(str, own_order(nhwc, axes)))}]"


def around(finding: Finding, index: Sequence[int]) -> list[str]:
    """Return lines with expected and actual over the rows and columns around an element (NHWC), its image and channel fixed.

    Expected and actual of an element have as many digits as tell them apart.
    """
    assert finding.expected is not None
    assert finding.actual is not None
    assert finding.wrong is not None
    n, i, j, k = index
    rows = range(max(0, i - 1), min(finding.expected.shape[1], i + 2))
    columns = range(max(0, j - 2), min(finding.expected.shape[2], j + 3))
    cells = {
        (row, column): numbers_apart(float(finding.expected[n, row, column, k]), float(finding.actual[n, row, column, k]))
        for row in rows
        for column in columns
    }
    width = max((len(text) for pair in cells.values() for text in pair), default=0)
    lines = []
    for which, title in enumerate(("expected", "actual")):
        for number, row in enumerate(rows):
            marks = ["*" if which and finding.wrong[n, row, column, k] else " " for column in columns]
            shown = "".join(
                f"{cells[row, column][which]}{mark}".rjust(max(13, width + 3)) for column, mark in zip(columns, marks, strict=True)
            )
            lines.append(f"{'' if number else title:9}{shown}".rstrip())
    return lines


def number_text(value: float, digits: int = _DIGITS) -> str:
    """Return a number with so many significant digits at most, and whole where it is an integer: short enough for a table."""
    if not math.isfinite(value):
        return f"{value:g}"
    if value == int(value) and abs(value) < _WHOLE:
        return str(int(value))
    if _SMALL <= abs(value) < _WHOLE:  # without an exponent, and no digit of its integer part is lost
        digits = max(digits, len(str(int(abs(value)))))
        return np.format_float_positional(value, precision=digits, unique=True, fractional=False, trim="-")
    return f"{value:.{digits}g}"


def numbers_apart(one: float, other: float) -> tuple[str, str]:
    """Return two numbers that are shown beside each other, with as many digits as tell them apart."""
    for digits in range(_DIGITS, _MOST_DIGITS):
        texts = number_text(one, digits), number_text(other, digits)
        if texts[0] != texts[1] or one == other:
            return texts
    return number_text(one, _MOST_DIGITS), number_text(other, _MOST_DIGITS)
