"""The scene: a convolution with every number that a fault can get wrong, each of which a hypothesis may change.

`scene_of` sets it up as it should be.  A change is a function from one scene to another, or to None where it has nothing to change:
so changes are tried alone and one after the other.  Unlike a problem, a scene may crop (negative pads), may have outputs that
no caller asked for, and may read outside of the image what lies there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.operands.case import Case
from convverify.problems.problem import Pair, Problem, output_extent

Floats: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.intp]
AxesOfBoth: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]

NHWC_HWIO: AxesOfBoth = ((0, 1, 2, 3), (0, 1, 2, 3))


@dataclass(frozen=True)
class Axis:
    """The convolution along one axis, in pixels: `pads` are the zeros (before, behind), `outputs` the number of windows."""

    extent: int
    taps: int
    pads: Pair
    stride: int
    dilation: int
    outputs: int

    @property
    def reach(self) -> int:
        """Pixels from the first tap to the last one, both counted."""
        return (self.taps - 1) * self.dilation + 1

    @property
    def fitting(self) -> int:
        """How many windows fit."""
        return output_extent(self.extent, self.pads, self.reach, self.stride)

    def with_(self, **changes: Any) -> Axis:
        """Return a copy with some fields changed, and as many outputs as then fit, unless they are among these."""
        changed = dataclasses.replace(self, **changes)
        return changed if "outputs" in changes else dataclasses.replace(changed, outputs=changed.fitting)

    def moved(self, pixels: int) -> Axis:
        """Return the axis with windows that begin so many pixels further before."""
        return dataclasses.replace(self, pads=(self.pads[0] + pixels, self.pads[1] - pixels))


@dataclass(frozen=True, eq=False)
class Scene:
    """A convolution that can be computed as it is told.

    `x` is (N, rows.extent, columns.extent, C), `w` (rows.taps, columns.taps, C // groups, K).  `edge` finds for rows and columns outside
    of the image those that are read instead; without it all is `fill` there.  `taps` holds rows and columns of each tap in the window,
    where they are not in their places; `then` is done to the result.  `axes` are those of NHWC x and HWIO w in the kernel's own order, in
    which the operands lie in memory.
    """

    case: Case
    x: Floats
    w: Floats
    rows: Axis
    columns: Axis
    groups: int
    axes: AxesOfBoth = NHWC_HWIO
    edge: Callable[[Scene, Indices, Indices], tuple[Indices, Indices]] | None = None
    taps: tuple[Indices, Indices] | None = None
    fill: float = 0.0
    then: tuple[Callable[[Floats], Floats], ...] = ()

    @property
    def problem(self) -> Problem:
        """What was asked for."""
        return self.case.problem

    def with_(self, **changes: Any) -> Scene:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def with_axes(self, rows: Axis, columns: Axis) -> Scene:
        """Return a copy with other axes."""
        return dataclasses.replace(self, rows=rows, columns=columns)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The output's shape before anything is done to it."""
        return self.x.shape[0], self.rows.outputs, self.columns.outputs, self.w.shape[3]

    def result(self) -> Floats:
        """Return the outputs (N, OH, OW, K)."""
        y = np.zeros(self.shape)
        if y.size and self.w.size:
            windows = self._in_their_places() if self.edge is None and self.taps is None else self._anywhere()
            y = self._product(windows).reshape(self.shape)
        for step in self.then:
            y = step(y)
        return y

    def _product(self, windows: Floats) -> Floats:
        """Return (outputs of all images, K): windows times weights, group by group."""
        pixels, filters = windows.reshape(np.prod(windows.shape[:3]), -1), self.w.reshape(-1, self.w.shape[3])
        if self.groups == 1:
            return pixels @ filters
        taps, inputs = self.w.shape[0] * self.w.shape[1], self.w.shape[2]
        apart = pixels.reshape(-1, taps, self.groups, inputs).transpose(2, 0, 1, 3).reshape(self.groups, -1, taps * inputs)
        by_group = apart @ filters.reshape(taps * inputs, self.groups, -1).transpose(1, 0, 2)
        return by_group.transpose(1, 0, 2)

    def _in_their_places(self) -> Floats:
        """Return the windows (N, OH, OW, taps, taps, C), zeros outside: a view of the image, cropped and padded to what is read."""
        batch, height, width, channels = self.x.shape
        (top, left), axes = (self.rows.pads[0], self.columns.pads[0]), (self.rows, self.columns)
        needed = [(axis.outputs - 1) * axis.stride + axis.reach for axis in axes]
        image = np.full((batch, *needed, channels), self.fill)
        rows, columns = max(0, min(height, needed[0] - top)), max(0, min(width, needed[1] - left))
        image[:, max(0, top) : max(0, top + rows), max(0, left) : max(0, left + columns)] = self.x[
            :, max(0, -top) : rows, max(0, -left) : columns
        ]
        by_image, by_row, by_column, by_channel = image.strides
        return np.lib.stride_tricks.as_strided(
            image,
            (batch, self.rows.outputs, self.columns.outputs, *self.w.shape[:2], channels),
            (
                by_image, by_row * self.rows.stride, by_column * self.columns.stride,
                by_row * self.rows.dilation, by_column * self.columns.dilation, by_channel,
            ),
            writeable=False,
        )  # fmt: skip

    def _anywhere(self) -> Floats:
        """Return the windows (N, OH, OW, taps, taps, C) where taps or pads are read from elsewhere."""
        batch, height, width, channels = self.x.shape
        down, across = np.indices(self.w.shape[:2]) if self.taps is None else self.taps
        row = np.arange(self.rows.outputs)[:, None, None, None] * self.rows.stride + down * self.rows.dilation - self.rows.pads[0]
        column = np.arange(self.columns.outputs)[:, None, None] * self.columns.stride + across * self.columns.dilation
        row, column = np.broadcast_arrays(row, column - self.columns.pads[0])
        if self.edge is not None:
            row, column = self.edge(self, row, column)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        if not inside.any():
            return np.full((batch, *inside.shape, channels), self.fill)
        pixels = self.x[:, np.where(inside, row, 0), np.where(inside, column, 0)]
        return np.where(inside[..., None], pixels, self.fill)


Change: TypeAlias = Callable[[Scene], Scene | None]


def scene_of(case: Case, x: Floats, w: Floats, axes: AxesOfBoth = NHWC_HWIO) -> Scene:
    """Return the convolution as it should be, of float64 operands (NHWC, HWIO)."""
    p = case.problem
    rows, columns = (Axis(p.x_shape[1 + i], p.w_shape[i], p.pads[i], p.strides[i], p.dilations[i], p.output_shape[1 + i]) for i in (0, 1))
    return Scene(case, x, w, rows, columns, p.groups, axes)
