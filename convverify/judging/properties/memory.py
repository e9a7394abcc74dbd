"""Properties of memory: operands untouched, nothing written around them, fresh results, any layout."""

from __future__ import annotations

import numpy as np

from convverify.judging.properties import NOT_JUDGED, Verdict, properties
from convverify.judging.trial import Array, Finding, Trial, told

_LATER_CALLS = 6  # buffers may go round


@properties.register("inputs_unchanged", rank=10)
def inputs_unchanged(trial: Trial) -> Verdict:
    """The kernel leaves its operands as they were: values, shape, strides and flags."""
    changed = _written(trial, "form", "inputs_unchanged", "the kernel changed the shape, strides or flags of its operand {name}")
    return changed or _written(trial, "inside", "inputs_unchanged", "the kernel changed the values of its operand {name}")


@properties.register("in_bounds", rank=11)
def in_bounds(trial: Trial) -> Verdict:
    """Nothing is written around or between the elements of an operand (what is read there is NaN, and spoils the result)."""
    return _written(trial, "outside", "in_bounds", "the kernel wrote outside its operand {name}")


def _written(trial: Trial, where: str, name: str, sentence: str) -> Verdict:
    assert trial.first is not None
    for operand, letter in ((trial.x, "x"), (trial.w, "w")):
        if operand.written() == where:
            return Finding(name, sentence.format(name=letter))
    return None


@properties.register("memory_layout", rank=20)
def memory_layout(trial: Trial) -> Verdict:
    """The result is as right for any memory layout of the operands as for contiguous ones."""
    if trial.case.is_plain or trial.first.unsupported:
        return NOT_JUDGED
    layouts = " and ".join(f"{name} {layout}" for name, layout in zip("xw", trial.case.layouts, strict=True) if layout != "contiguous")
    if trial.first.error is not None:
        if not trial.plain_is_right:
            return NOT_JUDGED
        text = told(trial.first.error)
        return Finding("memory_layout", f"with {layouts}, the kernel raised {text}; it is right on contiguous operands")
    if not trial.answered:
        return NOT_JUDGED
    wrong = trial.value_fault
    if wrong is None:
        return None
    if not trial.plain_is_right:
        return NOT_JUDGED
    sentence = f"with {layouts}, {int(wrong.sum())} of {wrong.size} elements are wrong; all are right on contiguous operands"
    return Finding(
        "memory_layout", sentence, trial.expected, trial.first_values, wrong, trial.bound if trial.case.stage == "rounding" else None
    )


@properties.register("fresh_output", rank=30)
def fresh_output(trial: Trial) -> Verdict:
    """The result shares no memory with the operands, and a later call's shares none with it."""
    result = trial.first.result
    if result is None or not result.size:
        return NOT_JUDGED
    for operand, letter in ((trial.x, "x"), (trial.w, "w")):
        if operand.overlaps(result):
            return Finding("fresh_output", f"the result lies in the memory of the operand {letter}")
    if not trial.thorough and trial.case.seed >> 3 & 1:
        return None
    earlier = trial.first_values
    for number in range(2, 2 + (_LATER_CALLS if trial.thorough or not trial.case.seed >> 3 & 15 else 1)):
        later = (trial.second if number == 2 else trial.call(trial.x.array, trial.w.array)).result
        if later is not None and np.may_share_memory(later, result) and np.shares_memory(later, result):
            return Finding("fresh_output", f"the result of call number {number} lies in the memory of the first one's")
        if earlier is not None and not _same(earlier, result):
            return Finding("fresh_output", f"call number {number} changed the first one's result")
    return None


def _same(first: Array, second: Array) -> bool:
    return first.shape == second.shape and first.tobytes() == second.tobytes()
