"""The same conditions for all: how many threads TensorFlow, BLAS, OpenMP, Numba and the shipped kernels may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from convverify.kernels.shared.threads import limited_threads

_ENVIRONMENT = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def announce_threads(count: int) -> None:
    """Say how many threads are meant to libraries that are loaded from here on; TensorFlow's are fixed when it starts."""
    for name in _ENVIRONMENT:
        os.environ[name] = str(count)


@contextmanager
def same_threads(count: int) -> Iterator[None]:
    """Hold every library that is loaded to `count` threads, in this context."""
    from threadpoolctl import threadpool_limits

    with limited_threads(count), threadpool_limits(limits=count):
        numba = sys.modules.get("numba")
        if numba is None:
            yield
            return
        before = numba.get_num_threads()
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
        try:
            yield
        finally:
            numba.set_num_threads(before)
