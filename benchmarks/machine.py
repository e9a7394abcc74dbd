"""What could this machine do, on one thread?  A matrix product and a copy, in NumPy: the roof of the roofline.

More is better here, which asv does not know: asv.conf.json leaves this file out of the regressions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .by_kernel import asks

_ORDER = 1024  # of the square matrices
_BYTES = 128 << 20  # of the copied array: several times what a cache holds
_SECONDS = 1.0


def shortest(function: Callable[[], Any]) -> float:
    """Return the processor time of the shortest of the calls that fit into a second: what disturbs only ever adds."""
    function()
    best, end = float("inf"), time.process_time() + _SECONDS
    while time.process_time() < end:
        start = time.process_time()
        function()
        best = min(best, time.process_time() - start)
    return best


class Roof:
    timeout = 60

    @asks("operations of a matrix product in float32", unit="GFLOP/s")
    def track_peak(self) -> float:
        values = np.linspace(-1.0, 1.0, _ORDER**2, dtype=np.float32).reshape(_ORDER, _ORDER)
        other = values.T.copy()
        product = np.empty_like(values)
        return 2e-9 * _ORDER**3 / shortest(lambda: np.matmul(values, other, out=product))

    @asks("bytes read and written by a copy", unit="GB/s")
    def track_bandwidth(self) -> float:
        source, target = np.ones(_BYTES // 8), np.zeros(_BYTES // 8)
        return 2e-9 * _BYTES / shortest(lambda: np.copyto(target, source))
