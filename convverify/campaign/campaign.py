"""The campaign: cases from the corpus, from the table of corners, and from Hypothesis, each judged by every property.

It runs in one process and tells what happens through events.  Its work is cut into shards that depend on the seed alone, so that any
number of workers does the same work: each takes the next shard that nobody has taken.  A worker that died is replaced by one that goes on
where it stopped.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from convverify.campaign.events import Failed, Finished, Found, Listener, Phase, Progress, ReferenceWrong, Started
from convverify.campaign.isolation.journal import Journal
from convverify.campaign.options import DEFAULT_BUDGET, Options
from convverify.campaign.statistics import Statistics
from convverify.generation import corpus
from convverify.generation.edge_cases import corner_cases
from convverify.judging.kernel import Kernel
from convverify.judging.properties import judge
from convverify.judging.properties.values import matches_reference
from convverify.judging.trial import Finding, Trial, Watch, told, unwatched
from convverify.operands.case import Case
from convverify.operands.fills import styles
from convverify.operands.layouts import PLAIN, Choices, layouts
from convverify.operands.placing import random_bits
from convverify.problems.problem import Problem
from convverify.references import load_reference
from convverify.targets import TargetError, find_kernel

SHARD = 250  # problems drawn by Hypothesis in one shard
_CASES, _FEWER_CASES = 4, 2  # on each problem: drawing one, and a reference's first call on it, cost as much as two small cases
_SMALL = 1 << 14  # multiply-adds, up to which a case is small
_SLOW_BUDGET = 1 << 14
_SLOW_CALL = 1e-3  # seconds for 21,600 multiply-adds: an interpreted kernel
_AFTER_FINDING = (12, 400, 2.0)  # findings, cases, seconds until a refuted campaign stops
_PROGRESS_EVERY = 0.25


def shards_of(options: Options) -> list[tuple[int, int]]:
    """Return (number, problems to draw) of every shard; shard 0 is all that is not random."""
    full, rest = divmod(0 if options.suite or options.problems else options.max_examples, SHARD)
    return [(0, 0)] + [(number + 1, SHARD) for number in range(full)] + ([(full + 1, rest)] if rest else [])


class _Stop(BaseException):
    """Leaves Hypothesis when the campaign is over; not an Exception, so that it is not taken for a failure."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass(frozen=True)
class Task:
    """What a worker may take of: the shards, how many examples of the first one have been done before, and the budget of multiply-adds
    (0: found by timing the kernel).

    A rehearsal does again what a worker has done, up to the position (shard, number) `rehearsed`.
    """

    shards: tuple[tuple[int, int], ...]
    skip: int = 0
    max_macs: int = 0
    rehearsed: tuple[int, int] | None = None


class Campaign:
    """One worker's campaign against one kernel."""

    def __init__(
        self,
        options: Options,
        task: Task,
        emit: Listener,
        journal: Journal | None = None,
        kernel: Kernel | None = None,
        take: Callable[[int], bool] = lambda shard: True,
    ) -> None:
        """`kernel` is what to verify where it has no name by which `options.target` could find it; `take(shard)` says whether a shard is
        this worker's."""
        self.options, self.task, self.emit, self.journal, self.take = options, task, emit, journal, take
        self._given = kernel
        self.watch: Watch = journal.watch if journal else unwatched
        self.statistics = Statistics()
        self.references: tuple[Kernel, ...] = ()
        self._seen: set[Problem] = set()
        self._recent: deque[str] = deque(maxlen=500)
        self._unreferenced: list[tuple[tuple[int, int], Trial]] = []
        self._findings, self._since_finding, self._first_found = 0, 0, 0.0
        self._refuted: set[str] = set()
        self._start = self._told = time.perf_counter()
        self._position = (0, 0)
        self._blamed: set[tuple[str, str]] = set()

    def run(self) -> None:
        """Do the whole task; ends with a Finished or a Failed event."""
        try:
            options = self.options
            self.kernel = self._given or find_kernel(options.target, data_format=options.data_format, accuracy=options.accuracy)
        except TargetError as error:
            self.emit(Failed("usage", str(error)))
            return
        self._start = time.perf_counter()
        speed, budget, warm_up = self._budget()
        self.max_macs = budget
        kernel = self.kernel
        self.emit(Started(tuple(kernel.keywords), kernel.data_format, kernel.accuracy, budget, speed, warm_up, dict(kernel.keywords)))
        try:
            reason = "done" if self._phases() else "failed"
        except _Stop as stop:
            reason = stop.reason
        if reason != "failed":
            self._tell(force=True)
            self.emit(Finished(reason, self.statistics))

    def _phases(self) -> bool:
        shards, skip = list(self.task.shards), self.task.skip
        if shards and shards[0][0] == 0:
            shards.pop(0)
            if self.take(0):
                for number, case in enumerate(self._fixed_cases()):
                    if number >= skip:
                        self._go_to(0, number + 1)
                        self._try(case, number)
            skip = 0
        if not self._load_references():
            return False
        if shards:
            self.emit(Phase("random"))
        for shard, count in shards:
            if self.take(shard):
                self._random(shard, count, skip)
            skip = 0
        return True

    # Where cases come from.

    def _fixed_cases(self) -> Iterator[Case]:
        self.emit(Phase("corpus"))
        for case in corpus.load(self.options.directory, self.options.target):
            if self.kernel.explores(case.problem) and case.problem.dtype in self.options.dtypes:
                yield case
        if self.options.problems or self.options.suite:
            self.emit(Phase("suite"))
            yield from self._suite_cases()
        else:
            self.emit(Phase("corners"))
            yield from corner_cases(self.kernel, self.options.dtypes, self.max_macs)

    def _suite_cases(self) -> Iterator[Case]:
        for problem in self._suite_problems():
            if not self.kernel.explores(problem):
                self.statistics.unsupported += 1
                continue
            for dtype in self.options.dtypes:
                yield from self._cases_of(problem.with_(dtype=dtype), self.options.seed, 6 if self.options.suite else 24)

    def _suite_problems(self) -> Iterable[Problem]:
        yield from (Problem.parse(line) for line in self.options.problems)
        if self.options.suite:
            from convverify.problems.suites import find_suite

            yield from (layer.problem for layer in find_suite(self.options.suite, self.options.batch))

    def _cases_of(self, problem: Problem, seed: int, count: int) -> Iterator[Case]:
        """Yield cases on one problem, integers and other styles in turn, in layouts and with seeds that follow from `seed`."""
        for number, (first, second) in enumerate(random_bits(seed & (1 << 64) - 1, 2 * count).reshape(count, 2).tolist()):
            choices, names = Choices(first), _OTHERS if number % 2 else _EXACT
            yield Case(problem, names[choices.below(len(names))], self._layouts(choices), second >> 20)

    def _layouts(self, choices: Choices) -> tuple[str, str]:
        if choices.below(2):
            return (PLAIN, PLAIN)
        names = layouts.names()
        first, second, both = choices.below(len(names)), choices.below(len(names)), choices.below(3)
        return (names[first], PLAIN) if both == 0 else (PLAIN, names[second]) if both == 1 else (names[first], names[second])

    def _random(self, shard: int, count: int, skip: int) -> None:
        from convverify.generation.drawing import draw_problems

        done = 0

        def each(problem: Problem, seed: int) -> None:
            nonlocal done
            done += 1
            if done <= skip:
                return
            self._go_to(shard, done)
            for case in self._cases_of(problem, seed, _CASES if problem.macs <= _SMALL else _FEWER_CASES):
                self._try(case, (shard << 16) + done)

        draw_problems(self.kernel, self.options.dtypes, self.max_macs, (self.options.seed << 20) + shard, count, each)

    def _go_to(self, shard: int, number: int) -> None:
        if self.task.rehearsed and (shard, number) > self.task.rehearsed:
            raise _Stop("done")
        self._position = (shard, number)

    # What is done with a case.

    def _try(self, case: Case, number: int) -> None:
        now = time.perf_counter()
        if now - self._start > self.options.max_time:
            raise _Stop("time")
        line = str(case)
        if self.journal:
            self.journal.name_case(line, self._position)
        self._judged(Trial(self.kernel, case, self.watch, self.statistics.times, self.references, thorough=False), line, number)
        if self._findings:
            self._since_finding += 1
            findings, cases, seconds = _AFTER_FINDING
            if self._findings >= findings or self._since_finding > cases or time.perf_counter() - self._first_found > seconds:
                raise _Stop("found")
        self._tell()

    def _judged(self, trial: Trial, line: str, number: int) -> None:
        """Judge a trial, whose case is written as `line`, count it, and tell what it refutes."""
        judged, finding = judge(trial, self.options.properties)
        self._count(trial, judged)
        self._recent.append(line)
        if not self.references and finding is None and self.options.references:
            self._unreferenced.append((self._position, trial))
        if finding is not None:
            self._found(line, finding, number)
        elif trial.case.stage == "rounding" and trial.answered:
            self.statistics.measure(trial.case, trial.accuracy())

    def _count(self, trial: Trial, judged: dict[str, bool]) -> None:
        statistics = self.statistics
        statistics.count(trial.case, judged)
        if trial.problem not in self._seen:
            self._seen.add(trial.problem)
            statistics.problems += 1
        if trial.first.unsupported:
            statistics.unsupported += 1
        elif trial.first.error is not None and not judged.get("completes", True):
            statistics.refused += 1
        for mention in set(trial.mentions):
            statistics.mentions[mention] += 1
        self._tell_faults(trial)

    def _tell_faults(self, trial: Trial) -> None:
        for fault in trial.reference_faults:
            key = fault.reference, fault.sentence.split("(")[0]
            if key not in self._blamed and len(self._blamed) < 20:
                self._blamed.add(key)
                self.emit(ReferenceWrong(fault.reference, fault.case, fault.sentence))
        trial.reference_faults.clear()

    def _found(self, line: str, finding: Finding, number: int) -> None:
        if not self._findings:
            self._first_found = time.perf_counter()
        self._findings += 1
        history = () if finding.property in self._refuted else tuple(self._recent)[:-1]
        self._refuted.add(finding.property)
        self.emit(Found(line, finding.property, finding.sentence, number, history))

    def _load_references(self) -> bool:
        names = [name for name in self.options.references if name != self.kernel.name]
        if not names:
            return True
        self._tell(force=True)
        self.emit(Phase("reference"))
        start = time.perf_counter()
        try:
            loaded = tuple(find_kernel(name) for name in names)
            for name in names:
                if self.journal:
                    self.journal.name_case("")
                with self.watch("load"):
                    load_reference(name)
        except TargetError as error:
            self.emit(Failed("usage", f"reference: {error}"))
            return False
        except BaseException as error:
            self.emit(Failed("reference", f"the reference cannot be had: {told(error)}"))
            return False
        if self.journal:
            gc.freeze()  # in a worker's own process: the collector need not search TensorFlow's million objects each time
        self.references = loaded
        self.statistics.startup = time.perf_counter() - start
        self._start += self.statistics.startup
        for position, trial in self._unreferenced:
            self._compare_later(position, trial)
        self._unreferenced.clear()
        return True

    def _compare_later(self, position: tuple[int, int], trial: Trial) -> None:
        """Hold against the references what was tried before they were loaded."""
        if self.options.properties is not None and "matches_reference" not in self.options.properties:
            return
        if trial.case.stage == "special":
            return
        if self.journal:
            self.journal.name_case(str(trial.case), position)
        trial.references = self.references
        verdict = matches_reference(trial)
        self._tell_faults(trial)
        if verdict is None:
            self.statistics.judged["matches_reference"] += 1
        elif isinstance(verdict, Finding):
            self._found(str(trial.case), verdict, 0)

    def _tell(self, *, force: bool = False) -> None:
        now = time.perf_counter()
        if force or now - self._told > _PROGRESS_EVERY:
            self._told = now
            self.statistics.seconds = now - self._start
            self.emit(Progress(self.statistics))

    def _budget(self) -> tuple[float, int, float]:
        """Return the kernel's multiply-adds a second on a small problem, the budget that goes with it, and its seconds of warming up."""
        if self.task.max_macs:  # an earlier worker did not survive this
            return 0.0, self.task.max_macs, 0.0
        case = Case(self.kernel.restrict(Problem(1, 12, 12, 4, 3, 3, 6, dtype=self.options.dtypes[0])), "integers")
        if self.journal:
            self.journal.name_case(str(case))
        trial = Trial(self.kernel, case, self.watch, self.statistics.times, thorough=False)
        seconds = [self._timed(trial) for _ in range(4)]
        best = min(seconds[1:])
        if not (self.options.problems or self.options.suite):  # of which this problem is none
            self._judged(trial, str(case), 0)  # the very first call is one to judge, too
        if trial.first.error is not None:
            return 0.0, DEFAULT_BUDGET, 0.0
        budget = self.options.max_macs or (_SLOW_BUDGET if best > _SLOW_CALL else DEFAULT_BUDGET)
        return case.problem.macs / max(best, 1e-9), budget, seconds[0] - best

    @staticmethod
    def _timed(trial: Trial) -> float:
        """Return the seconds of one call; the first and the second are the trial's own, which are judged."""
        start = time.perf_counter()
        if "first" not in vars(trial):
            _ = trial.first
        elif "second" not in vars(trial):
            _ = trial.second
        else:
            trial.call(trial.x.array, trial.w.array)
        return time.perf_counter() - start


def _by_weight(*, exact: bool) -> list[str]:
    """Return the names of the styles for integers, or of the others, each as often as its weight says."""
    chosen = [entry for entry in styles if (entry.traits["stage"] == "exact") == exact]
    return [entry.name for entry in chosen for _ in range(entry.traits.get("weight", 1))]


_EXACT, _OTHERS = _by_weight(exact=True), _by_weight(exact=False)
