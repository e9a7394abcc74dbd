"""A host in this process, behind the same interface: for debuggers, and for functions that have no name by which others could load them.

Nothing is limited, no kernel is fresh, and what is not the kernel's exception (Ctrl-C, a test's time-out) is passed on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from .calls import Runner
from .loading import describe
from .mapping import TO_HOST, TO_JUDGE
from .process import Death, Limit, Reply, map_memory


class LocalHost:
    """Calls a kernel here."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.mapping, descriptor = map_memory()
        os.close(descriptor)
        self.described = describe(function)
        self.printed, self.pid = 0, 0
        self.load_deaths: list[Death] = []
        self._submitted = 0
        self._runner = Runner(self.mapping, function, _not_of_kernels())

    def start(self) -> None:
        """Do nothing: it runs."""

    def ready(self, seconds: float = 0.0) -> bool:
        """Return True: the kernel is loaded."""
        return True

    def fresh(self) -> None:
        """Do nothing: the kernel may have been called before."""

    def close(self) -> None:
        """Do nothing: the memory goes when nobody refers to it."""

    @property
    def next_slot(self) -> int:
        """The slot that the next batch goes into."""
        return (self._submitted + 1) % 2

    def submit(self, script: bytes, laid_out: float = 0.0) -> int:
        """Carry out a batch, and return its number."""
        self._submitted += 1
        self.mapping.write_script(self._submitted % 2, script)
        self._runner.passes = _not_of_kernels()
        self._runner.run(self._submitted, self._submitted % 2)
        self.mapping.set_word(TO_HOST, self._submitted)
        self.mapping.set_word(TO_JUDGE, self._submitted)
        return self._submitted

    def is_done(self, number: int) -> bool:
        """Return True: what was submitted is done."""
        return True

    def collect(self, number: int, limit: Limit) -> Reply:
        """Return what was recorded of a batch; `limit` makes no difference here."""
        return Reply(tuple(self.mapping.records(number % 2)))


def _not_of_kernels() -> tuple[type[BaseException], ...]:
    """Return the exceptions that others raise while a kernel runs: Ctrl-C, and what a test framework ends a test by."""
    outcomes = sys.modules.get("_pytest.outcomes")
    return (KeyboardInterrupt, outcomes.OutcomeException) if outcomes else (KeyboardInterrupt,)
