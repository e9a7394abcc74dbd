"""The report in text: the verdict first and last, what refutes the kernel between, in at most 25 lines unless more is asked for."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from convverify.campaign.report import FAILED, KNOWN, REFUTED, VERIFIED, Counterexample, Report
from convverify.judging.properties import in_order
from convverify.naming import is_nameable
from convverify.reporting.facts import figures, summary, worst_of
from convverify.reporting.picture import around, channel_map, wrong_map
from convverify.reporting.plain import one_line
from convverify.reporting.snippet import replay_line, snippet
from convverify.reporting.source import from_here, source_of

_COLOURS = {VERIFIED: "bold green", KNOWN: "bold green", REFUTED: "bold red", FAILED: "bold red"}
_OTHERS = "bold yellow"
_CALLS_SHOWN = 6  # of those that must come before
_INLINE_SNIPPET = 30  # lines; a longer one is named by its file
_MANY = 4  # lines, behind which the verdict is repeated
LINES = 24  # of a report: with its header, a run fits in 25


class Detail(IntEnum):
    """How much of a report is printed: one line, what one acts on, or everything."""

    QUIET = 0
    SHORT = 1
    FULL = 2


@dataclass(frozen=True)
class Part:
    """Lines that are shown together.  Parts of the highest rank are left out first; those of rank 0 are always shown."""

    lines: Sequence[Text]
    rank: int = 0


def _safe(text: str) -> str:
    return escape(one_line(text))


def as_text(report: Report, width: int = 100) -> str:
    """Return the report in full, as plain text."""
    return _text(lambda console: show(report, console, Detail.FULL), width)


def short_text(report: Report, width: int = 100) -> str:
    """Return what a terminal shows of the report unless more is asked for, as plain text."""
    return _text(lambda console: show(report, console), width)


def counterexample_text(report: Report, example: Counterexample, *, with_snippet: bool = True) -> str:
    """Return one counterexample as plain text; its snippet can be left out, as a replay shows it."""

    def write(console: Console) -> None:
        page = _Page(console, Detail.FULL)
        _print(console, [*_counterexample(page, report, example), *(_snippet(page, report, example, {}) if with_snippet else [])])

    return _text(write)


def statistics_text(report: Report) -> str:
    """Return the verdict's line and what was tried as plain text."""

    def write(console: Console) -> None:
        page = _Page(console, Detail.FULL)
        _print(console, [_verdict(page, report), *_statistics(page, report)])

    return _text(write)


def _text(write: Callable[[Console], None], width: int = 100) -> str:
    file = io.StringIO()
    write(Console(file=file, width=width, no_color=True, force_terminal=False, highlight=False, emoji=False))
    return file.getvalue()


def show(
    report: Report,
    console: Console,
    detail: Detail = Detail.SHORT,
    *,
    snippets: Mapping[str, str] | None = None,
    wrote: Sequence[str] = (),
) -> None:
    """Print the report: the verdict, what refutes the kernel, what to do next, and the verdict again where that is far up.

    `snippets` names the files in which snippets are, by their cases; `wrote` are the files that the run has left.
    """
    page = _Page(console, detail)
    first = _verdict(page, report)
    if detail == Detail.QUIET:
        _print(console, [first])
        return
    parts = [first, *_body(page, report, snippets or {})]
    last = list(_next(page, report))
    if wrote:
        last.append(page.prose(_safe(f"wrote {', '.join(wrote)}")))
    if sum(len(part.lines) for part in [*parts, *last]) - len(first.lines) > _MANY:
        last.append(_last(page, report))
    if detail == Detail.SHORT:
        parts = _fitting(parts, LINES - sum(len(part.lines) for part in last))
    _print(console, [*parts, *last])


def _fitting(parts: list[Part], room: int) -> list[Part]:
    """Leave out parts, those of the highest rank first, until the rest fits."""
    while sum(len(part.lines) for part in parts) > room and (highest := max(part.rank for part in parts)):
        left_out = max(number for number, part in enumerate(parts) if part.rank == highest)
        parts = [part for number, part in enumerate(parts) if number != left_out]
    return parts


def _print(console: Console, parts: Sequence[Part]) -> None:
    for part in parts:
        for line in part.lines:
            console.print(line, soft_wrap=True, highlight=False)


class _Page:
    """Makes parts for a console, with a certain detail."""

    def __init__(self, console: Console, detail: Detail) -> None:
        self.console, self.detail = console, detail

    def lines(self, lines: Sequence[str], indent: int = 4, rank: int = 0) -> Part:
        """Return lines as they are: to be copied, or aligned."""
        return Part([Text(" " * indent + one_line(line)) for line in lines], rank)

    def prose(self, markup: str, indent: int = 0, rank: int = 0) -> Part:
        """Return a sentence: on a terminal broken between words, elsewhere in one line."""
        text = Text.from_markup(markup, emoji=False)
        if not self.console.is_terminal:
            return Part([Text(" " * indent) + text], rank)
        wrapped = text.wrap(self.console, max(20, self.console.width - indent - 2))
        return Part([Text(" " * (indent + 2 * (number > 0))) + line for number, line in enumerate(wrapped)], rank)

    def gap(self, rank: int = 0) -> Part:
        """Return an empty line."""
        return Part([Text("")], rank)


def _headline(report: Report) -> str:
    return f"[{_COLOURS.get(report.verdict, _OTHERS)}]{report.headline}[/]  {_safe(report.options.target)}"


def _verdict(page: _Page, report: Report) -> Part:
    return page.prose(f"{_headline(report)}: {_safe(summary(report))}")


def _last(page: _Page, report: Report) -> Part:
    """Return the verdict in short: what one wants to see at the end of a long output."""
    refuted = ", ".join(dict.fromkeys(example.property for example in report.counterexamples))
    return page.prose(_headline(report) + (f": {_safe(refuted)}" if refuted else ""))


def _body(page: _Page, report: Report, snippets: Mapping[str, str]) -> Iterator[Part]:
    """Yield what stands between verdict and end."""
    full = page.detail == Detail.FULL
    for number, example in enumerate(report.counterexamples):
        if full or not number:
            yield page.gap()
            yield from _counterexample(page, report, example)
            yield from _snippet(page, report, example, snippets)
        else:
            yield page.gap(rank=9)
            yield page.prose(f"[bold red]{_safe(example.property)}[/]: {_safe(example.sentence)}")
            yield page.lines([replay_line(report, example)], 2, rank=2)
    if report.counterexamples and (report.reference_faults or report.degenerate or report.warnings):
        yield page.gap(rank=9)
    yield from _reference_faults(page, report)
    for found in report.degenerate:
        yield page.prose(f"[yellow]degenerate[/]  {_safe(found.property)}: {_safe(found.sentence)}: {_safe(found.case)}", rank=4)
    for warning in report.warnings:
        yield page.prose(f"[yellow]note[/]  {_safe(warning)}", rank=4)
    if full and report.statistics.cases:
        yield page.gap()
        yield from _statistics(page, report)
    elif report.started is not None and report.ok:
        yield page.prose(_safe(f"judged on {_extent(report)}"), rank=5)


def _extent(report: Report) -> str:
    """Return what of a kernel was explored."""
    assert report.started is not None
    declared = ", ".join(report.started.keywords) or "no parameters (stride 1, VALID, one group)"
    dtypes = sorted({name.removeprefix("dtype ") for name in report.statistics.results if name.startswith("dtype ")})
    return f"{declared}; {', '.join([report.started.data_format, *dtypes])}; problems of up to {report.started.max_macs} multiply-adds"


def _next(page: _Page, report: Report) -> Iterator[Part]:
    """Yield what to do next."""
    more = "" if page.detail == Detail.FULL else " (-v shows all properties and counts)"
    if report.verdict == REFUTED and report.statistics.cases:
        yield page.gap()
        yield page.prose(_safe(f"next: fix the kernel, then run the replay line{more}"))
    elif report.verdict == VERIFIED and report.statistics.cases:
        options = report.options
        plain = is_nameable(options.target) and not (options.data_format or options.python or options.domain)
        if step := f"time it with `convverify compare {options.target}`" if plain else "":
            yield page.prose(_safe(f"next: {step}{more}"))
    elif report.statistics.cases and more:
        yield page.prose(_safe(more.strip(" ()")))


def _counterexample(page: _Page, report: Report, example: Counterexample) -> Iterator[Part]:
    yield page.prose(f"[bold red]{_safe(example.property)}[/]: {_safe(example.sentence)}")
    yield page.lines([f"{'smallest case' if example.reproduced else 'case'}: {example.case}"], 2)
    for boundary in example.boundaries:
        yield page.prose(_safe(boundary), 4, rank=5)
    if example.minimal and example.reproduced:
        yield page.prose("minimal: with any extent reduced by one, it passes", 4, rank=10)
    if example.reproduced and not example.minimal:
        yield page.prose("(smaller cases may fail, too: there was no time to try them)", 4, rank=8)
    yield from _frames(page, example)
    yield from _values(page, report, example)
    for number, diagnosis in enumerate(example.diagnosis):
        yield page.prose(f"[bold]{_safe(diagnosis)}[/]", 2, rank=min(number, 1) * 5)
    for note in example.notes:
        yield page.prose(_safe(note), 2, rank=6)
    if example.others > 0:
        yield page.prose(f"{example.others} more case{'s' if example.others > 1 else ''} failed in the same way", 2, rank=7)
    if example.history:
        calls = [f"  {line}" for line in example.history[:_CALLS_SHOWN]]
        if (more := len(example.history) - _CALLS_SHOWN) > 0:
            calls.append(f"  and {more} more, which the file of the corpus holds")
        yield page.lines(["after these calls:", *calls], 2, rank=4)
    if source := source_of(report.options.target):
        yield page.lines([f"source: {from_here(source[0])}{f':{source[1]}' if source[1] else ''}"], 2)
    yield page.lines(["replay:", f"  {replay_line(report, example)}"], 2)


def _snippet(page: _Page, report: Report, example: Counterexample, snippets: Mapping[str, str]) -> Iterator[Part]:
    """Yield the snippet, or the name of its file."""
    lines, file = snippet(report, example), snippets.get(example.case)
    if file and (page.detail == Detail.SHORT or len(lines) > _INLINE_SNIPPET):
        yield page.lines([f"snippet: {from_here(file)}"], 2, rank=3)
    else:
        yield page.lines(["snippet:", *(f"  {line}" for line in lines)], 2, rank=9)


def _frames(page: _Page, example: Counterexample) -> Iterator[Part]:
    """Yield where an exception was raised, the innermost line last."""
    if example.finding is None or not example.finding.frames:
        return
    *outer, inner = (
        [f"{from_here(frame.file)}:{frame.line}, in {frame.function}", *([f"    {frame.source}"] if frame.source else [])]
        for frame in example.finding.frames
    )
    yield page.lines(["raised here:"], 2)
    for lines in outer:
        yield page.lines(lines, rank=5)
    yield page.lines(inner)


def _values(page: _Page, report: Report, example: Counterexample) -> Iterator[Part]:
    worst = worst_of(report, example)
    if worst is None:
        return
    yield page.prose(_safe(worst.sentence), 2)
    yield page.lines(around(worst.finding, worst.index), rank=2)
    place = f", {worst.where}" if worst.where else ""
    yield page.prose(f"wrong: {int(worst.wrong.sum())} of {worst.wrong.size} elements{_safe(place)}", 2, rank=5)
    if worst.wrong.size > 1:
        yield page.lines(wrong_map(worst.wrong), rank=6)
        yield page.lines(channel_map(worst.wrong), rank=7)


def _reference_faults(page: _Page, report: Report) -> Iterator[Part]:
    versions = report.environment
    shown = 4 if page.detail == Detail.FULL else 2
    for fault in report.reference_faults[:shown]:
        version = versions.get(fault.reference, "")
        text = f"{fault.reference}{' ' + version if version else ''} is wrong, not the kernel: {fault.sentence}"
        yield page.prose(f"[yellow]reference[/]  {_safe(text)}", rank=4)
        yield page.lines([f"case: {fault.case}"], 2, rank=4)
    if (more := len(report.reference_faults) - shown) > 0:
        yield page.lines([f"and {more} more kind{'s' if more > 1 else ''}; --json lists them"], 2, rank=4)


def _statistics(page: _Page, report: Report) -> Iterator[Part]:
    if not report.statistics.cases:
        return
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for column, justify in (("property", "left"), ("judged", "right"), ("", "left")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]  # a literal, as rich asks
    for entry in in_order():
        if report.options.asks(entry.name) or entry.name in report.without:
            refuted = any(example.property == entry.name for example in report.counterexamples)
            said = "[red]refuted[/]" if refuted else "[yellow]left out[/]" if entry.name in report.without else ""
            table.add_row(entry.name, str(report.statistics.judged.get(entry.name, 0)), said)
    with page.console.capture() as captured:
        page.console.print(table)
    yield Part([Text.from_ansi(line) for line in captured.get().rstrip("\n").split("\n")])
    for figure in figures(report):
        yield page.prose(_safe(figure))
