"""The condition of a domain, `where`, that only the user's module can answer: asked in a host of its own, many problems at a time.

Its host is another than the kernel's: what a condition does, and when, makes no difference to the calls that are judged.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable

import numpy as np

from convverify.host.process import HUNG, CannotLoad, Death, EndedFromOutside, Host
from convverify.judging.observation import observe, records_of
from convverify.judging.script import dtype_of, posed
from convverify.problems.domain import ConditionError
from convverify.problems.problem import Problem

_MESSAGE = 400  # problems that one message asks about
_NOTHING = np.empty(0, np.uint8)
_KEPT = 1 << 16  # answers that are remembered


class Condition:
    """The condition that a kernel's domain declares, as a function of a problem; answers are remembered."""

    def __init__(self, host: Host, name: str, seconds: float) -> None:
        """`host` is started when the condition is asked for the first time; `seconds` is what one answer may take."""
        self.__name__ = name
        self._host: Host | None = host
        self._seconds = seconds
        self._answers: dict[Problem, bool] = {}
        self._failure = ""

    def __call__(self, problem: Problem) -> bool:
        """Return whether the problem belongs to the domain; ConditionError, in one sentence, where it cannot say."""
        if problem not in self._answers:
            self.foresee([problem])
        return self._answers[problem]

    def foresee(self, problems: Iterable[Problem]) -> None:
        """Ask about several problems at once, so that they need not be asked about one by one."""
        if len(self._answers) > _KEPT:
            self._answers.clear()
        unknown = iter([problem for problem in dict.fromkeys(problems) if problem not in self._answers])
        while several := list(itertools.islice(unknown, _MESSAGE)):
            self._ask(several)

    def close(self) -> None:
        """End the host."""
        host, self._host = self._host, None
        if host is not None:
            host.close()

    def _ask(self, problems: list[Problem]) -> None:
        if not self._failure:
            try:
                answers = self._answered(problems)
                told = next((f"{told} about {problem}" for problem, (_, told) in zip(problems, answers, strict=True) if told), "")
            except EndedFromOutside:
                raise
            except CannotLoad as error:
                answers, told = [], f"cannot be asked: {error}"
            self._failure = f"the domain's where {told}" if told else ""
        if self._failure:  # for good: a condition that hangs is not waited for twice
            raise ConditionError(self._failure)
        self._answers.update((problem, inside) for problem, (inside, _) in zip(problems, answers, strict=True))

    def _answered(self, problems: list[Problem]) -> list[tuple[bool, str]]:
        """Return for each problem the answer, and what is wrong with it, where something is."""
        if self._host is None:
            raise CannotLoad("its host was closed")
        earlier: list[Death] = []
        while True:
            self._host.fresh() if earlier else self._host.ready(float("inf"))
            reply = self._host.collect(self._host.submit(posed(problems)), lambda case, step: self._seconds)
            if reply.death is None or reply.death.kind == HUNG or any(reply.death.is_like(death) for death in earlier):
                break
            earlier.append(reply.death)
        record = next(iter(records_of(reply.records, [len(problems)])), None) or []
        answers = list(map(_answer, record))
        wrong = "gave no answer"
        if (death := reply.death) is not None:
            answers += [(False, "")] * (min(death.step, len(problems) - 1) - len(answers))
            wrong = f"did not return within {self._seconds:g} s" if death.kind == HUNG else f"gave no answer, as {death},"
        return answers + [(False, wrong)] * (len(problems) - len(answers))


def _answer(said: object) -> tuple[bool, str]:
    """Return what a host reports of an answer, and what is wrong with it, where something is: it is foreign input."""
    if not isinstance(said, dict):
        return False, "gave no answer"
    if isinstance(said.get("inside"), bool):
        return said["inside"], ""
    if "error" in said and (error := observe(said, {}, lambda first, size: _NOTHING, dtype_of).error) is not None:
        frame = error.frames[-1] if error.frames else None
        return False, f"raised {error}" + (f" ({_from_here(frame.file)}:{frame.line})" if frame else "")
    return False, f"returned {str(said.get('type'))[:80]} instead of True or False,"


def _from_here(file: str) -> str:
    return os.path.relpath(file) if file.startswith(os.getcwd() + os.sep) else file


def condition_of(host: object, seconds: float) -> Condition | None:
    """Return the condition of the kernel that a host has loaded, to be asked in another host, which ends with this one; None without."""
    if not isinstance(host, Host) or not host.described.get("where"):
        return None
    condition = Condition(host.another(), str(host.described["where"])[:80], seconds)
    host.beside.callback(condition.close)
    return condition
