"""Freivalds' check: a right result passes, and one wrong element does not, wherever it is; what it cannot judge it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from convverify.generation.strategies import problems
from convverify.operands.placing import random_bits, values_of
from convverify.operations.forward import convolve
from convverify.operations.freivalds import miss_probability, suspects
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem

PROBLEMS = problems(max_macs=3000, dtypes=tuple(FORMATS), allow_empty=False)
LAYER = Problem(2, 9, 8, 6, 3, 3, 8, padding="SAME", strides=(2, 1), groups=2)
MANY_IMAGES = Problem(12, 5, 4, 3, 2, 3, 2, dilations=(1, 2), padding=((1, 0), (2, 3)))


def operands(problem: Problem, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, w = values_of(problem, "small_integers", seed)
    return x, w, convolve(problem, x.astype(np.float64), w.astype(np.float64)).astype(x.dtype)


def suspected(problem: Problem, x: np.ndarray, w: np.ndarray, y: np.ndarray) -> np.ndarray:
    found = suspects(problem, x, w, y, random_bits(5, 2 * max(problem.batch, problem.out_channels)))
    assert found is not None
    return np.broadcast_to(found, problem.output_shape)


@given(problem=PROBLEMS, seed=st.integers(0, 2**20))
def test_what_is_right_passes(problem: Problem, seed: int) -> None:
    assert not suspected(problem, *operands(problem, seed)).any()


@given(problem=PROBLEMS, seed=st.integers(0, 2**20), place=st.integers(0, 2**20))
def test_one_wrong_element_is_among_the_suspects(problem: Problem, seed: int, place: int) -> None:
    x, w, y = operands(problem, seed)
    wrong = y.copy()
    wrong.flat[place % y.size] += y.dtype.type(1)
    assume((wrong != y).any())
    found = suspected(problem, x, w, wrong)
    assert found.flat[place % y.size]
    assert found.sum() <= max(problem.batch, problem.out_channels)


@pytest.mark.parametrize("problem", [LAYER, MANY_IMAGES])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.5, 1e30])
def test_what_no_sum_of_integers_is_hides_nothing(problem: Problem, value: float) -> None:
    x, w, y = operands(problem, 3)
    y[0, 0, 0, 0], y[1, 1, 1, 1] = value, y[1, 1, 1, 1] + 1
    found = suspected(problem, x, w, y)
    assert found[0, 0, 0, 0]
    assert found[1, 1, 1, 1]


@pytest.mark.parametrize("problem", [LAYER, MANY_IMAGES])
def test_errors_that_cancel_over_channels_and_images_are_seen(problem: Problem) -> None:
    x, w, y = operands(problem, 4)
    y[0, 0, 0, 0] += 1
    y[0, 0, 0, 1] -= 1
    y[1, 0, 0, 0] -= 1
    y[1, 0, 0, 1] += 1
    assert suspected(problem, x, w, y).any()


def test_operands_that_leave_no_room_for_exact_sums_are_not_judged() -> None:
    x, w = values_of(LAYER.with_(dtype="float64"), "integers", 1)
    y = convolve(LAYER, x, w)
    assert suspects(LAYER, x, w, y, random_bits(5, 100)) is None


def test_the_probability_of_a_miss_is_that_of_two_independent_draws() -> None:
    assert miss_probability(LAYER, 2.0**40) == pytest.approx(1 / (2 * 2**10 + 1) ** 2)
    assert miss_probability(LAYER, 1000.0) < 1e-12
