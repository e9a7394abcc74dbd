"""Operands that nobody has seen, and results that are looked at where nobody knew."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from convverify.compare import operands as module
from convverify.compare.operands import Operands
from convverify.judging.kernel import Kernel, never_called
from convverify.judging.observation import Observation, Raised
from convverify.operations.forward import convolve
from convverify.operations.spots import sums_at
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem

LINES = (
    "x=2x9x8x4 w=3x2x4x6",
    "x=1x7x9x6 w=3x3x2x6 strides=2x1 padding=SAME groups=3",
    "x=3x5x5x2 w=4x1x2x3 padding=2,1,0,3 dilations=2x1",
    "x=1x1x1x1 w=5x5x1x2 padding=SAME",
    "x=2x6x6x4 w=3x3x1x8 padding=SAME groups=4 dtype=float64",
)
DIRECT = Kernel("direct", never_called, {})
NORMWISE = Kernel("normwise", never_called, {}, accuracy="normwise")


@pytest.mark.parametrize("line", LINES)
def test_sums_at_all_outputs_are_the_convolution(line: str) -> None:
    problem = Problem.parse(line)
    x, w = (np.random.default_rng(3).integers(-9, 10, shape).astype(float) for shape in (problem.x_shape, problem.w_shape))
    spots = np.unravel_index(np.arange(np.prod(problem.output_shape)), problem.output_shape)
    sums, magnitude, _, _ = sums_at(problem, x, w, spots)
    assert (sums == convolve(problem, x, w).ravel()).all()
    assert (magnitude == convolve(problem, abs(x), abs(w)).ravel()).all()


def right(operands: Operands) -> np.ndarray:
    problem = operands.problem
    y = convolve(problem, operands.x.astype(np.float64), operands.w.astype(np.float64))
    return y.astype(numpy_dtype(problem.dtype))


def seen(result: np.ndarray) -> Observation:
    return Observation("ndarray", result, result.shape, result.dtype.name)


@pytest.mark.parametrize("line", [*LINES, "x=1x9x9x64 w=3x3x64x4 dtype=bfloat16", "x=1x9x9x64 w=3x3x64x4 dtype=float16"])
def test_a_right_result_is_right_and_one_for_other_operands_is_not(line: str) -> None:
    operands = Operands(Problem.parse(line))
    operands.draw()
    before = right(operands)
    assert operands.fault(DIRECT, seen(before)) == ""
    operands.draw()
    assert operands.fault(DIRECT, seen(right(operands))) == ""
    assert "wrong elements" in operands.fault(DIRECT, seen(before))


def test_every_draw_is_new_and_of_a_large_image_a_part_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RENEWED", 200)
    for line, share in (("x=1x9x9x2 w=3x3x2x4", 1.0), ("x=1x20x20x2 w=3x3x2x4", 0.25)):
        operands = Operands(Problem.parse(line))
        drawn = [tuple(array.copy() for array in operands.draw()) for _ in range(80)]
        for (x, w), (next_x, next_w) in pairwise(drawn):
            assert np.mean(x != next_x) == pytest.approx(share, abs=0.01)
            assert np.mean(w != next_w) == pytest.approx(1.0, abs=0.01)
        assert np.mean(drawn[0][0] != drawn[-1][0]) > 0.98, "after a while all of it is new"


def test_a_part_that_was_left_out_is_seen_and_so_is_a_lower_precision() -> None:
    operands = Operands(Problem.parse("x=4x20x20x32 w=3x3x32x16 padding=SAME"))
    operands.draw()
    result = right(operands)
    half = convolve(operands.problem, *(array.astype(np.float16).astype(float) for array in (operands.x, operands.w))).astype(np.float32)
    assert "wrong elements" in operands.fault(DIRECT, seen(half))
    result[3] = result[0]
    assert "wrong elements" in operands.fault(DIRECT, seen(result))


def test_who_is_declared_normwise_may_err_as_much_as_that_allows() -> None:
    operands = Operands(Problem.parse("x=1x9x9x8 w=3x3x8x4"))
    operands.draw()
    result = right(operands) + np.float32(1e-3)
    assert "wrong elements" in operands.fault(DIRECT, seen(result))
    assert operands.fault(NORMWISE, seen(result)) == ""
    assert "wrong elements" in operands.fault(NORMWISE, seen(result + np.float32(1.0)))


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (Observation(error=Raised(("ValueError", "Exception"), "no")), "raised ValueError: no"),
        (Observation(type="list"), "returned list, not an array"),
        (Observation(nonsense="what"), "has left a record that makes no sense: what"),
        (seen(np.zeros((1, 1, 1, 4), np.float32)), "returned an array of shape (1, 1, 1, 4); expected (1, 7, 7, 4)"),
        (seen(np.zeros((1, 7, 7, 4), np.int32)), "returned dtype int32"),
    ],
)
def test_what_is_no_result_is_said(what: Observation, sentence: str) -> None:
    operands = Operands(Problem.parse("x=1x9x9x2 w=3x3x2x4"))
    operands.draw()
    assert operands.fault(DIRECT, what) == sentence
