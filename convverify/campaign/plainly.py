"""The last phase: some of the campaign's cases as a user runs them, in a plain script, with arrays that own their memory.

A kernel that is right only under observation shows here.  The script is what a snippet of the report is: it imports the kernel, loads the
operands, calls, and saves the results; nothing of ours runs beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convverify.host.loading import module_of_file
from convverify.host.process import Place, kill
from convverify.host.surroundings import without_secrets
from convverify.judging.findings import Finding
from convverify.judging.kernel import Kernel
from convverify.judging.observation import Observation
from convverify.judging.properties.script import plain_script
from convverify.judging.trial import Trial
from convverify.operands.case import Case
from convverify.operands.layouts import PLAIN

CASES = 20
_OURS = ("CONVVERIFY", "TF_CPP")  # what a harness sets and a user's shell does not
_START = 30.0  # seconds to start an interpreter and to import a kernel, on a busy machine
_LARGEST = 1 << 20  # multiply-adds of a case

_SCRIPT = """\
import sys
from json import load as read
from numpy import asarray, errstate, load, save

{imports}

for number, arguments in enumerate(read(open({folder!r} + "/arguments.json"))):
    x, w = load(f"{folder}/{{number}}-x.npy"), load(f"{folder}/{{number}}-w.npy")
    arguments = {{name: tuple(value) if name != {padding!r} and isinstance(value, list) else value for name, value in arguments.items()}}
    with errstate(all="ignore"):
        y = asarray(kernel(x, w, **arguments))
    save(f"{folder}/{{number}}-y.npy", y)
"""


@dataclass(frozen=True)
class Plainly:
    """What came of the last phase: how many cases were right, the first that was not, and why nothing could be said where that is so."""

    right: int = 0
    case: str = ""
    finding: Finding | None = None
    failure: str = ""


def suits(case: Case, kernel: Kernel) -> bool:
    """Return whether a case can be run by a script: NumPy alone reads its operands, and it is not large."""
    return case.problem.dtype != "bfloat16" and case.problem.macs <= _LARGEST and not case.problem.is_empty and case.style != "given"


def run_plainly(place: Place, kernel: Kernel, lines: Sequence[str], seconds: float, python: str = "") -> Plainly:
    """Run cases in a plain script and judge what it saved; `seconds` is what all calls together may take."""
    cases = [Case.parse(line).with_(layouts=(PLAIN, PLAIN), calls=1) for line in lines]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run.py").write_text(
            _SCRIPT.format(imports=_imports(place), folder=name, padding=kernel.keywords.get("padding", "")), encoding="utf-8"
        )
        (folder / "arguments.json").write_text(json.dumps([kernel.arguments(case.problem) for case in cases]), encoding="utf-8")
        trials = [_laid_out(kernel, case) for case in cases]
        for number, trial in enumerate(trials):
            np.save(folder / f"{number}-x.npy", trial.x.array)
            np.save(folder / f"{number}-w.npy", trial.w.array)
        status, words = _run(python or sys.executable, folder, _START + seconds)
        for number, trial in enumerate(trials):
            result = _saved(folder / f"{number}-y.npy")
            if result is None:
                if status is None or (not number and status > 0):
                    how = "does not end" if status is None else f"ends with status {status}"
                    return Plainly(failure=f"a plain script that imports the kernel and calls it {how}{words}")
                return Plainly(
                    number, str(trial.case), Finding(plain_script.__name__, f"a plain script that calls the kernel ends here{words}")
                )
            seen = Observation("ndarray", result, result.shape, result.dtype.name)
            trial.observed = {"first": seen, "plain": seen}
            if isinstance(finding := plain_script(trial), Finding):
                return Plainly(number, str(trial.case), finding)
        return Plainly(len(trials))


def _laid_out(kernel: Kernel, case: Case) -> Trial:
    trial = Trial(kernel, case)
    trial.x, trial.w = case.operands(kernel.axes)
    return trial


def _imports(place: Place) -> str:
    """Return the lines that import the kernel, as a user would write them."""
    head, _, _ = place.attribute.partition(".")
    if place.place.endswith(".py") or "/" in place.place:
        root, dotted = module_of_file(Path(place.place))
        if not all(part.isidentifier() for part in dotted.split(".")):
            return (
                "from importlib.util import module_from_spec, spec_from_file_location\n"
                f"sys.path.insert(0, {str(root)!r})\n"
                f"spec = spec_from_file_location('kernel_file', {str(Path(place.place).resolve())!r})\n"
                f"module = module_from_spec(spec)\nspec.loader.exec_module(module)\nkernel = module.{place.attribute}"
            )
        return f"sys.path.insert(0, {str(root)!r})\nfrom {dotted} import {head}\nkernel = {place.attribute}"
    return f"sys.path.insert(0, {os.getcwd()!r})\nfrom {place.place} import {head}\nkernel = {place.attribute}"


def _run(python: str, folder: Path, seconds: float) -> tuple[int | None, str]:
    """Run the script; return its exit status (None where it did not end), and its last words in brackets."""
    environment = {name: value for name, value in without_secrets(os.environ).items() if not name.startswith(_OURS)}
    if python == sys.executable:
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    with (folder / "output").open("wb") as output:
        # A shell that is told what to do as at a prompt: the script's parent and its standard input say nothing of who judges.
        process = subprocess.Popen(["sh"], env=environment, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True)
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(f"{shlex.quote(python)} {shlex.quote(str(folder / 'run.py'))}; exit $?\n".encode())
            process.stdin.flush()
        try:
            status: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            kill(process)
            with contextlib.suppress(OSError):
                process.stdin.close()
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)  # what it has left behind
    lines = [line.strip() for line in (folder / "output").read_bytes()[-4096:].decode("utf-8", "replace").splitlines() if line.strip()]
    return status, f" (it last printed: {lines[-1][:160]})" if lines and status != 0 else ""


def _saved(file: Path) -> Any:
    """Return a result that the script saved; None where there is none that can be read."""
    try:
        return np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
