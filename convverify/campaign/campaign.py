"""The campaign: cases from the corpus, from the table of edge cases, and from Hypothesis, each judged by every property.

Cases go to the kernel's host in batches; while it works on one, the judge prepares the next and judges the last.  References are asked
about the same cases, at the same time.  The work is cut into shards that depend on the seed alone, so that any number of judges does the
same work.
"""

from __future__ import annotations

import itertools
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from convverify.campaign.events import Failed, Finished, Found, Listener, Met, Phase, Progress, ReferenceWrong, Slow, Started, Warned
from convverify.campaign.floor import LEAST, asks_stages
from convverify.campaign.known import Known
from convverify.campaign.options import DEFAULT_BUDGET, Options
from convverify.campaign.patience import PER_MAC
from convverify.campaign.plainly import CASES, suits
from convverify.campaign.probing import BATCH, in_batches
from convverify.campaign.referring import ReferenceLost, References
from convverify.campaign.resources import Watch
from convverify.campaign.session import AGAIN, Batch, Session
from convverify.campaign.statistics import Statistics
from convverify.generation import corpus
from convverify.generation.budget import default_budget, fit_budget
from convverify.generation.edge_cases import corner_cases
from convverify.generation.few_problems import few_cases, few_problems
from convverify.generation.sampling import cases_of
from convverify.host.heap import tidy
from convverify.host.process import HUNG, CannotLoad, Death
from convverify.judging.findings import Finding, ReferenceFault
from convverify.judging.kernel import Kernel
from convverify.judging.properties import in_order, judge
from convverify.judging.properties.values import matches_reference
from convverify.judging.script import Arena
from convverify.judging.trial import Trial
from convverify.operands.case import Case
from convverify.operations.doubt import who_stands_alone
from convverify.operations.forward_by_scattering import affordable, scatter
from convverify.problems.domain import APART
from convverify.problems.problem import Problem, is_degenerate
from convverify.problems.size import bytes_needed, bytes_of_machine, work_of

SHARD = 250  # problems drawn by Hypothesis in one shard
DEGENERATE = 1 << 30  # the shard of degenerate problems
LARGE = DEGENERATE + 1  # the shard of large problems
_CASES, _FEWER_CASES = 4, 2  # on each problem: drawing one, and a reference's first call on it, cost as much as two small cases
_SMALL = 1 << 14  # multiply-adds, up to which a case is small
_SUITE_CASES, _PROBLEM_CASES = 6, 24  # on each problem of a suite, and on those that are named
_LARGE, _LARGE_CASES = 1 << 24, 2  # multiply-adds of a problem, beyond which fewer cases have to do
_HEAVY = 16  # one of so many parts of the machine's memory: cases that take more are judged one at a time
_SLOW_BUDGET = 1 << 14
_SLOW_CALL = 1e-3  # seconds for 21,600 multiply-adds: an interpreted kernel
_AFTER_FINDING = (12, 400, 2.0)  # findings, cases, seconds until a refuted campaign stops
_LONG_CALL = 0.05  # seconds that calls on small problems take of a kernel that is slow
_VERY_LONG_CALL = 1.0  # seconds for 21,600 multiply-adds
_COMPILES = 0.25  # seconds by which a first call takes longer, of a kernel that may compile itself for each problem
_PACE = 5  # cases by which the pace of such kernels is told: some of them still compile for a dtype or a layout
_FEW = 1 << 29  # the shard of the numbers of cases on few problems
_EXAMPLES_FOR_A_LARGE = 25  # random problems, for which there is a large one
_FIRST_LARGE, _BEFORE_LARGE = 18, 300  # large problems that come early, behind so many edge cases
_FIRST_SHARE = 0.4  # of the time for large problems, that these may take
_LARGE_CALL = 1.0  # seconds that a call on a large problem should take at the most, by the kernel's pace
_MUCH_SLOWER = 20.0  # times what its pace on a small problem lets expect, before a call is a hang
_FRESH_STARTS = 3  # processes in which several threads make the first call
_PROGRESS_EVERY = 0.25
_BATCH_SECONDS = 1.0  # that a batch should take at the most
_DISTINCT = 1 << 16  # problems that are told apart; drawn ones hardly ever repeat
_REMEMBERED = 500  # cases that a host has been called on, from the last one back
_BY_VALUE = ("exact_on_integers", "within_error_bound", "special_values")
_DOUBTED_EVERY, _DOUBTED = 32, 1 << 10  # one of so many cases is computed by the second definition, too, up to so many multiply-adds


def shards_of(options: Options) -> list[tuple[int, int]]:
    """Return (number, problems to draw) of every shard; shard 0 is all that is not random, DEGENERATE what comes last, behind LARGE."""
    if options.suite or options.problems:
        return [(0, 0)]
    full, rest = divmod(options.max_examples, SHARD)
    random = [(number + 1, SHARD) for number in range(full)] + ([(full + 1, rest)] if rest else [])
    large = options.max_examples // _EXAMPLES_FOR_A_LARGE - _FIRST_LARGE if options.large_time else 0
    return [(0, 0), *random, *([(LARGE, large)] if large > 0 else []), (DEGENERATE, min(SHARD, options.max_examples // 10))]


NOTHING_KNOWN = Known()


class _Stop(BaseException):
    """Leaves Hypothesis when the campaign is over; not an Exception, so that it is not taken for a failure."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass
class _Pending:
    """Cases that are to be tried next, each with the number of its place in the campaign."""

    cases: deque[tuple[Case, int]] = field(default_factory=deque)
    weight: int = 0


class Campaign:
    """One judge's campaign against one kernel."""

    def __init__(
        self,
        options: Options,
        session: Session,
        references: References,
        emit: Listener,
        statistics: Statistics,
        take: Callable[[int], bool] = lambda shard: True,
        known: Known = NOTHING_KNOWN,
    ) -> None:
        """`take(shard)` says whether a shard is this judge's; `known` are faults that are muted, each of whose cases is tried."""
        self.known = known
        self.options, self.session, self.references, self.emit, self.take = options, session, references, emit, take
        self.kernel: Kernel = session.kernel
        self.statistics = statistics
        self.dtypes = self.kernel.domain.dtypes
        self._seen: set[int] = set()
        self._recent: deque[str] = deque(maxlen=_REMEMBERED)
        self._pending = _Pending()
        self._numbers: dict[int, int] = {}
        self._batch = 1
        self._findings, self._since_finding, self._first_found = 0, 0, 0.0
        self._refuted: set[str] = set()
        self._start = self._told = time.perf_counter()
        self._blamed: set[tuple[str, str]] = set()
        self._hung = 0
        self._edges = False
        self._sample: list[str] = []
        self._suited = 0
        self._sparing = False  # one call a case
        self._paces: list[float] = []
        self._later = 0.0
        self._pace = 0.0  # multiply-adds a second
        self._large_seconds = 0.0
        self._first_are_done = False
        self._watch, self._gathers = Watch(), False
        self._due, self._done = 0, 0  # multiply-adds of a suite's problems, and of what has been judged

    def run(self) -> None:
        """Do it all; ends with a Finished or a Failed event."""
        self._start = time.perf_counter()
        try:
            speed, self.max_macs, warm_up = self._budget()
            kernel = self.kernel
            self.emit(
                Started(
                    tuple(kernel.keywords), kernel.data_format, kernel.accuracy, self.max_macs, speed, warm_up, dict(kernel.keywords),
                    kernel.domain.to_data(), kernel.without,
                )
            )  # fmt: skip
            self._phases()
            reason = "done"
        except _Stop as stop:
            reason = stop.reason
        except ReferenceLost as error:
            self.emit(Failed("reference", str(error)))
            reason = "failed"
        except CannotLoad as error:
            self.emit(Failed.of(error))
            reason = "failed"
        self._tell(force=True)
        if reason != "failed":
            passed = time.perf_counter() - self._start
            needed = 0.0 if self._edges or not self._done else passed * self._due / self._done
            self.emit(Finished(reason, self.statistics, tuple(self._sample), self._edges, needed))

    def _phases(self) -> None:
        shards = shards_of(self.options)
        if self.take(0):
            if self._later > _VERY_LONG_CALL:  # what five cases would show has been seen
                self._paces = [self._later] * _PACE
                self._begin_with_few()
            is_quick, cases = not self._sparing, enumerate(self._fixed_cases())
            self._edge_cases(itertools.islice(cases, BATCH))
            if is_quick:
                self._all_at_once()
            self._edge_cases(cases)
            self._flush(whole=True)
            self._first_large()
        self._edges = True
        if len(shards) > 2:
            self.emit(Phase("random problems"))
        for shard, count in shards[1:]:
            if self.take(shard):
                if shard == DEGENERATE:
                    self._degenerate(shard, count)
                elif shard == LARGE:
                    self._large(shard, count, self.options.large_time)
                else:
                    self._random(shard, count, degenerate=None if self._is_whole else False)
                self._flush(whole=True)
        self._wait_for_references()

    def _edge_cases(self, cases: Iterable[tuple[int, Case]]) -> None:
        for number, case in cases:
            if number == _BEFORE_LARGE:
                self._first_large()
            self._try(case, number)
            if self._sparing and len(self._paces) + len(self._pending.cases) >= _PACE:
                self._flush(whole=True)
                self._begin_with_few()

    def _begin_with_few(self) -> None:
        """Where the kernel is slow on small problems, try it first on few of them, one call a case: what a verdict needs at the least."""
        if len(self._paces) < _PACE:
            return
        pace, problems = sorted(self._paces)[len(self._paces) // 2], few_problems(self.kernel.domain, self.dtypes, self.max_macs)
        if pace > _LONG_CALL and problems and not (self.options.problems or self.options.suite):
            count = LEAST * max(len(asks_stages(self.options)), len(self.dtypes), 1)
            seconds = pace * len(problems) + min(pace, self._later) * (count - len(problems))
            self.emit(Slow(pace, self._later, len(problems), count, seconds))
            self.emit(Phase("few problems"))
            for number, case in enumerate(few_cases(problems, count, self.options.seed)):
                self._try(case, (_FEW << 16) + number)
            self._flush(whole=True)
            self._edges = True
            self.emit(Phase("edge cases"))
        self._sparing = False

    def _degenerate(self, shard: int, count: int) -> None:
        if self.kernel.domain.degenerate == APART:
            self.emit(Phase("degenerate problems"))
            for number, case in enumerate(corner_cases(self.kernel, self.dtypes, self.max_macs, degenerate=True)):
                self._try(case, (shard << 16) + number)
            self._random(shard, count, degenerate=True)

    # Where cases come from.

    def _fixed_cases(self) -> Iterator[Case]:
        self.emit(Phase("earlier counterexamples"))
        known = (case for fault in self.known.faults for case in fault.cases)
        for case in itertools.chain(known, corpus.load(self.options.directory, self.options.target)):
            if self.kernel.explores(case.problem):
                yield case
        if self.options.problems or self.options.suite:
            self.emit(Phase("chosen problems"))
            yield from self._suite_cases()
        else:
            self.emit(Phase("edge cases"))
            yield from corner_cases(self.kernel, self.dtypes, self.max_macs, degenerate=None if self._is_whole else False)

    def _suite_cases(self) -> Iterator[Case]:
        """Yield one case on each problem, which a verdict needs at the least; then a second one on each, and so on."""
        explored = []
        for problem in self._suite_problems():
            if self.kernel.explores(problem.with_(dtype=self.dtypes[0])):
                explored += [problem.with_(dtype=dtype) for dtype in self.dtypes]
            else:
                self.statistics.unsupported += 1
        self._due = sum(map(work_of, explored))
        several = _SUITE_CASES if self.options.suite else _PROBLEM_CASES
        for turn in range(several):
            for problem in explored:
                count = _LARGE_CASES if self.options.suite and problem.macs > _LARGE else several
                yield from itertools.islice(cases_of(problem, self.options.seed, count), turn, turn + 1)
            if not turn:
                self._flush(whole=True)
                self._edges = True

    def _suite_problems(self) -> Iterable[Problem]:
        yield from (Problem.parse(line) for line in self.options.problems)
        if self.options.suite:
            from convverify.problems.suites import find_suite

            yield from (layer.problem for layer in find_suite(self.options.suite, self.options.batch))

    @property
    def _is_whole(self) -> bool:
        """Whether degenerate problems are like any others to this kernel."""
        return self.kernel.domain.degenerate is True

    def _random(self, shard: int, count: int, *, degenerate: bool | None) -> None:
        from convverify.generation.drawing import drawn_problems

        seed = (self.options.seed << 31) + shard
        drawn = drawn_problems(self.kernel.domain, self.dtypes, self.max_macs, seed, degenerate=degenerate)
        for number, (problem, bits) in enumerate(itertools.islice(drawn, count)):
            for case in cases_of(problem, bits, _CASES if problem.macs <= _SMALL else _FEWER_CASES):
                self._try(case, (shard << 16) + number)

    def _all_at_once(self) -> None:
        """Let several threads call the kernel at once, in processes in which it has not been called."""
        fixed = self.options.problems or self.options.suite
        if fixed or not self.session.renews_quickly or not self.options.asks("threads"):
            return
        self._flush(whole=True)
        problem = self.kernel.restrict(Problem(1, 6, 7, 4, 3, 2, 6, dtype=self.dtypes[0]))
        for number in range(_FRESH_STARTS):
            self.session.fresh()
            self._recent.clear()
            trial = Trial(self.kernel, Case(problem, seed=number), times=self.statistics.times)
            self._numbers[id(trial)] = number
            self.session.submit([trial], ("threads",))
            self._settle(self.session.collect())
            self._settle_all()

    def _first_large(self) -> None:
        """Try the first large problems, unless that has been done."""
        if self._first_are_done or self.options.problems or self.options.suite:
            return
        self._first_are_done = True
        count = min(_FIRST_LARGE, self.options.max_examples // _EXAMPLES_FOR_A_LARGE)
        self._large(0, count, _FIRST_SHARE * self.options.large_time)

    def _large(self, shard: int, count: int, seconds: float) -> None:
        """Try large problems, one call on each, as far as the kernel is quick enough: until all together have taken so many seconds."""
        from convverify.generation.large_problems import large_problems

        if not (self._pace and seconds) or self._sparing:
            return
        self._flush(whole=True)
        self.emit(Phase("large problems"))
        drawn = large_problems(self.kernel.domain, self.dtypes, (self.options.seed << 31) + shard)
        for number, problem in enumerate(itertools.islice(drawn, count)):
            expected = problem.macs / self._pace
            most = self.options.max_macs
            if expected > _LARGE_CALL or (most and problem.macs > most):
                continue
            start = time.perf_counter()
            if self._large_seconds > seconds or start - self._start > self.options.max_time:
                break
            # Larger integers of doubles would leave the check that is cheaper than the sums no room.
            style = "small_integers" if number % 3 or problem.dtype == "float64" else "integers"
            self._try_large(Case(problem, style, seed=(shard << 12) + number), number)
            self._large_seconds += time.perf_counter() - start
        self.emit(Phase("edge cases" if not shard else "random problems"))

    def _try_large(self, case: Case, number: int) -> None:
        """Try a large problem by itself."""
        trial = Trial(self.kernel, case, times=self.statistics.times, thorough=False)
        self._numbers[id(trial)] = number
        self.session.submit([trial], self.options.properties, _one_call)
        self._settle(self.session.collect())
        self._settle_all()
        if trial.first.error is None and trial.first.seconds > 0:
            self._pace = (self._pace + case.problem.macs / trial.first.seconds) / 2

    # The pipeline.

    def _try(self, case: Case, number: int) -> None:
        """Put a case into the next batch, and send the batch when it is full."""
        pending = self._pending
        is_heavy = _HEAVY * bytes_needed(case.problem) > bytes_of_machine()
        if is_heavy:
            self._flush(whole=True)
        pending.cases.append((case, number))
        pending.weight += case.problem.macs
        if len(pending.cases) >= self._batch or pending.weight > self.max_macs:
            self._flush(whole=is_heavy)
        if is_heavy:
            self._wait_for_references()

    def _flush(self, *, whole: bool = False) -> None:
        """Send what is pending; judge what comes back: all of it where that is asked for."""
        while self._pending.cases:
            if time.perf_counter() - self._start > self.options.max_time:
                self._pending = _Pending()
                self._settle_all()
                self._wait_for_references(late=True)
                raise _Stop("time")
            self._send()
            if self.session.on_the_way == 2:
                self._settle(self.session.collect())
        if whole:
            self._settle_all()

    def _send(self) -> None:
        """Hand all that is pending to the host."""
        trials: list[Trial] = []
        while self._pending.cases and len(trials) < BATCH:
            case, number = self._pending.cases.popleft()
            trial = Trial(self.kernel, case, times=self.statistics.times, thorough=False)
            self._numbers[id(trial)] = number
            trials.append(trial)
        self._pending.weight = sum(case.problem.macs for case, _ in self._pending.cases)
        self.session.submit(trials, self.options.properties, _one_call if self._sparing else None)

    def _settle_all(self) -> None:
        while self.session.on_the_way or self._pending.cases:
            if self.session.on_the_way:
                self._settle(self.session.collect())
            else:
                self._send()

    def _settle(self, batch: Batch) -> None:
        """Judge a batch that has come back, and see to what is left of it where the host has died."""
        if batch.death is not None:
            self._take_back(batch)
        for trial in batch.too_large:
            self._numbers.pop(id(trial))
            self.statistics.too_large += 1
        seconds = 0.0
        for trial in batch.trials[: batch.done]:
            seconds += sum(seen.seconds for seen in trial.observed.values())
            self._judged(trial)
        self._batch = min(BATCH, 2 * self._batch) if seconds < _BATCH_SECONDS / 2 else max(1, self._batch // 2)
        if batch.death is not None:
            self._died(batch, batch.death)
        self._ask_references()
        self._look_at_what_is_kept()
        self._tell()
        self._stop_if_refuted()

    def _look_at_what_is_kept(self) -> None:
        """Tell, once, of what the kernel's process gathers from call to call."""
        if not self._gathers and (kept := self._watch.look(getattr(self.session.host, "pid", 0), self.statistics.cases)):
            self._gathers = True
            self.emit(Warned(kept))

    def _take_back(self, batch: Batch) -> None:
        """Let what the host did not come to wait for its next life: behind the case that it died of."""
        left = [*batch.trials[batch.done + 1 :], *batch.lost]
        for trial in reversed(left):
            self._pending.cases.appendleft((trial.case, self._numbers.pop(id(trial))))

    # What is done with a case.

    def _judged(self, trial: Trial) -> None:
        """Judge a trial, count it, and tell what it refutes."""
        number, line = self._numbers.pop(id(trial), 0), str(trial.case)
        self._done += work_of(trial.problem)
        judged, finding = judge(trial, self.options.properties)
        if self._sparing and not trial.first.unsupported and len(self._paces) < _PACE:
            self._paces.append(trial.first.seconds)
        self._recent.append(line)
        self._count(trial, judged)
        if finding is not None:
            self._found(trial, finding, number)
        elif judged.get("within_error_bound"):
            self.statistics.measure(trial.case, trial.accuracy())
        self._doubt(trial, always=finding is not None)
        if trial.answered and not trial.problem.is_empty:
            if any(judged.get(name) for name in self._telling):
                self.statistics.count_result(trial.case)
            if finding is None:
                self._sample_for_a_script(trial, line)
        if finding is None and trial.case.stage != "special" and trial.answered and self._asks_references(trial):
            trial.forget()
            self.references.enqueue(trial)
        if self._findings:
            self._since_finding += 1

    @property
    def _telling(self) -> tuple[str, ...]:
        """The properties by which a result counts as judged: those of values, or all that are asked for where none of these is."""
        by_value = tuple(filter(self.options.asks, _BY_VALUE))
        return by_value or tuple(entry.name for entry in in_order() if self.options.asks(entry.name))

    def _sample_for_a_script(self, trial: Trial, line: str) -> None:
        """Keep some of the cases on which the kernel is right, for a script to run."""
        if suits(trial.case, self.kernel):
            self._suited += 1
            if len(self._sample) < CASES:
                self._sample.append(line)
            elif (place := zlib.crc32(line.encode()) % self._suited) < CASES:  # each is kept as likely as another
                self._sample[place] = line

    def _asks_references(self, trial: Trial) -> bool:
        """Whether references are asked about a trial, too: not about large problems, unless the user has named them."""
        small = trial.problem.macs <= self.max_macs or bool(self.options.suite or self.options.problems)
        return self.options.asks("matches_reference") and small and bool(self.references.all)

    def _count(self, trial: Trial, judged: dict[str, bool]) -> None:
        statistics = self.statistics
        statistics.count(trial.case, judged)
        key = hash(trial.problem)
        if key not in self._seen:
            if len(self._seen) < _DISTINCT:
                self._seen.add(key)
            statistics.problems += 1
        if trial.first.unsupported:
            statistics.unsupported += 1
        elif trial.first.error is not None and not judged.get("completes", True):
            statistics.refused += 1
        for mention in set(trial.mentions):
            statistics.mentions[mention] += 1

    def _found(self, trial: Trial, finding: Finding, number: int) -> None:
        history = () if finding.property in self._refuted else tuple(self._recent)[:-1]
        if history and trial.spoiled and trial.spoiled not in history:
            history = trial.spoiled, *history
        found = Found(str(trial.case), finding.property, finding.sentence, number, history)
        called = [trial.case, *(other.case for other in vars(trial).get("others", {}).values() if isinstance(other, Trial))]
        if self._tell_found(found, called):
            self._refuted.add(finding.property)

    def _tell_found(self, found: Found, called: list[Case]) -> bool:
        """Tell of a finding on some cases, the judged one first; return whether it is new."""
        if (number := self.known.which(found.property, found.sentence, called)) is not None:
            self.emit(Met(number, found.case))
            return False
        problem = called[0].problem
        if self.kernel.domain.degenerate == APART and is_degenerate(problem):
            self.emit(replace(found, apart=True))
            return True
        if not self._findings:
            self._first_found = time.perf_counter()
        self._findings += 1
        self.emit(found)
        return True

    def _stop_if_refuted(self) -> None:
        if self._findings:
            findings, cases, seconds = (1, 0, 0.0) if self.options.exitfirst else _AFTER_FINDING
            if self._findings >= findings or self._since_finding > cases or time.perf_counter() - self._first_found > seconds:
                raise _Stop("found")

    def _doubt(self, trial: Trial, *, always: bool) -> None:
        """Compute some cases by the second definition, too; if our two definitions disagree, the fault is ours."""
        turn = always or not ((trial.case.seed >> 7) % _DOUBTED_EVERY or trial.problem.macs > _DOUBTED)
        if not turn or trial.case.stage == "special" or not affordable(trial.problem):
            return
        values = trial.first_values.astype(np.float64) if trial.answered and trial.first_values is not None else None
        theirs = next((result for result, _ in trial.theirs.values()), None)
        bound = 0.0 if trial.case.stage == "exact" else trial.elementwise_bound
        doubt = who_stands_alone(
            values, theirs, trial.expected, scatter(trial.problem, trial.x64, trial.w64), bound=bound,
            kernel_bound=trial.bound if trial.kernel.accuracy == "normwise" else None,
        )  # fmt: skip
        if doubt.oracle_is_alone or not doubt.is_settled:
            alone = " and ".join(sorted(voice.value for voice in doubt.alone)) or "all disagree"
            self.emit(Failed("oracle", f"our exact arithmetic is in doubt (alone: {alone}) on {trial.case}; please report it"))
            raise _Stop("failed")
        self.statistics.confirmed += 1

    # References.

    def _ask_references(self) -> None:
        for trial in self.references.pump():
            self._compared(trial)

    def _wait_for_references(self, *, late: bool = False) -> None:
        """Wait for all answers; where the time is over, for those of references that are there."""
        if late and not self.references.are_loaded:
            return
        if self.references.waiting:
            self.emit(Phase("waiting for references"))
            for trial in self.references.drain():
                self._compared(trial)
                self._tell()
                self._stop_if_refuted()

    def _compared(self, trial: Trial) -> None:
        """Hold a trial against what a reference has answered."""
        if trial.reference_faults:
            self._doubt(trial, always=True)
        for fault in trial.reference_faults:
            self.reference_fault(fault)
        trial.reference_faults.clear()
        verdict = matches_reference(trial)
        if verdict is None:
            self.statistics.judged["matches_reference"] += 1
            if not trial.problem.is_empty:
                self.statistics.results.update(f"reference {name}" for name in trial.theirs)
        elif isinstance(verdict, Finding):
            self._found(trial, verdict, 0)

    def reference_fault(self, fault: ReferenceFault) -> None:
        """Tell of a reference's fault, once for each kind."""
        key = fault.reference, fault.sentence.split("(")[0]
        if key not in self._blamed and len(self._blamed) < 20:
            self._blamed.add(key)
            self.emit(ReferenceWrong(fault.reference, fault.case, fault.sentence))

    # Deaths.

    def _died(self, batch: Batch, death: Death) -> None:
        """Try what a host died of in a fresh one, alone, then with the calls before it; what recurs is the kernel's."""
        suspect = batch.trials[batch.done] if batch.done < len(batch.trials) else batch.trials[-1] if batch.trials else None
        if suspect is None:
            self.session.fresh()
            return
        number, line = self._numbers.pop(id(suspect), 0), str(suspect.case)
        history = tuple(self._recent)
        for before in ((), history):
            died, trial = self._again(suspect.case, before, death)
            if died is not None and not died.is_like(death):  # from outside, perhaps, as the first one may have been
                died, trial = self._again(suspect.case, before, death)
            if died is not None:
                self._recent.clear()
                self._count_death(suspect)
                self._tell_found(Found(line, "completes", str(died), number, before, died.kind), [suspect.case])
                self.session.fresh()
                return
            if not history:
                break
        self.statistics.deaths += 1
        self.emit(Warned(f"the kernel's process ended once ({death}), and not again on the same calls: {line}"))
        if trial is not None:
            self._numbers[id(trial)] = number
            self._judged(trial)

    def _again(self, case: Case, history: tuple[str, ...], death: Death) -> tuple[Death | None, Trial | None]:
        """Carry out a case in a fresh host, after others; return how that died, or the trial."""
        self.session.fresh()
        self._recent.clear()
        usual, self.session.patience = self.session.patience, AGAIN if death.kind == HUNG and not self._hung else 1.0
        try:
            for cases in in_batches(map(Case.parse, history)):
                self.session.submit([Trial(self.kernel, earlier, thorough=False) for earlier in cases], self.options.properties)
                if (died := self.session.collect().death) is not None:
                    return died, None
                self._recent.extend(map(str, cases))
            trial = Trial(self.kernel, case, times=self.statistics.times, thorough=False)
            self.session.submit([trial], self.options.properties)
            died = self.session.collect().death
        finally:
            self.session.patience = usual
        if died is not None and died.kind == HUNG:
            self._hung += 1
        return died, trial

    def _count_death(self, suspect: Trial) -> None:
        """Count the case that killed the host as one that was judged by `completes`."""
        self.statistics.count(suspect.case, {"completes": True})

    # Progress.

    def _tell(self, *, force: bool = False) -> None:
        now = time.perf_counter()
        if force or now - self._told > _PROGRESS_EVERY:
            self._told = now
            self.statistics.seconds = now - self._start
            tidy()
            self.emit(Progress(self.statistics))

    def _budget(self) -> tuple[float, int, float]:
        """Return the kernel's multiply-adds a second on a small problem, the budget that goes with it, and its seconds of warming up."""
        problem = self.kernel.restrict(Problem(1, 12, 12, 4, 3, 3, 6, dtype=self.dtypes[0]))
        if self.options.max_macs:
            problem = fit_budget(problem, self.options.max_macs, domain=self.kernel.domain)
        trial = Trial(self.kernel, Case(problem, "integers"), times=self.statistics.times, thorough=False)
        self._numbers[id(trial)] = 0

        self.max_macs = self.options.max_macs or default_budget(self.kernel.domain, DEFAULT_BUDGET)
        self.session.submit([trial], lay_out=_one_call)
        batch = self.session.collect()
        if batch.death is not None:
            self._died(batch, batch.death)
            self._stop_if_refuted()
            return 0.0, self.max_macs, 0.0
        if not (self.options.problems or self.options.suite):  # of which this problem is none
            self._judged(trial)  # the very first call is one to judge, too
        first = trial.first
        later = self._seconds_of_more(trial.case, 1 if first.seconds > _COMPILES else 3) if first.error is None else []
        if not later:
            return 0.0, self.max_macs, 0.0
        best = min(later)
        self._later, self._sparing = best, best > _LONG_CALL or first.seconds - best > _COMPILES
        self._pace = problem.macs / max(best, 1e-9)
        self.session.per_mac = min(PER_MAC, _MUCH_SLOWER / self._pace)
        budget = self.options.max_macs or default_budget(self.kernel.domain, _SLOW_BUDGET if best > _SLOW_CALL else DEFAULT_BUDGET)
        return problem.macs / max(best, 1e-9), budget, first.seconds - best

    def _seconds_of_more(self, case: Case, calls: int) -> list[float]:
        """Return the seconds of further calls on a case."""
        trial = Trial(self.kernel, case, times=self.statistics.times, thorough=False)

        def lay_out(trial: Trial, memory: Arena) -> None:
            plan = trial.lay_out(memory)
            for number in range(2, calls + 1):
                plan.call(f"call {number}")

        self.session.submit([trial], lay_out=lay_out)
        batch = self.session.collect()
        if batch.death is not None:
            self._died(batch, batch.death)
            self._stop_if_refuted()
            return []
        return [seen.seconds for seen in trial.observed.values() if seen.error is None]


def _one_call(trial: Trial, memory: Arena) -> None:
    trial.lay_out(memory)
