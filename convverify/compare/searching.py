"""A search with hosts: the meter of `search`, made of the same hosts, turns and rounds as a comparison."""

from __future__ import annotations

import dataclasses
import gc
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from convverify.compare import empty
from convverify.compare.comparison import EMPTY, PATIENCE, Listener, ReferenceUnavailable, Step, load
from convverify.compare.conditions import same_threads
from convverify.compare.contenders import Contender, contenders_of
from convverify.compare.operands import Operands
from convverify.compare.options import LEAST_ROUNDS, CompareOptions
from convverify.compare.results import SCHEMA
from convverify.compare.search import SURE, Ratio, Search, Slowest
from convverify.compare.timing import Samples, interleaved
from convverify.compare.turns import TurnFailed, TurnRefused, Turns
from convverify.compare.verified import Refutation, refutation_of
from convverify.host.limits import unreadable
from convverify.host.process import Place
from convverify.problems.problem import Problem
from convverify.targets import Located

_FIRST = Problem(1, 16, 16, 8, 3, 3, 8)
_CALL = 0.02  # seconds that a call of the kernel may take: many problems are timed
_MOST = 1 << 25  # multiply-adds
_LEAST = 1 << 10
_UNKNOWN = 1 << 20  # of the largest problem, where the first one is not supported
_ONE = 0.005  # seconds: what takes as long is called once in a round


@dataclass(frozen=True)
class Outcome:
    """What a search came to: the slowest problem, None where none could be timed; or what refutes the kernel."""

    kernel: str
    reference: str
    seconds: float
    slowest: Slowest | None
    refutation: Refutation | None = None
    interrupted: bool = False

    @property
    def exit_status(self) -> int:
        """0: a slowest problem was found; 1: the kernel is wrong; 3: no problem could be timed; 130: interrupted."""
        if self.interrupted:
            return 130
        return 1 if self.refutation else 3 if self.slowest is None else 0

    def to_json(self) -> str:
        """Return everything as JSON text; problems are lines, seconds are of the whole search."""
        found = self.slowest
        data: dict[str, Any] = {
            "schema": SCHEMA, "kernel": self.kernel, "reference": self.reference, "seconds": self.seconds, "interrupted": self.interrupted,
            "refutation": dataclasses.asdict(self.refutation) if self.refutation else None,
            "slowest": None if found is None else {
                "problem": str(found.problem), "ratio": found.ratio.fastest, "first": str(found.first),
                "first_ratio": found.first_ratio.fastest, "timed": found.timed, "shrunk": found.shrunk,
                "cliffs": [dataclasses.asdict(cliff) for cliff in found.cliffs],
            },
        }  # fmt: skip
        return json.dumps(data, indent=1)


class Searcher:
    """One search; `run` does it all."""

    def __init__(self, options: CompareOptions, listener: Listener, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ValueError for more than one kernel, and TargetError for a target that cannot be used."""
        if len(options.kernels) != 1:
            raise ValueError(f"search takes one KERNEL, not {len(options.kernels)}")
        if options.kernels[0] == options.against:
            raise ValueError(f"search needs a KERNEL other than the reference, not {options.against!r}")
        self._options, self._listener, self._clock = options, listener, clock
        patience = PATIENCE + options.max_time
        found = [contender for contender in contenders_of(options, patience) if not contender.is_variant]
        self._reference, self._kernel = found
        self._empty = Contender(Located(EMPTY, Place(empty.__name__, "call")), options.thread_count, patience)
        self._begun = clock()
        self._spent = 0.0

    def run(self) -> Outcome:
        """Search.  Raises what `Runner.run` raises."""
        everybody = (self._reference, self._kernel, self._empty)
        slowest, refutation, interrupted = None, None, False
        try:
            with unreadable(), same_threads(self._options.thread_count):
                for contender in everybody:
                    contender.start()
                load(everybody, self._listener)
                gc.collect()
                gc.freeze()  # interleaved() collects before each problem, which is quick then
                self._begun = self._clock()
                search = Search(
                    self._ratio, self._kernel.kernel.restrict, self._elapsed, self._options.dtypes or ("float32",), self._affordable(),
                    self._options.seed,
                )  # fmt: skip
                slowest = search.run()
        except TurnFailed as failed:
            if failed.name != self._kernel.name:
                raise ReferenceUnavailable(f"the reference {failed.name!r} fails: {failed.sentence}") from None
            refutation = refutation_of(failed, self._options)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            gc.unfreeze()
            for contender in everybody:
                contender.close()
        seconds = self._clock() - self._begun
        return Outcome(self._kernel.name, self._reference.name, seconds, slowest, refutation, interrupted)

    def _elapsed(self) -> float:
        return (self._clock() - self._begun) / self._options.max_time

    def _affordable(self) -> int:
        """Return how many multiply-adds a problem may have, for a call of the kernel to be quick; and time the empty call."""
        problem = self._kernel.kernel.restrict(_FIRST.with_(dtype=(self._options.dtypes or ("float32",))[0]))
        self._spent = min(self._samples(problem, (self._empty,), SURE)[EMPTY].seconds)
        try:
            while True:
                seconds = min(self._samples(problem, (self._kernel,), LEAST_ROUNDS)[self._kernel.name].seconds)
                larger = problem.with_(batch=2 * problem.batch, height=2 * problem.height, width=2 * problem.width)
                if seconds > _CALL / 8 or larger.macs > _MOST or not self._kernel.kernel.explores(larger):
                    return max(_LEAST, min(_MOST, int(problem.macs * _CALL / seconds)))
                problem = larger
        except TurnRefused:
            return _UNKNOWN

    def _samples(self, problem: Problem, everybody: tuple[Contender, ...], rounds: int) -> dict[str, Samples]:
        operands = Operands(problem)
        with ExitStack() as stack:
            turns = {one.name: stack.enter_context(Turns(one, problem, operands, judged=one is not self._empty)) for one in everybody}
            for turn in turns.values():
                turn.call()  # not warmed up: a call that fails ends the turns
            return interleaved({name: turn.call for name, turn in turns.items()}, dict.fromkeys(turns, _ONE), rounds)

    def _ratio(self, problem: Problem, rounds: int) -> Ratio | None:
        """Return the ratio of the kernel's time to the reference's, an empty call taken off both; None where that is most of either."""
        self._listener(Step("searching", int(100 * min(1.0, self._elapsed())), 100, str(problem)))
        try:
            samples = self._samples(problem, (self._reference, self._kernel), rounds)
        except TurnRefused:
            return None
        except TurnFailed as failed:
            if failed.name == self._reference.name and self._reference.host.root:
                return None  # a reference that raises an exception is not faster
            raise
        kernel, reference = (np.array(samples[one.name].seconds) - self._spent for one in (self._kernel, self._reference))
        if min(kernel.min(), reference.min()) < self._spent:  # or the empty call was disturbed when it was timed
            self._spent = min(self._spent, *self._samples(problem, (self._empty,), rounds)[EMPTY].seconds)
            return None
        return Ratio(float(kernel.min() / reference.min()), float(kernel.min() / np.median(reference)))
