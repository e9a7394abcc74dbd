"""Events: what a campaign tells while it runs.  Reporters listen to them; a worker writes them as lines of JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from convverify.campaign.statistics import Statistics


@dataclass(frozen=True)
class Started:
    """The kernel is loaded: what of a problem it declares, the budget of multiply-adds it is given, its speed, and the seconds that its
    first call took beyond another (a kernel that compiles itself takes long)."""

    keywords: tuple[str, ...]
    data_format: str
    accuracy: str
    max_macs: int
    macs_per_second: float
    warm_up: float = 0.0
    spellings: dict[str, str] = field(default_factory=dict)


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
    """A case has refuted a property."""

    case: str
    property: str
    sentence: str
    number: int = 0
    history: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReferenceWrong:
    """A reference departs from exact arithmetic, or failed."""

    reference: str
    case: str
    sentence: str


@dataclass(frozen=True)
class Failed:
    """Nothing could be done: a wrong target (kind "usage"), or a reference that cannot be had (kind "reference")."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Finished:
    """The worker has done all that it was asked to do; `reason` is "done", "time" or "found"."""

    reason: str
    statistics: Statistics = field(default_factory=Statistics)


Event: TypeAlias = Started | Phase | Progress | Found | ReferenceWrong | Failed | Finished
Listener: TypeAlias = Callable[[Event], None]
_TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in (Started, Phase, Progress, Found, ReferenceWrong, Failed, Finished)}


def to_line(event: Event) -> str:
    """Return the event as one line of JSON."""
    data: dict[str, Any] = {item.name: getattr(event, item.name) for item in dataclasses.fields(event)}
    if "statistics" in data:
        data["statistics"] = data["statistics"].to_json()
    return json.dumps({"type": type(event).__name__, **data})


def from_line(line: str) -> Event:
    """Return the event that `to_line` wrote; ValueError for anything else."""
    data = json.loads(line)
    kind = _TYPES[data.pop("type")]
    if "statistics" in data:
        data["statistics"] = Statistics.from_json(data["statistics"])
    event: Event = kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in data.items()})
    return event
