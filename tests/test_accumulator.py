"""A kernel that declares in which format it sums is held to that; one that does not is told how its errors look."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

import pytest

import convverify
from convverify.campaign.report import REFUTED, Report
from convverify.reporting.facts import figures
from convverify.reporting.snippet import replay_line

Judge: TypeAlias = Callable[..., Report]
KERNELS = """
import numpy as np
from convverify.kernels.loops import conv2d_loops


def half(x, w):
    n, h, wd, c = x.shape
    kh, kw, _, k = w.shape
    y = np.zeros((n, h - kh + 1, wd - kw + 1, k), x.dtype)
    for a in range(kh):
        for b in range(kw):
            for i in range(c):
                y = y + x[:, a : a + y.shape[1], b : b + y.shape[2], i, None] * w[a, b, i]
    return y


def single(x, w):
    return conv2d_loops(x.astype(np.float32), w.astype(np.float32)).astype(x.dtype)


def declared(x, w):
    return half(x, w)


declared.accumulator = "float32"


def nonsense(x, w):
    return half(x, w)


nonsense.accumulator = "float8"
"""


PROBLEMS = tuple(f"x=2x6x6x8 w=3x3x8x4 dtype={dtype}" for dtype in ("float16", "bfloat16"))


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Verify one of the kernels on a problem in each of two dtypes."""
    directory = tmp_path_factory.mktemp("accumulator")
    (directory / "kernels.py").write_text(KERNELS)

    @functools.cache
    def judge(name: str, accumulator: str | None = None) -> Report:
        return convverify.verify(
            f"{directory}/kernels.py:{name}", references=("exact",), dtypes=("float16", "bfloat16"), problems=PROBLEMS, max_examples=30,
            max_time=600.0, seed=0, corpus=str(directory / "corpus"), without=("plain_script",), isolation=False, accumulator=accumulator,
        )  # fmt: skip

    return judge


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_report_says_whether_errors_are_those_of_sums_in_float32(judge: Judge, dtype: str) -> None:
    (half,) = [line for line in figures(judge("half")) if line.startswith(f"{dtype}:")]
    assert "--accumulator float32 asks for these" in half
    (single,) = [line for line in figures(judge("single")) if line.startswith(f"{dtype}:")]
    assert "errors of sums in float32, rounded once (at most 0." in single


@pytest.mark.parametrize(("name", "accumulator"), [("half", "float32"), ("declared", None)])
def test_sums_in_the_dtype_itself_are_refuted_where_wider_ones_are_declared(judge: Judge, name: str, accumulator: str | None) -> None:
    report = judge(name, accumulator)
    assert report.verdict == REFUTED
    (example,) = report.counterexamples
    assert example.property == "within_error_bound"
    assert example.sentence.endswith("elements err by more than sums in float32, rounded once, can")
    assert ("--accumulator float32" in replay_line(report, example)) == bool(accumulator)


def test_no_sums_in_float32_are_refuted_where_they_are_declared(judge: Judge) -> None:
    for report in (judge("single", "float32"), judge("half")):
        assert not report.counterexamples
        assert report.statistics.judged["within_error_bound"] > 20


def test_an_accumulator_that_is_none_is_told(judge: Judge) -> None:
    with pytest.raises(ValueError, match="accumulator must be float32 or float64, not 'float8'"):
        judge("single", "float8")
    assert "accumulator must be float32 or float64, not 'float8'" in judge("nonsense").sentence
