"""Cheats at `compare`: none prints a false speed, or too little memory, without a mark; and none makes others slow.

What is dear costs DEAR seconds of a processor at the least, whatever the machine does besides, so that any time below is false.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convverify.cheats import COMPARE, cheats
from convverify.cheats._parts import DEAR
from convverify.compare import comparison as module
from convverify.compare.comparison import Runner
from convverify.compare.machine import Machine
from convverify.compare.options import CompareOptions
from convverify.registry import Entry

PROBLEM = "x=2x9x9x2 w=3x3x2x4"
EVERY = 1 if os.environ.get("CONVVERIFY_CHEATS") == "all" else 5  # of each kind
KINDS: dict[str, list[Entry]] = {}
for _entry in cheats:
    if COMPARE in _entry.traits["at"]:
        KINDS.setdefault(_entry.traits["kind"], []).append(_entry)
KINDS = {kind: entries[::EVERY] for kind, entries in KINDS.items()}
JUDGED = sorted(set(KINDS) - {"attacks", "messages"})  # those attack the judge, which they know by its command line


def compared(kind: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(module, "PATIENCE", 5.0)
    monkeypatch.setattr(module, "measure_peaks", lambda dtypes: {})
    monkeypatch.setattr(module, "measure_machine", lambda dtypes, threads: Machine("a machine", threads, dict.fromkeys(dtypes, 1e12), 1e10))
    names = tuple(entry.name for entry in KINDS[kind])
    options = CompareOptions(names, against="matmul_offsets", problems=(PROBLEM,), threads=1, rounds=3, max_time=1.0, check_examples=0)
    data: dict[str, Any] = json.loads(Runner(options, lambda step: None).run().to_json())
    return data


def by_command(kind: str, folder: Path) -> dict[str, Any]:
    names = [entry.name for entry in KINDS[kind]]
    words = ["--against", "matmul_offsets", "--threads", "1", "--rounds", "3", "--max-time", "1", "--check-examples", "0"]
    command = [sys.executable, "-m", "convverify", "compare", *names, *words, "--problem", PROBLEM, "--json", "out.json"]
    subprocess.run(command, cwd=folder, check=False, capture_output=True, timeout=900)
    data: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return data


def unmarked(entry: Entry, data: dict[str, Any]) -> str:
    """Return what is false of a cheat's figures without a mark, or ""."""
    (row,) = data["rows"] or [{"measurements": [], "refused": {}}]
    (kernel,) = [found for found in data["kernels"] if found["kernel"] == entry.name]
    found = [one for one in row["measurements"] if one["kernel"] == entry.name]
    if kernel["refutation"] or entry.name in row["refused"]:
        return "measured all the same" if found else ""
    (one,) = found
    if entry.traits.get("dear") and one["seconds"]["median"] < DEAR and not one["remarks"]:
        return f"{one['seconds']['median']} s"
    if (
        one["peak_extra_memory"] is not None
        and one["peak_extra_memory"] < 0.95 * 2**20 * entry.traits.get("takes", 0)
        and not one["remarks"]
    ):
        return f"{one['peak_extra_memory']} bytes"
    return ""


def check(kind: str, data: dict[str, Any]) -> None:
    assert {entry.name: false for entry in KINDS[kind] if (false := unmarked(entry, data))} == {}
    reference = next(found for found in data["kernels"] if found["kernel"] == "matmul_offsets")
    assert reference["refutation"] is None
    for row in data["rows"]:
        (one,) = [one for one in row["measurements"] if one["kernel"] == "matmul_offsets"]
        assert one["seconds"]["low"] * one["processors_used"] < DEAR, "of a processor; it takes a thousandth of that where nobody slows it"


@pytest.mark.parametrize("kind", JUDGED)
def test_no_cheat_prints_a_false_figure(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    check(kind, compared(kind, monkeypatch))


@pytest.mark.parametrize("kind", ["attacks", "messages"])
def test_no_cheat_that_attacks_the_judge_prints_a_false_figure(kind: str, tmp_path: Path) -> None:
    check(kind, by_command(kind, tmp_path))
