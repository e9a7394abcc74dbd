"""Timed calls: one at a time, by the judge's clock, on operands that are new for each, every result judged.

All hosts stand still but the one whose turn it is.  It goes on, and comes to rest; operands are written; the clock starts when it is
asked, and stops when the judge hears that the result's bytes are in the shared memory.  Then its processes are stopped before anything
is read, so that a result which is finished after the return does not count.  What they used of processors between the writing and the
start is added: they had begun before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from convverify.compare.contenders import Contender
from convverify.compare.operands import Array, Operands
from convverify.host.mapping import TURN, TURNED
from convverify.host.process import HUNG, MEMORY, Death
from convverify.host.standing import CannotStop
from convverify.host.turns import CALL, CONVERT, END, READY
from convverify.judging.observation import Observation, observe
from convverify.judging.script import Arena, NoRoom, dtype_of
from convverify.problems.problem import Problem

_POLL, _WATCH = 0.02, 1e-3
_LOOK = 0.5  # seconds of a call after which one looks whether the host is still there
_GROWTH = 1024.0  # MiB by which the shared memory may grow during a call
_DEATHS = 2  # in different ways, after which the next one is the kernel's
_REST = 0.5  # seconds at the most until a host has come to rest


class TurnFailed(Exception):
    """A timed call that went wrong: whose, on which problem, the property that does not hold, a sentence, and how the host ended where it
    did."""

    def __init__(self, name: str, problem: Problem, property_: str, sentence: str, death: Death | None = None) -> None:
        super().__init__(sentence)
        self.name, self.problem, self.property, self.sentence, self.death = name, problem, property_, sentence, death


class TurnRefused(TurnFailed):
    """A timed call of a kernel that does not support the problem."""


@dataclass(frozen=True)
class Turn:
    """One timed call: seconds from the question to the answer, of them those that were used before, processor seconds, and the seconds
    that the turn took as a whole."""

    seconds: float
    before: float
    processor: float
    cost: float


def is_tried_again(contender: Contender, failed: TurnFailed, earlier: list[Death]) -> bool:
    """Start a contender again whose host has died in no way in which it died `earlier`, and return True; what recurs is the kernel's."""
    death = failed.death
    if death is None or death.kind == HUNG or len(earlier) == _DEATHS or any(map(death.is_like, earlier)):
        return False
    earlier.append(death)
    contender.fresh()
    return True


class Turns:
    """Timed calls of a contender on a problem; a context manager."""

    def __init__(self, contender: Contender, problem: Problem, operands: Operands | None = None, *, judged: bool = True) -> None:
        """`operands` are drawn for each call; several contenders may share them.  Raises TurnFailed."""
        self.contender, self.problem, self.operands, self.judged = contender, problem, operands or Operands(problem), judged
        self._turn = 0
        mapping = contender.host.mapping
        self._slot = contender.host.next_slot
        self._arena = Arena(mapping, self._slot)
        kernel, dtype = contender.kernel, dtype_of(problem.dtype)
        self._places: list[Array] = []
        said: dict[str, object] = {"dtype": problem.dtype, "args": kernel.arguments(problem)}
        outputs = int(np.prod(problem.output_shape))
        try:
            for letter, shape, axes in zip("xw", (problem.x_shape, problem.w_shape), kernel.axes, strict=True):
                turned = [shape[axis] for axis in axes]
                memory, at = self._arena(int(np.prod(shape)) * dtype.itemsize)
                self._places.append(memory.view(dtype).reshape(turned))
                said[letter] = at, turned
            room = outputs * max(dtype.itemsize, 8)
            _, out = self._arena(room)
        except NoRoom as error:
            raise self._failed("completes", f"its operands do not fit the memory that is shared: {error}") from None
        self._said = said | {"out": out, "room": room, "size": outputs * dtype.itemsize}
        script = json.dumps({"cases": [{"operands": [], "steps": [["turns", self._said]]}]}).encode()
        mapping.set_word(TURN, 0)
        mapping.set_word(TURNED, 0)
        with contender.going_on():
            self._batch = contender.host.submit(script)
            self._wait(READY, time.perf_counter())

    def __enter__(self) -> Turns:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        host = self.contender.host
        if host.root and not host.is_done(self._batch):
            with self.contender.going_on(), suppress(TurnFailed):
                self._ask(END)  # the batch is done then
                if host.collect(self._batch, lambda case, step: 5.0).death is not None:
                    host.close()
        self._arena.reset()

    def call(self, warm: bool = False, watch: Callable[[], None] | None = None) -> Turn:
        """Make a call on new operands, and judge its result.

        `warm` lets a call go before, on the last operands, that has the kernel's own data in the caches; `watch` is called every
        millisecond meanwhile.  Raises TurnFailed.
        """
        begun = time.perf_counter()
        x, w = self.operands.draw()
        contender, tree = self.contender, self.contender.tree
        tree.go_on()
        try:
            if warm:
                self._wait(self._ask(CALL), time.perf_counter())
            tree.settle(_REST)
            spent = tree.processor_seconds()
            for place, array, axes in zip(self._places, (x, w), contender.kernel.axes, strict=True):
                place[...] = array.transpose(axes)
            if contender.located.place.convert is not None:
                self._wait(self._ask(CONVERT), time.perf_counter())
                spent = tree.processor_seconds()
            before = tree.processor_seconds() - spent
            start = time.perf_counter()
            end = self._wait(self._ask(CALL), start, watch)
        finally:
            is_new = self._halt()
        if is_new:  # it has left somebody behind who may have gone on until now
            end = time.perf_counter()
        processor = tree.processor_seconds() - spent
        if self.judged:
            seen = self._seen()
            if seen.unsupported:
                raise TurnRefused(contender.name, self.problem, "repeatable", f"a timed call {seen.failure}")
            if sentence := self.operands.fault(contender.kernel, seen):
                raise self._failed("repeatable", f"a timed call {sentence}")
        return Turn(end - start + before, before, processor, time.perf_counter() - begun)

    def _failed(self, property_: str, sentence: str, death: Death | None = None) -> TurnFailed:
        return TurnFailed(self.contender.name, self.problem, property_, sentence, death)

    def _halt(self) -> bool:
        try:
            return self.contender.tree.halt()
        except CannotStop as error:
            raise self._failed("completes", f"in a timed call: {error}") from None

    def _seen(self) -> Observation:
        """Return what came of the last call."""
        records = [line for line in self.contender.host.mapping.records(self._slot) if line.startswith(b"{")]  # the batch's is a list
        try:
            record = json.loads(records[-1])
        except (IndexError, ValueError, RecursionError):
            record = None
        return observe(record, self._said, self._arena.read, dtype_of)

    def _ask(self, kind: int) -> int:
        """Ask for a turn, and return what the host will say when it is done."""
        self._turn += 1
        turn = self._turn << 2 | kind
        self.contender.host.mapping.set_word(TURN, turn)
        return turn

    def _wait(self, turn: int, start: float, watch: Callable[[], None] | None = None) -> float:
        """Wait until the host says that a turn is done, and return when that was.  Raises TurnFailed."""
        host = self.contender.host
        mapping, word = host.mapping, host.mapping.word(TURNED)
        while word != turn:
            word = mapping.wait(TURNED, word, _POLL if watch is None else _WATCH)
            now = time.perf_counter()
            if word == turn:
                return now
            if watch is not None:
                watch()
            death = Death(HUNG, self.contender.patience) if now - start > self.contender.patience else None
            if death is None and now - start > _LOOK:
                death = Death(MEMORY, _GROWTH) if host.grown() > _GROWTH else host.ended()
            if death is not None and mapping.word(TURNED) != turn:
                raise self._failed("completes", f"in a timed call {death}", death)
        return time.perf_counter()
