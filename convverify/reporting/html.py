"""The HTML report: one file that needs no network.

A template of Jinja2 escapes whatever is put into it, and `printable` shows control characters as text; a Content-Security-Policy forbids
the page to load anything, and to run any script but its own.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from convverify import __version__
from convverify.campaign.report import Counterexample, Report
from convverify.judging.properties import in_order
from convverify.naming import is_nameable
from convverify.reporting import charts, geometry
from convverify.reporting.facts import figures, header, summary, worst_of
from convverify.reporting.geometry import Picture
from convverify.reporting.picture import around, channel_map
from convverify.reporting.plain import shown
from convverify.reporting.snippet import check_line, replay_line, snippet
from convverify.reporting.source import from_here, source_of


def to_html(reports: Sequence[Report]) -> str:
    """Return a page for one report or several, the verdicts first."""
    part = files("convverify.reporting.page")
    script = part.joinpath("report.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, finalize=shown, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    verdicts = ", ".join(f"{report.options.target} {report.verdict}" for report in reports)
    return environment.from_string(part.joinpath("report.html.j2").read_text(encoding="utf-8")).render(
        title=f"convverify: {verdicts}",
        reports=[_told(report) for report in reports],
        style=Markup(part.joinpath("report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=__version__,
        written=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )


def to_cell(report: Report) -> str:
    """Return what a notebook shows below a cell: the report as on a terminal, and all figures to unfold."""
    from convverify.reporting.terminal import short_text, statistics_text

    shown = f"<pre style='white-space:pre-wrap;margin:0'>{escape(short_text(report))}</pre>"
    if not report.statistics.cases:
        return shown
    return f"{shown}<details><summary>all properties and counts</summary><pre>{escape(statistics_text(report))}</pre></details>"


def _told(report: Report) -> dict[str, Any]:
    """Return what the template shows of a report."""
    return {
        "report": report,
        "summary": summary(report),
        "header": header(report.options),
        "rerun": check_line(report) if is_nameable(report.options.target) else "",
        "source": _source(report),
        "counterexamples": [_counterexample(report, example) for example in report.counterexamples],
        "properties": list(_properties(report)),
        "figures": figures(report),
        "charts": _charts(report),
        "missed": report.statistics.coverage()[2],
        "options": [
            (name, text) for name, value in dataclasses.asdict(report.options).items() if name != "target" and (text := _option(value))
        ],
    }


def _option(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def _counterexample(report: Report, example: Counterexample) -> dict[str, Any]:
    entries = {entry.name: entry.summary for entry in in_order()}
    told: dict[str, Any] = {
        "example": example,
        "meaning": entries.get(example.property, ""),
        "facts": list(_facts(example)),
        "pictures": geometry.pictures(example, report.axes[0]),
        "replay": replay_line(report, example),
        "snippet": "\n".join(snippet(report, example)),
        "frames": "\n".join(_frames(example)),
        "around": "",
        "channels": "",
    }
    if worst := worst_of(report, example):
        told["facts"].insert(0, worst.sentence)
        told["around"] = "\n".join(around(worst.finding, worst.index))
        told["channels"] = "\n".join(channel_map(worst.wrong)[1:])
        if worst.where:
            told["facts"].insert(1, f"wrong: {worst.where}")
    return told


def _source(report: Report) -> str:
    """Return where the kernel is defined, as file:line; "" where that is not known."""
    source = source_of(report.options.target)
    return "" if source is None else from_here(source[0]) + (f":{source[1]}" if source[1] else "")


def _frames(example: Counterexample) -> Iterable[str]:
    """Yield where an exception was raised, the innermost place last."""
    for frame in example.finding.frames if example.finding else ():
        yield f"{from_here(frame.file)}:{frame.line}, in {frame.function}"
        if frame.source:
            yield f"    {frame.source}"


def _facts(example: Counterexample) -> Iterable[str]:
    yield from example.boundaries
    if example.reproduced:
        yield (
            "minimal: with any extent reduced by one, it passes"
            if example.minimal
            else "smaller cases may fail, too: there was no time to try them"
        )
    if example.others > 0:
        yield f"{example.others} more case{'s' if example.others > 1 else ''} failed in the same way"


def _properties(report: Report) -> Iterable[dict[str, Any]]:
    refuted = {example.property for example in report.counterexamples}
    for entry in in_order():
        if report.options.asks(entry.name):
            judged = report.statistics.judged.get(entry.name, 0)
            outcome = "refuted" if entry.name in refuted else "" if judged else "not judged"
            yield {"name": entry.name, "judged": judged, "outcome": outcome, "summary": entry.summary}


def _charts(report: Report) -> list[Picture]:
    statistics = report.statistics
    loading = f"{statistics.startup:.1f} s more for loading the reference." if statistics.startup >= 0.05 else ""
    met, possible, _ = statistics.coverage()
    drawn = [
        Picture("Error over bound", charts.histogram(statistics), "Cases on real numbers. Above the bound, a kernel is refuted."),
        Picture("Sizes tried", charts.sizes(statistics), f"{len(statistics.sizes)} of {statistics.cases} cases, evenly chosen."),
        Picture("Where time went", charts.times(statistics), loading),
        Picture(
            "Pairwise coverage",
            charts.coverage(statistics),
            f"{met} of {possible} pairs of features were tried together. The stronger the colour, the more cases (by their logarithm). "
            "An empty cell is a pair that this run did not draw, and no failure.",
        ),
    ]
    return [picture for picture in drawn if picture.drawing]
