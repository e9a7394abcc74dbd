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
# Audit architecture; what is never allowed: ptrace, process_vm_readv and _writev, pidfd_getfd; what names a process first: kill, tkill,
# pidfd_open, rt_sigqueueinfo, tgkill, rt_tgsigqueueinfo, sched_setparam, _setscheduler, _setaffinity, _setattr, prlimit64; what names it
# second: setpriority.
_ARCHITECTURES = {
    "x86_64": (0xC000003E, (101, 310, 311, 438), (62, 200, 434, 129, 234, 297, 142, 144, 203, 314, 302), (141,)),
    "aarch64": (0xC00000B7, (117, 270, 271, 438), (129, 130, 434, 138, 131, 240, 118, 119, 122, 274, 261), (140,)),
}


def _instructions(judge: int) -> bytes:
    """Return the filter: no tracing, no signal to every process, none to the judge or its group, and nothing that slows the judge down."""
    architecture, never, first, second = _ARCHITECTURES[platform.machine()]
    parts: list[tuple[int, int, int, int]] = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, 0)]
    parts += [(_AT_LEAST, 0, 1, 1 << 30), (_RETURN, 0, 0, _REFUSE)]  # the same calls under the numbers of x32
    for number in never:
        parts += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    group = os.getpgid(judge)
    forbidden = {judge & 0xFFFFFFFF, -judge & 0xFFFFFFFF, -group & 0xFFFFFFFF, 0xFFFFFFFF}
    for number in first + second:
        body = [(_LOAD, 0, 0, 24 if number in second else 16)]  # the low half of an argument
        for value in sorted(forbidden):
            body += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _REFUSE)]
        body.append((_RETURN, 0, 0, _ALLOW))
        parts += [(_EQUAL, 0, len(body), number), *body]
    parts.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *part) for part in parts)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def restrict(judge: int) -> None:
    """Give up what a kernel does not need: new privileges, tracing, and signals to the judge.  What the system refuses is left out."""
    _prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _drop_tracing()
    if sys.platform == "linux" and platform.machine() in _ARCHITECTURES and judge != os.getpid():
        with contextlib.suppress(OSError):
            code = _instructions(judge)
            program = _Program(len(code) // 8, code)
            libc = ctypes.CDLL(None, use_errno=True)
            libc.prctl(_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(program))


def _drop_tracing() -> None:
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
