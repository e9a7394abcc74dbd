"""The machine: what it is, and what it reaches at best: multiply-adds of a large matrix product, bytes of a large copy."""

from __future__ import annotations

import itertools
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from convverify.kernels.shared.threads import run_pieces
from convverify.problems.dtypes import numpy_dtype

_ORDER = 2048  # of the square matrices: 2 n**3 operations on 3 n**2 elements, far from the memory's limit
_COPIED = 128 << 20  # bytes: several times what a cache holds
_SECONDS = 0.5  # that each measurement takes


@dataclass(frozen=True)
class Machine:
    """The processor's name, the threads in use, and the best figures seen: operations a second by dtype, and bytes a second.

    `bandwidth` counts each byte of a copy twice, read and written, and no others (as STREAM does: McCalpin 1995).  float16 and bfloat16
    have the peak of float32, in which the kernels sum them.  `ceilings` are what the processors of all threads would reach if they did
    nothing else: operations a processor second, times the threads.
    """

    processor: str
    threads: int
    peaks: dict[str, float]
    bandwidth: float
    ceilings: dict[str, float] = field(default_factory=dict)

    def ceiling(self, dtype: str) -> float:
        """Return the operations a second that a direct algorithm in the dtype cannot exceed."""
        return max(self.peak(dtype), self.ceilings.get(accumulator(dtype), 0.0))

    def peak(self, dtype: str) -> float:
        """Return the operations a second of a matrix product in the dtype."""
        return self.peaks[accumulator(dtype)]

    def best(self, other: Machine) -> Machine:
        """Return the better of two measurements of the same machine."""
        peaks, ceilings = (
            {dtype: max(value, theirs.get(dtype, 0.0)) for dtype, value in mine.items()}
            for mine, theirs in ((self.peaks, other.peaks), (self.ceilings, other.ceilings))
        )
        return replace(self, peaks=peaks, bandwidth=max(self.bandwidth, other.bandwidth), ceilings=ceilings)


def accumulator(dtype: str) -> str:
    """Return the dtype of the matrix product that a problem is held against."""
    return "float64" if dtype == "float64" else "float32"


def measure_machine(dtypes: set[str], threads: int, seconds: float = _SECONDS) -> Machine:
    """Measure this machine; BLAS is to be set to `threads` threads by the caller."""
    products = _products(dtypes, seconds)
    peaks, ceilings = ({dtype: pair[number] * (threads if number else 1) for dtype, pair in products.items()} for number in (0, 1))
    return Machine(processor_name(), threads, peaks, _bandwidth(threads, seconds), ceilings)


def measure_peaks(dtypes: set[str], seconds: float = 0.0) -> dict[str, float]:
    """Measure matrix products alone; in no time at all, two of each."""
    return {dtype: pair[0] for dtype, pair in _products(dtypes, seconds).items()}


def _products(dtypes: set[str], seconds: float) -> dict[str, tuple[float, float]]:
    """Return the operations of a matrix product in a second, and in a second of one processor."""
    return {dtype: _product(dtype, seconds) for dtype in sorted({accumulator(dtype) for dtype in dtypes})}


def _best(function: Callable[[], Any], seconds: float) -> tuple[float, float]:
    """Return the shortest time of a call, and its shortest processor time, of as many as fit into some seconds: noise only ever adds."""
    function()
    best, least, end = float("inf"), float("inf"), time.perf_counter() + seconds
    while True:
        processor, start = time.process_time(), time.perf_counter()
        function()
        now = time.perf_counter()
        best, least = min(best, now - start), min(least, time.process_time() - processor)
        if now > end:
            return best, least


def _product(dtype: str, seconds: float) -> tuple[float, float]:
    values = np.linspace(-1.0, 1.0, _ORDER * _ORDER).astype(numpy_dtype(dtype)).reshape(_ORDER, _ORDER)
    other, product = values.T.copy(), np.empty_like(values)
    best, least = _best(lambda: np.matmul(values, other, out=product), seconds)
    return 2.0 * _ORDER**3 / best, 2.0 * _ORDER**3 / least


def _bandwidth(threads: int, seconds: float) -> float:
    source, target = np.ones(_COPIED // 8), np.zeros(_COPIED // 8)
    edges = [source.size * piece // threads for piece in range(threads + 1)]
    pieces = [slice(low, high) for low, high in itertools.pairwise(edges)]

    def copy(piece: slice) -> None:
        target[piece] = source[piece]

    return 2.0 * _COPIED / _best(lambda: run_pieces(copy, pieces, threads), seconds)[0]


def processor_name() -> str:
    """Return the processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
