"""What a campaign has done so far: counts for each property, errors, times, and pairwise coverage of features."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from convverify.judging.trial import Accuracy, Times
from convverify.operands.case import Case

_SIZES = 1000  # sizes kept: enough for a scatter plot
FEATURES = ("strides", "padding", "dilations", "groups", "dtype", "layout", "values", "size")


def features_of(case: Case) -> tuple[str, ...]:
    """Return the classes of a case, one for each of FEATURES."""
    problem = case.problem
    (a, b), (c, d) = problem.strides, problem.dilations
    largest = max(problem.batch, problem.height, problem.width, problem.in_channels, problem.out_channels)
    return (
        "1" if a == b == 1 else "equal" if a == b else "unequal",
        problem.padding if isinstance(problem.padding, str) else "EXPLICIT",
        "1" if c == d == 1 else "equal" if c == d else "unequal",
        "1" if problem.groups == 1 else "depthwise" if problem.groups == problem.in_channels else "grouped",
        problem.dtype,
        case.layouts[0] if case.layouts[0] != "contiguous" else case.layouts[1],
        case.style,
        "empty" if problem.is_empty else "large" if largest > 64 else "medium" if largest > 16 else "small",
    )


@functools.lru_cache(1 << 10)  # a long campaign meets 100,000 combinations
def _crosses_of(features: tuple[str, ...]) -> tuple[tuple[str, str, str, str], ...]:
    pairs = itertools.combinations(zip(FEATURES, features, strict=True), 2)
    return tuple((*first, *second) for first, second in pairs)


@dataclass
class Statistics:
    """Counts that add up over phases, workers and restarts.

    `histogram` counts cases of the rounding stage by their worst error as a fraction of its bound, in twentieths (20: the bound, or more);
    `sizes` holds (multiply-adds, terms) of every `sizes_every`-th case; `worst` the largest (fraction of the bound, error in ulp) for each
    (style, dtype), `wide` for each dtype with fewer bits than float32 the largest as a fraction of what sums in float32 may err by;
    `results` counts results with elements that were judged by their values, by what they are evidence of ("dtype float32",
    "strides", "reference tensorflow", ...); `too_large` counts cases that do not fit the machine, `deaths` those of the kernel's process
    that did not recur, `confirmed` the cases whose exact result a second definition has confirmed; `seconds` and `startup` are the
    campaign's and the reference's loading time.
    """

    cases: int = 0
    problems: int = 0
    unsupported: int = 0
    refused: int = 0
    too_large: int = 0
    deaths: int = 0
    confirmed: int = 0
    judged: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    mentions: Counter[str] = field(default_factory=Counter)
    crosses: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    worst: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    wide: dict[str, float] = field(default_factory=dict)
    histogram: Counter[int] = field(default_factory=Counter)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    sizes_every: int = 1
    times: Times = field(default_factory=Times)
    seconds: float = 0.0
    startup: float = 0.0

    def count(self, case: Case, judged: dict[str, bool]) -> None:
        """Add one case and what was judged on it."""
        self.cases += 1
        for name, was in judged.items():
            if was:
                self.judged[name] += 1
        if not self.cases % self.sizes_every:
            self.sizes.append((case.problem.macs, case.problem.terms))
            if len(self.sizes) > _SIZES:
                self._thin(2 * self.sizes_every)

    def count_result(self, case: Case) -> None:
        """Add a result with elements that was judged by its values."""
        problem = case.problem
        self.stages[case.stage] += 1
        self.crosses.update(_crosses_of(features_of(case)))
        self.results["all"] += 1
        self.results[f"dtype {problem.dtype}"] += 1
        self.results[f"stage {case.stage}"] += 1
        for name, neutral in (("strides", (1, 1)), ("dilations", (1, 1)), ("groups", 1)):
            if getattr(problem, name) != neutral:
                self.results[name] += 1
        if any(any(side) for side in problem.pads):
            self.results["padding"] += 1

    def reset(self) -> None:
        """Begin to count anew; `times` stays the same object."""
        times = self.times
        vars(times).update(vars(Times()))
        vars(self).update(vars(Statistics(times=times)))

    def _thin(self, every: int) -> None:
        """Keep the sizes of every `every`-th case alone, so that they stay few and stand for the whole run."""
        step = every // self.sizes_every
        self.sizes, self.sizes_every = self.sizes[step - 1 :: step], every

    def measure(self, case: Case, accuracy: Accuracy) -> None:
        """Add the errors seen on one case."""
        key = case.style, case.problem.dtype
        fraction, ulp = self.worst.get(key, (0.0, 0.0))
        self.worst[key] = max(fraction, accuracy.fraction), max(ulp, accuracy.ulp)
        if accuracy.wide:
            self.wide[case.problem.dtype] = max(self.wide.get(case.problem.dtype, 0.0), accuracy.wide)
        self.histogram[min(int(accuracy.fraction * 20), 20)] += 1

    def shares(self) -> dict[str, float]:
        """Return the campaign's seconds by what they went into; the last entry is what is left."""
        times = self.times
        known = {"kernel": times.kernel, "reference": times.reference, "exact arithmetic": times.exact, "operands": times.operands}
        return known | {"generation and judging": max(0.0, self.seconds - sum(known.values()))}

    def classes(self) -> dict[str, list[str]]:
        """Return the classes of each feature that were met at all."""
        met: dict[str, set[str]] = {name: set() for name in FEATURES}
        for a, first, b, second in self.crosses:
            met[a].add(first)
            met[b].add(second)
        return {name: sorted(names) for name, names in met.items()}

    def coverage(self) -> tuple[int, int, list[str]]:
        """Return how many pairs of feature classes were met, how many there could be, and those missed, of classes that were met at all."""
        classes = self.classes()
        missed, possible = [], 0
        for a, b in itertools.combinations(FEATURES, 2):
            for first, second in itertools.product(classes[a], classes[b]):
                possible += 1
                if not self.crosses.get((a, first, b, second)):
                    missed.append(f"{a}={first} with {b}={second}")
        return possible - len(missed), possible, missed

    def merge(self, other: Statistics) -> None:
        """Add another worker's counts."""
        for name in ("cases", "problems", "unsupported", "refused", "too_large", "deaths", "confirmed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("judged", "results", "stages", "mentions", "crosses", "histogram"):
            getattr(self, name).update(getattr(other, name))
        for key, (fraction, ulp) in other.worst.items():
            mine = self.worst.get(key, (0.0, 0.0))
            self.worst[key] = max(mine[0], fraction), max(mine[1], ulp)
        for dtype, share in other.wide.items():
            self.wide[dtype] = max(self.wide.get(dtype, 0.0), share)
        self._thin(max(self.sizes_every, other.sizes_every))
        step = self.sizes_every // other.sizes_every
        self.sizes += other.sizes[step - 1 :: step]
        while len(self.sizes) > _SIZES:
            self._thin(2 * self.sizes_every)
        for part in ("kernel", "reference", "exact", "operands"):
            setattr(self.times, part, getattr(self.times, part) + getattr(other.times, part))
        self.seconds += other.seconds
        self.startup += other.startup

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "cases": self.cases, "problems": self.problems, "unsupported": self.unsupported, "refused": self.refused,
            "too_large": self.too_large, "deaths": self.deaths, "confirmed": self.confirmed,
            "judged": dict(self.judged), "results": dict(self.results), "stages": dict(self.stages), "mentions": dict(self.mentions),
            "crosses": [[*key, count] for key, count in self.crosses.items()],
            "worst": [[*key, *value] for key, value in self.worst.items()],
            "wide": dict(self.wide),
            "histogram": [[key, count] for key, count in sorted(self.histogram.items())],
            "sizes": [list(pair) for pair in self.sizes], "sizes_every": self.sizes_every,
            "times": vars(self.times).copy(), "seconds": self.seconds, "startup": self.startup,
        }  # fmt: skip
