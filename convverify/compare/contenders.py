"""Contenders: who takes part in a comparison, and how each is called when it is timed.

TensorFlow takes part twice: with arrays converted to tensors at each call and the result converted back, as someone calls it who has
arrays, and with tensors ready, as someone does who has nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convverify.compare.options import CompareOptions
from convverify.judging.kernel import Kernel
from convverify.problems.problem import Problem
from convverify.targets import find_kernel

Array: TypeAlias = npt.NDArray[Any]
Thunk: TypeAlias = Callable[[], Any]
TENSORFLOW = "tensorflow"
READY = "tensorflow ready"


@dataclass(frozen=True)
class Contender:
    """One way of calling a kernel: `prepare` takes x (NHWC) and w (HWIO) and returns what is timed.

    `result` turns what the call returned into an array in the kernel's own order of axes.
    """

    name: str
    kernel: Kernel
    prepare: Callable[[Problem, Array, Array], Thunk]
    result: Callable[[Any], Any]
    is_reference: bool = False

    @property
    def is_variant(self) -> bool:
        """Whether this is another way of calling a kernel that takes part already."""
        return self.name == READY


def contenders_of(options: CompareOptions) -> tuple[Contender, ...]:
    """Return who takes part, the reference first; TensorFlow is not loaded yet.

    Raises TargetError, in one sentence, for a target that cannot be had.
    """
    found: dict[str, Contender] = {}
    for target in dict.fromkeys((options.against, *options.kernels)):
        kernel, is_reference = find_kernel(target), target == options.against
        if target == TENSORFLOW:
            found[target] = Contender(target, kernel, _converted, _itself, is_reference)
            found[READY] = Contender(READY, kernel, _ready, lambda tensor: tensor.numpy(), is_reference)
        else:
            found[target] = Contender(target, kernel, partial(_plain, kernel), _itself, is_reference)
    return tuple(found.values())


def _itself(value: Any) -> Any:
    return value


def _plain(kernel: Kernel, problem: Problem, x: Array, w: Array) -> Thunk:
    operands = (np.ascontiguousarray(array.transpose(axes)) for array, axes in zip((x, w), kernel.axes, strict=True))
    return partial(kernel.function, *operands, **kernel.arguments(problem))


def _converted(problem: Problem, x: Array, w: Array) -> Thunk:
    conv2d = _conv2d(problem)
    return lambda: conv2d(x, w).numpy()


def _ready(problem: Problem, x: Array, w: Array) -> Thunk:
    from convverify.references import tensorflow

    tf = tensorflow.load()
    return partial(_conv2d(problem), tf.constant(x), tf.constant(w))


def _conv2d(problem: Problem) -> Callable[..., Any]:
    """Return tf.nn.conv2d with a problem's parameters: what one would write, without the checks of our reference."""
    from convverify.references import tensorflow

    conv2d: Callable[..., Any] = tensorflow.load().nn.conv2d
    return partial(conv2d, strides=problem.strides, padding=problem.tf_padding, dilations=problem.dilations)
