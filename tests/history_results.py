"""A small directory of results in asv's format, for tests: what the benchmarks of some commits came to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PROBLEMS = ["resnet50/conv2_1_3x3", "article/timing_3x3"]
ABSENT = float("nan")
Values = Sequence[float | None]


def benchmark(title: str, unit: str, *, problems: Sequence[str] = PROBLEMS, version: str = "1") -> dict[str, Any]:
    """Return what asv keeps about a benchmark."""
    return {"pretty_name": title, "unit": unit, "version": version, "params": [[repr(problem) for problem in problems]] if problems else []}


BENCHMARKS = {
    "speed.Matmul.time_call": benchmark("matmul: time of a call", "seconds"),
    "ratio.Matmul.track_ratio": benchmark("matmul: time of a call, in TensorFlow's", "times TensorFlow"),
    "cost.Matmul.track_nanoseconds": benchmark("matmul: time of a multiply-add", "ns"),
    "accuracy.Matmul.track_roundoffs": benchmark("matmul: worst error", "u"),
    "correctness.Matmul.track_wrong": benchmark("matmul: wrong elements of its result", "elements"),
    "machine.Roof.track_peak": benchmark("operations of a matrix product in float32", "GFLOP/s", problems=()),
    "machine.Roof.track_bandwidth": benchmark("bytes read and written by a copy", "GB/s", problems=()),
}


def write(directory: Path, commits: Sequence[Mapping[str, Values]], *, machine: str = "box", spread: float = 0.01) -> Path:
    """Write results: for each commit, oldest first, the values of benchmarks by name (None failed, NaN n/a)."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "benchmarks.json").write_text(json.dumps({**BENCHMARKS, "version": 2}))
    place = directory / machine
    place.mkdir(exist_ok=True)
    (place / "machine.json").write_text(json.dumps({"machine": machine, "cpu": "a <fast> one", "version": 1}))
    for number, values in enumerate(commits):
        data = {
            "commit_hash": hash_of(number), "env_name": "env", "date": 1_700_000_000_000 + number * 86_400_000, "python": "3.11",
            "params": {"machine": machine}, "requirements": {"numpy": "2.4.6"}, "env_vars": {}, "version": 2, "durations": {},
            "result_columns": ["result", "params", "version", "stats_q_25", "stats_q_75"],
            "results": {name: _columns(name, found, spread) for name, found in values.items()},
        }  # fmt: skip
        (place / f"{hash_of(number)[:8]}-env.json").write_text(json.dumps(data))
    return directory


def _columns(name: str, values: Values, spread: float) -> list[Any]:
    columns: list[Any] = [list(values), BENCHMARKS[name]["params"], BENCHMARKS[name]["version"]]
    if BENCHMARKS[name]["unit"] == "seconds":
        columns += [[value and value * factor for value in values] for factor in (1 - spread, 1 + spread)]
    return columns


def hash_of(number: int) -> str:
    """Return the hash of a commit that git does not know."""
    return f"{number:02x}" * 20
