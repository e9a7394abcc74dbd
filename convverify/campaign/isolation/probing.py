"""Probing: ask a prober process for the verdict on one case, with limits on time and memory, whatever becomes of the process."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from convverify.campaign.events import Started
from convverify.campaign.isolation.prober import decode
from convverify.campaign.isolation.processes import kill, resident_mebibytes, told_exit
from convverify.campaign.options import Options
from convverify.judging.trial import Finding

_DIAGNOSIS = 5.0  # seconds, after which one does without
_MEMORY = 1536  # MiB: enough for a small problem, and soon reached


@dataclass(frozen=True)
class Probe:
    """What a probe came to: a finding or none; `died` tells in words how the process ended, where it did."""

    finding: Finding | None = None
    died: str = ""
    judged: dict[str, bool] = field(default_factory=dict)
    started: Started | None = None


class ProberLost(RuntimeError):
    """The prober itself cannot be started."""


class Prober:
    """A prober process and the child that it has forked for the kernel."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._child = 0
        self._buffer = b""
        self.probes = 0

    def __enter__(self) -> Prober:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Start the process without waiting until it is ready."""
        if self._process is None:
            options = self._options
            command = [
                sys.executable,
                "-m",
                "convverify.campaign.isolation.prober",
                options.target,
                options.data_format or "",
                options.accuracy or "",
            ]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
            )  # fmt: skip
            self._ready = False

    def close(self) -> None:
        """End the process and its child; of two threads that do, one finds it done."""
        process, self._process, self._child, self._buffer = self._process, None, 0, b""
        if process is not None:
            kill(process)
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()

    def fresh(self) -> None:
        """See to it that the next probe meets a kernel that has never been called."""
        if self._child and self._process:
            self._send({"quit": True})
            message = self._receive(2.0)
            if message is None or "exit" not in message:
                self.close()
            self._child = 0

    def probe(
        self,
        case: str,
        *,
        properties: tuple[str, ...] | None = None,
        history: tuple[str, ...] = (),
        arrays: bool = False,
        timeout: float | None = None,
    ) -> Probe:
        """Return the verdict on a case, after the cases of `history`."""
        request = {"case": case, "properties": properties, "history": history, "arrays": arrays}
        message, died = self._ask(request, timeout or self._options.timeout)
        if message is None:
            return Probe(died=died)
        found = message.get("finding")
        finding = None
        if found:
            arrays_found: dict[str, Any] = {name: decode(found.get(name)) for name in ("expected", "actual", "wrong", "bound")}
            finding = Finding(found["property"], found["sentence"], **arrays_found)
        told = message["kernel"]
        started = Started(tuple(told["spellings"]), told["data_format"], told["accuracy"], 0, 0.0, spellings=told["spellings"])
        return Probe(finding, "", message["judged"], started)

    def diagnose(self, cases: list[str], without: str) -> tuple[str, ...]:
        """Return which known faults explain the kernel's outputs on failing cases; none where that takes too long."""
        message, _ = self._ask({"diagnose": cases, "without": without}, _DIAGNOSIS)
        return () if message is None else tuple(message.get("diagnosis", ()))

    def calls_until_wrong(self, case: str, calls: int, seconds: float) -> int:
        """Return the number of the first call on a case, of a kernel never called before, that goes wrong; 0 for none."""
        self.fresh()
        message, _ = self._ask({"case": case, "calls": calls, "seconds": seconds}, seconds + self._options.timeout)
        return 0 if message is None else int(message.get("number", 0))

    def _ask(self, request: dict[str, Any], timeout: float) -> tuple[dict[str, Any] | None, str]:
        self.probes += 1
        self.start()
        if not self._ready:
            message = self._receive(120.0)
            if message is None or "ready" not in message:
                self.close()
                raise ProberLost((message or {}).get("failed", "the prober process cannot be started"))
            self._ready = True
        self._send(request)
        deadline = time.monotonic() + timeout
        while True:
            message = self._receive(0.05)
            if message is None:
                if time.monotonic() > deadline:
                    return self._end(f"the kernel did not return within {timeout:g} s")
                limit = min(self._options.memory_limit, _MEMORY)
                if self._child and resident_mebibytes(self._child) > limit:
                    return self._end(f"the kernel used more than {limit} MiB of memory")
            elif "child" in message:
                self._child = message["child"]
            elif "exit" in message:
                self._child = 0
                if message["exit"] == 0:
                    return None, "the process exited with status 0"
                return None, told_exit(message["exit"])
            elif "lost" in message:
                self.close()
                return None, "the process is gone"
            else:
                return message, ""

    def _end(self, sentence: str) -> tuple[None, str]:
        """Kill the child, or the whole prober where that does not help."""
        child, self._child = self._child, 0
        try:
            os.kill(child, 9)
        except OSError:
            self.close()
            return None, sentence
        message = self._receive(5.0)
        while message is not None and "exit" not in message and "lost" not in message:
            message = self._receive(5.0)
        if message is None or "lost" in message:
            self.close()
        return None, sentence

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write((json.dumps(request) + "\n").encode())
            self._process.stdin.flush()
        except OSError:
            pass  # the loss shows when the answer is awaited

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message, {"lost": True} where there will be none, or None when there is none within `seconds`."""
        assert self._process is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                return None
            data = os.read(self._process.stdout.fileno(), 1 << 20)
            if not data:
                return {"lost": True}
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message
