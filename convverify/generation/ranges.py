"""Ranges: from which distributions strides, dilations and the extents of kernels are drawn.

Most of the weight lies on what kernels have paths for: small pairs.  Every value of a range has a share that a campaign of two thousand
problems meets on either axis alone, and on both at once.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from convverify.problems.integers import Tuples
from convverify.problems.problem import Pair

MOST_TAPS, MOST_STEP = 64, 32  # of a kernel along an axis; of a stride or a dilation
_USUAL, _EQUAL, _ANY, _ALONE = 12, 4, 3, 2  # shares of the table's pairs, of squares, of any pairs, and of those with a 1


@dataclass(frozen=True)
class Pairs:
    """Pairs to draw from, the simplest first, each with its weight and those of all before it added up; or a strategy in their place."""

    listed: tuple[Pair, ...] = ()
    ends: tuple[int, ...] = ()
    strategy: st.SearchStrategy[Any] | None = None

    @functools.cached_property
    def _places(self) -> st.SearchStrategy[int]:
        return st.integers(0, self.ends[-1] - 1)

    def draw(self, draw: Any) -> Pair:
        """Draw a pair; it shrinks towards the smallest."""
        if self.strategy is not None:
            pair: Pair = draw(self.strategy)
            return pair
        return self.listed[bisect.bisect_right(self.ends, draw(self._places))]


@functools.cache
def pairs_of(tuples: Tuples, table: Sequence[Pair], most: int = 0) -> Pairs:
    """Return the pairs of a domain: the table's as far as the domain has them, and others in the place of those that it has not; those of
    its list where it has one.  With `most`, all pairs of numbers up to it are among them, with the shares that are told above."""
    numbers, unit = range(1, most + 1), max(1, most**2 // _ANY)
    weights: Counter[Pair] = Counter()
    for pairs, share in (
        (table, _USUAL), ([(n, n) for n in numbers], _EQUAL), (list(itertools.product(numbers, repeat=2)), _ANY),
        ([pair for n in numbers for pair in ((n, 1), (1, n))], _ALONE),
    ):  # fmt: skip
        for pair in pairs if not tuples.listed else ():
            if (inside := pair if tuples.is_any else tuples.pick(pair)) is not None:
                weights[inside[0], inside[1]] += max(1, share * unit // len(pairs)) if most else 1
    if not weights:
        weights.update((pair[0], pair[1]) for pair in tuples.listed)
    listed = tuple(sorted(weights, key=lambda pair: (pair[0] * pair[1], pair)))
    return Pairs(listed, tuple(itertools.accumulate(weights[pair] for pair in listed)))


def near_in(tuples: Tuples, pair: Pair) -> Pair | None:
    """Return a pair of a domain near to `pair`, of numbers from 1 on; None where it has none."""
    found = tuples.nearest(pair, (1, 1))
    return None if found is None else (found[0], found[1])


def weighted(*choices: tuple[int, Sequence[int]]) -> st.SearchStrategy[int]:
    """Return a strategy that draws from several sequences of numbers, by their weights; it shrinks towards the least."""
    weights: Counter[int] = Counter()
    longest = max(len(sequence) for _, sequence in choices)
    for weight, sequence in choices:
        for number in sequence:
            weights[number] += max(1, weight * longest // len(sequence))
    numbers = sorted(weights)
    ends = list(itertools.accumulate(weights[number] for number in numbers))
    return st.integers(0, ends[-1] - 1).map(lambda place: numbers[bisect.bisect_right(ends, place)])
