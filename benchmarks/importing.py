"""How long until the package is there?  In fresh interpreters, and without what the interpreter itself takes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from .by_kernel import asks

_STARTS = 9


def started(code: str) -> float:
    """Return the seconds that an interpreter takes to run a line of code."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - start


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
