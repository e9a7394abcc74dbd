"""Planning: which way `matmul` takes for a problem, and into which blocks it cuts the output.

A plan is chosen among a few dozen by a model of what it costs: elements and runs of memory that are copied, products of BLAS with what they
pack, multiply-adds, and sums of products.  `tools/measure_costs.py` measures the constants of the model.  The problem alone decides:
neither the number of threads nor the operands may change a result.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

from convverify.kernels.blocking import Block, axes_of, blocks_of
from convverify.problems.problem import Problem

PATCHES = "patches"  # one product for each block
COLUMNS = "columns"  # one for each row of outputs
ROWS = "rows"  # one for each row of the kernel
MOST_BYTES = 12 << 20  # of a block's buffers
_LEAST_PIXELS = 48  # of a block, where a larger one has room
_LEAST_WORK = 1 << 20  # multiply-adds that are worth a piece of their own
_LEAST_COPIED = 96  # pixels whose patches are worth a piece of their own, where they are copied first
_NARROWEST = 128  # output channels that are worth two slices
_SLICE = 256  # output channels of a slice at least, where there are more than two
_THREADS = 2  # that a plan is made for


class Costs(NamedTuple):
    """Nanoseconds on one thread, in float32."""

    piece: float = 20_000  # Python's and NumPy's own, for a block
    thread: float = 30_000  # to share pieces with another thread
    call: float = 1000  # of BLAS
    multiply_add: float = 0.0238
    left: float = 0.17  # an element of the matrix of pixels, which BLAS packs
    right: float = 0.131  # an element of the weights, which it packs for each call
    result: float = 0.172  # an element of the product
    copied: float = 0.132  # an element
    run: float = 7.7  # elements that are copied at once, because they are neighbours
    added: float = 0.113  # an element of a product that is added to a sum


COSTS = Costs()


class Plan(NamedTuple):
    """A way, blocks of pixels, and slices of the output channels of each group.

    With more than one slice, the patches of all blocks are made first, to be one matrix.
    """

    way: str
    blocks: list[Block]
    channels: list[slice]


class Shape(NamedTuple):
    """Extents of a block."""

    images: int
    rows: int
    columns: int

    @property
    def pixels(self) -> int:
        return self.images * self.rows * self.columns


@functools.lru_cache(maxsize=1024)
def plan(problem: Problem) -> Plan:
    """Return the plan that costs least, of those whose buffers have room (of the smallest blocks, where none has)."""
    outputs = problem.out_channels // problem.groups
    costs = {candidate: cost(problem, *candidate) for candidate in candidates(problem)}
    way, pixels, count = min(costs, key=costs.__getitem__)
    edges = [outputs * piece // count // 16 * 16 for piece in range(count)] + [outputs]
    return Plan(way, blocks_of(problem, pixels), [slice(low, high) for low, high in itertools.pairwise(edges)])


def candidates(problem: Problem) -> Iterator[tuple[str, int, int]]:
    """Yield (way, pixels of a block at most, number of slices of the output channels)."""
    total, outputs = _total(problem), problem.out_channels // problem.groups
    for way in ways_of(problem):
        found = False
        for pixels in _halves(problem):
            if found and (pixels < _LEAST_PIXELS or pixels * problem.macs < _LEAST_WORK * total):
                break
            if pixels == 1 or buffers(problem, way, shape_of(problem, pixels)) <= MOST_BYTES:
                found = True
                yield way, pixels, 1
    if buffers(problem, PATCHES, shape_of(problem, total)) <= MOST_BYTES:
        for count in (2, 4):
            if outputs >= (_NARROWEST if count == 2 else count * _SLICE) and problem.macs >= count * _LEAST_WORK:
                yield PATCHES, max(-(-total // _THREADS), _LEAST_COPIED), count


def _halves(problem: Problem) -> Iterator[int]:
    """Yield the pixels of the whole output, of half of it, and so on until 1; as whole images, or else whole rows, where that can be."""
    _, rows, columns, _ = problem.output_shape
    pixels = _total(problem)
    while True:
        unit = next((unit for unit in (rows * columns, columns) if pixels > unit), 1)
        yield -(-pixels // unit) * unit
        if pixels == 1:
            return
        pixels = -(-pixels // 2)


def ways_of(problem: Problem) -> list[str]:
    """Return the ways that a problem can be computed in."""
    if problem.groups > 1 or problem.kernel_height == 1:
        return [PATCHES]
    return [PATCHES, ROWS] + [COLUMNS] * (problem.dilations[0] == 1)


def is_matrix(problem: Problem) -> bool:
    """Return whether the windows are pixels that are neighbours: a matrix as they lie."""
    return problem.kernel_height == problem.kernel_width == 1 and problem.strides == (1, 1)


def shape_of(problem: Problem, pixels: int) -> Shape:
    """Return the extents of the largest of `blocks_of(problem, pixels)`, about."""
    batch, rows, columns, _ = problem.output_shape
    if pixels >= rows * columns:
        return Shape(min(batch, pixels // (rows * columns)), rows, columns)
    if pixels >= columns:
        return Shape(1, pixels // columns, columns)
    return Shape(1, 1, pixels)


def buffers(problem: Problem, way: str, shape: Shape) -> int:
    """Return the bytes of the buffers that a block needs."""
    vertical, horizontal = axes_of(problem)
    strip = shape.images * vertical.length(shape.rows) * horizontal.length(shape.columns) * problem.in_channels
    products = shape.pixels * problem.out_channels * (2 if way == ROWS else 1)
    return (strip + _copied(problem, way, shape)[0] + products) * (8 if problem.dtype == "float64" else 4)


def cost(problem: Problem, way: str, pixels: int, slices: int) -> float:
    """Return about how many nanoseconds a plan takes on two threads."""
    shape, total = shape_of(problem, pixels), _total(problem)
    elements, runs = _copied(problem, way, shape)
    copying = elements * COSTS.copied + runs * COSTS.run
    count = -(-total // shape.pixels)
    if slices == 1:
        return _on_threads(count, copying + _multiplied(problem, way, shape, 1))
    return (_on_threads(count, copying) if copying else 0.0) + _on_threads(slices, _multiplied(problem, way, Shape(1, 1, total), slices))


def _on_threads(count: int, piece: float) -> float:
    """Return what `count` equal pieces take on two threads: an odd one keeps one waiting, and so, in part, does a slower thread."""
    pieces = 1.0 if count == 1 else count / 2 + (0.5 if count % 2 else 0.25)
    return pieces * (COSTS.piece + piece) + (COSTS.thread if count > 1 else 0.0)


def _total(problem: Problem) -> int:
    batch, rows, columns, _ = problem.output_shape
    return batch * rows * columns


def _copied(problem: Problem, way: str, shape: Shape) -> tuple[int, int]:
    """Return the elements that a block copies, and in how many runs, apart from a strip."""
    height, width, channels = problem.kernel_height, problem.kernel_width, problem.in_channels
    if is_matrix(problem):
        return 0, 0
    lines = height * shape.rows if way == PATCHES else axes_of(problem)[0].length(shape.rows)
    windows = shape.images * shape.columns * lines
    together = problem.groups == 1 and axes_of(problem)[1].step(shape.columns) == 1
    return windows * width * channels, windows * (1 if together else width * problem.groups)


def _multiplied(problem: Problem, way: str, shape: Shape, slices: int) -> float:
    """Return the nanoseconds of a block's products, and of their sums."""
    outputs = -(-problem.out_channels // problem.groups // slices)
    pixels, terms, calls = shape.pixels, problem.terms, problem.groups
    if way == COLUMNS:
        pixels, calls = shape.images * shape.columns, shape.rows
    elif way == ROWS:
        terms, calls = terms // problem.kernel_height, problem.kernel_height
    product = (
        COSTS.call + pixels * outputs * terms * COSTS.multiply_add + pixels * terms * COSTS.left + terms * outputs * COSTS.right
        + pixels * outputs * COSTS.result
    )  # fmt: skip
    added = (calls - 1) * pixels * outputs * COSTS.added if way == ROWS else 0.0
    scattered = shape.pixels * outputs * COSTS.copied if way != PATCHES and shape.images > 1 else 0.0
    return calls * product + added + scattered
