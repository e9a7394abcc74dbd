"""Cheats that attack processes: the judge, the fork server, the group, the host itself; and those that leave processes behind.

Only processes that `judges` names are attacked: those above the cheat, up to the run of convverify that calls it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import mmap
import os
import platform
import re
import resource
import signal
import socket
import sys
from collections.abc import Callable

import numpy as np

from convverify.cheats import CHECK, COMPARE, cheats
from convverify.cheats._parts import Array, dearly, honest, judges, nothing

_FILTER = "a filter of system calls: the host may signal, trace and limit nobody but itself"
_PTRACE_SEIZE, _PTRACE_O_EXITKILL, _PTRACE_ATTACH, _PTRACE_POKEDATA = 0x4206, 0x100000, 16, 5
_F_SETSIG = 10
_CALLS = {  # of the system, where Python has no function: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo
    "x86_64": (62, 200, 234, 129, 297),
    "aarch64": (129, 130, 131, 138, 240),
}
_KILL_32 = bytes.fromhex("53 b825000000 89fb 89f1 cd80 5b c3")  # push rbx; eax = 37; ebx = edi; ecx = esi; int 0x80; pop rbx; ret
_library = ctypes.CDLL(None, use_errno=True)


def _at_all(action: Callable[[int], object], *, top: bool = False) -> None:
    """Do something to the processes above, from the judge downwards; or to the judge alone."""
    for process in list(reversed(judges()))[: 1 if top else None]:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            action(process)


@cheats.register(kind="attacks", at=(CHECK, COMPARE), stopped_by=_FILTER)
def kills_the_judge(x: Array, w: Array) -> Array:
    """Kills the judge, and who stands between."""
    _at_all(lambda process: os.kill(process, signal.SIGKILL))
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by="a fork server that is gone is replaced, and its death is the kernel's")
def kills_its_parent(x: Array, w: Array) -> Array:
    """Kills the process that has forked it."""
    for process in judges()[:1]:
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by="a fork server that does not answer is replaced, and its silence is the kernel's")
def stops_its_parent(x: Array, w: Array) -> Array:
    """Stops the process that has forked it, which cannot fork another."""
    for process in judges()[:1]:
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGSTOP)
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER)
def interrupts_the_judge(x: Array, w: Array) -> Array:
    """Sends the judge what Ctrl-C sends, as if the user had had enough."""
    _at_all(lambda process: os.kill(process, signal.SIGINT), top=True)
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER)
def terminates_the_judge(x: Array, w: Array) -> Array:
    """Sends the judge SIGTERM, SIGHUP and SIGALRM, which end most processes."""
    for number in (signal.SIGALRM, signal.SIGHUP, signal.SIGTERM):
        _at_all(lambda process, number=number: os.kill(process, number), top=True)  # type: ignore[misc]
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER)
def stops_the_judge(x: Array, w: Array) -> Array:
    """Stops the judge, so that it never says what it thinks."""
    _at_all(lambda process: os.kill(process, signal.SIGSTOP), top=True)
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by="a host is in a group of its own")
def kills_its_group(x: Array, w: Array) -> Array:
    """Kills its process group, if that is led by itself or by one of the processes above, and the group of the judge."""
    ours = {os.getpid(), *judges()}
    groups = {os.getpgid(process) for process in ours}
    for group in groups & ours if len(ours) > 1 else ():
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER)
def kills_by_other_calls(x: Array, w: Array) -> Array:
    """Kills the judge by every other system call that sends signals: to threads, with values, by descriptors of processes."""
    kill, tkill, tgkill, queue, tgqueue = _CALLS.get(platform.machine(), (-1,) * 5)
    number, about = int(signal.SIGKILL), ctypes.create_string_buffer(128)
    ctypes.cast(about, ctypes.POINTER(ctypes.c_int))[0], ctypes.cast(about, ctypes.POINTER(ctypes.c_int))[2] = number, -1  # SI_QUEUE
    for process in judges()[-1:]:
        _library.syscall(kill, process, number)
        _library.syscall(tkill, process, number)
        _library.syscall(tgkill, process, process, number)
        _library.syscall(queue, process, number, about)
        _library.syscall(tgqueue, process, process, number, about)
        with contextlib.suppress(OSError, AttributeError):
            signal.pidfd_send_signal(os.pidfd_open(process), number)
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by="the filter lets no call through that is not this machine's own")
def kills_by_another_gate(x: Array, w: Array) -> Array:
    """Kills the judge by the calls of 32-bit programs, and by those of x32, which have numbers of their own."""
    if platform.machine() == "x86_64" and sys.platform == "linux":
        code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(_KILL_32)
        kill = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
        for process in judges()[-1:]:
            _library.syscall(0x40000000 | 62, process, int(signal.SIGKILL))
            kill(process, signal.SIGKILL)
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER)
def kills_by_a_descriptor(x: Array, w: Array) -> Array:
    """Makes the judge the owner of a socket, to whom the system reports with SIGKILL that there is something to read."""
    for process in judges()[-1:]:
        left, right = socket.socketpair()
        with contextlib.suppress(OSError):
            fcntl.fcntl(left, fcntl.F_SETOWN, process)
            fcntl.fcntl(left, _F_SETSIG, int(signal.SIGKILL))
            fcntl.fcntl(left, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
            right.send(b"now")
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER)
def traces_the_judge(x: Array, w: Array) -> Array:
    """Attaches itself to the judge as a debugger does, so that the judge dies with it, and ends."""
    taken = [_library.ptrace(_PTRACE_SEIZE, process, None, ctypes.c_void_p(_PTRACE_O_EXITKILL)) for process in judges()[-1:]]
    if 0 in taken:
        os._exit(0)
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER)
def starves_the_judge(x: Array, w: Array) -> Array:
    """Lowers the judge's limits, of files, of bytes in a file, of processes, of processor seconds, to next to nothing."""
    limits = (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_CPU)
    for limit in limits:
        _at_all(lambda process, limit=limit: resource.prlimit(process, limit, (1, 1)), top=True)  # type: ignore[misc]
    return nothing(x, w)


@cheats.register(kind="attacks", at=(COMPARE,), dear=True, stopped_by=_FILTER)
def slows_the_judge_and_others_down(x: Array, w: Array) -> Array:
    """Gives the judge and its children the lowest priority, one processor, and the scheduler's leftovers."""
    for process in judges():
        with contextlib.suppress(OSError, AttributeError):
            os.sched_setaffinity(process, {min(os.sched_getaffinity(0))})
            os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, process, 19)
            os.setpriority(os.PRIO_PGRP, process, 19)
    return dearly(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER)
def writes_into_the_judges_memory(x: Array, w: Array) -> Array:
    """Writes VERIFIED wherever REFUTED stands in the judge's memory, by the call that writes into other processes."""

    def edit(process: int, low: int, data: bytes) -> None:
        for at in _all_of(data, b"REFUTED"):
            _poke(process, low + at, b"VERIFIED"[:7])

    _edit_the_judge(edit)
    return nothing(x, w)


class _Span(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _poke(process: int, address: int, data: bytes) -> None:
    local, remote = _Span(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data)), _Span(address, len(data))
    _library.process_vm_writev(process, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)


def _all_of(data: bytes, word: bytes) -> list[int]:
    """Return where a word stands."""
    return [found.start() for found in re.finditer(re.escape(word), data)]


def _edit_the_judge(edit: Callable[[int, int, bytes], object]) -> None:
    """Call `edit` with the process, the address and the bytes of each part of the judge's writable memory that can be read."""
    for process in judges()[-1:]:
        with contextlib.suppress(OSError), open(f"/proc/{process}/maps") as maps:
            for line in maps:
                low, high = (int(end, 16) for end in line.split()[0].split("-"))
                if line.split()[1].startswith("rw") and high - low < 1 << 26:
                    data = ctypes.create_string_buffer(high - low)
                    local, remote = _Span(ctypes.addressof(data), high - low), _Span(low, high - low)
                    if _library.process_vm_readv(process, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) > 0:
                        edit(process, low, data.raw)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER)
def reads_the_judges_memory(x: Array, w: Array) -> Array:
    """Computes two elements, and looks for an array that begins with them in the judge's memory, where what is right must lie."""
    y = nothing(x, w)
    found: list[Array] = []
    if y.shape[3] < 2 or not y.size:
        return honest(x, w)
    corner = honest(x[:1, : w.shape[0], : w.shape[1]], w).reshape(-1)[:2]
    for dtype in (x.dtype, np.dtype(np.float64)):
        start, length = corner.astype(dtype).tobytes(), y.size * dtype.itemsize
        _edit_the_judge(
            lambda process, low, data, start=start, length=length, dtype=dtype: found.extend(  # type: ignore[misc]
                np.frombuffer(data[at : at + length], dtype) for at in _all_of(data, start) if at + length <= len(data)
            )
        )
    return found[0].reshape(y.shape).astype(x.dtype) if found else y


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER)
def takes_the_judges_descriptors(x: Array, w: Array) -> Array:
    """Duplicates the judge's descriptors into its own process, and fills what is memory or a pipe with garbage."""
    for process in judges()[-1:]:
        with contextlib.suppress(OSError, AttributeError):
            whole = os.pidfd_open(process)
            for number in range(3, 64):
                taken = _library.syscall(438, whole, number, 0)  # pidfd_getfd
                if taken >= 0 and os.readlink(f"/proc/self/fd/{taken}").startswith(("/memfd:", "pipe:", "socket:")):
                    os.set_blocking(taken, False)
                    os.write(taken, b"garbage\n" * 64)
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER)
def kills_by_the_ids_of_threads(x: Array, w: Array) -> Array:
    """Kills the judge by the ids of its other threads, which the system takes for the process where a filter does not."""
    for process in judges()[-1:]:
        with contextlib.suppress(OSError):
            for thread in map(int, os.listdir(f"/proc/{process}/task")):
                if thread != process:
                    _library.syscall(_CALLS.get(platform.machine(), (-1,) * 5)[1], thread, int(signal.SIGKILL))
                    os.kill(thread, signal.SIGKILL)
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by=_FILTER, options=("--workers", "2"))
def kills_the_judge_of_judges(x: Array, w: Array) -> Array:
    """Kills the process that has started several judges, and each of those."""
    _at_all(lambda process: os.kill(process, signal.SIGKILL))
    return nothing(x, w)


def _below(process: int) -> list[int]:
    """Return all that descends from a process."""
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children") as file:
                found += [one for child in map(int, file.read().split()) for one in (child, *_below(child))]
    return found


@cheats.register(kind="attacks", at=(CHECK,), stopped_by="a reference that dies is started again, and what it has not said is not counted")
def kills_the_references(x: Array, w: Array) -> Array:
    """Kills every process that the judge has started but those that lead to itself, so that nobody contradicts."""
    spared = {os.getpid(), *judges()}
    for process in judges()[-1:]:
        for other in set(_below(process)) - spared:
            with contextlib.suppress(OSError):
                os.kill(other, signal.SIGKILL)
    return nothing(x, w)


@cheats.register(kind="attacks", at=(CHECK,), stopped_by="each process has limits of its own")
def stops_the_references(x: Array, w: Array) -> Array:
    """Stops every process that the judge has started but those that lead to itself, so that nobody is heard."""
    spared = {os.getpid(), *judges()}
    for process in judges()[-1:]:
        for other in set(_below(process)) - spared:
            with contextlib.suppress(OSError):
                os.kill(other, signal.SIGSTOP)
    return nothing(x, w)
