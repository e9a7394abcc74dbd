"""Whoever stands alone is named, the oracle too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given

from convverify.generation.strategies import cases
from convverify.operands.case import Case
from convverify.operations.doubt import ORACLE, Voice, who_stands_alone
from convverify.operations.error_bounds import elementwise_bound
from convverify.operations.forward import convolve
from convverify.operations.forward_by_scattering import scatter
from convverify.problems import problem as geometry
from convverify.problems.problem import Problem

KERNEL, REFERENCE, GATHERING, SCATTERING = Voice
CASE = Case.parse("x=1x5x4x2 w=3x2x2x3 strides=2x1 padding=SAME values=integers seed=3")


def doubles(case: Case) -> tuple[np.ndarray, np.ndarray]:
    x, w = case.values()
    return x.astype(np.float64), w.astype(np.float64)


def wrongly(problem: Problem) -> Problem:
    """A problem of the same output whose pads lie at the wrong end."""
    (top, bottom), (left, right) = problem.pads
    return problem.with_(padding=((bottom, top), (right, left)))


RIGHT, WRONG = CASE.problem, wrongly(CASE.problem)
OTHER = CASE.problem.with_(padding="VALID")


def doubt(kernel: Problem | None, reference: Problem | None, gathering: Problem, scattering: Problem | None) -> Any:
    """Who stands alone where each of the four solves this problem on the same operands."""
    x, w = doubles(CASE)
    answers = [None if problem is None else convolve(problem, x, w) for problem in (kernel, reference, gathering)]
    return who_stands_alone(*answers, None if scattering is None else scatter(scattering, x, w))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("results", "agreed", "alone"),
    [
        # kernel, reference, gathering, scattering
        ((RIGHT, RIGHT, RIGHT, RIGHT), set(Voice), set()),
        ((WRONG, RIGHT, RIGHT, RIGHT), {REFERENCE, *ORACLE}, {KERNEL}),
        ((OTHER, RIGHT, RIGHT, RIGHT), {REFERENCE, *ORACLE}, {KERNEL}),  # of another shape
        ((RIGHT, WRONG, RIGHT, RIGHT), {KERNEL, *ORACLE}, {REFERENCE}),
        ((RIGHT, RIGHT, WRONG, RIGHT), {KERNEL, REFERENCE, SCATTERING}, {GATHERING}),
        ((RIGHT, RIGHT, RIGHT, WRONG), {KERNEL, REFERENCE, GATHERING}, {SCATTERING}),
        ((RIGHT, RIGHT, WRONG, WRONG), {KERNEL, REFERENCE}, set(ORACLE)),
        ((RIGHT, RIGHT, OTHER, OTHER), {KERNEL, REFERENCE}, set(ORACLE)),
        ((WRONG, OTHER, RIGHT, RIGHT), set(ORACLE), {KERNEL, REFERENCE}),
        ((WRONG, RIGHT, WRONG, RIGHT), set(), set()),  # two against two
        ((OTHER, RIGHT, WRONG, RIGHT), {REFERENCE, SCATTERING}, {KERNEL, GATHERING}),
        ((RIGHT, None, RIGHT, RIGHT), {KERNEL, *ORACLE}, set()),
        ((WRONG, None, RIGHT, RIGHT), set(ORACLE), {KERNEL}),
        ((RIGHT, None, WRONG, RIGHT), {KERNEL, SCATTERING}, {GATHERING}),
        ((WRONG, None, OTHER, RIGHT), set(), set()),
        ((RIGHT, RIGHT, RIGHT, None), {KERNEL, REFERENCE, GATHERING}, set()),
        ((WRONG, RIGHT, RIGHT, None), {REFERENCE, GATHERING}, {KERNEL}),
        ((RIGHT, WRONG, RIGHT, None), {KERNEL, GATHERING}, {REFERENCE}),
        ((RIGHT, RIGHT, WRONG, None), {KERNEL, REFERENCE}, {GATHERING}),
        ((WRONG, None, RIGHT, None), set(), set()),  # one against one
        ((None, None, RIGHT, RIGHT), set(ORACLE), set()),
    ],
)
def test_where_most_agree_the_others_are_named(results: Any, agreed: set[Voice], alone: set[Voice]) -> None:
    found = doubt(*results)
    assert (found.agreed, found.alone) == (agreed, alone)
    assert found.is_settled == bool(agreed)
    assert found.oracle_is_alone == bool(alone & ORACLE)


@pytest.mark.parametrize(
    "fault",
    [
        lambda extent, effective_kernel, stride: (-(-max(effective_kernel - stride, 0) // 2), max(effective_kernel - stride, 0) // 2),
        lambda extent, effective_kernel, stride: (effective_kernel // 2, effective_kernel // 2),
        lambda extent, effective_kernel, stride: (0, effective_kernel - 1),
    ],
)
def test_a_wrong_pad_in_the_geometry_that_all_else_uses_is_found(monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any]) -> None:
    x, w = doubles(CASE)
    right = convolve(RIGHT, x, w)
    monkeypatch.setattr(geometry, "same_pads", fault)
    problem = Problem.parse(str(RIGHT))
    found = who_stands_alone(right, right, convolve(problem, x, w), scatter(problem, x, w))
    assert found.alone == {GATHERING}
    assert found.oracle_is_alone


@given(case=cases(values=["normal", "cancelling"], max_macs=500, dtypes=["float32"], allow_empty=False))
def test_rounded_results_agree_as_far_as_their_bound_allows(case: Case) -> None:
    x, w = doubles(case)
    right = convolve(case.problem, x, w)
    bound = elementwise_bound(case.problem, convolve(case.problem, np.abs(x), np.abs(w)), np.abs(x), np.abs(w))
    assume(case.problem.terms and not case.problem.is_empty and np.isfinite(bound).all())
    rounded = right.astype(np.float32).astype(np.float64)
    spoilt = rounded + 3.0 * bound
    scattered = scatter(case.problem, x, w)
    assert not who_stands_alone(rounded, right, right, scattered, bound=bound).alone
    assert who_stands_alone(spoilt, rounded, right, scattered, bound=bound).alone == {KERNEL}
    assert who_stands_alone(rounded, spoilt, right, scattered, bound=bound).alone == {REFERENCE}
    assert who_stands_alone(spoilt, spoilt, right, scattered, bound=bound).alone == ORACLE
    assert who_stands_alone(rounded, rounded, right + 3.0 * bound, scattered, bound=bound).alone == {GATHERING}
    assert not who_stands_alone(spoilt, rounded, right, scattered, bound=bound, kernel_bound=9.0 * bound).alone


def test_results_of_a_shape_that_the_oracle_has_not_are_compared_all_the_same() -> None:
    x, w = doubles(CASE)
    right, wrong = convolve(RIGHT, x, w), convolve(OTHER, x, w)
    found = who_stands_alone(right, right + 1e-9, wrong, scatter(OTHER, x, w), bound=np.full(wrong.shape, 1e-6))
    assert found.alone == ORACLE
    assert not who_stands_alone(right, right + 1.0, wrong, None, bound=np.full(wrong.shape, 1e-6)).is_settled


def test_where_the_bound_says_nothing_nobody_is_blamed() -> None:
    x, w = doubles(CASE)
    right = convolve(RIGHT, x, w)
    assert not who_stands_alone(np.full_like(right, np.inf), right, right, scatter(RIGHT, x, w), bound=np.full_like(right, np.inf)).alone


def test_the_same_nan_from_kernel_and_reference_is_an_agreement_against_the_oracle() -> None:
    x, w = doubles(CASE)
    right = convolve(RIGHT, x, w)
    nan = np.full_like(right, np.nan)
    assert who_stands_alone(nan, nan, right, scatter(RIGHT, x, w)).alone == ORACLE
    assert who_stands_alone(nan, right, right, scatter(RIGHT, x, w)).alone == {KERNEL}
