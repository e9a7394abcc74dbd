"""The report on a terminal: a live bar while the campaign runs, then the verdict, the counterexamples, and what was tried."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from convverify.campaign.events import Event, Failed, Finished, Found, Phase, ReferenceWrong, Slow, Started
from convverify.campaign.events import Progress as Counts
from convverify.campaign.options import Options
from convverify.campaign.report import FAILED, REFUTED, VERIFIED, Counterexample, Report
from convverify.campaign.statistics import Statistics
from convverify.judging.properties import in_order
from convverify.reporting.facts import figures, summary, worst_of
from convverify.reporting.picture import around, channel_map, wrong_map
from convverify.reporting.plain import one_line
from convverify.reporting.snippet import replay_line, snippet

_COLOURS = {VERIFIED: "bold green", REFUTED: "bold red", FAILED: "bold red"}
_OTHERS = "bold yellow"
_PLAIN_EVERY = 5.0
_CALLS_SHOWN = 6  # of those that must come before


def _safe(text: str) -> str:
    return escape(one_line(text))


class TerminalProgress:
    """Listens to a campaign: a live bar on a terminal, a plain line every few seconds elsewhere."""

    def __init__(self, console: Console, options: Options) -> None:
        self.console, self.options = console, options
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._counts: dict[int, Statistics] = {}
        self._phase, self._found, self._told = "starting", 0, time.monotonic()
        self._before = -1
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(24),
                MofNCompleteColumn(),
                TextColumn("problems"),
                TimeElapsedColumn(),
            )
            self._bar = Progress(*columns, console=console, transient=True)
            self._task = self._bar.add_task("starting", total=None)
            self._bar.start()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Phase):
            self._phase = event.name
            if event.name == "random":  # what came before has no number that is known
                self._before = max(self._before, sum(counts.problems for counts in self._counts.values()))
            self._line(force=True)
        elif isinstance(event, Slow):
            self.console.print(event.sentence, highlight=False, soft_wrap=True, markup=False)
        elif isinstance(event, Counts):
            self._counts[event.worker] = event.statistics
            self._line()
        elif isinstance(event, Found):
            self._found += 1
            self._line(force=self._found == 1)
        elif isinstance(event, Started | ReferenceWrong | Failed | Finished):
            return

    def _line(self, *, force: bool = False) -> None:
        total = Statistics()
        for counts in self._counts.values():
            total.merge(counts)
        found = f", {self._found} refuted" if self._found else ""
        if self._bar is not None:
            self._bar.update(
                self._task,
                description=f"{self._phase}{found}",
                completed=total.problems,
                total=max(total.problems, self._before + self.options.max_examples) if self._before >= 0 else None,
            )
        elif time.monotonic() - self._told > _PLAIN_EVERY or force:
            self._told = time.monotonic()
            self.console.print(f"{self._phase}: {total.cases} cases on {total.problems} problems{found}", highlight=False)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


def as_text(report: Report, width: int = 100) -> str:
    """Return the report as plain text."""
    return _text(lambda console: show(report, console), width)


def counterexample_text(report: Report, example: Counterexample, *, with_snippet: bool = True) -> str:
    """Return one counterexample as plain text; its snippet can be left out, as a replay shows it."""
    return _text(lambda console: _show_counterexample(report, example, console, with_snippet=with_snippet))


def statistics_text(report: Report) -> str:
    """Return the verdict's line and what was tried as plain text."""

    def write(console: Console) -> None:
        _show_verdict(report, console)
        if report.statistics.cases:
            _show_statistics(report, console)

    return _text(write)


def _text(write: Callable[[Console], None], width: int = 100) -> str:
    file = io.StringIO()
    write(Console(file=file, width=width, no_color=True, force_terminal=False, highlight=False, emoji=False))
    return file.getvalue()


def show(report: Report, console: Console) -> None:
    """Print the report, the verdict first."""
    _show_verdict(report, console)
    for example in report.counterexamples:
        console.print()
        _show_counterexample(report, example, console)
    if report.reference_faults:
        console.print()
        _show_reference_faults(report, console)
    for found in report.degenerate:
        _prose(console, f"[yellow]degenerate[/]  {_safe(found.property)}: {_safe(found.sentence)}: {_safe(found.case)}")
    for warning in report.warnings:
        _prose(console, f"[yellow]note[/]  {_safe(warning)}")
    if report.statistics.cases:
        console.print()
        _show_statistics(report, console)


def _show_verdict(report: Report, console: Console) -> None:
    verdict = f"[{_COLOURS.get(report.verdict, _OTHERS)}]{report.headline}[/]"
    _prose(console, f"{verdict}  {_safe(report.options.target)}: {_safe(summary(report))}")


def _lines(console: Console, lines: Iterable[str], indent: int = 4) -> None:
    """Print lines as they are: to be copied, or aligned."""
    for line in lines:
        console.print(" " * indent + _safe(line), soft_wrap=True, highlight=False)


def _prose(console: Console, markup: str, indent: int = 0) -> None:
    """Print a sentence: between words in as many lines as a terminal's width asks for, elsewhere in one."""
    if not console.is_terminal:
        console.print(" " * indent + markup, soft_wrap=True, highlight=False)
        return
    for number, line in enumerate(Text.from_markup(markup, emoji=False).wrap(console, max(20, console.width - indent - 2))):
        console.print(" " * (indent + 2 * (number > 0)), line, sep="", soft_wrap=True, highlight=False)


def _show_counterexample(report: Report, example: Counterexample, console: Console, *, with_snippet: bool = True) -> None:
    _prose(console, f"[bold red]{_safe(example.property)}[/]: {_safe(example.sentence)}")
    _lines(console, [f"{'smallest case' if example.reproduced else 'case'}: {example.case}"], 2)
    for boundary in example.boundaries:
        _prose(console, _safe(boundary), 4)
    if example.minimal and example.reproduced:
        _prose(console, "minimal: one less in any extent passes, or there is no less", 4)
    if example.reproduced and not example.minimal:
        _prose(console, "(smaller ones may fail, too: there was no time to try them all)", 4)
    _show_frames(example, console)
    _show_values(report, example, console)
    for diagnosis in example.diagnosis:
        _prose(console, f"[bold]{_safe(diagnosis)}[/]", 2)
    for note in example.notes:
        _prose(console, _safe(note), 2)
    if example.others > 0:
        _prose(console, f"{example.others} more cases failed in the same way", 2)
    if example.history:
        _lines(console, ["after these calls:", *(f"  {line}" for line in example.history[:_CALLS_SHOWN])], 2)
        if len(example.history) > _CALLS_SHOWN:
            _lines(console, [f"and {len(example.history) - _CALLS_SHOWN} more, which the file of the corpus holds"])
    _lines(console, ["replay:", f"  {replay_line(report, example)}"], 2)
    if with_snippet:
        _lines(console, ["snippet:", *(f"  {line}" for line in snippet(report, example))], 2)


def _show_frames(example: Counterexample, console: Console) -> None:
    """Show where an exception was raised, the innermost line last."""
    if example.finding is None or not example.finding.frames:
        return
    _lines(console, ["raised here:"], 2)
    for frame in example.finding.frames:
        _lines(console, [f"{_from_here(frame.file)}:{frame.line}, in {frame.function}", *([f"    {frame.source}"] if frame.source else [])])


def _from_here(file: str) -> str:
    """Return a path as one types it from here."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _show_values(report: Report, example: Counterexample, console: Console) -> None:
    worst = worst_of(report, example)
    if worst is None:
        return
    _prose(console, _safe(worst.sentence), 2)
    _lines(console, around(worst.finding, worst.index))
    place = f", {worst.where}" if worst.where else ""
    _prose(console, f"wrong: {int(worst.wrong.sum())} of {worst.wrong.size} elements{place}", 2)
    if worst.wrong.size > 1:
        _lines(console, [*wrong_map(worst.wrong), *channel_map(worst.wrong)])


def _show_reference_faults(report: Report, console: Console) -> None:
    versions = report.environment
    for fault in report.reference_faults[:4]:
        version = versions.get(fault.reference, "")
        text = f"{fault.reference}{' ' + version if version else ''} is at fault, not the kernel: {fault.sentence}"
        _prose(console, f"[yellow]reference[/]  {_safe(text)}")
        _lines(console, [f"case: {fault.case}"], 2)
    if len(report.reference_faults) > 4:
        _lines(console, [f"and {len(report.reference_faults) - 4} more kinds; --json lists them"], 2)


def _show_statistics(report: Report, console: Console) -> None:
    statistics = report.statistics
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for column, justify in (("property", "left"), ("judged", "right"), ("", "left")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]  # a literal, as rich asks
    for entry in in_order():
        if report.options.asks(entry.name) or entry.name in report.without:
            refuted = any(example.property == entry.name for example in report.counterexamples)
            said = "[red]refuted[/]" if refuted else "[yellow]left out[/]" if entry.name in report.without else ""
            table.add_row(entry.name, str(statistics.judged.get(entry.name, 0)), said)
    console.print(table)
    for figure in figures(report):
        _prose(console, _safe(figure))
