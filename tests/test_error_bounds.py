"""The bounds are the literature's, hold for every order of summation, and are not so wide that a poor accumulator passes."""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convverify.operations.error_bounds import accumulated_bound, assert_within_bound, elementwise_bound, gamma, is_wider
from convverify.problems.dtypes import FORMATS, numpy_dtype
from convverify.problems.problem import Problem


@given(terms=st.integers(0, 10_000), precision=st.sampled_from((8, 11, 24, 53)))
def test_gamma_is_highams_formula(terms: int, precision: int) -> None:
    product = Fraction(terms, 2**precision)
    if product >= 1:
        assert gamma(terms, 2.0**-precision) == math.inf
    else:
        exact = product / (1 - product)
        assert abs(Fraction(gamma(terms, 2.0**-precision)) - exact) <= exact * Fraction(4, 2**53)  # four roundings of its own


def dot_products(terms: int, dtype: str, seed: int) -> tuple[Problem, np.ndarray, np.ndarray]:
    """A convolution whose every output is one dot product of `terms` real numbers."""
    problem = Problem(8, 1, 1, terms, 1, 1, 1, dtype=dtype)
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal(problem.x_shape), rng.standard_normal(problem.w_shape)
    return problem, x.astype(numpy_dtype(dtype)), w.astype(numpy_dtype(dtype))


def summed(x: np.ndarray, w: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Sum the products one after the other, every operation rounded to the dtype of the operands."""
    y = np.zeros((x.shape[0], 1, 1, 1), x.dtype)
    for i in order:
        y[:, 0, 0, 0] = y[:, 0, 0, 0] + x[:, 0, 0, i] * w[0, 0, i, 0]
    return y


@pytest.mark.parametrize("dtype", FORMATS)
@given(terms=st.integers(1, 120), seed=st.integers(0, 2**32 - 1))
def test_sums_in_any_order_stay_within_the_bound(dtype: str, terms: int, seed: int) -> None:
    problem, x, w = dot_products(terms, dtype, seed)
    forwards = np.arange(terms)
    for order in (forwards, forwards[::-1], np.random.default_rng(seed).permutation(terms), np.argsort(-abs(x[0, 0, 0]))):
        assert_within_bound(summed(x, w, order), x, w)
    assert problem.terms == terms


@pytest.mark.parametrize(
    ("dtype", "poor"), [("float64", "float32"), ("float32", "float16"), ("float32", "bfloat16"), ("float16", "bfloat16")]
)
def test_a_poorer_accumulator_exceeds_the_bound(dtype: str, poor: str) -> None:
    _, x, w = dot_products(5, dtype, seed=0)
    y = summed(x.astype(numpy_dtype(poor)), w.astype(numpy_dtype(poor)), np.arange(5)).astype(numpy_dtype(dtype))
    with pytest.raises(AssertionError, match="exceed the bound"):
        assert_within_bound(y, x, w)


def test_the_bound_grows_with_the_terms_and_shrinks_with_the_precision() -> None:
    one = np.ones((1, 1, 1, 1))
    widths = [
        [float(elementwise_bound(Problem(in_channels=terms, dtype=dtype), one, one, one)[0, 0, 0, 0]) for terms in (1, 2, 9, 100)]
        for dtype in ("float64", "float32", "float16", "bfloat16")
    ]
    for row in widths:
        assert row == sorted(row)
    for finer, coarser in itertools.pairwise(widths):
        assert all(a < b for a, b in zip(finer, coarser, strict=True))


@pytest.mark.parametrize("dtype", FORMATS)
def test_flushed_subnormals_are_within_the_bound(dtype: str) -> None:
    smallest = FORMATS[dtype].smallest_normal
    x = np.full((1, 1, 1, 3), smallest / 2).astype(numpy_dtype(dtype))
    w = np.full((1, 1, 3, 1), 1.5).astype(numpy_dtype(dtype))
    assert x.astype(np.float64).all()
    assert_within_bound(np.zeros((1, 1, 1, 1), x.dtype), x, w)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_long_sums_in_their_own_precision_are_within_the_bound_and_absurd_results_are_not(dtype: str) -> None:
    problem, x, w = dot_products(3000, dtype, 1)
    x, w = abs(x), abs(w)  # sums stagnate: most of the terms are lost
    stagnant = np.zeros(problem.output_shape, x.dtype)
    for t in range(problem.terms):
        stagnant = stagnant + x[..., t, None] * w[0, 0, t]
    assert_within_bound(stagnant, x, w)
    exact = x.astype(np.float64)[..., :] @ w.astype(np.float64)[0, 0]
    assert (stagnant.astype(np.float64) < 0.97 * exact).all()
    with pytest.raises(AssertionError):
        assert_within_bound(30 * exact, x.astype(np.float64).astype(x.dtype), w)


def test_products_with_zero_do_not_widen_the_bound() -> None:
    x, w = np.ones((1, 1, 1, 1000), np.float32), np.zeros((1, 1, 1000, 1), np.float32)
    w[0, 0, :3] = 0.1
    exact = x[0, 0, 0].astype(np.float64) @ w[0, 0].astype(np.float64)
    assert_within_bound((exact * (1 + 2.9 * 2.0**-24)).astype(np.float64).reshape(1, 1, 1, 1), x, w)
    with pytest.raises(AssertionError, match="exceed the bound"):
        assert_within_bound((exact * (1 + 4 * 2.0**-24)).reshape(1, 1, 1, 1), x, w)


def test_pads_do_not_widen_the_bound() -> None:
    problem = Problem(1, 1, 4, 1, 1, 3, 1, padding="SAME")
    ones = np.ones((1, 1, 4, 1))
    bound = elementwise_bound(problem, ones, np.ones(problem.x_shape), np.ones(problem.w_shape)).ravel() * 2.0**24
    assert np.allclose(bound, [2, 3, 3, 2], rtol=0.01)


NARROW = (("float16", "float32"), ("bfloat16", "float32"), ("float32", "float64"))


def allowed(problem: Problem, x: np.ndarray, w: np.ndarray, accumulator: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact sums and the error that a wider accumulator allows them."""
    x64, w64 = x.astype(np.float64).reshape(x.shape[0], -1), w.astype(np.float64).reshape(-1)
    exact = np.array([math.fsum(row * w64) for row in x64]).reshape(-1, 1, 1, 1)
    magnitude = (np.abs(x64) @ np.abs(w64)).reshape(-1, 1, 1, 1)
    return exact, accumulated_bound(problem, accumulator, exact, magnitude, np.abs(x.astype(np.float64)), np.abs(w.astype(np.float64)))


@pytest.mark.parametrize(("dtype", "accumulator"), NARROW)
@pytest.mark.parametrize("terms", [1, 2, 7, 300])
@pytest.mark.parametrize("scale", [1.0, 2.0**-12])
def test_sums_in_a_wider_format_rounded_once_stay_within_its_bound(dtype: str, accumulator: str, terms: int, scale: float) -> None:
    problem, x, w = dot_products(terms, dtype, seed=terms)
    w = (w * w.dtype.type(scale)).astype(w.dtype)
    y = summed(x.astype(accumulator), w.astype(accumulator), np.arange(terms)).astype(x.dtype)
    exact, bound = allowed(problem, x, w, accumulator)
    assert (np.abs(y.astype(np.float64) - exact) <= bound).all()


@pytest.mark.parametrize(("dtype", "accumulator"), NARROW)
def test_sums_in_the_format_itself_exceed_the_bound_of_a_wider_one(dtype: str, accumulator: str) -> None:
    problem, x, w = dot_products(300, dtype, seed=1)
    exact, bound = allowed(problem, x, w, accumulator)
    assert (np.abs(summed(x, w, np.arange(300)).astype(np.float64) - exact) > bound).any()


def test_a_result_that_may_overflow_is_not_bounded_however_wide_the_accumulator() -> None:
    problem = Problem(1, 1, 1, 2, 1, 1, 1, dtype="float16")
    x, w = np.full(problem.x_shape, 200.0, np.float16), np.full(problem.w_shape, 200.0, np.float16)
    assert np.isinf(allowed(problem, x, w, "float32")[1]).all()


def test_an_accumulator_is_wider_where_it_has_more_bits_and_no_smaller_range() -> None:
    assert [is_wider("float32", dtype) for dtype in FORMATS] == [True, True, False, False]
    assert [is_wider("float64", dtype) for dtype in FORMATS] == [True, True, True, False]
    assert not is_wider("float16", "bfloat16")


def test_the_table_of_invisible_errors_is_what_the_bounds_come_to() -> None:
    text = (Path(__file__).parent.parent / "docs" / "verdicts.md").read_text()
    rows = re.findall(r"^\| (b?float\d+), (b?float\d+) \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) == 7
    for dtype, accumulator, cells in rows:
        for terms, cell in zip((9, 128, 2048, 32768), cells.split(" | "), strict=True):
            problem, one = Problem(1, 1, 1, terms, 1, 1, 1, dtype=dtype), np.full((1, 1, 1, 1), 1024.0)  # where underflow is nothing
            values = np.full(problem.x_shape, 1024.0 / terms), np.ones(problem.w_shape)
            if accumulator == dtype:
                (bound,) = elementwise_bound(problem, one, *values).ravel() / 1024.0
            else:
                (bound,) = accumulated_bound(problem, accumulator, one, one, *values).ravel() / 1024.0
            assert cell == (f"{bound:.1e}" if bound < 1.0 else "all"), (dtype, accumulator, terms)


def test_the_assertion_names_the_worst_element() -> None:
    x, w = np.ones((1, 3, 3, 1), np.float32), np.ones((2, 2, 1, 1), np.float32)
    y = np.full((1, 2, 2, 1), 4.0, np.float32)
    assert_within_bound(y, x, w)
    y[0, 1, 0, 0], y[0, 0, 1, 0] = 9.0, 4.1
    with pytest.raises(AssertionError, match=re.escape("2 of 4 elements exceed the bound; at (0, 1, 0, 0)")):
        assert_within_bound(y, x, w)


def test_the_assertion_refuses_nan_and_another_shape() -> None:
    x, w = np.ones((1, 3, 3, 1), np.float32), np.ones((2, 2, 1, 1), np.float32)
    with pytest.raises(AssertionError, match="4 of 4 elements"):
        assert_within_bound(np.full((1, 2, 2, 1), np.nan, np.float32), x, w)
    with pytest.raises(AssertionError, match=re.escape("shape (1, 3, 3, 1); expected (1, 2, 2, 1)")):
        assert_within_bound(np.ones((1, 3, 3, 1), np.float32), x, w)


def test_the_assertion_takes_the_parameters_of_a_kernel() -> None:
    x, w = np.ones((1, 4, 4, 2), np.float32), np.ones((2, 2, 1, 2), np.float32)
    y = np.full((1, 1, 1, 2), 4.0, np.float32)
    assert_within_bound(y, x, w, strides=(3, 3), padding=[[0, 0], [0, 0], [0, 0], [0, 0]], dilations=(2, 2), groups=2)
    with pytest.raises(ValueError, match="groups"):
        assert_within_bound(y, x, w, groups=1)
