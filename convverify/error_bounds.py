"""A-priori bounds on the rounding error of a convolution: proven, not tuned.

Source of the elementwise bound: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002, sections 2.2 and
3.1: a sum of n products, evaluated in any order, errs by at most gamma_n * sum |x_i| |w_i|, gamma_n = n u / (1 - n u).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.dtypes import FORMATS, format_of
from convverify.problem import Problem

Floats = npt.NDArray[np.float64]


def gamma(terms: int, unit_roundoff: float) -> float:
    """Return gamma_n = n u / (1 - n u); infinity where n u >= 1 and the bound says nothing (Higham, lemma 3.1)."""
    product = terms * unit_roundoff
    return product / (1.0 - product) if product < 1.0 else math.inf


def elementwise_bound(problem: Problem, magnitude: Floats, largest_x: float, largest_w: float) -> Floats:
    """Return the largest error that a correct direct summation in the problem's dtype can make, for each output element.

    Parameters
    ----------
    problem : Problem
    magnitude : float64 array of the output's shape, |x| * |w| (the convolution of the absolute values)
    largest_x, largest_w : largest absolute values of the operands

    Returns
    -------
    float64 array: gamma_{n+1} (|x| * |w|) + underflow, against the float64 sum of the products.

    Notes
    -----
    n products and n - 1 sums make gamma_n; one rounding more brings a wider accumulator to the result's dtype.  The float64 sum
    that one compares with errs too: gamma_n of 2**-53, added.  Underflow (Higham, section 2.1, model 2.8, made coarser for processors
    that flush): each of the 2 n operations, and the result, may lose the smallest normal number, and a subnormal operand, flushed, loses it
    times the other operand, n times.
    """
    form = FORMATS[problem.dtype]
    relative = gamma(problem.terms + 1, form.unit_roundoff) + 2.0 * gamma(problem.terms, 2.0**-53)
    if math.isinf(relative):
        return np.full_like(magnitude, np.inf)  # also where the magnitude is 0, which would make NaN of it
    lost = 2 * problem.terms + 1 + problem.terms * (largest_x + largest_w)
    with np.errstate(all="ignore"):
        return relative * magnitude + lost * form.smallest_normal * (1.0 + relative)


def assert_within_bound(
    actual: npt.NDArray[Any], x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID",
    dilations: Any = (1, 1), groups: int = 1,
) -> None:  # fmt: skip
    """Assert that `actual` is the convolution of x (NHWC) with w (HWIO) up to the rounding errors that its dtype allows.

    Raises AssertionError naming the worst element, and the errors of `conv2d_loops` where the arguments do not fit.
    """
    from convverify.kernels import problem_of
    from convverify.references.exact import convolve

    problem = problem_of(x, w, strides, padding, dilations, groups)
    format_of(x.dtype)
    x64, w64 = x.astype(np.float64), w.astype(np.float64)
    expected, magnitude = convolve(problem, x64, w64), convolve(problem, np.abs(x64), np.abs(w64))
    if actual.shape != expected.shape:
        raise AssertionError(f"the result has shape {actual.shape}, where {expected.shape} is right")
    bound = elementwise_bound(problem, magnitude, float(np.max(np.abs(x64), initial=0.0)), float(np.max(np.abs(w64), initial=0.0)))
    error = np.abs(actual.astype(np.float64) - expected)
    wrong = ~(error <= bound)
    if wrong.any():
        worst = tuple(
            int(i) for i in np.unravel_index(np.argmax(np.where(wrong, np.nan_to_num(error / bound, nan=np.inf), 0.0)), error.shape)
        )
        raise AssertionError(
            f"{int(wrong.sum())} of {wrong.size} elements exceed the bound; at {worst}: {actual[worst]!r}, right {expected[worst]!r}, "
            f"error {error[worst]:.3g}, bound {bound[worst]:.3g} ({problem})"
        )
