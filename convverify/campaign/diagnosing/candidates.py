"""Candidates: all that may explain a kernel's results, the likely and simple first: hypotheses, mutants, two changes at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from convverify.campaign.diagnosing.hypothesis import Hypothesis, hypotheses
from convverify.campaign.diagnosing.scene import Change, Floats
from convverify.operands.case import Case

# Mutants whose fault shows in the values of a single call, and that do no harm to the process that calls them.
_SAFE_CLASSES = ("indexing", "padding", "strides", "tails", "groups", "fast_paths", "precision", "degenerate", "special_values", "layout")


def _nothing(case: Case, x: Floats, w: Floats) -> Floats | None:
    """Say that nothing is wrong."""
    return None


@dataclass(frozen=True)
class Candidate:
    """One hypothesis, or changes of a scene that are made one after the other, with the words that name it."""

    words: str
    hypothesis: Hypothesis = _nothing
    changes: tuple[Change, ...] = ()


def single_candidates() -> Iterator[Candidate]:
    """Yield all hypotheses."""
    for entry in hypotheses:
        change = entry.traits.get("change")
        yield Candidate(entry.name, entry.function, () if change is None else (change,))


def mutant_candidates(without: str = "") -> Iterator[Candidate]:
    """Yield all mutants that a result of a single call may come from, but the one named `without`."""
    from convverify.mutants import mutants

    for entry in mutants:
        if entry.name != without and entry.traits.get("fault_class") in _SAFE_CLASSES:
            yield Candidate(f"{entry.summary.rstrip('.')} (mutant {entry.name})", _as_hypothesis(entry.function))


def common_candidates() -> Iterator[Candidate]:
    """Yield the changes that are tried together with others, in the order in which they are registered: geometry before values."""
    for entry in hypotheses:
        if entry.traits.get("common"):
            yield Candidate(entry.name, entry.function, (entry.traits["change"],))


def double_candidates() -> Iterator[Candidate]:
    """Yield each two common changes at once."""
    for first, second in itertools.combinations(common_candidates(), 2):
        yield Candidate(f"{first.words}, and {second.words}", changes=first.changes + second.changes)


def _as_hypothesis(mutant: Callable[..., Any]) -> Hypothesis:
    from convverify.judging.kernel import make_kernel

    kernel = make_kernel(mutant)

    def hypothesis(case: Case, x: Floats, w: Floats) -> Floats | None:
        if not kernel.explores(case.problem):
            return None
        placed = case.operands(kernel.axes)
        result = kernel(placed[0].array, placed[1].array, case.problem)
        return np.asarray(result).astype(np.float64)

    return hypothesis
