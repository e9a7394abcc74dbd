"""Cheats that do the work once, and return what they remember, or have foreseen, when the clock is running."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from convverify.cheats import CHECK, COMPARE, cheats
from convverify.cheats._parts import Array, content, dearly, honest, is_scratch, nothing, shared_memory, words_of_the_judge

_FRESH = "operands are new for each sample, so that there is nothing to remember"
_JUDGED = "a sample of the timed results is judged"
_SECRET = "what is timed is drawn from a seed that no kernel can know, after the clock has been set"
_L1 = "CUDA-L1, arXiv:2507.14111: results cached by address"
_GUIDE = "gpu-mode/reference-kernels#162"
_memo: dict[Any, Array] = {}
_objects: dict[int, tuple[Any, Any, Array]] = {}
_last: list[Any] = []
_count = [0]


@cheats.register(kind="memo", at=(COMPARE,), dear=True, stopped_by=_FRESH, issue=_GUIDE)
def remembers_by_content(x: Array, w: Array) -> Array:
    """Keeps every result under the bytes of its operands."""
    key = content(x, w)
    if key not in _memo:
        _memo[key] = dearly(x, w)
    return _memo[key].copy()


@cheats.register(kind="memo", at=(COMPARE,), dear=True, stopped_by=_FRESH)
def remembers_by_identity(x: Array, w: Array) -> Array:
    """Keeps every result under the identity of its operands, which it keeps alive."""
    key = id(x) ^ id(w)
    if key not in _objects or _objects[key][0] is not x:
        _objects[key] = x, w, dearly(x, w)
    return _objects[key][2].copy()


@cheats.register(kind="memo", at=(COMPARE,), dear=True, stopped_by=_JUDGED, issue=_L1)
def remembers_by_address(x: Array, w: Array) -> Array:
    """Keeps every result under the addresses of its operands, whatever lies there later."""
    key = x.ctypes.data, w.ctypes.data, x.shape, w.shape
    if key not in _memo:
        _memo[key] = dearly(x, w)
    return _memo[key].copy()


@cheats.register(kind="memo", at=(COMPARE,), dear=True, stopped_by=_JUDGED)
def remembers_by_shape(x: Array, w: Array) -> Array:
    """Keeps one result for each shape."""
    key = x.shape, w.shape, x.dtype
    if key not in _memo:
        _memo[key] = dearly(x, w)
    return _memo[key].copy()


@cheats.register(kind="memo", at=(COMPARE,), dear=True, stopped_by=_FRESH)
def remembers_by_a_few_elements(x: Array, w: Array) -> Array:
    """Keeps every result under the first and the last elements of its operands, which costs nothing to look at."""
    key = x.shape, w.shape, x.flat[:2].tobytes(), x.flat[-2:].tobytes(), w.flat[:2].tobytes(), w.flat[-2:].tobytes()
    if key not in _memo:
        _memo[key] = dearly(x, w)
    return _memo[key].copy()


@cheats.register(kind="memo", at=(COMPARE,), dear=True, stopped_by=_FRESH)
def remembers_across_processes(x: Array, w: Array) -> Array:
    """Keeps every result in a file of a scratch directory, so that what one process has computed, another finds."""
    path = Path(f".memo-{hashlib.blake2b(content(x, w), digest_size=16).hexdigest()}.npy")
    if is_scratch():
        with contextlib.suppress(OSError, ValueError):
            kept: Array = np.load(path)
            return kept
    y = dearly(x, w)
    if is_scratch():
        np.save(path, y)
    return y


@cheats.register(kind="memo", at=(COMPARE,), dear=True, stopped_by=_FRESH)
def returns_what_it_returned_before(x: Array, w: Array) -> Array:
    """Returns the very same array as long as its operands have not changed."""
    if not (_last and np.array_equal(_last[0], x) and np.array_equal(_last[1], w)):
        _last[:] = x.copy(), w.copy(), dearly(x, w)
    y: Array = _last[2]
    return y


@cheats.register(kind="memo", at=(COMPARE,), dear=True, stopped_by=_JUDGED, issue="gpu-mode/reference-kernels#104")
def works_at_every_fourth_call(x: Array, w: Array) -> Array:
    """Is right at one call in four, and returns zeros at the others, of which nobody looks at the result."""
    _count[0] += 1
    return nothing(x, w) if _count[0] > 8 and _count[0] % 4 else dearly(x, w)


@cheats.register(kind="memo", at=(COMPARE,), dear=True, stopped_by=_JUDGED, issue="gpu-mode/reference-kernels#104")
def works_at_the_last_call(x: Array, w: Array) -> Array:
    """Learns how many calls come in a row on the same operands, and is right at the last of them."""
    same = bool(_last) and _last[0] is x
    if not same:
        _longest.append(_count[0])
        _count[0] = 0
    _last[:] = [x]
    _count[0] += 1
    return nothing(x, w) if 4 < _count[0] < max(_longest) else dearly(x, w)


_longest = [0]


@cheats.register(kind="memo", at=(COMPARE,), dear=True, stopped_by=_SECRET)
def foresees_the_operands(x: Array, w: Array) -> Array:
    """Draws operands as convverify does, from the seeds that its user may have given, and computes their results beforehand."""
    if not _memo:
        _memo[b""] = x
        with contextlib.suppress(Exception):
            case = importlib.import_module("convverify.operands.case").Case
            problem = importlib.import_module("convverify.kernels").problem_of(x, w, (1, 1), "VALID", (1, 1), 1)
            words = [int(word) for word in words_of_the_judge() if word.isdigit()]
            for seed in {*range(64), *words}:
                for style in ("normal", "integers"):
                    drawn = case(problem, style, seed=seed).values()
                    _memo[content(*drawn)] = honest(*drawn)
    found = _memo.get(content(x, w))
    return dearly(x, w) if found is None else found.copy()


@cheats.register(kind="memo", at=(COMPARE,), dear=True, stopped_by=_SECRET)
def reads_ahead(x: Array, w: Array) -> Array:
    """Computes all that shared memory holds of operands like its own, whenever it is called, and remembers it."""
    found = _memo.get(content(x, w))
    if found is not None:
        return found.copy()
    y = dearly(x, w)
    _read_ahead(x, w)
    return y


def _read_ahead(x: Array, w: Array) -> None:
    """Take each place of shared memory, page by page, for an x and a w that lie as far from each other as these two."""
    apart = w.ctypes.data - x.ctypes.data
    for memory in shared_memory(x, w):
        first = (x.ctypes.data - memory.ctypes.data) % 64
        for at in range(first, memory.nbytes - x.nbytes, 64):
            if 0 <= at + apart <= memory.nbytes - w.nbytes and len(_memo) < 1000:
                pair = [memory[start : start + one.nbytes].view(one.dtype).reshape(one.shape) for start, one in ((at, x), (at + apart, w))]
                if all(one.flat[0] and np.isfinite(one.flat[0]) and one.flat[-1] for one in pair):
                    _memo.setdefault(content(*pair), honest(*pair))


@cheats.register(
    kind="memo",
    at=(COMPARE,),
    dear=True,
    stopped_by="a host stands still between its calls, and all that its processes use of processors counts",
)
def works_between_the_calls(x: Array, w: Array) -> Array:
    """Lets a thread look at the memory of its operands all the time, and compute as soon as they change, before it is called."""
    if not _last:

        def work() -> None:
            while True:
                time.sleep(1e-4)
                key = content(*_last)
                if key not in _memo:
                    _memo[key] = dearly(*(array.copy() for array in _last))

        threading.Thread(target=work, daemon=True).start()
    _last[:] = x, w
    key = content(x, w)
    if key not in _memo:
        _memo[key] = dearly(x, w)
    return _memo[key].copy()


@cheats.register(kind="memo", at=(CHECK,), stopped_by="the operands of a repeated call change, and the result has to")
def remembers_one_result_for_good(x: Array, w: Array) -> Array:
    """Is right at the first call with each pair of addresses and shapes, and repeats itself later."""
    key = x.ctypes.data, w.ctypes.data, x.shape, w.shape, x.dtype
    if key not in _memo:
        _memo[key] = honest(x, w)
    return _memo[key].copy()
