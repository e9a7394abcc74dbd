"""Ranges: from which distributions strides, dilations and the extents of kernels are drawn.

Most of the weight lies on what kernels have paths for: small pairs.  Every value of a range has a share that a campaign of two thousand
problems meets on either axis alone, and on both at once.
"""

from __future__ import annotations

import functools
import itertools
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
    """Pairs to draw from, each as likely as another, the smallest first; or a strategy in their place."""

    listed: tuple[Pair, ...] = ()
    strategy: st.SearchStrategy[Any] | None = None

    @functools.cached_property
    def _places(self) -> st.SearchStrategy[int]:
        return st.integers(0, len(self.listed) - 1)

    def draw(self, draw: Any) -> Pair:
        """Draw a pair; it shrinks towards the smallest."""
        pair: Pair = draw(self.strategy) if self.strategy is not None else self.listed[draw(self._places)]
        return pair


@functools.cache
def pairs_of(tuples: Tuples, table: Sequence[Pair], most: int = 0) -> Pairs:
    """Return the pairs of a domain: the table's as far as the domain has them, and others in the place of those that it has not; those of
    its list where it has one.  With `most`, all pairs of numbers up to it are among them, with the shares that are told above."""
    found = {pair: tuples.pick(pair) for pair in itertools.chain(table, itertools.product(range(1, most + 1), repeat=2))}
    chosen: list[Pair] = []
    numbers, unit = range(1, most + 1), max(1, most**2 // _ANY)
    for pairs, share in (
        (table, _USUAL), ([(n, n) for n in numbers], _EQUAL), (list(itertools.product(numbers, repeat=2)), _ANY),
        ([pair for n in numbers for pair in ((n, 1), (1, n))], _ALONE),
    ):  # fmt: skip
        for pair in pairs if not tuples.listed else ():
            if (inside := found[pair]) is not None:
                chosen += [(inside[0], inside[1])] * (max(1, share * unit // len(pairs)) if most else 1)
    kept = chosen or [(pair[0], pair[1]) for pair in tuples.listed]
    return Pairs(tuple(sorted(kept, key=lambda pair: (pair[0] * pair[1], pair))))


def near_in(tuples: Tuples, pair: Pair) -> Pair | None:
    """Return a pair of a domain near to `pair`, of numbers from 1 on; None where it has none."""
    found = tuples.nearest(pair, (1, 1))
    return None if found is None else (found[0], found[1])


def weighted(*choices: tuple[int, Sequence[int]]) -> st.SearchStrategy[int]:
    """Return a strategy that draws from several sequences of numbers, by their weights; it shrinks towards the first number of the
    first one."""
    numbers: list[int] = []
    longest = max(len(sequence) for _, sequence in choices)
    for weight, sequence in choices:
        numbers += [number for number in sequence for _ in range(max(1, weight * longest // len(sequence)))]
    return st.sampled_from(numbers)
