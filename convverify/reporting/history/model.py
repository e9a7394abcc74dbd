"""What was measured: commits, and for each benchmark and parameters a series of points over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MORE_IS_BETTER = frozenset({"GFLOP/s", "GB/s"})  # units; of everything else, less is


@dataclass(frozen=True)
class Commit:
    """A commit of the project: its hash, its date as YYYY-MM-DD, and the first line of its message ("" where git does not know it)."""

    hash: str
    date: str
    subject: str = ""

    @property
    def short(self) -> str:
        return self.hash[:8]

    @property
    def is_merge(self) -> bool:
        """Whether git has written its message, of branches and places that say nothing to others."""
        return self.subject.startswith("Merge ")

    @property
    def about(self) -> str:
        """What the commit is about."""
        return "a merge" if self.is_merge else self.subject


@dataclass(frozen=True)
class Point:
    """What one benchmark came to at one commit; `commit` is the commit's place in the history.

    `value` is None where the benchmark failed.  A commit where it is n/a, or was not run, has no point.  `low` and `high` are the
    quartiles of the samples, and equal to the value where there is one sample.
    """

    commit: int
    value: float | None
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True)
class Series:
    """The points of one benchmark with one choice of parameters, in the order of the commits.

    `name` is asv's: `file.Class.method`.  `title` is what the benchmark says of itself: "kernel: question".
    """

    name: str
    title: str
    unit: str
    parameters: tuple[str, ...]
    points: tuple[Point, ...]

    @property
    def topic(self) -> str:
        """The file of the benchmark: what it is about."""
        return self.name.partition(".")[0]

    @property
    def kernel(self) -> str:
        """The kernel that the benchmark is of; "" for what is of none."""
        kernel, colon, _ = self.title.partition(": ")
        return kernel if colon else ""

    @property
    def problem(self) -> str:
        """The problem that it is measured on; "" without parameters."""
        return self.parameters[0] if self.parameters else ""

    @property
    def more_is_better(self) -> bool:
        return self.unit in MORE_IS_BETTER

    @property
    def last(self) -> Point | None:
        """The newest point."""
        return self.points[-1] if self.points else None

    @property
    def label(self) -> str:
        """One line that says what this is."""
        return self.title + (f", {', '.join(self.parameters)}" if self.parameters else "")


@dataclass(frozen=True)
class History:
    """All that one machine measured in one environment; `others` says in sentences what results were left out, `damaged` which files."""

    machine: str
    details: str
    environment: str
    commits: tuple[Commit, ...]
    series: tuple[Series, ...]
    others: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    def of(self, topic: str, method: str = "") -> Iterator[Series]:
        """Yield the series of a topic, and of one of its benchmarks alone where `method` names it."""
        for series in self.series:
            if series.topic == topic and (not method or series.name.rpartition(".")[2] == method):
                yield series
