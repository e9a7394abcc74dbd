"""References: kernels in hosts of their own, asked about the cases that the kernel has been tried on.

They start with the campaign, which does not wait for them: cases tried before one is loaded wait in a queue.  What a reference says is
held against exact arithmetic before a kernel is held against it.  One that dies is started again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from convverify.campaign.probing import in_batches
from convverify.campaign.session import Session
from convverify.host.process import CannotLoad, Host
from convverify.judging.findings import ReferenceFault
from convverify.judging.kernel import Kernel
from convverify.judging.script import Arena
from convverify.judging.trial import Times, Trial
from convverify.operands.case import Case
from convverify.operands.layouts import PLAIN

TIMEOUT = 60.0  # seconds for one call of a reference
_QUEUE = 128 << 20  # bytes of trials that wait for a reference
_DEATHS_IN_A_ROW = 5
_OPINION = 8.0  # seconds to wait for a reference that is to be asked about a counterexample


class ReferenceLost(RuntimeError):
    """A reference that cannot be loaded, or that dies of everything; the message is one sentence."""


@dataclass
class Reference:
    """One reference: its host, and the trials that wait for it."""

    name: str
    host: Host
    describe: Callable[[Host], Kernel]
    session: Session | None = None
    queue: deque[Trial] = field(default_factory=deque)
    asked: deque[list[tuple[Trial, Trial]]] = field(default_factory=deque)
    size: int = 0
    deaths: int = 0
    deaths_in_a_row: int = 0
    answers: int = 0
    loaded_after: float = 0.0


class References:
    """All references of a campaign."""

    def __init__(self, references: list[Reference], times: Times, tell: Callable[[ReferenceFault], None]) -> None:
        """`tell` hears of references that die."""
        self.all, self._times, self._tell = references, times, tell
        self._begun = time.perf_counter()
        for reference in references:
            reference.host.start()

    @property
    def waiting(self) -> bool:
        """Whether a trial waits for an answer."""
        return any(reference.queue or reference.asked for reference in self.all)

    @property
    def are_loaded(self) -> bool:
        """Whether all references can be asked."""
        return all(reference.session is not None for reference in self.all)

    def enqueue(self, trial: Trial) -> None:
        """Let all references be asked about a trial."""
        for reference in self.all:
            reference.queue.append(trial)
            reference.size += trial.size

    def pump(self, seconds: float = 0.0) -> Iterator[Trial]:
        """Ask what can be asked, and yield the trials that have been answered; wait for at most `seconds` for a reference to be loaded.

        Where too much waits, wait until it has become less.  Raises ReferenceLost.
        """
        for reference in self.all:
            if not self.loaded(reference, self.load_limit(reference, seconds)):
                continue
            yield from self._exchange(reference, wait=reference.size > _QUEUE)

    def load_limit(self, reference: Reference, seconds: float) -> float:
        """Return how long a reference may be waited for: as long as it takes, where too much waits for it already."""
        return float("inf") if reference.size > _QUEUE else seconds

    def drain(self) -> Iterator[Trial]:
        """Wait until all trials have been answered, and yield them.  Raises ReferenceLost."""
        for reference in self.all:
            self.loaded(reference, float("inf"))
            while reference.queue or reference.asked:
                yield from self._exchange(reference, wait=True)

    def loaded(self, reference: Reference, seconds: float) -> bool:
        """Return whether a reference can be asked, after at most `seconds`.  Raises ReferenceLost."""
        if reference.session is None:
            try:
                if not reference.host.ready(seconds):
                    return False
                kernel = reference.describe(reference.host)
            except (CannotLoad, TypeError, ValueError) as error:
                raise ReferenceLost(f"the reference is not available: {error}") from None
            reference.loaded_after = time.perf_counter() - self._begun
            reference.session = Session(reference.host, kernel, TIMEOUT)
        return True

    def _exchange(self, reference: Reference, *, wait: bool) -> Iterator[Trial]:
        """Keep two batches with the reference; yield what has been answered."""
        session = reference.session
        assert session is not None
        while True:
            while session.on_the_way < 2 and reference.queue:
                self._ask(reference, session)
            if not reference.asked or not (wait or session.is_done()):
                return
            yield from self._answers(reference, session)
            wait = wait and reference.size > _QUEUE // 2

    def _ask(self, reference: Reference, session: Session) -> None:
        batch = next(in_batches(trial.case for trial in reference.queue))
        trials = [reference.queue.popleft() for _ in batch]
        questions = [Trial(session.kernel, trial.case.with_(layouts=(PLAIN, PLAIN), calls=1)) for trial in trials]
        reference.asked.append(list(zip(trials, questions, strict=True)))
        values = {id(question): (trial.logical(trial.x), trial.logical(trial.w)) for trial, question in reference.asked[-1]}

        def lay_out(question: Trial, memory: Arena) -> None:
            question.lay_out(memory, values[id(question)])

        session.submit(questions, lay_out=lay_out)

    def _answers(self, reference: Reference, session: Session) -> Iterator[Trial]:
        batch = session.collect()
        answered = {id(question) for question in batch.trials[: batch.done]}
        left = []
        for trial, question in reference.asked.popleft():
            if id(question) in answered:
                reference.answers += 1
                reference.deaths_in_a_row = 0
                self._times.reference += question.first.seconds
                consult(trial, reference.name, question)
            elif batch.death is not None and not any(question is other for other in batch.too_large):
                left.append(trial)
                continue
            reference.size -= trial.size
            yield trial
        if batch.death is not None:
            yield from self._died(reference, batch.death, left)

    def _died(self, reference: Reference, death: object, left: list[Trial]) -> Iterator[Trial]:
        """Tell of a death, start the reference again, and let it go on behind the trial that it died of."""
        session = reference.session
        assert session is not None
        reference.deaths += 1
        reference.deaths_in_a_row += 1
        for pairs in reversed(reference.asked):
            reference.queue.extendleft(trial for trial, _ in reversed(pairs))
        reference.asked.clear()
        reference.queue.extendleft(reversed(left))
        if reference.deaths_in_a_row >= _DEATHS_IN_A_ROW:
            raise ReferenceLost(f"the reference {reference.name} died {reference.deaths_in_a_row} times in a row; at last {death}")
        if reference.queue:
            trial = reference.queue.popleft()
            reference.size -= trial.size
            sentence = str(death).replace("the kernel", "the reference", 1)
            self._tell(ReferenceFault(reference.name, str(trial.case), f"{sentence} while it computed this case"))
            yield trial
        session.fresh()

    def close(self) -> None:
        """End all hosts."""
        for reference in self.all:
            reference.host.close()


def opinion(references: References, case: Case, *, expected: bool) -> str:
    """Return in a sentence what the first reference says on a case that refutes a kernel, or ""; that it is right only where the result
    that was `expected` is shown."""
    reference = next((one for one in references.all if one.name != "exact"), None)
    if reference is None:
        return ""
    try:
        if not references.loaded(reference, _OPINION) or reference.session is None:
            return ""
        session = reference.session
        session.fresh() if session.dead or session.on_the_way else None
        question = Trial(session.kernel, case.with_(layouts=(PLAIN, PLAIN), calls=1))
        session.submit([question], ())
        death = session.collect().death
    except (CannotLoad, ReferenceLost, ValueError):
        return ""
    if death is not None:
        return f"{reference.name} does not survive this case itself: {death}"
    consult(question, reference.name, question)
    if question.reference_faults:
        return f"{reference.name} is wrong on this case, too: {question.reference_faults[0].sentence}"
    return f"{reference.name} gives the expected result" if question.theirs and expected else ""


def consult(trial: Trial, name: str, question: Trial) -> None:
    """Hold what a reference answered against exact arithmetic: its result goes to `trial.theirs`, or a fault to `trial.reference_faults`.

    Neither, where the reference refuses the problem.
    """
    seen = question.first
    if seen.unsupported:
        return
    sentence = _fault(trial, question)
    if sentence:
        trial.reference_faults.append(ReferenceFault(name, str(trial.case), sentence))
    elif question.first_values is not None:
        trial.theirs[name] = question.first_values.astype(np.float64), question.kernel.accuracy


def _fault(trial: Trial, question: Trial) -> str:
    """Return what is wrong with a reference's answer, in a sentence, or ""."""
    seen = question.first
    if seen.nonsense:
        return f"what its process reports makes no sense: {seen.nonsense}"
    if seen.failure:
        return f"it {seen.failure}"
    answer = question.first_values
    if answer is None:
        return f"its result is of dtype {seen.dtype}"
    if answer.shape != trial.problem.output_shape:
        return f"its result has shape {answer.shape}; expected {trial.problem.output_shape}"
    result = answer.astype(np.float64)
    accuracy = question.kernel.accuracy
    if trial.case.stage == "exact" and accuracy == "elementwise":
        wrong = trial.wrong_elements(answer) if trial.kernel.accuracy == accuracy else result != trial.expected
    else:
        with np.errstate(all="ignore"):
            bound = trial.elementwise_bound
            wrong = ~(np.abs(result - trial.expected) <= bound) & np.isfinite(bound)
    return f"{int(wrong.sum())} of {wrong.size} elements of its result are wrong" if accuracy == "elementwise" and wrong.any() else ""
