"""NaN and Inf: which outputs they must reach, which they must not, and which sign an infinity may have.

IEEE 754 leaves the sign of NaN open, kernels may skip a product with zero or compute it, and so a few elements are not judged:
these functions say which.  All are counts of products, hence convolutions of 0s and 1s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convverify.operations.forward import Floats, convolve, gather_windows
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SpecialMasks:
    """For each output element: must it be NaN or Inf (`nonfinite`), and must it not be judged (`unjudged`)?"""

    nonfinite: Mask
    unjudged: Mask


def special_masks(problem: Problem, x: Floats, w: Floats) -> SpecialMasks:
    """Return what NaN and Inf in x (NHWC) and w (HWIO) do to the output.

    Not judged: a non-finite weight that meets a pad, a NaN or Inf that meets a zero, and a finite sum that need not be exact.
    """
    x_bad, w_bad = ~np.isfinite(x), ~np.isfinite(w)
    nonfinite = _meet(problem, x_bad, w != 0) | _meet(problem, x != 0, w_bad)
    unjudged = _meet(problem, x_bad, w == 0) | _meet(problem, x == 0, w_bad) | _meet_pads(problem, w_bad)
    return SpecialMasks(nonfinite, (unjudged | _inexact(problem, x, w)) & ~nonfinite)


def special_expected(problem: Problem, x: Floats, w: Floats, masks: SpecialMasks) -> Floats:
    """Return the sums of products, NaN wherever the result is not finite or not judged; `masks` are those of `special_masks`."""
    finite = convolve(problem, np.nan_to_num(x, nan=0, posinf=0, neginf=0), np.nan_to_num(w, nan=0, posinf=0, neginf=0))
    return np.where(masks.nonfinite | masks.unjudged, np.nan, finite)


def _inexact(problem: Problem, x: Floats, w: Floats) -> Mask:
    """Return where the sum of the finite products may be rounded, as where values repeat in memory."""
    x, w = (np.abs(np.where(np.isfinite(array), array, 0.0)) for array in (x, w))
    limit = FORMATS[problem.dtype].exact_integers
    if any((array != np.rint(array)).any() for array in (x, w)):
        return np.ones(problem.output_shape, bool)
    if problem.terms * x.max(initial=0.0) * w.max(initial=0.0) <= limit:
        return np.zeros(problem.output_shape, bool)
    inexact: Mask = convolve(problem, x, w) > limit
    return inexact


def infinities(problem: Problem, x: Floats, w: Floats) -> tuple[Mask, Mask]:
    """Return (some product is +Inf, some product is -Inf), for each output element."""

    def met(*pairs: tuple[Mask, Mask]) -> Mask:
        found: Mask = np.logical_or.reduce([_meet(problem, a, b) for a, b in pairs])
        return found

    plus = met((x == np.inf, w > 0), (x == -np.inf, w < 0), (x > 0, w == np.inf), (x < 0, w == -np.inf))
    minus = met((x == np.inf, w < 0), (x == -np.inf, w > 0), (x > 0, w == -np.inf), (x < 0, w == np.inf))
    return plus, minus


def wrong_infinities(problem: Problem, x: Floats, w: Floats, actual: Floats) -> Mask:
    """Return where a result (float64, NHWC) is infinite with a sign that no product has."""
    infinite = np.isinf(actual)
    if not infinite.any():
        return infinite
    plus, minus = infinities(problem, x, w)
    wrong: Mask = infinite & np.where(actual > 0, minus & ~plus, plus & ~minus)
    return wrong


def _meet(problem: Problem, of_x: Mask, of_w: Mask) -> Mask:
    """Return where a marked pixel is multiplied by a marked weight."""
    met: Mask = convolve(problem, of_x.astype(np.float64), of_w.astype(np.float64)) > 0
    return met


def _meet_pads(problem: Problem, of_w: Mask) -> Mask:
    """Return where a marked weight is multiplied by a pad."""
    if not of_w.any() or problem.is_empty or not problem.terms:
        return np.zeros(problem.output_shape, bool)
    outside = gather_windows(problem, np.zeros(problem.x_shape), outside=1.0)
    weights = of_w.astype(np.float64).reshape(problem.terms, problem.groups, -1).transpose(1, 0, 2)
    met: Mask = (outside @ weights[:, None]).transpose(1, 2, 0, 3).reshape(problem.output_shape) > 0
    return met
