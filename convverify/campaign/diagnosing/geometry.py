"""Hypotheses of geometry: windows that begin, step or end elsewhere, and outputs that are counted otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from convverify.campaign.diagnosing.hypothesis import both_shapes, change_of
from convverify.campaign.diagnosing.scene import Axis, Change, Indices, Scene
from convverify.problems.problem import same_pads

_BITS = (8, 16)


# Strides and dilations.


def _misread(words: str, change: Change, *, common: bool = False) -> None:
    """Register that a parameter is taken for another one: in the loops alone, and before SAME's pads are computed from it."""

    def from_the_start(scene: Scene) -> Scene | None:
        changed = change(scene)
        if changed is None or scene.problem.padding != "SAME":
            return changed
        rows, columns = (axis.with_(pads=same_pads(axis.extent, axis.reach, axis.stride)) for axis in (changed.rows, changed.columns))
        return changed.with_axes(rows, columns)

    both_shapes(words, change, common=common)
    both_shapes(f"{words}, for SAME's pads as well", from_the_start)


def _steps(words: str, change: Callable[[Axis, Axis], tuple[int, int]], *, common: bool = False) -> None:
    """Register another (stride, dilation) for an axis, from what this axis and the other one should have."""

    def changed(scene: Scene) -> Scene | None:
        pairs = change(scene.rows, scene.columns), change(scene.columns, scene.rows)
        rows, columns = (
            axis.with_(stride=pair[0], dilation=pair[1]) for axis, pair in zip((scene.rows, scene.columns), pairs, strict=True)
        )
        return None if (rows, columns) == (scene.rows, scene.columns) else scene.with_axes(rows, columns)

    _misread(words, changed, common=common)


_steps("vertical and horizontal strides swapped", lambda axis, other: (other.stride, axis.dilation), common=True)
_steps("strides ignored", lambda axis, other: (1, axis.dilation), common=True)
_steps("vertical and horizontal dilations swapped", lambda axis, other: (axis.stride, other.dilation), common=True)
_steps("dilations ignored", lambda axis, other: (axis.stride, 1), common=True)
_steps(
    "strides and dilations exchanged (steps of the window taken for those of its taps)", lambda axis, other: (axis.dilation, axis.stride)
)


def _strided(scene: Scene) -> Scene | None:
    """As `as_strided` does it, which knows of no rows: what lies beyond one is the next, pads included."""
    rows, columns = (axis.with_(stride=axis.dilation, dilation=axis.stride, outputs=axis.outputs) for axis in (scene.rows, scene.columns))
    if (rows, columns) == (scene.rows, scene.columns):
        return None

    def edge(scene: Scene, row: Indices, column: Indices) -> tuple[Indices, Indices]:
        (top, _), (left, right) = scene.rows.pads, scene.columns.pads
        width = max(1, left + scene.columns.extent + right)
        address = (row + top) * width + column + left
        return address // width - top, address % width - left

    return scene.with_axes(rows, columns).with_(edge=edge)


change_of("strides and dilations exchanged in as_strided (steps of the window taken for those of its taps)", _strided)
_steps("dilations multiplied by the strides", lambda axis, other: (axis.stride, axis.dilation * axis.stride))
_steps("strides multiplied by the dilations", lambda axis, other: (axis.stride * axis.dilation, axis.dilation))
_steps("dilations counted from 0 (one more than asked for)", lambda axis, other: (axis.stride, axis.dilation + 1))


def _of_one_axis(vertical: bool) -> None:
    """Register that a parameter of one axis is used for both."""
    name = "vertical" if vertical else "horizontal"

    def source(scene: Scene) -> Axis:
        return scene.rows if vertical else scene.columns

    def strides(scene: Scene) -> Scene | None:
        step = source(scene).stride
        return _different(scene, scene.rows.with_(stride=step), scene.columns.with_(stride=step))

    def dilations(scene: Scene) -> Scene | None:
        step = source(scene).dilation
        return _different(scene, scene.rows.with_(dilation=step), scene.columns.with_(dilation=step))

    def taps(scene: Scene) -> Scene | None:
        side = source(scene).taps
        if scene.rows.taps == scene.columns.taps or scene.taps is not None:
            return None
        square = np.zeros((side, side, *scene.w.shape[2:]))
        rows, columns = min(side, scene.rows.taps), min(side, scene.columns.taps)
        square[:rows, :columns] = scene.w[:rows, :columns]
        return scene.with_(w=square, rows=scene.rows.with_(taps=side), columns=scene.columns.with_(taps=side))

    def extents(scene: Scene) -> Scene | None:
        side = source(scene).extent
        if scene.rows.extent == scene.columns.extent:
            return None
        square = np.zeros((len(scene.x), side, side, scene.x.shape[3]))
        rows, columns = min(side, scene.rows.extent), min(side, scene.columns.extent)
        square[:, :rows, :columns] = scene.x[:, :rows, :columns]
        return scene.with_(x=square, rows=scene.rows.with_(extent=side), columns=scene.columns.with_(extent=side))

    def outputs(scene: Scene) -> Scene | None:
        count = source(scene).outputs
        return _different(scene, scene.rows.with_(outputs=count), scene.columns.with_(outputs=count), shape=True)

    _misread(f"{name} stride used for both axes", strides, common=True)
    _misread(f"{name} dilation used for both axes", dilations, common=True)
    _misread(f"kernel {'height' if vertical else 'width'} used for both axes", taps, common=True)
    _misread(f"image {'height' if vertical else 'width'} used for both axes", extents, common=True)
    change_of(f"output {'height' if vertical else 'width'} used for both axes", outputs)


def _different(scene: Scene, rows: Axis, columns: Axis, *, shape: bool = False) -> Scene | None:
    """Return the scene with other axes; None where they are the same ones, the number of outputs not counted unless it is asked for."""

    def seen(*axes: Axis) -> list[Axis]:
        return [axis if shape else replace(axis, outputs=0) for axis in axes]

    return None if seen(rows, columns) == seen(scene.rows, scene.columns) else scene.with_axes(rows, columns)


_of_one_axis(vertical=True)
_of_one_axis(vertical=False)


# Where windows begin.


def _moved(words: str, by: Callable[[Axis], int], *, common: bool = False) -> None:
    """Register windows that begin so many pixels earlier, along the rows, the columns, or both."""

    def changed(down: bool, across: bool) -> Callable[[Scene], Scene | None]:
        def change(scene: Scene) -> Scene | None:
            rows, columns = (axis.moved(by(axis)) if moves else axis for axis, moves in ((scene.rows, down), (scene.columns, across)))
            return _different(scene, rows, columns)

        return change

    change_of(words.format(where="", unit="pixel"), changed(True, True), common=common)
    change_of(words.format(where=" along the rows", unit="row"), changed(True, False))
    change_of(words.format(where=" along the columns", unit="column"), changed(False, True))


_moved("windows begin one {unit} too early", lambda axis: 1)
_moved("windows begin one {unit} too late", lambda axis: -1)
_moved(
    "full convolution cropped at its first corner{where} (windows begin the kernel's extent too early)",
    lambda axis: axis.reach - 1,
    common=True,
)
_moved("windows centred where they should begin{where} (k // 2 too early)", lambda axis: axis.reach // 2, common=True)
_moved("windows centred where they should begin{where} ((k - 1) // 2 too early)", lambda axis: (axis.reach - 1) // 2, common=True)
_moved("windows begin the kernel's extent too late{where}", lambda axis: 1 - axis.reach, common=True)
_moved("windows begin half the kernel too late{where} (k // 2)", lambda axis: -(axis.reach // 2), common=True)
_moved("windows begin half the kernel too late{where} ((k - 1) // 2)", lambda axis: -((axis.reach - 1) // 2), common=True)
_moved("windows begin at the last pixel of each stride{where}", lambda axis: 1 - axis.stride)
_moved("windows begin in the middle of each stride{where}", lambda axis: -(axis.stride // 2))


# How many outputs there are.


def _counted(words: str, count: Callable[[Axis], int], *, common: bool = False) -> None:
    """Register another number of outputs along both axes; what lies beyond the padded image is zero."""

    def change(scene: Scene) -> Scene | None:
        rows, columns = (axis.with_(outputs=max(0, count(axis))) for axis in (scene.rows, scene.columns))
        return None if (rows, columns) == (scene.rows, scene.columns) else scene.with_axes(rows, columns)

    change_of(words, change, common=common)


def _room(axis: Axis) -> int:
    return axis.extent + sum(axis.pads)


_counted("outputs rounded up (a last window that does not fit)", lambda axis: -(-(_room(axis) - axis.reach) // axis.stride) + 1)
_counted("one output too many along each axis", lambda axis: axis.outputs + 1)
_counted("one output missing along each axis", lambda axis: axis.outputs - 1, common=True)
_counted("outputs counted without the dilation", lambda axis: (_room(axis) - axis.taps) // axis.stride + 1)
_counted("outputs counted without the pads", lambda axis: (axis.extent - axis.reach) // axis.stride + 1)
_counted("outputs counted without the kernel", lambda axis: -(-_room(axis) // axis.stride))
_counted("at least one output, where the kernel does not fit", lambda axis: max(1, axis.outputs))


def _floored(scene: Scene) -> Scene | None:
    if scene.problem.padding != "SAME":
        return None
    rows, columns = (axis.with_(outputs=axis.extent // axis.stride) for axis in (scene.rows, scene.columns))
    return _different(scene, rows, columns, shape=True)


change_of("outputs of SAME rounded down (extent // stride)", _floored)


def _wrapped(value: int, bits: int, signed: bool) -> int:
    """Return an integer as so many bits keep it."""
    kept = value % (1 << bits)
    return kept - (1 << bits) if signed and kept >= 1 << (bits - 1) else kept


def _kept_in(bits: int, signed: bool) -> None:
    """Register that extents are kept in a small integer: of the output, or of the image."""
    kind = f"{'int' if signed else 'uint'}{bits}"

    def of_image(scene: Scene) -> Scene | None:
        rows, columns = (axis.with_(extent=max(0, _wrapped(axis.extent, bits, signed))) for axis in (scene.rows, scene.columns))
        if (rows.extent, columns.extent) == (scene.rows.extent, scene.columns.extent):
            return None
        return scene.with_axes(rows, columns).with_(x=scene.x[:, : rows.extent, : columns.extent])

    _counted(f"output extents kept in {bits} bits ({kind})", lambda axis: _wrapped(axis.outputs, bits, signed))
    both_shapes(f"image extents kept in {bits} bits ({kind})", of_image)


for _number in _BITS:
    _kept_in(_number, signed=False)
    _kept_in(_number, signed=True)
