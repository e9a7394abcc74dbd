"""Tiles: sums that the processor's registers hold, for loops that Numba compiles.

A tile has the sums of PIXELS output pixels by some vectors of output channels.  Numba has no names for registers, and its compiler does not
keep an array in them; hence these three functions, which write the compiler's own instructions: the loops below run while it compiles.
What the compiler sees is an array on the stack whose elements are all named by constants, and which it therefore replaces by registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_WIDE = llvmlite.binding.get_host_cpu_features().get("avx512f", False)
BYTES = 64 if _WIDE else 32  # of a vector
PIXELS = 12 if _WIDE else 6  # with two vectors: 24 sums of 32 registers, 12 of 16
VECTORS = 2  # of a tile at most
_INT = ir.IntType(32)
_ADDRESS = ir.IntType(64)


def _instruction(function: Callable[..., Any]) -> Any:
    return intrinsic(prefer_literal=True)(function)


def lanes_of(itemsize: int) -> int:
    """Return how many elements a vector has."""
    return BYTES // itemsize


def _vector(context: Any, dtype: Any) -> ir.VectorType:
    return ir.VectorType(context.get_value_type(dtype), lanes_of(dtype.bitwidth // 8))


def _places(builder: ir.IRBuilder, tile: ir.Value, vector: ir.VectorType, vectors: int) -> Iterator[tuple[int, int, ir.Value]]:
    """Yield pixel, number of the vector, and where its sums are."""
    array = builder.bitcast(tile, ir.ArrayType(vector, PIXELS * VECTORS).as_pointer())
    for pixel in range(PIXELS):
        for number in range(vectors):
            place = pixel * VECTORS + number
            yield pixel, number, builder.gep(array, [ir.Constant(_INT, 0), ir.Constant(_INT, place)], inbounds=True)


def _data(context: Any, builder: ir.IRBuilder, array_type: Any, array: ir.Value) -> ir.Value:
    return context.make_array(array_type)(context, builder, array).data


def _element(builder: ir.IRBuilder, data: ir.Value, index: ir.Value, dtype: ir.Type) -> ir.Value:
    """Return a pointer to a vector or scalar that begins with an element."""
    return builder.bitcast(builder.gep(data, [index]), dtype.as_pointer())


@_instruction
def new_tile(typing: Any, like: Any, vectors: Any) -> Any:
    """new_tile(like, vectors): return a tile of zeros of the array's dtype.  `vectors` is a constant here and below."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = _vector(context, like.dtype)
        array = cgutils.alloca_once(builder, ir.ArrayType(vector, PIXELS * VECTORS))  # type: ignore[no-untyped-call]
        tile = builder.bitcast(array, ir.IntType(8).as_pointer())
        for _, _, place in _places(builder, tile, vector, vectors.literal_value):
            builder.store(ir.Constant(vector, None), place)
        return tile

    return types.voidptr(like, vectors), build


@_instruction
def add_products(typing: Any, tile: Any, addresses: Any, first: Any, term: Any, weights: Any, at: Any, vectors: Any) -> Any:
    """add_products(tile, addresses, first, term, weights, at, vectors): add one term of all sums.

    `addresses[first]` to `addresses[first + PIXELS - 1]` say where each pixel's values begin, of which element `term` is multiplied by the
    vectors of `weights` that begin with element `at`.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        tile_, addresses_, first_, term_, weights_, at_, _ = arguments
        vector, count = _vector(context, weights.dtype), vectors.literal_value
        element = vector.element
        row = _element(builder, _data(context, builder, weights, weights_), at_, vector)
        factors = []
        for number in range(count):
            factors.append(builder.load(builder.gep(row, [ir.Constant(_INT, number)]), align=weights.dtype.bitwidth // 8))
        begins = _element(builder, _data(context, builder, addresses, addresses_), first_, _ADDRESS)
        value = None
        for pixel, number, place in _places(builder, tile_, vector, count):
            if not number:
                begin = builder.inttoptr(builder.load(builder.gep(begins, [ir.Constant(_INT, pixel)])), element.as_pointer())
                scalar = builder.insert_element(
                    ir.Constant(vector, ir.Undefined), builder.load(builder.gep(begin, [term_])), ir.Constant(_INT, 0)
                )
                lanes = ir.Constant(ir.VectorType(_INT, vector.count), [0] * vector.count)
                value = builder.shuffle_vector(scalar, ir.Constant(vector, ir.Undefined), lanes)
            product = builder.fmul(value, factors[number], flags=("contract",))
            builder.store(builder.fadd(builder.load(place), product, flags=("contract",)), place)
        return context.get_dummy_value()

    return types.void(tile, addresses, first, term, weights, at, vectors), build


@_instruction
def store_tile(typing: Any, tile: Any, y: Any, at: Any, step: Any, vectors: Any) -> Any:
    """store_tile(tile, y, at, step, vectors): write pixel p's sums to `y` (of one axis) from element at + p * step on."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        tile_, y_, at_, step_, _ = arguments
        vector, data = _vector(context, y.dtype), _data(context, builder, y, y_)
        for pixel, number, place in _places(builder, tile_, vector, vectors.literal_value):
            begin = _element(builder, data, builder.add(at_, builder.mul(step_, ir.Constant(step_.type, pixel))), vector)
            builder.store(builder.load(place), builder.gep(begin, [ir.Constant(_INT, number)]), align=y.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(tile, y, at, step, vectors), build
