"""What no algorithm can do is refused: by multiply-adds that meet no pad, and the machine's speed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from convverify.compare.machine import Machine
from convverify.compare.options import Item
from convverify.compare.plausible import least_operations, refuse, too_fast
from convverify.compare.results import Measurement, Row
from convverify.compare.timing import Samples, Spread
from convverify.problems.problem import Problem
from convverify.problems.suites import Layer

PROBLEM = Problem.parse("x=1x34x34x16 w=3x3x16x32")  # 2 * 32 * 32 * 16 * 9 * 32 operations: 9,437,184
MACHINE = Machine("a processor", 2, {"float32": 1e9}, 1e9)


def measurement(seconds: float, name: str = "mine", accuracy: str = "elementwise", empty: float | None = None) -> Measurement:
    spread = Spread(seconds, 0.9 * seconds, 1.1 * seconds)
    nothing = None if empty is None else Spread(empty, empty, empty)
    return Measurement(name, PROBLEM, Samples((seconds,), 1, 1.0), spread, Spread(1.0, 1.0, 1.0), empty=nothing, accuracy=accuracy)


def row(*measurements: Measurement, problem: Problem = PROBLEM) -> Row:
    return Row(Item("", Layer(str(problem), problem, 1, "")), measurements, {})


@pytest.mark.parametrize(
    ("line", "macs"),
    [
        ("x=1x34x34x16 w=3x3x16x32", 32 * 32 * 32 * 16 * 9),
        ("x=1x1x1x4 w=3x3x4x8 padding=SAME", 4 * 8),
        ("x=2x3x1x4 w=3x1x2x8 padding=SAME groups=2", 2 * (2 + 3 + 2) * 2 * 8),
        ("x=1x5x1x1 w=3x1x1x1 padding=2,0,0,0 strides=2x1 dilations=2x1", 2 + 3),
    ],
)
def test_pads_cost_nothing_and_normwise_algorithms_a_product_for_each_output(line: str, macs: int) -> None:
    problem = Problem.parse(line)
    assert problem.macs_inside == macs
    assert least_operations(problem, "elementwise") == 2 * macs
    assert least_operations(problem, "normwise") == 2 * (macs // (problem.kernel_height * problem.kernel_width))


def test_the_slower_quarter_of_a_time_counts() -> None:
    limit = 9437184e-9
    assert too_fast(row(), measurement(limit / 1.09), MACHINE) == ""
    assert too_fast(row(), measurement(limit / 2.2), MACHINE) == (
        "impossible: 200% of the speed at which a matrix product multiplies and adds"
    )
    assert too_fast(row(), measurement(limit / 2.2, accuracy="normwise"), MACHINE) == ""
    assert "impossible" in too_fast(row(), measurement(limit / 20, accuracy="normwise"), MACHINE)


def test_where_an_empty_call_costs_more_the_doubt_is_the_kernels() -> None:
    assert too_fast(row(), measurement(1e-5, empty=1e-2), MACHINE) == ""
    assert "impossible" in too_fast(row(), measurement(1e-4, empty=1e-5), MACHINE)


def test_the_ceiling_is_what_processors_do_on_a_machine_that_is_busy_and_matrix_units_on_16_bits() -> None:
    fast = measurement(9437184e-9 / 3)
    assert too_fast(row(), fast, replace(MACHINE, ceilings={"float32": 4e9})) == ""
    assert too_fast(row(problem=PROBLEM.with_(dtype="bfloat16")), fast, MACHINE) == ""
    faster = measurement(9437184e-9 / 30)
    assert "of 16 times the speed" in too_fast(row(problem=PROBLEM.with_(dtype="bfloat16")), faster, MACHINE)


def test_who_is_refused_is_not_ranked_and_no_reference() -> None:
    found = refuse(row(measurement(1e-6, "reference"), measurement(1.0)), MACHINE, "reference")
    assert list(found.refused) == ["reference"]
    assert [(one.name, one.ratio) for one in found.measurements] == [("mine", None)]
