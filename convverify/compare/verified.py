"""Who may be timed: a kernel that is right, by the properties of `check`, on every problem that is to be timed.

On each problem two pairs of operands are judged, one of integers, exactly, and one of reals, by its error bound; what timed calls return
is judged besides.  A short campaign of `check` goes before.  What it refutes lies elsewhere, so that it is shown, and does not forbid the
timing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from convverify.campaign.report import INTERRUPTED
from convverify.compare.contenders import Contender
from convverify.compare.operands import Array
from convverify.compare.options import CompareOptions, Item
from convverify.compare.reduction import affordable
from convverify.compare.turns import TurnFailed, Turns, is_tried_again
from convverify.host.process import Death
from convverify.judging.findings import Finding
from convverify.judging.kernel import Kernel
from convverify.judging.observation import records_of
from convverify.judging.properties import judge, prepare
from convverify.judging.script import Arena, NoRoom
from convverify.judging.trial import Trial
from convverify.operands.case import Case
from convverify.operations.error_bounds import elementwise_bound
from convverify.operations.forward import convolve
from convverify.problems.problem import Problem

_PROPERTIES = ("completes", "shape", "dtype", "inputs_unchanged", "in_bounds", "exact_on_integers", "within_error_bound")
_CAMPAIGN_TIME = 10.0  # seconds
_LONGEST = 4.0  # calls that must fit into the time for a problem: a slower kernel gets a smaller problem,
_WANTED = 2.0  # of which as many rounds take this part of that time


@dataclass(frozen=True)
class Refutation:
    """A property that does not hold, on a case, in one sentence."""

    property: str
    case: str
    sentence: str


@dataclass(frozen=True)
class Elsewhere:
    """What the short campaign came to: its verdict, how many cases it tried, and the first thing that it refuted."""

    verdict: str
    cases: int
    refutation: Refutation | None = None


@dataclass(frozen=True)
class Judged:
    """A kernel that is right on a problem: the problem (smaller than the item's where the kernel is too slow), norm of the error as a
    fraction of the norm of the exact result, worst error as a fraction of the bound (None where the bound says nothing), norm of the
    difference to the reference and the reference's own norm (None without one)."""

    problem: Problem
    error: float = 0.0
    fraction: float | None = None
    difference: float | None = None
    norm: float | None = None


@dataclass(frozen=True)
class Licence:
    """What was found out about one kernel: what it got right, what it does not support (a reason for each item), what refutes it."""

    name: str
    right: Mapping[Item, Judged] = field(default_factory=dict)
    unsupported: Mapping[Item, str] = field(default_factory=dict)
    refutation: Refutation | None = None
    elsewhere: Elsewhere | None = None


class SharedCase(Case):
    """A case whose values are made once, for all trials of it."""

    @cached_property
    def _values(self) -> tuple[Array, Array]:
        return super().values()

    def values(self) -> tuple[Array, Array]:
        """Return x and w; they are not to be written to."""
        return self._values


def campaign(name: str, options: CompareOptions, dtypes: tuple[str, ...]) -> Elsewhere:
    """Run the short campaign of `check`, against exact arithmetic."""
    from convverify.api import verify

    report = verify(
        name, references=("exact",), max_examples=options.check_examples, max_time=_CAMPAIGN_TIME, seed=options.seed, dtypes=dtypes,
        sandbox=options.sandbox,
    )  # fmt: skip
    if report.verdict == INTERRUPTED:
        raise KeyboardInterrupt
    first = next(iter(report.counterexamples), None)
    refutation = Refutation(first.property, first.case, first.sentence) if first else None
    return Elsewhere(report.verdict, report.statistics.cases, refutation)


@dataclass
class _Right:
    """A case, and what is right on it, which is computed once for all kernels."""

    case: Case

    @cached_property
    def _float64(self) -> tuple[Array, Array]:
        x, w = self.case.values()
        return x.astype(np.float64), w.astype(np.float64)

    @cached_property
    def expected(self) -> Array:
        return convolve(self.case.problem, *self._float64)

    @cached_property
    def bound(self) -> Array:
        x, w = (np.abs(array) for array in self._float64)
        return elementwise_bound(self.case.problem, convolve(self.case.problem, x, w), x, w)

    def trial(self, kernel: Kernel) -> Trial:
        """Return a trial of a kernel on the case."""
        trial = Trial(kernel, self.case)
        trial.expected = self.expected
        if self.case.stage == "rounding":
            trial.elementwise_bound = self.bound
        return trial


class ItemJudge:
    """Judges kernels on one item, the reference first."""

    def __init__(self, item: Item, options: CompareOptions) -> None:
        self.item, self.options = item, options
        self._right: dict[Problem, list[_Right]] = {}
        self._reference: Array | None = None

    def judge(self, contender: Contender) -> Judged | Refutation | str:
        """Return what a kernel got right, what refutes it, or why it does not support the item."""
        item, kernel = self.item, contender.kernel
        if not kernel.explores(item.problem):
            return "it is none of the problems that the kernel's signature and domain declare"
        earlier: list[Death] = []
        while True:
            try:
                problem = affordable_problem(contender, item.problem, self.options)
                break
            except TurnFailed as failed:
                if not is_tried_again(contender, failed, earlier):
                    return refutation_of(failed, self.options)
        trial = Trial(kernel, Case(problem))
        for right in self._right.setdefault(problem, [_Right(case) for case in cases_of(problem, self.options.seed)]):
            trial = right.trial(kernel)
            outcome = _judge(contender, trial)
            if outcome is not None:
                return outcome
        result = trial.first_values
        assert result is not None
        if contender.is_reference and problem == item.problem:
            self._reference = result
        known = self._reference if problem == item.problem else None
        difference, norm = (None, None) if known is None else (_norm(result, known), _norm(known))
        relative = _norm(result, trial.expected) / max(_norm(trial.expected), np.finfo(np.float64).tiny)
        fraction = trial.accuracy().fraction if np.isfinite(trial.bound).any() else None
        return Judged(problem, relative, fraction, difference, norm)


def _judge(contender: Contender, trial: Trial) -> Refutation | str | None:
    """Have a case carried out and judge it: what refutes the kernel, why it does not support the problem, or None where it is right."""
    earlier: list[Death] = []
    while True:
        try:
            _carry_out(contender, trial)
            break
        except NoRoom:
            return "its operands and results do not fit the memory that is shared"
        except TurnFailed as failed:
            if not is_tried_again(contender, failed, earlier):
                return Refutation("completes", str(trial.case), failed.sentence)
    _, finding = judge(trial, _PROPERTIES)
    if trial.first.unsupported:
        text = trial.first.error.text if trial.first.error else ""
        return "the kernel raises NotImplementedError" + (f": {text}" if text else "")
    if finding is None and not trial.answered:
        finding = Finding("completes", f"the kernel {trial.first.failure or trial.first.nonsense}")
    return Refutation(finding.property, str(trial.case), finding.sentence) if finding is not None else None


def _carry_out(contender: Contender, trial: Trial) -> None:
    """Have a case carried out.  Raises NoRoom, and TurnFailed where the host dies of it."""
    host = contender.host
    arena = Arena(host.mapping, host.next_slot)
    try:
        prepare(trial, arena, _PROPERTIES)
        script = json.dumps({"cases": [trial.plan.to_json()]}).encode()
        with contender.going_on():
            reply = host.collect(host.submit(script), lambda case, step: contender.patience)
        if reply.death is not None:
            raise TurnFailed(contender.name, trial.problem, "completes", str(reply.death), reply.death)
        trial.take(next(iter(records_of(reply.records, [len(trial.plan.steps)])), None))
    finally:
        arena.reset()


def cases_of(problem: Problem, seed: int) -> tuple[Case, Case]:
    """Return the cases that a kernel is judged on: integers, and reals."""
    return SharedCase(problem, "integers", seed=seed), SharedCase(problem, "normal", seed=seed)


def refutation_of(failed: TurnFailed, options: CompareOptions) -> Refutation:
    """Return a timed call that went wrong as a refutation: on a case of the kind, as the operands themselves are gone."""
    return Refutation(failed.property, str(cases_of(failed.problem, options.seed)[1]), failed.sentence)


def affordable_problem(contender: Contender, problem: Problem, options: CompareOptions) -> Problem:
    """Return the problem, or a smaller one where a call would take too long.

    A kernel that is wrong, or raises an exception, on small problems gets the whole one, for the verification to say what is wrong.
    Raises TurnFailed where the kernel crashes, or does not return.
    """

    def seconds(smaller: Problem) -> float:
        with Turns(contender, smaller) as turns:
            turns.call()
            return min(turns.call().seconds for _ in range(2))

    try:
        return affordable(seconds, problem, options.max_time / _LONGEST, options.max_time / (_WANTED * options.rounds))
    except TurnFailed as failed:
        if failed.property == "completes":
            raise
        return problem


def _norm(result: Array, reference: Array | None = None) -> float:
    """Return the Euclidean norm of a result, or of its difference to the reference's."""
    values = result.astype(np.float64)
    return float(np.linalg.norm((values if reference is None else values - reference.astype(np.float64)).ravel()))
