"""Annotations of GitHub Actions: lines on standard output that the runner shows at the top of a run, and beside the code.

The form and the escapes are those of workflow commands (docs.github.com, "Workflow commands for GitHub Actions"; the escapes are
those of github.com/actions/toolkit, packages/core/src/command.ts).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from convverify.campaign.report import INTERRUPTED, KNOWN, VERIFIED, Report
from convverify.reporting.facts import summary, worst_of
from convverify.reporting.plain import printable
from convverify.reporting.snippet import replay_line
from convverify.reporting.source import source_of


def wanted() -> bool:
    """Return whether this process runs in GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def commands(report: Report) -> Iterator[str]:
    """Yield a line for each counterexample; one for a verdict that is neither "verified" nor "refuted"; one for each reference at fault."""
    target = report.options.target
    place = _place(target)
    for example in report.counterexamples:
        worst = worst_of(report, example)
        told = [example.sentence, *([worst.sentence] if worst else []), f"case: {example.case}", f"replay: {replay_line(report, example)}"]
        yield _command("error", {"title": f"{target}: {example.property} does not hold", **place}, "\n".join(told))
    if report.verdict != VERIFIED and not report.counterexamples:
        kind = "warning" if report.verdict in (INTERRUPTED, KNOWN) else "error"
        yield _command(kind, {"title": f"{target}: {report.verdict}", **place}, summary(report))
    for fault in report.reference_faults:
        yield _command("notice", {"title": f"{fault.reference} is at fault, not {target}"}, f"{fault.sentence}\ncase: {fault.case}")


def _command(kind: str, properties: dict[str, str], message: str) -> str:
    told = ",".join(f"{name}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}" for name, value in properties.items())
    return f"::{kind} {told}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _place(target: str) -> dict[str, str]:
    """Return file and line of a target that names a file or a module of the workspace; nothing for others."""
    if (source := source_of(target)) is None:
        return {}
    path, line = source
    workspace = Path(os.environ.get("GITHUB_WORKSPACE", "."))
    shown = path.resolve().relative_to(workspace.resolve()) if path.resolve().is_relative_to(workspace.resolve()) else path
    return {"file": str(shown), **({"line": str(line)} if line else {})}
