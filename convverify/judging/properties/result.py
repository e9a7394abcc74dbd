"""Properties of the result as such: that there is one, its type, shape and dtype."""

from __future__ import annotations

import numpy as np

from convverify.judging.properties import NOT_JUDGED, Verdict, properties
from convverify.judging.trial import Finding, Trial, is_float, told
from convverify.problems.dtypes import numpy_dtype
from convverify.references.tensorflow import refusal


@properties.register("completes", rank=0)
def completes(trial: Trial) -> Verdict:
    """The call returns: no exception, crash, hang or runaway memory (NotImplementedError means unsupported)."""
    error = trial.first.error
    if error is None:
        return None
    if trial.first.unsupported:
        return NOT_JUDGED
    if isinstance(error, ValueError | TypeError) and refusal(trial.problem):
        return NOT_JUDGED  # tf.nn.conv2d refuses its arguments, too; any other exception is an accident
    if not trial.case.is_plain and trial.plain_is_right:
        return NOT_JUDGED  # for memory_layout to say
    return Finding("completes", f"the kernel raised {told(error)}")


@properties.register("shape", rank=1)
def shape(trial: Trial) -> Verdict:
    """The result is an array of the output's shape."""
    if trial.first.error is not None:
        return NOT_JUDGED
    result, right = trial.first.result, trial.problem.output_shape
    if result is None:
        return Finding("shape", f"the kernel returned {type(trial.first.raw).__name__}, not an array")
    if result.shape != right:
        given, needed = (
            np.zeros(s, np.int8).transpose(np.argsort(trial.kernel.result_axes)).shape if len(s) == 4 else s for s in (result.shape, right)
        )
        return Finding("shape", f"the result has shape {given}, where {needed} is right")
    return None


@properties.register("dtype", rank=2)
def dtype(trial: Trial) -> Verdict:
    """The result is of the input's dtype, or of a wider floating one."""
    result = trial.first.result
    if result is None:
        return NOT_JUDGED
    given, right = result.dtype, numpy_dtype(trial.problem.dtype)
    if given == right:
        return None
    if is_float(result) and right.itemsize < given.itemsize and np.can_cast(right, given, "safe"):
        trial.mentions.append(f"returns {given} for {right}")
        return None
    return Finding("dtype", f"the result is of dtype {given}, where {right} (or a wider one) is right")
