"""Known faults: findings that have been seen before, and are muted so that the next can be found.

What is the same fault?  A finding of the same kind (wrong results, an exception with the same words, a written operand, ...) on a case
that has, in every respect, at least what one of the fault's smallest cases has: there the fault is met, and hides what else there may be.
A finding that is not such a case is shrunk; what then turns out to be such a case, or is explained by the same cause, is the same fault
met from another side.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from convverify.campaign.report import Counterexample
from convverify.generation.corpus import write_whole
from convverify.operands.case import Case
from convverify.operands.layouts import PLAIN
from convverify.problems.problem import Problem, degeneracy
from convverify.problems.reading import brief, read_text
from convverify.problems.size import too_large

_RESULTS = ("exact_on_integers", "within_error_bound", "special_values", "matches_reference", "shape")
_SERIES = ("repeatable", "current_operands", "order_of_calls", "sequence", "threads", "plain_script")  # which call on other cases, too
_EXTENTS = ("batch", "height", "width", "in_channels", "kernel_height", "kernel_width", "out_channels", "groups")
_HEAD = "# Faults of convolutions that are known: written by convverify check --write-known, read by --known (docs/known.md).\n"
_KEYS = {"target": str, "property": str, "says": str, "cause": str, "cases": list}
_LONGEST = 1000


@dataclass(frozen=True)
class Fault:
    """A fault of a target: the property that it refutes, in which words, the smallest cases on which it shows, and its cause where that has
    been named."""

    target: str
    property: str
    says: str
    cases: tuple[Case, ...]
    cause: str = ""

    @cached_property
    def title(self) -> str:
        """The fault in a few words."""
        return f"{self.property}: {self.cause or self.says}"

    def covers(self, name: str, says: str, cases: Iterable[Case]) -> bool:
        """Return whether a finding is this fault: the property and its words, and the cases that were called (the judged one first)."""
        judged, *others = cases
        if not self._is_kind(name, says):
            if name not in _SERIES or self._remembers or self.property not in (*_RESULTS, "completes"):
                return False
            others = [judged, *others]
        else:
            others = [judged]
        return any(reaches(case, smallest) for case in others for smallest in self.cases)

    def _is_kind(self, name: str, says: str) -> bool:
        if self._remembers:
            return name == self.property
        return (name in _RESULTS and self.property in _RESULTS) or (name == self.property and _words(says) == _words(self.says))

    @cached_property
    def _remembers(self) -> bool:
        """Whether it takes several calls, so that its case alone says little."""
        return self.property in _SERIES or any(case.calls > 1 for case in self.cases)

    def is_as(self, other: Fault) -> bool:
        """Return whether another fault is this one: it is met on this one's cases, or has the same cause and takes the same to be seen."""
        if self.cause and _words(self.cause) == _words(other.cause):
            return {frozenset(_takes(case)) for case in other.cases} <= {frozenset(_takes(case)) for case in self.cases}
        if self.property in _RESULTS and other.property in _RESULTS:
            mine, theirs = ({(_posed(case.problem), case.stage) for case in fault.cases} for fault in (self, other))
            if mine & theirs:
                return True
        return self.covers(other.property, other.says, other.cases[:1])

    def resembles(self, other: Fault) -> bool:
        """Return whether this may be another fault of the same kind, met from another side: no cause tells the two apart, and it takes as
        much to see this one."""
        if not self._is_kind(other.property, other.says) or (self.cause and other.cause):
            return False
        return _takes(self.cases[0]) >= _takes(other.cases[0])

    def joined(self, other: Fault) -> Fault:
        """Return this fault with the cases of another one, which is the same."""
        return Fault(self.target, self.property, self.says, tuple(dict.fromkeys((*self.cases, *other.cases))), self.cause or other.cause)


def fault_of(target: str, example: Counterexample) -> Fault:
    """Return the fault that a counterexample shows."""
    cause = re.sub(r"^matches: | on \d+ of \d+ failing cases$", "", example.diagnosis[0]) if example.diagnosis else ""
    case = Case.parse(example.case)
    if example.history and case.calls == 1:
        case = case.with_(calls=2)  # it shows after other calls alone
    return Fault(target, example.property, example.sentence[:_LONGEST], (case,), cause[:_LONGEST])


def reaches(case: Case, smallest: Case, *, any_dtype: bool = False) -> bool:
    """Return whether a case has in every respect at least what another one has: its extents, strides, kind of padding, values, layouts,
    and unless `any_dtype` its dtype."""
    p, least = case.problem, smallest.problem
    if (p.dtype != least.dtype and not any_dtype) or degeneracy(p) != degeneracy(least):
        return False
    if any(getattr(p, name) < getattr(least, name) for name in _EXTENTS):
        return False
    for pair, needed in ((p.strides, least.strides), (p.dilations, least.dilations)):
        if pair[0] < needed[0] or pair[1] < needed[1]:
            return False
    if least.padding == "SAME" and p.padding != "SAME":
        return False
    if not isinstance(least.padding, str):
        if isinstance(p.padding, str):
            return False
        if any(
            bool(needed) > bool(pad)
            for side, sides in zip(p.padding, least.padding, strict=True)
            for pad, needed in zip(side, sides, strict=True)
        ):
            return False
    if smallest.stage != "exact" and case.stage != smallest.stage:
        return False
    return all(needed in (PLAIN, layout) for layout, needed in zip(case.layouts, smallest.layouts, strict=True))


def around(case: Case, dtypes: Iterable[str]) -> Iterator[Case]:
    """Yield cases on which a fault is likely to show, too: in other dtypes, and with the axes exchanged, or the steps along them."""
    turned = case.with_(
        problem=_exchanged(case.problem), x_elements=_turned(case.x_elements, 1), w_elements=_turned(case.w_elements, 0)
    )  # fmt: skip
    for dtype, other in itertools.product(dtypes, (case, turned, _other_steps(case), _other_steps(turned))):
        if (varied := other.with_(problem=other.problem.with_(dtype=dtype))) != case:
            yield varied


def _other_steps(case: Case) -> Case:
    p = case.problem
    return case.with_(problem=p.with_(strides=p.strides[::-1], dilations=p.dilations[::-1]))


def _exchanged(p: Problem) -> Problem:
    padding = p.padding if isinstance(p.padding, str) else (p.padding[1], p.padding[0])
    return p.with_(
        height=p.width, width=p.height, kernel_height=p.kernel_width, kernel_width=p.kernel_height, strides=p.strides[::-1],
        dilations=p.dilations[::-1], padding=padding,
    )  # fmt: skip


def _turned(elements: Any, first: int) -> Any:
    def turn(index: tuple[int, ...]) -> tuple[int, ...]:
        return (*index[:first], index[first + 1], index[first], *index[first + 2 :])

    return tuple(sorted((turn(index), value) for index, value in elements))


def _posed(problem: Problem) -> tuple[Any, ...]:
    """Return what is the same of a problem with the axes exchanged, and in another dtype."""
    return tuple(sorted(str(one.with_(dtype="float32")) for one in (problem, _exchanged(problem))))


def _takes(case: Case) -> set[str]:
    """Return what of a case is not as plain as can be."""
    p = case.problem
    taken = {name for name, neutral in (("strides", (1, 1)), ("dilations", (1, 1)), ("groups", 1)) if getattr(p, name) != neutral}
    return taken | ({str(case.stage)} if case.stage != "exact" else set()) | ({"padding"} if p.padding != "VALID" else set())


def _words(sentence: str) -> str:
    """Return a sentence without what differs from case to case: numbers, and what stands in brackets."""
    return re.sub(r"[+-]?\d[\d.]*(e[+-]?\d+)?", "N", re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "()", sentence))


@dataclass
class Known:
    """The known faults of a target while it is verified: those of a file, and after them those found in this run."""

    faults: list[Fault] = field(default_factory=list)
    from_file: int = 0
    met: dict[int, int] = field(default_factory=dict)  # how many cases have shown which fault

    def which(self, name: str, says: str, cases: list[Case]) -> int | None:
        """Return the number of the fault that a finding is; None for a new one."""
        return next((number for number, fault in enumerate(self.faults) if fault.covers(name, says, cases)), None)

    def as_seen(self, fault: Fault) -> int | None:
        """Return the number of the fault that another one, shrunk and perhaps explained, is the same as; None for a new one."""
        for number, known in enumerate(self.faults):
            # What was found in this run may not have been shrunk to the end.
            if known.is_as(fault) or (number >= self.from_file and fault.covers(known.property, known.says, known.cases[:1])):
                return number
        return None

    def meet(self, number: int, count: int = 1) -> None:
        """Count cases that have shown a fault."""
        self.met[number] = self.met.get(number, 0) + count

    def add(self, fault: Fault) -> None:
        """Mute one more."""
        self.faults.append(fault)


# The file.


def read(file: Path) -> list[Fault]:
    """Return the faults that a file holds, of all targets; ValueError, in one sentence, for a file that is not one."""
    try:
        return [_read(entry) for entry in _entries(read_text(file))]
    except ValueError as error:
        raise ValueError(f"file {str(file)!r} of known faults {error}") from None


def _entries(text: str) -> list[Any]:
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not a valid file of TOML: {error}") from None
    entries = found.pop("fault", [])
    if found or not isinstance(entries, list):
        raise ValueError("must hold tables [[fault]] alone")
    return entries


def _read(entry: Any) -> Fault:
    """Return what a table says; ValueError, whose message continues a sentence, for what is no fault."""
    if not isinstance(entry, dict):
        raise ValueError(f"holds what is no fault: {brief(entry)}")
    for name, kind in _KEYS.items():
        if not isinstance(entry.get(name, "" if name in ("cause", "says") else None), kind):
            raise ValueError(
                f"must give each fault {name}, {'an array of cases' if kind is list else 'a text'}, not {brief(entry.get(name))}"
            )
    if unknown := sorted(set(entry) - set(_KEYS)):
        raise ValueError(f"has the unknown key {unknown[0]!r}; known: {', '.join(_KEYS)}")
    cases = []
    for line in entry["cases"]:
        try:
            cases.append(Case.parse(line) if isinstance(line, str) else Case.parse(brief(line)))
        except ValueError as error:
            raise ValueError(f"holds what is not a case: {error}") from None
        if told := too_large(cases[-1].problem):
            raise ValueError(f"holds a case that {told}: {cases[-1].problem}")
    if not cases:
        raise ValueError("must give each fault at least one case")
    return Fault(entry["target"], entry["property"], entry.get("says", ""), tuple(cases), entry.get("cause", ""))


def write(file: Path, target: str, faults: Iterable[Fault]) -> None:
    """Put the faults of a target into a file, in the place of those that it holds of it; those of other targets stay.

    The file is there whole or as it was.  Raises ValueError for a file that is there and is not one, OSError where it cannot be written.
    """
    with _alone(file.resolve().parent):
        others = [fault for fault in read(file) if fault.target != target] if file.is_file() else []
        write_whole(file, _HEAD + "".join(map(_table, (*others, *faults))))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs from writing known faults into a folder meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _table(fault: Fault) -> str:
    lines = [f"{name} = {_text(getattr(fault, name))}" for name in ("target", "property", "says", "cause") if getattr(fault, name)]
    cases = "".join(f"    {_text(str(case))},\n" for case in fault.cases)
    return "\n[[fault]]\n" + "\n".join(lines) + f"\ncases = [\n{cases}]\n"


def _text(text: str) -> str:
    """Return a text as TOML has it."""
    return json.dumps("".join(letter if letter.isprintable() else " " for letter in text), ensure_ascii=False)
