"""What the commands do: verify or replay, and show the outcome."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from convverify.api import make_options, read_case
from convverify.campaign.options import Options
from convverify.campaign.replaying import judge_once, what_says
from convverify.campaign.report import INTERRUPTED, REFUTED, USAGE, VERIFIED, Report
from convverify.campaign.statistics import Statistics
from convverify.campaign.verification import Verification
from convverify.generation import corpus
from convverify.problems.dtypes import DEFAULT_DTYPES
from convverify.reporting import files, github
from convverify.reporting.facts import header
from convverify.reporting.plain import one_line, printable
from convverify.reporting.terminal import TerminalProgress, show
from convverify.targets import resolve


def check(targets: tuple[str, ...], values: dict[str, Any], written: dict[str, str | None], source: str = "") -> int:
    """Verify each target and print its report; return the exit status: the worst of them.

    `written` holds the files to write, by their form; `source` says which configuration file has decided which options.
    """
    console = make_console()
    reports: list[Report] = []
    files.check_places(written)
    for target in targets:
        options = _options(target, values)
        console.print(header(options, source), highlight=False, soft_wrap=True, markup=False)
        progress = TerminalProgress(console, options)
        try:
            report = Verification(options, progress, resolve).run()
        finally:
            progress.close()
        if source:
            report = replace(report, environment=report.environment | {"options from": source})
        reports.append(report)
        _announce(report, console)
        if report.verdict in (USAGE, INTERRUPTED):
            break
    files.write(written, reports)
    return max((report.exit_status for report in reports), key=lambda status: (0, 3, 1, 2, 130).index(status))


def _announce(report: Report, console: Console) -> None:
    if report.verdict == USAGE:
        print(f"convverify: {one_line(report.sentence)}", file=sys.stderr)
    else:
        show(report, console)
    if github.wanted():
        for line in github.commands(report):
            print(line)


def make_console() -> Console:
    """Return where reports go: 100 columns where that is no terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=100)
    return console


def _options(target: str, values: dict[str, Any]) -> Options:
    chosen = dict(values)
    chosen["dtypes"] = chosen.get("dtypes") or DEFAULT_DTYPES
    chosen["properties"] = chosen.get("properties") or None
    chosen["data_format"] = chosen["data_format"].upper() if chosen.get("data_format") else None
    try:
        return make_options(target, chosen)
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from None


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
    console.print(kill_matrix.summary(rows), soft_wrap=True, markup=False)
    for file, text in ((json_file, kill_matrix.to_json(rows) + "\n"), (markdown_file, kill_matrix.to_markdown(rows))):
        if file:
            try:
                corpus.write_whole(Path(file), text)
            except OSError as error:
                raise click.UsageError(f"file {file!r} cannot be written: {error.strerror}") from None
    return 0 if all(row.ok for row in rows) else 1


def replay(target: str, case: str, values: dict[str, Any]) -> int:
    """Judge one case and print what comes of it; return the exit status."""
    references = values.pop("references")
    options = _options(target, values)
    console = make_console()
    try:
        parsed, history = read_case(case)
        report = judge_once(options, resolve, parsed, history)
        for name in references:
            other = replace(options, target=name, data_format=None, accuracy=None, properties=None)
            console.print(what_says(other, resolve, parsed), highlight=False, soft_wrap=True, markup=False)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if report.verdict == REFUTED:
        show(replace(report, statistics=Statistics()), console)
    else:
        judged = ", ".join(name for name, count in report.statistics.judged.items() if count) if report.verdict == VERIFIED else ""
        console.print(f"[bold green]PASSES[/]  {printable(str(parsed))}", soft_wrap=True)
        console.print(f"  judged: {judged or f'nothing: {report.sentence}'}", soft_wrap=True)
    return report.exit_status
