"""Probing: the verdict on one case, after others where need be, from a host that is fresh or has been used."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from convverify.campaign.session import Session
from convverify.host.process import CannotLoad, Death
from convverify.judging.findings import Finding
from convverify.judging.properties import judge
from convverify.judging.script import Arena
from convverify.judging.trial import Floats, Trial
from convverify.operands.case import Case

BATCH = 16  # cases in one script: waking another process costs as much as a small case
_FEW = 4  # in one script, of a kernel that may be slow
_WEIGHT = 1 << 19  # multiply-adds of the cases of one script together, where there are several


@dataclass(frozen=True)
class Probe:
    """What a probe came to: a finding or none, the host's death where it died, and which properties were judged."""

    finding: Finding | None = None
    died: Death | None = None
    judged: dict[str, bool] = field(default_factory=dict)
    refused: bool = False  # NotImplementedError
    too_large: bool = False


class Prober:
    """Asks a session about single cases."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.probes = 0

    def fresh(self) -> None:
        """See to it that the next probe meets a kernel that has never been called."""
        self.session.fresh()

    def probe(
        self, case: str, *, properties: tuple[str, ...] | None = None, history: tuple[str, ...] = (), timeout: float | None = None,
        thorough: bool = True,
    ) -> Probe:  # fmt: skip
        """Return the verdict on a case, after the cases of `history`; `timeout` is what one call may take, in seconds."""
        self.probes += 1
        session = self.session
        if session.dead or session.on_the_way:
            session.fresh()
        usual, session.timeout = session.timeout, timeout or session.timeout
        try:
            for batch in in_batches(Case.parse(line) for line in history):
                session.submit([self._trial(earlier, thorough=False) for earlier in batch])
                if (death := session.collect().death) is not None:
                    return Probe(died=death)
            trial = self._trial(Case.parse(case), thorough=thorough)
            session.submit([trial], properties)
            done = session.collect()
            if done.death is not None:
                return Probe(died=done.death)
            if done.too_large:
                return Probe(too_large=True)
            judged, finding = judge(trial, properties)
            return Probe(finding, None, judged, trial.first.unsupported)
        except CannotLoad:
            return Probe()
        finally:
            session.timeout = usual

    def _trial(self, case: Case, *, thorough: bool) -> Trial:
        return Trial(self.session.kernel, case, thorough=thorough)

    def calls_until_wrong(self, case: str, calls: int, seconds: float) -> int:
        """Return the number of the first call on a case, of a kernel never called before, that goes wrong; 0 for none."""
        self.fresh()
        deadline, numbers = time.monotonic() + seconds, iter(range(1, calls + 1))
        while time.monotonic() < deadline and (several := list(itertools.islice(numbers, 25))):
            trial = self._trial(Case.parse(case), thorough=True)

            def many(trial: Trial, memory: Arena, several: list[int] = several) -> None:
                plan = trial.lay_out(memory)
                for number in several[1:]:
                    plan.call(f"call {number}")

            self.session.submit([trial], lay_out=many)
            if self.session.collect().death is not None:
                return 0
            for number, seen in zip(several, trial.observed.values(), strict=False):
                if seen.unsupported:
                    return 0
                result = None if seen.result is None else trial.nhwc(seen.result)
                if result is None or result.shape != trial.problem.output_shape or trial.wrong_elements(result).any():
                    return number
        return 0

    def output(self, case: Case) -> Floats | None:
        """Return the kernel's result (float64, NHWC) on a case, right or wrong; None without one, or outside its domain.

        A kernel that has died, here or before, is not called: its death would prove nothing.
        """
        session = self.session
        if session.dead or not session.kernel.explores(case.problem):
            return None
        trial = self._trial(case, thorough=False)
        session.submit([trial], ())
        if session.collect().death is not None:
            return None
        values = trial.first_values
        return values.astype(np.float64) if values is not None and trial.first.is_float else None

    def outputs(self, lines: list[str], seconds: float = math.inf) -> list[tuple[Case, Floats]]:
        """Return the kernel's results (float64, NHWC) on those cases on which it is wrong, up to the one that it dies of.

        Where it takes so many seconds, the cases that are left are not asked for.
        """
        deadline = time.monotonic() + seconds
        failures = []
        if self.session.dead or self.session.on_the_way:
            self.session.fresh()
        for batch in in_batches((Case.parse(line) for line in lines), _FEW):
            trials = [self._trial(case, thorough=False) for case in batch]
            self.session.submit(trials, ())
            done = self.session.collect()
            for trial in done.trials[: done.done]:
                values = trial.first_values
                if values is not None and trial.first.is_float and not (trial.answered and trial.value_fault is None):
                    failures.append((trial.case, values.astype(np.float64)))
            if done.death is not None or time.monotonic() > deadline:
                break
        return failures


def in_batches(cases: Iterable[Case], size: int = BATCH) -> Iterator[list[Case]]:
    """Yield cases in lists of at most `size`, and of no more than one where they are large."""
    batch: list[Case] = []
    weight = 0
    for case in cases:
        if batch and (len(batch) >= size or weight + case.problem.macs > _WEIGHT):
            yield batch
            batch, weight = [], 0
        batch.append(case)
        weight += case.problem.macs
    if batch:
        yield batch
