"""Read the history of one machine from the directory where asv keeps results: `benchmarks.json`, and for each machine `machine.json` and a
file for each commit and environment."""

from __future__ import annotations

import contextlib
import math
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from convverify.reporting.history.asv_files import (
    Benchmark,
    Measured,
    Result,
    ResultsError,
    read_benchmarks,
    read_machine,
    read_result,
)
from convverify.reporting.history.model import Commit, History, Point, Series


def read_history(directory: Path, machine: str = "") -> History:
    """Return what one machine has measured; files that cannot be read are named in its `damaged`, where there are others.

    Parameters
    ----------
    directory : where asv keeps results (`results_dir` in asv.conf.json)
    machine : a directory in it; default: the machine with the most results

    Raises ResultsError in one sentence.
    """
    if not (directory / "benchmarks.json").exists():
        raise ResultsError(f"results {str(directory)!r}: no benchmarks.json there, hence no results of asv")
    benchmarks = read_benchmarks(directory / "benchmarks.json")
    damaged: list[str] = []
    by_machine = {path.parent.name: _files(path.parent, damaged) for path in sorted(directory.glob("*/machine.json"))}
    chosen = machine or max(by_machine, key=lambda name: len(by_machine[name]), default="")
    if not by_machine.get(chosen) and damaged:
        raise ResultsError(damaged[0])
    if not any(by_machine.values()):
        raise ResultsError(f"results {str(directory)!r}: no machine has results there; `make bench-history` measures some")
    if not by_machine.get(chosen):
        raise ResultsError(f"machine {chosen!r} has no results in {str(directory)!r}; there are: {', '.join(sorted(by_machine))}")
    files = by_machine[chosen]
    environments = Counter(result.environment for result in files)
    environment = environments.most_common(1)[0][0]
    kept = {result.commit: result for result in files if result.environment == environment}
    commits = _commits(kept, directory)
    others = [f"{count} results of machine {name}" for name, found in by_machine.items() if name != chosen and (count := len(found))]
    others += [f"{count} results of another environment" for name, count in environments.items() if name != environment]
    return History(
        machine=chosen,
        details=read_machine(directory / chosen / "machine.json"),
        environment=_requirements(kept[commits[-1].hash]),
        commits=commits,
        series=tuple(_series(benchmarks, [kept[commit.hash] for commit in commits])),
        others=tuple(others),
        damaged=tuple(damaged),
    )


def _files(directory: Path, damaged: list[str]) -> list[Result]:
    """Return a machine's results; add a sentence to `damaged` for each file that cannot be read."""
    found = []
    for path in sorted(directory.glob("*.json")):
        if path.name != "machine.json":
            try:
                found.append(read_result(path))
            except ResultsError as error:
                damaged.append(str(error))
    return found


def _commits(files: Mapping[str, Result], directory: Path) -> tuple[Commit, ...]:
    """Return the commits in the order of the branch where git knows it, else by date."""
    known: list[tuple[str, str]] = []
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        command = ["git", "-C", str(directory), "log", "--first-parent", "--reverse", "--format=%H %s", "HEAD"]
        log = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout
        known = [(commit, subject) for commit, _, subject in (line.partition(" ") for line in log.splitlines()) if commit in files]
    rest = sorted(set(files) - {commit for commit, _ in known}, key=lambda commit: (files[commit].date, commit))
    return tuple(Commit(commit, files[commit].day, subject) for commit, subject in [(commit, "") for commit in rest] + known)


def _requirements(result: Result) -> str:
    versions = [f"{name} {result.requirements[name]}" for name in ("numpy", "numba", "tensorflow") if result.requirements.get(name)]
    return ", ".join([f"Python {result.python or '?'}", *versions])


def _series(benchmarks: Mapping[str, Benchmark], results: Sequence[Result]) -> list[Series]:
    points: dict[tuple[str, tuple[str, ...]], list[Point]] = {}
    for commit, result in enumerate(results):
        for name, row in result.rows.items():
            benchmark = benchmarks.get(name)
            if benchmark is None or (row.version and row.version != benchmark.version):
                continue  # a benchmark that is no more, or has measured something else since
            for one in row.measured:
                point = _point(commit, one)
                if point is not None:
                    points.setdefault((name, one.parameters), []).append(point)
    return [
        Series(name, benchmarks[name].title, benchmarks[name].unit, parameters, tuple(found))
        for (name, parameters), found in sorted(points.items(), key=lambda item: item[0])
    ]


def _point(commit: int, one: Measured) -> Point | None:
    """Return the point of one choice of parameters; None for n/a (NaN)."""
    if one.value is None:
        return Point(commit, None)
    if math.isnan(one.value):
        return None
    low, high = (one.value if found is None or math.isnan(found) else found for found in (one.low, one.high))
    return Point(commit, one.value, low, high)
