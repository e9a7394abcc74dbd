"""What a host may do, as far as the system lets one say: nothing to the judge, and nothing after its parent's death.

Linux alone has these means; elsewhere the functions do nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

_SET_PDEATHSIG, _SET_SECCOMP, _CAPBSET_DROP, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS, _SET_DUMPABLE, _GET_DUMPABLE = 1, 22, 24, 36, 38, 4, 3
_CAP_SYS_PTRACE = 19
_CAPABILITIES = 0x20080522  # version 3 of the structure of capset(2)


def _prctl(*arguments: int) -> int:
    if sys.platform != "linux":
        return -1
    with contextlib.suppress(OSError, AttributeError):
        return int(ctypes.CDLL(None, use_errno=True).prctl(*(ctypes.c_ulong(value) for value in arguments)))
    return -1


def die_with_parent(parent: int) -> None:
    """Ask the system to end this process when its parent dies, however it dies; at once where it is dead already."""
    if _prctl(_SET_PDEATHSIG, signal.SIGKILL) == 0 and os.getppid() != parent:
        os._exit(0)


def outlive_parent() -> None:
    """Take back what `die_with_parent` has asked for: when its parent dies, this process goes on, even if it was made to stand still."""
    _prctl(_SET_PDEATHSIG, signal.SIGCONT)


def adopt_orphans() -> None:
    """Become the parent of what descendants leave behind, so that it can be found and ended."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


@contextlib.contextmanager
def unreadable() -> Iterator[None]:
    """Let no process without privileges trace this one, or read its memory, meanwhile."""
    before = _prctl(_GET_DUMPABLE)
    _prctl(_SET_DUMPABLE, 0)
    try:
        yield
    finally:
        if before == 1:
            _prctl(_SET_DUMPABLE, 1)


def kill_descendants() -> None:
    """End every process that descends from this one, what it has adopted included."""
    for _ in range(50):  # what is killed may have had children, which are adopted then
        children = children_of(os.getpid())
        if not children:
            return
        for child in children:
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        for child in children:
            with contextlib.suppress(OSError):
                os.waitpid(child, 0)


def parents_of(pid: int) -> list[int]:
    """Return the processes from which one descends, the nearest first; none where the system does not say."""
    found: list[int] = []
    try:
        while pid > 1 and len(found) < 50:
            with open(f"/proc/{pid}/stat") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
            if pid > 0:
                found.append(pid)
    except (OSError, ValueError, IndexError):
        pass
    return found


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and not buried; none where the system does not say."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    except (OSError, ValueError):
        pass
    return found


# A filter of system calls (seccomp(2)), in the language of Berkeley's packet filters.

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ERRNO with EPERM


class _Calls(NamedTuple):
    """System calls of an architecture, by its number for auditors: what is never allowed (ptrace, process_vm_readv and _writev,
    pidfd_getfd, pidfd_send_signal); what names a process first (kill, tkill, pidfd_open, rt_sigqueueinfo, tgkill, rt_tgsigqueueinfo,
    sched_setparam, _setscheduler, _setaffinity, _setattr, prlimit64, migrate_pages, move_pages); what names it second (setpriority,
    ioprio_set); and what has commands, second (fcntl, ioctl)."""

    architecture: int
    never: tuple[int, ...]
    first: tuple[int, ...]
    second: tuple[int, ...]
    commanded: tuple[int, ...]


_CALLS = {
    "x86_64": _Calls(
        0xC000003E, (101, 310, 311, 438, 424), (62, 200, 434, 129, 234, 297, 142, 144, 203, 314, 302, 256, 279), (141, 251), (72, 16)
    ),
    "aarch64": _Calls(
        0xC00000B7, (117, 270, 271, 438, 424), (129, 130, 434, 138, 131, 240, 118, 119, 122, 274, 261, 238, 239), (140, 30), (25, 29)
    ),
}
# Whom a descriptor signals: F_SETOWN, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP; what a terminal reads as if it had been typed: TIOCSTI.
_COMMANDS = (8, 15, 0x8901, 0x8902, 0x5412)
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT, _SCOPE_SIGNAL = 444, 446, 2  # landlock(7): the same numbers on all architectures


def _instructions(judge: int) -> bytes:
    """Return the filter: no tracing, no signal to every process, none to the judge, its group or its parents, by whatever call, and nothing
    that slows them down."""
    calls = _CALLS[platform.machine()]
    refuse, allow = (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)
    # Programs of another architecture (32-bit ones) may not call the system at all, nor may calls under the numbers of x32.
    parts = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, calls.architecture), refuse, (_LOAD, 0, 0, 0), (_AT_LEAST, 0, 1, 1 << 30), refuse]
    for number in calls.never:
        parts += [(_EQUAL, 0, 1, number), refuse]
    group = os.getpgid(judge)
    spared = {judge, *parents_of(judge)}
    forbidden = sorted({value & 0xFFFFFFFF for pid in spared for value in (pid, -pid)} | {-group & 0xFFFFFFFF, 0xFFFFFFFF})
    for numbers, argument, values in (
        (calls.first, 0, forbidden),
        (calls.second, 1, forbidden),
        (calls.commanded, 1, _COMMANDS),
    ):
        for number in numbers:
            body = [(_LOAD, 0, 0, 16 + 8 * argument)]  # its low half
            for value in values:
                body += [(_EQUAL, 0, 1, value), refuse]
            body.append(allow)
            parts += [(_EQUAL, 0, len(body), number), *body]
    parts.append(allow)
    return b"".join(struct.pack("=HBBI", *part) for part in parts)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def restrict(judge: int) -> None:
    """Give up what a kernel does not need: new privileges, tracing, and signals to the judge.  What the system refuses is left out."""
    _prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    drop_tracing()
    keep_signals_inside()
    if sys.platform == "linux" and platform.machine() in _CALLS and judge != os.getpid():
        with contextlib.suppress(OSError):
            code = _instructions(judge)
            program = _Program(len(code) // 8, code)
            libc = ctypes.CDLL(None, use_errno=True)
            libc.prctl(_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(program))


def keep_signals_inside() -> None:
    """Let this process, and what it starts, signal nobody else (Linux 6.12 and later), if it has no new privileges any more."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None, use_errno=True)
            rules = struct.pack("=QQQ", 0, 0, _SCOPE_SIGNAL)
            descriptor = libc.syscall(_LANDLOCK_CREATE, ctypes.c_char_p(rules), ctypes.c_size_t(len(rules)), 0)
            if descriptor >= 0:
                libc.syscall(_LANDLOCK_RESTRICT, descriptor, 0)
                os.close(descriptor)


def drop_tracing() -> None:
    """Drop the capability to trace, which the superuser has: the judge's memory is then as far away as another user's."""
    _prctl(_CAPBSET_DROP, _CAP_SYS_PTRACE)
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        head = struct.pack("=Ii", _CAPABILITIES, 0)
        data = ctypes.create_string_buffer(24)
        if libc.capget(ctypes.c_char_p(head), data):
            return
        effective, permitted, inherited, *rest = struct.unpack("=6I", data.raw)
        keep = ~(1 << _CAP_SYS_PTRACE) & 0xFFFFFFFF
        libc.capset(ctypes.c_char_p(head), ctypes.c_char_p(struct.pack("=6I", effective & keep, permitted & keep, inherited & keep, *rest)))
