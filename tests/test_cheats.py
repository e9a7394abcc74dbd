"""No cheat is VERIFIED, and the judge ends as it always does: with a report, its files whole, and no process left.

Those that are after a false speed are in tests/test_compare_cheats.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import COMMAND, surroundings

from convverify.cheats import CHECK, COMPARE, cheats
from convverify.registry import Entry

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cheats attack a judge on Linux")

PATIENCE = 300.0  # seconds until a run that does not end is given up: a safeguard, not a measure
REFUTED, USAGE, INCONCLUSIVE = 1, 2, 3
VERDICTS = {"refuted": REFUTED, "inconclusive": INCONCLUSIVE}
PROBLEMS = ("x=1x3x4x2 w=2x2x2x3", "x=2x6x5x3 w=3x2x3x4 dtype=float64")
FEW = ("--reference", "exact", *(word for problem in PROBLEMS for word in ("--problem", problem)))
MANY = ("--reference", "exact", "--max-examples", "20", "--max-macs", "1000")
BIDING_THEIR_TIME = ("lies", "memo", "observation", "scripts")  # kinds that show on few of many cases, or at the end


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


# All of them take a quarter of an hour: CONVVERIFY_CHEATS=all; else some of each kind are tried.
ALL = [entry for entry in cheats if CHECK in entry.traits["at"]]
EVERY = 1 if os.environ.get("CONVVERIFY_CHEATS") == "all" else 15
TRIED = [entry for _, kind in groupby(ALL, key=lambda entry: entry.traits["kind"]) for entry in list(kind)[::EVERY]]


@pytest.mark.parametrize("entry", TRIED, ids=lambda entry: entry.name)
def test_a_cheat_is_not_verified_and_harms_nobody(entry: Entry, tmp_path: Path, mark: str) -> None:
    effort = MANY if entry.traits["kind"] in BIDING_THEIR_TIME else FEW
    done = run(CHECK, entry.name, "--seed", "0", *effort, *entry.traits.get("options", ()), cwd=tmp_path, mark=mark)
    assert "Traceback" not in done.errors
    assert not [line for line in done.output.splitlines() if line.startswith("VERIFIED")]
    if done.status == USAGE:
        assert len(done.errors.strip().splitlines()) == 1  # it could not be loaded, for a reason in one sentence
    else:
        assert done.report["verdict"] in VERDICTS
        assert done.status == VERDICTS[done.report["verdict"]]
        assert f"{done.report['verdict'].upper()}  {entry.name}" in done.output
        assert done.kept or done.status != REFUTED or entry.traits["kind"] == "files"
    assert not done.left


@pytest.mark.parametrize("effort", [FEW, MANY], ids=["few", "many"])
def test_the_same_effort_verifies_a_kernel_that_is_honest(effort: tuple[str, ...], tmp_path: Path, mark: str) -> None:
    done = run(CHECK, "convverify.cheats._parts:honest", "--seed", "0", *effort, cwd=tmp_path, mark=mark)
    assert (done.status, done.report["verdict"], done.left) == (0, "verified", ())


def test_every_cheat_says_what_it_tries_and_what_stops_it() -> None:
    for entry in cheats:
        assert len(entry.name) <= 50
        assert entry.summary.endswith(".")
        assert len(entry.summary) <= 140
        assert entry.traits["stopped_by"]
        assert set(entry.traits["at"]) <= {CHECK, COMPARE}
        assert entry.function.__module__ == f"convverify.cheats.{entry.traits['kind']}"
