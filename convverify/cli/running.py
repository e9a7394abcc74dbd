"""What the commands do: verify or replay, and show the outcome."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from convverify.api import make_options, read_case
from convverify.campaign.options import Options
from convverify.campaign.replaying import judge_once, what_says
from convverify.campaign.report import EXIT_STATUS, INTERRUPTED, REFUTED, USAGE, VERIFIED, WORSE, Report
from convverify.campaign.statistics import Statistics
from convverify.campaign.verification import Verification
from convverify.cli import interruption
from convverify.cli.failures import told_failure
from convverify.cli.listening import Heard
from convverify.generation import corpus
from convverify.problems.domain import Domain
from convverify.problems.dtypes import DEFAULT_DTYPES
from convverify.problems.problem import Problem
from convverify.problems.size import bytes_needed, too_large
from convverify.problems.suites import find_suite
from convverify.reporting import files, github
from convverify.reporting.facts import header
from convverify.reporting.plain import one_line, printable
from convverify.reporting.progress import TerminalProgress
from convverify.reporting.terminal import Detail, show
from convverify.targets import resolve


def check(
    targets: tuple[str, ...], values: dict[str, Any], written: dict[str, str | None], source: str = "", detail: Detail = Detail.SHORT
) -> int:
    """Verify each target and print its report; return the exit status: the worst of them.

    `written` holds the files to write, by their form, before the last report is printed (its reader may be gone).  `source` says which
    configuration file has decided which options.  Signals are heeded while a campaign runs and while something is printed.
    """
    console = make_console()
    files.check_places(written | {"write-known": values.get("write_known")})
    chosen = [_options(target, values) for target in targets]
    reports: list[Report] = []
    for options in chosen:
        report = _verified(options, console, source, detail)
        reports.append(report)
        if report.verdict in (USAGE, INTERRUPTED) or len(reports) == len(chosen):
            break
        try:
            _announce(report, console, detail)
        except KeyboardInterrupt:
            _write(written, reports)
            raise
    status, sentence = _write(written, reports)
    _announce(reports[-1], console, detail, () if status else files.told(written | {"known": values.get("write_known")}))
    if sentence:
        print(f"convverify: {one_line(sentence)}", file=sys.stderr)
    return max((status, *(report.exit_status for report in reports)), key=WORSE.index)


def _verified(options: Options, console: Console, source: str, detail: Detail) -> Report:
    """Return the report on one target: of all that was found out, where something ends the run before its time."""
    heard = Heard(options)
    try:
        report = _run(heard, console, source, detail)
    except KeyboardInterrupt:
        report = heard.report(INTERRUPTED, "interrupted")
    except Exception as error:  # no kernel's: theirs are findings
        report = heard.report(*told_failure(error))
    if interruption.came() and report.verdict != INTERRUPTED:
        report = replace(report, verdict=INTERRUPTED)  # code at work took the exception for its own
    return replace(report, environment=report.environment | {"options from": source}) if source else report


def _run(heard: Heard, console: Console, source: str, detail: Detail) -> Report:
    interruption.heed()
    try:
        if detail == Detail.QUIET:
            return Verification(heard.options, heard, resolve).run()
        console.print(header(heard.options, source), highlight=False, soft_wrap=True, markup=False)
        progress = heard.listener = TerminalProgress(console, heard.options, verbose=detail == Detail.FULL)
        try:
            return Verification(heard.options, heard, resolve).run()
        finally:
            progress.close()
    finally:
        interruption.hold()


def _write(written: dict[str, str | None], reports: list[Report]) -> tuple[int, str]:
    """Write the files; return the exit status that comes of it, and a sentence where that is not 0."""
    try:
        files.write(written, reports)
    except click.ClickException as error:
        return EXIT_STATUS[USAGE], error.format_message()
    except Exception as error:
        verdict, sentence = told_failure(error)
        return EXIT_STATUS[verdict], sentence
    return 0, ""


def _announce(report: Report, console: Console, detail: Detail, wrote: Sequence[str] = ()) -> None:
    interruption.heed()
    try:
        if report.verdict == USAGE:
            print(f"convverify: {one_line(report.sentence)}", file=sys.stderr)
        else:
            show(report, console, detail, snippets=files.write_snippets(report), wrote=wrote)
        if github.wanted():
            for line in github.commands(report):
                print(line)
    finally:
        interruption.hold()


def make_console() -> Console:
    """Return where reports go: 100 columns where that is no terminal."""
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, emoji=False, width=100)
    return console


def _options(target: str, values: dict[str, Any]) -> Options:
    chosen = dict(values)
    chosen["dtypes"] = chosen.get("dtypes") or DEFAULT_DTYPES
    chosen["properties"] = chosen.get("properties") or None
    chosen["data_format"] = chosen["data_format"].upper() if chosen.get("data_format") else None
    try:
        options = make_options(target, chosen)
        if (narrowest := Domain.of(options.domain).restrict(Problem())) is not None:
            _check_size(narrowest)
        for line in options.problems:
            _check_size(Problem.parse(line))
        if options.suite:  # of which single layers may be left out
            _check_size(min((layer.problem for layer in find_suite(options.suite, options.batch)), key=bytes_needed))
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from None
    return options


def _check_size(problem: Problem) -> None:
    """Raise ValueError for a problem that is too large for this machine."""
    if told := too_large(problem):
        raise ValueError(f"problem {str(problem)!r} {told}")


def mutants(
    names: tuple[str, ...], seeds: int, seed: int, max_examples: int, jobs: int, json_file: str | None, markdown_file: str | None
) -> int:
    """Make the kill matrix and print it; return 0 where every verdict is the right one."""
    from convverify import kill_matrix

    try:
        chosen = kill_matrix.choose(names)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    console = make_console()
    rows = kill_matrix.run(
        chosen, range(seed, seed + seeds), max_examples, jobs,
        lambda row: console.print(kill_matrix.line(row), soft_wrap=True, markup=False),
    )  # fmt: skip
    for file, text in ((json_file, kill_matrix.to_json(rows) + "\n"), (markdown_file, kill_matrix.to_markdown(rows))):
        if file:
            try:
                corpus.write_whole(Path(file), text)
            except OSError as error:
                raise click.UsageError(f"file {file!r} cannot be written: {error.strerror}") from None
    console.print(kill_matrix.summary(rows), soft_wrap=True, markup=False)
    return 0 if all(row.ok for row in rows) else 1


def replay(target: str, case: str, values: dict[str, Any]) -> int:
    """Judge one case and print what comes of it; return the exit status."""
    references = values.pop("references")
    options = _options(target, values)
    console = make_console()
    try:
        parsed, history = read_case(case)
        _check_size(parsed.problem)
        report = judge_once(options, resolve, parsed, history)
        for name in references:
            other = replace(options, target=name, data_format=None, accuracy=None, accumulator=None, properties=None, sandbox=False)
            console.print(what_says(other, resolve, parsed), highlight=False, soft_wrap=True, markup=False)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if report.verdict == REFUTED:
        show(replace(report, statistics=Statistics()), console, Detail.FULL, snippets=files.write_snippets(report))
    else:
        judged = ", ".join(name for name, count in report.statistics.judged.items() if count) if report.verdict == VERIFIED else ""
        console.print(f"[bold green]PASSES[/]  {escape(printable(str(parsed)))}", soft_wrap=True)
        console.print(f"  judged: {judged or f'nothing: {report.sentence}'}", soft_wrap=True)
    return report.exit_status
