"""Hypotheses of channels, groups, batches and tails: parts of the operands or of the result left out, or taken in another order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from convverify.campaign.diagnosing import Floats, hypotheses
from convverify.operands.case import Case
from convverify.operations.forward import convolve

_BLOCKS = (2, 4, 8, 16, 32, 64, 128, 256)


def _operand(words: str, which: str, change: Callable[[Case, Floats], Floats | None]) -> None:
    """Register the hypothesis that the kernel sees another x or w."""

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        changed = change(case, x if which == "x" else w)
        if changed is None:
            return None
        return convolve(case.problem, changed, w) if which == "x" else convolve(case.problem, x, changed)

    hypotheses.register(words)(hypothesis)


def _result(words: str, change: Callable[[Case, Floats], Floats | None]) -> None:
    """Register the hypothesis that the right result is spoilt afterwards."""

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        return change(case, convolve(case.problem, x, w))

    hypotheses.register(words)(hypothesis)


def _zeroed(array: Floats, where: Any) -> Floats:
    changed = array.copy()
    changed[where] = 0.0
    return changed


def _tail(array: Floats, axis: int, block: int) -> Floats | None:
    """Zero what is left over behind the last whole block along an axis."""
    whole = array.shape[axis] // block * block
    if whole == array.shape[axis]:
        return None
    return _zeroed(array, (slice(None),) * axis + (slice(whole, None),))


def _beyond(array: Floats, axis: int, limit: int) -> Floats | None:
    """Zero everything from an index on along an axis."""
    if array.shape[axis] <= limit:
        return None
    return _zeroed(array, (slice(None),) * axis + (slice(limit, None),))


_operand("last input channel ignored", "w", lambda case, w: _zeroed(w, np.s_[:, :, -1:]))
_operand("first input channel ignored", "w", lambda case, w: _zeroed(w, np.s_[:, :, :1]))
_operand("only the first input channel used", "w", lambda case, w: _zeroed(w, np.s_[:, :, 1:]))
_operand("input channels in reverse order", "w", lambda case, w: w[:, :, ::-1])
_operand("input channels moved by one", "w", lambda case, w: np.roll(w, 1, 2))
_operand("output channels in reverse order", "w", lambda case, w: w[..., ::-1])
_operand("output channels moved by one", "w", lambda case, w: np.roll(w, 1, 3))
_operand("output channels moved back by one", "w", lambda case, w: np.roll(w, -1, 3))
_operand("input and output channels of the weights swapped", "w", lambda case, w: w.swapaxes(2, 3) if w.shape[2] == w.shape[3] else None)
_operand("weights read in O, H, W, I order", "w", lambda case, w: w.ravel().reshape(w.shape[3], *w.shape[:3]).transpose(1, 2, 3, 0))
_operand("image read as NCHW", "x", lambda case, x: x.ravel().reshape(x.shape[0], x.shape[3], *x.shape[1:3]).transpose(0, 2, 3, 1))
_operand("all images taken for the first", "x", lambda case, x: np.broadcast_to(x[:1], x.shape))
_operand("last image ignored", "x", lambda case, x: _zeroed(x, np.s_[-1:]))
_operand("images in reverse order", "x", lambda case, x: x[::-1])
_operand("last pixel row ignored", "x", lambda case, x: _zeroed(x, np.s_[:, -1:]))
_operand("last pixel column ignored", "x", lambda case, x: _zeroed(x, np.s_[:, :, -1:]))
_operand("first pixel row ignored", "x", lambda case, x: _zeroed(x, np.s_[:, :1]))
_operand("first pixel column ignored", "x", lambda case, x: _zeroed(x, np.s_[:, :, :1]))

_result("last output row left out (zero)", lambda case, y: _zeroed(y, np.s_[:, -1:]))
_result("last output column left out (zero)", lambda case, y: _zeroed(y, np.s_[:, :, -1:]))
_result("first output row left out (zero)", lambda case, y: _zeroed(y, np.s_[:, :1]))
_result("first output column left out (zero)", lambda case, y: _zeroed(y, np.s_[:, :, :1]))
_result("last output channel left out (zero)", lambda case, y: _zeroed(y, np.s_[..., -1:]))
_result("last image left out (zero)", lambda case, y: _zeroed(y, np.s_[-1:]))
_result("result all zero", lambda case, y: np.zeros_like(y))
_result("last output row missing from the result", lambda case, y: y[:, :-1])
_result("last output column missing from the result", lambda case, y: y[:, :, :-1])
_result("negative results cut to zero", lambda case, y: np.maximum(y, 0.0))
_result("absolute value of the result", lambda case, y: np.abs(y))
_result("every image's result is that of the first", lambda case, y: np.broadcast_to(y[:1], y.shape))
_result("output channels added up into the first", lambda case, y: None if y.shape[3] < 2 else _summed(y))


def _summed(y: Floats) -> Floats:
    changed = np.zeros_like(y)
    changed[..., 0] = y.sum(-1)
    return changed


def _block(words: str, where: str, axis: int, cut: Callable[[Floats, int, int], Floats | None], block: int) -> None:
    """Register the hypothesis that a tail, or all beyond a limit, of x, w or the result ("y") is lost."""

    def change(case: Case, array: Floats) -> Floats | None:
        return cut(array, axis, block)

    if where == "y":
        _result(words, change)
    else:
        _operand(words, where, change)


for _size in _BLOCKS:
    for _axis, _name in ((1, "height"), (2, "width"), (3, "output channels"), (0, "batch")):
        _block(f"outputs behind the last whole {_size} of the {_name} left out (zero)", "y", _axis, _tail, _size)
        _block(f"outputs beyond {_size} of the {_name} left out (zero)", "y", _axis, _beyond, _size)
    for _axis, _name in ((2, "input channels"), (0, "kernel rows"), (1, "kernel columns")):
        _block(f"{_name} behind the last whole {_size} ignored", "w", _axis, _tail, _size)
        _block(f"{_name} beyond {_size} ignored", "w", _axis, _beyond, _size)
    for _axis, _name in ((2, "pixel columns"), (1, "pixel rows")):
        _block(f"{_name} behind the last whole {_size} ignored", "x", _axis, _tail, _size)
        _block(f"{_name} beyond {_size} ignored", "x", _axis, _beyond, _size)


# Groups.


def _grouped(words: str, change: Callable[[Case, Floats, Floats], tuple[Floats, Floats]]) -> None:
    """Register a hypothesis on how channels and weights of groups are matched."""

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        if case.problem.groups == 1:
            return None
        other_x, other_w = change(case, x, w)
        return convolve(case.problem, other_x, other_w)

    hypotheses.register(words)(hypothesis)


def _split(case: Case, array: Floats) -> Floats:
    return array.reshape(*array.shape[:3], case.problem.groups, -1)


def _joined(array: Floats) -> Floats:
    return array.reshape(*array.shape[:3], -1)


_grouped(
    "every group reads the first group's channels",
    lambda case, x, w: (_joined(np.broadcast_to(_split(case, x)[..., :1, :], _split(case, x).shape)), w),
)
_grouped("input channels dealt to the groups in turn", lambda case, x, w: (_joined(_split_turn(case, x)), w))
_grouped("output channels dealt to the groups in turn", lambda case, x, w: (x, _joined(_split_turn(case, w))))
_grouped("groups of input channels moved by one", lambda case, x, w: (_joined(np.roll(_split(case, x), 1, -2)), w))
_grouped("groups of input channels moved back by one", lambda case, x, w: (_joined(np.roll(_split(case, x), -1, -2)), w))
_grouped("groups of input channels in reverse order", lambda case, x, w: (_joined(_split(case, x)[..., ::-1, :]), w))
_grouped("groups of weights in reverse order", lambda case, x, w: (x, _joined(_split(case, w)[..., ::-1, :])))
_grouped(
    "every group uses the first group's weights",
    lambda case, x, w: (x, _joined(np.broadcast_to(_split(case, w)[..., :1, :], _split(case, w).shape))),
)


def _split_turn(case: Case, array: Floats) -> Floats:
    return array.reshape(*array.shape[:3], -1, case.problem.groups).swapaxes(3, 4)


def _group_results(words: str, change: Callable[[Floats], Floats]) -> None:
    """Register a hypothesis on the results of groups."""

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        if case.problem.groups == 1:
            return None
        return _joined(change(_split(case, convolve(case.problem, x, w))))

    hypotheses.register(words)(hypothesis)


_group_results("only the first group computed", lambda y: _zeroed(y, np.s_[..., 1:, :]))
_group_results("last group left out", lambda y: _zeroed(y, np.s_[..., -1:, :]))
_group_results("output channels interleaved between the groups", lambda y: y.swapaxes(3, 4))


@hypotheses.register("groups of outputs in another order (channel multiplier first)")
def multiplier_first(case: Case, x: Floats, w: Floats) -> Floats | None:
    """Output channel k belongs to group k % groups."""
    if case.problem.groups == 1:
        return None
    y = _split(case, convolve(case.problem, x, _joined(_split_turn(case, w))))
    return _joined(y.swapaxes(3, 4))
