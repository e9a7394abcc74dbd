"""Pictures, drawn by Matplotlib as SVG for inclusion in a page; their colours are the page's, so that they follow it into the dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from markupsafe import Markup, escape

from convverify.reporting.history.model import Commit, Series
from convverify.reporting.history.tables import Dot
from convverify.reporting.plain import printable

_TEXT, _LINE, _BACK = "#010101", "#020202", "#030303"  # stand for colours of the style sheet
_PLACES = 8
_MARKERS = "os^DvPX*"
_HOVER = "markers-"  # begins the ids of lines
_VARIABLES = {_TEXT: "var(--text)", _LINE: "var(--line)", _BACK: "var(--page)"} | {
    f"#0a0a{number:02x}": f"var(--series-{number})" for number in range(_PLACES)
}


def _colour(number: int) -> str:
    return f"#0a0a{number % _PLACES:02x}"


@contextmanager
def _figure(name: str, width: float, height: float) -> Iterator[tuple[Any, Any]]:
    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 10.0, "axes.linewidth": 0.8,
        "text.color": _TEXT, "axes.labelcolor": _TEXT, "axes.edgecolor": _LINE, "xtick.color": _TEXT, "ytick.color": _TEXT,
        "grid.color": _LINE, "axes.grid": True, "grid.linewidth": 0.5, "axes.axisbelow": True, "legend.frameon": False,
        "axes.spines.top": False, "axes.spines.right": False,
    }  # fmt: skip
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        figure.patch.set_alpha(0.0)
        axes.patch.set_alpha(0.0)
        yield figure, axes


def _svg(figure: Any, title: str, tips: Sequence[Sequence[str]]) -> Markup:
    """Return the figure as an SVG element, without the prologue of a file and with names for colours.

    `tips` has, for each line whose id ends with its number, what each of its markers says when a pointer rests on it.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Title": title})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'^<svg ([^>]*?)width="[\d.]+pt" height="[\d.]+pt"', r'<svg role="img" \1', text, count=1, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    for number, said in enumerate(tips):
        text = _with_tips(text, f'<g id="{_HOVER}{number}">', said)
    return Markup(text)  # Matplotlib escapes the text that it draws


def _with_tips(text: str, start: str, tips: Sequence[str]) -> str:
    """Return an SVG in which the first markers behind `start` have titles."""
    head, found, tail = text.partition(start)
    remaining = iter(tips)

    def titled(marker: re.Match[str]) -> str:
        return f"{marker[1]}><title>{escape(printable(next(remaining)))}</title></use>"

    return head + found + re.sub(r"(<use [^>]*?)\s*/>", titled, tail, count=len(tips)) if found and tips else text


def _logarithmic(axes: Any, which: str) -> None:
    """Scale axes logarithmically, with ticks at 1, 2 and 5 that are written as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for name in which:
        axes.set(**{f"{name}scale": "log"})
        axis = getattr(axes, f"{name}axis")
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def over_commits(
    name: str, series: Sequence[Series], commits: Sequence[Commit], unit: str, scale: float = 1.0, *, logarithmic: bool = True
) -> Markup:
    """Return the history of some series: a line for each, with bars from quartile to quartile, over the commits."""
    with _figure(name, 5.4, 3.4) as (figure, axes):
        tips: list[list[str]] = []
        for number, one in enumerate(series):
            points = [point for point in one.points if point.value is not None]
            if not points:
                continue
            x, y = [point.commit for point in points], [scale * (point.value or 0.0) for point in points]
            below = [scale * max(0.0, (point.value or 0.0) - point.low) for point in points]
            above = [scale * max(0.0, point.high - (point.value or 0.0)) for point in points]
            label = ", ".join(one.parameters) or one.title.rpartition(": ")[2]
            line, *_ = axes.errorbar(
                x, y, yerr=[below, above], color=_colour(number), marker=_MARKERS[number % _PLACES], markersize=4, linewidth=1.2,
                capsize=2.5, label=label,
            )  # fmt: skip
            line.set_gid(f"{_HOVER}{len(tips)}")
            tips.append([f"{label}, {commits[place].short}: {value:.4g} {unit}" for place, value in zip(x, y, strict=True)])
            failed = [point.commit for point in one.points if point.value is None]
            axes.plot(failed, [y[-1]] * len(failed), linestyle="none", marker="x", markersize=8, color=_colour(number))
        if logarithmic and all(point.value is None or point.value > 0 for one in series for point in one.points):
            _logarithmic(axes, "y")
        else:
            axes.set_ylim(bottom=0)
        axes.set_ylabel(unit)
        axes.set_xticks(range(len(commits)), [commit.short[:7] for commit in commits], rotation=90, fontsize=7)
        axes.set_xlim(-0.5, len(commits) - 0.5)
        figure.legend(loc="outside upper center", ncols=2, fontsize=9)
        return _svg(figure, name, tips)


def scatter(name: str, dots: Sequence[Dot], x_label: str, y_label: str, roof: tuple[float, float] | None = None) -> Markup:
    """Return kernels on problems in a plane of two quantities, both logarithmic.

    `roof` is (GFLOP/s of a matrix product, GB/s of a copy): no kernel that does all the multiply-adds is above.
    """
    with _figure(name, 5.4, 4.2) as (figure, axes):
        tips: list[list[str]] = []
        for number, kernel in enumerate(_kernels(dots)):
            mine = [dot for dot in dots if dot.kernel == kernel]
            (line,) = axes.plot(
                [dot.x for dot in mine], [dot.y for dot in mine], linestyle="none", marker=_MARKERS[number % _PLACES], markersize=6,
                color=_colour(number), label=kernel,
            )  # fmt: skip
            line.set_gid(f"{_HOVER}{number}")
            tips.append([f"{kernel} on {dot.problem}: {dot.x:.3g} {x_label}, {dot.y:.3g} {y_label}" for dot in mine])
        _logarithmic(axes, "xy")
        if roof:
            peak, bandwidth = roof
            low, high = axes.get_xlim()
            ridge = peak / bandwidth
            x = [min(low, ridge / 2), ridge, max(high, 2 * ridge)]
            axes.plot(
                x, [x[0] * bandwidth, peak, peak], color=_TEXT, linewidth=1.4, label=f"roof: {peak:.0f} GFLOP/s, {bandwidth:.1f} GB/s"
            )
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        figure.legend(loc="outside upper center", ncols=2, fontsize=9)
        return _svg(figure, name, tips)


def _kernels(dots: Iterable[Dot]) -> list[str]:
    return list(dict.fromkeys(dot.kernel for dot in dots))
