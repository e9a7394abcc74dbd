"""The normwise bound: its constants, its shape, what it covers and what it refutes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from convverify.operands.placing import values_of
from convverify.operations.normwise import _AMPLIFICATION, normwise_bound
from convverify.problems.problem import Problem
from convverify.references.exact import convolve


def toom_cook(points: list[Fraction], outputs: int, taps: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return A' (outputs, n), G (n, taps) and B' (n, n) of F(outputs, taps) for the given points and infinity, by Toom and Cook."""

    def product(roots: list[Fraction]) -> list[Fraction]:
        coefficients = [Fraction(1)]
        for root in roots:
            coefficients = [a - root * b for a, b in zip([Fraction(0), *coefficients], [*coefficients, Fraction(0)], strict=True)]
        return coefficients

    of_outputs = [[point**i for point in points] + [Fraction(i == outputs - 1)] for i in range(outputs)]
    of_filters, of_pixels = [], []
    for number, point in enumerate(points):
        others = points[:number] + points[number + 1 :]
        scale = np.prod([point - other for other in others])
        of_filters.append([point**i / scale for i in range(taps)])
        of_pixels.append([*product(others), Fraction(0)])
    of_filters.append([Fraction(0)] * (taps - 1) + [Fraction(1)])
    of_pixels.append(product(points))
    return tuple(np.array(matrix, float) for matrix in (of_outputs, of_filters, of_pixels))


@pytest.mark.parametrize(
    ("outputs", "points", "expected"),
    [
        (2, "0 1 -1", 9.4), (3, "0 1 -1 2", 87.8), (3, "0 1 -1 1/2", 87.8), (3, "0 1 -1 -2", 87.8), (4, "0 1 -1 2 -2", 299.4),
        (4, "0 1 -1 1/2 -1/2", 299.4), (4, "0 1 -1 2 -1/2", 86.8), (4, "0 1 -1 3/2 -3/2", 246.1),
    ],
)  # fmt: skip
def test_the_amplification_of_known_points_is_below_the_constant(outputs, points, expected):
    of_outputs, of_filters, of_pixels = toom_cook([Fraction(point) for point in points.split()], outputs)
    rng = np.random.default_rng(0)
    pixels, taps = rng.standard_normal(outputs + 2), rng.standard_normal(3)
    direct = [pixels[i : i + 3] @ taps for i in range(outputs)]
    np.testing.assert_allclose(of_outputs @ ((of_filters @ taps) * (of_pixels @ pixels)), direct, rtol=1e-9, atol=1e-9)
    forms = [sum(abs(row[j]) * np.outer(np.abs(of_filters[j]), np.abs(of_pixels[j])) for j in range(len(of_filters))) for row in of_outputs]
    amplification = max(np.linalg.norm(form, 2) for form in forms) ** 2
    assert amplification == pytest.approx(expected, abs=0.06)
    assert amplification < _AMPLIFICATION


@pytest.mark.parametrize(
    "line",
    [
        "x=2x7x8x6 w=3x3x2x9 padding=2,0,1,3",
        "x=2x7x8x6 w=3x2x3x4 strides=2x1",
        "x=0x7x8x6 w=3x3x6x4",
        "x=1x2x2x1 w=3x3x1x1",
        "x=2x5x5x0 w=3x3x0x4",
    ],
)
def test_the_bound_broadcasts_to_the_output(line):
    problem = Problem.parse(line)
    x, w = values_of(problem, "normal", 0)
    bound = normwise_bound(problem, x.astype(np.float64), w.astype(np.float64))
    assert np.broadcast_shapes(bound.shape, problem.output_shape) == problem.output_shape
    assert np.isfinite(bound).all()
    assert (bound >= 0).all()


@pytest.mark.parametrize("factor", [2.0**-400, 2.0**400])
def test_the_bound_scales_with_the_operands_without_overflow(factor):
    problem = Problem.parse("x=1x8x8x2 w=3x3x2x3 dtype=float64")
    x, w = values_of(problem, "normal", 0)
    np.testing.assert_allclose(normwise_bound(problem, x * factor, w / factor), normwise_bound(problem, x, w), rtol=1e-9)


def test_the_bound_is_infinite_where_it_says_nothing():
    problem = Problem.parse("x=1x8x8x40 w=3x3x40x3 dtype=bfloat16")
    assert np.isinf(normwise_bound(problem, np.ones(problem.x_shape), np.ones(problem.w_shape))).all()
    problem = problem.with_(dtype="float32")
    x = np.ones(problem.x_shape)
    x[0, 0, 0, 0] = np.nan
    assert np.isinf(normwise_bound(problem, x, np.ones(problem.w_shape))).all()


def test_pixels_far_away_do_not_loosen_the_bound_of_winograd_beyond_that_of_fourier():
    problem = Problem.parse("x=1x40x40x1 w=3x3x1x1")
    x, w = np.ones(problem.x_shape), np.ones(problem.w_shape)
    plain = normwise_bound(problem, x, w)
    x[0, 0, 0, 0] = 10.0
    moved = normwise_bound(problem, x, w)
    assert moved[0, 0, 0, 0] > 1.5 * plain[0, 0, 0, 0]
    assert moved[0, 20, 20, 0] < 1.5 * plain[0, 20, 20, 0]


@pytest.mark.parametrize(
    "line",
    [
        "x=1x8x8x1 w=3x3x1x4", "x=1x8x8x4 w=3x3x4x4 padding=SAME", "x=2x9x10x3 w=3x3x3x5", "x=1x8x8x4 w=5x5x4x4", "x=2x12x11x4 w=1x1x4x6",
        "x=1x56x56x64 w=3x3x64x8 padding=SAME dtype=float64", "x=2x16x16x32 w=3x3x32x8 dtype=float64",
    ],
)  # fmt: skip
def test_a_fault_of_one_percent_in_one_large_element_is_outside(line):
    problem = Problem.parse(line)
    x, w = (values.astype(np.float64) for values in values_of(problem, "normal", 3))
    y = np.abs(convolve(problem, x, w))
    worst = np.unravel_index(np.argmax(y), y.shape)
    assert 0.01 * y[worst] > np.broadcast_to(normwise_bound(problem, x, w), y.shape)[worst]
