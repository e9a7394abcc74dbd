"""Other orders and precisions of summation: none is further from the exact sum than the bound for any order allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from convverify.mutants._blocks import Array, accumulator_of, convolve, in_contract, product, rounded, windows
from convverify.problems.problem import Problem
from convverify.unusual import unusual


class _Terms:
    """The terms of all sums: term t is (output pixels, groups, outputs of a group), rounded to `dtype`."""

    def __init__(self, problem: Problem, x: Array, w: Array, dtype: Any = None) -> None:
        pixels = windows(problem, x, dtype=dtype or accumulator_of(x))
        groups, inputs = problem.groups, w.shape[2]
        count = int(np.prod(problem.output_shape[:3]))
        split = pixels.reshape(*pixels.shape[:5], groups, inputs).transpose(0, 1, 2, 5, 3, 4, 6)
        self._pixels = split.reshape(count, groups, problem.terms)
        self._weights = w.astype(pixels.dtype).reshape(problem.terms, groups, problem.out_channels // groups)
        self.zero = np.zeros((count, groups, problem.out_channels // groups), pixels.dtype)

    def factors(self, t: int) -> tuple[Array, Array]:
        return self._pixels[:, :, t, None], self._weights[t]

    def __getitem__(self, t: int) -> Array:
        left, right = self.factors(t)
        result: Array = left * right
        return result

    def __len__(self) -> int:
        return self._weights.shape[0]

    def __iter__(self) -> Iterator[Array]:
        return (self[t] for t in range(len(self)))


def _shaped(problem: Problem, y: Array, x: Array) -> Array:
    return rounded(y, x.dtype).reshape(problem.output_shape)


@unusual.register()
@in_contract
def backward_summation(problem: Problem, x: Array, w: Array) -> Array:
    """Sums from the last term to the first."""
    terms = _Terms(problem, x, w)
    y = terms.zero
    for t in reversed(range(len(terms))):
        y += terms[t]
    return _shaped(problem, y, x)


@unusual.register()
@in_contract
def shuffled_summation(problem: Problem, x: Array, w: Array) -> Array:
    """Sums in a random order, another one at each call."""
    terms = _Terms(problem, x, w)
    y = terms.zero
    for t in np.random.default_rng().permutation(len(terms)):
        y += terms[int(t)]
    return _shaped(problem, y, x)


def _pairwise(terms: _Terms, first: int, last: int) -> Array:
    if last - first == 1:
        return terms[first]
    middle = (first + last) // 2
    result: Array = _pairwise(terms, first, middle) + _pairwise(terms, middle, last)
    return result


@unusual.register()
@in_contract
def pairwise_summation(problem: Problem, x: Array, w: Array) -> Array:
    """Sums halves, and halves of halves."""
    terms = _Terms(problem, x, w)
    return _shaped(problem, _pairwise(terms, 0, len(terms)) if len(terms) else terms.zero, x)


@unusual.register()
@in_contract
def compensated_summation(problem: Problem, x: Array, w: Array) -> Array:
    """Sums after Kahan, carrying along what each addition lost."""
    terms = _Terms(problem, x, w)
    y, lost = terms.zero, terms.zero.copy()
    for term in terms:
        corrected = term - lost
        total = y + corrected
        lost, y = (total - y) - corrected, total
    return _shaped(problem, y, x)


@unusual.register()
@in_contract
def fused_multiply_add(problem: Problem, x: Array, w: Array) -> Array:
    """Rounds once for each product and addition, as fused instructions do: float32 by way of float64, float64 of long double."""
    narrow = accumulator_of(x)
    terms = _Terms(problem, x, w, np.longdouble if narrow == np.float64 else np.float64)
    y = terms.zero.astype(narrow)
    for term in terms:
        y = (term + y).astype(narrow)
    return _shaped(problem, y, x)


@unusual.register()
@in_contract
def summed_in_double(problem: Problem, x: Array, w: Array) -> Array:
    """Sums all dtypes in float64, and rounds once at the end."""
    return rounded(product(problem, windows(problem, x, dtype=np.float64), w), x.dtype)


@unusual.register()
@in_contract
def summed_in_long_double(problem: Problem, x: Array, w: Array) -> Array:
    """Sums in long double, whatever that is on the machine."""
    return rounded(product(problem, windows(problem, x, dtype=np.longdouble), w), x.dtype)


@unusual.register()
@in_contract
def summed_in_own_precision(problem: Problem, x: Array, w: Array) -> Array:
    """Rounds every product and sum to the operands' dtype, float16 and bfloat16 included."""
    terms = _Terms(problem, x, w, x.dtype)
    y = terms.zero
    for term in terms:
        y = y + term
    return _shaped(problem, y, x)


@unusual.register()
@in_contract
def positive_terms_first(problem: Problem, x: Array, w: Array) -> Array:
    """Sums the positive terms, then the negative ones, and takes the difference."""
    terms = _Terms(problem, x, w)
    above, below = terms.zero, terms.zero.copy()
    for term in terms:
        above += np.where(term < 0, 0, term)
        below += np.where(term < 0, term, 0)
    return _shaped(problem, above + below, x)


def _halves(array: Array) -> tuple[Array, Array]:
    """Return float32 values as sums of two numbers of 12 bits each, in float64."""
    high = (np.ascontiguousarray(array).view(np.uint32) & np.uint32(0xFFFFF000)).view(np.float32)
    return high.astype(np.float64), array.astype(np.float64) - high


@unusual.register()
@in_contract
def products_of_halves(problem: Problem, x: Array, w: Array) -> Array:
    """Splits each number of float32 into two of 12 bits and sums four convolutions of these in float64.

    The products are exact, so with e = gamma_{4n}(2**-53) * (1 + 2**-11)**2 the sum is within e of |x| * |w| before it is rounded, and
    after it within u/(1 + u) * (1 + e) + e, u = 2**-24.  That is at most gamma_n(2**-24) for every n below 2**24: for n = 1, e is below
    2**-50 and the left side below u - u**2 + 2**-49, the right side above u + u**2.
    """
    if x.dtype == np.float64:
        return convolve(problem, x, w)
    y = np.zeros(problem.output_shape)
    for part in _halves(x.astype(np.float32)):
        for factor in _halves(w.astype(np.float32)):
            y += product(problem, windows(problem, part), factor)
    return rounded(y, x.dtype)
