"""Verify right kernels whose first calls take long, many times; print how often each verdict came.

Usage: python tools/first_calls.py [--runs 20] [--jobs 2]

None may be REFUTED.  Run it on a busy machine: a kernel that compiles there takes several times as long, and must not be taken for one that
hangs.  A run for which the time was too short is INCONCLUSIVE.  Exit status 1 where a right kernel was refuted.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

KERNELS = '''
import time

import numba
import numpy as np

from convverify.kernels.matmul import conv2d_matmul

met = set()


def sleeps(x, w, strides, padding, dilations, groups):
    """Sleeps for 12 s at the first call."""
    if not met:
        met.add("first")
        time.sleep(12.0)
    return conv2d_matmul(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups)


def compiles_for_groups(x, w, strides, padding, dilations, groups):
    """Works for 6 s when it meets groups for the first time."""
    if groups > 1 and not met:
        met.add("groups")
        start = time.process_time()
        while time.process_time() - start < 6.0:
            pass
    return conv2d_matmul(x, w, strides=strides, padding=padding, dilations=dilations, groups=groups)


@numba.njit(parallel=True)
def compiled(x, w, y):
    for n in numba.prange(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for k in range(y.shape[3]):
                    for a in range(w.shape[0]):
                        for b in range(w.shape[1]):
                            for c in range(w.shape[2]):
                                y[n, i, j, k] += x[n, i + a, j + b, c] * w[a, b, c, k]


def numba_parallel(x, w):
    """Is compiled by Numba, for several threads, at the first call with each dtype and layout."""
    y = np.zeros((x.shape[0], x.shape[1] - w.shape[0] + 1, x.shape[2] - w.shape[1] + 1, w.shape[3]), x.dtype)
    compiled(x, w, y)
    return y
'''
NAMES = ("sleeps", "compiles_for_groups", "numba_parallel")
SMALL = ("--reference", "exact", "--max-examples", "0", "--max-macs", "1000", "--max-time", "100")


def main() -> int:
    """Run all, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="runs of each kernel, each with a seed of its own")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(chosen.jobs) as pool:
        (Path(folder) / "kernels.py").write_text(KERNELS)
        runs = [(folder, name, seed) for seed in range(chosen.runs) for name in NAMES]
        came = list(pool.map(_verdict, runs))
    for name in NAMES:
        verdicts = Counter(verdict for (_, other, _), verdict in zip(runs, came, strict=True) if other == name)
        print(f"{name}: {', '.join(f'{verdict} {count}' for verdict, count in verdicts.most_common())}")
    return 0 if set(came) <= {"VERIFIED", "INCONCLUSIVE"} else 1


def _verdict(run: tuple[str, str, int]) -> str:
    folder, name, seed = run
    command = [sys.executable, "-m", "convverify", "check", f"kernels.py:{name}", "--seed", str(seed), *SMALL, "--corpus", f"{name}-{seed}"]
    start = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    line = next((line for line in done.stdout.splitlines() if line.split("  ")[0].isupper()), done.stderr.strip())
    print(f"{name}, seed {seed}, {time.monotonic() - start:.0f} s: {line}", flush=True)
    return line.split()[0] if line else f"status {done.returncode}"


if __name__ == "__main__":
    sys.exit(main())
