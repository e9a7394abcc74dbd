"""Memory layouts keep the values, stay inside their memory, and are what their names say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convverify.operands.layouts import PLAIN, SHARING, Choices, layouts
from convverify.operands.placing import Operand, place, random_bits, values_of
from convverify.problems.dtypes import FORMATS, numpy_dtype
from convverify.problems.problem import Problem

SHAPES = st.tuples(*[st.integers(0, 4)] * 4)
BITS = st.integers(0, 2**56 - 1)
EACH = pytest.mark.parametrize("name", layouts.names())


def counted(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """1, 2, 3, ... in the given shape."""
    return (np.arange(math.prod(shape)) % 200 + 1.0).reshape(shape).astype(numpy_dtype(dtype))


def placed(name: str, shape: tuple[int, ...] = (2, 3, 4, 5), bits: int = 12345) -> Operand:
    return place(counted(shape), name, bits)


@EACH
@given(shape=SHAPES, dtype=st.sampled_from(tuple(FORMATS)), bits=BITS)
def test_a_layout_keeps_shape_dtype_and_values(name: str, shape: tuple[int, ...], dtype: str, bits: int) -> None:
    values = counted(shape, dtype)
    operand = place(values, name, bits)
    assert (operand.array.shape, operand.array.dtype) == (shape, values.dtype)
    assert operand.values.tobytes() == operand.array.tobytes()
    assert operand.written() == ""
    if name not in SHARING:
        assert operand.array.tobytes() == values.tobytes()


@given(shape=SHAPES, bits=BITS)
def test_a_broadcast_layout_repeats_the_first_values_of_some_axes(shape: tuple[int, ...], bits: int) -> None:
    values, array = counted(shape), place(counted(shape), "broadcast", bits).array
    index = tuple(slice(1) if stride == 0 else slice(None) for stride in array.strides)
    np.testing.assert_array_equal(array, np.broadcast_to(values[index] if values.size else values, shape))
    assert 0 in array.strides


@EACH
@given(shape=SHAPES, itemsize=st.sampled_from((2, 4, 8)), bits=BITS)
def test_every_element_lies_inside_the_memory_of_its_placement(name: str, shape: tuple[int, ...], itemsize: int, bits: int) -> None:
    placement = layouts[name].function(shape, itemsize, Choices(bits))
    offsets = [
        placement.offset + sum(i * stride for i, stride in zip(index, placement.strides, strict=True))
        for index in itertools.product(*(range(extent) for extent in shape))
    ]
    assert all(0 <= offset <= placement.size - itemsize for offset in offsets)
    if name not in SHARING:
        assert len(set(offsets)) == len(offsets)


def test_names_are_true() -> None:
    assert placed("contiguous").array.flags.c_contiguous
    assert placed("fortran").array.flags.f_contiguous
    assert not all(placed("sliced", bits=bits).array.flags.forc for bits in range(9))  # now and then the margin alone is cut off
    assert min(placed("reversed_axes").array.strides) < 0
    assert not placed("unaligned").array.flags.aligned
    assert placed("barely_aligned").array.ctypes.data % 8 == 4
    assert not placed("readonly").array.flags.writeable
    assert placed("stray_strides", (1, 3, 1, 5)).array.strides != placed("contiguous", (1, 3, 1, 5)).array.strides
    transposed = placed("transposed").array
    assert transposed.transpose(np.argsort(transposed.strides)[::-1]).flags.c_contiguous


@pytest.mark.parametrize(
    "name", [name for name in layouts.names() if name not in (PLAIN, "owning", "guarded", "readonly", "unaligned", "barely_aligned")]
)
def test_choices_vary_a_layout(name: str) -> None:
    shape = (1, 3, 1, 4)  # extents of 1 as well, whose strides may be anything
    assert len({placed(name, shape, bits * 7919).array.strides for bits in range(64)}) > 1 or name == "fortran"


def test_an_operand_may_own_its_memory() -> None:
    assert placed("owning").array.flags.owndata
    assert placed("owning").array.base is None
    assert not placed("contiguous").array.flags.owndata


def test_layouts_are_crossed_with_flags() -> None:
    found = {(flags.writeable, flags.aligned) for bits in range(64) if (flags := placed("crossed", bits=bits * 7919).array.flags)}
    assert found == {(True, False), (False, True), (False, False)}


@EACH
def test_the_same_bits_give_the_same_layout(name: str) -> None:
    assert placed(name, bits=99).array.strides == placed(name, bits=99).array.strides


@given(bits=st.integers(0, 2**64 - 1), limits=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_choices_stay_below_their_limits(bits: int, limits: list[int]) -> None:
    choices = Choices(bits)
    assert all(0 <= choices.below(limit) < limit for limit in limits)


def test_choices_reach_every_subset_and_every_order() -> None:
    subsets = {tuple(Choices(bits).subset("abc")) for bits in range(50)}  # type: ignore[arg-type]  # letters read better than numbers
    assert subsets == {tuple(s) for n in (1, 2, 3) for s in itertools.combinations("abc", n)}
    assert {tuple(Choices(bits).shuffled((0, 1, 2))) for bits in range(50)} == set(itertools.permutations((0, 1, 2)))
    assert Choices(5).subset([]) == []


def test_late_choices_are_as_even_as_early_ones() -> None:
    """Layouts and styles draw more than 64 bits hold where they choose among many elements."""
    draws = np.array([[choices.below(1944) for _ in range(12)] for choices in map(Choices, random_bits(1, 3000).tolist())])
    for drawn in draws.T:
        shares = np.bincount(drawn * 8 // 1944, minlength=8) / len(draws)
        assert 0.09 < shares.min() <= shares.max() < 0.16
        assert np.count_nonzero(drawn == 0) < 12


def test_the_first_choices_are_those_of_the_bits_given() -> None:
    choices = Choices(2**64 - 1)
    assert [choices.below(10) for _ in range(5)] == [5, 1, 6, 1, 5]  # the last digits of 2**64 - 1


def test_a_special_value_may_be_any_element() -> None:
    problem = Problem(2, 9, 9, 8, 5, 5, 16)
    places = [np.flatnonzero(~np.isfinite(array)) for seed in range(400) for array in values_of(problem, "special", seed)]
    some = np.concatenate([place for place in places if 0 < len(place) < 4])
    assert np.count_nonzero(some == 0) / len(some) < 0.02
