"""Properties of calls in sequence and at once: a kernel is a function of its operands, and of nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from convverify.generation.companions import companion, nudged, signed, walk
from convverify.judging.observation import Observation
from convverify.judging.properties import NOT_JUDGED, Verdict, properties
from convverify.judging.script import Plan
from convverify.judging.trial import Array, Finding, Trial
from convverify.operands.case import Case
from convverify.operands.layouts import SHARING
from convverify.operations.forward import convolve
from convverify.problems.dtypes import FORMATS

_THREADS, _ROUNDS = 4, 3


def _second_call(trial: Trial, plan: Plan) -> None:
    plan.call("call 2")


@properties.register("repeatable", rank=50, stages=("exact", "rounding"), every=2, calls=_second_call, turn=1)
def repeatable(trial: Trial) -> Verdict:
    """The same call again gives the same result: the same bits on integers (on reals, another order of summation is mentioned)."""
    second = trial.observed.get("call 2")
    if not trial.answered or second is None:
        return NOT_JUDGED
    if second.failure:
        return _failed("repeatable", "a second call on the same operands", second)
    if second.result is None:
        return Finding("repeatable", f"a second call on the same operands returned dtype {second.dtype}, after {trial.first.dtype}")
    again, before = trial.nhwc(second.result), trial.first_values
    assert before is not None
    if again.shape != before.shape:
        return Finding("repeatable", f"a second call on the same operands returned shape {again.shape}, after {before.shape}")
    if _equal(again, before):
        return None
    inexact = trial.case.stage == "rounding" or trial.kernel.accuracy == "normwise"
    if inexact and not trial.wrong_elements(again).any():
        trial.mentions.append("sums in another order from call to call")
        return None
    return _differs("repeatable", "a second call on the same operands gave another result", before, again)


def _new_values(trial: Trial, plan: Plan) -> None:
    if 0 in trial.case.problem.x_shape or set(SHARING) & set(trial.case.layouts):
        return
    x, w, signs = trial.logical(trial.x), trial.logical(trial.w), None
    if trial.case.seed >> 4 & 3:
        x, w, signs = signed(x, w, trial.problem.groups, trial.case.seed)
    else:
        x, w = nudged(x, w, trial.case.seed)
    trial.others["current"] = x, w, signs
    axes = trial.kernel.axes
    plan.put("values", trial.x.with_values(x.transpose(axes[0])), trial.w.with_values(w.transpose(axes[1])))
    plan.call("current")


@properties.register("current_operands", rank=51, stages=("exact",), every=2, calls=_new_values, turn=4)
def current_operands(trial: Trial) -> Verdict:
    """New values in the same arrays give a new result: the kernel does not remember the old values."""
    seen = trial.observed.get("current")
    if not trial.answered or trial.value_fault is not None or seen is None:
        return NOT_JUDGED
    x, w, signs = trial.others["current"]
    expected = trial.expected * signs if signs is not None else convolve(trial.problem, x.astype(np.float64), w.astype(np.float64))
    return _compare("current_operands", "after its operands changed in place, the kernel", seen, expected, trial)


def _companion(trial: Trial, plan: Plan, key: str, case: Case) -> None:
    """Lay out another case, and call the kernel on it."""
    other = Trial(trial.kernel, case, times=trial.times)
    other.x, other.w = other.case.operands(trial.kernel.axes, plan.memory)
    trial.others[key] = other
    plan.call(key, other.x, other.w, other.problem, may_fail=True)


def _another_in_between(trial: Trial, plan: Plan) -> None:
    _companion(trial, plan, "between", companion(trial.case, trial.kernel))
    plan.call("again")


@properties.register("order_of_calls", rank=52, stages=("exact",), every=3, calls=_another_in_between, turn=2)
def order_of_calls(trial: Trial) -> Verdict:
    """A call on another problem in between is correct, and does not change the result for this one."""
    if not trial.answered or trial.value_fault is not None or "between" not in trial.observed:
        return NOT_JUDGED
    found = _on_another(trial, "between", "order_of_calls")
    if found is not None:
        return found
    again = trial.observed.get("again")
    if again is None:
        return NOT_JUDGED
    return _compare("order_of_calls", f"after a call on {trial.others['between'].case}, the kernel", again, trial.expected, trial)


def _on_another(trial: Trial, key: str, name: str) -> Verdict:
    """Judge a call on another case; None where it is right, NOT_JUDGED where it was refused, or may have been."""
    other: Trial = trial.others[key]
    seen = trial.observed[key]
    other.observed = {"first": seen}
    refusable = other.problem.is_empty or other.problem.dtype != trial.problem.dtype  # errors there are found, or allowed, by themselves
    if seen.unsupported or (refusable and seen.error is not None):
        return NOT_JUDGED
    if seen.failure:
        return _failed(name, f"after this case, a call on {other.case}", seen)
    if other.answered and other.value_fault is not None:
        sentence = f"after this case, a call on {other.case} gave a wrong result"
        return Finding(name, sentence, other.expected, other.first_values, other.value_fault)
    return None


def _walk(trial: Trial, plan: Plan) -> None:
    for number, case in enumerate(walk(trial.case, trial.kernel)):
        _companion(trial, plan, f"step {number + 1}", case)


@properties.register("sequence", rank=53, stages=("exact",), every=8, calls=_walk, turn=2.5)
def sequence(trial: Trial) -> Verdict:
    """Calls on several problems in turn, each with its own arrays, are correct: back and forth, up and down, after a refusal."""
    steps = [key for key in trial.observed if key.startswith("step ")]
    if not trial.answered or trial.value_fault is not None or not steps:
        return NOT_JUDGED
    verdicts = [_on_another(trial, key, "sequence") for key in steps]
    return next((verdict for verdict in verdicts if isinstance(verdict, Finding)), None if None in verdicts else NOT_JUDGED)


def _one_array(trial: Trial, plan: Plan) -> None:
    largest = float(np.abs(trial.x.values.astype(np.float64)).max(initial=0.0))
    exact = trial.problem.terms * largest**2 <= FORMATS[trial.problem.dtype].exact_integers
    if exact and trial.problem.x_shape == trial.problem.w_shape and trial.kernel.axes[0] == trial.kernel.axes[1]:
        plan.call("one array", trial.x, trial.x)


@properties.register("one_array", rank=54, stages=("exact",), calls=_one_array, turn=2.7)
def one_array(trial: Trial) -> Verdict:
    """The result is correct if x and w are the same array."""
    seen = trial.observed.get("one array")
    if not trial.answered or trial.value_fault is not None or seen is None:
        return NOT_JUDGED
    return _compare(
        "one_array", "called with one array for both operands, the kernel", seen, convolve(trial.problem, trial.x64, trial.x64), trial
    )


def _at_once(trial: Trial, plan: Plan) -> None:
    if trial.problem.is_empty:
        return
    _companion(trial, plan, "beside", companion(trial.case, trial.kernel, 1))
    other: Trial = trial.others["beside"]
    jobs: list[tuple[Any, Any, Any]] = [(trial.x, trial.w, trial.problem)] * 2  # the first two threads share their operands
    signs = []
    for number in range(2, _THREADS - 1):  # others have their own, with other signs for each
        x, w, sign = signed(trial.logical(trial.x), trial.logical(trial.w), trial.problem.groups, trial.case.seed + number)
        signs.append(sign)
        jobs.append((plan.place(x.transpose(trial.kernel.axes[0])), plan.place(w.transpose(trial.kernel.axes[1])), trial.problem))
    jobs.append((other.x, other.w, other.problem))
    trial.others["threads"] = signs
    plan.at_once("threads", jobs, _ROUNDS)
    if not trial.case.seed >> 9 & 1:  # before any single call: what a kernel prepares at its first call is prepared by all of them
        plan.begin_with("threads")


@properties.register("threads", rank=60, stages=("exact",), every=16, calls=_at_once, turn=3)
def threads(trial: Trial) -> Verdict:
    """Simultaneous calls from several threads give the same results as single calls."""
    series = trial.threads.get("threads")
    if not trial.answered or trial.value_fault is not None or series is None:
        return NOT_JUDGED
    other: Trial = trial.others["beside"]
    other.observed = {"first": trial.observed.get("beside", Observation())}
    alone_is_right = other.answered and other.value_fault is None
    expected: list[tuple[Array, Trial]] = [(trial.expected, trial)] * 2
    expected += [(trial.expected * signs, trial) for signs in trial.others["threads"]]
    expected.append((other.expected, other))
    for (right, judge), calls in zip(expected, series, strict=True):
        if judge is other and not alone_is_right:
            continue
        for seen in calls:
            if seen.unsupported:
                break
            verdict = _compare("threads", f"called from {_THREADS} threads at once, the kernel", seen, right, judge)
            if isinstance(verdict, Finding):
                return verdict
    return None


def _failed(name: str, subject: str, seen: Observation) -> Finding:
    return Finding(name, f"{subject} {seen.failure}", frames=seen.error.frames if seen.error else ())


def _compare(name: str, subject: str, seen: Observation, expected: Array, trial: Trial) -> Verdict:
    if seen.nonsense:
        return NOT_JUDGED  # which `completes` tells of
    if seen.failure:
        return _failed(name, subject, seen)
    if seen.result is None or seen.result.dtype.kind not in "fV":
        return Finding(name, f"{subject} returned dtype {seen.dtype}")
    result = trial.nhwc(seen.result)
    if result.shape != expected.shape:
        return Finding(name, f"{subject} returned shape {result.shape}; expected {expected.shape}")
    if trial.kernel.accuracy == "normwise":
        wrong = ~(np.abs(result.astype(np.float64) - expected) <= np.max(trial.bound, initial=0.0))
    else:
        wrong = result.astype(np.float64) != expected
    if not wrong.any():
        return None
    sentence = f"{subject} got {int(wrong.sum())} of {wrong.size} elements wrong"
    return Finding(name, sentence, expected, result, wrong)


def _equal(first: Array, second: Array) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.all((first == second) | ((first != first) & (second != second))))


def _differs(name: str, sentence: str, before: Array, after: Array) -> Finding:
    wrong = ~((before == after) | ((before != before) & (after != after)))
    return Finding(name, sentence, before.astype(np.float64), after, wrong)
