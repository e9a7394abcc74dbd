"""Value styles: what numbers an operand holds, and which stage of judgement they are for.

A style is a function (problem, bits_x, bits_w, choices) -> (x, w): float64 arrays in the shapes of the problem, made from arrays of
random 64-bit integers by exact arithmetic alone, so that a seed gives the same operands on every machine.  Its traits: `stage`
is "exact" (integers: every partial sum is exact), "rounding" (judged by the error bound) or "special" (NaN and Inf); `weight` says how
often a campaign draws it (1 unless told), `sparse` that sums are exact because of zeros.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from convverify.operands.layouts import Choices
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem
from convverify.registry import Registry

Bits = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

styles = Registry("style", __name__)


def _integers(bits: Bits, magnitude: int) -> Floats:
    """Uniform integers in [-magnitude, magnitude], without 0 where magnitude is 1 or 2 would leave too many of them."""
    if magnitude <= 2:
        values = (bits >> np.uint64(8)) % np.uint64(2 * magnitude)
        return np.where(values < magnitude, values.astype(np.float64) - magnitude, values.astype(np.float64) - (magnitude - 1))
    return (bits % np.uint64(2 * magnitude + 1)).astype(np.float64) - magnitude


def _uniform(bits: Bits) -> Floats:
    """Uniform on the odd multiples of 2**-52 in (-1, 1): 0 is not among them."""
    return ((bits >> np.uint64(12)).astype(np.float64) - 2.0**51 + 0.5) * 2.0**-51


def _away_from_zero(bits: Bits) -> Floats:
    """Magnitudes from 0.5 to 1.5, both signs."""
    values = _uniform(bits)
    return np.copysign(np.abs(values) + 0.5, values)


def _bell(bits: Bits) -> Floats:
    """Close to normal with variance 1: the sum of four uniform 16-bit numbers (Irwin-Hall), which needs no libm."""
    parts = bits.view(np.uint16).reshape(*bits.shape, 4)
    total: Floats = parts.sum(axis=-1, dtype=np.int64).astype(np.float64)
    return (total - 131070.0) * (2.0**-16 * math.sqrt(3.0))


def _exact_budget(problem: Problem) -> int:
    """Largest max|x| * max|w| for which n * max|x| * max|w| <= 2**p, hence every partial sum exact; at least 1."""
    return max(1, FORMATS[problem.dtype].exact_integers // max(1, problem.terms))


def _thin(problem: Problem, w: Floats) -> Floats:
    """Zero weights until at most 2**p are left for each output channel, so that sums of units stay exact on deep reductions."""
    limit = FORMATS[problem.dtype].exact_integers
    if problem.terms <= limit:
        return w
    columns = w.reshape(problem.terms, problem.out_channels)
    stride = -(-columns.shape[0] // limit)
    kept = (np.arange(columns.shape[0])[:, None] + np.arange(columns.shape[1])[None, :]) % stride == 0
    return np.where(kept, columns, 0.0).reshape(w.shape)


@styles.register(stage="exact", weight=3)
def integers(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Integers of equal magnitude in x and w, as large as exact sums allow."""
    magnitude = max(1, math.isqrt(_exact_budget(problem)))
    return _integers(bits_x, magnitude), _thin(problem, _integers(bits_w, magnitude))


@styles.register(stage="exact", weight=2)
def long_integers(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Integers with nearly all significand bits in one operand and small ones in the other: lost digits show exactly."""
    budget = _exact_budget(problem)
    small = min(1 + choices.below(3), budget)
    long = max(1, budget // small)
    if choices.below(2):
        return _integers(bits_x, long), _thin(problem, _integers(bits_w, small))
    return _integers(bits_x, small), _thin(problem, _integers(bits_w, long))


@styles.register(stage="exact")
def small_integers(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Integers of magnitude 7 at the most: sums of large problems leave room for a check that is exact itself."""
    magnitude = min(7, max(1, math.isqrt(_exact_budget(problem))))
    return _integers(bits_x, magnitude), _thin(problem, _integers(bits_w, magnitude))


@styles.register(stage="exact", sparse=True)
def impulse(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """A single nonzero in one operand, integers in the other: the output shows the other operand, moved.  Now and then the nonzero, or all
    of the other operand, are odd numbers of all p bits, beside 1 and -1."""
    magnitude = max(1, math.isqrt(_exact_budget(problem)))
    x, w = _integers(bits_x, magnitude), _thin(problem, _integers(bits_w, magnitude))
    in_x, long = choices.below(2), choices.below(4)
    one, other, bits = (x, w, bits_w) if in_x else (w, x, bits_x)
    if one.size:
        position = choices.below(one.size)
        value = one.flat[position] or 1.0
        if long < 2:
            full = _all_bits(problem, bits)
            value = full.flat[0] if long and full.size else math.copysign(1.0, value)
            other[...] = np.sign(other) if long else np.where(other == 0, other, full)
        one[...] = 0.0
        one.flat[position] = value
    return _negative_zeros(x, bits_x), _negative_zeros(w, bits_w)


def _all_bits(problem: Problem, bits: Bits) -> Floats:
    """Odd integers of p bits, both signs."""
    precision = FORMATS[problem.dtype].precision
    values = ((bits >> np.uint64(8)) % np.uint64(1 << precision - 1) | np.uint64(1 << precision - 1) | np.uint64(1)).astype(np.float64)
    return np.where(bits & np.uint64(1), values, -values)


def _negative_zeros(values: Floats, bits: Bits) -> Floats:
    """Give every other zero the sign bit."""
    return np.where((values == 0.0) & (bits >> np.uint64(62) & np.uint64(1) != 0), -0.0, values)


Tooth = tuple[int, int]  # (step, period): element i is i * step % period - period // 2


def teeth_of(problem: Problem, choices: Choices) -> tuple[Tooth, Tooth]:
    """Return the steps and the periods of `sawtooth` for x and for w; periods are primes, the larger the more exact sums allow."""
    widest = 2 * math.isqrt(_exact_budget(problem)) + 1
    periods = [prime for prime in (23, 19, 17, 13, 11, 7, 5, 3) if prime <= widest][:4]
    first = choices.below(len(periods))
    chosen = periods[first], periods[(first + 1) % len(periods)]
    return (1 + choices.below(chosen[0] - 1), chosen[0]), (1 + choices.below(chosen[1] - 1), chosen[1])


@styles.register(stage="exact")
def sawtooth(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Integers that a line of NumPy writes without random numbers: np.arange(size) * step % period - period // 2."""
    x, w = (
        (np.arange(math.prod(shape)) * step % period - period // 2).reshape(shape).astype(np.float64)
        for shape, (step, period) in zip((problem.x_shape, problem.w_shape), teeth_of(problem, choices), strict=True)
    )
    return x, _thin(problem, w)


@styles.register(stage="exact")
def cancelling_integers(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Large integers of one sign in x, balanced signs in w: sums cancel to small ones whose last digits count."""
    magnitude = max(1, math.isqrt(_exact_budget(problem)))
    x, w = np.abs(_integers(bits_x, magnitude)), _integers(bits_w, magnitude)
    return magnitude - x % max(1, magnitude // 2), _thin(problem, w)


_NOTABLE = np.array([-9999, 9999, -999, 127, 128, -128, 255, 256, 32767, 32768, -32768, 65504, 65535, 65536, 1e7, -1e20])


@styles.register(stage="exact", weight=2)
def simple(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Values with short cuts: weights all one, all zero, or an identity; images of zeros, ones, or numbers with a meaning elsewhere."""
    budget = _exact_budget(problem)
    w = _plain_weights(_integers(bits_w, 1), choices)
    x = _integers(bits_x, min(budget, 3))
    kind = choices.below(5)
    if kind == 0:
        x = np.zeros_like(x)
    elif kind == 1:
        x = np.ones_like(x)
    elif kind in (2, 3):
        allowed = _NOTABLE[np.abs(_NOTABLE) <= budget]
        if allowed.size:
            picked = allowed[(bits_x % np.uint64(allowed.size)).astype(np.int64)]
            x = np.where(bits_x >> np.uint64(61) == 0, picked, x)
    return _negative_zeros(x, bits_x), _negative_zeros(_thin(problem, w), bits_w)


def _plain_weights(w: Floats, choices: Choices) -> Floats:
    """Return weights all zero, all one, an identity (more often where one tap is all there is), or w as it is."""
    kind = choices.below(6)
    if kind == 0:
        return np.zeros_like(w)
    if kind == 1 or (kind == 2 and w.shape[:2] != (1, 1)):
        return np.ones_like(w)
    if kind in (2, 3) and w.size:
        w = np.zeros_like(w)
        diagonal = np.arange(min(w.shape[2], w.shape[3]))
        w[w.shape[0] // 2, w.shape[1] // 2, diagonal, diagonal] = 1.0
    return w


@styles.register(stage="exact", weight=2)
def structured(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Weights with short cuts: separable, symmetric, equal along an axis, sparse, or with a filter or a channel of zeros; or so
    but for one element, by one; now and then an image with rows of zeros."""
    magnitude = max(1, math.isqrt(_exact_budget(problem)))
    w = _structure(_integers(bits_w, magnitude), _integers(bits_w, max(1, math.isqrt(magnitude))), bits_w, choices)
    if w.size and choices.below(2):
        position = choices.below(w.size)
        w.flat[position] -= np.sign(w.flat[position])
    return _with_empty_rows(_integers(bits_x, magnitude), choices), _thin(problem, w)


def _structure(w: Floats, factors: Floats, bits: Bits, choices: Choices) -> Floats:
    """Return w with a structure; of two small `factors` where it is separable."""
    kind = choices.below(10)
    if kind == 0:
        return factors[:, :1] * factors[:1]
    if kind == 1:
        w = np.where(np.arange(w.shape[0])[:, None, None, None] * 2 < w.shape[0], w, w[::-1])
        return np.where(np.arange(w.shape[1])[:, None, None] * 2 < w.shape[1], w, w[:, ::-1])
    if kind < 6:
        return np.repeat(w.take([0], axis=kind - 2), w.shape[kind - 2], axis=kind - 2) if w.size else w
    if kind == 6:
        return np.broadcast_to(w[:1, :1, :1], w.shape).copy() if w.size else w
    if kind == 7:
        return np.where(bits >> np.uint64(40) & np.uint64(7) == 0, w, 0.0)
    axis = kind - 6
    if w.shape[axis]:
        np.moveaxis(w, axis, 0)[choices.below(w.shape[axis])] = 0.0
    return w


def _with_empty_rows(x: Floats, choices: Choices) -> Floats:
    """Return an image, one time in four with one row or column, or all of them from some row on, of zeros."""
    kind, axis = choices.below(8), 1 + choices.below(2)
    if kind < 2 and x.shape[axis]:
        first = choices.below(x.shape[axis])
        np.moveaxis(x, axis, 0)[first : first + 1 if kind else None] = 0.0
    return x


@styles.register(stage="rounding", weight=2)
def normal(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Close to normally distributed, variance 1."""
    return _bell(bits_x), _bell(bits_w)


@styles.register(stage="rounding")
def positive(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """All positive: rounding errors of a poor accumulator add up instead of cancelling."""
    return np.abs(_uniform(bits_x)) + 0.25, np.abs(_uniform(bits_w)) + 0.25


@styles.register(stage="rounding")
def mixed(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Magnitudes over many powers of two in each operand."""
    reach = _half_range(problem) // 3
    return _scatter(bits_x, -reach, reach), _scatter(bits_w, -reach, reach)


@styles.register(stage="rounding", weight=2)
def structured_reals(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Real numbers with the structures of `structured`, or so but for one element, by a little; images whose columns, rows or channels
    differ in magnitude.  What saves work on equal weights by other sums than the definition's errs more than these do."""
    w = _structure(_bell(bits_w), _bell(bits_w), bits_w, choices)
    if w.size and choices.below(3) == 0:
        w.flat[choices.below(w.size)] *= 1.0 + 2.0 ** -(10 + 6 * choices.below(2))
    x, axis = _with_empty_rows(_bell(bits_x), choices), choices.below(6)
    return (_scaled(problem, x, bits_x, axis, choices)[0] if 0 < axis < 4 else x), w


def _scaled(problem: Problem, array: Floats, bits: Bits, axis: int, choices: Choices) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return an array whose parts along an axis have magnitudes of their own, one of them the largest and one the smallest; and their
    exponents."""
    count = array.shape[axis]
    if not array.size:
        return array, np.zeros(count, np.int64)
    half = _half_range(problem) if FORMATS[problem.dtype].max_exponent > 15 else 3
    exponents = (bits.reshape(-1)[:count] & np.uint64(0xFFFF)).astype(np.int64) % (2 * half + 1) - half
    exponents[choices.below(count)] = half
    exponents[choices.below(count)] = -half
    return array * np.ldexp(1.0, exponents).reshape([-1 if at == axis else 1 for at in range(4)]), exponents


@styles.register(stage="rounding")
def photograph(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Images of bytes divided by 255; weights of an average, an identity, or of any numbers."""
    w = _bell(bits_w) if choices.below(3) else _plain_weights(_bell(bits_w), choices) / max(1, problem.terms)
    return (bits_x >> np.uint64(56)).astype(np.float64) / 255.0, w


@styles.register(stage="rounding", weight=2)
def scaled_parts(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Magnitudes that differ by part: by image, row, column or channel of x, or by tap, channel or filter of w; where that is a channel,
    half of the filters do not see the large ones.  What scales by the largest number of all loses the small parts."""
    x, w, axis = _bell(bits_x), _bell(bits_w), choices.below(8)
    if axis >= 4:
        return x, _scaled(problem, w, bits_w, axis - 4, choices)[0]
    x, exponents = _scaled(problem, x, bits_x, axis, choices)
    if axis == 3 and w.size:
        group = np.arange(w.shape[3]) // max(1, problem.out_channels // problem.groups)
        large = (exponents > 0).reshape(problem.groups, w.shape[2])[group].T  # (inputs of the group, filters)
        w[:, :, large & (np.arange(w.shape[3]) % 2 == 1)] = 0.0
    return x, w


@styles.register(stage="rounding")
def agreeing_roundings(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """One large product and many of nearly a unit in its last place, which are lost one by one where sums are cut instead of rounded."""
    unit = 2.0 ** (1 - FORMATS[problem.dtype].precision)
    w = np.full(bits_w.shape, 0.8125 * unit)
    if w.size:
        position = (0, problem.terms - 1, choices.below(problem.terms))[choices.below(3)]
        w.reshape(problem.terms, -1)[position] = 1.0
    return 1.0 + (bits_x & np.uint64(1)).astype(np.float64) * 0.125, w


@styles.register(stage="rounding")
def cancelling(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """A large common part in x and weights that come in opposite pairs: the result is small beside its terms."""
    w = _bell(bits_w)
    columns = w.reshape(problem.terms, problem.out_channels)
    half = columns.shape[0] // 2
    columns[half : 2 * half] = -columns[:half]
    return _uniform(bits_x) * 2.0**-6 + 1.0, w


@styles.register(stage="rounding")
def huge(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Sums of products just below overflow, the exponent shared between the operands in a random ratio."""
    top = FORMATS[problem.dtype].max_exponent - 2 - problem.terms.bit_length()
    share = _share(choices, top)
    return _uniform(bits_x) * 2.0**share, _uniform(bits_w) * 2.0 ** (top - share)


@styles.register(stage="rounding")
def overflowing(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Some products beyond the largest number: sums that may overflow are not judged, all others are, and nothing may be raised."""
    top = FORMATS[problem.dtype].max_exponent - 1
    x = _uniform(bits_x) * np.where(bits_x & np.uint64(7) == 0, 2.0**top, 1.0)
    return x, _uniform(bits_w) * 8.0


@styles.register(stage="rounding")
def tiny(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Products above underflow by no more than the bound needs: values flushed too early show."""
    room = FORMATS[problem.dtype].precision // 2 + 6
    bottom = FORMATS[problem.dtype].min_exponent + room
    share = _share(choices, bottom)
    return _away_from_zero(bits_x) * 2.0**share, np.abs(_away_from_zero(bits_w)) * 2.0 ** (bottom - share)


@styles.register(stage="rounding")
def lopsided(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """One operand near the smallest normal number, the other large, up to the largest: their products are ordinary."""
    form = FORMATS[problem.dtype]
    reach = min(form.max_exponent, -form.min_exponent) - 4
    exponents = (-reach, (form.max_exponent, reach // 2, reach // 4)[choices.below(3)])
    if choices.below(2):
        exponents = exponents[::-1]
    return _away_from_zero(bits_x) * 2.0 ** exponents[0], _away_from_zero(bits_w) * 2.0 ** exponents[1]


@styles.register(stage="rounding")
def subnormal(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Subnormal numbers in x or in w, ordinary ones in the other: they may be flushed, not mistaken."""
    smallest = FORMATS[problem.dtype].smallest_normal
    if choices.below(2):
        return _bell(bits_x), _uniform(bits_w) * smallest
    return _uniform(bits_x) * smallest, _bell(bits_w)


# NaN as arithmetic makes it, with the sign bit, with a payload that every format keeps, with both; and the infinities, as often.
_NANS = np.array([0x7FF8 << 48, 0xFFF8 << 48, 0x7FFC << 48, 0xFFFC << 48], np.uint64).view(np.float64)
_NOT_FINITE = (_NANS[0], _NANS[1], _NANS[2], _NANS[3], math.inf, -math.inf, math.inf, -math.inf)


@styles.register(stage="special", weight=2)
def special(problem: Problem, bits_x: Bits, bits_w: Bits, choices: Choices) -> tuple[Floats, Floats]:
    """Small nonzero integers with a few NaN (of either sign, with payloads) or Inf in x, in w, or in both; now and then a whole image."""
    magnitude = min(2, max(1, math.isqrt(_exact_budget(problem))))  # the finite sums beside are exact in every dtype
    x, w = _integers(bits_x, magnitude), _integers(bits_w, magnitude)
    if choices.below(4) == 0:
        w[...] = min(magnitude, 1.0 + choices.below(2))
    w = _thin(problem, w)
    where = choices.below(4)
    for array, chosen in ((x, where != 2), (w, where >= 2)):
        if chosen and array.size:
            for _ in range(1 + choices.below(2)):
                array.flat[choices.below(array.size)] = _NOT_FINITE[choices.below(len(_NOT_FINITE))]
    if x.size and choices.below(8) == 0:
        x[choices.below(x.shape[0])] = _NOT_FINITE[choices.below(len(_NOT_FINITE))]
    return x, w


def _half_range(problem: Problem) -> int:
    form = FORMATS[problem.dtype]
    return int(min(form.max_exponent, -form.min_exponent, 64 if form.max_exponent < 1000 else 512)) // 2


def _scatter(bits: Bits, low: int, high: int) -> Floats:
    exponents = (bits & np.uint64(0xFFFF)).astype(np.int64) % (high - low + 1) + low
    return np.ldexp(_uniform(bits), exponents)


def _share(choices: Choices, total: int) -> int:
    """Split a power of two between the operands, both staying normal: evenly, or with one operand near 1."""
    return (total // 2, total, 0, total // 4)[choices.below(4)]
