"""Measure the constants of `matmul`'s cost model on this machine, and print them as `convverify/kernels/planning.py` has them.

    PYTHONPATH=. python tools/measure_costs.py [--seconds SECONDS]

Each constant is a slope: products of many extents, copies of runs of many lengths, and sums are timed on one thread, in several passes of
which the fastest counts, and the model is fitted to the relative errors, twice, the second time without what something else disturbed.
Printed are the constants, and the quartiles of the model's error on products.  Measure on an idle machine, without OPENBLAS_CORETYPE.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_info, threadpool_limits

from convverify.kernels.planning import COSTS, Costs
from convverify.kernels.shared.threads import run_pieces

PIXELS = (28, 49, 98, 196, 392, 784, 1568, 3136)
OUTPUTS = (8, 16, 32, 64, 128, 256, 512)
TERMS = (16, 27, 64, 147, 192, 576, 1152, 2304)
RUNS = (3, 9, 21, 64, 192, 512)
FEWEST, MOST = 1 << 15, 1 << 28  # multiply-adds of a product that is timed
BUFFER = 1 << 18  # elements of a block's copy
DISTURBED = 0.5  # error of a sample that is left out
Calls = dict[tuple[Any, ...], Callable[[], Any]]
Floats = npt.NDArray[np.float64]


def fastest(calls: Calls, seconds: float) -> dict[tuple[Any, ...], float]:
    """Return the least nanoseconds of each call, over passes through all of them for so many seconds, three passes at least."""
    best = dict.fromkeys(calls, float("inf"))
    end, number = time.perf_counter() + seconds, 0
    while number < 3 or time.perf_counter() < end:
        for key, call in calls.items():
            for _ in range(2):
                start = time.perf_counter_ns()
                call()
                best[key] = min(best[key], time.perf_counter_ns() - start)
        number += 1
    return best


def fitted(terms: Floats, times: Floats) -> tuple[Floats, Floats]:
    """Return coefficients of `terms` (samples, coefficients), none of them negative, and the relative errors of the samples."""
    kept = np.ones(len(times), bool)
    coefficients = np.zeros(terms.shape[1])
    for _ in range(2):
        positive = np.ones(terms.shape[1], bool)
        while True:
            relative = terms[np.ix_(kept, positive)] / times[kept, None]
            found = np.linalg.lstsq(relative, np.ones(kept.sum()), rcond=None)[0]
            coefficients = np.zeros(terms.shape[1])
            coefficients[positive] = found
            if (found >= 0).all():
                break
            positive &= coefficients >= 0
        errors = terms @ coefficients / times - 1
        kept = np.abs(errors) < DISTURBED
    return coefficients, errors


def products(seconds: float) -> tuple[Floats, Floats]:
    """Return what a product costs: a call, a multiply-add, an element of the left, of the right and of the result; and the errors."""
    rng = np.random.default_rng(0)
    calls: Calls = {}
    for pixels, outputs, terms in itertools.product(PIXELS, OUTPUTS, TERMS):
        if FEWEST <= pixels * outputs * terms <= MOST:
            left, right = rng.random((pixels, terms), np.float32), rng.random((terms, outputs), np.float32)
            out = np.empty((pixels, outputs), np.float32)
            calls[pixels, outputs, terms] = lambda left=left, right=right, out=out: np.matmul(left, right, out=out)
    best = fastest(calls, seconds)
    pixels, outputs, terms = np.array(list(best), float).T
    columns = np.stack([np.ones_like(pixels), pixels * outputs * terms, pixels * terms, terms * outputs, pixels * outputs], 1)
    return fitted(columns, np.array(list(best.values())))


def copies(seconds: float) -> Floats:
    """Return what an element that is copied costs, and a run of them."""
    image = np.ones((1 << 11, 2 * max(RUNS)), np.float32)
    calls: Calls = {}
    for run in RUNS:
        windows = np.lib.stride_tricks.as_strided(image, (1 << 11, BUFFER // run >> 11, run), (*image.strides, image.itemsize))
        out = np.empty(windows.shape, np.float32)
        calls[windows.size, windows.size // run] = lambda windows=windows, out=out: np.copyto(out, windows)
    best = fastest(calls, seconds)
    return fitted(np.array(list(best), float), np.array(list(best.values())))[0]


def sums(seconds: float) -> float:
    """Return what adding an element of a product costs."""
    total, product = np.zeros(BUFFER, np.float32), np.ones(BUFFER, np.float32)
    return fastest({(): lambda: np.add(total, product, out=total)}, seconds)[()] / BUFFER


def threads(seconds: float) -> float:
    """Return what it costs to share pieces with another thread: more than half of the time that they take on one."""
    work = [(np.zeros(BUFFER, np.float32), np.ones(BUFFER, np.float32)) for _ in range(8)]

    def add(piece: tuple[Any, Any]) -> None:
        np.add(*piece, out=piece[0])

    best = fastest({(count,): lambda count=count: run_pieces(add, work, count) for count in (1, 2)}, seconds)
    return max(0.0, best[2,] - best[1,] / 2)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds for the products; the rest takes a tenth of it each")
    seconds = parser.parse_args().seconds
    with threadpool_limits(1, user_api="blas"):
        print(*(f"{one['internal_api']} {one['version']}: {one.get('architecture')}" for one in threadpool_info()), sep="\n")
        (call, multiply_add, left, right, result), errors = products(seconds)
        copied, run = copies(seconds / 10)
        costs = Costs(COSTS.piece, threads(seconds / 10), call, multiply_add, left, right, result, copied, run, sums(seconds / 10))
    for name, value in costs._asdict().items():
        print(f"    {name}: float = {value:.3g}")
    print("the model's products take", ", ".join(f"{1 + error:.2f}" for error in quartiles(errors)), "of what they took (quartiles)")


def quartiles(values: Iterable[float]) -> list[float]:
    """Return the quartiles of some values."""
    return [float(value) for value in np.quantile(list(values), (0.25, 0.5, 0.75))]


if __name__ == "__main__":
    main()
