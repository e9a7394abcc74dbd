"""The same conditions for all: how many threads TensorFlow, BLAS, OpenMP, Numba and the shipped kernels may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip


def environment(threads: int) -> dict[str, str]:
    """Return the variables that tell libraries, before they are loaded, how many threads are meant."""
    return dict.fromkeys(_THREADS, str(threads))


@contextmanager
def same_threads(count: int) -> Iterator[None]:
    """Hold the libraries of this process, and the kernels that are called here, to `count` threads."""
    from threadpoolctl import threadpool_limits

    from convverify.kernels.shared.threads import limited_threads

    with limited_threads(count), threadpool_limits(limits=count):
        yield
