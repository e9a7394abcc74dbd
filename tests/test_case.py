"""One line of text holds a whole case, and replays it anywhere."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convverify.generation.strategies import cases, problems
from convverify.operands.case import Case
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem

AXES = (0, 1, 2, 3)


@given(case=cases(dtypes=tuple(FORMATS), max_macs=2000), calls=st.sampled_from((1, 1, 2, 77)))
def test_a_case_is_read_back_from_its_line(case: Case, calls: int) -> None:
    case = case.with_(calls=calls)
    again = Case.parse(str(case))
    assert again == case
    for mine, theirs in zip(again.operands((AXES, AXES)), case.operands((AXES, AXES)), strict=True):
        assert mine.array.tobytes() == theirs.array.tobytes()


ELEMENTS = st.one_of(st.integers(-9, 9).map(float), st.floats(allow_nan=False, width=32))


@given(problem=problems(max_macs=500, allow_empty=False), values=st.lists(ELEMENTS, min_size=1, max_size=4))
def test_a_minimised_case_is_read_back_with_its_elements(problem: Problem, values: list[float]) -> None:
    x = tuple((tuple(int(i) for i in index), value) for index, value in zip(np.ndindex(*problem.x_shape), values, strict=False))
    case = Case(problem, "given", x_elements=x, w_elements=(((0, 0, 0, 0), 1.0),))
    assert Case.parse(str(case)) == case
    filled = case.values()[0].ravel()
    assert filled[: len(values)].tolist() == values[: filled.size]
    assert not filled[len(values) :].any()


def test_a_seed_gives_the_same_operands_in_every_version() -> None:
    # A line in somebody's bug report must not change its meaning: neither the random numbers nor how values are made of them.
    x, w = Case.parse("x=1x1x3x1 w=1x2x1x2 values=integers seed=7").values()
    assert x.ravel().tolist() == [1834.0, 2712.0, -749.0]
    assert w.ravel().tolist() == [-1870.0, -59.0, -1130.0, -475.0]


def test_a_problem_alone_gets_integers_in_ordinary_arrays() -> None:
    case = Case.parse("x=1x2x2x1 w=1x1x1x1")
    assert case == Case(Problem(1, 2, 2), "integers", ("contiguous", "contiguous"), 0)
    assert case.is_plain
    assert Case.parse("mb1ic1ih2oc1kh1").problem == case.problem


def test_elements_alone_are_a_given_case() -> None:
    x, w = Case.parse("x=1x2x2x1 w=1x1x1x1 x[0,1,0,0]=2.5 w[0,0,0,0]=-1").values()
    assert x.ravel().tolist() == [0.0, 0.0, 2.5, 0.0]
    assert w.ravel().tolist() == [-1.0]


@pytest.mark.parametrize(
    ("rest", "stage"),
    [
        ("x[0,0,0,0]=3 w[0,0,0,0]=5", "exact"),
        ("x[0,0,0,0]=0.5 w[0,0,0,0]=5", "rounding"),
        ("x[0,0,0,0]=16777216 w[0,0,0,0]=2", "rounding"),  # a product beyond 2**24
        ("x[0,0,0,0]=nan w[0,0,0,0]=1", "special"),
        ("x[0,0,0,0]=-inf", "special"),
        ("values=given", "exact"),
        ("values=normal", "rounding"),
        ("values=special", "special"),
    ],
)
def test_the_values_say_how_a_result_is_judged(rest: str, stage: str) -> None:
    assert Case.parse(f"x=1x2x2x1 w=1x1x1x1 {rest}").stage == stage


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("values=gaussian", "values must be one of integers, "),
        ("layouts=contiguous", "layouts must be two of contiguous, "),
        ("layouts=contiguous,diagonal", "layouts must be two of contiguous, "),
        ("seed=-1", "seed must be an integer from 0 to 2**64 - 1, not '-1'"),
        ("seed=18446744073709551616", "seed must be an integer from 0 to 2**64 - 1"),
        ("calls=0", "calls must be from 1 to 100000, not 0"),
        ("seed=٣", "seed must be an integer from 0 to 2**64 - 1, not '٣'"),
        ("seed=1_0", "seed must be an integer from 0 to 2**64 - 1, not '1_0'"),
        (f"calls=1{'0' * 400}", "calls must be an integer from 0 to 2**64 - 1"),
        ("x[0,0,0,٠]=1", "key 'x[0,0,0,٠]' is not an element"),
        ("x[0,,0,0,0]=1", "key 'x[0,,0,0,0]' is not an element"),
        (f"x[{'1' * 5000},0,0,0]=1", "is not an element such as x[0,1,2,0]"),
        ("x[0,0,0,0]=1_0", "x[0,0,0,0] must be a number, not '1_0'"),
        ("x[0,0,0,0]=٣", "x[0,0,0,0] must be a number, not '٣'"),
        ("x[0,0,0,0]=1e400", "x[0,0,0,0] must be a number, not '1e400'"),
        ("x[0,0,0]=1", "x[0,0,0] lies outside x"),
        ("x[0,2,0,0]=1", "x[0,2,0,0] lies outside x, whose shape is (1, 2, 2, 1)"),
        ("w[0,0,0,0]=one", "w[0,0,0,0] must be a number, not 'one'"),
        ("x[0,0,0,0]=1e39", "x[0,0,0,0] must be a number of float32, not 1e+39"),
        ("y[0,0,0,0]=1", "key 'y[0,0,0,0]' is not an element"),
        ("values=normal x[0,0,0,0]=1", "go with values=given, not with values=normal"),
        ("colour=red", "key 'colour' is unknown"),
        ("seed=1 seed=2", "key 'seed' is given twice"),
    ],
)
def test_an_impossible_line_is_refused_in_one_sentence(rest: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        Case.parse(f"x=1x2x2x1 w=1x1x1x1 {rest}")


WORDS = st.sampled_from(
    ("x=1x2x2x1", "w=1x1x1x1", "values=", "given", "layouts=", "contiguous", "x[0,0,0,0]=", "x[", "]=1", ",", " ", "1", "nan")
)


@given(words=st.lists(WORDS, max_size=10))
def test_any_text_is_a_case_or_a_value_error(words: list[str]) -> None:
    try:
        case = Case.parse("x=1x2x2x1 w=1x1x1x1 " + "".join(words))
    except ValueError:
        return
    case.operands((AXES, AXES))


def test_operands_come_in_the_order_of_axes_that_a_kernel_takes() -> None:
    case = Case.parse("x=2x3x4x6 w=3x2x3x8 seed=5")
    x, w = case.values()
    placed_x, placed_w = case.operands(((0, 3, 1, 2), (3, 2, 0, 1)))
    np.testing.assert_array_equal(placed_x.array, x.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(placed_w.array, w.transpose(3, 2, 0, 1))
    assert placed_x.array.flags.c_contiguous  # contiguous to that kernel
