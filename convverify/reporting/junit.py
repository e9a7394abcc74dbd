"""The report for continuous integration: JUnit XML, as the schema of Ant's and Jenkins's reports has it
(github.com/windyroad/JUnit-Schema, JUnit.xsd).

A target is a test suite, a property a test case: it fails where a counterexample refutes it, and is skipped where it was not judged.  A
verdict that is neither "verified" nor "refuted" is an error of one more test case, so that no server shows it as a pass.
"""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from xml.etree import ElementTree

from convverify.campaign.report import KNOWN, REFUTED, VERIFIED, Report
from convverify.judging.properties import in_order
from convverify.reporting.facts import figures, summary
from convverify.reporting.plain import one_line, printable
from convverify.reporting.terminal import counterexample_text

_PACKAGE = "convverify"


def to_junit(reports: Sequence[Report]) -> str:
    """Return the reports as one JUnit XML document."""
    root = ElementTree.Element("testsuites")
    for number, report in enumerate(reports):
        _suite(root, report, number)
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(root: ElementTree.Element, report: Report, number: int) -> None:
    begun = datetime.datetime.now() - datetime.timedelta(seconds=report.seconds)
    suite = ElementTree.SubElement(
        root, "testsuite", name=one_line(report.options.target), package=_PACKAGE, id=str(number),
        timestamp=begun.isoformat(timespec="seconds"), hostname=platform.node() or "localhost", time=f"{report.seconds:.3f}",
    )  # fmt: skip
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {"seed": str(report.options.seed), "verdict": report.headline.lower(), **report.environment}.items():
        ElementTree.SubElement(properties, "property", name=one_line(name), value=one_line(value))
    for entry in in_order():
        if report.options.asks(entry.name):
            _property(_case(suite, report, entry.name), report, entry.name)
    if report.verdict not in (VERIFIED, KNOWN, REFUTED):
        error = ElementTree.SubElement(_case(suite, report, "verdict"), "error", type=report.verdict, message=one_line(summary(report)))
        error.text = printable(summary(report))
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(list(suite.iter(tag)))))
    ElementTree.SubElement(suite, "system-out").text = printable("\n".join([summary(report), *figures(report)]))
    faults = [f"{fault.reference} is at fault: {fault.sentence}: {fault.case}" for fault in report.reference_faults]
    ElementTree.SubElement(suite, "system-err").text = printable("\n".join([*report.warnings, *faults]))


def _case(suite: ElementTree.Element, report: Report, name: str) -> ElementTree.Element:
    """Add a test case; how long a property takes alone is not known, the suite has the time of them all."""
    return ElementTree.SubElement(suite, "testcase", name=name, classname=f"{_PACKAGE}.{one_line(report.options.target)}", time="0")


def _property(case: ElementTree.Element, report: Report, name: str) -> None:
    examples = [example for example in report.counterexamples if example.property == name]
    if examples:
        failure = ElementTree.SubElement(case, "failure", type=name, message=one_line(examples[0].sentence))
        failure.text = "\n".join(counterexample_text(report, example) for example in examples)
    elif not report.statistics.judged.get(name, 0):
        ElementTree.SubElement(case, "skipped")
