"""The page: everything in one file of HTML, which loads nothing and runs no script."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from convverify.generation.corpus import write_whole
from convverify.reporting.history import changes, figures, tables
from convverify.reporting.history.model import History, Series
from convverify.reporting.plain import shown

_LINES = 8  # that a picture has colours for


def page_of(history: History, factor: float | None = None) -> str:
    """Return the page; `factor` is what counts as a change (default: what the results themselves say is noise)."""
    from jinja2 import Environment, StrictUndefined

    source = importlib.resources.files(__package__).joinpath("history.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, finalize=shown, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        source
    )
    found = changes.regressions(history, factor)
    kernels, rows = tables.heat_map(history)
    return template.render(
        history=history,
        newest=history.commits[-1],
        kernels=kernels,
        rows=rows,
        groups=tables.grouped(history, found),
        lasting=sum(one.resolved is None for one in found),
        resolved=sum(one.resolved is not None for one in found),
        factors=[(topic, f"{value:.2f}") for topic, value in sorted(changes.factors(history).items())] if factor is None else [],
        factor=factor,
        roofline=_roofline(history),
        accuracy=_accuracy(history),
        histories=list(_histories(history)),
        failing=tables.failing(history),
    )


def write_page(history: History, path: Path, factor: float | None = None) -> None:
    """Write the page, whole or not at all."""
    write_whole(path, page_of(history, factor))


def _roofline(history: History) -> Markup | None:
    dots = tables.roofline(history)
    peak, bandwidth = tables.newest_value(history, "machine", "track_peak"), tables.newest_value(history, "machine", "track_bandwidth")
    if not dots or peak is None or bandwidth is None:
        return None
    return figures.scatter("roofline", dots, "operations for each byte read or written", "GFLOP/s", (peak, bandwidth))


def _accuracy(history: History) -> Markup | None:
    dots = tables.accuracy_against_speed(history)
    return figures.scatter("accuracy", dots, "nanoseconds for a multiply-add", "worst error, in units of u |x| * |w|") if dots else None


def _histories(history: History) -> Iterator[tuple[str, Markup]]:
    """Yield (title, picture) of what was measured at two commits at least: times and ratios by kernel; then what has no kernel."""
    for topic, unit, scale in (("speed", "ms", 1e3), ("ratio", "times TensorFlow", 1.0)):
        for kernel in dict.fromkeys(series.kernel for series in history.of(topic)):
            mine = [series for series in history.of(topic) if series.kernel == kernel]
            if any(len(series.points) > 1 for series in mine):
                title = mine[0].title if topic == "speed" else f"{kernel}: times TensorFlow"
                yield title, figures.over_commits(f"{topic} {kernel}", mine, history.commits, unit, scale)
    rest: dict[str, list[Series]] = {}
    ours = any(history.of("ratio"))
    for series in history.series:
        if ours and series.topic in ("harness", "importing", "machine") and len(series.points) > 1:
            rest.setdefault(f"{series.topic}: {series.unit}", []).append(series)
        elif not ours and series.topic != "speed":  # another project's: a picture for each of its benchmarks
            title = series.title if series.title != series.name else series.name.replace(".", ": ", 1)
            rest.setdefault(f"{title} ({series.unit})", []).append(series)
    for title, mine in rest.items():
        for first in range(0, len(mine), _LINES):
            part = mine[first : first + _LINES]
            told = title if len(mine) <= _LINES else f"{title}, {first + 1} to {first + len(part)} of {len(mine)}"
            yield told, figures.over_commits(told, part, history.commits, mine[0].unit, logarithmic=False)
