"""Operands for timed calls: drawn from a secret seed, and new for each call, so that no kernel can know a result in advance.

Of an image that is very large, a part is new each time; the weights always are, and with them all of the result.
"""

from __future__ import annotations

import math
import secrets
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.judging.kernel import Kernel
from convverify.judging.observation import Observation
from convverify.operands.placing import values_of
from convverify.operations.error_bounds import elementwise_bound, gamma
from convverify.operations.normwise import normwise_bound
from convverify.operations.spots import sums_at
from convverify.problems.dtypes import FORMATS, numpy_dtype
from convverify.problems.problem import Problem

Array: TypeAlias = npt.NDArray[Any]
_RENEWED = 1 << 22  # elements of x that are drawn anew each time: a few hundredths of a second
_BLUNT = 0.1  # of a typical sum: a bound from which on it does not tell one result from another
_PRODUCTS = 1 << 16  # that are summed to look at some elements of a result
_LEAST, _MOST = 64, 4096  # elements that are looked at


class Operands:
    """x (NHWC) and w (HWIO) of a problem: uniform in [-1, 1), or integers whose sums are exact, where an error bound says little."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._random = np.random.Generator(np.random.SFC64(secrets.randbits(128)))
        self._dtype = numpy_dtype(problem.dtype)
        self._drawn = np.float64 if problem.dtype == "float64" else np.float32
        bound = gamma(problem.terms, FORMATS[problem.dtype].unit_roundoff)  # of the sum of |x| |w|, of which a sum is one in the root of n
        self._is_exact = bound * math.sqrt(problem.terms) > _BLUNT
        self.x, self.w = (np.empty(shape, self._dtype) for shape in (problem.x_shape, problem.w_shape))
        if not self._is_exact:
            self._renew(self.x, self.x.size)

    def draw(self) -> tuple[Array, Array]:
        """Return new operands; the next ones overwrite them."""
        if self._is_exact:
            self.x, self.w = values_of(self.problem, "integers", secrets.randbits(64))
        else:
            self._renew(self.x, _RENEWED)
            self._renew(self.w, self.w.size)
        return self.x, self.w

    def _renew(self, array: Array, count: int) -> None:
        flat = array.reshape(-1)
        first = int(self._random.integers(flat.size)) if count < flat.size else 0
        for part in (flat[first : first + count], flat[: max(0, min(count, flat.size) - (flat.size - first))]):
            part[...] = self._random.random(part.size, self._drawn) * 2 - 1

    def fault(self, kernel: Kernel, seen: Observation) -> str:
        """Return what is wrong with a result for the operands that were drawn last, in a sentence about a call, or ""."""
        if seen.nonsense:
            return f"has left a record that makes no sense: {seen.nonsense}"
        if seen.failure:
            return seen.failure
        if seen.result is None or not seen.is_float:
            return f"returned dtype {seen.dtype}"
        result = seen.result.transpose(kernel.result_axes) if seen.result.ndim == 4 else seen.result
        if result.shape != self.problem.output_shape:
            return f"returned an array of shape {result.shape}; expected {self.problem.output_shape}"
        count = min(result.size, max(_LEAST, min(_MOST, _PRODUCTS // self.problem.terms)))
        spots = np.unravel_index(self._random.choice(result.size, count, replace=False, shuffle=False), result.shape)
        wrong = self._wrong(kernel, result[spots].astype(np.float64), spots)
        return f"returned {wrong} wrong elements of {count} that were looked at" if wrong else ""

    def _wrong(self, kernel: Kernel, values: Array, spots: tuple[Array, ...]) -> int:
        sums, magnitude, x, w = sums_at(self.problem, self.x, self.w, spots)
        with np.errstate(all="ignore"):
            error = np.abs(values - sums)
            if self._is_exact and kernel.accuracy == "elementwise":
                return int((error != 0.0).sum())
            bound = elementwise_bound(self.problem, magnitude, x, w, self.problem.terms)
            if kernel.accuracy == "normwise" and not (error <= bound).all():
                whole = normwise_bound(self.problem, self.x.astype(np.float64), self.w.astype(np.float64))
                bound = np.broadcast_to(whole, self.problem.output_shape)[spots]
            return int((~(error <= bound) & np.isfinite(bound)).sum())
