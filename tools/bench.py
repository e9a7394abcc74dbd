"""Compare this commit with the one where its branch left main: is anything slower, or wrong, or less accurate?

    python tools/bench.py [--base COMMIT] [--bench REGEX]... [--factor FACTOR] [--summary FILE]
    python tools/bench.py --measure-factor

Both commits are measured in turns, round by round.  What counts as a change is a factor that this machine tells: a commit is measured
against a twin of itself, and the largest ratio between the two, squared, is the factor (docs/benchmarks.md says why).  It is kept in
.asv/factor.json, and measured where that is missing.  Exit status: 0 nothing is worse, 1 something is, 2 wrong usage, or failures that
were there before, 3 nothing was measured.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from asv_command import ROOT, WORK, asv, commit_of, fail, git, machine, result_files, values, with_results_in

FACTOR_FILE = WORK / "factor.json"
LEAST_FACTOR = 1.1
RESULTS = WORK / "bench"
ALL = r"^(?!machine\.)"  # asv would take a faster machine for a regression


def twin_of(commit: str) -> str:
    """Return a commit with the same files as another, on no branch; git forgets it some time."""
    return git("-c", "user.name=twin", "-c", "user.email=twin@localhost", "commit-tree", f"{commit}^{{tree}}", "-p", commit, "-m", "twin")


def branch_point() -> str:
    """Return the commit where this branch left main: the one before HEAD where HEAD is on main."""
    head = commit_of("HEAD")
    for name in ("origin/main", "main"):
        if commit_of(name):
            base = git("merge-base", "HEAD", name)
            return base if base != head else commit_of("HEAD^")
    return commit_of("HEAD^")


def by_name(commit: str, name: str) -> dict[tuple[str, int], float | None]:
    """Return all values of a commit, by benchmark and number of the parameters."""
    found: dict[tuple[str, int], float | None] = {}
    for file in result_files(RESULTS, name, commit):
        counts: dict[str, int] = {}
        for benchmark, value in values(file):
            found[benchmark, counts.setdefault(benchmark, 0)] = value
            counts[benchmark] += 1
    return found


def is_number(value: Any) -> bool:
    """Return whether a benchmark was measured: it neither failed (None) nor is n/a (NaN)."""
    return value is not None and not math.isnan(value)


def continuous(base: str, head: str, name: str, factor: float, bench: list[str]) -> int:
    """Measure two commits in turns, and return asv's exit status."""
    for commit in (base, head):
        for file in result_files(RESULTS, name, commit):
            file.unlink()
    words = [word for regex in bench or [ALL] for word in ("--bench", regex)]
    options = ["--interleave-rounds", "--show-stderr", "--machine", name, "--factor", str(factor), "--split", *words]
    return asv("continuous", *options, base, head, config=with_results_in(RESULTS))


def measure_factor(commit: str, name: str, bench: list[str]) -> float:
    """Measure a commit against its twin, and return the factor, which is kept."""
    print(f"measuring {commit[:8]} against a twin of itself, to find out what is noise", flush=True)
    twin = twin_of(commit)
    continuous(commit, twin, name, 2.0, bench)
    one, other = by_name(commit, name), by_name(twin, name)
    ratios = {
        key: abs(math.log(other[key] / value))  # type: ignore[operator]  # both are numbers
        for key, value in one.items()
        if is_number(value) and is_number(other.get(key)) and value and other[key]
    }
    if not ratios:
        fail("nothing was measured: see above", 3)
    worst = max(ratios, key=lambda key: ratios[key])
    factor = max(LEAST_FACTOR, math.exp(2.0 * ratios[worst]))
    data = {"machine": name, "commit": commit, "benchmarks": len(ratios), "largest_ratio": math.exp(ratios[worst]), "of": worst[0],
            "median_ratio": math.exp(sorted(ratios.values())[len(ratios) // 2]), "factor": factor, "only": bench}  # fmt: skip
    FACTOR_FILE.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"\nA/A: {len(ratios)} figures, largest ratio {math.exp(ratios[worst]):.3f} ({worst[0]}); a change is what exceeds {factor:.3f}")
    return factor


def known_factor(name: str, bench: list[str]) -> float:
    """Return the factor that was measured on this machine, of all benchmarks or of the same ones; 0 without one."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        data = json.loads(FACTOR_FILE.read_text(encoding="utf-8"))
        return float(data["factor"]) if data["machine"] == name and data["only"] in ([], bench) else 0.0
    return 0.0


def table(base: str, head: str, name: str, factor: float) -> str:
    """Return asv's table of what changed, as Markdown."""
    words = ["--machine", name, "--factor", str(factor), "--only-changed", "--sort", "ratio", base, head]
    command = [sys.executable, "-m", "asv", "compare", "--config", str(with_results_in(RESULTS)), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def verdict(base: str, head: str, name: str, status: int) -> tuple[int, list[str]]:
    """Return the exit status, and in sentences what was measured and what failed."""
    before, after = by_name(base, name), by_name(head, name)
    measured = sum(is_number(value) for value in after.values())
    if not measured:
        fail(f"nothing was measured at {head[:8]}: see above", 3)
    labels = labels_of(head, name)
    failed = [key for key, value in after.items() if value is None]
    newly = [key for key in failed if before.get(key) is not None]
    absent = sum(not is_number(value) and value is not None for value in after.values())
    lines = [f"{measured} figures measured at {head[:8]}, {absent} n/a, {len(failed)} failed"]
    lines += [f"failed: {labels.get(key, key[0])}" + ("" if key in newly else " (before, too)") for key in failed]
    wrong = [(labels[key], value) for key, value in after.items() if key[0].startswith("correctness.") and is_number(value) and value]
    lines += [f"wrong, hence without figures: {label}: {value:g} elements" for label, value in wrong]
    return (1 if status == 1 or newly else 2 if failed else 0), lines


def labels_of(commit: str, name: str) -> dict[tuple[str, int], str]:
    """Return readable names of all figures of a commit."""
    labels = {}
    for file in result_files(RESULTS, name, commit):
        data = json.loads(file.read_text(encoding="utf-8"))
        for benchmark, columns in data["results"].items():
            row = dict(zip(data["result_columns"], columns, strict=False))
            for number, words in enumerate(itertools.product(*(row["params"] or [[]]))):
                labels[benchmark, number] = f"{benchmark}({', '.join(words)})"
    return labels


def main() -> int:
    """Find the factor, measure, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="", help="the commit to compare with (default: where this branch left main)")
    parser.add_argument("--bench", action="append", default=[], help="measure these benchmarks alone (a regular expression)")
    parser.add_argument("--factor", type=float, default=0.0, help="what counts as a change (default: measured)")
    parser.add_argument("--measure-factor", action="store_true", help="measure the factor anew, and nothing else")
    parser.add_argument("--summary", type=Path, help="append the outcome to this file, as Markdown")
    arguments = parser.parse_args()
    base, head, name = commit_of(arguments.base) if arguments.base else branch_point(), commit_of("HEAD"), machine()
    if not base:
        fail(f"there is no commit {arguments.base!r}" if arguments.base else "HEAD has no commit before it")
    if arguments.measure_factor:
        measure_factor(head, name, arguments.bench)
        return 0
    if git("status", "--porcelain", "--untracked-files=no"):
        print("note: asv measures commits; what is not committed is not measured", file=sys.stderr)
    factor = arguments.factor or known_factor(name, arguments.bench) or measure_factor(base, name, arguments.bench)
    if factor <= 1.0:
        fail(f"factor must be more than 1, not {factor}")
    ended = continuous(base, head, name, factor, arguments.bench)
    status, lines = verdict(base, head, name, ended)
    words = {0: "nothing is worse", 1: "something is worse, or fails that did not", 2: "something fails, as it did before"}
    lines = [f"{head[:8]} against {base[:8]}, factor {factor:.3f}: {words[status]}", *lines]
    changed = table(base, head, name, factor)
    if ended not in (0, 1):
        print("\n" + changed)  # where something fails, asv ends without its table
    print("\n" + "\n".join(lines))
    if arguments.summary:
        with arguments.summary.open("a", encoding="utf-8") as file:
            file.write("## Benchmarks\n\n" + "\n".join(f"- {line}" for line in lines) + f"\n\n{changed}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
