"""Hypotheses of padding: pads of another extent, at another end, and what else than zeros they may hold."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.campaign.diagnosing.hypothesis import both_shapes, change_of
from convverify.campaign.diagnosing.scene import Axis, Change, Indices, Scene
from convverify.problems.problem import Pair, same_pads

Mask: TypeAlias = npt.NDArray[np.bool_]

_SIDES = ("top", "bottom", "left", "right")


def _with_pads(scene: Scene, rows: Pair, columns: Pair) -> Scene | None:
    if (rows, columns) == (scene.rows.pads, scene.columns.pads):
        return None
    return scene.with_axes(scene.rows.with_(pads=rows), scene.columns.with_(pads=columns))


def _flat(scene: Scene) -> tuple[int, int, int, int]:
    return (*scene.rows.pads, *scene.columns.pads)


def _from_sides(first: int, second: int, third: int, fourth: int) -> Change:
    """Return the change that takes the pads of these sides (indices into top, bottom, left, right)."""

    def change(scene: Scene) -> Scene | None:
        pads = _flat(scene)
        return _with_pads(scene, (pads[first], pads[second]), (pads[third], pads[fourth]))

    return change


def _each_axis(pads: Callable[[Axis], Pair]) -> Change:
    return lambda scene: _with_pads(scene, pads(scene.rows), pads(scene.columns))


both_shapes("padding ignored", _each_axis(lambda axis: (0, 0)), common=True)

# SAME.


def _same(words: str, pads: Callable[[Axis], Pair], *, common: bool = True) -> None:
    """Register other pads for SAME, each axis by itself."""

    def change(scene: Scene) -> Scene | None:
        return _each_axis(pads)(scene) if scene.problem.padding == "SAME" else None

    both_shapes(words, change, common=common)


def _same_of_one(words: str, axis: int, pad: Callable[[int], int]) -> None:
    """Register one pad for all four sides of SAME, made of one of the kernel's extents."""

    def change(scene: Scene) -> Scene | None:
        side = pad((scene.rows, scene.columns)[axis].taps)
        return _with_pads(scene, (side, side), (side, side)) if scene.problem.padding == "SAME" else None

    both_shapes(words, change, common=True)


def _halves(total: int) -> Pair:
    """Split pads as SAME does."""
    return total // 2, total - total // 2


def _needed(axis: Axis) -> int:
    """Return how many pixels the windows of SAME lack; fewer than none where they leave some over."""
    return (-(-axis.extent // axis.stride) - 1) * axis.stride + axis.reach - axis.extent


_same("SAME pads at the wrong end (the odd pixel before, not behind)", lambda axis: axis.pads[::-1])
_same("SAME pads computed without the stride", lambda axis: same_pads(axis.extent, axis.reach, 1))
_same("SAME pads of (k - 1) // 2 on both sides", lambda axis: ((axis.taps - 1) // 2,) * 2)
_same("SAME pads of k // 2 on both sides", lambda axis: (axis.taps // 2,) * 2)
_same("SAME pads computed without the stride, the odd pixel before", lambda axis: same_pads(axis.extent, axis.reach, 1)[::-1])
_same("SAME pads computed without the dilation", lambda axis: same_pads(axis.extent, axis.taps, axis.stride))
_same("SAME pads not clamped at zero: windows that leave pixels over are centred", lambda axis: _halves(_needed(axis)))
_same(
    "SAME pads not clamped at zero: windows that leave pixels over are centred (rounded towards zero)",
    lambda axis: (int(_needed(axis) / 2), _needed(axis) - int(_needed(axis) / 2)),
)
for _name, _axis in (("height", 0), ("width", 1)):
    _same_of_one("SAME pads of (k - 1) // 2 on all sides, k the kernel's " + _name, _axis, lambda taps: (taps - 1) // 2)
    _same_of_one("SAME pads of k // 2 on all sides, k the kernel's " + _name, _axis, lambda taps: taps // 2)
_same("SAME pads of k - stride, whatever the extent", lambda axis: _halves(max(0, axis.reach - axis.stride)))
_same("SAME pads rounded up on both sides", lambda axis: (-(-sum(axis.pads) // 2),) * 2)
_same("SAME pads rounded down on both sides", lambda axis: (sum(axis.pads) // 2,) * 2)
_same(
    "SAME keeps the extents, whatever the stride",
    lambda axis: _halves((axis.extent - 1) * axis.stride + axis.reach - axis.extent) if axis.extent else (0, 0),
    common=False,
)


def _same_crossed(fields: tuple[str, ...], of_rows: bool) -> None:
    """Register that SAME's pads of one axis are computed with some of the other's numbers."""
    told = {"taps": "kernel", "extent": "image", "stride": "stride", "dilation": "dilation"}
    axis_name, adjective = ("vertical", "horizontal") if of_rows else ("horizontal", "vertical")

    def change(scene: Scene) -> Scene | None:
        if scene.problem.padding != "SAME":
            return None
        axis, other = (scene.rows, scene.columns) if of_rows else (scene.columns, scene.rows)
        mixed = replace(axis, **{field: getattr(other, field) for field in fields})
        pads = same_pads(mixed.extent, mixed.reach, mixed.stride)
        return _with_pads(scene, pads, scene.columns.pads) if of_rows else _with_pads(scene, scene.rows.pads, pads)

    if len(fields) == len(told):
        both_shapes(f"{adjective} SAME pads used for both axes", change, common=True)
    else:
        both_shapes(f"{axis_name} SAME pads computed with the {adjective} {' and '.join(told[field] for field in fields)}", change)


for _count in (4, 1, 2, 3):
    for _fields in itertools.combinations(("taps", "extent", "stride", "dilation"), _count):
        _same_crossed(_fields, of_rows=False)
        _same_crossed(_fields, of_rows=True)


# Explicit pads, and any.


def _same_for_valid(scene: Scene) -> Scene | None:
    pads = (same_pads(axis.extent, axis.reach, axis.stride) for axis in (scene.rows, scene.columns))
    return _with_pads(scene, *pads) if scene.problem.padding == "VALID" else None


def _same_for_explicit(scene: Scene) -> Scene | None:
    pads = (same_pads(axis.extent, axis.reach, axis.stride) for axis in (scene.rows, scene.columns))
    return None if isinstance(scene.problem.padding, str) else _with_pads(scene, *pads)


both_shapes("VALID taken for SAME", _same_for_valid)
both_shapes("explicit pads taken for SAME", _same_for_explicit)
change_of("full convolution: pads of k - 1 on all sides", _each_axis(lambda axis: (axis.reach - 1,) * 2), common=True)

_NAMED = {
    (1, 0, 2, 3): "top and bottom pads swapped",
    (0, 1, 3, 2): "left and right pads swapped",
    (1, 0, 3, 2): "both pairs of pads swapped",
    (2, 3, 0, 1): "vertical and horizontal pads swapped",
    (1, 1, 3, 3): "trailing pads taken for the leading ones, too",
    (0, 0, 2, 2): "leading pads taken for the trailing ones, too",
    (0, 1, 0, 1): "vertical pads used for both axes",
    (2, 3, 2, 3): "horizontal pads used for both axes",
    **{(side,) * 4: f"the {name} pad used on all four sides" for side, name in enumerate(_SIDES)},
}  # fmt: skip
for _sides, _words in _NAMED.items():
    both_shapes(_words, _from_sides(*_sides), common=True)
for _order in itertools.permutations(range(4)):
    if _order not in _NAMED and _order != (0, 1, 2, 3):
        both_shapes(f"pads (top, bottom, left, right) taken as ({', '.join(_SIDES[side] for side in _order)})", _from_sides(*_order))
both_shapes("pads all before the image", _each_axis(lambda axis: (sum(axis.pads), 0)))
both_shapes("pads all behind the image", _each_axis(lambda axis: (0, sum(axis.pads))))
both_shapes("pads doubled", _each_axis(lambda axis: (2 * axis.pads[0], 2 * axis.pads[1])))
both_shapes("pads evened out: half of their sum on either side", _each_axis(lambda axis: (sum(axis.pads) // 2, -(-sum(axis.pads) // 2))))


def _pointwise(scene: Scene) -> Scene | None:
    """As many pixels as there are outputs, one after the other from the image on; behind the last image lie zeros."""
    if (scene.rows.taps, scene.columns.taps) != (1, 1) or not any(_flat(scene)) or not scene.x.size:
        return None
    rows, columns = ((axis.outputs - 1) * axis.stride + 1 if axis.outputs else 0 for axis in (scene.rows, scene.columns))
    batch, height, width, channels = scene.x.shape
    address = np.arange(batch)[:, None] * height * width + np.arange(rows * columns)
    memory = np.concatenate([scene.x.reshape(-1, channels), np.zeros((1, channels))])
    x = memory[np.minimum(address, len(memory) - 1)].reshape(batch, rows, columns, channels)
    return scene.with_(x=x, rows=scene.rows.with_(extent=rows, pads=(0, 0)), columns=scene.columns.with_(extent=columns, pads=(0, 0)))


change_of("pads of a 1 x 1 kernel ignored, as many pixels read from memory as there are outputs", _pointwise)


# What lies in the pads.


def _nearest(index: Indices, extent: int) -> Indices:
    return np.clip(index, 0, extent - 1)


def _wrapped(index: Indices, extent: int) -> Indices:
    return index % extent


def _mirrored(index: Indices, extent: int) -> Indices:
    """Without repeating the pixel at the edge."""
    period = max(1, 2 * extent - 2)
    folded = np.abs(index) % period
    return np.where(folded >= extent, period - folded, folded)


def _reflected(index: Indices, extent: int) -> Indices:
    """With the pixel at the edge repeated."""
    folded = index % (2 * extent)
    return np.where(folded >= extent, 2 * extent - 1 - folded, folded)


_EVERYWHERE = ((True, True), (True, True))
_PARTS = {  # which sides ((top, bottom), (left, right)), and what they are called
    "": _EVERYWHERE,
    ", before the image alone": ((True, False), (True, False)),
    ", behind the image alone": ((False, True), (False, True)),
    ", above and below alone": ((True, True), (False, False)),
    ", left and right alone": ((False, False), (True, True)),
    ", above alone": ((True, False), (False, False)),
    ", below alone": ((False, True), (False, False)),
    ", left alone": ((False, False), (True, False)),
    ", right alone": ((False, False), (False, True)),
}


def _outside(index: Indices, extent: int, sides: tuple[bool, bool]) -> Mask:
    """Return which indices lie in the pads, those on some sides only."""
    outside: Mask = ((index < 0) & sides[0]) | ((index >= extent) & sides[1])
    return outside


def _edge(words: str, place: Callable[[Indices, int], Indices]) -> None:
    """Register that pads hold pixels of the image, found by `place`: on all sides, or on some."""

    def registered(where: str, down: tuple[bool, bool], across: tuple[bool, bool]) -> None:
        def edge(scene: Scene, row: Indices, column: Indices) -> tuple[Indices, Indices]:
            _, height, width, _ = scene.x.shape
            return (
                np.where(_outside(row, height, down), place(row, height), row),
                np.where(_outside(column, width, across), place(column, width), column),
            )

        change_of(words + where, lambda scene: scene.with_(edge=edge) if scene.x.size and any(_flat(scene)) else None, common=not where)

    for where, (down, across) in _PARTS.items():
        registered(where, down, across)


_edge("pads filled with the nearest pixel", _nearest)
_edge("pads wrapped around", _wrapped)
_edge("pads filled with the mirrored image", _mirrored)
_edge("pads filled with the mirrored image, its edge repeated", _reflected)


def _memory(words: str, left: bool, right: bool) -> None:
    """Register that what lies left or right of the image is read from the neighbouring rows: memory is flat."""

    def edge(scene: Scene, row: Indices, column: Indices) -> tuple[Indices, Indices]:
        width = max(1, scene.x.shape[2])
        outside = _outside(column, width, (left, right))
        return np.where(outside, row + column // width, row), np.where(outside, column % width, column)

    change_of(words, lambda scene: scene.with_(edge=edge) if scene.x.size and any(_flat(scene)) else None, common=left and right)


_memory("pads left and right read from the neighbouring rows (memory is flat)", True, True)
_memory("pads on the left read from the row above (memory is flat)", True, False)
_memory("pads on the right read from the row below (memory is flat)", False, True)
