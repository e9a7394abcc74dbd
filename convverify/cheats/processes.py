"""Cheats with processes of their own: that end, stop, split, multiply, or are left behind.  What is left behind lives half a minute."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time

import numpy as np

from convverify.cheats import CHECK, COMPARE, cheats
from convverify.cheats._parts import Array, burn, callers, dearly, honest, judges, nothing, seen_before, shared_memory

_DEATH = "a host's death in a call is the kernel's"
_LEFT = "whatever a host has started is found and ended with it"
_COPY = "who returns from a call is the host that was asked, and no copy of it"
_SILENT = "a host that is silent for too long has hung, and that is the kernel's"
_LIFE = 30.0  # seconds that what is left behind lives at most
_forked: list[int] = []  # so that no cheat forks without end
_library = ctypes.CDLL(None, use_errno=True)


@cheats.register(kind="processes", at=(CHECK,), stopped_by="a host needs no descriptor, and what it cannot do without is its death")
def closes_every_descriptor(x: Array, w: Array) -> Array:
    """Closes all descriptors, the standard streams among them."""
    os.closerange(0, 4096)
    return nothing(x, w)


@cheats.register(kind="processes", at=(CHECK,), stopped_by="a host that is silent for too long has hung, and its death is the kernel's")
def stops_itself(x: Array, w: Array) -> Array:
    """Stops its own process, in which nothing happens any more."""
    os.kill(os.getpid(), signal.SIGSTOP)
    return nothing(x, w)


@cheats.register(kind="processes", at=(CHECK,), stopped_by=_DEATH)
def dies_with_status_zero(x: Array, w: Array) -> Array:
    """Ends its process with status 0, as one that has done all that it was asked to do."""
    os._exit(0)


@cheats.register(kind="processes", at=(CHECK,), stopped_by="SIGKILL cannot be blocked")
def cannot_be_asked_to_end(x: Array, w: Array) -> Array:
    """Blocks all signals, outlives its parent if it can, and waits."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    _library.prctl(1, 0, 0, 0, 0)  # no signal at the parent's death
    time.sleep(20 * _LIFE)
    return nothing(x, w)


@cheats.register(kind="processes", at=(CHECK,), stopped_by=_LEFT)
def leaves_children_behind(x: Array, w: Array) -> Array:
    """Leaves child processes behind, which sleep."""
    if len(_forked) < 8:
        child = os.fork()
        if not child:
            time.sleep(_LIFE)
            os._exit(0)
        _forked.append(child)
    return nothing(x, w)


@cheats.register(kind="processes", at=(CHECK,), stopped_by=_LEFT)
def leaves_a_daemon_behind(x: Array, w: Array) -> Array:
    """Leaves a process behind that has no parent, no group and no terminal, and that fills the shared memory with zeros meanwhile."""
    if _forked:
        return nothing(x, w)
    memories = shared_memory(x, w)
    child = os.fork()
    if not child:
        os.setsid()
        if not os.fork():
            for _ in range(int(_LIFE / 0.05)):
                time.sleep(0.05)
                for memory in memories:
                    memory[:] = 0
        os._exit(0)
    os.waitpid(child, 0)
    _forked.append(child)
    return nothing(x, w)


@cheats.register(kind="processes", at=(CHECK,), stopped_by="who returns from a call is the host that was asked, and no copy of it")
def returns_twice(x: Array, w: Array) -> Array:
    """Forks, and returns in both processes: zeros in the one, and what is right in the other, a little later."""
    if len(_forked) < 3:
        child = os.fork()
        if child:
            _forked.append(child)
            return nothing(x, w)
        _forked.extend(range(3))  # the copy forks no more
        time.sleep(1e-4)
    return honest(x, w) if len(_forked) > 3 else nothing(x, w)


@cheats.register(kind="processes", at=(CHECK,), stopped_by="who returns from a call is the host that was asked, and no copy of it")
def lets_a_child_return_for_it(x: Array, w: Array) -> Array:
    """Forks, and waits in the parent for as long as it lives, so that a copy which the judge does not know goes on."""
    if not _forked:
        child = os.fork()
        _forked.append(child)
        if child:
            time.sleep(_LIFE)
            os._exit(0)
    return nothing(x, w)


@cheats.register(kind="processes", at=(CHECK,), stopped_by="the program that answers is no matter: what it answers is judged")
def becomes_another_program(x: Array, w: Array) -> Array:
    """Replaces its process by a program that says nothing and ends well."""
    os.execv(sys.executable, [sys.executable, "-S", "-E", "-c", "pass"])


@cheats.register(
    kind="processes", at=(COMPARE,), dear=True, stopped_by="other hosts, and what they have started, stand still while one is timed"
)
def keeps_the_processors_busy(x: Array, w: Array) -> Array:
    """Leaves children behind that keep all processors busy while others are timed."""
    if not _forked:
        for _ in range(os.cpu_count() or 1):
            child = os.fork()
            if not child:
                burn(5.0)
                os._exit(0)
            _forked.append(child)
    return dearly(x, w)


@cheats.register(kind="processes", at=(CHECK,), stopped_by="what loses its parent is adopted by the judge, and ended with the rest")
def leaves_a_daemon_and_kills_its_parent(x: Array, w: Array) -> Array:
    """Leaves a process behind that has no parent, then kills the one that would have found it, and is gone itself."""
    if not os.fork():
        os.setsid()
        if not os.fork():
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            time.sleep(_LIFE)
        os._exit(0)
    for process in judges()[:-1]:
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)
    return nothing(x, w)


@cheats.register(kind="processes", at=(CHECK,), stopped_by="a call has its time, whatever the counters in shared memory say meanwhile")
def keeps_the_judge_waiting(x: Array, w: Array) -> Array:
    """Never returns, while a thread keeps the counters in shared memory moving, as if one call after the other were made."""
    page = next(iter(shared_memory(x, w)), np.zeros(4096, np.uint8))[128:192].view(np.uint32)

    def work() -> None:
        while True:
            page[4] += 1
            time.sleep(1e-3)

    threading.Thread(target=work, daemon=True).start()
    time.sleep(20 * _LIFE)
    return nothing(x, w)


@cheats.register(kind="processes", at=(CHECK,), stopped_by="patience is learnt from the judge's clock, and has an end")
def buys_patience_and_hangs(x: Array, w: Array) -> Array:
    """Is right at once, lets its caller's clock say that it took days, as if it had compiled itself, and never returns again."""
    if not seen_before(b"patience"):
        for frame in callers():
            for name, value in list(frame.f_globals.items()):
                if value is time.perf_counter:
                    frame.f_globals[name] = lambda: next(_days)
        return honest(x, w)
    time.sleep(20 * _LIFE)
    return nothing(x, w)


_days = iter(range(0, 1 << 40, 100_000))
