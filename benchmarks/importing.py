"""How long until the package is there?  Processor time of fresh interpreters, without what the interpreter itself takes."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

from .by_kernel import asks

_STARTS = 9


def started(code: str) -> float:
    """Return the processor seconds that an interpreter takes to run a line of code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class _Import:
    code = ""
    timeout = 120

    def setup(self) -> None:
        """Write byte code, and see that the commit has the module."""
        try:
            started(self.code)
        except subprocess.CalledProcessError:
            raise NotImplementedError(f"{self.code!r} fails at this commit") from None

    def beyond_the_interpreter(self) -> float:
        return 1e3 * statistics.median(started(self.code) - started("pass") for _ in range(_STARTS))


class Package(_Import):
    code = "import convverify"

    @asks("import convverify", unit="ms")
    def track_milliseconds(self) -> float:
        return self.beyond_the_interpreter()


class CommandLine(_Import):
    code = "import convverify.cli"

    @asks("import convverify.cli, as `convverify --help` does", unit="ms")
    def track_milliseconds(self) -> float:
        return self.beyond_the_interpreter()


class Kernels(_Import):
    code = "from convverify.kernels import kernels; kernels['matmul']"

    @asks("import every kernel", unit="ms")
    def track_milliseconds(self) -> float:
        return self.beyond_the_interpreter()
