"""No cheat is VERIFIED or gets a false speed, and the judge ends as it always does: with a report, its files whole, no process left."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import COMMAND, surroundings

from convverify.cheats import CHECK, COMPARE, cheats
from convverify.cheats._parts import DEAR
from convverify.registry import Entry

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cheats attack a judge on Linux")

PATIENCE = 300.0  # seconds until a run that does not end is given up: a safeguard, not a measure
REFUTED, USAGE, INCONCLUSIVE = 1, 2, 3
VERDICTS = {"refuted": REFUTED, "inconclusive": INCONCLUSIVE}
PROBLEMS = ("x=1x3x4x2 w=2x2x2x3", "x=2x6x5x3 w=3x2x3x4 dtype=float64")
FEW = ("--reference", "exact", *(word for problem in PROBLEMS for word in ("--problem", problem)))
MANY = ("--reference", "exact", "--max-examples", "20", "--max-macs", "1000")
BIDING_THEIR_TIME = ("lies", "memo", "observation", "scripts")  # kinds that show on few of many cases, or at the end
ONE = ("--against", "matmul", "--problem", "x=2x8x8x4 w=3x3x4x8", "--threads", "1")
QUICK = ("--rounds", "3", "--max-time", "1", "--check-examples", "0")
TIMED = (*ONE, *QUICK)
CONTROLS = """
import time
import numpy as np
from convverify.cheats._parts import dearly, honest

def large(x, w):
    np.ones(64 << 17)
    return honest(x, w)
"""


@dataclass(frozen=True)
class Run:
    """What came of a run: its exit status, what it printed, its report, the files of the corpus, and what it has left running."""

    status: int
    output: str
    errors: str
    report: Any
    kept: tuple[str, ...]
    left: tuple[str, ...]


@pytest.fixture
def mark() -> Iterator[str]:
    """A word in the environment of a run, by which all that it has started is found; what is left of it is ended."""
    word = uuid.uuid4().hex
    yield word
    for process in marked(word):
        with contextlib.suppress(psutil.Error):
            process.kill()


def marked(word: str) -> list[psutil.Process]:
    """Return the processes that run with a mark in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("MARK") == word and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def run(*words: str, cwd: Path, mark: str) -> Run:
    """Run `convverify` in a session and a directory of its own, to its end."""
    (cwd / "controls.py").write_text(CONTROLS)
    command = [*COMMAND, *words, "--json", "report.json"]
    with (cwd / "output").open("w+") as output, (cwd / "errors").open("w+") as errors:  # no pipes: what is left behind may hold them
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=surroundings() | {"MARK": mark},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"{' '.join(words)} does not end")
        finally:
            assert process.stdin is not None
            process.stdin.close()
    grace = time.monotonic() + 5.0
    while (left := marked(mark)) and time.monotonic() < grace:
        time.sleep(0.1)
    told = tuple(" ".join(process.info["cmdline"]) for process in _alive(left))
    report = json.loads((cwd / "report.json").read_text()) if (cwd / "report.json").exists() else None
    kept = tuple(str(path) for path in (cwd / ".convverify").rglob("*.json"))
    return Run(status, (cwd / "output").read_text(), (cwd / "errors").read_text(), report, kept, told)


def _alive(processes: list[psutil.Process]) -> Iterator[psutil.Process]:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.info = process.as_dict(["cmdline"])
            yield process


def parameters(command: str) -> list[Any]:
    return [pytest.param(entry, id=entry.name) for entry in cheats if command in entry.traits["at"]]


@pytest.mark.parametrize("entry", parameters(CHECK))
def test_a_cheat_is_not_verified_and_harms_nobody(entry: Entry, tmp_path: Path, mark: str) -> None:
    effort = MANY if entry.traits["kind"] in BIDING_THEIR_TIME else FEW
    done = run(CHECK, entry.name, "--seed", "0", *effort, *entry.traits.get("options", ()), cwd=tmp_path, mark=mark)
    assert "Traceback" not in done.errors
    assert not [line for line in done.output.splitlines() if line.startswith("VERIFIED")]
    if done.status == USAGE:
        assert len(done.errors.strip().splitlines()) == 1  # it could not be had, for a reason in one sentence
    else:
        assert done.report["verdict"] in VERDICTS
        assert done.status == VERDICTS[done.report["verdict"]]
        assert f"{done.report['verdict'].upper()}  {entry.name}" in done.output
        assert done.kept or done.status != REFUTED or entry.traits["kind"] == "files"
    assert not done.left


@pytest.mark.parametrize("kind", sorted({entry.traits["kind"] for entry in cheats if COMPARE in entry.traits["at"]}))
def test_no_cheat_gets_a_false_speed_or_harms_anybody(kind: str, tmp_path: Path, mark: str) -> None:
    entries = [entry for entry in cheats if COMPARE in entry.traits["at"] and entry.traits["kind"] == kind]
    done = run(COMPARE, *(entry.name for entry in entries), *TIMED, cwd=tmp_path, mark=mark)
    assert done.status in (0, REFUTED, INCONCLUSIVE)
    assert "Traceback" not in done.errors
    measured = {one["kernel"]: one for row in done.report["rows"] for one in row["measurements"]}
    false = {entry.name: told for entry in entries if entry.name in measured and (told := false_figure(entry, measured[entry.name]))}
    assert false == {}
    if "matmul" in measured and any("slows" in entry.traits for entry in entries):
        matmul = measured["matmul"]["seconds"]["median"] * measured["matmul"]["processors_used"]
        assert matmul < DEAR, "seconds of a processor; it takes a hundredth of that where nobody slows it"
    assert not done.left


def false_figure(entry: Entry, one: dict[str, Any]) -> str:
    """Return what is false of a cheat's figures without a mark, or "": a time of what is wrong, too short a time, too little memory."""
    if not {"dear", "takes"} & entry.traits.keys():
        return "it is wrong"
    if one["remarks"]:
        return ""
    if entry.traits.get("dear") and one["seconds"]["median"] < DEAR:
        return f"{one['seconds']['median']} s"
    memory = one["peak_extra_memory"]
    return f"{memory} bytes" if memory is not None and memory < 0.95 * 2**20 * entry.traits.get("takes", 0) else ""


@pytest.mark.parametrize("effort", [FEW, MANY], ids=["few", "many"])
def test_the_same_effort_verifies_a_kernel_that_is_honest(effort: tuple[str, ...], tmp_path: Path, mark: str) -> None:
    done = run(CHECK, "controls.py:honest", "--seed", "0", *effort, cwd=tmp_path, mark=mark)
    assert (done.status, done.report["verdict"], done.left) == (0, "verified", ())


def test_the_same_effort_times_and_weighs_kernels_that_are_honest(tmp_path: Path, mark: str) -> None:
    done = run(COMPARE, "controls.py:dearly", "controls.py:large", *TIMED, cwd=tmp_path, mark=mark)
    assert (done.status, done.left) == (0, ())
    measured = {one["kernel"]: one for row in done.report["rows"] for one in row["measurements"]}
    assert measured["controls.py:dearly"]["seconds"]["median"] > DEAR / 2
    assert measured["controls.py:large"]["peak_extra_memory"] > 64 << 19
    assert measured["matmul"]["seconds"]["median"] < DEAR


def test_every_cheat_says_what_it_tries_and_what_stops_it() -> None:
    for entry in cheats:
        assert len(entry.name) <= 50
        assert entry.summary.endswith(".")
        assert len(entry.summary) <= 140
        assert entry.traits["stopped_by"]
        assert set(entry.traits["at"]) <= {CHECK, COMPARE}
        assert entry.function.__module__ == f"convverify.cheats.{entry.traits['kind']}"
