"""What NaN and Inf in the operands do to the output."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from convverify.generation.strategies import cases
from convverify.operands.case import Case
from convverify.operations.special import infinities, special_expected, special_masks, wrong_infinities
from convverify.problems.problem import Problem

NAN, INF = float("nan"), float("inf")


def row(line: str, x: list[float], w: list[float]) -> tuple[Problem, np.ndarray, np.ndarray]:
    """A problem of one row, with its operands."""
    problem = Problem.parse(line)
    return problem, np.array(x, np.float64).reshape(problem.x_shape), np.array(w, np.float64).reshape(problem.w_shape)


@pytest.mark.parametrize(
    ("line", "x", "w", "nonfinite", "unjudged"),
    [
        ("x=1x1x4x1 w=1x2x1x1", [NAN, 0, 3, 1], [1, 2], "yes no no", "no no no"),
        ("x=1x1x4x1 w=1x2x1x1", [INF, 1, 3, 1], [0, 2], "no no no", "yes no no"),  # Inf times 0: NaN, or skipped
        ("x=1x1x4x1 w=1x2x1x1", [1, 2, 0, 4], [INF, 1], "yes yes no", "no no yes"),
        ("x=1x1x2x1 w=1x3x1x1 padding=SAME", [1, 2], [NAN, 1, 1], "no yes", "yes no"),  # a NaN weight over a pad
        ("x=1x1x2x1 w=1x3x1x1 padding=SAME", [1, NAN], [1, 1, 1], "yes yes", "no no"),
        ("x=1x1x2x3 w=1x1x3x1 dtype=bfloat16", [90, 90, 90, 1, 1, NAN], [1, 1, 1], "no yes", "yes no"),  # 270 needs nine bits
        ("x=1x1x2x3 w=1x1x3x1", [90, 90, 90, 1, 1, NAN], [1, 1, 1], "no yes", "no no"),
        ("x=1x1x2x1 w=1x1x1x1", [0.5, NAN], [1], "no yes", "yes no"),
        ("x=1x1x2x0 w=1x1x0x1", [], [], "no no", "no no"),
    ],
)
def test_non_finite_numbers_reach_the_outputs_that_see_them(line, x, w, nonfinite, unjudged):
    masks = special_masks(*row(line, x, w))
    assert masks.nonfinite.ravel().tolist() == [word == "yes" for word in nonfinite.split()]
    assert masks.unjudged.ravel().tolist() == [word == "yes" for word in unjudged.split()]


def test_other_outputs_are_expected_as_ever():
    problem, x, w = row("x=1x1x4x1 w=1x2x1x1", [NAN, 0, 3, 1], [1, 2])
    y = special_expected(problem, x, w, special_masks(problem, x, w))
    np.testing.assert_array_equal(y.ravel(), [NAN, 6, 5])


def test_an_infinity_has_the_sign_of_a_product():
    problem, x, w = row("x=1x1x4x1 w=1x1x1x2", [INF, -INF, 2, 0], [3, -3])
    plus, minus = infinities(problem, x, w)
    assert plus[0, 0].tolist() == [[True, False], [False, True], [False, False], [False, False]]
    assert minus[0, 0].tolist() == [[False, True], [True, False], [False, False], [False, False]]
    right = np.array([[INF, -INF], [-INF, INF], [6, -6], [0, 0]]).reshape(problem.output_shape)
    assert not wrong_infinities(problem, x, w, right).any()
    assert wrong_infinities(problem, x, w, -right)[0, 0].tolist() == [[True, True], [True, True], [False, False], [False, False]]
    assert not wrong_infinities(problem, x, w, np.full_like(right, NAN)).any()


def test_infinities_of_both_signs_may_come_out_as_either():
    problem, x, w = row("x=1x1x1x2 w=1x1x2x1", [INF, INF], [1, -1])
    for infinity in (INF, -INF):
        assert not wrong_infinities(problem, x, w, np.full(problem.output_shape, infinity)).any()


@given(case=cases(values=["special"], max_macs=1000))
def test_sums_as_numpy_makes_them_are_never_wrong(case: Case) -> None:
    p = case.problem
    x, w = (array.astype(np.float64) for array in case.values())
    y = np.zeros(p.output_shape)
    (top, bottom), (left, right) = p.pads
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    inputs = p.in_channels // p.groups
    with np.errstate(all="ignore"):
        for n, i, j, k in np.ndindex(*p.output_shape):
            row, column, group = i * p.strides[0], j * p.strides[1], k // (p.out_channels // p.groups)
            reach = p.effective_kernel
            window = padded[n, row : row + reach[0] : p.dilations[0], column : column + reach[1] : p.dilations[1]]
            y[n, i, j, k] = (window[..., group * inputs : (group + 1) * inputs] * w[..., k]).sum()
    masks = special_masks(p, x, w)
    assert not np.isfinite(y[masks.nonfinite]).any()
    assert not wrong_infinities(p, x, w, y).any()
    judged = ~(masks.nonfinite | masks.unjudged)
    np.testing.assert_array_equal(y[judged], special_expected(p, x, w, masks)[judged])
