"""Threads for kernels: independent pieces of work on a few threads, with BLAS held to one thread meanwhile.

A kernel cuts its output into pieces by the problem alone, and every piece is computed by single-threaded code; hence the result is the
same, bit for bit, on any number of threads.

How many: as many as there are processors for this process, or as BLAS is set to use where that is fewer (OPENBLAS_NUM_THREADS,
`threadpoolctl.threadpool_limits`), unless `limited_threads` says otherwise.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any

_limit: ContextVar[int | None] = ContextVar("convverify_threads", default=None)
_MOST_HELPERS = 64


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Let the kernels called inside use `count` threads, be it fewer or more than there are processors.

    Raises ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    token = _limit.set(count)
    try:
        yield
    finally:
        _limit.reset(token)


def processors() -> int:
    """Return the number of processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def thread_count() -> int:
    """Return the number of threads that a kernel called here may use."""
    return _limit.get() or min(processors(), _blas.threads())


class _Library:
    """A BLAS library: how many threads it uses, and how to change that."""

    def __init__(self, controller: Any) -> None:
        self.get_num_threads: Callable[[], int] = controller.get_num_threads
        self.set_num_threads: Callable[[int], Any] = controller.set_num_threads
        if controller.internal_api == "openblas":
            # From 3.8 on, threadpoolctl lets only the thread that was first set OpenBLAS's number, and ignores all others without a
            # word.  The number is the process's, and here a lock and a count keep callers from fighting over it.
            for prefix, suffix in itertools.product(("scipy_", ""), ("64_", "_64", "")):
                function = getattr(controller.dynlib, f"{prefix}openblas_set_num_threads{suffix}", None)
                if function is not None:
                    self.set_num_threads = function
                    break


class _Blas:
    """The BLAS libraries of this process.  As a context manager it holds them to one thread until the last call has left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[int] = []
        self._libraries: list[_Library] | None = None

    def _found(self) -> list[_Library]:
        """Look the libraries up once: that takes milliseconds, and NumPy's is loaded for good."""
        if self._libraries is None:
            from threadpoolctl import ThreadpoolController

            self._libraries = [_Library(found) for found in ThreadpoolController().select(user_api="blas").lib_controllers]
        return self._libraries

    def threads(self) -> int:
        """Return the number of threads that BLAS uses when nobody holds it."""
        with self._lock:
            numbers = self._before if self._inside else [library.get_num_threads() for library in self._found()]
        return max(1, min(numbers, default=_MOST_HELPERS))

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = [library.get_num_threads() for library in self._found()]
                for library, before in zip(self._found(), self._before, strict=True):
                    if before != 1:
                        library.set_num_threads(1)
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._restore()

    def _restore(self) -> None:
        for library, before in zip(self._found(), self._before, strict=True):
            if before != 1:
                library.set_num_threads(before)

    def reset(self) -> None:
        """In a forked child: the calls of the parent's other threads will never leave."""
        self._lock = threading.Lock()
        if self._inside:
            self._restore()
        self._inside = 0


_blas = _Blas()
single_threaded_blas = _blas
_pool: ThreadPoolExecutor | None = None
_pool_lock = threading.Lock()


def _submit(work: Callable[[], None]) -> Future[None] | None:
    """Start `work` on a helper, in this context (NumPy's errstate lies in it); None when the interpreter is shutting down."""
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(_MOST_HELPERS, thread_name_prefix="convverify")
        try:
            return _pool.submit(copy_context().run, work)
        except RuntimeError:
            return None


def _after_fork() -> None:
    """A forked child has none of the parent's threads, and may have got its locks closed."""
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()
    _blas.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def run_pieces(function: Callable[..., None], pieces: Iterable[Any], threads: int) -> None:
    """Call function(piece) for every piece, on this thread and up to threads - 1 helpers; return when all are done.

    Pieces are taken in order, but finish in any: they must not depend on each other.  The first exception is raised here, after
    the pieces that had begun have ended.  Helpers that did not get to start are not waited for, so that calls from several
    threads at once cannot block each other.
    """
    waiting = deque(pieces)
    failures: list[BaseException] = []

    def work() -> None:
        while True:
            try:
                piece = waiting.popleft()
            except IndexError:
                return
            try:
                function(piece)
            except BaseException as failure:
                waiting.clear()
                failures.append(failure)
                return

    helpers = [_submit(work) for _ in range(min(threads, _MOST_HELPERS + 1, len(waiting)) - 1)]
    work()
    for helper in helpers:
        if helper is not None and not helper.cancel():
            helper.result()
    if failures:
        raise failures[0]
