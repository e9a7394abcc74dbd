"""What `convverify compare` does: check the options, compare, and show the outcome."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from convverify.cli import interruption
from convverify.cli.running import make_console
from convverify.compare.comparison import ReferenceUnavailable, Runner
from convverify.compare.options import CompareOptions, items_of
from convverify.compare.results import Comparison
from convverify.compare.searching import Outcome, Searcher
from convverify.generation import corpus
from convverify.problems.size import too_large
from convverify.reporting import files
from convverify.reporting.compare_search import show_outcome
from convverify.reporting.compare_text import CompareProgress, show_comparison
from convverify.reporting.plain import one_line
from convverify.targets import TargetError

_SEARCH_TIME = 60.0  # seconds
_NOT_SEARCHED = {
    "suites": "--suite", "problems": "--problem", "batches": "--batch", "rounds": "--rounds", "check_examples": "--check-examples",
    "plot_file": "--plot",
}  # fmt: skip


def compare(kernels: tuple[str, ...], values: dict[str, Any], plot_file: str | None, json_file: str | None) -> int:
    """Compare kernels and print the tables; return the exit status."""
    console = make_console()
    is_search = values.pop("search")
    if is_search:
        _check_search()
    if values["max_time"] is None:
        values["max_time"] = _SEARCH_TIME if is_search else CompareOptions.max_time
    _check_files(plot_file, json_file)
    progress = CompareProgress(console)
    try:
        options = _options(kernels, values)
        found: Comparison | Outcome = (_searcher(options, progress) if is_search else _runner(options, progress)).run()
    except ReferenceUnavailable as error:
        print(f"convverify: {one_line(str(error))}", file=sys.stderr)
        return 3
    except TargetError as error:
        raise click.UsageError(str(error)) from None
    finally:
        progress.close()
    interruption.hold()
    trouble = _write(found, plot_file, json_file)
    interruption.heed()
    if isinstance(found, Outcome):
        show_outcome(found, console)
    else:
        show_comparison(found, console)
    if trouble:
        raise click.UsageError(trouble)
    return found.exit_status


def _check_search() -> None:
    """Raise UsageError for an option that a search would ignore."""
    context = click.get_current_context()
    for name, option in _NOT_SEARCHED.items():
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"search takes no {option}: it finds problems of its own")


def _options(kernels: tuple[str, ...], values: dict[str, Any]) -> CompareOptions:
    try:
        return CompareOptions(tuple(dict.fromkeys(kernels)), **values)
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from None


def _runner(options: CompareOptions, progress: CompareProgress) -> Runner:
    try:
        for item in items_of(options):
            if told := too_large(item.problem):
                raise ValueError(f"problem {str(item.problem)!r} {told}")
        return Runner(options, progress)
    except (ValueError, TypeError) as error:  # TargetError among them
        raise click.UsageError(str(error)) from None


def _searcher(options: CompareOptions, progress: CompareProgress) -> Searcher:
    try:
        return Searcher(options, progress)
    except (ValueError, TypeError) as error:
        raise click.UsageError(str(error)) from None


def _check_files(plot_file: str | None, json_file: str | None) -> None:
    """Raise UsageError for what could not be written after all the work is done."""
    files.check_places({"plot": plot_file, "json": json_file})
    if plot_file:
        if Path(plot_file).suffix.lower() not in (".png", ".svg"):
            raise click.UsageError(f"plot must be a file whose name ends in .png or .svg, not {plot_file!r}")
        from convverify.reporting import plots

        if not plots.is_available():
            raise click.UsageError("plot needs matplotlib, which is not installed: pip install 'convverify[plot]'")


def _write(comparison: Comparison | Outcome, plot_file: str | None, json_file: str | None) -> str:
    """Write the files; return why one cannot be written, or ""."""
    try:
        if json_file:
            corpus.write_whole(Path(json_file), comparison.to_json() + "\n")
        if plot_file and isinstance(comparison, Comparison) and comparison.rows:
            from convverify.reporting import plots

            plots.write(comparison, Path(plot_file))
    except OSError as error:
        return f"file {error.filename or ''!r} cannot be written: {error.strerror}"
    return ""
