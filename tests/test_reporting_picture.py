"""Numbers and places in reports: as many digits as tell two numbers apart, and indices in the kernel's own order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from convverify.judging.findings import Finding
from convverify.reporting.facts import worst_sentence
from convverify.reporting.picture import around, number_text, numbers_apart, own_order, place, where

NCHW = (0, 3, 1, 2)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (1.0, 1.0000001192092896, ("1", "1.00000012")),
        (-1500583.0, -1500583.125, ("-1500583", "-1500583.12")),
        (16777216.0, 16777218.0, ("16777216", "16777218")),
        (0.0, 1.0, ("0", "1")),
        (0.1, 0.2, ("0.1", "0.2")),
        (1.0 / 3.0, 0.3333333432674408, ("0.333333333", "0.333333343")),
        (1e300, 1.00000001e300, ("1e+300", "1.00000001e+300")),
        (2.5e-9, 2.5000001e-9, ("2.5e-09", "2.5000001e-09")),
        (math.nan, 3.0, ("nan", "3")),
        (math.inf, -math.inf, ("inf", "-inf")),
        (7.0, 7.0, ("7", "7")),
    ],
)
def test_two_numbers_have_as_many_digits_as_tell_them_apart(one: float, other: float, expected: tuple[str, str]) -> None:
    assert numbers_apart(one, other) == expected
    assert numbers_apart(other, one) == expected[::-1]


@given(one=st.floats(), steps=st.integers(1, 2**40), dtype=st.sampled_from(["float16", "float32", "float64"]))
def test_no_two_different_numbers_are_shown_alike(one: float, steps: int, dtype: str) -> None:
    with np.errstate(all="ignore"):
        first = np.asarray(one, dtype)
        other = np.asarray(float(first) * (1.0 + steps * 2.0**-52), dtype)
    assume(first != other and not (np.isnan(first) and np.isnan(other)))
    texts = numbers_apart(float(first), float(other))
    assert texts[0] != texts[1]
    for text, value in zip(texts, (first, other), strict=True):
        assert math.isnan(value) or math.isclose(float(text), float(value), rel_tol=1e-5)


@given(value=st.integers(-(10**14), 10**14))
def test_integers_are_shown_whole(value: int) -> None:
    assert number_text(float(value)) == str(value)


@given(value=st.floats(1e6, 1e14))
def test_no_digit_of_the_integer_part_is_lost(value: float) -> None:
    assert abs(float(number_text(value)) - value) <= 1.0
    assert "e" not in number_text(value)


@pytest.mark.parametrize(
    ("expected", "actual", "bound", "dtype", "sentence"),
    [
        (1.0, 1.0000001192092896, None, "float32", "at y[0, 3, 1, 2] expected 1, got 1.00000012, 1 ulp apart"),
        (1.0, 1.0000001192092896, None, "float64", "at y[0, 3, 1, 2] expected 1, got 1.00000012, 5.4e+08 ulp apart"),
        (1.0, 1.0000001192092896, None, "", "at y[0, 3, 1, 2] expected 1, got 1.00000012"),
        (5.0, -7.0, None, "float32", "at y[0, 3, 1, 2] expected 5, got -7"),
        (0.0, 1.0, None, "float32", "at y[0, 3, 1, 2] expected 0, got 1"),
        (2.0, math.nan, None, "float32", "at y[0, 3, 1, 2] expected 2, got nan"),
        (math.inf, -math.inf, None, "float32", "at y[0, 3, 1, 2] expected inf, got -inf"),
        (
            2.0, 2.0 + 3 * 2.0**-22, 2.0**-22, "float32",
            "at y[0, 3, 1, 2] expected 2, got 2.0000007, 3 ulp apart: an error of 7.15e-07, 3 times the bound",
        ),
    ],
)  # fmt: skip
def test_the_worst_element_is_told_with_its_distance(expected: float, actual: float, bound: Any, dtype: str, sentence: str) -> None:
    assert worst_sentence(expected, actual, (0, 1, 2, 3), bound, dtype=dtype, axes=NCHW) == sentence


def test_an_index_is_shown_in_the_kernels_own_order() -> None:
    assert own_order((4, 5, 6, 7)) == (4, 5, 6, 7)
    assert own_order((4, 5, 6, 7), NCHW) == (4, 7, 5, 6)
    assert own_order((3,), NCHW) == (3,)
    assert place("y", (4, 5, 6, 7), NCHW) == "y[4, 7, 5, 6]"
    assert worst_sentence(1.0, 2.0, (4, 5, 6, 7), None) == "at y[4, 5, 6, 7] expected 1, got 2"
    y = np.zeros((4, 5, 6, 7))
    y[1, 2, 3, 4] = 9.0
    assert y.transpose(NCHW)[own_order((1, 2, 3, 4), NCHW)] == 9.0


def test_where_names_the_axes_in_the_kernels_own_order() -> None:
    wrong = np.zeros((2, 3, 4, 5), bool)
    wrong[1, :, 3, 0] = True
    assert where(wrong) == "only batch 1 of 0..1, column 3 of 0..3, channel 0 of 0..4"
    assert where(wrong, NCHW) == "only batch 1 of 0..1, channel 0 of 0..4, column 3 of 0..3"


def test_expected_and_actual_around_an_element_differ_where_they_are_marked() -> None:
    expected = np.arange(12.0).reshape(1, 3, 4, 1) * 1000.0
    actual = expected.copy()
    actual[0, 1, 1, 0] += 2.0**-20
    lines = around(Finding("exact_on_integers", "", expected, actual, expected != actual), (0, 1, 1, 0))
    assert [line.split() for line in lines] == [
        ["expected", "0", "1000", "2000", "3000"],
        ["4000", "5000", "6000", "7000"],
        ["8000", "9000", "10000", "11000"],
        ["actual", "0", "1000", "2000", "3000"],
        ["4000", "5000.000001*", "6000", "7000"],
        ["8000", "9000", "10000", "11000"],
    ]
    assert len({len(line) for line in lines if "*" not in line}) == 1
