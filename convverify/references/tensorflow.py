"""`tensorflow`: tf.nn.conv2d on the CPU, called eagerly, quiet."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from typing import Any

import numpy.typing as npt

from convverify.operations.forward import tensorflow_refuses
from convverify.problems.posing import problem_of
from convverify.references import references
from convverify.references._packages import stderr_kept_back

_FORGET_EVERY = 1000  # calls
_calls = itertools.count(1)


@functools.cache
def load() -> Any:
    """Import TensorFlow, once, with what its libraries write to the C++ stderr kept back."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with stderr_kept_back():
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")
        tf.config.experimental.enable_tensor_float_32_execution(False)
        tf.constant(0.0)  # starts the runtime, which writes too
    return tf


@references.register("tensorflow", load=load)
def conv2d(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """tf.nn.conv2d on the CPU, as TensorFlow is installed.

    Parameters and errors are those of `conv2d_loops`; NotImplementedError where TensorFlow refuses the problem.
    """
    problem = problem_of(x, w, strides, padding, dilations, groups)
    if reason := tensorflow_refuses(problem):
        raise NotImplementedError(reason)
    tf = load()
    with tf.device("/CPU:0"):
        y: npt.NDArray[Any] = tf.nn.conv2d(x, w, problem.strides, problem.tf_padding, dilations=problem.dilations).numpy()
    if not next(_calls) % _FORGET_EVERY:
        _forget()
    return y


def _forget() -> None:
    """Let TensorFlow throw away what it keeps for each combination of strides, pads and dilations that it has met: 35 KB, for ever."""
    with contextlib.suppress(ImportError, AttributeError):  # no documented interface
        from tensorflow.python.eager import context

        context.context().clear_kernel_cache()


def on_arrays(
    x: npt.NDArray[Any], w: npt.NDArray[Any], *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1
) -> npt.NDArray[Any]:
    """What one would write who has arrays and wants an array, without the checks of `conv2d`: to be timed."""
    y: npt.NDArray[Any] = on_tensors(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups).numpy()
    return y


def on_tensors(x: Any, w: Any, *, strides: Any = (1, 1), padding: Any = "VALID", dilations: Any = (1, 1), groups: int = 1) -> Any:
    """The same for who has nothing but tensors; TensorFlow reads `groups` off the shapes."""
    return load().nn.conv2d(x, w, strides, padding, dilations=dilations)


def tensor(array: npt.NDArray[Any]) -> Any:
    """Return an array as a tensor."""
    return load().constant(array)


def version() -> str:
    """Return the name and version, without importing TensorFlow."""
    from importlib.metadata import version as version_of

    return f"tensorflow {version_of('tensorflow')}"
