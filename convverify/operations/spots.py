"""The forward convolution at some of its outputs, chosen where a kernel cannot foresee it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.problems.problem import Problem

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def sums_at(problem: Problem, x: Array, w: Array, spots: tuple[Array, ...]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the sums of products at some outputs, in float64, and what bounds their errors.

    Parameters
    ----------
    problem : Problem, whose output is not empty
    x, w : its operands, NHWC and HWIO, of any floating dtype
    spots : images, rows, columns and channels of the outputs, as `np.unravel_index` returns them

    Returns
    -------
    (sums, sums of the products' absolute values, absolute values of the x and of the w that met): float64.
    """
    images, rows, columns, channels = spots
    taps = np.arange(problem.kernel_height), np.arange(problem.kernel_width)
    at = []
    inside = np.ones((len(images), 1, 1), bool)
    for axis, outputs in enumerate((rows, columns)):
        place = outputs[:, None] * problem.strides[axis] + taps[axis] * problem.dilations[axis] - problem.pads[axis][0]
        within = (place >= 0) & (place < x.shape[axis + 1])
        inside = inside & np.expand_dims(within, 2 - axis)
        at.append(np.where(within, place, 0))
    inputs = problem.in_channels // problem.groups
    groups = channels // (problem.out_channels // problem.groups)
    grouped = x.reshape(*x.shape[:3], problem.groups, inputs)
    here = (slice(None), None, None)
    patches = grouped[images[here], at[0][:, :, None], at[1][:, None, :], groups[here]].astype(np.float64)
    patches *= inside[..., None]
    weights = w[..., channels].astype(np.float64).transpose(3, 0, 1, 2)
    products = patches * weights
    sums, magnitude = products.sum(axis=(1, 2, 3)), np.abs(products).sum(axis=(1, 2, 3))
    return sums, magnitude, np.abs(patches), np.abs(weights)
