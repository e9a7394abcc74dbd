"""First contact: what convverify says of convolutions that nobody wrote for it, as their users would ask it.

    python tools/first_contact.py --env DIR [--only NAME ...] [--markdown docs/first-contact.md] [--json FILE]

Packages are installed from PyPI, one after the other, into a virtual environment of their own (DIR, outside of the repository; made where
it is not there). Their convolutions are called in it, through the adapters in tools/strangers: a few lines each, which do without
convverify.
What a package is expected to come to was found out by hand; a package that cannot be installed is reported as such.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import venv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ADAPTERS = ROOT / "tools" / "strangers"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
VERIFIED, REFUTED = "verified", "refuted"
MISSING = "not installed"


@dataclass(frozen=True)
class Stranger:
    """A package with a convolution: what is to be installed, its adapter in tools/strangers, the verdict that is right, and the true fault:
    a regular expression that the first counterexample's sentence, case or diagnosis matches."""

    name: str
    adapter: str
    expected: str
    fault: str = ""
    requires: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        return self.requires or (self.name,)


@dataclass(frozen=True)
class Row:
    """What came of one package."""

    name: str
    version: str
    expected: str
    verdict: str
    right: bool
    seconds: float = 0.0
    judged: int = 0
    problems: int = 0
    first: str = ""
    cause: str = ""
    degenerate: str = ""
    lines: int = 0
    said: str = ""


STRANGERS = (
    Stranger("smallpebble", "smallpebble_conv2d", VERIFIED),
    Stranger("neuralnetlib", "neuralnetlib_conv2d", VERIFIED),
    Stranger("dezero", "dezero_conv2d", VERIFIED, requires=("dezero", "matplotlib")),  # which it imports, and does not ask for
    Stranger("pydynet", "pydynet_conv2d", VERIFIED),
    Stranger("euclid-ml", "euclid_conv2d", VERIFIED),
    Stranger("micronnx", "micronnx_conv2d", VERIFIED),
    Stranger("mayini-framework", "mayini_conv2d", VERIFIED),
    Stranger("npdl", "npdl_conv2d", VERIFIED, requires=("setuptools<81", "wheel", "npdl"), pip=("--no-build-isolation",)),
    Stranger("autograd", "autograd_conv2d", VERIFIED),
    Stranger("mlx", "mlx_conv2d", VERIFIED, requires=("mlx[cpu]",)),
    Stranger("keras", "keras_numpy", VERIFIED, requires=("keras", "jax")),
    Stranger("pytensor", "pytensor_signal", VERIFIED),
    Stranger("tinygrad", "tinygrad_conv2d", VERIFIED),
    Stranger("convnet", "convnet_conv2d", REFUTED, "flipped|corner|rotated|float64"),
    Stranger("neutro", "neutro_conv2d", REFUTED, "reshaped|stride|SAME|HWIO"),
    Stranger("minigrad-framework", "minigrad_conv2d", REFUTED, "strides? and .*dilation|exchanged|window"),
    Stranger("numpycnn", "numpycnn_conv2d", REFUTED, "last row|last column|zero|bottom"),
    Stranger("scipy", "scipy_ndimage", REFUTED, "tiny|broadcast|small|underflow|dropped|layout"),
    Stranger("opencv", "opencv_dnn", REFUTED, "pads|padding|NaN|dilation", requires=("opencv-python-headless", "onnx")),
    Stranger("onnx", "onnx_evaluator", REFUTED, "zero|dilat"),
    Stranger("paddlepaddle", "paddle_conv2d", REFUTED, "dilation"),
)


def make_environment(folder: Path) -> Path:
    """Return the interpreter of the packages' own environment, which is made where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "numpy"], check=True)
    return python


def install(python: Path, stranger: Stranger) -> str:
    """Install a package where it is not there; return why that failed, or ""."""
    if version(python, stranger):
        return ""
    for requirement in stranger.requirements:
        options = stranger.pip if requirement == stranger.requirements[-1] else ()
        ended = subprocess.run(
            [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *options, requirement], capture_output=True, text=True
        )
        if ended.returncode:
            lines = [line for line in ended.stderr.splitlines() if line.strip()]
            return next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else f"pip ends with {ended.returncode}")
    return ""


def version(python: Path, stranger: Stranger) -> str:
    """Return the versions of what is asked for; "" where one of them is missing."""
    names = [re.split(r"[\[<>=]", requirement)[0] for requirement in stranger.requirements if requirement != "wheel"]
    code = "import sys, importlib.metadata as m; print(*(m.version(name) for name in sys.argv[1:]))"
    ended = subprocess.run([python, "-c", code, *names], capture_output=True, text=True)
    found = dict(zip(names, ended.stdout.split(), strict=False)) if not ended.returncode else {}
    found.pop("setuptools", None)
    return ", ".join(f"{name} {number}" for name, number in found.items())


def check(python: Path, stranger: Stranger, folder: Path, options: Sequence[str]) -> tuple[dict[str, Any], str, float]:
    """Run `convverify check` on a package's convolution as a user would; return its report, what it printed, and the seconds."""
    file = folder / f"{stranger.adapter}.json"
    file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "convverify", "check", f"{ADAPTERS / stranger.adapter}.py:conv2d", "--python", str(python)]
    command += ["--corpus", str(folder / "corpus" / stranger.adapter), "--json", str(file), *options]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
    start = time.monotonic()
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    (folder / f"{stranger.adapter}.txt").write_text(ended.stdout + ended.stderr)
    report = json.loads(file.read_text()) if file.exists() else {}
    return report, (ended.stderr.strip() or ended.stdout.strip()), time.monotonic() - start


def row_of(stranger: Stranger, number: str, report: dict[str, Any], said: str, seconds: float) -> Row:
    """Return what a report comes to, and whether it is right."""
    verdict = report.get("verdict", "no report")
    examples = report.get("counterexamples", [])
    first = examples[0] if examples else {}
    cause = first.get("diagnosis", [""])[0] if first.get("diagnosis") else ""
    told = " ".join([first.get("sentence", ""), first.get("case", ""), *first.get("diagnosis", [])])
    right = verdict == stranger.expected and bool(re.search(stranger.fault, told, re.IGNORECASE))
    statistics = report.get("statistics", {})
    code = (ADAPTERS / f"{stranger.adapter}.py").read_text().splitlines()
    return Row(
        stranger.name, number, stranger.expected, verdict, right, seconds, statistics.get("results", {}).get("all", 0),
        statistics.get("problems", 0), f"{first['property']}: {first['case']}" if first else "", cause or first.get("sentence", ""),
        ", ".join(sorted({found.get("kind", "") or found.get("property", "") for found in report.get("degenerate", [])})),
        sum(bool(line.strip()) for line in code), "" if first else report.get("sentence", "") or ("" if report else said[-300:]),
    )  # fmt: skip


def table(rows: Iterable[Row]) -> str:
    """Return the table of the documentation."""
    lines = [
        "| package | adapter, lines | expected | verdict | judged cases on problems | seconds | first counterexample, and its cause |",
        "|---|--:|---|---|--:|--:|---|",
    ]
    for row in rows:
        told = (
            f"`{row.first}`: {row.cause}"
            if row.first
            else row.said or (f"degenerate ones fail: {row.degenerate}" if row.degenerate else "")
        )
        verdict = row.verdict if row.right else f"**{row.verdict}**"
        cells = (row.version or row.name, row.lines, row.expected, verdict, f"{row.judged} on {row.problems}", f"{row.seconds:.0f}", told)
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines)


def write_table(page: Path, text: str) -> None:
    """Put the table into its place on a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")


def main() -> int:
    """Do it all; return 1 where a verdict is not the one expected."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--env", type=Path, required=True, metavar="DIR", help="the packages' virtual environment, made where it is not there"
    )
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="these packages alone")
    parser.add_argument("--max-time", default="45", help="seconds for each campaign; with loading and the report it takes a minute")
    parser.add_argument("--reference", default="exact")
    parser.add_argument("--markdown", type=Path, help="the page that the table goes into")
    parser.add_argument("--json", type=Path, help="where rows are kept; those of packages that are not run now are taken from it")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - {stranger.name for stranger in STRANGERS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(stranger.name for stranger in STRANGERS)}")
    arguments.env.mkdir(parents=True, exist_ok=True)
    python = make_environment(arguments.env.resolve())
    folder = arguments.env.resolve() / "first-contact"
    folder.mkdir(exist_ok=True)
    rows = {row["name"]: Row(**row) for row in json.loads(arguments.json.read_text())} if arguments.json and arguments.json.exists() else {}
    options = ("--reference", arguments.reference, "--seed", "0", "--max-time", arguments.max_time)
    for stranger in STRANGERS:
        if arguments.only and stranger.name not in arguments.only:
            continue
        if failure := install(python, stranger):
            rows[stranger.name] = Row(stranger.name, "", stranger.expected, MISSING, False, said=failure)
        else:
            rows[stranger.name] = row_of(stranger, version(python, stranger), *check(python, stranger, folder, options))
        row = rows[stranger.name]
        print(
            f"{'ok   ' if row.right else 'WRONG'} {row.name}: {row.verdict}, {row.seconds:.0f} s  {row.first} {row.cause} {row.said}",
            flush=True,
        )
        if arguments.json:
            arguments.json.write_text(json.dumps([asdict(row) for row in rows.values()], indent=1) + "\n")
    ordered = [rows[stranger.name] for stranger in STRANGERS if stranger.name in rows]
    if arguments.markdown:
        write_table(arguments.markdown, table(ordered))
    return int(not all(row.right for row in ordered))


if __name__ == "__main__":
    sys.exit(main())
