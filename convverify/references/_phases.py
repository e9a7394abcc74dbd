"""Convolutions from what signal and image libraries have: a correlation at stride 1, without dilation and groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.problems.problem import Problem

Array = npt.NDArray[Any]


def convolve_by_phases(
    problem: Problem, x: Array, w: Array, pad: Callable[[Array], Array], correlate: Callable[[Array, Array], Array]
) -> Array:
    """Return the convolution of x (NHWC) with w (HWIO), from correlations of one image with the filters of one group.

    `pad(image)` pads an (H, W, C) image with zeros; `correlate(image, filters)` is VALID at stride 1, of (H, W, C) with (KH, KW, C, K).

    An image has as many phases as pixels lie between two taps: on each phase alone the kernel is not dilated, so that no zeros have to be
    put into it, which would turn a NaN that they meet into a wrong NaN.  Strides pick from the result at stride 1.
    """
    y = np.zeros(problem.output_shape, x.dtype)
    _, rows, columns, outputs = problem.output_shape
    (stride_h, stride_w), (dilation_h, dilation_w), groups = problem.strides, problem.dilations, problem.groups
    tall, wide, inputs, _ = problem.w_shape
    for n in range(problem.batch):
        image = pad(x[n])
        height, width = ((extent - 1) * stride + 1 for extent, stride in ((rows, stride_h), (columns, stride_w)))
        every = np.zeros((height, width, outputs), x.dtype)
        for group in range(groups):
            into = slice(group * outputs // groups, (group + 1) * outputs // groups)
            channels = image[:, :, group * inputs : (group + 1) * inputs]
            for i in range(min(dilation_h, height)):
                for j in range(min(dilation_w, width)):
                    phase = channels[i::dilation_h, j::dilation_w]
                    place = every[i::dilation_h, j::dilation_w, into]
                    part = np.ascontiguousarray(phase[: place.shape[0] + tall - 1, : place.shape[1] + wide - 1])
                    place[...] = correlate(part, w[..., into])
        y[n] = every[::stride_h, ::stride_w]
    return y
