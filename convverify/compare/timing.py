"""Timing: rounds over all that take part, so that whatever disturbs the machine disturbs all of them, and ratios within a round."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from convverify.compare.options import LEAST_ROUNDS

_SAMPLE = 0.005  # seconds that a sample takes at least: many calls of what is quick
_LEAD = 0.05  # seconds: what is quicker is called once more before each sample, to have its own data in the caches


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
    """Seconds of one call, a sample for each round; how many calls each is the mean of, and processor seconds for each second.

    `last` is what the last call returned.
    """

    seconds: tuple[float, ...]
    calls: int
    processors: float
    last: Any = None

    def ratios(self, other: Samples) -> tuple[float, ...]:
        """Return the ratios to another's samples of the same rounds."""
        return tuple(mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=False))


@dataclass
class _Counter:
    """What one thunk has used so far, in seconds."""

    seconds: list[float]
    processor: float = 0.0
    wall: float = 0.0


class CallFailed(Exception):
    """A call that was to be timed has raised an exception, its cause."""

    def __init__(self, name: str) -> None:
        self.name = name


def rounds_for(estimates: Mapping[str, float], rounds: int, max_time: float) -> int:
    """Return how many rounds fit into `max_time` seconds: `rounds` at most, three at least."""
    each = sum(_calls(estimate) * estimate + (estimate if estimate < _LEAD else 0.0) for estimate in estimates.values())
    return max(LEAST_ROUNDS, min(rounds, int(max_time / max(each, 1e-9))))


def _calls(estimate: float) -> int:
    return max(1, round(_SAMPLE / max(estimate, 1e-7)))


def interleaved(thunks: Mapping[str, Callable[[], Any]], estimates: Mapping[str, float], rounds: int) -> dict[str, Samples]:
    """Time all thunks in rounds; `estimates` are seconds of a call, from earlier ones, which have warmed them up.

    From round to round the order is rotated by one place, and every other round runs backwards, so that nobody always follows the same.
    Raises CallFailed, from what a thunk raises.
    """
    names = list(thunks)
    calls = {name: _calls(estimates[name]) for name in names}
    counters = {name: _Counter([]) for name in names}
    last: dict[str, Any] = {}
    with _without_collection():
        for number in range(rounds):
            for name in _order(names, number):
                thunk, counter = thunks[name], counters[name]
                last[name] = None  # what the kernel returned before goes back to the allocator first
                try:
                    if estimates[name] < _LEAD:
                        thunk()
                    processor, start = time.process_time(), time.perf_counter()
                    for _ in range(calls[name] - 1):
                        thunk()
                    last[name] = thunk()
                    wall = time.perf_counter() - start
                except (Exception, SystemExit) as error:
                    raise CallFailed(name) from error
                counter.processor += time.process_time() - processor
                counter.wall += wall
                counter.seconds.append(wall / calls[name])
    return {
        name: Samples(tuple(counter.seconds), calls[name], counter.processor / counter.wall, last[name])
        for name, counter in counters.items()
    }


def estimate(name: str, thunk: Callable[[], Any]) -> float:
    """Return the seconds of a call, after one that warms up.  Raises CallFailed, from what the thunk raises."""
    best = float("inf")
    try:
        thunk()
        for _ in range(3):
            start = time.perf_counter()
            thunk()
            best = min(best, time.perf_counter() - start)
            if best > _LEAD:
                break
    except (Exception, SystemExit) as error:
        raise CallFailed(name) from error
    return best


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
