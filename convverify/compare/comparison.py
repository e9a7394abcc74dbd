"""The comparison, in order: who takes part, the short campaigns, the verification on the problems to be timed, and the timing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from convverify.campaign.verification import environment
from convverify.compare.conditions import announce_threads, same_threads
from convverify.compare.contenders import TENSORFLOW, Contender, Thunk, contenders_of
from convverify.compare.machine import Machine, measure_machine, measure_peaks
from convverify.compare.memory import MemoryProbe
from convverify.compare.options import CompareOptions, Item, items_of
from convverify.compare.results import Comparison, Measurement, Row
from convverify.compare.timing import CallFailed, Samples, Spread, estimate, interleaved, rounds_for
from convverify.compare.verified import Judged, Licence, Refutation, campaign, cases_of, digest, judge_item, still_right
from convverify.judging.trial import told

_NOISY = 0.2  # distance of the quartiles as a fraction of the median
_MORE_PROCESSORS = 1.3  # times as many as allowed: a kernel does not keep to its threads


@dataclass(frozen=True)
class Step:
    """What is done next: the phase, its number in the phase, how many there are, and on what."""

    phase: str
    number: int
    total: int
    what: str


Listener = Callable[[Step], None]


class ReferenceUnavailable(RuntimeError):
    """The reference cannot be loaded; the message is one sentence."""


@dataclass
class _Progress:
    """What is known so far of one kernel."""

    right: dict[Item, Judged] = field(default_factory=dict)
    unsupported: dict[Item, str] = field(default_factory=dict)
    memory: dict[Item, int | None] = field(default_factory=dict)
    licence: Licence | None = None
    refutation: Refutation | None = None


class Runner:
    """One run of a comparison; `run` does it all, and an interruption ends in a comparison of what was done."""

    def __init__(self, options: CompareOptions, listener: Listener) -> None:
        """Raises ValueError for a problem, and TargetError for a target, that cannot be had."""
        self.options, self.listener = options, listener
        self.items = items_of(options)
        self.warnings: list[str] = []
        if TENSORFLOW in sys.modules:
            self._warn("tensorflow was loaded before, and may use another number of threads")
        announce_threads(options.thread_count)
        self.contenders = contenders_of(options)
        self._state = {contender.kernel.name: _Progress() for contender in self.contenders}
        self.rows: list[Row] = []
        self.machine: Machine | None = None
        self._elsewhere: dict[str, Any] = {}

    def run(self) -> Comparison:
        """Do it all.  Raises ReferenceUnavailable where TensorFlow is asked for and cannot be loaded."""
        interrupted = False
        try:
            self._campaigns()
            self._load()
            with same_threads(self.options.thread_count):
                self._verify()
                self._time()
        except KeyboardInterrupt:
            interrupted = True
        licences = tuple(
            Licence(name, state.right, state.unsupported, state.refutation, self._elsewhere.get(name))
            for name, state in self._state.items()
        )
        refuted = {licence.name for licence in licences if licence.refutation}
        rows = tuple(_without(row, refuted, self.options.against) for row in self.rows)
        self.warnings += noise(rows)
        names = tuple(contender.name for contender in self.contenders)
        return Comparison(self.options, names, licences, rows, self.machine, interrupted, tuple(self.warnings), environment())

    def _campaigns(self) -> None:
        chosen = [contender for contender in self.contenders if not contender.is_reference and not contender.is_variant]
        dtypes = tuple(dict.fromkeys(item.problem.dtype for item in self.items))
        for number, contender in enumerate(chosen if self.options.check_examples else [], start=1):
            self.listener(Step("checking", number, len(chosen), contender.name))
            self._elsewhere[contender.name] = campaign(contender.kernel, self.options, dtypes)

    def _load(self) -> None:
        if any(contender.name == TENSORFLOW for contender in self.contenders):
            from convverify.references import tensorflow

            self.listener(Step("loading", 1, 1, TENSORFLOW))
            try:
                tensorflow.load()
            except Exception as error:
                raise ReferenceUnavailable(f"tensorflow cannot be had: {told(error)}") from None

    def _verify(self) -> None:
        with ExitStack() as stack:
            threads = self.options.thread_count
            probes = {name: stack.enter_context(MemoryProbe(name, threads)) for name in self._state}
            for number, item in enumerate(self.items, start=1):
                self.listener(Step("verifying", number, len(self.items), str(item)))
                alive = tuple(contender for contender in self.contenders if not self._state[contender.kernel.name].refutation)
                verdicts = judge_item(item, alive, self.options)
                for name, refutation in verdicts.refuted.items():
                    self._state[name].refutation = refutation
                for name, reason in verdicts.unsupported.items():
                    self._state[name].unsupported[item] = reason
                for name, judged in verdicts.right.items():
                    self._state[name].right[item] = judged
                    if judged.problem == item.problem:
                        self._state[name].memory[item] = probes[name].peak(item.problem)

    def _time(self) -> None:
        if all(self._state[name].refutation for name in self.options.kernels):
            return
        dtypes = {item.problem.dtype for item in self.items}
        threads = self.options.thread_count
        self.listener(Step("measuring", 1, 1, "the machine"))
        self.machine = measure_machine(dtypes, threads)
        for number, item in enumerate(self.items, start=1):
            self.listener(Step("timing", number, len(self.items), str(item)))
            self.rows.append(self._row(item))
            self.machine = self.machine.best(replace(self.machine, peaks=measure_peaks({item.problem.dtype})))
        self.listener(Step("measuring", 1, 1, "the machine again"))
        self.machine = self.machine.best(measure_machine(dtypes, threads))

    def _row(self, item: Item) -> Row:
        """Time an item; whoever fails meanwhile, although it was right before, takes no more part."""
        while True:
            try:
                return self._timed(item)
            except CallFailed as failed:
                name = _kernel_of(failed.name)
                case = str(cases_of(self._state[name].right[item].problem, self.options.seed)[1])
                sentence = f"a timed call raised {told(failed.__cause__ or failed)}; the first call did not"
                self._state[name].refutation = Refutation("repeatable", case, sentence)

    def _timed(self, item: Item) -> Row:
        thunks: dict[str, Thunk] = {}
        chosen: dict[str, tuple[Contender, Judged]] = {}
        values: dict[Any, Any] = {}
        for contender in self.contenders:
            state = self._state[contender.kernel.name]
            judged = state.right.get(item)
            if judged is None or state.refutation:
                continue
            if judged.problem not in values:
                values[judged.problem] = cases_of(judged.problem, self.options.seed)[1].values()
            thunks[contender.name] = contender.prepare(judged.problem, *values[judged.problem])
            chosen[contender.name] = contender, judged
        values.clear()
        estimates = {name: estimate(name, thunk) for name, thunk in thunks.items()}
        samples = interleaved(thunks, estimates, rounds_for(estimates, self.options.rounds, self.options.max_time)) if thunks else {}
        thunks.clear()
        for name, (contender, judged) in chosen.items():
            self._judge_again(contender, judged, samples[name])
        scaled = {name: _scaled(one, item.problem.macs / chosen[name][1].problem.macs) for name, one in samples.items()}
        reference = scaled.get(self.options.against)
        measurements = tuple(self._measurement(item, *chosen[name], one, reference) for name, one in scaled.items())
        unsupported = {name: state.unsupported[item] for name, state in self._state.items() if item in state.unsupported}
        return Row(item, measurements, unsupported)

    def _measurement(self, item: Item, contender: Contender, judged: Judged, samples: Samples, reference: Samples | None) -> Measurement:
        if samples.processors > _MORE_PROCESSORS * self.options.thread_count:
            self._warn(f"{contender.name} used {samples.processors:.1f} processors on {self.options.thread_count} threads: {item}")
        return Measurement(
            contender.name, judged.problem, samples, Spread.of(samples.seconds),
            Spread.of(samples.ratios(reference)) if reference else None,
            judged.error, judged.fraction, judged.difference, judged.norm,
            None if contender.is_variant else self._state[contender.kernel.name].memory.get(item),
        )  # fmt: skip

    def _judge_again(self, contender: Contender, judged: Judged, samples: Samples) -> None:
        """Withdraw the licence of a kernel whose timed calls ended with a wrong result."""
        result = np.asarray(contender.result(samples.last)).transpose(contender.kernel.result_axes)
        if digest(result) == judged.digest:
            return
        refutation = still_right(contender.kernel, judged.problem, self.options.seed, result)
        if refutation is not None:
            self._state[contender.kernel.name].refutation = refutation

    def _warn(self, sentence: str) -> None:
        if len(self.warnings) < 20:
            self.warnings.append(sentence)


def noise(rows: tuple[Row, ...]) -> list[str]:
    """Return a sentence where most times spread so much that something else must have kept the machine busy."""
    spreads = [one.seconds.relative for row in rows for one in row.measurements]
    spread = float(np.median(spreads)) if spreads else 0.0
    if spread <= _NOISY:
        return []
    return [f"half of the times have quartiles {100 * spread:.0f}% apart or more: the machine was busy with something else"]


def _without(row: Row, refuted: set[str], reference: str) -> Row:
    """Return a row without the kernels that are refuted, and without ratios where the reference is one of them."""
    kept = [one for one in row.measurements if _kernel_of(one.name) not in refuted]
    return replace(row, measurements=tuple(replace(one, ratio=None) if reference in refuted else one for one in kept))


def _kernel_of(name: str) -> str:
    """Return the kernel that a contender calls."""
    return TENSORFLOW if name.startswith(f"{TENSORFLOW} ") else name


def _scaled(samples: Samples, factor: float) -> Samples:
    """Return samples of a smaller problem extrapolated by multiply-adds, without the result, which is not needed any more."""
    return replace(samples, seconds=tuple(seconds * factor for seconds in samples.seconds), last=None)
