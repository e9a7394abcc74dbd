"""Arbitration: references err too.  What a reference says is held against exact arithmetic before a kernel is held against it."""

from __future__ import annotations

import time

import numpy as np

from convverify.judging.kernel import Kernel
from convverify.judging.trial import Array, Floats, ReferenceFault, Trial, told


def consult(trial: Trial, reference: Kernel) -> Floats | None:
    """Return the reference's result on the trial's operands as float64, NHWC.

    None where the reference refuses the problem, and where it is at fault, which `trial.reference_faults` then records.
    """
    start = time.perf_counter()
    result, sentence = _ask(trial, reference)
    trial.times.reference += time.perf_counter() - start
    if sentence:
        trial.reference_faults.append(ReferenceFault(reference.name, str(trial.case), sentence))
    return result


def _ask(trial: Trial, reference: Kernel) -> tuple[Floats | None, str]:
    x, w = (np.ascontiguousarray(operand.transpose(axes)) for operand, axes in zip(_operands(trial), reference.axes, strict=True))
    try:
        with trial.watch("reference"), np.errstate(all="ignore"):
            answer = np.asarray(reference(x, w, trial.problem)).transpose(reference.result_axes)
    except NotImplementedError:
        return None, ""
    except Exception as error:
        return None, f"it raised {told(error)}"
    if answer.shape != trial.problem.output_shape:
        return None, f"its result has shape {answer.shape}, where {trial.problem.output_shape} is right"
    result = answer.astype(np.float64)
    if trial.case.stage == "exact" and reference.accuracy == "elementwise":
        wrong = result != trial.expected
    else:
        with np.errstate(all="ignore"):
            bound = trial.elementwise_bound
            wrong = ~(np.abs(result - trial.expected) <= bound) & np.isfinite(bound)
    if reference.accuracy == "elementwise" and wrong.any():
        return None, f"{int(wrong.sum())} of {wrong.size} elements of its result are wrong"
    return result, ""


def _operands(trial: Trial) -> tuple[Array, Array]:
    return trial.logical(trial.x), trial.logical(trial.w)
