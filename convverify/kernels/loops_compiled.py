"""`loops_compiled`: the loops of the definition, compiled by Numba, in an order that suits the processor.

The loops of `conv2d_loops`, in blocks of output pixels by output channels; compiled.py has them.  Innermost is a tile, some pixels by two
vectors of channels, whose sums stay in registers (tiles.py): each weight that is loaded serves all of its pixels, each value of x all of
its channels.  Windows are not copied: a tile knows the addresses at which its windows begin, or of zeros where they reach into a pad.
Weights are copied once, so that those of a tile lie side by side.  No sum is reordered: products are added in the order of the
definition, and a product and its addition may be rounded once instead of twice (a fused multiply-add).
"""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.kernels import kernels, problem_of
from convverify.kernels.blocking import aligned_zeros, scratch
from convverify.kernels.shared.threads import thread_count
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem

_ALIGNED = 1 << 18  # multiply-adds that are worth an output that begins with a cache line
_BLOCKS = 16  # at least, where the channels can be cut: threads of unequal speed end together
_PARALLEL = 1 << 20  # multiply-adds that are worth waking other threads for

# Numba's "workqueue" threads end the process when two callers use them at once, and those of GNU OpenMP when a forked child does
# (Numba's documentation, "The Threading Layers").  Who finds the lock taken, and a forked child, computes on the thread it has.
_threads_in_use = threading.Lock()
_forked = False


def _after_fork() -> None:
    global _threads_in_use, _forked
    _threads_in_use, _forked = threading.Lock(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


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
        all_parts = -(-out_channels // problem.groups // width)
        chunks = -(-len(y) // (compiled.TILES * tiles.PIXELS)) * problem.groups
        parts = -(-all_parts // min(all_parts, -(-_BLOCKS // chunks)))
        blocks, shape = chunks * -(-all_parts // parts), (problem.groups, all_parts, problem.terms, width)
    arguments = (
        blocks, parts, x, weights, scratch.array("packed", shape, x.dtype), y, (problem.kernel_height, problem.kernel_width),
        (rows, columns), problem.strides, (top, left), problem.dilations,
    )  # fmt: skip
    threads = thread_count()
    if threads > 1 and blocks > 1 and problem.macs >= _PARALLEL and not _forked and _threads_in_use.acquire(blocking=False):
        try:
            _on_threads(threads, arguments)
        finally:
            _threads_in_use.release()
    else:
        compiled.convolve(*arguments)


def _on_threads(threads: int, arguments: tuple[Any, ...]) -> None:
    import numba

    from convverify.kernels.shared import compiled

    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    try:
        compiled.convolve_parallel(*arguments)
    finally:
        numba.set_num_threads(before)
