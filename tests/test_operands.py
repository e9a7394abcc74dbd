"""Operands come from one seed, and show whatever a kernel does to their memory."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

import convverify
from convverify.generation.strategies import cases
from convverify.operands.case import Case
from convverify.operands.layouts import SHARING, layouts
from convverify.operands.placing import place, random_bits, values_of
from convverify.problems.dtypes import FORMATS, numpy_dtype

LOOSE = [name for name in layouts.names() if name not in ("guarded", "owning")]  # with poison on both sides


def poke(array: np.ndarray, elements: int) -> None:
    """Write one element at a distance from an array's first, as a kernel in C could."""
    ctypes.memset(array.__array_interface__["data"][0] + elements * array.itemsize, 1, array.itemsize)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("distance", [-1, -30, 6, 30])
def test_a_write_outside_is_seen(dtype: str, distance: int) -> None:
    operand = place(np.ones((1, 2, 3, 1)).astype(numpy_dtype(dtype)), "contiguous", 0)
    poke(operand.array, distance)
    assert operand.written() == "outside"


def test_a_write_between_the_elements_of_a_slice_is_seen() -> None:
    operand = place(np.ones((2, 3, 4, 5), np.float32), "sliced", 98765)
    used = {sum(np.multiply(index, operand.array.strides)) // 4 for index in np.ndindex(operand.array.shape)}
    poke(operand.array, min(set(range(max(used))) - used))
    assert operand.written() == "outside"


@pytest.mark.parametrize("name", [name for name in layouts.names() if name not in ("readonly", "crossed", *SHARING)])
def test_a_write_inside_is_seen(name: str) -> None:
    operand = place(np.ones((1, 2, 3, 2), np.float32), name, 77)
    operand.array[0, 1, 2, 1] = 5.0
    assert operand.written() == "inside"


def test_readonly_and_sharing_operands_cannot_be_written_by_accident() -> None:
    for name in ("readonly", *SHARING):
        operand = place(np.ones((1, 2, 3, 2), np.float32), name, 0)
        with pytest.raises(ValueError, match="read-only"):
            operand.array[0, 0, 0, 0] = 5.0


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", LOOSE)
def test_what_lies_around_an_operand_is_not_a_number(name: str, dtype: str) -> None:
    array = place(np.ones((2, 3, 2, 3)).astype(numpy_dtype(dtype)), name, 4242).array
    low = array[tuple(slice(None, None, -1) if stride < 0 else slice(None) for stride in array.strides)]
    extent = sum(abs(stride) * (size - 1) for stride, size in zip(array.strides, array.shape, strict=True)) // array.itemsize
    around = np.lib.stride_tricks.as_strided(low, (extent + 41,), (array.itemsize,))
    assert np.isnan(around[extent + 1 :].astype(np.float64)).all()


SCRIPT = """
import sys, numpy as np
from convverify.operands.placing import place
before = int(sys.argv[1])
array = place(np.ones((1, 2, 3, 5), np.float32), "guarded", before).array.reshape(-1)
print(array.sum(), flush=True)
print(np.lib.stride_tricks.as_strided(array[::-1] if before else array, (31,), (-4 if before else 4,)).sum())
"""


@pytest.mark.parametrize("before", [0, 1])
def test_reading_past_a_guarded_operand_ends_the_process(before: int) -> None:
    root = str(Path(convverify.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(before)], capture_output=True, text=True, env={"PYTHONPATH": root}, check=False
    )
    assert done.stdout.split() == ["30.0"], done.stderr
    assert done.returncode < 0


@given(case=cases(max_macs=2000))
def test_new_values_take_the_place_of_the_old_ones(case: Case) -> None:
    x, _ = case.operands(((0, 1, 2, 3), (0, 1, 2, 3)))
    with np.errstate(all="ignore"):
        memory = x.with_values(x.values[::-1] * np.float32(2))
    x.memory[...] = memory
    assert memory.tobytes() == x.memory.tobytes()
    x.becomes(memory)
    assert x.written() == ""


def test_overlap_with_a_result_is_seen() -> None:
    operand = place(np.ones((1, 2, 3, 2), np.float32), "contiguous", 0)
    assert operand.overlaps(operand.array[0, 1:])
    assert not operand.overlaps(operand.array.copy())


def test_a_fortran_operand_read_as_if_it_were_contiguous_is_its_transpose() -> None:
    values = np.arange(6.0).reshape(1, 2, 3, 1)
    operand = place(values, "fortran", 0)
    assert operand.as_if_contiguous().ravel().tolist() == values.ravel(order="F").tolist()


def test_the_random_stream_is_pinned() -> None:
    # NumPy promises the stream of Philox for good; a change here would change what every replay line means.
    assert random_bits(7, 3).tolist() == [16086915834549238692, 5448529601018347655, 7749434361382612120]


@given(case=cases(max_macs=2000, dtypes=tuple(FORMATS)))
def test_a_seed_decides_the_values(case: Case) -> None:
    first, again = (values_of(case.problem, case.style, case.seed) for _ in range(2))
    for array, same, shape in zip(first, again, (case.problem.x_shape, case.problem.w_shape), strict=True):
        assert array.tobytes() == same.tobytes()
        assert (array.shape, array.dtype) == (shape, numpy_dtype(case.problem.dtype))


def test_random_bits_are_those_of_philox_with_the_seed_as_its_key() -> None:
    for seed in (0, 7, 2**63 + 5, 2**64 - 1, 7):
        assert random_bits(seed, 9).tolist() == np.random.Philox(key=seed).random_raw(9).tolist()
