"""Properties of the result as such: that there is one, its type, shape and dtype."""

from __future__ import annotations

import numpy as np

from convverify.judging.observation import Raised
from convverify.judging.properties import NOT_JUDGED, Verdict, properties
from convverify.judging.trial import Finding, Trial
from convverify.operations.forward import tensorflow_refuses
from convverify.problems.dtypes import numpy_dtype

_INSTEAD = {
    "NoneType": "a function that ends without return returns None",
    "list": "convert it: return np.asarray(y)",
    "tuple": "return the array alone, as y[0]",
    "float": "return an array of four axes (NHWC, or NCHW with --layout NCHW)",
}  # what to do where something else than an array is returned


@properties.register("completes", rank=0)
def completes(trial: Trial) -> Verdict:
    """The call returns, without an exception, crash, hang or excessive memory (NotImplementedError means unsupported)."""
    for key, seen in trial.observed.items():
        if seen.nonsense:
            where = "" if key == "first" else f" ({key})"
            return Finding("completes", f"what the kernel's process reports of its call{where} makes no sense: {seen.nonsense}")
    error = trial.first.error
    if error is None:
        return None
    if trial.first.unsupported:
        return NOT_JUDGED
    if error.is_a("ValueError", "TypeError") and tensorflow_refuses(trial.problem):
        return NOT_JUDGED  # tf.nn.conv2d refuses its arguments, too; any other exception is an accident
    if not trial.case.is_plain and trial.plain_is_right:
        return NOT_JUDGED  # for memory_layout to say
    return Finding(
        "completes",
        f"the kernel raised {error}",
        frames=error.frames,
        hint=trial.kernel.advice or _other_form(trial, error) or _hint(error),
    )


def _other_form(trial: Trial, error: Raised) -> str:
    """Say how operands of another form are passed, where a kernel raises even on one pixel: it likely expects them so."""
    problem = trial.problem
    if error.frames and error.frames[-1].source.startswith(("raise", "assert")):
        return ""  # on purpose
    if set(problem.x_shape) | set(problem.w_shape) != {1} or not trial.case.is_plain:
        return ""
    return (
        "it raises on the smallest problem: x is (batch, height, width, channels), w (height, width, in, out); other forms are for "
        f'convverify.adapt, as convverify.adapt({trial.kernel.name.rpartition(":")[2]}, layout="HWC")'
    )


def _hint(error: Raised) -> str:
    """Say how a refusal is declared, where an exception is likely meant as one."""
    name = next((name for name in error.classes if name in ("ValueError", "AssertionError", "TypeError")), "")
    if not name:
        return ""
    return f"if it refuses such problems on purpose, say so: --refuses {name}, or what it is for: --domain (conv2d.refuses, conv2d.domain)"


@properties.register("shape", rank=1)
def shape(trial: Trial) -> Verdict:
    """The result is an array with the shape of the output."""
    first = trial.first
    if first.error is not None:
        return NOT_JUDGED
    if not first.is_array:
        return Finding("shape", f"the kernel {first.failure}", hint=_INSTEAD.get(first.type, ""))
    right = trial.problem.output_shape
    needed = tuple(right[axis] for axis in np.argsort(trial.kernel.result_axes))
    if first.shape != needed:
        return Finding("shape", f"the result has shape {first.shape}; expected {needed}")
    return None


@properties.register("dtype", rank=2)
def dtype(trial: Trial) -> Verdict:
    """The result has the dtype of the input, or a wider floating-point dtype."""
    first = trial.first
    if not first.is_array:
        return NOT_JUDGED
    right = numpy_dtype(trial.problem.dtype)
    if first.dtype == right.name and first.result is not None:
        return None
    given = first.result.dtype if first.result is not None else None
    if given is not None and first.is_float and right.itemsize < given.itemsize and np.can_cast(right, given, "safe"):
        trial.mentions.append(f"returns {given} for {right}")
        return None
    return Finding("dtype", f"the result has dtype {first.dtype}; expected {right} or wider")
