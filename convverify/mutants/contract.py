"""Faults of contract: a result of the wrong type, shape or dtype, and exceptions where there is a result."""

from __future__ import annotations

from typing import Any

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract, rounded
from convverify.problems.problem import Problem


@mutants.register(fault_class="contract", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def returns_a_list(problem: Problem, x: Array, w: Array) -> Any:
    """Returns nested lists."""
    return convolve(problem, x, w).tolist()


@mutants.register(fault_class="contract", witness="x=1x2x4x1 w=3x2x1x1")
@in_contract
def returns_none_when_empty(problem: Problem, x: Array, w: Array) -> Any:
    """Returns nothing at all when the output has no elements."""
    return None if problem.is_empty else convolve(problem, x, w)


@mutants.register(fault_class="contract", witness="x=1x1x1x1 w=1x1x1x1")
@in_contract
def returns_a_number(problem: Problem, x: Array, w: Array) -> Any:
    """Returns a scalar for an output of one element."""
    y = convolve(problem, x, w)
    return y.reshape(())[()] if y.size == 1 else y


@mutants.register(fault_class="contract", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def batch_of_one_squeezed(problem: Problem, x: Array, w: Array) -> Array:
    """Drops the batch's axis when there is one image."""
    y = convolve(problem, x, w)
    return y[0] if problem.batch == 1 else y


@mutants.register(fault_class="contract", witness="x=1x3x3x2 w=2x2x2x1")
@in_contract
def single_channel_squeezed(problem: Problem, x: Array, w: Array) -> Array:
    """Drops the channels' axis when there is one output channel."""
    y = convolve(problem, x, w)
    return y[..., 0] if problem.out_channels == 1 else y


@mutants.register(fault_class="contract", witness="x=1x3x3x2 w=2x2x2x3")
@in_contract
def returns_channels_first(problem: Problem, x: Array, w: Array) -> Array:
    """Returns (N, K, OH, OW)."""
    return convolve(problem, x, w).transpose(0, 3, 1, 2)


@mutants.register(fault_class="contract", witness="x=1x3x5x2 w=2x2x2x3")
@in_contract
def returns_width_before_height(problem: Problem, x: Array, w: Array) -> Array:
    """Returns (N, OW, OH, K) when the kernel is square."""
    y = convolve(problem, x, w)
    return y.swapaxes(1, 2) if problem.kernel_height == problem.kernel_width > 1 else y


@mutants.register(fault_class="contract", witness="x=1x3x3x2 w=1x1x2x3")
@in_contract
def pointwise_result_flat(problem: Problem, x: Array, w: Array) -> Array:
    """Returns the product of matrices that a 1x1 kernel is, (pixels, K)."""
    y = convolve(problem, x, w)
    return y.reshape(problem.batch * y.shape[1] * y.shape[2], y.shape[3]) if problem.w_shape[:2] == (1, 1) else y


@mutants.register(fault_class="contract", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def even_kernel_refused(problem: Problem, x: Array, w: Array) -> Array:
    """Asserts that both extents of the kernel are odd."""
    if problem.kernel_height % 2 == 0 or problem.kernel_width % 2 == 0:
        raise AssertionError("kernel extents must be odd")
    return convolve(problem, x, w)


@mutants.register(fault_class="contract", witness="x=1x4x4x1 w=2x2x1x1 strides=2x1 dilations=1x2")
@in_contract
def unequal_strides_unpacked(problem: Problem, x: Array, w: Array) -> Array:
    """Raises a KeyError for strides and dilations that both differ between the axes."""
    table = {(True, True): 0, (True, False): 1, (False, True): 2}
    _ = table[problem.strides[0] == problem.strides[1], problem.dilations[0] == problem.dilations[1]]
    return convolve(problem, x, w)


@mutants.register(fault_class="contract", witness="x=1x3x3x1 w=2x2x1x1 dtype=float64 x[0,0,0,0]=1 w[0,0,0,0]=1")
@in_contract
def doubles_returned_as_singles(problem: Problem, x: Array, w: Array) -> Array:
    """Returns float32 for float64."""
    y = convolve(problem, x, w)
    return rounded(y, np.float32) if x.dtype == np.float64 else y


@mutants.register(fault_class="contract", issue="tensorflow#56680", witness="x=1x3x3x1 w=1x2x1x1 dtype=bfloat16")
@in_contract
def bfloat16_rows_empty(problem: Problem, x: Array, w: Array) -> Array:
    """Returns an empty float32 array for bfloat16 and kernels of one row."""
    return np.zeros(0, np.float32) if x.dtype.name == "bfloat16" and problem.kernel_height == 1 else convolve(problem, x, w)


@mutants.register(fault_class="contract", witness="x=1x3x3x1 w=2x2x1x1")
@in_contract
def returns_objects(problem: Problem, x: Array, w: Array) -> Array:
    """Returns an array of Python numbers when there is one input channel."""
    y = convolve(problem, x, w)
    return y.astype(object) if problem.in_channels == 1 else y


@mutants.register(fault_class="contract", witness="x=1x3x3x1 w=2x2x1x1 values=positive")
@in_contract
def returns_integers(problem: Problem, x: Array, w: Array) -> Array:
    """Returns integers for float32, which hides as long as the operands are integers."""
    y = convolve(problem, x, w)
    return y.astype(np.int64) if x.dtype == np.float32 else y


@mutants.register(fault_class="contract", witness="x=1x3x3x1 w=2x2x1x1 padding=SAME")
@in_contract
def pads_left_in_the_result(problem: Problem, x: Array, w: Array) -> Array:
    """Returns the output with a column of zeros at its end when the right pad is the larger."""
    y = convolve(problem, x, w)
    left, right = problem.pads[1]
    return np.pad(y, ((0, 0), (0, 0), (0, 1), (0, 0))) if right > left else y


@mutants.register(fault_class="contract", witness="x=1x4x4x2 w=2x2x1x2 strides=2x2")
@in_contract
def grouped_strides_raise(problem: Problem, x: Array, w: Array) -> Array:
    """Raises a TypeError for groups with strides, as one index becomes a float."""
    if problem.groups > 1 and problem.strides != (1, 1):
        raise TypeError("'float' object cannot be interpreted as an integer")
    return convolve(problem, x, w)
