"""A kernel in NCHW reads its own index order, the digits that differ, and the distance in ulp, in every report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from reports import report
from trials import tried

import convverify
from convverify import conv2d_matmul
from convverify.campaign.report import REFUTED, Counterexample, Report
from convverify.judging.properties.values import exact_on_integers
from convverify.judging.trial import Finding
from convverify.reporting.facts import worst_of
from convverify.reporting.geometry import pictures
from convverify.reporting.github import commands
from convverify.reporting.html import to_html
from convverify.reporting.junit import to_junit
from convverify.reporting.snippet import snippet
from convverify.reporting.terminal import as_text

_FILE = Path(convverify.__file__).parent / "reporting" / "report.schema.json"
SCHEMA = Draft202012Validator(json.loads(_FILE.read_text(encoding="utf-8")))
LINE = "x=1x4x5x1 w=1x1x1x3 values=integers seed=3"
OWN, OTHER = "y[0, 2, 1, 3]", "y[0, 1, 3, 2]"


def off_by_an_ulp(x: Any, w: Any) -> Any:
    """A kernel in NCHW whose result is one ulp off at n = 0, k = 2, i = 1, j = 3."""
    y = np.array(conv2d_matmul(x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0)).transpose(0, 3, 1, 2))
    y[0, 2, 1, 3] = np.nextafter(y[0, 2, 1, 3], np.float32(np.inf))
    return y


@pytest.fixture(scope="module")
def refuted() -> Report:
    """The report of that kernel."""
    finding = exact_on_integers(tried(off_by_an_ulp, LINE, data_format="NCHW"))
    assert isinstance(finding, Finding)
    example = Counterexample(LINE, finding.property, finding.sentence, LINE, finding)
    base = report(REFUTED)
    options = replace(base.options, target="kernels.py:conv2d", data_format="NCHW")
    return replace(base, options=options, counterexamples=(example,), reference_faults=(), warnings=())


SENTENCE = f"at {OWN} expected -723077, got -723076.94, 1 ulp apart"


def test_the_worst_element_is_known_in_both_orders(refuted: Report) -> None:
    worst = worst_of(refuted, refuted.counterexamples[0])
    assert worst is not None
    assert (worst.index, worst.own_index, worst.ulps) == ((0, 1, 3, 2), (0, 2, 1, 3), 1.0)
    assert worst.sentence == SENTENCE
    assert worst.where == "only channel 2 of 0..2, row 1 of 0..3, column 3 of 0..4"


@pytest.mark.parametrize("written", [as_text, lambda report: to_html([report]), lambda report: to_junit([report])])
def test_text_html_and_junit_have_the_kernels_own_order_and_the_distance(refuted: Report, written: Any) -> None:
    text = written(refuted)
    assert SENTENCE in text
    assert "only channel 2 of 0..2, row 1 of 0..3, column 3 of 0..4" in text
    assert OTHER not in text


def test_an_annotation_of_github_tells_the_worst_element(refuted: Report) -> None:
    (line,) = commands(refuted)
    assert SENTENCE.replace(",", "%2C") in line or SENTENCE in line
    assert OTHER not in line


def test_json_has_the_kernels_own_index_and_the_distance(refuted: Report) -> None:
    data = json.loads(refuted.to_json())
    SCHEMA.validate(data)
    worst = data["counterexamples"][0]["worst"]
    assert (worst["index"], worst["ulp"], worst["wrong"], worst["elements"]) == ([0, 2, 1, 3], 1.0, 1, 60)
    assert (worst["expected"], worst["actual"]) == ("-723077.0", "-723076.9375")


def test_captions_of_drawings_have_the_kernels_own_order(refuted: Report) -> None:
    image, _, output = (picture.caption for picture in pictures(refuted.counterexamples[0], refuted.axes[0]))
    assert image.startswith(f"{OWN} reads 1 x 1 places")
    assert f"the outlined one is {OWN}." in output
    assert OTHER in pictures(refuted.counterexamples[0])[0].caption


def test_the_snippet_looks_where_the_sentence_says(refuted: Report) -> None:
    assert snippet(refuted, refuted.counterexamples[0])[-1] == f"print({OWN}, 'should be', -723077.0)"


def test_a_kernel_whose_layout_is_its_own_attribute_needs_no_option(refuted: Report) -> None:
    started = refuted.started
    assert started is not None
    own = replace(refuted, options=replace(refuted.options, data_format=None), started=replace(started, data_format="NCHW"))
    assert SENTENCE in as_text(own)
