"""Value styles hold what the stage they are for needs: sums that are exact, that do not overflow, or that are not finite."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convverify.generation.strategies import problems
from convverify.operands.case import Case
from convverify.operands.fills import styles
from convverify.operands.layouts import PLAIN
from convverify.operands.placing import values_of
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem
from convverify.references.exact import convolve

DTYPES = tuple(FORMATS)
PROBLEMS = problems(max_macs=4000, dtypes=DTYPES)
SEEDS = st.integers(0, 2**32 - 1)


def named(stage: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("style", [entry.name for entry in styles if entry.traits["stage"] == stage])


def operands(problem: Problem, style: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x and w as float64, once they have passed through the problem's dtype."""
    x, w = values_of(problem, style, seed)
    return x.astype(np.float64), w.astype(np.float64)


@named("exact")
@given(problem=PROBLEMS, seed=SEEDS)
def test_integers_have_exact_sums_in_any_order(style: str, problem: Problem, seed: int) -> None:
    x, w = operands(problem, style, seed)
    assert (x == np.rint(x)).all()
    assert (w == np.rint(w)).all()
    assert convolve(problem, abs(x), abs(w)).max(initial=0.0) <= FORMATS[problem.dtype].exact_integers


@named("exact")
@pytest.mark.parametrize("layouts", [(PLAIN, "broadcast"), ("broadcast", PLAIN), ("overlapping", "broadcast"), (PLAIN, "overlapping")])
@pytest.mark.parametrize("terms", [3, 700])
def test_sums_of_values_that_share_memory_are_exact_or_not_judged_as_such(style: str, layouts: tuple[str, str], terms: int) -> None:
    for dtype, seed in itertools.product(("bfloat16", "float32"), range(30)):
        case = Case(Problem(1, 2, 2, terms, 1, 1, 2, dtype=dtype), style, layouts, seed)
        x, w = (np.abs(operand.array.astype(np.float64)) for operand in case.operands(((0, 1, 2, 3), (0, 1, 2, 3))))
        assert case.stage == "rounding" or convolve(case.problem, x, w).max() <= FORMATS[dtype].exact_integers, case


@named("exact")
@pytest.mark.parametrize("dtype", DTYPES)
def test_integers_have_exact_sums_however_deep_the_reduction(style: str, dtype: str) -> None:
    problem = Problem(1, 1, 1, 5000, 1, 1, 3, dtype=dtype)  # more terms than bfloat16 and float16 have integers
    x, w = operands(problem, style, seed=3)
    assert convolve(problem, abs(x), abs(w)).max() <= FORMATS[dtype].exact_integers


@pytest.mark.parametrize("terms", [2, 100, 700, 5000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_finite_sums_beside_nan_and_infinity_are_exact(dtype: str, terms: int) -> None:
    for seed in range(20):
        x, w = operands(Problem(1, 1, 1, terms, 1, 1, 3, dtype=dtype), "special", seed)
        finite = [np.abs(np.where(np.isfinite(array), array, 0.0)) for array in (x, w)]
        assert convolve(Problem(1, 1, 1, terms, 1, 1, 3), *finite).max() <= FORMATS[dtype].exact_integers


@named("exact")
def test_every_operand_of_integers_says_something(style: str) -> None:
    drawn = [operands(Problem(1, 3, 3, 4, 2, 2, 3), style, seed) for seed in range(20)]
    assert sum(bool(x.any() and w.any()) for x, w in drawn) >= (10 if style == "simple" else 20)  # zeros are among what is simple


@pytest.mark.parametrize("style", [entry.name for entry in styles if entry.traits["stage"] == "rounding" and entry.name != "overflowing"])
@given(problem=PROBLEMS, seed=SEEDS)
def test_real_numbers_do_not_overflow(style: str, problem: Problem, seed: int) -> None:
    x, w = operands(problem, style, seed)
    assert np.isfinite(x).all()
    assert np.isfinite(w).all()
    assert convolve(problem, abs(x), abs(w)).max(initial=0.0) < FORMATS[problem.dtype].largest


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("style", styles.names())
def test_a_seed_decides_the_values(style: str, dtype: str) -> None:
    problem = Problem(2, 5, 5, 3, 3, 3, 4, dtype=dtype)
    first, again, other = (values_of(problem, style, seed) for seed in (1, 1, 2))
    assert [array.tobytes() for array in first] == [array.tobytes() for array in again]
    assert [array.tobytes() for array in first] != [array.tobytes() for array in other]


LARGE = Problem(2, 8, 8, 16, 3, 3, 16)


def test_names_are_true() -> None:
    values = {name: operands(LARGE, name, seed=5) for name in styles.names()}
    assert min(array.min() for array in values["positive"]) > 0
    assert sorted(np.count_nonzero(array) == 1 for array in values["impulse"]) == [False, True]
    assert sum(abs(array).max() > 1000 for array in values["long_integers"]) == 1
    assert values["cancelling_integers"][0].min() > 0
    x, w = values["mixed"]
    assert min(np.log2(abs(array).max() / abs(array).min()) for array in (x, w)) > 20
    assert sorted(abs(array).max() < FORMATS["float32"].smallest_normal and array.any() for array in values["subnormal"]) == [False, True]
    x, w = values["lopsided"]
    assert np.log2(abs(np.log2(abs(x)).mean() - np.log2(abs(w)).mean())) > 6
    assert convolve(LARGE, *map(abs, values["overflowing"])).max() > FORMATS["float32"].largest
    assert convolve(LARGE, *map(abs, values["huge"])).max() > 2.0**100
    assert np.count_nonzero(~np.isfinite(np.concatenate([array.ravel() for array in values["special"]]))) in range(1, 5)
    assert {value for seed in range(40) for value in operands(LARGE, "simple", seed)[1].ravel()[:1]} >= {0.0, 1.0, -1.0}


def test_cancelling_sums_are_small_beside_their_terms() -> None:
    x, w = operands(Problem(4, 1, 1, 64, 1, 1, 8), "cancelling", seed=1)
    problem = Problem(4, 1, 1, 64, 1, 1, 8)
    assert np.median(abs(convolve(problem, x, w)) / convolve(problem, abs(x), abs(w))) < 0.01


def test_products_of_tiny_numbers_are_just_above_underflow() -> None:
    for seed in range(8):
        x, w = operands(Problem(1, 1, 1, 5, 1, 1, 5), "tiny", seed)
        products = abs(x[0, 0, 0, :, None] * w[0, 0])
        smallest = FORMATS["float32"].smallest_normal
        assert smallest < products.min()
        assert products.max() < smallest * 2.0**24


def test_variance_of_normal_values_is_one() -> None:
    x, _ = operands(Problem(8, 32, 32, 8, 1, 1, 8), "normal", seed=0)
    assert np.count_nonzero(x) == x.size
    assert abs(x.mean()) < 5 / np.sqrt(x.size)  # five standard deviations of the mean
    assert abs(x.var() - 1.0) < 5 * np.sqrt(2 / x.size)


@given(problem=PROBLEMS.filter(lambda problem: not problem.is_empty and problem.terms), seed=SEEDS)
def test_special_values_are_in_an_operand(problem: Problem, seed: int) -> None:
    x, w = Case(problem, "special", seed=seed).values()
    assert not (np.isfinite(x.astype(np.float64)).all() and np.isfinite(w.astype(np.float64)).all())
