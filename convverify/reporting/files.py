"""The files that a run leaves: JSON, HTML and JUnit XML, of one target or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from convverify.campaign.report import Report
from convverify.generation.corpus import write_whole


def to_json(reports: Sequence[Report]) -> str:
    """Return the report of one target as an object, those of several as an array of such."""
    return reports[0].to_json() + "\n" if len(reports) == 1 else "[" + ",\n".join(report.to_json() for report in reports) + "]\n"


def _to_html(reports: Sequence[Report]) -> str:
    from convverify.reporting.html import to_html

    return to_html(reports)


def _to_junit(reports: Sequence[Report]) -> str:
    from convverify.reporting.junit import to_junit

    return to_junit(reports)


FORMS: Mapping[str, Callable[[Sequence[Report]], str]] = {"json": to_json, "html": _to_html, "junit": _to_junit}


def check_places(files: Mapping[str, str | None]) -> None:
    """Raise a UsageError where a file, by the name of its form, cannot be there: before anything is verified."""
    for form, file in files.items():
        if file and not Path(file).resolve().parent.is_dir():
            raise click.UsageError(f"{form} must be a file in a directory that exists, not {file!r}")


def write(files: Mapping[str, str | None], reports: Sequence[Report]) -> None:
    """Write each file that is asked for, whole or not at all; UsageError for those that cannot be written, when the others are."""
    failed = []
    for form, file in files.items():
        if file:
            try:
                write_whole(Path(file), FORMS[form](reports))
            except OSError as error:
                failed.append(f"{form} file {file!r} cannot be written: {error.strerror}")
    if failed:
        raise click.UsageError("; ".join(failed))
