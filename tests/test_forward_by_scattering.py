"""The second definition of the forward convolution: right by itself, the same as the first, and without any of its code."""

from __future__ import annotations

import ast
import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convverify.generation.strategies import cases, problems
from convverify.kernels.loops import conv2d_loops
from convverify.operands.case import Case
from convverify.operations import forward_by_scattering
from convverify.operations.error_bounds import gamma
from convverify.operations.forward import convolve
from convverify.operations.forward_by_scattering import ExactSums, affordable, scatter
from convverify.problems import problem as geometry
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem

INTEGERS = ["integers", "long_integers", "cancelling_integers", "impulse", "simple"]


def doubles(case: Case) -> tuple[np.ndarray, np.ndarray]:
    x, w = case.values()
    return x.astype(np.float64), w.astype(np.float64)


def fractions(sums: ExactSums) -> list[Fraction]:
    return [Fraction(total, sums.denominator) for total in sums.numerators.ravel()]


@given(case=cases(values=INTEGERS, max_macs=2000, dtypes=tuple(FORMATS)))
def test_both_definitions_are_equal_on_integers(case: Case) -> None:
    x, w = doubles(case)
    gathered, scattered = convolve(case.problem, x, w), scatter(case.problem, x, w)
    assert scattered.shape == case.problem.output_shape
    np.testing.assert_array_equal(scattered.nearest(), gathered)
    assert not scattered.distances(gathered).any()


@given(case=cases(values=["normal", "mixed", "cancelling"], max_macs=500))
def test_the_first_definition_errs_on_reals_by_no_more_than_gamma_n(case: Case) -> None:
    x, w = doubles(case)
    magnitude = scatter(case.problem, np.abs(x), np.abs(w)).nearest() * (1 + 2.0**-52)
    error = scatter(case.problem, x, w).distances(convolve(case.problem, x, w))
    assert (error <= gamma(case.problem.terms, 2.0**-53) * magnitude + case.problem.terms * 2.0**-1022).all()


@given(case=cases(values=INTEGERS, max_macs=300))
def test_the_definition_as_seven_loops_says_the_same(case: Case) -> None:
    x, w = case.values()
    p = case.problem
    y = conv2d_loops(x, w, strides=p.strides, padding=p.tf_padding, dilations=p.dilations, groups=p.groups)
    assert not scatter(p, x, w).distances(y.astype(np.float64)).any()


# For each line: what the four or so outputs are, written out by hand.
BY_HAND = [
    ("x=1x1x4x1 w=1x2x1x1", [1, 2, 3, 4], [10, 1], [12, 23, 34]),
    ("x=1x1x4x1 w=1x2x1x1 strides=1x2", [1, 2, 3, 4], [10, 1], [12, 34]),
    ("x=1x1x4x1 w=1x2x1x1 padding=SAME", [1, 2, 3, 4], [10, 1], [12, 23, 34, 40]),  # the odd pad lies behind
    ("x=1x1x5x1 w=1x3x1x1 strides=1x2 padding=SAME", [1, 2, 3, 4, 5], [100, 10, 1], [12, 234, 450]),
    ("x=1x1x4x1 w=1x3x1x1 strides=1x2 padding=SAME", [1, 2, 3, 4], [100, 10, 1], [123, 340]),  # one pad, behind
    ("x=1x1x5x1 w=1x1x1x1 strides=1x3 padding=SAME", [1, 2, 3, 4, 5], [7], [7, 28]),  # pads are never negative
    ("x=1x1x5x1 w=1x2x1x1 dilations=1x3", [1, 2, 3, 4, 5], [10, 1], [14, 25]),
    ("x=1x3x1x1 w=2x1x1x1 padding=1,2,0,0", [1, 2, 3], [10, 1], [1, 12, 23, 30, 0]),
    ("x=1x1x1x2 w=1x1x1x4", [5, 7], [1, 2, 3, 4], [5, 10, 21, 28]),  # two groups
    ("x=1x1x1x2 w=1x1x2x2", [5, 7], [1, 2, 3, 4], [26, 38]),
    ("x=2x1x1x1 w=1x1x1x1", [5, 7], [3], [15, 21]),
    ("x=1x1x2x1 w=1x3x1x1", [1, 2], [1, 1, 1], []),
    ("x=1x1x2x1 w=1x1x1x1", [0.1, 1e300], [3.0], [3 * Fraction(0.1), 3 * Fraction(1e300)]),
    ("x=1x1x1x2 w=1x1x2x1", [1e300, 5e-324], [1e300, 5e-324], [Fraction(1e300) ** 2 + Fraction(5e-324) ** 2]),
]


@pytest.mark.parametrize(("line", "x", "w", "expected"), BY_HAND)
def test_sums_are_those_worked_out_by_hand(line: str, x: list[float], w: list[float], expected: list[Fraction]) -> None:
    problem = Problem.parse(line)
    sums = scatter(problem, np.array(x, np.float64).reshape(problem.x_shape), np.array(w, np.float64).reshape(problem.w_shape))
    assert fractions(sums) == expected


def exhaustively(p: Problem, x: np.ndarray, w: np.ndarray) -> dict[tuple[int, ...], Fraction]:
    """Every output, tap and channel tried against a padded image that is written out pixel by pixel."""
    pads = []
    for extent, taps, stride, dilation, axis in zip(p.x_shape[1:3], p.w_shape[:2], p.strides, p.dilations, (0, 1), strict=True):
        before, behind = (0, 0) if isinstance(p.padding, str) else p.padding[axis]
        if p.padding == "SAME":  # pads are added one by one, behind first, until as many windows fit as there are strides begun
            while len(starts(extent + before + behind, taps, stride, dilation)) < -(-extent // stride):
                before, behind = (before, behind + 1) if before == behind else (before + 1, behind)
        pads.append((before, behind))
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    y = {}
    rows, columns = (starts(padded.shape[1 + i], p.w_shape[i], p.strides[i], p.dilations[i]) for i in (0, 1))
    for n, (i, row), (j, column), k in itertools.product(range(p.batch), enumerate(rows), enumerate(columns), range(p.out_channels)):
        group = k // (p.out_channels // p.groups)
        seen = padded[n, row : row + reach(p, 0) : p.dilations[0], column : column + reach(p, 1) : p.dilations[1]]
        seen = np.split(seen, p.groups, axis=2)[group]
        y[n, i, j, k] = sum((Fraction(a) * Fraction(b) for a, b in zip(seen.ravel(), w[..., k].ravel(), strict=True)), Fraction(0))
    return y


def reach(p: Problem, axis: int) -> int:
    return (p.w_shape[axis] - 1) * p.dilations[axis] + 1


def starts(extent: int, taps: int, stride: int, dilation: int) -> list[int]:
    return [start for start in range(0, extent, stride) if start + (taps - 1) * dilation < extent]


@given(problem=problems(max_macs=200), seed=st.integers(0, 99))
def test_sums_are_those_of_a_padded_image_written_out(problem: Problem, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w = (np.ldexp(rng.standard_normal(shape), rng.integers(-40, 40, shape)) for shape in (problem.x_shape, problem.w_shape))
    expected = exhaustively(problem, x, w)
    sums = scatter(problem, x, w)
    for index, total in expected.items():
        assert Fraction(sums.numerators[index], sums.denominator) == total
    assert sums.numerators.size == len(expected)


def test_nearest_is_rounded_once_and_distances_are_exact() -> None:
    problem = Problem.parse("x=1x1x1x3 w=1x1x3x1")
    sums = scatter(problem, np.array([1.0, 2.0**-53, 2.0**-106]).reshape(problem.x_shape), np.ones(problem.w_shape))
    assert sums.nearest().item() == 1.0 + 2.0**-52  # just above the middle: summed in float64 it would be 1.0
    assert sums.distances(np.ones((1, 1, 1, 1))).item() == 2.0**-53
    assert sums.distances(np.full((1, 1, 1, 1), np.nan)).item() == np.inf


def test_what_is_beyond_the_range_of_float64_is_infinite_and_what_is_below_is_not_equal() -> None:
    problem = Problem.parse("x=1x1x1x1 w=1x1x1x1")
    huge, tiny = np.full((1, 1, 1, 1), 1e300), np.full((1, 1, 1, 1), 5e-324)
    assert scatter(problem, huge, -huge).nearest().item() == -np.inf
    assert scatter(problem, tiny, tiny).distances(np.zeros((1, 1, 1, 1))).item() > 0.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_by_name(value: float) -> None:
    problem = Problem.parse("x=1x1x1x1 w=1x1x1x1")
    with pytest.raises(ValueError, match="w must be finite"):
        scatter(problem, np.ones(problem.x_shape), np.full(problem.w_shape, value))


def test_the_second_definition_asks_nobody_for_extents_or_pads(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "x=1x5x4x2 w=3x2x1x4 strides=2x1 padding=SAME"
    x, w = doubles(Case.parse(line))
    before = fractions(scatter(Problem.parse(line), x, w))
    monkeypatch.setattr(geometry, "same_pads", lambda *_: (9, 9))
    monkeypatch.setattr(geometry, "output_extent", lambda *_: 77)
    broken = Problem.parse(line)
    assert broken.output_shape[1:3] == (77, 77)
    assert fractions(scatter(broken, x, w)) == before
    assert "convverify.operations.forward" not in {
        node.module for node in ast.walk(ast.parse(Path(forward_by_scattering.__file__).read_text())) if isinstance(node, ast.ImportFrom)
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x=2x7x5x3 w=3x3x3x4", True),
        ("x=0x7x5x3 w=3x3x3x4", True),
        ("x=1x1x1x1 w=1x1x1x999999", False),
        ("x=1x1x1x999999 w=1x1x1x999999", False),
        ("x=1x1x1x1 w=1x1x1x1 padding=0,0,0,999999", False),
        ("x=1x999999x1x0 w=1x1x0x1", False),
        ("x=1x999x999x1 w=1x1x1x0", False),
        ("x=1x1x1x1 w=999999x1x1x1", False),
        ("x=1x64x64x64 w=3x3x64x64", False),
    ],
)
def test_what_takes_long_is_not_affordable(line: str, expected: bool) -> None:
    assert affordable(Problem.parse(line)) == expected
