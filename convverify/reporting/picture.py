"""Pictures in text: where the wrong elements of an output are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from convverify.judging.trial import Finding

Mask = npt.NDArray[np.bool_]
_ROWS, _COLUMNS = 14, 64


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


def where(wrong: Mask) -> str:
    """Return in words along which axes the wrong elements lie; "" where they are everywhere."""
    if wrong.ndim != 4 or not wrong.any() or wrong.all():
        return ""
    parts = []
    for axis, name in enumerate(("batch", "row", "column", "channel")):
        hit = np.asarray(wrong.any(axis=tuple(other for other in range(4) if other != axis)))
        indices = np.flatnonzero(hit)
        if len(indices) < len(hit):
            parts.append(f"{name} {_told(indices, len(hit))}")
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


def around(finding: Finding, index: Sequence[int]) -> list[str]:
    """Return lines with expected and actual over the rows and columns around an element, its image and channel fixed."""
    assert finding.expected is not None
    assert finding.actual is not None
    assert finding.wrong is not None
    n, i, j, k = index
    rows = range(max(0, i - 1), min(finding.expected.shape[1], i + 2))
    columns = range(max(0, j - 2), min(finding.expected.shape[2], j + 3))
    lines = []
    for title, array in (("expected", finding.expected), ("actual", finding.actual)):
        for number, row in enumerate(rows):
            cells = []
            for column in columns:
                mark = "*" if array is finding.actual and finding.wrong[n, row, column, k] else " "
                cells.append(f"{number_text(float(array[n, row, column, k]))}{mark}".rjust(13))
            lines.append(f"{title if not number else '':9}{''.join(cells)}")
    return lines


def number_text(value: float) -> str:
    """Return a number short enough for a table, and exact where it is an integer."""
    return str(int(value)) if value == value and abs(value) < 1e9 and value == int(value) else f"{value:.6g}"
