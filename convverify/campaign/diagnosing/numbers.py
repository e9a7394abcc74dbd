"""Hypotheses of numbers and of memory: a lower precision, values cut off, strides of the operands not heeded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.campaign.diagnosing.hypothesis import change_of
from convverify.campaign.diagnosing.scene import Floats, Scene
from convverify.problems.dtypes import FORMATS

Mask: TypeAlias = npt.NDArray[np.bool_]


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
    """Register the hypothesis that the operands, or one of them, are brought to a lower precision first."""

    def registered(who: str, of_x: bool, of_w: bool) -> None:
        def changed(scene: Scene) -> Scene | None:
            if precision >= FORMATS[scene.problem.dtype].precision:
                return None
            return scene.with_(x=change(scene.x, precision) if of_x else scene.x, w=change(scene.w, precision) if of_w else scene.w)

        change_of(f"{who} {words}", changed)

    registered("operands", True, True)
    registered("x", True, False)
    registered("weights", False, True)


_inputs("rounded to 11 bits (float16 or TensorFloat-32)", 11, _rounded)
_inputs("cut to 11 bits (TensorFloat-32)", 11, _truncated)
_inputs("rounded to 8 bits (bfloat16)", 8, _rounded)
_inputs("cut to 8 bits (bfloat16)", 8, _truncated)
_inputs("rounded to float32", 24, _rounded)


def _whole(words: str, of_x: bool, of_w: bool) -> None:
    """Register the hypothesis that operands are taken for integers, as by a cast."""

    def changed(scene: Scene) -> Scene | None:
        return scene.with_(x=np.trunc(scene.x) if of_x else scene.x, w=np.trunc(scene.w) if of_w else scene.w)

    change_of(words, changed)


_whole("operands cut to integers", True, True)
_whole("x cut to integers", True, False)
_whole("weights cut to integers", False, True)


def _bytes(words: str, kept: Callable[[Floats], Floats]) -> None:
    """Register the hypothesis that the image, or both operands, are kept in bytes."""
    change_of(f"x {words}", lambda scene: scene.with_(x=kept(scene.x)))
    change_of(f"operands {words}", lambda scene: scene.with_(x=kept(scene.x), w=kept(scene.w)))


_bytes("kept in 8 bits (int8)", lambda values: _integer(values, 8))
_bytes("kept in 8 bits (uint8)", lambda values: np.trunc(values) % 256.0)
_bytes("cut to 0..255 (a picture's pixels)", lambda values: np.clip(values, 0.0, 255.0))


def _output(words: str, then: Callable[[Floats], Floats], below: int = 99) -> None:
    """Register the hypothesis that something is done to the result, for dtypes of more than so many bits."""

    def changed(scene: Scene) -> Scene | None:
        return scene.with_(then=(*scene.then, then)) if below == 99 or below < FORMATS[scene.problem.dtype].precision else None

    change_of(words, changed)


_output("result rounded to 11 bits (float16)", lambda y: _rounded(y, 11), 11)
_output("result rounded to 8 bits (bfloat16)", lambda y: _rounded(y, 8), 8)
_output("result rounded to float32", lambda y: _rounded(y, 24), 24)
_output("results saturated at 65504 (float16's largest)", lambda y: np.clip(y, -65504.0, 65504.0))
_output("results saturated at 32767", lambda y: np.clip(y, -32768.0, 32767.0))
_output("results rounded to integers", np.rint)
_output("results cut to integers", np.trunc)
_output("results saturated at 0 and 255", lambda y: np.clip(y, 0.0, 255.0))
_output("results kept in 8 bits (uint8)", lambda y: np.trunc(y) % 256.0)
_output("results kept in 8 bits (int8)", lambda y: _integer(y, 8))
_output("results kept in 16 bits (int16)", lambda y: _integer(y, 16))
_output("results kept in 32 bits (int32)", lambda y: _integer(y, 32))


def _integer(values: Floats, bits: int) -> Floats:
    """Keep integers in so many bits, in two's complement."""
    half = 2.0 ** (bits - 1)
    kept: Floats = (np.trunc(values) + half) % (2.0 * half) - half
    return kept


def _cast(words: str, dtype: str) -> None:
    """Register the hypothesis that operands and result pass through a narrower dtype, its range included."""

    def through(values: Floats) -> Floats:
        return values.astype(dtype).astype(np.float64)

    def changed(scene: Scene) -> Scene | None:
        if FORMATS[dtype].precision >= FORMATS[scene.problem.dtype].precision:
            return None
        return scene.with_(x=through(scene.x), w=through(scene.w), then=(*scene.then, through))

    change_of(words, changed)


_cast("operands and result in float16", "float16")
_cast("sums in float32, operands in float32", "float32")


def _special(words: str, is_swallowed: Callable[[Floats], Mask]) -> None:
    """Register the hypothesis that some of NaN and Inf in the operands count as 0."""

    def changed(scene: Scene) -> Scene | None:
        if scene.case.stage != "special":
            return None
        x, w = (np.where(is_swallowed(values), 0.0, values) for values in (scene.x, scene.w))
        return scene.with_(x=x, w=w)

    change_of(words, changed)


_special("NaN and Inf in the operands taken for 0", lambda values: ~np.isfinite(values))
_special("NaN in the operands taken for 0", np.isnan)


def _with_zeros_between(scene: Scene) -> Scene | None:
    if scene.case.stage != "special" or (scene.rows.dilation, scene.columns.dilation) == (1, 1) or not scene.w.size:
        return None
    w = np.zeros((scene.rows.reach, scene.columns.reach, *scene.w.shape[2:]))
    w[:: scene.rows.dilation, :: scene.columns.dilation] = scene.w
    rows, columns = (axis.with_(taps=axis.reach, dilation=1) for axis in (scene.rows, scene.columns))
    return scene.with_(w=w, rows=rows, columns=columns)


change_of("dilation by zeros between the kernel's taps, which make NaN of NaN and Inf", _with_zeros_between)


def _clamped(scene: Scene) -> Scene | None:
    """As the minimum and the maximum instructions of processors do, which return their second operand where the first one is NaN."""
    largest = FORMATS[scene.problem.dtype].largest
    return scene.with_(then=(*scene.then, lambda y: np.clip(np.where(np.isnan(y), largest, y), -largest, largest)))


change_of("results clamped to the largest finite numbers, NaN too", _clamped)


def _memory(words: str, read_x: bool, read_w: bool) -> None:
    """Register the hypothesis that an operand's strides are not heeded: its memory is read from its first element on."""

    def changed(scene: Scene) -> Scene | None:
        if scene.case.is_plain:
            return None
        x, w = (
            operand.as_if_contiguous().transpose(np.argsort(order)).astype(np.float64)
            for operand, order in zip(scene.case.operands(scene.axes), scene.axes, strict=True)
        )
        return scene.with_(x=x if read_x else scene.x, w=w if read_w else scene.w)

    change_of(words, changed)


_memory("strides of x not heeded: its memory read as if it were contiguous", True, False)
_memory("strides of w not heeded: its memory read as if it were contiguous", False, True)
_memory("strides of both operands not heeded: memory read as if it were contiguous", True, True)
