"""The convolutions that ship, held against TensorFlow: a tutorial for tests of your own convolution.

`problems()` is a Hypothesis strategy for the geometry of one convolution: extents, strides, padding, dilations, groups, dtype.
`cases()` draws a problem and how its operands look: a style of values, a memory layout for each, a seed.  Both shrink, and a
failing example prints as one line, which `Case.parse` reads back.  Put your own function in the place of `conv2d`; a function that
takes fewer parameters needs fewer problems:

    problems(strides=st.just((1, 1)), padding=["VALID"], dilations=st.just((1, 1)), grouped=False)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convverify.generation.strategies import cases, problems
from convverify.kernels import kernels
from convverify.operands.case import Case
from convverify.operations.error_bounds import assert_within_bound
from convverify.operations.forward import tensorflow_refuses
from convverify.problems.problem import Problem
from convverify.references import exact, tensorflow

EXACT = ["integers", "long_integers", "impulse", "cancelling_integers"]  # styles whose sums are exact in any order
REALS = ["normal", "positive", "mixed", "cancelling"]
MACS = 3_000  # multiply-adds of one problem: the loops in plain Python do some millions a second
# Kernels that sum products directly; those by Fourier or Winograd transforms meet another bound: see test_kernels_normwise.py.
DIRECT = [kernel for kernel in kernels if kernel.traits.get("accuracy") != "normwise"]
SHIPPED = pytest.mark.parametrize("conv2d", [pytest.param(kernel.function, id=kernel.name) for kernel in DIRECT])


@pytest.fixture(scope="module", autouse=True)
def _tensorflow() -> None:
    """Import TensorFlow once, before Hypothesis looks at the clock."""
    tensorflow.load()


def parameters(problem: Problem) -> dict[str, Any]:
    """The problem as keyword arguments of `tf.nn.conv2d`."""
    return {"strides": problem.strides, "padding": problem.tf_padding, "dilations": problem.dilations, "groups": problem.groups}


def reference(problem: Problem, x: Any, w: Any) -> Any:
    """TensorFlow's result, or exact arithmetic's where TensorFlow errs or refuses: results without elements."""
    trusted = exact if problem.is_empty or tensorflow_refuses(problem) else tensorflow
    return trusted.conv2d(x, w, **parameters(problem))


def assert_exact(conv2d: Any, case: Case) -> None:
    """Assert that the kernel returns TensorFlow's result, bit for bit."""
    x, w = case.values()
    y = conv2d(x, w, **parameters(case.problem))
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, reference(case.problem, x, w))


# Integers: no tolerance.


@SHIPPED
@given(case=cases(values=EXACT, max_macs=MACS))
def test_integers_are_convolved_exactly(conv2d: Any, case: Case) -> None:
    x, w = case.values()  # small enough that no sum is ever rounded, in whatever order it is made
    y = conv2d(x, w, **parameters(case.problem))
    np.testing.assert_array_equal(y, reference(case.problem, x, w))


@SHIPPED
@given(case=cases(values=EXACT, max_macs=MACS, dtypes=["float16", "bfloat16"]))
def test_half_precision_integers_are_convolved_exactly(conv2d: Any, case: Case) -> None:
    x, w = case.values()
    y = conv2d(x, w, **parameters(case.problem))
    assert y.dtype == x.dtype
    # Exact arithmetic is the reference: TensorFlow 2.21 can end the process on bfloat16 (SIGSEGV on x=8x3x1x1 w=3x1x1x1
    # strides=1x3 padding=1,5,1,5 dilations=2x2).  `convverify check` survives that, a test does not.
    np.testing.assert_array_equal(y.astype(np.float64), exact.conv2d(x, w, **parameters(case.problem)))


# Real numbers: the bound that is proven for any order of summation.  Nobody has to choose a tolerance.


@SHIPPED
@given(case=cases(values=REALS, max_macs=MACS, dtypes=["float32", "float64", "float16", "bfloat16"]))
def test_real_numbers_stay_within_the_proven_bound(conv2d: Any, case: Case) -> None:
    x, w = case.values()
    y = conv2d(x, w, **parameters(case.problem))
    assert_within_bound(y, x, w, **parameters(case.problem))


@given(case=cases(values=REALS, max_macs=MACS, allow_empty=False))
def test_tensorflow_stays_within_the_same_bound(case: Case) -> None:
    x, w = case.values()
    assert_within_bound(reference(case.problem, x, w), x, w, **parameters(case.problem))


# Memory layouts: slices, reversed axes, Fortran order, and others that NumPy allows.


@SHIPPED
@given(case=cases(values=EXACT, max_macs=MACS))
def test_memory_layouts_make_no_difference(conv2d: Any, case: Case) -> None:
    x, w = case.operands(((0, 1, 2, 3), (0, 1, 2, 3)))  # the axes as they are: NHWC and HWIO
    y = conv2d(x.array, w.array, **parameters(case.problem))
    np.testing.assert_array_equal(y, reference(case.problem, x.values, w.values))


@SHIPPED
@given(case=cases(max_macs=MACS))
def test_operands_and_the_memory_around_them_are_left_alone(conv2d: Any, case: Case) -> None:
    operands = case.operands(((0, 1, 2, 3), (0, 1, 2, 3)))
    with np.errstate(all="ignore"):  # NaN and Inf are among the values
        conv2d(*(operand.array for operand in operands), **parameters(case.problem))
    assert [operand.written() for operand in operands] == ["", ""]


# One feature at a time: give the strategy what you want to see.


@SHIPPED
@given(case=cases(values=EXACT, max_macs=MACS, strides=st.tuples(st.integers(2, 5), st.integers(2, 5))))
def test_strided(conv2d: Any, case: Case) -> None:
    assert_exact(conv2d, case)


@SHIPPED
@given(case=cases(values=EXACT, max_macs=MACS, dilations=st.tuples(st.integers(2, 4), st.integers(2, 4))))
def test_dilated(conv2d: Any, case: Case) -> None:
    assert_exact(conv2d, case)


@SHIPPED
@given(case=cases(values=EXACT, problems=problems(max_macs=MACS).filter(lambda problem: problem.groups > 1)))
def test_grouped(conv2d: Any, case: Case) -> None:
    assert_exact(conv2d, case)


@SHIPPED
@given(case=cases(values=EXACT, max_macs=MACS, padding=["SAME"]))
def test_same_padding(conv2d: Any, case: Case) -> None:
    assert_exact(conv2d, case)


# Explicit pads, against another use of the kernel itself: a statement of your own needs no reference.


@SHIPPED
@given(case=cases(values=EXACT, max_macs=MACS, padding=["EXPLICIT"]))
def test_explicit_pads_are_zeros_around_the_image(conv2d: Any, case: Case) -> None:
    x, w = case.values()
    padded = np.pad(x, case.problem.tf_padding)
    on_padded = conv2d(padded, w, **parameters(case.problem) | {"padding": "VALID"})
    np.testing.assert_array_equal(conv2d(x, w, **parameters(case.problem)), on_padded)


# Results without elements: no images, or a kernel larger than the padded image.  TensorFlow's own result can have a wrong shape there.


@SHIPPED
@given(case=cases(problems=problems(max_macs=MACS).map(lambda problem: problem.with_(batch=0))))
def test_an_empty_batch_gives_an_empty_result_of_the_right_shape(conv2d: Any, case: Case) -> None:
    x, w = case.values()
    y = conv2d(x, w, **parameters(case.problem))
    assert y.shape == case.problem.output_shape
    assert y.dtype == x.dtype


@SHIPPED
@given(case=cases(values=EXACT, problems=problems(padding=["VALID"]).map(lambda problem: problem.with_(height=1, kernel_height=3))))
def test_a_kernel_larger_than_the_image_gives_an_empty_result(conv2d: Any, case: Case) -> None:
    assert case.problem.is_empty
    assert_exact(conv2d, case)
