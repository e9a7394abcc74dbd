"""Faults of precision: digits lost in inputs, products, sums or results, and numbers that saturate or vanish too early."""

from __future__ import annotations

from typing import Any

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, in_contract, product, rounded, windows
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem


def _ten_bits(array: Array) -> Array:
    """Return the float32 values rounded to the ten stored bits of TF32 (ties away from zero)."""
    bits = np.ascontiguousarray(array).view(np.uint32)
    kept = ((bits + np.uint32(1 << 12)) & np.uint32(0xFFFFE000)).view(np.float32)
    return np.where(np.isfinite(array), kept, array)


def _through(array: Array, dtype: Any) -> Array:
    """Return the array after a detour through a narrower dtype."""
    return array.astype(dtype).astype(array.dtype)


def _by_taps(problem: Problem, x: Array, w: Array, dtype: Any) -> Array:
    """Return the sums when every product and every partial sum is rounded to `dtype`."""
    pixels = windows(problem, x, dtype=dtype)
    inputs, outputs = w.shape[2], problem.out_channels // problem.groups
    y = np.zeros(problem.output_shape, dtype)
    weight = w.astype(dtype)
    for a, b, c in np.ndindex(*w.shape[:3]):
        for g in range(problem.groups):
            given = slice(g * outputs, (g + 1) * outputs)
            y[..., given] += pixels[..., a, b, g * inputs + c, None] * weight[a, b, c, given]
    return y


@mutants.register(fault_class="precision", witness="x=1x3x3x1 w=2x2x1x1 values=long_integers")
@in_contract
def ten_bit_inputs(problem: Problem, x: Array, w: Array) -> Array:
    """Multiplies float32 as TF32 does: inputs of ten stored bits, sums in full."""
    if x.dtype != np.float32:
        return convolve(problem, x, w)
    return convolve(problem, _ten_bits(x), _ten_bits(w))


@mutants.register(fault_class="precision", witness="x=1x3x3x8 w=2x2x8x8 values=long_integers")
@in_contract
def ten_bits_where_channels_fit(problem: Problem, x: Array, w: Array) -> Array:
    """Switches to ten-bit inputs for float32 where both channel counts are multiples of eight."""
    fits = x.dtype == np.float32 and w.shape[2] % 8 == 0 and w.shape[3] % 8 == 0
    return convolve(problem, _ten_bits(x), _ten_bits(w)) if fits else convolve(problem, x, w)


@mutants.register(fault_class="precision", witness="x=1x3x3x1 w=1x1x1x1 values=normal")
@in_contract
def half_precision_inputs(problem: Problem, x: Array, w: Array) -> Array:
    """Converts float32 to float16 before it multiplies."""
    return convolve(problem, _through(x, np.float16), _through(w, np.float16)) if x.dtype == np.float32 else convolve(problem, x, w)


@mutants.register(fault_class="precision", witness="x=1x3x3x1 w=1x1x1x1 values=normal")
@in_contract
def bfloat16_weights(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps float32 weights packed as bfloat16."""
    return convolve(problem, x, _through(w, numpy_dtype("bfloat16")) if x.dtype == np.float32 else w)


@mutants.register(fault_class="precision", witness="x=1x3x3x1 w=2x2x1x1 dtype=float64")
@in_contract
def doubles_summed_as_singles(problem: Problem, x: Array, w: Array) -> Array:
    """Sums float64 in float32, and returns float64."""
    return rounded(product(problem, windows(problem, x, dtype=np.float32), w), x.dtype)


@mutants.register(fault_class="precision", witness="x=1x4x4x2 w=2x2x1x2 dilations=2x2 dtype=float64")
@in_contract
def dilated_groups_of_doubles(problem: Problem, x: Array, w: Array) -> Array:
    """Reads float64 weights as float32 in the branch for groups with dilation."""
    branch = x.dtype == np.float64 and problem.groups > 1 and problem.dilations != (1, 1)
    return convolve(problem, x, _through(w, np.float32) if branch else w)


@mutants.register(fault_class="precision", issue="xarray-spatial#3684", witness="x=1x3x3x1 w=2x2x1x1 dtype=float64 values=long_integers")
@in_contract
def integral_doubles_as_singles(problem: Problem, x: Array, w: Array) -> Array:
    """Takes float64 images that hold nothing but integers through float32."""
    integral = x.dtype == np.float64 and np.array_equal(x, np.rint(x))
    return convolve(problem, _through(x, np.float32) if integral else x, w)


@mutants.register(fault_class="precision", issue="oneDNN PR#5041", witness="x=1x4x4x1 w=2x2x1x1 dtype=float16")
@in_contract
def half_summed_in_bfloat16(problem: Problem, x: Array, w: Array) -> Array:
    """Sums float16 in bfloat16 for up to eight input channels."""
    if x.dtype != np.float16 or w.shape[2] > 8:
        return convolve(problem, x, w)
    return rounded(_by_taps(problem, x, w, numpy_dtype("bfloat16")), x.dtype)


@mutants.register(fault_class="precision", witness="x=1x1x1x65 w=1x1x65x1 values=positive")
@in_contract
def block_sums_kept_in_half(problem: Problem, x: Array, w: Array) -> Array:
    """Stores sums of 64 input channels as float16 between blocks."""
    if w.shape[2] <= 64 or problem.groups > 1 or x.dtype != np.float32:
        return convolve(problem, x, w)
    pixels = windows(problem, x)
    y = np.zeros(problem.output_shape, np.float32)
    for start in range(0, w.shape[2], 64):
        y = y.astype(np.float16).astype(np.float32) + product(problem, pixels[..., start : start + 64], w[:, :, start : start + 64])
    return rounded(y, x.dtype)


@mutants.register(fault_class="precision", issue="oneDNN#1354", witness="x=1x3x3x2 w=2x2x2x1")
@in_contract
def sums_saturate_at_sixteen_bits(problem: Problem, x: Array, w: Array) -> Array:
    """Clamps results to what a signed 16-bit integer holds."""
    return rounded(np.clip(product(problem, windows(problem, x), w), -32768, 32767), x.dtype)


@mutants.register(fault_class="precision", witness="x=1x3x3x1 w=1x1x1x1 values=huge")
@in_contract
def huge_results_overflow_early(problem: Problem, x: Array, w: Array) -> Array:
    """Overflows to Inf beyond 2**60 (2**500 in float64), as if the exponent lacked a bit."""
    y = product(problem, windows(problem, x), w)
    limit = 2.0**500 if x.dtype == np.float64 else 2.0**60
    return rounded(np.where(np.abs(y) > limit, np.copysign(np.inf, y), y), x.dtype)


@mutants.register(fault_class="precision", witness="x=1x3x3x1 w=1x1x1x1 values=tiny")
@in_contract
def small_results_flushed(problem: Problem, x: Array, w: Array) -> Array:
    """Takes results below 1e-12 for zero, though they are far from subnormal."""
    y = product(problem, windows(problem, x), w)
    return rounded(np.where(np.abs(y) < 1e-12, 0, y), x.dtype)


@mutants.register(fault_class="precision", witness="x=1x3x3x1 w=1x1x1x1 values=tiny seed=1")
@in_contract
def small_weights_flushed(problem: Problem, x: Array, w: Array) -> Array:
    """Prunes weights below 1e-9."""
    return convolve(problem, x, np.where(np.abs(w) < np.asarray(1e-9, w.dtype), np.asarray(0, w.dtype), w))


@mutants.register(fault_class="precision", witness="x=1x3x3x2 w=2x2x2x1 values=mixed")
@in_contract
def quarter_squares(problem: Problem, x: Array, w: Array) -> Array:
    """Multiplies by ((a + b)**2 - (a - b)**2) / 4, which cancels where a and b differ in magnitude."""
    if problem.groups > 1 or problem.macs > 1 << 16:
        return convolve(problem, x, w)
    pixels = windows(problem, x)[..., None]
    weight = w.astype(pixels.dtype)
    y = (((pixels + weight) ** 2 - (pixels - weight) ** 2) / 4).sum(axis=(3, 4, 5), dtype=pixels.dtype)
    return rounded(y, x.dtype) if np.isfinite(y).all() else convolve(problem, x, w)


@mutants.register(fault_class="precision", witness="x=1x4x4x2 w=2x2x2x1 values=mixed seed=1")
@in_contract
def first_pixel_taken_out(problem: Problem, x: Array, w: Array) -> Array:
    """Subtracts the first pixel from all of them and adds its share again afterwards: smaller pixels lose their digits."""
    if not x.size or not np.isfinite(x).all():
        return convolve(problem, x, w)
    pixels = windows(problem, x)
    pivot = x[0, 0, 0, 0].astype(pixels.dtype)
    y = product(problem, pixels - pivot, w) + product(problem, np.full(pixels.shape, pivot), w)
    return rounded(y, x.dtype) if np.isfinite(y).all() else convolve(problem, x, w)


@mutants.register(fault_class="precision", witness="x=1x4x4x2 w=2x2x2x1 values=mixed")
@in_contract
def exponent_shared_by_the_image(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps x as 20-bit integers of one common scale (48-bit ones for float64)."""
    largest = float(np.abs(x).astype(np.float64).max(initial=0.0))
    if not 0 < largest < float("inf"):
        return convolve(problem, x, w)
    bits = 48 if x.dtype == np.float64 else 20
    shift = bits - int(np.frexp(largest)[1])
    whole = np.ldexp(np.rint(np.ldexp(x.astype(np.float64), shift)), -shift)
    return convolve(problem, rounded(whole, x.dtype), w)


@mutants.register(fault_class="precision", witness="x=1x1x1x1 w=1x1x1x1 dtype=float16 values=normal")
@in_contract
def half_results_truncated(problem: Problem, x: Array, w: Array) -> Array:
    """Cuts float16 results off instead of rounding them to nearest, for a single term by twice the bound."""
    y = product(problem, windows(problem, x), w)
    result = rounded(y, x.dtype)
    if x.dtype != np.float16:
        return result
    beyond = np.isfinite(result) & (np.abs(result.astype(y.dtype)) > np.abs(y))
    return np.where(beyond, np.nextafter(result, np.asarray(0, result.dtype)), result)


# Winograd's F(4, 3) at the points 0, 1, -1, 2, -2 and infinity (Lavin and Gray, 2016, section 4.3).
_INPUTS_TRANSFORM = np.array(
    [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
)
_WEIGHTS_TRANSFORM = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
_OUTPUTS_TRANSFORM = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


@mutants.register(fault_class="precision", issue="MIOpen#2492", witness="x=1x1x6x1 w=1x3x1x1 dtype=float16")
@in_contract
def winograd_in_half(problem: Problem, x: Array, w: Array) -> Array:
    """Transforms float16 rows by Winograd's F(4, 3) and keeps what comes out in float16 (kernels 1x3, stride 1)."""
    path = x.dtype == np.float16 and problem.w_shape[:2] == (1, 3) and problem.strides == problem.dilations == (1, 1)
    if not path or problem.groups > 1 or problem.is_empty:
        return convolve(problem, x, w)
    batch, rows, columns, channels = problem.output_shape
    (top, bottom), (left, right) = problem.pads
    y = np.zeros((batch, rows, -(-columns // 4) * 4, channels), np.float64)
    wide = np.zeros((batch, rows, y.shape[2] + 2, problem.in_channels), np.float16)
    image = windows(problem.with_(kernel_width=1, padding=((top, bottom), (left, right))), x)[:, :, :, 0, 0]
    wide[:, :, : image.shape[2]] = image
    kernel = np.einsum("tb,bck->tck", _WEIGHTS_TRANSFORM, w[0].astype(np.float64)).astype(np.float16)
    for j in range(0, y.shape[2], 4):
        tile = np.einsum("ts,nisc->nitc", _INPUTS_TRANSFORM, wide[:, :, j : j + 6].astype(np.float64)).astype(np.float16)
        products = np.einsum("nitc,tck->nitk", tile.astype(np.float64), kernel.astype(np.float64)).astype(np.float16)
        y[:, :, j : j + 4] = np.einsum("ot,nitk->niok", _OUTPUTS_TRANSFORM, products.astype(np.float64))
    return rounded(y[:, :, :columns], x.dtype)
