"""`jax`: jax.lax.conv_general_dilated on the CPU, compiled by XLA for each problem."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.problems.posing import problem_of
from convverify.problems.problem import Problem
from convverify.references import references
from convverify.references._packages import load_package

_COMPILED = 128  # problems whose programs are kept


@functools.cache
def load() -> Any:
    """Import JAX, once."""
    return load_package("jax", "jax")


@references.register("jax", packages=("jax",), extra="jax", load=load)
def conv2d(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """jax.lax.conv_general_dilated on the CPU, at the highest precision, compiled for each problem (extra: jax).

    Parameters and errors are those of `conv2d_loops`; ImportError where JAX is not installed.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    jax = load()
    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        return np.array(_compiled(problem)(x, w))


@functools.lru_cache(_COMPILED)
def _compiled(problem: Problem) -> Any:
    """Compile for one problem, within the caller's context."""
    jax = load()

    def convolve(x: Any, w: Any) -> Any:
        return jax.lax.conv_general_dilated(
            x, w, problem.strides, problem.pads, rhs_dilation=problem.dilations, dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=problem.groups, precision=jax.lax.Precision.HIGHEST,
        )  # fmt: skip

    shapes = (jax.ShapeDtypeStruct(shape, problem.dtype) for shape in (problem.x_shape, problem.w_shape))
    return jax.jit(convolve).lower(*shapes).compile()
