"""Hypotheses of geometry: kernel, strides, dilations and pads taken the wrong way round, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from convverify.campaign.diagnosing import Floats, hypotheses
from convverify.operands.case import Case
from convverify.operations.forward import convolve
from convverify.problems.problem import Pads, Problem


def _as_problem(words: str) -> Callable[[Callable[[Problem], Problem | None]], Callable[[Problem], Problem | None]]:
    """Register the hypothesis that the kernel solves another problem on the same operands."""

    def decorate(change: Callable[[Problem], Problem | None]) -> Callable[[Problem], Problem | None]:
        def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
            other = change(case.problem)
            return None if other is None or other == case.problem else convolve(other, x, w)

        hypothesis.__doc__ = words
        hypotheses.register(words)(hypothesis)
        return change

    return decorate


def _as_weights(words: str, change: Callable[[Floats], Floats]) -> None:
    """Register the hypothesis that the kernel uses other weights."""

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        changed = change(w)
        return None if changed.shape != w.shape else convolve(case.problem, x, changed)

    hypotheses.register(words)(hypothesis)


_as_weights("kernel flipped (true convolution)", lambda w: w[::-1, ::-1])
_as_weights("kernel flipped top to bottom", lambda w: w[::-1])
_as_weights("kernel flipped left to right", lambda w: w[:, ::-1])
_as_weights("kernel's height and width swapped", lambda w: w.swapaxes(0, 1))
_as_weights("last kernel row ignored", lambda w: _zeroed(w, np.s_[-1:]))
_as_weights("last kernel column ignored", lambda w: _zeroed(w, np.s_[:, -1:]))
_as_weights("first kernel row ignored", lambda w: _zeroed(w, np.s_[:1]))
_as_weights("first kernel column ignored", lambda w: _zeroed(w, np.s_[:, :1]))
_as_weights("kernel moved by one row", lambda w: np.roll(w, 1, 0))
_as_weights("kernel moved by one column", lambda w: np.roll(w, 1, 1))
_as_weights("only the kernel's first row used", lambda w: _zeroed(w, np.s_[1:]))
_as_weights("only the kernel's first column used", lambda w: _zeroed(w, np.s_[:, 1:]))
_as_weights("weights used twice", lambda w: 2.0 * w)
_as_weights("sign of the result changed", lambda w: -w)


def _zeroed(array: Floats, where: Any) -> Floats:
    changed = array.copy()
    changed[where] = 0.0
    return changed


def _with_pads(p: Problem, pads: Pads) -> Problem:
    return p.with_(padding=tuple(tuple(max(0, pad) for pad in side) for side in pads))


@_as_problem("vertical and horizontal strides swapped")
def _strides_swapped(p: Problem) -> Problem | None:
    return _fixed(p, p.with_(strides=p.strides[::-1]))


@_as_problem("vertical stride used for both axes")
def _vertical_stride(p: Problem) -> Problem | None:
    return p.with_(strides=(p.strides[0],) * 2)


@_as_problem("horizontal stride used for both axes")
def _horizontal_stride(p: Problem) -> Problem | None:
    return p.with_(strides=(p.strides[1],) * 2)


@_as_problem("strides ignored")
def _no_strides(p: Problem) -> Problem | None:
    return p.with_(strides=(1, 1))


@_as_problem("vertical and horizontal dilations swapped")
def _dilations_swapped(p: Problem) -> Problem | None:
    return _fixed(p, p.with_(dilations=p.dilations[::-1]))


@_as_problem("dilations ignored")
def _no_dilations(p: Problem) -> Problem | None:
    return p.with_(dilations=(1, 1))


@_as_problem("dilations ignored, output of the right shape")
def _no_dilations_right_shape(p: Problem) -> Problem | None:
    return _fixed(p, p.with_(dilations=(1, 1)))


@_as_problem("vertical dilation used for both axes")
def _vertical_dilation(p: Problem) -> Problem | None:
    return p.with_(dilations=(p.dilations[0],) * 2)


@_as_problem("horizontal dilation used for both axes")
def _horizontal_dilation(p: Problem) -> Problem | None:
    return p.with_(dilations=(p.dilations[1],) * 2)


@_as_problem("padding ignored")
def _no_padding(p: Problem) -> Problem | None:
    return p.with_(padding="VALID")


@_as_problem("SAME pads at the wrong end (the odd pixel before, not behind)")
def _same_lower(p: Problem) -> Problem | None:
    return _with_pads(p, (p.pads[0][::-1], p.pads[1][::-1])) if p.padding == "SAME" else None


@_as_problem("SAME pads of (k - 1) // 2 on both sides")
def _same_symmetric(p: Problem) -> Problem | None:
    rows, columns = (p.kernel_height - 1) // 2, (p.kernel_width - 1) // 2
    return _with_pads(p, ((rows, rows), (columns, columns))) if p.padding == "SAME" else None


@_as_problem("SAME pads of k // 2 on both sides")
def _same_half(p: Problem) -> Problem | None:
    rows, columns = p.kernel_height // 2, p.kernel_width // 2
    return _with_pads(p, ((rows, rows), (columns, columns))) if p.padding == "SAME" else None


@_as_problem("SAME pads computed without the stride")
def _same_without_stride(p: Problem) -> Problem | None:
    return _shifted(p, p.with_(strides=(1, 1)).pads) if p.padding == "SAME" else None


@_as_problem("SAME pads computed without the dilation")
def _same_without_dilation(p: Problem) -> Problem | None:
    return _with_pads(p, p.with_(dilations=(1, 1)).pads) if p.padding == "SAME" else None


@_as_problem("SAME pads computed without the dilation, output of the right shape")
def _same_without_dilation_right_shape(p: Problem) -> Problem | None:
    return _shifted(p, p.with_(dilations=(1, 1)).pads) if p.padding == "SAME" else None


@_as_problem("top and bottom pads swapped")
def _vertical_pads(p: Problem) -> Problem | None:
    return _with_pads(p, (p.pads[0][::-1], p.pads[1]))


@_as_problem("left and right pads swapped")
def _horizontal_pads(p: Problem) -> Problem | None:
    return _with_pads(p, (p.pads[0], p.pads[1][::-1]))


@_as_problem("both pairs of pads swapped")
def _pads_reversed(p: Problem) -> Problem | None:
    return _with_pads(p, (p.pads[0][::-1], p.pads[1][::-1]))


@_as_problem("vertical and horizontal pads swapped")
def _pads_transposed(p: Problem) -> Problem | None:
    return _with_pads(p, p.pads[::-1])


@_as_problem("vertical and horizontal pads swapped, output of the right shape")
def _pads_transposed_right_shape(p: Problem) -> Problem | None:
    return _shifted(p, p.pads[::-1])


@_as_problem("trailing pads taken for the leading ones, too")
def _trailing_pads(p: Problem) -> Problem | None:
    return _shifted(p, tuple((after, after) for _, after in p.pads))  # type: ignore[arg-type]  # two pairs


@_as_problem("leading pads taken for the trailing ones, too")
def _leading_pads(p: Problem) -> Problem | None:
    return _with_pads(p, tuple((before, before) for before, _ in p.pads))  # type: ignore[arg-type]  # two pairs


@_as_problem("windows begin one row too early")
def _row_early(p: Problem) -> Problem | None:
    return _shifted(p, ((p.pads[0][0] + 1, 0), p.pads[1]))


@_as_problem("windows begin one column too early")
def _column_early(p: Problem) -> Problem | None:
    return _shifted(p, (p.pads[0], (p.pads[1][0] + 1, 0)))


def _fixed(p: Problem, other: Problem) -> Problem | None:
    """Return the other problem with pads that give the output the right shape."""
    return _shifted(other, other.pads, p.output_shape)


def _shifted(p: Problem, pads: Pads, shape: tuple[int, ...] | None = None) -> Problem | None:
    """Return the problem with these leading pads, and trailing ones that give the output its shape."""
    shape = shape or p.output_shape
    sides = []
    for axis, extent in enumerate((p.height, p.width)):
        needed = (shape[1 + axis] - 1) * p.strides[axis] + p.effective_kernel[axis]
        sides.append((pads[axis][0], max(0, needed - extent - pads[axis][0])))
    return _with_pads(p, (sides[0], sides[1]))


@hypotheses.register("windows begin one row too late")
def row_late(case: Case, x: Floats, w: Floats) -> Floats:
    """The image seems to have moved up by one row."""
    moved = np.zeros_like(x)
    moved[:, :-1] = x[:, 1:]
    return convolve(case.problem, moved, w)


@hypotheses.register("windows begin one column too late")
def column_late(case: Case, x: Floats, w: Floats) -> Floats:
    """The image seems to have moved left by one column."""
    moved = np.zeros_like(x)
    moved[:, :, :-1] = x[:, :, 1:]
    return convolve(case.problem, moved, w)


def _nearest(index: Any, extent: int) -> Any:
    return np.clip(index, 0, extent - 1)


def _wrapped(index: Any, extent: int) -> Any:
    return index % extent


def _mirrored(index: Any, extent: int) -> Any:
    period = max(1, 2 * extent - 2)
    folded = np.abs(index) % period
    return np.where(folded >= extent, period - folded, folded)


def _pad_by(words: str, place: Callable[[Any, int], Any]) -> None:
    """Register the hypothesis that pads hold pixels of the image, found by `place`."""

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        p = case.problem
        if p.pads == ((0, 0), (0, 0)) or not x.size:
            return None
        rows = place(np.arange(-p.pads[0][0], p.height + p.pads[0][1]), p.height)
        columns = place(np.arange(-p.pads[1][0], p.width + p.pads[1][1]), p.width)
        padded = x[:, rows][:, :, columns]
        return convolve(p.with_(height=padded.shape[1], width=padded.shape[2], padding="VALID"), padded, w)

    hypotheses.register(words)(hypothesis)


_pad_by("pads filled with the nearest pixel", _nearest)
_pad_by("pads wrapped around", _wrapped)
_pad_by("pads filled with the mirrored image", _mirrored)


@hypotheses.register("output's height and width swapped")
def output_transposed(case: Case, x: Floats, w: Floats) -> Floats:
    """Rows and columns of the result exchanged."""
    return convolve(case.problem, x, w).swapaxes(1, 2)


@hypotheses.register("output upside down")
def output_reversed_rows(case: Case, x: Floats, w: Floats) -> Floats:
    """Rows of the result in reverse."""
    return convolve(case.problem, x, w)[:, ::-1]


@hypotheses.register("image's height and width swapped")
def image_transposed(case: Case, x: Floats, w: Floats) -> Floats | None:
    """Rows and columns of the image exchanged."""
    return convolve(case.problem, x.swapaxes(1, 2), w) if x.shape[1] == x.shape[2] else None


@hypotheses.register("kernel height used for both axes")
def kernel_height_twice(case: Case, x: Floats, w: Floats) -> Floats | None:
    """The kernel taken for a square of its height."""
    p = case.problem
    return _square(p, p.kernel_height, x, w)


@hypotheses.register("kernel width used for both axes")
def kernel_width_twice(case: Case, x: Floats, w: Floats) -> Floats | None:
    """The kernel taken for a square of its width."""
    p = case.problem
    return _square(p, p.kernel_width, x, w)


def _square(p: Problem, side: int, x: Floats, w: Floats) -> Floats | None:
    if p.kernel_height == p.kernel_width:
        return None
    square = np.zeros((side, side, *w.shape[2:]))
    rows, columns = min(side, p.kernel_height), min(side, p.kernel_width)
    square[:rows, :columns] = w[:rows, :columns]
    return convolve(p.with_(kernel_height=side, kernel_width=side), x, square)
