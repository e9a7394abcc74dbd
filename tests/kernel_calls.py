"""Calls of kernels on small integer operands, for the tests of mutants and of unusual kernels."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem
from convverify.references.exact import conv2d as exact

PLAIN = [
    "x=1x4x5x2 w=3x2x2x3",
    "x=2x5x5x3 w=3x3x3x4 padding=SAME",
    "x=2x7x6x4 w=2x3x4x5 padding=SAME strides=2x1",
    "x=1x8x8x3 w=5x5x3x2 padding=2,2,2,2",
    "x=3x6x7x2 w=1x1x2x4",
    "x=2x6x6x4 w=1x1x4x6 strides=2x2",
    "x=1x9x7x2 w=3x2x2x4 dilations=2x1",
    "x=2x7x9x4 w=3x2x2x6 strides=2x1 padding=SAME",
    "x=2x8x8x6 w=3x3x1x6 padding=SAME",
    "x=1x5x4x6 w=2x2x3x4 padding=1,0,0,1",
    "x=1x10x10x1 w=4x4x1x2 strides=3x3",
    "x=4x4x4x8 w=2x2x8x8",
    "x=1x12x9x3 w=7x7x3x2 strides=2x2 padding=SAME",
    "x=2x3x3x2 w=3x3x2x3",
    "x=1x1x8x2 w=1x3x2x4",
    "x=0x5x5x2 w=2x2x2x2",
    "x=1x2x2x2 w=3x3x2x2",
    "x=1x4x4x2 w=2x2x2x3 padding=3,1,0,2",
    "x=2x6x5x2 w=2x3x2x4 dtype=float64",
    "x=1x7x7x4 w=3x3x2x4 dilations=2x2 padding=SAME dtype=float64",
    "x=2x5x6x3 w=3x2x3x4 dtype=float16",
    "x=1x6x6x2 w=2x2x2x4 padding=SAME dtype=bfloat16",
    "x=1x20x3x2 w=3x3x2x2",
    "x=1x3x20x2 w=2x3x2x5 strides=1x2",
    "x=2x4x4x20 w=2x2x20x3",
    "x=2x5x3x3 w=1x1x3x2",
    "x=1x2x2x3 w=1x1x3x1 dtype=float64",
    "x=2x2x9x1 w=2x2x1x3 dtype=float64",
]


def small_integers(problem: Problem, seed: int) -> tuple[Any, Any]:
    """Operands whose sums are exact in every dtype, without zeros, each in memory that may be overrun by an element."""
    draw = np.random.default_rng(seed).integers
    limit = 1 if problem.dtype == "bfloat16" else 3
    values = [draw(1, limit + 1, shape) * draw(0, 2, shape).choose((-1, 1)) for shape in (problem.x_shape, problem.w_shape)]
    return tuple(with_margins(value.astype(numpy_dtype(problem.dtype))) for value in values)


def with_margins(values: Any) -> Any:
    buffer = np.zeros(values.size + 64, values.dtype)
    placed = buffer[32 : 32 + values.size].reshape(values.shape)
    placed[...] = values
    return placed


def parameters(kernel: Any, problem: Problem) -> dict[str, Any]:
    """Keyword arguments that pose the problem to a kernel, under the names that it declares."""
    values = {"strides": problem.strides, "padding": problem.tf_padding, "dilations": problem.dilations, "groups": problem.groups}
    values |= {"stride": problem.strides, "pad": problem.tf_padding, "dilation": problem.dilations}
    return {name: values[name] for name in list(inspect.signature(kernel).parameters)[2:]}


def takes(kernel: Any, problem: Problem) -> bool:
    """Whether the kernel declares all that the problem needs."""
    needed = {
        "stride": problem.strides != (1, 1),
        "pad": problem.pads != ((0, 0), (0, 0)),
        "dilation": problem.dilations != (1, 1),
        "groups": problem.groups > 1,
    }
    declared = " ".join(parameters(kernel, problem))
    return all(name in declared for name, need in needed.items() if need)


def call(kernel: Any, problem: Problem, x: Any, w: Any) -> Any:
    return kernel(x, w, **parameters(kernel, problem))


def reference(problem: Problem, x: Any, w: Any) -> Any:
    return exact(x, w, strides=problem.strides, padding=problem.tf_padding, dilations=problem.dilations, groups=problem.groups)
