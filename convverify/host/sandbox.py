"""The sandbox: a host from which there is no way out, for kernels that nobody has read.

Namespaces of Linux (user, mount, network, PID, IPC): there is no network, no other process is to be seen, every file system is read-only
but a small one in memory at /dev/shm, and of the devices only those that every program needs are there.  All capabilities are dropped,
and a filter of system calls keeps sockets out, and the calls by which one would get into other namespaces.  The whole ends with the
process that has entered it.  It is entered before NumPy is imported: a user namespace takes a process of one thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import platform
import signal
import struct
import sys
from typing import Any, NoReturn

TEMPORARY = "/dev/shm"
_ROOM = "256m"  # of what may be written there
_NEW_MOUNTS, _NEW_IPC, _NEW_USER, _NEW_PID, _NEW_NET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXECUTION, _BIND, _RECURSIVE, _PRIVATE = 1, 2, 4, 8, 0x1000, 0x4000, 0x40000
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_SETATTR = -100, 0x8000, 442
_PDEATHSIG, _CAPBSET_DROP, _NO_NEW_PRIVS, _SECCOMP, _FILTER = 1, 24, 38, 22, 2
_DEVICES = ("null", "zero", "full", "random", "urandom")

# Of each architecture: its number for auditing, the calls that fail (socket, io_uring_setup, unshare, setns, mount, umount2, pivot_root,
# open_tree, move_mount, fsopen, fsmount, fspick, mount_setattr, chroot, add_key, request_key, keyctl, bpf, perf_event_open, userfaultfd,
# ptrace), clone, and clone3, of which one cannot see what it is to do: the C library then takes clone.
_CALLS = {
    "x86_64": (
        0xC000003E, (41, 425, 272, 308, 165, 166, 155, 428, 429, 430, 432, 433, 442, 161, 248, 249, 250, 321, 298, 323, 101), 56, 435,
    ),
    "aarch64": (
        0xC00000B7, (198, 425, 97, 268, 40, 39, 41, 428, 429, 430, 432, 433, 442, 51, 217, 218, 219, 280, 241, 282, 117), 220, 435,
    ),
}  # fmt: skip


class SandboxError(RuntimeError):
    """A system that has no sandbox; the message is one sentence."""


def enter(text: str) -> None:
    """Go on in a sandbox, as a child of the process that calls this; where there is none, tell the judge so, and exit."""
    said = json.loads(text)
    try:
        _enter((said["descriptor"], said["socket"]))
    except SandboxError as error:
        message = json.dumps({"failed": f"there is no sandbox on this system ({error}); run it in a container, or without --sandbox"})
        with contextlib.suppress(OSError):
            os.write(said["socket"], message.encode() + b"\n")
        os._exit(0)


def _enter(kept: tuple[int, ...]) -> None:
    if sys.platform != "linux" or platform.machine() not in _CALLS:
        raise SandboxError(f"it is made of Linux's namespaces, on {' and '.join(_CALLS)}")
    user, group = os.getuid(), os.getgid()
    _system("prctl", _PDEATHSIG, int(signal.SIGKILL))
    _system("unshare", _NEW_USER | _NEW_MOUNTS | _NEW_NET | _NEW_PID | _NEW_IPC)
    for file, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        _write(f"/proc/self/{file}", line)
    child = os.fork()
    if child:
        for descriptor in kept:
            os.close(descriptor)
        _stand_for(child)
    _system("prctl", _PDEATHSIG, int(signal.SIGKILL))
    _restrict_files()
    _restrict_calls()
    os.environ.update(TMPDIR=TEMPORARY, XDG_CACHE_HOME=TEMPORARY, NUMBA_CACHE_DIR=TEMPORARY)


def _stand_for(child: int) -> NoReturn:
    """Wait for the first process in the sandbox, and end as it does: who waits for this process cannot see that one."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _restrict_files() -> None:
    """Let everything be read-only but a file system of its own in memory, and see to new devices and processes."""
    devices = {name: os.open(f"/dev/{name}", os.O_PATH) for name in _DEVICES}
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    _mount("tmpfs", "/dev", "tmpfs", _NO_SUID, "size=64k,mode=755")
    for name, descriptor in devices.items():
        os.close(os.open(f"/dev/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        _mount(f"/proc/self/fd/{descriptor}", f"/dev/{name}", None, _BIND)
        os.close(descriptor)
    for name, place in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{place}", f"/dev/{name}")
    os.mkdir(TEMPORARY)
    _mount("proc", "/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_EXECUTION)
    _set_read_only("/", _AT_RECURSIVE)
    _mount("tmpfs", TEMPORARY, "tmpfs", _NO_SUID | _NO_DEVICES, f"size={_ROOM},mode=700")


def _set_read_only(place: str, how: int) -> None:
    wanted = ctypes.create_string_buffer(struct.pack("=QQQQ", _READ_ONLY, 0, 0, 0), 32)  # struct mount_attr
    _system("syscall", _MOUNT_SETATTR, _AT_FDCWD, place.encode(), how, wanted, 32, told="mount_setattr, of Linux 5.12")


def _mount(source: str | None, place: str, kind: str | None, flags: int, options: str | None = None) -> None:
    encoded = [text.encode() if text is not None else None for text in (source, place, kind, options)]
    _system("mount", *encoded[:3], flags, encoded[3], told=f"mount of {place}")


def _restrict_calls() -> None:
    """Drop all capabilities for good, and put the filter up."""
    for capability in range(64):
        with contextlib.suppress(SandboxError):  # those that this system does not know
            _system("prctl", _CAPBSET_DROP, capability)
    head, none = struct.pack("=Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    _system("capset", head, none)
    _system("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)
    code = _filter()
    _system("prctl", _SECCOMP, _FILTER, ctypes.byref(_Program(len(code) // 8, code)), told="seccomp")


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _filter() -> bytes:
    """Return the filter of seccomp(2), in the language of Berkeley's packet filters."""
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, unknown = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
    architecture, never, clone, clone3 = _CALLS[platform.machine()]
    parts = [(load, 0, 0, 4), (equal, 1, 0, architecture), (answer, 0, 0, refuse), (load, 0, 0, 0)]
    parts += [(at_least, 0, 1, 1 << 30), (answer, 0, 0, refuse)]  # the same calls under the numbers of x32
    for number in never:
        parts += [(equal, 0, 1, number), (answer, 0, 0, refuse)]
    parts += [(equal, 0, 1, clone3), (answer, 0, 0, unknown)]
    spaces = _NEW_USER | _NEW_MOUNTS | _NEW_NET | _NEW_PID | _NEW_IPC
    parts += [(equal, 0, 3, clone), (load, 0, 0, 16), (any_bit, 0, 1, spaces), (answer, 0, 0, refuse), (answer, 0, 0, allow)]
    return b"".join(struct.pack("=HBBI", *part) for part in parts)


def _system(name: str, *arguments: Any, told: str = "") -> None:
    """Call a function of the C library; SandboxError where it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        function = getattr(libc, name)
    except AttributeError:
        raise SandboxError(f"its C library has no {name}") from None
    as_c = [ctypes.c_ulong(value & (1 << 64) - 1) if isinstance(value, int) else value for value in arguments]
    if function(*as_c):
        raise SandboxError(f"{told or name}: {os.strerror(ctypes.get_errno())}")


def _write(file: str, line: str) -> None:
    try:
        with open(file, "w") as stream:
            stream.write(line)
    except OSError as error:
        raise SandboxError(f"{file}: {error.strerror}") from None


def outside_pid(root: int, inside: int) -> int:
    """Return the number by which the judge knows a process that has the number `inside` in the sandbox of `root`; 0 where there is none."""
    from .standing import descendants

    for pid in descendants(root):
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/status") as file:
            numbers = next(line for line in file if line.startswith("NSpid:")).split()[1:]
            if len(numbers) > 1 and int(numbers[-1]) == inside:
                return pid
    return 0
