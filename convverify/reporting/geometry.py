"""Drawings of a counterexample: what the wrong output element reads, the kernel, and where the output is wrong.

Rows and columns are those of the padded image; the numbers at the edges are those of the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import svg
from markupsafe import Markup

from convverify.campaign.report import Counterexample
from convverify.judging.properties.values import worst_index
from convverify.operands.case import Case
from convverify.problems.problem import Problem
from convverify.reporting.drawing import box, drawing, label
from convverify.reporting.picture import NHWC, Axes, number_text, place, wrong_blocks

_SPAN, _TAPS, _AROUND = 14, 40, 2  # rows or columns shown, of a large receptive field, and around a small one
_LETTERS = 5  # of a value that fits into a cell
_MAP_ROWS, _MAP_COLUMNS = 32, 44
_VALUES_OF = 1 << 20  # elements of operands that are made for the sake of a drawing
_EDGE = 26
_SIGNS = {".": "right", "+": "wrong in some images or channels", "#": "wrong"}
_LEGEND = {
    "image": "image", "image tap": "image, read", "pad": "padding", "pad tap": "padding, read", "beyond tap": "read beyond the padding",
}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A drawing, with what it shows in words."""

    title: str
    drawing: Markup
    caption: str
    legend: tuple[tuple[str, str], ...] = ()  # classes of cells, and what they mean


def pictures(example: Counterexample, axes: Axes = NHWC) -> list[Picture]:
    """Return the drawings that go with a counterexample; indices are told in the order of the kernel, `axes` of NHWC."""
    case = Case.parse(example.case)
    index = _element(example, case.problem)
    x, w = _operands(case.problem, case)
    drawn = [_image(case.problem, index, axes, x), _kernel(case.problem, index, w)]
    finding = example.finding
    if finding is not None and finding.wrong is not None and finding.wrong.ndim == 4 and finding.wrong.size:
        drawn.append(_output(finding.wrong, index, axes))
    return drawn


def _element(example: Counterexample, problem: Problem) -> tuple[int, int, int, int]:
    """Return the worst element of the output; the first one where nothing is known of the values."""
    finding = example.finding
    if finding is not None and finding.wrong is not None and finding.expected is not None and finding.actual is not None:
        index = worst_index(finding, problem.dtype)
        if index is not None and len(index) == 4:
            n, i, j, k = (int(part) for part in index)
            return n, i, j, k
    return 0, 0, 0, 0


def _operands(problem: Problem, case: Case) -> tuple[npt.NDArray[np.float64] | None, npt.NDArray[np.float64] | None]:
    """Return x and w where their values can be drawn: one input channel goes into an output element."""
    small = math.prod(problem.x_shape) + math.prod(problem.w_shape) <= _VALUES_OF
    if problem.w_shape[2] != 1 or not small:
        return None, None
    x, w = case.values()
    return x.astype(np.float64), w.astype(np.float64)


def _group(problem: Problem, channel: int) -> range:
    """Return the input channels that an output channel reads."""
    width = problem.w_shape[2]
    group = channel // max(1, problem.out_channels // problem.groups)
    return range(group * width, (group + 1) * width)


def _image(problem: Problem, index: tuple[int, int, int, int], axes: Axes, x: npt.NDArray[np.float64] | None) -> Picture:
    """Draw the padded image around the taps of one output element."""
    n, i, j, k = index
    (top, bottom), (left, right) = problem.pads
    down, across = (
        range(start, start + extent * dilation, dilation)
        for start, extent, dilation in (
            (i * problem.strides[0], problem.kernel_height, problem.dilations[0]),
            (j * problem.strides[1], problem.kernel_width, problem.dilations[1]),
        )
    )
    high, wide = top + problem.height + bottom, left + problem.width + right
    rows, columns = _window(down, high), _window(across, wide)
    channels = _group(problem, k)
    values = None if x is None or n >= len(x) or not channels or channels[0] >= x.shape[3] else x[n, :, :, channels[0]]
    size = _cell(len(columns), _shown(values, rows, columns, (top, left)))
    elements: list[svg.Element] = []
    drawn: set[str] = set()
    inside = outside = 0
    for row in rows:
        for column in columns:
            tap = row in down and column in across
            within = top <= row < top + problem.height and left <= column < left + problem.width
            inside, outside = inside + (tap and within), outside + (tap and not within)
            kind = "image" if within else "pad" if row < high and column < wide else "beyond"
            y0, x0 = _EDGE + (row - rows[0]) * size, _EDGE + (column - columns[0]) * size
            drawn.add(f"{kind} tap" if tap else kind)
            elements.append(box(x0, y0, size - 1, size - 1, kind, *(["tap"] if tap else [])))
            if values is not None and within and size >= 22:
                elements.append(_value(x0, y0, size, values[row - top, column - left]))
    elements += _numbers(rows, columns, (top, left), size)
    taps = problem.kernel_height * problem.kernel_width
    element = place("y", index, axes) if not problem.is_empty else "The output has no elements; its first one"
    read = f"{element} {'would read' if problem.is_empty else 'reads'} {problem.kernel_height} x {problem.kernel_width} places"
    if inside + outside == taps and outside:
        read += f", {outside} of them outside the image"
    read += f", in {_told_channels(channels, problem.in_channels)}"
    cut = [f"{name} {part[0] - edge} to {part[-1] - edge}" for name, part, edge, all_ in
           (("rows", rows, top, high), ("columns", columns, left, wide)) if len(part) < all_]  # fmt: skip
    read += f". Shown: {' and '.join(cut)} of {problem.height} x {problem.width}" if cut else ""
    title = f"Image {n} of x" + (f", channel {channels[0]}" if values is not None else "")
    legend = tuple((kind, meaning) for kind, meaning in _LEGEND.items() if kind in drawn)
    return Picture(title, _sheet(rows, columns, size, elements, title), read + ".", legend)


def _told_channels(channels: range, of: int) -> str:
    if len(channels) == 1:
        return f"channel {channels[0]} of {of}" if of > 1 else "the only channel"
    return f"channels {channels[0]} to {channels[-1]} of {of}" if channels else "no channel"


def _window(taps: Sequence[int], extent: int) -> range:
    """Return the rows (or columns) to show: those of the taps, a few around them, and more as far as there is room."""
    first, last = max(0, taps[0] - _AROUND), max(taps[-1] + 1, min(extent, taps[-1] + 1 + _AROUND))
    if last - first > _TAPS:
        return range(taps[0], taps[0] + _TAPS)
    while last - first < _SPAN and (first > 0 or last < extent):
        first, last = max(0, first - 1), last + (last < extent)
    return range(first, last)


def _kernel(problem: Problem, index: tuple[int, int, int, int], w: npt.NDArray[np.float64] | None) -> Picture:
    """Draw the kernel without its dilation."""
    k = index[3]
    rows, columns = range(min(problem.kernel_height, _SPAN)), range(min(problem.kernel_width, _SPAN))
    values = None if w is None or k >= w.shape[3] else w[:, :, 0, k]
    size = _cell(len(columns), _shown(values, rows, columns, (0, 0)))
    elements: list[svg.Element] = []
    for row in rows:
        for column in columns:
            y0, x0 = _EDGE + row * size, _EDGE + column * size
            elements.append(box(x0, y0, size - 1, size - 1, "image", "tap"))
            if values is not None and size >= 22:
                elements.append(_value(x0, y0, size, values[row, column]))
    elements += _numbers(rows, columns, (0, 0), size)
    told = [
        f"{name} {pair[0]} x {pair[1]}" for name, pair in (("strides", problem.strides), ("dilations", problem.dilations)) if pair != (1, 1)
    ]
    (top, bottom), (left, right) = problem.pads
    if problem.padding != "VALID":
        told.append(f"pads {top} above, {bottom} below, {left} left, {right} right")
    if problem.groups > 1:
        told.append(f"{problem.groups} groups")
    text = f"{problem.kernel_height} x {problem.kernel_width}" + "".join(f", {part}" for part in told)
    title = f"Kernel w, output channel {k}" if values is not None else "Kernel w"
    return Picture(title, _sheet(rows, columns, size, elements, title), f"{text}.")


def _output(wrong: npt.NDArray[np.bool_], index: tuple[int, int, int, int], axes: Axes) -> Picture:
    """Draw the map of wrong elements over height x width."""
    lines, (down, across) = wrong_blocks(wrong, _MAP_ROWS, _MAP_COLUMNS)
    rows, columns = range(len(lines)), range(len(lines[0]))
    size = _cell(len(columns), 0)
    kinds = {".": "right", "+": "partly", "#": "wrong"}
    elements = [
        box(_EDGE + column * size, _EDGE + row * size, size - 1, size - 1, kinds[lines[row][column]]) for row in rows for column in columns
    ]
    i, j = index[1] // down, index[2] // across
    elements.append(box(_EDGE + j * size - 0.5, _EDGE + i * size - 0.5, size, size, "worst"))
    elements += _numbers(rows, columns, (0, 0), size, (down, across))
    text = f"{int(wrong.sum())} of {wrong.size} elements are wrong; the outlined one is {place('y', index, axes)}."
    if down > 1 or across > 1:
        text += f" A cell stands for {down} x {across} elements."
    legend = tuple((kinds[sign], meaning) for sign, meaning in _SIGNS.items() if any(sign in line for line in lines))
    return Picture("Output y", _sheet(rows, columns, size, elements, "Map of wrong output elements"), text, legend)


def _shown(values: npt.NDArray[np.float64] | None, rows: range, columns: range, edges: tuple[int, int]) -> int:
    """Return the letters of the longest value that is seen; 0 where values do not fit, and are not shown."""
    if values is None or max(len(rows), len(columns)) > _SPAN + 2:
        return 0
    (top, left), first, last = edges, (rows[0], columns[0]), (rows[-1], columns[-1])
    seen = values[max(0, first[0] - top) : max(0, last[0] - top + 1), max(0, first[1] - left) : max(0, last[1] - left + 1)]
    longest = max((len(number_text(float(value))) for value in seen.flat), default=0)
    return longest if longest <= _LETTERS else 0


def _cell(columns: int, letters: int) -> int:
    """Return the pixels of a cell."""
    if letters:
        return max(24, 7 * letters + 8)
    return max(9, min(21, 420 // max(1, columns)))


def _value(x: float, y: float, size: int, value: float) -> svg.Element:
    return label(x + size / 2, y + size / 2 + 4, number_text(float(value)), "value", anchor="middle")


def _numbers(rows: range, columns: range, edges: tuple[int, int], size: int, blocks: tuple[int, int] = (1, 1)) -> list[svg.Element]:
    """Return the numbers of rows and columns, as many as there is room for."""
    every = [1 if size >= 20 and (part[-1] - edge) * block < 100 else 5 for part, edge, block in
             ((rows, edges[0], blocks[0]), (columns, edges[1], blocks[1]))]  # fmt: skip
    elements = []
    for row in rows:
        if (number := (row - edges[0]) * blocks[0]) % every[0] == 0 or len(rows) < 6:
            elements.append(label(_EDGE - 5, _EDGE + (row - rows[0]) * size + size / 2 + 4, str(number), "small", anchor="end"))
    for column in columns:
        if (number := (column - edges[1]) * blocks[1]) % every[1] == 0 or len(columns) < 6:
            elements.append(label(_EDGE + (column - columns[0]) * size + size / 2, _EDGE - 7, str(number), "small", anchor="middle"))
    return elements


def _sheet(rows: range, columns: range, size: int, elements: list[svg.Element], title: str) -> Markup:
    return drawing(_EDGE + len(columns) * size + 4, _EDGE + len(rows) * size + 4, elements, title)
