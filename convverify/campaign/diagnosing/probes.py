"""Probes: other cases, on which candidates that explain the same failures say different things, and the kernel may be asked.

Failing cases alone often leave several explanations: pads at the wrong end and pads on both sides are the same for an odd kernel at
stride 2.  A relative of a failing case, chosen so that candidates differ on it, decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from convverify.campaign.diagnosing.candidates import Candidate
from convverify.campaign.diagnosing.evidence import Evidence, evidence_of, same
from convverify.campaign.diagnosing.scene import Floats
from convverify.operands.case import Case
from convverify.problems.problem import Problem

Ask: TypeAlias = Callable[[Case], Floats | None]

_MOST_MACS = 50_000  # of a probe
_BASES, _ASKED = 3, 12  # failing problems whose relatives are probes, and how often a kernel is asked in all
_CONFIRMING = 6  # probes on which a candidate may be confirmed


@dataclass
class Interview:
    """Asks a kernel about probes; without `ask` nobody answers, and only what candidates say is compared."""

    evidence: Sequence[Evidence]
    ask: Ask | None
    is_over: Callable[[], bool]
    _probes: list[Evidence] = field(default_factory=list)
    _answers: dict[int, Floats | None] = field(default_factory=dict)
    _source: Iterator[Case] | None = None

    def one_of_each_kind(self, tied: list[Candidate]) -> list[Candidate]:
        """Return those of several candidates that are left: the first of each group that no probe tells apart.

        Those that the kernel contradicts are dropped.  Where it contradicts all, as a kernel does whose fault has a condition, the
        probe says nothing.
        """
        groups = [tied]
        for number, probe in self._each_probe():
            if len(tied) < 2 or (len(groups) == len(tied) and self.ask is None):
                break
            parts = [part for group in groups for part in _split(group, probe)]
            if len(_split([one for group in groups for one in group], probe)) > 1:
                answer = self._answer(number, probe)
                if self.ask is None:
                    groups = parts
                elif answer is not None:
                    groups = [part for part in parts if _agrees(part[0], probe, answer)] or groups
            if len(groups) == 1 and len(groups[0]) == 1:
                break
        if self.ask is not None:  # what the kernel has not told apart, it does not tell apart where it fails
            groups = [[one for group in groups for one in group]]
        return [group[0] for group in sorted((sorted(group, key=tied.index) for group in groups), key=lambda group: tied.index(group[0]))]

    def confirms(self, candidate: Candidate) -> bool:
        """Return whether the kernel is wrong just as a candidate says on some probe; so it is taken to be where it cannot be asked."""
        tried = 0
        for number, probe in self._each_probe():
            predicted = probe.predicted(candidate)
            if predicted is None or same(predicted, probe.expected, probe.case.problem.dtype):
                continue
            answer = self._answer(number, probe)
            if answer is not None:
                if same(predicted, answer, probe.case.problem.dtype):
                    return True
                tried += 1
                if tried == _CONFIRMING:
                    break
        return self.ask is None

    def _each_probe(self) -> Iterator[tuple[int, Evidence]]:
        if self._source is None:
            self._source = _probe_cases(self.evidence)
        number = 0
        while not self.is_over():
            if number == len(self._probes):
                case = next(self._source, None)
                if case is None:
                    return
                self._probes.append(evidence_of(case, np.zeros(0)))
            yield number, self._probes[number]
            number += 1

    def _answer(self, number: int, probe: Evidence) -> Floats | None:
        if self.ask is None:
            return None
        if number not in self._answers:
            self._answers[number] = self.ask(probe.case) if len(self._answers) < _ASKED else None
        return self._answers[number]


def _agrees(candidate: Candidate, probe: Evidence, answer: Floats) -> bool:
    return same(_said(candidate, probe), answer, probe.case.problem.dtype)


def _said(candidate: Candidate, probe: Evidence) -> Floats:
    """Return what a candidate says of a probe: what is right, where it has nothing to say."""
    predicted = probe.predicted(candidate)
    return probe.expected if predicted is None else predicted


def _split(group: list[Candidate], probe: Evidence) -> list[list[Candidate]]:
    """Return the candidates in groups that say the same of a probe."""
    parts: list[tuple[Floats, list[Candidate]]] = []
    for one in group:
        said = _said(one, probe)
        for known, part in parts:
            if same(known, said, probe.case.problem.dtype):
                part.append(one)
                break
        else:
            parts.append((said, [one]))
    return [part for _, part in parts]


def _probe_cases(evidence: Sequence[Evidence]) -> Iterator[Case]:
    """Yield relatives of failing problems: with one thing changed, then with two."""
    problems = list(dict.fromkeys(item.case.problem for item in evidence))
    bases = [problems[i] for i in sorted({int(i) for i in np.linspace(0, len(problems) - 1, _BASES)})] if problems else []
    seen = set(problems)
    near = [relative for base in bases for relative in _relatives(base)]
    for problem in itertools.chain(near, (far for relative in near for far in _relatives(relative))):
        if problem not in seen and 0 < problem.macs <= _MOST_MACS:
            seen.add(problem)
            yield Case(problem, "integers", seed=len(seen))


def _relatives(p: Problem) -> Iterator[Problem]:
    larger = {"height": p.height + 5, "width": p.width + 6}
    changes: list[dict[str, Any]] = [
        {"height": p.height + 3, "width": p.width + 4},
        {"height": p.height + 1},
        {"width": p.width + 1},
        {"kernel_height": p.kernel_height + 1, "kernel_width": p.kernel_width + 3, **larger},
        {"kernel_height": p.kernel_height + 1, "height": p.height + 1},
        {"kernel_width": p.kernel_width + 1, "width": p.width + 1},
        {"in_channels": p.in_channels + p.groups, "out_channels": p.out_channels + 2 * p.groups},
        {"batch": p.batch + 1},
    ]
    for name in ("strides", "dilations"):
        if getattr(p, name) != (1, 1):
            changes += [{name: pair, **larger} for pair in ((2, 3), (3, 1), (2, 2), (1, 1))]
    if p.padding != "VALID":
        changes += [{"padding": padding, **larger} for padding in ("SAME", "VALID", ((1, 0), (2, 3)), ((0, 2), (3, 1)), ((2, 2), (1, 1)))]
    for change in changes:
        yield p.with_(**change)
