"""Explaining: which candidates explain most of a kernel's failures, or which two of them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convverify.campaign.diagnosing.candidates import (
    Candidate,
    common_candidates,
    double_candidates,
    mutant_candidates,
    single_candidates,
)
from convverify.campaign.diagnosing.evidence import Evidence
from convverify.campaign.diagnosing.fitting import fitted_candidates

_LEAST = 2  # telling cases that a candidate has to explain: one alone is often explained by several
_OF_TWO = 3  # the same for each of two, which together explain much by chance
_SHAPES = 24  # explanations of the shapes that are tried together with changes of values
_GLANCED = 5  # cases that a candidate is tried on first: one that explains none of them is given up


@dataclass(frozen=True, eq=False)
class Explanation:
    """A candidate, and which cases it explains."""

    candidate: Candidate
    explains: npt.NDArray[np.bool_]
    of_shapes: bool = False  # only the shapes of the results, not their values

    @property
    def count(self) -> int:
        """How many cases it explains."""
        return int(self.explains.sum())


def explanations(evidence: list[Evidence], without: str, is_over: Callable[[], bool]) -> list[list[Explanation]]:
    """Return groups of explanations that explain equally much: one group, or two that explain what the other does not.

    One fault that explains all comes first, then several at once that do, then one here and another there, then the one that explains
    most, if that is six cases in ten, then what explains the shapes alone.
    """
    telling = np.array([item.is_telling for item in evidence], bool)
    singles: list[Explanation] = []
    best = 0
    for candidates in (single_candidates(), fitted_candidates(evidence), mutant_candidates(without)):
        if best < len(evidence):
            singles += _explaining(candidates, evidence, telling, is_over)
            best = max((one.count for one in singles), default=0)
    leading = [one for one in singles if one.count == best]
    if best == len(evidence):
        return [leading] if leading else []
    if telling.sum() >= _OF_TWO and (several := _explaining_all(double_candidates(), evidence, is_over)):
        return [several]
    shapes = _explaining_shapes(evidence, is_over)
    if several := _explaining_all(_with_values(shapes), evidence, is_over):
        return [several]
    for one in leading if best >= _OF_TWO else []:
        others = [other for other in singles if (one.explains | other.explains).all()]
        others = [other for other in others if (other.explains & ~one.explains & telling).sum() >= _OF_TWO]
        if others:
            most = max(other.count for other in others)
            return [[one], [other for other in others if other.count == most]]
    if leading and best * 10 >= len(evidence) * 6:
        return [leading]
    return [shapes] if shapes else []


def _explaining(
    candidates: Iterable[Candidate], evidence: list[Evidence], telling: npt.NDArray[np.bool_], is_over: Callable[[], bool]
) -> Iterable[Explanation]:
    """Yield the candidates that explain enough telling cases, each with what it explains."""
    glance = set(np.linspace(0, len(evidence) - 1, min(_GLANCED, len(evidence))).astype(int).tolist())
    for candidate in candidates:
        if is_over():
            return
        shown = {number: evidence[number].shows(candidate) for number in glance}
        if any(shown.values()):
            explains = np.array([shown[i] if i in shown else item.shows(candidate) for i, item in enumerate(evidence)], bool)
            if (explains & telling).sum() >= _LEAST:
                yield Explanation(candidate, explains)


def _explaining_all(candidates: Iterable[Candidate], evidence: list[Evidence], is_over: Callable[[], bool]) -> list[Explanation]:
    """Return the candidates that explain every case."""
    ordered = sorted(evidence, key=lambda item: -len(np.unique(item.actual)))  # the most telling first: few get beyond it
    found = []
    for candidate in candidates:
        if is_over():
            break
        if all(item.shows(candidate) for item in ordered):
            found.append(Explanation(candidate, np.ones(len(evidence), bool)))
    return found


def _explaining_shapes(evidence: list[Evidence], is_over: Callable[[], bool]) -> list[Explanation]:
    """Return the changes, or else pairs of changes, that explain every shape, where several are wrong."""
    if sum(item.actual.shape != item.expected.shape for item in evidence) < _OF_TWO:
        return []
    for candidates in (single_candidates(), double_candidates()):
        found: list[Explanation] = []
        for candidate in candidates:
            if is_over() or len(found) == _SHAPES:
                break
            if candidate.changes and all(item.shows_shape(candidate) for item in evidence):
                found.append(Explanation(candidate, np.ones(len(evidence), bool), of_shapes=True))
        if found:
            return found
    return []


def _with_values(shapes: list[Explanation]) -> Iterator[Candidate]:
    """Yield what explains the shapes together with one common change more."""
    for shape in shapes:
        for one in common_candidates():
            words = f"{shape.candidate.words}, and {one.words}"
            yield Candidate(words, changes=(*shape.candidate.changes, *one.changes))
