"""Outcomes: what a campaign says about each property, as plain data, for reports of one property at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from convverify.campaign.events import Found
from convverify.campaign.options import Options
from convverify.campaign.report import KNOWN, REFUTED, VERIFIED, Counterexample, Report
from convverify.judging.properties import in_order
from convverify.reporting.plain import printable
from convverify.reporting.snippet import replay_line
from convverify.reporting.terminal import counterexample_text

HOLDS, REFUTES, NOT_JUDGED, NO_VERDICT = "holds", "refuted", "not judged", "no verdict"


@dataclass(frozen=True)
class Outcome:
    """What came of one property: one of HOLDS, REFUTES, NOT_JUDGED and NO_VERDICT, and the text that says so."""

    kind: str
    text: str


def property_names(options: Options) -> tuple[str, ...]:
    """Return the properties that a campaign judges, in their order."""
    return tuple(entry.name for entry in in_order() if options.asks(entry.name))


def outcomes(report: Report, found: Iterable[Found]) -> dict[str, Outcome]:
    """Return the outcome of each property; `found` are the findings that the campaign told of, some of which the report leaves out."""
    findings: dict[str, Found] = {}
    for finding in () if report.ok else found:  # of what turned out to be known nothing is told
        findings.setdefault(finding.property, finding)
    return {name: _outcome(report, name, findings) for name in _names(report, findings)}


def _names(report: Report, findings: dict[str, Found]) -> tuple[str, ...]:
    """Return the properties that were asked for, and those that are refuted although they were not: a kernel can crash in any case."""
    refuted = (*(example.property for example in report.counterexamples), *findings)
    return tuple(dict.fromkeys((*property_names(report.options), *refuted)))


def _outcome(report: Report, name: str, findings: dict[str, Found]) -> Outcome:
    for example in report.counterexamples:
        if example.property == name:
            return Outcome(REFUTES, _text_of(report, example))
    if name in findings:
        return Outcome(REFUTES, _text_of(report, _as_found(report, findings[name])))
    if report.verdict not in (VERIFIED, KNOWN, REFUTED):
        return Outcome(NO_VERDICT, f"{printable(report.options.target)} is not verified: {report.verdict}: {printable(report.sentence)}")
    if muted := [fault for fault, _ in report.muted if fault.startswith(f"{name}: ")]:
        return Outcome(HOLDS, f"nothing new; a known fault is muted: {'; '.join(muted)}")
    if name in report.without:
        return Outcome(NOT_JUDGED, "left out, as the kernel declares")
    cases, judged = report.statistics.cases, report.statistics.judged.get(name, 0)
    if judged:
        return Outcome(HOLDS, f"judged on {judged} of {cases} cases")
    ended = "" if report.ok else f", after which {', '.join(findings) or 'another property'} ended the campaign"
    return Outcome(NOT_JUDGED, f"not judged on any of {cases} cases{ended}")


def _text_of(report: Report, example: Counterexample) -> str:
    return counterexample_text(report, example, with_snippet=False).rstrip()


def _as_found(report: Report, found: Found) -> Counterexample:
    """Return a finding that was not shrunk, with a word about one that was."""
    shrunk = "".join(f"; the smallest case is that of {example.property}: {example.case}" for example in report.counterexamples[:1])
    note = f"not shrunk, as it comes with another finding{shrunk}"
    return Counterexample(found.case, found.property, found.sentence, found.case, reproduced=False, notes=(note,))


def failure_text(report: Report) -> str:
    """Return why a report is not a pass: its verdict, the first counterexample in full, the others in a line each."""
    target = printable(report.options.target)
    if not report.counterexamples:
        return f"{target} is not verified: {report.verdict}: {printable(report.sentence)}"
    first, *others = report.counterexamples
    lines = [f"{target} is refuted", _text_of(report, first)]
    for example in others:
        lines += [f"{example.property}: {printable(example.sentence)}", f"  {printable(replay_line(report, example))}"]
    return "\n".join(lines)
