"""Properties of memory: operands untouched, nothing written around them, fresh results, any layout."""

from __future__ import annotations

from convverify.judging.properties import NOT_JUDGED, Verdict, properties
from convverify.judging.script import Plan
from convverify.judging.trial import Finding, Trial

_LATER_CALLS, _MANY_CALLS = 6, 70  # buffers may go round
_SMALL = 1 << 12  # multiply-adds of a problem, up to which many calls are cheap


@properties.register("inputs_unchanged", rank=10)
def inputs_unchanged(trial: Trial) -> Verdict:
    """The kernel does not change its operands: values, shape, strides and flags."""
    if trial.written is None or trial.written[1] == "outside":
        return None
    letter, how, key = trial.written
    what = "shape, strides or flags" if how == "form" else "values"
    return Finding("inputs_unchanged", f"the kernel changed the {what} of its operand {letter}{_at(key)}")


@properties.register("in_bounds", rank=11)
def in_bounds(trial: Trial) -> Verdict:
    """The kernel does not write around or between the elements of an operand (reads there give NaN, which shows in the result)."""
    if trial.written is None or trial.written[1] != "outside":
        return None
    letter, _, key = trial.written
    return Finding("in_bounds", f"the kernel wrote outside its operand {letter}{_at(key)}")


def _at(key: str) -> str:
    return "" if key == "first" else f", in a later call ({key})"


_COPIES = "if what it calls takes plain arrays alone, give it copies: x, w = x.copy(), w.copy()"


@properties.register("memory_layout", rank=20)
def memory_layout(trial: Trial) -> Verdict:
    """The result is correct for every memory layout of the operands, not only for contiguous ones."""
    if trial.case.is_plain or trial.first.unsupported:
        return NOT_JUDGED
    layouts = " and ".join(f"{name} {layout}" for name, layout in zip("xw", trial.case.layouts, strict=True) if layout != "contiguous")
    if (error := trial.first.error) is not None:
        if not trial.plain_is_right:
            return NOT_JUDGED
        sentence = f"with {layouts}, the kernel raised {error}; it is right on contiguous operands"
        return Finding("memory_layout", sentence, frames=error.frames, hint=_COPIES)
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


def _later_calls(trial: Trial, plan: Plan) -> None:
    turn = trial.case.seed >> 3
    if trial.thorough or not turn & 1:
        plan.hold("first")
        many = turn & 127 == 2 and trial.problem.macs < _SMALL
        for number in range(2, 2 + (_MANY_CALLS if many else _LATER_CALLS if trial.thorough or not turn & 15 else 1)):
            plan.call(f"call {number}")


@properties.register("fresh_output", rank=30, calls=_later_calls)
def fresh_output(trial: Trial) -> Verdict:
    """The result shares no memory with the operands or with the result of a later call, and does not change while it is kept."""
    first = trial.first
    if trial.spoiled:
        return Finding("fresh_output", f"the result of an earlier call, on {trial.spoiled}, was changed while the caller kept it")
    if first.result is None or not first.result.size:
        return NOT_JUDGED
    for key, seen in trial.observed.items():
        if seen.overlaps and seen.result is not None and seen.result.size:
            return Finding("fresh_output", f"the result lies in the memory of the operand {seen.overlaps[0]}{_at(key)}")
        if 0 in seen.shares:
            return Finding("fresh_output", f"the result of a later call ({key}) lies in the memory of the first one's")
        if 0 in seen.changed:
            return Finding("fresh_output", f"a later call ({key}) changed the first one's result")
    return None
