"""`loops_compiled`: the loops of the definition, compiled by Numba, in an order that suits the processor.

The loops of `conv2d_loops`, in blocks of output pixels by output channels; compiled.py has them.  Innermost is a tile, some pixels by two
vectors of channels, whose sums stay in registers (tiles.py): each weight that is loaded serves all of its pixels, each value of x all of
its channels.  Windows are not copied: a tile knows the addresses at which its windows begin, or of zeros where they reach into a pad.
Weights are copied once, so that those of a tile lie side by side.  No sum is reordered: products are added in the order of the
definition, and a product and its addition may be rounded once instead of twice (a fused multiply-add).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.kernels import kernels, problem_of
from convverify.kernels.blocking import aligned_zeros, scratch
from convverify.kernels.shared.threads import run_pieces, thread_count
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem

_ALIGNED = 1 << 18  # multiply-adds that are worth an output that begins with a cache line
_BLOCKS = 16  # at least, where the channels can be cut: threads of unequal speed end together
_PIECES = 8  # that blocks are shared out in
_THREADED = 1 << 20  # multiply-adds that are worth waking other threads for
_PACKED = 1 << 15  # weights that are worth a piece of their own


def load() -> None:
    """Import Numba, and read what it compiled before."""
    from convverify.kernels.shared import compiled  # noqa: F401


@kernels.register("loops_compiled", load=load)
def conv2d_loops_compiled(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """The loops compiled by Numba, blocked and on threads, summing in float32 (float64 for float64 operands).

    Parameters, result and errors are those of `conv2d_loops`.  The first call for each precision compiles, or loads what an earlier
    process has compiled.  The result is the same, bit for bit, on any number of threads.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    accumulator = np.dtype(np.float64 if problem.dtype == "float64" else np.float32)
    # Vectors that cross cache lines cost a fifth of the time where depthwise outputs begin in the middle of one.
    large = problem.macs >= _ALIGNED
    y = aligned_zeros(problem.output_shape, accumulator) if large else np.zeros(problem.output_shape, accumulator)
    if not problem.is_empty and problem.terms:
        _convolve(problem, _plain(x, accumulator), _plain(w, accumulator).reshape(problem.terms, -1), y.reshape(-1, problem.out_channels))
    return y.astype(numpy_dtype(problem.dtype), copy=False)


def _plain(array: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return the array, or a copy, as the one form that is compiled for: C-contiguous, aligned, not writeable."""
    plain = np.require(array, dtype, ["C", "ALIGNED"]).view(np.ndarray)
    plain.flags.writeable = False
    return plain


def _convolve(problem: Problem, x: npt.NDArray[Any], weights: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
    from convverify.kernels.shared import compiled, tiles

    (top, _), (left, _) = problem.pads
    batch, rows, columns, out_channels = problem.output_shape
    if problem.groups == problem.in_channels == out_channels:
        parts, blocks, shape = 0, batch * rows, (0, 0, 0, 0)
    else:
        width = tiles.VECTORS * tiles.lanes_of(x.itemsize)
        group_parts = -(-out_channels // problem.groups // width)
        chunks = -(-len(y) // (compiled.TILES * tiles.PIXELS)) * problem.groups
        parts = -(-group_parts // min(group_parts, -(-_BLOCKS // chunks)))
        blocks, shape = chunks * -(-group_parts // parts), (problem.groups, group_parts, problem.terms, width)
    packed = scratch.array("packed", shape, x.dtype)
    arguments = (
        parts, x, weights, packed, y, (problem.kernel_height, problem.kernel_width), (rows, columns), problem.strides, (top, left),
        problem.dilations,
    )  # fmt: skip
    threads = thread_count() if problem.macs >= _THREADED else 1
    all_parts = shape[0] * shape[1]

    def pack(piece: tuple[int, int]) -> None:
        compiled.pack_parts(piece[0], piece[1], weights, packed)

    def compute(piece: tuple[int, int]) -> None:
        compiled.compute_blocks(piece[0], piece[1], *arguments)

    run_pieces(pack, _pieces(all_parts, packed.size // _PACKED), threads)
    run_pieces(compute, _pieces(blocks, _PIECES if threads > 1 else 1), threads)


def _pieces(count: int, most: int) -> list[tuple[int, int]]:
    """Cut the numbers below `count` into pieces (first, end), as equal as can be, `most` of them at most, but one at least."""
    pieces = max(1, min(count, most, _PIECES))
    return [(count * piece // pieces, count * (piece + 1) // pieces) for piece in range(pieces)]
