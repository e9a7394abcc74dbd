"""Scripts: what a host is asked to do on one case, in which order, with operands that the judge has laid out in shared memory."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil

from convverify.host.mapping import PAGE, Mapping
from convverify.judging.kernel import Kernel
from convverify.operands.case import Case
from convverify.operands.placing import Array, Bytes, Operand, bare, place
from convverify.problems.problem import Problem

_SHARE = 8  # of the machine's memory, what a slot may take: the judge needs some times as much to judge it
_WIDEST = 16  # bytes of an element of a result, of whatever dtype
_KEPT = 1 << 23  # bytes of a slot that are not given back after a batch
_UNWRITTEN = 0xFF  # what a result's room holds before a call: NaN in every format
_NUMBERS = frozenset(np.dtype(code).name for code in "?" + np.typecodes["AllInteger"] + np.typecodes["AllFloat"])


class NoRoom(MemoryError):
    """A case whose operands and results do not fit the memory that is shared."""


class Arena:
    """The part of a slot that is free for operands and results, handed out piece by piece."""

    def __init__(self, mapping: Mapping, slot: int) -> None:
        self.mapping = mapping
        self.first, end = mapping.arena(slot)
        self.end = min(end, self.first + psutil.virtual_memory().total // _SHARE)
        self._whole = np.frombuffer(mapping.buffer, np.uint8)
        self._next = self._dirty = self.first

    def reset(self) -> None:
        """Take all of it back for a new batch."""
        self._dirty = max(self._dirty, self._next)
        if self._dirty - self.first > _KEPT:
            self.mapping.release(self.first + _KEPT, self._dirty)
            self._dirty = self.first + _KEPT
        self._next = self.first

    @property
    def used(self) -> int:
        """Bytes that have been handed out."""
        return self._next - self.first

    def __call__(self, size: int, fenced: bool = False) -> tuple[Bytes, int]:
        """Return `size` bytes and where they begin; whole pages where they are to be fenced."""
        unit = PAGE if fenced else 64
        at = -(-self._next // unit) * unit
        self.ensure(at - self._next + size)
        self._next = at + size
        return self._whole[at : at + size], at

    def ensure(self, size: int) -> None:
        """Raise NoRoom where `size` bytes are more than what is left."""
        if self._next + size > self.end:
            raise NoRoom(f"{size} bytes are more than what is left")

    def read(self, first: int, size: int) -> Bytes:
        """Return bytes of the shared memory, which a host may change at any time."""
        return self._whole[first : first + size]


class Plan:
    """The script of one case, step by step; each step has a key by which properties find what was observed."""

    def __init__(self, kernel: Kernel, case: Case, memory: Arena, values: tuple[Array, Array] | None = None) -> None:
        """Lay out the case's operands, or `values` in their place (NHWC and HWIO), contiguous and without poison.

        Raises NoRoom where they do not fit.
        """
        self.kernel, self.case, self.memory = kernel, case, memory
        self.steps: dict[str, tuple[str, Any]] = {}
        self._operands: list[Operand] = []
        self._numbers: dict[int, int] = {}
        if values is None:
            memory.ensure((math.prod(case.problem.x_shape) + math.prod(case.problem.w_shape)) * dtype_of(case.problem.dtype).itemsize)
            self.x, self.w = case.operands(kernel.axes, memory)
        else:
            self.x, self.w = (bare(array.transpose(axes), memory) for array, axes in zip(values, kernel.axes, strict=True))

    def number(self, operand: Operand) -> int:
        """Return an operand's number in the script."""
        if id(operand) not in self._numbers:
            self._numbers[id(operand)] = len(self._operands)
            self._operands.append(operand)
        return self._numbers[id(operand)]

    def place(self, values: Array, layout: str = "contiguous", bits: int = 0) -> Operand:
        """Lay out further values, in the kernel's order of axes."""
        return place(values, layout, bits, self.memory)

    def call(
        self, key: str, x: Operand | None = None, w: Operand | None = None, problem: Problem | None = None, *, before: int = 0,
        may_fail: bool = False,
    ) -> None:  # fmt: skip
        """Call the kernel, by default on the case; `before` is how many calls go before, `may_fail` lets the script go on behind an
        exception."""
        if key not in self.steps:
            said = self._said(x or self.x, w or self.w, problem or self.case.problem)
            if before:
                said["before"] = before
            if may_fail:
                said["may_fail"] = True
            self.steps[key] = "call", said

    def hold(self, key: str) -> None:
        """Let the result of a call be looked at after later calls."""
        self.steps[key][1]["hold"] = True

    def keep(self, key: str, number: int) -> None:
        """Let results that were kept of earlier cases be looked at behind a call, and keep its own under a number, other than 0."""
        self.steps[key][1]["keep"] = number

    def begin_with(self, key: str) -> None:
        """Take one step before all others."""
        self.steps = {key: self.steps.pop(key), **self.steps}

    def put(self, key: str, x: Bytes, w: Bytes) -> None:
        """Put other bytes into the memory of the case's operands."""
        changes = []
        for operand, content in ((self.x, x), (self.w, w)):
            place_, at = self.memory(content.size)
            place_[...] = content
            changes.append((self.number(operand), at))
        self.steps[key] = "put", changes

    def at_once(self, key: str, jobs: list[tuple[Operand, Operand, Problem]], rounds: int) -> None:
        """Call from as many threads as there are jobs, each some rounds long."""
        said = {"jobs": [[self._said(*job) for _ in range(rounds)] for job in jobs]}
        self.steps[key] = "threads", said

    def _said(self, x: Operand, w: Operand, problem: Problem) -> dict[str, Any]:
        room = _WIDEST * max(1, math.prod(problem.output_shape))
        result, at = self.memory(room)
        result[: room // _WIDEST * dtype_of(problem.dtype).itemsize].fill(_UNWRITTEN)
        return {"x": self.number(x), "w": self.number(w), "args": self.kernel.arguments(problem), "out": at, "room": room}

    def to_json(self) -> dict[str, Any]:
        """Return the case as a host is told of it."""
        said: dict[str, Any] = {"operands": [operand.said() for operand in self._operands], "steps": list(self.steps.values())}
        fences = [fence for operand in self._operands for fence in operand.fences]
        if fences:
            said["fences"] = fences
        return said


# Not macs_inside, which takes a loop over the image.
_POSED = (
    *(item.name for item in dataclasses.fields(Problem)),
    *(name for name, value in vars(Problem).items() if isinstance(value, property | functools.cached_property) and name != "macs_inside"),
)


def posed(problems: Sequence[Problem]) -> bytes:
    """Return the script that asks a kernel's condition about problems, one step for each."""
    steps = [("where", {name: getattr(problem, name) for name in _POSED} | {"line": str(problem)}) for problem in problems]
    return json.dumps({"cases": [{"operands": [], "steps": steps}]}).encode()


@functools.cache
def dtype_of(name: str) -> np.dtype[Any]:
    """Return the dtype of numbers that a host names; ValueError for what is none here."""
    if name == "bfloat16":
        import ml_dtypes

        found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return found
    if name not in _NUMBERS:
        raise ValueError(f"dtype {name!r} is unknown")
    return np.dtype(name)
