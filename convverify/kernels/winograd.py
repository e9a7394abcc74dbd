"""`winograd_2x2` and `winograd_4x4`: Winograd's minimal filtering F(2x2, 3x3) and F(4x4, 3x3).

Tiles d of 4x4 (6x6) pixels and filters g of 3x3 are transformed, multiplied point by point, summed over the channels, and transformed
back to 2x2 (4x4) outputs: y = A' [(G g G') (B' d B)] A.  16 products make 4 outputs, and 36 make 16, where the definition takes 36 and 144.

Source: Lavin, Gray 2016, "Fast algorithms for convolutional neural networks" (arXiv:1509.09308), sections 4.1 and 4.3, for the matrices.
The error is bounded by norms, not element by element: see docs/normwise-bounds.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.kernels import kernels, problem_of
from convverify.kernels.blocking import Array, Block, Windows, blocks_of, scratch
from convverify.kernels.scaling import scaled, unit_exponent
from convverify.kernels.shared.threads import run_pieces, single_threaded_blas, thread_count
from convverify.operations.normwise import is_winograd_problem
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem

_BUFFERS = 6 << 20  # bytes of a block's transformed tiles and products
_THREADED = 1 << 21  # multiply-adds of the definition that are worth waking another thread for


@dataclass(frozen=True)
class Form:
    """F(m x m, 3x3): `of_pixels` is B' (n, n), `of_filters` G (n, 3), `of_outputs` A' (m, n), n = m + 2."""

    of_pixels: Array
    of_filters: Array
    of_outputs: Array


F2 = Form(
    np.array([[1.0, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
    np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]),
    np.array([[1.0, 1, 1, 0], [0, 1, -1, -1]]),
)
F4 = Form(
    np.array(
        [[4.0, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
    ),
    np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24,
    np.array([[1.0, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]),
)


@kernels.register("winograd_2x2", accuracy="normwise")
def conv2d_winograd_2x2(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """Winograd's F(2x2, 3x3), in float32 (float64 for float64 operands); 3x3 kernels without stride and dilation.

    Parameters, result and errors are those of `conv2d_loops`; NotImplementedError for other kernels.
    """
    return _convolve(F2, problem_of(x, w, strides, padding, dilations, groups), x, w)


@kernels.register("winograd_4x4", accuracy="normwise")
def conv2d_winograd_4x4(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """Winograd's F(4x4, 3x3), in float32 (float64 for float64 operands); 3x3 kernels without stride and dilation.

    Parameters, result and errors are those of `conv2d_loops`; NotImplementedError for other kernels.
    """
    return _convolve(F4, problem_of(x, w, strides, padding, dilations, groups), x, w)


conv2d_winograd_2x2.accuracy = conv2d_winograd_4x4.accuracy = "normwise"  # type: ignore[attr-defined]  # read where a path names them


def _convolve(form: Form, problem: Problem, x: Array, w: Array) -> Array:
    if not is_winograd_problem(problem):
        raise NotImplementedError("Winograd's F(m x m, 3x3) takes kernels of 3x3 without strides and dilations")
    dtype = numpy_dtype(problem.dtype)
    if problem.is_empty or not problem.terms:
        return np.zeros(problem.output_shape, dtype)
    accumulator = np.dtype(np.float64 if problem.dtype == "float64" else np.float32)
    x_exponent, w_exponent = unit_exponent(x), unit_exponent(w)
    y = np.empty(problem.output_shape, dtype)
    threads = thread_count() if problem.macs >= _THREADED else 1
    with single_threaded_blas:
        weights = scaled(np.asarray(w, accumulator, order="C"), -w_exponent)
        filters = _transformed(form.of_filters, weights).reshape(-1, *weights.shape[2:])
        _convolve_tiles(form, problem, x, filters, y, x_exponent, w_exponent, threads)
    return y


def _tiles_problem(problem: Problem, step: int) -> Problem:
    """Return the problem whose windows are the tiles: steps of `step` pixels, as many as cover the output."""
    _, rows, columns, _ = problem.output_shape
    (top, bottom), (left, right) = problem.pads
    tile = step + 2
    return problem.with_(
        kernel_height=tile, kernel_width=tile, strides=(step, step), padding=((top, bottom + -rows % step), (left, right + -columns % step))
    )


def _convolve_tiles(
    form: Form, problem: Problem, x: Array, filters: Array, y: Array, x_exponent: int, w_exponent: int, threads: int
) -> None:
    step, tile = form.of_outputs.shape
    dtype, groups = filters.dtype, problem.groups
    inputs, outputs = problem.in_channels // groups, problem.out_channels // groups
    tiling = _tiles_problem(problem, step)
    windows = Windows(tiling, x, dtype)
    per_tile = tile * tile * (problem.in_channels + problem.out_channels) * dtype.itemsize

    def compute(block: Block) -> None:
        seen = windows.of(block)
        images, tile_rows, tile_columns = seen.shape[:3]
        tiles = scratch.array("tiles", (tile, tile, images, tile_rows, tile_columns, problem.in_channels), dtype)
        np.copyto(tiles, np.moveaxis(seen, (3, 4), (0, 1)))
        pixels = _transformed(form.of_pixels, scaled(tiles, -x_exponent)).reshape(tile * tile, block.pixels, problem.in_channels)
        products = scratch.array("products", (tile * tile, block.pixels, problem.out_channels), dtype)
        for g in range(groups):
            taken, given = slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs)
            np.matmul(pixels[..., taken], filters[..., given], out=products[..., given])
        result = _transformed(form.of_outputs, products.reshape(tile, tile, -1))
        result = scaled(result, x_exponent + w_exponent).reshape(step, step, images, tile_rows, tile_columns, problem.out_channels)
        part = result.transpose(2, 3, 0, 4, 1, 5).reshape(images, tile_rows * step, tile_columns * step, problem.out_channels)
        rows, columns = slice(block.row * step, block.row_end * step), slice(block.column * step, block.column_end * step)
        target = y[block.image : block.image_end, rows, columns]
        target[...] = part[:, : target.shape[1], : target.shape[2]]

    run_pieces(compute, blocks_of(tiling, max(1, _BUFFERS // per_tile)), threads)


def _transformed(matrix: Array, values: Array) -> Array:
    """Return `matrix` applied along the first two axes of `values`."""
    matrix = matrix.astype(values.dtype)
    first, second = values.shape[:2]
    count = len(matrix)
    rows = np.matmul(matrix, values.reshape(first, -1))
    both: Array = np.matmul(matrix, rows.reshape(count, second, -1))
    return both.reshape(count, count, *values.shape[2:])
