"""Hypotheses of numbers and of memory: a lower precision, values cut off, strides of the operands not heeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convverify.campaign.diagnosing import Floats, hypotheses
from convverify.operands.case import Case
from convverify.operations.forward import convolve
from convverify.problems.dtypes import FORMATS


def _rounded(values: Floats, precision: int) -> Floats:
    """Round to a number of significand bits, to nearest even."""
    mantissa, exponent = np.frexp(values)
    rounded: Floats = np.ldexp(np.rint(np.ldexp(mantissa, precision)), exponent - precision)
    return rounded


def _truncated(values: Floats, precision: int) -> Floats:
    """Cut to a number of significand bits, towards zero."""
    mantissa, exponent = np.frexp(values)
    cut: Floats = np.ldexp(np.trunc(np.ldexp(mantissa, precision)), exponent - precision)
    return cut


def _inputs(words: str, precision: int, change: Callable[[Floats, int], Floats]) -> None:
    """Register the hypothesis that the operands are brought to a lower precision first."""

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        if precision >= FORMATS[case.problem.dtype].precision:
            return None
        return convolve(case.problem, change(x, precision), change(w, precision))

    hypotheses.register(words)(hypothesis)


_inputs("operands rounded to 11 bits (float16 or TensorFloat-32)", 11, _rounded)
_inputs("operands cut to 11 bits (TensorFloat-32)", 11, _truncated)
_inputs("operands rounded to 8 bits (bfloat16)", 8, _rounded)
_inputs("operands cut to 8 bits (bfloat16)", 8, _truncated)
_inputs("operands rounded to float32", 24, _rounded)


def _output(words: str, precision: int) -> None:
    """Register the hypothesis that the result is brought to a lower precision."""

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        if precision >= FORMATS[case.problem.dtype].precision:
            return None
        return _rounded(convolve(case.problem, x, w), precision)

    hypotheses.register(words)(hypothesis)


_output("result rounded to 11 bits (float16)", 11)
_output("result rounded to 8 bits (bfloat16)", 8)
_output("result rounded to float32", 24)


@hypotheses.register("operands and result in float16")
def half(case: Case, x: Floats, w: Floats) -> Floats | None:
    """Everything passes through float16, its range included."""
    if case.problem.dtype == "float16":
        return None
    y = convolve(case.problem, x.astype(np.float16).astype(np.float64), w.astype(np.float16).astype(np.float64))
    return y.astype(np.float16).astype(np.float64)


@hypotheses.register("sums in float32, operands in float32")
def single(case: Case, x: Floats, w: Floats) -> Floats | None:
    """Double precision computed in single."""
    if case.problem.dtype != "float64":
        return None
    y = convolve(case.problem, x.astype(np.float32).astype(np.float64), w.astype(np.float32).astype(np.float64))
    return y.astype(np.float32).astype(np.float64)


@hypotheses.register("results saturated at 65504 (float16's largest)")
def saturated_half(case: Case, x: Floats, w: Floats) -> Floats:
    """Cut to the range of float16."""
    return np.clip(convolve(case.problem, x, w), -65504.0, 65504.0)


@hypotheses.register("results saturated at 32767")
def saturated_int16(case: Case, x: Floats, w: Floats) -> Floats:
    """Cut to the range of 16-bit integers."""
    return np.clip(convolve(case.problem, x, w), -32768.0, 32767.0)


@hypotheses.register("NaN and Inf in the operands taken for 0")
def specials_to_zero(case: Case, x: Floats, w: Floats) -> Floats | None:
    """NaN and Inf swallowed."""
    if case.stage != "special":
        return None
    return convolve(case.problem, _finite(x), _finite(w))


@hypotheses.register("NaN in the operands taken for 0")
def nan_to_zero(case: Case, x: Floats, w: Floats) -> Floats | None:
    """NaN swallowed, Inf kept."""
    if case.stage != "special":
        return None
    return convolve(case.problem, np.where(np.isnan(x), 0.0, x), np.where(np.isnan(w), 0.0, w))


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, 0.0)


def _memory(words: str, read_x: bool, read_w: bool) -> None:
    """Register the hypothesis that an operand's strides are not heeded: its memory is read from its first element on."""

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        if case.is_plain:
            return None
        axes = (0, 1, 2, 3)
        placed = case.operands((axes, axes))
        read = [operand.as_if_contiguous().astype(np.float64) for operand in placed]
        return convolve(case.problem, read[0] if read_x else x, read[1] if read_w else w)

    hypotheses.register(words)(hypothesis)


_memory("strides of x not heeded: its memory read as if it were contiguous", True, False)
_memory("strides of w not heeded: its memory read as if it were contiguous", False, True)
_memory("strides of both operands not heeded: memory read as if it were contiguous", True, True)
