"""Events: what a campaign tells its listeners while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from convverify.campaign.statistics import Statistics
from convverify.host.process import Death, EndedFromOutside


@dataclass(frozen=True)
class Started:
    """The kernel is loaded: what of a problem it declares, the budget of multiply-adds it is given, its speed, and the seconds that its
    first call took beyond another (a kernel that compiles itself takes long); its domain, and the properties that it is not judged by."""

    keywords: tuple[str, ...]
    data_format: str
    accuracy: str
    max_macs: int
    macs_per_second: float
    warm_up: float = 0.0
    spellings: dict[str, str] = field(default_factory=dict)
    domain: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Phase:
    """A phase begins: "earlier counterexamples", "edge cases", "few problems", "chosen problems", "random problems", "large problems",
    "degenerate problems", "waiting for references" or "shrinking"."""

    name: str


@dataclass(frozen=True)
class Slow:
    """The kernel is slow: the `cases` on a few `problems` that come first, one call each, take about `seconds`; `first` is what the
    first call on a problem takes, `later` another one."""

    first: float
    later: float
    problems: int
    cases: int
    seconds: float

    @property
    def sentence(self) -> str:
        """What a reader should know of it."""
        compiles = self.first > 4 * self.later
        how = f"the first call on each problem takes about {self.first:.2g} s" if compiles else f"a call takes about {self.first:.2g} s"
        return f"{how}: {self.cases} cases on {self.problems} problems come first, one call each, in about {self.seconds:.0f} s"


@dataclass(frozen=True)
class Progress:
    """Counts so far, cumulative for one worker, whose number the supervisor fills in."""

    statistics: Statistics
    worker: int = 0


@dataclass(frozen=True)
class Found:
    """A case has refuted a property; `death` is how the kernel's process ended, where it did (a kind of `host.process`);
    `apart` says that the case is degenerate, and that such cases do not refute this kernel."""

    case: str
    property: str
    sentence: str
    number: int = 0
    history: tuple[str, ...] = ()
    death: str = ""
    apart: bool = False


@dataclass(frozen=True)
class Met:
    """A case has shown a known fault, of this number, which is muted."""

    fault: int
    case: str


@dataclass(frozen=True)
class ReferenceWrong:
    """A reference departs from exact arithmetic, or failed."""

    reference: str
    case: str
    sentence: str


@dataclass(frozen=True)
class Failed:
    """Nothing more could be done: a wrong target (kind "usage"), processes that somebody ends ("outside"), a reference that is not
    available ("reference"), a contradiction within our own exact arithmetic ("oracle"), or anything else ("internal")."""

    kind: str
    sentence: str

    @classmethod
    def of(cls, error: Exception) -> Failed:
        """Return what the user is told where a target cannot be loaded."""
        return cls("outside" if isinstance(error, EndedFromOutside) else "usage", str(error))


@dataclass(frozen=True)
class Finished:
    """A judge has done all that it was asked to do; `reason` is "done", "time" or "found", `sample` some cases on which the kernel was
    right, `edges` whether all cases that do not depend on chance have been tried, `needed` about how many seconds those of a suite take
    (0: unknown)."""

    reason: str
    statistics: Statistics = field(default_factory=Statistics)
    sample: tuple[str, ...] = ()
    edges: bool = True
    needed: float = 0.0


@dataclass(frozen=True)
class Warned:
    """Something that a reader of the report should know, and that is not a finding."""

    sentence: str

    @classmethod
    def of_load(cls, death: Death) -> Warned:
        """Return what a reader should know of a process that ended while it loaded a kernel, which was loaded when that was tried again."""
        return cls(f"the kernel's process ended once while loading ({death}), and not when it was started again")


Event: TypeAlias = Started | Phase | Slow | Progress | Found | Met | ReferenceWrong | Failed | Finished | Warned
Listener: TypeAlias = Callable[[Event], None]
