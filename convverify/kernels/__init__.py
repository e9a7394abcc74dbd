"""The convolutions that ship: each a public function `f(x, w, *, strides, padding, dilations, groups)` in a small module of its own.

x is (N, H, W, C), w is (kernel height, kernel width, C // groups, K), the result (N, OH, OW, K) in x's dtype: the parameters of
`tf.nn.conv2d`.  Decorate a function with `@kernels.register("name")` and it is listed, verified, benchmarked and tested.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convverify.dtypes import FORMATS
from convverify.problem import Problem
from convverify.registry import Registry

kernels = Registry("kernel", __name__)


def problem_of(x: npt.NDArray[Any], w: npt.NDArray[Any], strides: Any, padding: Any, dilations: Any, groups: int) -> Problem:
    """Return the problem that a kernel's arguments pose.

    Raises TypeError or ValueError, naming the argument, where they do not fit together.
    """
    for name, array in (("x", x), ("w", w)):
        if np.ndim(array) != 4:
            raise ValueError(f"{name} must have 4 axes, not {np.ndim(array)}")
    if x.dtype != w.dtype:
        raise TypeError(f"x and w must have the same dtype, not {x.dtype} and {w.dtype}")
    if x.dtype.name not in FORMATS:
        raise TypeError(f"x must be of dtype {', '.join(FORMATS)}, not {x.dtype}")
    if x.shape[3] != w.shape[2] * groups:
        raise ValueError(f"w must take x's {x.shape[3]} channels in groups={groups}, not {w.shape[2]} in each")
    return Problem(
        x.shape[0], x.shape[1], x.shape[2], x.shape[3], w.shape[0], w.shape[1], w.shape[3],
        strides=strides, padding=padding, dilations=dilations, groups=groups, dtype=x.dtype.name,
    )  # fmt: skip
