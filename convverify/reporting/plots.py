"""The figures of a comparison: speed against problem, roofline, accuracy against speed, and cost against multiply-adds.

Colours are those of Okabe and Ito (2008), which colour-blind people can tell apart; every kernel has a marker of its own as well.
Matplotlib comes with the extra `plot`, and is imported when a figure is drawn.
"""

from __future__ import annotations

import datetime
import importlib.util
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convverify import __version__
from convverify.compare.contenders import READY
from convverify.compare.machine import accumulator
from convverify.compare.results import Comparison, Measurement, Row
from convverify.compare.summary import exponents
from convverify.generation.corpus import write_whole
from convverify.reporting.compare_text import quantity, short_names
from convverify.reporting.plain import one_line

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("s", "^", "D", "v", "P", "X")
_WIDTH, _ROW, _LEAST_HEIGHT, _PANEL = 14.0, 0.19, 9.0, 4.3  # inches
_WIDE = 20.0  # ratio of speeds from which on an axis is logarithmic
_TITLE = 140  # characters of a line
_SHORT = 150.0  # ratio of an axis's ends
_GREY = "#666666"
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}


@dataclass(frozen=True)
class _Style:
    label: str
    colour: str
    marker: str
    filled: bool

    @property
    def marks(self) -> dict[str, Any]:
        face = self.colour if self.filled else "none"
        return {"marker": self.marker, "linestyle": "none", "markeredgecolor": self.colour, "markerfacecolor": face, "markersize": 5.5}


def is_available() -> bool:
    """Return whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def write(comparison: Comparison, path: Path) -> None:
    """Draw a comparison that has rows into a PNG or SVG file, by the name's ending.  Raises OSError where it cannot be written."""
    from matplotlib import rc_context

    with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "convverify"}):
        figure = draw(comparison)
        buffer = io.BytesIO()
        ending = path.suffix.lower().lstrip(".")
        figure.savefig(buffer, format=ending, dpi=130, metadata={"Date": None} if ending == "svg" else None)
    write_whole(path, buffer.getvalue())


def draw(comparison: Comparison) -> Any:
    """Return the figure, of matplotlib: the speeds on the left, the other panels one below the other on the right."""
    from matplotlib.figure import Figure

    panels = [_roofline, _accuracy] + ([_cost] if exponents(comparison) else [])
    lines = len(comparison.rows) + len({row.item.group for row in comparison.rows})
    height = max(_LEAST_HEIGHT, _PANEL * len(panels), _ROW * lines + 2.0)
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    spare = max(0.0, height - (_PANEL + 0.6) * len(panels) - 1.0)
    grid = figure.add_gridspec(len(panels) + bool(spare), 2, height_ratios=[_PANEL] * len(panels) + [spare] * bool(spare))
    styles = _styles(comparison)
    speeds = figure.add_subplot(grid[:, 0])
    _speeds(speeds, comparison, styles)
    for number, panel in enumerate(panels):
        panel(figure.add_subplot(grid[number, 1]), comparison, styles)
    handles, labels = speeds.get_legend_handles_labels()
    figure.suptitle(_title(comparison), x=0.01, ha="left", fontsize=11)
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 6), frameon=False)
    return figure


def _styles(comparison: Comparison) -> dict[str, _Style]:
    """Return how each kernel is drawn: the reference in black, TensorFlow with tensors ready as the reference, hollow."""
    found, number, short = {}, 0, short_names(comparison.names)
    for name in comparison.names:
        label = one_line(short[name]).replace("$", r"\$")
        if name in (comparison.reference, READY):
            found[name] = _Style(label, "#000000", "o", name == comparison.reference)
        else:
            found[name] = _Style(label, _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)], number < len(_COLOURS))
            number += 1
    return found


def _measured(comparison: Comparison, name: str) -> Iterator[tuple[Row, Measurement]]:
    for row in comparison.rows:
        one = row.measurement(name)
        if one is not None:
            yield row, one


def _speed(row: Row, one: Measurement) -> float:
    return _speed_of(row, one.seconds.median)


def _speed_of(row: Row, seconds: float) -> float:
    return row.operations / max(seconds, 1e-9) / 1e9


def _title(comparison: Comparison) -> str:
    """Return two lines: which kernels, on which problems; then the machine, the number of threads, and the day."""
    short = short_names(comparison.names)
    others = ", ".join(one_line(short[name]) for name in comparison.names if name not in (comparison.reference, READY))
    groups = ", ".join(one_line(group) for group in dict.fromkeys(row.item.group for row in comparison.rows))
    machine = comparison.machine
    where = [f"{one_line(machine.processor)}, {machine.threads} thread{'s' if machine.threads > 1 else ''}"] if machine else []
    day = datetime.date.today().isoformat()
    lines = f"{others} compared with {one_line(comparison.reference)}: {groups}", ", ".join([*where, day, f"convverify {__version__}"])
    return "\n".join(line if len(line) <= _TITLE else f"{line[: _TITLE - 3]}..." for line in lines).replace("$", r"\$")


def _speeds(axes: Any, comparison: Comparison, styles: dict[str, _Style]) -> None:
    """Speed against problem: a line for each, under the heading of its group."""
    labels: list[str] = []
    position: dict[int, int] = {}
    headings = []
    group = None
    for row in comparison.rows:
        if row.item.group != group:
            group = row.item.group
            headings.append(len(labels))
            labels.append(one_line(group))
        position[id(row)] = len(labels)
        labels.append(one_line(row.item.layer.name if row.item.suite else str(row.item.problem))[:60].replace("$", r"\$"))
    speeds: list[float] = []
    for name, style in styles.items():
        measured = list(_measured(comparison, name))
        if measured:
            x, y = [_speed(row, one) for row, one in measured], [position[id(row)] for row, _ in measured]
            speeds += x
            slow = [_speed_of(row, max(one.seconds.high, one.seconds.median)) for row, one in measured]
            fast = [_speed_of(row, min(one.seconds.low, one.seconds.median)) for row, one in measured]
            axes.hlines(y, slow, fast, color=style.colour, linewidth=1.0)
            axes.plot(x, y, label=style.label, **style.marks, clip_on=False)
    axes.set_yticks(range(len(labels)), labels)
    for number, tick in enumerate(axes.get_yticklabels()):
        tick.set_fontweight("bold" if number in headings else "normal")
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    for line in position.values():
        axes.axhline(line, color="#e6e6e6", linewidth=0.6, zorder=0)
    _peaks(axes, comparison, along="x")
    if max(speeds) > _WIDE * min(speeds):
        _logarithmic(axes, "x")
    else:
        axes.set_xlim(left=0.0)
    axes.set_xlabel("speed, GFLOP/s (lines: quartiles; dashed: matrix product)")
    axes.set_title("Speed of each problem", loc="left")


def _dtypes(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys(accumulator(row.item.problem.dtype) for row in comparison.rows))


def _peaks(axes: Any, comparison: Comparison, along: str) -> None:
    if comparison.machine is None:
        return
    for dtype in _dtypes(comparison):
        draw_line = axes.axvline if along == "x" else axes.axhline
        draw_line(comparison.machine.peak(dtype) / 1e9, color=_GREY, linestyle="--", linewidth=0.9, zorder=0)


def _roofline(axes: Any, comparison: Comparison, styles: dict[str, _Style]) -> None:
    """Speed against operations a byte, under the roof of what the machine copies and multiplies (Williams, Waterman, Patterson 2009)."""
    machine = comparison.machine
    intensities = [row.intensity for row in comparison.rows]
    low, high = min(intensities) / 2, max(intensities) * 2
    if machine is not None:
        for dtype in _dtypes(comparison):
            peak, bandwidth = machine.peak(dtype) / 1e9, machine.bandwidth / 1e9
            ridge = peak / bandwidth
            low, high = min(low, ridge / 4), max(high, ridge * 4)
            x = np.array([low, ridge, high])
            axes.plot(x, np.minimum(peak, x * bandwidth), color=_GREY, linewidth=1.2, zorder=1)
            text = f"{dtype} product {peak:.0f} GFLOP/s"
            axes.annotate(text, (high, peak), (0, 4), textcoords="offset points", ha="right", color=_GREY, bbox=_PAPER)
        axes.annotate(
            f"copy {machine.bandwidth / 1e9:.0f} GB/s", (low, low * machine.bandwidth / 1e9), (6, -3), textcoords="offset points",
            color=_GREY, va="top", ha="left",
        )  # fmt: skip
    for name, style in styles.items():
        points = [(row.intensity, _speed(row, one)) for row, one in _measured(comparison, name)]
        if points:
            axes.plot(*zip(*points, strict=True), **style.marks, alpha=0.8)
    axes.set_xlim(low, high)
    _logarithmic(axes, "x")
    _logarithmic(axes, "y")
    axes.set_xlabel("operations for each byte of operands and result")
    axes.set_ylabel("GFLOP/s")
    axes.set_title("Roofline (a problem that the caches hold may lie above the slope)", loc="left")


def _accuracy(axes: Any, comparison: Comparison, styles: dict[str, _Style]) -> None:
    """Norm of the error, relative to that of the exact result, against time, as a multiple of the reference's."""
    for name, style in styles.items():
        points = [(one.ratio.median, one.error) for _, one in _measured(comparison, name) if one.ratio is not None and one.error]
        if points and name != READY:
            axes.plot(*zip(*points, strict=True), **style.marks, alpha=0.8)
    axes.axvline(1.0, color=_GREY, linewidth=0.9, zorder=0)
    axes.set_xlabel(f"time, as a multiple of that of {one_line(comparison.reference)}")
    axes.set_ylabel("norm of the error / norm of the exact result")
    axes.set_title("Accuracy against speed (better: down and left)", loc="left")
    _logarithmic(axes, "x")
    _logarithmic(axes, "y")


def _cost(axes: Any, comparison: Comparison, styles: dict[str, _Style]) -> None:
    """Seconds against multiply-adds, with the exponents that were fitted."""
    fitted = {exponent.name: exponent for exponent in exponents(comparison)}
    for name, style in styles.items():
        points = sorted(
            (row.item.problem.macs, one.seconds.median) for row, one in _measured(comparison, name) if not one.is_extrapolated(row.item)
        )
        if name not in fitted:
            continue
        exponent = fitted[name]
        text = f"{style.label}: power {exponent.all:.2f}"
        if exponent.large is not None and exponent.large_macs is not None:
            text += f", {exponent.large:.2f} from {quantity(exponent.large_macs[0])}"
        axes.plot(*zip(*points, strict=True), **style.marks, label=text)
    _logarithmic(axes, "x")
    _logarithmic(axes, "y")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** (0.08 * len(fitted) + 0.05))  # room for the legend
    axes.legend(frameon=False, loc="upper left")
    axes.set_xlabel("multiply-adds")
    axes.set_ylabel("seconds of a call")
    axes.set_title("Cost against multiply-adds", loc="left")


def _logarithmic(axes: Any, which: str) -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2 and 5 where it is short, and powers of ten where it is long."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = getattr(axes, f"{which}axis")
    getattr(axes, f"set_{which}scale")("log")
    low, high = getattr(axes, f"get_{which}lim")()
    if high < _SHORT * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, position: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
