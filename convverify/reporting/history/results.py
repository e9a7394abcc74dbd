"""Read asv's results: `benchmarks.json`, and for each machine `machine.json` and a file for each commit and environment.

The format (version 2) is described in asv's documentation, "Benchmark suite layout and file formats"; columns are named in each file.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import subprocess
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from convverify.reporting.history.model import Commit, History, Point, Series

_VERSION = 2


class ResultsError(ValueError):
    """Results that cannot be read; the message is one sentence for the person who named them."""


def read_history(directory: Path, machine: str = "") -> History:
    """Return what one machine has measured.

    Parameters
    ----------
    directory : where asv keeps results (`results_dir` in asv.conf.json)
    machine : a directory in it; default: the machine with the most results

    Raises ResultsError in one sentence.
    """
    benchmarks = _benchmarks(directory)
    by_machine = {path.parent.name: _files(path.parent) for path in sorted(directory.glob("*/machine.json"))}
    if not any(by_machine.values()):
        raise ResultsError(f"results {str(directory)!r}: no machine has results there; `make bench-history` measures some")
    chosen = machine or max(by_machine, key=lambda name: len(by_machine[name]))
    if not by_machine.get(chosen):
        raise ResultsError(f"machine {chosen!r} has no results in {str(directory)!r}; there are: {', '.join(sorted(by_machine))}")
    files = by_machine[chosen]
    environments = Counter(str(data.get("env_name", "")) for data in files)
    environment = environments.most_common(1)[0][0]
    kept = {str(data["commit_hash"]): data for data in files if data.get("env_name", "") == environment}
    commits = _commits(kept, directory)
    others = [f"{count} results of machine {name}" for name, data in by_machine.items() if name != chosen and (count := len(data))]
    others += [f"{count} results of another environment" for name, count in environments.items() if name != environment]
    details = _json(directory / chosen / "machine.json")
    first = kept[commits[-1].hash]
    return History(
        machine=chosen,
        details=", ".join(str(details[key]) for key in ("cpu", "num_cpu", "ram", "os") if details.get(key)),
        environment=_requirements(first),
        commits=commits,
        series=tuple(_series(benchmarks, [kept[commit.hash] for commit in commits])),
        others=tuple(others),
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror or error}") from None
    except ValueError:
        raise ResultsError(f"{path}: not JSON, or cut short") from None
    return data


def _benchmarks(directory: Path) -> dict[str, dict[str, Any]]:
    if not (directory / "benchmarks.json").is_file():
        raise ResultsError(f"results {str(directory)!r}: no benchmarks.json there, hence no results of asv")
    data = _json(directory / "benchmarks.json")
    return {name: benchmark for name, benchmark in data.items() if isinstance(benchmark, dict)}


def _files(directory: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(directory.glob("*.json")):
        if path.name == "machine.json":
            continue
        data = _json(path)
        if data.get("version") != _VERSION:
            raise ResultsError(f"{path}: version {data.get('version')!r} of asv's format, where {_VERSION} is understood")
        found.append(data)
    return found


def _commits(files: dict[str, dict[str, Any]], directory: Path) -> tuple[Commit, ...]:
    """Return the commits in the order of the branch where git knows it, else by date."""
    dates = {commit: str(datetime.fromtimestamp(data["date"] / 1000, UTC).date()) for commit, data in files.items()}
    known: list[tuple[str, str]] = []
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        command = ["git", "-C", str(directory), "log", "--first-parent", "--reverse", "--format=%H %s", "HEAD"]
        log = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        known = [(commit, subject) for commit, _, subject in (line.partition(" ") for line in log.splitlines()) if commit in files]
    rest = sorted(set(files) - {commit for commit, _ in known}, key=lambda commit: (files[commit]["date"], commit))
    return tuple(Commit(commit, dates[commit], subject) for commit, subject in [(commit, "") for commit in rest] + known)


def _requirements(data: dict[str, Any]) -> str:
    parts = [f"Python {data.get('python', '?')}"]
    for name in ("numpy", "numba", "tensorflow"):
        version = (data.get("requirements") or {}).get(name)
        if version:
            parts.append(f"{name} {version}")
    return ", ".join(parts)


def _series(benchmarks: dict[str, dict[str, Any]], files: Sequence[dict[str, Any]]) -> list[Series]:
    points: dict[tuple[str, tuple[str, ...]], list[Point]] = {}
    for commit, data in enumerate(files):
        for name, columns in data["results"].items():
            row = dict(zip(data["result_columns"], columns, strict=False))
            benchmark = benchmarks.get(name)
            if benchmark is None or row.get("version", benchmark.get("version")) != benchmark.get("version"):
                continue  # a benchmark that is no more, or has measured something else since
            for number, words in enumerate(itertools.product(*(row.get("params") or []))):
                point = _point(commit, row, number)
                if point is not None:
                    points.setdefault((name, tuple(word.strip("'\"") for word in words)), []).append(point)
    return [
        Series(name, benchmarks[name].get("pretty_name") or name, benchmarks[name].get("unit", ""), parameters, tuple(found))
        for (name, parameters), found in sorted(points.items())
    ]


def _point(commit: int, row: dict[str, Any], number: int) -> Point | None:
    """Return the point of one choice of parameters; None for n/a (NaN)."""
    values = row.get("result")
    value = values[number] if values is not None else None  # no values at all: everything failed
    if value is None:
        return Point(commit, None)
    if math.isnan(value):
        return None
    low, high = (_statistic(row, key, number) for key in ("stats_q_25", "stats_q_75"))
    return Point(commit, value, value if low is None else low, value if high is None else high)


def _statistic(row: dict[str, Any], key: str, number: int) -> float | None:
    found = row.get(key)
    return None if not found else found[number]
