"""A snippet shows its counterexample without convverify's harness: one call, or all that it takes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

import convverify
from convverify.campaign.options import Options
from convverify.campaign.report import REFUTED, Counterexample, Report
from convverify.campaign.statistics import Statistics
from convverify.reporting.geometry import pictures
from convverify.reporting.snippet import snippet

STATEFUL = """
import numpy as np
from convverify import conv2d_matmul_offsets as right

seen = {}


def skips_after_an_empty_batch(x, w, *, strides=(1, 1), padding="VALID", dilations=(1, 1), groups=1):
    skip, seen["empty"] = seen.get("empty", False), x.shape[0] == 0
    y = right(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups)
    return np.zeros_like(y) if skip else y


def doubles_every_second_result(x, w):
    seen["calls"] = seen.get("calls", 0) + 1
    return right(x, w) * (1 + seen["calls"] % 2)


def wipes_what_it_returned_long_ago(x, w):
    y = right(x, w)
    results = seen.setdefault("results", [])
    results.append(y)
    if len(results) > 90:
        results.pop(0).fill(-7)
    return y


def in_channels_first(x, w):
    return np.zeros((x.shape[0], w.shape[0], x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1), x.dtype)
"""


def shown_by_the_snippet(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, property_name: str, **options: str) -> str:
    file = tmp_path / f"{name}.py"
    file.write_text(STATEFUL)
    report = convverify.verify(
        f"{file}:{name}", references=(), max_examples=0, seed=1, properties=(property_name,), corpus=str(tmp_path / "corpus"), **options
    )
    (example,) = report.counterexamples
    assert example.property == property_name
    capsys.readouterr()
    exec("\n".join(snippet(report, example)), {})
    return capsys.readouterr().out


def test_a_fault_in_the_order_of_calls_is_shown_by_three_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = shown_by_the_snippet(tmp_path, capsys, "skips_after_an_empty_batch", "order_of_calls", degenerate=True).splitlines()
    assert len(shown) == 3
    assert [line.startswith("0 elements") for line in shown] == [True, True, False]


def test_a_result_that_is_not_repeated_is_shown_by_two_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = shown_by_the_snippet(tmp_path, capsys, "doubles_every_second_result", "repeatable").splitlines()
    assert sorted(line.startswith("0 elements") for line in shown) == [False, True]


def test_a_result_that_changes_while_it_is_kept_is_shown_by_keeping_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = shown_by_the_snippet(tmp_path, capsys, "wipes_what_it_returned_long_ago", "fresh_output").splitlines()
    assert shown
    assert all(line.startswith("changed after it was returned: x=") for line in shown)


def test_a_wrong_element_is_shown_beside_the_right_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = shown_by_the_snippet(tmp_path, capsys, "in_channels_first", "exact_on_integers", data_format="NCHW")
    assert shown.startswith("0.0 should be ")


def of(line: str) -> tuple[Report, Counterexample]:
    """Return the report of a kernel that died of a case."""
    example = Counterexample(line, "completes", "it died", line)
    return Report(REFUTED, Options("matmul"), Statistics(), (example,)), example


@pytest.mark.parametrize(
    "line",
    [
        "x=1x1000x1000x2 w=3x3x2x8 values=integers seed=0",  # two million nonzeros
        "x=32x224x224x64 w=3x3x64x64 padding=SAME values=normal seed=0",
        "x=1x1x1x1 w=30000000x1x1x1 padding=30000000,0,0,0 values=integers seed=0",
    ],
)
def test_a_snippet_and_drawings_of_a_large_case_take_less_memory_than_its_operands(line: str) -> None:
    report, example = of(line)
    tracemalloc.start()
    lines = snippet(report, example)
    pictures(example)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    assert f"case = Case.parse({line!r})" in lines


def test_a_few_elements_of_a_large_array_are_written_out() -> None:
    lines = snippet(*of("x=1x100x100x8 w=1x1x8x1 values=given x[0,99,3,7]=-2 x[0,0,0,1]=inf w[0,0,2,0]=5"))
    assert "x = np.zeros((1, 100, 100, 8), np.float32)" in lines
    assert "x[0, 99, 3, 7] = -2.0" in lines
    assert "x[0, 0, 0, 1] = np.float64('inf')" in lines
    assert "w = np.array([[[[0.0], [0.0], [5.0], [0.0], [0.0], [0.0], [0.0], [0.0]]]], np.float32).reshape(1, 1, 8, 1)" in lines
