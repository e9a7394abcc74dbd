"""Who may be timed: a kernel that is right, by the properties of `check`, on every problem that is to be timed.

On each problem two pairs of operands are judged, one of integers, exactly, and the one that is timed afterwards, by its error bound.
A short campaign of `check` goes before.  What it refutes lies elsewhere, so that it is shown, and does not forbid the timing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from convverify.campaign.report import INTERRUPTED
from convverify.compare.contenders import Array, Contender
from convverify.compare.options import CompareOptions, Item
from convverify.compare.reduction import affordable
from convverify.judging.kernel import Kernel
from convverify.judging.properties import judge
from convverify.judging.trial import Finding, Trial
from convverify.operands.case import Case
from convverify.problems.dtypes import numpy_dtype
from convverify.problems.problem import Problem

_PROPERTIES = ("completes", "shape", "dtype", "inputs_unchanged", "in_bounds", "exact_on_integers", "within_error_bound")
_CAMPAIGN_TIME = 10.0  # seconds
_LONGEST = 4.0  # calls that must fit into the time for a problem: a slower kernel gets a smaller problem,
_WANTED = 2.0  # of which as many rounds take this part of that time
TIMED_STYLE = "normal"


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
    difference to the reference and the reference's own norm (None without one), and a digest of the result."""

    problem: Problem
    error: float = 0.0
    fraction: float | None = None
    difference: float | None = None
    norm: float | None = None
    digest: bytes = b""


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


def campaign(kernel: Kernel, options: CompareOptions, dtypes: tuple[str, ...]) -> Elsewhere:
    """Run the short campaign of `check`, against exact arithmetic, in processes of its own."""
    from convverify.api import verify

    report = verify(
        kernel.name, references=("exact",), max_examples=options.check_examples, max_time=_CAMPAIGN_TIME, seed=options.seed, dtypes=dtypes
    )  # fmt: skip
    if report.verdict == INTERRUPTED:
        raise KeyboardInterrupt
    first = next(iter(report.counterexamples), None)
    refutation = Refutation(first.property, first.case, first.sentence) if first else None
    return Elsewhere(report.verdict, report.statistics.cases, refutation)


@dataclass(frozen=True)
class ItemVerdicts:
    """What came of all kernels on one item."""

    right: Mapping[str, Judged]
    unsupported: Mapping[str, str]
    refuted: Mapping[str, Refutation]


def judge_item(item: Item, contenders: tuple[Contender, ...], options: CompareOptions) -> ItemVerdicts:
    """Judge every kernel that declares what the problem needs, the reference first."""
    right: dict[str, Judged] = {}
    unsupported: dict[str, str] = {}
    refuted: dict[str, Refutation] = {}
    trials: dict[Problem, list[Trial]] = {}
    reference: Array | None = None
    for contender in contenders:
        if contender.is_variant:
            continue
        kernel, name = contender.kernel, contender.name
        if not kernel.explores(item.problem):
            unsupported[name] = "its signature does not declare what the problem needs"
            continue
        problem = affordable_problem(kernel, item.problem, options)
        if problem not in trials:
            trials[problem] = [Trial(kernel, case) for case in cases_of(problem, options.seed)]
        outcome = _judge(kernel, trials[problem])
        if isinstance(outcome, Refutation):
            refuted[name] = outcome
        elif isinstance(outcome, str):
            unsupported[name] = outcome
        else:
            result, error, fraction = outcome
            if contender.is_reference and problem == item.problem:
                reference = result
            known = reference if problem == item.problem else None
            difference, norm = (None, None) if known is None else (_norm(result, known), _norm(known))
            right[name] = Judged(problem, error, fraction, difference, norm, digest(result))
    return ItemVerdicts(right, unsupported, refuted)


def cases_of(problem: Problem, seed: int) -> tuple[Case, Case]:
    """Return the cases that a kernel is judged on: integers, and the operands that are timed."""
    return SharedCase(problem, "integers", seed=seed), SharedCase(problem, TIMED_STYLE, seed=seed)


def _judge(kernel: Kernel, shared: list[Trial]) -> Refutation | str | tuple[Array, float, float | None]:
    """Judge a kernel on both cases: what refutes it, why it does not support the problem, or its result, the norm of its error, and
    the fraction of the bound."""
    trial = shared[0]
    for other in shared:
        trial = _like(other, kernel)
        _, finding = judge(trial, _PROPERTIES)
        error = trial.first.error
        if isinstance(error, KeyboardInterrupt):  # a trial catches whatever is raised while the kernel runs
            raise error
        if trial.first.unsupported:
            return "the kernel raises NotImplementedError" + (f": {error}" if str(error) else "")
        if finding is None and not trial.answered:
            finding = Finding("completes", f"the kernel raised {type(error).__name__}")
        if finding is not None:
            return Refutation(finding.property, str(trial.case), finding.sentence)
    assert trial.first_values is not None
    judged = bool(np.isfinite(trial.bound).any())
    relative = _norm(trial.first_values, trial.expected) / max(_norm(trial.expected), np.finfo(np.float64).tiny)
    return trial.first_values, relative, trial.accuracy().fraction if judged else None


def _like(trial: Trial, kernel: Kernel) -> Trial:
    """Return a trial of another kernel on the same case, for which what is right is not computed again."""
    if trial.kernel is kernel:
        return trial
    other = Trial(kernel, trial.case)
    other.expected = trial.expected
    if trial.case.stage == "rounding":
        other.elementwise_bound = trial.elementwise_bound
    return other


def still_right(kernel: Kernel, problem: Problem, seed: int, result: Array) -> Refutation | None:
    """Judge what a timed call returned, in NHWC order, where it is not the result that was judged before, bit for bit."""
    trial = Trial(kernel, cases_of(problem, seed)[1])
    if result.shape != problem.output_shape:
        return Refutation(
            "shape", str(trial.case), f"a timed call returned an array of shape {result.shape}, where {problem.output_shape} is right"
        )
    wrong = int(trial.wrong_elements(result).sum())
    if not wrong:
        return None
    return Refutation(
        "repeatable", str(trial.case), f"a timed call returned {wrong} wrong elements of {result.size}; the first call returned none"
    )


def affordable_problem(kernel: Kernel, problem: Problem, options: CompareOptions) -> Problem:
    """Return the problem, or a smaller one where a call would take too long.

    A kernel that raises an exception on small problems gets the whole one, for the verification to say what is wrong.
    """

    def call(smaller: Problem) -> None:
        dtype = numpy_dtype(smaller.dtype)
        kernel(
            np.ones(smaller.x_shape, dtype).transpose(kernel.axes[0]), np.ones(smaller.w_shape, dtype).transpose(kernel.axes[1]), smaller
        )

    try:
        return affordable(call, problem, options.max_time / _LONGEST, options.max_time / (_WANTED * options.rounds))
    except KeyboardInterrupt:
        raise
    except BaseException:
        return problem


def digest(result: Array) -> bytes:
    """Return a digest of the bits of a result."""
    return hashlib.blake2b(np.ascontiguousarray(result).view(np.uint8).data, digest_size=16).digest()


def _norm(result: Array, reference: Array | None = None) -> float:
    """Return the Euclidean norm of a result, or of its difference to the reference's."""
    values = result.astype(np.float64)
    return float(np.linalg.norm((values if reference is None else values - reference.astype(np.float64)).ravel()))
