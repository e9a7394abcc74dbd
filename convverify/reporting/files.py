"""The files that a run leaves: JSON, HTML and JUnit XML, of one target or several."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from convverify.campaign.report import Report
from convverify.generation.corpus import write_whole


def to_json(reports: Sequence[Report]) -> str:
    """Return the report of one target as an object, those of several as an array of such."""
    text = reports[0].to_json() if len(reports) == 1 else "[" + ",\n".join(report.to_json() for report in reports) + "]"
    return text.replace("##[", "#\\u0023[") + "\n"  # a log of GitHub Actions, which a file may be, would take it for a command


def _to_html(reports: Sequence[Report]) -> str:
    from convverify.reporting.html import to_html

    return to_html(reports)


def _to_junit(reports: Sequence[Report]) -> str:
    from convverify.reporting.junit import to_junit

    return to_junit(reports)


FORMS: Mapping[str, Callable[[Sequence[Report]], str]] = {"json": to_json, "html": _to_html, "junit": _to_junit}


def told(files: Mapping[str, str | None]) -> list[str]:
    """Return the names of the files that were written; what is no file, as /dev/stdout, is not told."""
    return [file for file in files.values() if file and Path(file).is_file()]


def write_snippets(report: Report) -> dict[str, str]:
    """Write the snippet of each counterexample beside its file of the corpus; return their names by the cases."""
    from convverify.reporting.snippet import snippet

    written = {}
    for example in report.counterexamples:
        if example.file:
            path = Path(example.file).with_suffix(".py")
            with contextlib.suppress(OSError):
                write_whole(path, "\n".join(snippet(report, example)) + "\n")
                written[example.case] = str(path)
    return written


def check_places(files: Mapping[str, str | None]) -> None:
    """Raise a UsageError where a file, by the name of its form, cannot be there: before anything is verified."""
    for form, file in files.items():
        if file and not _has_directory(Path(file)):
            raise click.UsageError(f"{form} must be a file in a directory that exists, not {file!r}")


def _has_directory(file: Path) -> bool:
    try:
        return file.resolve().parent.is_dir()
    except (OSError, RuntimeError, ValueError):  # a loop of links, or what is no name of a file
        return False


def write(files: Mapping[str, str | None], reports: Sequence[Report]) -> None:
    """Write each file that is asked for, whole or not at all.

    Raises UsageError for those that cannot be written, and whatever else went wrong, when the others are.
    """
    failed: list[str] = []
    others: list[Exception] = []
    for form, file in files.items():
        if file:
            try:
                write_whole(Path(file), FORMS[form](reports))
            except OSError as error:
                failed.append(f"{form} file {file!r} cannot be written: {error.strerror}")
            except Exception as error:
                others.append(error)
    if others:
        raise others[0]
    if failed:
        raise click.UsageError("; ".join(failed))
