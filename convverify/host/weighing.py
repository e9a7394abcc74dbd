"""Memory that processes take, weighed from outside: proc(5) on Linux, what psutil says elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys

import psutil

from .standing import descendants

_IN_MEMORY = ("/memfd:", "/dev/shm/")  # where files lie in memory, as links in /proc/PID/fd tell


def status_of(pid: int, *names: str) -> dict[str, int]:
    """Return fields of /proc/PID/status in bytes; those that it has not, and all of a process that is gone, are missing."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        fields = (line.split(":", 1) for line in file)
        return {name: int(rest.split()[0]) * 1024 for name, rest in fields if name in names}
    return {}


def private_bytes(pid: int) -> int:
    """Return the bytes that a process shares with no other, which what it has from its parent by a fork is not; 0 where it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith(("Private_Clean:", "Private_Dirty:")))
    return 0


def files_in_memory(pid: int, but: int = 0) -> int:
    """Return the bytes of the files in memory that a process has open, without that whose inode is `but`."""
    total = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                status = os.stat(entry.path)
                if os.readlink(entry.path).startswith(_IN_MEMORY) and status.st_ino != but:
                    total += status.st_blocks * 512
    return total


def mebibytes_of(pid: int, but: int = 0) -> float:
    """Return the MiB that a process and its descendants take: anonymous memory, and files in memory but one; 0 where it is gone."""
    if sys.platform == "linux":
        pids = descendants(pid)
        files = max(files_in_memory(one, but) for one in pids)  # children have the same ones open
        return (status_of(pid, "RssAnon").get("RssAnon", 0) + sum(map(private_bytes, pids[1:])) + files) / 2**20
    total = 0
    for one in descendants(pid):
        with contextlib.suppress(psutil.Error):
            total += psutil.Process(one).memory_info().rss
    return total / 2**20
