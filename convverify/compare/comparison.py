"""The comparison, in order: who takes part, the short campaigns, the verification on the problems to be timed, and the timing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np

from convverify.campaign.versions import environment
from convverify.compare import empty
from convverify.compare.conditions import same_threads
from convverify.compare.contenders import TENSORFLOW, Contender, contenders_of
from convverify.compare.machine import Machine, measure_machine, measure_peaks
from convverify.compare.memory import Peak, Scales, Weigher
from convverify.compare.operands import Operands
from convverify.compare.options import CompareOptions, Item, items_of
from convverify.compare.plausible import refuse, too_fast
from convverify.compare.results import Comparison, Measurement, Row
from convverify.compare.timing import Samples, Spread, estimate, interleaved, rounds_for
from convverify.compare.turns import TurnFailed, Turns, is_tried_again
from convverify.compare.verified import Elsewhere, ItemJudge, Judged, Licence, Refutation, campaign, refutation_of
from convverify.host.limits import unreadable
from convverify.host.process import CannotLoad, Death, EndedFromOutside, Place
from convverify.targets import Located, TargetError

_NOISY = 0.2  # distance of the quartiles as a fraction of the median
_MORE_PROCESSORS = 1.3  # times as many as allowed: a kernel does not keep to its threads
_BEFORE = 0.05  # share of a time that is mentioned where it was used before the clock started
_KEPT = 16 << 20  # bytes that are worth a remark
PATIENCE = 60.0  # seconds for one call, besides what a problem may take
EMPTY = "an empty call"


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
    memory: dict[Item, Peak | None] = field(default_factory=dict)
    refutation: Refutation | None = None


class Runner:
    """One run of a comparison; `run` does it all, and an interruption ends in a comparison of what was done."""

    def __init__(self, options: CompareOptions, listener: Listener) -> None:
        """Raises ValueError for a problem, and TargetError for a target, that cannot be used."""
        self.options, self.listener = options, listener
        self.items = items_of(options)
        self.warnings: list[str] = []
        patience = PATIENCE + options.max_time
        self.contenders = contenders_of(options, patience)
        threads = options.thread_count
        self._empty = Contender(Located(EMPTY, Place(empty.__name__, "call")), threads, patience)
        self._weighers = {
            contender.name: Weigher(Contender(contender.located, threads, patience, is_weighed=True))
            for contender in self.contenders
            if not contender.is_variant
        }
        self._state = {contender.name: _Progress() for contender in self.contenders if not contender.is_variant}
        self.rows: list[Row] = []
        self.machine: Machine | None = None
        self._elsewhere: dict[str, Elsewhere] = {}

    def run(self) -> Comparison:
        """Do it all.

        Raises ReferenceUnavailable where TensorFlow is asked for and cannot be loaded, TargetError for another kernel.
        """
        interrupted = False
        everybody = (*self.contenders, self._empty, *(weigher.contender for weigher in self._weighers.values()))
        try:
            with unreadable():
                for contender in everybody:
                    contender.start()
                self._campaigns()
                load(everybody, self.listener)
                self._verify()
                self._time()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            for contender in everybody:
                contender.close()
        licences = tuple(
            Licence(name, state.right, state.unsupported, state.refutation, self._elsewhere.get(name))
            for name, state in self._state.items()
        )
        refuted = {licence.name for licence in licences if licence.refutation}
        rows = self._plausible(tuple(_without(row, refuted, self.options.against) for row in self.rows))
        self.warnings += noise(rows)
        names = tuple(contender.name for contender in self.contenders)
        return Comparison(self.options, names, licences, rows, self.machine, interrupted, tuple(self.warnings), environment())

    def _campaigns(self) -> None:
        chosen = [contender for contender in self.contenders if not contender.is_reference and not contender.is_variant]
        dtypes = tuple(dict.fromkeys(item.problem.dtype for item in self.items))
        for number, contender in enumerate(chosen if self.options.check_examples else [], start=1):
            self.listener(Step("checking", number, len(chosen), contender.name))
            self._elsewhere[contender.name] = campaign(contender.name, self.options, dtypes)

    def _verify(self) -> None:
        for number, item in enumerate(self.items, start=1):
            self.listener(Step("verifying", number, len(self.items), str(item)))
            judge = ItemJudge(item, self.options)
            for contender in self.contenders:
                if contender.is_variant or self._state[contender.name].refutation:
                    continue
                self._note(contender.name, item, judge.judge(contender))

    def _note(self, name: str, item: Item, outcome: Judged | Refutation | str) -> None:
        state = self._state[name]
        if isinstance(outcome, Refutation):
            self._refute(name, outcome)
        elif isinstance(outcome, str):
            state.unsupported[item] = outcome
        else:
            state.right[item] = outcome
            if outcome.problem == item.problem:
                state.memory[item] = self._weighers[name].peak(item.problem)

    def _refute(self, name: str, refutation: Refutation) -> None:
        """Take a kernel out, so that it does not disturb the others."""
        self._state[name].refutation = refutation
        for contender in (*self.contenders, self._weighers[name].contender):
            if _kernel_of(contender.name) == name:
                contender.close()

    def _time(self) -> None:
        if all(self._state[name].refutation for name in self.options.kernels):
            return
        dtypes = {item.problem.dtype for item in self.items}
        threads = self.options.thread_count
        self.listener(Step("measuring", 1, 1, "the machine"))
        with same_threads(threads):
            self.machine = measure_machine(dtypes, threads)
            for number, item in enumerate(self.items, start=1):
                self.listener(Step("timing", number, len(self.items), str(item)))
                self.rows.append(self._row(item))
                self.machine = self.machine.best(replace(self.machine, peaks=measure_peaks({item.problem.dtype})))
            self.listener(Step("measuring", 1, 1, "the machine again"))
            self.machine = self.machine.best(measure_machine(dtypes, threads))

    def _row(self, item: Item) -> Row:
        """Time an item; a kernel that fails meanwhile is not timed any longer."""
        deaths: dict[str, list[Death]] = {}
        while True:
            try:
                return self._timed(item)
            except TurnFailed as failed:
                contender = next((one for one in self.contenders if one.name == failed.name), self._empty)
                if is_tried_again(contender, failed, deaths.setdefault(failed.name, [])):
                    continue
                if contender is self._empty:  # which does nothing
                    raise EndedFromOutside(f"the process that times empty calls was ended from outside: {failed.sentence}") from None
                self._refute(_kernel_of(failed.name), refutation_of(failed, self.options))

    def _timed(self, item: Item) -> Row:
        chosen: dict[str, tuple[Contender, Judged]] = {}
        for contender in self.contenders:
            state = self._state[_kernel_of(contender.name)]
            judged = state.right.get(item)
            if judged is not None and not state.refutation:
                chosen[contender.name] = contender, judged
        samples = self._samples(item, chosen) if chosen else {}
        empty = Spread.of(samples[EMPTY].seconds) if EMPTY in samples else None
        measured: dict[str, Samples] = {}
        for name, (_, judged) in chosen.items():
            one = samples[name].less(empty) if empty is not None and judged.problem == item.problem else samples[name]
            measured[name] = one.times(item.problem.macs / judged.problem.macs)
        reference = measured.get(self.options.against)
        measurements = tuple(self._measurement(item, *chosen[name], one, empty, reference) for name, one in measured.items())
        unsupported = {name: state.unsupported[item] for name, state in self._state.items() if item in state.unsupported}
        return Row(item, measurements, unsupported)

    def _samples(self, item: Item, chosen: Mapping[str, tuple[Contender, Judged]]) -> dict[str, Samples]:
        """Return samples of all, and of the empty call where the item's problem itself is timed."""
        everybody = {name: (contender, judged.problem) for name, (contender, judged) in chosen.items()}
        if any(problem == item.problem for _, problem in everybody.values()):
            everybody[EMPTY] = self._empty, item.problem
        operands = {problem: Operands(problem) for _, problem in everybody.values()}
        with ExitStack() as stack:
            takers = {
                name: stack.enter_context(Turns(contender, problem, operands[problem], judged=name != EMPTY)).call
                for name, (contender, problem) in everybody.items()
            }
            scales = {name: Scales(contender.host) for name, (contender, _) in chosen.items() if name in self._state}
            estimates = {name: estimate(take) for name, take in takers.items()}
            rounds = rounds_for(estimates, self.options.rounds, self.options.max_time)
            samples = interleaved(takers, {name: turn.seconds for name, turn in estimates.items()}, rounds)
        for name, one in scales.items():
            one.watch()
            if (known := self._state[name].memory.get(item)) is not None:
                self._state[name].memory[item] = known.at_least(one.extra(item.problem))
        return samples

    def _measurement(
        self, item: Item, contender: Contender, judged: Judged, samples: Samples, empty: Spread | None, reference: Samples | None
    ) -> Measurement:
        remarks, threads = [], self.options.thread_count
        if samples.processors > _MORE_PROCESSORS * threads:
            remarks.append(f"it used {samples.processors:.1f} processors, where it was given {threads}")
        if samples.before > _BEFORE:
            remarks.append(f"{100 * samples.before:.0f}% of its time was used on processors before the clock started, and counts")
        needed = None if contender.is_variant else self._state[contender.name].memory.get(item)
        if needed is not None and needed.kept > max(needed.bytes / 2, _KEPT):
            remarks.append(f"{needed.kept / 2**20:.1f} MiB of its memory are kept since a call on a small problem")
        if needed is not None and needed.doubt:
            remarks.append(f"it needs {needed.bytes / 2**20:.1f} MiB at least: {needed.doubt}")
        return Measurement(
            contender.name, judged.problem, samples, Spread.of(samples.seconds),
            Spread.of(samples.ratios(reference)) if reference else None,
            judged.error, judged.fraction, judged.difference, judged.norm, None if needed is None else needed.bytes,
            empty if judged.problem == item.problem else None, tuple(remarks), contender.kernel.accuracy,
        )  # fmt: skip

    def _plausible(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """Return the rows without what no direct algorithm can do; the machine is measured once more before anybody is refused."""
        machine = self.machine
        if machine is None:
            return rows
        if any(too_fast(row, one, machine) for row in rows for one in row.measurements):
            with same_threads(self.options.thread_count):
                machine = self.machine = machine.best(measure_machine({row.item.problem.dtype for row in rows}, self.options.thread_count))
        return tuple(refuse(row, machine, self.options.against) for row in rows)


def load(everybody: tuple[Contender, ...], listener: Listener) -> None:
    """Wait until all kernels are loaded.  Raises ReferenceUnavailable for TensorFlow, TargetError or TypeError for another kernel."""
    for number, contender in enumerate(everybody, start=1):
        listener(Step("loading", number, len(everybody), contender.name))
        try:
            contender.load()
        except EndedFromOutside:
            raise
        except (CannotLoad, TypeError, ValueError) as error:
            if _kernel_of(contender.name) == TENSORFLOW:
                raise ReferenceUnavailable(f"tensorflow is not available: {error}") from None
            name = f"target {contender.name!r}: "
            raise TargetError(name + str(error).removeprefix(name)) from None


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
