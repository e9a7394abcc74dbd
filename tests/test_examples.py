"""The examples come to the verdicts that they announce."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from convverify import verify

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
ANNOUNCED = [
    pytest.param(target, verdict.lower(), id=target)
    for file in sorted(EXAMPLES.glob("*.py"))
    for target, verdict in re.findall(r"convverify check examples/(\S+) +(VERIFIED|REFUTED)", file.read_text())
]


PROBLEMS = ("x=2x7x6x4 w=3x2x4x6", "x=1x9x8x4 w=3x3x4x2 strides=2x1", "x=1x6x9x4 w=2x3x2x4 padding=1,1,2,2 dilations=2x1")


@pytest.mark.parametrize(("target", "verdict"), ANNOUNCED)
def test_an_example_comes_to_its_verdict(target: str, verdict: str, tmp_path: Path) -> None:
    report = verify(str(EXAMPLES / target), references="exact", dtypes="float32", problems=PROBLEMS, corpus=str(tmp_path))
    assert report.verdict == verdict, str(report)


def test_every_kernel_of_the_examples_announces_a_verdict() -> None:
    kernels = [file.name for file in EXAMPLES.glob("*.py") if re.search(r"^def conv2d", file.read_text(), re.MULTILINE)]
    assert {param.id.partition(":")[0] for param in ANNOUNCED if param.id} == set(kernels)


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a directory of its own, with this package and the examples in reach."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(EXAMPLES.parent), str(EXAMPLES)))}
    return subprocess.run([sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def test_the_script_prints_what_it_says(tmp_path: Path) -> None:
    done = run(str(EXAMPLES / "verify_from_python.py"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("verified on ")
    assert "\nrefuted: shape: the result has shape (1, 1, 2, 1); expected (1, 1, 1, 1)\n  x=1x1x2x1 w=1x2x1x1 " in done.stdout


def test_the_test_files_pass(tmp_path: Path) -> None:
    quick = ("--convverify-reference", "exact", *(word for line in PROBLEMS[:1] for word in ("--convverify-problem", line)))
    done = run("-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={tmp_path}", str(EXAMPLES), *quick, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"= \d\d passed", done.stdout.splitlines()[-1]), done.stdout
