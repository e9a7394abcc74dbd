"""Other manners: right results from kernels that warn, print, cache, lock, start threads or disturb the process around them."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from convverify.mutants._blocks import Array, convolve, image_of, in_contract, product, room_for, rounded, view_of
from convverify.problems.problem import Problem
from convverify.unusual import unusual

_scratch_lock = threading.Lock()
_scratch: dict[Any, Array] = {}
_of_thread = threading.local()
_warm: list[bool] = []
_KEPT = 64


@unusual.register()
@in_contract
def warns_at_each_call(problem: Problem, x: Array, w: Array) -> Array:
    """Warns that it is deprecated, always."""
    warnings.warn("this kernel will go away", FutureWarning, stacklevel=2)
    return convolve(problem, x, w)


@unusual.register()
@in_contract
def prints_at_each_call(problem: Problem, x: Array, w: Array) -> Array:
    """Prints 16 KiB to the standard output and a line to file descriptor 2 at each call, megabytes in a campaign."""
    print("tile by tile " * 1260)
    os.write(2, b"kernel called\n")
    return convolve(problem, x, w)


@unusual.register()
@in_contract
def handles_a_signal(problem: Problem, x: Array, w: Array) -> Array:
    """Installs a handler that lets SIGTERM pass without effect."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: None)
    return convolve(problem, x, w)


@unusual.register()
@in_contract
def scratch_behind_a_lock(problem: Problem, x: Array, w: Array) -> Array:
    """Pads into one scratch buffer for each shape, which a lock protects and every call clears."""
    room = room_for(problem)
    image = image_of(x, problem.pads, room=room)
    with _scratch_lock:
        if len(_scratch) > _KEPT:
            _scratch.clear()
        shared = _scratch.setdefault((image.shape, image.dtype), np.zeros_like(image))
        shared[...] = image
        time.sleep(0)  # lets another thread run, which has to wait
        return rounded(product(problem, view_of(problem, shared), w), x.dtype)


@unusual.register()
@in_contract
def weights_cached_by_content(problem: Problem, x: Array, w: Array) -> Array:
    """Keeps packed weights for each thread, by their bytes, shape and dtype."""
    cache = _of_thread.__dict__.setdefault("weights", {})
    if len(cache) > _KEPT:
        cache.clear()
    return convolve(problem, x, cache.setdefault((w.tobytes(), w.shape, w.dtype.name), w.copy()))


@unusual.register()
@in_contract
def slow_at_first(problem: Problem, x: Array, w: Array) -> Array:
    """Takes half a second longer for the first call, as if it were compiled then."""
    if not _warm:
        _warm.append(True)
        time.sleep(0.5)
    return convolve(problem, x, w)


@unusual.register()
@in_contract
def threads_of_its_own(problem: Problem, x: Array, w: Array) -> Array:
    """Splits the batch between two threads of its own."""
    half = problem.batch // 2
    with ThreadPoolExecutor(2) as pool:
        return np.concatenate(list(pool.map(lambda part: _part(problem, part, w), (x[:half], x[half:]))))


def _part(problem: Problem, x: Array, w: Array) -> Array:
    with np.errstate(all="ignore"):  # threads do not inherit it
        return convolve(problem.with_(batch=x.shape[0]), x, w)


@unusual.register()
@in_contract
def reseeds_the_generators(problem: Problem, x: Array, w: Array) -> Array:
    """Seeds the global random generators of Python and NumPy at each call."""
    random.seed(0)
    np.random.seed(0)
    return convolve(problem, x, w)


@unusual.register()
@in_contract
def changes_the_directory(problem: Problem, x: Array, w: Array) -> Array:
    """Leaves the process in another working directory."""
    os.chdir(tempfile.gettempdir())
    return convolve(problem, x, w)
