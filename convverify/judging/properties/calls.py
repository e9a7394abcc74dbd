"""Properties of calls in sequence and at once: a kernel is a function of its operands, and of nothing else."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from convverify.generation.companions import companion, nudged, signed
from convverify.judging.properties import NOT_JUDGED, Verdict, properties
from convverify.judging.trial import Array, Call, Finding, Trial, told
from convverify.operands.layouts import SHARING
from convverify.operands.placing import place
from convverify.references.exact import convolve

_THREADS, _ROUNDS = 4, 3


@properties.register("repeatable", rank=50, stages=("exact", "rounding"), every=2)
def repeatable(trial: Trial) -> Verdict:
    """The same call again gives the same result: the same bits on integers (on reals, another order of summation is mentioned)."""
    if not trial.answered:
        return NOT_JUDGED
    if error := _failure(trial.second):
        return Finding("repeatable", f"a second call on the same operands {error}")
    again, before = trial.second.result, trial.first_values
    assert again is not None
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


@properties.register("current_operands", rank=51, stages=("exact",), every=2)
def current_operands(trial: Trial) -> Verdict:
    """New values in the same arrays give the new values' result: nothing is remembered of the old ones."""
    if not trial.answered or trial.value_fault is not None or 0 in trial.case.problem.x_shape or set(SHARING) & set(trial.case.layouts):
        return NOT_JUDGED
    old = trial.x.values, trial.w.values
    if trial.case.seed >> 4 & 3:
        x, w, signs = signed(trial.logical(trial.x), trial.logical(trial.w), trial.problem.groups, trial.case.seed)
        expected = trial.expected * signs
    else:
        x, w = nudged(trial.logical(trial.x), trial.logical(trial.w), trial.case.seed)
        expected = convolve(trial.problem, x.astype(np.float64), w.astype(np.float64))
    trial.x.overwrite(x.transpose(trial.kernel.axes[0]))
    trial.w.overwrite(w.transpose(trial.kernel.axes[1]))
    try:
        call = trial.call(trial.x.array, trial.w.array)
    finally:
        trial.x.overwrite(old[0])
        trial.w.overwrite(old[1])
    return _compare("current_operands", "after its operands changed in place, the kernel", call, expected, trial)


@properties.register("order_of_calls", rank=52, stages=("exact",), every=3)
def order_of_calls(trial: Trial) -> Verdict:
    """A call on another problem in between is right itself, and changes nothing for this one."""
    if not trial.answered or trial.value_fault is not None:
        return NOT_JUDGED
    other = Trial(trial.kernel, companion(trial.case, trial.kernel), trial.watch, trial.times)
    between = other.first
    refusable = other.problem.is_empty or other.problem.dtype != trial.problem.dtype  # errors there are found, or allowed, by themselves
    if between.unsupported or (refusable and isinstance(between.error, Exception)):
        return NOT_JUDGED
    if error := _failure(between):
        return _unless_alone(other, f"after this case, a call on {other.case} {error}")
    if other.answered and other.value_fault is not None:
        return _unless_alone(other, f"after this case, a call on {other.case} gave a wrong result")
    again = trial.call(trial.x.array, trial.w.array)
    return _compare("order_of_calls", f"after a call on {other.case}, the kernel", again, trial.expected, trial)


def _unless_alone(other: Trial, sentence: str) -> Verdict:
    """A case that fails by itself is a plain counterexample, and is found as such; here the sequence matters."""
    return Finding(
        "order_of_calls",
        sentence,
        other.expected if other.answered else None,
        other.first_values if other.answered else None,
        other.value_fault,
    )


@properties.register("threads", rank=60, stages=("exact",), every=16)
def threads(trial: Trial) -> Verdict:
    """Calls from several threads at once give what single calls give."""
    if not trial.answered or trial.value_fault is not None or not trial.expected.size:
        return NOT_JUDGED
    jobs = [_own_operands(trial, number) for number in range(_THREADS)]
    other = Trial(trial.kernel, companion(trial.case, trial.kernel, salt=1), trial.watch, trial.times)
    if other.answered and other.value_fault is None and other.first.error is None:
        jobs[-1] = (other.x.array, other.w.array, other.expected, other)
    faults: list[Finding] = []
    barrier = threading.Barrier(_THREADS)

    def work(x: Array, w: Array, expected: Array, judge: Trial) -> None:
        barrier.wait()
        for _ in range(_ROUNDS):
            call = trial.call(x, w, judge.case)
            if call.unsupported:
                return
            verdict = _compare("threads", f"called from {_THREADS} threads at once, the kernel", call, expected, judge)
            if isinstance(verdict, Finding):
                faults.append(verdict)
                return

    pool = [threading.Thread(target=work, args=job, daemon=True) for job in jobs]
    before, start = trial.times.kernel, time.perf_counter()
    with _frequent_switches():
        for thread in pool:
            thread.start()
        for thread in pool:
            thread.join()
    trial.times.kernel = before + time.perf_counter() - start  # not the sum of what overlaps
    return faults[0] if faults else None


def _own_operands(trial: Trial, number: int) -> tuple[Array, Array, Array, Trial]:
    """Return operands of a thread's own, with other signs for each thread; the first two threads share theirs."""
    if number < 2:
        return trial.x.array, trial.w.array, trial.expected, trial
    x, w, signs = signed(trial.logical(trial.x), trial.logical(trial.w), trial.problem.groups, trial.case.seed + number)
    placed = place(x.transpose(trial.kernel.axes[0]), "contiguous", 0), place(w.transpose(trial.kernel.axes[1]), "contiguous", 0)
    return placed[0].array, placed[1].array, trial.expected * signs, trial


@contextmanager
def _frequent_switches() -> Iterator[None]:
    """Let threads take turns at nearly every bytecode, so that a race has its chance on small problems."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def _failure(call: Call) -> str:
    if call.error is not None:
        return f"raised {told(call.error)}"
    return "" if call.result is not None else f"returned {type(call.raw).__name__}, not an array"


def _compare(name: str, subject: str, call: Call, expected: Array, trial: Trial) -> Verdict:
    if error := _failure(call):
        return Finding(name, f"{subject} {error}")
    assert call.result is not None
    if call.result.shape != expected.shape:
        return Finding(name, f"{subject} returned shape {call.result.shape}, where {expected.shape} is right")
    if trial.kernel.accuracy == "normwise":
        wrong = ~(np.abs(call.result.astype(np.float64) - expected) <= np.max(trial.bound, initial=0.0))
    else:
        wrong = call.result.astype(np.float64) != expected
    if not wrong.any():
        return None
    sentence = f"{subject} got {int(wrong.sum())} of {wrong.size} elements wrong"
    return Finding(name, sentence, expected, call.result.copy(), wrong)


def _equal(first: Array, second: Array) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.all((first == second) | ((first != first) & (second != second))))


def _differs(name: str, sentence: str, before: Array, after: Array) -> Finding:
    wrong = ~((before == after) | ((before != before) & (after != after)))
    return Finding(name, sentence, before.astype(np.float64), after.copy(), wrong)
