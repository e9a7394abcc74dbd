"""Timing: rounds over all that take part, so that whatever disturbs the machine disturbs all of them, and ratios within a round."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from convverify.compare.options import LEAST_ROUNDS
from convverify.compare.turns import Turn

_SAMPLE = 0.005  # seconds of calls in a round: several of what is quick,
_MOST = 4  # at the most
_WARMED = 0.05  # seconds: what is quicker is called once more before each call, to have its own data in the caches
Take = Callable[[bool], Turn]  # a call, after one that warms up where that is wanted


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of some values (linear interpolation between them)."""
        low, median, high = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
        return cls(median, low, high)

    @property
    def relative(self) -> float:
        """The distance of the quartiles as a fraction of the median."""
        return (self.high - self.low) / self.median if self.median else 0.0


@dataclass(frozen=True)
class Samples:
    """Seconds of one call, a sample for each round; how many calls each is the median of; processor seconds for each second; and the share
    of the seconds that were used before the clock started."""

    seconds: tuple[float, ...]
    calls: int
    processors: float
    before: float = 0.0

    def ratios(self, other: Samples) -> tuple[float, ...]:
        """Return the ratios to another's samples of the same rounds."""
        return tuple(mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=False))

    def less(self, empty: Spread) -> Samples:
        """Return the samples without the cost of an empty call; what is left is no less than that is known to."""
        least = max(empty.high - empty.low, 1e-9)
        return replace(self, seconds=tuple(max(seconds - empty.median, least) for seconds in self.seconds))

    def times(self, factor: float) -> Samples:
        """Return the samples of a smaller problem extrapolated."""
        return replace(self, seconds=tuple(seconds * factor for seconds in self.seconds))


@dataclass
class _Taken:
    seconds: list[float] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)


def calls_of(estimate: float) -> int:
    """Return how many calls a sample is the median of."""
    return max(1, min(_MOST, round(_SAMPLE / max(estimate, 1e-7))))


def rounds_for(estimates: Mapping[str, Turn], rounds: int, max_time: float) -> int:
    """Return how many rounds fit into `max_time` seconds: `rounds` at most, three at least."""
    each = sum(calls_of(turn.seconds) * turn.cost for turn in estimates.values())
    return max(LEAST_ROUNDS, min(rounds, int(max_time / max(each, 1e-9))))


def estimate(take: Take) -> Turn:
    """Return a call like those that will be timed, after some that warm up."""
    best = min((take(False), take(False)), key=lambda turn: turn.seconds)
    for _ in range(2):
        if best.seconds > _WARMED:
            break
        best = take(True)
    return best


def interleaved(takers: Mapping[str, Take], estimates: Mapping[str, float], rounds: int) -> dict[str, Samples]:
    """Time all in rounds; `estimates` are seconds of a call, from earlier ones, which have warmed them up.

    From round to round the order is rotated by one place, and every other round runs backwards, so no kernel always follows the same one.
    """
    names = list(takers)
    taken = {name: _Taken() for name in names}
    with _without_collection():
        for number in range(rounds):
            for name in _order(names, number):
                turns = [takers[name](estimates[name] < _WARMED) for _ in range(calls_of(estimates[name]))]
                taken[name].turns += turns
                taken[name].seconds.append(float(np.median([turn.seconds for turn in turns])))
    return {name: _samples(one, calls_of(estimates[name])) for name, one in taken.items()}


def _samples(taken: _Taken, calls: int) -> Samples:
    wall = sum(turn.seconds for turn in taken.turns)
    processor, before = (sum(getattr(turn, name) for turn in taken.turns) for name in ("processor", "before"))
    return Samples(tuple(taken.seconds), calls, processor / wall, before / wall)


def _order(names: list[str], number: int) -> list[str]:
    shift = number % len(names)
    rotated = names[shift:] + names[:shift]
    return rotated[::-1] if number % 2 else rotated


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep the garbage collector from running in the middle of a sample."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
