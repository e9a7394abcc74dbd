"""Resources: what a kernel's process holds after some calls and after many more: what it keeps, and never gives back, is told."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

_FIRST, _APART = 12, 300  # cases in one process before it is looked at, and between looks
_MEMORY = "MiB of memory"
_LEAST = {"open files": 12, "threads": 12, "child processes": 4, _MEMORY: 96}
_CASES_FOR_ONE = 60  # what grows more slowly than by one in so many cases is no leak of every call


@dataclass(frozen=True)
class Held:
    """What a process holds: open files, threads, child processes, and memory of its own in MiB."""

    files: int
    threads: int
    children: int
    mebibytes: int

    @classmethod
    def by(cls, pid: int) -> Held | None:
        """Return what a process holds; None where that cannot be seen."""
        try:
            process = psutil.Process(pid)
            memory = process.memory_info()
            own = (memory.rss - getattr(memory, "shared", 0)) >> 20
            return cls(process.num_fds(), process.num_threads(), len(process.children(recursive=True)), own)
        except (psutil.Error, OSError, AttributeError):  # it has ended, or the system does not say
            return None

    def named(self) -> dict[str, int]:
        """Return the numbers by what they count."""
        return dict(zip(_LEAST, (self.files, self.threads, self.children, self.mebibytes), strict=True))


class Watch:
    """Looks at a kernel's process now and then."""

    def __init__(self) -> None:
        self._pid = self._since = self._looked = 0
        self._before: Held | None = None

    def look(self, pid: int, cases: int) -> str:
        """Return in a sentence what the process `pid` has gathered, at so many cases of the campaign; "" where that is nothing, or where it
        is too early to say."""
        if pid != self._pid:
            self._pid, self._since, self._before = pid, cases, None
            return ""
        if cases - self._since < _FIRST or (self._before is not None and cases - self._looked < _APART):
            return ""
        now = Held.by(pid) if pid else None
        if self._before is None or now is None:
            self._before, self._looked = now, cases
            return ""
        tried, before, after = cases - self._looked, self._before.named(), now.named()
        kept = [
            f"{before[name]} {name} and then {after[name]}"
            for name, least in _LEAST.items()
            if after[name] - before[name] >= max(least, tried // (4 if name == _MEMORY else _CASES_FOR_ONE))
        ]
        if not kept:
            return ""
        return f"the kernel's process held {', '.join(kept)}, {tried} cases later: what it keeps may end a process that lives long"
