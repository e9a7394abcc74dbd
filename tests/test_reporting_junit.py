"""JUnit XML, which the published schema accepts, for every verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree
from reports import report

from convverify.campaign.report import EXIT_STATUS, INCONCLUSIVE, KNOWN, REFUTED, USAGE, VERIFIED
from convverify.judging.properties import in_order
from convverify.reporting.junit import to_junit

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "junit.xsd"))


def parsed(*verdicts: str) -> etree._Element:
    root = etree.fromstring(to_junit([report(verdict) for verdict in verdicts]).encode())
    SCHEMA.assertValid(root)
    return root


def cases_with(root: etree._Element, tag: str) -> list[str]:
    return [case.get("name") for case in root.iter("testcase") if case.find(tag) is not None]


@pytest.mark.parametrize("verdict", EXIT_STATUS)
def test_every_verdict_is_accepted_by_the_schema(verdict: str) -> None:
    (suite,) = parsed(verdict)
    names = [case.get("name") for case in suite.iter("testcase")]
    assert names[: len(in_order())] == [entry.name for entry in in_order()]
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert suite.get(attribute) == str(len(list(suite.iter(tag))))
    assert suite.get("tests") == str(len(names))


def test_several_targets_are_several_suites() -> None:
    root = parsed(VERIFIED, REFUTED, INCONCLUSIVE)
    assert [(suite.get("id"), suite.get("errors")) for suite in root] == [("0", "0"), ("1", "0"), ("2", "1")]


def test_a_verified_kernel_fails_nothing_and_skips_what_was_not_judged() -> None:
    root, statistics = parsed(VERIFIED), report(VERIFIED).statistics
    assert cases_with(root, "failure") == cases_with(root, "error") == []
    assert cases_with(root, "skipped") == [entry.name for entry in in_order() if not statistics.judged[entry.name]]


def test_a_refuted_property_fails_with_the_counterexample() -> None:
    root = parsed(REFUTED)
    assert set(cases_with(root, "failure")) == {example.property for example in report(REFUTED).counterexamples}
    text = "".join(failure.text for failure in root.iter("failure"))
    for example in report(REFUTED).counterexamples:
        assert example.case in text
    assert "replay:" in text
    assert "\\x1b[31m" in text  # shown, where XML cannot even hold it


@pytest.mark.parametrize("verdict", [verdict for verdict in EXIT_STATUS if verdict not in (VERIFIED, KNOWN, REFUTED)])
def test_no_server_takes_another_verdict_for_a_pass(verdict: str) -> None:
    root = parsed(verdict)
    assert cases_with(root, "error") == ["verdict"]
    assert next(root.iter("error")).get("type") == verdict


def test_known_faults_fail_nothing_and_are_told_where_they_were_met() -> None:
    root = parsed(KNOWN)
    assert not cases_with(root, "error") + cases_with(root, "failure")
    assert "known fault" in etree.tostring(root, encoding="unicode")


def test_a_wrong_target_has_its_sentence() -> None:
    assert "target 'nothing' is unknown" in next(parsed(USAGE).iter("error")).get("message")


def test_the_schema_rejects_what_it_should() -> None:
    changes = (
        lambda suite: suite.set("failures", "many"),
        lambda suite: suite.attrib.pop("hostname"),
        lambda suite: suite.append(suite[0]),
    )
    for change in changes:
        root = parsed(VERIFIED)
        change(root[0])
        assert not SCHEMA.validate(root)
