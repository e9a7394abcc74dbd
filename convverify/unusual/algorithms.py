"""Other algorithms: the same sums by other loops, other calls, or other mathematics."""

from __future__ import annotations

import numpy as np

from convverify.mutants._blocks import Array, accumulator_of, convolve, image_of, in_contract, product, room_for, rounded, windows
from convverify.problems.problem import Problem, output_extent
from convverify.unusual import unusual


def _grouped(problem: Problem, x: Array, w: Array) -> tuple[Array, Array]:
    """Return the windows with the channels split by group, and the weights (kernel height, kernel width, inputs, groups, outputs)."""
    pixels = windows(problem, x)
    split = pixels.reshape(*pixels.shape[:5], problem.groups, w.shape[2])
    return split, w.astype(pixels.dtype).reshape(*w.shape[:3], problem.groups, problem.out_channels // problem.groups)


@unusual.register()
@in_contract
def by_einsum(problem: Problem, x: Array, w: Array) -> Array:
    """Writes the definition as one Einstein sum."""
    pixels, weights = _grouped(problem, x, w)
    return rounded(np.einsum("nijabgc,abcgk->nijgk", pixels, weights), x.dtype).reshape(problem.output_shape)


@unusual.register()
@in_contract
def by_tensordot(problem: Problem, x: Array, w: Array) -> Array:
    """Contracts three axes at once, group by group."""
    pixels, weights = _grouped(problem, x, w)
    parts = [np.tensordot(pixels[..., g, :], weights[..., g, :], axes=((3, 4, 5), (0, 1, 2))) for g in range(problem.groups)]
    return rounded(np.concatenate(parts, axis=3), x.dtype)


@unusual.register()
@in_contract
def columns_times_matrix(problem: Problem, x: Array, w: Array) -> Array:
    """Copies all windows to the columns of a matrix, terms by pixels, and multiplies from the left."""
    pixels, weights = _grouped(problem, x, w)
    count, outputs = int(np.prod(problem.output_shape[:3])), weights.shape[4]
    columns = pixels.transpose(5, 3, 4, 6, 0, 1, 2).reshape(problem.groups, problem.terms, count)
    rows = weights.transpose(3, 4, 0, 1, 2).reshape(problem.groups, outputs, problem.terms)
    y = (rows @ columns).reshape(problem.groups * outputs, *problem.output_shape[:3])
    return rounded(y.transpose(1, 2, 3, 0), x.dtype)


@unusual.register()
@in_contract
def tiled_by_pixels(problem: Problem, x: Array, w: Array) -> Array:
    """Computes tiles of 3 by 5 output pixels, with what is left at the edges."""
    pixels = windows(problem, x)
    y = np.zeros(problem.output_shape, x.dtype)
    for i in range(0, y.shape[1], 3):
        for j in range(0, y.shape[2], 5):
            y[:, i : i + 3, j : j + 5] = product(problem, pixels[:, i : i + 3, j : j + 5], w)
    return y


@unusual.register()
@in_contract
def tiled_by_channels(problem: Problem, x: Array, w: Array) -> Array:
    """Sums blocks of three input channels into blocks of four output channels, with what is left of both."""
    pixels, weights = _grouped(problem, x, w)
    y = np.zeros((*problem.output_shape[:3], problem.groups, weights.shape[4]), pixels.dtype)
    for c in range(0, weights.shape[2], 3):
        for k in range(0, weights.shape[4], 4):
            part = np.einsum("nijabgc,abcgk->nijgk", pixels[..., c : c + 3], weights[:, :, c : c + 3, :, k : k + 4])
            y[..., k : k + 4] += part
    return rounded(y, x.dtype).reshape(problem.output_shape)


@unusual.register()
@in_contract
def one_image_at_a_time(problem: Problem, x: Array, w: Array) -> Array:
    """Computes the images one by one, the last one first."""
    y = np.zeros(problem.output_shape, x.dtype)
    for n in reversed(range(problem.batch)):
        y[n : n + 1] = convolve(problem.with_(batch=1, padding=problem.pads), x[n : n + 1], w)
    return y


def _fed(extent: int, outputs: int, offset: int, stride: int) -> tuple[Array, Array]:
    """Return the input positions that one tap brings to an output, and those outputs: position = output * stride + offset."""
    output = np.arange(outputs)
    position = output * stride + offset
    inside = (position >= 0) & (position < extent)
    return position[inside], output[inside]


@unusual.register()
@in_contract
def scattered(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps the input in place: each pixel is multiplied by a tap and added to the output that it belongs to."""
    y = np.zeros(problem.output_shape, accumulator_of(x))
    inputs, outputs = w.shape[2], problem.out_channels // problem.groups
    (top, _), (left, _) = problem.pads
    image, weights = x.astype(y.dtype), w.astype(y.dtype)
    for a in range(problem.kernel_height):
        rows, i = _fed(problem.height, y.shape[1], a * problem.dilations[0] - top, problem.strides[0])
        for b in range(problem.kernel_width):
            columns, j = _fed(problem.width, y.shape[2], b * problem.dilations[1] - left, problem.strides[1])
            pixels = image[:, rows[:, None], columns]
            for g in range(problem.groups):
                given = slice(g * outputs, (g + 1) * outputs)
                y[:, i[:, None], j, given] += pixels[..., g * inputs : (g + 1) * inputs] @ weights[a, b, :, given]
    return rounded(y, x.dtype)


def _to_unit_scale(array: Array) -> tuple[Array, int]:
    """Return the values in float64, divided by the power of two that brings the largest to at most 1, and its exponent."""
    values = array.astype(np.float64)
    largest = float(np.abs(values).max(initial=0.0))
    exponent = int(np.frexp(largest)[1]) if 0 < largest < float("inf") else 0
    return np.ldexp(values, -exponent), exponent


@unusual.register(accuracy="normwise")
@in_contract
def by_fourier_transform(problem: Problem, x: Array, w: Array) -> Array:
    """Multiplies Fourier transforms in float64, scaled so that no sum over the image overflows."""
    if problem.is_empty or not problem.terms:
        return convolve(problem, x, w)
    (image, image_exponent), (weights, weights_exponent) = _to_unit_scale(x), _to_unit_scale(w)
    padded = image_of(image, problem.pads, room=room_for(problem))
    extents = padded.shape[1:3]
    kernel = np.zeros((*problem.effective_kernel, *w.shape[2:]))
    kernel[:: problem.dilations[0], :: problem.dilations[1]] = weights
    left = np.fft.rfft2(padded, axes=(1, 2))
    right = np.fft.rfft2(kernel, s=extents, axes=(0, 1)).conj()
    left = left.reshape(*left.shape[:3], problem.groups, w.shape[2])
    right = right.reshape(*right.shape[:3], problem.groups, -1)
    spectrum = np.einsum("nijgc,ijcgk->nijgk", left, right).reshape(*left.shape[:3], problem.out_channels)
    full = np.fft.irfft2(spectrum, s=extents, axes=(1, 2))
    _, rows, columns, _ = problem.output_shape
    y = full[:, :: problem.strides[0], :: problem.strides[1]][:, :rows, :columns]
    return rounded(np.ldexp(y, image_exponent + weights_exponent), x.dtype)


# Winograd's F(2, 3) (Lavin and Gray, 2016, section 4.1).
_OF_INPUTS = np.array([[1.0, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
_OF_WEIGHTS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
_OF_OUTPUTS = np.array([[1.0, 1, 1, 0], [0, 1, -1, -1]])


def _tiles(image: Array) -> Array:
    """Return the tiles of 4x4 pixels that begin at every other pixel: (N, rows, columns, 4, 4, C)."""
    batch, height, width, channels = image.shape
    return windows(Problem(batch, height, width, channels, 4, 4, strides=(2, 2), dtype="float64"), image)


@unusual.register(accuracy="normwise")
@in_contract
def by_winograd(problem: Problem, x: Array, w: Array) -> Array:
    """Computes 2x2 outputs of 3x3 kernels with 16 multiplications; other kernels directly."""
    path = problem.w_shape[:2] == (3, 3) and problem.strides == problem.dilations == (1, 1) and problem.groups == 1
    if not path or problem.is_empty:
        return convolve(problem, x, w)
    (image, image_exponent), (weights, weights_exponent) = _to_unit_scale(x), _to_unit_scale(w)
    batch, rows, columns, channels = problem.output_shape
    high, wide = output_extent(rows, (0, 1), 2, 2), output_extent(columns, (0, 1), 2, 2)
    padded = image_of(image, problem.pads, room=(2 * high + 2, 2 * wide + 2))
    tiles = _tiles(padded)[:, :high, :wide]
    transformed = np.einsum("sa,tb,nijabc->nijstc", _OF_INPUTS, _OF_INPUTS, tiles, optimize=True)
    kernel = np.einsum("sa,tb,abck->stck", _OF_WEIGHTS, _OF_WEIGHTS, weights, optimize=True)
    products = np.einsum("nijstc,stck->nijstk", transformed, kernel, optimize=True)
    y = np.einsum("as,bt,nijstk->niajbk", _OF_OUTPUTS, _OF_OUTPUTS, products, optimize=True)
    y = y.reshape(batch, 2 * high, 2 * wide, channels)[:, :rows, :columns]
    return rounded(np.ldexp(y, image_exponent + weights_exponent), x.dtype)
