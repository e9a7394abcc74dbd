"""The last phase: some of the campaign's problems as a user runs them, in a plain script, with arrays that own their memory.

A kernel that is right only under observation shows here.  The script is one that a user could have written: it lies where the user works,
makes its operands by a line of NumPy each, calls the kernel, and saves the results when all calls have been made.  Nothing of ours runs
beside it; its process may do as little to the judge as a host may (host/limits.py).
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from keyword import iskeyword
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from convverify.host import launching
from convverify.host.loading import module_of_file
from convverify.host.process import Place
from convverify.host.surroundings import without_secrets
from convverify.judging.findings import Finding
from convverify.judging.kernel import Kernel
from convverify.judging.observation import Observation
from convverify.judging.properties.script import plain_script
from convverify.judging.trial import Trial
from convverify.operands.case import Case
from convverify.operands.fills import teeth_of
from convverify.operands.placing import choices_of
from convverify.problems.dtypes import FORMATS

CASES = 20
_OURS = ("CONVVERIFY", "TF_CPP")  # what a harness sets and a user's shell does not
_START = 30.0  # seconds to start an interpreter and to import a kernel, on a busy machine
_TWICE = 3  # problems that are called a second time, on other operands, when all have been called once
_LARGEST = 1 << 20  # multiply-adds of a case
_AS_THEY_ARE = (0, 1, 2, 3)


@dataclass(frozen=True)
class Plainly:
    """What came of the last phase: how many cases were right, the first that was not, and why nothing could be said where that is so."""

    right: int = 0
    case: str = ""
    finding: Finding | None = None
    failure: str = ""


def suits(case: Case, kernel: Kernel) -> bool:
    """Return whether a case's problem can be run by a script: NumPy alone makes its operands, and it is not large."""
    problem = case.problem
    form = FORMATS[problem.dtype]
    return problem.dtype != "bfloat16" and problem.macs <= _LARGEST and not problem.is_empty and problem.terms <= form.exact_integers


def posed_plainly(line: str) -> Case:
    """Return a case on the problem of another one, with operands that a line of NumPy makes."""
    case = Case.parse(line)
    return Case(case.problem, "sawtooth", seed=case.seed)


def run_plainly(place: Place, kernel: Kernel, lines: Sequence[str], seconds: float, python: str = "") -> Plainly:
    """Run the problems of some cases in plain scripts and judge what they saved; `seconds` is what all calls together may take.

    Two scripts share the cases.  The first may do as little to the judge as a host may; the second is as free as a user's, so that no
    kernel is right only where its rights are few.
    """
    cases = list(map(posed_plainly, lines))
    right = 0
    for some, is_restricted in ((cases[::2], True), (cases[1::2] or cases, False)):
        again = [case.with_(seed=case.seed ^ 1) for case in some[:_TWICE]]  # results of one shape: is memory used again?
        script = _Script(place, kernel, seconds, python or sys.executable, is_restricted)
        came = _judged(script, [*some, *again])
        right += came.right
        if came.finding is not None or came.failure:
            return replace(came, right=right)
    return Plainly(right)


def _judged(script: _Script, cases: list[Case]) -> Plainly:
    first = script.run(cases)
    saved, status, words = first if first[0] is not None else script.run(cases)
    if saved is None:
        if status != first[1]:  # from outside, perhaps, as what recurs is the kernel's
            ways = f"{_how(first[1])}, and when it is run again {_how(status)}"
            return Plainly(failure=f"a plain script that calls the kernel {ways}{words}")
        if script.run([])[0] is None:
            return Plainly(failure=f"a plain script that imports the kernel {_how(status)}{words}")
        for case in cases:  # by which it ends, or else after which
            alone, _, last = script.run([case])
            if alone is None:
                break
        told = words if alone is not None else last
        return Plainly(
            0, str(case), Finding(plain_script.__name__, f"a plain script that calls the kernel ends before it has saved its results{told}")
        )
    for number, (case, result) in enumerate(zip(cases, saved, strict=True)):
        trial = Trial(script.kernel, case)
        trial.x, trial.w = case.operands(script.kernel.axes)
        seen = Observation("ndarray", result, result.shape, result.dtype.name)
        trial.observed = {"first": seen, "plain": seen}
        if isinstance(finding := plain_script(trial), Finding):
            return Plainly(number, str(case), finding)
    return Plainly(len(cases))


def _how(status: int | None) -> str:
    return "does not end" if status is None else f"ends with status {status}"


@dataclass(frozen=True)
class _Script:
    """A script that calls a kernel: how long its calls may take (s), the interpreter that runs it, and whether it may reach the judge."""

    place: Place
    kernel: Kernel
    seconds: float
    python: str
    is_restricted: bool

    def run(self, cases: list[Case]) -> tuple[list[Any] | None, int | None, str]:
        """Return the results on some cases (None where not all were saved), the exit status, and the last words in brackets."""
        with tempfile.TemporaryDirectory(prefix="") as name, _file_where_users_work(name) as script:
            folder = Path(name)
            results, output = str(folder / "outputs.npz"), folder / "output"
            script.write_text(script_of(self.place, self.kernel, cases, results), encoding="utf-8")
            status = launching.run(self.python, script, output, _START + self.seconds, self._environment(name), self.is_restricted)
            printed = output.read_bytes()[-4096:].decode("utf-8", "replace").splitlines()
            lines = [line.strip() for line in printed if line.strip()]
            words = f" (it last printed: {lines[-1][:160]})" if lines and status != 0 else ""
            try:
                with np.load(results, allow_pickle=False) as saved:
                    return [saved[f"arr_{number}"] for number in range(len(cases))], status, words
            except (OSError, ValueError, EOFError, KeyError, BadZipFile):
                return None, status, words

    def _environment(self, folder: str) -> dict[str, str]:
        environment = {name: value for name, value in without_secrets(os.environ).items() if not name.startswith(_OURS)}
        environment["TMPDIR"] = folder
        if self.python == sys.executable and (added := _added_to_path()):
            environment["PYTHONPATH"] = os.pathsep.join(added)
        return environment


def lines_of_sawtooth(case: Case, axes: tuple[tuple[int, ...], tuple[int, ...]]) -> list[str]:
    """Return a line of NumPy for x and one for w of a case of the style sawtooth, contiguous in the order of axes that a kernel takes."""
    problem, lines = case.problem, []
    shapes, teeth = (problem.x_shape, problem.w_shape), teeth_of(problem, choices_of(case.seed))
    for operand, shape, (step, period), order in zip("xw", shapes, teeth, axes, strict=True):
        turned = "" if tuple(order) == _AS_THEY_ARE else f".transpose{tuple(order)}.copy()"
        values = f"(np.arange({math.prod(shape)}) * {step} % {period} - {period // 2})"
        lines.append(f"{operand} = {values}.reshape{shape}.astype(np.{problem.dtype}){turned}")
    return lines


def script_of(place: Place, kernel: Kernel, cases: Sequence[Case], results: str) -> str:
    """Return a script that calls the kernel on cases of the style sawtooth, and saves the results to a file at the end."""
    imports, name = _imports(place)
    lines = ["import sys", "", "import numpy as np", "", *imports, "", "outputs = []"]
    for case in cases:
        arguments = "".join(f", {spelling}={value!r}" for spelling, value in kernel.arguments(case.problem).items())
        lines += [*lines_of_sawtooth(case, kernel.axes), f"outputs.append({name}(x, w{arguments}))"]
    return "\n".join([*lines, "", f"np.savez({results!r}, *outputs)", ""])


@contextlib.contextmanager
def _file_where_users_work(otherwise: str) -> Iterator[Path]:
    """Yield a new file in the working directory, or elsewhere where that cannot be written or has a numpy of its own; it is removed."""
    here = "." if not any(Path(name).exists() for name in ("numpy.py", "numpy")) else otherwise
    try:
        descriptor, name = tempfile.mkstemp(".py", "try_", here)
    except OSError:
        descriptor, name = tempfile.mkstemp(".py", "try_", otherwise)
    os.close(descriptor)
    try:
        yield Path(name).absolute()
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)


def _imports(place: Place) -> tuple[list[str], str]:
    """Return the lines that import the kernel, as a user would write them, and its name then."""
    head, _, _ = place.attribute.partition(".")
    if place.place.endswith(".py") or "/" in place.place:
        root, dotted = module_of_file(Path(place.place))
        if not all(part.isidentifier() and not iskeyword(part) for part in dotted.split(".")):
            return [
                "from importlib.util import module_from_spec, spec_from_file_location",
                f"sys.path.insert(0, {str(root)!r})",
                f"spec = spec_from_file_location('kernel_file', {str(Path(place.place).resolve())!r})",
                "module = module_from_spec(spec)",
                "spec.loader.exec_module(module)",
            ], f"module.{place.attribute}"
        return [f"sys.path.insert(0, {str(root)!r})", f"from {dotted} import {head}"], place.attribute
    return [f"sys.path.insert(0, {os.getcwd()!r})", f"from {place.place} import {head}"], place.attribute


def _added_to_path() -> list[str]:
    """Return what this process's path has besides what every interpreter's has."""
    own = sysconfig.get_paths()
    usual = {*own.values(), str(Path(own["platstdlib"]) / "lib-dynload")}
    return [entry for entry in sys.path if entry and entry not in usual and not entry.endswith(".zip")]
