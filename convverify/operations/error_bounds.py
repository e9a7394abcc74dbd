"""A-priori bounds on the rounding error of a convolution: proven, not tuned.

Source of the elementwise bound: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002, sections 2.2 and
3.1: a sum of n products, evaluated in any order, errs by at most gamma_n * sum |x_i| |w_i|, gamma_n = n u / (1 - n u).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.operations.forward import convolve
from convverify.problems.dtypes import FORMATS, format_of
from convverify.problems.posing import problem_of
from convverify.problems.problem import Problem

Floats = npt.NDArray[np.float64]
_EXPONENT = np.uint64(0x7FF0000000000000)  # the bits of a float64 that hold its exponent


def gamma(terms: int, unit_roundoff: float) -> float:
    """Return gamma_n = n u / (1 - n u); infinity where n u >= 1 and the bound says nothing (Higham, lemma 3.1)."""
    product = terms * unit_roundoff
    return product / (1.0 - product) if product < 1.0 else math.inf


def ulp_of(values: Any, dtype: str) -> Floats:
    """Return the unit in the last place of each value in the named format (subnormals counted as the smallest normal number)."""
    form = FORMATS[dtype]
    bits = np.asarray(values, np.float64).view(np.uint64)
    powers: Floats = (bits & _EXPONENT).view(np.float64)  # the largest power of two that is no larger; infinity for what is not finite
    ulp: Floats = np.maximum(powers, 2.0**form.min_exponent) * 2.0 ** (1 - form.precision)
    return ulp


def elementwise_bound(problem: Problem, magnitude: Floats, x: Floats, w: Floats, products: float | None = None) -> Floats:
    """Return the largest error that a correct direct summation in the problem's dtype can make, for each output element.

    Parameters
    ----------
    problem : Problem
    magnitude : float64 array of the output's shape, |x| * |w| (the convolution of the absolute values)
    x, w : float64 arrays, the absolute values of the operands, or of those of their elements that met
    products : how many products of each output are counted (default: those that are not zero, which takes the whole of x and w)

    Returns
    -------
    float64 array: gamma_m (|x| * |w|) + underflow, against the float64 sum of the products, where m counts the products of an element that
    are not zero; (2 m - 1) u in place of gamma_m where m u >= 1/2; infinity where a partial sum may overflow: there no bound says anything.

    Notes
    -----
    A product with zero, and a sum with zero, are exact.  Each sum of two numbers that are not zero joins two sets of terms, each of
    which holds a term that is not zero, so that a term passes through one product and at most m - 1 sums that round: gamma_m.  With an
    accumulator of b more bits it is m u / 2**b, and u for the last rounding: no more than gamma_m for m >= 2, and u (1 + 2**-b) for
    m = 1, hence the factor 1 + 2**-10 (80-bit accumulators for float64 have b = 11).  The float64 sum that one compares with errs by
    gamma_m of 2**-53, which is added; the factor covers what |x| * |w| itself errs by.  That c roundings err by c u (|x| * |w|) at the
    most, however many they are, is proven in docs/verdicts.md.  Underflow (Higham, section 2.1, model 2.8, made coarser for processors
    that flush): each of the 2 n operations, and the result, may lose the smallest normal number; a subnormal operand, where there is
    one, may be flushed, which loses it times the other operand, n times.
    """
    form = FORMATS[problem.dtype]
    counted = _products(problem, x, w) if products is None else products
    relative = _relative(counted, form.unit_roundoff)
    flushed = _flushed(x, w, form.smallest_normal)
    lost = 2 * problem.terms + 1 + problem.terms * flushed
    with np.errstate(all="ignore"):
        bound: Floats = np.where(magnitude > 0.0, relative * magnitude, 0.0) + lost * form.smallest_normal * (1.0 + relative)
        return np.where(magnitude + bound < form.largest, bound, np.inf)


def accumulated_bound(problem: Problem, accumulator: str, expected: Floats, magnitude: Floats, x: Floats, w: Floats) -> Floats:
    """Return the largest error of a direct summation whose products and sums are of a wider format, and whose result alone is rounded to
    the problem's dtype, for each output element.

    Parameters
    ----------
    problem : Problem
    accumulator : the name of a format with more bits than the problem's dtype, and no smaller a range
    expected, magnitude : float64 arrays of the output's shape, x * w and |x| * |w|
    x, w : float64 arrays, the absolute values of the operands

    Returns
    -------
    float64 array: e + u (|x * w| + e) + underflow, where e is `elementwise_bound` in the accumulator, and u the dtype's unit roundoff
    (Higham, section 2.2: one rounding to nearest of a number within e of the exact sum); infinity where the result may overflow.
    """
    form = FORMATS[problem.dtype]
    wide = elementwise_bound(problem.with_(dtype=accumulator), magnitude, x, w)
    flushed = _flushed(x, w, form.smallest_normal)  # a subnormal operand, before it is widened
    with np.errstate(all="ignore"):
        result = np.abs(expected) + wide
        bound: Floats = wide + form.unit_roundoff * result * (1.0 + 2.0**-10) + form.smallest_normal + problem.terms * flushed
        return np.where(result + bound < form.largest, bound, np.inf)


def is_wider(accumulator: str, dtype: str) -> bool:
    """Return whether sums in one format are more exact than in another, and overflow no sooner."""
    one, other = FORMATS[accumulator], FORMATS[dtype]
    return one.precision > other.precision and one.max_exponent >= other.max_exponent


def _products(problem: Problem, x: Floats, w: Floats) -> Floats | float:
    """Return how many products of each output element are not zero; as one number where all may be."""
    if not any(map(any, problem.pads)) and x.all() and w.all():
        return float(problem.terms)
    return convolve(problem, (x != 0.0).astype(np.float64), (w != 0.0).astype(np.float64))


def _relative(products: Floats | float, unit_roundoff: float) -> Floats:
    """Return what the format and float64, in which one compares, may err by together, as a share of |x| * |w|, with some room."""
    first, second = np.asarray(products) * unit_roundoff, np.asarray(products) * 2.0**-53
    with np.errstate(all="ignore"):
        few = first / (1.0 - first)
        relative: Floats = (np.where(first < 0.5, few, 2.0 * first) + second / (1.0 - second)) * (1.0 + 2.0**-10)
    return relative


def _flushed(x: Floats, w: Floats, smallest_normal: float) -> float:
    """Return the largest values by which flushed subnormals in x and in w are multiplied, added up; 0 where there are none."""
    pairs = ((x, w), (w, x))
    return sum((float(other.max(initial=0.0)) for one, other in pairs if ((one < smallest_normal) & (one > 0.0)).any()), 0.0)


def assert_within_bound(
    actual: npt.NDArray[Any], x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID",
    dilations: Any = (1, 1), groups: int = 1,
) -> None:  # fmt: skip
    """Assert that `actual` is the convolution of x (NHWC) with w (HWIO) up to the rounding errors that its dtype allows.

    Raises AssertionError naming the worst element, and the errors of `conv2d_loops` where the arguments do not fit.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    format_of(x.dtype)
    x64, w64 = x.astype(np.float64), w.astype(np.float64)
    expected, magnitude = convolve(problem, x64, w64), convolve(problem, np.abs(x64), np.abs(w64))
    if actual.shape != expected.shape:
        raise AssertionError(f"the result has shape {actual.shape}; expected {expected.shape}")
    bound = elementwise_bound(problem, magnitude, np.abs(x64), np.abs(w64))
    error = np.abs(actual.astype(np.float64) - expected)
    wrong = ~(error <= bound) & np.isfinite(bound)
    if wrong.any():
        worst = tuple(
            int(i) for i in np.unravel_index(np.argmax(np.where(wrong, np.nan_to_num(error / bound, nan=np.inf), 0.0)), error.shape)
        )
        raise AssertionError(
            f"{int(wrong.sum())} of {wrong.size} elements exceed the bound; at {worst}: {actual[worst]!r}, right {expected[worst]!r}, "
            f"error {error[worst]:.3g}, bound {bound[worst]:.3g} ({problem})"
        )
