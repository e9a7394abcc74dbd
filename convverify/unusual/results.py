"""Other results: right values in another memory order, another dtype, or with other zeros."""

from __future__ import annotations

import numpy as np

from convverify.mutants._blocks import Array, convolve, in_contract, product, windows
from convverify.problems.dtypes import FORMATS
from convverify.problems.problem import Problem
from convverify.unusual import unusual


@unusual.register()
@in_contract
def fortran_ordered_result(problem: Problem, x: Array, w: Array) -> Array:
    """Returns an array in Fortran order."""
    return np.asfortranarray(convolve(problem, x, w))


@unusual.register()
@in_contract
def channels_first_in_memory(problem: Problem, x: Array, w: Array) -> Array:
    """Returns an NHWC view of an array that lies in memory as NCHW."""
    return np.ascontiguousarray(convolve(problem, x, w).transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)


@unusual.register()
@in_contract
def result_with_gaps(problem: Problem, x: Array, w: Array) -> Array:
    """Returns a view of a larger array of its own, with gaps between rows, filled with NaN."""
    y = convolve(problem, x, w)
    larger = np.full((y.shape[0], y.shape[1], y.shape[2] + 3, y.shape[3] + 1), np.nan, y.dtype)
    view = larger[:, :, 1:-2, :-1]
    view[...] = y
    return view


@unusual.register()
@in_contract
def result_stored_backwards(problem: Problem, x: Array, w: Array) -> Array:
    """Returns a view with negative strides."""
    return convolve(problem, x, w)[::-1, ::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1, ::-1]


@unusual.register()
@in_contract
def result_not_writeable(problem: Problem, x: Array, w: Array) -> Array:
    """Returns an array that refuses to be written."""
    y = convolve(problem, x, w)
    y.flags.writeable = False
    return y


@unusual.register()
@in_contract
def wider_result(problem: Problem, x: Array, w: Array) -> Array:
    """Returns float64 for every dtype."""
    return product(problem, windows(problem, x, dtype=np.float64), w)


@unusual.register()
@in_contract
def negative_zeros(problem: Problem, x: Array, w: Array) -> Array:
    """Returns -0.0 where others return 0.0."""
    y = convolve(problem, x, w)
    return np.where(y == 0, np.asarray(-0.0, y.dtype), y)


@unusual.register()
@in_contract
def subnormals_flushed(problem: Problem, x: Array, w: Array) -> Array:
    """Returns zero for results that are subnormal in the operands' dtype."""
    y = convolve(problem, x, w)
    limit = np.asarray(FORMATS[problem.dtype].smallest_normal, y.dtype)
    return np.where(np.abs(y) < limit, np.asarray(0, y.dtype), y)
