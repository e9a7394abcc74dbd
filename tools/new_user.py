"""Walk a new user's path in a fresh repository, and print what each step took.

    python tools/new_user.py

A wrong kernel is found and fixed; `convverify init` writes a test file, a workflow and benchmarks; each of them is run.  The kernels are
those that README.md shows and their correction.  convverify and asv are those of this interpreter; installing them is not a step.
Exits with 1, and the output of the step, if a step does not end as it should.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WRONG_LINES = (
    ("    size = w.shape[0]\n", "    tall, wide = w.shape[:2]\n"),
    ("x.shape[1] - size + 1, x.shape[2] - size + 1", "x.shape[1] - tall + 1, x.shape[2] - wide + 1"),
    ("for i in range(size)", "for i in range(tall)"),
    ("for j in range(size)", "for j in range(wide)"),
)
CHECK = ("convverify", "check", "mine.py:conv2d", "--seed", "0", "--reference", "exact", "--max-examples", "20", "--max-time", "600")


class WentWrong(Exception):
    """A step did not end as it should; the message is its output."""


@dataclass(frozen=True)
class Walk:
    """A repository in which steps are made."""

    folder: Path

    def step(self, title: str, *command: str, status: int = 0, shows: str = "") -> str:
        """Run a command, print what it took, and return its output; it must end with `status`, and print `shows`."""
        words = [sys.executable, "-m", *command] if command[0] in ("convverify", "asv", "pytest") else list(command)
        places = f"{ROOT}{os.pathsep}{self.folder}"  # of the kernel, too: with `--python same` asv installs nothing
        environment = {**os.environ, "PYTHONPATH": places, "ASV_PYTHONPATH": places, "HOME": str(self.folder.parent), "NO_COLOR": "1"}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        environment.pop("GITHUB_ACTIONS", None)
        start = time.perf_counter()
        done = subprocess.run(words, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        print(f"{time.perf_counter() - start:6.1f} s  {title}", flush=True)
        printed = done.stdout + done.stderr
        if done.returncode != status or shows not in printed:
            raise WentWrong(f"{shlex.join(command)} ended with {done.returncode}:\n{printed}")
        return printed


def wrong_kernel() -> str:
    """Return the kernel that README.md shows."""
    found = re.search(r"<!-- file: mine.py -->\n```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def walk(folder: Path) -> None:
    """Make all steps in a folder.  Raises WentWrong."""
    user = Walk(folder)
    kernel = wrong_kernel()
    (folder / "mine.py").write_text(kernel)
    for command in (("init", "-q"), ("config", "user.name", "new"), ("config", "user.email", "new@example.org")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    printed = user.step("the wrong kernel is refuted", *CHECK, status=1, shows="matches: kernel height used for both axes")
    replay = shlex.split(printed.partition("replay:\n")[2].partition("\n")[0])
    user.step("the replay line shows it again", *replay, status=1, shows="should be")
    for wrong, right in WRONG_LINES:
        assert wrong in kernel
        kernel = kernel.replace(wrong, right)
    (folder / "mine.py").write_text(kernel)
    user.step("the fixed kernel passes", *replay, shows="PASSES")
    user.step("and is verified", *CHECK, shows="VERIFIED")
    every = ("--pytest", "--ci", "github", "--asv")
    user.step("init writes tests, a workflow and benchmarks", "convverify", "init", *every, shows="asv.conf.json")
    few = ("--convverify-reference", "exact", "--convverify-problem", "x=1x3x4x2 w=2x2x2x3")
    user.step("pytest runs the test file", "pytest", "-q", "test_convolutions.py", *few, shows=" passed")
    workflow = (folder / ".github/workflows/convolutions.yml").read_text()
    tests = re.search(r"run: python -m (pytest .*)", workflow)
    assert tests is not None
    user.step("and so does the workflow's command", *shlex.split(tests[1]), *few, shows=" passed")
    for command in (("add", "-A"), ("commit", "-qm", "verified")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    user.step("asv knows this machine", "asv", "machine", "--yes")
    same = ("--python", "same", "--quick", "--dry-run", "--show-stderr")
    user.step("asv times the kernel", "asv", "run", *same, "--bench", "time_call", shows="mine:conv2d")


def main() -> int:
    """Walk, and return the exit status."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder, "repository")
        repository.mkdir()
        try:
            walk(repository)
        except WentWrong as error:
            print(error, file=sys.stderr)
            return 1
    print(f"{time.perf_counter() - start:6.1f} s  in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
