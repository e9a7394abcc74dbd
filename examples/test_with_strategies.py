"""Statements of one's own about a kernel, on problems and operands that convverify draws.

pytest examples/test_with_strategies.py     all pass
"""

import numpy as np
from hypothesis import given, settings
from mine import conv2d

from convverify import assert_within_bound, cases

EXACT = ["integers", "impulse"]  # values whose sums are exact, in any order
REAL = ["normal", "mixed", "cancelling"]


@given(case=cases(conv2d, values=REAL, max_macs=10_000))
@settings(deadline=None)
def test_rounding_errors_stay_within_the_proven_bound(case):
    x, w = case.values()
    assert_within_bound(conv2d(x, w), x, w)


@given(case=cases(conv2d, values=EXACT, max_macs=10_000))
@settings(deadline=None)
def test_it_is_linear(case):
    x, w = case.values()
    np.testing.assert_array_equal(conv2d(2 * x, w), 2 * conv2d(x, w))


@given(case=cases(conv2d, values=EXACT, max_macs=10_000))
@settings(deadline=None)
def test_images_do_not_see_each_other(case):
    x, w = case.values()
    one_by_one = [conv2d(x[n : n + 1], w) for n in range(len(x))]
    np.testing.assert_array_equal(conv2d(x, w), np.concatenate(one_by_one) if one_by_one else conv2d(x, w))
