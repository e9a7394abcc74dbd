"""Other signatures: fewer parameters, other names, another order of axes, and honest refusals."""

from __future__ import annotations

from typing import Any

import numpy as np

from convverify.mutants._blocks import Array, Kernel, convolve, in_contract
from convverify.problems.problem import Problem
from convverify.unusual import unusual


@in_contract
def _kernel(problem: Problem, x: Array, w: Array) -> Array:
    return convolve(problem, x, w)


_convolve: Kernel = _kernel


@unusual.register()
def two_arguments(x: Array, w: Array) -> Any:
    """Knows nothing but stride 1, VALID and one group."""
    return _convolve(x, w)


@unusual.register()
def strides_and_padding(x: Array, w: Array, strides: Any = (1, 1), padding: Any = "VALID") -> Any:
    """Knows neither dilations nor groups."""
    return _convolve(x, w, strides=strides, padding=padding)


@unusual.register()
def names_in_the_singular(x: Array, w: Array, stride: Any = (1, 1), pad: Any = "VALID", dilation: Any = (1, 1), groups: int = 1) -> Any:
    """Calls its parameters stride, pad and dilation."""
    return _convolve(x, w, strides=stride, padding=pad, dilations=dilation, groups=groups)


@unusual.register()
def nothing_but_groups(x: Array, w: Array, *, groups: int = 1) -> Any:
    """Knows groups, and neither strides nor padding nor dilations."""
    return _convolve(x, w, groups=groups)


@unusual.register(data_format="NCHW")
def channels_first(x: Array, w: Array, *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1) -> Any:
    """Takes x as NCHW and w as OIHW, and returns NCHW."""
    y = _convolve(x.transpose(0, 2, 3, 1), w.transpose(2, 3, 1, 0), strides=strides, padding=padding, dilations=dilations, groups=groups)
    return np.ascontiguousarray(y.transpose(0, 3, 1, 2))


@unusual.register()
@in_contract
def groups_refused(problem: Problem, x: Array, w: Array) -> Array:
    """Raises NotImplementedError for more than one group."""
    if problem.groups > 1:
        raise NotImplementedError("only one group is supported")
    return convolve(problem, x, w)


@unusual.register()
@in_contract
def doubles_and_empty_arrays_refused(problem: Problem, x: Array, w: Array) -> Array:
    """Raises NotImplementedError for float64, and wherever an operand or the result has no elements."""
    if x.dtype == np.float64 or not x.size or not w.size or problem.is_empty:
        raise NotImplementedError("float64 and empty arrays are not supported")
    return convolve(problem, x, w)
