"""Measure the last commits that touched kernels, those that have no results yet.

    python tools/bench_history.py [--commits 20] [--bench REGEX]... [--machine NAME] [--minutes N] [--again]

Interrupted, it goes on where it stopped when it is called again.  Commits that came with a merge are measured as the merge: asv draws the
first parents of the branch alone.
"""

from __future__ import annotations

import argparse
import sys
import time

from asv_command import KERNEL_PATHS, ROOT, asv, configuration, fail, git, machine, result_files


def commits(count: int) -> list[str]:
    """Return the last commits of this branch that changed what the benchmarks measure, the oldest first."""
    listed = git("log", "--first-parent", "-m", "--format=%H", "HEAD", "--", *KERNEL_PATHS).splitlines()
    return list(dict.fromkeys(line for line in listed if line))[:count][::-1]


def main() -> int:
    """Run asv on one commit after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=20, help="how many commits, the last ones (default: 20)")
    parser.add_argument("--bench", action="append", default=[], help="measure these benchmarks alone (a regular expression)")
    parser.add_argument("--machine", default="", help="keep the results under this name (default: the host's)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no other commit after so many minutes")
    parser.add_argument("--again", action="store_true", help="measure commits that have results, too")
    arguments = parser.parse_args()
    name, results = machine(arguments.machine), ROOT / configuration()["results_dir"]
    chosen = commits(arguments.commits)
    if not chosen:
        fail("no commit touches kernels")
    failed, start = [], time.monotonic()
    for number, commit in enumerate(chosen, start=1):
        print(f"commit {number} of {len(chosen)}: {git('log', '-1', '--format=%h %s', commit)}", flush=True)
        if result_files(results, name, commit) and not arguments.again:
            print("  has results")
            continue
        if time.monotonic() - start > 60.0 * arguments.minutes:
            print("  not measured: the time is up; call again to go on")
            return 0
        words = [word for regex in arguments.bench for word in ("--bench", regex)]
        status = asv("run", f"{commit}^!", "--machine", name, "--attribute", "rounds=1", *words)  # rounds are for comparisons
        if not result_files(results, name, commit):
            failed.append(commit[:8])
        elif status not in (0, 2):
            return status
    if failed:
        fail(f"nothing was measured at {', '.join(failed)}", 3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
