"""Probes: other cases, on which candidates that explain the same failures say different things, and the kernel may be asked.

Failing cases alone often leave several explanations: pads at the wrong end and pads on both sides are the same for an odd kernel at
stride 2.  A relative of a failing case, chosen so that candidates differ on it, decides.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from convverify.campaign.diagnosing.candidates import Candidate
from convverify.campaign.diagnosing.evidence import Evidence, evidence_of, same
from convverify.campaign.diagnosing.scene import NHWC_HWIO, AxesOfBoth, Floats
from convverify.operands.case import Case
from convverify.problems.problem import Problem

Ask: TypeAlias = Callable[[Case], Floats | None]

_PROBES, _MOST_MACS = 80, 50_000  # how many there are, and multiply-adds of one
_BASES, _ASKED = 3, 40  # failing problems whose relatives are probes, and how often a kernel is asked in all
_WEIGHED = 24  # probes that say how often a candidate would be wrong
_CONFIRMING = 6  # probes on which a candidate may be confirmed


@dataclass
class Interview:
    """Asks a kernel, which takes operands in the order of `axes`, about probes, until that has taken so many `seconds`.

    Without `ask` the kernel is not called, and only the candidates are compared.
    """

    ask: Ask | None
    is_over: Callable[[], bool]
    seconds: float
    axes: AxesOfBoth = NHWC_HWIO
    spent: float = 0.0
    _probes: dict[Case, Evidence] = field(default_factory=dict)
    _answers: dict[Case, Floats | None] = field(default_factory=dict)

    def more_failures(self, evidence: Sequence[Evidence], count: int) -> list[Evidence]:
        """Return relatives of failing cases on which the kernel fails, too, in a way that says something: at most so many."""
        found: list[Evidence] = []
        for probe in self._each_probe(evidence) if self.ask is not None else ():
            if len(found) >= count:
                break
            answer = self.answer(probe.case)
            if answer is not None and not same(probe.expected, answer, probe.case.problem.dtype):
                failure = replace(probe, actual=answer)
                found += [failure] if failure.is_telling else []
        return found

    def one_of_each_kind(self, tied: list[Candidate], evidence: Sequence[Evidence]) -> list[Candidate]:
        """Return those of several candidates that are left: the first of each group that no probe tells apart.

        Those that the kernel contradicts are dropped.  Where it contradicts all, as a kernel does whose fault has a condition, the
        probe says nothing.  First come those that would be wrong more rarely: all the failures are alike, and they say why.
        """
        tied = self._narrow_first(tied, evidence)
        groups = [tied]
        for probe in self._each_probe(evidence):
            if sum(map(len, groups)) == 1 or (self.ask is None and len(groups) == len(tied)):
                break
            parts = [part for group in groups for part in _split(group, probe)]
            if self.ask is None:
                groups = parts
            elif len(_split([one for group in groups for one in group], probe)) > 1 and (answer := self.answer(probe.case)) is not None:
                groups = [part for part in parts if _agrees(part[0], probe, answer)] or groups
        if self.ask is not None:  # what the kernel has not told apart, it does not tell apart where it fails
            groups = [[one for group in groups for one in group]]
        firsts = [min(group, key=tied.index) for group in groups]
        return sorted(firsts, key=tied.index)

    def confirms(self, candidate: Candidate, evidence: Sequence[Evidence]) -> bool:
        """Return whether the kernel is wrong just as a candidate says on a relative of what it explains.

        This is assumed if the kernel cannot be called.
        """
        tried = 0
        for probe in self._each_probe(evidence) if self.ask is not None else ():
            predicted = probe.predicted(candidate)
            if predicted is None or same(predicted, probe.expected, probe.case.problem.dtype):
                continue
            answer = self.answer(probe.case)
            if answer is not None:
                if same(predicted, answer, probe.case.problem.dtype):
                    return True
                tried += 1
                if tried == _CONFIRMING:
                    break
        return tried == 0

    def _narrow_first(self, tied: list[Candidate], evidence: Sequence[Evidence]) -> list[Candidate]:
        """Return candidates in the order of how many probes each would fail."""
        if len(tied) < 2:
            return tied
        probes = list(itertools.islice(self._each_probe(evidence), _WEIGHED))
        failed = [sum(not same(_said(one, probe), probe.expected, probe.case.problem.dtype) for probe in probes) for one in tied]
        return [one for _, _, one in sorted(zip(failed, range(len(tied)), tied, strict=True), key=lambda item: item[:2])]

    def _each_probe(self, evidence: Sequence[Evidence]) -> Iterator[Evidence]:
        for case in itertools.islice(_probe_cases(evidence), _PROBES):
            if self.is_over():
                return
            if case not in self._probes:
                self._probes[case] = evidence_of(case, np.zeros(0), self.axes)
            yield self._probes[case]

    def answer(self, case: Case) -> Floats | None:
        """Return the kernel's output on a case; None where it has none, or has been asked often or long enough."""
        if self.ask is None:
            return None
        if case not in self._answers:
            if len(self._answers) == _ASKED or self.spent > self.seconds:
                return None
            start = time.monotonic()
            self._answers[case] = self.ask(case)
            self.spent += time.monotonic() - start
        return self._answers[case]


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
        {"in_channels": p.in_channels + 9 * p.groups, "out_channels": p.out_channels + 9 * p.groups},  # beyond a block of eight
        {"height": p.height + 9, "width": p.width + 9},
    ]
    for name in ("strides", "dilations"):
        if getattr(p, name) != (1, 1):
            changes += [{name: pair, **larger} for pair in ((2, 3), (3, 1), (2, 2), (1, 1))]
    if p.padding != "VALID":
        changes += [{"padding": padding, **larger} for padding in ("SAME", "VALID", ((1, 0), (2, 3)), ((0, 2), (3, 1)), ((2, 2), (1, 1)))]
    for change in changes:
        yield p.with_(**change)
