"""Progress while a campaign runs: a live bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from convverify.campaign.campaign import shards_of
from convverify.campaign.events import Event, Found, Phase, Slow, Started
from convverify.campaign.events import Progress as Counts
from convverify.campaign.options import Options
from convverify.campaign.statistics import Statistics
from convverify.judging.kernel import declaring
from convverify.problems.domain import Domain

_PLAIN_EVERY = 60.0  # seconds: a reader of a log wants the report; a waiting one wants to see that the run is alive
_COUNTED_AFTER = 2.0  # seconds, after which the total is worth the tenth of a second that it costs


class TerminalProgress:
    """Listens to a campaign: a live bar on a terminal, a plain line a minute elsewhere (if `verbose`, one for each phase, too)."""

    def __init__(self, console: Console, options: Options, *, verbose: bool = False) -> None:
        self.console, self.options, self._verbose = console, options, verbose
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._counts: dict[int, Statistics] = {}
        self._started: Started | None = None
        self._total = 0
        self._phase, self._found = "starting", 0
        self._begun = self._told = time.monotonic()
        if console.is_terminal or console.is_jupyter:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(12),
                MofNCompleteColumn(),
                TextColumn("problems"),
                TextColumn("{task.fields[left]}", markup=False),
            )
            self._bar = Progress(*columns, console=console, transient=True)
            self._task = self._bar.add_task("starting", total=None, left="")
            self._bar.start()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Started):
            self._started = self._started or event
        elif isinstance(event, Phase):
            self._phase = event.name
            self._show(force=self._verbose)
        elif isinstance(event, Slow):
            self.console.print(event.sentence, highlight=False, soft_wrap=True, markup=False)
        elif isinstance(event, Counts):
            self._counts[event.worker] = event.statistics
            self._show()
        elif isinstance(event, Found):
            self._found += 1
            self._show(force=self._verbose and self._found == 1)

    def _show(self, *, force: bool = False) -> None:
        problems = sum(counts.problems for counts in self._counts.values())
        if self._bar is not None:
            total = self._known_total(problems)
            self._bar.update(
                self._task, description=self._phase + self._findings(), completed=problems, total=total or None,
                left=self._left(problems, total),
            )  # fmt: skip
        elif (now := time.monotonic()) - self._told > _PLAIN_EVERY or force:
            self._told = now
            text = f"{self._phase}: {problems} problems in {now - self._begun:.0f} s{self._findings()}"
            self.console.print(text, highlight=False)

    def _findings(self) -> str:
        return f", {self._found} failed" if self._found else ""

    def _known_total(self, problems: int) -> int:
        """Return how many problems there will be at most; 0 while that is not known."""
        if not self._total and self._started is not None and time.monotonic() - self._begun > _COUNTED_AFTER:
            self._total = total_problems(self.options, self._started)
        return max(self._total, problems) if self._total else 0

    def _left(self, problems: int, total: int) -> str:
        """Return for how long the campaign goes on at most."""
        passed = time.monotonic() - self._begun
        left = self.options.max_time - passed
        if total and problems:
            left = min(left, (total - problems) * passed / problems)
        return "" if self._phase == "shrinking" else f"up to {max(left, 1.0):.0f} s left"

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


def total_problems(options: Options, started: Started) -> int:
    """Return the number of different problems that a campaign tries if the time suffices."""
    drawn = sum(count for _, count in shards_of(options))
    domain = Domain.of(started.domain or None)
    if options.problems or options.suite:
        from convverify.problems.suites import find_suite

        layers = len(find_suite(options.suite, options.batch)) if options.suite else 0
        return (len(options.problems) + layers) * len(domain.dtypes)
    from convverify.generation.edge_cases import corner_cases

    kernel = declaring(started.keywords, domain)
    whole = None if domain.degenerate is True else False
    return drawn + len({case.problem for case in corner_cases(kernel, domain.dtypes, started.max_macs, degenerate=whole)})
