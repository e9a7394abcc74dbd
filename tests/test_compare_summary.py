"""Geometric means and exponents, on figures that are known."""

from __future__ import annotations

import math

import pytest

from convverify.compare.options import CompareOptions, Item
from convverify.compare.results import Comparison, Measurement, Row
from convverify.compare.summary import exponents, geometric_mean, means
from convverify.compare.timing import Samples, Spread
from convverify.problems.problem import Problem
from convverify.problems.suites import Layer


def row(problem: Problem, seconds: dict[str, float], count: int = 1, suite: str = "net", timed: Problem | None = None) -> Row:
    reference = seconds["reference"]
    measurements = tuple(
        Measurement(
            name,
            problem if name == "reference" else timed or problem,
            Samples((time,), 1, 1.0),
            Spread(time, time, time),
            Spread(time / reference, time / reference, time / reference),
        )
        for name, time in seconds.items()
    )
    return Row(Item(suite, Layer(str(problem), problem, count, "")), measurements, {})


def comparison(*rows: Row) -> Comparison:
    return Comparison(CompareOptions(("mine",), against="reference"), ("reference", "mine"), (), rows)


def square(size: int) -> Problem:
    return Problem(1, size, size, 8, 1, 1, 8)


def test_means_are_geometric_and_weighted_by_occurrences() -> None:
    (mean,) = means(comparison(row(square(8), {"reference": 1.0, "mine": 4.0}, 1), row(square(9), {"reference": 1.0, "mine": 0.5}, 3)))
    assert (mean.name, mean.group, mean.problems) == ("mine", "net batch 1", 2)
    assert mean.plain == pytest.approx(math.sqrt(2.0))
    assert mean.weighted == pytest.approx((4 * 0.5**3) ** 0.25)
    assert (mean.worst, mean.where) == (4.0, str(square(8)))


def test_several_groups_are_taken_together_as_well() -> None:
    rows = [row(square(8), {"reference": 1.0, "mine": ratio}, suite=suite) for suite, ratio in (("one", 2.0), ("two", 8.0))]
    assert [(mean.group, mean.plain) for mean in means(comparison(*rows))] == [
        ("one batch 1", pytest.approx(2.0)),
        ("two batch 1", pytest.approx(8.0)),
        ("all", pytest.approx(4.0)),
    ]


def test_a_geometric_mean_of_a_number_and_its_reciprocal_is_one() -> None:
    assert geometric_mean([5.0, 0.2]) == pytest.approx(1.0)


def test_a_power_law_gives_its_exponent_and_extrapolated_times_do_not_count() -> None:
    rows = [row(square(size), {"reference": 1.0, "mine": 1e-9 * square(size).macs ** 1.25}) for size in (1, 4, 16, 64)]
    rows.append(row(square(256), {"reference": 1.0, "mine": 1e6}, timed=square(8)))
    (mine,) = [exponent for exponent in exponents(comparison(*rows)) if exponent.name == "mine"]
    assert mine.all == pytest.approx(1.25)
    assert mine.macs == (64, 64 * 64 * 64)


def test_a_fixed_cost_is_left_out_of_the_second_exponent() -> None:
    sizes = (1, 4, 16, 64, 256, 1024)
    rows = [row(square(size), {"reference": 1.0, "mine": 1e-5 + 1e-9 * square(size).macs}) for size in sizes]
    (mine,) = [exponent for exponent in exponents(comparison(*rows)) if exponent.name == "mine"]
    assert mine.all < 0.75
    assert mine.large == pytest.approx(1.0, abs=0.02)


def test_fewer_than_three_decades_have_no_exponent() -> None:
    rows = [row(square(size), {"reference": 1.0, "mine": 1.0}) for size in (1, 4, 16)]
    assert exponents(comparison(*rows)) == ()
