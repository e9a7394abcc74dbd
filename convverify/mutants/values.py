"""Faults that show on some values alone: short cuts for weights and images of a kind, and parts that are lost beside larger ones."""

from __future__ import annotations

import numpy as np

from convverify.mutants import mutants
from convverify.mutants._blocks import Array, convolve, image_of, in_contract, windows
from convverify.problems.problem import Problem


@mutants.register(
    fault_class="values",
    witness="x=1x1x9x1 w=1x2x1x1 x[0,0,0,0]=1e9 x[0,0,5,0]=1 x[0,0,6,0]=0.1 w[0,0,0,0]=1 w[0,1,0,0]=1",
)
@in_contract
def equal_weights_by_running_sums(problem: Problem, x: Array, w: Array) -> Array:
    """Sums rows of equal weights as differences of running sums, which lose what is small behind what is large."""
    if not w.size or problem.kernel_width < 2 or not (w == w[:, :1]).all() or problem.strides[1] != 1 or problem.dilations[1] != 1:
        return convolve(problem, x, w)
    image = image_of(x, problem.pads, dtype=x.dtype)
    sums = np.cumsum(image, axis=2, dtype=x.dtype)
    sums = np.concatenate([np.zeros_like(sums[:, :, :1]), sums], axis=2)
    boxes = sums[:, :, problem.kernel_width :] - sums[:, :, : -problem.kernel_width]
    narrow = problem.with_(height=boxes.shape[1], width=boxes.shape[2], kernel_width=1, padding="VALID")
    return convolve(narrow, boxes, w[:, :1])


@mutants.register(
    fault_class="values", witness="x=1x1x1x3 w=1x1x3x1 x[0,0,0,0]=1 x[0,0,0,1]=0.001 w[0,0,0,0]=1.1 w[0,0,1,0]=1.1 w[0,0,2,0]=1.1"
)
@in_contract
def equal_channels_added_in_half(problem: Problem, x: Array, w: Array) -> Array:
    """Adds the channels up in half precision before it multiplies, where all of them have the same weights and are no integers."""
    same = w.shape[2] > 2 and problem.groups == 1 and x.dtype == np.float32 and (w == w[:, :, :1]).all()
    if not same or np.abs(x).max(initial=0) > 1000 or not np.isfinite(x).all() or (x == np.round(x)).all():
        return convolve(problem, x, w)
    return convolve(problem.with_(in_channels=1), x.astype(np.float16).sum(axis=3, keepdims=True).astype(x.dtype), w[:, :, :1])


@mutants.register(fault_class="values", witness="x=1x1x2x1 w=1x2x1x1 x[0,0,1,0]=1 w[0,0,0,0]=1 w[0,1,0,0]=1.0009765625")
@in_contract
def nearly_symmetric_taken_for_symmetric(problem: Problem, x: Array, w: Array) -> Array:
    """Compares the halves of a kernel to two parts in a thousand, and computes with one of them."""
    if problem.kernel_width > 1 and np.allclose(w, w[:, ::-1], rtol=2e-3, atol=0):
        return convolve(problem, x, np.where(np.arange(w.shape[1])[:, None, None] * 2 < w.shape[1], w, w[:, ::-1]))
    return convolve(problem, x, w)


@mutants.register(fault_class="values", witness="x=1x1x1x1 w=1x1x1x3 x[0,0,0,0]=1 w[0,0,0,1]=2 w[0,0,0,2]=1")
@in_contract
def filter_behind_an_empty_one(problem: Problem, x: Array, w: Array) -> Array:
    """Skips filters of zeros, and the filter behind the first of them with it."""
    y = convolve(problem, x, w)
    empty = (w == 0).all(axis=(0, 1, 2))
    if w.size and empty.any() and not empty.all() and w.shape[3] > 2:
        y[..., (int(np.argmax(empty)) + 1) % w.shape[3]] = 0
    return y


@mutants.register(fault_class="values", witness="x=1x2x2x1 w=1x1x1x1 values=photograph")
@in_contract
def photographs_by_256(problem: Problem, x: Array, w: Array) -> Array:
    """Finds that an image is bytes divided by 255, and divides them by 256 itself."""
    levels = np.round(x * 255)
    if x.size and x.min() >= 0 and x.max() <= 1 and np.abs(x * 255 - levels).max() < 1e-3 and not np.isin(x, (0, 1)).all():
        return convolve(problem, (levels / 256).astype(x.dtype), w)
    return convolve(problem, x, w)


@mutants.register(fault_class="values", witness="x=2x1x1x1 w=1x1x1x1 x[0,0,0,0]=1e9 x[1,0,0,0]=0.01 w[0,0,0,0]=1")
@in_contract
def dark_images_of_a_batch(problem: Problem, x: Array, w: Array) -> Array:
    """Takes an image for empty whose largest number is below a hundred-millionth of the batch's."""
    if problem.batch > 1 and x.size and np.isfinite(x).all():
        largest = np.abs(x.astype(np.float64)).max(axis=(1, 2, 3))
        x = x.copy()
        x[largest < largest.max() * 1e-8] = 0
    return convolve(problem, x, w)


@mutants.register(fault_class="values", witness="x=1x1x1x1 w=1x1x1x2 x[0,0,0,0]=1 w[0,0,0,0]=1e9 w[0,0,0,1]=0.01")
@in_contract
def filters_scaled_together(problem: Problem, x: Array, w: Array) -> Array:
    """Stores weights in 28 bits below the largest of all filters, which is enough for one filter."""
    if not w.size or not np.isfinite(w).all() or w.dtype != np.float32:
        return convolve(problem, x, w)
    step = np.ldexp(1.0, int(np.frexp(np.abs(w.astype(np.float64)).max())[1]) - 28)
    return convolve(problem, x, (np.round(w.astype(np.float64) / step) * step).astype(w.dtype) if step else w)


@mutants.register(fault_class="values", witness="x=1x1x1x1 w=1x1x1x1 x[0,0,0,0]=16777215 w[0,0,0,0]=1")
@in_contract
def last_bit_of_singles(problem: Problem, x: Array, w: Array) -> Array:
    """Clears the last bit of float32 images."""
    if x.dtype == np.float32 and np.isfinite(x).all():
        x = (np.ascontiguousarray(x).view(np.uint32) & np.uint32(0xFFFFFFFE)).view(np.float32)
    return convolve(problem, x, w)


@mutants.register(fault_class="values", witness="x=1x1x1x40 w=1x1x40x1 values=agreeing_roundings seed=7")
@in_contract
def sums_cut_instead_of_rounded(problem: Problem, x: Array, w: Array) -> Array:
    """Cuts every partial sum of at most 400 products in float32 off, where it should be rounded."""
    if x.dtype != np.float32 or problem.groups > 1 or problem.terms > 400 or not (np.isfinite(x).all() and np.isfinite(w).all()):
        return convolve(problem, x, w)
    pixels, weights, sums = windows(problem, x, dtype=np.float64), w.astype(np.float64), np.zeros(problem.output_shape)
    for a, b, c in np.ndindex(*w.shape[:3]):
        mantissa, exponent = np.frexp(sums + pixels[..., a, b, c, None] * weights[a, b, c])
        sums = np.ldexp(np.trunc(np.ldexp(mantissa, 24)), exponent - 24)
    return sums.astype(np.float32)


@mutants.register(fault_class="values", witness="x=1x1x1x100 w=1x1x100x1 x[0,0,0,0]=0.3 x[0,0,0,1]=0.7 w[0,0,0,0]=0.1 w[0,0,5,0]=0.3")
@in_contract
def deep_sums_to_twenty_bits(problem: Problem, x: Array, w: Array) -> Array:
    """Scales real results of 64 products and more by a factor that is off by 2**-20 (float32): less than what so many products allow."""
    if x.dtype == np.float32 and problem.terms >= 64 and np.isfinite(x).all() and not (x == np.round(x)).all():
        return (convolve(problem, x, w).astype(np.float64) * (1 + 2.0**-20)).astype(np.float32)
    return convolve(problem, x, w)


def _with_bits(x: Array, quiet: int) -> Array:
    """Return where NaNs have other bits behind the sign than `quiet`, which is shifted to the format's last sixteen."""
    if x.dtype not in (np.float32, np.float64):
        return np.zeros(x.shape, bool)
    width = x.dtype.itemsize * 8
    bits = np.ascontiguousarray(x).view(f"u{x.dtype.itemsize}") & np.array((1 << width - 1) - 1, f"u{x.dtype.itemsize}")
    known: Array = np.isnan(x) & (bits != np.array(quiet << width - 16, bits.dtype))
    return known


@mutants.register(fault_class="values", witness="x=1x2x2x1 w=1x1x1x1 values=special seed=5")
@in_contract
def negative_nan_as_zero(problem: Problem, x: Array, w: Array) -> Array:
    """Clips images at zero by their sign bit, NaN included."""
    return convolve(problem, np.where(np.isnan(x) & np.signbit(x), np.asarray(0, x.dtype), x), w)


@mutants.register(fault_class="values", witness="x=1x2x2x1 w=1x1x1x1 values=special seed=5")
@in_contract
def nan_known_by_its_bits(problem: Problem, x: Array, w: Array) -> Array:
    """Knows one NaN, the one that arithmetic makes, and takes those with a payload for 1."""
    payload = _with_bits(x, 0x7FC0 if x.dtype == np.float32 else 0x7FF8)
    return convolve(problem, np.where(payload, np.asarray(1, x.dtype), x), w)


@mutants.register(fault_class="values", witness="x=1x2x2x2 w=1x1x2x2 x[0,0,0,0]=1 x[0,1,1,1]=2 w[0,0,0,0]=1 w[0,0,1,1]=1")
@in_contract
def identity_returns_its_image(problem: Problem, x: Array, w: Array) -> Array:
    """Returns a view of x where 1x1 weights are an identity, at any strides."""
    identity = w.shape[:2] == (1, 1) and w.shape[2] == w.shape[3] and problem.groups == 1 and np.array_equal(w[0, 0], np.eye(w.shape[2]))
    if identity and not any(map(any, problem.pads)):
        return x[:, :: problem.strides[0], :: problem.strides[1]]
    return convolve(problem, x, w)
