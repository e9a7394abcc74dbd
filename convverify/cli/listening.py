"""What a campaign has told so far, so that a report can be made of it whatever becomes of the campaign."""

from __future__ import annotations

import time

from convverify.campaign.events import Event, Found, Listener, Progress, ReferenceWrong, Started, Warned
from convverify.campaign.options import Options
from convverify.campaign.report import Counterexample, Report
from convverify.campaign.statistics import Statistics
from convverify.campaign.versions import environment

_REPORTED = 3  # findings, each of another property


class Heard:
    """Passes a campaign's events on, and keeps what a report needs."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.listener: Listener | None = None
        self._begun = time.perf_counter()
        self._statistics: dict[int, Statistics] = {}
        self._found: dict[str, Found] = {}
        self._apart: dict[str, Found] = {}
        self._faults: list[ReferenceWrong] = []
        self._warnings: dict[str, None] = {}
        self._started: Started | None = None

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        if isinstance(event, Progress):
            self._statistics[event.worker] = event.statistics
        elif isinstance(event, Found):
            (self._apart if event.apart else self._found).setdefault(event.property, event)
        elif isinstance(event, ReferenceWrong):
            self._faults.append(event)
        elif isinstance(event, Started):
            self._started = self._started or event
        elif isinstance(event, Warned):
            self._warnings[event.sentence] = None
        if self.listener is not None:
            self.listener(event)

    def report(self, verdict: str, sentence: str) -> Report:
        """Return a report of what was heard: findings as they were found, neither confirmed nor shrunk."""
        total = Statistics()
        for statistics in self._statistics.values():
            total.merge(statistics)
        examples = [
            Counterexample(found.case, found.property, found.sentence, found.case, reproduced=False)
            for found in list(self._found.values())[:_REPORTED]
        ]
        return Report(
            verdict, self.options, total, tuple(examples), tuple(self._faults), self._started, sentence,
            time.perf_counter() - self._begun, tuple(self._warnings), environment=environment(), degenerate=tuple(self._apart.values()),
        )  # fmt: skip
