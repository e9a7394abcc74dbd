"""Faults with a number that is not known beforehand: it is found from the kernel's results, and has to be the same on several cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from convverify.campaign.diagnosing.candidates import Candidate
from convverify.campaign.diagnosing.evidence import Evidence
from convverify.campaign.diagnosing.scene import Change, Floats, Scene

_LEAST = 2  # cases that have to say the same number


def fitted_candidates(evidence: Sequence[Evidence]) -> Iterator[Candidate]:
    """Yield faults with the number that most cases give them."""
    for words, solve, change in _FITS:
        numbers = Counter(number for item in evidence if (number := _solved(solve, item)) is not None)
        for number, count in numbers.most_common(1):
            if count >= _LEAST:
                yield Candidate(words.format(number=f"{number:.9g}"), changes=(change(number),))


def _solved(solve: Callable[[Evidence], tuple[Floats, Floats]], item: Evidence) -> float | None:
    """Return the quotient where its denominator is largest; None where it does not exist."""
    if item.actual.shape != item.expected.shape or not item.actual.size:
        return None
    with np.errstate(all="ignore"):
        above, below = solve(item)
        where = int(np.argmax(np.abs(below)))
        number = float(above.flat[where] / below.flat[where])
    return number if np.isfinite(number) else None


def _factor(item: Evidence) -> tuple[Floats, Floats]:
    return item.actual, item.expected


def _term(item: Evidence) -> tuple[Floats, Floats]:
    return item.actual - item.expected, np.ones_like(item.actual)


def _padded_with(item: Evidence) -> tuple[Floats, Floats]:
    """Return the error, and what it would be with ones in the pads."""
    ones = item.scene.with_(x=np.zeros_like(item.x), fill=1.0)
    return item.actual - item.expected, ones.result()


def _multiplied(number: float) -> Change:
    return lambda scene: scene.with_(then=(*scene.then, lambda y: y * number))


def _added(number: float) -> Change:
    return lambda scene: scene.with_(then=(*scene.then, lambda y: y + number))


def _filled(number: float) -> Change:
    def change(scene: Scene) -> Scene | None:
        return scene.with_(fill=number) if any((*scene.rows.pads, *scene.columns.pads)) else None

    return change


_FITS: tuple[tuple[str, Callable[[Evidence], tuple[Floats, Floats]], Callable[[float], Change]], ...] = (
    ("every result multiplied by {number}", _factor, _multiplied),
    ("{number} added to every result", _term, _added),
    ("pads filled with {number}", _padded_with, _filled),
)
