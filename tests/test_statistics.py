"""Counts add up over workers, and survive the way from one process to another."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convverify.campaign.statistics import FEATURES, Statistics, features_of
from convverify.generation.strategies import cases
from convverify.judging.trial import Accuracy
from convverify.operands.case import Case
from convverify.problems.dtypes import FORMATS


def counted(some: list[Case]) -> Statistics:
    statistics = Statistics()
    for number, case in enumerate(some):
        statistics.count(case, {"shape": True, "dtype": number % 2 == 0})
        statistics.count_result(case)
        statistics.measure(case, Accuracy(number / 10, number))
        statistics.mentions["returns float64 for float32"] += 1
    statistics.problems, statistics.unsupported, statistics.refused = len(some), 2, 1
    statistics.seconds, statistics.times.kernel = 1.5, 0.25
    return statistics


CASES = st.lists(cases(max_macs=300), max_size=6)


@given(some=CASES)
def test_counts_are_plain_data(some: list[Case]) -> None:
    statistics = counted(some)
    data = statistics.to_json()
    assert json.loads(json.dumps(data)) == data
    assert (data["cases"], data["results"].get("all", 0)) == (len(some), len(some))


@given(first=CASES, second=CASES)
def test_merged_counts_are_those_of_all_cases(first: list[Case], second: list[Case]) -> None:
    merged = counted(first)
    merged.merge(counted(second))
    assert merged.cases == len(first) + len(second)
    assert merged.judged["shape"] == merged.cases
    assert merged.judged["dtype"] == (len(first) + 1) // 2 + (len(second) + 1) // 2
    assert sum(merged.stages.values()) == sum(merged.histogram.values()) == merged.cases
    assert (merged.unsupported, merged.refused, merged.seconds, merged.times.kernel) == (4, 2, 3.0, 0.5)
    assert sum(merged.crosses.values()) == merged.cases * len(list(itertools.combinations(FEATURES, 2)))


def test_the_worst_error_of_a_style_and_dtype_is_kept() -> None:
    case = Case.parse("x=1x1x1x1 w=1x1x1x1 values=normal")
    statistics = Statistics()
    for fraction, ulp in ((0.2, 3.0), (0.5, 1.0), (0.1, 2.0)):
        statistics.measure(case, Accuracy(fraction, ulp))
    assert statistics.worst == {("normal", "float32"): (0.5, 3.0)}


@pytest.mark.parametrize(
    ("line", "classes"),
    [
        ("x=1x5x5x1 w=3x3x1x1", ("1", "VALID", "1", "1", "float32", "contiguous", "integers", "small")),
        (
            "x=1x9x9x4 w=3x3x2x4 strides=2x2 padding=SAME dilations=2x2",
            ("equal", "SAME", "equal", "grouped", "float32", "contiguous", "integers", "small"),
        ),
        (
            "x=1x9x9x4 w=3x3x1x4 strides=2x1 padding=1,1,1,1 dilations=1x2 dtype=float16 values=normal layouts=contiguous,fortran",
            ("unequal", "EXPLICIT", "unequal", "depthwise", "float16", "fortran", "normal", "small"),
        ),
        ("x=0x5x5x1 w=3x3x1x1", ("1", "VALID", "1", "1", "float32", "contiguous", "integers", "empty")),
        ("x=1x5x17x1 w=3x3x1x1", ("1", "VALID", "1", "1", "float32", "contiguous", "integers", "medium")),
        ("x=1x5x5x1 w=3x3x1x65", ("1", "VALID", "1", "1", "float32", "contiguous", "integers", "large")),
    ],
)
def test_a_case_belongs_to_one_class_of_each_feature(line: str, classes: tuple[str, ...]) -> None:
    assert features_of(Case.parse(line)) == classes
    assert len(classes) == len(FEATURES)


@given(case=cases(dtypes=tuple(FORMATS), max_macs=300))
def test_the_coverage_holds_the_crosses_of_every_case(case: Case) -> None:
    statistics = Statistics()
    statistics.count_result(case)
    classes = dict(zip(FEATURES, features_of(case), strict=True))
    assert all(classes[a] == first and classes[b] == second for a, first, b, second in statistics.crosses)


def test_the_sizes_kept_are_few_and_stand_for_the_whole_run() -> None:
    small, large = Case.parse("x=1x1x1x1 w=1x1x1x1"), Case.parse("x=1x2x2x3 w=2x2x3x1")
    statistics = Statistics()
    for number in range(10_000):
        statistics.count(small if number < 5000 else large, {})
    assert 500 <= len(statistics.sizes) <= 1000
    assert statistics.sizes.count((12, 12)) == pytest.approx(len(statistics.sizes) / 2, abs=1)  # the larger half came later
    merged = Statistics()
    merged.merge(statistics)
    merged.merge(statistics)
    assert 500 <= len(merged.sizes) <= 1000
    assert merged.sizes.count((12, 12)) == pytest.approx(len(merged.sizes) / 2, abs=1)


def test_the_coverage_names_the_pairs_that_were_missed() -> None:
    statistics = Statistics()
    for line in ("x=1x5x5x1 w=3x3x1x1 strides=2x2", "x=1x5x5x1 w=3x3x1x1 padding=SAME"):
        statistics.count_result(Case.parse(line))
    met, possible, missed = statistics.coverage()
    assert missed == ["strides=1 with padding=VALID", "strides=equal with padding=SAME"]
    assert possible - met == len(missed)
    assert statistics.classes()["padding"] == ["SAME", "VALID"]


def test_the_shares_of_time_add_up_to_the_campaigns_seconds() -> None:
    statistics = counted([Case.parse("x=1x1x1x1 w=1x1x1x1")])
    assert sum(statistics.shares().values()) == statistics.seconds
