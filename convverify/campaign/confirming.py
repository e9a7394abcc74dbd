"""Confirmation: try again, in fresh processes, what a campaign has found; find out what it takes; and shrink it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from convverify.campaign.events import Found
from convverify.campaign.known import reaches
from convverify.campaign.minimizing import Minimal, minimize
from convverify.campaign.options import Options
from convverify.campaign.probing import Probe, Prober
from convverify.campaign.report import Counterexample
from convverify.campaign.session import Session
from convverify.generation.companions import companion, walk
from convverify.host.process import HUNG, CannotLoad
from convverify.operands.case import Case
from convverify.problems.problem import Problem, is_degenerate

_VALUES = ("exact_on_integers", "special_values", "memory_layout", "matches_reference")
_REMEMBERING = ("repeatable", "current_operands", "order_of_calls", "sequence", "one_array", "threads")
_DIAGNOSED, _DIAGNOSED_MACS, _DIAGNOSED_EXTENT = 12, 100_000, 400
_ASKED = 4  # failing cases, in the other layout
_LARGE, _LARGE_TIME = 1 << 20, 3.0  # multiply-adds of a case that takes so many times longer to shrink
_ENOUGH = 4  # failing cases to diagnose from
_CALLED_SECONDS = 10.0  # for calls on failing cases
_CALLS, _CALLS_SECONDS = 400, 1.5


class Confirmation:
    """Confirms and shrinks findings with one prober."""

    def __init__(self, options: Options, prober: Prober) -> None:
        self.options, self.prober = options, prober

    @property
    def _brief(self) -> float:
        """Seconds for a case that is suspected to hang: a thousand times what a small one takes."""
        return min(1.0, self.options.timeout)

    def explain(self, found: Found, same: list[str], seconds: float) -> Counterexample:
        """Return the counterexample that a finding comes to: confirmed, shrunk, with what it takes to see it again."""
        try:
            return self._explain(found, same, seconds)
        except CannotLoad as error:
            return Counterexample(found.case, found.property, found.sentence, found.case, reproduced=False, notes=(str(error),))

    def _explain(self, found: Found, same: list[str], seconds: float) -> Counterexample:
        others = len(same) - 1
        what = self._reproduce(found)
        if what is None:
            note = "it was seen once, and not again in fresh processes: the kernel depends on more than its operands"
            return Counterexample(found.case, found.property, found.sentence, found.case, reproduced=False, others=others, notes=(note,))
        minimal = self._shrink(what, seconds)
        self.prober.fresh()
        last = self._probe(minimal.case, what)
        if not what.seen(last):  # the smaller case needs a process that others have used
            minimal = Minimal(what.case, (), False)
            self.prober.fresh()
            last = self._probe(what.case, what)
        finding = last.finding
        diagnosis = () if last.died else self._diagnosis(what, minimal.case, same)
        hint = self._other_layout(what, same) or (finding.hint if finding else "")
        sentence = str(last.died) if last.died else finding.sentence if finding else found.sentence
        return Counterexample(
            str(minimal.case), what.property, sentence, found.case, finding, what.history, minimal.boundaries, minimal.complete,
            True, diagnosis, tuple(filter(None, (what.note, hint))), others,
        )  # fmt: skip

    def _other_layout(self, what: _Reproduced, same: list[str]) -> str:
        """Say so where a kernel that fails on operands in its layout is right on them in the other one."""
        session = self.prober.session
        if what.property not in ("completes", "shape", "exact_on_integers") or what.history or what.died:
            return ""
        layout = "NCHW" if session.kernel.data_format == "NHWC" else "NHWC"
        prober = Prober(Session(session.host, replace(session.kernel, data_format=layout), self.options.timeout))
        for line in dict.fromkeys((str(what.case), *same[:_ASKED])):
            prober.fresh()
            probe = prober.probe(line, properties=("completes", "shape", "exact_on_integers", "within_error_bound"))
            if probe.died or probe.finding is not None or not any(probe.judged.values()):
                return ""
        return f"it is right on operands in {layout}: say so, --layout {layout} or conv2d.data_format = {layout!r}"

    def shows(self, case: Case, name: str) -> bool:
        """Return whether another case, of the kernel's domain, refutes the property."""
        if not self.prober.session.kernel.explores(case.problem):
            return False
        self.prober.fresh()
        probe = self.prober.probe(str(case), properties=(name,), timeout=self.options.timeout)
        return probe.finding is not None and probe.finding.property == name

    def _probe(self, case: Case, what: _Reproduced, *, timeout: float = 0.0) -> Probe:
        limit = timeout or (self._brief if what.died else self.options.timeout)
        return self.prober.probe(str(case), properties=what.tried, history=what.history, timeout=limit)

    def _reproduce(self, found: Found) -> _Reproduced | None:
        """Find what it takes to see a finding again: the case alone, another that was called around it, the same call several times,
        or the calls before."""
        hanging = found.death == HUNG
        timeout = 0.5 if hanging else 0.0
        what = _Reproduced(Case.parse(found.case), _judged_alone(found.property), died=hanging)
        for suspect in self._suspects(what, hanging):
            self.prober.fresh()
            probe = self._probe(suspect.case, suspect, timeout=timeout)
            if suspect.seen(probe):
                name = suspect.property if probe.died or probe.finding is None else probe.finding.property
                return replace(suspect, property=name, died=bool(probe.died), tried=suspect.tried if probe.died else (name,))
        if hanging and not found.history:
            return replace(what, tried=None)
        if not hanging and what.property != "threads" and what.case.calls == 1 and (several := self._several_calls(what)):
            return several
        if found.history:
            self.prober.fresh()
            what = replace(what, history=found.history, note="it takes the calls before it to see this")
            if what.seen(self._probe(what.case, what)):
                return replace(what, history=self._needed_history(what))
        return None

    def _suspects(self, what: _Reproduced, hanging: bool) -> Iterator[_Reproduced]:
        """Yield what to try alone, the simplest explanation first: one call on the case, one on each of its companions, then all that
        the properties do."""
        one_call = ("completes", "shape", "dtype", "exact_on_integers")
        if what.property == "completes":
            yield replace(what, tried=("completes",))
        elif what.property not in ("order_of_calls", "sequence", "threads"):
            yield what
            yield what
            return
        kernel = self.prober.session.kernel
        others = walk(what.case, kernel) if what.property == "sequence" else [companion(what.case, kernel, salt) for salt in (0, 1)]
        for other in dict.fromkeys(others):
            yield replace(what, case=other, tried=one_call, any_of=True)
        if what.property == "completes":  # the call died among those that a property makes
            for name in ("fresh_output", *_REMEMBERING):
                yield replace(what, property=name, tried=(name,), any_of=True)
        for _ in range(6 if what.property == "threads" else 1):
            yield replace(what, tried=None if what.property == "completes" else (what.property,))

    def _several_calls(self, what: _Reproduced) -> _Reproduced | None:
        number = self.prober.calls_until_wrong(str(what.case), _CALLS, _CALLS_SECONDS)
        if number < 2:
            return None
        for name in (what.property, "exact_on_integers", "within_error_bound"):
            note = f"it is the call number {number} of this case that goes wrong"
            repeated = replace(what, case=what.case.with_(calls=number), property=name, tried=(name,), note=note)
            self.prober.fresh()
            if repeated.seen(self._probe(repeated.case, repeated)):
                return repeated
        return None

    def _diagnosis(self, what: _Reproduced, smallest: Case, same: list[str]) -> tuple[str, ...]:
        """Hold the kernel's outputs on failing cases that have what the smallest one has, the small ones first, against known faults."""
        if what.history or what.case.calls > 1 or what.property in _REMEMBERING:
            return ()  # the fault is not in the values of a single call
        cases = {case for case in map(Case.parse, same) if reaches(case, smallest, any_dtype=True)} | {what.case}
        small = [case for case in cases if _small(case.problem)]
        small = [case for case in small if case.stage != "rounding"] or small
        if len(small) < _ENOUGH:  # other values on the same problems, which the prober leaves out where they do not fail
            small += [case.with_(seed=case.seed + step) for case in small if case.style != "given" for step in (1, 2, 3)]
        lines = [str(case) for case in sorted(small, key=lambda case: (case.problem.macs, str(case)))[:_DIAGNOSED]]
        if not lines:
            return ()
        from convverify.campaign.diagnosing import diagnose

        axes = self.prober.session.kernel.axes
        failures = self.prober.outputs(lines, _CALLED_SECONDS)
        return diagnose(failures, without=self.options.target, ask=self.prober.output, axes=axes, shown=what.case)

    def _needed_history(self, what: _Reproduced) -> tuple[str, ...]:
        """Return as few of the calls before as will do: the shortest tail, then without each of its halves."""
        deadline = time.monotonic() + 3.0
        history = what.history

        def fails(candidate: tuple[str, ...]) -> bool:
            if time.monotonic() > deadline:
                return False
            self.prober.fresh()
            shorter = replace(what, history=candidate)
            return shorter.seen(self._probe(shorter.case, shorter))

        for length in (1, 2, 4, 8, 16, 32, 64, 128, 256):
            if length < len(history) and fails(history[-length:]):
                history = history[-length:]
                break
        chunk = max(1, len(history) // 2)
        while chunk and len(history) > 1 and time.monotonic() < deadline:
            position = 0
            while position < len(history) and len(history) > 1:
                candidate = history[:position] + history[position + chunk :]
                if candidate and fails(candidate):
                    history = candidate
                else:
                    position += chunk
            chunk //= 2
        return history

    def _shrink(self, what: _Reproduced, seconds: float) -> Minimal:
        """Shrink in one child as long as it lives; in a fresh child for each probe, where the kernel has a memory.

        A case that hangs is given less time for each try, and is tried with more in the end.
        """
        timeout = 0.5 if what.died else 0.0
        fresh = bool(what.history) or what.case.calls > 1 or what.property in _REMEMBERING

        def fails(candidate: Case) -> bool | None:
            refused = False
            for _ in range(3 if what.property == "threads" else 1):
                if fresh:
                    self.prober.fresh()
                probe = self._probe(candidate, what, timeout=timeout)
                if what.seen(probe):
                    return True
                refused = probe.refused or probe.too_large
            return None if refused else False

        kernel = self.prober.session.kernel
        if what.case.problem.macs > _LARGE:
            seconds *= _LARGE_TIME
        return minimize(
            what.case, fails, min(seconds, 2.5) if what.died else seconds, values=what.property in _VALUES and not what.history,
            domain=kernel.domain if is_degenerate(what.case.problem) else kernel.domain.ordinary,
        )  # fmt: skip


@dataclass(frozen=True)
class _Reproduced:
    """What it takes to see a finding: a case, the calls before it, and the properties to try; `any_of` lets any of them be the finding."""

    case: Case
    property: str
    tried: tuple[str, ...] | None = None
    history: tuple[str, ...] = ()
    note: str = ""
    died: bool = False
    any_of: bool = False

    def __post_init__(self) -> None:
        if self.tried is None and self.property != "completes":
            object.__setattr__(self, "tried", (self.property,))

    def seen(self, probe: Probe) -> bool:
        """Return whether a probe shows the finding."""
        if probe.died:
            return self.property == "completes" or self.any_of
        return probe.finding is not None and (self.any_of or probe.finding.property == self.property)


def _small(problem: Problem) -> bool:
    return problem.macs < _DIAGNOSED_MACS and max(*problem.x_shape, *problem.w_shape) <= _DIAGNOSED_EXTENT


def _judged_alone(name: str) -> str:
    """Without the reference, exact arithmetic judges."""
    return "exact_on_integers" if name == "matches_reference" else name
