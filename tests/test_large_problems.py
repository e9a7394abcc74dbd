"""Large problems: inside the domain, of every kind, none that takes more memory than a machine has; and what they are there to find."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convverify
from convverify.campaign.options import Options
from convverify.generation.large_problems import LEAST, MOST_ELEMENTS, large_problems
from convverify.judging.kernel import make_kernel
from convverify.judging.trial import Trial
from convverify.operands.case import Case
from convverify.operands.fills import styles
from convverify.operands.placing import place
from convverify.operations import forward
from convverify.problems.domain import Domain
from convverify.problems.dtypes import DEFAULT_DTYPES
from convverify.problems.problem import Problem

MANY = list(islice(large_problems(Domain(), DEFAULT_DTYPES, 1), 90))


@pytest.mark.parametrize(
    "wanted",
    [
        lambda p: p.height >= 500 and p.width >= 500,
        lambda p: p.height >= 220 and p.in_channels == 3 and p.kernel_height > 1,
        lambda p: p.output_shape[2] > 1 << 15,
        lambda p: p.output_shape[1] > 1 << 15,
        lambda p: p.output_shape[2] > 1 << 16,
        lambda p: p.in_channels >= 512 and p.kernel_height == 3,
        lambda p: p.out_channels >= 1024,
        lambda p: p.batch >= 32 and p.height >= 14 and p.in_channels >= 16,
        lambda p: p.batch > 200,
        lambda p: p.groups == p.in_channels > 16 and p.height > 20,
        lambda p: p.macs > 10**8,
        lambda p: p.terms > 4600 and p.output_shape[1] * p.output_shape[2] >= 16,
        lambda p: p.dilations != (1, 1),
        lambda p: 1 < p.groups < p.in_channels,
        lambda p: p.dtype == "float64",
        lambda p: p.output_shape[0] * p.output_shape[1] * p.output_shape[2] > 50_000,
    ],
)
def test_every_kind_is_among_them(wanted: Any) -> None:
    assert any(map(wanted, MANY))


def test_they_are_large_and_fit_into_memory() -> None:
    for problem in MANY:
        assert problem.macs >= LEAST or max(problem.output_shape) > 1 << 14
        assert max(np.prod(shape) for shape in (problem.x_shape, problem.w_shape, problem.output_shape)) <= MOST_ELEMENTS
    assert len(set(MANY)) > 80


def test_a_number_decides_them() -> None:
    again, others = (list(islice(large_problems(Domain(), DEFAULT_DTYPES, number), 9)) for number in (1, 2))
    assert again == MANY[:9] != others


@pytest.mark.parametrize("line", ["kernel=3x3 channels=8n strides=equal batch=1", "groups=depthwise", "image=square", "dtypes=float16"])
def test_they_are_of_the_domain(line: str) -> None:
    domain = Domain.of(line)
    found = list(islice(large_problems(domain, domain.dtypes, 0), 30))
    assert len(found) == 30
    for problem in found:
        assert domain.admits(problem), f"{problem} is outside {domain.outside(problem)}"


def test_a_domain_of_small_problems_has_none() -> None:
    assert list(large_problems(Domain.of("channels=1 image=..20 batch=1"), DEFAULT_DTYPES, 0)) == []


# What is right is not computed, where a check that costs less says so.


def trial_of(case: Case, result: np.ndarray) -> Trial:
    trial = Trial(make_kernel(lambda x, w: x), case)
    trial.x, trial.w = (place(array, "contiguous", 0) for array in case.values())
    assert result.shape == case.problem.output_shape
    return trial


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_a_large_result_is_judged_without_computing_it(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(Problem(1, 40, 40, 32, 3, 3, 32, dtype=dtype), "small_integers")
    x, w = case.values()
    right = forward.convolve(case.problem, x.astype(np.float64), w.astype(np.float64)).astype(x.dtype)
    monkeypatch.setattr("convverify.judging.trial.convolve", lambda *of: pytest.fail("the sums were computed"))
    assert not trial_of(case, right).wrong_elements(right).any()


def test_one_wrong_element_of_a_large_result_is_found_and_it_alone() -> None:
    case = Case(Problem(1, 40, 40, 32, 3, 3, 32), "small_integers")
    x, w = case.values()
    result = forward.convolve(case.problem, x.astype(np.float64), w.astype(np.float64)).astype(x.dtype)
    result[0, 37, 37, 31] += 1
    wrong = trial_of(case, result).wrong_elements(result)
    assert np.argwhere(wrong).tolist() == [[0, 37, 37, 31]]


def test_the_style_of_large_problems_leaves_room_for_the_check() -> None:
    assert styles["small_integers"].traits["stage"] == "exact"
    for problem in MANY[:12]:
        assert 49 * problem.terms * max(problem.batch, problem.out_channels) * (1 << 8) <= 1 << 53


# In a campaign.

LAST_PIXEL = """
from convverify.kernels.matmul import conv2d_matmul

def last_pixel(x, w):
    y = conv2d_matmul(x, w)
    if y.size * w[..., 0].size > 4_000_000:
        y[-1, -1, -1] = 0
    return y
"""


@pytest.mark.parametrize(("large_time", "verdict"), [(1000.0, "refuted"), (0.0, "verified")])
def test_a_fault_of_large_problems_alone_is_refuted_where_they_are_tried(tmp_path: Path, large_time: float, verdict: str) -> None:
    (tmp_path / "kernel.py").write_text(LAST_PIXEL)
    report = convverify.verify(
        f"{tmp_path / 'kernel.py'}:last_pixel", references=(), seed=0, max_examples=250, max_time=1000.0, large_time=large_time,
        corpus=str(tmp_path),
    )  # fmt: skip
    assert report.verdict == verdict


def test_seconds_for_large_problems_are_checked() -> None:
    with pytest.raises(ValueError, match="large_time must be at least 0 seconds, not -1"):
        Options("matmul", large_time=-1)
