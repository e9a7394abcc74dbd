"""Call mutants on their witnesses, each in a process of its own, and print the names of those that returned the right result.

Run as a script with the mutants' names: the processes are forks of this one, which has no other threads.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time

import numpy as np
from kernel_calls import call, reference

from convverify.mutants import mutants
from convverify.operands.case import Case

RIGHT = 77  # an exit status that no mutant uses
SECONDS = 1.5


def call_mutant(name: str) -> None:
    """Call one mutant, with 2 GiB of address space, and end the process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    case = Case.parse(mutants[name].traits["witness"])
    x, w = (operand.array for operand in case.operands(((0, 1, 2, 3), (0, 1, 2, 3))))
    y = call(mutants[name].function, case.problem, x, w)
    os._exit(RIGHT if np.array_equal(y, reference(case.problem, x, w)) else 0)


def is_right(pid: int) -> bool:
    """Whether the process ends in time with the status that says so; it is ended otherwise."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == RIGHT
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def main(names: list[str]) -> None:
    for name in names:
        pid = os.fork()
        if not pid:
            try:
                call_mutant(name)
            finally:
                os._exit(1)
        if is_right(pid):
            print(name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
