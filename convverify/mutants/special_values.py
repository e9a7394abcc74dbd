"""Faults of special values: NaN and Inf swallowed, or spread to outputs that do not see them."""

from __future__ import annotations

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract, product, rounded, tail, windows
from convverify.problems.problem import Problem


@mutants.register(fault_class="special_values", witness="x=1x2x2x1 w=1x1x1x1 x[0,0,0,0]=nan w[0,0,0,0]=1")
@in_contract
def nan_as_zero(problem: Problem, x: Array, w: Array) -> Array:
    """Takes NaN in x for zero."""
    return convolve(problem, np.where(np.isnan(x), np.asarray(0, x.dtype), x), w)


@mutants.register(fault_class="special_values", witness="x=1x2x2x1 w=1x1x1x1 x[0,0,0,0]=1 w[0,0,0,0]=nan")
@in_contract
def nan_weights_as_zero(problem: Problem, x: Array, w: Array) -> Array:
    """Takes NaN in w for zero."""
    return convolve(problem, x, np.where(np.isnan(w), np.asarray(0, w.dtype), w))


@mutants.register(fault_class="special_values", witness="x=1x2x2x1 w=1x1x1x1 x[0,0,0,0]=inf w[0,0,0,0]=1")
@in_contract
def infinity_as_thousand(problem: Problem, x: Array, w: Array) -> Array:
    """Replaces Inf in x by 1000, and -Inf by -1000."""
    return convolve(problem, np.where(np.isinf(x), np.copysign(np.asarray(1000, x.dtype), x), x), w)


@mutants.register(fault_class="special_values", witness="x=1x2x2x1 w=1x1x1x1 x[0,0,0,0]=-inf w[0,0,0,0]=1")
@in_contract
def negative_infinity_clamped(problem: Problem, x: Array, w: Array) -> Array:
    """Gives -Inf in the results the value -60000, which was the lowest number some cast could hold."""
    y = convolve(problem, x, w)
    return np.where(np.isinf(y) & (y < 0), np.asarray(-60000, y.dtype), y)


@mutants.register(fault_class="special_values", witness="x=1x2x2x1 w=1x1x1x1 x[0,0,0,0]=nan w[0,0,0,0]=1")
@in_contract
def nan_lost_in_a_maximum(problem: Problem, x: Array, w: Array) -> Array:
    """Ends with a maximum that prefers numbers to NaN."""
    y = convolve(problem, x, w)
    return np.where(np.isnan(y), np.asarray(-60000, y.dtype), y)


@mutants.register(fault_class="special_values", witness="x=1x1x1x6 w=1x1x6x1 x[0,0,0,5]=nan w[0,0,5,0]=1")
@in_contract
def nan_lost_in_the_channel_tail(problem: Problem, x: Array, w: Array) -> Array:
    """Masks NaN off in the input channels behind the last four, as a masked load would the lanes."""
    x = x.copy()
    rest = x[..., tail(x.shape[3], 4)]
    rest[np.isnan(rest)] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="special_values", witness="x=1x3x3x1 w=1x1x1x1 x[0,0,0,0]=nan w[0,0,0,0]=1")
@in_contract
def nan_fills_the_image(problem: Problem, x: Array, w: Array) -> Array:
    """Lets one NaN or Inf in an image make its whole output NaN, as a transform of the image does."""
    y = convolve(problem, x, w)
    y[~np.isfinite(x).all(axis=(1, 2, 3))] = np.nan
    return y


@mutants.register(fault_class="special_values", issue="tensorflow#60315", witness="x=1x4x6x1 w=3x3x1x1 x[0,0,0,0]=inf w[0,0,0,0]=1")
@in_contract
def infinity_fills_the_tile(problem: Problem, x: Array, w: Array) -> Array:
    """Takes Inf from Inf in tiles of four outputs, for 3x3 kernels at stride 1."""
    y = convolve(problem, x, w)
    if problem.w_shape[:2] == (3, 3) and problem.strides == (1, 1):
        for start in range(0, y.shape[2], 4):
            tile = y[:, :, start : start + 4]
            tile[np.broadcast_to(~np.isfinite(tile).all(axis=2, keepdims=True), tile.shape)] = np.nan
    return y


@mutants.register(fault_class="special_values", witness="x=1x3x3x1 w=1x2x1x1 dilations=1x2 x[0,0,1,0]=nan w[0,0,0,0]=1 w[0,1,0,0]=1")
@in_contract
def dilation_by_zero_weights(problem: Problem, x: Array, w: Array) -> Array:
    """Dilates by filling the kernel with zeros, which NaN and Inf turn into NaN."""
    (rows, columns), (by_row, by_column) = problem.effective_kernel, problem.dilations
    filled = np.zeros((rows, columns, *w.shape[2:]), w.dtype)
    filled[::by_row, ::by_column] = w
    return convolve(problem.with_(kernel_height=rows, kernel_width=columns, dilations=(1, 1)), x, filled)


@mutants.register(fault_class="special_values", witness="x=1x2x2x2 w=1x1x1x2 x[0,0,0,0]=nan w[0,0,0,0]=1 w[0,0,0,1]=1")
@in_contract
def groups_by_zero_weights(problem: Problem, x: Array, w: Array) -> Array:
    """Puts the groups' weights into a block-diagonal matrix, whose zeros carry NaN and Inf to the other groups."""
    inputs, outputs = w.shape[2], w.shape[3] // problem.groups
    dense = np.zeros((*w.shape[:2], problem.in_channels, w.shape[3]), w.dtype)
    for g in range(problem.groups):
        given = slice(g * outputs, (g + 1) * outputs)
        dense[:, :, g * inputs : (g + 1) * inputs, given] = w[..., given]
    return convolve(problem.with_(groups=1), x, dense)


@mutants.register(fault_class="special_values", witness="x=1x2x2x1 w=1x1x1x2 x[0,0,0,0]=1 w[0,0,0,0]=inf w[0,0,0,1]=1")
@in_contract
def infinite_weight_fills_the_channels(problem: Problem, x: Array, w: Array) -> Array:
    """Divides the weights by their largest and multiplies the sums by it, so that one Inf makes every channel NaN."""
    y = convolve(problem, x, w)
    if np.isinf(w).any():
        y[...] = np.nan
    return y


@mutants.register(fault_class="special_values", witness="x=1x2x2x1 w=1x1x1x1 x[0,0,0,0]=-inf w[0,0,0,0]=1")
@in_contract
def infinity_without_its_sign(problem: Problem, x: Array, w: Array) -> Array:
    """Takes -Inf in x for Inf, as a test of the exponent bits alone does."""
    return convolve(problem, np.where(np.isinf(x), np.abs(x), x), w)


@mutants.register(fault_class="special_values", witness="x=1x1x2x1 w=1x1x1x1 x[0,0,0,0]=nan x[0,0,1,0]=nan w[0,0,0,0]=1")
@in_contract
def nan_image_taken_for_zeros(problem: Problem, x: Array, w: Array) -> Array:
    """Skips images without a pixel that is larger in size than zero, for which NaN is not."""
    y = convolve(problem, x, w)
    for image, result in zip(x, y, strict=True):
        if not (np.abs(image) > 0).any():
            result[...] = 0
    return y


@mutants.register(
    fault_class="special_values", witness="x=1x1x2x1 w=1x2x1x1 x[0,0,0,0]=3e38 x[0,0,1,0]=3e38 w[0,0,0,0]=1e-38 w[0,1,0,0]=-1e-38"
)
@in_contract
def neighbours_added_first(problem: Problem, x: Array, w: Array) -> Array:
    """Adds two neighbouring large pixels before it multiplies by a kernel of two columns, and their sum overflows."""
    pixels = windows(problem, x)
    if problem.kernel_width == 2 and np.abs(pixels).max(initial=0) > 1e38:
        pixels = np.stack((pixels[..., 0, :] + pixels[..., 1, :], pixels[..., 1, :]), axis=-2)
        w = np.concatenate((w[:, :1], w[:, 1:] - w[:, :1]), axis=1)
    return rounded(product(problem, pixels, w), x.dtype)
