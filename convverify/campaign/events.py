"""Events: what a campaign tells while it runs, to whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from convverify.campaign.statistics import Statistics


@dataclass(frozen=True)
class Started:
    """The kernel is loaded: what of a problem it declares, the budget of multiply-adds it is given, its speed, and the seconds that its
    first call took beyond another (a kernel that compiles itself takes long); and its domain."""

    keywords: tuple[str, ...]
    data_format: str
    accuracy: str
    max_macs: int
    macs_per_second: float
    warm_up: float = 0.0
    spellings: dict[str, str] = field(default_factory=dict)
    domain: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Phase:
    """A phase begins: "corpus", "corners", "reference", "suite" or "random"."""

    name: str


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
class ReferenceWrong:
    """A reference departs from exact arithmetic, or failed."""

    reference: str
    case: str
    sentence: str


@dataclass(frozen=True)
class Failed:
    """Nothing more could be done: a wrong target (kind "usage"), a reference that cannot be had ("reference"), a contradiction
    within our own exact arithmetic ("oracle"), or anything else ("internal")."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Finished:
    """A judge has done all that it was asked to do; `reason` is "done", "time" or "found", `sample` some cases on which the kernel was
    right, `edges` whether all cases that do not depend on chance have been tried."""

    reason: str
    statistics: Statistics = field(default_factory=Statistics)
    sample: tuple[str, ...] = ()
    edges: bool = True


@dataclass(frozen=True)
class Warned:
    """Something that a reader of the report should know, and that is nobody's fault."""

    sentence: str


Event: TypeAlias = Started | Phase | Progress | Found | ReferenceWrong | Failed | Finished | Warned
Listener: TypeAlias = Callable[[Event], None]
