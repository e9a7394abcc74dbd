"""Hypotheses of channels, groups, batches and tails: parts of the operands or of the result left out, or taken in another order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from convverify.campaign.diagnosing.hypothesis import change_of
from convverify.campaign.diagnosing.scene import Floats, Scene

_BLOCKS = (2, 4, 8, 16, 32, 64, 128, 256)
_BITS = (8, 16)


def _operand(words: str, which: str, change: Callable[[Floats], Floats | None], *, common: bool = False) -> None:
    """Register the hypothesis that the kernel sees another x or w."""

    def changed(scene: Scene) -> Scene | None:
        other = change(getattr(scene, which))
        return None if other is None else scene.with_(**{which: other})

    change_of(words, changed, common=common)


def _result(words: str, change: Callable[[Floats], Floats | None], *, common: bool = False) -> None:
    """Register the hypothesis that the right result is spoilt afterwards."""

    def changed(scene: Scene) -> Scene | None:
        def then(y: Floats) -> Floats:
            other = change(y)
            return y if other is None else other

        return scene.with_(then=(*scene.then, then))

    change_of(words, changed, common=common)


def _zeroed(array: Floats, where: Any) -> Floats:
    changed = array.copy()
    changed[where] = 0.0
    return changed


def _one_each(w: Floats) -> Floats:
    """Keep of output channel k its weights for input channel k modulo their number."""
    reads = np.arange(w.shape[2])[:, None] == np.arange(w.shape[3]) % max(1, w.shape[2])
    return np.where(reads, w, 0.0)


def _last_tap(w: Floats) -> Floats:
    return _zeroed(_zeroed(w, np.s_[:-1]), np.s_[:, :-1])


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


_operand("last kernel row ignored", "w", lambda w: _zeroed(w, np.s_[-1:]), common=True)
_operand("last kernel column ignored", "w", lambda w: _zeroed(w, np.s_[:, -1:]), common=True)
_operand("first kernel row ignored", "w", lambda w: _zeroed(w, np.s_[:1]))
_operand("first kernel column ignored", "w", lambda w: _zeroed(w, np.s_[:, :1]))
_operand("only the kernel's first row used", "w", lambda w: _zeroed(w, np.s_[1:]))
_operand("only the kernel's first column used", "w", lambda w: _zeroed(w, np.s_[:, 1:]))
_operand("last input channel ignored", "w", lambda w: _zeroed(w, np.s_[:, :, -1:]))
_operand("first input channel ignored", "w", lambda w: _zeroed(w, np.s_[:, :, :1]))
_operand("only the first input channel used", "w", lambda w: _zeroed(w, np.s_[:, :, 1:]), common=True)
_operand("each output channel reads one input channel alone (depthwise: nothing summed over channels)", "w", lambda w: _one_each(w))
_operand("every input channel weighed with the first one's weights", "w", lambda w: np.broadcast_to(w[:, :, :1], w.shape), common=True)
_operand("weights of all input channels added up before they are used", "w", lambda w: np.broadcast_to(w.sum(2, keepdims=True), w.shape))
_operand("only the last input channel counts (written over, not added)", "w", lambda w: _zeroed(w, np.s_[:, :, :-1]), common=True)
_operand("only the kernel's last tap counts (written over, not added)", "w", lambda w: _last_tap(w), common=True)
_operand("only the last product counts (written over, not added)", "w", lambda w: _zeroed(_last_tap(w), np.s_[:, :, :-1]))
_operand("only the kernel's last row counts (written over, not added)", "w", lambda w: _zeroed(w, np.s_[:-1]))
_operand("only the kernel's last column counts (written over, not added)", "w", lambda w: _zeroed(w, np.s_[:, :-1]))
_operand("input channels moved by one", "w", lambda w: np.roll(w, 1, 2))
_operand("output channels moved by one", "w", lambda w: np.roll(w, 1, 3))
_operand("output channels moved back by one", "w", lambda w: np.roll(w, -1, 3))
_operand("every output channel computed with the first one's weights", "w", lambda w: np.broadcast_to(w[..., :1], w.shape))
_operand("all images taken for the first", "x", lambda x: np.broadcast_to(x[:1], x.shape))
_operand("all images taken for the last", "x", lambda x: np.broadcast_to(x[-1:], x.shape))
_operand("last image ignored", "x", lambda x: _zeroed(x, np.s_[-1:]))
_operand("images in reverse order", "x", lambda x: x[::-1])
_operand("last pixel row ignored", "x", lambda x: _zeroed(x, np.s_[:, -1:]))
_operand("last pixel column ignored", "x", lambda x: _zeroed(x, np.s_[:, :, -1:]))
_operand("first pixel row ignored", "x", lambda x: _zeroed(x, np.s_[:, :1]))
_operand("first pixel column ignored", "x", lambda x: _zeroed(x, np.s_[:, :, :1]))
_operand("the image's mean subtracted", "x", lambda x: x - x.mean() if x.size else None)

_result("last output row left out (zero)", lambda y: _zeroed(y, np.s_[:, -1:]), common=True)
_result("last output column left out (zero)", lambda y: _zeroed(y, np.s_[:, :, -1:]), common=True)
_result("first output row left out (zero)", lambda y: _zeroed(y, np.s_[:, :1]), common=True)
_result("first output column left out (zero)", lambda y: _zeroed(y, np.s_[:, :, :1]), common=True)
_result("last output channel left out (zero)", lambda y: _zeroed(y, np.s_[..., -1:]))
_result("last image left out (zero)", lambda y: _zeroed(y, np.s_[-1:]))
_result("only the first image computed", lambda y: _zeroed(y, np.s_[1:]))
_result("result all zero", np.zeros_like)
_result("last output row missing from the result", lambda y: y[:, :-1])
_result("last output column missing from the result", lambda y: y[:, :, :-1])
_result("negative results cut to zero", lambda y: np.maximum(y, 0.0), common=True)
_result("absolute value of the result", np.abs)
_result("every image's result is that of the first", lambda y: np.broadcast_to(y[:1], y.shape))
for _axis, _name in ((0, "images"), (1, "output rows"), (2, "output columns"), (3, "output channels")):
    _result(f"sums not begun anew between {_name}", partial(np.cumsum, axis=_axis), common=_axis in (0, 3))
_result("sums never begun anew", lambda y: np.cumsum(y).reshape(y.shape))
_result("output channels added up into the first", lambda y: None if y.shape[3] < 2 else _summed(y))
_result("results of all images added up", lambda y: np.broadcast_to(y.sum(0, keepdims=True), y.shape))


def _averaged(words: str, count: Callable[[Scene], int]) -> None:
    """Register that results are divided by a number of products."""

    def changed(scene: Scene) -> Scene | None:
        number = count(scene)
        return scene.with_(then=(*scene.then, lambda y: y / number)) if number > 1 else None

    change_of(words, changed)


_averaged("mean of all products in place of their sum", lambda scene: scene.w[..., 0].size)
_averaged("mean over the taps in place of the sum", lambda scene: scene.w.shape[0] * scene.w.shape[1])
_averaged("mean over the input channels in place of the sum", lambda scene: scene.w.shape[2])


def _summed(y: Floats) -> Floats:
    changed = np.zeros_like(y)
    changed[..., 0] = y.sum(-1)
    return changed


def _tiles(y: Floats, block: int) -> Floats | None:
    """Zero what is left over behind the last whole block of rows, and of columns."""
    rows, columns = (extent // block * block for extent in y.shape[1:3])
    return None if (rows, columns) == y.shape[1:3] else _zeroed(_zeroed(y, np.s_[:, rows:]), np.s_[:, :, columns:])


def _block(words: str, where: str, axis: int, cut: Callable[[Floats, int, int], Floats | None], block: int) -> None:
    """Register the hypothesis that a tail, or all beyond a limit, of x, w or the result ("y") is lost."""
    if where == "y":
        _result(words, lambda array: cut(array, axis, block))
    else:
        _operand(words, where, lambda array: cut(array, axis, block))


for _size in _BLOCKS:
    for _axis, _name in ((1, "height"), (2, "width"), (3, "output channels"), (0, "batch")):
        _block(f"outputs behind the last whole {_size} of the {_name} left out (zero)", "y", _axis, _tail, _size)
        _block(f"outputs beyond {_size} of the {_name} left out (zero)", "y", _axis, _beyond, _size)
    _result(f"outputs behind the last whole tile of {_size} x {_size} left out (zero)", partial(_tiles, block=_size))
    for _axis, _name in ((2, "input channels"), (0, "kernel rows"), (1, "kernel columns")):
        _block(f"{_name} behind the last whole {_size} ignored", "w", _axis, _tail, _size)
        _block(f"{_name} beyond {_size} ignored", "w", _axis, _beyond, _size)
    for _axis, _name in ((2, "pixel columns"), (1, "pixel rows")):
        _block(f"{_name} behind the last whole {_size} ignored", "x", _axis, _tail, _size)
        _block(f"{_name} beyond {_size} ignored", "x", _axis, _beyond, _size)


def _short_loop(bits: int, axis: int, name: str) -> None:
    """Register that the index of an output along an axis is kept in so many bits: later ones are written over the first."""

    def overwritten(y: Floats) -> Floats | None:
        extent = y.shape[axis]
        if extent <= 1 << bits:
            return None
        last = extent - 1 - (extent - 1 - np.arange(1 << bits)) % (1 << bits)  # of the indices that end at each place
        kept = _zeroed(y, np.s_[...])
        kept[(slice(None),) * axis + (slice(1 << bits),)] = y.take(last, axis)
        return kept

    _result(f"output {name} numbered in {bits} bits: those from {1 << bits} on written over the first", overwritten)


def _short_index(bits: int) -> None:
    """Register that the place of an output is kept in so many bits: later ones are written over the first."""

    def overwritten(y: Floats) -> Floats | None:
        if y.size <= 1 << bits:
            return None
        changed = np.zeros(y.size)
        changed[np.arange(y.size) % (1 << bits)] = y.ravel()  # numpy keeps the last of equal indices
        return changed.reshape(y.shape)

    _result(f"outputs numbered in {bits} bits: those beyond {1 << bits} written over the first", overwritten)


for _number in _BITS:
    _short_index(_number)
    for _axis, _name in ((1, "rows"), (2, "columns"), (3, "channels")):
        _short_loop(_number, _axis, _name)


# Groups.


def _grouped(words: str, change: Callable[[Floats, Floats], tuple[Floats, Floats]], *, common: bool = False) -> None:
    """Register a hypothesis on how channels of x (..., groups, channels) and weights of groups (the same) are matched."""

    def changed(scene: Scene) -> Scene | None:
        if scene.groups == 1:
            return None
        x, w = (array.reshape(*array.shape[:3], scene.groups, -1) for array in (scene.x, scene.w))
        x, w = change(x, w)
        return scene.with_(x=_joined(x), w=_joined(w))

    change_of(words, changed, common=common)


def _joined(array: Floats) -> Floats:
    return array.reshape(*array.shape[:3], -1)


def _dealt(array: Floats) -> Floats:
    """Deal channels to the groups in turn, as cards, instead of in blocks."""
    return array.reshape(*array.shape[:3], array.shape[4], array.shape[3]).swapaxes(3, 4)


def _first(array: Floats) -> Floats:
    return np.broadcast_to(array[..., :1, :], array.shape)


_grouped("every group reads the first group's channels", lambda x, w: (_first(x), w), common=True)
_grouped("every group reads the sum of all groups' channels", lambda x, w: (np.broadcast_to(x.sum(-2, keepdims=True), x.shape), w))
_grouped("input channels dealt to the groups in turn", lambda x, w: (_dealt(x), w), common=True)
_grouped("output channels dealt to the groups in turn", lambda x, w: (x, _dealt(w)), common=True)
_grouped("groups of input channels moved by one", lambda x, w: (np.roll(x, 1, -2), w))
_grouped("groups of input channels moved back by one", lambda x, w: (np.roll(x, -1, -2), w))
_grouped("groups of input channels in reverse order", lambda x, w: (x[..., ::-1, :], w))
_grouped("groups of weights in reverse order", lambda x, w: (x, w[..., ::-1, :]))
_grouped("every group uses the first group's weights", lambda x, w: (x, _first(w)), common=True)


def _group_results(words: str, change: Callable[[Floats], Floats], *, common: bool = False) -> None:
    """Register a hypothesis on the results of groups: (..., groups, output channels of one)."""

    def changed(scene: Scene) -> Scene | None:
        if scene.groups == 1:
            return None
        return scene.with_(then=(*scene.then, lambda y: _joined(change(y.reshape(*y.shape[:3], scene.groups, -1)))))

    change_of(words, changed, common=common)


_group_results("only the first group computed", lambda y: _zeroed(y, np.s_[..., 1:, :]), common=True)
_group_results("last group left out", lambda y: _zeroed(y, np.s_[..., -1:, :]))
_group_results("output channels interleaved between the groups", lambda y: y.swapaxes(3, 4), common=True)


def _multiplier_first(scene: Scene) -> Scene | None:
    """Output channel k belongs to group k % groups."""
    if scene.groups == 1:
        return None
    w = _joined(_dealt(scene.w.reshape(*scene.w.shape[:3], scene.groups, -1)))
    return scene.with_(w=w, then=(*scene.then, lambda y: _joined(y.reshape(*y.shape[:3], scene.groups, -1).swapaxes(3, 4))))


change_of("groups of outputs in another order (channel multiplier first)", _multiplier_first, common=True)


def _offset_from_outputs(scene: Scene) -> Scene | None:
    """Group g begins at channel g * (output channels of a group); what lies beyond a pixel is the next one's."""
    inputs, outputs = scene.w.shape[2], scene.w.shape[3] // scene.groups
    if scene.groups == 1 or inputs == outputs or not scene.x.size:
        return None
    first = np.arange(scene.x.size // scene.x.shape[3])[:, None, None] * scene.x.shape[3]
    address = first + np.arange(scene.groups)[:, None] * outputs + np.arange(inputs)
    memory = np.append(scene.x.ravel(), 0.0)
    return scene.with_(x=memory[np.minimum(address, scene.x.size)].reshape(scene.x.shape))


change_of("groups of input channels begin at multiples of the output channels of a group", _offset_from_outputs)
