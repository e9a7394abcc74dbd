"""`fft`: convolution as products of two-dimensional Fourier transforms (rfft2).

The sum over the window is a correlation, so that the kernel's transform enters conjugated.  Strides keep every s-th output, dilations
spread the kernel's taps.  The transforms are as long as the padded image, whose windows then never wrap around.  A kernel has few taps: its
transform is summed directly, as two matrix products.

The error is bounded by norms, not element by element: see docs/normwise-bounds.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.kernels import kernels, problem_of
from convverify.kernels.blocking import Array
from convverify.kernels.scaling import scaled, unit_exponent
from convverify.kernels.shared.threads import run_pieces, single_threaded_blas, thread_count
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem

_SPECTRA = 8 << 20  # bytes of the spectra of images, and of a block of filters, at most (but at least those of one)
_THREADED = 1 << 21  # multiply-adds of the definition that are worth waking another thread for


@kernels.register("fft", accuracy="normwise")
def conv2d_fft(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """Products of two-dimensional Fourier transforms, in float32 (float64 for float64 operands).

    Parameters, result and errors are those of `conv2d_loops`.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    dtype = numpy_dtype(problem.dtype)
    y = np.zeros(problem.output_shape, dtype)
    if problem.is_empty or not problem.terms:
        return y
    accumulator = np.dtype(np.float64 if problem.dtype == "float64" else np.float32)
    x_exponent, w_exponent = unit_exponent(x), unit_exponent(w)
    points = tuple(_smooth(extent) for extent in _padded_extents(problem))
    spectrum = points[0] * (points[1] // 2 + 1) * 2 * accumulator.itemsize
    images, channels = max(1, _SPECTRA // (spectrum * problem.in_channels)), max(1, _SPECTRA // (spectrum * w.shape[2]))
    taps = scaled(w.astype(accumulator), -w_exponent)
    threads = thread_count() if problem.macs >= _THREADED else 1
    with single_threaded_blas:
        for n in range(0, problem.batch, images):
            part = slice(n, n + images)
            pixels = _image_spectra(problem, scaled(x[part].astype(accumulator), -x_exponent), points)

            def compute(block: tuple[int, int, int], part: slice = part, pixels: Array = pixels) -> None:
                first, last, group = block
                of_group = pixels[..., group * w.shape[2] : (group + 1) * w.shape[2]]
                product = of_group @ _filter_spectra(problem, taps[..., first:last], points)
                y[part, ..., first:last] = scaled(_outputs(problem, product, points), x_exponent + w_exponent)

            run_pieces(compute, _channel_blocks(problem, channels), threads)
    return y


conv2d_fft.accuracy = "normwise"  # type: ignore[attr-defined]  # read where a path names the function


def _padded_extents(problem: Problem) -> tuple[int, int]:
    """Return the rows and columns that the windows reach."""
    _, rows, columns, _ = problem.output_shape
    return (
        (rows - 1) * problem.strides[0] + problem.effective_kernel[0],
        (columns - 1) * problem.strides[1] + problem.effective_kernel[1],
    )


def _smooth(extent: int) -> int:
    """Return the smallest number from `extent` on whose prime factors are 2, 3 and 5: others are slow, and the bound leaves them out."""
    while True:
        rest = extent
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return extent
        extent += 1


def _channel_blocks(problem: Problem, most: int) -> list[tuple[int, int, int]]:
    """Return (first, last, group) of blocks of output channels of one group, at most `most` in each."""
    outputs = problem.out_channels // problem.groups
    return [(g * outputs + k, g * outputs + min(k + most, outputs), g) for g in range(problem.groups) for k in range(0, outputs, most)]


def _image_spectra(problem: Problem, x: Array, points: tuple[int, ...]) -> Array:
    """Return (rows, columns / 2 + 1, images, C), complex: the spectra of the padded images."""
    (top, _), (left, _) = problem.pads
    rows, columns = _padded_extents(problem)
    padded = np.zeros((x.shape[0], x.shape[3], *points), x.dtype)
    seen = x[:, : max(0, rows - top), : max(0, columns - left)]
    padded[:, :, top : top + seen.shape[1], left : left + seen.shape[2]] = seen.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(np.fft.rfft2(padded).transpose(2, 3, 0, 1))


def _filter_spectra(problem: Problem, w: Array, points: tuple[int, ...]) -> Array:
    """Return (rows, columns / 2 + 1, C, K), complex: the conjugate spectra of the dilated filters."""
    complex_dtype = np.result_type(w.dtype, np.complex64)
    by_row = _roots(points[0], points[0], problem.kernel_height, problem.dilations[0]).astype(complex_dtype)
    by_column = _roots(points[1], points[1] // 2 + 1, problem.kernel_width, problem.dilations[1]).astype(complex_dtype)
    columns = by_column @ w.reshape(*w.shape[:2], -1).astype(complex_dtype)
    spectra: Array = by_row @ columns.reshape(w.shape[0], -1)
    return spectra.reshape(points[0], points[1] // 2 + 1, *w.shape[2:])


def _roots(points: int, frequencies: int, taps: int, dilation: int) -> Array:
    """Return exp(2 pi i f t dilation / points) for frequencies f and taps t, the angle reduced by exact integer arithmetic."""
    turns = np.outer(np.arange(frequencies), np.arange(taps) * dilation) % points
    roots: Array = np.exp(2j * np.pi / points * turns)
    return roots


def _outputs(problem: Problem, product: Array, points: tuple[int, ...]) -> Array:
    """Return (images, output rows, output columns, K) of a product of spectra."""
    full = np.fft.irfft2(np.ascontiguousarray(product.transpose(2, 3, 0, 1)), s=points)
    _, rows, columns, _ = problem.output_shape
    stride_h, stride_w = problem.strides
    kept: Array = full[:, :, : (rows - 1) * stride_h + 1 : stride_h, : (columns - 1) * stride_w + 1 : stride_w]
    return kept.transpose(0, 2, 3, 1)
