"""A session: one kernel in its host, with two batches on the way: one that the host works on, and one that the judge prepares.

Trials go in and come out with what was observed.  Where the host dies, the session says at which trial.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from convverify.campaign.patience import PER_MAC, patience
from convverify.host.inprocess import LocalHost
from convverify.host.process import Death, Host
from convverify.judging.kernel import Kernel
from convverify.judging.observation import records_of
from convverify.judging.properties import prepare
from convverify.judging.script import Arena, NoRoom, Plan
from convverify.judging.trial import Seen, Trial, read_record

AnyHost: TypeAlias = Host | LocalHost
Layout: TypeAlias = Callable[[Trial, Arena], None]

FIRST = 10.0  # times the limit of a call, or times what a first call has taken, that the first call in a process may take: it may compile
_FIRST_KEPT, _KEEP_EVERY = 16, 20  # cases in a process whose results are kept: the first ones, then one in so many
AGAIN = 5.0  # times the limit that a call may take which took too long before, and is tried once more


@dataclass
class Batch:
    """Trials that go together.  `done` of them, from the first on, have been carried out; then the host died, where there is a `death`.

    `too_large` are those that do not fit into the shared memory, `lost` those behind this batch that a dead host will not come to.
    """

    number: int
    trials: list[Trial]
    done: int = 0
    death: Death | None = None
    collected: bool = False
    too_large: list[Trial] = field(default_factory=list)
    lost: list[Trial] = field(default_factory=list)


class Session:
    """One kernel, called through its host."""

    def __init__(self, host: AnyHost, kernel: Kernel, timeout: float) -> None:
        """`timeout` is in seconds, for one call."""
        self.host, self.kernel, self.timeout = host, kernel, timeout
        self.warm_up = 0.0  # seconds that a call took for the first time, beyond another one
        self.patience = 1.0  # times the limit, without what a case allows besides
        self.per_mac = PER_MAC  # seconds that a call may take for each multiply-add
        self.dead = False
        self.calls = 0
        self._first = math.inf  # seconds that a first call in a process has taken at the most
        self._cases = 0
        self._kept: dict[int, str] = {}  # the cases whose results the host keeps
        self._arenas = Arena(host.mapping, 0), Arena(host.mapping, 1)
        self._waiting: deque[Batch] = deque()

    def fresh(self) -> None:
        """See to it that the kernel has never been called; what was on the way is forgotten."""
        self._waiting.clear()
        self.host.fresh()
        self._renewed()

    def _renewed(self) -> None:
        self.dead, self.calls, self._cases = False, 0, 0
        self._kept.clear()

    @property
    def renews_quickly(self) -> bool:
        """Whether `fresh` takes milliseconds."""
        return bool(getattr(self.host, "described", {}).get("forks"))

    @property
    def on_the_way(self) -> int:
        """How many batches have been submitted and not been returned."""
        return len(self._waiting)

    def submit(self, trials: Sequence[Trial], names: tuple[str, ...] | None = None, lay_out: Layout | None = None) -> None:
        """Lay out trials with what their properties want to be called, and hand them to the host; those that do not fit are left out."""
        arena = self._arenas[self.host.next_slot]
        arena.reset()
        fitting: list[Trial] = []
        too_large: list[Trial] = []
        for trial in trials:
            trial.ask = self.ask
            try:
                if lay_out is not None:
                    lay_out(trial, arena)
                else:
                    prepare(trial, arena, names)
                    self._keep(trial)
                fitting.append(trial)
            except NoRoom:
                too_large.append(trial)
        script = json.dumps({"cases": [trial.plan.to_json() for trial in fitting]}).encode()
        self._waiting.append(Batch(self.host.submit(script, arena.used), fitting, too_large=too_large))

    def _keep(self, trial: Trial) -> None:
        """Let the host look at results that it has kept, and keep this one where it is its turn."""
        self._cases += 1
        is_kept = self._cases <= _FIRST_KEPT or not self._cases % _KEEP_EVERY
        trial.plan.keep("first", self._cases * is_kept)
        if is_kept:
            self._kept[self._cases] = str(trial.case)

    def is_done(self) -> bool:
        """Return whether `collect` need not wait."""
        return bool(self._waiting) and (self._waiting[0].collected or self.host.is_done(self._waiting[0].number))

    def collect(self) -> Batch:
        """Wait for the earliest batch on the way, and return it."""
        self._collect(self._waiting[0])
        batch = self._waiting.popleft()
        if batch.death is not None:
            batch.lost = [trial for behind in self._waiting for trial in (*behind.trials, *behind.too_large)]
            self._waiting.clear()
        return batch

    def _collect(self, batch: Batch) -> None:
        """Take in what the host recorded of a batch, before its memory is used again."""
        if batch.collected:
            return

        def limit(case: int, step: int) -> float:
            trials = batch.trials
            line = str(trials[min(case, len(trials) - 1)].case) if trials else ""
            limit = self.timeout * self.patience
            seconds = patience(limit, line, self.warm_up, self.per_mac) if line else limit
            first = self.calls == 0 and case == 0 and step == 0
            return max(seconds, FIRST * min(self.timeout, self._first) if first else 0.0)

        reply = self.host.collect(batch.number, limit)
        steps = [len(trial.plan.steps) for trial in batch.trials]
        for trial, record in zip(batch.trials, records_of(reply.records, steps), strict=False):
            trial.take(record)
            trial.spoiled = next((self._kept[number] for number in trial.first.spoiled if number in self._kept), "")
            self._learn(trial)
            batch.done += 1
        if not self.calls and batch.done:
            seconds = batch.trials[0].first.seconds
            self._first = seconds if self._first == math.inf else max(self._first, seconds)
        self.calls += batch.done
        batch.death, batch.collected = reply.death, True
        if reply.death is not None:
            self.dead = True
        else:
            for trial in batch.trials[batch.done :]:  # their records were lost, which no honest host does
                trial.take(None)
                batch.done += 1

    def _learn(self, trial: Trial) -> None:
        """Learn from calls that took much longer than the same call did later: the kernel prepares itself for a kind of problem."""
        first, later = trial.observed.get("first"), trial.observed.get("call 2")
        if first is not None and first.seconds > 0.1 and (later is None or first.seconds > 4 * later.seconds):
            self.warm_up = max(self.warm_up, first.seconds - (later.seconds if later else 0.0))

    def ask(self, trial: Trial, add: Callable[[Plan], None]) -> Seen:
        """Call the kernel once more for a trial that has been carried out, behind what is on the way; return what was observed."""
        for batch in self._waiting:
            self._collect(batch)
            if batch.death is not None:
                break
        if self.dead:
            self.host.fresh()
            self._renewed()
        arena = self._arenas[self.host.next_slot]
        arena.reset()
        try:
            plan = Plan(trial.kernel, trial.case, arena)
            add(plan)
        except NoRoom:
            return {}
        number = self.host.submit(json.dumps({"cases": [plan.to_json()]}).encode(), arena.used)
        limit = patience(self.timeout, str(trial.case), self.warm_up, self.per_mac)
        reply = self.host.collect(number, lambda case, step: limit)
        self.calls += 1
        if reply.death is not None:
            self.dead = True
        records = records_of(reply.records, [len(plan.steps)])
        return read_record(plan, records[0])[0] if records else {}
