"""The convolutions that ship: each a public function `f(x, w, *, strides, padding, dilations, groups)` in a small module of its own.

x is (N, H, W, C), w is (kernel height, kernel width, C // groups, K), the result (N, OH, OW, K) in x's dtype: the parameters of
`tf.nn.conv2d`.  Decorate a function with `@kernels.register("name")` and it is listed, verified, benchmarked and tested.
"""

from __future__ import annotations

from convverify.problems.posing import problem_of
from convverify.registry import Registry

__all__ = ["kernels", "problem_of"]

kernels = Registry("kernel", __name__)
